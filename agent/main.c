/* schedd: the agent, one on each host. Options, store, identity, keys, loop, exit code. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/config.h"
#include "agent/io/keyring.h"
#include "agent/io/loop.h"
#include "agent/io/zonefile.h"
#include "agent/log.h"
#include "agent/store/identity.h"
#include "agent/store/store.h"
#include "proto/err.h"
#include "proto/limits.h"

#define EXIT_BAD_INPUT 2
#define TRIM_BYTES (64 << 10)
#define MMAP_BYTES (64 << 10)
#define FILES_WANTED (6u * MEMBERS_MAX) /* streams from and to all members, clients, files */

static void print_problem(const struct problem *problem)
{
	(void)fprintf(stderr, "schedd: %s\n", problem->text);
	if (problem->hint[0] != '\0')
		(void)fprintf(stderr, "hint: %s\n", problem->hint);
}

/* One heap, and big pieces go back to the system as soon as they are free: an agent idles for months after a
 * busy minute. */
static void bound_heap(void)
{
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
	(void)mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
}

/* Started with one of 0, 1 and 2 closed, the store's files would take their numbers, and the log would be written into
 * a file of the store. */
static bool fill_standard_descriptors(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return false;
	(void)close(fd);
	return true;
}

/* Strangers who open connections shall not take the descriptors that peers and clients need. */
static void raise_files_limit(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= FILES_WANTED)
		return;
	files.rlim_cur = files.rlim_max < FILES_WANTED ? files.rlim_max : FILES_WANTED;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

static int64_t utc_ms(const struct config *config)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + config->test_clock_offset_ms;
}

static enum err run_with_store(const struct config *config, struct store_backend *backend,
			       int *ret_code, struct problem *problem)
{
	struct identity identity;
	struct keyring keyring = {0};
	enum err err = identity_open(backend, &config->test_node_id, utc_ms(config), &identity, problem);
	if (err == ERR_OK)
		err = keyring_open(backend, config->key_path, &keyring, problem);
	if (err != ERR_OK)
		return err;
	struct zonefile *zonefile = zonefile_new(NULL);
	if (zonefile == NULL) {
		err = problem_set(problem, ERR_NO_MEMORY, "out of memory at start");
	} else {
		struct loop_options options = {
			.config = config,
			.backend = backend,
			.drain = store_lmdb_drain,
			.identity = &identity,
			.keyring = &keyring,
			.zones = zonefile_source(zonefile),
			.zone_version = zonefile_version(zonefile),
		};
		err = loop_run(&options, ret_code, problem);
	}
	zonefile_free(zonefile);
	keyring_close(&keyring);
	return err;
}

/* A directory is made for somebody who asked for a cluster; a mistyped --dir leaves nothing behind. */
static enum err refuse_nothing_there(const struct config *config, struct problem *problem)
{
	if (config->is_init || config->seed_count > 0 || config->test_birth_count > 0 ||
	    access(config->directory, F_OK) == 0 || errno != ENOENT)
		return ERR_OK;
	(void)problem_set(problem, ERR_INVALID,
			  "the store in %s is new: it belongs to no cluster yet", config->directory);
	problem_hint(problem, "--init makes a new cluster, --join ADDR:PORT enters one");
	return ERR_INVALID;
}

static int run(const struct config *config)
{
	struct problem problem = {0};
	struct store_options options = {
		.directory = config->directory,
		.voting_bytes = config->voting_bytes,
		.history_bytes = config->history_bytes,
	};
	struct store_backend *backend;
	int code = EXIT_SUCCESS;
	enum err err = refuse_nothing_there(config, &problem);
	if (err == ERR_OK)
		err = store_lmdb_open(&options, &backend, &problem);
	if (err == ERR_OK) {
		err = run_with_store(config, backend, &code, &problem);
		store_lmdb_close(backend);
	}
	if (err == ERR_OK)
		return code;
	print_problem(&problem);
	/* What the operator typed is wrong, or what was found on this host. */
	return err == ERR_INVALID ? EXIT_BAD_INPUT : EXIT_FAILURE;
}

int main(int argument_count, char **arguments)
{
	if (!fill_standard_descriptors())
		return EXIT_FAILURE;
	bound_heap();
	raise_files_limit();
	(void)umask(077);
	(void)signal(SIGPIPE, SIG_IGN);
	struct config config;
	enum config_action action;
	struct problem problem = {0};
	if (config_read(argument_count, arguments, environ, &config, &action, &problem) != ERR_OK) {
		print_problem(&problem);
		return EXIT_BAD_INPUT;
	}
	if (action == CONFIG_HELP) {
		config_help(stdout);
		return EXIT_SUCCESS;
	}
	if (action == CONFIG_VERSION) {
		(void)printf("schedd %s\n", PEERSCHED_VERSION);
		return EXIT_SUCCESS;
	}
	log_set_level(config.log_level);
	log_set_clock_offset(config.test_clock_offset_ms);
	if (sodium_init() < 0) {
		(void)fprintf(stderr,
			      "schedd: the cryptographic library can not be used on this host\n");
		return EXIT_FAILURE;
	}
	return run(&config);
}
