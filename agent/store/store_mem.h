/* The backend in memory: what a disk can do to a store, at the simulator's word.
 *
 *     commit --(not held)---------------------------> durable
 *     commit --(held)--> issued --store_mem_finish--> durable
 *                        issued --store_mem_crash---> the first `keep_count` durable, others gone
 *
 * get and next read what is durable. Every function takes the backend of store_mem_new. */
#ifndef AGENT_STORE_STORE_MEM_H
#define AGENT_STORE_STORE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/store.h"
#include "proto/err.h"
#include "proto/types.h"

/* With is_held, commit answers ERR_OK at once but only issues the batch; the batch may be freed.
 * Without, the next commit is durable at once; there must be none issued then. */
void store_mem_hold(struct store_backend *backend, bool is_held);
/* Issued and not finished. */
size_t store_mem_issued_count(const struct store_backend *backend);
/* The oldest issued commit is durable. An error that was armed, or ERR_FULL of the limit: it is
 * dropped, nothing of it was applied. Requires: one is issued. */
MUST_CHECK enum err store_mem_finish(struct store_backend *backend);
/* Power fails: of the issued commits the oldest keep_count are durable (LMDB's order), the others
 * are gone. An armed error is gone too. */
void store_mem_crash(struct store_backend *backend, size_t keep_count);

/* The next commit (held: the next finish) fails with `err` and changes nothing. ERR_OK disarms. */
void store_mem_fail_next(struct store_backend *backend, enum err err);
/* A commit that would make the store larger than this fails with ERR_FULL; removals still go. 0: no
 * limit. */
void store_mem_limit(struct store_backend *backend, size_t bytes_max);
/* One bit of the record's value flips: get answers ERR_CORRUPT, next passes over it, until it is
 * put anew. False: no such record. */
bool store_mem_flip(struct store_backend *backend, enum store_table table, struct slice key);
/* An empty disk. */
void store_mem_wipe(struct store_backend *backend);

/* A copy of what is durable; cheap, since records are shared. NULL: out of memory. */
struct store_mem_image;
struct store_mem_image *store_mem_image_new(const struct store_backend *backend);
void store_mem_image_free(struct store_mem_image *image);
/* The backend holds what the image holds: rolled back to an earlier one of its own, or a clone of
 * another. Issued commits are gone. The image can be used again. ERR_NO_MEMORY: unchanged. */
MUST_CHECK enum err store_mem_restore(struct store_backend *backend,
				      const struct store_mem_image *image);

/* For checkers. */
size_t store_mem_record_count(const struct store_backend *backend);
size_t store_mem_bytes(const struct store_backend *backend);
uint64_t store_mem_commit_count(const struct store_backend *backend); /* made durable, ever */
uint64_t store_mem_corrupt_count(const struct store_backend *backend); /* flipped records met by reads */

#endif
