/* The whole agent but its edges: node_step(event) -> effects. Read this header first.
 *
 * The core does no I/O, reads no clock, starts no thread and takes no memory after node_init. All it knows comes in
 * events; all it wants goes out as effects and as puts into the store's view, which are one transaction that is synced
 * before any effect of the step leaves. The shell (agent/io) and the simulator (tests/sim) drive it in the same way:
 *
 *     node_step(node, &event, &effects);
 *     while (effects.more)                          again with EVENT_CONTINUE, after moving the effects on
 *     deadline = node_next_deadline_us(node);       one timer
 */
#ifndef AGENT_CORE_NODE_H
#define AGENT_CORE_NODE_H

#include "agent/core/effect.h"
#include "agent/core/event.h"
#include "agent/core/zone.h"
#include "proto/limits.h"
#include "proto/store_view.h"
#include "proto/types.h"

#define NODE_DEADLINE_NONE INT64_MAX

struct node;

struct node_config {
	struct id128 id;
	uint64_t boot;        /* raised and synced before node_init */
	uint64_t boot_before; /* what was on disk before this start; 0 for a new store */
	char name[NODE_NAME_BYTES_MAX + 1];
	struct address address; /* where peers reach it; family 0: no key, so local socket only */
	struct id128 cluster;   /* zero: not known yet (a fresh joiner) */
	struct address seeds[SEEDS_MAX];
	uint32_t seed_count;
	/* Birth: the members of epoch 1 of every arc. With --init the node itself. Given by tests: up to
	 * SET_MEMBERS_MAX fixed ids, so that several voters are under test. Count 0: read from the store, or
	 * learnt when joining. */
	struct id128 birth_set[SET_MEMBERS_MAX];
	uint32_t birth_count;
	char cluster_name[NODE_NAME_BYTES_MAX + 1]; /* for the console's bar; empty: first digits of the cluster's id */
	uint32_t slots;       /* runs at a time on this node */
	uint64_t prng_seed;
	uint32_t jobs_max;    /* 0: NODE_JOBS_DEFAULT */
	const char *version;
	const char *zone_version; /* tzdata's */
};

#define NODE_JOBS_DEFAULT 100000u

/* How much memory node_init needs; it is touched only as it is used, so map it, do not clear it: it must read as
 * zeros. */
size_t node_bytes(const struct node_config *config);

/* Builds a node in `memory` (node_bytes, zeros, 16-aligned). Borrows store and zones for the node's life; copies config. The
 * first event must be EVENT_STARTED, in which it reads its tables. */
struct node *node_init(void *memory, const struct node_config *config, const struct store_view *store,
                       const struct zone_source *zones);

/* One event in, effects out (cleared first). Deterministic: the same events give the same effects. */
void node_step(struct node *node, const struct event *event, struct effects *effects);

/* Boot-time clock, us; NODE_DEADLINE_NONE: nothing to wait for. May be in the past. */
int64_t node_next_deadline_us(const struct node *node);

/* For the edge: zero until it is known. The seal's header carries its hash. */
struct id128 node_cluster(const struct node *node);

/* For the seal at the edge: the boot that is known of a sender, 0 if none: an older one is refused there. */
uint64_t node_boot_known(const struct node *node, uint64_t sender_short);

#endif
