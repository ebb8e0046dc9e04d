/* Failure detection: one ping per period in a shuffled order, helpers when it is not answered, and the fast path when
 * the kernel of the other host says that nobody listens. */
#include <assert.h>

#include "agent/core/swim_internal.h"

static int64_t period_us(const struct swim *swim)
{
	return SWIM_PERIOD_US * (1 + (int64_t)swim->health);
}

void swim_health_add(struct swim *swim, int64_t points)
{
	int64_t health = (int64_t)swim->health + points;
	if (health < 0)
		health = 0;
	swim->health = health > (int64_t)SWIM_HEALTH_MAX ? SWIM_HEALTH_MAX : (uint32_t)health;
}

int64_t swim_direct_us(const struct swim *swim, const struct member_row *row)
{
	int64_t timeout_us = SWIM_DIRECT_US_MAX;
	if (row != NULL && row->member.round_trip_us > 0)
		timeout_us = 4 * row->member.round_trip_us;
	if (timeout_us < SWIM_DIRECT_US_MIN)
		timeout_us = SWIM_DIRECT_US_MIN;
	if (timeout_us > SWIM_DIRECT_US_MAX)
		timeout_us = SWIM_DIRECT_US_MAX;
	return timeout_us * (1 + (int64_t)swim->health);
}

void swim_ping(struct swim *swim, uint32_t seq, uint64_t target, const struct address *address,
	       struct member_row *row, struct effects *effects)
{
	struct gossip_message ping = {
		.type = GOSSIP_PING,
		.ping = {.seq = seq,
			 .target = target,
			 .boot = swim->boot,
			 .incarnation = swim_self(swim)->claim.incarnation,
			 .table_hash = swim->table.hash},
	};
	swim_send(swim, &ping, address, row, effects);
}

/* ---- whose turn it is ---- */

void swim_order_shuffle(struct swim *swim)
{
	swim->order_count = swim->table.count - 1;
	swim->order_next = 0;
	for (uint32_t i = 0; i < swim->order_count; i++) {
		uint32_t other = (uint32_t)prng_below(&swim->prng, i + 1);
		swim->order[i] = swim->order[other];
		swim->order[other] = (uint16_t)(i + 1);
	}
}

/* A newcomer gets a random place in what is left of this round (SWIM 4.3). */
void swim_order_insert(struct swim *swim, uint32_t index)
{
	uint32_t last = swim->order_count++;
	uint32_t place = swim->order_next +
			 (uint32_t)prng_below(&swim->prng, last - swim->order_next + 1);
	swim->order[last] = swim->order[place];
	swim->order[place] = (uint16_t)index;
}

/* A ping or an answer from a member is as good as a probe of it. In a small cluster nearly everybody is heard in every
 * period, so this finds the one that fell silent a period earlier than its turn would. Now and then each is asked all the
 * same: only an answer tells its round trip and its clock. */
static struct member_row *longest_unheard(struct swim *swim)
{
	struct member_row *best = NULL;
	int64_t best_us = INT64_MAX;
	bool best_is_due = false;
	for (uint32_t i = 1; i < swim->table.count; i++) {
		struct member_row *row = &swim->table.rows[i];
		if (!swim_is_peer(swim, row))
			continue;
		bool is_due = row->probed_us == 0 ||
			      swim->now.mono_us - row->probed_us > SWIM_MEASURE_US;
		int64_t seen_us = row->probed_us;
		if (!is_due && row->member.heard_us > seen_us)
			seen_us = row->member.heard_us;
		if (is_due < best_is_due || (is_due == best_is_due && seen_us >= best_us))
			continue;
		best = row;
		best_us = seen_us;
		best_is_due = is_due;
	}
	return best;
}

static struct member_row *next_target(struct swim *swim)
{
	if (swim_present_count(swim) <= SWIM_SMALL_CLUSTER)
		return longest_unheard(swim);
	for (uint32_t tries = 0; tries < 2 * swim->order_count; tries++) {
		if (swim->order_next >= swim->order_count)
			swim_order_shuffle(swim);
		struct member_row *row = &swim->table.rows[swim->order[swim->order_next++]];
		if (swim_is_peer(swim, row))
			return row;
	}
	return NULL;
}

/* ---- one probe ---- */

