/* Start records and floors. A floor's key is the job id and one byte, so that it can not be taken for a run. */
#include "agent/core/start_record.h"

#include <string.h>

#include "proto/run_record.h"

#define FLOOR_KEY_BYTES 17u
#define FLOOR_VALUE_BYTES 8u

static bool start_state_is_known(uint8_t byte)
{
	return byte == START_STARTED || byte == START_RELEASED || byte == START_ENDED;
}

enum start_state start_record_get(const struct store_view *store, const struct run_key *run)
{
	uint8_t key[RUN_KEY_BYTES];
	run_key_store(run, key);
	uint8_t memory[8];
	struct buf value;
	buf_init(&value, memory, sizeof(memory));
	enum err err = store->get(store->context, TABLE_STARTS, slice_of(key, sizeof(key)), &value);
	if (err == ERR_NOT_FOUND)
		return START_NONE;
	if (err != ERR_OK || value.bytes < 1 || !start_state_is_known(memory[0]))
		return START_STARTED; /* unreadable: it must not start again */
	return (enum start_state)memory[0];
}

void start_record_put(const struct store_view *store, const struct run_key *run, enum start_state state)
{
	uint8_t key[RUN_KEY_BYTES];
	run_key_store(run, key);
	uint8_t value = (uint8_t)state;
	store->put(store->context, TABLE_STARTS, slice_of(key, sizeof(key)), slice_of(&value, sizeof(value)));
}

static void floor_key(struct id128 job, uint8_t ret_key[FLOOR_KEY_BYTES])
{
	memcpy(ret_key, job.bytes, 16);
	ret_key[16] = 'F';
}

static int64_t floor_get(const struct store_view *store, struct id128 job)
{
	uint8_t key[FLOOR_KEY_BYTES];
	floor_key(job, key);
	uint8_t memory[FLOOR_VALUE_BYTES];
	struct buf value;
	buf_init(&value, memory, sizeof(memory));
	if (store->get(store->context, TABLE_STARTS, slice_of(key, sizeof(key)), &value) != ERR_OK ||
	    value.bytes != FLOOR_VALUE_BYTES)
		return INT64_MIN;
	return (int64_t)load_u64(memory);
}

void start_record_drop(const struct store_view *store, const struct run_key *run)
{
	uint8_t key[RUN_KEY_BYTES];
	run_key_store(run, key);
	store->remove(store->context, TABLE_STARTS, slice_of(key, sizeof(key)));
	if (floor_get(store, run->job) >= run->t_ms)
		return;
	uint8_t job_key[FLOOR_KEY_BYTES];
	floor_key(run->job, job_key);
	uint8_t value[FLOOR_VALUE_BYTES];
	store_u64(value, (uint64_t)run->t_ms);
	store->put(store->context, TABLE_STARTS, slice_of(job_key, sizeof(job_key)), slice_of(value, sizeof(value)));
}

bool start_record_is_below_floor(const struct store_view *store, const struct run_key *run)
{
	return run->t_ms <= floor_get(store, run->job);
}

bool start_record_load(struct slice key, struct slice value, struct run_key *ret_run, enum start_state *ret_state)
{
	if (key.bytes != RUN_KEY_BYTES || run_key_load(key, ret_run) != ERR_OK)
		return false;
	*ret_state = value.bytes >= 1 && start_state_is_known(value.data[0]) ? (enum start_state)value.data[0]
	                                                                     : START_STARTED;
	return true;
}
