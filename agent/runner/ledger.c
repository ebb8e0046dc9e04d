/* Runs and fences, replayed from and written to the journal. */
#include "agent/runner/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "agent/runner/run.h"
#include "agent/runner/runner.h"
#include "agent/runner/runner_log.h"

#define LEDGER_FENCES_START 16u

struct run *ledger_find(const struct ledger *ledger, const struct run_key *key)
{
	for (struct run *run = ledger->runs; run != NULL; run = run->next) {
		if (!run->is_forgotten && run_key_equal(&run->key, key))
			return run;
	}
	return NULL;
}

enum err ledger_add(struct ledger *ledger, struct run *run)
{
	if (ledger->run_count >= RUNNER_RUNS_MAX)
		return ERR_FULL;
	run->next = ledger->runs;
	ledger->runs = run;
	ledger->run_count++;
	return ERR_OK;
}

void ledger_sweep(struct ledger *ledger)
{
	struct run **link = &ledger->runs;
	while (*link != NULL) {
		struct run *run = *link;
		if (!run->is_forgotten || run->live != NULL) {
			link = &run->next;
			continue;
		}
		*link = run->next;
		ledger->run_count--;
		run_free(run);
	}
}

static size_t fence_index(const struct ledger *ledger, const struct run_key *key)
{
	size_t index = 0;
	while (index < ledger->fence_count && !run_key_equal(&ledger->fences[index].key, key))
		index++;
	return index;
}

bool ledger_is_fenced(const struct ledger *ledger, const struct run_key *key)
{
	return fence_index(ledger, key) < ledger->fence_count;
}

static void fence_remove(struct ledger *ledger, size_t index)
{
	ledger->fence_count--;
	memmove(&ledger->fences[index], &ledger->fences[index + 1],
		(ledger->fence_count - index) * sizeof(*ledger->fences));
}

static enum err fence_add(struct ledger *ledger, const struct run_key *key, bool is_unsaid)
{
	if (ledger->fence_count == RUNNER_FENCES_MAX) {
		runner_log(RUNNER_LOG_WARN, "fence dropped: more than %u are not forgotten",
			   RUNNER_FENCES_MAX);
		fence_remove(ledger, 0);
	}
	if (ledger->fence_count == ledger->fence_count_max) {
		size_t count_max = ledger->fence_count_max > 0 ? ledger->fence_count_max * 2
							       : LEDGER_FENCES_START;
		struct fence *fences = reallocarray(ledger->fences, count_max, sizeof(*fences));
		if (fences == NULL)
			return ERR_NO_MEMORY;
		ledger->fences = fences;
		ledger->fence_count_max = count_max;
	}
	ledger->fences[ledger->fence_count++] = (struct fence){.key = *key, .is_unsaid = is_unsaid};
	return ERR_OK;
}

enum err ledger_fence(struct ledger *ledger, const struct run_key *key)
{
	size_t index = fence_index(ledger, key);
	if (index < ledger->fence_count) {
		ledger->fences[index].is_unsaid = true;
		return ERR_OK;
	}
	enum err err = fence_add(ledger, key, true);
	if (err != ERR_OK)
		return err;
	err = ledger_put(ledger, &(struct journal_record){.type = JOURNAL_FENCE, .run = *key});
	if (err != ERR_OK)
		fence_remove(ledger, ledger->fence_count - 1);
	return err;
}

void ledger_unfence(struct ledger *ledger, const struct run_key *key)
{
	size_t index = fence_index(ledger, key);
	if (index == ledger->fence_count)
		return;
	fence_remove(ledger, index);
	/* Lost with a crash, it costs a fence that nobody needs. */
	(void)!ledger_put(ledger, &(struct journal_record){.type = JOURNAL_FORGET, .run = *key});
}

void ledger_record_prepared(const struct run *run, struct journal_record *ret_record)
{
	const struct run_live *live = run->live;
	*ret_record = (struct journal_record){
		.type = JOURNAL_PREPARED,
		.run = run->key,
		.run_name = slice_str(live->name),
		.pid = live->leader.pid,
		.start_ticks = live->leader.start_ticks,
		.start_mono_us = live->start_mono_us,
		.timeout_ms = live->timeout_ms,
		.kill_grace_ms = live->kill_grace_ms,
		.pipe_inodes = {live->pipe_inodes[0], live->pipe_inodes[1]},
	};
}

