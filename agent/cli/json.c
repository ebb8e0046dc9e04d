/* Rows of the local API as JSON text. */
#include "agent/cli/json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/limits.h"
#include "proto/text.h"
#include "proto/wire.h"

#define JSON_KEY_BYTES_MAX 128u
#define JSON_API "peersched/v1"

static json_t *must(json_t *value)
{
	if (value == NULL) {
		(void)fputs("schedctl: out of memory\n", stderr);
		exit(7);
	}
	return value;
}

static void object_put(json_t *object, const char *key, json_t *take_value)
{
	if (json_object_set_new_nocheck(object, key, must(take_value)) != 0)
		(void)must(NULL);
}

/* Bad bytes become U+FFFD; controls are left to jansson, which escapes them. */
static json_t *string_of(struct slice text)
{
	if (text_is_utf8(text))
		return must(json_stringn_nocheck((const char *)text.data, text.bytes));
	struct growing clean = {0};
	struct slice rest = text;
	while (rest.bytes > 0) {
		struct slice before = rest;
		uint32_t code_point = text_next_code_point(&rest);
		size_t used = before.bytes - rest.bytes;
		if (code_point == 0xfffd || code_point == 0)
			growing_text(&clean, "\xef\xbf\xbd");
		else
			growing_put(&clean, before.data, used);
		if (used == 0)
			break;
	}
	json_t *value = must(json_stringn_nocheck(growing_string(&clean), clean.bytes));
	growing_close(&clean);
	return value;
}

static json_t *time_of(struct wire_reader *reader)
{
	if (wire_peek(reader) != WIRE_INT) {
		wire_skip(reader);
		return must(json_null());
	}
	char text[TEXT_TIME_BYTES];
	text_format_time_ms(wire_get_i64(reader), text);
	return must(json_string_nocheck(text));
}

static json_t *value_of(struct wire_reader *reader, unsigned depth);

/* The coming fires; `next` alone is the first of them, or a page's token. */
static json_t *times_of(struct wire_reader *reader)
{
	json_t *array = must(json_array());
	uint32_t count = wire_get_array(reader, WIRE_ITEMS_MAX);
	for (uint32_t i = 0; i < count && reader->err == ERR_OK; i++) {
		if (json_array_append_new(array, time_of(reader)) != 0)
			(void)must(NULL);
	}
	return array;
}

static json_t *definition_of(struct wire_reader *reader, unsigned depth)
{
	struct wire_reader inner;
	wire_reader_init(&inner, wire_get_bin(reader, DEFINITION_BYTES_MAX));
	if (wire_peek(&inner) != WIRE_MAP)
		return must(json_null());
	return value_of(&inner, depth + 1);
}

static json_t *map_of(struct wire_reader *reader, unsigned depth)
{
	json_t *object = must(json_object());
	uint32_t count = wire_get_map(reader, WIRE_ITEMS_MAX);
	for (uint32_t i = 0; i < count && reader->err == ERR_OK; i++) {
		char key[JSON_KEY_BYTES_MAX];
		wire_get_text(reader, key, sizeof(key));
		size_t bytes = strlen(key);
		bool is_time = bytes > 3 && strcmp(key + bytes - 3, "_at") == 0;
		if (is_time)
			key[bytes - 3] = '\0';
		if (is_time)
			object_put(object, key, time_of(reader));
		else if (strcmp(key, "next") == 0 && wire_peek(reader) == WIRE_ARRAY)
			object_put(object, "next_fires", times_of(reader));
		else if (strcmp(key, "definition") == 0 && wire_peek(reader) == WIRE_BIN)
			object_put(object, key, definition_of(reader, depth));
		else
			object_put(object, key, value_of(reader, depth + 1));
	}
	return object;
}

static json_t *array_of(struct wire_reader *reader, unsigned depth)
{
	json_t *array = must(json_array());
	uint32_t count = wire_get_array(reader, WIRE_ITEMS_MAX);
	for (uint32_t i = 0; i < count && reader->err == ERR_OK; i++) {
		if (json_array_append_new(array, value_of(reader, depth + 1)) != 0)
			(void)must(NULL);
	}
	return array;
}

static json_t *value_of(struct wire_reader *reader, unsigned depth)
{
	if (depth > WIRE_DEPTH_MAX) {
		wire_skip(reader);
		return must(json_null());
	}
	switch (wire_peek(reader)) {
	case WIRE_BOOL:
		return must(json_boolean(wire_get_bool(reader)));
	case WIRE_INT:
		return must(json_integer(wire_get_i64(reader)));
	case WIRE_STR:
		return string_of(wire_get_str(reader, FRAME_BYTES_MAX));
	case WIRE_BIN:
		return string_of(wire_get_bin(reader, FRAME_BYTES_MAX));
	case WIRE_ARRAY:
		return array_of(reader, depth);
	case WIRE_MAP:
		return map_of(reader, depth);
	case WIRE_NIL:
	case WIRE_FLOAT:
	case WIRE_NONE:
		break;
	}
	wire_skip(reader);
	return must(json_null());
}

static int put_text(const char *text, size_t bytes, void *context)
{
	growing_put(context, text, bytes);
	return 0;
}

static void put_line(struct growing *out, json_t *take_value)
{
	if (json_dump_callback(take_value, put_text, out, JSON_COMPACT | JSON_ENCODE_ANY) != 0)
		(void)must(NULL);
	growing_put(out, "\n", 1);
	json_decref(take_value);
}

void json_put_row(struct growing *out, struct slice row)
{
	struct wire_reader reader;
	wire_reader_init(&reader, row);
	put_line(out, value_of(&reader, 0));
}

static json_t *text_or_null(const char *text)
{
	if (text == NULL || text[0] == '\0')
		return must(json_null());
	return string_of(slice_str(text));
}

void json_put_error(struct growing *out, const char *code, int exit_code, const char *message,
		    const char *hint, const char *request_id)
{
	json_t *error = must(json_object());
	object_put(error, "code", text_or_null(code));
	object_put(error, "exit", json_integer(exit_code));
	object_put(error, "message", text_or_null(message));
	object_put(error, "hint", text_or_null(hint));
	object_put(error, "request_id", text_or_null(request_id));
	json_t *whole = must(json_object());
	object_put(whole, "error", error);
	put_line(out, whole);
}

void json_put_document(struct growing *out, const struct json_document *document, struct slice lines)
{
	json_t *head = must(json_object());
	object_put(head, "api", json_string_nocheck(JSON_API));
	object_put(head, "kind", text_or_null(document->kind));
	object_put(head, "via", text_or_null(document->via));
	char as_of[TEXT_TIME_BYTES] = "";
	if (document->as_of_ms != 0)
		text_format_time_ms(document->as_of_ms, as_of);
	object_put(head, "as_of", text_or_null(as_of));
	object_put(head, "complete", json_boolean(document->is_complete));
	if (document->missing.bytes > 0) {
		struct wire_reader reader;
		wire_reader_init(&reader, document->missing);
		object_put(head, "missing", value_of(&reader, 0));
	}
	object_put(head, "next", document->next.bytes > 0 ? string_of(document->next) : json_null());
	put_line(out, head);
	/* The items are text already, and a long list is not built twice: they go in before the last brace. */
	out->bytes -= 2;
	growing_text(out, ",\"items\":[");
	for (size_t i = 0; i < lines.bytes; i++) {
		if (lines.data[i] != '\n')
			growing_put(out, &lines.data[i], 1);
		else if (i + 1 < lines.bytes)
			growing_put(out, ",", 1);
	}
	growing_text(out, "]}\n");
}
