/* Runs of this node: armed, looked at once more, started, ended, and told to the set. The order of things on disk is what makes a run start at most once:
 *
 *     ARM --> armed (memory) --> last look --> start record synced --> runner spawns --> end record synced --> told
 *                 |                 |
 *                 +-- REVOKE, cancel, deadline, refusal --> `released` synced --> told; it never starts */
#include <assert.h>
#include <string.h>

#include "agent/core/executor.h"
#include "agent/core/mutant.h"
#include "agent/core/start_record.h"
#include "agent/core/state.h"
#include "proto/text.h"

#define TELL_US_MIN 500000
#define TELL_US_MAX 60000000
#define DROPS_PER_START 16u

/* ---- telling the set ---- */

static void executor_settle(struct node *node, uint32_t slot)
{
	struct run *run = &node->runs.runs[slot];
	if (run->mine != RUN_MINE_OVER || !run->is_acknowledged || !run->is_gone || run->is_open)
		return;
	if (node->drop_count == EXECUTOR_DROPS_MAX)
		return; /* told again later, dropped then */
	node->drops[node->drop_count++] = run->record.key;
	ledger_drop(node, slot);
}

static void executor_acknowledged(struct node *node, uint32_t slot, uint32_t member)
{
	struct run *run = &node->runs.runs[slot];
	const struct arc_set *set = node_set(node, place_arc(run->record.key.job));
	run->ack_mask |= (uint8_t)(1u << member);
	if ((uint32_t)__builtin_popcount(run->ack_mask) < arc_set_majority(set))
		return;
	if (run->mine == RUN_MINE_ASKING) {
		/* In its turn: many answers in one frame are more orders than one step has room for. */
		run->mine = RUN_MINE_ARMED;
		run->look_us = node->now.mono_us;
		heap_set(&node->runs.heap, slot, run->look_us);
		return;
	}
	if (run->mine == RUN_MINE_STARTED)
		heap_remove(&node->runs.heap, slot);
	if (run->mine == RUN_MINE_OVER) {
		run->is_acknowledged = true;
		heap_set(&node->runs.heap, slot, node->now.mono_us + TELL_US_MAX);
	}
}

/* Tells every member of the set; repeats until a majority has acknowledged. */
static void executor_tell(struct node *node, uint32_t slot)
{
	struct run *run = &node->runs.runs[slot];
	const struct arc_set *set = node_set(node, place_arc(run->record.key.job));
	run->sent_us = node->now.mono_us;
	if (run->tell_count < 16)
		run->tell_count++;
	if (run->mine != RUN_MINE_ARMED) {
		int64_t wait_us = (int64_t)TELL_US_MIN << (run->tell_count - 1);
		heap_set(&node->runs.heap, slot, node->now.mono_us + (wait_us < TELL_US_MAX ? wait_us : TELL_US_MAX));
	}

	uint8_t memory[RUN_RECORD_BYTES_MAX];
	struct buf item;
	buf_init(&item, memory, sizeof(memory));
	run_record_put(&item, &run->record);
	int self = -1;
	for (uint32_t i = 0; i < set->member_count; i++) {
		if (id128_equal(set->members[i], node->config.id))
			self = (int)i;
		else if ((run->ack_mask & (1u << i)) == 0)
			outbox_put(node, set->members[i], MESSAGE_RUN, buf_slice(&item));
	}
	if (self < 0)
		return;
	struct run_record record = run->record;
	ledger_news(node, node->config.id, &record);
	executor_acknowledged(node, slot, (uint32_t)self);
}

void executor_set_state(struct node *node, uint32_t slot, enum run_state state)
{
	struct run *run = &node->runs.runs[slot];
	run->record.state = state;
	run->ack_mask = 0;
	run->tell_count = 0;
	executor_tell(node, slot);
}

/* The answer to a question about a run that is not in the table. */
static void executor_answer(struct node *node, struct id128 to, const struct run_record *record)
{
	if (id128_equal(to, node->config.id)) {
		ledger_news(node, to, record);
		return;
	}
	uint8_t memory[RUN_RECORD_BYTES_MAX];
	struct buf item;
	buf_init(&item, memory, sizeof(memory));
	run_record_put(&item, record);
	outbox_put(node, to, MESSAGE_RUN, buf_slice(&item));
}

/* ---- ends ---- */

