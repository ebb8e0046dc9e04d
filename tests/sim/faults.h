/* What goes wrong: drawn per seed which kinds are on and how strong (many seeds with few kinds find more than all kinds
 * always). After world->faults_end_us everything is healed and stays so. */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include "tests/sim/world.h"

/* Where an agent may die. */
enum fault_point {
	FAULT_POINT_BEFORE_STEP,
	FAULT_POINT_AFTER_STEP,    /* nothing of the step was kept or said */
	FAULT_POINT_BEFORE_COMMIT, /* issued; a draw says whether it reached the disk */
	FAULT_POINT_AFTER_COMMIT,  /* durable, but nothing was said */
	FAULT_POINT_BETWEEN_SENDS,
	FAULT_POINT_COUNT
};

struct weather {
	uint32_t loss_per_mille;
	uint32_t dup_per_mille;
	uint32_t break_per_mille; /* of streams, per frame */
};

void faults_open(struct world *world);
void faults_close(struct world *world);
const struct weather *faults_weather(const struct world *world);
/* One way through the network. */
int64_t faults_delay_us(struct world *world, struct prng *prng);
/* How long a commit takes. */
int64_t faults_commit_us(struct world *world, struct host *host);
/* True if the agent dies here and now; it is then started again after a while. */
bool faults_crash_now(struct world *world, struct host *host, enum fault_point point);
/* The agent ended by itself. */
void faults_on_exit(struct world *world, struct host *host, int code);
/* False while its clock is far off, and until that is forgotten. */
bool faults_clock_is_sane(const struct world *world, const struct host *host);
/* How far the clocks of a sane majority may be off the truth, ms. */
int64_t faults_clock_error_ms(const struct world *world);
void faults_describe(const struct world *world, struct sim_result *result);

#endif
