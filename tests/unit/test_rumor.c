/* The queue of rumors and the times of suspicion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/core/prng.h"
#include "agent/core/rumor.h"
#include "agent/core/suspicion.h"

#define T_US INT64_C(1000000)

static int setup(void **state)
{
	struct rumor_queue *queue = calloc(1, sizeof(*queue) + rumor_queue_bytes());
	rumor_queue_init(queue, queue + 1);
	*state = queue;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void test_one_rumor_per_subject(void **state)
{
	struct rumor_queue *queue = *state;
	uint16_t subjects[RUMOR_PICK_MAX];
	rumor_add(queue, 5, RUMOR_ALIVE);
	rumor_add(queue, 5, RUMOR_GONE);
	assert_int_equal(queue->count, 1);
	assert_int_equal(rumor_pick(queue, true, subjects), 1);
	assert_int_equal(subjects[0], 5);
	assert_int_equal(rumor_pick(queue, false, subjects), 0);
}

static void test_class_first_then_fewest_sends(void **state)
{
	struct rumor_queue *queue = *state;
	uint16_t subjects[RUMOR_PICK_MAX];
	rumor_add(queue, 1, RUMOR_GONE);
	rumor_add(queue, 2, RUMOR_SUSPECT);
	rumor_add(queue, 3, RUMOR_GONE);
	rumor_add(queue, 0, RUMOR_REFUTE);
	rumor_sent(queue, 1, 8);
	assert_int_equal(rumor_pick(queue, true, subjects), 4);
	static const uint16_t expected[] = {0, 2, 3, 1};
	for (int i = 0; i < 4; i++)
		assert_int_equal(subjects[i], expected[i]);
}

static void test_pick_is_bounded_and_takes_the_most_urgent(void **state)
{
	struct rumor_queue *queue = *state;
	uint16_t subjects[RUMOR_PICK_MAX];
	for (uint32_t i = 0; i < MEMBERS_MAX; i++)
		rumor_add(queue, i, RUMOR_ALIVE);
	assert_int_equal(queue->count, MEMBERS_MAX);
	for (uint32_t i = 0; i < MEMBERS_MAX; i++)
		if (i % 500 != 0)
			rumor_sent(queue, i, 16);
	assert_int_equal(rumor_pick(queue, false, subjects), RUMOR_PICK_MAX);
	for (uint32_t i = 0; i < MEMBERS_MAX / 500; i++)
		assert_int_equal(subjects[i] % 500, 0);
}

static void test_nobody_starves(void **state)
{
	struct rumor_queue *queue = *state;
	uint16_t subjects[RUMOR_PICK_MAX];
	uint32_t sends[100] = {0};
	for (uint32_t i = 0; i < 100; i++)
		rumor_add(queue, i, RUMOR_GONE);
	while (queue->count > 0) {
		uint32_t count = rumor_pick(queue, true, subjects);
		for (uint32_t i = 0; i < count && i < 5; i++) {
			sends[subjects[i]]++;
			rumor_sent(queue, subjects[i], 8);
		}
	}
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(sends[i], 8);
}

static void test_feedback_saves_sends_down_to_the_floor(void **state)
{
	struct rumor_queue *queue = *state;
	rumor_add(queue, 1, RUMOR_ALIVE);
	for (uint32_t i = 0; i < 300; i++)
		rumor_heard(queue, 1, 16);
	assert_int_equal(queue->count, 1);
	for (uint32_t i = 0; i < RUMOR_SENDS_MIN; i++) {
		assert_int_equal(queue->count, 1);
		rumor_sent(queue, 1, 16);
	}
	assert_int_equal(queue->count, 0);
	rumor_heard(queue, 1, 16);
	rumor_sent(queue, 1, 16);
	assert_int_equal(queue->count, 0);
}

static void test_queue_keeps_its_books(void **state)
{
	struct rumor_queue *queue = *state;
	struct prng prng;
	prng_init(&prng, 3);
	bool is_queued[64] = {false};
	for (uint32_t i = 0; i < 5000; i++) {
		uint32_t subject = (uint32_t)prng_below(&prng, 64);
		uint32_t other = (uint32_t)prng_below(&prng, 64);
		switch (prng_below(&prng, 3)) {
		case 0:
			rumor_add(queue, subject, (enum rumor_class)prng_below(&prng, 4));
			is_queued[subject] = true;
			break;
		case 1:
			rumor_drop(queue, subject);
			is_queued[subject] = false;
			break;
		default:
			rumor_drop(queue, other);
			is_queued[other] = false;
			if (subject == other)
				break;
			rumor_renumber(queue, subject, other);
			is_queued[other] = is_queued[subject];
			is_queued[subject] = false;
			break;
		}
		uint32_t count = 0;
		for (uint32_t j = 0; j < 64; j++) {
			assert_int_equal(queue->places[j] != 0, is_queued[j]);
			if (is_queued[j])
				assert_int_equal(queue->rumors[queue->places[j] - 1].subject, j);
			count += is_queued[j];
		}
		assert_int_equal(queue->count, count);
	}
}

static void test_transmits_by_size(void **state)
{
	(void)state;
	static const uint32_t table[][2] = {{1, 4},    {3, 4},    {9, 4},     {10, 8},   {99, 8},
					    {100, 12}, {999, 12}, {1000, 16}, {5000, 16}};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(rumor_sends_max(table[i][0]), table[i][1]);
}

/* ---- suspicion ---- */

