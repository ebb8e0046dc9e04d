/* The insides of a node, shared by the files of the core and by nobody else. Each group of functions names the file
 * that has it; all run inside a step: `node->now` is its clock and `node->effects` its list.
 *
 *   events --> node.c --> swim (membership)
 *                     --> acceptor, proposer        registers: votes, and changes by majority
 *                     --> planner, offers           what is due: offer, claim, pass, arm
 *                     --> executor                  runs of this node: armed, started, ended
 *                     --> ledger                    what voters know of runs; verdicts
 *                     --> catalog, sync             decided definitions, and their spread
 *                     --> change                    what users change: put, rm, pause, resume, run
 *                     --> query, relay, live        answers for people */
#ifndef AGENT_CORE_STATE_H
#define AGENT_CORE_STATE_H

#include "agent/core/cursor.h"
#include "agent/core/def_value.h"
#include "agent/core/effect.h"
#include "agent/core/event.h"
#include "agent/core/job.h"
#include "agent/core/node.h"
#include "agent/core/place.h"
#include "agent/core/prng.h"
#include "agent/core/run_table.h"
#include "agent/core/schedule.h"
#include "agent/core/swim.h"
#include "proto/definition.h"
#include "proto/message.h"

/* Who gets an answer: a client of this agent, or another agent that passed on its client's request. */
struct asker {
	uint64_t client;     /* 0: not local */
	uint64_t sequence;   /* of the client's request */
	struct id128 node;   /* zero: nobody waits */
	uint64_t relay;      /* the asking agent's number for it */
	char user[USER_NAME_BYTES_MAX + 1];
};

/* ---- proposals (proposer.c) ---- */
#define PROPOSALS_MAX 8192u          /* registers in change at once: all jobs of a busy tick */
#define PROPOSAL_NONE 0u             /* in job.proposal: index + 1 */
#define PROPOSAL_INLINE_BYTES 1536u  /* an ACCEPT item that fits is kept for repeats; larger ones take a wide buffer */
#define WIDE_BYTES (DEF_VALUE_BYTES_MAX + CURSOR_BYTES_MAX + 16384u)
#define WIDE_MAX 48u
#define WIDE_STEP_MAX 8u             /* of these are never kept beyond a step, so that a step finds one */

enum proposal_phase { PROPOSAL_FREE, PROPOSAL_BACKOFF, PROPOSAL_PREPARE, PROPOSAL_ACCEPT };

/* A run that a change folds away: once that is decided its executor is told. */
struct proposal_end {
	struct run_key run;
	struct id128 executor;
	enum run_state state; /* as it was folded: what the executor may take as acknowledged */
};

struct proposal {
	enum proposal_phase phase;
	struct register_key key;
	uint32_t job;            /* slot */
	struct ballot ballot;
	uint64_t number;         /* of the request in hand */
	uint8_t answered_mask;   /* PROMISE or ACK of this request, by index in the set */
	uint8_t refused_mask;
	bool is_same_only;       /* adopt what is found, change nothing */
	bool is_forced;          /* decide even if the change comes out empty (a read by majority) */
	struct ballot best_ballot; /* highest accepted among the promises */
	uint32_t wide;           /* buffer + 1 with the best value, then with the ACCEPT item */
	uint32_t wide_bytes;
	uint32_t wide_ends_bytes;     /* behind the best value, what travelled beside it */
	uint32_t wide_verdicts_bytes;
	uint32_t inline_bytes;
	uint32_t backoff_count;
	uint64_t round_next;     /* left as promise by the ACCEPT */
	int64_t begun_us;
	int64_t deadline_us;     /* give up (user changes); INT64_MAX: never */
	uint32_t change;         /* user's change + 1; 0: the planner's */
	uint32_t free_next;
	uint32_t end_count;
	struct proposal_end ends[VOTE_ENDS_MAX];
	uint8_t item[PROPOSAL_INLINE_BYTES];
};

/* What a change of a register adds, beside the value. */
struct proposal_extra {
	uint32_t add_count;
	struct vote_add adds[VOTE_ADDS_MAX];
	struct buf ends;
	uint32_t end_count;
	struct proposal_end ended[VOTE_ENDS_MAX];
	struct buf verdicts;
	uint32_t verdict_count;
};

/* ---- manual requests (change.c, planner.c) ---- */
#define MANUALS_MAX 1024u
enum manual_phase { MANUAL_FREE, MANUAL_OFFER, MANUAL_OFFERED, MANUAL_TAKEN };
struct manual {
	enum manual_phase phase;
	uint32_t job;
	struct id128 id;
	int64_t request_ms;
	int64_t offered_us;
	int64_t deadline_us;
	uint16_t candidate;
	struct id128 executor;
	bool is_forced;
	bool is_waited;        /* the asker gets the run's end, not its claim */
	uint8_t offer_answer;
	struct asker asker;
	uint32_t next;         /* of the same job, or free list */
};

