/* Times as people write them on a command line. */
#include "agent/cli/when.h"

#include <stdio.h>
#include <string.h>

#include "agent/core/civil.h"
#include "proto/buf.h"
#include "proto/limits.h"
#include "proto/text.h"

#define WHEN_BYTES_MAX 64u

/* What was read of a local time; a clock time alone has no day. */
struct local {
	bool has_day;
	int64_t day; /* since 1970-01-01 */
	int32_t second_of_day;
};

static int32_t offset_s(const struct zone *zone, int64_t utc_s)
{
	return zone == NULL ? 0 : zone_offset_s(zone, utc_s);
}

static int64_t instant_ms(const struct zone *zone, int64_t local_s)
{
	return (zone == NULL ? local_s : zone_instant(zone, local_s)) * 1000;
}

static int64_t floor_s(int64_t ms)
{
	return ms >= 0 ? ms / 1000 : -((-ms + 999) / 1000);
}

/* Digits only: sscanf would take signs and blanks. */
static bool take_number(const char **at, unsigned digits, int32_t *ret_value)
{
	int32_t value = 0;
	for (unsigned i = 0; i < digits; i++) {
		if ((*at)[i] < '0' || (*at)[i] > '9')
			return false;
		value = value * 10 + ((*at)[i] - '0');
	}
	*at += digits;
	*ret_value = value;
	return true;
}

static bool take_clock(const char **at, int32_t *ret_second_of_day)
{
	int32_t hour, minute, second = 0;
	const char *rest = *at;
	if (!take_number(&rest, 2, &hour) || *rest++ != ':' || !take_number(&rest, 2, &minute))
		return false;
	if (*rest == ':') {
		rest++;
		if (!take_number(&rest, 2, &second))
			return false;
	}
	if (hour > 23 || minute > 59 || second > 59)
		return false;
	*at = rest;
	*ret_second_of_day = hour * 3600 + minute * 60 + second;
	return true;
}

static bool take_day(const char **at, int64_t *ret_day)
{
	int32_t year, month, day;
	const char *rest = *at;
	if (!take_number(&rest, 4, &year) || *rest++ != '-' || !take_number(&rest, 2, &month) ||
	    *rest++ != '-' || !take_number(&rest, 2, &day))
		return false;
	if (year < YEAR_MIN || year > YEAR_MAX || month < 1 || month > 12 || day < 1 ||
	    (unsigned)day > civil_month_days(year, (unsigned)month))
		return false;
	*at = rest;
	*ret_day = civil_days(year, (unsigned)month, day);
	return true;
}

static bool take_day_word(const char **at, int64_t today, int64_t *ret_day)
{
	static const struct {
		const char *word;
		int64_t days;
	} words[] = {{"today", 0}, {"tomorrow", 1}, {"yesterday", -1}};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t bytes = strlen(words[i].word);
		if (strncmp(*at, words[i].word, bytes) == 0) {
			*at += bytes;
			*ret_day = today + words[i].days;
			return true;
		}
	}
	return false;
}

static bool local_read(const char *text, int64_t today, struct local *ret_local)
{
	struct local local = {0};
	const char *at = text;
	local.has_day = take_day_word(&at, today, &local.day) || take_day(&at, &local.day);
	if (local.has_day && *at == '\0') {
		*ret_local = local;
		return true;
	}
	if (local.has_day) {
		if (*at != ' ' && *at != 'T')
			return false;
		at += 1 + strspn(at + 1, " ");
	}
	if (!take_clock(&at, &local.second_of_day) || *at != '\0')
		return false;
	*ret_local = local;
	return true;
}

static enum err not_a_time(const char *text, struct problem *problem)
{
	enum err err = problem_set(problem, ERR_INVALID, "\"%s\" is no time", text);
	problem_hint(problem,
		     "2025-03-30T02:30:00Z, \"2025-03-30 02:30\", \"tomorrow 03:00\", 12:30 or +5m");
	return err;
}

