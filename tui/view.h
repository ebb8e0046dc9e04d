/* Drawing: state -> cells. Nothing is remembered and nothing is changed but the cells (and the order of the rows, which
 * is made anew where it is stale). */
#ifndef TUI_VIEW_H
#define TUI_VIEW_H

#include "tui/show.h"
#include "tui/state.h"

/* Draws the whole screen of state->rows x state->columns; the cells have that size. */
void view_paint(struct state *state, struct cells *cells, int64_t now_mono_ms);

/* ---- between the view files ---- */

#define VIEW_TEXT_BYTES 384u

/* A table's columns in the order in which they are drawn. */
struct column {
	const char *title;
	int width_min;
	int width_max;
	int rank;      /* 1: never left out; the highest goes first */
	int grow_rank; /* 1 is the first to get what is left over */
	bool is_right;
};

struct column_place {
	int at;    /* from the left edge of the table */
	int width; /* 0: left out */
};

#define COLUMNS_MAX 16

/* Chooses and places the columns in `width` cells, of which the first is the cursor's. `skipped_count` columns behind the first are
 * left out to show those behind them. Returns how many are hidden. */
int view_columns(const struct column *columns, int count, int width, int skipped_count,
		 struct column_place ret_places[COLUMNS_MAX]);

struct cell_text {
	char text[VIEW_TEXT_BYTES];
	enum role role;
	unsigned flags;
};

struct table_view {
	const struct state *state;
	const struct column *columns;
	int column_count;
	int64_t now_utc_ms;
	/* Writes the text of one cell; `width` is what there is for it. */
	void (*cell)(const struct table_view *table, const struct row *row, int column, int width,
		     struct cell_text *ret_text);
};

/* Titles (unless narrow) and lines of the list from `row` on, `rows` rows in all, in columns 0 to width. */
void view_table(struct state *state, struct cells *cells, const struct table_view *table, int row,
		int rows, int width);
void view_table_row(const struct table_view *table, struct cells *cells, int row, int width,
		    int skipped_count, const struct row *shown, bool is_selected);
void view_titles(const struct table_view *table, struct cells *cells, int row, int width,
		 int skipped_count);

void view_bar(const struct state *state, struct cells *cells, int64_t now_mono_ms);
void view_header(const struct state *state, struct cells *cells, int row);
/* The open question and its choice, in one row. */
void view_question(const struct state *state, struct cells *cells, int row);
void view_tiny(struct state *state, struct cells *cells, int64_t now_mono_ms);
/* A line with a text on the left and one on the right; the right one is drawn only where it fits. */
void view_sides(struct cells *cells, int row, const char *left, const char *right, enum role role,
		unsigned flags);

void view_jobs(struct state *state, struct cells *cells, int64_t now_mono_ms);
void view_nodes(struct state *state, struct cells *cells, int64_t now_mono_ms);
void view_snapshot(struct state *state, struct cells *cells, int64_t now_mono_ms);
void view_logs(struct state *state, struct cells *cells, int64_t now_mono_ms);
void view_job(struct state *state, struct cells *cells, int64_t now_mono_ms);
void view_node(struct state *state, struct cells *cells, int64_t now_mono_ms);
void view_run(struct state *state, struct cells *cells, int64_t now_mono_ms);
void view_help(const struct state *state, struct cells *cells);

/* What the message row says of the selected row when there is no message. */
void view_describe_job(const struct job_row *job, char ret_text[VIEW_TEXT_BYTES]);
void view_describe_node(const struct node_row *node, char ret_text[VIEW_TEXT_BYTES]);
void view_describe_run(const struct run_row *run, char ret_text[VIEW_TEXT_BYTES]);

/* The table of runs that the pages of a job and of a node have below their facts. */
void view_run_table(struct state *state, struct cells *cells, int row, int64_t now_utc_ms,
		    bool is_of_node);

/* The facts of a job beside the list, from `column` to the right edge. */
void view_job_pane(const struct state *state, struct cells *cells, const struct job_row *job,
		   int row, int rows, int column, int64_t now_utc_ms);

/* Label and text; drawn in two columns where there is room. */
struct fact {
	const char *label;
	char text[VIEW_TEXT_BYTES];
	enum role role;
};
#define FACTS_MAX 16
struct facts {
	struct fact list[FACTS_MAX];
	int count;
};
void view_fact(struct facts *facts, const char *label, enum role role, const char *format, ...)
	PRINTF_LIKE(4, 5);
/* Draws at most `rows` rows; what does not fit is left out, the last ones first. */
void view_facts(struct cells *cells, const struct facts *facts, int row, int rows);

#endif
