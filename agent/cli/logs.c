/* logs: what runs wrote. */
#include <stdio.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "agent/cli/json.h"
#include "proto/text.h"

#define LINES_HELD_BYTES 65536u

struct lines {
	struct cli *cli;
	struct growing held; /* shown so far, not yet written */
	bool is_following;
	bool is_raw;
	uint64_t count;
	struct slice end;
};

static void put_prefix(struct slice row, struct growing *out)
{
	char time[TEXT_TIME_BYTES], node[NODE_NAME_BYTES_MAX + 1], run[16], stream[8];
	int64_t t_ms = wire_map_find_i64(row, "t_at", 0);
	text_format_time_ms(t_ms, time);
	cli_field(row, "node", "-", node, sizeof(node));
	cli_field(row, "short", "-", run, sizeof(run));
	cli_field(row, "stream", "-", stream, sizeof(stream));
	growing_format(out, "%s ", time);
	growing_escaped(out, slice_str(node));
	growing_put(out, " ", 1);
	growing_escaped(out, slice_str(run));
	growing_put(out, " ", 1);
	growing_escaped(out, slice_str(stream));
	growing_put(out, " ", 1);
}

static struct slice text_of(struct slice row)
{
	struct wire_reader value;
	if (!wire_map_find(row, "text", &value))
		return (struct slice){0};
	if (wire_peek(&value) == WIRE_BIN)
		return wire_get_bin(&value, FRAME_BYTES_MAX);
	return wire_map_find_str(row, "text");
}

static void on_line(void *context, struct slice row)
{
	struct lines *lines = context;
	struct slice text = text_of(row);
	lines->count++;
	if (lines->is_raw) {
		/* What the scheduler says of the run is not the run's output. */
		if (!slice_equal(wire_map_find_str(row, "stream"), slice_str("!")))
			growing_put(&lines->held, text.data, text.bytes);
	} else if (lines->cli->form != OUTPUT_TEXT) {
		json_put_row(&lines->held, row);
	} else {
		/* The line's own end is ours to write. */
		if (text.bytes > 0 && text.data[text.bytes - 1] == '\n')
			text.bytes--;
		put_prefix(row, &lines->held);
		growing_escaped(&lines->held, text);
		growing_put(&lines->held, "\n", 1);
	}
	bool is_document = lines->cli->form == OUTPUT_JSON_DOCUMENT && !lines->is_raw;
	if (!is_document && (lines->is_following || lines->held.bytes >= LINES_HELD_BYTES)) {
		cli_write(lines->cli, growing_slice(&lines->held));
		growing_clear(&lines->held);
	}
}

static int write_rest(struct lines *lines)
{
	struct cli *cli = lines->cli;
	if (cli->form == OUTPUT_JSON_DOCUMENT && !lines->is_raw) {
		struct growing document = {0};
		struct json_document head = {
			.kind = "LineList",
			.via = cli->node,
			.as_of_ms = client_utc_ms(),
			.is_complete = wire_map_find_bool(lines->end, "complete", true),
		};
		struct wire_reader missing;
		if (!head.is_complete && wire_map_find(lines->end, "missing", &missing))
			head.missing = wire_get_raw(&missing);
		json_put_document(&document, &head, growing_slice(&lines->held));
		cli_write(cli, growing_slice(&document));
		growing_close(&document);
	} else {
		cli_write(cli, growing_slice(&lines->held));
	}
	return cli_note_missing(cli, lines->end);
}

/* A short id is 8 hex digits; a run's full name has an @; else it is a job. */
static bool is_run_name(const char *word)
{
	if (strchr(word, '@') != NULL)
		return true;
	return strlen(word) == RUN_SHORT_BYTES && strspn(word, "0123456789abcdef") == RUN_SHORT_BYTES;
}

int command_logs(struct cli *cli)
{
	const struct arguments *arguments = &cli->arguments;
	struct lines lines = {
		.cli = cli,
		.is_following = arguments_has(arguments, "follow"),
		.is_raw = arguments_has(arguments, "raw"),
	};
	if (lines.is_raw && cli->form != OUTPUT_TEXT)
		return cli_refuse(cli, ERR_INVALID, NULL, "--raw and --json do not go together");
	if (lines.is_raw && cli->is_terminal && !arguments_has(arguments, "yes"))
		return cli_refuse(cli, ERR_INVALID, "write them to a file, or add --yes",
				  "raw bytes could take over this terminal");
	if (lines.is_following && cli->form == OUTPUT_JSON_DOCUMENT)
		return cli_refuse(cli, ERR_INVALID, "--json gives a line for each",
				  "--follow has no end, so no document");
	const char *what = arguments->operands[0];
	cli_args_begin(cli);
	cli_args_text(cli, is_run_name(what) ? "run" : "job", what);
	if (lines.is_following)
		wire_map_bool(&cli->args_map, &cli->args, "follow", true);
	if (lines.is_raw)
		wire_map_bool(&cli->args_map, &cli->args, "raw", true);
	int64_t tail = arguments_number(arguments, "tail", 0);
	if (tail > 0)
		wire_map_i64(&cli->args_map, &cli->args, "tail", tail);
	struct cli_call call = {
		.verb = "logs",
		.on_row = on_line,
		.context = &lines,
		.wait_ms = lines.is_following ? INT64_MAX : 0,
	};
	int exit_code = cli_call(cli, &call, &lines.end);
	/* Lines that came before a fault are the user's, but JSON on stdout stays all or nothing. */
	if (exit_code == 0)
		exit_code = write_rest(&lines);
	else if (cli->form == OUTPUT_TEXT)
		cli_write(cli, growing_slice(&lines.held));
	growing_close(&lines.held);
	return exit_code;
}
