/* The runner of one host. */
#include "tests/sim/runner_fake.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sim/checker.h"
#include "tests/sim/faults.h"

#define SOCKET_US_MIN 20
#define SOCKET_US_MAX 400
#define CONNECT_US_MAX 50000
#define RESTART_US_MAX (2 * SIM_SECOND_US)

enum fake_state { FAKE_FENCED, FAKE_PREPARED, FAKE_RUNNING, FAKE_ENDED };

struct fake_run {
	struct run_key key;
	enum fake_state state;
	bool is_forgotten;
	int64_t start_mono_us; /* asked for */
	int64_t started_us;    /* true time */
	int64_t started_mono_us;
	int64_t started_utc_ms;
	int64_t pid;
	struct runner_report end;
};

struct runner_fake {
	struct prng prng;
	uint64_t life; /* raised when it, or its host, goes down */
	bool is_up;
	bool is_linked;       /* the agent is connected */
	uint64_t agent_life;  /* which agent */
	struct fake_run *runs;
	uint32_t run_count, run_max;
	int64_t pid;
	int64_t last_arrival_us; /* the socket keeps the order, both ways */
	int64_t last_report_us;
};

void runner_fake_open(struct world *world, struct host *host)
{
	host->runner = calloc(1, sizeof(*host->runner));
	if (host->runner == NULL)
		abort();
	prng_init(&host->runner->prng, world->options.seed * 17 + 1000 + host->index);
	host->runner->is_up = true;
	host->runner->life = 1;
	host->runner->pid = 1000;
}

void runner_fake_close(struct host *host)
{
	free(host->runner->runs);
	free(host->runner);
}

static struct fake_run *fake_find(struct runner_fake *runner, const struct run_key *key)
{
	for (uint32_t i = 0; i < runner->run_count; i++)
		if (run_key_equal(&runner->runs[i].key, key))
			return &runner->runs[i];
	return NULL;
}

static struct fake_run *fake_add(struct runner_fake *runner, const struct run_key *key, enum fake_state state)
{
	if (runner->run_count == runner->run_max) {
		runner->run_max = runner->run_max == 0 ? 64 : runner->run_max * 2;
		runner->runs = realloc(runner->runs, runner->run_max * sizeof(runner->runs[0]));
		if (runner->runs == NULL)
			abort();
	}
	struct fake_run *run = &runner->runs[runner->run_count++];
	*run = (struct fake_run){.key = *key, .state = state};
	return run;
}

/* ---- reports ---- */

static void fake_send(struct world *world, struct host *host, const struct runner_report *report)
{
	struct runner_fake *runner = host->runner;
	if (!runner->is_linked || !host->is_up || runner->agent_life != host->life)
		return;
	int64_t at_us = world->now_us + draw_between(&runner->prng, SOCKET_US_MIN, SOCKET_US_MAX);
	if (at_us <= runner->last_report_us)
		at_us = runner->last_report_us + 1;
	runner->last_report_us = at_us;
	struct sim_event *event = world_push(world, at_us, world_deliver, host->index, host->life, slice_of(NULL, 0));
	event->event.type = EVENT_RUNNER;
	event->event.runner = *report;
	world_mix(world, (uint64_t)report->type, (uint64_t)report->run.t_ms);
}

static void fake_report(struct world *world, struct host *host, const struct fake_run *run)
{
	struct runner_report report = {.run = run->key, .version = slice_str("sim")};
	switch (run->state) {
	case FAKE_FENCED:
		report.type = RUNNER_UNKNOWN;
		break;
	case FAKE_PREPARED:
		report.type = RUNNER_PREPARED;
		break;
	case FAKE_RUNNING:
		report.type = RUNNER_STARTED;
		report.pid = run->pid;
		report.started_utc_ms = run->started_utc_ms;
		report.started_mono_us = run->started_mono_us;
		report.lateness_us = run->started_mono_us - run->start_mono_us;
		break;
	case FAKE_ENDED:
		report = run->end;
		break;
	}
	fake_send(world, host, &report);
}

static void fake_hello(struct world *world, struct sim_event *event)
{
	struct host *host = &world->hosts[event->host];
	struct runner_fake *runner = host->runner;
	if (!runner->is_up || event->argument[0] != runner->life)
		return;
	runner->is_linked = true;
	runner->agent_life = host->life;
	struct runner_report hello = {.type = RUNNER_HELLO, .host_boot = host->boot_id, .version = slice_str("sim")};
	fake_send(world, host, &hello);
	for (uint32_t i = 0; i < runner->run_count; i++)
		if (runner->runs[i].state == FAKE_ENDED && !runner->runs[i].is_forgotten)
			fake_report(world, host, &runner->runs[i]);
}

