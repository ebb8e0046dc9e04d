/* Whole nodes in one process; see the header. */
#include "tests/lib/node_world.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/core/effect.h"
#include "proto/hash.h"
#include "proto/text.h"

#define JOBS_MAX 4096u
#define DELAY_US 200
#define REPLIES_MAX 65536u

struct pending {
	int64_t at_us;
	uint64_t number;
	uint32_t to;
	struct event event;
	uint8_t *bytes;
	struct pending *next;
};

struct host {
	bool is_up;
	bool is_cut;
	struct node_config config;
	size_t memory_bytes;
	void *memory;
	struct node *node;
	struct effects effects;
	struct store_backend *backend;
	struct store_overlay *overlay;
};

struct world {
	struct host hosts[WORLD_NODES_MAX];
	uint32_t host_count;
	int64_t now_us;
	uint64_t number;
	uint64_t frame_count;
	struct pending *pending; /* in order */
	struct zone zone;
	struct zone_source zones;
	int64_t run_ms;
	int exit_code;
	uint32_t line_count;
	uint64_t sequence;
	struct reply *replies;
	uint32_t reply_count;
};

static const struct zone *find_zone(void *context, struct slice name)
{
	struct world *world = context;
	return slice_equal(name, slice_str("UTC")) ? &world->zone : NULL;
}

static struct clocks clocks_of(const struct world *world)
{
	return (struct clocks){.utc_ms = world_utc_ms(world), .mono_us = world->now_us};
}

int64_t world_utc_ms(const struct world *world)
{
	return WORLD_UTC_START_MS + world->now_us / 1000;
}

static void *copy_bytes(struct slice bytes)
{
	uint8_t *copy = malloc(bytes.bytes + 1);
	assert(copy != NULL);
	if (bytes.bytes > 0)
		memcpy(copy, bytes.data, bytes.bytes);
	return copy;
}

static void push(struct world *world, uint32_t to, int64_t at_us, const struct event *event)
{
	struct pending *pending = malloc(sizeof(*pending));
	assert(pending != NULL);
	*pending = (struct pending){.at_us = at_us, .number = ++world->number, .to = to, .event = *event};
	pending->bytes = copy_bytes(event->bytes);
	pending->event.bytes.data = pending->bytes;
	struct pending **link = &world->pending;
	while (*link != NULL && (*link)->at_us <= at_us)
		link = &(*link)->next;
	pending->next = *link;
	*link = pending;
}

/* ---- effects ---- */

static uint32_t host_by_address(const struct world *world, const struct address *address)
{
	for (uint32_t i = 0; i < world->host_count; i++)
		if (address_equal(&world->hosts[i].config.address, address))
			return i;
	return UINT32_MAX;
}

static uint32_t host_by_id(const struct world *world, struct id128 id)
{
	for (uint32_t i = 0; i < world->host_count; i++)
		if (id128_equal(world->hosts[i].config.id, id))
			return i;
	return UINT32_MAX;
}

static bool can_hear(const struct world *world, uint32_t from, uint32_t to)
{
	return to < world->host_count && world->hosts[to].is_up && !world->hosts[to].is_cut &&
	       !world->hosts[from].is_cut;
}

static void send_datagram(struct world *world, uint32_t from, const struct effect *effect)
{
	uint32_t to = host_by_address(world, &effect->datagram.to);
	const struct node_config *config = &world->hosts[from].config;
	struct event event = {.type = EVENT_DATAGRAM, .bytes = effect->bytes};
	event.datagram.sender_short = id128_short(config->id);
	event.datagram.boot = config->boot;
	event.datagram.from = config->address;
	if (can_hear(world, from, to))
		push(world, to, world->now_us + DELAY_US, &event);
}

static void send_stream(struct world *world, uint32_t from, const struct effect *effect)
{
	const struct node_config *config = &world->hosts[from].config;
	uint32_t to = host_by_address(world, &effect->stream.address);
	if (effect->stream.connection != 0)
		to = (uint32_t)effect->stream.connection - 1;
	else if (!id128_is_zero(effect->stream.node))
		to = host_by_id(world, effect->stream.node);
	struct event event = {.type = EVENT_STREAM, .bytes = effect->bytes};
	event.stream.node = config->id;
	event.stream.boot = config->boot;
	event.stream.connection = from + 1;
	event.stream.from = config->address;
	world->frame_count++;
	if (can_hear(world, from, to)) {
		push(world, to, world->now_us + DELAY_US, &event);
		return;
	}
	struct event down = {.type = EVENT_STREAM_DOWN};
	down.stream.node = effect->stream.node;
	down.stream.from = effect->stream.address;
	down.stream.is_refused = to < world->host_count && !world->hosts[to].is_up;
	down.stream.text = "refused";
	push(world, from, world->now_us + DELAY_US, &down);
}

