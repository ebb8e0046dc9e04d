/* The words of the command line, taken apart by the command table. */
#include "agent/cli/arguments.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/definition.h"
#include "proto/text.h"

#define SUGGESTIONS_MAX 3u
#define SUGGEST_WORDS_MAX 256u
#define NUMBER_MAX 1000000

struct parser {
	char *const *words;
	size_t word_count;
	size_t next;
	struct arguments *out;
	struct problem *problem;
};

void suggest_words(const char *word, const char *const *words, size_t word_count, char *ret_text,
		   size_t text_bytes)
{
	const char *left[SUGGEST_WORDS_MAX];
	size_t left_count = 0;
	for (size_t i = 0; i < word_count && left_count < SUGGEST_WORDS_MAX; i++)
		left[left_count++] = words[i];
	ret_text[0] = '\0';
	for (size_t found = 0; found < SUGGESTIONS_MAX; found++) {
		const char *near = text_nearest(word, left, left_count);
		if (near == NULL)
			return;
		size_t used = strlen(ret_text);
		(void)snprintf(ret_text + used, text_bytes - used, "%s%s", used == 0 ? "" : ", ", near);
		size_t kept = 0;
		for (size_t i = 0; i < left_count; i++) {
			if (strcmp(left[i], near) != 0)
				left[kept++] = left[i];
		}
		left_count = kept;
	}
}

/* ---- the command ---- */

/* Second words of a noun, or all first words. */
static size_t names_after(const char *noun, const char **ret_names, char (*store)[64])
{
	size_t count = 0;
	for (size_t i = 0; i < command_count && count < SUGGEST_WORDS_MAX; i++) {
		const char *name = commands[i].name;
		const char *blank = strchr(name, ' ');
		if (noun == NULL) {
			int bytes = blank == NULL ? (int)strlen(name) : (int)(blank - name);
			(void)snprintf(store[count], sizeof(store[count]), "%.*s", bytes, name);
			if (count == 0 || strcmp(store[count - 1], store[count]) != 0) {
				ret_names[count] = store[count];
				count++;
			}
			continue;
		}
		size_t bytes = strlen(noun);
		if (blank != NULL && (size_t)(blank - name) == bytes && strncmp(name, noun, bytes) == 0)
			ret_names[count++] = blank + 1;
	}
	return count;
}

static enum err unknown_command(struct parser *parser, const char *noun, const char *word)
{
	const char *names[SUGGEST_WORDS_MAX];
	char store[SUGGEST_WORDS_MAX][64];
	size_t count = names_after(noun, names, store);
	char near[128];
	suggest_words(word, names, count, near, sizeof(near));
	char shown[128];
	text_escape(slice_str(word), shown, sizeof(shown));
	enum err err;
	if (noun == NULL)
		err = problem_set(parser->problem, ERR_INVALID, "%s: no such command%s%s", shown,
				  near[0] == '\0' ? "" : "; near: ", near);
	else
		err = problem_set(parser->problem, ERR_INVALID, "%s %s: no such command%s%s", noun,
				  shown, near[0] == '\0' ? "" : "; near: ", near);
	problem_hint(parser->problem, "schedctl help");
	return err;
}

static enum err refuse_later(struct parser *parser, const char *name)
{
	return problem_set(parser->problem, ERR_UNSUPPORTED, "%s: not built in this version", name);
}

