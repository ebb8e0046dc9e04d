/* Any bytes as an expression: the parser must refuse or accept them, and what it accepts must behave. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "agent/core/cron_match.h"
#include "agent/core/schedule.h"
#include "proto/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

static void check_cron(const struct cron *cron)
{
	static struct zone zone;
	const int64_t end_s = INT64_C(7258118400);
	zone_init_utc(&zone);
	assert(cron->seconds != 0 && cron->minutes != 0 && cron->hours != 0);
	assert(cron->days != 0 && cron->months != 0 && cron->weekdays != 0);
	int64_t first_s = cron_first(cron, 0, end_s);
	assert(first_s != CRON_NONE);
	assert(cron_last(cron, 0, first_s + 1) == first_s);
	assert(cron_count(cron, 0, first_s + 1) == 1);
	int64_t last_s = cron_last(cron, 0, end_s);
	assert(cron_first(cron, last_s, end_s) == last_s);
	assert(cron_first(cron, last_s + 1, end_s) == CRON_NONE);
	assert(cron_fires_per_day_max(cron) <= 86400);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
	struct schedule schedule;
	struct problem problem = {0};
	enum err err = schedule_parse_cron(slice_of(bytes, bytes_count), &schedule, &problem);
	if (err != ERR_OK) {
		assert(problem.code == err && strlen(problem.text) > 0);
		return 0;
	}
	char text[SCHEDULE_WORDS_BYTES_MAX];
	err = schedule_describe(&schedule, text, sizeof(text));
	assert(err == ERR_OK && strlen(text) > 0);
	if (schedule.kind == SCHEDULE_CRON)
		check_cron(&schedule.cron);
	return 0;
}
