/* What is due, and when to look next.
 *
 *   t - 1.1 s      t - 1 s        t - 1 s + r * 0.3 s          t - 20 ms     t
 *   offer          claim, ARM     rank r steps in if not       last look     start
 *   (proposer)     (proposer)     armed                        (executor)
 *
 * A visit looks at one job and does what is to be done now; planner_wake says when the next visit is. The change itself is
 * made in claim.c, from the newest value of the cursor. */
#include <assert.h>
#include <string.h>

#include "agent/core/candidate.h"
#include "agent/core/mutant.h"
#include "agent/core/state.h"
#include "proto/text.h"

#define RETRY_US 1000000      /* nobody took it, or the clock is not trusted: look again */
#define FOLD_US 1000000       /* an end is folded by itself when no claim comes soon */
#define FOLD_WITH_CLAIM_MS 60000
#define FOLD_STEP_MS 2000     /* ranks fold one after the other what the proposer did not */
#define ARM_US_MIN 200000
#define ARM_US_MAX 2000000

/* ---- who this node is for a job ---- */

/* 0: the proposer; r: the r-th to step in; -1: none. Members that may not act are passed over. */
static int planner_rank(const struct node *node, const struct job *job)
{
	const struct arc_set *set = node_set(node, job->arc);
	if (set == NULL || arc_set_find(set, node->config.id) < 0)
		return -1;
	int rank = 0;
	for (uint32_t i = 0; i < set->member_count; i++) {
		struct id128 other = set->members[i];
		if (!id128_equal(other, node->config.id) && node_member_is_usable(node, other) &&
		    place_before(job->id, other, node->config.id))
			rank++;
	}
	return rank;
}

/* The doubled wait for an owner that was found alive, ms; at most to t - 100 ms. */
static int64_t planner_step_ms(const struct node *node, const struct job *job, int rank)
{
	const struct arc_set *set = node_set(node, job->arc);
	int64_t step_ms = (int64_t)rank * STEP_MS;
	struct id128 owner = node_proposer(node, job);
	int index = arc_set_find(set, owner);
	if (index >= 0 && node->owner_wait_ms[index] > step_ms)
		step_ms = node->owner_wait_ms[index];
	const int64_t step_ms_max = LOOKAHEAD_MS - 100;
	return step_ms < step_ms_max ? step_ms : step_ms_max;
}

void planner_owner_is_alive(struct node *node, uint32_t slot)
{
	const struct job *job = &node->jobs.jobs[slot];
	int rank = planner_rank(node, job);
	if (rank <= 0)
		return;
	int index = arc_set_find(node_set(node, job->arc), node_proposer(node, job));
	if (index >= 0)
		node->owner_wait_ms[index] = 2 * planner_step_ms(node, job, rank);
}

/* ---- what is known of a job ---- */

enum err planner_schedule(struct node *node, const struct def_value *value, struct definition *ret_definition,
                          struct schedule *ret_schedule, const struct zone **ret_zone, struct problem *problem)
{
	enum err err = definition_decode(value->definition, ret_definition, problem);
	if (err != ERR_OK)
		return err;
	*ret_zone = NULL;
	*ret_schedule = (struct schedule){ .kind = SCHEDULE_MANUAL };
	if (ret_definition->cron.bytes > 0)
		err = schedule_parse_cron(ret_definition->cron, ret_schedule, problem);
	else if (ret_definition->every_ms > 0)
		err = schedule_init_every(ret_definition->every_ms, ret_schedule, problem);
	else if (ret_definition->has_at)
		err = schedule_init_at(ret_definition->at_ms, ret_schedule, problem);
	if (err != ERR_OK)
		return err;
	if (ret_schedule->kind == SCHEDULE_EVERY)
		ret_schedule->anchor_ms = ret_definition->has_anchor ? ret_definition->anchor_ms
		                                                     : value->created_ms - value->created_ms % 1000;
	if (ret_schedule->kind != SCHEDULE_CRON)
		return ERR_OK;
	struct slice zone_name = ret_definition->tz.bytes > 0 ? ret_definition->tz : slice_str("UTC");
	*ret_zone = node->zones->find(node->zones->context, zone_name);
	if (*ret_zone != NULL)
		return ERR_OK;
	char name[ZONE_NAME_BYTES_MAX + 1];
	text_copy_slice(name, sizeof(name), zone_name);
	return problem_set(problem, ERR_NOT_FOUND, "tz: no zone is called \"%s\" on %s", name, node->config.name);
}

