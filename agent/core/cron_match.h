/* The local times that match an expression: first, last and how many in a stretch of local seconds
 * (civil.h). Zones are not known here. */
#ifndef AGENT_CORE_CRON_MATCH_H
#define AGENT_CORE_CRON_MATCH_H

#include <stdint.h>

#include "agent/core/cron.h"

#define CRON_NONE INT64_MAX

/* The first matching local second in [from_s, end_s), or CRON_NONE. Skips by month, day, hour and
 * minute, never by second. Requires: years of from_s and end_s within -30,000 to 30,000. */
int64_t cron_first(const struct cron *cron, int64_t from_s, int64_t end_s);

/* The last matching local second in [from_s, end_s), or CRON_NONE. */
int64_t cron_last(const struct cron *cron, int64_t from_s, int64_t end_s);

/* How many local seconds in [from_s, end_s) match; counted by months, not one by one. */
uint64_t cron_count(const struct cron *cron, int64_t from_s, int64_t end_s);

#endif
