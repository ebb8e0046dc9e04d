/* Changes of registers by majority: the proposer.
 *
 *     start --> PREPARE --majority--> ACCEPT --majority--> decided
 *       |          |  ^                 |
 *       |          v  |                 v
 *       |         BACKOFF <---- refused by too many
 *       +--> ACCEPT at once, under a standing promise
 *
 * This node is a voter of every register that it proposes for, and votes first: its own accepted value is the one that is
 * repeated, so one ballot never carries two values, and a decided value can be read back here. */
#include <assert.h>
#include <string.h>

#include "agent/core/mutant.h"
#include "agent/core/state.h"

#define RESEND_US 200000          /* an answer takes a round trip and a commit */
#define RESEND_US_MAX 5000000
#define LEAVE_US 50000            /* a change that came out empty is not tried again at once ... */
#define LEAVE_US_MAX 1000000      /* ... and if it comes out empty again, not for longer */
#define BACKOFF_US_MIN 100000     /* U(0, max(100 ms, 4 round trips)), doubling to eight times */
#define BACKOFF_DOUBLINGS_MAX 3u

static uint32_t *proposer_slot(struct job *job, enum register_kind kind)
{
	return kind == REGISTER_CUR ? &job->proposal : &job->def_proposal;
}

static uint64_t *proposer_standing(struct job *job, enum register_kind kind)
{
	return kind == REGISTER_CUR ? &job->standing_round : &job->def_standing_round;
}

static struct proposal *proposer_at(struct node *node, uint32_t index)
{
	return &node->proposals[index - 1];
}

static uint32_t proposer_take(struct node *node)
{
	uint32_t index = node->proposal_free;
	if (index != 0)
		node->proposal_free = proposer_at(node, index)->free_next;
	else if (node->proposal_used < PROPOSALS_MAX)
		index = ++node->proposal_used;
	else
		return 0;
	struct proposal *proposal = proposer_at(node, index);
	memset(proposal, 0, offsetof(struct proposal, item));
	return index;
}

static void proposer_free(struct node *node, uint32_t index)
{
	struct proposal *proposal = proposer_at(node, index);
	struct job *job = &node->jobs.jobs[proposal->job];
	*proposer_slot(job, proposal->key.kind) = PROPOSAL_NONE;
	if (proposal->wide != 0)
		node_wide_free(node, proposal->wide);
	heap_remove(&node->proposal_heap, index - 1);
	proposal->phase = PROPOSAL_FREE;
	proposal->wide = 0;
	proposal->free_next = node->proposal_free;
	node->proposal_free = index;
}

static uint32_t mask_count(uint8_t mask)
{
	return (uint32_t)__builtin_popcount(mask);
}

static uint32_t proposer_majority(const struct node *node, const struct arc_set *set, bool is_def)
{
	if (mutant_is_on(MUTANT_DEFONE) && is_def)
		return 1;
	if (!mutant_is_on(MUTANT_VIEWMAJORITY))
		return arc_set_majority(set);
	uint32_t seen = 0;
	for (uint32_t i = 0; i < set->member_count; i++)
		seen += node_member_is_usable(node, set->members[i]) || id128_equal(set->members[i], node->config.id);
	return seen / 2 + 1;
}

static void proposer_send(struct node *node, uint32_t index)
{
	struct proposal *proposal = proposer_at(node, index);
	const struct arc_set *set = node_set(node, proposal->key.arc);
	struct vote vote = { .number = proposal->number, .key = proposal->key, .ballot = proposal->ballot };
	struct buf prepare;
	uint8_t prepare_bytes[256];
	struct slice item;
	if (proposal->phase == PROPOSAL_PREPARE) {
		buf_init(&prepare, prepare_bytes, sizeof(prepare_bytes));
		vote_put(&prepare, &vote);
		item = buf_slice(&prepare);
	} else if (proposal->wide != 0) {
		item = slice_of(node_wide(node, proposal->wide), proposal->wide_bytes);
	} else {
		item = slice_of(proposal->item, proposal->inline_bytes);
	}
	for (uint32_t i = 0; i < set->member_count; i++)
		if ((proposal->answered_mask & (1u << i)) == 0 && !id128_equal(set->members[i], node->config.id))
			outbox_put(node, set->members[i], MESSAGE_VOTE, item);

	int64_t wait_us = RESEND_US;
	while (wait_us < RESEND_US_MAX && wait_us < (node->now.mono_us - proposal->begun_us) / 2)
		wait_us *= 2;
	heap_set(&node->proposal_heap, index - 1, node->now.mono_us + wait_us);
}

