/* Times as people write them on a command line. */
#ifndef AGENT_CLI_WHEN_H
#define AGENT_CLI_WHEN_H

#include <stdint.h>

#include "agent/core/zone.h"
#include "proto/err.h"
#include "proto/types.h"

/* Takes, with local times in `zone` (NULL: UTC) and a gap or fold resolved by zone_instant:
 *
 *   2025-03-30T02:30:00Z        RFC 3339 with zone
 *   2025-03-30 02:30[:00]       a local time (also with T); 2025-03-30 alone is its midnight
 *   today|tomorrow|yesterday [02:30[:00]]
 *   02:30[:00]                  the next such local time after now
 *   +5m                         from now
 *   now
 *
 * ERR_INVALID: none of these; ERR_RANGE: a field, or a year outside YEAR_MIN to YEAR_MAX. */
MUST_CHECK enum err when_parse(struct slice text, int64_t now_ms, const struct zone *zone,
			       int64_t *ret_utc_ms, struct problem *problem);

/* The same for looking back (--since): a bare clock time is the last one before now, and a bare duration
 * ("2h", "-2h") is ago. */
MUST_CHECK enum err when_parse_past(struct slice text, int64_t now_ms, const struct zone *zone,
				    int64_t *ret_utc_ms, struct problem *problem);

/* "2025-03-30T03:00:00+02:00": an instant as the zone's clock shows it. */
#define WHEN_LOCAL_BYTES 40u
void when_format_local(int64_t utc_ms, const struct zone *zone, char ret_text[WHEN_LOCAL_BYTES]);

#endif
