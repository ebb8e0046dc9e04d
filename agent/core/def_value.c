/* Encoding of definition values. */
#include "agent/core/def_value.h"

#include <string.h>

#include "proto/wire.h"

#define DEF_VALUE_VERSION 1u
#define DEF_VALUE_ITEMS 13u

void def_value_put(struct buf *out, const struct def_value *value)
{
	wire_put_array(out, DEF_VALUE_ITEMS);
	wire_put_u64(out, DEF_VALUE_VERSION);
	wire_put_u64(out, value->counter);
	wire_put_str(out, value->name.data, value->name.bytes);
	wire_put_i64(out, value->from_ms);
	wire_put_i64(out, value->created_ms);
	wire_put_i64(out, value->changed_ms);
	wire_put_bool(out, value->is_enabled);
	wire_put_bool(out, value->is_paused);
	wire_put_bool(out, value->is_deleted);
	wire_put_str(out, value->by.data, value->by.bytes);
	wire_put_str(out, value->reason.data, value->reason.bytes);
	wire_put_array(out, value->request_count);
	for (uint32_t i = 0; i < value->request_count; i++) {
		wire_put_array(out, 2);
		wire_put_id(out, value->requests[i].id);
		wire_put_u64(out, value->requests[i].counter);
	}
	wire_put_bin(out, value->definition.data, value->definition.bytes);
}

enum err def_value_get(struct slice bytes, struct def_value *ret_value)
{
	memset(ret_value, 0, sizeof(*ret_value));
	struct wire_reader reader;
	wire_reader_init(&reader, bytes);
	uint32_t count = wire_get_array_min(&reader, DEF_VALUE_ITEMS);
	uint64_t version = wire_get_u64(&reader);
	ret_value->counter = wire_get_u64(&reader);
	ret_value->name = wire_get_str(&reader, JOB_NAME_BYTES_MAX);
	ret_value->from_ms = wire_get_i64(&reader);
	ret_value->created_ms = wire_get_i64(&reader);
	ret_value->changed_ms = wire_get_i64(&reader);
	ret_value->is_enabled = wire_get_bool(&reader);
	ret_value->is_paused = wire_get_bool(&reader);
	ret_value->is_deleted = wire_get_bool(&reader);
	ret_value->by = wire_get_str(&reader, USER_NAME_BYTES_MAX);
	ret_value->reason = wire_get_str(&reader, REASON_BYTES_MAX);
	ret_value->request_count = wire_get_array(&reader, DEF_REQUESTS_MAX);
	for (uint32_t i = 0; i < ret_value->request_count; i++) {
		uint32_t item_count = wire_get_array_min(&reader, 2);
		ret_value->requests[i].id = wire_get_id(&reader);
		ret_value->requests[i].counter = wire_get_u64(&reader);
		if (reader.err == ERR_OK)
			wire_skip_items(&reader, item_count - 2);
	}
	ret_value->definition = wire_get_bin(&reader, DEFINITION_BYTES_MAX);
	if (reader.err == ERR_OK)
		wire_skip_items(&reader, count - DEF_VALUE_ITEMS);
	enum err err = wire_reader_end(&reader);
	if (err == ERR_OK && version != DEF_VALUE_VERSION)
		err = ERR_UNSUPPORTED;
	if (err == ERR_OK && ret_value->counter == 0)
		err = ERR_CORRUPT;
	return err;
}

void def_value_add_request(struct def_value *value, struct id128 id, uint64_t counter)
{
	if (value->request_count == DEF_REQUESTS_MAX) {
		memmove(&value->requests[0], &value->requests[1], (DEF_REQUESTS_MAX - 1) * sizeof(value->requests[0]));
		value->request_count--;
	}
	value->requests[value->request_count++] = (struct def_request){ .id = id, .counter = counter };
}

const struct def_request *def_value_find_request(const struct def_value *value, struct id128 id)
{
	for (uint32_t i = 0; i < value->request_count; i++)
		if (id128_equal(value->requests[i].id, id))
			return &value->requests[i];
	return NULL;
}
