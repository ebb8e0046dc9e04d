/* The command table. The order is that of the help: by task, see, change, watch, fix. */
#include "agent/cli/command.h"

#include <string.h>

const struct flag flags_global[] = {
	{"socket", 0, FLAG_TEXT, "PATH", "the agent's socket (SCHED_SOCKET; /var/lib/peersched/schedd.sock)"},
	{"json", 0, FLAG_FORM, "doc", "one JSON object per line; --json=doc: one document"},
	{"deadline", 0, FLAG_DURATION, "D", "how long the agent may take (10s)"},
	{"verbose", 'v', FLAG_SWITCH, NULL, "errors name the request id and who was asked"},
	{"help", 'h', FLAG_SWITCH, NULL, "help of the command"},
	{"version", 0, FLAG_SWITCH, NULL, "the version"},
	{"host", 'H', FLAG_LATER, "HOST", NULL},
	{NULL, 0, FLAG_SWITCH, NULL, NULL},
};

const struct flag flags_listing[] = {
	{"columns", 0, FLAG_TEXT, "A,B", "these columns, in this order"},
	{"limit", 0, FLAG_NUMBER, "N", "at most N rows"},
	{"after", 0, FLAG_TEXT, "TOKEN", "the page after the one that ended with this token"},
	{"watch", 0, FLAG_SWITCH, NULL, "again each second; in JSON only what is new"},
	{"filter", 0, FLAG_LATER, "TERMS", NULL},
	{NULL, 0, FLAG_SWITCH, NULL, NULL},
};

const struct flag flags_changing[] = {
	{"id", 0, FLAG_TEXT, "ID", "request id: the same again is the same request"},
	{"reason", 0, FLAG_TEXT, "TEXT", "why, for the record"},
	{"yes", 'y', FLAG_SWITCH, NULL, "do not ask"},
	{"expect", 0, FLAG_LATER, "N", NULL},
	{NULL, 0, FLAG_SWITCH, NULL, NULL},
};

#define NO_MORE_FLAGS                            \
	{                                        \
		NULL, 0, FLAG_SWITCH, NULL, NULL \
	}

static const struct flag flags_job_ls[] = {
	{"name", 0, FLAG_TEXT, "GLOB", "only names like this (crm/*)"},
	{"group", 0, FLAG_TEXT, "G", "only this group"},
	{"state", 0, FLAG_TEXT, "S", "idle waiting running paused disabled exhausted"},
	{"node", 0, FLAG_LATER, "N", NULL},
	{"owner", 0, FLAG_LATER, "U", NULL},
	{"label", 0, FLAG_LATER, "EXPR", NULL},
	{"sort", 0, FLAG_LATER, "KEY", NULL},
	NO_MORE_FLAGS,
};

static const struct flag flags_job_show[] = {
	{"yaml", 0, FLAG_SWITCH, NULL, "as a document that apply takes"},
	{"all-agents", 0, FLAG_LATER, NULL, NULL},
	NO_MORE_FLAGS,
};

static const struct flag flags_job_add[] = {
	{"yes-often", 0, FLAG_SWITCH, NULL, "more than 5000 fires a day are meant (often: true)"},
	{"replace", 0, FLAG_SWITCH, NULL, "a job of this name is edited instead of refused"},
	{"late", 0, FLAG_SWITCH, NULL, "take an --at that is past: misfire and start_deadline judge it"},
	{"wizard", 0, FLAG_LATER, NULL, NULL},
	NO_MORE_FLAGS,
};

static const struct flag flags_job_rm[] = {
	{"kill", 0, FLAG_SWITCH, NULL, "end its runs"},
	{"let-finish", 0, FLAG_SWITCH, NULL, "leave its runs alone"},
	NO_MORE_FLAGS,
};

static const struct flag flags_job_pause[] = {
	{"for", 0, FLAG_LATER, "D", NULL},
	NO_MORE_FLAGS,
};

static const struct flag flags_job_resume[] = {
	{"catch-up", 0, FLAG_LATER, NULL, NULL},
	NO_MORE_FLAGS,
};

static const struct flag flags_run[] = {
	{"wait", 'w', FLAG_SWITCH, NULL, "until it has ended; exit 1 unless it ran ok"},
	{"force", 0, FLAG_SWITCH, NULL, "also while the last run goes on"},
	{"set", 0, FLAG_LATER, "K=V", NULL},
	{"on", 0, FLAG_LATER, "EXPR", NULL},
	{"once", 0, FLAG_LATER, NULL, NULL},
	{"here", 0, FLAG_LATER, NULL, NULL},
	{"dry-run", 0, FLAG_LATER, NULL, NULL},
	NO_MORE_FLAGS,
};