static void probe_begin(struct swim *swim, struct swim_probe *probe, struct member_row *row,
			struct effects *effects)
{
	*probe = (struct swim_probe){
		.phase = PROBE_DIRECT,
		.target = row->member.id,
		.address = row->member.address,
		.seq = ++swim->seq,
		.sent_us = swim->now.mono_us,
		.sent_utc_ms = swim->now.utc_ms,
		.timer_us = swim->now.mono_us + swim_direct_us(swim, row),
		.end_us = swim->now.mono_us + period_us(swim),
	};
	swim_ping(swim, probe->seq, id128_short(probe->target), &probe->address, row, effects);
}

static void probe_succeed(struct swim *swim, struct swim_probe *probe)
{
	probe->phase = PROBE_IDLE;
	swim_health_add(swim, -1);
}

/* Refused by us and by a helper, if there was one to ask, or by two helpers. One alone may sit behind a firewall. */
static bool probe_is_refused(const struct swim_probe *probe)
{
	uint8_t bits = probe->refused_bits;
	if (probe->is_refused)
		return probe->helper_count == 0 || bits != 0;
	return (bits & (uint8_t)(bits - 1)) != 0;
}

static void probe_fail(struct swim *swim, struct swim_probe *probe, struct effects *effects)
{
	probe->phase = PROBE_IDLE;
	struct member_row *row = member_table_find(&swim->table, probe->target);
	bool is_alone_in_silence = probe->helper_count > 0 && probe->nack_bits == 0;
	if (is_alone_in_silence)
		swim_health_add(swim, 1);
	if (row == NULL || !swim_is_peer(swim, row) ||
	    !address_equal(&row->member.address, &probe->address))
		return;
	/* Neither the target nor a helper nor anybody else: first ask ourselves (Lifeguard). */
	if (is_alone_in_silence && !probe->is_refused && swim->heard_us <= probe->sent_us)
		return;
	swim_suspect(swim, row, probe_is_refused(probe), probe, effects);
}

/* No use in waiting longer. */
static void probe_settle(struct swim *swim, struct swim_probe *probe, struct effects *effects)
{
	if (probe->phase == PROBE_INDIRECT && probe_is_refused(probe))
		probe_fail(swim, probe, effects);
}

static void probe_ask_helpers(struct swim *swim, struct swim_probe *probe, struct effects *effects)
{
	struct member_row *target = member_table_find(&swim->table, probe->target);
	struct member_row *helpers[SWIM_HELPERS_MAX];
	uint32_t count = swim_pick_peers(swim, target, true, SWIM_HELPERS_MAX, helpers);
	int64_t budget_us = probe->end_us - swim->now.mono_us - SWIM_BUDGET_SLACK_US;
	probe->phase = PROBE_INDIRECT;
	probe->timer_us = probe->end_us;
	for (uint32_t i = 0; i < count && budget_us > 0; i++) {
		probe->helpers[probe->helper_count++] = id128_short(helpers[i]->member.id);
		struct gossip_message request = {
			.type = GOSSIP_PING_REQ,
			.ping_req = {.seq = probe->seq,
				     .target = id128_short(probe->target),
				     .address = probe->address,
				     .budget_ms = (uint16_t)(budget_us / 1000)},
		};
		swim_send(swim, &request, &helpers[i]->member.address, helpers[i], effects);
	}
	probe_settle(swim, probe, effects);
}

static void probe_run(struct swim *swim, struct swim_probe *probe, struct effects *effects)
{
	if (probe->phase == PROBE_IDLE || swim->now.mono_us < probe->timer_us)
		return;
	if (probe->phase == PROBE_DIRECT)
		probe_ask_helpers(swim, probe, effects);
	else
		probe_fail(swim, probe, effects);
}

void swim_probe_void(struct swim *swim)
{
	for (uint32_t i = 0; i < SWIM_PROBES_MAX; i++)
		swim->probes[i].phase = PROBE_IDLE;
	for (uint32_t i = 0; i < SWIM_RELAYS_MAX; i++)
		swim->relays[i].is_active = false;
}

void swim_probe_extend(struct swim *swim, int64_t by_us)
{
	for (uint32_t i = 0; i < SWIM_PROBES_MAX; i++) {
		swim->probes[i].timer_us += by_us;
		swim->probes[i].end_us += by_us;
	}
}

/* ---- hints ---- */

