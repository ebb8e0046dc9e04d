/* Anti-entropy: agents that missed definitions have them again after one exchange, whichever way they differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/core/state.h"
#include "proto/hash.h"
#include "proto/text.h"
#include "tests/lib/node_world.h"

static int open_three(void **state)
{
	*state = world_open(3, 1);
	return 0;
}

static int close_world(void **state)
{
	world_close(*state);
	return 0;
}

static bool sums_are_equal(struct world *world, uint32_t a, uint32_t b)
{
	return memcmp(world_node(world, a)->sums, world_node(world, b)->sums,
		      ARC_COUNT * sizeof(uint64_t[2])) == 0;
}

static void put_jobs(struct world *world, const char *head, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		char name[64], number[TEXT_NUMBER_BYTES];
		text_format_i64(i, number);
		text_join(name, sizeof(name), head, slice_str(number));
		world_put_job(world, 0, name, "@manual");
	}
}

static void the_order_of_changes_does_not_change_a_sum(void **state)
{
	struct world *world = *state;
	struct node *a = world_node(world, 0);
	struct node *b = world_node(world, 1);
	struct id128 first = {{1}}, second = {{2}};
	sync_count(a, 7, first, 0, 1);
	sync_count(a, 7, second, 0, 5);
	sync_count(a, 7, first, 1, 2);
	sync_count(b, 7, second, 0, 5);
	sync_count(b, 7, first, 0, 2);
	assert_true(sums_are_equal(world, 0, 1));
	sync_count(b, 7, first, 2, 3);
	assert_false(sums_are_equal(world, 0, 1));
	sync_count(b, 7, first, 3, 0);
	sync_count(b, 7, second, 5, 0);
	assert_true(sums_are_equal(world, 1, 2));
}

static void new_definitions_are_with_all_at_once(void **state)
{
	struct world *world = *state;
	put_jobs(world, "default/job-", 20);
	world_advance_ms(world, 100);
	assert_true(sums_are_equal(world, 0, 1));
	assert_true(sums_are_equal(world, 0, 2));
	assert_int_equal(world_node(world, 2)->jobs.count, 20);
}

static void an_agent_that_was_cut_off_catches_up(void **state)
{
	struct world *world = *state;
	put_jobs(world, "default/before-", 5);
	world_advance_ms(world, 500);
	world_cut(world, 2, true);
	put_jobs(world, "default/after-", 40);
	world_advance_ms(world, 2000);
	assert_int_equal(world_node(world, 2)->jobs.count, 5);
	world_cut(world, 2, false);
	world_advance_ms(world, 60000);
	assert_int_equal(world_node(world, 2)->jobs.count, 45);
	assert_true(sums_are_equal(world, 0, 2));
}

static void a_newer_version_replaces_the_older_one(void **state)
{
	struct world *world = *state;
	uint8_t bytes[128];
	struct buf arguments;
	put_jobs(world, "default/job-", 1);
	world_advance_ms(world, 500);
	world_cut(world, 1, true);
	buf_init(&arguments, bytes, sizeof(bytes));
	struct wire_map map = wire_map_begin(&arguments);
	wire_map_text(&map, &arguments, "name", "job-0");
	wire_map_end(&map, &arguments);
	assert_int_equal(world_call(world, 0, "job.pause", buf_slice(&arguments), NULL)->kind,
			 REPLY_END);
	world_cut(world, 1, false);
	world_advance_ms(world, 60000);
	struct def_value value;
	assert_int_equal(catalog_read(world_node(world, 1), hash_id(slice_str("default/job-0")), &value),
			 ERR_OK);
	assert_true(value.is_paused);
	assert_int_equal(value.counter, 2);
	assert_true(sums_are_equal(world, 0, 1));
}

static void equal_agents_exchange_one_frame_each_ten_seconds(void **state)
{
	struct world *world = *state;
	put_jobs(world, "default/job-", 3);
	world_advance_ms(world, 20000);
	uint64_t before = world_frame_count(world);
	world_advance_ms(world, 100000);
	uint64_t frames = world_frame_count(world) - before;
	assert_true(frames >= 27 && frames <= 33);
}

static void an_agent_alone_does_not_wake_for_it(void **state)
{
	(void)state;
	struct world *world = world_open(1, 1);
	assert_true(world_node(world, 0)->sync_due_us == INT64_MAX);
	world_close(world);
}

#define THREE(test) cmocka_unit_test_setup_teardown(test, open_three, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		THREE(the_order_of_changes_does_not_change_a_sum),
		THREE(new_definitions_are_with_all_at_once),
		THREE(an_agent_that_was_cut_off_catches_up),
		THREE(a_newer_version_replaces_the_older_one),
		THREE(equal_agents_exchange_one_frame_each_ten_seconds),
		cmocka_unit_test(an_agent_alone_does_not_wake_for_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
