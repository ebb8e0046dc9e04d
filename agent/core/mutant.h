/* Rules that tests break on purpose, to see that a checker notices. Only the simulator's build has the switch (MUTANTS
 * is defined); in every other build each question is the constant false, and no symbol is left. The rules are numbered
 * as in docs/ARCHITECTURE.md. */
#ifndef AGENT_CORE_MUTANT_H
#define AGENT_CORE_MUTANT_H

#include <stdbool.h>

enum mutant {
	MUTANT_NONE,
	MUTANT_NOFSYNC,      /* I2: effects leave before the commit (in the simulator's disk) */
	MUTANT_NOADOPT,      /* I4: what promises report is ignored */
	MUTANT_NOSTART,      /* I9: the start record is written after the spawn */
	MUTANT_LOWBALLOT,    /* I3: an accept below the promise is taken */
	MUTANT_NORAISE,      /* I3: an accept does not raise the promise */
	MUTANT_ACKTWICE,     /* one ACK counted twice when duplicated */
	MUTANT_NOEARLY,      /* I10: EARLY is not checked */
	MUTANT_NOOLDDEF,     /* I11: OLD_DEF is not checked */
	MUTANT_OVERLAP,      /* I12: forbid is judged outside f */
	MUTANT_ENDFIRST,     /* the end is reported before its record is synced */
	MUTANT_VIEWMAJORITY, /* I6: majority of those one sees */
	MUTANT_STANDING,     /* the standing promise is used without a majority's ACK */
	MUTANT_UNDECIDED,    /* I9: a claim that is accepted and not decided is armed */
	MUTANT_CARRIED,      /* I11: a carried claim is armed without reading the definition from a majority */
	MUTANT_NOCALLBACK,   /* I11: an edit is acknowledged before the cursor's `same` */
	MUTANT_NOEXTRA,      /* I17: an adopted value goes on without its ends and verdicts */
	MUTANT_DEFONE,       /* an edit is decided by one voter */
	MUTANT_RELEASE,      /* `released` although it was prepared */
	MUTANT_EXECUTOR,     /* I5: the executor of a run is changed by the next proposer */
	MUTANT_NOFLOOR,      /* an ARM at or below the floor is started */
	MUTANT_COUNT
};

#ifdef MUTANTS
bool mutant_is_on(enum mutant mutant);
#else
static inline bool mutant_is_on(enum mutant mutant)
{
	(void)mutant;
	return false;
}
#endif

#endif
