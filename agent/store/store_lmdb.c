/* The store on disk: two LMDB environments in one directory.
 *
 *   DIR/voting    outbox self arcs registers starts    preallocated, every commit synced
 *   DIR/history   copies versions runs ...             may fill up without stopping a vote
 *
 *   commit   one voting transaction: the changes of voting tables, and entries of the outbox that
 *            hold the changes of history tables
 *   drain    one history transaction with all that is in the outbox; the next commit removes these
 *            entries from the voting environment, which saves a sync
 *   reads    voting: the map; history: the outbox in memory, and below it the map
 *
 * The writer thread commits and drains, the loop's thread reads. `lock` covers what both touch: the
 * outbox's map, and the voting map while it is moved to grow. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/batch.h"
#include "agent/store/directory.h"
#include "agent/store/environment.h"
#include "agent/store/merge.h"
#include "agent/store/outbox.h"
#include "agent/store/store.h"

#define VOTING_NAME "voting"
#define HISTORY_NAME "history"
#define GROW_AT_PERMILLE 600u /* ahead of 800, where new jobs are refused */
#define SEQUENCE_BYTES 8u

struct store_lmdb {
	struct store_backend backend;
	struct store_directory directory;
	struct environment voting;
	struct environment history;
	struct merge_source history_below;
	pthread_mutex_t lock;
	struct outbox outbox;
	uint64_t sequence_next;
	uint64_t drained_through; /* entries up to here are in the history environment */
	uint64_t removed_through; /* entries up to here are gone from the outbox table */
	/* Written by the writer, read by the loop. */
	atomic_bool is_history_stuck; /* the last drain failed */
	atomic_size_t outbox_bytes;
	atomic_uint voting_permille;
};

/* ---- reading ---- */

static enum err history_get(void *context, enum store_table table, struct slice key, struct buf *ret_value)
{
	struct store_lmdb *lmdb = context;
	return environment_get(&lmdb->history, table, key, ret_value);
}

static enum err history_next(void *context, enum store_table table, struct slice key,
			     struct buf *ret_key, struct buf *ret_value)
{
	struct store_lmdb *lmdb = context;
	return environment_next(&lmdb->history, table, key, ret_key, ret_value);
}

static enum err lmdb_get(void *context, enum store_table table, struct slice key, struct buf *ret_value)
{
	struct store_lmdb *lmdb = context;
	assert(key.bytes > 0);
	assert(key.bytes <= STORE_KEY_BYTES_MAX);
	enum err err;
	(void)pthread_mutex_lock(&lmdb->lock);
	if (outbox_has_table(table))
		err = merge_get(&lmdb->outbox.map, &lmdb->history_below, table, key, ret_value);
	else
		err = environment_get(&lmdb->voting, table, key, ret_value);
	(void)pthread_mutex_unlock(&lmdb->lock);
	return err;
}

static enum err lmdb_next(void *context, enum store_table table, struct slice key,
			  struct buf *ret_key, struct buf *ret_value)
{
	struct store_lmdb *lmdb = context;
	assert(key.bytes <= STORE_KEY_BYTES_MAX);
	enum err err;
	(void)pthread_mutex_lock(&lmdb->lock);
	if (outbox_has_table(table))
		err = merge_next(&lmdb->outbox.map, &lmdb->history_below, table, key, ret_key,
				 ret_value);
	else
		err = environment_next(&lmdb->voting, table, key, ret_key, ret_value);
	(void)pthread_mutex_unlock(&lmdb->lock);
	return err;
}

static unsigned lmdb_usage_permille(void *context)
{
	struct store_lmdb *lmdb = context;
	unsigned voting = atomic_load(&lmdb->voting_permille);
	/* A burst that is about to be drained is no reason to refuse anything. */
	if (!atomic_load(&lmdb->is_history_stuck))
		return voting;
	size_t bytes = atomic_load(&lmdb->outbox_bytes);
	unsigned outbox = bytes >= OUTBOX_BYTES_MAX ? 1000u
						    : (unsigned)(bytes * 1000 / OUTBOX_BYTES_MAX);
	return outbox > voting ? outbox : voting;
}

/* ---- size of the voting map ---- */

