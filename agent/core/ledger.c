/* What this node knows of runs: live ones in the run table, ended ones in the store, a verdict for each fire.
 *
 * On a voter the table holds the runs that are open in the cursors that it accepted; on an executor its own. The executor's
 * word comes as news; `ends` and `verdicts` come with votes. Records only ever move on (run_record_merge). */
#include <assert.h>
#include <string.h>

#include "agent/core/state.h"
#include "proto/text.h"

uint32_t ledger_add(struct node *node, const struct run_key *key)
{
	uint32_t slot = run_find(&node->runs, key);
	if (slot != RUN_NONE)
		return slot;
	uint32_t job = job_add(&node->jobs, key->job, place_arc(key->job));
	if (job == JOB_NONE)
		return RUN_NONE;
	slot = run_add(&node->runs, key);
	if (slot == RUN_NONE)
		return RUN_NONE;
	node->runs.runs[slot].job_next = node->jobs.jobs[job].run_first;
	node->jobs.jobs[job].run_first = slot + 1;
	return slot;
}

void ledger_drop(struct node *node, uint32_t slot)
{
	struct run *run = &node->runs.runs[slot];
	uint32_t job = job_find(&node->jobs, run->record.key.job);
	if (job != JOB_NONE) {
		uint32_t *link = &node->jobs.jobs[job].run_first;
		while (*link != 0 && *link != slot + 1)
			link = &node->runs.runs[*link - 1].job_next;
		if (*link != 0)
			*link = run->job_next;
	}
	run_remove(&node->runs, slot);
}

/* Newest first: the time's complement leads the key. */
static void ledger_index(struct node *node, const struct run_key *key)
{
	uint8_t bytes[RUN_BY_TIME_KEY_BYTES];
	run_by_time_key_store(key, bytes);
	uint8_t present = 1;
	node->store->put(node->store->context, TABLE_RUNS_BY_TIME, slice_of(bytes, sizeof(bytes)),
	                 slice_of(&present, sizeof(present)));
}

void ledger_write(struct node *node, const struct run_record *record)
{
	uint8_t key[RUN_KEY_BYTES];
	run_key_store(&record->key, key);
	uint8_t memory[RUN_RECORD_BYTES_MAX];
	struct buf value;
	buf_init(&value, memory, sizeof(memory));
	run_record_put(&value, record);
	assert(!value.has_overflowed);
	node->store->put(node->store->context, TABLE_RUNS, slice_of(key, sizeof(key)), buf_slice(&value));
	ledger_index(node, &record->key);
}

static enum err ledger_read_store(struct node *node, const struct run_key *key, struct run_record *ret_record)
{
	uint8_t key_bytes[RUN_KEY_BYTES];
	run_key_store(key, key_bytes);
	uint8_t memory[RUN_RECORD_BYTES_MAX];
	struct buf value;
	buf_init(&value, memory, sizeof(memory));
	enum err err = node->store->get(node->store->context, TABLE_RUNS, slice_of(key_bytes, sizeof(key_bytes)), &value);
	if (err != ERR_OK)
		return err;
	struct wire_reader reader;
	wire_reader_init(&reader, buf_slice(&value));
	run_record_get(&reader, ret_record);
	return wire_reader_end(&reader);
}

enum err ledger_read(struct node *node, const struct run_key *key, struct run_record *ret_record)
{
	uint32_t slot = run_find(&node->runs, key);
	if (slot == RUN_NONE)
		return ledger_read_store(node, key, ret_record);
	*ret_record = node->runs.runs[slot].record;
	return ERR_OK;
}

