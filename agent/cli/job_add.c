/* job add: a definition made of flags. */
#include <stdio.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "agent/cli/job.h"
#include "agent/cli/job_check.h"
#include "agent/cli/when.h"
#include "proto/definition_build.h"
#include "proto/text.h"

struct addition {
	struct cli *cli;
	struct zonefile *zonefile;
	struct buf definition;
	const struct zone *zone; /* NULL: UTC */
	const char *zone_name;
	int64_t at_ms; /* of --at; has_at */
	bool has_at;
};

/* --at and --anchor take what people say, in the job's zone; other times are the definition's business. */
static enum err set_time(struct addition *addition, const struct argument_key *key,
			 struct problem *problem)
{
	int64_t utc_ms;
	enum err err = when_parse(slice_str(key->text), client_utc_ms(), addition->zone, &utc_ms,
				  problem);
	if (err != ERR_OK) {
		problem_context(problem, "%s", definition_key_at(key->id)->name);
		return err;
	}
	if (key->id == DEFINITION_KEY_AT) {
		addition->at_ms = utc_ms;
		addition->has_at = true;
	}
	return definition_set_number(&addition->definition, key->id, utc_ms, problem);
}

static enum err set_key(struct addition *addition, const struct argument_key *key, struct problem *problem)
{
	if (key->id == DEFINITION_KEY_JOB)
		return problem_set(problem, ERR_INVALID, "--job: the name stands behind `job add`");
	if (key->id == DEFINITION_KEY_COMMAND) {
		enum err err = problem_set(problem, ERR_INVALID,
					   "--command: the words of the command follow --");
		problem_hint(problem, "schedctl job add NAME --cron EXPR -- PROG ARG...");
		return err;
	}
	if (key->id == DEFINITION_KEY_AT || key->id == DEFINITION_KEY_ANCHOR)
		return set_time(addition, key, problem);
	return definition_set_text(&addition->definition, key->id, slice_str(key->text), problem);
}

/* The zone first: times are read in it. */
static enum err find_zone(struct addition *addition, struct problem *problem)
{
	const struct arguments *arguments = &addition->cli->arguments;
	for (size_t i = 0; i < arguments->key_count; i++) {
		if (arguments->keys[i].id == DEFINITION_KEY_TZ)
			addition->zone_name = arguments->keys[i].text;
	}
	if (addition->zone_name == NULL)
		return ERR_OK;
	enum err err = zonefile_load(addition->zonefile, slice_str(addition->zone_name),
				     &addition->zone, problem);
	if (err == ERR_OK)
		return ERR_OK;
	problem_context(problem, "tz");
	problem->code = err == ERR_NOT_FOUND ? ERR_INVALID : err;
	return problem->code;
}

static enum err set_command(struct addition *addition, struct problem *problem)
{
	const struct arguments *arguments = &addition->cli->arguments;
	struct slice words[COMMAND_ARGS_MAX];
	if (!arguments->has_rest)
		return ERR_OK;
	if (arguments->rest_count > COMMAND_ARGS_MAX)
		return problem_set(problem, ERR_RANGE, "command: more than %u words", COMMAND_ARGS_MAX);
	for (size_t i = 0; i < arguments->rest_count; i++)
		words[i] = slice_str(arguments->rest[i]);
	return definition_set_list(&addition->definition, DEFINITION_KEY_COMMAND,
				   arguments->rest_count, words, problem);
}

static enum err build(struct addition *addition, struct problem *problem)
{
	const struct arguments *arguments = &addition->cli->arguments;
	definition_begin(&addition->definition);
	enum err err = definition_set_text(&addition->definition, DEFINITION_KEY_JOB,
					   slice_str(arguments->operands[0]), problem);
	if (err == ERR_OK)
		err = find_zone(addition, problem);
	for (size_t i = 0; err == ERR_OK && i < arguments->key_count; i++)
		err = set_key(addition, &arguments->keys[i], problem);
	if (err == ERR_OK && arguments_has(arguments, "yes-often"))
		err = definition_set_text(&addition->definition, DEFINITION_KEY_OFTEN,
					  slice_str("true"), problem);
	if (err == ERR_OK)
		err = set_command(addition, problem);
	const char *path;
	if (err == ERR_OK)
		err = job_check(buf_slice(&addition->definition), addition->zonefile, &path, problem);
	return err;
}

