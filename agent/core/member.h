/* The members of the cluster as this node sees them: records merged as a lattice, so that order of arrival never
 * matters. */
#ifndef AGENT_CORE_MEMBER_H
#define AGENT_CORE_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/limits.h"
#include "proto/types.h"

/* Merge is the maximum of (boot, incarnation, rank). */
enum member_rank { MEMBER_ALIVE, MEMBER_SUSPECT, MEMBER_DEAD, MEMBER_LEFT, MEMBER_EVICTED };

#define MEMBER_FLAG_DRAINING 0x01u      /* the owner's own: no new work */
#define MEMBER_FLAG_FENCED 0x02u        /* its store may not vote, or no majority is in reach */
#define MEMBER_FLAG_CLOCK_SUSPECT 0x04u
#define MEMBER_FLAG_RUNNER_DOWN 0x08u   /* it can not execute */
#define MEMBER_FLAG_UNVERIFIED 0x10u    /* local: learnt from others, not yet heard */
#define MEMBER_FLAG_CONFLICT 0x20u      /* local: its name is held by an older one */

/* A member's own facts, in its ALIVE record; changed by raising the incarnation. Live figures do not ride here. */
struct member_meta {
	uint32_t flags;
	uint32_t slots;
	uint32_t cpu_count;
	char version[16];
	char zone_version[16];
};

struct member {
	struct id128 id;
	uint64_t boot;
	uint32_t incarnation;
	enum member_rank rank;
	char name[NODE_NAME_BYTES_MAX + 1];
	struct address address;
	struct member_meta meta;
	uint32_t local_flags;
	int64_t rank_since_us;  /* boot-time clock of this node: when the rank began, as seen here */
	int64_t heard_us;       /* last proof of life seen by this node; 0 never */
	int64_t round_trip_us;  /* smoothed; 0 unknown */
	int64_t clock_offset_ms; /* its wall clock minus ours */
	bool has_clock_offset;
};

#endif