/* Decided verdicts never overlap: one that does came with a vote that was not decided. Nearly always there is none. */
static void ledger_clear_verdicts(struct node *node, const struct verdict_record *news)
{
	if (!id128_is_zero(news->manual))
		return;
	uint8_t memory[64];
	struct buf key;
	buf_init(&key, memory, sizeof(memory));
	struct id128 last;
	memset(last.bytes, 0xff, sizeof(last.bytes));
	verdict_key_store(news->job, news->from_ms - 1, last, memory);
	key.bytes = VERDICT_KEY_BYTES;
	for (;;) {
		uint8_t value_memory[VERDICT_RECORD_BYTES_MAX];
		struct buf value;
		buf_init(&value, value_memory, sizeof(value_memory));
		if (node->store->next(node->store->context, TABLE_VERDICTS, buf_slice(&key), &key, &value) != ERR_OK)
			return;
		struct verdict_record held;
		struct wire_reader reader;
		wire_reader_init(&reader, buf_slice(&value));
		verdict_record_get(&reader, &held);
		if (wire_reader_end(&reader) != ERR_OK || !id128_equal(held.job, news->job))
			return;
		if (!id128_is_zero(held.manual))
			continue;
		if (held.from_ms > news->t_ms)
			return;
		if (held.t_ms != news->t_ms)
			node->store->remove(node->store->context, TABLE_VERDICTS, buf_slice(&key));
	}
}

void ledger_write_verdict(struct node *node, const struct verdict_record *record)
{
	ledger_clear_verdicts(node, record);
	uint8_t key[VERDICT_KEY_BYTES];
	verdict_key_store(record->job, record->t_ms, record->manual, key);
	uint8_t memory[VERDICT_RECORD_BYTES_MAX];
	struct buf value;
	buf_init(&value, memory, sizeof(memory));
	verdict_record_put(&value, record);
	assert(!value.has_overflowed);
	node->store->put(node->store->context, TABLE_VERDICTS, slice_of(key, sizeof(key)), buf_slice(&value));
	if (record->verdict == VERDICT_SKIPPED || record->verdict == VERDICT_MISSED) {
		/* Attempt 65535 stands for a fire without a run in the index of `runs`. */
		struct run_key none = { .job = record->job, .t_ms = record->t_ms, .manual = record->manual,
			                .attempt = UINT16_MAX };
		ledger_index(node, &none);
	}
}

enum err ledger_read_verdict(struct node *node, struct id128 job, int64_t t_ms, struct id128 manual,
                             struct verdict_record *ret_record)
{
	uint8_t key[VERDICT_KEY_BYTES];
	verdict_key_store(job, t_ms, manual, key);
	uint8_t memory[VERDICT_RECORD_BYTES_MAX];
	struct buf value;
	buf_init(&value, memory, sizeof(memory));
	enum err err = node->store->get(node->store->context, TABLE_VERDICTS, slice_of(key, sizeof(key)), &value);
	if (err != ERR_OK)
		return err;
	struct wire_reader reader;
	wire_reader_init(&reader, buf_slice(&value));
	verdict_record_get(&reader, ret_record);
	return wire_reader_end(&reader);
}

enum err ledger_find_manual(struct node *node, struct id128 job, struct id128 manual, struct run_key *ret_key)
{
	uint8_t memory[64];
	struct buf key;
	buf_init(&key, memory, sizeof(memory));
	buf_put(&key, job.bytes, sizeof(job.bytes));
	const uint32_t look_max = 20000; /* more than a job keeps */
	for (uint32_t i = 0; i < look_max; i++) {
		if (node->store->next(node->store->context, TABLE_RUNS, buf_slice(&key), &key, NULL) != ERR_OK)
			break;
		struct run_key run;
		if (run_key_load(buf_slice(&key), &run) != ERR_OK || !id128_equal(run.job, job))
			break;
		if (id128_equal(run.manual, manual)) {
			*ret_key = run;
			return ERR_OK;
		}
	}
	return ERR_NOT_FOUND;
}

/* A run is over, as far as this node is told for the first time: what its job's row shows of it. */
static void ledger_on_final(struct node *node, const struct run_record *record)
{
	uint32_t slot = job_find(&node->jobs, record->key.job);
	if (slot != JOB_NONE) {
		struct job *job = &node->jobs.jobs[slot];
		bool is_late = record->lateness_us > 30 * INT64_C(1000000);
		job_note_last(job, record);
		job_history_add(job, (uint8_t)record->verdict, is_late);
		if (record->verdict == VERDICT_RAN_OK)
			job->ok_count++;
		else
			job->bad_count++;
		live_job_changed(node, slot);
	}
	query_on_run_final(node, record);
}

