/* Reads through a map of newer records onto what lies below it. */
#ifndef AGENT_STORE_MERGE_H
#define AGENT_STORE_MERGE_H

#include "agent/store/record.h"
#include "proto/buf.h"
#include "proto/err.h"
#include "proto/store_view.h"

/* What lies below: the reading half of a backend, or of one environment. As in store_view. */
struct merge_source {
	void *context;
	enum err (*get)(void *context, enum store_table table, struct slice key, struct buf *ret_value);
	enum err (*next)(void *context, enum store_table table, struct slice key,
			 struct buf *ret_key, struct buf *ret_value);
};

/* As store_view's get and next. A record of the map hides one below with the same key; a removal
 * hides it and is not shown. ERR_FULL of next: ret_key holds the key all the same, if it fitted. */
MUST_CHECK enum err merge_get(const struct record_map *map, const struct merge_source *below,
			      enum store_table table, struct slice key, struct buf *ret_value);
MUST_CHECK enum err merge_next(const struct record_map *map, const struct merge_source *below,
			       enum store_table table, struct slice key, struct buf *ret_key,
			       struct buf *ret_value);

/* Copies into the bufs, cleared first; ret_key and ret_value may be NULL. ERR_FULL: one is too
 * small and is left empty. */
MUST_CHECK enum err merge_copy(struct slice key, struct slice value, struct buf *ret_key,
			       struct buf *ret_value);

#endif
