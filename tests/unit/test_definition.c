#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/yaml.h"
#include "proto/definition_build.h"
#include "proto/text.h"
#include "proto/wire.h"

#define CASE(function, sentence)                     \
	{                                            \
		sentence, function, NULL, NULL, NULL \
	}
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint8_t memory[DEFINITION_BUILD_BYTES];
static uint8_t other_memory[DEFINITION_BUILD_BYTES];

static enum definition_key_id key_of(const char *name)
{
	enum definition_key_id id = definition_key_find(slice_str(name));
	assert_true(id < DEFINITION_KEY_COUNT);
	return id;
}

static void set(struct buf *definition, const char *key, const char *text)
{
	struct problem problem;
	enum err err = definition_set_text(definition, key_of(key), slice_str(text), &problem);
	if (err != ERR_OK)
		fail_msg("%s", problem.text);
}

/* A definition with nothing but what it must have. */
static struct buf new_definition(void)
{
	struct buf definition;
	buf_init(&definition, memory, sizeof(memory));
	definition_begin(&definition);
	set(&definition, "job", "backup");
	set(&definition, "cron", "0 3 * * *");
	set(&definition, "shell", "true");
	return definition;
}

static struct definition decode(const struct buf *bytes)
{
	struct definition definition;
	struct problem problem;
	if (definition_decode(buf_slice(bytes), &definition, &problem) != ERR_OK)
		fail_msg("%s", problem.text);
	return definition;
}

static bool text_is(struct slice slice, const char *text)
{
	return slice_equal(slice, slice_str(text));
}

