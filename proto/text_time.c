/* Instants as text: RFC 3339 in, UTC out. The calendar is the proleptic Gregorian one. */
#include "proto/text.h"

#include <stdio.h>

#include "proto/buf.h"
#include "proto/limits.h"

#define DAY_MS 86400000

struct civil {
	int64_t year;
	unsigned month; /* 1..12 */
	unsigned day;   /* 1..31 */
	unsigned hour, minute, second, ms;
};

/* Days since 1970-01-01. Years are counted from March, so that the leap day is a year's last. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
	int64_t shifted = month <= 2 ? year - 1 : year;
	int64_t era = (shifted >= 0 ? shifted : shifted - 399) / 400;
	int64_t year_of_era = shifted - era * 400;
	int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

static struct civil civil_of(int64_t utc_ms)
{
	int64_t days = utc_ms / DAY_MS;
	int64_t ms = utc_ms % DAY_MS;
	if (ms < 0) {
		ms += DAY_MS;
		days--;
	}
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t day_of_era = days - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned shifted_month = (unsigned)((5 * day_of_year + 2) / 153);
	unsigned month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
	return (struct civil){
		.year = year_of_era + era * 400 + (month <= 2),
		.month = month,
		.day = (unsigned)(day_of_year - (153 * (int64_t)shifted_month + 2) / 5 + 1),
		.hour = (unsigned)(ms / 3600000),
		.minute = (unsigned)(ms / 60000 % 60),
		.second = (unsigned)(ms / 1000 % 60),
		.ms = (unsigned)(ms % 1000),
	};
}

static unsigned days_in_month(int64_t year, unsigned month)
{
	static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return month == 2 && is_leap ? 29 : days[month - 1];
}

/* Takes exactly `count` digits. */
static bool take_digits(struct slice *rest, size_t count, unsigned *ret_value)
{
	if (rest->bytes < count)
		return false;
	unsigned value = 0;
	for (size_t i = 0; i < count; i++) {
		uint8_t byte = rest->data[i];
		if (byte < '0' || byte > '9')
			return false;
		value = value * 10 + (unsigned)(byte - '0');
	}
	*rest = slice_of(rest->data + count, rest->bytes - count);
	*ret_value = value;
	return true;
}

/* Takes one byte that is in `allowed`; 0: another one. */
static char take_one_of(struct slice *rest, const char *allowed)
{
	for (size_t i = 0; rest->bytes > 0 && allowed[i] != '\0'; i++) {
		if (rest->data[0] != (uint8_t)allowed[i])
			continue;
		*rest = slice_of(rest->data + 1, rest->bytes - 1);
		return allowed[i];
	}
	return '\0';
}

static bool take_date_and_clock(struct slice *rest, struct civil *civil)
{
	unsigned year = 0;
	if (!take_digits(rest, 4, &year) || !take_one_of(rest, "-"))
		return false;
	civil->year = year;
	if (!take_digits(rest, 2, &civil->month) || !take_one_of(rest, "-"))
		return false;
	if (!take_digits(rest, 2, &civil->day) || !take_one_of(rest, "Tt"))
		return false;
	if (!take_digits(rest, 2, &civil->hour) || !take_one_of(rest, ":"))
		return false;
	if (!take_digits(rest, 2, &civil->minute) || !take_one_of(rest, ":"))
		return false;
	return take_digits(rest, 2, &civil->second);
}

/* One to three digits after a point, as ms. */
static bool take_fraction(struct slice *rest, struct civil *civil)
{
	if (!take_one_of(rest, "."))
		return true;
	unsigned scale = 100;
	unsigned digit;
	if (!take_digits(rest, 1, &digit))
		return false;
	do {
		civil->ms += digit * scale;
		scale /= 10;
	} while (scale > 0 && take_digits(rest, 1, &digit));
	return true;
}

/* "Z", or "+hh:mm"; the offset in minutes. */
static bool take_offset(struct slice *rest, int *ret_minutes)
{
	*ret_minutes = 0;
	if (take_one_of(rest, "Zz"))
		return true;
	char sign = take_one_of(rest, "+-");
	unsigned hours;
	unsigned minutes;
	if (sign == '\0' || !take_digits(rest, 2, &hours) || !take_one_of(rest, ":") ||
	    !take_digits(rest, 2, &minutes))
		return false;
	if (hours > 23 || minutes > 59)
		return false;
	int offset = (int)(hours * 60 + minutes);
	*ret_minutes = sign == '-' ? -offset : offset;
	return true;
}

