/* This node's votes: one acceptor per register. All that an answer stands on is put into
 * the store in the same step, and the answer leaves after that step's commit (I2). */
#include <assert.h>
#include <string.h>

#include "agent/core/mutant.h"
#include "agent/core/state.h"

#define REGISTER_KEY_BYTES 19u
#define REGISTER_VERSION 1u
#define REGISTER_ITEMS 6u
#define REGISTER_VALUE_BYTES_MAX (WIDE_BYTES - 512u) /* the rest is for ballots and headers */

static void register_key_store(const struct register_key *key, uint8_t ret_bytes[REGISTER_KEY_BYTES])
{
	store_u16(ret_bytes, key->arc);
	ret_bytes[2] = (uint8_t)key->kind;
	memcpy(ret_bytes + 3, key->key.bytes, 16);
}

void acceptor_read(struct node *node, const struct register_key *key, struct buf *value_memory,
                   struct register_state *ret_state)
{
	memset(ret_state, 0, sizeof(*ret_state));
	uint8_t key_bytes[REGISTER_KEY_BYTES];
	register_key_store(key, key_bytes);
	buf_clear(value_memory);
	enum err err = node->store->get(node->store->context, TABLE_REGISTERS, slice_of(key_bytes, sizeof(key_bytes)),
	                                value_memory);
	if (err != ERR_OK)
		return;

	struct wire_reader reader;
	wire_reader_init(&reader, buf_slice(value_memory));
	uint32_t count = wire_get_array_min(&reader, REGISTER_ITEMS);
	uint64_t version = wire_get_u64_max(&reader, REGISTER_VERSION);
	struct register_state state = { 0 };
	state.promised = wire_get_ballot(&reader);
	state.accepted = wire_get_ballot(&reader);
	state.value = wire_get_bin(&reader, FRAME_BYTES_MAX);
	state.ends = wire_get_raw(&reader);
	state.verdicts = wire_get_raw(&reader);
	if (reader.err == ERR_OK)
		wire_skip_items(&reader, count - REGISTER_ITEMS);
	if (wire_reader_end(&reader) == ERR_OK && version == REGISTER_VERSION)
		*ret_state = state;
}

/* A register that is there but can not be read must not be voted on as if it were empty (I3). */
static bool acceptor_is_readable(struct node *node, const struct register_key *key, const struct register_state *state)
{
	if (!ballot_is_zero(&state->promised))
		return true;
	uint8_t key_bytes[REGISTER_KEY_BYTES];
	register_key_store(key, key_bytes);
	struct buf record;
	buf_init(&record, node->scratch_value, WIDE_BYTES);
	return node->store->get(node->store->context, TABLE_REGISTERS, slice_of(key_bytes, sizeof(key_bytes)), &record) ==
	       ERR_NOT_FOUND;
}

static void acceptor_put_array(struct buf *out, struct slice array)
{
	if (array.bytes == 0)
		wire_put_array(out, 0);
	else
		wire_put_raw(out, array);
}

static void acceptor_write(struct node *node, const struct register_key *key, const struct register_state *state)
{
	uint8_t key_bytes[REGISTER_KEY_BYTES];
	register_key_store(key, key_bytes);
	struct buf record;
	buf_init(&record, node->scratch_out, FRAME_BYTES_MAX);
	wire_put_array(&record, REGISTER_ITEMS);
	wire_put_u64(&record, REGISTER_VERSION);
	wire_put_ballot(&record, &state->promised);
	wire_put_ballot(&record, &state->accepted);
	wire_put_bin(&record, state->value.data, state->value.bytes);
	acceptor_put_array(&record, state->ends);
	acceptor_put_array(&record, state->verdicts);
	assert(!record.has_overflowed);
	node->store->put(node->store->context, TABLE_REGISTERS, slice_of(key_bytes, sizeof(key_bytes)), buf_slice(&record));
}

/* The counter of the definition that this voter accepted, and its value in scratch_def; 0: none. */
static uint64_t acceptor_def(struct node *node, const struct register_key *cursor_key, struct slice *ret_value)
{
	struct register_key key = { .arc = cursor_key->arc, .kind = REGISTER_DEF, .key = cursor_key->key };
	struct buf memory;
	buf_init(&memory, node->scratch_def, WIDE_BYTES);
	struct register_state state;
	acceptor_read(node, &key, &memory, &state);
	struct def_value value;
	if (state.value.bytes == 0 || def_value_get(state.value, &value) != ERR_OK)
		return 0;
	*ret_value = state.value;
	return value.counter;
}

static bool acceptor_is_early(const struct node *node, int64_t t_ms)
{
	return t_ms > node->cluster_ms + LOOKAHEAD_MS + EARLY_SLACK_MS && !mutant_is_on(MUTANT_NOEARLY);
}

