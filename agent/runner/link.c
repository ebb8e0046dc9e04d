/* The runner's socket over libuv. A connection is one heap block until its close callback. */
#include "agent/runner/link.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/runner/runner_log.h"
#include "proto/frame.h"

#define LINK_BACKLOG 8
#define LINK_REPORT_BYTES_MAX 1024u

struct link_connection {
	uv_pipe_t pipe;
	struct link *link;
	struct frame_reader frames;
	bool is_closing;
};

/* A write and its bytes live until libuv is done with both. */
struct link_write {
	uv_write_t request;
	uint8_t bytes[];
};

static void *resize(void *memory, size_t bytes)
{
	if (bytes == 0) {
		free(memory);
		return NULL;
	}
	return realloc(memory, bytes);
}

static void on_connection_closed(uv_handle_t *handle)
{
	struct link_connection *connection = handle->data;
	frame_reader_close(&connection->frames);
	free(connection);
}

static void connection_close_start(struct link_connection *connection)
{
	if (connection->is_closing)
		return;
	connection->is_closing = true;
	if (connection->link->connection == connection)
		connection->link->connection = NULL;
	uv_close((uv_handle_t *)&connection->pipe, on_connection_closed);
}

static void on_allocate(uv_handle_t *handle, size_t suggested_bytes, uv_buf_t *buf)
{
	(void)suggested_bytes;
	struct link_connection *connection = handle->data;
	*buf = uv_buf_init((char *)connection->link->read_memory, LINK_READ_BYTES);
}

static void connection_take(struct link_connection *connection, const uint8_t *bytes, size_t count)
{
	enum err err = frame_reader_feed(&connection->frames, bytes, count);
	struct slice body;
	while (!connection->is_closing && frame_reader_next(&connection->frames, &body)) {
		struct runner_order order;
		enum err order_err = runner_order_get(body, &order);
		if (order_err != ERR_OK) {
			runner_log(RUNNER_LOG_WARN, "agent closed: order of %zu bytes: %s",
				   body.bytes, err_text(order_err));
			connection_close_start(connection);
			return;
		}
		connection->link->on_order(connection->link->context, &order);
	}
	if (err != ERR_OK && !connection->is_closing) {
		runner_log(RUNNER_LOG_WARN, "agent closed: frame above %u bytes: %s",
			   RUNNER_FRAME_BYTES_MAX, err_text(err));
		connection_close_start(connection);
	}
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
	struct link_connection *connection = stream->data;
	if (connection->is_closing || count == 0)
		return;
	if (count < 0) {
		runner_log(RUNNER_LOG_INFO, "agent gone: %s",
			   count == UV_EOF ? "it closed the connection" : uv_strerror((int)count));
		connection_close_start(connection);
		return;
	}
	connection_take(connection, (const uint8_t *)buf->base, (size_t)count);
}

/* Only the runner's own user and root may order. */
static bool peer_is_allowed(uv_pipe_t *pipe, int64_t *ret_pid)
{
	uv_os_fd_t descriptor = -1;
	struct ucred peer;
	socklen_t bytes = sizeof(peer);
	if (uv_fileno((uv_handle_t *)pipe, &descriptor) != 0 ||
	    getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0 ||
	    bytes != sizeof(peer))
		return false;
	*ret_pid = peer.pid;
	if (peer.uid == geteuid() || peer.uid == 0)
		return true;
	runner_log(RUNNER_LOG_WARN, "agent refused uid=%u pid=%d: not this runner's user",
		   (unsigned)peer.uid, (int)peer.pid);
	return false;
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct link *link = listener->data;
	if (status != 0) {
		runner_log(RUNNER_LOG_WARN, "accept: %s", uv_strerror(status));
		return;
	}
	struct link_connection *connection = calloc(1, sizeof(*connection));
	if (connection == NULL) {
		runner_log(RUNNER_LOG_ERROR, "accept: out of memory");
		return;
	}
	connection->link = link;
	connection->pipe.data = connection;
	frame_reader_init(&connection->frames, RUNNER_FRAME_BYTES_MAX, resize);
	if (uv_pipe_init(listener->loop, &connection->pipe, 0) != 0) {
		free(connection);
		return;
	}
	int64_t pid = 0;
	if (uv_accept(listener, (uv_stream_t *)&connection->pipe) != 0 ||
	    !peer_is_allowed(&connection->pipe, &pid) ||
	    uv_read_start((uv_stream_t *)&connection->pipe, on_allocate, on_read) != 0) {
		connection_close_start(connection);
		return;
	}
	if (link->connection != NULL) {
		runner_log(RUNNER_LOG_WARN, "agent replaced: a newer one has connected");
		connection_close_start(link->connection);
	}
	link->connection = connection;
	runner_log(RUNNER_LOG_INFO, "agent connected pid=%lld", (long long)pid);
	link->on_connect(link->context);
}

