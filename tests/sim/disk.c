/* The agent's shell, as agent/io does it: the effects of a step leave after the commit of what it put, the steps that
 * arrive while a commit is under way share the next one, and a crash keeps a prefix of what was issued. */
#include <stdlib.h>
#include <string.h>

#include "agent/store/store_mem.h"
#include "tests/sim/checker.h"
#include "tests/sim/faults.h"
#include "tests/sim/world.h"

/* What one step wants, copied: one block of memory with the effects and their bytes. */
struct held {
	struct held *next;
	bool has_puts;
	uint32_t count;
	struct effect effects[];
};

/* ---- a view that counts ---- */

static enum err view_get(void *context, enum store_table table, struct slice key, struct buf *ret_value)
{
	const struct store_view *inner = store_overlay_view(((struct host *)context)->overlay);
	return inner->get(inner->context, table, key, ret_value);
}

static enum err view_next(void *context, enum store_table table, struct slice key, struct buf *ret_key,
			  struct buf *ret_value)
{
	const struct store_view *inner = store_overlay_view(((struct host *)context)->overlay);
	return inner->next(inner->context, table, key, ret_key, ret_value);
}

static void view_put(void *context, enum store_table table, struct slice key, struct slice value)
{
	struct host *host = context;
	const struct store_view *inner = store_overlay_view(host->overlay);
	host->put_count++;
	inner->put(inner->context, table, key, value);
}

static void view_remove(void *context, enum store_table table, struct slice key)
{
	struct host *host = context;
	const struct store_view *inner = store_overlay_view(host->overlay);
	host->put_count++;
	inner->remove(inner->context, table, key);
}

static unsigned view_usage(void *context)
{
	const struct store_view *inner = store_overlay_view(((struct host *)context)->overlay);
	return inner->usage_permille(inner->context);
}

/* ---- effects that wait ---- */

static size_t align8(size_t bytes)
{
	return (bytes + 7) & ~(size_t)7;
}

static struct slice copy_slice(uint8_t **at, struct slice bytes)
{
	if (bytes.bytes == 0)
		return bytes;
	memcpy(*at, bytes.data, bytes.bytes);
	struct slice copied = slice_of(*at, bytes.bytes);
	*at += align8(bytes.bytes);
	return copied;
}

static void held_free_all(struct held *held)
{
	while (held != NULL) {
		struct held *next = held->next;
		free(held);
		held = next;
	}
}

void disk_keep(struct world *world, struct host *host, bool has_puts)
{
	const struct effects *effects = &world->effects;
	if (effects->count == 0 && !has_puts)
		return;
	size_t bytes = sizeof(struct held) + effects->count * sizeof(struct effect);
	for (uint32_t i = 0; i < effects->count; i++)
		bytes += align8(effects->items[i].bytes.bytes);
	struct held *held = malloc(bytes);
	if (held == NULL)
		abort();
	held->next = NULL;
	held->has_puts = has_puts;
	held->count = effects->count;
	uint8_t *at = (uint8_t *)&held->effects[effects->count];
	for (uint32_t i = 0; i < effects->count; i++) {
		held->effects[i] = effects->items[i];
		held->effects[i].bytes = copy_slice(&at, effects->items[i].bytes);
	}
	if (host->gathering_last != NULL)
		host->gathering_last->next = held;
	else
		host->gathering_first = held;
	host->gathering_last = held;
}

/* Lets the effects of one step out. False: the agent died in the middle. */
static bool held_release(struct world *world, struct host *host, struct held *held)
{
	uint64_t life = host->life;
	for (uint32_t i = 0; i < held->count; i++) {
		world_put_effect(world, host, &held->effects[i]);
		if (host->life == life && faults_crash_now(world, host, FAULT_POINT_BETWEEN_SENDS))
			world_kill_agent(world, host->index);
		if (host->life != life)
			return false;
	}
	return true;
}

/* All of the list, or of its beginning what has nothing to wait for. False: the agent died. */
static bool release(struct world *world, struct host *host, struct held **first, struct held **last, bool is_free_only)
{
	while (*first != NULL && !(is_free_only && (*first)->has_puts)) {
		struct held *held = *first;
		*first = held->next;
		if (*first == NULL)
			*last = NULL;
		bool is_alive = held_release(world, host, held);
		free(held);
		if (!is_alive)
			return false;
	}
	return true;
}

/* ---- commits ---- */

static void disk_on_done(struct world *world, struct sim_event *event)
{
	struct host *host = &world->hosts[event->host];
	if (faults_crash_now(world, host, FAULT_POINT_BEFORE_COMMIT)) {
		world_kill_agent(world, host->index);
		return;
	}
	checker_before_commit(world, host, host->batch);
	if (store_mem_finish(host->disk) != ERR_OK) {
		world_trace(world, "%s  commit failed", host->name);
		world_kill_agent(world, host->index);
		return;
	}
	checker_on_commit(world, host, host->batch);
	store_overlay_committed(host->overlay, host->batch);
	store_batch_free(host->batch);
	host->batch = NULL;
	if (faults_crash_now(world, host, FAULT_POINT_AFTER_COMMIT)) {
		world_kill_agent(world, host->index);
		return;
	}
	if (release(world, host, &host->flight_first, &host->flight_last, false))
		disk_flush(world, host);
}

static void start_commit(struct world *world, struct host *host)
{
	host->batch = store_overlay_take(host->overlay);
	if (host->batch == NULL) {
		(void)release(world, host, &host->gathering_first, &host->gathering_last, false);
		return;
	}
	struct problem problem;
	if (host->disk->commit(host->disk->context, host->batch, &problem) != ERR_OK) {
		world_fail(world, "disk", "%s: %s", host->name, problem.text);
		return;
	}
	host->flight_first = host->gathering_first;
	host->flight_last = host->gathering_last;
	host->gathering_first = host->gathering_last = NULL;
	(void)world_push(world, world->now_us + faults_commit_us(world, host), disk_on_done, host->index, host->life,
			 slice_of(NULL, 0));
	if (mutant_is_on(MUTANT_NOFSYNC))
		(void)release(world, host, &host->flight_first, &host->flight_last, false);
}

void disk_flush(struct world *world, struct host *host)
{
	if (!host->is_up || host->batch != NULL)
		return;
	if (!release(world, host, &host->gathering_first, &host->gathering_last, true))
		return;
	if (host->gathering_first != NULL)
		start_commit(world, host);
}

void disk_open(struct world *world, struct host *host)
{
	(void)world;
	store_mem_hold(host->disk, true);
	host->overlay = store_overlay_new(host->disk);
	if (host->overlay == NULL)
		abort();
	host->view = (struct store_view){.context = host,
					 .get = view_get,
					 .next = view_next,
					 .put = view_put,
					 .remove = view_remove,
					 .usage_permille = view_usage};
}

void disk_close(struct world *world, struct host *host)
{
	if (host->batch != NULL) {
		bool is_kept = draw_chance(&world->prng, 500);
		if (is_kept)
			checker_before_commit(world, host, host->batch);
		store_mem_crash(host->disk, is_kept ? 1 : 0);
		if (is_kept)
			checker_on_commit(world, host, host->batch);
		store_batch_free(host->batch);
		host->batch = NULL;
	}
	store_overlay_free(host->overlay);
	host->overlay = NULL;
	held_free_all(host->gathering_first);
	held_free_all(host->flight_first);
	host->gathering_first = host->gathering_last = NULL;
	host->flight_first = host->flight_last = NULL;
}
