/* What the runner says of this node's runs, what people order of them, and what is left of them after a restart. */
#include <string.h>

#include "agent/core/executor.h"
#include "agent/core/mutant.h"
#include "agent/core/start_record.h"
#include "proto/text.h"

/* ---- the runner's word ---- */

/* Turns the name in `text` into "KILL by ann"; a run that was stopped before its start, or that left by itself when
 * asked to, had no signal. */
static void executor_killed_by(char text[RESULT_BYTES_MAX + 1], int signal)
{
	char by[RESULT_BYTES_MAX + 1];
	text_copy(by, sizeof(by), text);
	char name[TEXT_NUMBER_BYTES] = "TERM";
	if (signal != 0)
		text_format_signal(signal, name);
	char start[TEXT_NUMBER_BYTES + 8];
	text_join(start, sizeof(start), name, slice_str(" by "));
	text_join(text, RESULT_BYTES_MAX + 1, start, slice_str(by));
}

static void executor_verdict(struct node *node, struct run_record *record, const struct runner_report *report)
{
	char text[RESULT_BYTES_MAX + 1];
	text_copy_slice(text, sizeof(text), report->cause_text);
	struct def_value value;
	struct definition definition;
	bool is_known = catalog_read_version(node, record->key.job, record->def_counter, &value) == ERR_OK &&
	                definition_decode(value.definition, &definition, NULL) == ERR_OK;
	switch (report->cause) {
	case RUNNER_CAUSE_NONE:
		if (report->signal != 0) {
			record->verdict = VERDICT_KILLED;
			text_format_signal(report->signal, record->reason);
			return;
		}
		record->verdict = VERDICT_FAILED;
		if (report->exit_code == 0 && !is_known)
			record->verdict = VERDICT_RAN_OK;
		if (is_known && definition_exit_is_ok(&definition, report->exit_code))
			record->verdict = VERDICT_RAN_OK;
		record->reason[0] = '\0';
		if (record->verdict == VERDICT_FAILED)
			text_format_i64(report->exit_code, record->reason);
		return;
	case RUNNER_CAUSE_SPAWN:
	case RUNNER_CAUSE_CWD:
		record->verdict = VERDICT_FAILED;
		break;
	case RUNNER_CAUSE_TIMEOUT:
		record->verdict = VERDICT_TIMEOUT;
		break;
	case RUNNER_CAUSE_KILLED:
		record->verdict = VERDICT_KILLED;
		executor_killed_by(text, report->signal);
		break;
	case RUNNER_CAUSE_REVOKED:
		record->verdict = VERDICT_NONE; /* never exec'd: another may take it */
		break;
	case RUNNER_CAUSE_LOST:
		record->verdict = VERDICT_LOST;
		text_copy(text, sizeof(text), "crashed");
		break;
	}
	text_copy(record->reason, sizeof(record->reason), text);
}

static void executor_on_started(struct node *node, uint32_t slot, const struct runner_report *report)
{
	struct run *run = &node->runs.runs[slot];
	if (run->mine != RUN_MINE_PREPARED)
		return;
	if (mutant_is_on(MUTANT_NOSTART))
		start_record_put(node->store, &run->record.key, START_STARTED);
	run->mine = RUN_MINE_STARTED;
	run->record.pid = report->pid;
	run->record.started_ms = report->started_utc_ms;
	run->record.lateness_us = report->lateness_us;
	figures_started(node, report->lateness_us);
	executor_set_state(node, slot, RUN_STARTED);
}

static void executor_on_ended(struct node *node, const struct runner_report *report)
{
	struct runner_order forget = { .type = RUNNER_FORGET, .run = report->run };
	uint32_t slot = run_find(&node->runs, &report->run);
	if (slot == RUN_NONE || node->runs.runs[slot].mine == RUN_MINE_NOT ||
	    node->runs.runs[slot].mine == RUN_MINE_OVER) {
		effects_runner(node->effects, &forget);
		return;
	}
	struct run *run = &node->runs.runs[slot];
	struct run_record *record = &run->record;
	if (record->started_ms == 0) {
		record->started_ms = report->started_utc_ms;
		record->lateness_us = report->lateness_us;
		record->pid = report->pid;
		if (report->pid != 0)
			figures_started(node, report->lateness_us);
	}
	run->processes_left = report->processes_left;
	record->duration_us = report->duration_us;
	record->exit_code = report->exit_code;
	record->signal = report->signal;
	record->user_us = report->usage.user_us;
	record->system_us = report->usage.system_us;
	record->rss_bytes_max = report->usage.rss_bytes_max;
	record->output_bytes = report->output_bytes;
	/* The runner saw the end, perhaps long ago: the agent may have been away. */
	record->ended_ms = report->ended_utc_ms;
	executor_verdict(node, record, report);
	if (report->cause == RUNNER_CAUSE_REVOKED) {
		executor_over(node, slot, RUN_RELEASED);
	} else {
		figures_ended(node, record->verdict);
		executor_over(node, slot, RUN_ENDED);
	}
	effects_runner(node->effects, &forget);
}

/* Asked about, and never heard of: from now on it never spawns it. */
static void executor_on_unknown(struct node *node, uint32_t slot, bool is_same_boot)
{
	struct run *run = &node->runs.runs[slot];
	if (run->mine != RUN_MINE_PREPARED && run->mine != RUN_MINE_STARTED)
		return;
	run->record.verdict = VERDICT_LOST;
	text_copy(run->record.reason, sizeof(run->record.reason), is_same_boot ? "crashed" : "host");
	figures_ended(node, VERDICT_LOST);
	/* Once our end record is synced nobody prepares this run again: its fence may go. */
	struct runner_order forget = { .type = RUNNER_FORGET, .run = run->record.key };
	effects_runner(node->effects, &forget);
	executor_over(node, slot, RUN_ENDED);
}

