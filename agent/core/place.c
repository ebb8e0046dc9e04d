/* Rendezvous order and arcs. */
#include "agent/core/place.h"

#include "proto/hash.h"

uint16_t place_arc(struct id128 job)
{
	return (uint16_t)(hash_u64((struct slice){ .data = job.bytes, .bytes = sizeof(job.bytes) }) >> (64 - ARC_BITS));
}

bool place_before(struct id128 key, struct id128 a, struct id128 b)
{
	uint64_t hash_a = hash_pair(key, a);
	uint64_t hash_b = hash_pair(key, b);
	if (hash_a != hash_b)
		return hash_a > hash_b;
	return id128_compare(a, b) < 0;
}

void place_order(struct id128 key, struct id128 *members, uint32_t count)
{
	/* Insertion: sets have at most 5 members, and executors are asked for one by one. */
	for (uint32_t i = 1; i < count; i++) {
		struct id128 moving = members[i];
		uint32_t j = i;
		while (j > 0 && place_before(key, moving, members[j - 1])) {
			members[j] = members[j - 1];
			j--;
		}
		members[j] = moving;
	}
}

int arc_set_find(const struct arc_set *set, struct id128 member)
{
	for (uint32_t i = 0; i < set->member_count; i++)
		if (id128_equal(set->members[i], member))
			return (int)i;
	return -1;
}

uint32_t arc_set_majority(const struct arc_set *set)
{
	return set->member_count / 2 + 1;
}