static void proposer_backoff(struct node *node, uint32_t index)
{
	struct proposal *proposal = proposer_at(node, index);
	if (proposal->wide != 0) {
		node_wide_free(node, proposal->wide);
		proposal->wide = 0;
	}
	uint32_t doublings = proposal->backoff_count < BACKOFF_DOUBLINGS_MAX ? proposal->backoff_count
	                                                                     : BACKOFF_DOUBLINGS_MAX;
	int64_t most_us = (int64_t)BACKOFF_US_MIN << doublings;
	proposal->backoff_count++;
	if (mutant_is_on(MUTANT_STANDING) && proposal->phase == PROPOSAL_ACCEPT)
		*proposer_standing(&node->jobs.jobs[proposal->job], proposal->key.kind) = proposal->round_next;
	proposal->phase = PROPOSAL_BACKOFF;
	int64_t wait_us = (int64_t)(prng_below(&node->prng, (uint64_t)most_us));
	heap_set(&node->proposal_heap, index - 1, node->now.mono_us + wait_us);
}

static void proposer_prepare(struct node *node, uint32_t index);
static void proposer_accept(struct node *node, uint32_t index);
static void proposer_count(struct node *node, uint32_t index, uint32_t member, const struct voted *voted);

static void proposer_run(struct node *node, uint32_t index)
{
	struct proposal *proposal = proposer_at(node, index);
	struct job *job = &node->jobs.jobs[proposal->job];
	const struct arc_set *set = node_set(node, proposal->key.arc);
	uint64_t *standing = proposer_standing(job, proposal->key.kind);
	if (*standing == 0) {
		proposer_prepare(node, index);
		return;
	}
	proposal->ballot = (struct ballot){
		.epoch = set->epoch, .round = *standing, .boot = node->config.boot, .node = node->config.id
	};
	*standing = 0; /* a ballot at which an ACCEPT goes out is used up, answered or not */
	proposal->best_ballot = (struct ballot){ 0 };
	proposer_accept(node, index);
}

bool proposer_start(struct node *node, uint32_t job_slot, enum register_kind kind, uint32_t change, bool is_forced)
{
	struct job *job = &node->jobs.jobs[job_slot];
	uint32_t *slot = proposer_slot(job, kind);
	if (*slot != PROPOSAL_NONE || !node_votes(node, job->arc))
		return false;
	uint32_t index = proposer_take(node);
	if (index == 0)
		return false;
	*slot = index;
	struct proposal *proposal = proposer_at(node, index);
	proposal->key = (struct register_key){ .arc = job->arc, .kind = kind, .key = job->id };
	proposal->job = job_slot;
	proposal->change = change;
	proposal->is_forced = is_forced;
	proposal->is_same_only = kind == REGISTER_DEF && change == 0;
	proposal->begun_us = node->now.mono_us;
	proposal->deadline_us = change == 0 ? INT64_MAX : node->changes[change - 1].deadline_us;
	proposer_run(node, index);
	return true;
}

