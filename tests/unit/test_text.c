#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "proto/buf.h"
#include "proto/limits.h"
#include "proto/text.h"

#define CASE(function, sentence)                     \
	{                                            \
		sentence, function, NULL, NULL, NULL \
	}
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- names ---- */

static void a_job_name_gets_its_group(void **state)
{
	(void)state;
	static const struct {
		const char *text, *full, *shown;
	} cases[] = {
		{"backup", "default/backup", "backup"},
		{"default/backup", "default/backup", "backup"},
		{"etl/orders-001", "etl/orders-001", "etl/orders-001"},
		{"defaults/x", "defaults/x", "defaults/x"},
		{"0/A.b_c-d", "0/A.b_c-d", "0/A.b_c-d"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char full[JOB_NAME_BYTES_MAX + 1];
		assert_int_equal(text_parse_job_name(slice_str(cases[i].text), full, NULL), ERR_OK);
		assert_string_equal(full, cases[i].full);
		assert_string_equal(text_job_display(full), cases[i].shown);
	}
	char longest[JOB_NAME_BYTES_MAX + 1];
	memset(longest, 'a', sizeof(longest));
	longest[NAME_PART_BYTES_MAX] = '/';
	longest[JOB_NAME_BYTES_MAX] = '\0';
	char full[JOB_NAME_BYTES_MAX + 1];
	assert_int_equal(text_parse_job_name(slice_str(longest), full, NULL), ERR_OK);
	assert_string_equal(full, longest);
}

static void other_job_names_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"",          "/",   "a/",          "/a",   "a/b/c",
					  "-a",        ".a",  "a b",         "a/_b", "a\x1b[m",
					  "h\xc3\xa9", "a@b", "a/b@2025-01", "a#1"};
	char full[JOB_NAME_BYTES_MAX + 1] = "untouched";
	struct problem problem;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(text_parse_job_name(slice_str(bad[i]), full, &problem), ERR_INVALID);
		assert_null(strchr(problem.text, '\x1b'));
	}
	assert_string_equal(full, "untouched");
	char long_name[NAME_PART_BYTES_MAX + 2];
	memset(long_name, 'a', sizeof(long_name));
	assert_int_equal(text_parse_job_name(slice_of(long_name, sizeof(long_name) - 1), full, &problem),
			 ERR_RANGE);
	assert_int_equal(text_parse_job_name(slice_str("a b"), full, &problem), ERR_INVALID);
	assert_string_equal(problem.text, "the job name \"a b\" has at character 2 what no name has");
	assert_int_equal(text_parse_job_name(slice_of("a\0b", 3), full, &problem), ERR_INVALID);
}

static void node_names_are_one_label(void **state)
{
	(void)state;
	char name[NODE_NAME_BYTES_MAX + 1];
	memset(name, 'n', sizeof(name));
	assert_int_equal(text_check_node_name(slice_of(name, NODE_NAME_BYTES_MAX), NULL), ERR_OK);
	assert_int_equal(text_check_node_name(slice_of(name, NODE_NAME_BYTES_MAX + 1), NULL), ERR_RANGE);
	assert_int_equal(text_check_node_name(slice_str("n07.dc-1_a"), NULL), ERR_OK);
	assert_int_equal(text_check_node_name(slice_str(""), NULL), ERR_INVALID);
	assert_int_equal(text_check_node_name(slice_str("a/b"), NULL), ERR_INVALID);
}

/* ---- numbers ---- */

