/* The table of jobs: dense slots, so that few pages are touched, and a chained index by id. */
#include "agent/core/job.h"

#include <assert.h>
#include <string.h>

#include "proto/text.h"

static_assert(sizeof(struct job) <= JOB_BYTES_MAX, "a job costs at most JOB_BYTES_MAX");

static uint32_t job_bucket(const struct job_table *table, struct id128 id)
{
	/* Ids are BLAKE2b: their own bits are as good as any hash of them. */
	return (uint32_t)(id128_short(id) % table->bucket_count);
}

/* A live slot has an id; a free one has none. */
static bool job_is_live(const struct job *job)
{
	return !id128_is_zero(job->id);
}

uint32_t job_find(const struct job_table *table, struct id128 id)
{
	uint32_t link = table->buckets[job_bucket(table, id)];
	while (link != 0) {
		if (id128_equal(table->jobs[link - 1].id, id))
			return link - 1;
		link = table->jobs[link - 1].hash_next;
	}
	return JOB_NONE;
}

uint32_t job_add(struct job_table *table, struct id128 id, uint16_t arc)
{
	assert(!id128_is_zero(id));
	uint32_t slot = job_find(table, id);
	if (slot != JOB_NONE)
		return slot;
	if (table->free_first != 0) {
		slot = table->free_first - 1;
		table->free_first = table->jobs[slot].hash_next;
	} else if (table->used < table->capacity) {
		slot = table->used++;
	} else {
		return JOB_NONE;
	}

	uint32_t *bucket = &table->buckets[job_bucket(table, id)];
	table->jobs[slot] = (struct job){ .id = id, .arc = arc, .hash_next = *bucket, .next_ms = INT64_MAX,
		                          .after_next_ms = INT64_MAX };
	*bucket = slot + 1;
	table->count++;
	return slot;
}

void job_remove(struct job_table *table, uint32_t slot)
{
	assert(slot < table->used && job_is_live(&table->jobs[slot]));
	uint32_t *link = &table->buckets[job_bucket(table, table->jobs[slot].id)];
	while (*link != slot + 1)
		link = &table->jobs[*link - 1].hash_next;
	*link = table->jobs[slot].hash_next;
	heap_remove(&table->heap, slot);
	memset(&table->jobs[slot], 0, sizeof(table->jobs[slot]));
	table->jobs[slot].hash_next = table->free_first;
	table->free_first = slot + 1;
	table->count--;
}

uint32_t job_next_slot(const struct job_table *table, uint32_t slot)
{
	for (uint32_t next = slot == JOB_NONE ? 0 : slot + 1; next < table->used; next++)
		if (job_is_live(&table->jobs[next]))
			return next;
	return JOB_NONE;
}

void job_note_last(struct job *job, const struct run_record *record)
{
	if (record->key.t_ms < job->last_due_ms)
		return;
	job->last_due_ms = record->key.t_ms;
	job->last_start_ms = record->started_ms;
	job->last_duration_ms = record->duration_us > 0 ? (uint32_t)(record->duration_us / 1000) : 0;
	job->last_verdict = (uint8_t)record->verdict;
	text_copy(job->last_reason, sizeof(job->last_reason), record->reason);
	job->last_executor_short = id128_is_zero(record->executor) ? 0 : id128_short(record->executor);
}

void job_history_add(struct job *job, uint8_t verdict, bool is_late)
{
	memmove(&job->history[0], &job->history[1], JOB_HISTORY - 1);
	job->history[JOB_HISTORY - 1] = (uint8_t)(verdict | (is_late ? 0x80u : 0));
}
