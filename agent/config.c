/* Options of the agent: one table, read from file, flags and environment. */
#include "agent/config.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "agent/yaml.h"
#include "proto/buf.h"
#include "proto/text.h"
#include "proto/wire.h"

#define ENVIRONMENT_PREFIX "SCHEDD_"
#define OPTION_BYTES_MAX 48u

enum option_where {
	OPTION_ANYWHERE,
	OPTION_FLAG_ONLY, /* makes no sense in a file that agents may share */
	OPTION_HIDDEN,    /* for tests: a flag that help does not show */
};

struct option {
	const char *name;  /* as in the file; a flag has `-` for `_` and `.` */
	const char *value; /* what help shows; NULL: a switch */
	enum err (*set)(struct config *config, struct slice text, struct problem *problem);
	enum option_where where;
	const char *help;
};

/* ---- values ---- */

static enum err copy_text(struct slice text, char *ret_text, size_t text_bytes, struct problem *problem)
{
	if (text.bytes == 0)
		return problem_set(problem, ERR_INVALID, "is empty");
	if (text.bytes >= text_bytes)
		return problem_set(problem, ERR_RANGE, "is longer than %zu bytes", text_bytes - 1);
	memcpy(ret_text, text.data, text.bytes);
	ret_text[text.bytes] = '\0';
	return ERR_OK;
}

static enum err set_directory(struct config *config, struct slice text, struct problem *problem)
{
	return copy_text(text, config->directory, sizeof(config->directory), problem);
}

static enum err set_key(struct config *config, struct slice text, struct problem *problem)
{
	return copy_text(text, config->key_path, sizeof(config->key_path), problem);
}

static enum err set_config(struct config *config, struct slice text, struct problem *problem)
{
	/* Read before all others, by find_config_path. */
	char path[CONFIG_PATH_BYTES];
	(void)config;
	return copy_text(text, path, sizeof(path), problem);
}

static enum err set_name(struct config *config, struct slice text, struct problem *problem)
{
	enum err err = text_check_node_name(text, problem);
	return err != ERR_OK ? err : copy_text(text, config->name, sizeof(config->name), problem);
}

static enum err set_cluster_name(struct config *config, struct slice text, struct problem *problem)
{
	enum err err = text_check_node_name(text, problem);
	return err != ERR_OK
		       ? err
		       : copy_text(text, config->cluster_name, sizeof(config->cluster_name), problem);
}

static enum err set_bind(struct config *config, struct slice text, struct problem *problem)
{
	return text_parse_address(text, CONFIG_PORT_DEFAULT, &config->bind, problem);
}

static enum err set_advertise(struct config *config, struct slice text, struct problem *problem)
{
	return text_parse_address(text, CONFIG_PORT_DEFAULT, &config->advertise, problem);
}

/* Cuts the next piece off a list with commas. */
static struct slice next_piece(struct slice *rest)
{
	const uint8_t *comma = memchr(rest->data, ',', rest->bytes);
	struct slice piece = {rest->data, comma == NULL ? rest->bytes : (size_t)(comma - rest->data)};
	size_t taken = comma == NULL ? rest->bytes : piece.bytes + 1;
	rest->data += taken;
	rest->bytes -= taken;
	return piece;
}

static enum err set_join(struct config *config, struct slice text, struct problem *problem)
{
	config->seed_count = 0;
	if (text.bytes == 0)
		return problem_set(problem, ERR_INVALID, "is empty");
	while (text.bytes > 0) {
		if (config->seed_count == SEEDS_MAX)
			return problem_set(problem, ERR_RANGE, "more than %u addresses", SEEDS_MAX);
		enum err err = text_parse_address(next_piece(&text), CONFIG_PORT_DEFAULT,
						  &config->seeds[config->seed_count], problem);
		if (err != ERR_OK)
			return err;
		config->seed_count++;
	}
	return ERR_OK;
}

