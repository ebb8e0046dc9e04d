/* Datagrams between agents. */
#include "agent/io/udp.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* After the C library's own headers, which it would contradict. */
#include <linux/errqueue.h>

#include "agent/io/address_os.h"
#include "agent/io/senders.h"
#include "agent/log.h"
#include "agent/mem.h"
#include "proto/buf.h"
#include "proto/limits.h"
#include "proto/seal.h"
#include "proto/text.h"

#define BATCH_COUNT 32u /* packets to one system call */
#define ROUNDS_MAX \
	128u /* batches read in one go: 4096 packets are more than a socket's buffer holds */
#define ERRORS_MAX 64u     /* error reports read in one go */
#define PACKET_BYTES 1280u /* one that does not fit is longer than any of ours */
#define BOOT_BYTES 8u
#define CLEAR_BYTES (DATAGRAM_HEADER_BYTES + BOOT_BYTES)

static_assert(PACKET_BYTES > DATAGRAM_BYTES_MAX, "a packet that is too long is seen as such");
static_assert(CLEAR_BYTES + DATAGRAM_PAYLOAD_BYTES_MAX + SEAL_TAG_BYTES == DATAGRAM_BYTES_MAX,
	      "it all fits");

struct udp {
	struct host *host;
	int fd;
	uv_poll_t poll;
	bool is_closing;
	const struct keyring *keyring;
	struct id128 node;
	uint64_t boot;
	struct senders senders;
	struct seal_subkey subkey; /* of what we send */
	uint64_t counter;          /* of the next one */
	uint64_t drops[UDP_DROP_COUNT];
	uint64_t drops_logged[UDP_DROP_COUNT];
	int64_t log_mono_us[UDP_DROP_COUNT]; /* not before then again */
	uint32_t out_count;
	/* Written only as far as used, so the rest costs address space alone. */
	uint8_t in[BATCH_COUNT][PACKET_BYTES];
	struct sockaddr_storage in_from[BATCH_COUNT];
	uint8_t out[BATCH_COUNT][DATAGRAM_BYTES_MAX];
	size_t out_bytes[BATCH_COUNT];
	struct sockaddr_storage out_to[BATCH_COUNT];
	socklen_t out_to_bytes[BATCH_COUNT];
};

/* ---- dropping ---- */

static const char *const drop_texts[UDP_DROP_COUNT] = {
	[UDP_DROP_FORM] = "not a packet of ours",
	[UDP_DROP_VERSION] = "of a version that is not known here",
	[UDP_DROP_CLUSTER] = "of another cluster",
	[UDP_DROP_KEY_ID] = "sealed with a key that is not here",
	[UDP_DROP_SEAL] = "altered, or sealed with another key",
	[UDP_DROP_OLD_BOOT] = "from before its sender's last start",
	[UDP_DROP_REPLAY] = "received before",
	[UDP_DROP_MEMORY] = "out of memory",
	[UDP_DROP_NOT_SENT] = "could not be sent",
};

/* key_id: < 0 where it says nothing. */
static void drop(struct udp *udp, enum udp_drop kind, const struct address *peer, int key_id)
{
	udp->drops[kind]++;
	int64_t now_us = udp->host->now(udp->host->context).mono_us;
	if (now_us < udp->log_mono_us[kind])
		return;
	udp->log_mono_us[kind] = now_us + (int64_t)UDP_LOG_EVERY_MS * 1000;
	uint64_t count = udp->drops[kind] - udp->drops_logged[kind];
	udp->drops_logged[kind] = udp->drops[kind];
	char where[TEXT_ADDRESS_BYTES];
	text_format_address(peer, where);
	char key[32] = "";
	if (key_id >= 0)
		(void)snprintf(key, sizeof(key), " key=%04x ours=%04x", (unsigned)key_id,
			       udp->keyring->keys[0].key_id);
	log_line(LOG_LEVEL_WARN, "udp dropped count=%llu last_peer=%s%s: %s",
		 (unsigned long long)count, where, key, drop_texts[kind]);
}

uint64_t udp_drop_count(const struct udp *udp, enum udp_drop kind)
{
	return udp->drops[kind];
}

