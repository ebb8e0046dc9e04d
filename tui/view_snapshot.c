/* The snapshot: what is claimed (folded at first), what runs, and what has just ended. */
#include <stdio.h>
#include <string.h>

#include "tui/view.h"

enum {
	RUN_START,
	RUN_ID,
	RUN_JOB,
	RUN_NODE,
	RUN_ATTEMPT,
	RUN_STATE,
	RUN_TIME,
	RUN_OF,
	RUN_NOTE,
	RUN_COLUMNS,
};

#define STATE_WIDTH_MIN 9 /* "ran-ok", "failed(1)" */

static const struct column columns[RUN_COLUMNS] = {
	[RUN_START] = {"START", 12, 12, 5, 0, false},
	[RUN_ID] = {"RUN", 8, 8, 6, 0, false},
	[RUN_JOB] = {"JOB", 18, 40, 1, 2, false},
	[RUN_NODE] = {"NODE", 4, 12, 4, 3, false},
	[RUN_ATTEMPT] = {"ATT", 3, 3, 8, 0, true},
	[RUN_STATE] = {"STATE", STATE_WIDTH_MIN, 13, 2, 1, false},
	[RUN_TIME] = {"TIME", 6, 6, 3, 0, true},
	[RUN_OF] = {"OF LAST", 12, 12, 9, 0, false},
	[RUN_NOTE] = {"NOTE", 10, 40, 7, 4, false},
};

static bool is_running(const struct run_row *run)
{
	return model_run_is_open(run) && run->started_at != ROW_NONE;
}

static int64_t elapsed_ms(const struct run_row *run, int64_t now_utc_ms)
{
	if (is_running(run))
		return now_utc_ms - run->started_at;
	return run->dur_ms;
}

/* How far it is, measured by the last run of its job. */
static void put_meter(const struct table_view *table, const struct run_row *run, struct cell_text *cell)
{
	const struct job_row *job = is_running(run) ? model_job(&table->state->model, run->job) : NULL;
	if (job == NULL || job->last_dur_ms == ROW_NONE || job->last_dur_ms <= 0)
		return;
	int64_t part = elapsed_ms(run, table->now_utc_ms) * 10 / job->last_dur_ms;
	int filled = part < 0 ? 0 : part > 10 ? 10 : (int)part;
	(void)snprintf(cell->text, sizeof(cell->text), "[%.*s%*s]", filled, "||||||||||",
		       10 - filled, "");
	if (part >= 10)
		cell->role = ROLE_WARN;
}

static void put_note(const struct table_view *table, const struct run_row *run, struct cell_text *cell)
{
	const struct node_row *node = model_node_named(&table->state->model, run->node);
	if (run->note[0] != '\0') {
		(void)snprintf(cell->text, sizeof(cell->text), "%s", run->note);
	} else if (is_running(run) && node != NULL && strcmp(node->state, "alive") != 0) {
		(void)snprintf(cell->text, sizeof(cell->text), "%s %s", run->node, node->state);
		cell->role = ROLE_WARN;
	} else if (run->late_us != ROW_NONE && run->late_us > 1000 * 1000) {
		show_text late;
		show_span(run->late_us / 1000, late);
		(void)snprintf(cell->text, sizeof(cell->text), "late +%s", late);
		cell->role = ROLE_WARN;
	} else if (run->verdict[0] != '\0' &&
		   strlen(run->verdict) + strlen(run->reason) > STATE_WIDTH_MIN - 2) {
		/* Shorter ones stand in full in the column STATE. */
		(void)snprintf(cell->text, sizeof(cell->text), "%s", run->reason);
	} else if (run->is_manual) {
		(void)snprintf(cell->text, sizeof(cell->text), "by hand");
	}
}

static void put_state(const struct table_view *table, const struct run_row *run, int width,
		      struct cell_text *cell)
{
	char verdict[SHOW_VERDICT_BYTES];
	if (run->verdict[0] != '\0') {
		show_verdict(run->verdict, run->reason, width, verdict);
		(void)snprintf(cell->text, sizeof(cell->text), "%s", verdict);
		cell->role = show_role(run->verdict);
		return;
	}
	const char *word = strcmp(run->state, "started") == 0 ? "running" : run->state;
	const struct node_row *node = model_node_named(&table->state->model, run->node);
	bool is_old = is_running(run) && node != NULL && strcmp(node->state, "alive") != 0;
	(void)snprintf(cell->text, sizeof(cell->text), "%s%s", word, is_old ? "?" : "");
	cell->role = is_old ? ROLE_UNKNOWN : show_role(word);
}

