/* The store on disk: what was acknowledged is there after a kill, harm is refused and told, history
 * never stops a vote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/store/store.h"
#include "proto/hash.h"
#include "proto/limits.h"

#define PATH_BYTES 256

struct fixture {
	char directory[PATH_BYTES];
	struct store_options options;
	struct store_backend *backend;
	struct store_overlay *overlay;
};

static int setup(void **state)
{
	static struct fixture fixture;
	fixture = (struct fixture){0};
	const char *root = getenv("TMPDIR");
	(void)snprintf(fixture.directory, PATH_BYTES, "%s/store-XXXXXX", root != NULL ? root : "/tmp");
	if (mkdtemp(fixture.directory) == NULL)
		return 1;
	fixture.options = (struct store_options){.directory = fixture.directory,
						 .voting_bytes = VOTING_BYTES_MIN};
	*state = &fixture;
	return 0;
}

static void close_store(struct fixture *fixture)
{
	store_overlay_free(fixture->overlay);
	store_lmdb_close(fixture->backend);
	fixture->overlay = NULL;
	fixture->backend = NULL;
}

static void file_path(const struct fixture *fixture, const char *name, char ret_path[512])
{
	(void)snprintf(ret_path, 512, "%s/%s", fixture->directory, name);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	close_store(fixture);
	DIR *directory = opendir(fixture->directory);
	if (directory == NULL)
		return 0;
	const struct dirent *entry;
	while ((entry = readdir(directory)) != NULL)
		(void)unlinkat(dirfd(directory), entry->d_name, 0);
	(void)closedir(directory);
	(void)rmdir(fixture->directory);
	return 0;
}

static void open_store(struct fixture *fixture)
{
	struct problem problem = {0};
	enum err err = store_lmdb_open(&fixture->options, &fixture->backend, &problem);
	if (err != ERR_OK)
		print_error("%s\n", problem.text);
	assert_int_equal(err, ERR_OK);
	fixture->overlay = store_overlay_new(fixture->backend);
	assert_non_null(fixture->overlay);
}

static void refuse_open(struct fixture *fixture, enum err wanted, const char *text)
{
	struct problem problem = {0};
	struct store_backend *backend = NULL;
	assert_int_equal(store_lmdb_open(&fixture->options, &backend, &problem), wanted);
	assert_null(backend);
	if (strstr(problem.text, text) == NULL)
		print_error("no '%s' in '%s'\n", text, problem.text);
	assert_non_null(strstr(problem.text, text));
}

static void put(struct fixture *fixture, enum store_table table, const char *key, struct slice value)
{
	const struct store_view *view = store_overlay_view(fixture->overlay);
	view->put(view->context, table, slice_str(key), value);
}

static enum err commit(struct fixture *fixture, struct problem *problem)
{
	struct store_batch *batch = store_overlay_take(fixture->overlay);
	assert_non_null(batch);
	enum err err = fixture->backend->commit(fixture->backend->context, batch, problem);
	store_overlay_committed(fixture->overlay, batch);
	store_batch_free(batch);
	return err;
}

static void commit_one(struct fixture *fixture, enum store_table table, const char *key, const char *value)
{
	put(fixture, table, key, slice_str(value));
	assert_int_equal(commit(fixture, NULL), ERR_OK);
}

static enum err drain(struct fixture *fixture)
{
	return store_lmdb_drain(fixture->backend, NULL);
}

/* "-": none, "!": does not check. */
static void expect(struct fixture *fixture, enum store_table table, const char *key, const char *value)
{
	uint8_t memory[64];
	struct buf got;
	buf_init(&got, memory, sizeof(memory));
	struct store_backend *backend = fixture->backend;
	enum err err = backend->get(backend->context, table, slice_str(key), &got);
	if (value[0] == '-') {
		assert_int_equal(err, ERR_NOT_FOUND);
	} else if (value[0] == '!') {
		assert_int_equal(err, ERR_CORRUPT);
	} else {
		assert_int_equal(err, ERR_OK);
		assert_true(slice_equal(buf_slice(&got), slice_str(value)));
	}
}

