/* What must be so in the end, a while after everything was healed. */
#include "tests/sim/checker_state.h"

#include <stdlib.h>
#include <string.h>

#include "agent/core/def_value.h"
#include "agent/core/place.h"
#include "agent/core/schedule.h"
#include "proto/definition.h"
#include "proto/run_record.h"

#define SETTLED_MS 75000 /* a fire older than this is over, and folded: an end may wait a minute for the next claim */
#define DUE_MS 3000      /* and one older than this must be decided */

struct ending {
	struct world *world;
	const struct operator_job *asked;
	struct job_entry *job;
	struct def_value value;
	struct definition definition;
	struct schedule schedule;
	int64_t now_ms;
};

/* ---- verdicts ---- */

static void trace_verdict(struct world *world, const struct host *host, const struct verdict_record *record)
{
	const struct operator_job *job = operator_job_find(world, record->job);
	world_trace(world, "%s  has %s(%s) of %s from %lld to %lld, decided by %s", host->name,
		    verdict_word(record->verdict), record->reason, job == NULL ? "?" : job->name,
		    (long long)(record->from_ms - SIM_UTC_START_MS), (long long)(record->t_ms - SIM_UTC_START_MS),
		    world->hosts[world_host_by_id(world, record->decided_by) < 0 ? 0 : world_host_by_id(world, record->decided_by)].name);
}

/* The verdict that a disk has for a fire; a stretch of equal ones is one record. */
static uint32_t count_verdicts(struct world *world, const struct host *host, struct id128 job, int64_t t_ms, struct id128 manual,
			       struct verdict_record *ret_verdict)
{
	uint8_t key_memory[64], value_memory[VERDICT_RECORD_BYTES_MAX];
	struct buf key, value;
	buf_init(&key, key_memory, sizeof(key_memory));
	buf_init(&value, value_memory, sizeof(value_memory));
	buf_put(&key, job.bytes, 16);
	uint32_t count = 0;
	while (host->disk->next(host->disk->context, TABLE_VERDICTS, buf_slice(&key), &key, &value) == ERR_OK) {
		struct verdict_record record;
		struct wire_reader reader;
		wire_reader_init(&reader, buf_slice(&value));
		verdict_record_get(&reader, &record);
		if (wire_reader_end(&reader) != ERR_OK || !id128_equal(record.job, job))
			break;
		if (!id128_equal(record.manual, manual) || t_ms < record.from_ms || t_ms > record.t_ms)
			continue;
		if (world->is_explaining)
			trace_verdict(world, host, &record);
		*ret_verdict = record;
		count++;
	}
	return count;
}

/* What a disk has to say of a fire: a run's own record, of its last attempt, outranks the verdict that a vote brought. */
static uint32_t read_verdict(struct world *world, const struct host *host, struct id128 job, int64_t t_ms, struct id128 manual,
			     struct verdict_record *ret_verdict)
{
	uint32_t count = count_verdicts(world, host, job, t_ms, manual, ret_verdict);
	uint8_t key_memory[64], value_memory[RUN_RECORD_BYTES_MAX];
	struct buf key, value;
	buf_init(&key, key_memory, sizeof(key_memory));
	buf_init(&value, value_memory, sizeof(value_memory));
	const struct run_key first = {.job = job, .t_ms = t_ms, .manual = manual};
	run_key_store(&first, key_memory);
	key.bytes = RUN_KEY_BYTES;
	while (host->disk->next(host->disk->context, TABLE_RUNS, buf_slice(&key), &key, &value) == ERR_OK) {
		struct run_record record;
		struct wire_reader reader;
		wire_reader_init(&reader, buf_slice(&value));
		run_record_get(&reader, &record);
		if (wire_reader_end(&reader) != ERR_OK || !id128_equal(record.key.job, job) || record.key.t_ms != t_ms ||
		    !id128_equal(record.key.manual, manual))
			break;
		if (!run_state_is_final(record.state) || record.verdict == VERDICT_NONE)
			continue;
		ret_verdict->verdict = record.verdict;
		memcpy(ret_verdict->reason, record.reason, sizeof(ret_verdict->reason));
		count = count > 1 ? count : 1;
	}
	return count;
}