static void report(struct world *world, uint32_t host, int64_t at_us, const struct runner_report *report)
{
	struct event event = {.type = EVENT_RUNNER, .runner = *report};
	push(world, host, at_us, &event);
}

/* Reports of a run's end that have not come yet do not come any more. */
static void drop_reports(struct world *world, uint32_t host, const struct run_key *run)
{
	for (struct pending **link = &world->pending; *link != NULL;) {
		struct pending *pending = *link;
		if (pending->to != host || pending->event.type != EVENT_RUNNER ||
		    pending->event.runner.type != RUNNER_ENDED ||
		    !run_key_equal(&pending->event.runner.run, run)) {
			link = &pending->next;
			continue;
		}
		*link = pending->next;
		free(pending->bytes);
		free(pending);
	}
}

static void obey(struct world *world, uint32_t host, const struct runner_order *order)
{
	int64_t start_us = order->start_mono_us > world->now_us ? order->start_mono_us : world->now_us;
	struct runner_report news = {.run = order->run, .pid = 4711, .exit_code = -1};
	news.usage.rss_bytes_max = -1;
	switch (order->type) {
	case RUNNER_PREPARE:
		news.type = RUNNER_STARTED;
		news.started_mono_us = start_us;
		news.started_utc_ms = WORLD_UTC_START_MS + start_us / 1000;
		news.lateness_us = start_us - order->start_mono_us;
		report(world, host, start_us, &news);
		news.type = RUNNER_ENDED;
		news.exit_code = world->exit_code;
		news.duration_us = world->run_ms * 1000;
		news.ended_utc_ms = news.started_utc_ms + world->run_ms;
		report(world, host, start_us + world->run_ms * 1000, &news);
		break;
	case RUNNER_KILL:
		drop_reports(world, host, &order->run);
		news.type = RUNNER_ENDED;
		news.cause = RUNNER_CAUSE_KILLED;
		news.cause_text = slice_str("KILL by somebody");
		news.signal = 9;
		news.processes_left = 0;
		news.started_utc_ms = world_utc_ms(world);
		news.ended_utc_ms = world_utc_ms(world) + 100;
		report(world, host, world->now_us + 100000, &news);
		break;
	case RUNNER_ASK:
	case RUNNER_FORGET:
	case RUNNER_REVOKE:
		break;
	}
}

static void read_output(struct world *world, uint32_t host, const struct effect *effect)
{
	uint8_t *memory = malloc(1 << 20);
	assert(memory != NULL);
	struct buf lines;
	buf_init(&lines, memory, 1 << 20);
	wire_put_array(&lines, world->line_count);
	for (uint32_t i = 0; i < world->line_count; i++) {
		char text[TEXT_NUMBER_BYTES];
		text_format_i64(i, text);
		wire_put_array(&lines, 3);
		wire_put_i64(&lines, world_utc_ms(world));
		wire_put_text(&lines, "o");
		wire_put_bin(&lines, text, strlen(text));
	}
	struct event event = {.type = EVENT_OUTPUT, .bytes = buf_slice(&lines)};
	event.output.ticket = effect->output.ticket;
	event.output.offset = 1000;
	event.output.end.is_end = true;
	event.output.end.is_final = true;
	push(world, host, world->now_us + DELAY_US, &event);
	free(memory);
}

