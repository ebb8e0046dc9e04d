/* Reading msgpack: a cursor of our own.
 *
 * The unpacker of msgpack-c believes what a header declares and allocates for it: five bytes are enough to
 * ask for 96 GiB. The cursor allocates nothing and checks each count before anything is done with it. */
#include <assert.h>
#include <string.h>

#include "proto/limits.h"
#include "proto/text.h"
#include "proto/wire.h"

/* One item without what is inside it. */
struct item {
	enum wire_type type;
	bool is_negative;  /* int: `number` holds the bits of an int64_t */
	uint64_t number;   /* int, bool */
	uint32_t count;    /* array, map: items or pairs */
	struct slice body; /* str, bin */
};

static const struct slice no_bytes;

static void fail(struct wire_reader *reader, enum err err)
{
	assert(err != ERR_OK);
	if (reader->err == ERR_OK)
		reader->err = err;
}

static size_t bytes_left(const struct wire_reader *reader)
{
	return (size_t)(reader->end - reader->next);
}

void wire_reader_init(struct wire_reader *reader, struct slice bytes)
{
	/* Adding 0 to NULL is not C; an empty input needs no address of its own. */
	const uint8_t *start = bytes.data != NULL ? bytes.data : (const uint8_t *)"";
	*reader = (struct wire_reader){
		.next = start,
		.end = start + (bytes.data != NULL ? bytes.bytes : 0),
		.items_left = WIRE_ITEMS_MAX,
	};
}

/* The specification's table of first bytes, as types. Extension types and 0xc1 are none of ours. */
static enum wire_type type_of_head(uint8_t head)
{
	if (head <= 0x7fu || head >= 0xe0u)
		return WIRE_INT;
	if (head <= 0x8fu)
		return WIRE_MAP;
	if (head <= 0x9fu)
		return WIRE_ARRAY;
	if (head <= 0xbfu)
		return WIRE_STR;
	static const uint8_t types[0x20] = {
		WIRE_NIL,   WIRE_NONE,  WIRE_BOOL, WIRE_BOOL,  WIRE_BIN,   WIRE_BIN, WIRE_BIN,
		WIRE_NONE,  WIRE_NONE,  WIRE_NONE, WIRE_FLOAT, WIRE_FLOAT, WIRE_INT, WIRE_INT,
		WIRE_INT,   WIRE_INT,   WIRE_INT,  WIRE_INT,   WIRE_INT,   WIRE_INT, WIRE_NONE,
		WIRE_NONE,  WIRE_NONE,  WIRE_NONE, WIRE_NONE,  WIRE_STR,   WIRE_STR, WIRE_STR,
		WIRE_ARRAY, WIRE_ARRAY, WIRE_MAP,  WIRE_MAP,
	};
	return (enum wire_type)types[head - 0xc0u];
}

/* How many bytes of number follow the first byte: a value, a length or a count. */
static size_t number_bytes_of_head(uint8_t head)
{
	static const uint8_t widths[0x20] = {
		0, 0, 0, 0, 1, 2, 4, 0, 0, 0, 4, 8, 1, 2, 4, 8,
		1, 2, 4, 8, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4,
	};
	return head >= 0xc0u && head <= 0xdfu ? widths[head - 0xc0u] : 0;
}

static uint64_t load_number(const uint8_t *bytes, size_t width)
{
	uint64_t number = 0;
	for (size_t i = 0; i < width; i++)
		number = number << 8 | bytes[i];
	return number;
}

static void take_int(uint8_t head, size_t width, struct item *item)
{
	if (head <= 0x7fu) {
		item->number = head;
	} else if (head >= 0xe0u) {
		item->number = (uint64_t)(int64_t)(int8_t)head;
		item->is_negative = true;
	} else if (head >= 0xd0u) {
		uint64_t sign = (uint64_t)1 << (8 * width - 1);
		item->is_negative = (item->number & sign) != 0;
		/* Extends the sign to 64 bits. */
		item->number = (item->number ^ sign) - sign;
	}
}

