/* Any bytes as the value of a register, as peers and the store hand it in: what is accepted is encoded, decoded and
 * encoded again to the same bytes.
 *
 * The first byte of the input chooses: even, the rest is a cursor; odd, the value of a definition. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/cursor.h"
#include "agent/core/def_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

static uint8_t memory[2 * DEF_VALUE_BYTES_MAX];
static uint8_t again_memory[2 * DEF_VALUE_BYTES_MAX];

static void check_cursor(struct slice bytes)
{
	/* A block of its own, so that a sanitizer sees the first byte written past it. */
	struct cursor *cursor = malloc(sizeof(*cursor));
	assert(cursor != NULL);
	if (cursor_get(bytes, cursor) != ERR_OK) {
		free(cursor);
		return;
	}
	assert(cursor->open_count <= CURSOR_OPEN_MAX && cursor->manual_count <= CURSOR_MANUAL_MAX);
	struct buf out;
	struct buf again;
	buf_init(&out, memory, sizeof(memory));
	buf_init(&again, again_memory, sizeof(again_memory));
	cursor_put(&out, cursor);
	assert(!out.has_overflowed && out.bytes <= CURSOR_BYTES_MAX);
	enum err err = cursor_get(buf_slice(&out), cursor);
	assert(err == ERR_OK);
	cursor_put(&again, cursor);
	assert(slice_equal(buf_slice(&out), buf_slice(&again)));
	free(cursor);
}

static void check_def_value(struct slice bytes)
{
	struct def_value *value = malloc(sizeof(*value));
	assert(value != NULL);
	if (def_value_get(bytes, value) != ERR_OK) {
		free(value);
		return;
	}
	assert(value->request_count <= DEF_REQUESTS_MAX);
	struct buf out;
	struct buf again;
	buf_init(&out, memory, sizeof(memory));
	buf_init(&again, again_memory, sizeof(again_memory));
	def_value_put(&out, value);
	assert(!out.has_overflowed);
	enum err err = def_value_get(buf_slice(&out), value);
	assert(err == ERR_OK);
	def_value_put(&again, value);
	assert(slice_equal(buf_slice(&out), buf_slice(&again)));
	/* A full list drops its oldest, and the newest is found. */
	struct id128 id = {.bytes = {0xfe, 1}};
	def_value_add_request(value, id, 77);
	const struct def_request *request = def_value_find_request(value, id);
	assert(request != NULL && value->request_count <= DEF_REQUESTS_MAX);
	free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
	if (bytes_count < 1)
		return 0;
	if (bytes[0] % 2 == 0)
		check_cursor(slice_of(bytes + 1, bytes_count - 1));
	else
		check_def_value(slice_of(bytes + 1, bytes_count - 1));
	return 0;
}
