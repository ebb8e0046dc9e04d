/* Checking one value of a definition by its key's type. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proto/definition.h"
#include "proto/text.h"
#include "proto/wire.h"

#define YEAR_MAX_END_MS 7258118400000LL /* 2200-01-01T00:00:00Z */
static_assert(YEAR_MIN == 1970 && YEAR_MAX == 2199, "the instants that are taken");

static bool has_control(struct slice text, bool takes_tabs)
{
	for (size_t i = 0; i < text.bytes; i++) {
		uint8_t byte = text.data[i];
		if ((byte < 0x20 && !(takes_tabs && byte == '\t')) || byte == 0x7f)
			return true;
		/* C1 controls are two bytes in UTF-8. */
		if (byte == 0xc2 && i + 1 < text.bytes && text.data[i + 1] < 0xa0)
			return true;
	}
	return false;
}

static enum err check_length(const struct definition_key *key, struct slice text, struct problem *problem)
{
	if (text.bytes > (uint64_t)key->max)
		return problem_set(problem, ERR_RANGE, "%zu bytes are above %lld", text.bytes,
				   (long long)key->max);
	if (text.bytes < (uint64_t)key->min)
		return problem_set(problem, ERR_INVALID, "it is empty");
	return ERR_OK;
}

static enum err check_line(struct slice text, bool takes_tabs, struct problem *problem)
{
	if (!has_control(text, takes_tabs))
		return ERR_OK;
	char quoted[TEXT_QUOTE_BYTES];
	return problem_set(problem, ERR_INVALID, "%s has a control character", text_quote(text, quoted));
}

static enum err check_zone(struct slice text, struct problem *problem)
{
	static const char others[] = "+-_/";
	char quoted[TEXT_QUOTE_BYTES];
	for (size_t i = 0; i < text.bytes; i++) {
		uint8_t byte = text.data[i];
		bool is_letter = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
		bool is_digit = byte >= '0' && byte <= '9';
		if (is_letter ||
		    (i > 0 && (is_digit || memchr(others, byte, sizeof(others) - 1) != NULL)))
			continue;
		return problem_set(problem, ERR_INVALID, "%s is not a time zone",
				   text_quote(text, quoted));
	}
	return ERR_OK;
}

static enum err check_path(struct slice text, struct problem *problem)
{
	char quoted[TEXT_QUOTE_BYTES];
	if (text.data[0] != '/')
		return problem_set(problem, ERR_INVALID, "%s is not an absolute path",
				   text_quote(text, quoted));
	return check_line(text, false, problem);
}

static enum err check_job_name(struct slice text, struct problem *problem)
{
	char full[JOB_NAME_BYTES_MAX + 1];
	enum err err = text_parse_job_name(text, full, problem);
	if (err == ERR_OK && !slice_equal(text, slice_str(full)))
		return problem_set(problem, ERR_INVALID, "it is stored without its group");
	return err;
}

static enum err check_word(const struct definition_key *key, struct slice text, struct problem *problem)
{
	char quoted[TEXT_QUOTE_BYTES];
	size_t word_count = 0;
	for (; key->words[word_count] != NULL; word_count++) {
		if (slice_equal(text, slice_str(key->words[word_count])))
			return ERR_OK;
	}
	for (size_t i = 0; key->later_words != NULL && key->later_words[i] != NULL; i++) {
		if (slice_equal(text, slice_str(key->later_words[i])))
			return problem_set(problem, ERR_UNSUPPORTED, "%s comes later; built is %s",
					   key->later_words[i], key->placeholder);
	}
	(void)problem_set(problem, ERR_INVALID, "%s is not one of %s", text_quote(text, quoted),
			  key->placeholder);
	char word[16] = "";
	if (text.bytes < sizeof(word))
		text_escape(text, word, sizeof(word));
	const char *nearest = text_nearest(word, key->words, word_count);
	if (nearest != NULL)
		problem_hint(problem, "did you mean %s?", nearest);
	return ERR_INVALID;
}

