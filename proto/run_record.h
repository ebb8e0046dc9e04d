/* The record of one run, and the verdict of a fire: what the set and the executor keep, what peers send one
 * another, what people ask for. */
#ifndef PROTO_RUN_RECORD_H
#define PROTO_RUN_RECORD_H

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/types.h"
#include "proto/wire.h"

/* A closed list. */
enum verdict {
	VERDICT_NONE,
	VERDICT_RAN_OK,
	VERDICT_SKIPPED,
	VERDICT_MISSED,
	VERDICT_KILLED,
	VERDICT_TIMEOUT,
	VERDICT_FAILED,
	VERDICT_LOST,
	VERDICT_COUNT
};

/* Records of one run merge by taking the further state, in this order; LOST is the proposer's word, and the two after
 * it are the executor's own last word. */
enum run_state {
	RUN_CLAIMED,
	RUN_ARMED,
	RUN_STARTED,
	RUN_LOST,
	RUN_RELEASED, /* never started, and never will be; durable before it was said */
	RUN_ENDED,
	RUN_STATE_COUNT
};

struct run_record {
	struct run_key key;
	enum run_state state;
	struct id128 executor;
	uint64_t def_counter;
	int64_t claimed_ms; /* the four times, ms UTC; 0: not yet */
	int64_t armed_ms;
	int64_t started_ms;
	int64_t ended_ms;
	int64_t duration_us;
	int64_t lateness_us; /* launcher's stamp minus the planned start */
	enum verdict verdict;
	char reason[RESULT_BYTES_MAX + 1]; /* in the verdict's parenthesis; may be empty */
	int32_t exit_code;                 /* -1: none */
	int32_t signal;                    /* 0: none */
	int64_t pid;
	int64_t user_us;
	int64_t system_us;
	int64_t rss_bytes_max; /* -1: not known */
	uint64_t output_bytes;
	bool is_late_result; /* the executor's word came after it had been given up as lost */
};

#define RUN_RECORD_BYTES_MAX 512u /* encoded */

const char *verdict_word(enum verdict verdict);   /* "ran-ok"; "" for NONE */
const char *run_state_word(enum run_state state); /* "claimed" "armed" "started" "lost" "released" "ended" */
bool run_state_is_final(enum run_state state);

/* True if `news` is further than `held`, so that it replaces it; keeps the earlier times that the newer lacks. */
bool run_record_merge(struct run_record *held, const struct run_record *news);

void run_record_put(struct buf *out, const struct run_record *record);
/* Reads one value from the reader; its error is sticky there. */
void run_record_get(struct wire_reader *reader, struct run_record *ret_record);

/* The verdict of a fire: job, t, manual. A stretch of equal ones is one record. */
struct verdict_record {
	struct id128 job;
	int64_t t_ms;         /* of the stretch's last fire */
	struct id128 manual;
	int64_t from_ms;      /* of the stretch's first fire; = t_ms for one */
	uint64_t fire_count;
	enum verdict verdict;
	char reason[RESULT_BYTES_MAX + 1];
	struct id128 decided_by;
	int64_t decided_ms;
};
#define VERDICT_RECORD_BYTES_MAX 320u
void verdict_record_put(struct buf *out, const struct verdict_record *record);
void verdict_record_get(struct wire_reader *reader, struct verdict_record *ret_record);

/* Store keys, big-endian so that order is meaningful. */
#define RUN_KEY_BYTES 44u
#define VERDICT_KEY_BYTES 40u
void run_key_store(const struct run_key *key, uint8_t ret_bytes[RUN_KEY_BYTES]);
/* The order of the table runs_by_time: the time's complement leads, so that the newest comes first. */
#define RUN_BY_TIME_KEY_BYTES (8u + RUN_KEY_BYTES)
void run_by_time_key_store(const struct run_key *key, uint8_t ret_bytes[RUN_BY_TIME_KEY_BYTES]);
MUST_CHECK enum err run_key_load(struct slice bytes, struct run_key *ret_key);
void verdict_key_store(struct id128 job, int64_t t_ms, struct id128 manual, uint8_t ret_bytes[VERDICT_KEY_BYTES]);

#endif
