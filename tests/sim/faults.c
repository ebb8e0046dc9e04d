/* Faults: drawn, planned, healed. */
#include "tests/sim/faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/network.h"
#include "tests/sim/runner_fake.h"

#define CALM_US (8 * SIM_SECOND_US)    /* the cluster comes to life first */
#define RESTART_US_MIN 20000
#define RESTART_US_MAX (25 * SIM_SECOND_US)
#define PAUSE_US_MIN 10000
#define PAUSE_US_MAX (60 * SIM_SECOND_US)
#define CUT_US_MIN 200000
#define CUT_US_MAX (40 * SIM_SECOND_US)
#define SANE_OFFSET_MS 40     /* of every clock, from birth */
#define INSANE_OFFSET_MS 4000 /* of at most one clock at a time */
#define MEASURED_US (45 * SIM_SECOND_US) /* agents measure one another's clocks far oftener */

enum fault_kind {
	FAULT_LOSS,
	FAULT_DUP,
	FAULT_TAIL,   /* long delays, so much reordering */
	FAULT_BREAK,  /* streams break */
	FAULT_CUT,    /* both ways */
	FAULT_ONEWAY,
	FAULT_ISOLATE,
	FAULT_CRASH,  /* of agents, at any event */
	FAULT_REBOOT, /* of hosts */
	FAULT_PAUSE,
	FAULT_SLOW_DISK,
	FAULT_CLOCK,
	FAULT_RUNNER, /* the runner alone restarts */
	FAULT_KIND_COUNT
};

static const char *const fault_words[FAULT_KIND_COUNT] = {
	[FAULT_LOSS] = "loss",       [FAULT_DUP] = "dup",     [FAULT_TAIL] = "tail",       [FAULT_BREAK] = "break",
	[FAULT_CUT] = "cut",         [FAULT_ONEWAY] = "oneway", [FAULT_ISOLATE] = "isolate", [FAULT_CRASH] = "crash",
	[FAULT_REBOOT] = "reboot",   [FAULT_PAUSE] = "pause", [FAULT_SLOW_DISK] = "disk",  [FAULT_CLOCK] = "clock",
	[FAULT_RUNNER] = "runner",
};

/* A crash that waits for its moment. */
struct crash_plan {
	bool is_armed;
	enum fault_point point;
	uint32_t countdown;
};

struct faults {
	struct prng prng;
	bool is_on[FAULT_KIND_COUNT];
	bool is_healed;
	struct weather weather;
	int64_t interval_us; /* between faults, at most */
	struct crash_plan crash[SIM_HOSTS_MAX];
	int64_t slow_disk_until_us[SIM_HOSTS_MAX];
	int64_t sane_offset_ms[SIM_HOSTS_MAX];
	int64_t clock_quiet_until_us; /* what others measured of a clock that was insane is forgotten by then */
	uint64_t crash_count;
};

const struct weather *faults_weather(const struct world *world)
{
	return &world->faults->weather;
}

/* Between two powers of two: short ones are as likely as long ones. */
static int64_t draw_scale(struct prng *prng, int64_t from, int64_t to)
{
	int64_t size = from;
	uint32_t doublings = 0;
	while (size < to / 2) {
		size *= 2;
		doublings++;
	}
	size = from << prng_below(prng, doublings + 1);
	return draw_between(prng, size, size * 2 < to ? size * 2 : to);
}

int64_t faults_delay_us(struct world *world, struct prng *prng)
{
	const struct faults *faults = world->faults;
	if (!faults->is_healed && faults->is_on[FAULT_TAIL] && draw_chance(prng, 100))
		return draw_scale(prng, 5000, 8 * SIM_SECOND_US);
	return draw_between(prng, 80, 1500);
}

int64_t faults_commit_us(struct world *world, struct host *host)
{
	struct faults *faults = world->faults;
	if (!faults->is_healed && world->now_us < faults->slow_disk_until_us[host->index])
		return draw_scale(&faults->prng, 5000, 6 * SIM_SECOND_US);
	return draw_between(&faults->prng, 150, 4000);
}

int64_t faults_clock_error_ms(const struct world *world)
{
	(void)world;
	return SANE_OFFSET_MS;
}

bool faults_clock_is_sane(const struct world *world, const struct host *host)
{
	const struct faults *faults = world->faults;
	return host->wall_offset_ms == faults->sane_offset_ms[host->index] &&
	       world->now_us >= faults->clock_quiet_until_us;
}

/* ---- crashes ---- */

static void on_restart(struct world *world, struct sim_event *event)
{
	world_start_agent(world, event->host);
}

