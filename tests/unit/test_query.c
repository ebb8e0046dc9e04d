/* What people ask, at whole nodes: every verb, from a voter and from another agent, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/text.h"
#include "tests/lib/node_world.h"

#define EVERY_SECOND "* * * * * *"
#define EVERY_MINUTE "* * * * *"

/* ---- arguments ---- */

struct arguments {
	uint8_t memory[2048];
	struct buf buf;
	struct wire_map map;
};

static void begin(struct arguments *arguments)
{
	buf_init(&arguments->buf, arguments->memory, sizeof(arguments->memory));
	arguments->map = wire_map_begin(&arguments->buf);
}

static struct slice end(struct arguments *arguments)
{
	wire_map_end(&arguments->map, &arguments->buf);
	assert_false(arguments->buf.has_overflowed);
	return buf_slice(&arguments->buf);
}

static struct slice one_text(struct arguments *arguments, const char *key, const char *value)
{
	begin(arguments);
	wire_map_text(&arguments->map, &arguments->buf, key, value);
	return end(arguments);
}

static struct slice two_texts(struct arguments *arguments, const char *key, const char *value,
			      const char *other_key, const char *other)
{
	begin(arguments);
	wire_map_text(&arguments->map, &arguments->buf, key, value);
	wire_map_text(&arguments->map, &arguments->buf, other_key, other);
	return end(arguments);
}

static const struct slice none = {NULL, 0};

static void assert_text(struct slice map, const char *key, const char *text)
{
	struct slice value = wire_map_find_str(map, key);
	char held[256];
	text_copy_slice(held, sizeof(held), value);
	assert_string_equal(held, text);
}

static void assert_error(const struct reply *reply, const char *code, int exit_code, const char *part)
{
	char message[512];
	assert_int_equal(reply->kind, REPLY_ERROR);
	assert_text(reply->body, "code", code);
	assert_int_equal(wire_map_find_i64(reply->body, "exit", -1), exit_code);
	text_copy_slice(message, sizeof(message), wire_map_find_str(reply->body, "message"));
	if (strstr(message, part) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part, message);
}

static void get_text(struct slice map, const char *key, char *ret_text, size_t text_bytes)
{
	text_copy_slice(ret_text, text_bytes, wire_map_find_str(map, key));
}

/* ---- the world of most tests: three nodes, the first votes; asked at the second ---- */

static int open_three(void **state)
{
	*state = world_open(3, 1);
	return 0;
}

static int open_voters(void **state)
{
	*state = world_open(3, 3);
	return 0;
}

static int close_world(void **state)
{
	world_close(*state);
	return 0;
}

/* ---- form ---- */

static void frames_of_no_form_are_refused_and_the_client_goes_on(void **state)
{
	struct world *world = *state;
	const uint8_t frames[][4] = {{0xc1}, {0x90}, {0x94, 1, 7, 0xa0}, {0x93, 1, 7, 0x80}};
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++)
		world_ask_raw(world, 0, 5, slice_of(frames[i], sizeof(frames[i])));
	world_ask_raw(world, 0, 5, none);
	assert_int_equal(
		world_reply_count(world, 0, REPLY_ERROR) + world_reply_count(world, 7, REPLY_ERROR), 5);
	assert_int_equal(world_call(world, 0, "hello", none, NULL)->kind, REPLY_END);
}

static void an_unknown_verb_names_the_nearest(void **state)
{
	struct world *world = *state;
	const struct reply *reply = world_call(world, 1, "job.lss", none, NULL);
	assert_error(reply, "unsupported", 2, "job.lss");
	assert_text(reply->body, "hint", "did you mean job.ls?");
}

static void verbs_among_agents_are_not_for_clients(void **state)
{
	assert_error(world_call(*state, 1, "at.kill", none, NULL), "unsupported", 2, "at.kill");
}

static void hello_says_who_answers_and_who_asks(void **state)
{
	const struct reply *reply = world_call(*state, 1, "hello", none, NULL);
	assert_int_equal(reply->kind, REPLY_END);
	assert_text(reply->body, "node", "n2");
	assert_text(reply->body, "user", "ann");
}

