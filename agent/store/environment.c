/* One LMDB environment; the only file that knows LMDB. */
#include "agent/store/environment.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <string.h>

#include "agent/store/merge.h"
#include "proto/hash.h"

#define SCHEMA_KEY "schema"
#define META_SALT 255u /* where a table's number goes into a checksum */
#define CHECKSUM_BYTES 4u
#define READERS_MAX 8u /* the loop's, the writer's while it measures, and room for a dead one's */

static const char *const table_names[TABLE_END] = {
	[ENVIRONMENT_OUTBOX] = "outbox",
	[TABLE_SELF] = "self",
	[TABLE_ARCS] = "arcs",
	[TABLE_REGISTERS] = "registers",
	[TABLE_STARTS] = "starts",
	[TABLE_COPIES] = "copies",
	[TABLE_VERSIONS] = "versions",
	[TABLE_RUNS] = "runs",
	[TABLE_RUNS_BY_TIME] = "runs_by_time",
	[TABLE_VERDICTS] = "verdicts",
	[TABLE_MEMBERS] = "members",
};

/* ---- errors ---- */

static enum err err_of(int rc)
{
	switch (rc) {
	case MDB_SUCCESS:
		return ERR_OK;
	case MDB_NOTFOUND:
		return ERR_NOT_FOUND;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
	case ENOSPC:
	case EDQUOT:
		return ERR_FULL;
	case ENOMEM:
		return ERR_NO_MEMORY;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_INCOMPATIBLE:
		return ERR_CORRUPT;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_DENIED;
	default:
		return ERR_IO;
	}
}

static enum err environment_problem(const struct environment *environment, const char *doing,
				    int rc, struct problem *problem)
{
	enum err err = err_of(rc);
	const char *directory = environment->directory->path;
	(void)problem_set(problem, err, "store: %s %s/%s: %s", doing, directory, environment->name,
			  mdb_strerror(rc));
	if (err == ERR_CORRUPT)
		problem_hint(problem, "move %s away and join again: the agent gets a new id", directory);
	if (err == ERR_FULL)
		problem_hint(problem, "make room on the disk of %s", directory);
	return err;
}

/* ---- values ---- */

static MDB_val val_of(struct slice slice)
{
	/* LMDB takes keys through the same type that it gives values with, and does not write to
	 * them. */
	return (MDB_val){.mv_size = slice.bytes, .mv_data = (void *)(uintptr_t)slice.data};
}

static uint32_t checksum_of(unsigned salt, struct slice key, struct slice value)
{
	/* An odd factor, so that key and value can not stand in for each other. */
	uint64_t sum = hash_u64(key) * 0x9e3779b97f4a7c15ull + hash_u64(value) + salt;
	return (uint32_t)(sum ^ sum >> 32);
}

static int value_put(MDB_txn *txn, MDB_dbi dbi, unsigned salt, struct slice key, struct slice value)
{
	MDB_val stored_key = val_of(key);
	MDB_val stored = {.mv_size = CHECKSUM_BYTES + value.bytes};
	int rc = mdb_put(txn, dbi, &stored_key, &stored, MDB_RESERVE);
	if (rc != MDB_SUCCESS)
		return rc;
	uint8_t *bytes = stored.mv_data;
	store_u32(bytes, checksum_of(salt, key, value));
	if (value.bytes > 0)
		memcpy(bytes + CHECKSUM_BYTES, value.data, value.bytes);
	return MDB_SUCCESS;
}

static enum err value_check(unsigned salt, const MDB_val *key, const MDB_val *stored,
			    struct slice *ret_value)
{
	if (stored->mv_size < CHECKSUM_BYTES)
		return ERR_CORRUPT;
	const uint8_t *bytes = stored->mv_data;
	struct slice value = slice_of(bytes + CHECKSUM_BYTES, stored->mv_size - CHECKSUM_BYTES);
	if (load_u32(bytes) != checksum_of(salt, slice_of(key->mv_data, key->mv_size), value))
		return ERR_CORRUPT;
	*ret_value = value;
	return ERR_OK;
}

/* ---- reading ---- */

