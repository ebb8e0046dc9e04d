#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/frame.h"

#define CASE(function, sentence)                     \
	{                                            \
		sentence, function, NULL, NULL, NULL \
	}
#define FRAME_MAX 1000u

/* Counts what is allocated, and fails on demand. */
static size_t allocated_bytes;
static bool is_memory_out;

static void *resize_counted(void *memory, size_t bytes)
{
	if (bytes == 0) {
		free(memory);
		allocated_bytes = 0;
		return NULL;
	}
	if (is_memory_out)
		return NULL;
	void *resized = realloc(memory, bytes);
	assert_non_null(resized);
	allocated_bytes = bytes;
	return resized;
}

static struct frame_reader new_reader(void)
{
	struct frame_reader reader;
	frame_reader_init(&reader, FRAME_MAX, resize_counted);
	is_memory_out = false;
	allocated_bytes = 0;
	return reader;
}

/* A stream of frames whose body i has (i * 7) % 50 bytes of value i. Returns its length. */
static size_t make_stream(uint8_t *ret_stream, size_t stream_bytes_max, size_t frame_count)
{
	struct buf buf;
	buf_init(&buf, ret_stream, stream_bytes_max);
	for (size_t i = 0; i < frame_count; i++) {
		size_t bytes = (i * 7) % 50;
		buf_put_u32(&buf, (uint32_t)bytes);
		for (size_t j = 0; j < bytes; j++)
			buf_put_u8(&buf, (uint8_t)i);
	}
	assert_false(buf.has_overflowed);
	return buf.bytes;
}

static void frames_come_out_whole_however_the_stream_is_cut(void **state)
{
	(void)state;
	static uint8_t stream[8192];
	size_t stream_bytes = make_stream(stream, sizeof(stream), 100);
	for (size_t piece = 1; piece <= stream_bytes; piece += piece < 70 ? 1 : 977) {
		struct frame_reader reader = new_reader();
		size_t frame_count = 0;
		for (size_t at = 0; at < stream_bytes; at += piece) {
			size_t bytes = stream_bytes - at < piece ? stream_bytes - at : piece;
			assert_int_equal(frame_reader_feed(&reader, stream + at, bytes), ERR_OK);
			struct slice body;
			while (frame_reader_next(&reader, &body)) {
				assert_int_equal(body.bytes, (frame_count * 7) % 50);
				for (size_t i = 0; i < body.bytes; i++)
					assert_int_equal(body.data[i], (uint8_t)frame_count);
				frame_count++;
			}
		}
		assert_int_equal(frame_count, 100);
		frame_reader_close(&reader);
		assert_int_equal(allocated_bytes, 0);
	}
}

static void an_idle_reader_holds_no_memory(void **state)
{
	(void)state;
	struct frame_reader reader = new_reader();
	struct slice body;
	assert_false(frame_reader_next(&reader, &body));
	assert_int_equal(frame_reader_feed(&reader, (const uint8_t *)"\0\0\0\2ab", 6), ERR_OK);
	assert_true(allocated_bytes > 0);
	assert_true(frame_reader_next(&reader, &body));
	assert_memory_equal(body.data, "ab", 2);
	assert_false(frame_reader_next(&reader, &body));
	assert_int_equal(allocated_bytes, 0);
	frame_reader_close(&reader);
	frame_reader_close(&reader);
	frame_reader_close(NULL);
}

static void an_announced_length_is_not_allocated(void **state)
{
	(void)state;
	struct frame_reader reader;
	frame_reader_init(&reader, 1u << 20, resize_counted);
	assert_int_equal(frame_reader_feed(&reader, (const uint8_t *)"\0\x10\0\0x", 5), ERR_OK);
	assert_true(allocated_bytes <= 256);
	frame_reader_close(&reader);
	assert_int_equal(allocated_bytes, 0);
}

static void the_longest_frame_is_taken(void **state)
{
	(void)state;
	struct frame_reader reader = new_reader();
	uint8_t frame[FRAME_HEADER_BYTES + FRAME_MAX];
	memset(frame, 5, sizeof(frame));
	store_u32(frame, FRAME_MAX);
	struct slice body;
	for (size_t i = 0; i < sizeof(frame); i++) {
		assert_false(frame_reader_next(&reader, &body));
		assert_int_equal(frame_reader_feed(&reader, frame + i, 1), ERR_OK);
		assert_true(allocated_bytes <= FRAME_HEADER_BYTES + FRAME_MAX);
	}
	assert_true(frame_reader_next(&reader, &body));
	assert_int_equal(body.bytes, FRAME_MAX);
	frame_reader_close(&reader);
}

static void a_length_above_the_limit_ends_the_stream(void **state)
{
	(void)state;
	struct frame_reader reader = new_reader();
	struct slice body;
	assert_int_equal(frame_reader_feed(&reader, (const uint8_t *)"\0\0\3", 3), ERR_OK);
	assert_int_equal(frame_reader_feed(&reader, (const uint8_t *)"\xe9", 1), ERR_RANGE);
	assert_int_equal(allocated_bytes, 0);
	assert_int_equal(frame_reader_feed(&reader, (const uint8_t *)"\0\0\0\0", 4), ERR_RANGE);
	assert_int_equal(frame_reader_feed(&reader, NULL, 0), ERR_RANGE);
	assert_false(frame_reader_next(&reader, &body));
	frame_reader_close(&reader);

	/* Also when whole frames stand before it. */
	reader = new_reader();
	assert_int_equal(frame_reader_feed(&reader, (const uint8_t *)"\0\0\0\1a\xff\xff\xff\xff", 9),
			 ERR_RANGE);
	assert_false(frame_reader_next(&reader, &body));
	frame_reader_close(&reader);
}

static void memory_that_runs_out_ends_the_stream(void **state)
{
	(void)state;
	struct frame_reader reader = new_reader();
	struct slice body;
	is_memory_out = true;
	assert_int_equal(frame_reader_feed(&reader, (const uint8_t *)"\0\0\0\1a", 5), ERR_NO_MEMORY);
	is_memory_out = false;
	assert_int_equal(frame_reader_feed(&reader, (const uint8_t *)"\0\0\0\1a", 5), ERR_NO_MEMORY);
	assert_false(frame_reader_next(&reader, &body));
	frame_reader_close(&reader);

	reader = new_reader();
	uint8_t large[600] = {0, 0, 3, 0};
	assert_int_equal(frame_reader_feed(&reader, large, 4), ERR_OK);
	is_memory_out = true;
	assert_int_equal(frame_reader_feed(&reader, large + 4, sizeof(large) - 4), ERR_NO_MEMORY);
	assert_int_equal(allocated_bytes, 0);
	frame_reader_close(&reader);
	is_memory_out = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(frames_come_out_whole_however_the_stream_is_cut,
		     "frames come out whole however the stream is cut"),
		CASE(an_idle_reader_holds_no_memory, "an idle reader holds no memory"),
		CASE(an_announced_length_is_not_allocated, "an announced length is not allocated"),
		CASE(the_longest_frame_is_taken, "the longest frame is taken byte by byte"),
		CASE(a_length_above_the_limit_ends_the_stream, "a length above the limit ends the stream"),
		CASE(memory_that_runs_out_ends_the_stream, "memory that runs out ends the stream"),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
