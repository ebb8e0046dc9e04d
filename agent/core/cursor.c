/* The changes of a job's cursor, and its encoding. */
#include "agent/core/cursor.h"

#include <assert.h>
#include <string.h>

#include "proto/wire.h"

#define CURSOR_VERSION 1u
#define CURSOR_ITEMS 8u
#define OPEN_ITEMS 8u

void cursor_init(struct cursor *cursor)
{
	cursor->through_ms = 0;
	cursor->def_counter = 0;
	cursor->highest_ms = 0;
	cursor->manual_floor_ms = 0;
	cursor->last_end_ms = 0;
	cursor->manual_count = 0;
	cursor->open_count = 0;
}

void cursor_put(struct buf *out, const struct cursor *cursor)
{
	wire_put_array(out, CURSOR_ITEMS);
	wire_put_u64(out, CURSOR_VERSION);
	wire_put_i64(out, cursor->through_ms);
	wire_put_u64(out, cursor->def_counter);
	wire_put_i64(out, cursor->highest_ms);
	wire_put_i64(out, cursor->manual_floor_ms);
	wire_put_i64(out, cursor->last_end_ms);
	wire_put_array(out, cursor->manual_count);
	for (uint32_t i = 0; i < cursor->manual_count; i++) {
		wire_put_array(out, 2);
		wire_put_id(out, cursor->manual[i].id);
		wire_put_i64(out, cursor->manual[i].request_ms);
	}
	wire_put_array(out, cursor->open_count);
	for (uint32_t i = 0; i < cursor->open_count; i++) {
		const struct cursor_open *open = &cursor->open[i];
		wire_put_array(out, OPEN_ITEMS);
		wire_put_i64(out, open->t_ms);
		wire_put_id(out, open->manual);
		wire_put_u64(out, open->shard);
		wire_put_u64(out, open->attempt);
		wire_put_id(out, open->executor);
		wire_put_u64(out, open->def_counter);
		wire_put_i64(out, open->claimed_ms);
		wire_put_bool(out, open->is_forced);
	}
}

static void open_get(struct wire_reader *reader, struct cursor_open *ret_open)
{
	uint32_t count = wire_get_array_min(reader, OPEN_ITEMS);
	ret_open->t_ms = wire_get_i64(reader);
	ret_open->manual = wire_get_id(reader);
	ret_open->shard = (uint16_t)wire_get_u64_max(reader, UINT16_MAX);
	ret_open->attempt = (uint16_t)wire_get_u64_max(reader, UINT16_MAX);
	ret_open->executor = wire_get_id(reader);
	ret_open->def_counter = wire_get_u64(reader);
	ret_open->claimed_ms = wire_get_i64(reader);
	ret_open->is_forced = wire_get_bool(reader);
	if (reader->err == ERR_OK)
		wire_skip_items(reader, count - OPEN_ITEMS);
}

enum err cursor_get(struct slice bytes, struct cursor *ret_cursor)
{
	cursor_init(ret_cursor);
	if (bytes.bytes == 0)
		return ERR_OK;

	struct wire_reader reader;
	wire_reader_init(&reader, bytes);
	uint32_t count = wire_get_array_min(&reader, CURSOR_ITEMS);
	uint64_t version = wire_get_u64(&reader);
	ret_cursor->through_ms = wire_get_i64(&reader);
	ret_cursor->def_counter = wire_get_u64(&reader);
	ret_cursor->highest_ms = wire_get_i64(&reader);
	ret_cursor->manual_floor_ms = wire_get_i64(&reader);
	ret_cursor->last_end_ms = wire_get_i64(&reader);
	uint32_t manual_count = wire_get_array(&reader, CURSOR_MANUAL_MAX);
	for (uint32_t i = 0; i < manual_count; i++) {
		uint32_t item_count = wire_get_array_min(&reader, 2);
		ret_cursor->manual[i].id = wire_get_id(&reader);
		ret_cursor->manual[i].request_ms = wire_get_i64(&reader);
		if (reader.err == ERR_OK)
			wire_skip_items(&reader, item_count - 2);
	}
	uint32_t open_count = wire_get_array(&reader, CURSOR_OPEN_MAX);
	for (uint32_t i = 0; i < open_count; i++)
		open_get(&reader, &ret_cursor->open[i]);
	if (reader.err == ERR_OK)
		wire_skip_items(&reader, count - CURSOR_ITEMS);
	enum err err = wire_reader_end(&reader);
	if (err == ERR_OK && version != CURSOR_VERSION)
		err = ERR_UNSUPPORTED;
	if (err != ERR_OK) {
		cursor_init(ret_cursor);
		return err;
	}
	ret_cursor->manual_count = manual_count;
	ret_cursor->open_count = open_count;
	return ERR_OK;
}

int cursor_find_open(const struct cursor *cursor, const struct run_key *run)
{
	for (uint32_t i = 0; i < cursor->open_count; i++) {
		const struct cursor_open *open = &cursor->open[i];
		if (open->t_ms == run->t_ms && open->shard == run->shard && open->attempt == run->attempt &&
		    id128_equal(open->manual, run->manual))
			return (int)i;
	}
	return -1;
}

bool cursor_has_manual(const struct cursor *cursor, struct id128 id)
{
	for (uint32_t i = 0; i < cursor->manual_count; i++)
		if (id128_equal(cursor->manual[i].id, id))
			return true;
	return false;
}

