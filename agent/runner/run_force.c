/* Ending a run by force: its time limit, or an order. A first signal to all its processes, then, after the grace,
 * SIGKILL until none is left. */
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent/runner/run.h"
#include "agent/runner/runner.h"
#include "agent/runner/runner_log.h"
#include "proto/text.h"

#define FORCE_AGAIN_US \
	20000 /* between two rounds of SIGKILL: who forked meanwhile is hit by the next */
#define FORCE_ROUNDS_MAX \
	100u /* two seconds; what lives on is in the kernel's hands, and is reported */

struct process_tree run_tree(const struct run *run)
{
	const struct run_live *live = run->live;
	return (struct process_tree){
		.leader = live->leader,
		.is_leader_proven = !live->is_leader_gone,
		.is_adopted = live->is_adopted,
		.run_name = live->name,
	};
}

int64_t run_force_count(const struct run *run)
{
	if (run->live == NULL || run->live->force.cause == RUNNER_CAUSE_NONE)
		return -1;
	struct process_tree tree = run_tree(run);
	return process_tree_signal(&tree, 0);
}

static void signal_all(const struct run *run, int signal)
{
	struct process_tree tree = run_tree(run);
	if (process_tree_signal(&tree, signal) < 0)
		runner_log(RUNNER_LOG_ERROR, "kill: /proc cannot be read");
}

/* "KILL after 12s", by the boot-time clock since the start. */
static void say_when(struct run_live *live, const char *signal_word)
{
	if (live->force.cause != RUNNER_CAUSE_TIMEOUT)
		return;
	char span[TEXT_DURATION_BYTES];
	text_format_span((runner_mono_us() - live->started_mono_us) / 1000, span);
	size_t at = strlen(live->cause_text);
	(void)snprintf(live->cause_text + at, sizeof(live->cause_text) - at, "%s%s after %s",
		       at > 0 ? ", " : "", signal_word, span);
}

static void kill_round(struct run *run)
{
	struct run_live *live = run->live;
	if (live->force.kill_count == 0)
		say_when(live, "KILL");
	signal_all(run, SIGKILL);
	live->force.kill_count++;
	live->force.kill_at_us = 0;
	if (live->force.kill_count < FORCE_ROUNDS_MAX)
		live->force.kill_at_us = runner_mono_us() + FORCE_AGAIN_US;
	run->runner->has_work = true;
	run_settle(run);
}

void run_force_start(struct run *run, enum runner_cause cause, int signal, int64_t grace_ms)
{
	struct run_live *live = run->live;
	/* Who comes first gives the reason; a leader that has gone by itself was not forced. */
	if (live->force.cause == RUNNER_CAUSE_NONE && !live->is_leader_gone) {
		live->force.cause = cause;
		live->force.since_mono_us = runner_mono_us();
	}
	run->runner->has_work = true;
	if (signal == SIGKILL || grace_ms == 0) {
		if (signal != SIGKILL)
			signal_all(run, signal);
		kill_round(run);
		return;
	}
	if (cause == RUNNER_CAUSE_TIMEOUT)
		say_when(live, "TERM");
	signal_all(run, signal);
	int64_t kill_at_us = runner_mono_us() + grace_ms * 1000;
	/* A second order may shorten the grace, not prolong it. */
	if (live->force.kill_count == 0 &&
	    (live->force.kill_at_us == 0 || kill_at_us < live->force.kill_at_us))
		live->force.kill_at_us = kill_at_us;
	run_settle(run);
}

void run_kill(struct run *run, const struct runner_order *order)
{
	struct run_live *live = run->live;
	if (run->state == RUN_STATE_ENDED) {
		run_report(run);
		return;
	}
	int64_t grace_ms = order->grace_ms >= 0 ? order->grace_ms : live->kill_grace_ms;
	int signal = order->signal != 0 ? order->signal : SIGTERM;
	if (live->force.cause == RUNNER_CAUSE_NONE && !live->is_leader_gone)
		(void)snprintf(live->cause_text, sizeof(live->cause_text), "%.*s",
			       (int)order->by.bytes, (const char *)order->by.data);
	if (run->state == RUN_STATE_PREPARED) {
		live->force.early_signal = signal;
		live->force.early_grace_ms = grace_ms;
		run_revoke(run);
		return;
	}
	run_force_start(run, RUNNER_CAUSE_KILLED, signal, grace_ms);
}

void run_on_deadline(struct run *run, int64_t now_mono_us)
{
	struct run_live *live = run->live;
	if (live == NULL || run->state == RUN_STATE_ENDED)
		return;
	if (live->timeout_at_us != 0 && now_mono_us >= live->timeout_at_us) {
		live->timeout_at_us = 0;
		run_force_start(run, RUNNER_CAUSE_TIMEOUT, SIGTERM, live->kill_grace_ms);
	}
	/* run_settle may have ended it meanwhile. */
	if (run->live == NULL || run->state == RUN_STATE_ENDED)
		return;
	if (live->force.kill_at_us != 0 && now_mono_us >= live->force.kill_at_us)
		kill_round(run);
	else if (live->output_until_us != 0 && now_mono_us >= live->output_until_us)
		run_settle(run);
}

void run_on_orphan_gone(struct run *run)
{
	if (run->state == RUN_STATE_RUNNING && run->live->is_leader_gone &&
	    run->live->force.kill_at_us != 0)
		run_settle(run);
}