static void planner_set_flag(struct job *job, uint8_t flag, bool is_set)
{
	job->flags = (uint8_t)(is_set ? job->flags | flag : job->flags & ~flag);
}

void planner_replan(struct node *node, uint32_t slot)
{
	struct job *job = &node->jobs.jobs[slot];
	struct def_value value;
	struct definition definition;
	struct schedule schedule;
	const struct zone *zone;
	int64_t next_before_ms = job->next_ms;
	job->next_ms = SCHEDULE_NEVER;
	job->after_next_ms = SCHEDULE_NEVER;
	if (catalog_read(node, job->id, &value) != ERR_OK) {
		job->def_counter = 0;
		planner_wake(node, slot);
		return;
	}
	job->def_counter = value.counter;
	planner_set_flag(job, JOB_FLAG_ENABLED, value.is_enabled);
	planner_set_flag(job, JOB_FLAG_PAUSED, value.is_paused);
	planner_set_flag(job, JOB_FLAG_DELETED, value.is_deleted);
	bool is_usable = planner_schedule(node, &value, &definition, &schedule, &zone, NULL) == ERR_OK;
	planner_set_flag(job, JOB_FLAG_BROKEN, !is_usable);
	if (is_usable) {
		planner_set_flag(job, JOB_FLAG_OVERLAP, definition.overlap == DEFINITION_OVERLAP_ALLOW);
		int64_t after_ms = job->through_ms > value.from_ms ? job->through_ms : value.from_ms;
		job->next_ms = schedule_next(&schedule, zone, after_ms);
		if (job->next_ms != SCHEDULE_NEVER)
			job->after_next_ms = schedule_next(&schedule, zone, job->next_ms);
	}
	if (job->next_ms != next_before_ms) {
		job->plan = JOB_PLAN_WAIT;
		job->candidate = 0;
	}
	live_job_changed(node, slot);
	planner_wake(node, slot);
}

void planner_replan_all(struct node *node)
{
	for (uint32_t slot = job_next_slot(&node->jobs, JOB_NONE); slot != JOB_NONE;
	     slot = job_next_slot(&node->jobs, slot))
		planner_replan(node, slot);
}

static bool job_is_planned(const struct job *job)
{
	const uint8_t against = JOB_FLAG_PAUSED | JOB_FLAG_DELETED | JOB_FLAG_BROKEN;
	return job->next_ms != SCHEDULE_NEVER && (job->flags & JOB_FLAG_ENABLED) != 0 && (job->flags & against) == 0;
}

bool planner_run_is_lost(const struct node *node, const struct run *run)
{
	if (run->mine != RUN_MINE_NOT || id128_is_zero(run->record.executor))
		return false;
	const struct member *member = node_member(node, run->record.executor);
	if (member == NULL)
		return node->now.mono_us - node->started_us > 60 * INT64_C(1000000);
	return member->rank >= MEMBER_DEAD &&
	       node->now.mono_us - member->rank_since_us >= EXECUTOR_GONE_MS * INT64_C(1000);
}

/* What its open runs say: one that is over is to be folded; one that is not may forbid the next. */
struct planner_open {
	bool has_final;
	bool has_blocking;
	int64_t ended_ms;   /* the oldest end that waits to be folded */
	int64_t urgent_ms;  /* when one is folded whatever comes: it is lost, or another node may take it; INT64_MAX: none */
	int64_t unarmed_us; /* when a run that nobody is known to have armed wants this node; boot-time us */
};

/* When this node, of that rank, arms a run that it does not know to be armed: the proposer what it has not asked for
 * yet, the others when the proposer should have. HEAP_NONE: not its business. */
