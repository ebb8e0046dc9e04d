/* next: what an expression means, without an agent; or the coming fires of jobs, by the agent. */
#include <stdio.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "agent/cli/listing.h"
#include "agent/cli/when.h"
#include "agent/core/schedule.h"
#include "agent/io/zonefile.h"
#include "proto/text.h"

#define EXPRESSION_FIRES_DEFAULT 5
#define JOB_FIRES_DEFAULT 10
#define LINES_MAX 10000 /* more need --yes */
#define ROW_BYTES_MAX 4096u

static const struct column expression_columns[] = {
	{"local", "local", COLUMN_TEXT, true, NULL}, {"t", "t_at", COLUMN_TIME, true, NULL},
	{"tz", "tz", COLUMN_TEXT, true, NULL},       {"mark", "mark", COLUMN_TEXT, true, NULL},
	{"expr", "expr", COLUMN_TEXT, false, NULL},
};

static const struct column job_columns[] = {
	{"t", "t_at", COLUMN_TIME, true, NULL},     {"job", "job", COLUMN_TEXT, true, NULL},
	{"node", "node", COLUMN_TEXT, true, NULL},  {"local", "local", COLUMN_TEXT, true, NULL},
	{"tz", "tz", COLUMN_TEXT, true, NULL},      {"mark", "mark", COLUMN_TEXT, true, NULL},
	{"fire", "fire", COLUMN_TEXT, false, NULL},
};

/* What the flags ask for. */
struct question {
	struct cli *cli;
	struct zonefile *zonefile;
	const struct zone *zone; /* of --tz; NULL: not given */
	const char *zone_name;
	int64_t from_ms, to_ms; /* INT64_MAX: no end */
	int64_t count_max;
	struct listing listing;
};

/* Days on which the zone's clock jumps are marked; NULL on others. */
static const char *mark_of(const struct zone *zone, int64_t utc_ms)
{
	switch (zone_day_kind(zone, utc_ms / 1000)) {
	case ZONE_DAY_GAP:
		return "clock goes forward";
	case ZONE_DAY_FOLD:
		return "clock goes back";
	case ZONE_DAY_PLAIN:
		break;
	}
	return NULL;
}

static void put_text_or_nil(struct wire_map *map, struct buf *row, const char *key, const char *text)
{
	if (text == NULL)
		wire_map_nil(map, row, key);
	else
		wire_map_text(map, row, key, text);
}

static void put_time(struct wire_map *map, struct buf *row, int64_t t_ms, const struct zone *zone,
		     const char *zone_name)
{
	char local[WHEN_LOCAL_BYTES];
	when_format_local(t_ms, zone, local);
	wire_map_i64(map, row, "t_at", t_ms);
	wire_map_text(map, row, "local", local);
	wire_map_text(map, row, "tz", zone_name);
	put_text_or_nil(map, row, "mark", zone == NULL ? NULL : mark_of(zone, t_ms));
}

static int take_time(struct question *question, const char *flag, int64_t fallback_ms, int64_t *ret_ms)
{
	struct cli *cli = question->cli;
	const char *text = arguments_text(&cli->arguments, flag);
	*ret_ms = fallback_ms;
	if (text == NULL)
		return 0;
	struct problem problem;
	enum err err = when_parse(slice_str(text), client_utc_ms(), question->zone, ret_ms, &problem);
	if (err == ERR_OK)
		return 0;
	problem_context(&problem, "--%s", flag);
	return cli_problem(cli, &problem);
}

static int read_question(struct question *question)
{
	struct cli *cli = question->cli;
	const struct arguments *arguments = &cli->arguments;
	question->zone_name = arguments_text(arguments, "tz");
	if (question->zone_name != NULL) {
		struct problem problem;
		enum err err = zonefile_load(question->zonefile, slice_str(question->zone_name),
					     &question->zone, &problem);
		if (err != ERR_OK) {
			/* Whatever is wrong with a zone's name is bad input. */
			problem_context(&problem, "--tz");
			return cli_error(cli, err_word(problem.code), EXIT_BAD_INPUT, problem.text,
					 problem.hint);
		}
	}
	int failed = take_time(question, "from", client_utc_ms(), &question->from_ms);
	if (failed == 0)
		failed = take_time(question, "to", INT64_MAX, &question->to_ms);
	if (failed != 0)
		return failed;
	bool is_expression = arguments_has(arguments, "expr");
	int64_t fallback = is_expression ? EXPRESSION_FIRES_DEFAULT : JOB_FIRES_DEFAULT;
	if (arguments_has(arguments, "to"))
		fallback = arguments_has(arguments, "yes") ? INT64_MAX : LINES_MAX;
	question->count_max = arguments_number(arguments, "number",
					       arguments_number(arguments, "limit", fallback));
	if (question->count_max > LINES_MAX && !arguments_has(arguments, "yes"))
		return cli_refuse(cli, ERR_RANGE, "add --yes", "more than %d lines", LINES_MAX);
	return 0;
}

/* ---- an expression ---- */

static void put_fire(struct question *question, const char *expression, const char *words, int64_t t_ms)
{
	uint8_t memory[ROW_BYTES_MAX];
	struct buf row;
	buf_init(&row, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&row);
	wire_map_text(&map, &row, "expr", expression);
	put_time(&map, &row, t_ms, question->zone,
		 question->zone_name == NULL ? "UTC" : question->zone_name);
	wire_map_text(&map, &row, "words", words);
	wire_map_end(&map, &row);
	listing_row(&question->listing, buf_slice(&row));
}

