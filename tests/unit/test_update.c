/* Keys, frames and links: what they change, and what is sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/console_data.h"
#include "tui/update.h"
#include "tui/view.h"

static void press(struct state *state, const char *keys)
{
	for (; *keys != '\0'; keys++)
		update_key(state, *keys == '\n' ? KEY_CODE_ENTER : (unsigned char)*keys, DATA_MONO_MS);
}

static void check_requests(struct state *state, const char *expected)
{
	char text[4096];
	data_take_requests(&state->out, text, sizeof(text));
	assert_string_equal(text, expected);
}

static const char *selected_key(struct state *state)
{
	order_refresh(state, DATA_MONO_MS);
	return state_cursor(state)->key;
}

static void connection_begins_with_hello_and_watch(void **unused)
{
	(void)unused;
	struct state *state = data_empty_state(24, 80);
	update_link_up(state, DATA_MONO_MS);
	check_requests(state, "hello\nwatch\n");
	data_free(state);
}

static void keys_move_and_stop_at_the_ends(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	press(state, "k");
	assert_string_equal(selected_key(state), "billing/dunning");
	press(state, "jj");
	assert_string_equal(selected_key(state), "billing/rollup-hourly");
	press(state, "G");
	assert_string_equal(selected_key(state), "tick");
	press(state, "j");
	assert_string_equal(selected_key(state), "tick");
	press(state, "g");
	assert_string_equal(selected_key(state), "billing/dunning");
	update_key(state, KEY_CODE_PAGE_DOWN, DATA_MONO_MS);
	assert_string_equal(selected_key(state), "tick");
	update_key(state, KEY_CODE_CTRL('U'), DATA_MONO_MS);
	assert_string_not_equal(selected_key(state), "tick");
	check_requests(state, "");
	data_free(state);
}

static void cursor_stays_on_its_row_when_rows_come_and_go(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	press(state, "jjj");
	assert_string_equal(selected_key(state), "crm/dedupe");
	const struct data_job job = {"aaa/first", "idle",   "n1",     NULL,     NULL,
				     NULL,        ROW_NONE, ROW_NONE, "@daily", ""};
	data_send_job(state, &job);
	data_send_gone(state, "jobs", "billing/dunning");
	data_send_gone(state, "jobs", "billing/invoice-pdf");
	assert_string_equal(selected_key(state), "crm/dedupe");
	data_send_gone(state, "jobs", "crm/dedupe");
	/* Its own row is gone: the one that moved into its place. */
	assert_string_equal(selected_key(state), "crm/sync-accounts");
	data_free(state);
}

static void list_scrolls_so_that_the_cursor_is_seen(void **unused)
{
	(void)unused;
	struct state *state = data_state(10, 80);
	size_t height = (size_t)state_list_rows(state);
	for (int i = 0; i < 40; i++) {
		press(state, i < 20 ? "j" : "k");
		struct cursor *cursor = state_cursor(state);
		assert_true(cursor->index >= cursor->top && cursor->index < cursor->top + height);
	}
	data_free(state);
}

static void views_change_by_their_digits_and_tab(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	press(state, "2");
	assert_int_equal(state->view, PLACE_NODES);
	press(state, "3");
	assert_int_equal(state->view, PLACE_SNAPSHOT);
	press(state, "-");
	assert_int_equal(state->view, PLACE_NODES);
	press(state, "\t\t");
	assert_int_equal(state->view, PLACE_LOGS);
	press(state, "\t");
	assert_int_equal(state->view, PLACE_JOBS);
	press(state, "5");
	assert_int_equal(state->view, PLACE_JOBS);
	assert_non_null(strstr(state->message, "Plan"));
	data_free(state);
}

static void keys_of_later_versions_say_so_and_send_nothing(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < key_count; i++) {
		if (key_table[i].section != KEY_SECTION_LATER)
			continue;
		for (int j = 0; j < KEY_CODES_MAX && key_table[i].codes[j] != 0; j++) {
			struct state *state = data_state(24, 80);
			update_key(state, key_table[i].codes[j], DATA_MONO_MS);
			assert_non_null(strstr(state->message, "not in this version"));
			assert_int_equal(state->prompt, PROMPT_NONE);
			check_requests(state, "");
			data_free(state);
		}
	}
}

static void no_code_is_in_the_key_table_twice(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < key_count; i++) {
		for (int j = 0; j < KEY_CODES_MAX && key_table[i].codes[j] != 0; j++)
			assert_ptr_equal(key_find(key_table[i].codes[j]), &key_table[i]);
	}
}

