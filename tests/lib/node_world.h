/* A small world for whole nodes in one process: a virtual clock, a network without loss, stores in memory, runners that
 * do as they are told, and clients whose answers are kept. The simulator (tests/sim) is for faults; this is for what
 * people ask. What can not be done ends the program. */
#ifndef TESTS_LIB_NODE_WORLD_H
#define TESTS_LIB_NODE_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/core/node.h"
#include "agent/store/store.h"
#include "proto/wire.h"

#define WORLD_NODES_MAX 4u
#define WORLD_UTC_START_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */

enum reply_kind { REPLY_ROW, REPLY_END, REPLY_ERROR, REPLY_PROGRESS };

struct reply {
	uint32_t node;
	uint64_t client;
	uint64_t sequence;
	enum reply_kind kind;
	struct slice body; /* a map; as long as the world */
};

struct world;

/* The first voter_count nodes vote on everything from birth; all are alive and know one another. */
struct world *world_open(uint32_t node_count, uint32_t voter_count);
void world_close(struct world *world);
struct node *world_node(struct world *world, uint32_t index); /* for looking into it */
void world_advance_ms(struct world *world, int64_t ms);
int64_t world_utc_ms(const struct world *world);
/* The process is gone, as by kill -9; its peers' streams break. */
void world_kill(struct world *world, uint32_t index);
/* How long runs take, and how they exit. */
void world_set_run(struct world *world, int64_t run_ms, int exit_code);
/* While it is cut off a node hears nobody and nobody hears it. */
void world_cut(struct world *world, uint32_t index, bool is_cut);
/* Stream frames of agents so far. */
uint64_t world_frame_count(const struct world *world);
/* Output that every run has, as lines of stdout. */
void world_set_output_lines(struct world *world, uint32_t line_count);

/* Sends [1, sequence, verb, arguments]; the sequence is returned. `arguments` may be empty: {}. */
uint64_t world_ask(struct world *world, uint32_t index, uint64_t client, const char *verb,
		   struct slice arguments);
/* A frame as it is. */
void world_ask_raw(struct world *world, uint32_t index, uint64_t client, struct slice frame);
/* A frame of one agent at another, as it is. */
void world_frame(struct world *world, uint32_t from, uint32_t to, struct slice frame);
void world_forget_replies(struct world *world);
void world_client_gone(struct world *world, uint32_t index, uint64_t client);
/* The count-th reply (from 0) to a request with that kind; NULL: there is none. */
const struct reply *world_reply(const struct world *world, uint64_t sequence, enum reply_kind kind,
				uint32_t count);
uint32_t world_reply_count(const struct world *world, uint64_t sequence, enum reply_kind kind);
/* Asks, lets time pass, and returns the end or error; ends the program without one in 20 s. */
const struct reply *world_call(struct world *world, uint32_t index, const char *verb,
			       struct slice arguments, uint64_t *ret_sequence);
/* Puts a job by keys: cron text and a shell text; ends the program if that is refused. */
void world_put_job(struct world *world, uint32_t index, const char *name, const char *cron);

#endif
