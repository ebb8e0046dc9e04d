/* The log: a strip of time, and lines merged over runs and nodes. */
#include <stdio.h>
#include <string.h>

#include "tui/view.h"

#define STRIP_CELLS 36
#define NODE_CELLS_MAX 12

/* What stands left of the text: time, node, run, stream. */
struct margin {
	int node_width;
	int width;
	bool has_node;
	bool has_run;
	bool has_ms;
};

static struct margin margin_of(const struct state *state, int columns)
{
	struct margin margin = {.node_width = 3};
	for (size_t i = 0; i < state->model.nodes.count; i++) {
		const struct node_row *node = (const struct node_row *)state->model.nodes.rows[i];
		int width = cells_width(slice_str(node->name), state->is_ascii);
		if (width > margin.node_width)
			margin.node_width = width < NODE_CELLS_MAX ? width : NODE_CELLS_MAX;
	}
	margin.has_ms = columns >= 60;
	margin.has_node = columns >= 60;
	margin.has_run = columns >= 80;
	margin.width = (margin.has_ms ? 12 : 8) + 1 +
		       (margin.has_node ? margin.node_width + 1 : 0) + (margin.has_run ? 9 : 0) + 3;
	return margin;
}

static enum role stream_role(const char *stream)
{
	if (strcmp(stream, "e") == 0)
		return ROLE_WARN;
	return strcmp(stream, "!") == 0 ? ROLE_ASIDE : ROLE_NORMAL;
}

static void paint_margin(struct cells *cells, int row, const struct margin *margin,
			 const struct line_row *line)
{
	show_text clock;
	if (margin->has_ms)
		show_clock_ms(line->t_at, clock);
	else
		show_clock(line->t_at, clock);
	int at = cells_text(cells, row, 0, 12, clock, ROLE_NORMAL, CELL_DIM) + 1;
	if (margin->has_node) {
		cells_fit(cells, row, at, margin->node_width, line->node, ROLE_NORMAL, CELL_DIM);
		at += margin->node_width + 1;
	}
	if (margin->has_run) {
		cells_fit(cells, row, at, 8, line->short_id, ROLE_NORMAL, CELL_DIM);
		at += 9;
	}
	cells_text(cells, row, at, 1, line->stream, stream_role(line->stream), 0);
	cells_text(cells, row, at + 1, 1, "|", ROLE_NORMAL, CELL_DIM);
}

/* The bytes of `text` behind its first `skipped` cells. */
static struct slice skip_cells(struct slice text, int skipped, bool is_ascii)
{
	while (skipped > 0 && text.bytes > 0) {
		size_t bytes = 1;
		while (bytes < text.bytes && (text.data[bytes] & 0xc0u) == 0x80u)
			bytes++;
		skipped -= cells_width(slice_of(text.data, bytes), is_ascii);
		text.data += bytes;
		text.bytes -= bytes;
	}
	return text;
}

static void mark_hits(struct cells *cells, int row, int column, const char *needle)
{
	/* Cells, not bytes: what is marked is what is seen. */
	size_t length = strlen(needle);
	for (int at = column; length > 0 && at + (int)length <= cells->columns; at++) {
		size_t i = 0;
		while (i < length) {
			uint32_t c = cells_at(cells, row, at + (int)i)->character;
			uint32_t wanted = (unsigned char)needle[i];
			if (c >= 'A' && c <= 'Z')
				c += 'a' - 'A';
			if (wanted >= 'A' && wanted <= 'Z')
				wanted += 'a' - 'A';
			if (c != wanted)
				break;
			i++;
		}
		for (size_t j = 0; i == length && j < length; j++)
			cells_at(cells, row, at + (int)j)->role = ROLE_HIT;
	}
}

/* Draws one line from `row` on and returns the rows that it took; not more than `rows`. */
static int paint_line(const struct state *state, struct cells *cells, int row, int rows,
		      const struct margin *margin, const struct line_row *line, bool is_hit)
{
	struct slice text = skip_cells(line->text, state->log.is_wrapped ? 0 : state->log.column,
				       cells->is_ascii);
	enum role role = stream_role(line->stream);
	int width = cells->columns - margin->width;
	int used = 0;
	paint_margin(cells, row, margin, line);
	do {
		/* What follows on the next row keeps the left column free. */
		struct slice rest = text;
		int cell_count = cells_put(cells, row + used, margin->width, width, text, role, 0);
		rest = skip_cells(text, cell_count, cells->is_ascii);
		mark_hits(cells, row + used, margin->width, state->search);
		if (is_hit)
			cells_flag(cells, row + used, 0, cells->columns, CELL_REVERSE);
		used++;
		if (rest.bytes == text.bytes)
			break;
		text = rest;
	} while (state->log.is_wrapped && text.bytes > 0 && used < rows && width > 0);
	return used;
}

static int line_height(const struct state *state, const struct line_row *line, int width)
{
	if (!state->log.is_wrapped || width <= 0)
		return 1;
	int cell_count = cells_width(line->text, state->is_ascii);
	/* A wide character that does not fit at the end of a row moves on: at most one cell a row. */
	return cell_count <= width ? 1 : (cell_count + width - 2) / (width - 1 > 0 ? width - 1 : 1);
}

