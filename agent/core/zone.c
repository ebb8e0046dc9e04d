/* Reads TZif files (RFC 8536) and finds periods in them.
 *
 *    header v1 | block v1 (32-bit times)  | header v2+ | block v2+ (64-bit times) | \n footer \n
 *    ^ always    ^ skipped if v2+ follows               ^ what we read              ^ a POSIX TZ string
 *
 *    block: times | type of each | types (offset, dst, name) | names | leap seconds | std/wall | ut/local
 *
 * Every count is checked against the bytes that are left before anything is read by it. */
#include "agent/core/zone.h"

#include <assert.h>
#include <string.h>

#include "agent/core/civil.h"
#include "proto/buf.h"

#define HEADER_BYTES 44u
#define TYPE_BYTES 6u
#define OFFSET_S_MIN (-89999) /* RFC 8536, 3.2: strictly between -25 h and 26 h */
#define OFFSET_S_MAX 93599
#define RULE_HOURS_MAX 167 /* RFC 8536, 3.3.1 */
#define FOLLOW_YEAR_MAX \
	2400 /* past it the last period of the footer lasts for ever: fires end in 2200 */

/* Proof that the fuzz target finds an overflow: with -DPLANTED_OVERFLOW=2 one byte past the end is read. */
#if defined(PLANTED_OVERFLOW) && PLANTED_OVERFLOW == 2
#define FOOTER_SLACK_BYTES 1u
#else
#define FOOTER_SLACK_BYTES 0u
#endif

struct counts {
	uint32_t is_ut, is_standard, leaps, times, types, name_bytes;
};

/* What is left to read. */
struct reader {
	const uint8_t *at;
	size_t left;
	struct problem *problem;
};

static enum err refuse(const struct reader *reader, enum err code, const char *what)
{
	return problem_set(reader->problem, code, "zone file: %s", what);
}

static const uint8_t *reader_take(struct reader *reader, size_t bytes)
{
	assert(bytes <= reader->left);
	const uint8_t *taken = reader->at;
	reader->at += bytes;
	reader->left -= bytes;
	return taken;
}

static enum err read_header(struct reader *reader, uint8_t *ret_version, struct counts *ret_counts)
{
	if (reader->left < HEADER_BYTES)
		return refuse(reader, ERR_TRUNCATED, "ends within a header");
	const uint8_t *header = reader_take(reader, HEADER_BYTES);
	if (memcmp(header, "TZif", 4) != 0)
		return refuse(reader, ERR_INVALID, "does not begin with TZif");
	uint8_t version = header[4];
	if (version != 0 && (version < '2' || version > '4'))
		return refuse(reader, ERR_UNSUPPORTED, "a version that is not known (1 to 4 are)");
	*ret_version = version;
	*ret_counts = (struct counts){
		.is_ut = load_u32(header + 20),
		.is_standard = load_u32(header + 24),
		.leaps = load_u32(header + 28),
		.times = load_u32(header + 32),
		.types = load_u32(header + 36),
		.name_bytes = load_u32(header + 40),
	};
	return ERR_OK;
}

/* Bytes of a block; cannot overflow, the counts have 32 bits. */
static uint64_t block_bytes(const struct counts *counts, uint64_t time_bytes)
{
	return counts->times * (time_bytes + 1) + (uint64_t)counts->types * TYPE_BYTES +
	       counts->name_bytes + counts->leaps * (time_bytes + 4) + counts->is_standard +
	       counts->is_ut;
}

static enum err check_counts(const struct reader *reader, const struct counts *counts, unsigned time_bytes)
{
	if (block_bytes(counts, time_bytes) > reader->left)
		return refuse(reader, ERR_TRUNCATED, "has fewer bytes than its header counts");
	if (counts->leaps != 0)
		return refuse(reader, ERR_UNSUPPORTED,
			      "counts leap seconds; take the zone without 'right/'");
	if (counts->types == 0 || counts->name_bytes == 0)
		return refuse(reader, ERR_INVALID, "has no type of local time");
	if (counts->types > ZONE_TYPES_MAX)
		return problem_set(reader->problem, ERR_FULL,
				   "zone file: %u types of local time, at most %u are taken",
				   counts->types, ZONE_TYPES_MAX);
	if ((counts->is_ut != 0 && counts->is_ut != counts->types) ||
	    (counts->is_standard != 0 && counts->is_standard != counts->types))
		return refuse(reader, ERR_INVALID,
			      "its indicators are neither none nor one for each type");
	return ERR_OK;
}

