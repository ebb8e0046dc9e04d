/* What agents say to each other on streams about registers, runs, definitions and requests.
 *
 * A frame is one type byte and then a msgpack array [1, items]: 1 is the version, items an array of which each
 * entry is one item as below, so that all that one step has for one peer and one type travels together. Extra fields at the end
 * of an item are skipped. Types below 32 are membership's (gossip.h).
 *
 * Decoders borrow from the frame. After a decoder has met an error the rest of the frame is not used. */
#ifndef PROTO_MESSAGE_H
#define PROTO_MESSAGE_H

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/run_record.h"
#include "proto/types.h"
#include "proto/wire.h"

enum message_type {
	MESSAGE_VOTE = 32,     /* PREPARE and ACCEPT */
	MESSAGE_VOTED = 33,    /* their answers */
	MESSAGE_OFFER = 34,    /* proposer to executor: will you take this run? binds nobody */
	MESSAGE_OFFERED = 35,
	MESSAGE_ARM = 36,      /* a decided run: start it then; also the question about its state */
	MESSAGE_RUN = 37,      /* the executor's word on a run, to all members of the job's set */
	MESSAGE_RUN_ACK = 38,
	MESSAGE_REVOKE = 39,   /* do not start it; answered by RUN */
	MESSAGE_COPY = 40,     /* a decided definition or record */
	MESSAGE_DIGEST = 41,   /* anti-entropy: sums of the tree of copies */
	MESSAGE_KEYS = 42,     /* anti-entropy: (key, counter) of one arc */
	MESSAGE_WANT = 43,     /* send me the copy of these */
	MESSAGE_REQUEST = 44,  /* a client's request, passed on */
	MESSAGE_ANSWER = 45,   /* one frame of its answer */
	MESSAGE_WATCH = 46,    /* send me changes while this lasts */
	MESSAGE_NEWS = 47,     /* changed rows */
	MESSAGE_LAST = 47
};

enum register_kind { REGISTER_DEF = 1, REGISTER_CUR = 2, REGISTER_REC = 3 };

struct register_key {
	uint16_t arc;
	enum register_kind kind;
	struct id128 key;
};

/* A run or pass that a change adds: what a voter checks. */
struct vote_add {
	bool is_pass;
	bool is_retry;       /* attempt above 1 ... */
	bool has_word;       /* ... with the executor's own word that the one before is over */
	int64_t t_ms;        /* of the fire, or the pass's `to`; 0: not bound to the clock (manual) */
	uint64_t def_counter;
};
#define VOTE_ADDS_MAX 16u  /* runs and passes added by one change */
#define VOTE_ENDS_MAX 16u  /* end records carried by one change; more wait for the next */
#define VOTE_VERDICTS_MAX 20u

struct vote {
	bool is_accept;
	uint64_t number; /* of the request; the answer repeats it */
	struct register_key key;
	struct ballot ballot; /* its epoch is the epoch of the request */
	/* ACCEPT */
	struct slice value;
	uint64_t next_round;  /* the promise that the accept leaves: (next_round, same boot, same node) */
	uint32_t add_count;
	struct vote_add adds[VOTE_ADDS_MAX];
	struct slice ends;     /* msgpack array of run records, written with the vote */
	struct slice verdicts; /* msgpack array of verdict records, written with the vote */
};

enum vote_answer {
	VOTE_PROMISE,     /* accepted ballot and value */
	VOTE_ACK,
	VOTE_LOWER,       /* the ballot that was promised */
	VOTE_NOT_SERVING, /* not serving that epoch, or sealed: the newest epoch and set that are known */
	VOTE_OLD_DEF,     /* the definition that is newer */
	VOTE_EARLY,
	VOTE_LEASED,
	VOTE_NEED_DEF,
	VOTE_BUSY,        /* no room now: map full, outbox full */
	VOTE_ANSWER_COUNT
};

struct voted {
	uint64_t number;
	struct register_key key;
	struct ballot ballot;    /* of the question */
	enum vote_answer answer;
	struct ballot other;     /* PROMISE: accepted ballot (round 0: none); LOWER: promised; NOT_SERVING: epoch only */
	struct slice value;      /* PROMISE: accepted value; OLD_DEF: the definition's value */
	struct slice ends;       /* PROMISE: what travelled beside that value, as in the vote; who adopts it, sends them on */
	struct slice verdicts;
	uint32_t member_count;   /* NOT_SERVING */
	struct id128 members[SET_MEMBERS_MAX];
};

void vote_put(struct buf *out, const struct vote *vote);
void vote_get(struct wire_reader *reader, struct vote *ret_vote);
void voted_put(struct buf *out, const struct voted *voted);
void voted_get(struct wire_reader *reader, struct voted *ret_voted);