/* The whole must be refused with this code and these words. */
static void check_refused(const struct buf *bytes, enum err err, const char *text)
{
	struct definition definition = {.umask = 77};
	struct problem problem;
	assert_int_equal(definition_decode(buf_slice(bytes), &definition, &problem), err);
	if (strstr(problem.text, text) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", text, problem.text);
	assert_int_equal(definition.umask, 77);
}

static void what_is_not_set_has_its_default(void **state)
{
	(void)state;
	struct buf bytes = new_definition();
	struct definition definition = decode(&bytes);
	assert_true(text_is(definition.job, "default/backup"));
	assert_true(text_is(definition.cron, "0 3 * * *"));
	assert_true(text_is(definition.shell, "true"));
	assert_int_equal(definition.description.bytes, 0);
	assert_int_equal(definition.tz.bytes, 0);
	assert_int_equal(definition.command.bytes, 0);
	assert_int_equal(definition.environment.bytes, 0);
	assert_int_equal(definition.every_ms, 0);
	assert_false(definition.has_at);
	assert_false(definition.has_anchor);
	assert_false(definition.is_manual);
	assert_true(definition.is_enabled);
	assert_false(definition.is_often);
	assert_int_equal(definition.umask, 022);
	assert_int_equal(definition.overlap, DEFINITION_OVERLAP_FORBID);
	assert_int_equal(definition.misfire, DEFINITION_MISFIRE_ONCE);
	assert_int_equal(definition.start_deadline_ms, 3600000);
	assert_int_equal(definition.timeout_ms, 0);
	assert_int_equal(definition.kill_grace_ms, 10000);
	assert_int_equal(definition.output_bytes_max, 1u << 20);
	assert_true(definition_exit_is_ok(&definition, 0));
	for (int code = 1; code < 256; code++)
		assert_false(definition_exit_is_ok(&definition, code));
}

/* The table says in words what the decoder does. */
static void the_fallbacks_of_the_table_are_the_decoders(void **state)
{
	(void)state;
	struct buf bytes = new_definition();
	struct definition before = decode(&bytes);
	for (unsigned i = 0; i < DEFINITION_KEY_COUNT; i++) {
		const struct definition_key *key = definition_key_at((enum definition_key_id)i);
		if (key->fallback == NULL || i == DEFINITION_KEY_NEVER_TWICE)
			continue;
		set(&bytes, key->name, i == DEFINITION_KEY_OK_EXIT ? "0" : key->fallback);
	}
	struct definition after = decode(&bytes);
	assert_int_equal(before.umask, after.umask);
	assert_int_equal(before.overlap, after.overlap);
	assert_int_equal(before.misfire, after.misfire);
	assert_int_equal(before.start_deadline_ms, after.start_deadline_ms);
	assert_int_equal(before.kill_grace_ms, after.kill_grace_ms);
	assert_int_equal(before.output_bytes_max, after.output_bytes_max);
	assert_int_equal(before.is_manual, after.is_manual);
	assert_int_equal(before.is_enabled, after.is_enabled);
	assert_int_equal(before.is_often, after.is_often);
	assert_memory_equal(before.ok_exit_bits, after.ok_exit_bits, sizeof(before.ok_exit_bits));
}

static void every_key_comes_back(void **state)
{
	(void)state;
	struct buf bytes;
	buf_init(&bytes, memory, sizeof(memory));
	definition_begin(&bytes);
	static const struct {
		const char *key, *text;
	} keys[] = {
		{"ok_exit", "3,0,255"},
		{"output.max", "2M"},
		{"kill-grace", "0s"},
		{"timeout", "1h30m"},
		{"start_deadline", "5m"},
		{"misfire", "all"},
		{"overlap", "allow"},
		{"often", "true"},
		{"enabled", "false"},
		{"umask", "077"},
		{"cwd", "/var/lib"},
		{"env", "B=2"},
		{"env", "A=1=1"},
		{"env", "B=3"},
		{"stdin", "a\nb"},
		{"tz", "Europe/Paris"},
		{"anchor", "2025-01-01T00:00:00Z"},
		{"every", "90s"},
		{"owner", "kim"},
		{"description", "caf\xc3\xa9"},
		{"job", "etl/orders"},
		{"never_twice", "true"},
	};
	for (size_t i = 0; i < COUNT(keys); i++)
		set(&bytes, keys[i].key, keys[i].text);
	struct slice words[] = {slice_str("/bin/echo"), slice_str(""), slice_str("a b")};
	assert_int_equal(definition_set_list(&bytes, DEFINITION_KEY_COMMAND, 3, words, NULL), ERR_OK);

	struct definition definition = decode(&bytes);
	assert_true(text_is(definition.job, "etl/orders"));
	assert_true(text_is(definition.description, "caf\xc3\xa9"));
	assert_true(text_is(definition.owner, "kim"));
	assert_int_equal(definition.every_ms, 90000);
	assert_true(definition.has_anchor && definition.anchor_ms == 1735689600000);
	assert_true(text_is(definition.tz, "Europe/Paris"));
	assert_true(text_is(definition.stdin_text, "a\nb"));
	assert_true(text_is(definition.cwd, "/var/lib"));
	assert_int_equal(definition.umask, 077);
	assert_false(definition.is_enabled);
	assert_true(definition.is_often);
	assert_int_equal(definition.overlap, DEFINITION_OVERLAP_ALLOW);
	assert_int_equal(definition.misfire, DEFINITION_MISFIRE_ALL);
	assert_int_equal(definition.start_deadline_ms, 300000);
	assert_int_equal(definition.timeout_ms, 5400000);
	assert_int_equal(definition.kill_grace_ms, 0);
	assert_int_equal(definition.output_bytes_max, 2u << 20);
	assert_true(definition_exit_is_ok(&definition, 0) && definition_exit_is_ok(&definition, 255));
	assert_false(definition_exit_is_ok(&definition, 1) || definition_exit_is_ok(&definition, 256));
	assert_false(definition_exit_is_ok(&definition, -1));

	uint8_t text_memory[1024];
	struct buf text;
	buf_init(&text, text_memory, sizeof(text_memory));
	definition_put_yaml(&text, buf_slice(&bytes));
	buf_put_u8(&text, 0);
	assert_string_equal((const char *)text_memory, "job: etl/orders\n"
						       "description: \"caf\xc3\xa9\"\n"
						       "owner: kim\n"
						       "every: 1m30s\n"
						       "anchor: 2025-01-01T00:00:00Z\n"
						       "tz: Europe/Paris\n"
						       "command: [/bin/echo, \"\", a b]\n"
						       "stdin: \"a\\nb\"\n"
						       "env: {A: \"1=1\", B: 3}\n"
						       "cwd: /var/lib\n"
						       "umask: 077\n"
						       "enabled: false\n"
						       "often: true\n"
						       "overlap: allow\n"
						       "misfire: all\n"
						       "start_deadline: 5m\n"
						       "on_lost: report\n"
						       "on_split: skip\n"
						       "timeout: 1h30m\n"
						       "kill_grace: 0s\n"
						       "output: {max: 2M}\n"
						       "ok_exit: [0, 3, 255]\n");
}

static void the_bytes_do_not_depend_on_the_order_of_setting(void **state)
{
	(void)state;
	static const struct {
		const char *key, *text;
	} keys[] = {
		{"job", "a/b"},    {"cron", "* * * * *"}, {"shell", "x"},
		{"env", "A=1"},    {"env", "B=2"},        {"cwd", "/"},
		{"timeout", "1m"}, {"umask", "0"},        {"owner", "me"},
	};
	uint64_t random = 7;
	struct buf wanted;
	buf_init(&wanted, memory, sizeof(memory));
	definition_begin(&wanted);
	for (size_t i = 0; i < COUNT(keys); i++)
		set(&wanted, keys[i].key, keys[i].text);
	for (size_t round = 0; round < 200; round++) {
		struct buf bytes;
		buf_init(&bytes, other_memory, sizeof(other_memory));
		definition_begin(&bytes);
		/* Some keys are set to something else first, or set and taken away again. */
		for (size_t i = 0; i < 40; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			const char *key = keys[(random >> 33) % COUNT(keys)].key;
			const char *text = keys[(random >> 33) % COUNT(keys)].text;
			if ((random >> 40) % 3 == 0)
				definition_unset(&bytes, key_of(key));
			else
				set(&bytes, key, text);
		}
		definition_unset(&bytes, DEFINITION_KEY_ENV);
		for (size_t i = 0; i < COUNT(keys); i++)
			set(&bytes, keys[(i * 4 + round) % COUNT(keys)].key,
			    keys[(i * 4 + round) % COUNT(keys)].text);
		assert_true(slice_equal(buf_slice(&bytes), buf_slice(&wanted)));
	}
}

static void values_outside_their_bounds_are_refused(void **state)
{
	(void)state;
	static char long_text[DEFINITION_BYTES_MAX + 2];
	memset(long_text, 'x', sizeof(long_text) - 1);
	static const struct {
		const char *key, *text;
		enum err err;
		const char *part;
	} cases[] = {
		{"job", "", ERR_INVALID, "job: the job name is empty"},
		{"job", "a/b/c", ERR_INVALID, "job: "},
		{"description", "a\x1b[m", ERR_INVALID, "description: \"a^[[m\" has a control"},
		{"description", "a\nb", ERR_INVALID, "control"},
		{"description", "\xc2\x9b", ERR_INVALID, "control"},
		{"description", "\x7f", ERR_INVALID, "control"},
		{"description", "\xff", ERR_INVALID, "UTF-8"},
		{"owner", "", ERR_INVALID, "owner: it is empty"},
		{"cron", "", ERR_INVALID, "cron: it is empty"},
		{"cron", "* * * *\n*", ERR_INVALID, "control"},
		{"every", "999ms", ERR_RANGE, "every: 999ms is not between 1s and 36525d"},
		{"every", "36526d", ERR_RANGE, "every: "},
		{"every", "90", ERR_INVALID, "every: \"90\" is not a duration: a unit is missing"},
		{"every", "-1s", ERR_INVALID, "every: "},
		{"every", "0s", ERR_RANGE, "every: 0s is not"},
		{"at", "tomorrow", ERR_INVALID, "at: \"tomorrow\" is not an instant"},
		{"at", "2200-01-01T00:00:00Z", ERR_RANGE, "at: "},
		{"manual", "yes", ERR_INVALID, "manual: \"yes\" is neither true nor false"},
		{"tz", "", ERR_INVALID, "tz: "},
		{"tz", "../etc/passwd", ERR_INVALID, "tz: \"../etc/passwd\" is not a time zone"},
		{"tz", "/etc/localtime", ERR_INVALID, "tz: "},
		{"tz", "Europe/..", ERR_INVALID, "tz: "},
		{"tz", "A B", ERR_INVALID, "tz: "},
		{"shell", "", ERR_INVALID, "shell: it is empty"},
		{"env", "A", ERR_INVALID, "env: \"A\" is not of the form NAME=VALUE"},
		{"env", "=1", ERR_INVALID, "is not the name of a variable"},
		{"env", "1A=1", ERR_INVALID, "is not the name of a variable"},
		{"env", "A-B=1", ERR_INVALID, "is not the name of a variable"},
		{"env", "SCHED_JOB=1", ERR_INVALID, "set by the agent"},
		{"cwd", "tmp", ERR_INVALID, "cwd: \"tmp\" is not an absolute path"},
		{"cwd", "", ERR_INVALID, "cwd: it is empty"},
		{"cwd", "/a\nb", ERR_INVALID, "control"},
		{"umask", "1000", ERR_RANGE, "umask: 1000 is not between 000 and 777"},
		{"umask", "089", ERR_INVALID, "umask: \"089\" is not an octal number"},
		{"umask", "", ERR_INVALID, "umask: "},
		{"umask", "00022", ERR_INVALID, "umask: "},
		{"overlap", "forbidd", ERR_INVALID, "overlap: \"forbidd\" is not one of forbid|allow"},
		{"overlap", "exclusive", ERR_UNSUPPORTED, "overlap: exclusive comes later"},
		{"overlap", "replace", ERR_UNSUPPORTED, "overlap: replace comes later"},
		{"overlap", "queue", ERR_UNSUPPORTED, "overlap: queue comes later"},
		{"misfire", "never", ERR_INVALID, "misfire: "},
		{"on_lost", "retry", ERR_UNSUPPORTED, "on_lost: retry comes later"},
		{"on_split", "run", ERR_UNSUPPORTED, "on_split: run comes later"},
		{"start_deadline", "999ms", ERR_RANGE, "start_deadline: "},
		{"start_deadline", "31d", ERR_RANGE, "start_deadline: 31d is not between 1s and 30d"},
		{"timeout", "0s", ERR_RANGE, "timeout: "},
		{"timeout", "367d", ERR_RANGE, "timeout: "},
		{"kill_grace", "31d", ERR_RANGE, "kill_grace: "},
		{"output.max", "1023", ERR_RANGE, "output.max: "},
		{"output.max", "65M", ERR_RANGE, "output.max: "},
		{"output.max", "18446744073709551615", ERR_RANGE, "output.max: "},
		{"output.max", "big", ERR_INVALID, "output.max: \"big\" is not a size"},
		{"ok_exit", "256", ERR_RANGE, "ok_exit: "},
		{"ok_exit", "", ERR_INVALID, "ok_exit: "},
		{"ok_exit", "0,", ERR_INVALID, "ok_exit: "},
		{"ok_exit", "0,x", ERR_INVALID, "ok_exit: "},
		{"command", "echo a", ERR_INVALID, "command: it is a list of words"},
		{"never_twice", "false", ERR_INVALID, "never_twice: it can only be true"},
		{"never_twice", "maybe", ERR_INVALID, "never_twice: "},
	};
	struct buf bytes = new_definition();
	size_t bytes_before = bytes.bytes;
	memcpy(other_memory, memory, bytes_before);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct problem problem;
		enum err err = definition_set_text(&bytes, key_of(cases[i].key),
						   slice_str(cases[i].text), &problem);
		if (err != cases[i].err || problem.code != err ||
		    strstr(problem.text, cases[i].part) == NULL)
			fail_msg("%s %s: %d \"%s\"", cases[i].key, cases[i].text, err, problem.text);
	}
	static const struct {
		const char *key;
		size_t bytes_max;
	} lengths[] = {
		{"description", DESCRIPTION_BYTES_MAX},
		{"owner", USER_NAME_BYTES_MAX},
		{"cron", CRON_TEXT_BYTES_MAX},
		{"tz", ZONE_NAME_BYTES_MAX},
		{"shell", ENV_BYTES_MAX},
		{"stdin", STDIN_BYTES_MAX},
	};
	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct problem problem;
		struct slice text = slice_of(long_text, lengths[i].bytes_max + 1);
		assert_int_equal(definition_set_text(&bytes, key_of(lengths[i].key), text, &problem),
				 ERR_RANGE);
		assert_int_equal(strncmp(problem.text, lengths[i].key, strlen(lengths[i].key)), 0);
	}
	/* None of them changed anything. */
	assert_int_equal(bytes.bytes, bytes_before);
	assert_memory_equal(memory, other_memory, bytes_before);
	(void)decode(&bytes);
	for (size_t i = 0; i < COUNT(lengths); i++)
		assert_int_equal(definition_set_text(&bytes, key_of(lengths[i].key),
						     slice_of(long_text, lengths[i].bytes_max), NULL),
				 ERR_OK);
}

