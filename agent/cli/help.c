/* help and version: pages made from the command table. */
#include <stdio.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "agent/cli/command.h"
#include "proto/definition.h"

#define WORDS_COLUMN 26

static const char *const task_titles[TASK_COUNT] = {
	[TASK_SEE] = "See", [TASK_CHANGE] = "Change", [TASK_WATCH] = "Watch",
	[TASK_FIX] = "Fix", [TASK_OTHER] = "More",
};

static const char *const exit_words[] = {
	"done",
	"done, but the answer is no: a run ended badly, or not all agents answered",
	"bad input; nothing was changed",
	"no such job, run or node",
	"not allowed",
	"conflict with what is there; nothing was changed",
	"not decided: no majority in reach",
	"no answer in time",
};

static void put_flags(struct growing *out, const struct flag *flags)
{
	for (const struct flag *flag = flags; flag != NULL && flag->name != NULL; flag++) {
		if (flag->type == FLAG_LATER)
			continue;
		char left[64];
		if (flag->type == FLAG_FORM)
			(void)snprintf(left, sizeof(left), "--%s[=%s]", flag->name, flag->value);
		else if (flag->letter != 0)
			(void)snprintf(left, sizeof(left), "-%c, --%s%s%s", flag->letter,
				       flag->name, flag->value == NULL ? "" : " ",
				       flag->value == NULL ? "" : flag->value);
		else
			(void)snprintf(left, sizeof(left), "--%s%s%s", flag->name,
				       flag->value == NULL ? "" : " ",
				       flag->value == NULL ? "" : flag->value);
		growing_format(out, "  %-*s %s\n", WORDS_COLUMN, left, flag->help);
	}
}

static void put_overview(struct growing *out)
{
	growing_text(out, "usage: schedctl COMMAND [FLAGS]\n\n"
			  "  schedctl job add web/ping --every 30s -- curl -fsS http://localhost/\n"
			  "  schedctl job ls\n"
			  "  schedctl logs -f web/ping\n");
	for (int task = 0; task < TASK_COUNT; task++) {
		growing_format(out, "\n%s\n", task_titles[task]);
		for (size_t i = 0; i < command_count; i++) {
			if ((int)commands[i].task == task)
				growing_format(out, "  %-*s %s\n", WORDS_COLUMN, commands[i].name,
					       commands[i].summary);
		}
	}
	growing_text(out, "\nFlags of every command\n");
	put_flags(out, flags_global);
	growing_text(out, "\nschedctl help COMMAND tells the rest.\n");
}

static void put_usage(struct growing *out, const struct command *command)
{
	growing_format(out, "usage: schedctl %s%s%s\n%s\n", command->name,
		       command->usage[0] == '\0' ? "" : " ", command->usage, command->summary);
}

/* At most 24 lines: what `COMMAND --help` prints. */
static void put_short(struct growing *out, const struct command *command)
{
	put_usage(out, command);
	if (command->examples[0] != NULL)
		growing_put(out, "\n", 1);
	for (size_t i = 0; i < COMMAND_EXAMPLES_MAX && command->examples[i] != NULL; i++)
		growing_format(out, "  %s\n", command->examples[i]);
	if (command->flags != NULL)
		growing_put(out, "\n", 1);
	put_flags(out, command->flags);
	growing_format(out, "\nAll of it: schedctl help %s\n", command->name);
}

static void put_keys(struct growing *out)
{
	growing_text(out, "\nKeys of a job\n");
	for (int i = 0; i < DEFINITION_KEY_COUNT; i++) {
		const struct definition_key *key = definition_key_at((enum definition_key_id)i);
		char left[64];
		/* These two are the words of the line itself. */
		if (i == DEFINITION_KEY_JOB || i == DEFINITION_KEY_COMMAND)
			continue;
		(void)snprintf(left, sizeof(left), "--%s %s", key->name, key->placeholder);
		for (char *at = left; *at != '\0' && *at != ' '; at++) {
			if (*at == '_' || *at == '.')
				*at = '-';
		}
		growing_format(out, "  %-*s %s%s%s%s\n", WORDS_COLUMN, left, key->help,
			       key->fallback == NULL ? "" : " (",
			       key->fallback == NULL ? "" : key->fallback,
			       key->fallback == NULL ? "" : ")");
	}
}

