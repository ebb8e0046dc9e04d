/* The heap of events, the clocks, the life of agents and hosts. */
#include "tests/sim/world.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/identity.h"
#include "agent/store/store_mem.h"
#include "proto/hash.h"
#include "tests/sim/checker.h"
#include "tests/sim/faults.h"
#include "tests/sim/mutants.h"
#include "tests/sim/network.h"
#include "tests/sim/operator.h"
#include "tests/sim/runner_fake.h"

#define SPIN_MAX 20000u       /* steps of one agent in one instant: it does not get on */
#define QUIET_US (110 * SIM_SECOND_US) /* after the faults: what is decided late, and the minute that an end may wait */
#define LATENESS_US_MIN 10    /* of a timer */
#define LATENESS_US_MAX 300
#define JOBS_MAX 512u
#define SLOTS_MIN 4u

/* ---- small things ---- */

int64_t draw_between(struct prng *prng, int64_t from, int64_t to)
{
	return from + (int64_t)prng_below(prng, (uint64_t)(to - from + 1));
}

bool draw_chance(struct prng *prng, uint32_t per_mille)
{
	return prng_below(prng, 1000) < per_mille;
}

void world_mix(struct world *world, uint64_t a, uint64_t b)
{
	uint8_t bytes[24];
	store_u64(bytes, world->trace_hash);
	store_u64(bytes + 8, a);
	store_u64(bytes + 16, b);
	world->trace_hash = hash_u64(slice_of(bytes, sizeof(bytes)));
}

void world_trace(struct world *world, const char *format, ...)
{
	if (!world->options.is_traced)
		return;
	printf("%12.6f ", (double)world->now_us / 1e6);
	va_list arguments;
	va_start(arguments, format);
	(void)vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
}

void world_fail(struct world *world, const char *check, const char *format, ...)
{
	if (world->has_failed)
		return;
	world->has_failed = true;
	world->failed_us = world->now_us;
	(void)snprintf(world->failed_check, sizeof(world->failed_check), "%s", check);
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(world->failure, sizeof(world->failure), format, arguments);
	va_end(arguments);
	world_trace(world, "FAILED %s: %s", check, world->failure);
}

int64_t world_utc_ms(const struct world *world)
{
	return SIM_UTC_START_MS + world->now_us / 1000;
}

int64_t host_mono_us(const struct world *world, const struct host *host)
{
	return world->now_us - host->booted_us + SIM_SECOND_US;
}

int64_t world_at_mono_us(const struct host *host, int64_t mono_us)
{
	return mono_us - SIM_SECOND_US + host->booted_us;
}

int world_host_by_id(const struct world *world, struct id128 id)
{
	for (uint32_t i = 0; i < world->host_count; i++)
		if (id128_equal(world->hosts[i].id, id))
			return (int)i;
	return -1;
}

int world_host_by_address(const struct world *world, const struct address *address)
{
	for (uint32_t i = 0; i < world->host_count; i++)
		if (address_equal(&world->hosts[i].address, address))
			return (int)i;
	return -1;
}

/* ---- the heap ---- */

static bool event_before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

static void heap_insert(struct world *world, struct sim_event *event)
{
	if (world->heap_count == world->heap_max) {
		world->heap_max = world->heap_max == 0 ? 1024 : world->heap_max * 2;
		world->heap = realloc(world->heap, world->heap_max * sizeof(world->heap[0]));
		if (world->heap == NULL)
			abort();
	}
	uint32_t at = world->heap_count++;
	while (at > 0 && event_before(event, world->heap[(at - 1) / 2])) {
		world->heap[at] = world->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	world->heap[at] = event;
}

static struct sim_event *heap_take(struct world *world)
{
	struct sim_event *first = world->heap[0];
	struct sim_event *last = world->heap[--world->heap_count];
	uint32_t at = 0;
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= world->heap_count)
			break;
		if (child + 1 < world->heap_count && event_before(world->heap[child + 1], world->heap[child]))
			child++;
		if (!event_before(world->heap[child], last))
			break;
		world->heap[at] = world->heap[child];
		at = child;
	}
	if (world->heap_count > 0)
		world->heap[at] = last;
	return first;
}