static void take_body(struct wire_reader *reader, struct item *item)
{
	if (item->number > bytes_left(reader)) {
		fail(reader, ERR_TRUNCATED);
		return;
	}
	item->body = slice_of(reader->next, (size_t)item->number);
	reader->next += item->body.bytes;
	if (item->type == WIRE_STR && !text_is_utf8(item->body))
		fail(reader, ERR_INVALID);
}

static void take_count(struct wire_reader *reader, struct item *item)
{
	uint64_t items = item->type == WIRE_MAP ? 2 * item->number : item->number;
	if (items > bytes_left(reader)) {
		fail(reader, ERR_TRUNCATED);
		return;
	}
	if (items > reader->items_left) {
		fail(reader, ERR_RANGE);
		return;
	}
	reader->items_left -= (uint32_t)items;
	item->count = (uint32_t)item->number;
}

/* Reads one item, without the ones inside it; false: the reader is broken, now or since before. */
static bool take_item(struct wire_reader *reader, struct item *ret_item)
{
	*ret_item = (struct item){.type = WIRE_NONE};
	if (reader->err != ERR_OK)
		return false;
	if (bytes_left(reader) == 0) {
		fail(reader, ERR_TRUNCATED);
		return false;
	}
	uint8_t head = *reader->next++;
	size_t width = number_bytes_of_head(head);
	if (width > bytes_left(reader)) {
		fail(reader, ERR_TRUNCATED);
		return false;
	}
	struct item item = {.type = type_of_head(head), .number = load_number(reader->next, width)};
	reader->next += width;
	switch (item.type) {
	case WIRE_NIL:
	case WIRE_FLOAT:
		break;
	case WIRE_BOOL:
		item.number = head & 1u;
		break;
	case WIRE_INT:
		take_int(head, width, &item);
		break;
	case WIRE_STR:
		if (head <= 0xbfu)
			item.number = head & 0x1fu;
		take_body(reader, &item);
		break;
	case WIRE_BIN:
		take_body(reader, &item);
		break;
	case WIRE_ARRAY:
	case WIRE_MAP:
		if (head <= 0x9fu)
			item.number = head & 0x0fu;
		take_count(reader, &item);
		break;
	case WIRE_NONE:
		fail(reader, ERR_INVALID);
		break;
	}
	if (reader->err != ERR_OK)
		return false;
	*ret_item = item;
	return true;
}

/* An item of the one type that fits. */
static bool take_typed(struct wire_reader *reader, enum wire_type type, struct item *ret_item)
{
	if (!take_item(reader, ret_item))
		return false;
	if (ret_item->type == type)
		return true;
	fail(reader, ERR_INVALID);
	return false;
}

enum wire_type wire_peek(const struct wire_reader *reader)
{
	if (reader->err != ERR_OK || bytes_left(reader) == 0)
		return WIRE_NONE;
	return type_of_head(*reader->next);
}

bool wire_get_bool(struct wire_reader *reader)
{
	struct item item;
	return take_typed(reader, WIRE_BOOL, &item) && item.number != 0;
}

void wire_get_nil(struct wire_reader *reader)
{
	struct item item;
	(void)take_typed(reader, WIRE_NIL, &item);
}

uint64_t wire_get_u64(struct wire_reader *reader)
{
	return wire_get_u64_max(reader, UINT64_MAX);
}

uint64_t wire_get_u64_max(struct wire_reader *reader, uint64_t max)
{
	struct item item;
	if (!take_typed(reader, WIRE_INT, &item))
		return 0;
	if (item.is_negative || item.number > max) {
		fail(reader, ERR_RANGE);
		return 0;
	}
	return item.number;
}

int64_t wire_get_i64(struct wire_reader *reader)
{
	struct item item;
	if (!take_typed(reader, WIRE_INT, &item))
		return 0;
	if (!item.is_negative && item.number > INT64_MAX) {
		fail(reader, ERR_RANGE);
		return 0;
	}
	return (int64_t)item.number;
}

