/* What import makes of one entry of a crontab. */
#ifndef AGENT_CLI_IMPORT_H
#define AGENT_CLI_IMPORT_H

#include "agent/cli/crontab.h"
#include "agent/cli/growing.h"
#include "agent/core/schedule.h"
#include "agent/io/zonefile.h"
#include "proto/buf.h"
#include "proto/err.h"

/* Words about what cannot be carried or may surprise. What holds for more than its line (a variable) comes
 * again with each entry, and is news only once. */
typedef void (*import_on_note)(void *context, uint32_t line, bool is_of_line, const char *text);

struct import_options {
	struct zonefile *zonefile;
	const char *zone_name; /* that the file's cron runs in */
	const char *group;     /* NULL: default */
	const char *user;      /* whose crontab it is; NULL: not said, or the file says it */
	int64_t now_ms;        /* surprises are looked for in the year after it */
	import_on_note on_note;
	void *context;
};

/* Makes the definition of an entry, but for its name: `definition` is begun and holds all other keys.
 * Errors are those of the schedule (ERR_UNSUPPORTED: known, not carried) and of the definition. */
MUST_CHECK enum err import_entry(const struct import_options *options,
				 const struct crontab_entry *entry, struct buf *definition,
				 struct schedule *ret_schedule, struct problem *problem);

#endif