static void proposer_prepare(struct node *node, uint32_t index)
{
	struct proposal *proposal = proposer_at(node, index);
	struct job *job = &node->jobs.jobs[proposal->job];
	const struct arc_set *set = node_set(node, proposal->key.arc);
	struct buf memory;
	buf_init(&memory, node->scratch_value, WIDE_BYTES);
	struct register_state state;
	acceptor_read(node, &proposal->key, &memory, &state);

	uint64_t round = job->round_seen;
	if (state.promised.round > round)
		round = state.promised.round;
	if (state.accepted.round > round)
		round = state.accepted.round;
	round++;
	job->round_seen = round;
	proposal->ballot = (struct ballot){
		.epoch = set->epoch, .round = round, .boot = node->config.boot, .node = node->config.id
	};
	proposal->phase = PROPOSAL_PREPARE;
	proposal->number = ++node->request_number;
	proposal->answered_mask = 0;
	proposal->refused_mask = 0;
	proposal->best_ballot = (struct ballot){ 0 };

	struct vote vote = { .number = proposal->number, .key = proposal->key, .ballot = proposal->ballot };
	struct voted voted;
	acceptor_judge(node, &vote, &memory, &voted);
	proposer_send(node, index);
	proposer_count(node, index, (uint32_t)arc_set_find(set, node->config.id), &voted);
}

/* The value that a change starts from, with what travelled beside it: the highest accepted of the promises, or this node's
 * own last decided one. */
static struct register_state proposer_base(struct node *node, struct proposal *proposal, struct buf *memory)
{
	struct register_state state;
	acceptor_read(node, &proposal->key, memory, &state);
	if (proposal->wide == 0 || ballot_compare(&proposal->best_ballot, &state.accepted) <= 0)
		return state;
	const uint8_t *at = node_wide(node, proposal->wide);
	state.accepted = proposal->best_ballot;
	state.value = slice_of(at, proposal->wide_bytes);
	at += proposal->wide_bytes;
	state.ends = slice_of(at, proposal->wide_ends_bytes);
	state.verdicts = slice_of(at + proposal->wide_ends_bytes, proposal->wide_verdicts_bytes);
	return state;
}

/* The value that is adopted may be on one disk only: its ends and verdicts go on with it (I17). */
static void proposer_adopt_extra(const struct register_state *base, struct proposal_extra *extra)
{
	struct wire_reader reader;
	wire_reader_init(&reader, base->ends);
	uint32_t end_count = wire_get_array(&reader, VOTE_ENDS_MAX);
	for (uint32_t i = 0; i < end_count; i++) {
		struct run_record record;
		run_record_get(&reader, &record);
		if (reader.err != ERR_OK)
			break;
		run_record_put(&extra->ends, &record);
		extra->ended[extra->end_count++] =
		        (struct proposal_end){ .run = record.key, .executor = record.executor, .state = record.state };
	}
	wire_reader_init(&reader, base->verdicts);
	uint32_t verdict_count = wire_get_array(&reader, VOTE_VERDICTS_MAX);
	for (uint32_t i = 0; i < verdict_count; i++) {
		struct verdict_record verdict;
		verdict_record_get(&reader, &verdict);
		if (reader.err != ERR_OK)
			break;
		verdict_record_put(&extra->verdicts, &verdict);
		extra->verdict_count++;
	}
}