static void a_job_has_one_schedule_and_one_thing_to_run(void **state)
{
	(void)state;
	struct buf bytes = new_definition();
	set(&bytes, "every", "5s");
	check_refused(&bytes, ERR_INVALID, "every: excludes cron");
	definition_unset(&bytes, DEFINITION_KEY_EVERY);
	set(&bytes, "at", "2025-01-01T00:00:00Z");
	check_refused(&bytes, ERR_INVALID, "at: excludes cron");
	definition_unset(&bytes, DEFINITION_KEY_AT);
	set(&bytes, "manual", "true");
	check_refused(&bytes, ERR_INVALID, "manual: excludes cron");
	set(&bytes, "manual", "false");
	(void)decode(&bytes);
	set(&bytes, "anchor", "2025-01-01T00:00:00Z");
	check_refused(&bytes, ERR_INVALID, "anchor: goes with every");
	definition_unset(&bytes, DEFINITION_KEY_ANCHOR);
	definition_unset(&bytes, DEFINITION_KEY_CRON);
	check_refused(&bytes, ERR_INVALID, "the schedule is missing");
	set(&bytes, "manual", "true");
	assert_true(decode(&bytes).is_manual);
	struct slice words[] = {slice_str("true")};
	assert_int_equal(definition_set_list(&bytes, DEFINITION_KEY_COMMAND, 1, words, NULL), ERR_OK);
	check_refused(&bytes, ERR_INVALID, "shell: excludes command");
	definition_unset(&bytes, DEFINITION_KEY_SHELL);
	(void)decode(&bytes);
	definition_unset(&bytes, DEFINITION_KEY_COMMAND);
	check_refused(&bytes, ERR_INVALID, "what to run is missing");
	set(&bytes, "shell", "true");
	definition_unset(&bytes, DEFINITION_KEY_JOB);
	check_refused(&bytes, ERR_INVALID, "job: the name is missing");
}

