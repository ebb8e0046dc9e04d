/* Encoding of the messages between agents: positional arrays, bounded, extra trailing items skipped. */
#include "proto/message.h"

#include <assert.h>
#include <string.h>

#define MESSAGE_VERSION 1u

/* Proof that the fuzz target finds an overflow: with -DPLANTED_OVERFLOW=4 a set may have too many members. */
#if defined(PLANTED_OVERFLOW) && PLANTED_OVERFLOW == 4
#define MEMBERS_TAKEN_MAX (SET_MEMBERS_MAX + 8u)
#else
#define MEMBERS_TAKEN_MAX SET_MEMBERS_MAX
#endif

/* Every item is an array; these begin and end one, so that later versions may add fields. */
struct item {
	uint32_t extra;
};

static struct item item_begin(struct wire_reader *reader, uint32_t field_count)
{
	uint32_t count = wire_get_array_min(reader, field_count);
	return (struct item){.extra = reader->err == ERR_OK ? count - field_count : 0};
}

static void item_end(struct wire_reader *reader, struct item item)
{
	if (reader->err == ERR_OK)
		wire_skip_items(reader, item.extra);
}

void message_begin(struct buf *out, enum message_type type, uint32_t item_count)
{
	buf_put_u8(out, (uint8_t)type);
	wire_put_array(out, 2);
	wire_put_u64(out, MESSAGE_VERSION);
	wire_put_array(out, item_count);
}

enum err message_open(struct slice frame, enum message_type *ret_type, uint32_t *ret_item_count,
		      struct wire_reader *ret_reader)
{
	if (frame.bytes < 1)
		return ERR_TRUNCATED;
	if (frame.data[0] < MESSAGE_VOTE || frame.data[0] > MESSAGE_LAST)
		return ERR_UNSUPPORTED;

	struct wire_reader reader;
	wire_reader_init(&reader, slice_of(frame.data + 1, frame.bytes - 1));
	uint32_t field_count = wire_get_array_min(&reader, 2);
	uint64_t version = wire_get_u64(&reader);
	uint32_t item_count = wire_get_array(&reader, WIRE_ITEMS_MAX);
	(void)field_count;
	if (reader.err != ERR_OK)
		return reader.err;
	if (version != MESSAGE_VERSION)
		return ERR_UNSUPPORTED;
	*ret_type = (enum message_type)frame.data[0];
	*ret_item_count = item_count;
	*ret_reader = reader;
	return ERR_OK;
}

static void register_key_put(struct buf *out, const struct register_key *key)
{
	wire_put_u64(out, key->arc);
	wire_put_u64(out, key->kind);
	wire_put_id(out, key->key);
}

static enum register_kind kind_get(struct wire_reader *reader)
{
	uint64_t kind = wire_get_u64_max(reader, REGISTER_REC);
	if (kind < REGISTER_DEF && reader->err == ERR_OK)
		reader->err = ERR_RANGE;
	return (enum register_kind)kind;
}

static void register_key_get(struct wire_reader *reader, struct register_key *ret_key)
{
	ret_key->arc = (uint16_t)wire_get_u64_max(reader, ARC_COUNT - 1);
	ret_key->kind = kind_get(reader);
	ret_key->key = wire_get_id(reader);
}

static void vote_add_put(struct buf *out, const struct vote_add *add)
{
	wire_put_array(out, 5);
	wire_put_bool(out, add->is_pass);
	wire_put_bool(out, add->is_retry);
	wire_put_bool(out, add->has_word);
	wire_put_i64(out, add->t_ms);
	wire_put_u64(out, add->def_counter);
}

static void vote_add_get(struct wire_reader *reader, struct vote_add *ret_add)
{
	struct item item = item_begin(reader, 5);
	ret_add->is_pass = wire_get_bool(reader);
	ret_add->is_retry = wire_get_bool(reader);
	ret_add->has_word = wire_get_bool(reader);
	ret_add->t_ms = wire_get_i64(reader);
	ret_add->def_counter = wire_get_u64(reader);
	item_end(reader, item);
}

/* A borrowed array value that another decoder will walk; an absent one is written as an empty array. */
static void raw_array_put(struct buf *out, struct slice array)
{
	if (array.bytes == 0)
		wire_put_array(out, 0);
	else
		wire_put_raw(out, array);
}

