/* import: a crontab as YAML. Changes nothing but the file named by --out. */
#include "agent/cli/import.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/cli/cli.h"
#include "agent/cli/file_error.h"
#include "agent/cli/job_check.h"
#include "agent/cli/json.h"
#include "proto/definition_build.h"
#include "proto/hash.h"
#include "proto/text.h"

#define NOTES_MAX 1000u  /* told; more are counted */
#define HERD_ENTRIES 10u /* so many of one schedule are a herd */
#define ZONE_LINK_BYTES 256u
#define YAML_BYTES_MAX (DEFINITION_BYTES_MAX * 4u)

struct import_note {
	uint32_t line;
	char *text;
};

/* An entry that is carried. */
struct imported {
	uint32_t line;
	char base[NAME_PART_BYTES_MAX + 1]; /* without group and prefix */
	char part[NAME_PART_BYTES_MAX + 1];
	uint64_t hash; /* of schedule and command: tells entries of one base apart */
	struct schedule schedule;
	uint8_t *definition;
	size_t definition_bytes;
};

struct refusal {
	uint32_t line;
	char *text;
};

struct import {
	struct cli *cli;
	const char *path; /* as given; "stdin" for - */
	struct growing text;
	struct import_options options;
	struct imported *entries;
	size_t entry_count;
	size_t carried_count;     /* of these, the ones that apply would take */
	struct refusal *refusals; /* known, and not carried */
	size_t refusal_count;
	struct import_note *notes;
	size_t note_count;
	uint64_t notes_left_out;
	struct file_errors errors;
	struct buf definition;
	char zone_name[ZONE_NAME_BYTES_MAX + 1];
	bool is_system;
};

/* ---- what is told ---- */

static void on_note(void *context, uint32_t line, bool is_of_line, const char *text)
{
	struct import *import = context;
	for (size_t i = 0; !is_of_line && i < import->note_count; i++) {
		if (strcmp(import->notes[i].text, text) == 0)
			return;
	}
	if (import->note_count == NOTES_MAX) {
		import->notes_left_out++;
		return;
	}
	import->notes = growing_resize(import->notes, (import->note_count + 1) * sizeof(*import->notes));
	import->notes[import->note_count++] = (struct import_note){line, strdup(text)};
}

static void on_bad_line(void *context, uint32_t line, uint32_t column, struct slice whole,
			const char *reason)
{
	struct import *import = context;
	(void)whole;
	struct problem problem;
	(void)problem_set(&problem, ERR_INVALID, "%s:%u:%u: %s", import->path, line, column, reason);
	file_errors_add(&import->errors, problem.text, NULL, growing_slice(&import->text), line, column);
}

static void add_refusal(struct import *import, uint32_t line, const char *text)
{
	import->refusals = growing_resize(import->refusals,
					  (import->refusal_count + 1) * sizeof(*import->refusals));
	import->refusals[import->refusal_count++] = (struct refusal){line, strdup(text)};
}

/* ---- entries ---- */

static bool is_reboot(struct slice schedule)
{
	return slice_equal(schedule, slice_str("@reboot"));
}

static void on_entry(void *context, const struct crontab_entry *entry)
{
	struct import *import = context;
	struct problem problem;
	struct imported made = {.line = entry->line};
	if (is_reboot(entry->schedule)) {
		add_refusal(import, entry->line,
			    "@reboot comes later: on a cluster it means once per host boot");
		return;
	}
	enum err err = import_entry(&import->options, entry, &import->definition, &made.schedule,
				    &problem);
	if (err == ERR_UNSUPPORTED) {
		add_refusal(import, entry->line, problem.text);
		return;
	}
	if (err != ERR_OK) {
		char message[PROBLEM_TEXT_BYTES_MAX + 64];
		(void)snprintf(message, sizeof(message), "%s:%u:%u: %s", import->path, entry->line,
			       entry->column, problem.text);
		file_errors_add(&import->errors, message, problem.hint,
				growing_slice(&import->text), entry->line, entry->column);
		return;
	}
	if (entry->is_quiet)
		on_note(import, entry->line, true,
			"a - in front (no entry in the log) means nothing here");
	crontab_name_of(entry->command, made.base, sizeof(made.base));
	made.hash = hash_u64(buf_slice(&import->definition));
	made.definition_bytes = import->definition.bytes;
	made.definition = growing_resize(NULL, made.definition_bytes);
	memcpy(made.definition, import->definition.data, made.definition_bytes);
	import->entries = growing_resize(import->entries,
					 (import->entry_count + 1) * sizeof(*import->entries));
	import->entries[import->entry_count++] = made;
}

