/* The change f of a cursor, made from its newest value: what is over is finished or tried again, what is due is claimed or
 * passed, what was asked for by hand is claimed. One change holds all of
 * it. Nothing here has a side effect but on node->cursor and `extra`. */
#include <assert.h>
#include <string.h>

#include "agent/core/candidate.h"
#include "agent/core/mutant.h"
#include "agent/core/state.h"
#include "proto/text.h"

struct claim {
	struct node *node;
	struct job *job;
	uint32_t slot;
	struct proposal_extra *extra;
	struct def_value value;
	struct definition definition;
	struct schedule schedule;
	const struct zone *zone;
	bool is_schedulable; /* the definition can be read, is not deleted */
	bool is_changed;
};

int64_t claim_misfire_after_ms(const struct job *job)
{
	if (job->next_ms == SCHEDULE_NEVER || job->after_next_ms == SCHEDULE_NEVER)
		return MISFIRE_AFTER_MS;
	int64_t gap_ms = job->after_next_ms - job->next_ms;
	return gap_ms < MISFIRE_AFTER_MS ? gap_ms : MISFIRE_AFTER_MS;
}

static bool claim_has_room(const struct claim *claim)
{
	return claim->extra->add_count < VOTE_ADDS_MAX && claim->extra->verdict_count < VOTE_VERDICTS_MAX - 1;
}

static void claim_add(struct claim *claim, const struct vote_add *add)
{
	assert(claim->extra->add_count < VOTE_ADDS_MAX);
	claim->extra->adds[claim->extra->add_count++] = *add;
	claim->is_changed = true;
}

static void claim_verdict(struct claim *claim, const struct verdict_record *verdict)
{
	assert(claim->extra->verdict_count < VOTE_VERDICTS_MAX);
	verdict_record_put(&claim->extra->verdicts, verdict);
	claim->extra->verdict_count++;
}

/* ---- what is over ---- */

/* Released by its executor for want of room, runner or the like: another may take it, within the deadline. */
static bool claim_may_go_again(const struct claim *claim, const struct run_record *record)
{
	return record->state == RUN_RELEASED && record->verdict == VERDICT_NONE && claim->is_schedulable &&
	       (!id128_is_zero(record->key.manual) || (claim->value.is_enabled && !claim->value.is_paused)) &&
	       record->key.attempt < UINT16_MAX - 1 &&
	       claim->node->cluster_ms <= record->key.t_ms + claim->definition.start_deadline_ms;
}

static enum err claim_again(struct claim *claim, const struct run_record *record)
{
	struct node *node = claim->node;
	struct id128 executor = candidate_at(node, claim->job, 0, record->executor);
	if (id128_is_zero(executor)) {
		/* Nobody else is there: the one that released it may be able by now. */
		executor = candidate_at(node, claim->job, 0, (struct id128){ { 0 } });
		bool is_self = id128_equal(executor, node->config.id);
		if (id128_is_zero(executor) || (is_self && executor_judge_offer(node) != OFFER_TAKE))
			return ERR_FULL;
	}
	bool is_allowed = claim->definition.overlap == DEFINITION_OVERLAP_ALLOW;
	enum err err = cursor_again(&claim->node->cursor, &record->key, executor, claim->value.counter,
	                            claim->node->cluster_ms, is_allowed);
	if (err != ERR_OK)
		return err;
	claim_add(claim, &(struct vote_add){ .is_retry = true, .has_word = true, .t_ms = record->key.t_ms,
	                                     .def_counter = claim->value.counter });
	return ERR_OK;
}

/* A fire that was never started, and will not be: why. */
static void claim_missed(struct run_record *record, int64_t now_ms, int64_t start_deadline_ms)
{
	if (record->verdict != VERDICT_NONE)
		return;
	record->verdict = VERDICT_MISSED;
	if (now_ms <= record->key.t_ms + start_deadline_ms)
		text_copy(record->reason, sizeof(record->reason), "superseded");
	else if (strcmp(record->reason, "saturated") != 0)
		text_copy(record->reason, sizeof(record->reason), "no-node");
}

