/* Placement: arcs of the hash ring and the order of members for a key. Pure functions of ids, so
 * that every agent computes the same; rendezvous hashing moves the least when members come and go. */
#ifndef AGENT_CORE_PLACE_H
#define AGENT_CORE_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/limits.h"
#include "proto/types.h"

/* The top 12 bits of XXH3-64 of the job id. */
uint16_t place_arc(struct id128 job);

/* Sorts members into order(key, members): highest hash of (key, member) first; equal hashes by id. */
void place_order(struct id128 key, struct id128 *members, uint32_t count);
/* True if a comes before b in order(key, ...). */
bool place_before(struct id128 key, struct id128 a, struct id128 b);

/* The set that votes on an arc in an epoch. */
struct arc_set {
	struct epoch epoch;
	uint32_t member_count;
	struct id128 members[SET_MEMBERS_MAX];
};
/* Index in the set, or -1. */
int arc_set_find(const struct arc_set *set, struct id128 member);
uint32_t arc_set_majority(const struct arc_set *set);

#endif