void executor_over(struct node *node, uint32_t slot, enum run_state state)
{
	struct run *run = &node->runs.runs[slot];
	bool was_counted = run->mine != RUN_MINE_NOT && run->mine != RUN_MINE_OVER;
	if (was_counted && node->running_count > 0)
		node->running_count--;
	run->mine = RUN_MINE_OVER;
	if (run->record.ended_ms == 0)
		run->record.ended_ms = node->cluster_ms;
	/* An end before the start can not be stored, whatever the wall clock does. */
	if (run->record.started_ms != 0 && run->record.ended_ms < run->record.started_ms)
		run->record.ended_ms = run->record.started_ms;
	run->record.state = state;
	if (!mutant_is_on(MUTANT_ENDFIRST))
		start_record_put(node->store, &run->record.key, state == RUN_RELEASED ? START_RELEASED : START_ENDED);
	ledger_write(node, &run->record);
	live_run_changed(node, &run->record);
	executor_set_state(node, slot, state);
}

/* It never starts: written, synced, then said. Without a verdict the proposer may try it elsewhere. */
static void executor_release(struct node *node, uint32_t slot, enum verdict verdict, const char *reason)
{
	struct run_record *record = &node->runs.runs[slot].record;
	record->verdict = verdict;
	text_copy(record->reason, sizeof(record->reason), reason);
	executor_over(node, slot, RUN_RELEASED);
}

/* ---- offers ---- */

enum offer_answer executor_judge_offer(struct node *node)
{
	const struct member *self = swim_member_at(node->swim, 0);
	if ((self->meta.flags & MEMBER_FLAG_DRAINING) != 0)
		return OFFER_DRAINING;
	if (!node->runner_is_up)
		return OFFER_RUNNER;
	if (node->is_clock_suspect)
		return OFFER_CLOCK;
	if (node->running_count >= node->config.slots)
		return OFFER_SATURATED;
	return OFFER_TAKE;
}

void executor_on_offer(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader)
{
	for (uint32_t i = 0; i < item_count; i++) {
		struct offer offer;
		offer_get(reader, &offer);
		if (reader->err != ERR_OK)
			return;
		struct offered offered = { .run = offer.run, .answer = executor_judge_offer(node) };
		/* One frame brings a tick: what it asks for together must find room together. */
		if (offered.answer == OFFER_TAKE && node->running_count + i >= node->config.slots)
			offered.answer = OFFER_SATURATED;
		uint8_t memory[128];
		struct buf item;
		buf_init(&item, memory, sizeof(memory));
		offered_put(&item, &offered);
		outbox_put(node, from, MESSAGE_OFFERED, buf_slice(&item));
	}
}

/* ---- arming ---- */

static const char *offer_answer_reason(enum offer_answer answer)
{
	switch (answer) {
	case OFFER_SATURATED:
		return "saturated";
	case OFFER_DRAINING:
		return "draining";
	case OFFER_USER:
		return "user";
	case OFFER_CLOCK:
		return "clock";
	case OFFER_RUNNER:
		return "runner down";
	case OFFER_TAKE:
	case OFFER_ANSWER_COUNT:
		break;
	}
	return "";
}

static void executor_set_moment(struct node *node, struct run *run, const struct arm *arm)
{
	/* start_in was computed before the claim's commit and the way here; our own cluster time tells how long that
	 * took. It may only take away delay, and little of it, so a wrong clock moves nothing. */
	int64_t start_in_us = arm->start_in_us;
	int64_t own_us = (run->record.key.t_ms - node->cluster_ms) * 1000;
	const int64_t delay_us_max = 250000;
	if (own_us < start_in_us && own_us > start_in_us - delay_us_max)
		start_in_us = own_us;
	/* A proposer whose clock is fast and not corrected yet: as for a voter, what is too early can only be delayed. */
	if (id128_is_zero(run->record.key.manual) && start_in_us < own_us - EARLY_SLACK_MS * 1000)
		start_in_us = own_us - EARLY_SLACK_MS * 1000;
	run->start_us = node->now.mono_us + start_in_us;
	run->deadline_us = node->now.mono_us + arm->deadline_in_us;
	int64_t look_ms = LAST_LOOK_MS + (int64_t)node->running_count * LAST_LOOK_RUN_MS;
	run->look_us = run->start_us - (look_ms < LAST_LOOK_MS_MAX ? look_ms : LAST_LOOK_MS_MAX) * 1000;
	if (run->look_us < node->now.mono_us)
		run->look_us = node->now.mono_us;
}

