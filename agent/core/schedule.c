/* Walks the periods of a zone and asks the expression for local times in each.
 *
 *   local clock   ..... p0 .....|gap|..... p1 .....
 *                                        ..|fold|.. p2 .....
 *
 * `high` is the end (exclusive) of what the clock has shown before a period: h(t) of schedule.h. What a
 * period adds for a fixed time is [high, end of the period's local time); the part of it that lies
 * before the period's first local time is a gap, and fires at the period's first instant. */
#include "agent/core/schedule.h"

#include <assert.h>
#include <string.h>

#include "agent/core/civil.h"
#include "agent/core/cron_match.h"
#include "proto/buf.h"
#include "proto/limits.h"
#include "proto/text.h"

#define LOOK_BACK_S \
	(52 * 3600) /* twice the largest offset: an older period cannot have shown more */
#define HIGH_NONE INT64_MIN

/* Division that rounds down; the divisor is positive. */
static int64_t divide_down(int64_t value, int64_t by)
{
	int64_t quotient = value / by;
	return quotient - (value % by < 0 ? 1 : 0);
}

/* Where fires end: the first instant of the year after YEAR_MAX. */
static int64_t fires_end_s(void)
{
	return civil_days(YEAR_MAX + 1, 1, 1) * CIVIL_DAY_S;
}

/* ---- Making ---- */

enum err schedule_init_every(int64_t every_ms, struct schedule *ret_schedule, struct problem *problem)
{
	if (every_ms < EVERY_MS_MIN || every_ms > EVERY_MS_MAX)
		return problem_set(problem, ERR_RANGE,
				   "every: the interval must be from 1s to 100 years");
	*ret_schedule = (struct schedule){.kind = SCHEDULE_EVERY, .every_ms = every_ms};
	return ERR_OK;
}

enum err schedule_init_at(int64_t at_ms, struct schedule *ret_schedule, struct problem *problem)
{
	if (at_ms < 0 || at_ms >= fires_end_s() * 1000)
		return problem_set(problem, ERR_RANGE, "at: the time must be within the years %d to %d",
				   YEAR_MIN, YEAR_MAX);
	*ret_schedule = (struct schedule){.kind = SCHEDULE_AT, .at_ms = at_ms};
	return ERR_OK;
}

static struct slice trim(struct slice text)
{
	while (text.bytes > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
		text.data++;
		text.bytes--;
	}
	while (text.bytes > 0 && (text.data[text.bytes - 1] == ' ' || text.data[text.bytes - 1] == '\t'))
		text.bytes--;
	return text;
}

/* If the text begins with `word` and a blank or the end, cuts it off, leaving the trimmed rest. */
static bool cut_word(struct slice *text, const char *word)
{
	size_t bytes = strlen(word);
	if (text->bytes < bytes || memcmp(text->data, word, bytes) != 0)
		return false;
	if (text->bytes > bytes && text->data[bytes] != ' ' && text->data[bytes] != '\t')
		return false;
	*text = trim((struct slice){text->data + bytes, text->bytes - bytes});
	return true;
}

enum err schedule_parse_cron(struct slice text, struct schedule *ret_schedule, struct problem *problem)
{
	if (text.bytes > CRON_TEXT_BYTES_MAX)
		return problem_set(problem, ERR_RANGE,
				   "cron: the expression has %zu bytes, at most %u are taken",
				   text.bytes, CRON_TEXT_BYTES_MAX);
	struct slice rest = trim(text);
	int64_t value_ms = 0;
	if (cut_word(&rest, "@every")) {
		enum err err = text_parse_duration(rest, &value_ms, problem);
		if (err == ERR_OK)
			err = schedule_init_every(value_ms, ret_schedule, problem);
		if (err != ERR_OK)
			problem_context(problem, "cron: @every");
		return err;
	}
	if (cut_word(&rest, "@at")) {
		enum err err = text_parse_rfc3339(rest, &value_ms, problem);
		if (err == ERR_OK)
			err = schedule_init_at(value_ms, ret_schedule, problem);
		if (err != ERR_OK)
			problem_context(problem, "cron: @at");
		return err;
	}
	if (cut_word(&rest, "@manual")) {
		if (rest.bytes > 0)
			return problem_set(problem, ERR_INVALID, "cron: @manual takes nothing after it");
		*ret_schedule = (struct schedule){.kind = SCHEDULE_MANUAL};
		return ERR_OK;
	}
	struct schedule schedule = {.kind = SCHEDULE_CRON};
	enum err err = cron_parse(text, &schedule.cron, problem);
	if (err == ERR_OK)
		*ret_schedule = schedule;
	return err;
}

/* ---- Cron in a zone ---- */

