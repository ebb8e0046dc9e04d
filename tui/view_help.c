/* The help overlay, made from the table of keys. */
#include <stdio.h>
#include <string.h>

#include "tui/keys.h"
#include "tui/view.h"

#define COLUMN_CELLS 33
#define LINES_MAX 160

/* One line of the help: a title, a key, or a blank. */
struct line {
	const char *title;
	const struct key_entry *entry;
};

static bool is_wanted(const struct key_entry *entry, const char *filter)
{
	return filter[0] == '\0' || show_find(entry->help, filter) != NULL ||
	       show_find(entry->shown, filter) != NULL;
}

static int list_lines(const struct state *state, struct line lines[LINES_MAX])
{
	int count = 0;
	for (int section = 0; section < KEY_SECTION_COUNT; section++) {
		int begin = count;
		for (size_t i = 0; i < key_count && count + 3 < LINES_MAX; i++) {
			const struct key_entry *entry = &key_table[i];
			if ((int)entry->section != section || !is_wanted(entry, state->help_filter))
				continue;
			if (count == begin)
				lines[count++] = (struct line){
					.title = key_section_title((enum key_section)section)};
			lines[count++] = (struct line){.entry = entry};
		}
		if (count > begin)
			lines[count++] = (struct line){0};
	}
	return count;
}

static void paint_line(struct cells *cells, int row, int column, int width, const struct line *line,
		       bool is_read_only)
{
	if (line->title != NULL) {
		cells_text(cells, row, column, width, line->title, ROLE_NORMAL, CELL_BOLD);
		return;
	}
	if (line->entry == NULL)
		return;
	/* Grey is what does nothing here. */
	bool is_off = line->entry->section == KEY_SECTION_LATER ||
		      (is_read_only && line->entry->section == KEY_SECTION_ACT);
	enum role role = is_off ? ROLE_UNKNOWN : ROLE_NORMAL;
	cells_fit(cells, row, column + 1, 8, line->entry->shown, role, 0);
	cells_fit(cells, row, column + 10, width - 11, line->entry->help, role, 0);
}

void view_help(const struct state *state, struct cells *cells)
{
	static const char *const places[PLACE_COUNT] = {"Jobs", "Nodes", "Snapshot", "Logs",
							"Job",  "Node",  "Run"};
	struct line lines[LINES_MAX];
	int count = list_lines(state, lines);
	int body = 3;
	int rows = cells->rows - body - 2;
	char left[VIEW_TEXT_BYTES];
	const char *hint = cells->columns >= 60 ? "type to search the keys   Esc closes "
						: "Esc closes ";
	if (state->help_filter[0] != '\0')
		(void)snprintf(left, sizeof(left), " Help > %s > %s", places[state_place(state)],
			       state->help_filter);
	else
		(void)snprintf(left, sizeof(left), " Help > %s", places[state_place(state)]);
	view_sides(cells, 1, left, hint, ROLE_NORMAL, CELL_BOLD);
	if (rows < 1)
		return;
	int column_count = cells->columns / COLUMN_CELLS;
	column_count = column_count < 1 ? 1 : column_count > 3 ? 3 : column_count;
	int width = cells->columns / column_count;
	int page = rows * column_count;
	int top = (int)state->help_top;
	if (top > count - page)
		top = count > page ? count - page : 0;
	for (int i = 0; i < page && top + i < count; i++)
		paint_line(cells, body + i % rows, 1 + i / rows * width, width - 1, &lines[top + i],
			   state->is_read_only);
	char text[VIEW_TEXT_BYTES];
	(void)snprintf(text, sizeof(text), " %s%s",
		       count == 0 ? "no key with this text" : "Colours are also words. ",
		       top + page < count ? "Down shows more." : "");
	cells_text(cells, cells->rows - 2, 0, cells->columns, text, ROLE_NORMAL, 0);
}