static enum err set_init(struct config *config, struct slice text, struct problem *problem)
{
	bool is_true = slice_equal(text, slice_str("true"));
	if (!is_true && !slice_equal(text, slice_str("false")))
		return problem_set(problem, ERR_INVALID, "must be true or false");
	config->is_init = is_true;
	return ERR_OK;
}

static enum err set_log_level(struct config *config, struct slice text, struct problem *problem)
{
	for (unsigned i = 0; i < LOG_LEVEL_COUNT; i++) {
		if (!slice_equal(text, slice_str(log_level_words[i])))
			continue;
		config->log_level = (enum log_level)i;
		return ERR_OK;
	}
	return problem_set(problem, ERR_INVALID, "must be error, warn, info or debug");
}

static enum err set_slots(struct config *config, struct slice text, struct problem *problem)
{
	int64_t slots;
	enum err err = text_parse_i64(text, 1, CONFIG_SLOTS_MAX, &slots, problem);
	if (err == ERR_OK)
		config->slots = (uint32_t)slots;
	return err;
}

static enum err set_bytes(struct slice text, uint64_t min, uint64_t max, uint64_t *ret_bytes,
			  struct problem *problem)
{
	uint64_t bytes;
	enum err err = text_parse_size(text, &bytes, problem);
	if (err != ERR_OK)
		return err;
	if (bytes < min || bytes > max)
		return problem_set(problem, ERR_RANGE, "must be from %lluM to %lluM",
				   (unsigned long long)(min >> 20), (unsigned long long)(max >> 20));
	*ret_bytes = bytes;
	return ERR_OK;
}

static enum err set_voting_bytes(struct config *config, struct slice text, struct problem *problem)
{
	return set_bytes(text, CONFIG_VOTING_BYTES_MIN, CONFIG_VOTING_BYTES_MAX,
			 &config->voting_bytes, problem);
}

static enum err set_history_bytes(struct config *config, struct slice text, struct problem *problem)
{
	return set_bytes(text, CONFIG_HISTORY_BYTES_MIN, CONFIG_HISTORY_BYTES_MAX,
			 &config->history_bytes, problem);
}

static enum err set_test_node_id(struct config *config, struct slice text, struct problem *problem)
{
	return text_parse_id(text, &config->test_node_id, problem);
}

static enum err set_test_cluster(struct config *config, struct slice text, struct problem *problem)
{
	return text_parse_id(text, &config->test_cluster, problem);
}

static enum err set_test_birth(struct config *config, struct slice text, struct problem *problem)
{
	config->test_birth_count = 0;
	while (text.bytes > 0) {
		if (config->test_birth_count == SET_MEMBERS_MAX)
			return problem_set(problem, ERR_RANGE, "more than %u ids", SET_MEMBERS_MAX);
		enum err err = text_parse_id(next_piece(&text),
					     &config->test_birth[config->test_birth_count], problem);
		if (err != ERR_OK)
			return err;
		config->test_birth_count++;
	}
	return ERR_OK;
}

static enum err set_test_clock_offset(struct config *config, struct slice text, struct problem *problem)
{
	int64_t year_ms = 366ll * 24 * 3600 * 1000;
	return text_parse_i64(text, -year_ms, year_ms, &config->test_clock_offset_ms, problem);
}

/* ---- the table ---- */