static void command_and_environment_share_a_bound(void **state)
{
	(void)state;
	static char value[ENV_BYTES_MAX + 1];
	memset(value, 'v', sizeof(value));
	struct buf bytes = new_definition();
	definition_unset(&bytes, DEFINITION_KEY_SHELL);
	struct slice words[] = {slice_of(value, 20000), slice_of(value, 10000)};
	assert_int_equal(definition_set_list(&bytes, DEFINITION_KEY_COMMAND, 2, words, NULL), ERR_OK);
	(void)decode(&bytes);
	struct slice name = slice_str("NAME");
	/* 20000 + 1 + 10000 + 1 + 4 + 1 + value + 1 */
	size_t left = ENV_BYTES_MAX - 30008;
	assert_int_equal(definition_set_variable(&bytes, name, slice_of(value, left), NULL), ERR_OK);
	(void)decode(&bytes);
	assert_int_equal(definition_set_variable(&bytes, name, slice_of(value, left + 1), NULL), ERR_OK);
	check_refused(&bytes, ERR_RANGE, "command and env: together 32769 bytes are above 32768");
}

static void lists_and_maps_keep_to_their_counts(void **state)
{
	(void)state;
	struct slice words[COMMAND_ARGS_MAX + 1];
	for (size_t i = 0; i < COUNT(words); i++)
		words[i] = slice_str("w");
	struct problem problem;
	struct buf bytes = new_definition();
	assert_int_equal(definition_set_list(&bytes, DEFINITION_KEY_COMMAND, 0, words, &problem),
			 ERR_INVALID);
	assert_string_equal(problem.text, "command: it is empty");
	assert_int_equal(definition_set_list(&bytes, DEFINITION_KEY_COMMAND, COMMAND_ARGS_MAX + 1,
					     words, &problem),
			 ERR_RANGE);
	assert_int_equal(
		definition_set_list(&bytes, DEFINITION_KEY_COMMAND, COMMAND_ARGS_MAX, words, NULL),
		ERR_OK);
	words[0] = slice_str("");
	assert_int_equal(definition_set_list(&bytes, DEFINITION_KEY_COMMAND, 2, words, &problem),
			 ERR_INVALID);
	assert_string_equal(problem.text, "command: the program's name is empty");
	words[0] = slice_str("a\xff");
	assert_int_equal(definition_set_list(&bytes, DEFINITION_KEY_COMMAND, 2, words, &problem),
			 ERR_INVALID);
	words[0] = slice_of("a\0b", 3);
	assert_int_equal(definition_set_list(&bytes, DEFINITION_KEY_COMMAND, 2, words, &problem),
			 ERR_INVALID);
	assert_int_equal(definition_set_list(&bytes, DEFINITION_KEY_CRON, 2, words, &problem),
			 ERR_INVALID);
	assert_string_equal(problem.text, "cron: it is not a list");
	struct slice codes[] = {slice_str("9"), slice_str("1"), slice_str("9")};
	assert_int_equal(definition_set_list(&bytes, DEFINITION_KEY_OK_EXIT, 3, codes, &problem),
			 ERR_OK);
	for (int i = 0; i < (int)ENV_ENTRIES_MAX; i++) {
		char name[16];
		(void)snprintf(name, sizeof(name), "V%d", i * 37 % (int)ENV_ENTRIES_MAX);
		assert_int_equal(definition_set_variable(&bytes, slice_str(name), slice_str(""), NULL),
				 ERR_OK);
	}
	assert_int_equal(definition_set_variable(&bytes, slice_str("ONE_MORE"), slice_str(""), &problem),
			 ERR_RANGE);
	assert_string_equal(problem.text, "env: 257 entries are above 256");
	definition_unset(&bytes, DEFINITION_KEY_SHELL);
	struct definition definition = decode(&bytes);
	assert_false(definition_exit_is_ok(&definition, 0));
	assert_true(definition_exit_is_ok(&definition, 1) && definition_exit_is_ok(&definition, 9));
}

