/* The agent's local socket: consoles and commands of this host. Frames become EVENT_REQUEST, replies go out
 * in order. Who asks is told by the kernel (SO_PEERCRED), never by the client. */
#ifndef AGENT_IO_CONTROL_H
#define AGENT_IO_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/io/host.h"
#include "agent/io/turnaway.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/types.h"

/* What waits for one client: an answer about 50,000 jobs in one piece. A client that reads more slowly than that
 * is dropped, and so is one that waits with more than its share when all of them together wait for too much. */
#define CONTROL_QUEUE_BYTES_MAX (32u << 20)
#define CONTROL_QUEUE_BYTES_SHARE (1u << 20)
#define CONTROL_QUEUES_BYTES_MAX (64u << 20)
#define CONTROL_USERS_MAX 16u /* login names remembered */

struct control_client;

struct control_user {
	uint32_t uid;
	char name[USER_NAME_BYTES_MAX + 1];
};

struct control {
	struct host *host;
	uv_pipe_t listener;
	struct turnaway turnaway;
	bool is_open;
	bool is_closing;
	uint64_t last_client; /* numbers are never used again */
	struct control_client *clients[CLIENTS_MAX];
	uint32_t client_count;
	struct control_user users[CONTROL_USERS_MAX];
	uint32_t user_count;
	uint64_t refused_count;
};

/* Listens at `path`, mode 0600. The socket file of an agent that is dead is replaced. ERR_EXISTS: a process
 * listens there; ERR_IO. Nothing is left open on failure but a handle that closes in the loop's next turn. */
MUST_CHECK enum err control_open(struct control *control, struct host *host, const char *path,
				 struct problem *problem);
/* Effects. A client that is gone: nothing happens, EVENT_CLIENT_GONE has told it or will. */
void control_reply(struct control *control, uint64_t client, struct slice bytes);
void control_close_client(struct control *control, uint64_t client);
/* Closes all; done when the loop has run dry. */
void control_close(struct control *control);

#endif
