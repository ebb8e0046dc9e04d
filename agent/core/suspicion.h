/* How long a member stays suspect before it counts as failed (Lifeguard, Local Health Aware Suspicion), in integers
 * only, so that every machine finds the same. */
#ifndef AGENT_CORE_SUSPICION_H
#define AGENT_CORE_SUSPICION_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/core/member_table.h"

/* T * max(4, 4 + log10(n / 10)): n = 10 4 s, 100 5 s, 1000 6 s. */
int64_t suspicion_min_us(uint32_t member_count, int64_t period_us);
/* max - (max - min) * log(c + 1) / log(k + 1), max = 6 * min, k = min(3, n - 2), 0 below four members. */
int64_t suspicion_span_us(uint32_t member_count, int64_t period_us, uint32_t confirmation_count);

void suspicion_start(struct suspicion *suspicion, int64_t now_us);
void suspicion_clear(struct suspicion *suspicion);
/* True: `observer` is a new one, or says REFUSED for the first time, and is within what counts. */
bool suspicion_add(struct suspicion *suspicion, uint64_t observer, bool is_refused);
/* Sets due_us from the observers: one period after the start once two of them (one of up to three members) were
 * refused by the subject's host, else by the span. */
void suspicion_update(struct suspicion *suspicion, uint32_t member_count, int64_t period_us);
bool suspicion_is_refused(const struct suspicion *suspicion, uint32_t member_count);

#endif