static void a_definition_that_gets_too_large_stays_as_it_was(void **state)
{
	(void)state;
	static char text[STDIN_BYTES_MAX];
	memset(text, 's', sizeof(text));
	struct buf bytes = new_definition();
	assert_int_equal(definition_set_text(&bytes, DEFINITION_KEY_STDIN,
					     slice_of(text, sizeof(text)), NULL),
			 ERR_OK);
	assert_int_equal(definition_set_text(&bytes, DEFINITION_KEY_SHELL,
					     slice_of(text, ENV_BYTES_MAX), NULL),
			 ERR_OK);
	check_refused(&bytes, ERR_RANGE, "a definition of 65");
	size_t bytes_before = bytes.bytes;
	struct problem problem;
	assert_int_equal(definition_set_text(&bytes, DEFINITION_KEY_STDIN,
					     slice_of(text, sizeof(text)), &problem),
			 ERR_RANGE);
	assert_string_equal(problem.text, "stdin: the definition gets larger than 65536 bytes");
	assert_int_equal(bytes.bytes, bytes_before);
	assert_false(bytes.has_overflowed);
	set(&bytes, "shell", "x");
	(void)decode(&bytes);
}

static void keys_of_later_versions_say_so(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum err err;
		const char *text, *hint;
	} cases[] = {
		{"user", ERR_UNSUPPORTED, "user: comes later: jobs run as the runner's own user", ""},
		{"fan-out", ERR_UNSUPPORTED, "fan_out: comes later", ""},
		{"jitter", ERR_UNSUPPORTED, "jitter: comes later", ""},
		{"corn", ERR_INVALID, "there is no key \"corn\"", "did you mean cron?"},
		{"comand", ERR_INVALID, "there is no key \"comand\"", "did you mean command?"},
		{"startdeadline", ERR_INVALID, "there is no key", "did you mean start_deadline?"},
		{"zzzzz", ERR_INVALID, "there is no key \"zzzzz\"", ""},
		{"", ERR_INVALID, "there is no key \"\"", ""},
		{"\x1b[m", ERR_INVALID, "there is no key \"^[[m\"", ""},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct problem problem;
		assert_int_equal(definition_key_find(slice_str(cases[i].name)), DEFINITION_KEY_COUNT);
		assert_int_equal(definition_key_refuse(slice_str(cases[i].name), &problem),
				 cases[i].err);
		assert_non_null(strstr(problem.text, cases[i].text));
		assert_string_equal(problem.hint, cases[i].hint);
	}
	assert_int_equal(definition_key_find(slice_str("start-deadline")),
			 DEFINITION_KEY_START_DEADLINE);
	assert_int_equal(definition_key_find(slice_str("output-max")), DEFINITION_KEY_OUTPUT_MAX);
}

