/* Between executor.c (armed, looked at, prepared) and executor_runner.c (started, ended). */
#ifndef AGENT_CORE_EXECUTOR_H
#define AGENT_CORE_EXECUTOR_H

#include "agent/core/state.h"

/* A new state of an own run: told to every member of the set, again and again until a majority has acknowledged. */
void executor_set_state(struct node *node, uint32_t run, enum run_state state);

/* The run is over: RUN_ENDED or RUN_RELEASED, with the verdict that is in its record. Recorded, then told. */
void executor_over(struct node *node, uint32_t run, enum run_state state);

#endif