static enum err read_types(const struct reader *reader, const uint8_t *types, const uint8_t *names,
			   const struct counts *counts, struct zone *zone)
{
	for (uint32_t index = 0; index < counts->types; index++) {
		const uint8_t *type = types + (size_t)index * TYPE_BYTES;
		int32_t offset_s = (int32_t)load_u32(type);
		if (offset_s < OFFSET_S_MIN || offset_s > OFFSET_S_MAX)
			return refuse(reader, ERR_RANGE, "an offset of more than 25 h");
		if (type[4] > 1)
			return refuse(reader, ERR_INVALID,
				      "a daylight saving flag that is neither 0 nor 1");
		if (type[5] >= counts->name_bytes ||
		    memchr(names + type[5], 0, counts->name_bytes - type[5]) == NULL)
			return refuse(reader, ERR_INVALID, "a name of local time that does not end");
		zone->types[index] = (struct zone_type){.offset_s = offset_s, .is_dst = type[4] == 1};
	}
	zone->type_count = (uint16_t)counts->types;
	return ERR_OK;
}

static int64_t follow_end_s(void)
{
	return civil_days(FOLLOW_YEAR_MAX, 1, 1) * CIVIL_DAY_S;
}

static enum err read_transitions(const struct reader *reader, const uint8_t *times,
				 unsigned time_bytes, const uint8_t *indexes,
				 const struct counts *counts, struct zone *zone)
{
	int64_t last_s = INT64_MIN;
	for (uint32_t index = 0; index < counts->times; index++) {
		const uint8_t *time = times + (size_t)index * time_bytes;
		int64_t at_s = time_bytes == 8 ? (int64_t)load_u64(time) : (int32_t)load_u32(time);
		if (index > 0 && at_s <= last_s)
			return refuse(reader, ERR_INVALID, "its transitions do not ascend");
		last_s = at_s;
		if (at_s > follow_end_s())
			return problem_set(reader->problem, ERR_RANGE,
					   "zone file: a transition after the year %d",
					   FOLLOW_YEAR_MAX);
		if (indexes[index] >= counts->types)
			return refuse(reader, ERR_INVALID, "a transition to a type that is not there");
		if (at_s <= 0) {
			zone->first_type = indexes[index];
			continue;
		}
		if (zone->transition_count == ZONE_TRANSITIONS_MAX)
			return problem_set(reader->problem, ERR_FULL,
					   "zone file: more than %u transitions after 1970",
					   ZONE_TRANSITIONS_MAX);
		zone->at_s[zone->transition_count] = at_s;
		zone->type_index[zone->transition_count] = indexes[index];
		zone->transition_count++;
	}
	return ERR_OK;
}

static enum err read_block(struct reader *reader, const struct counts *counts, unsigned time_bytes,
			   struct zone *zone)
{
	enum err err = check_counts(reader, counts, time_bytes);
	if (err != ERR_OK)
		return err;
	const uint8_t *times = reader_take(reader, (size_t)counts->times * time_bytes);
	const uint8_t *indexes = reader_take(reader, counts->times);
	const uint8_t *types = reader_take(reader, (size_t)counts->types * TYPE_BYTES);
	const uint8_t *names = reader_take(reader, counts->name_bytes);
	(void)reader_take(reader, (size_t)counts->is_standard + counts->is_ut);
	err = read_types(reader, types, names, counts, zone);
	if (err != ERR_OK)
		return err;
	return read_transitions(reader, times, time_bytes, indexes, counts, zone);
}

/* ---- The footer: std offset [ dst [offset] , start [/time] , end [/time] ] ---- */

static bool reader_is_at(const struct reader *reader, char c)
{
	return reader->left > 0 && *reader->at == (uint8_t)c;
}

