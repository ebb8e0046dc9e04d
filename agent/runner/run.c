/* From PREPARE to the end of a run. What is said of it is in run_report.c, what ends it by force in
 * run_force.c, what an earlier runner left in run_adopt.c. */
#include "agent/runner/run.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/runner/runner.h"
#include "agent/runner/runner_log.h"
#include "proto/text.h"

/* ---- Handles ---- */

static void live_release(struct run_live *live)
{
	struct run *run = live->run;
	/* A run that goes on may have nothing open for a while: its leader and pipes are gone, its orphans are not. */
	if (live->handles_open > 0 || (run->state != RUN_STATE_ENDED && !live->is_closing))
		return;
	spool_close(&live->spool);
	free(live->name);
	free(live);
	run->live = NULL;
	run->runner->has_work = true;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct run_live *live = handle->data;
	live->handles_open--;
	live_release(live);
}

bool run_poll_open(struct run *run, uv_poll_t *poll, int *descriptor, uv_poll_cb on_readable)
{
	struct run_live *live = run->live;
	int result = uv_poll_init(&run->runner->loop, poll, *descriptor);
	if (result == 0) {
		poll->data = live;
		live->handles_open++;
		if (uv_poll_start(poll, UV_READABLE, on_readable) == 0)
			return true;
		run_poll_close(live, poll, descriptor);
		return false;
	}
	(void)close(*descriptor);
	*descriptor = -1;
	return false;
}

void run_poll_close(struct run_live *live, uv_poll_t *poll, int *descriptor)
{
	if (*descriptor < 0)
		return;
	poll->data = live;
	(void)uv_poll_stop(poll);
	uv_close((uv_handle_t *)poll, on_handle_closed);
	(void)close(*descriptor);
	*descriptor = -1;
}

enum err run_live_new(struct run *run, struct slice name)
{
	struct run_live *live = calloc(1, sizeof(*live));
	if (live == NULL)
		return ERR_NO_MEMORY;
	live->name = strndup((const char *)name.data, name.bytes);
	if (live->name == NULL) {
		free(live);
		return ERR_NO_MEMORY;
	}
	live->run = run;
	live->control_descriptor = -1;
	live->watch_descriptor = -1;
	live->pipe_descriptors[0] = -1;
	live->pipe_descriptors[1] = -1;
	live->spool.descriptor = -1;
	live->usage = (struct runner_usage){.user_us = -1, .system_us = -1, .rss_bytes_max = -1};
	run->live = live;
	return ERR_OK;
}

void run_close_start(struct run *run)
{
	struct run_live *live = run->live;
	if (live == NULL)
		return;
	if (live->is_process_open)
		uv_close((uv_handle_t *)&live->process, on_handle_closed);
	live->is_process_open = false;
	run_poll_close(live, &live->control, &live->control_descriptor);
	run_poll_close(live, &live->watch, &live->watch_descriptor);
	for (size_t i = 0; i < SPOOL_PIPE_COUNT; i++)
		run_poll_close(live, &live->pipes[i], &live->pipe_descriptors[i]);
	live->is_closing = true;
	live_release(live);
}

void run_free(struct run *run)
{
	assert(run->live == NULL || run->live->handles_open == 0);
	run_close_start(run);
	free(run->report);
	free(run);
}

/* ---- The start ---- */

