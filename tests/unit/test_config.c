/* The agent's options: file, flags and environment, in rising order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/config.h"

#define ARGUMENTS_MAX 32

static char file_path[64];

static void write_file(const char *text)
{
	FILE *file = fopen(file_path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
	(void)state;
	(void)snprintf(file_path, sizeof(file_path), "/tmp/peersched-config-%d.yaml", (int)getpid());
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(file_path);
	return 0;
}

/* Words of a command line with blanks between them. */
static enum err read_words(const char *words, const char *variable, struct config *config,
			   struct problem *problem)
{
	static char text[1024];
	static char first[] = "schedd";
	char *arguments[ARGUMENTS_MAX] = {first};
	int count = 1;
	(void)snprintf(text, sizeof(text), "%s", words);
	for (char *word = text; *word != '\0' && count < ARGUMENTS_MAX - 1;) {
		size_t bytes = strcspn(word, " ");
		arguments[count++] = word;
		if (word[bytes] == '\0')
			break;
		word[bytes] = '\0';
		word += bytes + 1;
	}
	static char set[256];
	(void)snprintf(set, sizeof(set), "%s", variable == NULL ? "HOME=/root" : variable);
	char *environment[] = {set, NULL};
	enum config_action action;
	*problem = (struct problem){0};
	enum err err = config_read(count, arguments, environment, config, &action, problem);
	if (err == ERR_OK)
		assert_int_equal(action, CONFIG_RUN);
	return err;
}

static void expect_fault(const char *words, const char *variable, const char *message)
{
	struct config config;
	struct problem problem;
	assert_int_not_equal(read_words(words, variable, &config, &problem), ERR_OK);
	assert_string_equal(problem.text, message);
}

