/* Setting keys of a definition.
 *
 * A new entry is written behind the others, checked there, and then turned into its place:
 *
 *   | map16, count | job | cron | timeout |                a definition; offsets from ENTRIES_AT
 *   | map16, count | job | cron | timeout | tz |           appended
 *   | map16, count | job | cron | tz | timeout |           rotated */
#include "proto/definition_build.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proto/text.h"
#include "proto/wire.h"

#define COUNT_AT 1u   /* after the first byte of a map16 */
#define ENTRIES_AT 3u /* after its count */

/* ---- entries ---- */

void definition_begin(struct buf *definition)
{
	buf_clear(definition);
	struct wire_map map = wire_map_begin(definition);
	wire_map_end(&map, definition);
}

struct place {
	size_t begin;       /* of the key's entry, or where it belongs */
	size_t end;         /* = begin if it is not there */
	struct slice value; /* empty if it is not there */
};

static struct place find_place(struct slice definition, enum definition_key_id id)
{
	struct place place = {.begin = definition.bytes, .end = definition.bytes};
	struct wire_reader reader;
	wire_reader_init(&reader, definition);
	uint32_t count = wire_get_map(&reader, UINT32_MAX);
	for (uint32_t i = 0; i < count && reader.err == ERR_OK; i++) {
		size_t begin = (size_t)(reader.next - definition.data);
		enum definition_key_id here = definition_key_find(wire_get_str(&reader, SIZE_MAX));
		struct slice value = wire_get_raw(&reader);
		if (reader.err != ERR_OK || here < id)
			continue;
		place.begin = begin;
		place.end = here == id ? (size_t)(reader.next - definition.data) : begin;
		place.value = here == id ? value : slice_of(NULL, 0);
		break;
	}
	return place;
}

bool definition_find(struct slice definition, enum definition_key_id id, struct slice *ret_value)
{
	struct slice value = find_place(definition, id).value;
	if (value.bytes == 0)
		return false;
	*ret_value = value;
	return true;
}

static void add_to_count(struct buf *definition, int difference)
{
	uint16_t count = load_u16(definition->data + COUNT_AT);
	store_u16(definition->data + COUNT_AT, (uint16_t)(count + difference));
}

static void cut_out(struct buf *definition, size_t begin, size_t end)
{
	memmove(definition->data + begin, definition->data + end, definition->bytes - end);
	definition->bytes -= end - begin;
}

void definition_unset(struct buf *definition, enum definition_key_id id)
{
	struct place place = find_place(buf_slice(definition), id);
	if (place.begin == place.end)
		return;
	cut_out(definition, place.begin, place.end);
	add_to_count(definition, -1);
}

static void reverse(uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		uint8_t byte = bytes[i];
		bytes[i] = bytes[count - 1 - i];
		bytes[count - 1 - i] = byte;
	}
}

/* Moves the bytes from `middle` on to the front of those from `begin` on. */
static void rotate(struct buf *definition, size_t begin, size_t middle)
{
	uint8_t *bytes = definition->data + begin;
	reverse(bytes, middle - begin);
	reverse(bytes + (middle - begin), definition->bytes - middle);
	reverse(bytes, definition->bytes - begin);
}

/* Opens an entry behind the others; the caller puts its value. Returns where the entry begins. */
static size_t entry_begin(struct buf *definition, enum definition_key_id id)
{
	assert(definition->bytes >= ENTRIES_AT && !definition->has_overflowed);
	size_t begin = definition->bytes;
	wire_put_text(definition, definition_key_at(id)->name);
	return begin;
}

/* Checks the entry and brings it to its place, or takes it away again. */
static enum err entry_end(struct buf *definition, enum definition_key_id id, size_t begin,
			  struct problem *problem)
{
	const char *key = definition_key_at(id)->name;
	enum err err = ERR_OK;
	if (definition->has_overflowed) {
		err = problem_set(problem, ERR_RANGE, "%s: the definition gets larger than %u bytes",
				  key, DEFINITION_BYTES_MAX);
	} else {
		struct wire_reader reader;
		wire_reader_init(&reader, slice_of(definition->data + begin, definition->bytes - begin));
		wire_skip(&reader);
		struct slice value = slice_of(reader.next, (size_t)(reader.end - reader.next));
		err = definition_value_check(id, value, problem);
	}
	if (err != ERR_OK) {
		definition->bytes = begin;
		definition->has_overflowed = false;
		return err;
	}
	struct place old = find_place(slice_of(definition->data, begin), id);
	rotate(definition, old.begin, begin);
	/* The old entry is behind the new one now, as far from it as before. */
	if (old.end > old.begin) {
		size_t moved = definition->bytes - begin;
		cut_out(definition, old.begin + moved, old.end + moved);
	} else {
		add_to_count(definition, 1);
	}
	return ERR_OK;
}

enum err definition_set_value(struct buf *definition, enum definition_key_id id, struct slice value,
			      struct problem *problem)
{
	size_t begin = entry_begin(definition, id);
	wire_put_raw(definition, value);
	return entry_end(definition, id, begin, problem);
}

