/* Watching: the whole state once, then only changes, at most five batches a second, and nothing without a watcher. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/core/live.h"
#include "tests/lib/node_world.h"

#define EVERY_SECOND "* * * * * *"
#define CLIENT 77u

static const struct slice none = {NULL, 0};

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

static struct slice name_argument(struct buf *memory, const char *name)
{
	struct wire_map map = wire_map_begin(memory);
	wire_map_text(&map, memory, "name", name);
	wire_map_end(&map, memory);
	return buf_slice(memory);
}

static const struct reply *call_with_name(struct world *world, uint32_t index, const char *verb,
					  const char *name)
{
	uint8_t bytes[256];
	struct buf memory;
	buf_init(&memory, bytes, sizeof(bytes));
	return world_call(world, index, verb, name_argument(&memory, name), NULL);
}

/* Rows of a view from the first-th reply on; ret_last is the last one's body. */
static uint32_t count_view(const struct world *world, uint64_t sequence, uint32_t first,
			   const char *view, struct slice *ret_last)
{
	uint32_t count = 0;
	for (uint32_t i = first;; i++) {
		const struct reply *reply = world_reply(world, sequence, REPLY_ROW, i);
		if (reply == NULL)
			return count;
		if (!slice_equal(wire_map_find_str(reply->body, "view"), slice_str(view)))
			continue;
		count++;
		if (ret_last != NULL)
			*ret_last = reply->body;
	}
}

static struct slice row_of(struct slice body)
{
	struct wire_reader reader;
	assert_true(wire_map_find(body, "row", &reader));
	return wire_get_raw(&reader);
}

/* ---- the whole state ---- */

static void watched_at(struct world *world, uint32_t index)
{
	world_put_job(world, 0, "default/tick", EVERY_SECOND);
	world_put_job(world, 0, "web/tock", "@manual");
	world_advance_ms(world, 3000);
	uint64_t sequence = world_ask(world, index, CLIENT, "watch", none);
	world_advance_ms(world, 1000);
	struct slice last;
	assert_int_equal(count_view(world, sequence, 0, "sync", NULL), 1);
	assert_true(count_view(world, sequence, 0, "jobs", NULL) >= 2);
	assert_true(count_view(world, sequence, 0, "nodes", NULL) >= 3);
	assert_true(count_view(world, sequence, 0, "runs", NULL) >= 2);
	assert_true(count_view(world, sequence, 0, "status", &last) >= 1);
	assert_int_equal(wire_map_find_i64(row_of(last), "jobs", -1), 2);
	assert_int_equal(wire_map_find_i64(row_of(last), "nodes_alive", -1), 3);
	/* The state of both jobs comes before the word that it is whole. */
	uint32_t job_count = 0;
	for (uint32_t i = 0;; i++) {
		struct slice view = wire_map_find_str(
			world_reply(world, sequence, REPLY_ROW, i)->body, "view");
		if (slice_equal(view, slice_str("sync")))
			break;
		job_count += slice_equal(view, slice_str("jobs"));
	}
	assert_true(job_count >= 2);
	uint32_t seen = world_reply_count(world, sequence, REPLY_ROW);
	world_advance_ms(world, 5000);
	assert_int_equal(count_view(world, sequence, seen, "sync", NULL), 0);
	assert_true(count_view(world, sequence, seen, "runs", NULL) >= 10);
	for (uint32_t i = seen; i < world_reply_count(world, sequence, REPLY_ROW); i++) {
		struct slice key = wire_map_find_str(world_reply(world, sequence, REPLY_ROW, i)->body,
						     "key");
		assert_false(slice_equal(key, slice_str("web/tock"))); /* it did not change */
	}
}

static void a_watcher_at_a_voter_gets_all_and_then_changes(void **state)
{
	watched_at(*state, 0);
}

static void a_watcher_elsewhere_sees_the_same(void **state)
{
	watched_at(*state, 2);
}

static void a_second_watcher_gets_the_whole_state_too(void **state)
{
	struct world *world = *state;
	world_put_job(world, 0, "default/tick", "@manual");
	(void)world_ask(world, 1, CLIENT, "watch", none);
	world_advance_ms(world, 3000);
	uint64_t second = world_ask(world, 1, CLIENT + 1, "watch", none);
	world_advance_ms(world, 1000);
	assert_int_equal(count_view(world, second, 0, "sync", NULL), 1);
	assert_true(count_view(world, second, 0, "jobs", NULL) >= 1);
	assert_true(count_view(world, second, 0, "nodes", NULL) >= 3);
}

/* ---- changes ---- */

static void a_removed_job_is_gone(void **state)
{
	struct world *world = *state;
	struct slice last;
	world_put_job(world, 0, "default/tick", "@manual");
	uint64_t sequence = world_ask(world, 2, CLIENT, "watch", none);
	world_advance_ms(world, 1000);
	assert_int_equal(call_with_name(world, 1, "job.pause", "tick")->kind, REPLY_END);
	world_advance_ms(world, 1000);
	assert_true(count_view(world, sequence, 0, "jobs", &last) >= 2);
	assert_true(slice_equal(wire_map_find_str(row_of(last), "state"), slice_str("paused")));
	assert_int_equal(call_with_name(world, 1, "job.rm", "tick")->kind, REPLY_END);
	world_advance_ms(world, 1000);
	(void)count_view(world, sequence, 0, "jobs", &last);
	assert_true(wire_map_find_bool(last, "gone", false));
	assert_true(slice_equal(wire_map_find_str(last, "key"), slice_str("default/tick")));
}

