/* The agent's local socket. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/io/control.h"
#include "agent/mem.h"
#include "proto/frame.h"
#include "proto/wire.h"
#include "tests/lib/fake_host.h"

static struct fake_host fake;
static struct control control;
static char path[64];

static int setup(void **state)
{
	(void)state;
	(void)snprintf(path, sizeof(path), "/tmp/peersched-control-%d.sock", (int)getpid());
	fake_host_open(&fake);
	return control_open(&control, &fake.host, path, NULL) != ERR_OK;
}

static int teardown(void **state)
{
	(void)state;
	control_close(&control);
	fake_host_close(&fake);
	/* The socket's file goes with its agent. */
	return access(path, F_OK) == 0;
}

static int client_open(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void client_send(int fd, const char *text)
{
	uint8_t frame[256];
	size_t bytes = strlen(text);
	store_u32(frame, (uint32_t)bytes);
	memcpy(frame + FRAME_HEADER_BYTES, text, bytes);
	assert_int_equal(send(fd, frame, FRAME_HEADER_BYTES + bytes, MSG_NOSIGNAL),
			 (ssize_t)(FRAME_HEADER_BYTES + bytes));
}

static size_t client_receive(int fd, uint8_t *ret_body, size_t bytes_max)
{
	uint8_t header[FRAME_HEADER_BYTES];
	fake_host_turn(&fake, 2);
	assert_int_equal(recv(fd, header, sizeof(header), MSG_WAITALL), sizeof(header));
	size_t bytes = load_u32(header);
	assert_true(bytes <= bytes_max);
	assert_int_equal(recv(fd, ret_body, bytes, MSG_WAITALL), (ssize_t)bytes);
	return bytes;
}

static bool is_closed(int fd)
{
	uint8_t byte;
	fake_host_turn(&fake, 5);
	ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT);
	return got == 0 || (got < 0 && errno == ECONNRESET);
}

static void test_requests(void **state)
{
	(void)state;
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	int fd = client_open();
	client_send(fd, "first");
	client_send(fd, "second");
	const struct fake_event *last = fake_host_await(&fake, EVENT_REQUEST, 2);
	assert_memory_equal(last->first, "second", 6);
	assert_int_equal(last->event.request.uid, getuid());
	assert_true(last->text[0] != '\0');
	uint64_t client = last->event.request.client;
	uint8_t body[64];
	control_reply(&control, client, slice_str("answer 1"));
	control_reply(&control, client, slice_str("answer 2"));
	assert_int_equal(client_receive(fd, body, sizeof(body)), 8);
	assert_memory_equal(body, "answer 1", 8);
	(void)client_receive(fd, body, sizeof(body));
	assert_memory_equal(body, "answer 2", 8);
	(void)close(fd);
	assert_int_equal(fake_host_await(&fake, EVENT_CLIENT_GONE, 1)->event.request.client, client);
	control_reply(&control, client, slice_str("to nobody"));
	/* Numbers are not used again. */
	fd = client_open();
	client_send(fd, "third");
	assert_int_not_equal(fake_host_await(&fake, EVENT_REQUEST, 3)->event.request.client, client);
	(void)close(fd);
}

static void test_close(void **state)
{
	(void)state;
	int fd = client_open();
	client_send(fd, "x");
	uint64_t client = fake_host_await(&fake, EVENT_REQUEST, 1)->event.request.client;
	control_reply(&control, client, slice_str("last words"));
	control_close_client(&control, client);
	uint8_t body[64];
	assert_int_equal(client_receive(fd, body, sizeof(body)), 10);
	assert_true(is_closed(fd));
	(void)fake_host_await(&fake, EVENT_CLIENT_GONE, 1);
	(void)close(fd);
}

static void test_bad_frame(void **state)
{
	(void)state;
	int fd = client_open();
	assert_int_equal(send(fd, "GET / HTTP/1.1", 14, MSG_NOSIGNAL), 14);
	assert_true(is_closed(fd));
	(void)fake_host_await(&fake, EVENT_CLIENT_GONE, 1);
	assert_int_equal(fake_host_count(&fake, EVENT_REQUEST), 0);
	(void)close(fd);
}

