/* Start records and floors. A floor's key is the job id and one byte, so that it can not be taken for a run; its value is the
 * highest run that was dropped, in the order of runs. Manual runs have a floor of their own: a fire that is caught up
 * later than one of them is older by its t. */
#include "agent/core/start_record.h"

#include <string.h>

#include "proto/run_record.h"

#define FLOOR_KEY_BYTES 17u
#define FLOOR_VALUE_BYTES RUN_KEY_BYTES

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

static void floor_key(const struct run_key *run, uint8_t ret_key[FLOOR_KEY_BYTES])
{
	memcpy(ret_key, run->job.bytes, 16);
	ret_key[16] = id128_is_zero(run->manual) ? 'F' : 'M';
}

void start_record_drop(const struct store_view *store, const struct run_key *run)
{
	uint8_t key[RUN_KEY_BYTES];
	run_key_store(run, key);
	store->remove(store->context, TABLE_STARTS, slice_of(key, sizeof(key)));
	if (start_record_is_below_floor(store, run))
		return;
	uint8_t job_key[FLOOR_KEY_BYTES];
	floor_key(run, job_key);
	store->put(store->context, TABLE_STARTS, slice_of(job_key, sizeof(job_key)), slice_of(key, sizeof(key)));
}

bool start_record_is_below_floor(const struct store_view *store, const struct run_key *run)
{
	uint8_t key[FLOOR_KEY_BYTES];
	floor_key(run, key);
	uint8_t memory[FLOOR_VALUE_BYTES];
	struct buf value;
	buf_init(&value, memory, sizeof(memory));
	enum err err = store->get(store->context, TABLE_STARTS, slice_of(key, sizeof(key)), &value);
	if (err == ERR_NOT_FOUND)
		return false;
	struct run_key floor;
	if (err != ERR_OK || run_key_load(buf_slice(&value), &floor) != ERR_OK)
		return true; /* unreadable: nothing may start that may have been dropped */
	return run_key_compare(run, &floor) <= 0;
}

bool start_record_load(struct slice key, struct slice value, struct run_key *ret_run, enum start_state *ret_state)
{
	if (key.bytes != RUN_KEY_BYTES || run_key_load(key, ret_run) != ERR_OK)
		return false;
	*ret_state = value.bytes >= 1 && start_state_is_known(value.data[0]) ? (enum start_state)value.data[0]
	                                                                     : START_STARTED;
	return true;
}