void swim_probe_hint(struct swim *swim, struct member_row *row, struct effects *effects)
{
	if (!swim_is_peer(swim, row) || swim->is_leaving)
		return;
	if (row->hint_us != 0 && swim->now.mono_us - row->hint_us < SWIM_PERIOD_US)
		return;
	struct swim_probe *free_probe = NULL;
	for (uint32_t i = 0; i < SWIM_PROBES_MAX; i++) {
		struct swim_probe *probe = &swim->probes[i];
		if (probe->phase != PROBE_IDLE && id128_equal(probe->target, row->member.id))
			return;
		if (i > 0 && probe->phase == PROBE_IDLE)
			free_probe = probe;
	}
	/* With all of them busy the turn will come to it; a hint is never more than a hint. */
	if (free_probe == NULL)
		return;
	row->hint_us = swim->now.mono_us;
	probe_begin(swim, free_probe, row, effects);
}

static void nack_send(struct swim *swim, uint32_t seq, enum gossip_nack reason,
		      const struct address *to, struct effects *effects)
{
	struct gossip_message nack = {.type = GOSSIP_NACK, .nack = {.seq = seq, .reason = reason}};
	swim_send(swim, &nack, to, NULL, effects);
}

void swim_probe_refused(struct swim *swim, const struct address *address, struct effects *effects)
{
	/* That somebody's kernel answers proves that our own network works. */
	swim->heard_us = swim->now.mono_us;
	bool is_known = false;
	for (uint32_t i = 0; i < SWIM_PROBES_MAX; i++) {
		struct swim_probe *probe = &swim->probes[i];
		if (probe->phase == PROBE_IDLE || !address_equal(&probe->address, address))
			continue;
		is_known = true;
		probe->is_refused = true;
		if (probe->phase == PROBE_DIRECT)
			probe_ask_helpers(swim, probe, effects);
		else
			probe_settle(swim, probe, effects);
	}
	for (uint32_t i = 0; i < SWIM_RELAYS_MAX; i++) {
		struct swim_relay *relay = &swim->relays[i];
		if (!relay->is_active || relay->is_nacked ||
		    !address_equal(&relay->target_address, address))
			continue;
		is_known = true;
		relay->is_active = false;
		nack_send(swim, relay->asked_seq, GOSSIP_NACK_REFUSED, &relay->asker, effects);
	}
	if (is_known)
		return;
	struct member_row *row = member_table_find_address(&swim->table, address, MEMBER_ALIVE,
							   swim_self(swim));
	if (row != NULL)
		swim_probe_hint(swim, row, effects);
}

/* ---- answers ---- */

static struct swim_probe *probe_of_seq(struct swim *swim, uint32_t seq)
{
	for (uint32_t i = 0; i < SWIM_PROBES_MAX; i++)
		if (swim->probes[i].phase != PROBE_IDLE && swim->probes[i].seq == seq)
			return &swim->probes[i];
	return NULL;
}

static struct swim_relay *relay_of_seq(struct swim *swim, uint32_t seq)
{
	for (uint32_t i = 0; i < SWIM_RELAYS_MAX; i++)
		if (swim->relays[i].is_active && swim->relays[i].seq == seq)
			return &swim->relays[i];
	return NULL;
}

static int helper_of(const struct swim_probe *probe, uint64_t sender)
{
	for (int i = 0; i < probe->helper_count; i++)
		if (probe->helpers[i] == sender)
			return i;
	return -1;
}

/* Round trip and clock of the member that answered a ping of ours. */
static void measure(struct swim *swim, struct member_row *row, const struct swim_probe *probe,
		    const struct gossip_message *message)
{
	int64_t round_trip_us = swim->now.mono_us - probe->sent_us;
	if (round_trip_us < 1)
		round_trip_us = 1;
	int64_t before_us = row->member.round_trip_us;
	row->member.round_trip_us = before_us == 0 ? round_trip_us
						   : before_us + (round_trip_us - before_us) / 8;
	/* A slow answer says little about the clock: the way may have been slow in one direction only. */
	bool is_slow = row->member.has_clock_offset && before_us != 0 && round_trip_us > 2 * before_us + 1000;
	/* One of seconds lay in the socket of somebody who was paused. */
	if (is_slow || round_trip_us > SWIM_PERIOD_US)
		return;
	int64_t middle_ms = probe->sent_utc_ms + round_trip_us / 2000;
	int64_t offset_ms = message->ack.utc_ms - middle_ms;
	if (row->member.has_clock_offset && row->member.clock_offset_ms == offset_ms)
		return;
	row->member.has_clock_offset = true;
	row->member.clock_offset_ms = offset_ms;
	swim->is_clock_stale = true;
}

