/* The grid of cells: where text from outside becomes harmless, and columns stay columns. */
#include "tui/cells.h"

#include <assert.h>
#include <string.h>

#include "proto/text.h"

#define REPLACEMENT 0xfffdu

size_t cells_bytes(int rows, int columns)
{
	return (size_t)rows * (size_t)columns * sizeof(struct cell);
}

void cells_init(struct cells *cells, void *memory, int rows, int columns, bool is_ascii)
{
	assert(rows >= 1 && rows <= CELLS_ROWS_MAX);
	assert(columns >= 1 && columns <= CELLS_COLUMNS_MAX);
	*cells = (struct cells){.grid = memory, .rows = rows, .columns = columns, .is_ascii = is_ascii};
	cells_clear(cells);
}

void cells_clear(struct cells *cells)
{
	static const struct cell blank = {.character = ' ', .width = 1};
	size_t count = (size_t)cells->rows * (size_t)cells->columns;
	for (size_t i = 0; i < count; i++)
		cells->grid[i] = blank;
}

struct cell *cells_at(const struct cells *cells, int row, int column)
{
	assert(row >= 0 && row < cells->rows && column >= 0 && column < cells->columns);
	return &cells->grid[(size_t)row * (size_t)cells->columns + (size_t)column];
}

/* Joiners, selectors, tags and other invisible characters: terminals disagree about what they do to the width of
 * their neighbours, so none is sent. */
static bool is_invisible(uint32_t code_point)
{
	return (code_point >= 0x200bu && code_point <= 0x200du) ||
	       (code_point >= 0x2060u && code_point <= 0x2065u) ||
	       (code_point >= 0x206au && code_point <= 0x206fu) ||
	       (code_point >= 0xfe00u && code_point <= 0xfe0fu) || code_point == 0xfeffu ||
	       (code_point >= 0xe0000u && code_point <= 0xe0fffu);
}

/* What is shown for a code point: the characters (at most 2) and the cells that all of them take; 0 cells with a
 * character is a combining mark, 0 characters is nothing. */
struct shown {
	uint32_t characters[2];
	int count;
	int cells;
};

static struct shown shown_of(uint32_t code_point, bool is_ascii)
{
	if (code_point < 0x20u || code_point == 0x7fu)
		return (struct shown){{'^', code_point ^ 0x40u}, 2, 2};
	if (is_invisible(code_point))
		return (struct shown){{0}, 0, 0};
	int width = text_cells_of(code_point);
	if (width < 0 || text_is_reordering(code_point)) {
		code_point = REPLACEMENT;
		width = 1;
	}
	if (is_ascii && code_point > 0x7eu) {
		if (width == 0)
			return (struct shown){{0}, 0, 0};
		return (struct shown){{'?'}, 1, 1};
	}
	return (struct shown){{code_point}, 1, width};
}

/* A half of a wide character that is overwritten takes its other half along. */
static void mend_wide(struct cells *cells, int row, int column)
{
	struct cell *cell = cells_at(cells, row, column);
	if (cell->width == 2 && column + 1 < cells->columns) {
		cell[1].character = ' ';
		cell[1].width = 1;
	}
	if (cell->width == 0 && column > 0) {
		cell[-1].character = ' ';
		cell[-1].width = 1;
		memset(cell[-1].marks, 0, sizeof(cell[-1].marks));
	}
}

static void set_cell(struct cells *cells, int row, int column, uint32_t character, int width,
		     enum role role, unsigned flags)
{
	mend_wide(cells, row, column);
	*cells_at(cells, row, column) = (struct cell){.character = character,
						      .width = (uint8_t)width,
						      .role = (uint8_t)role,
						      .flags = (uint8_t)flags};
}

static void add_mark(struct cells *cells, int row, int column, uint32_t mark)
{
	if (column < 0 || column >= cells->columns)
		return;
	struct cell *cell = cells_at(cells, row, column);
	if (cell->width == 0 && column > 0)
		cell--;
	for (int i = 0; i < CELL_MARKS_MAX; i++) {
		if (cell->marks[i] == 0) {
			cell->marks[i] = mark;
			return;
		}
	}
}

