/* A binary heap of deadlines over small integers: item i has at most one key. Memory is the caller's. */
#ifndef AGENT_CORE_HEAP_H
#define AGENT_CORE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#define HEAP_NONE INT64_MAX

struct heap {
	uint32_t *items;     /* heap order; item_max entries */
	int64_t *keys;       /* by item */
	uint32_t *positions; /* by item: place in items + 1; 0: absent */
	uint32_t count;
	uint32_t item_max;
};

/* The three arrays read as zeros. */
void heap_init(struct heap *heap, uint32_t *items, int64_t *keys, uint32_t *positions, uint32_t item_max);
/* Inserts or moves; HEAP_NONE removes. */
void heap_set(struct heap *heap, uint32_t item, int64_t key);
/* Moves it only if that is sooner. */
void heap_set_sooner(struct heap *heap, uint32_t item, int64_t key);
void heap_remove(struct heap *heap, uint32_t item);
/* The key of an item; HEAP_NONE if absent. */
int64_t heap_key(const struct heap *heap, uint32_t item);
/* The smallest key; HEAP_NONE if empty. */
int64_t heap_first_key(const struct heap *heap);
/* Takes the first item if its key is <= limit. */
bool heap_pop(struct heap *heap, int64_t limit, uint32_t *ret_item);

#endif
