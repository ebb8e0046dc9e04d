/* Errors of files, told all at once: "file:line:column: why", the line, a caret. */
#ifndef AGENT_CLI_FILE_ERROR_H
#define AGENT_CLI_FILE_ERROR_H

#include <stdint.h>

#include "agent/cli/cli.h"
#include "agent/cli/growing.h"
#include "proto/types.h"

#define FILE_ERRORS_MAX 20u /* more are counted, not told */

struct file_errors {
	struct growing text;
	uint64_t count;
};

/* `message` already begins with "file:line:column: "; `hint` may be NULL or empty. `source` is the file's text, for the line; line 0: none. */
void file_errors_add(struct file_errors *errors, const char *message, const char *hint,
		     struct slice source, uint32_t line, uint32_t column);
/* Tells them as one error; `code` is its word in JSON. Returns the exit code. */
int file_errors_tell(struct cli *cli, const struct file_errors *errors, const char *code, int exit_code);
void file_errors_close(struct file_errors *errors);

#endif