struct offer {
	struct run_key run;
	uint64_t def_counter;
};
enum offer_answer { OFFER_TAKE, OFFER_SATURATED, OFFER_DRAINING, OFFER_USER, OFFER_CLOCK, OFFER_RUNNER, OFFER_ANSWER_COUNT };
struct offered {
	struct run_key run;
	enum offer_answer answer;
};
void offer_put(struct buf *out, const struct offer *offer);
void offer_get(struct wire_reader *reader, struct offer *ret_offer);
void offered_put(struct buf *out, const struct offered *offered);
void offered_get(struct wire_reader *reader, struct offered *ret_offered);

struct arm {
	struct run_key run;
	uint64_t def_counter;
	int64_t start_in_us;    /* may be negative: late */
	int64_t deadline_in_us; /* past it, it is released instead */
	int64_t claimed_ms;
};
void arm_put(struct buf *out, const struct arm *arm);
void arm_get(struct wire_reader *reader, struct arm *ret_arm);

struct run_ack {
	struct run_key run;
	enum run_state state; /* what is acknowledged */
	bool is_gone;         /* the set does not have it open: the executor may drop its record */
	int64_t armed_ms;     /* of the record that is acknowledged: tells an answer from one of before a pause */
};
void run_ack_put(struct buf *out, const struct run_ack *ack);
void run_ack_get(struct wire_reader *reader, struct run_ack *ret_ack);

enum revoke_kind { REVOKE_EDIT, REVOKE_CANCEL };
struct revoke {
	struct run_key run;
	enum revoke_kind kind;
	struct slice by; /* user, for the verdict */
};
void revoke_put(struct buf *out, const struct revoke *revoke);
void revoke_get(struct wire_reader *reader, struct revoke *ret_revoke);

struct copy {
	enum register_kind kind;
	struct id128 key;
	uint64_t counter;
	struct slice value;
};
void copy_put(struct buf *out, const struct copy *copy);
void copy_get(struct wire_reader *reader, struct copy *ret_copy);

/* Level 0: the root; 1: the 64 groups; 2: the 64 leaves of one group. */
#define DIGEST_GROUPS 64u
#define DIGEST_LEAVES (ARC_COUNT / DIGEST_GROUPS)
struct digest {
	uint8_t level;
	uint16_t index;      /* of the group, at level 2 */
	bool wants_answer;   /* the receiver answers with what differs */
	uint32_t sum_count;  /* 1 or 64 */
	uint64_t sums[64][2];
};
void digest_put(struct buf *out, const struct digest *digest);
void digest_get(struct wire_reader *reader, struct digest *ret_digest);

struct copy_key {
	enum register_kind kind;
	struct id128 key;
	uint64_t counter;
};
/* KEYS: [arc, wants_answer, entries]; WANT: the entry alone. */
struct keys {
	uint16_t arc;
	bool wants_answer;
	struct slice entries; /* msgpack array of copy_key */
};
void copy_key_put(struct buf *out, const struct copy_key *key);
void copy_key_get(struct wire_reader *reader, struct copy_key *ret_key);
void keys_put(struct buf *out, const struct keys *keys);
void keys_get(struct wire_reader *reader, struct keys *ret_keys);

struct request {
	uint64_t id;          /* of the asking agent; the answer repeats it */
	struct slice verb;
	struct slice user;
	struct slice arguments; /* one msgpack map */
};
enum answer_kind { ANSWER_ROW, ANSWER_END, ANSWER_ERROR, ANSWER_PROGRESS, ANSWER_KIND_COUNT };
struct answer {
	uint64_t id;
	enum answer_kind kind;
	struct slice body; /* one msgpack map */
};
void request_put(struct buf *out, const struct request *request);
void request_get(struct wire_reader *reader, struct request *ret_request);
void answer_put(struct buf *out, const struct answer *answer);
void answer_get(struct wire_reader *reader, struct answer *ret_answer);

struct watch {
	int64_t last_ms;     /* lasts so long; 0: stop */
	bool wants_rows;     /* jobs and runs too, not only the node's own figures */
	bool wants_all;      /* the whole state first */
};
void watch_put(struct buf *out, const struct watch *watch);
void watch_get(struct wire_reader *reader, struct watch *ret_watch);

/* Begins a frame: type byte, version, and an array of item_count items, which the caller puts next. */
void message_begin(struct buf *out, enum message_type type, uint32_t item_count);
/* Opens a frame; the reader then stands at the first item. ERR_INVALID, ERR_UNSUPPORTED (version or type). */
MUST_CHECK enum err message_open(struct slice frame, enum message_type *ret_type, uint32_t *ret_item_count,
                                 struct wire_reader *ret_reader);

#endif