static void plan_restart(struct world *world, uint32_t host)
{
	struct faults *faults = world->faults;
	int64_t after_us = draw_scale(&faults->prng, RESTART_US_MIN, RESTART_US_MAX);
	(void)world_push(world, world->now_us + after_us, on_restart, host, 0, slice_of(NULL, 0));
}

bool faults_crash_now(struct world *world, struct host *host, enum fault_point point)
{
	struct faults *faults = world->faults;
	struct crash_plan *plan = &faults->crash[host->index];
	if (!plan->is_armed || faults->is_healed || plan->point != point)
		return false;
	if (plan->countdown > 0) {
		plan->countdown--;
		return false;
	}
	plan->is_armed = false;
	faults->crash_count++;
	plan_restart(world, host->index);
	return true;
}

static void on_exit_restart(struct world *world, struct sim_event *event)
{
	world_kill_agent(world, event->host);
	plan_restart(world, event->host);
}

void faults_on_exit(struct world *world, struct host *host, int code)
{
	if (code == 0)
		return;
	/* An agent that gives up is started again by its unit. */
	(void)world_push(world, world->now_us, on_exit_restart, host->index, host->life, slice_of(NULL, 0));
}

/* ---- one fault ---- */

static void on_boot(struct world *world, struct sim_event *event)
{
	world_boot_host(world, event->host);
	world_start_agent(world, event->host);
}

static void cut_host(struct world *world, uint32_t host, int64_t until_us)
{
	for (uint32_t i = 0; i < world->host_count; i++) {
		if (i == host)
			continue;
		network_cut(world, host, i, until_us);
		network_cut(world, i, host, until_us);
	}
}

/* At most one clock is insane, or was when it was last measured, so that the median of three is sane. A voter that is alone
 * in its set has nobody to tell it. */
static void move_clock(struct world *world, uint32_t index)
{
	struct faults *faults = world->faults;
	bool was_sane = true;
	for (uint32_t i = 0; i < world->host_count; i++) {
		was_sane = was_sane && world->hosts[i].wall_offset_ms == faults->sane_offset_ms[i];
		world->hosts[i].wall_offset_ms = faults->sane_offset_ms[i];
	}
	if (!was_sane)
		faults->clock_quiet_until_us = world->now_us + MEASURED_US;
	if (world->host_count < 3 || world->voter_count == 1 || world->now_us < faults->clock_quiet_until_us)
		return;
	world->hosts[index].wall_offset_ms = draw_between(&faults->prng, -INSANE_OFFSET_MS, INSANE_OFFSET_MS);
	world_trace(world, "%s  clock offset %lld ms", world->hosts[index].name,
		    (long long)world->hosts[index].wall_offset_ms);
}

/* Never cut short: what was put off until its end would come after what is new. */
static void pause_host(struct world *world, struct host *host, int64_t until_us)
{
	if (until_us > world->faults_end_us)
		until_us = world->faults_end_us;
	if (until_us > host->paused_until_us)
		host->paused_until_us = until_us;
}

static void make_fault(struct world *world, enum fault_kind kind)
{
	struct faults *faults = world->faults;
	struct prng *prng = &faults->prng;
	uint32_t index = (uint32_t)prng_below(prng, world->host_count);
	uint32_t other = (uint32_t)prng_below(prng, world->host_count);
	struct host *host = &world->hosts[index];
	int64_t cut_until_us = world->now_us + draw_scale(prng, CUT_US_MIN, CUT_US_MAX);
	world_trace(world, "%s  fault %s", host->name, fault_words[kind]);
	switch (kind) {
	case FAULT_BREAK:
		network_break(world, index, other);
		break;
	case FAULT_CUT:
		network_cut(world, index, other, cut_until_us);
		network_cut(world, other, index, cut_until_us);
		break;
	case FAULT_ONEWAY:
		network_cut(world, index, other, cut_until_us);
		break;
	case FAULT_ISOLATE:
		cut_host(world, index, cut_until_us);
		break;
	case FAULT_CRASH:
		faults->crash[index] = (struct crash_plan){.is_armed = true,
							   .point = (enum fault_point)prng_below(prng, FAULT_POINT_COUNT),
							   .countdown = (uint32_t)prng_below(prng, 25)};
		break;
	case FAULT_REBOOT:
		if (!host->is_host_up)
			break;
		faults->crash_count++;
		world_stop_host(world, index);
		(void)world_push(world, world->now_us + draw_scale(prng, SIM_SECOND_US, 40 * SIM_SECOND_US), on_boot,
				 index, 0, slice_of(NULL, 0));
		break;
	case FAULT_PAUSE:
		pause_host(world, host, world->now_us + draw_scale(prng, PAUSE_US_MIN, PAUSE_US_MAX));
		break;
	case FAULT_SLOW_DISK:
		faults->slow_disk_until_us[index] = world->now_us + draw_scale(prng, SIM_SECOND_US, 30 * SIM_SECOND_US);
		break;
	case FAULT_CLOCK:
		move_clock(world, index);
		break;
	case FAULT_RUNNER:
		runner_fake_restart(world, host);
		break;
	case FAULT_LOSS:
	case FAULT_DUP:
	case FAULT_TAIL:
	case FAULT_KIND_COUNT:
		break;
	}
}

