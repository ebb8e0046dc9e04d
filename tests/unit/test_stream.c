/* Streams between agents, over loopback: what arrives, what is refused, and what an outsider can not do. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/io/address_os.h"
#include "agent/io/stream.h"
#include "agent/io/stream_hello.h"
#include "agent/mem.h"
#include "proto/frame.h"
#include "proto/seal.h"
#include "tests/lib/fake_host.h"

#define CLUSTER 77u
#define BIG_BYTES FRAME_BYTES_MAX

struct side {
	struct fake_host fake;
	struct keyring keyring;
	struct stream_options options;
	struct streams *streams;
};

static struct side one, two;

static struct address loopback(uint16_t port)
{
	return (struct address){.family = 4, .ip = {127, 0, 0, 1}, .port = port};
}

/* A port that was free a moment ago. */
static uint16_t free_port(void)
{
	struct address address = loopback(0);
	struct sockaddr_storage os;
	socklen_t bytes = address_to_os(&address, &os);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&os, bytes), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&os, &bytes), 0);
	(void)close(fd);
	assert_true(address_from_os(&os, &address));
	return address.port;
}

static void side_open(struct side *side, uint8_t node, uint8_t key, uint32_t cluster)
{
	fake_host_open(&side->fake);
	side->fake.cluster = cluster;
	uint8_t bytes[SEAL_KEY_BYTES] = {key};
	side->keyring.count = 1;
	seal_master_from_bytes(bytes, &side->keyring.keys[0]);
	side->options = (struct stream_options){
		.bind = loopback(free_port()),
		.node = {{node}},
		.boot = 1000 + node,
		.keyring = &side->keyring,
	};
	assert_int_equal(streams_open(&side->fake.host, &side->options, &side->streams, NULL), ERR_OK);
}

static void side_close(struct side *side)
{
	streams_close(side->streams);
	fake_host_close(&side->fake);
}

/* Turns both until one of them has so many events of the type. */
static const struct fake_event *await(struct side *side, enum event_type type, unsigned count)
{
	struct side *other = side == &one ? &two : &one;
	for (unsigned i = 0; i < 5000 && fake_host_count(&side->fake, type) < count; i++) {
		fake_host_turn(&other->fake, 0);
		fake_host_turn(&side->fake, 0);
	}
	return fake_host_await(&side->fake, type, count);
}

static void open_two(uint8_t second_key, uint32_t second_cluster)
{
	side_open(&one, 1, 9, CLUSTER);
	side_open(&two, 2, second_key, second_cluster);
}

static void close_two(void)
{
	side_close(&one);
	side_close(&two);
}

static void send_text(struct side *from, const struct side *to, const char *text)
{
	streams_send(from->streams, to->options.node, &to->options.bind, slice_str(text));
}

/* ---- between two agents ---- */

static void answer(struct fake_host *fake, const struct event *event)
{
	struct side *side = fake->context;
	if (event->type == EVENT_STREAM)
		streams_answer(side->streams, event->stream.connection, slice_str("answer"));
}

static void test_both_ways(void **state)
{
	(void)state;
	open_two(9, CLUSTER);
	two.fake.on_event = answer;
	two.fake.context = &two;
	char text[32];
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(text, sizeof(text), "frame %u", i);
		send_text(&one, &two, text);
	}
	(void)await(&one, EVENT_STREAM, 100);
	const struct fake_event *last = await(&two, EVENT_STREAM, 100);
	assert_memory_equal(last->first, "frame 99", 8);
	assert_true(id128_equal(last->event.stream.node, one.options.node));
	assert_int_equal(last->event.stream.boot, one.options.boot);
	/* All on one connection, in order. */
	for (unsigned i = 0; i < two.fake.event_count; i++) {
		(void)snprintf(text, sizeof(text), "frame %u", i);
		assert_memory_equal(two.fake.events[i].first, text, strlen(text));
		assert_int_equal(two.fake.events[i].event.stream.connection,
				 last->event.stream.connection);
	}
	close_two();
}

