/* Runs that people ask for: offered like a fire, claimed by request id, answered with the run's name. */
#include <assert.h>
#include <string.h>

#include "agent/core/candidate.h"
#include "agent/core/state.h"
#include "proto/hash.h"
#include "proto/text.h"

#define MANUAL_DEADLINE_US (8 * INT64_C(1000000))

static struct manual *manual_at(const struct node *node, uint32_t index)
{
	return &node->manuals[index - 1];
}

static void manual_free(struct node *node, uint32_t index)
{
	struct manual *manual = manual_at(node, index);
	node->jobs.jobs[manual->job].manual_count--;
	manual->phase = MANUAL_FREE;
	manual->next = node->manual_free;
	node->manual_free = index;
}

static uint32_t manual_take(struct node *node)
{
	uint32_t index = node->manual_free;
	if (index != 0)
		node->manual_free = manual_at(node, index)->next;
	else if (node->manual_used < MANUALS_MAX)
		index = ++node->manual_used;
	else
		return 0;
	memset(manual_at(node, index), 0, sizeof(struct manual));
	return index;
}

/* Those of a job; there are few at any time. Begin with 0; 0 at the end. */
static uint32_t manual_next(const struct node *node, uint32_t job, uint32_t index)
{
	for (uint32_t next = index + 1; next <= node->manual_used; next++)
		if (manual_at(node, next)->phase != MANUAL_FREE && manual_at(node, next)->job == job)
			return next;
	return 0;
}

uint32_t manual_next_taken(const struct node *node, uint32_t job, uint32_t index)
{
	do
		index = manual_next(node, job, index);
	while (index != 0 && manual_at(node, index)->phase != MANUAL_TAKEN);
	return index;
}

static void manual_answer(struct node *node, const struct manual *manual, const struct run_key *run)
{
	if (manual->is_waited) {
		query_wait(node, &manual->asker, run);
		return;
	}
	struct def_value value;
	char job_name[JOB_NAME_BYTES_MAX + 1] = "";
	if (catalog_read(node, run->job, &value) == ERR_OK)
		text_copy_slice(job_name, sizeof(job_name), value.name);
	char run_name[RUN_NAME_BYTES_MAX + 1];
	char run_short[RUN_SHORT_BYTES + 1];
	char id[TEXT_ID_BYTES];
	text_format_run(text_job_display(job_name), run, run_name, sizeof(run_name));
	text_format_run_short(run, run_short);
	text_format_id(run->manual, id);
	uint8_t memory[1024];
	struct buf body;
	buf_init(&body, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&body);
	wire_map_text(&map, &body, "run", run_name);
	wire_map_text(&map, &body, "short", run_short);
	wire_map_text(&map, &body, "job", text_job_display(job_name));
	wire_map_text(&map, &body, "node", node_name_of(node, manual->executor));
	wire_map_i64(&map, &body, "due_at", run->t_ms);
	wire_map_text(&map, &body, "id", id);
	wire_map_end(&map, &body);
	answer_end(node, &manual->asker, buf_slice(&body));
}

static void manual_refuse(struct node *node, uint32_t index, const struct problem *problem)
{
	answer_error(node, &manual_at(node, index)->asker, problem);
	manual_free(node, index);
}

/* The open run that forbids another beside it; RUN_NONE: there is none. */
static uint32_t manual_blocking(const struct node *node, const struct manual *manual)
{
	const struct job *job = &node->jobs.jobs[manual->job];
	if (manual->is_forced || (job->flags & JOB_FLAG_OVERLAP) != 0)
		return RUN_NONE;
	for (uint32_t link = job->run_first; link != 0; link = node->runs.runs[link - 1].job_next) {
		const struct run *run = &node->runs.runs[link - 1];
		/* Its own claim, if it is not known to be decided yet, is no other run. */
		bool is_own = id128_equal(run->record.key.manual, manual->id);
		if (run->is_open && !is_own && !run_state_is_final(run->record.state) && !planner_run_is_lost(node, run))
			return link - 1;
	}
	return RUN_NONE;
}

/* The run that this request id made already; ERR_NOT_FOUND. Runs that go on are looked at first: the history has
 * one only once its executor told of it. */
