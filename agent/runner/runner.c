/* The loop of schedd-runner: orders come in, children exit, deadlines pass; at the end of each turn the journal is
 * synced once, and then is said what depended on it. */
#include "agent/runner/runner.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/runner/runner_log.h"
#include "proto/text.h"

#define RUNNER_SOCKET "runner.sock"
#define RUNNER_LOCK "runner.lock"
#define RUNNER_OUTPUT "output"
#define RUNNER_PROGRAM_DESCRIPTOR_MIN 16
#define RUNNER_BOOT_ID "/proc/sys/kernel/random/boot_id"

int64_t runner_mono_us(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t runner_utc_ms(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Orders ---- */

static void refuse_order(struct runner *runner, const struct runner_order *order,
			 enum runner_cause cause, const char *text)
{
	runner_log(RUNNER_LOG_WARN, "run refused: %s", text);
	link_send(&runner->link, &(struct runner_report){
					 .type = RUNNER_ENDED,
					 .run = order->run,
					 .ended_utc_ms = runner_utc_ms(),
					 .exit_code = -1,
					 .cause = cause,
					 .cause_text = slice_str(text),
					 .usage = {.user_us = -1, .system_us = -1, .rss_bytes_max = -1},
					 .processes_left = -1,
				 });
}

/* From now on never spawned; UNKNOWN is said once that is synced. */
static void fence_run(struct runner *runner, const struct run_key *key)
{
	enum err err = ledger_fence(&runner->ledger, key);
	if (err != ERR_OK)
		runner_log(RUNNER_LOG_ERROR, "fence not kept, so not said: %s", err_text(err));
	runner->has_work = true;
}

static void on_prepare(struct runner *runner, const struct runner_order *order)
{
	if (ledger_is_fenced(&runner->ledger, &order->run)) {
		runner_log(RUNNER_LOG_WARN,
			   "run refused: it was said to be unknown, so it never starts");
		fence_run(runner, &order->run);
		return;
	}
	if (runner->is_stopping) {
		refuse_order(runner, order, RUNNER_CAUSE_REVOKED, "runner stopping");
		return;
	}
	if (runner->ledger.run_count >= RUNNER_RUNS_MAX) {
		refuse_order(runner, order, RUNNER_CAUSE_SPAWN,
			     "spawn EAGAIN: the runner holds its most runs");
		return;
	}
	if (run_prepare(runner, order) == NULL)
		refuse_order(runner, order, RUNNER_CAUSE_SPAWN, "spawn ENOMEM");
}

/* REVOKE of a run that never came: it ends as revoked, and by that is never spawned. */
static void revoke_unknown(struct runner *runner, const struct runner_order *order)
{
	struct run *run = calloc(1, sizeof(*run));
	if (run == NULL) {
		runner_log(RUNNER_LOG_ERROR, "revoke: out of memory");
		return;
	}
	run->runner = runner;
	run->key = order->run;
	if (ledger_add(&runner->ledger, run) != ERR_OK) {
		runner_log(RUNNER_LOG_ERROR, "revoke: %u runs are held", RUNNER_RUNS_MAX);
		run_free(run);
		return;
	}
	run_end(run, RUNNER_CAUSE_REVOKED, "");
}

static void on_forget(struct runner *runner, const struct runner_order *order, struct run *run)
{
	ledger_unfence(&runner->ledger, &order->run);
	if (run == NULL)
		return;
	if (run->state != RUN_STATE_ENDED) {
		runner_log(RUNNER_LOG_WARN, "forget refused: the run has not ended");
		return;
	}
	run->is_forgotten = true;
	runner->has_work = true;
	enum err err = ledger_put(&runner->ledger, &(struct journal_record){.type = JOURNAL_FORGET,
									    .run = order->run});
	if (err != ERR_OK)
		runner_log(RUNNER_LOG_WARN, "journal: forgotten in memory only: %s", err_text(err));
}

static void on_order(void *context, const struct runner_order *order)
{
	struct runner *runner = context;
	struct run *run = ledger_find(&runner->ledger, &order->run);
	if (order->type == RUNNER_FORGET) {
		on_forget(runner, order, run);
		return;
	}
	switch (order->type) {
	case RUNNER_PREPARE:
		/* Twice is once: the answer is how it stands. */
		if (run == NULL)
			on_prepare(runner, order);
		else
			run_report(run);
		break;
	case RUNNER_KILL:
		if (run == NULL)
			fence_run(runner, &order->run);
		else
			run_kill(run, order);
		break;
	case RUNNER_ASK:
		if (run == NULL)
			fence_run(runner, &order->run);
		else
			run_report(run);
		break;
	case RUNNER_REVOKE:
		if (run == NULL)
			revoke_unknown(runner, order);
		else if (run->state == RUN_STATE_PREPARED)
			run_revoke(run);
		else
			run_report(run);
		break;
	case RUNNER_FORGET:
		break;
	}
}

static void on_connect(void *context)
{
	struct runner *runner = context;
	link_send(&runner->link, &(struct runner_report){
					 .type = RUNNER_HELLO,
					 .host_boot = runner->host_boot,
					 .version = slice_str(PEERSCHED_VERSION),
				 });
	for (const struct run *run = runner->ledger.runs; run != NULL; run = run->next) {
		if (run->state == RUN_STATE_ENDED && !run->is_forgotten)
			run_report(run);
	}
}

/* ---- Children ---- */

/* libuv reaps a child without asking what it used. This handle stands before libuv's own in memory, and libuv calls
 * the handles of a signal in that order, so here the children are still to be asked. Where that ever fails, usage
 * is reported as not known. */
static void on_child(uv_signal_t *handle, int signal_number)
{
	(void)signal_number;
	struct runner *runner = handle->data;
	runner->has_child_news = true;
	runner->has_work = true;
	for (struct run *run = runner->ledger.runs; run != NULL; run = run->next)
		run_take_usage(run);
}

static bool is_known_child(const struct runner *runner, int64_t pid)
{
	for (const struct run *run = runner->ledger.runs; run != NULL; run = run->next) {
		if (run->live != NULL && run->live->is_process_open && run->live->process.pid == pid)
			return true;
	}
	return false;
}

/* Orphans of runs come to this process, as it is their subreaper; libuv does not know them. Looks who is to be reaped,
 * and reaps only by number, and none that libuv waits for. */
static void reap_orphans(struct runner *runner)
{
	runner->has_child_news = false;
	for (;;) {
		siginfo_t info = {0};
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
			break;
		/* libuv's turn: it was told, and another SIGCHLD is on its way. */
		if (is_known_child(runner, info.si_pid))
			break;
		if (waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG) != 0)
			break;
	}
	for (struct run *run = runner->ledger.runs; run != NULL; run = run->next)
		run_on_orphan_gone(run);
}

/* ---- Deadlines ---- */

static void arm_timer(struct runner *runner)
{
	int64_t earliest_us = 0;
	for (const struct run *run = runner->ledger.runs; run != NULL; run = run->next) {
		int64_t deadline_us = run_deadline_us(run);
		if (deadline_us != 0 && (earliest_us == 0 || deadline_us < earliest_us))
			earliest_us = deadline_us;
	}
	if (earliest_us == runner->timer_at_us)
		return;
	runner->timer_at_us = earliest_us;
	struct itimerspec moment = {.it_value = {.tv_sec = earliest_us / 1000000,
						 .tv_nsec = earliest_us % 1000000 * 1000}};
	if (timerfd_settime(runner->timer_descriptor, TFD_TIMER_ABSTIME, &moment, NULL) != 0)
		runner_log(RUNNER_LOG_ERROR, "timer: %s", strerror(errno));
}

static void on_timer(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	struct runner *runner = poll->data;
	uint64_t count = 0;
	ssize_t got = read(runner->timer_descriptor, &count, sizeof(count));
	(void)got;
	runner->timer_at_us = 0;
	runner->has_work = true;
	int64_t now_us = runner_mono_us();
	for (struct run *run = runner->ledger.runs; run != NULL; run = run->next)
		run_on_deadline(run, now_us);
}

/* ---- The end of a turn ---- */

static void say_after_sync(struct runner *runner)
{
	for (struct run *run = runner->ledger.runs; run != NULL; run = run->next) {
		if (run->state == RUN_STATE_PREPARED && run->live->needs_go)
			run_go(run);
		if (run->state == RUN_STATE_ENDED && !run->is_end_said) {
			run->is_end_said = true;
			run_report(run);
		}
	}
	for (size_t i = 0; i < runner->ledger.fence_count; i++) {
		struct fence *fence = &runner->ledger.fences[i];
		if (!fence->is_unsaid)
			continue;
		fence->is_unsaid = false;
		link_send(&runner->link,
			  &(struct runner_report){.type = RUNNER_UNKNOWN, .run = fence->key});
	}
}

/* What is not on disk must not have consequences; an end that is in memory only is better said than not. */
static void say_without_sync(struct runner *runner, enum err err)
{
	runner_log(RUNNER_LOG_ERROR, "journal: sync: %s: no run can start", err_text(err));
	for (struct run *run = runner->ledger.runs; run != NULL; run = run->next) {
		if (run->state == RUN_STATE_PREPARED && run->live->needs_go)
			run_refuse(run, "spawn EIO: journal");
		if (run->state == RUN_STATE_ENDED && !run->is_end_said) {
			run->is_end_said = true;
			run_report(run);
		}
	}
}

static bool has_open_runs(const struct runner *runner)
{
	for (const struct run *run = runner->ledger.runs; run != NULL; run = run->next) {
		if (run->state != RUN_STATE_ENDED)
			return true;
	}
	return false;
}

static void close_start(struct runner *runner)
{
	if (runner->is_closing)
		return;
	runner->is_closing = true;
	for (struct run *run = runner->ledger.runs; run != NULL; run = run->next)
		run_close_start(run);
	link_close_start(&runner->link);
	uv_close((uv_handle_t *)&runner->child, NULL);
	uv_close((uv_handle_t *)&runner->terminate, NULL);
	uv_close((uv_handle_t *)&runner->interrupt, NULL);
	uv_close((uv_handle_t *)&runner->turn, NULL);
	uv_close((uv_handle_t *)&runner->timer, NULL);
}

static void end_turn(struct runner *runner)
{
	while (runner->has_work && !runner->is_closing) {
		runner->has_work = false;
		if (runner->has_child_news)
			reap_orphans(runner);
		enum err err = journal_sync(&runner->ledger.journal);
		if (err == ERR_OK)
			say_after_sync(runner);
		else
			say_without_sync(runner, err);
		ledger_sweep(&runner->ledger);
		arm_timer(runner);
		if (!has_open_runs(runner)) {
			ledger_tidy(&runner->ledger);
			if (runner->is_stopping)
				close_start(runner);
		}
	}
}

static void on_turn(uv_check_t *check)
{
	end_turn(check->data);
}

/* Ending at once would cost running jobs their exit codes, so it waits for them; a second signal does not. */
static void on_stop(uv_signal_t *handle, int signal_number)
{
	struct runner *runner = handle->data;
	if (runner->is_stopping) {
		runner_log(RUNNER_LOG_WARN, "stop at once: runs go on without their runner");
		close_start(runner);
		return;
	}
	runner->is_stopping = true;
	runner->has_work = true;
	size_t open_count = 0;
	for (const struct run *run = runner->ledger.runs; run != NULL; run = run->next)
		open_count += run->state != RUN_STATE_ENDED;
	if (open_count > 0)
		runner_log(RUNNER_LOG_WARN,
			   "stop signal=%d: waits for %zu runs to end; a second signal ends at once",
			   signal_number, open_count);
}

/* ---- Start ---- */

static enum err open_directories(struct runner *runner, const char *path, struct problem *problem)
{
	runner->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (runner->directory < 0)
		return problem_set(problem, ERR_IO, "%s: %s", path, strerror(errno));
	struct stat status;
	if (fstat(runner->directory, &status) != 0)
		return problem_set(problem, ERR_IO, "%s: %s", path, strerror(errno));
	if (status.st_uid != geteuid() || (status.st_mode & 022) != 0) {
		(void)problem_set(problem, ERR_DENIED, "%s: others than its owner may write there",
				  path);
		problem_hint(problem, "chown it to the runner's user and chmod 0700 %s", path);
		return ERR_DENIED;
	}
	/* Names from here on are relative: a socket's path has little room. */
	if (fchdir(runner->directory) != 0)
		return problem_set(problem, ERR_IO, "%s: %s", path, strerror(errno));
	if (mkdir(RUNNER_OUTPUT, 0700) != 0 && errno != EEXIST)
		return problem_set(problem, ERR_IO, "%s/%s: %s", path, RUNNER_OUTPUT, strerror(errno));
	runner->output_directory = open(RUNNER_OUTPUT, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (runner->output_directory < 0)
		return problem_set(problem, ERR_IO, "%s/%s: %s", path, RUNNER_OUTPUT, strerror(errno));
	return ERR_OK;
}

static enum err take_lock(struct runner *runner, const char *path, struct problem *problem)
{
	runner->lock = open(RUNNER_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (runner->lock < 0)
		return problem_set(problem, ERR_IO, "%s/%s: %s", path, RUNNER_LOCK, strerror(errno));
	char text[32] = "";
	if (flock(runner->lock, LOCK_EX | LOCK_NB) != 0) {
		ssize_t got = pread(runner->lock, text, sizeof(text) - 1, 0);
		text[got > 0 ? (size_t)got : 0] = '\0';
		text[strcspn(text, "\n")] = '\0';
		return problem_set(problem, ERR_EXISTS, "%s: another runner is at work there, pid %s",
				   path, text[0] != '\0' ? text : "unknown");
	}
	int length = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(runner->lock, 0) != 0 || pwrite(runner->lock, text, (size_t)length, 0) != length)
		return problem_set(problem, ERR_IO, "%s/%s: %s", path, RUNNER_LOCK, strerror(errno));
	return ERR_OK;
}

/* "f81d4fae-7dec-11d0-a765-00a0c91e6bf6" */
static enum err read_host_boot(struct id128 *ret_id, struct problem *problem)
{
	char text[64] = "";
	int descriptor = open(RUNNER_BOOT_ID, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return problem_set(problem, ERR_IO, "%s: %s", RUNNER_BOOT_ID, strerror(errno));
	ssize_t got = read(descriptor, text, sizeof(text) - 1);
	(void)close(descriptor);
	char digits[TEXT_ID_BYTES] = "";
	size_t count = 0;
	for (ssize_t i = 0; i < got && count < sizeof(digits) - 1; i++) {
		if (text[i] != '-' && text[i] != '\n')
			digits[count++] = text[i];
	}
	enum err err = text_parse_id(slice_of(digits, count), ret_id, problem);
	if (err != ERR_OK)
		problem_context(problem, "%s", RUNNER_BOOT_ID);
	return err;
}

static enum err loop_init(struct runner *runner, struct problem *problem)
{
	int result = uv_loop_init(&runner->loop);
	if (result != 0)
		return problem_set(problem, ERR_IO, "loop: %s", uv_strerror(result));
	static_assert(offsetof(struct runner, child) < offsetof(struct runner, loop), "see on_child");
	runner->timer_descriptor = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (runner->timer_descriptor < 0)
		return problem_set(problem, ERR_IO, "timer: %s", strerror(errno));
	result = uv_poll_init(&runner->loop, &runner->timer, runner->timer_descriptor);
	if (result == 0)
		result = uv_poll_start(&runner->timer, UV_READABLE, on_timer);
	if (result == 0)
		result = uv_check_init(&runner->loop, &runner->turn);
	if (result == 0)
		result = uv_check_start(&runner->turn, on_turn);
	struct {
		uv_signal_t *handle;
		uv_signal_cb callback;
		int number;
	} signals[] = {{&runner->child, on_child, SIGCHLD},
		       {&runner->terminate, on_stop, SIGTERM},
		       {&runner->interrupt, on_stop, SIGINT}};
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]) && result == 0; i++) {
		signals[i].handle->data = runner;
		result = uv_signal_init(&runner->loop, signals[i].handle);
		if (result == 0)
			result = uv_signal_start(signals[i].handle, signals[i].callback,
						 signals[i].number);
	}
	if (result != 0)
		return problem_set(problem, ERR_IO, "loop: %s", uv_strerror(result));
	runner->timer.data = runner;
	runner->turn.data = runner;
	return ERR_OK;
}

