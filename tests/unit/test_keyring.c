/* The key ring: read from a file once, then from the store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/io/keyring.h"

static char path[64];
static struct store_backend *backend;

static void write_key(uint8_t byte, mode_t mode)
{
	uint8_t key[SEAL_KEY_BYTES];
	memset(key, byte, sizeof(key));
	struct seal_master master;
	seal_master_from_bytes(key, &master);
	char text[96];
	seal_master_format(&master, text);
	(void)unlink(path);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int setup(void **state)
{
	(void)state;
	(void)snprintf(path, sizeof(path), "/tmp/peersched-key-%d", (int)getpid());
	backend = store_mem_new();
	return backend == NULL;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(path);
	store_mem_free(backend);
	return 0;
}

static void test_first(void **state)
{
	(void)state;
	struct keyring keyring;
	write_key(7, 0600);
	assert_int_equal(keyring_open(backend, "", &keyring, NULL), ERR_OK);
	assert_int_equal(keyring.count, 0);
	assert_int_equal(keyring_open(backend, path, &keyring, NULL), ERR_OK);
	assert_int_equal(keyring.count, 1);
	assert_int_equal(keyring.keys[0].key[31], 7);
	/* From now on the store has it. */
	assert_int_equal(unlink(path), 0);
	struct keyring again;
	assert_int_equal(keyring_open(backend, "", &again, NULL), ERR_OK);
	assert_int_equal(again.count, 1);
	assert_int_equal(again.keys[0].key_id, keyring.keys[0].key_id);
	assert_ptr_equal(keyring_find(&again, keyring.keys[0].key_id), &again.keys[0]);
	assert_null(keyring_find(&again, (uint16_t)(keyring.keys[0].key_id + 1)));
	keyring_close(&again);
	assert_int_equal(again.count, 0);
}

static void test_other(void **state)
{
	(void)state;
	struct keyring keyring;
	struct problem problem;
	write_key(1, 0600);
	assert_int_equal(keyring_open(backend, path, &keyring, NULL), ERR_OK);
	write_key(2, 0600);
	assert_int_equal(keyring_open(backend, path, &keyring, &problem), ERR_STALE);
	assert_non_null(strstr(problem.text, "which is the one in force"));
	write_key(1, 0400);
	assert_int_equal(keyring_open(backend, path, &keyring, &problem), ERR_OK);
}

static void test_file(void **state)
{
	(void)state;
	struct keyring keyring;
	struct problem problem;
	assert_int_equal(keyring_open(backend, path, &keyring, &problem), ERR_NOT_FOUND);
	assert_non_null(strstr(problem.hint, "schedctl key new"));
	write_key(1, 0640);
	assert_int_equal(keyring_open(backend, path, &keyring, &problem), ERR_DENIED);
	assert_non_null(strstr(problem.text, "mode 0640"));
	assert_non_null(strstr(problem.hint, "chmod 600"));
	assert_int_equal(keyring_open(backend, "/dev/null", &keyring, &problem), ERR_INVALID);
	assert_int_equal(keyring_open(backend, "/", &keyring, &problem), ERR_INVALID);
	write_key(1, 0600);
	FILE *file = fopen(path, "a");
	assert_non_null(file);
	for (unsigned i = 0; i < 200; i++)
		assert_true(fputs("0123456789", file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(keyring_open(backend, path, &keyring, &problem), ERR_INVALID);
	/* Nothing of all this was kept. */
	assert_int_equal(keyring_open(backend, "", &keyring, NULL), ERR_OK);
	assert_int_equal(keyring.count, 0);
}

static void test_record(void **state)
{
	(void)state;
	struct keyring keyring = {.count = KEYRING_KEYS_MAX}, got;
	for (uint32_t i = 0; i < KEYRING_KEYS_MAX; i++) {
		uint8_t key[SEAL_KEY_BYTES] = {(uint8_t)i};
		seal_master_from_bytes(key, &keyring.keys[i]);
	}
	uint8_t memory[256];
	struct buf record;
	buf_init(&record, memory, sizeof(memory));
	keyring_put(&record, &keyring);
	assert_false(record.has_overflowed);
	assert_int_equal(keyring_get(buf_slice(&record), &got), ERR_OK);
	assert_int_equal(got.count, KEYRING_KEYS_MAX);
	assert_memory_equal(got.keys[3].key, keyring.keys[3].key, SEAL_KEY_BYTES);
	for (size_t bytes = 0; bytes < record.bytes; bytes++)
		assert_int_equal(keyring_get(slice_of(memory, bytes), &got), ERR_CORRUPT);
	memory[1] = 2;
	assert_int_equal(keyring_get(buf_slice(&record), &got), ERR_CORRUPT);
}

static void test_bad_store(void **state)
{
	(void)state;
	struct store_overlay *overlay = store_overlay_new(backend);
	const struct store_view *view = store_overlay_view(overlay);
	view->put(view->context, TABLE_SELF, slice_str(KEYRING_RECORD), slice_str("x"));
	struct store_batch *batch = store_overlay_take(overlay);
	assert_int_equal(backend->commit(backend->context, batch, NULL), ERR_OK);
	store_overlay_committed(overlay, batch);
	store_batch_free(batch);
	store_overlay_free(overlay);
	struct keyring keyring;
	assert_int_equal(keyring_open(backend, "", &keyring, NULL), ERR_CORRUPT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"the first key comes from the file and stays in the store", test_first, setup,
		 teardown, NULL},
		{"a file with another key than the store is refused", test_other, setup, teardown, NULL},
		{"a file that others may read, or that holds no key, is refused", test_file, setup,
		 teardown, NULL},
		{"the record is taken whole or not at all", test_record, setup, teardown, NULL},
		{"an unreadable record stops the start", test_bad_store, setup, teardown, NULL},
	};
	return cmocka_run_group_tests_name("keyring", tests, NULL, NULL);
}