/* ---- receiving ---- */

/* What the clear part says, before any work with keys. */
static bool check_header(struct udp *udp, const struct seal_header *header, uint64_t boot,
			 const struct address *from)
{
	struct host *host = udp->host;
	uint32_t cluster = host->cluster_hash(host->context);
	/* Members may have heard of a joiner before it has its answer: counted, but no line for it. */
	if (header->cluster != 0 && cluster == 0) {
		udp->drops[UDP_DROP_CLUSTER]++;
		udp->drops_logged[UDP_DROP_CLUSTER]++;
		return false;
	}
	if (header->cluster != 0 && header->cluster != cluster) {
		drop(udp, UDP_DROP_CLUSTER, from, -1);
		return false;
	}
	if (boot == 0 || header->sender_short == id128_short(udp->node)) {
		drop(udp, UDP_DROP_FORM, from, -1);
		return false;
	}
	if (senders_is_old(&udp->senders, header->sender_short, boot) ||
	    boot < host->boot_known(host->context, header->sender_short)) {
		drop(udp, UDP_DROP_OLD_BOOT, from, -1);
		return false;
	}
	return true;
}

static bool take_counter(struct udp *udp, const struct seal_subkey *subkey,
			 const struct seal_header *header, uint64_t boot, const struct address *from)
{
	switch (senders_take(&udp->senders, subkey, header->key_id, header->sender_short, boot,
			     header->counter)) {
	case SENDERS_FRESH:
		return true;
	case SENDERS_REPLAYED:
		drop(udp, UDP_DROP_REPLAY, from, -1);
		return false;
	case SENDERS_OLD_BOOT:
		drop(udp, UDP_DROP_OLD_BOOT, from, -1);
		return false;
	case SENDERS_NO_MEMORY:
		drop(udp, UDP_DROP_MEMORY, from, -1);
		return false;
	}
	return false;
}

static void receive_one(struct udp *udp, struct slice packet, const struct address *from)
{
	struct seal_header header;
	enum err err = seal_header_get(packet, &header);
	if (err == ERR_UNSUPPORTED) {
		drop(udp, UDP_DROP_VERSION, from, -1);
		return;
	}
	/* Our packets always carry the boot; one without it could not be told from an older start's. */
	if (err != ERR_OK || (header.flags & SEAL_FLAG_NEWBOOT) == 0 ||
	    packet.bytes < CLEAR_BYTES + SEAL_TAG_BYTES) {
		drop(udp, UDP_DROP_FORM, from, -1);
		return;
	}
	uint64_t boot = load_u64(packet.data + DATAGRAM_HEADER_BYTES);
	if (!check_header(udp, &header, boot, from))
		return;
	const struct seal_master *master = keyring_find(udp->keyring, header.key_id);
	if (master == NULL) {
		drop(udp, UDP_DROP_KEY_ID, from, header.key_id);
		return;
	}
	struct seal_subkey scratch;
	const struct seal_subkey *subkey = senders_subkey(&udp->senders, master,
							  header.sender_short, boot, &scratch);
	uint8_t memory[DATAGRAM_BYTES_MAX];
	struct buf payload;
	buf_init(&payload, memory, sizeof(memory));
	err = seal_open(subkey, header.counter, slice_of(packet.data, CLEAR_BYTES),
			slice_of(packet.data + CLEAR_BYTES, packet.bytes - CLEAR_BYTES), &payload);
	if (err != ERR_OK) {
		drop(udp, UDP_DROP_SEAL, from, -1);
		return;
	}
	if (!take_counter(udp, subkey, &header, boot, from))
		return;
	struct event event = {
		.type = EVENT_DATAGRAM,
		.bytes = buf_slice(&payload),
		.datagram = {.sender_short = header.sender_short, .boot = boot, .from = *from},
	};
	udp->host->step(udp->host->context, &event);
}