void ledger_record_started(const struct run *run, struct journal_record *ret_record)
{
	*ret_record = (struct journal_record){
		.type = JOURNAL_STARTED,
		.run = run->key,
		.started_utc_ms = run->live->started_utc_ms,
		.started_mono_us = run->live->started_mono_us,
		.lateness_us = run->live->lateness_us,
	};
}

void ledger_record_ended(const struct run *run, struct journal_record *ret_record)
{
	*ret_record = (struct journal_record){
		.type = JOURNAL_ENDED,
		.run = run->key,
		.report = slice_of(run->report, run->report_bytes),
	};
}

static enum err put_run(struct journal *journal, const struct run *run)
{
	struct journal_record record;
	if (run->state == RUN_STATE_ENDED) {
		ledger_record_ended(run, &record);
		return journal_put(journal, &record);
	}
	if (run->live == NULL || run->live->leader.pid == 0)
		return ERR_OK; /* being made: its own record comes next */
	ledger_record_prepared(run, &record);
	enum err err = journal_put(journal, &record);
	if (err != ERR_OK || run->live->started_mono_us == 0)
		return err;
	ledger_record_started(run, &record);
	return journal_put(journal, &record);
}

static enum err put_all(struct ledger *ledger)
{
	struct journal *journal = &ledger->journal;
	enum err err = journal_put(journal,
				   &(struct journal_record){.type = JOURNAL_BOOT,
							    .host_boot = ledger->runner->host_boot});
	for (const struct run *run = ledger->runs; run != NULL && err == ERR_OK; run = run->next) {
		if (!run->is_forgotten)
			err = put_run(journal, run);
	}
	for (size_t i = 0; i < ledger->fence_count && err == ERR_OK; i++)
		err = journal_put(journal, &(struct journal_record){.type = JOURNAL_FENCE,
								    .run = ledger->fences[i].key});
	return err;
}

static enum err rewrite(struct ledger *ledger)
{
	struct journal *journal = &ledger->journal;
	uint64_t records = 1 + 2 * ledger->run_count + ledger->fence_count;
	enum err err = journal_rewrite_start(journal, records * JOURNAL_RECORD_BYTES_MAX);
	if (err != ERR_OK)
		return err;
	err = put_all(ledger);
	if (err == ERR_OK)
		err = journal_rewrite_finish(journal);
	if (err != ERR_OK && journal->old_descriptor >= 0)
		journal_rewrite_cancel(journal);
	return err;
}

enum err ledger_put(struct ledger *ledger, const struct journal_record *record)
{
	if (!ledger->is_replayed)
		return ERR_OK;
	enum err err = journal_put(&ledger->journal, record);
	if (err != ERR_FULL)
		return err;
	err = rewrite(ledger);
	if (err != ERR_OK)
		return err;
	return journal_put(&ledger->journal, record);
}

void ledger_tidy(struct ledger *ledger)
{
	if (ledger->journal.bytes < ledger->journal.bytes_max / 4 * 3)
		return;
	enum err err = rewrite(ledger);
	if (err != ERR_OK)
		runner_log(RUNNER_LOG_ERROR, "journal: rewrite: %s", err_text(err));
}

/* ---- Replay ---- */

static struct run *replay_prepared(struct ledger *ledger, const struct journal_record *record)
{
	struct run *run = calloc(1, sizeof(*run));
	if (run == NULL)
		return NULL;
	run->runner = ledger->runner;
	run->key = record->run;
	run->state = RUN_STATE_PREPARED;
	if (run_live_new(run, record->run_name) != ERR_OK || ledger_add(ledger, run) != ERR_OK) {
		run_free(run);
		return NULL;
	}
	run->live->leader.pid = record->pid;
	run->live->leader.start_ticks = record->start_ticks;
	run->live->start_mono_us = record->start_mono_us;
	run->live->timeout_ms = record->timeout_ms;
	run->live->kill_grace_ms = record->kill_grace_ms;
	run->live->pipe_inodes[0] = record->pipe_inodes[0];
	run->live->pipe_inodes[1] = record->pipe_inodes[1];
	/* Of another boot of the host: nothing of it can be alive. */
	if (!id128_equal(ledger->replay_boot, ledger->runner->host_boot))
		run->live->leader.pid = 0;
	return run;
}

