/* Who may come in. A joiner whose name or id is held by somebody at another address waits until that one was asked: if
 * it answers, the newcomer is the one who is refused. */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "agent/core/swim_internal.h"
#include "proto/text.h"

#define REFUSED_BYTES_MAX (REASON_BYTES_MAX + 32u)

void swim_admit_refuse(uint64_t connection, enum gossip_refusal reason, struct effects *effects,
		       const char *format, ...)
{
	struct gossip_message message = {.type = GOSSIP_REFUSED, .refused = {.reason = reason}};
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(message.refused.text, sizeof(message.refused.text), format, arguments);
	va_end(arguments);
	uint8_t bytes[REFUSED_BYTES_MAX];
	struct buf buf;
	buf_init(&buf, bytes, sizeof(bytes));
	gossip_frame_put(&buf, &message);
	assert(!buf.has_overflowed);
	effects_stream_answer(effects, connection, buf_slice(&buf));
	effects_trace(effects, TRACE_WARN, "swim joiner refused: %s: %s",
		      gossip_refusal_text(reason), message.refused.text);
}

static void answer_busy(struct swim *swim, uint64_t connection, struct effects *effects)
{
	struct gossip_message message = {.type = GOSSIP_BUSY, .busy = {.retry_ms = SWIM_BUSY_RETRY_MS}};
	struct member_row *rows[GOSSIP_REFERRALS_MAX];
	uint32_t count = swim_pick_peers(swim, NULL, true, GOSSIP_REFERRALS_MAX, rows);
	for (uint32_t i = 0; i < count; i++)
		message.busy.addresses[message.busy.address_count++] = rows[i]->member.address;
	uint8_t bytes[REFUSED_BYTES_MAX];
	struct buf buf;
	buf_init(&buf, bytes, sizeof(bytes));
	gossip_frame_put(&buf, &message);
	assert(!buf.has_overflowed);
	effects_stream_answer(effects, connection, buf_slice(&buf));
}

/* ---- letting in ---- */

static void send_chunk(struct gossip_message *message, struct buf *records, uint32_t count,
		       uint64_t connection, struct effects *effects)
{
	uint8_t bytes[SWIM_CHUNK_BYTES + SWIM_BIRTH_BYTES_MAX + 64u];
	struct buf frame;
	buf_init(&frame, bytes, sizeof(bytes));
	if (message->type == GOSSIP_JOIN_OK) {
		message->join_ok.record_count = count;
		message->join_ok.records = buf_slice(records);
	} else {
		message->sync_records.record_count = count;
		message->sync_records.records = buf_slice(records);
	}
	gossip_frame_put(&frame, message);
	assert(!frame.has_overflowed);
	effects_stream_answer(effects, connection, buf_slice(&frame));
	buf_clear(records);
}

/* JOIN_OK with the first records, then frames with the rest. */
static void send_table(struct swim *swim, uint64_t connection, uint64_t boot_known,
		       struct effects *effects)
{
	uint8_t bytes[SWIM_CHUNK_BYTES];
	struct buf records;
	buf_init(&records, bytes, sizeof(bytes));
	struct gossip_message message = {
		.type = GOSSIP_JOIN_OK,
		.join_ok = {.cluster = swim->cluster, .boot_known = boot_known, .birth = swim_birth(swim)},
	};
	uint32_t count = 0;
	for (uint32_t i = 0; i < swim->table.count; i++) {
		struct gossip_record record;
		swim_row_to_record(swim, &swim->table.rows[i], &record);
		if (buf_left(&records) < GOSSIP_RECORD_BYTES_MAX) {
			send_chunk(&message, &records, count, connection, effects);
			message = (struct gossip_message){.type = GOSSIP_SYNC_RECORDS};
			count = 0;
		}
		gossip_record_put(&records, &record);
		assert(!records.has_overflowed);
		count++;
	}
	send_chunk(&message, &records, count, connection, effects);
}

static void admit(struct swim *swim, uint64_t connection, const struct gossip_record *joiner,
		  struct effects *effects)
{
	uint64_t boot_known = 0;
	const struct member_row *row = member_table_find(&swim->table, joiner->id);
	if (row != NULL)
		boot_known = row->claim.boot == joiner->boot ? row->boot_previous : row->claim.boot;
	swim_merge_record(swim, joiner, id128_short(joiner->id), ORIGIN_OWNER, effects);
	row = member_table_find(&swim->table, joiner->id);
	if (row == NULL) {
		const struct member_row *other = member_table_find_short(&swim->table,
									 id128_short(joiner->id));
		swim_admit_refuse(
			connection, GOSSIP_REFUSAL_FULL, effects,
			other != NULL ? "the first half of its node id is another member's"
				      : "the member table takes no more, or its boot is out of reach");
		return;
	}
	swim_heard(swim, id128_short(joiner->id), joiner->boot);
	effects_trace(effects, TRACE_INFO, "swim joined name=%s", joiner->name);
	send_table(swim, connection, boot_known, effects);
	/* Somebody is there: if our own join was waiting for that, it need not wait longer. */
	if (!swim->is_joined)
		swim->join_backoff_us = SWIM_JOIN_BACKOFF_US_MIN;
}