/* Bytes that no builder makes. */
static void stored_bytes_of_another_form_are_refused(void **state)
{
	(void)state;
	struct buf bytes = new_definition();
	for (size_t cut = 0; cut < bytes.bytes; cut++) {
		struct buf part = bytes;
		part.bytes = cut;
		check_refused(&part, ERR_TRUNCATED, "a definition is");
	}
	buf_put_u8(&bytes, 1);
	check_refused(&bytes, ERR_INVALID, "a definition is one map");

	static const struct {
		const char *first, *second, *text;
	} pairs[] = {
		{"cron", "job", "job: stands twice, or not in its place"},
		{"job", "job", "job: stands twice, or not in its place"},
		{"job", "start-deadline", "start_deadline: stands twice, or not in its place"},
		{"job", "never_twice", "never_twice: it stands for other keys"},
		{"job", "user", "user: comes later"},
		{"job", "nonsense", "there is no key \"nonsense\""},
	};
	for (size_t i = 0; i < COUNT(pairs); i++) {
		buf_clear(&bytes);
		wire_put_map(&bytes, 2);
		wire_put_text(&bytes, pairs[i].first);
		wire_put_text(&bytes, "a/b");
		wire_put_text(&bytes, pairs[i].second);
		wire_put_text(&bytes, "a/b");
		struct problem problem;
		struct definition definition;
		assert_int_not_equal(definition_decode(buf_slice(&bytes), &definition, &problem),
				     ERR_OK);
		assert_non_null(strstr(problem.text, pairs[i].text));
	}
	buf_clear(&bytes);
	wire_put_map(&bytes, 1);
	wire_put_text(&bytes, "job");
	wire_put_text(&bytes, "b");
	check_refused(&bytes, ERR_INVALID, "job: it is stored without its group");
	buf_clear(&bytes);
	wire_put_array(&bytes, 0);
	check_refused(&bytes, ERR_INVALID, "a definition is one map");
	buf_clear(&bytes);
	wire_put_map(&bytes, 1);
	wire_put_u64(&bytes, 1);
	wire_put_u64(&bytes, 1);
	check_refused(&bytes, ERR_INVALID, "a definition is");
}

static void encoded_values_of_the_wrong_type_are_refused(void **state)
{
	(void)state;
	uint8_t value_memory[64];
	struct buf value;
	struct problem problem;
	for (unsigned i = 0; i < DEFINITION_KEY_COUNT; i++) {
		buf_init(&value, value_memory, sizeof(value_memory));
		wire_put_nil(&value);
		assert_int_equal(definition_value_check((enum definition_key_id)i,
							buf_slice(&value), &problem),
				 ERR_INVALID);
		const char *name = definition_key_at((enum definition_key_id)i)->name;
		assert_int_equal(strncmp(problem.text, name, strlen(name)), 0);
	}
	buf_clear(&value);
	wire_put_array(&value, 2);
	wire_put_u64(&value, 3);
	wire_put_u64(&value, 3);
	assert_int_equal(definition_value_check(DEFINITION_KEY_OK_EXIT, buf_slice(&value), &problem),
			 ERR_INVALID);
	assert_int_equal(definition_value_check(DEFINITION_KEY_COMMAND, buf_slice(&value), &problem),
			 ERR_INVALID);
	buf_clear(&value);
	wire_put_array(&value, 1);
	wire_put_u64(&value, 256);
	assert_int_equal(definition_value_check(DEFINITION_KEY_OK_EXIT, buf_slice(&value), &problem),
			 ERR_RANGE);
	buf_clear(&value);
	wire_put_map(&value, 2);
	wire_put_text(&value, "B");
	wire_put_text(&value, "");
	wire_put_text(&value, "A");
	wire_put_text(&value, "");
	assert_int_equal(definition_value_check(DEFINITION_KEY_ENV, buf_slice(&value), &problem),
			 ERR_INVALID);
	assert_string_equal(problem.text, "env: the names are not in ascending order");
	buf_clear(&value);
	wire_put_map(&value, 1);
	wire_put_text(&value, "B");
	wire_put_u64(&value, 1);
	assert_int_equal(definition_value_check(DEFINITION_KEY_ENV, buf_slice(&value), &problem),
			 ERR_INVALID);
	buf_clear(&value);
	wire_put_bool(&value, true);
	wire_put_bool(&value, true);
	assert_int_equal(definition_value_check(DEFINITION_KEY_OFTEN, buf_slice(&value), &problem),
			 ERR_INVALID);
	buf_clear(&value);
	wire_put_i64(&value, -1);
	assert_int_equal(definition_value_check(DEFINITION_KEY_ANCHOR, buf_slice(&value), &problem),
			 ERR_RANGE);
	buf_clear(&value);
	wire_put_u64(&value, UINT64_MAX);
	assert_int_equal(definition_value_check(DEFINITION_KEY_UMASK, buf_slice(&value), &problem),
			 ERR_RANGE);
}

static void values_are_taken_over_from_another_definition(void **state)
{
	(void)state;
	struct buf old = new_definition();
	set(&old, "timeout", "5m");
	struct slice value;
	assert_false(definition_find(buf_slice(&old), DEFINITION_KEY_ANCHOR, &value));
	assert_true(definition_find(buf_slice(&old), DEFINITION_KEY_TIMEOUT, &value));
	struct buf bytes;
	buf_init(&bytes, other_memory, sizeof(other_memory));
	definition_begin(&bytes);
	assert_int_equal(definition_set_value(&bytes, DEFINITION_KEY_TIMEOUT, value, NULL), ERR_OK);
	assert_int_equal(definition_set_value(&bytes, DEFINITION_KEY_SHELL, value, NULL), ERR_INVALID);
	assert_int_equal(definition_set_value(&bytes, DEFINITION_KEY_SHELL, slice_of("", 0), NULL),
			 ERR_INVALID);
	set(&bytes, "job", "a/b");
	set(&bytes, "every", "5s");
	set(&bytes, "shell", "x");
	assert_int_equal(definition_set_number(&bytes, DEFINITION_KEY_ANCHOR, 5000, NULL), ERR_OK);
	struct definition definition = decode(&bytes);
	assert_int_equal(definition.timeout_ms, 300000);
	assert_int_equal(definition.anchor_ms, 5000);
	/* Taking away what is not there changes nothing. */
	size_t bytes_before = bytes.bytes;
	definition_unset(&bytes, DEFINITION_KEY_CWD);
	assert_int_equal(bytes.bytes, bytes_before);
}

