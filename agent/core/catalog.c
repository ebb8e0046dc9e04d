/* Decided definitions: a copy on every agent, so that any of them can list, plan and take over. A value is known by its
 * counter, which a majority decided once, so there is nothing to merge: newer replaces older. */
#include <assert.h>
#include <string.h>

#include "agent/core/state.h"
#include "proto/hash.h"

#define COPY_KEY_BYTES 19u
#define VERSION_KEY_BYTES 24u
#define VERSIONS_KEPT 20u
#define SPREAD_COUNT 3u

static void copy_key_store(enum register_kind kind, struct id128 key, uint8_t ret_bytes[COPY_KEY_BYTES])
{
	store_u16(ret_bytes, place_arc(key));
	ret_bytes[2] = (uint8_t)kind;
	memcpy(ret_bytes + 3, key.bytes, 16);
}

static void version_key_store(struct id128 job, uint64_t counter, uint8_t ret_bytes[VERSION_KEY_BYTES])
{
	memcpy(ret_bytes, job.bytes, 16);
	store_u64(ret_bytes + 16, counter);
}

/* Reads a def value in either table's form (a counter in front, or not) into scratch_def. */
static enum err catalog_get(struct node *node, enum store_table table, struct slice key, size_t skip_bytes,
                            struct def_value *ret_value)
{
	struct buf memory;
	buf_init(&memory, node->scratch_def, WIDE_BYTES);
	enum err err = node->store->get(node->store->context, table, key, &memory);
	if (err != ERR_OK)
		return err;
	if (memory.bytes < skip_bytes)
		return ERR_CORRUPT;
	return def_value_get(slice_of(memory.data + skip_bytes, memory.bytes - skip_bytes), ret_value);
}

enum err catalog_read(struct node *node, struct id128 job, struct def_value *ret_value)
{
	uint8_t key[COPY_KEY_BYTES];
	copy_key_store(REGISTER_DEF, job, key);
	return catalog_get(node, TABLE_COPIES, slice_of(key, sizeof(key)), 8, ret_value);
}

enum err catalog_read_version(struct node *node, struct id128 job, uint64_t counter, struct def_value *ret_value)
{
	uint8_t key[VERSION_KEY_BYTES];
	version_key_store(job, counter, key);
	if (catalog_get(node, TABLE_VERSIONS, slice_of(key, sizeof(key)), 0, ret_value) == ERR_OK)
		return ERR_OK;
	return catalog_read(node, job, ret_value);
}

static void catalog_push(struct node *node, struct id128 to, struct id128 job, uint64_t counter, struct slice value)
{
	uint32_t wide = node_wide_take(node);
	if (wide == 0)
		return;
	struct copy copy = { .kind = REGISTER_DEF, .key = job, .counter = counter, .value = value };
	struct buf item;
	buf_init(&item, node_wide(node, wide), WIDE_BYTES);
	copy_put(&item, &copy);
	if (!item.has_overflowed)
		outbox_put(node, to, MESSAGE_COPY, buf_slice(&item));
	node_wide_free(node, wide);
}

/* News goes to three random members at once, who pass on what was news to them; to all while there are few. */
static void catalog_spread(struct node *node, struct id128 job, uint64_t counter, struct slice value, struct id128 from)
{
	uint32_t count = swim_member_count(node->swim);
	if (count <= 1)
		return;
	uint32_t start = (uint32_t)prng_below(&node->prng, count);
	uint32_t sent = 0;
	for (uint32_t i = 0; i < count && sent < SPREAD_COUNT; i++) {
		const struct member *member = swim_member_at(node->swim, (start + i) % count);
		if (id128_equal(member->id, node->config.id) || id128_equal(member->id, from) ||
		    member->rank > MEMBER_SUSPECT)
			continue;
		catalog_push(node, member->id, job, counter, value);
		sent++;
	}
}

void catalog_put(struct node *node, enum register_kind kind, struct id128 key, struct slice value, struct id128 from)
{
	struct def_value news;
	if (kind != REGISTER_DEF || def_value_get(value, &news) != ERR_OK)
		return;
	struct def_value held;
	uint64_t counter_before = catalog_read(node, key, &held) == ERR_OK ? held.counter : 0;
	if (news.counter <= counter_before)
		return;
	uint32_t job = job_add(&node->jobs, key, place_arc(key));
	if (job == JOB_NONE) {
		effects_trace(node->effects, TRACE_ERROR, "catalog full jobs=%u", node->jobs.count);
		return;
	}
	uint8_t copy_bytes[COPY_KEY_BYTES];
	copy_key_store(kind, key, copy_bytes);
	struct buf record;
	buf_init(&record, node->scratch_out, FRAME_BYTES_MAX);
	buf_put_u64(&record, news.counter);
	buf_put(&record, value.data, value.bytes);
	node->store->put(node->store->context, TABLE_COPIES, slice_of(copy_bytes, sizeof(copy_bytes)), buf_slice(&record));

	uint8_t version_bytes[VERSION_KEY_BYTES];
	version_key_store(key, news.counter, version_bytes);
	node->store->put(node->store->context, TABLE_VERSIONS, slice_of(version_bytes, sizeof(version_bytes)), value);
	if (news.counter > VERSIONS_KEPT) {
		version_key_store(key, news.counter - VERSIONS_KEPT, version_bytes);
		node->store->remove(node->store->context, TABLE_VERSIONS, slice_of(version_bytes, sizeof(version_bytes)));
	}
	sync_count(node, place_arc(key), key, counter_before, news.counter);
	catalog_spread(node, key, news.counter, value, from);
	planner_replan(node, job);
}

void catalog_on_copy(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader)
{
	for (uint32_t i = 0; i < item_count; i++) {
		struct copy copy;
		copy_get(reader, &copy);
		if (reader->err != ERR_OK)
			return;
		struct def_value value;
		if (def_value_get(copy.value, &value) != ERR_OK || value.counter != copy.counter ||
		    !id128_equal(hash_id(value.name), copy.key))
			continue; /* one bad record stops only itself */
		catalog_put(node, copy.kind, copy.key, copy.value, from);
	}
}

void catalog_send(struct node *node, struct id128 to, struct id128 job)
{
	uint8_t key[COPY_KEY_BYTES];
	copy_key_store(REGISTER_DEF, job, key);
	struct buf memory;
	buf_init(&memory, node->scratch_def, WIDE_BYTES);
	if (node->store->get(node->store->context, TABLE_COPIES, slice_of(key, sizeof(key)), &memory) != ERR_OK ||
	    memory.bytes < 8)
		return;
	catalog_push(node, to, job, load_u64(memory.data), slice_of(memory.data + 8, memory.bytes - 8));
}

void catalog_on_start(struct node *node)
{
	uint8_t key_memory[64];
	struct buf key;
	buf_init(&key, key_memory, sizeof(key_memory));
	struct buf value;
	buf_init(&value, node->scratch_def, WIDE_BYTES);
	while (node->store->next(node->store->context, TABLE_COPIES, buf_slice(&key), &key, &value) == ERR_OK) {
		if (key.bytes != COPY_KEY_BYTES || value.bytes < 8 || key_memory[2] != REGISTER_DEF)
			continue;
		struct id128 job;
		memcpy(job.bytes, key_memory + 3, 16);
		uint64_t counter = load_u64(value.data);
		if (job_add(&node->jobs, job, place_arc(job)) != JOB_NONE)
			sync_count(node, place_arc(job), job, 0, counter);
	}
}
