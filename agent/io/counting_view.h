/* A store's view that counts what is put, so that the loop knows whether a step has something to commit. */
#ifndef AGENT_IO_COUNTING_VIEW_H
#define AGENT_IO_COUNTING_VIEW_H

#include <stdint.h>

#include "proto/store_view.h"

struct counting_view {
	const struct store_view *inner;
	struct store_view outer; /* what the node is handed */
	uint64_t put_count;      /* puts and removals, ever */
};

/* Borrows `inner`. The view must not move afterwards. */
void counting_view_init(struct counting_view *view, const struct store_view *inner);

#endif
