#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/io/zonefile.h"
#include "proto/buf.h"

#define CASE(function, sentence)                            \
	{                                                   \
		sentence, function, set_up, tear_down, NULL \
	}

/* A zone directory of our own: {root}/Europe/Paris, Europe/Malta, America/Argentina/Ushuaia, EST, Bad. */
static char root[] = "/tmp/test_zonefile.XXXXXX";
static const char *const folders[] = {"Europe", "America", "America/Argentina", "posix"};
static const char *const names[] = {"Europe/Paris", "Europe/Malta", "America/Argentina/Ushuaia",
				    "EST", "posix/Paris"};
static const char *const texts[] = {"Bad", "tzdata.zi", "+VERSION"};

/* "TZif", version 1, one type of offset -5 h. */
static const uint8_t est_file[] = {'T', 'Z', 'i',  'f',  0,    0,    0, 0, 0,   0,   0,   0, 0, 0,
				   0,   0,   0,    0,    0,    0,    0, 0, 0,   0,   0,   0, 0, 0,
				   0,   0,   0,    0,    0,    0,    0, 0, 0,   0,   0,   1, 0, 0,
				   0,   4,   0xff, 0xff, 0xb9, 0xb0, 0, 0, 'E', 'S', 'T', 0};

static void path_of(const char *name, char ret_path[256])
{
	(void)snprintf(ret_path, 256, "%s/%s", root, name);
}

static void write_file(const char *name, const void *bytes, size_t count)
{
	char path[256];
	path_of(name, path);
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, count, file), count);
	assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
	(void)state;
	memcpy(root, "/tmp/test_zonefile.XXXXXX", sizeof(root));
	if (mkdtemp(root) == NULL)
		return 1;
	char path[256];
	for (size_t index = 0; index < sizeof(folders) / sizeof(folders[0]); index++) {
		path_of(folders[index], path);
		if (mkdir(path, 0700) != 0)
			return 1;
	}
	for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++)
		write_file(names[index], est_file, sizeof(est_file));
	write_file("Bad", "TZif and no more", 16);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	char path[256];
	for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++) {
		path_of(names[index], path);
		(void)unlink(path);
	}
	for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++) {
		path_of(texts[index], path);
		(void)unlink(path);
	}
	for (size_t index = sizeof(folders) / sizeof(folders[0]); index > 0; index--) {
		path_of(folders[index - 1], path);
		(void)rmdir(path);
	}
	return rmdir(root);
}

static struct zonefile *opened(void)
{
	struct zonefile *zonefile = zonefile_new(root);
	assert_non_null(zonefile);
	return zonefile;
}

static void a_zone_is_read_once_and_kept(void **state)
{
	(void)state;
	struct zonefile *zonefile = opened();
	const struct zone *zone = NULL;
	const struct zone *again = NULL;
	assert_int_equal(zonefile_load(zonefile, slice_str("Europe/Paris"), &zone, NULL), ERR_OK);
	assert_int_equal(zone_offset_s(zone, 0), -18000);
	char path[256];
	path_of("Europe/Paris", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(zonefile_load(zonefile, slice_str("Europe/Paris"), &again, NULL), ERR_OK);
	assert_ptr_equal(zone, again);
	assert_int_equal(zonefile_load(zonefile, slice_str("America/Argentina/Ushuaia"), &again, NULL),
			 ERR_OK);
	assert_ptr_not_equal(zone, again);
	zonefile_free(zonefile);
}

static void utc_works_without_any_file(void **state)
{
	(void)state;
	static const char *const utc[] = {"UTC", "Etc/UTC", "UCT", "Zulu", "Etc/Universal"};
	struct zonefile *zonefile = zonefile_new("/nowhere/at/all");
	assert_non_null(zonefile);
	assert_string_equal(zonefile_version(zonefile), "unknown");
	struct zone_source source = zonefile_source(zonefile);
	for (size_t index = 0; index < sizeof(utc) / sizeof(utc[0]); index++) {
		const struct zone *zone = source.find(source.context, slice_str(utc[index]));
		assert_non_null(zone);
		assert_int_equal(zone_offset_s(zone, 1000000), 0);
	}
	assert_null(source.find(source.context, slice_str("Europe/Paris")));
	zonefile_free(zonefile);
	zonefile_free(NULL);
}

static void what_is_no_name_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"",
					  "/",
					  "/etc/passwd",
					  "../Paris",
					  "Europe/../EST",
					  "Europe/",
					  "Europe//Paris",
					  ".hidden",
					  "Europe/.hidden",
					  "Europe Paris",
					  "Europe\n",
					  "EST;rm",
					  "-5",
					  "Z\xc3\xbcrich",
					  "posix/Paris",
					  "right/Paris",
					  "localtime",
					  "posixrules"};
	struct zonefile *zonefile = opened();
	struct problem problem;
	const struct zone *zone = NULL;
	for (size_t index = 0; index < sizeof(bad) / sizeof(bad[0]); index++) {
		if (zonefile_load(zonefile, slice_str(bad[index]), &zone, &problem) != ERR_INVALID)
			fail_msg("'%s' was not refused as it should be", bad[index]);
		assert_null(zone);
	}
	char name[ZONE_NAME_BYTES_MAX + 2];
	memset(name, 'A', sizeof(name));
	assert_int_equal(zonefile_load(zonefile, slice_of(name, sizeof(name) - 1), &zone, &problem),
			 ERR_INVALID);
	assert_int_equal(zonefile_load(zonefile, slice_of(name, sizeof(name) - 2), &zone, &problem),
			 ERR_NOT_FOUND);
	zonefile_free(zonefile);
}

