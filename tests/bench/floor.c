/* The floor of lateness on this host: how late a bare process wakes from a timerfd.
 *
 *   floor SECONDS PERIOD_MS
 *
 * Sleeps until a moment, again and again, and prints one lateness per line, in microseconds. What the scheduler does
 * is measured at the same time, and can be no better than this. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECONDS_MAX 3600
#define PERIOD_MS_MAX 60000

static int64_t now_ns(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static long read_number(const char *text, long max)
{
	char *end;
	errno = 0;
	long number = strtol(text, &end, 10);
	if (errno != 0 || *end != '\0' || end == text || number < 1 || number > max) {
		(void)fprintf(stderr, "floor: \"%s\" is not a number from 1 to %ld\n", text, max);
		exit(2);
	}
	return number;
}

int main(int argument_count, char **arguments)
{
	if (argument_count != 3) {
		(void)fprintf(stderr, "usage: floor SECONDS PERIOD_MS\n");
		return 2;
	}
	int64_t end_ns = now_ns() + read_number(arguments[1], SECONDS_MAX) * 1000000000;
	int64_t period_ns = read_number(arguments[2], PERIOD_MS_MAX) * 1000000;
	int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
	if (timer < 0) {
		perror("floor: timerfd");
		return 1;
	}
	for (int64_t at_ns = now_ns() + period_ns; at_ns < end_ns; at_ns += period_ns) {
		struct itimerspec moment = {
			.it_value = {.tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000}};
		uint64_t count;
		if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &moment, NULL) != 0 ||
		    read(timer, &count, sizeof(count)) != (ssize_t)sizeof(count)) {
			perror("floor: timer");
			return 1;
		}
		(void)printf("%lld\n", (long long)((now_ns() - at_ns) / 1000));
	}
	(void)close(timer);
	return fflush(stdout) == 0 ? 0 : 1;
}
