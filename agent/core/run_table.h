/* The live runs in memory: on voters those that are open in a cursor, on the executor its own until the set has
 * acknowledged their end. One entry serves both roles when a node is both. */
#ifndef AGENT_CORE_RUN_TABLE_H
#define AGENT_CORE_RUN_TABLE_H

#include "agent/core/heap.h"
#include "proto/run_record.h"

#define RUN_NONE UINT32_MAX
#define RUNS_LIVE_MAX 16384u /* on one node: 256 open runs of one job, or 200 in progress of many, fit many times */

/* Where this node stands as the run's executor. */
enum run_mine {
	RUN_MINE_NOT,      /* somebody else's */
	RUN_MINE_ARMED,    /* waits for its last look */
	RUN_MINE_ASKING,   /* woken from a long pause: a majority is asked before it starts */
	RUN_MINE_PREPARED, /* start record synced, the runner has it */
	RUN_MINE_STARTED,
	RUN_MINE_OVER      /* ended or released; told until a majority has it */
};

struct run {
	struct run_record record;
	uint8_t mine;          /* enum run_mine */
	bool is_open;          /* open in the cursor that this node accepted */
	bool is_decided;       /* proposer: known to be in a decided cursor; what is merely accepted is never armed */
	bool is_arm_needed;    /* proposer: ask again whatever is known (its boot changed, or a carried claim) */
	bool is_carried;       /* claimed by another proposer: armed only after def was read from a majority */
	bool is_kill_asked;
	bool is_acknowledged;  /* a majority has the end */
	bool is_revoking;      /* proposer: REVOKE sent, the answer counts for an edit */
	uint8_t ack_mask;      /* members of the set that acknowledged record.state */
	uint8_t arm_count;     /* ARMs sent */
	int64_t start_us;      /* executor: planned start, boot-time clock */
	int64_t deadline_us;   /* executor: not started past it */
	int64_t sent_us;       /* last ARM (proposer) or last word to the set (executor) */
	int64_t look_us;       /* executor: when the last look was to be */
	uint8_t tell_count;    /* executor: how often record.state was told; paces the repeats */
	bool is_end_seen;      /* its end is in the job's row already */
	bool is_ask_needed;    /* executor: the runner is to be asked what became of it */
	bool is_gone;          /* executor: the set does not have it open any more */
	int64_t processes_left; /* executor: found alive in its session after a kill; -1: not looked */
	uint64_t executor_boot; /* proposer: the boot that last spoke of it */
	uint32_t job_next;      /* next run of the same job: slot + 1 */
	uint32_t hash_next;
};

struct run_table {
	struct run *runs;     /* RUNS_LIVE_MAX */
	uint32_t *buckets;    /* RUNS_LIVE_MAX entries of slot + 1 */
	uint32_t count;
	uint32_t used;
	uint32_t free_first;
	struct heap heap;     /* next thing to do for it, boot-time clock, us */
};

uint32_t run_find(const struct run_table *table, const struct run_key *key);
/* New with state CLAIMED and executor zero, or the one that is there; RUN_NONE when full. */
uint32_t run_add(struct run_table *table, const struct run_key *key);
void run_remove(struct run_table *table, uint32_t slot);
uint32_t run_next_slot(const struct run_table *table, uint32_t slot);

#endif