static void heal(struct world *world)
{
	struct faults *faults = world->faults;
	world_trace(world, "--  all is healed");
	faults->is_healed = true;
	faults->weather = (struct weather){0};
	for (uint32_t i = 0; i < world->host_count; i++) {
		struct host *host = &world->hosts[i];
		if (host->wall_offset_ms != faults->sane_offset_ms[i])
			faults->clock_quiet_until_us = world->now_us + MEASURED_US;
		host->wall_offset_ms = faults->sane_offset_ms[i];
		world_boot_host(world, i);
		world_start_agent(world, i);
	}
	network_heal(world);
}

static void on_tick(struct world *world, struct sim_event *event)
{
	(void)event;
	struct faults *faults = world->faults;
	if (world->now_us >= world->faults_end_us) {
		heal(world);
		return;
	}
	uint32_t drawn = (uint32_t)prng_below(&faults->prng, FAULT_KIND_COUNT);
	for (uint32_t i = 0; i < FAULT_KIND_COUNT; i++) {
		enum fault_kind kind = (enum fault_kind)((drawn + i) % FAULT_KIND_COUNT);
		if (faults->is_on[kind] && kind > FAULT_TAIL) {
			make_fault(world, kind);
			break;
		}
	}
	int64_t next_us = world->now_us + draw_scale(&faults->prng, 100000, faults->interval_us);
	if (next_us > world->faults_end_us)
		next_us = world->faults_end_us;
	(void)world_push(world, next_us, on_tick, 0, 0, slice_of(NULL, 0));
}

/* ---- drawing ---- */

void faults_open(struct world *world)
{
	struct faults *faults = calloc(1, sizeof(*faults));
	if (faults == NULL)
		abort();
	world->faults = faults;
	prng_init(&faults->prng, world->options.seed * 13 + 3);
	uint64_t mix = prng_below(&faults->prng, 100);
	uint32_t kind_count = 0;
	if (mix >= 95)
		kind_count = FAULT_KIND_COUNT;
	else if (mix >= 70)
		kind_count = 4 + (uint32_t)prng_below(&faults->prng, 5);
	else if (mix >= 20)
		kind_count = 1 + (uint32_t)prng_below(&faults->prng, 3);
	for (uint32_t i = 0; i < kind_count; i++)
		faults->is_on[kind_count == FAULT_KIND_COUNT ? i : prng_below(&faults->prng, FAULT_KIND_COUNT)] = true;
	if (faults->is_on[FAULT_LOSS])
		faults->weather.loss_per_mille = (uint32_t)draw_between(&faults->prng, 5, 300);
	if (faults->is_on[FAULT_DUP])
		faults->weather.dup_per_mille = (uint32_t)draw_between(&faults->prng, 5, 200);
	if (faults->is_on[FAULT_BREAK])
		faults->weather.break_per_mille = (uint32_t)draw_between(&faults->prng, 1, 60);
	faults->interval_us = draw_between(&faults->prng, 1, 20) * SIM_SECOND_US;
	for (uint32_t i = 0; i < world->host_count; i++) {
		faults->sane_offset_ms[i] = draw_between(&faults->prng, -SANE_OFFSET_MS, SANE_OFFSET_MS);
		world->hosts[i].wall_offset_ms = faults->sane_offset_ms[i];
	}
	(void)world_push(world, CALM_US, on_tick, 0, 0, slice_of(NULL, 0));
}

void faults_close(struct world *world)
{
	free(world->faults);
}

void faults_describe(const struct world *world, struct sim_result *result)
{
	result->crash_count = world->faults->crash_count;
	result->faults[0] = '\0';
	for (uint32_t i = 0; i < FAULT_KIND_COUNT; i++) {
		if (!world->faults->is_on[i])
			continue;
		size_t used = strlen(result->faults);
		(void)snprintf(result->faults + used, sizeof(result->faults) - used, "%s%s", used > 0 ? "," : "",
			       fault_words[i]);
	}
}
