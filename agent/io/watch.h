/* News about files: one inotify descriptor for all who wait. Own inotify and not uv_fs_event, since that one also reports
 * every write in a directory, and so would wake the agent at each of its own commits. */
#ifndef AGENT_IO_WATCH_H
#define AGENT_IO_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/io/host.h"
#include "proto/err.h"

#define WATCHES_MAX 80u /* 64 followers of output, the runner's socket, and some room */

typedef void (*watch_on_change)(void *context);

struct watch_entry {
	int descriptor; /* of inotify; 0: a free entry */
	watch_on_change on_change;
	void *context;
};

struct watch {
	int fd;
	uv_poll_t poll;
	bool is_open;
	struct watch_entry entries[WATCHES_MAX];
};

MUST_CHECK enum err watch_open(struct watch *watch, struct host *host, struct problem *problem);
/* `mask`: bits of inotify. Errors: ERR_NOT_FOUND no such file; ERR_FULL; ERR_IO. */
MUST_CHECK enum err watch_add(struct watch *watch, const char *path, uint32_t mask,
			      watch_on_change on_change, void *context);
/* All of this pair; none is no error. */
void watch_remove(struct watch *watch, watch_on_change on_change, void *context);
void watch_close(struct watch *watch);

#endif