static void arguments_of_the_wrong_type_are_named(void **state)
{
	struct world *world = *state;
	struct arguments arguments;
	begin(&arguments);
	wire_map_i64(&arguments.map, &arguments.buf, "name", 5);
	assert_error(world_call(world, 1, "job.show", end(&arguments), NULL), "invalid", 2, "name");
	assert_error(world_call(world, 1, "job.show", none, NULL), "invalid", 2, "name");
	assert_error(world_call(world, 1, "job.show", one_text(&arguments, "name", "a/b/c"), NULL),
		     "invalid", 2, "name: ");
	begin(&arguments);
	wire_map_i64(&arguments.map, &arguments.buf, "limit", 0);
	assert_error(world_call(world, 1, "runs", end(&arguments), NULL), "range", 2, "limit");
	assert_error(world_call(world, 1, "runs", one_text(&arguments, "after", "xyz"), NULL),
		     "invalid", 2, "after");
	assert_error(world_call(world, 1, "runs", one_text(&arguments, "node", "n9"), NULL),
		     "not_found", 3, "n9");
	assert_error(world_call(world, 1, "job.put", none, NULL), "invalid", 2, "definition");
	begin(&arguments);
	wire_map_text(&arguments.map, &arguments.buf, "run", "deadbeef");
	wire_map_text(&arguments.map, &arguments.buf, "follow", "yes");
	assert_error(world_call(world, 0, "logs", end(&arguments), NULL), "not_found", 3, "deadbeef");
	assert_error(world_call(world, 0, "logs", none, NULL), "invalid", 2, "which run");
}

/* ---- jobs ---- */

static void every_agent_lists_a_job_that_was_put_at_any(void **state)
{
	struct world *world = *state;
	world_put_job(world, 2, "web/report", EVERY_MINUTE);
	for (uint32_t i = 0; i < 3; i++) {
		uint64_t sequence;
		const struct reply *reply = world_call(world, i, "job.ls", none, &sequence);
		assert_int_equal(reply->kind, REPLY_END);
		assert_true(wire_map_find_bool(reply->body, "complete", false));
		assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), 1);
		struct slice row = world_reply(world, sequence, REPLY_ROW, 0)->body;
		assert_text(row, "name", "web/report");
		assert_text(row, "state", "idle");
		assert_text(row, "schedule", EVERY_MINUTE);
		assert_text(row, "command", "true");
	}
}

static void job_ls_filters_by_name_group_and_state(void **state)
{
	struct world *world = *state;
	struct arguments arguments;
	uint64_t sequence;
	world_put_job(world, 0, "web/report", EVERY_MINUTE);
	world_put_job(world, 0, "web/sync", EVERY_MINUTE);
	world_put_job(world, 0, "default/sync", "@manual");
	(void)world_call(world, 1, "job.pause", one_text(&arguments, "name", "web/sync"), NULL);
	(void)world_call(world, 1, "job.ls", one_text(&arguments, "name", "*sync"), &sequence);
	assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), 2);
	(void)world_call(world, 1, "job.ls", one_text(&arguments, "group", "web"), &sequence);
	assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), 2);
	(void)world_call(world, 1, "job.ls", one_text(&arguments, "state", "paused"), &sequence);
	assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), 1);
	assert_text(world_reply(world, sequence, REPLY_ROW, 0)->body, "name", "web/sync");
	(void)world_call(world, 1, "job.ls",
			 two_texts(&arguments, "name", "s?nc", "state", "idle,running"), &sequence);
	assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), 1);
	assert_text(world_reply(world, sequence, REPLY_ROW, 0)->body, "name", "sync");
}

static void pages_of_jobs_bring_each_once(void **state)
{
	struct world *world = *state;
	char name[] = "default/job-a";
	for (int i = 0; i < 7; i++) {
		name[sizeof(name) - 2] = (char)('a' + i);
		world_put_job(world, 0, name, EVERY_MINUTE);
	}
	char token[256] = "";
	uint32_t row_count = 0;
	for (int page = 0; page < 10; page++) {
		struct arguments arguments;
		uint64_t sequence;
		begin(&arguments);
		wire_map_i64(&arguments.map, &arguments.buf, "limit", 3);
		if (token[0] != '\0')
			wire_map_text(&arguments.map, &arguments.buf, "after", token);
		const struct reply *reply = world_call(world, 1, "job.ls", end(&arguments), &sequence);
		row_count += world_reply_count(world, sequence, REPLY_ROW);
		assert_int_equal(wire_map_find_i64(reply->body, "total", -1), 7);
		get_text(reply->body, "next", token, sizeof(token));
		if (token[0] == '\0')
			break;
	}
	assert_int_equal(row_count, 7);
	assert_string_equal(token, "");
}

