#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/text.h"

#define CASE(function, sentence)                     \
	{                                            \
		sentence, function, NULL, NULL, NULL \
	}

static void every_code_has_words(void **state)
{
	(void)state;
	for (int code = 0; code < ERR_COUNT; code++) {
		assert_true(strlen(err_text((enum err)code)) > 0);
		assert_true(strlen(err_word((enum err)code)) > 0);
		for (int other = 0; other < code; other++)
			assert_string_not_equal(err_word((enum err)code),
						err_word((enum err)other));
	}
	assert_string_equal(err_text(ERR_NOT_FOUND), "not found");
	assert_string_equal(err_word(ERR_NOT_FOUND), "not_found");
	assert_string_equal(err_word(ERR_COUNT), "unknown");
	assert_string_equal(err_text((enum err)1000), "unknown error");
}

static void exit_codes_are_those_of_the_table(void **state)
{
	(void)state;
	static const int wanted[ERR_COUNT] = {
		[ERR_OK] = 0,          [ERR_INVALID] = 2, [ERR_RANGE] = 2,     [ERR_NOT_FOUND] = 3,
		[ERR_EXISTS] = 5,      [ERR_STALE] = 5,   [ERR_FULL] = 5,      [ERR_DENIED] = 4,
		[ERR_NO_MAJORITY] = 6, [ERR_TIMEOUT] = 7, [ERR_CORRUPT] = 2,   [ERR_TRUNCATED] = 2,
		[ERR_UNSUPPORTED] = 2, [ERR_IO] = 2,      [ERR_NO_MEMORY] = 2, [ERR_CLOSED] = 7,
	};
	for (int code = 0; code < ERR_COUNT; code++)
		assert_int_equal(err_exit_code((enum err)code), wanted[code]);
	assert_int_equal(err_exit_code(ERR_COUNT), 2);
}

static void a_problem_is_set_given_context_and_a_hint(void **state)
{
	(void)state;
	struct problem problem;
	memset(&problem, 'x', sizeof(problem));
	assert_int_equal(problem_set(&problem, ERR_RANGE, "%d is above %d", 24, 23), ERR_RANGE);
	assert_int_equal(problem.code, ERR_RANGE);
	assert_string_equal(problem.text, "24 is above 23");
	assert_string_equal(problem.hint, "");
	problem_context(&problem, "field %d", 2);
	problem_context(&problem, "cron");
	problem_hint(&problem, "schedctl next --expr '%s'", "* 23 * * *");
	assert_string_equal(problem.text, "cron: field 2: 24 is above 23");
	assert_string_equal(problem.hint, "schedctl next --expr '* 23 * * *'");
	(void)problem_set(&problem, ERR_INVALID, "again");
	assert_string_equal(problem.hint, "");
}

static void a_problem_may_be_made_of_its_own_text(void **state)
{
	(void)state;
	struct problem problem;
	(void)problem_set(&problem, ERR_IO, "inner");
	(void)problem_set(&problem, ERR_INVALID, "outer <%s>", problem.text);
	assert_string_equal(problem.text, "outer <inner>");
	problem_context(&problem, "%s", problem.text);
	assert_string_equal(problem.text, "outer <inner>: outer <inner>");
	problem_hint(&problem, "%s", problem.text);
	assert_string_equal(problem.hint, problem.text);
}

static void nobody_has_to_want_the_problem(void **state)
{
	(void)state;
	assert_int_equal(problem_set(NULL, ERR_DENIED, "%s", "text"), ERR_DENIED);
	problem_context(NULL, "context");
	problem_hint(NULL, "hint");
}

/* Fills with characters of `bytes` bytes each after `offset` letters, so that the limit falls into each
 * place of a character. */
static void check_cut(const char *character, size_t offset)
{
	char text[4096] = "";
	size_t used = 0;
	for (; used < offset; used++)
		text[used] = 'a';
	size_t bytes = strlen(character);
	while (used + bytes < sizeof(text)) {
		memcpy(text + used, character, bytes);
		used += bytes;
	}
	text[used] = '\0';

	struct problem problem;
	(void)problem_set(&problem, ERR_INVALID, "%s", text);
	problem_hint(&problem, "%s", text);
	size_t text_bytes = strlen(problem.text);
	size_t hint_bytes = strlen(problem.hint);
	assert_true(text_is_utf8(slice_str(problem.text)));
	assert_true(text_is_utf8(slice_str(problem.hint)));
	assert_true(text_bytes < PROBLEM_TEXT_BYTES_MAX &&
		    text_bytes + bytes >= PROBLEM_TEXT_BYTES_MAX);
	assert_true(hint_bytes < PROBLEM_HINT_BYTES_MAX &&
		    hint_bytes + bytes >= PROBLEM_HINT_BYTES_MAX);
	problem_context(&problem, "%s", "abc");
	assert_true(text_is_utf8(slice_str(problem.text)));
	assert_memory_equal(problem.text, "abc: ", 5);
	problem_context(&problem, "%s", text);
	assert_true(text_is_utf8(slice_str(problem.text)));
}

static void a_long_text_is_cut_between_characters(void **state)
{
	(void)state;
	for (size_t offset = 0; offset < 8; offset++) {
		check_cut("a", offset);
		check_cut("\xc3\xa9", offset);
		check_cut("\xe2\x82\xac", offset);
		check_cut("\xf0\x9f\x98\x80", offset);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_code_has_words,
		     "every code has words of its own, and unknown ones do too"),
		CASE(exit_codes_are_those_of_the_table, "exit codes are those of the table"),
		CASE(a_problem_is_set_given_context_and_a_hint,
		     "a problem is set, given context and a hint"),
		CASE(a_problem_may_be_made_of_its_own_text,
		     "a problem may be made of its own text"),
		CASE(nobody_has_to_want_the_problem, "nobody has to want the problem"),
		CASE(a_long_text_is_cut_between_characters,
		     "a long text is cut between characters"),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
