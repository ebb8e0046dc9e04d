/* schedsim: the production core on a virtual clock, network and disk, judged from outside. docs/SIMULATION.md tells
 * what is in the world and what is checked. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/sim/mutants.h"
#include "tests/sim/world.h"

#define SMOKE_SEEDS 100u  /* of `make test` */
#define LONG_SEEDS 250u   /* of continuous integration */
#define GROUP_SEEDS 10u   /* make one line */
#define MINUTES_DEFAULT 2 /* virtual; the quiet end comes on top */
#define REPLAY_EVERY 4u   /* each so many seeds are run twice */
#define NEAR_SEEDS 60u    /* a change of the core moves what a seed does: so many after the recorded one are tried */
#define HUNT_SEEDS 2000u  /* a mutant that survives these is a hole in the checks */

struct arguments {
	struct sim_options options;
	uint64_t first, last;
	bool is_smoke, is_long, is_hunt, is_list, is_quiet;
};

struct tally {
	unsigned passed, failed;
	uint64_t starts, claims, changes, crashes, events;
};

static void say(struct tally *tally, bool is_ok, const char *text)
{
	printf("%s - %s\n", is_ok ? "ok" : "not ok", text);
	(void)fflush(stdout);
	if (is_ok)
		tally->passed++;
	else
		tally->failed++;
}

static void add(struct tally *tally, const struct sim_result *result)
{
	tally->starts += result->start_count;
	tally->claims += result->claim_count;
	tally->changes += result->change_count;
	tally->crashes += result->crash_count;
	tally->events += result->event_count;
}

static void describe(const struct sim_options *options, const struct sim_result *result)
{
	printf("#   seed %" PRIu64 ": %u agents, %u voters, faults %s: %" PRIu64 " runs claimed, %" PRIu64
	       " started, %" PRIu64 " changes, %" PRIu64 " crashes, %" PRIu64 " events\n",
	       options->seed, result->agents, result->voters, result->faults[0] == '\0' ? "none" : result->faults,
	       result->claim_count, result->start_count, result->change_count, result->crash_count, result->event_count);
	if (result->has_failed)
		printf("#   failed %s at %.6f s: %s\n#   again: schedsim --seed %" PRIu64 " --minutes %" PRId64
		       " --trace\n",
		       result->failed_check, (double)result->failed_us / 1e6, result->failure, options->seed,
		       options->minutes);
}

/* One seed; every few a second time, which must give the same trace. */
static bool run_seed(struct sim_options options, uint64_t seed, bool is_quiet, struct tally *tally)
{
	struct sim_result result, again;
	options.seed = seed;
	world_run(&options, &result);
	add(tally, &result);
	if (!result.has_failed && seed % REPLAY_EVERY == 0 && !options.is_traced) {
		world_run(&options, &again);
		if (again.trace_hash != result.trace_hash) {
			result.has_failed = true;
			(void)snprintf(result.failed_check, sizeof(result.failed_check), "C14");
			(void)snprintf(result.failure, sizeof(result.failure), "the same seed gave another trace");
		}
	}
	if (result.has_failed || !is_quiet)
		describe(&options, &result);
	return !result.has_failed;
}

static void run_seeds(const struct arguments *arguments, uint64_t first, uint64_t last, struct tally *tally)
{
	for (uint64_t seed = first; seed <= last; seed += GROUP_SEEDS) {
		uint64_t end = seed + GROUP_SEEDS - 1 < last ? seed + GROUP_SEEDS - 1 : last;
		bool is_ok = true;
		for (uint64_t each = seed; each <= end; each++)
			is_ok = run_seed(arguments->options, each, arguments->is_quiet, tally) && is_ok;
		char text[128];
		(void)snprintf(text, sizeof(text), "sim: seeds %" PRIu64 " to %" PRIu64 ", %" PRId64 " virtual minutes each",
			       seed, end, arguments->options.minutes);
		say(tally, is_ok, text);
	}
}

/* ---- mutants ---- */

static bool is_killed(const struct mutant_entry *entry, struct sim_options options, uint64_t seed,
		      struct sim_result *ret_result)
{
	options.seed = seed;
	options.mutant = entry->mutant;
	world_run(&options, ret_result);
	return ret_result->has_failed && mutants_is_killed_by(entry, ret_result->failed_check);
}

/* The recorded seeds: each kills its mutant, and passes without it. */
static void replay_mutants(const struct arguments *arguments, struct tally *tally)
{
	for (size_t i = 0; i < mutant_entry_count; i++) {
		const struct mutant_entry *entry = &mutant_entries[i];
		if (entry->seed == 0)
			continue;
		struct sim_result result;
		char text[256];
		uint64_t seed = entry->seed;
		while (!is_killed(entry, arguments->options, seed, &result) && seed < entry->seed + NEAR_SEEDS)
			seed++;
		bool is_ok = result.has_failed && mutants_is_killed_by(entry, result.failed_check);
		(void)snprintf(text, sizeof(text), "sim: %s (%s) is seen by %s at seed %" PRIu64, entry->name, entry->rule,
			       is_ok ? result.failed_check : entry->checks, seed);
		struct tally ignored = {0};
		is_ok = is_ok && run_seed(arguments->options, seed, true, &ignored);
		say(tally, is_ok, text);
	}
}