static void the_schedule_is_shown_in_short(void **state)
{
	(void)state;
	char text[DEFINITION_SCHEDULE_BYTES];
	struct buf bytes = new_definition();
	struct definition definition = decode(&bytes);
	definition_format_schedule(&definition, text);
	assert_string_equal(text, "0 3 * * *");
	definition_unset(&bytes, DEFINITION_KEY_CRON);
	set(&bytes, "every", "90s");
	definition = decode(&bytes);
	definition_format_schedule(&definition, text);
	assert_string_equal(text, "@every 1m30s");
	definition_unset(&bytes, DEFINITION_KEY_EVERY);
	set(&bytes, "at", "2026-01-01T00:00:00Z");
	definition = decode(&bytes);
	definition_format_schedule(&definition, text);
	assert_string_equal(text, "@at 2026-01-01T00:00:00Z");
	definition_unset(&bytes, DEFINITION_KEY_AT);
	set(&bytes, "manual", "true");
	definition = decode(&bytes);
	definition_format_schedule(&definition, text);
	assert_string_equal(text, "@manual");
	static char longest[CRON_TEXT_BYTES_MAX];
	memset(longest, '*', sizeof(longest));
	definition_unset(&bytes, DEFINITION_KEY_MANUAL);
	assert_int_equal(definition_set_text(&bytes, DEFINITION_KEY_CRON,
					     slice_of(longest, sizeof(longest)), NULL),
			 ERR_OK);
	definition = decode(&bytes);
	definition_format_schedule(&definition, text);
	assert_int_equal(strlen(text), CRON_TEXT_BYTES_MAX);
}

/* ---- documents ---- */

struct document_result {
	struct buf *definition;
	enum err err;
	char path[DEFINITION_KEY_PATH_BYTES];
	struct problem problem;
};

static enum err on_document(void *context, const struct yaml_document *document, struct problem *problem)
{
	(void)problem;
	struct document_result *result = context;
	result->err = definition_from_document(document->map, result->definition, result->path,
					       &result->problem);
	return ERR_OK;
}

static struct document_result read_document(const char *text, size_t bytes, struct buf *definition)
{
	struct document_result result = {.definition = definition, .err = ERR_NOT_FOUND};
	struct problem problem;
	if (yaml_parse(slice_of(text, bytes), "test", on_document, &result, &problem) != ERR_OK)
		fail_msg("%s", problem.text);
	return result;
}

static void what_is_shown_is_read_again_to_the_same_bytes(void **state)
{
	(void)state;
	struct buf bytes = new_definition();
	set(&bytes, "job", "null");
	set(&bytes, "description",
	    "a: b # \"c\" \\ 'd' \xe2\x80\xae \xef\xbb\xbf \xf0\x9f\x98\x80 caf\xc3\xa9");
	set(&bytes, "owner", "null");
	set(&bytes, "shell", "\x01\x1b\n\t\r\x7f\xc2\x85 \xe2\x80\xa8 %d {}[]*&!|>'\"");
	set(&bytes, "env", "NULL=null");
	set(&bytes, "env", "_X_=~");
	set(&bytes, "env", "EMPTY=");
	set(&bytes, "env", "SPACES=  a  ");
	set(&bytes, "env", "NUMBER=007");
	set(&bytes, "env", "no=yes");
	set(&bytes, "ok_exit", "0,1,2");
	set(&bytes, "output.max", "1025");
	set(&bytes, "umask", "7");
	set(&bytes, "cwd", "/a b/c");
	set(&bytes, "start_deadline", "1h30m");

	static uint8_t text_memory[65536];
	struct buf text;
	buf_init(&text, text_memory, sizeof(text_memory));
	definition_put_yaml(&text, buf_slice(&bytes));
	assert_false(text.has_overflowed);
	struct buf again;
	buf_init(&again, other_memory, sizeof(other_memory));
	struct document_result result = read_document((const char *)text.data, text.bytes, &again);
	if (result.err != ERR_OK)
		fail_msg("%s: %s", result.path, result.problem.text);
	assert_true(slice_equal(buf_slice(&bytes), buf_slice(&again)));
	/* Nothing in it can move a cursor or turn the direction of writing. */
	for (struct slice rest = buf_slice(&text); rest.bytes > 0;) {
		uint32_t code_point = text_next_code_point(&rest);
		assert_true(code_point == '\n' || text_cells_of(code_point) >= 0);
		assert_false(text_is_reordering(code_point));
	}
}