static enum err check_text(const struct definition_key *key, struct slice text, struct problem *problem)
{
	enum err err = ERR_OK;
	if (key->type != DEFINITION_WORD && key->type != DEFINITION_NAME)
		err = check_length(key, text, problem);
	if (err != ERR_OK)
		return err;
	switch (key->type) {
	case DEFINITION_NAME:
		return check_job_name(text, problem);
	case DEFINITION_TEXT:
		return check_line(text, false, problem);
	case DEFINITION_CRON:
		return check_line(text, true, problem);
	case DEFINITION_ZONE:
		return check_zone(text, problem);
	case DEFINITION_PATH:
		return check_path(text, problem);
	case DEFINITION_WORD:
		return check_word(key, text, problem);
	case DEFINITION_LINES:
		return ERR_OK;
	case DEFINITION_BOOL:
	case DEFINITION_DURATION:
	case DEFINITION_TIME:
	case DEFINITION_SIZE:
	case DEFINITION_OCTAL:
	case DEFINITION_COMMAND:
	case DEFINITION_CODES:
	case DEFINITION_VARIABLES:
	case DEFINITION_SHORTHAND:
		break;
	}
	assert(false);
	return ERR_INVALID;
}

/* "1h", "1M", "022": a bound as a person writes it. */
static void format_bound(enum definition_type type, int64_t value, char ret_text[TEXT_DURATION_BYTES])
{
	if (type == DEFINITION_DURATION)
		text_format_duration(value, ret_text);
	else if (type == DEFINITION_OCTAL)
		(void)snprintf(ret_text, TEXT_DURATION_BYTES, "%03llo", (unsigned long long)value);
	else
		(void)snprintf(ret_text, TEXT_DURATION_BYTES, "%lld", (long long)value);
}

static enum err check_number(const struct definition_key *key, int64_t value, struct problem *problem)
{
	if (key->type == DEFINITION_TIME) {
		if (value >= 0 && value < YEAR_MAX_END_MS)
			return ERR_OK;
		return problem_set(problem, ERR_RANGE, "it is not within the years %d to %d",
				   YEAR_MIN, YEAR_MAX);
	}
	if (value >= key->min && value <= key->max)
		return ERR_OK;
	char text[TEXT_DURATION_BYTES];
	char min[TEXT_DURATION_BYTES];
	char max[TEXT_DURATION_BYTES];
	format_bound(key->type, value, text);
	format_bound(key->type, key->min, min);
	format_bound(key->type, key->max, max);
	return problem_set(problem, ERR_RANGE, "%s is not between %s and %s", text, min, max);
}

static enum err check_count(const struct definition_key *key, uint32_t count, struct problem *problem)
{
	if (count < (uint64_t)key->min)
		return problem_set(problem, ERR_INVALID, "it is empty");
	if (count > (uint64_t)key->max)
		return problem_set(problem, ERR_RANGE, "%u entries are above %lld", count,
				   (long long)key->max);
	return ERR_OK;
}

static enum err check_command(const struct definition_key *key, struct wire_reader *reader,
			      struct problem *problem)
{
	uint32_t count = wire_get_array(reader, UINT32_MAX);
	if (reader->err != ERR_OK)
		return problem_set(problem, ERR_INVALID, "it is not a list");
	enum err err = check_count(key, count, problem);
	if (err != ERR_OK)
		return err;
	for (uint32_t i = 0; i < count; i++) {
		struct slice word = wire_get_str(reader, SIZE_MAX);
		if (reader->err != ERR_OK)
			return problem_set(problem, ERR_INVALID, "word %u is not text", i + 1);
		if (i == 0 && word.bytes == 0)
			return problem_set(problem, ERR_INVALID, "the program's name is empty");
	}
	return ERR_OK;
}

static enum err check_codes(const struct definition_key *key, struct wire_reader *reader,
			    struct problem *problem)
{
	uint32_t count = wire_get_array(reader, UINT32_MAX);
	if (reader->err != ERR_OK)
		return problem_set(problem, ERR_INVALID, "it is not a list");
	enum err err = check_count(key, count, problem);
	if (err != ERR_OK)
		return err;
	uint64_t above = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t code = wire_get_u64_max(reader, UINT8_MAX);
		if (reader->err != ERR_OK)
			return problem_set(problem, reader->err, "exit codes are numbers from 0 to 255");
		if (code < above)
			return problem_set(problem, ERR_INVALID, "the codes are not in ascending order");
		above = code + 1;
	}
	return ERR_OK;
}

