/* What users change: a job is put, removed, paused, resumed, enabled, disabled.
 *
 *     DEF     the definition's register is changed by majority
 *     CURSOR  one pass, or `same`, on the cursor: every older claim is finished or buried
 *     REVOKE  open runs of older definitions that have not started are called back, and answered
 *
 * Only then is it done, and says so: after "paused" nothing starts, or the answer has said what still might. */
#include "agent/core/change.h"

#include <assert.h>
#include <string.h>

#include "agent/core/mutant.h"
#include "proto/hash.h"
#include "proto/text.h"

#define CHANGE_DEADLINE_US (5 * INT64_C(1000000))
#define REVOKE_DEADLINE_US (2 * INT64_C(1000000))
#define STORE_FULL_PERMILLE 800u /* deletes must still find room */

static struct change *change_at(const struct node *node, uint32_t index)
{
	return &node->changes[index - 1];
}

static uint32_t change_take(struct node *node)
{
	uint32_t index = node->change_free;
	if (index != 0)
		node->change_free = change_at(node, index)->free_next;
	else if (node->change_used < CHANGES_MAX)
		index = ++node->change_used;
	else
		return 0;
	memset(change_at(node, index), 0, sizeof(struct change));
	return index;
}

/* Not a buffer that proposals need too: with many changes under way none of them would come to an end. */
static uint8_t *change_definition(struct node *node, uint32_t index)
{
	return node->change_definitions + (size_t)(index - 1) * DEFINITION_BYTES_MAX;
}

static void change_free(struct node *node, uint32_t index)
{
	struct change *change = change_at(node, index);
	change->phase = CHANGE_FREE;
	change->free_next = node->change_free;
	node->change_free = index;
}

static void change_refuse(struct node *node, uint32_t index, const struct problem *problem)
{
	answer_error(node, &change_at(node, index)->asker, problem);
	change_free(node, index);
}

/* Those of a job: begin with 0; 0 at the end. */
static uint32_t change_of_job(const struct node *node, uint32_t job, uint32_t index)
{
	for (uint32_t next = index + 1; next <= node->change_used; next++)
		if (change_at(node, next)->phase != CHANGE_FREE && change_at(node, next)->job == job)
			return next;
	return 0;
}

/* ---- checking ---- */

static enum err change_check_often(const struct definition *definition, const struct schedule *schedule,
                                   struct problem *problem)
{
	uint32_t fires = schedule_fires_per_day_max(schedule);
	if (definition->is_often || fires <= FIRES_PER_DAY_MAX)
		return ERR_OK;
	(void)problem_set(problem, ERR_RANGE, "cron: %u fires a day, more than %u", fires, FIRES_PER_DAY_MAX);
	problem_hint(problem, "a seconds field too many? if it is meant: --yes-often (in files: often: true)");
	return ERR_RANGE;
}

enum err change_check(struct node *node, struct slice bytes, bool is_late, struct definition *ret_definition,
                      struct schedule *ret_schedule, const struct zone **ret_zone, struct problem *problem)
{
	struct def_value value = { .definition = bytes, .created_ms = node->cluster_ms };
	enum err err = planner_schedule(node, &value, ret_definition, ret_schedule, ret_zone, problem);
	if (err != ERR_OK)
		return err;
	err = change_check_often(ret_definition, ret_schedule, problem);
	if (err != ERR_OK)
		return err;
	if (ret_schedule->kind == SCHEDULE_AT && !is_late && ret_schedule->at_ms <= node->cluster_ms) {
		char text[TEXT_TIME_BYTES];
		text_format_time(ret_schedule->at_ms, text);
		(void)problem_set(problem, ERR_RANGE, "at: %s is past", text);
		problem_hint(problem, "give a time that is still to come, or --late to have it judged as a misfire");
		return ERR_RANGE;
	}
	return ERR_OK;
}

/* ---- the new value ---- */

static bool change_is_same(const struct def_value *held, const struct change *change, struct slice definition)
{
	switch (change->kind) {
	case CHANGE_PUT:
		return slice_equal(held->definition, definition);
	case CHANGE_PAUSE:
		return held->is_paused;
	case CHANGE_RESUME:
		return !held->is_paused;
	case CHANGE_ENABLE:
		return held->is_enabled;
	case CHANGE_DISABLE:
		return !held->is_enabled;
	case CHANGE_REMOVE:
		return false;
	}
	return false;
}

/* True if the job has a run that is neither over nor lost. */
static bool change_has_open_run(const struct node *node, uint32_t job)
{
	for (uint32_t link = node->jobs.jobs[job].run_first; link != 0; link = node->runs.runs[link - 1].job_next) {
		const struct run *run = &node->runs.runs[link - 1];
		if (run->is_open && !run_state_is_final(run->record.state) && !planner_run_is_lost(node, run))
			return true;
	}
	return false;
}