static void hunt_mutants(const struct arguments *arguments, struct tally *tally)
{
	for (size_t i = 0; i < mutant_entry_count; i++) {
		const struct mutant_entry *entry = &mutant_entries[i];
		if (arguments->options.mutant != MUTANT_NONE && arguments->options.mutant != entry->mutant)
			continue;
		struct sim_result result = {0};
		uint64_t seed = arguments->first;
		while (seed <= arguments->last && !is_killed(entry, arguments->options, seed, &result)) {
			if (result.has_failed)
				printf("#   %s at seed %" PRIu64 ": %s: %s\n", entry->name, seed, result.failed_check,
				       result.failure);
			seed++;
		}
		char text[1024];
		(void)snprintf(text, sizeof(text), "mutants: %s (%s) is seen by %s at seed %" PRIu64 ": %s", entry->name,
			       entry->rule, seed <= arguments->last ? result.failed_check : "nothing", seed, result.failure);
		say(tally, seed <= arguments->last, text);
	}
}

static void list_mutants(void)
{
	for (size_t i = 0; i < mutant_entry_count; i++)
		printf("%-14s %-48s %s\n", mutant_entries[i].name, mutant_entries[i].rule, mutant_entries[i].checks);
}

/* ---- options ---- */

static int usage(FILE *stream, int code)
{
	(void)fprintf(stream,
		      "usage: schedsim [--smoke | --long | --mutants | --list-mutants]\n"
		      "                [--seed N | --seeds A-B] [--minutes M] [--agents N] [--voters 1|3|5]\n"
		      "                [--mutant NAME] [--trace] [--quiet]\n"
		      "  --smoke    the seeds of `make test`, and the recorded seeds of the planted bugs\n"
		      "  --long     more seeds, for continuous integration\n"
		      "  --mutants  hunts every planted bug (or the one of --mutant)\n");
	return code;
}

static bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < min || value > max) {
		(void)fprintf(stderr, "schedsim: \"%s\" is not a number from %" PRIu64 " to %" PRIu64 "\n", text, min, max);
		return false;
	}
	*ret_value = value;
	return true;
}

static bool parse_range(char *text, struct arguments *arguments)
{
	char *dash = strchr(text, '-');
	if (dash == NULL)
		return false;
	*dash = '\0';
	return parse_number(text, 1, UINT32_MAX, &arguments->first) &&
	       parse_number(dash + 1, arguments->first, UINT32_MAX, &arguments->last);
}

/* An option with a value. */
static bool parse_valued(const char *option, char *value, struct arguments *arguments)
{
	uint64_t number = 0;
	if (strcmp(option, "--seed") == 0) {
		if (!parse_number(value, 1, UINT32_MAX, &arguments->first))
			return false;
		arguments->last = arguments->first;
		return true;
	}
	if (strcmp(option, "--seeds") == 0)
		return parse_range(value, arguments);
	if (strcmp(option, "--mutant") == 0) {
		const struct mutant_entry *entry = mutants_find(value);
		if (entry == NULL)
			(void)fprintf(stderr, "schedsim: no planted bug is called \"%s\" (--list-mutants)\n", value);
		else
			arguments->options.mutant = entry->mutant;
		return entry != NULL;
	}
	if (strcmp(option, "--minutes") == 0 && parse_number(value, 1, 1440, &number)) {
		arguments->options.minutes = (int64_t)number;
		return true;
	}
	if (strcmp(option, "--agents") == 0 && parse_number(value, 1, SIM_HOSTS_MAX, &number)) {
		arguments->options.agents = (uint32_t)number;
		return true;
	}
	if (strcmp(option, "--voters") == 0 && parse_number(value, 1, 5, &number) && number % 2 == 1) {
		arguments->options.voters = (uint32_t)number;
		return true;
	}
	return false;
}

static bool parse(int count, char **words, struct arguments *arguments)
{
	for (int i = 1; i < count; i++) {
		const struct {
			const char *word;
			bool *flag;
		} flags[] = {
			{"--smoke", &arguments->is_smoke},     {"--long", &arguments->is_long},
			{"--mutants", &arguments->is_hunt},    {"--list-mutants", &arguments->is_list},
			{"--trace", &arguments->options.is_traced}, {"--quiet", &arguments->is_quiet},
		};
		bool is_flag = false;
		for (size_t f = 0; f < sizeof(flags) / sizeof(flags[0]); f++) {
			if (strcmp(words[i], flags[f].word) != 0)
				continue;
			*flags[f].flag = true;
			is_flag = true;
		}
		if (is_flag)
			continue;
		if (i + 1 == count || !parse_valued(words[i], words[i + 1], arguments))
			return false;
		i++;
	}
	return true;
}

int main(int count, char **words)
{
	struct arguments arguments = {.first = 1, .options = {.minutes = MINUTES_DEFAULT}};
	if (!parse(count, words, &arguments))
		return usage(stderr, 2);
	if (arguments.is_list) {
		list_mutants();
		return 0;
	}
	if (arguments.last == 0)
		arguments.last = arguments.is_hunt ? HUNT_SEEDS : GROUP_SEEDS;
	struct tally tally = {0};
	clock_t begun = clock();
	if (arguments.is_hunt) {
		hunt_mutants(&arguments, &tally);
	} else if (arguments.is_smoke || arguments.is_long) {
		arguments.is_quiet = true;
		run_seeds(&arguments, 1, arguments.is_long ? LONG_SEEDS : SMOKE_SEEDS, &tally);
		replay_mutants(&arguments, &tally);
	} else {
		run_seeds(&arguments, arguments.first, arguments.last, &tally);
	}
	printf("# %" PRIu64 " runs claimed, %" PRIu64 " started, %" PRIu64 " changes acknowledged, %" PRIu64
	       " crashes, %" PRIu64 " events in %.1f s\n",
	       tally.claims, tally.starts, tally.changes, tally.crashes, tally.events,
	       (double)(clock() - begun) / CLOCKS_PER_SEC);
	printf("%u passed, %u failed\n", tally.passed, tally.failed);
	return tally.failed == 0 && tally.passed > 0 ? 0 : 1;
}
