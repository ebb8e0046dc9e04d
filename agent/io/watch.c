/* News about files. */
#include "agent/io/watch.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define READ_BYTES 4096u

static void tell(struct watch *watch, int descriptor)
{
	for (uint32_t i = 0; i < WATCHES_MAX; i++) {
		/* A callback may add and remove entries, so each is looked at when its turn comes. */
		struct watch_entry entry = watch->entries[i];
		if (entry.descriptor == descriptor)
			entry.on_change(entry.context);
	}
}

static void on_readable(uv_poll_t *poll, int code, int events)
{
	struct watch *watch = poll->data;
	alignas(struct inotify_event) char bytes[READ_BYTES];
	(void)code;
	(void)events;
	ssize_t got = read(watch->fd, bytes, sizeof(bytes));
	int last = 0;
	for (ssize_t at = 0; at < got;) {
		const struct inotify_event *event = (const struct inotify_event *)(bytes + at);
		at += (ssize_t)(sizeof(*event) + event->len);
		/* Runs of changes of one file are one piece of news. */
		if (event->wd > 0 && event->wd != last)
			tell(watch, event->wd);
		last = event->wd;
	}
}

enum err watch_open(struct watch *watch, struct host *host, struct problem *problem)
{
	*watch = (struct watch){0};
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd < 0)
		return problem_set(problem, ERR_IO, "inotify: %s", strerror(errno));
	int code = uv_poll_init(host->uv, &watch->poll, watch->fd);
	if (code != 0) {
		(void)close(watch->fd);
		return problem_set(problem, ERR_IO, "inotify: %s", uv_strerror(code));
	}
	watch->poll.data = watch;
	watch->is_open = true;
	(void)uv_poll_start(&watch->poll, UV_READABLE, on_readable);
	return ERR_OK;
}

enum err watch_add(struct watch *watch, const char *path, uint32_t mask, watch_on_change on_change,
		   void *context)
{
	for (uint32_t i = 0; i < WATCHES_MAX; i++) {
		if (watch->entries[i].descriptor != 0)
			continue;
		int descriptor = inotify_add_watch(watch->fd, path, mask | IN_MASK_ADD);
		if (descriptor < 0)
			return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
		watch->entries[i] = (struct watch_entry){descriptor, on_change, context};
		return ERR_OK;
	}
	return ERR_FULL;
}

static bool is_shared(const struct watch *watch, int descriptor)
{
	for (uint32_t i = 0; i < WATCHES_MAX; i++) {
		if (watch->entries[i].descriptor == descriptor)
			return true;
	}
	return false;
}

void watch_remove(struct watch *watch, watch_on_change on_change, void *context)
{
	for (uint32_t i = 0; i < WATCHES_MAX; i++) {
		struct watch_entry entry = watch->entries[i];
		if (entry.descriptor == 0 || entry.on_change != on_change || entry.context != context)
			continue;
		watch->entries[i] = (struct watch_entry){0};
		/* Two that watch the same file have one descriptor. */
		if (!is_shared(watch, entry.descriptor))
			(void)inotify_rm_watch(watch->fd, entry.descriptor);
	}
}

static void on_closed(uv_handle_t *handle)
{
	struct watch *watch = handle->data;
	(void)close(watch->fd);
}

void watch_close(struct watch *watch)
{
	if (!watch->is_open)
		return;
	watch->is_open = false;
	uv_close((uv_handle_t *)&watch->poll, on_closed);
}