struct sim_event *world_push(struct world *world, int64_t at_us, sim_action run, uint32_t host, uint64_t life,
			     struct slice bytes)
{
	struct sim_event *event = malloc(sizeof(*event) + bytes.bytes);
	if (event == NULL)
		abort();
	memset(event, 0, sizeof(*event));
	event->at_us = at_us < world->now_us ? world->now_us : at_us;
	event->number = world->event_number++;
	event->run = run;
	event->host = host;
	event->life = life;
	event->byte_count = bytes.bytes;
	if (bytes.bytes > 0)
		memcpy(event->bytes, bytes.data, bytes.bytes);
	heap_insert(world, event);
	return event;
}

/* ---- steps ---- */

static void host_on_deadline(struct world *world, struct sim_event *event)
{
	struct host *host = &world->hosts[event->host];
	if (event->argument[0] != host->deadline_number)
		return; /* another moment was set since */
	host->deadline_us = INT64_MAX;
	event->event.type = EVENT_DEADLINE;
	world_deliver(world, event);
}

static void host_arm(struct world *world, struct host *host)
{
	int64_t mono_us = node_next_deadline_us(host->node);
	if (mono_us == NODE_DEADLINE_NONE) {
		host->deadline_number++;
		host->deadline_us = INT64_MAX;
		return;
	}
	int64_t at_us = world_at_mono_us(host, mono_us);
	if (at_us < world->now_us)
		at_us = world->now_us;
	if (at_us == host->deadline_us)
		return;
	host->deadline_us = at_us;
	int64_t late_us = draw_between(&world->prng, LATENESS_US_MIN, LATENESS_US_MAX);
	struct sim_event *event = world_push(world, at_us + late_us, host_on_deadline, host->index, host->life,
					     slice_of(NULL, 0));
	event->argument[0] = ++host->deadline_number;
}

static void host_step(struct world *world, struct host *host, struct event *event)
{
	event->now.utc_ms = world_utc_ms(world) + host->wall_offset_ms;
	event->now.mono_us = host_mono_us(world, host);
	uint64_t put_count = host->put_count;
	node_step(host->node, event, &world->effects);
	while (world->effects.more) {
		disk_keep(world, host, host->put_count != put_count);
		struct event more = {.type = EVENT_CONTINUE, .now = event->now};
		node_step(host->node, &more, &world->effects);
	}
	disk_keep(world, host, host->put_count != put_count);
	if (host->spin_us != world->now_us)
		host->spin_count = 0;
	host->spin_us = world->now_us;
	if (++host->spin_count > SPIN_MAX)
		world_fail(world, "C13", "%s takes %u steps in one instant", host->name, host->spin_count);
}

void world_deliver(struct world *world, struct sim_event *event)
{
	struct host *host = &world->hosts[event->host];
	world_mix(world, (uint64_t)world->now_us, (uint64_t)event->event.type << 8 | event->host);
	if (event->byte_count > 0)
		world_mix(world, hash_u64(slice_of(event->bytes, event->byte_count)), event->byte_count);
	event->event.bytes = slice_of(event->bytes, event->byte_count);
	if (faults_crash_now(world, host, FAULT_POINT_BEFORE_STEP)) {
		world_kill_agent(world, host->index);
		return;
	}
	host_step(world, host, &event->event);
	if (faults_crash_now(world, host, FAULT_POINT_AFTER_STEP)) {
		world_kill_agent(world, host->index);
		return;
	}
	disk_flush(world, host);
	if (host->is_up)
		host_arm(world, host);
}

void world_put_effect(struct world *world, struct host *host, const struct effect *effect)
{
	world_mix(world, (uint64_t)effect->type << 8 | host->index, hash_u64(effect->bytes));
	switch (effect->type) {
	case EFFECT_DATAGRAM:
		network_datagram(world, host, &effect->datagram.to, effect->bytes);
		break;
	case EFFECT_STREAM:
		network_stream(world, host, effect);
		break;
	case EFFECT_RUNNER:
		runner_fake_order(world, host, &effect->runner);
		break;
	case EFFECT_REPLY:
		operator_on_reply(world, host, effect->reply.client, effect->bytes);
		break;
	case EFFECT_TRACE:
		world_trace(world, "%s  %.*s", host->name, (int)effect->bytes.bytes, (const char *)effect->bytes.data);
		break;
	case EFFECT_EXIT:
		world_trace(world, "%s  exit %d: %.*s", host->name, effect->exit.code, (int)effect->bytes.bytes,
			    (const char *)effect->bytes.data);
		faults_on_exit(world, host, effect->exit.code);
		break;
	case EFFECT_CLIENT_CLOSE:
	case EFFECT_OUTPUT_READ:
	case EFFECT_OUTPUT_STOP:
	case EFFECT_OUTPUT_DROP:
		break;
	}
}

