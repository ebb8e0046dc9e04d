/* The writer thread: one commit at a time, told on the loop's thread; drains in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/io/writer.h"
#include "agent/store/store_mem.h"
#include "tests/lib/fake_host.h"

static struct fake_host fake;
static struct store_backend *backend;
static struct store_overlay *overlay;
static struct store_batch *batch;
static struct writer writer;
static unsigned done_count;
static enum err done_err;
static atomic_int drain_count;
static atomic_int drain_left; /* so many times there is work; < 0: it fails */

static enum err drain(struct store_backend *unused, struct problem *problem)
{
	(void)unused;
	(void)atomic_fetch_add(&drain_count, 1);
	if (atomic_load(&drain_left) < 0)
		return problem_set(problem, ERR_FULL, "history is full");
	if (atomic_load(&drain_left) == 0)
		return ERR_NOT_FOUND;
	(void)atomic_fetch_sub(&drain_left, 1);
	return ERR_OK;
}

static void on_done(void *context, enum err err, const struct problem *problem)
{
	(void)context;
	done_count++;
	done_err = err;
	assert_int_equal(problem->code, err);
	if (err == ERR_OK)
		store_overlay_committed(overlay, batch);
	store_batch_free(batch);
	batch = NULL;
}

static int setup(void **state)
{
	(void)state;
	fake_host_open(&fake);
	backend = store_mem_new();
	overlay = store_overlay_new(backend);
	done_count = 0;
	atomic_store(&drain_count, 0);
	atomic_store(&drain_left, 0);
	struct writer_options options = {.backend = backend, .drain = drain, .on_done = on_done};
	return writer_open(&writer, &fake.uv, &options, NULL) != ERR_OK;
}

static int teardown(void **state)
{
	(void)state;
	writer_close(&writer);
	writer_close(&writer);
	fake_host_close(&fake);
	store_batch_free(batch);
	batch = NULL;
	store_overlay_free(overlay);
	store_mem_free(backend);
	return 0;
}

static void commit_one(const char *key)
{
	const struct store_view *view = store_overlay_view(overlay);
	view->put(view->context, TABLE_STARTS, slice_str(key), slice_str("value"));
	batch = store_overlay_take(overlay);
	assert_non_null(batch);
	writer_commit(&writer, batch);
	assert_true(writer_is_busy(&writer));
}

static void await_done(unsigned count)
{
	for (unsigned i = 0; i < 5000 && done_count < count; i++)
		fake_host_turn(&fake, 0);
	assert_int_equal(done_count, count);
	assert_false(writer_is_busy(&writer));
}

static void await_drains(int count)
{
	for (unsigned i = 0; i < 5000 && atomic_load(&drain_count) < count; i++)
		fake_host_turn(&fake, 0);
	fake_host_turn(&fake, 5);
	assert_int_equal(atomic_load(&drain_count), count);
}

static void test_commits(void **state)
{
	(void)state;
	char key[16];
	for (unsigned i = 1; i <= 50; i++) {
		(void)snprintf(key, sizeof(key), "key %u", i);
		commit_one(key);
		await_done(i);
		assert_int_equal(done_err, ERR_OK);
	}
	assert_int_equal(store_mem_record_count(backend), 50);
	assert_int_equal(atomic_load(&drain_count), 0);
}

static void test_failure(void **state)
{
	(void)state;
	store_mem_fail_next(backend, ERR_IO);
	commit_one("key");
	await_done(1);
	assert_int_equal(done_err, ERR_IO);
	assert_int_equal(store_mem_record_count(backend), 0);
}

static void test_drain(void **state)
{
	(void)state;
	atomic_store(&drain_left, 3);
	writer_drain(&writer);
	await_drains(4);
	/* A drain that fails is not tried again by itself. */
	atomic_store(&drain_left, -1);
	writer_drain(&writer);
	await_drains(5);
	commit_one("key");
	await_done(1);
	assert_int_equal(done_err, ERR_OK);
	atomic_store(&drain_left, 1);
	writer_drain(&writer);
	await_drains(7);
}

static void test_close(void **state)
{
	(void)state;
	/* What was handed over is committed, and nobody is told any more. */
	commit_one("key");
	writer_close(&writer);
	fake_host_turn(&fake, 5);
	assert_int_equal(store_mem_record_count(backend), 1);
	assert_int_equal(done_count, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"each commit is told when it is durable", test_commits, setup, teardown, NULL},
		{"a commit that fails is told with its reason", test_failure, setup, teardown, NULL},
		{"the outbox is drained until it is empty or fails", test_drain, setup, teardown, NULL},
		{"the end waits for the commit that is under way", test_close, setup, teardown, NULL},
	};
	return cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