static enum err voting_grow(struct store_lmdb *lmdb, struct problem *problem)
{
	uint64_t bytes = 2 * lmdb->voting.bytes_max;
	if (bytes > VOTING_BYTES_MAX)
		return problem_set(problem, ERR_FULL, "store: %s/%s has reached its limit of %llu bytes",
				   lmdb->directory.path, lmdb->voting.name,
				   (unsigned long long)VOTING_BYTES_MAX);
	enum err err = store_directory_reserve(&lmdb->directory, lmdb->voting.name, bytes, problem);
	if (err != ERR_OK)
		return err;
	(void)pthread_mutex_lock(&lmdb->lock);
	err = environment_grow(&lmdb->voting, bytes, problem);
	(void)pthread_mutex_unlock(&lmdb->lock);
	return err;
}

static void voting_measure(struct store_lmdb *lmdb)
{
	uint64_t used_bytes = environment_used_bytes(&lmdb->voting);
	/* Without room to grow the commit that is done stays done; the figure tells the core. */
	if (used_bytes * 1000 / lmdb->voting.bytes_max >= GROW_AT_PERMILLE)
		(void)voting_grow(lmdb, NULL);
	atomic_store(&lmdb->voting_permille, (unsigned)(used_bytes * 1000 / lmdb->voting.bytes_max));
}

/* ---- commit ---- */

static void sequence_key(uint64_t sequence, uint8_t ret_key[SEQUENCE_BYTES])
{
	store_u64(ret_key, sequence);
}

/* Writes the parcel as entries of about OUTBOX_ENTRY_BYTES each; sets the number of the last one.
 */
static enum err parcel_write(struct store_lmdb *lmdb, struct outbox_parcel *parcel)
{
	uint64_t sequence = lmdb->sequence_next;
	for (size_t first = 0; first < parcel->record_count; sequence++) {
		size_t end = first;
		size_t bytes = outbox_record_bytes(parcel->records[end++]);
		while (end < parcel->record_count &&
		       bytes + outbox_record_bytes(parcel->records[end]) <= OUTBOX_ENTRY_BYTES)
			bytes += outbox_record_bytes(parcel->records[end++]);

		uint8_t *memory = malloc(bytes);
		if (memory == NULL)
			return ERR_NO_MEMORY;
		struct buf entry;
		buf_init(&entry, memory, bytes);
		for (; first < end; first++)
			outbox_record_put(&entry, parcel->records[first]);
		assert(!entry.has_overflowed);
		uint8_t key[SEQUENCE_BYTES];
		sequence_key(sequence, key);
		environment_put(&lmdb->voting, ENVIRONMENT_OUTBOX, slice_of(key, sizeof(key)),
				buf_slice(&entry));
		free(memory);
	}
	parcel->sequence_last = sequence - 1;
	return ERR_OK;
}

/* One transaction, synced. *lmdb stays as it was, so that it may be tried again after the map has
 * grown. */
static enum err commit_once(struct store_lmdb *lmdb, const struct store_batch *batch,
			    struct outbox_parcel *parcel, struct problem *problem)
{
	enum err err = environment_begin(&lmdb->voting, problem);
	if (err != ERR_OK)
		return err;
	for (uint64_t i = lmdb->removed_through + 1; i <= lmdb->drained_through; i++) {
		uint8_t key[SEQUENCE_BYTES];
		sequence_key(i, key);
		environment_remove(&lmdb->voting, ENVIRONMENT_OUTBOX, slice_of(key, sizeof(key)));
	}
	for (size_t i = 0; i < batch->count; i++) {
		const struct store_record *record = batch->records[i];
		if (outbox_has_table(record->table))
			continue;
		if (record->is_remove)
			environment_remove(&lmdb->voting, record->table, store_record_key(record));
		else
			environment_put(&lmdb->voting, record->table, store_record_key(record),
					store_record_value(record));
	}
	enum err parcel_err = parcel != NULL ? parcel_write(lmdb, parcel) : ERR_OK;
	if (parcel_err != ERR_OK) {
		environment_abort(&lmdb->voting);
		return problem_set(problem, parcel_err, "store: commit: out of memory");
	}
	return environment_commit(&lmdb->voting, problem);
}

