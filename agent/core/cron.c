/* Parses cron expressions to bit sets. */
#include "agent/core/cron.h"

#include <string.h>

#include "agent/core/civil.h"
#include "proto/limits.h"

#define FIELDS_MAX 7u      /* with seconds and year: parsed far enough to be refused by name */
#define NUMBER_MAX 100000u /* larger ones are held here: far above any field, far below overflow */

/* Proof that the fuzz target finds an overflow: with -DPLANTED_OVERFLOW=1 one field too many is kept. */
#if defined(PLANTED_OVERFLOW) && PLANTED_OVERFLOW == 1
#define FIELDS_KEPT (FIELDS_MAX + 1u)
#else
#define FIELDS_KEPT FIELDS_MAX
#endif

struct field_rule {
	const char *name;
	const char *names; /* three letters each, or NULL */
	unsigned low, high;
};

static const struct field_rule field_rules[6] = {
	{"second", NULL, 0, 59},
	{"minute", NULL, 0, 59},
	{"hour", NULL, 0, 23},
	{"day of month", NULL, 1, 31},
	{"month", "janfebmaraprmayjunjulaugsepoctnovdec", 1, 12},
	{"day of week", "sunmontuewedthufrisat", 0, 7},
};

struct macro {
	const char *name, *expression;
};

