/* Finds and counts the local times that match an expression.
 *
 * Searching goes by field: a month is one 31-bit mask (the day rule worked out for all its days at
 * once), a day is three sets of bits. Nothing steps by seconds or minutes. */
#include "agent/core/cron_match.h"

#include <assert.h>
#include <stdbool.h>

#include "agent/core/civil.h"

/* The days of a month that match, bit 1 for the first. */
static uint32_t month_mask(const struct cron *cron, int64_t year, unsigned month)
{
	if ((cron->months >> month & 1u) == 0)
		return 0;
	uint64_t all = ((UINT64_C(1) << civil_month_days(year, month)) - 1) << 1;
	/* Weekdays from the first of the month on: turned by its weekday, then laid out for five weeks. */
	unsigned first = civil_weekday(civil_days(year, month, 1));
	uint64_t turned = ((uint64_t)cron->weekdays >> first | (uint64_t)cron->weekdays << (7 - first)) &
			  0x7f;
	uint64_t weekdays = (turned | turned << 7 | turned << 14 | turned << 21 | turned << 28) << 1;
	bool is_either = (cron->flags & (CRON_DAY_STAR | CRON_WEEKDAY_STAR)) == 0;
	return (uint32_t)((is_either ? cron->days | weekdays : cron->days & weekdays) & all);
}

static uint32_t count_bits(uint64_t bits)
{
	return (uint32_t)__builtin_popcountll(bits);
}

/* The lowest set bit at or above `from` (up to 64), or -1. */
static int next_bit(uint64_t bits, int from)
{
	if (from > 63)
		return -1;
	uint64_t rest = bits & (UINT64_MAX << from);
	return rest == 0 ? -1 : __builtin_ctzll(rest);
}

/* The highest set bit at or below `from` (down to -1), or -1. */
static int previous_bit(uint64_t bits, int from)
{
	if (from < 0)
		return -1;
	uint64_t rest = bits & (UINT64_MAX >> (63 - from));
	return rest == 0 ? -1 : 63 - __builtin_clzll(rest);
}

static int time_of_day(int hour, int minute, int second)
{
	return hour * 3600 + minute * 60 + second;
}

/* The first matching second of a day at or after `from`, or -1. */
static int first_in_day(const struct cron *cron, int from)
{
	int hour = from / 3600;
	int minute = from / 60 % 60;
	if ((cron->hours >> hour & 1u) != 0) {
		if ((cron->minutes >> minute & 1u) != 0) {
			int second = next_bit(cron->seconds, from % 60);
			if (second >= 0)
				return time_of_day(hour, minute, second);
		}
		minute = next_bit(cron->minutes, minute + 1);
		if (minute >= 0)
			return time_of_day(hour, minute, next_bit(cron->seconds, 0));
	}
	hour = next_bit(cron->hours, hour + 1);
	if (hour < 0)
		return -1;
	return time_of_day(hour, next_bit(cron->minutes, 0), next_bit(cron->seconds, 0));
}

/* The last matching second of a day at or before `from`, or -1. */
static int last_in_day(const struct cron *cron, int from)
{
	int hour = from / 3600;
	int minute = from / 60 % 60;
	if ((cron->hours >> hour & 1u) != 0) {
		if ((cron->minutes >> minute & 1u) != 0) {
			int second = previous_bit(cron->seconds, from % 60);
			if (second >= 0)
				return time_of_day(hour, minute, second);
		}
		minute = previous_bit(cron->minutes, minute - 1);
		if (minute >= 0)
			return time_of_day(hour, minute, previous_bit(cron->seconds, 59));
	}
	hour = previous_bit(cron->hours, hour - 1);
	if (hour < 0)
		return -1;
	return time_of_day(hour, previous_bit(cron->minutes, 59), previous_bit(cron->seconds, 59));
}

/* How many seconds of a day before `end` match. */
static uint32_t count_in_day(const struct cron *cron, int end)
{
	uint32_t per_minute = count_bits(cron->seconds);
	uint32_t per_hour = count_bits(cron->minutes) * per_minute;
	int hour = end / 3600;
	int minute = end / 60 % 60;
	uint32_t count = count_bits(cron->hours & ((UINT64_C(1) << hour) - 1)) * per_hour;
	if ((cron->hours >> hour & 1u) == 0)
		return count;
	count += count_bits(cron->minutes & ((UINT64_C(1) << minute) - 1)) * per_minute;
	if ((cron->minutes >> minute & 1u) == 0)
		return count;
	return count + count_bits(cron->seconds & ((UINT64_C(1) << (end % 60)) - 1));
}

