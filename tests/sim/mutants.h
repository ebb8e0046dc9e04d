/* The planted bugs: which there are, which check must notice each, and a seed that is known to show it. */
#ifndef TESTS_SIM_MUTANTS_H
#define TESTS_SIM_MUTANTS_H

#include "tests/sim/world.h"

struct mutant_entry {
	enum mutant mutant;
	const char *name;
	const char *rule;   /* what it breaks */
	const char *checks; /* that may kill it, with blanks between; a failure of another one does not count */
	uint64_t seed;      /* that kills it; 0: none is recorded */
};

extern const struct mutant_entry mutant_entries[];
extern const size_t mutant_entry_count;

void mutants_set(enum mutant mutant);
const struct mutant_entry *mutants_find(const char *name);
/* True if that check is one that the entry names. */
bool mutants_is_killed_by(const struct mutant_entry *entry, const char *check);

#endif
