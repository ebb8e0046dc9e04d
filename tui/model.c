/* What the console knows: four tables, a status and a ring of lines, fed by the rows of `watch`. */
#include "tui/model.h"

#include <assert.h>
#include <string.h>

#include "proto/limits.h"
#include "proto/text.h"
#include "proto/wire.h"

void model_init(struct model *model, row_resize *resize)
{
	*model = (struct model){.resize = resize};
	row_table_init(&model->jobs, MODEL_JOBS_MAX, resize);
	row_table_init(&model->nodes, MODEL_NODES_MAX, resize);
	row_table_init(&model->runs, MODEL_RUNS_MAX, resize);
	row_table_init(&model->past, MODEL_PAST_MAX, resize);
}

void model_close(struct model *model)
{
	if (model->resize == NULL)
		return;
	row_table_clear(&model->jobs);
	row_table_clear(&model->nodes);
	row_table_clear(&model->runs);
	row_table_clear(&model->past);
	model_lines_clear(model);
	if (model->lines != NULL)
		(void)model->resize(model->lines, 0);
	model->lines = NULL;
	row_free(model->status == NULL ? NULL : &model->status->row, model->resize);
	model->status = NULL;
}

void model_watch_begin(struct model *model)
{
	row_table_load_begin(&model->jobs);
	row_table_load_begin(&model->nodes);
	row_table_load_begin(&model->runs);
}

void model_status(struct model *model, struct slice body)
{
	struct row *row;
	if (row_decode(ROW_STATUS, slice_of(NULL, 0), body, model->resize, &row) != ERR_OK) {
		model->bad_count++;
		return;
	}
	row_free(model->status == NULL ? NULL : &model->status->row, model->resize);
	model->status = (struct status_row *)row;
	if (model->status->fires_per_s_milli > model->fire_peak_milli)
		model->fire_peak_milli = model->status->fires_per_s_milli;
}

static struct row_table *table_of_view(struct model *model, struct slice view, enum row_kind *ret_kind)
{
	if (slice_equal(view, slice_str("jobs"))) {
		*ret_kind = ROW_JOB;
		return &model->jobs;
	}
	if (slice_equal(view, slice_str("nodes"))) {
		*ret_kind = ROW_NODE;
		return &model->nodes;
	}
	if (slice_equal(view, slice_str("runs"))) {
		*ret_kind = ROW_RUN;
		return &model->runs;
	}
	return NULL;
}

static void put_row(struct model *model, struct row_table *table, enum row_kind kind,
		    struct slice key, struct slice body)
{
	struct row *row;
	enum err err = row_decode(kind, key, body, model->resize, &row);
	if (err == ERR_OK)
		err = row_table_put(table, row);
	if (err != ERR_OK)
		model->bad_count++;
}

/* A run of the job whose detail is open changes there too. */
static void refresh_past(struct model *model, struct slice key, struct slice body)
{
	char name[RUN_NAME_BYTES_MAX + 1];
	if (key.bytes > RUN_NAME_BYTES_MAX)
		return;
	memcpy(name, key.data, key.bytes);
	name[key.bytes] = '\0';
	if (row_table_find(&model->past, name) != NULL)
		put_row(model, &model->past, ROW_RUN, key, body);
}

enum model_change model_watch_row(struct model *model, struct slice body)
{
	struct slice view = wire_map_find_str(body, "view");
	if (slice_equal(view, slice_str("sync"))) {
		row_table_load_end(&model->jobs);
		row_table_load_end(&model->nodes);
		row_table_load_end(&model->runs);
		model->is_synced = true;
		return MODEL_SYNC;
	}
	struct wire_reader value;
	bool has_row = wire_map_find(body, "row", &value);
	struct slice row = has_row ? wire_get_raw(&value) : slice_of(NULL, 0);
	if (slice_equal(view, slice_str("status"))) {
		model_status(model, row);
		return MODEL_STATUS;
	}
	enum row_kind kind = ROW_JOB;
	struct row_table *table = table_of_view(model, view, &kind);
	struct slice key = wire_map_find_str(body, "key");
	if (table == NULL || key.bytes == 0 || key.bytes > RUN_NAME_BYTES_MAX) {
		model->bad_count++;
		return MODEL_NOTHING;
	}
	char name[RUN_NAME_BYTES_MAX + 1];
	memcpy(name, key.data, key.bytes);
	name[key.bytes] = '\0';
	/* Jobs are kept by the name that is shown, so that their order is the one that is seen. */
	const char *shown = kind == ROW_JOB ? text_job_display(name) : name;
	if (has_row) {
		put_row(model, table, kind, slice_str(shown), row);
		if (kind == ROW_RUN)
			refresh_past(model, key, row);
		return MODEL_ROWS;
	}
	row_table_remove(table, shown);
	return MODEL_ROWS;
}