void udp_drain(struct udp *udp)
{
	struct mmsghdr messages[BATCH_COUNT];
	struct iovec pieces[BATCH_COUNT];
	for (unsigned round = 0; round < ROUNDS_MAX && !udp->is_closing; round++) {
		for (unsigned i = 0; i < BATCH_COUNT; i++) {
			pieces[i] = (struct iovec){udp->in[i], PACKET_BYTES};
			messages[i] = (struct mmsghdr){.msg_hdr = {
							       .msg_name = &udp->in_from[i],
							       .msg_namelen = sizeof(udp->in_from[i]),
							       .msg_iov = &pieces[i],
							       .msg_iovlen = 1,
						       }};
		}
		int got = recvmmsg(udp->fd, messages, BATCH_COUNT, MSG_DONTWAIT, NULL);
		if (got < 0 && (errno == ECONNREFUSED || errno == EINTR || errno == EHOSTUNREACH))
			continue; /* the error's report is in the error queue */
		if (got <= 0)
			return;
		for (int i = 0; i < got && !udp->is_closing; i++) {
			struct address from;
			if (!address_from_os(&udp->in_from[i], &from))
				continue;
			if ((messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0)
				drop(udp, UDP_DROP_FORM, &from, -1);
			else
				receive_one(udp, slice_of(udp->in[i], messages[i].msg_len), &from);
		}
		if ((unsigned)got < BATCH_COUNT)
			return;
	}
}

/* ---- the error queue ---- */

static bool is_refusal(struct msghdr *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL;
	     part = CMSG_NXTHDR(message, part)) {
		bool is_report = (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_RECVERR) ||
				 (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_RECVERR);
		if (!is_report)
			continue;
		struct sock_extended_err report;
		memcpy(&report, CMSG_DATA(part), sizeof(report));
		return report.ee_errno == ECONNREFUSED && (report.ee_origin == SO_EE_ORIGIN_ICMP ||
							   report.ee_origin == SO_EE_ORIGIN_ICMP6);
	}
	return false;
}

