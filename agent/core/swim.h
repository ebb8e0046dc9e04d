/* Membership: SWIM with Lifeguard (DSN 2002; arXiv 1707.00788). It only suggests: who is
 * alive decides where work is offered and who steps in, never who may vote.
 *
 * Every function may add effects and may put the member snapshot into the store. The owner (node.c) drains the changes
 * with swim_next_change after each call. Row 0 of the table is this node itself. */
#ifndef AGENT_CORE_SWIM_H
#define AGENT_CORE_SWIM_H

#include "agent/core/effect.h"
#include "agent/core/event.h"
#include "agent/core/member.h"
#include "agent/core/node.h"
#include "proto/store_view.h"

struct swim;

size_t swim_bytes(void);
/* `birth` is what JOIN_OK hands to a joiner beside the member table (opaque here, copied, <= SWIM_BIRTH_BYTES_MAX); set it
 * again with swim_set_birth when it becomes known. */
#define SWIM_BIRTH_BYTES_MAX 256u
struct swim *swim_init(void *memory, const struct node_config *config, const struct store_view *store);
void swim_set_birth(struct swim *swim, struct slice birth);

/* Reads the snapshot, begins to join by seeds and snapshot, for ever, with back-off (1 s to 30 s, jitter). */
void swim_start(struct swim *swim, struct clocks now, struct effects *effects);
void swim_on_datagram(struct swim *swim, const struct event *event, struct effects *effects);
/* Every frame of a peer is shown to it first, as proof of life. True if the frame's type is one of membership's (14 to 18):
 * then it was dealt with. */
bool swim_on_stream(struct swim *swim, const struct event *event, struct effects *effects);
void swim_on_stream_down(struct swim *swim, const struct event *event, struct effects *effects);
void swim_on_deadline(struct swim *swim, struct clocks now, struct effects *effects);
int64_t swim_next_deadline_us(const struct swim *swim);
/* Leaves: drain flag, LEFT to a few, then EFFECT_EXIT code 0 within 1.5 s. */
void swim_leave(struct swim *swim, struct clocks now, bool is_restart, struct effects *effects);
/* The owner's facts changed: raises the incarnation and gossips, if they differ. */
void swim_set_meta(struct swim *swim, struct clocks now, const struct member_meta *meta);
/* Somebody else noticed that this member may be gone (a refused stream): probe it now. A hint, never a verdict. */
void swim_hint(struct swim *swim, struct clocks now, struct id128 id, struct effects *effects);

enum swim_change_type {
	SWIM_CHANGE_MEMBER, /* a record changed: rank, address, boot or meta */
	SWIM_CHANGE_JOINED, /* JOIN_OK: swim_cluster and swim_birth are known; the cluster id is to be kept */
	SWIM_CHANGE_REFUSED, /* refused for good: text says why (cluster, name, evicted, version, clock, duplicate node id, rolled back) */
	SWIM_CHANGE_ROLLED_BACK /* peers remember a higher boot than was on disk: this store must not vote */
};
struct swim_change {
	enum swim_change_type type;
	struct id128 id;
	enum member_rank rank_before;
	uint64_t boot_before; /* 0: the member is new */
	const char *text;
};
bool swim_next_change(struct swim *swim, struct swim_change *ret_change);

struct id128 swim_cluster(const struct swim *swim);
struct slice swim_birth(const struct swim *swim);
bool swim_is_isolated(const struct swim *swim);

uint32_t swim_member_count(const struct swim *swim); /* all that are known, this node included */
const struct member *swim_member_at(const struct swim *swim, uint32_t index);
const struct member *swim_member_find(const struct swim *swim, struct id128 id); /* NULL: unknown */
const struct member *swim_member_find_name(const struct swim *swim, struct slice name);
const struct member *swim_member_find_short(const struct swim *swim, uint64_t id_short);
uint32_t swim_alive_count(const struct swim *swim);
/* Median of the clock offsets of all members, itself as 0; of two the nearer to 0. */
int64_t swim_clock_offset_ms(const struct swim *swim);

#endif