static enum err change_judge(struct node *node, const struct change *change, const struct def_value *held,
                             bool is_there, struct problem *problem)
{
	const char *name = text_job_display(change->name);
	if (change->kind == CHANGE_PUT) {
		if (!is_there || change->is_replace)
			return ERR_OK;
		char by[USER_NAME_BYTES_MAX + 1];
		text_copy_slice(by, sizeof(by), held->by);
		(void)problem_set(problem, ERR_EXISTS, "job %s: exists as version %llu, last changed by %s", name,
		                  (unsigned long long)held->counter, by);
		problem_hint(problem, "schedctl job show %s; --replace makes it an edit", name);
		return ERR_EXISTS;
	}
	if (!is_there) {
		(void)problem_set(problem, ERR_NOT_FOUND, "job %s: there is no such job", name);
		problem_hint(problem, "schedctl job ls");
		return ERR_NOT_FOUND;
	}
	if (change->kind == CHANGE_REMOVE && !change->let_finish && change_has_open_run(node, change->job)) {
		(void)problem_set(problem, ERR_EXISTS, "job %s: it has runs in progress", name);
		problem_hint(problem, "schedctl job rm %s --let-finish, or --kill", name);
		return ERR_EXISTS;
	}
	return ERR_OK;
}

static void change_apply(struct node *node, const struct change *change, bool is_there, struct slice definition,
                         struct def_value *value)
{
	int64_t now_ms = node->cluster_ms;
	value->counter++;
	value->name = slice_str(change->name);
	value->changed_ms = now_ms;
	value->by = slice_str(change->asker.user);
	value->reason = slice_str(change->reason);
	struct definition decoded;
	switch (change->kind) {
	case CHANGE_PUT:
		value->definition = definition;
		value->is_deleted = false;
		value->from_ms = now_ms;
		value->is_enabled = definition_decode(definition, &decoded, NULL) != ERR_OK || decoded.is_enabled;
		if (!is_there) {
			value->is_paused = false;
			value->created_ms = now_ms;
		}
		/* A past `at` that was asked for with --late is a fire of this definition all the same. */
		if (change->is_late && decoded.has_at && decoded.at_ms <= now_ms)
			value->from_ms = decoded.at_ms - 1;
		break;
	case CHANGE_REMOVE:
		value->is_deleted = true;
		break;
	case CHANGE_PAUSE:
		value->is_paused = true;
		break;
	case CHANGE_RESUME:
		value->is_paused = false;
		if (!change->is_catch_up)
			value->from_ms = now_ms;
		break;
	case CHANGE_ENABLE:
		value->is_enabled = true;
		value->from_ms = now_ms;
		break;
	case CHANGE_DISABLE:
		value->is_enabled = false;
		break;
	}
	if (!id128_is_zero(change->id))
		def_value_add_request(value, change->id, value->counter);
}

bool change_build(struct node *node, uint32_t index, struct slice base, struct buf *out)
{
	struct change *change = change_at(node, index);
	struct def_value value = { 0 };
	bool is_held = base.bytes > 0 && def_value_get(base, &value) == ERR_OK;
	bool is_there = is_held && !value.is_deleted;
	struct slice definition = { 0 };
	if (change->kind == CHANGE_PUT)
		definition = slice_of(change_definition(node, index), change->definition_bytes);

	const struct def_request *repeated = id128_is_zero(change->id) ? NULL : def_value_find_request(&value, change->id);
	bool is_same = is_there && (change->kind != CHANGE_PUT || change->is_replace) &&
	               change_is_same(&value, change, definition);
	change->is_unchanged = repeated != NULL || is_same;
	change->is_repeated = repeated != NULL;
	if (change->is_unchanged) {
		/* What was found may be accepted and not decided, and its claims not yet called back: all of that is done
		 * before it is said to be done. */
		change->counter = repeated != NULL ? repeated->counter : value.counter;
		buf_put(out, base.data, base.bytes);
		return true;
	}
	struct problem problem = { 0 };
	if (change_judge(node, change, &value, is_there, &problem) != ERR_OK) {
		change->is_looking = is_held && value.counter != change->decided_counter;
		if (change->is_looking)
			buf_put(out, base.data, base.bytes);
		else
			change_refuse(node, index, &problem);
		return change->is_looking;
	}
	change_apply(node, change, is_there, definition, &value);
	change->counter = value.counter;
	def_value_put(out, &value);
	return true;
}

/* ---- going on ---- */