static bool day_matches(const struct cron *cron, const struct civil *day)
{
	return (month_mask(cron, day->year, day->month) >> day->day & 1u) != 0;
}

/* Moves to the first matching day after `day`, unless that lies behind `end_s`. */
static bool next_day(const struct cron *cron, struct civil *day, int64_t end_s)
{
	uint32_t mask = month_mask(cron, day->year, day->month);
	int found = next_bit(mask, day->day + 1);
	while (found < 0) {
		day->month++;
		if (day->month > 12) {
			day->month = 1;
			day->year++;
		}
		if (civil_days(day->year, day->month, 1) * CIVIL_DAY_S >= end_s)
			return false;
		found = next_bit(month_mask(cron, day->year, day->month), 1);
	}
	day->day = (uint8_t)found;
	return true;
}

/* Moves to the last matching day before `day`, unless that lies before `from_s`. */
static bool previous_day(const struct cron *cron, struct civil *day, int64_t from_s)
{
	uint32_t mask = month_mask(cron, day->year, day->month);
	int found = previous_bit(mask, day->day - 1);
	while (found < 0) {
		if (civil_days(day->year, day->month, 1) * CIVIL_DAY_S <= from_s)
			return false;
		day->month--;
		if (day->month == 0) {
			day->month = 12;
			day->year--;
		}
		found = previous_bit(month_mask(cron, day->year, day->month), 31);
	}
	day->day = (uint8_t)found;
	return true;
}

static int64_t day_start_s(const struct civil *day)
{
	return civil_days(day->year, day->month, day->day) * CIVIL_DAY_S;
}

int64_t cron_first(const struct cron *cron, int64_t from_s, int64_t end_s)
{
	if (from_s >= end_s)
		return CRON_NONE;
	struct civil day = civil_from_seconds(from_s);
	int second = -1;
	if (day_matches(cron, &day))
		second = first_in_day(cron, time_of_day(day.hour, day.minute, day.second));
	if (second < 0) {
		if (!next_day(cron, &day, end_s))
			return CRON_NONE;
		second = first_in_day(cron, 0);
	}
	assert(second >= 0);
	int64_t found_s = day_start_s(&day) + second;
	return found_s < end_s ? found_s : CRON_NONE;
}

int64_t cron_last(const struct cron *cron, int64_t from_s, int64_t end_s)
{
	if (from_s >= end_s)
		return CRON_NONE;
	struct civil day = civil_from_seconds(end_s - 1);
	int second = -1;
	if (day_matches(cron, &day))
		second = last_in_day(cron, time_of_day(day.hour, day.minute, day.second));
	if (second < 0) {
		if (!previous_day(cron, &day, from_s))
			return CRON_NONE;
		second = last_in_day(cron, CIVIL_DAY_S - 1);
	}
	assert(second >= 0);
	int64_t found_s = day_start_s(&day) + second;
	return found_s >= from_s ? found_s : CRON_NONE;
}

uint64_t cron_count(const struct cron *cron, int64_t from_s, int64_t end_s)
{
	if (from_s >= end_s)
		return 0;
	struct civil from = civil_from_seconds(from_s);
	struct civil end = civil_from_seconds(end_s);
	/* Whole days from the first (included) to the last (excluded), then the pieces of both. */
	uint64_t days = 0;
	int64_t year = from.year;
	unsigned month = from.month;
	for (;;) {
		bool is_last = year == end.year && month == end.month;
		uint32_t mask = month_mask(cron, year, month);
		if (year == from.year && month == from.month)
			mask &= UINT32_MAX << from.day;
		if (is_last)
			mask &= ((uint32_t)1 << end.day) - 1;
		days += count_bits(mask);
		if (is_last)
			break;
		month = month == 12 ? 1 : month + 1;
		year += month == 1 ? 1 : 0;
	}
	uint64_t count = days * cron_fires_per_day_max(cron);
	if (day_matches(cron, &end))
		count += count_in_day(cron, time_of_day(end.hour, end.minute, end.second));
	if (day_matches(cron, &from))
		count -= count_in_day(cron, time_of_day(from.hour, from.minute, from.second));
	return count;
}