static void whole_numbers_keep_to_their_bounds(void **state)
{
	(void)state;
	int64_t value = 77;
	struct problem problem;
	assert_int_equal(text_parse_i64(slice_str("9223372036854775807"), INT64_MIN, INT64_MAX,
					&value, NULL),
			 ERR_OK);
	assert_true(value == INT64_MAX);
	assert_int_equal(text_parse_i64(slice_str("-9223372036854775808"), INT64_MIN, INT64_MAX,
					&value, NULL),
			 ERR_OK);
	assert_true(value == INT64_MIN);
	assert_int_equal(text_parse_i64(slice_str("-0"), 0, 9, &value, NULL), ERR_OK);
	assert_true(value == 0);
	assert_int_equal(text_parse_i64(slice_str("007"), 0, 9, &value, NULL), ERR_OK);
	assert_true(value == 7);
	static const char *const outside[] = {"10", "-1", "9223372036854775808",
					      "-9223372036854775809", "99999999999999999999999"};
	for (size_t i = 0; i < COUNT(outside); i++)
		assert_int_equal(text_parse_i64(slice_str(outside[i]), 0, 9, &value, &problem),
				 ERR_RANGE);
	assert_string_equal(problem.text, "\"99999999999999999999999\" is not between 0 and 9");
	static const char *const bad[] = {
		"", "-", "+1", " 1", "1 ", "1.0", "0x1", "--1", "99999999999999999999999x"};
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(text_parse_i64(slice_str(bad[i]), 0, 9, &value, &problem), ERR_INVALID);
	assert_true(value == 7);
}

static void durations_come_back_exactly(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ms;
		const char *again;
	} cases[] = {
		{"90s", 90000, "1m30s"},
		{"5m", 300000, "5m"},
		{"1h", 3600000, "1h"},
		{"2d", 172800000, "2d"},
		{"1h30m", 5400000, "1h30m"},
		{"250ms", 250, "250ms"},
		{"0s", 0, "0s"},
		{"0ms", 0, "0s"},
		{"1d1h1m1s1ms", 90061001, "1d1h1m1s1ms"},
		{"1m5ms", 60005, "1m5ms"},
		{"100h", 360000000, "4d4h"},
		{"106751991167d7h12m55s807ms", INT64_MAX, "106751991167d7h12m55s807ms"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t ms = -1;
		assert_int_equal(text_parse_duration(slice_str(cases[i].text), &ms, NULL), ERR_OK);
		assert_true(ms == cases[i].ms);
		char again[TEXT_DURATION_BYTES];
		text_format_duration(ms, again);
		assert_string_equal(again, cases[i].again);
	}
	char text[TEXT_DURATION_BYTES];
	text_format_duration(INT64_MIN, text);
	assert_string_equal(text, "-106751991167d7h12m55s808ms");
	text_format_duration(-1500, text);
	assert_string_equal(text, "-1s500ms");
}

static void other_durations_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum err err;
		const char *part;
	} cases[] = {
		{"", ERR_INVALID, "a number is missing"},
		{"90", ERR_INVALID, "a unit is missing"},
		{"s", ERR_INVALID, "a number is missing"},
		{"-5s", ERR_INVALID, "a number is missing"},
		{"5w", ERR_INVALID, "the units are"},
		{"5 s", ERR_INVALID, "the units are"},
		{"1m1h", ERR_INVALID, "large to small"},
		{"1s1s", ERR_INVALID, "large to small"},
		{"1.5h", ERR_INVALID, "the units are"},
		{"5S", ERR_INVALID, "the units are"},
		{"1h30", ERR_INVALID, "a unit is missing"},
		{"106751991168d", ERR_RANGE, "longer"},
		{"106751991167d8h", ERR_RANGE, "longer"},
		{"99999999999999999999ms", ERR_RANGE, "longer"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t ms = 77;
		struct problem problem;
		assert_int_equal(text_parse_duration(slice_str(cases[i].text), &ms, &problem),
				 cases[i].err);
		assert_non_null(strstr(problem.text, cases[i].part));
		assert_true(ms == 77);
	}
}