/* A run that goes on takes three descriptors; the usual soft limit would end at some 300 runs. */
static void raise_files_limit(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	rlim_t wanted = (rlim_t)RUNNER_RUNS_MAX * 4 + 64;
	files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

/* Started with one of 0, 1 and 2 closed, the journal would take its number, and the log would be written into it. */
static bool fill_standard_descriptors(void)
{
	int descriptor;
	do
		descriptor = open("/dev/null", O_RDWR);
	while (descriptor >= 0 && descriptor <= STDERR_FILENO);
	if (descriptor < 0)
		return false;
	(void)close(descriptor);
	return true;
}

/* A descriptor above those that the launcher gets, which would take its number between fork and exec. */
static int open_program(void)
{
	int descriptor = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (descriptor < 0)
		return -1;
	int above = fcntl(descriptor, F_DUPFD_CLOEXEC, RUNNER_PROGRAM_DESCRIPTOR_MIN);
	(void)close(descriptor);
	return above;
}

enum err runner_init(struct runner *runner, const char *directory_path, struct problem *problem)
{
	if (!fill_standard_descriptors())
		return problem_set(problem, ERR_IO, "/dev/null: %s", strerror(errno));
	(void)umask(077);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	/* Orphans of runs are to come here, where they are counted and killed with their run. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
		return problem_set(problem, ERR_IO, "subreaper: %s", strerror(errno));
	command_user_init(&runner->user);
	raise_files_limit();
	runner->program = open_program();
	if (runner->program < 0)
		return problem_set(problem, ERR_IO, "/proc/self/exe: %s", strerror(errno));
	enum err err = open_directories(runner, directory_path, problem);
	if (err == ERR_OK)
		err = take_lock(runner, directory_path, problem);
	if (err == ERR_OK)
		err = read_host_boot(&runner->host_boot, problem);
	if (err == ERR_OK)
		err = loop_init(runner, problem);
	if (err == ERR_OK)
		err = ledger_init(&runner->ledger, runner, runner->directory, problem);
	if (err != ERR_OK)
		return err;
	runner->link.context = runner;
	runner->link.on_connect = on_connect;
	runner->link.on_order = on_order;
	return link_init(&runner->link, &runner->loop, RUNNER_SOCKET, problem);
}

int runner_run(struct runner *runner)
{
	runner_log(RUNNER_LOG_INFO, "ready version=%s pid=%d runs=%zu", PEERSCHED_VERSION,
		   (int)getpid(), runner->ledger.run_count);
	end_turn(runner);
	(void)uv_run(&runner->loop, UV_RUN_DEFAULT);
	ledger_close(&runner->ledger);
	(void)close(runner->timer_descriptor);
	(void)close(runner->program);
	(void)close(runner->output_directory);
	(void)close(runner->directory);
	int result = uv_loop_close(&runner->loop);
	if (result != 0) {
		runner_log(RUNNER_LOG_ERROR, "loop: %s", uv_strerror(result));
		return 1;
	}
	runner_log(RUNNER_LOG_INFO, "stopped");
	(void)close(runner->lock);
	return 0;
}
