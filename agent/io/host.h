/* What the loop gives to each edge. An edge turns a callback of libuv into an event, and an effect into a call of libuv.
 *
 * step() is for callbacks only: never from inside a function that carries out an effect, since the node may be in the
 * middle of handing effects out. What fails there is told later, from a close callback. */
#ifndef AGENT_IO_HOST_H
#define AGENT_IO_HOST_H

#include <stdint.h>
#include <uv.h>

#include "agent/core/event.h"
#include "proto/types.h"

#define HOST_READ_BYTES 16384u

struct host {
	uv_loop_t *uv;
	void *context;
	/* Hands the event to the node; sets its clocks. */
	void (*step)(void *context, struct event *event);
	struct clocks (*now)(void *context);
	/* Hash of the cluster's id, as in headers; 0 as long as it is not known. */
	uint32_t (*cluster_hash)(void *context);
	/* The boot that the node knows of a sender; 0: none. */
	uint64_t (*boot_known)(void *context, uint64_t sender_short);
	/* For one read at a time: taken in an alloc callback, used up in the read callback after it. */
	uint8_t read_buffer[HOST_READ_BYTES];
};

#endif
