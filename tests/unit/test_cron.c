#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/core/civil.h"
#include "agent/core/cron.h"
#include "agent/core/cron_match.h"
#include "agent/core/cron_words.h"
#include "proto/buf.h"
#include "proto/limits.h"

#define CASE(function, sentence)                     \
	{                                            \
		sentence, function, NULL, NULL, NULL \
	}

static struct cron parsed(const char *text)
{
	struct cron cron;
	struct problem problem = {0};
	if (cron_parse(slice_str(text), &cron, &problem) != ERR_OK)
		fail_msg("%s: %s", text, problem.text);
	return cron;
}

static void assert_refused(const char *text, enum err code, const char *words)
{
	struct cron cron = {.flags = 0xff};
	struct problem problem = {0};
	enum err err = cron_parse(slice_str(text), &cron, &problem);
	if (err != code || strstr(problem.text, words) == NULL)
		fail_msg("%s: %s: %s", text, err_word(err), problem.text);
	assert_int_equal(cron.flags, 0xff);
	assert_int_equal(cron_parse(slice_str(text), &cron, NULL), code);
}

static void assert_same(const char *text, const char *other)
{
	struct cron a = parsed(text);
	struct cron b = parsed(other);
	if (a.seconds != b.seconds || a.minutes != b.minutes || a.hours != b.hours ||
	    a.days != b.days || a.months != b.months || a.weekdays != b.weekdays || a.flags != b.flags)
		fail_msg("%s is not %s", text, other);
}

static int64_t at(int year, unsigned month, int day, int hour, int minute, int second)
{
	return civil_days(year, month, day) * CIVIL_DAY_S + hour * 3600 + minute * 60 + second;
}

/* The next `count` days of the month that match, from the given date on, at any time. */
static void assert_dates(const char *text, int64_t from_s, const int64_t *wanted, size_t count)
{
	struct cron cron = parsed(text);
	for (size_t index = 0; index < count; index++) {
		int64_t found_s = cron_first(&cron, from_s, at(2200, 1, 1, 0, 0, 0));
		if (found_s != wanted[index])
			fail_msg("%s: the %zu-th is %lld, not %lld", text, index,
				 (long long)found_s, (long long)wanted[index]);
		from_s = found_s + 1;
	}
}

static void five_fields_begin_with_the_minute(void **state)
{
	(void)state;
	struct cron cron = parsed("5 4 3 2 1");
	assert_true(cron.seconds == 1);
	assert_true(cron.minutes == 1u << 5);
	assert_int_equal(cron.hours, 1u << 4);
	assert_int_equal(cron.days, 1u << 3);
	assert_int_equal(cron.months, 1u << 2);
	assert_int_equal(cron.weekdays, 1u << 1);
	assert_int_equal(cron.flags, 0);
	assert_int_equal(sizeof(cron), 32);
}

static void six_fields_begin_with_the_second(void **state)
{
	(void)state;
	struct cron cron = parsed("59 5 4 3 2 1");
	assert_true(cron.seconds == UINT64_C(1) << 59);
	assert_true(cron.minutes == 1u << 5);
	assert_same("0 5 4 3 2 1", "5 4 3 2 1");
	assert_same(" \t*/5  *\t* * *  ", "*/5 * * * *");
}

static void lists_ranges_and_steps_make_sets(void **state)
{
	(void)state;
	struct cron cron = parsed("0,30,5-7 8-18/5 1-31/10 * *");
	assert_true(cron.minutes == (1u | 1u << 30 | 1u << 5 | 1u << 6 | 1u << 7));
	assert_int_equal(cron.hours, 1u << 8 | 1u << 13 | 1u << 18);
	assert_int_equal(cron.days, 1u << 1 | 1u << 11 | 1u << 21 | 1u << 31);
	assert_int_equal(cron.months, 0x1ffe);
	assert_int_equal(cron.weekdays, 0x7f);
	assert_true(parsed("*/7 * * * *").minutes ==
		    (1u | 1u << 7 | 1u << 14 | 1u << 21 | 1u << 28 | UINT64_C(1) << 35 |
		     UINT64_C(1) << 42 | UINT64_C(1) << 49 | UINT64_C(1) << 56));
	assert_true(parsed("*/90 * * * *").minutes == 1);
	assert_true(parsed("007 * * * *").minutes == 1u << 7);
}

