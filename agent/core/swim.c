/* Membership: the public functions, the dispatch of what comes in, and the one deadline. swim_internal.h has the map of
 * the other files. */
#include "agent/core/swim.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "agent/core/swim_internal.h"

static_assert(SWIM_BIRTH_BYTES_MAX == GOSSIP_BIRTH_BYTES_MAX, "what is kept can be told");

/* ---- the block ---- */

#define ALIGN_BYTES 16u

static size_t align(size_t bytes)
{
	return (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
}

size_t swim_bytes(void)
{
	return align(sizeof(struct swim)) + align(member_table_bytes()) + align(rumor_queue_bytes()) +
	       align(sizeof(uint16_t) * MEMBERS_MAX) + align(sizeof(int64_t) * MEMBERS_MAX);
}

static void add_self(struct swim *swim, const struct node_config *config)
{
	struct member_row *self;
	enum err err = member_table_add(&swim->table, config->id, &self);
	assert(err == ERR_OK);
	(void)err;
	member_table_set_name(&swim->table, self, config->name);
	self->member.address = config->address;
	self->member.meta.slots = config->slots;
	(void)snprintf(self->member.meta.version, sizeof(self->member.meta.version), "%s",
		       config->version != NULL ? config->version : "");
	(void)snprintf(self->member.meta.zone_version, sizeof(self->member.meta.zone_version), "%s",
		       config->zone_version != NULL ? config->zone_version : "");
	struct member_claim claim = {config->boot, 0, MEMBER_ALIVE};
	member_table_set_claim(&swim->table, self, &claim, 0);
}

struct swim *swim_init(void *memory, const struct node_config *config, const struct store_view *store)
{
	uint8_t *bytes = memory;
	struct swim *swim = memory;
	bytes += align(sizeof(*swim));
	member_table_init(&swim->table, bytes);
	bytes += align(member_table_bytes());
	rumor_queue_init(&swim->rumors, bytes);
	bytes += align(rumor_queue_bytes());
	swim->order = (uint16_t *)(void *)bytes;
	bytes += align(sizeof(uint16_t) * MEMBERS_MAX);
	swim->offsets = (int64_t *)(void *)bytes;

	prng_init(&swim->prng, config->prng_seed);
	swim->store = store;
	swim->id = config->id;
	swim->id_short = id128_short(config->id);
	swim->boot = config->boot;
	swim->boot_before = config->boot_before;
	swim->boot_seen_max = config->boot;
	swim->cluster = config->cluster;
	swim->address = config->address;
	swim->seed_count = config->seed_count < SEEDS_MAX ? config->seed_count : SEEDS_MAX;
	memcpy(swim->seeds, config->seeds, sizeof(swim->seeds[0]) * swim->seed_count);
	/* Packets of an earlier boot that are still under way must not match. */
	swim->seq = (uint32_t)prng_next(&swim->prng);
	swim->probe_due_us = NEVER_US;
	swim->failed_ping_due_us = NEVER_US;
	swim->suspicion_due_us = NEVER_US;
	swim->join_due_us = NEVER_US;
	swim->join_backoff_us = SWIM_JOIN_BACKOFF_US_MIN;
	add_self(swim, config);
	return swim;
}

void swim_set_birth(struct swim *swim, struct slice birth)
{
	assert(birth.bytes <= SWIM_BIRTH_BYTES_MAX);
	if (birth.bytes > 0)
		memmove(swim->birth, birth.data, birth.bytes);
	swim->birth_bytes = birth.bytes;
}

struct slice swim_birth(const struct swim *swim)
{
	return slice_of(swim->birth, swim->birth_bytes);
}

struct id128 swim_cluster(const struct swim *swim)
{
	return swim->cluster;
}

bool swim_is_isolated(const struct swim *swim)
{
	return swim->is_isolated;
}

/* ---- shared by the other files ---- */

int64_t swim_min_us(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

struct member_row *swim_self(struct swim *swim)
{
	return &swim->table.rows[0];
}

uint32_t swim_present_count(const struct swim *swim)
{
	return swim->table.rank_counts[MEMBER_ALIVE] + swim->table.rank_counts[MEMBER_SUSPECT];
}

bool swim_is_peer(const struct swim *swim, const struct member_row *row)
{
	return row != &swim->table.rows[0] && row->claim.rank <= MEMBER_SUSPECT &&
	       !row->is_restart && row->member.address.family != 0;
}

uint32_t swim_pick_peers(struct swim *swim, const struct member_row *skip, bool alive_only,
			 uint32_t count, struct member_row *ret_rows[])
{
	/* Reservoir: every fitting row has the same chance, in one walk. */
	uint32_t fitting_count = 0;
	for (uint32_t i = 1; i < swim->table.count; i++) {
		struct member_row *row = &swim->table.rows[i];
		if (row == skip || !swim_is_peer(swim, row) ||
		    (alive_only && row->claim.rank != MEMBER_ALIVE))
			continue;
		/* A suspect whose host refuses would only refuse again. */
		if (row->claim.rank == MEMBER_SUSPECT && row->suspicion.refused_bits != 0)
			continue;
		uint32_t place = fitting_count++;
		if (place >= count)
			place = (uint32_t)prng_below(&swim->prng, fitting_count);
		if (place < count)
			ret_rows[place] = row;
	}
	return fitting_count < count ? fitting_count : count;
}

/* ---- the end of every call ---- */

/* True if we may speak at all: a fresh joiner only says that it is not who was meant. */
static bool is_member(const struct swim *swim)
{
	return !id128_is_zero(swim->cluster) && !swim->is_refused;
}

static void arm_probes(struct swim *swim)
{
	bool has_others = swim_present_count(swim) > 1 && !swim->is_leaving &&
			  !id128_is_zero(swim->cluster);
	if (!has_others) {
		swim->probe_due_us = NEVER_US;
	} else if (swim->probe_due_us == NEVER_US) {
		/* The first one at a random moment, so that agents that start together do not tick together. */
		swim->probe_due_us = swim->now.mono_us +
				     (int64_t)prng_below(&swim->prng, SWIM_PERIOD_US);
		swim->heard_us = swim->now.mono_us;
	}
}

static void finish(struct swim *swim, struct effects *effects)
{
	arm_probes(swim);
	swim_join_plan(swim);
	swim_clock_update(swim);
	swim_gossip_round(swim, effects);
}

/* ---- start ---- */

void swim_start(struct swim *swim, struct clocks now, struct effects *effects)
{
	swim->now = now;
	swim->started_us = now.mono_us;
	swim->heard_us = now.mono_us;
	swim->sync_us = now.mono_us - SWIM_SYNC_US;
	swim->suspicion_window_us = now.mono_us - SWIM_PERIOD_US;
	swim->snapshot_due_us = now.mono_us + SWIM_SNAPSHOT_US;
	swim->sweep_due_us = now.mono_us;
	swim_self(swim)->member.rank_since_us = now.mono_us;
	swim_snapshot_load(swim, effects);
	swim_join_start(swim);
	swim_join_run(swim, effects);
	finish(swim, effects);
}

/* ---- datagrams ---- */

struct inbound {
	bool wants_ack;
	uint32_t ack_seq;
};

static void on_ping(struct swim *swim, const struct event *event, const struct gossip_message *message,
		    struct inbound *inbound, struct effects *effects)
{
	if (message->ping.target == swim->id_short) {
		/* Answered when the whole packet was read: what rides on the answer may refute what rides on the ping. */
		inbound->wants_ack = true;
		inbound->ack_seq = message->ping.seq;
		return;
	}
	struct gossip_message wrong_id = {
		.type = GOSSIP_WRONG_ID,
		.wrong_id = {.seq = message->ping.seq, .id = swim->id, .boot = swim->boot},
	};
	struct swim_packet packet;
	swim_packet_init(&packet);
	gossip_message_put(&packet.buf, &wrong_id);
	effects_datagram(effects, &event->datagram.from, buf_slice(&packet.buf));
}

static void send_ack(struct swim *swim, const struct event *event, uint32_t seq, struct effects *effects)
{
	int64_t lag_ms = swim->lag_us / 1000;
	struct gossip_message ack = {
		.type = GOSSIP_ACK,
		.ack = {.seq = seq,
			.boot = swim->boot,
			.incarnation = swim_self(swim)->claim.incarnation,
			.table_hash = swim->table.hash,
			.utc_ms = swim->now.utc_ms > 0 ? swim->now.utc_ms : 0,
			.lag_ms = lag_ms > UINT16_MAX ? UINT16_MAX : (uint16_t)lag_ms},
	};
	struct swim_packet packet;
	swim_packet_init(&packet);
	gossip_message_put(&packet.buf, &ack);
	/* Although we may have refuted this long ago and told it often enough: the sender has not heard. */
	if (swim->is_accused)
		swim_packet_put_self(swim, &packet);
	swim_packet_fill(swim, &packet,
			 member_table_find_short(&swim->table, event->datagram.sender_short));
	effects_datagram(effects, &event->datagram.from, buf_slice(&packet.buf));
}

/* The sender has us for suspect or worse, and asked for nothing that an answer could ride on. */
static void correct_sender(struct swim *swim, const struct event *event, struct effects *effects)
{
	struct member_row *row = member_table_find_short(&swim->table, event->datagram.sender_short);
	if (row == NULL ||
	    (row->corrected_us != 0 && swim->now.mono_us - row->corrected_us < SWIM_CORRECT_US))
		return;
	row->corrected_us = swim->now.mono_us;
	struct swim_packet packet;
	swim_packet_init(&packet);
	swim_packet_put_self(swim, &packet);
	effects_datagram(effects, &event->datagram.from, buf_slice(&packet.buf));
}

static void on_ack(struct swim *swim, const struct event *event,
		   const struct gossip_message *message, struct effects *effects)
{
	if (swim->is_leaving)
		swim_leave_on_ack(swim, message->ack.seq, effects);
	else if (!swim_admit_on_answer(swim, message->ack.seq, message->ack.boot,
				       ADMIT_HOLDER_ANSWERED, effects))
		swim_probe_on_ack(swim, event, message, effects);
}

static void on_message(struct swim *swim, const struct event *event,
		       const struct gossip_message *message, struct inbound *inbound,
		       struct effects *effects)
{
	uint64_t sender = event->datagram.sender_short;
	switch (message->type) {
	case GOSSIP_PING:
		on_ping(swim, event, message, inbound, effects);
		return;
	case GOSSIP_ACK:
		on_ack(swim, event, message, effects);
		return;
	case GOSSIP_PING_REQ:
		swim_probe_on_request(swim, event, message, effects);
		return;
	case GOSSIP_NACK:
		swim_probe_on_nack(swim, event, message, effects);
		return;
	case GOSSIP_WRONG_ID:
		if (!swim_admit_on_answer(swim, message->wrong_id.seq, message->wrong_id.boot,
					  ADMIT_HOLDER_GONE, effects))
			swim_probe_on_wrong_id(swim, event, message, effects);
		return;
	case GOSSIP_ALIVE: {
		struct gossip_record record = message->alive;
		record.rank = MEMBER_ALIVE;
		record.age_s = 0;
		swim_merge_record(swim, &record, sender, ORIGIN_GOSSIP, effects);
		return;
	}
	case GOSSIP_SUSPECT:
	case GOSSIP_DEAD:
	case GOSSIP_LEFT:
	case GOSSIP_EVICT:
		swim_merge_claim(swim, message, sender, effects);
		return;
	case GOSSIP_SYNC_BUCKETS:
		swim_sync_on_buckets(swim, event, message, effects);
		return;
	case GOSSIP_SYNC_RECORDS:
		swim_sync_on_records(swim, message->sync_records.records,
				     message->sync_records.record_count, sender, ORIGIN_SYNC, effects);
		return;
	case GOSSIP_JOIN:
	case GOSSIP_JOIN_OK:
	case GOSSIP_REFUSED:
	case GOSSIP_BUSY:
		return; /* never in a datagram: the decoder has refused it */
	}
}

void swim_on_datagram(struct swim *swim, const struct event *event, struct effects *effects)
{
	swim->now = event->now;
	if (swim->address.family == 0)
		return;
	if (event->datagram.is_refused) {
		swim_admit_refused_by_kernel(swim, &event->datagram.from, effects);
		swim_probe_refused(swim, &event->datagram.from, effects);
		finish(swim, effects);
		return;
	}
	swim_heard(swim, event->datagram.sender_short, event->datagram.boot);
	struct inbound inbound = {.wants_ack = false};
	swim->is_accused = false;
	struct slice rest = event->bytes;
	while (rest.bytes > 0) {
		struct gossip_message message;
		enum err err = gossip_message_get(&rest, &message);
		if (err == ERR_UNSUPPORTED)
			continue;
		if (err != ERR_OK) {
			effects_trace(effects, TRACE_WARN, "swim datagram refused: %s", err_text(err));
			break;
		}
		if (is_member(swim) || message.type == GOSSIP_PING)
			on_message(swim, event, &message, &inbound, effects);
	}
	/* The ALIVE of a newcomer may have come with this packet. */
	swim_heard(swim, event->datagram.sender_short, event->datagram.boot);
	if (inbound.wants_ack && is_member(swim))
		send_ack(swim, event, inbound.ack_seq, effects);
	else if (swim->is_accused && is_member(swim))
		correct_sender(swim, event, effects);
	/* Awake anyway: a probe that is due soon goes with this wake-up. */
	int64_t wait_us = swim->probe_due_us == NEVER_US ? NEVER_US
							 : swim->probe_due_us - event->now.mono_us;
	if (wait_us > 0 && wait_us <= SWIM_PULL_US)
		swim_probe_turn(swim, effects);
	finish(swim, effects);
}

/* ---- streams ---- */

bool swim_on_stream(struct swim *swim, const struct event *event, struct effects *effects)
{
	swim->now = event->now;
	swim_heard(swim, id128_short(event->stream.node), event->stream.boot);
	if (event->bytes.bytes == 0 || event->bytes.data[0] < GOSSIP_SYNC_RECORDS ||
	    event->bytes.data[0] > GOSSIP_BUSY)
		return false;
	struct gossip_message message;
	enum err err = gossip_frame_get(event->bytes, &message);
	if (err != ERR_OK) {
		if (err == ERR_UNSUPPORTED && message.type == GOSSIP_JOIN)
			swim_admit_refuse(event->stream.connection, GOSSIP_REFUSAL_VERSION, effects,
					  "this agent speaks version %u", GOSSIP_VERSION);
		effects_trace(effects, TRACE_WARN, "swim frame refused: %s", err_text(err));
		return true;
	}
	if (message.type == GOSSIP_JOIN)
		swim_admit_on_join(swim, event, &message, effects);
	else if (message.type == GOSSIP_JOIN_OK)
		swim_join_on_ok(swim, event, &message, effects);
	else if (message.type == GOSSIP_REFUSED)
		swim_join_on_refused(swim, event, &message, effects);
	else if (message.type == GOSSIP_BUSY)
		swim_join_on_busy(swim, event, &message);
	else if (is_member(swim))
		swim_sync_on_records(
			swim, message.sync_records.records, message.sync_records.record_count,
			id128_short(event->stream.node),
			event->stream.connection == swim->told_connection ? ORIGIN_TOLD : ORIGIN_SYNC,
			effects);
	finish(swim, effects);
	return true;
}

void swim_on_stream_down(struct swim *swim, const struct event *event, struct effects *effects)
{
	swim->now = event->now;
	bool was_join = swim_join_on_down(swim, event);
	struct member_row *row = member_table_find(&swim->table, event->stream.node);
	if (!was_join && row != NULL && row->claim.boot == event->stream.boot)
		swim_probe_hint(swim, row, effects);
	else if (!was_join && row != NULL && event->stream.is_refused)
		swim_probe_hint(swim, row, effects);
	finish(swim, effects);
}

void swim_hint(struct swim *swim, struct clocks now, struct id128 id, struct effects *effects)
{
	swim->now = now;
	struct member_row *row = member_table_find(&swim->table, id);
	if (row != NULL)
		swim_probe_hint(swim, row, effects);
	finish(swim, effects);
}

void swim_set_meta(struct swim *swim, struct clocks now, const struct member_meta *meta)
{
	swim->now = now;
	struct member_row *self = swim_self(swim);
	if (memcmp(&self->member.meta, meta, sizeof(*meta)) == 0 || swim->is_leaving)
		return;
	member_table_touch(&swim->table, self);
	self->member.meta = *meta;
	/* Sent with the next round, which the deadline asks for. */
	swim_raise_own(swim, self->claim.incarnation + 1, RUMOR_ALIVE);
}

/* ---- time ---- */

static void look_isolated(struct swim *swim, struct effects *effects)
{
	bool is_isolated = swim->probe_due_us != NEVER_US &&
			   swim->now.mono_us - swim->heard_us > SWIM_ISOLATED_US;
	if (is_isolated != swim->is_isolated)
		effects_trace(effects, TRACE_WARN,
			      is_isolated ? "swim isolated: nobody is heard"
					  : "swim not isolated any more");
	swim->is_isolated = is_isolated;
}

/* Our own loop stood still: what timed out meanwhile timed out because of us, and the answers may still be in the
 * socket. */
static void guard_lag(struct swim *swim, int64_t lag_us, struct effects *effects)
{
	swim->lag_us = lag_us;
	if (lag_us <= SWIM_LAG_US)
		return;
	swim_health_add(swim, (lag_us + SWIM_PERIOD_US - 1) / SWIM_PERIOD_US);
	swim_suspicions_extend(swim, lag_us);
	swim->heard_us = swim_min_us(swim->heard_us + lag_us, swim->now.mono_us);
	for (uint32_t i = 0; i < SWIM_ADMISSIONS_MAX; i++)
		swim->admissions[i].start_us += lag_us;
	if (lag_us <= SWIM_PERIOD_US) {
		swim_probe_extend(swim, lag_us);
		return;
	}
	effects_trace(effects, TRACE_WARN, "swim late lag_ms=%lld", (long long)lag_us / 1000);
	swim_probe_void(swim);
	struct member_row *peer;
	if (is_member(swim) && !swim->is_leaving && swim_pick_peers(swim, NULL, true, 1, &peer) == 1)
		swim_sync_ask(swim, &peer->member.address, false, effects);
}

void swim_on_deadline(struct swim *swim, struct clocks now, struct effects *effects)
{
	int64_t due_us = swim_next_deadline_us(swim);
	swim->now = now;
	if (now.mono_us < due_us)
		return;
	if (due_us < swim->started_us)
		due_us = swim->started_us;
	guard_lag(swim, now.mono_us - due_us, effects);
	look_isolated(swim, effects);
	swim_leave_run(swim, effects);
	if (!swim->is_leaving) {
		swim_admit_run(swim, effects);
		swim_probe_run(swim, effects);
		swim_suspicions_run(swim, effects);
		swim_join_run(swim, effects);
		swim_sweep(swim);
	}
	if (swim->table.unsaved_count > 0 && now.mono_us >= swim->snapshot_due_us)
		swim_snapshot_save(swim);
	finish(swim, effects);
}

int64_t swim_next_deadline_us(const struct swim *swim)
{
	if (swim->has_exited || (swim->address.family == 0 && !swim->is_leaving))
		return NODE_DEADLINE_NONE;
	if (swim->is_leaving)
		return swim_leave_deadline_us(swim);
	int64_t due_us = swim_min_us(swim_probe_deadline_us(swim), swim_admit_deadline_us(swim));
	due_us = swim_min_us(due_us, swim->suspicion_due_us);
	due_us = swim_min_us(due_us, swim_gossip_deadline_us(swim));
	due_us = swim_min_us(due_us, swim_join_deadline_us(swim));
	/* While probes tick, the snapshot goes with one of them. */
	if (swim->table.unsaved_count > 0 && swim->probe_due_us == NEVER_US)
		due_us = swim_min_us(due_us, swim->snapshot_due_us);
	return due_us;
}

/* ---- what the owner asks ---- */

bool swim_next_change(struct swim *swim, struct swim_change *ret_change)
{
	if (swim->tells_joined) {
		swim->tells_joined = false;
		*ret_change = (struct swim_change){.type = SWIM_CHANGE_JOINED, .id = swim->id};
		return true;
	}
	if (swim->tells_rolled_back) {
		swim->tells_rolled_back = false;
		*ret_change = (struct swim_change){.type = SWIM_CHANGE_ROLLED_BACK,
						   .id = swim->id,
						   .text = swim->rolled_back_text};
		return true;
	}
	if (swim->tells_refused) {
		swim->tells_refused = false;
		*ret_change = (struct swim_change){
			.type = SWIM_CHANGE_REFUSED, .id = swim->id, .text = swim->refused_text};
		return true;
	}
	const struct member_row *row = member_table_next_changed(&swim->table);
	if (row == NULL)
		return false;
	*ret_change = (struct swim_change){.type = SWIM_CHANGE_MEMBER,
					   .id = row->member.id,
					   .rank_before = row->rank_before,
					   .boot_before = row->boot_before};
	return true;
}

uint32_t swim_member_count(const struct swim *swim)
{
	return swim->table.count;
}

const struct member *swim_member_at(const struct swim *swim, uint32_t index)
{
	assert(index < swim->table.count);
	return &swim->table.rows[index].member;
}

static const struct member *member_of(const struct member_row *row)
{
	return row == NULL ? NULL : &row->member;
}

const struct member *swim_member_find(const struct swim *swim, struct id128 id)
{
	return member_of(member_table_find(&swim->table, id));
}

const struct member *swim_member_find_name(const struct swim *swim, struct slice name)
{
	const struct member_row *row = member_table_find_name(&swim->table, name, MEMBER_SUSPECT, NULL);
	if (row == NULL)
		row = member_table_find_name(&swim->table, name, MEMBER_EVICTED, NULL);
	return member_of(row);
}

const struct member *swim_member_find_short(const struct swim *swim, uint64_t id_short)
{
	return member_of(member_table_find_short(&swim->table, id_short));
}

uint32_t swim_alive_count(const struct swim *swim)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < swim->table.count; i++)
		count += swim->table.rows[i].member.rank == MEMBER_ALIVE;
	return count;
}