static void refuse_held(struct swim *swim, const struct swim_admission *admission, struct effects *effects)
{
	char address[TEXT_ADDRESS_BYTES];
	char id[TEXT_ID_BYTES];
	(void)swim;
	text_format_address(&admission->holder_address, address);
	text_format_id(admission->holder, id);
	if (admission->reason == GOSSIP_REFUSAL_DUPLICATE)
		swim_admit_refuse(admission->connection, admission->reason, effects,
				  "node id %s answers at %s: was its directory copied?", id, address);
	else
		swim_admit_refuse(admission->connection, admission->reason, effects,
				  "\"%s\" is node %s at %s", admission->joiner.name, id, address);
}

/* ---- asking the present holder ---- */

static void ask_holder(struct swim *swim, struct swim_admission *admission, struct effects *effects)
{
	struct member_row *row = member_table_find(&swim->table, admission->holder);
	swim_ping(swim, admission->seq, id128_short(admission->holder), &admission->holder_address,
		  row, effects);
}

static void question(struct swim *swim, const struct event *event,
		     const struct gossip_message *message, const struct member_row *holder,
		     enum gossip_refusal reason, struct effects *effects)
{
	struct swim_admission *admission = NULL;
	for (uint32_t i = 0; i < SWIM_ADMISSIONS_MAX && admission == NULL; i++)
		if (!swim->admissions[i].is_active)
			admission = &swim->admissions[i];
	if (admission == NULL) {
		answer_busy(swim, event->stream.connection, effects);
		return;
	}
	*admission = (struct swim_admission){
		.is_active = true,
		.reason = reason,
		.connection = event->stream.connection,
		.boot_before = message->join.boot_before,
		.joiner = message->join.record,
		.holder = holder->member.id,
		.holder_address = holder->member.address,
		.seq = ++swim->seq,
		.start_us = swim->now.mono_us,
	};
	ask_holder(swim, admission, effects);
}

static void admission_end(struct swim *swim, struct swim_admission *admission, bool is_gone,
			  struct effects *effects)
{
	admission->is_active = false;
	bool is_same_place = address_equal(&admission->holder_address, &admission->joiner.address);
	struct member_row *holder = member_table_find(&swim->table, admission->holder);
	if (admission->reason == GOSSIP_REFUSAL_NAME) {
		/* Silence of a holder elsewhere proves nothing; the detector will tell, and the joiner asks again. */
		if (!is_gone && !is_same_place) {
			refuse_held(swim, admission, effects);
			return;
		}
		if (holder != NULL && holder->claim.rank <= MEMBER_SUSPECT)
			swim_declare_dead(swim, holder, effects);
	}
	admit(swim, admission->connection, &admission->joiner, effects);
}

bool swim_admit_on_answer(struct swim *swim, uint32_t seq, uint64_t boot, enum admit_answer answer,
			  struct effects *effects)
{
	for (uint32_t i = 0; i < SWIM_ADMISSIONS_MAX; i++) {
		struct swim_admission *admission = &swim->admissions[i];
		if (!admission->is_active || admission->seq != seq)
			continue;
		bool is_joiner = admission->reason == GOSSIP_REFUSAL_DUPLICATE &&
				 boot == admission->joiner.boot;
		if (answer == ADMIT_HOLDER_GONE || is_joiner) {
			admission_end(swim, admission, true, effects);
		} else {
			admission->is_active = false;
			refuse_held(swim, admission, effects);
		}
		return true;
	}
	return false;
}

void swim_admit_refused_by_kernel(struct swim *swim, const struct address *address,
				  struct effects *effects)
{
	for (uint32_t i = 0; i < SWIM_ADMISSIONS_MAX; i++) {
		struct swim_admission *admission = &swim->admissions[i];
		if (admission->is_active && address_equal(&admission->holder_address, address))
			admission_end(swim, admission, true, effects);
	}
}