static void test_what_was_committed_is_there_after_the_next_open(void **state)
{
	struct fixture *fixture = *state;
	open_store(fixture);
	put(fixture, TABLE_REGISTERS, "r", slice_str("vote"));
	put(fixture, TABLE_RUNS, "run", slice_str("ended"));
	put(fixture, TABLE_STARTS, "s", slice_str(""));
	assert_int_equal(commit(fixture, NULL), ERR_OK);
	for (int round = 0; round < 3; round++) {
		expect(fixture, TABLE_REGISTERS, "r", "vote");
		expect(fixture, TABLE_RUNS, "run", "ended");
		expect(fixture, TABLE_STARTS, "s", "");
		expect(fixture, TABLE_SELF, "r", "-");
		close_store(fixture);
		open_store(fixture);
	}
}

static void test_removals_reach_both_environments(void **state)
{
	struct fixture *fixture = *state;
	const enum store_table tables[] = {TABLE_ARCS, TABLE_COPIES};
	open_store(fixture);
	for (int i = 0; i < 2; i++) {
		commit_one(fixture, tables[i], "a", "1");
		assert_int_equal(drain(fixture), i == 0 ? ERR_NOT_FOUND : ERR_OK);
		const struct store_view *view = store_overlay_view(fixture->overlay);
		view->remove(view->context, tables[i], slice_str("a"));
		view->remove(view->context, tables[i], slice_str("never there"));
		assert_int_equal(commit(fixture, NULL), ERR_OK);
		expect(fixture, tables[i], "a", "-");
	}
	close_store(fixture);
	open_store(fixture);
	expect(fixture, TABLE_ARCS, "a", "-");
	expect(fixture, TABLE_COPIES, "a", "-");
}

static void test_history_is_read_before_and_after_it_is_drained(void **state)
{
	struct fixture *fixture = *state;
	open_store(fixture);
	commit_one(fixture, TABLE_RUNS, "a", "1");
	assert_true(store_lmdb_has_undrained(fixture->backend));
	expect(fixture, TABLE_RUNS, "a", "1");
	assert_int_equal(drain(fixture), ERR_OK);
	assert_false(store_lmdb_has_undrained(fixture->backend));
	assert_int_equal(drain(fixture), ERR_NOT_FOUND);
	expect(fixture, TABLE_RUNS, "a", "1");
	commit_one(fixture, TABLE_RUNS, "a", "2");
	commit_one(fixture, TABLE_RUNS, "a", "3");
	expect(fixture, TABLE_RUNS, "a", "3");
	assert_int_equal(drain(fixture), ERR_OK);
	expect(fixture, TABLE_RUNS, "a", "3");
}

/* All records of the table, "key=value " one after the other, through overlay, outbox and both
 * maps. */
static void expect_list(struct fixture *fixture, enum store_table table, const char *wanted)
{
	const struct store_view *view = store_overlay_view(fixture->overlay);
	uint8_t key_memory[STORE_KEY_BYTES_MAX];
	uint8_t value_memory[64];
	char text[512] = "";
	struct buf key;
	struct buf value;
	buf_init(&key, key_memory, sizeof(key_memory));
	buf_init(&value, value_memory, sizeof(value_memory));
	size_t length = 0;
	while (view->next(view->context, table, buf_slice(&key), &key, &value) == ERR_OK)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%.*s=%.*s ",
					   (int)key.bytes, (const char *)key.data, (int)value.bytes,
					   (const char *)value.data);
	assert_string_equal(text, wanted);
}

static void test_next_goes_through_overlay_outbox_and_map_in_order(void **state)
{
	struct fixture *fixture = *state;
	open_store(fixture);
	commit_one(fixture, TABLE_RUNS, "b", "map");
	commit_one(fixture, TABLE_RUNS, "d", "map");
	commit_one(fixture, TABLE_RUNS, "e", "map");
	assert_int_equal(drain(fixture), ERR_OK);
	commit_one(fixture, TABLE_RUNS, "a", "outbox");
	commit_one(fixture, TABLE_RUNS, "d", "outbox");
	put(fixture, TABLE_RUNS, "c", slice_str("overlay"));
	const struct store_view *view = store_overlay_view(fixture->overlay);
	view->remove(view->context, TABLE_RUNS, slice_str("e"));
	put(fixture, TABLE_RUNS, "f", slice_str("overlay"));
	expect_list(fixture, TABLE_RUNS, "a=outbox b=map c=overlay d=outbox f=overlay ");
	assert_int_equal(commit(fixture, NULL), ERR_OK);
	assert_int_equal(drain(fixture), ERR_OK);
	expect_list(fixture, TABLE_RUNS, "a=outbox b=map c=overlay d=outbox f=overlay ");
}

