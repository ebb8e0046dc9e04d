/* The table of live runs: as the table of jobs, dense slots and a chained index. */
#include "agent/core/run_table.h"

#include <assert.h>
#include <string.h>

static uint32_t run_bucket(const struct run_key *key)
{
	uint64_t mixed = id128_short(key->job) ^ ((uint64_t)key->t_ms * UINT64_C(0x9E3779B97F4A7C15)) ^
	                 id128_short(key->manual) ^ ((uint64_t)key->shard << 16) ^ key->attempt;
	mixed ^= mixed >> 29;
	return (uint32_t)(mixed % RUNS_LIVE_MAX);
}

static bool run_is_live(const struct run *run)
{
	return !id128_is_zero(run->record.key.job);
}

uint32_t run_find(const struct run_table *table, const struct run_key *key)
{
	uint32_t link = table->buckets[run_bucket(key)];
	while (link != 0) {
		if (run_key_equal(&table->runs[link - 1].record.key, key))
			return link - 1;
		link = table->runs[link - 1].hash_next;
	}
	return RUN_NONE;
}

uint32_t run_add(struct run_table *table, const struct run_key *key)
{
	uint32_t slot = run_find(table, key);
	if (slot != RUN_NONE)
		return slot;
	if (table->free_first != 0) {
		slot = table->free_first - 1;
		table->free_first = table->runs[slot].hash_next;
	} else if (table->used < RUNS_LIVE_MAX) {
		slot = table->used++;
	} else {
		return RUN_NONE;
	}

	uint32_t *bucket = &table->buckets[run_bucket(key)];
	struct run *run = &table->runs[slot];
	memset(run, 0, sizeof(*run));
	run->record.key = *key;
	run->record.exit_code = -1;
	run->record.rss_bytes_max = -1;
	run->hash_next = *bucket;
	*bucket = slot + 1;
	table->count++;
	return slot;
}

void run_remove(struct run_table *table, uint32_t slot)
{
	assert(slot < table->used && run_is_live(&table->runs[slot]));
	uint32_t *link = &table->buckets[run_bucket(&table->runs[slot].record.key)];
	while (*link != slot + 1)
		link = &table->runs[*link - 1].hash_next;
	*link = table->runs[slot].hash_next;
	heap_remove(&table->heap, slot);
	memset(&table->runs[slot], 0, sizeof(table->runs[slot]));
	table->runs[slot].hash_next = table->free_first;
	table->free_first = slot + 1;
	table->count--;
}

uint32_t run_next_slot(const struct run_table *table, uint32_t slot)
{
	for (uint32_t next = slot == RUN_NONE ? 0 : slot + 1; next < table->used; next++)
		if (run_is_live(&table->runs[next]))
			return next;
	return RUN_NONE;
}
