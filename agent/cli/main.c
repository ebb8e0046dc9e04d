/* schedctl: the command line. Takes the line apart, sets the global options, runs the command. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent/cli/cli.h"
#include "proto/text.h"

/* --json has a say in how a bad line is told, so it is looked for before the line is understood. */
static enum output_form form_of(char *const *words, size_t word_count)
{
	enum output_form form = OUTPUT_TEXT;
	for (size_t i = 0; i < word_count && strcmp(words[i], "--") != 0; i++) {
		if (strcmp(words[i], "--json") == 0 || strcmp(words[i], "--json=lines") == 0)
			form = OUTPUT_JSON;
		else if (strcmp(words[i], "--json=doc") == 0)
			form = OUTPUT_JSON_DOCUMENT;
	}
	return form;
}

/* A request that may have been decided without our knowing can be sent again under the same id. */
static int set_request_id(struct cli *cli)
{
	const char *given = arguments_text(&cli->arguments, "id");
	if (given != NULL) {
		size_t bytes = strlen(given);
		if (bytes == 0 || bytes > REQUEST_ID_BYTES_MAX)
			return cli_refuse(cli, ERR_RANGE, NULL, "--id: 1 to %u bytes",
					  REQUEST_ID_BYTES_MAX);
		for (const char *at = given; *at != '\0'; at++) {
			if ((unsigned char)*at <= ' ' || (unsigned char)*at == 0x7f)
				return cli_refuse(cli, ERR_INVALID, NULL,
						  "--id: no blanks, no control characters");
		}
		(void)snprintf(cli->request_id, sizeof(cli->request_id), "%s", given);
		return 0;
	}
	struct id128 id;
	if (getrandom(id.bytes, sizeof(id.bytes), 0) != (ssize_t)sizeof(id.bytes))
		return cli_refuse(cli, ERR_IO, NULL, "no random bytes from the system");
	char text[TEXT_ID_BYTES];
	text_format_id(id, text);
	(void)snprintf(cli->request_id, sizeof(cli->request_id), "%s", text);
	return 0;
}

static int set_options(struct cli *cli)
{
	const struct arguments *arguments = &cli->arguments;
	const char *from_environment = getenv("SCHED_SOCKET");
	cli->socket_path = CLI_SOCKET_DEFAULT;
	if (from_environment != NULL && from_environment[0] != '\0')
		cli->socket_path = from_environment;
	if (arguments_has(arguments, "socket"))
		cli->socket_path = arguments_text(arguments, "socket");
	cli->deadline_ms = arguments_number(arguments, "deadline", CLI_DEADLINE_MS_DEFAULT);
	cli->is_deadline_given = arguments_has(arguments, "deadline");
	cli->is_verbose = arguments_has(arguments, "verbose");
	const char *reason = arguments_text(arguments, "reason");
	if (reason != NULL && strlen(reason) > REASON_BYTES_MAX)
		return cli_refuse(cli, ERR_RANGE, NULL, "--reason: more than %u bytes",
				  REASON_BYTES_MAX);
	if (arguments->command != NULL && (arguments->command->traits & COMMAND_CHANGES))
		return set_request_id(cli);
	return 0;
}

static int run_line(struct cli *cli, char *const *words, size_t word_count)
{
	struct problem problem;
	enum err err = arguments_parse(words, word_count, &cli->arguments, &problem);
	if (err != ERR_OK)
		return cli_problem(cli, &problem);
	if (arguments_has(&cli->arguments, "version"))
		return command_version(cli);
	if (arguments_has(&cli->arguments, "help"))
		return command_help(cli);
	if (cli->arguments.command == NULL)
		return cli_refuse(cli, ERR_INVALID, "schedctl help", "no command is given");
	int failed = set_options(cli);
	return failed != 0 ? failed : cli->arguments.command->run(cli);
}

int main(int argc, char **argv)
{
	static struct cli cli;
	/* A pipe that nobody reads any more is a failed write, which cli_write ends on. */
	(void)signal(SIGPIPE, SIG_IGN);
	cli.is_terminal = isatty(STDOUT_FILENO);
	size_t word_count = argc > 0 ? (size_t)argc - 1 : 0;
	cli.form = form_of(argv + 1, word_count);
	int exit_code = run_line(&cli, argv + 1, word_count);
	if (cli.is_verbose && cli.client != NULL && !cli.has_failed)
		cli_note(&cli, "asked: %s%s%s", cli.socket_path,
			 cli.request_id[0] == '\0' ? "" : "; request id: ", cli.request_id);
	client_close(cli.client);
	growing_close(&cli.end);
	growing_close(&cli.args_bytes);
	if (fflush(stdout) != 0 && exit_code == EXIT_DONE)
		exit_code = EXIT_ANSWER_IS_NO;
	return exit_code;
}