static const struct option options[] = {
	{"dir", "DIR", set_directory, OPTION_ANYWHERE,
	 "where the agent keeps all it has and its socket; default " CONFIG_DIRECTORY_DEFAULT},
	{"name", "NAME", set_name, OPTION_ANYWHERE, "this node's name; default: the host's"},
	{"bind", "ADDR:PORT", set_bind, OPTION_ANYWHERE,
	 "address for peers, UDP and TCP; needed with --key"},
	{"advertise", "ADDR:PORT", set_advertise, OPTION_ANYWHERE,
	 "where peers reach it, if --bind is a wildcard or behind a translation"},
	{"init", NULL, set_init, OPTION_FLAG_ONLY, "first start: make a new cluster"},
	{"join", "ADDR:PORT,...", set_join, OPTION_ANYWHERE,
	 "first start: enter the cluster of one of these"},
	{"key", "FILE", set_key, OPTION_ANYWHERE,
	 "the cluster's key, mode 0600 (schedctl key new FILE); without it no port is opened"},
	{"cluster_name", "NAME", set_cluster_name, OPTION_ANYWHERE, "what consoles show for the cluster"},
	{"slots", "N", set_slots, OPTION_ANYWHERE,
	 "runs at a time here; default 4 x processors, at least 4"},
	{"log_level", "LEVEL", set_log_level, OPTION_ANYWHERE, "error, warn, info (default) or debug"},
	{"store.voting_bytes", "SIZE", set_voting_bytes, OPTION_ANYWHERE,
	 "first size of the voting store; default 16M"},
	{"store.history_bytes", "SIZE", set_history_bytes, OPTION_ANYWHERE,
	 "largest size of the history store; default 1G"},
	{"config", "FILE", set_config, OPTION_FLAG_ONLY, "a YAML file with these, as key: value"},
	{"test_node_id", "HEX32", set_test_node_id, OPTION_HIDDEN, ""},
	{"test_birth", "HEX32,...", set_test_birth, OPTION_HIDDEN, ""},
	{"test_cluster", "HEX32", set_test_cluster, OPTION_HIDDEN, ""},
	{"test_clock_offset_ms", "N", set_test_clock_offset, OPTION_HIDDEN, ""},
};
#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

/* How an option is written on a command line and in the environment. */
static void spell(const char *name, char separator, bool is_upper, char ret_text[OPTION_BYTES_MAX])
{
	size_t i = 0;
	for (; name[i] != '\0' && i + 1 < OPTION_BYTES_MAX; i++) {
		char letter = name[i];
		if (letter == '_' || letter == '.')
			letter = separator;
		if (is_upper && letter >= 'a' && letter <= 'z')
			letter = (char)(letter - 'a' + 'A');
		ret_text[i] = letter;
	}
	ret_text[i] = '\0';
}

static enum err unknown(struct slice name, bool is_flag, struct problem *problem)
{
	char shown[64];
	text_escape(name, shown, sizeof(shown));
	(void)problem_set(problem, ERR_INVALID, "%s%s: unknown option", is_flag ? "--" : "", shown);
	const char *words[OPTION_COUNT];
	char flags[OPTION_COUNT][OPTION_BYTES_MAX];
	size_t count = 0;
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (options[i].where == OPTION_HIDDEN ||
		    (!is_flag && options[i].where == OPTION_FLAG_ONLY))
			continue;
		spell(options[i].name, is_flag ? '-' : '_', false, flags[count]);
		words[count] = is_flag ? flags[count] : options[i].name;
		count++;
	}
	const char *near = text_nearest(shown, words, count);
	if (near != NULL)
		problem_hint(problem, "did you mean %s%s?", is_flag ? "--" : "", near);
	else
		problem_hint(problem, "schedd --help lists the options");
	return ERR_INVALID;
}

/* ---- the file ---- */

struct file_read {
	struct config *config;
};

static enum err set_from_file(struct config *config, const struct yaml_document *document,
			      struct slice name, struct slice text, struct problem *problem)
{
	char path[YAML_PATH_BYTES_MAX];
	size_t bytes = name.bytes < sizeof(path) - 1 ? name.bytes : sizeof(path) - 1;
	memcpy(path, name.data, bytes);
	path[bytes] = '\0';
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (options[i].where != OPTION_ANYWHERE ||
		    !slice_equal(name, slice_str(options[i].name)))
			continue;
		enum err err = options[i].set(config, text, problem);
		if (err != ERR_OK) {
			problem_context(problem, "%s", path);
			yaml_document_locate(document, path, problem);
		}
		return err;
	}
	enum err err = unknown(name, false, problem);
	struct yaml_position key_at;
	(void)yaml_document_find(document, path, &key_at);
	problem_context(problem, "%s:%u:%u", document->file, key_at.line, key_at.column);
	return err;
}

