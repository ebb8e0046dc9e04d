#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/core/civil.h"
#include "agent/core/zone.h"
#include "agent/io/zonefile.h"
#include "proto/buf.h"

#define CASE(function, sentence)                     \
	{                                            \
		sentence, function, NULL, NULL, NULL \
	}

/* ---- Zone files made here ---- */

struct image_type {
	int32_t offset_s;
	uint8_t is_dst, name_index;
};

/* What a file says; what it leaves 0 is what a good file with one type and no transition has. */
struct image {
	uint8_t version; /* as it stands in the file: 0, '2', ... */
	const char *magic;
	const int64_t *times;
	const uint8_t *indexes;
	uint32_t time_count;
	const struct image_type *types;
	uint32_t type_count;
	const char *names; /* with a NUL at the end */
	uint32_t leap_count, standard_count, ut_count;
	const char *footer; /* with its newlines; NULL: "\n\n" */
};

static void put_header(struct buf *out, const struct image *image)
{
	static const uint8_t reserved[15];
	buf_put(out, image->magic, 4);
	buf_put_u8(out, image->version);
	buf_put(out, reserved, sizeof(reserved));
	buf_put_u32(out, image->ut_count);
	buf_put_u32(out, image->standard_count);
	buf_put_u32(out, image->leap_count);
	buf_put_u32(out, image->time_count);
	buf_put_u32(out, image->type_count);
	buf_put_u32(out, (uint32_t)strlen(image->names) + 1);
}

static void put_block(struct buf *out, const struct image *image, bool is_wide)
{
	for (uint32_t index = 0; index < image->time_count; index++) {
		if (is_wide)
			buf_put_u64(out, (uint64_t)image->times[index]);
		else
			buf_put_u32(out, (uint32_t)image->times[index]);
	}
	buf_put(out, image->indexes, image->time_count);
	for (uint32_t index = 0; index < image->type_count; index++) {
		buf_put_u32(out, (uint32_t)image->types[index].offset_s);
		buf_put_u8(out, image->types[index].is_dst);
		buf_put_u8(out, image->types[index].name_index);
	}
	buf_put(out, image->names, strlen(image->names) + 1);
	for (uint32_t index = 0; index < image->leap_count; index++) {
		buf_put_u64(out, 0);
		buf_put_u32(out, 0);
	}
	for (uint32_t index = 0; index < image->standard_count + image->ut_count; index++)
		buf_put_u8(out, 0);
}

#define IMAGE_BYTES_MAX 20000

/* Writes the file; a v2+ one has an empty first block, as zic -b slim makes it. */
static size_t image_write(struct image image, uint8_t memory[IMAGE_BYTES_MAX])
{
	static const struct image_type utc = {0, 0, 0};
	struct buf out;
	buf_init(&out, memory, IMAGE_BYTES_MAX);
	if (image.magic == NULL)
		image.magic = "TZif";
	if (image.types == NULL) {
		image.types = &utc;
		image.type_count = 1;
	}
	if (image.names == NULL)
		image.names = "UTC";
	if (image.version != 0) {
		static const struct image empty = {.magic = "TZif", .version = '2', .names = ""};
		put_header(&out, &empty);
		put_block(&out, &empty, false);
	}
	put_header(&out, &image);
	put_block(&out, &image, image.version != 0);
	if (image.version != 0)
		buf_put(&out, image.footer != NULL ? image.footer : "\n\n",
			strlen(image.footer != NULL ? image.footer : "\n\n"));
	assert_false(out.has_overflowed);
	return out.bytes;
}

static struct zone zone_of(struct image image)
{
	uint8_t memory[IMAGE_BYTES_MAX];
	struct zone zone;
	struct problem problem = {0};
	if (zone_parse(slice_of(memory, image_write(image, memory)), &zone, &problem) != ERR_OK)
		fail_msg("%s", problem.text);
	return zone;
}