static int64_t planner_unarmed_us(const struct node *node, const struct job *job, const struct run *run, int rank)
{
	if (run->mine != RUN_MINE_NOT || (run->record.state >= RUN_ARMED && (rank > 0 || !run->is_arm_needed)))
		return HEAP_NONE;
	if (rank == 0)
		return run->arm_count == 0 ? node->now.mono_us : HEAP_NONE;
	int64_t due_us = node_mono_of(node, run->record.key.t_ms - LOOKAHEAD_MS + planner_step_ms(node, job, rank));
	int64_t again_us = run->sent_us == 0 ? 0 : run->sent_us + ARM_US_MAX;
	return due_us > again_us ? due_us : again_us;
}

/* When a run that is over wants a change of its own; INT64_MAX: it may wait for the next claim. */
static int64_t planner_urgent_ms(const struct node *node, const struct run_record *record)
{
	if (!run_state_is_final(record->state))
		return node->cluster_ms; /* lost: told at once */
	if (record->state != RUN_RELEASED || record->verdict != VERDICT_NONE)
		return INT64_MAX;
	/* Somebody else may take it: at once the first time, then at a pace. */
	return record->ended_ms + (record->key.attempt > 1 ? FOLD_US / 1000 : 0);
}

static struct planner_open planner_look_at_open(const struct node *node, const struct job *job, int rank)
{
	struct planner_open open = { .ended_ms = INT64_MAX, .urgent_ms = INT64_MAX, .unarmed_us = HEAP_NONE };
	for (uint32_t link = job->run_first; link != 0; link = node->runs.runs[link - 1].job_next) {
		const struct run *run = &node->runs.runs[link - 1];
		if (!run->is_open)
			continue;
		if (run_state_is_final(run->record.state) || planner_run_is_lost(node, run)) {
			open.has_final = true;
			int64_t ended_ms = run->record.ended_ms != 0 ? run->record.ended_ms : node->cluster_ms;
			if (ended_ms < open.ended_ms)
				open.ended_ms = ended_ms;
			int64_t urgent_ms = planner_urgent_ms(node, &run->record);
			if (urgent_ms < open.urgent_ms)
				open.urgent_ms = urgent_ms;
		} else {
			open.has_blocking = (job->flags & JOB_FLAG_OVERLAP) == 0;
			int64_t unarmed_us = planner_unarmed_us(node, job, run, rank);
			if (unarmed_us < open.unarmed_us)
				open.unarmed_us = unarmed_us;
		}
	}
	return open;
}

/* ---- offers ---- */

static void planner_offer(struct node *node, uint32_t slot)
{
	struct job *job = &node->jobs.jobs[slot];
	struct id128 nobody = { { 0 } };
	for (;;) {
		struct id128 candidate = candidate_at(node, job, job->candidate, nobody);
		if (id128_is_zero(candidate)) {
			job->plan = JOB_PLAN_NO_NODE;
			job->offered_us = node->now.mono_us;
			return;
		}
		job->executor = candidate;
		job->offered_us = node->now.mono_us;
		if (!id128_equal(candidate, node->config.id))
			break;
		job->offer_answer = (uint8_t)executor_judge_offer(node);
		if (job->offer_answer == OFFER_TAKE) {
			job->plan = JOB_PLAN_TAKEN;
			return;
		}
		job->candidate++;
	}

	job->plan = JOB_PLAN_OFFERED;
	struct offer offer = { .run = { .job = job->id, .t_ms = job->next_ms, .attempt = 1 },
		               .def_counter = job->def_counter };
	uint8_t memory[128];
	struct buf item;
	buf_init(&item, memory, sizeof(memory));
	offer_put(&item, &offer);
	outbox_put(node, job->executor, MESSAGE_OFFER, buf_slice(&item));
}

