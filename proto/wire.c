/* Writing msgpack: msgpack-c's packer over a buf. The only file that knows msgpack-c. */
#include "proto/wire.h"

#include <assert.h>
#include <string.h>

#include <msgpack/pack.h>

/* First bytes of the msgpack specification that are needed by name. */
#define HEAD_ARRAY16 0xdcu
#define HEAD_MAP16 0xdeu
#define MAP_COUNT_MAX 65535u /* what the two bytes of HEAD_MAP16 hold */

static int on_packed(void *context, const char *data, size_t bytes)
{
	buf_put(context, data, bytes);
	return 0;
}

static msgpack_packer packer_over(struct buf *buf)
{
	msgpack_packer packer;
	msgpack_packer_init(&packer, buf, on_packed);
	return packer;
}

void wire_put_nil(struct buf *buf)
{
	msgpack_packer packer = packer_over(buf);
	(void)msgpack_pack_nil(&packer);
}

void wire_put_bool(struct buf *buf, bool value)
{
	msgpack_packer packer = packer_over(buf);
	(void)(value ? msgpack_pack_true(&packer) : msgpack_pack_false(&packer));
}

void wire_put_u64(struct buf *buf, uint64_t value)
{
	msgpack_packer packer = packer_over(buf);
	(void)msgpack_pack_uint64(&packer, value);
}

void wire_put_i64(struct buf *buf, int64_t value)
{
	msgpack_packer packer = packer_over(buf);
	(void)msgpack_pack_int64(&packer, value);
}

void wire_put_bin(struct buf *buf, const void *data, size_t bytes)
{
	msgpack_packer packer = packer_over(buf);
	(void)msgpack_pack_bin(&packer, bytes);
	(void)msgpack_pack_bin_body(&packer, data, bytes);
}

void wire_put_str(struct buf *buf, const void *text, size_t bytes)
{
	msgpack_packer packer = packer_over(buf);
	(void)msgpack_pack_str(&packer, bytes);
	(void)msgpack_pack_str_body(&packer, text, bytes);
}

void wire_put_text(struct buf *buf, const char *text)
{
	wire_put_str(buf, text, strlen(text));
}

void wire_put_array(struct buf *buf, uint32_t count)
{
	msgpack_packer packer = packer_over(buf);
	(void)msgpack_pack_array(&packer, count);
}

void wire_put_map(struct buf *buf, uint32_t count)
{
	msgpack_packer packer = packer_over(buf);
	(void)msgpack_pack_map(&packer, count);
}

void wire_put_raw(struct buf *buf, struct slice values)
{
	buf_put(buf, values.data, values.bytes);
}

void wire_put_id(struct buf *buf, struct id128 id)
{
	wire_put_bin(buf, id.bytes, sizeof(id.bytes));
}

void wire_put_epoch(struct buf *buf, struct epoch epoch)
{
	wire_put_array(buf, 2);
	wire_put_u64(buf, epoch.number);
	wire_put_u64(buf, epoch.bits);
}

void wire_put_ballot(struct buf *buf, const struct ballot *ballot)
{
	wire_put_array(buf, 4);
	wire_put_epoch(buf, ballot->epoch);
	wire_put_u64(buf, ballot->round);
	wire_put_u64(buf, ballot->boot);
	wire_put_id(buf, ballot->node);
}

void wire_put_run_key(struct buf *buf, const struct run_key *key)
{
	wire_put_array(buf, 5);
	wire_put_id(buf, key->job);
	wire_put_i64(buf, key->t_ms);
	wire_put_id(buf, key->manual);
	wire_put_u64(buf, key->shard);
	wire_put_u64(buf, key->attempt);
}

static size_t ip_bytes_of(uint64_t family)
{
	return family == 4 ? 4 : family == 6 ? 16 : 0;
}

void wire_put_address(struct buf *buf, const struct address *address)
{
	assert(address->family == 0 || address->family == 4 || address->family == 6);
	wire_put_array(buf, 3);
	wire_put_u64(buf, address->family);
	wire_put_bin(buf, address->ip, ip_bytes_of(address->family));
	wire_put_u64(buf, address->family == 0 ? 0 : address->port);
}

/* The count of a map or array that grows is always 16 bits wide, so that it can be filled in at the end. */
static struct wire_map begin_counted(struct buf *buf, uint8_t head)
{
	buf_put_u8(buf, head);
	struct wire_map map = {.count_at = buf->bytes};
	buf_put_u16(buf, 0);
	return map;
}

static void end_counted(const struct wire_map *map, struct buf *buf)
{
	if (map->count > MAP_COUNT_MAX)
		buf->has_overflowed = true;
	if (buf->has_overflowed)
		return;
	assert(map->count_at + 2 <= buf->bytes);
	store_u16(buf->data + map->count_at, (uint16_t)map->count);
}

struct wire_map wire_map_begin(struct buf *buf)
{
	return begin_counted(buf, HEAD_MAP16);
}

void wire_map_key(struct wire_map *map, struct buf *buf, const char *key)
{
	map->count++;
	wire_put_text(buf, key);
}

void wire_map_text(struct wire_map *map, struct buf *buf, const char *key, const char *value)
{
	wire_map_key(map, buf, key);
	wire_put_text(buf, value);
}

void wire_map_str(struct wire_map *map, struct buf *buf, const char *key, struct slice value)
{
	wire_map_key(map, buf, key);
	wire_put_str(buf, value.data, value.bytes);
}

void wire_map_i64(struct wire_map *map, struct buf *buf, const char *key, int64_t value)
{
	wire_map_key(map, buf, key);
	wire_put_i64(buf, value);
}

void wire_map_bool(struct wire_map *map, struct buf *buf, const char *key, bool value)
{
	wire_map_key(map, buf, key);
	wire_put_bool(buf, value);
}

void wire_map_nil(struct wire_map *map, struct buf *buf, const char *key)
{
	wire_map_key(map, buf, key);
	wire_put_nil(buf);
}

void wire_map_end(struct wire_map *map, struct buf *buf)
{
	end_counted(map, buf);
}

struct wire_map wire_array_begin(struct buf *buf)
{
	return begin_counted(buf, HEAD_ARRAY16);
}

void wire_array_item(struct wire_map *array)
{
	array->count++;
}

void wire_array_end(struct wire_map *array, struct buf *buf)
{
	end_counted(array, buf);
}
