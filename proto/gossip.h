/* Membership's messages: bytes to structs and back, nothing else.
 *
 * A datagram's payload is a run of messages, each: type u8, length u16, a msgpack array of that length. Fields are
 * positional; items after the known ones are for later versions and are skipped, and so is a message of an unknown type.
 *
 * A stream frame is: type u8, then a msgpack array whose first item is GOSSIP_VERSION. */
#ifndef PROTO_GOSSIP_H
#define PROTO_GOSSIP_H

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/types.h"

#define GOSSIP_VERSION 1u

enum gossip_type {
	GOSSIP_PING = 1,
	GOSSIP_ACK = 2,
	GOSSIP_PING_REQ = 3,
	GOSSIP_NACK = 4,
	GOSSIP_WRONG_ID = 5,
	GOSSIP_ALIVE = 6,
	GOSSIP_SUSPECT = 7,
	GOSSIP_DEAD = 8,
	GOSSIP_LEFT = 9,
	GOSSIP_EVICT = 10,
	/* 11 EVENT and 12 SYNC_HASH are kept free: hashes ride in PING and ACK. */
	GOSSIP_SYNC_BUCKETS = 13,
	GOSSIP_SYNC_RECORDS = 14, /* datagram or stream */
	GOSSIP_JOIN = 15,         /* from here on streams only */
	GOSSIP_JOIN_OK = 16,
	GOSSIP_REFUSED = 17,
	GOSSIP_BUSY = 18
};

enum gossip_nack { GOSSIP_NACK_TIMEOUT, GOSSIP_NACK_REFUSED, GOSSIP_NACK_BUSY };
enum gossip_evidence { GOSSIP_EVIDENCE_TIMEOUT, GOSSIP_EVIDENCE_REFUSED };

/* Why a joiner may not come in; the numbers are on the wire. */
enum gossip_refusal {
	GOSSIP_REFUSAL_CLUSTER,
	GOSSIP_REFUSAL_VERSION,
	GOSSIP_REFUSAL_NAME,
	GOSSIP_REFUSAL_EVICTED,
	GOSSIP_REFUSAL_CLOCK,
	GOSSIP_REFUSAL_DUPLICATE, /* this node id answers at another address */
	GOSSIP_REFUSAL_FULL,
	GOSSIP_REFUSAL_SELF, /* the joiner has dialled itself */
	GOSSIP_REFUSAL_COUNT
};

#define GOSSIP_VERSION_TEXT_BYTES 16u /* of the program and of tzdata, NUL included */
#define GOSSIP_BUCKETS 256u           /* of the table's digest */
#define GOSSIP_BIRTH_BYTES_MAX 256u   /* opaque to membership */
#define GOSSIP_REFERRALS_MAX 8u       /* other members that BUSY names */

/* All that is told about one member. rank: 0 alive, 1 suspect, 2 dead, 3 left, 4 evicted. */
struct gossip_record {
	struct id128 id;
	uint64_t boot;
	uint32_t incarnation;
	uint8_t rank;
	bool is_restart;                    /* left, to come back at once */
	uint32_t age_s;                     /* since the rank began, as the teller knows it */
	char name[NODE_NAME_BYTES_MAX + 1]; /* empty: a tombstone of a member never met */
	struct address address;             /* family 0 only with an empty name */
	uint32_t flags;
	uint32_t slots;
	uint32_t cpu_count;
	char version[GOSSIP_VERSION_TEXT_BYTES];
	char zone_version[GOSSIP_VERSION_TEXT_BYTES];
};

struct gossip_message {
	enum gossip_type type;
	union {
		struct {
			uint32_t seq;
			uint64_t target; /* short id */
			uint64_t boot;   /* the sender's, and its incarnation and table */
			uint32_t incarnation;
			uint64_t table_hash;
		} ping;
		struct {
			uint32_t seq;
			uint64_t boot; /* of who was pinged; a helper passes them on */
			uint32_t incarnation;
			uint64_t table_hash;
			int64_t utc_ms;
			uint16_t lag_ms; /* how late its loop was last */
		} ack;
		struct {
			uint32_t seq;
			uint64_t target;
			struct address address;
			uint16_t budget_ms;
		} ping_req;
		struct {
			uint32_t seq;
			enum gossip_nack reason;
		} nack;
		struct {
			uint32_t seq;
			struct id128 id;
			uint64_t boot;
		} wrong_id;
		/* SUSPECT, DEAD, LEFT, EVICT */
		struct {
			struct id128 id;
			uint64_t boot;
			uint32_t incarnation;
			uint64_t from;                 /* SUSPECT, DEAD: short id of who says so */
			enum gossip_evidence evidence; /* SUSPECT */
			bool is_restart;               /* LEFT */
			uint64_t counter;              /* EVICT: of the decided record */
		} claim;
		struct gossip_record alive; /* rank and age are not told: alive, new */
		struct {
			bool is_reply; /* do not answer with buckets of your own */
			uint32_t buckets[GOSSIP_BUCKETS];
		} sync_buckets;
		struct {
			uint32_t record_count;
			struct slice records; /* encoded one after the other; borrowed */
		} sync_records;
		struct {
			struct id128 cluster; /* zero: not known yet */
			uint64_t boot_before; /* what was on its disk before this start */
			int64_t utc_ms;
			struct gossip_record record;
		} join;
		struct {
			struct id128 cluster;
			uint64_t boot_known; /* the highest boot that was known of the joiner before this one; 0 none */
			struct slice birth; /* <= GOSSIP_BIRTH_BYTES_MAX; borrowed */
			uint32_t record_count;
			struct slice records;
		} join_ok;
		struct {
			enum gossip_refusal reason;
			char text[REASON_BYTES_MAX + 1]; /* for people */
		} refused;
		struct {
			uint32_t retry_ms;
			uint32_t address_count;
			struct address addresses[GOSSIP_REFERRALS_MAX];
		} busy;
	};
};

/* Appends one message in the form of datagrams; types up to SYNC_RECORDS. */
void gossip_message_put(struct buf *out, const struct gossip_message *message);
/* Takes the first message off `rest` (not empty). Slices of ret_message are borrowed from it.
 * ERR_UNSUPPORTED: unknown type, skipped: go on. Anything else: the rest is not to be read. */
MUST_CHECK enum err gossip_message_get(struct slice *rest, struct gossip_message *ret_message);

/* The form of streams: SYNC_RECORDS, JOIN, JOIN_OK, REFUSED, BUSY. */
void gossip_frame_put(struct buf *out, const struct gossip_message *message);
/* ERR_UNSUPPORTED: another type, or another version (ret_message->type is set then). */
MUST_CHECK enum err gossip_frame_get(struct slice frame, struct gossip_message *ret_message);

#define GOSSIP_RECORD_BYTES_MAX 224u
void gossip_record_put(struct buf *out, const struct gossip_record *record);
/* One record off the front of `records`. */
MUST_CHECK enum err gossip_record_get(struct slice *records, struct gossip_record *ret_record);

/* The word for a refusal: "name taken". Never NULL. */
const char *gossip_refusal_text(enum gossip_refusal reason);

#endif
