/* Any bytes as a frame between agents: whatever a decoder accepts is encoded, decoded and encoded again, and the
 * second encoding has the same bytes as the first. Every decoded number is within what its user may rely on. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

#define FUZZ_BYTES_MAX 65536u

struct codec {
	void (*get)(struct wire_reader *reader, void *item);
	void (*put)(struct buf *out, const void *item);
	size_t item_bytes;
};

/* Two functions that take items of any type, and their codec: C cannot make them from the name in another way. */
#define CODEC(name, type, get_item, put_item)                          \
	static void get_##name(struct wire_reader *reader, void *item) \
	{                                                              \
		get_item(reader, item);                                \
	}                                                              \
	static void put_##name(struct buf *out, const void *item)      \
	{                                                              \
		put_item(out, item);                                   \
	}                                                              \
	static const struct codec codec_##name = {get_##name, put_##name, sizeof(type)}

CODEC(vote, struct vote, vote_get, vote_put);
CODEC(voted, struct voted, voted_get, voted_put);
CODEC(offer, struct offer, offer_get, offer_put);
CODEC(offered, struct offered, offered_get, offered_put);
CODEC(arm, struct arm, arm_get, arm_put);
CODEC(run_ack, struct run_ack, run_ack_get, run_ack_put);
CODEC(revoke, struct revoke, revoke_get, revoke_put);
CODEC(copy, struct copy, copy_get, copy_put);
CODEC(digest, struct digest, digest_get, digest_put);
CODEC(copy_key, struct copy_key, copy_key_get, copy_key_put);
CODEC(keys, struct keys, keys_get, keys_put);
CODEC(request, struct request, request_get, request_put);
CODEC(answer, struct answer, answer_get, answer_put);
CODEC(watch, struct watch, watch_get, watch_put);
CODEC(run, struct run_record, run_record_get, run_record_put);
CODEC(verdict, struct verdict_record, verdict_record_get, verdict_record_put);

static const struct codec *const codecs[MESSAGE_LAST + 1] = {
	[MESSAGE_VOTE] = &codec_vote,
	[MESSAGE_VOTED] = &codec_voted,
	[MESSAGE_OFFER] = &codec_offer,
	[MESSAGE_OFFERED] = &codec_offered,
	[MESSAGE_ARM] = &codec_arm,
	[MESSAGE_RUN] = &codec_run,
	[MESSAGE_RUN_ACK] = &codec_run_ack,
	[MESSAGE_REVOKE] = &codec_revoke,
	[MESSAGE_COPY] = &codec_copy,
	[MESSAGE_DIGEST] = &codec_digest,
	[MESSAGE_KEYS] = &codec_keys,
	[MESSAGE_WANT] = &codec_copy_key,
	[MESSAGE_REQUEST] = &codec_request,
	[MESSAGE_ANSWER] = &codec_answer,
	[MESSAGE_WATCH] = &codec_watch,
	[MESSAGE_NEWS] = &codec_verdict, /* rows have no codec of their own; verdicts need a place */
};

