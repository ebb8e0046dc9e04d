/* Effects that wait for a commit: compact copies of steps' effect lists, in their order. */
#ifndef AGENT_IO_HOLD_H
#define AGENT_IO_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/core/effect.h"
#include "proto/err.h"

/* One block of memory: this, the effects, their bytes. */
struct held_step {
	struct held_step *next;
	size_t bytes;  /* of the block */
	bool has_puts; /* must not leave before the batch that is taken after it */
	uint32_t count;
	struct effect effects[];
};

struct hold {
	struct held_step *first, *last;
	size_t bytes;
};

/* Copies the list; an empty one takes no memory and is kept only if has_puts. ERR_NO_MEMORY. */
MUST_CHECK enum err hold_push(struct hold *hold, const struct effects *effects, bool has_puts);
/* The oldest step, which the caller frees; NULL: none. With is_free_only only one without puts. */
struct held_step *hold_pop(struct hold *hold, bool is_free_only);
void held_step_free(struct held_step *take_step);
/* Moves all steps of `from` to the end of `to`. */
void hold_move(struct hold *to, struct hold *from);
void hold_clear(struct hold *hold);

#endif
