/* The node id is made once, boot is raised at every start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/store/identity.h"
#include "agent/store/store_mem.h"

static int setup(void **state)
{
	*state = store_mem_new();
	return *state == NULL;
}

static int teardown(void **state)
{
	store_mem_free(*state);
	return 0;
}

static void put_self(struct store_backend *backend, const char *key, struct slice value)
{
	struct store_overlay *overlay = store_overlay_new(backend);
	const struct store_view *view = store_overlay_view(overlay);
	view->put(view->context, TABLE_SELF, slice_str(key), value);
	struct store_batch *batch = store_overlay_take(overlay);
	assert_int_equal(backend->commit(backend->context, batch, NULL), ERR_OK);
	store_batch_free(batch);
	store_overlay_free(overlay);
}

static void test_a_new_store_gets_random_ids_that_differ(void **state)
{
	struct identity one;
	struct identity other;
	struct store_backend *second = store_mem_new();
	assert_int_equal(identity_open(*state, NULL, 1000, &one, NULL), ERR_OK);
	assert_int_equal(identity_open(second, NULL, 1000, &other, NULL), ERR_OK);
	assert_false(id128_is_zero(one.node));
	assert_false(id128_equal(one.node, other.node));
	assert_int_equal(one.boot, 1000);
	assert_int_equal(one.boot_before, 0);
	assert_false(one.has_cluster);
	store_mem_free(second);
}

static void test_the_id_stays_and_boot_rises_even_if_the_clock_went_back(void **state)
{
	struct identity first;
	struct identity later;
	assert_int_equal(identity_open(*state, NULL, 5000, &first, NULL), ERR_OK);
	assert_int_equal(identity_open(*state, NULL, 4000, &later, NULL), ERR_OK);
	assert_true(id128_equal(first.node, later.node));
	assert_int_equal(later.boot, 5001);
	assert_int_equal(later.boot_before, 5000);
	assert_int_equal(identity_open(*state, NULL, -1, &later, NULL), ERR_OK);
	assert_int_equal(later.boot, 5002);
	assert_int_equal(identity_open(*state, NULL, 9000, &later, NULL), ERR_OK);
	assert_int_equal(later.boot, 9000);
}

static void test_a_wished_id_counts_only_for_a_new_store(void **state)
{
	struct id128 wished = {.bytes = {1, 2, 3}};
	struct id128 other = {.bytes = {9}};
	struct identity identity;
	assert_int_equal(identity_open(*state, &wished, 1, &identity, NULL), ERR_OK);
	assert_true(id128_equal(identity.node, wished));
	assert_int_equal(identity_open(*state, &other, 1, &identity, NULL), ERR_OK);
	assert_true(id128_equal(identity.node, wished));
}

static void test_a_known_cluster_is_read(void **state)
{
	struct id128 cluster = {.bytes = {7, 7}};
	put_self(*state, IDENTITY_KEY_CLUSTER, slice_of(cluster.bytes, sizeof(cluster.bytes)));
	struct identity identity;
	assert_int_equal(identity_open(*state, NULL, 1, &identity, NULL), ERR_OK);
	assert_true(identity.has_cluster);
	assert_true(id128_equal(identity.cluster, cluster));
}

static void test_a_flipped_id_stops_the_agent(void **state)
{
	struct identity identity;
	struct problem problem;
	assert_int_equal(identity_open(*state, NULL, 1, &identity, NULL), ERR_OK);
	assert_true(store_mem_flip(*state, TABLE_SELF, slice_str(IDENTITY_KEY_NODE)));
	assert_int_equal(identity_open(*state, NULL, 1, &identity, &problem), ERR_CORRUPT);
	assert_non_null(strstr(problem.text, "self/node"));
	assert_true(problem.hint[0] != 0);
}

static void test_a_record_of_another_length_stops_the_agent(void **state)
{
	struct identity identity;
	assert_int_equal(identity_open(*state, NULL, 1, &identity, NULL), ERR_OK);
	put_self(*state, IDENTITY_KEY_BOOT, slice_str("123456789"));
	assert_int_equal(identity_open(*state, NULL, 1, &identity, NULL), ERR_CORRUPT);
	put_self(*state, IDENTITY_KEY_BOOT, slice_str("1"));
	assert_int_equal(identity_open(*state, NULL, 1, &identity, NULL), ERR_CORRUPT);
}

static void test_a_boot_without_an_id_stops_the_agent(void **state)
{
	struct identity identity;
	put_self(*state, IDENTITY_KEY_BOOT, slice_str("12345678"));
	assert_int_equal(identity_open(*state, NULL, 1, &identity, NULL), ERR_CORRUPT);
}

static void test_a_boot_that_is_used_up_is_refused(void **state)
{
	struct identity identity;
	assert_int_equal(identity_open(*state, NULL, 1, &identity, NULL), ERR_OK);
	put_self(*state, IDENTITY_KEY_BOOT, slice_str("\xff\xff\xff\xff\xff\xff\xff\xff"));
	assert_int_equal(identity_open(*state, NULL, 1, &identity, NULL), ERR_RANGE);
}

static void test_a_failed_commit_gives_no_identity(void **state)
{
	struct identity identity;
	store_mem_fail_next(*state, ERR_IO);
	assert_int_equal(identity_open(*state, NULL, 1, &identity, NULL), ERR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(test_a_new_store_gets_random_ids_that_differ),
		CASE(test_the_id_stays_and_boot_rises_even_if_the_clock_went_back),
		CASE(test_a_wished_id_counts_only_for_a_new_store),
		CASE(test_a_known_cluster_is_read),
		CASE(test_a_flipped_id_stops_the_agent),
		CASE(test_a_record_of_another_length_stops_the_agent),
		CASE(test_a_boot_without_an_id_stops_the_agent),
		CASE(test_a_boot_that_is_used_up_is_refused),
		CASE(test_a_failed_commit_gives_no_identity),
	};
	return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