static struct slice take_bytes(struct wire_reader *reader, enum wire_type type, size_t bytes_max)
{
	struct item item;
	if (!take_typed(reader, type, &item))
		return no_bytes;
	if (item.body.bytes > bytes_max) {
		fail(reader, ERR_RANGE);
		return no_bytes;
	}
	return item.body;
}

struct slice wire_get_str(struct wire_reader *reader, size_t bytes_max)
{
	return take_bytes(reader, WIRE_STR, bytes_max);
}

struct slice wire_get_bin(struct wire_reader *reader, size_t bytes_max)
{
	return take_bytes(reader, WIRE_BIN, bytes_max);
}

void wire_get_text(struct wire_reader *reader, char *ret_text, size_t text_bytes)
{
	assert(text_bytes > 0);
	struct slice text = wire_get_str(reader, text_bytes - 1);
	if (text.bytes > 0)
		memcpy(ret_text, text.data, text.bytes);
	ret_text[text.bytes] = '\0';
}

static uint32_t take_counted(struct wire_reader *reader, enum wire_type type, uint32_t count_max)
{
	struct item item;
	if (!take_typed(reader, type, &item))
		return 0;
	if (item.count > count_max) {
		fail(reader, ERR_RANGE);
		return 0;
	}
	return item.count;
}

uint32_t wire_get_array(struct wire_reader *reader, uint32_t count_max)
{
	return take_counted(reader, WIRE_ARRAY, count_max);
}

uint32_t wire_get_map(struct wire_reader *reader, uint32_t count_max)
{
	return take_counted(reader, WIRE_MAP, count_max);
}

uint32_t wire_get_array_min(struct wire_reader *reader, uint32_t count_min)
{
	uint32_t count = take_counted(reader, WIRE_ARRAY, UINT32_MAX);
	if (reader->err != ERR_OK)
		return 0;
	if (count < count_min) {
		fail(reader, ERR_INVALID);
		return 0;
	}
	return count;
}

/* An array of one length only: the small types that are compared as a whole never grow. */
static bool take_tuple(struct wire_reader *reader, uint32_t count)
{
	struct item item;
	if (!take_typed(reader, WIRE_ARRAY, &item))
		return false;
	if (item.count != count)
		fail(reader, ERR_INVALID);
	return item.count == count;
}

void wire_skip(struct wire_reader *reader)
{
	/* open[d]: items still to come in the container at depth d. */
	uint64_t open[WIRE_DEPTH_MAX];
	size_t depth = 0;
	do {
		struct item item;
		if (!take_item(reader, &item))
			return;
		bool is_container = item.type == WIRE_ARRAY || item.type == WIRE_MAP;
		if (is_container && depth == WIRE_DEPTH_MAX) {
			fail(reader, ERR_RANGE);
			return;
		}
		if (is_container && item.count > 0) {
			open[depth++] =
				item.type == WIRE_MAP ? 2 * (uint64_t)item.count : item.count;
			continue;
		}
		while (depth > 0 && --open[depth - 1] == 0)
			depth--;
	} while (depth > 0);
}

void wire_skip_items(struct wire_reader *reader, uint32_t count)
{
	for (uint32_t i = 0; i < count && reader->err == ERR_OK; i++)
		wire_skip(reader);
}

struct slice wire_get_raw(struct wire_reader *reader)
{
	const uint8_t *start = reader->next;
	wire_skip(reader);
	if (reader->err != ERR_OK)
		return no_bytes;
	return slice_of(start, (size_t)(reader->next - start));
}

struct id128 wire_get_id(struct wire_reader *reader)
{
	struct id128 id = {.bytes = {0}};
	struct slice bytes = wire_get_bin(reader, sizeof(id.bytes));
	if (reader->err != ERR_OK)
		return id;
	if (bytes.bytes == sizeof(id.bytes))
		memcpy(id.bytes, bytes.data, sizeof(id.bytes));
	else
		fail(reader, ERR_INVALID);
	return id;
}

