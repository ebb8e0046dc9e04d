/* One node without peers, driven by hand: a clock, a store in memory and a runner that does as it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/core/state.h"
#include "agent/store/store.h"
#include "agent/store/store_mem.h"
#include "proto/definition_build.h"
#include "proto/hash.h"

#define BIRTH_MS INT64_C(1767225600000)
#define PREPARED_MAX 64u

struct alone {
	struct store_backend *backend;
	struct store_overlay *overlay;
	void *memory;
	struct node *node;
	struct node_config config;
	struct effects effects;
	int64_t mono_us;
	uint32_t step_count;
	uint32_t prepared_count;
	uint32_t ended_count;
	int64_t run_us; /* how long each run lasts */
	struct run_key prepared[PREPARED_MAX];
	int64_t start_us[PREPARED_MAX];
};

static const struct zone *no_zone(void *context, struct slice name)
{
	(void)context;
	(void)name;
	return NULL;
}

static const struct zone_source zones = { .find = no_zone };

static struct id128 id_of(uint8_t number)
{
	struct id128 id = { { 0 } };
	id.bytes[0] = number;
	return id;
}

static void keep_orders(struct alone *alone)
{
	for (uint32_t i = 0; i < alone->effects.count; i++) {
		const struct effect *effect = &alone->effects.items[i];
		if (effect->type != EFFECT_RUNNER || effect->runner.type != RUNNER_PREPARE)
			continue;
		assert_true(alone->prepared_count < PREPARED_MAX);
		for (uint32_t k = 0; k < alone->prepared_count; k++)
			assert_false(run_key_equal(&alone->prepared[k], &effect->runner.run)); /* I9 */
		alone->prepared[alone->prepared_count] = effect->runner.run;
		alone->start_us[alone->prepared_count++] = effect->runner.start_mono_us;
	}
}

static void commit(struct alone *alone)
{
	struct store_batch *batch = store_overlay_take(alone->overlay);
	if (batch == NULL)
		return; /* nothing was put */
	struct problem problem;
	assert_int_equal(alone->backend->commit(alone->backend->context, batch, &problem), ERR_OK);
	store_overlay_committed(alone->overlay, batch);
	store_batch_free(batch);
}

static void step(struct alone *alone, struct event event)
{
	event.now = (struct clocks){ .utc_ms = BIRTH_MS + alone->mono_us / 1000, .mono_us = alone->mono_us };
	node_step(alone->node, &event, &alone->effects);
	keep_orders(alone);
	while (alone->effects.more) {
		event.type = EVENT_CONTINUE;
		node_step(alone->node, &event, &alone->effects);
		keep_orders(alone);
	}
	commit(alone);
	alone->step_count++;
}

static void boot(struct alone *alone)
{
	free(alone->memory);
	alone->config.boot++;
	alone->memory = calloc(1, node_bytes(&alone->config) + 64);
	assert_non_null(alone->memory);
	uintptr_t aligned = ((uintptr_t)alone->memory + 63) & ~(uintptr_t)63;
	alone->node = node_init((void *)aligned, &alone->config, store_overlay_view(alone->overlay), &zones);
	step(alone, (struct event){ .type = EVENT_STARTED });
	step(alone, (struct event){ .type = EVENT_RUNNER, .runner = { .type = RUNNER_HELLO, .host_boot = id_of(9) } });
}

static void alone_new(struct alone *alone, uint32_t voter_count)
{
	*alone = (struct alone){ .mono_us = 1000000, .run_us = 100000 };
	alone->backend = store_mem_new();
	alone->overlay = store_overlay_new(alone->backend);
	alone->effects.items = calloc(EFFECTS_MAX, sizeof(*alone->effects.items));
	buf_init(&alone->effects.arena, calloc(1, EFFECTS_ARENA_BYTES), EFFECTS_ARENA_BYTES);
	alone->config = (struct node_config){ .id = id_of(1), .name = "n1", .cluster = id_of(100), .slots = 10,
		                              .birth_count = voter_count, .prng_seed = 7, .jobs_max = 100,
		                              .version = "0", .zone_version = "0" };
	for (uint32_t i = 0; i < voter_count; i++)
		alone->config.birth_set[i] = id_of((uint8_t)(i + 1));
	boot(alone);
}