/* Moves the plan of the next fire on; true when somebody has taken it. */
static bool planner_find_executor(struct node *node, uint32_t slot)
{
	struct job *job = &node->jobs.jobs[slot];
	switch ((enum job_plan)job->plan) {
	case JOB_PLAN_WAIT:
		job->candidate = 0;
		planner_offer(node, slot);
		break;
	case JOB_PLAN_OFFERED:
		if (node->now.mono_us - job->offered_us >= candidate_patience_us(node, job->executor)) {
			job->candidate++;
			planner_offer(node, slot);
		}
		break;
	case JOB_PLAN_TAKEN:
		break;
	case JOB_PLAN_NO_NODE:
		if (node->now.mono_us - job->offered_us >= RETRY_US) {
			job->candidate = 0;
			planner_offer(node, slot);
		}
		break;
	}
	return job->plan == JOB_PLAN_TAKEN;
}

void planner_on_offered(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader)
{
	for (uint32_t i = 0; i < item_count; i++) {
		struct offered offered;
		offered_get(reader, &offered);
		if (reader->err != ERR_OK)
			return;
		uint32_t slot = job_find(&node->jobs, offered.run.job);
		if (slot == JOB_NONE)
			continue;
		struct job *job = &node->jobs.jobs[slot];
		if (!id128_is_zero(offered.run.manual)) {
			manual_on_offered(node, slot, from, &offered);
			continue;
		}
		bool is_asked = job->plan == JOB_PLAN_OFFERED && id128_equal(job->executor, from) &&
		                offered.run.t_ms == job->next_ms;
		if (!is_asked)
			continue;
		job->offer_answer = (uint8_t)offered.answer;
		if (offered.answer == OFFER_TAKE) {
			job->plan = JOB_PLAN_TAKEN;
		} else {
			job->candidate++;
			planner_offer(node, slot);
		}
		planner_visit(node, slot);
	}
}

/* An end that can wait is folded with the next claim; but not with one that finds nobody to take it. */
static bool planner_claim_is_near(const struct job *job, int64_t now_ms)
{
	return job_is_planned(job) && now_ms < job->next_ms && job->next_ms - LOOKAHEAD_MS - now_ms < FOLD_WITH_CLAIM_MS;
}

/* ---- the visit ---- */

/* True if there is something to change in the cursor now. Offers leave from here. */
static bool planner_wants_change(struct node *node, uint32_t slot, int rank, const struct planner_open *open)
{
	struct job *job = &node->jobs.jobs[slot];
	int64_t now_ms = node->cluster_ms;
	bool wants = false;
	if (open->has_final && rank == 0) {
		bool is_claim_near = planner_claim_is_near(job, now_ms);
		wants = (!is_claim_near && now_ms - open->ended_ms >= FOLD_US / 1000) || now_ms >= open->urgent_ms;
	}
	/* The proposer may not know of a run that was open while it was away. */
	if (open->has_final && rank > 0)
		wants = now_ms - open->ended_ms >= FOLD_WITH_CLAIM_MS + (int64_t)rank * FOLD_STEP_MS;
	if (!job_is_planned(job))
		return wants;

	int64_t claim_ms = job->next_ms - LOOKAHEAD_MS + (rank > 0 ? planner_step_ms(node, job, rank) : 0);
	if (now_ms < claim_ms - (rank == 0 ? OFFER_AHEAD_MS : 0))
		return wants;
	if (open->has_blocking) /* forbid: not before t */
		return wants || now_ms >= job->next_ms + (int64_t)rank * STEP_MS;
	bool is_taken = planner_find_executor(node, slot);
	if (is_taken && now_ms >= claim_ms)
		return true;
	/* A misfire is passed even while nobody would take it: claim.c decides what to do with each. */
	int64_t misfire_ms = claim_misfire_after_ms(job) + (int64_t)rank * STEP_MS;
	return wants || (!is_taken && job->plan == JOB_PLAN_NO_NODE && now_ms >= job->next_ms + misfire_ms &&
	                 claim_has_pass(node, slot));
}