/* What all disks say, for the trace. */
static void explain(struct world *world, struct id128 job, int64_t t_ms, struct id128 manual)
{
	struct verdict_record verdict = {0};
	world->is_explaining = true;
	for (uint32_t i = 0; i < world->voter_count; i++) {
		uint32_t count = read_verdict(world, &world->hosts[i], job, t_ms, manual, &verdict);
		world_trace(world, "%s  says %s(%s), %u", world->hosts[i].name, count == 0 ? "nothing" : verdict_word(verdict.verdict),
			    count == 0 ? "" : verdict.reason, count);
	}
	world->is_explaining = false;
}

static bool verdict_fits(const struct run_entry *run, enum verdict verdict)
{
	if (run->start_count == 0)
		return verdict == VERDICT_SKIPPED || verdict == VERDICT_MISSED || verdict == VERDICT_LOST;
	if (!run->is_ended)
		return verdict == VERDICT_NONE;
	if (run->cause == RUNNER_CAUSE_LOST)
		return verdict == VERDICT_LOST;
	if (run->cause == RUNNER_CAUSE_KILLED)
		return verdict == VERDICT_KILLED;
	return verdict == (run->exit_code == 0 ? VERDICT_RAN_OK : VERDICT_FAILED);
}

/* The last attempt speaks for the fire. */
static bool is_last_attempt(struct world *world, const struct run_entry *run)
{
	const struct checker *checker = world->checker;
	for (uint32_t i = 0; i < checker->run_count; i++) {
		const struct run_key *other = &checker->runs[i].key;
		if (checker->runs[i].is_decided && other->attempt > run->key.attempt && other->t_ms == run->key.t_ms &&
		    id128_equal(other->job, run->key.job) && id128_equal(other->manual, run->key.manual))
			return false;
	}
	return true;
}

static void check_run_verdict(struct ending *ending, const struct run_entry *run)
{
	struct world *world = ending->world;
	uint32_t agreed = 0;
	for (uint32_t i = 0; i < world->voter_count; i++) {
		struct verdict_record verdict;
		uint32_t count = read_verdict(world, &world->hosts[i], run->key.job, run->key.t_ms, run->key.manual, &verdict);
		if (count > 1)
			explain(world, run->key.job, run->key.t_ms, run->key.manual);
		if (count > 1)
			world_fail(world, "C9", "%s has %u verdicts for %s", world->hosts[i].name, count,
				   checker_run_text(world, &run->key));
		if (count == 0)
			continue;
		agreed += verdict_fits(run, verdict.verdict);
	}
	if (agreed >= checker_majority(world))
		return;
	explain(world, run->key.job, run->key.t_ms, run->key.manual);
	struct verdict_record verdict = {0};
	uint32_t count = read_verdict(world, &world->hosts[0], run->key.job, run->key.t_ms, run->key.manual, &verdict);
	world_fail(world, "C9",
		   "%s: %u of %u disks have a verdict that fits (starts %u, ended %d, exit %d, cause %d); the first disk has %u: %s(%s)",
		   checker_run_text(world, &run->key), agreed, world->voter_count, run->start_count, run->is_ended,
		   run->exit_code, (int)run->cause, count, verdict_word(verdict.verdict), verdict.reason);
}

static void check_runs(struct ending *ending)
{
	struct world *world = ending->world;
	const struct checker *checker = world->checker;
	for (uint32_t i = 0; i < checker->run_count && !world->has_failed; i++) {
		const struct run_entry *run = &checker->runs[i];
		if (!id128_equal(run->key.job, ending->asked->id) || !run->is_decided ||
		    run->decided_us > world->end_us - SETTLED_MS * 1000)
			continue;
		if (is_last_attempt(world, run))
			check_run_verdict(ending, run);
	}
}