/* Makes the value that is proposed, in `out`; false: there is nothing to change. */
static bool proposer_value(struct node *node, struct proposal *proposal, struct proposal_extra *extra, struct buf *out)
{
	struct buf memory;
	buf_init(&memory, node->scratch_value, WIDE_BYTES);
	struct register_state state = proposer_base(node, proposal, &memory);
	struct slice base = state.value;
	if (proposal->key.kind == REGISTER_DEF) {
		if (proposal->change != 0)
			return change_build(node, proposal->change, base, out);
		if (base.bytes != 0)
			buf_put(out, base.data, base.bytes);
		return base.bytes != 0;
	}

	if (cursor_get(base, &node->cursor) != ERR_OK)
		return false;
	/* Under a standing promise the base is decided. What a PREPARE found may be an unfinished change: it is finished
	 * before anything is concluded from it, also if nothing is to be changed. Left alone it would be found for ever. */
	bool is_found = proposal->phase == PROPOSAL_PREPARE && !ballot_is_zero(&state.accepted);
	if (is_found && !mutant_is_on(MUTANT_NOEXTRA))
		proposer_adopt_extra(&state, extra);
	bool is_changed = claim_build(node, proposal->job, extra);
	if (!is_changed && proposal->is_forced && proposal->change == 0)
		planner_owner_is_alive(node, proposal->job);
	if (is_changed)
		cursor_put(out, &node->cursor);
	else if ((proposal->is_forced || is_found) && base.bytes != 0)
		buf_put(out, base.data, base.bytes); /* `same`, byte for byte */
	else if (proposal->is_forced)
		cursor_put(out, &node->cursor);
	return is_changed || is_found || proposal->is_forced;
}

/* Keeps the encoded ACCEPT for repeats to other voters. False: no buffer for it. */
static bool proposer_keep(struct node *node, struct proposal *proposal, const struct vote *vote)
{
	struct buf item;
	buf_init(&item, node->scratch_out, FRAME_BYTES_MAX);
	vote_put(&item, vote);
	assert(!item.has_overflowed);
	if (item.bytes <= PROPOSAL_INLINE_BYTES) {
		memcpy(proposal->item, item.data, item.bytes);
		proposal->inline_bytes = (uint32_t)item.bytes;
		if (proposal->wide != 0)
			node_wide_free(node, proposal->wide);
		proposal->wide = 0;
		return true;
	}
	if (proposal->wide == 0)
		proposal->wide = node_wide_take_to_keep(node);
	if (proposal->wide == 0 || item.bytes > WIDE_BYTES)
		return false;
	memcpy(node_wide(node, proposal->wide), item.data, item.bytes);
	proposal->wide_bytes = (uint32_t)item.bytes;
	return true;
}

/* Nothing is to be changed: the register is read, and left as it is. */
static void proposer_leave(struct node *node, uint32_t index)
{
	const struct proposal *proposal = proposer_at(node, index);
	uint32_t job = proposal->job;
	uint32_t change = proposal->change;
	bool is_cursor = proposal->key.kind == REGISTER_CUR;
	struct job *row = &node->jobs.jobs[job];
	/* Nothing was sent at a standing ballot, so it still stands. */
	bool is_standing = proposal->phase != PROPOSAL_PREPARE;
	if (is_standing)
		*proposer_standing(row, proposal->key.kind) = proposal->ballot.round;
	proposer_free(node, index);
	if (!is_cursor) {
		change_next(node, job);
		return;
	}
	bool is_again = node->now.mono_us - row->quiet_us < LEAVE_US_MAX;
	row->quiet_us = node->now.mono_us + (is_again ? LEAVE_US_MAX : LEAVE_US);
	heap_set_sooner(&node->jobs.heap, job, row->quiet_us);
	if (is_standing) /* node->cursor is as it was decided before */
		manual_decided(node, job, &node->cursor);
	change_cursor_decided(node, job, change);
}

#define EXTRA_ENDS_BYTES (VOTE_ENDS_MAX * RUN_RECORD_BYTES_MAX)
#define EXTRA_VERDICTS_BYTES (VOTE_VERDICTS_MAX * VERDICT_RECORD_BYTES_MAX)

