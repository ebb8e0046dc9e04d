/* The jobs view. */
#include <stdio.h>
#include <string.h>

#include "tui/view.h"

enum {
	JOB_NAME,
	JOB_STATE,
	JOB_NODE,
	JOB_LAST,
	JOB_VERDICT,
	JOB_DUR,
	JOB_NEXT,
	JOB_SCHEDULE,
	JOB_HIST,
	JOB_COLUMNS,
};

static const struct column columns[JOB_COLUMNS] = {
	[JOB_NAME] = {"NAME", 21, 48, 1, 3, false},
	[JOB_STATE] = {"STATE", 9, 9, 2, 0, false},
	[JOB_NODE] = {"NODE", 4, 12, 6, 4, false},
	[JOB_LAST] = {"LAST", 8, 8, 5, 0, true},
	[JOB_VERDICT] = {"VERDICT", 7, 11, 4, 1, false},
	[JOB_DUR] = {"DUR", 6, 6, 8, 0, true},
	[JOB_NEXT] = {"NEXT", 9, 9, 3, 0, true},
	[JOB_SCHEDULE] = {"SCHEDULE", 15, 28, 7, 2, false},
	[JOB_HIST] = {"HIST", 8, 8, 9, 0, false},
};

#define PANE_COLUMNS_MIN 140 /* from here on the facts of the selected job stand beside the list */
#define PANE_WIDTH 40
#define NAME_NARROW 19 /* below 60 cells: NAME STATE NEXT in 40 */

/* "running?" when the node that runs it has not been heard of: the word is old news. */
static bool is_doubtful(const struct state *state, const struct job_row *job)
{
	if (strcmp(job->state, "running") != 0)
		return false;
	const struct run_row *run = model_run(&state->model, job->running_run);
	const struct node_row *node = run == NULL ? NULL : model_node_named(&state->model, run->node);
	return node != NULL && strcmp(node->state, "alive") != 0;
}

static void put_state(const struct state *state, const struct job_row *job, struct cell_text *cell)
{
	bool is_old = is_doubtful(state, job);
	(void)snprintf(cell->text, sizeof(cell->text), "%s%s", job->state, is_old ? "?" : "");
	cell->role = is_old ? ROLE_UNKNOWN : show_role(job->state);
}

static void put_next(const struct table_view *table, const struct job_row *job, struct cell_text *cell)
{
	show_text text;
	if (job->is_paused || strcmp(job->state, "paused") == 0 || strcmp(job->state, "disabled") == 0) {
		(void)snprintf(cell->text, sizeof(cell->text), "%s", job->state);
		cell->role = ROLE_ASIDE;
		return;
	}
	show_next(job->next_at, table->now_utc_ms, text);
	(void)snprintf(cell->text, sizeof(cell->text), "%s", text);
	if (text[0] == '+')
		cell->role = ROLE_WARN;
}

static void put_duration(const struct table_view *table, const struct job_row *job,
			 struct cell_text *cell)
{
	const struct run_row *run = NULL;
	int64_t span_ms = job->last_dur_ms;
	if (strcmp(job->state, "running") == 0)
		run = model_run(&table->state->model, job->running_run);
	if (run != NULL && run->started_at != ROW_NONE) {
		span_ms = table->now_utc_ms - run->started_at;
		cell->role = ROLE_RUNNING;
	}
	show_text text;
	show_span(span_ms, text);
	(void)snprintf(cell->text, sizeof(cell->text), "%s", text);
}

static void job_cell(const struct table_view *table, const struct row *row, int column, int width,
		     struct cell_text *cell)
{
	const struct job_row *job = (const struct job_row *)row;
	show_text text;
	switch (column) {
	case JOB_NAME:
		(void)snprintf(cell->text, sizeof(cell->text), "%s", job->name);
		return;
	case JOB_STATE:
		put_state(table->state, job, cell);
		return;
	case JOB_NODE:
		(void)snprintf(cell->text, sizeof(cell->text), "%s",
			       job->last_node[0] != '\0' ? job->last_node : job->next_node);
		return;
	case JOB_LAST:
		show_past(job->last_start_at != ROW_NONE ? job->last_start_at : job->last_due_at,
			  table->now_utc_ms, text);
		(void)snprintf(cell->text, sizeof(cell->text), "%s", text);
		return;
	case JOB_VERDICT: {
		char verdict[SHOW_VERDICT_BYTES];
		show_verdict(job->last_verdict, job->last_reason, width, verdict);
		(void)snprintf(cell->text, sizeof(cell->text), "%s", verdict);
		cell->role = show_role(job->last_verdict);
		return;
	}
	case JOB_DUR:
		put_duration(table, job, cell);
		return;
	case JOB_NEXT:
		put_next(table, job, cell);
		return;
	case JOB_SCHEDULE:
		(void)snprintf(cell->text, sizeof(cell->text), "%s", job->schedule);
		return;
	case JOB_HIST:
		(void)snprintf(cell->text, sizeof(cell->text), "%8.8s", job->hist);
		return;
	}
}