static void executor_want(struct node *node, struct id128 from, struct id128 job)
{
	if (id128_equal(from, node->config.id))
		return;
	struct copy_key key = { .kind = REGISTER_DEF, .key = job };
	uint8_t memory[64];
	struct buf item;
	buf_init(&item, memory, sizeof(memory));
	copy_key_put(&item, &key);
	outbox_put(node, from, MESSAGE_WANT, buf_slice(&item));
}

static void executor_arm_new(struct node *node, struct id128 from, const struct arm *arm)
{
	struct def_value value;
	if (catalog_read_version(node, arm->run.job, arm->def_counter, &value) != ERR_OK ||
	    value.counter < arm->def_counter) {
		executor_want(node, from, arm->run.job); /* answered when asked again */
		return;
	}
	uint32_t slot = ledger_add(node, &arm->run);
	if (slot == RUN_NONE)
		return;
	struct run *run = &node->runs.runs[slot];
	run->record.executor = node->config.id;
	run->record.def_counter = arm->def_counter;
	run->record.claimed_ms = arm->claimed_ms;
	run->record.armed_ms = node->cluster_ms;
	executor_set_moment(node, run, arm);
	enum offer_answer answer = executor_judge_offer(node);
	run->mine = RUN_MINE_ARMED;
	node->running_count++;
	if (answer != OFFER_TAKE) {
		executor_release(node, slot, VERDICT_NONE, offer_answer_reason(answer));
		return;
	}
	heap_set(&node->runs.heap, slot, run->look_us);
	executor_set_state(node, slot, RUN_ARMED);
}

/* True if the run is over here and was dropped from memory: what the store has as its last word, or that it is GONE, which
 * starts nothing and counts as lost. */
static bool executor_recall(struct node *node, const struct run_key *key, struct run_record *record)
{
	bool has_record = start_record_get(node->store, key) != START_NONE;
	if (!has_record && (!start_record_is_below_floor(node->store, key) || mutant_is_on(MUTANT_NOFLOOR)))
		return false;
	struct run_record held;
	if (ledger_read(node, key, &held) == ERR_OK &&
	    (has_record ? run_state_is_final(held.state) : held.state > RUN_LOST)) {
		*record = held;
	} else {
		record->key = *key;
		record->state = RUN_ENDED;
		record->exit_code = -1;
		record->rss_bytes_max = -1;
		record->verdict = VERDICT_LOST;
		text_copy(record->reason, sizeof(record->reason), "unknown");
		record->ended_ms = node->cluster_ms;
	}
	record->executor = node->config.id;
	return true;
}

void executor_arm(struct node *node, struct id128 from, const struct arm *arm)
{
	uint32_t slot = run_find(&node->runs, &arm->run);
	if (slot != RUN_NONE && node->runs.runs[slot].mine != RUN_MINE_NOT) {
		struct run *run = &node->runs.runs[slot];
		/* A repeat that lay in the socket through a pause must not hide that there was one. */
		bool is_overdue = node->now.mono_us - run->look_us > PAUSE_LOOK_MS * 1000;
		if (run->mine == RUN_MINE_ARMED && !is_overdue) {
			executor_set_moment(node, run, arm);
			heap_set(&node->runs.heap, slot, run->look_us);
		}
		struct run_record record = run->record;
		executor_answer(node, from, &record);
		return;
	}

	struct run_record record = { .def_counter = arm->def_counter, .claimed_ms = arm->claimed_ms };
	if (executor_recall(node, &arm->run, &record))
		executor_answer(node, from, &record);
	else
		executor_arm_new(node, from, arm);
}

/* Times that can be reckoned with; a run has a job. */
static bool arm_is_sane(const struct arm *arm)
{
	const int64_t span_us_max = INT64_C(400) * 86400 * 1000000;
	const int64_t t_ms_max = (int64_t)(YEAR_MAX + 1 - YEAR_MIN) * 366 * 86400 * 1000;
	return !id128_is_zero(arm->run.job) && arm->run.t_ms >= 0 && arm->run.t_ms <= t_ms_max &&
	       arm->start_in_us >= -span_us_max && arm->start_in_us <= span_us_max &&
	       arm->deadline_in_us >= -span_us_max && arm->deadline_in_us <= span_us_max;
}

void executor_on_arm(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader)
{
	for (uint32_t i = 0; i < item_count; i++) {
		struct arm arm;
		arm_get(reader, &arm);
		if (reader->err != ERR_OK)
			return;
		const struct arc_set *set = node_set(node, place_arc(arm.run.job));
		if (set != NULL && arc_set_find(set, from) >= 0 && arm_is_sane(&arm))
			executor_arm(node, from, &arm);
	}
}

/* ---- revoking ---- */

