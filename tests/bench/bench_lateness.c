/* How late a process starts, beside the floor of the same run: the wake-up of a bare timerfd.
 *
 *   bench_lateness SCHEDD-RUNNER [COUNT]
 *
 * Starts that runner in a directory of its own, has it start COUNT runs on the moment one after the other, and wakes
 * between each two from a timer of its own. Lateness is the launcher's stamp just before execve, minus the
 * planned start. Prints p50, p99 and the most in microseconds, and whether the bounds hold: p50 at most
 * floor + 300 us, p99 at most the floor's p99 + 2,000 us. Exit code 1 if they do not. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/frame.h"
#include "proto/runner.h"
#include "proto/wire.h"

#define COUNT_DEFAULT 200u
#define COUNT_MAX 100000u
#define AHEAD_US 25000       /* PREPARE comes so long before the moment, as the agent's does */
#define FLOOR_AFTER_US 20000 /* the floor's moment lies so long after a start */
#define P50_ABOVE_US 300
#define P99_ABOVE_US 2000
#define CONNECT_TRIES 500

static int64_t mono_us(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void fail(const char *what)
{
	(void)fprintf(stderr, "bench_lateness: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int connect_to(const char *directory)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/runner.sock", directory);
	for (int i = 0; i < CONNECT_TRIES; i++) {
		int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (descriptor < 0)
			fail("socket");
		if (connect(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0)
			return descriptor;
		(void)close(descriptor);
		(void)usleep(10000);
	}
	fail("connect to the runner");
	return -1;
}

static void send_order(int descriptor, const struct runner_order *order)
{
	uint8_t memory[1024];
	struct buf out;
	buf_init(&out, memory + FRAME_HEADER_BYTES, sizeof(memory) - FRAME_HEADER_BYTES);
	runner_order_put(&out, order);
	store_u32(memory, (uint32_t)out.bytes);
	if (send(descriptor, memory, FRAME_HEADER_BYTES + out.bytes, MSG_NOSIGNAL) < 0)
		fail("send");
}

static void receive(int descriptor, uint8_t *memory, size_t bytes)
{
	if (recv(descriptor, memory, bytes, MSG_WAITALL) != (ssize_t)bytes)
		fail("receive");
}

/* Reports up to the wanted one; others are dropped. */
static struct runner_report expect(int descriptor, enum runner_report_type type)
{
	for (;;) {
		static uint8_t memory[4096];
		uint8_t header[FRAME_HEADER_BYTES];
		receive(descriptor, header, sizeof(header));
		uint32_t bytes = load_u32(header);
		if (bytes > sizeof(memory))
			fail("a long report");
		receive(descriptor, memory, bytes);
		struct runner_report report;
		if (runner_report_get(slice_of(memory, bytes), &report) != ERR_OK)
			fail("a report");
		if (report.type == type)
			return report;
	}
}

static int64_t measure_floor(int timer, int64_t moment_us)
{
	struct itimerspec moment = {
		.it_value = {.tv_sec = moment_us / 1000000, .tv_nsec = moment_us % 1000000 * 1000}};
	uint64_t count;
	if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &moment, NULL) != 0 ||
	    read(timer, &count, sizeof(count)) != (ssize_t)sizeof(count))
		fail("timer");
	return mono_us() - moment_us;
}

static void put_definition(struct buf *out)
{
	wire_put_map(out, 3);
	wire_put_text(out, "job");
	wire_put_text(out, "default/bench");
	wire_put_text(out, "manual");
	wire_put_bool(out, true);
	wire_put_text(out, "command");
	wire_put_array(out, 1);
	wire_put_text(out, "true");
}

