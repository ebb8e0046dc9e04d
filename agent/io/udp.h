/* Datagrams between agents: an own non-blocking socket, sealed both ways (proto/seal.h).
 *
 * An own socket and not uv_udp_t, for two things: the error queue (the kernel tells at once that nobody listens at an
 * address), and reading to the end before a late timer is believed (lag guard).
 *
 * Whatever does not open, is not of this cluster, was taken before or is from an older boot is dropped and counted by
 * kind; each kind is in the log at most once in ten minutes. */
#ifndef AGENT_IO_UDP_H
#define AGENT_IO_UDP_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/io/host.h"
#include "agent/io/keyring.h"
#include "proto/err.h"
#include "proto/types.h"

#define UDP_LOG_EVERY_MS (10 * 60 * 1000)

enum udp_drop {
	UDP_DROP_FORM, /* too short, too long, or not ours */
	UDP_DROP_VERSION,
	UDP_DROP_CLUSTER, /* another cluster's, or we are in none yet */
	UDP_DROP_KEY_ID,  /* sealed with a key that we do not have */
	UDP_DROP_SEAL,    /* altered, or sealed with another key */
	UDP_DROP_OLD_BOOT,
	UDP_DROP_REPLAY,
	UDP_DROP_MEMORY,
	UDP_DROP_NOT_SENT, /* ours: the kernel's buffer was full, or there is no way to the address */
	UDP_DROP_COUNT
};

struct udp_options {
	struct address bind;
	struct id128 node;
	uint64_t boot;
	const struct keyring *keyring; /* at least one key */
};

struct udp;

/* Binds. Errors: ERR_IO (the address, named), ERR_NO_MEMORY. */
MUST_CHECK enum err udp_open(struct host *host, const struct udp_options *options,
			     struct udp **ret_udp, struct problem *problem);
/* Effect: sealed and queued; udp_flush sends. Requires: at most DATAGRAM_PAYLOAD_BYTES_MAX. */
void udp_send(struct udp *udp, const struct address *to, struct slice payload);
/* One system call for all that is queued. */
void udp_flush(struct udp *udp);
/* Reads all that has arrived, as events. */
void udp_drain(struct udp *udp);
uint64_t udp_drop_count(const struct udp *udp, enum udp_drop drop);
/* Frees when the loop has closed the handle. NULL is fine. */
void udp_close(struct udp *udp);

#endif