/* One or two words of the line name the command; parser->next is behind the first. */
static enum err take_command(struct parser *parser, const char *first)
{
	char name[128] = "";
	const char *second = parser->next < parser->word_count ? parser->words[parser->next] : NULL;
	if (second != NULL && second[0] != '-') {
		(void)snprintf(name, sizeof(name), "%s %s", first, second);
		parser->out->command = command_find(name);
		if (parser->out->command != NULL) {
			parser->next++;
			return ERR_OK;
		}
	}
	parser->out->command = command_find(first);
	if (parser->out->command != NULL)
		return ERR_OK;
	for (size_t i = 0; commands_later[i] != NULL; i++) {
		if (strcmp(commands_later[i], name) == 0 || strcmp(commands_later[i], first) == 0)
			return refuse_later(parser, commands_later[i]);
	}
	if (!command_is_noun(first))
		return unknown_command(parser, NULL, first);
	if (second != NULL && second[0] != '-')
		return unknown_command(parser, first, second);
	if (second != NULL && (strcmp(second, "--help") == 0 || strcmp(second, "-h") == 0)) {
		parser->out->command = command_find("help");
		parser->out->operands[parser->out->operand_count++] = first;
		return ERR_OK;
	}
	const char *names[SUGGEST_WORDS_MAX];
	char list[256] = "";
	size_t count = names_after(first, names, NULL);
	for (size_t i = 0; i < count; i++) {
		size_t used = strlen(list);
		(void)snprintf(list + used, sizeof(list) - used, "%s%s", i == 0 ? "" : ", ", names[i]);
	}
	enum err err = problem_set(parser->problem, ERR_INVALID, "%s: what of it? one of: %s",
				   first, list);
	problem_hint(parser->problem, "schedctl help %s tells what each does", first);
	return err;
}

/* ---- flags ---- */

static enum err unknown_flag(struct parser *parser, const char *word)
{
	const struct command *command = parser->out->command;
	const char *names[SUGGEST_WORDS_MAX];
	size_t count = 0;
	const struct flag *lists[] = {
		flags_global,
		command == NULL ? NULL : command->flags,
		command != NULL && (command->traits & COMMAND_LISTS) ? flags_listing : NULL,
		command != NULL && (command->traits & COMMAND_CHANGES) ? flags_changing : NULL,
	};
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (const struct flag *flag = lists[i]; flag != NULL && flag->name != NULL; flag++) {
			if (flag->type != FLAG_LATER && count < SUGGEST_WORDS_MAX)
				names[count++] = flag->name;
		}
	}
	bool takes_keys = command != NULL && (command->traits & COMMAND_KEYS);
	for (int i = 0; takes_keys && i < DEFINITION_KEY_COUNT; i++) {
		if (count < SUGGEST_WORDS_MAX)
			names[count++] = definition_key_at((enum definition_key_id)i)->name;
	}
	char bare[64];
	(void)snprintf(bare, sizeof(bare), "%s", word + strspn(word, "-"));
	bare[strcspn(bare, "=")] = '\0';
	/* Keys of later versions say what holds until then. */
	if (takes_keys && definition_key_refuse(slice_str(bare), parser->problem) == ERR_UNSUPPORTED)
		return ERR_UNSUPPORTED;
	char near[128], shown[128];
	suggest_words(bare, names, count, near, sizeof(near));
	text_escape(slice_str(word), shown, sizeof(shown));
	enum err err = problem_set(parser->problem, ERR_INVALID, "no such flag: %s%s%s", shown,
				   near[0] == '\0' ? "" : "; near: --", near);
	problem_hint(parser->problem, "schedctl help%s%s", command == NULL ? "" : " ",
		     command == NULL ? "" : command->name);
	return err;
}

/* A value may look like a flag ("--since -5m"), but "--" ends the flags. */
static bool has_next_word(const struct parser *parser)
{
	return parser->next < parser->word_count && strcmp(parser->words[parser->next], "--") != 0;
}

static enum err check_value(struct argument *argument, struct problem *problem)
{
	struct slice text = slice_str(argument->text);
	enum err err = ERR_OK;
	switch (argument->flag->type) {
	case FLAG_DURATION:
		err = text_parse_duration(text, &argument->number, problem);
		if (err == ERR_OK && argument->number <= 0)
			err = problem_set(problem, ERR_RANGE, "0 is no time: at least 1ms");
		break;
	case FLAG_NUMBER:
		err = text_parse_i64(text, 1, NUMBER_MAX, &argument->number, problem);
		break;
	case FLAG_FORM:
		if (strcmp(argument->text, "doc") != 0 && strcmp(argument->text, "lines") != 0)
			err = problem_set(problem, ERR_INVALID,
					  "\"%s\": --json (one object per line) or --json=doc",
					  argument->text);
		break;
	case FLAG_TEXT:
		if (!text_is_utf8(text))
			err = problem_set(problem, ERR_INVALID, "not UTF-8");
		break;
	case FLAG_SWITCH:
	case FLAG_LATER:
		break;
	}
	if (err != ERR_OK)
		problem_context(problem, "--%s", argument->flag->name);
	return err;
}

