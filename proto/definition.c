/* Decoding definitions, and what their keys demand of each other. */
#include "proto/definition.h"

#include <stdio.h>
#include <string.h>

#include "proto/text.h"
#include "proto/wire.h"

static void assign_codes(struct definition *definition, struct wire_reader *reader)
{
	memset(definition->ok_exit_bits, 0, sizeof(definition->ok_exit_bits));
	uint32_t count = wire_get_array(reader, UINT32_MAX);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t code = wire_get_u64_max(reader, UINT8_MAX);
		definition->ok_exit_bits[code / 8] |= (uint8_t)(1u << (code % 8));
	}
}

static enum definition_misfire misfire_of(struct slice word)
{
	if (slice_equal(word, slice_str("skip")))
		return DEFINITION_MISFIRE_SKIP;
	return slice_equal(word, slice_str("all")) ? DEFINITION_MISFIRE_ALL : DEFINITION_MISFIRE_ONCE;
}

/* Puts a text, whose value has been checked, into its field; false: it is a key of another type. */
static bool assign_text(struct definition *definition, enum definition_key_id id, struct slice value)
{
	struct slice *const fields[DEFINITION_KEY_COUNT] = {
		[DEFINITION_KEY_JOB] = &definition->job,
		[DEFINITION_KEY_DESCRIPTION] = &definition->description,
		[DEFINITION_KEY_OWNER] = &definition->owner,
		[DEFINITION_KEY_CRON] = &definition->cron,
		[DEFINITION_KEY_TZ] = &definition->tz,
		[DEFINITION_KEY_SHELL] = &definition->shell,
		[DEFINITION_KEY_STDIN] = &definition->stdin_text,
		[DEFINITION_KEY_CWD] = &definition->cwd,
	};
	if (fields[id] == NULL)
		return false;
	struct wire_reader reader;
	wire_reader_init(&reader, value);
	*fields[id] = wire_get_str(&reader, SIZE_MAX);
	return true;
}

/* The same for durations and instants. */
static bool assign_time(struct definition *definition, enum definition_key_id id, struct slice value)
{
	int64_t *const fields[DEFINITION_KEY_COUNT] = {
		[DEFINITION_KEY_EVERY] = &definition->every_ms,
		[DEFINITION_KEY_ANCHOR] = &definition->anchor_ms,
		[DEFINITION_KEY_AT] = &definition->at_ms,
		[DEFINITION_KEY_START_DEADLINE] = &definition->start_deadline_ms,
		[DEFINITION_KEY_TIMEOUT] = &definition->timeout_ms,
		[DEFINITION_KEY_KILL_GRACE] = &definition->kill_grace_ms,
	};
	if (fields[id] == NULL)
		return false;
	struct wire_reader reader;
	wire_reader_init(&reader, value);
	*fields[id] = wire_get_i64(&reader);
	definition->has_anchor = definition->has_anchor || id == DEFINITION_KEY_ANCHOR;
	definition->has_at = definition->has_at || id == DEFINITION_KEY_AT;
	return true;
}

static bool assign_flag(struct definition *definition, enum definition_key_id id, struct slice value)
{
	bool *const fields[DEFINITION_KEY_COUNT] = {
		[DEFINITION_KEY_MANUAL] = &definition->is_manual,
		[DEFINITION_KEY_ENABLED] = &definition->is_enabled,
		[DEFINITION_KEY_OFTEN] = &definition->is_often,
	};
	if (fields[id] == NULL)
		return false;
	struct wire_reader reader;
	wire_reader_init(&reader, value);
	*fields[id] = wire_get_bool(&reader);
	return true;
}

/* The keys whose fields have types of their own. on_lost and on_split have one value each, so there is no field. */
static void assign_other(struct definition *definition, enum definition_key_id id, struct slice value)
{
	struct wire_reader reader;
	wire_reader_init(&reader, value);
	if (id == DEFINITION_KEY_COMMAND)
		definition->command = value;
	else if (id == DEFINITION_KEY_ENV)
		definition->environment = value;
	else if (id == DEFINITION_KEY_UMASK)
		definition->umask = (uint16_t)wire_get_u64(&reader);
	else if (id == DEFINITION_KEY_OUTPUT_MAX)
		definition->output_bytes_max = wire_get_u64(&reader);
	else if (id == DEFINITION_KEY_OK_EXIT)
		assign_codes(definition, &reader);
	else if (id == DEFINITION_KEY_MISFIRE)
		definition->misfire = misfire_of(wire_get_str(&reader, SIZE_MAX));
	else if (id == DEFINITION_KEY_OVERLAP &&
		 slice_equal(wire_get_str(&reader, SIZE_MAX), slice_str("allow")))
		definition->overlap = DEFINITION_OVERLAP_ALLOW;
}

static void assign(struct definition *definition, enum definition_key_id id, struct slice value)
{
	if (assign_text(definition, id, value) || assign_time(definition, id, value))
		return;
	if (!assign_flag(definition, id, value))
		assign_other(definition, id, value);
}

static enum err check_schedule(const struct definition *definition, struct problem *problem)
{
	const char *names[4];
	size_t count = 0;
	if (definition->cron.bytes > 0)
		names[count++] = "cron";
	if (definition->every_ms > 0)
		names[count++] = "every";
	if (definition->has_at)
		names[count++] = "at";
	if (definition->is_manual)
		names[count++] = "manual";
	if (count == 0) {
		(void)problem_set(problem, ERR_INVALID, "the schedule is missing");
		problem_hint(problem, "give one of cron, every, at and manual");
		return ERR_INVALID;
	}
	if (count > 1)
		return problem_set(problem, ERR_INVALID, "%s: excludes %s: a job has one schedule",
				   names[1], names[0]);
	if (definition->has_anchor && definition->every_ms == 0)
		return problem_set(problem, ERR_INVALID, "anchor: goes with every, and %s is given",
				   names[0]);
	return ERR_OK;
}