enum err link_init(struct link *link, uv_loop_t *loop, const char *path, struct problem *problem)
{
	link->connection = NULL;
	link->is_listening = false;
	int result = uv_pipe_init(loop, &link->listener, 0);
	if (result != 0)
		return problem_set(problem, ERR_IO, "%s: %s", path, uv_strerror(result));
	link->is_listening = true;
	link->listener.data = link;
	(void)unlink(path);
	/* umask 077 is set from the start of the program on, so there is no moment at which others may connect. */
	result = uv_pipe_bind(&link->listener, path);
	if (result == 0)
		result = uv_listen((uv_stream_t *)&link->listener, LINK_BACKLOG, on_connection);
	if (result != 0)
		return problem_set(problem, ERR_IO, "%s: %s", path, uv_strerror(result));
	if (chmod(path, 0600) != 0)
		return problem_set(problem, ERR_IO, "%s: %s", path, strerror(errno));
	return ERR_OK;
}

void link_close_start(struct link *link)
{
	if (link->connection != NULL)
		connection_close_start(link->connection);
	if (link->is_listening)
		uv_close((uv_handle_t *)&link->listener, NULL);
	link->is_listening = false;
}

bool link_is_connected(const struct link *link)
{
	return link->connection != NULL;
}

static void on_written(uv_write_t *request, int status)
{
	struct link_connection *connection = request->handle->data;
	free(request->data);
	if (status != 0 && status != UV_ECANCELED)
		connection_close_start(connection);
}

void link_send_bytes(struct link *link, struct slice report)
{
	struct link_connection *connection = link->connection;
	if (connection == NULL)
		return;
	uv_stream_t *stream = (uv_stream_t *)&connection->pipe;
	if (uv_stream_get_write_queue_size(stream) > LINK_QUEUE_BYTES_MAX) {
		runner_log(RUNNER_LOG_WARN, "agent closed: it does not read; %u bytes wait",
			   LINK_QUEUE_BYTES_MAX);
		connection_close_start(connection);
		return;
	}
	struct link_write *write = malloc(sizeof(*write) + FRAME_HEADER_BYTES + report.bytes);
	if (write == NULL) {
		runner_log(RUNNER_LOG_ERROR, "agent closed: out of memory");
		connection_close_start(connection);
		return;
	}
	write->request.data = write;
	store_u32(write->bytes, (uint32_t)report.bytes);
	memcpy(write->bytes + FRAME_HEADER_BYTES, report.data, report.bytes);
	uv_buf_t bytes = uv_buf_init((char *)write->bytes,
				     (unsigned)(FRAME_HEADER_BYTES + report.bytes));
	if (uv_write(&write->request, stream, &bytes, 1, on_written) != 0) {
		free(write);
		connection_close_start(connection);
	}
}

void link_send(struct link *link, const struct runner_report *report)
{
	uint8_t memory[LINK_REPORT_BYTES_MAX];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	runner_report_put(&out, report);
	assert(!out.has_overflowed);
	link_send_bytes(link, buf_slice(&out));
}
