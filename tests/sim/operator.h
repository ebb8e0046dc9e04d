/* People: they add jobs, edit, pause, resume, remove and run them, at any agent, through its local socket. What an agent
 * answered counts: the checker holds it against what happens. */
#ifndef TESTS_SIM_OPERATOR_H
#define TESTS_SIM_OPERATOR_H

#include "tests/sim/world.h"

enum operator_verb {
	OPERATOR_PUT,
	OPERATOR_EDIT,
	OPERATOR_PAUSE,
	OPERATOR_RESUME,
	OPERATOR_REMOVE,
	OPERATOR_RUN
};

#define OPERATOR_DEFINITION_BYTES 512u

struct operator_job {
	char name[JOB_NAME_BYTES_MAX + 1];
	struct id128 id;
	uint8_t definition[OPERATOR_DEFINITION_BYTES]; /* as first put */
	size_t definition_bytes;
	bool is_stable;    /* after it was put, nobody changes it: each of its fires can be counted */
	bool is_asked;     /* put, whether answered or not */
	bool allows_overlap;
};

void operator_open(struct world *world);
void operator_close(struct world *world);
void operator_on_reply(struct world *world, struct host *host, uint64_t client, struct slice bytes);
void operator_on_agent_gone(struct world *world, struct host *host);
uint32_t operator_job_count(const struct world *world);
const struct operator_job *operator_job_at(const struct world *world, uint32_t index);
const struct operator_job *operator_job_find(const struct world *world, struct id128 id);

#endif
