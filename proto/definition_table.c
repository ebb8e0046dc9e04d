/* The table of keys, and the keys that come later. */
#include "proto/definition.h"

#include <assert.h>
#include <string.h>

#include "proto/text.h"

static const char *const overlap_words[] = {"forbid", "allow", NULL};
static const char *const overlap_later[] = {"exclusive", "replace", "queue", NULL};
static const char *const misfire_words[] = {"once", "skip", "all", NULL};
static const char *const on_lost_words[] = {"report", NULL};
static const char *const on_lost_later[] = {"retry", NULL};
static const char *const on_split_words[] = {"skip", NULL};
static const char *const on_split_later[] = {"run", NULL};

static const struct definition_key keys[DEFINITION_KEY_COUNT] = {
	[DEFINITION_KEY_JOB] =
		{
			.name = "job",
			.type = DEFINITION_NAME,
			.max = JOB_NAME_BYTES_MAX,
			.placeholder = "GROUP/NAME",
			.help = "the job's name; the group is \"default\" unless written",
		},
	[DEFINITION_KEY_DESCRIPTION] =
		{
			.name = "description",
			.type = DEFINITION_TEXT,
			.max = DESCRIPTION_BYTES_MAX,
			.placeholder = "TEXT",
			.help = "what the job is for, one line",
		},
	[DEFINITION_KEY_OWNER] =
		{
			.name = "owner",
			.type = DEFINITION_TEXT,
			.min = 1,
			.max = USER_NAME_BYTES_MAX,
			.placeholder = "NAME",
			.help = "whom to ask about it; who created it, unless given",
		},
	[DEFINITION_KEY_CRON] =
		{
			.name = "cron",
			.type = DEFINITION_CRON,
			.min = 1,
			.max = CRON_TEXT_BYTES_MAX,
			.placeholder = "EXPR",
			.help = "schedule: 5 fields (minute first), 6 (second first), or a macro like @daily",
		},
	[DEFINITION_KEY_EVERY] =
		{
			.name = "every",
			.type = DEFINITION_DURATION,
			.min = EVERY_MS_MIN,
			.max = EVERY_MS_MAX,
			.placeholder = "DURATION",
			.help = "schedule: a fixed interval in real time",
		},
	[DEFINITION_KEY_ANCHOR] =
		{
			.name = "anchor",
			.type = DEFINITION_TIME,
			.placeholder = "TIME",
			.help = "where `every` counts from; when the job was created, unless given",
		},
	[DEFINITION_KEY_AT] =
		{
			.name = "at",
			.type = DEFINITION_TIME,
			.placeholder = "TIME",
			.help = "schedule: once, at this time",
		},
	[DEFINITION_KEY_MANUAL] =
		{
			.name = "manual",
			.type = DEFINITION_BOOL,
			.fallback = "false",
			.placeholder = "true|false",
			.help = "schedule: none, fires only when asked",
		},
	[DEFINITION_KEY_TZ] =
		{
			.name = "tz",
			.type = DEFINITION_ZONE,
			.min = 1,
			.max = ZONE_NAME_BYTES_MAX,
			.fallback = "UTC",
			.placeholder = "ZONE",
			.help = "time zone of the schedule, like Europe/Paris",
		},
	[DEFINITION_KEY_COMMAND] =
		{
			.name = "command",
			.type = DEFINITION_COMMAND,
			.min = 1,
			.max = COMMAND_ARGS_MAX,
			.placeholder = "[PROG, ARG...]",
			.help = "program and arguments, run without a shell",
		},
	[DEFINITION_KEY_SHELL] =
		{
			.name = "shell",
			.type = DEFINITION_LINES,
			.min = 1,
			.max = ENV_BYTES_MAX,
			.placeholder = "TEXT",
			.help = "text for sh -c, instead of command",
		},
	[DEFINITION_KEY_STDIN] =
		{
			.name = "stdin",
			.type = DEFINITION_LINES,
			.max = STDIN_BYTES_MAX,
			.placeholder = "TEXT",
			.help = "what the process reads on its standard input",
		},
	[DEFINITION_KEY_ENV] =
		{
			.name = "env",
			.type = DEFINITION_VARIABLES,
			.max = ENV_ENTRIES_MAX,
			.placeholder = "NAME=VALUE",
			.help = "variables of the process",
		},
	[DEFINITION_KEY_CWD] =
		{
			.name = "cwd",
			.type = DEFINITION_PATH,
			.min = 1,
			.max = CWD_BYTES_MAX,
			.placeholder = "PATH",
			.help = "working directory; the user's home, unless given",
		},
	[DEFINITION_KEY_UMASK] =
		{
			.name = "umask",
			.type = DEFINITION_OCTAL,
			.max = 0777,
			.fallback = "022",
			.placeholder = "OCTAL",
			.help = "permissions that new files do not get",
		},
	[DEFINITION_KEY_ENABLED] =
		{
			.name = "enabled",
			.type = DEFINITION_BOOL,
			.fallback = "true",
			.placeholder = "true|false",
			.help = "false: no fires at all, only runs by hand",
		},
	[DEFINITION_KEY_OFTEN] =
		{
			.name = "often",
			.type = DEFINITION_BOOL,
			.fallback = "false",
			.placeholder = "true|false",
			.help = "more than 5000 fires a day are meant",
		},
	[DEFINITION_KEY_OVERLAP] =
		{
			.name = "overlap",
			.type = DEFINITION_WORD,
			.words = overlap_words,
			.later_words = overlap_later,
			.fallback = "forbid",
			.placeholder = "forbid|allow",
			.help = "what a fire does while an earlier run goes on",
		},
	[DEFINITION_KEY_MISFIRE] =
		{
			.name = "misfire",
			.type = DEFINITION_WORD,
			.words = misfire_words,
			.fallback = "once",
			.placeholder = "once|skip|all",
			.help = "which of the fires that nobody could start in time are made up for",
		},
	[DEFINITION_KEY_START_DEADLINE] =
		{
			.name = "start_deadline",
			.type = DEFINITION_DURATION,
			.min = START_DEADLINE_MS_MIN,
			.max = START_DEADLINE_MS_MAX,
			.fallback = "1h",
			.placeholder = "DURATION",
			.help = "how late a fire may still start",
		},
	[DEFINITION_KEY_ON_LOST] =
		{
			.name = "on_lost",
			.type = DEFINITION_WORD,
			.words = on_lost_words,
			.later_words = on_lost_later,
			.fallback = "report",
			.placeholder = "report",
			.help = "what follows a run whose node is gone",
		},
	[DEFINITION_KEY_ON_SPLIT] =
		{
			.name = "on_split",
			.type = DEFINITION_WORD,
			.words = on_split_words,
			.later_words = on_split_later,
			.fallback = "skip",
			.placeholder = "skip",
			.help = "what happens to fires while no majority can be reached",
		},
	[DEFINITION_KEY_TIMEOUT] =
		{
			.name = "timeout",
			.type = DEFINITION_DURATION,
			.min = 1,
			.max = TIMEOUT_MS_MAX,
			.placeholder = "DURATION",
			.help = "how long a run may take; no limit, unless given",
		},
	[DEFINITION_KEY_KILL_GRACE] =
		{
			.name = "kill_grace",
			.type = DEFINITION_DURATION,
			.min = 0,
			.max = KILL_GRACE_MS_MAX,
			.fallback = "10s",
			.placeholder = "DURATION",
			.help = "time between TERM and KILL",
		},
	[DEFINITION_KEY_OUTPUT_MAX] =
		{
			.name = "output.max",
			.type = DEFINITION_SIZE,
			.min = OUTPUT_BYTES_MIN,
			.max = OUTPUT_BYTES_MAX,
			.fallback = "1M",
			.placeholder = "SIZE",
			.help = "how much of a run's output is kept",
		},
	[DEFINITION_KEY_OK_EXIT] =
		{
			.name = "ok_exit",
			.type = DEFINITION_CODES,
			.min = 1,
			.max = 256,
			.fallback = "[0]",
			.placeholder = "[CODE...]",
			.help = "exit codes that mean success",
		},
	[DEFINITION_KEY_NEVER_TWICE] =
		{
			.name = "never_twice",
			.type = DEFINITION_SHORTHAND,
			.fallback = "false",
			.placeholder = "true|false",
			.help = "on_lost: report and on_split: skip, so that nothing is ever started again",
		},
};

