/* In which order the rows of a place are shown, and where the cursor stands in it. */
#include <stdlib.h>
#include <string.h>

#include "proto/text.h"
#include "tui/show.h"
#include "tui/state.h"

static bool make_room(struct state *state, size_t count)
{
	struct order *order = &state->order;
	if (count <= order->rows_max)
		return true;
	const struct row **rows = state->model.resize((void *)order->rows, count * sizeof(struct row *));
	if (rows == NULL)
		return false;
	order->rows = rows;
	order->rows_max = count;
	return true;
}

static int compare_nodes(const void *a, const void *b)
{
	const struct node_row *left = *(const struct node_row *const *)a;
	const struct node_row *right = *(const struct node_row *const *)b;
	if (left->is_self != right->is_self)
		return left->is_self ? -1 : 1;
	int by_name = strcmp(left->name, right->name);
	return by_name != 0 ? by_name : strcmp(left->id, right->id);
}

/* In flight, not started yet: earliest first. */
static int compare_due(const void *a, const void *b)
{
	const struct run_row *left = *(const struct run_row *const *)a;
	const struct run_row *right = *(const struct run_row *const *)b;
	if (left->due_at != right->due_at)
		return left->due_at < right->due_at ? -1 : 1;
	return strcmp(left->row.key, right->row.key);
}

/* Newest first, by the instant that the START column shows. */
static int compare_start(const void *a, const void *b)
{
	const struct run_row *left = *(const struct run_row *const *)a;
	const struct run_row *right = *(const struct run_row *const *)b;
	int64_t left_ms = left->started_at != ROW_NONE ? left->started_at : left->due_at;
	int64_t right_ms = right->started_at != ROW_NONE ? right->started_at : right->due_at;
	if (left_ms != right_ms)
		return left_ms > right_ms ? -1 : 1;
	return strcmp(left->row.key, right->row.key);
}

static bool has_started(const struct run_row *run)
{
	return strcmp(run->state, "started") == 0 || strcmp(run->state, "running") == 0 ||
	       strcmp(run->state, "killing") == 0;
}

static void tally_finished(struct order *order, const struct run_row *run)
{
	order->tally.finished++;
	if (strcmp(run->verdict, "ran-ok") == 0)
		order->tally.ran_ok++;
	else if (strcmp(run->verdict, "skipped") == 0)
		order->tally.skipped++;
	else if (strcmp(run->verdict, "lost") == 0)
		order->tally.lost++;
	else if (show_is_bad(run->verdict))
		order->tally.failed++;
	else
		order->tally.other++;
	if (run->late_us != ROW_NONE && run->late_us > 1000 * 1000)
		order->tally.late++;
}

static void sort_rows(const struct row **rows, size_t count, int (*compare)(const void *, const void *))
{
	if (count > 1)
		qsort((void *)rows, count, sizeof(*rows), compare);
}

static void order_snapshot(struct state *state, int64_t now_utc_ms)
{
	struct order *order = &state->order;
	const struct row_table *runs = &state->model.runs;
	memset(&order->tally, 0, sizeof(order->tally));
	order->open_count = order->running_count = 0;
	/* Three passes in the order of the panes. */
	for (size_t i = 0; i < runs->count; i++) {
		const struct run_row *run = (const struct run_row *)runs->rows[i];
		if (!model_run_is_open(run) || has_started(run))
			continue;
		if (strcmp(run->state, "armed") == 0)
			order->tally.armed++;
		else
			order->tally.claimed++;
		if (state->is_claimed_open)
			order->rows[order->count++] = runs->rows[i];
	}
	order->open_count = order->count;
	sort_rows(order->rows, order->count, compare_due);
	for (size_t i = 0; i < runs->count; i++) {
		const struct run_row *run = (const struct run_row *)runs->rows[i];
		if (model_run_is_open(run) && has_started(run))
			order->rows[order->count++] = runs->rows[i];
	}
	order->running_count = order->tally.running = order->count - order->open_count;
	sort_rows(order->rows + order->open_count, order->running_count, compare_start);
	size_t begin = order->count;
	for (size_t i = 0; i < runs->count; i++) {
		const struct run_row *run = (const struct run_row *)runs->rows[i];
		if (model_run_is_open(run) || strcmp(run->state, "released") == 0 ||
		    model_run_end(run) < now_utc_ms - MODEL_FINISHED_MS)
			continue;
		tally_finished(order, run);
		order->rows[order->count++] = runs->rows[i];
	}
	sort_rows(order->rows + begin, order->count - begin, compare_start);
}

/* The runs of a job: what is in flight, and its past. A run in both tables is taken once. */
static void order_job(struct state *state, const char *name)
{
	struct order *order = &state->order;
	const struct row_table *tables[2] = {&state->model.runs, &state->model.past};
	for (int t = 0; t < 2; t++) {
		for (size_t i = 0; i < tables[t]->count; i++) {
			const struct run_row *run = (const struct run_row *)tables[t]->rows[i];
			if (t == 0 && strcmp(text_job_display(run->job), name) != 0)
				continue;
			if (t == 1 && row_table_find(&state->model.runs, run->row.key) != NULL)
				continue;
			order->rows[order->count++] = tables[t]->rows[i];
		}
	}
	sort_rows(order->rows, order->count, compare_start);
}

static void order_node(struct state *state, const char *id)
{
	struct order *order = &state->order;
	const struct node_row *node = (const struct node_row *)row_table_find(&state->model.nodes, id);
	const struct row_table *runs = &state->model.runs;
	for (size_t i = 0; node != NULL && i < runs->count; i++) {
		const struct run_row *run = (const struct run_row *)runs->rows[i];
		if (model_run_is_open(run) && strcmp(run->node, node->name) == 0)
			order->rows[order->count++] = runs->rows[i];
	}
	sort_rows(order->rows, order->count, compare_start);
}