static void assert_refused(struct image image, enum err code, const char *words)
{
	static struct zone zone;
	uint8_t memory[IMAGE_BYTES_MAX];
	struct problem problem = {0};
	zone.type_count = 4711;
	enum err err = zone_parse(slice_of(memory, image_write(image, memory)), &zone, &problem);
	if (err != code || strstr(problem.text, words) == NULL)
		fail_msg("%s: %s: %s", words, err_word(err), problem.text);
	assert_int_equal(zone.type_count, 4711);
}

static struct zone zone_of_footer(const char *footer)
{
	char text[80];
	(void)snprintf(text, sizeof(text), "\n%s\n", footer);
	return zone_of((struct image){.version = '3', .footer = text});
}

/* ---- Zones of this host ---- */

static struct zonefile *zones;

static int open_zones(void **state)
{
	(void)state;
	zones = zonefile_new(NULL);
	return zones == NULL;
}

static int close_zones(void **state)
{
	(void)state;
	zonefile_free(zones);
	return 0;
}

static const struct zone *named(const char *name)
{
	const struct zone *zone = NULL;
	struct problem problem = {0};
	if (zonefile_load(zones, slice_str(name), &zone, &problem) != ERR_OK)
		fail_msg("%s: %s", name, problem.text);
	return zone;
}

static int64_t at(int year, unsigned month, int day, int hour, int minute)
{
	return civil_days(year, month, day) * CIVIL_DAY_S + hour * 3600 + minute * 60;
}

/* One change of a zone: the instant (UTC), and the offsets in minutes on both sides. */
struct change {
	const char *name;
	int year;
	unsigned month;
	int day, hour, minute;
	int before_min, after_min;
	bool is_dst_after;
};

static void the_changes_of_known_zones_are_found(void **state)
{
	(void)state;
	static const struct change table[] = {
		{"Europe/Paris", 2026, 3, 29, 1, 0, 60, 120, true},
		{"Europe/Paris", 2026, 10, 25, 1, 0, 120, 60, false},
		{"Europe/Paris", 2076, 3, 29, 1, 0, 60, 120, true},
		{"America/New_York", 2026, 3, 8, 7, 0, -300, -240, true},
		{"America/New_York", 2026, 11, 1, 6, 0, -240, -300, false},
		{"America/New_York", 2190, 3, 14, 7, 0, -300, -240, true},
		{"Australia/Lord_Howe", 2026, 4, 4, 15, 0, 660, 630, false},
		{"Australia/Lord_Howe", 2026, 10, 3, 15, 30, 630, 660, true},
		{"Australia/Lord_Howe", 2050, 10, 1, 15, 30, 630, 660, true},
		{"Pacific/Apia", 2011, 12, 30, 10, 0, -600, 840, true},
		{"Asia/Kathmandu", 1985, 12, 31, 18, 30, 330, 345, false},
	};
	for (size_t index = 0; index < sizeof(table) / sizeof(table[0]); index++) {
		const struct change *change = &table[index];
		const struct zone *zone = named(change->name);
		int64_t at_s = at(change->year, change->month, change->day, change->hour,
				  change->minute);
		struct zone_period before = zone_period_at(zone, at_s - 1);
		struct zone_period after = zone_period_at(zone, at_s);
		if (before.offset_s != change->before_min * 60 ||
		    after.offset_s != change->after_min * 60)
			fail_msg("%s %d: %d then %d", change->name, change->year,
				 before.offset_s / 60, after.offset_s / 60);
		assert_true(before.end_s == at_s);
		assert_true(after.start_s == at_s);
		assert_int_equal(after.is_dst, change->is_dst_after);
		assert_true(zone_next_change(zone, at_s - 1) == at_s);
		assert_true(zone_next_change(zone, at_s - 86400) == at_s);
	}
}