/* A list of texts becomes one text with commas, as the flag has it. */
static enum err join_list(struct wire_reader *reader, struct buf *out, struct problem *problem)
{
	uint32_t count = wire_get_array(reader, YAML_DOCUMENT_NODES_MAX);
	for (uint32_t i = 0; i < count; i++) {
		if (wire_peek(reader) != WIRE_STR)
			return problem_set(problem, ERR_INVALID, "must be a list of texts");
		struct slice item = wire_get_str(reader, YAML_DOCUMENT_BYTES_MAX);
		if (i > 0)
			buf_put_u8(out, ',');
		buf_put(out, item.data, item.bytes);
	}
	return out->has_overflowed ? problem_set(problem, ERR_RANGE, "is too long") : ERR_OK;
}

static enum err read_value(const struct yaml_document *document, struct config *config,
			   const char *path, struct wire_reader *reader, struct problem *problem)
{
	uint8_t memory[2048];
	struct buf text;
	buf_init(&text, memory, sizeof(memory));
	enum err err = ERR_OK;
	switch (wire_peek(reader)) {
	case WIRE_STR: {
		struct slice value = wire_get_str(reader, YAML_DOCUMENT_BYTES_MAX);
		return set_from_file(config, document, slice_str(path), value, problem);
	}
	case WIRE_ARRAY:
		err = join_list(reader, &text, problem);
		break;
	case WIRE_NIL:
	case WIRE_BOOL:
	case WIRE_INT:
	case WIRE_FLOAT:
	case WIRE_BIN:
	case WIRE_MAP:
	case WIRE_NONE:
		err = problem_set(problem, ERR_INVALID, "has no value");
		break;
	}
	if (err == ERR_OK)
		return set_from_file(config, document, slice_str(path), buf_slice(&text), problem);
	problem_context(problem, "%s", path);
	yaml_document_locate(document, path, problem);
	return err;
}

static enum err read_map(const struct yaml_document *document, struct config *config,
			 const char *prefix, struct wire_reader *reader, struct problem *problem)
{
	uint32_t count = wire_get_map(reader, YAML_DOCUMENT_NODES_MAX);
	for (uint32_t i = 0; i < count; i++) {
		char path[YAML_PATH_BYTES_MAX];
		struct slice key = wire_get_str(reader, YAML_DOCUMENT_BYTES_MAX);
		/* A key that does not fit is none of ours: what is left of it will be unknown. */
		(void)snprintf(path, sizeof(path), "%s%.*s", prefix,
			       (int)(key.bytes < 128 ? key.bytes : 128), (const char *)key.data);
		enum err err;
		if (wire_peek(reader) == WIRE_MAP && strcmp(path, "store") == 0)
			err = read_map(document, config, "store.", reader, problem);
		else
			err = read_value(document, config, path, reader, problem);
		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}

static enum err on_document(void *context, const struct yaml_document *document, struct problem *problem)
{
	struct file_read *read = context;
	if (document->index > 0)
		return problem_set(problem, ERR_INVALID, "%s:%u:%u: a second document", document->file,
				   document->position.line, document->position.column);
	struct wire_reader reader;
	wire_reader_init(&reader, document->map);
	return read_map(document, read->config, "", &reader, problem);
}

/* ---- flags and environment ---- */

static const struct option *option_of_flag(const char *flag, size_t bytes)
{
	char spelled[OPTION_BYTES_MAX];
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		spell(options[i].name, '-', false, spelled);
		if (strlen(spelled) == bytes && memcmp(spelled, flag, bytes) == 0)
			return &options[i];
	}
	return NULL;
}

