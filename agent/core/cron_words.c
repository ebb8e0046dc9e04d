/* Says an expression in words, from its bit sets: the time of day, then the days, then the months.
 *
 *   few times           "at 02:30 and 14:30"
 *   one minute          "every 2 hours from 00:30", "every hour from 09:00 to 17:00"
 *   else, by field      "every 7 minutes (56→00 is 4 min), in the hours 9 to 17" */
#include "agent/core/cron_words.h"

#include <string.h>

#include "proto/buf.h"

#define TIMES_LISTED_MAX 4 /* as many times of day are listed one by one */

enum shape {
	SHAPE_FULL,  /* every value of the field */
	SHAPE_STEPS, /* evenly spaced, as far as the field goes */
	SHAPE_RANGE, /* evenly spaced, but ends before the field does */
	SHAPE_LIST,  /* anything else, so single values too */
};

struct pattern {
	enum shape shape;
	uint64_t values;
	int low, high;   /* of the field */
	int first, last; /* of the values */
	int step, count;
};

static struct pattern pattern_of(uint64_t values, int low, int high)
{
	struct pattern pattern = {.shape = SHAPE_LIST, .values = values, .low = low, .high = high};
	int before = -1;
	bool is_even = true;
	for (int value = low; value <= high; value++) {
		if ((values >> value & 1u) == 0)
			continue;
		if (pattern.count == 0)
			pattern.first = value;
		else if (pattern.count == 1)
			pattern.step = value - before;
		else if (value - before != pattern.step)
			is_even = false;
		before = value;
		pattern.count++;
	}
	pattern.last = before;
	if (pattern.count == high - low + 1)
		pattern.shape = SHAPE_FULL;
	else if (is_even && pattern.count >= 3)
		pattern.shape = pattern.first - low < pattern.step && pattern.last + pattern.step > high
					? SHAPE_STEPS
					: SHAPE_RANGE;
	return pattern;
}

static void put(struct buf *out, const char *text)
{
	buf_put(out, text, strlen(text));
}

static void put_number(struct buf *out, int value)
{
	if (value >= 10)
		buf_put_u8(out, (uint8_t)('0' + value / 10));
	buf_put_u8(out, (uint8_t)('0' + value % 10));
}

static void put_two_digits(struct buf *out, int value)
{
	buf_put_u8(out, (uint8_t)('0' + value / 10));
	buf_put_u8(out, (uint8_t)('0' + value % 10));
}

static void put_time(struct buf *out, int hour, int minute, int second)
{
	put_two_digits(out, hour);
	put(out, ":");
	put_two_digits(out, minute);
	if (second >= 0) {
		put(out, ":");
		put_two_digits(out, second);
	}
}

/* Between the items of a list: nothing, ", " or " and ". */
static void put_joint(struct buf *out, int index, int left)
{
	if (index > 0)
		put(out, left == 1 ? " and " : ", ");
}

/* What stands for a value: a number, or a name if the field has names. */
static void put_value(struct buf *out, int value, const char *const *names)
{
	if (names != NULL)
		put(out, names[value]);
	else
		put_number(out, value);
}

/* "0, 5 to 9 and 30": runs of three and more are drawn together. */
static void put_list(struct buf *out, uint64_t values, int low, int high, const char *const *names)
{
	int item_count = 0;
	for (int pass = 0; pass < 2; pass++) {
		int index = 0;
		for (int value = low; value <= high; value++) {
			if ((values >> value & 1u) == 0)
				continue;
			int end = value;
			while (end < high && (values >> (end + 1) & 1u) != 0)
				end++;
			if (end < value + 2)
				end = value;
			if (pass == 1) {
				put_joint(out, index, item_count - index);
				put_value(out, value, names);
				if (end > value) {
					put(out, " to ");
					put_value(out, end, names);
				}
			}
			index++;
			value = end;
		}
		item_count = index;
	}
}

/* "every 7 minutes", or "every minute". */
static void put_every(struct buf *out, int step, const char *unit)
{
	put(out, "every ");
	if (step > 1) {
		put_number(out, step);
		put(out, " ");
	}
	put(out, unit);
	if (step > 1)
		put(out, "s");
}

/* Where steps do not divide the field, its end is nearer: " (56→00 is 4 min)". */
static void put_odd_gap(struct buf *out, const struct pattern *pattern, const char *unit)
{
	int gap = pattern->high - pattern->low + 1 - pattern->last + pattern->first;
	if (gap == pattern->step)
		return;
	put(out, " (");
	put_two_digits(out, pattern->last);
	put(out, "→");
	put_two_digits(out, pattern->first);
	put(out, " is ");
	put_number(out, gap);
	put(out, unit);
	put(out, ")");
}

/* Seconds or minutes on their own: "every 7 minutes (56→00 is 4 min)", "at minutes 0 and 30". */
static void put_field(struct buf *out, const struct pattern *pattern, const char *unit,
		      const char *unit_short)
{
	if (pattern->shape == SHAPE_FULL) {
		put_every(out, 1, unit);
	} else if (pattern->shape == SHAPE_STEPS) {
		put_every(out, pattern->step, unit);
		if (pattern->first != 0) {
			put(out, " from ");
			put(out, unit);
			put(out, " ");
			put_number(out, pattern->first);
		}
		put_odd_gap(out, pattern, unit_short);
	} else {
		put(out, "at ");
		put(out, unit);
		put(out, pattern->count > 1 ? "s " : " ");
		put_list(out, pattern->values, pattern->low, pattern->high, NULL);
	}
}

static void put_hours(struct buf *out, const struct pattern *hours)
{
	if (hours->shape == SHAPE_FULL)
		return;
	put(out, hours->count > 1 ? ", in the hours " : ", in the hour ");
	put_list(out, hours->values, 0, 23, NULL);
}

