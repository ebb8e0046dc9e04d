/* What the command line checks of a definition before it asks an agent: the agent checks the same again. */
#ifndef AGENT_CLI_JOB_CHECK_H
#define AGENT_CLI_JOB_CHECK_H

#include "agent/io/zonefile.h"
#include "proto/definition.h"
#include "proto/err.h"
#include "proto/types.h"

/* Decodes, and checks the schedule's text, the zone and the number of fires a day. On an error of one key
 * *ret_path names it ("cron"), else it is "". Errors: those of definition_decode; ERR_INVALID, ERR_RANGE and
 * ERR_UNSUPPORTED of the schedule; ERR_INVALID an unknown zone; ERR_FULL too many fires without `often`. */
MUST_CHECK enum err job_check(struct slice bytes, struct zonefile *zonefile, const char **ret_path,
			      struct problem *problem);

#endif
