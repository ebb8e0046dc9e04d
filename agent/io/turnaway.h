/* Turning a connection away when there is no memory for it. libuv does not listen on while an accepted connection
 * has not been taken, so one place to take it into, and close it, must always be there. */
#ifndef AGENT_IO_TURNAWAY_H
#define AGENT_IO_TURNAWAY_H

#include <stdbool.h>
#include <uv.h>

/* Zeroed: ready. Lives as long as its listener, and until is_closing is false. */
struct turnaway {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_pipe_t pipe;
		uv_tcp_t tcp;
	};
	uv_stream_t *listener;
	bool is_closing; /* the handle is in use */
	bool is_next;    /* another one waits for it */
	/* The handle is free again; may be NULL. */
	void (*on_free)(void *context);
	void *context;
};

/* Takes what the listener (TCP or pipe) has accepted, and closes it. */
void turnaway_take(struct turnaway *turnaway, uv_stream_t *listener);

#endif