/* What the arguments and the environment of the process take, with a NUL for each text. */
static size_t start_bytes_of(const struct definition *definition)
{
	struct wire_reader reader;
	size_t bytes = definition->shell.bytes;
	wire_reader_init(&reader, definition->command);
	uint32_t count = definition->command.bytes > 0 ? wire_get_array(&reader, UINT32_MAX) : 0;
	for (uint32_t i = 0; i < count; i++)
		bytes += wire_get_str(&reader, SIZE_MAX).bytes + 1;
	wire_reader_init(&reader, definition->environment);
	count = definition->environment.bytes > 0 ? 2 * wire_get_map(&reader, UINT32_MAX) : 0;
	for (uint32_t i = 0; i < count; i++)
		bytes += wire_get_str(&reader, SIZE_MAX).bytes + 1;
	return bytes;
}

static enum err check_whole(const struct definition *definition, struct problem *problem)
{
	if (definition->job.bytes == 0)
		return problem_set(problem, ERR_INVALID, "job: the name is missing");
	enum err err = check_schedule(definition, problem);
	if (err != ERR_OK)
		return err;
	if (definition->command.bytes == 0 && definition->shell.bytes == 0) {
		(void)problem_set(problem, ERR_INVALID, "what to run is missing");
		problem_hint(problem, "give one of command and shell");
		return ERR_INVALID;
	}
	if (definition->command.bytes > 0 && definition->shell.bytes > 0)
		return problem_set(problem, ERR_INVALID, "shell: excludes command");
	size_t bytes = start_bytes_of(definition);
	if (bytes > ENV_BYTES_MAX)
		return problem_set(problem, ERR_RANGE,
				   "command and env: together %zu bytes are above %u", bytes,
				   ENV_BYTES_MAX);
	return ERR_OK;
}

/* Reads one entry. *keys_from: the first key that may stand here. */
static enum err take_entry(struct wire_reader *reader, unsigned *keys_from,
			   struct definition *definition, struct problem *problem)
{
	struct slice name = wire_get_str(reader, SIZE_MAX);
	struct slice value = wire_get_raw(reader);
	if (reader->err != ERR_OK)
		return problem_set(problem, reader->err, "a definition is a map of names and values");
	enum definition_key_id id = definition_key_find(name);
	if (id == DEFINITION_KEY_COUNT)
		return definition_key_refuse(name, problem);
	const char *key = definition_key_at(id)->name;
	if (id < *keys_from || !slice_equal(name, slice_str(key)))
		return problem_set(problem, ERR_INVALID, "%s: stands twice, or not in its place", key);
	*keys_from = id + 1;
	enum err err = definition_value_check(id, value, problem);
	if (err == ERR_OK)
		assign(definition, id, value);
	return err;
}

enum err definition_decode(struct slice bytes, struct definition *ret_definition, struct problem *problem)
{
	if (bytes.bytes > DEFINITION_BYTES_MAX)
		return problem_set(problem, ERR_RANGE, "a definition of %zu bytes is above %u",
				   bytes.bytes, DEFINITION_BYTES_MAX);
	struct definition definition = {
		.umask = 022,
		.is_enabled = true,
		.start_deadline_ms = START_DEADLINE_MS_DEFAULT,
		.kill_grace_ms = KILL_GRACE_MS_DEFAULT,
		.output_bytes_max = OUTPUT_BYTES_DEFAULT,
		.ok_exit_bits = {1},
	};
	struct wire_reader reader;
	wire_reader_init(&reader, bytes);
	uint32_t count = wire_get_map(&reader, UINT32_MAX);
	unsigned keys_from = 0;
	for (uint32_t i = 0; i < count; i++) {
		enum err err = take_entry(&reader, &keys_from, &definition, problem);
		if (err != ERR_OK)
			return err;
	}
	enum err err = wire_reader_end(&reader);
	if (err != ERR_OK)
		return problem_set(problem, err, "a definition is one map of names and values");
	err = check_whole(&definition, problem);
	if (err == ERR_OK)
		*ret_definition = definition;
	return err;
}

bool definition_exit_is_ok(const struct definition *definition, int exit_code)
{
	if (exit_code < 0 || exit_code > UINT8_MAX)
		return false;
	return (definition->ok_exit_bits[exit_code / 8] >> (exit_code % 8) & 1) != 0;
}

void definition_format_schedule(const struct definition *definition,
				char ret_text[DEFINITION_SCHEDULE_BYTES])
{
	char text[TEXT_DURATION_BYTES > TEXT_TIME_BYTES ? TEXT_DURATION_BYTES : TEXT_TIME_BYTES];
	if (definition->is_manual) {
		(void)snprintf(ret_text, DEFINITION_SCHEDULE_BYTES, "@manual");
	} else if (definition->has_at) {
		text_format_time(definition->at_ms, text);
		(void)snprintf(ret_text, DEFINITION_SCHEDULE_BYTES, "@at %s", text);
	} else if (definition->every_ms > 0) {
		text_format_duration(definition->every_ms, text);
		(void)snprintf(ret_text, DEFINITION_SCHEDULE_BYTES, "@every %s", text);
	} else {
		(void)snprintf(ret_text, DEFINITION_SCHEDULE_BYTES, "%.*s",
			       (int)definition->cron.bytes, (const char *)definition->cron.data);
	}
}