enum err environment_get(struct environment *environment, unsigned table, struct slice key,
			 struct buf *ret_value)
{
	buf_clear(ret_value);
	if (mdb_txn_renew(environment->read_txn) != MDB_SUCCESS)
		return ERR_IO;
	MDB_val stored_key = val_of(key);
	MDB_val stored;
	int rc = mdb_get(environment->read_txn, environment->tables[table], &stored_key, &stored);
	enum err err = err_of(rc);
	struct slice value = {0};
	if (err == ERR_OK)
		err = value_check(table, &stored_key, &stored, &value);
	if (err == ERR_CORRUPT)
		(void)atomic_fetch_add(&environment->corrupt_count, 1);
	if (err == ERR_OK)
		err = merge_copy(key, value, NULL, ret_value);
	mdb_txn_reset(environment->read_txn);
	return err;
}

static int cursor_after(MDB_cursor *cursor, struct slice key, MDB_val *ret_key, MDB_val *ret_stored)
{
	if (key.bytes == 0)
		return mdb_cursor_get(cursor, ret_key, ret_stored, MDB_FIRST);
	*ret_key = val_of(key);
	int rc = mdb_cursor_get(cursor, ret_key, ret_stored, MDB_SET_RANGE);
	if (rc != MDB_SUCCESS)
		return rc;
	if (!slice_equal(slice_of(ret_key->mv_data, ret_key->mv_size), key))
		return MDB_SUCCESS;
	return mdb_cursor_get(cursor, ret_key, ret_stored, MDB_NEXT);
}

enum err environment_next(struct environment *environment, unsigned table, struct slice key,
			  struct buf *ret_key, struct buf *ret_value)
{
	MDB_txn *txn = environment->read_txn;
	int rc = mdb_txn_renew(txn);
	if (rc != MDB_SUCCESS)
		return ERR_IO;
	MDB_cursor *cursor;
	rc = mdb_cursor_open(txn, environment->tables[table], &cursor);
	if (rc != MDB_SUCCESS) {
		mdb_txn_reset(txn);
		return err_of(rc);
	}
	MDB_val stored_key;
	MDB_val stored;
	struct slice value = {0};
	rc = cursor_after(cursor, key, &stored_key, &stored);
	while (rc == MDB_SUCCESS && value_check(table, &stored_key, &stored, &value) != ERR_OK) {
		(void)atomic_fetch_add(&environment->corrupt_count, 1);
		rc = mdb_cursor_get(cursor, &stored_key, &stored, MDB_NEXT);
	}
	enum err err = err_of(rc);
	struct slice found = {0};
	if (err == ERR_OK)
		found = slice_of(stored_key.mv_data, stored_key.mv_size);
	else
		value = (struct slice){0};
	enum err copy_err = merge_copy(found, value, ret_key, ret_value);
	mdb_cursor_close(cursor);
	mdb_txn_reset(txn);
	return err != ERR_OK ? err : copy_err;
}

/* ---- writing ---- */

enum err environment_begin(struct environment *environment, struct problem *problem)
{
	assert(environment->write_txn == NULL);
	if (environment->has_failed)
		return problem_set(problem, ERR_IO, "store: an earlier write to %s/%s failed",
				   environment->directory->path, environment->name);
	environment->write_error = MDB_SUCCESS;
	int rc = mdb_txn_begin(environment->env, NULL, 0, &environment->write_txn);
	if (rc == MDB_SUCCESS)
		return ERR_OK;
	environment->write_txn = NULL;
	environment->has_failed = true;
	return environment_problem(environment, "write to", rc, problem);
}

void environment_put(struct environment *environment, unsigned table, struct slice key, struct slice value)
{
	if (environment->write_error == MDB_SUCCESS)
		environment->write_error = value_put(environment->write_txn,
						     environment->tables[table], table, key, value);
}

void environment_remove(struct environment *environment, unsigned table, struct slice key)
{
	if (environment->write_error != MDB_SUCCESS)
		return;
	MDB_val stored_key = val_of(key);
	int rc = mdb_del(environment->write_txn, environment->tables[table], &stored_key, NULL);
	if (rc != MDB_NOTFOUND)
		environment->write_error = rc;
}

