/* The inside of membership, shared by the files agent/core/swim*.c and by nobody else.
 *
 *   swim.c           the public functions, dispatch, the one deadline
 *   swim_merge.c     claims come in: merge, refutation, suspicion, verdicts
 *   swim_probe.c     pings, helpers, refusals, health
 *   swim_gossip.c    what goes out: packing, rounds
 *   swim_sync.c      anti-entropy by buckets
 *   swim_join.c      the joiner's side; swim_admit.c the other one
 *   swim_leave.c     leaving
 *   swim_clock.c     the median of the clocks
 *   swim_snapshot.c  the table MEMBERS of the store */
#ifndef AGENT_CORE_SWIM_INTERNAL_H
#define AGENT_CORE_SWIM_INTERNAL_H

#include "agent/core/effect.h"
#include "agent/core/member_table.h"
#include "agent/core/prng.h"
#include "agent/core/rumor.h"
#include "agent/core/suspicion.h"
#include "agent/core/swim.h"
#include "proto/gossip.h"

#define SECOND_US INT64_C(1000000)
#define NEVER_US INT64_MAX

/* Constants, for a LAN. */
#define SWIM_PERIOD_US SECOND_US            /* T */
#define SWIM_DIRECT_US_MIN (SECOND_US / 10) /* direct timeout: four round trips within these two */
#define SWIM_DIRECT_US_MAX (SECOND_US * 3 / 10)
#define SWIM_BUDGET_SLACK_US \
	(SECOND_US / 20) /* for a helper's answer to come back within the period */
#define SWIM_HELPERS_MAX 3u
#define SWIM_HEALTH_MAX 8u /* LHM: every wait is up to nine times as long */
#define SWIM_GOSSIP_US (SECOND_US / 5)
#define SWIM_GOSSIP_PEERS 3u
#define SWIM_PULL_US \
	(SECOND_US / 4) /* a probe that is due this soon goes out when a datagram woke us anyway */
#define SWIM_LAG_US (SECOND_US / 4) /* later than this, our own loop is at fault */
#define SWIM_ISOLATED_US (3 * SWIM_PERIOD_US)
#define SWIM_RESTART_HOLD_US (30 * SECOND_US)
#define SWIM_SYNC_US (2 * SECOND_US) /* anti-entropy that we begin */
#define SWIM_SYNC_QUIET_US \
	(10 * SECOND_US) /* ... although rumors are under way that may explain the difference */
#define SWIM_SYNC_PEER_US SECOND_US /* answers to one peer */
#define SWIM_SYNC_PACKETS_MAX 4u    /* more goes over a stream */
#define SWIM_CORRECT_US SECOND_US   /* corrections to one peer */
#define SWIM_SNAPSHOT_US (10 * SECOND_US)
#define SWIM_FAILED_PING_US (10 * SECOND_US) /* each failed member, cluster-wide */
#define SWIM_SUSPICIONS_MIN 2u               /* new ones raised by us in one period, or n / 50 */
#define SWIM_HASHED_US (3600 * SECOND_US)    /* a tombstone's part in the digest */
#define SWIM_SWEEP_US (60 * SECOND_US)       /* tombstones are looked at this often */
#define SWIM_FAILED_KEEP_US \
	(96 * 3600 * SECOND_US) /* failed: 72 h shown, then 24 h as a tombstone */
#define SWIM_LEFT_KEEP_US (48 * 3600 * SECOND_US)
#define SWIM_BOOT_AHEAD_MS \
	(24 * 3600 * INT64_C(1000)) /* a boot further ahead is a mistake or a lie */

#define SWIM_JOIN_BACKOFF_US_MIN \
	(SECOND_US / 10) /* a seed that starts beside us is there in a moment */
#define SWIM_JOIN_BACKOFF_US_MAX (30 * SECOND_US)
#define SWIM_JOIN_TIMEOUT_US (5 * SECOND_US) /* an attempt without an answer */
#define SWIM_JOIN_CLOCK_MS \
	(60 * INT64_C(1000)) /* further off than this, schedules would make no sense */
#define SWIM_BUSY_RETRY_MS 1000u
#define SWIM_ADMIT_US \
	(SECOND_US * 2 / 5) /* how long the present holder of a name or id may take to answer */
#define SWIM_ADMIT_RESEND_US (SECOND_US * 3 / 20)
#define SWIM_LEAVE_US (SECOND_US * 3 / 2)
#define SWIM_LEAVE_RESEND_US (SECOND_US / 5)

