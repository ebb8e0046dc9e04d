/* Between the files that answer people: query*.c, relay.c, row.c, live.c, logs.c.
 *
 *   client --frame--> query.c --verb--> a handler here                     answer_* --> client
 *                                  \--> relay.c --REQUEST--> another agent --ANSWER--> relay.c --> client
 *
 * Where a verb is done: at the asked agent itself, at the "home" (a member that votes, so that it knows of every run), at the
 * job's proposer, or at a run's executor. A request that was passed on is passed on again at most once, from home to
 * executor, under a verb of its own ("at.kill"), so that no request goes in circles. */
#ifndef AGENT_CORE_QUERY_H
#define AGENT_CORE_QUERY_H

#include "agent/core/figures.h"
#include "agent/core/state.h"
#include "proto/text.h"

#define RELAYS_MAX 512u /* requests passed on and not answered */
#define WAITS_MAX 512u  /* who waits for a run's end */
#define LOGS_MAX 64u    /* readers of output: the edge has as many followers */
#define REQUEST_TIMEOUT_US \
	(9 * INT64_C(1000000)) /* below the command line's own 10 s, so that it learns who is silent */
#define KILL_TIMEOUT_US (30 * INT64_C(1000000))
#define ROWS_DEFAULT 100u
#define ROWS_MAX 1000u       /* of one page */
#define LOOK_MAX 2000u       /* records read by one page */
#define LOOK_KEYS_MAX 20000u /* keys looked at by one page or search, without reading the record */
#define VERB_BYTES_MAX 32u
#define ROW_BYTES_MAX \
	(2u * DEFINITION_BYTES_MAX + 32768u) /* a definition and its command as shown */

/* ---- relays ---- */

enum relay_use {
	RELAY_PASS,   /* frames go on to the asker as they are */
	RELAY_STATUS, /* the end is made this agent's own status */
	RELAY_FIGURES /* of gather.c */
};

struct relay {
	uint64_t id; /* 0: free */
	struct asker asker;
	struct id128 target;
	int64_t timeout_us;  /* 0: as long as the peer lives */
	int64_t deadline_us; /* INT64_MAX: none */
	enum relay_use use;
	char verb[VERB_BYTES_MAX + 1];
};

/* Items of a frame that did not fit one step: they go on in the next one of the same commit. */
struct frame_rest {
	enum message_type type; /* 0: nothing */
	struct id128 from;
	uint32_t item_count;
	size_t bytes;
	uint8_t data[FRAME_BYTES_MAX];
};

/* ---- waits ---- */

enum wait_kind { WAIT_FREE, WAIT_END, WAIT_KILL, WAIT_CANCEL };

struct wait {
	enum wait_kind kind;
	struct asker asker;
	struct run_key run;
	int64_t begun_us;
	int64_t deadline_us; /* INT64_MAX: none */
};

/* ---- readers of output ---- */

#define LOGS_CHILDREN_MAX 16u
#define STARTS_KEPT 64u

/* What did not fit the effects of one step of an event's lines. */
#define OUTPUT_REST_BYTES_MAX 131072u
struct output_rest {
	uint32_t line_count; /* 0: nothing */
	size_t bytes;
	struct event event; /* its bytes are gone */
	uint8_t lines[OUTPUT_REST_BYTES_MAX];
};

enum logs_phase {
	LOGS_FREE,
	LOGS_READ, /* at the executor: a read is under way at the edge */
	LOGS_RETRY, /* at the executor: there is no output yet, or no verdict; looked at again at retry_us */
	LOGS_INNER, /* of a job, at home: one run's lines are being passed on */
	LOGS_IDLE   /* of a job, or of all, at home: waits for the next run to start */
};

struct logs {
	enum logs_phase phase;
	uint64_t ticket; /* never used again */
	struct asker asker;
	struct run_key run;   /* of a job: the last one shown */
	bool is_all;          /* of all jobs: every run that starts is read beside the others */
	uint32_t child_count; /* how many are being read; at most LOGS_CHILDREN_MAX */
	uint64_t start_seen;  /* of query->start_count */
	bool has_run;
	bool is_follow;
	bool is_read_out;    /* all lines were told; only the verdict is waited for */
	uint32_t tail_lines; /* only so many of the last lines; 0: all */
	int64_t retry_us;    /* INT64_MAX: not by time */
};

