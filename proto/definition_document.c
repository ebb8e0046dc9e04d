/* Definitions from documents, whose scalars are all text. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proto/definition_build.h"
#include "proto/text.h"
#include "proto/wire.h"

struct walk {
	struct buf *definition;
	char *path; /* DEFINITION_KEY_PATH_BYTES: where we are */
	bool is_set[DEFINITION_KEY_COUNT];
};

static void path_set(struct walk *walk, struct slice name)
{
	(void)snprintf(walk->path, DEFINITION_KEY_PATH_BYTES, "%.*s", (int)name.bytes,
		       (const char *)name.data);
}

static void path_add(struct walk *walk, const char *separator, struct slice name)
{
	size_t used = strlen(walk->path);
	(void)snprintf(walk->path + used, DEFINITION_KEY_PATH_BYTES - used, "%s%.*s", separator,
		       (int)name.bytes, (const char *)name.data);
}

static enum err refuse_value(struct walk *walk, enum wire_type type, const char *wanted,
			     struct problem *problem)
{
	if (type != WIRE_NIL)
		return problem_set(problem, ERR_INVALID, "%s: %s is expected", walk->path, wanted);
	(void)problem_set(problem, ERR_INVALID, "%s: the value is missing", walk->path);
	problem_hint(problem, "write \"\" for an empty text");
	return ERR_INVALID;
}

static enum err take_list(struct walk *walk, enum definition_key_id id, struct slice value,
			  struct problem *problem)
{
	struct slice texts[COMMAND_ARGS_MAX];
	static_assert(COMMAND_ARGS_MAX >= 256, "all exit codes fit too");
	struct wire_reader reader;
	wire_reader_init(&reader, value);
	uint32_t count = wire_get_array(&reader, UINT32_MAX);
	if (count > COMMAND_ARGS_MAX)
		return problem_set(problem, ERR_RANGE, "%s: %u entries are above %u", walk->path,
				   count, COMMAND_ARGS_MAX);
	for (uint32_t i = 0; i < count; i++) {
		enum wire_type type = wire_peek(&reader);
		texts[i] = wire_get_str(&reader, SIZE_MAX);
		if (reader.err == ERR_OK)
			continue;
		size_t used = strlen(walk->path);
		(void)snprintf(walk->path + used, DEFINITION_KEY_PATH_BYTES - used, "[%u]", i);
		return refuse_value(walk, type, "text", problem);
	}
	return definition_set_list(walk->definition, id, count, texts, problem);
}

static enum err take_variables(struct walk *walk, struct slice value, struct problem *problem)
{
	struct wire_reader reader;
	wire_reader_init(&reader, value);
	uint32_t count = wire_get_map(&reader, UINT32_MAX);
	if (count > ENV_ENTRIES_MAX)
		return problem_set(problem, ERR_RANGE, "%s: %u entries are above %u", walk->path,
				   count, ENV_ENTRIES_MAX);
	for (uint32_t i = 0; i < count; i++) {
		struct slice name = wire_get_str(&reader, SIZE_MAX);
		enum wire_type type = wire_peek(&reader);
		struct slice text = wire_get_str(&reader, SIZE_MAX);
		path_set(walk, slice_str("env"));
		path_add(walk, ".", name);
		if (reader.err != ERR_OK)
			return refuse_value(walk, type, "text", problem);
		enum err err = definition_set_variable(walk->definition, name, text, problem);
		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}

/* The value of one key, whose name is in the path. */
static enum err take_value(struct walk *walk, enum definition_key_id id, struct slice value,
			   struct problem *problem)
{
	enum definition_type key_type = definition_key_at(id)->type;
	if (walk->is_set[id])
		return problem_set(problem, ERR_INVALID, "%s: it is given twice", walk->path);
	walk->is_set[id] = true;

