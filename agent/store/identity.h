/* Who this agent is: read from its store, made once, before anything is said.
 *
 * A node id belongs to one store, and `boot` is raised and synced at every start, so no ballot and
 * no nonce is used twice. Keys of TABLE_SELF: "node" (16 bytes), "boot" (u64,
 * big-endian), "cluster" (16 bytes; the core puts it when it learns it). */
#ifndef AGENT_STORE_IDENTITY_H
#define AGENT_STORE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/store/store.h"
#include "proto/err.h"
#include "proto/types.h"

#define IDENTITY_KEY_NODE "node"
#define IDENTITY_KEY_BOOT "boot"
#define IDENTITY_KEY_CLUSTER "cluster"

struct identity {
	struct id128 node;
	uint64_t boot;        /* the larger of boot_before + 1 and utc_ms */
	uint64_t boot_before; /* what was on disk; 0 for a new store */
	struct id128 cluster; /* zero unless has_cluster */
	bool has_cluster;
};

/* Reads the identity, or makes one, and commits the raised boot before it returns.
 *
 * wished_node: the id of a new store in tests and simulations; NULL or zero: 128 random bits. A
 * store that has an id keeps it. Errors: ERR_CORRUPT, a record is unreadable (an agent never takes
 * a new id over the data of another); ERR_RANGE, boot is used up; ERR_IO, no random bits; else what
 * the commit answers. */
MUST_CHECK enum err identity_open(struct store_backend *backend, const struct id128 *wished_node,
				  int64_t utc_ms, struct identity *ret_identity,
				  struct problem *problem);

#endif