static void proposer_accept(struct node *node, uint32_t index)
{
	struct proposal *proposal = proposer_at(node, index);
	const struct arc_set *set = node_set(node, proposal->key.arc);
	struct buf value;
	buf_init(&value, node->scratch_new, WIDE_BYTES);
	uint8_t ends_bytes[EXTRA_ENDS_BYTES];
	uint8_t verdict_bytes[EXTRA_VERDICTS_BYTES];
	struct proposal_extra extra = { 0 };
	buf_init(&extra.ends, ends_bytes, sizeof(ends_bytes));
	buf_init(&extra.verdicts, verdict_bytes, sizeof(verdict_bytes));
	if (!proposer_value(node, proposal, &extra, &value)) {
		proposer_leave(node, index);
		return;
	}
	assert(!value.has_overflowed);

	struct job *job = &node->jobs.jobs[proposal->job];
	if (proposal->ballot.round > job->round_seen)
		job->round_seen = proposal->ballot.round;
	proposal->round_next = proposal->ballot.round + 1;
	struct vote vote = { .is_accept = true, .number = ++node->request_number, .key = proposal->key,
		             .ballot = proposal->ballot, .value = buf_slice(&value),
		             .next_round = proposal->round_next, .add_count = extra.add_count };
	memcpy(vote.adds, extra.adds, sizeof(vote.adds));
	uint8_t array_bytes[EXTRA_ENDS_BYTES + EXTRA_VERDICTS_BYTES + 16];
	struct buf arrays;
	buf_init(&arrays, array_bytes, sizeof(array_bytes));
	wire_put_array(&arrays, extra.end_count);
	buf_put(&arrays, extra.ends.data, extra.ends.bytes);
	size_t ends_end = arrays.bytes;
	wire_put_array(&arrays, extra.verdict_count);
	buf_put(&arrays, extra.verdicts.data, extra.verdicts.bytes);
	vote.ends = slice_of(arrays.data, ends_end);
	vote.verdicts = slice_of(arrays.data + ends_end, arrays.bytes - ends_end);

	proposal->phase = PROPOSAL_ACCEPT;
	proposal->end_count = extra.end_count;
	memcpy(proposal->ends, extra.ended, sizeof(proposal->ends));
	proposal->number = vote.number;
	proposal->answered_mask = 0;
	proposal->refused_mask = 0;
	bool is_kept = set->member_count == 1 || proposer_keep(node, proposal, &vote);
	struct voted voted = { .answer = VOTE_BUSY, .number = vote.number, .key = vote.key, .ballot = vote.ballot };
	struct buf answer_memory;
	buf_init(&answer_memory, node->scratch_value, WIDE_BYTES);
	if (is_kept)
		acceptor_judge(node, &vote, &answer_memory, &voted);
	if (voted.answer != VOTE_ACK) {
		/* This node has promised another, or knows a newer definition: nothing was sent, nothing is lost. */
		proposer_count(node, index, (uint32_t)arc_set_find(set, node->config.id), &voted);
		return;
	}
	if (set->member_count > 1)
		proposer_send(node, index);
	proposer_count(node, index, (uint32_t)arc_set_find(set, node->config.id), &voted);
}

/* What was folded away is no longer open: its executor may drop the record. */
static void proposer_tell_ends(struct node *node, const struct proposal *proposal)
{
	for (uint32_t i = 0; i < proposal->end_count; i++) {
		const struct proposal_end *end = &proposal->ends[i];
		if (id128_equal(end->executor, node->config.id) || id128_is_zero(end->executor))
			continue;
		struct run_ack ack = { .run = end->run, .state = end->state, .is_gone = true };
		uint8_t memory[128];
		struct buf item;
		buf_init(&item, memory, sizeof(memory));
		run_ack_put(&item, &ack);
		outbox_put(node, end->executor, MESSAGE_RUN_ACK, buf_slice(&item));
	}
}

/* `held` is empty if the decided value can not be read back here any more: then the register is read again. */
static void proposer_def_decided(struct node *node, uint32_t job, uint32_t change, struct slice held)
{
	struct def_value value = { 0 };
	if (held.bytes != 0) {
		memcpy(node->scratch_new, held.data, held.bytes);
		held.data = node->scratch_new;
		catalog_put(node, REGISTER_DEF, node->jobs.jobs[job].id, held, node->config.id);
		if (def_value_get(held, &value) != ERR_OK)
			value.counter = 0;
	}
	change_def_decided(node, job, change, value.counter);
	if (value.counter == 0)
		(void)proposer_start(node, job, REGISTER_DEF, 0, true);
}

