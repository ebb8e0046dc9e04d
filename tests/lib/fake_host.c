/* A host for an edge under test. */
#include "tests/lib/fake_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define AWAIT_MS 5000

static struct clocks now(void *context)
{
	(void)context;
	struct timespec mono, wall;
	(void)clock_gettime(CLOCK_BOOTTIME, &mono);
	(void)clock_gettime(CLOCK_REALTIME, &wall);
	return (struct clocks){
		.mono_us = (int64_t)mono.tv_sec * 1000000 + mono.tv_nsec / 1000,
		.utc_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000,
	};
}

static void step(void *context, struct event *event)
{
	struct fake_host *fake = context;
	event->now = now(NULL);
	if (fake->event_count < FAKE_EVENTS_MAX) {
		struct fake_event *kept = &fake->events[fake->event_count++];
		kept->event = *event;
		kept->bytes = event->bytes.bytes;
		size_t bytes = kept->bytes < sizeof(kept->first) ? kept->bytes : sizeof(kept->first);
		if (bytes > 0)
			memcpy(kept->first, event->bytes.data, bytes);
		const char *text = NULL;
		if (event->type == EVENT_STREAM_DOWN)
			text = event->stream.text;
		if (event->type == EVENT_REQUEST)
			text = event->request.user;
		(void)snprintf(kept->text, sizeof(kept->text), "%s", text == NULL ? "" : text);
	}
	if (fake->on_event != NULL)
		fake->on_event(fake, event);
}

static uint32_t cluster_hash(void *context)
{
	return ((struct fake_host *)context)->cluster;
}

static uint64_t boot_known(void *context, uint64_t sender_short)
{
	(void)sender_short;
	return ((struct fake_host *)context)->boot_known;
}

void fake_host_open(struct fake_host *fake)
{
	memset(fake, 0, sizeof(*fake));
	assert_int_equal(uv_loop_init(&fake->uv), 0);
	fake->host.uv = &fake->uv;
	fake->host.context = fake;
	fake->host.step = step;
	fake->host.now = now;
	fake->host.cluster_hash = cluster_hash;
	fake->host.boot_known = boot_known;
}

void fake_host_close(struct fake_host *fake)
{
	(void)uv_run(&fake->uv, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&fake->uv), 0);
}

unsigned fake_host_count(const struct fake_host *fake, enum event_type type)
{
	unsigned count = 0;
	for (unsigned i = 0; i < fake->event_count; i++)
		count += fake->events[i].event.type == type;
	return count;
}

void fake_host_turn(struct fake_host *fake, unsigned wait_ms)
{
	struct timespec pause = {.tv_nsec = 1000000};
	for (unsigned i = 0; i <= wait_ms; i++) {
		(void)uv_run(&fake->uv, UV_RUN_NOWAIT);
		(void)nanosleep(&pause, NULL);
	}
}

const struct fake_event *fake_host_await(struct fake_host *fake, enum event_type type, unsigned count)
{
	for (unsigned i = 0; i < AWAIT_MS && fake_host_count(fake, type) < count; i++)
		fake_host_turn(fake, 0);
	assert_true(fake_host_count(fake, type) >= count);
	const struct fake_event *last = NULL;
	for (unsigned i = 0; i < fake->event_count; i++) {
		if (fake->events[i].event.type == type)
			last = &fake->events[i];
	}
	return last;
}
