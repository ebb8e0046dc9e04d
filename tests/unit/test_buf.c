#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/buf.h"

#define CASE(function, sentence)                     \
	{                                            \
		sentence, function, NULL, NULL, NULL \
	}

static void numbers_are_big_endian(void **state)
{
	(void)state;
	uint8_t memory[15];
	struct buf buf;
	buf_init(&buf, memory, sizeof(memory));
	buf_put_u8(&buf, 0x01);
	buf_put_u16(&buf, 0x0203);
	buf_put_u32(&buf, 0x04050607u);
	buf_put_u64(&buf, 0x8090a0b0c0d0e0f0u);
	static const uint8_t wanted[] = {1,    2,    3,    4,    5,    6,    7,   0x80,
					 0x90, 0xa0, 0xb0, 0xc0, 0xd0, 0xe0, 0xf0};
	assert_false(buf.has_overflowed);
	assert_int_equal(buf_left(&buf), 0);
	assert_true(slice_equal(buf_slice(&buf), slice_of(wanted, sizeof(wanted))));
	assert_int_equal(load_u16(memory + 1), 0x0203);
	assert_int_equal(load_u32(memory + 3), 0x04050607u);
	assert_true(load_u64(memory + 7) == 0x8090a0b0c0d0e0f0u);
}

static void overflow_is_sticky_until_cleared(void **state)
{
	(void)state;
	uint8_t memory[4] = {9, 9, 9, 9};
	struct buf buf;
	buf_init(&buf, memory, 3);
	buf_put(&buf, "ab", 2);
	buf_put(&buf, "cd", 2);
	assert_true(buf.has_overflowed);
	assert_int_equal(buf.bytes, 2);
	buf_put_u8(&buf, 1);
	assert_int_equal(buf.bytes, 2);
	assert_int_equal(buf_left(&buf), 0);
	assert_int_equal(memory[2], 9);
	buf_clear(&buf);
	assert_false(buf.has_overflowed);
	assert_int_equal(buf_left(&buf), 3);
	buf_put(&buf, "xyz", 3);
	assert_false(buf.has_overflowed);
	assert_int_equal(memory[3], 9);
}

static void a_buffer_without_memory_takes_nothing(void **state)
{
	(void)state;
	struct buf buf;
	buf_init(&buf, NULL, 0);
	buf_put(&buf, NULL, 0);
	assert_false(buf.has_overflowed);
	buf_put(&buf, "", SIZE_MAX);
	assert_true(buf.has_overflowed);
}

static void slices_are_equal_by_their_bytes(void **state)
{
	(void)state;
	assert_true(slice_equal(slice_str("abc"), slice_of("abcd", 3)));
	assert_false(slice_equal(slice_str("abc"), slice_str("abd")));
	assert_false(slice_equal(slice_str("abc"), slice_str("abcd")));
	assert_true(slice_equal(slice_of(NULL, 0), slice_str("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(numbers_are_big_endian, "numbers are big-endian"),
		CASE(overflow_is_sticky_until_cleared,
		     "overflow appends nothing and is sticky until cleared"),
		CASE(a_buffer_without_memory_takes_nothing,
		     "a buffer without memory takes nothing"),
		CASE(slices_are_equal_by_their_bytes, "slices are equal by their bytes"),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
