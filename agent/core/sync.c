/* Anti-entropy of decided definitions: every ten seconds the root of a tree of sums is compared with a
 * random live member.
 *
 *   level 0   root                 equal: nothing is answered
 *   level 1   64 groups            the differing ones go on
 *   level 2   64 leaves of a group the differing arcs exchange (key, counter), then the copies themselves
 *
 * A sum is the XOR of H(key, counter) over an arc, a group, or all, so that a change costs two terms. Level 1 and 2 answer
 * one another down the tree; `wants_answer` is in a question that its receiver answers with its own sums or keys. */
#include <assert.h>
#include <string.h>

#include "agent/core/state.h"
#include "proto/hash.h"

#define SYNC_EVERY_US (10 * INT64_C(1000000))
#define COPY_KEY_BYTES 19u
#define ARC_KEYS_MAX 8192u /* of one arc in one frame; a million jobs have 250 */

void sync_count(struct node *node, uint16_t arc, struct id128 key, uint64_t counter_before,
		uint64_t counter_now)
{
	uint64_t term[2];
	if (counter_before != 0) {
		hash_digest(key, counter_before, term);
		node->sums[arc][0] ^= term[0];
		node->sums[arc][1] ^= term[1];
	}
	if (counter_now != 0) {
		hash_digest(key, counter_now, term);
		node->sums[arc][0] ^= term[0];
		node->sums[arc][1] ^= term[1];
	}
}

/* ---- sums ---- */

static void sum_arcs(const struct node *node, uint32_t first, uint32_t count, uint64_t ret_sum[2])
{
	ret_sum[0] = 0;
	ret_sum[1] = 0;
	for (uint32_t arc = first; arc < first + count; arc++) {
		ret_sum[0] ^= node->sums[arc][0];
		ret_sum[1] ^= node->sums[arc][1];
	}
}

static void digest_fill(const struct node *node, uint8_t level, uint16_t index, struct digest *ret_digest)
{
	*ret_digest = (struct digest){.level = level, .index = index, .wants_answer = true};
	if (level == 0) {
		ret_digest->sum_count = 1;
		sum_arcs(node, 0, ARC_COUNT, ret_digest->sums[0]);
		return;
	}
	uint32_t arcs = level == 1 ? DIGEST_LEAVES : 1;
	uint32_t first = level == 1 ? 0 : (uint32_t)index * DIGEST_LEAVES;
	ret_digest->sum_count = DIGEST_GROUPS;
	for (uint32_t i = 0; i < DIGEST_GROUPS; i++)
		sum_arcs(node, first + i * arcs, arcs, ret_digest->sums[i]);
}

static void send_digest(struct node *node, struct id128 to, uint8_t level, uint16_t index)
{
	struct digest digest;
	digest_fill(node, level, index, &digest);
	uint8_t memory[DIGEST_GROUPS * 16 + 64];
	struct buf item;
	buf_init(&item, memory, sizeof(memory));
	digest_put(&item, &digest);
	assert(!item.has_overflowed);
	outbox_put(node, to, MESSAGE_DIGEST, buf_slice(&item));
}

/* ---- whom, and when ---- */

/* A random live member that is not this node; zero: there is none. */
static struct id128 sync_partner(struct node *node)
{
	struct id128 nobody = {{0}};
	uint32_t count = swim_member_count(node->swim);
	if (count <= 1)
		return nobody;
	uint32_t start = (uint32_t)prng_below(&node->prng, count);
	for (uint32_t i = 0; i < count; i++) {
		const struct member *member = swim_member_at(node->swim, (start + i) % count);
		if (member->rank == MEMBER_ALIVE && !id128_equal(member->id, node->config.id))
			return member->id;
	}
	return nobody;
}

void sync_on_start(struct node *node)
{
	sync_on_deadline(node);
}

void sync_on_members_changed(struct node *node)
{
	if (node->sync_due_us == INT64_MAX && swim_alive_count(node->swim) > 1)
		node->sync_due_us = node->now.mono_us + (int64_t)prng_below(&node->prng, SYNC_EVERY_US);
}

void sync_on_deadline(struct node *node)
{
	struct id128 partner = sync_partner(node);
	/* Alone there is nobody to compare with, and no reason to wake. */
	node->sync_due_us = id128_is_zero(partner) ? INT64_MAX : node->now.mono_us + SYNC_EVERY_US;
	if (!id128_is_zero(partner))
		send_digest(node, partner, 0, 0);
}

/* ---- keys ---- */

static void copy_place(struct buf *place, uint16_t arc)
{
	uint8_t bytes[2];
	store_u16(bytes, arc);
	buf_clear(place);
	buf_put(place, bytes, sizeof(bytes));
}

/* The next copy of the arc; false: there are no more. */
static bool copy_next(struct node *node, uint16_t arc, struct buf *place, struct copy_key *ret_key)
{
	struct buf record;
	buf_init(&record, node->scratch_def, WIDE_BYTES);
	while (node->store->next(node->store->context, TABLE_COPIES, buf_slice(place), place,
				 &record) == ERR_OK) {
		if (place->bytes != COPY_KEY_BYTES || load_u16(place->data) != arc)
			return false;
		if (record.bytes < 8)
			continue;
		ret_key->kind = (enum register_kind)place->data[2];
		memcpy(ret_key->key.bytes, place->data + 3, sizeof(ret_key->key.bytes));
		ret_key->counter = load_u64(record.data);
		return true;
	}
	return false;
}

