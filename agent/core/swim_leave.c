/* Leaving: LEFT goes to a few peers until three have acknowledged it, then the process ends; they tell the rest. */
#include <assert.h>

#include "agent/core/swim_internal.h"

static void leave_end(struct swim *swim, struct effects *effects)
{
	if (swim->has_exited)
		return;
	swim->has_exited = true;
	swim_snapshot_save(swim);
	effects_exit(effects, 0, "left the cluster");
}

static void leave_send(struct swim *swim, struct effects *effects)
{
	struct gossip_message left;
	swim_row_to_message(swim, swim_self(swim), &left);
	assert(left.type == GOSSIP_LEFT);
	for (uint32_t i = 0; i < swim->leave_peer_count; i++) {
		const struct swim_leave_peer *peer = &swim->leave_peers[i];
		if (peer->is_acked)
			continue;
		/* A ping travels with it, and its ACK comes only after the whole packet was read. */
		struct gossip_message ping = {
			.type = GOSSIP_PING,
			.ping = {.seq = peer->seq,
				 .target = peer->id_short,
				 .boot = swim->boot,
				 .incarnation = swim_self(swim)->claim.incarnation,
				 .table_hash = swim->table.hash},
		};
		struct swim_packet packet;
		swim_packet_init(&packet);
		gossip_message_put(&packet.buf, &ping);
		gossip_message_put(&packet.buf, &left);
		assert(!packet.buf.has_overflowed);
		effects_datagram(effects, &peer->address, buf_slice(&packet.buf));
	}
	swim->leave_resend_us = swim->now.mono_us + SWIM_LEAVE_RESEND_US;
}

static uint32_t leave_peers_wanted(uint32_t member_count)
{
	uint32_t wanted = 3;
	for (; member_count > 1; member_count /= 2)
		wanted++;
	return wanted < SWIM_LEAVE_PEERS_MAX ? wanted : SWIM_LEAVE_PEERS_MAX;
}

void swim_leave(struct swim *swim, struct clocks now, bool is_restart, struct effects *effects)
{
	swim->now = now;
	if (swim->is_leaving)
		return;
	swim->is_leaving = true;
	swim_probe_void(swim);
	struct member_row *self = swim_self(swim);
	self->is_restart = is_restart;
	self->member.meta.flags |= MEMBER_FLAG_DRAINING;
	struct member_claim claim = self->claim;
	claim.rank = is_restart ? MEMBER_SUSPECT : MEMBER_LEFT;
	/* Above whatever is being said about us at this moment. */
	claim.incarnation++;
	member_table_set_claim(&swim->table, self, &claim, now.mono_us);

	struct member_row *rows[SWIM_LEAVE_PEERS_MAX];
	uint32_t count = swim_pick_peers(swim, NULL, true,
					 leave_peers_wanted(swim_present_count(swim)), rows);
	for (uint32_t i = 0; i < count; i++)
		swim->leave_peers[swim->leave_peer_count++] = (struct swim_leave_peer){
			.id_short = id128_short(rows[i]->member.id),
			.seq = ++swim->seq,
			.address = rows[i]->member.address,
		};
	swim->leave_end_us = now.mono_us + SWIM_LEAVE_US;
	if (count == 0)
		leave_end(swim, effects);
	else
		leave_send(swim, effects);
}

void swim_leave_on_ack(struct swim *swim, uint32_t seq, struct effects *effects)
{
	if (!swim->is_leaving)
		return;
	uint32_t acked_count = 0;
	for (uint32_t i = 0; i < swim->leave_peer_count; i++) {
		if (swim->leave_peers[i].seq == seq)
			swim->leave_peers[i].is_acked = true;
		acked_count += swim->leave_peers[i].is_acked;
	}
	uint32_t wanted = swim->leave_peer_count < SWIM_LEAVE_ACKS ? swim->leave_peer_count
								   : SWIM_LEAVE_ACKS;
	if (acked_count >= wanted)
		leave_end(swim, effects);
}

void swim_leave_run(struct swim *swim, struct effects *effects)
{
	if (!swim->is_leaving || swim->has_exited)
		return;
	if (swim->now.mono_us >= swim->leave_end_us)
		leave_end(swim, effects);
	else if (swim->now.mono_us >= swim->leave_resend_us)
		leave_send(swim, effects);
}

int64_t swim_leave_deadline_us(const struct swim *swim)
{
	if (!swim->is_leaving || swim->has_exited)
		return NEVER_US;
	return swim_min_us(swim->leave_end_us, swim->leave_resend_us);
}