/* The history changes of the batch, NULL if there are none. */
static enum err parcel_of_batch(const struct store_batch *batch, struct outbox_parcel **ret_parcel)
{
	size_t count = 0;
	for (size_t i = 0; i < batch->count; i++)
		count += outbox_has_table(batch->records[i]->table);
	*ret_parcel = NULL;
	if (count == 0)
		return ERR_OK;
	struct outbox_parcel *parcel = outbox_parcel_new(count);
	if (parcel == NULL)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < batch->count; i++)
		if (outbox_has_table(batch->records[i]->table))
			outbox_parcel_add(parcel, batch->records[i]);
	*ret_parcel = parcel;
	return ERR_OK;
}

static enum err outbox_make_room(struct store_lmdb *lmdb, size_t bytes, struct problem *problem)
{
	/* A single batch may be larger than the bound: it would never fit otherwise. */
	if (lmdb->outbox.bytes == 0 || lmdb->outbox.bytes + bytes <= OUTBOX_BYTES_MAX)
		return ERR_OK;
	struct problem cause = {0};
	enum err err = store_lmdb_drain(&lmdb->backend, &cause);
	if (err == ERR_OK || err == ERR_NOT_FOUND)
		return ERR_OK;
	(void)problem_set(problem, ERR_FULL, "store: the outbox of %u bytes is full: %s",
			  OUTBOX_BYTES_MAX, cause.text);
	problem_hint(problem, "make room on the disk of %s, or raise store.history_bytes",
		     lmdb->directory.path);
	return ERR_FULL;
}

static enum err parcel_append(struct store_lmdb *lmdb, struct outbox_parcel *take_parcel)
{
	if (take_parcel == NULL)
		return ERR_OK;
	lmdb->sequence_next = take_parcel->sequence_last + 1;
	(void)pthread_mutex_lock(&lmdb->lock);
	enum err err = outbox_append(&lmdb->outbox, take_parcel);
	(void)pthread_mutex_unlock(&lmdb->lock);
	atomic_store(&lmdb->outbox_bytes, lmdb->outbox.bytes);
	return err;
}

static enum err lmdb_commit(void *context, const struct store_batch *batch, struct problem *problem)
{
	struct store_lmdb *lmdb = context;
	enum err err = store_batch_check(batch, problem);
	if (err != ERR_OK)
		return err;
	struct outbox_parcel *parcel;
	err = parcel_of_batch(batch, &parcel);
	if (err != ERR_OK)
		return problem_set(problem, err, "store: commit: out of memory");
	if (parcel != NULL)
		err = outbox_make_room(lmdb, parcel->bytes, problem);
	if (err != ERR_OK)
		goto out;

	err = commit_once(lmdb, batch, parcel, problem);
	while (err == ERR_FULL) {
		err = voting_grow(lmdb, problem);
		if (err != ERR_OK)
			goto out;
		err = commit_once(lmdb, batch, parcel, problem);
	}
	if (err != ERR_OK)
		goto out;
	lmdb->removed_through = lmdb->drained_through;
	err = parcel_append(lmdb, parcel);
	parcel = NULL;
	if (err != ERR_OK)
		err = problem_set(problem, err, "store: commit: out of memory");
	voting_measure(lmdb);
out:
	outbox_parcel_free(parcel);
	return err;
}

/* ---- drain ---- */

static enum err drain_once(struct store_lmdb *lmdb, struct problem *problem)
{
	enum err err = environment_begin(&lmdb->history, problem);
	if (err != ERR_OK)
		return err;
	const struct outbox_parcel *parcel = lmdb->outbox.first;
	for (; parcel != NULL; parcel = parcel->following) {
		for (size_t i = 0; i < parcel->record_count; i++) {
			const struct store_record *record = parcel->records[i];
			struct slice key = store_record_key(record);
			if (record->is_remove)
				environment_remove(&lmdb->history, record->table, key);
			else
				environment_put(&lmdb->history, record->table, key,
						store_record_value(record));
		}
	}
	return environment_commit(&lmdb->history, problem);
}