static void claim_fold(struct claim *claim, struct run_record *record)
{
	struct node *node = claim->node;
	if (record->state == RUN_RELEASED)
		claim_missed(record, node->cluster_ms, claim->is_schedulable ? claim->definition.start_deadline_ms : 0);
	if (cursor_finish(&node->cursor, &record->key, record->ended_ms) != ERR_OK)
		return;
	claim->is_changed = true;
	run_record_put(&claim->extra->ends, record);
	claim->extra->ended[claim->extra->end_count++] =
	        (struct proposal_end){ .run = record->key, .executor = record->executor, .state = record->state };
	struct verdict_record verdict = { .job = record->key.job, .t_ms = record->key.t_ms,
		                          .manual = record->key.manual, .from_ms = record->key.t_ms,
		                          .fire_count = 1, .verdict = record->verdict,
		                          .decided_by = node->config.id, .decided_ms = node->cluster_ms };
	memcpy(verdict.reason, record->reason, sizeof(verdict.reason));
	claim_verdict(claim, &verdict);
}

static void claim_finish(struct claim *claim)
{
	struct node *node = claim->node;
	for (uint32_t i = 0; i < node->cursor.open_count;) {
		struct run_key key = cursor_run_key(claim->job->id, &node->cursor.open[i]);
		uint32_t slot = run_find(&node->runs, &key);
		i++;
		/* One place is kept for the pass of a pause or a resume. */
		if (slot == RUN_NONE || claim->extra->end_count == VOTE_ENDS_MAX || !claim_has_room(claim) ||
		    claim->extra->add_count == VOTE_ADDS_MAX - 1)
			continue;
		const struct run *run = &node->runs.runs[slot];
		struct run_record record = run->record;
		if (mutant_is_on(MUTANT_EXECUTOR) && run->is_carried && record.state == RUN_CLAIMED)
			node->cursor.open[i - 1].executor = node->config.id;
		if (!run_state_is_final(record.state)) {
			if (!planner_run_is_lost(node, run))
				continue;
			record.state = RUN_LOST;
			record.verdict = VERDICT_LOST;
			record.reason[0] = '\0';
			record.ended_ms = node->cluster_ms;
		}
		if (claim_may_go_again(claim, &record)) {
			enum err err = claim_again(claim, &record);
			if (err == ERR_OK || err == ERR_FULL)
				continue; /* it waits for somebody while there is nobody */
		}
		claim_fold(claim, &record);
		i--;
	}
}

/* ---- what is due ---- */

static bool claim_pass(struct claim *claim, int64_t to_ms, enum verdict verdict, const char *reason)
{
	struct node *node = claim->node;
	int64_t after_ms = node->cursor.through_ms > claim->value.from_ms ? node->cursor.through_ms
	                                                                 : claim->value.from_ms;
	struct verdict_record record = { .job = claim->job->id, .t_ms = to_ms, .verdict = verdict,
		                         .decided_by = node->config.id, .decided_ms = node->cluster_ms };
	record.from_ms = schedule_next(&claim->schedule, claim->zone, after_ms);
	record.fire_count = schedule_count(&claim->schedule, claim->zone, after_ms, to_ms, UINT32_MAX);
	if (cursor_pass(&node->cursor, to_ms, claim->value.counter) != ERR_OK)
		return false;
	text_copy(record.reason, sizeof(record.reason), reason);
	claim_verdict(claim, &record);
	claim_add(claim, &(struct vote_add){ .is_pass = true, .t_ms = to_ms, .def_counter = claim->value.counter });
	return true;
}

static struct cursor_overlap claim_overlap(const struct claim *claim)
{
	return (struct cursor_overlap){ .is_allowed = claim->definition.overlap == DEFINITION_OVERLAP_ALLOW ||
		                                      mutant_is_on(MUTANT_OVERLAP) };
}

/* At t the one before still runs: skipped, and the verdict names it. */
static bool claim_pass_overlap(struct claim *claim, int64_t t_ms, int blocking)
{
	struct run_key key = cursor_run_key(claim->job->id, &claim->node->cursor.open[blocking]);
	char run_short[RUN_SHORT_BYTES + 1];
	char reason[RESULT_BYTES_MAX + 1];
	text_format_run_short(&key, run_short);
	text_join(reason, sizeof(reason), "overlap ", slice_str(run_short));
	return claim_pass(claim, t_ms, VERDICT_SKIPPED, reason);
}

/* Claims the fire if somebody has taken it. False: nothing more to do now. */
static bool claim_one(struct claim *claim, int64_t t_ms, bool waits_for_open)
{
	struct node *node = claim->node;
	struct cursor_overlap overlap = claim_overlap(claim);
	int blocking = cursor_blocking(&node->cursor, &overlap);
	if (blocking >= 0)
		return !waits_for_open && node->cluster_ms >= t_ms && claim_pass_overlap(claim, t_ms, blocking);
	if (node->cursor.open_count == CURSOR_OPEN_MAX)
		return node->cluster_ms >= t_ms && claim_pass(claim, t_ms, VERDICT_SKIPPED, "open-full");
	if (claim->job->plan != JOB_PLAN_TAKEN)
		return false;
	enum err err = cursor_claim(&node->cursor, t_ms, claim->job->executor, claim->value.counter, node->cluster_ms,
	                            &overlap);
	if (err == ERR_OK)
		claim_add(claim, &(struct vote_add){ .t_ms = t_ms, .def_counter = claim->value.counter });
	return false; /* one claim a change: the next fire asks for its own executor */
}