/* What the users of decoded items rely on without asking again. */
static void check_item(enum message_type type, const void *item)
{
	const struct vote *vote = item;
	const struct voted *voted = item;
	const struct run_record *run = item;
	const struct verdict_record *verdict = item;
	const struct copy *copy = item;
	const struct digest *digest = item;
	switch (type) {
	case MESSAGE_VOTE:
		assert(vote->add_count <= VOTE_ADDS_MAX && vote->key.arc < ARC_COUNT);
		break;
	case MESSAGE_VOTED:
		assert(voted->member_count <= SET_MEMBERS_MAX && voted->answer < VOTE_ANSWER_COUNT);
		break;
	case MESSAGE_OFFERED:
		assert(((const struct offered *)item)->answer < OFFER_ANSWER_COUNT);
		break;
	case MESSAGE_RUN:
		assert(run->state < RUN_STATE_COUNT && run->verdict < VERDICT_COUNT);
		assert(memchr(run->reason, '\0', sizeof(run->reason)) != NULL);
		assert(run_state_word(run->state) != NULL && verdict_word(run->verdict) != NULL);
		assert(run_state_is_final(run->state) || run->state < RUN_RELEASED);
		break;
	case MESSAGE_RUN_ACK:
		assert(((const struct run_ack *)item)->state < RUN_STATE_COUNT);
		break;
	case MESSAGE_REVOKE:
		assert(((const struct revoke *)item)->by.bytes <= USER_NAME_BYTES_MAX);
		break;
	case MESSAGE_COPY:
		assert(copy->kind >= REGISTER_DEF && copy->kind <= REGISTER_REC);
		break;
	case MESSAGE_DIGEST:
		assert(digest->sum_count == (digest->level == 0 ? 1u : 64u));
		break;
	case MESSAGE_ANSWER:
		assert(((const struct answer *)item)->kind < ANSWER_KIND_COUNT);
		break;
	case MESSAGE_NEWS:
		assert(memchr(verdict->reason, '\0', sizeof(verdict->reason)) != NULL);
		break;
	case MESSAGE_OFFER:
	case MESSAGE_ARM:
	case MESSAGE_KEYS:
	case MESSAGE_WANT:
	case MESSAGE_REQUEST:
	case MESSAGE_WATCH:
		break;
	}
}

/* A block of exactly the item's size, so that a sanitizer sees the first byte that is written past it. */
static void *new_item(const struct codec *codec)
{
	void *item = malloc(codec->item_bytes);
	assert(item != NULL);
	return item;
}

/* Encodes, decodes and encodes again. */
static void check_again(const struct codec *codec, const void *item)
{
	static uint8_t memory[FUZZ_BYTES_MAX];
	static uint8_t again_memory[FUZZ_BYTES_MAX];
	struct buf first;
	struct buf second;
	buf_init(&first, memory, sizeof(memory));
	buf_init(&second, again_memory, sizeof(again_memory));
	codec->put(&first, item);
	if (first.has_overflowed)
		return;
	struct wire_reader reader;
	wire_reader_init(&reader, buf_slice(&first));
	void *again = new_item(codec);
	codec->get(&reader, again);
	assert(wire_reader_end(&reader) == ERR_OK);
	codec->put(&second, again);
	assert(slice_equal(buf_slice(&first), buf_slice(&second)));
	free(again);
}

/* Two records of one run merge to the further of them, whichever comes first. */
static void check_merge(const struct run_record *a, const struct run_record *b)
{
	struct run_record held = *a;
	bool is_news = run_record_merge(&held, b);
	assert(held.state == (is_news ? b->state : a->state));
	assert(!run_record_merge(&held, b));
}

/* The tables' keys come back. */
static void check_store_key(const struct run_key *key)
{
	uint8_t stored[RUN_KEY_BYTES];
	struct run_key loaded;
	run_key_store(key, stored);
	enum err err = run_key_load(slice_of(stored, sizeof(stored)), &loaded);
	assert(err == ERR_OK && run_key_equal(key, &loaded));
	err = run_key_load(slice_of(stored, sizeof(stored) - 1), &loaded);
	assert(err != ERR_OK);
}

/* Runs have more to them: a record is compared with the one before it. */
static void check_run(const struct run_record *run, struct run_record *before, bool is_first)
{
	check_store_key(&run->key);
	if (!is_first)
		check_merge(before, run);
	*before = *run;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
	enum message_type type;
	uint32_t item_count;
	struct wire_reader reader;
	if (message_open(slice_of(bytes, bytes_count), &type, &item_count, &reader) != ERR_OK)
		return 0;
	const struct codec *codec = codecs[type];
	assert(codec != NULL);
	struct run_record before;
	void *item = new_item(codec);
	for (uint32_t i = 0; i < item_count; i++) {
		codec->get(&reader, item);
		if (reader.err != ERR_OK)
			break;
		check_item(type, item);
		check_again(codec, item);
		if (type == MESSAGE_RUN)
			check_run(item, &before, i == 0);
	}
	free(item);
	return 0;
}