/* ---- fires ---- */

static void check_stable_fires(struct ending *ending)
{
	struct world *world = ending->world;
	const struct id128 none = {{0}};
	int64_t t_ms = ending->value.from_ms;
	for (;;) {
		t_ms = schedule_next(&ending->schedule, world->utc, t_ms);
		if (t_ms == SCHEDULE_NEVER || t_ms > ending->now_ms - SETTLED_MS || world->has_failed)
			return;
		const struct run_key key = {.job = ending->asked->id, .t_ms = t_ms, .attempt = 1};
		if (ending->definition.misfire == DEFINITION_MISFIRE_ALL &&
		    (t_ms > ending->job->cursor.through_ms ||
		     checker_run(world, &key)->decided_us > world->end_us - SETTLED_MS * 1000))
			return;
		uint32_t hosts = 0;
		for (uint32_t i = 0; i < world->voter_count; i++) {
			struct verdict_record verdict;
			uint32_t count = read_verdict(world, &world->hosts[i], ending->asked->id, t_ms, none, &verdict);
			if (count > 1)
				world_fail(world, "C9", "%s has %u verdicts for %s@%lld", world->hosts[i].name, count,
					   ending->asked->name, (long long)t_ms);
			hosts += count == 1;
		}
		if (hosts < checker_majority(world))
			explain(world, ending->asked->id, t_ms, none);
		if (hosts < checker_majority(world))
			world_fail(world, "C9", "%s@%lld (%.1f s after birth): only %u disks have its verdict",
				   ending->asked->name, (long long)t_ms,
				   (double)(t_ms - SIM_UTC_START_MS) / 1e3, hosts);
	}
}

static void check_cursor(struct ending *ending)
{
	struct world *world = ending->world;
	const struct cursor *cursor = &ending->job->cursor;
	for (uint32_t i = 0; i < cursor->open_count; i++) {
		struct run_key key = cursor_run_key(ending->job->id, &cursor->open[i]);
		if (cursor->open[i].claimed_ms < ending->now_ms - SETTLED_MS)
			world_fail(world, "C9", "%s is still open", checker_run_text(world, &key));
	}
	if (!ending->value.is_enabled || ending->value.is_paused || ending->value.is_deleted)
		return;
	/* Each fire in order, one after the other: it may still be catching up. */
	if (ending->definition.misfire == DEFINITION_MISFIRE_ALL)
		return;
	int64_t floor_ms = ending->value.from_ms;
	int64_t last_ms = schedule_previous(&ending->schedule, world->utc, ending->now_ms - DUE_MS, floor_ms);
	if (last_ms > floor_ms && cursor->through_ms < last_ms)
		world_fail(world, "C9", "%s: fires are decided up to %.1f s after birth, the last was due at %.1f s",
			   ending->asked->name, (double)(cursor->through_ms - SIM_UTC_START_MS) / 1e3,
			   (double)(last_ms - SIM_UTC_START_MS) / 1e3);
}

/* ---- definitions ---- */

/* True if there is a definition at all; what was acknowledged must be on a majority's disks. */
static bool check_acknowledged(struct ending *ending)
{
	struct world *world = ending->world;
	struct register_key key = {.kind = REGISTER_DEF, .key = ending->asked->id};
	key.arc = place_arc(key.key);
	struct buf memory;
	buf_init(&memory, world->checker->record, RECORD_BYTES);
	bool has_any = false;
	uint32_t holds = 0;
	for (uint32_t i = 0; i < world->voter_count; i++) {
		struct register_image image;
		struct def_value value;
		buf_clear(&memory);
		if (!register_image_read(&world->hosts[i], &key, &memory, &image) || ballot_is_zero(&image.accepted) ||
		    def_value_get(image.value, &value) != ERR_OK)
			continue;
		has_any = true;
		holds += value.counter >= ending->job->acknowledged;
	}
	if (holds < checker_majority(world) && ending->job->acknowledged > 0)
		world_fail(world, "C3", "%s: version %llu was acknowledged, and only %u disks have it", ending->asked->name,
			   (unsigned long long)ending->job->acknowledged, holds);
	return has_any && ending->job->def_counter > 0;
}

