/* Rows by key, in the order of their keys. A whole state comes as a load: between table_load_begin and
 * table_load_end rows may come in any order, cheaply; what did not come again goes away at the end. */
#ifndef TUI_TABLE_H
#define TUI_TABLE_H

#include "tui/row.h"

struct table {
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

void table_init(struct table *table, size_t count_limit, row_resize *resize);
void table_clear(struct table *table); /* gives everything back; accepts a zeroed table */
void table_load_begin(struct table *table);
void table_load_end(struct table *table);
/* Takes the row, also when it fails; one with the same key is replaced. ERR_FULL: at the limit (counted);
 * ERR_NO_MEMORY. */
MUST_CHECK enum err table_put(struct table *table, struct row *take_row);
void table_remove(struct table *table, const char *key);
/* Removes the rows for which `is_old` says so; keeps the order. */
void table_prune(struct table *table, bool (*is_old)(const struct row *row, int64_t now_ms),
		 int64_t now_ms);
struct row *table_find(const struct table *table, const char *key); /* NULL: not there */
/* Index of the first row whose key is not below `key`; the count if all are. */
size_t table_lower_bound(const struct table *table, const char *key);

#endif
