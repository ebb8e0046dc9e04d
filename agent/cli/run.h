/* What commands say of a run. */
#ifndef AGENT_CLI_RUN_H
#define AGENT_CLI_RUN_H

#include "agent/cli/growing.h"
#include "proto/types.h"

/* "failed(3)", of any row with `verdict` and `reason`. */
void run_put_verdict(struct slice row, struct growing *out);

/* From here on Ctrl-C prints how to wait for the run again, and then ends the program by SIGINT. */
void run_set_interrupt_hint(const char *run);

#endif