void planner_visit(struct node *node, uint32_t slot)
{
	struct job *job = &node->jobs.jobs[slot];
	int rank = planner_rank(node, job);
	if (rank < 0 || !node->may_vote || job->proposal != PROPOSAL_NONE) {
		planner_wake(node, slot);
		return;
	}
	if (node->is_clock_suspect) {
		/* Beyond 5 s off an agent does not propose; the next of the set does. */
		heap_set(&node->jobs.heap, slot, node->now.mono_us + RETRY_US);
		return;
	}
	struct planner_open open = planner_look_at_open(node, job, rank);
	bool is_unarmed = open.unarmed_us <= node->now.mono_us;
	bool wants = planner_wants_change(node, slot, rank, &open);
	if (job->manual_count > 0 && manual_visit(node, slot))
		wants = true;
	if ((wants || is_unarmed) && node->now.mono_us >= job->quiet_us)
		(void)proposer_start(node, slot, REGISTER_CUR, 0, is_unarmed || (rank > 0 && !open.has_blocking));
	planner_wake(node, slot);
}

/* The moment when the plan of the next fire wants a look, boot-time us. */
static int64_t planner_plan_us(const struct node *node, const struct job *job, int rank, bool has_blocking)
{
	if (!job_is_planned(job))
		return HEAP_NONE;
	int64_t claim_ms = job->next_ms - LOOKAHEAD_MS + (rank > 0 ? planner_step_ms(node, job, rank) : 0);
	if (has_blocking && node->cluster_ms >= claim_ms - OFFER_AHEAD_MS)
		return node_mono_of(node, job->next_ms + (int64_t)rank * STEP_MS);
	switch ((enum job_plan)job->plan) {
	case JOB_PLAN_WAIT:
		return node_mono_of(node, claim_ms - (rank == 0 ? OFFER_AHEAD_MS : 0));
	case JOB_PLAN_OFFERED:
		return job->offered_us + candidate_patience_us(node, job->executor);
	case JOB_PLAN_TAKEN:
		return node_mono_of(node, claim_ms);
	case JOB_PLAN_NO_NODE:
		return job->offered_us + RETRY_US;
	}
	return HEAP_NONE;
}

void planner_wake(struct node *node, uint32_t slot)
{
	struct job *job = &node->jobs.jobs[slot];
	int rank = planner_rank(node, job);
	if (rank < 0 || job->proposal != PROPOSAL_NONE || !node->may_vote) {
		heap_remove(&node->jobs.heap, slot);
		return;
	}
	struct planner_open open = planner_look_at_open(node, job, rank);
	int64_t wake_us = planner_plan_us(node, job, rank, open.has_blocking);
	if (open.unarmed_us < wake_us)
		wake_us = open.unarmed_us;
	if (open.has_final && rank == 0) {
		int64_t fold_us = node_mono_of(node, open.ended_ms) + FOLD_US;
		bool is_claim_near = planner_claim_is_near(job, node->cluster_ms);
		if (open.urgent_ms != INT64_MAX && node_mono_of(node, open.urgent_ms) < fold_us) {
			fold_us = node_mono_of(node, open.urgent_ms);
			is_claim_near = false;
		}
		if (!is_claim_near && fold_us < wake_us)
			wake_us = fold_us;
	} else if (open.has_final) {
		int64_t fold_ms = open.ended_ms + FOLD_WITH_CLAIM_MS + (int64_t)rank * FOLD_STEP_MS;
		if (node_mono_of(node, fold_ms) < wake_us)
			wake_us = node_mono_of(node, fold_ms);
	}
	if (job->manual_count > 0) {
		int64_t manual_us = manual_next_us(node, slot);
		if (manual_us < wake_us)
			wake_us = manual_us;
	}
	/* Whatever could not be done now is not tried again in the same instant. */
	const int64_t pause_us = TICK_MS * 1000;
	if (wake_us <= node->now.mono_us)
		wake_us = node->now.mono_us + pause_us;
	if (wake_us < job->quiet_us)
		wake_us = job->quiet_us;
	heap_set(&node->jobs.heap, slot, wake_us);
}