static void job_show_tells_set_next_and_definition(void **state)
{
	struct world *world = *state;
	struct arguments arguments;
	struct wire_reader reader;
	world_put_job(world, 1, "default/tick", EVERY_MINUTE);
	const struct reply *reply = world_call(world, 2, "job.show",
					       one_text(&arguments, "name", "tick"), NULL);
	assert_int_equal(reply->kind, REPLY_END);
	assert_text(reply->body, "name", "tick");
	assert_text(reply->body, "by", "ann");
	assert_text(reply->body, "proposer", "n1");
	assert_true(wire_map_find(reply->body, "next", &reader));
	assert_int_equal(wire_get_array(&reader, 10), 3);
	assert_int_equal(wire_get_i64(&reader) % 60000, 0);
	assert_true(wire_map_find(reply->body, "definition", &reader));
	assert_int_equal(wire_peek(&reader), WIRE_BIN);
	assert_error(world_call(world, 2, "job.show", one_text(&arguments, "name", "tock"), NULL),
		     "not_found", 3, "tock");
}

static void a_checked_definition_changes_nothing(void **state)
{
	struct world *world = *state;
	uint8_t memory[512];
	struct buf definition;
	struct arguments arguments;
	uint64_t sequence;
	buf_init(&definition, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&definition);
	wire_map_text(&map, &definition, "job", "default/tick");
	wire_map_text(&map, &definition, "cron", EVERY_MINUTE);
	wire_map_text(&map, &definition, "shell", "true");
	wire_map_end(&map, &definition);
	begin(&arguments);
	wire_map_text(&arguments.map, &arguments.buf, "mode", "check");
	wire_map_key(&arguments.map, &arguments.buf, "definition");
	wire_put_bin(&arguments.buf, definition.data, definition.bytes);
	const struct reply *reply = world_call(world, 2, "job.put", end(&arguments), NULL);
	assert_int_equal(reply->kind, REPLY_END);
	assert_text(reply->body, "words", "every minute");
	(void)world_call(world, 0, "job.ls", none, &sequence);
	assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), 0);
}

static void a_removed_job_is_not_listed(void **state)
{
	struct world *world = *state;
	struct arguments arguments;
	uint64_t sequence;
	world_put_job(world, 0, "default/tick", EVERY_MINUTE);
	assert_int_equal(world_call(world, 1, "job.rm", one_text(&arguments, "name", "tick"), NULL)->kind,
			 REPLY_END);
	(void)world_call(world, 2, "job.ls", none, &sequence);
	assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), 0);
	assert_error(world_call(world, 1, "job.rm", one_text(&arguments, "name", "tick"), NULL),
		     "not_found", 3, "tick");
}

/* ---- runs ---- */

static void run_and_wait_answers_with_the_verdict(void **state)
{
	struct world *world = *state;
	struct arguments arguments;
	uint64_t sequence;
	world_put_job(world, 0, "default/tick", "@manual");
	world_set_run(world, 3000, 3);
	begin(&arguments);
	wire_map_text(&arguments.map, &arguments.buf, "name", "tick");
	wire_map_bool(&arguments.map, &arguments.buf, "wait", true);
	const struct reply *reply = world_call(world, 2, "run", end(&arguments), &sequence);
	assert_int_equal(reply->kind, REPLY_END);
	assert_text(reply->body, "verdict", "failed");
	assert_text(reply->body, "reason", "3");
	assert_int_equal(wire_map_find_i64(reply->body, "exit", -1), 3);
	assert_int_equal(wire_map_find_i64(reply->body, "dur_ms", -1), 3000);
	assert_int_equal(world_reply_count(world, sequence, REPLY_PROGRESS), 1);
}

static void the_same_request_id_is_one_run(void **state)
{
	struct world *world = *state;
	struct arguments arguments;
	char first[RUN_NAME_BYTES_MAX + 1], second[RUN_NAME_BYTES_MAX + 1];
	uint64_t sequence;
	world_put_job(world, 0, "default/tick", "@manual");
	struct slice asked = two_texts(&arguments, "name", "tick", "id", "deploy 7");
	get_text(world_call(world, 1, "run", asked, NULL)->body, "run", first, sizeof(first));
	world_advance_ms(world, 2000);
	get_text(world_call(world, 2, "run", asked, NULL)->body, "run", second, sizeof(second));
	assert_string_equal(first, second);
	(void)world_call(world, 1, "runs", none, &sequence);
	assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), 1);
}

