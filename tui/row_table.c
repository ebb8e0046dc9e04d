/* Rows by key. During a load new rows are appended and sorted once at its end, so that 100,000 rows in any order
 * cost a sort and not a million moves. */
#include "tui/row_table.h"

#include <stdlib.h>
#include <string.h>

#define COUNT_FIRST 64u

void row_table_init(struct row_table *table, size_t count_limit, row_resize *resize)
{
	*table = (struct row_table){.count_limit = count_limit, .resize = resize};
}

void row_table_clear(struct row_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		row_free(table->rows[i], table->resize);
	if (table->rows != NULL)
		(void)table->resize(table->rows, 0);
	table->rows = NULL;
	table->count = table->sorted_count = table->count_max = 0;
	table->is_loading = false;
}

size_t row_table_lower_bound(const struct row_table *table, const char *key)
{
	size_t low = 0;
	size_t high = table->sorted_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(table->rows[middle]->key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct row *row_table_find(const struct row_table *table, const char *key)
{
	size_t at = row_table_lower_bound(table, key);
	if (at < table->sorted_count && strcmp(table->rows[at]->key, key) == 0)
		return table->rows[at];
	return NULL;
}

void row_table_load_begin(struct row_table *table)
{
	row_table_load_end(table);
	table->is_loading = true;
	table->generation++;
	table->refused_count = 0;
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *const *left = a;
	const struct row *const *right = b;
	return strcmp((*left)->key, (*right)->key);
}

void row_table_load_end(struct row_table *table)
{
	if (!table->is_loading)
		return;
	table->is_loading = false;
	size_t kept = 0;
	for (size_t i = 0; i < table->count; i++) {
		if (table->rows[i]->generation == table->generation)
			table->rows[kept++] = table->rows[i];
		else
			row_free(table->rows[i], table->resize);
	}
	table->count = kept;
	if (kept > 0)
		qsort(table->rows, kept, sizeof(struct row *), compare_rows);
	/* A stranger may send a key twice in one load: one of them stays. */
	kept = 0;
	for (size_t i = 0; i < table->count; i++) {
		if (kept > 0 && strcmp(table->rows[kept - 1]->key, table->rows[i]->key) == 0)
			row_free(table->rows[i], table->resize);
		else
			table->rows[kept++] = table->rows[i];
	}
	table->count = table->sorted_count = kept;
}

static enum err make_room(struct row_table *table)
{
	if (table->count >= table->count_limit) {
		table->refused_count++;
		return ERR_FULL;
	}
	if (table->count < table->count_max)
		return ERR_OK;
	size_t wanted = table->count_max == 0 ? COUNT_FIRST : 2 * table->count_max;
	struct row **rows = table->resize(table->rows, wanted * sizeof(struct row *));
	if (rows == NULL)
		return ERR_NO_MEMORY;
	table->rows = rows;
	table->count_max = wanted;
	return ERR_OK;
}

enum err row_table_put(struct row_table *table, struct row *take_row)
{
	take_row->generation = table->generation;
	size_t at = row_table_lower_bound(table, take_row->key);
	if (at < table->sorted_count && strcmp(table->rows[at]->key, take_row->key) == 0) {
		row_free(table->rows[at], table->resize);
		table->rows[at] = take_row;
		return ERR_OK;
	}
	enum err err = make_room(table);
	if (err != ERR_OK) {
		row_free(take_row, table->resize);
		return err;
	}
	if (table->is_loading) {
		table->rows[table->count++] = take_row;
		return ERR_OK;
	}
	memmove(table->rows + at + 1, table->rows + at, (table->count - at) * sizeof(struct row *));
	table->rows[at] = take_row;
	table->count++;
	table->sorted_count++;
	return ERR_OK;
}

void row_table_remove(struct row_table *table, const char *key)
{
	size_t at = row_table_lower_bound(table, key);
	if (at == table->sorted_count || strcmp(table->rows[at]->key, key) != 0)
		return;
	row_free(table->rows[at], table->resize);
	memmove(table->rows + at, table->rows + at + 1, (table->count - at - 1) * sizeof(struct row *));
	table->count--;
	table->sorted_count--;
}

void row_table_prune(struct row_table *table, bool (*is_old)(const struct row *row, int64_t now_ms),
		     int64_t now_ms)
{
	if (table->is_loading)
		return;
	size_t kept = 0;
	for (size_t i = 0; i < table->count; i++) {
		if (is_old(table->rows[i], now_ms))
			row_free(table->rows[i], table->resize);
		else
			table->rows[kept++] = table->rows[i];
	}
	table->count = table->sorted_count = kept;
}
