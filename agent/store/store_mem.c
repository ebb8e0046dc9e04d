/* The backend in memory. */
#include "agent/store/store_mem.h"

#include <assert.h>
#include <stdlib.h>

#include "agent/store/batch.h"
#include "agent/store/merge.h"
#include "agent/store/record.h"

struct issued_commit {
	struct issued_commit *following;
	size_t record_count;
	struct store_record *records[];
};

struct store_mem {
	struct store_backend backend;
	struct record_map durable;
	struct issued_commit *issued_first;
	struct issued_commit *issued_last;
	size_t issued_count;
	bool is_held;
	enum err armed;
	size_t bytes_max; /* 0: no limit */
	uint64_t commit_count;
	uint64_t corrupt_count;
};

struct store_mem_image {
	struct record_map records;
};

static struct store_mem *mem_of(const struct store_backend *backend)
{
	return backend->context;
}

static enum err mem_get(void *context, enum store_table table, struct slice key, struct buf *ret_value)
{
	struct store_mem *mem = context;
	buf_clear(ret_value);
	const struct store_record *record = record_map_find(&mem->durable, table, key);
	if (record == NULL)
		return ERR_NOT_FOUND;
	if (record->is_corrupt) {
		mem->corrupt_count++;
		return ERR_CORRUPT;
	}
	return merge_copy(key, store_record_value(record), NULL, ret_value);
}

static enum err mem_next(void *context, enum store_table table, struct slice key,
			 struct buf *ret_key, struct buf *ret_value)
{
	struct store_mem *mem = context;
	const struct store_record *record = record_map_after(&mem->durable, table, key);
	while (record != NULL && record->is_corrupt) {
		mem->corrupt_count++;
		record = record_map_after(&mem->durable, table, store_record_key(record));
	}
	if (record != NULL)
		return merge_copy(store_record_key(record), store_record_value(record), ret_key,
				  ret_value);
	buf_clear(ret_key);
	if (ret_value != NULL)
		buf_clear(ret_value);
	return ERR_NOT_FOUND;
}

static unsigned mem_usage_permille(void *context)
{
	const struct store_mem *mem = context;
	if (mem->bytes_max == 0)
		return 0;
	size_t permille = mem->durable.cost_bytes * 1000 / mem->bytes_max;
	return permille > 1000 ? 1000 : (unsigned)permille;
}

/* Whether the limit lets these in; what they replace is not taken off, as in a copy-on-write map.
 */
static bool mem_has_room(const struct store_mem *mem, struct store_record *const *records, size_t count)
{
	size_t bytes = mem->durable.cost_bytes;
	bool has_put = false;
	for (size_t i = 0; i < count; i++) {
		if (records[i]->is_remove)
			continue;
		has_put = true;
		bytes += store_record_cost(records[i]);
	}
	return mem->bytes_max == 0 || !has_put || bytes <= mem->bytes_max;
}

/* All or nothing as far as callers can see: out of memory ends the simulator. */
static void mem_apply(struct store_mem *mem, struct store_record *const *records, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (records[i]->is_remove) {
			(void)record_map_erase(&mem->durable, records[i]->table,
					       store_record_key(records[i]));
			continue;
		}
		if (record_map_set(&mem->durable, records[i]) != ERR_OK)
			abort();
	}
	mem->commit_count++;
}

static enum err mem_try_apply(struct store_mem *mem, struct store_record *const *records, size_t count)
{
	enum err armed = mem->armed;
	mem->armed = ERR_OK;
	if (armed != ERR_OK)
		return armed;
	if (!mem_has_room(mem, records, count))
		return ERR_FULL;
	mem_apply(mem, records, count);
	return ERR_OK;
}

static enum err mem_issue(struct store_mem *mem, const struct store_batch *batch)
{
	struct issued_commit *issued = malloc(sizeof(*issued) +
					      batch->count * sizeof(issued->records[0]));
	if (issued == NULL)
		return ERR_NO_MEMORY;
	issued->following = NULL;
	issued->record_count = batch->count;
	for (size_t i = 0; i < batch->count; i++)
		issued->records[i] = store_record_ref(batch->records[i]);
	if (mem->issued_last != NULL)
		mem->issued_last->following = issued;
	else
		mem->issued_first = issued;
	mem->issued_last = issued;
	mem->issued_count++;
	return ERR_OK;
}

static enum err mem_commit(void *context, const struct store_batch *batch, struct problem *problem)
{
	struct store_mem *mem = context;
	enum err err = store_batch_check(batch, problem);
	if (err != ERR_OK)
		return err;
	err = mem->is_held ? mem_issue(mem, batch) : mem_try_apply(mem, batch->records, batch->count);
	if (err != ERR_OK)
		return problem_set(problem, err, "store: commit: %s", err_text(err));
	return ERR_OK;
}

static struct issued_commit *mem_pop_issued(struct store_mem *mem)
{
	struct issued_commit *issued = mem->issued_first;
	mem->issued_first = issued->following;
	if (mem->issued_first == NULL)
		mem->issued_last = NULL;
	mem->issued_count--;
	return issued;
}