static void run_cell(const struct table_view *table, const struct row *row, int column, int width,
		     struct cell_text *cell)
{
	const struct run_row *run = (const struct run_row *)row;
	show_text text;
	switch (column) {
	case RUN_START:
		show_clock_ms(run->started_at != ROW_NONE ? run->started_at : run->due_at, text);
		(void)snprintf(cell->text, sizeof(cell->text), "%s", text);
		return;
	case RUN_ID:
		(void)snprintf(cell->text, sizeof(cell->text), "%s",
			       run->short_id[0] != '\0' ? run->short_id : "-");
		return;
	case RUN_JOB:
		(void)snprintf(cell->text, sizeof(cell->text), "%s", run->job);
		return;
	case RUN_NODE:
		(void)snprintf(cell->text, sizeof(cell->text), "%s",
			       run->node[0] != '\0' ? run->node : "-");
		return;
	case RUN_ATTEMPT:
		if (run->attempt > 0)
			(void)snprintf(cell->text, sizeof(cell->text), "%lld", (long long)run->attempt);
		else
			(void)snprintf(cell->text, sizeof(cell->text), "-");
		return;
	case RUN_STATE:
		put_state(table, run, width, cell);
		return;
	case RUN_TIME:
		show_span(elapsed_ms(run, table->now_utc_ms), text);
		(void)snprintf(cell->text, sizeof(cell->text), "%s", text);
		return;
	case RUN_OF:
		put_meter(table, run, cell);
		return;
	case RUN_NOTE:
		put_note(table, run, cell);
		return;
	}
}

static void put_separator(struct cells *cells, int row, const char *text, const char *end)
{
	cells_fill(cells, row, 1, cells->columns - 1, '-', ROLE_UNKNOWN, 0);
	int used = cells_text(cells, row, 0, cells->columns - 3, text, ROLE_NORMAL, 0);
	if (end[0] == '\0')
		return;
	int width = cells_width(slice_str(end), cells->is_ascii);
	if (used + width < cells->columns)
		cells_text(cells, row, cells->columns - width, width, end, ROLE_NORMAL, 0);
}

static void paint_open(struct state *state, struct cells *cells, int row)
{
	char text[VIEW_TEXT_BYTES];
	show_text claimed;
	show_text armed;
	size_t waiting = 0;
	const struct job_row *first = NULL;
	for (size_t i = 0; i < state->model.jobs.sorted_count; i++) {
		const struct job_row *job = (const struct job_row *)state->model.jobs.rows[i];
		if (strcmp(job->state, "waiting") != 0)
			continue;
		first = first == NULL ? job : first;
		waiting++;
	}
	show_count((int64_t)state->order.tally.claimed, claimed);
	show_count((int64_t)state->order.tally.armed, armed);
	int length = snprintf(text, sizeof(text), " -- claimed %s, armed %s, waiting %zu", claimed,
			      armed, waiting);
	size_t at = (size_t)length;
	if (first != NULL && cells->columns >= 80)
		(void)snprintf(text + at, sizeof(text) - at, ": %s (%s) ", first->name,
			       first->waiting_reason[0] != '\0' ? first->waiting_reason
								: "no reason told");
	else
		(void)snprintf(text + at, sizeof(text) - at, " ");
	if (cells->columns < 60)
		put_separator(cells, row, text, "");
	else
		put_separator(cells, row, text,
			      state->is_claimed_open ? " open, Left folds --"
						     : " folded, Right opens --");
}

static void paint_finished(struct state *state, struct cells *cells, int row)
{
	const struct order *order = &state->order;
	char text[VIEW_TEXT_BYTES];
	show_text ok;
	show_count((int64_t)order->tally.ran_ok, ok);
	if (cells->columns >= 100)
		(void)snprintf(text, sizeof(text),
			       " -- finished in the last 60 s, newest first: %s ran-ok (%zu late)  %zu failed  %zu skipped  %zu lost ",
			       ok, order->tally.late, order->tally.failed, order->tally.skipped,
			       order->tally.lost);
	else if (cells->columns >= 60)
		(void)snprintf(text, sizeof(text),
			       " -- finished, 60 s: %s ran-ok  %zu failed  %zu skipped  %zu lost ",
			       ok, order->tally.failed, order->tally.skipped, order->tally.lost);
	else
		(void)snprintf(text, sizeof(text), " -- %s ok %zu failed %zu lost ", ok,
			       order->tally.failed, order->tally.lost);
	put_separator(cells, row, text, "");
}

