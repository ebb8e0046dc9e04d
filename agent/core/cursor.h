/* A job's cursor: which fires are decided, which decided runs are open. The functions here are
 * the changes f that a proposer may make, and nothing else changes a cursor. Each checks its own condition and
 * leaves the cursor as it was when it refuses, so that overlap and retry rules are part of what is decided (I12),
 * never a race. `through` never falls and a run's executor never changes (I5). */
#ifndef AGENT_CORE_CURSOR_H
#define AGENT_CORE_CURSOR_H

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/types.h"

struct cursor_open {
	int64_t t_ms;
	struct id128 manual;
	uint16_t shard;
	uint16_t attempt;
	struct id128 executor;
	uint64_t def_counter;
	int64_t claimed_ms;
	bool is_forced; /* allowed beside an open one (`run --force`, overlap=allow) */
};

struct cursor_manual {
	struct id128 id;
	int64_t request_ms; /* when it was asked for */
};

struct cursor {
	int64_t through_ms;      /* every scheduled fire with t <= through is decided */
	uint64_t def_counter;    /* of the newest change */
	int64_t highest_ms;      /* the highest t ever claimed; manual fires take their t above it */
	int64_t manual_floor_ms; /* the highest request time ever dropped from manual[] */
	int64_t last_end_ms;
	uint32_t manual_count;
	uint32_t open_count;
	struct cursor_manual manual[CURSOR_MANUAL_MAX];
	struct cursor_open open[CURSOR_OPEN_MAX];
};

#define CURSOR_BYTES_MAX (64u + CURSOR_MANUAL_MAX * 32u + CURSOR_OPEN_MAX * 96u)

void cursor_init(struct cursor *cursor);
void cursor_put(struct buf *out, const struct cursor *cursor);
/* An empty slice is the cursor of a job that never fired. ERR_CORRUPT etc.: not of the form. */
MUST_CHECK enum err cursor_get(struct slice bytes, struct cursor *ret_cursor);

/* Index into open, or -1. */
int cursor_find_open(const struct cursor *cursor, const struct run_key *run);
bool cursor_has_manual(const struct cursor *cursor, struct id128 id);
struct run_key cursor_run_key(struct id128 job, const struct cursor_open *open);

/* The runs that a new claim must look at. `is_gone[i]` true: membership has called the executor of open[i] failed
 * long enough; it blocks nothing under forbid (the proposer's own view, the only one in f). */
struct cursor_overlap {
	bool is_allowed;     /* overlap=allow, or forced */
	const bool *is_gone; /* CURSOR_OPEN_MAX entries, or NULL */
};
/* The first open run that forbids another, or -1. */
int cursor_blocking(const struct cursor *cursor, const struct cursor_overlap *overlap);

/* claim(t, executor). The caller has found t as the first fire after max(through, from).
 * ERR_STALE: t <= through; ERR_EXISTS: an open run forbids it; ERR_FULL: no room in open. */
MUST_CHECK enum err cursor_claim(struct cursor *cursor, int64_t t_ms, struct id128 executor, uint64_t def_counter,
                                 int64_t now_ms, const struct cursor_overlap *overlap);
/* claim_manual(id): t is the larger of the request's time and 1 ms past the highest ever claimed.
 * ERR_STALE: too old (TOO_OLD: make a new request); ERR_EXISTS: an open run forbids it, or (id known) already claimed. */
MUST_CHECK enum err cursor_claim_manual(struct cursor *cursor, struct id128 id, int64_t request_ms,
                                        struct id128 executor, uint64_t def_counter, int64_t now_ms,
                                        const struct cursor_overlap *overlap, int64_t *ret_t_ms);
/* pass(to): sets through. ERR_STALE: to <= through. */
MUST_CHECK enum err cursor_pass(struct cursor *cursor, int64_t to_ms, uint64_t def_counter);
/* again: attempt k of the same fire at another executor, after k-1 was released (or is otherwise final).
 * ERR_NOT_FOUND: k-1 is not open; ERR_STALE: a later fire is claimed and overlap is not allow. */
MUST_CHECK enum err cursor_again(struct cursor *cursor, const struct run_key *before, struct id128 executor,
                                 uint64_t def_counter, int64_t now_ms, bool is_overlap_allowed);
/* finish: removes one run that is reported final. ERR_NOT_FOUND. */
MUST_CHECK enum err cursor_finish(struct cursor *cursor, const struct run_key *run, int64_t ended_ms);

#endif