static void a_request_repeated_while_its_run_goes_on_is_that_run(void **state)
{
	static const char *const names[] = {"default/a", "default/b", "default/c", "default/d", "default/e", "default/f"};
	struct world *world = *state;
	struct arguments arguments;
	char first[RUN_NAME_BYTES_MAX + 1], second[RUN_NAME_BYTES_MAX + 1];
	world_set_run(world, 30000, 0);
	/* Of several jobs: on some node that is not the proposer, which has not told of its run yet. */
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		world_put_job(world, 0, names[i], "@manual");
		struct slice asked = two_texts(&arguments, "name", names[i], "id", "deploy 7");
		get_text(world_call(world, 0, "run", asked, NULL)->body, "run", first, sizeof(first));
		get_text(world_call(world, 0, "run", asked, NULL)->body, "run", second, sizeof(second));
		assert_string_equal(first, second);
	}
}

static void wait_knows_full_names_and_short_ids_and_times_out(void **state)
{
	struct world *world = *state;
	struct arguments arguments;
	char name[RUN_NAME_BYTES_MAX + 1], run_short[16];
	world_put_job(world, 0, "default/tick", "@manual");
	world_set_run(world, 5000, 0);
	const struct reply *run = world_call(world, 1, "run", one_text(&arguments, "name", "tick"),
					     NULL);
	get_text(run->body, "run", name, sizeof(name));
	get_text(run->body, "short", run_short, sizeof(run_short));
	begin(&arguments);
	wire_map_text(&arguments.map, &arguments.buf, "run", run_short);
	wire_map_i64(&arguments.map, &arguments.buf, "timeout_ms", 1000);
	assert_error(world_call(world, 2, "wait", end(&arguments), NULL), "timeout", 7, "not over");
	const struct reply *reply = world_call(world, 2, "wait", one_text(&arguments, "run", name),
					       NULL);
	assert_text(reply->body, "verdict", "ran-ok");
	/* Over already: at once. */
	reply = world_call(world, 1, "wait", one_text(&arguments, "run", run_short), NULL);
	assert_text(reply->body, "verdict", "ran-ok");
	/* A fire's name, without shard and attempt, will do. */
	*strrchr(name, '/') = '\0';
	assert_text(world_call(world, 1, "wait", one_text(&arguments, "run", name), NULL)->body,
		    "verdict", "ran-ok");
	assert_error(world_call(world, 1, "wait", one_text(&arguments, "run", "tick@yesterday"), NULL),
		     "invalid", 2, "JOB@TIME");
	assert_error(world_call(world, 1, "wait", one_text(&arguments, "run", "nonsense!"), NULL),
		     "invalid", 2, "short id");
}

static void runs_come_newest_first_and_page_without_gap_or_repeat(void **state)
{
	struct world *world = *state;
	world_put_job(world, 0, "default/tick", EVERY_SECOND);
	world_advance_ms(world, 20000);
	char token[256] = "";
	int64_t before_ms = INT64_MAX;
	uint32_t row_count = 0;
	for (int page = 0; page < 20; page++) {
		struct arguments arguments;
		uint64_t sequence;
		begin(&arguments);
		wire_map_i64(&arguments.map, &arguments.buf, "limit", 4);
		wire_map_i64(&arguments.map, &arguments.buf, "until_at", WORLD_UTC_START_MS + 24000);
		if (token[0] != '\0')
			wire_map_text(&arguments.map, &arguments.buf, "after", token);
		const struct reply *reply = world_call(world, 1, "runs", end(&arguments), &sequence);
		for (uint32_t i = 0; i < world_reply_count(world, sequence, REPLY_ROW); i++) {
			int64_t due_ms = wire_map_find_i64(
				world_reply(world, sequence, REPLY_ROW, i)->body, "due_at", 0);
			if (before_ms != INT64_MAX)
				assert_int_equal(before_ms - due_ms, 1000);
			before_ms = due_ms;
			row_count++;
		}
		get_text(reply->body, "next", token, sizeof(token));
		if (token[0] == '\0')
			break;
	}
	assert_true(row_count >= 16);
	assert_string_equal(token, "");
}

