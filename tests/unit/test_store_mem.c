/* The backend in memory: commits held, lost, failed; images; limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/store/store.h"
#include "agent/store/store_mem.h"

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

static enum err commit(struct fixture *fixture, const char *key, const char *value)
{
	const struct store_view *view = store_overlay_view(fixture->overlay);
	if (value != NULL)
		view->put(view->context, TABLE_REGISTERS, slice_str(key), slice_str(value));
	else
		view->remove(view->context, TABLE_REGISTERS, slice_str(key));
	struct store_batch *batch = store_overlay_take(fixture->overlay);
	struct problem problem;
	enum err err = fixture->backend->commit(fixture->backend->context, batch, &problem);
	if (err != ERR_OK)
		assert_int_equal(problem.code, err);
	store_overlay_committed(fixture->overlay, batch);
	store_batch_free(batch);
	return err;
}

/* What is durable; "-": nothing, "!": does not check. */
static void expect(struct store_backend *backend, const char *key, const char *value)
{
	uint8_t memory[32];
	struct buf got;
	buf_init(&got, memory, sizeof(memory));
	enum err err = backend->get(backend->context, TABLE_REGISTERS, slice_str(key), &got);
	if (strcmp(value, "-") == 0) {
		assert_int_equal(err, ERR_NOT_FOUND);
	} else if (strcmp(value, "!") == 0) {
		assert_int_equal(err, ERR_CORRUPT);
	} else {
		assert_int_equal(err, ERR_OK);
		assert_true(slice_equal(buf_slice(&got), slice_str(value)));
	}
}

static void test_a_commit_that_is_not_held_is_durable_at_once(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(commit(fixture, "a", "1"), ERR_OK);
	expect(fixture->backend, "a", "1");
	assert_int_equal(store_mem_commit_count(fixture->backend), 1);
}

static void test_a_held_commit_is_durable_when_it_is_finished(void **state)
{
	struct fixture *fixture = *state;
	store_mem_hold(fixture->backend, true);
	assert_int_equal(commit(fixture, "a", "1"), ERR_OK);
	assert_int_equal(commit(fixture, "b", "2"), ERR_OK);
	expect(fixture->backend, "a", "-");
	assert_int_equal(store_mem_issued_count(fixture->backend), 2);
	assert_int_equal(store_mem_finish(fixture->backend), ERR_OK);
	expect(fixture->backend, "a", "1");
	expect(fixture->backend, "b", "-");
}

static void test_a_crash_keeps_a_prefix_of_what_was_issued(void **state)
{
	struct fixture *fixture = *state;
	store_mem_hold(fixture->backend, true);
	assert_int_equal(commit(fixture, "a", "1"), ERR_OK);
	assert_int_equal(commit(fixture, "a", "2"), ERR_OK);
	assert_int_equal(commit(fixture, "b", "3"), ERR_OK);
	store_mem_crash(fixture->backend, 2);
	expect(fixture->backend, "a", "2");
	expect(fixture->backend, "b", "-");
	assert_int_equal(store_mem_issued_count(fixture->backend), 0);
}

static void test_an_armed_error_fails_one_commit_and_changes_nothing(void **state)
{
	struct fixture *fixture = *state;
	store_mem_fail_next(fixture->backend, ERR_IO);
	assert_int_equal(commit(fixture, "a", "1"), ERR_IO);
	expect(fixture->backend, "a", "-");
	assert_int_equal(commit(fixture, "a", "2"), ERR_OK);
	expect(fixture->backend, "a", "2");
}

static void test_an_armed_error_fails_a_held_commit_when_it_is_finished(void **state)
{
	struct fixture *fixture = *state;
	store_mem_hold(fixture->backend, true);
	store_mem_fail_next(fixture->backend, ERR_IO);
	assert_int_equal(commit(fixture, "a", "1"), ERR_OK);
	assert_int_equal(store_mem_finish(fixture->backend), ERR_IO);
	expect(fixture->backend, "a", "-");
	assert_int_equal(store_mem_issued_count(fixture->backend), 0);
}

