/* The loop's own struct, shared by the files that make it up: loop.c (begin and end), turn.c (steps, commits,
 * effects), deadline.c (clocks and the timer). Nobody else includes this. */
#ifndef AGENT_IO_LOOP_STATE_H
#define AGENT_IO_LOOP_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "agent/core/node.h"
#include "agent/io/control.h"
#include "agent/io/counting_view.h"
#include "agent/io/hold.h"
#include "agent/io/host.h"
#include "agent/io/loop.h"
#include "agent/io/output.h"
#include "agent/io/runner_link.h"
#include "agent/io/stream.h"
#include "agent/io/udp.h"
#include "agent/io/watch.h"
#include "agent/io/writer.h"

#define EFFECT_ITEMS_BYTES (EFFECTS_MAX * sizeof(struct effect))

struct loop {
	struct host host;
	uv_loop_t uv;
	const struct loop_options *options;
	struct node *node;
	void *node_memory;
	size_t node_memory_bytes;
	struct store_overlay *overlay;
	struct counting_view view;
	struct effects effects;
	uint32_t cluster_hash;
	/* Commit, then speak. */
	struct writer writer;
	struct store_batch *batch; /* in flight */
	struct hold in_flight;     /* leave with it */
	struct hold gathering;     /* leave after the next one */
	bool is_stepping;
	bool is_announced;
	/* Time. */
	int timer_fd;
	int wall_fd;
	uv_poll_t timer_poll, wall_poll;
	bool has_timers;
	int64_t armed_mono_us; /* NODE_DEADLINE_NONE: not armed */
	int64_t sampled_mono_us;
	uv_prepare_t prepare;
	uv_check_t check;
	/* Edges. */
	struct watch watch;
	struct control control;
	struct runner_link runner;
	struct output output;
	struct udp *udp;
	struct streams *streams;
	/* The end. */
	uv_signal_t signal_term, signal_int, signal_hup;
	uv_timer_t leave_timer;
	bool has_signals; /* and the leave timer, prepare and check */
	bool is_leaving;
	bool is_exiting;
	int exit_code;
};

/* turn.c */
/* Hands an event to the node and keeps what it wants until the turn's end. */
void loop_step(struct loop *loop, struct event *event);
/* The turn's end: what has nothing to wait for leaves, and the next commit begins. */
void loop_flush(struct loop *loop);
/* The host's figures, if the last ones are older. They have no timer of their own. */
void loop_sample(struct loop *loop, int64_t age_ms_max);
void loop_on_committed(void *context, enum err err, const struct problem *problem);
/* The agent's end is decided: no event reaches the node any more. */
void loop_begin_exit(struct loop *loop, int code);

/* loop.c */
/* The line `ready`: the socket listens, and what the first step has put is durable. */
void loop_announce(struct loop *loop);

/* deadline.c */
struct clocks loop_clocks(void *context);
MUST_CHECK enum err deadline_open(struct loop *loop, struct problem *problem);
/* Sets the timer if the node's deadline has changed. */
void deadline_arm(struct loop *loop);
void deadline_close(struct loop *loop);

#endif
