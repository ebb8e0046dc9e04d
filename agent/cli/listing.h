/* Lists: rows of the local API as a table, as JSON lines or as one JSON document. */
#ifndef AGENT_CLI_LISTING_H
#define AGENT_CLI_LISTING_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/cli/cli.h"
#include "agent/cli/row_sort.h"
#include "agent/cli/table.h"
#include "proto/types.h"

enum column_kind {
	COLUMN_TEXT,
	COLUMN_NUMBER,
	COLUMN_TIME,    /* ms UTC -> RFC 3339 */
	COLUMN_SPAN,    /* ms -> "1.2s" */
	COLUMN_SPAN_US, /* us -> "0.18ms" */
	COLUMN_BYTES,   /* "2.0G" */
	COLUMN_MILLI,   /* 1/1000 -> "0.42" */
	COLUMN_VERDICT, /* the field, and in parentheses what `field_more` has */
	COLUMN_NEXT,    /* a time, or the state if there is none */
	COLUMN_BOOL,    /* yes, no */
	COLUMN_LIST     /* texts, with commas */
};

struct column {
	const char *name; /* as --columns takes it; the header in upper case */
	const char *field;
	enum column_kind kind;
	bool is_default;
	const char *field_more; /* VERDICT: the reason; NEXT: the state */
};

struct listing {
	struct cli *cli;
	const char *kind; /* "JobList" */
	const struct column *columns;
	size_t column_count;
	size_t chosen[TABLE_COLUMNS_MAX];
	size_t chosen_count;
	const char *sort_field; /* set after listing_init: rows are shown by this text; NULL: as they come */
	struct row_sort sort;
	struct table table;
	struct growing lines; /* JSON lines that are not written yet */
	uint64_t row_count;
	bool is_sorted;     /* a table of one page goes by its first column; agents answer in no order of people's */
	bool is_count;      /* rows are counted and not kept */
	uint64_t count_max; /* --limit; 0: all */
	uint64_t *seen;     /* --watch: hashes of the lines of the last round */
	size_t seen_count, seen_max;
	uint64_t *now;
	size_t now_count, now_max;
};

/* Checks --columns. 0, or the exit code of an error that was told. */
MUST_CHECK int listing_init(struct listing *listing, struct cli *cli, const char *kind,
			    const struct column *columns, size_t column_count);
void listing_close(struct listing *listing);
/* A cli_on_row: `context` is the listing. */
void listing_row(void *context, struct slice row);
/* Writes what is there; `end` is the body of the END (complete, missing, next, as_of_at). Returns the exit code. */
int listing_end(struct listing *listing, struct slice end);

/* Asks `verb` page by page until all, or --limit rows, are there; with --watch every second again. `put_args`
 * puts the arguments that choose the rows. Returns the exit code. */
int listing_run(struct listing *listing, const char *verb,
		void (*put_args)(struct cli *cli, void *context), void *context);

/* One field as the table shows it; for commands that write their own text. */
void listing_cell(struct slice row, const struct column *column, struct growing *ret_text);

#endif
