/* Memory for the edges, through one door, so that a test can make the n-th request fail. */
#ifndef AGENT_MEM_H
#define AGENT_MEM_H

#include <stddef.h>
#include <stdint.h>

/* Cleared memory for count pieces; NULL: none, or count * bytes is too large. */
void *mem_new(size_t count, size_t bytes);
/* Like realloc; bytes 0 frees and returns NULL. */
void *mem_resize(void *memory, size_t bytes);
void mem_free(void *memory);
/* Free pages go back to the system, also those that something small still stands behind. */
void mem_give_back(void);

/* Tests: the request after `count` further ones fails, once. UINT64_MAX: none does. */
void mem_fail_after(uint64_t count);

#endif
