/* Datagrams between agents, over loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/io/address_os.h"
#include "agent/io/udp.h"
#include "agent/mem.h"
#include "proto/seal.h"
#include "tests/lib/fake_host.h"

#define CLUSTER 77u
#define BOOT 1000u

struct side {
	struct fake_host fake;
	struct keyring keyring;
	struct udp_options options;
	struct udp *udp;
};

static struct side one, two;

static uint16_t free_port(void)
{
	struct address address = {.family = 4, .ip = {127, 0, 0, 1}};
	struct sockaddr_storage os;
	socklen_t bytes = address_to_os(&address, &os);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&os, bytes), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&os, &bytes), 0);
	(void)close(fd);
	assert_true(address_from_os(&os, &address));
	return address.port;
}

static void side_open(struct side *side, uint8_t node, uint8_t key, uint64_t boot)
{
	fake_host_open(&side->fake);
	side->fake.cluster = CLUSTER;
	uint8_t bytes[SEAL_KEY_BYTES] = {key};
	side->keyring.count = 1;
	seal_master_from_bytes(bytes, &side->keyring.keys[0]);
	side->options = (struct udp_options){
		.bind = {.family = 4, .ip = {127, 0, 0, 1}, .port = free_port()},
		.node = {{node}},
		.boot = boot,
		.keyring = &side->keyring,
	};
	assert_int_equal(udp_open(&side->fake.host, &side->options, &side->udp, NULL), ERR_OK);
}

static void side_close(struct side *side)
{
	udp_close(side->udp);
	fake_host_close(&side->fake);
}

static int setup(void **state)
{
	(void)state;
	side_open(&one, 1, 9, BOOT);
	side_open(&two, 2, 9, BOOT);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	side_close(&one);
	side_close(&two);
	return 0;
}

static void send_text(struct side *from, const struct side *to, const char *text)
{
	udp_send(from->udp, &to->options.bind, slice_str(text));
	udp_flush(from->udp);
}

/* Sends `bytes` from a socket of nobody's. */
static void send_raw(const struct side *to, const void *bytes, size_t count)
{
	struct sockaddr_storage os;
	socklen_t os_bytes = address_to_os(&to->options.bind, &os);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(sendto(fd, bytes, count, 0, (struct sockaddr *)&os, os_bytes), (ssize_t)count);
	(void)close(fd);
}

/* A sealed packet as node 7 would make it. */
static size_t packet_of(uint64_t boot, uint64_t counter, uint32_t cluster, uint8_t *ret_packet)
{
	struct id128 node = {{7}};
	struct seal_subkey subkey;
	seal_subkey_derive(&one.keyring.keys[0], id128_short(node), boot, SEAL_DATAGRAM, 0, &subkey);
	struct seal_header header = {
		.flags = SEAL_FLAG_NEWBOOT,
		.cluster = cluster,
		.key_id = one.keyring.keys[0].key_id,
		.sender_short = id128_short(node),
		.counter = counter,
	};
	struct buf out;
	buf_init(&out, ret_packet, DATAGRAM_BYTES_MAX);
	seal_header_put(&out, &header);
	buf_put_u64(&out, boot);
	struct slice clear = buf_slice(&out);
	seal_close(&subkey, counter, clear, slice_str("payload"), &out);
	assert_false(out.has_overflowed);
	return out.bytes;
}

static void expect_drop(const void *bytes, size_t count, enum udp_drop drop)
{
	uint64_t before = udp_drop_count(one.udp, drop);
	unsigned event_count = one.fake.event_count;
	send_raw(&one, bytes, count);
	fake_host_turn(&one.fake, 2);
	assert_int_equal(udp_drop_count(one.udp, drop), before + 1);
	assert_int_equal(one.fake.event_count, event_count);
}

static void test_both_ways(void **state)
{
	(void)state;
	/* More than one batch, of all sizes up to the largest. */
	uint8_t payload[DATAGRAM_PAYLOAD_BYTES_MAX] = {0};
	for (unsigned i = 0; i < 70; i++) {
		payload[0] = (uint8_t)i;
		size_t bytes = i == 69 ? sizeof(payload) : 1 + i;
		udp_send(one.udp, &two.options.bind, slice_of(payload, bytes));
	}
	udp_flush(one.udp);
	const struct fake_event *last = fake_host_await(&two.fake, EVENT_DATAGRAM, 70);
	assert_int_equal(last->bytes, sizeof(payload));
	assert_int_equal(last->first[0], 69);
	assert_int_equal(last->event.datagram.boot, BOOT);
	assert_int_equal(last->event.datagram.sender_short, id128_short(one.options.node));
	assert_true(address_equal(&last->event.datagram.from, &one.options.bind));
	send_text(&two, &one, "back");
	assert_int_equal(fake_host_await(&one.fake, EVENT_DATAGRAM, 1)->bytes, 4);
}

static void test_refused(void **state)
{
	(void)state;
	struct address nobody = one.options.bind;
	nobody.port = free_port();
	for (unsigned i = 1; i <= 3; i++) {
		udp_send(one.udp, &nobody, slice_str("x"));
		udp_flush(one.udp);
		const struct fake_event *last = fake_host_await(&one.fake, EVENT_DATAGRAM, i);
		assert_true(last->event.datagram.is_refused);
		assert_true(address_equal(&last->event.datagram.from, &nobody));
	}
	/* The socket goes on. */
	send_text(&one, &two, "x");
	(void)fake_host_await(&two.fake, EVENT_DATAGRAM, 1);
	send_text(&two, &one, "x");
	assert_false(fake_host_await(&one.fake, EVENT_DATAGRAM, 4)->event.datagram.is_refused);
}

