/* The joiner's side: seeds and what the snapshot knew are asked in parallel, for ever, until one lets us in; and asked
 * again whenever we find ourselves alone. A cluster of one is a state, not an error. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "agent/core/swim_internal.h"
#include "proto/text.h"

#define JOIN_BYTES_MAX 512u
static_assert(GOSSIP_RECORD_BYTES_MAX + 64u < JOIN_BYTES_MAX, "a JOIN fits");

void swim_refuse_self(struct swim *swim, const char *format, ...)
{
	if (swim->is_refused)
		return;
	swim->is_refused = true;
	swim->tells_refused = true;
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(swim->refused_text, sizeof(swim->refused_text), format, arguments);
	va_end(arguments);
}

void swim_roll_back(struct swim *swim, uint64_t boot_known)
{
	if (swim->is_rolled_back)
		return;
	swim->is_rolled_back = true;
	swim->tells_rolled_back = true;
	(void)snprintf(swim->rolled_back_text, sizeof(swim->rolled_back_text),
		       "peers remember boot %llu of this node, its store had %llu: the store is an old copy or was "
		       "rolled back, so this node does not vote",
		       (unsigned long long)boot_known, (unsigned long long)swim->boot_before);
}

static bool is_alone(const struct swim *swim)
{
	for (uint32_t i = 1; i < swim->table.count; i++) {
		const struct member_row *row = &swim->table.rows[i];
		if (row->claim.rank <= MEMBER_SUSPECT && !row->is_stored)
			return false;
	}
	return true;
}

static bool seed_is_wanted(const struct swim *swim, uint32_t index)
{
	if (swim->seed_is_out[index] || address_equal(&swim->seeds[index], &swim->address))
		return false;
	const struct member_row *row = id128_is_zero(swim->seed_members[index])
					       ? member_table_find_address(&swim->table,
									   &swim->seeds[index],
									   MEMBER_SUSPECT, NULL)
					       : member_table_find(&swim->table,
								   swim->seed_members[index]);
	return !swim->is_joined || row == NULL || row->is_stored || row->claim.rank > MEMBER_SUSPECT;
}

static bool row_is_wanted(const struct swim *swim, const struct member_row *row)
{
	return row != &swim->table.rows[0] && row->claim.rank <= MEMBER_DEAD &&
	       row->member.address.family != 0;
}

static bool wants_rows(const struct swim *swim)
{
	if (swim->is_joined && !is_alone(swim))
		return false;
	for (uint32_t i = 1; i < swim->table.count; i++)
		if (row_is_wanted(swim, &swim->table.rows[i]))
			return true;
	return false;
}

static bool is_wanted(const struct swim *swim)
{
	if (swim->is_refused || swim->is_leaving || swim->address.family == 0)
		return false;
	for (uint32_t i = 0; i < swim->seed_count; i++)
		if (seed_is_wanted(swim, i))
			return true;
	return swim->referral_count > 0 || wants_rows(swim);
}

void swim_join_start(struct swim *swim)
{
	swim->join_backoff_us = SWIM_JOIN_BACKOFF_US_MIN;
	swim->join_due_us = is_wanted(swim) ? swim->now.mono_us : NEVER_US;
	/* A founder, or a member that never met another: there is nobody to join. */
	swim->is_joined = !id128_is_zero(swim->cluster) && swim->join_due_us == NEVER_US;
}

static int64_t jittered(struct swim *swim, int64_t wait_us)
{
	return wait_us * 3 / 4 + (int64_t)prng_below(&swim->prng, (uint64_t)wait_us / 2);
}

void swim_join_plan(struct swim *swim)
{
	/* Looking at all seeds and rows is only worth it when a row has changed or a round is over. */
	if (swim->join_version == swim->table.version && swim->join_due_us == NEVER_US)
		return;
	if (swim->join_version == swim->table.version && swim->now.mono_us < swim->join_due_us)
		return;
	swim->join_version = swim->table.version;
	if (!is_wanted(swim)) {
		swim->join_due_us = NEVER_US;
		swim->join_backoff_us = SWIM_JOIN_BACKOFF_US_MIN;
	} else if (swim->join_due_us == NEVER_US) {
		swim->join_due_us = swim->now.mono_us + jittered(swim, swim->join_backoff_us);
	}
}

