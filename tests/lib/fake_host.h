/* A host for an edge under test: events are kept instead of being handed to a node. */
#ifndef TESTS_LIB_FAKE_HOST_H
#define TESTS_LIB_FAKE_HOST_H

#include <stdbool.h>
#include <uv.h>

#include "agent/core/event.h"
#include "agent/io/host.h"

#define FAKE_EVENTS_MAX 512u
#define FAKE_TEXT_BYTES 200u

struct fake_event {
	struct event event; /* its slices are gone; bytes_copy has the first of them */
	uint8_t first[64];
	size_t bytes;
	char text[FAKE_TEXT_BYTES]; /* STREAM_DOWN: why; REQUEST: user */
};

struct fake_host {
	uv_loop_t uv;
	struct host host;
	uint32_t cluster;
	uint64_t boot_known;
	struct fake_event events[FAKE_EVENTS_MAX];
	unsigned event_count;
	/* Called in each step after the event was kept; may be NULL. */
	void (*on_event)(struct fake_host *fake, const struct event *event);
	void *context;
};

void fake_host_open(struct fake_host *fake);
/* Runs the loop dry and demands that nothing is left open in it. */
void fake_host_close(struct fake_host *fake);
/* Turns the loop until there are `count` events of the type, at most 5 s; fails the test then. Returns the last
 * of them. */
const struct fake_event *fake_host_await(struct fake_host *fake, enum event_type type, unsigned count);
unsigned fake_host_count(const struct fake_host *fake, enum event_type type);
/* Turns the loop for about so long. */
void fake_host_turn(struct fake_host *fake, unsigned wait_ms);

#endif
