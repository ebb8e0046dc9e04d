/* The member table: a lattice of claims, its digest, its indexes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/core/member_table.h"
#include "agent/core/prng.h"

struct fixture {
	struct member_table table;
	struct prng prng;
	void *memory;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	fixture->memory = calloc(1, member_table_bytes());
	member_table_init(&fixture->table, fixture->memory);
	prng_init(&fixture->prng, 11);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	free(fixture->memory);
	free(fixture);
	return 0;
}

static struct id128 random_id(struct prng *prng)
{
	struct id128 id;
	for (int i = 0; i < 16; i++)
		id.bytes[i] = (uint8_t)prng_next(prng);
	return id;
}

static struct member_row *add(struct fixture *fixture, struct id128 id)
{
	struct member_row *row = NULL;
	assert_int_equal(member_table_add(&fixture->table, id, &row), ERR_OK);
	return row;
}

static struct member_claim random_claim(struct prng *prng)
{
	return (struct member_claim){1 + prng_below(prng, 3), (uint32_t)prng_below(prng, 3),
				     (enum member_rank)prng_below(prng, 5)};
}

static struct member_claim maximum(struct member_claim a, struct member_claim b)
{
	return member_claim_compare(&a, &b) >= 0 ? a : b;
}

static void test_merge_is_a_lattice(void **state)
{
	struct fixture *fixture = *state;
	for (int i = 0; i < 20000; i++) {
		struct member_claim a = random_claim(&fixture->prng);
		struct member_claim b = random_claim(&fixture->prng);
		struct member_claim c = random_claim(&fixture->prng);
		struct member_claim ab = maximum(a, b);
		struct member_claim ba = maximum(b, a);
		struct member_claim left = maximum(ab, c);
		struct member_claim right = maximum(a, maximum(b, c));
		struct member_claim twice = maximum(a, a);
		assert_int_equal(member_claim_compare(&ab, &ba), 0);
		assert_int_equal(member_claim_compare(&left, &right), 0);
		assert_int_equal(member_claim_compare(&twice, &a), 0);
		assert_int_equal(member_claim_compare(&a, &b), -member_claim_compare(&b, &a));
	}
}

static void test_order_of_claims(void **state)
{
	(void)state;
	static const struct member_claim rising[] = {
		{1, 9, MEMBER_LEFT},  {2, 0, MEMBER_ALIVE},   {2, 0, MEMBER_SUSPECT},
		{2, 0, MEMBER_DEAD},  {2, 0, MEMBER_LEFT},    {2, 1, MEMBER_ALIVE},
		{3, 0, MEMBER_ALIVE}, {1, 0, MEMBER_EVICTED},
	};
	for (size_t i = 0; i + 1 < sizeof(rising) / sizeof(rising[0]); i++)
		assert_true(member_claim_compare(&rising[i], &rising[i + 1]) < 0);
}

static void test_full_table_refuses(void **state)
{
	struct fixture *fixture = *state;
	for (uint32_t i = 0; i < MEMBERS_MAX; i++)
		(void)add(fixture, random_id(&fixture->prng));
	struct member_row *row;
	assert_int_equal(member_table_add(&fixture->table, random_id(&fixture->prng), &row), ERR_FULL);
	assert_int_equal(fixture->table.count, MEMBERS_MAX);
	for (uint32_t i = 0; i < MEMBERS_MAX; i++)
		assert_ptr_equal(member_table_find(&fixture->table, fixture->table.rows[i].member.id),
				 &fixture->table.rows[i]);
	assert_null(member_table_find(&fixture->table, random_id(&fixture->prng)));
}

static void test_same_short_id_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct id128 id = random_id(&fixture->prng);
	(void)add(fixture, id);
	id.bytes[15] ^= 1;
	struct member_row *row;
	assert_int_equal(member_table_add(&fixture->table, id, &row), ERR_EXISTS);
	assert_null(member_table_find(&fixture->table, id));
	assert_non_null(member_table_find_short(&fixture->table, id128_short(id)));
}

static void check_digest(const struct member_table *table)
{
	/* Rebuilt from scratch in another table, row by row. */
	void *memory = calloc(1, member_table_bytes());
	struct member_table fresh;
	member_table_init(&fresh, memory);
	for (uint32_t i = 0; i < table->count; i++) {
		struct member_row *row;
		assert_int_equal(member_table_add(&fresh, table->rows[i].member.id, &row), ERR_OK);
		member_table_set_claim(&fresh, row, &table->rows[i].claim, 1);
		member_table_set_hashed(&fresh, row, table->rows[i].is_hashed);
	}
	assert_true(fresh.hash == table->hash);
	assert_memory_equal(fresh.buckets, table->buckets, sizeof(fresh.buckets));
	uint32_t sum = 0;
	for (int rank = 0; rank <= MEMBER_EVICTED; rank++) {
		sum += table->rank_counts[rank];
		assert_int_equal(fresh.rank_counts[rank], table->rank_counts[rank]);
	}
	assert_int_equal(sum, table->count);
	free(memory);
}