/* ---- asking ---- */

/* False: all attempts are under way, or this address is being asked already. */
static bool ask(struct swim *swim, const struct address *address, struct effects *effects)
{
	struct swim_attempt *attempt = NULL;
	for (uint32_t i = 0; i < SWIM_ATTEMPTS_MAX; i++) {
		if (swim->attempts[i].is_active && address_equal(&swim->attempts[i].address, address))
			return false;
		if (!swim->attempts[i].is_active)
			attempt = &swim->attempts[i];
	}
	if (attempt == NULL)
		return false;
	*attempt = (struct swim_attempt){
		.is_active = true,
		.address = *address,
		.end_us = swim->now.mono_us + SWIM_JOIN_TIMEOUT_US,
	};
	struct gossip_message message = {
		.type = GOSSIP_JOIN,
		.join = {.cluster = swim->cluster,
			 .boot_before = swim->boot_before,
			 .utc_ms = swim->now.utc_ms > 0 ? swim->now.utc_ms : 0},
	};
	swim_row_to_record(swim, swim_self(swim), &message.join.record);
	uint8_t bytes[JOIN_BYTES_MAX];
	struct buf buf;
	buf_init(&buf, bytes, sizeof(bytes));
	gossip_frame_put(&buf, &message);
	assert(!buf.has_overflowed);
	effects_stream(effects, (struct id128){{0}}, address, buf_slice(&buf));
	return true;
}

static void ask_rows(struct swim *swim, struct effects *effects)
{
	/* From a random place, so that a dead one is not asked first each time. */
	uint32_t other_count = swim->table.count - 1;
	if (other_count == 0 || !wants_rows(swim))
		return;
	uint32_t start = (uint32_t)prng_below(&swim->prng, other_count);
	uint32_t asked_count = 0;
	for (uint32_t i = 0; i < other_count && asked_count < SWIM_ATTEMPTS_MAX; i++) {
		const struct member_row *row = &swim->table.rows[1 + (start + i) % other_count];
		if (row_is_wanted(swim, row))
			asked_count += ask(swim, &row->member.address, effects);
	}
}

static void join_round(struct swim *swim, struct effects *effects)
{
	for (uint32_t i = 0; i < swim->referral_count; i++)
		(void)ask(swim, &swim->referrals[i], effects);
	swim->referral_count = 0;
	for (uint32_t i = 0; i < swim->seed_count; i++) {
		uint32_t index = (swim->seed_next + i) % swim->seed_count;
		if (seed_is_wanted(swim, index))
			(void)ask(swim, &swim->seeds[index], effects);
	}
	if (swim->seed_count > 0)
		swim->seed_next = (swim->seed_next + 1) % swim->seed_count;
	ask_rows(swim, effects);
	swim->join_due_us = swim->now.mono_us + jittered(swim, swim->join_backoff_us);
	swim->join_backoff_us = swim_min_us(2 * swim->join_backoff_us, SWIM_JOIN_BACKOFF_US_MAX);
}

void swim_join_run(struct swim *swim, struct effects *effects)
{
	for (uint32_t i = 0; i < SWIM_ATTEMPTS_MAX; i++)
		if (swim->attempts[i].is_active && swim->now.mono_us >= swim->attempts[i].end_us)
			swim->attempts[i].is_active = false;
	if (swim->now.mono_us < swim->join_due_us)
		return;
	if (is_wanted(swim))
		join_round(swim, effects);
	swim_join_plan(swim);
}

int64_t swim_join_deadline_us(const struct swim *swim)
{
	return swim->join_due_us;
}

/* ---- answers ---- */

static bool attempt_end(struct swim *swim, const struct address *address)
{
	for (uint32_t i = 0; i < SWIM_ATTEMPTS_MAX; i++) {
		struct swim_attempt *attempt = &swim->attempts[i];
		if (attempt->is_active && address_equal(&attempt->address, address)) {
			attempt->is_active = false;
			return true;
		}
	}
	return false;
}