void runner_fake_connect(struct world *world, struct host *host)
{
	struct runner_fake *runner = host->runner;
	runner->is_linked = false;
	if (!runner->is_up || !host->is_up)
		return;
	struct sim_event *event = world_push(world, world->now_us + draw_between(&runner->prng, 500, CONNECT_US_MAX),
					     fake_hello, host->index, host->life, slice_of(NULL, 0));
	event->argument[0] = runner->life;
}

/* ---- processes ---- */

static void fake_end(struct world *world, struct host *host, struct fake_run *run, int exit_code, int signal,
		     enum runner_cause cause)
{
	bool was_started = run->state == FAKE_RUNNING;
	run->state = FAKE_ENDED;
	run->end = (struct runner_report){
		.type = RUNNER_ENDED,
		.run = run->key,
		.version = slice_str("sim"),
		.ended_utc_ms = world_utc_ms(world) + host->wall_offset_ms,
		.exit_code = exit_code,
		.signal = signal,
		.cause = cause,
		.cause_text = slice_str(cause == RUNNER_CAUSE_KILLED ? "TERM by sim" : ""),
		.usage = {.rss_bytes_max = -1},
		.processes_left = -1,
	};
	if (was_started) {
		run->end.pid = run->pid;
		run->end.started_utc_ms = run->started_utc_ms;
		run->end.started_mono_us = run->started_mono_us;
		run->end.lateness_us = run->started_mono_us - run->start_mono_us;
		run->end.duration_us = world->now_us - run->started_us;
		checker_on_process_end(world, host, &run->key, exit_code, cause);
	}
	fake_report(world, host, run);
}

static bool is_stale(const struct world *world, const struct sim_event *event)
{
	const struct runner_fake *runner = world->hosts[event->host].runner;
	return event->argument[0] != runner->life;
}

static void fake_on_exit(struct world *world, struct sim_event *event)
{
	struct host *host = &world->hosts[event->host];
	/* Processes outlive the runner, but not the host. */
	if (!host->is_host_up || event->argument[1] != load_u64(host->boot_id.bytes))
		return;
	struct fake_run *run = fake_find(host->runner, &event->key);
	if (run == NULL || run->state != FAKE_RUNNING)
		return;
	fake_end(world, host, run, (int)event->argument[2], 0, RUNNER_CAUSE_NONE);
}

static void fake_on_moment(struct world *world, struct sim_event *event)
{
	struct host *host = &world->hosts[event->host];
	struct runner_fake *runner = host->runner;
	struct fake_run *run = fake_find(runner, &event->key);
	if (is_stale(world, event) || run == NULL || run->state != FAKE_PREPARED)
		return;
	run->state = FAKE_RUNNING;
	run->pid = ++runner->pid;
	run->started_us = world->now_us;
	run->started_mono_us = host_mono_us(world, host);
	run->started_utc_ms = world_utc_ms(world) + host->wall_offset_ms;
	checker_on_process_start(world, host, &run->key);
	fake_report(world, host, run);
	int64_t duration_us = draw_chance(&runner->prng, 850) ? draw_between(&runner->prng, 20000, 1500000)
							      : draw_between(&runner->prng, 1500000, 9000000);
	struct sim_event *exits = world_push(world, world->now_us + duration_us, fake_on_exit, host->index, 0,
					     slice_of(NULL, 0));
	exits->key = run->key;
	exits->argument[1] = load_u64(host->boot_id.bytes);
	exits->argument[2] = draw_chance(&runner->prng, 100) ? 3 : 0;
}

/* ---- orders ---- */

static void fake_prepare(struct world *world, struct host *host, const struct sim_event *event)
{
	struct runner_fake *runner = host->runner;
	struct fake_run *run = fake_find(runner, &event->key);
	if (run != NULL) {
		fake_report(world, host, run); /* twice is once */
		return;
	}
	checker_on_prepare(world, host, &event->key);
	run = fake_add(runner, &event->key, FAKE_PREPARED);
	run->start_mono_us = (int64_t)event->argument[1];
	int64_t at_us = world_at_mono_us(host, run->start_mono_us);
	if (at_us < world->now_us)
		at_us = world->now_us;
	struct sim_event *moment = world_push(world, at_us + draw_between(&runner->prng, 50, 800), fake_on_moment,
					      host->index, 0, slice_of(NULL, 0));
	moment->key = event->key;
	moment->argument[0] = runner->life;
}

