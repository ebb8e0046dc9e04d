/* One entry of a crontab as a definition. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/cli/import.h"
#include "agent/cli/when.h"
#include "agent/core/cron_match.h"
#include "proto/definition_build.h"
#include "proto/text.h"

#define YEAR_MS (366LL * 86400 * 1000)
#define NOTE_BYTES_MAX 512u

struct making {
	const struct import_options *options;
	const struct crontab_entry *entry;
	struct buf *definition;
	struct problem *problem;
};

/* About the entry; and about what holds for all entries from its line on. */
PRINTF_LIKE(2, 3)
static void note(const struct making *making, const char *format, ...)
{
	char text[NOTE_BYTES_MAX];
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	making->options->on_note(making->options->context, making->entry->line, true, text);
}

PRINTF_LIKE(3, 4)
static void note_for_all(const struct making *making, uint32_t line, const char *format, ...)
{
	char text[NOTE_BYTES_MAX];
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	making->options->on_note(making->options->context, line, false, text);
}

static const char *variable(const struct making *making, const char *name)
{
	for (size_t i = 0; i < making->entry->variable_count; i++) {
		if (strcmp(making->entry->variables[i].name, name) == 0)
			return making->entry->variables[i].value;
	}
	return NULL;
}

static enum err set_text(struct making *making, enum definition_key_id id, struct slice text)
{
	return definition_set_text(making->definition, id, text, making->problem);
}

/* ---- description ---- */

/* The comment above, as one line; comments on the columns, and entries that are switched off, are none. */
static enum err set_description(struct making *making)
{
	struct growing text = {0};
	struct slice rest = making->entry->comment;
	while (rest.bytes > 0) {
		const uint8_t *end = memchr(rest.data, '\n', rest.bytes);
		struct slice line = slice_of(rest.data,
					     end == NULL ? rest.bytes : (size_t)(end - rest.data));
		rest = end == NULL ? (struct slice){0} : slice_of(end + 1, rest.bytes - line.bytes - 1);
		if (crontab_is_legend(line)) {
			growing_close(&text);
			return ERR_OK;
		}
		if (text.bytes > 0)
			growing_put(&text, " ", 1);
		for (size_t i = 0; i < line.bytes; i++) {
			uint8_t byte = line.data[i] < ' ' || line.data[i] == 0x7f ? ' ' : line.data[i];
			growing_put(&text, &byte, 1);
		}
		while (text.bytes > 0 && text.data[text.bytes - 1] == ' ')
			text.bytes--;
	}
	size_t bytes = text.bytes > DESCRIPTION_BYTES_MAX ? DESCRIPTION_BYTES_MAX : text.bytes;
	while (bytes < text.bytes && bytes > 0 && ((uint8_t)text.data[bytes] & 0xc0) == 0x80)
		bytes--;
	enum err err = ERR_OK;
	struct slice whole = slice_of(text.data, bytes);
	if (bytes > 0 && text_is_utf8(whole))
		err = definition_set_text(making->definition, DEFINITION_KEY_DESCRIPTION, whole, NULL);
	if (bytes > 0 && (!text_is_utf8(whole) || err != ERR_OK))
		note(making, "the comment above is not plain UTF-8 text, it is left out");
	growing_close(&text);
	return ERR_OK;
}

/* ---- schedule ---- */

/* "2027-03-28": the day of an instant in the zone. */
static void format_day(int64_t utc_s, const struct zone *zone, char ret_text[WHEN_LOCAL_BYTES])
{
	when_format_local(utc_s * 1000, zone, ret_text);
	ret_text[10] = '\0';
}

/* Fires at fixed local times that the clock jumps over, or shows twice, in the year to come. */
static void note_clock_changes(const struct making *making, const struct cron *cron,
			       const struct zone *zone)
{
	if (cron_is_wildcard(cron))
		return;
	int64_t end_s = (making->options->now_ms + YEAR_MS) / 1000;
	int64_t change_s = zone_next_change(zone, making->options->now_ms / 1000);
	for (; change_s < end_s; change_s = zone_next_change(zone, change_s)) {
		int32_t before_s = zone_offset_s(zone, change_s - 1);
		int32_t after_s = zone_offset_s(zone, change_s);
		char day[WHEN_LOCAL_BYTES], at[WHEN_LOCAL_BYTES];
		format_day(change_s, zone, day);
		when_format_local(change_s * 1000, zone, at);
		at[16] = '\0';
		if (after_s > before_s &&
		    cron_first(cron, change_s + before_s, change_s + after_s) != CRON_NONE)
			note(making, "on %s the clock jumps over its time: it fires once, at %s",
			     day, at + 11);
		if (after_s < before_s &&
		    cron_first(cron, change_s + after_s, change_s + before_s) != CRON_NONE)
			note(making, "on %s the clock shows its time twice: it fires at the first", day);
	}
}

