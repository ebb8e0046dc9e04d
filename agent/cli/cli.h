/* What all commands share: the global options, how errors are told, and how an agent is asked. */
#ifndef AGENT_CLI_CLI_H
#define AGENT_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/cli/arguments.h"
#include "agent/cli/client.h"
#include "agent/cli/growing.h"
#include "proto/buf.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/types.h"
#include "proto/wire.h"

#define CLI_SOCKET_DEFAULT "/var/lib/peersched/schedd.sock"
#define CLI_DEADLINE_MS_DEFAULT 10000
#define CLI_CALL_BYTES_MAX (DEFINITION_BYTES_MAX + 16384u) /* a definition, and words beside it */
#define CLI_NODE_NAMES_BYTES_MAX 4096u

enum output_form { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_JSON_DOCUMENT };

struct cli {
	struct arguments arguments;
	enum output_form form;
	const char *socket_path;
	int64_t deadline_ms; /* how long the agent may take for an answer */
	bool is_deadline_given;
	bool is_verbose;
	bool is_terminal;                          /* stdout */
	char request_id[REQUEST_ID_BYTES_MAX + 1]; /* empty: the command changes nothing */
	struct client *client;                     /* NULL until the first call */
	char node[NODE_NAME_BYTES_MAX + 1];        /* the agent's name, asked for documents only */
	uint64_t hello_seq;                        /* of that question; 0: not asked */
	bool has_failed;                           /* an error was told: nothing more on stdout */
	struct growing end;                        /* body of the last END */
	struct growing args_bytes;
	struct buf args; /* of the request that is being built */
	struct wire_map args_map;
};

/* ---- errors: on stderr, in the form that was asked for. All return the exit code. ---- */
int cli_error(struct cli *cli, const char *code, int exit_code, const char *message, const char *hint);
int cli_problem(struct cli *cli, const struct problem *problem);
int cli_refuse(struct cli *cli, enum err code, const char *hint, const char *format, ...)
	PRINTF_LIKE(4, 5);
/* A line beside the answer ("schedctl: ..."), on stderr. */
void cli_note(const struct cli *cli, const char *format, ...) PRINTF_LIKE(2, 3);
/* Says which agents did not answer; 0, or EXIT_ANSWER_IS_NO if the answer is partial. */
int cli_note_missing(const struct cli *cli, struct slice end);

/* ---- requests ---- */

/* Begins the arguments of a request; then wire_map_... on (&cli->args_map, &cli->args). For a command that
 * changes something, --id (or one made here) and --reason are put in. */
void cli_args_begin(struct cli *cli);
/* Puts the text in unless it is NULL. */
void cli_args_text(struct cli *cli, const char *key, const char *text);

typedef void (*cli_on_row)(void *context, struct slice row);

/* What a request wants beyond its end. */
struct cli_call {
	const char *verb;
	cli_on_row on_row;      /* may be NULL */
	cli_on_row on_progress; /* may be NULL */
	void *context;
	int64_t wait_ms;         /* added to the deadline; INT64_MAX: waits for ever */
	const char *waiting_for; /* what the progress line says; NULL: none */
	/* It only reads: if the agent that was to answer went away, it is asked again until the deadline. */
	bool is_asked_again;
};

/* Sends the request that was built and takes its rows until the end, whose body is *ret_end (borrowed
 * until the next call). Returns 0, or the exit code of an error that was told. */
MUST_CHECK int cli_call(struct cli *cli, const struct cli_call *call, struct slice *ret_end);

/* For commands that keep several requests in flight: sends the one that was built, takes the next reply to any of
 * them. 0, or the exit code of an error that was told. */
MUST_CHECK int cli_send(struct cli *cli, const char *verb, uint64_t *ret_seq);
MUST_CHECK int cli_receive(struct cli *cli, struct reply *ret_reply);
/* The exit code that an ERROR's body asks for. */
int cli_error_exit(struct slice body);

/* Writes to stdout; a reader that went away ends the program quietly, another fault is told. */
void cli_write(struct cli *cli, struct slice bytes);
/* One object in the JSON forms: a line, or a document of one item. */
void cli_write_object(struct cli *cli, const char *kind, struct slice row);

/* True if the act may go on: --yes, or a terminal whose user answered y. Otherwise *ret_exit is set. */
bool cli_consent(struct cli *cli, const char *question, int *ret_exit);

/* A text field, or the fallback if it is nil, absent, or not a text. NUL-terminated copy in ret_text. */
const char *cli_field(struct slice row, const char *key, const char *fallback, char *ret_text,
		      size_t text_bytes);

#endif
