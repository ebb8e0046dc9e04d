/* What all commands share. */
#include "agent/cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/cli/json.h"
#include "proto/text.h"

#define MESSAGE_BYTES_MAX 1024u
#define PROGRESS_AFTER_MS 300
#define AGAIN_AFTER_MS 200
#define PROGRESS_EVERY_MS 1000

/* ---- errors ---- */

/* The agent says what it refuses ("wait: the run goes on"); behind the name of that command once is enough. */
static const char *without_command(const char *message, const struct command *command)
{
	const char *blank = strrchr(command->name, ' ');
	const char *verb = blank == NULL ? command->name : blank + 1;
	size_t bytes = strlen(verb);
	if (strncmp(message, verb, bytes) != 0 || strncmp(message + bytes, ": ", 2) != 0)
		return message;
	return message + bytes + 2;
}

int cli_error(struct cli *cli, const char *code, int exit_code, const char *message, const char *hint)
{
	const struct command *command = cli->arguments.command;
	struct growing out = {0};
	cli->has_failed = true;
	if (cli->form != OUTPUT_TEXT) {
		json_put_error(&out, code, exit_code, message, hint, cli->request_id);
	} else {
		growing_text(&out, "schedctl: ");
		if (command != NULL) {
			growing_format(&out, "%s: ", command->name);
			message = without_command(message, command);
		}
		/* Several lines (a file's errors with their carets) are kept; all else that controls is shown. */
		for (const char *line = message; line != NULL;) {
			const char *end = strchr(line, '\n');
			size_t bytes = end == NULL ? strlen(line) : (size_t)(end - line);
			growing_escaped(&out, slice_of(line, bytes));
			growing_put(&out, "\n", 1);
			line = end == NULL ? NULL : end + 1;
		}
		if (cli->is_verbose && command != NULL && !(command->traits & COMMAND_OFFLINE))
			growing_format(
				&out, "asked: %s%s%s\n", cli->socket_path,
				cli->request_id[0] == '\0' ? "" : "; request id: ", cli->request_id);
		if (hint != NULL && hint[0] != '\0') {
			growing_text(&out, "hint: ");
			growing_escaped(&out, slice_str(hint));
			growing_put(&out, "\n", 1);
		}
	}
	(void)fwrite(growing_string(&out), 1, out.bytes, stderr);
	growing_close(&out);
	return exit_code;
}

int cli_problem(struct cli *cli, const struct problem *problem)
{
	char hint[PROBLEM_HINT_BYTES_MAX + REQUEST_ID_BYTES_MAX + 64];
	(void)snprintf(hint, sizeof(hint), "%s", problem->hint);
	bool is_unknown = problem->code == ERR_TIMEOUT || problem->code == ERR_NO_MAJORITY ||
			  problem->code == ERR_CLOSED;
	if (is_unknown && cli->client != NULL && cli->request_id[0] != '\0' && hint[0] == '\0')
		(void)snprintf(hint, sizeof(hint),
			       "whether it took effect is not known; the same again is safe with --id %s",
			       cli->request_id);
	return cli_error(cli, err_word(problem->code), err_exit_code(problem->code), problem->text,
			 hint);
}

int cli_refuse(struct cli *cli, enum err code, const char *hint, const char *format, ...)
{
	char message[MESSAGE_BYTES_MAX];
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	return cli_error(cli, err_word(code), err_exit_code(code), message, hint);
}

void cli_note(const struct cli *cli, const char *format, ...)
{
	(void)cli;
	char message[MESSAGE_BYTES_MAX], shown[MESSAGE_BYTES_MAX * 3];
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	text_escape(slice_str(message), shown, sizeof(shown));
	(void)fprintf(stderr, "schedctl: %s\n", shown);
}

int cli_note_missing(const struct cli *cli, struct slice end)
{
	if (wire_map_find_bool(end, "complete", true))
		return EXIT_DONE;
	char names[CLI_NODE_NAMES_BYTES_MAX] = "";
	struct wire_reader missing;
	if (wire_map_find(end, "missing", &missing)) {
		uint32_t count = wire_get_array(&missing, MEMBERS_MAX);
		for (uint32_t i = 0; i < count; i++) {
			struct slice name = wire_get_str(&missing, NODE_NAME_BYTES_MAX);
			size_t used = strlen(names);
			(void)snprintf(names + used, sizeof(names) - used, "%s%.*s",
				       used == 0 ? "" : ", ", (int)name.bytes, (const char *)name.data);
		}
	}
	cli_note(cli, "the answer is not complete; no answer from: %s",
		 names[0] == '\0' ? "some agents" : names);
	return EXIT_ANSWER_IS_NO;
}

/* ---- requests ---- */