struct later_key {
	const char *name;
	const char *instead; /* what holds until then; NULL: nothing to say */
};

static const struct later_key later_keys[] = {
	{"user", "jobs run as the runner's own user"},
	{"retry", "a failed run is not tried again"},
	{"lost_max", "a lost run is reported and not tried again"},
	{"limits", "set limits in the command, with prlimit or systemd-run"},
	{"limits_required", NULL},
	{"on", "every live node may execute the job"},
	{"fan_out", "a fire has one executor"},
	{"spread_by", "a fire has one executor"},
	{"shards", "a fire has one shard"},
	{"sticky", NULL},
	{"weight", "every run takes one slot"},
	{"slots", "the number of slots is an option of schedd"},
	{"jitter", NULL},
	{"calendar", NULL},
	{"group", NULL},
	{"semaphore", NULL},
	{"semaphores", NULL},
	{"after", NULL},
	{"join", NULL},
	{"secrets", NULL},
	{"script", "install the script on the nodes and name it in command"},
	{"interpreter", NULL},
	{"kind", "every job runs a command or shell text"},
	{"handler", "name the program in command"},
	{"url", "call curl in command"},
	{"method", "call curl in command"},
	{"headers", "call curl in command"},
	{"body", "call curl in command"},
	{"schedules", "a job has one schedule"},
	{"every_after_end", NULL},
	{"not_before", NULL},
	{"not_after", NULL},
	{"max_fires", NULL},
	{"args", "write the arguments in command"},
	{"params", "use env"},
	{"labels", NULL},
	{"alerts", NULL},
	{"hooks", NULL},
	{"keep", NULL},
	{"expect", NULL},
	{"progress", NULL},
	{"stall", NULL},
	{"stall_kill", NULL},
	{"level_prefix", NULL},
	{"rate_max", NULL},
	{"dst", "fixed times fire once at a change, wildcards follow the clock"},
	{"hash_salt", NULL},
	{"data_on", NULL},
	{"queue_max", "overlap is forbid or allow"},
	{"source", NULL},
	{"remind", NULL},
};
#define LATER_KEY_COUNT (sizeof(later_keys) / sizeof(later_keys[0]))