static enum err set_schedule(struct making *making, struct schedule *ret_schedule)
{
	const struct crontab_entry *entry = making->entry;
	enum err err = schedule_parse_cron(entry->schedule, ret_schedule, making->problem);
	if (err != ERR_OK)
		return err;
	const char *zone_name = variable(making, "CRON_TZ");
	if (zone_name == NULL)
		zone_name = making->options->zone_name;
	const struct zone *zone = NULL;
	err = zonefile_load(making->options->zonefile, slice_str(zone_name), &zone, making->problem);
	if (err != ERR_OK) {
		problem_context(making->problem, "CRON_TZ");
		return ERR_INVALID;
	}
	/* One blank between fields, whatever stood there. */
	struct growing text = {0};
	for (size_t i = 0; i < entry->schedule.bytes; i++) {
		char byte = (char)entry->schedule.data[i];
		bool is_blank = byte == ' ' || byte == '\t';
		if (!is_blank)
			growing_put(&text, &byte, 1);
		else if (text.bytes > 0 && text.data[text.bytes - 1] != ' ')
			growing_put(&text, " ", 1);
	}
	err = set_text(making, DEFINITION_KEY_CRON, growing_slice(&text));
	growing_close(&text);
	if (err == ERR_OK && strcmp(zone_name, "UTC") != 0)
		err = set_text(making, DEFINITION_KEY_TZ, slice_str(zone_name));
	if (err != ERR_OK || ret_schedule->kind != SCHEDULE_CRON)
		return err;
	const struct cron *cron = &ret_schedule->cron;
	bool is_macro = entry->schedule.data[0] == '@';
	if (!is_macro && !(cron->flags & (CRON_DAY_STAR | CRON_WEEKDAY_STAR)))
		note(making, "both day fields are set: either of them matching is enough");
	note_clock_changes(making, cron, zone);
	return ERR_OK;
}

/* ---- what is run ---- */

static enum err set_command(struct making *making)
{
	const struct crontab_entry *entry = making->entry;
	if (!text_is_utf8(entry->command) || !text_is_utf8(entry->input))
		return problem_set(making->problem, ERR_UNSUPPORTED, "the command is not UTF-8");
	const char *shell = variable(making, "SHELL");
	enum err err;
	if (shell == NULL || strcmp(shell, "/bin/sh") == 0) {
		err = set_text(making, DEFINITION_KEY_SHELL, entry->command);
	} else {
		struct slice words[] = {slice_str(shell), slice_str("-c"), entry->command};
		err = definition_set_list(making->definition, DEFINITION_KEY_COMMAND, 3, words,
					  making->problem);
	}
	if (err == ERR_OK && entry->input.bytes > 0)
		err = set_text(making, DEFINITION_KEY_STDIN, entry->input);
	return err;
}

static bool is_mail_variable(const char *name)
{
	return strcmp(name, "MAILTO") == 0 || strcmp(name, "MAILFROM") == 0 ||
	       strcmp(name, "CONTENT_TYPE") == 0 || strcmp(name, "CONTENT_TRANSFER_ENCODING") == 0;
}

/* cron puts every variable of the file into the environment; a few of them mean more. */
static enum err set_variable(struct making *making, const struct crontab_variable *variable_set)
{
	const char *name = variable_set->name;
	const char *value = variable_set->value;
	if (is_mail_variable(name)) {
		if (value[0] != '\0')
			note_for_all(making, variable_set->line,
				     "%s=%s: mail comes later; schedctl logs JOB shows the output",
				     name, value);
		return ERR_OK;
	}
	if (strcmp(name, "CRON_TZ") == 0)
		return ERR_OK;
	if (strcmp(name, "RANDOM_DELAY") == 0) {
		note_for_all(making, variable_set->line,
			     "RANDOM_DELAY=%s: comes later, it is left out", value);
		return ERR_OK;
	}
	if (strcmp(name, "LOGNAME") == 0 || strcmp(name, "USER") == 0) {
		note_for_all(making, variable_set->line,
			     "%s can not be set in a crontab, it is left out", name);
		return ERR_OK;
	}
	if (strcmp(name, "SHELL") == 0 && strcmp(value, "/bin/sh") == 0)
		return ERR_OK;
	if (strcmp(name, "TZ") == 0)
		note_for_all(making, variable_set->line,
			     "TZ=%s is for the command only, as in cron; CRON_TZ moves the schedule",
			     value);
	if (strchr(value, '$') != NULL)
		note_for_all(making, variable_set->line,
			     "%s: a $ is taken as it stands, as in cron", name);
	struct growing text = {0};
	struct problem problem;
	growing_format(&text, "%s=%s", name, value);
	enum err err = definition_set_text(making->definition, DEFINITION_KEY_ENV,
					   growing_slice(&text), &problem);
	growing_close(&text);
	if (err != ERR_OK) {
		note_for_all(making, variable_set->line, "variable %s is left out: %s", name,
			     problem.text);
		return ERR_OK;
	}
	if (strcmp(name, "HOME") == 0 && value[0] == '/')
		err = set_text(making, DEFINITION_KEY_CWD, slice_str(value));
	return err;
}

enum err import_entry(const struct import_options *options, const struct crontab_entry *entry,
		      struct buf *definition, struct schedule *ret_schedule, struct problem *problem)
{
	struct making making = {options, entry, definition, problem};
	definition_begin(definition);
	enum err err = set_schedule(&making, ret_schedule);
	if (err == ERR_OK)
		err = set_description(&making);
	if (err == ERR_OK)
		err = set_command(&making);
	for (size_t i = 0; err == ERR_OK && i < entry->variable_count; i++)
		err = set_variable(&making, &entry->variables[i]);
	if (err == ERR_OK && options->user != NULL)
		note_for_all(&making, entry->line,
			     "user %s comes later: it runs as the runner's own user", options->user);
	if (err == ERR_OK && entry->user.bytes > 0)
		note_for_all(&making, entry->line,
			     "user %.*s comes later: it runs as the runner's own user",
			     (int)entry->user.bytes, (const char *)entry->user.data);
	return err;
}
