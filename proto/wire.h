/* msgpack, the only place that knows it: a bounded cursor reader of our own, and a packer over buf.
 *
 * The reader never trusts a declared count: each must fit the bytes left (an item is at least one
 * byte), the caller's own maximum, and the budget of WIRE_ITEMS_MAX items for the whole frame; depth is
 * at most WIRE_DEPTH_MAX. Errors are sticky: after the first one every getter returns zero or an empty
 * slice, so a decoder reads all fields and checks once with wire_reader_end(). */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/types.h"

/* ---- writing (append to a buf; overflow is the buf's sticky flag) ---- */
void wire_put_nil(struct buf *buf);
void wire_put_bool(struct buf *buf, bool value);
void wire_put_u64(struct buf *buf, uint64_t value);
void wire_put_i64(struct buf *buf, int64_t value);
void wire_put_bin(struct buf *buf, const void *data, size_t bytes);
void wire_put_str(struct buf *buf, const void *text, size_t bytes);
void wire_put_text(struct buf *buf, const char *text); /* NUL-terminated */
void wire_put_array(struct buf *buf, uint32_t count);
void wire_put_map(struct buf *buf, uint32_t count);
/* Copies bytes that are already one or more whole msgpack values. */
void wire_put_raw(struct buf *buf, struct slice values);

void wire_put_id(struct buf *buf, struct id128 id); /* bin 16 */
void wire_put_epoch(struct buf *buf, struct epoch epoch);      /* array of 2 */
void wire_put_ballot(struct buf *buf, const struct ballot *ballot);    /* array of 4 */
void wire_put_run_key(struct buf *buf, const struct run_key *key);     /* array of 5 */
void wire_put_address(struct buf *buf, const struct address *address); /* array of 3: family, ip, port */

/* A map that is built field by field: the count is written by wire_map_end. Counts up to 65535. */
struct wire_map {
	size_t count_at; /* offset of the count in the buf */
	uint32_t count;
};
struct wire_map wire_map_begin(struct buf *buf);
void wire_map_text(struct wire_map *map, struct buf *buf, const char *key, const char *value);
void wire_map_str(struct wire_map *map, struct buf *buf, const char *key, struct slice value);
void wire_map_i64(struct wire_map *map, struct buf *buf, const char *key, int64_t value);
void wire_map_bool(struct wire_map *map, struct buf *buf, const char *key, bool value);
void wire_map_nil(struct wire_map *map, struct buf *buf, const char *key);
/* Writes the key only; the caller puts exactly one value next. */
void wire_map_key(struct wire_map *map, struct buf *buf, const char *key);
void wire_map_end(struct wire_map *map, struct buf *buf);
/* The same for arrays of unknown length. */
struct wire_map wire_array_begin(struct buf *buf);
void wire_array_item(struct wire_map *array); /* call once per item put */
void wire_array_end(struct wire_map *array, struct buf *buf);

/* ---- reading ---- */
enum wire_type {
	WIRE_NIL,
	WIRE_BOOL,
	WIRE_INT, /* any integer */
	WIRE_FLOAT,
	WIRE_STR,
	WIRE_BIN,
	WIRE_ARRAY,
	WIRE_MAP,
	WIRE_NONE /* end of input or a broken reader */
};

struct wire_reader {
	const uint8_t *next;
	const uint8_t *end;
	uint32_t items_left; /* budget for declared counts */
	enum err err;        /* sticky */
};

void wire_reader_init(struct wire_reader *reader, struct slice bytes);
enum wire_type wire_peek(const struct wire_reader *reader);
void wire_get_nil(struct wire_reader *reader);
bool wire_get_bool(struct wire_reader *reader);
uint64_t wire_get_u64(struct wire_reader *reader);
int64_t wire_get_i64(struct wire_reader *reader);
/* Number with bounds: outside them is ERR_RANGE. */
uint64_t wire_get_u64_max(struct wire_reader *reader, uint64_t max);
/* Borrowed from the input. Longer than bytes_max is ERR_RANGE. str must be valid UTF-8 without NUL. */
struct slice wire_get_str(struct wire_reader *reader, size_t bytes_max);
struct slice wire_get_bin(struct wire_reader *reader, size_t bytes_max);
/* Copies a str into a NUL-terminated array of text_bytes (terminator included). */
void wire_get_text(struct wire_reader *reader, char *ret_text, size_t text_bytes);
uint32_t wire_get_array(struct wire_reader *reader, uint32_t count_max);
uint32_t wire_get_map(struct wire_reader *reader, uint32_t count_max);
/* An array of at least count_min items (extra ones at the end are for later versions). The caller reads
 * the count_min items, then calls wire_skip_items(reader, returned count - count_min). */
uint32_t wire_get_array_min(struct wire_reader *reader, uint32_t count_min);
void wire_skip(struct wire_reader *reader); /* one whole value; deeper than WIRE_DEPTH_MAX: ERR_RANGE */
void wire_skip_items(struct wire_reader *reader, uint32_t count);
/* The bytes of the next whole value, which is skipped. */
struct slice wire_get_raw(struct wire_reader *reader);

/* The small types have exactly the items that their put writes; any other count is ERR_INVALID. */
struct id128 wire_get_id(struct wire_reader *reader);
struct epoch wire_get_epoch(struct wire_reader *reader);
struct ballot wire_get_ballot(struct wire_reader *reader);
struct run_key wire_get_run_key(struct wire_reader *reader);
struct address wire_get_address(struct wire_reader *reader);

/* ERR_OK only if nothing failed and no byte is left over. */
MUST_CHECK enum err wire_reader_end(const struct wire_reader *reader);

/* Finds `key` in a map value (the first, if a stranger put it twice); false if absent or `map` is not a map. Never fails the input. */
bool wire_map_find(struct slice map, const char *key, struct wire_reader *ret_value);
/* Conveniences over wire_map_find; absent or of another type: the fallback. */
int64_t wire_map_find_i64(struct slice map, const char *key, int64_t fallback);
bool wire_map_find_bool(struct slice map, const char *key, bool fallback);
struct slice wire_map_find_str(struct slice map, const char *key); /* empty if absent */

#endif