/* Names that more than one entry would have get a piece of the entry's hash, all of them, so that adding
 * a line further up renames none of these; equal entries are counted. */
static void make_names(struct import *import, const char *prefix)
{
	for (size_t i = 0; i < import->entry_count; i++) {
		struct imported *entry = &import->entries[i];
		bool is_shared = false;
		unsigned equal_before = 0;
		for (size_t k = 0; k < import->entry_count; k++) {
			const struct imported *other = &import->entries[k];
			if (k == i || strcmp(other->base, entry->base) != 0)
				continue;
			is_shared = true;
			equal_before += k < i && other->hash == entry->hash;
		}
		char tail[32] = "";
		if (is_shared)
			(void)snprintf(tail, sizeof(tail), "-%04x", (unsigned)(entry->hash >> 48));
		if (equal_before > 0)
			(void)snprintf(tail + strlen(tail), sizeof(tail) - strlen(tail), "-%u",
				       equal_before + 1);
		size_t room = NAME_PART_BYTES_MAX - strlen(prefix) - strlen(tail);
		(void)snprintf(entry->part, sizeof(entry->part), "%s%.*s%s", prefix, (int)room,
			       entry->base, tail);
	}
}

static bool is_same_schedule(const struct schedule *a, const struct schedule *b)
{
	return a->kind == SCHEDULE_CRON && b->kind == SCHEDULE_CRON &&
	       a->cron.minutes == b->cron.minutes && a->cron.hours == b->cron.hours &&
	       a->cron.days == b->cron.days && a->cron.months == b->cron.months &&
	       a->cron.weekdays == b->cron.weekdays && a->cron.flags == b->cron.flags;
}

static void note_herds(struct import *import)
{
	for (size_t i = 0; i < import->entry_count; i++) {
		const struct imported *entry = &import->entries[i];
		size_t count = 0;
		bool is_first = true;
		for (size_t k = 0; k < import->entry_count; k++) {
			const struct imported *other = &import->entries[k];
			bool is_same = is_same_schedule(&other->schedule, &entry->schedule);
			is_first = is_first && !(is_same && k < i);
			count += is_same;
		}
		if (!is_first || count < HERD_ENTRIES)
			continue;
		char text[128];
		(void)snprintf(text, sizeof(text),
			       "%zu entries fire at the same moments as this one: spread their minutes",
			       count);
		on_note(import, entry->line, true, text);
	}
}

/* ---- input ---- */

static bool is_account(const char *name)
{
	return getpwnam(name) != NULL;
}

