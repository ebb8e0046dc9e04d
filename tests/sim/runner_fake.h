/* schedd-runner of one host, without processes: it outlives the agent, and each start is an entry of the truth. */
#ifndef TESTS_SIM_RUNNER_FAKE_H
#define TESTS_SIM_RUNNER_FAKE_H

#include "proto/runner.h"
#include "tests/sim/world.h"

void runner_fake_open(struct world *world, struct host *host);
void runner_fake_close(struct host *host);
/* The agent has started: it connects in a moment. */
void runner_fake_connect(struct world *world, struct host *host);
/* An order leaves the agent. Its texts are not looked at. */
void runner_fake_order(struct world *world, struct host *host, const struct runner_order *order);
/* Power fails: all processes end; of the runs only the ends in the journal are left. */
void runner_fake_on_host_down(struct world *world, struct host *host);
void runner_fake_on_host_up(struct world *world, struct host *host);
/* The runner alone dies and is back after a moment: processes go on, launchers that waited are gone. */
void runner_fake_restart(struct world *world, struct host *host);

#endif