static void run_asks_and_any_key_but_y_is_no(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	static const char *const answers[] = {"n", "\n", "\x1b", " ", "q", "r", "\x03"};
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		press(state, "r");
		assert_int_equal(state->prompt, PROMPT_QUESTION);
		press(state, answers[i]);
		assert_int_equal(state->prompt, PROMPT_NONE);
		check_requests(state, "");
		assert_false(state->is_quitting);
	}
	press(state, "ry");
	check_requests(state, "run billing/dunning\n");
	data_free(state);
}

static void kill_names_the_run_and_asks(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	press(state, "x");
	assert_int_equal(state->prompt, PROMPT_NONE);
	assert_non_null(strstr(state->message, "not running"));
	press(state, "jjx");
	assert_int_equal(state->prompt, PROMPT_QUESTION);
	assert_non_null(strstr(state->question.text, "8f21c1f0"));
	assert_non_null(strstr(state->question.text, "cannot be undone"));
	press(state, "y");
	check_requests(state, "kill billing/rollup-hourly@2026-11-20T12:00:00Z/0#1\n");
	data_free(state);
}

static void what_has_not_started_is_cancelled_instead(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	press(state, "3");
	update_key(state, KEY_CODE_RIGHT, DATA_MONO_MS);
	press(state, "g");
	assert_string_equal(selected_key(state), "tick@2026-11-20T12:04:32Z/0#1");
	press(state, "xy");
	check_requests(state, "cancel tick@2026-11-20T12:04:32Z/0#1\n");
	press(state, "Gx");
	assert_int_equal(state->prompt, PROMPT_NONE);
	assert_non_null(strstr(state->message, "is over"));
	data_free(state);
}

static void answer(struct state *state, enum purpose purpose, bool is_error)
{
	uint8_t memory[256];
	struct buf buf;
	buf_init(&buf, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&buf);
	wire_map_text(&map, &buf, "message", "n03 did not answer");
	wire_map_i64(&map, &buf, "version", 15);
	wire_map_bool(&map, &buf, "changed", true);
	wire_map_end(&map, &buf);
	data_send(state, data_seq(state, purpose), is_error ? 2 : 1, buf_slice(&buf));
}

static void name_cluster(struct state *state, const char *name)
{
	uint8_t memory[256];
	struct buf buf;
	buf_init(&buf, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&buf);
	wire_map_text(&map, &buf, "cluster", name);
	wire_map_end(&map, &buf);
	model_status(&state->model, buf_slice(&buf));
}

static void pause_asks_only_in_production_and_can_be_undone(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	press(state, "p");
	assert_int_equal(state->prompt, PROMPT_QUESTION);
	press(state, "n");
	check_requests(state, "");
	name_cluster(state, "lab");
	press(state, "p");
	assert_int_equal(state->prompt, PROMPT_NONE);
	check_requests(state, "job.pause billing/dunning\n");
	answer(state, PURPOSE_PAUSE, false);
	assert_non_null(strstr(state->message, "u to undo"));
	press(state, "jju");
	check_requests(state, "job.resume billing/dunning\n");
	press(state, "gjjjp");
	check_requests(state, "job.resume crm/dedupe\n");
	data_free(state);
}

static void refusal_of_the_agent_is_shown(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	press(state, "ry");
	answer(state, PURPOSE_RUN, true);
	assert_string_equal(state->message, "n03 did not answer");
	assert_int_equal(state->message_role, ROLE_BAD);
	data_free(state);
}

static void read_only_sends_nothing(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	state->is_read_only = true;
	press(state, "ryjjxypyu3xyry");
	check_requests(state, "");
	assert_int_equal(state->prompt, PROMPT_NONE);
	data_free(state);
}

static void without_link_nothing_is_queued(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	update_link_lost(state, DATA_MONO_MS, DATA_MONO_MS + 250, 1);
	press(state, "r");
	assert_non_null(strstr(state->message, "no link"));
	press(state, "yjjxypyu");
	assert_int_equal(state->out.count, 0);
	/* Asked while there was a link, answered when it was gone. */
	update_link_up(state, DATA_MONO_MS);
	state->out.count = 0;
	press(state, "r");
	update_link_lost(state, DATA_MONO_MS, DATA_MONO_MS + 250, 1);
	press(state, "y");
	assert_int_equal(state->out.count, 0);
	data_free(state);
}