static struct slice raw_array_get(struct wire_reader *reader)
{
	if (reader->err == ERR_OK && wire_peek(reader) != WIRE_ARRAY)
		reader->err = ERR_INVALID;
	return wire_get_raw(reader);
}

void vote_put(struct buf *out, const struct vote *vote)
{
	wire_put_array(out, vote->is_accept ? 11 : 6);
	wire_put_bool(out, vote->is_accept);
	wire_put_u64(out, vote->number);
	register_key_put(out, &vote->key);
	wire_put_ballot(out, &vote->ballot);
	if (!vote->is_accept)
		return;
	wire_put_bin(out, vote->value.data, vote->value.bytes);
	wire_put_u64(out, vote->next_round);
	assert(vote->add_count <= VOTE_ADDS_MAX);
	wire_put_array(out, vote->add_count);
	for (uint32_t i = 0; i < vote->add_count; i++)
		vote_add_put(out, &vote->adds[i]);
	raw_array_put(out, vote->ends);
	raw_array_put(out, vote->verdicts);
}

void vote_get(struct wire_reader *reader, struct vote *ret_vote)
{
	memset(ret_vote, 0, sizeof(*ret_vote));
	uint32_t count = wire_get_array_min(reader, 6);
	ret_vote->is_accept = wire_get_bool(reader);
	ret_vote->number = wire_get_u64(reader);
	register_key_get(reader, &ret_vote->key);
	ret_vote->ballot = wire_get_ballot(reader);
	uint32_t read = 6;
	if (ret_vote->is_accept) {
		if (count < 11 && reader->err == ERR_OK)
			reader->err = ERR_TRUNCATED;
		ret_vote->value = wire_get_bin(reader, FRAME_BYTES_MAX);
		ret_vote->next_round = wire_get_u64(reader);
		ret_vote->add_count = wire_get_array(reader, VOTE_ADDS_MAX);
		for (uint32_t i = 0; i < ret_vote->add_count; i++)
			vote_add_get(reader, &ret_vote->adds[i]);
		ret_vote->ends = raw_array_get(reader);
		ret_vote->verdicts = raw_array_get(reader);
		read = 11;
	}
	if (reader->err == ERR_OK)
		wire_skip_items(reader, count - read);
}

#define VOTED_ITEMS 11u

void voted_put(struct buf *out, const struct voted *voted)
{
	wire_put_array(out, VOTED_ITEMS);
	wire_put_u64(out, voted->number);
	register_key_put(out, &voted->key);
	wire_put_ballot(out, &voted->ballot);
	wire_put_u64(out, voted->answer);
	wire_put_ballot(out, &voted->other);
	wire_put_bin(out, voted->value.data, voted->value.bytes);
	assert(voted->member_count <= SET_MEMBERS_MAX);
	wire_put_array(out, voted->member_count);
	for (uint32_t i = 0; i < voted->member_count; i++)
		wire_put_id(out, voted->members[i]);
	raw_array_put(out, voted->ends);
	raw_array_put(out, voted->verdicts);
}

void voted_get(struct wire_reader *reader, struct voted *ret_voted)
{
	memset(ret_voted, 0, sizeof(*ret_voted));
	struct item item = item_begin(reader, VOTED_ITEMS);
	ret_voted->number = wire_get_u64(reader);
	register_key_get(reader, &ret_voted->key);
	ret_voted->ballot = wire_get_ballot(reader);
	ret_voted->answer = (enum vote_answer)wire_get_u64_max(reader, VOTE_ANSWER_COUNT - 1);
	ret_voted->other = wire_get_ballot(reader);
	ret_voted->value = wire_get_bin(reader, FRAME_BYTES_MAX);
	ret_voted->member_count = wire_get_array(reader, MEMBERS_TAKEN_MAX);
	for (uint32_t i = 0; i < ret_voted->member_count; i++)
		ret_voted->members[i] = wire_get_id(reader);
	ret_voted->ends = raw_array_get(reader);
	ret_voted->verdicts = raw_array_get(reader);
	item_end(reader, item);
}

void offer_put(struct buf *out, const struct offer *offer)
{
	wire_put_array(out, 2);
	wire_put_run_key(out, &offer->run);
	wire_put_u64(out, offer->def_counter);
}

void offer_get(struct wire_reader *reader, struct offer *ret_offer)
{
	struct item item = item_begin(reader, 2);
	ret_offer->run = wire_get_run_key(reader);
	ret_offer->def_counter = wire_get_u64(reader);
	item_end(reader, item);
}

