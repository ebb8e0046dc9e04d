/* From a job's definition and an order to what the launcher executes: words, environment, directory, umask. */
#ifndef AGENT_RUNNER_COMMAND_H
#define AGENT_RUNNER_COMMAND_H

#include <stdint.h>

#include "proto/buf.h"
#include "proto/definition.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/runner.h"

#define COMMAND_USER_BYTES_MAX 256u                   /* home and shell of the runner's own user */
#define COMMAND_WORDS_MAX (COMMAND_ARGS_MAX + 4u)     /* and "/bin/sh" "-c" */
#define COMMAND_VARIABLES_MAX (ENV_ENTRIES_MAX + 64u) /* the job's, SCHED_*, and the clean base */
/* Strings with their NULs: words and variables of the job, SCHED_*, base, directory. */
#define COMMAND_BYTES_MAX (DEFINITION_BYTES_MAX * 2u + RUNNER_ENVIRONMENT_BYTES_MAX + 16384u)

/* The user as whom jobs run: in this version the runner's own. */
struct command_user {
	char name[COMMAND_USER_BYTES_MAX];
	char home[COMMAND_USER_BYTES_MAX];
	char shell[COMMAND_USER_BYTES_MAX];
	uint64_t files_soft; /* as in struct command_head */
};

/* Looks the process's own user up, and its limit of open files; a user without an entry gets its number as name and "/" as home. */
void command_user_init(struct command_user *user);

/* What the launcher reads: this head, then the strings, each with its NUL: directory, words, variables. Both ends
 * are the same program, so it is never seen by another version. */
struct command_head {
	int64_t start_mono_us;
	uint32_t word_count;
	uint32_t variable_count;
	uint32_t umask;
	uint32_t bytes; /* of the strings */
	uint64_t files_soft; /* limit of open files that the runner was started with; its own is higher */
};

/* Appends head and strings to `out`. Variables in rising order of precedence: clean base, the job's own, SCHED_*;
 * SCHED_RUN is always there. ERR_INVALID, ERR_FULL: with the reason in *problem. */
MUST_CHECK enum err command_put(struct buf *out, const struct definition *definition,
				const struct runner_order *order, const struct command_user *user,
				struct problem *problem);

#endif