/* The executor's own word on a run that had been given up as lost: the verdict is corrected once. */
static void ledger_correct_verdict(struct node *node, const struct run_record *record)
{
	struct verdict_record verdict;
	if (ledger_read_verdict(node, record->key.job, record->key.t_ms, record->key.manual, &verdict) != ERR_OK)
		return;
	if (verdict.verdict != VERDICT_LOST)
		return;
	verdict.verdict = record->verdict;
	memcpy(verdict.reason, record->reason, sizeof(verdict.reason));
	if (verdict.verdict == VERDICT_NONE) {
		/* Released for want of room or the like: it never started, and nobody can take it any more. */
		verdict.verdict = VERDICT_MISSED;
		text_copy(verdict.reason, sizeof(verdict.reason), "no-node");
	}
	ledger_write_verdict(node, &verdict);
}

/* News of a run that is not open here: it was folded already, or its claim has not reached this voter. */
static void ledger_news_closed(struct node *node, const struct run_record *record)
{
	struct run_record held;
	if (ledger_read(node, &record->key, &held) != ERR_OK) {
		if (run_state_is_final(record->state)) {
			ledger_write(node, record);
			ledger_on_final(node, record);
		}
		return;
	}
	/* A claim that was never decided may have been given to another. */
	if (!id128_equal(held.executor, record->executor))
		return;
	bool was_lost = held.state == RUN_LOST;
	bool was_final = run_state_is_final(held.state);
	if (!run_record_merge(&held, record) || !run_state_is_final(held.state))
		return;
	ledger_write(node, &held);
	if (was_lost)
		ledger_correct_verdict(node, &held);
	if (!was_final || was_lost)
		ledger_on_final(node, &held);
	live_run_changed(node, &held);
}

/* True if the fire is decided in the cursor that this voter accepted, so that a run which is not open is over. */
static bool ledger_is_decided(struct node *node, const struct job *job, const struct run_key *key)
{
	if ((job->flags & JOB_FLAG_DECIDED) == 0)
		return false;
	/* A later attempt than the one that is open here: this voter is behind. */
	for (uint32_t link = job->run_first; link != 0; link = node->runs.runs[link - 1].job_next) {
		const struct run *run = &node->runs.runs[link - 1];
		const struct run_key *open = &run->record.key;
		if (run->is_open && open->t_ms == key->t_ms && open->shard == key->shard &&
		    id128_equal(open->manual, key->manual) && open->attempt < key->attempt)
			return false;
	}
	if (id128_is_zero(key->manual))
		return job->through_ms >= key->t_ms;
	struct register_key register_key = { .arc = job->arc, .kind = REGISTER_CUR, .key = job->id };
	struct buf memory;
	buf_init(&memory, node->scratch_value, WIDE_BYTES);
	struct register_state state;
	acceptor_read(node, &register_key, &memory, &state);
	if (cursor_get(state.value, &node->cursor_read) != ERR_OK)
		return false;
	/* No later claim takes a t at or below the highest; the list of ids forgets. */
	return node->cursor_read.highest_ms >= key->t_ms;
}