static void link_that_comes_back_keeps_cursor_and_rows(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	press(state, "jjjj");
	update_link_lost(state, DATA_MONO_MS, DATA_MONO_MS + 250, 1);
	assert_string_equal(selected_key(state), "crm/sync-accounts");
	press(state, "j");
	update_link_up(state, DATA_MONO_MS + 3000);
	check_requests(state, "hello\nwatch\n");
	assert_string_equal(selected_key(state), "etl/orders-001");
	const struct data_job jobs[] = {
		{"aaa/new", "idle", "n1", NULL, NULL, NULL, ROW_NONE, ROW_NONE, "@daily", ""},
		{"etl/orders-001", "idle", "n1", NULL, NULL, NULL, ROW_NONE, ROW_NONE, "@daily", ""},
	};
	data_send_job(state, &jobs[0]);
	data_send_job(state, &jobs[1]);
	assert_string_equal(selected_key(state), "etl/orders-001");
	data_send(state, data_seq(state, PURPOSE_WATCH), 0, slice_of("\x81\xa4view\xa4sync", 11));
	assert_string_equal(selected_key(state), "etl/orders-001");
	assert_int_equal(state->model.jobs.count, 2);
	data_free(state);
}

static void silent_agent_is_asked_and_then_given_up(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	int64_t now = DATA_MONO_MS;
	assert_true(update_tick(state, now + 9000));
	check_requests(state, "");
	int64_t wake = update_wake(state, now + 1);
	assert_int_equal(wake, now + UPDATE_CLOCK_MS);
	assert_true(update_tick(state, wake));
	check_requests(state, "status\n");
	assert_true(update_tick(state, wake + 1000));
	check_requests(state, "");
	assert_int_equal(update_wake(state, wake + 1), wake + UPDATE_SILENT_MS);
	assert_false(update_tick(state, wake + UPDATE_SILENT_MS));
	data_free(state);
}

static void search_goes_to_the_hit_and_escape_goes_back(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	press(state, "j/ord");
	assert_string_equal(selected_key(state), "etl/orders-001");
	press(state, "\n");
	press(state, "n");
	assert_string_equal(selected_key(state), "etl/orders-004");
	press(state, "n");
	assert_string_equal(selected_key(state), "etl/orders-001");
	press(state, "N");
	assert_string_equal(selected_key(state), "etl/orders-004");
	press(state, "/crm\x1b");
	assert_string_equal(selected_key(state), "etl/orders-004");
	press(state, "/zzz");
	assert_non_null(strstr(state->message, "no hit"));
	press(state, "\x7f\x7f\x7f\x7f\x7f\n");
	assert_string_equal(state->search, "");
	/* r in a search is a letter. */
	press(state, "/rrr\n");
	check_requests(state, "");
	data_free(state);
}

static void detail_asks_for_the_job_and_escape_leaves_it(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	press(state, "j\n");
	assert_int_equal(state_place(state), PLACE_JOB);
	check_requests(state, "job.show billing/invoice-pdf\nruns billing/invoice-pdf\n");
	press(state, "\n");
	assert_int_equal(state_place(state), PLACE_RUN);
	press(state, "q");
	assert_int_equal(state_place(state), PLACE_JOB);
	press(state, "\x1b");
	assert_int_equal(state_place(state), PLACE_JOBS);
	assert_string_equal(selected_key(state), "billing/invoice-pdf");
	press(state, "\x1b");
	assert_false(state->is_quitting);
	press(state, "q");
	assert_true(state->is_quitting);
	data_free(state);
}

static void log_of_a_row_follows_holds_and_follows_again(void **unused)
{
	(void)unused;
	struct state *state = data_state(12, 80);
	press(state, "jl");
	assert_int_equal(state->view, PLACE_LOGS);
	assert_true(state->log.is_wanted);
	update_log_link_up(state, DATA_MONO_MS);
	char text[256];
	data_take_requests(&state->log_out, text, sizeof(text));
	assert_string_equal(text, "logs billing/invoice-pdf\n");
	for (int i = 0; i < 30; i++)
		data_send_line(state, "12:03:00.000", "n03", "8f21c07e", i == 20 ? "e" : "o", "a line");
	assert_true(state->log.is_following);
	press(state, "k");
	assert_false(state->log.is_following);
	size_t top = state->log.top;
	data_send_line(state, "12:03:00.000", "n03", "8f21c07e", "o", "needle");
	assert_int_equal(state->log.top, top);
	assert_int_equal(state->log.held_count, 1);
	press(state, "{");
	assert_int_equal(state->log.cursor, 20);
	press(state, "/need\n");
	assert_int_equal(state->log.cursor, 30);
	press(state, "F");
	assert_true(state->log.is_following);
	press(state, "1");
	assert_false(state->log.is_wanted);
	data_free(state);
}