static void replay_started(struct ledger *ledger, const struct journal_record *record)
{
	struct run *run = ledger_find(ledger, &record->run);
	if (run == NULL || run->live == NULL)
		return;
	run->state = RUN_STATE_RUNNING;
	run->live->started_utc_ms = record->started_utc_ms;
	run->live->started_mono_us = record->started_mono_us;
	run->live->lateness_us = record->lateness_us;
}

static void replay_ended(struct ledger *ledger, const struct journal_record *record)
{
	struct run *run = ledger_find(ledger, &record->run);
	if (run == NULL) {
		run = calloc(1, sizeof(*run));
		if (run == NULL)
			return;
		run->runner = ledger->runner;
		run->key = record->run;
		if (ledger_add(ledger, run) != ERR_OK) {
			run_free(run);
			return;
		}
	}
	free(run->report);
	run->report = malloc(record->report.bytes);
	if (run->report == NULL)
		return;
	memcpy(run->report, record->report.data, record->report.bytes);
	run->report_bytes = record->report.bytes;
	run->state = RUN_STATE_ENDED;
	run->is_end_said = true;
	run_close_start(run);
}

static void on_record(void *context, const struct journal_record *record)
{
	struct ledger *ledger = context;
	struct run *run = NULL;
	switch (record->type) {
	case JOURNAL_BOOT:
		ledger->replay_boot = record->host_boot;
		break;
	case JOURNAL_PREPARED:
		if (ledger_find(ledger, &record->run) == NULL && replay_prepared(ledger, record) == NULL)
			runner_log(RUNNER_LOG_ERROR, "journal: a run is not taken over: out of memory");
		break;
	case JOURNAL_STARTED:
		replay_started(ledger, record);
		break;
	case JOURNAL_ENDED:
		replay_ended(ledger, record);
		break;
	case JOURNAL_FENCE:
		if (!ledger_is_fenced(ledger, &record->run) &&
		    fence_add(ledger, &record->run, false) != ERR_OK)
			runner_log(RUNNER_LOG_ERROR,
				   "journal: a fence is not taken over: out of memory");
		break;
	case JOURNAL_FORGET:
		run = ledger_find(ledger, &record->run);
		if (run != NULL)
			run->is_forgotten = true;
		if (ledger_is_fenced(ledger, &record->run))
			fence_remove(ledger, fence_index(ledger, &record->run));
		break;
	}
}

enum err ledger_init(struct ledger *ledger, struct runner *runner, int directory, struct problem *problem)
{
	*ledger = (struct ledger){.runner = runner};
	bool is_torn = false;
	enum err err = journal_open(&ledger->journal, directory, on_record, ledger, &is_torn, problem);
	if (err != ERR_OK)
		return err;
	ledger_sweep(ledger);
	for (struct run *run = ledger->runs; run != NULL; run = run->next) {
		if (run->state != RUN_STATE_ENDED)
			run_adopt(run);
	}
	/* Always rewritten at a start: the boot, and the ends of runs that are over, are then on disk. */
	err = rewrite(ledger);
	if (err != ERR_OK)
		return problem_set(problem, err, "journal: it cannot be written: %s", err_text(err));
	ledger->is_replayed = true;
	for (struct run *run = ledger->runs; run != NULL; run = run->next)
		run->is_end_said = run->state == RUN_STATE_ENDED;
	return ERR_OK;
}

void ledger_close(struct ledger *ledger)
{
	while (ledger->runs != NULL) {
		struct run *run = ledger->runs;
		ledger->runs = run->next;
		run_free(run);
	}
	free(ledger->fences);
	ledger->fences = NULL;
	ledger->fence_count = 0;
	journal_close(&ledger->journal);
}
