/* runs: the history and what goes on, of the whole cluster. */
#include <stdio.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "agent/cli/listing.h"
#include "agent/cli/when.h"

#define RUNS_DEFAULT 100
#define WORD_BYTES_MAX 32u

static const struct column columns[] = {
	{"run", "short", COLUMN_TEXT, true, NULL},
	{"job", "job", COLUMN_TEXT, true, NULL},
	{"due", "due_at", COLUMN_TIME, true, NULL},
	{"node", "node", COLUMN_TEXT, true, NULL},
	{"state", "state", COLUMN_TEXT, true, NULL},
	{"verdict", "verdict", COLUMN_VERDICT, true, "reason"},
	{"started", "started_at", COLUMN_TIME, false, NULL},
	{"ended", "ended_at", COLUMN_TIME, false, NULL},
	{"claimed", "claimed_at", COLUMN_TIME, false, NULL},
	{"dur", "dur_ms", COLUMN_SPAN, true, NULL},
	{"late", "late_us", COLUMN_SPAN_US, true, NULL},
	{"exit", "exit", COLUMN_NUMBER, false, NULL},
	{"signal", "signal", COLUMN_NUMBER, false, NULL},
	{"name", "run", COLUMN_TEXT, false, NULL},
	{"attempt", "attempt", COLUMN_NUMBER, false, NULL},
	{"shard", "shard", COLUMN_NUMBER, false, NULL},
	{"manual", "manual", COLUMN_BOOL, false, NULL},
	{"version", "version", COLUMN_NUMBER, false, NULL},
	{"pid", "pid", COLUMN_NUMBER, false, NULL},
	{"user", "user_us", COLUMN_SPAN_US, false, NULL},
	{"system", "system_us", COLUMN_SPAN_US, false, NULL},
	{"rss", "rss_bytes", COLUMN_BYTES, false, NULL},
	{"output", "output_bytes", COLUMN_BYTES, false, NULL},
	{"note", "note", COLUMN_TEXT, false, NULL},
};

static const char *const state_words[] = {"claimed", "armed",    "started", "running", "killing",
					  "ended",   "released", "none",    "waiting", NULL};
static const char *const verdict_words[] = {"ran-ok", "failed",  "timeout", "killed",
					    "lost",   "skipped", "missed",  NULL};

struct choice {
	char states[256]; /* as the API names them: running is started */
	int64_t since_ms, until_ms;
};

/* Each of the words, with commas between, is one of the closed list. */
static int check_words(struct cli *cli, const char *flag, const char *const *known, char *ret_text,
		       size_t text_bytes)
{
	const char *text = arguments_text(&cli->arguments, flag);
	ret_text[0] = '\0';
	for (const char *at = text; at != NULL;) {
		size_t bytes = strcspn(at, ",");
		char word[WORD_BYTES_MAX] = "";
		(void)snprintf(word, sizeof(word), "%.*s", (int)bytes, at);
		size_t i = 0;
		while (known[i] != NULL && strcmp(known[i], word) != 0)
			i++;
		if (known[i] == NULL) {
			char list[256] = "one of:";
			for (size_t k = 0; known[k] != NULL; k++)
				(void)snprintf(list + strlen(list), sizeof(list) - strlen(list),
					       " %s", known[k]);
			return cli_refuse(cli, ERR_INVALID, list, "--%s: no %s \"%s\"", flag, flag,
					  word);
		}
		size_t used = strlen(ret_text);
		(void)snprintf(ret_text + used, text_bytes - used, "%s%s", used == 0 ? "" : ",",
			       strcmp(word, "running") == 0 ? "started" : word);
		at = at[bytes] == ',' ? at + bytes + 1 : NULL;
	}
	return 0;
}

static int take_time(struct cli *cli, const char *flag, int64_t *ret_ms)
{
	const char *text = arguments_text(&cli->arguments, flag);
	*ret_ms = 0;
	if (text == NULL)
		return 0;
	struct problem problem;
	enum err err = when_parse_past(slice_str(text), client_utc_ms(), NULL, ret_ms, &problem);
	if (err == ERR_OK)
		return 0;
	problem_context(&problem, "--%s", flag);
	return cli_problem(cli, &problem);
}

static void put_args(struct cli *cli, void *context)
{
	const struct choice *choice = context;
	cli_args_text(cli, "job", arguments_text(&cli->arguments, "job"));
	cli_args_text(cli, "node", arguments_text(&cli->arguments, "node"));
	cli_args_text(cli, "verdict", arguments_text(&cli->arguments, "verdict"));
	if (choice->states[0] != '\0')
		cli_args_text(cli, "state", choice->states);
	if (choice->since_ms != 0)
		wire_map_i64(&cli->args_map, &cli->args, "since_at", choice->since_ms);
	if (choice->until_ms != 0)
		wire_map_i64(&cli->args_map, &cli->args, "until_at", choice->until_ms);
}

/* Counts by asking for all pages and showing none. */
static int count_runs(struct cli *cli, struct listing *listing, struct choice *choice)
{
	enum output_form form = cli->form;
	listing->is_count = true;
	int exit_code = listing_run(listing, "runs", put_args, choice);
	if (cli->has_failed)
		return exit_code;
	uint8_t memory[64];
	struct buf row;
	buf_init(&row, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&row);
	wire_map_i64(&map, &row, "count", (int64_t)listing->row_count);
	wire_map_end(&map, &row);
	if (form != OUTPUT_TEXT) {
		cli_write_object(cli, "Count", buf_slice(&row));
		return exit_code;
	}
	struct growing line = {0};
	growing_format(&line, "%llu\n", (unsigned long long)listing->row_count);
	cli_write(cli, growing_slice(&line));
	growing_close(&line);
	return exit_code;
}

int command_runs(struct cli *cli)
{
	struct choice choice = {0};
	char verdicts[256];
	int failed = check_words(cli, "state", state_words, choice.states, sizeof(choice.states));
	if (failed == 0)
		failed = check_words(cli, "verdict", verdict_words, verdicts, sizeof(verdicts));
	if (failed == 0)
		failed = take_time(cli, "since", &choice.since_ms);
	if (failed == 0)
		failed = take_time(cli, "until", &choice.until_ms);
	if (failed != 0)
		return failed;
	struct listing listing;
	failed = listing_init(&listing, cli, "RunList", columns, sizeof(columns) / sizeof(columns[0]));
	if (failed != 0)
		return failed;
	int exit_code;
	if (arguments_has(&cli->arguments, "count")) {
		exit_code = count_runs(cli, &listing, &choice);
	} else {
		if (listing.count_max == 0)
			listing.count_max = RUNS_DEFAULT;
		exit_code = listing_run(&listing, "runs", put_args, &choice);
	}
	listing_close(&listing);
	return exit_code;
}
