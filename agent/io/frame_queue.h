/* Frames that wait until a stream is open. */
#ifndef AGENT_IO_FRAME_QUEUE_H
#define AGENT_IO_FRAME_QUEUE_H

#include <stddef.h>

#include "proto/err.h"
#include "proto/types.h"

struct frame_queue_item;

/* Zeroed: empty. */
struct frame_queue {
	struct frame_queue_item *first, *last;
	size_t bytes;
};

/* Copies. ERR_FULL: more than bytes_max would wait; ERR_NO_MEMORY. */
MUST_CHECK enum err frame_queue_push(struct frame_queue *queue, struct slice frame, size_t bytes_max);
/* The oldest, valid until the next pop or clear; data NULL: none. */
struct slice frame_queue_first(const struct frame_queue *queue);
/* Drops the oldest, if there is one. */
void frame_queue_pop(struct frame_queue *queue);
void frame_queue_clear(struct frame_queue *queue);

#endif
