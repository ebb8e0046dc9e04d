/* Crontabs, read by cronie's rules (entry.c, env.c and do_command.c of cronie 1.6). */
#include "agent/cli/crontab.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"

#define FIELD_COUNT 5u

struct reading {
	const struct crontab_reader *reader;
	struct crontab_variable variables[CRONTAB_VARIABLES_MAX];
	size_t variable_count;
	struct growing comment;
	struct growing command;
	struct growing input;
	uint32_t line;
	struct slice whole;
	size_t at; /* in `whole` */
};

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

static uint8_t byte_at(const struct reading *reading, size_t at)
{
	return at < reading->whole.bytes ? reading->whole.data[at] : 0;
}

static void skip_blanks(struct reading *reading)
{
	while (is_blank(byte_at(reading, reading->at)))
		reading->at++;
}

static struct slice take_word(struct reading *reading)
{
	size_t start = reading->at;
	while (reading->at < reading->whole.bytes && !is_blank(reading->whole.data[reading->at]))
		reading->at++;
	return slice_of(reading->whole.data + start, reading->at - start);
}

static void bad_line(struct reading *reading, size_t at, const char *reason)
{
	reading->reader->on_bad_line(reading->reader->context, reading->line, (uint32_t)at + 1,
				     reading->whole, reason);
}

/* ---- variables (env.c, load_env) ---- */

static char *copy_text(const char *data, size_t bytes)
{
	char *copy = growing_resize(NULL, bytes + 1);
	memcpy(copy, data, bytes);
	copy[bytes] = '\0';
	return copy;
}

/* A quoted or bare word. False: an opened quote is not closed. */
static bool take_quoted(const struct reading *reading, size_t *at, bool is_name, struct slice *ret_text)
{
	uint8_t quote = byte_at(reading, *at);
	size_t start = *at;
	if (quote == '"' || quote == '\'') {
		start = ++*at;
		while (*at < reading->whole.bytes && reading->whole.data[*at] != quote)
			++*at;
		if (*at == reading->whole.bytes)
			return false;
		*ret_text = slice_of(reading->whole.data + start, *at - start);
		++*at;
		return true;
	}
	while (*at < reading->whole.bytes &&
	       !(is_name && (byte_at(reading, *at) == '=' || is_blank(byte_at(reading, *at)))))
		++*at;
	size_t end = *at;
	while (end > start && is_blank(reading->whole.data[end - 1]))
		end--;
	*ret_text = slice_of(reading->whole.data + start, end - start);
	return true;
}

/* name = value, each in quotes or not; no expansion, blanks at the end cut unless quoted. */
static bool variable_read(const struct reading *reading, struct slice *ret_name, struct slice *ret_value)
{
	size_t at = reading->at;
	if (!take_quoted(reading, &at, true, ret_name) || ret_name->bytes == 0)
		return false;
	while (is_blank(byte_at(reading, at)))
		at++;
	if (byte_at(reading, at) != '=')
		return false;
	at++;
	while (is_blank(byte_at(reading, at)))
		at++;
	if (!take_quoted(reading, &at, false, ret_value))
		return false;
	while (is_blank(byte_at(reading, at)))
		at++;
	return at == reading->whole.bytes;
}

static enum err variable_set(struct reading *reading, struct slice name, struct slice value,
			     struct problem *problem)
{
	struct crontab_variable *variable = NULL;
	for (size_t i = 0; i < reading->variable_count; i++) {
		if (slice_equal(slice_str(reading->variables[i].name), name))
			variable = &reading->variables[i];
	}
	if (variable == NULL && reading->variable_count == CRONTAB_VARIABLES_MAX)
		return problem_set(problem, ERR_FULL, "line %u: more than %u variables",
				   reading->line, CRONTAB_VARIABLES_MAX);
	if (variable == NULL) {
		variable = &reading->variables[reading->variable_count++];
		variable->name = copy_text((const char *)name.data, name.bytes);
		variable->value = NULL;
	}
	free(variable->value);
	variable->value = copy_text((const char *)value.data, value.bytes);
	variable->line = reading->line;
	return ERR_OK;
}

/* ---- entries (entry.c, load_entry) ---- */

/* do_command.c: the first bare % ends the command, what follows is its input with % as newline; \% is %. */
static void split_command(struct reading *reading, struct slice text)
{
	growing_clear(&reading->command);
	growing_clear(&reading->input);
	bool is_escaped = false;
	size_t at = 0;
	for (; at < text.bytes; at++) {
		uint8_t byte = text.data[at];
		if (is_escaped && byte != '%')
			growing_put(&reading->command, "\\", 1);
		if (!is_escaped && byte == '%')
			break;
		is_escaped = byte == '\\';
		if (!is_escaped)
			growing_put(&reading->command, &byte, 1);
	}
	if (is_escaped)
		growing_put(&reading->command, "\\", 1);
	if (at + 1 >= text.bytes)
		return;
	bool needs_newline = false;
	is_escaped = false;
	for (at++; at < text.bytes; at++) {
		uint8_t byte = text.data[at];
		if (is_escaped && byte != '%')
			growing_put(&reading->input, "\\", 1);
		if (!is_escaped && byte == '%')
			byte = '\n';
		is_escaped = byte == '\\';
		if (is_escaped)
			continue;
		growing_put(&reading->input, &byte, 1);
		needs_newline = byte != '\n';
	}
	if (is_escaped)
		growing_put(&reading->input, "\\", 1);
	if (needs_newline || is_escaped)
		growing_put(&reading->input, "\n", 1);
}

