/* What the runner knows of runs: those it holds, and those it said it does not know (fences). In memory and in the
 * journal, which the ledger rewrites when it is full. */
#ifndef AGENT_RUNNER_LEDGER_H
#define AGENT_RUNNER_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/runner/journal.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/types.h"

struct run;
struct runner;

struct fence {
	struct run_key key;
	bool is_unsaid; /* UNKNOWN follows the journal's sync */
};

struct ledger {
	struct runner *runner;
	struct journal journal;
	struct run *runs; /* newest first */
	size_t run_count;
	struct fence *fences; /* oldest first */
	size_t fence_count;
	size_t fence_count_max;   /* allocated */
	struct id128 replay_boot; /* of the records being replayed */
	bool is_replayed; /* until then nothing is appended: the rewriting at its end holds all */
};

/* Replays the journal of `directory` and adopts or ends what it holds. */
MUST_CHECK enum err ledger_init(struct ledger *ledger, struct runner *runner, int directory,
				struct problem *problem);
void ledger_close(struct ledger *ledger);

struct run *ledger_find(const struct ledger *ledger, const struct run_key *key);
/* ERR_FULL: RUNNER_RUNS_MAX are held. */
MUST_CHECK enum err ledger_add(struct ledger *ledger, struct run *run);
/* Takes out and frees the runs that are forgotten and of which nothing is open. */
void ledger_sweep(struct ledger *ledger);

bool ledger_is_fenced(const struct ledger *ledger, const struct run_key *key);
/* Fences it and owes the answer UNKNOWN. When RUNNER_FENCES_MAX are there, the oldest goes, with a warning. */
MUST_CHECK enum err ledger_fence(struct ledger *ledger, const struct run_key *key);
void ledger_unfence(struct ledger *ledger, const struct run_key *key);

/* Appends, after a rewriting if the journal is full. */
MUST_CHECK enum err ledger_put(struct ledger *ledger, const struct journal_record *record);
/* Records of one run, as the journal takes them. */
void ledger_record_prepared(const struct run *run, struct journal_record *ret_record);
void ledger_record_started(const struct run *run, struct journal_record *ret_record);
void ledger_record_ended(const struct run *run, struct journal_record *ret_record);
/* Rewrites now if it is three quarters full: at a moment when nobody waits for it. */
void ledger_tidy(struct ledger *ledger);

#endif