static enum err read_flag(struct config *config, char *const *arguments, int *index,
			  struct problem *problem)
{
	const char *argument = arguments[*index];
	if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0') {
		char shown[64];
		text_escape(slice_str(argument), shown, sizeof(shown));
		(void)problem_set(problem, ERR_INVALID, "%s: not an option; options begin with --",
				  shown);
		problem_hint(problem, "schedd --help lists the options");
		return ERR_INVALID;
	}
	const char *flag = argument + 2;
	size_t bytes = strcspn(flag, "=");
	const struct option *option = option_of_flag(flag, bytes);
	if (option == NULL)
		return unknown(slice_of(flag, bytes), true, problem);
	const char *value = flag[bytes] == '=' ? flag + bytes + 1 : NULL;
	if (option->value == NULL && value == NULL)
		value = "true";
	if (value == NULL)
		value = arguments[++*index];
	if (value == NULL)
		return problem_set(problem, ERR_INVALID, "--%s: a value is missing: --%s %s", flag,
				   flag, option->value);
	enum err err = option->set(config, slice_str(value), problem);
	if (err != ERR_OK)
		problem_context(problem, "--%.*s", (int)bytes, flag);
	return err;
}

static enum err read_environment(struct config *config, char *const *environment, struct problem *problem)
{
	size_t prefix = strlen(ENVIRONMENT_PREFIX);
	for (; *environment != NULL; environment++) {
		const char *variable = *environment;
		if (strncmp(variable, ENVIRONMENT_PREFIX, prefix) != 0)
			continue;
		size_t bytes = strcspn(variable, "=");
		const struct option *option = NULL;
		char spelled[OPTION_BYTES_MAX];
		for (size_t i = 0; i < OPTION_COUNT && option == NULL; i++) {
			spell(options[i].name, '_', true, spelled);
			if (options[i].where != OPTION_HIDDEN && strlen(spelled) == bytes - prefix &&
			    memcmp(spelled, variable + prefix, bytes - prefix) == 0)
				option = &options[i];
		}
		char shown[64];
		text_escape(slice_of(variable, bytes), shown, sizeof(shown));
		if (option == NULL)
			return problem_set(problem, ERR_INVALID, "%s: no option has this variable",
					   shown);
		const char *value = variable[bytes] == '=' ? variable + bytes + 1 : "";
		enum err err = option->set(config, slice_str(value), problem);
		if (err != ERR_OK) {
			problem_context(problem, "%s", shown);
			return err;
		}
	}
	return ERR_OK;
}

/* ---- all together ---- */

static const char *find_config_path(int argument_count, char *const *arguments, char *const *environment)
{
	const char *path = NULL;
	for (int i = 1; i < argument_count; i++) {
		if (strcmp(arguments[i], "--config") == 0 && i + 1 < argument_count)
			path = arguments[i + 1];
		else if (strncmp(arguments[i], "--config=", 9) == 0)
			path = arguments[i] + 9;
	}
	for (; *environment != NULL; environment++) {
		if (strncmp(*environment,
			    ENVIRONMENT_PREFIX "CONFIG=", sizeof(ENVIRONMENT_PREFIX "CONFIG=") - 1) == 0)
			path = *environment + sizeof(ENVIRONMENT_PREFIX "CONFIG=") - 1;
	}
	return path;
}

static enum err default_name(struct config *config, struct problem *problem)
{
	char host[256] = "";
	(void)gethostname(host, sizeof(host) - 1);
	host[strcspn(host, ".")] = '\0';
	enum err err = set_name(config, slice_str(host), problem);
	if (err != ERR_OK) {
		problem_context(problem, "the host's name as this node's name");
		problem_hint(problem, "give one with --name");
	}
	return err;
}