static void an_unknown_name_gets_near_matches(void **state)
{
	(void)state;
	static const char *const table[][2] = {
		{"Europe/Pariss", "Europe/Paris"},
		{"europe/paris", "Europe/Paris"},
		{"paris", "Europe/Paris"},
		{"Ushaia", "America/Argentina/Ushuaia"},
		{"utc", "UTC"},
		{"Atlantis/Deep", ""},
		{"Europe", ""},
		{"est", "EST"},
	};
	struct zonefile *zonefile = opened();
	for (size_t index = 0; index < sizeof(table) / sizeof(table[0]); index++) {
		struct problem problem = {0};
		const struct zone *zone = NULL;
		char near[200];
		assert_int_equal(zonefile_load(zonefile, slice_str(table[index][0]), &zone, &problem),
				 ERR_NOT_FOUND);
		zonefile_suggest(zonefile, slice_str(table[index][0]), near, sizeof(near));
		assert_string_equal(near, table[index][1]);
		assert_non_null(strstr(problem.text, table[index][0]));
		assert_non_null(strstr(problem.hint, near[0] != '\0' ? near : "IANA names are taken"));
	}
	char small[8] = "?";
	zonefile_suggest(zonefile, slice_str("paris"), small, sizeof(small));
	assert_string_equal(small, "");
	zonefile_free(zonefile);
}

static void a_bad_file_is_refused_by_its_name(void **state)
{
	(void)state;
	struct zonefile *zonefile = opened();
	struct problem problem = {0};
	const struct zone *zone = NULL;
	assert_int_equal(zonefile_load(zonefile, slice_str("Bad"), &zone, &problem), ERR_TRUNCATED);
	assert_string_equal(problem.text, "time zone Bad: zone file: ends within a header");
	static char large[ZONE_FILE_BYTES_MAX + 100];
	write_file("Bad", large, sizeof(large));
	assert_int_equal(zonefile_load(zonefile, slice_str("Bad"), &zone, &problem), ERR_FULL);
	assert_int_equal(zonefile_load(zonefile, slice_str("America"), &zone, &problem), ERR_NOT_FOUND);
	assert_null(zone);
	zonefile_free(zonefile);
}

static void the_version_is_found(void **state)
{
	(void)state;
	static const struct {
		const char *tzdata, *version, *wanted;
	} table[] = {
		{"# version 2025b\n# more\n", NULL, "2025b"},
		{"# version \x1b[31m\n", "2024a\n", "2024a"},
		{"# nothing\n", "2024a", "2024a"},
		{"", "", "unknown"},
		{"# version aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
		 NULL, "unknown"},
	};
	for (size_t index = 0; index < sizeof(table) / sizeof(table[0]); index++) {
		write_file("tzdata.zi", table[index].tzdata, strlen(table[index].tzdata));
		if (table[index].version != NULL)
			write_file("+VERSION", table[index].version, strlen(table[index].version));
		struct zonefile *zonefile = opened();
		assert_string_equal(zonefile_version(zonefile), table[index].wanted);
		zonefile_free(zonefile);
	}
	char longest[600];
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_null(zonefile_new(longest));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(a_zone_is_read_once_and_kept, "a zone is read once and kept"),
		CASE(utc_works_without_any_file, "UTC works without any file"),
		CASE(what_is_no_name_is_refused, "what is no name is refused"),
		CASE(an_unknown_name_gets_near_matches, "an unknown name gets near matches"),
		CASE(a_bad_file_is_refused_by_its_name, "a bad file is refused by its name"),
		CASE(the_version_is_found, "the version is found"),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
