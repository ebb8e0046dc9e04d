/* Reads /proc. One scan builds a table of all processes, marks who belongs to the run, and signals them. */
#include "agent/runner/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "proto/limits.h"

#define PROCESS_STAT_BYTES_MAX 1024u
#define PROCESS_ENVIRONMENT_BYTES_MAX (256u << 10) /* what is read of an orphan's environment */
#define PROCESS_COUNT_START 256u

struct process {
	struct process_identity identity;
	int64_t parent;
	int64_t group;
	int64_t session;
	bool is_zombie;
	bool is_member;
};

struct process_table {
	struct process *items;
	size_t count;
	size_t count_max;
};

static enum err read_file(const char *path, char *text, size_t text_bytes, size_t *ret_bytes)
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return errno == ENOENT || errno == ESRCH ? ERR_NOT_FOUND : ERR_IO;
	size_t bytes = 0;
	enum err err = ERR_OK;
	while (bytes < text_bytes) {
		ssize_t got = read(descriptor, text + bytes, text_bytes - bytes);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			err = errno == ESRCH ? ERR_NOT_FOUND : ERR_IO;
		if (got <= 0)
			break;
		bytes += (size_t)got;
	}
	(void)close(descriptor);
	*ret_bytes = bytes;
	return err;
}

/* Fields of /proc/PID/stat after the name, which may hold blanks and brackets itself: proc(5). */
static enum err process_parse(const char *text, struct process *ret_process)
{
	const char *after_name = strrchr(text, ')');
	if (after_name == NULL)
		return ERR_INVALID;
	char state = 0;
	int64_t parent = 0;
	int64_t group = 0;
	int64_t session = 0;
	uint64_t start_ticks = 0;
	int fields = sscanf(after_name + 1,
			    " %c %" SCNd64 " %" SCNd64 " %" SCNd64
			    " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
			    &state, &parent, &group, &session, &start_ticks);
	if (fields != 5)
		return ERR_INVALID;
	ret_process->parent = parent;
	ret_process->group = group;
	ret_process->session = session;
	ret_process->is_zombie = state == 'Z' || state == 'X';
	ret_process->is_member = false;
	ret_process->identity.start_ticks = start_ticks;
	return ERR_OK;
}

static enum err process_read(int64_t pid, struct process *ret_process)
{
	char path[64];
	char text[PROCESS_STAT_BYTES_MAX];
	size_t bytes = 0;
	(void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", pid);
	enum err err = read_file(path, text, sizeof(text) - 1, &bytes);
	if (err != ERR_OK)
		return err;
	text[bytes] = '\0';
	ret_process->identity.pid = pid;
	return process_parse(text, ret_process);
}

enum err process_identify(int64_t pid, struct process_identity *ret_identity)
{
	struct process process;
	enum err err = process_read(pid, &process);
	if (err != ERR_OK)
		return ERR_NOT_FOUND;
	*ret_identity = process.identity;
	return ERR_OK;
}

bool process_is_alive(const struct process_identity *identity)
{
	struct process process;
	if (identity->pid <= 0 || process_read(identity->pid, &process) != ERR_OK)
		return false;
	return process.identity.start_ticks == identity->start_ticks && !process.is_zombie;
}

int process_open(const struct process_identity *identity)
{
	if (identity->pid <= 0)
		return -1;
	int descriptor = pidfd_open((pid_t)identity->pid, 0);
	if (descriptor < 0)
		return -1;
	/* The pidfd holds on to whoever has the number now; only then is it compared. */
	if (process_is_alive(identity))
		return descriptor;
	(void)close(descriptor);
	return -1;
}

static bool table_add(struct process_table *table, const struct process *process)
{
	if (table->count == table->count_max) {
		size_t count_max = table->count_max > 0 ? table->count_max * 2 : PROCESS_COUNT_START;
		struct process *items = reallocarray(table->items, count_max, sizeof(*items));
		if (items == NULL)
			return false;
		table->items = items;
		table->count_max = count_max;
	}
	table->items[table->count++] = *process;
	return true;
}

/* The pids of the host bound the table. */
static enum err table_scan(struct process_table *table)
{
	DIR *directory = opendir("/proc");
	if (directory == NULL)
		return ERR_IO;
	enum err err = ERR_OK;
	for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		struct process process;
		if (process_read(strtoll(entry->d_name, NULL, 10), &process) != ERR_OK)
			continue; /* it ended meanwhile */
		if (!table_add(table, &process)) {
			err = ERR_NO_MEMORY;
			break;
		}
	}
	(void)closedir(directory);
	return err;
}

