#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "agent/core/civil.h"
#include "agent/core/schedule.h"
#include "agent/io/zonefile.h"
#include "proto/buf.h"
#include "proto/limits.h"
#include "proto/text.h"

#define CASE(function, sentence)                     \
	{                                            \
		sentence, function, NULL, NULL, NULL \
	}

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

static struct schedule parsed(const char *text)
{
	struct schedule schedule;
	struct problem problem = {0};
	if (schedule_parse_cron(slice_str(text), &schedule, &problem) != ERR_OK)
		fail_msg("%s: %s", text, problem.text);
	return schedule;
}

static int64_t ms(const char *text)
{
	int64_t utc_ms = 0;
	assert_int_equal(text_parse_rfc3339(slice_str(text), &utc_ms, NULL), ERR_OK);
	return utc_ms;
}

#define FIRES_MAX 6

/* The first fires after an instant, as the table's user would read them. */
struct expected {
	const char *expression, *zone, *after;
	const char *fires[FIRES_MAX]; /* up to the first NULL */
};

static void assert_fires(const struct expected *expected, size_t count)
{
	for (size_t index = 0; index < count; index++) {
		struct schedule schedule = parsed(expected[index].expression);
		const struct zone *zone = named(expected[index].zone);
		int64_t at_ms = ms(expected[index].after);
		uint64_t fire_count = 0;
		for (; fire_count < FIRES_MAX && expected[index].fires[fire_count] != NULL;
		     fire_count++) {
			at_ms = schedule_next(&schedule, zone, at_ms);
			if (at_ms != ms(expected[index].fires[fire_count])) {
				char text[TEXT_TIME_BYTES];
				text_format_time(at_ms, text);
				fail_msg("%s %s: %s, not %s", expected[index].expression,
					 expected[index].zone, text, expected[index].fires[fire_count]);
			}
			assert_true(schedule_previous(&schedule, zone, at_ms, INT64_MIN) == at_ms);
		}
		assert_true(schedule_count(&schedule, zone, ms(expected[index].after), at_ms,
					   UINT64_MAX) == fire_count);
	}
}