static void ledger_news_open(struct node *node, struct job *job, uint32_t slot, const struct run_record *record)
{
	struct run *run = &node->runs.runs[slot];
	bool is_own = run->mine != RUN_MINE_NOT;
	bool is_changed = is_own || run_record_merge(&run->record, record);
	bool is_first_end = run_state_is_final(run->record.state) && !run->is_end_seen;
	if (record->state >= RUN_ARMED)
		run->is_arm_needed = false;
	const struct member *executor = node_member(node, run->record.executor);
	if (executor != NULL)
		run->executor_boot = executor->boot; /* a later boot has forgotten what this one has armed */
	if (id128_is_zero(record->key.manual) && record->key.t_ms > job->armed_ms)
		job->armed_ms = record->key.t_ms;
	if (!is_changed)
		return;
	if (run_state_is_final(run->record.state)) {
		if (!is_own)
			ledger_write(node, &run->record);
		if (is_first_end)
			ledger_on_final(node, &run->record);
		run->is_end_seen = true;
		change_on_run(node, &run->record);
		if (run->mine == RUN_MINE_NOT)
			heap_remove(&node->runs.heap, slot);
		/* The proposer folds it into the cursor; the others only if it does not. */
		heap_set_sooner(&node->jobs.heap, job_find(&node->jobs, record->key.job), node->now.mono_us);
	} else if (record->state == RUN_STARTED) {
		change_on_run(node, &run->record);
	}
	live_run_changed(node, &run->record);
}

void ledger_news(struct node *node, struct id128 from, const struct run_record *record)
{
	uint16_t arc = place_arc(record->key.job);
	if (!node_votes(node, arc))
		return;
	uint32_t slot = run_find(&node->runs, &record->key);
	uint32_t job_slot = job_find(&node->jobs, record->key.job);
	struct job *job = job_slot == JOB_NONE ? NULL : &node->jobs.jobs[job_slot];
	bool is_open = slot != RUN_NONE && node->runs.runs[slot].is_open;
	/* Only the executor that was decided has a word. */
	if (is_open && !id128_equal(node->runs.runs[slot].record.executor, from))
		return;
	bool is_gone = false;
	if (is_open && job != NULL) {
		ledger_news_open(node, job, slot, record);
	} else {
		is_gone = job != NULL && ledger_is_decided(node, job, &record->key);
		/* The executor wants to know, and this voter is behind, or has what may not be decided. */
		if (job != NULL && !is_gone && node_is_proposer(node, job))
			(void)proposer_start(node, job_slot, REGISTER_CUR, 0, true);
		if (slot == RUN_NONE || node->runs.runs[slot].mine == RUN_MINE_NOT)
			ledger_news_closed(node, record);
		else if (record->state > RUN_LOST && record->verdict != VERDICT_LOST)
			ledger_correct_verdict(node, record);
	}

	struct run_ack ack = { .run = record->key, .state = record->state, .is_gone = is_gone,
		               .armed_ms = record->armed_ms };
	if (id128_equal(from, node->config.id))
		return;
	uint8_t memory[128];
	struct buf item;
	buf_init(&item, memory, sizeof(memory));
	run_ack_put(&item, &ack);
	outbox_put(node, from, MESSAGE_RUN_ACK, buf_slice(&item));
}

void ledger_on_run_frame(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader)
{
	for (uint32_t i = 0; i < item_count; i++) {
		struct run_record record;
		run_record_get(reader, &record);
		if (reader->err != ERR_OK)
			return;
		if (id128_equal(record.executor, from))
			ledger_news(node, from, &record);
	}
}

static void ledger_on_end(struct node *node, const struct run_record *record)
{
	uint32_t slot = run_find(&node->runs, &record->key);
	struct run_record merged = *record;
	bool was_final = false;
	if (slot != RUN_NONE) {
		struct run *run = &node->runs.runs[slot];
		was_final = run_state_is_final(run->record.state);
		if (run->mine == RUN_MINE_NOT)
			(void)run_record_merge(&run->record, record);
		if (id128_equal(run->record.executor, record->executor))
			merged = run->record;
	} else {
		struct run_record held;
		if (ledger_read(node, &record->key, &held) == ERR_OK &&
		    id128_equal(held.executor, record->executor)) {
			was_final = run_state_is_final(held.state);
			(void)run_record_merge(&held, record);
			merged = held;
		}
	}
	/* An executor that votes may know more of its own run than the proposer that gave it up. */
	if (!run_state_is_final(merged.state))
		merged = *record;
	ledger_write(node, &merged);
	if (!was_final)
		ledger_on_final(node, &merged);
	live_run_changed(node, &merged);
}

