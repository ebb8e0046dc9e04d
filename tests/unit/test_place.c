/* Placement is wire format: every agent must compute the same order from the same ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/core/place.h"
#include "proto/hash.h"
#include "proto/text.h"

static struct id128 member_of(uint32_t number)
{
	uint8_t bytes[4];
	store_u32(bytes, number);
	return hash_id(slice_of(bytes, sizeof(bytes)));
}

static void the_job_id_and_its_arc_are_golden(void **state)
{
	(void)state;
	struct id128 id = hash_id(slice_str("default/backup"));
	char text[TEXT_ID_BYTES];
	text_format_id(id, text);
	assert_string_equal(text, "48178a38c5a25dbdfa6b8e844dfd4e2a");
	assert_int_equal(place_arc(id), 3331);
}

static void the_order_does_not_depend_on_how_members_are_listed(void **state)
{
	(void)state;
	struct id128 job = hash_id(slice_str("default/backup"));
	struct id128 forward[9], backward[9];
	for (uint32_t i = 0; i < 9; i++) {
		forward[i] = member_of(i);
		backward[8 - i] = member_of(i);
	}
	place_order(job, forward, 9);
	place_order(job, backward, 9);
	assert_memory_equal(forward, backward, sizeof(forward));
	for (uint32_t i = 1; i < 9; i++)
		assert_true(place_before(job, forward[i - 1], forward[i]));
}

static void a_member_that_leaves_moves_only_its_own_jobs(void **state)
{
	(void)state;
	uint32_t moved = 0, owned = 0;
	for (uint32_t number = 0; number < 2000; number++) {
		struct id128 job = member_of(1000000 + number);
		struct id128 all[10], left[9];
		for (uint32_t i = 0; i < 10; i++)
			all[i] = member_of(i);
		memcpy(left, all, sizeof(left));
		place_order(job, all, 10);
		place_order(job, left, 9);
		bool is_owned = id128_equal(all[0], member_of(9));
		owned += is_owned;
		moved += !id128_equal(all[0], left[0]);
		assert_int_equal(is_owned, !id128_equal(all[0], left[0]));
	}
	assert_int_equal(moved, owned);
	assert_in_range(owned, 120, 280); /* a tenth of 2000, within five standard deviations */
}

static void shares_are_even(void **state)
{
	(void)state;
	uint32_t shares[5] = { 0 };
	for (uint32_t number = 0; number < 10000; number++) {
		struct id128 job = member_of(5000000 + number);
		struct id128 members[5];
		for (uint32_t i = 0; i < 5; i++)
			members[i] = member_of(i);
		place_order(job, members, 5);
		for (uint32_t i = 0; i < 5; i++)
			shares[i] += id128_equal(members[0], member_of(i));
	}
	for (uint32_t i = 0; i < 5; i++)
		assert_in_range(shares[i], 1800, 2200);
}

static void a_majority_is_of_the_set(void **state)
{
	(void)state;
	for (uint32_t count = 1; count <= SET_MEMBERS_MAX; count += 2) {
		struct arc_set set = { .member_count = count };
		for (uint32_t i = 0; i < count; i++)
			set.members[i] = member_of(i);
		assert_int_equal(arc_set_majority(&set), count / 2 + 1);
		assert_int_equal(arc_set_find(&set, member_of(count - 1)), count - 1);
		assert_int_equal(arc_set_find(&set, member_of(77)), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_job_id_and_its_arc_are_golden),
		cmocka_unit_test(the_order_does_not_depend_on_how_members_are_listed),
		cmocka_unit_test(a_member_that_leaves_moves_only_its_own_jobs),
		cmocka_unit_test(shares_are_even),
		cmocka_unit_test(a_majority_is_of_the_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