static void test_suspicion_times(void **state)
{
	(void)state;
	static const int64_t min_ms[][2] = {{2, 4000},   {3, 4000},    {10, 4000},
					    {100, 5000}, {1000, 6000}, {5000, 6699}};
	for (size_t i = 0; i < sizeof(min_ms) / sizeof(min_ms[0]); i++) {
		int64_t ms = suspicion_min_us((uint32_t)min_ms[i][0], T_US) / 1000;
		assert_in_range(ms, min_ms[i][1] - 3, min_ms[i][1] + 3);
	}
	/* n = 10: 24 s with nobody else, then 14, 8.15, 4. */
	assert_in_range(suspicion_span_us(10, T_US, 0), 23990000, 24010000);
	assert_in_range(suspicion_span_us(10, T_US, 1), 13990000, 14010000);
	assert_in_range(suspicion_span_us(10, T_US, 2), 8140000, 8160000);
	assert_int_equal(suspicion_span_us(10, T_US, 3), 4 * T_US);
	/* Below four members nobody can confirm. */
	assert_int_equal(suspicion_span_us(3, T_US, 0), 4 * T_US);
	/* Of four, two can. */
	assert_int_equal(suspicion_span_us(4, T_US, 2), 4 * T_US);
}

static void test_suspicion_is_monotone(void **state)
{
	(void)state;
	int64_t min_before = 0;
	for (uint32_t n = 2; n <= 5000; n++) {
		assert_true(suspicion_min_us(n, T_US) >= min_before);
		min_before = suspicion_min_us(n, T_US);
		int64_t before = INT64_MAX;
		for (uint32_t c = 0; c < 6; c++) {
			int64_t span = suspicion_span_us(n, T_US, c);
			assert_true(span <= before);
			assert_true(span >= min_before);
			before = span;
		}
	}
}

static void test_observers_count_once(void **state)
{
	(void)state;
	struct suspicion suspicion;
	suspicion_start(&suspicion, 100);
	assert_true(suspicion_add(&suspicion, 1, false));
	assert_false(suspicion_add(&suspicion, 1, false));
	suspicion_update(&suspicion, 10, T_US);
	assert_in_range(suspicion.due_us, 23990000, 24010000);
	/* The same one says more: refused. One of ten is not enough. */
	assert_true(suspicion_add(&suspicion, 1, true));
	assert_false(suspicion_add(&suspicion, 1, true));
	assert_false(suspicion_is_refused(&suspicion, 10));
	assert_true(suspicion_is_refused(&suspicion, 3));
	assert_true(suspicion_add(&suspicion, 2, true));
	assert_true(suspicion_is_refused(&suspicion, 10));
	suspicion_update(&suspicion, 10, T_US);
	assert_int_equal(suspicion.due_us, 100 + T_US);
	assert_true(suspicion_add(&suspicion, 3, false));
	assert_true(suspicion_add(&suspicion, 4, false));
	assert_false(suspicion_add(&suspicion, 5, false));
	suspicion_clear(&suspicion);
	assert_true(suspicion.due_us == INT64_MAX);
	assert_int_equal(suspicion.observer_count, 0);
}

static void test_randomness_is_the_published_one(void **state)
{
	(void)state;
	/* splitmix64 of seed 0 begins so (its authors' values); xoshiro256** follows from them. */
	struct prng prng;
	prng_init(&prng, 0);
	assert_true(prng.state[0] == 0xe220a8397b1dcdafu);
	assert_true(prng.state[1] == 0x6e789e6aa1b965f4u);
	assert_true(prng_next(&prng) == 0x99ec5f36cb75f2b4u);
	uint32_t counts[5] = {0};
	for (int i = 0; i < 5000; i++)
		counts[prng_below(&prng, 5)]++;
	for (int i = 0; i < 5; i++)
		assert_in_range(counts[i], 850, 1150);
}

#define CASE(function, sentence)                          \
	{                                                 \
		sentence, function, setup, teardown, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_one_rumor_per_subject, "one rumor per subject: the newer takes the place"),
		CASE(test_class_first_then_fewest_sends, "class first, then fewest sends"),
		CASE(test_pick_is_bounded_and_takes_the_most_urgent,
		     "a pick is bounded and takes the most urgent"),
		CASE(test_nobody_starves, "nobody starves"),
		CASE(test_feedback_saves_sends_down_to_the_floor,
		     "feedback saves sends down to the floor"),
		CASE(test_queue_keeps_its_books,
		     "the queue keeps its books through adds, drops and renumbering"),
		CASE(test_transmits_by_size, "transmits by size of the cluster"),
		CASE(test_suspicion_times, "suspicion has the times of its formula"),
		CASE(test_suspicion_is_monotone, "more confirmations never make it longer"),
		CASE(test_observers_count_once, "an observer counts once"),
		CASE(test_randomness_is_the_published_one, "the generator is the published one"),
	};
	return cmocka_run_group_tests_name("rumor", tests, NULL, NULL);
}
