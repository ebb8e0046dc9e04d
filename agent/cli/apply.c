/* apply: the jobs of YAML files. All documents are checked, here and by the agent, before any job is changed. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/cli/cli.h"
#include "agent/cli/file_error.h"
#include "agent/cli/job_check.h"
#include "agent/cli/listing.h"
#include "agent/yaml.h"
#include "proto/definition_build.h"
#include "proto/text.h"

#define APPLY_FILES_MAX 10000u /* of a directory */
#define ROW_BYTES_MAX 4096u
#define FLIGHTS_MAX 64u /* requests at once: the agent commits them together */

struct source_file {
	char *path;
	struct growing text;
};

struct document {
	size_t file; /* index */
	struct yaml_position position;
	char job[JOB_NAME_BYTES_MAX + 1];
	uint8_t *definition;
	size_t definition_bytes;
	const char *result; /* NULL: no answer yet */
	int64_t version;
	char *message; /* of a failure */
	char *words;
};

/* A request under way. */
struct flight {
	uint64_t seq;
	struct document *document;
	bool is_edit; /* the name was taken: asked again with mode replace */
};

struct apply {
	struct cli *cli;
	struct zonefile *zonefile;
	struct source_file *files;
	size_t file_count;
	struct document *documents;
	size_t document_count, document_max;
	struct file_errors errors;
	struct buf definition; /* the one that is being read */
	struct listing listing;
	struct flight flights[FLIGHTS_MAX];
	size_t flight_count;
	int exit_code; /* of the first refusal */
	char code[64]; /* and its word */
};

static const struct column columns[] = {
	{"job", "job", COLUMN_TEXT, true, NULL},
	{"result", "result", COLUMN_TEXT, true, NULL},
	{"version", "version", COLUMN_NUMBER, true, NULL},
	{"words", "words", COLUMN_TEXT, false, NULL},
	{"file", "file", COLUMN_TEXT, false, NULL},
	{"line", "line", COLUMN_NUMBER, false, NULL},
	{"message", "message", COLUMN_TEXT, false, NULL},
};

/* ---- files ---- */

static void add_problem(struct apply *apply, const struct problem *problem, size_t file,
			struct yaml_position at)
{
	struct slice source = {0};
	if (file < apply->file_count)
		source = growing_slice(&apply->files[file].text);
	file_errors_add(&apply->errors, problem->text, problem->hint, source, at.line, at.column);
}

static void file_problem(struct apply *apply, const char *path, const char *reason)
{
	struct problem problem;
	(void)problem_set(&problem, ERR_IO, "%s: %s", path, reason);
	add_problem(apply, &problem, SIZE_MAX, (struct yaml_position){0});
}

static void add_file(struct apply *apply, const char *path)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *file = is_stdin ? stdin : fopen(path, "re");
	if (file == NULL) {
		file_problem(apply, path, strerror(errno));
		return;
	}
	if (apply->file_count % 64 == 0)
		apply->files = growing_resize(apply->files,
					      (apply->file_count + 64) * sizeof(*apply->files));
	struct source_file *source = &apply->files[apply->file_count];
	*source = (struct source_file){.path = strdup(is_stdin ? "stdin" : path)};
	enum err err = growing_read(&source->text, file, YAML_FILE_BYTES_MAX);
	int code = errno;
	if (!is_stdin)
		(void)fclose(file);
	apply->file_count++;
	if (err == ERR_FULL)
		file_problem(apply, path, "the file is too large");
	else if (err != ERR_OK)
		file_problem(apply, path, strerror(code));
}

static int is_yaml_name(const struct dirent *entry)
{
	size_t bytes = strlen(entry->d_name);
	if (entry->d_name[0] == '.')
		return 0;
	return (bytes > 5 && strcmp(entry->d_name + bytes - 5, ".yaml") == 0) ||
	       (bytes > 4 && strcmp(entry->d_name + bytes - 4, ".yml") == 0);
}

/* The YAML files of the directory itself, in the order of their names. */
static void add_directory(struct apply *apply, const char *path)
{
	struct dirent **entries = NULL;
	int count = scandir(path, &entries, is_yaml_name, alphasort);
	if (count < 0) {
		file_problem(apply, path, strerror(errno));
		return;
	}
	if (count == 0)
		file_problem(apply, path, "no file ends with .yaml or .yml");
	for (int i = 0; i < count; i++) {
		struct growing full = {0};
		growing_format(&full, "%s/%s", path, entries[i]->d_name);
		if ((unsigned)i < APPLY_FILES_MAX)
			add_file(apply, growing_string(&full));
		else if ((unsigned)i == APPLY_FILES_MAX)
			file_problem(apply, path, "more than 10000 files");
		growing_close(&full);
		free(entries[i]);
	}
	free(entries);
}