static size_t first_line(const struct state *state, int rows, int width)
{
	size_t count = state->model.line_count;
	if (!state->log.is_following)
		return state->log.top < count ? state->log.top : count;
	size_t at = count;
	int used = 0;
	while (at > 0) {
		used += line_height(state, model_line_at(&state->model, at - 1), width);
		if (used > rows && at < count)
			break;
		at--;
	}
	return at;
}

/* "12:03 ....:...X.XX 12:04": how many lines fell into each part of the loaded time; X: errors among them. */
static void paint_strip(const struct state *state, struct cells *cells, int row)
{
	const struct model *model = &state->model;
	if (model->line_count == 0)
		return;
	int64_t begin_ms = model_line_at(model, 0)->t_at;
	int64_t end_ms = model_line_at(model, model->line_count - 1)->t_at;
	if (begin_ms == ROW_NONE || end_ms < begin_ms)
		return;
	size_t counts[STRIP_CELLS] = {0};
	bool has_error[STRIP_CELLS] = {false};
	size_t most = 1;
	for (size_t i = 0; i < model->line_count; i++) {
		const struct line_row *line = model_line_at(model, i);
		if (line->t_at < begin_ms || line->t_at > end_ms)
			continue;
		size_t cell = (size_t)((line->t_at - begin_ms) * (STRIP_CELLS - 1) /
				       (end_ms > begin_ms ? end_ms - begin_ms : 1));
		counts[cell]++;
		has_error[cell] = has_error[cell] || strcmp(line->stream, "e") == 0;
		most = counts[cell] > most ? counts[cell] : most;
	}
	show_text begin;
	show_text end;
	show_clock(begin_ms, begin);
	show_clock(end_ms, end);
	int at = 1 + cells_text(cells, row, 1, 8, begin, ROLE_NORMAL, CELL_DIM) + 1;
	for (int i = 0; i < STRIP_CELLS; i++) {
		char mark[2] = {' ', '\0'};
		if (has_error[i])
			mark[0] = 'X';
		else if (counts[i] > 0)
			mark[0] = counts[i] * 2 > most ? ':' : '.';
		cells_text(cells, row, at + i, 1, mark, has_error[i] ? ROLE_BAD : ROLE_NORMAL, 0);
	}
	at += STRIP_CELLS + 1;
	at += cells_text(cells, row, at, 8, end, ROLE_NORMAL, CELL_DIM);
	const char *legend = "X = error lines   { } prev/next error ";
	int width = (int)strlen(legend);
	if (at + width < cells->columns)
		cells_text(cells, row, cells->columns - width, width, legend, ROLE_NORMAL, CELL_DIM);
}

static void paint_path(const struct state *state, struct cells *cells, int row)
{
	char left[VIEW_TEXT_BYTES];
	char right[VIEW_TEXT_BYTES];
	char follow[64];
	show_text held;
	show_text count;
	show_count((int64_t)state->log.held_count, held);
	show_count((int64_t)state->model.line_count, count);
	if (!state->log.is_following)
		(void)snprintf(follow, sizeof(follow), "HELD +%s new", held);
	else
		(void)snprintf(follow, sizeof(follow), "%s", state->log.has_ended ? "END" : "FOLLOW");
	const char *source = state->log.generation == 0 ? "nothing chosen" : state->log.shown;
	if (cells->columns >= 80) {
		(void)snprintf(left, sizeof(left), " Logs > %s > out+err", source);
		(void)snprintf(right, sizeof(right), "%s  wrap %s  %s lines", follow,
			       state->log.is_wrapped ? "on" : "off", count);
	} else {
		(void)snprintf(left, sizeof(left), "Logs %s", source);
		(void)snprintf(right, sizeof(right), "%s %s", follow, count);
	}
	int right_width = cells_width(slice_str(right), cells->is_ascii);
	cells_fit(cells, row, 0, cells->columns - right_width - 2, left, ROLE_NORMAL, CELL_BOLD);
	cells_right(cells, row, cells->columns - right_width - 1, right_width, right,
		    state->log.is_following ? ROLE_NORMAL : ROLE_WARN, CELL_BOLD);
}

void view_logs(struct state *state, struct cells *cells, int64_t now_mono_ms)
{
	(void)now_mono_ms;
	int row = state_body_row(state);
	int end = row + state_body_rows(state);
	struct margin margin = margin_of(state, cells->columns);
	paint_path(state, cells, row - 1);
	if (cells->columns >= 60)
		paint_strip(state, cells, row++);
	size_t at = first_line(state, end - row, cells->columns - margin.width);
	for (; row < end && at < state->model.line_count; at++)
		row += paint_line(state, cells, row, end - row, &margin,
				  model_line_at(&state->model, at), at == state->log.cursor);
	const char *nothing = state->log.has_ended ? "no output is kept" : "no line yet";
	if (state->log.source[0] == '\0')
		nothing = "no job or run was chosen: l on its row opens its log";
	if (state->model.line_count == 0 && row < end)
		cells_text(cells, row++, 0, cells->columns, nothing, ROLE_UNKNOWN, 0);
	for (; row < end; row++)
		cells_text(cells, row, 0, 1, "~", ROLE_UNKNOWN, 0);
}