static void order_make(struct state *state, int64_t now_utc_ms)
{
	struct order *order = &state->order;
	const struct model *model = &state->model;
	order->count = order->open_count = order->running_count = 0;
	size_t wanted = model->runs.count + model->past.count;
	if (wanted < model->nodes.count)
		wanted = model->nodes.count;
	if (!make_room(state, wanted + 1))
		return;
	switch (state_place(state)) {
	case PLACE_JOBS:
	case PLACE_LOGS:
	case PLACE_RUN:
	case PLACE_COUNT:
		return;
	case PLACE_NODES:
		order->count = model->nodes.count;
		if (order->count > 0)
			memcpy((void *)order->rows, model->nodes.rows,
			       order->count * sizeof(*order->rows));
		sort_rows(order->rows, order->count, compare_nodes);
		return;
	case PLACE_SNAPSHOT:
		order_snapshot(state, now_utc_ms);
		return;
	case PLACE_JOB:
		order_job(state, state_page_key(state));
		return;
	case PLACE_NODE:
		order_node(state, state_page_key(state));
		return;
	}
}

static size_t order_count(const struct state *state)
{
	/* Jobs are shown in the order of the table itself. */
	return state_place(state) == PLACE_JOBS ? state->model.jobs.sorted_count : state->order.count;
}

const struct row *order_row(const struct state *state, size_t index)
{
	if (index >= order_count(state))
		return NULL;
	return state_place(state) == PLACE_JOBS ? state->model.jobs.rows[index]
						: state->order.rows[index];
}

static void place_cursor(struct state *state)
{
	struct cursor *cursor = state_cursor(state);
	size_t count = order_count(state);
	const struct row *row = order_row(state, cursor->index);
	if (cursor->key[0] != '\0' && (row == NULL || strcmp(row->key, cursor->key) != 0)) {
		size_t found = SIZE_MAX;
		if (state_place(state) == PLACE_JOBS) {
			size_t at = row_table_lower_bound(&state->model.jobs, cursor->key);
			if (at < count && strcmp(state->model.jobs.rows[at]->key, cursor->key) == 0)
				found = at;
		} else {
			for (size_t i = 0; i < count && found == SIZE_MAX; i++) {
				if (strcmp(state->order.rows[i]->key, cursor->key) == 0)
					found = i;
			}
		}
		if (found != SIZE_MAX)
			cursor->index = found;
	}
	if (cursor->index >= count)
		cursor->index = count > 0 ? count - 1 : 0;
	row = order_row(state, cursor->index);
	/* While rows are away (a link lost before the first state came) the key is kept. */
	if (row != NULL) {
		size_t length = strnlen(row->key, sizeof(cursor->key) - 1);
		memcpy(cursor->key, row->key, length);
		cursor->key[length] = '\0';
	}
	size_t line = order_line_of(state, cursor->index);
	size_t height = (size_t)state_list_rows(state);
	size_t lines = order_line_count(state);
	if (cursor->top > line)
		cursor->top = line;
	/* The separator above the first row is shown with it. */
	if (cursor->index == 0)
		cursor->top = 0;
	if (line >= cursor->top + height)
		cursor->top = line - height + 1;
	if (cursor->top + height > lines)
		cursor->top = lines > height ? lines - height : 0;
}

void order_refresh(struct state *state, int64_t now_mono_ms)
{
	if (state->order.is_stale) {
		state->order.is_stale = false;
		order_make(state, state_utc(state, now_mono_ms));
	}
	place_cursor(state);
}

const struct row *order_selected(struct state *state)
{
	return order_row(state, state_cursor(state)->index);
}

size_t order_line_of(const struct state *state, size_t index)
{
	if (state_place(state) != PLACE_SNAPSHOT)
		return index;
	bool is_finished = index >= state->order.open_count + state->order.running_count;
	return index + 1 + (is_finished ? 1 : 0);
}

size_t order_line_count(const struct state *state)
{
	return order_count(state) + (state_place(state) == PLACE_SNAPSHOT ? 2 : 0);
}

size_t order_index_of_line(const struct state *state, size_t line)
{
	if (state_place(state) != PLACE_SNAPSHOT)
		return line;
	size_t open_end = state->order.open_count + state->order.running_count;
	if (line == 0 || line == open_end + 1)
		return SIZE_MAX;
	return line <= open_end ? line - 1 : line - 2;
}

bool order_is_problem(enum place place, const struct row *row)
{
	if (place == PLACE_JOBS) {
		const struct job_row *job = (const struct job_row *)row;
		return show_is_bad(job->last_verdict) || strcmp(job->state, "waiting") == 0;
	}
	if (place == PLACE_NODES)
		return strcmp(((const struct node_row *)row)->state, "alive") != 0;
	const struct run_row *run = (const struct run_row *)row;
	return show_is_bad(run->verdict) || (run->late_us != ROW_NONE && run->late_us > 1000 * 1000);
}

bool order_matches(enum place place, const struct row *row, const char *needle)
{
	if (place == PLACE_JOBS) {
		const struct job_row *job = (const struct job_row *)row;
		return show_find(job->name, needle) != NULL;
	}
	if (place == PLACE_NODES) {
		const struct node_row *node = (const struct node_row *)row;
		return show_find(node->name, needle) != NULL || show_find(node->address, needle) != NULL;
	}
	const struct run_row *run = (const struct run_row *)row;
	return show_find(run->job, needle) != NULL || show_find(run->short_id, needle) != NULL;
}
