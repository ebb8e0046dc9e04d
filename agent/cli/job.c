/* job ls, rm, pause, resume, enable, disable. */
#include <stdio.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "agent/cli/job.h"
#include "agent/cli/listing.h"
#include "proto/text.h"

static const struct column columns[] = {
	{"name", "name", COLUMN_TEXT, true, NULL},
	{"state", "state", COLUMN_TEXT, true, NULL},
	{"node", "last_node", COLUMN_TEXT, true, NULL},
	{"last", "last_due_at", COLUMN_TIME, true, NULL},
	{"verdict", "last_verdict", COLUMN_VERDICT, true, "last_reason"},
	{"dur", "last_dur_ms", COLUMN_SPAN, true, NULL},
	{"next", "next_at", COLUMN_NEXT, true, "state"},
	{"schedule", "schedule", COLUMN_TEXT, true, NULL},
	{"tz", "tz", COLUMN_TEXT, true, NULL},
	{"group", "group", COLUMN_TEXT, false, NULL},
	{"full", "full", COLUMN_TEXT, false, NULL},
	{"hist", "hist", COLUMN_TEXT, false, NULL},
	{"next-node", "next_node", COLUMN_TEXT, false, NULL},
	{"ok", "runs_ok", COLUMN_NUMBER, false, NULL},
	{"failed", "runs_failed", COLUMN_NUMBER, false, NULL},
	{"running", "running_run", COLUMN_TEXT, false, NULL},
	{"waiting", "waiting_reason", COLUMN_TEXT, false, NULL},
	{"overlap", "overlap", COLUMN_TEXT, false, NULL},
	{"misfire", "misfire", COLUMN_TEXT, false, NULL},
	{"version", "version", COLUMN_NUMBER, false, NULL},
	{"description", "description", COLUMN_TEXT, false, NULL},
	{"command", "command", COLUMN_TEXT, false, NULL},
	{"enabled", "enabled", COLUMN_BOOL, false, NULL},
	{"paused", "paused", COLUMN_BOOL, false, NULL},
	{"id", "id", COLUMN_TEXT, false, NULL},
};

static const char *const state_words[] = {"idle",   "waiting",  "running",
					  "paused", "disabled", "exhausted"};

static void put_ls_args(struct cli *cli, void *context)
{
	(void)context;
	cli_args_text(cli, "name", arguments_text(&cli->arguments, "name"));
	cli_args_text(cli, "group", arguments_text(&cli->arguments, "group"));
	cli_args_text(cli, "state", arguments_text(&cli->arguments, "state"));
}

int command_job_ls(struct cli *cli)
{
	const char *state = arguments_text(&cli->arguments, "state");
	size_t word_count = sizeof(state_words) / sizeof(state_words[0]);
	size_t i = 0;
	while (state != NULL && i < word_count && strcmp(state, state_words[i]) != 0)
		i++;
	if (i == word_count)
		return cli_refuse(cli, ERR_INVALID,
				  "one of: idle waiting running paused disabled exhausted",
				  "--state: no state \"%s\"", state);
	struct listing listing;
	int exit_code = listing_init(&listing, cli, "JobList", columns,
				     sizeof(columns) / sizeof(columns[0]));
	if (exit_code != 0)
		return exit_code;
	listing.is_sorted = true;
	listing.sort_field = "name";
	exit_code = listing_run(&listing, "job.ls", put_ls_args, NULL);
	listing_close(&listing);
	return exit_code;
}

/* ---- changes of one job ---- */

void job_put_times(struct slice row, const char *key, struct growing *out)
{
	struct wire_reader times;
	if (!wire_map_find(row, key, &times))
		return;
	uint32_t count = wire_get_array(&times, WIRE_ITEMS_MAX);
	for (uint32_t i = 0; i < count && times.err == ERR_OK; i++) {
		char text[TEXT_TIME_BYTES];
		text_format_time(wire_get_i64(&times), text);
		growing_format(out, "%s%s", i == 0 ? "" : "  ", text);
	}
}

void job_put_texts(struct slice row, const char *key, const char *between, struct growing *out)
{
	struct wire_reader texts;
	if (!wire_map_find(row, key, &texts))
		return;
	uint32_t count = wire_get_array(&texts, WIRE_ITEMS_MAX);
	for (uint32_t i = 0; i < count && texts.err == ERR_OK; i++) {
		struct slice text = wire_get_str(&texts, FRAME_BYTES_MAX);
		if (i > 0)
			growing_text(out, between);
		growing_escaped(out, text);
	}
}