static void test_big(void **state)
{
	(void)state;
	open_two(9, CLUSTER);
	uint8_t *big = calloc(1, BIG_BYTES);
	assert_non_null(big);
	for (unsigned i = 0; i < 6; i++) {
		big[0] = (uint8_t)i;
		streams_send(one.streams, two.options.node, &two.options.bind, slice_of(big, BIG_BYTES));
	}
	const struct fake_event *last = await(&two, EVENT_STREAM, 6);
	assert_int_equal(last->bytes, BIG_BYTES);
	assert_int_equal(last->first[0], 5);
	/* More than may wait for a peer that does not read: dropped, and told. */
	for (unsigned i = 0; i < 20; i++)
		streams_send(one.streams, two.options.node, &two.options.bind, slice_of(big, BIG_BYTES));
	last = fake_host_await(&one.fake, EVENT_STREAM_DOWN, 1);
	assert_string_equal(last->text, "dropped: the peer reads too slowly");
	free(big);
	close_two();
}

static void test_join(void **state)
{
	(void)state;
	open_two(9, CLUSTER);
	one.fake.cluster = 0;
	struct id128 nobody = {{0}};
	streams_send(one.streams, nobody, &two.options.bind, slice_str("join"));
	streams_send(one.streams, nobody, &two.options.bind, slice_str("join"));
	const struct fake_event *last = await(&two, EVENT_STREAM, 2);
	assert_int_not_equal(last->event.stream.connection, two.fake.events[0].event.stream.connection);
	close_two();
}

static void test_refused(void **state)
{
	(void)state;
	open_two(9, CLUSTER);
	struct address nobody = loopback(free_port());
	streams_send(one.streams, two.options.node, &nobody, slice_str("x"));
	const struct fake_event *last = fake_host_await(&one.fake, EVENT_STREAM_DOWN, 1);
	assert_true(last->event.stream.is_refused);
	assert_true(id128_equal(last->event.stream.node, two.options.node));
	assert_true(address_equal(&last->event.stream.from, &nobody));
	close_two();
}

static void expect_down(uint8_t key, uint32_t cluster, struct id128 node, const char *before,
			const char *after)
{
	open_two(key, cluster);
	streams_send(one.streams, node, &two.options.bind, slice_str("x"));
	const struct fake_event *last = await(&one, EVENT_STREAM_DOWN, 1);
	char where[64], expected[256];
	(void)snprintf(where, sizeof(where), "127.0.0.1:%u", two.options.bind.port);
	(void)snprintf(expected, sizeof(expected), "%s%s%s", before, where, after);
	assert_string_equal(last->text, expected);
	assert_false(last->event.stream.is_refused);
	fake_host_turn(&two.fake, 10);
	assert_int_equal(fake_host_count(&two.fake, EVENT_STREAM), 0);
	assert_int_equal(fake_host_count(&two.fake, EVENT_STREAM_DOWN), 0);
	close_two();
}

static void test_unwanted(void **state)
{
	(void)state;
	struct id128 second = {{2}}, third = {{3}};
	struct seal_master ours, theirs;
	uint8_t key[SEAL_KEY_BYTES] = {9};
	seal_master_from_bytes(key, &ours);
	key[0] = 8;
	seal_master_from_bytes(key, &theirs);
	char before[64], after[32];
	(void)snprintf(before, sizeof(before), "this agent's key has id %04x, the agent at ",
		       ours.key_id);
	(void)snprintf(after, sizeof(after), " uses %04x", theirs.key_id);
	expect_down(8, CLUSTER, second, before, after);
	expect_down(9, CLUSTER + 1, second, "the agent at ", " is of another cluster");
	expect_down(9, CLUSTER, third, "another node answers at ", "");
}