static void test_drops(void **state)
{
	(void)state;
	uint8_t packet[1400] = {0};
	size_t bytes = packet_of(500, 3, CLUSTER, packet);
	send_raw(&one, packet, bytes);
	(void)fake_host_await(&one.fake, EVENT_DATAGRAM, 1);
	expect_drop(packet, bytes, UDP_DROP_REPLAY);
	for (size_t i = 0; i < bytes; i += 3) {
		uint8_t altered[DATAGRAM_BYTES_MAX];
		memcpy(altered, packet, bytes);
		altered[i] ^= 0x40;
		send_raw(&one, altered, bytes);
	}
	for (size_t i = 0; i < bytes; i += 5)
		send_raw(&one, packet, i);
	fake_host_turn(&one.fake, 5);
	assert_int_equal(one.fake.event_count, 1);
	expect_drop(packet, 10, UDP_DROP_FORM);
	expect_drop(packet, sizeof(packet), UDP_DROP_FORM);
	bytes = packet_of(500, 4, CLUSTER + 1, packet);
	expect_drop(packet, bytes, UDP_DROP_CLUSTER);
	bytes = packet_of(499, 5, CLUSTER, packet);
	expect_drop(packet, bytes, UDP_DROP_OLD_BOOT);
	bytes = packet_of(500, 6, CLUSTER, packet);
	packet[bytes - 1] ^= 1;
	expect_drop(packet, bytes, UDP_DROP_SEAL);
	bytes = packet_of(500, 6, CLUSTER, packet);
	packet[2]++;
	expect_drop(packet, bytes, UDP_DROP_VERSION);
	/* A fresh joiner has no cluster yet. */
	bytes = packet_of(500, 6, 0, packet);
	send_raw(&one, packet, bytes);
	(void)fake_host_await(&one.fake, EVENT_DATAGRAM, 2);
	/* And one that is in none takes nothing from those who are. */
	one.fake.cluster = 0;
	bytes = packet_of(500, 7, CLUSTER, packet);
	expect_drop(packet, bytes, UDP_DROP_CLUSTER);
	one.fake.cluster = CLUSTER;
	one.fake.boot_known = 600;
	bytes = packet_of(599, 0, CLUSTER, packet);
	expect_drop(packet, bytes, UDP_DROP_OLD_BOOT);
}

static void test_other_key(void **state)
{
	(void)state;
	struct side other;
	side_open(&other, 3, 8, BOOT);
	send_text(&other, &one, "x");
	fake_host_turn(&one.fake, 5);
	assert_int_equal(udp_drop_count(one.udp, UDP_DROP_KEY_ID), 1);
	assert_int_equal(one.fake.event_count, 0);
	side_close(&other);
}

static void test_own(void **state)
{
	(void)state;
	send_text(&one, &one, "x");
	fake_host_turn(&one.fake, 5);
	assert_int_equal(udp_drop_count(one.udp, UDP_DROP_FORM), 1);
	assert_int_equal(one.fake.event_count, 0);
}

static void test_restart(void **state)
{
	(void)state;
	send_text(&two, &one, "before");
	(void)fake_host_await(&one.fake, EVENT_DATAGRAM, 1);
	side_close(&two);
	side_open(&two, 2, 9, BOOT + 1);
	/* Counters begin anew with each boot. */
	send_text(&two, &one, "after");
	assert_int_equal(fake_host_await(&one.fake, EVENT_DATAGRAM, 2)->event.datagram.boot, BOOT + 1);
}

static void test_unreachable(void **state)
{
	(void)state;
	/* A network that no route leads to, between two that are reached. */
	struct address nowhere = {.family = 4, .ip = {240, 0, 0, 1}, .port = 7};
	udp_send(one.udp, &two.options.bind, slice_str("a"));
	udp_send(one.udp, &nowhere, slice_str("b"));
	udp_send(one.udp, &(struct address){.family = 0}, slice_str("b"));
	udp_send(one.udp, &two.options.bind, slice_str("c"));
	udp_flush(one.udp);
	assert_int_equal(fake_host_await(&two.fake, EVENT_DATAGRAM, 2)->first[0], 'c');
}

static void test_memory(void **state)
{
	(void)state;
	mem_fail_after(0);
	send_text(&two, &one, "x");
	fake_host_turn(&one.fake, 5);
	mem_fail_after(UINT64_MAX);
	assert_int_equal(udp_drop_count(one.udp, UDP_DROP_MEMORY), 1);
	send_text(&two, &one, "x");
	(void)fake_host_await(&one.fake, EVENT_DATAGRAM, 1);
}

static void test_taken_port(void **state)
{
	(void)state;
	struct udp *udp;
	struct problem problem;
	assert_int_equal(udp_open(&two.fake.host, &one.options, &udp, &problem), ERR_IO);
	assert_non_null(strstr(problem.text, "--bind: UDP 127.0.0.1:"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"datagrams of all sizes arrive", test_both_ways, setup, teardown, NULL},
		{"a port where nobody listens is told at once", test_refused, setup, teardown, NULL},
		{"what was taken before, altered, foreign or old is dropped and counted",
		 test_drops, setup, teardown, NULL},
		{"a packet of another key is counted as such", test_other_key, setup, teardown, NULL},
		{"an agent does not listen to itself", test_own, setup, teardown, NULL},
		{"a sender's next boot is taken", test_restart, setup, teardown, NULL},
		{"an address without a way to it does not stop the others", test_unreachable, setup,
		 teardown, NULL},
		{"without memory a packet is dropped and counted", test_memory, setup, teardown, NULL},
		{"a port that is taken is named", test_taken_port, setup, teardown, NULL},
	};
	return cmocka_run_group_tests_name("udp", tests, NULL, NULL);
}