static void names_are_taken_in_any_case(void **state)
{
	(void)state;
	assert_same("0 0 * jan,FEB,Mar mon-FRI", "0 0 * 1,2,3 1-5");
	assert_same("0 0 * apr-dec/4 sun", "0 0 * 4-12/4 0");
	assert_same("0 0 * * thu-6", "0 0 * * 4-6");
}

static void seven_is_sunday(void **state)
{
	(void)state;
	assert_same("0 0 * * 7", "0 0 * * 0");
	assert_same("0 0 * * 5-7", "0 0 * * 5,6,0");
	/* cronie's star is 0-7, so a step of seven means Sunday alone, and a step of five Friday too. */
	assert_int_equal(parsed("0 0 * * */7").weekdays, 1);
	assert_int_equal(parsed("0 0 * * */5").weekdays, 1 | 1u << 5);
}

static void macros_are_their_expressions(void **state)
{
	(void)state;
	assert_same("@hourly", "0 * * * *");
	assert_same("@daily", "0 0 * * *");
	assert_same("@midnight", "0 0 * * *");
	assert_same("@weekly", "0 0 * * 0");
	assert_same("@monthly", "0 0 1 * *");
	assert_same("@yearly", "0 0 1 1 *");
	assert_same(" @annually ", "0 0 1 1 *");
	assert_refused("@reboot", ERR_UNSUPPORTED, "later version");
	assert_refused("@fortnightly", ERR_INVALID, "unknown macro");
	assert_refused("@Daily", ERR_INVALID, "unknown macro");
	assert_refused("@daily 5", ERR_INVALID, "2 fields");
}

static void a_wrong_number_of_fields_is_refused(void **state)
{
	(void)state;
	assert_refused("", ERR_INVALID, "0 fields, expected 5");
	assert_refused("   ", ERR_INVALID, "0 fields");
	assert_refused("*", ERR_INVALID, "1 field,");
	assert_refused("* * * *", ERR_INVALID, "4 fields");
	assert_refused("0 0 0 * * * 2030", ERR_UNSUPPORTED, "year field comes in a later version");
	assert_refused("* * * * * * * *", ERR_INVALID, "8 fields");
	char text[CRON_TEXT_BYTES_MAX + 2];
	memset(text, ' ', sizeof(text));
	memcpy(text, "* * * * *", 9);
	struct cron cron;
	struct problem problem;
	assert_int_equal(cron_parse(slice_of(text, sizeof(text) - 1), &cron, &problem), ERR_RANGE);
	assert_int_equal(cron_parse(slice_of(text, sizeof(text) - 2), &cron, &problem), ERR_OK);
}

static void a_bad_field_is_named_with_its_column(void **state)
{
	(void)state;
	assert_refused("0 24 * * *", ERR_RANGE, "cron: field 2 (hour), column 3: 24 is outside 0-23");
	assert_refused("60 * * * *", ERR_RANGE, "cron: field 1 (minute), column 1: 60 is outside 0-59");
	assert_refused("0 0 0 * *", ERR_RANGE,
		       "cron: field 3 (day of month), column 5: 0 is outside 1-31");
	assert_refused("0 0 1-32 * *", ERR_RANGE,
		       "cron: field 3 (day of month), column 7: 32 is outside 1-31");
	assert_refused("0 0 * 13 *", ERR_RANGE, "field 4 (month), column 7");
	assert_refused("0 0 * * 8", ERR_RANGE, "field 5 (day of week), column 9: 8 is outside 0-7");
	assert_refused("60 0 0 * * *", ERR_RANGE, "cron: field 1 (second), column 1");
	assert_refused("99999999999999999999 * * * *", ERR_RANGE, "outside 0-59");
	assert_refused("  x * * * *", ERR_INVALID,
		       "cron: field 1 (minute), column 3: 'x' is no name here");
	assert_refused("0 0 * * monday", ERR_INVALID,
		       "'monday' is no name here, expected a number, * or sun to sat");
	assert_refused("0 0 * foo *", ERR_INVALID, "expected a number, * or jan to dec");
	assert_refused("1,,2 * * * *", ERR_INVALID, "column 3: found ','");
	assert_refused("1, * * * *", ERR_INVALID, "column 3: the field ends");
	assert_refused(",1 * * * *", ERR_INVALID, "column 1: found ','");
	assert_refused("1- * * * *", ERR_INVALID, "column 3: the field ends");
	assert_refused("-1 * * * *", ERR_INVALID, "column 1: found '-'");
	assert_refused("1-2-3 * * * *", ERR_INVALID, "column 4: found '-'");
	assert_refused("*/ * * * *", ERR_INVALID, "column 3: the field ends, expected a step");
	assert_refused("*/x * * * *", ERR_INVALID, "column 3: found 'x', expected a step");
	assert_refused("*5 * * * *", ERR_INVALID, "column 2: found '5'");
	assert_refused("1+2 * * * *", ERR_INVALID, "column 2: found '+'");
	assert_refused("\xc3\xa9 * * * *", ERR_INVALID, "column 1: found byte 0xc3");
	assert_refused("* *\n* * * *", ERR_INVALID, "column 4: found byte 0x0a");
	assert_refused("0 mon * * *", ERR_INVALID, "'mon' is no name here, expected a number or *");
}