void offered_put(struct buf *out, const struct offered *offered)
{
	wire_put_array(out, 2);
	wire_put_run_key(out, &offered->run);
	wire_put_u64(out, offered->answer);
}

void offered_get(struct wire_reader *reader, struct offered *ret_offered)
{
	struct item item = item_begin(reader, 2);
	ret_offered->run = wire_get_run_key(reader);
	ret_offered->answer = (enum offer_answer)wire_get_u64_max(reader, OFFER_ANSWER_COUNT - 1);
	item_end(reader, item);
}

void arm_put(struct buf *out, const struct arm *arm)
{
	wire_put_array(out, 5);
	wire_put_run_key(out, &arm->run);
	wire_put_u64(out, arm->def_counter);
	wire_put_i64(out, arm->start_in_us);
	wire_put_i64(out, arm->deadline_in_us);
	wire_put_i64(out, arm->claimed_ms);
}

void arm_get(struct wire_reader *reader, struct arm *ret_arm)
{
	struct item item = item_begin(reader, 5);
	ret_arm->run = wire_get_run_key(reader);
	ret_arm->def_counter = wire_get_u64(reader);
	ret_arm->start_in_us = wire_get_i64(reader);
	ret_arm->deadline_in_us = wire_get_i64(reader);
	ret_arm->claimed_ms = wire_get_i64(reader);
	item_end(reader, item);
}

void run_ack_put(struct buf *out, const struct run_ack *ack)
{
	wire_put_array(out, 4);
	wire_put_run_key(out, &ack->run);
	wire_put_u64(out, ack->state);
	wire_put_bool(out, ack->is_gone);
	wire_put_i64(out, ack->armed_ms);
}

void run_ack_get(struct wire_reader *reader, struct run_ack *ret_ack)
{
	struct item item = item_begin(reader, 4);
	ret_ack->run = wire_get_run_key(reader);
	ret_ack->state = (enum run_state)wire_get_u64_max(reader, RUN_STATE_COUNT - 1);
	ret_ack->is_gone = wire_get_bool(reader);
	ret_ack->armed_ms = wire_get_i64(reader);
	item_end(reader, item);
}

void revoke_put(struct buf *out, const struct revoke *revoke)
{
	wire_put_array(out, 3);
	wire_put_run_key(out, &revoke->run);
	wire_put_u64(out, revoke->kind);
	wire_put_str(out, revoke->by.data, revoke->by.bytes);
}

void revoke_get(struct wire_reader *reader, struct revoke *ret_revoke)
{
	struct item item = item_begin(reader, 3);
	ret_revoke->run = wire_get_run_key(reader);
	ret_revoke->kind = (enum revoke_kind)wire_get_u64_max(reader, REVOKE_CANCEL);
	ret_revoke->by = wire_get_str(reader, USER_NAME_BYTES_MAX);
	item_end(reader, item);
}

void copy_put(struct buf *out, const struct copy *copy)
{
	wire_put_array(out, 4);
	wire_put_u64(out, copy->kind);
	wire_put_id(out, copy->key);
	wire_put_u64(out, copy->counter);
	wire_put_bin(out, copy->value.data, copy->value.bytes);
}

void copy_get(struct wire_reader *reader, struct copy *ret_copy)
{
	struct item item = item_begin(reader, 4);
	ret_copy->kind = kind_get(reader);
	ret_copy->key = wire_get_id(reader);
	ret_copy->counter = wire_get_u64(reader);
	ret_copy->value = wire_get_bin(reader, FRAME_BYTES_MAX);
	item_end(reader, item);
}

void digest_put(struct buf *out, const struct digest *digest)
{
	assert(digest->sum_count <= 64);
	wire_put_array(out, 4);
	wire_put_u64(out, digest->level);
	wire_put_u64(out, digest->index);
	wire_put_bool(out, digest->wants_answer);
	uint8_t bytes[64 * 16];
	for (uint32_t i = 0; i < digest->sum_count; i++) {
		store_u64(bytes + i * 16, digest->sums[i][0]);
		store_u64(bytes + i * 16 + 8, digest->sums[i][1]);
	}
	wire_put_bin(out, bytes, digest->sum_count * 16);
}

