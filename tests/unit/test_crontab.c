#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/cli/crontab.h"
#include "proto/buf.h"
#include "proto/limits.h"
#include "proto/text.h"

#define CASE(function, sentence)                     \
	{                                            \
		sentence, function, NULL, NULL, NULL \
	}

/* What was read, as text: one line for each entry or bad line. */
static struct growing seen;

static void put(const char *label, struct slice text)
{
	if (text.bytes > 0)
		growing_format(&seen, " %s=%.*s", label, (int)text.bytes, (const char *)text.data);
}

static void on_entry(void *context, const struct crontab_entry *entry)
{
	(void)context;
	growing_format(&seen, "%u:%u", entry->line, entry->column);
	put("at", entry->schedule);
	put("user", entry->user);
	put("run", entry->command);
	put("in", entry->input);
	put("#", entry->comment);
	if (entry->is_quiet)
		growing_text(&seen, " quiet");
	for (size_t i = 0; i < entry->variable_count; i++)
		growing_format(&seen, " %s=[%s]", entry->variables[i].name, entry->variables[i].value);
	growing_text(&seen, "\n");
}

static void on_bad_line(void *context, uint32_t line, uint32_t column, struct slice whole,
			const char *reason)
{
	(void)context;
	(void)whole;
	growing_format(&seen, "%u:%u bad: %s\n", line, column, reason);
}

static const char *read_as(enum crontab_form form, const char *text)
{
	struct crontab_reader reader = {.form = form, .on_entry = on_entry, .on_bad_line = on_bad_line};
	growing_clear(&seen);
	assert_int_equal(crontab_read(slice_str(text), &reader, NULL), ERR_OK);
	return growing_string(&seen);
}

static void entries_and_variables_are_told_apart(void **state)
{
	(void)state;
	assert_string_equal(read_as(CRONTAB_USER, "A=1\n"
						  "\t* 1 2\t3 4   run it  \n"
						  "@daily A=2 b\n"
						  "A = ' x '\n"
						  "-0 0 * * * q"),
			    "2:2 at=* 1 2\t3 4 run=run it   A=[1]\n"
			    "3:1 at=@daily run=A=2 b A=[1]\n"
			    "5:2 at=0 0 * * * run=q quiet A=[ x ]\n");
}

static void the_system_form_has_a_user(void **state)
{
	(void)state;
	assert_string_equal(read_as(CRONTAB_SYSTEM, "* * * * * ana x y\n@hourly root z\n"),
			    "1:1 at=* * * * * user=ana run=x y\n2:1 at=@hourly user=root run=z\n");
	assert_string_equal(read_as(CRONTAB_SYSTEM, "* * * * * ana\n* * * * *\n"),
			    "1:14 bad: the command is missing\n"
			    "2:10 bad: the user and the command are missing\n");
}

static void a_comment_belongs_to_the_entry_right_below(void **state)
{
	(void)state;
	assert_string_equal(read_as(CRONTAB_USER, "# far\n\n#  one\n#two\n* * * * * a\n* * * * * b\n"
						  "# gone\nA=1\n* * * * * c\n"),
			    "5:1 at=* * * * * run=a #=one\ntwo\n"
			    "6:1 at=* * * * * run=b\n"
			    "9:1 at=* * * * * run=c A=[1]\n");
}

static void the_percent_sign_parts_command_and_input(void **state)
{
	(void)state;
	assert_string_equal(read_as(CRONTAB_USER, "* * * * * a\\%b%c%d\\%e\\f\n"),
			    "1:1 at=* * * * * run=a%b in=c\nd%e\\f\n\n");
	assert_string_equal(read_as(CRONTAB_USER, "* * * * * a%\n"), "1:1 at=* * * * * run=a\n");
	assert_string_equal(read_as(CRONTAB_USER, "* * * * * %a\n"), "1:11 bad: the command is empty\n");
	assert_string_equal(read_as(CRONTAB_USER, "* * * * * a\\"), "1:1 at=* * * * * run=a\\\n");
	assert_string_equal(read_as(CRONTAB_USER, "* * * * * a\\\\%b"), "1:1 at=* * * * * run=a\\%b\n");
}

static void what_is_neither_is_told_with_its_place(void **state)
{
	(void)state;
	assert_string_equal(read_as(CRONTAB_USER, "1 2 3\n"),
			    "1:6 bad: five fields of time, then the command, are expected\n");
	assert_string_equal(read_as(CRONTAB_USER, "A='open\n"),
			    "1:8 bad: five fields of time, then the command, are expected\n");
	assert_string_equal(read_as(CRONTAB_USER, "=x\n"),
			    "1:3 bad: five fields of time, then the command, are expected\n");
	assert_string_equal(read_as(CRONTAB_USER, "@daily\n"), "1:7 bad: the command is missing\n");
}

