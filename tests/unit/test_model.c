/* Rows, tables and the model: what an agent sends, in any order and of any kind. */
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

static int allocations_left;

static void *failing_resize(void *memory, size_t bytes)
{
	if (bytes > 0 && allocations_left-- <= 0)
		return NULL;
	return data_resize(memory, bytes);
}

static struct row *make_row(const char *key)
{
	uint8_t memory[256];
	struct buf buf;
	struct row *row = NULL;
	buf_init(&buf, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&buf);
	wire_map_text(&map, &buf, "name", key);
	wire_map_end(&map, &buf);
	assert_int_equal(row_decode(ROW_JOB, slice_str(key), buf_slice(&buf), data_resize, &row),
			 ERR_OK);
	return row;
}

static void row_has_nothing_for_what_is_absent_or_of_another_type(void **unused)
{
	(void)unused;
	uint8_t memory[512];
	struct buf buf;
	struct row *row = NULL;
	buf_init(&buf, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&buf);
	wire_map_i64(&map, &buf, "name", 5);
	wire_map_text(&map, &buf, "next_at", "soon");
	wire_map_nil(&map, &buf, "state");
	wire_map_text(&map, &buf, "from_later", "unknown");
	wire_map_i64(&map, &buf, "version", 3);
	wire_map_text(&map, &buf, "schedule", "@daily");
	wire_map_bool(&map, &buf, "paused", true);
	wire_map_end(&map, &buf);
	assert_int_equal(row_decode(ROW_JOB, slice_str("g/n"), buf_slice(&buf), data_resize, &row),
			 ERR_OK);
	const struct job_row *job = (const struct job_row *)row;
	assert_string_equal(job->row.key, "g/n");
	assert_string_equal(job->name, "");
	assert_string_equal(job->state, "");
	assert_string_equal(job->tz, "");
	assert_true(job->next_at == ROW_NONE && job->last_due_at == ROW_NONE);
	assert_int_equal(job->version, 3);
	assert_string_equal(job->schedule, "@daily");
	assert_true(job->is_paused);
	row_free(row, data_resize);
}

static void list_of_texts_becomes_one(void **unused)
{
	(void)unused;
	uint8_t memory[512];
	struct buf buf;
	struct row *row = NULL;
	buf_init(&buf, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&buf);
	wire_map_key(&map, &buf, "marks");
	wire_put_array(&buf, 3);
	wire_put_text(&buf, "draining");
	wire_put_i64(&buf, 7);
	wire_put_text(&buf, "full");
	wire_map_text(&map, &buf, "addr", "[::1]:1");
	wire_map_end(&map, &buf);
	assert_int_equal(row_decode(ROW_NODE, slice_str("k"), buf_slice(&buf), data_resize, &row),
			 ERR_OK);
	assert_string_equal(((const struct node_row *)row)->marks, "draining full");
	assert_string_equal(((const struct node_row *)row)->address, "[::1]:1");
	row_free(row, data_resize);
}

static void broken_rows_are_refused(void **unused)
{
	(void)unused;
	struct row *row = NULL;
	static const char *const broken[] = {"",
					     "\x81",
					     "\x81\xa4name",
					     "\x93\x01\x02\x03",
					     "\xdf\xff\xff\xff\xff",
					     "\x81\xa4name\xdb\xff\xff\xff\xff",
					     "\x81\xa4name\xa2\xff\xfe",
					     "\x80\x80"};
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct slice bytes = slice_of(broken[i], strlen(broken[i]));
		assert_int_equal(row_decode(ROW_JOB, slice_str("k"), bytes, data_resize, &row),
				 ERR_INVALID);
	}
}

static void row_without_memory_is_refused(void **unused)
{
	(void)unused;
	struct row *row = NULL;
	allocations_left = 0;
	assert_int_equal(row_decode(ROW_JOB, slice_str("k"), slice_of("\x80", 1), failing_resize, &row),
			 ERR_NO_MEMORY);
}