static void keep_reply(struct world *world, uint32_t host, const struct effect *effect)
{
	uint8_t *bytes = copy_bytes(effect->bytes);
	struct wire_reader reader;
	wire_reader_init(&reader, slice_of(bytes, effect->bytes.bytes));
	uint32_t count = wire_get_array(&reader, 4);
	uint64_t version = wire_get_u64(&reader);
	assert(count == 4);
	assert(version == 1);
	assert(world->reply_count < REPLIES_MAX);
	struct reply *reply = &world->replies[world->reply_count++];
	reply->node = host;
	reply->client = effect->reply.client;
	reply->sequence = wire_get_u64(&reader);
	reply->kind = (enum reply_kind)wire_get_u64_max(&reader, REPLY_PROGRESS);
	assert(wire_peek(&reader) == WIRE_MAP);
	struct slice body = wire_get_raw(&reader);
	assert(wire_reader_end(&reader) == ERR_OK);
	reply->body = slice_of(copy_bytes(body), body.bytes);
	free(bytes);
}

static void apply(struct world *world, uint32_t host, const struct effect *effect)
{
	switch (effect->type) {
	case EFFECT_DATAGRAM:
		send_datagram(world, host, effect);
		break;
	case EFFECT_STREAM:
		send_stream(world, host, effect);
		break;
	case EFFECT_RUNNER:
		obey(world, host, &effect->runner);
		break;
	case EFFECT_REPLY:
		keep_reply(world, host, effect);
		break;
	case EFFECT_OUTPUT_READ:
		read_output(world, host, effect);
		break;
	case EFFECT_EXIT:
		(void)fprintf(stderr, "node %u exits: %.*s\n", host, (int)effect->bytes.bytes,
			      (const char *)effect->bytes.data);
		abort();
		break;
	case EFFECT_CLIENT_CLOSE:
	case EFFECT_OUTPUT_STOP:
	case EFFECT_OUTPUT_DROP:
	case EFFECT_TRACE:
		break;
	}
}

/* ---- steps ---- */

static void commit(struct host *host)
{
	struct problem problem;
	struct store_batch *batch = store_overlay_take(host->overlay);
	if (batch == NULL)
		return;
	enum err err = host->backend->commit(host->backend->context, batch, &problem);
	assert(err == ERR_OK);
	store_overlay_committed(host->overlay, batch);
	store_batch_free(batch);
}

static void step(struct world *world, uint32_t index, struct event *event)
{
	struct host *host = &world->hosts[index];
	if (!host->is_up)
		return;
	event->now = clocks_of(world);
	node_step(host->node, event, &host->effects);
	for (;;) {
		commit(host);
		for (uint32_t i = 0; i < host->effects.count; i++)
			apply(world, index, &host->effects.items[i]);
		if (!host->effects.more)
			return;
		struct event more = {.type = EVENT_CONTINUE, .now = event->now};
		node_step(host->node, &more, &host->effects);
	}
}

/* True if something was done that is due by `limit_us`. */
static bool do_next(struct world *world, int64_t limit_us)
{
	int64_t at_us = world->pending == NULL ? INT64_MAX : world->pending->at_us;
	uint32_t woken = UINT32_MAX;
	for (uint32_t i = 0; i < world->host_count; i++) {
		if (!world->hosts[i].is_up)
			continue;
		int64_t deadline_us = node_next_deadline_us(world->hosts[i].node);
		if (deadline_us < at_us) {
			at_us = deadline_us;
			woken = i;
		}
	}
	if (at_us > limit_us)
		return false;
	if (at_us > world->now_us)
		world->now_us = at_us;
	if (woken != UINT32_MAX) {
		struct event event = {.type = EVENT_DEADLINE};
		step(world, woken, &event);
		return true;
	}
	struct pending *pending = world->pending;
	world->pending = pending->next;
	step(world, pending->to, &pending->event);
	free(pending->bytes);
	free(pending);
	return true;
}

void world_advance_ms(struct world *world, int64_t ms)
{
	int64_t limit_us = world->now_us + ms * 1000;
	uint32_t count = 0;
	while (do_next(world, limit_us))
		assert(++count < 5000000); /* a node that is always due would hold the world */
	world->now_us = limit_us;
}

/* ---- life ---- */

static struct id128 node_id(uint32_t index)
{
	struct id128 id = {{(uint8_t)(0x10 * (index + 1)), (uint8_t)index, 7}};
	return id;
}

