#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/cli/arguments.h"
#include "agent/cli/when.h"
#include "agent/io/zonefile.h"
#include "proto/buf.h"
#include "proto/text.h"

#define CASE(function, sentence)                     \
	{                                            \
		sentence, function, NULL, NULL, NULL \
	}
#define NOW "2026-11-20T12:04:31Z"

static int64_t instant(const char *text)
{
	int64_t ms;
	assert_int_equal(text_parse_rfc3339(slice_str(text), &ms, NULL), ERR_OK);
	return ms;
}

static void assert_when(const char *text, const struct zone *zone, const char *wanted)
{
	int64_t ms = -1;
	struct problem problem = {0};
	enum err err = when_parse(slice_str(text), instant(NOW), zone, &ms, &problem);
	if (err != ERR_OK || ms != instant(wanted))
		fail_msg("%s: %s %lld, not %s", text, problem.text, (long long)ms, wanted);
}

static void assert_past(const char *text, const char *wanted)
{
	int64_t ms = -1;
	assert_int_equal(when_parse_past(slice_str(text), instant(NOW), NULL, &ms, NULL), ERR_OK);
	assert_int_equal(ms, instant(wanted));
}

static void times_are_read_as_people_write_them(void **state)
{
	(void)state;
	assert_when("2025-03-30T02:30:00+01:00", NULL, "2025-03-30T01:30:00Z");
	assert_when("2025-03-30 02:30", NULL, "2025-03-30T02:30:00Z");
	assert_when("2025-03-30T02:30:05", NULL, "2025-03-30T02:30:05Z");
	assert_when("2025-03-30", NULL, "2025-03-30T00:00:00Z");
	assert_when("today 03:00", NULL, "2026-11-20T03:00:00Z");
	assert_when("tomorrow  03:00", NULL, "2026-11-21T03:00:00Z");
	assert_when("yesterday", NULL, "2026-11-19T00:00:00Z");
	assert_when(" 12:05 ", NULL, "2026-11-20T12:05:00Z");
	assert_when("12:04", NULL, "2026-11-21T12:04:00Z");
	assert_when("+1h30m", NULL, "2026-11-20T13:34:31Z");
	assert_when("now", NULL, NOW);
}

static void looking_back_a_clock_time_is_the_last_one(void **state)
{
	(void)state;
	assert_past("12:04", "2026-11-20T12:04:00Z");
	assert_past("12:05", "2026-11-19T12:05:00Z");
	assert_past("2h", "2026-11-20T10:04:31Z");
	assert_past("-90s", "2026-11-20T12:03:01Z");
	assert_past("2026-11-20", "2026-11-20T00:00:00Z");
}

static void what_is_no_time_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"5m",
		"-5m",
		"24:00",
		"12:60",
		"12:00:60",
		"1:00",
		"2025-02-29",
		"2025-13-01",
		"2025-00-10",
		"25-01-01",
		"2025-01-1",
		"1969-12-31",
		"2200-01-01",
		"tomorrow03:00",
		"2025-01-01 ",
		"2025-01-01 x",
		"tomorrow 3pm",
		"+",
		"+x",
		"2025-01-01 12:00 foo",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int64_t ms = 77;
		struct problem problem = {0};
		enum err err = when_parse(slice_str(bad[i]), instant(NOW), NULL, &ms, &problem);
		/* A blank at the end is taken off, so that one is a day. */
		if (strcmp(bad[i], "2025-01-01 ") == 0)
			continue;
		if (err == ERR_OK || ms != 77)
			fail_msg("%s was taken", bad[i]);
		assert_true(problem.text[0] != '\0');
	}
	char longer[200];
	memset(longer, '1', sizeof(longer));
	int64_t ms;
	assert_int_not_equal(when_parse(slice_of(longer, sizeof(longer)), 0, NULL, &ms, NULL), ERR_OK);
}

static void local_times_follow_the_zone_through_gaps_and_folds(void **state)
{
	(void)state;
	struct zonefile *zonefile = zonefile_new(NULL);
	const struct zone *paris;
	char text[WHEN_LOCAL_BYTES];
	assert_int_equal(zonefile_load(zonefile, slice_str("Europe/Paris"), &paris, NULL), ERR_OK);
	assert_when("2025-03-30 02:30", paris, "2025-03-30T01:00:00Z");
	assert_when("2025-10-26 02:30", paris, "2025-10-26T00:30:00Z");
	assert_when("tomorrow 00:30", paris, "2026-11-20T23:30:00Z");
	when_format_local(instant("2025-03-30T01:00:00Z"), paris, text);
	assert_string_equal(text, "2025-03-30T03:00:00+02:00");
	when_format_local(instant("2025-03-30T01:00:00Z"), NULL, text);
	assert_string_equal(text, "2025-03-30T01:00:00Z");
	zonefile_free(zonefile);
}