/* Eight fires of one colour would hide the one that matters. */
static void colour_history(struct cells *cells, int row, const struct column_place *place)
{
	for (int i = 0; i < place->width; i++) {
		if (place->at + i >= cells->columns)
			return;
		struct cell *cell = cells_at(cells, row, place->at + i);
		switch (cell->character) {
		case '.':
			cell->role = ROLE_OK;
			break;
		case 'o':
		case '?':
			cell->role = ROLE_WARN;
			break;
		case 'x':
		case 'l':
		case 'm':
			cell->role = ROLE_BAD;
			break;
		case '-':
			cell->role = ROLE_ASIDE;
			break;
		case 'r':
			cell->role = ROLE_RUNNING;
			break;
		default:
			break;
		}
	}
}

static void paint_path(struct state *state, struct cells *cells, int row)
{
	char left[VIEW_TEXT_BYTES];
	char right[VIEW_TEXT_BYTES];
	show_text count;
	show_count((int64_t)state->model.jobs.sorted_count, count);
	const char *loading = state->model.is_synced ? "" : "  (loading)";
	if (cells->columns >= 100) {
		(void)snprintf(left, sizeof(left), " Jobs > group:* > filter: none%s", loading);
		(void)snprintf(right, sizeof(right), "%s jobs   sort NAME^", count);
	} else if (cells->columns >= 60) {
		(void)snprintf(left, sizeof(left), " Jobs > filter: none%s", loading);
		(void)snprintf(right, sizeof(right), "%s jobs  NAME^", count);
	} else {
		(void)snprintf(left, sizeof(left), "Jobs%s", loading);
		(void)snprintf(right, sizeof(right), "%s NAME^", count);
	}
	view_sides(cells, row, left, right, ROLE_NORMAL, CELL_BOLD);
}

void view_jobs(struct state *state, struct cells *cells, int64_t now_mono_ms)
{
	struct column shown[JOB_COLUMNS];
	memcpy(shown, columns, sizeof(shown));
	if (cells->columns < 60)
		shown[JOB_NAME].width_min = NAME_NARROW < cells->columns - 21 ? NAME_NARROW
									      : cells->columns - 21;
	struct table_view table = {.state = state,
				   .columns = shown,
				   .column_count = JOB_COLUMNS,
				   .now_utc_ms = state_utc(state, now_mono_ms),
				   .cell = job_cell};
	int body = state_body_row(state);
	int rows = state_body_rows(state);
	paint_path(state, cells, body - 1);
	if (state->model.jobs.sorted_count == 0 && state->model.is_synced) {
		cells_text(cells, body + 1, 1, cells->columns - 1,
			   "no job yet: schedctl job add NAME --cron '*/5 * * * *' -- COMMAND",
			   ROLE_UNKNOWN, 0);
		return;
	}
	int width = cells->columns >= PANE_COLUMNS_MIN ? cells->columns - PANE_WIDTH - 2
						       : cells->columns;
	view_table(state, cells, &table, body, rows, width);
	struct column_place places[COLUMNS_MAX];
	(void)view_columns(shown, JOB_COLUMNS, width, state_cursor(state)->skipped_columns, places);
	for (int row = body + 1; row < body + rows && places[JOB_HIST].width > 0; row++)
		colour_history(cells, row, &places[JOB_HIST]);
	const struct row *selected = order_selected(state);
	if (width < cells->columns && selected != NULL)
		view_job_pane(state, cells, (const struct job_row *)selected, body, rows, width + 2,
			      table.now_utc_ms);
}

static int count_bad(const char *history)
{
	int bad = 0;
	for (; *history != '\0'; history++)
		bad += *history == 'x' || *history == 'l' || *history == 'm' ? 1 : 0;
	return bad;
}

void view_describe_job(const struct job_row *job, char ret_text[VIEW_TEXT_BYTES])
{
	char verdict[SHOW_VERDICT_BYTES];
	show_verdict(job->last_verdict, job->last_reason, 60, verdict);
	int bad = count_bad(job->hist);
	if (job->waiting_reason[0] != '\0')
		(void)snprintf(ret_text, VIEW_TEXT_BYTES, "%s waits: %s. Enter detail, l log",
			       job->name, job->waiting_reason);
	else if (bad > 0)
		(void)snprintf(ret_text, VIEW_TEXT_BYTES,
			       "%s: %d of last %zu ended badly, last %s. Enter detail, l log, r run",
			       job->name, bad, strlen(job->hist), verdict);
	else if (job->description[0] != '\0')
		(void)snprintf(ret_text, VIEW_TEXT_BYTES, "%s: %.200s", job->name, job->description);
	else
		(void)snprintf(ret_text, VIEW_TEXT_BYTES, "%s: %.200s", job->name, job->command);
}
