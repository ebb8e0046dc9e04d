/* Sorting of rows: qsort over places in one block of bytes. */
#include "agent/cli/row_sort.h"

#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/wire.h"

struct order {
	const struct row_sort *sort;
	const char *field;
};

static struct slice row_at(const struct row_sort *sort, const struct row_place *place)
{
	return slice_of(sort->rows.data + place->offset, place->bytes);
}

static int compare_rows(const void *a, const void *b, void *context)
{
	const struct order *order = context;
	struct slice first = wire_map_find_str(row_at(order->sort, a), order->field);
	struct slice second = wire_map_find_str(row_at(order->sort, b), order->field);
	return slice_compare(first, second);
}

void row_sort_add(struct row_sort *sort, struct slice row)
{
	struct row_place place = {.offset = sort->rows.bytes, .bytes = row.bytes};
	growing_put(&sort->rows, row.data, row.bytes);
	growing_put(&sort->places, &place, sizeof(place));
}

void row_sort_flush(struct row_sort *sort, const char *field, void (*on_row)(void *context, struct slice row),
		    void *context)
{
	struct order order = {.sort = sort, .field = field};
	struct row_place *places = (struct row_place *)(void *)sort->places.data;
	size_t count = sort->places.bytes / sizeof(*places);
	if (count > 0)
		qsort_r(places, count, sizeof(*places), compare_rows, &order);
	for (size_t i = 0; i < count; i++)
		on_row(context, row_at(sort, &places[i]));
	growing_clear(&sort->rows);
	growing_clear(&sort->places);
}

void row_sort_close(struct row_sort *sort)
{
	growing_close(&sort->rows);
	growing_close(&sort->places);
}