enum err environment_commit(struct environment *environment, struct problem *problem)
{
	assert(environment->write_txn != NULL);
	int rc = environment->write_error;
	/* Whether the commit succeeds or not, the transaction is gone afterwards. */
	if (rc == MDB_SUCCESS)
		rc = mdb_txn_commit(environment->write_txn);
	else
		mdb_txn_abort(environment->write_txn);
	environment->write_txn = NULL;
	if (rc == MDB_SUCCESS)
		return ERR_OK;
	if (err_of(rc) != ERR_FULL)
		environment->has_failed = true;
	return environment_problem(environment, "write to", rc, problem);
}

void environment_abort(struct environment *environment)
{
	assert(environment->write_txn != NULL);
	mdb_txn_abort(environment->write_txn);
	environment->write_txn = NULL;
}

/* ---- size ---- */

/* Pages on the free list, which is LMDB's table 0: each value begins with the count of pages in it.
 */
static uint64_t free_page_count(struct environment *environment)
{
	MDB_txn *txn;
	MDB_cursor *cursor;
	uint64_t free_count = 0;
	if (mdb_txn_begin(environment->env, NULL, MDB_RDONLY, &txn) != MDB_SUCCESS)
		return 0;
	if (mdb_cursor_open(txn, 0, &cursor) == MDB_SUCCESS) {
		MDB_val key;
		MDB_val pages;
		while (mdb_cursor_get(cursor, &key, &pages, MDB_NEXT) == MDB_SUCCESS) {
			size_t count;
			memcpy(&count, pages.mv_data, sizeof(count));
			free_count += count;
		}
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
	return free_count;
}

uint64_t environment_used_bytes(struct environment *environment)
{
	MDB_envinfo info;
	MDB_stat stat;
	if (mdb_env_info(environment->env, &info) != MDB_SUCCESS ||
	    mdb_env_stat(environment->env, &stat) != MDB_SUCCESS)
		return environment->bytes_max;
	uint64_t page_count = (uint64_t)info.me_last_pgno + 1;
	/* The walk is spared until it could matter. */
	if (page_count * stat.ms_psize <= environment->bytes_max / 2)
		return page_count * stat.ms_psize;
	uint64_t free_count = free_page_count(environment);
	return (page_count - (free_count < page_count ? free_count : page_count)) * stat.ms_psize;
}

enum err environment_grow(struct environment *environment, uint64_t bytes_max, struct problem *problem)
{
	assert(environment->write_txn == NULL);
	int rc = mdb_env_set_mapsize(environment->env, bytes_max);
	if (rc != MDB_SUCCESS) {
		/* The old map is gone and no new one is there. */
		environment->has_failed = true;
		return environment_problem(environment, "grow", rc, problem);
	}
	environment->bytes_max = bytes_max;
	return ERR_OK;
}

/* ---- open and close ---- */

static int env_open(struct environment *environment, uint64_t file_bytes)
{
	char path[STORE_PATH_BYTES_MAX];
	store_directory_file_path(environment->directory, environment->name, path);
	int rc = mdb_env_create(&environment->env);
	if (rc != MDB_SUCCESS) {
		environment->env = NULL;
		return rc;
	}
	rc = mdb_env_set_maxdbs(environment->env, TABLE_END + 1);
	if (rc == MDB_SUCCESS)
		rc = mdb_env_set_maxreaders(environment->env, READERS_MAX);
	if (rc == MDB_SUCCESS)
		rc = mdb_env_set_mapsize(environment->env, environment->bytes_max);
	if (rc == MDB_SUCCESS)
		rc = mdb_env_open(environment->env, path, MDB_NOSUBDIR | MDB_NOTLS, 0600);
	/* LMDB opens all its files so but this one. */
	mdb_filehandle_t data_fd;
	if (rc == MDB_SUCCESS)
		rc = mdb_env_get_fd(environment->env, &data_fd);
	if (rc == MDB_SUCCESS && fcntl(data_fd, F_SETFD, FD_CLOEXEC) != 0)
		rc = errno;
	int dead_count = 0;
	if (rc == MDB_SUCCESS)
		rc = mdb_reader_check(environment->env, &dead_count);
	MDB_envinfo info;
	MDB_stat stat;
	if (rc == MDB_SUCCESS)
		rc = mdb_env_info(environment->env, &info);
	if (rc == MDB_SUCCESS)
		rc = mdb_env_stat(environment->env, &stat);
	/* Reading a page behind the end of a file that was cut short would be a bus error. */
	if (rc == MDB_SUCCESS && file_bytes > 0 &&
	    ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize > file_bytes)
		rc = MDB_CORRUPTED;
	return rc;
}

/* Tells whether the environment is new, or checks that its schema is ours. */
static enum err schema_check(struct environment *environment, MDB_txn *txn, struct problem *problem)
{
	MDB_val key = val_of(slice_str(SCHEMA_KEY));
	MDB_val stored;
	int rc = mdb_get(txn, environment->meta, &key, &stored);
	environment->is_fresh = rc == MDB_NOTFOUND;
	if (rc == MDB_NOTFOUND)
		return ERR_OK;
	if (rc != MDB_SUCCESS)
		return environment_problem(environment, "read", rc, problem);
	struct slice value;
	if (value_check(META_SALT, &key, &stored, &value) != ERR_OK || value.bytes != sizeof(uint32_t))
		return environment_problem(environment, "read the schema of", MDB_CORRUPTED, problem);
	uint32_t version = load_u32(value.data);
	if (version == ENVIRONMENT_SCHEMA)
		return ERR_OK;
	(void)problem_set(problem, ERR_CORRUPT, "store: %s/%s has schema %u; this version reads %u",
			  environment->directory->path, environment->name, version, ENVIRONMENT_SCHEMA);
	problem_hint(problem, "start the version of schedd that wrote it");
	return ERR_CORRUPT;
}

static enum err tables_open(struct environment *environment, unsigned first, unsigned end,
			    struct problem *problem)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(environment->env, NULL, 0, &txn);
	if (rc != MDB_SUCCESS)
		return environment_problem(environment, "open", rc, problem);
	rc = mdb_dbi_open(txn, "meta", MDB_CREATE, &environment->meta);
	if (rc == MDB_SUCCESS) {
		enum err err = schema_check(environment, txn, problem);
		if (err != ERR_OK) {
			mdb_txn_abort(txn);
			return err;
		}
	}
	for (unsigned table = first; rc == MDB_SUCCESS && table < end; table++)
		rc = mdb_dbi_open(txn, table_names[table], MDB_CREATE, &environment->tables[table]);
	if (rc == MDB_SUCCESS)
		rc = mdb_txn_commit(txn);
	else
		mdb_txn_abort(txn);
	if (rc == MDB_SUCCESS)
		rc = mdb_txn_begin(environment->env, NULL, MDB_RDONLY, &environment->read_txn);
	if (rc != MDB_SUCCESS) {
		environment->read_txn = NULL;
		return environment_problem(environment, "open the tables of", rc, problem);
	}
	mdb_txn_reset(environment->read_txn);
	return ERR_OK;
}