static int add_paths(struct apply *apply)
{
	const struct arguments *arguments = &apply->cli->arguments;
	bool is_any = false;
	for (size_t i = 0; i < arguments->flag_count; i++) {
		if (strcmp(arguments->flags[i].flag->name, "file") != 0)
			continue;
		const char *path = arguments->flags[i].text;
		struct stat info;
		is_any = true;
		if (strcmp(path, "-") != 0 && stat(path, &info) == 0 && S_ISDIR(info.st_mode))
			add_directory(apply, path);
		else
			add_file(apply, path);
	}
	if (!is_any)
		return cli_refuse(apply->cli, ERR_INVALID,
				  "schedctl apply -f FILE, or a directory, or -", "-f is missing");
	return 0;
}

/* ---- documents ---- */

static size_t file_index(const struct apply *apply, const char *path)
{
	for (size_t i = apply->file_count; i > 0; i--) {
		if (strcmp(apply->files[i - 1].path, path) == 0)
			return i - 1;
	}
	return SIZE_MAX;
}

static void keep_document(struct apply *apply, size_t file, struct yaml_position at, struct slice job)
{
	if (apply->document_count == apply->document_max) {
		apply->document_max = apply->document_max == 0 ? 64 : apply->document_max * 2;
		apply->documents = growing_resize(apply->documents,
						  apply->document_max * sizeof(*apply->documents));
	}
	struct document *document = &apply->documents[apply->document_count++];
	*document = (struct document){.file = file, .position = at};
	(void)snprintf(document->job, sizeof(document->job), "%.*s", (int)job.bytes,
		       (const char *)job.data);
	document->definition = growing_resize(NULL, apply->definition.bytes);
	document->definition_bytes = apply->definition.bytes;
	memcpy(document->definition, apply->definition.data, apply->definition.bytes);
}

static enum err check_kind(const struct yaml_document *yaml, struct problem *problem)
{
	static const char *const later[] = {"calendar", "semaphore", "group", "cluster", "role"};
	if (slice_equal(yaml->first_key, slice_str("job")))
		return ERR_OK;
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		if (slice_equal(yaml->first_key, slice_str(later[i])))
			return problem_set(problem, ERR_UNSUPPORTED,
					   "%s: documents of this kind are not built in this version",
					   later[i]);
	}
	return problem_set(problem, ERR_INVALID, "the first key of a job's document is `job: NAME`");
}

static enum err on_document(void *context, const struct yaml_document *yaml, struct problem *ignored)
{
	struct apply *apply = context;
	struct problem problem;
	char path[DEFINITION_KEY_PATH_BYTES] = "";
	(void)ignored;
	enum err err = check_kind(yaml, &problem);
	if (err == ERR_OK)
		err = definition_from_document(yaml->map, &apply->definition, path, &problem);
	const char *key = path;
	if (err == ERR_OK)
		err = job_check(buf_slice(&apply->definition), apply->zonefile, &key, &problem);
	size_t file = file_index(apply, yaml->file);
	if (err != ERR_OK) {
		/* Of a key that there is not, the key is what is wrong, not its value. */
		struct yaml_position key_at;
		struct yaml_position at = yaml_document_find(yaml, key, &key_at);
		if (definition_key_find(slice_str(key)) == DEFINITION_KEY_COUNT)
			at = key_at;
		problem_context(&problem, "%s:%u:%u", yaml->file, at.line, at.column);
		add_problem(apply, &problem, file, at);
		return ERR_OK;
	}
	struct slice job;
	if (!definition_find(buf_slice(&apply->definition), DEFINITION_KEY_JOB, &job))
		return ERR_OK;
	struct wire_reader reader;
	wire_reader_init(&reader, job);
	keep_document(apply, file, yaml->position, wire_get_str(&reader, JOB_NAME_BYTES_MAX));
	return ERR_OK;
}

static void read_documents(struct apply *apply)
{
	for (size_t i = 0; i < apply->file_count; i++) {
		struct problem problem;
		struct source_file *file = &apply->files[i];
		enum err err = yaml_parse(growing_slice(&file->text), file->path, on_document,
					  apply, &problem);
		if (err == ERR_OK)
			continue;
		/* The place of a syntax error is in its text: "file:line:column: ...". */
		struct yaml_position at = {0};
		const char *numbers = problem.text + strlen(file->path);
		unsigned line, column;
		if (strncmp(problem.text, file->path, strlen(file->path)) == 0 &&
		    sscanf(numbers, ":%u:%u:", &line, &column) == 2)
			at = (struct yaml_position){line, column};
		add_problem(apply, &problem, i, at);
	}
}