/* What a voter looks at in the runs and passes that this change adds; VOTE_ACK if it finds nothing. */
static enum vote_answer acceptor_check_adds(struct node *node, const struct vote *vote, const struct cursor *cursor,
                                            struct slice *ret_def)
{
	uint64_t counter = acceptor_def(node, &vote->key, ret_def);
	for (uint32_t i = 0; i < vote->add_count; i++) {
		const struct vote_add *add = &vote->adds[i];
		if (add->def_counter < counter && !mutant_is_on(MUTANT_NOOLDDEF))
			return VOTE_OLD_DEF;
		if (acceptor_is_early(node, add->t_ms))
			return VOTE_EARLY;
		/* Without the executor's own word a retry has to wait for its lease. */
		if (add->is_retry && !add->has_word)
			return VOTE_LEASED;
	}
	/* A claim that was refused as early must not come again as a carried one: what is new here only waits. */
	uint32_t job = job_find(&node->jobs, vote->key.key);
	int64_t held_ms = job == JOB_NONE ? 0 : node->jobs.jobs[job].through_ms;
	if (cursor->through_ms > held_ms && acceptor_is_early(node, cursor->through_ms))
		return VOTE_EARLY;
	if (vote->add_count > 0 && cursor->def_counter > counter) {
		struct def_value copy;
		if (catalog_read(node, vote->key.key, &copy) != ERR_OK || copy.counter < cursor->def_counter)
			return VOTE_NEED_DEF;
	}
	return VOTE_ACK;
}

static void acceptor_prepare(struct node *node, const struct vote *vote, struct register_state *state,
                             struct voted *ret_voted)
{
	int order = ballot_compare(&vote->ballot, &state->promised);
	if (order < 0) {
		ret_voted->answer = VOTE_LOWER;
		ret_voted->other = state->promised;
		return;
	}
	if (order > 0) {
		state->promised = vote->ballot;
		acceptor_write(node, &vote->key, state);
	}
	ret_voted->answer = VOTE_PROMISE;
	ret_voted->other = state->accepted;
	ret_voted->value = state->value;
	ret_voted->ends = state->ends;
	ret_voted->verdicts = state->verdicts;
}

static struct ballot vote_next(const struct vote *vote)
{
	struct ballot next = vote->ballot;
	next.round = vote->next_round;
	return next;
}

/* Takes the value: it is what this node now has accepted, with all that travels beside it. */
static void acceptor_take(struct node *node, const struct vote *vote, struct register_state *state,
                          const struct cursor *cursor)
{
	struct ballot next = vote_next(vote);
	state->accepted = vote->ballot;
	state->value = vote->value;
	state->ends = vote->ends;
	state->verdicts = vote->verdicts;
	if (!mutant_is_on(MUTANT_NORAISE))
		state->promised = ballot_compare(&next, &vote->ballot) > 0 ? next : vote->ballot;
	acceptor_write(node, &vote->key, state);
	if (vote->key.kind != REGISTER_CUR)
		return;
	ledger_on_vote(node, vote);
	uint32_t job = job_add(&node->jobs, vote->key.key, vote->key.arc);
	if (job != JOB_NONE)
		ledger_on_cursor(node, job, cursor, vote);
}

static void acceptor_accept(struct node *node, const struct vote *vote, struct register_state *state,
                            struct voted *ret_voted)
{
	if (!ballot_is_zero(&state->accepted) && ballot_compare(&vote->ballot, &state->accepted) == 0) {
		struct ballot next = vote_next(vote);
		if (ballot_compare(&state->promised, &next) < 0 && !mutant_is_on(MUTANT_NORAISE)) {
			state->promised = next;
			acceptor_write(node, &vote->key, state);
		}
		ret_voted->answer = VOTE_ACK;
		return;
	}
	if (ballot_compare(&vote->ballot, &state->promised) < 0 && !mutant_is_on(MUTANT_LOWBALLOT)) {
		ret_voted->answer = VOTE_LOWER;
		ret_voted->other = state->promised;
		return;
	}

	struct cursor *cursor = &node->cursor_read;
	cursor_init(cursor);
	if (vote->key.kind == REGISTER_CUR) {
		if (cursor_get(vote->value, cursor) != ERR_OK) {
			ret_voted->answer = VOTE_BUSY;
			return;
		}
		ret_voted->answer = acceptor_check_adds(node, vote, cursor, &ret_voted->value);
		if (ret_voted->answer != VOTE_ACK) {
			if (ret_voted->answer != VOTE_OLD_DEF)
				ret_voted->value = (struct slice){ 0 };
			return;
		}
		ret_voted->value = (struct slice){ 0 };
	} else {
		struct def_value value;
		if (def_value_get(vote->value, &value) != ERR_OK) {
			ret_voted->answer = VOTE_BUSY;
			return;
		}
	}
	ret_voted->answer = VOTE_ACK;
	acceptor_take(node, vote, state, cursor);
}