static bool is_command(const char *name)
{
	static const char *const folders[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
					      "/usr/bin",        "/sbin",          "/bin"};
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		char path[512];
		(void)snprintf(path, sizeof(path), "%s/%s", folders[i], name);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

static enum crontab_form choose_form(struct import *import)
{
	const struct arguments *arguments = &import->cli->arguments;
	if (arguments_has(arguments, "system"))
		return CRONTAB_SYSTEM;
	if (arguments_has(arguments, "user"))
		return CRONTAB_USER;
	bool is_etc = strcmp(import->path, "/etc/crontab") == 0 ||
		      strncmp(import->path, "/etc/cron.d/", strlen("/etc/cron.d/")) == 0;
	if (is_etc)
		return CRONTAB_SYSTEM;
	enum crontab_form form = crontab_guess_form(growing_slice(&import->text), is_account,
						    is_command);
	if (form == CRONTAB_SYSTEM)
		cli_note(import->cli,
			 "import: read as a system crontab: the sixth field is the user (--user NAME: it is not)");
	return form;
}

/* The zone that this host's cron runs in: /etc/localtime links to it. */
static void local_zone_name(char ret_name[ZONE_NAME_BYTES_MAX + 1])
{
	char link[ZONE_LINK_BYTES];
	ssize_t bytes = readlink("/etc/localtime", link, sizeof(link) - 1);
	(void)snprintf(ret_name, ZONE_NAME_BYTES_MAX + 1, "UTC");
	if (bytes <= 0)
		return;
	link[bytes] = '\0';
	const char *name = strstr(link, "zoneinfo/");
	if (name == NULL || strlen(name) - strlen("zoneinfo/") > ZONE_NAME_BYTES_MAX)
		return;
	name += strlen("zoneinfo/");
	bool is_utc = strcmp(name, "Etc/UTC") == 0 || strcmp(name, "UCT") == 0 ||
		      strcmp(name, "Etc/UCT") == 0 || strcmp(name, "Zulu") == 0;
	(void)snprintf(ret_name, ZONE_NAME_BYTES_MAX + 1, "%s", is_utc ? "UTC" : name);
}

static int read_input(struct import *import, const char *path)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *file = is_stdin ? stdin : fopen(path, "re");
	import->path = is_stdin ? "stdin" : path;
	if (file == NULL) {
		int code = errno;
		return cli_refuse(import->cli, ERR_INVALID, NULL, "%s: %s", path, strerror(code));
	}
	enum err err = growing_read(&import->text, file, CRONTAB_BYTES_MAX);
	int code = errno;
	if (!is_stdin)
		(void)fclose(file);
	if (err == ERR_OK)
		return 0;
	return cli_refuse(import->cli, ERR_INVALID, NULL, "%s: %s", path,
			  err == ERR_FULL ? "a crontab has at most 1 MiB" : strerror(code));
}

static int read_options(struct import *import)
{
	struct cli *cli = import->cli;
	const struct arguments *arguments = &cli->arguments;
	const char *zone_name = arguments_text(arguments, "tz");
	const char *prefix = arguments_text(arguments, "prefix");
	if (arguments_has(arguments, "system") && arguments_has(arguments, "user"))
		return cli_refuse(cli, ERR_INVALID, NULL, "--system and --user do not go together");
	if (prefix != NULL && strlen(prefix) > NAME_PART_BYTES_MAX / 2)
		return cli_refuse(cli, ERR_RANGE, NULL, "--prefix: more than %u bytes",
				  NAME_PART_BYTES_MAX / 2);
	char name[2 * NAME_PART_BYTES_MAX + 2], full[JOB_NAME_BYTES_MAX + 1];
	struct problem problem;
	const char *group = arguments_text(arguments, "group");
	(void)snprintf(name, sizeof(name), "%.64s/%.32sx", group == NULL ? "default" : group,
		       prefix == NULL ? "" : prefix);
	if ((group != NULL && strlen(group) > NAME_PART_BYTES_MAX) ||
	    text_parse_job_name(slice_str(name), full, &problem) != ERR_OK)
		return cli_refuse(cli, ERR_INVALID,
				  "letters, digits, . _ -, and a letter or digit first",
				  "--group or --prefix: no name of a job can be made of it");
	local_zone_name(import->zone_name);
	if (zone_name != NULL && strlen(zone_name) <= ZONE_NAME_BYTES_MAX)
		(void)snprintf(import->zone_name, sizeof(import->zone_name), "%s", zone_name);
	const struct zone *zone;
	enum err err = zonefile_load(import->options.zonefile,
				     slice_str(zone_name == NULL ? import->zone_name : zone_name),
				     &zone, &problem);
	if (err != ERR_OK) {
		problem_context(&problem, "--tz");
		return cli_error(cli, err_word(problem.code), EXIT_BAD_INPUT, problem.text,
				 problem.hint);
	}
	import->options.zone_name = import->zone_name;
	import->options.group = group;
	import->options.user = arguments_text(arguments, "user");
	import->options.now_ms = client_utc_ms();
	import->options.on_note = on_note;
	import->options.context = import;
	return 0;
}

/* ---- output ---- */