void digest_get(struct wire_reader *reader, struct digest *ret_digest)
{
	memset(ret_digest, 0, sizeof(*ret_digest));
	struct item item = item_begin(reader, 4);
	ret_digest->level = (uint8_t)wire_get_u64_max(reader, 2);
	ret_digest->index = (uint16_t)wire_get_u64_max(reader, DIGEST_GROUPS - 1);
	ret_digest->wants_answer = wire_get_bool(reader);
	struct slice sums = wire_get_bin(reader, 64 * 16);
	size_t sum_count_wanted = ret_digest->level == 0 ? 1 : 64;
	if (reader->err == ERR_OK && sums.bytes != sum_count_wanted * 16)
		reader->err = ERR_RANGE;
	if (reader->err == ERR_OK) {
		ret_digest->sum_count = (uint32_t)sum_count_wanted;
		for (uint32_t i = 0; i < ret_digest->sum_count; i++) {
			ret_digest->sums[i][0] = load_u64(sums.data + i * 16);
			ret_digest->sums[i][1] = load_u64(sums.data + i * 16 + 8);
		}
	}
	item_end(reader, item);
}

void copy_key_put(struct buf *out, const struct copy_key *key)
{
	wire_put_array(out, 3);
	wire_put_u64(out, key->kind);
	wire_put_id(out, key->key);
	wire_put_u64(out, key->counter);
}

void copy_key_get(struct wire_reader *reader, struct copy_key *ret_key)
{
	struct item item = item_begin(reader, 3);
	ret_key->kind = kind_get(reader);
	ret_key->key = wire_get_id(reader);
	ret_key->counter = wire_get_u64(reader);
	item_end(reader, item);
}

void keys_put(struct buf *out, const struct keys *keys)
{
	wire_put_array(out, 3);
	wire_put_u64(out, keys->arc);
	wire_put_bool(out, keys->wants_answer);
	raw_array_put(out, keys->entries);
}

void keys_get(struct wire_reader *reader, struct keys *ret_keys)
{
	struct item item = item_begin(reader, 3);
	ret_keys->arc = (uint16_t)wire_get_u64_max(reader, ARC_COUNT - 1);
	ret_keys->wants_answer = wire_get_bool(reader);
	ret_keys->entries = raw_array_get(reader);
	item_end(reader, item);
}

/* A value that must be one map. */
static struct slice map_get(struct wire_reader *reader)
{
	if (reader->err == ERR_OK && wire_peek(reader) != WIRE_MAP)
		reader->err = ERR_INVALID;
	return wire_get_raw(reader);
}

void request_put(struct buf *out, const struct request *request)
{
	wire_put_array(out, 4);
	wire_put_u64(out, request->id);
	wire_put_str(out, request->verb.data, request->verb.bytes);
	wire_put_str(out, request->user.data, request->user.bytes);
	wire_put_raw(out, request->arguments);
}

void request_get(struct wire_reader *reader, struct request *ret_request)
{
	struct item item = item_begin(reader, 4);
	ret_request->id = wire_get_u64(reader);
	ret_request->verb = wire_get_str(reader, 32);
	ret_request->user = wire_get_str(reader, USER_NAME_BYTES_MAX);
	ret_request->arguments = map_get(reader);
	item_end(reader, item);
}

void answer_put(struct buf *out, const struct answer *answer)
{
	wire_put_array(out, 3);
	wire_put_u64(out, answer->id);
	wire_put_u64(out, answer->kind);
	wire_put_raw(out, answer->body);
}

void answer_get(struct wire_reader *reader, struct answer *ret_answer)
{
	struct item item = item_begin(reader, 3);
	ret_answer->id = wire_get_u64(reader);
	ret_answer->kind = (enum answer_kind)wire_get_u64_max(reader, ANSWER_KIND_COUNT - 1);
	ret_answer->body = map_get(reader);
	item_end(reader, item);
}

void watch_put(struct buf *out, const struct watch *watch)
{
	wire_put_array(out, 3);
	wire_put_i64(out, watch->last_ms);
	wire_put_bool(out, watch->wants_rows);
	wire_put_bool(out, watch->wants_all);
}

void watch_get(struct wire_reader *reader, struct watch *ret_watch)
{
	struct item item = item_begin(reader, 3);
	ret_watch->last_ms = wire_get_i64(reader);
	ret_watch->wants_rows = wire_get_bool(reader);
	ret_watch->wants_all = wire_get_bool(reader);
	item_end(reader, item);
}
