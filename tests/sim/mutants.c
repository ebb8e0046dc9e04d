/* The switch that the core asks, and the table of what may be switched. */
#include "tests/sim/mutants.h"

#include <string.h>

static enum mutant mutant_on = MUTANT_NONE;

bool mutant_is_on(enum mutant mutant)
{
	return mutant_on == mutant;
}

void mutants_set(enum mutant mutant)
{
	mutant_on = mutant;
}

const struct mutant_entry mutant_entries[] = {
	{MUTANT_NOFSYNC, "m-nofsync", "I2 reply before sync", "C2 C3 C12", 1},
	{MUTANT_NOADOPT, "m-noadopt", "I4 what promises report is ignored", "C1 C2 C3", 3},
	{MUTANT_NOSTART, "m-nostart", "I9 start record after the spawn", "C1 C2", 1},
	{MUTANT_LOWBALLOT, "m-lowballot", "I3 accept below the promise", "C3", 1},
	{MUTANT_NORAISE, "m-noraise", "I3 accept does not raise the promise", "C3 C12", 1},
	{MUTANT_ACKTWICE, "m-acktwice", "one ACK counted twice", "C1 C2 C3", 4},
	{MUTANT_NOEARLY, "m-noearly", "I10 EARLY is not checked", "C6", 13},
	{MUTANT_NOOLDDEF, "m-noolddef", "I11 OLD_DEF is not checked", "C5", 84},
	{MUTANT_OVERLAP, "m-overlap", "I12 forbid is judged outside f", "C7", 1},
	{MUTANT_ENDFIRST, "m-endfirst", "I2 end reported before its record is synced", "C12", 1},
	{MUTANT_VIEWMAJORITY, "m-viewmaj", "I6 majority of those one sees", "C1 C2 C3", 4},
	{MUTANT_STANDING, "m-standing", "standing promise without a majority's ACK", "C1 C2 C3", 3},
	{MUTANT_UNDECIDED, "m-undecided", "I9 a claim that is merely accepted is armed", "C1 C2", 3},
	{MUTANT_CARRIED, "m-carried", "I11 carried claim armed without reading def", "C5", 4},
	{MUTANT_NOCALLBACK, "m-nocallback", "I11 edit acknowledged before the cursor's same", "C5", 4},
	{MUTANT_NOEXTRA, "m-noextra", "I17 adopted value without its verdicts", "C9", 5},
	{MUTANT_DEFONE, "m-defone", "edit acknowledged from one voter", "C3", 1},
	{MUTANT_RELEASE, "m-release", "released although prepared", "C2", 1},
	{MUTANT_EXECUTOR, "m-executor", "I5 executor changed by the next proposer", "C1 C2 C3", 5},
	{MUTANT_NOFLOOR, "m-nofloor", "ARM at or below the floor is started", "C1 C2", 55},
};

const size_t mutant_entry_count = sizeof(mutant_entries) / sizeof(mutant_entries[0]);

const struct mutant_entry *mutants_find(const char *name)
{
	for (size_t i = 0; i < mutant_entry_count; i++)
		if (strcmp(mutant_entries[i].name, name) == 0)
			return &mutant_entries[i];
	return NULL;
}

bool mutants_is_killed_by(const struct mutant_entry *entry, const char *check)
{
	const char *at = strstr(entry->checks, check);
	size_t length = strlen(check);
	return at != NULL && (at[length] == ' ' || at[length] == '\0');
}