static void dublin_goes_back_in_winter(void **state)
{
	(void)state;
	const struct zone *zone = named("Europe/Dublin");
	assert_int_equal(zone_offset_s(zone, at(2026, 1, 15, 12, 0)), 0);
	assert_int_equal(zone_offset_s(zone, at(2026, 7, 15, 12, 0)), 3600);
	assert_int_equal(zone_offset_s(zone, at(2060, 1, 15, 12, 0)), 0);
	assert_int_equal(zone_offset_s(zone, at(2060, 7, 15, 12, 0)), 3600);
	/* The footer as the source has it, with the sign turned round: winter is the special time. */
	struct zone own = zone_of_footer("IST-1GMT0,M10.5.0,M3.5.0/1");
	assert_int_equal(zone_offset_s(&own, at(2026, 3, 29, 0, 59)), 0);
	assert_int_equal(zone_offset_s(&own, at(2026, 3, 29, 1, 0)), 3600);
	assert_true(zone_period_at(&own, at(2026, 1, 1, 0, 0)).is_dst);
	assert_true(zone_next_change(&own, at(2026, 4, 1, 0, 0)) == at(2026, 10, 25, 1, 0));
}

static void utc_needs_no_file(void **state)
{
	(void)state;
	struct zone zone;
	zone_init_utc(&zone);
	struct zone_period period = zone_period_at(&zone, 0);
	assert_true(period.start_s == INT64_MIN);
	assert_true(period.end_s == INT64_MAX);
	assert_int_equal(period.offset_s, 0);
	assert_true(zone_next_change(&zone, 0) == INT64_MAX);
	int64_t utc_s[2];
	assert_int_equal(zone_instants(&zone, 12345, utc_s), 1);
	assert_true(utc_s[0] == 12345);
	assert_true(zone_instant(&zone, 12345) == 12345);
}

static void a_gap_has_no_instant_and_a_fold_has_two(void **state)
{
	(void)state;
	const struct zone *zone = named("Europe/Paris");
	int64_t utc_s[2] = {0, 0};
	assert_int_equal(zone_instants(zone, at(2026, 3, 29, 2, 30), utc_s), 0);
	assert_int_equal(zone_instants(zone, at(2026, 3, 29, 3, 0), utc_s), 1);
	assert_true(utc_s[0] == at(2026, 3, 29, 1, 0));
	assert_int_equal(zone_instants(zone, at(2026, 10, 25, 2, 30), utc_s), 2);
	assert_true(utc_s[0] == at(2026, 10, 25, 0, 30));
	assert_true(utc_s[1] == at(2026, 10, 25, 1, 30));
	assert_int_equal(zone_instants(zone, at(2026, 10, 25, 3, 0), utc_s), 1);

	assert_true(zone_instant(zone, at(2026, 3, 29, 2, 30)) == at(2026, 3, 29, 1, 0));
	assert_true(zone_instant(zone, at(2026, 10, 25, 2, 30)) == at(2026, 10, 25, 0, 30));
	assert_true(zone_instant(zone, at(2026, 7, 1, 12, 0)) == at(2026, 7, 1, 10, 0));
	/* The 30th of December 2011 did not take place in Apia. */
	assert_int_equal(zone_instants(named("Pacific/Apia"), at(2011, 12, 30, 12, 0), utc_s), 0);
	assert_true(zone_instant(named("Pacific/Apia"), at(2011, 12, 30, 12, 0)) ==
		    at(2011, 12, 30, 10, 0));
}