static void fixed_times_fire_once_in_a_gap_and_in_a_fold(void **state)
{
	(void)state;
	static const struct expected table[] = {
		{"30 2 * * *",
		 "Europe/Paris",
		 "2026-03-28T00:00:00Z",
		 {"2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"}},
		{"30 2 * * *",
		 "Europe/Paris",
		 "2026-10-24T12:00:00Z",
		 {"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		{"30 2 * * *",
		 "America/New_York",
		 "2026-03-07T12:00:00Z",
		 {"2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"}},
		{"30 1 * * *",
		 "America/New_York",
		 "2026-11-01T00:00:00Z",
		 {"2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"}},
		/* Half an hour, and back. */
		{"15 2 * * *",
		 "Australia/Lord_Howe",
		 "2026-10-03T00:00:00Z",
		 {"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"}},
		{"45 1 * * *",
		 "Australia/Lord_Howe",
		 "2026-04-04T00:00:00Z",
		 {"2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"}},
		/* The day that Apia left out ends where the next one begins. */
		{"0 12 * * *",
		 "Pacific/Apia",
		 "2011-12-29T00:00:00Z",
		 {"2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"}},
		{"0 0 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", {"2011-12-31T00:00:00+14:00"}},
		{"0 3 * * *",
		 "Europe/Dublin",
		 "2026-10-24T12:00:00Z",
		 {"2026-10-25T03:00:00+00:00", "2026-10-26T03:00:00+00:00"}},
		{"0 6 * * *", "Asia/Kathmandu", "2026-01-01T00:00:00Z", {"2026-01-01T06:00:00+05:45"}},
		/* A change at midnight: the day of the gap begins at one. */
		{"0 0 * * *",
		 "America/Sao_Paulo",
		 "2018-11-03T12:00:00Z",
		 {"2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"}},
		{"30 23 * * *",
		 "America/Sao_Paulo",
		 "2019-02-16T12:00:00Z",
		 {"2019-02-16T23:30:00-02:00", "2019-02-17T23:30:00-03:00"}},
		{"30 2 * * *", "Europe/Paris", "2080-03-30T12:00:00Z", {"2080-03-31T03:00:00+02:00"}},
	};
	assert_fires(table, sizeof(table) / sizeof(table[0]));
}

static void fixed_times_of_one_gap_are_one_fire(void **state)
{
	(void)state;
	static const struct expected table[] = {
		{"0,15,30 2,3 * * *",
		 "Europe/Paris",
		 "2026-03-28T12:00:00Z",
		 {"2026-03-29T03:00:00+02:00", "2026-03-29T03:15:00+02:00",
		  "2026-03-29T03:30:00+02:00", "2026-03-30T02:00:00+02:00"}},
		{"0 0,1,2,3 * * *",
		 "Europe/Paris",
		 "2026-03-28T12:00:00Z",
		 {"2026-03-29T00:00:00+01:00", "2026-03-29T01:00:00+01:00",
		  "2026-03-29T03:00:00+02:00", "2026-03-30T00:00:00+02:00"}},
		/* The second field does not make a wildcard. */
		{"* 30 2 * * *",
		 "Europe/Paris",
		 "2026-03-28T12:00:00Z",
		 {"2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00", "2026-03-30T02:30:01+02:00"}},
		{"*/30 30 2 * * *",
		 "Europe/Paris",
		 "2026-10-25T00:00:00Z",
		 {"2026-10-25T02:30:00+02:00", "2026-10-25T02:30:30+02:00", "2026-10-26T02:30:00+01:00"}},
	};
	assert_fires(table, sizeof(table) / sizeof(table[0]));
}

static void wildcards_keep_their_cadence(void **state)
{
	(void)state;
	static const struct expected table[] = {
		{"*/30 * * * *",
		 "Europe/Paris",
		 "2026-03-29T00:00:00Z",
		 {"2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"}},
		{"*/30 * * * *",
		 "Europe/Paris",
		 "2026-10-25T00:00:00Z",
		 {"2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00",
		  "2026-10-25T02:30:00+01:00", "2026-10-25T03:00:00+01:00"}},
		{"30 * * * *",
		 "Europe/Paris",
		 "2026-10-24T23:00:00Z",
		 {"2026-10-25T01:30:00+02:00", "2026-10-25T02:30:00+02:00",
		  "2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00"}},
		/* Nothing for a gap. */
		{"*/20 2 * * *",
		 "Europe/Paris",
		 "2026-03-28T12:00:00Z",
		 {"2026-03-30T02:00:00+02:00", "2026-03-30T02:20:00+02:00"}},
		{"15 */2 * * *",
		 "Europe/Paris",
		 "2026-03-28T23:30:00Z",
		 {"2026-03-29T04:15:00+02:00", "2026-03-29T06:15:00+02:00"}},
		{"0 */10 * * * *",
		 "Australia/Lord_Howe",
		 "2026-04-04T14:45:00Z",
		 {"2026-04-05T01:50:00+11:00", "2026-04-05T01:30:00+10:30", "2026-04-05T01:40:00+10:30",
		  "2026-04-05T01:50:00+10:30", "2026-04-05T02:00:00+10:30"}},
	};
	assert_fires(table, sizeof(table) / sizeof(table[0]));
}

static void rare_dates_are_found_far_ahead(void **state)
{
	(void)state;
	static const struct expected table[] = {
		{"0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", {"2104-02-29T00:00:00Z", "2108-02-29T00:00:00Z"}},
		{"0 0 29 2 */7",
		 "UTC",
		 "2088-03-01T00:00:00Z",
		 {"2128-02-29T00:00:00Z", "2156-02-29T00:00:00Z"}},
		{"0 12 1 1 *",
		 "Europe/Paris",
		 "2037-12-31T00:00:00Z",
		 {"2038-01-01T11:00:00Z", "2039-01-01T11:00:00Z"}},
		{"59 59 23 31 12 *", "UTC", "2199-12-30T00:00:00Z", {"2199-12-31T23:59:59Z"}},
	};
	assert_fires(table, sizeof(table) / sizeof(table[0]));
	struct schedule last = parsed("59 59 23 31 12 *");
	assert_true(schedule_next(&last, named("UTC"), ms("2199-12-31T23:59:59Z")) == SCHEDULE_NEVER);
	struct schedule leap = parsed("0 0 29 2 *");
	assert_true(schedule_next(&leap, named("Europe/Paris"), ms("2196-03-01T00:00:00Z")) ==
		    SCHEDULE_NEVER);
}

static void intervals_count_from_their_anchor(void **state)
{
	(void)state;
	struct schedule schedule = parsed("@every 90s");
	assert_int_equal(schedule.kind, SCHEDULE_EVERY);
	schedule.anchor_ms = 1000000;
	assert_true(schedule_next(&schedule, NULL, 0) == 1000000);
	assert_true(schedule_next(&schedule, NULL, 999999) == 1000000);
	assert_true(schedule_next(&schedule, NULL, 1000000) == 1090000);
	assert_true(schedule_next(&schedule, NULL, 1089999) == 1090000);
	assert_true(schedule_previous(&schedule, NULL, 999999, -5) == -5);
	assert_true(schedule_previous(&schedule, NULL, 1089999, -5) == 1000000);
	assert_true(schedule_previous(&schedule, NULL, 1090000, 1000000) == 1090000);
	assert_true(schedule_previous(&schedule, NULL, 1089999, 1000000) == 1000000);
	assert_true(schedule_count(&schedule, NULL, 0, 1000000, 100) == 1);
	assert_true(schedule_count(&schedule, NULL, 1000000, 1000000 + 90000 * 7, 100) == 7);
	assert_true(schedule_count(&schedule, NULL, 1000000, 1000000 + INT64_C(90000) * 700, 100) == 100);
	assert_true(schedule_next(&schedule, NULL, ms("2199-12-31T23:59:59Z")) == SCHEDULE_NEVER);
	assert_int_equal(schedule_fires_per_day_max(&schedule), 0);
}

static void a_time_fires_once(void **state)
{
	(void)state;
	struct schedule schedule = parsed("@at 2026-07-01T03:00:00+02:00");
	int64_t at_ms = ms("2026-07-01T01:00:00Z");
	assert_int_equal(schedule.kind, SCHEDULE_AT);
	assert_true(schedule_next(&schedule, NULL, at_ms - 1) == at_ms);
	assert_true(schedule_next(&schedule, NULL, at_ms) == SCHEDULE_NEVER);
	assert_true(schedule_previous(&schedule, NULL, at_ms, 0) == at_ms);
	assert_true(schedule_previous(&schedule, NULL, at_ms + 1, at_ms) == at_ms);
	assert_true(schedule_previous(&schedule, NULL, at_ms - 1, 7) == 7);
	assert_true(schedule_count(&schedule, NULL, at_ms - 1, at_ms, 9) == 1);
	assert_true(schedule_count(&schedule, NULL, at_ms, at_ms + 1, 9) == 0);
	assert_int_equal(schedule_fires_per_day_max(&schedule), 1);
}

static void a_manual_schedule_never_fires(void **state)
{
	(void)state;
	struct schedule schedule = parsed(" @manual ");
	assert_int_equal(schedule.kind, SCHEDULE_MANUAL);
	assert_true(schedule_next(&schedule, NULL, 0) == SCHEDULE_NEVER);
	assert_true(schedule_previous(&schedule, NULL, INT64_MAX, 3) == 3);
	assert_true(schedule_count(&schedule, NULL, INT64_MIN, INT64_MAX, 9) == 0);
	assert_int_equal(schedule_fires_per_day_max(&schedule), 0);
}

static void bad_schedules_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum err code;
		const char *words;
	} table[] = {
		{"@every", ERR_INVALID, "cron: @every"},
		{"@every 90", ERR_INVALID, "cron: @every"},
		{"@every -5s", ERR_INVALID, "cron: @every"},
		{"@every 0s", ERR_RANGE, "from 1s"},
		{"@every 999ms", ERR_RANGE, "from 1s"},
		{"@every 99999999d", ERR_RANGE, "cron: @every"},
		{"@every5s", ERR_INVALID, "unknown macro"},
		{"@at", ERR_INVALID, "cron: @at"},
		{"@at tomorrow", ERR_INVALID, "cron: @at"},
		{"@at 2026-07-01T03:00:00", ERR_INVALID, "cron: @at"},
		{"@at 2200-01-01T00:00:00Z", ERR_RANGE, "cron: @at"},
		{"@manual now", ERR_INVALID, "takes nothing"},
		{"@reboot", ERR_UNSUPPORTED, "later version"},
		{"0 0 30 2 *", ERR_RANGE, "never fires"},
		{"", ERR_INVALID, "0 fields"},
	};
	for (size_t index = 0; index < sizeof(table) / sizeof(table[0]); index++) {
		struct schedule schedule = {.every_ms = 4711};
		struct problem problem = {0};
		enum err err = schedule_parse_cron(slice_str(table[index].text), &schedule, &problem);
		if (err != table[index].code || strstr(problem.text, table[index].words) == NULL)
			fail_msg("%s: %s: %s", table[index].text, err_word(err), problem.text);
		assert_true(schedule.every_ms == 4711);
	}
	struct schedule schedule;
	assert_int_equal(schedule_init_every(0, &schedule, NULL), ERR_RANGE);
	assert_int_equal(schedule_init_every(INT64_MAX, &schedule, NULL), ERR_RANGE);
	assert_int_equal(schedule_init_at(-1, &schedule, NULL), ERR_RANGE);
	assert_int_equal(schedule_init_at(INT64_MAX, &schedule, NULL), ERR_RANGE);
	char blanks[CRON_TEXT_BYTES_MAX + 1];
	memset(blanks, ' ', sizeof(blanks));
	assert_int_equal(schedule_parse_cron(slice_of(blanks, sizeof(blanks)), &schedule, NULL),
			 ERR_RANGE);
}

