/* What this agent has heard of each sender of datagrams in its present boot: the key that opens them, and which
 * counters were taken. Only what was opened makes an entry, so nobody without the key can fill the table. */
#ifndef AGENT_IO_SENDERS_H
#define AGENT_IO_SENDERS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "proto/seal.h"
#include "proto/types.h"

/* Twice the members: each may come back under a new node id while its old one is still remembered. */
#define SENDERS_MAX (2u * MEMBERS_MAX)

struct sender {
	uint64_t sender_short;
	uint64_t boot; /* 0: a free place; boots are times in ms, never 0 */
	uint64_t used; /* number of its last packet, for choosing what to forget */
	struct seal_window window;
	struct seal_subkey subkey;
	uint16_t key_id;
};

/* Open addressing; grows as senders come. */
struct senders {
	struct sender *places;
	uint32_t place_count; /* a power of 2, or 0 */
	uint32_t count;
	uint64_t used_last;
};

void senders_close(struct senders *senders);

enum senders_verdict {
	SENDERS_FRESH, /* new: may be handed on */
	SENDERS_REPLAYED,
	SENDERS_OLD_BOOT,
	SENDERS_NO_MEMORY
};

/* The key to open a packet of this sender with: from the table, or derived from `master` into `scratch`. */
const struct seal_subkey *senders_subkey(const struct senders *senders,
					 const struct seal_master *master, uint64_t sender_short,
					 uint64_t boot, struct seal_subkey *scratch);
/* Older than what was heard of this sender? Before any work on a packet is done. */
bool senders_is_old(const struct senders *senders, uint64_t sender_short, uint64_t boot);
/* After seal_open has succeeded: takes the counter. A newer boot takes the place of the older one. With
 * SENDERS_MAX places taken, the sender not heard for longest is forgotten. */
enum senders_verdict senders_take(struct senders *senders, const struct seal_subkey *subkey,
				  uint16_t key_id, uint64_t sender_short, uint64_t boot,
				  uint64_t counter);

#endif