static bool reader_skip(struct reader *reader, char c)
{
	if (!reader_is_at(reader, c))
		return false;
	(void)reader_take(reader, 1);
	return true;
}

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_letter(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* A number of one to three digits in [min, max]. */
static bool read_number(struct reader *reader, unsigned min, unsigned max, unsigned *ret_value)
{
	unsigned value = 0;
	size_t digits = 0;
	for (; digits < 3 && digits < reader->left && is_digit(reader->at[digits]); digits++)
		value = value * 10 + (unsigned)(reader->at[digits] - '0');
	if (digits == 0 || value < min || value > max)
		return false;
	(void)reader_take(reader, digits);
	*ret_value = value;
	return true;
}

/* A name of three letters or more, or one in <>; it is not kept. */
static bool read_name(struct reader *reader)
{
	bool is_quoted = reader_skip(reader, '<');
	size_t length = 0;
	while (length < reader->left &&
	       (is_letter(reader->at[length]) ||
		(is_quoted && (is_digit(reader->at[length]) || reader->at[length] == '+' ||
			       reader->at[length] == '-'))))
		length++;
	if (length < 3)
		return false;
	(void)reader_take(reader, length);
	return !is_quoted || reader_skip(reader, '>');
}

/* [+-]hh[:mm[:ss]] in seconds. */
static bool read_time(struct reader *reader, unsigned hours_max, int32_t *ret_s)
{
	bool is_negative = reader_skip(reader, '-');
	if (!is_negative)
		(void)reader_skip(reader, '+');
	unsigned hours = 0;
	unsigned minutes = 0;
	unsigned seconds = 0;
	if (!read_number(reader, 0, hours_max, &hours))
		return false;
	if (reader_skip(reader, ':')) {
		if (!read_number(reader, 0, 59, &minutes))
			return false;
		if (reader_skip(reader, ':') && !read_number(reader, 0, 59, &seconds))
			return false;
	}
	int32_t total_s = (int32_t)(hours * 3600 + minutes * 60 + seconds);
	*ret_s = is_negative ? -total_s : total_s;
	return true;
}

static bool read_rule(struct reader *reader, struct zone_rule *ret_rule)
{
	struct zone_rule rule = {.time_s = 2 * 3600};
	unsigned number = 0;
	if (!reader_skip(reader, ','))
		return false;
	if (reader_skip(reader, 'M')) {
		unsigned week = 0;
		unsigned weekday = 0;
		if (!read_number(reader, 1, 12, &number) || !reader_skip(reader, '.') ||
		    !read_number(reader, 1, 5, &week) || !reader_skip(reader, '.') ||
		    !read_number(reader, 0, 6, &weekday))
			return false;
		rule.kind = ZONE_RULE_WEEKDAY;
		rule.month = (uint8_t)number;
		rule.week = (uint8_t)week;
		rule.weekday = (uint8_t)weekday;
	} else {
		bool is_julian = reader_skip(reader, 'J');
		if (!read_number(reader, is_julian ? 1 : 0, 365, &number))
			return false;
		rule.kind = is_julian ? ZONE_RULE_JULIAN : ZONE_RULE_DAY;
		rule.day = (uint16_t)number;
	}
	if (reader_skip(reader, '/') && !read_time(reader, RULE_HOURS_MAX, &rule.time_s))
		return false;
	*ret_rule = rule;
	return true;
}

/* The whole of `text` must be a rule. POSIX counts offsets west of Greenwich, we east. */
static bool read_footer_text(struct reader *text, struct zone *zone)
{
	int32_t west_s = 0;
	if (!read_name(text) || !read_time(text, 24, &west_s))
		return false;
	zone->standard = (struct zone_type){.offset_s = -west_s, .is_dst = false};
	zone->has_footer = true;
	if (text->left == 0)
		return true;
	if (!read_name(text))
		return false;
	west_s -= 3600;
	if (!reader_is_at(text, ',') && !read_time(text, 24, &west_s))
		return false;
	zone->daylight = (struct zone_type){.offset_s = -west_s, .is_dst = true};
	zone->has_dst = true;
	return read_rule(text, &zone->daylight_start) && read_rule(text, &zone->daylight_end) &&
	       text->left == 0;
}

static enum err read_footer(struct reader *reader, struct zone *zone)
{
	if (!reader_skip(reader, '\n'))
		return refuse(reader, ERR_TRUNCATED, "has no footer");
	size_t length = 0;
	while (length < reader->left + FOOTER_SLACK_BYTES && reader->at[length] != '\n')
		length++;
	if (length >= reader->left)
		return refuse(reader, ERR_TRUNCATED, "its footer does not end");
	struct reader text = {.at = reader_take(reader, length), .left = length};
	(void)reader_take(reader, 1);
	if (reader->left != 0)
		return refuse(reader, ERR_INVALID, "bytes after its footer");
	/* An empty footer says that nothing is known of the time after the last transition. */
	if (length > 0 && !read_footer_text(&text, zone))
		return problem_set(reader->problem, ERR_INVALID,
				   "zone file: footer, column %zu: not a rule of a time zone",
				   length - text.left + 1);
	return ERR_OK;
}

enum err zone_parse(struct slice bytes, struct zone *ret_zone, struct problem *problem)
{
	if (bytes.bytes > ZONE_FILE_BYTES_MAX)
		return problem_set(problem, ERR_FULL, "zone file: %zu bytes, at most %u are taken",
				   bytes.bytes, ZONE_FILE_BYTES_MAX);
	struct reader reader = {.at = bytes.data, .left = bytes.bytes, .problem = problem};
	struct counts counts;
	uint8_t version = 0;
	enum err err = read_header(&reader, &version, &counts);
	if (err != ERR_OK)
		return err;
	struct zone zone = {0};
	if (version == 0) {
		err = read_block(&reader, &counts, 4, &zone);
		if (err == ERR_OK && reader.left != 0)
			err = refuse(&reader, ERR_INVALID, "bytes after its last block");
	} else {
		if (block_bytes(&counts, 4) > reader.left)
			return refuse(&reader, ERR_TRUNCATED, "has fewer bytes than its header counts");
		(void)reader_take(&reader, (size_t)block_bytes(&counts, 4));
		err = read_header(&reader, &version, &counts);
		if (err == ERR_OK)
			err = read_block(&reader, &counts, 8, &zone);
		if (err == ERR_OK)
			err = read_footer(&reader, &zone);
	}
	if (err == ERR_OK)
		*ret_zone = zone;
	return err;
}

void zone_init_utc(struct zone *zone)
{
	*zone = (struct zone){.type_count = 1};
}

/* ---- Periods ---- */

/* The instant at which the rule strikes in `year`, on a clock that is `offset_s` from UTC. */
static int64_t rule_at_s(const struct zone_rule *rule, int64_t year, int32_t offset_s)
{
	int64_t days = civil_days(year, 1, 1);
	switch (rule->kind) {
	case ZONE_RULE_JULIAN:
		days += rule->day - 1 + (rule->day >= 60 && civil_is_leap(year) ? 1 : 0);
		break;
	case ZONE_RULE_DAY:
		days += rule->day;
		break;
	case ZONE_RULE_WEEKDAY: {
		days = civil_days(year, rule->month, 1);
		unsigned first = (rule->weekday + 7 - civil_weekday(days)) % 7;
		unsigned day = first + (rule->week - 1u) * 7;
		if (day >= civil_month_days(year, rule->month))
			day -= 7;
		days += day;
		break;
	}
	}
	return days * CIVIL_DAY_S + rule->time_s - offset_s;
}

struct change {
	int64_t at_s;
	bool is_to_daylight;
};

#define FOOTER_YEARS \
	5 /* a rule may strike up to a week outside its year, so two years on each side are looked at */

/* The footer's changes around the year of utc_s, sorted. Of two at one instant the later in the row of
 * years and rules comes last and wins: so RFC 8536's permanent daylight time is permanent. */
static void footer_changes(const struct zone *zone, int64_t utc_s,
			   struct change ret_changes[2 * FOOTER_YEARS])
{
	int64_t year = civil_from_seconds(utc_s).year;
	unsigned count = 0;
	for (int64_t y = year - 2; y <= year + 2; y++) {
		struct change pair[2] = {
			{rule_at_s(&zone->daylight_start, y, zone->standard.offset_s), true},
			{rule_at_s(&zone->daylight_end, y, zone->daylight.offset_s), false},
		};
		for (unsigned index = 0; index < 2; index++) {
			unsigned place = count++;
			for (; place > 0 && ret_changes[place - 1].at_s > pair[index].at_s; place--)
				ret_changes[place] = ret_changes[place - 1];
			ret_changes[place] = pair[index];
		}
	}
}

/* The footer's period that holds utc_s, not yet cut to where the footer's reign begins. */
static struct zone_period footer_period(const struct zone *zone, int64_t utc_s)
{
	struct zone_period period = {.start_s = INT64_MIN,
				     .end_s = INT64_MAX,
				     .offset_s = zone->standard.offset_s,
				     .is_dst = zone->standard.is_dst};
	if (!zone->has_dst)
		return period;
	struct change changes[2 * FOOTER_YEARS];
	footer_changes(zone, utc_s, changes);
	for (unsigned index = 0; index < 2 * FOOTER_YEARS; index++) {
		if (changes[index].at_s > utc_s) {
			period.end_s = changes[index].at_s;
			break;
		}
		const struct zone_type *type = changes[index].is_to_daylight ? &zone->daylight
									     : &zone->standard;
		period.start_s = changes[index].at_s;
		period.offset_s = type->offset_s;
		period.is_dst = type->is_dst;
	}
	return period;
}

/* How many transitions of the table lie at or before utc_s. */
static unsigned transitions_until(const struct zone *zone, int64_t utc_s)
{
	unsigned low = 0;
	unsigned high = zone->transition_count;
	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		if (zone->at_s[middle] <= utc_s)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The footer's period, cut to its reign. What follows the table's last transition at table_start_s is still of
 * the table's type, up to the footer's first change after it: RFC 8536 makes the footer a rule for changes, and
 * there are files (made with zic -b slim) in which the two disagree for these few days, the table being right. */
static struct zone_period period_past_table(const struct zone *zone, int64_t utc_s,
					    int64_t table_start_s, const struct zone_type *table_type)
{
	int64_t look_s = utc_s < 0 ? 0 : utc_s;
	if (look_s > follow_end_s())
		look_s = follow_end_s();
	struct zone_period period = footer_period(zone, look_s);
	if (period.start_s <= 0)
		period.start_s = INT64_MIN;
	if (period.start_s < table_start_s) {
		period.start_s = table_start_s;
		period.offset_s = table_type->offset_s;
		period.is_dst = table_type->is_dst;
	}
	if (period.end_s > follow_end_s())
		period.end_s = INT64_MAX;
	return period;
}

struct zone_period zone_period_at(const struct zone *zone, int64_t utc_s)
{
	unsigned passed = transitions_until(zone, utc_s);
	int64_t start_s = passed == 0 ? INT64_MIN : zone->at_s[passed - 1];
	const struct zone_type
		*type = &zone->types[passed == 0 ? zone->first_type : zone->type_index[passed - 1]];
	if (passed == zone->transition_count && zone->has_footer)
		return period_past_table(zone, utc_s, start_s, type);
	return (struct zone_period){
		.start_s = start_s,
		.end_s = passed == zone->transition_count ? INT64_MAX : zone->at_s[passed],
		.offset_s = type->offset_s,
		.is_dst = type->is_dst,
	};
}

int32_t zone_offset_s(const struct zone *zone, int64_t utc_s)
{
	return zone_period_at(zone, utc_s).offset_s;
}

int64_t zone_next_change(const struct zone *zone, int64_t utc_s)
{
	struct zone_period period = zone_period_at(zone, utc_s);
	int32_t offset_s = period.offset_s;
	while (period.end_s != INT64_MAX) {
		period = zone_period_at(zone, period.end_s);
		if (period.offset_s != offset_s)
			return period.start_s;
	}
	return INT64_MAX;
}

#define REACH_S (27 * 3600) /* no offset is larger: what the clock shows lies this near to UTC */

unsigned zone_instants(const struct zone *zone, int64_t local_s, int64_t ret_utc_s[2])
{
	unsigned count = 0;
	struct zone_period period = zone_period_at(zone, local_s - REACH_S);
	for (;;) {
		int64_t utc_s = local_s - period.offset_s;
		if (utc_s >= period.start_s && utc_s < period.end_s)
			ret_utc_s[count++] = utc_s;
		if (count == 2 || period.end_s > local_s + REACH_S)
			return count;
		period = zone_period_at(zone, period.end_s);
	}
}

int64_t zone_instant(const struct zone *zone, int64_t local_s)
{
	struct zone_period period = zone_period_at(zone, local_s - REACH_S);
	for (;;) {
		int64_t utc_s = local_s - period.offset_s;
		if (utc_s <= period.start_s)
			return period.start_s;
		if (utc_s < period.end_s)
			return utc_s;
		period = zone_period_at(zone, period.end_s);
	}
}

enum zone_day zone_day_kind(const struct zone *zone, int64_t utc_s)
{
	struct zone_period period = zone_period_at(zone, utc_s);
	struct civil day = civil_from_seconds(utc_s + period.offset_s);
	int64_t midnight_s = civil_days(day.year, day.month, day.day) * CIVIL_DAY_S;
	int64_t end_s = zone_instant(zone, midnight_s + CIVIL_DAY_S);
	int64_t at_s = zone_instant(zone, midnight_s) - 1;
	for (period = zone_period_at(zone, at_s); period.end_s < end_s;) {
		int32_t offset_s = period.offset_s;
		period = zone_period_at(zone, period.end_s);
		if (period.offset_s > offset_s)
			return ZONE_DAY_GAP;
		if (period.offset_s < offset_s)
			return ZONE_DAY_FOLD;
	}
	return ZONE_DAY_PLAIN;
}