void swim_probe_on_ack(struct swim *swim, const struct event *event,
		       const struct gossip_message *message, struct effects *effects)
{
	uint64_t sender = event->datagram.sender_short;
	struct swim_probe *probe = probe_of_seq(swim, message->ack.seq);
	if (probe != NULL) {
		struct member_row *row = member_table_find(&swim->table, probe->target);
		bool is_direct = id128_short(probe->target) == sender;
		if (!is_direct && helper_of(probe, sender) < 0)
			return;
		if (is_direct && row != NULL)
			measure(swim, row, probe, message);
		probe_succeed(swim, probe);
		if (is_direct && row != NULL)
			swim_sync_compare(swim, row, message->ack.table_hash, effects);
		return;
	}
	struct swim_relay *relay = relay_of_seq(swim, message->ack.seq);
	if (relay == NULL || relay->target != sender)
		return;
	relay->is_active = false;
	struct gossip_message passed_on = *message;
	passed_on.ack.seq = relay->asked_seq;
	swim_send(swim, &passed_on, &relay->asker, NULL, effects);
}

void swim_probe_on_nack(struct swim *swim, const struct event *event,
			const struct gossip_message *message, struct effects *effects)
{
	struct swim_probe *probe = probe_of_seq(swim, message->nack.seq);
	if (probe == NULL)
		return;
	int helper = helper_of(probe, event->datagram.sender_short);
	if (helper < 0)
		return;
	probe->nack_bits |= (uint8_t)(1u << helper);
	switch (message->nack.reason) {
	case GOSSIP_NACK_TIMEOUT:
		return;
	case GOSSIP_NACK_REFUSED:
		probe->refused_bits |= (uint8_t)(1u << helper);
		if (!probe->is_refused && !probe->is_sent_again) {
			/* Our own ping, or its refusal, may have been lost. */
			probe->is_sent_again = true;
			swim_ping(swim, probe->seq, id128_short(probe->target), &probe->address,
				  member_table_find(&swim->table, probe->target), effects);
		}
		probe_settle(swim, probe, effects);
		return;
	case GOSSIP_NACK_BUSY:
		/* The helper could not ask: nothing was learnt about the target. */
		probe->phase = PROBE_IDLE;
		return;
	}
}

void swim_probe_on_wrong_id(struct swim *swim, const struct event *event,
			    const struct gossip_message *message, struct effects *effects)
{
	struct swim_probe *probe = probe_of_seq(swim, message->wrong_id.seq);
	if (probe == NULL || !address_equal(&probe->address, &event->datagram.from))
		return;
	struct member_row *row = member_table_find(&swim->table, probe->target);
	probe->phase = PROBE_IDLE;
	/* Another agent lives at that address, so the old one is gone from it; had it moved, its ALIVE would tell. */
	if (row != NULL && address_equal(&row->member.address, &probe->address))
		swim_declare_dead(swim, row, effects);
}

/* ---- on behalf of others ---- */

void swim_probe_on_request(struct swim *swim, const struct event *event,
			   const struct gossip_message *message, struct effects *effects)
{
	struct swim_relay *relay = NULL;
	for (uint32_t i = 0; i < SWIM_RELAYS_MAX && relay == NULL; i++)
		if (!swim->relays[i].is_active)
			relay = &swim->relays[i];
	if (relay == NULL || message->ping_req.address.family == 0) {
		nack_send(swim, message->ping_req.seq, GOSSIP_NACK_BUSY, &event->datagram.from, effects);
		return;
	}
	int64_t budget_us = (int64_t)message->ping_req.budget_ms * 1000;
	*relay = (struct swim_relay){
		.is_active = true,
		.seq = ++swim->seq,
		.asked_seq = message->ping_req.seq,
		.target = message->ping_req.target,
		.target_address = message->ping_req.address,
		.asker = event->datagram.from,
		/* At 80 % of the budget that was carried, so that the word is back in time. */
		.nack_us = swim->now.mono_us + budget_us * 4 / 5,
		.end_us = swim->now.mono_us + budget_us,
	};
	struct member_row *row = member_table_find_short(&swim->table, relay->target);
	swim_ping(swim, relay->seq, relay->target, &relay->target_address, row, effects);
}