static void test_slow(void **state)
{
	(void)state;
	int slow = client_open(), quick = client_open();
	client_send(slow, "slow");
	(void)fake_host_await(&fake, EVENT_REQUEST, 1);
	uint64_t client = fake.events[0].event.request.client;
	client_send(quick, "quick");
	uint64_t other = fake_host_await(&fake, EVENT_REQUEST, 2)->event.request.client;
	uint8_t *big = calloc(1, FRAME_BYTES_MAX);
	assert_non_null(big);
	for (unsigned i = 0; i < 40; i++)
		control_reply(&control, client, slice_of(big, FRAME_BYTES_MAX));
	free(big);
	assert_int_equal(fake_host_await(&fake, EVENT_CLIENT_GONE, 1)->event.request.client, client);
	uint8_t body[8];
	control_reply(&control, other, slice_str("fine"));
	assert_int_equal(client_receive(quick, body, sizeof(body)), 4);
	(void)close(slow);
	(void)close(quick);
}

static void test_full(void **state)
{
	(void)state;
	int fds[CLIENTS_MAX];
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		fds[i] = client_open();
	fake_host_turn(&fake, 5);
	int one_more = client_open();
	uint8_t body[512];
	size_t bytes = client_receive(one_more, body, sizeof(body));
	struct wire_reader reader;
	wire_reader_init(&reader, slice_of(body, bytes));
	assert_int_equal(wire_get_array(&reader, 4), 4);
	assert_int_equal(wire_get_u64(&reader), 1);
	assert_int_equal(wire_get_u64(&reader), 0);
	assert_int_equal(wire_get_u64(&reader), 2);
	struct slice map = wire_get_raw(&reader);
	assert_int_equal(wire_reader_end(&reader), ERR_OK);
	assert_true(slice_equal(wire_map_find_str(map, "code"), slice_str("full")));
	assert_true(is_closed(one_more));
	assert_int_equal(fake_host_count(&fake, EVENT_CLIENT_GONE), 0);
	(void)close(fds[0]);
	(void)fake_host_await(&fake, EVENT_CLIENT_GONE, 1);
	(void)close(one_more);
	one_more = client_open();
	client_send(one_more, "now there is room");
	(void)fake_host_await(&fake, EVENT_REQUEST, 1);
	(void)close(one_more);
	for (unsigned i = 1; i < CLIENTS_MAX; i++)
		(void)close(fds[i]);
}

static void test_memory(void **state)
{
	(void)state;
	for (uint64_t count = 0; count < 12; count++) {
		mem_fail_after(count);
		int fds[3];
		for (unsigned i = 0; i < 3; i++) {
			fds[i] = client_open();
			client_send(fds[i], "x");
		}
		fake_host_turn(&fake, 5);
		mem_fail_after(UINT64_MAX);
		for (unsigned i = 0; i < 3; i++)
			(void)close(fds[i]);
		fake_host_turn(&fake, 5);
		unsigned before = fake_host_count(&fake, EVENT_REQUEST);
		int fd = client_open();
		client_send(fd, "still listening");
		(void)fake_host_await(&fake, EVENT_REQUEST, before + 1);
		(void)close(fd);
	}
}

static void test_socket_file(void **state)
{
	(void)state;
	struct control second;
	struct problem problem;
	char expected[128];
	assert_int_equal(control_open(&second, &fake.host, path, &problem), ERR_EXISTS);
	(void)snprintf(expected, sizeof(expected), "%s: an agent is listening there (pid %d)", path,
		       (int)getpid());
	assert_string_equal(problem.text, expected);
	/* What a killed agent leaves. */
	char stale[80];
	(void)snprintf(stale, sizeof(stale), "%s-2", path);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", stale);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	(void)close(fd);
	assert_int_equal(control_open(&second, &fake.host, stale, &problem), ERR_OK);
	control_close(&second);
	fake_host_turn(&fake, 2);
	FILE *file = fopen(stale, "w");
	assert_non_null(file);
	(void)fclose(file);
	assert_int_equal(control_open(&second, &fake.host, stale, &problem), ERR_EXISTS);
	assert_non_null(strstr(problem.text, "is no socket"));
	(void)unlink(stale);
	assert_int_equal(control_open(&second, &fake.host, "/nonexistent/x.sock", &problem), ERR_IO);
	fake_host_turn(&fake, 2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"requests come with who asks, replies go in order", test_requests, setup, teardown, NULL},
		{"a client that is closed gets what was said before", test_close, setup, teardown, NULL},
		{"what is no frame ends the connection", test_bad_frame, setup, teardown, NULL},
		{"a client that does not read is dropped, others are not", test_slow, setup,
		 teardown, NULL},
		{"one client too many is told so", test_full, setup, teardown, NULL},
		{"without memory clients are turned away, and later ones served", test_memory,
		 setup, teardown, NULL},
		{"a stale socket file is replaced, a live one is an error", test_socket_file, setup,
		 teardown, NULL},
	};
	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