static void put_page(struct growing *out, const struct command *command)
{
	put_usage(out, command);
	if (command->text != NULL)
		growing_format(out, "\n%s\n", command->text);
	if (command->examples[0] != NULL)
		growing_text(out, "\nExamples\n");
	for (size_t i = 0; i < COMMAND_EXAMPLES_MAX && command->examples[i] != NULL; i++)
		growing_format(out, "  %s\n", command->examples[i]);
	growing_text(out, "\nFlags\n");
	put_flags(out, command->flags);
	if (command->traits & COMMAND_LISTS)
		put_flags(out, flags_listing);
	if (command->traits & COMMAND_CHANGES)
		put_flags(out, flags_changing);
	put_flags(out, flags_global);
	if (command->traits & COMMAND_KEYS)
		put_keys(out);
	growing_text(out, "\nExit codes\n");
	for (const char *at = command->exits; *at != '\0'; at++)
		growing_format(out, "  %c  %s\n", *at, exit_words[*at - '0']);
}

static void put_page_row(struct cli *cli, const char *topic, const struct growing *page)
{
	static uint8_t memory[32768];
	struct buf row;
	buf_init(&row, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&row);
	wire_map_text(&map, &row, "command", topic);
	wire_map_text(&map, &row, "text", growing_string(page));
	wire_map_end(&map, &row);
	cli_write_object(cli, "Help", buf_slice(&row));
}

/* A noun alone ("job") lists its commands. */
static bool put_noun(struct growing *out, const char *noun)
{
	if (!command_is_noun(noun))
		return false;
	size_t bytes = strlen(noun);
	for (size_t i = 0; i < command_count; i++) {
		if (strncmp(commands[i].name, noun, bytes) == 0 && commands[i].name[bytes] == ' ')
			growing_format(out, "  %-*s %s\n", WORDS_COLUMN, commands[i].name,
				       commands[i].summary);
	}
	return true;
}

int command_help(struct cli *cli)
{
	const struct arguments *arguments = &cli->arguments;
	bool is_short = arguments_has(arguments, "help");
	const struct command *command = arguments->command;
	char topic[128] = "";
	bool is_about_other = command == NULL || command->run == command_help;
	if (is_about_other && arguments->operand_count > 0) {
		(void)snprintf(topic, sizeof(topic), "%s%s%s", arguments->operands[0],
			       arguments->operand_count > 1 ? " " : "",
			       arguments->operand_count > 1 ? arguments->operands[1] : "");
		command = command_find(topic);
	} else if (command != NULL && (is_short || !is_about_other)) {
		(void)snprintf(topic, sizeof(topic), "%s", command->name);
	}
	struct growing page = {0};
	if (topic[0] == '\0')
		put_overview(&page);
	else if (command != NULL && is_short)
		put_short(&page, command);
	else if (command != NULL)
		put_page(&page, command);
	else if (!put_noun(&page, topic))
		return cli_refuse(cli, ERR_INVALID, "schedctl help", "%s: no such command", topic);
	if (cli->form == OUTPUT_TEXT)
		cli_write(cli, growing_slice(&page));
	else
		put_page_row(cli, topic, &page);
	growing_close(&page);
	return EXIT_DONE;
}

int command_version(struct cli *cli)
{
	if (cli->form == OUTPUT_TEXT) {
		cli_write(cli, slice_str("schedctl " PEERSCHED_VERSION "\n"));
		return EXIT_DONE;
	}
	uint8_t memory[128];
	struct buf row;
	buf_init(&row, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&row);
	wire_map_text(&map, &row, "program", "schedctl");
	wire_map_text(&map, &row, "version", PEERSCHED_VERSION);
	wire_map_end(&map, &row);
	cli_write_object(cli, "Version", buf_slice(&row));
	return EXIT_DONE;
}
