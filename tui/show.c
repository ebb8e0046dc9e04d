/* Values as the console writes them. */
#include "tui/show.h"

#include <stdio.h>
#include <string.h>

#include "proto/text.h"

#define SECOND_MS 1000
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24LL * HOUR_MS)

static void put_none(show_text ret_text)
{
	(void)snprintf(ret_text, SHOW_BYTES, "-");
}

void show_count(int64_t count, show_text ret_text)
{
	if (count == ROW_NONE) {
		put_none(ret_text);
		return;
	}
	char digits[SHOW_BYTES];
	int length = snprintf(digits, sizeof(digits), "%lld", (long long)count);
	size_t at = 0;
	for (int i = 0; i < length && at + 2 < SHOW_BYTES; i++) {
		if (i > 0 && digits[i - 1] != '-' && (length - i) % 3 == 0)
			ret_text[at++] = ',';
		ret_text[at++] = digits[i];
	}
	ret_text[at] = '\0';
}

void show_clock(int64_t utc_ms, show_text ret_text)
{
	if (utc_ms == ROW_NONE) {
		put_none(ret_text);
		return;
	}
	int64_t second = (utc_ms % DAY_MS + DAY_MS) % DAY_MS / SECOND_MS;
	(void)snprintf(ret_text, SHOW_BYTES, "%02d:%02d:%02d", (int)(second / 3600),
		       (int)(second / 60 % 60), (int)(second % 60));
}

void show_clock_ms(int64_t utc_ms, show_text ret_text)
{
	show_clock(utc_ms, ret_text);
	if (utc_ms == ROW_NONE)
		return;
	size_t length = strlen(ret_text);
	(void)snprintf(ret_text + length, SHOW_BYTES - length, ".%03d",
		       (int)((utc_ms % SECOND_MS + SECOND_MS) % SECOND_MS));
}

void show_span(int64_t ms, show_text ret_text)
{
	if (ms == ROW_NONE)
		put_none(ret_text);
	else
		text_format_span(ms, ret_text);
}

void show_size(int64_t bytes, show_text ret_text)
{
	if (bytes == ROW_NONE) {
		put_none(ret_text);
		return;
	}
	static const char units[] = "BKMGTP";
	int unit = 0;
	int64_t tenths = bytes < INT64_MAX / 10 ? bytes * 10 : INT64_MAX;
	while (tenths >= 10240 && units[unit + 1] != '\0') {
		tenths /= 1024;
		unit++;
	}
	if (unit > 0 && tenths < 100)
		(void)snprintf(ret_text, SHOW_BYTES, "%d.%d%c", (int)(tenths / 10),
			       (int)(tenths % 10), units[unit]);
	else
		(void)snprintf(ret_text, SHOW_BYTES, "%d%c", (int)(tenths / 10), units[unit]);
}

void show_lag(int64_t us, show_text ret_text)
{
	if (us == ROW_NONE)
		put_none(ret_text);
	else if (us < 10 * 1000)
		(void)snprintf(ret_text, SHOW_BYTES, "%lld.%lld", (long long)(us / 1000),
			       (long long)(us % 1000 / 100));
	else
		(void)snprintf(ret_text, SHOW_BYTES, "%lld", (long long)(us / 1000));
}

void show_rate(int64_t per_s_milli, show_text ret_text)
{
	if (per_s_milli == ROW_NONE) {
		put_none(ret_text);
		return;
	}
	if (per_s_milli < 10 * 1000) {
		(void)snprintf(ret_text, SHOW_BYTES, "%lld.%lld/s", (long long)(per_s_milli / 1000),
			       (long long)(per_s_milli % 1000 / 100));
		return;
	}
	show_count(per_s_milli / 1000, ret_text);
	size_t length = strlen(ret_text);
	(void)snprintf(ret_text + length, SHOW_BYTES - length, "/s");
}

static int64_t day_of(int64_t utc_ms)
{
	return (utc_ms - ((utc_ms % DAY_MS + DAY_MS) % DAY_MS)) / DAY_MS;
}

/* "20 Nov"; in another year "Nov 2027". */
static void show_date(int64_t utc_ms, int64_t now_utc_ms, show_text ret_text)
{
	static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	char time[TEXT_TIME_BYTES];
	char now[TEXT_TIME_BYTES];
	text_format_time(utc_ms, time);
	text_format_time(now_utc_ms, now);
	/* Other forms (a year below 0 or above 9999) are shown as they are. */
	int month = (time[5] - '0') * 10 + (time[6] - '0');
	if (strlen(time) < 10 || month < 1 || month > 12)
		(void)snprintf(ret_text, SHOW_BYTES, "%.8s", time);
	else if (memcmp(time, now, 4) != 0)
		(void)snprintf(ret_text, SHOW_BYTES, "%s %.4s", months[month - 1], time);
	else
		(void)snprintf(ret_text, SHOW_BYTES, "%d %s",
			       (time[8] - '0') * 10 + (time[9] - '0'), months[month - 1]);
}