static void table_keeps_the_order_of_keys(void **unused)
{
	(void)unused;
	struct row_table table;
	row_table_init(&table, 1000, data_resize);
	static const char *const keys[] = {"m", "c", "z", "a", "c", "q"};
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(row_table_put(&table, make_row(keys[i])), ERR_OK);
	assert_int_equal(table.count, 5);
	for (size_t i = 1; i < table.count; i++)
		assert_true(strcmp(table.rows[i - 1]->key, table.rows[i]->key) < 0);
	row_table_remove(&table, "c");
	row_table_remove(&table, "never");
	assert_null(row_table_find(&table, "c"));
	assert_non_null(row_table_find(&table, "z"));
	assert_int_equal(table.count, 4);
	row_table_clear(&table);
}

static void full_table_refuses_a_new_row_but_not_a_change(void **unused)
{
	(void)unused;
	struct row_table table;
	row_table_init(&table, 2, data_resize);
	assert_int_equal(row_table_put(&table, make_row("a")), ERR_OK);
	assert_int_equal(row_table_put(&table, make_row("b")), ERR_OK);
	assert_int_equal(row_table_put(&table, make_row("c")), ERR_FULL);
	assert_int_equal(row_table_put(&table, make_row("a")), ERR_OK);
	assert_int_equal(table.refused_count, 1);
	assert_int_equal(table.count, 2);
	row_table_clear(&table);
}

static void load_in_any_order_is_sorted_and_sweeps_what_did_not_come(void **unused)
{
	(void)unused;
	struct row_table table;
	row_table_init(&table, 5000, data_resize);
	assert_int_equal(row_table_put(&table, make_row("gone")), ERR_OK);
	assert_int_equal(row_table_put(&table, make_row("k0007")), ERR_OK);
	row_table_load_begin(&table);
	for (int i = 0; i < 3000; i++) {
		char key[16];
		(void)snprintf(key, sizeof(key), "k%04d", i * 7919 % 3000);
		assert_int_equal(row_table_put(&table, make_row(key)), ERR_OK);
	}
	assert_int_equal(row_table_put(&table, make_row("k0001")), ERR_OK);
	assert_non_null(row_table_find(&table, "gone"));
	row_table_load_end(&table);
	assert_int_equal(table.count, 3000);
	assert_null(row_table_find(&table, "gone"));
	for (size_t i = 1; i < table.count; i++)
		assert_true(strcmp(table.rows[i - 1]->key, table.rows[i]->key) < 0);
	row_table_clear(&table);
}

static void gone_rows_go(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	assert_non_null(model_job(&state->model, "tick"));
	assert_non_null(model_job(&state->model, "default/tick"));
	data_send_gone(state, "jobs", "default/tick");
	assert_null(model_job(&state->model, "tick"));
	data_send_gone(state, "jobs", "default/never-there");
	data_free(state);
}

static void strange_rows_are_counted_and_nothing_more(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	uint32_t watch = data_seq(state, PURPOSE_WATCH);
	size_t jobs = state->model.jobs.count;
	data_send(state, watch, 0, slice_of("\x80", 1));
	data_send(state, watch, 0, slice_of("\x07", 1));
	data_send(state, watch, 0, slice_of("\x81\xa4view\xa5moons", 12));
	data_send(state, watch, 0, slice_of("\x83\xa4view\xa4jobs\xa3key\xa1k\xa3row\x07", 22));
	assert_true(state->model.bad_count >= 4);
	assert_int_equal(state->model.jobs.count, jobs);
	update_frame(state, slice_of("\x94\x01", 2), false, DATA_MONO_MS);
	update_frame(state, slice_of("", 0), false, DATA_MONO_MS);
	assert_true(state->model.bad_count >= 6);
	data_free(state);
}

static void finished_runs_are_forgotten_after_a_minute(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	assert_non_null(model_run(&state->model, "8f21a000"));
	assert_true(update_tick(state, DATA_MONO_MS));
	assert_null(model_run(&state->model, "8f21a000"));
	assert_non_null(model_run(&state->model, "8f21c49f"));
	assert_non_null(model_run(&state->model, "8f21c1f0"));
	(void)update_tick(state, DATA_MONO_MS + 120000);
	assert_null(model_run(&state->model, "8f21c49f"));
	assert_non_null(model_run(&state->model, "8f21c1f0"));
	data_free(state);
}