	struct wire_reader reader;
	wire_reader_init(&reader, value);
	enum wire_type type = wire_peek(&reader);
	if (key_type == DEFINITION_VARIABLES)
		return type == WIRE_MAP
			       ? take_variables(walk, value, problem)
			       : refuse_value(walk, type, "a map of names and texts", problem);
	if (type == WIRE_ARRAY && (key_type == DEFINITION_COMMAND || key_type == DEFINITION_CODES))
		return take_list(walk, id, value, problem);
	if (type != WIRE_STR)
		return refuse_value(walk, type,
				    key_type == DEFINITION_COMMAND ? "a list of words" : "one text",
				    problem);
	return definition_set_text(walk->definition, id, wire_get_str(&reader, SIZE_MAX), problem);
}

/* `output: {max: 1M}`: the keys in the map are looked up as "output.max". */
static enum err take_group(struct walk *walk, struct slice name, struct slice value,
			   struct problem *problem)
{
	struct wire_reader reader;
	wire_reader_init(&reader, value);
	uint32_t count = wire_get_map(&reader, UINT32_MAX);
	for (uint32_t i = 0; i < count; i++) {
		struct slice inner = wire_get_str(&reader, SIZE_MAX);
		struct slice inner_value = wire_get_raw(&reader);
		path_set(walk, name);
		path_add(walk, ".", inner);
		if (reader.err != ERR_OK)
			return problem_set(problem, ERR_INVALID, "%s: its keys are not text",
					   walk->path);
		struct slice full = slice_str(walk->path);
		enum definition_key_id id = definition_key_find(full);
		enum err err = id == DEFINITION_KEY_COUNT
				       ? definition_key_refuse(full, problem)
				       : take_value(walk, id, inner_value, problem);
		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}

/* Whether some key begins with `name` and a dot. */
static bool is_group(struct slice name)
{
	for (unsigned id = 0; id < DEFINITION_KEY_COUNT; id++) {
		const char *key = definition_key_at((enum definition_key_id)id)->name;
		const char *dot = strchr(key, '.');
		if (dot != NULL && slice_equal(name, slice_of(key, (size_t)(dot - key))))
			return true;
	}
	return false;
}

static enum err take_entry(struct walk *walk, struct slice name, struct slice value,
			   struct problem *problem)
{
	path_set(walk, name);
	struct wire_reader reader;
	wire_reader_init(&reader, value);
	enum wire_type type = wire_peek(&reader);
	if (is_group(name))
		return type == WIRE_MAP ? take_group(walk, name, value, problem)
					: refuse_value(walk, type, "a map", problem);
	enum definition_key_id id = definition_key_find(name);
	if (id == DEFINITION_KEY_COUNT)
		return definition_key_refuse(name, problem);
	return take_value(walk, id, value, problem);
}

enum err definition_from_document(struct slice document, struct buf *ret_definition,
				  char ret_path[DEFINITION_KEY_PATH_BYTES], struct problem *problem)
{
	struct walk walk = {.definition = ret_definition, .path = ret_path};
	ret_path[0] = '\0';
	definition_begin(ret_definition);

	struct wire_reader reader;
	wire_reader_init(&reader, document);
	if (wire_peek(&reader) != WIRE_MAP)
		return problem_set(problem, ERR_INVALID, "a job is a map of keys and values");
	uint32_t count = wire_get_map(&reader, UINT32_MAX);
	for (uint32_t i = 0; i < count; i++) {
		struct slice name = wire_get_str(&reader, SIZE_MAX);
		struct slice value = wire_get_raw(&reader);
		if (reader.err != ERR_OK)
			break;
		enum err err = take_entry(&walk, name, value, problem);
		if (err != ERR_OK)
			return err;
	}
	ret_path[0] = '\0';
	enum err err = wire_reader_end(&reader);
	if (err != ERR_OK)
		return problem_set(problem, err, "a job is a map of keys and values");
	struct definition definition;
	return definition_decode(buf_slice(ret_definition), &definition, problem);
}