static void days_with_a_gap_or_a_fold_are_marked(void **state)
{
	(void)state;
	const struct zone *paris = named("Europe/Paris");
	assert_int_equal(zone_day_kind(paris, at(2026, 3, 28, 12, 0)), ZONE_DAY_PLAIN);
	assert_int_equal(zone_day_kind(paris, at(2026, 3, 28, 23, 30)), ZONE_DAY_GAP);
	assert_int_equal(zone_day_kind(paris, at(2026, 3, 29, 12, 0)), ZONE_DAY_GAP);
	assert_int_equal(zone_day_kind(paris, at(2026, 3, 29, 22, 0)), ZONE_DAY_PLAIN);
	assert_int_equal(zone_day_kind(paris, at(2026, 10, 25, 12, 0)), ZONE_DAY_FOLD);
	assert_int_equal(zone_day_kind(paris, at(2026, 10, 26, 12, 0)), ZONE_DAY_PLAIN);
	/* At midnight: the gap belongs to the day that begins late, the fold to the one that ends twice. */
	const struct zone *paulo = named("America/Sao_Paulo");
	assert_int_equal(zone_day_kind(paulo, at(2018, 11, 4, 12, 0)), ZONE_DAY_GAP);
	assert_int_equal(zone_day_kind(paulo, at(2018, 11, 3, 12, 0)), ZONE_DAY_PLAIN);
	assert_int_equal(zone_day_kind(paulo, at(2019, 2, 16, 12, 0)), ZONE_DAY_FOLD);
	assert_int_equal(zone_day_kind(paulo, at(2019, 2, 17, 12, 0)), ZONE_DAY_PLAIN);
}

static void any_instant_has_a_period(void **state)
{
	(void)state;
	static const int64_t extremes[] = {INT64_MIN,        INT64_MIN + 1, -1,       0,
					   INT64_C(1) << 40, INT64_MAX - 1, INT64_MAX};
	struct zone own = zone_of_footer("AAA-3BBB,J60,0/-167:59:59");
	const struct zone *table[] = {named("Europe/Paris"), named("Asia/Gaza"),
				      named("Etc/GMT+12"), &own};
	for (size_t index = 0; index < sizeof(table) / sizeof(table[0]); index++) {
		for (size_t extreme = 0; extreme < sizeof(extremes) / sizeof(extremes[0]); extreme++) {
			struct zone_period period = zone_period_at(table[index], extremes[extreme]);
			assert_true(period.start_s <= extremes[extreme]);
			assert_true(period.end_s > extremes[extreme] || period.end_s == INT64_MAX);
		}
		/* Periods follow one another without a hole, and the walk ends. */
		struct zone_period period = zone_period_at(table[index], INT64_MIN);
		assert_true(period.start_s == INT64_MIN);
		unsigned count = 0;
		for (; period.end_s != INT64_MAX; count++) {
			struct zone_period next = zone_period_at(table[index], period.end_s);
			assert_true(next.start_s == period.end_s);
			assert_true(next.end_s > next.start_s);
			period = next;
		}
		assert_true(count < 2 * 500 + ZONE_TRANSITIONS_MAX);
	}
}

static void a_version_1_file_is_read(void **state)
{
	(void)state;
	static const int64_t times[] = {-86400, 1000, 2000};
	static const uint8_t indexes[] = {1, 2, 0};
	static const struct image_type types[] = {{0, 0, 0}, {3600, 1, 4}, {7200, 0, 0}};
	struct zone zone = zone_of((struct image){.times = times,
						  .indexes = indexes,
						  .time_count = 3,
						  .types = types,
						  .type_count = 3,
						  .names = "AAABBBB",
						  .standard_count = 3,
						  .ut_count = 3});
	/* What lies before 1970 is dropped, but for the offset that it left in force. */
	assert_int_equal(zone.transition_count, 2);
	assert_int_equal(zone_offset_s(&zone, INT64_MIN), 3600);
	assert_int_equal(zone_offset_s(&zone, 999), 3600);
	assert_int_equal(zone_offset_s(&zone, 1000), 7200);
	assert_int_equal(zone_offset_s(&zone, 2000), 0);
	assert_true(zone_period_at(&zone, 2000).end_s == INT64_MAX);
}

static void the_last_type_lasts_until_the_footer_changes_it(void **state)
{
	(void)state;
	/* A zone that left daylight time in October, a week before its new neighbours do. */
	const int64_t times[] = {at(2022, 10, 30, 8, 0)};
	static const uint8_t indexes[] = {0};
	static const struct image_type types[] = {{-21600, 0, 0}};
	struct zone zone = zone_of((struct image){.version = '2',
						  .times = times,
						  .indexes = indexes,
						  .time_count = 1,
						  .types = types,
						  .type_count = 1,
						  .names = "CST",
						  .footer = "\nCST6CDT,M3.2.0,M11.1.0\n"});
	assert_int_equal(zone_offset_s(&zone, at(2022, 10, 31, 0, 0)), -21600);
	assert_int_equal(zone_offset_s(&zone, at(2022, 12, 31, 0, 0)), -21600);
	assert_int_equal(zone_offset_s(&zone, at(2023, 7, 1, 0, 0)), -18000);
}

