/* Appending to a bounded buffer, and big-endian numbers. */
#include "proto/buf.h"

#include <assert.h>
#include <string.h>

void buf_init(struct buf *buf, void *memory, size_t bytes_max)
{
	assert(memory != NULL || bytes_max == 0);
	*buf = (struct buf){.data = memory, .bytes_max = bytes_max};
}

void buf_clear(struct buf *buf)
{
	buf->bytes = 0;
	buf->has_overflowed = false;
}

void buf_put(struct buf *buf, const void *data, size_t bytes)
{
	/* Nothing follows a value that did not fit: half a message must not look like a whole one. */
	if (buf->has_overflowed)
		return;
	if (bytes > buf->bytes_max - buf->bytes) {
		buf->has_overflowed = true;
		return;
	}
	if (bytes == 0)
		return;
	memmove(buf->data + buf->bytes, data, bytes);
	buf->bytes += bytes;
}

void buf_put_u8(struct buf *buf, uint8_t value)
{
	buf_put(buf, &value, sizeof(value));
}

void buf_put_u16(struct buf *buf, uint16_t value)
{
	uint8_t bytes[2];
	store_u16(bytes, value);
	buf_put(buf, bytes, sizeof(bytes));
}

void buf_put_u32(struct buf *buf, uint32_t value)
{
	uint8_t bytes[4];
	store_u32(bytes, value);
	buf_put(buf, bytes, sizeof(bytes));
}

void buf_put_u64(struct buf *buf, uint64_t value)
{
	uint8_t bytes[8];
	store_u64(bytes, value);
	buf_put(buf, bytes, sizeof(bytes));
}

size_t buf_left(const struct buf *buf)
{
	return buf->has_overflowed ? 0 : buf->bytes_max - buf->bytes;
}

struct slice buf_slice(const struct buf *buf)
{
	return (struct slice){.data = buf->data, .bytes = buf->bytes};
}

uint16_t load_u16(const uint8_t *bytes)
{
	return (uint16_t)((uint16_t)(bytes[0] << 8) | bytes[1]);
}

uint32_t load_u32(const uint8_t *bytes)
{
	return (uint32_t)load_u16(bytes) << 16 | load_u16(bytes + 2);
}

uint64_t load_u64(const uint8_t *bytes)
{
	return (uint64_t)load_u32(bytes) << 32 | load_u32(bytes + 4);
}

void store_u16(uint8_t *bytes, uint16_t value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

void store_u32(uint8_t *bytes, uint32_t value)
{
	store_u16(bytes, (uint16_t)(value >> 16));
	store_u16(bytes + 2, (uint16_t)value);
}

void store_u64(uint8_t *bytes, uint64_t value)
{
	store_u32(bytes, (uint32_t)(value >> 32));
	store_u32(bytes + 4, (uint32_t)value);
}

struct slice slice_of(const void *data, size_t bytes)
{
	return (struct slice){.data = data, .bytes = bytes};
}

struct slice slice_str(const char *text)
{
	return (struct slice){.data = (const uint8_t *)text, .bytes = strlen(text)};
}

bool slice_equal(struct slice a, struct slice b)
{
	return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

int slice_compare(struct slice a, struct slice b)
{
	size_t both = a.bytes < b.bytes ? a.bytes : b.bytes;
	int order = both > 0 ? memcmp(a.data, b.data, both) : 0;
	return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}