static void runs_filter_by_verdict_node_and_time(void **state)
{
	struct world *world = *state;
	struct arguments arguments;
	uint64_t sequence;
	world_put_job(world, 0, "default/good", EVERY_SECOND);
	world_advance_ms(world, 4000);
	world_set_run(world, 50, 1);
	world_advance_ms(world, 4000);
	(void)world_call(world, 2, "runs", one_text(&arguments, "verdict", "failed,timeout"), &sequence);
	uint32_t failed_count = world_reply_count(world, sequence, REPLY_ROW);
	assert_true(failed_count >= 3 && failed_count <= 5);
	(void)world_call(world, 2, "runs",
			 two_texts(&arguments, "verdict", "failed", "job", "other"), &sequence);
	assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), 0);
	uint32_t by_node = 0;
	const char *const names[] = {"n1", "n2", "n3"};
	for (int i = 0; i < 3; i++) {
		(void)world_call(world, 2, "runs",
				 two_texts(&arguments, "verdict", "failed", "node", names[i]),
				 &sequence);
		by_node += world_reply_count(world, sequence, REPLY_ROW);
	}
	assert_true(by_node >= failed_count);
	begin(&arguments);
	wire_map_i64(&arguments.map, &arguments.buf, "since_at", world_utc_ms(world) + 100000);
	(void)world_call(world, 2, "runs", end(&arguments), &sequence);
	assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), 0);
}

/* ---- acting on a run ---- */

static void kill_answers_when_the_run_is_dead(void **state)
{
	struct world *world = *state;
	struct arguments arguments;
	char name[RUN_NAME_BYTES_MAX + 1];
	world_put_job(world, 0, "default/tick", "@manual");
	world_set_run(world, 60000, 0);
	get_text(world_call(world, 1, "run", one_text(&arguments, "name", "tick"), NULL)->body,
		 "run", name, sizeof(name));
	world_advance_ms(world, 2000);
	for (uint32_t asked = 0; asked < 3; asked++) {
		const struct reply *reply = world_call(world, asked, "kill",
						       one_text(&arguments, "run", name), NULL);
		if (asked == 0) {
			assert_int_equal(reply->kind, REPLY_END);
			assert_text(reply->body, "verdict", "killed");
			assert_int_equal(wire_map_find_i64(reply->body, "processes_left", -5), 0);
			assert_true(wire_map_find_i64(reply->body, "waited_ms", -1) >= 100);
		} else {
			assert_error(reply, "stale", 5, "over");
		}
		world_advance_ms(world, 1000);
	}
}

static void cancel_releases_what_has_not_started_and_refuses_what_has(void **state)
{
	struct world *world = *state;
	struct arguments arguments;
	uint64_t sequence;
	char name[RUN_NAME_BYTES_MAX + 1] = "";
	world_put_job(world, 0, "default/tick", EVERY_MINUTE);
	world_set_run(world, 10000, 0);
	/* Claimed a second before it is due. */
	int64_t due_ms = (world_utc_ms(world) / 60000 + 1) * 60000;
	world_advance_ms(world, due_ms - 500 - world_utc_ms(world));
	(void)world_call(world, 1, "runs", none, &sequence);
	get_text(world_reply(world, sequence, REPLY_ROW, 0)->body, "run", name, sizeof(name));
	const struct reply *reply = world_call(world, 2, "cancel",
					       one_text(&arguments, "run", name), NULL);
	assert_int_equal(reply->kind, REPLY_END);
	assert_text(reply->body, "verdict", "skipped");
	/* The next one is left to start. */
	world_advance_ms(world, 61000);
	(void)world_call(world, 1, "runs", one_text(&arguments, "state", "started"), &sequence);
	assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), 1);
	get_text(world_reply(world, sequence, REPLY_ROW, 0)->body, "run", name, sizeof(name));
	assert_error(world_call(world, 2, "cancel", one_text(&arguments, "run", name), NULL),
		     "stale", 5, "too late");
}

/* ---- logs ---- */