/* ---- changes that users make (change.c) ---- */
#define CHANGES_MAX 256u
enum change_kind { CHANGE_PUT, CHANGE_REMOVE, CHANGE_PAUSE, CHANGE_RESUME, CHANGE_ENABLE, CHANGE_DISABLE };
enum change_phase { CHANGE_FREE, CHANGE_DEF, CHANGE_CURSOR, CHANGE_REVOKE };
struct change {
	enum change_phase phase;
	enum change_kind kind;
	uint32_t job;
	struct id128 id;              /* of the request; zero: none */
	bool is_replace;
	bool is_catch_up;
	bool let_finish;
	bool is_late;
	bool is_started;              /* the proposal of this phase is in hand */
	bool is_unchanged;            /* nothing is to be changed, or was by the same request before */
	bool is_repeated;             /* ... the latter */
	bool is_looking;              /* the proposal only decides what was found, to judge by it */
	uint64_t decided_counter;     /* version that is known to be decided; 0: none */
	uint64_t counter;             /* the version decided */
	int64_t deadline_us;
	uint32_t definition_bytes;    /* PUT: in change_definition() */
	char name[JOB_NAME_BYTES_MAX + 1];
	char reason[REASON_BYTES_MAX + 1];
	struct asker asker;
	uint32_t free_next;
};

/* ---- one frame per peer, type and step (outbox.c) ---- */
#define OUTBOX_ITEMS_MAX 16384u
#define OUTBOX_BYTES (2u << 20)
struct outbox_item {
	struct id128 to;
	enum message_type type;
	uint32_t offset;
	uint32_t bytes;
};
struct outbox {
	struct outbox_item *items;
	uint32_t count;
	struct buf bytes;
	uint8_t *frame; /* FRAME_BYTES_MAX: where a frame is put together */
};

/* ---- figures of this node, for status ---- */
#define FIGURE_SECONDS 60u
#define FIGURE_LAGS 256u
struct figures {
	int64_t second;                    /* of the newest column */
	uint32_t started[FIGURE_SECONDS];
	uint32_t failed[FIGURE_SECONDS];
	uint32_t missed[FIGURE_SECONDS];
	uint64_t executed_total;
	uint32_t lag_us[FIGURE_LAGS];      /* the last starts, a ring */
	uint32_t lag_count;
};

#define EXECUTOR_DROPS_MAX 64u

/* ---- the node ---- */
struct query_state; /* query.h */
struct live_state;  /* live.c */

struct node {
	struct node_config config;
	const struct store_view *store;
	const struct zone_source *zones;
	struct effects *effects;
	struct clocks now;
	int64_t cluster_ms;        /* now, by cluster time */
	int64_t wall_minus_mono_ms; /* of the last step: a jump is a step of the wall clock */
	bool is_started;
	bool is_clock_suspect;
	bool may_vote;             /* false: the store was rolled back */

	struct prng prng;
	struct swim *swim;
	bool has_birth;
	struct arc_set birth;      /* epoch 1 of every arc */

	struct job_table jobs;
	struct run_table runs;
	struct proposal *proposals;
	uint32_t proposal_free;    /* index + 1 */
	uint32_t proposal_used;
	struct heap proposal_heap;
	uint64_t request_number;
	uint8_t *wides;            /* WIDE_MAX buffers of WIDE_BYTES */
	uint8_t *change_definitions; /* CHANGES_MAX of DEFINITION_BYTES_MAX */
	bool wide_is_used[WIDE_MAX];
	struct manual *manuals;
	uint32_t manual_free;
	uint32_t manual_used;
	struct change *changes;
	uint32_t change_free;
	uint32_t change_used;
	struct outbox outbox;
	uint64_t (*sums)[2];       /* ARC_COUNT leaves of the digest */
	int64_t sync_due_us;
	int64_t owner_wait_ms[SET_MEMBERS_MAX]; /* doubled step of a rank for an owner found alive; by index in the set */

	bool runner_is_up;
	bool is_host_same;         /* the host has not booted since the start records were written */
	struct id128 host_boot;
	uint32_t running_count;    /* armed, prepared or started here */
	struct run_key drops[EXECUTOR_DROPS_MAX]; /* own records that the set needs no more: they go with the next commit */
	uint32_t drop_count;
	struct figures figures;
	uint32_t load_milli;
	uint32_t cpu_count;
	uint64_t memory_bytes, memory_free_bytes;
	int64_t started_us;