static void relay_run(struct swim *swim, struct swim_relay *relay, struct effects *effects)
{
	if (!relay->is_active)
		return;
	if (!relay->is_nacked && swim->now.mono_us >= relay->nack_us) {
		relay->is_nacked = true;
		nack_send(swim, relay->asked_seq, GOSSIP_NACK_TIMEOUT, &relay->asker, effects);
	}
	if (swim->now.mono_us >= relay->end_us)
		relay->is_active = false;
}

/* ---- timers ---- */

void swim_failed_ping_plan(struct swim *swim)
{
	uint32_t failed_count = swim->table.rank_counts[MEMBER_DEAD];
	if (failed_count == 0 || swim->failed_ping_due_us != NEVER_US)
		return;
	int64_t wait_us = SWIM_FAILED_PING_US * swim_present_count(swim) / failed_count;
	if (wait_us < SWIM_PERIOD_US)
		wait_us = SWIM_PERIOD_US;
	/* Spread, or the whole cluster would knock at once. */
	swim->failed_ping_due_us = swim->now.mono_us + wait_us / 2 +
				   (int64_t)prng_below(&swim->prng, (uint64_t)wait_us);
}

/* Failed members are tried so that each hears of us once in ten seconds, whoever of us it is. */
static void ping_failed(struct swim *swim, struct effects *effects)
{
	uint32_t failed_count = swim->table.rank_counts[MEMBER_DEAD];
	if (failed_count == 0)
		swim->failed_ping_due_us = NEVER_US;
	if (swim->now.mono_us < swim->failed_ping_due_us)
		return;
	uint32_t chosen = (uint32_t)prng_below(&swim->prng, failed_count);
	for (uint32_t i = 1; i < swim->table.count; i++) {
		struct member_row *row = &swim->table.rows[i];
		if (row->claim.rank != MEMBER_DEAD || chosen-- > 0)
			continue;
		if (row->member.address.family != 0)
			swim_ping(swim, ++swim->seq, id128_short(row->member.id),
				  &row->member.address, row, effects);
		break;
	}
	swim->failed_ping_due_us = NEVER_US;
	swim_failed_ping_plan(swim);
}

void swim_probe_turn(struct swim *swim, struct effects *effects)
{
	if (swim->probe_due_us == NEVER_US)
		return;
	swim->probe_due_us += period_us(swim);
	if (swim->probe_due_us <= swim->now.mono_us)
		swim->probe_due_us = swim->now.mono_us + period_us(swim);
	struct swim_probe *probe = &swim->probes[0];
	if (probe->phase != PROBE_IDLE)
		return;
	struct member_row *row = next_target(swim);
	if (row == NULL)
		return;
	row->probed_us = swim->now.mono_us;
	probe_begin(swim, probe, row, effects);
}

void swim_probe_run(struct swim *swim, struct effects *effects)
{
	for (uint32_t i = 0; i < SWIM_PROBES_MAX; i++)
		probe_run(swim, &swim->probes[i], effects);
	for (uint32_t i = 0; i < SWIM_RELAYS_MAX; i++)
		relay_run(swim, &swim->relays[i], effects);
	if (swim->now.mono_us >= swim->probe_due_us)
		swim_probe_turn(swim, effects);
	ping_failed(swim, effects);
}

int64_t swim_probe_deadline_us(const struct swim *swim)
{
	int64_t due_us = swim->probe_due_us;
	for (uint32_t i = 0; i < SWIM_PROBES_MAX; i++)
		if (swim->probes[i].phase != PROBE_IDLE)
			due_us = swim_min_us(due_us, swim->probes[i].timer_us);
	for (uint32_t i = 0; i < SWIM_RELAYS_MAX; i++) {
		const struct swim_relay *relay = &swim->relays[i];
		if (relay->is_active)
			due_us = swim_min_us(due_us, relay->is_nacked ? relay->end_us : relay->nack_us);
	}
	/* While probes tick, failed members are looked at in passing. */
	if (swim->probe_due_us == NEVER_US && swim->table.rank_counts[MEMBER_DEAD] > 0)
		due_us = swim_min_us(due_us, swim->failed_ping_due_us);
	return due_us;
}
