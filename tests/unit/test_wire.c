#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/limits.h"
#include "proto/wire.h"

#define CASE(function, sentence)                     \
	{                                            \
		sentence, function, NULL, NULL, NULL \
	}

static struct wire_reader reader_over(const char *bytes, size_t count)
{
	struct wire_reader reader;
	wire_reader_init(&reader, slice_of(bytes, count));
	return reader;
}

#define READER(literal) reader_over(literal, sizeof(literal) - 1)

static struct wire_reader reader_of(const struct buf *buf)
{
	assert_false(buf->has_overflowed);
	struct wire_reader reader;
	wire_reader_init(&reader, buf_slice(buf));
	return reader;
}

/* xorshift64: the same values in each run. */
static uint64_t next_number(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static struct id128 id_of(uint8_t first)
{
	struct id128 id;
	for (size_t i = 0; i < sizeof(id.bytes); i++)
		id.bytes[i] = (uint8_t)(first + i);
	return id;
}

static void numbers_come_back_in_their_smallest_form(void **state)
{
	(void)state;
	static const struct {
		int64_t value;
		size_t bytes;
	} cases[] = {
		{0, 1},
		{127, 1},
		{128, 2},
		{255, 2},
		{256, 3},
		{65535, 3},
		{65536, 5},
		{UINT32_MAX, 5},
		{(int64_t)UINT32_MAX + 1, 9},
		{INT64_MAX, 9},
		{-1, 1},
		{-32, 1},
		{-33, 2},
		{-128, 2},
		{-129, 3},
		{-32768, 3},
		{-32769, 5},
		{INT32_MIN, 5},
		{(int64_t)INT32_MIN - 1, 9},
		{INT64_MIN, 9},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t memory[16];
		struct buf buf;
		buf_init(&buf, memory, sizeof(memory));
		wire_put_i64(&buf, cases[i].value);
		assert_int_equal(buf.bytes, cases[i].bytes);
		struct wire_reader reader = reader_of(&buf);
		assert_int_equal(wire_peek(&reader), WIRE_INT);
		assert_true(wire_get_i64(&reader) == cases[i].value);
		assert_int_equal(wire_reader_end(&reader), ERR_OK);
		if (cases[i].value < 0)
			continue;
		struct buf again;
		uint8_t memory_again[16];
		buf_init(&again, memory_again, sizeof(memory_again));
		wire_put_u64(&again, (uint64_t)cases[i].value);
		assert_true(slice_equal(buf_slice(&buf), buf_slice(&again)));
	}
}

static void numbers_outside_their_bounds_are_refused(void **state)
{
	(void)state;
	struct wire_reader reader = READER("\xff");
	assert_int_equal(wire_get_u64(&reader), 0);
	assert_int_equal(reader.err, ERR_RANGE);
	reader = READER("\xcf\x80\0\0\0\0\0\0\0");
	assert_int_equal(wire_get_i64(&reader), 0);
	assert_int_equal(reader.err, ERR_RANGE);
	reader = READER("\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
	assert_true(wire_get_u64(&reader) == UINT64_MAX);
	assert_int_equal(wire_reader_end(&reader), ERR_OK);
	reader = READER("\x07");
	assert_int_equal(wire_get_u64_max(&reader, 7), 7);
	assert_int_equal(wire_reader_end(&reader), ERR_OK);
	reader = READER("\x08");
	assert_int_equal(wire_get_u64_max(&reader, 7), 0);
	assert_int_equal(wire_reader_end(&reader), ERR_RANGE);
	reader = READER("\xd3\xff\xff\xff\xff\xff\xff\xff\xfe");
	assert_int_equal(wire_get_i64(&reader), -2);
	reader = READER("\xd3\0\0\0\0\0\0\0\x05");
	assert_int_equal(wire_get_u64(&reader), 5);
}

static void the_first_error_stays(void **state)
{
	(void)state;
	struct wire_reader reader = READER("\xc0\x01\xa1"
					   "a\xc3\x91\x01");
	assert_int_equal(wire_get_u64(&reader), 0);
	assert_int_equal(reader.err, ERR_INVALID);
	assert_int_equal(wire_peek(&reader), WIRE_NONE);
	assert_int_equal(wire_get_u64(&reader), 0);
	assert_int_equal(wire_get_str(&reader, 10).bytes, 0);
	assert_int_equal(wire_get_bin(&reader, 10).bytes, 0);
	assert_false(wire_get_bool(&reader));
	wire_get_nil(&reader);
	assert_int_equal(wire_get_array(&reader, 10), 0);
	assert_int_equal(wire_get_map(&reader, 10), 0);
	assert_int_equal(wire_get_raw(&reader).bytes, 0);
	assert_true(id128_is_zero(wire_get_id(&reader)));
	/* A decoder skips (count - minimum) items, where count is 0 by now. */
	wire_skip_items(&reader, wire_get_array_min(&reader, 3) - 3);
	char text[4] = "xyz";
	wire_get_text(&reader, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(wire_reader_end(&reader), ERR_INVALID);
}

static void every_cut_of_a_value_is_truncated(void **state)
{
	(void)state;
	uint8_t memory[1024];
	struct buf buf;
	buf_init(&buf, memory, sizeof(memory));
	wire_put_array(&buf, 11);
	wire_put_nil(&buf);
	wire_put_bool(&buf, true);
	wire_put_u64(&buf, UINT64_MAX);
	wire_put_i64(&buf, INT64_MIN);
	wire_put_text(&buf, "text");
	wire_put_bin(&buf, "\0\1\2", 3);
	struct run_key key = {
		.job = id_of(1), .t_ms = -5, .manual = id_of(9), .shard = 3, .attempt = 65535};
	wire_put_run_key(&buf, &key);
	struct ballot ballot = {.epoch = {1, 2}, .round = 3, .boot = 4, .node = id_of(7)};
	wire_put_ballot(&buf, &ballot);
	struct address address = {.family = 6, .ip = {1, [15] = 9}, .port = 7420};
	wire_put_address(&buf, &address);
	wire_put_map(&buf, 1);
	wire_put_text(&buf, "key");
	wire_put_epoch(&buf, (struct epoch){5, 6});
	char long_text[300];
	memset(long_text, 'x', sizeof(long_text));
	wire_put_str(&buf, long_text, sizeof(long_text));

	for (size_t bytes = 0; bytes <= buf.bytes; bytes++) {
		struct wire_reader reader;
		wire_reader_init(&reader, slice_of(memory, bytes));
		wire_skip(&reader);
		assert_int_equal(wire_reader_end(&reader),
				 bytes == buf.bytes ? ERR_OK : ERR_TRUNCATED);
	}
}

static void the_small_types_come_back(void **state)
{
	(void)state;
	uint8_t memory[512];
	struct buf buf;
	buf_init(&buf, memory, sizeof(memory));
	struct run_key key = {.job = id_of(1),
			      .t_ms = 1743301800000,
			      .manual = id_of(9),
			      .shard = 3,
			      .attempt = 65535};
	struct ballot ballot = {.epoch = {UINT64_MAX, 2}, .round = 3, .boot = 4, .node = id_of(7)};
	struct address four = {.family = 4, .ip = {127, 0, 0, 1}, .port = 7420};
	struct address six = {.family = 6, .ip = {[15] = 1}, .port = 65535};
	struct address none = {.family = 0};
	wire_put_run_key(&buf, &key);
	wire_put_ballot(&buf, &ballot);
	wire_put_address(&buf, &four);
	wire_put_address(&buf, &six);
	wire_put_address(&buf, &none);

	struct wire_reader reader = reader_of(&buf);
	struct run_key key_back = wire_get_run_key(&reader);
	struct ballot ballot_back = wire_get_ballot(&reader);
	struct address four_back = wire_get_address(&reader);
	struct address six_back = wire_get_address(&reader);
	struct address none_back = wire_get_address(&reader);
	assert_int_equal(wire_reader_end(&reader), ERR_OK);
	assert_true(run_key_equal(&key, &key_back));
	assert_int_equal(ballot_compare(&ballot, &ballot_back), 0);
	assert_true(address_equal(&four, &four_back));
	assert_true(address_equal(&six, &six_back));
	assert_true(address_equal(&none, &none_back));
}

static void small_types_of_another_shape_are_refused(void **state)
{
	(void)state;
	struct wire_reader reader = READER("\x93\x01\x02\x03");
	(void)wire_get_epoch(&reader);
	assert_int_equal(reader.err, ERR_INVALID);
	reader = READER("\x91\x01");
	(void)wire_get_epoch(&reader);
	assert_int_equal(reader.err, ERR_INVALID);
	reader = READER("\xc4\x02"
			"ab");
	assert_true(id128_is_zero(wire_get_id(&reader)));
	assert_int_equal(reader.err, ERR_INVALID);
	reader = READER("\xc4\x11"
			"abcdefghijklmnopq");
	assert_true(id128_is_zero(wire_get_id(&reader)));
	assert_int_equal(reader.err, ERR_RANGE);
	reader = READER("\x93\x05\xc4\x04"
			"abcd\x01");
	assert_int_equal(wire_get_address(&reader).family, 0);
	assert_int_equal(reader.err, ERR_INVALID);
	reader = READER("\x93\x06\xc4\x04"
			"abcd\x01");
	assert_int_equal(wire_get_address(&reader).family, 0);
	assert_int_equal(reader.err, ERR_INVALID);
	reader = READER("\x93\x00\xc4\x00\x01");
	(void)wire_get_address(&reader);
	assert_int_equal(reader.err, ERR_INVALID);
	reader = READER("\x93\x04\xc4\x04"
			"abcd\xce\x00\x01\x00\x00");
	(void)wire_get_address(&reader);
	assert_int_equal(reader.err, ERR_RANGE);
	reader = READER("\x95\xc4\x10"
			"abcdefghijklmnop\x01\xc4\x10"
			"abcdefghijklmnop\x01\xcd\x01");
	assert_int_equal(wire_get_run_key(&reader).t_ms, 0);
	assert_int_equal(reader.err, ERR_TRUNCATED);
	reader = READER("\x94\x01\x02\x03\x04");
	assert_int_equal(wire_get_ballot(&reader).boot, 0);
	assert_int_equal(reader.err, ERR_INVALID);
}

static void a_count_above_the_bytes_left_is_refused(void **state)
{
	(void)state;
	struct wire_reader reader = READER("\xdd\xff\0\0\0");
	assert_int_equal(wire_get_array(&reader, UINT32_MAX), 0);
	assert_int_equal(reader.err, ERR_TRUNCATED);
	reader = READER("\xdf\x80\0\0\0"
			"aaaa");
	assert_int_equal(wire_get_map(&reader, UINT32_MAX), 0);
	assert_int_equal(reader.err, ERR_TRUNCATED);
	reader = READER("\x82\x01\x01\x01");
	wire_skip(&reader);
	assert_int_equal(reader.err, ERR_TRUNCATED);
	reader = READER("\xdb\xff\xff\xff\xff"
			"a");
	(void)wire_get_str(&reader, SIZE_MAX);
	assert_int_equal(reader.err, ERR_TRUNCATED);
	reader = READER("\xc6\xff\xff\xff\xff"
			"a");
	(void)wire_get_bin(&reader, SIZE_MAX);
	assert_int_equal(reader.err, ERR_TRUNCATED);
}

static void a_count_above_the_callers_bound_is_refused(void **state)
{
	(void)state;
	struct wire_reader reader = READER("\x92\x01\x01");
	assert_int_equal(wire_get_array(&reader, 1), 0);
	assert_int_equal(reader.err, ERR_RANGE);
	reader = READER("\x82\x01\x01\x01\x01");
	assert_int_equal(wire_get_map(&reader, 1), 0);
	assert_int_equal(reader.err, ERR_RANGE);
	reader = READER("\xa2zz");
	assert_int_equal(wire_get_str(&reader, 1).bytes, 0);
	assert_int_equal(reader.err, ERR_RANGE);
	reader = READER("\xa2zz");
	char text[2] = "q";
	wire_get_text(&reader, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(reader.err, ERR_RANGE);
}

static void nested_headers_cannot_multiply(void **state)
{
	(void)state;
	/* One array of many empty arrays per level would be legal; the sum of all counts is not. */
	static uint8_t memory[WIRE_ITEMS_MAX + 64];
	struct buf buf;
	buf_init(&buf, memory, sizeof(memory));
	wire_put_array(&buf, WIRE_ITEMS_MAX);
	while (buf.bytes < WIRE_ITEMS_MAX + 5)
		wire_put_nil(&buf);
	struct wire_reader reader = reader_of(&buf);
	wire_skip(&reader);
	assert_int_equal(wire_reader_end(&reader), ERR_OK);

	buf_clear(&buf);
	wire_put_array(&buf, 2);
	wire_put_array(&buf, WIRE_ITEMS_MAX - 1);
	while (buf.bytes < WIRE_ITEMS_MAX + 6)
		wire_put_nil(&buf);
	reader = reader_of(&buf);
	wire_skip(&reader);
	assert_int_equal(wire_reader_end(&reader), ERR_RANGE);
}

static void depth_is_bounded(void **state)
{
	(void)state;
	uint8_t memory[64];
	for (size_t depth = 1; depth < 30; depth++) {
		struct buf buf;
		buf_init(&buf, memory, sizeof(memory));
		for (size_t i = 1; i < depth; i++)
			wire_put_array(&buf, 1);
		wire_put_map(&buf, 0);
		struct wire_reader reader = reader_of(&buf);
		wire_skip(&reader);
		assert_int_equal(wire_reader_end(&reader),
				 depth <= WIRE_DEPTH_MAX ? ERR_OK : ERR_RANGE);
	}
}

static void bad_text_and_unknown_types_are_refused(void **state)
{
	(void)state;
	static const char *const bad_texts[] = {"\xa1\xff", "\xa2\xc0\x80", "\xa3\xed\xa0\x80",
						"\xa1\xc3", "\xa4\xf4\x90\x80\x80"};
	for (size_t i = 0; i < sizeof(bad_texts) / sizeof(bad_texts[0]); i++) {
		struct wire_reader reader = reader_over(bad_texts[i], strlen(bad_texts[i]));
		assert_int_equal(wire_get_str(&reader, 100).bytes, 0);
		assert_int_equal(reader.err, ERR_INVALID);
		reader = reader_over(bad_texts[i], strlen(bad_texts[i]));
		wire_skip(&reader);
		assert_int_equal(reader.err, ERR_INVALID);
	}
	struct wire_reader reader = READER("\xa3"
					   "a\0b");
	assert_int_equal(wire_get_str(&reader, 100).bytes, 0);
	assert_int_equal(reader.err, ERR_INVALID);

	static const uint8_t heads[] = {0xc1, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8};
	for (size_t i = 0; i < sizeof(heads); i++) {
		uint8_t bytes[32] = {heads[i]};
		wire_reader_init(&reader, slice_of(bytes, sizeof(bytes)));
		assert_int_equal(wire_peek(&reader), WIRE_NONE);
		wire_skip(&reader);
		assert_int_equal(reader.err, ERR_INVALID);
	}
}

static void bytes_left_over_are_an_error(void **state)
{
	(void)state;
	struct wire_reader reader = READER("\x01\x02");
	assert_int_equal(wire_get_u64(&reader), 1);
	assert_int_equal(wire_reader_end(&reader), ERR_INVALID);
	assert_int_equal(wire_get_u64(&reader), 2);
	assert_int_equal(wire_reader_end(&reader), ERR_OK);
	assert_int_equal(wire_get_u64(&reader), 0);
	assert_int_equal(wire_reader_end(&reader), ERR_TRUNCATED);
}

static void extra_items_at_the_end_are_skipped(void **state)
{
	(void)state;
	struct wire_reader reader = READER("\x94\x01\x02\x91\x92\x07\x08\xa1q");
	uint32_t count = wire_get_array_min(&reader, 2);
	assert_int_equal(count, 4);
	assert_int_equal(wire_get_u64(&reader), 1);
	assert_int_equal(wire_get_u64(&reader), 2);
	wire_skip_items(&reader, count - 2);
	assert_int_equal(wire_reader_end(&reader), ERR_OK);
	reader = READER("\x91\x01");
	assert_int_equal(wire_get_array_min(&reader, 2), 0);
	assert_int_equal(reader.err, ERR_INVALID);
}

static void a_raw_value_is_passed_on_as_it_is(void **state)
{
	(void)state;
	uint8_t memory[64];
	struct buf buf;
	buf_init(&buf, memory, sizeof(memory));
	struct wire_reader reader = READER("\x92\x81\xa1k\xca\x3f\x80\0\0\xc3");
	assert_int_equal(wire_get_array(&reader, 2), 2);
	assert_int_equal(wire_peek(&reader), WIRE_MAP);
	struct slice raw = wire_get_raw(&reader);
	assert_int_equal(raw.bytes, 8);
	assert_true(wire_get_bool(&reader));
	assert_int_equal(wire_reader_end(&reader), ERR_OK);
	wire_put_raw(&buf, raw);
	assert_true(slice_equal(buf_slice(&buf), raw));
}

static void a_map_that_grows_is_found_field_by_field(void **state)
{
	(void)state;
	uint8_t memory[256];
	struct buf buf;
	buf_init(&buf, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&buf);
	wire_map_text(&map, &buf, "name", "nightly");
	wire_map_i64(&map, &buf, "exit", -7);
	wire_map_bool(&map, &buf, "ok", true);
	wire_map_nil(&map, &buf, "end");
	wire_map_str(&map, &buf, "str", slice_of("abc", 2));
	wire_map_key(&map, &buf, "list");
	struct wire_map list = wire_array_begin(&buf);
	for (uint64_t i = 0; i < 3; i++) {
		wire_array_item(&list);
		wire_put_u64(&buf, i);
	}
	wire_array_end(&list, &buf);
	wire_map_end(&map, &buf);

	struct slice bytes = buf_slice(&buf);
	assert_true(slice_equal(wire_map_find_str(bytes, "name"), slice_str("nightly")));
	assert_true(slice_equal(wire_map_find_str(bytes, "str"), slice_str("ab")));
	assert_int_equal(wire_map_find_i64(bytes, "exit", 0), -7);
	assert_true(wire_map_find_bool(bytes, "ok", false));
	struct wire_reader value;
	assert_true(wire_map_find(bytes, "list", &value));
	assert_int_equal(wire_get_array(&value, 10), 3);
	wire_skip_items(&value, 3);
	assert_int_equal(wire_reader_end(&value), ERR_OK);
	assert_true(wire_map_find(bytes, "end", &value));
	wire_get_nil(&value);
	assert_int_equal(wire_reader_end(&value), ERR_OK);
	/* Absent, or of another type. */
	assert_false(wire_map_find(bytes, "nam", &value));
	assert_int_equal(wire_map_find_i64(bytes, "name", 42), 42);
	assert_true(wire_map_find_bool(bytes, "exit", true));
	assert_int_equal(wire_map_find_str(bytes, "exit").bytes, 0);
	assert_int_equal(wire_map_find_str(bytes, "none").bytes, 0);
	assert_int_equal(wire_map_find_i64(bytes, "none", 4), 4);
	assert_true(wire_map_find_bool(bytes, "none", true));
	struct wire_reader reader = reader_of(&buf);
	wire_skip(&reader);
	assert_int_equal(wire_reader_end(&reader), ERR_OK);
}

static void looking_into_what_is_no_map_finds_nothing(void **state)
{
	(void)state;
	struct wire_reader value;
	assert_false(wire_map_find(slice_of("\x91\x01", 2), "a", &value));
	assert_false(wire_map_find(slice_of("", 0), "a", &value));
	assert_false(wire_map_find((struct slice){NULL, 0}, "a", &value));
	assert_false(wire_map_find(slice_of("\x81\xa1"
					    "a",
					    3),
				   "a", &value));
	assert_false(wire_map_find(slice_of("\xdf\xff\xff\xff\xff", 5), "a", &value));
	/* Keys of other types are stepped over. */
	assert_true(wire_map_find(slice_of("\x82\x01\x02\xa1"
					   "a\x05",
					   6),
				  "a", &value));
	assert_int_equal(wire_get_u64(&value), 5);
}

static void a_value_that_does_not_fit_stops_all_that_follow(void **state)
{
	(void)state;
	uint8_t memory[64];
	for (size_t bytes_max = 0; bytes_max < 20; bytes_max++) {
		struct buf buf;
		buf_init(&buf, memory, bytes_max);
		memset(memory, 0xee, sizeof(memory));
		struct wire_map map = wire_map_begin(&buf);
		wire_map_text(&map, &buf, "a", "0123456789");
		wire_map_i64(&map, &buf, "b", 1);
		wire_map_end(&map, &buf);
		assert_int_equal(buf.has_overflowed, bytes_max < 19);
		assert_true(buf.bytes <= bytes_max);
		assert_int_equal(memory[bytes_max], 0xee);
	}
	/* More entries than the count can say. */
	static uint8_t large[1 << 18];
	struct buf buf;
	buf_init(&buf, large, sizeof(large));
	struct wire_map array = wire_array_begin(&buf);
	for (size_t i = 0; i < 65536; i++) {
		wire_array_item(&array);
		wire_put_nil(&buf);
	}
	wire_array_end(&array, &buf);
	assert_true(buf.has_overflowed);
}

/* Writes a random value and, through the reader, the same again. */
static void put_random(struct buf *buf, uint64_t *random, size_t depth)
{
	uint64_t choice = next_number(random) % (depth < 4 ? 8 : 6);
	uint64_t number = next_number(random) >> (next_number(random) % 64);
	static const char text[] =
		"\xc3\xa9t\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 0123456789abcdefghijklmnop";
	switch (choice) {
	case 0:
		wire_put_nil(buf);
		break;
	case 1:
		wire_put_bool(buf, number & 1);
		break;
	case 2:
		wire_put_u64(buf, number);
		break;
	case 3:
		wire_put_i64(buf, -(int64_t)(number >> 1) - 1);
		break;
	case 4:
		wire_put_text(buf, text + (number % 2 ? 0 : 2));
		break;
	case 5:
		wire_put_bin(buf, text, number % sizeof(text));
		break;
	case 6:
		wire_put_array(buf, (uint32_t)(number % 20));
		for (uint64_t i = 0; i < number % 20; i++)
			put_random(buf, random, depth + 1);
		break;
	default:
		wire_put_map(buf, (uint32_t)(number % 6));
		for (uint64_t i = 0; i < 2 * (number % 6); i++)
			put_random(buf, random, depth + 1);
		break;
	}
}

static void copy_value(struct wire_reader *reader, struct buf *buf)
{
	enum wire_type type = wire_peek(reader);
	struct slice bytes;
	uint32_t count;
	switch (type) {
	case WIRE_NIL:
		wire_get_nil(reader);
		wire_put_nil(buf);
		break;
	case WIRE_BOOL:
		wire_put_bool(buf, wire_get_bool(reader));
		break;
	case WIRE_INT: {
		struct wire_reader ahead = *reader;
		uint64_t number = wire_get_u64(&ahead);
		if (ahead.err == ERR_OK) {
			*reader = ahead;
			wire_put_u64(buf, number);
		} else {
			wire_put_i64(buf, wire_get_i64(reader));
		}
		break;
	}
	case WIRE_STR:
		bytes = wire_get_str(reader, SIZE_MAX);
		wire_put_str(buf, bytes.data, bytes.bytes);
		break;
	case WIRE_BIN:
		bytes = wire_get_bin(reader, SIZE_MAX);
		wire_put_bin(buf, bytes.data, bytes.bytes);
		break;
	case WIRE_ARRAY:
		count = wire_get_array(reader, UINT32_MAX);
		wire_put_array(buf, count);
		for (uint32_t i = 0; i < count; i++)
			copy_value(reader, buf);
		break;
	case WIRE_MAP:
		count = wire_get_map(reader, UINT32_MAX);
		wire_put_map(buf, count);
		for (uint32_t i = 0; i < 2 * count; i++)
			copy_value(reader, buf);
		break;
	case WIRE_FLOAT:
	case WIRE_NONE:
		fail_msg("nothing else is written");
	}
}

static void what_is_read_is_written_again_byte_by_byte(void **state)
{
	(void)state;
	static uint8_t memory[1 << 20];
	static uint8_t copy_memory[1 << 20];
	uint64_t random = 88172645463325252u;
	for (size_t round = 0; round < 500; round++) {
		struct buf buf;
		struct buf copy;
		buf_init(&buf, memory, sizeof(memory));
		buf_init(&copy, copy_memory, sizeof(copy_memory));
		put_random(&buf, &random, 0);
		struct wire_reader reader = reader_of(&buf);
		copy_value(&reader, &copy);
		assert_int_equal(wire_reader_end(&reader), ERR_OK);
		assert_true(slice_equal(buf_slice(&buf), buf_slice(&copy)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(numbers_come_back_in_their_smallest_form,
		     "numbers come back, and are written in their smallest form"),
		CASE(numbers_outside_their_bounds_are_refused,
		     "numbers outside their bounds are refused"),
		CASE(the_first_error_stays,
		     "the first error stays and every getter returns nothing after it"),
		CASE(every_cut_of_a_value_is_truncated,
		     "every cut of a value is told as truncated"),
		CASE(the_small_types_come_back, "ids, ballots, run keys and addresses come back"),
		CASE(small_types_of_another_shape_are_refused,
		     "small types of another shape are refused"),
		CASE(a_count_above_the_bytes_left_is_refused,
		     "a count above the bytes left is refused"),
		CASE(a_count_above_the_callers_bound_is_refused,
		     "a count above the caller's bound is refused"),
		CASE(nested_headers_cannot_multiply,
		     "nested headers cannot multiply: the sum of counts is bounded"),
		CASE(depth_is_bounded, "depth is bounded"),
		CASE(bad_text_and_unknown_types_are_refused,
		     "text that is not UTF-8 and extension types are refused"),
		CASE(bytes_left_over_are_an_error, "bytes left over are an error"),
		CASE(extra_items_at_the_end_are_skipped, "extra items at the end are skipped"),
		CASE(a_raw_value_is_passed_on_as_it_is, "a raw value is passed on as it is"),
		CASE(a_map_that_grows_is_found_field_by_field,
		     "a map that grows is found field by field"),
		CASE(looking_into_what_is_no_map_finds_nothing,
		     "looking into what is no map finds nothing"),
		CASE(a_value_that_does_not_fit_stops_all_that_follow,
		     "a value that does not fit stops all that follow"),
		CASE(what_is_read_is_written_again_byte_by_byte,
		     "what is read is written again byte by byte"),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