static void host_open(struct world *world, uint32_t index, uint32_t voter_count)
{
	struct host *host = &world->hosts[index];
	struct node_config *config = &host->config;
	config->id = node_id(index);
	config->boot = 100 + index;
	config->name[0] = 'n';
	config->name[1] = (char)('1' + index);
	config->address = (struct address){
		.family = 4, .ip = {127, 0, 0, (uint8_t)(index + 1)}, .port = 7420};
	config->cluster = (struct id128){{0xc1}};
	config->birth_count = voter_count;
	for (uint32_t i = 0; i < voter_count; i++)
		config->birth_set[i] = node_id(i);
	config->seeds[0] = (struct address){.family = 4, .ip = {127, 0, 0, 1}, .port = 7420};
	config->seed_count = index == 0 ? 0 : 1;
	config->slots = 64;
	config->prng_seed = index + 1;
	config->jobs_max = JOBS_MAX;
	config->version = "0.1.0";
	config->zone_version = "2025b";
	host->memory_bytes = node_bytes(config);
	host->memory = mmap(NULL, host->memory_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert(host->memory != MAP_FAILED);
	host->effects.items = malloc(EFFECTS_MAX * sizeof(*host->effects.items));
	buf_init(&host->effects.arena, malloc(EFFECTS_ARENA_BYTES), EFFECTS_ARENA_BYTES);
	assert(host->effects.items != NULL);
	assert(host->effects.arena.data != NULL);
	host->backend = store_mem_new();
	host->overlay = store_overlay_new(host->backend);
	assert(host->overlay != NULL);
	host->node = node_init(host->memory, config, store_overlay_view(host->overlay), &world->zones);
	host->is_up = true;
	struct event started = {.type = EVENT_STARTED};
	step(world, index, &started);
	struct event hello = {.type = EVENT_RUNNER};
	hello.runner.type = RUNNER_HELLO;
	hello.runner.host_boot = node_id(index);
	hello.runner.version = slice_str("0.1.0");
	step(world, index, &hello);
}

struct world *world_open(uint32_t node_count, uint32_t voter_count)
{
	struct world *world = calloc(1, sizeof(*world));
	assert(world != NULL);
	world->replies = calloc(REPLIES_MAX, sizeof(*world->replies));
	assert(world->replies != NULL);
	world->now_us = 1000000;
	world->run_ms = 50;
	world->line_count = 2;
	zone_init_utc(&world->zone);
	world->zones = (struct zone_source){.find = find_zone, .context = world};
	world->host_count = node_count;
	for (uint32_t i = 0; i < node_count; i++) {
		host_open(world, i, voter_count);
		world_advance_ms(world, 100);
	}
	world_advance_ms(world, 5000);
	return world;
}

static void host_close(struct host *host)
{
	store_overlay_free(host->overlay);
	store_mem_free(host->backend);
	free(host->effects.items);
	free(host->effects.arena.data);
	if (host->memory != NULL)
		(void)munmap(host->memory, host->memory_bytes);
}

void world_close(struct world *world)
{
	for (uint32_t i = 0; i < world->host_count; i++)
		host_close(&world->hosts[i]);
	while (world->pending != NULL) {
		struct pending *pending = world->pending;
		world->pending = pending->next;
		free(pending->bytes);
		free(pending);
	}
	world_forget_replies(world);
	free(world->replies);
	free(world);
}

struct node *world_node(struct world *world, uint32_t index)
{
	return world->hosts[index].node;
}

static void break_streams(struct world *world, uint32_t index)
{
	for (uint32_t i = 0; i < world->host_count; i++) {
		struct event down = {.type = EVENT_STREAM_DOWN};
		down.stream.node = world->hosts[index].config.id;
		down.stream.text = "reset";
		if (i != index)
			push(world, i, world->now_us + DELAY_US, &down);
	}
}

void world_kill(struct world *world, uint32_t index)
{
	world->hosts[index].is_up = false;
	break_streams(world, index);
}

void world_cut(struct world *world, uint32_t index, bool is_cut)
{
	world->hosts[index].is_cut = is_cut;
}

void world_set_run(struct world *world, int64_t run_ms, int exit_code)
{
	world->run_ms = run_ms;
	world->exit_code = exit_code;
}

void world_set_output_lines(struct world *world, uint32_t line_count)
{
	world->line_count = line_count;
}

uint64_t world_frame_count(const struct world *world)
{
	return world->frame_count;
}

/* ---- clients ---- */

void world_ask_raw(struct world *world, uint32_t index, uint64_t client, struct slice frame)
{
	struct event event = {.type = EVENT_REQUEST, .bytes = frame};
	event.request.client = client;
	event.request.user = "ann";
	step(world, index, &event);
}

uint64_t world_ask(struct world *world, uint32_t index, uint64_t client, const char *verb,
		   struct slice arguments)
{
	size_t bytes_max = arguments.bytes + 256;
	uint8_t *memory = malloc(bytes_max);
	assert(memory != NULL);
	struct buf frame;
	buf_init(&frame, memory, bytes_max);
	uint64_t sequence = ++world->sequence;
	wire_put_array(&frame, 4);
	wire_put_u64(&frame, 1);
	wire_put_u64(&frame, sequence);
	wire_put_text(&frame, verb);
	if (arguments.bytes > 0)
		wire_put_raw(&frame, arguments);
	else
		wire_put_map(&frame, 0);
	assert(!frame.has_overflowed);
	world_ask_raw(world, index, client, buf_slice(&frame));
	free(memory);
	return sequence;
}

void world_frame(struct world *world, uint32_t from, uint32_t to, struct slice frame)
{
	const struct node_config *config = &world->hosts[from].config;
	struct event event = {.type = EVENT_STREAM, .bytes = frame};
	event.stream.node = config->id;
	event.stream.boot = config->boot;
	event.stream.connection = from + 1;
	event.stream.from = config->address;
	step(world, to, &event);
}

void world_forget_replies(struct world *world)
{
	for (uint32_t i = 0; i < world->reply_count; i++)
		free((void *)(uintptr_t)world->replies[i].body.data);
	world->reply_count = 0;
}

void world_client_gone(struct world *world, uint32_t index, uint64_t client)
{
	struct event event = {.type = EVENT_CLIENT_GONE};
	event.request.client = client;
	step(world, index, &event);
}

const struct reply *world_reply(const struct world *world, uint64_t sequence, enum reply_kind kind,
				uint32_t count)
{
	for (uint32_t i = 0; i < world->reply_count; i++) {
		const struct reply *reply = &world->replies[i];
		if (reply->sequence == sequence && reply->kind == kind && count-- == 0)
			return reply;
	}
	return NULL;
}

uint32_t world_reply_count(const struct world *world, uint64_t sequence, enum reply_kind kind)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < world->reply_count; i++)
		count += world->replies[i].sequence == sequence && world->replies[i].kind == kind;
	return count;
}