void acceptor_judge(struct node *node, const struct vote *vote, struct buf *answer_memory, struct voted *ret_voted)
{
	*ret_voted = (struct voted){ .number = vote->number, .key = vote->key, .ballot = vote->ballot };
	const struct arc_set *set = node_set(node, vote->key.arc);
	bool is_mine = set != NULL && arc_set_find(set, node->config.id) >= 0 && node->may_vote;
	if (!is_mine || !epoch_equal(set->epoch, vote->ballot.epoch)) {
		ret_voted->answer = VOTE_NOT_SERVING;
		if (set != NULL) {
			ret_voted->other.epoch = set->epoch;
			ret_voted->member_count = set->member_count;
			memcpy(ret_voted->members, set->members, sizeof(set->members));
		}
		return;
	}

	struct register_state state;
	acceptor_read(node, &vote->key, answer_memory, &state);
	if (!acceptor_is_readable(node, &vote->key, &state)) {
		ret_voted->answer = VOTE_BUSY;
		return;
	}
	if (vote->is_accept)
		acceptor_accept(node, vote, &state, ret_voted);
	else
		acceptor_prepare(node, vote, &state, ret_voted);
}

/* Only members of the set propose, each under its own name (I4), in the arc where the key lies. A value that would not be
 * readable again here is not taken. */
static bool vote_is_from(struct node *node, const struct vote *vote, struct id128 from)
{
	const struct arc_set *set = node_set(node, vote->key.arc);
	return set != NULL && arc_set_find(set, from) >= 0 && id128_equal(vote->ballot.node, from) &&
	       !ballot_is_zero(&vote->ballot) && !id128_is_zero(vote->key.key) &&
	       place_arc(vote->key.key) == vote->key.arc && vote->key.kind != REGISTER_REC &&
	       vote->value.bytes + vote->ends.bytes + vote->verdicts.bytes <= REGISTER_VALUE_BYTES_MAX;
}

void acceptor_on_frame(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader)
{
	for (uint32_t i = 0; i < item_count; i++) {
		struct vote vote;
		vote_get(reader, &vote);
		if (reader->err != ERR_OK)
			break;
		if (!vote_is_from(node, &vote, from))
			continue;
		struct buf answer_memory;
		buf_init(&answer_memory, node->scratch_value, WIDE_BYTES);
		struct voted voted;
		acceptor_judge(node, &vote, &answer_memory, &voted);
		struct buf item;
		buf_init(&item, node->scratch_out, FRAME_BYTES_MAX);
		voted_put(&item, &voted);
		outbox_put(node, from, MESSAGE_VOTED, buf_slice(&item));
	}
}

/* A definition that is accepted here, and of which there is no copy, may be decided: that is found out. */
static void acceptor_finish_def(struct node *node, const struct register_key *cursor_key)
{
	struct slice bytes;
	struct def_value copy;
	uint64_t accepted = acceptor_def(node, cursor_key, &bytes);
	uint64_t copied = catalog_read(node, cursor_key->key, &copy) == ERR_OK ? copy.counter : 0;
	uint32_t job = accepted > copied ? job_add(&node->jobs, cursor_key->key, cursor_key->arc) : JOB_NONE;
	if (job != JOB_NONE)
		(void)proposer_start(node, job, REGISTER_DEF, 0, true);
}

void acceptor_on_start(struct node *node)
{
	uint8_t key_memory[64];
	struct buf key_bytes;
	buf_init(&key_bytes, key_memory, sizeof(key_memory));
	while (node->store->next(node->store->context, TABLE_REGISTERS, buf_slice(&key_bytes), &key_bytes, NULL) ==
	       ERR_OK) {
		if (key_bytes.bytes != REGISTER_KEY_BYTES)
			continue;
		struct register_key key = { .arc = load_u16(key_memory), .kind = REGISTER_CUR };
		memcpy(key.key.bytes, key_memory + 3, 16);
		if (key_memory[2] == REGISTER_DEF)
			acceptor_finish_def(node, &key);
		if (key_memory[2] != REGISTER_CUR)
			continue;
		struct buf memory;
		buf_init(&memory, node->scratch_value, WIDE_BYTES);
		struct register_state state;
		acceptor_read(node, &key, &memory, &state);
		if (cursor_get(state.value, &node->cursor_read) != ERR_OK)
			continue;
		uint32_t job = job_add(&node->jobs, key.key, key.arc);
		if (job != JOB_NONE)
			ledger_on_cursor(node, job, &node->cursor_read, NULL);
	}
}