/* ---- the life of agents and hosts ---- */

static void host_configure(struct world *world, struct host *host, const struct identity *identity,
			   struct node_config *config)
{
	*config = (struct node_config){
		.id = identity->node,
		.boot = identity->boot,
		.boot_before = identity->boot_before,
		.address = host->address,
		.slots = SLOTS_MIN + operator_job_count(world) / 2, /* enough for what is due, but not always at once */
		.prng_seed = prng_next(&world->prng),
		.jobs_max = JOBS_MAX,
		.version = "sim",
		.zone_version = "sim",
	};
	memcpy(config->name, host->name, sizeof(config->name));
	if (identity->has_cluster)
		config->cluster = identity->cluster;
	if (host->index < world->voter_count) {
		config->cluster = world->cluster;
		config->birth_count = world->voter_count;
		for (uint32_t i = 0; i < world->voter_count; i++)
			config->birth_set[i] = world->hosts[i].id;
	}
	for (uint32_t i = 0; i < world->host_count; i++)
		if (i != host->index)
			config->seeds[config->seed_count++] = world->hosts[i].address;
}

void world_start_agent(struct world *world, uint32_t index)
{
	struct host *host = &world->hosts[index];
	if (host->is_up || !host->is_host_up)
		return;
	struct identity identity;
	struct problem problem;
	store_mem_hold(host->disk, false);
	if (identity_open(host->disk, &host->id, world_utc_ms(world) + host->wall_offset_ms, &identity, &problem) !=
	    ERR_OK) {
		world_fail(world, "start", "%s: %s", host->name, problem.text);
		return;
	}
	struct node_config config;
	host_configure(world, host, &identity, &config);
	host->boot = identity.boot;
	host->life++;
	host->is_up = true;
	host->deadline_us = INT64_MAX;
	host->paused_until_us = 0;
	disk_open(world, host);
	host->memory_bytes = node_bytes(&config);
	host->memory = calloc(1, host->memory_bytes);
	if (host->memory == NULL)
		abort();
	host->node = node_init(host->memory, &config, &host->view, &world->zones);
	world_trace(world, "%s  started boot=%llu", host->name, (unsigned long long)host->boot);
	checker_on_agent_start(world, host);
	struct sim_event *event = world_push(world, world->now_us, world_deliver, index, host->life, slice_of(NULL, 0));
	event->event.type = EVENT_STARTED;
	runner_fake_connect(world, host);
}

static void host_end_agent(struct world *world, struct host *host)
{
	host->life++;
	host->is_up = false;
	host->deadline_number++;
	disk_close(world, host);
	free(host->memory);
	host->memory = NULL;
	host->node = NULL;
	operator_on_agent_gone(world, host);
	network_on_agent_gone(world, host);
}

void world_kill_agent(struct world *world, uint32_t index)
{
	struct host *host = &world->hosts[index];
	if (!host->is_up)
		return;
	world_trace(world, "%s  killed", host->name);
	world_mix(world, 0x6b696c6c, index);
	host_end_agent(world, host);
}

void world_stop_host(struct world *world, uint32_t index)
{
	struct host *host = &world->hosts[index];
	if (!host->is_host_up)
		return;
	world_trace(world, "%s  host down", host->name);
	world_kill_agent(world, index);
	host->is_host_up = false;
	runner_fake_on_host_down(world, host);
}

void world_boot_host(struct world *world, uint32_t index)
{
	struct host *host = &world->hosts[index];
	if (host->is_host_up)
		return;
	host->is_host_up = true;
	host->booted_us = world->now_us;
	store_u64(host->boot_id.bytes, prng_next(&world->prng));
	runner_fake_on_host_up(world, host);
}

/* ---- a seed ---- */

static const struct zone *zones_find(void *context, struct slice name)
{
	struct world *world = context;
	return slice_equal(name, slice_str("UTC")) ? world->utc : NULL;
}

static void world_make_hosts(struct world *world)
{
	for (uint32_t i = 0; i < world->host_count; i++) {
		struct host *host = &world->hosts[i];
		host->index = i;
		store_u64(host->id.bytes, prng_next(&world->prng));
		store_u64(host->id.bytes + 8, i + 1);
		(void)snprintf(host->name, sizeof(host->name), "n%u", i);
		host->address = (struct address){.family = 4, .ip = {127, 0, 0, (uint8_t)(i + 1)}, .port = 7420};
		host->disk = store_mem_new();
		if (host->disk == NULL)
			abort();
		host->booted_us = -(int64_t)prng_below(&world->prng, 3600) * SIM_SECOND_US;
		store_u64(host->boot_id.bytes, prng_next(&world->prng));
		host->is_host_up = true;
		runner_fake_open(world, host);
	}
}

