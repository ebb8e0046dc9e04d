/* Tables: which columns there is room for, and rows in them. */
#include <assert.h>
#include <string.h>

#include "tui/view.h"

#define TITLES_COLUMNS_MIN 60 /* narrower screens have no row for titles */

/* Ranks are few and small: the columns are tried in their order. */
#define RANK_MAX COLUMNS_MAX

static bool is_skipped(int index, int skipped_count)
{
	return index >= 1 && index <= skipped_count;
}

static int choose(const struct column *columns, int count, int width, int skipped_count,
		  struct column_place places[COLUMNS_MAX])
{
	int left = width - 1;
	int hidden = 0;
	bool is_full = false;
	for (int i = 0; i < count; i++)
		places[i] = (struct column_place){0};
	for (int rank = 1; rank <= RANK_MAX; rank++) {
		for (int i = 0; i < count; i++) {
			if (columns[i].rank != rank)
				continue;
			int needed = columns[i].width_min + (left == width - 1 ? 0 : 1);
			if (is_skipped(i, skipped_count) || is_full || (needed > left && rank > 1)) {
				/* Lower ranks do not slip into what a higher one left: columns would jump about. */
				is_full = is_full || !is_skipped(i, skipped_count);
				hidden++;
				continue;
			}
			places[i].width = columns[i].width_min < left ? columns[i].width_min : left;
			left -= needed;
		}
	}
	for (int rank = 1; rank <= RANK_MAX && left > 0; rank++) {
		for (int i = 0; i < count; i++) {
			if (columns[i].grow_rank != rank || places[i].width == 0)
				continue;
			int more = columns[i].width_max - places[i].width;
			more = more < left ? more : left;
			places[i].width += more > 0 ? more : 0;
			left -= more > 0 ? more : 0;
		}
	}
	return hidden;
}

int view_columns(const struct column *columns, int count, int width, int skipped_count,
		 struct column_place ret_places[COLUMNS_MAX])
{
	assert(count <= COLUMNS_MAX);
	int hidden = choose(columns, count, width, 0, ret_places);
	/* Scrolling further than to the last column would show less, not more. */
	if (skipped_count > hidden)
		skipped_count = hidden;
	if (skipped_count > 0)
		hidden = choose(columns, count, width, skipped_count, ret_places);
	/* The sign of what is hidden stands at the right end, where a right-aligned title would be under it. */
	int last = count - 1;
	while (last > 0 && ret_places[last].width == 0)
		last--;
	if (hidden > 0 && columns[last].is_right && width >= TITLES_COLUMNS_MIN)
		hidden = choose(columns, count, width - 3, skipped_count, ret_places);
	int at = 1;
	for (int i = 0; i < count; i++) {
		ret_places[i].at = at;
		if (ret_places[i].width > 0)
			at += ret_places[i].width + 1;
	}
	return hidden;
}

static void highlight(struct cells *cells, int row, int column, int width, const char *text,
		      const char *needle)
{
	if (needle[0] == '\0')
		return;
	const char *hit = show_find(text, needle);
	if (hit == NULL)
		return;
	struct slice before = {.data = (const uint8_t *)text, .bytes = (size_t)(hit - text)};
	struct slice found = {.data = (const uint8_t *)hit, .bytes = strlen(needle)};
	int begin = cells_width(before, cells->is_ascii);
	int end = begin + cells_width(found, cells->is_ascii);
	for (int i = begin; i < end && i < width && column + i < cells->columns; i++)
		cells_at(cells, row, column + i)->role = ROLE_HIT;
}

void view_table_row(const struct table_view *table, struct cells *cells, int row, int width,
		    int skipped_count, const struct row *shown, bool is_selected)
{
	struct column_place places[COLUMNS_MAX];
	(void)view_columns(table->columns, table->column_count, width, skipped_count, places);
	for (int i = 0; i < table->column_count; i++) {
		if (places[i].width == 0)
			continue;
		struct cell_text cell = {.role = ROLE_NORMAL};
		table->cell(table, shown, i, places[i].width, &cell);
		if (table->columns[i].is_right)
			cells_right(cells, row, places[i].at, places[i].width, cell.text, cell.role,
				    cell.flags);
		else
			cells_fit(cells, row, places[i].at, places[i].width, cell.text, cell.role,
				  cell.flags);
		if (!table->columns[i].is_right)
			highlight(cells, row, places[i].at, places[i].width, cell.text,
				  table->state->search);
	}
	if (is_selected) {
		cells_text(cells, row, 0, 1, ">", ROLE_NORMAL, 0);
		cells_flag(cells, row, 0, width, CELL_REVERSE);
	}
	/* What was told before the link went may not be so any more. */
	if (table->state->link.state == LINK_LOST)
		cells_flag(cells, row, 0, width, CELL_DIM);
}

void view_titles(const struct table_view *table, struct cells *cells, int row, int width,
		 int skipped_count)
{
	struct column_place places[COLUMNS_MAX];
	int hidden = view_columns(table->columns, table->column_count, width, skipped_count, places);
	for (int i = 0; i < table->column_count; i++) {
		const char *title = table->columns[i].title;
		if (places[i].width == 0)
			continue;
		if (table->columns[i].is_right)
			cells_right(cells, row, places[i].at, places[i].width, title, ROLE_NORMAL,
				    CELL_BOLD);
		else
			cells_text(cells, row, places[i].at, places[i].width, title, ROLE_NORMAL,
				   CELL_BOLD);
	}
	if (hidden > 0) {
		char text[4] = {'+', (char)('0' + hidden % 10), '\0'};
		cells_right(cells, row, width - 3, 3, text, ROLE_NORMAL, CELL_BOLD);
	}
}

void view_table(struct state *state, struct cells *cells, const struct table_view *table, int row,
		int rows, int width)
{
	const struct cursor *cursor = state_cursor(state);
	int end = row + rows;
	if (width >= TITLES_COLUMNS_MIN || cells->columns >= TITLES_COLUMNS_MIN) {
		view_titles(table, cells, row, width, cursor->skipped_columns);
		row++;
	}
	for (size_t line = cursor->top; row < end; line++, row++) {
		size_t index = order_index_of_line(state, line);
		const struct row *shown = index == SIZE_MAX ? NULL : order_row(state, index);
		if (shown != NULL)
			view_table_row(table, cells, row, width, cursor->skipped_columns, shown,
				       index == cursor->index);
		else if (index != SIZE_MAX)
			break;
	}
}
