/* The connection to schedd-runner. */
#include "agent/io/runner_link.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/log.h"
#include "agent/mem.h"
#include "proto/buf.h"

static void try_connect(struct runner_link *link);

static void on_retry(uv_timer_t *timer)
{
	try_connect(timer->data);
}

/* The directory has something new. */
static void on_created(void *context)
{
	struct runner_link *link = context;
	if (link->state == RUNNER_LINK_WAITING && access(link->path, F_OK) == 0)
		try_connect(link);
}

static void retry_later(struct runner_link *link)
{
	link->state = RUNNER_LINK_WAITING;
	/* No socket file: its creation wakes us, and until then nothing does. */
	if (access(link->path, F_OK) != 0) {
		link->retry_ms = RUNNER_LINK_RETRY_MS_MIN;
		return;
	}
	(void)uv_timer_start(&link->retry, on_retry, link->retry_ms, 0);
	link->retry_ms *= 2;
	if (link->retry_ms > RUNNER_LINK_RETRY_MS_MAX)
		link->retry_ms = RUNNER_LINK_RETRY_MS_MAX;
}

static void on_closed(struct channel *channel)
{
	struct runner_link *link = channel->owner;
	if (link->is_ending)
		return;
	bool was_up = link->is_told_up;
	link->is_told_up = false;
	retry_later(link);
	if (!was_up)
		return;
	log_line(LOG_LEVEL_WARN, "runner down path=%s", link->path);
	struct event event = {.type = EVENT_RUNNER_DOWN};
	link->host->step(link->host->context, &event);
}

static void end_link(struct runner_link *link)
{
	link->state = RUNNER_LINK_CLOSING;
	channel_close(&link->channel);
}

static void on_end(struct channel *channel, int code, const char *why)
{
	if (code != UV_EOF)
		log_line(LOG_LEVEL_WARN, "runner: connection lost: %s", why);
	end_link(channel->owner);
}

static void on_frame(struct channel *channel, struct slice body)
{
	struct runner_link *link = channel->owner;
	struct event event = {.type = EVENT_RUNNER};
	enum err err = runner_report_get(body, &event.runner);
	if (err != ERR_OK) {
		log_line(LOG_LEVEL_ERROR, "runner: a report of %zu bytes is not understood: %s",
			 body.bytes, err_text(err));
		end_link(link);
		return;
	}
	if (event.runner.type == RUNNER_HELLO) {
		link->retry_ms = RUNNER_LINK_RETRY_MS_MIN;
		link->is_told_up = true;
		log_line(LOG_LEVEL_INFO, "runner up version=%.*s", (int)event.runner.version.bytes,
			 (const char *)event.runner.version.data);
	} else if (!link->is_told_up) {
		log_line(LOG_LEVEL_ERROR, "runner: it did not say hello first");
		end_link(link);
		return;
	}
	link->host->step(link->host->context, &event);
}

/* The socket is in our own directory, but what it runs as shall still be us or root. */
static bool is_trusted(struct runner_link *link)
{
	uv_os_fd_t fd;
	struct ucred credentials;
	socklen_t bytes = sizeof(credentials);
	if (uv_fileno(&link->channel.handle, &fd) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) != 0)
		return false;
	if (credentials.uid == 0 || credentials.uid == geteuid())
		return true;
	log_line(LOG_LEVEL_ERROR,
		 "runner: %s is served by uid %u, which is neither root nor this agent's",
		 link->path, credentials.uid);
	return false;
}

static void on_connected(uv_connect_t *connect, int code)
{
	struct runner_link *link = connect->data;
	if (link->channel.is_closing)
		return;
	if (code != 0 || !is_trusted(link) || channel_start(&link->channel) != 0) {
		if (code != 0 && code != UV_ECONNREFUSED && code != UV_ENOENT)
			log_line(LOG_LEVEL_WARN, "runner: %s: %s", link->path, uv_strerror(code));
		end_link(link);
		return;
	}
	link->state = RUNNER_LINK_OPEN;
}

static void try_connect(struct runner_link *link)
{
	(void)uv_timer_stop(&link->retry);
	link->state = RUNNER_LINK_CONNECTING;
	link->channel = (struct channel){
		.host = link->host,
		.queue_bytes_max = RUNNER_LINK_QUEUE_BYTES_MAX,
		.owner = link,
		.on_frame = on_frame,
		.on_end = on_end,
		.on_closed = on_closed,
	};
	channel_init_pipe(&link->channel, RUNNER_FRAME_BYTES_MAX);
	link->connect.data = link;
	uv_pipe_connect(&link->connect, &link->channel.pipe, link->path, on_connected);
}

enum err runner_link_open(struct runner_link *link, struct host *host, struct watch *watch,
			  const char *directory, const char *path, struct problem *problem)
{
	*link = (struct runner_link){
		.host = host,
		.watch = watch,
		.directory = directory,
		.path = path,
		.retry_ms = RUNNER_LINK_RETRY_MS_MIN,
	};
	enum err err = watch_add(watch, directory, IN_CREATE | IN_MOVED_TO, on_created, link);
	if (err != ERR_OK)
		return problem_set(problem, ERR_IO, "%s: can not be watched: %s", directory,
				   strerror(errno));
	int code = uv_timer_init(host->uv, &link->retry);
	assert(code == 0);
	link->retry.data = link;
	link->is_open = true;
	if (access(path, F_OK) == 0)
		try_connect(link);
	return ERR_OK;
}

void runner_link_send(struct runner_link *link, const struct runner_order *order)
{
	if (link->state != RUNNER_LINK_OPEN || !link->is_told_up)
		return;
	uint8_t *memory = mem_resize(NULL, RUNNER_FRAME_BYTES_MAX);
	enum err err = ERR_NO_MEMORY;
	if (memory != NULL) {
		struct buf out;
		buf_init(&out, memory, RUNNER_FRAME_BYTES_MAX);
		runner_order_put(&out, order);
		err = out.has_overflowed ? ERR_RANGE : channel_send(&link->channel, buf_slice(&out));
	}
	mem_free(memory);
	if (err == ERR_OK || err == ERR_CLOSED)
		return;
	log_line(LOG_LEVEL_ERROR, "runner: an order could not be sent: %s", err_text(err));
	end_link(link);
}

void runner_link_close(struct runner_link *link)
{
	if (!link->is_open)
		return;
	link->is_open = false;
	link->is_ending = true;
	watch_remove(link->watch, on_created, link);
	uv_close((uv_handle_t *)&link->retry, NULL);
	if (link->state == RUNNER_LINK_CONNECTING || link->state == RUNNER_LINK_OPEN)
		end_link(link);
}
