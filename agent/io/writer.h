/* The writer thread: one commit at a time, so that a slow disk never stops the loop.
 *
 * The loop hands over a batch and goes on; on_done comes on the loop's thread when the batch is durable. A drain of
 * the store's outbox runs on the same thread when no batch waits. */
#ifndef AGENT_IO_WRITER_H
#define AGENT_IO_WRITER_H

#include <pthread.h>
#include <stdbool.h>
#include <uv.h>

#include "agent/store/store.h"
#include "proto/err.h"

struct writer_options {
	struct store_backend *backend;
	/* As store_lmdb_drain; NULL: the backend has no outbox. */
	enum err (*drain)(struct store_backend *backend, struct problem *problem);
	void (*on_done)(void *context, enum err err, const struct problem *problem);
	void *context;
};

struct writer {
	struct writer_options options;
	uv_async_t async;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	/* Under the mutex. */
	const struct store_batch *batch; /* to be committed, borrowed */
	bool is_done;                    /* its outcome is in err and problem */
	bool has_drain;
	bool is_stopping;
	enum err err;
	struct problem problem;
	/* The thread's own. */
	bool is_drain_failing;
	/* The loop's own. */
	bool is_busy;
	bool is_open;
};

/* ERR_NO_MEMORY, ERR_IO: the thread could not be made; nothing is left open. */
MUST_CHECK enum err writer_open(struct writer *writer, uv_loop_t *uv,
				const struct writer_options *options, struct problem *problem);
/* True from writer_commit until on_done. */
bool writer_is_busy(const struct writer *writer);
/* Requires: not busy. The batch stays the caller's, unchanged until on_done. */
void writer_commit(struct writer *writer, const struct store_batch *batch);
/* After the effects of a commit have left: there may be something in the outbox. */
void writer_drain(struct writer *writer);
/* Ends the thread after the commit that it is at; on_done does not come any more. The handle closes with the
 * loop's next turn. */
void writer_close(struct writer *writer);

#endif