struct run_key cursor_run_key(struct id128 job, const struct cursor_open *open)
{
	return (struct run_key){
		.job = job, .t_ms = open->t_ms, .manual = open->manual, .shard = open->shard, .attempt = open->attempt
	};
}

int cursor_blocking(const struct cursor *cursor, const struct cursor_overlap *overlap)
{
	if (overlap->is_allowed)
		return -1;
	for (uint32_t i = 0; i < cursor->open_count; i++)
		if (overlap->is_gone == NULL || !overlap->is_gone[i])
			return (int)i;
	return -1;
}

static void cursor_open_add(struct cursor *cursor, const struct cursor_open *open)
{
	assert(cursor->open_count < CURSOR_OPEN_MAX);
	cursor->open[cursor->open_count++] = *open;
	cursor->def_counter = open->def_counter;
	if (open->t_ms > cursor->highest_ms)
		cursor->highest_ms = open->t_ms;
}

enum err cursor_claim(struct cursor *cursor, int64_t t_ms, struct id128 executor, uint64_t def_counter,
                      int64_t now_ms, const struct cursor_overlap *overlap)
{
	if (t_ms <= cursor->through_ms)
		return ERR_STALE;
	if (cursor_blocking(cursor, overlap) >= 0)
		return ERR_EXISTS;
	if (cursor->open_count == CURSOR_OPEN_MAX)
		return ERR_FULL;
	cursor->through_ms = t_ms;
	cursor_open_add(cursor, &(struct cursor_open){ .t_ms = t_ms,
	                                               .attempt = 1,
	                                               .executor = executor,
	                                               .def_counter = def_counter,
	                                               .claimed_ms = now_ms,
	                                               .is_forced = overlap->is_allowed });
	return ERR_OK;
}

/* Remembers the id; the one with the oldest request goes, and raises the floor, when there is no room. */
static void cursor_manual_add(struct cursor *cursor, struct id128 id, int64_t request_ms)
{
	if (cursor->manual_count == CURSOR_MANUAL_MAX) {
		uint32_t oldest = 0;
		for (uint32_t i = 1; i < cursor->manual_count; i++)
			if (cursor->manual[i].request_ms < cursor->manual[oldest].request_ms)
				oldest = i;
		if (cursor->manual[oldest].request_ms > cursor->manual_floor_ms)
			cursor->manual_floor_ms = cursor->manual[oldest].request_ms;
		cursor->manual[oldest] = cursor->manual[--cursor->manual_count];
	}
	cursor->manual[cursor->manual_count++] = (struct cursor_manual){ .id = id, .request_ms = request_ms };
}

enum err cursor_claim_manual(struct cursor *cursor, struct id128 id, int64_t request_ms, struct id128 executor,
                             uint64_t def_counter, int64_t now_ms, const struct cursor_overlap *overlap,
                             int64_t *ret_t_ms)
{
	if (cursor_has_manual(cursor, id))
		return ERR_EXISTS;
	if (request_ms <= cursor->manual_floor_ms)
		return ERR_STALE;
	if (cursor_blocking(cursor, overlap) >= 0)
		return ERR_EXISTS;
	if (cursor->open_count == CURSOR_OPEN_MAX)
		return ERR_FULL;
	int64_t t_ms = request_ms > cursor->highest_ms ? request_ms : cursor->highest_ms + 1;
	cursor_manual_add(cursor, id, request_ms);
	cursor_open_add(cursor, &(struct cursor_open){ .t_ms = t_ms,
	                                               .manual = id,
	                                               .attempt = 1,
	                                               .executor = executor,
	                                               .def_counter = def_counter,
	                                               .claimed_ms = now_ms,
	                                               .is_forced = overlap->is_allowed });
	*ret_t_ms = t_ms;
	return ERR_OK;
}

enum err cursor_pass(struct cursor *cursor, int64_t to_ms, uint64_t def_counter)
{
	if (to_ms <= cursor->through_ms)
		return ERR_STALE;
	cursor->through_ms = to_ms;
	cursor->def_counter = def_counter;
	return ERR_OK;
}

enum err cursor_again(struct cursor *cursor, const struct run_key *before, struct id128 executor,
                      uint64_t def_counter, int64_t now_ms, bool is_overlap_allowed)
{
	int index = cursor_find_open(cursor, before);
	if (index < 0)
		return ERR_NOT_FOUND;
	if (cursor->highest_ms > before->t_ms && !is_overlap_allowed)
		return ERR_STALE;
	struct cursor_open *open = &cursor->open[index];
	open->attempt++;
	open->executor = executor;
	open->def_counter = def_counter;
	open->claimed_ms = now_ms;
	cursor->def_counter = def_counter;
	return ERR_OK;
}

enum err cursor_finish(struct cursor *cursor, const struct run_key *run, int64_t ended_ms)
{
	int index = cursor_find_open(cursor, run);
	if (index < 0)
		return ERR_NOT_FOUND;
	memmove(&cursor->open[index], &cursor->open[index + 1],
	        (cursor->open_count - (uint32_t)index - 1) * sizeof(cursor->open[0]));
	cursor->open_count--;
	if (ended_ms > cursor->last_end_ms)
		cursor->last_end_ms = ended_ms;
	return ERR_OK;
}