static void alone_free(struct alone *alone)
{
	free(alone->memory);
	free(alone->effects.items);
	free(alone->effects.arena.data);
	store_overlay_free(alone->overlay);
	store_mem_free(alone->backend);
}

static void set_key(struct buf *definition, const char *key, const char *text)
{
	struct problem problem;
	assert_int_equal(definition_set_text(definition, definition_key_find(slice_str(key)), slice_str(text), &problem),
	                 ERR_OK);
}

/* Changes are begun within a step, as the answers for people do. */
static void change(struct alone *alone, enum change_kind kind, const char *every)
{
	uint8_t memory[4096];
	struct buf definition;
	buf_init(&definition, memory, sizeof(memory));
	definition_begin(&definition);
	set_key(&definition, "job", "tick");
	set_key(&definition, "every", every);
	set_key(&definition, "shell", "true");
	struct change_request request = { .kind = kind, .name = slice_str("default/tick"), .is_replace = true,
		                          .definition = buf_slice(&definition) };
	struct asker asker = { .user = "root" };
	effects_clear(&alone->effects);
	alone->node->effects = &alone->effects;
	change_start(alone->node, &asker, &request);
	step(alone, (struct event){ .type = EVENT_DEADLINE });
}

/* Ends the runs whose time has come. */
static void end_runs(struct alone *alone)
{
	while (alone->ended_count < alone->prepared_count &&
	       alone->mono_us >= alone->start_us[alone->ended_count] + alone->run_us) {
		struct runner_report report = { .type = RUNNER_ENDED, .run = alone->prepared[alone->ended_count++],
			                        .pid = 42, .duration_us = alone->run_us,
			                        .started_utc_ms = BIRTH_MS + (alone->mono_us - alone->run_us) / 1000 };
		step(alone, (struct event){ .type = EVENT_RUNNER, .runner = report });
	}
}

static void run_for_ms(struct alone *alone, int64_t span_ms)
{
	int64_t end_us = alone->mono_us + span_ms * 1000;
	while (alone->mono_us < end_us) {
		int64_t next_us = node_next_deadline_us(alone->node);
		if (alone->ended_count < alone->prepared_count &&
		    alone->start_us[alone->ended_count] + alone->run_us < next_us)
			next_us = alone->start_us[alone->ended_count] + alone->run_us;
		alone->mono_us = next_us > alone->mono_us ? next_us : alone->mono_us;
		if (alone->mono_us >= end_us) {
			alone->mono_us = end_us;
			return;
		}
		end_runs(alone);
		step(alone, (struct event){ .type = EVENT_DEADLINE });
	}
}

static void run_for(struct alone *alone, int64_t seconds)
{
	run_for_ms(alone, seconds * 1000);
}

static void each_fire_starts_once_and_on_its_moment(void **state)
{
	(void)state;
	struct alone alone;
	alone_new(&alone, 1);
	change(&alone, CHANGE_PUT, "20s");
	run_for(&alone, 100);
	assert_in_range(alone.prepared_count, 4, 6);
	for (uint32_t i = 0; i < alone.prepared_count; i++)
		assert_int_equal(alone.start_us[i] / 1000, alone.prepared[i].t_ms - BIRTH_MS);
	assert_int_equal(alone.node->jobs.jobs[0].ok_count, alone.ended_count);
	assert_in_range(alone.step_count, 1, 60);
	alone_free(&alone);
}

static void a_fire_is_skipped_while_the_one_before_runs_and_nothing_spins(void **state)
{
	(void)state;
	struct alone alone;
	alone_new(&alone, 1);
	alone.run_us = 50 * INT64_C(1000000);
	change(&alone, CHANGE_PUT, "20s");
	run_for(&alone, 200);
	assert_in_range(alone.prepared_count, 3, 4);
	assert_in_range(alone.step_count, 1, 100);
	alone_free(&alone);
}