	struct query_state *query;
	struct live_state *live;

	/* Scratch, used within one function and its callees as each says. */
	struct cursor cursor;      /* planner: the value that a change starts from */
	struct cursor cursor_read; /* readers */
	uint8_t *scratch_value;    /* WIDE_BYTES: register values being read */
	uint8_t *scratch_def;      /* WIDE_BYTES: definition values being read */
	uint8_t *scratch_out;      /* FRAME_BYTES_MAX: values and rows being written */
	uint8_t *scratch_new;      /* WIDE_BYTES: proposer: the value of the ACCEPT in the making, or just decided */
};

/* ---- node.c ---- */
struct id128 node_self(const struct node *node);
const struct member *node_member(const struct node *node, struct id128 id); /* NULL: unknown */
bool node_member_is_usable(const struct node *node, struct id128 id);      /* alive, not a suspect: new work may go there */
/* Its name, or the first digits of its id. Points into the table or into a static text. */
const char *node_name_of(const struct node *node, struct id128 id);
const struct arc_set *node_set(const struct node *node, uint16_t arc);
bool node_votes(const struct node *node, uint16_t arc);
/* order(job, set): index of `member` among all of the set (static rank), or -1. */
int node_rank(const struct node *node, const struct job *job, struct id128 member);
/* The first live, unsuspected member of order(job, set); zero if there is none. */
struct id128 node_proposer(const struct node *node, const struct job *job);
bool node_is_proposer(const struct node *node, const struct job *job);
/* Boot-time moment of a cluster time. */
int64_t node_mono_of(const struct node *node, int64_t cluster_ms);
/* Index + 1. Some are for use within a step, which never finds none; what is kept longer gets 0 when only these are left. */
uint32_t node_wide_take(struct node *node);
uint32_t node_wide_take_to_keep(struct node *node);
uint8_t *node_wide(struct node *node, uint32_t wide); /* WIDE_BYTES */
void node_wide_free(struct node *node, uint32_t wide);
void node_update_meta(struct node *node); /* own flags changed: gossip them */

/* ---- outbox.c ---- */
/* Adds one encoded item for a peer; flushed into frames at the end of the step. */
void outbox_put(struct node *node, struct id128 to, enum message_type type, struct slice item);
void outbox_flush(struct node *node);

/* ---- acceptor.c: this node's votes ---- */
struct register_state {
	struct ballot promised;
	struct ballot accepted; /* round 0: nothing */
	struct slice value;     /* in the buf given to acceptor_read; so are the next two */
	struct slice ends;      /* what travelled beside the value, and goes on with whoever adopts it */
	struct slice verdicts;
};
void acceptor_read(struct node *node, const struct register_key *key, struct buf *value_memory, struct register_state *ret_state);
/* Judges one request and puts what it changes; `ret_voted` is the answer, its value in `answer_memory`. */
void acceptor_judge(struct node *node, const struct vote *vote, struct buf *answer_memory, struct voted *ret_voted);
void acceptor_on_start(struct node *node); /* reads the cursors */
void acceptor_on_frame(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader);

/* ---- proposer.c: changes by majority ---- */
/* Begins a change of the job's cursor or definition. False: one is in hand (that one looks again when it is done), there is no
 * room, or this node has no vote. It may be over when this returns. */
bool proposer_start(struct node *node, uint32_t job, enum register_kind kind, uint32_t change, bool is_forced);
void proposer_on_frame(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader);
void proposer_on_deadline(struct node *node, uint32_t proposal);

/* ---- planner.c, offer.c ---- */
/* Looks at a job: offers, claims, passes, finishes, arms what is due, and sets its next wake time. */
void planner_visit(struct node *node, uint32_t job);
/* Reads definition, zone and cursor again: next fire, wake time. After an edit, a decision, a step of the clock. */
void planner_replan(struct node *node, uint32_t job);
void planner_replan_all(struct node *node);
/* claim.c: builds the new cursor from node->cursor (in place) and says what it adds; false: nothing to change. */
bool claim_build(struct node *node, uint32_t job, struct proposal_extra *extra);
/* True if fires would be passed now although nobody takes them. Uses node->cursor. */
bool claim_has_pass(struct node *node, uint32_t job);
/* How long the next fire may go unclaimed before it is a misfire: the smaller of 60 s and the gap to the one after. */
int64_t claim_misfire_after_ms(const struct job *job);
/* The cursor in node->cursor was decided by this node's proposal. */
void planner_decided(struct node *node, uint32_t job);
/* The definition was read from a majority: carried runs of the job are armed, or revoked if it is newer. */
void planner_def_read(struct node *node, uint32_t job, uint64_t def_counter);
/* This node stepped in for a proposer that had done its work: next time it waits twice as long for it. */
void planner_owner_is_alive(struct node *node, uint32_t job);
/* When to look at the job next; sets it. */
void planner_wake(struct node *node, uint32_t job);
void planner_on_offered(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader);
void planner_on_members_changed(struct node *node, struct id128 id);
void planner_on_run_deadline(struct node *node, uint32_t run); /* an open run: ARM again, or lost */
void planner_arm(struct node *node, uint32_t run);
bool planner_run_is_lost(const struct node *node, const struct run *run);
/* Schedule and zone of a definition; ERR with problem when it is wrong or its zone is unknown here. */
MUST_CHECK enum err planner_schedule(struct node *node, const struct def_value *value, struct definition *ret_definition,
                                     struct schedule *ret_schedule, const struct zone **ret_zone, struct problem *problem);