static const struct flag flags_runs[] = {
	{"job", 0, FLAG_TEXT, "JOB", "only of this job"},
	{"node", 0, FLAG_TEXT, "NODE", "only executed there"},
	{"state", 0, FLAG_TEXT, "S", "claimed armed running killing ended released; several with commas"},
	{"verdict", 0, FLAG_TEXT, "V",
	 "ran-ok failed timeout killed lost skipped missed; several with commas"},
	{"since", 0, FLAG_TEXT, "TIME", "due then or later (12:00, 2h, 2026-11-20T12:00:00Z)"},
	{"until", 0, FLAG_TEXT, "TIME", "due before"},
	{"count", 0, FLAG_SWITCH, NULL, "only how many"},
	{"group", 0, FLAG_LATER, "G", NULL},
	{"user", 0, FLAG_LATER, "U", NULL},
	{"older-than", 0, FLAG_LATER, "D", NULL},
	{"manual", 0, FLAG_LATER, NULL, NULL},
	NO_MORE_FLAGS,
};

static const struct flag flags_logs[] = {
	{"follow", 'f', FLAG_SWITCH, NULL, "go on as lines appear; of a job, also its next runs"},
	{"tail", 'n', FLAG_NUMBER, "N", "only the last N lines"},
	{"raw", 0, FLAG_SWITCH, NULL, "the very bytes; to a terminal only with --yes"},
	{"yes", 'y', FLAG_SWITCH, NULL, "raw bytes to a terminal are meant"},
	{"job", 0, FLAG_LATER, "JOB", NULL},
	{"run", 0, FLAG_LATER, "RUN", NULL},
	{"node", 0, FLAG_LATER, "N", NULL},
	{"level", 0, FLAG_LATER, "L", NULL},
	{"since", 0, FLAG_LATER, "T", NULL},
	{"until", 0, FLAG_LATER, "T", NULL},
	{"grep", 0, FLAG_LATER, "TEXT", NULL},
	{"source", 0, FLAG_LATER, "S", NULL},
	{"kind", 0, FLAG_LATER, "K", NULL},
	NO_MORE_FLAGS,
};

static const struct flag flags_wait[] = {
	{"timeout", 0, FLAG_DURATION, "D", "give up after this time, with exit 7"},
	NO_MORE_FLAGS,
};

static const struct flag flags_kill[] = {
	{"signal", 's', FLAG_TEXT, "NAME", "first signal (TERM)"},
	{"grace", 0, FLAG_DURATION, "D", "until KILL (the job's kill_grace, 10s)"},
	NO_MORE_FLAGS,
};

static const struct flag flags_node_ls[] = {
	{"all", 0, FLAG_LATER, NULL, NULL},
	{"can", 0, FLAG_LATER, "JOB", NULL},
	NO_MORE_FLAGS,
};

static const struct flag flags_next[] = {
	{"expr", 0, FLAG_TEXT, "EXPR", "this expression instead of jobs; needs no agent"},
	{"tz", 0, FLAG_TEXT, "Z", "zone of the expression, or to show times in (UTC)"},
	{"from", 0, FLAG_TEXT, "T", "fires after this time (now)"},
	{"to", 0, FLAG_TEXT, "T", "fires up to this time"},
	{"number", 'n', FLAG_NUMBER, "N", "how many (5 of an expression, 10 of jobs)"},
	{"yes", 'y', FLAG_SWITCH, NULL, "more than 10,000 lines are meant"},
	NO_MORE_FLAGS,
};

static const struct flag flags_import[] = {
	{"system", 0, FLAG_SWITCH, NULL, "the sixth field is the user, as in /etc/crontab"},
	{"user", 0, FLAG_TEXT, "NAME", "a crontab of this user: no field for it"},
	{"group", 0, FLAG_TEXT, "G", "group of the jobs (default)"},
	{"prefix", 0, FLAG_TEXT, "P", "put before each name"},
	{"tz", 0, FLAG_TEXT, "Z", "zone that the file's cron runs in (this host's)"},
	{"out", 'o', FLAG_TEXT, "FILE", "write here, not to stdout; must not exist"},
	{"ssh", 0, FLAG_LATER, "HOSTS", NULL},
	{"shadow", 0, FLAG_LATER, NULL, NULL},
	{"users", 0, FLAG_LATER, NULL, NULL},
	{"timers", 0, FLAG_LATER, NULL, NULL},
	NO_MORE_FLAGS,
};

