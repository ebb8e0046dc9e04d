/* Any bytes as a zone file: the reader must refuse or accept them, and what it accepts must behave. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "agent/core/schedule.h"
#include "agent/core/zone.h"
#include "proto/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

/* Periods follow one another without a hole, from minus infinity to infinity. */
static void check_periods(const struct zone *zone)
{
	struct zone_period period = zone_period_at(zone, INT64_MIN);
	assert(period.start_s == INT64_MIN);
	while (period.end_s != INT64_MAX) {
		struct zone_period next = zone_period_at(zone, period.end_s);
		assert(next.start_s == period.end_s && next.end_s > next.start_s);
		int64_t utc_s[2];
		unsigned count = zone_instants(zone, next.start_s + next.offset_s, utc_s);
		assert(count >= 1 && count <= 2);
		assert(zone_instant(zone, next.start_s + next.offset_s) <= next.start_s);
		(void)zone_day_kind(zone, next.start_s);
		period = next;
	}
}

static void check_fires(const struct zone *zone)
{
	static const char *const expressions[] = {"30 2 * * *", "*/20 * * * *", "0 0 29 2 *"};
	for (size_t index = 0; index < sizeof(expressions) / sizeof(expressions[0]); index++) {
		struct schedule schedule;
		enum err err = schedule_parse_cron(slice_str(expressions[index]), &schedule, NULL);
		assert(err == ERR_OK);
		int64_t at_ms = 0;
		for (unsigned fire = 0; fire < 8; fire++) {
			int64_t next_ms = schedule_next(&schedule, zone, at_ms);
			assert(next_ms > at_ms);
			if (next_ms == SCHEDULE_NEVER)
				break;
			assert(schedule_previous(&schedule, zone, next_ms, at_ms) == next_ms);
			assert(schedule_count(&schedule, zone, at_ms, next_ms, 9) == 1);
			at_ms = next_ms;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
	static struct zone zone;
	struct problem problem = {0};
	enum err err = zone_parse(slice_of(bytes, bytes_count), &zone, &problem);
	if (err != ERR_OK) {
		assert(problem.code == err && strlen(problem.text) > 0);
		return 0;
	}
	check_periods(&zone);
	check_fires(&zone);
	return 0;
}