#define RANDOM_KEYS 40u

static uint32_t draw(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % below;
}

static void test_random_changes_agree_with_a_model(void **state)
{
	struct fixture *fixture = *state;
	open_store(fixture);
	static int model[2][RANDOM_KEYS];
	memset(model, 0, sizeof(model));
	const enum store_table tables[2] = {TABLE_REGISTERS, TABLE_VERDICTS};
	uint32_t seed = 11;
	for (int round = 1; round <= 150; round++) {
		for (uint32_t i = 0; i < 6; i++) {
			const struct store_view *view = store_overlay_view(fixture->overlay);
			uint32_t side = draw(&seed, 2);
			uint32_t index = draw(&seed, RANDOM_KEYS);
			char key[16];
			char value[16];
			(void)snprintf(key, sizeof(key), "k%02u", index);
			(void)snprintf(value, sizeof(value), "%d", round);
			bool is_put = draw(&seed, 3) > 0;
			model[side][index] = is_put ? round : 0;
			if (is_put)
				put(fixture, tables[side], key, slice_str(value));
			else
				view->remove(view->context, tables[side], slice_str(key));
		}
		if (draw(&seed, 2) == 0)
			assert_int_equal(commit(fixture, NULL), ERR_OK);
		if (draw(&seed, 5) == 0)
			assert_true(drain(fixture) == ERR_OK ||
				    !store_lmdb_has_undrained(fixture->backend));
		for (uint32_t side = 0; round % 10 == 0 && side < 2; side++) {
			char wanted[512] = "";
			size_t length = 0;
			for (uint32_t i = 0; i < RANDOM_KEYS; i++)
				if (model[side][i] != 0)
					length += (size_t)snprintf(wanted + length,
								   sizeof(wanted) - length,
								   "k%02u=%d ", i, model[side][i]);
			expect_list(fixture, tables[side], wanted);
		}
	}
}

static void test_every_acknowledged_commit_survives_a_kill(void **state)
{
	struct fixture *fixture = *state;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)close(ends[0]);
		open_store(fixture);
		for (uint32_t i = 0;; i++) {
			char key[16];
			(void)snprintf(key, sizeof(key), "%08u", i);
			put(fixture, TABLE_REGISTERS, key, slice_str("v"));
			put(fixture, TABLE_RUNS, key, slice_str("h"));
			if (commit(fixture, NULL) != ERR_OK || write(ends[1], &i, sizeof(i)) < 0)
				_exit(1);
			if (i % 3 == 0 && drain(fixture) != ERR_OK)
				_exit(1);
		}
	}
	(void)close(ends[1]);
	uint32_t last = 0;
	while (last < 25)
		assert_int_equal(read(ends[0], &last, sizeof(last)), sizeof(last));
	assert_int_equal(kill(child, SIGKILL), 0);
	while (read(ends[0], &last, sizeof(last)) == sizeof(last))
		;
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	(void)close(ends[0]);

	open_store(fixture);
	for (uint32_t i = 0; i <= last; i++) {
		char key[16];
		(void)snprintf(key, sizeof(key), "%08u", i);
		expect(fixture, TABLE_REGISTERS, key, "v");
		expect(fixture, TABLE_RUNS, key, "h");
	}
}

static void test_a_second_open_is_refused_and_names_the_holder(void **state)
{
	struct fixture *fixture = *state;
	open_store(fixture);
	char pid[32];
	(void)snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
	refuse_open(fixture, ERR_EXISTS, pid);
	close_store(fixture);
	open_store(fixture);
}