static void a_fault_in_a_document_has_its_place(void **state)
{
	(void)state;
	static const struct {
		const char *yaml;
		enum err err;
		const char *path, *text;
	} cases[] = {
		{"job: a\ncorn: 1", ERR_INVALID, "corn", "there is no key \"corn\""},
		{"job: a\nuser: bob", ERR_UNSUPPORTED, "user", "user: comes later"},
		{"job: a\nretry: {max: 3}", ERR_UNSUPPORTED, "retry", "retry: comes later"},
		{"job: a\nenv: {A: 1, 1B: 2}", ERR_INVALID, "env.1B", "env: \"1B\" is not the name"},
		{"job: a\nenv: {A: [1]}", ERR_INVALID, "env.A", "env.A: text is expected"},
		{"job: a\nenv: {A: }", ERR_INVALID, "env.A", "env.A: the value is missing"},
		{"job: a\nenv: A=1", ERR_INVALID, "env", "env: a map of names and texts is expected"},
		{"job: a\ncommand: [a, [b]]", ERR_INVALID, "command[1]", "command[1]: text is expected"},
		{"job: a\ncommand: [a, ~]", ERR_INVALID, "command[1]", "command[1]: the value is missing"},
		{"job: a\ncommand: {a: b}", ERR_INVALID, "command",
		 "command: a list of words is expected"},
		{"job: a\ncommand: a", ERR_INVALID, "command", "command: it is a list of words"},
		{"job: a\ncommand: []", ERR_INVALID, "command", "command: it is empty"},
		{"job: a\ncron:", ERR_INVALID, "cron", "cron: the value is missing"},
		{"job: a\ncron: [1]", ERR_INVALID, "cron", "cron: one text is expected"},
		{"job: a\nok_exit: [0, 300]", ERR_RANGE, "ok_exit",
		 "ok_exit: \"300\" is not between 0 and 255"},
		{"job: a\noutput: 1M", ERR_INVALID, "output", "output: a map is expected"},
		{"job: a\noutput: {mux: 1M}", ERR_INVALID, "output.mux", "there is no key \"output.mux\""},
		{"job: a\noutput: {max: 1}", ERR_RANGE, "output.max", "output.max: 1 is not between"},
		{"job: a\noutput: {max: 1M}\noutput-max: 2M", ERR_INVALID, "output-max",
		 "output-max: it is given twice"},
		{"job: a\nstart-deadline: 1h\nstart_deadline: 2h", ERR_INVALID, "start_deadline",
		 "given twice"},
		{"job: a\nmanual: true", ERR_INVALID, "", "what to run is missing"},
		{"cron: 1\nshell: x", ERR_INVALID, "", "job: the name is missing"},
		{"job: a b\nshell: x", ERR_INVALID, "job", "job: the job name \"a b\""},
		{"{}", ERR_INVALID, "", "job: the name is missing"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf bytes;
		buf_init(&bytes, other_memory, sizeof(other_memory));
		struct document_result result = read_document(cases[i].yaml, strlen(cases[i].yaml),
							      &bytes);
		if (result.err != cases[i].err || strcmp(result.path, cases[i].path) != 0 ||
		    strstr(result.problem.text, cases[i].text) == NULL)
			fail_msg("%s: %d at \"%s\": %s", cases[i].yaml, result.err, result.path,
				 result.problem.text);
	}
	struct buf bytes;
	buf_init(&bytes, other_memory, sizeof(other_memory));
	char path[DEFINITION_KEY_PATH_BYTES];
	assert_int_equal(definition_from_document(slice_of("\x90", 1), &bytes, path, NULL), ERR_INVALID);
	assert_int_equal(definition_from_document(slice_of("", 0), &bytes, path, NULL), ERR_INVALID);
	assert_int_equal(definition_from_document(slice_of("\x81\xa1"
							   "a",
							   3),
						  &bytes, path, NULL),
			 ERR_TRUNCATED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_not_set_has_its_default, "what is not set has its default"),
		CASE(the_fallbacks_of_the_table_are_the_decoders,
		     "the fallbacks of the table are the decoder's"),
		CASE(every_key_comes_back, "every key comes back, and is shown"),
		CASE(the_bytes_do_not_depend_on_the_order_of_setting,
		     "the bytes do not depend on the order of setting"),
		CASE(values_outside_their_bounds_are_refused,
		     "values outside their bounds are refused and change nothing"),
		CASE(a_job_has_one_schedule_and_one_thing_to_run,
		     "a job has one schedule and one thing to run"),
		CASE(command_and_environment_share_a_bound, "command and environment share a bound"),
		CASE(lists_and_maps_keep_to_their_counts, "lists and maps keep to their counts"),
		CASE(a_definition_that_gets_too_large_stays_as_it_was,
		     "a definition that gets too large stays as it was"),
		CASE(keys_of_later_versions_say_so,
		     "keys of later versions say so, mistyped ones name their neighbour"),
		CASE(stored_bytes_of_another_form_are_refused, "stored bytes of another form are refused"),
		CASE(encoded_values_of_the_wrong_type_are_refused,
		     "encoded values of the wrong type are refused"),
		CASE(values_are_taken_over_from_another_definition,
		     "values are taken over from another definition"),
		CASE(the_schedule_is_shown_in_short, "the schedule is shown in short"),
		CASE(what_is_shown_is_read_again_to_the_same_bytes,
		     "what is shown is read again to the same bytes"),
		CASE(a_fault_in_a_document_has_its_place, "a fault in a document has its place"),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
