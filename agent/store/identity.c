/* Who this agent is. */
#include "agent/store/identity.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define BOOT_BYTES 8u

/* ERR_NOT_FOUND: not there. A record of another length than `bytes` is corrupt. */
static enum err self_get(struct store_backend *backend, const char *key, uint8_t *ret_bytes,
			 size_t bytes, struct problem *problem)
{
	struct buf value;
	buf_init(&value, ret_bytes, bytes);
	enum err err = backend->get(backend->context, TABLE_SELF, slice_str(key), &value);
	if (err == ERR_OK && value.bytes == bytes)
		return ERR_OK;
	if (err == ERR_NOT_FOUND)
		return ERR_NOT_FOUND;
	if (err != ERR_OK && err != ERR_FULL && err != ERR_CORRUPT)
		return problem_set(problem, err, "store: read self/%s: %s", key, err_text(err));
	(void)problem_set(problem, ERR_CORRUPT, "store: the record self/%s does not check", key);
	problem_hint(problem, "move the directory away and join again: the agent gets a new id");
	return ERR_CORRUPT;
}

static enum err draw_node(struct id128 *ret_node, struct problem *problem)
{
	ssize_t got;
	do {
		got = getrandom(ret_node->bytes, sizeof(ret_node->bytes), 0);
	} while (got < 0 && errno == EINTR);
	if (got != (ssize_t)sizeof(ret_node->bytes))
		return problem_set(problem, ERR_IO, "no random bits for the node id: %s",
				   strerror(errno));
	return ERR_OK;
}

static enum err self_commit(struct store_backend *backend, const struct identity *identity,
			    struct problem *problem)
{
	struct store_overlay *overlay = store_overlay_new(backend);
	if (overlay == NULL)
		return problem_set(problem, ERR_NO_MEMORY, "store: out of memory");
	const struct store_view *view = store_overlay_view(overlay);
	uint8_t boot_bytes[BOOT_BYTES];
	store_u64(boot_bytes, identity->boot);
	view->put(view->context, TABLE_SELF, slice_str(IDENTITY_KEY_NODE),
		  slice_of(identity->node.bytes, sizeof(identity->node.bytes)));
	view->put(view->context, TABLE_SELF, slice_str(IDENTITY_KEY_BOOT),
		  slice_of(boot_bytes, sizeof(boot_bytes)));
	struct store_batch *batch = store_overlay_take(overlay);
	assert(batch != NULL);
	enum err err = backend->commit(backend->context, batch, problem);
	store_batch_free(batch);
	store_overlay_free(overlay);
	return err;
}

static enum err node_read(struct store_backend *backend, const struct id128 *wished_node,
			  struct identity *ret_identity, struct problem *problem)
{
	uint8_t boot_bytes[BOOT_BYTES];
	enum err node_err = self_get(backend, IDENTITY_KEY_NODE, ret_identity->node.bytes,
				     sizeof(ret_identity->node.bytes), problem);
	if (node_err != ERR_OK && node_err != ERR_NOT_FOUND)
		return node_err;
	enum err boot_err = self_get(backend, IDENTITY_KEY_BOOT, boot_bytes, sizeof(boot_bytes),
				     problem);
	if (boot_err != ERR_OK && boot_err != ERR_NOT_FOUND)
		return boot_err;
	/* Both are always written together. */
	if (node_err != boot_err)
		return problem_set(problem, ERR_CORRUPT,
				   "store: of self/node and self/boot one is missing");
	if (node_err == ERR_OK) {
		ret_identity->boot_before = load_u64(boot_bytes);
		return ERR_OK;
	}
	if (wished_node != NULL && !id128_is_zero(*wished_node)) {
		ret_identity->node = *wished_node;
		return ERR_OK;
	}
	return draw_node(&ret_identity->node, problem);
}

enum err identity_open(struct store_backend *backend, const struct id128 *wished_node,
		       int64_t utc_ms, struct identity *ret_identity, struct problem *problem)
{
	struct identity identity = {0};
	enum err err = node_read(backend, wished_node, &identity, problem);
	if (err != ERR_OK)
		return err;
	if (identity.boot_before == UINT64_MAX)
		return problem_set(problem, ERR_RANGE, "store: self/boot can not be raised");
	err = self_get(backend, IDENTITY_KEY_CLUSTER, identity.cluster.bytes,
		       sizeof(identity.cluster.bytes), problem);
	if (err != ERR_OK && err != ERR_NOT_FOUND)
		return err;
	identity.has_cluster = err == ERR_OK;

	identity.boot = identity.boot_before + 1;
	if (utc_ms > 0 && (uint64_t)utc_ms > identity.boot)
		identity.boot = (uint64_t)utc_ms;
	err = self_commit(backend, &identity, problem);
	if (err != ERR_OK)
		return err;
	*ret_identity = identity;
	return ERR_OK;
}