static int compare_documents(const void *a, const void *b)
{
	const struct document *const *left = a;
	const struct document *const *right = b;
	int order = strcmp((*left)->job, (*right)->job);
	return order != 0 ? order : (*left > *right) - (*left < *right);
}

/* Two documents of one job: which of them is meant is not for us to guess. */
static void check_twice(struct apply *apply)
{
	size_t count = apply->document_count;
	const struct document **sorted = growing_resize(NULL, (count + 1) * sizeof(*sorted));
	for (size_t i = 0; i < count; i++)
		sorted[i] = &apply->documents[i];
	qsort(sorted, count, sizeof(*sorted), compare_documents);
	for (size_t i = 1; i < count; i++) {
		const struct document *first = sorted[i - 1], *second = sorted[i];
		if (strcmp(first->job, second->job) != 0)
			continue;
		struct problem problem;
		(void)problem_set(&problem, ERR_INVALID, "%s:%u:%u: job %s stands at %s:%u already",
				  apply->files[second->file].path, second->position.line,
				  second->position.column, text_job_display(second->job),
				  apply->files[first->file].path, first->position.line);
		add_problem(apply, &problem, second->file, second->position);
	}
	(void)growing_resize(sorted, 0);
}

/* ---- the agent ---- */

static int send_job(struct apply *apply, struct flight *flight, const char *mode)
{
	struct cli *cli = apply->cli;
	cli_args_begin(cli);
	wire_map_key(&cli->args_map, &cli->args, "definition");
	wire_put_bin(&cli->args, flight->document->definition, flight->document->definition_bytes);
	cli_args_text(cli, "mode", mode);
	if (arguments_has(&cli->arguments, "late"))
		wire_map_bool(&cli->args_map, &cli->args, "late", true);
	return cli_send(cli, "job.put", &flight->seq);
}

static void on_check_refused(struct apply *apply, const struct document *document, struct slice error)
{
	struct problem problem;
	char message[PROBLEM_TEXT_BYTES_MAX], hint[PROBLEM_HINT_BYTES_MAX];
	cli_field(error, "message", "refused", message, sizeof(message));
	cli_field(error, "hint", "", hint, sizeof(hint));
	(void)problem_set(&problem, ERR_INVALID, "%s:%u:%u: %s", apply->files[document->file].path,
			  document->position.line, document->position.column, message);
	problem_hint(&problem, "%s", hint);
	add_problem(apply, &problem, document->file, document->position);
}

static void on_refused(struct apply *apply, struct document *document, struct slice error)
{
	char message[PROBLEM_TEXT_BYTES_MAX];
	cli_field(error, "message", "refused", message, sizeof(message));
	document->result = "failed";
	document->message = strdup(message);
	cli_note(apply->cli, "apply: %s: %s", text_job_display(document->job), message);
}

static void on_done(struct flight *flight, struct slice end)
{
	struct document *document = flight->document;
	char words[ROW_BYTES_MAX / 2];
	bool is_changed = wire_map_find_bool(end, "changed", true);
	document->result = !is_changed ? "no change" : flight->is_edit ? "changed" : "created";
	document->version = wire_map_find_i64(end, "version", 0);
	document->words = strdup(cli_field(end, "words", "", words, sizeof(words)));
}

/* The end of one request. True: the flight goes on, because the name is taken and it is an edit. */
static bool take_reply(struct apply *apply, struct flight *flight, const struct reply *reply,
		       bool is_check)
{
	if (reply->kind == REPLY_END) {
		if (!is_check)
			on_done(flight, reply->body);
		return false;
	}
	bool is_taken = slice_equal(wire_map_find_str(reply->body, "code"), slice_str("exists"));
	if (!is_check && !flight->is_edit && is_taken) {
		flight->is_edit = true;
		return send_job(apply, flight, "replace") == 0;
	}
	if (apply->exit_code == 0) {
		apply->exit_code = cli_error_exit(reply->body);
		cli_field(reply->body, "code", "unknown", apply->code, sizeof(apply->code));
	}
	if (is_check)
		on_check_refused(apply, flight->document, reply->body);
	else
		on_refused(apply, flight->document, reply->body);
	return false;
}