const struct definition_key *definition_key_at(enum definition_key_id id)
{
	assert(id < DEFINITION_KEY_COUNT);
	return &keys[id];
}

static char folded(char byte)
{
	return byte == '-' || byte == '.' ? '_' : byte;
}

/* `name` as a person writes it, against a name of the table. */
static bool is_named(struct slice name, const char *key_name)
{
	if (name.bytes != strlen(key_name))
		return false;
	for (size_t i = 0; i < name.bytes; i++) {
		if (folded((char)name.data[i]) != folded(key_name[i]))
			return false;
	}
	return true;
}

enum definition_key_id definition_key_find(struct slice name)
{
	unsigned id = 0;
	while (id < DEFINITION_KEY_COUNT && !is_named(name, keys[id].name))
		id++;
	return (enum definition_key_id)id;
}

enum err definition_key_refuse(struct slice name, struct problem *problem)
{
	for (size_t i = 0; i < LATER_KEY_COUNT; i++) {
		if (!is_named(name, later_keys[i].name))
			continue;
		const char *instead = later_keys[i].instead;
		return problem_set(problem, ERR_UNSUPPORTED, "%s: comes later%s%s", later_keys[i].name,
				   instead != NULL ? ": " : "", instead != NULL ? instead : "");
	}
	char quoted[TEXT_QUOTE_BYTES];
	(void)problem_set(problem, ERR_INVALID, "there is no key %s", text_quote(name, quoted));
	const char *names[DEFINITION_KEY_COUNT];
	for (size_t i = 0; i < DEFINITION_KEY_COUNT; i++)
		names[i] = keys[i].name;
	char text[32] = "";
	if (name.bytes < sizeof(text))
		text_escape(name, text, sizeof(text));
	const char *nearest = text_nearest(text, names, DEFINITION_KEY_COUNT);
	if (nearest != NULL)
		problem_hint(problem, "did you mean %s?", nearest);
	return ERR_INVALID;
}