static void proposer_decided(struct node *node, uint32_t index)
{
	struct proposal *proposal = proposer_at(node, index);
	uint32_t job_slot = proposal->job;
	struct job *job = &node->jobs.jobs[job_slot];
	struct register_key key = proposal->key;
	uint32_t change = proposal->change;
	struct ballot ballot = proposal->ballot;
	uint64_t round_next = proposal->round_next;
	proposer_tell_ends(node, proposal);
	proposer_free(node, index);

	struct buf memory;
	buf_init(&memory, node->scratch_value, WIDE_BYTES);
	struct register_state state;
	acceptor_read(node, &key, &memory, &state);
	/* Another's ACCEPT may have come while the last answers were on their way: its value stands on the one that is
	 * decided now, but is not known to be decided itself. */
	bool is_held = ballot_compare(&state.accepted, &ballot) == 0;
	*proposer_standing(job, key.kind) = is_held ? round_next : 0;
	if (key.kind == REGISTER_DEF) {
		proposer_def_decided(node, job_slot, change, is_held ? state.value : (struct slice){ 0 });
		return;
	}
	if (is_held && cursor_get(state.value, &node->cursor) == ERR_OK)
		planner_decided(node, job_slot);
	else
		planner_replan(node, job_slot);
	change_cursor_decided(node, job_slot, change);
}

/* A voter has a newer definition: that is finished first, then the cursor is looked at again. */
static void proposer_on_old_def(struct node *node, uint32_t index)
{
	uint32_t job = proposer_at(node, index)->job;
	proposer_backoff(node, index);
	(void)proposer_start(node, job, REGISTER_DEF, 0, true);
}

/* False: there is no room for the value that came with this promise, so the promise must not count. */
static bool proposer_keep_best(struct node *node, struct proposal *proposal, const struct voted *voted, bool is_own)
{
	if (mutant_is_on(MUTANT_NOADOPT))
		return true;
	if (ballot_is_zero(&voted->other) || ballot_compare(&voted->other, &proposal->best_ballot) <= 0)
		return true;
	if (!is_own) {
		size_t bytes = voted->value.bytes + voted->ends.bytes + voted->verdicts.bytes;
		if (proposal->wide == 0)
			proposal->wide = node_wide_take_to_keep(node);
		if (proposal->wide == 0 || bytes > WIDE_BYTES)
			return false;
		struct buf kept;
		buf_init(&kept, node_wide(node, proposal->wide), WIDE_BYTES);
		buf_put(&kept, voted->value.data, voted->value.bytes);
		buf_put(&kept, voted->ends.data, voted->ends.bytes);
		buf_put(&kept, voted->verdicts.data, voted->verdicts.bytes);
		proposal->wide_bytes = (uint32_t)voted->value.bytes;
		proposal->wide_ends_bytes = (uint32_t)voted->ends.bytes;
		proposal->wide_verdicts_bytes = (uint32_t)voted->verdicts.bytes;
	}
	proposal->best_ballot = voted->other;
	return true;
}

static void proposer_refused(struct node *node, uint32_t index, uint32_t member, const struct voted *voted)
{
	struct proposal *proposal = proposer_at(node, index);
	struct job *job = &node->jobs.jobs[proposal->job];
	const struct arc_set *set = node_set(node, proposal->key.arc);
	if (voted->answer == VOTE_LOWER && voted->other.round > job->round_seen)
		job->round_seen = voted->other.round;
	bool is_own = id128_equal(set->members[member], node->config.id);
	if (voted->answer == VOTE_NEED_DEF && !is_own) {
		catalog_send(node, set->members[member], job->id);
		return; /* asked again when the copy is there */
	}
	if (voted->answer == VOTE_OLD_DEF) {
		proposer_on_old_def(node, index);
		return;
	}
	proposal->refused_mask |= (uint8_t)(1u << member);
	if (is_own || mask_count(proposal->refused_mask) > set->member_count - arc_set_majority(set))
		proposer_backoff(node, index);
}