static void check_copies(struct ending *ending)
{
	struct world *world = ending->world;
	uint8_t key[19];
	store_u16(key, place_arc(ending->asked->id));
	key[2] = REGISTER_DEF;
	memcpy(key + 3, ending->asked->id.bytes, 16);
	struct buf memory;
	buf_init(&memory, world->checker->record, RECORD_BYTES);
	for (uint32_t i = 0; i < world->host_count; i++) {
		struct host *host = &world->hosts[i];
		uint64_t counter = 0;
		if (host->disk->get(host->disk->context, TABLE_COPIES, slice_of(key, sizeof(key)), &memory) == ERR_OK &&
		    memory.bytes >= 8)
			counter = load_u64(memory.data);
		if (counter != ending->job->def_counter)
			world_fail(world, "C11", "%s has version %llu of %s, and %llu is decided", host->name,
				   (unsigned long long)counter, ending->asked->name,
				   (unsigned long long)ending->job->def_counter);
	}
}

static bool read_schedule(struct ending *ending, struct slice bytes)
{
	struct problem problem;
	if (def_value_get(bytes, &ending->value) != ERR_OK ||
	    definition_decode(ending->value.definition, &ending->definition, &problem) != ERR_OK)
		return false;
	enum err err = ERR_OK;
	if (ending->definition.cron.bytes > 0)
		err = schedule_parse_cron(ending->definition.cron, &ending->schedule, &problem);
	else
		err = schedule_init_every(ending->definition.every_ms, &ending->schedule, &problem);
	if (err == ERR_OK && ending->schedule.kind == SCHEDULE_EVERY)
		ending->schedule.anchor_ms = ending->value.created_ms - ending->value.created_ms % 1000;
	return err == ERR_OK;
}

/* Reads the newest definition into `memory`, which it then borrows. */
static bool read_definition(struct ending *ending, struct buf *memory)
{
	struct world *world = ending->world;
	struct register_key key = {.arc = place_arc(ending->asked->id), .kind = REGISTER_DEF, .key = ending->asked->id};
	for (uint32_t i = 0; i < world->voter_count; i++) {
		struct register_image image;
		if (register_image_read(&world->hosts[i], &key, memory, &image) && read_schedule(ending, image.value) &&
		    ending->value.counter == ending->job->def_counter)
			return true;
	}
	world_fail(world, "C3", "%s: no disk has version %llu", ending->asked->name,
		   (unsigned long long)ending->job->def_counter);
	return false;
}

static void check_job(struct world *world, const struct operator_job *asked, struct buf *memory)
{
	struct ending ending = {.world = world, .asked = asked, .now_ms = world_utc_ms(world)};
	ending.job = checker_job(world, asked->id);
	if (!check_acknowledged(&ending)) {
		world_fail(world, "C9", "%s was put and never decided", asked->name);
		return;
	}
	check_copies(&ending);
	if (world->has_failed || !read_definition(&ending, memory))
		return;
	check_cursor(&ending);
	check_runs(&ending);
	if (asked->is_stable && ending.schedule.kind != SCHEDULE_MANUAL)
		check_stable_fires(&ending);
}

void checker_at_end(struct world *world)
{
	for (uint32_t i = 0; i < world->host_count; i++)
		if (!world->hosts[i].is_up)
			world_fail(world, "C9", "%s is down in the end", world->hosts[i].name);
	void *bytes = malloc(RECORD_BYTES);
	if (bytes == NULL)
		abort();
	struct buf memory;
	buf_init(&memory, bytes, RECORD_BYTES);
	for (uint32_t i = 0; i < operator_job_count(world) && !world->has_failed; i++)
		check_job(world, operator_job_at(world, i), &memory);
	free(bytes);
}