static enum err copy_text(struct slice text, char ret_text[WHEN_BYTES_MAX], struct problem *problem)
{
	while (text.bytes > 0 && text.data[0] == ' ')
		text = slice_of(text.data + 1, text.bytes - 1);
	while (text.bytes > 0 && text.data[text.bytes - 1] == ' ')
		text.bytes--;
	if (text.bytes >= WHEN_BYTES_MAX)
		return problem_set(problem, ERR_INVALID, "a time has less than %u bytes",
				   WHEN_BYTES_MAX);
	(void)snprintf(ret_text, WHEN_BYTES_MAX, "%.*s", (int)text.bytes, (const char *)text.data);
	return ERR_OK;
}

static enum err parse(struct slice given, int64_t now_ms, const struct zone *zone, bool is_past,
		      int64_t *ret_utc_ms, struct problem *problem)
{
	char text[WHEN_BYTES_MAX];
	enum err err = copy_text(given, text, problem);
	if (err != ERR_OK)
		return err;
	if (strcmp(text, "now") == 0) {
		*ret_utc_ms = now_ms;
		return ERR_OK;
	}
	int64_t span_ms;
	bool has_sign = text[0] == '+' || (is_past && text[0] == '-');
	if (text_parse_duration(slice_str(text + has_sign), &span_ms, NULL) == ERR_OK &&
	    (has_sign || is_past)) {
		*ret_utc_ms = text[0] == '+' ? now_ms + span_ms : now_ms - span_ms;
		return ERR_OK;
	}
	if (text_parse_rfc3339(slice_str(text), ret_utc_ms, NULL) == ERR_OK)
		return ERR_OK;
	int64_t now_s = floor_s(now_ms);
	struct civil civil = civil_from_seconds(now_s + offset_s(zone, now_s));
	int64_t today = civil_days(civil.year, civil.month, civil.day);
	struct local local;
	if (!local_read(text, today, &local))
		return not_a_time(text, problem);
	int64_t day = local.has_day ? local.day : today;
	int64_t utc_ms = instant_ms(zone, day * CIVIL_DAY_S + local.second_of_day);
	if (!local.has_day && !is_past && utc_ms <= now_ms)
		utc_ms = instant_ms(zone, (day + 1) * CIVIL_DAY_S + local.second_of_day);
	if (!local.has_day && is_past && utc_ms > now_ms)
		utc_ms = instant_ms(zone, (day - 1) * CIVIL_DAY_S + local.second_of_day);
	*ret_utc_ms = utc_ms;
	return ERR_OK;
}

enum err when_parse(struct slice text, int64_t now_ms, const struct zone *zone, int64_t *ret_utc_ms,
		    struct problem *problem)
{
	return parse(text, now_ms, zone, false, ret_utc_ms, problem);
}

enum err when_parse_past(struct slice text, int64_t now_ms, const struct zone *zone,
			 int64_t *ret_utc_ms, struct problem *problem)
{
	return parse(text, now_ms, zone, true, ret_utc_ms, problem);
}

void when_format_local(int64_t utc_ms, const struct zone *zone, char ret_text[WHEN_LOCAL_BYTES])
{
	int64_t utc_s = floor_s(utc_ms);
	int32_t offset = offset_s(zone, utc_s);
	struct civil civil = civil_from_seconds(utc_s + offset);
	unsigned minutes = (unsigned)(offset < 0 ? -offset : offset) / 60;
	char tail[16] = "Z";
	if (zone != NULL)
		(void)snprintf(tail, sizeof(tail), "%c%02u:%02u", offset < 0 ? '-' : '+',
			       minutes / 60 % 100, minutes % 60);
	(void)snprintf(ret_text, WHEN_LOCAL_BYTES, "%04d-%02u-%02uT%02u:%02u:%02u%s", civil.year,
		       civil.month, civil.day, civil.hour, civil.minute, civil.second, tail);
}