void model_past_row(struct model *model, struct slice body)
{
	struct slice key = wire_map_find_str(body, "run");
	if (key.bytes == 0 || key.bytes > RUN_NAME_BYTES_MAX)
		model->bad_count++;
	else
		put_row(model, &model->past, ROW_RUN, key, body);
}

bool model_run_is_open(const struct run_row *run)
{
	return run->verdict[0] == '\0' && strcmp(run->state, "released") != 0 &&
	       strcmp(run->state, "ended") != 0 && strcmp(run->state, "none") != 0;
}

int64_t model_run_end(const struct run_row *run)
{
	if (run->ended_at != ROW_NONE)
		return run->ended_at;
	if (run->started_at != ROW_NONE)
		return run->started_at;
	return run->due_at;
}

static bool run_is_old(const struct row *row, int64_t now_ms)
{
	const struct run_row *run = (const struct run_row *)row;
	return !model_run_is_open(run) && model_run_end(run) < now_ms - MODEL_FINISHED_MS;
}

void model_prune(struct model *model, int64_t now_utc_ms)
{
	row_table_prune(&model->runs, run_is_old, now_utc_ms);
}

void model_lines_clear(struct model *model)
{
	for (size_t i = 0; i < model->line_count; i++)
		row_free(&model->lines[(model->line_first + i) % MODEL_LINES_MAX]->row, model->resize);
	model->line_first = model->line_count = model->line_bytes = 0;
	model->line_dropped = 0;
}

static void drop_oldest_line(struct model *model)
{
	struct line_row *line = model->lines[model->line_first];
	model->line_bytes -= line->row.bytes;
	row_free(&line->row, model->resize);
	model->line_first = (model->line_first + 1) % MODEL_LINES_MAX;
	model->line_count--;
	model->line_dropped++;
}

void model_line(struct model *model, struct slice body)
{
	if (model->lines == NULL)
		model->lines = model->resize(NULL, MODEL_LINES_MAX * sizeof(struct line_row *));
	struct row *row = NULL;
	if (model->lines == NULL ||
	    row_decode(ROW_LINE, slice_of(NULL, 0), body, model->resize, &row) != ERR_OK) {
		model->bad_count++;
		return;
	}
	while (model->line_count > 0 && (model->line_count == MODEL_LINES_MAX ||
					 model->line_bytes + row->bytes > MODEL_LINES_BYTES_MAX))
		drop_oldest_line(model);
	/* A line ends where the next begins; one without an end, the last or a cut one, looks the same. */
	struct line_row *line = (struct line_row *)row;
	if (line->text.bytes > 0 && line->text.data[line->text.bytes - 1] == '\n')
		line->text.bytes--;
	model->lines[(model->line_first + model->line_count) % MODEL_LINES_MAX] = line;
	model->line_count++;
	model->line_bytes += row->bytes;
}

const struct line_row *model_line_at(const struct model *model, size_t index)
{
	assert(index < model->line_count);
	return model->lines[(model->line_first + index) % MODEL_LINES_MAX];
}

const struct job_row *model_job(const struct model *model, const char *name)
{
	return (const struct job_row *)row_table_find(&model->jobs, text_job_display(name));
}

const struct node_row *model_node_named(const struct model *model, const char *name)
{
	for (size_t i = 0; i < model->nodes.count; i++) {
		const struct node_row *node = (const struct node_row *)model->nodes.rows[i];
		if (strcmp(node->name, name) == 0)
			return node;
	}
	return NULL;
}

static const struct run_row *find_short(const struct row_table *table, const char *short_id)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct run_row *run = (const struct run_row *)table->rows[i];
		if (strcmp(run->short_id, short_id) == 0)
			return run;
	}
	return NULL;
}

const struct run_row *model_run(const struct model *model, const char *name)
{
	if (name[0] == '\0')
		return NULL;
	const struct row *row = row_table_find(&model->runs, name);
	if (row == NULL)
		row = row_table_find(&model->past, name);
	if (row != NULL)
		return (const struct run_row *)row;
	if (strchr(name, '@') != NULL)
		return NULL;
	const struct run_row *run = find_short(&model->runs, name);
	return run != NULL ? run : find_short(&model->past, name);
}
