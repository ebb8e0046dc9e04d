/* The inside of a batch, for the overlay that makes it and the backends that commit it. */
#ifndef AGENT_STORE_BATCH_H
#define AGENT_STORE_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/store/record.h"
#include "agent/store/store.h"

/* Each table and key occurs once, with its last value. */
struct store_batch {
	struct store_record **records;
	size_t count;
	size_t count_max;
	bool is_broken;   /* memory ran out while it was filled: no backend commits it */
	bool is_embedded; /* part of its overlay, not freed apart */
};

/* Takes a reference of its own; sets record->batch_index. ERR_NO_MEMORY: nothing was changed. */
MUST_CHECK enum err store_batch_add(struct store_batch *batch, struct store_record *record);
/* Puts `record` in the place of the one at `index`, which loses the batch's reference. */
void store_batch_replace(struct store_batch *batch, size_t index, struct store_record *record);
/* What every backend asks first: ERR_NO_MEMORY for a broken batch. */
MUST_CHECK enum err store_batch_check(const struct store_batch *batch, struct problem *problem);

#endif
