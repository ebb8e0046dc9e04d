#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/runner/process.h"

#define CASE(function, sentence)                     \
	{                                            \
		sentence, function, NULL, NULL, NULL \
	}

/* A child in a session of its own that waits to be killed; it has set up when this returns. */
static pid_t sleeper_start(void)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)setsid();
		(void)!write(ends[1], "x", 1);
		for (;;)
			(void)pause();
	}
	char byte;
	assert_int_equal(read(ends[0], &byte, 1), 1);
	(void)close(ends[0]);
	(void)close(ends[1]);
	return pid;
}

static int sleeper_end(pid_t pid)
{
	int status = -1;
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WTERMSIG(status);
}

static bool is_killed(pid_t pid)
{
	int status;
	return waitpid(pid, &status, WNOHANG) == pid;
}

static void a_process_is_known_by_pid_and_start_time(void **state)
{
	(void)state;
	pid_t pid = sleeper_start();
	struct process_identity identity;
	assert_int_equal(process_identify(pid, &identity), ERR_OK);
	assert_true(process_is_alive(&identity));
	int descriptor = process_open(&identity);
	assert_true(descriptor >= 0);
	assert_int_equal(fcntl(descriptor, F_GETFD), FD_CLOEXEC);
	(void)close(descriptor);

	struct process_identity other = identity;
	other.start_ticks++;
	assert_false(process_is_alive(&other));
	assert_int_equal(process_open(&other), -1);
	(void)kill(pid, SIGKILL);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	/* A zombie runs no more. */
	assert_false(process_is_alive(&identity));
	(void)sleeper_end(pid);
	assert_int_equal(process_identify(pid, &identity), ERR_NOT_FOUND);
}

static void a_pid_that_was_used_again_is_not_hit(void **state)
{
	(void)state;
	pid_t pid = sleeper_start();
	struct process_tree tree = {.run_name = "no such run"};
	assert_int_equal(process_identify(pid, &tree.leader), ERR_OK);
	/* The run's leader had this number, started later by our books, and has been reaped. */
	tree.leader.start_ticks++;
	assert_int_equal(process_tree_signal(&tree, SIGKILL), 0);
	tree.is_adopted = true;
	assert_int_equal(process_tree_signal(&tree, SIGKILL), 0);
	(void)usleep(20000);
	assert_false(is_killed(pid));
	(void)sleeper_end(pid);
}

static void a_session_is_counted_and_signalled(void **state)
{
	(void)state;
	pid_t pid = sleeper_start();
	struct process_tree tree = {.run_name = "no such run", .is_leader_proven = true};
	assert_int_equal(process_identify(pid, &tree.leader), ERR_OK);
	assert_int_equal(process_tree_signal(&tree, 0), 1);
	assert_false(is_killed(pid));
	assert_int_equal(process_tree_signal(&tree, SIGTERM), 1);
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGTERM);
	assert_int_equal(process_tree_signal(&tree, SIGTERM), 0);
}

static void strange_pids_are_nobody(void **state)
{
	(void)state;
	struct process_identity identity = {.pid = 0};
	assert_false(process_is_alive(&identity));
	assert_int_equal(process_open(&identity), -1);
	assert_int_equal(process_identify(-1, &identity), ERR_NOT_FOUND);
	assert_int_equal(process_identify(INT32_MAX, &identity), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_process_is_known_by_pid_and_start_time, "a process is known by pid and start time"),
		CASE(a_pid_that_was_used_again_is_not_hit, "a pid that was used again is not hit"),
		CASE(a_session_is_counted_and_signalled, "a session is counted and signalled"),
		CASE(strange_pids_are_nobody, "pids that cannot be are nobody"),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
