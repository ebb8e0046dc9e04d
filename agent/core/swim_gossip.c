/* What goes out: packing a datagram, and the rounds of gossip, which tick only while there is something to tell. */
#include <assert.h>

#include "agent/core/swim_internal.h"

#define MESSAGE_BYTES_MAX 320u /* the longest that rides along is ALIVE */
static_assert(GOSSIP_RECORD_BYTES_MAX + 3 <= MESSAGE_BYTES_MAX, "ALIVE fits");

void swim_packet_init(struct swim_packet *packet)
{
	buf_init(&packet->buf, packet->bytes, sizeof(packet->bytes));
}

/* False: it does not fit, and nothing was put. */
static bool packet_put_row(const struct swim *swim, struct swim_packet *packet,
			   const struct member_row *row, size_t bytes_max)
{
	uint8_t bytes[MESSAGE_BYTES_MAX];
	struct buf buf;
	buf_init(&buf, bytes, sizeof(bytes));
	struct gossip_message message;
	swim_row_to_message(swim, row, &message);
	gossip_message_put(&buf, &message);
	assert(!buf.has_overflowed);
	if (packet->buf.bytes + buf.bytes > bytes_max)
		return false;
	buf_put(&packet->buf, buf.data, buf.bytes);
	return true;
}

/* Puts the picked rumors until bytes_max is used; returns how many of them were dealt with. */
static uint32_t packet_put_rumors(struct swim *swim, struct swim_packet *packet,
				  const struct member_row *receiver, const uint16_t *subjects,
				  uint32_t count, size_t bytes_max)
{
	uint32_t sends_max = rumor_sends_max(swim_present_count(swim));
	for (uint32_t i = 0; i < count; i++) {
		struct member_row *row = &swim->table.rows[subjects[i]];
		/* What is said about the receiver has been put first; that it lives it knows itself. Neither counts as
		 * told, unless there is nobody else to tell. */
		if (row == receiver && swim_present_count(swim) > 2)
			continue;
		if (row != receiver && !packet_put_row(swim, packet, row, bytes_max))
			return i;
		rumor_sent(&swim->rumors, subjects[i], sends_max);
	}
	return count;
}

void swim_packet_fill(struct swim *swim, struct swim_packet *packet, const struct member_row *row)
{
	size_t bytes_max = sizeof(packet->bytes);
	if (row != NULL && row->claim.rank != MEMBER_ALIVE)
		(void)packet_put_row(swim, packet, row, bytes_max);
	if (swim->rumors.count == 0)
		return;
	uint16_t urgent[RUMOR_PICK_MAX];
	uint16_t calm[RUMOR_PICK_MAX];
	uint32_t urgent_count = rumor_pick(&swim->rumors, true, urgent);
	uint32_t calm_count = rumor_pick(&swim->rumors, false, calm);
	/* A quarter of what is left stays for the calm ones, so that a flood of failures cannot hide a newcomer. */
	size_t left = bytes_max - packet->buf.bytes;
	size_t urgent_max = calm_count > 0 ? bytes_max - left / 4 : bytes_max;
	uint32_t put_count = packet_put_rumors(swim, packet, row, urgent, urgent_count, urgent_max);
	(void)packet_put_rumors(swim, packet, row, calm, calm_count, bytes_max);
	(void)packet_put_rumors(swim, packet, row, urgent + put_count, urgent_count - put_count,
				bytes_max);
}

void swim_packet_put_self(struct swim *swim, struct swim_packet *packet)
{
	(void)packet_put_row(swim, packet, swim_self(swim), sizeof(packet->bytes));
}

void swim_send(struct swim *swim, const struct gossip_message *message, const struct address *to,
	       const struct member_row *row, struct effects *effects)
{
	struct swim_packet packet;
	swim_packet_init(&packet);
	gossip_message_put(&packet.buf, message);
	assert(!packet.buf.has_overflowed);
	swim_packet_fill(swim, &packet, row);
	effects_datagram(effects, to, buf_slice(&packet.buf));
}

int64_t swim_gossip_deadline_us(const struct swim *swim)
{
	if (swim->rumors.count == 0 || swim_present_count(swim) < 2 || swim->is_leaving ||
	    swim->is_refused)
		return NEVER_US;
	return swim->gossip_due_us;
}

void swim_gossip_round(struct swim *swim, struct effects *effects)
{
	if (swim->now.mono_us < swim_gossip_deadline_us(swim))
		return;
	struct member_row *peers[SWIM_GOSSIP_PEERS];
	uint32_t count = swim_pick_peers(swim, NULL, false, SWIM_GOSSIP_PEERS, peers);
	bool is_anything_told = false;
	for (uint32_t i = 0; i < count; i++) {
		struct swim_packet packet;
		swim_packet_init(&packet);
		swim_packet_fill(swim, &packet, peers[i]);
		if (packet.buf.bytes == 0)
			continue;
		is_anything_told = true;
		effects_datagram(effects, &peers[i]->member.address, buf_slice(&packet.buf));
	}
	/* With nobody to tell (all others are away for a restart) there is no hurry. */
	swim->gossip_due_us = swim->now.mono_us + (is_anything_told ? SWIM_GOSSIP_US : SWIM_PERIOD_US);
}
