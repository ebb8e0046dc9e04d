/* The changes of a cursor: each checks its own condition and leaves the cursor as it was when it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/core/cursor.h"
#include "proto/wire.h"

static const struct id128 executor = { { 7 } };
static const struct cursor_overlap forbid = { .is_allowed = false };
static const struct cursor_overlap allow = { .is_allowed = true };

static struct id128 id_of(uint8_t byte)
{
	return (struct id128){ { byte, 1 } };
}

static struct run_key run_of(int64_t t_ms, uint16_t attempt)
{
	return (struct run_key){ .t_ms = t_ms, .attempt = attempt };
}

static void a_claim_sets_through_and_opens_a_run(void **state)
{
	(void)state;
	struct cursor cursor;
	cursor_init(&cursor);
	assert_int_equal(cursor_claim(&cursor, 1000, executor, 3, 10, &forbid), ERR_OK);
	assert_int_equal(cursor.through_ms, 1000);
	assert_int_equal(cursor.def_counter, 3);
	assert_int_equal(cursor.open_count, 1);
	struct run_key run = run_of(1000, 1);
	assert_int_equal(cursor_find_open(&cursor, &run), 0);
}

static void through_never_falls(void **state)
{
	(void)state;
	struct cursor cursor;
	cursor_init(&cursor);
	assert_int_equal(cursor_pass(&cursor, 5000, 1), ERR_OK);
	assert_int_equal(cursor_claim(&cursor, 5000, executor, 1, 0, &allow), ERR_STALE);
	assert_int_equal(cursor_claim(&cursor, 4000, executor, 1, 0, &allow), ERR_STALE);
	assert_int_equal(cursor_pass(&cursor, 4999, 1), ERR_STALE);
	assert_int_equal(cursor.through_ms, 5000);
	assert_int_equal(cursor.open_count, 0);
}

static void forbid_refuses_a_second_open_run_and_allow_takes_it(void **state)
{
	(void)state;
	struct cursor cursor;
	cursor_init(&cursor);
	assert_int_equal(cursor_claim(&cursor, 1000, executor, 1, 0, &forbid), ERR_OK);
	assert_int_equal(cursor_claim(&cursor, 2000, executor, 1, 0, &forbid), ERR_EXISTS);
	assert_int_equal(cursor.through_ms, 1000);
	assert_int_equal(cursor_claim(&cursor, 2000, executor, 1, 0, &allow), ERR_OK);
	assert_int_equal(cursor.open_count, 2);
}

static void a_run_whose_executor_is_gone_forbids_nothing(void **state)
{
	(void)state;
	struct cursor cursor;
	cursor_init(&cursor);
	assert_int_equal(cursor_claim(&cursor, 1000, executor, 1, 0, &forbid), ERR_OK);
	bool is_gone[CURSOR_OPEN_MAX] = { true };
	struct cursor_overlap overlap = { .is_gone = is_gone };
	assert_int_equal(cursor_claim(&cursor, 2000, executor, 1, 0, &overlap), ERR_OK);
}

static void open_is_full_at_its_limit(void **state)
{
	(void)state;
	struct cursor cursor;
	cursor_init(&cursor);
	for (int i = 1; i <= (int)CURSOR_OPEN_MAX; i++)
		assert_int_equal(cursor_claim(&cursor, i, executor, 1, 0, &allow), ERR_OK);
	assert_int_equal(cursor_claim(&cursor, 100000, executor, 1, 0, &allow), ERR_FULL);
	assert_int_equal(cursor.through_ms, CURSOR_OPEN_MAX);
}

static void a_manual_run_lies_above_every_claim_before_it(void **state)
{
	(void)state;
	struct cursor cursor;
	cursor_init(&cursor);
	int64_t t_ms = 0;
	assert_int_equal(cursor_claim(&cursor, 9000, executor, 1, 0, &allow), ERR_OK);
	assert_int_equal(cursor_claim_manual(&cursor, id_of(1), 8500, executor, 1, 0, &allow, &t_ms), ERR_OK);
	assert_int_equal(t_ms, 9001);
	assert_int_equal(cursor_claim_manual(&cursor, id_of(2), 9500, executor, 1, 0, &allow, &t_ms), ERR_OK);
	assert_int_equal(t_ms, 9500);
	assert_int_equal(cursor.through_ms, 9000);
}

static void a_repeated_request_is_refused_and_so_is_one_below_the_floor(void **state)
{
	(void)state;
	struct cursor cursor;
	cursor_init(&cursor);
	int64_t t_ms = 0;
	for (uint8_t i = 0; i < CURSOR_MANUAL_MAX + 1; i++)
		assert_int_equal(cursor_claim_manual(&cursor, id_of(i), 1000 + i, executor, 1, 0, &allow, &t_ms), ERR_OK);
	assert_int_equal(cursor.manual_count, CURSOR_MANUAL_MAX);
	assert_int_equal(cursor.manual_floor_ms, 1000);
	assert_int_equal(cursor_claim_manual(&cursor, id_of(5), 9999, executor, 1, 0, &allow, &t_ms), ERR_EXISTS);
	assert_int_equal(cursor_claim_manual(&cursor, id_of(0), 1000, executor, 1, 0, &allow, &t_ms), ERR_STALE);
}

static void another_attempt_takes_the_place_of_the_one_before(void **state)
{
	(void)state;
	struct cursor cursor;
	cursor_init(&cursor);
	assert_int_equal(cursor_claim(&cursor, 1000, executor, 1, 0, &forbid), ERR_OK);
	struct run_key first = run_of(1000, 1);
	assert_int_equal(cursor_again(&cursor, &first, id_of(9), 1, 0, false), ERR_OK);
	assert_int_equal(cursor.open_count, 1);
	assert_int_equal(cursor.open[0].attempt, 2);
	assert_true(id128_equal(cursor.open[0].executor, id_of(9)));
	assert_int_equal(cursor_again(&cursor, &first, id_of(9), 1, 0, false), ERR_NOT_FOUND);
}

static void no_attempt_follows_once_a_later_fire_is_claimed(void **state)
{
	(void)state;
	struct cursor cursor;
	cursor_init(&cursor);
	assert_int_equal(cursor_claim(&cursor, 1000, executor, 1, 0, &allow), ERR_OK);
	assert_int_equal(cursor_claim(&cursor, 2000, executor, 1, 0, &allow), ERR_OK);
	struct run_key first = run_of(1000, 1);
	assert_int_equal(cursor_again(&cursor, &first, id_of(9), 1, 0, false), ERR_STALE);
	assert_int_equal(cursor_again(&cursor, &first, id_of(9), 1, 0, true), ERR_OK);
}

static void finish_removes_one_run_and_keeps_the_order_of_the_others(void **state)
{
	(void)state;
	struct cursor cursor;
	cursor_init(&cursor);
	for (int i = 1; i <= 3; i++)
		assert_int_equal(cursor_claim(&cursor, i * 1000, executor, 1, 0, &allow), ERR_OK);
	struct run_key second = run_of(2000, 1);
	assert_int_equal(cursor_finish(&cursor, &second, 2500), ERR_OK);
	assert_int_equal(cursor_finish(&cursor, &second, 2500), ERR_NOT_FOUND);
	assert_int_equal(cursor.open_count, 2);
	assert_int_equal(cursor.open[0].t_ms, 1000);
	assert_int_equal(cursor.open[1].t_ms, 3000);
	assert_int_equal(cursor.last_end_ms, 2500);
}

static void a_full_cursor_survives_the_wire_byte_for_byte(void **state)
{
	(void)state;
	static struct cursor cursor, read;
	cursor_init(&cursor);
	int64_t t_ms = 0;
	for (uint8_t i = 0; i < 20; i++)
		assert_int_equal(cursor_claim_manual(&cursor, id_of(i), 1000 + i, executor, 4, 5, &allow, &t_ms), ERR_OK);
	for (int i = 21; i <= (int)CURSOR_OPEN_MAX; i++)
		assert_int_equal(cursor_claim(&cursor, INT64_C(1800000000000) + i, executor, 4, 5, &allow), ERR_OK);
	static uint8_t memory[CURSOR_BYTES_MAX], again[CURSOR_BYTES_MAX];
	struct buf out, out_again;
	buf_init(&out, memory, sizeof(memory));
	cursor_put(&out, &cursor);
	assert_false(out.has_overflowed);
	assert_int_equal(cursor_get(buf_slice(&out), &read), ERR_OK);
	buf_init(&out_again, again, sizeof(again));
	cursor_put(&out_again, &read);
	assert_true(slice_equal(buf_slice(&out), buf_slice(&out_again)));
	for (size_t bytes = 1; bytes < out.bytes; bytes++)
		assert_int_not_equal(cursor_get(slice_of(memory, bytes), &read), ERR_OK);
}

static void an_empty_value_is_a_job_that_never_fired(void **state)
{
	(void)state;
	static struct cursor cursor;
	assert_int_equal(cursor_get((struct slice){ 0 }, &cursor), ERR_OK);
	assert_int_equal(cursor.through_ms, 0);
	assert_int_equal(cursor.open_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_claim_sets_through_and_opens_a_run),
		cmocka_unit_test(through_never_falls),
		cmocka_unit_test(forbid_refuses_a_second_open_run_and_allow_takes_it),
		cmocka_unit_test(a_run_whose_executor_is_gone_forbids_nothing),
		cmocka_unit_test(open_is_full_at_its_limit),
		cmocka_unit_test(a_manual_run_lies_above_every_claim_before_it),
		cmocka_unit_test(a_repeated_request_is_refused_and_so_is_one_below_the_floor),
		cmocka_unit_test(another_attempt_takes_the_place_of_the_one_before),
		cmocka_unit_test(no_attempt_follows_once_a_later_fire_is_claimed),
		cmocka_unit_test(finish_removes_one_run_and_keeps_the_order_of_the_others),
		cmocka_unit_test(a_full_cursor_survives_the_wire_byte_for_byte),
		cmocka_unit_test(an_empty_value_is_a_job_that_never_fired),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