static void logs_of_a_run_end_with_its_verdict(void **state)
{
	struct world *world = *state;
	struct arguments arguments;
	uint64_t sequence;
	char name[RUN_NAME_BYTES_MAX + 1];
	world_put_job(world, 0, "default/tick", "@manual");
	get_text(world_call(world, 1, "run", one_text(&arguments, "name", "tick"), NULL)->body,
		 "run", name, sizeof(name));
	world_advance_ms(world, 2000);
	for (uint32_t asked = 0; asked < 3; asked++) {
		const struct reply *reply = world_call(world, asked, "logs",
						       one_text(&arguments, "run", name), &sequence);
		assert_int_equal(reply->kind, REPLY_END);
		assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), 3);
		assert_text(world_reply(world, sequence, REPLY_ROW, 0)->body, "stream", "o");
		assert_text(world_reply(world, sequence, REPLY_ROW, 2)->body, "stream", "!");
	}
	world_set_output_lines(world, 50);
	begin(&arguments);
	wire_map_text(&arguments.map, &arguments.buf, "job", "tick");
	wire_map_i64(&arguments.map, &arguments.buf, "tail", 4);
	(void)world_call(world, 2, "logs", end(&arguments), &sequence);
	assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), 5);
	assert_error(world_call(world, 2, "logs", one_text(&arguments, "job", "tock"), NULL),
		     "not_found", 3, "tock");
}

static void followed_logs_of_a_job_go_on_to_the_next_run(void **state)
{
	struct world *world = *state;
	struct arguments arguments;
	world_put_job(world, 0, "default/tick", EVERY_SECOND);
	begin(&arguments);
	wire_map_text(&arguments.map, &arguments.buf, "job", "tick");
	wire_map_bool(&arguments.map, &arguments.buf, "follow", true);
	uint64_t sequence = world_ask(world, 2, 77, "logs", end(&arguments));
	world_advance_ms(world, 10500);
	uint32_t row_count = world_reply_count(world, sequence, REPLY_ROW);
	assert_true(row_count >= 3 * 7);
	assert_int_equal(world_reply_count(world, sequence, REPLY_END), 0);
	/* Nothing goes on for a client that is gone. */
	world_client_gone(world, 2, 77);
	world_advance_ms(world, 5000);
	assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), row_count);
}

static void followed_logs_of_all_have_every_run(void **state)
{
	struct world *world = *state;
	struct arguments arguments;
	world_put_job(world, 0, "default/tick", EVERY_SECOND);
	world_put_job(world, 0, "default/tock", EVERY_SECOND);
	begin(&arguments);
	wire_map_bool(&arguments.map, &arguments.buf, "follow", true);
	uint64_t sequence = world_ask(world, 2, 77, "logs", end(&arguments));
	world_advance_ms(world, 10500);
	uint32_t row_count = world_reply_count(world, sequence, REPLY_ROW);
	assert_true(row_count >= 2 * 3 * 8 && row_count <= 2 * 3 * 11);
	world_client_gone(world, 2, 77);
	world_advance_ms(world, 5000);
	assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), row_count);
}

static void more_lines_than_one_step_can_tell_come_all_and_in_order(void **state)
{
	struct world *world = *state;
	struct arguments arguments;
	uint64_t sequence;
	world_put_job(world, 0, "default/tick", "@manual");
	(void)world_call(world, 1, "run", one_text(&arguments, "name", "tick"), NULL);
	world_advance_ms(world, 2000);
	world_set_output_lines(world, 5000);
	for (uint32_t asked = 0; asked < 3; asked++) {
		const struct reply *reply = world_call(
			world, asked, "logs", one_text(&arguments, "job", "tick"), &sequence);
		assert_int_equal(reply->kind, REPLY_END);
		assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), 5001);
		struct wire_reader reader;
		assert_true(wire_map_find(world_reply(world, sequence, REPLY_ROW, 4999)->body,
					  "text", &reader));
		struct slice text = wire_get_bin(&reader, 16);
		assert_int_equal(text.bytes, 4);
		assert_memory_equal(text.data, "4999", 4);
	}
}

/* ---- nodes, status, next ---- */

static void node_ls_has_the_figures_of_all(void **state)
{
	struct world *world = *state;
	uint64_t sequence;
	world_put_job(world, 0, "default/tick", EVERY_SECOND);
	world_advance_ms(world, 5000);
	(void)world_call(world, 2, "node.ls", none, &sequence);
	assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), 3);
	int64_t executed = 0;
	for (uint32_t i = 0; i < 3; i++) {
		struct slice row = world_reply(world, sequence, REPLY_ROW, i)->body;
		int64_t own = wire_map_find_i64(row, "executed", -1);
		assert_true(own >= 0);
		executed += own;
		assert_text(row, "state", "alive");
	}
	assert_true(executed >= 4);
}