static void schedules_are_said_in_words(void **state)
{
	(void)state;
	static const char *const table[][2] = {
		{"@manual", "only when asked"},
		{"@every 90s", "every 1m30s"},
		{"@at 2026-07-01T03:00:00+02:00", "once, at 2026-07-01T01:00:00Z"},
		{"@weekly", "at 00:00, Sunday"},
	};
	for (size_t index = 0; index < sizeof(table) / sizeof(table[0]); index++) {
		struct schedule schedule = parsed(table[index][0]);
		char text[SCHEDULE_WORDS_BYTES_MAX];
		assert_int_equal(schedule_describe(&schedule, text, sizeof(text)), ERR_OK);
		assert_string_equal(text, table[index][1]);
		assert_int_equal(schedule_describe(&schedule, text, 5), ERR_FULL);
		assert_string_equal(text, "");
	}
}

static void any_time_may_be_asked_for(void **state)
{
	(void)state;
	static const int64_t times[] = {INT64_MIN, INT64_MIN + 1, -1000,         -1,
					0,         999,           INT64_MAX - 1, INT64_MAX};
	static const char *const texts[] = {"* * * * * *", "0 0 1 1 *", "@every 7s",
					    "@at 1970-01-01T00:00:00Z", "@manual"};
	const struct zone *zone = named("Europe/Paris");
	for (size_t text = 0; text < sizeof(texts) / sizeof(texts[0]); text++) {
		struct schedule schedule = parsed(texts[text]);
		for (size_t a = 0; a < sizeof(times) / sizeof(times[0]); a++) {
			int64_t next_ms = schedule_next(&schedule, zone, times[a]);
			assert_true(next_ms > times[a] || next_ms == SCHEDULE_NEVER);
			assert_true(next_ms >= 0);
			for (size_t b = 0; b < sizeof(times) / sizeof(times[0]); b++) {
				int64_t previous_ms = schedule_previous(&schedule, zone, times[a],
									times[b]);
				assert_true(previous_ms == times[b] ||
					    (previous_ms > times[b] && previous_ms <= times[a]));
				uint64_t count = schedule_count(&schedule, zone, times[b], times[a], 5);
				assert_true(count <= 5);
				assert_true((count == 0) == (previous_ms == times[b]));
			}
		}
	}
	struct schedule first = parsed("* * * * * *");
	assert_true(schedule_next(&first, zone, INT64_MIN) == 0);
	assert_true(schedule_next(&first, zone, -1) == 0);
	assert_true(schedule_next(&first, zone, 0) == 1000);
	assert_true(schedule_next(&first, zone, 1) == 1000);
}

