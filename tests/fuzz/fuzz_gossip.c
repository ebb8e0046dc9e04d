/* Any bytes as membership's messages: whatever is accepted is encoded, decoded and encoded again to the same bytes.
 *
 * The first byte of the input chooses: even, the rest is the payload of a datagram; odd, it is a stream frame. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/gossip.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

#define FUZZ_BYTES_MAX 65536u

static uint8_t memory[FUZZ_BYTES_MAX];
static uint8_t again_memory[FUZZ_BYTES_MAX];

static void check_record(const struct gossip_record *record)
{
	assert(record->rank <= 4);
	assert(memchr(record->name, '\0', sizeof(record->name)) != NULL);
	assert(memchr(record->version, '\0', sizeof(record->version)) != NULL);
	assert(memchr(record->zone_version, '\0', sizeof(record->zone_version)) != NULL);
	assert(record->address.family == 0 || record->address.family == 4 ||
	       record->address.family == 6);
}

/* The records that a message carries, one after the other. */
static void check_records(struct slice records)
{
	while (records.bytes > 0) {
		struct gossip_record record;
		if (gossip_record_get(&records, &record) != ERR_OK)
			return;
		check_record(&record);
		struct buf out;
		buf_init(&out, again_memory, sizeof(again_memory));
		gossip_record_put(&out, &record);
		assert(!out.has_overflowed && out.bytes <= GOSSIP_RECORD_BYTES_MAX);
	}
}

static void check_message(const struct gossip_message *message)
{
	if (message->type == GOSSIP_ALIVE)
		check_record(&message->alive);
	else if (message->type == GOSSIP_JOIN)
		check_record(&message->join.record);
	else if (message->type == GOSSIP_SYNC_RECORDS)
		check_records(message->sync_records.records);
	else if (message->type == GOSSIP_JOIN_OK)
		check_records(message->join_ok.records);
	else if (message->type == GOSSIP_REFUSED)
		assert(strlen(gossip_refusal_text(message->refused.reason)) > 0);
	else if (message->type == GOSSIP_BUSY)
		assert(message->busy.address_count <= GOSSIP_REFERRALS_MAX);
}

static void check_datagram(struct slice payload)
{
	while (payload.bytes > 0) {
		size_t bytes_before = payload.bytes;
		struct gossip_message message;
		enum err err = gossip_message_get(&payload, &message);
		assert(err != ERR_OK || payload.bytes < bytes_before);
		if (err == ERR_UNSUPPORTED) {
			assert(payload.bytes < bytes_before);
			continue;
		}
		if (err != ERR_OK)
			return;
		check_message(&message);
		struct buf out;
		struct buf again;
		buf_init(&out, memory, sizeof(memory));
		gossip_message_put(&out, &message);
		if (out.has_overflowed)
			return;
		struct slice rest = buf_slice(&out);
		err = gossip_message_get(&rest, &message);
		assert(err == ERR_OK && rest.bytes == 0);
		buf_init(&again, again_memory, sizeof(again_memory));
		gossip_message_put(&again, &message);
		assert(slice_equal(buf_slice(&out), buf_slice(&again)));
	}
}

static void check_frame(struct slice frame)
{
	struct gossip_message message;
	if (gossip_frame_get(frame, &message) != ERR_OK)
		return;
	check_message(&message);
	struct buf out;
	struct buf again;
	buf_init(&out, memory, sizeof(memory));
	gossip_frame_put(&out, &message);
	if (out.has_overflowed)
		return;
	enum err err = gossip_frame_get(buf_slice(&out), &message);
	assert(err == ERR_OK);
	buf_init(&again, again_memory, sizeof(again_memory));
	gossip_frame_put(&again, &message);
	assert(slice_equal(buf_slice(&out), buf_slice(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
	if (bytes_count < 1)
		return 0;
	if (bytes[0] % 2 == 0)
		check_datagram(slice_of(bytes + 1, bytes_count - 1));
	else
		check_frame(slice_of(bytes + 1, bytes_count - 1));
	return 0;
}
