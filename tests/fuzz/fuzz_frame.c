/* Any bytes as a stream: the frame reader must give the same bodies however the stream is cut, and every body is
 * walked as msgpack. What the cursor accepts is written in its smallest form, and that is read and written again to
 * the same bytes.
 *
 * The first byte of the input is the length of the pieces. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

#define FUZZ_FRAME_BYTES_MAX 65536u
#define FUZZ_DEPTH_MAX WIRE_DEPTH_MAX

static void *resize(void *memory, size_t bytes)
{
	if (bytes == 0) {
		free(memory);
		return NULL;
	}
	return realloc(memory, bytes);
}

static void copy_value(struct wire_reader *reader, struct buf *copy, size_t depth);

static void copy_items(struct wire_reader *reader, struct buf *copy, uint64_t count, size_t depth)
{
	for (uint64_t i = 0; i < count && reader->err == ERR_OK; i++)
		copy_value(reader, copy, depth + 1);
}

static void copy_int(struct wire_reader *reader, struct buf *copy)
{
	struct wire_reader ahead = *reader;
	int64_t value = wire_get_i64(&ahead);
	if (ahead.err == ERR_OK) {
		*reader = ahead;
		wire_put_i64(copy, value);
	} else {
		wire_put_u64(copy, wire_get_u64(reader));
	}
}

static void copy_value(struct wire_reader *reader, struct buf *copy, size_t depth)
{
	struct slice text;
	uint32_t count;
	switch (depth > FUZZ_DEPTH_MAX ? WIRE_NONE : wire_peek(reader)) {
	case WIRE_NIL:
		wire_get_nil(reader);
		wire_put_nil(copy);
		break;
	case WIRE_BOOL:
		wire_put_bool(copy, wire_get_bool(reader));
		break;
	case WIRE_INT:
		copy_int(reader, copy);
		break;
	case WIRE_STR:
		text = wire_get_str(reader, SIZE_MAX);
		wire_put_str(copy, text.data, text.bytes);
		break;
	case WIRE_BIN:
		text = wire_get_bin(reader, SIZE_MAX);
		wire_put_bin(copy, text.data, text.bytes);
		break;
	case WIRE_ARRAY:
		count = wire_get_array(reader, UINT32_MAX);
		wire_put_array(copy, count);
		copy_items(reader, copy, count, depth);
		break;
	case WIRE_MAP:
		count = wire_get_map(reader, UINT32_MAX);
		wire_put_map(copy, count);
		copy_items(reader, copy, 2 * (uint64_t)count, depth);
		break;
	case WIRE_FLOAT:
	case WIRE_NONE:
		wire_put_raw(copy, wire_get_raw(reader));
		break;
	}
}

/* Each of the typed readers over the same value. */
static void read_as_all_types(struct slice value)
{
	struct wire_reader reader;
	char text[16];
	wire_reader_init(&reader, value);
	(void)wire_get_run_key(&reader);
	wire_reader_init(&reader, value);
	(void)wire_get_ballot(&reader);
	wire_reader_init(&reader, value);
	(void)wire_get_epoch(&reader);
	wire_reader_init(&reader, value);
	struct address address = wire_get_address(&reader);
	assert(address.family == 0 || address.family == 4 || address.family == 6);
	wire_reader_init(&reader, value);
	(void)wire_get_id(&reader);
	wire_reader_init(&reader, value);
	wire_get_text(&reader, text, sizeof(text));
	assert(memchr(text, '\0', sizeof(text)) != NULL);
	wire_reader_init(&reader, value);
	(void)wire_get_u64_max(&reader, 9);
	wire_reader_init(&reader, value);
	uint32_t count = wire_get_array_min(&reader, 2);
	wire_skip_items(&reader, count);
	wire_reader_init(&reader, value);
	(void)wire_get_array(&reader, 2);
	(void)wire_map_find_i64(value, "i", 0);
	(void)wire_map_find_bool(value, "b", false);
	(void)wire_map_find_str(value, "s");
}

static void walk(struct slice body)
{
	read_as_all_types(body);
	struct wire_reader skipper;
	wire_reader_init(&skipper, body);
	struct slice raw = wire_get_raw(&skipper);

	static uint8_t memory[FUZZ_FRAME_BYTES_MAX];
	struct buf copy;
	buf_init(&copy, memory, sizeof(memory));
	struct wire_reader reader;
	wire_reader_init(&reader, body);
	copy_value(&reader, &copy, 1);
	if (skipper.err != ERR_OK || wire_reader_end(&skipper) != ERR_OK)
		return;
	/* What is stepped over as a whole is also read item by item. */
	assert(wire_reader_end(&reader) == ERR_OK && slice_equal(raw, body));
	assert(!copy.has_overflowed && copy.bytes <= body.bytes);
	/* What we write is read and written again byte by byte. */
	static uint8_t again_memory[FUZZ_FRAME_BYTES_MAX];
	struct buf again;
	buf_init(&again, again_memory, sizeof(again_memory));
	wire_reader_init(&reader, buf_slice(&copy));
	copy_value(&reader, &again, 1);
	assert(wire_reader_end(&reader) == ERR_OK);
	assert(slice_equal(buf_slice(&copy), buf_slice(&again)));
}

/* Bodies, folded into one number, and how the stream ended. */
struct stream_result {
	uint64_t sum;
	enum err err;
};

static struct stream_result read_stream(const uint8_t *bytes, size_t bytes_count,
					size_t piece_bytes, bool is_walked)
{
	struct stream_result result = {.sum = 0};
	struct frame_reader reader;
	frame_reader_init(&reader, FUZZ_FRAME_BYTES_MAX, resize);
	for (size_t at = 0; at < bytes_count && result.err == ERR_OK; at += piece_bytes) {
		size_t left = bytes_count - at;
		result.err = frame_reader_feed(&reader, bytes + at,
					       left < piece_bytes ? left : piece_bytes);
		struct slice body;
		while (frame_reader_next(&reader, &body)) {
			assert(body.bytes <= FUZZ_FRAME_BYTES_MAX);
			for (size_t i = 0; i < body.bytes; i++)
				result.sum = result.sum * 31 + body.data[i];
			result.sum = result.sum * 31 + 257;
			if (is_walked)
				walk(body);
		}
	}
	frame_reader_close(&reader);
	assert(reader.data == NULL);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
	if (bytes_count < 1)
		return 0;
	size_t piece_bytes = bytes[0] + 1u;
	struct stream_result in_pieces = read_stream(bytes + 1, bytes_count - 1, piece_bytes, true);
	struct stream_result at_once = read_stream(bytes + 1, bytes_count - 1, bytes_count, false);
	/* An error ends the stream at once, so that whole frames in front of it may come out or not. */
	assert(in_pieces.err == at_once.err);
	assert(in_pieces.err != ERR_OK || in_pieces.sum == at_once.sum);
	return 0;
}
