/* One connection to an agent's socket. */
#include "agent/cli/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "agent/cli/growing.h"
#include "proto/buf.h"
#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/wire.h"

#define API_VERSION 1
#define VERB_BYTES_MAX 64u
#define READ_CHUNK_BYTES 65536u

struct client {
	int socket;
	uint64_t seq;
	struct frame_reader reader;
};

static int64_t clock_ms(clockid_t clock)
{
	struct timespec now;
	(void)clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t client_now_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

int64_t client_utc_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

/* Waits until the socket can be read or written. */
static enum err wait_for(const struct client *client, short events, int64_t deadline_ms,
			 struct problem *problem)
{
	for (;;) {
		int64_t left_ms = -1;
		if (deadline_ms != INT64_MAX) {
			left_ms = deadline_ms - client_now_ms();
			if (left_ms < 0)
				left_ms = 0;
			if (left_ms > 60000)
				left_ms = 60000;
		}
		struct pollfd pollfd = {.fd = client->socket, .events = events};
		int count = poll(&pollfd, 1, (int)left_ms);
		if (count > 0)
			return ERR_OK;
		if (count < 0 && errno != EINTR)
			return problem_set(problem, ERR_IO, "wait for the agent: %s", strerror(errno));
		if (deadline_ms != INT64_MAX && client_now_ms() >= deadline_ms)
			return problem_set(problem, ERR_TIMEOUT, "the agent did not answer in time");
	}
}

static enum err no_agent(struct problem *problem, const char *path, int code)
{
	if (code == EACCES || code == EPERM) {
		enum err err = problem_set(problem, ERR_DENIED, "%s: permission denied", path);
		problem_hint(problem, "the socket is open to its agent's user and root: try sudo");
		return err;
	}
	enum err err = problem_set(problem, ERR_CLOSED, "no agent at %s: %s", path, strerror(code));
	problem_hint(problem, "is schedd running? --socket PATH or SCHED_SOCKET name another socket");
	return err;
}

enum err client_open(const char *path, int64_t deadline_ms, struct client **ret_client,
		     struct problem *problem)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t bytes = strlen(path);
	if (bytes == 0 || bytes >= sizeof(address.sun_path))
		return problem_set(problem, ERR_RANGE,
				   "socket path of %zu bytes: a path has 1 to %zu bytes", bytes,
				   sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, bytes + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return problem_set(problem, ERR_IO, "socket: %s", strerror(errno));
	/* A full queue of the agent blocks connect(): the send timeout is what bounds it. */
	int64_t left_ms = deadline_ms == INT64_MAX ? 0 : deadline_ms - client_now_ms();
	struct timeval timeout = {.tv_sec = left_ms / 1000, .tv_usec = (left_ms % 1000) * 1000};
	if (left_ms > 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		int code = errno;
		(void)close(fd);
		if (code == EAGAIN || code == EINPROGRESS)
			return problem_set(problem, ERR_TIMEOUT,
					   "%s: the agent did not answer in time", path);
		return no_agent(problem, path, code);
	}
	struct client *client = growing_resize(NULL, sizeof(*client));
	*client = (struct client){.socket = fd};
	frame_reader_init(&client->reader, FRAME_BYTES_MAX, growing_resize);
	*ret_client = client;
	return ERR_OK;
}

void client_close(struct client *client)
{
	if (client == NULL)
		return;
	frame_reader_close(&client->reader);
	(void)close(client->socket);
	(void)growing_resize(client, 0);
}

static enum err client_closed(struct problem *problem)
{
	(void)problem_set(problem, ERR_CLOSED, "the agent closed the connection");
	problem_hint(problem, "it may have been ended or restarted: its log says why; then try again");
	return ERR_CLOSED;
}

static enum err send_all(struct client *client, struct slice bytes, int64_t deadline_ms,
			 struct problem *problem)
{
	size_t sent = 0;
	while (sent < bytes.bytes) {
		ssize_t count = send(client->socket, bytes.data + sent, bytes.bytes - sent,
				     MSG_NOSIGNAL | MSG_DONTWAIT);
		if (count > 0) {
			sent += (size_t)count;
			continue;
		}
		if (count < 0 && errno != EAGAIN && errno != EINTR)
			return client_closed(problem);
		enum err err = wait_for(client, POLLOUT, deadline_ms, problem);
		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}

enum err client_send(struct client *client, const char *verb, struct slice args,
		     int64_t deadline_ms, uint64_t *ret_seq, struct problem *problem)
{
	size_t bytes_max = FRAME_HEADER_BYTES + args.bytes + VERB_BYTES_MAX + 32;
	uint8_t *memory = growing_resize(NULL, bytes_max);
	struct buf frame;
	buf_init(&frame, memory, bytes_max);
	buf_put_u32(&frame, 0);
	wire_put_array(&frame, 4);
	wire_put_u64(&frame, API_VERSION);
	wire_put_u64(&frame, ++client->seq);
	wire_put_text(&frame, verb);
	wire_put_raw(&frame, args);
	size_t body_bytes = frame.bytes - FRAME_HEADER_BYTES;
	store_u32(frame.data, (uint32_t)body_bytes);
	enum err err;
	if (frame.has_overflowed || body_bytes > FRAME_BYTES_MAX)
		err = problem_set(problem, ERR_RANGE, "the request is above %u bytes", FRAME_BYTES_MAX);
	else
		err = send_all(client, buf_slice(&frame), deadline_ms, problem);
	*ret_seq = client->seq;
	(void)growing_resize(memory, 0);
	return err;
}

static enum err reply_decode(struct slice frame, struct reply *ret_reply, struct problem *problem)
{
	struct wire_reader reader;
	wire_reader_init(&reader, frame);
	uint32_t count = wire_get_array_min(&reader, 4);
	uint64_t version = wire_get_u64(&reader);
	struct reply reply = {0};
	reply.seq = wire_get_u64(&reader);
	reply.kind = (enum reply_kind)wire_get_u64_max(&reader, REPLY_PROGRESS);
	bool is_map = wire_peek(&reader) == WIRE_MAP;
	reply.body = wire_get_raw(&reader);
	if (count >= 4)
		wire_skip_items(&reader, count - 4);
	if (wire_reader_end(&reader) != ERR_OK || !is_map)
		return problem_set(problem, ERR_INVALID, "what the agent answered is not a reply");
	if (version != API_VERSION)
		return problem_set(problem, ERR_UNSUPPORTED,
				   "the agent speaks version %llu of the local API, not %d",
				   (unsigned long long)version, API_VERSION);
	*ret_reply = reply;
	return ERR_OK;
}

enum err client_receive(struct client *client, int64_t deadline_ms, struct reply *ret_reply,
			struct problem *problem)
{
	static uint8_t chunk[READ_CHUNK_BYTES];
	for (;;) {
		struct slice frame;
		if (frame_reader_next(&client->reader, &frame))
			return reply_decode(frame, ret_reply, problem);
		enum err err = wait_for(client, POLLIN, deadline_ms, problem);
		if (err != ERR_OK)
			return err;
		ssize_t bytes = recv(client->socket, chunk, sizeof(chunk), MSG_DONTWAIT);
		if (bytes < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (bytes <= 0)
			return client_closed(problem);
		err = frame_reader_feed(&client->reader, chunk, (size_t)bytes);
		if (err != ERR_OK)
			return problem_set(problem, ERR_INVALID,
					   "the agent sent a frame above %u bytes", FRAME_BYTES_MAX);
	}
}