static void measure(int descriptor, size_t count, int64_t *starts_us, int64_t *floors_us)
{
	uint8_t memory[256];
	struct buf definition;
	buf_init(&definition, memory, sizeof(memory));
	put_definition(&definition);
	int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
	if (timer < 0)
		fail("timer");
	for (size_t i = 0; i < count; i++) {
		struct runner_order order = {
			.type = RUNNER_PREPARE,
			.run = {.t_ms = (int64_t)i + 1, .attempt = 1},
			.run_name = slice_str("bench"),
			.start_mono_us = mono_us() + AHEAD_US,
			.definition = buf_slice(&definition),
			.environment = slice_str("\x80"),
		};
		send_order(descriptor, &order);
		starts_us[i] = expect(descriptor, RUNNER_STARTED).lateness_us;
		(void)expect(descriptor, RUNNER_ENDED);
		order.type = RUNNER_FORGET;
		send_order(descriptor, &order);
		floors_us[i] = measure_floor(timer, mono_us() + FLOOR_AFTER_US);
	}
	(void)close(timer);
}

static int compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a;
	int64_t right = *(const int64_t *)b;
	return (left > right) - (left < right);
}

static int64_t percentile(const int64_t *sorted, size_t count, size_t percent)
{
	return sorted[(count - 1) * percent / 100];
}

static void report(const char *what, int64_t *spans_us, size_t count)
{
	qsort(spans_us, count, sizeof(*spans_us), compare);
	printf("%-32s p50 %6lld us   p99 %6lld us   max %6lld us\n", what,
	       (long long)percentile(spans_us, count, 50),
	       (long long)percentile(spans_us, count, 99), (long long)spans_us[count - 1]);
}

static bool judge(const int64_t *starts_us, const int64_t *floors_us, size_t count)
{
	int64_t p50 = percentile(starts_us, count, 50) - percentile(floors_us, count, 50);
	int64_t p99 = percentile(starts_us, count, 99) - percentile(floors_us, count, 99);
	bool p50_holds = p50 <= P50_ABOVE_US;
	bool p99_holds = p99 <= P99_ABOVE_US;
	printf("%s - lateness: p50 is %lld us above the floor (at most %d)\n",
	       p50_holds ? "ok" : "not ok", (long long)p50, P50_ABOVE_US);
	printf("%s - lateness: p99 is %lld us above the floor (at most %d)\n",
	       p99_holds ? "ok" : "not ok", (long long)p99, P99_ABOVE_US);
	return p50_holds && p99_holds;
}

static void remove_directory(const char *directory)
{
	const char *arguments[] = {"rm", "-rf", "--", directory, NULL};
	pid_t pid;
	if (posix_spawnp(&pid, "rm", NULL, NULL, (char *const *)(uintptr_t)arguments, environ) == 0)
		(void)waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		(void)fprintf(stderr, "usage: bench_lateness SCHEDD-RUNNER [COUNT]\n");
		return 2;
	}
	size_t count = argc > 2 ? strtoul(argv[2], NULL, 10) : COUNT_DEFAULT;
	if (count == 0 || count > COUNT_MAX) {
		(void)fprintf(stderr, "bench_lateness: COUNT is 1 to %u\n", COUNT_MAX);
		return 2;
	}
	char directory[] = "/tmp/peersched-bench-XXXXXX";
	if (mkdtemp(directory) == NULL)
		fail("mkdtemp");
	char *arguments[] = {argv[1], (char *)(uintptr_t) "--dir", directory, NULL};
	posix_spawn_file_actions_t actions;
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", 1, 0);
	pid_t runner;
	if (posix_spawn(&runner, argv[1], &actions, NULL, arguments, environ) != 0)
		fail(argv[1]);
	(void)posix_spawn_file_actions_destroy(&actions);

	int64_t *starts_us = calloc(count, sizeof(*starts_us));
	int64_t *floors_us = calloc(count, sizeof(*floors_us));
	if (starts_us == NULL || floors_us == NULL)
		fail("memory");
	int descriptor = connect_to(directory);
	measure(descriptor, count, starts_us, floors_us);
	(void)close(descriptor);
	(void)kill(runner, SIGTERM);
	(void)waitpid(runner, NULL, 0);
	remove_directory(directory);

	report("floor: timerfd wake", floors_us, count);
	report("start: stamp before execve", starts_us, count);
	bool holds = judge(starts_us, floors_us, count);
	free(starts_us);
	free(floors_us);
	return holds ? 0 : 1;
}
