/* Start records and floors: what was dropped never starts, what comes after it may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/core/start_record.h"
#include "agent/store/store.h"
#include "agent/store/store_mem.h"
#include "proto/run_record.h"

struct fixture {
	struct store_backend *backend;
	struct store_overlay *overlay;
};

static int setup(void **state)
{
	static struct fixture fixture;
	fixture.backend = store_mem_new();
	fixture.overlay = store_overlay_new(fixture.backend);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	store_overlay_free(fixture->overlay);
	store_mem_free(fixture->backend);
	return 0;
}

static struct run_key run_of(int64_t t_ms, uint8_t manual, uint16_t attempt)
{
	struct run_key run = { .t_ms = t_ms, .attempt = attempt };
	run.job.bytes[0] = 7;
	run.manual.bytes[15] = manual;
	return run;
}

static void a_dropped_run_and_all_before_it_never_start_again(void **state)
{
	const struct store_view *store = store_overlay_view(((struct fixture *)*state)->overlay);
	struct run_key dropped = run_of(5000, 0, 2);
	start_record_put(store, &dropped, START_ENDED);
	assert_int_equal(start_record_get(store, &dropped), START_ENDED);
	assert_false(start_record_is_below_floor(store, &dropped));
	start_record_drop(store, &dropped);
	assert_int_equal(start_record_get(store, &dropped), START_NONE);
	assert_true(start_record_is_below_floor(store, &dropped));
	struct run_key earlier_attempt = run_of(5000, 0, 1);
	struct run_key earlier_fire = run_of(4999, 0, 9);
	assert_true(start_record_is_below_floor(store, &earlier_attempt));
	assert_true(start_record_is_below_floor(store, &earlier_fire));
}

static void a_later_attempt_and_a_later_fire_may_start_after_a_drop(void **state)
{
	const struct store_view *store = store_overlay_view(((struct fixture *)*state)->overlay);
	struct run_key dropped = run_of(5000, 0, 2);
	struct run_key later_attempt = run_of(5000, 0, 3);
	struct run_key later_fire = run_of(5001, 0, 1);
	start_record_drop(store, &dropped);
	assert_false(start_record_is_below_floor(store, &later_attempt));
	assert_false(start_record_is_below_floor(store, &later_fire));
}

static void a_fire_that_is_caught_up_may_start_after_a_later_manual_run(void **state)
{
	const struct store_view *store = store_overlay_view(((struct fixture *)*state)->overlay);
	struct run_key manual = run_of(9000, 1, 1);
	struct run_key fire = run_of(5000, 0, 1);
	start_record_drop(store, &manual);
	assert_true(start_record_is_below_floor(store, &manual));
	assert_false(start_record_is_below_floor(store, &fire));
}

static void dropping_an_older_run_does_not_lower_the_floor(void **state)
{
	const struct store_view *store = store_overlay_view(((struct fixture *)*state)->overlay);
	struct run_key newer = run_of(9000, 0, 1);
	struct run_key older = run_of(5000, 0, 1);
	start_record_drop(store, &newer);
	start_record_drop(store, &older);
	assert_true(start_record_is_below_floor(store, &newer));
}

static void a_floor_is_not_taken_for_a_run(void **state)
{
	const struct store_view *store = store_overlay_view(((struct fixture *)*state)->overlay);
	struct run_key dropped = run_of(5000, 0, 1);
	start_record_drop(store, &dropped);
	uint8_t key_memory[64], value_memory[64];
	struct buf key, value;
	buf_init(&key, key_memory, sizeof(key_memory));
	buf_init(&value, value_memory, sizeof(value_memory));
	assert_int_equal(store->next(store->context, TABLE_STARTS, buf_slice(&key), &key, &value), ERR_OK);
	struct run_key run;
	enum start_state start;
	assert_false(start_record_load(buf_slice(&key), buf_slice(&value), &run, &start));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_dropped_run_and_all_before_it_never_start_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_later_attempt_and_a_later_fire_may_start_after_a_drop, setup, teardown),
		cmocka_unit_test_setup_teardown(a_fire_that_is_caught_up_may_start_after_a_later_manual_run, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(dropping_an_older_run_does_not_lower_the_floor, setup, teardown),
		cmocka_unit_test_setup_teardown(a_floor_is_not_taken_for_a_run, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
