/* Keys that change something. Each goes through here: read-only, no link and no target are said, what destroys is
 * asked with No as the default, and nothing is queued behind the person's back. */
#include <stdio.h>
#include <string.h>

#include "tui/show.h"
#include "tui/update.h"

static void set_text(char *ret_text, size_t text_bytes, const char *text)
{
	(void)snprintf(ret_text, text_bytes, "%s", text);
}

static void send_act(struct state *state, enum purpose purpose, const char *target,
		     const char *shown, int64_t now_mono_ms)
{
	static const char *const words[] = {
		[PURPOSE_RUN] = "run",   [PURPOSE_PAUSE] = "pause",   [PURPOSE_RESUME] = "resume",
		[PURPOSE_KILL] = "kill", [PURPOSE_CANCEL] = "cancel",
	};
	if (request_act(state, now_mono_ms, purpose, target))
		state_say(state, now_mono_ms, ROLE_NORMAL, "%s %s: sent, no answer yet",
			  words[purpose], shown);
}

static void ask(struct state *state, enum purpose purpose, const char *target, const char *shown)
{
	state->prompt = PROMPT_QUESTION;
	state->question.purpose = purpose;
	set_text(state->question.target, sizeof(state->question.target), target);
	set_text(state->question.shown, sizeof(state->question.shown), shown);
}

static bool may_act(struct state *state, int64_t now_mono_ms)
{
	if (state->is_read_only) {
		state_say(state, now_mono_ms, ROLE_WARN, "read-only (-r): nothing was sent");
		return false;
	}
	if (state->link.state != LINK_UP) {
		state_say(state, now_mono_ms, ROLE_WARN, "no link: nothing was sent");
		return false;
	}
	return true;
}

static void act_run(struct state *state, int64_t now_mono_ms)
{
	const struct job_row *job = update_selected_job(state);
	if (job == NULL) {
		state_say(state, now_mono_ms, ROLE_NORMAL, "no job is selected");
		return;
	}
	ask(state, PURPOSE_RUN, job->row.key, job->name);
	(void)snprintf(state->question.text, sizeof(state->question.text),
		       "Run %s now (schedctl run %s)? It cannot be undone.", job->name, job->name);
}

static void act_pause(struct state *state, int64_t now_mono_ms)
{
	const struct job_row *job = update_selected_job(state);
	if (job == NULL) {
		state_say(state, now_mono_ms, ROLE_NORMAL, "no job is selected");
		return;
	}
	enum purpose purpose = job->is_paused ? PURPOSE_RESUME : PURPOSE_PAUSE;
	if (!state_is_production(state)) {
		send_act(state, purpose, job->row.key, job->name, now_mono_ms);
		return;
	}
	ask(state, purpose, job->row.key, job->name);
	const char *word = job->is_paused ? "Resume" : "Pause";
	const char *verb = job->is_paused ? "resume" : "pause";
	(void)snprintf(state->question.text, sizeof(state->question.text),
		       "%s %s (schedctl job %s %s; u undoes it)?", word, job->name, verb, job->name);
}

/* The run that x means: the selected one, or what the selected job runs now. */
static const struct run_row *run_to_stop(struct state *state, const struct job_row **ret_job)
{
	*ret_job = NULL;
	if (state_place(state) != PLACE_JOBS)
		return update_selected_run(state);
	*ret_job = update_selected_job(state);
	return *ret_job == NULL ? NULL : model_run(&state->model, (*ret_job)->running_run);
}

static void ask_stop(struct state *state, const struct run_row *run, int64_t now_mono_ms)
{
	bool is_started = strcmp(run->state, "started") == 0 ||
			  strcmp(run->state, "running") == 0 || strcmp(run->state, "killing") == 0;
	const char *name = run->short_id[0] != '\0' ? run->short_id : run->name;
	show_text age;
	show_span(run->started_at == ROW_NONE ? ROW_NONE : state_utc(state, now_mono_ms) - run->started_at,
		  age);
	ask(state, is_started ? PURPOSE_KILL : PURPOSE_CANCEL, run->name, name);
	if (is_started)
		(void)snprintf(state->question.text, sizeof(state->question.text),
			       "Kill run %s (%s on %s, %s)? It cannot be undone.", name, run->job,
			       run->node, age);
	else
		(void)snprintf(state->question.text, sizeof(state->question.text),
			       "Cancel run %s (%s on %s, %s)? It cannot be undone.", name, run->job,
			       run->node, run->state);
}

static void act_stop(struct state *state, int64_t now_mono_ms)
{
	const struct job_row *job;
	const struct run_row *run = run_to_stop(state, &job);
	if (run != NULL && model_run_is_open(run)) {
		ask_stop(state, run, now_mono_ms);
	} else if (run != NULL) {
		char verdict[SHOW_VERDICT_BYTES];
		show_verdict(run->verdict[0] != '\0' ? run->verdict : run->state, run->reason, 80,
			     verdict);
		state_say(state, now_mono_ms, ROLE_NORMAL, "%s %s is over: %s", run->job,
			  run->short_id, verdict);
	} else if (job != NULL && job->running_run[0] != '\0') {
		/* In flight, but this agent has not told of the run itself yet. */
		ask(state, PURPOSE_KILL, job->running_run, job->running_run);
		(void)snprintf(state->question.text, sizeof(state->question.text),
			       "Kill run %s (%s)? It cannot be undone.", job->running_run, job->name);
	} else if (job != NULL) {
		state_say(state, now_mono_ms, ROLE_NORMAL, "%s is not running: nothing to kill",
			  job->name);
	} else {
		state_say(state, now_mono_ms, ROLE_NORMAL, "no run is selected");
	}
}

static void act_undo(struct state *state, int64_t now_mono_ms)
{
	if (state->undo_purpose == PURPOSE_NONE) {
		state_say(state, now_mono_ms, ROLE_NORMAL,
			  "nothing to undo: only pause and resume can be undone");
		return;
	}
	enum purpose purpose = state->undo_purpose;
	const struct job_row *job = model_job(&state->model, state->undo_target);
	state->undo_purpose = PURPOSE_NONE;
	send_act(state, purpose, state->undo_target, job != NULL ? job->name : state->undo_target,
		 now_mono_ms);
}

void update_act(struct state *state, enum action action, int64_t now_mono_ms)
{
	if (!may_act(state, now_mono_ms))
		return;
	if (action == ACTION_RUN)
		act_run(state, now_mono_ms);
	else if (action == ACTION_PAUSE)
		act_pause(state, now_mono_ms);
	else if (action == ACTION_STOP)
		act_stop(state, now_mono_ms);
	else if (action == ACTION_UNDO)
		act_undo(state, now_mono_ms);
}

void update_answer(struct state *state, uint32_t code, int64_t now_mono_ms)
{
	state->prompt = PROMPT_NONE;
	if (code != 'y' && code != 'Y') {
		state_say(state, now_mono_ms, ROLE_NORMAL, "nothing was sent");
		return;
	}
	if (may_act(state, now_mono_ms))
		send_act(state, state->question.purpose, state->question.target,
			 state->question.shown, now_mono_ms);
}