static void what_cronie_refuses_is_refused(void **state)
{
	(void)state;
	assert_refused("5/10 * * * *", ERR_INVALID, "column 2: a step after a single number");
	assert_refused("0 22-2 * * *", ERR_INVALID, "column 6: the range ends before it begins");
	assert_refused("0 0 * * fri-mon", ERR_INVALID, "column 13: the range ends before it begins");
	assert_refused("0 0 * * sat-sun", ERR_INVALID, "the range ends before it begins");
	assert_refused("*/0 * * * *", ERR_RANGE, "column 3: a step of 0");
	assert_refused("0-59/0 * * * *", ERR_RANGE, "a step of 0");
}

static void extensions_that_are_not_built_are_named(void **state)
{
	(void)state;
	assert_refused("0 0 L * *", ERR_UNSUPPORTED, "column 5: L (last) comes in a later version");
	assert_refused("0 0 L-3 * *", ERR_UNSUPPORTED, "L (last)");
	assert_refused("0 0 LW * *", ERR_UNSUPPORTED, "L (last)");
	assert_refused("0 0 15W * *", ERR_UNSUPPORTED, "column 7: W (nearest weekday)");
	assert_refused("0 0 * * 5L", ERR_UNSUPPORTED, "L (last)");
	assert_refused("0 0 * * 5#3", ERR_UNSUPPORTED, "# (n-th weekday)");
	assert_refused("0 0 * * fri#3", ERR_UNSUPPORTED, "# (n-th weekday)");
	assert_refused("0 0 ? * 1", ERR_UNSUPPORTED, "write *");
	assert_refused("H * * * *", ERR_UNSUPPORTED, "H (hashed time)");
	assert_refused("H/15 * * * *", ERR_UNSUPPORTED, "H (hashed time)");
	assert_refused("0 H(0-5) * * *", ERR_UNSUPPORTED, "H (hashed time)");
	assert_refused("0~30 * * * *", ERR_UNSUPPORTED, "~ (random time)");
	assert_refused("~ * * * *", ERR_UNSUPPORTED, "~ (random time)");
	assert_refused("L * * * *", ERR_INVALID, "'L' is no name here");
}

static void an_expression_that_never_matches_is_refused(void **state)
{
	(void)state;
	assert_refused("0 0 30 2 *", ERR_RANGE, "cron: field 3 (day of month)");
	assert_refused("0 0 0 30 2 *", ERR_RANGE, "cron: field 4 (day of month)");
	assert_refused("0 0 31 2,4,6,9,11 *", ERR_RANGE, "never fires");
	/* The star of the weekday makes both necessary. */
	assert_refused("0 0 30-31 2 */2", ERR_RANGE, "never fires");
	(void)parsed("0 0 29 2 *");
	(void)parsed("0 0 31 2,3 *");
	/* Either day field will do, and there are Fridays in February. */
	(void)parsed("0 0 30 2 fri");
}

static void either_day_field_matches_if_both_are_restricted(void **state)
{
	(void)state;
	/* June 2026: the 5th, 12th, 19th and 26th are Fridays, the 13th is a Saturday. */
	const int64_t wanted[] = {at(2026, 6, 5, 0, 0, 0), at(2026, 6, 12, 0, 0, 0),
				  at(2026, 6, 13, 0, 0, 0), at(2026, 6, 19, 0, 0, 0)};
	assert_dates("0 0 13 * fri", at(2026, 6, 1, 0, 0, 0), wanted, 4);
}