/* Sends one act on the job that is the operand, and tells what became of it. */
struct act {
	const char *verb;
	const char *done;      /* "paused" */
	const char *unchanged; /* "is paused already" */
	const char *undo;      /* "schedctl job resume", or NULL: there is none */
};

static void tell_act(struct cli *cli, const struct act *act, struct slice end)
{
	struct growing line = {0}, runs = {0}, times = {0};
	char name[JOB_NAME_BYTES_MAX + 1], shown[JOB_NAME_BYTES_MAX * 3 + 1];
	cli_field(end, "name", cli->arguments.operands[0], name, sizeof(name));
	text_escape(slice_str(name), shown, sizeof(shown));
	job_put_texts(end, "may_start", " ", &runs);
	job_put_times(end, "next", &times);
	if (!wire_map_find_bool(end, "changed", true)) {
		growing_format(&line, "%s %s, no change\n", shown, act->unchanged);
	} else {
		growing_format(&line, "%s %s", act->done, shown);
		int64_t version = wire_map_find_i64(end, "version", 0);
		if (version > 0)
			growing_format(&line, ", version %lld", (long long)version);
		if (act->undo != NULL)
			growing_format(&line, "; undo: %s %s", act->undo, shown);
		growing_put(&line, "\n", 1);
	}
	if (times.bytes > 0)
		growing_format(&line, "next: %s\n", growing_string(&times));
	if (runs.bytes > 0)
		growing_format(&line, "may still start: %s\n", growing_string(&runs));
	cli_write(cli, growing_slice(&line));
	growing_close(&line);
	growing_close(&runs);
	growing_close(&times);
}

static int act_on_job(struct cli *cli, const struct act *act)
{
	struct cli_call call = {.verb = act->verb, .waiting_for = "waiting for a majority"};
	struct slice end;
	int failed = cli_call(cli, &call, &end);
	if (failed != 0)
		return failed;
	if (cli->form != OUTPUT_TEXT)
		cli_write_object(cli, "JobChange", end);
	else
		tell_act(cli, act, end);
	return EXIT_DONE;
}

int command_job_pause(struct cli *cli)
{
	static const struct act act = {"job.pause", "paused", "is paused already",
				       "schedctl job resume"};
	cli_args_begin(cli);
	cli_args_text(cli, "name", cli->arguments.operands[0]);
	return act_on_job(cli, &act);
}

int command_job_resume(struct cli *cli)
{
	static const struct act act = {"job.resume", "resumed", "is not paused", "schedctl job pause"};
	cli_args_begin(cli);
	cli_args_text(cli, "name", cli->arguments.operands[0]);
	return act_on_job(cli, &act);
}

int command_job_enable(struct cli *cli)
{
	static const struct act act = {"job.enable", "enabled", "is enabled already",
				       "schedctl job disable"};
	cli_args_begin(cli);
	cli_args_text(cli, "name", cli->arguments.operands[0]);
	return act_on_job(cli, &act);
}

int command_job_disable(struct cli *cli)
{
	static const struct act act = {"job.disable", "disabled", "is disabled already",
				       "schedctl job enable"};
	cli_args_begin(cli);
	cli_args_text(cli, "name", cli->arguments.operands[0]);
	return act_on_job(cli, &act);
}

int command_job_rm(struct cli *cli)
{
	static const struct act act = {"job.rm", "deleted", "was deleted already", NULL};
	const char *name = cli->arguments.operands[0];
	bool is_killing = arguments_has(&cli->arguments, "kill");
	bool is_leaving = arguments_has(&cli->arguments, "let-finish");
	if (is_killing && is_leaving)
		return cli_refuse(cli, ERR_INVALID, NULL, "--kill and --let-finish do not go together");
	char question[JOB_NAME_BYTES_MAX * 3 + 64], shown[JOB_NAME_BYTES_MAX * 3 + 1];
	text_escape(slice_str(name), shown, sizeof(shown));
	(void)snprintf(question, sizeof(question), "Delete %s%s?", shown,
		       is_killing ? " and kill its runs" : "");
	int exit_code;
	if (!cli_consent(cli, question, &exit_code))
		return exit_code;
	cli_args_begin(cli);
	cli_args_text(cli, "name", name);
	if (is_killing)
		wire_map_bool(&cli->args_map, &cli->args, "kill", true);
	if (is_leaving)
		wire_map_bool(&cli->args_map, &cli->args, "let_finish", true);
	return act_on_job(cli, &act);
}