/* The launcher's input lies in pages of its own, given back at once: it may be large, and is rare. */
static enum err command_build(const struct runner *runner, const struct runner_order *order,
			      struct definition *definition, struct buf *ret_command,
			      struct problem *problem)
{
	enum err err = definition_decode(order->definition, definition, problem);
	if (err != ERR_OK)
		return err;
	void *memory = mmap(NULL, COMMAND_BYTES_MAX, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return problem_set(problem, ERR_NO_MEMORY, "out of memory");
	buf_init(ret_command, memory, COMMAND_BYTES_MAX);
	err = command_put(ret_command, definition, order, &runner->user, problem);
	if (err != ERR_OK)
		(void)munmap(memory, COMMAND_BYTES_MAX);
	return err;
}

static void on_leader_exit(uv_process_t *process, int64_t exit_status, int term_signal);
static void on_control(uv_poll_t *poll, int status, int events);

/* Takes over what launch_start opened. */
static bool live_watch(struct run *run, const struct launch *launch)
{
	struct run_live *live = run->live;
	live->control_descriptor = launch->control;
	live->pipe_descriptors[0] = launch->output[0];
	live->pipe_descriptors[1] = launch->output[1];
	memcpy(live->pipe_inodes, launch->pipe_inodes, sizeof(live->pipe_inodes));
	bool is_open = run_poll_open(run, &live->control, &live->control_descriptor, on_control);
	for (size_t i = 0; i < SPOOL_PIPE_COUNT; i++)
		is_open = run_poll_open(run, &live->pipes[i], &live->pipe_descriptors[i], run_on_pipe) &&
			  is_open;
	return is_open;
}

/* "ENOENT"; libuv knows fewer names than execve has errors. */
static const char *errno_word(int error)
{
	const char *word = strerrorname_np(error);
	return word != NULL ? word : "an unknown error";
}

static void spawn_failed(struct run *run, int result)
{
	char text[RESULT_BYTES_MAX + 1];
	(void)snprintf(text, sizeof(text), "spawn %s", errno_word(-result));
	run_end(run, RUNNER_CAUSE_SPAWN, text);
	run_close_start(run);
}

static void launch_run(struct run *run, const struct definition *definition, struct slice command)
{
	struct runner *runner = run->runner;
	struct run_live *live = run->live;
	struct launch launch;
	bool must_close = false;
	int result = launch_start(&runner->loop, &live->process, on_leader_exit, runner->program,
				  definition, command, &launch, &must_close);
	if (must_close) {
		live->process.data = live;
		live->is_process_open = true;
		live->handles_open++;
	}
	if (result != 0) {
		spawn_failed(run, result);
		return;
	}
	struct journal_record record;
	/* It is our child and not reaped, so the number is its own. */
	enum err err = process_identify(live->process.pid, &live->leader);
	bool is_watched = live_watch(run, &launch);
	if (err == ERR_OK && is_watched) {
		ledger_record_prepared(run, &record);
		err = ledger_put(&runner->ledger, &record);
	}
	if (err != ERR_OK || !is_watched) {
		run_refuse(run, err == ERR_OK ? "spawn ENOMEM" : "spawn EIO: journal");
		return;
	}
	live->needs_go = true;
	runner->has_work = true;
}

static void prepare_failed(struct run *run, const struct problem *problem)
{
	char text[RESULT_BYTES_MAX + 1];
	(void)snprintf(text, sizeof(text), "definition: %.100s", problem->text);
	run_end(run, RUNNER_CAUSE_SPAWN, text);
	run_close_start(run);
}

struct run *run_prepare(struct runner *runner, const struct runner_order *order)
{
	struct run *run = calloc(1, sizeof(*run));
	if (run == NULL)
		return NULL;
	run->runner = runner;
	run->key = order->run;
	if (run_live_new(run, order->run_name) != ERR_OK || ledger_add(&runner->ledger, run) != ERR_OK) {
		run_free(run);
		return NULL;
	}
	struct definition definition;
	struct problem problem;
	struct buf command;
	enum err err = command_build(runner, order, &definition, &command, &problem);
	if (err != ERR_OK) {
		prepare_failed(run, &problem);
		return run;
	}
	struct run_live *live = run->live;
	live->start_mono_us = order->start_mono_us;
	live->timeout_ms = definition.timeout_ms;
	live->kill_grace_ms = definition.kill_grace_ms;
	err = spool_create(&live->spool, runner->output_directory, &run->key,
			   definition.output_bytes_max);
	if (err == ERR_EXISTS) {
		/* The journal lost it, its output is still here: never start it twice. */
		run_end(run, RUNNER_CAUSE_LOST, "started before");
		run_close_start(run);
	} else {
		if (err != ERR_OK)
			runner_log(RUNNER_LOG_WARN, "output is not kept: %s", err_text(err));
		launch_run(run, &definition, buf_slice(&command));
	}
	(void)munmap(command.data, COMMAND_BYTES_MAX);
	return run;
}

static void control_send(struct run_live *live, char order)
{
	if (live->control_descriptor >= 0)
		(void)send(live->control_descriptor, &order, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void run_go(struct run *run)
{
	run->live->needs_go = false;
	control_send(run->live, LAUNCH_GO);
}

void run_refuse(struct run *run, const char *why)
{
	/* Without GO and with its control closed the launcher leaves. */
	run->live->needs_go = false;
	run_end(run, RUNNER_CAUSE_SPAWN, why);
	run_poll_close(run->live, &run->live->control, &run->live->control_descriptor);
}

void run_revoke(struct run *run)
{
	if (run->state == RUN_STATE_PREPARED)
		control_send(run->live, LAUNCH_REVOKE);
}

static void run_started(struct run *run)
{
	struct run_live *live = run->live;
	run->state = RUN_STATE_RUNNING;
	if (live->timeout_ms > 0)
		live->timeout_at_us = live->started_mono_us + live->timeout_ms * 1000;
	run->runner->has_work = true;
	struct journal_record record;
	ledger_record_started(run, &record);
	enum err err = ledger_put(&run->runner->ledger, &record);
	if (err != ERR_OK)
		runner_log(RUNNER_LOG_ERROR, "journal: a start is kept in memory only: %s",
			   err_text(err));
	char name[RUN_NAME_BYTES_MAX + 1];
	text_escape(slice_str(live->name), name, sizeof(name));
	runner_log(RUNNER_LOG_INFO, "run started run=%s pid=%" PRId64 " late_us=%" PRId64, name,
		   live->leader.pid, live->lateness_us);
	run_report(run);
	if (live->force.early_signal != 0)
		run_force_start(run, RUNNER_CAUSE_KILLED, live->force.early_signal,
				live->force.early_grace_ms);
}

static void take_status(struct run_live *live, const struct launch_status *status)
{
	if (status->news == LAUNCH_STAMP) {
		live->started_mono_us = status->mono_us;
		live->started_utc_ms = status->utc_ms;
		live->lateness_us = status->mono_us - live->start_mono_us;
		return;
	}
	live->news = (enum launch_news)status->news;
	live->news_error = status->error;
	/* What was not executed has not started. */
	live->started_mono_us = 0;
	live->started_utc_ms = 0;
	live->lateness_us = 0;
}

/* Reads all that the launcher said; at the end of file it has exec'd, or is leaving. */
static void control_read(struct run *run)
{
	struct run_live *live = run->live;
	while (live->control_descriptor >= 0) {
		struct launch_status status;
		ssize_t got = recv(live->control_descriptor, &status, sizeof(status), MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (got == (ssize_t)sizeof(status)) {
			take_status(live, &status);
			continue;
		}
		run_poll_close(live, &live->control, &live->control_descriptor);
		if (run->state == RUN_STATE_PREPARED && live->started_mono_us != 0)
			run_started(run);
	}
}

static void on_control(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	struct run_live *live = poll->data;
	control_read(live->run);
}

/* ---- Output ---- */

/* Reads what a pipe holds, at most a few times, so that one loud run does not keep the loop from the others. */
static void pipe_read(struct run *run, size_t index, uint32_t reads_max)
{
	struct run_live *live = run->live;
	struct runner *runner = run->runner;
	for (uint32_t i = 0; i < reads_max && live->pipe_descriptors[index] >= 0; i++) {
		ssize_t got = read(live->pipe_descriptors[index], runner->pipe_memory,
				   sizeof(runner->pipe_memory));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (got <= 0) {
			run_poll_close(live, &live->pipes[index], &live->pipe_descriptors[index]);
			return;
		}
		/* After the end it is read only so that the writer does not block. */
		if (run->state != RUN_STATE_ENDED)
			spool_feed(&live->spool, (enum spool_pipe)index, runner_utc_ms(),
				   runner->pipe_memory, (size_t)got);
	}
}

#define RUN_READS_PER_TURN 4u
#define RUN_READS_AT_EXIT 64u /* what a pipe can hold, and more */

void run_on_pipe(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	struct run_live *live = poll->data;
	struct run *run = live->run;
	pipe_read(run, poll == &live->pipes[0] ? 0 : 1, RUN_READS_PER_TURN);
	if (run->state == RUN_STATE_ENDED)
		run->runner->has_work = true;
	else
		run_settle(run);
}

/* ---- The end ---- */

void run_take_usage(struct run *run)
{
	struct run_live *live = run->live;
	if (live == NULL || !live->is_process_open || live->is_leader_gone)
		return;
	/* The system call itself, as the C library leaves its fifth argument out. WNOWAIT: libuv reaps. */
	siginfo_t info = {0};
	struct rusage usage;
	if (syscall(SYS_waitid, P_PID, live->process.pid, &info, WEXITED | WNOHANG | WNOWAIT,
		    &usage) != 0 ||
	    info.si_pid == 0)
		return;
	live->usage = (struct runner_usage){
		.user_us = (int64_t)usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec,
		.system_us = (int64_t)usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec,
		.rss_bytes_max = (int64_t)usage.ru_maxrss * 1024,
	};
}

/* The launcher left without exec. */
static void end_unstarted(struct run *run)
{
	struct run_live *live = run->live;
	char text[RESULT_BYTES_MAX + 1];
	enum runner_cause cause = RUNNER_CAUSE_SPAWN;
	switch (live->news) {
	case LAUNCH_REVOKED:
		cause = live->force.early_signal != 0 ? RUNNER_CAUSE_KILLED : RUNNER_CAUSE_REVOKED;
		(void)snprintf(text, sizeof(text), "%s", live->cause_text);
		break;
	case LAUNCH_NO_CWD:
		cause = RUNNER_CAUSE_CWD;
		(void)snprintf(text, sizeof(text), "cwd %s", errno_word(live->news_error));
		break;
	case LAUNCH_NO_EXEC:
		(void)snprintf(text, sizeof(text), "spawn %s", errno_word(live->news_error));
		break;
	case LAUNCH_STAMP:
	default:
		(void)snprintf(text, sizeof(text), "spawn: the launcher left with exit %d, signal %d",
			       live->exit_code, live->signal);
		break;
	}
	run_end(run, cause, text);
}

static void on_leader_exit(uv_process_t *process, int64_t exit_status, int term_signal)
{
	struct run_live *live = process->data;
	struct run *run = live->run;
	live->is_leader_gone = true;
	live->ended_mono_us = runner_mono_us();
	live->exit_code = term_signal != 0 ? -1 : (int)exit_status;
	live->signal = term_signal;
	live->timeout_at_us = 0;
	run->runner->has_work = true;
	if (run->state != RUN_STATE_ENDED) {
		control_read(run);
		if (run->state == RUN_STATE_PREPARED)
			end_unstarted(run);
	}
	live->is_process_open = false;
	uv_close((uv_handle_t *)process, on_handle_closed);
	if (run->state == RUN_STATE_ENDED) {
		run_close_start(run);
		return;
	}
	run_on_leader_gone(run);
}

void run_on_leader_gone(struct run *run)
{
	for (size_t i = 0; i < SPOOL_PIPE_COUNT; i++)
		pipe_read(run, i, RUN_READS_AT_EXIT);
	run_settle(run);
}

void run_settle(struct run *run)
{
	struct run_live *live = run->live;
	if (run->state != RUN_STATE_RUNNING || !live->is_leader_gone)
		return;
	struct runner *runner = run->runner;
	/* Who forces an end wants all processes gone, not only the first. */
	if (live->force.kill_at_us != 0 && run_force_count(run) > 0)
		return;
	live->force.kill_at_us = 0;
	bool is_read = live->pipe_descriptors[0] < 0 && live->pipe_descriptors[1] < 0;
	int64_t now_us = runner_mono_us();
	if (!is_read && live->output_until_us == 0) {
		live->output_until_us = now_us + (int64_t)OUTPUT_GRACE_MS * 1000;
		runner->has_work = true;
	}
	if (!is_read && now_us < live->output_until_us)
		return;
	live->output_until_us = 0;
	if (live->force.cause == RUNNER_CAUSE_NONE && live->is_adopted)
		run_end(run, RUNNER_CAUSE_LOST, RUN_TEXT_RESTARTED);
	else
		run_end(run, live->force.cause, live->cause_text);
	if (is_read)
		run_close_start(run);
}

int64_t run_deadline_us(const struct run *run)
{
	const struct run_live *live = run->live;
	if (live == NULL || run->state == RUN_STATE_ENDED)
		return 0;
	const int64_t moments[] = {live->timeout_at_us, live->force.kill_at_us, live->output_until_us};
	int64_t earliest = 0;
	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
		if (moments[i] != 0 && (earliest == 0 || moments[i] < earliest))
			earliest = moments[i];
	}
	return earliest;
}