static void send_keys(struct node *node, struct id128 to, uint16_t arc, bool wants_answer)
{
	uint8_t place_memory[64];
	struct buf place, entries, item;
	buf_init(&place, place_memory, sizeof(place_memory));
	copy_place(&place, arc);
	buf_init(&entries, node->scratch_out, FRAME_BYTES_MAX / 2);
	struct wire_map array = wire_array_begin(&entries);
	struct copy_key key;
	for (uint32_t count = 0; count < ARC_KEYS_MAX && copy_next(node, arc, &place, &key); count++) {
		copy_key_put(&entries, &key);
		wire_array_item(&array);
	}
	wire_array_end(&array, &entries);
	struct keys keys = {.arc = arc, .wants_answer = wants_answer, .entries = buf_slice(&entries)};
	buf_init(&item, node->scratch_out + FRAME_BYTES_MAX / 2, FRAME_BYTES_MAX / 2);
	keys_put(&item, &keys);
	if (!entries.has_overflowed && !item.has_overflowed)
		outbox_put(node, to, MESSAGE_KEYS, buf_slice(&item));
}

static void send_want(struct node *node, struct id128 to, const struct copy_key *key)
{
	uint8_t memory[64];
	struct buf item;
	buf_init(&item, memory, sizeof(memory));
	copy_key_put(&item, key);
	outbox_put(node, to, MESSAGE_WANT, buf_slice(&item));
}

/* ---- answers ---- */

static void on_digest(struct node *node, struct id128 from, const struct digest *theirs)
{
	struct digest ours;
	digest_fill(node, theirs->level, theirs->index, &ours);
	bool is_differing = false;
	for (uint32_t i = 0; i < theirs->sum_count; i++) {
		if (ours.sums[i][0] == theirs->sums[i][0] && ours.sums[i][1] == theirs->sums[i][1])
			continue;
		is_differing = true;
		if (theirs->level == 1)
			send_digest(node, from, 2, (uint16_t)i);
		else if (theirs->level == 2)
			send_keys(node, from, (uint16_t)(theirs->index * DIGEST_LEAVES + i), true);
	}
	if (is_differing && theirs->level == 0)
		send_digest(node, from, 1, 0);
}

/* The counter that this node has a copy with; 0: none. */
static uint64_t counter_held(struct node *node, struct id128 key)
{
	struct def_value value;
	return catalog_read(node, key, &value) == ERR_OK ? value.counter : 0;
}

static bool keys_have(struct slice entries, const struct copy_key *key)
{
	struct wire_reader reader;
	wire_reader_init(&reader, entries);
	uint32_t count = wire_get_array(&reader, ARC_KEYS_MAX);
	for (uint32_t i = 0; i < count && reader.err == ERR_OK; i++) {
		struct copy_key entry;
		copy_key_get(&reader, &entry);
		if (reader.err == ERR_OK && entry.kind == key->kind && id128_equal(entry.key, key->key))
			return true;
	}
	return false;
}

/* What the other one does not have at all. */
static void send_unknown(struct node *node, struct id128 to, const struct keys *keys)
{
	uint8_t memory[64];
	struct buf place;
	struct copy_key key;
	buf_init(&place, memory, sizeof(memory));
	copy_place(&place, keys->arc);
	for (uint32_t count = 0; count < ARC_KEYS_MAX && copy_next(node, keys->arc, &place, &key);
	     count++)
		if (key.kind == REGISTER_DEF && !keys_have(keys->entries, &key))
			catalog_send(node, to, key.key);
}

static void on_keys(struct node *node, struct id128 from, const struct keys *keys)
{
	struct wire_reader reader;
	wire_reader_init(&reader, keys->entries);
	uint32_t count = wire_get_array(&reader, ARC_KEYS_MAX);
	for (uint32_t i = 0; i < count && reader.err == ERR_OK; i++) {
		struct copy_key key;
		copy_key_get(&reader, &key);
		if (reader.err != ERR_OK || key.kind != REGISTER_DEF || place_arc(key.key) != keys->arc)
			continue;
		uint64_t held = counter_held(node, key.key);
		if (key.counter > held)
			send_want(node, from, &key);
		else if (key.counter < held)
			catalog_send(node, from, key.key);
	}
	if (keys->wants_answer)
		send_unknown(node, from, keys);
}

void sync_on_frame(struct node *node, struct id128 from, enum message_type type,
		   uint32_t item_count, struct wire_reader *reader)
{
	for (uint32_t i = 0; i < item_count && reader->err == ERR_OK; i++) {
		struct digest digest;
		struct keys keys;
		struct copy_key key;
		if (type == MESSAGE_DIGEST) {
			digest_get(reader, &digest);
			if (reader->err == ERR_OK)
				on_digest(node, from, &digest);
		} else if (type == MESSAGE_KEYS) {
			keys_get(reader, &keys);
			if (reader->err == ERR_OK)
				on_keys(node, from, &keys);
		} else {
			copy_key_get(reader, &key);
			if (reader->err == ERR_OK && key.kind == REGISTER_DEF)
				catalog_send(node, from, key.key);
		}
	}
}