static void status_is_the_same_figures_wherever_it_is_asked(void **state)
{
	struct world *world = *state;
	world_put_job(world, 0, "default/tick", EVERY_SECOND);
	world_advance_ms(world, 30000);
	for (uint32_t i = 0; i < 3; i++) {
		struct slice body = world_call(world, i, "status", none, NULL)->body;
		assert_int_equal(wire_map_find_i64(body, "jobs", -1), 1);
		assert_int_equal(wire_map_find_i64(body, "nodes_alive", -1), 3);
		assert_int_equal(wire_map_find_i64(body, "slots", -1), 192);
		assert_int_equal(wire_map_find_i64(body, "undecided", -1), 0);
		assert_int_equal(wire_map_find_i64(body, "views_agree", -1), 3);
		assert_int_equal(wire_map_find_i64(body, "views_total", -1), 3);
		int64_t rate = wire_map_find_i64(body, "fires_per_s_milli", -1);
		assert_true(rate >= 450 && rate <= 550);
	}
}

static void next_merges_the_fires_of_all_jobs(void **state)
{
	struct world *world = *state;
	struct arguments arguments;
	uint64_t sequence;
	world_put_job(world, 0, "default/tick", EVERY_MINUTE);
	world_put_job(world, 0, "default/tock", "30 * * * * *");
	(void)world_call(world, 1, "next", none, &sequence);
	assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), 10);
	int64_t before_ms = 0;
	for (uint32_t i = 0; i < 10; i++) {
		int64_t t_ms = wire_map_find_i64(world_reply(world, sequence, REPLY_ROW, i)->body,
						 "t_at", 0);
		if (before_ms != 0)
			assert_int_equal(t_ms - before_ms, 30000);
		before_ms = t_ms;
	}
	begin(&arguments);
	wire_map_key(&arguments.map, &arguments.buf, "jobs");
	wire_put_array(&arguments.buf, 1);
	wire_put_text(&arguments.buf, "tock");
	wire_map_i64(&arguments.map, &arguments.buf, "count", 3);
	(void)world_call(world, 1, "next", end(&arguments), &sequence);
	assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), 3);
	assert_text(world_reply(world, sequence, REPLY_ROW, 2)->body, "job", "tock");
	begin(&arguments);
	wire_map_key(&arguments.map, &arguments.buf, "jobs");
	wire_put_array(&arguments.buf, 1);
	wire_put_text(&arguments.buf, "tack");
	assert_error(world_call(world, 1, "next", end(&arguments), NULL), "not_found", 3, "tack");
}

/* ---- cut off ---- */

static void without_a_voter_reads_are_answered_as_incomplete_and_changes_refused(void **state)
{
	struct world *world = *state;
	struct arguments arguments;
	struct wire_reader reader;
	uint64_t sequence;
	world_put_job(world, 0, "default/tick", EVERY_MINUTE);
	world_advance_ms(world, 1000);
	world_kill(world, 0);
	world_advance_ms(world, 20000);
	const struct reply *reply = world_call(world, 1, "job.ls", none, &sequence);
	assert_int_equal(reply->kind, REPLY_END);
	assert_false(wire_map_find_bool(reply->body, "complete", true));
	assert_true(wire_map_find(reply->body, "missing", &reader));
	assert_int_equal(wire_get_array(&reader, 5), 1);
	assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), 1);
	reply = world_call(world, 1, "job.show", one_text(&arguments, "name", "tick"), NULL);
	assert_false(wire_map_find_bool(reply->body, "complete", true));
	assert_error(world_call(world, 1, "job.pause", one_text(&arguments, "name", "tick"), NULL),
		     "no_majority", 6, "in reach");
	assert_error(world_call(world, 2, "run", one_text(&arguments, "name", "tick"), NULL),
		     "no_majority", 6, "in reach");
	assert_int_equal(world_call(world, 2, "status", none, NULL)->kind, REPLY_END);
	assert_int_equal(world_call(world, 2, "node.ls", none, NULL)->kind, REPLY_END);
}

