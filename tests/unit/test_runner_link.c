/* The connection to the runner: it may be there or not, come and go, and say nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/io/runner_link.h"
#include "agent/io/watch.h"
#include "agent/mem.h"
#include "proto/frame.h"
#include "tests/lib/fake_host.h"

static struct fake_host fake;
static struct watch watch;
static struct runner_link runner;
static char directory[64], path[80];

static int setup(void **state)
{
	(void)state;
	(void)snprintf(directory, sizeof(directory), "/tmp/peersched-link-XXXXXX");
	if (mkdtemp(directory) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/runner.sock", directory);
	fake_host_open(&fake);
	return watch_open(&watch, &fake.host, NULL) != ERR_OK;
}

static int teardown(void **state)
{
	(void)state;
	runner_link_close(&runner);
	watch_close(&watch);
	fake_host_close(&fake);
	(void)unlink(path);
	return rmdir(directory);
}

static void link_open(void)
{
	assert_int_equal(runner_link_open(&runner, &fake.host, &watch, directory, path, NULL), ERR_OK);
}

/* Binds under another name first: the file appears when the runner already listens. */
static int runner_listen(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/new", directory);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(rename(address.sun_path, path), 0);
	return fd;
}

static int runner_accept(int listener)
{
	for (unsigned i = 0; i < 5000; i++) {
		fake_host_turn(&fake, 0);
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		if (fd >= 0)
			return fd;
	}
	fail();
	return -1;
}

static int listen_quietly(void)
{
	int fd = runner_listen();
	struct timeval pause = {.tv_usec = 1000};
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &pause, sizeof(pause)), 0);
	return fd;
}

static void runner_say(int fd, enum runner_report_type type)
{
	uint8_t memory[1024];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	struct runner_report report = {
		.type = type, .version = slice_str("9.9"), .run = {.t_ms = 5, .attempt = 1}};
	buf_put_u32(&out, 0);
	runner_report_put(&out, &report);
	store_u32(out.data, (uint32_t)(out.bytes - FRAME_HEADER_BYTES));
	assert_int_equal(send(fd, out.data, out.bytes, MSG_NOSIGNAL), (ssize_t)out.bytes);
}

static bool is_closed(int fd)
{
	uint8_t byte;
	fake_host_turn(&fake, 5);
	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void test_come_and_go(void **state)
{
	(void)state;
	link_open();
	fake_host_turn(&fake, 5);
	for (unsigned i = 1; i <= 3; i++) {
		int listener = listen_quietly();
		int fd = runner_accept(listener);
		fake_host_turn(&fake, 2);
		assert_int_equal(fake_host_count(&fake, EVENT_RUNNER), (i - 1) * 2);
		runner_say(fd, RUNNER_HELLO);
		runner_say(fd, RUNNER_UNKNOWN);
		const struct fake_event *last = fake_host_await(&fake, EVENT_RUNNER, i * 2);
		assert_int_equal(last->event.runner.type, RUNNER_UNKNOWN);
		assert_int_equal(last->event.runner.run.t_ms, 5);
		(void)unlink(path);
		(void)close(fd);
		(void)close(listener);
		(void)fake_host_await(&fake, EVENT_RUNNER_DOWN, i);
	}
}

static void test_there_first(void **state)
{
	(void)state;
	int listener = listen_quietly();
	link_open();
	int fd = runner_accept(listener);
	runner_say(fd, RUNNER_HELLO);
	(void)fake_host_await(&fake, EVENT_RUNNER, 1);
	(void)close(fd);
	/* It goes on listening, as one that takes the newest connection: connected to again. */
	(void)fake_host_await(&fake, EVENT_RUNNER_DOWN, 1);
	fd = runner_accept(listener);
	runner_say(fd, RUNNER_HELLO);
	(void)fake_host_await(&fake, EVENT_RUNNER, 2);
	(void)close(fd);
	(void)close(listener);
}

static void test_stale(void **state)
{
	(void)state;
	/* A killed runner's file: tried again and again, and left in peace when it is gone. */
	(void)close(listen_quietly());
	link_open();
	fake_host_turn(&fake, 20);
	assert_int_equal(runner.state, RUNNER_LINK_WAITING);
	assert_true(uv_is_active((uv_handle_t *)&runner.retry));
	(void)unlink(path);
	fake_host_turn(&fake, 400);
	assert_false(uv_is_active((uv_handle_t *)&runner.retry));
	assert_int_equal(fake.event_count, 0);
	int listener = listen_quietly();
	int fd = runner_accept(listener);
	(void)close(fd);
	(void)close(listener);
}

static void test_orders(void **state)
{
	(void)state;
	link_open();
	struct runner_order order = {.type = RUNNER_ASK, .run = {.t_ms = 7, .attempt = 1}};
	/* To nobody: dropped. */
	runner_link_send(&runner, &order);
	int listener = listen_quietly();
	int fd = runner_accept(listener);
	fake_host_turn(&fake, 5);
	runner_link_send(&runner, &order);
	runner_say(fd, RUNNER_HELLO);
	(void)fake_host_await(&fake, EVENT_RUNNER, 1);
	order.run.t_ms = 8;
	runner_link_send(&runner, &order);
	order.run.t_ms = 9;
	runner_link_send(&runner, &order);
	fake_host_turn(&fake, 5);
	uint8_t bytes[1024];
	ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
	assert_true(got > 0);
	size_t first = load_u32(bytes);
	struct runner_order read;
	assert_int_equal(runner_order_get(slice_of(bytes + 4, first), &read), ERR_OK);
	assert_int_equal(read.run.t_ms, 8);
	assert_int_equal(
		runner_order_get(slice_of(bytes + 8 + first, load_u32(bytes + 4 + first)), &read),
		ERR_OK);
	assert_int_equal(read.run.t_ms, 9);
	(void)close(fd);
	(void)close(listener);
}

static void test_nonsense(void **state)
{
	(void)state;
	link_open();
	static const struct {
		uint8_t bytes[16];
		size_t count;
	} cases[] = {
		{{0, 0, 0, 3, 'x', 'y', 'z'}, 7},
		{{0xff, 0xff, 0xff, 0xff}, 4},
	};
	int listener = listen_quietly();
	for (unsigned i = 0; i < 2; i++) {
		int fd = runner_accept(listener);
		assert_int_equal(send(fd, cases[i].bytes, cases[i].count, MSG_NOSIGNAL),
				 (ssize_t)cases[i].count);
		assert_true(is_closed(fd));
		(void)close(fd);
	}
	/* A report before hello. */
	int fd = runner_accept(listener);
	runner_say(fd, RUNNER_UNKNOWN);
	assert_true(is_closed(fd));
	assert_int_equal(fake.event_count, 0);
	(void)close(fd);
	(void)close(listener);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"the runner may come and go", test_come_and_go, setup, teardown, NULL},
		{"a runner that is there first is connected to at once, and again",
		 test_there_first, setup, teardown, NULL},
		{"a stale socket is tried, and not watched when it is gone", test_stale, setup,
		 teardown, NULL},
		{"orders go out in order once it has said hello", test_orders, setup, teardown, NULL},
		{"nonsense ends the connection and reaches nobody", test_nonsense, setup, teardown, NULL},
	};
	return cmocka_run_group_tests_name("runner_link", tests, NULL, NULL);
}
