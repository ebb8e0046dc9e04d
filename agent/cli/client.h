/* One connection to an agent's socket: requests out, replies in, one poll loop with a deadline.
 *
 * Request: [1, seq, verb, args].  Reply: [1, seq, kind, body]; one msgpack value to a frame. */
#ifndef AGENT_CLI_CLIENT_H
#define AGENT_CLI_CLIENT_H

#include <stdint.h>

#include "proto/err.h"
#include "proto/types.h"

enum reply_kind {
	REPLY_ROW = 0,
	REPLY_END = 1,   /* success; its body is a summary */
	REPLY_ERROR = 2, /* {code, exit, message, hint} */
	REPLY_PROGRESS = 3
};

struct reply {
	uint64_t seq;
	enum reply_kind kind;
	struct slice body; /* a msgpack map, borrowed until the next call on the client */
};

struct client;

/* On the boot-time clock. */
int64_t client_now_ms(void);
/* Milliseconds UTC: for calendars only. */
int64_t client_utc_ms(void);

/* Errors: ERR_CLOSED nobody listens (the hint says how to go on); ERR_DENIED; ERR_RANGE too long a path;
 * ERR_TIMEOUT. */
MUST_CHECK enum err client_open(const char *path, int64_t deadline_ms, struct client **ret_client,
				struct problem *problem);
void client_close(struct client *client);

/* `args` is one msgpack map. `deadline_ms` as of client_now_ms; INT64_MAX: none. */
MUST_CHECK enum err client_send(struct client *client, const char *verb, struct slice args,
				int64_t deadline_ms, uint64_t *ret_seq, struct problem *problem);

/* The next reply. ERR_TIMEOUT: none until the deadline (the connection is still good); ERR_CLOSED; ERR_INVALID:
 * what came is not a reply. */
MUST_CHECK enum err client_receive(struct client *client, int64_t deadline_ms,
				   struct reply *ret_reply, struct problem *problem);

#endif