static void footers_of_every_form_are_followed(void **state)
{
	(void)state;
	struct zone zone = zone_of_footer("<+0330>-3:30");
	assert_int_equal(zone_offset_s(&zone, 0), 12600);
	zone = zone_of_footer("<-02>+2:00:30");
	assert_int_equal(zone_offset_s(&zone, 0), -7230);
	assert_true(zone_next_change(&zone, 0) == INT64_MAX);

	/* Jn counts no 29 February, n does. */
	zone = zone_of_footer("AAA0BBB,J60/0,J300/0");
	assert_true(zone_next_change(&zone, at(2024, 1, 1, 0, 0)) == at(2024, 3, 1, 0, 0));
	assert_true(zone_next_change(&zone, at(2023, 1, 1, 0, 0)) == at(2023, 3, 1, 0, 0));
	zone = zone_of_footer("AAA0BBB,59/0,299/0");
	assert_true(zone_next_change(&zone, at(2024, 1, 1, 0, 0)) == at(2024, 2, 29, 0, 0));
	assert_true(zone_next_change(&zone, at(2023, 1, 1, 0, 0)) == at(2023, 3, 1, 0, 0));

	/* Times of more than a day, and below zero (RFC 8536, 3.3.1): Godthab's Saturday night, Gaza's Saturday. */
	zone = zone_of_footer("<-02>2<-01>,M3.5.0/-1,M10.5.0/0");
	assert_true(zone_next_change(&zone, at(2026, 1, 1, 0, 0)) == at(2026, 3, 29, 1, 0));
	zone = zone_of_footer("EET-2EEST,M3.4.4/50,M10.4.4/50");
	assert_true(zone_next_change(&zone, at(2026, 1, 1, 0, 0)) == at(2026, 3, 28, 0, 0));
	/* A week beyond the year's end. */
	zone = zone_of_footer("AAA0BBB,M12.5.0/167,M6.1.0");
	assert_true(zone_next_change(&zone, at(2026, 12, 30, 0, 0)) == at(2027, 1, 2, 23, 0));
	assert_int_equal(zone_offset_s(&zone, at(2027, 1, 2, 22, 59)), 0);
	assert_int_equal(zone_offset_s(&zone, at(2027, 1, 2, 23, 0)), 3600);

	/* South of the equator, the summer goes over the turn of the year. */
	zone = zone_of_footer("AEST-10AEDT,M10.1.0,M4.1.0/3");
	assert_int_equal(zone_offset_s(&zone, at(2026, 1, 1, 0, 0)), 39600);
	assert_int_equal(zone_offset_s(&zone, at(2026, 7, 1, 0, 0)), 36000);

	/* Daylight time for ever, as RFC 8536 writes it. */
	zone = zone_of_footer("XXX3EDT4,0/0,J365/23");
	for (int year = 1971; year < 2200; year++) {
		assert_int_equal(zone_offset_s(&zone, at(year, 1, 1, 3, 59)), -14400);
		assert_int_equal(zone_offset_s(&zone, at(year, 1, 1, 4, 0)), -14400);
		assert_int_equal(zone_offset_s(&zone, at(year, 12, 31, 23, 59)), -14400);
	}
}