static void a_day_field_that_begins_with_a_star_makes_both_necessary(void **state)
{
	(void)state;
	/* Odd days that are Mondays: June 1, 15 and 29, 2026; July 13. */
	const int64_t mondays[] = {at(2026, 6, 1, 0, 0, 0), at(2026, 6, 15, 0, 0, 0),
				   at(2026, 6, 29, 0, 0, 0), at(2026, 7, 13, 0, 0, 0)};
	assert_dates("0 0 */2 * mon", at(2026, 6, 1, 0, 0, 0), mondays, 4);
	/* The same set written as a range is restricted: Mondays, and odd days. */
	const int64_t either[] = {at(2026, 6, 1, 0, 0, 0), at(2026, 6, 3, 0, 0, 0),
				  at(2026, 6, 5, 0, 0, 0), at(2026, 6, 7, 0, 0, 0),
				  at(2026, 6, 8, 0, 0, 0)};
	assert_dates("0 0 1-31/2 * mon", at(2026, 6, 1, 0, 0, 0), either, 5);
	/* A weekday field with a star: the 13th if it is a Sunday, Tuesday, Thursday or Saturday. */
	const int64_t thirteenths[] = {at(2026, 6, 13, 0, 0, 0), at(2026, 8, 13, 0, 0, 0),
				       at(2026, 9, 13, 0, 0, 0)};
	assert_dates("0 0 13 * */2", at(2026, 6, 1, 0, 0, 0), thirteenths, 3);
}

static void the_leap_day_comes_in_leap_years_only(void **state)
{
	(void)state;
	const int64_t wanted[] = {at(2092, 2, 29, 0, 0, 0), at(2096, 2, 29, 0, 0, 0),
				  at(2104, 2, 29, 0, 0, 0)};
	assert_dates("0 0 29 2 *", at(2090, 1, 1, 0, 0, 0), wanted, 3);
	/* And on Sundays only (0-7 in steps of seven), which takes 28 years, and 40 across 2100. */
	const int64_t sundays[] = {at(2032, 2, 29, 0, 0, 0), at(2060, 2, 29, 0, 0, 0),
				   at(2088, 2, 29, 0, 0, 0), at(2128, 2, 29, 0, 0, 0)};
	assert_dates("0 0 29 2 */7", at(2026, 1, 1, 0, 0, 0), sundays, 4);
}

static void the_search_carries_over_every_field(void **state)
{
	(void)state;
	struct cron cron = parsed("10,50 20,40 6,18 28,31 1,12 *");
	int64_t end_s = at(2030, 1, 1, 0, 0, 0);
	assert_true(cron_first(&cron, at(2026, 12, 31, 18, 40, 50), end_s) ==
		    at(2026, 12, 31, 18, 40, 50));
	assert_true(cron_first(&cron, at(2026, 12, 31, 18, 40, 11), end_s) ==
		    at(2026, 12, 31, 18, 40, 50));
	assert_true(cron_first(&cron, at(2026, 12, 31, 18, 20, 51), end_s) ==
		    at(2026, 12, 31, 18, 40, 10));
	assert_true(cron_first(&cron, at(2026, 12, 31, 6, 40, 51), end_s) ==
		    at(2026, 12, 31, 18, 20, 10));
	assert_true(cron_first(&cron, at(2026, 12, 28, 18, 40, 51), end_s) ==
		    at(2026, 12, 31, 6, 20, 10));
	assert_true(cron_first(&cron, at(2026, 12, 31, 18, 40, 51), end_s) ==
		    at(2027, 1, 28, 6, 20, 10));
	assert_true(cron_first(&cron, at(2026, 12, 31, 18, 40, 51), at(2027, 1, 28, 6, 20, 10)) ==
		    CRON_NONE);
	assert_true(cron_first(&cron, at(2026, 12, 31, 18, 40, 51), at(2026, 12, 31, 23, 0, 0)) ==
		    CRON_NONE);
	assert_true(cron_first(&cron, 5, 5) == CRON_NONE);

	assert_true(cron_last(&cron, 0, at(2027, 1, 28, 6, 20, 11)) == at(2027, 1, 28, 6, 20, 10));
	assert_true(cron_last(&cron, 0, at(2027, 1, 28, 6, 20, 10)) == at(2026, 12, 31, 18, 40, 50));
	assert_true(cron_last(&cron, 0, at(2026, 12, 31, 18, 40, 50)) == at(2026, 12, 31, 18, 40, 10));
	assert_true(cron_last(&cron, 0, at(2026, 12, 31, 18, 40, 10)) == at(2026, 12, 31, 18, 20, 50));
	assert_true(cron_last(&cron, 0, at(2026, 12, 31, 18, 20, 10)) == at(2026, 12, 31, 6, 40, 50));
	assert_true(cron_last(&cron, 0, at(2026, 12, 31, 6, 20, 10)) == at(2026, 12, 28, 18, 40, 50));
	assert_true(cron_last(&cron, at(2026, 12, 28, 18, 40, 51), at(2026, 12, 31, 6, 20, 10)) ==
		    CRON_NONE);
	assert_true(cron_last(&cron, at(2026, 2, 1, 0, 0, 0), at(2026, 11, 1, 0, 0, 0)) == CRON_NONE);
	assert_true(cron_last(&cron, 5, 5) == CRON_NONE);
}

