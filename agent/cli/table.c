/* Tables as text. The cells of a block of rows are kept one after the other until all widths are known. */
#include "agent/cli/table.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/text.h"

#define BLANKS_BETWEEN 2u

void table_init(struct table *table, size_t column_count)
{
	assert(column_count <= TABLE_COLUMNS_MAX);
	*table = (struct table){.column_count = column_count};
}

void table_close(struct table *table)
{
	if (table == NULL)
		return;
	growing_close(&table->text);
	growing_close(&table->header);
	*table = (struct table){0};
}

void table_column(struct table *table, size_t index, const char *name, bool is_right)
{
	assert(index < table->column_count);
	for (const char *at = name; *at != '\0'; at++) {
		char upper = (char)toupper((unsigned char)*at);
		growing_put(&table->header, &upper, 1);
	}
	growing_put(&table->header, "", 1);
	table->cells[index] = strlen(name);
	table->is_right[index] = is_right;
}

void table_cell(struct table *table, struct slice text)
{
	size_t start = table->text.bytes;
	if (text.bytes == 0)
		growing_text(&table->text, "-");
	else
		growing_escaped(&table->text, text);
	struct slice cell = slice_of(table->text.data + start, table->text.bytes - start);
	size_t column = table->cell_count % table->column_count;
	size_t cells = text_cells(cell);
	if (cells > table->cells[column])
		table->cells[column] = cells;
	growing_put(&table->text, "", 1);
	table->cell_count++;
}

static void write_row(const struct table *table, const char **cell, struct growing *out)
{
	for (size_t i = 0; i < table->column_count; i++) {
		size_t bytes = strlen(*cell);
		size_t used = text_cells(slice_of(*cell, bytes));
		size_t pad = table->cells[i] > used ? table->cells[i] - used : 0;
		bool is_last = i + 1 == table->column_count;
		if (table->is_right[i])
			growing_repeat(out, ' ', pad);
		growing_put(out, *cell, bytes);
		if (!table->is_right[i] && !is_last)
			growing_repeat(out, ' ', pad);
		if (!is_last)
			growing_repeat(out, ' ', BLANKS_BETWEEN);
		*cell += bytes + 1;
	}
	growing_put(out, "\n", 1);
}

static int compare_rows(const void *left, const void *right)
{
	const char *const *a = left, *const *b = right;
	int order = strcmp(*a, *b);
	/* Equal ones stay in the order in which they came. */
	return order != 0 ? order : (*a > *b) - (*a < *b);
}

void table_sort(struct table *table)
{
	size_t count = table->cell_count / table->column_count;
	if (count < 2)
		return;
	const char **rows = growing_resize(NULL, count * sizeof(*rows));
	const char *cell = growing_string(&table->text);
	for (size_t i = 0; i < count; i++) {
		rows[i] = cell;
		for (size_t column = 0; column < table->column_count; column++)
			cell += strlen(cell) + 1;
	}
	const char *end = cell;
	qsort(rows, count, sizeof(*rows), compare_rows);
	struct growing sorted = {0};
	for (size_t i = 0; i < count; i++) {
		const char *at = rows[i];
		for (size_t column = 0; column < table->column_count; column++)
			at += strlen(at) + 1;
		growing_put(&sorted, rows[i], (size_t)(at - rows[i]));
	}
	assert(sorted.bytes == (size_t)(end - growing_string(&table->text)));
	(void)growing_resize(rows, 0);
	growing_close(&table->text);
	table->text = sorted;
}

void table_write(struct table *table, struct growing *out)
{
	assert(table->cell_count % table->column_count == 0);
	if (!table->has_header) {
		const char *cell = growing_string(&table->header);
		write_row(table, &cell, out);
		table->has_header = true;
	}
	const char *cell = growing_string(&table->text);
	for (size_t row = 0; row < table->cell_count / table->column_count; row++)
		write_row(table, &cell, out);
	table->cell_count = 0;
	growing_clear(&table->text);
}
