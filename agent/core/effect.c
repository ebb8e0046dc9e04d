/* The list of what a step asks for, in memory of fixed size. */
#include "agent/core/effect.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TRACE_BYTES_MAX 512u       /* one log line */
#define EFFECTS_COUNT_RESERVE 512u /* what one part of a step may add after it has asked for room */

void effects_clear(struct effects *effects)
{
	effects->count = 0;
	effects->more = false;
	buf_clear(&effects->arena);
}

bool effects_has_room(const struct effects *effects)
{
	return effects->count + EFFECTS_COUNT_RESERVE <= EFFECTS_MAX &&
	       buf_left(&effects->arena) >= EFFECTS_ARENA_RESERVE;
}

bool effects_fits_stream(const struct effects *effects, size_t bytes, bool keeps_room)
{
	uint32_t count_reserve = keeps_room ? EFFECTS_COUNT_RESERVE : 0;
	size_t bytes_reserve = keeps_room ? EFFECTS_ARENA_RESERVE : 0;
	return effects->count + 1 + count_reserve <= EFFECTS_MAX &&
	       buf_left(&effects->arena) >= bytes + bytes_reserve;
}

static struct slice arena_copy(struct effects *effects, struct slice bytes)
{
	size_t start = effects->arena.bytes;
	if (bytes.bytes > 0)
		buf_put(&effects->arena, bytes.data, bytes.bytes);
	assert(!effects->arena.has_overflowed);
	return slice_of(effects->arena.data + start, bytes.bytes);
}

static struct effect *effects_add(struct effects *effects, enum effect_type type, struct slice bytes)
{
	assert(effects->count < EFFECTS_MAX);
	struct effect *effect = &effects->items[effects->count++];
	*effect = (struct effect){.type = type, .bytes = arena_copy(effects, bytes)};
	return effect;
}

void effects_datagram(struct effects *effects, const struct address *to, struct slice bytes)
{
	assert(bytes.bytes > 0);
	assert(bytes.bytes <= DATAGRAM_PAYLOAD_BYTES_MAX);
	effects_add(effects, EFFECT_DATAGRAM, bytes)->datagram.to = *to;
}

void effects_stream(struct effects *effects, struct id128 node, const struct address *address,
		    struct slice bytes)
{
	assert(bytes.bytes <= FRAME_BYTES_MAX);
	struct effect *effect = effects_add(effects, EFFECT_STREAM, bytes);
	effect->stream.node = node;
	effect->stream.address = *address;
}

void effects_stream_answer(struct effects *effects, uint64_t connection, struct slice bytes)
{
	assert(connection != 0);
	assert(bytes.bytes <= FRAME_BYTES_MAX);
	effects_add(effects, EFFECT_STREAM, bytes)->stream.connection = connection;
}

void effects_runner(struct effects *effects, const struct runner_order *order)
{
	struct effect *effect = effects_add(effects, EFFECT_RUNNER, slice_of(NULL, 0));
	effect->runner = *order;
	effect->runner.run_name = arena_copy(effects, order->run_name);
	effect->runner.definition = arena_copy(effects, order->definition);
	effect->runner.environment = arena_copy(effects, order->environment);
	effect->runner.by = arena_copy(effects, order->by);
}

void effects_reply(struct effects *effects, uint64_t client, struct slice bytes)
{
	assert(bytes.bytes <= FRAME_BYTES_MAX);
	effects_add(effects, EFFECT_REPLY, bytes)->reply.client = client;
}

void effects_client_close(struct effects *effects, uint64_t client)
{
	effects_add(effects, EFFECT_CLIENT_CLOSE, slice_of(NULL, 0))->reply.client = client;
}

void effects_output_read(struct effects *effects, uint64_t ticket, const struct run_key *run,
			 uint64_t offset, bool is_tail, bool follow)
{
	struct effect *effect = effects_add(effects, EFFECT_OUTPUT_READ, slice_of(NULL, 0));
	effect->output.ticket = ticket;
	effect->output.run = *run;
	effect->output.offset = offset;
	effect->output.is_tail = is_tail;
	effect->output.follow = follow;
}

void effects_output_stop(struct effects *effects, uint64_t ticket)
{
	effects_add(effects, EFFECT_OUTPUT_STOP, slice_of(NULL, 0))->output.ticket = ticket;
}

void effects_exit(struct effects *effects, int code, const char *why)
{
	effects_add(effects, EFFECT_EXIT, slice_str(why))->exit.code = code;
}

void effects_trace(struct effects *effects, enum trace_level level, const char *format, ...)
{
	char text[TRACE_BYTES_MAX];
	va_list arguments;
	va_start(arguments, format);
	int bytes = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (bytes < 0)
		return;
	/* A longer line is cut: vsnprintf has ended it within the array. */
	effects_add(effects, EFFECT_TRACE, slice_str(text))->trace.level = level;
}