static void a_request_whose_agent_dies_is_answered_as_broken(void **state)
{
	struct world *world = *state;
	struct arguments arguments;
	world_put_job(world, 0, "default/tick", "@manual");
	world_set_run(world, 60000, 0);
	begin(&arguments);
	wire_map_text(&arguments.map, &arguments.buf, "name", "tick");
	wire_map_bool(&arguments.map, &arguments.buf, "wait", true);
	uint64_t sequence = world_ask(world, 1, 5, "run", end(&arguments));
	world_advance_ms(world, 2000);
	world_kill(world, 0);
	world_advance_ms(world, 1000);
	const struct reply *reply = world_reply(world, sequence, REPLY_ERROR, 0);
	assert_non_null(reply);
	assert_error(reply, "closed", 7, "n1");
}

static void a_silent_agent_is_named_when_time_is_up(void **state)
{
	struct world *world = *state;
	world_cut(world, 0, true);
	uint64_t sequence = world_ask(world, 1, 5, "job.ls", none);
	world_advance_ms(world, 12000);
	const struct reply *reply = world_reply(world, sequence, REPLY_ERROR, 0);
	assert_non_null(reply);
	assert_int_equal(wire_map_find_i64(reply->body, "exit", -1), 7);
}

static void with_three_voters_each_agent_answers_and_one_may_die(void **state)
{
	struct world *world = *state;
	struct arguments arguments;
	uint64_t sequence;
	world_put_job(world, 1, "default/tick", EVERY_SECOND);
	world_advance_ms(world, 5000);
	for (uint32_t i = 0; i < 3; i++) {
		(void)world_call(world, i, "runs", none, &sequence);
		assert_true(world_reply_count(world, sequence, REPLY_ROW) >= 4);
	}
	world_kill(world, 2);
	world_advance_ms(world, 15000);
	assert_int_equal(
		world_call(world, 0, "job.pause", one_text(&arguments, "name", "tick"), NULL)->kind,
		REPLY_END);
	assert_int_equal(
		world_call(world, 1, "job.resume", one_text(&arguments, "name", "tick"), NULL)->kind,
		REPLY_END);
	(void)world_call(world, 1, "job.ls", none, &sequence);
	assert_text(world_reply(world, sequence, REPLY_ROW, 0)->body, "state", "idle");
}

#define THREE(test) cmocka_unit_test_setup_teardown(test, open_three, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		THREE(frames_of_no_form_are_refused_and_the_client_goes_on),
		THREE(an_unknown_verb_names_the_nearest),
		THREE(verbs_among_agents_are_not_for_clients),
		THREE(hello_says_who_answers_and_who_asks),
		THREE(arguments_of_the_wrong_type_are_named),
		THREE(every_agent_lists_a_job_that_was_put_at_any),
		THREE(job_ls_filters_by_name_group_and_state),
		THREE(pages_of_jobs_bring_each_once),
		THREE(job_show_tells_set_next_and_definition),
		THREE(a_checked_definition_changes_nothing),
		THREE(a_removed_job_is_not_listed),
		THREE(run_and_wait_answers_with_the_verdict),
		THREE(the_same_request_id_is_one_run),
		THREE(a_request_repeated_while_its_run_goes_on_is_that_run),
		THREE(wait_knows_full_names_and_short_ids_and_times_out),
		THREE(runs_come_newest_first_and_page_without_gap_or_repeat),
		THREE(runs_filter_by_verdict_node_and_time),
		THREE(kill_answers_when_the_run_is_dead),
		THREE(cancel_releases_what_has_not_started_and_refuses_what_has),
		THREE(logs_of_a_run_end_with_its_verdict),
		THREE(followed_logs_of_a_job_go_on_to_the_next_run),
		THREE(followed_logs_of_all_have_every_run),
		THREE(more_lines_than_one_step_can_tell_come_all_and_in_order),
		THREE(node_ls_has_the_figures_of_all),
		THREE(status_is_the_same_figures_wherever_it_is_asked),
		THREE(next_merges_the_fires_of_all_jobs),
		THREE(without_a_voter_reads_are_answered_as_incomplete_and_changes_refused),
		THREE(a_request_whose_agent_dies_is_answered_as_broken),
		THREE(a_silent_agent_is_named_when_time_is_up),
		cmocka_unit_test_setup_teardown(with_three_voters_each_agent_answers_and_one_may_die,
						open_voters, close_world),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