enum err environment_open(struct environment *environment, const struct store_directory *directory,
			  const char *name, uint64_t bytes_max, unsigned first, unsigned end,
			  struct problem *problem)
{
	*environment = (struct environment){.directory = directory, .name = name};
	uint64_t file_bytes = 0;
	enum err err = store_directory_file_bytes(directory, name, &file_bytes, problem);
	if (err != ERR_OK && err != ERR_NOT_FOUND)
		return err;
	environment->bytes_max = bytes_max > file_bytes ? bytes_max : file_bytes;
	int rc = env_open(environment, file_bytes);
	if (rc != MDB_SUCCESS)
		return environment_problem(environment, "open", rc, problem);
	return tables_open(environment, first, end, problem);
}

void environment_close(struct environment *environment)
{
	if (environment->write_txn != NULL)
		mdb_txn_abort(environment->write_txn);
	if (environment->read_txn != NULL)
		mdb_txn_abort(environment->read_txn);
	if (environment->env != NULL)
		mdb_env_close(environment->env);
	environment->write_txn = NULL;
	environment->read_txn = NULL;
	environment->env = NULL;
}

enum err environment_settle(struct environment *environment, struct problem *problem)
{
	enum err err = environment_begin(environment, problem);
	if (err != ERR_OK)
		return err;
	uint8_t version[sizeof(uint32_t)];
	store_u32(version, ENVIRONMENT_SCHEMA);
	environment->write_error = value_put(environment->write_txn, environment->meta, META_SALT,
					     slice_str(SCHEMA_KEY), slice_of(version, sizeof(version)));
	err = environment_commit(environment, problem);
	if (err == ERR_OK)
		environment->is_fresh = false;
	return err;
}
