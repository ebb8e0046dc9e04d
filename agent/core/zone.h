/* Time zones as data: reads TZif files (RFC 8536, versions 1 to 3; 4 where it adds nothing we use)
 * and answers what the local clock showed, or will show. Pure: bytes in, values out; who reads the
 * files is agent/io/zonefile.h.
 *
 * A zone is a row of periods, each with one offset from UTC:
 *
 *    -inf ... first kept transition | table (at most ZONE_TRANSITIONS_MAX) | footer rule, for ever
 *
 * What lies before 1970 is dropped: the first period begins at minus infinity with the offset that
 * was in force at 1970-01-01T00:00:00Z. The footer (a POSIX TZ string with the extensions of RFC
 * 8536, 3.3.1) rules the changes after the last transition of the table. Leap-second ("right/") files are refused. */
#ifndef AGENT_CORE_ZONE_H
#define AGENT_CORE_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "proto/types.h"

struct zone_type {
	int32_t offset_s; /* local seconds = UTC seconds + offset_s */
	bool is_dst;
};

enum zone_rule_kind {
	ZONE_RULE_JULIAN,  /* Jn: day 1 to 365, 29 February is never counted */
	ZONE_RULE_DAY,     /* n: day 0 to 365, 29 February is counted */
	ZONE_RULE_WEEKDAY, /* Mm.w.d: weekday d of week w (5 is the last) of month m */
};

/* When, each year, the footer's offset changes; time_s is on the clock that is in force before. */
struct zone_rule {
	enum zone_rule_kind kind;
	uint16_t day;    /* JULIAN, DAY */
	uint8_t month;   /* WEEKDAY: 1 to 12 */
	uint8_t week;    /* WEEKDAY: 1 to 5 */
	uint8_t weekday; /* WEEKDAY: 0 Sunday to 6 */
	int32_t time_s;  /* -167 h to 167 h from local midnight */
};

/* About 5 KiB, no pointers: may be copied. Made by zone_parse or zone_init_utc only. */
struct zone {
	int64_t at_s[ZONE_TRANSITIONS_MAX]; /* strictly ascending, all after 1970-01-01T00:00:00Z */
	uint8_t type_index[ZONE_TRANSITIONS_MAX];
	struct zone_type types[ZONE_TYPES_MAX];
	uint16_t transition_count;
	uint16_t type_count;
	uint8_t first_type; /* in force before at_s[0] */
	bool has_footer;    /* else the last type lasts for ever */
	bool has_dst;       /* the footer changes twice a year */
	struct zone_type standard, daylight;
	struct zone_rule daylight_start, daylight_end;
};

/* A stretch of time with one offset: [start_s, end_s) in UTC seconds. INT64_MIN and INT64_MAX stand
 * for "for ever". Neighbours may have the same offset (only the name of the time changed). */
struct zone_period {
	int64_t start_s, end_s;
	int32_t offset_s;
	bool is_dst;
};

void zone_init_utc(struct zone *zone);

/* Reads a whole TZif file. ret_zone is written only on success.
 * Errors: ERR_TRUNCATED the bytes end early; ERR_INVALID not of the form (the text says which part);
 * ERR_FULL over ZONE_FILE_BYTES_MAX, ZONE_TRANSITIONS_MAX or ZONE_TYPES_MAX; ERR_UNSUPPORTED leap
 * seconds, or a version that we do not know; ERR_RANGE an offset of more than 25 h, or a transition after
 * the year 2400. */
MUST_CHECK enum err zone_parse(struct slice bytes, struct zone *ret_zone, struct problem *problem);

/* The period that holds `utc_s`. Any instant will do; the footer is followed to the year 2400. */
struct zone_period zone_period_at(const struct zone *zone, int64_t utc_s);

int32_t zone_offset_s(const struct zone *zone, int64_t utc_s);

/* The next instant after `utc_s` at which the offset differs from the one at `utc_s`; INT64_MAX: never. */
int64_t zone_next_change(const struct zone *zone, int64_t utc_s);

/* The instants at which the clock shows `local_s`: 0 (a gap), 1, or 2 (a fold; ascending). Here and
 * below, times must lie within the years -30,000 to 30,000. */
unsigned zone_instants(const struct zone *zone, int64_t local_s, int64_t ret_utc_s[2]);

/* What a local time that a person wrote means, by the rule of schedule.h: its first occurrence, or
 * the first instant after the gap that swallowed it. */
int64_t zone_instant(const struct zone *zone, int64_t local_s);

/* By what the local day that holds `utc_s` has shown or will show, for marks in listings. */
enum zone_day { ZONE_DAY_PLAIN, ZONE_DAY_GAP, ZONE_DAY_FOLD };
enum zone_day zone_day_kind(const struct zone *zone, int64_t utc_s);

/* How pure code asks for a zone by name; NULL: no such zone. The zone stays valid as long as the
 * source does. */
struct zone_source {
	const struct zone *(*find)(void *context, struct slice name);
	void *context;
};

#endif