/* ---- executor.c ---- */
void executor_on_start(struct node *node); /* reads the start records */
void executor_on_offer(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader);
enum offer_answer executor_judge_offer(struct node *node);
void executor_on_arm(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader);
void executor_arm(struct node *node, struct id128 from, const struct arm *arm);
void executor_on_revoke(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader);
void executor_revoke(struct node *node, struct id128 from, const struct revoke *revoke);
void executor_on_run_ack(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader);
void executor_on_runner(struct node *node, const struct runner_report *report);
void executor_on_runner_down(struct node *node);
void executor_on_run_deadline(struct node *node, uint32_t run);
/* The set does not have this run open any more: its record goes once its end is acknowledged. */
void executor_on_gone(struct node *node, uint32_t run);
/* ERR_NOT_FOUND: not here; ERR_STALE: over already. The answer is the run's end. */
MUST_CHECK enum err executor_kill(struct node *node, const struct run_key *key, int signal, int64_t grace_ms, const char *by);

/* ---- ledger.c: what voters and executors know of runs ---- */
void ledger_on_start(struct node *node); /* what the jobs' rows show of the past */
/* The slot of a live run, added if need be and linked to its job; RUN_NONE: the table is full, or the job unknown. */
uint32_t ledger_add(struct node *node, const struct run_key *key);
void ledger_drop(struct node *node, uint32_t run);
void ledger_on_run_frame(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader);
/* News of a run from its executor, also from this node itself. */
void ledger_news(struct node *node, struct id128 from, const struct run_record *record);
/* Makes the table of open runs agree with a cursor that this node accepted; `vote` brought it, NULL at start. */
void ledger_on_cursor(struct node *node, uint32_t job, const struct cursor *cursor, const struct vote *vote);
/* Table, else store. ERR_NOT_FOUND. */
MUST_CHECK enum err ledger_read(struct node *node, const struct run_key *key, struct run_record *ret_record);
void ledger_write(struct node *node, const struct run_record *record);        /* runs, runs_by_time */
void ledger_write_verdict(struct node *node, const struct verdict_record *record);
MUST_CHECK enum err ledger_read_verdict(struct node *node, struct id128 job, int64_t t_ms, struct id128 manual, struct verdict_record *ret_record);
/* Ends and verdicts that came with a vote. */
void ledger_on_vote(struct node *node, const struct vote *vote);

/* A run that this manual request made; ERR_NOT_FOUND. */
MUST_CHECK enum err ledger_find_manual(struct node *node, struct id128 job, struct id128 manual, struct run_key *ret_key);

/* ---- catalog.c: decided definitions, a copy on every agent ---- */
void catalog_on_start(struct node *node);
/* A decided value: kept, counted in the digest, planned, spread to some others if it was news. */
void catalog_put(struct node *node, enum register_kind kind, struct id128 key, struct slice value, struct id128 from);
/* Borrows from scratch_def: valid until the next call. ERR_NOT_FOUND: no copy; a deleted one is found. */
MUST_CHECK enum err catalog_read(struct node *node, struct id128 job, struct def_value *ret_value);
/* The definition of that version, from `versions`; else the newest. */
MUST_CHECK enum err catalog_read_version(struct node *node, struct id128 job, uint64_t counter, struct def_value *ret_value);
void catalog_on_copy(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader);
void catalog_send(struct node *node, struct id128 to, struct id128 job);

