/* The loop: owns the node and its edges, hands events in and effects out, and commits before it speaks.
 *
 *     callback -> step -> held effects --(turn's end)--> batch -> writer thread -> durable -> effects leave
 *
 * One commit is in flight at a time; steps go on meanwhile, and what they put is the next batch (group commit). Effects
 * leave in the order of their steps, each after its step's batch is durable; a step that put nothing, and has
 * nothing before it that waits, leaves at the end of the same turn. A commit that fails ends the process at once with
 * exit code 3: what was promised to nobody may be forgotten, what could not be kept may not be promised.
 *
 * One timer, on the boot-time clock, for the node's one deadline. */
#ifndef AGENT_IO_LOOP_H
#define AGENT_IO_LOOP_H

#include <stdint.h>

#include "agent/config.h"
#include "agent/core/zone.h"
#include "agent/io/keyring.h"
#include "agent/store/identity.h"
#include "agent/store/store.h"
#include "proto/err.h"

#define LOOP_EXIT_COMMIT_FAILED 3
#define LOOP_LEAVE_MS_MAX 2000 /* from SIGTERM until the process is gone, answers or not */
#define LOOP_LAG_MS 250 /* a deadline met later than this: read the socket before it is believed */
#define LOOP_SAMPLE_MS 60000 /* the host's figures are not older, if anything happens at all ... */
#define LOOP_SAMPLE_ASKED_MS 5000 /* ... and for who asks not older than this */
#define LOOP_HELD_BYTES_MAX \
	(64u << 20) /* effects behind a commit that does not end: then the disk is dead */

struct loop_options {
	const struct config *config;
	struct store_backend *backend;
	enum err (*drain)(struct store_backend *backend, struct problem *problem);
	const struct identity *identity;
	const struct keyring *keyring; /* count 0: no port */
	struct zone_source zones;
	const char *zone_version;
};

/* Runs the agent until it has left. ERR_OK: *ret_code is the exit code. Errors are those of the start: a
 * socket, memory; nothing of this agent was said to anybody then. */
MUST_CHECK enum err loop_run(const struct loop_options *options, int *ret_code, struct problem *problem);

#endif