static void test_an_image_rolls_back_and_clones(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(commit(fixture, "a", "1"), ERR_OK);
	struct store_mem_image *image = store_mem_image_new(fixture->backend);
	assert_int_equal(commit(fixture, "a", "2"), ERR_OK);
	assert_int_equal(commit(fixture, "b", "3"), ERR_OK);

	struct store_backend *clone = store_mem_new();
	assert_int_equal(store_mem_restore(clone, image), ERR_OK);
	expect(clone, "a", "1");
	expect(clone, "b", "-");
	expect(fixture->backend, "a", "2");
	assert_int_equal(store_mem_restore(fixture->backend, image), ERR_OK);
	expect(fixture->backend, "a", "1");
	expect(fixture->backend, "b", "-");
	store_mem_image_free(image);
	expect(clone, "a", "1");
	store_mem_free(clone);
}

static void test_a_wiped_store_is_empty(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(commit(fixture, "a", "1"), ERR_OK);
	store_mem_wipe(fixture->backend);
	expect(fixture->backend, "a", "-");
	assert_int_equal(store_mem_record_count(fixture->backend), 0);
	assert_int_equal(store_mem_bytes(fixture->backend), 0);
}

static void test_a_full_store_refuses_puts_and_takes_removals(void **state)
{
	struct fixture *fixture = *state;
	store_mem_limit(fixture->backend, 1000);
	enum err err = ERR_OK;
	int count = 0;
	for (; err == ERR_OK; count++) {
		char key[16];
		(void)snprintf(key, sizeof(key), "%d", count);
		err = commit(fixture, key, "0123456789");
	}
	assert_int_equal(err, ERR_FULL);
	assert_true(count > 5);
	assert_true(fixture->backend->usage_permille(fixture->backend->context) > 800);
	assert_int_equal(commit(fixture, "0", NULL), ERR_OK);
	expect(fixture->backend, "0", "-");
}

static void test_a_flipped_bit_sets_that_record_aside_only(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(commit(fixture, "a", "1"), ERR_OK);
	assert_int_equal(commit(fixture, "b", "2"), ERR_OK);
	struct store_mem_image *image = store_mem_image_new(fixture->backend);
	assert_true(store_mem_flip(fixture->backend, TABLE_REGISTERS, slice_str("a")));
	assert_false(store_mem_flip(fixture->backend, TABLE_REGISTERS, slice_str("z")));
	expect(fixture->backend, "a", "!");
	expect(fixture->backend, "b", "2");

	uint8_t memory[8];
	struct buf key;
	buf_init(&key, memory, sizeof(memory));
	struct store_backend *backend = fixture->backend;
	enum err err = backend->next(backend->context, TABLE_REGISTERS, slice_str(""), &key, NULL);
	assert_int_equal(err, ERR_OK);
	assert_true(slice_equal(buf_slice(&key), slice_str("b")));
	assert_int_equal(store_mem_corrupt_count(backend), 2);
	/* The image has the record as it was. */
	assert_int_equal(store_mem_restore(backend, image), ERR_OK);
	expect(backend, "a", "1");
	store_mem_image_free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(test_a_commit_that_is_not_held_is_durable_at_once),
		CASE(test_a_held_commit_is_durable_when_it_is_finished),
		CASE(test_a_crash_keeps_a_prefix_of_what_was_issued),
		CASE(test_an_armed_error_fails_one_commit_and_changes_nothing),
		CASE(test_an_armed_error_fails_a_held_commit_when_it_is_finished),
		CASE(test_an_image_rolls_back_and_clones),
		CASE(test_a_wiped_store_is_empty),
		CASE(test_a_full_store_refuses_puts_and_takes_removals),
		CASE(test_a_flipped_bit_sets_that_record_aside_only),
	};
	return cmocka_run_group_tests_name("store_mem", tests, NULL, NULL);
}
