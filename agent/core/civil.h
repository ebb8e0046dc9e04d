/* Dates of the proleptic Gregorian calendar as plain arithmetic: no time zone, no clock.
 *
 * A local time is counted in seconds as if its clock had been UTC ("local seconds"); what that
 * means as an instant is the business of zone.h. Algorithms: Howard Hinnant, "chrono-Compatible
 * Low-Level Date Algorithms" (public domain), days_from_civil and civil_from_days. */
#ifndef AGENT_CORE_CIVIL_H
#define AGENT_CORE_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

#define CIVIL_DAY_S 86400

struct civil {
	int32_t year;
	uint8_t month;   /* 1 to 12 */
	uint8_t day;     /* 1 to 31 */
	uint8_t hour;    /* 0 to 23 */
	uint8_t minute;  /* 0 to 59 */
	uint8_t second;  /* 0 to 59 */
	uint8_t weekday; /* 0 Sunday to 6 Saturday */
};

/* Days from 1970-01-01 to the first of `month` (1 to 12), plus day - 1. `day` may be outside the month. */
int64_t civil_days(int64_t year, unsigned month, int64_t day);

/* 0 Sunday to 6 Saturday, of a day counted from 1970-01-01 (a Thursday). */
unsigned civil_weekday(int64_t days);

/* 28 to 31. */
unsigned civil_month_days(int64_t year, unsigned month);
bool civil_is_leap(int64_t year);

/* Local seconds to a date and back. Defined for the years -30,000 to 30,000. */
struct civil civil_from_seconds(int64_t local_s);
int64_t civil_to_seconds(const struct civil *civil);

#endif
