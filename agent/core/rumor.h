/* What is yet to be told: at most one rumor per subject, fewest sends first (SWIM 4.1, with the classes and the
 * feedback). Subjects are row numbers of the member table. */
#ifndef AGENT_CORE_RUMOR_H
#define AGENT_CORE_RUMOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

/* In the order of urgency. The first three may not take all of a datagram: a quarter is the last one's. */
enum rumor_class { RUMOR_REFUTE, RUMOR_SUSPECT, RUMOR_GONE, RUMOR_ALIVE };
#define RUMOR_URGENT_LAST RUMOR_GONE

struct rumor {
	uint16_t subject;
	uint8_t class;
	uint8_t sent;  /* by us */
	uint8_t heard; /* from others: each saves one of ours */
};

struct rumor_queue {
	struct rumor *rumors;
	uint16_t *places; /* subject -> place + 1 */
	uint32_t count;
};

#define RUMOR_SENDS_MIN \
	8u /* however often others tell it too: with fewer, one in a hundred rumors misses somebody */
#define RUMOR_PICK_MAX 24u /* the shortest messages that fit one datagram */

size_t rumor_queue_bytes(void);
/* `memory` must read as zeros. */
void rumor_queue_init(struct rumor_queue *queue, void *memory);

/* A newer rumor takes the place of the one about the same subject. */
void rumor_add(struct rumor_queue *queue, uint32_t subject, enum rumor_class class);
/* Another peer told the same. */
void rumor_heard(struct rumor_queue *queue, uint32_t subject, uint32_t sends_max);
/* It went out once: drops it after sends_max. */
void rumor_sent(struct rumor_queue *queue, uint32_t subject, uint32_t sends_max);
void rumor_drop(struct rumor_queue *queue, uint32_t subject);
/* The subject got another number; a rumor about `to` must not exist. */
void rumor_renumber(struct rumor_queue *queue, uint32_t from, uint32_t to);

/* The subjects to tell next, of the urgent classes or of the rest, at most RUMOR_PICK_MAX; returns how many. */
uint32_t rumor_pick(const struct rumor_queue *queue, bool is_urgent,
		    uint16_t ret_subjects[RUMOR_PICK_MAX]);

/* 4 * ceil(log10(n + 1)). */
uint32_t rumor_sends_max(uint32_t member_count);

#endif
