/* A connection to the agent's Unix socket: moves bytes and cuts them into frames. It never blocks. */
#ifndef TUI_CLIENT_H
#define TUI_CLIENT_H

#include "proto/err.h"
#include "proto/frame.h"
#include "tui/state.h"

struct client {
	int fd; /* -1: not connected */
	struct frame_reader reader;
};

void client_init(struct client *client, row_resize *resize);
void client_close(struct client *client); /* usable again by client_open */
/* ERR_IO with the reason in `problem`: no socket, nobody listens, not allowed. */
MUST_CHECK enum err client_open(struct client *client, const char *path, struct problem *problem);
/* Sends what it can of the outbox and removes it from there. ERR_CLOSED: the other end is gone. */
MUST_CHECK enum err client_write(struct client *client, struct outbox *outbox);
/* Reads what is there, but not without end. ERR_CLOSED, or ERR_RANGE for a frame that is too long. */
MUST_CHECK enum err client_read(struct client *client);
/* The next whole frame, borrowed until the next call; false: none yet. */
bool client_next(struct client *client, struct slice *ret_body);

#endif