static void log_keeps_the_newest_lines_within_its_bound(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	update_key(state, '4', DATA_MONO_MS);
	update_log_link_up(state, DATA_MONO_MS);
	for (unsigned i = 0; i < MODEL_LINES_MAX + 100; i++) {
		char text[32];
		(void)snprintf(text, sizeof(text), "line %u", i);
		data_send_line(state, "12:03:00.000", "n03", "8f21c07e", "o", text);
	}
	assert_int_equal(state->model.line_count, MODEL_LINES_MAX);
	assert_int_equal(state->model.line_dropped, 100);
	assert_int_equal(model_line_at(&state->model, 0)->text.bytes, strlen("line 100"));
	assert_memory_equal(model_line_at(&state->model, 0)->text.data, "line 100", 8);
	char big[4000];
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	for (unsigned i = 0; i < 3000; i++)
		data_send_line(state, "12:03:00.000", "n03", "8f21c07e", "o", big);
	assert_true(state->model.line_bytes <= MODEL_LINES_BYTES_MAX);
	data_free(state);
}

static void a_line_of_the_log_is_kept_without_its_end(void **unused)
{
	(void)unused;
	struct state *state = data_state(24, 80);
	update_key(state, '4', DATA_MONO_MS);
	update_log_link_up(state, DATA_MONO_MS);
	data_send_line(state, "12:03:00.000", "n03", "8f21c07e", "o", "with\n");
	data_send_line(state, "12:03:00.000", "n03", "8f21c07e", "o", "without");
	assert_int_equal(model_line_at(&state->model, 0)->text.bytes, strlen("with"));
	assert_int_equal(model_line_at(&state->model, 1)->text.bytes, strlen("without"));
	data_free(state);
}

static void every_failing_allocation_is_survived(void **unused)
{
	(void)unused;
	for (int n = 0; n < 40; n++) {
		struct state *state = data_empty_state(24, 80);
		state->model.resize = failing_resize;
		state->model.jobs.resize = state->model.runs.resize = failing_resize;
		allocations_left = n;
		const struct data_job job = {"a/b", "idle", "n1",     "12:00:00", "ran-ok",
					     NULL,  5,      ROW_NONE, "@daily",   "."};
		const struct data_run run = {"01234567", "a/b",          "n1",     "started", NULL,
					     NULL,       "12:00:00.001", ROW_NONE, 0};
		data_send_job(state, &job);
		data_send_run(state, &run);
		update_key(state, '3', DATA_MONO_MS);
		update_key(state, KEY_CODE_ENTER, DATA_MONO_MS);
		update_key(state, 'l', DATA_MONO_MS);
		update_log_link_up(state, DATA_MONO_MS);
		data_send_line(state, "12:03:00.000", "n03", "8f21c07e", "o", "text");
		update_key(state, 'k', DATA_MONO_MS);
		data_free(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(row_has_nothing_for_what_is_absent_or_of_another_type),
		cmocka_unit_test(list_of_texts_becomes_one),
		cmocka_unit_test(broken_rows_are_refused),
		cmocka_unit_test(row_without_memory_is_refused),
		cmocka_unit_test(table_keeps_the_order_of_keys),
		cmocka_unit_test(full_table_refuses_a_new_row_but_not_a_change),
		cmocka_unit_test(load_in_any_order_is_sorted_and_sweeps_what_did_not_come),
		cmocka_unit_test(gone_rows_go),
		cmocka_unit_test(strange_rows_are_counted_and_nothing_more),
		cmocka_unit_test(finished_runs_are_forgotten_after_a_minute),
		cmocka_unit_test(log_keeps_the_newest_lines_within_its_bound),
		cmocka_unit_test(a_line_of_the_log_is_kept_without_its_end),
		cmocka_unit_test(every_failing_allocation_is_survived),
	};
	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