void show_past(int64_t utc_ms, int64_t now_utc_ms, show_text ret_text)
{
	static const char week_days[7][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
	if (utc_ms == ROW_NONE) {
		put_none(ret_text);
		return;
	}
	int64_t age_ms = now_utc_ms - utc_ms;
	if (day_of(utc_ms) == day_of(now_utc_ms) || (age_ms >= 0 && age_ms < 12LL * HOUR_MS)) {
		show_clock(utc_ms, ret_text);
		return;
	}
	if (age_ms >= 0 && age_ms < 6 * DAY_MS) {
		int64_t day = day_of(utc_ms);
		int hour = (int)((utc_ms % DAY_MS + DAY_MS) % DAY_MS / HOUR_MS);
		(void)snprintf(ret_text, SHOW_BYTES, "%s %02dh", week_days[(day % 7 + 7) % 7], hour);
		return;
	}
	show_date(utc_ms, now_utc_ms, ret_text);
}

void show_next(int64_t utc_ms, int64_t now_utc_ms, show_text ret_text)
{
	if (utc_ms == ROW_NONE) {
		put_none(ret_text);
		return;
	}
	int64_t wait_ms = utc_ms - now_utc_ms;
	if (wait_ms < -SECOND_MS) {
		int64_t late_s = -wait_ms / SECOND_MS;
		if (late_s < 100)
			(void)snprintf(ret_text, SHOW_BYTES, "+%ds late", (int)late_s);
		else if (late_s < 100 * 60)
			(void)snprintf(ret_text, SHOW_BYTES, "+%dm late", (int)(late_s / 60));
		else
			(void)snprintf(ret_text, SHOW_BYTES, "+%dh late",
				       (int)(late_s / 3600 < 99 ? late_s / 3600 : 99));
		return;
	}
	int64_t days = day_of(utc_ms) - day_of(now_utc_ms);
	if (days == 0 || wait_ms < HOUR_MS) {
		show_clock(utc_ms, ret_text);
		return;
	}
	if (days < 100) {
		show_text clock;
		show_clock(utc_ms, clock);
		(void)snprintf(ret_text, SHOW_BYTES, "%dd %.5s", (int)days, clock);
		return;
	}
	show_date(utc_ms, now_utc_ms, ret_text);
}

void show_verdict(const char *verdict, const char *reason, int width, char ret_text[SHOW_VERDICT_BYTES])
{
	if (verdict[0] == '\0') {
		(void)snprintf(ret_text, SHOW_VERDICT_BYTES, "-");
		return;
	}
	if (reason[0] != '\0') {
		int length = snprintf(ret_text, SHOW_VERDICT_BYTES, "%s(%s)", verdict, reason);
		if (length < (int)SHOW_VERDICT_BYTES && cells_width(slice_str(ret_text), false) <= width)
			return;
	}
	(void)snprintf(ret_text, SHOW_VERDICT_BYTES, "%s", verdict);
}

enum role show_role(const char *word)
{
	static const struct {
		const char *word;
		enum role role;
	} roles[] = {
		{"ran-ok", ROLE_OK},       {"alive", ROLE_OK},        {"running", ROLE_RUNNING},
		{"started", ROLE_RUNNING}, {"claimed", ROLE_RUNNING}, {"armed", ROLE_RUNNING},
		{"waiting", ROLE_WARN},    {"suspect", ROLE_WARN},    {"killing", ROLE_WARN},
		{"failed", ROLE_BAD},      {"timeout", ROLE_BAD},     {"killed", ROLE_BAD},
		{"lost", ROLE_BAD},        {"missed", ROLE_BAD},      {"paused", ROLE_ASIDE},
		{"skipped", ROLE_ASIDE},   {"disabled", ROLE_ASIDE},  {"exhausted", ROLE_ASIDE},
		{"draining", ROLE_ASIDE},  {"left", ROLE_ASIDE},      {"evicted", ROLE_ASIDE},
		{"released", ROLE_ASIDE},
	};
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (strcmp(word, roles[i].word) == 0)
			return roles[i].role;
	}
	return ROLE_NORMAL;
}

bool show_is_bad(const char *verdict)
{
	return show_role(verdict) == ROLE_BAD;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

const char *show_find(const char *text, const char *needle)
{
	for (;; text++) {
		size_t i = 0;
		while (needle[i] != '\0' && lower(text[i]) == lower(needle[i]))
			i++;
		if (needle[i] == '\0')
			return text;
		if (*text == '\0')
			return NULL;
	}
}
