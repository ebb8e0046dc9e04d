/* Frames that wait until a stream is open. */
#include "agent/io/frame_queue.h"

#include <stdint.h>
#include <string.h>

#include "agent/mem.h"
#include "proto/buf.h"

struct frame_queue_item {
	struct frame_queue_item *next;
	size_t bytes;
	uint8_t data[];
};

enum err frame_queue_push(struct frame_queue *queue, struct slice frame, size_t bytes_max)
{
	if (frame.bytes > bytes_max || queue->bytes > bytes_max - frame.bytes)
		return ERR_FULL;
	struct frame_queue_item *item = mem_resize(NULL, sizeof(*item) + frame.bytes);
	if (item == NULL)
		return ERR_NO_MEMORY;
	item->next = NULL;
	item->bytes = frame.bytes;
	if (frame.bytes > 0)
		memcpy(item->data, frame.data, frame.bytes);
	if (queue->last == NULL)
		queue->first = item;
	else
		queue->last->next = item;
	queue->last = item;
	queue->bytes += frame.bytes;
	return ERR_OK;
}

struct slice frame_queue_first(const struct frame_queue *queue)
{
	if (queue->first == NULL)
		return slice_of(NULL, 0);
	return slice_of(queue->first->data, queue->first->bytes);
}

void frame_queue_pop(struct frame_queue *queue)
{
	struct frame_queue_item *item = queue->first;
	if (item == NULL)
		return;
	queue->first = item->next;
	if (queue->first == NULL)
		queue->last = NULL;
	queue->bytes -= item->bytes;
	mem_free(item);
}

void frame_queue_clear(struct frame_queue *queue)
{
	while (queue->first != NULL)
		frame_queue_pop(queue);
}