static void spans_are_short(void **state)
{
	(void)state;
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{0, "0.00s"},
		{50, "0.05s"},
		{119, "0.11s"},
		{199, "0.19s"},
		{200, "0.2s"},
		{999, "0.9s"},
		{1200, "1.2s"},
		{41290, "41.2s"},
		{59999, "59.9s"},
		{60000, "1m00s"},
		{271000, "4m31s"},
		{3599999, "59m59s"},
		{3720000, "1h02m"},
		{86399999, "23h59m"},
		{86400000, "1d"},
		{1036800000, "12d"},
		{-5, "0.00s"},
		{-1500, "-1.5s"},
		{INT64_MAX, "106751991167d"},
		{INT64_MIN, "-106751991167d"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[TEXT_DURATION_BYTES];
		text_format_span(cases[i].ms, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void sizes_are_powers_of_1024(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {
		{"0", 0},
		{"123", 123},
		{"64K", 65536},
		{"1M", 1u << 20},
		{"2G", 1ull << 31},
		{"1T", 1ull << 40},
		{"18446744073709551615", UINT64_MAX},
		{"16777215T", 16777215ull << 40},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t bytes = 77;
		assert_int_equal(text_parse_size(slice_str(cases[i].text), &bytes, NULL), ERR_OK);
		assert_true(bytes == cases[i].bytes);
	}
	static const char *const bad[] = {
		"", "K", "1k", "1MB", "1 M", "-1", "1.5M", "1KM", "99999999999999999999Q"};
	uint64_t bytes = 77;
	struct problem problem;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(text_parse_size(slice_str(bad[i]), &bytes, &problem), ERR_INVALID);
	static const char *const outside[] = {"18446744073709551616", "16777216T",
					      "99999999999999999999K"};
	for (size_t i = 0; i < COUNT(outside); i++)
		assert_int_equal(text_parse_size(slice_str(outside[i]), &bytes, &problem), ERR_RANGE);
	assert_true(bytes == 77);
}

/* ---- time ---- */

static void instants_are_read_with_their_zone(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t utc_ms;
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2025-03-30T02:30:00Z", 1743301800000},
		{"2025-03-30t02:30:00z", 1743301800000},
		{"2025-03-30T02:30:00+01:00", 1743298200000},
		{"2025-03-29T21:00:00-05:30", 1743301800000},
		{"2025-03-30T02:30:00.5Z", 1743301800500},
		{"2025-03-30T02:30:00.25Z", 1743301800250},
		{"2025-03-30T02:30:00.007+00:00", 1743301800007},
		{"2024-02-29T23:59:59Z", 1709251199000},
		{"2000-02-29T00:00:00Z", 951782400000},
		{"2199-12-31T23:59:59.999Z", 7258118399999},
		{"1970-01-01T01:00:00+01:00", 0},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t utc_ms = 77;
		assert_int_equal(text_parse_rfc3339(slice_str(cases[i].text), &utc_ms, NULL), ERR_OK);
		assert_true(utc_ms == cases[i].utc_ms);
	}
}

static void other_instants_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum err err;
		const char *part;
	} cases[] = {
		{"", ERR_INVALID, "not an instant"},
		{"tomorrow", ERR_INVALID, "not an instant"},
		{"2025-03-30", ERR_INVALID, "not an instant"},
		{"2025-03-30 02:30:00Z", ERR_INVALID, "not an instant"},
		{"2025-03-30T02:30:00", ERR_INVALID, "zone is missing"},
		{"2025-03-30T02:30:00.5", ERR_INVALID, "zone is missing"},
		{"2025-03-30T02:30:00.Z", ERR_INVALID, "not an instant"},
		{"2025-03-30T02:30:00.1234Z", ERR_INVALID, "not an instant"},
		{"2025-03-30T02:30:00Zx", ERR_INVALID, "not an instant"},
		{"2025-03-30T02:30:00+1:00", ERR_INVALID, "not an instant"},
		{"2025-03-30T02:30:00+24:00", ERR_INVALID, "not an instant"},
		{"2025-03-30T02:30:00+00:60", ERR_INVALID, "not an instant"},
		{"2025-3-30T02:30:00Z", ERR_INVALID, "not an instant"},
		{"-025-03-30T02:30:00Z", ERR_INVALID, "not an instant"},
		{"2025-13-30T02:30:00Z", ERR_RANGE, "month"},
		{"2025-00-30T02:30:00Z", ERR_RANGE, "month"},
		{"2025-02-29T02:30:00Z", ERR_RANGE, "no such day"},
		{"2100-02-29T02:30:00Z", ERR_RANGE, "no such day"},
		{"2025-04-31T02:30:00Z", ERR_RANGE, "no such day"},
		{"2025-04-00T02:30:00Z", ERR_RANGE, "no such day"},
		{"2025-03-30T24:00:00Z", ERR_RANGE, "hour"},
		{"2025-03-30T23:60:00Z", ERR_RANGE, "minute"},
		{"2016-12-31T23:59:60Z", ERR_RANGE, "second"},
		{"1969-12-31T23:59:59Z", ERR_RANGE, "1970"},
		{"1970-01-01T00:30:00+01:00", ERR_RANGE, "1970"},
		{"2200-01-01T00:00:00Z", ERR_RANGE, "2199"},
		{"9999-01-01T00:00:00Z", ERR_RANGE, "2199"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t utc_ms = 77;
		struct problem problem;
		assert_int_equal(text_parse_rfc3339(slice_str(cases[i].text), &utc_ms, &problem),
				 cases[i].err);
		assert_non_null(strstr(problem.text, cases[i].part));
		assert_true(utc_ms == 77);
	}
}

static void instants_are_written_as_they_are_read(void **state)
{
	(void)state;
	char text[TEXT_TIME_BYTES];
	text_format_time(1743301800000, text);
	assert_string_equal(text, "2025-03-30T02:30:00Z");
	text_format_time(1743301800007, text);
	assert_string_equal(text, "2025-03-30T02:30:00.007Z");
	text_format_time_ms(1743301800000, text);
	assert_string_equal(text, "2025-03-30T02:30:00.000Z");
	text_format_clock(1743301800007, text);
	assert_string_equal(text, "02:30:00");
	text_format_time(-1, text);
	assert_string_equal(text, "1969-12-31T23:59:59.999Z");
	text_format_time(INT64_MIN, text);
	assert_string_equal(text, "-292275055-05-16T16:47:04.192Z");
	text_format_time_ms(INT64_MAX, text);
	assert_string_equal(text, "292278994-08-17T07:12:55.807Z");
}

/* Against the C library, all over the years that are taken. */
static void the_calendar_is_that_of_the_c_library(void **state)
{
	(void)state;
	for (int64_t utc_s = 0; utc_s < 7258118400; utc_s += 86400 * 3 + 12347) {
		time_t moment = (time_t)utc_s;
		struct tm civil;
		assert_non_null(gmtime_r(&moment, &civil));
		char wanted[64];
		assert_true(strftime(wanted, sizeof(wanted), "%Y-%m-%dT%H:%M:%SZ", &civil) > 0);
		char text[TEXT_TIME_BYTES];
		text_format_time(utc_s * 1000, text);
		assert_string_equal(text, wanted);
		int64_t back;
		assert_int_equal(text_parse_rfc3339(slice_str(text), &back, NULL), ERR_OK);
		assert_true(back == utc_s * 1000);
	}
}

/* ---- ids, addresses, runs ---- */

static void ids_are_32_hex_digits(void **state)
{
	(void)state;
	static const char text[] = "00ff10a5deadbeef0123456789abcdef";
	struct id128 id;
	assert_int_equal(text_parse_id(slice_str(text), &id, NULL), ERR_OK);
	assert_int_equal(id.bytes[1], 0xff);
	assert_int_equal(id.bytes[15], 0xef);
	char again[TEXT_ID_BYTES];
	text_format_id(id, again);
	assert_string_equal(again, text);
	struct id128 upper;
	assert_int_equal(text_parse_id(slice_str("00FF10A5DEADBEEF0123456789ABCDEF"), &upper, NULL),
			 ERR_OK);
	assert_true(id128_equal(id, upper));
	static const char *const bad[] = {"",
					  "00",
					  "00ff10a5deadbeef0123456789abcde",
					  "00ff10a5deadbeef0123456789abcdef0",
					  "00ff10a5deadbeef0123456789abcdeg",
					  "00ff10a5deadbeef0123456789abcd:f"};
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(text_parse_id(slice_str(bad[i]), &upper, NULL), ERR_INVALID);
	assert_true(id128_equal(id, upper));
}

static void addresses_come_back(void **state)
{
	(void)state;
	static const struct {
		const char *text, *again;
	} cases[] = {
		{"127.0.0.1", "127.0.0.1:7420"},
		{"127.0.0.1:1", "127.0.0.1:1"},
		{"10.0.3.7:65535", "10.0.3.7:65535"},
		{"::1", "[::1]:7420"},
		{"[::1]", "[::1]:7420"},
		{"[fd00::7]:99", "[fd00::7]:99"},
		{"[::ffff:1.2.3.4]:5", "1.2.3.4:5"},
		{"2001:DB8::A", "[2001:db8::a]:7420"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct address address;
		struct problem problem;
		assert_int_equal(text_parse_address(slice_str(cases[i].text), 7420, &address, &problem),
				 ERR_OK);
		char again[TEXT_ADDRESS_BYTES];
		text_format_address(&address, again);
		assert_string_equal(again, cases[i].again);
		struct address back;
		assert_int_equal(text_parse_address(slice_str(again), 1, &back, NULL), ERR_OK);
		assert_true(address_equal(&address, &back));
	}
	struct address none = {.family = 0};
	char text[TEXT_ADDRESS_BYTES];
	text_format_address(&none, text);
	assert_string_equal(text, "-");
	struct address longest = {.family = 6, .port = 65535};
	memset(longest.ip, 0xff, sizeof(longest.ip));
	text_format_address(&longest, text);
	assert_string_equal(text, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

static void other_addresses_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		":",
		":80",
		"127.0.0.1:",
		"127.0.0",
		"127.0.0.1.2",
		"127.0.0.256",
		"localhost",
		"localhost:80",
		"[",
		"[]",
		"[]:80",
		"[::1",
		"[::1]80",
		"[::1]:",
		"[127.0.0.1]:80",
		"::1]:80",
		"[::1%lo]:80",
		"1.2.3.4:x",
		"1.2.3.4: 80",
		"fe80::1%eth0",
		"[::1]x",
		"01.2.3.4",
		"1.2.3.4:-1x",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc",
	};
	struct address address = {.family = 4, .port = 77};
	struct problem problem;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(text_parse_address(slice_str(bad[i]), 7420, &address, &problem),
				 ERR_INVALID);
	assert_int_equal(text_parse_address(slice_of("1.2.3.4\0", 8), 7420, &address, &problem),
			 ERR_INVALID);
	static const char *const outside[] = {"1.2.3.4:0", "1.2.3.4:65536", "[::1]:-1",
					      "1.2.3.4:99999999999999999999"};
	for (size_t i = 0; i < COUNT(outside); i++)
		assert_int_equal(text_parse_address(slice_str(outside[i]), 7420, &address, &problem),
				 ERR_RANGE);
	assert_int_equal(address.port, 77);
}

static void runs_are_named_by_job_fire_shard_and_attempt(void **state)
{
	(void)state;
	struct run_key key = {.job = {{1, 2, 3}}, .t_ms = 1743301800000, .shard = 0, .attempt = 1};
	char text[RUN_NAME_BYTES_MAX + 1];
	text_format_run("default/backup", &key, text, sizeof(text));
	assert_string_equal(text, "backup@2025-03-30T02:30:00Z/0#1");
	char short_id[RUN_SHORT_BYTES + 1];
	text_format_run_short(&key, short_id);
	assert_string_equal(short_id, "b120567d");
	key.manual = (struct id128){{0xc7, 0xf2, 0xa1, 0x55}};
	key.shard = 65535;
	key.attempt = 65535;
	text_format_run("etl/orders", &key, text, sizeof(text));
	assert_string_equal(text, "etl/orders@2025-03-30T02:30:00Z+c7f2a1/65535#65535");
	/* A small array gets what fits. */
	text_format_run("etl/orders", &key, text, 8);
	assert_string_equal(text, "etl/ord");
	/* The longest name fits the bound. */
	char job[JOB_NAME_BYTES_MAX + 1];
	memset(job, 'j', sizeof(job));
	job[JOB_NAME_BYTES_MAX] = '\0';
	key.t_ms = INT64_MIN;
	text_format_run(job, &key, text, sizeof(text));
	assert_non_null(strstr(text, "#65535"));
}

/* ---- UTF-8 ---- */

static void only_shortest_forms_of_characters_are_utf8(void **state)
{
	(void)state;
	static const char *const good[] = {"",
					   "a",
					   "\x7f",
					   "\xc2\x80",
					   "\xdf\xbf",
					   "\xe0\xa0\x80",
					   "\xed\x9f\xbf",
					   "\xee\x80\x80",
					   "\xef\xbf\xbf",
					   "\xf0\x90\x80\x80",
					   "\xf4\x8f\xbf\xbf"};
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(text_is_utf8(slice_str(good[i])));
	static const char *const bad[] = {"\x80",
					  "\xbf",
					  "\xc0\x80",
					  "\xc1\xbf",
					  "\xc2",
					  "\xc2 ",
					  "\xe0\x80\x80",
					  "\xe0\x9f\xbf",
					  "\xe2\x82",
					  "\xed\xa0\x80",
					  "\xed\xbf\xbf",
					  "\xf0\x80\x80\x80",
					  "\xf0\x8f\xbf\xbf",
					  "\xf4\x90\x80\x80",
					  "\xf5\x80\x80\x80",
					  "\xff",
					  "a\xf0\x9f\x98",
					  "\xf8\x88\x80\x80\x80"};
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(text_is_utf8(slice_str(bad[i])));
	assert_false(text_is_utf8(slice_of("a\0b", 3)));
}

static void code_points_are_stepped_through(void **state)
{
	(void)state;
	struct slice rest = slice_of("a\xc3\xa9\xff\xf0\x9f\x98\x80\0\xe2\x82", 11);
	static const uint32_t wanted[] = {'a', 0xe9, 0xfffd, 0x1f600, 0xfffd, 0xfffd, 0xfffd, 0, 0};
	for (size_t i = 0; i < COUNT(wanted); i++)
		assert_int_equal(text_next_code_point(&rest), wanted[i]);
}

static void cells_are_counted_as_a_terminal_does(void **state)
{
	(void)state;
	static const struct {
		uint32_t code_point;
		int cells;
	} cases[] = {
		{'a', 1},     {0x7e, 1},    {0xa0, 1},    {0xad, 1},    {0xe9, 1},     {0x300, 0},
		{0x20ac, 1},  {0x4e2d, 2},  {0xac00, 2},  {0x1100, 2},  {0x1161, 0},   {0xff21, 2},
		{0xff71, 1},  {0x1f600, 2}, {0x1f680, 2}, {0x1faf8, 2}, {0x200b, 0},   {0x200d, 0},
		{0xfe0f, 0},  {0xfeff, 0},  {0x2588, 1},  {0x2582, 1},  {0xfffd, 1},   {0x3000, 2},
		{0x20000, 2}, {0x3134a, 2}, {0xe0100, 0}, {0x1f1e9, 1}, {0x10ffff, 1}, {0x231a, 2},
		{0x2764, 1},  {0, -1},      {0x1b, -1},   {'\t', -1},   {0x7f, -1},    {0x80, -1},
		{0x9f, -1},   {0x1e4ec, 0}, {0x1f6dc, 2}, {0x3099, 0},  {0x115f, 2},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(text_cells_of(cases[i].code_point), cases[i].cells);
	assert_int_equal(text_cells(slice_str("na\xc3\xafve")), 5);
	assert_int_equal(text_cells(slice_str("e\xcc\x81")), 1);
	assert_int_equal(text_cells(slice_str("\xe4\xb8\xad\xe6\x96\x87")), 4);
	assert_int_equal(text_cells(slice_str("a\x1b[\xff")), 5);
}

static void what_is_shown_has_no_control_left(void **state)
{
	(void)state;
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{"plain", "plain"},
		{"\x1b[31m\n", "^[[31m^J"},
		{"\t\x7f", "^I^?"},
		{"a\xc2\x9b"
		 "31m",
		 "a\xef\xbf\xbd"
		 "31m"},
		{"\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"a\xe2\x80\xae"
		 "b",
		 "a\xef\xbf\xbd"
		 "b"},
		{"\xd8\x9c", "\xef\xbf\xbd"},
		{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char shown[64];
		text_escape(slice_str(cases[i].text), shown, sizeof(shown));
		assert_string_equal(shown, cases[i].shown);
		assert_int_equal(text_cells(slice_str(cases[i].text)), text_cells(slice_str(shown)));
	}
	char shown[8];
	text_escape(slice_of("a\0b", 3), shown, sizeof(shown));
	assert_string_equal(shown, "a\xef\xbf\xbd"
				   "b");
	/* A character that does not fit is not cut in two. */
	for (size_t bytes = 1; bytes <= sizeof(shown); bytes++) {
		memset(shown, 'x', sizeof(shown));
		text_escape(slice_str("\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"), shown, bytes);
		assert_int_equal(strlen(shown), (bytes - 1) / 3 * 3);
	}
	text_escape(slice_str("abc"), shown, 0);
}

static void a_quoted_text_says_that_it_was_cut(void **state)
{
	(void)state;
	char quoted[TEXT_QUOTE_BYTES];
	assert_string_equal(text_quote(slice_str("a\nb"), quoted), "\"a^Jb\"");
	assert_string_equal(text_quote(slice_str(""), quoted), "\"\"");
	char text[300];
	for (size_t offset = 0; offset < 4; offset++) {
		size_t used = offset;
		memset(text, 'a', offset);
		for (; used + 3 <= sizeof(text); used += 3)
			memcpy(text + used, "\xe2\x82\xac", 3);
		(void)text_quote(slice_of(text, used), quoted);
		size_t bytes = strlen(quoted);
		assert_true(bytes < TEXT_QUOTE_BYTES && bytes > TEXT_QUOTE_BYTES - 5);
		assert_string_equal(quoted + bytes - 4, "...\"");
		assert_true(text_is_utf8(slice_str(quoted)));
	}
}

static void a_mistyped_word_names_its_neighbour(void **state)
{
	(void)state;
	static const char *const words[] = {"command", "cron",  "cwd", "description",
					    "enabled", "every", "at",  "tz"};
	assert_string_equal(text_nearest("comand", words, COUNT(words)), "command");
	assert_string_equal(text_nearest("corn", words, COUNT(words)), "cron");
	assert_string_equal(text_nearest("enabeld", words, COUNT(words)), "enabled");
	assert_string_equal(text_nearest("descripton", words, COUNT(words)), "description");
	assert_string_equal(text_nearest("evry", words, COUNT(words)), "every");
	assert_string_equal(text_nearest("cron", words, COUNT(words)), "cron");
	assert_null(text_nearest("nothing", words, COUNT(words)));
	assert_null(text_nearest("", words, COUNT(words)));
	assert_null(text_nearest("xq", words, COUNT(words)));
	assert_null(text_nearest("cron", words, 0));
	char long_word[200];
	memset(long_word, 'c', sizeof(long_word));
	long_word[sizeof(long_word) - 1] = '\0';
	assert_null(text_nearest(long_word, words, COUNT(words)));
	long_word[64] = '\0';
	assert_null(text_nearest(long_word, words, COUNT(words)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_job_name_gets_its_group,
		     "a job name gets its group, which is not shown when it is the default"),
		CASE(other_job_names_are_refused, "other job names are refused"),
		CASE(node_names_are_one_label, "node names are one label"),
		CASE(whole_numbers_keep_to_their_bounds, "whole numbers keep to their bounds"),
		CASE(durations_come_back_exactly, "durations come back exactly"),
		CASE(other_durations_are_refused, "other durations are refused"),
		CASE(spans_are_short, "spans are short and never more than they are"),
		CASE(sizes_are_powers_of_1024, "sizes are powers of 1024"),
		CASE(instants_are_read_with_their_zone, "instants are read with their zone"),
		CASE(other_instants_are_refused, "other instants are refused"),
		CASE(instants_are_written_as_they_are_read, "instants are written as they are read"),
		CASE(the_calendar_is_that_of_the_c_library, "the calendar is that of the C library"),
		CASE(ids_are_32_hex_digits, "ids are 32 hex digits"),
		CASE(addresses_come_back, "addresses come back"),
		CASE(other_addresses_are_refused, "other addresses are refused"),
		CASE(runs_are_named_by_job_fire_shard_and_attempt,
		     "runs are named by job, fire, shard and attempt"),
		CASE(only_shortest_forms_of_characters_are_utf8,
		     "only the shortest forms of characters are UTF-8"),
		CASE(code_points_are_stepped_through, "code points are stepped through"),
		CASE(cells_are_counted_as_a_terminal_does, "cells are counted as a terminal does"),
		CASE(what_is_shown_has_no_control_left, "what is shown has no control left"),
		CASE(a_quoted_text_says_that_it_was_cut, "a quoted text says that it was cut"),
		CASE(a_mistyped_word_names_its_neighbour, "a mistyped word names its neighbour"),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