/* ---- the words of a line ---- */

static enum err parse(struct arguments *arguments, struct problem *problem, const char *const *words)
{
	size_t count = 0;
	while (words[count] != NULL)
		count++;
	return arguments_parse((char *const *)words, count, arguments, problem);
}

static void flags_stand_anywhere_and_the_last_one_counts(void **state)
{
	(void)state;
	static struct arguments arguments;
	static const char *const words[] = {"--json", "runs",       "--limit=5", "--limit",
					    "7",      "--deadline", "1m30s",     NULL};
	assert_int_equal(parse(&arguments, NULL, words), ERR_OK);
	assert_string_equal(arguments.command->name, "runs");
	assert_int_equal(arguments_number(&arguments, "limit", 0), 7);
	assert_int_equal(arguments_number(&arguments, "deadline", 0), 90000);
	assert_true(arguments_has(&arguments, "json"));
	assert_null(arguments_text(&arguments, "json"));
	assert_int_equal(arguments_number(&arguments, "after", 3), 3);
}

static void letters_stand_together_and_take_values(void **state)
{
	(void)state;
	static struct arguments arguments;
	static const char *const words[] = {"logs", "-fvn20", "x", NULL};
	assert_int_equal(parse(&arguments, NULL, words), ERR_OK);
	assert_true(arguments_has(&arguments, "follow"));
	assert_true(arguments_has(&arguments, "verbose"));
	assert_int_equal(arguments_number(&arguments, "tail", 0), 20);
	assert_string_equal(arguments.operands[0], "x");
}

static void what_follows_the_dashes_is_the_commands_own(void **state)
{
	(void)state;
	static struct arguments arguments;
	static const char *const words[] = {"job",    "add",      "n",  "--start-deadline",
					    "5m",     "--manual", "--", "ls",
					    "--json", "--",       NULL};
	assert_int_equal(parse(&arguments, NULL, words), ERR_OK);
	assert_int_equal(arguments.rest_count, 3);
	assert_false(arguments_has(&arguments, "json"));
	assert_int_equal(arguments.key_count, 2);
	assert_int_equal(arguments.keys[0].id, DEFINITION_KEY_START_DEADLINE);
	assert_string_equal(arguments.keys[1].text, "true");
}

static void too_many_words_are_refused_not_forgotten(void **state)
{
	(void)state;
	static struct arguments arguments;
	struct problem problem;
	const char *words[400];
	words[0] = "next";
	for (size_t i = 1; i < 399; i++)
		words[i] = "job";
	words[399] = NULL;
	assert_int_equal(parse(&arguments, &problem, words), ERR_FULL);
	for (size_t i = 1; i < 399; i++)
		words[i] = "--json";
	assert_int_equal(parse(&arguments, &problem, words), ERR_FULL);
	words[0] = "job";
	words[1] = "add";
	words[2] = "x";
	for (size_t i = 3; i < 399; i++)
		words[i] = "--env=A=1";
	assert_int_equal(parse(&arguments, &problem, words), ERR_FULL);
}

static void near_words_are_suggested_at_most_three(void **state)
{
	(void)state;
	static const char *const words[] = {"aaaa", "aaab", "aaac", "aaad", "zzzz"};
	char near[64];
	suggest_words("aaae", words, 5, near, sizeof(near));
	assert_string_equal(near, "aaaa, aaab, aaac");
	suggest_words("qqqqqq", words, 5, near, sizeof(near));
	assert_string_equal(near, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(times_are_read_as_people_write_them, "times are read as people write them"),
		CASE(looking_back_a_clock_time_is_the_last_one,
		     "looking back, a clock time is the last one and a duration is ago"),
		CASE(what_is_no_time_is_refused, "what is no time is refused and nothing written"),
		CASE(local_times_follow_the_zone_through_gaps_and_folds,
		     "local times follow the zone through gaps and folds"),
		CASE(flags_stand_anywhere_and_the_last_one_counts,
		     "flags stand anywhere, and the last one counts"),
		CASE(letters_stand_together_and_take_values, "letters stand together and take values"),
		CASE(what_follows_the_dashes_is_the_commands_own,
		     "what follows -- belongs to the command"),
		CASE(too_many_words_are_refused_not_forgotten,
		     "too many words are refused, not forgotten"),
		CASE(near_words_are_suggested_at_most_three, "near words are suggested, at most three"),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