/* ---- figures being gathered ---- */

#define GATHERS_MAX 16u
struct gather_page {
	uint32_t first; /* row */
	uint32_t limit;
};
typedef void gather_then(struct node *node, const struct asker *asker, const struct gather_page *page);
struct gather {
	uint64_t id; /* 0: free */
	struct asker asker;
	struct gather_page page;
	gather_then *then;
	uint32_t pending_count;
	int64_t deadline_us;
};

/* ---- what is kept ---- */

#define JOB_NAMES_KEPT 16u
struct job_name {
	struct id128 job;
	char name[JOB_NAME_BYTES_MAX + 1]; /* "group/name"; empty: unknown here */
	uint64_t used;
};

/* How many jobs there are of what kind; counted anew when it is asked for and old. */
struct query_counts {
	int64_t counted_us;
	uint32_t jobs;
	uint32_t paused;
	uint32_t undecided; /* due for more than a second, and in no decided change */
	uint32_t proposes[SET_MEMBERS_MAX];
	uint32_t running;
	uint32_t claimed;
};

#define FIRES_MAX 1000 /* told of by one `next` */
struct fire {
	int64_t t_ms;
	uint32_t job;
};

/* The soonest fires so far, in order. */
struct fire_list {
	struct fire fires[FIRES_MAX];
	uint32_t count;
	uint32_t count_max;
	int64_t from_ms; /* after this ... */
	int64_t to_ms;   /* ... up to this */
	bool is_cut;     /* not all jobs were looked at */
};

struct query_state {
	uint64_t last_id; /* of relays and tickets */
	struct relay relays[RELAYS_MAX];
	uint32_t relay_used; /* highest index in use + 1 */
	struct frame_rest frame_rest;
	struct wait waits[WAITS_MAX];
	uint32_t wait_used;
	struct logs logs[LOGS_MAX];
	uint32_t logs_used;
	struct run_key starts[STARTS_KEPT]; /* runs that started while somebody reads all: a ring */
	uint64_t start_count;
	struct output_rest rest;
	struct gather gathers[GATHERS_MAX];
	struct job_name names[JOB_NAMES_KEPT];
	uint64_t name_clock;
	struct query_counts counts;
	struct figures figures;        /* of all runs that this voter hears of */
	uint32_t slots[RUNS_LIVE_MAX]; /* scratch: live runs in order */
	/* Scratch of these files alone: answers are also given in the middle of votes and ends, whose scratch is in use. */
	struct fire_list fires;
	uint8_t frame[FRAME_BYTES_MAX];      /* an answer being put together */
	uint8_t row[ROW_BYTES_MAX];          /* a row being written */
	uint8_t arguments[ROW_BYTES_MAX];    /* arguments of a request to be passed on */
	uint8_t definition[WIDE_BYTES];      /* a definition being read */
	uint8_t name_definition[WIDE_BYTES]; /* the same, for a name only */
};

/* ---- query.c ---- */
/* A member that votes, so that it knows of every run: this node itself if it does; zero: none is in reach. */
struct id128 query_home(const struct node *node);
/* True: this node does it. False: it was passed on to `to`, or the asker has been told why not. timeout_us 0: none. */
bool query_is_here(struct node *node, const struct asker *asker, struct id128 to, const char *verb,
		   struct slice arguments, int64_t timeout_us);
bool asker_is_local(const struct asker *asker);
/* Ends the request of an asker that did not wait for its end. */
void query_forget(struct node *node, const struct asker *asker);
bool asker_equal(const struct asker *a, const struct asker *b);

/* ---- query_argument.c: all return false after the asker has been told what is wrong ---- */
bool argument_text(struct node *node, const struct asker *asker, struct slice arguments,
		   const char *key, size_t bytes_max, struct slice *ret_text); /* absent: empty */
bool argument_number(struct node *node, const struct asker *asker, struct slice arguments,
		     const char *key, int64_t min, int64_t max, int64_t fallback, int64_t *ret_value);
bool argument_flag(struct node *node, const struct asker *asker, struct slice arguments,
		   const char *key, bool *ret_flag);
/* `ret_full`: JOB_NAME_BYTES_MAX + 1 bytes; a required one. */
bool argument_job(struct node *node, const struct asker *asker, struct slice arguments,
		  const char *key, char *ret_full);
