/* run, wait, kill, cancel: acts on one run. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli/cli.h"
#include "agent/cli/run.h"
#include "proto/text.h"

#define KILL_WAIT_MS 30000 /* kill answers within this, or says what is left */
#define SIGNAL_NAME_BYTES_MAX 16u

/* ---- waiting ---- */

static struct {
	char hint[RUN_NAME_BYTES_MAX + 64]; /* written by the handler, so it is made before */
	size_t hint_bytes;
} interrupt;

/* Says how to go on, and lets the signal end us as shells expect. */
static void on_interrupt(int number)
{
	ssize_t ignored = write(STDERR_FILENO, interrupt.hint, interrupt.hint_bytes);
	(void)ignored;
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

void run_set_interrupt_hint(const char *run)
{
	char shown[RUN_NAME_BYTES_MAX + 1];
	text_escape(slice_str(run), shown, sizeof(shown));
	(void)signal(SIGINT, SIG_IGN);
	int bytes = snprintf(interrupt.hint, sizeof(interrupt.hint),
			     "\nthe run goes on; hint: schedctl wait %s\n", shown);
	interrupt.hint_bytes = bytes < (int)sizeof(interrupt.hint) ? (size_t)bytes
								   : sizeof(interrupt.hint) - 1;
	(void)signal(SIGINT, on_interrupt);
}

/* A terminal has its own line of progress; a log gets one for each change of state. */
static void on_progress(void *context, struct slice body)
{
	const struct cli *cli = context;
	char run[RUN_NAME_BYTES_MAX + 1], state[32], node[NODE_NAME_BYTES_MAX + 1];
	cli_field(body, "short", "", run, sizeof(run));
	cli_field(body, "state", "", state, sizeof(state));
	cli_field(body, "node", "", node, sizeof(node));
	if (run[0] != '\0')
		run_set_interrupt_hint(run);
	if (state[0] != '\0' && cli->form == OUTPUT_TEXT && !isatty(STDERR_FILENO))
		cli_note(cli, "run %s: %s%s%s", run, state, node[0] == '\0' ? "" : " on ", node);
}

/* ---- what is said of a run ---- */

void run_put_verdict(struct slice row, struct growing *out)
{
	char verdict[32], reason[RESULT_BYTES_MAX + 1];
	cli_field(row, "verdict", "no verdict", verdict, sizeof(verdict));
	cli_field(row, "reason", "", reason, sizeof(reason));
	growing_text(out, verdict);
	if (reason[0] != '\0')
		growing_format(out, "(%s)", reason);
}

static int exit_of_verdict(struct slice row)
{
	bool ran_ok = slice_equal(wire_map_find_str(row, "verdict"), slice_str("ran-ok"));
	return ran_ok ? EXIT_DONE : EXIT_ANSWER_IS_NO;
}

/* "run f00dfeed backup@...Z+c7f2a1/0#1 on n2" */
static void put_run(struct slice row, struct growing *out)
{
	char name[RUN_NAME_BYTES_MAX + 1], id[16], node[NODE_NAME_BYTES_MAX + 1];
	cli_field(row, "run", "-", name, sizeof(name));
	cli_field(row, "short", "", id, sizeof(id));
	cli_field(row, "node", "", node, sizeof(node));
	growing_format(out, "run %s%s%s", id, id[0] == '\0' ? "" : " ", name);
	if (node[0] != '\0')
		growing_format(out, " on %s", node);
}

static void write_escaped_line(struct cli *cli, const struct growing *line)
{
	struct growing shown = {0};
	growing_escaped(&shown, growing_slice(line));
	growing_put(&shown, "\n", 1);
	cli_write(cli, growing_slice(&shown));
	growing_close(&shown);
}

static int tell_end(struct cli *cli, struct slice end)
{
	if (cli->form != OUTPUT_TEXT) {
		cli_write_object(cli, "Run", end);
		return exit_of_verdict(end);
	}
	struct growing line = {0};
	put_run(end, &line);
	growing_text(&line, ": ");
	run_put_verdict(end, &line);
	int64_t span_ms = wire_map_find_i64(end, "dur_ms", -1);
	if (span_ms >= 0) {
		char span[TEXT_DURATION_BYTES];
		text_format_span(span_ms, span);
		growing_format(&line, " in %s", span);
	}
	write_escaped_line(cli, &line);
	growing_close(&line);
	return exit_of_verdict(end);
}

/* ---- commands ---- */

int command_run(struct cli *cli)
{
	bool is_waiting = arguments_has(&cli->arguments, "wait");
	cli_args_begin(cli);
	cli_args_text(cli, "name", cli->arguments.operands[0]);
	wire_map_bool(&cli->args_map, &cli->args, "wait", is_waiting);
	wire_map_bool(&cli->args_map, &cli->args, "force", arguments_has(&cli->arguments, "force"));
	struct cli_call call = {
		.verb = "run",
		.on_progress = is_waiting ? on_progress : NULL,
		.context = cli,
		.wait_ms = is_waiting && !cli->is_deadline_given ? INT64_MAX : 0,
		.waiting_for = is_waiting ? "waiting for the end of the run" : "waiting for a node",
	};
	struct slice end;
	int failed = cli_call(cli, &call, &end);
	if (failed != 0)
		return failed;
	if (wire_map_find_str(end, "verdict").bytes > 0)
		return tell_end(cli, end);
	if (cli->form != OUTPUT_TEXT) {
		cli_write_object(cli, "Run", end);
		return EXIT_DONE;
	}
	struct growing line = {0};
	char id[16];
	put_run(end, &line);
	cli_field(end, "short", "", id, sizeof(id));
	growing_format(&line, "; see: schedctl logs -f %s", id);
	write_escaped_line(cli, &line);
	growing_close(&line);
	return EXIT_DONE;
}

int command_wait(struct cli *cli)
{
	int64_t timeout_ms = arguments_number(&cli->arguments, "timeout", 0);
	run_set_interrupt_hint(cli->arguments.operands[0]);
	cli_args_begin(cli);
	cli_args_text(cli, "run", cli->arguments.operands[0]);
	if (timeout_ms > 0)
		wire_map_i64(&cli->args_map, &cli->args, "timeout_ms", timeout_ms);
	struct cli_call call = {
		.verb = "wait",
		.wait_ms = timeout_ms > 0           ? timeout_ms
			   : cli->is_deadline_given ? 0
						    : INT64_MAX,
		.waiting_for = "waiting for the end of the run",
		.is_asked_again = true,
	};
	struct slice end;
	int failed = cli_call(cli, &call, &end);
	return failed != 0 ? failed : tell_end(cli, end);
}

/* "TERM", "SIGTERM", "15"; 0: none that there is. */
static int signal_of(const char *text)
{
	int64_t number;
	if (text_parse_i64(slice_str(text), 1, SIGRTMAX, &number, NULL) == ERR_OK)
		return (int)number;
	const char *bare = strncmp(text, "SIG", 3) == 0 ? text + 3 : text;
	for (int i = 1; i < SIGRTMIN; i++) {
		const char *name = sigabbrev_np(i);
		if (name != NULL && strcmp(name, bare) == 0)
			return i;
	}
	return 0;
}

static int tell_kill(struct cli *cli, struct slice end)
{
	int64_t left = wire_map_find_i64(end, "processes_left", -1);
	bool has_verdict = wire_map_find_str(end, "verdict").bytes > 0;
	int exit_code = has_verdict && left <= 0 ? EXIT_DONE : EXIT_ANSWER_IS_NO;
	if (cli->form != OUTPUT_TEXT) {
		cli_write_object(cli, "Kill", end);
		return exit_code;
	}
	struct growing line = {0};
	if (has_verdict)
		run_put_verdict(end, &line);
	else
		growing_text(&line, "not dead yet");
	char span[TEXT_DURATION_BYTES];
	text_format_span(wire_map_find_i64(end, "waited_ms", 0), span);
	growing_format(&line, " after %s", span);
	if (left >= 0)
		growing_format(&line, ", %lld process%s left", (long long)left, left == 1 ? "" : "es");
	growing_text(&line, ": ");
	put_run(end, &line);
	write_escaped_line(cli, &line);
	growing_close(&line);
	return exit_code;
}

int command_kill(struct cli *cli)
{
	const char *name = arguments_text(&cli->arguments, "signal");
	int number = name == NULL ? SIGTERM : signal_of(name);
	if (number == 0)
		return cli_refuse(cli, ERR_INVALID, "TERM INT HUP KILL, or a number",
				  "--signal: no signal \"%s\"", name);
	int64_t grace_ms = arguments_number(&cli->arguments, "grace", -1);
	cli_args_begin(cli);
	cli_args_text(cli, "run", cli->arguments.operands[0]);
	wire_map_i64(&cli->args_map, &cli->args, "signal", number);
	if (grace_ms >= 0)
		wire_map_i64(&cli->args_map, &cli->args, "grace_ms", grace_ms);
	int64_t wait_ms = KILL_WAIT_MS + (grace_ms > 0 ? grace_ms : 0);
	struct cli_call call = {
		.verb = "kill",
		.wait_ms = cli->is_deadline_given ? 0 : wait_ms,
		.waiting_for = "waiting for its processes to end",
	};
	struct slice end;
	int failed = cli_call(cli, &call, &end);
	return failed != 0 ? failed : tell_kill(cli, end);
}

int command_cancel(struct cli *cli)
{
	cli_args_begin(cli);
	cli_args_text(cli, "run", cli->arguments.operands[0]);
	struct cli_call call = {.verb = "cancel", .waiting_for = "waiting for its node"};
	struct slice end;
	int failed = cli_call(cli, &call, &end);
	if (failed != 0)
		return failed;
	if (cli->form != OUTPUT_TEXT) {
		cli_write_object(cli, "Cancel", end);
		return EXIT_DONE;
	}
	struct growing line = {0};
	growing_text(&line, "cancelled: ");
	put_run(end, &line);
	growing_text(&line, ": ");
	run_put_verdict(end, &line);
	write_escaped_line(cli, &line);
	growing_close(&line);
	return EXIT_DONE;
}