/* Why a fire could not be started in time. */
static const char *claim_missed_reason(const struct job *job)
{
	if (job->plan != JOB_PLAN_NO_NODE)
		return "no-majority"; /* nobody was there to decide it */
	return job->offer_answer == OFFER_SATURATED ? "saturated" : "no-node";
}

/* The latest fire that is older than the newest `count` of those up to now. */
static int64_t claim_before_newest(const struct claim *claim, int64_t now_ms, int64_t after_ms, uint32_t count)
{
	int64_t t_ms = now_ms + 1;
	for (uint32_t i = 0; i <= count; i++)
		t_ms = schedule_previous(&claim->schedule, claim->zone, t_ms - 1, after_ms);
	return t_ms;
}

/* A fire not claimed by t + MISFIRE_AFTER. True: something was passed, look at the next. */
static bool claim_misfire(struct claim *claim, int64_t t_ms, int64_t after_ms)
{
	int64_t now_ms = claim->node->cluster_ms;
	int64_t start_deadline_ms = claim->definition.start_deadline_ms;
	int64_t latest_ms = schedule_previous(&claim->schedule, claim->zone, now_ms, after_ms);
	const char *why = claim_missed_reason(claim->job);
	switch (claim->definition.misfire) {
	case DEFINITION_MISFIRE_SKIP:
		return claim_pass(claim, latest_ms, VERDICT_MISSED, why);
	case DEFINITION_MISFIRE_ONCE:
		if (latest_ms > t_ms) {
			int64_t older_ms = schedule_previous(&claim->schedule, claim->zone, latest_ms - 1, after_ms);
			return claim_pass(claim, older_ms, VERDICT_MISSED, "superseded");
		}
		if (now_ms > t_ms + start_deadline_ms)
			return claim_pass(claim, t_ms, VERDICT_MISSED, "deadline");
		return claim_one(claim, t_ms, false);
	case DEFINITION_MISFIRE_ALL:
		if (now_ms > t_ms + start_deadline_ms) {
			int64_t older_ms = schedule_previous(&claim->schedule, claim->zone,
			                                     now_ms - start_deadline_ms - 1, after_ms);
			return claim_pass(claim, older_ms > t_ms ? older_ms : t_ms, VERDICT_MISSED, "deadline");
		}
		if (schedule_count(&claim->schedule, claim->zone, after_ms, now_ms, MISFIRE_ALL_MAX + 1) >
		    MISFIRE_ALL_MAX)
			return claim_pass(claim, claim_before_newest(claim, now_ms, after_ms, MISFIRE_ALL_MAX),
			                  VERDICT_MISSED, "superseded");
		return claim_one(claim, t_ms, true);
	}
	return false;
}

static void claim_fires(struct claim *claim)
{
	struct node *node = claim->node;
	int64_t now_ms = node->cluster_ms;
	while (claim_has_room(claim)) {
		int64_t after_ms = node->cursor.through_ms > claim->value.from_ms ? node->cursor.through_ms
		                                                                 : claim->value.from_ms;
		int64_t t_ms = schedule_next(&claim->schedule, claim->zone, after_ms);
		if (t_ms == SCHEDULE_NEVER || t_ms > now_ms + LOOKAHEAD_MS)
			return;
		int64_t next_ms = schedule_next(&claim->schedule, claim->zone, t_ms);
		int64_t misfire_ms = MISFIRE_AFTER_MS;
		if (next_ms != SCHEDULE_NEVER && next_ms - t_ms < misfire_ms)
			misfire_ms = next_ms - t_ms;
		if (claim->definition.start_deadline_ms < misfire_ms)
			misfire_ms = claim->definition.start_deadline_ms;
		bool goes_on = now_ms < t_ms + misfire_ms ? claim_one(claim, t_ms, false)
		                                          : claim_misfire(claim, t_ms, after_ms);
		if (!goes_on)
			return;
	}
}