void cli_args_begin(struct cli *cli)
{
	if (cli->args_bytes.bytes == 0)
		growing_repeat(&cli->args_bytes, '\0', CLI_CALL_BYTES_MAX);
	buf_init(&cli->args, cli->args_bytes.data, CLI_CALL_BYTES_MAX);
	cli->args_map = wire_map_begin(&cli->args);
	const struct command *command = cli->arguments.command;
	if (command != NULL && (command->traits & COMMAND_CHANGES)) {
		cli_args_text(cli, "id", cli->request_id);
		cli_args_text(cli, "reason", arguments_text(&cli->arguments, "reason"));
	}
}

void cli_args_text(struct cli *cli, const char *key, const char *text)
{
	if (text != NULL)
		wire_map_text(&cli->args_map, &cli->args, key, text);
}

static int64_t after_ms(int64_t span_ms)
{
	return span_ms == INT64_MAX ? INT64_MAX : client_now_ms() + span_ms;
}

/* The deadline is for the agent's answer; what the command itself waits for is added to it. */
static int64_t call_span_ms(const struct cli *cli, const struct cli_call *call)
{
	if (call->wait_ms == INT64_MAX)
		return INT64_MAX;
	return cli->deadline_ms + call->wait_ms;
}

int cli_error_exit(struct slice body)
{
	int64_t exit_code = wire_map_find_i64(body, "exit", EXIT_BAD_INPUT);
	if (exit_code < EXIT_ANSWER_IS_NO || exit_code > EXIT_NO_ANSWER)
		exit_code = EXIT_BAD_INPUT;
	return (int)exit_code;
}

static int told_by_agent(struct cli *cli, struct slice body)
{
	char code[64], message[MESSAGE_BYTES_MAX], hint[PROBLEM_HINT_BYTES_MAX + 64];
	cli_field(body, "code", "unknown", code, sizeof(code));
	cli_field(body, "message", "the agent gave no reason", message, sizeof(message));
	cli_field(body, "hint", "", hint, sizeof(hint));
	return cli_error(cli, code, cli_error_exit(body), message, hint);
}

struct progress {
	const char *waiting_for;
	int64_t started_ms;
	bool is_shown;
};

/* On a terminal only, and never in the first 300 ms. */
static void progress_show(struct progress *progress)
{
	int64_t waited_ms = client_now_ms() - progress->started_ms;
	if (progress->waiting_for == NULL || waited_ms < PROGRESS_AFTER_MS || !isatty(STDERR_FILENO))
		return;
	(void)fprintf(stderr, "\r%s: %llds ", progress->waiting_for, (long long)(waited_ms / 1000));
	(void)fflush(stderr);
	progress->is_shown = true;
}

static void progress_clear(struct progress *progress)
{
	if (progress->is_shown)
		(void)fprintf(stderr, "\r%*s\r", (int)strlen(progress->waiting_for) + 24, "");
	progress->is_shown = false;
}

/* One reply, with the progress line while there is none. */
static enum err receive(struct cli *cli, struct progress *progress, int64_t deadline_ms,
			struct reply *ret_reply, struct problem *problem)
{
	for (;;) {
		int64_t step_ms = client_now_ms() +
				  (progress->is_shown ? PROGRESS_EVERY_MS : PROGRESS_AFTER_MS);
		bool is_last = progress->waiting_for == NULL || step_ms >= deadline_ms;
		enum err err = client_receive(cli->client, is_last ? deadline_ms : step_ms,
					      ret_reply, problem);
		if (err != ERR_TIMEOUT || is_last)
			return err;
		progress_show(progress);
	}
}

/* A document names the agent that answered: it is asked along with the first request. */
static enum err open_client(struct cli *cli, int64_t deadline_ms, struct problem *problem)
{
	enum err err = client_open(cli->socket_path, deadline_ms, &cli->client, problem);
	if (err != ERR_OK || cli->form != OUTPUT_JSON_DOCUMENT)
		return err;
	uint8_t memory[64];
	struct buf args;
	buf_init(&args, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&args);
	wire_map_text(&map, &args, "version", PEERSCHED_VERSION);
	wire_map_end(&map, &args);
	return client_send(cli->client, "hello", buf_slice(&args), deadline_ms, &cli->hello_seq,
			   problem);
}

int cli_send(struct cli *cli, const char *verb, uint64_t *ret_seq)
{
	struct problem problem;
	int64_t deadline_ms = after_ms(cli->deadline_ms);
	enum err err = ERR_OK;
	if (cli->client == NULL)
		err = open_client(cli, deadline_ms, &problem);
	wire_map_end(&cli->args_map, &cli->args);
	if (err == ERR_OK && cli->args.has_overflowed)
		err = problem_set(&problem, ERR_RANGE, "the request is above %u bytes",
				  CLI_CALL_BYTES_MAX);
	if (err == ERR_OK)
		err = client_send(cli->client, verb, buf_slice(&cli->args), deadline_ms, ret_seq,
				  &problem);
	return err == ERR_OK ? 0 : cli_problem(cli, &problem);
}

/* The answer to the question for the agent's name is taken on the way. */
static bool is_hello(struct cli *cli, const struct reply *reply)
{
	if (cli->hello_seq == 0 || reply->seq != cli->hello_seq)
		return false;
	cli_field(reply->body, "node", "", cli->node, sizeof(cli->node));
	return true;
}