enum err store_lmdb_drain(struct store_backend *backend, struct problem *problem)
{
	struct store_lmdb *lmdb = backend->context;
	if (lmdb->outbox.first == NULL)
		return ERR_NOT_FOUND;
	enum err err = drain_once(lmdb, problem);
	atomic_store(&lmdb->is_history_stuck, err != ERR_OK);
	if (err != ERR_OK)
		return err;
	lmdb->drained_through = lmdb->outbox.last->sequence_last;
	(void)pthread_mutex_lock(&lmdb->lock);
	while (lmdb->outbox.first != NULL)
		outbox_drop_first(&lmdb->outbox);
	(void)pthread_mutex_unlock(&lmdb->lock);
	atomic_store(&lmdb->outbox_bytes, 0);
	return ERR_OK;
}

bool store_lmdb_has_undrained(const struct store_backend *backend)
{
	const struct store_lmdb *lmdb = backend->context;
	return atomic_load(&lmdb->outbox_bytes) > 0;
}

uint64_t store_lmdb_corrupt_count(const struct store_backend *backend)
{
	const struct store_lmdb *lmdb = backend->context;
	return atomic_load(&lmdb->voting.corrupt_count) + atomic_load(&lmdb->history.corrupt_count);
}

/* ---- open ---- */

static bool history_has_records(struct store_lmdb *lmdb)
{
	uint8_t key_bytes[STORE_KEY_BYTES_MAX];
	struct buf key;
	buf_init(&key, key_bytes, sizeof(key_bytes));
	for (unsigned table = TABLE_COPIES; table < TABLE_END; table++)
		if (environment_next(&lmdb->history, table, (struct slice){0}, &key, NULL) == ERR_OK)
			return true;
	return false;
}

/* Both files are made together, history's schema first. One without the other means that one was
 * lost: promises may be gone with it, so the agent does not start as if nothing had been. */
static enum err environments_settle(struct store_lmdb *lmdb, struct problem *problem)
{
	const struct environment *lost = NULL;
	if (!lmdb->voting.is_fresh && lmdb->history.is_fresh)
		lost = &lmdb->history;
	if (lmdb->voting.is_fresh && !lmdb->history.is_fresh && history_has_records(lmdb))
		lost = &lmdb->voting;
	if (lost != NULL) {
		(void)problem_set(problem, ERR_CORRUPT,
				  "store: %s/%s is missing or empty, and the other half is not",
				  lmdb->directory.path, lost->name);
		problem_hint(problem, "move %s away and join again: the agent gets a new id",
			     lmdb->directory.path);
		return ERR_CORRUPT;
	}
	enum err err = store_directory_reserve(&lmdb->directory, lmdb->voting.name,
					       lmdb->voting.bytes_max, problem);
	if (err == ERR_OK && lmdb->history.is_fresh)
		err = environment_settle(&lmdb->history, problem);
	if (err == ERR_OK)
		err = store_directory_sync(&lmdb->directory, problem);
	if (err == ERR_OK && lmdb->voting.is_fresh)
		err = environment_settle(&lmdb->voting, problem);
	return err;
}

/* The changes of one entry, which one commit had written. */
static enum err entry_load(struct store_lmdb *lmdb, uint64_t sequence, struct slice entry)
{
	struct outbox_parcel *parcel;
	enum err err = outbox_parcel_decode(entry, &parcel);
	if (err != ERR_OK)
		return err;
	parcel->sequence_last = sequence;
	return parcel_append(lmdb, parcel);
}

static enum err outbox_load(struct store_lmdb *lmdb, struct problem *problem)
{
	uint8_t *memory = malloc(OUTBOX_ENTRY_BYTES_MAX);
	if (memory == NULL)
		return problem_set(problem, ERR_NO_MEMORY, "store: out of memory");
	uint8_t key_bytes[STORE_KEY_BYTES_MAX];
	struct buf key;
	struct buf value;
	buf_init(&key, key_bytes, sizeof(key_bytes));
	buf_init(&value, memory, OUTBOX_ENTRY_BYTES_MAX);
	enum err err;
	while ((err = environment_next(&lmdb->voting, ENVIRONMENT_OUTBOX, buf_slice(&key), &key,
				       &value)) == ERR_OK) {
		err = key.bytes == SEQUENCE_BYTES
			      ? entry_load(lmdb, load_u64(key.data), buf_slice(&value))
			      : ERR_CORRUPT;
		if (err != ERR_OK)
			break;
		if (lmdb->removed_through == 0)
			lmdb->removed_through = load_u64(key.data) - 1;
	}
	free(memory);
	if (err == ERR_NOT_FOUND)
		return ERR_OK;
	return problem_set(problem, err, "store: read the outbox of %s/%s: %s",
			   lmdb->directory.path, lmdb->voting.name, err_text(err));
}

