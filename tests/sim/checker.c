/* The judge's memory, and what it says of starts, ends and answers. */
#include "tests/sim/checker_state.h"

#include <stdlib.h>
#include <string.h>

#include "agent/core/start_record.h"
#include "proto/hash.h"
#include "proto/run_record.h"
#include "proto/text.h"
#include "tests/sim/faults.h"

#define START_EARLY_MS 1000 /* what the check of early starts allows */

/* ---- tables ---- */

static uint32_t index_place(const struct index *index, uint64_t hash)
{
	uint32_t at = (uint32_t)hash & (index->capacity - 1);
	while (index->hashes[at] != 0 && index->hashes[at] != hash)
		at = (at + 1) & (index->capacity - 1);
	return at;
}

uint32_t index_find(const struct index *index, uint64_t hash)
{
	if (index->capacity == 0)
		return UINT32_MAX;
	uint32_t at = index_place(index, hash);
	return index->hashes[at] == 0 ? UINT32_MAX : index->values[at];
}

void index_add(struct index *index, uint64_t hash, uint32_t value)
{
	if (index->count * 2 >= index->capacity) {
		struct index grown = {.capacity = index->capacity == 0 ? 256 : index->capacity * 2};
		grown.hashes = calloc(grown.capacity, sizeof(*grown.hashes));
		grown.values = calloc(grown.capacity, sizeof(*grown.values));
		if (grown.hashes == NULL || grown.values == NULL)
			abort();
		for (uint32_t i = 0; i < index->capacity; i++)
			if (index->hashes[i] != 0)
				index_add(&grown, index->hashes[i], index->values[i]);
		index_free(index);
		*index = grown;
	}
	uint32_t at = index_place(index, hash);
	index->count += index->hashes[at] == 0;
	index->hashes[at] = hash;
	index->values[at] = value;
}

void index_free(struct index *index)
{
	free(index->hashes);
	free(index->values);
}

static void *grow(void *items, uint32_t count, uint32_t *max, size_t item_bytes)
{
	if (count < *max)
		return items;
	*max = *max == 0 ? 64 : *max * 2;
	items = realloc(items, *max * item_bytes);
	if (items == NULL)
		abort();
	return items;
}

struct run_entry *checker_run(struct world *world, const struct run_key *key)
{
	struct checker *checker = world->checker;
	uint8_t bytes[RUN_KEY_BYTES];
	run_key_store(key, bytes);
	uint64_t hash = hash_u64(slice_of(bytes, sizeof(bytes))) | 1;
	uint32_t at = index_find(&checker->run_index, hash);
	if (at == UINT32_MAX) {
		checker->runs = grow(checker->runs, checker->run_count, &checker->run_max, sizeof(*checker->runs));
		at = checker->run_count++;
		checker->runs[at] = (struct run_entry){.key = *key};
		index_add(&checker->run_index, hash, at);
	}
	return &checker->runs[at];
}

struct job_entry *checker_job(struct world *world, struct id128 id)
{
	struct checker *checker = world->checker;
	for (uint32_t i = 0; i < checker->job_count; i++)
		if (id128_equal(checker->jobs[i]->id, id))
			return checker->jobs[i];
	checker->jobs = grow(checker->jobs, checker->job_count, &checker->job_max, sizeof(*checker->jobs));
	struct job_entry *job = calloc(1, sizeof(*job));
	if (job == NULL)
		abort();
	job->id = id;
	cursor_init(&job->cursor);
	checker->jobs[checker->job_count++] = job;
	return job;
}

void checker_open(struct world *world)
{
	world->checker = calloc(1, sizeof(*world->checker));
	if (world->checker == NULL)
		abort();
	world->checker->record = malloc(RECORD_BYTES);
	if (world->checker->record == NULL)
		abort();
}

void checker_close(struct world *world)
{
	struct checker *checker = world->checker;
	index_free(&checker->ballot_index);
	index_free(&checker->sent_index);
	index_free(&checker->run_index);
	free(checker->ballots);
	free(checker->sent_hashes);
	free(checker->runs);
	for (uint32_t i = 0; i < checker->job_count; i++)
		free(checker->jobs[i]);
	free(checker->jobs);
	free(checker->record);
	free(checker);
}

void checker_count(const struct world *world, struct sim_result *result)
{
	result->start_count = world->checker->start_count;
	result->claim_count = world->checker->claim_count;
	result->change_count = world->checker->change_count;
}

/* ---- reading what lies on disks ---- */

uint32_t checker_majority(const struct world *world)
{
	return world->voter_count / 2 + 1;
}

