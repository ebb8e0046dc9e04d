/* Cron expressions in plain words, so that who saves one sees what it will do. */
#ifndef AGENT_CORE_CRON_WORDS_H
#define AGENT_CORE_CRON_WORDS_H

#include <stddef.h>

#include "agent/core/cron.h"
#include "proto/err.h"

#define CRON_WORDS_BYTES_MAX 1024u

/* "every 7 minutes (56→00 is 4 min), from 9:00 to 17:59, Monday to Friday". UTF-8, NUL-terminated.
 * ERR_FULL: it did not fit, ret_text is empty; CRON_WORDS_BYTES_MAX is always enough. */
MUST_CHECK enum err cron_describe(const struct cron *cron, char *ret_text, size_t text_bytes);

#endif