static enum err bytes_choose(const char *name, uint64_t wished, uint64_t standard, uint64_t min,
			     uint64_t max, uint64_t *ret_bytes, struct problem *problem)
{
	*ret_bytes = wished == 0 ? standard : wished;
	if (*ret_bytes >= min && *ret_bytes <= max)
		return ERR_OK;
	return problem_set(problem, ERR_RANGE, "store.%s: %llu is outside %llu to %llu", name,
			   (unsigned long long)wished, (unsigned long long)min,
			   (unsigned long long)max);
}

static enum err lmdb_open(struct store_lmdb *lmdb, const struct store_options *options,
			  struct problem *problem)
{
	uint64_t voting_bytes;
	uint64_t history_bytes;
	enum err err = bytes_choose("voting_bytes", options->voting_bytes, VOTING_BYTES_DEFAULT,
				    VOTING_BYTES_MIN, VOTING_BYTES_MAX, &voting_bytes, problem);
	if (err == ERR_OK)
		err = bytes_choose("history_bytes", options->history_bytes, HISTORY_BYTES_DEFAULT,
				   HISTORY_BYTES_MIN, HISTORY_BYTES_MAX, &history_bytes, problem);
	if (err == ERR_OK)
		err = store_directory_open(options->directory, &lmdb->directory, problem);
	if (err == ERR_OK)
		err = environment_open(&lmdb->voting, &lmdb->directory, VOTING_NAME, voting_bytes,
				       ENVIRONMENT_OUTBOX, TABLE_COPIES, problem);
	if (err == ERR_OK)
		err = environment_open(&lmdb->history, &lmdb->directory, HISTORY_NAME,
				       history_bytes, TABLE_COPIES, TABLE_END, problem);
	if (err == ERR_OK)
		err = environments_settle(lmdb, problem);
	if (err == ERR_OK)
		err = outbox_load(lmdb, problem);
	if (err != ERR_OK)
		return err;
	/* A full history is no reason not to start: what it can not take stays in the outbox. */
	err = store_lmdb_drain(&lmdb->backend, NULL);
	(void)err;
	voting_measure(lmdb);
	return ERR_OK;
}

enum err store_lmdb_open(const struct store_options *options, struct store_backend **ret_backend,
			 struct problem *problem)
{
	struct store_lmdb *lmdb = calloc(1, sizeof(*lmdb));
	if (lmdb == NULL)
		return problem_set(problem, ERR_NO_MEMORY, "store: out of memory");
	lmdb->backend = (struct store_backend){
		.context = lmdb,
		.get = lmdb_get,
		.next = lmdb_next,
		.commit = lmdb_commit,
		.usage_permille = lmdb_usage_permille,
	};
	lmdb->history_below = (struct merge_source){
		.context = lmdb, .get = history_get, .next = history_next};
	lmdb->sequence_next = 1;
	store_directory_init(&lmdb->directory);
	outbox_init(&lmdb->outbox);
	(void)pthread_mutex_init(&lmdb->lock, NULL);
	enum err err = lmdb_open(lmdb, options, problem);
	if (err != ERR_OK) {
		store_lmdb_close(&lmdb->backend);
		return err;
	}
	*ret_backend = &lmdb->backend;
	return ERR_OK;
}

void store_lmdb_close(struct store_backend *backend)
{
	if (backend == NULL)
		return;
	struct store_lmdb *lmdb = backend->context;
	/* What can not be drained now is drained at the next start. */
	if (lmdb->history.read_txn != NULL) {
		enum err err = store_lmdb_drain(backend, NULL);
		(void)err;
	}
	environment_close(&lmdb->voting);
	environment_close(&lmdb->history);
	store_directory_close(&lmdb->directory);
	outbox_clear(&lmdb->outbox);
	(void)pthread_mutex_destroy(&lmdb->lock);
	free(lmdb);
}
