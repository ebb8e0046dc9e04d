/* A byte buffer of fixed capacity, in memory that the caller owns. Overflow is sticky: a writer
 * checks once, at the end. */
#ifndef PROTO_BUF_H
#define PROTO_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/types.h"

struct buf {
	uint8_t *data;
	size_t bytes;     /* used */
	size_t bytes_max; /* capacity */
	bool has_overflowed;
};

void buf_init(struct buf *buf, void *memory, size_t bytes_max);
void buf_clear(struct buf *buf);
/* Appends; on overflow nothing is appended and has_overflowed is set. */
void buf_put(struct buf *buf, const void *data, size_t bytes);
void buf_put_u8(struct buf *buf, uint8_t value);
void buf_put_u16(struct buf *buf, uint16_t value); /* big-endian, as all fixed-width numbers here */
void buf_put_u32(struct buf *buf, uint32_t value);
void buf_put_u64(struct buf *buf, uint64_t value);
size_t buf_left(const struct buf *buf);
struct slice buf_slice(const struct buf *buf);

uint16_t load_u16(const uint8_t *bytes); /* big-endian */
uint32_t load_u32(const uint8_t *bytes);
uint64_t load_u64(const uint8_t *bytes);
void store_u16(uint8_t *bytes, uint16_t value);
void store_u32(uint8_t *bytes, uint32_t value);
void store_u64(uint8_t *bytes, uint64_t value);

struct slice slice_of(const void *data, size_t bytes);
struct slice slice_str(const char *text); /* without the NUL */
bool slice_equal(struct slice a, struct slice b);
int slice_compare(struct slice a, struct slice b); /* in the order of memcmp, shorter first: <0, 0, >0 */

#endif