static void there_are_at_most_five_batches_a_second(void **state)
{
	struct world *world = *state;
	char name[] = "default/tick-a";
	for (int i = 0; i < 10; i++) {
		name[sizeof(name) - 2] = (char)('a' + i);
		world_put_job(world, 0, name, EVERY_SECOND);
	}
	uint64_t sequence = world_ask(world, 0, CLIENT, "watch", none);
	world_advance_ms(world, 5000);
	uint32_t seen = world_reply_count(world, sequence, REPLY_ROW);
	world_advance_ms(world, 10000);
	/* Each batch ends with a status row, and no job is twice in one. */
	assert_true(count_view(world, sequence, seen, "status", NULL) <= 51);
	assert_true(count_view(world, sequence, seen, "jobs", NULL) <= 10 * 51);
	assert_true(count_view(world, sequence, seen, "jobs", NULL) >= 10 * 10);
}

static void without_change_there_are_no_rows(void **state)
{
	struct world *world = *state;
	uint64_t sequence = world_ask(world, 2, CLIENT, "watch", none);
	world_advance_ms(world, 5000);
	uint32_t seen = world_reply_count(world, sequence, REPLY_ROW);
	world_advance_ms(world, 60000);
	assert_int_equal(world_reply_count(world, sequence, REPLY_ROW), seen);
}

static void views_that_are_not_wanted_do_not_come_and_unknown_ones_are_refused(void **state)
{
	struct world *world = *state;
	uint8_t bytes[128];
	struct buf memory;
	buf_init(&memory, bytes, sizeof(bytes));
	struct wire_map map = wire_map_begin(&memory);
	wire_map_key(&map, &memory, "views");
	wire_put_array(&memory, 1);
	wire_put_text(&memory, "nodes");
	wire_map_end(&map, &memory);
	world_put_job(world, 0, "default/tick", EVERY_SECOND);
	uint64_t sequence = world_ask(world, 1, CLIENT, "watch", buf_slice(&memory));
	world_advance_ms(world, 3000);
	assert_int_equal(count_view(world, sequence, 0, "jobs", NULL), 0);
	assert_int_equal(count_view(world, sequence, 0, "status", NULL), 0);
	assert_true(count_view(world, sequence, 0, "nodes", NULL) >= 3);
	buf_clear(&memory);
	map = wire_map_begin(&memory);
	wire_map_key(&map, &memory, "views");
	wire_put_array(&memory, 1);
	wire_put_text(&memory, "plans");
	wire_map_end(&map, &memory);
	assert_int_equal(world_call(world, 1, "watch", buf_slice(&memory), NULL)->kind, REPLY_ERROR);
}

/* ---- who tells ---- */

static void when_the_teller_dies_the_rows_come_from_here(void **state)
{
	struct world *world = *state;
	struct slice last;
	world_put_job(world, 0, "default/tick", "@manual");
	uint64_t sequence = world_ask(world, 2, CLIENT, "watch", none);
	world_advance_ms(world, 2000);
	uint32_t seen = world_reply_count(world, sequence, REPLY_ROW);
	world_kill(world, 0);
	world_advance_ms(world, 20000);
	assert_true(count_view(world, sequence, seen, "jobs", NULL) >= 1);
	assert_true(count_view(world, sequence, seen, "status", &last) >= 1);
	assert_int_equal(wire_map_find_i64(row_of(last), "nodes_alive", -1), 2);
}

/* ---- cost ---- */

static void when_nobody_watches_there_is_no_timer_and_no_frame(void **state)
{
	struct world *world = *state;
	world_advance_ms(world, 1000);
	uint64_t before = world_frame_count(world);
	world_advance_ms(world, 60000);
	uint64_t quiet = world_frame_count(world) - before;
	uint64_t sequence = world_ask(world, 2, CLIENT, "watch", none);
	world_advance_ms(world, 10000);
	assert_true(world_reply_count(world, sequence, REPLY_ROW) > 0);
	world_client_gone(world, 2, CLIENT);
	world_advance_ms(world, 1000);
	before = world_frame_count(world);
	world_advance_ms(world, 60000);
	assert_true(world_frame_count(world) - before <= quiet + 2);
	for (uint32_t i = 0; i < 3; i++)
		assert_true(live_next_deadline_us(world_node(world, i)) == INT64_MAX);
}

static void a_watching_agent_that_is_gone_is_not_told_for_long(void **state)
{
	struct world *world = *state;
	(void)world_ask(world, 2, CLIENT, "watch", none);
	world_advance_ms(world, 3000);
	world_cut(world, 2, true);
	world_advance_ms(world, 30000);
	assert_true(live_next_deadline_us(world_node(world, 0)) == INT64_MAX);
	assert_true(live_next_deadline_us(world_node(world, 1)) == INT64_MAX);
}

#define THREE(test) cmocka_unit_test_setup_teardown(test, open_three, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		THREE(a_watcher_at_a_voter_gets_all_and_then_changes),
		THREE(a_watcher_elsewhere_sees_the_same),
		THREE(a_second_watcher_gets_the_whole_state_too),
		THREE(a_removed_job_is_gone),
		THREE(there_are_at_most_five_batches_a_second),
		THREE(without_change_there_are_no_rows),
		THREE(views_that_are_not_wanted_do_not_come_and_unknown_ones_are_refused),
		THREE(when_the_teller_dies_the_rows_come_from_here),
		THREE(when_nobody_watches_there_is_no_timer_and_no_frame),
		THREE(a_watching_agent_that_is_gone_is_not_told_for_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