#define SWIM_MEASURE_US (30 * SECOND_US) /* round trip and clock of each peer, in a small cluster */
#define SWIM_SMALL_CLUSTER \
	16u /* up to here the longest unheard is probed next, above in shuffled order */

/* Fixed tables. */
#define SWIM_PROBES_MAX 4u       /* one in turn, the others out of turn (hints) */
#define SWIM_RELAYS_MAX 16u      /* pings on behalf of others */
#define SWIM_ATTEMPTS_MAX 3u     /* joins in parallel */
#define SWIM_ADMISSIONS_MAX 8u   /* joiners that wait for a holder's answer */
#define SWIM_LEAVE_PEERS_MAX 16u /* 3 + log2(5000) */
#define SWIM_LEAVE_ACKS 3u
#define SWIM_TEXT_BYTES 512u   /* why we were refused */
#define SWIM_CHUNK_BYTES 8192u /* records in one frame */

enum probe_phase { PROBE_IDLE, PROBE_DIRECT, PROBE_INDIRECT };

struct swim_probe {
	enum probe_phase phase;
	struct id128 target;
	struct address address;
	uint32_t seq;
	int64_t sent_us;
	int64_t sent_utc_ms;
	int64_t timer_us; /* end of the phase */
	int64_t end_us;   /* end of the period that it may take */
	uint64_t helpers[SWIM_HELPERS_MAX];
	uint8_t helper_count;
	uint8_t nack_bits;    /* bit n: helper n answered for itself */
	uint8_t refused_bits; /* bit n: helper n was refused */
	bool is_refused;      /* we were refused */
	bool is_sent_again;
};

struct swim_relay {
	bool is_active;
	bool is_nacked;
	uint32_t seq;       /* ours */
	uint32_t asked_seq; /* theirs */
	uint64_t target;
	struct address target_address;
	struct address asker;
	int64_t nack_us;
	int64_t end_us;
};

struct swim_attempt {
	bool is_active;
	struct address address;
	int64_t end_us;
};

struct swim_admission {
	bool is_active;
	bool is_sent_again;
	enum gossip_refusal reason; /* if the holder answers: NAME or DUPLICATE */
	uint64_t connection;
	uint64_t boot_before;
	struct gossip_record joiner;
	struct id128 holder;
	struct address holder_address;
	uint32_t seq;
	int64_t start_us;
};

struct swim_leave_peer {
	uint64_t id_short;
	uint32_t seq;
	struct address address;
	bool is_acked;
};

struct swim {
	struct member_table table;
	struct rumor_queue rumors;
	struct prng prng;
	const struct store_view *store;
	struct clocks now; /* of the call under way */

	struct id128 id;
	uint64_t id_short;
	uint64_t boot;
	uint64_t boot_before;
	uint64_t boot_seen_max;
	struct id128 cluster;
	struct address address;
	uint8_t birth[SWIM_BIRTH_BYTES_MAX];
	size_t birth_bytes;

	/* Probing. */
	uint32_t seq;
	uint32_t health;                           /* LHM, 0 to SWIM_HEALTH_MAX */
	struct swim_probe probes[SWIM_PROBES_MAX]; /* the first is the one in turn */
	struct swim_relay relays[SWIM_RELAYS_MAX];
	uint16_t *order; /* row numbers in the order of probing; a round is shuffled anew */
	uint32_t order_count;
	uint32_t order_next;
	int64_t probe_due_us;
	int64_t failed_ping_due_us;
	int64_t heard_us; /* last packet of anybody */
	int64_t started_us; /* nothing was due before */
	int64_t lag_us;   /* how late the last deadline was */
	int64_t suspicion_due_us;
	int64_t suspicion_window_us;
	uint32_t suspicion_count;
	bool is_isolated;
	bool is_accused; /* the packet at hand says that we are not alive */

	/* What goes out. */
	int64_t gossip_due_us;
	int64_t sync_us;
	int64_t snapshot_due_us;
	int64_t sweep_due_us;

	/* Joining. */
	struct address seeds[SEEDS_MAX];
	struct id128 seed_members[SEEDS_MAX]; /* who answered there; zero: nobody yet */
	bool seed_is_out[SEEDS_MAX];          /* ourselves, or one that refused us for good */
	uint32_t seed_count;
	uint32_t seed_next;
	struct swim_attempt attempts[SWIM_ATTEMPTS_MAX];
	struct address referrals[GOSSIP_REFERRALS_MAX];
	uint32_t referral_count;
	int64_t join_due_us;
	int64_t join_backoff_us;
	uint64_t told_connection; /* JOIN_OK came on it: its further records are no news to others */
	uint64_t join_version;    /* of the table, when it was last looked at for whom to join */
	bool is_joined;
	bool is_refused;
	struct swim_admission admissions[SWIM_ADMISSIONS_MAX];