static void limits_are_told(void **state)
{
	(void)state;
	struct crontab_reader reader = {
		.form = CRONTAB_USER, .on_entry = on_entry, .on_bad_line = on_bad_line};
	struct growing text = {0};
	struct problem problem;
	for (unsigned i = 0; i <= CRONTAB_VARIABLES_MAX; i++)
		growing_format(&text, "V%u=1\n", i);
	assert_int_equal(crontab_read(growing_slice(&text), &reader, &problem), ERR_FULL);
	growing_clear(&text);
	growing_repeat(&text, '\n', CRONTAB_BYTES_MAX + 1);
	assert_int_equal(crontab_read(growing_slice(&text), &reader, &problem), ERR_FULL);
	growing_close(&text);
}

static bool is_account(const char *name)
{
	return strcmp(name, "root") == 0 || strcmp(name, "www-data") == 0 ||
	       strcmp(name, "backup") == 0;
}

static bool is_command(const char *name)
{
	return strcmp(name, "backup") == 0;
}

static enum crontab_form guess(const char *text)
{
	return crontab_guess_form(slice_str(text), is_account, is_command);
}

static void the_form_is_guessed_by_accounts_or_by_the_legend(void **state)
{
	(void)state;
	assert_int_equal(guess("* * * * * root x\n@daily www-data y\n"), CRONTAB_SYSTEM);
	assert_int_equal(guess("* * * * * root x\n* * * * * /bin/y z\n"), CRONTAB_USER);
	assert_int_equal(guess("* * * * * backup --all\n"), CRONTAB_USER);
	assert_int_equal(guess("* * * * * backup --all\n* * * * * root x\n"), CRONTAB_SYSTEM);
	assert_int_equal(guess("* * * * * root\n"), CRONTAB_USER);
	assert_int_equal(guess("# m h dom mon dow user  command\n* * * * * svc x\n"), CRONTAB_SYSTEM);
	assert_int_equal(guess("# m h  dom mon dow   command\n* * * * * svc x\n"), CRONTAB_USER);
	assert_int_equal(guess(""), CRONTAB_USER);
}

static void legends_are_no_descriptions(void **state)
{
	(void)state;
	static const char *const legends[] = {
		"m h  dom mon dow   command",
		"*  *  *  *  * user-name command",
		"|  .------- day of week (0 - 6)",
		"0 5 * * 1 tar -zcf x y",
		"@daily x",
	};
	for (size_t i = 0; i < sizeof(legends) / sizeof(legends[0]); i++) {
		if (!crontab_is_legend(slice_str(legends[i])))
			fail_msg("%s", legends[i]);
	}
	assert_false(crontab_is_legend(slice_str("dump the database at night, every night")));
	assert_false(crontab_is_legend(slice_str("1 2 3 go")));
	assert_false(crontab_is_legend(slice_str("")));
}

static void names_are_always_names(void **state)
{
	(void)state;
	static const char *const commands[] = {
		"",           " ",  ";;;",       "&&",       "''",        "$(",   "((((",
		"/",          "//", "-x",        ".",        "...",       "a=b",  "cd",
		"cd x",       "sh", "sh -c",     "[ ]",      "\xff\xfe",  "日本", "nice",
		"flock -n x", ">x", "run-parts", "$(a b) c", "\"a b\" c",
	};
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		char name[NAME_PART_BYTES_MAX + 1], full[JOB_NAME_BYTES_MAX + 1];
		crontab_name_of(slice_str(commands[i]), name, sizeof(name));
		if (text_parse_job_name(slice_str(name), full, NULL) != ERR_OK)
			fail_msg("%s: %s", commands[i], name);
	}
}

static int close_seen(void **state)
{
	(void)state;
	growing_close(&seen);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(entries_and_variables_are_told_apart, "entries and variables are told apart"),
		CASE(the_system_form_has_a_user, "the system form has a user"),
		CASE(a_comment_belongs_to_the_entry_right_below,
		     "a comment belongs to the entry right below it"),
		CASE(the_percent_sign_parts_command_and_input, "the percent sign parts command and input"),
		CASE(what_is_neither_is_told_with_its_place, "what is neither is told with its place"),
		CASE(limits_are_told, "limits are told"),
		CASE(the_form_is_guessed_by_accounts_or_by_the_legend,
		     "the form is guessed by accounts or by the legend"),
		CASE(legends_are_no_descriptions, "legends are no descriptions"),
		CASE(names_are_always_names, "whatever the command, its name is a name"),
	};
	return cmocka_run_group_tests(tests, NULL, close_seen);
}