static int list_expression(struct question *question, const char *expression)
{
	struct cli *cli = question->cli;
	struct schedule schedule;
	struct problem problem;
	char words[SCHEDULE_WORDS_BYTES_MAX];
	enum err err = schedule_parse_cron(slice_str(expression), &schedule, &problem);
	if (err != ERR_OK) {
		problem_context(&problem, "--expr");
		return cli_problem(cli, &problem);
	}
	/* An interval counts from a job's creation: here, from the time that was asked for. */
	if (schedule.kind == SCHEDULE_EVERY)
		schedule.anchor_ms = question->from_ms - question->from_ms % 1000;
	if (schedule_describe(&schedule, words, sizeof(words)) != ERR_OK)
		words[0] = '\0';
	struct zone utc;
	zone_init_utc(&utc);
	const struct zone *zone = question->zone == NULL ? &utc : question->zone;
	if (cli->form == OUTPUT_TEXT) {
		growing_escaped(&question->listing.lines, slice_str(words));
		growing_put(&question->listing.lines, "\n", 1);
	}
	int64_t t_ms = question->from_ms;
	int64_t count = 0;
	for (; count < question->count_max; count++) {
		t_ms = schedule_next(&schedule, zone, t_ms);
		if (t_ms == SCHEDULE_NEVER || t_ms > question->to_ms)
			break;
		put_fire(question, expression, words, t_ms);
	}
	if (count == 0 && cli->form == OUTPUT_TEXT)
		cli_note(cli, "no fire %s",
			 question->to_ms == INT64_MAX ? "after that time" : "in that time");
	if (count == LINES_MAX && arguments_has(&cli->arguments, "to"))
		cli_note(cli, "cut at %d lines; --yes gives all", LINES_MAX);
	return listing_end(&question->listing, (struct slice){0});
}

/* ---- jobs ---- */

static void on_fire(void *context, struct slice fire)
{
	struct question *question = context;
	uint8_t memory[ROW_BYTES_MAX];
	struct buf row;
	buf_init(&row, memory, sizeof(memory));
	char zone_name[ZONE_NAME_BYTES_MAX + 1];
	cli_field(fire, "tz", "UTC", zone_name, sizeof(zone_name));
	const struct zone *zone = question->zone;
	const char *shown = question->zone_name;
	if (zone == NULL) {
		shown = zone_name;
		if (strcmp(zone_name, "UTC") == 0 ||
		    zonefile_load(question->zonefile, slice_str(zone_name), &zone, NULL) != ERR_OK)
			zone = NULL;
	}
	struct slice node = wire_map_find_str(fire, "node");
	struct wire_map map = wire_map_begin(&row);
	wire_map_str(&map, &row, "fire", wire_map_find_str(fire, "fire"));
	wire_map_str(&map, &row, "job", wire_map_find_str(fire, "job"));
	if (node.bytes > 0)
		wire_map_str(&map, &row, "node", node);
	else
		wire_map_nil(&map, &row, "node");
	put_time(&map, &row, wire_map_find_i64(fire, "t_at", 0), zone, shown);
	wire_map_end(&map, &row);
	listing_row(&question->listing, buf_slice(&row));
}

static int list_jobs(struct question *question)
{
	struct cli *cli = question->cli;
	const struct arguments *arguments = &cli->arguments;
	cli_args_begin(cli);
	if (arguments->operand_count > 0) {
		wire_map_key(&cli->args_map, &cli->args, "jobs");
		wire_put_array(&cli->args, (uint32_t)arguments->operand_count);
		for (size_t i = 0; i < arguments->operand_count; i++)
			wire_put_text(&cli->args, arguments->operands[i]);
	}
	wire_map_i64(&cli->args_map, &cli->args, "count", question->count_max);
	if (arguments_has(arguments, "from"))
		wire_map_i64(&cli->args_map, &cli->args, "from_at", question->from_ms);
	if (question->to_ms != INT64_MAX)
		wire_map_i64(&cli->args_map, &cli->args, "to_at", question->to_ms);
	struct cli_call call = {.verb = "next", .on_row = on_fire, .context = question};
	struct slice end;
	int failed = cli_call(cli, &call, &end);
	return failed != 0 ? failed : listing_end(&question->listing, end);
}

int command_next(struct cli *cli)
{
	const char *expression = arguments_text(&cli->arguments, "expr");
	if (expression != NULL && cli->arguments.operand_count > 0)
		return cli_refuse(cli, ERR_INVALID, "schedctl help next",
				  "--expr and jobs do not go together");
	if (arguments_has(&cli->arguments, "watch") || arguments_has(&cli->arguments, "after"))
		return cli_refuse(cli, ERR_UNSUPPORTED, NULL,
				  "--watch and --after: not built in this version");
	struct question question = {.cli = cli};
	int exit_code;
	if (expression != NULL)
		exit_code = listing_init(&question.listing, cli, "FireList", expression_columns,
					 sizeof(expression_columns) / sizeof(expression_columns[0]));
	else
		exit_code = listing_init(&question.listing, cli, "FireList", job_columns,
					 sizeof(job_columns) / sizeof(job_columns[0]));
	if (exit_code != 0)
		return exit_code;
	question.zonefile = zonefile_new(NULL);
	if (question.zonefile == NULL)
		exit_code = cli_refuse(cli, ERR_NO_MEMORY, NULL, "out of memory");
	if (exit_code == 0)
		exit_code = read_question(&question);
	if (exit_code == 0)
		exit_code = expression != NULL ? list_expression(&question, expression)
					       : list_jobs(&question);
	listing_close(&question.listing);
	zonefile_free(question.zonefile);
	return exit_code;
}
