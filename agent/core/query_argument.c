/* Arguments of requests: each is checked, and what is wrong is said with the field's name and its bound. */
#include <string.h>

#include "agent/core/query.h"
#include "proto/hash.h"

static bool refuse(struct node *node, const struct asker *asker, const struct problem *problem)
{
	answer_error(node, asker, problem);
	return false;
}

bool argument_text(struct node *node, const struct asker *asker, struct slice arguments,
		   const char *key, size_t bytes_max, struct slice *ret_text)
{
	struct wire_reader reader;
	struct problem problem;
	*ret_text = slice_of(NULL, 0);
	if (!wire_map_find(arguments, key, &reader) || wire_peek(&reader) == WIRE_NIL)
		return true;
	if (wire_peek(&reader) != WIRE_STR) {
		problem_set(&problem, ERR_INVALID, "%s: a text is expected", key);
		return refuse(node, asker, &problem);
	}
	*ret_text = wire_get_str(&reader, bytes_max);
	if (reader.err == ERR_OK)
		return true;
	problem_set(&problem, reader.err, "%s: not UTF-8, or longer than %zu bytes", key, bytes_max);
	return refuse(node, asker, &problem);
}

bool argument_number(struct node *node, const struct asker *asker, struct slice arguments,
		     const char *key, int64_t min, int64_t max, int64_t fallback, int64_t *ret_value)
{
	struct wire_reader reader;
	struct problem problem;
	*ret_value = fallback;
	if (!wire_map_find(arguments, key, &reader) || wire_peek(&reader) == WIRE_NIL)
		return true;
	if (wire_peek(&reader) != WIRE_INT) {
		problem_set(&problem, ERR_INVALID, "%s: a number is expected", key);
		return refuse(node, asker, &problem);
	}
	*ret_value = wire_get_i64(&reader);
	if (reader.err == ERR_OK && *ret_value >= min && *ret_value <= max)
		return true;
	problem_set(&problem, ERR_RANGE, "%s: outside %lld to %lld", key, (long long)min,
		    (long long)max);
	return refuse(node, asker, &problem);
}

bool argument_flag(struct node *node, const struct asker *asker, struct slice arguments,
		   const char *key, bool *ret_flag)
{
	struct wire_reader reader;
	*ret_flag = false;
	if (!wire_map_find(arguments, key, &reader) || wire_peek(&reader) == WIRE_NIL)
		return true;
	if (wire_peek(&reader) == WIRE_BOOL) {
		*ret_flag = wire_get_bool(&reader);
		return true;
	}
	struct problem problem;
	problem_set(&problem, ERR_INVALID, "%s: true or false is expected", key);
	return refuse(node, asker, &problem);
}

bool argument_job(struct node *node, const struct asker *asker, struct slice arguments,
		  const char *key, char *ret_full)
{
	struct slice text;
	struct problem problem;
	if (!argument_text(node, asker, arguments, key, DEFINITION_BYTES_MAX, &text))
		return false;
	if (text.bytes == 0) {
		problem_set(&problem, ERR_INVALID, "%s: missing: which job?", key);
		return refuse(node, asker, &problem);
	}
	if (text_parse_job_name(text, ret_full, &problem) == ERR_OK)
		return true;
	problem_context(&problem, "%s", key);
	return refuse(node, asker, &problem);
}

static int hex_value(uint8_t digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return -1;
}

bool argument_token(struct node *node, const struct asker *asker, struct slice arguments,
		    struct buf *ret_bytes)
{
	struct slice text;
	buf_clear(ret_bytes);
	if (!argument_text(node, asker, arguments, "after", 2 * ret_bytes->bytes_max, &text))
		return false;
	bool is_good = text.bytes % 2 == 0;
	for (size_t i = 0; i + 1 < text.bytes && is_good; i += 2) {
		int high = hex_value(text.data[i]);
		int low = hex_value(text.data[i + 1]);
		is_good = high >= 0 && low >= 0;
		buf_put_u8(ret_bytes, (uint8_t)(high * 16 + low));
	}
	if (is_good && !ret_bytes->has_overflowed)
		return true;
	struct problem problem;
	problem_set(&problem, ERR_INVALID, "after: not a token that a list ended with");
	return refuse(node, asker, &problem);
}

bool argument_id(struct node *node, const struct asker *asker, struct slice arguments,
		 struct id128 *ret_id)
{
	struct slice text;
	*ret_id = (struct id128){{0}};
	if (!argument_text(node, asker, arguments, "id", REQUEST_ID_BYTES_MAX, &text))
		return false;
	if (text.bytes == 0)
		return true;
	if (text.bytes != TEXT_ID_BYTES - 1 || text_parse_id(text, ret_id, NULL) != ERR_OK ||
	    id128_is_zero(*ret_id))
		*ret_id = hash_id(text);
	return true;
}

bool words_have(struct slice list, const char *word)
{
	if (list.bytes == 0)
		return true;
	size_t start = 0;
	for (size_t i = 0; i <= list.bytes; i++) {
		if (i < list.bytes && list.data[i] != ',')
			continue;
		if (slice_equal(slice_of(list.data + start, i - start), slice_str(word)))
			return true;
		start = i + 1;
	}
	return false;
}

bool glob_matches(struct slice pattern, const char *text)
{
	size_t at = 0;
	size_t star = SIZE_MAX;       /* behind the last star ... */
	const char *star_text = text; /* ... and how much it has eaten */
	while (*text != '\0') {
		if (at < pattern.bytes && pattern.data[at] == '*') {
			star = ++at;
			star_text = text;
		} else if (at < pattern.bytes &&
			   (pattern.data[at] == '?' || pattern.data[at] == (uint8_t)*text)) {
			at++;
			text++;
		} else if (star != SIZE_MAX) {
			at = star;
			text = ++star_text;
		} else {
			return false;
		}
	}
	while (at < pattern.bytes && pattern.data[at] == '*')
		at++;
	return at == pattern.bytes;
}
