/* Between live.c (who watches, and what changed) and live_peers.c (watching and being watched among agents). */
#ifndef AGENT_CORE_LIVE_H
#define AGENT_CORE_LIVE_H

#include "agent/core/query.h"

#define LIVE_VIEW_JOBS 0x1u
#define LIVE_VIEW_NODES 0x2u
#define LIVE_VIEW_RUNS 0x4u
#define LIVE_VIEW_STATUS 0x8u

#define LIVE_SINKS_MAX 128u /* as many clients as there may be, and as many watching agents */
#define LIVE_JOBS_CHANGED_MAX 16384u /* between two batches; more: the whole state again */
#define LIVE_RUNS_CHANGED_MAX 8192u
#define LIVE_HEARD_BUCKETS 8192u /* above MEMBERS_MAX, a power of two */
#define LIVE_BATCH_US 200000     /* at most five a second */
#define LIVE_TICK_US 2000000     /* rates fall and figures move although nothing happens */
#define LIVE_RENEW_US 5000000
#define LIVE_LASTS_MS 12000 /* two renewals may get lost */
#define LIVE_FIGURES_LAST_US 15000000
#define LIVE_WALK_ROWS 1000u /* of the whole state, in one batch */
#define LIVE_PAST_RUNS 200u  /* ended ones that the whole state begins with */

enum sink_phase {
	SINK_JOBS, /* the whole state is being told: jobs from next_slot on */
	SINK_RUNS,
	SINK_DONE /* only changes from here on */
};

/* Who is told: a client of this agent, or an agent that watches this one (asker.node is set). */
struct sink {
	bool is_used;
	struct asker asker;
	unsigned views;
	int64_t until_us; /* of an agent: it renews */
	enum sink_phase phase;
	uint32_t next_slot;
	bool is_synced;
	bool needs_nodes;
	uint64_t status_hash; /* of what was told last; 0: nothing */
};

struct heard {
	struct id128 id; /* zero: free */
	struct node_figures figures;
	uint64_t row_hash; /* of the row that was told last */
};

struct live_state {
	struct sink sinks[LIVE_SINKS_MAX];
	uint32_t sink_used; /* highest in use + 1 */
	uint32_t client_count;
	int64_t flush_due_us; /* INT64_MAX: nothing to tell */
	int64_t flushed_us;
	int64_t renew_due_us; /* INT64_MAX: nobody watches here */
	struct id128 source;  /* who tells jobs and runs: this node, or its home */
	bool has_source_status;
	struct status_figures source_status;
	uint32_t jobs[LIVE_JOBS_CHANGED_MAX];
	uint32_t job_count;
	struct run_key runs[LIVE_RUNS_CHANGED_MAX];
	uint32_t run_count;
	bool is_overflown; /* more changed than fits: the whole state again */
	bool are_nodes_dirty;
	struct heard heard[LIVE_HEARD_BUCKETS];
	uint8_t item[ROW_BYTES_MAX + 1024u]; /* scratch */
};

static inline bool sink_is_peer(const struct sink *sink)
{
	return !asker_is_local(&sink->asker);
}

/* True if it is told of jobs and runs as this node knows them. */
bool sink_has_own_rows(const struct node *node, const struct sink *sink);
struct sink *sink_add(struct node *node, const struct asker *asker, unsigned views); /* NULL: full */
void sink_remove(struct node *node, struct sink *sink);
/* Begins the whole state anew. */
void sink_restart(struct sink *sink);
/* An empty row: it is gone. */
void sink_tell(struct node *node, const struct sink *sink, const char *view, struct slice key,
	       struct slice row);
/* A batch is due soon, 200 ms after the last one. */
void live_wake(struct node *node);

struct heard *live_heard(struct node *node, struct id128 id, bool is_added); /* NULL: not there, or full */
/* Who tells jobs and runs may have changed. */
void live_update_source(struct node *node);
void live_renew(struct node *node);
void live_end_watch(struct node *node);
void live_tell_peer(struct node *node, struct sink *sink);

#endif
