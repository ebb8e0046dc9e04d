/* Turning a connection away when there is no memory for it. */
#include "agent/io/turnaway.h"

#include <assert.h>

static void on_closed(uv_handle_t *handle)
{
	struct turnaway *turnaway = handle->data;
	turnaway->is_closing = false;
	bool is_next = turnaway->is_next && !uv_is_closing((uv_handle_t *)turnaway->listener);
	turnaway->is_next = false;
	if (is_next)
		turnaway_take(turnaway, turnaway->listener);
	else if (turnaway->on_free != NULL)
		turnaway->on_free(turnaway->context);
}

void turnaway_take(struct turnaway *turnaway, uv_stream_t *listener)
{
	turnaway->listener = listener;
	if (turnaway->is_closing) {
		turnaway->is_next = true;
		return;
	}
	int code;
	if (listener->type == UV_TCP)
		code = uv_tcp_init(listener->loop, &turnaway->tcp);
	else
		code = uv_pipe_init(listener->loop, &turnaway->pipe, 0);
	assert(code == 0);
	turnaway->handle.data = turnaway;
	turnaway->is_closing = true;
	(void)uv_accept(listener, &turnaway->stream);
	uv_close(&turnaway->handle, on_closed);
}