static void paint_path(struct state *state, struct cells *cells, int row)
{
	char right[VIEW_TEXT_BYTES];
	show_text running;
	show_text finished;
	show_count((int64_t)state->order.tally.running, running);
	show_count((int64_t)state->order.tally.finished, finished);
	if (cells->columns >= 100) {
		(void)snprintf(right, sizeof(right), "%s running  %s finished   sort START-",
			       running, finished);
		view_sides(cells, row, " Snapshot > running, finished last 60s > group by: none",
			   right, ROLE_NORMAL, CELL_BOLD);
	} else if (cells->columns >= 60) {
		(void)snprintf(right, sizeof(right), "%s running  %s finished  START-", running,
			       finished);
		view_sides(cells, row, " Snapshot > last 60s", right, ROLE_NORMAL, CELL_BOLD);
	} else {
		(void)snprintf(right, sizeof(right), "%s run %s done", running, finished);
		view_sides(cells, row, "Snapshot", right, ROLE_NORMAL, CELL_BOLD);
	}
}

void view_snapshot(struct state *state, struct cells *cells, int64_t now_mono_ms)
{
	struct table_view table = {.state = state,
				   .columns = columns,
				   .column_count = RUN_COLUMNS,
				   .now_utc_ms = state_utc(state, now_mono_ms),
				   .cell = run_cell};
	int body = state_body_row(state);
	int rows = state_body_rows(state);
	paint_path(state, cells, body - 1);
	view_table(state, cells, &table, body, rows, cells->columns);
	size_t top = state_cursor(state)->top;
	int first = body + (cells->columns >= 60 ? 1 : 0);
	if (top == 0 && first < body + rows)
		paint_open(state, cells, first);
	size_t separator = state->order.open_count + state->order.running_count + 1;
	if (separator >= top && first + (int)(separator - top) < body + rows)
		paint_finished(state, cells, first + (int)(separator - top));
}

void view_run_table(struct state *state, struct cells *cells, int row, int64_t now_utc_ms, bool is_of_node)
{
	struct column shown[RUN_COLUMNS];
	memcpy(shown, columns, sizeof(shown));
	/* A page of a job need not repeat its name, that of a node not its own: they go first. */
	shown[RUN_START].rank = 1;
	shown[is_of_node ? RUN_NODE : RUN_JOB].rank = 12;
	shown[is_of_node ? RUN_NODE : RUN_JOB].width_min = CELLS_COLUMNS_MAX;
	if (is_of_node)
		shown[RUN_JOB].rank = 2;
	struct table_view table = {.state = state,
				   .columns = shown,
				   .column_count = RUN_COLUMNS,
				   .now_utc_ms = now_utc_ms,
				   .cell = run_cell};
	const struct cursor *cursor = state_cursor(state);
	/* The one column that is left out on purpose is not counted as hidden. */
	struct column_place places[COLUMNS_MAX];
	(void)view_columns(shown, RUN_COLUMNS, cells->columns, 0, places);
	for (int i = 0; i < RUN_COLUMNS; i++) {
		if (places[i].width > 0 && shown[i].is_right)
			cells_right(cells, row, places[i].at, places[i].width, shown[i].title,
				    ROLE_NORMAL, CELL_BOLD);
		else if (places[i].width > 0)
			cells_text(cells, row, places[i].at, places[i].width, shown[i].title,
				   ROLE_NORMAL, CELL_BOLD);
	}
	int end = state_body_row(state) + state_body_rows(state);
	for (size_t index = cursor->top; ++row < end; index++) {
		const struct row *run = order_row(state, index);
		if (run == NULL)
			break;
		view_table_row(&table, cells, row, cells->columns, 0, run, index == cursor->index);
	}
}

void view_describe_run(const struct run_row *run, char ret_text[VIEW_TEXT_BYTES])
{
	if (run == NULL) {
		ret_text[0] = '\0';
		return;
	}
	char verdict[SHOW_VERDICT_BYTES];
	show_verdict(run->verdict[0] != '\0' ? run->verdict : run->state, run->reason, 80, verdict);
	(void)snprintf(ret_text, VIEW_TEXT_BYTES, "%s %s on %s: %s. Enter shows its steps, l its log",
		       run->job, run->short_id, run->node[0] != '\0' ? run->node : "no node", verdict);
}
