/* Senders of datagrams: counters are taken once, older boots never again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/io/senders.h"
#include "agent/mem.h"

static struct seal_subkey subkey;

static enum senders_verdict take(struct senders *senders, uint64_t sender, uint64_t boot, uint64_t counter)
{
	return senders_take(senders, &subkey, 7, sender, boot, counter);
}

static void test_replay(void **state)
{
	(void)state;
	struct senders senders = {0};
	assert_int_equal(take(&senders, 5, 100, 0), SENDERS_FRESH);
	assert_int_equal(take(&senders, 5, 100, 0), SENDERS_REPLAYED);
	assert_int_equal(take(&senders, 5, 100, 3), SENDERS_FRESH);
	assert_int_equal(take(&senders, 5, 100, 1), SENDERS_FRESH);
	assert_int_equal(take(&senders, 5, 100, 1), SENDERS_REPLAYED);
	assert_int_equal(take(&senders, 6, 100, 0), SENDERS_FRESH);
	assert_int_equal(take(&senders, 5, 100, 1000), SENDERS_FRESH);
	assert_int_equal(take(&senders, 5, 100, 4), SENDERS_REPLAYED);
	senders_close(&senders);
}

static void test_boots(void **state)
{
	(void)state;
	struct senders senders = {0};
	assert_false(senders_is_old(&senders, 5, 1));
	assert_int_equal(take(&senders, 5, 100, 9), SENDERS_FRESH);
	assert_true(senders_is_old(&senders, 5, 99));
	assert_int_equal(take(&senders, 5, 99, 10), SENDERS_OLD_BOOT);
	assert_int_equal(take(&senders, 5, 101, 9), SENDERS_FRESH);
	assert_int_equal(take(&senders, 5, 100, 11), SENDERS_OLD_BOOT);
	assert_false(senders_is_old(&senders, 5, 101));
	senders_close(&senders);
}

static void test_subkeys(void **state)
{
	(void)state;
	struct senders senders = {0};
	uint8_t key[SEAL_KEY_BYTES] = {1};
	struct seal_master master;
	struct seal_subkey scratch, derived;
	seal_master_from_bytes(key, &master);
	seal_subkey_derive(&master, 5, 100, SEAL_DATAGRAM, 0, &derived);
	const struct seal_subkey *first = senders_subkey(&senders, &master, 5, 100, &scratch);
	assert_ptr_equal(first, &scratch);
	assert_memory_equal(first->key, derived.key, SEAL_KEY_BYTES);
	assert_int_equal(senders_take(&senders, first, master.key_id, 5, 100, 0), SENDERS_FRESH);
	const struct seal_subkey *second = senders_subkey(&senders, &master, 5, 100, &scratch);
	assert_ptr_not_equal(second, &scratch);
	assert_memory_equal(second->key, derived.key, SEAL_KEY_BYTES);
	assert_ptr_equal(senders_subkey(&senders, &master, 5, 101, &scratch), &scratch);
	/* Taking a counter with the key that lies in the table is what the socket does. */
	assert_int_equal(senders_take(&senders, second, master.key_id, 5, 100, 1), SENDERS_FRESH);
	senders_close(&senders);
}

static void test_full(void **state)
{
	(void)state;
	struct senders senders = {0};
	for (uint64_t i = 1; i <= SENDERS_MAX; i++)
		assert_int_equal(take(&senders, i * 0x9e3779b97f4a7c15u, 100, 0), SENDERS_FRESH);
	assert_int_equal(senders.count, SENDERS_MAX);
	/* The first one is heard again, so the second is the one that is forgotten. */
	assert_int_equal(take(&senders, 0x9e3779b97f4a7c15u, 100, 1), SENDERS_FRESH);
	assert_int_equal(take(&senders, 12345, 100, 0), SENDERS_FRESH);
	assert_int_equal(senders.count, SENDERS_MAX);
	assert_int_equal(take(&senders, 0x9e3779b97f4a7c15u, 100, 1), SENDERS_REPLAYED);
	assert_false(senders_is_old(&senders, 2 * 0x9e3779b97f4a7c15u, 1));
	assert_true(senders_is_old(&senders, 3 * 0x9e3779b97f4a7c15u, 1));
	senders_close(&senders);
}

static void test_memory(void **state)
{
	(void)state;
	struct senders senders = {0};
	mem_fail_after(0);
	assert_int_equal(take(&senders, 5, 100, 0), SENDERS_NO_MEMORY);
	mem_fail_after(UINT64_MAX);
	assert_int_equal(take(&senders, 5, 100, 0), SENDERS_FRESH);
	senders_close(&senders);
	senders_close(&senders);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"a counter is taken once", test_replay, NULL, NULL, NULL},
		{"an older boot is refused after a newer one", test_boots, NULL, NULL, NULL},
		{"a sender's key is derived once", test_subkeys, NULL, NULL, NULL},
		{"a full table forgets who was not heard for longest", test_full, NULL, NULL, NULL},
		{"without memory nothing is taken", test_memory, NULL, NULL, NULL},
	};
	return cmocka_run_group_tests_name("senders", tests, NULL, NULL);
}
