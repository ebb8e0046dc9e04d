/* Runs that an earlier runner has started. Their processes are no children of this one, so their exit status is not to
 * be had: the run ends as lost. But that they live, write, are killed, and end is still seen. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/runner/run.h"
#include "agent/runner/runner.h"
#include "agent/runner/runner_log.h"
#include "proto/text.h"

/* The process has gone, and nobody waited for it. */
static void end_unseen(struct run *run)
{
	/* No launcher execs before the moment: what was gone by then has never started. */
	if (run->state == RUN_STATE_PREPARED && runner_mono_us() < run->live->start_mono_us)
		run_end(run, RUNNER_CAUSE_REVOKED, RUN_TEXT_RESTARTED " before the start");
	else
		run_end(run, RUNNER_CAUSE_LOST, RUN_TEXT_RESTARTED);
	run_close_start(run);
}

static void on_watch(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	struct run_live *live = poll->data;
	struct run *run = live->run;
	run_poll_close(live, &live->watch, &live->watch_descriptor);
	run->runner->has_work = true;
	live->is_leader_gone = true;
	if (run->state == RUN_STATE_PREPARED) {
		end_unseen(run);
		return;
	}
	live->ended_mono_us = runner_mono_us();
	live->exit_code = -1;
	live->timeout_at_us = 0;
	run_on_leader_gone(run);
}

/* The job holds its pipes open for reading too (launch.c), so the process shows them, and what they hold is not lost. */
static void adopt_pipe(struct run *run, size_t index)
{
	struct run_live *live = run->live;
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/fd/%zu", live->leader.pid, index + 1);
	struct stat status;
	int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (descriptor < 0)
		return;
	if (fstat(descriptor, &status) != 0 || !S_ISFIFO(status.st_mode) ||
	    status.st_ino != live->pipe_inodes[index]) {
		(void)close(descriptor);
		return;
	}
	live->pipe_descriptors[index] = descriptor;
	(void)run_poll_open(run, &live->pipes[index], &live->pipe_descriptors[index], run_on_pipe);
}

static void adopt_living(struct run *run)
{
	struct run_live *live = run->live;
	char name[RUN_NAME_BYTES_MAX + 1];
	text_escape(slice_str(live->name), name, sizeof(name));
	runner_log(RUNNER_LOG_WARN,
		   "run adopted run=%s pid=%" PRId64 ": its exit code will not be known", name,
		   live->leader.pid);
	int64_t now_us = runner_mono_us();
	/* Its start was not noted any more, but past the moment only an exec'd process lives on. */
	if (run->state == RUN_STATE_PREPARED && now_us >= live->start_mono_us) {
		run->state = RUN_STATE_RUNNING;
		live->started_mono_us = live->start_mono_us > 0 ? live->start_mono_us : now_us;
		live->started_utc_ms = runner_utc_ms() - (now_us - live->started_mono_us) / 1000;
	}
	if (run->state == RUN_STATE_PREPARED)
		return;
	for (size_t i = 0; i < SPOOL_PIPE_COUNT; i++)
		adopt_pipe(run, i);
	if (live->timeout_ms > 0)
		live->timeout_at_us = live->started_mono_us + live->timeout_ms * 1000;
}

void run_adopt(struct run *run)
{
	struct run_live *live = run->live;
	live->is_adopted = true;
	run->runner->has_work = true;
	spool_reopen(&live->spool, run->runner->output_directory, &run->key);
	if (live->leader.pid == 0) {
		run_end(run, RUNNER_CAUSE_LOST, "host restarted");
		run_close_start(run);
		return;
	}
	live->watch_descriptor = process_open(&live->leader);
	if (live->watch_descriptor < 0 ||
	    !run_poll_open(run, &live->watch, &live->watch_descriptor, on_watch)) {
		end_unseen(run);
		return;
	}
	adopt_living(run);
}