enum err definition_set_number(struct buf *definition, enum definition_key_id id, int64_t value,
			       struct problem *problem)
{
	size_t begin = entry_begin(definition, id);
	wire_put_i64(definition, value);
	return entry_end(definition, id, begin, problem);
}

/* ---- values from text ---- */

static enum err set_str(struct buf *definition, enum definition_key_id id, struct slice text,
			struct problem *problem)
{
	size_t begin = entry_begin(definition, id);
	wire_put_str(definition, text.data, text.bytes);
	return entry_end(definition, id, begin, problem);
}

static enum err parse_bool(struct slice text, bool *ret_value, struct problem *problem)
{
	char quoted[TEXT_QUOTE_BYTES];
	bool is_true = slice_equal(text, slice_str("true"));
	if (!is_true && !slice_equal(text, slice_str("false")))
		return problem_set(problem, ERR_INVALID, "%s is neither true nor false",
				   text_quote(text, quoted));
	*ret_value = is_true;
	return ERR_OK;
}

static enum err parse_octal(struct slice text, int64_t *ret_value, struct problem *problem)
{
	char quoted[TEXT_QUOTE_BYTES];
	bool is_good = text.bytes >= 1 && text.bytes <= 4;
	int64_t value = 0;
	for (size_t i = 0; is_good && i < text.bytes; i++) {
		is_good = text.data[i] >= '0' && text.data[i] <= '7';
		value = value * 8 + (text.data[i] - '0');
	}
	if (!is_good) {
		(void)problem_set(problem, ERR_INVALID, "%s is not an octal number",
				  text_quote(text, quoted));
		problem_hint(problem, "write it like 022 or 077");
		return ERR_INVALID;
	}
	*ret_value = value;
	return ERR_OK;
}

static enum err parse_size(struct slice text, int64_t *ret_value, struct problem *problem)
{
	uint64_t bytes = 0;
	enum err err = text_parse_size(text, &bytes, problem);
	/* Beyond all bounds either way; the check that follows says between which. */
	*ret_value = bytes <= INT64_MAX ? (int64_t)bytes : INT64_MAX;
	return err;
}

static enum err set_bool(struct buf *definition, enum definition_key_id id, struct slice text,
			 struct problem *problem)
{
	bool value = false;
	enum err err = parse_bool(text, &value, problem);
	if (err != ERR_OK) {
		problem_context(problem, "%s", definition_key_at(id)->name);
		return err;
	}
	size_t begin = entry_begin(definition, id);
	wire_put_bool(definition, value);
	return entry_end(definition, id, begin, problem);
}

static enum err set_parsed_number(struct buf *definition, enum definition_key_id id,
				  struct slice text, struct problem *problem)
{
	int64_t value = 0;
	enum definition_type type = definition_key_at(id)->type;
	enum err err = type == DEFINITION_DURATION ? text_parse_duration(text, &value, problem)
		       : type == DEFINITION_TIME   ? text_parse_rfc3339(text, &value, problem)
		       : type == DEFINITION_SIZE   ? parse_size(text, &value, problem)
						   : parse_octal(text, &value, problem);
	if (err != ERR_OK) {
		problem_context(problem, "%s", definition_key_at(id)->name);
		return err;
	}
	return definition_set_number(definition, id, value, problem);
}

static enum err set_job_name(struct buf *definition, struct slice text, struct problem *problem)
{
	char full[JOB_NAME_BYTES_MAX + 1];
	enum err err = text_parse_job_name(text, full, problem);
	if (err != ERR_OK) {
		problem_context(problem, "job");
		return err;
	}
	return set_str(definition, DEFINITION_KEY_JOB, slice_str(full), problem);
}

enum err definition_set_variable(struct buf *definition, struct slice name, struct slice value,
				 struct problem *problem)
{
	struct slice old;
	struct wire_reader reader;
	uint32_t old_count = 0;
	if (definition_find(buf_slice(definition), DEFINITION_KEY_ENV, &old)) {
		wire_reader_init(&reader, old);
		old_count = wire_get_map(&reader, UINT32_MAX);
	}
	size_t begin = entry_begin(definition, DEFINITION_KEY_ENV);
	struct wire_map map = wire_map_begin(definition);
	bool is_put = false;
	for (uint32_t i = 0; i < old_count; i++) {
		struct slice old_name = wire_get_str(&reader, SIZE_MAX);
		struct slice old_value = wire_get_str(&reader, SIZE_MAX);
		int order = slice_compare(old_name, name);
		if (order >= 0 && !is_put) {
			wire_put_str(definition, name.data, name.bytes);
			wire_put_str(definition, value.data, value.bytes);
			map.count++;
			is_put = true;
		}
		if (order == 0)
			continue;
		wire_put_str(definition, old_name.data, old_name.bytes);
		wire_put_str(definition, old_value.data, old_value.bytes);
		map.count++;
	}
	if (!is_put) {
		wire_put_str(definition, name.data, name.bytes);
		wire_put_str(definition, value.data, value.bytes);
		map.count++;
	}
	wire_map_end(&map, definition);
	return entry_end(definition, DEFINITION_KEY_ENV, begin, problem);
}

