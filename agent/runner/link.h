/* DIR/runner.sock: listens, checks who connects, splits frames, queues reports. One agent at a time: a newer
 * connection replaces the older one. */
#ifndef AGENT_RUNNER_LINK_H
#define AGENT_RUNNER_LINK_H

#include <stdbool.h>
#include <uv.h>

#include "proto/err.h"
#include "proto/runner.h"

#define LINK_QUEUE_BYTES_MAX \
	(8u << 20) /* reports not taken yet; every run that a runner can hold fits */
#define LINK_READ_BYTES 16384u

struct link_connection;

struct link {
	uv_pipe_t listener;
	bool is_listening;
	struct link_connection *connection; /* NULL: no agent */
	uint8_t read_memory[LINK_READ_BYTES];
	void *context;
	void (*on_connect)(void *context);
	void (*on_order)(void *context, const struct runner_order *order);
};

/* Binds and listens at `path`, mode 0600; an old socket file there is replaced (the caller holds the lock that
 * says that no other runner lives). The callbacks are set before. */
MUST_CHECK enum err link_init(struct link *link, uv_loop_t *loop, const char *path,
			      struct problem *problem);
/* Closes later, when the loop runs. */
void link_close_start(struct link *link);

bool link_is_connected(const struct link *link);
/* Sends one report; without an agent it is dropped: what matters is repeated at the next connection. */
void link_send(struct link *link, const struct runner_report *report);
/* The same, of bytes that runner_report_put made. */
void link_send_bytes(struct link *link, struct slice report);

#endif