const char *checker_run_text(const struct world *world, const struct run_key *key)
{
	static char text[RUN_NAME_BYTES_MAX + 1];
	const struct operator_job *job = operator_job_find(world, key->job);
	text_format_run(job == NULL ? "?/?" : job->name, key, text, sizeof(text));
	return text;
}

bool register_image_get(struct slice key, struct slice record, struct register_image *ret_image)
{
	if (key.bytes != 19)
		return false;
	ret_image->key.arc = load_u16(key.data);
	ret_image->key.kind = (enum register_kind)key.data[2];
	memcpy(ret_image->key.key.bytes, key.data + 3, 16);
	struct wire_reader reader;
	wire_reader_init(&reader, record);
	uint32_t count = wire_get_array_min(&reader, 4);
	(void)wire_get_u64(&reader);
	ret_image->promised = wire_get_ballot(&reader);
	ret_image->accepted = wire_get_ballot(&reader);
	ret_image->value = wire_get_bin(&reader, FRAME_BYTES_MAX);
	if (reader.err == ERR_OK)
		wire_skip_items(&reader, count - 4);
	return wire_reader_end(&reader) == ERR_OK;
}

bool register_image_read(const struct host *host, const struct register_key *key, struct buf *memory,
			 struct register_image *ret_image)
{
	uint8_t bytes[19];
	store_u16(bytes, key->arc);
	bytes[2] = (uint8_t)key->kind;
	memcpy(bytes + 3, key->key.bytes, 16);
	memset(ret_image, 0, sizeof(*ret_image));
	struct slice stored = slice_of(bytes, sizeof(bytes));
	return host->disk->get(host->disk->context, TABLE_REGISTERS, stored, memory) == ERR_OK &&
	       register_image_get(stored, buf_slice(memory), ret_image);
}

uint8_t start_image_read(const struct host *host, const struct run_key *key)
{
	uint8_t bytes[RUN_KEY_BYTES];
	run_key_store(key, bytes);
	uint8_t memory[16];
	struct buf value;
	buf_init(&value, memory, sizeof(memory));
	if (host->disk->get(host->disk->context, TABLE_STARTS, slice_of(bytes, sizeof(bytes)), &value) != ERR_OK)
		return 0;
	return value.bytes == 0 ? 0 : memory[0];
}

int64_t checker_early_ms(const struct world *world)
{
	/* A cluster time is corrected only beyond CLOCK_CORRECT_MS. */
	return 2 * (faults_clock_error_ms(world) + CLOCK_CORRECT_MS);
}

/* ---- starts and ends ---- */

void checker_on_prepare(struct world *world, struct host *host, const struct run_key *run)
{
	uint8_t letter = start_image_read(host, run);
	if (letter != START_STARTED)
		world_fail(world, "C2", "%s has its runner prepare %s without a synced start record", host->name,
			   checker_run_text(world, run));
}

static bool is_same_fire(const struct run_key *a, const struct run_key *b)
{
	return id128_equal(a->job, b->job) && a->t_ms == b->t_ms && id128_equal(a->manual, b->manual) &&
	       a->shard == b->shard;
}

static void check_once(struct world *world, const struct host *host, const struct run_entry *run)
{
	struct checker *checker = world->checker;
	if (run->start_count > 1)
		world_fail(world, "C1", "%s starts %s again", host->name, checker_run_text(world, &run->key));
	for (uint16_t attempt = 1; attempt < run->key.attempt + 4u; attempt++) {
		struct run_key other = run->key;
		other.attempt = attempt;
		uint8_t bytes[RUN_KEY_BYTES];
		run_key_store(&other, bytes);
		uint32_t at = index_find(&checker->run_index, hash_u64(slice_of(bytes, sizeof(bytes))) | 1);
		if (at == UINT32_MAX || attempt == run->key.attempt || !is_same_fire(&other, &run->key))
			continue;
		if (checker->runs[at].start_count > 0)
			world_fail(world, "C1", "%s starts %s although attempt %u was started", host->name,
				   checker_run_text(world, &run->key), attempt);
	}
}

static void check_claimed(struct world *world, const struct host *host, const struct run_entry *run)
{
	if (!run->is_decided)
		world_fail(world, "C2", "%s starts %s, which no majority has on disk", host->name,
			   checker_run_text(world, &run->key));
	else if (run->executor != host->index)
		world_fail(world, "C2", "%s starts %s, which was given to %s", host->name,
			   checker_run_text(world, &run->key), world->hosts[run->executor].name);
	else if (run->record_synced_us == 0)
		world_fail(world, "C2", "%s starts %s without a synced start record", host->name,
			   checker_run_text(world, &run->key));
}

