/* Output of runs for those who ask the node for it: reads of the runner's files (agent/io/segments.h), and following
 * them while a run goes on. Each EVENT_OUTPUT has at most 64 KiB; of one ticket the next comes only when the one before
 * has been taken, at most ten a second. */
#ifndef AGENT_IO_OUTPUT_H
#define AGENT_IO_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/io/host.h"
#include "agent/io/segments.h"
#include "agent/io/watch.h"
#include "proto/err.h"
#include "proto/types.h"

#define OUTPUT_FOLLOWERS_MAX 64u
#define OUTPUT_PENDING_MAX 128u /* reads asked for and not yet answered */
#define OUTPUT_EVENT_BYTES 65536u
#define OUTPUT_FOLLOW_PAUSE_MS 100u /* between two events of a ticket that is followed */

struct output_follower {
	bool is_used;
	bool is_follow; /* else one read, and done */
	bool is_due;    /* to be read at the next turn */
	bool is_watched;
	bool is_tail;
	struct output *output;
	uint64_t ticket;
	uint64_t offset;
	struct run_key run;
};

struct output {
	struct host *host;
	struct watch *watch;
	struct segments segments;
	uv_timer_t timer; /* runs only while something is due */
	bool is_open;
	struct output_follower followers[OUTPUT_PENDING_MAX];
	uint32_t follow_count;
	uint64_t refused[OUTPUT_PENDING_MAX]; /* tickets to be told ERR_FULL */
	uint32_t refused_count;
};

/* Borrows host and watch. ERR_RANGE: the path is too long. */
MUST_CHECK enum err output_open(struct output *output, struct host *host, struct watch *watch,
				const char *directory, struct problem *problem);
/* Effects. What can not be done is answered too, with an error in EVENT_OUTPUT: ERR_FULL with OUTPUT_PENDING_MAX of
 * them open. Only when as many have been refused in the same turn is a request dropped, with a line in the log. */
void output_read(struct output *output, uint64_t ticket, const struct run_key *run, uint64_t offset,
		 bool is_tail, bool is_follow);
void output_stop(struct output *output, uint64_t ticket);
void output_drop(struct output *output, const struct run_key *run);
void output_close(struct output *output);

#endif