static void a_bad_footer_is_refused_with_its_column(void **state)
{
	(void)state;
	static const struct {
		const char *footer, *column;
	} table[] = {
		{"\nAB0\n", "column 1:"},
		{"\n<+0330-3:30\n", "column 9:"},
		{"\nAAA\n", "column 4:"},
		{"\nAAA25\n", "column 4:"},
		{"\nAAA0:60\n", "column 6:"},
		{"\nAAA0:00:\n", "column 9:"},
		{"\nAAA0 \n", "column 5:"},
		{"\nAAA0BBB\n", "column 8:"},
		{"\nAAA0BBB,M3.5.0\n", "column 15:"},
		{"\nAAA0BBB,M13.5.0,M10.5.0\n", "column 10:"},
		{"\nAAA0BBB,M3.6.0,M10.5.0\n", "column 12:"},
		{"\nAAA0BBB,M3.5.7,M10.5.0\n", "column 14:"},
		{"\nAAA0BBB,M3-5.0,M10.5.0\n", "column 11:"},
		{"\nAAA0BBB,J0,J365\n", "column 10:"},
		{"\nAAA0BBB,J1,J366\n", "column 13:"},
		{"\nAAA0BBB,0/168,365\n", "column 11:"},
		{"\nAAA0BBB,0,365x\n", "column 14:"},
	};
	for (size_t index = 0; index < sizeof(table) / sizeof(table[0]); index++)
		assert_refused((struct image){.version = '2', .footer = table[index].footer},
			       ERR_INVALID, table[index].column);
	assert_refused((struct image){.version = '2', .footer = ""}, ERR_TRUNCATED, "has no footer");
	assert_refused((struct image){.version = '2', .footer = "UTC0\n"}, ERR_TRUNCATED,
		       "has no footer");
	assert_refused((struct image){.version = '2', .footer = "\nUTC0"}, ERR_TRUNCATED,
		       "does not end");
	assert_refused((struct image){.version = '2', .footer = "\nUTC0\n\n"}, ERR_INVALID,
		       "bytes after");
}

static void a_file_of_another_form_is_refused(void **state)
{
	(void)state;
	static const int64_t times[] = {1000, 1000};
	static const uint8_t indexes[] = {0, 1};
	static const struct image_type west = {-89999 - 1, 0, 0};
	static const struct image_type east = {93600, 0, 0};
	static const struct image_type odd = {0, 2, 0};
	static const struct image_type nameless = {0, 0, 4};
	static const struct image_type many[ZONE_TYPES_MAX + 1];
	assert_refused((struct image){.magic = "TZIF"}, ERR_INVALID, "does not begin with TZif");
	assert_refused((struct image){.version = 1}, ERR_UNSUPPORTED, "version");
	assert_refused((struct image){.version = '5'}, ERR_UNSUPPORTED, "version");
	assert_refused((struct image){.version = '2', .leap_count = 1}, ERR_UNSUPPORTED, "leap seconds");
	assert_refused((struct image){.types = many, .type_count = 0}, ERR_INVALID,
		       "no type of local time");
	assert_refused((struct image){.types = many, .type_count = ZONE_TYPES_MAX + 1}, ERR_FULL,
		       "at most 64");
	assert_refused((struct image){.types = &west, .type_count = 1}, ERR_RANGE, "offset");
	assert_refused((struct image){.types = &east, .type_count = 1}, ERR_RANGE, "offset");
	assert_refused((struct image){.types = &odd, .type_count = 1}, ERR_INVALID, "flag");
	assert_refused((struct image){.types = &nameless, .type_count = 1}, ERR_INVALID, "name");
	assert_refused((struct image){.standard_count = 2}, ERR_INVALID, "indicators");
	assert_refused((struct image){.ut_count = 3}, ERR_INVALID, "indicators");
	assert_refused((struct image){.times = times, .indexes = indexes, .time_count = 2},
		       ERR_INVALID, "ascend");
	assert_refused((struct image){.times = times, .indexes = indexes + 1, .time_count = 1},
		       ERR_INVALID, "type that is not there");

	static const int64_t distant[] = {INT64_C(1) << 40};
	assert_refused(
		(struct image){.version = '2', .times = distant, .indexes = indexes, .time_count = 1},
		ERR_RANGE, "after the year 2400");

	int64_t ascending[ZONE_TRANSITIONS_MAX + 1];
	uint8_t zeros[ZONE_TRANSITIONS_MAX + 1] = {0};
	for (size_t index = 0; index < ZONE_TRANSITIONS_MAX + 1; index++)
		ascending[index] = (int64_t)index + 1;
	struct image image = {
		.version = '2', .times = ascending, .indexes = zeros, .time_count = ZONE_TRANSITIONS_MAX};
	assert_int_equal(zone_of(image).transition_count, ZONE_TRANSITIONS_MAX);
	image.time_count++;
	assert_refused(image, ERR_FULL, "more than 512 transitions");

	static uint8_t large[ZONE_FILE_BYTES_MAX + 1];
	struct zone zone;
	struct problem problem;
	assert_int_equal(zone_parse(slice_of(large, sizeof(large)), &zone, &problem), ERR_FULL);
}