static void test_digest_and_books_hold_through_changes(void **state)
{
	struct fixture *fixture = *state;
	struct member_table *table = &fixture->table;
	(void)add(fixture, random_id(&fixture->prng));
	for (int i = 0; i < 3000; i++) {
		uint64_t choice = prng_below(&fixture->prng, 10);
		struct member_row *row = &table->rows[prng_below(&fixture->prng, table->count)];
		if (choice < 3 && table->count < 60) {
			row = add(fixture, random_id(&fixture->prng));
			struct member_claim claim = random_claim(&fixture->prng);
			member_table_set_claim(table, row, &claim, i);
			char name[16];
			(void)snprintf(name, sizeof(name), "n%d", i);
			member_table_set_name(table, row, name);
		} else if (choice < 7) {
			struct member_claim claim = random_claim(&fixture->prng);
			uint64_t boot_before = row->claim.boot;
			member_table_set_claim(table, row, &claim, i);
			if (claim.boot > boot_before)
				assert_int_equal(row->boot_previous, boot_before);
		} else if (choice < 8) {
			member_table_set_hashed(table, row, !row->is_hashed);
		} else if (row != table->rows) {
			member_table_remove(table, row);
		}
		if (i % 100 == 0)
			check_digest(table);
	}
	for (uint32_t i = 1; i < table->count; i++) {
		struct member_row *row = &table->rows[i];
		assert_ptr_equal(member_table_find(table, row->member.id), row);
		if (row->member.name[0] != '\0' && row->claim.rank <= MEMBER_DEAD)
			assert_ptr_equal(member_table_find_name(table, slice_str(row->member.name),
								MEMBER_DEAD, NULL),
					 row);
	}
}

static void test_order_of_arrival_never_matters(void **state)
{
	struct fixture *fixture = *state;
	struct id128 id = random_id(&fixture->prng);
	struct member_claim claims[12];
	uint64_t hash = 0;
	for (int round = 0; round < 50; round++) {
		prng_init(&fixture->prng, 5);
		for (int i = 0; i < 12; i++)
			claims[i] = random_claim(&fixture->prng);
		prng_init(&fixture->prng, 100 + (uint64_t)round);
		for (uint32_t i = 12; i-- > 1;) {
			uint32_t other = (uint32_t)prng_below(&fixture->prng, i + 1);
			struct member_claim claim = claims[i];
			claims[i] = claims[other];
			claims[other] = claim;
		}
		memset(fixture->memory, 0, member_table_bytes());
		member_table_init(&fixture->table, fixture->memory);
		struct member_row *row = add(fixture, id);
		for (int i = 0; i < 12; i++)
			if (member_claim_compare(&claims[i], &row->claim) > 0)
				member_table_set_claim(&fixture->table, row, &claims[i], 1);
		if (round > 0)
			assert_true(hash == fixture->table.hash);
		hash = fixture->table.hash;
	}
}

