/* Order of executors for a job. */
#include "agent/core/candidate.h"

#define PATIENCE_US_MIN 50000
#define MEMBER_FLAGS_NO_WORK \
	(MEMBER_FLAG_DRAINING | MEMBER_FLAG_FENCED | MEMBER_FLAG_CLOCK_SUSPECT | MEMBER_FLAG_RUNNER_DOWN)

static bool candidate_is_eligible(const struct member *member)
{
	return member->rank == MEMBER_ALIVE && (member->meta.flags & MEMBER_FLAGS_NO_WORK) == 0 &&
	       (member->local_flags & MEMBER_FLAG_CONFLICT) == 0;
}

/* True if a stands before b: members of a set of several first, then rendezvous order. */
static bool candidate_before(const struct arc_set *set, struct id128 job, struct id128 a, struct id128 b)
{
	if (set->member_count > 1) {
		bool is_a_in = arc_set_find(set, a) >= 0;
		bool is_b_in = arc_set_find(set, b) >= 0;
		if (is_a_in != is_b_in)
			return is_a_in;
	}
	return place_before(job, a, b);
}

struct id128 candidate_at(const struct node *node, const struct job *job, uint32_t index, struct id128 except)
{
	const struct arc_set *set = node_set(node, job->arc);
	struct id128 previous = { { 0 } };
	for (uint32_t place = 0; place <= index; place++) {
		struct id128 best = { { 0 } };
		for (uint32_t i = 0; i < swim_member_count(node->swim); i++) {
			const struct member *member = swim_member_at(node->swim, i);
			if (!candidate_is_eligible(member) || id128_equal(member->id, except))
				continue;
			if (!id128_is_zero(previous) && !candidate_before(set, job->id, previous, member->id))
				continue;
			if (id128_is_zero(best) || candidate_before(set, job->id, member->id, best))
				best = member->id;
		}
		if (id128_is_zero(best))
			return best;
		previous = best;
	}
	return previous;
}

int64_t candidate_patience_us(const struct node *node, struct id128 id)
{
	const struct member *member = node_member(node, id);
	int64_t patience_us = member == NULL ? 0 : 4 * member->round_trip_us;
	return patience_us > PATIENCE_US_MIN ? patience_us : PATIENCE_US_MIN;
}