static void log_of_a_row_is_left_to_that_row(void **unused)
{
	(void)unused;
	struct state *state = data_state(12, 80);
	press(state, "jlq");
	assert_false(state->is_quitting);
	assert_int_equal(state_place(state), PLACE_JOBS);
	assert_string_equal(selected_key(state), "billing/invoice-pdf");
	press(state, "\nl\x1b");
	assert_int_equal(state_place(state), PLACE_JOB);
	press(state, "\x1b");
	assert_int_equal(state_place(state), PLACE_JOBS);
	/* The view of the key 4 is a view as the others are. */
	press(state, "l4");
	assert_int_equal(state->view, PLACE_LOGS);
	press(state, "14q");
	assert_true(state->is_quitting);
	data_free(state);
}

static void help_closes_and_lets_no_key_act(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	press(state, "?rypx");
	assert_true(state->is_help_open);
	check_requests(state, "");
	assert_string_equal(state->help_filter, "rypx");
	press(state, "\x1b");
	assert_false(state->is_help_open);
	data_free(state);
}

static void cancel_twice_quits(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	press(state, "\x03j\x03");
	assert_false(state->is_quitting);
	press(state, "\x03");
	assert_true(state->is_quitting);
	data_free(state);
}

static void random_keys_in_read_only_send_no_act(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	struct cells cells;
	void *memory = malloc(cells_bytes(24, 80));
	assert_non_null(memory);
	cells_init(&cells, memory, 24, 80, false);
	state->is_read_only = true;
	uint64_t chance = 88172645463325252u;
	for (int i = 0; i < 30000; i++) {
		/* xorshift64 (Marsaglia 2003): the same keys each time. */
		chance ^= chance << 13;
		chance ^= chance >> 7;
		chance ^= chance << 17;
		uint32_t code = chance % 10 < 7 ? (uint32_t)(chance >> 32) % 128
						: KEY_CODE_UP + (uint32_t)(chance >> 32) % 18;
		update_key(state, code, DATA_MONO_MS + i);
		state->is_quitting = false;
		if (i % 97 == 0)
			view_paint(state, &cells, DATA_MONO_MS + i);
		char text[REQUESTS_BYTES_MAX];
		data_take_requests(&state->out, text, sizeof(text));
		assert_null(strstr(text, "run "));
		assert_null(strstr(text, "pause"));
		assert_null(strstr(text, "resume"));
		assert_null(strstr(text, "kill"));
		assert_null(strstr(text, "cancel"));
		request_forget_all(state, true);
		for (int j = 0; j < PENDING_MAX; j++) {
			if (state->pending[j].purpose == PURPOSE_SHOW ||
			    state->pending[j].purpose == PURPOSE_PAST)
				state->pending[j].purpose = PURPOSE_NONE;
		}
	}
	free(memory);
	data_free(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connection_begins_with_hello_and_watch),
		cmocka_unit_test(keys_move_and_stop_at_the_ends),
		cmocka_unit_test(cursor_stays_on_its_row_when_rows_come_and_go),
		cmocka_unit_test(list_scrolls_so_that_the_cursor_is_seen),
		cmocka_unit_test(views_change_by_their_digits_and_tab),
		cmocka_unit_test(keys_of_later_versions_say_so_and_send_nothing),
		cmocka_unit_test(no_code_is_in_the_key_table_twice),
		cmocka_unit_test(run_asks_and_any_key_but_y_is_no),
		cmocka_unit_test(kill_names_the_run_and_asks),
		cmocka_unit_test(what_has_not_started_is_cancelled_instead),
		cmocka_unit_test(pause_asks_only_in_production_and_can_be_undone),
		cmocka_unit_test(refusal_of_the_agent_is_shown),
		cmocka_unit_test(read_only_sends_nothing),
		cmocka_unit_test(without_link_nothing_is_queued),
		cmocka_unit_test(link_that_comes_back_keeps_cursor_and_rows),
		cmocka_unit_test(silent_agent_is_asked_and_then_given_up),
		cmocka_unit_test(search_goes_to_the_hit_and_escape_goes_back),
		cmocka_unit_test(detail_asks_for_the_job_and_escape_leaves_it),
		cmocka_unit_test(log_of_a_row_follows_holds_and_follows_again),
		cmocka_unit_test(log_of_a_row_is_left_to_that_row),
		cmocka_unit_test(help_closes_and_lets_no_key_act),
		cmocka_unit_test(cancel_twice_quits),
		cmocka_unit_test(random_keys_in_read_only_send_no_act),
	};
	return cmocka_run_group_tests_name("update", tests, NULL, NULL);
}
