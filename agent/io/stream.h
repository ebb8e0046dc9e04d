/* Streams between agents: TCP at the port of the datagrams, dialled at need, one for each ordered pair of agents.
 *
 *     dialler                          acceptor
 *     hello (clear)       ---------->
 *                         <----------  hello (clear)
 *     sealed frames       <--------->  sealed frames (answers on the same stream)
 *     sealed empty frame  ---------->  an end in order: closed without news
 *
 * Each direction is sealed with a subkey of its sender and of its sender's own number for the connection, which no
 * later connection of that boot has again, so no pair of key and nonce is used twice, whatever the other end says. Both
 * hellos are authenticated with every frame, so a recorded stream opens nowhere. Counters are strict: a frame
 * that is not the next one ends the stream. Nothing is sent again: what was queued on a stream that breaks is lost,
 * and EVENT_STREAM_DOWN tells. */
#ifndef AGENT_IO_STREAM_H
#define AGENT_IO_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/io/host.h"
#include "agent/io/keyring.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/types.h"

#define STREAM_QUEUE_BYTES_MAX (8u << 20) /* waits for one peer; a slower one is dropped */
/* From connect to the other's hello; then, on an accepted one, to its first frame that opens: a hello alone proves
 * nothing, and who dials does so because it has something to say. */
#define STREAM_HANDSHAKE_MS 5000
#define STREAM_IDLE_MS 60000           /* a dialled one without use is closed */
#define STREAM_IDLE_ACCEPTED_MS 120000 /* the dialler should have closed it long before */
#define STREAM_INBOUND_MAX (4u * MEMBERS_MAX + 64u)
#define STREAM_OUTBOUND_MAX (MEMBERS_MAX + 64u)
#define STREAM_UNACKED_MS \
	10000 /* bytes that the peer's kernel does not confirm for so long: it is gone */

struct stream_options {
	struct address bind;
	struct id128 node;
	uint64_t boot;
	const struct keyring *keyring; /* at least one key */
};

struct streams;

/* Listens. Errors: ERR_IO (the address, named), ERR_NO_MEMORY. */
MUST_CHECK enum err streams_open(struct host *host, const struct stream_options *options,
				 struct streams **ret_streams, struct problem *problem);
/* Effects. To a node: on the stream to it, dialled if there is none; with a zero node a dial of its own. */
void streams_send(struct streams *streams, struct id128 node, const struct address *address,
		  struct slice bytes);
void streams_answer(struct streams *streams, uint64_t connection, struct slice bytes);
/* Frees itself when the loop has closed all handles. NULL is fine. */
void streams_close(struct streams *streams);

#endif