void executor_revoke(struct node *node, struct id128 from, const struct revoke *revoke)
{
	char reason[RESULT_BYTES_MAX + 1];
	text_join(reason, sizeof(reason), "cancelled by ", revoke->by);
	uint32_t slot = run_find(&node->runs, &revoke->run);
	if (slot != RUN_NONE && node->runs.runs[slot].mine != RUN_MINE_NOT) {
		struct run *run = &node->runs.runs[slot];
		bool is_mutant = mutant_is_on(MUTANT_RELEASE) && run->mine == RUN_MINE_PREPARED;
		if (run->mine == RUN_MINE_ARMED || run->mine == RUN_MINE_ASKING || is_mutant) {
			executor_release(node, slot, VERDICT_SKIPPED, reason);
			return;
		}
		struct run_record record = run->record;
		/* Prepared counts as started: after the last look it is too late. */
		if (run->mine == RUN_MINE_PREPARED)
			record.state = RUN_STARTED;
		executor_answer(node, from, &record);
		return;
	}
	struct run_record past = { 0 };
	if (executor_recall(node, &revoke->run, &past)) {
		executor_answer(node, from, &past);
		return;
	}
	/* Never heard of: only a recorded `released` proves that it never starts. */
	slot = ledger_add(node, &revoke->run);
	if (slot == RUN_NONE)
		return;
	struct run *run = &node->runs.runs[slot];
	run->record.executor = node->config.id;
	run->mine = RUN_MINE_ARMED;
	node->running_count++;
	executor_release(node, slot, VERDICT_SKIPPED, reason);
}

void executor_on_revoke(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader)
{
	for (uint32_t i = 0; i < item_count; i++) {
		struct revoke revoke;
		revoke_get(reader, &revoke);
		if (reader->err != ERR_OK)
			return;
		const struct arc_set *set = node_set(node, place_arc(revoke.run.job));
		if (set != NULL && arc_set_find(set, from) >= 0 && !id128_is_zero(revoke.run.job))
			executor_revoke(node, from, &revoke);
	}
}

void executor_on_run_ack(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader)
{
	for (uint32_t i = 0; i < item_count; i++) {
		struct run_ack ack;
		run_ack_get(reader, &ack);
		if (reader->err != ERR_OK)
			return;
		uint32_t slot = run_find(&node->runs, &ack.run);
		if (slot == RUN_NONE || node->runs.runs[slot].mine == RUN_MINE_NOT)
			continue;
		struct run *run = &node->runs.runs[slot];
		const struct arc_set *set = node_set(node, place_arc(ack.run.job));
		int member = arc_set_find(set, from);
		if (member < 0)
			continue;
		if (ack.is_gone && (run->mine == RUN_MINE_ARMED || run->mine == RUN_MINE_ASKING)) {
			executor_release(node, slot, VERDICT_NONE, "not open");
			continue;
		}
		if (ack.is_gone)
			run->is_gone = true;
		/* Who asks after a pause wants answers to this question, not those that came meanwhile. */
		bool is_answer = run->mine != RUN_MINE_ASKING || ack.armed_ms == run->record.armed_ms;
		if (ack.state == run->record.state && is_answer)
			executor_acknowledged(node, slot, (uint32_t)member);
		slot = run_find(&node->runs, &ack.run);
		if (slot != RUN_NONE)
			executor_settle(node, slot);
	}
}

void executor_on_gone(struct node *node, uint32_t slot)
{
	struct run *run = &node->runs.runs[slot];
	run->is_gone = true;
	executor_settle(node, slot);
}

/* ---- starting ---- */

static void executor_drop_records(struct node *node)
{
	for (uint32_t i = 0; i < DROPS_PER_START && node->drop_count > 0; i++)
		start_record_drop(node->store, &node->drops[--node->drop_count]);
}

static void environment_text(struct wire_map *map, struct buf *out, const char *key, const char *value)
{
	wire_map_text(map, out, key, value);
}

