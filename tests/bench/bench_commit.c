/* What one commit costs, beside the floor of the same disk: two fdatasyncs of a page, since LMDB
 * syncs data and meta apart.
 *
 *   bench_commit [DIR] [COUNT]      DIR on the disk that is asked about; it is made and emptied
 *
 * Prints p50, p99 and the most in microseconds. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/store/store.h"

#define COUNT_MAX 100000u
#define PAGE_BYTES 4096u
#define FILE_PAGES 256u

static int64_t now_ns(void)
{
	struct timespec time;
	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a;
	int64_t right = *(const int64_t *)b;
	return (left > right) - (left < right);
}

static void report(const char *what, int64_t *spans_ns, size_t count)
{
	qsort(spans_ns, count, sizeof(*spans_ns), compare);
	printf("%-22s p50 %7.1f us   p99 %7.1f us   max %7.1f us\n", what,
	       (double)spans_ns[count / 2] / 1e3, (double)spans_ns[count - 1 - count / 100] / 1e3,
	       (double)spans_ns[count - 1] / 1e3);
}

static int bench_floor(const char *directory, int64_t *spans_ns, size_t count)
{
	char path[4096];
	(void)snprintf(path, sizeof(path), "%s/floor", directory);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || posix_fallocate(fd, 0, (off_t)FILE_PAGES * PAGE_BYTES) != 0 || fsync(fd) != 0)
		return -1;
	uint8_t page[PAGE_BYTES];
	memset(page, 'p', sizeof(page));
	for (size_t i = 0; i < count; i++) {
		int64_t begin_ns = now_ns();
		off_t place = (off_t)(i * 2 % FILE_PAGES) * PAGE_BYTES;
		if (pwrite(fd, page, sizeof(page), place) < 0 || fdatasync(fd) != 0 ||
		    pwrite(fd, page, sizeof(page), place + PAGE_BYTES) < 0 || fdatasync(fd) != 0)
			return -1;
		spans_ns[i] = now_ns() - begin_ns;
	}
	(void)close(fd);
	(void)unlink(path);
	return 0;
}

static int bench_commits(struct store_backend *backend, enum store_table table, bool is_drained,
			 int64_t *spans_ns, size_t count)
{
	struct store_overlay *overlay = store_overlay_new(backend);
	if (overlay == NULL)
		return -1;
	const struct store_view *view = store_overlay_view(overlay);
	uint8_t value[100];
	memset(value, 'v', sizeof(value));
	int result = 0;
	for (size_t i = 0; i < count && result == 0; i++) {
		uint8_t key[16] = {0};
		store_u64(key, i % 1000 * 0x9e3779b97f4a7c15ull);
		int64_t begin_ns = now_ns();
		view->put(view->context, table, slice_of(key, sizeof(key)),
			  slice_of(value, sizeof(value)));
		struct store_batch *batch = store_overlay_take(overlay);
		if (backend->commit(backend->context, batch, NULL) != ERR_OK)
			result = -1;
		store_overlay_committed(overlay, batch);
		store_batch_free(batch);
		if (is_drained && store_lmdb_drain(backend, NULL) != ERR_OK)
			result = -1;
		spans_ns[i] = now_ns() - begin_ns;
	}
	store_overlay_free(overlay);
	return result;
}

static int bench(const char *directory, int64_t *spans_ns, size_t count)
{
	struct store_options options = {.directory = directory};
	struct store_backend *backend = NULL;
	struct problem problem = {0};
	int64_t begin_ns = now_ns();
	if (store_lmdb_open(&options, &backend, &problem) != ERR_OK) {
		(void)fprintf(stderr, "bench_commit: %s\n", problem.text);
		return -1;
	}
	printf("%-22s %.1f ms\n", "open, new", (double)(now_ns() - begin_ns) / 1e6);
	int result = bench_floor(directory, spans_ns, count);
	if (result == 0)
		report("floor, two syncs", spans_ns, count);
	if (result == 0)
		result = bench_commits(backend, TABLE_REGISTERS, false, spans_ns, count);
	if (result == 0)
		report("commit of a vote", spans_ns, count);
	if (result == 0)
		result = bench_commits(backend, TABLE_RUNS, true, spans_ns, count);
	if (result == 0)
		report("commit and drain", spans_ns, count);
	store_lmdb_close(backend);
	begin_ns = now_ns();
	if (result == 0 && store_lmdb_open(&options, &backend, &problem) == ERR_OK) {
		printf("%-22s %.1f ms\n", "open, again", (double)(now_ns() - begin_ns) / 1e6);
		store_lmdb_close(backend);
	}
	return result;
}

int main(int argc, char **argv)
{
	char made[] = "/tmp/bench-commit-XXXXXX";
	const char *directory = argc > 1 ? argv[1] : mkdtemp(made);
	long wished = argc > 2 ? strtol(argv[2], NULL, 10) : 500;
	if (directory == NULL || wished < 1 || wished > (long)COUNT_MAX) {
		(void)fprintf(stderr, "usage: bench_commit [DIR] [COUNT]\n");
		return 2;
	}
	size_t count = (size_t)wished;
	int64_t *spans_ns = calloc(count, sizeof(*spans_ns));
	if (spans_ns == NULL)
		return 1;
	int result = bench(directory, spans_ns, count);
	free(spans_ns);
	const char *const names[] = {"voting", "voting-lock", "history", "history-lock", "schedd.lock"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[4096];
		(void)snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(directory);
	return result == 0 ? 0 : 1;
}
