/* The outbox: bytes of an entry, and parcels in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/store/outbox.h"

static struct store_record *record_of(enum store_table table, const char *key, const char *value)
{
	struct store_record *record = store_record_new(
		table, slice_str(key), slice_str(value != NULL ? value : ""), value == NULL);
	assert_non_null(record);
	return record;
}

static struct slice entry_of(uint8_t *memory, size_t bytes_max)
{
	struct buf out;
	buf_init(&out, memory, bytes_max);
	struct store_record *put = record_of(TABLE_RUNS, "key", "value");
	struct store_record *removal = record_of(TABLE_COPIES, "gone", NULL);
	outbox_record_put(&out, put);
	assert_int_equal(out.bytes, outbox_record_bytes(put));
	outbox_record_put(&out, removal);
	store_record_unref(put);
	store_record_unref(removal);
	assert_false(out.has_overflowed);
	return buf_slice(&out);
}

static void test_an_entry_is_read_as_it_was_written(void **state)
{
	(void)state;
	uint8_t memory[128];
	struct slice rest = entry_of(memory, sizeof(memory));
	struct store_change change;
	assert_int_equal(outbox_change_get(&rest, &change), ERR_OK);
	assert_int_equal(change.table, TABLE_RUNS);
	assert_true(slice_equal(change.key, slice_str("key")));
	assert_true(slice_equal(change.value, slice_str("value")));
	assert_false(change.is_remove);
	assert_int_equal(outbox_change_get(&rest, &change), ERR_OK);
	assert_int_equal(change.table, TABLE_COPIES);
	assert_true(slice_equal(change.key, slice_str("gone")));
	assert_true(change.is_remove);
	assert_int_equal(outbox_change_get(&rest, &change), ERR_NOT_FOUND);
}

static void test_an_entry_that_ends_early_is_refused(void **state)
{
	(void)state;
	uint8_t memory[128];
	struct slice entry = entry_of(memory, sizeof(memory));
	struct store_change change;
	for (size_t bytes = 1; bytes < OUTBOX_CHANGE_HEADER_BYTES + 8; bytes++) {
		struct slice cut = slice_of(entry.data, bytes);
		assert_int_equal(outbox_change_get(&cut, &change), ERR_TRUNCATED);
	}
	struct outbox_parcel *parcel = NULL;
	enum err err = outbox_parcel_decode(slice_of(entry.data, entry.bytes - 1), &parcel);
	assert_int_equal(err, ERR_CORRUPT);
	assert_null(parcel);
}

static void refuse(const uint8_t *header, enum err wanted)
{
	struct store_change change;
	struct slice rest = slice_of(header, OUTBOX_CHANGE_HEADER_BYTES + 1);
	assert_int_equal(outbox_change_get(&rest, &change), wanted);
}

static void test_what_no_entry_of_ours_holds_is_refused(void **state)
{
	(void)state;
	/* table, is_remove, key bytes, value bytes, key */
	refuse((const uint8_t[]){TABLE_REGISTERS, 0, 0, 1, 0, 0, 0, 0, 'k'}, ERR_INVALID);
	refuse((const uint8_t[]){0, 0, 0, 1, 0, 0, 0, 0, 'k'}, ERR_INVALID);
	refuse((const uint8_t[]){TABLE_END, 0, 0, 1, 0, 0, 0, 0, 'k'}, ERR_INVALID);
	refuse((const uint8_t[]){TABLE_RUNS, 2, 0, 1, 0, 0, 0, 0, 'k'}, ERR_INVALID);
	refuse((const uint8_t[]){TABLE_RUNS, 1, 0, 1, 0, 0, 0, 1, 'k'}, ERR_INVALID);
	refuse((const uint8_t[]){TABLE_RUNS, 0, 0, 0, 0, 0, 0, 1, 'k'}, ERR_RANGE);
	refuse((const uint8_t[]){TABLE_RUNS, 0, 2, 0, 0, 0, 0, 0, 'k'}, ERR_RANGE);
	refuse((const uint8_t[]){TABLE_RUNS, 0, 0, 1, 0, 0x10, 0, 1, 'k'}, ERR_RANGE);
	refuse((const uint8_t[]){TABLE_RUNS, 0, 0, 1, 0, 0, 0, 0, 'k'}, ERR_OK);
}

static struct outbox_parcel *parcel_of(struct store_record *take_record)
{
	struct outbox_parcel *parcel = outbox_parcel_new(1);
	assert_non_null(parcel);
	outbox_parcel_add(parcel, take_record);
	store_record_unref(take_record);
	return parcel;
}

static void test_a_newer_parcel_outlives_the_older_ones_end(void **state)
{
	(void)state;
	struct outbox outbox;
	outbox_init(&outbox);
	struct outbox_parcel *first = parcel_of(record_of(TABLE_RUNS, "a", "1"));
	struct outbox_parcel *second = parcel_of(record_of(TABLE_RUNS, "a", "2"));
	assert_int_equal(outbox_append(&outbox, first), ERR_OK);
	assert_int_equal(outbox_append(&outbox, second), ERR_OK);
	assert_int_equal(outbox.bytes, 2 * (OUTBOX_CHANGE_HEADER_BYTES + 2));
	outbox_drop_first(&outbox);
	const struct store_record *record = record_map_find(&outbox.map, TABLE_RUNS, slice_str("a"));
	assert_non_null(record);
	assert_true(slice_equal(store_record_value(record), slice_str("2")));
	outbox_drop_first(&outbox);
	assert_int_equal(outbox.map.count, 0);
	assert_int_equal(outbox.bytes, 0);
	assert_null(outbox.last);
	outbox_clear(&outbox);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_entry_is_read_as_it_was_written),
		cmocka_unit_test(test_an_entry_that_ends_early_is_refused),
		cmocka_unit_test(test_what_no_entry_of_ours_holds_is_refused),
		cmocka_unit_test(test_a_newer_parcel_outlives_the_older_ones_end),
	};
	return cmocka_run_group_tests_name("outbox", tests, NULL, NULL);
}
