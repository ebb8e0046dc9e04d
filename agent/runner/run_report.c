/* What the agent is told of a run, and how a run's end is put on record. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/runner/run.h"
#include "agent/runner/runner.h"
#include "agent/runner/runner_log.h"
#include "proto/text.h"

#define RUN_REPORT_BYTES_MAX 512u

static_assert(RUN_REPORT_BYTES_MAX > RESULT_BYTES_MAX + 256u, "an end fits its buffer");
static_assert(RUN_REPORT_BYTES_MAX + 128u < JOURNAL_RECORD_BYTES_MAX, "an end fits the journal");

static void report_fill(const struct run *run, enum runner_report_type type,
			struct runner_report *ret_report)
{
	const struct run_live *live = run->live;
	*ret_report = (struct runner_report){.type = type, .run = run->key};
	if (live == NULL || live->started_mono_us == 0)
		return;
	ret_report->pid = live->leader.pid;
	ret_report->started_utc_ms = live->started_utc_ms;
	ret_report->started_mono_us = live->started_mono_us;
	ret_report->lateness_us = live->lateness_us;
}

void run_report(const struct run *run)
{
	struct link *link = &run->runner->link;
	struct runner_report report;
	switch (run->state) {
	case RUN_STATE_PREPARED:
		report_fill(run, RUNNER_PREPARED, &report);
		link_send(link, &report);
		break;
	case RUN_STATE_RUNNING:
		report_fill(run, RUNNER_STARTED, &report);
		link_send(link, &report);
		break;
	case RUN_STATE_ENDED:
		/* One that is not synced yet is said at the end of this turn. */
		if (run->is_end_said)
			link_send_bytes(link, slice_of(run->report, run->report_bytes));
		break;
	}
}

static const char *cause_word(enum runner_cause cause)
{
	switch (cause) {
	case RUNNER_CAUSE_NONE:
		return "exit";
	case RUNNER_CAUSE_SPAWN:
		return "spawn";
	case RUNNER_CAUSE_CWD:
		return "cwd";
	case RUNNER_CAUSE_TIMEOUT:
		return "timeout";
	case RUNNER_CAUSE_KILLED:
		return "killed";
	case RUNNER_CAUSE_REVOKED:
		return "revoked";
	case RUNNER_CAUSE_LOST:
		return "lost";
	}
	return "unknown";
}

static void log_end(const struct run *run, const struct runner_report *report, const char *text)
{
	char name[RUN_NAME_BYTES_MAX + 1];
	char escaped[RESULT_BYTES_MAX * 3 + 1];
	text_escape(slice_str(run->live != NULL ? run->live->name : "?"), name, sizeof(name));
	text_escape(slice_str(text), escaped, sizeof(escaped));
	runner_log(RUNNER_LOG_INFO,
		   "run ended run=%s pid=%" PRId64
		   " cause=%s text=\"%s\" exit=%d signal=%d duration_us=%" PRId64
		   " output_bytes=%" PRIu64,
		   name, report->pid, cause_word(report->cause), escaped, report->exit_code,
		   report->signal, report->duration_us, report->output_bytes);
}

/* Fills what is known of the end; of a run that never started only the moment. */
static void end_fill(const struct run *run, struct runner_report *report)
{
	const struct run_live *live = run->live;
	report_fill(run, RUNNER_ENDED, report);
	report->ended_utc_ms = runner_utc_ms();
	report->exit_code = -1;
	report->usage = (struct runner_usage){.user_us = -1, .system_us = -1, .rss_bytes_max = -1};
	report->processes_left = -1;
	if (live == NULL || live->started_mono_us == 0)
		return;
	report->duration_us = -1;
	if (live->ended_mono_us > 0) {
		report->duration_us = live->ended_mono_us - live->started_mono_us;
		/* By the boot-time clock, so that a step of the wall clock cannot end a run before it started. */
		report->ended_utc_ms = live->started_utc_ms + report->duration_us / 1000;
	} else if (report->ended_utc_ms < live->started_utc_ms) {
		report->ended_utc_ms = live->started_utc_ms;
	}
	report->exit_code = live->exit_code;
	report->signal = live->signal;
	report->usage = live->usage;
	report->output_bytes = live->spool.header.total_bytes;
	report->processes_left = run_force_count(run);
}

void run_end(struct run *run, enum runner_cause cause, const char *text)
{
	assert(run->state != RUN_STATE_ENDED);
	struct runner *runner = run->runner;
	struct run_live *live = run->live;
	struct runner_report report;
	end_fill(run, &report);
	report.cause = cause;
	report.cause_text = slice_str(text);
	if (report.cause_text.bytes > RESULT_BYTES_MAX)
		report.cause_text.bytes = RESULT_BYTES_MAX;
	log_end(run, &report, text);

	uint8_t memory[RUN_REPORT_BYTES_MAX];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	runner_report_put(&out, &report);
	assert(!out.has_overflowed);
	run->report = malloc(out.bytes);
	if (run->report == NULL) {
		runner_log(RUNNER_LOG_ERROR, "out of memory: the runner ends, the journal has its runs");
		_exit(1);
	}
	memcpy(run->report, memory, out.bytes);
	run->report_bytes = out.bytes;
	run->state = RUN_STATE_ENDED;
	run->is_end_said = false;
	runner->has_work = true;

	if (live != NULL && (live->started_mono_us != 0 || cause == RUNNER_CAUSE_LOST))
		spool_finish(&live->spool, report.ended_utc_ms);
	else if (live != NULL)
		spool_remove(&live->spool, runner->output_directory);
	struct journal_record record;
	ledger_record_ended(run, &record);
	enum err err = ledger_put(&runner->ledger, &record);
	if (err != ERR_OK)
		runner_log(RUNNER_LOG_ERROR, "journal: an end is kept in memory only: %s",
			   err_text(err));
}