/* `value` is what stood after "=" or behind the letter; NULL: nothing did. */
static enum err add_flag(struct parser *parser, const struct flag *flag, const char *value)
{
	struct arguments *out = parser->out;
	if (flag->type == FLAG_LATER) {
		char name[96];
		(void)snprintf(name, sizeof(name), "%s%s--%s", out->command ? out->command->name : "",
			       out->command ? " " : "", flag->name);
		return refuse_later(parser, name);
	}
	if (out->flag_count == ARGUMENT_FLAGS_MAX)
		return problem_set(parser->problem, ERR_FULL, "more than %u flags", ARGUMENT_FLAGS_MAX);
	struct argument argument = {.flag = flag, .text = value};
	bool takes_next = flag->type != FLAG_SWITCH && flag->type != FLAG_FORM;
	if (flag->type == FLAG_SWITCH && value != NULL)
		return problem_set(parser->problem, ERR_INVALID, "--%s takes no value", flag->name);
	if (takes_next && value == NULL) {
		if (!has_next_word(parser))
			return problem_set(parser->problem, ERR_INVALID, "--%s needs a value: %s",
					   flag->name, flag->value);
		argument.text = parser->words[parser->next++];
	}
	if (argument.text != NULL) {
		enum err err = check_value(&argument, parser->problem);
		if (err != ERR_OK)
			return err;
	}
	out->flags[out->flag_count++] = argument;
	return ERR_OK;
}

/* --start-deadline 5m: a key of a definition. A switch takes the next word only if it is true or false. */
static enum err add_key(struct parser *parser, enum definition_key_id id, const char *value)
{
	struct arguments *out = parser->out;
	const struct definition_key *known = definition_key_at(id);
	if (out->key_count == ARGUMENT_KEYS_MAX)
		return problem_set(parser->problem, ERR_FULL, "more than %u keys", ARGUMENT_KEYS_MAX);
	bool has_next = has_next_word(parser);
	const char *next = has_next ? parser->words[parser->next] : "";
	bool is_switch = known->type == DEFINITION_BOOL || known->type == DEFINITION_SHORTHAND;
	bool is_word = strcmp(next, "true") == 0 || strcmp(next, "false") == 0;
	if (value == NULL && has_next && (!is_switch || is_word)) {
		value = next;
		parser->next++;
	}
	if (value == NULL && !is_switch)
		return problem_set(parser->problem, ERR_INVALID, "--%s needs a value: %s",
				   known->name, known->placeholder);
	out->keys[out->key_count++] = (struct argument_key){.id = id,
							    .text = value == NULL ? "true" : value};
	return ERR_OK;
}

static enum err take_long(struct parser *parser, const char *word)
{
	char name[64];
	const char *equals = strchr(word, '=');
	size_t bytes = equals == NULL ? strlen(word + 2) : (size_t)(equals - word - 2);
	if (bytes >= sizeof(name))
		return unknown_flag(parser, word);
	memcpy(name, word + 2, bytes);
	name[bytes] = '\0';
	const char *value = equals == NULL ? NULL : equals + 1;
	const struct command *command = parser->out->command;
	const struct flag *flag = command_flag(command, name, 0);
	if (flag != NULL)
		return add_flag(parser, flag, value);
	enum definition_key_id id = definition_key_find(slice_str(name));
	if (command != NULL && (command->traits & COMMAND_KEYS) && id != DEFINITION_KEY_COUNT)
		return add_key(parser, id, value);
	return unknown_flag(parser, word);
}