static void counting_agrees_with_searching(void **state)
{
	(void)state;
	static const char *const texts[] = {"*/7 9-17 * * 1-5", "0 0 29 2 *",
					    "30 2 13 * fri",    "15,45 0 12 1 * *",
					    "59 59 23 31 12 *", "0 */6 */2 * mon"};
	for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++) {
		struct cron cron = parsed(texts[index]);
		int64_t from_s = at(2023, 11, 15, 9, 14, 0);
		for (int64_t end_s = from_s; end_s < at(2029, 1, 1, 0, 0, 0);
		     end_s = end_s * 2 - from_s + 3599) {
			uint64_t count = 0;
			int64_t found_s = cron_first(&cron, from_s, end_s);
			for (; found_s != CRON_NONE; found_s = cron_first(&cron, found_s + 1, end_s))
				count++;
			assert_true(cron_count(&cron, from_s, end_s) == count);
		}
	}
	struct cron all = parsed("* * * * * *");
	assert_true(cron_count(&all, at(2024, 1, 1, 0, 0, 0), at(2025, 1, 1, 0, 0, 0)) == 366 * 86400);
}

static void fires_of_a_day_are_counted(void **state)
{
	(void)state;
	struct cron every_second = parsed("* * * * * *");
	struct cron often = parsed("*/15 * * * * *");
	struct cron working = parsed("*/5 9-17 * * 1-5");
	assert_int_equal(cron_fires_per_day_max(&every_second), 86400);
	assert_int_equal(cron_fires_per_day_max(&often), 5760);
	assert_int_equal(cron_fires_per_day_max(&working), 108);
}

static void a_star_in_minute_or_hour_makes_a_wildcard(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool is_wildcard;
	} table[] = {
		{"30 2 * * *", false},  {"*/5 2 * * *", true},      {"30 * * * *", true},
		{"30 */2 * * *", true}, {"* 30 2 * * *", false},    {"*/5 30 2 * * *", false},
		{"0 * 2 * * *", true},  {"0-59 0-23 * * *", false}, {"@hourly", true},
		{"@daily", false},      {"5,*/20 2 * * *", false},
	};
	for (size_t index = 0; index < sizeof(table) / sizeof(table[0]); index++) {
		struct cron cron = parsed(table[index].text);
		if (cron_is_wildcard(&cron) != table[index].is_wildcard)
			fail_msg("%s", table[index].text);
	}
}

static void expressions_are_said_in_words(void **state)
{
	(void)state;
	static const char *const table[][2] = {
		{"*/7 9-17 * * 1-5",
		 "every 7 minutes (56→00 is 4 min), in the hours 9 to 17, Monday to Friday"},
		{"*/5 * * * *", "every 5 minutes"},
		{"* * * * *", "every minute"},
		{"* * * * * *", "every second"},
		{"*/2 * * * * *", "every 2 seconds"},
		{"0 * * * *", "every hour"},
		{"20 * * * *", "every hour at minute 20"},
		{"30 */2 * * *", "every 2 hours from 00:30"},
		{"0 */5 * * *", "every 5 hours (20→00 is 4 h)"},
		{"0 9-17 * * *", "every hour from 09:00 to 17:00"},
		{"0 9-17/2 * * *", "every 2 hours from 09:00 to 17:00"},
		{"30 2 * * *", "at 02:30 every day"},
		{"30 2,14 * * sat,sun", "at 02:30 and 14:30, Saturday and Sunday"},
		{"15 0,3,5,9,20 * * *", "at 00:15, 03:15, 05:15, 09:15 and 20:15 every day"},
		{"10 30 2 * * *", "at 02:30:10 every day"},
		{"10 * * * * *", "at second 10 of every minute"},
		{"* 30 2 * * *", "every second, at minute 30, in the hour 2"},
		{"5-59/10 * * * *", "every 10 minutes from minute 5"},
		{"0,10-12,30,50 * * * *", "at minutes 0, 10 to 12, 30 and 50"},
		{"0 0 13 * fri", "at 00:00, on day 13 of the month, or Friday"},
		{"0 0 13 6,7 fri", "at 00:00, on day 13 of June and July, or Friday in June and July"},
		{"0 0 */10 * mon", "at 00:00, on days 1, 11, 21 and 31 of the month, if also Monday"},
		{"0 0 1 1 *", "at 00:00, on day 1 of January"},
		{"0 0 * 6-8 *", "at 00:00 every day, in June to August"},
		{"0 0 1-31 * fri", "at 00:00 every day"},
	};
	for (size_t index = 0; index < sizeof(table) / sizeof(table[0]); index++) {
		struct cron cron = parsed(table[index][0]);
		char text[CRON_WORDS_BYTES_MAX];
		assert_int_equal(cron_describe(&cron, text, sizeof(text)), ERR_OK);
		assert_string_equal(text, table[index][1]);
		assert_int_equal(cron_describe(&cron, text, strlen(table[index][1])), ERR_FULL);
		assert_string_equal(text, "");
	}
}