static void test_modes_that_let_others_in_are_refused(void **state)
{
	struct fixture *fixture = *state;
	char path[512];
	file_path(fixture, "voting", path);
	open_store(fixture);
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	close_store(fixture);

	assert_int_equal(chmod(path, 0640), 0);
	refuse_open(fixture, ERR_DENIED, "mode 0640");
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(chmod(fixture->directory, 0711), 0);
	struct problem problem = {0};
	struct store_backend *backend = NULL;
	assert_int_equal(store_lmdb_open(&fixture->options, &backend, &problem), ERR_DENIED);
	assert_non_null(strstr(problem.text, "mode 0711"));
	assert_non_null(strstr(problem.hint, "chmod 700"));
	assert_int_equal(chmod(fixture->directory, 0700), 0);
	open_store(fixture);
}

static void test_a_missing_directory_is_made_for_its_owner_only(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(rmdir(fixture->directory), 0);
	open_store(fixture);
	struct stat status;
	assert_int_equal(stat(fixture->directory, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0700);
	close_store(fixture);
	fixture->options.directory = "/nonexistent/store";
	refuse_open(fixture, ERR_IO, "/nonexistent/store");
	fixture->options.directory = "";
	refuse_open(fixture, ERR_RANGE, "path");
}

static void test_sizes_outside_their_bounds_are_refused(void **state)
{
	struct fixture *fixture = *state;
	fixture->options.voting_bytes = VOTING_BYTES_MIN - 1;
	refuse_open(fixture, ERR_RANGE, "voting_bytes");
	fixture->options.voting_bytes = 0;
	fixture->options.history_bytes = HISTORY_BYTES_MAX + 1;
	refuse_open(fixture, ERR_RANGE, "history_bytes");
}

/* Copies `to` over each occurrence of `from` in a file; answers how many there were. */
static int patch_file(const struct fixture *fixture, const char *name, struct slice from, struct slice to)
{
	char path[512];
	file_path(fixture, name, path);
	int fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	struct stat status;
	assert_int_equal(fstat(fd, &status), 0);
	size_t bytes = (size_t)status.st_size;
	uint8_t *memory = malloc(bytes);
	assert_non_null(memory);
	assert_int_equal(pread(fd, memory, bytes, 0), (ssize_t)bytes);
	int count = 0;
	for (size_t i = 0; i + from.bytes <= bytes; i++) {
		if (memcmp(memory + i, from.data, from.bytes) != 0)
			continue;
		assert_int_equal(pwrite(fd, to.data, to.bytes, (off_t)i), (ssize_t)to.bytes);
		count++;
	}
	free(memory);
	(void)close(fd);
	return count;
}

static void test_a_flipped_bit_sets_aside_that_record_only(void **state)
{
	struct fixture *fixture = *state;
	open_store(fixture);
	put(fixture, TABLE_REGISTERS, "a", slice_str("first"));
	put(fixture, TABLE_REGISTERS, "b", slice_str("conspicuous"));
	put(fixture, TABLE_REGISTERS, "c", slice_str("third"));
	assert_int_equal(commit(fixture, NULL), ERR_OK);
	close_store(fixture);
	assert_true(patch_file(fixture, "voting", slice_str("conspicuous"),
			       slice_str("conspicuouS")) > 0);
	open_store(fixture);
	expect(fixture, TABLE_REGISTERS, "a", "first");
	expect(fixture, TABLE_REGISTERS, "b", "!");
	assert_int_equal(store_lmdb_corrupt_count(fixture->backend), 1);
	expect_list(fixture, TABLE_REGISTERS, "a=first c=third ");
	assert_int_equal(store_lmdb_corrupt_count(fixture->backend), 2);
	commit_one(fixture, TABLE_REGISTERS, "b", "mended");
	expect_list(fixture, TABLE_REGISTERS, "a=first b=mended c=third ");
}

static void test_another_schema_is_refused(void **state)
{
	struct fixture *fixture = *state;
	open_store(fixture);
	close_store(fixture);
	/* The record as it is on disk: key, checksum, version. */
	const struct slice key = slice_str("schema");
	uint8_t records[2][14];
	for (uint32_t version = 1; version <= 2; version++) {
		uint8_t *record = records[version - 1];
		memcpy(record, key.data, key.bytes);
		store_u32(record + 10, version);
		uint64_t sum = hash_u64(key) * 0x9e3779b97f4a7c15ull +
			       hash_u64(slice_of(record + 10, 4)) + 255u;
		store_u32(record + 6, (uint32_t)(sum ^ sum >> 32));
	}
	int count = patch_file(fixture, "voting", slice_of(records[0], 14), slice_of(records[1], 14));
	assert_true(count > 0);
	refuse_open(fixture, ERR_CORRUPT, "schema 2");
	records[0][13] ^= 0x40;
	(void)patch_file(fixture, "voting", slice_of(records[1], 14), slice_of(records[0], 14));
	refuse_open(fixture, ERR_CORRUPT, "voting");
}

static void test_a_file_that_is_no_store_is_refused(void **state)
{
	struct fixture *fixture = *state;
	char path[512];
	file_path(fixture, "voting", path);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	char rubbish[8192];
	memset(rubbish, 'x', sizeof(rubbish));
	assert_int_equal(write(fd, rubbish, sizeof(rubbish)), sizeof(rubbish));
	(void)close(fd);
	refuse_open(fixture, ERR_CORRUPT, path);
	refuse_open(fixture, ERR_CORRUPT, path);
}

static void test_a_file_that_was_cut_short_is_refused(void **state)
{
	struct fixture *fixture = *state;
	char path[512];
	open_store(fixture);
	char value[3000];
	memset(value, 'v', sizeof(value));
	for (int i = 0; i < 20; i++) {
		char key[8];
		(void)snprintf(key, sizeof(key), "%d", i % 100);
		put(fixture, TABLE_REGISTERS, key, slice_of(value, sizeof(value)));
	}
	assert_int_equal(commit(fixture, NULL), ERR_OK);
	close_store(fixture);
	file_path(fixture, "voting", path);
	assert_int_equal(truncate(path, 10 * 4096), 0);
	refuse_open(fixture, ERR_CORRUPT, path);
}

static void test_half_of_a_store_is_refused(void **state)
{
	struct fixture *fixture = *state;
	char path[512];
	open_store(fixture);
	commit_one(fixture, TABLE_COPIES, "a", "1");
	close_store(fixture);
	file_path(fixture, "voting", path);
	char away[512];
	file_path(fixture, "away", away);
	assert_int_equal(rename(path, away), 0);
	refuse_open(fixture, ERR_CORRUPT, "voting is missing");
	refuse_open(fixture, ERR_CORRUPT, "voting is missing");
	assert_int_equal(rename(away, path), 0);
	open_store(fixture);
	expect(fixture, TABLE_COPIES, "a", "1");
	close_store(fixture);
	file_path(fixture, "history", path);
	assert_int_equal(unlink(path), 0);
	refuse_open(fixture, ERR_CORRUPT, "history is missing");
}

static void test_the_voting_map_grows_ahead_of_need(void **state)
{
	struct fixture *fixture = *state;
	open_store(fixture);
	char value[2000];
	memset(value, 'v', sizeof(value));
	for (int i = 0; i < 1500; i++) {
		char key[16];
		(void)snprintf(key, sizeof(key), "%06d", i);
		put(fixture, TABLE_REGISTERS, key, slice_of(value, sizeof(value)));
		if (i % 300 == 299)
			assert_int_equal(commit(fixture, NULL), ERR_OK);
		expect(fixture, TABLE_ARCS, "none", "-");
	}
	assert_in_range(fixture->backend->usage_permille(fixture->backend->context), 200, 799);
	close_store(fixture);
	char path[512];
	file_path(fixture, "voting", path);
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_true(status.st_size >= 4 << 20);
	assert_true(status.st_blocks * 512 >= 4 << 20);
	open_store(fixture);
	uint8_t memory[sizeof(value)];
	struct buf got;
	buf_init(&got, memory, sizeof(memory));
	enum err err = fixture->backend->get(fixture->backend->context, TABLE_REGISTERS,
					     slice_str("001499"), &got);
	assert_int_equal(err, ERR_OK);
}

static void test_a_full_history_does_not_stop_votes(void **state)
{
	struct fixture *fixture = *state;
	fixture->options.history_bytes = HISTORY_BYTES_MIN;
	open_store(fixture);
	static char value[60000];
	memset(value, 'h', sizeof(value));
	struct problem problem = {0};
	enum err err = ERR_OK;
	int count = 0;
	bool was_stuck = false;
	while (err == ERR_OK) {
		char key[16];
		(void)snprintf(key, sizeof(key), "%04d", count++);
		put(fixture, TABLE_RUNS, key, slice_of(value, sizeof(value)));
		err = commit(fixture, &problem);
		was_stuck |= drain(fixture) == ERR_FULL;
	}
	assert_int_equal(err, ERR_FULL);
	assert_true(was_stuck);
	assert_non_null(strstr(problem.text, "outbox"));
	assert_non_null(strstr(problem.text, "history"));
	assert_true(problem.hint[0] != 0);
	assert_in_range(fixture->backend->usage_permille(fixture->backend->context), 980, 1000);
	/* More than the history holds was taken: the outbox has the rest, and readers see it. */
	assert_in_range(count, OUTBOX_BYTES_MAX / sizeof(value), 100);
	commit_one(fixture, TABLE_REGISTERS, "vote", "goes on");
	expect(fixture, TABLE_REGISTERS, "vote", "goes on");

	for (int round = 0; round < 2; round++) {
		close_store(fixture);
		open_store(fixture);
		uint8_t memory[8];
		struct buf key;
		buf_init(&key, memory, sizeof(memory));
		for (int i = 0; i < count - 1; i++)
			assert_int_equal(fixture->backend->next(fixture->backend->context, TABLE_RUNS,
								buf_slice(&key), &key, NULL),
					 ERR_OK);
		assert_int_equal(fixture->backend->next(fixture->backend->context, TABLE_RUNS,
							buf_slice(&key), &key, NULL),
				 ERR_NOT_FOUND);
		expect(fixture, TABLE_REGISTERS, "vote", "goes on");
		assert_int_equal(store_lmdb_has_undrained(fixture->backend), round == 0);
		fixture->options.history_bytes = 0;
	}
	assert_in_range(fixture->backend->usage_permille(fixture->backend->context), 0, 799);
}

/* From here on the disk takes no byte behind the first `bytes` of a file; RLIM_INFINITY: it does
 * again. */
static void limit_files(rlim_t bytes)
{
	(void)signal(SIGXFSZ, SIG_IGN);
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_after_a_failed_commit_none_is_tried_again(void **state)
{
	struct fixture *fixture = *state;
	open_store(fixture);
	commit_one(fixture, TABLE_REGISTERS, "a", "1");
	put(fixture, TABLE_REGISTERS, "a", slice_str("2"));
	struct problem problem = {0};
	limit_files(1);
	enum err err = commit(fixture, &problem);
	limit_files(RLIM_INFINITY);
	assert_int_equal(err, ERR_IO);
	assert_non_null(strstr(problem.text, "voting"));
	put(fixture, TABLE_REGISTERS, "a", slice_str("3"));
	assert_int_equal(commit(fixture, &problem), ERR_IO);
	assert_non_null(strstr(problem.text, "earlier"));
	close_store(fixture);
	open_store(fixture);
	expect(fixture, TABLE_REGISTERS, "a", "1");
}

static void test_a_history_that_can_not_be_written_is_drained_at_the_next_open(void **state)
{
	struct fixture *fixture = *state;
	open_store(fixture);
	commit_one(fixture, TABLE_RUNS, "a", "1");
	limit_files(1);
	enum err err = drain(fixture);
	limit_files(RLIM_INFINITY);
	assert_int_equal(err, ERR_IO);
	assert_int_equal(drain(fixture), ERR_IO);
	expect(fixture, TABLE_RUNS, "a", "1");
	commit_one(fixture, TABLE_REGISTERS, "vote", "goes on");
	commit_one(fixture, TABLE_RUNS, "b", "2");
	close_store(fixture);
	open_store(fixture);
	assert_false(store_lmdb_has_undrained(fixture->backend));
	expect_list(fixture, TABLE_RUNS, "a=1 b=2 ");
	expect(fixture, TABLE_REGISTERS, "vote", "goes on");
}

static void test_a_new_store_on_a_disk_without_room_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct problem problem = {0};
	struct store_backend *backend = NULL;
	limit_files(1 << 19);
	enum err err = store_lmdb_open(&fixture->options, &backend, &problem);
	limit_files(RLIM_INFINITY);
	assert_int_equal(err, ERR_IO);
	assert_non_null(strstr(problem.text, "reserve"));
	open_store(fixture);
}

/* Commits in a thread of its own while the test reads, as the agent does. */
struct writer {
	struct fixture *fixture;
	struct store_batch *batches[40];
	int count;
};

static void *write_batches(void *context)
{
	struct writer *writer = context;
	struct store_backend *backend = writer->fixture->backend;
	for (int i = 0; i < writer->count; i++) {
		if (backend->commit(backend->context, writer->batches[i], NULL) != ERR_OK)
			return writer;
		if (i % 4 == 3 && store_lmdb_drain(backend, NULL) != ERR_OK)
			return writer;
	}
	return NULL;
}

static void test_reads_go_on_beside_the_writer_thread(void **state)
{
	struct fixture *fixture = *state;
	open_store(fixture);
	struct writer writer = {.fixture = fixture, .count = 40};
	static char value[20000];
	memset(value, 'v', sizeof(value));
	for (int i = 0; i < writer.count; i++) {
		char key[16];
		(void)snprintf(key, sizeof(key), "%04d", i);
		put(fixture, TABLE_REGISTERS, key, slice_of(value, sizeof(value)));
		put(fixture, TABLE_RUNS, key, slice_str("run"));
		writer.batches[i] = store_overlay_take(fixture->overlay);
	}
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, write_batches, &writer), 0);
	char last_key[16];
	(void)snprintf(last_key, sizeof(last_key), "%04d", writer.count - 1);
	uint8_t memory[32];
	struct buf got;
	buf_init(&got, memory, sizeof(memory));
	struct store_backend *backend = fixture->backend;
	while (backend->get(backend->context, TABLE_RUNS, slice_str(last_key), &got) != ERR_OK) {
		/* What was seen once in the outbox or the map is never missed between them. */
		bool was_seen = backend->get(backend->context, TABLE_RUNS, slice_str("0000"), &got) ==
				ERR_OK;
		expect(fixture, TABLE_ARCS, "none", "-");
		if (was_seen)
			expect(fixture, TABLE_RUNS, "0000", "run");
	}
	void *failed;
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
	for (int i = 0; i < writer.count; i++) {
		store_overlay_committed(fixture->overlay, writer.batches[i]);
		store_batch_free(writer.batches[i]);
	}
	assert_null(store_overlay_take(fixture->overlay));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(test_what_was_committed_is_there_after_the_next_open),
		CASE(test_removals_reach_both_environments),
		CASE(test_history_is_read_before_and_after_it_is_drained),
		CASE(test_next_goes_through_overlay_outbox_and_map_in_order),
		CASE(test_random_changes_agree_with_a_model),
		CASE(test_every_acknowledged_commit_survives_a_kill),
		CASE(test_a_second_open_is_refused_and_names_the_holder),
		CASE(test_modes_that_let_others_in_are_refused),
		CASE(test_a_missing_directory_is_made_for_its_owner_only),
		CASE(test_sizes_outside_their_bounds_are_refused),
		CASE(test_a_flipped_bit_sets_aside_that_record_only),
		CASE(test_another_schema_is_refused),
		CASE(test_a_file_that_is_no_store_is_refused),
		CASE(test_a_file_that_was_cut_short_is_refused),
		CASE(test_half_of_a_store_is_refused),
		CASE(test_the_voting_map_grows_ahead_of_need),
		CASE(test_a_full_history_does_not_stop_votes),
		CASE(test_after_a_failed_commit_none_is_tried_again),
		CASE(test_a_history_that_can_not_be_written_is_drained_at_the_next_open),
		CASE(test_a_new_store_on_a_disk_without_room_is_refused),
		CASE(test_reads_go_on_beside_the_writer_thread),
	};
	return cmocka_run_group_tests_name("store_lmdb", tests, NULL, NULL);
}
