/* The connection to schedd-runner at DIR/runner.sock. The runner is never started by the agent: it is connected to
 * whenever its socket is there, and what it says becomes EVENT_RUNNER. While there is no socket nothing runs
 * here at all: the directory is watched. */
#ifndef AGENT_IO_RUNNER_LINK_H
#define AGENT_IO_RUNNER_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/io/channel.h"
#include "agent/io/host.h"
#include "agent/io/watch.h"
#include "proto/err.h"
#include "proto/runner.h"

#define RUNNER_LINK_QUEUE_BYTES_MAX (8u << 20) /* orders that the runner has not read yet */
#define RUNNER_LINK_RETRY_MS_MIN 100u
#define RUNNER_LINK_RETRY_MS_MAX 5000u

enum runner_link_state {
	RUNNER_LINK_WAITING, /* for the socket's file, or for the retry */
	RUNNER_LINK_CONNECTING,
	RUNNER_LINK_OPEN,
	RUNNER_LINK_CLOSING
};

struct runner_link {
	struct host *host;
	struct watch *watch;
	const char *directory;
	const char *path;
	enum runner_link_state state;
	bool is_open;    /* between open and close */
	bool is_ending;  /* closed by runner_link_close: no retry */
	bool is_told_up; /* the node thinks that the runner is there */
	uint32_t retry_ms;
	uv_connect_t connect;
	uv_timer_t retry;
	struct channel channel;
};

/* Borrows host, watch and both paths. ERR_IO: the directory can not be watched. */
MUST_CHECK enum err runner_link_open(struct runner_link *link, struct host *host, struct watch *watch,
				     const char *directory, const char *path, struct problem *problem);
/* Effect. Without a connection the order is dropped: the node has been told that the runner is down. */
void runner_link_send(struct runner_link *link, const struct runner_order *order);
void runner_link_close(struct runner_link *link);

#endif
