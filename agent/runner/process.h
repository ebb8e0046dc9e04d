/* Processes of this host as /proc shows them: who is still who, and which of them belong to a run.
 *
 * A pid alone is no identity, as the kernel uses it again; with the start time it is one. What belongs to a run:
 *
 *   1. its leader, and who is in the leader's session or group, as long as the leader's number is proven;
 *   2. orphans that carry the run's SCHED_RUN in their environment: they left the session (setsid), lost their
 *      parents, and came to the runner, which is their subreaper (after a restart: to whoever is above it);
 *   3. all descendants of these.
 *
 * A signal goes through a pidfd whose start time was compared after it was opened, so it never hits a pid that was
 * used again. A process that leaves the session and changes its environment as well is not found. */
#ifndef AGENT_RUNNER_PROCESS_H
#define AGENT_RUNNER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"

struct process_identity {
	int64_t pid;          /* 0: none */
	uint64_t start_ticks; /* since the host's boot, from /proc/PID/stat */
};

/* ERR_NOT_FOUND: no such process. */
MUST_CHECK enum err process_identify(int64_t pid, struct process_identity *ret_identity);

/* The same process still runs; a zombie does not. */
bool process_is_alive(const struct process_identity *identity);

struct process_tree {
	struct process_identity leader;
	bool is_leader_proven; /* its number is surely not used by another process: not reaped yet, or alive */
	bool is_adopted;      /* the runner was restarted: orphans are no children of this runner */
	const char *run_name; /* as in SCHED_RUN */
};

/* Sends `signal` (TERM: and CONT after it) to all that belong to the run and returns how many those were, before the signal; 0: only counts.
 * Zombies do not count. -1: /proc cannot be read. */
int64_t process_tree_signal(const struct process_tree *tree, int signal);

/* A pidfd of exactly this process, close-on-exec; -1: it is gone. */
int process_open(const struct process_identity *identity);

#endif