static void test_changes_are_told_once_with_what_was_before(void **state)
{
	struct fixture *fixture = *state;
	struct member_table *table = &fixture->table;
	assert_null(member_table_next_changed(table));
	(void)add(fixture, random_id(&fixture->prng));
	struct member_row *row = add(fixture, random_id(&fixture->prng));
	struct member_claim claim = {7, 0, MEMBER_ALIVE};
	member_table_set_claim(table, row, &claim, 1);
	assert_ptr_equal(member_table_next_changed(table), row);
	assert_int_equal(row->boot_before, 0);
	claim.rank = MEMBER_SUSPECT;
	member_table_set_claim(table, row, &claim, 2);
	claim.rank = MEMBER_DEAD;
	member_table_set_claim(table, row, &claim, 3);
	assert_ptr_equal(member_table_next_changed(table), row);
	assert_int_equal(row->rank_before, MEMBER_ALIVE);
	assert_int_equal(row->boot_before, 7);
	assert_int_equal(row->member.rank, MEMBER_DEAD);
	assert_int_equal(row->member.rank_since_us, 3);
	assert_null(member_table_next_changed(table));
}

static void test_stored_rows_are_shown_as_suspect(void **state)
{
	struct fixture *fixture = *state;
	(void)add(fixture, random_id(&fixture->prng));
	struct member_row *row = add(fixture, random_id(&fixture->prng));
	struct member_claim claim = {7, 0, MEMBER_ALIVE};
	member_table_set_claim(&fixture->table, row, &claim, 1);
	member_table_set_stored(&fixture->table, row, true);
	assert_int_equal(row->member.rank, MEMBER_SUSPECT);
	assert_int_equal(row->claim.rank, MEMBER_ALIVE);
	member_table_set_stored(&fixture->table, row, false);
	assert_int_equal(row->member.rank, MEMBER_ALIVE);
}

static void test_gone_members_lose_their_address_and_name(void **state)
{
	struct fixture *fixture = *state;
	struct member_table *table = &fixture->table;
	struct address address = {.family = 4, .ip = {1, 2, 3, 4}, .port = 5};
	struct member_row *row = add(fixture, random_id(&fixture->prng));
	row->member.address = address;
	member_table_set_name(table, row, "web");
	assert_ptr_equal(member_table_find_address(table, &address, MEMBER_SUSPECT, NULL), row);
	assert_ptr_equal(member_table_find_name(table, slice_str("web"), MEMBER_SUSPECT, NULL), row);
	assert_null(member_table_find_name(table, slice_str("web"), MEMBER_SUSPECT, row));
	struct member_claim claim = {1, 0, MEMBER_LEFT};
	member_table_set_claim(table, row, &claim, 1);
	assert_null(member_table_find_address(table, &address, MEMBER_SUSPECT, NULL));
	assert_null(member_table_find_name(table, slice_str("web"), MEMBER_SUSPECT, NULL));
	assert_ptr_equal(member_table_find_name(table, slice_str("web"), MEMBER_EVICTED, NULL), row);
}

#define CASE(function, sentence)                          \
	{                                                 \
		sentence, function, setup, teardown, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_merge_is_a_lattice, "merge is commutative, associative and idempotent"),
		CASE(test_order_of_claims,
		     "claims are ordered by boot, incarnation, rank, and evicted is above all"),
		CASE(test_order_of_arrival_never_matters, "the order of arrival never matters"),
		CASE(test_full_table_refuses, "a full table refuses a new member"),
		CASE(test_same_short_id_is_refused, "another id with the same first half is refused"),
		CASE(test_digest_and_books_hold_through_changes, "the digest kept is the digest computed"),
		CASE(test_changes_are_told_once_with_what_was_before,
		     "a change is told once, with what was before"),
		CASE(test_stored_rows_are_shown_as_suspect,
		     "a stored row is shown as suspect until it is confirmed"),
		CASE(test_gone_members_lose_their_address_and_name,
		     "who is gone holds neither address nor name"),
	};
	return cmocka_run_group_tests_name("member", tests, NULL, NULL);
}