int cli_receive(struct cli *cli, struct reply *ret_reply)
{
	struct problem problem;
	do {
		enum err err = client_receive(cli->client, after_ms(cli->deadline_ms), ret_reply,
					      &problem);
		if (err != ERR_OK)
			return cli_problem(cli, &problem);
	} while (is_hello(cli, ret_reply));
	return 0;
}

/* True if the request was sent once more. */
static bool ask_again(struct cli *cli, const struct cli_call *call, struct slice body,
		      int64_t deadline_ms, uint64_t *ret_seq)
{
	const struct timespec pause = {.tv_nsec = AGAIN_AFTER_MS * 1000000L};
	struct problem problem;
	if (!call->is_asked_again || client_now_ms() + AGAIN_AFTER_MS >= deadline_ms ||
	    !slice_equal(wire_map_find_str(body, "code"), slice_str(err_word(ERR_CLOSED))))
		return false;
	(void)nanosleep(&pause, NULL);
	return client_send(cli->client, call->verb, buf_slice(&cli->args), deadline_ms, ret_seq,
			   &problem) == ERR_OK;
}

int cli_call(struct cli *cli, const struct cli_call *call, struct slice *ret_end)
{
	uint64_t seq;
	int failed = cli_send(cli, call->verb, &seq);
	if (failed != 0)
		return failed;
	struct progress progress = {call->waiting_for, client_now_ms(), false};
	int64_t deadline_ms = after_ms(call_span_ms(cli, call));
	for (;;) {
		struct reply reply;
		struct problem problem;
		enum err err = receive(cli, &progress, deadline_ms, &reply, &problem);
		if (err != ERR_OK) {
			progress_clear(&progress);
			return cli_problem(cli, &problem);
		}
		if (is_hello(cli, &reply) || reply.seq != seq)
			continue;
		switch (reply.kind) {
		case REPLY_ROW:
			progress_clear(&progress);
			if (call->on_row != NULL)
				call->on_row(call->context, reply.body);
			break;
		case REPLY_PROGRESS:
			if (call->on_progress != NULL)
				call->on_progress(call->context, reply.body);
			break;
		case REPLY_ERROR:
			progress_clear(&progress);
			if (ask_again(cli, call, reply.body, deadline_ms, &seq))
				continue;
			return told_by_agent(cli, reply.body);
		case REPLY_END:
			progress_clear(&progress);
			growing_clear(&cli->end);
			growing_put(&cli->end, reply.body.data, reply.body.bytes);
			*ret_end = growing_slice(&cli->end);
			return 0;
		}
	}
}

/* ---- output ---- */

void cli_write(struct cli *cli, struct slice bytes)
{
	if (bytes.bytes == 0)
		return;
	if (fwrite(bytes.data, 1, bytes.bytes, stdout) == bytes.bytes && fflush(stdout) == 0)
		return;
	int code = errno;
	if (code == EPIPE)
		exit(EXIT_DONE);
	exit(cli_refuse(cli, ERR_IO, NULL, "write to stdout: %s", strerror(code)));
}

void cli_write_object(struct cli *cli, const char *kind, struct slice row)
{
	struct growing line = {0}, document = {0};
	json_put_row(&line, row);
	if (cli->form == OUTPUT_JSON_DOCUMENT) {
		int64_t as_of_ms = wire_map_find_i64(row, "as_of_at", 0);
		struct json_document head = {
			.kind = kind,
			.via = cli->node,
			.as_of_ms = as_of_ms != 0 ? as_of_ms : client_utc_ms(),
			.is_complete = true,
		};
		json_put_document(&document, &head, growing_slice(&line));
		cli_write(cli, growing_slice(&document));
	} else {
		cli_write(cli, growing_slice(&line));
	}
	growing_close(&line);
	growing_close(&document);
}

bool cli_consent(struct cli *cli, const char *question, int *ret_exit)
{
	if (arguments_has(&cli->arguments, "yes"))
		return true;
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		*ret_exit = cli_refuse(cli, ERR_INVALID, "add --yes",
				       "%s There is no terminal to ask at", question);
		return false;
	}
	(void)fprintf(stderr, "%s y/N ", question);
	(void)fflush(stderr);
	char answer[16] = "";
	if (fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y'))
		return true;
	*ret_exit = cli_refuse(cli, ERR_INVALID, NULL, "not confirmed, nothing was changed");
	return false;
}

const char *cli_field(struct slice row, const char *key, const char *fallback, char *ret_text,
		      size_t text_bytes)
{
	struct slice text = wire_map_find_str(row, key);
	if (text.data == NULL)
		(void)snprintf(ret_text, text_bytes, "%s", fallback);
	else
		(void)snprintf(ret_text, text_bytes, "%.*s", (int)text.bytes, (const char *)text.data);
	return ret_text;
}
