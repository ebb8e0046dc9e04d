/* Finds zone files by name, reads each once, and keeps the parsed zones, sorted by nothing: a few dozen
 * at most are in use, and a look-up happens when a job comes or goes. */
#include "agent/io/zonefile.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/buf.h"

#define DIRECTORY_BYTES_MAX 512u
#define FILE_PATH_BYTES_MAX (DIRECTORY_BYTES_MAX + ZONE_NAME_BYTES_MAX + 2u)
#define SUGGESTIONS_MAX 3u
#define SUGGEST_DISTANCE_MAX 3u
#define SUGGEST_DEPTH_MAX 3u      /* America/Argentina/Ushuaia */
#define SUGGEST_ENTRIES_MAX 4096u /* a directory that is not a zone directory must not hold us up */

struct entry {
	char name[ZONE_NAME_BYTES_MAX + 1];
	struct zone zone;
};

struct zonefile {
	char directory[DIRECTORY_BYTES_MAX];
	char version[ZONEFILE_VERSION_BYTES];
	struct zone utc;
	struct entry *entries[ZONES_MAX];
	size_t entry_count;
};

/* The first line of a file of the zone directory, without its end; empty if there is none. */
static void read_first_line(const struct zonefile *zonefile, const char *name, char *ret_line,
			    size_t line_bytes)
{
	char path[FILE_PATH_BYTES_MAX];
	(void)snprintf(path, sizeof(path), "%s/%s", zonefile->directory, name);
	ret_line[0] = '\0';
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return;
	if (fgets(ret_line, (int)line_bytes, file) == NULL)
		ret_line[0] = '\0';
	ret_line[strcspn(ret_line, "\r\n")] = '\0';
	(void)fclose(file);
}

static bool is_version(const char *text)
{
	size_t length = strlen(text);
	return length > 0 && length < ZONEFILE_VERSION_BYTES &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-+") ==
		       length;
}

static void find_version(struct zonefile *zonefile)
{
	static const char prefix[] = "# version ";
	char line[sizeof(prefix) + ZONEFILE_VERSION_BYTES];
	const char *version = "unknown";
	read_first_line(zonefile, "tzdata.zi", line, sizeof(line));
	if (strncmp(line, prefix, sizeof(prefix) - 1) == 0 && is_version(line + sizeof(prefix) - 1)) {
		version = line + sizeof(prefix) - 1;
	} else {
		read_first_line(zonefile, "+VERSION", line, sizeof(line));
		if (is_version(line))
			version = line;
	}
	memcpy(zonefile->version, version, strlen(version) + 1);
}

struct zonefile *zonefile_new(const char *directory)
{
	if (directory == NULL)
		directory = ZONEFILE_DIRECTORY_DEFAULT;
	if (strlen(directory) >= DIRECTORY_BYTES_MAX)
		return NULL;
	struct zonefile *zonefile = calloc(1, sizeof(*zonefile));
	if (zonefile == NULL)
		return NULL;
	memcpy(zonefile->directory, directory, strlen(directory) + 1);
	zone_init_utc(&zonefile->utc);
	find_version(zonefile);
	return zonefile;
}

void zonefile_free(struct zonefile *zonefile)
{
	if (zonefile == NULL)
		return;
	for (size_t index = 0; index < zonefile->entry_count; index++)
		free(zonefile->entries[index]);
	free(zonefile);
}

const char *zonefile_version(const struct zonefile *zonefile)
{
	return zonefile->version;
}