static void test_own_and_old(void **state)
{
	(void)state;
	side_open(&one, 1, 9, CLUSTER);
	side_open(&two, 1, 9, CLUSTER);
	struct id128 nobody = {{0}};
	streams_send(one.streams, nobody, &two.options.bind, slice_str("x"));
	assert_non_null(strstr(await(&one, EVENT_STREAM_DOWN, 1)->text, "this agent's own node id"));
	close_two();
	open_two(9, CLUSTER);
	one.fake.boot_known = 5000;
	send_text(&one, &two, "x");
	assert_non_null(strstr(await(&one, EVENT_STREAM_DOWN, 1)->text, "from before its last start"));
	close_two();
}

static void test_end(void **state)
{
	(void)state;
	open_two(9, CLUSTER);
	send_text(&one, &two, "x");
	(void)await(&two, EVENT_STREAM, 1);
	/* The agent dies: its peer hears of it at once. */
	side_close(&one);
	const struct fake_event *last = fake_host_await(&two.fake, EVENT_STREAM_DOWN, 1);
	assert_true(id128_equal(last->event.stream.node, one.options.node));
	assert_int_equal(fake_host_count(&one.fake, EVENT_STREAM_DOWN), 0);
	side_close(&two);
}

static void test_memory(void **state)
{
	(void)state;
	for (uint64_t count = 0; count < 30; count++) {
		open_two(9, CLUSTER);
		mem_fail_after(count);
		send_text(&one, &two, "first");
		for (unsigned i = 0; i < 20; i++) {
			fake_host_turn(&one.fake, 0);
			fake_host_turn(&two.fake, 0);
		}
		mem_fail_after(UINT64_MAX);
		send_text(&one, &two, "second");
		const struct fake_event *last = await(&two, EVENT_STREAM, 1);
		assert_true(last->bytes == 5 || last->bytes == 6);
		close_two();
	}
}

/* ---- an outsider on the wire ---- */

struct raw {
	int fd;
	uint8_t hellos[2 * STREAM_HELLO_BYTES];
};

static void raw_send(const struct raw *raw, struct slice body)
{
	uint8_t frame[FRAME_HEADER_BYTES + 512];
	assert_true(body.bytes <= 512);
	store_u32(frame, (uint32_t)body.bytes);
	memcpy(frame + FRAME_HEADER_BYTES, body.data, body.bytes);
	/* In one piece: two would wait for one another in the kernel. */
	size_t bytes = FRAME_HEADER_BYTES + body.bytes;
	assert_int_equal(send(raw->fd, frame, bytes, MSG_NOSIGNAL), (ssize_t)bytes);
}