static void world_open(struct world *world, const struct sim_options *options)
{
	world->options = *options;
	prng_init(&world->prng, options->seed * UINT64_C(0x9e3779b97f4a7c15) + 1);
	world->host_count = options->agents != 0 ? options->agents : 3 + (uint32_t)prng_below(&world->prng, 3);
	uint64_t share = prng_below(&world->prng, 100);
	uint32_t drawn = share < 15 ? 1 : share < 88 ? 3 : 5;
	if (options->agents == 0 && drawn == 1)
		world->host_count = 1 + (uint32_t)prng_below(&world->prng, 4);
	if (options->agents == 0 && drawn == 5)
		world->host_count = 5 + (uint32_t)prng_below(&world->prng, 2);
	world->voter_count = options->voters != 0 ? options->voters : drawn;
	if (world->host_count < world->voter_count)
		world->host_count = world->voter_count;
	store_u64(world->cluster.bytes, prng_next(&world->prng) | 1);
	world->faults_end_us = options->minutes * 60 * SIM_SECOND_US;
	world->operators_end_us = world->faults_end_us + 5 * SIM_SECOND_US;
	world->end_us = world->faults_end_us + QUIET_US;
	world->utc = malloc(sizeof(*world->utc));
	world->effects.items = malloc(EFFECTS_MAX * sizeof(*world->effects.items));
	void *arena = malloc(EFFECTS_ARENA_BYTES);
	if (world->utc == NULL || world->effects.items == NULL || arena == NULL)
		abort();
	buf_init(&world->effects.arena, arena, EFFECTS_ARENA_BYTES);
	zone_init_utc(world->utc);
	world->zones = (struct zone_source){.find = zones_find, .context = world};
	world_make_hosts(world);
	checker_open(world);
	network_open(world);
	faults_open(world);
	operator_open(world);
	for (uint32_t i = 0; i < world->host_count; i++)
		world_start_agent(world, i);
}

static void world_close(struct world *world)
{
	for (uint32_t i = 0; i < world->host_count; i++) {
		struct host *host = &world->hosts[i];
		if (host->is_up) {
			disk_close(world, host);
			free(host->memory);
		}
		runner_fake_close(host);
		store_mem_free(host->disk);
	}
	while (world->heap_count > 0)
		free(heap_take(world));
	free(world->heap);
	free(world->effects.items);
	free(world->effects.arena.data);
	free(world->utc);
	operator_close(world);
	faults_close(world);
	network_close(world);
	checker_close(world);
}

static void world_turn(struct world *world, struct sim_event *event)
{
	world->now_us = event->at_us;
	struct host *host = &world->hosts[event->host];
	if (event->life != 0) {
		if (!host->is_up || host->life != event->life) {
			free(event);
			return;
		}
		if (host->paused_until_us > world->now_us) {
			event->at_us = host->paused_until_us;
			heap_insert(world, event);
			return;
		}
	}
	world->event_count++;
	event->run(world, event);
	free(event);
}

void world_run(const struct sim_options *options, struct sim_result *ret_result)
{
	struct world *world = calloc(1, sizeof(*world));
	if (world == NULL)
		abort();
	mutants_set(options->mutant);
	world_open(world, options);
	while (!world->has_failed && world->heap_count > 0 && world->heap[0]->at_us <= world->end_us)
		world_turn(world, heap_take(world));
	world->now_us = world->end_us;
	if (!world->has_failed)
		checker_at_end(world);
	*ret_result = (struct sim_result){
		.has_failed = world->has_failed,
		.failed_us = world->failed_us,
		.trace_hash = world->trace_hash,
		.event_count = world->event_count,
		.agents = world->host_count,
		.voters = world->voter_count,
	};
	memcpy(ret_result->failed_check, world->failed_check, sizeof(ret_result->failed_check));
	memcpy(ret_result->failure, world->failure, sizeof(ret_result->failure));
	checker_count(world, ret_result);
	faults_describe(world, ret_result);
	world_close(world);
	mutants_set(MUTANT_NONE);
	free(world);
}