static bool is_letter(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* Parts of letters, digits, '_', '+', '-' and '.', none empty, each beginning with a letter. */
static bool is_name(struct slice name)
{
	bool is_start = true;
	for (size_t index = 0; index < name.bytes; index++) {
		uint8_t byte = name.data[index];
		if (is_start && !is_letter(byte))
			return false;
		is_start = byte == '/';
		if (!is_letter(byte) && !(byte >= '0' && byte <= '9') && byte != '_' &&
		    byte != '+' && byte != '-' && byte != '.' && byte != '/')
			return false;
	}
	return !is_start && name.bytes <= ZONE_NAME_BYTES_MAX;
}

static bool is_one_of(struct slice name, const char *const *words, size_t word_count)
{
	for (size_t index = 0; index < word_count; index++) {
		if (slice_equal(name, slice_str(words[index])))
			return true;
	}
	return false;
}

static bool is_utc(struct slice name)
{
	static const char *const names[] = {"UTC",  "Etc/UTC",  "UCT",       "Etc/UCT",
					    "Zulu", "Etc/Zulu", "Universal", "Etc/Universal"};
	return is_one_of(name, names, sizeof(names) / sizeof(names[0]));
}

/* Entries of the directory that differ from host to host, or are no zones of their own. */
static bool is_local(struct slice name)
{
	static const char *const names[] = {"localtime", "posixrules", "Factory"};
	return is_one_of(name, names, sizeof(names) / sizeof(names[0])) ||
	       (name.bytes > 6 && memcmp(name.data, "right/", 6) == 0) ||
	       (name.bytes > 6 && memcmp(name.data, "posix/", 6) == 0);
}

static enum err refuse_unknown(struct zonefile *zonefile, struct slice name, struct problem *problem)
{
	char near[3 * (ZONE_NAME_BYTES_MAX + 2)];
	(void)problem_set(problem, ERR_NOT_FOUND, "time zone: there is no '%.*s' in %s (tzdata %s)",
			  (int)name.bytes, (const char *)name.data, zonefile->directory,
			  zonefile->version);
	zonefile_suggest(zonefile, name, near, sizeof(near));
	if (near[0] != '\0')
		problem_hint(problem, "did you mean %s?", near);
	else
		problem_hint(problem, "IANA names are taken, as Europe/Paris or UTC");
	return ERR_NOT_FOUND;
}

/* Reads the file whole, at most ZONE_FILE_BYTES_MAX + 1 bytes: one more is for the parser to refuse. */
static enum err read_file(struct zonefile *zonefile, struct slice name, uint8_t *ret_bytes,
			  size_t *ret_count, struct problem *problem)
{
	char path[FILE_PATH_BYTES_MAX];
	(void)snprintf(path, sizeof(path), "%s/%.*s", zonefile->directory, (int)name.bytes,
		       (const char *)name.data);
	struct stat status;
	if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
		return refuse_unknown(zonefile, name, problem);
	FILE *file = fopen(path, "rbe");
	if (file == NULL)
		return problem_set(problem, ERR_IO, "time zone: %s: %s", path, strerror(errno));
	*ret_count = fread(ret_bytes, 1, ZONE_FILE_BYTES_MAX + 1, file);
	enum err err = ERR_OK;
	if (ferror(file) != 0)
		err = problem_set(problem, ERR_IO, "time zone: %s: %s", path, strerror(errno));
	(void)fclose(file);
	return err;
}

static enum err load_entry(struct zonefile *zonefile, struct slice name, struct entry **ret_entry,
			   struct problem *problem)
{
	struct entry *entry = NULL;
	size_t count = 0;
	uint8_t *bytes = malloc(ZONE_FILE_BYTES_MAX + 1);
	enum err err = ERR_NO_MEMORY;
	if (bytes == NULL)
		goto out;
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		goto out;
	err = read_file(zonefile, name, bytes, &count, problem);
	if (err != ERR_OK)
		goto out;
	err = zone_parse(slice_of(bytes, count), &entry->zone, problem);
	if (err != ERR_OK) {
		problem_context(problem, "time zone %.*s", (int)name.bytes, (const char *)name.data);
		goto out;
	}
	memcpy(entry->name, name.data, name.bytes);
	*ret_entry = entry;
	entry = NULL;
out:
	if (err == ERR_NO_MEMORY)
		(void)problem_set(problem, err, "time zone: out of memory");
	free(entry);
	free(bytes);
	return err;
}

enum err zonefile_load(struct zonefile *zonefile, struct slice name, const struct zone **ret_zone,
		       struct problem *problem)
{
	if (!is_name(name))
		return problem_set(problem, ERR_INVALID,
				   "time zone: not a name; IANA names are taken, as Europe/Paris or UTC");
	if (is_utc(name)) {
		*ret_zone = &zonefile->utc;
		return ERR_OK;
	}
	if (is_local(name))
		return problem_set(
			problem, ERR_INVALID,
			"time zone: '%.*s' is not the same on every host; IANA names are taken, as Europe/Paris or UTC",
			(int)name.bytes, (const char *)name.data);
	for (size_t index = 0; index < zonefile->entry_count; index++) {
		if (slice_equal(name, slice_str(zonefile->entries[index]->name))) {
			*ret_zone = &zonefile->entries[index]->zone;
			return ERR_OK;
		}
	}
	if (zonefile->entry_count == ZONES_MAX)
		return problem_set(problem, ERR_FULL, "time zone: more than %u zones are in use",
				   ZONES_MAX);
	struct entry *entry = NULL;
	enum err err = load_entry(zonefile, name, &entry, problem);
	if (err != ERR_OK)
		return err;
	zonefile->entries[zonefile->entry_count++] = entry;
	*ret_zone = &entry->zone;
	return ERR_OK;
}

static const struct zone *find(void *context, struct slice name)
{
	const struct zone *zone = NULL;
	return zonefile_load(context, name, &zone, NULL) == ERR_OK ? zone : NULL;
}

struct zone_source zonefile_source(struct zonefile *zonefile)
{
	return (struct zone_source){.find = find, .context = zonefile};
}

/* ---- Near matches ---- */

struct suggestion {
	unsigned distance;
	char name[ZONE_NAME_BYTES_MAX + 1];
};

struct search {
	struct slice wanted;
	struct suggestion best[SUGGESTIONS_MAX];
	size_t best_count;
	size_t entries_left;
};

static uint8_t fold(uint8_t byte)
{
	if (byte >= 'A' && byte <= 'Z')
		return (uint8_t)(byte - 'A' + 'a');
	return byte == ' ' || byte == '-' ? '_' : byte;
}

/* Edit distance without regard to case; both at most ZONE_NAME_BYTES_MAX bytes, longer ones are far. */
static unsigned distance_of(struct slice a, struct slice b)
{
	unsigned row[ZONE_NAME_BYTES_MAX + 1];
	if (a.bytes > ZONE_NAME_BYTES_MAX || b.bytes > ZONE_NAME_BYTES_MAX)
		return ZONE_NAME_BYTES_MAX;
	for (size_t j = 0; j <= b.bytes; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= a.bytes; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b.bytes; j++) {
			unsigned change = diagonal +
					  (fold(a.data[i - 1]) != fold(b.data[j - 1]) ? 1 : 0);
			unsigned edge = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
			diagonal = row[j];
			row[j] = change < edge ? change : edge;
		}
	}
	return row[b.bytes];
}