static void nothing_starts_without_a_majority_also_after_a_restart(void **state)
{
	(void)state;
	struct alone alone;
	alone_new(&alone, 3);
	/* The definition has reached this node as a copy; its own vote is the only one. */
	uint8_t memory[4096], value_memory[8192];
	struct buf definition, value;
	buf_init(&definition, memory, sizeof(memory));
	definition_begin(&definition);
	set_key(&definition, "job", "tick");
	set_key(&definition, "every", "20s");
	set_key(&definition, "shell", "true");
	buf_init(&value, value_memory, sizeof(value_memory));
	struct def_value def = { .counter = 1, .name = slice_str("default/tick"), .from_ms = BIRTH_MS,
		                 .created_ms = BIRTH_MS, .is_enabled = true, .definition = buf_slice(&definition) };
	def_value_put(&value, &def);
	effects_clear(&alone.effects);
	alone.node->effects = &alone.effects;
	catalog_put(alone.node, REGISTER_DEF, hash_id(slice_str("default/tick")), buf_slice(&value), id_of(2));
	run_for(&alone, 60);
	boot(&alone);
	run_for(&alone, 60);
	planner_on_members_changed(alone.node, id_of(1));
	run_for(&alone, 5);
	assert_int_equal(alone.prepared_count, 0);
	assert_in_range(alone.step_count, 1, 400);
	alone_free(&alone);
}

static void after_a_pause_nothing_starts_and_after_resume_the_next_does(void **state)
{
	(void)state;
	struct alone alone;
	alone_new(&alone, 1);
	change(&alone, CHANGE_PUT, "20s");
	run_for(&alone, 30);
	uint32_t before = alone.prepared_count;
	assert_true(before > 0);
	change(&alone, CHANGE_PAUSE, "20s");
	run_for(&alone, 100);
	assert_int_equal(alone.prepared_count, before);
	change(&alone, CHANGE_RESUME, "20s");
	run_for(&alone, 25);
	assert_in_range(alone.prepared_count, before + 1, before + 2);
	change(&alone, CHANGE_REMOVE, "20s");
	before = alone.prepared_count;
	run_for(&alone, 60);
	assert_int_equal(alone.prepared_count, before);
	alone_free(&alone);
}

static void while_the_runner_is_down_nothing_spins_and_then_the_latest_fire_runs(void **state)
{
	(void)state;
	struct alone alone;
	alone_new(&alone, 1);
	change(&alone, CHANGE_PUT, "20s");
	run_for_ms(&alone, 19500); /* the first fire is claimed and not started */
	assert_int_equal(alone.node->jobs.jobs[0].open_count, 1);
	step(&alone, (struct event){ .type = EVENT_RUNNER_DOWN });
	run_for(&alone, 200);
	assert_int_equal(alone.prepared_count, 0);
	assert_in_range(alone.step_count, 1, 1000);
	step(&alone, (struct event){ .type = EVENT_RUNNER, .runner = { .type = RUNNER_HELLO, .host_boot = id_of(9) } });
	run_for(&alone, 40);
	assert_in_range(alone.prepared_count, 1, 4);
	alone_free(&alone);
}

static void a_run_in_progress_survives_a_restart_of_the_agent(void **state)
{
	(void)state;
	struct alone alone;
	alone_new(&alone, 1);
	alone.run_us = 15 * INT64_C(1000000);
	change(&alone, CHANGE_PUT, "20s");
	while (alone.prepared_count == 0)
		run_for(&alone, 1);
	boot(&alone);
	run_for(&alone, 18);
	assert_int_equal(alone.prepared_count, 1);
	assert_int_equal(alone.ended_count, 1);
	assert_int_equal(alone.node->jobs.jobs[0].ok_count, 1);
	run_for(&alone, 20);
	assert_int_equal(alone.prepared_count, 2);
	alone_free(&alone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fire_starts_once_and_on_its_moment),
		cmocka_unit_test(a_fire_is_skipped_while_the_one_before_runs_and_nothing_spins),
		cmocka_unit_test(nothing_starts_without_a_majority_also_after_a_restart),
		cmocka_unit_test(after_a_pause_nothing_starts_and_after_resume_the_next_does),
		cmocka_unit_test(while_the_runner_is_down_nothing_spins_and_then_the_latest_fire_runs),
		cmocka_unit_test(a_run_in_progress_survives_a_restart_of_the_agent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
