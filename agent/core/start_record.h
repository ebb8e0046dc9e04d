/* The executor's own records of what it started, released or saw end, and the floors below which it keeps none
 * They live in the voting environment: a synced start record comes before
 * every spawn. */
#ifndef AGENT_CORE_START_RECORD_H
#define AGENT_CORE_START_RECORD_H

#include "proto/store_view.h"
#include "proto/types.h"

/* Values are stable: they are on disk. */
enum start_state { START_NONE = 0, START_STARTED = 'S', START_RELEASED = 'R', START_ENDED = 'E' };

enum start_state start_record_get(const struct store_view *store, const struct run_key *run);
void start_record_put(const struct store_view *store, const struct run_key *run, enum start_state state);
/* Removes the record and raises the job's floor to the run, so that it can never be started for want of a record. */
void start_record_drop(const struct store_view *store, const struct run_key *run);
/* True if the run lies at or below the job's floor. */
bool start_record_is_below_floor(const struct store_view *store, const struct run_key *run);
/* One record of the table; false: a floor, or not readable. */
bool start_record_load(struct slice key, struct slice value, struct run_key *ret_run, enum start_state *ret_state);

#endif
