/* The agent's log: lines on stderr, `time level text`, one fact each.
 *
 *   2026-03-30T02:30:00.123Z info ready socket=/var/lib/peersched/schedd.sock node=web-1
 *
 * The text is escaped as a whole (controls as ^X, bad bytes as U+FFFD), so that no name from outside can make a line of
 * its own or reach a terminal. error: somebody must act; warn: worse than it should be, going on; info: a
 * state changed; debug: the rest. */
#ifndef AGENT_LOG_H
#define AGENT_LOG_H

#include <stdbool.h>

#include "proto/err.h"
#include "proto/types.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_COUNT
};

#define LOG_LINE_BYTES_MAX 1024u /* longer texts are cut; a pipe takes such a line in one piece */

/* The words of --log-level, in the order of the enum. */
extern const char *const log_level_words[LOG_LEVEL_COUNT];

/* Lines above `level` are left out; info until it is called. */
void log_set_level(enum log_level level);
/* Added to the clock in each line, as it is in what the node is told. For tests. */
void log_set_clock_offset(int64_t offset_ms);

void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
/* A text that is already made, of any bytes. */
void log_text(enum log_level level, struct slice text);

#endif
