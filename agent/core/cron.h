/* Cron expressions: text to bit sets, and bit sets to local times. No zone in here: what a local
 * time is as an instant, and what a gap or a fold does to it, is the business of schedule.h.
 *
 * Grammar (that of cronie, whose refusals are ours too):
 *
 *   expression  5 fields: minute hour day-of-month month day-of-week
 *               6 fields: second, then the five above
 *               @hourly @daily @midnight @weekly @monthly @yearly @annually
 *   field       range { "," range }
 *   range       "*" [ "/" step ]  |  number  |  number "-" number [ "/" step ]
 *
 *   second, minute 0-59; hour 0-23; day-of-month 1-31; month 1-12 or jan-dec;
 *   day-of-week 0-7 or sun-sat, 0 and 7 are both Sunday, and a star is 0-7. Names: three letters, any case.
 *   A step after a single number (5/10), a range that runs backwards (fri-mon, 22-2) and a step of
 *   0 are refused, as cronie does. Stricter than cronie: junk after "*" is refused, not skipped.
 *
 * Day rule (Vixie, in cronie's form): when neither day field begins with "*", a day matches if
 * either field matches; when one of them does, both must match. So a day field of a star with step 2
 * counts as unrestricted, yet must match: together with "mon" it means the odd days that are Mondays.
 *
 * Seven fields, L, W, #, H, ? and random ranges (~) are refused with ERR_UNSUPPORTED. */
#ifndef AGENT_CORE_CRON_H
#define AGENT_CORE_CRON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "proto/types.h"

#define CRON_MINUTE_STAR 0x01u  /* the minute field begins with "*" */
#define CRON_HOUR_STAR 0x02u    /* the hour field begins with "*"; also @hourly */
#define CRON_DAY_STAR 0x04u     /* the day-of-month field begins with "*" */
#define CRON_WEEKDAY_STAR 0x08u /* the day-of-week field begins with "*" */

/* A parsed expression; 32 bytes, may be copied and compared field by field. Every set has a bit. */
struct cron {
	uint64_t seconds; /* bit n is second n; 5 fields: bit 0 alone */
	uint64_t minutes;
	uint32_t hours;
	uint32_t days;    /* of the month: bits 1 to 31 */
	uint16_t months;  /* bits 1 to 12 */
	uint8_t weekdays; /* bit 0 is Sunday; 7 was folded into 0 */
	uint8_t flags;    /* CRON_..._STAR */
};

/* Parses at most CRON_TEXT_BYTES_MAX bytes. Blanks around the text and several between fields are
 * fine. An expression that matches no day of any year ("0 0 30 2 *") is refused.
 *
 * Errors, each with field, column (in bytes, from 1) and what was expected:
 * ERR_INVALID form; ERR_RANGE a number outside its field, too long a text, or never a match;
 * ERR_UNSUPPORTED a known extension that is not built. */
MUST_CHECK enum err cron_parse(struct slice text, struct cron *ret_cron, struct problem *problem);

/* Fires on a day that matches; at most 86,400. Days with a fold may have more for a wildcard
 * expression. For the lint on FIRES_PER_DAY_MAX. */
uint32_t cron_fires_per_day_max(const struct cron *cron);

/* True if the minute or the hour field begins with "*" (cronie's rule for what keeps its cadence
 * through a change of offset). The second field has no say: "* 30 2 * * *" is the minute 02:30, fixed. */
bool cron_is_wildcard(const struct cron *cron);

#endif
