/* The heap of deadlines, the tables of jobs and of live runs: against plain models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/core/job.h"
#include "agent/core/prng.h"
#include "agent/core/run_table.h"
#include "proto/buf.h"

#define ITEMS 200u

static void the_heap_gives_the_smallest_key_whatever_is_moved(void **state)
{
	(void)state;
	static uint32_t items[ITEMS], positions[ITEMS];
	static int64_t keys[ITEMS], model[ITEMS];
	struct heap heap;
	heap_init(&heap, items, keys, positions, ITEMS);
	for (uint32_t i = 0; i < ITEMS; i++)
		model[i] = HEAP_NONE;
	struct prng prng;
	prng_init(&prng, 42);
	for (int round = 0; round < 20000; round++) {
		uint32_t item = (uint32_t)prng_below(&prng, ITEMS);
		int64_t key = prng_below(&prng, 4) == 0 ? HEAP_NONE : (int64_t)prng_below(&prng, 1000);
		heap_set(&heap, item, key);
		model[item] = key;
		int64_t smallest = HEAP_NONE;
		for (uint32_t i = 0; i < ITEMS; i++)
			smallest = model[i] < smallest ? model[i] : smallest;
		assert_true(heap_first_key(&heap) == smallest);
		assert_true(heap_key(&heap, item) == key);
	}
	int64_t last = -1;
	uint32_t item;
	while (heap_pop(&heap, 999, &item)) {
		assert_true(model[item] >= last);
		last = model[item];
	}
	assert_int_equal(heap.count, 0);
}

static struct id128 id_of(uint64_t number)
{
	struct id128 id = { { 0 } };
	store_u64(id.bytes, number * UINT64_C(0x9E3779B97F4A7C15) + 1);
	return id;
}

static void a_full_table_refuses_a_new_job_and_reuses_what_was_removed(void **state)
{
	(void)state;
	static struct job jobs[ITEMS];
	static uint32_t buckets[ITEMS], items[ITEMS], positions[ITEMS];
	static int64_t keys[ITEMS];
	struct job_table table = { .jobs = jobs, .buckets = buckets, .bucket_count = ITEMS, .capacity = ITEMS };
	heap_init(&table.heap, items, keys, positions, ITEMS);
	for (uint32_t i = 0; i < ITEMS; i++)
		assert_int_not_equal(job_add(&table, id_of(i), 0), JOB_NONE);
	assert_int_equal(job_add(&table, id_of(ITEMS), 0), JOB_NONE);
	assert_int_equal(job_add(&table, id_of(7), 0), job_find(&table, id_of(7)));
	for (uint32_t i = 0; i < ITEMS; i += 2)
		job_remove(&table, job_find(&table, id_of(i)));
	for (uint32_t i = 0; i < ITEMS; i++)
		assert_int_equal(job_find(&table, id_of(i)) == JOB_NONE, i % 2 == 0);
	uint32_t seen = 0;
	for (uint32_t slot = job_next_slot(&table, JOB_NONE); slot != JOB_NONE; slot = job_next_slot(&table, slot))
		seen++;
	assert_int_equal(seen, ITEMS / 2);
	assert_int_not_equal(job_add(&table, id_of(ITEMS), 0), JOB_NONE);
}

static void runs_are_found_by_every_part_of_their_key(void **state)
{
	(void)state;
	struct run_table table = { 0 };
	table.runs = calloc(RUNS_LIVE_MAX, sizeof(*table.runs));
	table.buckets = calloc(RUNS_LIVE_MAX, sizeof(*table.buckets));
	static uint32_t items[RUNS_LIVE_MAX], positions[RUNS_LIVE_MAX];
	static int64_t keys[RUNS_LIVE_MAX];
	heap_init(&table.heap, items, keys, positions, RUNS_LIVE_MAX);
	struct run_key key = { .job = id_of(1), .t_ms = 5, .manual = id_of(2), .shard = 3, .attempt = 4 };
	struct run_key others[5] = { key, key, key, key, key };
	others[0].job = id_of(9);
	others[1].t_ms = 6;
	others[2].manual = id_of(9);
	others[3].shard = 4;
	others[4].attempt = 5;
	uint32_t slot = run_add(&table, &key);
	assert_int_equal(run_add(&table, &key), slot);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(run_find(&table, &others[i]), RUN_NONE);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_not_equal(run_add(&table, &others[i]), slot);
	run_remove(&table, slot);
	assert_int_equal(run_find(&table, &key), RUN_NONE);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_not_equal(run_find(&table, &others[i]), RUN_NONE);
	free(table.runs);
	free(table.buckets);
}

static void the_history_of_a_job_keeps_the_newest_last(void **state)
{
	(void)state;
	struct job job = { 0 };
	for (uint8_t i = 1; i <= JOB_HISTORY + 2; i++)
		job_history_add(&job, i, i == JOB_HISTORY + 2);
	assert_int_equal(job.history[0], 3);
	assert_int_equal(job.history[JOB_HISTORY - 1], (JOB_HISTORY + 2) | 0x80u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_heap_gives_the_smallest_key_whatever_is_moved),
		cmocka_unit_test(a_full_table_refuses_a_new_job_and_reuses_what_was_removed),
		cmocka_unit_test(runs_are_found_by_every_part_of_their_key),
		cmocka_unit_test(the_history_of_a_job_keeps_the_newest_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
