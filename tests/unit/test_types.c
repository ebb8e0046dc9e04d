#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/types.h"

#define CASE(function, sentence)                     \
	{                                            \
		sentence, function, NULL, NULL, NULL \
	}

static struct id128 id_with(size_t at, uint8_t value)
{
	struct id128 id = {.bytes = {0}};
	id.bytes[at] = value;
	return id;
}

static void ids_are_compared_as_big_endian_numbers(void **state)
{
	(void)state;
	struct id128 zero = {.bytes = {0}};
	assert_true(id128_is_zero(zero));
	assert_false(id128_is_zero(id_with(15, 1)));
	assert_true(id128_compare(id_with(0, 1), id_with(15, 255)) > 0);
	assert_true(id128_compare(id_with(15, 255), id_with(0, 1)) < 0);
	assert_int_equal(id128_compare(id_with(3, 200), id_with(3, 200)), 0);
	assert_true(id128_equal(id_with(3, 200), id_with(3, 200)));
	assert_false(id128_equal(id_with(3, 200), id_with(3, 201)));
	assert_true(id128_short(id_with(0, 0x80)) == 0x8000000000000000u);
	assert_true(id128_short(id_with(7, 5)) == 5);
	assert_true(id128_short(id_with(8, 5)) == 0);
}

static void addresses_are_equal_by_what_their_family_uses(void **state)
{
	(void)state;
	struct address a = {.family = 4, .ip = {127, 0, 0, 1, 99}, .port = 1};
	struct address b = {.family = 4, .ip = {127, 0, 0, 1, 77}, .port = 1};
	assert_true(address_equal(&a, &b));
	b.port = 2;
	assert_false(address_equal(&a, &b));
	struct address c = {.family = 6, .ip = {127, 0, 0, 1, 99}, .port = 1};
	assert_false(address_equal(&a, &c));
	struct address d = c;
	d.ip[15] = 1;
	assert_false(address_equal(&c, &d));
	struct address none = {.family = 0, .port = 3};
	struct address none_too = {.family = 0, .port = 4};
	assert_true(address_equal(&none, &none_too));
}

static void ballots_are_ordered_by_epoch_round_boot_and_node(void **state)
{
	(void)state;
	/* Each is greater than all before it. */
	const struct ballot ballots[] = {
		{.epoch = {1, 0}, .round = 9, .boot = 9, .node = id_with(0, 9)},
		{.epoch = {1, 1}, .round = 1, .boot = 1, .node = id_with(0, 1)},
		{.epoch = {2, 0}, .round = 1, .boot = 9, .node = id_with(0, 9)},
		{.epoch = {2, 0}, .round = 2, .boot = 1, .node = id_with(0, 9)},
		{.epoch = {2, 0}, .round = 2, .boot = 2, .node = id_with(0, 1)},
		{.epoch = {2, 0}, .round = 2, .boot = 2, .node = id_with(0, 2)},
	};
	int count = (int)(sizeof(ballots) / sizeof(ballots[0]));
	for (int i = 0; i < count; i++) {
		for (int j = 0; j < count; j++) {
			int order = ballot_compare(&ballots[i], &ballots[j]);
			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
	}
	assert_true(epoch_equal(ballots[2].epoch, ballots[3].epoch));
	assert_false(epoch_equal(ballots[0].epoch, ballots[1].epoch));
	struct ballot none = {.round = 0};
	assert_true(ballot_is_zero(&none));
	assert_false(ballot_is_zero(&ballots[1]));
}

static void run_keys_are_ordered_as_the_runs_table_is(void **state)
{
	(void)state;
	const struct run_key keys[] = {
		{.job = id_with(0, 1),
		 .t_ms = 9,
		 .manual = id_with(0, 9),
		 .shard = 9,
		 .attempt = 9},
		{.job = id_with(0, 2),
		 .t_ms = -1,
		 .manual = id_with(0, 9),
		 .shard = 9,
		 .attempt = 9},
		{.job = id_with(0, 2),
		 .t_ms = 1,
		 .manual = id_with(0, 0),
		 .shard = 9,
		 .attempt = 9},
		{.job = id_with(0, 2),
		 .t_ms = 1,
		 .manual = id_with(0, 1),
		 .shard = 1,
		 .attempt = 9},
		{.job = id_with(0, 2),
		 .t_ms = 1,
		 .manual = id_with(0, 1),
		 .shard = 2,
		 .attempt = 1},
		{.job = id_with(0, 2),
		 .t_ms = 1,
		 .manual = id_with(0, 1),
		 .shard = 2,
		 .attempt = 2},
	};
	int count = (int)(sizeof(keys) / sizeof(keys[0]));
	for (int i = 0; i < count; i++) {
		for (int j = 0; j < count; j++) {
			int order = run_key_compare(&keys[i], &keys[j]);
			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
			assert_int_equal(run_key_equal(&keys[i], &keys[j]), i == j);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(ids_are_compared_as_big_endian_numbers,
		     "ids are compared as big-endian numbers"),
		CASE(addresses_are_equal_by_what_their_family_uses,
		     "addresses are equal by what their family uses"),
		CASE(ballots_are_ordered_by_epoch_round_boot_and_node,
		     "ballots are ordered by epoch, round, boot and node"),
		CASE(run_keys_are_ordered_as_the_runs_table_is,
		     "run keys are ordered as the runs table is"),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