int cells_put(struct cells *cells, int row, int column, int width, struct slice text,
	      enum role role, unsigned flags)
{
	if (row < 0 || row >= cells->rows || column >= cells->columns || width <= 0)
		return 0;
	int used = 0;
	while (text.bytes > 0) {
		struct shown shown = shown_of(text_next_code_point(&text), cells->is_ascii);
		if (shown.count == 1 && shown.cells == 0) {
			if (used > 0)
				add_mark(cells, row, column + used - 1, shown.characters[0]);
			continue;
		}
		if (used + shown.cells > width || column + used + shown.cells > cells->columns)
			break;
		for (int i = 0; i < shown.count; i++) {
			int at = column + used;
			int one = shown.cells / shown.count;
			used += one;
			if (at < 0)
				continue;
			set_cell(cells, row, at, shown.characters[i], one, role, flags);
			if (one == 2)
				set_cell(cells, row, at + 1, 0, 0, role, flags);
			/* Writing the right half mended the left one away: it is written again. */
			if (one == 2) {
				cells_at(cells, row, at)->character = shown.characters[i];
				cells_at(cells, row, at)->width = 2;
			}
		}
	}
	return used;
}

int cells_text(struct cells *cells, int row, int column, int width, const char *text,
	       enum role role, unsigned flags)
{
	return cells_put(cells, row, column, width, slice_str(text), role, flags);
}

int cells_width(struct slice text, bool is_ascii)
{
	int cells = 0;
	while (text.bytes > 0) {
		struct shown shown = shown_of(text_next_code_point(&text), is_ascii);
		cells += shown.cells;
	}
	return cells;
}

void cells_fill(struct cells *cells, int row, int column, int width, char character, enum role role,
		unsigned flags)
{
	if (row < 0 || row >= cells->rows)
		return;
	int begin = column < 0 ? 0 : column;
	for (int at = begin; at < column + width && at < cells->columns; at++)
		set_cell(cells, row, at, (unsigned char)character, 1, role, flags);
}

void cells_fit(struct cells *cells, int row, int column, int width, const char *text,
	       enum role role, unsigned flags)
{
	if (width <= 0)
		return;
	cells_fill(cells, row, column, width, ' ', role, flags);
	if (cells_width(slice_str(text), cells->is_ascii) <= width) {
		(void)cells_text(cells, row, column, width, text, role, flags);
		return;
	}
	int used = cells_text(cells, row, column, width - 1, text, role, flags);
	(void)cells_text(cells, row, column + used, 1, "~", role, flags);
}

void cells_right(struct cells *cells, int row, int column, int width, const char *text,
		 enum role role, unsigned flags)
{
	if (width <= 0)
		return;
	cells_fill(cells, row, column, width, ' ', role, flags);
	int needed = cells_width(slice_str(text), cells->is_ascii);
	int pad = needed < width ? width - needed : 0;
	(void)cells_text(cells, row, column + pad, width - pad, text, role, flags);
}

void cells_flag(struct cells *cells, int row, int column, int width, unsigned flags)
{
	if (row < 0 || row >= cells->rows)
		return;
	for (int at = column < 0 ? 0 : column; at < column + width && at < cells->columns; at++)
		cells_at(cells, row, at)->flags |= (uint8_t)flags;
}

bool cell_equal(const struct cell *a, const struct cell *b)
{
	return a->character == b->character && a->width == b->width && a->role == b->role &&
	       a->flags == b->flags && memcmp(a->marks, b->marks, sizeof(a->marks)) == 0;
}

static void put_utf8(struct buf *text, uint32_t code_point)
{
	if (code_point < 0x80u) {
		buf_put_u8(text, (uint8_t)code_point);
		return;
	}
	if (code_point < 0x800u) {
		buf_put_u8(text, (uint8_t)(0xc0u | code_point >> 6));
	} else {
		if (code_point < 0x10000u) {
			buf_put_u8(text, (uint8_t)(0xe0u | code_point >> 12));
		} else {
			buf_put_u8(text, (uint8_t)(0xf0u | code_point >> 18));
			buf_put_u8(text, (uint8_t)(0x80u | (code_point >> 12 & 0x3fu)));
		}
		buf_put_u8(text, (uint8_t)(0x80u | (code_point >> 6 & 0x3fu)));
	}
	buf_put_u8(text, (uint8_t)(0x80u | (code_point & 0x3fu)));
}

void cells_print(const struct cells *cells, struct buf *ret_text)
{
	for (int row = 0; row < cells->rows; row++) {
		int end = cells->columns;
		while (end > 0 && cells_at(cells, row, end - 1)->character == ' ')
			end--;
		for (int column = 0; column < end; column++) {
			const struct cell *cell = cells_at(cells, row, column);
			if (cell->width == 0)
				continue;
			put_utf8(ret_text, cell->character);
			for (int i = 0; i < CELL_MARKS_MAX && cell->marks[i] != 0; i++)
				put_utf8(ret_text, cell->marks[i]);
		}
		buf_put_u8(ret_text, '\n');
	}
}