static const struct flag flags_apply[] = {
	{"file", 'f', FLAG_TEXT, "FILE", "a file, a directory of *.yaml, or - (may be repeated)"},
	{"late", 0, FLAG_SWITCH, NULL, "take an at: that is past"},
	{"prune", 0, FLAG_LATER, NULL, NULL},
	{"wait", 0, FLAG_LATER, NULL, NULL},
	NO_MORE_FLAGS,
};

static const struct flag flags_help[] = {
	{"bundle", 0, FLAG_LATER, "FILE", NULL},
	NO_MORE_FLAGS,
};

const struct command commands[] = {
	{
		.name = "status",
		.task = TASK_SEE,
		.usage = "",
		.summary = "the cluster in a few lines",
		.text = "The numbers of the console's header. `cluster status` is the same.",
		.examples = {"schedctl status", "schedctl status --json"},
		.exits = "02467",
		.run = command_status,
	},
	{
		.name = "cluster status",
		.task = TASK_SEE,
		.usage = "",
		.summary = "the same as status",
		.exits = "02467",
		.run = command_status,
	},
	{
		.name = "job ls",
		.task = TASK_SEE,
		.traits = COMMAND_LISTS,
		.usage = "",
		.summary = "all jobs, with state, next fire and last verdict",
		.flags = flags_job_ls,
		.examples = {"schedctl job ls", "schedctl job ls --group billing --columns name,next",
			     "schedctl job ls --state paused --json"},
		.exits = "02467",
		.run = command_job_ls,
	},
	{
		.name = "job show",
		.task = TASK_SEE,
		.operand_min = 1,
		.operand_max = 1,
		.usage = "JOB",
		.summary = "one job in full: keys, cursor, next fires, last verdicts",
		.text = "Every key is shown with its value and where that comes from: set, or default.",
		.flags = flags_job_show,
		.examples = {"schedctl job show backup", "schedctl job show backup --yaml > backup.yaml"},
		.exits = "02347",
		.run = command_job_show,
	},
	{
		.name = "runs",
		.task = TASK_SEE,
		.traits = COMMAND_LISTS,
		.usage = "",
		.summary = "runs and verdicts, newest first",
		.text = "Fires that never had a run (skipped, missed) are rows too. Without --limit: 100 rows.",
		.flags = flags_runs,
		.examples = {"schedctl runs --job backup", "schedctl runs --state running",
			     "schedctl runs --verdict failed,lost --since 2h --count"},
		.exits = "012347",
		.run = command_runs,
	},
	{
		.name = "logs",
		.task = TASK_SEE,
		.operand_min = 1,
		.operand_max = 1,
		.usage = "RUN|JOB",
		.summary = "what a run, or the runs of a job, wrote",
		.text = "A line is time, node, run, stream (o stdout, e stderr, ! the scheduler) and text. Bytes that\n"
			"would control the terminal are shown, never sent.",
		.flags = flags_logs,
		.examples = {"schedctl logs 8f21c07e", "schedctl logs -f billing/invoice-pdf",
			     "schedctl logs 8f21c07e --raw > out.bin"},
		.exits = "012347",
		.run = command_logs,
	},
	{
		.name = "node ls",
		.task = TASK_SEE,
		.traits = COMMAND_LISTS,
		.usage = "",
		.summary = "all nodes: state, age of the last proof of life, load",
		.flags = flags_node_ls,
		.examples = {"schedctl node ls", "schedctl node ls --columns name,state,age"},
		.exits = "02467",
		.run = command_node_ls,
	},
	{
		.name = "next",
		.task = TASK_SEE,
		.traits = COMMAND_LISTS,
		.operand_max = OPERANDS_ANY,
		.usage = "[JOB...] | --expr EXPR",
		.summary = "what fires next, or what an expression means",
		.text = "With --expr it needs no agent: it says the expression in words, the next fires in the zone,\n"
			"and marks days on which the clock jumps.",
		.flags = flags_next,
		.examples = {"schedctl next", "schedctl next --expr '*/7 9-17 * * 1-5' --tz Europe/Paris",
			     "schedctl next backup -n 20 --json"},
		.exits = "023467",
		.run = command_next,
	},
	{
		.name = "job add",
		.task = TASK_CHANGE,
		.traits = COMMAND_CHANGES | COMMAND_KEYS | COMMAND_REST,
		.operand_min = 1,
		.operand_max = 1,
		.usage = "NAME --cron EXPR|--every D|--at TIME|--manual [--KEY VALUE...] -- CMD...",
		.summary = "make a job",
		.text = "The command's words follow --, and are started without a shell; --shell TEXT runs a text through\n"
			"sh -c. Any key of a definition may be given as a flag; variables as --env NAME=VALUE, again\n"
			"for each, lists as --ok-exit 0,3. --at takes RFC 3339, \"2025-03-30 02:30\" in the job's zone,\n"
			"\"tomorrow 03:00\", \"12:30\" or \"+5m\".",
		.flags = flags_job_add,
		.examples = {"schedctl job add web/ping --every 30s -- curl -fsS http://localhost/",
			     "schedctl job add backup --cron '30 2 * * *' --tz Europe/Paris -- /opt/backup",
			     "schedctl job add once --at 'tomorrow 03:00' --shell 'echo hi'"},
		.exits = "024567",
		.run = command_job_add,
	},
	{
		.name = "job rm",
		.task = TASK_CHANGE,
		.traits = COMMAND_CHANGES,
		.operand_min = 1,
		.operand_max = 1,
		.usage = "JOB",
		.summary = "delete a job",
		.text = "Its history stays readable. With a run going on it needs --kill or --let-finish.",
		.flags = flags_job_rm,
		.examples = {"schedctl job rm backup", "schedctl job rm backup --let-finish --yes"},
		.exits = "0234567",
		.run = command_job_rm,
	},
	{
		.name = "job pause",
		.task = TASK_CHANGE,
		.traits = COMMAND_CHANGES,
		.operand_min = 1,
		.operand_max = 1,
		.usage = "JOB",
		.summary = "its fires are skipped(paused) until resume",
		.flags = flags_job_pause,
		.examples = {"schedctl job pause backup --reason 'disk full'"},
		.exits = "0234567",
		.run = command_job_pause,
	},
	{
		.name = "job resume",
		.task = TASK_CHANGE,
		.traits = COMMAND_CHANGES,
		.operand_min = 1,
		.operand_max = 1,
		.usage = "JOB",
		.summary = "undo a pause; counts from now",
		.flags = flags_job_resume,
		.examples = {"schedctl job resume backup"},
		.exits = "0234567",
		.run = command_job_resume,
	},
	{
		.name = "job enable",
		.task = TASK_CHANGE,
		.traits = COMMAND_CHANGES,
		.operand_min = 1,
		.operand_max = 1,
		.usage = "JOB",
		.summary = "let a disabled job fire again",
		.examples = {"schedctl job enable backup"},
		.exits = "0234567",
		.run = command_job_enable,
	},
	{
		.name = "job disable",
		.task = TASK_CHANGE,
		.traits = COMMAND_CHANGES,
		.operand_min = 1,
		.operand_max = 1,
		.usage = "JOB",
		.summary = "no fires at all, so no verdicts either; run still works",
		.examples = {"schedctl job disable backup"},
		.exits = "0234567",
		.run = command_job_disable,
	},
	{
		.name = "run",
		.task = TASK_CHANGE,
		.traits = COMMAND_CHANGES,
		.operand_min = 1,
		.operand_max = 1,
		.usage = "JOB",
		.summary = "run a job now, beside its schedule",
		.text = "With --wait Ctrl-C stops the waiting, not the run.",
		.flags = flags_run,
		.examples = {"schedctl run backup", "schedctl run backup --wait",
			     "schedctl run backup --id nightly-2026-11-20"},
		.exits = "01234567",
		.run = command_run,
	},
	{
		.name = "apply",
		.task = TASK_CHANGE,
		.traits = COMMAND_CHANGES,
		.usage = "-f FILE|DIR|-",
		.summary = "make the jobs of YAML files so",
		.text = "All documents of all files are checked before any job is changed; errors are told as\n"
			"file:line:column, at most 20. Each job is told as created, changed or no change.",
		.flags = flags_apply,
		.examples = {"schedctl apply -f jobs/",
			     "schedctl import /etc/crontab | schedctl apply -f -"},
		.exits = "024567",
		.run = command_apply,
	},
	{
		.name = "import",
		.task = TASK_CHANGE,
		.traits = COMMAND_OFFLINE,
		.operand_min = 1,
		.operand_max = 1,
		.usage = "FILE|-",
		.summary = "a crontab as YAML for apply; changes nothing",
		.text = "Reads user and system crontabs by cronie's rules. What it cannot carry, and what may surprise,\n"
			"is told on stderr with line numbers.",
		.flags = flags_import,
		.examples = {"schedctl import /etc/crontab --group system > jobs.yaml",
			     "crontab -l | schedctl import - --user ana",
			     "schedctl import - --out jobs.yaml < crontab.txt"},
		.exits = "01235",
		.run = command_import,
	},
	{
		.name = "key new",
		.task = TASK_CHANGE,
		.traits = COMMAND_OFFLINE,
		.operand_min = 1,
		.operand_max = 1,
		.usage = "FILE",
		.summary = "make a cluster key, readable by its owner only",
		.text = "A file that exists is never overwritten. Copy it to every host; schedd takes it with --key.",
		.examples = {"schedctl key new /etc/peersched/key"},
		.exits = "0245",
		.run = command_key_new,
	},
	{
		.name = "wait",
		.task = TASK_WATCH,
		.operand_min = 1,
		.operand_max = 1,
		.usage = "RUN",
		.summary = "until a run has ended; exit 1 unless it ran ok",
		.text = "Ctrl-C stops the waiting, not the run.",
		.flags = flags_wait,
		.examples = {"schedctl wait 8f21c07e --timeout 10m"},
		.exits = "012347",
		.run = command_wait,
	},
	{
		.name = "kill",
		.task = TASK_FIX,
		.traits = COMMAND_CHANGES,
		.operand_min = 1,
		.operand_max = 1,
		.usage = "RUN",
		.summary = "end a run and all its processes, and say whether it is dead",
		.flags = flags_kill,
		.examples = {"schedctl kill 8f21c07e", "schedctl kill 8f21c07e --signal INT --grace 30s"},
		.exits = "01234567",
		.run = command_kill,
	},
	{
		.name = "cancel",
		.task = TASK_FIX,
		.traits = COMMAND_CHANGES,
		.operand_min = 1,
		.operand_max = 1,
		.usage = "RUN",
		.summary = "stop a run that has not started",
		.text = "Either it is cancelled, or it is too late (exit 5): never both.",
		.examples = {"schedctl cancel 8f21c07e"},
		.exits = "0234567",
		.run = command_cancel,
	},
	{
		.name = "help",
		.task = TASK_OTHER,
		.traits = COMMAND_OFFLINE,
		.operand_max = 2,
		.usage = "[COMMAND]",
		.summary = "this list, or the page of a command",
		.flags = flags_help,
		.examples = {"schedctl help job add"},
		.exits = "02",
		.run = command_help,
	},
	{
		.name = "version",
		.task = TASK_OTHER,
		.traits = COMMAND_OFFLINE,
		.usage = "",
		.summary = "the version",
		.exits = "02",
		.run = command_version,
	},
};

