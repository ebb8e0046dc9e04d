/* When a job fires: expression and zone -> instants. Pure; the same answer on every agent.
 *
 * Fires lie in [1970-01-01T00:00:00Z, 2200-01-01T00:00:00Z); beyond that a schedule is exhausted.
 *
 * Daylight saving (`dst: auto`). Let h(t) be the latest time that the local clock has shown up to
 * the instant t. Then
 *
 *   fixed       a matching local time L fires once, at the first instant t with h(t) >= L: in a fold
 *               at the first occurrence, in a gap at the first instant after it; all that fall into
 *               one gap are one fire, together with one that is due at its end anyway
 *   wildcard    (the minute or hour field begins with "*", cron_is_wildcard): every instant whose
 *               local time matches: both occurrences in a fold, nothing for a gap
 *
 * The second field does not make a wildcard: "* 30 2 * * *" means sixty fires in the minute 02:30,
 * which is a fixed time. "0 30 2 * * *" and "30 2 * * *" are the same job in all respects.
 *
 * Intervals count real time from their anchor and know no zone. */
#ifndef AGENT_CORE_SCHEDULE_H
#define AGENT_CORE_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#include "agent/core/cron.h"
#include "agent/core/cron_words.h"
#include "agent/core/zone.h"
#include "proto/err.h"
#include "proto/types.h"

#define SCHEDULE_NEVER INT64_MAX

enum schedule_kind {
	SCHEDULE_MANUAL, /* fires only when asked */
	SCHEDULE_CRON,
	SCHEDULE_EVERY, /* at anchor_ms + n * every_ms, n = 0, 1, 2, ...: not before the anchor */
	SCHEDULE_AT,    /* once */
};

struct schedule {
	enum schedule_kind kind;
	struct cron cron;  /* CRON */
	int64_t every_ms;  /* EVERY: at least EVERY_MS_MIN */
	int64_t anchor_ms; /* EVERY: the parser leaves 0; the caller sets the job's anchor */
	int64_t at_ms;     /* AT */
};

/* Parses what `cron:` takes: an expression or macro of cron.h, "@every 90s", "@at TIME" (RFC 3339
 * with zone), "@manual". "@reboot" is refused (ERR_UNSUPPORTED). Errors as cron_parse. */
MUST_CHECK enum err schedule_parse_cron(struct slice text, struct schedule *ret_schedule,
					struct problem *problem);

/* Checks and makes an interval, with anchor 0. ERR_RANGE: below EVERY_MS_MIN, or beyond 100 years. */
MUST_CHECK enum err schedule_init_every(int64_t every_ms, struct schedule *ret_schedule,
					struct problem *problem);

/* ERR_RANGE: outside the years YEAR_MIN to YEAR_MAX. That it may be past is for the caller to judge. */
MUST_CHECK enum err schedule_init_at(int64_t at_ms, struct schedule *ret_schedule,
				     struct problem *problem);

/* In all of these `zone` may be NULL unless kind is CRON. Any int64_t is a valid time. */

/* The first fire strictly after `after_ms`, or SCHEDULE_NEVER. Strictly increasing:
 * schedule_next(s, z, t) > t, and its work is bounded by the months and periods up to YEAR_MAX. */
int64_t schedule_next(const struct schedule *schedule, const struct zone *zone, int64_t after_ms);

/* The latest fire that is <= before_ms and > floor_ms; floor_ms if there is none. Bounded likewise. */
int64_t schedule_previous(const struct schedule *schedule, const struct zone *zone,
			  int64_t before_ms, int64_t floor_ms);

/* The fires in (from_ms, to_ms], but at most count_max. Bounded likewise, however many there are. */
uint64_t schedule_count(const struct schedule *schedule, const struct zone *zone, int64_t from_ms,
			int64_t to_ms, uint64_t count_max);

/* Fires on its busiest ordinary day, for the lint of `often`; 0 for MANUAL and EVERY (exempt), 1 for AT. */
uint32_t schedule_fires_per_day_max(const struct schedule *schedule);

/* In plain words: "every 5 minutes", "at 02:30, Monday to Friday", "every 1m30s", "once at ...".
 * SCHEDULE_WORDS_BYTES_MAX is always enough; ERR_FULL: it was not. */
#define SCHEDULE_WORDS_BYTES_MAX CRON_WORDS_BYTES_MAX
MUST_CHECK enum err schedule_describe(const struct schedule *schedule, char *ret_text,
				      size_t text_bytes);

#endif
