/* The grid of cells: width, cutting, and what never reaches a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "tui/cells.h"

#define ROWS 2
#define COLUMNS 10

static struct cell memory[ROWS * COLUMNS];

static struct cells make_cells(bool is_ascii)
{
	struct cells cells;
	cells_init(&cells, memory, ROWS, COLUMNS, is_ascii);
	return cells;
}

static void check_text(const struct cells *cells, const char *expected)
{
	char text[1024];
	struct buf buf;
	buf_init(&buf, text, sizeof(text) - 1);
	cells_print(cells, &buf);
	text[buf.bytes] = '\0';
	assert_string_equal(text, expected);
}

static void text_is_cut_at_its_width(void **unused)
{
	(void)unused;
	struct cells cells = make_cells(false);
	assert_int_equal(cells_text(&cells, 0, 1, 4, "abcdef", ROLE_OK, 0), 4);
	check_text(&cells, " abcd\n\n");
	assert_int_equal(cells_at(&cells, 0, 1)->role, ROLE_OK);
	assert_int_equal(cells_at(&cells, 0, 5)->role, ROLE_NORMAL);
}

static void what_lies_outside_is_not_written(void **unused)
{
	(void)unused;
	struct cells cells = make_cells(false);
	assert_int_equal(cells_text(&cells, 5, 0, 4, "abc", ROLE_OK, 0), 0);
	assert_int_equal(cells_text(&cells, -1, 0, 4, "abc", ROLE_OK, 0), 0);
	assert_int_equal(cells_text(&cells, 0, 10, 4, "abc", ROLE_OK, 0), 0);
	assert_int_equal(cells_text(&cells, 0, 0, -4, "abc", ROLE_OK, 0), 0);
	assert_int_equal(cells_text(&cells, 1, 8, 9, "abc", ROLE_OK, 0), 2);
	cells_fill(&cells, 0, -3, 5, '#', ROLE_OK, 0);
	cells_flag(&cells, 0, -3, 50, CELL_BOLD);
	check_text(&cells, "##\n        ab\n");
}

static void wide_characters_take_two_cells_or_none(void **unused)
{
	(void)unused;
	struct cells cells = make_cells(false);
	assert_int_equal(
		cells_text(&cells, 0, 0, 5, "a\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", ROLE_NORMAL, 0), 5);
	assert_int_equal(cells_at(&cells, 0, 1)->width, 2);
	assert_int_equal(cells_at(&cells, 0, 2)->width, 0);
	/* The third one would need a sixth cell. */
	assert_int_equal(
		cells_text(&cells, 1, 0, 4, "a\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", ROLE_NORMAL, 0), 3);
	check_text(&cells, "a\xe6\x97\xa5\xe6\x9c\xac\na\xe6\x97\xa5\n");
}

static void half_of_a_wide_character_never_stays(void **unused)
{
	(void)unused;
	struct cells cells = make_cells(false);
	cells_text(&cells, 0, 0, 4, "\xe6\x97\xa5\xe6\x9c\xac", ROLE_NORMAL, 0);
	cells_text(&cells, 0, 1, 1, "x", ROLE_NORMAL, 0);
	check_text(&cells, " x\xe6\x9c\xac\n\n");
	cells_text(&cells, 0, 2, 1, "y", ROLE_NORMAL, 0);
	check_text(&cells, " xy\n\n");
	/* A wide one over the halves of two others. */
	cells_text(&cells, 1, 0, 4, "\xe6\x97\xa5\xe6\x9c\xac", ROLE_NORMAL, 0);
	cells_text(&cells, 1, 1, 2, "\xe8\xaa\x9e", ROLE_NORMAL, 0);
	check_text(&cells, " xy\n \xe8\xaa\x9e\n");
}

static void controls_are_shown_not_sent(void **unused)
{
	(void)unused;
	struct cells cells = make_cells(false);
	cells_text(&cells, 0, 0, 10, "\x1b[31m\t\x7f", ROLE_NORMAL, 0);
	cells_put(&cells, 1, 0, 10, slice_of("a\0b", 3), ROLE_NORMAL, 0);
	check_text(&cells, "^[[31m^I^?\na\xef\xbf\xbd"
			   "b\n");
	for (int i = 0; i < ROWS * COLUMNS; i++)
		assert_true(memory[i].character == 0 || memory[i].character >= 0x20);
}

static void bad_bytes_and_turned_text_become_replacements(void **unused)
{
	(void)unused;
	struct cells cells = make_cells(false);
	cells_text(&cells, 0, 0, 10,
		   "a\xff\xc2\x9b"
		   "b\xe2\x80\xae"
		   "c",
		   ROLE_NORMAL, 0);
	check_text(&cells, "a\xef\xbf\xbd\xef\xbf\xbd"
			   "b\xef\xbf\xbd"
			   "c\n\n");
}

static void marks_stay_with_their_letter_and_joiners_go(void **unused)
{
	(void)unused;
	struct cells cells = make_cells(false);
	assert_int_equal(
		cells_text(&cells, 0, 0, 10, "e\xcc\x81x\xe2\x80\x8dy\xef\xb8\x8f", ROLE_NORMAL, 0), 3);
	check_text(&cells, "e\xcc\x81xy\n\n");
	/* More marks than a cell keeps are left out; one without a letter too. */
	cells_text(&cells, 1, 0, 10,
		   "\xcc\x81"
		   "a\xcc\x81\xcc\x82\xcc\x83z",
		   ROLE_NORMAL, 0);
	check_text(&cells, "e\xcc\x81xy\na\xcc\x81\xcc\x82z\n");
}

static void ascii_shows_one_sign_per_character(void **unused)
{
	(void)unused;
	struct cells cells = make_cells(true);
	assert_int_equal(cells_text(&cells, 0, 0, 10,
				    "a\xe6\x97\xa5\xc3\xa9"
				    "e\xcc\x81z",
				    ROLE_NORMAL, 0),
			 5);
	check_text(&cells, "a??ez\n\n");
	assert_int_equal(cells_width(slice_str("a\xe6\x97\xa5\xc3\xa9"), true), 3);
	assert_int_equal(cells_width(slice_str("a\xe6\x97\xa5\xc3\xa9"), false), 4);
}

static void long_text_ends_in_a_tilde_and_right_is_right(void **unused)
{
	(void)unused;
	struct cells cells = make_cells(false);
	cells_fit(&cells, 0, 0, 5, "abcdefgh", ROLE_NORMAL, 0);
	cells_right(&cells, 0, 5, 5, "xy", ROLE_NORMAL, 0);
	cells_fit(&cells, 1, 0, 4, "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", ROLE_NORMAL, 0);
	cells_right(&cells, 1, 5, 3, "12345", ROLE_NORMAL, 0);
	check_text(&cells, "abcd~   xy\n\xe6\x97\xa5~  123\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_cut_at_its_width),
		cmocka_unit_test(what_lies_outside_is_not_written),
		cmocka_unit_test(wide_characters_take_two_cells_or_none),
		cmocka_unit_test(half_of_a_wide_character_never_stays),
		cmocka_unit_test(controls_are_shown_not_sent),
		cmocka_unit_test(bad_bytes_and_turned_text_become_replacements),
		cmocka_unit_test(marks_stay_with_their_letter_and_joiners_go),
		cmocka_unit_test(ascii_shows_one_sign_per_character),
		cmocka_unit_test(long_text_ends_in_a_tilde_and_right_is_right),
	};
	return cmocka_run_group_tests_name("cells", tests, NULL, NULL);
}
