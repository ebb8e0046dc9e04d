/* The world of the simulator: up to SIM_HOSTS_MAX hosts, each with a disk, a runner and (mostly) an agent of the
 * production core, in one thread, on a virtual clock, from one seed. The same seed and build give the same trace.
 *
 *   main ---> world ---> disk       the agent's shell: overlay, group commit, effects held until their commit
 *               |  ----> network    datagrams and streams between agents
 *               |  ----> runner     the process that starts jobs; its starts are the truth
 *               |  ----> faults     what goes wrong, drawn per seed
 *               |  ----> operator   people at random agents
 *               +----> checker      judges from outside: images, frames, answers, starts
 *
 * Everything that happens is an entry of one heap, ordered by time and then by number. */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/core/event.h"
#include "agent/core/mutant.h"
#include "agent/core/node.h"
#include "agent/core/prng.h"
#include "agent/store/store.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/types.h"

#define SIM_HOSTS_MAX 7u
#define SIM_UTC_START_MS INT64_C(1767225570000) /* half a minute before a full hour, so that cron jobs fire soon */
#define SIM_SECOND_US INT64_C(1000000)
#define SIM_FAILURE_BYTES 512u

struct world;
struct checker;
struct network;
struct faults;
struct operator;
struct runner_fake;
struct held;

struct sim_event;
typedef void (*sim_action)(struct world *world, struct sim_event *event);

/* Something that will happen. Bound to a life of an agent (life not 0): dropped when that life is over, put off while
 * the agent is paused. */
struct sim_event {
	int64_t at_us;
	uint64_t number;
	sim_action run;
	uint32_t host;
	uint64_t life;
	struct event event;  /* for the core; its bytes are the ones below */
	uint64_t argument[3];
	struct run_key key;
	size_t byte_count;
	uint8_t bytes[];
};

struct host {
	uint32_t index;
	struct id128 id;
	char name[NODE_NAME_BYTES_MAX + 1];
	struct address address;
	struct id128 boot_id;      /* of the operating system */
	int64_t booted_us;
	int64_t wall_offset_ms;    /* of the wall clock, against the truth */
	int64_t paused_until_us;
	bool is_host_up;

	/* The agent's life. */
	bool is_up;
	uint64_t life; /* raised at every start and every end */
	uint64_t boot;
	void *memory;
	size_t memory_bytes;
	struct node *node;
	struct store_overlay *overlay;
	struct store_view view; /* counts what is put */
	uint64_t put_count;
	uint64_t deadline_number;
	int64_t deadline_us;
	uint32_t spin_count; /* steps in the same instant */
	int64_t spin_us;

	/* Commit, then speak. */
	struct store_backend *disk; /* outlives the agent */
	struct store_batch *batch;  /* in flight */
	struct held *gathering_first, *gathering_last;
	struct held *flight_first, *flight_last;

	struct runner_fake *runner;
};

struct sim_options {
	uint64_t seed;
	uint32_t agents; /* 0: drawn */
	uint32_t voters; /* 0: drawn; 1, 3 or 5 */
	int64_t minutes; /* of virtual time with faults; a quiet end follows */
	enum mutant mutant;
	bool is_traced;
};

struct world {
	struct sim_options options;
	int64_t now_us;
	int64_t faults_end_us; /* from here on all is healed */
	int64_t operators_end_us;
	int64_t end_us;
	uint32_t host_count;
	uint32_t voter_count;
	struct id128 cluster;
	struct host hosts[SIM_HOSTS_MAX];

	struct sim_event **heap;
	uint32_t heap_count, heap_max;
	uint64_t event_number;
	uint64_t event_count;
	uint64_t trace_hash;

	struct prng prng; /* of the world itself; each part has its own, so that one more draw here moves nothing there */
	struct effects effects;
	struct zone_source zones;
	struct zone *utc;

	struct checker *checker;
	struct network *network;
	struct faults *faults;
	struct operator *operator;

	bool is_explaining; /* the judge tells the trace what it reads */
	bool has_failed;
	char failed_check[16]; /* "C2" */
	char failure[SIM_FAILURE_BYTES];
	int64_t failed_us;
};

struct sim_result {
	bool has_failed;
	char failed_check[16];
	char failure[SIM_FAILURE_BYTES];
	int64_t failed_us;
	uint64_t trace_hash;
	uint64_t event_count;
	uint32_t agents, voters;
	uint64_t start_count;   /* processes started */
	uint64_t claim_count;   /* runs decided */
	uint64_t change_count;  /* changes acknowledged */
	uint64_t crash_count;
	char faults[128];       /* which were drawn */
};

/* Runs one seed from birth to its last check. */
void world_run(const struct sim_options *options, struct sim_result *ret_result);

/* An entry of the heap; the caller fills what it needs after. Bytes are copied. */
struct sim_event *world_push(struct world *world, int64_t at_us, sim_action run, uint32_t host, uint64_t life,
			     struct slice bytes);
/* One event of the core for a life of an agent: the action of most entries. */
void world_deliver(struct world *world, struct sim_event *event);

void world_start_agent(struct world *world, uint32_t host);
/* kill -9: memory is gone; of a commit in flight it is drawn whether it reached the disk. */
void world_kill_agent(struct world *world, uint32_t host);
/* The whole host goes down, and comes back with another boot id when world_boot_host is called. */
void world_stop_host(struct world *world, uint32_t host);
void world_boot_host(struct world *world, uint32_t host);

int64_t world_utc_ms(const struct world *world);                         /* true time */
int64_t host_mono_us(const struct world *world, const struct host *host); /* boot-time clock */
int64_t world_at_mono_us(const struct host *host, int64_t mono_us);       /* and back */
int world_host_by_id(const struct world *world, struct id128 id);         /* -1: none */
int world_host_by_address(const struct world *world, const struct address *address);

/* The first failure counts; the run ends with it. */
void world_fail(struct world *world, const char *check, const char *format, ...) PRINTF_LIKE(3, 4);
void world_trace(struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);
/* Mixes into the trace's hash: what happened, and to whom. */
void world_mix(struct world *world, uint64_t a, uint64_t b);

/* Uniform in [from, to]. */
int64_t draw_between(struct prng *prng, int64_t from, int64_t to);
bool draw_chance(struct prng *prng, uint32_t per_mille);

/* ---- disk.c ---- */
void disk_open(struct world *world, struct host *host);  /* makes the agent's view of its disk */
void disk_close(struct world *world, struct host *host); /* the agent is gone: a commit in flight is decided by a draw */
/* Takes what the step just made wants; then lets out what may leave, and begins a commit. */
void disk_keep(struct world *world, struct host *host, bool has_puts);
void disk_flush(struct world *world, struct host *host);

/* ---- what an effect does (world.c) ---- */
void world_put_effect(struct world *world, struct host *host, const struct effect *effect);

#endif