static void a_year_without_anybody_is_counted_at_once(void **state)
{
	(void)state;
	struct schedule schedule = parsed("* * * * * *");
	const struct zone *zone = named("Europe/Paris");
	int64_t from_ms = ms("2026-01-01T00:00:00Z");
	int64_t to_ms = ms("2027-01-01T00:00:00Z");
	assert_true(schedule_count(&schedule, zone, from_ms, to_ms, UINT64_MAX) == 365 * 86400);
	assert_true(schedule_count(&schedule, zone, from_ms, to_ms, 100) == 100);
	assert_true(schedule_previous(&schedule, zone, to_ms + 999, from_ms) == to_ms);
	/* Fixed times of every hour: one less for the gap's end, which is due anyway, and none twice. */
	struct schedule fixed = parsed("0 0-23 * * *");
	assert_true(schedule_count(&fixed, zone, from_ms, to_ms, UINT64_MAX) == 365 * 24 - 1);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Sets of any shape, as the parser could have made them. */
static struct schedule random_schedule(uint64_t *seed)
{
	struct schedule schedule = {.kind = SCHEDULE_CRON};
	uint64_t a = next_random(seed);
	uint64_t b = next_random(seed);
	unsigned sparse = (unsigned)(a % 3);
	schedule.cron.seconds = sparse > 0 ? UINT64_C(1) << (a >> 8) % 60
					   : b & ((UINT64_C(1) << 60) - 1);
	schedule.cron.minutes = sparse > 1 ? UINT64_C(1) << (a >> 16) % 60 : next_random(seed) >> 4;
	schedule.cron.hours = sparse > 1 ? 1u << (a >> 24) % 24 : (uint32_t)(b >> 8 & 0xffffff);
	schedule.cron.days = sparse > 1 ? 2u << (a >> 32) % 28
					: (uint32_t)next_random(seed) & 0xfffffffeu;
	schedule.cron.months = sparse > 1 ? (uint16_t)(2u << (a >> 40) % 12)
					  : (uint16_t)(b >> 40 & 0x1ffe);
	schedule.cron.weekdays = (uint8_t)(b >> 56 & 0x7f);
	schedule.cron.flags = (uint8_t)(a >> 60);
	/* None may be empty. */
	schedule.cron.seconds |= 1;
	schedule.cron.minutes |= (schedule.cron.minutes == 0);
	schedule.cron.hours |= (schedule.cron.hours == 0);
	schedule.cron.days |= 2;
	schedule.cron.months |= (schedule.cron.months == 0 ? 2 : 0);
	schedule.cron.weekdays |= (schedule.cron.weekdays == 0);
	return schedule;
}

/* Strictly increasing, bounded; and the three functions agree, whatever the expression. */
static void assert_walk(const struct schedule *schedule, const struct zone *zone, int64_t from_ms)
{
	int64_t at_ms = from_ms;
	uint64_t count = 0;
	for (; count < 6; count++) {
		int64_t next_ms = schedule_next(schedule, zone, at_ms);
		if (next_ms == SCHEDULE_NEVER)
			break;
		assert_true(next_ms > at_ms);
		assert_true(next_ms % 1000 == 0);
		assert_true(schedule_previous(schedule, zone, next_ms - 1, at_ms) == at_ms);
		assert_true(schedule_previous(schedule, zone, next_ms, at_ms) == next_ms);
		at_ms = next_ms;
	}
	assert_true(schedule_count(schedule, zone, from_ms, at_ms, UINT64_MAX) == count);
}

static void next_is_strictly_increasing_over_all_zones(void **state)
{
	(void)state;
	static const char *const names[] = {
		"Europe/Paris",
		"America/New_York",
		"Australia/Lord_Howe",
		"Pacific/Apia",
		"Europe/Dublin",
		"Asia/Kathmandu",
		"Asia/Gaza",
		"Africa/Casablanca",
		"Antarctica/Troll",
		"America/Sao_Paulo",
		"Pacific/Kwajalein",
		"Asia/Pyongyang",
		"America/Caracas",
		"Africa/Monrovia",
		"America/Scoresbysund",
		"Pacific/Chatham",
		"America/Godthab",
		"Antarctica/Casey",
		"UTC",
		"Asia/Tehran",
	};
	struct timespec start;
	struct timespec end;
	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start), 0);
	uint64_t seed = 88172645463325252u;
	for (size_t name = 0; name < sizeof(names) / sizeof(names[0]); name++) {
		const struct zone *zone = named(names[name]);
		for (unsigned round = 0; round < 100; round++) {
			struct schedule schedule = random_schedule(&seed);
			assert_walk(&schedule, zone,
				    (int64_t)(next_random(&seed) % UINT64_C(7258118400000)));
			/* Just before a change of offset, where things happen. */
			int64_t change_s = zone_next_change(
				zone, (int64_t)(next_random(&seed) % UINT64_C(4000000000)));
			if (change_s != INT64_MAX)
				assert_walk(&schedule, zone,
					    (change_s - (int64_t)(next_random(&seed) % 9000)) * 1000);
		}
	}
	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end), 0);
	/* Some 100,000 calls: seconds even under a sanitizer, and hours if one of them stepped by minutes. */
	assert_true(end.tv_sec - start.tv_sec < 30);
}