static void drain_errors(struct udp *udp)
{
	for (unsigned i = 0; i < ERRORS_MAX && !udp->is_closing; i++) {
		struct sockaddr_storage peer = {0};
		_Alignas(struct cmsghdr) uint8_t control[512];
		struct iovec piece = {udp->in[0], PACKET_BYTES};
		struct msghdr message = {
			.msg_name = &peer,
			.msg_namelen = sizeof(peer),
			.msg_iov = &piece,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		if (recvmsg(udp->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;
		struct event event = {.type = EVENT_DATAGRAM, .datagram = {.is_refused = true}};
		if (!is_refusal(&message) || !address_from_os(&peer, &event.datagram.from))
			continue;
		udp->host->step(udp->host->context, &event);
	}
}

static void on_poll(uv_poll_t *poll, int code, int events)
{
	struct udp *udp = poll->data;
	(void)events;
	if (udp->is_closing)
		return;
	/* Packets first: an answer that is here already is worth more than a report about an earlier one. */
	udp_drain(udp);
	if (code == 0 || udp->is_closing)
		return;
	/* libuv shows a filled error queue as an error of the handle, and stops it. */
	drain_errors(udp);
	if (!udp->is_closing)
		(void)uv_poll_start(&udp->poll, UV_READABLE, on_poll);
}

/* ---- sending ---- */

void udp_send(struct udp *udp, const struct address *to, struct slice payload)
{
	assert(payload.bytes <= DATAGRAM_PAYLOAD_BYTES_MAX);
	/* A member of whom only others have told may have none. */
	if (to->family == 0) {
		drop(udp, UDP_DROP_NOT_SENT, to, -1);
		return;
	}
	if (udp->out_count == BATCH_COUNT)
		udp_flush(udp);
	uint32_t place = udp->out_count++;
	struct host *host = udp->host;
	struct seal_header header = {
		.flags = SEAL_FLAG_NEWBOOT,
		.cluster = host->cluster_hash(host->context),
		.key_id = udp->keyring->keys[0].key_id,
		.sender_short = id128_short(udp->node),
		.counter = udp->counter,
	};
	struct buf out;
	buf_init(&out, udp->out[place], DATAGRAM_BYTES_MAX);
	seal_header_put(&out, &header);
	buf_put_u64(&out, udp->boot);
	seal_close(&udp->subkey, udp->counter++, slice_of(out.data, CLEAR_BYTES), payload, &out);
	assert(!out.has_overflowed);
	udp->out_bytes[place] = out.bytes;
	udp->out_to_bytes[place] = address_to_os(to, &udp->out_to[place]);
}

static void drop_unsent(struct udp *udp, uint32_t from, uint32_t end)
{
	for (uint32_t i = from; i < end; i++) {
		struct address to;
		if (address_from_os(&udp->out_to[i], &to))
			drop(udp, UDP_DROP_NOT_SENT, &to, -1);
	}
}

void udp_flush(struct udp *udp)
{
	struct mmsghdr messages[BATCH_COUNT];
	struct iovec pieces[BATCH_COUNT];
	uint32_t count = udp->out_count;
	udp->out_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		pieces[i] = (struct iovec){udp->out[i], udp->out_bytes[i]};
		messages[i] = (struct mmsghdr){.msg_hdr = {
						       .msg_name = &udp->out_to[i],
						       .msg_namelen = udp->out_to_bytes[i],
						       .msg_iov = &pieces[i],
						       .msg_iovlen = 1,
					       }};
	}
	/* An error belongs to the first message of the call, or to an earlier packet, whose report it is: then the same one
	 * is tried once more. */
	bool is_again = false;
	for (uint32_t i = 0; i < count;) {
		int sent = sendmmsg(udp->fd, &messages[i], count - i, MSG_DONTWAIT);
		if (sent > 0) {
			i += (uint32_t)sent;
			is_again = false;
			continue;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
			drop_unsent(udp, i, count);
			return;
		}
		if (!is_again) {
			is_again = true;
			continue;
		}
		drop_unsent(udp, i, i + 1);
		i++;
		is_again = false;
	}
}

/* ---- the socket ---- */

static int bind_socket(const struct address *address)
{
	int family = address->family == 4 ? AF_INET : AF_INET6;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	int on = 1;
	struct sockaddr_storage os;
	socklen_t os_bytes = address_to_os(address, &os);
	int code;
	if (family == AF_INET) {
		code = setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	} else {
		code = setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
		if (code == 0)
			code = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	}
	if (code == 0)
		code = bind(fd, (struct sockaddr *)&os, os_bytes);
	if (code == 0)
		return fd;
	code = -errno;
	(void)close(fd);
	return code;
}

enum err udp_open(struct host *host, const struct udp_options *options, struct udp **ret_udp,
		  struct problem *problem)
{
	char where[TEXT_ADDRESS_BYTES];
	text_format_address(&options->bind, where);
	int fd = bind_socket(&options->bind);
	if (fd < 0)
		return problem_set(problem, ERR_IO, "--bind: UDP %s: %s", where, strerror(-fd));
	struct udp *udp = mem_new(1, sizeof(*udp));
	if (udp == NULL) {
		(void)close(fd);
		return problem_set(problem, ERR_NO_MEMORY, "UDP %s: out of memory", where);
	}
	udp->host = host;
	udp->fd = fd;
	udp->keyring = options->keyring;
	udp->node = options->node;
	udp->boot = options->boot;
	seal_subkey_derive(&udp->keyring->keys[0], id128_short(udp->node), udp->boot, SEAL_DATAGRAM,
			   0, &udp->subkey);
	int code = uv_poll_init(host->uv, &udp->poll, fd);
	if (code != 0) {
		(void)close(fd);
		mem_free(udp);
		return problem_set(problem, ERR_IO, "UDP %s: %s", where, uv_strerror(code));
	}
	udp->poll.data = udp;
	(void)uv_poll_start(&udp->poll, UV_READABLE, on_poll);
	*ret_udp = udp;
	return ERR_OK;
}

static void on_closed(uv_handle_t *handle)
{
	struct udp *udp = handle->data;
	(void)close(udp->fd);
	senders_close(&udp->senders);
	mem_free(udp);
}

void udp_close(struct udp *udp)
{
	if (udp == NULL || udp->is_closing)
		return;
	udp->is_closing = true;
	uv_close((uv_handle_t *)&udp->poll, on_closed);
}