static enum err set_variable_text(struct buf *definition, struct slice text, struct problem *problem)
{
	char quoted[TEXT_QUOTE_BYTES];
	const uint8_t *equals = text.bytes > 0 ? memchr(text.data, '=', text.bytes) : NULL;
	if (equals == NULL)
		return problem_set(problem, ERR_INVALID, "env: %s is not of the form NAME=VALUE",
				   text_quote(text, quoted));
	size_t name_bytes = (size_t)(equals - text.data);
	return definition_set_variable(definition, slice_of(text.data, name_bytes),
				       slice_of(equals + 1, text.bytes - name_bytes - 1), problem);
}

/* Marks one exit code. */
static enum err mark_code(struct slice text, uint8_t bits[32], struct problem *problem)
{
	int64_t code = 0;
	enum err err = text_parse_i64(text, 0, UINT8_MAX, &code, problem);
	if (err == ERR_OK)
		bits[code / 8] |= (uint8_t)(1u << (code % 8));
	else
		problem_context(problem, "ok_exit");
	return err;
}

static enum err set_codes(struct buf *definition, const uint8_t bits[32], struct problem *problem)
{
	uint32_t count = 0;
	for (size_t code = 0; code <= UINT8_MAX; code++)
		count += bits[code / 8] >> (code % 8) & 1u;
	size_t begin = entry_begin(definition, DEFINITION_KEY_OK_EXIT);
	wire_put_array(definition, count);
	for (size_t code = 0; code <= UINT8_MAX; code++) {
		if ((bits[code / 8] >> (code % 8) & 1u) != 0)
			wire_put_u64(definition, code);
	}
	return entry_end(definition, DEFINITION_KEY_OK_EXIT, begin, problem);
}

static enum err set_codes_text(struct buf *definition, struct slice text, struct problem *problem)
{
	uint8_t bits[32] = {0};
	for (size_t begin = 0; begin <= text.bytes;) {
		size_t end = begin;
		while (end < text.bytes && text.data[end] != ',')
			end++;
		enum err err = mark_code(slice_of(text.data + begin, end - begin), bits, problem);
		if (err != ERR_OK)
			return err;
		begin = end + 1;
	}
	return set_codes(definition, bits, problem);
}

static enum err set_never_twice(struct buf *definition, struct slice text, struct problem *problem)
{
	bool value = false;
	enum err err = parse_bool(text, &value, problem);
	if (err == ERR_OK && !value)
		err = problem_set(problem, ERR_INVALID,
				  "it can only be true; leave it out, or set on_lost and on_split");
	if (err != ERR_OK) {
		problem_context(problem, "never_twice");
		return err;
	}
	err = set_str(definition, DEFINITION_KEY_ON_LOST, slice_str("report"), problem);
	if (err != ERR_OK)
		return err;
	return set_str(definition, DEFINITION_KEY_ON_SPLIT, slice_str("skip"), problem);
}

enum err definition_set_text(struct buf *definition, enum definition_key_id id, struct slice text,
			     struct problem *problem)
{
	switch (definition_key_at(id)->type) {
	case DEFINITION_NAME:
		return set_job_name(definition, text, problem);
	case DEFINITION_TEXT:
	case DEFINITION_LINES:
	case DEFINITION_CRON:
	case DEFINITION_ZONE:
	case DEFINITION_PATH:
	case DEFINITION_WORD:
		return set_str(definition, id, text, problem);
	case DEFINITION_BOOL:
		return set_bool(definition, id, text, problem);
	case DEFINITION_DURATION:
	case DEFINITION_TIME:
	case DEFINITION_SIZE:
	case DEFINITION_OCTAL:
		return set_parsed_number(definition, id, text, problem);
	case DEFINITION_COMMAND:
		break;
	case DEFINITION_CODES:
		return set_codes_text(definition, text, problem);
	case DEFINITION_VARIABLES:
		return set_variable_text(definition, text, problem);
	case DEFINITION_SHORTHAND:
		return set_never_twice(definition, text, problem);
	}
	(void)problem_set(problem, ERR_INVALID, "command: it is a list of words");
	problem_hint(problem, "write command: [prog, arg], or the whole line as shell: \"...\"");
	return ERR_INVALID;
}

enum err definition_set_list(struct buf *definition, enum definition_key_id id, size_t count,
			     const struct slice *texts, struct problem *problem)
{
	if (id == DEFINITION_KEY_OK_EXIT) {
		uint8_t bits[32] = {0};
		for (size_t i = 0; i < count; i++) {
			enum err err = mark_code(texts[i], bits, problem);
			if (err != ERR_OK)
				return err;
		}
		return set_codes(definition, bits, problem);
	}
	if (id != DEFINITION_KEY_COMMAND)
		return problem_set(problem, ERR_INVALID, "%s: it is not a list",
				   definition_key_at(id)->name);
	size_t begin = entry_begin(definition, id);
	wire_put_array(definition, count <= UINT32_MAX ? (uint32_t)count : UINT32_MAX);
	for (size_t i = 0; i < count; i++)
		wire_put_str(definition, texts[i].data, texts[i].bytes);
	return entry_end(definition, id, begin, problem);
}