static const struct macro macros[] = {
	{"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
	{"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"},
};

/* One field being read; `at` is an offset in the whole text, so that it is the column less one. */
struct scan {
	const char *text;
	size_t at, end;
	unsigned number; /* of the field, from 1 */
	const struct field_rule *rule;
	struct problem *problem;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static char scan_peek(const struct scan *scan)
{
	return scan->at < scan->end ? scan->text[scan->at] : '\0';
}

static enum err scan_refuse(const struct scan *scan, enum err code, const char *what)
{
	return problem_set(scan->problem, code, "cron: field %u (%s), column %zu: %s", scan->number,
			   scan->rule->name, scan->at + 1, what);
}

/* Extensions that people know from elsewhere get a word of their own; NULL if there is none here. */
static const char *extension_of(const struct scan *scan)
{
	bool is_day_field = scan->rule->low == 1 ? scan->rule->names == NULL : scan->rule->names != NULL;
	char c = lower(scan_peek(scan));
	if (c == 'h')
		return "H (hashed time) comes in a later version";
	if (c == '~')
		return "~ (random time) is not taken, agents would differ; write a number";
	if (c == 'l' && is_day_field)
		return "L (last) comes in a later version";
	if (c == 'w' && is_day_field)
		return "W (nearest weekday) comes in a later version";
	if (c == '#' && is_day_field)
		return "# (n-th weekday) comes in a later version";
	if (c == '?' && is_day_field)
		return "? is not taken; write *";
	return NULL;
}

/* Refuses what stands at the scan's place, where `expected` should have been. */
static enum err scan_refuse_here(const struct scan *scan, const char *expected)
{
	const char *extension = extension_of(scan);
	if (extension != NULL)
		return scan_refuse(scan, ERR_UNSUPPORTED, extension);
	char found[24] = "the field ends";
	unsigned char byte = (unsigned char)scan_peek(scan);
	if (scan->at < scan->end && byte > 0x20 && byte < 0x7f) {
		memcpy(found, "found ' '", sizeof("found ' '"));
		found[7] = (char)byte;
	} else if (scan->at < scan->end) {
		memcpy(found, "found byte 0x00", sizeof("found byte 0x00"));
		found[13] = "0123456789abcdef"[byte >> 4];
		found[14] = "0123456789abcdef"[byte & 15];
	}
	return problem_set(scan->problem, ERR_INVALID,
			   "cron: field %u (%s), column %zu: %s, expected %s", scan->number,
			   scan->rule->name, scan->at + 1, found, expected);
}

static enum err scan_outside(const struct scan *scan, size_t at, unsigned value)
{
	return problem_set(scan->problem, ERR_RANGE,
			   "cron: field %u (%s), column %zu: %u is outside %u-%u", scan->number,
			   scan->rule->name, at + 1, value, scan->rule->low, scan->rule->high);
}

/* Reads digits; too many of them are held at NUMBER_MAX, which every field refuses. */
static unsigned scan_digits(struct scan *scan)
{
	unsigned value = 0;
	for (; is_digit(scan_peek(scan)); scan->at++) {
		value = value * 10 + (unsigned)(scan_peek(scan) - '0');
		if (value > NUMBER_MAX)
			value = NUMBER_MAX;
	}
	return value;
}

/* Reads a name of the field, "mon" or "DEC". */
static enum err scan_name(struct scan *scan, unsigned *ret_value)
{
	size_t start = scan->at;
	size_t length = 0;
	while (start + length < scan->end && is_letter(scan->text[start + length]))
		length++;
	if (length == 3 && scan->rule->names != NULL) {
		const char *names = scan->rule->names;
		for (unsigned index = 0; names[index * 3] != '\0'; index++) {
			if (lower(scan->text[start]) == names[index * 3] &&
			    lower(scan->text[start + 1]) == names[index * 3 + 1] &&
			    lower(scan->text[start + 2]) == names[index * 3 + 2]) {
				scan->at += length;
				*ret_value = index + (scan->rule->low);
				return ERR_OK;
			}
		}
	}
	if (extension_of(scan) != NULL && length <= 2)
		return scan_refuse_here(scan, "");
	return problem_set(scan->problem, ERR_INVALID,
			   "cron: field %u (%s), column %zu: '%.*s' is no name here, expected %s",
			   scan->number, scan->rule->name, start + 1,
			   (int)(length < 16 ? length : 16), scan->text + start,
			   scan->rule->names == NULL     ? "a number or *"
			   : scan->rule->names[0] == 'j' ? "a number, * or jan to dec"
							 : "a number, * or sun to sat");
}

/* Reads a number or a name, and checks that the field can hold it. */
static enum err scan_value(struct scan *scan, unsigned *ret_value)
{
	size_t start = scan->at;
	if (is_letter(scan_peek(scan)))
		return scan_name(scan, ret_value);
	if (!is_digit(scan_peek(scan)))
		return scan_refuse_here(scan, scan->rule->names == NULL ? "a number or *"
									: "a number, a name or *");
	unsigned value = scan_digits(scan);
	if (value < scan->rule->low || value > scan->rule->high)
		return scan_outside(scan, start, value);
	*ret_value = value;
	return ERR_OK;
}

/* Reads "/step" if it is there; 1 if not. */
static enum err scan_step(struct scan *scan, unsigned *ret_step)
{
	*ret_step = 1;
	if (scan_peek(scan) != '/')
		return ERR_OK;
	scan->at++;
	size_t start = scan->at;
	if (!is_digit(scan_peek(scan)))
		return scan_refuse_here(scan, "a step (a number from 1)");
	*ret_step = scan_digits(scan);
	if (*ret_step == 0) {
		scan->at = start;
		return scan_refuse(scan, ERR_RANGE, "a step of 0, expected 1 or more");
	}
	return ERR_OK;
}

/* Reads one range and adds its values. */
static enum err scan_range(struct scan *scan, uint64_t *values)
{
	unsigned first = scan->rule->low;
	unsigned last = scan->rule->high;
	unsigned step = 1;
	if (scan_peek(scan) == '*') {
		scan->at++;
	} else {
		enum err err = scan_value(scan, &first);
		if (err != ERR_OK)
			return err;
		last = first;
		if (scan_peek(scan) == '/')
			return scan_refuse(
				scan, ERR_INVALID,
				"a step after a single number, expected a range before it, as 0-59/5 or */5");
		if (scan_peek(scan) != '-') {
			*values |= UINT64_C(1) << first;
			return ERR_OK;
		}
		scan->at++;
		size_t start = scan->at;
		err = scan_value(scan, &last);
		if (err != ERR_OK)
			return err;
		if (last < first) {
			scan->at = start;
			return scan_refuse(
				scan, ERR_INVALID,
				"the range ends before it begins, expected two ranges, as 22-23,0-2");
		}
	}
	enum err err = scan_step(scan, &step);
	if (err != ERR_OK)
		return err;
	for (unsigned value = first; value <= last; value += step)
		*values |= UINT64_C(1) << value;
	return ERR_OK;
}

/* Reads a whole field. */
static enum err scan_field(struct scan *scan, uint64_t *ret_values, bool *ret_is_star)
{
	uint64_t values = 0;
	*ret_is_star = scan_peek(scan) == '*';
	for (;;) {
		enum err err = scan_range(scan, &values);
		if (err != ERR_OK)
			return err;
		if (scan->at == scan->end)
			break;
		if (scan_peek(scan) != ',')
			return scan_refuse_here(scan, "a comma or the end of the field");
		scan->at++;
	}
	*ret_values = values;
	return ERR_OK;
}

struct span {
	size_t start, end;
};

/* Cuts the text at blanks; returns how many pieces there are, of which the first FIELDS_MAX are kept. */
static size_t split_fields(const char *text, size_t bytes, struct span ret_fields[FIELDS_MAX])
{
	size_t count = 0;
	size_t at = 0;
	for (;;) {
		while (at < bytes && is_blank(text[at]))
			at++;
		if (at == bytes)
			return count;
		size_t start = at;
		while (at < bytes && !is_blank(text[at]))
			at++;
		if (count < FIELDS_KEPT)
			ret_fields[count] = (struct span){start, at};
		count++;
	}
}

static bool equals(const char *text, size_t bytes, const char *word)
{
	return bytes == strlen(word) && memcmp(text, word, bytes) == 0;
}

static enum err parse_macro(const char *text, struct span word, struct cron *ret_cron,
			    struct problem *problem)
{
	for (size_t index = 0; index < sizeof(macros) / sizeof(macros[0]); index++) {
		if (equals(text + word.start, word.end - word.start, macros[index].name)) {
			const char *expression = macros[index].expression;
			return cron_parse((struct slice){(const uint8_t *)expression, strlen(expression)},
					  ret_cron, problem);
		}
	}
	if (equals(text + word.start, word.end - word.start, "@reboot"))
		return problem_set(problem, ERR_UNSUPPORTED, "cron: @reboot comes in a later version");
	return problem_set(problem, ERR_INVALID,
			   "cron: column %zu: unknown macro, expected @hourly, @daily, @midnight, @weekly, @monthly, "
			   "@yearly or @annually",
			   word.start + 1);
}

/* Only a date that no month of the set has can keep an expression from ever matching: within the
 * 400 years of the calendar's cycle every date that exists falls on every weekday. */
static bool can_match(const struct cron *cron)
{
	if ((cron->flags & (CRON_DAY_STAR | CRON_WEEKDAY_STAR)) == 0)
		return true;
	for (unsigned month = 1; month <= 12; month++) {
		uint32_t all = (uint32_t)(((UINT64_C(1) << civil_month_days(2000, month)) - 1) << 1);
		if ((cron->months >> month & 1u) != 0 && (cron->days & all) != 0)
			return true;
	}
	return false;
}

static enum err check_field_count(size_t count, struct problem *problem)
{
	if (count == 5 || count == 6)
		return ERR_OK;
	if (count == 7)
		return problem_set(problem, ERR_UNSUPPORTED,
				   "cron: 7 fields: the year field comes in a later version; expected 5 (minute hour day-of-month "
				   "month day-of-week) or 6 (second first)");
	return problem_set(
		problem, ERR_INVALID,
		"cron: %zu field%s, expected 5 (minute hour day-of-month month day-of-week) or 6 (second first)",
		count, count == 1 ? "" : "s");
}

enum err cron_parse(struct slice text, struct cron *ret_cron, struct problem *problem)
{
	if (text.bytes > CRON_TEXT_BYTES_MAX)
		return problem_set(problem, ERR_RANGE,
				   "cron: the expression has %zu bytes, at most %u are taken",
				   text.bytes, CRON_TEXT_BYTES_MAX);
	const char *bytes = (const char *)text.data;
	struct span fields[FIELDS_MAX];
	size_t count = split_fields(bytes, text.bytes, fields);
	if (count == 1 && bytes[fields[0].start] == '@')
		return parse_macro(bytes, fields[0], ret_cron, problem);
	enum err err = check_field_count(count, problem);
	if (err != ERR_OK)
		return err;

	uint64_t values[6] = {1, 0, 0, 0, 0, 0};
	bool is_star[6] = {false};
	size_t skipped = 6 - count; /* without seconds the first rule is left out */
	for (size_t index = 0; index < count; index++) {
		size_t rule_index = index + skipped;
		struct scan scan = {.text = bytes,
				    .at = fields[index].start,
				    .end = fields[index].end,
				    .number = (unsigned)index + 1,
				    .rule = &field_rules[rule_index],
				    .problem = problem};
		err = scan_field(&scan, &values[rule_index], &is_star[rule_index]);
		if (err != ERR_OK)
			return err;
	}
	struct cron cron = {
		.seconds = values[0],
		.minutes = values[1],
		.hours = (uint32_t)values[2],
		.days = (uint32_t)values[3],
		.months = (uint16_t)values[4],
		.weekdays = (uint8_t)((values[5] | values[5] >> 7) & 0x7f),
		.flags = (uint8_t)((is_star[1] ? CRON_MINUTE_STAR : 0) |
				   (is_star[2] ? CRON_HOUR_STAR : 0) | (is_star[3] ? CRON_DAY_STAR : 0) |
				   (is_star[5] ? CRON_WEEKDAY_STAR : 0)),
	};
	if (!can_match(&cron))
		return problem_set(
			problem, ERR_RANGE,
			"cron: field %zu (day of month): no month of field %zu has such a day, so it never fires",
			count - 2, count - 1);
	*ret_cron = cron;
	return ERR_OK;
}

uint32_t cron_fires_per_day_max(const struct cron *cron)
{
	return (uint32_t)(__builtin_popcount(cron->hours) * __builtin_popcountll(cron->minutes) *
			  __builtin_popcountll(cron->seconds));
}

bool cron_is_wildcard(const struct cron *cron)
{
	return (cron->flags & (CRON_MINUTE_STAR | CRON_HOUR_STAR)) != 0;
}
