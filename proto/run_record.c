/* Encoding, order and words of run and verdict records. */
#include "proto/run_record.h"

#include <assert.h>
#include <string.h>

#define RUN_RECORD_ITEMS 20u
#define VERDICT_RECORD_ITEMS 9u

static const char *const verdict_words[VERDICT_COUNT] = {
	[VERDICT_NONE] = "",           [VERDICT_RAN_OK] = "ran-ok",   [VERDICT_SKIPPED] = "skipped",
	[VERDICT_MISSED] = "missed",   [VERDICT_KILLED] = "killed",   [VERDICT_TIMEOUT] = "timeout",
	[VERDICT_FAILED] = "failed",   [VERDICT_LOST] = "lost",
};

static const char *const run_state_words[RUN_STATE_COUNT] = {
	[RUN_CLAIMED] = "claimed", [RUN_ARMED] = "armed",       [RUN_STARTED] = "started",
	[RUN_LOST] = "lost",       [RUN_RELEASED] = "released", [RUN_ENDED] = "ended",
};

const char *verdict_word(enum verdict verdict)
{
	assert(verdict < VERDICT_COUNT);
	return verdict_words[verdict];
}

const char *run_state_word(enum run_state state)
{
	assert(state < RUN_STATE_COUNT);
	return run_state_words[state];
}

bool run_state_is_final(enum run_state state)
{
	return state >= RUN_LOST;
}

bool run_record_merge(struct run_record *held, const struct run_record *news)
{
	if (news->state <= held->state)
		return false;

	struct run_record merged = *news;
	if (merged.claimed_ms == 0)
		merged.claimed_ms = held->claimed_ms;
	if (merged.armed_ms == 0)
		merged.armed_ms = held->armed_ms;
	if (merged.started_ms == 0)
		merged.started_ms = held->started_ms;
	if (merged.pid == 0)
		merged.pid = held->pid;
	if (held->state == RUN_LOST)
		merged.is_late_result = true;
	*held = merged;
	return true;
}

void run_record_put(struct buf *out, const struct run_record *record)
{
	wire_put_array(out, RUN_RECORD_ITEMS);
	wire_put_run_key(out, &record->key);
	wire_put_u64(out, record->state);
	wire_put_id(out, record->executor);
	wire_put_u64(out, record->def_counter);
	wire_put_i64(out, record->claimed_ms);
	wire_put_i64(out, record->armed_ms);
	wire_put_i64(out, record->started_ms);
	wire_put_i64(out, record->ended_ms);
	wire_put_i64(out, record->duration_us);
	wire_put_i64(out, record->lateness_us);
	wire_put_u64(out, record->verdict);
	wire_put_text(out, record->reason);
	wire_put_i64(out, record->exit_code);
	wire_put_i64(out, record->signal);
	wire_put_i64(out, record->pid);
	wire_put_i64(out, record->user_us);
	wire_put_i64(out, record->system_us);
	wire_put_i64(out, record->rss_bytes_max);
	wire_put_u64(out, record->output_bytes);
	wire_put_bool(out, record->is_late_result);
}

void run_record_get(struct wire_reader *reader, struct run_record *ret_record)
{
	*ret_record = (struct run_record){ .exit_code = -1 };
	uint32_t count = wire_get_array_min(reader, RUN_RECORD_ITEMS);
	ret_record->key = wire_get_run_key(reader);
	ret_record->state = (enum run_state)wire_get_u64_max(reader, RUN_STATE_COUNT - 1);
	ret_record->executor = wire_get_id(reader);
	ret_record->def_counter = wire_get_u64(reader);
	ret_record->claimed_ms = wire_get_i64(reader);
	ret_record->armed_ms = wire_get_i64(reader);
	ret_record->started_ms = wire_get_i64(reader);
	ret_record->ended_ms = wire_get_i64(reader);
	ret_record->duration_us = wire_get_i64(reader);
	ret_record->lateness_us = wire_get_i64(reader);
	ret_record->verdict = (enum verdict)wire_get_u64_max(reader, VERDICT_COUNT - 1);
	wire_get_text(reader, ret_record->reason, sizeof(ret_record->reason));
	ret_record->exit_code = (int32_t)wire_get_i64(reader);
	ret_record->signal = (int32_t)wire_get_i64(reader);
	ret_record->pid = wire_get_i64(reader);
	ret_record->user_us = wire_get_i64(reader);
	ret_record->system_us = wire_get_i64(reader);
	ret_record->rss_bytes_max = wire_get_i64(reader);
	ret_record->output_bytes = wire_get_u64(reader);
	ret_record->is_late_result = wire_get_bool(reader);
	if (reader->err == ERR_OK)
		wire_skip_items(reader, count - RUN_RECORD_ITEMS);
}