static enum err manual_find_run(struct node *node, uint32_t job, struct id128 id, struct run_key *ret_key,
                                struct id128 *ret_executor)
{
	uint32_t link = node->jobs.jobs[job].run_first;
	for (; link != 0; link = node->runs.runs[link - 1].job_next) {
		const struct run *run = &node->runs.runs[link - 1];
		const struct run_record *record = &run->record;
		/* What is accepted and no more may still be undone: nothing is acknowledged of it (I2). */
		bool is_sure = run->is_decided || record->state >= RUN_ARMED;
		if (!is_sure || !id128_equal(record->key.manual, id))
			continue;
		*ret_key = record->key;
		*ret_executor = record->executor;
		return ERR_OK;
	}
	struct run_record record;
	enum err err = ledger_find_manual(node, node->jobs.jobs[job].id, id, ret_key);
	*ret_executor = (struct id128){ { 0 } };
	if (err == ERR_OK && ledger_read(node, ret_key, &record) == ERR_OK)
		*ret_executor = record.executor;
	return err;
}

static void manual_offer(struct node *node, struct manual *manual)
{
	struct job *job = &node->jobs.jobs[manual->job];
	struct id128 nobody = { { 0 } };
	manual->offered_us = node->now.mono_us;
	for (;;) {
		manual->executor = candidate_at(node, job, manual->candidate, nobody);
		manual->phase = MANUAL_OFFERED;
		if (id128_is_zero(manual->executor))
			return;
		if (!id128_equal(manual->executor, node->config.id))
			break;
		manual->offer_answer = (uint8_t)executor_judge_offer(node);
		if (manual->offer_answer == OFFER_TAKE) {
			manual->phase = MANUAL_TAKEN;
			return;
		}
		manual->candidate++;
	}
	struct offer offer = { .run = { .job = job->id, .t_ms = manual->request_ms, .manual = manual->id, .attempt = 1 },
		               .def_counter = job->def_counter };
	uint8_t memory[128];
	struct buf item;
	buf_init(&item, memory, sizeof(memory));
	offer_put(&item, &offer);
	outbox_put(node, manual->executor, MESSAGE_OFFER, buf_slice(&item));
}

void manual_on_offered(struct node *node, uint32_t job, struct id128 from, const struct offered *offered)
{
	for (uint32_t index = manual_next(node, job, 0); index != 0; index = manual_next(node, job, index)) {
		struct manual *manual = manual_at(node, index);
		if (manual->phase != MANUAL_OFFERED || !id128_equal(manual->id, offered->run.manual) ||
		    !id128_equal(manual->executor, from))
			continue;
		manual->offer_answer = (uint8_t)offered->answer;
		if (offered->answer == OFFER_TAKE) {
			manual->phase = MANUAL_TAKEN;
		} else {
			manual->candidate++;
			manual_offer(node, manual);
		}
	}
	planner_visit(node, job);
}

/* Begins again with the first after a second without anybody. */
static void manual_patience(struct node *node, struct manual *manual)
{
	const int64_t again_us = 1000000;
	bool has_candidate = !id128_is_zero(manual->executor);
	int64_t patience_us = has_candidate ? candidate_patience_us(node, manual->executor) : again_us;
	if (node->now.mono_us - manual->offered_us < patience_us)
		return;
	manual->candidate = has_candidate ? (uint16_t)(manual->candidate + 1) : 0;
	manual_offer(node, manual);
}

static void manual_expire(struct node *node, uint32_t index)
{
	struct manual *manual = manual_at(node, index);
	struct problem problem = { 0 };
	if (manual->phase == MANUAL_TAKEN) {
		problem_set(&problem, ERR_NO_MAJORITY, "run: not decided: too few members of the job's set answered");
		problem_hint(&problem, "nothing is known to have started; the same --id may be sent again");
	} else {
		const char *why = manual->offer_answer == OFFER_SATURATED ? "every node is saturated"
		                                                          : "no node can take it";
		problem_set(&problem, ERR_TIMEOUT, "run: %s", why);
		problem_hint(&problem, "schedctl node ls shows states, slots and runners");
	}
	manual_refuse(node, index, &problem);
}

