/* Effects that wait for a commit: copied whole, in order, and only those without puts leave early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/io/hold.h"
#include "agent/mem.h"

static struct effects effects;

static int setup(void **state)
{
	(void)state;
	effects.items = calloc(EFFECTS_MAX, sizeof(*effects.items));
	uint8_t *arena = malloc(EFFECTS_ARENA_BYTES);
	assert_non_null(effects.items);
	assert_non_null(arena);
	buf_init(&effects.arena, arena, EFFECTS_ARENA_BYTES);
	effects_clear(&effects);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(effects.items);
	free(effects.arena.data);
	return 0;
}

static void push_reply(struct hold *hold, uint64_t client, const char *text, bool has_puts)
{
	effects_clear(&effects);
	effects_reply(&effects, client, slice_str(text));
	assert_int_equal(hold_push(hold, &effects, has_puts), ERR_OK);
	/* The next step writes over all of it. */
	memset(effects.arena.data, 0xff, effects.arena.bytes);
}

static void expect_reply(struct hold *hold, bool is_free_only, uint64_t client, const char *text)
{
	struct held_step *step = hold_pop(hold, is_free_only);
	assert_non_null(step);
	assert_int_equal(step->count, 1);
	assert_int_equal(step->effects[0].reply.client, client);
	assert_true(slice_equal(step->effects[0].bytes, slice_str(text)));
	held_step_free(step);
}

static void test_order(void **state)
{
	(void)state;
	struct hold hold = {0};
	push_reply(&hold, 1, "one", false);
	push_reply(&hold, 2, "two", true);
	push_reply(&hold, 3, "three", false);
	expect_reply(&hold, true, 1, "one");
	assert_null(hold_pop(&hold, true));
	expect_reply(&hold, false, 2, "two");
	expect_reply(&hold, true, 3, "three");
	assert_null(hold_pop(&hold, false));
	assert_int_equal(hold.bytes, 0);
}

static void test_orders_to_the_runner(void **state)
{
	(void)state;
	struct hold hold = {0};
	effects_clear(&effects);
	struct runner_order order = {
		.type = RUNNER_PREPARE,
		.run_name = slice_str("g/n@1"),
		.definition = slice_str("definition"),
		.environment = slice_str("environment"),
		.by = slice_str("root"),
	};
	effects_trace(&effects, TRACE_INFO, "before");
	effects_runner(&effects, &order);
	assert_int_equal(hold_push(&hold, &effects, true), ERR_OK);
	memset(effects.arena.data, 0xff, effects.arena.bytes);
	struct held_step *step = hold_pop(&hold, false);
	assert_non_null(step);
	assert_int_equal(step->count, 2);
	assert_true(slice_equal(step->effects[0].bytes, slice_str("before")));
	const struct runner_order *held = &step->effects[1].runner;
	assert_int_equal(held->type, RUNNER_PREPARE);
	assert_true(slice_equal(held->run_name, slice_str("g/n@1")));
	assert_true(slice_equal(held->definition, slice_str("definition")));
	assert_true(slice_equal(held->environment, slice_str("environment")));
	assert_true(slice_equal(held->by, slice_str("root")));
	held_step_free(step);
}

static void test_empty(void **state)
{
	(void)state;
	struct hold hold = {0};
	effects_clear(&effects);
	assert_int_equal(hold_push(&hold, &effects, false), ERR_OK);
	assert_null(hold.first);
	assert_int_equal(hold_push(&hold, &effects, true), ERR_OK);
	assert_non_null(hold.first);
	hold_clear(&hold);
	assert_null(hold.first);
}

static void test_move(void **state)
{
	(void)state;
	struct hold from = {0}, to = {0};
	hold_move(&to, &from);
	assert_null(to.first);
	push_reply(&to, 1, "one", true);
	push_reply(&from, 2, "two", false);
	push_reply(&from, 3, "three", false);
	hold_move(&to, &from);
	assert_null(from.first);
	assert_int_equal(from.bytes, 0);
	expect_reply(&to, false, 1, "one");
	push_reply(&to, 4, "four", false);
	expect_reply(&to, false, 2, "two");
	hold_clear(&to);
	assert_int_equal(to.bytes, 0);
}

static void test_memory(void **state)
{
	(void)state;
	struct hold hold = {0};
	effects_clear(&effects);
	effects_reply(&effects, 1, slice_str("x"));
	mem_fail_after(0);
	assert_int_equal(hold_push(&hold, &effects, false), ERR_NO_MEMORY);
	mem_fail_after(UINT64_MAX);
	assert_null(hold.first);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"steps leave in order, and early only without puts", test_order, setup, teardown, NULL},
		{"an order to the runner is copied with all its parts", test_orders_to_the_runner,
		 setup, teardown, NULL},
		{"a step with nothing to say is kept only for its puts", test_empty, setup,
		 teardown, NULL},
		{"held steps move to the end of another hold", test_move, setup, teardown, NULL},
		{"without memory a step is not held, and it is said", test_memory, setup, teardown, NULL},
	};
	return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}
