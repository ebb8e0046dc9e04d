/* What the commands on jobs share. */
#ifndef AGENT_CLI_JOB_H
#define AGENT_CLI_JOB_H

#include "agent/cli/cli.h"
#include "agent/cli/growing.h"
#include "proto/types.h"

/* An array of times (ms UTC) or of texts of a row, as one line; nothing if it is absent. */
void job_put_times(struct slice row, const char *key, struct growing *out);
void job_put_texts(struct slice row, const char *key, const char *between, struct growing *out);

/* What became of a job.put: "added NAME, version 1: every 5 minutes", and the next fires. */
void job_tell_put(struct cli *cli, const char *done, struct slice end);

#endif
