/* The cluster's keys as this agent holds them. */
#include "agent/io/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/buf.h"
#include "proto/wire.h"

#define RECORD_VERSION 1u
#define RECORD_BYTES_MAX 256u

const struct seal_master *keyring_find(const struct keyring *keyring, uint16_t key_id)
{
	for (uint32_t i = 0; i < keyring->count; i++) {
		if (keyring->keys[i].key_id == key_id)
			return &keyring->keys[i];
	}
	return NULL;
}

void keyring_put(struct buf *out, const struct keyring *keyring)
{
	wire_put_array(out, 2);
	wire_put_u64(out, RECORD_VERSION);
	wire_put_array(out, keyring->count);
	for (uint32_t i = 0; i < keyring->count; i++)
		wire_put_bin(out, keyring->keys[i].key, SEAL_KEY_BYTES);
}

enum err keyring_get(struct slice record, struct keyring *ret_keyring)
{
	struct wire_reader reader;
	wire_reader_init(&reader, record);
	uint32_t extra = wire_get_array_min(&reader, 2);
	uint64_t version = wire_get_u64(&reader);
	struct keyring keyring = {0};
	uint32_t count = wire_get_array(&reader, KEYRING_KEYS_MAX);
	for (uint32_t i = 0; i < count && reader.err == ERR_OK; i++) {
		struct slice key = wire_get_bin(&reader, SEAL_KEY_BYTES);
		if (key.bytes != SEAL_KEY_BYTES)
			return ERR_CORRUPT;
		seal_master_from_bytes(key.data, &keyring.keys[keyring.count++]);
	}
	wire_skip_items(&reader, extra - (extra < 2 ? extra : 2));
	if (wire_reader_end(&reader) != ERR_OK || version != RECORD_VERSION || keyring.count == 0)
		return ERR_CORRUPT;
	*ret_keyring = keyring;
	return ERR_OK;
}

/* ---- the file ---- */

static enum err read_open_file(int fd, const char *path, struct seal_master *ret_master,
			       struct problem *problem)
{
	struct stat status;
	if (fstat(fd, &status) != 0)
		return problem_set(problem, ERR_IO, "--key: %s: %s", path, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return problem_set(problem, ERR_INVALID, "--key: %s: is no file", path);
	if ((status.st_mode & 077) != 0) {
		(void)problem_set(problem, ERR_DENIED,
				  "--key: %s: mode %04o lets others read the cluster's key", path,
				  (unsigned)status.st_mode & 07777);
		problem_hint(problem, "chmod 600 %s", path);
		return ERR_DENIED;
	}
	char text[KEYRING_FILE_BYTES_MAX];
	ssize_t bytes = read(fd, text, sizeof(text));
	if (bytes < 0)
		return problem_set(problem, ERR_IO, "--key: %s: %s", path, strerror(errno));
	enum err err = seal_master_parse(slice_of(text, (size_t)bytes), ret_master, problem);
	sodium_memzero(text, sizeof(text));
	if (err != ERR_OK)
		problem_context(problem, "--key: %s", path);
	return err;
}

static enum err read_file(const char *path, struct seal_master *ret_master, struct problem *problem)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		enum err code = errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
		(void)problem_set(problem, code, "--key: %s: %s", path, strerror(errno));
		if (code == ERR_NOT_FOUND)
			problem_hint(problem, "schedctl key new %s, once for the cluster", path);
		return code;
	}
	enum err err = read_open_file(fd, path, ret_master, problem);
	(void)close(fd);
	return err;
}

/* ---- the store ---- */

static enum err commit_ring(struct store_backend *backend, const struct keyring *keyring,
			    struct problem *problem)
{
	uint8_t memory[RECORD_BYTES_MAX];
	struct buf record;
	buf_init(&record, memory, sizeof(memory));
	keyring_put(&record, keyring);
	struct store_overlay *overlay = store_overlay_new(backend);
	if (overlay == NULL)
		return problem_set(problem, ERR_NO_MEMORY, "key ring: out of memory");
	const struct store_view *view = store_overlay_view(overlay);
	view->put(view->context, TABLE_SELF, slice_str(KEYRING_RECORD), buf_slice(&record));
	struct store_batch *batch = store_overlay_take(overlay);
	enum err err = batch == NULL ? ERR_NO_MEMORY
				     : backend->commit(backend->context, batch, problem);
	if (batch != NULL && err == ERR_OK)
		store_overlay_committed(overlay, batch);
	store_batch_free(batch);
	store_overlay_free(overlay);
	sodium_memzero(memory, sizeof(memory));
	return err;
}

enum err keyring_open(struct store_backend *backend, const char *path, struct keyring *ret_keyring,
		      struct problem *problem)
{
	struct keyring stored = {0};
	uint8_t memory[RECORD_BYTES_MAX];
	struct buf record;
	buf_init(&record, memory, sizeof(memory));
	enum err err = backend->get(backend->context, TABLE_SELF, slice_str(KEYRING_RECORD), &record);
	if (err == ERR_OK)
		err = keyring_get(buf_slice(&record), &stored);
	if (err != ERR_OK && err != ERR_NOT_FOUND)
		return problem_set(problem, ERR_CORRUPT, "the store's key ring can not be read");
	sodium_memzero(memory, sizeof(memory));
	if (path[0] == '\0') {
		*ret_keyring = stored;
		return ERR_OK;
	}
	struct keyring given = {.count = 1};
	err = read_file(path, &given.keys[0], problem);
	if (err != ERR_OK)
		return err;
	if (stored.count > 0) {
		if (memcmp(given.keys[0].key, stored.keys[0].key, SEAL_KEY_BYTES) != 0) {
			(void)problem_set(
				problem, ERR_STALE,
				"--key: %s has key %04x, but this node's store has key %04x, which is the one in force",
				path, given.keys[0].key_id, stored.keys[0].key_id);
			problem_hint(problem,
				     "give the file with the cluster's key, or leave --key out");
			return ERR_STALE;
		}
		*ret_keyring = stored;
		return ERR_OK;
	}
	err = commit_ring(backend, &given, problem);
	if (err == ERR_OK)
		*ret_keyring = given;
	return err;
}

void keyring_close(struct keyring *keyring)
{
	sodium_memzero(keyring, sizeof(*keyring));
}
