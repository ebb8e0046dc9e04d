/* schedd-runner: starts the processes of jobs on the moment, holds their output, and says how they ended. One loop, one
 * thread, no network, no wake-up while nothing happens. */
#ifndef AGENT_RUNNER_RUNNER_H
#define AGENT_RUNNER_RUNNER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "agent/runner/command.h"
#include "agent/runner/ledger.h"
#include "agent/runner/link.h"
#include "agent/runner/run.h"
#include "proto/err.h"

#define RUNNER_PIPE_BYTES 16384u /* read from a pipe at once */

struct runner {
	/* Lies before the loop in memory on purpose: see on_child in runner.c. */
	uv_signal_t child;
	uv_loop_t loop;
	uv_signal_t terminate;
	uv_signal_t interrupt;
	uv_check_t turn; /* the end of each turn of the loop: sync, then speak */
	uv_poll_t timer; /* one timerfd on the boot-time clock for all deadlines */
	int timer_descriptor;
	int64_t timer_at_us; /* 0: not armed */
	struct link link;
	struct ledger ledger;
	struct command_user user;
	int directory;        /* DIR */
	int output_directory; /* DIR/output */
	int program;          /* this very program, to launch */
	int lock;
	struct id128 host_boot;
	bool has_work;       /* something for the end of this turn */
	bool has_child_news; /* some child has exited */
	bool is_stopping;    /* no new runs */
	bool is_closing;
	uint8_t pipe_memory[RUNNER_PIPE_BYTES];
};

/* Opens all in `directory_path`, replays the journal, listens. On failure nothing is left but what the process's end
 * cleans up; *problem says why. */
MUST_CHECK enum err runner_init(struct runner *runner, const char *directory_path,
				struct problem *problem);
/* Until SIGTERM or SIGINT and the end of the last run, or a second signal. Returns the exit code. */
int runner_run(struct runner *runner);

int64_t runner_mono_us(void); /* boot-time clock */
int64_t runner_utc_ms(void);

#endif
