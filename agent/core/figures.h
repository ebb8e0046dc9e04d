/* Figures of the last minute, for status: of one node's own runs, or of all that a voter hears of. */
#ifndef AGENT_CORE_FIGURES_H
#define AGENT_CORE_FIGURES_H

#include "agent/core/state.h"

/* Times are of the boot-time clock. */
void figures_count_start(struct figures *figures, int64_t now_us, int64_t lateness_us);
/* Failed counts what ran and did not end well: failed, timeout, killed, lost. */
void figures_count_end(struct figures *figures, int64_t now_us, enum verdict verdict);

struct figures_minute {
	uint32_t started; /* in the last FIGURE_SECONDS seconds, the running one included */
	uint32_t failed;
	uint32_t missed;
	int64_t lag_p50_us; /* of the last FIGURE_LAGS starts; -1: there was none */
	int64_t lag_p99_us;
};
/* Moves the columns on, hence not const. */
struct figures_minute figures_of_minute(struct figures *figures, int64_t now_us);

#endif
