/* Figures of the last minute: a column for each second, a ring of lateness.
 *
 * Columns are cleared when time moves on to them, so that an idle node does nothing. */
#include "agent/core/figures.h"

#include <string.h>

#include "agent/core/query.h"

#define US_PER_SECOND INT64_C(1000000)

/* Moves to the column of now; those that were skipped had nothing. */
static uint32_t figures_column(struct figures *figures, int64_t now_us)
{
	int64_t second = now_us / US_PER_SECOND;
	int64_t skipped = second - figures->second;
	if (skipped > (int64_t)FIGURE_SECONDS)
		skipped = FIGURE_SECONDS;
	for (int64_t i = 0; i < skipped; i++) {
		uint32_t column = (uint32_t)((second - i) % FIGURE_SECONDS);
		figures->started[column] = 0;
		figures->failed[column] = 0;
		figures->missed[column] = 0;
	}
	if (second > figures->second)
		figures->second = second;
	return (uint32_t)(figures->second % FIGURE_SECONDS);
}

void figures_count_start(struct figures *figures, int64_t now_us, int64_t lateness_us)
{
	figures->started[figures_column(figures, now_us)]++;
	figures->executed_total++;
	int64_t lag_us = lateness_us < 0 ? 0 : lateness_us;
	if (lag_us > UINT32_MAX)
		lag_us = UINT32_MAX;
	figures->lag_us[figures->lag_count++ % FIGURE_LAGS] = (uint32_t)lag_us;
	/* Stays a valid count of a full ring when it wraps. */
	if (figures->lag_count == 0)
		figures->lag_count = FIGURE_LAGS;
}

void figures_count_end(struct figures *figures, int64_t now_us, enum verdict verdict)
{
	uint32_t column = figures_column(figures, now_us);
	switch (verdict) {
	case VERDICT_FAILED:
	case VERDICT_TIMEOUT:
	case VERDICT_KILLED:
	case VERDICT_LOST:
		figures->failed[column]++;
		break;
	case VERDICT_MISSED:
		figures->missed[column]++;
		break;
	case VERDICT_NONE:
	case VERDICT_RAN_OK:
	case VERDICT_SKIPPED:
	case VERDICT_COUNT:
		break;
	}
}

static uint32_t figures_sum(const uint32_t columns[FIGURE_SECONDS])
{
	uint32_t sum = 0;
	for (uint32_t i = 0; i < FIGURE_SECONDS; i++)
		sum += columns[i];
	return sum;
}

static void figures_sort(uint32_t *values, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		uint32_t value = values[i];
		uint32_t place = i;
		for (; place > 0 && values[place - 1] > value; place--)
			values[place] = values[place - 1];
		values[place] = value;
	}
}

struct figures_minute figures_of_minute(struct figures *figures, int64_t now_us)
{
	(void)figures_column(figures, now_us);
	struct figures_minute minute = {
		.started = figures_sum(figures->started),
		.failed = figures_sum(figures->failed),
		.missed = figures_sum(figures->missed),
		.lag_p50_us = -1,
		.lag_p99_us = -1,
	};
	uint32_t count = figures->lag_count < FIGURE_LAGS ? figures->lag_count : FIGURE_LAGS;
	if (count == 0)
		return minute;
	uint32_t sorted[FIGURE_LAGS];
	memcpy(sorted, figures->lag_us, count * sizeof(sorted[0]));
	figures_sort(sorted, count);
	minute.lag_p50_us = sorted[(count - 1) * 50 / 100];
	minute.lag_p99_us = sorted[(count - 1) * 99 / 100];
	return minute;
}

void figures_started(struct node *node, int64_t lateness_us)
{
	figures_count_start(&node->figures, node->now.mono_us, lateness_us);
	live_figures_changed(node);
}

void figures_ended(struct node *node, enum verdict verdict)
{
	figures_count_end(&node->figures, node->now.mono_us, verdict);
	live_figures_changed(node);
}
