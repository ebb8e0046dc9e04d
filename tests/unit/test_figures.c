/* Figures of the last minute: what is counted leaves after sixty seconds, percentiles are of the last starts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/core/figures.h"

#define SECOND INT64_C(1000000)

static void what_started_leaves_after_a_minute(void **state)
{
	(void)state;
	struct figures figures = {0};
	figures_count_start(&figures, 100 * SECOND, 10);
	figures_count_start(&figures, 101 * SECOND, 10);
	assert_int_equal(figures_of_minute(&figures, 101 * SECOND).started, 2);
	assert_int_equal(figures_of_minute(&figures, 159 * SECOND).started, 2);
	assert_int_equal(figures_of_minute(&figures, 160 * SECOND).started, 1);
	assert_int_equal(figures_of_minute(&figures, 161 * SECOND).started, 0);
	assert_int_equal(figures.executed_total, 2);
}

static void a_long_silence_clears_every_column(void **state)
{
	(void)state;
	struct figures figures = {0};
	for (int64_t second = 0; second < 120; second++)
		figures_count_start(&figures, second * SECOND, 1);
	assert_int_equal(figures_of_minute(&figures, 119 * SECOND).started, 60);
	assert_int_equal(figures_of_minute(&figures, 100000 * SECOND).started, 0);
}

static void failures_and_misses_are_counted_apart_and_good_ends_not_at_all(void **state)
{
	(void)state;
	struct figures figures = {0};
	for (int verdict = VERDICT_NONE; verdict < VERDICT_COUNT; verdict++)
		figures_count_end(&figures, 5 * SECOND, (enum verdict)verdict);
	struct figures_minute minute = figures_of_minute(&figures, 6 * SECOND);
	assert_int_equal(minute.failed, 4); /* failed, timeout, killed, lost */
	assert_int_equal(minute.missed, 1);
	assert_int_equal(minute.started, 0);
}

static void without_a_start_the_lag_is_not_known(void **state)
{
	(void)state;
	struct figures figures = {0};
	assert_int_equal(figures_of_minute(&figures, SECOND).lag_p50_us, -1);
	assert_int_equal(figures_of_minute(&figures, SECOND).lag_p99_us, -1);
}

static void percentiles_are_of_the_last_starts_only(void **state)
{
	(void)state;
	struct figures figures = {0};
	for (uint32_t i = 0; i < FIGURE_LAGS; i++)
		figures_count_start(&figures, SECOND, 1000000);
	for (uint32_t i = 0; i < FIGURE_LAGS; i++)
		figures_count_start(&figures, SECOND, FIGURE_LAGS - i);
	struct figures_minute minute = figures_of_minute(&figures, SECOND);
	assert_int_equal(minute.lag_p50_us, 128);
	assert_int_equal(minute.lag_p99_us, 253);
}

static void a_start_before_its_moment_counts_as_on_time(void **state)
{
	(void)state;
	struct figures figures = {0};
	figures_count_start(&figures, SECOND, -50);
	assert_int_equal(figures_of_minute(&figures, SECOND).lag_p99_us, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_started_leaves_after_a_minute),
		cmocka_unit_test(a_long_silence_clears_every_column),
		cmocka_unit_test(failures_and_misses_are_counted_apart_and_good_ends_not_at_all),
		cmocka_unit_test(without_a_start_the_lag_is_not_known),
		cmocka_unit_test(percentiles_are_of_the_last_starts_only),
		cmocka_unit_test(a_start_before_its_moment_counts_as_on_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