/* ---- sync.c: anti-entropy ---- */
void sync_on_start(struct node *node);
void sync_on_deadline(struct node *node);
void sync_on_members_changed(struct node *node);
void sync_on_frame(struct node *node, struct id128 from, enum message_type type, uint32_t item_count, struct wire_reader *reader);
/* A copy changed its counter: keeps the sums. counter 0: was, or is, not there. */
void sync_count(struct node *node, uint16_t arc, struct id128 key, uint64_t counter_before, uint64_t counter_now);

/* ---- change.c: what users change; all answer `asker` in the end ---- */
struct change_request {
	enum change_kind kind;
	struct slice name;       /* "group/name", checked */
	struct slice definition; /* PUT */
	struct id128 id;
	struct slice reason;
	bool is_replace, is_catch_up, let_finish, is_late;
};
/* This node must vote on the job's arc; else relay it there first. */
void change_start(struct node *node, const struct asker *asker, const struct change_request *request);
/* The register's def value in `base` (empty: none): writes the changed value to `out`, or the same. False: refused, and answered. */
bool change_build(struct node *node, uint32_t change, struct slice base, struct buf *out);
/* The job's definition, or cursor, was decided by a proposal of this node; `change` is 0 if no change asked for it. */
/* `counter` 0: decided, but its counter is not known here. */
void change_def_decided(struct node *node, uint32_t job, uint32_t change, uint64_t counter);
void change_cursor_decided(struct node *node, uint32_t job, uint32_t change);
void change_failed(struct node *node, uint32_t job, uint32_t change);
/* A register of this job is free again: begins what waited for it. */
void change_next(struct node *node, uint32_t job);
void change_on_run(struct node *node, const struct run_record *record); /* an answer to REVOKE */
void change_on_deadline(struct node *node);
int64_t change_next_deadline_us(const struct node *node);
/* Checks a definition as a whole: keys, schedule, zone, lint of `often`. */
MUST_CHECK enum err change_check(struct node *node, struct slice definition, bool is_late, struct definition *ret_definition,
                                 struct schedule *ret_schedule, const struct zone **ret_zone, struct problem *problem);
/* True while a cursor change of this job has to be made for a user's change that waits for it. */
enum change_kind change_waiting(const struct node *node, uint32_t job, bool *ret_is_waiting);
void change_send_revoke(struct node *node, struct id128 executor, const struct revoke *revoke);
void manual_start(struct node *node, const struct asker *asker, const char *full, struct id128 id, bool is_waited, bool is_forced);
/* manual.c: offers of manual requests; true if one may be claimed now. */
bool manual_visit(struct node *node, uint32_t job);
int64_t manual_next_us(const struct node *node, uint32_t job);
void manual_on_offered(struct node *node, uint32_t job, struct id128 from, const struct offered *offered);
/* The cursor was decided: those that it has are answered. */
void manual_decided(struct node *node, uint32_t job, const struct cursor *cursor);
/* Walks those of a job that somebody has taken: begin with 0; 0 at the end. Index + 1. */
uint32_t manual_next_taken(const struct node *node, uint32_t job, uint32_t manual);

/* ---- query.c and its kin ---- */
void query_on_request(struct node *node, const struct event *event);
/* A request that another agent passed on, or a local one: does it or relays it. */
void query_do(struct node *node, const struct asker *asker, struct slice verb, struct slice arguments);
/* Answers `asker` with the run's row once it is over (at once if it is). */
void query_wait(struct node *node, const struct asker *asker, const struct run_key *run);
/* A run reached its final state: whoever waits for it is answered. */
void query_on_run_final(struct node *node, const struct run_record *record);
void query_on_output(struct node *node, const struct event *event);
void query_on_client_gone(struct node *node, uint64_t client);
void query_on_deadline(struct node *node);
int64_t query_next_deadline_us(const struct node *node);
size_t query_bytes(void); /* memory of query and live state */
void query_init(struct node *node, void *memory);

/* ---- relay.c: answers, and requests passed on ---- */
void answer_row(struct node *node, const struct asker *asker, struct slice map);
void answer_progress(struct node *node, const struct asker *asker, struct slice map);
void answer_end(struct node *node, const struct asker *asker, struct slice map);
void answer_error(struct node *node, const struct asker *asker, const struct problem *problem);
void relay_on_request(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader);
void relay_on_answer(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader);
void relay_on_peer_down(struct node *node, struct id128 peer);

/* ---- live.c: what watchers see ---- */
void live_job_changed(struct node *node, uint32_t job);
void live_run_changed(struct node *node, const struct run_record *record);
void live_members_changed(struct node *node);
void live_on_watch(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader);
void live_on_news(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader);

/* ---- figures.c ---- */
void figures_started(struct node *node, int64_t lateness_us);
void figures_ended(struct node *node, enum verdict verdict);

#endif