/* "at 02:30 and 14:30": all times of a day, which are few. */
static void put_times(struct buf *out, const struct cron *cron, int count)
{
	int index = 0;
	put(out, "at ");
	for (int second_of_day = 0; second_of_day < 86400; second_of_day++) {
		int hour = second_of_day / 3600;
		int minute = second_of_day / 60 % 60;
		if ((cron->hours >> hour & 1u) == 0) {
			second_of_day = (hour + 1) * 3600 - 1;
			continue;
		}
		if ((cron->minutes >> minute & 1u) == 0 ||
		    (cron->seconds >> (second_of_day % 60) & 1u) == 0)
			continue;
		put_joint(out, index, count - index);
		put_time(out, hour, minute, cron->seconds == 1 ? -1 : second_of_day % 60);
		index++;
	}
}

/* One minute of several hours: "every hour", "every 2 hours from 00:30", "every hour from 09:00 to 17:00". */
static void put_hourly(struct buf *out, const struct pattern *hours, int minute)
{
	put_every(out, hours->shape == SHAPE_FULL ? 1 : hours->step, "hour");
	if (hours->shape == SHAPE_FULL) {
		if (minute != 0) {
			put(out, " at minute ");
			put_number(out, minute);
		}
		return;
	}
	if (hours->shape == SHAPE_RANGE || hours->first != 0 || minute != 0) {
		put(out, " from ");
		put_time(out, hours->first, minute, -1);
	}
	if (hours->shape == SHAPE_RANGE) {
		put(out, " to ");
		put_time(out, hours->last, minute, -1);
	} else {
		put_odd_gap(out, hours, " h");
	}
}

/* True if it fires so seldom in a day that "every day" is worth saying. */
static bool put_time_of_day(struct buf *out, const struct cron *cron)
{
	struct pattern seconds = pattern_of(cron->seconds, 0, 59);
	struct pattern minutes = pattern_of(cron->minutes, 0, 59);
	struct pattern hours = pattern_of(cron->hours, 0, 23);
	bool is_whole_minute = cron->seconds == 1;
	int count = hours.count * minutes.count * seconds.count;
	if (count <= TIMES_LISTED_MAX ||
	    (is_whole_minute && minutes.count == 1 && hours.shape == SHAPE_LIST)) {
		put_times(out, cron, count);
		return true;
	}
	if (is_whole_minute && minutes.count == 1) {
		put_hourly(out, &hours, minutes.first);
		return false;
	}
	if (is_whole_minute) {
		put_field(out, &minutes, "minute", " min");
	} else {
		put_field(out, &seconds, "second", " s");
		bool is_second_alone = seconds.shape == SHAPE_LIST || seconds.shape == SHAPE_RANGE;
		if (minutes.shape == SHAPE_FULL && is_second_alone)
			put(out, " of every minute");
		if (minutes.shape != SHAPE_FULL) {
			put(out, ", ");
			put_field(out, &minutes, "minute", " min");
		}
	}
	put_hours(out, &hours);
	return false;
}

static const char *const month_names[13] = {
	"",     "January", "February",  "March",   "April",    "May",     "June",
	"July", "August",  "September", "October", "November", "December"};
/* Sunday comes last, as the eighth, so that a week-end is a run. */
static const char *const weekday_names[8] = {"",         "Monday", "Tuesday",  "Wednesday",
					     "Thursday", "Friday", "Saturday", "Sunday"};

#define ALL_DAYS 0xfffffffeu
#define ALL_WEEKDAYS 0x7fu
#define ALL_MONTHS 0x1ffeu

static void put_weekdays(struct buf *out, const struct cron *cron)
{
	uint64_t from_monday = (cron->weekdays & 0x7eu) | (uint64_t)(cron->weekdays & 1u) << 7;
	put_list(out, from_monday, 1, 7, weekday_names);
}

/* ", on day 1 of January", ", Monday to Friday", ", on day 13 of the month or on Friday". */
static void put_days(struct buf *out, const struct cron *cron, bool say_every_day)
{
	bool has_days = cron->days != ALL_DAYS;
	bool has_weekdays = cron->weekdays != ALL_WEEKDAYS;
	bool has_months = cron->months != ALL_MONTHS;
	bool is_either = (cron->flags & (CRON_DAY_STAR | CRON_WEEKDAY_STAR)) == 0;
	if (is_either && !(has_days && has_weekdays)) {
		/* Either matches, and one of them always does. */
		has_days = false;
		has_weekdays = false;
	}
	if (has_days) {
		put(out, __builtin_popcount(cron->days) > 1 ? ", on days " : ", on day ");
		put_list(out, cron->days, 1, 31, NULL);
		put(out, " of ");
		if (has_months)
			put_list(out, cron->months, 1, 12, month_names);
		else
			put(out, "the month");
	}
	if (has_weekdays) {
		if (has_days)
			put(out, is_either ? ", or " : ", if also ");
		else
			put(out, ", ");
		put_weekdays(out, cron);
	}
	if (!has_days && !has_weekdays && say_every_day)
		put(out, " every day");
	if (has_months && (!has_days || (has_weekdays && is_either))) {
		put(out, has_days ? " in " : ", in ");
		put_list(out, cron->months, 1, 12, month_names);
	}
}

enum err cron_describe(const struct cron *cron, char *ret_text, size_t text_bytes)
{
	struct buf out;
	buf_init(&out, ret_text, text_bytes);
	bool is_seldom = put_time_of_day(&out, cron);
	put_days(&out, cron, is_seldom);
	buf_put_u8(&out, 0);
	if (!out.has_overflowed)
		return ERR_OK;
	if (text_bytes > 0)
		ret_text[0] = '\0';
	return ERR_FULL;
}