static void raw_open(struct raw *raw)
{
	struct sockaddr_storage os;
	socklen_t bytes = address_to_os(&one.options.bind, &os);
	raw->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(raw->fd >= 0);
	assert_int_equal(connect(raw->fd, (struct sockaddr *)&os, bytes), 0);
	int on = 1;
	assert_int_equal(setsockopt(raw->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
}

/* Says hello as the node 7 does, and takes the answer. */
static void raw_greet(struct raw *raw)
{
	struct stream_hello hello = {
		.key_id = one.keyring.keys[0].key_id,
		.cluster = CLUSTER,
		.node = {{7}},
		.boot = 500,
		.connection = 1,
	};
	struct buf out;
	buf_init(&out, raw->hellos, STREAM_HELLO_BYTES);
	stream_hello_put(&out, &hello);
	raw_send(raw, buf_slice(&out));
	fake_host_turn(&one.fake, 10);
	uint8_t answer_frame[FRAME_HEADER_BYTES + STREAM_HELLO_BYTES];
	assert_int_equal(recv(raw->fd, answer_frame, sizeof(answer_frame), MSG_WAITALL),
			 sizeof(answer_frame));
	memcpy(raw->hellos + STREAM_HELLO_BYTES, answer_frame + FRAME_HEADER_BYTES, STREAM_HELLO_BYTES);
}

static size_t raw_seal(const struct raw *raw, uint64_t counter, const char *text, uint8_t *ret_frame)
{
	struct seal_subkey subkey;
	struct id128 node = {{7}};
	seal_subkey_derive(&one.keyring.keys[0], id128_short(node), 500, SEAL_STREAM, 1, &subkey);
	struct buf out;
	buf_init(&out, ret_frame, 256);
	seal_close(&subkey, counter, slice_of(raw->hellos, sizeof(raw->hellos)), slice_str(text), &out);
	return out.bytes;
}

static bool raw_is_closed(const struct raw *raw)
{
	uint8_t byte;
	fake_host_turn(&one.fake, 10);
	ssize_t got = recv(raw->fd, &byte, 1, MSG_DONTWAIT);
	/* A reset, if there was more that nobody read. */
	return got == 0 || (got < 0 && errno == ECONNRESET);
}

static void test_replay(void **state)
{
	(void)state;
	side_open(&one, 1, 9, CLUSTER);
	struct raw first, second;
	uint8_t frame[256];
	raw_open(&first);
	raw_greet(&first);
	size_t bytes = raw_seal(&first, 0, "once", frame);
	raw_send(&first, slice_of(frame, bytes));
	(void)fake_host_await(&one.fake, EVENT_STREAM, 1);
	/* The same frame again on the same stream. */
	raw_send(&first, slice_of(frame, bytes));
	assert_true(raw_is_closed(&first));
	/* The whole recorded stream again on a new one. */
	raw_open(&second);
	raw_greet(&second);
	raw_send(&second, slice_of(frame, bytes));
	assert_true(raw_is_closed(&second));
	assert_int_equal(fake_host_count(&one.fake, EVENT_STREAM), 1);
	(void)close(first.fd);
	(void)close(second.fd);
	side_close(&one);
}

/* A clock on which the handshake's time has passed since. */
static struct clocks clock_ahead(void *context)
{
	(void)context;
	struct clocks clocks = two.fake.host.now(&two.fake);
	clocks.mono_us += (STREAM_HANDSHAKE_MS + 1000) * 1000ll;
	return clocks;
}

static void test_unproved(void **state)
{
	(void)state;
	side_open(&one, 1, 9, CLUSTER);
	side_open(&two, 2, 9, CLUSTER);
	struct raw silent, proved, last;
	uint8_t frame[256];
	raw_open(&silent);
	raw_greet(&silent);
	raw_open(&proved);
	raw_greet(&proved);
	raw_send(&proved, slice_of(frame, raw_seal(&proved, 0, "once", frame)));
	(void)fake_host_await(&one.fake, EVENT_STREAM, 1);
	one.fake.host.now = clock_ahead;
	/* A new stream is when the timer is set anew. */
	raw_open(&last);
	assert_true(raw_is_closed(&silent));
	assert_false(raw_is_closed(&proved));
	(void)close(silent.fd);
	(void)close(proved.fd);
	(void)close(last.fd);
	side_close(&one);
	side_close(&two);
}

static void test_altered(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 4; kind++) {
		side_open(&one, 1, 9, CLUSTER);
		struct raw raw;
		uint8_t frame[256];
		raw_open(&raw);
		raw_greet(&raw);
		if (kind == 0)
			raw.hellos[30] ^= 1; /* another boot than was sent */
		size_t bytes = raw_seal(&raw, kind == 1 ? 1 : 0, "text", frame);
		if (kind == 2)
			frame[0] ^= 1;
		raw_send(&raw, slice_of(frame, kind == 3 ? 3 : bytes));
		assert_true(raw_is_closed(&raw));
		assert_int_equal(fake_host_count(&one.fake, EVENT_STREAM), 0);
		(void)close(raw.fd);
		side_close(&one);
	}
}

static void test_garbage(void **state)
{
	(void)state;
	side_open(&one, 1, 9, CLUSTER);
	static const struct {
		uint8_t bytes[64];
		size_t count;
	} cases[] = {
		{"GET / HTTP/1.1\r\n\r\n", 18},
		{{0, 0, 0, 1, 'x'}, 5},
		{{0, 0, 0, STREAM_HELLO_BYTES, 'P', 'S', 'S', 'T', 2},
		 FRAME_HEADER_BYTES + STREAM_HELLO_BYTES},
		{{0, 1, 0, 0, 'l', 'o', 'n', 'g'}, 64},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct raw raw;
		raw_open(&raw);
		assert_int_equal(send(raw.fd, cases[i].bytes, cases[i].count, MSG_NOSIGNAL),
				 (ssize_t)cases[i].count);
		assert_true(raw_is_closed(&raw));
		(void)close(raw.fd);
	}
	assert_int_equal(one.fake.event_count, 0);
	side_close(&one);
}

static void test_hello(void **state)
{
	(void)state;
	struct stream_hello hello = {.key_id = 0x1234,
				     .cluster = 5,
				     .node = {{1, 2}},
				     .boot = 6,
				     .connection = 7},
			    got;
	uint8_t memory[STREAM_HELLO_BYTES + 1];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	stream_hello_put(&out, &hello);
	assert_int_equal(out.bytes, STREAM_HELLO_BYTES);
	assert_int_equal(stream_hello_get(buf_slice(&out), &got), ERR_OK);
	assert_int_equal(got.key_id, hello.key_id);
	assert_int_equal(got.cluster, hello.cluster);
	assert_true(id128_equal(got.node, hello.node));
	assert_int_equal(got.boot, hello.boot);
	assert_int_equal(got.connection, hello.connection);
	for (size_t bytes = 0; bytes < STREAM_HELLO_BYTES; bytes++)
		assert_int_equal(stream_hello_get(slice_of(memory, bytes), &got), ERR_INVALID);
	assert_int_equal(stream_hello_get(slice_of(memory, STREAM_HELLO_BYTES + 1), &got), ERR_INVALID);
	memory[4] = 2;
	assert_int_equal(stream_hello_get(buf_slice(&out), &got), ERR_UNSUPPORTED);
}

static void test_taken_port(void **state)
{
	(void)state;
	side_open(&one, 1, 9, CLUSTER);
	fake_host_open(&two.fake);
	struct streams *streams;
	struct problem problem;
	assert_int_equal(streams_open(&two.fake.host, &one.options, &streams, &problem), ERR_IO);
	assert_non_null(strstr(problem.text, "--bind: TCP 127.0.0.1:"));
	assert_non_null(strstr(problem.text, "address already in use"));
	fake_host_close(&two.fake);
	side_close(&one);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"frames arrive in order on one connection, and are answered on it", test_both_ways,
		 NULL, NULL, NULL},
		{"frames of the largest size pass, and a peer that does not read is dropped",
		 test_big, NULL, NULL, NULL},
		{"a fresh joiner dials anew each time", test_join, NULL, NULL, NULL},
		{"a refused dial is told as refused", test_refused, NULL, NULL, NULL},
		{"a stream to another key, cluster or node is not opened, and it is said why",
		 test_unwanted, NULL, NULL, NULL},
		{"an agent talks neither to itself nor to a boot from before", test_own_and_old,
		 NULL, NULL, NULL},
		{"the end of a peer is told at once", test_end, NULL, NULL, NULL},
		{"without memory at any point nothing breaks", test_memory, NULL, NULL, NULL},
		{"a recorded frame or stream opens nowhere", test_replay, NULL, NULL, NULL},
		{"a hello without a frame that proves it is not kept for long", test_unproved, NULL,
		 NULL, NULL},
		{"an altered frame ends the stream", test_altered, NULL, NULL, NULL},
		{"what is no hello is cut off", test_garbage, NULL, NULL, NULL},
		{"a hello is taken whole or not at all", test_hello, NULL, NULL, NULL},
		{"a port that is taken is named", test_taken_port, NULL, NULL, NULL},
	};
	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
