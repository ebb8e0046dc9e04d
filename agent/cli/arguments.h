/* The words of the command line, taken apart by the command table. Values are checked here, so that the getters
 * cannot fail. */
#ifndef AGENT_CLI_ARGUMENTS_H
#define AGENT_CLI_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/cli/command.h"
#include "proto/definition.h"
#include "proto/err.h"

#define ARGUMENT_FLAGS_MAX 128u
#define ARGUMENT_KEYS_MAX 256u

struct argument {
	const struct flag *flag;
	const char *text; /* NULL for a switch */
	int64_t number;   /* of a duration in ms, or of a number */
};

/* A key of a job given as a flag: --start-deadline 5m is start_deadline. */
struct argument_key {
	enum definition_key_id id;
	const char *text; /* "true" for a switch without a value */
};

struct arguments {
	const struct command *command; /* NULL: none given */
	struct argument flags[ARGUMENT_FLAGS_MAX];
	size_t flag_count;
	struct argument_key keys[ARGUMENT_KEYS_MAX];
	size_t key_count;
	const char *operands[OPERANDS_ANY];
	size_t operand_count;
	char *const *rest; /* words after -- */
	size_t rest_count;
	bool has_rest;
};

/* `words` are argv without the program's name, borrowed as long as ret_arguments is used. On an error what was
 * recognised so far is in ret_arguments (the form of errors depends on --json). The operands of a line that
 * asks for --help are not counted. */
MUST_CHECK enum err arguments_parse(char *const *words, size_t word_count,
				    struct arguments *ret_arguments, struct problem *problem);

/* The last one given, or NULL. Requires: the name is a flag of the command. */
const struct argument *arguments_flag(const struct arguments *arguments, const char *name);
bool arguments_has(const struct arguments *arguments, const char *name);
/* NULL if not given. */
const char *arguments_text(const struct arguments *arguments, const char *name);
int64_t arguments_number(const struct arguments *arguments, const char *name, int64_t fallback);

/* Up to three of `words` that are near to `word`: "ls, rm"; empty if none is. */
void suggest_words(const char *word, const char *const *words, size_t word_count, char *ret_text,
		   size_t text_bytes);

#endif