/* Hex digits into bytes; ret_bytes is empty if absent. */
bool argument_token(struct node *node, const struct asker *asker, struct slice arguments,
		    struct buf *ret_bytes);
/* 32 hex digits are an id as they are; any other text is hashed; absent: zero. */
bool argument_id(struct node *node, const struct asker *asker, struct slice arguments,
		 struct id128 *ret_id);
/* True if `word` is one of the comma-separated words of `list`, or the list is empty. */
bool words_have(struct slice list, const char *word);
/* * and ? */
bool glob_matches(struct slice pattern, const char *text);

/* ---- query_job.c ---- */
/* Ends a list: `next` is the key behind which it goes on, empty at the end; total below 0: not known. */
void query_end_page(struct node *node, const struct asker *asker, uint32_t count, int64_t total,
		    struct slice next, bool is_complete);
/* The fields `complete` and `missing`: the voters that are not in reach. */
void query_put_missing(struct node *node, struct wire_map *map, struct buf *body, bool is_complete);
/* As query_is_here for what is only read: at home, or without one from what this node has (then it is not complete). */
bool query_is_read_here(struct node *node, const struct asker *asker, const char *verb,
			struct slice arguments, bool *ret_is_complete);
struct id128 query_proposer(const struct node *node, struct id128 job); /* zero: none is in reach */

/* ---- query_job.c, query_show.c, query_runs.c, query_run.c, query_next.c, query_node.c: the verbs ---- */
typedef void query_handler(struct node *node, const struct asker *asker, struct slice arguments);
query_handler query_job_ls, query_job_show, query_job_put, query_job_remove, query_job_pause,
	query_job_resume, query_job_enable, query_job_disable, query_run, query_runs, query_next,
	query_wait_verb, query_kill, query_cancel, query_logs, query_at_kill, query_at_cancel,
	query_at_logs, query_at_figures, query_node_ls, query_status, query_at_status, query_watch;

/* ---- query_run.c ---- */
/* A run by full name, fire name or short id, among live and recent runs. ERR_NOT_FOUND, ERR_INVALID (form, or ambiguous). */
MUST_CHECK enum err query_find_run(struct node *node, struct slice text, struct run_key *ret_key,
				   struct problem *problem);
/* The key that another agent sent with a request for a run of this node. */
bool argument_run_key(struct node *node, const struct asker *asker, struct slice arguments,
		      struct run_key *ret_key);
void waits_on_run(struct node *node, const struct run_record *record);
void waits_on_deadline(struct node *node);
/* Where a request about a run is done. True: here, and ret_record is what is known of the run. False: it was passed on, or
 * the asker has been told why not. */
bool query_route_run(struct node *node, const struct asker *asker, const char *verb,
		     const char *at_verb, struct slice arguments, struct run_record *ret_record);
/* Ends a request for lines whose node is not in reach: complete is false. */
void logs_answer_missing(struct node *node, const struct asker *asker, struct id128 executor);
/* The arguments with `run` and `key` in place of whatever named the run. In query->arguments. */
struct slice arguments_with_run(struct node *node, struct slice arguments, const struct run_key *run);

/* ---- query_runs.c ---- */
/* Walks the store's runs from newest to oldest: `place` begins empty. False: no more. */
bool runs_next_stored(struct node *node, struct buf *place, struct run_key *ret_key);
/* The job's newest run that has started, or fire that was decided; while there is none, its newest run. ERR_NOT_FOUND. */
MUST_CHECK enum err runs_newest_of_job(struct node *node, struct id128 job, struct run_key *ret_key);
/* The record of a run, or one made of a fire's verdict (attempt 65535). */
MUST_CHECK enum err runs_read(struct node *node, const struct run_key *key,
			      struct run_record *ret_record);

/* ---- query_node.c ---- */
const struct query_counts *query_counts(struct node *node);
/* What the home knows for all: decoded from its word, or made here. */
struct status_figures {
	int64_t jobs, jobs_paused, runs_running, runs_claimed, fires_per_s_milli, failed_per_min,
		missed_per_min;
	int64_t lag_p50_us, lag_p99_us, undecided;
};
void status_measure(struct node *node, struct status_figures *ret_figures);
void status_figures_put(struct buf *out, const struct status_figures *figures);
void status_figures_get(struct slice map, struct status_figures *ret_figures);
/* `has_home` false: the home is out of reach, and a warning says so. With_clock false: without what only the clock changes. */
void status_put(struct node *node, struct buf *out, const struct status_figures *figures,
		bool has_home, bool with_clock);