/* Always set, empty if there is none. */
static void executor_environment(struct node *node, const struct run *run, const char *job_name, const char *run_name,
                                 struct buf *out)
{
	char text[TEXT_TIME_BYTES];
	char number[TEXT_NUMBER_BYTES];
	struct wire_map map = wire_map_begin(out);
	environment_text(&map, out, "SCHED_JOB", text_job_display(job_name));
	environment_text(&map, out, "SCHED_RUN", run_name);
	text_format_time(run->record.key.t_ms, text);
	environment_text(&map, out, "SCHED_FIRE", text);
	environment_text(&map, out, "SCHED_NOMINAL", text);
	environment_text(&map, out, "SCHED_PREV_OK", "");
	text_format_i64(run->record.key.attempt, number);
	environment_text(&map, out, "SCHED_ATTEMPT", number);
	text_format_i64(run->record.key.shard, number);
	environment_text(&map, out, "SCHED_SHARD", number);
	environment_text(&map, out, "SCHED_SHARDS", "1");
	text_format_i64(run->record.key.t_ms * 65536 + run->record.key.attempt, number);
	environment_text(&map, out, "SCHED_FENCE", number);
	environment_text(&map, out, "SCHED_NODE", node->config.name);
	environment_text(&map, out, "SCHED_MANUAL", id128_is_zero(run->record.key.manual) ? "" : "1");
	wire_map_end(&map, out);
}

static void executor_prepare(struct node *node, uint32_t slot)
{
	struct run *run = &node->runs.runs[slot];
	struct def_value value;
	if (catalog_read_version(node, run->record.key.job, run->record.def_counter, &value) != ERR_OK) {
		executor_release(node, slot, VERDICT_NONE, "definition");
		return;
	}
	char job_name[JOB_NAME_BYTES_MAX + 1];
	char run_name[RUN_NAME_BYTES_MAX + 1];
	text_copy_slice(job_name, sizeof(job_name), value.name);
	text_format_run(job_name, &run->record.key, run_name, sizeof(run_name));
	uint8_t environment_bytes[2048];
	struct buf environment;
	buf_init(&environment, environment_bytes, sizeof(environment_bytes));
	executor_environment(node, run, job_name, run_name, &environment);
	struct runner_order order = { .type = RUNNER_PREPARE, .run = run->record.key, .run_name = slice_str(run_name),
		                      .start_mono_us = run->start_us, .definition = value.definition,
		                      .environment = buf_slice(&environment), .grace_ms = -1 };
	effects_runner(node->effects, &order);
	run->mine = RUN_MINE_PREPARED;
	heap_remove(&node->runs.heap, slot);
}

/* The last look is done: the start record, then the spawn (I9). */
static void executor_start(struct node *node, uint32_t slot)
{
	struct run *run = &node->runs.runs[slot];
	if (!mutant_is_on(MUTANT_NOSTART))
		start_record_put(node->store, &run->record.key, START_STARTED);
	ledger_write(node, &run->record);
	executor_drop_records(node);
	executor_prepare(node, slot);
}

static void executor_look(struct node *node, uint32_t slot)
{
	struct run *run = &node->runs.runs[slot];
	if (node->now.mono_us > run->deadline_us) {
		executor_release(node, slot, VERDICT_MISSED, "deadline");
		return;
	}
	if (!node->runner_is_up) {
		executor_release(node, slot, VERDICT_NONE, "runner down");
		return;
	}
	if (node->now.mono_us - run->look_us > PAUSE_LOOK_MS * 1000) {
		/* Woken from a pause: much may have been decided meanwhile, so a majority is asked first. */
		run->mine = RUN_MINE_ASKING;
		run->record.armed_ms = node->cluster_ms;
		executor_set_state(node, slot, RUN_ARMED);
		return;
	}
	executor_start(node, slot);
}

void executor_on_run_deadline(struct node *node, uint32_t slot)
{
	struct run *run = &node->runs.runs[slot];
	if (run->is_ask_needed && node->runner_is_up) {
		run->is_ask_needed = false;
		struct runner_order ask = { .type = RUNNER_ASK, .run = run->record.key };
		effects_runner(node->effects, &ask);
	}
	switch ((enum run_mine)run->mine) {
	case RUN_MINE_ARMED:
		if (node->now.mono_us < run->look_us)
			heap_set(&node->runs.heap, slot, run->look_us);
		else
			executor_look(node, slot);
		break;
	case RUN_MINE_ASKING:
	case RUN_MINE_STARTED:
		executor_tell(node, slot);
		break;
	case RUN_MINE_OVER:
		if (mutant_is_on(MUTANT_ENDFIRST))
			start_record_put(node->store, &run->record.key, run->record.state == RUN_RELEASED ? START_RELEASED : START_ENDED);
		run->ack_mask = 0; /* also asks anew whether the set still has it open */
		executor_tell(node, slot);
		slot = run_find(&node->runs, &run->record.key);
		if (slot != RUN_NONE)
			executor_settle(node, slot);
		break;
	case RUN_MINE_NOT:
	case RUN_MINE_PREPARED:
		break;
	}
}
