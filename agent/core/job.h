/* What is kept in memory of a job: what deciding needs. The definition itself is read from the store by id when it
 * is needed; the cursor is in the register, on voters. At most JOB_BYTES_MAX bytes a job. */
#ifndef AGENT_CORE_JOB_H
#define AGENT_CORE_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/core/heap.h"
#include "proto/run_record.h"
#include "proto/types.h"

#define JOB_NONE UINT32_MAX
#define JOB_BYTES_MAX 256u
#define JOB_HISTORY 8u
#define JOB_REASON_BYTES 24u

/* Where the planning of the job's next fire stands (at the proposer). */
enum job_plan {
	JOB_PLAN_WAIT,    /* until the offer's moment */
	JOB_PLAN_OFFERED, /* a candidate was asked and has not answered */
	JOB_PLAN_TAKEN,   /* `executor` said TAKE: claim at the claim's moment */
	JOB_PLAN_NO_NODE  /* nobody would take it: asked again in a second, or when membership changes */
};

#define JOB_FLAG_ENABLED 0x01u
#define JOB_FLAG_PAUSED 0x02u
#define JOB_FLAG_DELETED 0x04u
#define JOB_FLAG_OVERLAP 0x08u  /* overlap=allow */
#define JOB_FLAG_DIRTY 0x10u    /* its row changed since the last news to watchers */
#define JOB_FLAG_BROKEN 0x20u   /* its definition or zone can not be read here: only this job stops */
#define JOB_FLAG_DECIDED 0x40u  /* the cursor that is accepted here is known to be decided */

struct job {
	struct id128 id;
	uint64_t def_counter;      /* of the copy that is known; 0: none, only a register */
	int64_t through_ms;        /* of the accepted cursor; on voters */
	int64_t next_ms;           /* first fire after max(through, from); SCHEDULE_NEVER */
	int64_t after_next_ms;     /* the one after it: how long a misfire may wait */
	uint64_t standing_round;   /* cursor: this ballot round may ACCEPT without PREPARE; 0: none */
	uint64_t def_standing_round;
	uint64_t round_seen;       /* highest round seen or used in either register */
	struct id128 executor;     /* of the plan */
	int64_t offered_us;        /* when the candidate was asked */
	int64_t quiet_us;          /* a change came out empty: no other before */
	int64_t armed_ms;          /* highest scheduled t that is known to be armed */
	uint32_t hash_next;        /* chain of the index; free list when unused */
	uint32_t run_first;        /* its live runs in the run table: slot + 1 */
	uint32_t proposal;         /* cursor proposal in hand + 1; 0: none */
	uint32_t def_proposal;
	uint16_t arc;
	uint8_t flags;
	uint8_t plan;              /* enum job_plan */
	uint16_t candidate;        /* how many of the order were asked */
	uint16_t open_count;       /* open runs in the accepted cursor */
	uint16_t manual_count;     /* manual requests waiting for a claim */
	uint8_t offer_answer;      /* the last NO: why it waits */
	uint8_t last_verdict;
	uint8_t history[JOB_HISTORY]; /* enum verdict of the last fires, newest last; bit 7: late */
	int64_t last_due_ms;       /* the last fire that ended or runs */
	int64_t last_start_ms;
	uint32_t last_duration_ms;
	uint64_t last_executor_short;
	char last_reason[JOB_REASON_BYTES]; /* in the verdict's parenthesis, cut to what a row shows */
	uint32_t ok_count;
	uint32_t bad_count;
};

struct job_table {
	struct job *jobs;     /* capacity entries, dense: slots are reused */
	uint32_t *buckets;    /* bucket_count entries of slot + 1 */
	uint32_t bucket_count;
	uint32_t capacity;
	uint32_t count;       /* live */
	uint32_t used;        /* slots ever used */
	uint32_t free_first;  /* slot + 1 */
	struct heap heap;     /* wake times, boot-time clock, us */
};

/* The slot of a job, or JOB_NONE. */
uint32_t job_find(const struct job_table *table, struct id128 id);
/* The slot, new if it was not there (zeroed but for id and arc); JOB_NONE when the table is full. */
uint32_t job_add(struct job_table *table, struct id128 id, uint16_t arc);
void job_remove(struct job_table *table, uint32_t slot);
/* Walks live slots: begin with JOB_NONE; JOB_NONE at the end. */
uint32_t job_next_slot(const struct job_table *table, uint32_t slot);
/* What the job's row shows of its last fire, unless it shows a later one. */
void job_note_last(struct job *job, const struct run_record *record);
/* The newest verdict goes to the end of the history. */
void job_history_add(struct job *job, uint8_t verdict, bool is_late);

#endif
