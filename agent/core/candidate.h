/* Who could execute a job: order(job, set) first, then order(job, all others), over members that may take new work. */
#ifndef AGENT_CORE_CANDIDATE_H
#define AGENT_CORE_CANDIDATE_H

#include "agent/core/state.h"

/* The index-th eligible member in order; zero: there are no more. `except` (zero: nobody) is passed over. */
struct id128 candidate_at(const struct node *node, const struct job *job, uint32_t index, struct id128 except);

/* How long a candidate may be silent before the next is asked: max(50 ms, 4 round trips). */
int64_t candidate_patience_us(const struct node *node, struct id128 id);

#endif