const size_t command_count = sizeof(commands) / sizeof(commands[0]);

const char *const commands_later[] = {
	"alert",
	"audit",
	"bootstrap",
	"cal",
	"checkin",
	"config",
	"diff",
	"events",
	"export",
	"fires",
	"flow",
	"group",
	"metrics",
	"order",
	"plan",
	"recover",
	"rerun",
	"secret",
	"sem",
	"shadow",
	"skip",
	"trace",
	"upgrade",
	"user",
	"verify",
	"whatif",
	"why",
	"job clone",
	"job data",
	"job diff",
	"job edit",
	"job history",
	"job move",
	"job rollback",
	"job stats",
	"job who",
	"node drain",
	"node evict",
	"node forget",
	"node leave",
	"node ping",
	"node readmit",
	"node reload",
	"node restart",
	"node set",
	"node show",
	"node start",
	"node stat",
	"node stop",
	"node undrain",
	"cluster backup",
	"cluster check",
	"cluster pause",
	"cluster restore",
	"cluster resume",
	"cluster sync",
	"key add",
	"key rm",
	"key rotate",
	"key use",
	NULL,
};

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < command_count; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

bool command_is_noun(const char *word)
{
	size_t bytes = strlen(word);
	for (size_t i = 0; i < command_count; i++) {
		const char *name = commands[i].name;
		if (strncmp(name, word, bytes) == 0 && name[bytes] == ' ')
			return true;
	}
	return false;
}

static const struct flag *flag_in(const struct flag *flags, const char *name, char letter)
{
	for (const struct flag *flag = flags; flag != NULL && flag->name != NULL; flag++) {
		if (name != NULL && strcmp(flag->name, name) == 0)
			return flag;
		if (name == NULL && flag->letter == letter)
			return flag;
	}
	return NULL;
}

const struct flag *command_flag(const struct command *command, const char *name, char letter)
{
	const struct flag *flag = command == NULL ? NULL : flag_in(command->flags, name, letter);
	if (flag == NULL && command != NULL && (command->traits & COMMAND_LISTS))
		flag = flag_in(flags_listing, name, letter);
	if (flag == NULL && command != NULL && (command->traits & COMMAND_CHANGES))
		flag = flag_in(flags_changing, name, letter);
	if (flag == NULL)
		flag = flag_in(flags_global, name, letter);
	return flag;
}
