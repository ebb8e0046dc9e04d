/* The value of a `def` register: a job's definition and what users set beside it. Decided by a majority of the set,
 * ordered by its counter, copied to every agent. What the scheduler keeps is never in here (bookkeeping can not undo
 * an edit). */
#ifndef AGENT_CORE_DEF_VALUE_H
#define AGENT_CORE_DEF_VALUE_H

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/types.h"

#define DEF_REQUESTS_MAX 8u /* request ids remembered, so that a repeated request is one */

struct def_request {
	struct id128 id;
	uint64_t counter; /* the version that it made */
};

struct def_value {
	uint64_t counter;   /* the version; raised by each decided change */
	struct slice name;  /* "group/name" */
	int64_t from_ms;    /* older fires are not fires of this definition */
	int64_t created_ms; /* first of this name since it was last deleted: the anchor of `every` unless one is written */
	int64_t changed_ms;
	bool is_enabled;
	bool is_paused;
	bool is_deleted;
	struct slice by;     /* who made this change */
	struct slice reason; /* may be empty */
	uint32_t request_count;
	struct def_request requests[DEF_REQUESTS_MAX]; /* newest last */
	struct slice definition; /* proto/definition bytes */
};

#define DEF_VALUE_BYTES_MAX (DEFINITION_BYTES_MAX + 2048u)

void def_value_put(struct buf *out, const struct def_value *value);
/* Borrows from `bytes`. */
MUST_CHECK enum err def_value_get(struct slice bytes, struct def_value *ret_value);
/* Drops the oldest when full. */
void def_value_add_request(struct def_value *value, struct id128 id, uint64_t counter);
const struct def_request *def_value_find_request(const struct def_value *value, struct id128 id);

#endif
