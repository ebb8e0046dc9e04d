/* What the console knows of the cluster: one agent's rows, kept as they came. Bounded; pure but for the memory that
 * it takes through `resize`. */
#ifndef TUI_MODEL_H
#define TUI_MODEL_H

#include "tui/row.h"
#include "tui/row_table.h"

#define MODEL_JOBS_MAX 200000u /* twice the largest cluster that the console is tested with */
#define MODEL_NODES_MAX 5000u  /* MEMBERS_MAX of gossip */
#define MODEL_RUNS_MAX 50000u  /* in flight and of the last minute; 800 fires a second for 60 s */
#define MODEL_PAST_MAX 200u    /* runs of the job under the cursor's detail */
#define MODEL_LINES_MAX 20000u /* lines of output in memory; older ones are dropped and counted */
#define MODEL_LINES_BYTES_MAX (8u << 20)
#define MODEL_FINISHED_MS 60000 /* how long the snapshot shows what has ended */

struct model {
	struct row_table jobs;
	struct row_table nodes;
	struct row_table runs;
	struct row_table past;
	struct status_row *status; /* NULL: not come yet */
	struct line_row **lines;   /* ring of MODEL_LINES_MAX, allocated with the first line */
	size_t line_first;         /* index of the oldest */
	size_t line_count;
	size_t line_bytes;
	uint64_t line_dropped; /* since the log was opened */
	int64_t fire_peak_milli;
	uint64_t bad_count; /* rows refused: broken, too many, no memory */
	bool is_synced;     /* the whole state came at least once */
	row_resize *resize;
};

void model_init(struct model *model, row_resize *resize);
void model_close(struct model *model); /* accepts a zeroed one */

/* A new watch begins: its first rows are the whole state. */
void model_watch_begin(struct model *model);
enum model_change {
	MODEL_NOTHING,
	MODEL_ROWS,
	MODEL_STATUS, /* ends a batch */
	MODEL_SYNC,   /* the whole state is there */
};
/* Applies one row of `watch`: {view, key, row} or {view, key, gone}. What is not understood is counted, not fatal. */
enum model_change model_watch_row(struct model *model, struct slice body);
/* A STATUS map that came by request. */
void model_status(struct model *model, struct slice body);
/* A RUN row for the detail of a job. */
void model_past_row(struct model *model, struct slice body);
/* Forgets runs that ended more than MODEL_FINISHED_MS before now. */
void model_prune(struct model *model, int64_t now_utc_ms);

void model_lines_clear(struct model *model);
void model_line(struct model *model, struct slice body);
const struct line_row *model_line_at(const struct model *model, size_t index); /* 0: the oldest */

/* By its name, with or without the group `default`; NULL: not known. */
const struct job_row *model_job(const struct model *model, const char *name);
const struct node_row *model_node_named(const struct model *model, const char *name);
/* By full name or short id, in flight first, then the past; NULL: not known. */
const struct run_row *model_run(const struct model *model, const char *name);
bool model_run_is_open(const struct run_row *run);
/* The instant that decides whether it is still shown among the finished. */
int64_t model_run_end(const struct run_row *run);

#endif
