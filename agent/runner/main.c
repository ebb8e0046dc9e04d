/* schedd-runner: options and exit code; and the launch step, which is this same program. */
#include <stdio.h>
#include <string.h>

#include "agent/runner/launch.h"
#include "agent/runner/runner.h"

static const char usage[] =
	"usage: schedd-runner --dir DIR\n"
	"\n"
	"Starts the processes of jobs for the agent of the same directory, keeps their output, and\n"
	"says how they ended. Listens on DIR/runner.sock, speaks to no network, and outlives the agent.\n"
	"\n"
	"  --dir DIR    the agent's directory: runner.sock, runner.lock, journal and output/ lie there\n"
	"  --version    prints the version\n"
	"  --help       prints this\n"
	"\n"
	"SIGTERM ends it when the last run has ended; a second one ends it at once, and the runs go on.\n";

/* Large, and there is one: not on the stack. */
static struct runner runner;

static int fail_usage(const char *text, const char *what)
{
	(void)fprintf(stderr, "schedd-runner: %s%s\nTry 'schedd-runner --help'.\n", text, what);
	return 2;
}

static int serve(const char *directory)
{
	struct problem problem = {0};
	enum err err = runner_init(&runner, directory, &problem);
	if (err == ERR_OK)
		return runner_run(&runner);
	(void)fprintf(stderr, "schedd-runner: %s\n", problem.text);
	if (problem.hint[0] != '\0')
		(void)fprintf(stderr, "%s\n", problem.hint);
	return err == ERR_EXISTS ? 1 : err_exit_code(err);
}

int main(int argc, char **argv)
{
	/* First and apart: between the runner's fork and the job's exec every microsecond counts. */
	if (argc == 2 && strcmp(argv[1], LAUNCH_OPTION) == 0)
		return launch_main();

	const char *directory = NULL;
	for (int i = 1; i < argc; i++) {
		const char *option = argv[i];
		if (strcmp(option, "--help") == 0) {
			(void)fputs(usage, stdout);
			return 0;
		}
		if (strcmp(option, "--version") == 0) {
			(void)printf("schedd-runner %s\n", PEERSCHED_VERSION);
			return 0;
		}
		if (strncmp(option, "--dir=", 6) == 0)
			directory = option + 6;
		else if (strcmp(option, "--dir") == 0 && i + 1 < argc)
			directory = argv[++i];
		else if (strcmp(option, "--dir") == 0)
			return fail_usage("--dir needs a directory", "");
		else
			return fail_usage("unknown option or argument: ", option);
	}
	if (directory == NULL || directory[0] == '\0')
		return fail_usage("--dir DIR is missing", "");
	return serve(directory);
}