/* Puts the name in, and writes the document. False: it would not be taken by apply. */
static bool put_yaml(struct import *import, const struct imported *entry, struct growing *out,
		     char ret_name[JOB_NAME_BYTES_MAX + 2])
{
	struct problem problem;
	const char *path;
	const char *group = import->options.group;
	(void)snprintf(ret_name, JOB_NAME_BYTES_MAX + 2, "%s%s%s", group == NULL ? "" : group,
		       group == NULL ? "" : "/", entry->part);
	memcpy(import->definition.data, entry->definition, entry->definition_bytes);
	import->definition.bytes = entry->definition_bytes;
	enum err err = definition_set_text(&import->definition, DEFINITION_KEY_JOB,
					   slice_str(ret_name), &problem);
	if (err == ERR_OK)
		err = job_check(buf_slice(&import->definition), import->options.zonefile, &path,
				&problem);
	if (err != ERR_OK) {
		add_refusal(import, entry->line, problem.text);
		return false;
	}
	uint8_t *memory = growing_resize(NULL, YAML_BYTES_MAX);
	struct buf yaml;
	buf_init(&yaml, memory, YAML_BYTES_MAX);
	definition_put_yaml(&yaml, buf_slice(&import->definition));
	growing_format(out, "---\n# line %u\n", entry->line);
	growing_put(out, yaml.data, yaml.bytes);
	(void)growing_resize(memory, 0);
	return true;
}

static void put_row(struct import *import, uint32_t line, const char *job, const char *reason,
		    struct growing *out)
{
	size_t bytes_max = DEFINITION_BYTES_MAX * 2u;
	for (size_t i = 0; i < import->note_count; i++)
		bytes_max += strlen(import->notes[i].text) + 8;
	uint8_t *memory = growing_resize(NULL, bytes_max);
	struct buf row;
	buf_init(&row, memory, bytes_max);
	struct wire_map map = wire_map_begin(&row);
	wire_map_i64(&map, &row, "line", line);
	if (job == NULL)
		wire_map_nil(&map, &row, "job");
	else
		wire_map_text(&map, &row, "job", job);
	wire_map_bool(&map, &row, "carried", job != NULL);
	if (reason == NULL)
		wire_map_nil(&map, &row, "reason");
	else
		wire_map_text(&map, &row, "reason", reason);
	wire_map_key(&map, &row, "notes");
	struct wire_map notes = wire_array_begin(&row);
	for (size_t i = 0; i < import->note_count; i++) {
		if (import->notes[i].line != line)
			continue;
		wire_array_item(&notes);
		wire_put_text(&row, import->notes[i].text);
	}
	wire_array_end(&notes, &row);
	if (job != NULL) {
		wire_map_key(&map, &row, "definition");
		wire_put_bin(&row, import->definition.data, import->definition.bytes);
	}
	wire_map_end(&map, &row);
	json_put_row(out, buf_slice(&row));
	(void)growing_resize(memory, 0);
}

static int write_out(struct import *import, const char *path, const struct growing *yaml)
{
	int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (file < 0) {
		int code = errno;
		return cli_refuse(import->cli, code == EEXIST ? ERR_EXISTS : ERR_INVALID,
				  code == EEXIST ? "name another file" : NULL, "--out %s: %s", path,
				  strerror(code));
	}
	size_t written = 0;
	while (written < yaml->bytes) {
		ssize_t bytes = write(file, yaml->data + written, yaml->bytes - written);
		if (bytes < 0 && errno == EINTR)
			continue;
		if (bytes <= 0)
			break;
		written += (size_t)bytes;
	}
	int code = errno;
	if (close(file) == 0 && written == yaml->bytes)
		return 0;
	(void)unlink(path);
	return cli_refuse(import->cli, ERR_IO, NULL, "--out %s: %s", path, strerror(code));
}

static int compare_notes(const void *a, const void *b)
{
	const struct import_note *left = a, *right = b;
	return (left->line > right->line) - (left->line < right->line);
}

static void tell_notes(const struct import *import)
{
	if (import->note_count > 1)
		qsort(import->notes, import->note_count, sizeof(*import->notes), compare_notes);
	for (size_t i = 0; i < import->refusal_count; i++)
		cli_note(import->cli, "%s:%u: not carried: %s", import->path,
			 import->refusals[i].line, import->refusals[i].text);
	for (size_t i = 0; i < import->note_count; i++)
		cli_note(import->cli, "%s:%u: %s", import->path, import->notes[i].line,
			 import->notes[i].text);
	if (import->notes_left_out > 0)
		cli_note(import->cli, "and %llu more notes", (unsigned long long)import->notes_left_out);
	cli_note(import->cli, "%zu of %zu entries carried; times are in %s (--tz says another zone)",
		 import->carried_count, import->carried_count + import->refusal_count,
		 import->zone_name);
}