/* "-f", "-n5", "-fv": letters of switches may stand together. */
static enum err take_short(struct parser *parser, const char *word)
{
	for (const char *at = word + 1; *at != '\0'; at++) {
		const struct flag *flag = command_flag(parser->out->command, NULL, *at);
		if (flag == NULL)
			return unknown_flag(parser, word);
		bool takes_value = flag->type != FLAG_SWITCH && flag->type != FLAG_LATER;
		if (takes_value && at[1] != '\0')
			return add_flag(parser, flag, at + 1);
		enum err err = add_flag(parser, flag, NULL);
		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}

/* ---- the line ---- */

static enum err take_operand(struct parser *parser, const char *word)
{
	struct arguments *out = parser->out;
	if (out->operand_count == OPERANDS_ANY)
		return problem_set(parser->problem, ERR_FULL, "more than %u words", OPERANDS_ANY);
	if (!text_is_utf8(slice_str(word)))
		return problem_set(parser->problem, ERR_INVALID, "a word is not UTF-8");
	out->operands[out->operand_count++] = word;
	return ERR_OK;
}

static enum err check_operands(struct parser *parser)
{
	const struct arguments *out = parser->out;
	const struct command *command = out->command;
	if (command == NULL || arguments_has(out, "help"))
		return ERR_OK;
	enum err err = ERR_OK;
	if (out->operand_count < command->operand_min)
		err = problem_set(parser->problem, ERR_INVALID, "something is missing: schedctl %s %s",
				  command->name, command->usage);
	else if (out->operand_count > command->operand_max)
		err = problem_set(parser->problem, ERR_INVALID, "one word too many: %s",
				  out->operands[command->operand_max]);
	else if (out->has_rest && !(command->traits & COMMAND_REST))
		err = problem_set(parser->problem, ERR_INVALID, "nothing may follow --");
	if (err != ERR_OK && out->operand_count > command->operand_max &&
	    (command->traits & COMMAND_REST) && !out->has_rest)
		problem_hint(parser->problem, "what to run goes after --: schedctl %s %s ... -- %s",
			     command->name, out->operands[0], out->operands[command->operand_max]);
	else if (err != ERR_OK)
		problem_hint(parser->problem, "schedctl help %s", command->name);
	return err;
}

enum err arguments_parse(char *const *words, size_t word_count, struct arguments *ret_arguments,
			 struct problem *problem)
{
	*ret_arguments = (struct arguments){0};
	struct parser parser = {
		.words = words, .word_count = word_count, .out = ret_arguments, .problem = problem};
	while (parser.next < word_count) {
		const char *word = words[parser.next++];
		enum err err;
		if (strcmp(word, "--") == 0) {
			ret_arguments->has_rest = true;
			ret_arguments->rest = words + parser.next;
			ret_arguments->rest_count = word_count - parser.next;
			break;
		}
		if (word[0] == '-' && word[1] == '-')
			err = take_long(&parser, word);
		else if (word[0] == '-' && word[1] != '\0')
			err = take_short(&parser, word);
		else if (ret_arguments->command == NULL)
			err = take_command(&parser, word);
		else
			err = take_operand(&parser, word);
		if (err != ERR_OK)
			return err;
	}
	return check_operands(&parser);
}

const struct argument *arguments_flag(const struct arguments *arguments, const char *name)
{
	for (size_t i = arguments->flag_count; i > 0; i--) {
		if (strcmp(arguments->flags[i - 1].flag->name, name) == 0)
			return &arguments->flags[i - 1];
	}
	return NULL;
}

bool arguments_has(const struct arguments *arguments, const char *name)
{
	return arguments_flag(arguments, name) != NULL;
}

const char *arguments_text(const struct arguments *arguments, const char *name)
{
	const struct argument *argument = arguments_flag(arguments, name);
	return argument == NULL ? NULL : argument->text;
}

int64_t arguments_number(const struct arguments *arguments, const char *name, int64_t fallback)
{
	const struct argument *argument = arguments_flag(arguments, name);
	return argument == NULL ? fallback : argument->number;
}