/* One period as the walk sees it. */
struct stretch {
	struct zone_period period;
	int64_t high; /* local seconds; what the clock had shown before the period, or HIGH_NONE */
};

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static struct stretch stretch_at(const struct zone *zone, int64_t utc_s)
{
	struct stretch stretch = {.period = zone_period_at(zone, utc_s), .high = HIGH_NONE};
	int64_t start_s = stretch.period.start_s;
	while (start_s != INT64_MIN && stretch.period.start_s - start_s < LOOK_BACK_S) {
		struct zone_period before = zone_period_at(zone, start_s - 1);
		stretch.high = later(stretch.high, before.end_s + before.offset_s);
		start_s = before.start_s;
	}
	return stretch;
}

static void stretch_advance(const struct zone *zone, struct stretch *stretch)
{
	stretch->high = later(stretch->high, stretch->period.end_s + stretch->period.offset_s);
	stretch->period = zone_period_at(zone, stretch->period.end_s);
}

/* True if the period's first instant is a fire because of the gap before it. */
static bool fires_after_gap(const struct cron *cron, const struct stretch *stretch)
{
	if (stretch->high == HIGH_NONE || cron_is_wildcard(cron))
		return false;
	return cron_first(cron, stretch->high, stretch->period.start_s + stretch->period.offset_s) !=
	       CRON_NONE;
}

/* The local time from which on a match is a fire, given that only instants from from_s on are asked for. */
static int64_t local_from(const struct cron *cron, const struct stretch *stretch, int64_t from_s)
{
	int64_t local_s = from_s + stretch->period.offset_s;
	if (stretch->high == HIGH_NONE || cron_is_wildcard(cron))
		return local_s;
	return later(local_s, stretch->high);
}

/* The first fire in [from_s, fires_end_s), or CRON_NONE. */
static int64_t cron_next_s(const struct cron *cron, const struct zone *zone, int64_t from_s)
{
	int64_t end_s = fires_end_s();
	if (from_s >= end_s)
		return CRON_NONE;
	struct stretch stretch = stretch_at(zone, from_s);
	for (;;) {
		const struct zone_period *period = &stretch.period;
		if (from_s == period->start_s && fires_after_gap(cron, &stretch))
			return from_s;
		int64_t found_s = cron_first(cron, local_from(cron, &stretch, from_s),
					     sooner(period->end_s, end_s) + period->offset_s);
		if (found_s != CRON_NONE)
			return found_s - period->offset_s;
		if (period->end_s >= end_s)
			return CRON_NONE;
		from_s = period->end_s;
		stretch_advance(zone, &stretch);
	}
}

/* The last fire in [from_s, until_s], or CRON_NONE. Requires: 0 <= from_s, until_s < fires_end_s. */
static int64_t cron_previous_s(const struct cron *cron, const struct zone *zone, int64_t from_s,
			       int64_t until_s)
{
	while (until_s >= from_s) {
		struct stretch stretch = stretch_at(zone, until_s);
		const struct zone_period *period = &stretch.period;
		int64_t found_s = cron_last(cron,
					    local_from(cron, &stretch, later(period->start_s, from_s)),
					    until_s + 1 + period->offset_s);
		if (found_s != CRON_NONE)
			return found_s - period->offset_s;
		if (period->start_s < from_s)
			return CRON_NONE;
		if (fires_after_gap(cron, &stretch))
			return period->start_s;
		until_s = period->start_s - 1;
	}
	return CRON_NONE;
}

/* The number of fires in [from_s, end_s), at least count_max if there are more. Bounds as above. */
static uint64_t cron_count_s(const struct cron *cron, const struct zone *zone, int64_t from_s,
			     int64_t end_s, uint64_t count_max)
{
	uint64_t count = 0;
	struct stretch stretch = stretch_at(zone, from_s);
	while (from_s < end_s && count < count_max) {
		const struct zone_period *period = &stretch.period;
		int64_t local_s = local_from(cron, &stretch, from_s);
		count += cron_count(cron, local_s, sooner(period->end_s, end_s) + period->offset_s);
		/* A gap's fire and one that is due at the gap's end are one. */
		int64_t first_s = from_s + period->offset_s;
		if (from_s == period->start_s && fires_after_gap(cron, &stretch) &&
		    cron_first(cron, first_s, first_s + 1) == CRON_NONE)
			count++;
		from_s = period->end_s;
		if (from_s < end_s)
			stretch_advance(zone, &stretch);
	}
	return count;
}

/* ---- All kinds ---- */

/* The first n at which anchor + n * every is after `after_ms`; times are within the years of fires. */
static int64_t every_next_ms(const struct schedule *schedule, int64_t after_ms)
{
	if (after_ms < schedule->anchor_ms)
		return schedule->anchor_ms;
	int64_t passed = (after_ms - schedule->anchor_ms) / schedule->every_ms;
	return schedule->anchor_ms + (passed + 1) * schedule->every_ms;
}

