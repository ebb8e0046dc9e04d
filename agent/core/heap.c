/* Binary heap with a position for each item, so that a deadline can be moved in O(log n). */
#include "agent/core/heap.h"

#include <assert.h>
#include <stddef.h>

void heap_init(struct heap *heap, uint32_t *items, int64_t *keys, uint32_t *positions, uint32_t item_max)
{
	*heap = (struct heap){ .items = items, .keys = keys, .positions = positions, .item_max = item_max };
}

static void heap_place(struct heap *heap, uint32_t position, uint32_t item)
{
	heap->items[position] = item;
	heap->positions[item] = position + 1;
}

static void heap_sift_up(struct heap *heap, uint32_t position)
{
	uint32_t item = heap->items[position];
	while (position > 0) {
		uint32_t parent = (position - 1) / 2;
		if (heap->keys[heap->items[parent]] <= heap->keys[item])
			break;
		heap_place(heap, position, heap->items[parent]);
		position = parent;
	}
	heap_place(heap, position, item);
}

static void heap_sift_down(struct heap *heap, uint32_t position)
{
	uint32_t item = heap->items[position];
	for (;;) {
		uint32_t child = position * 2 + 1;
		if (child >= heap->count)
			break;
		if (child + 1 < heap->count &&
		    heap->keys[heap->items[child + 1]] < heap->keys[heap->items[child]])
			child++;
		if (heap->keys[item] <= heap->keys[heap->items[child]])
			break;
		heap_place(heap, position, heap->items[child]);
		position = child;
	}
	heap_place(heap, position, item);
}

void heap_set(struct heap *heap, uint32_t item, int64_t key)
{
	assert(item < heap->item_max);
	if (key == HEAP_NONE) {
		heap_remove(heap, item);
		return;
	}
	heap->keys[item] = key;
	if (heap->positions[item] == 0) {
		heap_place(heap, heap->count, item);
		heap->count++;
	}
	heap_sift_up(heap, heap->positions[item] - 1);
	heap_sift_down(heap, heap->positions[item] - 1);
}

void heap_set_sooner(struct heap *heap, uint32_t item, int64_t key)
{
	if (key < heap_key(heap, item))
		heap_set(heap, item, key);
}

void heap_remove(struct heap *heap, uint32_t item)
{
	assert(item < heap->item_max);
	if (heap->positions[item] == 0)
		return;
	uint32_t position = heap->positions[item] - 1;
	heap->positions[item] = 0;
	heap->count--;
	if (position == heap->count)
		return;
	uint32_t moved = heap->items[heap->count];
	heap_place(heap, position, moved);
	heap_sift_up(heap, position);
	heap_sift_down(heap, heap->positions[moved] - 1);
}

int64_t heap_key(const struct heap *heap, uint32_t item)
{
	return heap->positions[item] == 0 ? HEAP_NONE : heap->keys[item];
}

int64_t heap_first_key(const struct heap *heap)
{
	return heap->count == 0 ? HEAP_NONE : heap->keys[heap->items[0]];
}

bool heap_pop(struct heap *heap, int64_t limit, uint32_t *ret_item)
{
	if (heap->count == 0 || heap->keys[heap->items[0]] > limit)
		return false;
	*ret_item = heap->items[0];
	heap_remove(heap, *ret_item);
	return true;
}