static bool environment_has(char *environment, size_t bytes, const char *entry)
{
	size_t entry_bytes = strlen(entry) + 1; /* with its NUL: a longer value is another one */
	for (size_t at = 0; at + entry_bytes <= bytes; at++) {
		if (at > 0 && environment[at - 1] != '\0') {
			char *end = memchr(environment + at, '\0', bytes - at);
			if (end == NULL)
				return false;
			at = (size_t)(end - environment);
			continue;
		}
		if (memcmp(environment + at, entry, entry_bytes) == 0)
			return true;
	}
	return false;
}

static bool process_carries_run(const struct process *process, const char *run_name)
{
	char path[64];
	char entry[RUN_NAME_BYTES_MAX + 16];
	(void)snprintf(entry, sizeof(entry), "SCHED_RUN=%s", run_name);
	(void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/environ", process->identity.pid);
	char *environment = malloc(PROCESS_ENVIRONMENT_BYTES_MAX);
	if (environment == NULL)
		return false;
	size_t bytes = 0;
	bool found = read_file(path, environment, PROCESS_ENVIRONMENT_BYTES_MAX - 1, &bytes) == ERR_OK;
	if (found) {
		environment[bytes] = '\0';
		found = environment_has(environment, bytes + 1, entry);
	}
	free(environment);
	return found;
}

static const struct process *table_find(const struct process_table *table, int64_t pid)
{
	for (size_t i = 0; i < table->count; i++) {
		if (table->items[i].identity.pid == pid)
			return &table->items[i];
	}
	return NULL;
}

/* True if orphans of `tree` can have come to `parent`: to this runner, or, when an earlier one died, to whoever stands
 * above both, as init does. What is below another runner on this host is not ours, whatever it carries. */
static bool takes_orphans(const struct process_table *table, const struct process_tree *tree,
			  int64_t parent)
{
	if (!tree->is_adopted)
		return parent == getpid();
	int64_t above = getpid();
	for (size_t i = 0; i < table->count && above > 0; i++) {
		if (above == parent)
			return true;
		const struct process *process = table_find(table, above);
		above = process != NULL ? process->parent : 0;
	}
	return false;
}

static bool is_first_member(const struct process_table *table, const struct process *process,
			    const struct process_tree *tree)
{
	int64_t leader = tree->leader.pid;
	if (process->identity.pid == leader)
		return process->identity.start_ticks == tree->leader.start_ticks;
	if (process->identity.start_ticks < tree->leader.start_ticks)
		return false;
	if (tree->is_leader_proven && (process->session == leader || process->group == leader))
		return true;
	return takes_orphans(table, tree, process->parent) &&
	       process_carries_run(process, tree->run_name);
}

static void table_mark(struct process_table *table, const struct process_tree *tree)
{
	for (size_t i = 0; i < table->count; i++) {
		struct process *process = &table->items[i];
		process->is_member = process->identity.pid != getpid() && !process->is_zombie &&
				     is_first_member(table, process, tree);
	}
	/* Descendants: as often as a round finds new ones, so at most as often as the tree is deep. */
	bool found = true;
	while (found) {
		found = false;
		for (size_t i = 0; i < table->count; i++) {
			struct process *child = &table->items[i];
			if (child->is_member || child->is_zombie || child->parent <= 1)
				continue;
			for (size_t k = 0; k < table->count && !child->is_member; k++)
				child->is_member = table->items[k].is_member &&
						   table->items[k].identity.pid == child->parent;
			found = found || child->is_member;
		}
	}
}

int64_t process_tree_signal(const struct process_tree *tree, int signal)
{
	struct process_table table = {0};
	if (table_scan(&table) != ERR_OK) {
		free(table.items);
		return -1;
	}
	table_mark(&table, tree);
	int64_t count = 0;
	for (size_t i = 0; i < table.count; i++) {
		const struct process *process = &table.items[i];
		if (!process->is_member)
			continue;
		count++;
		if (signal == 0)
			continue;
		int descriptor = process_open(&process->identity);
		if (descriptor < 0)
			continue;
		(void)pidfd_send_signal(descriptor, signal, NULL, 0);
		/* A stopped process would see TERM only when somebody continues it. */
		if (signal == SIGTERM)
			(void)pidfd_send_signal(descriptor, SIGCONT, NULL, 0);
		(void)close(descriptor);
	}
	free(table.items);
	return count;
}