const struct reply *world_call(struct world *world, uint32_t index, const char *verb,
			       struct slice arguments, uint64_t *ret_sequence)
{
	uint64_t sequence = world_ask(world, index, 1000 + index, verb, arguments);
	if (ret_sequence != NULL)
		*ret_sequence = sequence;
	for (int64_t waited_ms = 0; waited_ms <= 20000; waited_ms += 10) {
		const struct reply *end = world_reply(world, sequence, REPLY_END, 0);
		if (end == NULL)
			end = world_reply(world, sequence, REPLY_ERROR, 0);
		if (end != NULL)
			return end;
		world_advance_ms(world, 10);
	}
	(void)fprintf(stderr, "%s was not answered\n", verb);
	abort();
}

void world_put_job(struct world *world, uint32_t index, const char *name, const char *cron)
{
	uint8_t definition_memory[1024], memory[2048];
	struct buf definition, arguments;
	buf_init(&definition, definition_memory, sizeof(definition_memory));
	struct wire_map map = wire_map_begin(&definition);
	wire_map_text(&map, &definition, "job", name);
	wire_map_text(&map, &definition, "cron", cron);
	wire_map_text(&map, &definition, "shell", "true");
	wire_map_bool(&map, &definition, "often", true);
	wire_map_end(&map, &definition);
	buf_init(&arguments, memory, sizeof(memory));
	map = wire_map_begin(&arguments);
	wire_map_text(&map, &arguments, "mode", "create");
	wire_map_key(&map, &arguments, "definition");
	wire_put_bin(&arguments, definition.data, definition.bytes);
	wire_map_end(&map, &arguments);
	const struct reply *end = world_call(world, index, "job.put", buf_slice(&arguments), NULL);
	if (end->kind == REPLY_ERROR) {
		struct slice why = wire_map_find_str(end->body, "message");
		(void)fprintf(stderr, "job.put %s: %.*s\n", name, (int)why.bytes,
			      (const char *)why.data);
		abort();
	}
}