static void a_file_cut_anywhere_is_refused(void **state)
{
	(void)state;
	static const int64_t times[] = {1000, 2000};
	static const uint8_t indexes[] = {1, 0};
	static const struct image_type types[] = {{0, 0, 0}, {3600, 1, 4}};
	struct image image = {.version = '2',
			      .times = times,
			      .indexes = indexes,
			      .time_count = 2,
			      .types = types,
			      .type_count = 2,
			      .names = "AAABBBB",
			      .footer = "\nAAA0BBB,M3.5.0,M10.5.0\n"};
	uint8_t memory[IMAGE_BYTES_MAX];
	size_t bytes = image_write(image, memory);
	struct zone zone;
	struct problem problem;
	for (size_t cut = 0; cut < bytes; cut++) {
		/* On the heap and of that size, so that a sanitizer sees a read past it. */
		uint8_t *copy = malloc(cut + 1);
		assert_non_null(copy);
		memcpy(copy, memory, cut);
		enum err err = zone_parse(slice_of(copy, cut), &zone, &problem);
		free(copy);
		if (err != ERR_TRUNCATED)
			fail_msg("cut at %zu: %s", cut, err_word(err));
	}
	assert_int_equal(zone_parse(slice_of(memory, bytes), &zone, NULL), ERR_OK);
	/* Counts that promise more than there is, up to the largest. */
	for (size_t count = 0; count < 6; count++) {
		uint8_t copy[IMAGE_BYTES_MAX];
		memcpy(copy, memory, bytes);
		memset(copy + 44 + 1 + 20 + 4 * count, 0xff, 4);
		assert_int_not_equal(zone_parse(slice_of(copy, bytes), &zone, &problem), ERR_OK);
		memcpy(copy, memory, bytes);
		memset(copy + 20 + 4 * count, 0xff, 4);
		assert_int_equal(zone_parse(slice_of(copy, bytes), &zone, &problem), ERR_TRUNCATED);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(the_changes_of_known_zones_are_found, "the changes of known zones are found"),
		CASE(dublin_goes_back_in_winter, "Dublin goes back in winter"),
		CASE(utc_needs_no_file, "UTC needs no file"),
		CASE(a_gap_has_no_instant_and_a_fold_has_two, "a gap has no instant and a fold has two"),
		CASE(days_with_a_gap_or_a_fold_are_marked, "days with a gap or a fold are marked"),
		CASE(any_instant_has_a_period, "any instant has a period"),
		CASE(a_version_1_file_is_read, "a version 1 file is read"),
		CASE(the_last_type_lasts_until_the_footer_changes_it,
		     "the last type lasts until the footer changes it"),
		CASE(footers_of_every_form_are_followed, "footers of every form are followed"),
		CASE(a_bad_footer_is_refused_with_its_column, "a bad footer is refused with its column"),
		CASE(a_file_of_another_form_is_refused, "a file of another form is refused"),
		CASE(a_file_cut_anywhere_is_refused, "a file cut anywhere is refused"),
	};
	return cmocka_run_group_tests(tests, open_zones, close_zones);
}
