/* Anti-entropy: every PING and ACK carries the digest of the table. Where it differs and rumors do not explain it, the
 * two exchange the sums of 256 buckets and then the records of those that differ. */
#include <assert.h>

#include "agent/core/swim_internal.h"

/* Records on their way to one receiver, as datagrams and, when they get too many, as frames of a stream. */
struct record_run {
	struct buf buf;
	uint32_t count;
	uint32_t packet_count;
	uint8_t bytes[DATAGRAM_PAYLOAD_BYTES_MAX - 16u]; /* leaves room for the heads of message and array */
};

void swim_sync_ask(struct swim *swim, const struct address *to, bool is_reply, struct effects *effects)
{
	struct gossip_message message = {.type = GOSSIP_SYNC_BUCKETS,
					 .sync_buckets = {.is_reply = is_reply}};
	for (uint32_t i = 0; i < GOSSIP_BUCKETS; i++)
		message.sync_buckets.buckets[i] = (uint32_t)swim->table.buckets[i];
	struct swim_packet packet;
	swim_packet_init(&packet);
	gossip_message_put(&packet.buf, &message);
	assert(!packet.buf.has_overflowed);
	effects_datagram(effects, to, buf_slice(&packet.buf));
}

void swim_sync_compare(struct swim *swim, struct member_row *row, uint64_t hash, struct effects *effects)
{
	if (hash == swim->table.hash || swim->is_leaving)
		return;
	int64_t since_us = swim->now.mono_us - swim->sync_us;
	if (since_us < SWIM_SYNC_US || (swim->rumors.count > 0 && since_us < SWIM_SYNC_QUIET_US))
		return;
	swim->sync_us = swim->now.mono_us;
	swim_sync_ask(swim, &row->member.address, false, effects);
}

static void run_send(struct record_run *run, const struct event *event,
		     const struct member_row *peer, struct effects *effects)
{
	if (run->count == 0)
		return;
	struct gossip_message message = {
		.type = GOSSIP_SYNC_RECORDS,
		.sync_records = {.record_count = run->count, .records = buf_slice(&run->buf)},
	};
	struct swim_packet packet;
	swim_packet_init(&packet);
	if (run->packet_count < SWIM_SYNC_PACKETS_MAX) {
		gossip_message_put(&packet.buf, &message);
		assert(!packet.buf.has_overflowed);
		effects_datagram(effects, &event->datagram.from, buf_slice(&packet.buf));
	} else if (peer != NULL) {
		gossip_frame_put(&packet.buf, &message);
		assert(!packet.buf.has_overflowed);
		effects_stream(effects, peer->member.id, &peer->member.address, buf_slice(&packet.buf));
	}
	/* More for somebody unknown: the next exchange goes on, when it is known. */
	run->packet_count++;
	run->count = 0;
	buf_clear(&run->buf);
}

void swim_sync_on_buckets(struct swim *swim, const struct event *event,
			  const struct gossip_message *message, struct effects *effects)
{
	struct member_row *peer = member_table_find_short(&swim->table, event->datagram.sender_short);
	if (peer != NULL) {
		if (peer->sync_us != 0 && swim->now.mono_us - peer->sync_us < SWIM_SYNC_PEER_US)
			return;
		peer->sync_us = swim->now.mono_us;
	}
	struct record_run run = {.count = 0};
	buf_init(&run.buf, run.bytes, sizeof(run.bytes));
	for (uint32_t i = 0; i < swim->table.count; i++) {
		const struct member_row *row = &swim->table.rows[i];
		uint8_t bucket = row->member.id.bytes[15];
		if ((uint32_t)swim->table.buckets[bucket] == message->sync_buckets.buckets[bucket] ||
		    !row->is_hashed)
			continue;
		if (buf_left(&run.buf) < GOSSIP_RECORD_BYTES_MAX)
			run_send(&run, event, peer, effects);
		struct gossip_record record;
		swim_row_to_record(swim, row, &record);
		gossip_record_put(&run.buf, &record);
		assert(!run.buf.has_overflowed);
		run.count++;
	}
	run_send(&run, event, peer, effects);
	if (!message->sync_buckets.is_reply)
		swim_sync_ask(swim, &event->datagram.from, true, effects);
}

void swim_sync_on_records(struct swim *swim, struct slice records, uint32_t count, uint64_t sender,
			  enum swim_origin origin, struct effects *effects)
{
	for (uint32_t i = 0; i < count; i++) {
		struct gossip_record record;
		enum err err = gossip_record_get(&records, &record);
		/* The decoder has walked them all before. */
		assert(err == ERR_OK);
		if (err != ERR_OK)
			return;
		swim_merge_record(swim, &record, sender, origin, effects);
	}
}
