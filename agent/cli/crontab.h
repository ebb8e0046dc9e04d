/* Crontabs, read by cronie's rules: lines to variables and entries. No schedule is looked into here (that is
 * agent/core/schedule.h), nothing is printed, no file is read. */
#ifndef AGENT_CLI_CRONTAB_H
#define AGENT_CLI_CRONTAB_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/cli/growing.h"
#include "proto/err.h"
#include "proto/types.h"

#define CRONTAB_BYTES_MAX (1u << 20)     /* a crontab; the longest seen have some 100 KiB */
#define CRONTAB_VARIABLES_MAX 128u       /* in force at once */
#define CRONTAB_COMMENT_BYTES_MAX 16384u /* lines of comment in front of one entry */

enum crontab_form {
	CRONTAB_USER,  /* five fields or a macro, command */
	CRONTAB_SYSTEM /* ..., user, command: /etc/crontab and /etc/cron.d */
};

struct crontab_variable {
	char *name;
	char *value;
	uint32_t line;
};

/* One entry; everything is borrowed during the callback. */
struct crontab_entry {
	uint32_t line;         /* from 1 */
	uint32_t column;       /* of the first field, from 1, in bytes */
	struct slice whole;    /* the line as it stands */
	struct slice schedule; /* "*\/5 * * * *" as written, or "@daily" */
	struct slice user;     /* SYSTEM only */
	struct slice command;  /* with % and backslashes as cron hands it to the shell */
	struct slice input;    /* what follows the first %; empty: none */
	struct slice comment;  /* lines above it, without # and joined by newlines; may be empty */
	bool is_quiet;         /* "-" in front: cronie does not log it */
	const struct crontab_variable *variables; /* in force for it, in the order of the file */
	size_t variable_count;
};

struct crontab_reader {
	enum crontab_form form;
	void *context;
	void (*on_entry)(void *context, const struct crontab_entry *entry);
	/* A line that is neither comment, variable nor entry; cron would ignore the whole file. */
	void (*on_bad_line)(void *context, uint32_t line, uint32_t column, struct slice whole,
			    const char *reason);
};

/* ERR_FULL: above CRONTAB_VARIABLES_MAX or CRONTAB_BYTES_MAX. */
MUST_CHECK enum err crontab_read(struct slice text, const struct crontab_reader *reader,
				 struct problem *problem);

/* What the form probably is: SYSTEM if a comment names the columns with "user", or if the sixth field of every
 * entry is a word that `is_account` knows (and, where all of them could be commands too, one is root). */
enum crontab_form crontab_guess_form(struct slice text, bool (*is_account)(const char *name),
				     bool (*is_command)(const char *name));

/* A job's name made of a command: what is run, without wrappers, paths and tests, as letters that a name may
 * have. At most NAME_PART_BYTES_MAX, never empty ("job"). */
void crontab_name_of(struct slice command, char *ret_name, size_t name_bytes);

/* True for comments that explain the columns, or are entries switched off. */
bool crontab_is_legend(struct slice comment_line);

#endif