static void check_barrier(struct world *world, const struct host *host, const struct run_entry *run)
{
	const struct job_entry *job = checker_job(world, run->key.job);
	if (job->barrier == 0 || run->def_counter >= job->barrier || !id128_is_zero(run->key.manual))
		return;
	/* A run with a start record has started, as far as anybody can tell. */
	if (run->record_synced_us != 0 && run->record_synced_us <= job->barrier_us)
		return;
	const char *name = checker_run_text(world, &run->key);
	for (uint32_t i = 0; i < job->may_start_count; i++)
		if (strcmp(job->may_start[i], name) == 0)
			return;
	world_fail(world, "C5", "%s starts %s of version %llu after version %llu was acknowledged at %.3f", host->name,
		   name, (unsigned long long)run->def_counter, (unsigned long long)job->barrier,
		   (double)job->barrier_us / 1e6);
}

void checker_on_process_start(struct world *world, struct host *host, const struct run_key *key)
{
	struct run_entry *run = checker_run(world, key);
	world->checker->start_count++;
	run->start_count++;
	run->started_us = world->now_us;
	world_trace(world, "%s  process of %s", host->name, checker_run_text(world, key));
	world_mix(world, 0x7374617274, (uint64_t)key->t_ms);
	check_once(world, host, run);
	check_claimed(world, host, run);
	check_barrier(world, host, run);
	int64_t early_ms = key->t_ms - world_utc_ms(world);
	/* Where proposer and executor are one agent whose clock is off, only its voters hold it back. */
	int64_t allowed_ms = faults_clock_is_sane(world, host) ? START_EARLY_MS : LOOKAHEAD_MS + EARLY_SLACK_MS;
	if (id128_is_zero(key->manual) && early_ms > allowed_ms + checker_early_ms(world))
		world_fail(world, "C6", "%s starts %s %lld ms too early", host->name, checker_run_text(world, key),
			   (long long)early_ms);
}

void checker_on_process_end(struct world *world, struct host *host, const struct run_key *key, int exit_code,
			    enum runner_cause cause)
{
	struct run_entry *run = checker_run(world, key);
	world_trace(world, "%s  process of %s ends: %d", host->name, checker_run_text(world, key), exit_code);
	run->is_ended = true;
	run->exit_code = exit_code;
	run->cause = cause;
}

/* ---- answers ---- */

static void read_may_start(struct job_entry *job, struct slice body)
{
	struct wire_reader reader;
	job->may_start_count = 0;
	if (!wire_map_find(body, "may_start", &reader))
		return;
	uint32_t count = wire_get_array(&reader, MAY_START_MAX);
	for (uint32_t i = 0; i < count && reader.err == ERR_OK; i++) {
		wire_get_text(&reader, job->may_start[i], sizeof(job->may_start[i]));
		job->may_start_count++;
	}
}

static void check_run_answer(struct world *world, const struct operator_job *job, struct slice body)
{
	struct slice told = wire_map_find_str(body, "short");
	const struct checker *checker = world->checker;
	for (uint32_t i = 0; i < checker->run_count; i++) {
		const struct run_entry *run = &checker->runs[i];
		char run_short[RUN_SHORT_BYTES + 1];
		if (!id128_equal(run->key.job, job->id) || id128_is_zero(run->key.manual) || !run->is_decided)
			continue;
		/* A later attempt may have come in the same commit: the one that was told is not seen then. */
		struct run_key key = run->key;
		for (key.attempt = 1; key.attempt <= run->key.attempt; key.attempt++) {
			text_format_run_short(&key, run_short);
			if (slice_equal(told, slice_str(run_short)))
				return;
		}
	}
	world_fail(world, "C3", "a run of %s was acknowledged as %.*s, which no majority has on disk", job->name,
		   (int)told.bytes, (const char *)told.data);
}

void checker_on_answer(struct world *world, struct host *host, enum operator_verb verb, const struct operator_job *asked,
		       struct slice body)
{
	world->checker->change_count++;
	if (verb == OPERATOR_RUN) {
		check_run_answer(world, asked, body);
		return;
	}
	struct job_entry *job = checker_job(world, asked->id);
	uint64_t version = (uint64_t)wire_map_find_i64(body, "version", 0);
	bool is_changed = wire_map_find_bool(body, "changed", false);
	if (version == 0 || job->def_counter < version) {
		world_fail(world, "C3", "%s acknowledged version %llu of %s, a majority has %llu on disk", host->name,
			   (unsigned long long)version, asked->name, (unsigned long long)job->def_counter);
		return;
	}
	if (version > job->acknowledged)
		job->acknowledged = version;
	bool is_barrier = verb == OPERATOR_PAUSE || verb == OPERATOR_REMOVE || verb == OPERATOR_EDIT;
	if (is_barrier && is_changed && version > job->barrier) {
		job->barrier = version;
		job->barrier_us = world->now_us;
		read_may_start(job, body);
	}
}