	/* Leaving. */
	bool is_leaving;
	bool has_exited;
	struct swim_leave_peer leave_peers[SWIM_LEAVE_PEERS_MAX];
	uint32_t leave_peer_count;
	int64_t leave_end_us;
	int64_t leave_resend_us;

	/* News for the owner beside the changed rows. */
	bool tells_joined;
	bool tells_refused;
	bool tells_rolled_back;
	bool is_rolled_back;
	char refused_text[SWIM_TEXT_BYTES];
	char rolled_back_text[SWIM_TEXT_BYTES];

	int64_t *offsets; /* room to find the median in */
	int64_t clock_offset_ms;
	bool is_clock_stale;

	uint64_t table_full_count;   /* records refused: the table is full */
	uint64_t boot_refused_count; /* records refused: boot out of reach */
};

/* Where a record comes from. */
enum swim_origin {
	ORIGIN_OWNER, /* the member itself */
	ORIGIN_GOSSIP,
	ORIGIN_SYNC,
	ORIGIN_TOLD /* the table that comes with JOIN_OK: all others know it */
};

/* ---- swim.c ---- */
struct member_row *swim_self(struct swim *swim);
/* Members that count as there, this node included: alive and suspect. */
uint32_t swim_present_count(const struct swim *swim);
/* Alive or suspect, another, not away for a restart. */
bool swim_is_peer(const struct swim *swim, const struct member_row *row);
/* Random distinct peers but `skip` (may be NULL); returns how many. alive_only leaves suspects out. */
uint32_t swim_pick_peers(struct swim *swim, const struct member_row *skip, bool alive_only,
			 uint32_t count, struct member_row *ret_rows[]);
int64_t swim_min_us(int64_t a, int64_t b);

/* ---- swim_merge.c ---- */
void swim_row_to_record(const struct swim *swim, const struct member_row *row,
			struct gossip_record *ret_record);
/* The message that tells the row's claim. */
void swim_row_to_message(const struct swim *swim, const struct member_row *row,
			 struct gossip_message *ret_message);
void swim_merge_record(struct swim *swim, const struct gossip_record *record, uint64_t sender,
		       enum swim_origin origin, struct effects *effects);
void swim_merge_claim(struct swim *swim, const struct gossip_message *message, uint64_t sender,
		      struct effects *effects);
/* Our own observation: `helpers` (short ids) of which those in refused_bits were refused. */
void swim_suspect(struct swim *swim, struct member_row *row, bool is_refused,
		  const struct swim_probe *probe, struct effects *effects);
void swim_declare_dead(struct swim *swim, struct member_row *row, struct effects *effects);
/* Suspicions whose time has come. */
void swim_suspicions_run(struct swim *swim, struct effects *effects);
void swim_suspicions_extend(struct swim *swim, int64_t by_us);
void swim_heard(struct swim *swim, uint64_t sender_short, uint64_t boot);
void swim_raise_own(struct swim *swim, uint32_t incarnation, enum rumor_class class);
/* Tombstones leave the digest, then the table. */
void swim_sweep(struct swim *swim);

/* ---- swim_probe.c ---- */
void swim_probe_run(struct swim *swim, struct effects *effects); /* timers of probes and relays; the turn */
void swim_probe_turn(struct swim *swim, struct effects *effects);
void swim_probe_void(struct swim *swim);
void swim_probe_extend(struct swim *swim, int64_t by_us);
int64_t swim_probe_deadline_us(const struct swim *swim);
void swim_probe_hint(struct swim *swim, struct member_row *row, struct effects *effects);
void swim_probe_refused(struct swim *swim, const struct address *address, struct effects *effects);
void swim_probe_on_ack(struct swim *swim, const struct event *event,
		       const struct gossip_message *message, struct effects *effects);
void swim_probe_on_nack(struct swim *swim, const struct event *event,
			const struct gossip_message *message, struct effects *effects);
void swim_probe_on_wrong_id(struct swim *swim, const struct event *event,
			    const struct gossip_message *message, struct effects *effects);
void swim_probe_on_request(struct swim *swim, const struct event *event,
			   const struct gossip_message *message, struct effects *effects);