struct epoch wire_get_epoch(struct wire_reader *reader)
{
	struct epoch epoch = {0};
	if (!take_tuple(reader, 2))
		return epoch;
	epoch.number = wire_get_u64(reader);
	epoch.bits = wire_get_u64(reader);
	return reader->err == ERR_OK ? epoch : (struct epoch){0};
}

struct ballot wire_get_ballot(struct wire_reader *reader)
{
	struct ballot ballot = {.round = 0};
	if (!take_tuple(reader, 4))
		return ballot;
	ballot.epoch = wire_get_epoch(reader);
	ballot.round = wire_get_u64(reader);
	ballot.boot = wire_get_u64(reader);
	ballot.node = wire_get_id(reader);
	return reader->err == ERR_OK ? ballot : (struct ballot){.round = 0};
}

struct run_key wire_get_run_key(struct wire_reader *reader)
{
	struct run_key key = {.t_ms = 0};
	if (!take_tuple(reader, 5))
		return key;
	key.job = wire_get_id(reader);
	key.t_ms = wire_get_i64(reader);
	key.manual = wire_get_id(reader);
	key.shard = (uint16_t)wire_get_u64_max(reader, UINT16_MAX);
	key.attempt = (uint16_t)wire_get_u64_max(reader, UINT16_MAX);
	return reader->err == ERR_OK ? key : (struct run_key){.t_ms = 0};
}

struct address wire_get_address(struct wire_reader *reader)
{
	struct address address = {.family = 0};
	if (!take_tuple(reader, 3))
		return address;
	uint64_t family = wire_get_u64(reader);
	struct slice ip = wire_get_bin(reader, sizeof(address.ip));
	uint64_t port = wire_get_u64_max(reader, UINT16_MAX);
	if (reader->err != ERR_OK)
		return address;
	size_t ip_bytes = family == 4 ? 4 : family == 6 ? 16 : 0;
	bool is_known = family == 0 || family == 4 || family == 6;
	if (!is_known || ip.bytes != ip_bytes || (family == 0 && port != 0)) {
		fail(reader, ERR_INVALID);
		return address;
	}
	address.family = (uint8_t)family;
	address.port = (uint16_t)port;
	if (ip.bytes > 0)
		memcpy(address.ip, ip.data, ip.bytes);
	return address;
}

enum err wire_reader_end(const struct wire_reader *reader)
{
	if (reader->err != ERR_OK)
		return reader->err;
	return reader->next == reader->end ? ERR_OK : ERR_INVALID;
}

/* ---- maps ---- */

bool wire_map_find(struct slice map, const char *key, struct wire_reader *ret_value)
{
	struct wire_reader reader;
	wire_reader_init(&reader, map);
	if (wire_peek(&reader) != WIRE_MAP)
		return false;
	struct slice wanted = slice_str(key);
	uint32_t count = wire_get_map(&reader, UINT32_MAX);
	for (uint32_t i = 0; i < count && reader.err == ERR_OK; i++) {
		bool is_wanted = false;
		if (wire_peek(&reader) == WIRE_STR)
			is_wanted = slice_equal(wire_get_str(&reader, SIZE_MAX), wanted);
		else
			wire_skip(&reader);
		struct slice value = wire_get_raw(&reader);
		if (is_wanted && reader.err == ERR_OK) {
			wire_reader_init(ret_value, value);
			return true;
		}
	}
	return false;
}

int64_t wire_map_find_i64(struct slice map, const char *key, int64_t fallback)
{
	struct wire_reader reader;
	if (!wire_map_find(map, key, &reader))
		return fallback;
	int64_t value = wire_get_i64(&reader);
	return reader.err == ERR_OK ? value : fallback;
}

bool wire_map_find_bool(struct slice map, const char *key, bool fallback)
{
	struct wire_reader reader;
	if (!wire_map_find(map, key, &reader))
		return fallback;
	bool value = wire_get_bool(&reader);
	return reader.err == ERR_OK ? value : fallback;
}

struct slice wire_map_find_str(struct slice map, const char *key)
{
	struct wire_reader reader;
	if (!wire_map_find(map, key, &reader))
		return no_bytes;
	return wire_get_str(&reader, SIZE_MAX);
}
