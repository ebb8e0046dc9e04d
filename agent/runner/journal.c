/* The journal file: framing, replay, sync and rewriting. */
#include "agent/runner/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/runner/runner_log.h"
#include "proto/buf.h"
#include "proto/hash.h"
#include "proto/limits.h"
#include "proto/wire.h"

#define JOURNAL_NAME "journal"
#define JOURNAL_NEW_NAME "journal.new"
#define JOURNAL_FRAME_BYTES 8u
#define JOURNAL_ZERO_BYTES 65536u

static_assert((uint64_t)(RUNNER_RUNS_MAX * 2u + RUNNER_FENCES_MAX) * JOURNAL_RECORD_BYTES_MAX <=
		      JOURNAL_BYTES_MAX,
	      "what a runner can hold fits the journal");

static bool write_all(int descriptor, const uint8_t *bytes, size_t count, uint64_t at)
{
	while (count > 0) {
		ssize_t written = pwrite(descriptor, bytes, count, (off_t)at);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		bytes += written;
		count -= (size_t)written;
		at += (uint64_t)written;
	}
	return true;
}

/* A file of zeros, so that later syncs need no change of metadata. */
static enum err journal_create(int directory, const char *name, uint64_t bytes_max, int *ret_descriptor)
{
	int descriptor = openat(directory, name,
				O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (descriptor < 0)
		return ERR_IO;
	static const uint8_t zeros[JOURNAL_ZERO_BYTES];
	for (uint64_t at = 0; at < bytes_max; at += sizeof(zeros)) {
		if (!write_all(descriptor, zeros, sizeof(zeros), at)) {
			(void)close(descriptor);
			return ERR_IO;
		}
	}
	*ret_descriptor = descriptor;
	return ERR_OK;
}

/* Replays the bytes of the file; returns where the next record goes. */
static uint64_t replay(struct slice file, journal_on_record *on_record, void *context, bool *ret_is_torn)
{
	size_t at = 0;
	*ret_is_torn = false;
	while (file.bytes - at >= JOURNAL_FRAME_BYTES) {
		uint32_t bytes = load_u32(file.data + at);
		if (bytes == 0)
			return at;
		struct slice body = {.data = file.data + at + JOURNAL_FRAME_BYTES, .bytes = bytes};
		struct journal_record record;
		if (bytes > JOURNAL_RECORD_BYTES_MAX || bytes > file.bytes - at - JOURNAL_FRAME_BYTES ||
		    load_u32(file.data + at + 4) != (uint32_t)hash_u64(body) ||
		    journal_record_get(body, &record) != ERR_OK) {
			*ret_is_torn = true;
			return at;
		}
		on_record(context, &record);
		at += JOURNAL_FRAME_BYTES + bytes;
	}
	return at;
}

static enum err read_whole(int descriptor, struct slice *ret_file, struct problem *problem)
{
	struct stat status;
	if (fstat(descriptor, &status) != 0)
		return problem_set(problem, ERR_IO, "journal: %s", strerror(errno));
	if (status.st_size < 0 || (uint64_t)status.st_size > JOURNAL_BYTES_MAX)
		return problem_set(problem, ERR_RANGE, "journal: it has %lld bytes, which is too much",
				   (long long)status.st_size);
	size_t bytes = (size_t)status.st_size;
	uint8_t *memory = malloc(bytes > 0 ? bytes : 1);
	if (memory == NULL)
		return problem_set(problem, ERR_NO_MEMORY, "journal: out of memory");
	size_t done = 0;
	while (done < bytes) {
		ssize_t got = pread(descriptor, memory + done, bytes - done, (off_t)done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		done += (size_t)got;
	}
	if (done < bytes) {
		free(memory);
		return problem_set(problem, ERR_IO, "journal: %s", strerror(errno));
	}
	*ret_file = slice_of(memory, bytes);
	return ERR_OK;
}

enum err journal_open(struct journal *journal, int directory, journal_on_record *on_record,
		      void *context, bool *ret_is_torn, struct problem *problem)
{
	*journal = (struct journal){.directory = directory, .descriptor = -1, .old_descriptor = -1};
	*ret_is_torn = false;
	/* What a rewriting left that did not finish. */
	(void)unlinkat(directory, JOURNAL_NEW_NAME, 0);
	int descriptor = openat(directory, JOURNAL_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (descriptor < 0 && errno == ENOENT) {
		*ret_is_torn = true; /* the first rewriting makes it */
		return ERR_OK;
	}
	if (descriptor < 0)
		return problem_set(problem, ERR_IO, "journal: %s", strerror(errno));

	struct slice file = {0};
	enum err err = read_whole(descriptor, &file, problem);
	if (err != ERR_OK) {
		(void)close(descriptor);
		return err;
	}
	journal->descriptor = descriptor;
	journal->bytes = replay(file, on_record, context, ret_is_torn);
	journal->bytes_max = file.bytes;
	if (*ret_is_torn)
		runner_log(RUNNER_LOG_WARN, "journal torn at=%llu bytes=%zu: what follows is left out",
			   (unsigned long long)journal->bytes, file.bytes);
	free((void *)(uintptr_t)file.data);
	return ERR_OK;
}

void journal_close(struct journal *journal)
{
	if (journal == NULL || journal->descriptor < 0)
		return;
	(void)close(journal->descriptor);
	journal->descriptor = -1;
}

enum err journal_put(struct journal *journal, const struct journal_record *record)
{
	uint8_t memory[JOURNAL_FRAME_BYTES + JOURNAL_RECORD_BYTES_MAX];
	struct buf out;
	buf_init(&out, memory + JOURNAL_FRAME_BYTES, JOURNAL_RECORD_BYTES_MAX);
	journal_record_put(&out, record);
	if (out.has_overflowed)
		return ERR_RANGE;
	store_u32(memory, (uint32_t)out.bytes);
	store_u32(memory + 4, (uint32_t)hash_u64(buf_slice(&out)));
	size_t bytes = JOURNAL_FRAME_BYTES + out.bytes;
	/* Room for a frame of zeros stays behind it: the end mark. */
	if (journal->bytes + bytes + JOURNAL_FRAME_BYTES > journal->bytes_max)
		return ERR_FULL;
	if (!write_all(journal->descriptor, memory, bytes, journal->bytes))
		return ERR_IO;
	journal->bytes += bytes;
	journal->is_dirty = true;
	return ERR_OK;
}

enum err journal_sync(struct journal *journal)
{
	if (!journal->is_dirty)
		return ERR_OK;
	if (fdatasync(journal->descriptor) != 0)
		return ERR_IO;
	journal->is_dirty = false;
	return ERR_OK;
}

enum err journal_rewrite_start(struct journal *journal, uint64_t bytes_needed)
{
	uint64_t bytes_max = JOURNAL_BYTES_START;
	while (bytes_max < bytes_needed * 2 && bytes_max < JOURNAL_BYTES_MAX)
		bytes_max *= 2;
	int descriptor = -1;
	enum err err = journal_create(journal->directory, JOURNAL_NEW_NAME, bytes_max, &descriptor);
	if (err != ERR_OK)
		return err;
	journal->old_descriptor = journal->descriptor;
	journal->old_bytes = journal->bytes;
	journal->old_bytes_max = journal->bytes_max;
	journal->was_dirty = journal->is_dirty;
	journal->descriptor = descriptor;
	journal->bytes = 0;
	journal->bytes_max = bytes_max;
	return ERR_OK;
}

enum err journal_rewrite_finish(struct journal *journal)
{
	if (fsync(journal->descriptor) != 0)
		return ERR_IO;
	if (renameat(journal->directory, JOURNAL_NEW_NAME, journal->directory, JOURNAL_NAME) != 0)
		return ERR_IO;
	journal->is_dirty = false;
	if (journal->old_descriptor >= 0)
		(void)close(journal->old_descriptor);
	journal->old_descriptor = -1;
	return fsync(journal->directory) == 0 ? ERR_OK : ERR_IO;
}

void journal_rewrite_cancel(struct journal *journal)
{
	(void)unlinkat(journal->directory, JOURNAL_NEW_NAME, 0);
	(void)close(journal->descriptor);
	journal->descriptor = journal->old_descriptor;
	journal->bytes = journal->old_bytes;
	journal->bytes_max = journal->old_bytes_max;
	journal->is_dirty = journal->was_dirty;
	journal->old_descriptor = -1;
}
