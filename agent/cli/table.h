/* Tables as text: upper-case header, two blanks between columns, no borders, widths by cells of the terminal. */
#ifndef AGENT_CLI_TABLE_H
#define AGENT_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/cli/growing.h"
#include "proto/types.h"

#define TABLE_COLUMNS_MAX 40u

/* Rows are held until table_write. Widths only grow, so that the blocks of a long list stay in line. */
struct table {
	size_t column_count;
	size_t cells[TABLE_COLUMNS_MAX]; /* width of each column so far */
	bool is_right[TABLE_COLUMNS_MAX];
	bool has_header;     /* written already */
	struct growing text; /* the cells of the rows held, each NUL-terminated */
	size_t cell_count;
	struct growing header;
};

/* `names` in any case; a number's column is set to the right. Requires: column_count <= TABLE_COLUMNS_MAX. */
void table_init(struct table *table, size_t column_count);
void table_close(struct table *table);
void table_column(struct table *table, size_t index, const char *name, bool is_right);
/* The next cell, row by row; escaped here, so that nothing from outside reaches the terminal as it is.
 * An empty cell is shown as "-". */
void table_cell(struct table *table, struct slice text);
/* Sorts the rows held by their first cells, as bytes. */
void table_sort(struct table *table);
/* Appends what is held, with the header if it was not written yet, and forgets the rows. */
void table_write(struct table *table, struct growing *out);

#endif