static void the_longest_words_fit(void **state)
{
	(void)state;
	/* No two values are neighbours, so that nothing is drawn together. */
	struct cron cron = {.seconds = UINT64_C(0x0b6d5b5b6d6d6d5b),
			    .minutes = UINT64_C(0x0b6d5b5b6d6d6d5b),
			    .hours = 0x6d6d5b,
			    .days = 0x6d6d6d6a,
			    .months = 0xb6a,
			    .weekdays = 0x5b};
	char text[CRON_WORDS_BYTES_MAX];
	assert_int_equal(cron_describe(&cron, text, sizeof(text)), ERR_OK);
	assert_true(strlen(text) > 400);
	cron.seconds = 1;
	cron.minutes = 1;
	assert_int_equal(cron_describe(&cron, text, sizeof(text)), ERR_OK);
}

static void days_and_dates_agree(void **state)
{
	(void)state;
	assert_true(civil_days(1970, 1, 1) == 0);
	assert_true(civil_days(2000, 3, 1) == 11017);
	assert_true(civil_days(1969, 12, 31) == -1);
	assert_int_equal(civil_weekday(0), 4);
	assert_int_equal(civil_weekday(-5), 6);
	int64_t days = civil_days(1600, 1, 1);
	for (int year = 1600; year < 2401; year++) {
		for (unsigned month = 1; month <= 12; month++) {
			assert_true(civil_days(year, month, 1) == days);
			struct civil date = civil_from_seconds(days * CIVIL_DAY_S + 86399);
			assert_int_equal(date.year, year);
			assert_int_equal(date.month, month);
			assert_int_equal(date.day, 1);
			assert_int_equal(date.second, 59);
			assert_true(civil_to_seconds(&date) == days * CIVIL_DAY_S + 86399);
			days += civil_month_days(year, month);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(five_fields_begin_with_the_minute, "five fields begin with the minute"),
		CASE(six_fields_begin_with_the_second, "six fields begin with the second"),
		CASE(lists_ranges_and_steps_make_sets, "lists, ranges and steps make sets"),
		CASE(names_are_taken_in_any_case, "names are taken in any case"),
		CASE(seven_is_sunday, "seven is Sunday"),
		CASE(macros_are_their_expressions, "macros are their expressions"),
		CASE(a_wrong_number_of_fields_is_refused, "a wrong number of fields is refused"),
		CASE(a_bad_field_is_named_with_its_column, "a bad field is named with its column"),
		CASE(what_cronie_refuses_is_refused, "what cronie refuses is refused"),
		CASE(extensions_that_are_not_built_are_named, "extensions that are not built are named"),
		CASE(an_expression_that_never_matches_is_refused,
		     "an expression that never matches is refused"),
		CASE(either_day_field_matches_if_both_are_restricted,
		     "either day field matches if both are restricted"),
		CASE(a_day_field_that_begins_with_a_star_makes_both_necessary,
		     "a day field that begins with a star makes both necessary"),
		CASE(the_leap_day_comes_in_leap_years_only, "the leap day comes in leap years only"),
		CASE(the_search_carries_over_every_field, "the search carries over every field"),
		CASE(counting_agrees_with_searching, "counting agrees with searching"),
		CASE(fires_of_a_day_are_counted, "fires of a day are counted"),
		CASE(a_star_in_minute_or_hour_makes_a_wildcard,
		     "a star in minute or hour makes a wildcard"),
		CASE(expressions_are_said_in_words, "expressions are said in words"),
		CASE(the_longest_words_fit, "the longest words fit"),
		CASE(days_and_dates_agree, "days and dates agree"),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