static const char *field_out_of_range(const struct civil *civil)
{
	if (civil->month < 1 || civil->month > 12)
		return "the month is not between 01 and 12";
	if (civil->day < 1 || civil->day > days_in_month(civil->year, civil->month))
		return "the month has no such day";
	if (civil->hour > 23)
		return "the hour is above 23";
	if (civil->minute > 59)
		return "the minute is above 59";
	return civil->second > 59 ? "the second is above 59" : NULL;
}

enum err text_parse_rfc3339(struct slice text, int64_t *ret_utc_ms, struct problem *problem)
{
	char quoted[TEXT_QUOTE_BYTES];
	(void)text_quote(text, quoted);
	struct slice rest = text;
	struct civil civil = {.ms = 0};
	int offset_minutes = 0;
	bool is_dated = take_date_and_clock(&rest, &civil) && take_fraction(&rest, &civil);
	if (is_dated && rest.bytes == 0) {
		(void)problem_set(problem, ERR_INVALID, "%s is not an instant: the zone is missing",
				  quoted);
		problem_hint(problem, "put Z for UTC at the end, or an offset like +01:00");
		return ERR_INVALID;
	}
	if (!is_dated || !take_offset(&rest, &offset_minutes) || rest.bytes > 0) {
		(void)problem_set(problem, ERR_INVALID, "%s is not an instant", quoted);
		problem_hint(problem,
			     "write it like 2025-03-30T02:30:00Z or 2025-03-30T02:30:00+01:00");
		return ERR_INVALID;
	}
	const char *fault = field_out_of_range(&civil);
	if (fault != NULL)
		return problem_set(problem, ERR_RANGE, "%s is not an instant: %s", quoted, fault);

	int64_t minutes = (int64_t)civil.hour * 60 + civil.minute - offset_minutes;
	int64_t utc_ms = days_of(civil.year, civil.month, civil.day) * DAY_MS + minutes * 60000 +
			 (int64_t)civil.second * 1000 + civil.ms;
	if (utc_ms < days_of(YEAR_MIN, 1, 1) * DAY_MS ||
	    utc_ms >= days_of(YEAR_MAX + 1, 1, 1) * DAY_MS)
		return problem_set(problem, ERR_RANGE, "%s is not within the years %d to %d",
				   quoted, YEAR_MIN, YEAR_MAX);
	*ret_utc_ms = utc_ms;
	return ERR_OK;
}

static void format_time(const struct civil *civil, bool has_ms, char ret_text[TEXT_TIME_BYTES])
{
	/* A stranger's number may lie far outside the years that are taken: the longest text has 31 bytes. */
	int used = snprintf(ret_text, TEXT_TIME_BYTES, "%04lld-%02u-%02uT%02u:%02u:%02u",
			    (long long)civil->year, civil->month, civil->day, civil->hour,
			    civil->minute, civil->second);
	if (used < 0 || (size_t)used >= TEXT_TIME_BYTES)
		return;
	if (has_ms)
		(void)snprintf(ret_text + used, TEXT_TIME_BYTES - (size_t)used, ".%03uZ",
			       civil->ms);
	else
		(void)snprintf(ret_text + used, TEXT_TIME_BYTES - (size_t)used, "Z");
}

void text_format_time(int64_t utc_ms, char ret_text[TEXT_TIME_BYTES])
{
	struct civil civil = civil_of(utc_ms);
	format_time(&civil, civil.ms != 0, ret_text);
}

void text_format_time_ms(int64_t utc_ms, char ret_text[TEXT_TIME_BYTES])
{
	struct civil civil = civil_of(utc_ms);
	format_time(&civil, true, ret_text);
}

void text_format_clock(int64_t utc_ms, char ret_text[TEXT_TIME_BYTES])
{
	struct civil civil = civil_of(utc_ms);
	(void)snprintf(ret_text, TEXT_TIME_BYTES, "%02u:%02u:%02u", civil.hour, civil.minute,
		       civil.second);
}