void planner_on_members_changed(struct node *node, struct id128 id)
{
	/* Who was slow may be quick again. */
	memset(node->owner_wait_ms, 0, sizeof(node->owner_wait_ms));
	const struct member *member = node_member(node, id);
	for (uint32_t slot = run_next_slot(&node->runs, RUN_NONE); slot != RUN_NONE;
	     slot = run_next_slot(&node->runs, slot)) {
		struct run *run = &node->runs.runs[slot];
		if (!run->is_open || run->mine != RUN_MINE_NOT || !id128_equal(run->record.executor, id))
			continue;
		if (member != NULL && run->executor_boot != 0 && member->boot != run->executor_boot)
			run->is_arm_needed = true; /* its boot changed: ask again what became of it */
		if (member != NULL)
			run->executor_boot = member->boot;
		int64_t when_us = node->now.mono_us;
		if (member != NULL && member->rank >= MEMBER_DEAD)
			when_us = member->rank_since_us + EXECUTOR_GONE_MS * INT64_C(1000);
		heap_set(&node->runs.heap, slot, when_us);
	}
	for (uint32_t slot = job_next_slot(&node->jobs, JOB_NONE); slot != JOB_NONE;
	     slot = job_next_slot(&node->jobs, slot)) {
		struct job *job = &node->jobs.jobs[slot];
		if (job->plan == JOB_PLAN_NO_NODE)
			job->offered_us = node->now.mono_us - RETRY_US;
		bool is_asked = job->plan == JOB_PLAN_OFFERED || job->plan == JOB_PLAN_TAKEN;
		if (is_asked && id128_equal(job->executor, id) && !node_member_is_usable(node, id)) {
			job->plan = JOB_PLAN_WAIT; /* what it said is worth nothing now */
			job->candidate = 0;
		}
		planner_wake(node, slot);
	}
}

/* ---- arming what is decided ---- */

static void planner_send_arm(struct node *node, uint32_t run_slot, int64_t start_deadline_ms)
{
	struct run *run = &node->runs.runs[run_slot];
	int64_t start_in_us = (run->record.key.t_ms - node->cluster_ms) * 1000;
	struct arm arm = { .run = run->record.key, .def_counter = run->record.def_counter,
		           .start_in_us = start_in_us, .deadline_in_us = start_in_us + start_deadline_ms * 1000,
		           .claimed_ms = run->record.claimed_ms };
	run->sent_us = node->now.mono_us;
	int64_t wait_us = (int64_t)ARM_US_MIN << (run->arm_count < 4 ? run->arm_count : 4);
	if (run->arm_count < UINT8_MAX)
		run->arm_count++;
	heap_set(&node->runs.heap, run_slot, node->now.mono_us + (wait_us < ARM_US_MAX ? wait_us : ARM_US_MAX));
	if (id128_equal(run->record.executor, node->config.id)) {
		run->is_arm_needed = false;
		executor_arm(node, node->config.id, &arm);
		return;
	}
	uint8_t memory[160];
	struct buf item;
	buf_init(&item, memory, sizeof(memory));
	arm_put(&item, &arm);
	outbox_put(node, run->record.executor, MESSAGE_ARM, buf_slice(&item));
}

void planner_arm(struct node *node, uint32_t run_slot)
{
	struct run *run = &node->runs.runs[run_slot];
	uint32_t slot = job_find(&node->jobs, run->record.key.job);
	if (slot == JOB_NONE)
		return;
	if (!run->is_decided && !mutant_is_on(MUTANT_UNDECIDED)) {
		/* Accepted here is not decided: a process is started only for a decided run (I9). */
		heap_set(&node->runs.heap, run_slot, node->now.mono_us + ARM_US_MAX);
		(void)proposer_start(node, slot, REGISTER_CUR, 0, true);
		return;
	}
	if (run->is_carried && !mutant_is_on(MUTANT_CARRIED)) {
		/* Answered by planner_def_read; looked at again in case that proposal can not be made. */
		heap_set(&node->runs.heap, run_slot, node->now.mono_us + ARM_US_MAX);
		run->sent_us = node->now.mono_us; /* until then the cursor need not be decided over and over */
		if (run->arm_count < UINT8_MAX)
			run->arm_count++;
		(void)proposer_start(node, slot, REGISTER_DEF, 0, true);
		return;
	}
	struct def_value value;
	struct definition definition;
	int64_t start_deadline_ms = START_DEADLINE_MS_DEFAULT;
	if (catalog_read(node, run->record.key.job, &value) == ERR_OK &&
	    definition_decode(value.definition, &definition, NULL) == ERR_OK)
		start_deadline_ms = definition.start_deadline_ms;
	const struct member *member = node_member(node, run->record.executor);
	if (member != NULL)
		run->executor_boot = member->boot;
	planner_send_arm(node, run_slot, start_deadline_ms);
}

