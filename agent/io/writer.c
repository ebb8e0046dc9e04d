/* The writer thread. */
#include "agent/io/writer.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "agent/log.h"

/* LMDB's commit keeps some KiB of page lists on the stack; sanitizers multiply every frame. */
#define WRITER_STACK_BYTES (256u << 10)
#define WRITER_STACK_BYTES_SANITIZED (2u << 20)

static size_t stack_bytes(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return WRITER_STACK_BYTES_SANITIZED;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
	return WRITER_STACK_BYTES_SANITIZED;
#endif
#endif
	return WRITER_STACK_BYTES;
}

static void commit_one(struct writer *writer, const struct store_batch *batch)
{
	struct problem problem = {0};
	struct store_backend *backend = writer->options.backend;
	enum err err = backend->commit(backend->context, batch, &problem);
	(void)pthread_mutex_lock(&writer->mutex);
	writer->batch = NULL;
	writer->err = err;
	writer->problem = problem;
	writer->is_done = true;
	(void)pthread_mutex_unlock(&writer->mutex);
	(void)uv_async_send(&writer->async);
}

/* True: call again, there may be more. A failure is told once, until a drain succeeds; the next commit's drain is
 * the next try. */
static bool drain_one(struct writer *writer)
{
	struct problem problem = {0};
	enum err err = writer->options.drain(writer->options.backend, &problem);
	if (err == ERR_OK || err == ERR_NOT_FOUND) {
		if (writer->is_drain_failing)
			log_line(LOG_LEVEL_INFO, "store: the history is written again");
		writer->is_drain_failing = false;
		return err == ERR_OK;
	}
	if (!writer->is_drain_failing)
		log_line(LOG_LEVEL_ERROR, "store: the history can not be written, and waits: %s",
			 problem.text);
	writer->is_drain_failing = true;
	return false;
}

static void *writer_main(void *argument)
{
	struct writer *writer = argument;
	(void)pthread_mutex_lock(&writer->mutex);
	for (;;) {
		const struct store_batch *batch = writer->batch;
		bool is_draining = batch == NULL && writer->has_drain;
		if (writer->is_stopping && batch == NULL)
			break;
		if (batch == NULL && !is_draining) {
			(void)pthread_cond_wait(&writer->wake, &writer->mutex);
			continue;
		}
		if (is_draining)
			writer->has_drain = false;
		(void)pthread_mutex_unlock(&writer->mutex);
		bool has_more = false;
		if (batch != NULL)
			commit_one(writer, batch);
		else
			has_more = drain_one(writer);
		(void)pthread_mutex_lock(&writer->mutex);
		writer->has_drain = writer->has_drain || has_more;
	}
	(void)pthread_mutex_unlock(&writer->mutex);
	return NULL;
}

static void on_async(uv_async_t *async)
{
	struct writer *writer = async->data;
	(void)pthread_mutex_lock(&writer->mutex);
	bool is_done = writer->is_done;
	writer->is_done = false;
	enum err err = writer->err;
	(void)pthread_mutex_unlock(&writer->mutex);
	if (!is_done)
		return;
	writer->is_busy = false;
	/* The thread writes the problem only while it is busy. */
	writer->options.on_done(writer->options.context, err, &writer->problem);
}

static int start_thread(struct writer *writer)
{
	pthread_attr_t attributes;
	int code = pthread_attr_init(&attributes);
	if (code != 0)
		return code;
	(void)pthread_attr_setstacksize(&attributes, stack_bytes());
	/* Signals are for the loop's thread. */
	sigset_t all, before;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&writer->thread, &attributes, writer_main, writer);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attributes);
	return code;
}

enum err writer_open(struct writer *writer, uv_loop_t *uv, const struct writer_options *options,
		     struct problem *problem)
{
	*writer = (struct writer){.options = *options};
	(void)pthread_mutex_init(&writer->mutex, NULL);
	(void)pthread_cond_init(&writer->wake, NULL);
	int code = uv_async_init(uv, &writer->async, on_async);
	if (code != 0)
		return problem_set(problem, ERR_IO, "writer thread: %s", uv_strerror(code));
	writer->async.data = writer;
	code = start_thread(writer);
	if (code != 0) {
		uv_close((uv_handle_t *)&writer->async, NULL);
		return problem_set(problem, ERR_IO, "writer thread: %s", strerror(code));
	}
	writer->is_open = true;
	return ERR_OK;
}

bool writer_is_busy(const struct writer *writer)
{
	return writer->is_busy;
}

void writer_commit(struct writer *writer, const struct store_batch *batch)
{
	assert(!writer->is_busy);
	writer->is_busy = true;
	(void)pthread_mutex_lock(&writer->mutex);
	writer->batch = batch;
	(void)pthread_cond_signal(&writer->wake);
	(void)pthread_mutex_unlock(&writer->mutex);
}

void writer_drain(struct writer *writer)
{
	if (writer->options.drain == NULL)
		return;
	(void)pthread_mutex_lock(&writer->mutex);
	writer->has_drain = true;
	(void)pthread_cond_signal(&writer->wake);
	(void)pthread_mutex_unlock(&writer->mutex);
}

void writer_close(struct writer *writer)
{
	if (!writer->is_open)
		return;
	writer->is_open = false;
	(void)pthread_mutex_lock(&writer->mutex);
	writer->is_stopping = true;
	(void)pthread_cond_signal(&writer->wake);
	(void)pthread_mutex_unlock(&writer->mutex);
	(void)pthread_join(writer->thread, NULL);
	(void)pthread_cond_destroy(&writer->wake);
	(void)pthread_mutex_destroy(&writer->mutex);
	uv_close((uv_handle_t *)&writer->async, NULL);
}