static int64_t clamp_ms(int64_t value_ms)
{
	return sooner(later(value_ms, -1), fires_end_s() * 1000);
}

int64_t schedule_next(const struct schedule *schedule, const struct zone *zone, int64_t after_ms)
{
	int64_t end_ms = fires_end_s() * 1000;
	after_ms = clamp_ms(after_ms);
	int64_t next_ms = SCHEDULE_NEVER;
	switch (schedule->kind) {
	case SCHEDULE_MANUAL:
		break;
	case SCHEDULE_CRON: {
		assert(zone != NULL);
		int64_t next_s = cron_next_s(&schedule->cron, zone, divide_down(after_ms, 1000) + 1);
		if (next_s != CRON_NONE)
			next_ms = next_s * 1000;
		break;
	}
	case SCHEDULE_EVERY:
		next_ms = every_next_ms(schedule, after_ms);
		break;
	case SCHEDULE_AT:
		if (schedule->at_ms > after_ms)
			next_ms = schedule->at_ms;
		break;
	}
	return next_ms < end_ms ? next_ms : SCHEDULE_NEVER;
}

int64_t schedule_previous(const struct schedule *schedule, const struct zone *zone,
			  int64_t before_ms, int64_t floor_ms)
{
	int64_t until_ms = sooner(before_ms, fires_end_s() * 1000 - 1);
	if (until_ms < 0 || until_ms <= floor_ms)
		return floor_ms;
	int64_t found_ms = INT64_MIN;
	switch (schedule->kind) {
	case SCHEDULE_MANUAL:
		break;
	case SCHEDULE_CRON: {
		assert(zone != NULL);
		int64_t from_s = divide_down(clamp_ms(floor_ms), 1000) + 1;
		int64_t found_s = cron_previous_s(&schedule->cron, zone, from_s,
						  divide_down(until_ms, 1000));
		if (found_s != CRON_NONE)
			found_ms = found_s * 1000;
		break;
	}
	case SCHEDULE_EVERY:
		if (until_ms >= schedule->anchor_ms)
			found_ms = until_ms - (until_ms - schedule->anchor_ms) % schedule->every_ms;
		break;
	case SCHEDULE_AT:
		if (schedule->at_ms <= until_ms)
			found_ms = schedule->at_ms;
		break;
	}
	return later(found_ms, floor_ms);
}

uint64_t schedule_count(const struct schedule *schedule, const struct zone *zone, int64_t from_ms,
			int64_t to_ms, uint64_t count_max)
{
	from_ms = clamp_ms(from_ms);
	to_ms = sooner(to_ms, fires_end_s() * 1000 - 1);
	if (to_ms <= from_ms)
		return 0;
	uint64_t count = 0;
	switch (schedule->kind) {
	case SCHEDULE_MANUAL:
		break;
	case SCHEDULE_CRON:
		assert(zone != NULL);
		count = cron_count_s(&schedule->cron, zone, divide_down(from_ms, 1000) + 1,
				     divide_down(to_ms, 1000) + 1, count_max);
		break;
	case SCHEDULE_EVERY: {
		int64_t first_ms = every_next_ms(schedule, from_ms);
		if (first_ms <= to_ms)
			count = (uint64_t)((to_ms - first_ms) / schedule->every_ms) + 1;
		break;
	}
	case SCHEDULE_AT:
		count = schedule->at_ms > from_ms && schedule->at_ms <= to_ms ? 1 : 0;
		break;
	}
	return count < count_max ? count : count_max;
}

uint32_t schedule_fires_per_day_max(const struct schedule *schedule)
{
	switch (schedule->kind) {
	case SCHEDULE_MANUAL:
	case SCHEDULE_EVERY:
		return 0;
	case SCHEDULE_CRON:
		return cron_fires_per_day_max(&schedule->cron);
	case SCHEDULE_AT:
		return 1;
	}
	return 0;
}

enum err schedule_describe(const struct schedule *schedule, char *ret_text, size_t text_bytes)
{
	char text[TEXT_DURATION_BYTES + TEXT_TIME_BYTES + 16] = "only when asked";
	switch (schedule->kind) {
	case SCHEDULE_MANUAL:
		break;
	case SCHEDULE_CRON:
		return cron_describe(&schedule->cron, ret_text, text_bytes);
	case SCHEDULE_EVERY:
		memcpy(text, "every ", sizeof("every "));
		text_format_duration(schedule->every_ms, text + strlen(text));
		break;
	case SCHEDULE_AT:
		memcpy(text, "once, at ", sizeof("once, at "));
		text_format_time(schedule->at_ms, text + strlen(text));
		break;
	}
	size_t bytes = strlen(text) + 1;
	if (bytes > text_bytes) {
		if (text_bytes > 0)
			ret_text[0] = '\0';
		return ERR_FULL;
	}
	memcpy(ret_text, text, bytes);
	return ERR_OK;
}
