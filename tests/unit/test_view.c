/* Screens as text, compared with the stored ones in tests/screen/expected.
 *
 * When a screen has changed on purpose: SCREEN_UPDATE=1 build/release/unit/test_view, then read the difference. */
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

#define SCREEN_BYTES_MAX (256u << 10)

static void check_screen(struct state *state, const char *name)
{
	char path[256];
	struct cells cells;
	void *memory = malloc(cells_bytes(state->rows, state->columns));
	char *text = malloc(SCREEN_BYTES_MAX);
	assert_non_null(memory);
	assert_non_null(text);
	cells_init(&cells, memory, state->rows, state->columns, state->is_ascii);
	view_paint(state, &cells, DATA_MONO_MS + 300);
	struct buf buf;
	buf_init(&buf, text, SCREEN_BYTES_MAX - 1);
	cells_print(&cells, &buf);
	assert_false(buf.has_overflowed);
	text[buf.bytes] = '\0';
	(void)snprintf(path, sizeof(path), "tests/screen/expected/%s-%dx%d.txt", name,
		       state->columns, state->rows);
	if (getenv("SCREEN_UPDATE") != NULL) {
		FILE *file = fopen(path, "w");
		assert_non_null(file);
		assert_int_equal(fwrite(text, 1, buf.bytes, file), buf.bytes);
		assert_int_equal(fclose(file), 0);
	} else {
		FILE *file = fopen(path, "r");
		if (file == NULL)
			fail_msg("%s is not there: SCREEN_UPDATE=1 writes it", path);
		char *expected = calloc(1, SCREEN_BYTES_MAX);
		assert_non_null(expected);
		size_t bytes = fread(expected, 1, SCREEN_BYTES_MAX - 1, file);
		assert_true(bytes < SCREEN_BYTES_MAX - 1);
		(void)fclose(file);
		if (strcmp(expected, text) != 0)
			fail_msg("%s: the screen differs; it is now:\n%s", path, text);
		free(expected);
	}
	free(memory);
	free(text);
}

static const struct {
	int rows;
	int columns;
} sizes[] = {{30, 100}, {24, 80}, {12, 40}, {5, 29}, {45, 140}, {5, 20}, {3, 10}};
#define SIZE_COUNT (sizeof(sizes) / sizeof(sizes[0]))

static void press(struct state *state, const char *keys)
{
	for (; *keys != '\0'; keys++)
		update_key(state, *keys == '\n' ? KEY_CODE_ENTER : (unsigned char)*keys, DATA_MONO_MS);
}

static void check_sizes(const char *keys, const char *name, void (*prepare)(struct state *state))
{
	for (size_t i = 0; i < SIZE_COUNT; i++) {
		struct state *state = data_state(sizes[i].rows, sizes[i].columns);
		press(state, keys);
		if (prepare != NULL)
			prepare(state);
		check_screen(state, name);
		data_free(state);
	}
}

static void jobs_fit_every_size(void **unused)
{
	(void)unused;
	check_sizes("jj", "jobs", NULL);
}

static void nodes_fit_every_size(void **unused)
{
	(void)unused;
	check_sizes("2", "nodes", NULL);
}

static void snapshot_fits_every_size(void **unused)
{
	(void)unused;
	check_sizes("3", "snapshot", NULL);
}

static void open_pane(struct state *state)
{
	update_key(state, KEY_CODE_RIGHT, DATA_MONO_MS);
}

static void snapshot_opens_what_is_claimed(void **unused)
{
	(void)unused;
	check_sizes("3", "snapshot-open", open_pane);
}

static void send_lines(struct state *state)
{
	update_log_link_up(state, DATA_MONO_MS);
	data_send_line(state, "12:03:00.021", "n03", "8f21c07e", "o", "batch 500 starting, part 3 of 8");
	data_send_line(state, "12:03:00.107", "n03", "8f21c07e", "o", "db ok 12 ms, queue 1,204");
	data_send_line(
		state, "12:03:19.555", "n03", "8f21c07e", "e",
		"warn: glyph cache 210M, consider --cache-limit, or fewer fonts: \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e takes the most of it");
	data_send_line(state, "12:03:33.011", "n29", "8f21c0a1", "o",
		       "\x1b[31mred\x1b[0m\ttab \xff bad \xe2\x80\xae turned");
	data_send_line(state, "12:03:41.203", "n03", "8f21c07e", "!",
		       "failed(oom) after 41.2 s, attempt 1");
}

static void logs_fit_every_size(void **unused)
{
	(void)unused;
	check_sizes("jl", "logs", send_lines);
}

static void wrap_lines(struct state *state)
{
	send_lines(state);
	press(state, "w");
}

static void logs_wrap_beside_the_left_column(void **unused)
{
	(void)unused;
	check_sizes("jl", "logs-wrapped", wrap_lines);
}

