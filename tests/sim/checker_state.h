/* What the judge keeps, shared by its files. */
#ifndef TESTS_SIM_CHECKER_STATE_H
#define TESTS_SIM_CHECKER_STATE_H

#include "agent/core/cursor.h"
#include "proto/message.h"
#include "tests/sim/checker.h"

/* Hash to number of an entry, open addressing; hashes of different things are taken to differ. */
struct index {
	uint64_t *hashes;
	uint32_t *values;
	uint32_t capacity, count;
};

struct ballot_entry {
	uint64_t value_hash;
	uint32_t mask; /* hosts whose images accepted it */
	bool is_decided;
};

struct run_entry {
	struct run_key key;
	uint32_t executor; /* host, as decided */
	uint64_t def_counter;
	bool is_decided;
	bool is_folded;           /* was open in a decided cursor, and is not any more */
	int64_t decided_us;
	int64_t record_synced_us; /* its start record; 0: not */
	uint32_t start_count;
	int64_t started_us;
	bool is_ended;
	int exit_code;
	enum runner_cause cause;
};

#define MAY_START_MAX 32u

struct job_entry {
	struct id128 id;
	struct ballot def_ballot; /* of the newest decided */
	uint64_t def_counter;
	uint64_t def_hash;
	struct ballot cursor_ballot;
	bool has_cursor;
	struct cursor cursor;
	uint64_t acknowledged; /* the highest version that anybody was told */
	/* The newest acknowledged pause, edit or removal. */
	uint64_t barrier;
	int64_t barrier_us;
	uint32_t may_start_count;
	char may_start[MAY_START_MAX][RUN_NAME_BYTES_MAX + 1];
};

struct checker {
	struct index ballot_index;
	struct ballot_entry *ballots;
	uint32_t ballot_count, ballot_max;
	struct index sent_index; /* (register, ballot) -> hash of the value in an ACCEPT that was sent */
	uint64_t *sent_hashes;
	uint32_t sent_count, sent_max;
	struct index run_index;
	struct run_entry *runs;
	uint32_t run_count, run_max;
	struct job_entry **jobs;
	uint32_t job_count, job_max;
	uint64_t boots[SIM_HOSTS_MAX];
	uint64_t start_count, claim_count, change_count;
	struct cursor decoded; /* scratch */
	uint8_t *record;       /* scratch: RECORD_BYTES */
};

#define RECORD_BYTES (256u * 1024u)

/* A register as it lies on a disk. */
struct register_image {
	struct register_key key;
	struct ballot promised;
	struct ballot accepted;
	struct slice value;
};

/* ~0: not there. */
uint32_t index_find(const struct index *index, uint64_t hash);
void index_add(struct index *index, uint64_t hash, uint32_t value);
void index_free(struct index *index);

uint32_t checker_majority(const struct world *world);
struct run_entry *checker_run(struct world *world, const struct run_key *key);
struct job_entry *checker_job(struct world *world, struct id128 id);
/* "n2 sim/j1-0@...": for messages; in static memory. */
const char *checker_run_text(const struct world *world, const struct run_key *key);
bool register_image_get(struct slice key, struct slice record, struct register_image *ret_image);
/* From the host's durable image into `memory`; false: not there. */
bool register_image_read(const struct host *host, const struct register_key *key, struct buf *memory,
			 struct register_image *ret_image);
/* The durable start record's letter; 0: none. */
uint8_t start_image_read(const struct host *host, const struct run_key *key);
/* Fires above it may be started so much too early, ms: by clocks that are off. */
int64_t checker_early_ms(const struct world *world);

#endif