void change_next(struct node *node, uint32_t job)
{
	const struct job *row = &node->jobs.jobs[job];
	for (uint32_t index = change_of_job(node, job, 0); index != 0; index = change_of_job(node, job, index)) {
		struct change *change = change_at(node, index);
		if (change->is_started)
			continue;
		if (change->phase == CHANGE_DEF && row->def_proposal == PROPOSAL_NONE) {
			change->is_started = true;
			if (!proposer_start(node, job, REGISTER_DEF, index, true))
				change->is_started = false; /* its deadline ends it */
		} else if (change->phase == CHANGE_CURSOR && row->proposal == PROPOSAL_NONE) {
			change->is_started = true;
			if (!proposer_start(node, job, REGISTER_CUR, index, true))
				change->is_started = false;
		}
	}
}

static bool change_touches_cursor(const struct change *change)
{
	return !(change->kind == CHANGE_PUT && !change->is_replace) && !mutant_is_on(MUTANT_NOCALLBACK);
}

static void change_finish(struct node *node, uint32_t index)
{
	struct change *change = change_at(node, index);
	uint32_t job = change->job;
	change_answer(node, change, !change->is_unchanged || change->is_repeated);
	change_free(node, index);
	change_next(node, job);
}

void change_def_decided(struct node *node, uint32_t job, uint32_t index, uint64_t counter)
{
	if (index == 0) {
		if (counter != 0)
			planner_def_read(node, job, counter);
		change_next(node, job);
		return;
	}
	struct change *change = change_at(node, index);
	change->is_started = false;
	if (change->is_looking) {
		change->is_looking = false;
		change->decided_counter = counter;
		change_next(node, job);
		return;
	}
	if (!change_touches_cursor(change)) {
		change_finish(node, index);
		return;
	}
	change->phase = CHANGE_CURSOR;
	change->deadline_us = node->now.mono_us + CHANGE_DEADLINE_US;
	change_next(node, job);
}

void change_send_revoke(struct node *node, struct id128 executor, const struct revoke *revoke)
{
	if (id128_equal(executor, node->config.id)) {
		executor_revoke(node, node->config.id, revoke);
		return;
	}
	uint8_t memory[256];
	struct buf item;
	buf_init(&item, memory, sizeof(memory));
	revoke_put(&item, revoke);
	outbox_put(node, executor, MESSAGE_REVOKE, buf_slice(&item));
}

/* Open runs of an older definition that are not known to have started; with `sends` each is called back. */
static uint32_t change_open_unstarted(struct node *node, const struct change *change, bool sends)
{
	uint32_t count = 0;
	struct revoke revoke = { .kind = change->kind == CHANGE_PUT ? REVOKE_EDIT : REVOKE_CANCEL,
		                 .by = slice_str(change->asker.user) };
	for (uint32_t slot = run_next_slot(&node->runs, RUN_NONE); slot != RUN_NONE;
	     slot = run_next_slot(&node->runs, slot)) {
		struct run *run = &node->runs.runs[slot];
		bool is_older = run->is_open && run->record.state < RUN_STARTED &&
		                run->record.def_counter < change->counter &&
		                id128_equal(run->record.key.job, node->jobs.jobs[change->job].id) &&
		                id128_is_zero(run->record.key.manual);
		if (!is_older || (!sends && !run->is_revoking))
			continue;
		run->is_revoking = true;
		count++;
		if (!sends)
			continue;
		revoke.run = run->record.key;
		change_send_revoke(node, run->record.executor, &revoke);
	}
	return count;
}

void change_cursor_decided(struct node *node, uint32_t job, uint32_t index)
{
	if (index != 0 && change_at(node, index)->phase == CHANGE_CURSOR) {
		struct change *change = change_at(node, index);
		change->is_started = false;
		change->phase = CHANGE_REVOKE;
		change->deadline_us = node->now.mono_us + REVOKE_DEADLINE_US;
		bool calls_back = change->kind != CHANGE_RESUME && change->kind != CHANGE_ENABLE;
		if (!calls_back || change_open_unstarted(node, change, true) == 0 ||
		    change_open_unstarted(node, change, false) == 0)
			change_finish(node, index);
	}
	change_next(node, job);
}

enum change_kind change_waiting(const struct node *node, uint32_t job, bool *ret_is_waiting)
{
	*ret_is_waiting = false;
	for (uint32_t index = change_of_job(node, job, 0); index != 0; index = change_of_job(node, job, index)) {
		if (change_at(node, index)->phase != CHANGE_CURSOR)
			continue;
		*ret_is_waiting = true;
		return change_at(node, index)->kind;
	}
	return CHANGE_PUT;
}