void verdict_record_put(struct buf *out, const struct verdict_record *record)
{
	wire_put_array(out, VERDICT_RECORD_ITEMS);
	wire_put_id(out, record->job);
	wire_put_i64(out, record->t_ms);
	wire_put_id(out, record->manual);
	wire_put_i64(out, record->from_ms);
	wire_put_u64(out, record->fire_count);
	wire_put_u64(out, record->verdict);
	wire_put_text(out, record->reason);
	wire_put_id(out, record->decided_by);
	wire_put_i64(out, record->decided_ms);
}

void verdict_record_get(struct wire_reader *reader, struct verdict_record *ret_record)
{
	*ret_record = (struct verdict_record){ 0 };
	uint32_t count = wire_get_array_min(reader, VERDICT_RECORD_ITEMS);
	ret_record->job = wire_get_id(reader);
	ret_record->t_ms = wire_get_i64(reader);
	ret_record->manual = wire_get_id(reader);
	ret_record->from_ms = wire_get_i64(reader);
	ret_record->fire_count = wire_get_u64(reader);
	ret_record->verdict = (enum verdict)wire_get_u64_max(reader, VERDICT_COUNT - 1);
	wire_get_text(reader, ret_record->reason, sizeof(ret_record->reason));
	ret_record->decided_by = wire_get_id(reader);
	ret_record->decided_ms = wire_get_i64(reader);
	if (reader->err == ERR_OK)
		wire_skip_items(reader, count - VERDICT_RECORD_ITEMS);
}

/* Times before the epoch do not occur in fires; the sign bit is flipped all the same, so that order holds. */
static void time_store(uint8_t *bytes, int64_t t_ms)
{
	store_u64(bytes, (uint64_t)t_ms ^ (UINT64_C(1) << 63));
}

void run_key_store(const struct run_key *key, uint8_t ret_bytes[RUN_KEY_BYTES])
{
	memcpy(ret_bytes, key->job.bytes, 16);
	time_store(ret_bytes + 16, key->t_ms);
	memcpy(ret_bytes + 24, key->manual.bytes, 16);
	store_u16(ret_bytes + 40, key->shard);
	store_u16(ret_bytes + 42, key->attempt);
}

void run_by_time_key_store(const struct run_key *key, uint8_t ret_bytes[RUN_BY_TIME_KEY_BYTES])
{
	store_u64(ret_bytes, ~(uint64_t)key->t_ms);
	run_key_store(key, ret_bytes + 8);
}

enum err run_key_load(struct slice bytes, struct run_key *ret_key)
{
	if (bytes.bytes != RUN_KEY_BYTES)
		return ERR_CORRUPT;
	memcpy(ret_key->job.bytes, bytes.data, 16);
	ret_key->t_ms = (int64_t)(load_u64(bytes.data + 16) ^ (UINT64_C(1) << 63));
	memcpy(ret_key->manual.bytes, bytes.data + 24, 16);
	ret_key->shard = load_u16(bytes.data + 40);
	ret_key->attempt = load_u16(bytes.data + 42);
	return ERR_OK;
}

void verdict_key_store(struct id128 job, int64_t t_ms, struct id128 manual, uint8_t ret_bytes[VERDICT_KEY_BYTES])
{
	memcpy(ret_bytes, job.bytes, 16);
	time_store(ret_bytes + 16, t_ms);
	memcpy(ret_bytes + 24, manual.bytes, 16);
}