/* The slice from the first to the last field, as written. False: told already. */
static bool take_schedule(struct reading *reading, struct slice *ret_schedule)
{
	size_t start = reading->at;
	if (byte_at(reading, start) == '@') {
		*ret_schedule = take_word(reading);
		return true;
	}
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		skip_blanks(reading);
		size_t field_at = reading->at;
		struct slice field = take_word(reading);
		if (field.bytes == 0) {
			bad_line(reading, field_at,
				 "five fields of time, then the command, are expected");
			return false;
		}
	}
	*ret_schedule = slice_of(reading->whole.data + start, reading->at - start);
	return true;
}

static void entry_read(struct reading *reading)
{
	struct crontab_entry entry = {.line = reading->line, .whole = reading->whole};
	if (byte_at(reading, reading->at) == '-') {
		entry.is_quiet = true;
		reading->at++;
		skip_blanks(reading);
	}
	entry.column = (uint32_t)reading->at + 1;
	if (!take_schedule(reading, &entry.schedule))
		return;
	skip_blanks(reading);
	if (reading->reader->form == CRONTAB_SYSTEM) {
		entry.user = take_word(reading);
		skip_blanks(reading);
	}
	if (reading->at == reading->whole.bytes) {
		bool lacks_user = reading->reader->form == CRONTAB_SYSTEM && entry.user.bytes == 0;
		bad_line(reading, reading->at,
			 lacks_user ? "the user and the command are missing" : "the command is missing");
		return;
	}
	split_command(reading, slice_of(reading->whole.data + reading->at,
					reading->whole.bytes - reading->at));
	entry.command = growing_slice(&reading->command);
	entry.input = growing_slice(&reading->input);
	entry.comment = growing_slice(&reading->comment);
	entry.variables = reading->variables;
	entry.variable_count = reading->variable_count;
	if (entry.command.bytes == 0)
		bad_line(reading, reading->at, "the command is empty");
	else
		reading->reader->on_entry(reading->reader->context, &entry);
}

static void comment_read(struct reading *reading)
{
	size_t at = reading->at;
	while (byte_at(reading, at) == '#' || is_blank(byte_at(reading, at)))
		at++;
	size_t bytes = reading->whole.bytes - at;
	if (reading->comment.bytes + bytes + 1 > CRONTAB_COMMENT_BYTES_MAX)
		return;
	if (reading->comment.bytes > 0)
		growing_put(&reading->comment, "\n", 1);
	growing_put(&reading->comment, reading->whole.data + at, bytes);
}

static enum err line_read(struct reading *reading, struct problem *problem)
{
	reading->at = 0;
	skip_blanks(reading);
	if (reading->at == reading->whole.bytes) {
		growing_clear(&reading->comment);
		return ERR_OK;
	}
	if (byte_at(reading, reading->at) == '#') {
		comment_read(reading);
		return ERR_OK;
	}
	struct slice name, value;
	enum err err = ERR_OK;
	if (variable_read(reading, &name, &value))
		err = variable_set(reading, name, value, problem);
	else
		entry_read(reading);
	growing_clear(&reading->comment);
	return err;
}

enum err crontab_read(struct slice text, const struct crontab_reader *reader, struct problem *problem)
{
	if (text.bytes > CRONTAB_BYTES_MAX)
		return problem_set(problem, ERR_FULL, "more than %u bytes", CRONTAB_BYTES_MAX);
	struct reading *reading = growing_resize(NULL, sizeof(*reading));
	*reading = (struct reading){.reader = reader};
	enum err err = ERR_OK;
	size_t start = 0;
	while (err == ERR_OK && start < text.bytes) {
		const uint8_t *end = memchr(text.data + start, '\n', text.bytes - start);
		size_t bytes = end == NULL ? text.bytes - start : (size_t)(end - text.data) - start;
		reading->line++;
		reading->whole = slice_of(text.data + start, bytes);
		start += bytes + 1;
		/* A file that went through Windows: cron would hand the \r to the shell, nobody means that. */
		if (bytes > 0 && reading->whole.data[bytes - 1] == '\r')
			reading->whole.bytes--;
		err = line_read(reading, problem);
	}
	for (size_t i = 0; i < reading->variable_count; i++) {
		free(reading->variables[i].name);
		free(reading->variables[i].value);
	}
	growing_close(&reading->comment);
	growing_close(&reading->command);
	growing_close(&reading->input);
	free(reading);
	return err;
}