static enum err check_together(struct config *config, struct problem *problem)
{
	if (config->name[0] == '\0') {
		enum err err = default_name(config, problem);
		if (err != ERR_OK)
			return err;
	}
	size_t directory_bytes = strlen(config->directory);
	if (directory_bytes + strlen("/schedd.sock") > CONFIG_SOCKET_BYTES_MAX)
		return problem_set(
			problem, ERR_RANGE,
			"--dir: %s/schedd.sock is longer than the %u bytes that a socket's path may have",
			config->directory, CONFIG_SOCKET_BYTES_MAX);
	(void)snprintf(config->socket_path, sizeof(config->socket_path), "%.95s/schedd.sock",
		       config->directory);
	(void)snprintf(config->runner_path, sizeof(config->runner_path), "%.95s/runner.sock",
		       config->directory);
	if (config->is_init && config->seed_count > 0)
		return problem_set(problem, ERR_INVALID,
				   "--init makes a new cluster, --join enters one: give one of them");
	if (config->seed_count > 0 && config->key_path[0] == '\0') {
		(void)problem_set(problem, ERR_INVALID, "--join: no key: agents speak only with a key");
		problem_hint(problem, "copy the cluster's key file here and give it with --key FILE");
		return ERR_INVALID;
	}
	if (config->key_path[0] != '\0' && config->bind.family == 0)
		return problem_set(problem, ERR_INVALID,
				   "--bind ADDR:PORT is missing: with --key the agent opens a port");
	static const uint8_t wildcard[16];
	if (config->bind.family != 0 && config->advertise.family == 0) {
		if (memcmp(config->bind.ip, wildcard, sizeof(wildcard)) == 0) {
			(void)problem_set(problem, ERR_INVALID,
					  "--bind: a wildcard is no address that peers could reach");
			problem_hint(problem, "add --advertise ADDR:PORT with this host's address");
			return ERR_INVALID;
		}
		config->advertise = config->bind;
	}
	if (config->advertise.family != 0 && config->bind.family == 0)
		return problem_set(problem, ERR_INVALID, "--advertise needs --bind");
	return ERR_OK;
}

enum err config_read(int argument_count, char *const *arguments, char *const *environment,
		     struct config *ret_config, enum config_action *ret_action, struct problem *problem)
{
	struct config config = {.directory = CONFIG_DIRECTORY_DEFAULT, .log_level = LOG_LEVEL_INFO};
	for (int i = 1; i < argument_count; i++) {
		bool is_help = strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0;
		if (!is_help && strcmp(arguments[i], "--version") != 0)
			continue;
		*ret_action = is_help ? CONFIG_HELP : CONFIG_VERSION;
		return ERR_OK;
	}
	enum err err = ERR_OK;
	const char *path = find_config_path(argument_count, arguments, environment);
	if (path != NULL) {
		struct file_read read = {.config = &config};
		err = yaml_read_file(path, on_document, &read, problem);
		if (err == ERR_NOT_FOUND || err == ERR_IO)
			problem_context(problem, "--config");
		if (err != ERR_OK)
			return err;
	}
	for (int i = 1; i < argument_count; i++) {
		err = read_flag(&config, arguments, &i, problem);
		if (err != ERR_OK)
			return err;
	}
	err = read_environment(&config, environment, problem);
	if (err != ERR_OK)
		return err;
	err = check_together(&config, problem);
	if (err != ERR_OK)
		return err;
	*ret_config = config;
	*ret_action = CONFIG_RUN;
	return ERR_OK;
}

void config_help(FILE *out)
{
	(void)fprintf(out, "usage: schedd --dir DIR [options]\n"
			   "The peersched agent: one on each host.\n\n");
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (options[i].where == OPTION_HIDDEN)
			continue;
		char flag[OPTION_BYTES_MAX];
		char shown[OPTION_BYTES_MAX * 2];
		spell(options[i].name, '-', false, flag);
		(void)snprintf(shown, sizeof(shown), "--%s%s%s", flag,
			       options[i].value == NULL ? "" : " ",
			       options[i].value == NULL ? "" : options[i].value);
		(void)fprintf(out, "  %-28s %s\n", shown, options[i].help);
	}
	(void)fprintf(out, "  %-28s %s\n  %-28s %s\n\n", "--help", "this text", "--version",
		      "the version");
	(void)fprintf(
		out,
		"The same options are taken from the file of --config (log_level: debug) and from the environment\n"
		"(SCHEDD_LOG_LEVEL=debug). A flag wins over the file, the environment over both.\n");
}