void swim_admit_run(struct swim *swim, struct effects *effects)
{
	for (uint32_t i = 0; i < SWIM_ADMISSIONS_MAX; i++) {
		struct swim_admission *admission = &swim->admissions[i];
		int64_t age_us = swim->now.mono_us - admission->start_us;
		if (!admission->is_active)
			continue;
		if (age_us >= SWIM_ADMIT_US) {
			admission_end(swim, admission, false, effects);
		} else if (age_us >= SWIM_ADMIT_RESEND_US && !admission->is_sent_again) {
			admission->is_sent_again = true;
			ask_holder(swim, admission, effects);
		}
	}
}

int64_t swim_admit_deadline_us(const struct swim *swim)
{
	int64_t due_us = NEVER_US;
	for (uint32_t i = 0; i < SWIM_ADMISSIONS_MAX; i++) {
		const struct swim_admission *admission = &swim->admissions[i];
		int64_t wait_us = admission->is_sent_again ? SWIM_ADMIT_US : SWIM_ADMIT_RESEND_US;
		if (admission->is_active)
			due_us = swim_min_us(due_us, admission->start_us + wait_us);
	}
	return due_us;
}

/* ---- JOIN ---- */

static bool check_self_and_clock(struct swim *swim, const struct event *event,
				 const struct gossip_message *message, struct effects *effects)
{
	uint64_t connection = event->stream.connection;
	const struct gossip_record *joiner = &message->join.record;
	if (!id128_is_zero(message->join.cluster) && !id128_equal(message->join.cluster, swim->cluster)) {
		char id[TEXT_ID_BYTES];
		text_format_id(swim->cluster, id);
		swim_admit_refuse(connection, GOSSIP_REFUSAL_CLUSTER, effects, "this is cluster %s", id);
		return false;
	}
	if (id128_equal(joiner->id, swim->id)) {
		bool is_self = joiner->boot == swim->boot;
		swim_admit_refuse(
			connection, is_self ? GOSSIP_REFUSAL_SELF : GOSSIP_REFUSAL_DUPLICATE, effects,
			"its node id is that of the agent that it asked: was its directory copied?");
		return false;
	}
	int64_t off_ms = message->join.utc_ms - swim->now.utc_ms;
	if (off_ms > SWIM_JOIN_CLOCK_MS || off_ms < -SWIM_JOIN_CLOCK_MS) {
		swim_admit_refuse(connection, GOSSIP_REFUSAL_CLOCK, effects,
				  "its clock is %" PRId64 " s %s of ours; up to %" PRId64 " s are taken",
				  (off_ms < 0 ? -off_ms : off_ms) / 1000,
				  off_ms < 0 ? "behind" : "ahead", SWIM_JOIN_CLOCK_MS / 1000);
		return false;
	}
	return true;
}

void swim_admit_on_join(struct swim *swim, const struct event *event,
			const struct gossip_message *message, struct effects *effects)
{
	const struct gossip_record *joiner = &message->join.record;
	if (id128_is_zero(swim->cluster) || swim->is_leaving || swim->is_refused) {
		answer_busy(swim, event->stream.connection, effects);
		return;
	}
	/* The stream's seal has proved who sends; a record about somebody else is a lie. */
	if (!id128_equal(joiner->id, event->stream.node) || joiner->rank != MEMBER_ALIVE)
		return;
	if (!check_self_and_clock(swim, event, message, effects))
		return;
	const struct member_row *row = member_table_find(&swim->table, joiner->id);
	if (row != NULL && row->claim.rank == MEMBER_EVICTED) {
		swim_admit_refuse(event->stream.connection, GOSSIP_REFUSAL_EVICTED, effects,
				  "this node was evicted from the cluster");
		return;
	}
	const struct member_row *holder = member_table_find_name(
		&swim->table, slice_str(joiner->name), MEMBER_SUSPECT, row);
	if (holder != NULL) {
		if (holder == swim_self(swim))
			refuse_held(swim,
				    &(struct swim_admission){.reason = GOSSIP_REFUSAL_NAME,
							     .connection = event->stream.connection,
							     .joiner = *joiner,
							     .holder = swim->id,
							     .holder_address = swim->address},
				    effects);
		else
			question(swim, event, message, holder, GOSSIP_REFUSAL_NAME, effects);
		return;
	}
	bool has_moved = row != NULL && row->claim.rank <= MEMBER_SUSPECT &&
			 row->claim.boot != joiner->boot && !row->is_restart &&
			 row->member.address.family != 0 &&
			 !address_equal(&row->member.address, &joiner->address);
	if (has_moved)
		question(swim, event, message, row, GOSSIP_REFUSAL_DUPLICATE, effects);
	else
		admit(swim, event->stream.connection, joiner, effects);
}
