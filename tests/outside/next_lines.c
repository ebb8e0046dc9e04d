/* Answers schedule questions by the line, so that a comparison can ask thousands of them in one process.
 *
 *   next EXPR ZONE FROM_MS N        the next N fires after FROM_MS, in ms, separated by blanks; "never" ends it
 *   previous EXPR ZONE BEFORE FLOOR the latest fire <= BEFORE and > FLOOR, or FLOOR
 *   count EXPR ZONE FROM TO         the number of fires in (FROM, TO]
 *   offset ZONE UTC_S               the zone's offset in seconds at this instant
 *   change ZONE UTC_S               the next instant at which the offset changes, or "never"
 *   changes ZONE UTC_S N            the next N of them, separated by blanks; "never" ends it
 *   local ZONE LOCAL_S              the instants at which the clock shows this, none to two
 *   words EXPR                      the expression in words
 *
 * Words are separated by tabs. What cannot be answered is "error TEXT". Zones come from the directory that
 * is the first argument, or the system's. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/schedule.h"
#include "agent/io/zonefile.h"
#include "proto/buf.h"

#define WORDS_MAX 6
#define LINE_BYTES_MAX 1024

static int64_t number(const char *text)
{
	return strtoll(text, NULL, 10);
}

static int split(char *line, char *ret_words[WORDS_MAX])
{
	int count = 0;
	line[strcspn(line, "\n")] = '\0';
	for (char *word = line; word != NULL && count < WORDS_MAX;) {
		char *tab = strchr(word, '\t');
		ret_words[count++] = word;
		if (tab != NULL)
			*tab++ = '\0';
		word = tab;
	}
	return count;
}

static void answer_zone(char *const *words, const struct zone *zone)
{
	int64_t time_s = number(words[2]);
	if (strcmp(words[0], "offset") == 0) {
		printf("%" PRId32 "\n", zone_offset_s(zone, time_s));
	} else if (strcmp(words[0], "change") == 0) {
		int64_t change_s = zone_next_change(zone, time_s);
		if (change_s == INT64_MAX)
			puts("never");
		else
			printf("%" PRId64 "\n", change_s);
	} else {
		int64_t utc_s[2];
		unsigned count = zone_instants(zone, time_s, utc_s);
		for (unsigned index = 0; index < count; index++)
			printf("%s%" PRId64, index == 0 ? "" : " ", utc_s[index]);
		putchar('\n');
	}
}

static void answer_schedule(char *const *words, const struct schedule *schedule, const struct zone *zone)
{
	int64_t first = number(words[3]);
	int64_t second = number(words[4]);
	if (strcmp(words[0], "previous") == 0) {
		printf("%" PRId64 "\n", schedule_previous(schedule, zone, first, second));
	} else if (strcmp(words[0], "count") == 0) {
		printf("%" PRIu64 "\n", schedule_count(schedule, zone, first, second, UINT64_MAX));
	} else {
		for (int64_t index = 0; index < second; index++) {
			first = schedule_next(schedule, zone, first);
			if (first == SCHEDULE_NEVER) {
				printf("%snever", index == 0 ? "" : " ");
				break;
			}
			printf("%s%" PRId64, index == 0 ? "" : " ", first);
		}
		putchar('\n');
	}
}

static void answer_changes(char *const *words, const struct zone *zone)
{
	int64_t at_s = number(words[2]);
	int64_t count = number(words[3]);
	for (int64_t index = 0; index < count && at_s != INT64_MAX; index++) {
		at_s = zone_next_change(zone, at_s);
		if (at_s == INT64_MAX)
			printf("%snever", index == 0 ? "" : " ");
		else
			printf("%s%" PRId64, index == 0 ? "" : " ", at_s);
	}
	putchar('\n');
}

static void answer(struct zonefile *zones, char *const *words, int count)
{
	struct problem problem = {.text = "a line of another form is expected"};
	const struct zone *zone = NULL;
	struct schedule schedule;
	bool is_zone = strcmp(words[0], "offset") == 0 || strcmp(words[0], "change") == 0 ||
		       strcmp(words[0], "local") == 0;
	if (is_zone && count == 3) {
		if (zonefile_load(zones, slice_str(words[1]), &zone, &problem) == ERR_OK) {
			answer_zone(words, zone);
			return;
		}
	} else if (strcmp(words[0], "changes") == 0 && count == 4) {
		if (zonefile_load(zones, slice_str(words[1]), &zone, &problem) == ERR_OK) {
			answer_changes(words, zone);
			return;
		}
	} else if (strcmp(words[0], "words") == 0 && count == 2) {
		char text[SCHEDULE_WORDS_BYTES_MAX];
		if (schedule_parse_cron(slice_str(words[1]), &schedule, &problem) == ERR_OK &&
		    schedule_describe(&schedule, text, sizeof(text)) == ERR_OK) {
			puts(text);
			return;
		}
	} else if (count == 5) {
		if (schedule_parse_cron(slice_str(words[1]), &schedule, &problem) == ERR_OK &&
		    zonefile_load(zones, slice_str(words[2]), &zone, &problem) == ERR_OK) {
			answer_schedule(words, &schedule, zone);
			return;
		}
	}
	printf("error %s\n", problem.text);
}

int main(int argc, char **argv)
{
	struct zonefile *zones = zonefile_new(argc > 1 ? argv[1] : NULL);
	if (zones == NULL)
		return 1;
	char line[LINE_BYTES_MAX];
	while (fgets(line, sizeof(line), stdin) != NULL) {
		char *words[WORDS_MAX];
		int count = split(line, words);
		answer(zones, words, count);
	}
	zonefile_free(zones);
	return 0;
}
