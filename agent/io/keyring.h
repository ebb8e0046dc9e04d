/* The cluster's keys as this agent holds them: the first seals, each opens.
 *
 * A key file is read at the first start; from then on the ring in the store wins (TABLE_SELF, "keyring"), and a file
 * that differs is an error that says so: a key is changed in the cluster, not in files. */
#ifndef AGENT_IO_KEYRING_H
#define AGENT_IO_KEYRING_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/store/store.h"
#include "proto/err.h"
#include "proto/seal.h"
#include "proto/types.h"

#define KEYRING_KEYS_MAX 4u /* the one in use, the next, and two that are on their way out */
#define KEYRING_FILE_BYTES_MAX 1024u
#define KEYRING_RECORD "keyring"

struct keyring {
	struct seal_master keys[KEYRING_KEYS_MAX];
	uint32_t count;
};

/* NULL: no key of this id. */
const struct seal_master *keyring_find(const struct keyring *keyring, uint16_t key_id);

/* `path` empty: the ring of the store, which may be empty too (count 0: no key, no port).
 *
 * Errors: ERR_DENIED, others may read the file (hint: chmod); ERR_NOT_FOUND, ERR_IO, ERR_INVALID: the file;
 * ERR_STALE: the file has another key than the store; ERR_CORRUPT: the store's record; or what the commit answers.
 * The first key is committed before this returns. */
MUST_CHECK enum err keyring_open(struct store_backend *backend, const char *path,
				 struct keyring *ret_keyring, struct problem *problem);
/* Overwrites the keys. */
void keyring_close(struct keyring *keyring);

/* The record's form, for the tests: msgpack [1, [key, ...]]. */
void keyring_put(struct buf *out, const struct keyring *keyring);
MUST_CHECK enum err keyring_get(struct slice record, struct keyring *ret_keyring);

#endif
