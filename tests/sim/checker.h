/* The judge. It looks from outside, at what is durable, what leaves, what was answered and what was started; never at
 * what agents believe. Names of checks are those of docs/SIMULATION.md:
 *
 *   C1   a run starts at most once, and no two attempts of a fire start
 *   C2   before a start a majority's images hold the claim, and the executor's its start record
 *   C3   votes only move on, one value to a ballot, decided changes and acknowledged ones survive
 *   C5   after an acknowledged pause, edit or removal nothing starts but what the answer listed
 *   C6   nothing is voted for, or started, long before it is due
 *   C7   overlap=forbid: no two open runs in a decided cursor
 *   C9   each due fire ends in one verdict, which fits what happened
 *   C11  in the end all agents have the same definitions
 *   C12  nothing was said that a synced image does not cover
 *   C13  no agent spins
 *   C14  the same seed gives the same trace (main.c) */
#ifndef TESTS_SIM_CHECKER_H
#define TESTS_SIM_CHECKER_H

#include "proto/runner.h"
#include "tests/sim/operator.h"
#include "tests/sim/world.h"

void checker_open(struct world *world);
void checker_close(struct world *world);

/* A commit becomes durable: before it is applied, and after. */
void checker_before_commit(struct world *world, struct host *host, const struct store_batch *batch);
void checker_on_commit(struct world *world, struct host *host, const struct store_batch *batch);
/* A frame between agents leaves. */
void checker_on_frame(struct world *world, struct host *from, uint32_t to, struct slice bytes);
void checker_on_agent_start(struct world *world, struct host *host);

/* The truth, as runners make it. */
void checker_on_prepare(struct world *world, struct host *host, const struct run_key *run);
void checker_on_process_start(struct world *world, struct host *host, const struct run_key *run);
void checker_on_process_end(struct world *world, struct host *host, const struct run_key *run, int exit_code,
			    enum runner_cause cause);

/* An agent said that it is done. */
void checker_on_answer(struct world *world, struct host *host, enum operator_verb verb, const struct operator_job *job,
		       struct slice body);

void checker_at_end(struct world *world);
void checker_count(const struct world *world, struct sim_result *result);

#endif