static void issued_free(struct issued_commit *issued)
{
	for (size_t i = 0; i < issued->record_count; i++)
		store_record_unref(issued->records[i]);
	free(issued);
}

struct store_backend *store_mem_new(void)
{
	struct store_mem *mem = calloc(1, sizeof(*mem));
	if (mem == NULL)
		return NULL;
	mem->backend = (struct store_backend){
		.context = mem,
		.get = mem_get,
		.next = mem_next,
		.commit = mem_commit,
		.usage_permille = mem_usage_permille,
	};
	record_map_init(&mem->durable);
	return &mem->backend;
}

void store_mem_free(struct store_backend *backend)
{
	if (backend == NULL)
		return;
	struct store_mem *mem = mem_of(backend);
	store_mem_wipe(backend);
	free(mem);
}

void store_mem_hold(struct store_backend *backend, bool is_held)
{
	struct store_mem *mem = mem_of(backend);
	assert(is_held || mem->issued_count == 0);
	mem->is_held = is_held;
}

size_t store_mem_issued_count(const struct store_backend *backend)
{
	return mem_of(backend)->issued_count;
}

enum err store_mem_finish(struct store_backend *backend)
{
	struct store_mem *mem = mem_of(backend);
	assert(mem->issued_count > 0);
	struct issued_commit *issued = mem_pop_issued(mem);
	enum err err = mem_try_apply(mem, issued->records, issued->record_count);
	issued_free(issued);
	return err;
}

void store_mem_crash(struct store_backend *backend, size_t keep_count)
{
	struct store_mem *mem = mem_of(backend);
	mem->armed = ERR_OK;
	while (mem->issued_count > 0) {
		struct issued_commit *issued = mem_pop_issued(mem);
		/* A commit that the map has no room for would have failed, and so would all after
		 * it. */
		if (keep_count > 0 && mem_has_room(mem, issued->records, issued->record_count)) {
			mem_apply(mem, issued->records, issued->record_count);
			keep_count--;
		} else {
			keep_count = 0;
		}
		issued_free(issued);
	}
}

void store_mem_fail_next(struct store_backend *backend, enum err err)
{
	mem_of(backend)->armed = err;
}

void store_mem_limit(struct store_backend *backend, size_t bytes_max)
{
	mem_of(backend)->bytes_max = bytes_max;
}

bool store_mem_flip(struct store_backend *backend, enum store_table table, struct slice key)
{
	struct store_mem *mem = mem_of(backend);
	const struct store_record *record = record_map_find(&mem->durable, table, key);
	if (record == NULL)
		return false;
	/* A copy: images share the record, and their disks are not harmed. */
	struct store_record *flipped = store_record_new(table, key, store_record_value(record), false);
	if (flipped == NULL)
		abort();
	flipped->is_corrupt = true;
	if (record_map_set(&mem->durable, flipped) != ERR_OK)
		abort();
	store_record_unref(flipped);
	return true;
}

void store_mem_wipe(struct store_backend *backend)
{
	store_mem_crash(backend, 0);
	record_map_clear(&mem_of(backend)->durable);
}

static enum err records_copy(const struct record_map *from, struct record_map *ret_to)
{
	record_map_init(ret_to);
	struct store_record *record = record_map_walk(from, NULL);
	while (record != NULL) {
		if (record_map_set(ret_to, record) != ERR_OK) {
			record_map_clear(ret_to);
			return ERR_NO_MEMORY;
		}
		record = record_map_walk(from, record);
	}
	return ERR_OK;
}

struct store_mem_image *store_mem_image_new(const struct store_backend *backend)
{
	struct store_mem_image *image = malloc(sizeof(*image));
	if (image == NULL)
		return NULL;
	if (records_copy(&mem_of(backend)->durable, &image->records) != ERR_OK) {
		free(image);
		return NULL;
	}
	return image;
}

void store_mem_image_free(struct store_mem_image *image)
{
	if (image == NULL)
		return;
	record_map_clear(&image->records);
	free(image);
}

enum err store_mem_restore(struct store_backend *backend, const struct store_mem_image *image)
{
	struct store_mem *mem = mem_of(backend);
	struct record_map copy;
	enum err err = records_copy(&image->records, &copy);
	if (err != ERR_OK)
		return err;
	store_mem_wipe(backend);
	mem->durable = copy;
	return ERR_OK;
}

size_t store_mem_record_count(const struct store_backend *backend)
{
	return mem_of(backend)->durable.count;
}

size_t store_mem_bytes(const struct store_backend *backend)
{
	return mem_of(backend)->durable.cost_bytes;
}

uint64_t store_mem_commit_count(const struct store_backend *backend)
{
	return mem_of(backend)->commit_count;
}

uint64_t store_mem_corrupt_count(const struct store_backend *backend)
{
	return mem_of(backend)->corrupt_count;
}