void change_on_run(struct node *node, const struct run_record *record)
{
	uint32_t job = job_find(&node->jobs, record->key.job);
	uint32_t slot = run_find(&node->runs, &record->key);
	if (slot != RUN_NONE && record->state >= RUN_STARTED)
		node->runs.runs[slot].is_revoking = false;
	for (uint32_t index = job == JOB_NONE ? 0 : change_of_job(node, job, 0); index != 0;
	     index = change_of_job(node, job, index)) {
		struct change *change = change_at(node, index);
		if (change->phase == CHANGE_REVOKE && change_open_unstarted(node, change, false) == 0)
			/* In the next turn: this run's record is being changed by the caller. */
			change->deadline_us = node->now.mono_us;
	}
}

void change_failed(struct node *node, uint32_t job, uint32_t index)
{
	if (index != 0) {
		const struct change *change = change_at(node, index);
		const char *name = text_job_display(change->name);
		struct problem problem;
		if (change->phase == CHANGE_DEF) {
			problem_set(&problem, ERR_NO_MAJORITY,
			            "job %s: not decided: too few members of its set answered in 5 s", name);
			problem_hint(&problem, "schedctl node ls shows who is away; the same --id may be sent again");
		} else {
			problem_set(&problem, ERR_NO_MAJORITY,
			            "job %s: version %llu is decided, but claims made before it could not be called back",
			            name, (unsigned long long)change->counter);
			problem_hint(&problem, "schedctl job show %s lists its open runs", name);
		}
		change_refuse(node, index, &problem);
	}
	change_next(node, job);
}

void change_on_deadline(struct node *node)
{
	for (uint32_t index = 1; index <= node->change_used; index++) {
		const struct change *change = change_at(node, index);
		bool is_due = change->phase != CHANGE_FREE && node->now.mono_us >= change->deadline_us;
		if (is_due && change->phase == CHANGE_REVOKE)
			change_finish(node, index);
		else if (is_due && !change->is_started)
			change_failed(node, change->job, index);
	}
}

int64_t change_next_deadline_us(const struct node *node)
{
	int64_t next_us = INT64_MAX;
	for (uint32_t index = 1; index <= node->change_used; index++) {
		const struct change *change = change_at(node, index);
		if (change->phase == CHANGE_FREE || (change->is_started && change->phase != CHANGE_REVOKE))
			continue;
		if (change->deadline_us < next_us)
			next_us = change->deadline_us;
	}
	return next_us;
}

void change_start(struct node *node, const struct asker *asker, const struct change_request *request)
{
	struct problem problem = { 0 };
	struct id128 id = hash_id(request->name);
	struct definition definition;
	struct schedule schedule;
	const struct zone *zone;
	if (request->kind == CHANGE_PUT) {
		if (change_check(node, request->definition, request->is_late, &definition, &schedule, &zone, &problem) !=
		    ERR_OK) {
			answer_error(node, asker, &problem);
			return;
		}
		if (node->store->usage_permille(node->store->context) >= STORE_FULL_PERMILLE) {
			problem_set(&problem, ERR_FULL, "store: above 80 %% full, new jobs and edits are refused");
			problem_hint(&problem, "schedctl job rm what is not needed, or raise store.voting_bytes");
			answer_error(node, asker, &problem);
			return;
		}
	}
	uint32_t job = job_add(&node->jobs, id, place_arc(id));
	uint32_t index = job == JOB_NONE ? 0 : change_take(node);
	if (index == 0) {
		problem_set(&problem, ERR_FULL, "job: too many jobs, or changes in progress, on this agent");
		problem_hint(&problem, "try again in a second");
		answer_error(node, asker, &problem);
		return;
	}
	struct change *change = change_at(node, index);
	/* Without an id its own value, accepted and found again, could not be told from somebody else's. */
	struct id128 request_id = request->id;
	if (id128_is_zero(request_id)) {
		store_u64(request_id.bytes, prng_next(&node->prng));
		store_u64(request_id.bytes + 8, prng_next(&node->prng));
	}
	*change = (struct change){ .phase = CHANGE_DEF, .kind = request->kind, .job = job, .id = request_id,
		                   .is_replace = request->is_replace, .is_catch_up = request->is_catch_up,
		                   .let_finish = request->let_finish, .is_late = request->is_late,
		                   .asker = *asker, .deadline_us = node->now.mono_us + CHANGE_DEADLINE_US };
	text_copy_slice(change->name, sizeof(change->name), request->name);
	text_copy_slice(change->reason, sizeof(change->reason), request->reason);
	if (request->kind == CHANGE_PUT) {
		assert(request->definition.bytes <= DEFINITION_BYTES_MAX);
		memcpy(change_definition(node, index), request->definition.data, request->definition.bytes);
		change->definition_bytes = (uint32_t)request->definition.bytes;
	}
	change_next(node, job);
}