/* One answer to the request in hand. */
static void proposer_count(struct node *node, uint32_t index, uint32_t member, const struct voted *voted)
{
	struct proposal *proposal = proposer_at(node, index);
	const struct arc_set *set = node_set(node, proposal->key.arc);
	bool is_own = id128_equal(set->members[member], node->config.id);
	enum vote_answer wanted = proposal->phase == PROPOSAL_PREPARE ? VOTE_PROMISE : VOTE_ACK;
	if (voted->answer != wanted) {
		proposer_refused(node, index, member, voted);
		return;
	}
	if (proposal->phase == PROPOSAL_PREPARE && !proposer_keep_best(node, proposal, voted, is_own))
		return; /* asked again when the request is repeated */
	uint32_t answer_count;
	if (mutant_is_on(MUTANT_ACKTWICE)) {
		answer_count = mask_count(proposal->answered_mask) + 1;
		proposal->answered_mask |= (uint8_t)(1u << (mask_count(proposal->answered_mask)));
	} else {
		proposal->answered_mask |= (uint8_t)(1u << member);
		answer_count = mask_count(proposal->answered_mask);
	}
	if (answer_count < proposer_majority(node, set, proposal->key.kind == REGISTER_DEF && proposal->phase == PROPOSAL_ACCEPT))
		return;
	if (proposal->phase == PROPOSAL_PREPARE)
		proposer_accept(node, index);
	else
		proposer_decided(node, index);
}

void proposer_on_frame(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader)
{
	for (uint32_t i = 0; i < item_count; i++) {
		struct voted voted;
		voted_get(reader, &voted);
		if (reader->err != ERR_OK)
			return;
		uint32_t job_slot = job_find(&node->jobs, voted.key.key);
		if (job_slot == JOB_NONE || voted.key.kind == REGISTER_REC)
			continue;
		struct job *job = &node->jobs.jobs[job_slot];
		uint32_t index = *proposer_slot(job, voted.key.kind);
		if (index == PROPOSAL_NONE)
			continue;
		const struct proposal *proposal = proposer_at(node, index);
		const struct arc_set *set = node_set(node, proposal->key.arc);
		int member = arc_set_find(set, from);
		bool is_in_hand = proposal->phase != PROPOSAL_BACKOFF && proposal->number == voted.number &&
		                  proposal->key.arc == voted.key.arc &&
		                  ballot_compare(&proposal->ballot, &voted.ballot) == 0;
		if (member < 0 || !is_in_hand)
			continue;
		proposer_count(node, index, (uint32_t)member, &voted);
	}
}

void proposer_on_deadline(struct node *node, uint32_t slot)
{
	uint32_t index = slot + 1;
	struct proposal *proposal = proposer_at(node, index);
	if (node->now.mono_us >= proposal->deadline_us) {
		uint32_t change = proposal->change;
		uint32_t job = proposal->job;
		if (proposal->phase == PROPOSAL_ACCEPT && proposal->key.kind == REGISTER_DEF) {
			/* Nobody waits any more, but a majority may have it: then all are to have a copy. */
			proposal->change = 0;
			proposal->deadline_us = INT64_MAX;
			proposer_send(node, index);
		} else {
			proposer_free(node, index);
			heap_set_sooner(&node->jobs.heap, job, node->now.mono_us + LEAVE_US);
		}
		change_failed(node, job, change);
		return;
	}
	if (proposal->phase == PROPOSAL_BACKOFF)
		proposer_run(node, index);
	else if (proposal->refused_mask != 0)
		/* Who refused this ballot will never take it, and who is silent may be dead: with the two there is no majority. */
		proposer_backoff(node, index);
	else
		proposer_send(node, index);
}
