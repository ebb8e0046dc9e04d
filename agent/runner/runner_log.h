/* The runner's log: stderr, one line one fact: `2025-03-30T02:30:00.012Z info run started run=...`. */
#ifndef AGENT_RUNNER_RUNNER_LOG_H
#define AGENT_RUNNER_RUNNER_LOG_H

#include "proto/err.h"

enum runner_log_level { RUNNER_LOG_ERROR, RUNNER_LOG_WARN, RUNNER_LOG_INFO };

/* Text from outside must have gone through text_escape. */
void runner_log(enum runner_log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
