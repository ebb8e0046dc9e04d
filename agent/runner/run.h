/* The life of one run at its runner.
 *
 *   PREPARE --> PREPARED --exec--> RUNNING --exit and end of output--> ENDED --FORGET--> gone
 *                   |                                                   ^
 *                   +-- revoked, killed, no directory, no program ------+
 *
 * A run's end is its exit status and the end of file on both pipes; who still holds a pipe OUTPUT_GRACE_MS after the
 * exit is waited for no longer, but is read on, so that its writes do not block. */
#ifndef AGENT_RUNNER_RUN_H
#define AGENT_RUNNER_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "agent/runner/launch.h"
#include "agent/runner/process.h"
#include "agent/runner/spool.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/runner.h"

struct runner;

#define RUN_TEXT_RESTARTED "runner restarted"

enum run_state { RUN_STATE_PREPARED, RUN_STATE_RUNNING, RUN_STATE_ENDED };

/* How far an ending by force has come. */
struct run_force {
	enum runner_cause cause; /* NONE: nobody forces it */
	int64_t since_mono_us;
	int64_t kill_at_us;  /* when SIGKILL goes out (again); 0: not */
	uint32_t kill_count; /* how often it did */
	/* Of an order that came before the start: if the launcher is faster, it is carried out after it. */
	int early_signal; /* 0: none */
	int64_t early_grace_ms;
};

/* What exists only while something of the run is open: handles, descriptors, output. */
struct run_live {
	struct run *run;
	char *name;
	struct process_identity leader;
	uint64_t pipe_inodes[SPOOL_PIPE_COUNT];
	int64_t start_mono_us;
	int64_t timeout_ms; /* 0: none */
	int64_t kill_grace_ms;
	/* The launcher's stamp; 0 until then. */
	int64_t started_utc_ms;
	int64_t started_mono_us;
	int64_t lateness_us;

	uv_process_t process;
	uv_poll_t control;
	uv_poll_t watch; /* pidfd of an adopted process */
	uv_poll_t pipes[SPOOL_PIPE_COUNT];
	int control_descriptor; /* -1: closed, as the next two */
	int watch_descriptor;
	int pipe_descriptors[SPOOL_PIPE_COUNT];
	uint32_t handles_open;
	bool is_process_open;

	bool needs_go;         /* GO follows the journal's sync */
	bool is_adopted;       /* of an earlier runner: its exit status is not ours to have */
	bool is_leader_gone;   /* exited and reaped */
	bool is_closing;       /* all handles are being closed */
	enum launch_news news; /* the last but STAMP; 0: none */
	int news_error;
	struct run_force force;
	char cause_text[RESULT_BYTES_MAX + 1];

	/* Set at the exit. */
	int exit_code;
	int signal;
	int64_t ended_mono_us;
	struct runner_usage usage;
	int64_t output_until_us; /* end of OUTPUT_GRACE_MS; 0: not yet */
	int64_t timeout_at_us;   /* 0: none */
	struct spool spool;
};

struct run {
	struct runner *runner;
	struct run *next;
	struct run_key key;
	enum run_state state;
	bool is_end_said; /* of an ended one: synced, so it may be reported */
	bool is_forgotten;
	struct run_live *live; /* NULL: nothing is open */
	uint8_t *report;       /* of an ended one, as it is sent */
	size_t report_bytes;
};

/* Makes the run of a PREPARE and spawns its launcher; where that fails, the run ends with that cause. NULL: out
 * of memory, or this run had output before and so was started before (then its end says so, too). */
struct run *run_prepare(struct runner *runner, const struct runner_order *order);
/* The journal holds the run: its launcher may go. */
void run_go(struct run *run);
/* The journal cannot hold it: it never starts. */
void run_refuse(struct run *run, const char *why);
/* REVOKE, or KILL before the start: unless the launcher was faster, the run ends without having started. */
void run_revoke(struct run *run);
void run_kill(struct run *run, const struct runner_order *order);

/* The earliest moment on the boot-time clock at which run_on_deadline wants to be called; 0: none. */
int64_t run_deadline_us(const struct run *run);
void run_on_deadline(struct run *run, int64_t now_mono_us);
/* Some orphan of some run has ended: a run that waits for its processes looks again. */
void run_on_orphan_gone(struct run *run);
/* Before libuv reaps: takes what the kernel knows of a process that has exited. */
void run_take_usage(struct run *run);

/* A run that an earlier runner prepared: follows its process if it lives, else ends it. A leader with pid 0 is of an
 * earlier boot of the host. */
void run_adopt(struct run *run);
/* Ends a run of which nothing is open, or nothing any more. `live` may be NULL (then nothing is known of a start). */
void run_end(struct run *run, enum runner_cause cause, const char *text);

/* Answers ASK: PREPARED, STARTED, or ENDED if it may be said already. */
void run_report(const struct run *run);

/* Lets go of all that is open, the processes go on; run_free once live is NULL. */
void run_close_start(struct run *run);
void run_free(struct run *run);

/* ---- shared by run.c, run_force.c and run_adopt.c ---- */

MUST_CHECK enum err run_live_new(struct run *run, struct slice name);
/* Opens a poll handle on a descriptor that the run owns; on failure the descriptor is closed. */
bool run_poll_open(struct run *run, uv_poll_t *poll, int *descriptor, uv_poll_cb on_readable);
void run_poll_close(struct run_live *live, uv_poll_t *poll, int *descriptor);
void run_on_pipe(uv_poll_t *poll, int status, int events);
/* The leader has exited: reads what its pipes hold, then settles. */
void run_on_leader_gone(struct run *run);
/* After the leader has gone: finishes the run as soon as nothing is left to wait for. */
void run_settle(struct run *run);
void run_force_start(struct run *run, enum runner_cause cause, int signal, int64_t grace_ms);
/* Processes of the run that live; with force only, else -1. */
int64_t run_force_count(const struct run *run);
struct process_tree run_tree(const struct run *run);

#endif