/* At resume, what was due meanwhile is passed together: its fires existed, and were not wanted. */
static void claim_pass_paused(struct claim *claim)
{
	struct node *node = claim->node;
	int64_t through_ms = node->cursor.through_ms;
	int64_t to_ms = schedule_previous(&claim->schedule, claim->zone, claim->value.from_ms, through_ms);
	if (to_ms <= through_ms || through_ms == 0 || claim->schedule.kind == SCHEDULE_MANUAL ||
	    claim->extra->verdict_count == VOTE_VERDICTS_MAX) /* adopted with the value: no room for one more */
		return;
	struct verdict_record record = { .job = claim->job->id, .t_ms = to_ms, .verdict = VERDICT_SKIPPED,
		                         .reason = "paused", .decided_by = node->config.id,
		                         .decided_ms = node->cluster_ms };
	record.from_ms = schedule_next(&claim->schedule, claim->zone, through_ms);
	record.fire_count = schedule_count(&claim->schedule, claim->zone, through_ms, to_ms, UINT32_MAX);
	if (cursor_pass(&node->cursor, to_ms, claim->value.counter) != ERR_OK)
		return;
	claim_verdict(claim, &record);
	claim_add(claim, &(struct vote_add){ .is_pass = true, .t_ms = to_ms, .def_counter = claim->value.counter });
}

/* At a pause, what is due meanwhile begins at `from` at the earliest: no fire lies between. */
static void claim_pass_to_from(struct claim *claim)
{
	struct node *node = claim->node;
	if (cursor_pass(&node->cursor, claim->value.from_ms, claim->value.counter) == ERR_OK)
		claim_add(claim, &(struct vote_add){ .is_pass = true, .t_ms = claim->value.from_ms,
		                                     .def_counter = claim->value.counter });
}

/* ---- what was asked for ---- */

static void claim_manuals(struct claim *claim)
{
	struct node *node = claim->node;
	for (uint32_t index = manual_next_taken(node, claim->slot, 0); index != 0 && claim_has_room(claim);
	     index = manual_next_taken(node, claim->slot, index)) {
		const struct manual *manual = &node->manuals[index - 1];
		struct cursor_overlap overlap = claim_overlap(claim);
		overlap.is_allowed = overlap.is_allowed || manual->is_forced;
		int64_t t_ms;
		enum err err = cursor_claim_manual(&node->cursor, manual->id, manual->request_ms, manual->executor,
		                                   claim->value.counter, node->cluster_ms, &overlap, &t_ms);
		if (err == ERR_OK)
			claim_add(claim, &(struct vote_add){ .t_ms = t_ms, .def_counter = claim->value.counter });
	}
}

bool claim_build(struct node *node, uint32_t slot, struct proposal_extra *extra)
{
	struct claim claim = { .node = node, .job = &node->jobs.jobs[slot], .slot = slot, .extra = extra };
	if (catalog_read(node, claim.job->id, &claim.value) == ERR_OK) {
		bool is_usable = planner_schedule(node, &claim.value, &claim.definition, &claim.schedule, &claim.zone,
		                                  NULL) == ERR_OK;
		claim.is_schedulable = is_usable && !claim.value.is_deleted;
	}
	claim_finish(&claim);
	if (!claim.is_schedulable)
		return claim.is_changed;
	bool is_waiting = false;
	enum change_kind waiting = change_waiting(node, slot, &is_waiting);
	if (is_waiting && waiting == CHANGE_PAUSE)
		claim_pass_to_from(&claim);
	if (is_waiting && waiting == CHANGE_RESUME)
		claim_pass_paused(&claim);
	if (claim.value.is_enabled && !claim.value.is_paused && claim.schedule.kind != SCHEDULE_MANUAL)
		claim_fires(&claim);
	claim_manuals(&claim);
	return claim.is_changed;
}

bool claim_has_pass(struct node *node, uint32_t slot)
{
	const struct job *job = &node->jobs.jobs[slot];
	struct register_key key = { .arc = job->arc, .kind = REGISTER_CUR, .key = job->id };
	struct buf memory;
	buf_init(&memory, node->scratch_value, WIDE_BYTES);
	struct register_state state;
	acceptor_read(node, &key, &memory, &state);
	if (cursor_get(state.value, &node->cursor) != ERR_OK)
		return false;
	uint8_t ends[VOTE_ENDS_MAX * RUN_RECORD_BYTES_MAX];
	uint8_t verdicts[VOTE_VERDICTS_MAX * VERDICT_RECORD_BYTES_MAX];
	struct proposal_extra extra = { 0 };
	buf_init(&extra.ends, ends, sizeof(ends));
	buf_init(&extra.verdicts, verdicts, sizeof(verdicts));
	return claim_build(node, slot, &extra);
}