static void fake_on_order(struct world *world, struct sim_event *event)
{
	struct host *host = &world->hosts[event->host];
	struct runner_fake *runner = host->runner;
	if (is_stale(world, event) || !runner->is_up)
		return;
	struct fake_run *run = fake_find(runner, &event->key);
	switch ((enum runner_order_type)event->argument[2]) {
	case RUNNER_PREPARE:
		fake_prepare(world, host, event);
		return;
	case RUNNER_KILL:
		if (run != NULL && run->state == FAKE_RUNNING)
			fake_end(world, host, run, -1, 15, RUNNER_CAUSE_KILLED);
		else if (run != NULL && run->state == FAKE_PREPARED)
			fake_end(world, host, run, -1, 0, RUNNER_CAUSE_KILLED);
		break;
	case RUNNER_ASK:
		if (run == NULL)
			run = fake_add(runner, &event->key, FAKE_FENCED);
		fake_report(world, host, run);
		return;
	case RUNNER_FORGET:
		if (run != NULL)
			run->is_forgotten = true;
		return;
	case RUNNER_REVOKE:
		if (run != NULL && run->state == FAKE_PREPARED)
			fake_end(world, host, run, -1, 0, RUNNER_CAUSE_REVOKED);
		else if (run != NULL)
			fake_report(world, host, run);
		break;
	}
	if (run == NULL)
		fake_report(world, host, fake_add(runner, &event->key, FAKE_FENCED));
}

void runner_fake_order(struct world *world, struct host *host, const struct runner_order *order)
{
	struct runner_fake *runner = host->runner;
	if (!runner->is_up || !runner->is_linked || runner->agent_life != host->life)
		return;
	int64_t at_us = world->now_us + draw_between(&runner->prng, SOCKET_US_MIN, SOCKET_US_MAX);
	if (at_us <= runner->last_arrival_us)
		at_us = runner->last_arrival_us + 1;
	runner->last_arrival_us = at_us;
	/* What is in the socket is read even if the agent dies meanwhile. */
	struct sim_event *event = world_push(world, at_us, fake_on_order, host->index, 0, slice_of(NULL, 0));
	event->key = order->run;
	event->argument[0] = runner->life;
	event->argument[1] = (uint64_t)order->start_mono_us;
	event->argument[2] = (uint64_t)order->type;
}

/* ---- going down ---- */

/* Launchers that waited are gone; the journal keeps fences, and the ends that nobody has forgotten. */
static void fake_lose_memory(struct world *world, struct host *host, bool is_host_down)
{
	struct runner_fake *runner = host->runner;
	uint32_t kept = 0;
	for (uint32_t i = 0; i < runner->run_count; i++) {
		struct fake_run *run = &runner->runs[i];
		if (run->state == FAKE_RUNNING && is_host_down)
			checker_on_process_end(world, host, &run->key, -1, RUNNER_CAUSE_LOST);
		bool is_kept = run->state == FAKE_FENCED || (run->state == FAKE_ENDED && !run->is_forgotten) ||
			       (run->state == FAKE_RUNNING && !is_host_down);
		if (is_kept)
			runner->runs[kept++] = *run;
	}
	runner->run_count = kept;
	runner->life++;
	runner->is_up = false;
	runner->is_linked = false;
}

void runner_fake_on_host_down(struct world *world, struct host *host)
{
	fake_lose_memory(world, host, true);
}

void runner_fake_on_host_up(struct world *world, struct host *host)
{
	(void)world;
	host->runner->is_up = true;
}

static void fake_on_back(struct world *world, struct sim_event *event)
{
	struct host *host = &world->hosts[event->host];
	if (event->argument[0] != host->runner->life || !host->is_host_up)
		return;
	host->runner->is_up = true;
	runner_fake_connect(world, host);
}

void runner_fake_restart(struct world *world, struct host *host)
{
	struct runner_fake *runner = host->runner;
	if (!runner->is_up || !host->is_host_up)
		return;
	world_trace(world, "%s  runner restarts", host->name);
	fake_lose_memory(world, host, false);
	if (host->is_up) {
		struct sim_event *down = world_push(world, world->now_us + SOCKET_US_MAX, world_deliver, host->index,
						    host->life, slice_of(NULL, 0));
		down->event.type = EVENT_RUNNER_DOWN;
	}
	struct sim_event *back = world_push(world, world->now_us + draw_between(&runner->prng, 100000, RESTART_US_MAX),
					    fake_on_back, host->index, 0, slice_of(NULL, 0));
	back->argument[0] = runner->life;
}
