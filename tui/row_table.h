/* Rows by key, in the order of their keys. A whole state comes as a load: between row_table_load_begin and
 * row_table_load_end rows may come in any order, cheaply; what did not come again goes away at the end. */
#ifndef TUI_ROW_TABLE_H
#define TUI_ROW_TABLE_H

#include "tui/row.h"

struct row_table {
	struct row **rows;
	size_t count;
	size_t sorted_count; /* rows in front that are in order; equal to count outside of a load */
	size_t count_max;    /* allocated */
	size_t count_limit;
	size_t refused_count; /* rows that did not fit since the last load began; shown, not hidden */
	uint32_t generation;
	bool is_loading;
	row_resize *resize;
};

void row_table_init(struct row_table *table, size_t count_limit, row_resize *resize);
void row_table_clear(struct row_table *table); /* gives everything back; accepts a zeroed table */
void row_table_load_begin(struct row_table *table);
void row_table_load_end(struct row_table *table);
/* Takes the row, also when it fails; one with the same key is replaced. ERR_FULL: at the limit (counted);
 * ERR_NO_MEMORY. */
MUST_CHECK enum err row_table_put(struct row_table *table, struct row *take_row);
void row_table_remove(struct row_table *table, const char *key);
/* Removes the rows for which `is_old` says so; keeps the order. */
void row_table_prune(struct row_table *table, bool (*is_old)(const struct row *row, int64_t now_ms),
		     int64_t now_ms);
struct row *row_table_find(const struct row_table *table, const char *key); /* NULL: not there */
/* Index of the first row whose key is not below `key`; the count if all are. */
size_t row_table_lower_bound(const struct row_table *table, const char *key);

#endif