static void test_flags(void **state)
{
	(void)state;
	struct config config;
	struct problem problem;
	assert_int_equal(
		read_words("--dir /d --name n-1 --bind=10.0.0.1 --join 10.0.0.2:7000,[::1]:7001 --key /k "
			   "--slots 9 --log-level debug --store-voting-bytes 32M --cluster-name prod",
			   NULL, &config, &problem),
		ERR_OK);
	assert_string_equal(config.directory, "/d");
	assert_string_equal(config.socket_path, "/d/schedd.sock");
	assert_string_equal(config.runner_path, "/d/runner.sock");
	assert_string_equal(config.name, "n-1");
	assert_int_equal(config.bind.port, CONFIG_PORT_DEFAULT);
	assert_true(address_equal(&config.bind, &config.advertise));
	assert_int_equal(config.seed_count, 2);
	assert_int_equal(config.seeds[1].family, 6);
	assert_int_equal(config.seeds[1].port, 7001);
	assert_int_equal(config.slots, 9);
	assert_int_equal(config.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(config.voting_bytes, 32u << 20);
	assert_string_equal(config.cluster_name, "prod");
	assert_false(config.is_init);
}

static void test_order(void **state)
{
	(void)state;
	struct config config;
	struct problem problem;
	char words[256];
	write_file("slots: 3\nname: from-file\nstore:\n  voting_bytes: 64M\njoin:\n  - 10.0.0.1:1\n  - 10.0.0.2:2\n"
		   "key: /k\nbind: 127.0.0.1:7000\n");
	(void)snprintf(words, sizeof(words), "--config %s", file_path);
	assert_int_equal(read_words(words, NULL, &config, &problem), ERR_OK);
	assert_int_equal(config.slots, 3);
	assert_int_equal(config.seed_count, 2);
	assert_int_equal(config.voting_bytes, 64u << 20);
	assert_string_equal(config.name, "from-file");
	(void)snprintf(words, sizeof(words), "--config %s --slots 4", file_path);
	assert_int_equal(read_words(words, NULL, &config, &problem), ERR_OK);
	assert_int_equal(config.slots, 4);
	assert_int_equal(read_words(words, "SCHEDD_SLOTS=5", &config, &problem), ERR_OK);
	assert_int_equal(config.slots, 5);
	assert_string_equal(config.name, "from-file");
	(void)snprintf(words, sizeof(words), "SCHEDD_CONFIG=%s", file_path);
	assert_int_equal(read_words("--name x", words, &config, &problem), ERR_OK);
	assert_int_equal(config.slots, 3);
	assert_string_equal(config.name, "x");
}

static void expect_file_fault(const char *text, const char *message)
{
	char words[256], expected[512];
	write_file(text);
	(void)snprintf(words, sizeof(words), "--config %s", file_path);
	(void)snprintf(expected, sizeof(expected), "%s%s", file_path, message);
	expect_fault(words, NULL, expected);
}

static void test_file_faults(void **state)
{
	(void)state;
	expect_file_fault("name: a\nslotz: 3\n", ":2:1: slotz: unknown option");
	expect_file_fault("name: a\nslots: 0\n", ":2:8: slots: \"0\" is not between 1 and 10000");
	expect_file_fault("store:\n  voting_bytes: 3\n",
			  ":2:17: store.voting_bytes: must be from 1M to 1024M");
	expect_file_fault("store:\n  voting: 3M\n", ":2:3: store.voting: unknown option");
	expect_file_fault("slots:\n", ":1:7: slots: has no value");
	expect_file_fault("slots: {a: 1}\n", ":1:8: slots: has no value");
	expect_file_fault("init: true\n", ":1:1: init: unknown option");
	expect_file_fault("test_cluster: 00\n", ":1:1: test_cluster: unknown option");
	expect_file_fault("name: a\n---\nname: b\n", ":3:1: a second document");
	expect_file_fault("name: [\n",
			  ":2:1: did not find expected node content (while parsing a flow node that "
			  "began in line 2)");
	expect_fault("--config /nonexistent/c.yaml", NULL,
		     "--config: /nonexistent/c.yaml: No such file or directory");
}

static void test_flag_faults(void **state)
{
	(void)state;
	struct config config;
	struct problem problem;
	expect_fault("--slot 3", NULL, "--slot: unknown option");
	(void)read_words("--slot 3", NULL, &config, &problem);
	assert_string_equal(problem.hint, "did you mean --slots?");
	expect_fault("name", NULL, "name: not an option; options begin with --");
	expect_fault("--name", NULL, "--name: a value is missing: --name NAME");
	expect_fault("--log-level loud", NULL, "--log-level: must be error, warn, info or debug");
	expect_fault("--bind 10.0.0.1:0", NULL,
		     "--bind: port of \"10.0.0.1:0\": \"0\" is not between 1 and 65535");
	expect_fault("--init=maybe", NULL, "--init: must be true or false");
	expect_fault("--dir=", NULL, "--dir: is empty");
	expect_fault("--name x", "SCHEDD_SLOTZ=1", "SCHEDD_SLOTZ: no option has this variable");
	expect_fault("--name x", "SCHEDD_SLOTS=99999",
		     "SCHEDD_SLOTS: \"99999\" is not between 1 and 10000");
	expect_fault("--name x", "SCHEDD_TEST_CLUSTER=00",
		     "SCHEDD_TEST_CLUSTER: no option has this variable");
}

static void test_together(void **state)
{
	(void)state;
	struct config config;
	struct problem problem;
	expect_fault("--init --join 10.0.0.1 --key /k --bind 10.0.0.2", NULL,
		     "--init makes a new cluster, --join enters one: give one of them");
	expect_fault("--join 10.0.0.1 --bind 10.0.0.2", NULL,
		     "--join: no key: agents speak only with a key");
	expect_fault("--key /k --init", NULL,
		     "--bind ADDR:PORT is missing: with --key the agent opens a port");
	expect_fault("--bind 0.0.0.0:7000 --key /k", NULL,
		     "--bind: a wildcard is no address that peers could reach");
	expect_fault("--advertise 10.0.0.1:1", NULL, "--advertise needs --bind");
	assert_int_equal(read_words("--bind [::]:7000 --key /k --advertise [::1]:7000 --init", NULL,
				    &config, &problem),
			 ERR_OK);
	assert_int_equal(config.advertise.ip[15], 1);
	assert_true(config.is_init);
	char words[256], message[512];
	char long_path[101];
	memset(long_path, 'd', 100);
	long_path[100] = '\0';
	(void)snprintf(words, sizeof(words), "--dir %s", long_path);
	(void)snprintf(message, sizeof(message),
		       "--dir: %s/schedd.sock is longer than the 107 bytes that a socket's path may have",
		       long_path);
	expect_fault(words, NULL, message);
}

static void test_actions(void **state)
{
	(void)state;
	char schedd[] = "schedd", bad[] = "--bad", help[] = "--help", version[] = "--version";
	char *environment[] = {NULL};
	struct config config;
	enum config_action action = CONFIG_RUN;
	char *with_help[] = {schedd, bad, help};
	assert_int_equal(config_read(3, with_help, environment, &config, &action, NULL), ERR_OK);
	assert_int_equal(action, CONFIG_HELP);
	char *with_version[] = {schedd, version};
	assert_int_equal(config_read(2, with_version, environment, &config, &action, NULL), ERR_OK);
	assert_int_equal(action, CONFIG_VERSION);
	FILE *out = tmpfile();
	assert_non_null(out);
	config_help(out);
	rewind(out);
	char text[8192];
	size_t bytes = fread(text, 1, sizeof(text) - 1, out);
	text[bytes] = '\0';
	(void)fclose(out);
	assert_non_null(strstr(text, "--store-voting-bytes SIZE"));
	assert_null(strstr(text, "--test"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"each option is taken as a flag", test_flags, setup, teardown, NULL},
		{"a flag wins over the file, the environment over both", test_order, setup,
		 teardown, NULL},
		{"a fault in the file names file, line and column", test_file_faults, setup,
		 teardown, NULL},
		{"a fault in a flag or a variable names it", test_flag_faults, setup, teardown, NULL},
		{"options that contradict one another are refused", test_together, setup, teardown, NULL},
		{"help and version come first, and help hides what is for tests", test_actions,
		 setup, teardown, NULL},
	};
	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