/* A zone of periods no longer than an hour, with offsets from -24 h to 25 h: nobody's, but a file may say so. */
static void a_hostile_zone_does_no_harm(void **state)
{
	(void)state;
	static struct zone zone;
	uint64_t seed = 4711;
	zone_init_utc(&zone);
	zone.type_count = ZONE_TYPES_MAX;
	for (size_t index = 0; index < ZONE_TYPES_MAX; index++)
		zone.types[index].offset_s = (int32_t)(next_random(&seed) % (49 * 3600)) - 24 * 3600;
	int64_t at_s = 1000000;
	for (size_t index = 0; index < ZONE_TRANSITIONS_MAX; index++) {
		at_s += 1 + (int64_t)(next_random(&seed) % 3600);
		zone.at_s[index] = at_s;
		zone.type_index[index] = (uint8_t)(next_random(&seed) % ZONE_TYPES_MAX);
	}
	zone.transition_count = ZONE_TRANSITIONS_MAX;
	for (unsigned round = 0; round < 300; round++) {
		struct schedule schedule = random_schedule(&seed);
		assert_walk(&schedule, &zone, (int64_t)(next_random(&seed) % 3000000) * 1000);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(fixed_times_fire_once_in_a_gap_and_in_a_fold,
		     "fixed times fire once in a gap and in a fold"),
		CASE(fixed_times_of_one_gap_are_one_fire, "fixed times of one gap are one fire"),
		CASE(wildcards_keep_their_cadence, "wildcards keep their cadence"),
		CASE(rare_dates_are_found_far_ahead, "rare dates are found far ahead"),
		CASE(intervals_count_from_their_anchor, "intervals count from their anchor"),
		CASE(a_time_fires_once, "a time fires once"),
		CASE(a_manual_schedule_never_fires, "a manual schedule never fires"),
		CASE(bad_schedules_are_refused, "bad schedules are refused"),
		CASE(schedules_are_said_in_words, "schedules are said in words"),
		CASE(any_time_may_be_asked_for, "any time may be asked for"),
		CASE(a_year_without_anybody_is_counted_at_once,
		     "a year without anybody is counted at once"),
		CASE(next_is_strictly_increasing_over_all_zones,
		     "next is strictly increasing over zones and expressions"),
		CASE(a_hostile_zone_does_no_harm, "a hostile zone does no harm"),
	};
	return cmocka_run_group_tests(tests, open_zones, close_zones);
}