static struct id128 *seed_member(struct swim *swim, const struct address *address)
{
	for (uint32_t i = 0; i < swim->seed_count; i++)
		if (address_equal(&swim->seeds[i], address))
			return &swim->seed_members[i];
	return NULL;
}

bool swim_join_on_down(struct swim *swim, const struct event *event)
{
	return attempt_end(swim, &event->stream.from);
}

void swim_join_on_ok(struct swim *swim, const struct event *event,
		     const struct gossip_message *message, struct effects *effects)
{
	/* Only who was asked may let us in: another answer belongs to nothing. */
	if (!attempt_end(swim, &event->stream.from) || swim->is_refused || swim->is_leaving)
		return;
	if (!id128_is_zero(swim->cluster) && !id128_equal(swim->cluster, message->join_ok.cluster))
		return;
	struct id128 *member = seed_member(swim, &event->stream.from);
	if (member != NULL)
		*member = event->stream.node;
	uint64_t known = message->join_ok.boot_known;
	if (known > swim->boot_before && known != swim->boot)
		swim_roll_back(swim, known);
	if (!swim->is_joined) {
		swim->is_joined = true;
		swim->tells_joined = true;
		swim->cluster = message->join_ok.cluster;
		if (message->join_ok.birth.bytes > 0 && swim->birth_bytes == 0)
			swim_set_birth(swim, message->join_ok.birth);
		rumor_add(&swim->rumors, 0, RUMOR_ALIVE);
	}
	swim->told_connection = event->stream.connection;
	swim->heard_us = swim->now.mono_us;
	swim_sync_on_records(swim, message->join_ok.records, message->join_ok.record_count,
			     id128_short(event->stream.node), ORIGIN_TOLD, effects);
	swim_heard(swim, id128_short(event->stream.node), event->stream.boot);
	swim->join_backoff_us = SWIM_JOIN_BACKOFF_US_MIN;
	swim_join_plan(swim);
}

void swim_join_on_refused(struct swim *swim, const struct event *event,
			  const struct gossip_message *message, struct effects *effects)
{
	if (!attempt_end(swim, &event->stream.from))
		return;
	char address[TEXT_ADDRESS_BYTES];
	char text[SWIM_TEXT_BYTES];
	text_format_address(&event->stream.from, address);
	text_escape(slice_str(message->refused.text), text, sizeof(text));
	const char *reason = gossip_refusal_text(message->refused.reason);
	for (uint32_t i = 0; i < swim->seed_count; i++)
		if (address_equal(&swim->seeds[i], &event->stream.from))
			swim->seed_is_out[i] = true;
	if (message->refused.reason == GOSSIP_REFUSAL_SELF)
		return;
	/* Once we are members elsewhere, one that does not want us is no reason to stop. */
	if (swim->is_joined && message->refused.reason != GOSSIP_REFUSAL_EVICTED) {
		effects_trace(effects, TRACE_WARN, "swim join refused by %s: %s: %s", address,
			      reason, text);
		return;
	}
	swim_refuse_self(swim, "join refused by %s: %s: %s", address, reason, text);
}

void swim_join_on_busy(struct swim *swim, const struct event *event, const struct gossip_message *message)
{
	if (!attempt_end(swim, &event->stream.from) || swim->is_joined)
		return;
	for (uint32_t i = 0; i < message->busy.address_count; i++)
		if (message->busy.addresses[i].family != 0 && swim->referral_count < GOSSIP_REFERRALS_MAX)
			swim->referrals[swim->referral_count++] = message->busy.addresses[i];
	int64_t retry_us = (int64_t)message->busy.retry_ms * 1000;
	if (retry_us < SWIM_PERIOD_US / 10 || retry_us > SWIM_JOIN_BACKOFF_US_MAX)
		retry_us = SWIM_JOIN_BACKOFF_US_MIN;
	swim->join_due_us = swim_min_us(swim->join_due_us, swim->now.mono_us + jittered(swim, retry_us));
}
