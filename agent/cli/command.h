/* The commands of schedctl: one table, from which parsing, --help, `help` and suggestions are made. */
#ifndef AGENT_CLI_COMMAND_H
#define AGENT_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

struct cli;

enum exit_code {
	EXIT_DONE = 0,
	EXIT_ANSWER_IS_NO = 1, /* done, but: the run ended badly, differences were found, the answer is partial */
	EXIT_BAD_INPUT = 2,
	EXIT_NOT_FOUND = 3,
	EXIT_NOT_ALLOWED = 4,
	EXIT_CONFLICT = 5,
	EXIT_NO_MAJORITY = 6,
	EXIT_NO_ANSWER = 7
};

enum flag_type {
	FLAG_SWITCH,
	FLAG_TEXT,
	FLAG_DURATION, /* "90s", at least 1 ms */
	FLAG_NUMBER,   /* 1 to 1,000,000 */
	FLAG_FORM,     /* --json or --json=doc */
	FLAG_LATER     /* known from the plans, refused: not built in this version */
};

struct flag {
	const char *name; /* without the dashes; NULL ends a list */
	char letter;      /* 0: none */
	enum flag_type type;
	const char *value; /* what the help calls the value; NULL for switches */
	const char *help;  /* NULL: not shown */
};

enum command_task { TASK_SEE, TASK_CHANGE, TASK_WATCH, TASK_FIX, TASK_OTHER, TASK_COUNT };

#define COMMAND_LISTS 0x01u   /* takes --columns --limit --after --watch */
#define COMMAND_CHANGES 0x02u /* takes --id --reason --yes */
#define COMMAND_KEYS 0x04u    /* takes the keys of a job as flags */
#define COMMAND_REST 0x08u    /* takes words after -- */
#define COMMAND_OFFLINE 0x10u /* needs no agent */

#define COMMAND_EXAMPLES_MAX 3u
#define OPERANDS_ANY 64u

struct command {
	const char *name; /* "job add" */
	enum command_task task;
	unsigned traits;
	unsigned operand_min, operand_max;
	const char *usage;   /* what follows the name */
	const char *summary; /* one line */
	const char *text;    /* the rest of the page; may be NULL */
	const struct flag *flags;
	const char *examples[COMMAND_EXAMPLES_MAX];
	const char *exits; /* digits of the exit codes it can give */
	int (*run)(struct cli *cli);
};

/* All commands, in the order of the help. */
extern const struct command commands[];
extern const size_t command_count;

/* Flags of every command, of those that list, of those that change something. */
extern const struct flag flags_global[];
extern const struct flag flags_listing[];
extern const struct flag flags_changing[];

/* Names of commands that are planned and not built ("job edit"); NULL ends the list. */
extern const char *const commands_later[];

const struct command *command_find(const char *name);
/* True for the first word of a command of two words ("job"). */
bool command_is_noun(const char *word);
/* The flag by its name, or by its letter (name NULL), among all that `command` takes; NULL: unknown. A NULL
 * command: the global ones only. */
const struct flag *command_flag(const struct command *command, const char *name, char letter);

/* One function for each command; the file is named after the noun. */
int command_job_add(struct cli *cli);
int command_job_ls(struct cli *cli);
int command_job_show(struct cli *cli);
int command_job_rm(struct cli *cli);
int command_job_pause(struct cli *cli);
int command_job_resume(struct cli *cli);
int command_job_enable(struct cli *cli);
int command_job_disable(struct cli *cli);
int command_run(struct cli *cli);
int command_runs(struct cli *cli);
int command_wait(struct cli *cli);
int command_kill(struct cli *cli);
int command_cancel(struct cli *cli);
int command_logs(struct cli *cli);
int command_node_ls(struct cli *cli);
int command_status(struct cli *cli);
int command_next(struct cli *cli);
int command_import(struct cli *cli);
int command_apply(struct cli *cli);
int command_key_new(struct cli *cli);
int command_help(struct cli *cli);
int command_version(struct cli *cli);

#endif
