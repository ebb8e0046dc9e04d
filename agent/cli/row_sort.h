/* Rows held until all are there, then given out in the order of one of their texts. */
#ifndef AGENT_CLI_ROW_SORT_H
#define AGENT_CLI_ROW_SORT_H

#include <stddef.h>

#include "agent/cli/growing.h"
#include "proto/types.h"

struct row_place {
	size_t offset, bytes;
};

/* All zero: empty. */
struct row_sort {
	struct growing rows;
	struct growing places; /* struct row_place, one a row */
};

void row_sort_add(struct row_sort *sort, struct slice row);
/* Calls `on_row` for each row, by the bytes of its text `field`, and forgets them. */
void row_sort_flush(struct row_sort *sort, const char *field, void (*on_row)(void *context, struct slice row),
		    void *context);
void row_sort_close(struct row_sort *sort);

#endif
