/* Numbers, durations and sizes as text. */
#include "proto/text.h"

#include <stdio.h>

#include "proto/buf.h"

struct unit {
	const char *name;
	int64_t ms;
};

/* From large to small: the order in which they are written. */
static const struct unit units[] = {
	{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};
#define UNIT_COUNT (sizeof(units) / sizeof(units[0]))

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

/* Reads all digits at the front and steps over them. ERR_INVALID: there is none; ERR_RANGE: above `max`. */
static enum err take_digits(struct slice *rest, uint64_t max, uint64_t *ret_value)
{
	if (rest->bytes == 0 || !is_digit(rest->data[0]))
		return ERR_INVALID;
	uint64_t value = 0;
	bool is_above = false;
	while (rest->bytes > 0 && is_digit(rest->data[0])) {
		uint64_t digit = (uint64_t)(rest->data[0] - '0');
		is_above = is_above || digit > max || value > (max - digit) / 10;
		if (!is_above)
			value = value * 10 + digit;
		*rest = slice_of(rest->data + 1, rest->bytes - 1);
	}
	if (is_above)
		return ERR_RANGE;
	*ret_value = value;
	return ERR_OK;
}

enum err text_parse_i64(struct slice text, int64_t min, int64_t max, int64_t *ret_value,
			struct problem *problem)
{
	char quoted[TEXT_QUOTE_BYTES];
	struct slice rest = text;
	bool is_negative = rest.bytes > 0 && rest.data[0] == '-';
	if (is_negative)
		rest = slice_of(rest.data + 1, rest.bytes - 1);
	uint64_t magnitude = 0;
	enum err err = take_digits(&rest, (uint64_t)INT64_MAX + is_negative, &magnitude);
	if (err == ERR_INVALID || rest.bytes > 0)
		return problem_set(problem, ERR_INVALID, "%s is not a whole number",
				   text_quote(text, quoted));
	int64_t value = (int64_t)(is_negative ? 0 - magnitude : magnitude);
	if (err != ERR_OK || value < min || value > max)
		return problem_set(problem, ERR_RANGE, "%s is not between %lld and %lld",
				   text_quote(text, quoted), (long long)min, (long long)max);
	*ret_value = value;
	return ERR_OK;
}

/* The unit at the front; UNIT_COUNT: none. */
static size_t take_unit(struct slice *rest)
{
	size_t bytes = 0;
	while (bytes < rest->bytes && !is_digit(rest->data[bytes]))
		bytes++;
	for (size_t i = 0; i < UNIT_COUNT; i++) {
		if (!slice_equal(slice_of(rest->data, bytes), slice_str(units[i].name)))
			continue;
		*rest = slice_of(rest->data + bytes, rest->bytes - bytes);
		return i;
	}
	return UNIT_COUNT;
}

static enum err refuse_duration(struct slice text, enum err code, const char *why,
				struct problem *problem)
{
	char quoted[TEXT_QUOTE_BYTES];
	(void)problem_set(problem, code, "%s is not a duration: %s", text_quote(text, quoted), why);
	problem_hint(problem, "write it like 250ms, 90s, 5m, 1h30m or 2d");
	return code;
}

enum err text_parse_duration(struct slice text, int64_t *ret_ms, struct problem *problem)
{
	static const char too_long[] = "it is longer than can be counted";
	struct slice rest = text;
	int64_t total_ms = 0;
	size_t units_from = 0;
	do {
		uint64_t value = 0;
		enum err err = take_digits(&rest, INT64_MAX, &value);
		if (err == ERR_RANGE)
			return refuse_duration(text, ERR_RANGE, too_long, problem);
		if (err != ERR_OK)
			return refuse_duration(text, ERR_INVALID, "a number is missing", problem);
		if (rest.bytes == 0)
			return refuse_duration(text, ERR_INVALID, "a unit is missing", problem);
		size_t unit = take_unit(&rest);
		if (unit == UNIT_COUNT)
			return refuse_duration(text, ERR_INVALID, "the units are d, h, m, s and ms",
					       problem);
		if (unit < units_from)
			return refuse_duration(text, ERR_INVALID,
					       "units go from large to small, each once", problem);
		if (value > (uint64_t)((INT64_MAX - total_ms) / units[unit].ms))
			return refuse_duration(text, ERR_RANGE, too_long, problem);
		total_ms += (int64_t)value * units[unit].ms;
		units_from = unit + 1;
	} while (rest.bytes > 0);
	*ret_ms = total_ms;
	return ERR_OK;
}

void text_format_duration(int64_t ms, char ret_text[TEXT_DURATION_BYTES])
{
	uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
	size_t used = 0;
	if (ms < 0)
		ret_text[used++] = '-';
	if (left == 0) {
		(void)snprintf(ret_text, TEXT_DURATION_BYTES, "0s");
		return;
	}
	/* The longest, of INT64_MIN, has 27 bytes. */
	for (size_t i = 0; i < UNIT_COUNT; i++) {
		uint64_t count = left / (uint64_t)units[i].ms;
		left %= (uint64_t)units[i].ms;
		if (count > 0)
			used += (size_t)snprintf(ret_text + used, TEXT_DURATION_BYTES - used,
						 "%llu%s", (unsigned long long)count,
						 units[i].name);
	}
}

void text_format_span(int64_t ms, char ret_text[TEXT_DURATION_BYTES])
{
	const char *sign = ms <= -10 ? "-" : ""; /* not on 0.00s */
	unsigned long long all_ms = ms < 0 ? 0 - (unsigned long long)ms : (unsigned long long)ms;
	unsigned long long all_s = all_ms / 1000;
	/* Below a fifth of a second one decimal would say too little. */
	if (all_ms < 200)
		(void)snprintf(ret_text, TEXT_DURATION_BYTES, "%s0.%02llus", sign, all_ms / 10);
	else if (all_s < 60)
		(void)snprintf(ret_text, TEXT_DURATION_BYTES, "%s%llu.%llus", sign, all_s,
			       all_ms / 100 % 10);
	else if (all_s < 3600)
		(void)snprintf(ret_text, TEXT_DURATION_BYTES, "%s%llum%02llus", sign, all_s / 60,
			       all_s % 60);
	else if (all_s < 86400)
		(void)snprintf(ret_text, TEXT_DURATION_BYTES, "%s%lluh%02llum", sign, all_s / 3600,
			       all_s / 60 % 60);
	else
		(void)snprintf(ret_text, TEXT_DURATION_BYTES, "%s%llud", sign, all_s / 86400);
}

/* The letter at the front as a power of two, 0 without one. */
static unsigned take_size_letter(struct slice *rest)
{
	static const char letters[] = "KMGT";
	for (unsigned i = 0; rest->bytes > 0 && letters[i] != '\0'; i++) {
		if (rest->data[0] != (uint8_t)letters[i])
			continue;
		*rest = slice_of(rest->data + 1, rest->bytes - 1);
		return 10 * (i + 1);
	}
	return 0;
}

enum err text_parse_size(struct slice text, uint64_t *ret_bytes, struct problem *problem)
{
	char quoted[TEXT_QUOTE_BYTES];
	struct slice rest = text;
	uint64_t value = 0;
	enum err err = take_digits(&rest, UINT64_MAX, &value);
	unsigned shift = take_size_letter(&rest);
	if (err == ERR_INVALID || rest.bytes > 0) {
		(void)problem_set(problem, ERR_INVALID, "%s is not a size",
				  text_quote(text, quoted));
		problem_hint(problem, "write it like 4096, 64K, 1M or 2G");
		return ERR_INVALID;
	}
	if (err != ERR_OK || value > UINT64_MAX >> shift)
		return problem_set(problem, ERR_RANGE, "%s is a size above 16 EiB",
				   text_quote(text, quoted));
	*ret_bytes = value << shift;
	return ERR_OK;
}