static bool is_variable_name(struct slice name)
{
	for (size_t i = 0; i < name.bytes; i++) {
		uint8_t byte = name.data[i];
		bool is_letter = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
				 byte == '_';
		if (!is_letter && !(i > 0 && byte >= '0' && byte <= '9'))
			return false;
	}
	return name.bytes > 0;
}

static enum err check_variables(const struct definition_key *key, struct wire_reader *reader,
				struct problem *problem)
{
	static const char ours[] = "SCHED_";
	char quoted[TEXT_QUOTE_BYTES];
	uint32_t count = wire_get_map(reader, UINT32_MAX);
	if (reader->err != ERR_OK)
		return problem_set(problem, ERR_INVALID, "it is not a map");
	enum err err = check_count(key, count, problem);
	if (err != ERR_OK)
		return err;
	struct slice before = {NULL, 0};
	for (uint32_t i = 0; i < count; i++) {
		struct slice name = wire_get_str(reader, SIZE_MAX);
		(void)wire_get_str(reader, SIZE_MAX);
		if (reader->err != ERR_OK)
			return problem_set(problem, ERR_INVALID, "variable %u is not text", i + 1);
		if (!is_variable_name(name)) {
			(void)problem_set(problem, ERR_INVALID, "%s is not the name of a variable",
					  text_quote(name, quoted));
			problem_hint(problem, "a letter or '_', then letters, digits and '_'");
			return ERR_INVALID;
		}
		if (name.bytes >= sizeof(ours) - 1 && memcmp(name.data, ours, sizeof(ours) - 1) == 0)
			return problem_set(problem, ERR_INVALID,
					   "%s: names that begin with SCHED_ are set by the agent",
					   text_quote(name, quoted));
		if (slice_compare(before, name) >= 0)
			return problem_set(problem, ERR_INVALID, "the names are not in ascending order");
		before = name;
	}
	return ERR_OK;
}

/* Reads one value of the key's type from the reader. */
static enum err check_value(const struct definition_key *key, struct wire_reader *reader,
			    struct problem *problem)
{
	struct slice text;
	int64_t number;
	switch (key->type) {
	case DEFINITION_NAME:
	case DEFINITION_TEXT:
	case DEFINITION_LINES:
	case DEFINITION_CRON:
	case DEFINITION_ZONE:
	case DEFINITION_PATH:
	case DEFINITION_WORD:
		text = wire_get_str(reader, SIZE_MAX);
		if (reader->err != ERR_OK)
			return problem_set(problem, ERR_INVALID, "it is not text, or not UTF-8");
		return check_text(key, text, problem);
	case DEFINITION_BOOL:
		(void)wire_get_bool(reader);
		return reader->err == ERR_OK
			       ? ERR_OK
			       : problem_set(problem, ERR_INVALID, "it is neither true nor false");
	case DEFINITION_DURATION:
	case DEFINITION_TIME:
	case DEFINITION_SIZE:
	case DEFINITION_OCTAL:
		number = wire_get_i64(reader);
		if (reader->err != ERR_OK)
			return problem_set(problem, reader->err, "it is not a number that fits");
		return check_number(key, number, problem);
	case DEFINITION_COMMAND:
		return check_command(key, reader, problem);
	case DEFINITION_CODES:
		return check_codes(key, reader, problem);
	case DEFINITION_VARIABLES:
		return check_variables(key, reader, problem);
	case DEFINITION_SHORTHAND:
		break;
	}
	return problem_set(problem, ERR_INVALID, "it stands for other keys and is not stored");
}

enum err definition_value_check(enum definition_key_id id, struct slice value, struct problem *problem)
{
	const struct definition_key *key = definition_key_at(id);
	struct wire_reader reader;
	wire_reader_init(&reader, value);
	enum err err = check_value(key, &reader, problem);
	if (err == ERR_OK && wire_reader_end(&reader) != ERR_OK)
		err = problem_set(problem, ERR_INVALID, "something follows the value");
	if (err != ERR_OK)
		problem_context(problem, "%s", key->name);
	return err;
}
