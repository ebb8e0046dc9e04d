/* The whole screen: bar, header, the place's own area, message row, key row. */
#include "tui/view.h"

#include <stdio.h>
#include <string.h>

static void describe_selected(struct state *state, char ret_text[VIEW_TEXT_BYTES])
{
	ret_text[0] = '\0';
	const struct row *row = order_selected(state);
	switch (state_place(state)) {
	case PLACE_JOBS:
		if (row != NULL)
			view_describe_job((const struct job_row *)row, ret_text);
		return;
	case PLACE_NODES:
		if (row != NULL)
			view_describe_node((const struct node_row *)row, ret_text);
		return;
	case PLACE_SNAPSHOT:
	case PLACE_JOB:
	case PLACE_NODE:
		view_describe_run((const struct run_row *)row, ret_text);
		return;
	case PLACE_LOGS:
		if (state->log.is_following)
			(void)snprintf(ret_text, VIEW_TEXT_BYTES,
				       "%s. Up k PgUp stop it, F or G go on.  /search  n N  w wrap%s",
				       state->log.has_ended ? "the end" : "following",
				       state->is_log_over ? "  Esc back" : "");
		else
			(void)snprintf(ret_text, VIEW_TEXT_BYTES,
				       "held. F or G follow again.  /search  n N  w wrap%s",
				       state->is_log_over ? "  Esc back" : "");
		return;
	case PLACE_RUN:
		(void)snprintf(ret_text, VIEW_TEXT_BYTES,
			       "l its log   x kill or cancel it   Enter its job   Esc back");
		return;
	case PLACE_COUNT:
		return;
	}
}

void view_question(const struct state *state, struct cells *cells, int row)
{
	/* What does not fit is cut in the middle of the words, never at the choice. */
	const char *choice = " y/N ";
	int width = cells->columns - 1 - (int)strlen(choice);
	cells_fill(cells, row, 0, cells->columns, ' ', ROLE_WARN, CELL_BOLD);
	int used = cells_text(cells, row, 1, width, state->question.text, ROLE_WARN, CELL_BOLD);
	cells_text(cells, row, 1 + used, (int)strlen(choice), choice, ROLE_WARN,
		   CELL_BOLD | CELL_REVERSE);
}

static void paint_message(struct state *state, struct cells *cells, int row, int64_t now_mono_ms)
{
	char text[VIEW_TEXT_BYTES];
	if (state->prompt == PROMPT_QUESTION) {
		view_question(state, cells, row);
		return;
	}
	if (state->prompt == PROMPT_SEARCH) {
		(void)snprintf(text, sizeof(text), "/%s_", state->input);
		int used = cells_text(cells, row, 0, cells->columns, text, ROLE_NORMAL, CELL_BOLD);
		if (now_mono_ms < state->message_until_mono_ms)
			cells_text(cells, row, used + 2, cells->columns - used - 2, state->message,
				   state->message_role, 0);
		return;
	}
	if (state->message[0] != '\0' && now_mono_ms < state->message_until_mono_ms) {
		cells_fit(cells, row, 1, cells->columns - 1, state->message, state->message_role,
			  CELL_BOLD);
		return;
	}
	const struct status_row *status = state->model.status;
	if (status != NULL && status->warnings[0] != '\0') {
		cells_fit(cells, row, 1, cells->columns - 1, status->warnings, ROLE_WARN, 0);
		return;
	}
	describe_selected(state, text);
	cells_fit(cells, row, 1, cells->columns - 1, text, ROLE_NORMAL, 0);
}

static void paint_keys(const struct state *state, struct cells *cells, int row)
{
	const char *text = "1J 2N 3S 4L / l r p x ? q";
	if (cells->columns >= 96)
		text = " 1Jobs 2Nodes 3Snap 4Logs  /find n N  Enter detail  l log  r run  p pause  x kill  ? help  q quit";
	else if (cells->columns >= 60)
		text = " 1Jobs 2Node 3Snap 4Log  /find  Enter  l log  r run  p pause  x kill  ? q";
	cells_text(cells, row, 0, cells->columns, text, ROLE_NORMAL, 0);
	/* The view that is open stands out. */
	static const char *const digits = "1234";
	for (int column = 0; column < cells->columns && column < 30; column++) {
		struct cell *cell = cells_at(cells, row, column);
		if (cell->character == (unsigned char)digits[state->view]) {
			cell->flags |= CELL_BOLD | CELL_REVERSE;
			return;
		}
	}
}

static void paint_place(struct state *state, struct cells *cells, int64_t now_mono_ms)
{
	switch (state_place(state)) {
	case PLACE_JOBS:
		view_jobs(state, cells, now_mono_ms);
		return;
	case PLACE_NODES:
		view_nodes(state, cells, now_mono_ms);
		return;
	case PLACE_SNAPSHOT:
		view_snapshot(state, cells, now_mono_ms);
		return;
	case PLACE_LOGS:
		view_logs(state, cells, now_mono_ms);
		return;
	case PLACE_JOB:
		view_job(state, cells, now_mono_ms);
		return;
	case PLACE_NODE:
		view_node(state, cells, now_mono_ms);
		return;
	case PLACE_RUN:
		view_run(state, cells, now_mono_ms);
		return;
	case PLACE_COUNT:
		return;
	}
}

void view_paint(struct state *state, struct cells *cells, int64_t now_mono_ms)
{
	cells_clear(cells);
	order_refresh(state, now_mono_ms);
	if (state_is_tiny(state)) {
		view_tiny(state, cells, now_mono_ms);
		return;
	}
	view_bar(state, cells, now_mono_ms);
	if (state->is_help_open) {
		view_help(state, cells);
	} else {
		view_header(state, cells, 1);
		paint_place(state, cells, now_mono_ms);
		paint_message(state, cells, cells->rows - 2, now_mono_ms);
	}
	paint_keys(state, cells, cells->rows - 1);
}