bool manual_visit(struct node *node, uint32_t job)
{
	bool is_ready = false;
	for (uint32_t index = manual_next(node, job, 0); index != 0; index = manual_next(node, job, index)) {
		struct manual *manual = manual_at(node, index);
		if (node->now.mono_us >= manual->deadline_us) {
			manual_expire(node, index);
			continue;
		}
		uint32_t blocking = manual_blocking(node, manual);
		if (blocking != RUN_NONE) {
			char run_short[RUN_SHORT_BYTES + 1];
			text_format_run_short(&node->runs.runs[blocking].record.key, run_short);
			struct problem problem;
			problem_set(&problem, ERR_EXISTS, "run: overlap: run %s is still open and the job forbids another",
			            run_short);
			problem_hint(&problem, "schedctl wait %s, or add --force", run_short);
			manual_refuse(node, index, &problem);
			continue;
		}
		if (manual->phase == MANUAL_OFFER)
			manual_offer(node, manual);
		else if (manual->phase == MANUAL_OFFERED)
			manual_patience(node, manual);
		is_ready = is_ready || manual->phase == MANUAL_TAKEN;
	}
	return is_ready;
}

int64_t manual_next_us(const struct node *node, uint32_t job)
{
	int64_t next_us = INT64_MAX;
	for (uint32_t index = manual_next(node, job, 0); index != 0; index = manual_next(node, job, index)) {
		const struct manual *manual = manual_at(node, index);
		int64_t when_us = manual->deadline_us;
		if (manual->phase == MANUAL_OFFER || manual->phase == MANUAL_TAKEN)
			when_us = node->now.mono_us;
		else if (manual->offered_us + 50000 < when_us)
			when_us = manual->offered_us + 50000;
		if (when_us < next_us)
			next_us = when_us;
	}
	return next_us;
}

void manual_decided(struct node *node, uint32_t job, const struct cursor *cursor)
{
	if (node->jobs.jobs[job].manual_count == 0)
		return;
	struct id128 job_id = node->jobs.jobs[job].id;
	for (uint32_t index = manual_next(node, job, 0); index != 0; index = manual_next(node, job, index)) {
		struct manual *manual = manual_at(node, index);
		struct run_key run = { 0 };
		bool is_found = false;
		for (uint32_t i = 0; i < cursor->open_count && !is_found; i++) {
			if (!id128_equal(cursor->open[i].manual, manual->id))
				continue;
			run = cursor_run_key(job_id, &cursor->open[i]);
			manual->executor = cursor->open[i].executor;
			is_found = true;
		}
		/* Or it is over already. */
		if (!is_found && cursor_has_manual(cursor, manual->id))
			is_found = ledger_find_manual(node, job_id, manual->id, &run) == ERR_OK;
		if (!is_found)
			continue;
		manual_answer(node, manual, &run);
		manual_free(node, index);
	}
}

void manual_start(struct node *node, const struct asker *asker, const char *full, struct id128 id, bool is_waited,
                  bool is_forced)
{
	struct id128 job_id = hash_id(slice_str(full));
	struct problem problem = { 0 };
	struct def_value value;
	uint32_t job = job_find(&node->jobs, job_id);
	if (job == JOB_NONE || catalog_read(node, job_id, &value) != ERR_OK || value.is_deleted) {
		problem_set(&problem, ERR_NOT_FOUND, "job %s: there is no such job", text_job_display(full));
		problem_hint(&problem, "schedctl job ls");
		answer_error(node, asker, &problem);
		return;
	}
	struct run_key known;
	struct manual repeated = { .id = id, .asker = *asker, .is_waited = is_waited };
	if (manual_find_run(node, job, id, &known, &repeated.executor) == ERR_OK) {
		manual_answer(node, &repeated, &known);
		return;
	}
	uint32_t index = manual_take(node);
	if (index == 0) {
		problem_set(&problem, ERR_FULL, "run: %u requests are waiting already", MANUALS_MAX);
		answer_error(node, asker, &problem);
		return;
	}
	struct manual *manual = manual_at(node, index);
	manual->phase = MANUAL_OFFER;
	manual->job = job;
	manual->id = id;
	manual->request_ms = node->cluster_ms;
	manual->deadline_us = node->now.mono_us + MANUAL_DEADLINE_US;
	manual->is_forced = is_forced;
	manual->is_waited = is_waited;
	manual->asker = *asker;
	node->jobs.jobs[job].manual_count++;
	planner_visit(node, job);
}
