/* One transaction's worth of changes. */
#include "agent/store/batch.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#define BATCH_COUNT_FIRST 16u /* a calm step persists a handful */

enum err store_batch_add(struct store_batch *batch, struct store_record *record)
{
	if (batch->count == batch->count_max) {
		size_t count_max = batch->count_max == 0 ? BATCH_COUNT_FIRST : 2 * batch->count_max;
		if (count_max > UINT32_MAX)
			return ERR_NO_MEMORY;
		struct store_record **records = realloc(batch->records,
							count_max * sizeof(*batch->records));
		if (records == NULL)
			return ERR_NO_MEMORY;
		batch->records = records;
		batch->count_max = count_max;
	}
	record->batch_index = (uint32_t)batch->count;
	batch->records[batch->count++] = store_record_ref(record);
	return ERR_OK;
}

void store_batch_replace(struct store_batch *batch, size_t index, struct store_record *record)
{
	assert(index < batch->count);
	struct store_record *replaced = batch->records[index];
	record->batch_index = (uint32_t)index;
	batch->records[index] = store_record_ref(record);
	store_record_unref(replaced);
}

enum err store_batch_check(const struct store_batch *batch, struct problem *problem)
{
	if (batch->is_broken)
		return problem_set(problem, ERR_NO_MEMORY,
				   "store: out of memory while changes were gathered");
	return ERR_OK;
}

void store_batch_free(struct store_batch *batch)
{
	if (batch == NULL)
		return;
	for (size_t i = 0; i < batch->count; i++)
		store_record_unref(batch->records[i]);
	free(batch->records);
	batch->records = NULL;
	batch->count = 0;
	batch->count_max = 0;
	if (!batch->is_embedded)
		free(batch);
}

size_t store_batch_count(const struct store_batch *batch)
{
	return batch->count;
}

struct store_change store_batch_at(const struct store_batch *batch, size_t index)
{
	assert(index < batch->count);
	const struct store_record *record = batch->records[index];
	return (struct store_change){
		.table = record->table,
		.key = store_record_key(record),
		.value = store_record_value(record),
		.is_remove = record->is_remove,
	};
}