/* A ping whose answer only matters by what rides on it. */
void swim_ping(struct swim *swim, uint32_t seq, uint64_t target, const struct address *address,
	       struct member_row *row, struct effects *effects);
void swim_order_insert(struct swim *swim, uint32_t index);
/* A member has failed: the first ping to it comes at a moment of this node's own. */
void swim_failed_ping_plan(struct swim *swim);
void swim_order_shuffle(struct swim *swim);
void swim_health_add(struct swim *swim, int64_t points);
int64_t swim_direct_us(const struct swim *swim, const struct member_row *row);

/* ---- swim_gossip.c ---- */
struct swim_packet {
	struct buf buf;
	uint8_t bytes[DATAGRAM_PAYLOAD_BYTES_MAX];
};
void swim_packet_init(struct swim_packet *packet);
/* Fills what is left with what `row` (the receiver, NULL if it is unknown) should hear: first what is claimed about
 * itself, then rumors. */
void swim_packet_fill(struct swim *swim, struct swim_packet *packet, const struct member_row *row);
/* Puts our own ALIVE. */
void swim_packet_put_self(struct swim *swim, struct swim_packet *packet);
/* Sends one message and what rides with it. */
void swim_send(struct swim *swim, const struct gossip_message *message, const struct address *to,
	       const struct member_row *row, struct effects *effects);
void swim_gossip_round(struct swim *swim, struct effects *effects);
int64_t swim_gossip_deadline_us(const struct swim *swim);

/* ---- swim_sync.c ---- */
/* The peer's digest is known: asks for what differs, if it is time to. */
void swim_sync_compare(struct swim *swim, struct member_row *row, uint64_t hash,
		       struct effects *effects);
void swim_sync_ask(struct swim *swim, const struct address *to, bool is_reply, struct effects *effects);
void swim_sync_on_buckets(struct swim *swim, const struct event *event,
			  const struct gossip_message *message, struct effects *effects);
void swim_sync_on_records(struct swim *swim, struct slice records, uint32_t count, uint64_t sender,
			  enum swim_origin origin, struct effects *effects);

/* ---- swim_join.c ---- */
void swim_join_start(struct swim *swim);
void swim_join_run(struct swim *swim, struct effects *effects);
/* Sets or clears the time of the next round by what is still wanted. */
void swim_join_plan(struct swim *swim);
int64_t swim_join_deadline_us(const struct swim *swim);
void swim_join_on_ok(struct swim *swim, const struct event *event,
		     const struct gossip_message *message, struct effects *effects);
void swim_join_on_refused(struct swim *swim, const struct event *event,
			  const struct gossip_message *message, struct effects *effects);
void swim_join_on_busy(struct swim *swim, const struct event *event,
		       const struct gossip_message *message);
/* True if a join was under way to this address. */
bool swim_join_on_down(struct swim *swim, const struct event *event);
void swim_refuse_self(struct swim *swim, const char *format, ...) PRINTF_LIKE(2, 3);
void swim_roll_back(struct swim *swim, uint64_t boot_known);

/* ---- swim_admit.c ---- */
void swim_admit_on_join(struct swim *swim, const struct event *event,
			const struct gossip_message *message, struct effects *effects);
void swim_admit_refuse(uint64_t connection, enum gossip_refusal reason, struct effects *effects,
		       const char *format, ...) PRINTF_LIKE(4, 5);
enum admit_answer { ADMIT_HOLDER_ANSWERED, ADMIT_HOLDER_GONE };
/* True if the seq was that of a question about a holder. */
bool swim_admit_on_answer(struct swim *swim, uint32_t seq, uint64_t boot, enum admit_answer answer,
			  struct effects *effects);
void swim_admit_refused_by_kernel(struct swim *swim, const struct address *address,
				  struct effects *effects);
void swim_admit_run(struct swim *swim, struct effects *effects);
int64_t swim_admit_deadline_us(const struct swim *swim);

/* ---- swim_leave.c ---- */
void swim_leave_run(struct swim *swim, struct effects *effects);
void swim_leave_on_ack(struct swim *swim, uint32_t seq, struct effects *effects);
int64_t swim_leave_deadline_us(const struct swim *swim);

/* ---- swim_clock.c ---- */
/* Finds the median anew if an offset has changed. */
void swim_clock_update(struct swim *swim);

/* ---- swim_snapshot.c ---- */
void swim_snapshot_load(struct swim *swim, struct effects *effects);
void swim_snapshot_save(struct swim *swim);
void swim_snapshot_remove(struct swim *swim, struct id128 id);

#endif
