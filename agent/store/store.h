/* The store: ordered tables of small records, written in synced transactions, one at a time.
 *
 * Three pieces:
 *   backend   store_lmdb (the real one) or store_mem (tests, simulator): reads, and commits a batch
 *   overlay   what the core has put and no commit has made durable yet; reads see it at once
 *   view      the function table that the core is handed (agent/core sees nothing else of this)
 *
 * Commit, then speak: the shell takes the batch of a step (or of the steps that shared one commit),
 * has it committed on the writer thread, and only then lets the effects of those steps out. A
 * failed commit ends the process (I2). The same overlay code runs in the agent and in the
 * simulator.
 *
 * LMDB: two environments. `self arcs registers starts` and the outbox are in the voting one, small,
 * preallocated, every commit synced. The others are in the history one; their puts ride in the
 * voting transaction as an outbox entry and are drained afterwards, so that a full history can not
 * stop claims.
 *
 * A record whose bytes do not check is set aside: get answers ERR_CORRUPT for it, next passes over
 * it, both count it; a put over it mends it. */
#ifndef AGENT_STORE_STORE_H
#define AGENT_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/store_view.h"
#include "proto/types.h"

/* One transaction's worth of changes, in the order in which they were made. Opaque; made by the
 * overlay. */
struct store_batch;

struct store_backend {
	void *context;
	/* As in store_view, but durable state only. Thread: the loop's. */
	enum err (*get)(void *context, enum store_table table, struct slice key, struct buf *ret_value);
	enum err (*next)(void *context, enum store_table table, struct slice key,
			 struct buf *ret_key, struct buf *ret_value);
	/* Applies and syncs the batch as one transaction. Thread: the writer's; one at a time. */
	enum err (*commit)(void *context, const struct store_batch *batch, struct problem *problem);
	/* Used part of the voting map, in 1/1000. */
	unsigned (*usage_permille)(void *context);
};

/* ---- overlay ---- */
struct store_overlay;

/* Ownership: the overlay borrows the backend. NULL: out of memory. */
struct store_overlay *store_overlay_new(struct store_backend *backend);
void store_overlay_free(struct store_overlay *overlay);
/* What the core is handed; valid as long as the overlay. */
const struct store_view *store_overlay_view(struct store_overlay *overlay);
/* All changes since the last take, or NULL if there are none; a key occurs once, with its last
 * value. The overlay goes on showing them. Several batches may be in flight; they are committed in
 * the order taken. Free with store_batch_free after store_overlay_committed, on the loop's thread,
 * before the overlay. If memory ran out while changes were put, this batch and all later ones fail
 * to commit with ERR_NO_MEMORY. */
struct store_batch *store_overlay_take(struct store_overlay *overlay);
/* The batch is durable: its entries that were not overwritten since leave the overlay. */
void store_overlay_committed(struct store_overlay *overlay, const struct store_batch *batch);

void store_batch_free(struct store_batch *batch);
size_t store_batch_count(const struct store_batch *batch);
/* The i-th change; is_remove: value is empty. */
struct store_change {
	enum store_table table;
	struct slice key;
	struct slice value;
	bool is_remove;
};
struct store_change store_batch_at(const struct store_batch *batch, size_t index);

/* ---- backends ---- */
struct store_options {
	const char *directory;  /* made with 0700 if missing; looser modes are refused */
	uint64_t voting_bytes;  /* 0: 16 MiB; grown in steps ahead of need */
	uint64_t history_bytes; /* 0: 1 GiB of address space */
};
/* ERR_EXISTS: held by a running process (the problem names its pid); ERR_CORRUPT: unreadable or of
 * another schema, which stops the agent (it never starts empty over data); ERR_DENIED: mode. */
MUST_CHECK enum err store_lmdb_open(const struct store_options *options,
				    struct store_backend **ret_backend, struct problem *problem);
/* Drains once more; accepts NULL. */
void store_lmdb_close(struct store_backend *backend);
/* Moves what is in the outbox to the history environment: call it on the writer thread when no
 * batch waits. ERR_NOT_FOUND: there was nothing; any other error: it stays in the outbox, where
 * reads see it and a later try finds it. While that lasts, usage_permille counts the outbox, too;
 * once it holds OUTBOX_BYTES_MAX, commits with changes of history tables fail with ERR_FULL, and
 * those without go on. */
MUST_CHECK enum err store_lmdb_drain(struct store_backend *backend, struct problem *problem);
/* Is there anything to drain? Any thread. */
bool store_lmdb_has_undrained(const struct store_backend *backend);
/* Records that did not check, each time one was read. Any thread. */
uint64_t store_lmdb_corrupt_count(const struct store_backend *backend);

/* In memory. Commits are durable at once unless the simulator holds them (store_mem.h has the
 * rest). */
struct store_backend *store_mem_new(void);
void store_mem_free(struct store_backend *backend);

#endif
