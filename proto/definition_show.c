/* Definitions as text: one-line YAML values, and whole documents. */
#include <stdio.h>
#include <string.h>

#include "proto/definition_build.h"
#include "proto/text.h"
#include "proto/wire.h"

static void put_text(struct buf *out, const char *text)
{
	buf_put(out, text, strlen(text));
}

static bool is_letter_or_digit(uint8_t byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= 'a' && byte <= 'z');
}

/* Whether YAML takes the text without quotes as what it is, in lists and maps on one line too. */
static bool is_plain(struct slice text)
{
	static const char inner[] = "_./+@- ";
	static const char *const nils[] = {"null", "Null", "NULL"};
	for (size_t i = 0; i < sizeof(nils) / sizeof(nils[0]); i++) {
		if (slice_equal(text, slice_str(nils[i])))
			return false;
	}
	for (size_t i = 0; i < text.bytes; i++) {
		bool is_at_end = i == 0 || i + 1 == text.bytes;
		if (is_letter_or_digit(text.data[i]) || (i == 0 && text.data[i] == '/'))
			continue;
		if (is_at_end || memchr(inner, text.data[i], sizeof(inner) - 1) == NULL)
			return false;
	}
	return text.bytes > 0;
}

/* Not printable in YAML, or harmful on a terminal. */
static bool must_be_escaped(uint32_t code_point)
{
	return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0) || code_point == 0xfeff ||
	       code_point == 0xfffe || code_point == 0xffff || text_is_reordering(code_point);
}

static void put_escaped(struct buf *out, uint32_t code_point)
{
	char text[12];
	if (code_point == '\n')
		(void)snprintf(text, sizeof(text), "\\n");
	else if (code_point == '\t')
		(void)snprintf(text, sizeof(text), "\\t");
	else if (code_point < 0x100)
		(void)snprintf(text, sizeof(text), "\\x%02x", (unsigned)code_point);
	else
		(void)snprintf(text, sizeof(text), "\\u%04x", (unsigned)code_point);
	put_text(out, text);
}

static void put_quoted(struct buf *out, struct slice text)
{
	buf_put_u8(out, '"');
	while (text.bytes > 0) {
		struct slice rest = text;
		uint32_t code_point = text_next_code_point(&rest);
		if (must_be_escaped(code_point)) {
			put_escaped(out, code_point);
		} else {
			if (code_point == '"' || code_point == '\\')
				buf_put_u8(out, '\\');
			buf_put(out, text.data, text.bytes - rest.bytes);
		}
		text = rest;
	}
	buf_put_u8(out, '"');
}

static void put_plain_or_quoted(struct buf *out, struct slice text)
{
	if (is_plain(text))
		buf_put(out, text.data, text.bytes);
	else
		put_quoted(out, text);
}

static void put_number(struct buf *out, enum definition_type type, int64_t value)
{
	static const char letters[] = "TGMK";
	char text[TEXT_DURATION_BYTES > TEXT_TIME_BYTES ? TEXT_DURATION_BYTES : TEXT_TIME_BYTES];
	if (type == DEFINITION_DURATION) {
		text_format_duration(value, text);
	} else if (type == DEFINITION_TIME) {
		text_format_time(value, text);
	} else if (type == DEFINITION_OCTAL) {
		(void)snprintf(text, sizeof(text), "%03llo", (unsigned long long)value);
	} else {
		(void)snprintf(text, sizeof(text), "%lld", (long long)value);
		for (unsigned i = 0; letters[i] != '\0' && type == DEFINITION_SIZE; i++) {
			int64_t unit = (int64_t)1 << (40 - 10 * i);
			if (value == 0 || value % unit != 0)
				continue;
			(void)snprintf(text, sizeof(text), "%lld%c", (long long)(value / unit),
				       letters[i]);
			break;
		}
	}
	put_text(out, text);
}

static void put_command(struct buf *out, struct wire_reader *reader)
{
	uint32_t count = wire_get_array(reader, UINT32_MAX);
	for (uint32_t i = 0; i < count; i++) {
		put_text(out, i == 0 ? "[" : ", ");
		put_plain_or_quoted(out, wire_get_str(reader, SIZE_MAX));
	}
	put_text(out, count == 0 ? "[]" : "]");
}

static void put_codes(struct buf *out, struct wire_reader *reader)
{
	uint32_t count = wire_get_array(reader, UINT32_MAX);
	for (uint32_t i = 0; i < count; i++) {
		put_text(out, i == 0 ? "[" : ", ");
		put_number(out, DEFINITION_CODES, wire_get_i64(reader));
	}
	put_text(out, count == 0 ? "[]" : "]");
}

static void put_variables(struct buf *out, struct wire_reader *reader)
{
	uint32_t count = wire_get_map(reader, UINT32_MAX);
	for (uint32_t i = 0; i < count; i++) {
		put_text(out, i == 0 ? "{" : ", ");
		put_plain_or_quoted(out, wire_get_str(reader, SIZE_MAX));
		put_text(out, ": ");
		put_plain_or_quoted(out, wire_get_str(reader, SIZE_MAX));
	}
	put_text(out, count == 0 ? "{}" : "}");
}

static void put_job(struct buf *out, struct slice full)
{
	static const char group[] = "default/";
	size_t bytes = sizeof(group) - 1;
	if (full.bytes > bytes && memcmp(full.data, group, bytes) == 0)
		full = slice_of(full.data + bytes, full.bytes - bytes);
	put_plain_or_quoted(out, full);
}

void definition_put_value_text(struct buf *out, enum definition_key_id id, struct slice value)
{
	enum definition_type type = definition_key_at(id)->type;
	struct wire_reader reader;
	wire_reader_init(&reader, value);
	switch (type) {
	case DEFINITION_NAME:
		put_job(out, wire_get_str(&reader, SIZE_MAX));
		break;
	case DEFINITION_TEXT:
	case DEFINITION_LINES:
	case DEFINITION_CRON:
	case DEFINITION_ZONE:
	case DEFINITION_PATH:
	case DEFINITION_WORD:
		put_plain_or_quoted(out, wire_get_str(&reader, SIZE_MAX));
		break;
	case DEFINITION_BOOL:
		put_text(out, wire_get_bool(&reader) ? "true" : "false");
		break;
	case DEFINITION_DURATION:
	case DEFINITION_TIME:
	case DEFINITION_SIZE:
	case DEFINITION_OCTAL:
		put_number(out, type, wire_get_i64(&reader));
		break;
	case DEFINITION_COMMAND:
		put_command(out, &reader);
		break;
	case DEFINITION_CODES:
		put_codes(out, &reader);
		break;
	case DEFINITION_VARIABLES:
		put_variables(out, &reader);
		break;
	case DEFINITION_SHORTHAND:
		break;
	}
}

void definition_put_yaml(struct buf *out, struct slice definition)
{
	for (unsigned i = 0; i < DEFINITION_KEY_COUNT; i++) {
		enum definition_key_id id = (enum definition_key_id)i;
		struct slice value;
		if (!definition_find(definition, id, &value))
			continue;
		/* "output.max" is written as a map of its own; there is one key in each such map. */
		const char *name = definition_key_at(id)->name;
		const char *dot = strchr(name, '.');
		buf_put(out, name, dot != NULL ? (size_t)(dot - name) : strlen(name));
		put_text(out, ": ");
		if (dot != NULL) {
			put_text(out, "{");
			put_text(out, dot + 1);
			put_text(out, ": ");
		}
		definition_put_value_text(out, id, value);
		put_text(out, dot != NULL ? "}\n" : "\n");
	}
}