static int receive_one(struct apply *apply, bool is_check)
{
	struct reply reply;
	int failed = cli_receive(apply->cli, &reply);
	if (failed != 0)
		return failed;
	if (reply.kind != REPLY_END && reply.kind != REPLY_ERROR)
		return 0;
	for (size_t i = 0; i < apply->flight_count; i++) {
		struct flight *flight = &apply->flights[i];
		if (flight->seq != reply.seq)
			continue;
		if (!take_reply(apply, flight, &reply, is_check))
			apply->flights[i] = apply->flights[--apply->flight_count];
		break;
	}
	return apply->cli->has_failed ? EXIT_NO_ANSWER : 0;
}

/* Sends all documents, at most FLIGHTS_MAX at a time. Refusals are the callers' to tell; 0, or the exit code of an
 * error that ended it and was told. */
static int send_all(struct apply *apply, bool is_check)
{
	size_t next = 0;
	while (next < apply->document_count || apply->flight_count > 0) {
		int failed = 0;
		while (failed == 0 && next < apply->document_count && apply->flight_count < FLIGHTS_MAX) {
			struct flight *flight = &apply->flights[apply->flight_count++];
			*flight = (struct flight){.document = &apply->documents[next++]};
			failed = send_job(apply, flight, is_check ? "check" : "create");
		}
		if (failed == 0)
			failed = receive_one(apply, is_check);
		if (failed != 0)
			return failed;
	}
	return 0;
}

static void put_result(struct apply *apply, const struct document *document)
{
	uint8_t memory[ROW_BYTES_MAX * 2];
	struct buf row;
	buf_init(&row, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&row);
	wire_map_text(&map, &row, "job", text_job_display(document->job));
	wire_map_text(&map, &row, "result", document->result);
	if (document->version > 0)
		wire_map_i64(&map, &row, "version", document->version);
	else
		wire_map_nil(&map, &row, "version");
	if (document->words != NULL)
		wire_map_text(&map, &row, "words", document->words);
	wire_map_text(&map, &row, "file", apply->files[document->file].path);
	wire_map_i64(&map, &row, "line", document->position.line);
	if (document->message == NULL)
		wire_map_nil(&map, &row, "message");
	else
		wire_map_text(&map, &row, "message", document->message);
	wire_map_end(&map, &row);
	listing_row(&apply->listing, buf_slice(&row));
}

static int apply_all(struct apply *apply)
{
	int failed = send_all(apply, false);
	/* What was answered before a break is told, except where stdout stays empty on errors. */
	if (failed != 0 && apply->cli->form != OUTPUT_TEXT)
		return failed;
	for (size_t i = 0; i < apply->document_count; i++) {
		if (apply->documents[i].result == NULL)
			apply->documents[i].result = "no answer";
		put_result(apply, &apply->documents[i]);
	}
	int partial = listing_end(&apply->listing, (struct slice){0});
	return failed != 0 ? failed : apply->exit_code != 0 ? apply->exit_code : partial;
}

static int run_apply(struct apply *apply)
{
	int failed = add_paths(apply);
	if (failed != 0)
		return failed;
	read_documents(apply);
	check_twice(apply);
	if (apply->errors.count > 0)
		return file_errors_tell(apply->cli, &apply->errors, err_word(ERR_INVALID),
					EXIT_BAD_INPUT);
	if (apply->document_count == 0)
		return cli_refuse(apply->cli, ERR_INVALID, NULL, "there is no document in it");
	failed = send_all(apply, true);
	if (failed == 0 && apply->exit_code != 0)
		failed = file_errors_tell(apply->cli, &apply->errors, apply->code, apply->exit_code);
	return failed != 0 ? failed : apply_all(apply);
}

int command_apply(struct cli *cli)
{
	struct apply apply = {.cli = cli, .zonefile = zonefile_new(NULL)};
	if (apply.zonefile == NULL)
		return cli_refuse(cli, ERR_NO_MEMORY, NULL, "out of memory");
	uint8_t *memory = growing_resize(NULL, DEFINITION_BUILD_BYTES);
	buf_init(&apply.definition, memory, DEFINITION_BUILD_BYTES);
	int exit_code = listing_init(&apply.listing, cli, "ApplyList", columns,
				     sizeof(columns) / sizeof(columns[0]));
	if (exit_code == 0)
		exit_code = run_apply(&apply);
	listing_close(&apply.listing);
	for (size_t i = 0; i < apply.document_count; i++) {
		free(apply.documents[i].definition);
		free(apply.documents[i].message);
		free(apply.documents[i].words);
	}
	free(apply.documents);
	for (size_t i = 0; i < apply.file_count; i++) {
		free(apply.files[i].path);
		growing_close(&apply.files[i].text);
	}
	free(apply.files);
	file_errors_close(&apply.errors);
	(void)growing_resize(memory, 0);
	zonefile_free(apply.zonefile);
	return exit_code;
}