/* Without a home: what this node's own copies say, the rest unknown. */
void status_guess(struct node *node, struct status_figures *ret_figures);
/* The home did not answer: the status is made of what this node knows, and says so. */
void query_status_unanswered(struct node *node, const struct asker *asker);
void query_status_answered(struct node *node, const struct asker *asker, struct slice body);

/* ---- gather.c ---- */
/* Calls `then` when the figures of the live members are known, or half a second later; at once if they are. */
void gather_begin(struct node *node, const struct asker *asker, const struct gather_page *page,
		  gather_then *then);
void gather_answered(struct node *node, uint64_t id, struct id128 from, struct slice body);
void gather_forget(struct node *node, const struct asker *asker);
void gather_on_deadline(struct node *node);
int64_t gather_next_deadline_us(const struct node *node);

/* ---- logs.c ---- */
void logs_on_run(struct node *node, const struct run_record *record);
void logs_on_inner(struct node *node, uint64_t ticket, enum answer_kind kind, struct slice body);
void logs_forget(struct node *node, const struct asker *asker);
void logs_on_peer_down(struct node *node, struct id128 peer);
void logs_on_deadline(struct node *node);
int64_t logs_next_deadline_us(const struct node *node);

/* ---- relay.c ---- */
/* timeout_us 0: none. */
void relay_pass(struct node *node, const struct asker *asker, struct id128 to, const char *verb,
		struct slice arguments, int64_t timeout_us, enum relay_use use);
void relay_forget(struct node *node, const struct asker *asker);
void relay_on_members_changed(struct node *node);
void relay_on_deadline(struct node *node);
int64_t relay_next_deadline_us(const struct node *node);
/* True while another row may be added to this step. */
bool answer_has_room(const struct node *node);

/* ---- row.c: what rows have in them ---- */
/* The newest copy, in query->definition. */
MUST_CHECK enum err query_read_definition(struct node *node, struct id128 job,
					  struct def_value *ret_value);
/* "group/name", or "?"; valid until sixteen other jobs were asked for. */
const char *row_job_name(struct node *node, struct id128 job);
void row_time(struct wire_map *map, struct buf *out, const char *key, int64_t utc_ms); /* 0: nil */
void row_node_name(struct node *node, struct wire_map *map, struct buf *out, const char *key,
		   struct id128 id);
/* One map. With job JOB_NONE what only the job table knows is left unknown. */
void row_job(struct node *node, struct buf *out, const struct def_value *value, uint32_t job);
/* The same, left open for more fields. */
void row_job_fields(struct node *node, struct wire_map *map, struct buf *out,
		    const struct def_value *value, uint32_t job);
/* `definition` NULL: it can not be read. */
const char *row_job_state(const struct node *node, uint32_t job, const struct definition *definition);
void row_run(struct node *node, struct buf *out, const struct run_record *record);
void row_run_fields(struct node *node, struct wire_map *map, struct buf *out,
		    const struct run_record *record);
const char *row_run_state(const struct node *node, const struct run_record *record);
/* What peers say of themselves while somebody watches. */
struct node_figures {
	bool is_known;
	int64_t heard_us;
	int64_t running, executed, load_milli, cpus, memory_bytes, memory_free_bytes, up_ms;
	int64_t view; /* a hash of the members that it takes for alive */
};
void row_own_figures(const struct node *node, struct node_figures *ret_figures);
/* NULL: not known. */
void row_node(struct node *node, struct buf *out, const struct member *member,
	      const struct node_figures *figures, bool with_clock);

/* ---- live.c ---- */
size_t live_bytes(void);
void live_init(struct node *node, void *memory);
void live_start(struct node *node, const struct asker *asker, unsigned views);
void live_forget(struct node *node, const struct asker *asker);
void live_on_peer_down(struct node *node, struct id128 peer);
void live_on_deadline(struct node *node);
int64_t live_next_deadline_us(const struct node *node);
void live_figures_changed(struct node *node);
void live_figures_heard(struct node *node, struct id128 from, struct slice map);
/* NULL: nothing heard lately. */
const struct node_figures *live_figures_of(const struct node *node, struct id128 id);

#endif