static void ledger_on_pass(struct node *node, const struct verdict_record *verdict)
{
	uint32_t slot = job_find(&node->jobs, verdict->job);
	if (slot == JOB_NONE || (verdict->verdict != VERDICT_SKIPPED && verdict->verdict != VERDICT_MISSED))
		return;
	struct job *job = &node->jobs.jobs[slot];
	struct run_record held;
	struct run_key first = { .job = verdict->job, .t_ms = verdict->t_ms, .manual = verdict->manual, .attempt = 1 };
	if (ledger_read(node, &first, &held) == ERR_OK)
		return; /* it had a run, which is in the history already */
	uint64_t shown = verdict->fire_count < JOB_HISTORY ? verdict->fire_count : JOB_HISTORY;
	for (uint64_t i = 0; i < shown; i++)
		job_history_add(job, (uint8_t)verdict->verdict, false);
	struct run_record row = { .key = first, .state = RUN_RELEASED, .verdict = verdict->verdict, .exit_code = -1,
		                  .rss_bytes_max = -1, .ended_ms = verdict->decided_ms };
	row.key.attempt = UINT16_MAX;
	memcpy(row.reason, verdict->reason, sizeof(row.reason));
	job_note_last(job, &row);
	live_job_changed(node, slot);
	live_run_changed(node, &row);
}

/* An adopted value brings what may be here already, and corrected since. */
static bool ledger_has_verdict(struct node *node, const struct verdict_record *news)
{
	struct verdict_record held;
	return ledger_read_verdict(node, news->job, news->t_ms, news->manual, &held) == ERR_OK &&
	       held.from_ms == news->from_ms && (held.verdict == news->verdict || news->verdict == VERDICT_LOST);
}

/* A proposer may have given up a run of which this voter has the executor's last word: that outranks its verdict. */
static void ledger_correct_ends(struct node *node, const struct vote *vote)
{
	struct wire_reader reader;
	wire_reader_init(&reader, vote->ends);
	uint32_t end_count = wire_get_array(&reader, VOTE_ENDS_MAX);
	for (uint32_t i = 0; i < end_count; i++) {
		struct run_record record, held;
		run_record_get(&reader, &record);
		if (reader.err != ERR_OK)
			return;
		if (record.state == RUN_LOST && ledger_read(node, &record.key, &held) == ERR_OK &&
		    held.state > RUN_LOST && id128_equal(held.executor, record.executor))
			ledger_correct_verdict(node, &held);
	}
}

void ledger_on_vote(struct node *node, const struct vote *vote)
{
	struct wire_reader reader;
	wire_reader_init(&reader, vote->ends);
	uint32_t end_count = wire_get_array(&reader, VOTE_ENDS_MAX);
	for (uint32_t i = 0; i < end_count; i++) {
		struct run_record record;
		run_record_get(&reader, &record);
		if (reader.err != ERR_OK)
			return;
		if (id128_equal(record.key.job, vote->key.key) && run_state_is_final(record.state))
			ledger_on_end(node, &record);
	}
	wire_reader_init(&reader, vote->verdicts);
	uint32_t verdict_count = wire_get_array(&reader, VOTE_VERDICTS_MAX);
	for (uint32_t i = 0; i < verdict_count; i++) {
		struct verdict_record verdict;
		verdict_record_get(&reader, &verdict);
		if (reader.err != ERR_OK)
			return;
		if (!id128_equal(verdict.job, vote->key.key) || ledger_has_verdict(node, &verdict))
			continue;
		ledger_write_verdict(node, &verdict);
		ledger_on_pass(node, &verdict);
	}
	ledger_correct_ends(node, vote);
}

/* True if this very change of this node's own making added the run. */
static bool ledger_is_own_claim(const struct node *node, const struct vote *vote, const struct cursor_open *open)
{
	if (vote == NULL || !id128_equal(vote->ballot.node, node->config.id))
		return false;
	for (uint32_t i = 0; i < vote->add_count; i++)
		if (!vote->adds[i].is_pass && vote->adds[i].t_ms == open->t_ms)
			return true;
	return false;
}

