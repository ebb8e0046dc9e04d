/* One LMDB environment: a data file with tables of checked records. environment.c is the only file
 * that knows LMDB.
 *
 * A value is stored behind 4 bytes of checksum over table, key and value. A record that does not
 * check is set aside: get answers ERR_CORRUPT, next passes over it, both count it.
 *
 * Threads: one thread writes (begin to commit), one reads (get, next); growing needs both at rest.
 */
#ifndef AGENT_STORE_ENVIRONMENT_H
#define AGENT_STORE_ENVIRONMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/store/directory.h"
#include "proto/buf.h"
#include "proto/err.h"
#include "proto/store_view.h"
#include "proto/types.h"

#define ENVIRONMENT_OUTBOX 0u /* a table beside those of enum store_table */
#define ENVIRONMENT_SCHEMA 1u /* of both files; another one is refused */

struct MDB_env;
struct MDB_txn;

struct environment {
	const struct store_directory *directory;
	const char *name; /* of the file */
	struct MDB_env *env;
	struct MDB_txn *read_txn; /* reset between calls, so that it keeps no page from being used again */
	struct MDB_txn *write_txn; /* between begin and commit */
	int write_error;           /* the first of this write transaction */
	unsigned meta;             /* handles of tables */
	unsigned tables[TABLE_END];
	uint64_t bytes_max; /* of the map */
	bool is_fresh;      /* has no schema record yet */
	bool has_failed;    /* a sync failed: what is on the disk is not known, so nothing is tried
			       again */
	atomic_ullong corrupt_count;
};

/* Opens DIR/name, or makes it with 0600, with the tables [first, end) and the outbox if first is
 * ENVIRONMENT_OUTBOX. The map has at least bytes_max bytes, or as many as the file.
 *
 * Errors: ERR_CORRUPT, it is unreadable, cut short or of another schema; ERR_DENIED, mode; ERR_IO.
 * Whatever the answer, environment_close must follow. */
MUST_CHECK enum err environment_open(struct environment *environment,
				     const struct store_directory *directory, const char *name,
				     uint64_t bytes_max, unsigned first, unsigned end,
				     struct problem *problem);
/* Accepts a zeroed or half opened one. */
void environment_close(struct environment *environment);
/* Writes the schema record: the environment is not fresh any more. */
MUST_CHECK enum err environment_settle(struct environment *environment, struct problem *problem);

/* As store_view. */
MUST_CHECK enum err environment_get(struct environment *environment, unsigned table,
				    struct slice key, struct buf *ret_value);
MUST_CHECK enum err environment_next(struct environment *environment, unsigned table,
				     struct slice key, struct buf *ret_key, struct buf *ret_value);

/* A write transaction. An error of put or remove is kept and answered by commit, which changes
 * nothing then. Errors of commit: ERR_FULL, the map or the disk has no room, and nothing was
 * changed; it may be tried again; ERR_IO and others: has_failed, for good. */
MUST_CHECK enum err environment_begin(struct environment *environment, struct problem *problem);
void environment_put(struct environment *environment, unsigned table, struct slice key,
		     struct slice value);
void environment_remove(struct environment *environment, unsigned table, struct slice key);
MUST_CHECK enum err environment_commit(struct environment *environment, struct problem *problem);
/* Ends the write transaction without any change. */
void environment_abort(struct environment *environment);

/* Bytes of the map in use. Thread: the writer's. */
uint64_t environment_used_bytes(struct environment *environment);
/* Makes the map larger. Requires: neither a write transaction nor a reader. */
MUST_CHECK enum err environment_grow(struct environment *environment, uint64_t bytes_max,
				     struct problem *problem);

#endif
