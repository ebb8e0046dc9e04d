/* Memory for the edges. */
#include "agent/mem.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>

static uint64_t until_failure = UINT64_MAX;

static bool is_failing(void)
{
	if (until_failure == UINT64_MAX)
		return false;
	return until_failure-- == 0;
}

void mem_fail_after(uint64_t count)
{
	until_failure = count;
}

void *mem_new(size_t count, size_t bytes)
{
	return is_failing() ? NULL : calloc(count, bytes);
}

void *mem_resize(void *memory, size_t bytes)
{
	if (bytes == 0) {
		free(memory);
		return NULL;
	}
	return is_failing() ? NULL : realloc(memory, bytes);
}

void mem_free(void *memory)
{
	free(memory);
}

void mem_give_back(void)
{
	(void)malloc_trim(0);
}
