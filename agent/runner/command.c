/* Builds the launcher's input. Variables are gathered as borrowed name and value, so that a later one replaces an
 * earlier one of the same name; strings are copied once, at the end. */
#include "agent/runner/command.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/wire.h"

#define COMMAND_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define COMMAND_PASSWD_BYTES_MAX 4096u

struct variable {
	struct slice name;
	struct slice value;
};

struct variables {
	struct variable items[COMMAND_VARIABLES_MAX];
	uint32_t count;
};

void command_user_init(struct command_user *user)
{
	(void)snprintf(user->name, sizeof(user->name), "%u", (unsigned)geteuid());
	(void)snprintf(user->home, sizeof(user->home), "/");
	(void)snprintf(user->shell, sizeof(user->shell), "/bin/sh");
	struct rlimit files = {.rlim_cur = 0};
	(void)getrlimit(RLIMIT_NOFILE, &files);
	user->files_soft = files.rlim_cur;

	char memory[COMMAND_PASSWD_BYTES_MAX];
	struct passwd entry;
	struct passwd *found = NULL;
	if (getpwuid_r(geteuid(), &entry, memory, sizeof(memory), &found) != 0 || found == NULL)
		return;
	if (strlen(entry.pw_name) >= COMMAND_USER_BYTES_MAX ||
	    strlen(entry.pw_dir) >= COMMAND_USER_BYTES_MAX ||
	    strlen(entry.pw_shell) >= COMMAND_USER_BYTES_MAX)
		return;
	(void)snprintf(user->name, sizeof(user->name), "%s", entry.pw_name);
	if (entry.pw_dir[0] == '/')
		(void)snprintf(user->home, sizeof(user->home), "%s", entry.pw_dir);
	if (entry.pw_shell[0] == '/')
		(void)snprintf(user->shell, sizeof(user->shell), "%s", entry.pw_shell);
}

static enum err variables_set(struct variables *variables, struct slice name, struct slice value,
			      struct problem *problem)
{
	for (uint32_t i = 0; i < variables->count; i++) {
		if (slice_equal(variables->items[i].name, name)) {
			variables->items[i].value = value;
			return ERR_OK;
		}
	}
	if (variables->count == COMMAND_VARIABLES_MAX)
		return problem_set(problem, ERR_FULL, "env: more than %u variables",
				   COMMAND_VARIABLES_MAX);
	variables->items[variables->count++] = (struct variable){.name = name, .value = value};
	return ERR_OK;
}

/* Adds all of a msgpack map of text. */
static enum err variables_set_map(struct variables *variables, struct slice map, struct problem *problem)
{
	if (map.bytes == 0)
		return ERR_OK;
	struct wire_reader reader;
	wire_reader_init(&reader, map);
	uint32_t count = wire_get_map(&reader, ENV_ENTRIES_MAX);
	enum err err = ERR_OK;
	for (uint32_t i = 0; i < count && err == ERR_OK; i++) {
		struct slice name = wire_get_str(&reader, ENV_BYTES_MAX);
		struct slice value = wire_get_str(&reader, ENV_BYTES_MAX);
		if (reader.err != ERR_OK)
			break;
		if (name.bytes == 0 || memchr(name.data, '=', name.bytes) != NULL)
			return problem_set(problem, ERR_INVALID, "env: a name is empty or holds '='");
		err = variables_set(variables, name, value, problem);
	}
	if (err == ERR_OK && wire_reader_end(&reader) != ERR_OK)
		return problem_set(problem, ERR_INVALID, "env: not a map of text");
	return err;
}

static enum err variables_gather(struct variables *variables, const struct definition *definition,
				 const struct runner_order *order, const struct command_user *user,
				 struct problem *problem)
{
	const struct variable base[] = {
		{slice_str("PATH"), slice_str(COMMAND_PATH)},
		{slice_str("HOME"), slice_str(user->home)},
		{slice_str("USER"), slice_str(user->name)},
		{slice_str("LOGNAME"), slice_str(user->name)},
		{slice_str("LANG"), slice_str("C.UTF-8")},
		{slice_str("SHELL"), slice_str(user->shell)},
	};
	variables->count = 0;
	enum err err = ERR_OK;
	for (size_t i = 0; i < sizeof(base) / sizeof(base[0]) && err == ERR_OK; i++)
		err = variables_set(variables, base[i].name, base[i].value, problem);
	if (err == ERR_OK)
		err = variables_set_map(variables, definition->environment, problem);
	if (err == ERR_OK)
		err = variables_set_map(variables, order->environment, problem);
	/* The runner finds processes of the run by it (process.h), so nobody else's word counts. */
	if (err == ERR_OK)
		err = variables_set(variables, slice_str("SCHED_RUN"), order->run_name, problem);
	return err;
}

static void put_string(struct buf *out, struct slice text)
{
	buf_put(out, text.data, text.bytes);
	buf_put_u8(out, 0);
}

static enum err put_words(struct buf *out, const struct definition *definition, uint32_t *ret_count,
			  struct problem *problem)
{
	if (definition->shell.bytes > 0) {
		put_string(out, slice_str("/bin/sh"));
		put_string(out, slice_str("-c"));
		put_string(out, definition->shell);
		*ret_count = 3;
		return ERR_OK;
	}
	struct wire_reader reader;
	wire_reader_init(&reader, definition->command);
	uint32_t count = wire_get_array(&reader, COMMAND_ARGS_MAX);
	for (uint32_t i = 0; i < count; i++)
		put_string(out, wire_get_str(&reader, ENV_BYTES_MAX));
	if (wire_reader_end(&reader) != ERR_OK || count == 0)
		return problem_set(problem, ERR_INVALID, "command: not a list of words");
	*ret_count = count;
	return ERR_OK;
}

enum err command_put(struct buf *out, const struct definition *definition,
		     const struct runner_order *order, const struct command_user *user,
		     struct problem *problem)
{
	struct variables variables;
	enum err err = variables_gather(&variables, definition, order, user, problem);
	if (err != ERR_OK)
		return err;

	size_t head_at = out->bytes;
	struct command_head head = {
		.start_mono_us = order->start_mono_us,
		.variable_count = variables.count,
		.umask = definition->umask,
		.files_soft = user->files_soft,
	};
	buf_put(out, &head, sizeof(head));
	put_string(out, definition->cwd.bytes > 0 ? definition->cwd : slice_str(user->home));
	err = put_words(out, definition, &head.word_count, problem);
	if (err != ERR_OK)
		return err;
	for (uint32_t i = 0; i < variables.count; i++) {
		buf_put(out, variables.items[i].name.data, variables.items[i].name.bytes);
		buf_put_u8(out, '=');
		put_string(out, variables.items[i].value);
	}
	if (out->has_overflowed)
		return problem_set(problem, ERR_FULL, "command: more than %u bytes", COMMAND_BYTES_MAX);
	head.bytes = (uint32_t)(out->bytes - head_at - sizeof(head));
	memcpy(out->data + head_at, &head, sizeof(head));
	return ERR_OK;
}