static const uint8_t host_boot_key[] = "host_boot";

static void executor_on_hello(struct node *node, const struct runner_report *report)
{
	struct slice key = slice_of(host_boot_key, sizeof(host_boot_key) - 1);
	uint8_t memory[16];
	struct buf value;
	buf_init(&value, memory, sizeof(memory));
	struct id128 before = { { 0 } };
	if (node->store->get(node->store->context, TABLE_SELF, key, &value) == ERR_OK && value.bytes == 16)
		memcpy(before.bytes, memory, 16);
	node->is_host_same = id128_equal(before, report->host_boot);
	if (!node->is_host_same)
		node->store->put(node->store->context, TABLE_SELF, key, slice_of(report->host_boot.bytes, 16));
	node->host_boot = report->host_boot;
	node->runner_is_up = true;
	node_update_meta(node);
	for (uint32_t slot = run_next_slot(&node->runs, RUN_NONE); slot != RUN_NONE;
	     slot = run_next_slot(&node->runs, slot)) {
		struct run *run = &node->runs.runs[slot];
		if (run->mine != RUN_MINE_PREPARED && run->mine != RUN_MINE_STARTED)
			continue;
		run->is_ask_needed = true; /* in its turn: there may be more than one step has room for */
		heap_set(&node->runs.heap, slot, node->now.mono_us);
	}
}

void executor_on_runner(struct node *node, const struct runner_report *report)
{
	if (report->type == RUNNER_HELLO) {
		executor_on_hello(node, report);
		return;
	}
	if (report->type == RUNNER_ENDED) {
		executor_on_ended(node, report);
		return;
	}
	uint32_t slot = run_find(&node->runs, &report->run);
	if (slot == RUN_NONE)
		return;
	if (report->type == RUNNER_STARTED)
		executor_on_started(node, slot, report);
	else if (report->type == RUNNER_UNKNOWN)
		executor_on_unknown(node, slot, node->is_host_same);
}

void executor_on_runner_down(struct node *node)
{
	node->runner_is_up = false;
	node_update_meta(node);
}

/* ---- orders of people ---- */

enum err executor_kill(struct node *node, const struct run_key *key, int signal, int64_t grace_ms, const char *by)
{
	uint32_t slot = run_find(&node->runs, key);
	if (slot == RUN_NONE || node->runs.runs[slot].mine == RUN_MINE_NOT)
		return ERR_NOT_FOUND;
	struct run *run = &node->runs.runs[slot];
	if (run->mine == RUN_MINE_OVER)
		return ERR_STALE;
	if (run->mine == RUN_MINE_ARMED || run->mine == RUN_MINE_ASKING) {
		struct revoke revoke = { .run = *key, .kind = REVOKE_CANCEL, .by = slice_str(by) };
		executor_revoke(node, node->config.id, &revoke);
		return ERR_OK;
	}
	run->is_kill_asked = true;
	struct runner_order order = { .type = RUNNER_KILL, .run = *key, .signal = signal, .grace_ms = grace_ms,
		                      .by = slice_str(by) };
	effects_runner(node->effects, &order);
	live_run_changed(node, &run->record);
	return ERR_OK;
}

/* ---- after a restart ---- */

static void executor_load(struct node *node, const struct run_key *key, enum start_state state)
{
	struct run_record record;
	if (ledger_read(node, key, &record) != ERR_OK)
		record = (struct run_record){ .key = *key, .executor = node->config.id, .exit_code = -1,
			                      .rss_bytes_max = -1, .state = RUN_ARMED };
	uint32_t slot = ledger_add(node, key);
	if (slot == RUN_NONE)
		return;
	struct run *run = &node->runs.runs[slot];
	run->record = record;
	if (state == START_STARTED && record.state <= RUN_LOST) {
		/* `lost` is a proposer's word: the process may live, and the last word is still to be said. */
		if (record.state == RUN_LOST) {
			run->record.state = RUN_ARMED;
			run->record.verdict = VERDICT_NONE;
			run->record.reason[0] = '\0';
			run->record.ended_ms = 0;
		}
		/* The runner outlives us: it is asked when it says hello. */
		run->mine = record.started_ms != 0 ? RUN_MINE_STARTED : RUN_MINE_PREPARED;
		node->running_count++;
		return;
	}
	if (!run_state_is_final(record.state)) {
		run->record.state = RUN_ENDED;
		run->record.verdict = VERDICT_LOST;
		text_copy(run->record.reason, sizeof(run->record.reason), "unknown");
	}
	run->mine = RUN_MINE_OVER;
	heap_set(&node->runs.heap, slot, node->now.mono_us);
}

void executor_on_start(struct node *node)
{
	uint8_t key_memory[64];
	struct buf key;
	buf_init(&key, key_memory, sizeof(key_memory));
	uint8_t value_memory[RUN_KEY_BYTES + 16u];
	struct buf value;
	buf_init(&value, value_memory, sizeof(value_memory));
	while (node->store->next(node->store->context, TABLE_STARTS, buf_slice(&key), &key, &value) == ERR_OK) {
		struct run_key run;
		enum start_state state;
		if (start_record_load(buf_slice(&key), buf_slice(&value), &run, &state))
			executor_load(node, &run, state);
	}
}
