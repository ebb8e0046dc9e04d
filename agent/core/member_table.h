/* The rows of the members: found by id, by short id, by address and by name; ordered claims; the digest that
 * anti-entropy compares; and which rows changed since the owner last asked.
 *
 *   rows   | self | a | b | c | ...          count of them; a removed row's place is taken by the last one
 *   slots  open addressing, short id -> row number + 1
 *
 * Memory is one block that is touched only as rows are used. */
#ifndef AGENT_CORE_MEMBER_TABLE_H
#define AGENT_CORE_MEMBER_TABLE_H

#include "agent/core/member.h"
#include "proto/err.h"
#include "proto/gossip.h"

/* What is claimed about a member. Merge is the maximum, evicted above all, then (boot, incarnation, rank). */
struct member_claim {
	uint64_t boot;
	uint32_t incarnation;
	enum member_rank rank;
};

/* <0, 0, >0. */
int member_claim_compare(const struct member_claim *a, const struct member_claim *b);

#define SUSPICION_OBSERVERS_MAX 4u /* the first one and K = 3 confirmations (Lifeguard) */

struct suspicion {
	int64_t start_us;
	int64_t due_us; /* when it becomes a verdict; INT64_MAX: not suspect */
	uint64_t observers[SUSPICION_OBSERVERS_MAX]; /* distinct, short ids; the last one is told on */
	uint8_t observer_count;
	uint8_t refused_bits; /* bit n: observer n had the kernel's refusal */
	bool is_last_look;    /* a last ping is on its way */
};

struct member_row {
	struct member member; /* what others may see; .rank is claim.rank but for a stored row */
	struct member_claim claim; /* what is merged and told */
	bool is_restart; /* left to come back: suspect that is not probed, failed after a while */
	bool is_stored; /* read from the snapshot as alive, nobody has confirmed it: shown as suspect */
	bool is_hashed;  /* takes part in the digest */
	bool is_unsaved; /* the snapshot's record differs */
	bool is_changed; /* the owner has not been told; with the next two as they were then */
	enum member_rank rank_before;
	uint64_t boot_before;
	uint64_t boot_previous; /* the highest boot known before the present one; 0 none */
	int64_t hint_us;        /* last probe out of turn */
	int64_t corrected_us;   /* last time that it was told what it has wrong about us */
	int64_t probed_us;      /* last probe in turn */
	int64_t sync_us;        /* last anti-entropy answer to it */
	struct suspicion suspicion;
};

struct member_table {
	struct member_row *rows;
	uint16_t *slots;
	uint32_t *name_hashes; /* beside the rows, so that a search for a name stays in few pages */
	uint32_t count;
	uint32_t rank_counts[MEMBER_EVICTED + 1]; /* by claim */
	uint32_t changed_count;
	uint32_t unsaved_count;
	uint64_t version; /* raised by every touch */
	uint64_t hash;
	uint64_t buckets[GOSSIP_BUCKETS];
};

size_t member_table_bytes(void);
/* `memory` must read as zeros. */
void member_table_init(struct member_table *table, void *memory);

/* NULL: unknown. Pointers hold until the next remove. */
struct member_row *member_table_find(const struct member_table *table, struct id128 id);
struct member_row *member_table_find_short(const struct member_table *table, uint64_t id_short);
/* The first whose claim's rank is at most rank_max and that has this address or name; `skip` (may be NULL) is passed
 * over. */
struct member_row *member_table_find_address(const struct member_table *table,
					     const struct address *address, enum member_rank rank_max,
					     const struct member_row *skip);
struct member_row *member_table_find_name(const struct member_table *table, struct slice name,
					  enum member_rank rank_max, const struct member_row *skip);
uint32_t member_table_index(const struct member_table *table, const struct member_row *row);

/* A new row, all zeros but for its id and counted as alive. ERR_FULL; ERR_EXISTS: this id, or another one with the
 * same short id. */
MUST_CHECK enum err member_table_add(struct member_table *table, struct id128 id,
				     struct member_row **ret_row);
/* Removes any row but the first; the last one moves to its place. */
void member_table_remove(struct member_table *table, struct member_row *row);

/* To be called before anything that others may see changes. */
void member_table_touch(struct member_table *table, struct member_row *row);
/* Sets the claim and what hangs on it: counts, digest, rank shown and since when. */
void member_table_set_claim(struct member_table *table, struct member_row *row,
			    const struct member_claim *claim, int64_t since_us);
void member_table_set_name(struct member_table *table, struct member_row *row, const char *name);
/* A record of the snapshot was confirmed, or a first one is only stored. */
void member_table_set_stored(struct member_table *table, struct member_row *row, bool is_stored);
/* Takes a row into the digest or out of it (tombstones age out). */
void member_table_set_hashed(struct member_table *table, struct member_row *row, bool is_hashed);
/* The next changed row, whose change is then forgotten; NULL: none. The row still holds rank_before and boot_before. */
struct member_row *member_table_next_changed(struct member_table *table);

#endif
