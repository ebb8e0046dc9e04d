/* A connection that carries frames (proto/frame.h): the common part of the agent's socket, the runner's socket and
 * the streams between agents. Reads into the host's buffer, splits into frames, bounds what waits to be written.
 *
 *     channel_init_pipe / _tcp   (accept or connect)   channel_start   ...   channel_close -> on_closed
 *
 * on_end comes once at most, when the other end is gone or has sent what is no frame; the owner closes then. After
 * channel_close no callback comes but on_closed, in which the memory may be freed. */
#ifndef AGENT_IO_CHANNEL_H
#define AGENT_IO_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "agent/io/host.h"
#include "proto/err.h"
#include "proto/frame.h"
#include "proto/types.h"

struct channel {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_pipe_t pipe;
		uv_tcp_t tcp;
	};
	struct host *host;
	struct frame_reader reader;
	size_t queue_bytes_max;
	bool is_closing;
	bool has_ended;
	void *owner;
	/* The body is borrowed for the call. */
	void (*on_frame)(struct channel *channel, struct slice body);
	/* `why`: short words for a log; code: libuv's error, UV_EOF or UV_EPROTO (no frame). */
	void (*on_end)(struct channel *channel, int code, const char *why);
	void (*on_closed)(struct channel *channel);
};

/* Set before init: owner, callbacks, queue_bytes_max, host. */
void channel_init_pipe(struct channel *channel, size_t frame_bytes_max);
void channel_init_tcp(struct channel *channel, size_t frame_bytes_max);
/* Begins to read. A failure comes as a code of libuv; on_end does not come then. */
MUST_CHECK int channel_start(struct channel *channel);
void channel_close(struct channel *channel);

/* A frame to be filled and sent: `data` has room for exactly `bytes`. NULL: no memory. */
struct channel_block {
	uv_write_t request;
	struct channel *channel;
	size_t bytes;
	uint8_t header[FRAME_HEADER_BYTES]; /* directly before data */
	uint8_t data[];
};
struct channel_block *channel_block_new(size_t bytes);
/* ERR_FULL: more than queue_bytes_max waits already; ERR_CLOSED. The block is gone in any case. */
MUST_CHECK enum err channel_send_block(struct channel *channel, struct channel_block *take_block);
/* The same with a copy; also ERR_NO_MEMORY. */
MUST_CHECK enum err channel_send(struct channel *channel, struct slice body);

#endif
