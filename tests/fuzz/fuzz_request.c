/* Any bytes as what clients ask and what peers say of it, at a whole node with a job, a run and a watcher: nothing that
 * comes from outside ends the process, and every answer is of the form that clients read.
 *
 * The first byte of the input chooses: 0, the rest is a client's frame; 1, a client's verb (up to a zero byte) and its
 * arguments; 2, the same as another agent passes it on; otherwise a peer's frame, its type from REQUEST on by that byte. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/state.h"
#include "tests/lib/node_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

#define FUZZ_BYTES_MAX 65536u
#define INPUTS_PER_WORLD \
	2000u /* then a new one, so that what was changed does not add up for ever */

static struct world *world;
static uint32_t input_count;
static uint8_t memory[FUZZ_BYTES_MAX + 1024];

static void open_world(void)
{
	uint8_t bytes[64];
	struct buf arguments;
	world = world_open(2, 1);
	world_put_job(world, 0, "default/tick", "* * * * * *");
	world_put_job(world, 0, "web/tock", "@manual");
	world_set_run(world, 10000, 3);
	buf_init(&arguments, bytes, sizeof(bytes));
	struct wire_map map = wire_map_begin(&arguments);
	wire_map_text(&map, &arguments, "name", "web/tock");
	wire_map_text(&map, &arguments, "id", "x");
	wire_map_end(&map, &arguments);
	(void)world_call(world, 0, "run", buf_slice(&arguments), NULL);
	world_advance_ms(world, 3000);
	(void)world_ask(world, 0, 7, "watch", (struct slice){0});
	(void)world_ask(world, 1, 7, "watch", (struct slice){0});
	world_advance_ms(world, 1000);
}

/* [1, 1, verb, arguments], or a frame with one request. */
static void ask(bool is_passed_on, const uint8_t *bytes, size_t bytes_count)
{
	const uint8_t *zero = memchr(bytes, 0, bytes_count);
	size_t verb_bytes = zero == NULL ? bytes_count : (size_t)(zero - bytes);
	struct slice arguments = slice_of(bytes + verb_bytes, bytes_count - verb_bytes);
	struct buf frame;
	if (arguments.bytes > 0)
		arguments = slice_of(arguments.data + 1, arguments.bytes - 1);
	buf_init(&frame, memory, sizeof(memory));
	if (is_passed_on) {
		message_begin(&frame, MESSAGE_REQUEST, 1);
		wire_put_array(&frame, 4);
		wire_put_u64(&frame, 1);
		wire_put_str(&frame, bytes, verb_bytes);
		wire_put_text(&frame, "ann");
	} else {
		wire_put_array(&frame, 4);
		wire_put_u64(&frame, 1);
		wire_put_u64(&frame, 1);
		wire_put_str(&frame, bytes, verb_bytes);
	}
	wire_put_raw(&frame, arguments);
	if (frame.has_overflowed)
		return;
	if (is_passed_on)
		world_frame(world, 1, 0, buf_slice(&frame));
	else
		world_ask_raw(world, 0, 5, buf_slice(&frame));
}

static void say(uint8_t choice, const uint8_t *bytes, size_t bytes_count)
{
	static const enum message_type types[] = {MESSAGE_REQUEST, MESSAGE_ANSWER, MESSAGE_WATCH,
						  MESSAGE_NEWS,    MESSAGE_DIGEST, MESSAGE_KEYS,
						  MESSAGE_WANT,    MESSAGE_COPY};
	struct buf frame;
	buf_init(&frame, memory, sizeof(memory));
	buf_put_u8(&frame, (uint8_t)types[choice % (sizeof(types) / sizeof(types[0]))]);
	if (bytes_count > 0)
		buf_put(&frame, bytes, bytes_count);
	/* To the agent whose watcher it feeds, and to the one that votes. */
	world_frame(world, 0, 1, buf_slice(&frame));
	world_frame(world, 1, 0, buf_slice(&frame));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
	if (bytes_count == 0 || bytes_count > FUZZ_BYTES_MAX)
		return 0;
	if (world == NULL)
		open_world();
	if (bytes[0] == 0)
		world_ask_raw(world, 0, 5, slice_of(bytes + 1, bytes_count - 1));
	else if (bytes[0] <= 2)
		ask(bytes[0] == 2, bytes + 1, bytes_count - 1);
	else
		say((uint8_t)(bytes[0] - 3), bytes + 1, bytes_count - 1);
	world_advance_ms(world, 5);
	world_client_gone(world, 0, 5);
	world_forget_replies(world);
	if (++input_count % INPUTS_PER_WORLD == 0) {
		world_close(world);
		world = NULL;
	}
	return 0;
}