/* The wanted name may also be a city without its continent. */
static unsigned distance_to(struct slice wanted, const char *name)
{
	unsigned distance = distance_of(wanted, slice_str(name));
	const char *city = strrchr(name, '/');
	if (city == NULL)
		return distance;
	unsigned to_city = distance_of(wanted, slice_str(city + 1));
	return to_city < distance ? to_city : distance;
}

static void search_offer(struct search *search, const char *name)
{
	unsigned distance = distance_to(search->wanted, name);
	/* Short names are near to anything: no more than a third of them may differ. */
	if (distance > SUGGEST_DISTANCE_MAX || distance * 3 > search->wanted.bytes)
		return;
	size_t place = search->best_count;
	while (place > 0 && (search->best[place - 1].distance > distance ||
			     (search->best[place - 1].distance == distance &&
			      strcmp(search->best[place - 1].name, name) > 0)))
		place--;
	if (place == SUGGESTIONS_MAX)
		return;
	if (search->best_count < SUGGESTIONS_MAX)
		search->best_count++;
	for (size_t index = search->best_count - 1; index > place; index--)
		search->best[index] = search->best[index - 1];
	search->best[place].distance = distance;
	(void)snprintf(search->best[place].name, sizeof(search->best[place].name), "%s", name);
}

/* Offers the names below `prefix` ("" or "America/"). */
static void search_directory(const struct zonefile *zonefile, struct search *search,
			     const char *prefix, unsigned depth)
{
	char path[FILE_PATH_BYTES_MAX];
	(void)snprintf(path, sizeof(path), "%s/%s", zonefile->directory, prefix);
	DIR *directory = opendir(path);
	if (directory == NULL)
		return;
	const struct dirent *found;
	while (search->entries_left > 0 && (found = readdir(directory)) != NULL) {
		search->entries_left--;
		char name[ZONE_NAME_BYTES_MAX + 1];
		int length = snprintf(name, sizeof(name), "%s%s", prefix, found->d_name);
		if (length < 0 || (size_t)length >= sizeof(name) || !is_name(slice_str(name)))
			continue;
		char full[FILE_PATH_BYTES_MAX + ZONE_NAME_BYTES_MAX];
		(void)snprintf(full, sizeof(full), "%s/%s", zonefile->directory, name);
		struct stat status;
		if (stat(full, &status) != 0)
			continue;
		if (S_ISREG(status.st_mode) && strchr(found->d_name, '.') == NULL &&
		    !is_local(slice_str(name))) {
			search_offer(search, name);
		} else if (S_ISDIR(status.st_mode) && depth < SUGGEST_DEPTH_MAX &&
			   strcmp(name, "posix") != 0 && strcmp(name, "right") != 0 &&
			   (size_t)length + 1 < sizeof(name)) {
			name[length] = '/';
			name[length + 1] = '\0';
			search_directory(zonefile, search, name, depth + 1);
		}
	}
	(void)closedir(directory);
}

void zonefile_suggest(struct zonefile *zonefile, struct slice name, char *ret_text, size_t text_bytes)
{
	struct search search = {.wanted = name, .entries_left = SUGGEST_ENTRIES_MAX};
	if (text_bytes == 0)
		return;
	ret_text[0] = '\0';
	search_directory(zonefile, &search, "", 1);
	search_offer(&search, "UTC");
	size_t used = 0;
	for (size_t index = 0; index < search.best_count; index++) {
		/* The same name may be offered twice (UTC is built in). */
		if (index > 0 && strcmp(search.best[index].name, search.best[index - 1].name) == 0)
			continue;
		int length = snprintf(ret_text + used, text_bytes - used, "%s%s",
				      index == 0 ? "" : ", ", search.best[index].name);
		if (length < 0 || (size_t)length >= text_bytes - used) {
			ret_text[used] = '\0';
			return;
		}
		used += (size_t)length;
	}
}
