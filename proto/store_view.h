/* What the pure core sees of the store: read at once, put for the commit of this step.
 *
 * A put is the `persist` effect: it is seen by every later read, and it is on disk before any other effect of the
 * step leaves. Keys are at most 511 bytes and never empty; order is that of memcmp. */
#ifndef PROTO_STORE_VIEW_H
#define PROTO_STORE_VIEW_H

#include <stdbool.h>

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/types.h"

/* Values are stable: they are on disk. */
enum store_table {
	TABLE_SELF = 1,     /* voting environment, with the next three */
	TABLE_ARCS = 2,
	TABLE_REGISTERS = 3,
	TABLE_STARTS = 4,
	TABLE_COPIES = 5,   /* history environment from here on */
	TABLE_VERSIONS = 6,
	TABLE_RUNS = 7,
	TABLE_RUNS_BY_TIME = 8,
	TABLE_VERDICTS = 9,
	TABLE_MEMBERS = 10,
	TABLE_END = 11
};

struct store_view {
	void *context;
	/* Appends the value to *ret_value (cleared first). ERR_NOT_FOUND; ERR_FULL: the buf is too small;
	 * ERR_CORRUPT: set aside and counted. */
	enum err (*get)(void *context, enum store_table table, struct slice key, struct buf *ret_value);
	/* The first record with a key greater than `key` (an empty key: the first of the table). Both bufs are cleared
	 * first; ret_value may be NULL. ERR_NOT_FOUND: no more. `key` may lie in ret_key's memory. */
	enum err (*next)(void *context, enum store_table table, struct slice key, struct buf *ret_key, struct buf *ret_value);
	void (*put)(void *context, enum store_table table, struct slice key, struct slice value);
	void (*remove)(void *context, enum store_table table, struct slice key);
	/* Used part of the voting map in 1/1000: at 800 new jobs and edits are refused. */
	unsigned (*usage_permille)(void *context);
};

#endif