void job_tell_put(struct cli *cli, const char *done, struct slice end)
{
	struct growing line = {0};
	char name[JOB_NAME_BYTES_MAX + 1], words[1024];
	cli_field(end, "name", "", name, sizeof(name));
	cli_field(end, "words", "", words, sizeof(words));
	if (!wire_map_find_bool(end, "changed", true)) {
		growing_escaped(&line, slice_str(name));
		growing_text(&line, ": no change\n");
	} else {
		growing_format(&line, "%s ", done);
		growing_escaped(&line, slice_str(name));
		growing_format(&line, ", version %lld", (long long)wire_map_find_i64(end, "version", 0));
		if (words[0] != '\0')
			growing_text(&line, ": ");
		growing_escaped(&line, slice_str(words));
		growing_text(&line, "; see: schedctl job show ");
		growing_escaped(&line, slice_str(name));
		growing_put(&line, "\n", 1);
	}
	size_t start = line.bytes;
	growing_text(&line, "next: ");
	job_put_times(end, "next", &line);
	if (line.bytes == start + strlen("next: "))
		line.bytes = start;
	else
		growing_put(&line, "\n", 1);
	cli_write(cli, growing_slice(&line));
	growing_close(&line);
}

static int send(struct addition *addition)
{
	struct cli *cli = addition->cli;
	bool is_edit = arguments_has(&cli->arguments, "replace");
	cli_args_begin(cli);
	wire_map_key(&cli->args_map, &cli->args, "definition");
	wire_put_bin(&cli->args, addition->definition.data, addition->definition.bytes);
	cli_args_text(cli, "mode", is_edit ? "replace" : "create");
	if (arguments_has(&cli->arguments, "late"))
		wire_map_bool(&cli->args_map, &cli->args, "late", true);
	struct cli_call call = {.verb = "job.put", .waiting_for = "waiting for a majority"};
	struct slice end;
	int failed = cli_call(cli, &call, &end);
	if (failed != 0)
		return failed;
	char warning[512];
	cli_field(end, "warning", "", warning, sizeof(warning));
	if (warning[0] != '\0')
		cli_note(cli, "%s", warning);
	if (cli->form != OUTPUT_TEXT) {
		cli_write_object(cli, "JobChange", end);
		return EXIT_DONE;
	}
	if (addition->has_at) {
		char utc[TEXT_TIME_BYTES], local[WHEN_LOCAL_BYTES];
		struct growing line = {0};
		text_format_time(addition->at_ms, utc);
		when_format_local(addition->at_ms, addition->zone, local);
		growing_format(&line, "at %s", utc);
		if (addition->zone != NULL)
			growing_format(&line, ", %s in %s", local, addition->zone_name);
		growing_put(&line, "\n", 1);
		cli_write(cli, growing_slice(&line));
		growing_close(&line);
	}
	job_tell_put(cli, is_edit ? "replaced" : "added", end);
	return EXIT_DONE;
}

int command_job_add(struct cli *cli)
{
	struct addition addition = {.cli = cli, .zonefile = zonefile_new(NULL)};
	struct problem problem;
	if (addition.zonefile == NULL)
		return cli_refuse(cli, ERR_NO_MEMORY, NULL, "out of memory");
	uint8_t *memory = growing_resize(NULL, DEFINITION_BUILD_BYTES);
	buf_init(&addition.definition, memory, DEFINITION_BUILD_BYTES);
	enum err err = build(&addition, &problem);
	int exit_code;
	/* Whatever is wrong with the words of the line is bad input. */
	if (err != ERR_OK)
		exit_code = cli_error(cli, err_word(problem.code), EXIT_BAD_INPUT, problem.text,
				      problem.hint);
	else
		exit_code = send(&addition);
	(void)growing_resize(memory, 0);
	zonefile_free(addition.zonefile);
	return exit_code;
}