static void put_head(const struct import *import, struct growing *out)
{
	growing_text(out, "# Made by schedctl import of ");
	growing_escaped(out, slice_str(import->path));
	growing_text(
		out,
		"; schedctl apply -f takes it.\n"
		"# Unlike cron, a fire is skipped while the last run goes on (overlap: allow changes\n"
		"# that), and fires that nobody could start in time are made up for once (misfire: skip).\n");
}

static int write_all(struct import *import)
{
	struct cli *cli = import->cli;
	struct growing yaml = {0}, rows = {0};
	put_head(import, &yaml);
	for (size_t i = 0; i < import->entry_count; i++) {
		char name[JOB_NAME_BYTES_MAX + 2];
		if (!put_yaml(import, &import->entries[i], &yaml, name))
			continue;
		import->carried_count++;
		if (cli->form != OUTPUT_TEXT)
			put_row(import, import->entries[i].line, name, NULL, &rows);
	}
	for (size_t i = 0; cli->form != OUTPUT_TEXT && i < import->refusal_count; i++)
		put_row(import, import->refusals[i].line, NULL, import->refusals[i].text, &rows);
	const char *path = arguments_text(&cli->arguments, "out");
	int exit_code = path == NULL ? 0 : write_out(import, path, &yaml);
	if (exit_code == 0) {
		if (cli->form == OUTPUT_JSON_DOCUMENT) {
			struct growing document = {0};
			struct json_document head = {.kind = "ImportList",
						     .as_of_ms = client_utc_ms(),
						     .is_complete = true};
			json_put_document(&document, &head, growing_slice(&rows));
			cli_write(cli, growing_slice(&document));
			growing_close(&document);
		} else if (cli->form == OUTPUT_JSON) {
			cli_write(cli, growing_slice(&rows));
		} else if (path == NULL) {
			cli_write(cli, growing_slice(&yaml));
		}
		if (cli->form == OUTPUT_TEXT)
			tell_notes(import);
		exit_code = import->refusal_count > 0 ? EXIT_ANSWER_IS_NO : EXIT_DONE;
	}
	growing_close(&yaml);
	growing_close(&rows);
	return exit_code;
}

static int run_import(struct import *import)
{
	struct cli *cli = import->cli;
	int failed = read_options(import);
	if (failed == 0)
		failed = read_input(import, cli->arguments.operands[0]);
	if (failed != 0)
		return failed;
	struct crontab_reader reader = {
		.form = choose_form(import),
		.context = import,
		.on_entry = on_entry,
		.on_bad_line = on_bad_line,
	};
	struct problem problem;
	enum err err = crontab_read(growing_slice(&import->text), &reader, &problem);
	if (err != ERR_OK)
		return cli_refuse(cli, ERR_INVALID, NULL, "%s: %s", import->path, problem.text);
	if (import->errors.count > 0)
		return file_errors_tell(cli, &import->errors, err_word(ERR_INVALID), EXIT_BAD_INPUT);
	const char *prefix = arguments_text(&cli->arguments, "prefix");
	make_names(import, prefix == NULL ? "" : prefix);
	note_herds(import);
	return write_all(import);
}

int command_import(struct cli *cli)
{
	struct import import = {.cli = cli};
	import.options.zonefile = zonefile_new(NULL);
	if (import.options.zonefile == NULL)
		return cli_refuse(cli, ERR_NO_MEMORY, NULL, "out of memory");
	uint8_t *memory = growing_resize(NULL, DEFINITION_BUILD_BYTES);
	buf_init(&import.definition, memory, DEFINITION_BUILD_BYTES);
	int exit_code = run_import(&import);
	for (size_t i = 0; i < import.entry_count; i++)
		(void)growing_resize(import.entries[i].definition, 0);
	for (size_t i = 0; i < import.note_count; i++)
		free(import.notes[i].text);
	for (size_t i = 0; i < import.refusal_count; i++)
		free(import.refusals[i].text);
	free(import.notes);
	free(import.refusals);
	free(import.entries);
	growing_close(&import.text);
	file_errors_close(&import.errors);
	(void)growing_resize(memory, 0);
	zonefile_free(import.options.zonefile);
	return exit_code;
}