/* What was known of a run is of a claim that was never decided: it was given to another. */
static void ledger_reset(struct node *node, uint32_t slot)
{
	struct run *run = &node->runs.runs[slot];
	if (run->mine != RUN_MINE_NOT && run->mine != RUN_MINE_OVER && node->running_count > 0)
		node->running_count--;
	heap_remove(&node->runs.heap, slot);
	struct run fresh = { .job_next = run->job_next, .hash_next = run->hash_next };
	fresh.record = (struct run_record){ .key = run->record.key, .exit_code = -1, .rss_bytes_max = -1 };
	*run = fresh;
}

/* The proposer's own vote is on its disk before it asks for others: with this one, that is a majority of up to three. */
static bool ledger_knows_decided(const struct node *node, const struct job *job, const struct vote *vote)
{
	const struct arc_set *set = node_set(node, job->arc);
	if (set == NULL || set->member_count == 1)
		return set != NULL;
	return vote != NULL && set->member_count <= 3 && !id128_equal(vote->ballot.node, node->config.id);
}

void ledger_on_cursor(struct node *node, uint32_t job_slot, const struct cursor *cursor, const struct vote *vote)
{
	struct job *job = &node->jobs.jobs[job_slot];
	bool is_decided = ledger_knows_decided(node, job, vote);
	job->flags = (uint8_t)(is_decided ? job->flags | JOB_FLAG_DECIDED : job->flags & ~JOB_FLAG_DECIDED);
	/* As accepted now: what was accepted before and never decided may have been further. */
	job->through_ms = cursor->through_ms;
	job->open_count = (uint16_t)cursor->open_count;

	for (uint32_t link = job->run_first; link != 0;) {
		uint32_t slot = link - 1;
		struct run *run = &node->runs.runs[slot];
		link = run->job_next;
		if (cursor_find_open(cursor, &run->record.key) >= 0)
			continue;
		bool was_open = run->is_open;
		run->is_open = false;
		if (run->mine != RUN_MINE_NOT && is_decided)
			executor_on_gone(node, slot);
		else if (run->mine == RUN_MINE_NOT && was_open)
			ledger_drop(node, slot);
	}
	for (uint32_t i = 0; i < cursor->open_count; i++) {
		const struct cursor_open *open = &cursor->open[i];
		struct run_key key = cursor_run_key(job->id, open);
		uint32_t slot = ledger_add(node, &key);
		if (slot == RUN_NONE)
			continue;
		struct run *run = &node->runs.runs[slot];
		bool is_same_executor = id128_equal(run->record.executor, open->executor);
		if (!is_same_executor && (run->is_open || run->mine != RUN_MINE_NOT))
			ledger_reset(node, slot);
		if (run->is_open && !run->is_decided && run->mine == RUN_MINE_NOT) {
			run->record.def_counter = open->def_counter;
			run->record.claimed_ms = open->claimed_ms;
			run->is_carried = !ledger_is_own_claim(node, vote, open);
		}
		if (run->is_open)
			continue;
		run->is_open = true;
		run->is_decided = false;
		run->is_carried = !ledger_is_own_claim(node, vote, open);
		run->is_arm_needed = true;
		if (run->mine != RUN_MINE_NOT)
			continue;
		run->record.executor = open->executor;
		run->record.def_counter = open->def_counter;
		run->record.claimed_ms = open->claimed_ms;
		/* Its end may have been heard before this claim was, or before a restart. */
		struct run_record held;
		if (ledger_read_store(node, &key, &held) == ERR_OK && run_state_is_final(held.state) &&
		    id128_equal(held.executor, open->executor)) {
			run->record = held;
			run->is_end_seen = true;
		}
		live_run_changed(node, &run->record);
	}
	planner_replan(node, job_slot);
}