static void answer_show(struct state *state)
{
	uint8_t memory[1024];
	struct buf buf;
	buf_init(&buf, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&buf);
	wire_map_text(&map, &buf, "owner", "bill");
	wire_map_text(&map, &buf, "by", "kim");
	wire_map_text(&map, &buf, "proposer", "n03");
	wire_map_text(&map, &buf, "epoch", "7.0");
	wire_map_i64(&map, &buf, "arc", 0x3fa);
	wire_map_i64(&map, &buf, "changed_at", DATA_UTC_MS - 2 * 24 * 3600 * 1000LL);
	wire_map_key(&map, &buf, "set");
	wire_put_array(&buf, 3);
	wire_put_text(&buf, "n03");
	wire_put_text(&buf, "n29");
	wire_put_text(&buf, "n12");
	wire_map_key(&map, &buf, "next");
	wire_put_array(&buf, 3);
	wire_put_i64(&buf, data_at("12:06:00", 0));
	wire_put_i64(&buf, data_at("12:09:00", 0));
	wire_put_i64(&buf, data_at("12:12:00", 0));
	wire_map_end(&map, &buf);
	data_send(state, data_seq(state, PURPOSE_SHOW), 1, buf_slice(&buf));
}

static void job_page_fits_every_size(void **unused)
{
	(void)unused;
	check_sizes("j\n", "job", answer_show);
}

static void node_page_fits_every_size(void **unused)
{
	(void)unused;
	check_sizes("2jjj\n", "node", NULL);
}

static void run_page_fits_every_size(void **unused)
{
	(void)unused;
	check_sizes("3jjjjjj\n", "run", NULL);
}

static void help_fits_every_size(void **unused)
{
	(void)unused;
	check_sizes("?", "help", NULL);
}

static void questions_show_their_choice_at_every_size(void **unused)
{
	(void)unused;
	check_sizes("jjx", "question", NULL);
}

static void lose_link(struct state *state)
{
	update_link_lost(state, DATA_MONO_MS - 12000, DATA_MONO_MS + 1000, 5);
	state->link.heard_mono_ms = DATA_MONO_MS - 12000;
}

static void lost_link_is_in_the_bar(void **unused)
{
	(void)unused;
	check_sizes("", "lost", lose_link);
}

static void search_stands_in_the_message_row(void **unused)
{
	(void)unused;
	check_sizes("/orders", "search", NULL);
}

static void set_ascii(struct state *state)
{
	state->is_ascii = true;
	press(state, "G");
}

static void ascii_has_one_sign_per_character(void **unused)
{
	(void)unused;
	check_sizes("", "ascii", set_ascii);
}

static void nothing_told_yet_is_said(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < SIZE_COUNT; i++) {
		struct state *state = data_empty_state(sizes[i].rows, sizes[i].columns);
		check_screen(state, "empty");
		data_free(state);
	}
}

static void every_place_paints_at_every_size(void **unused)
{
	(void)unused;
	static const char *const places[] = {"",    "2",  "3",   "jl",   "j\n",   "2\n",
					     "3\n", "?",  "jjx", "/ord", "3\n\n", "jl/b",
					     "#",   "3G", "G",   "2G"};
	void *memory = malloc(cells_bytes(60, 210));
	assert_non_null(memory);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct state *state = data_state(30, 100);
		press(state, places[i]);
		if (state->view == PLACE_LOGS)
			send_lines(state);
		for (int rows = 1; rows <= 60; rows += rows < 14 ? 1 : 13) {
			for (int columns = 1; columns <= 210; columns += columns < 45 ? 1 : 11) {
				struct cells cells;
				update_resize(state, rows, columns);
				cells_init(&cells, memory, rows, columns, false);
				view_paint(state, &cells, DATA_MONO_MS);
				/* A right half without its left one would shift the rest of the row. */
				for (int at = 0; at < rows * columns; at++) {
					if (cells.grid[at].width == 0)
						assert_true(at % columns > 0 &&
							    cells.grid[at - 1].width == 2);
					if (cells.grid[at].width == 2)
						assert_true(at % columns + 1 < columns &&
							    cells.grid[at + 1].width == 0);
				}
			}
		}
		data_free(state);
	}
	free(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_fit_every_size),
		cmocka_unit_test(nodes_fit_every_size),
		cmocka_unit_test(snapshot_fits_every_size),
		cmocka_unit_test(snapshot_opens_what_is_claimed),
		cmocka_unit_test(logs_fit_every_size),
		cmocka_unit_test(logs_wrap_beside_the_left_column),
		cmocka_unit_test(job_page_fits_every_size),
		cmocka_unit_test(node_page_fits_every_size),
		cmocka_unit_test(run_page_fits_every_size),
		cmocka_unit_test(help_fits_every_size),
		cmocka_unit_test(questions_show_their_choice_at_every_size),
		cmocka_unit_test(lost_link_is_in_the_bar),
		cmocka_unit_test(search_stands_in_the_message_row),
		cmocka_unit_test(ascii_has_one_sign_per_character),
		cmocka_unit_test(nothing_told_yet_is_said),
		cmocka_unit_test(every_place_paints_at_every_size),
	};
	return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