void planner_on_run_deadline(struct node *node, uint32_t run_slot)
{
	struct run *run = &node->runs.runs[run_slot];
	uint32_t slot = job_find(&node->jobs, run->record.key.job);
	if (slot == JOB_NONE || !run->is_open || run_state_is_final(run->record.state))
		return;
	if (planner_rank(node, &node->jobs.jobs[slot]) != 0) {
		/* Looked at again, since this node may be the proposer by then. */
		if (run->record.state < RUN_ARMED || run->is_arm_needed)
			heap_set(&node->runs.heap, run_slot, node->now.mono_us + RETRY_US);
		return;
	}
	if (planner_run_is_lost(node, run)) {
		(void)proposer_start(node, slot, REGISTER_CUR, 0, false);
		heap_set(&node->runs.heap, run_slot, node->now.mono_us + RETRY_US);
		return;
	}
	if (run->record.state < RUN_ARMED || run->is_arm_needed)
		planner_arm(node, run_slot);
	else if (!node_member_is_usable(node, run->record.executor) &&
	         !id128_equal(run->record.executor, node->config.id))
		heap_set(&node->runs.heap, run_slot, node->now.mono_us + RETRY_US);
}

void planner_def_read(struct node *node, uint32_t slot, uint64_t def_counter)
{
	struct job *job = &node->jobs.jobs[slot];
	for (uint32_t link = job->run_first; link != 0;) {
		uint32_t run_slot = link - 1;
		struct run *run = &node->runs.runs[run_slot];
		link = run->job_next;
		if (!run->is_open || !run->is_decided || !run->is_carried || run_state_is_final(run->record.state))
			continue;
		run->is_carried = false;
		if (run->record.def_counter >= def_counter || run->record.state >= RUN_STARTED) {
			planner_arm(node, run_slot);
			continue;
		}
		struct revoke revoke = { .run = run->record.key, .kind = REVOKE_EDIT, .by = slice_str("edit") };
		change_send_revoke(node, run->record.executor, &revoke);
		heap_set(&node->runs.heap, run_slot, node->now.mono_us + ARM_US_MAX);
		run->is_carried = run->record.state < RUN_ARMED;
		link = node->jobs.jobs[slot].run_first == 0 ? 0 : link;
	}
}

void planner_decided(struct node *node, uint32_t slot)
{
	struct job *job = &node->jobs.jobs[slot];
	job->plan = JOB_PLAN_WAIT;
	job->candidate = 0;
	job->flags |= JOB_FLAG_DECIDED;
	/* node->cursor is used up by what follows (a claim of our own run may end at once): runs are found by the table. */
	manual_decided(node, slot, &node->cursor);
	for (uint32_t link = job->run_first; link != 0;) {
		uint32_t run_slot = link - 1;
		struct run *run = &node->runs.runs[run_slot];
		link = run->job_next;
		run->is_decided = run->is_decided || run->is_open;
		if (!run->is_open && run->mine != RUN_MINE_NOT) {
			executor_on_gone(node, run_slot);
			continue;
		}
		if (run->is_open && (run->record.state < RUN_ARMED || run->is_arm_needed) &&
		    !run_state_is_final(run->record.state))
			planner_arm(node, run_slot);
	}
	planner_replan(node, slot);
}
