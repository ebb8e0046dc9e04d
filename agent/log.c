/* The agent's log. Each line is one write, so that lines of several processes on one stderr do not mix. */
#include "agent/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/buf.h"
#include "proto/text.h"

const char *const log_level_words[LOG_LEVEL_COUNT] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

static enum log_level level_shown = LOG_LEVEL_INFO;
static int64_t clock_offset_ms;

void log_set_level(enum log_level level)
{
	level_shown = level;
}

void log_set_clock_offset(int64_t offset_ms)
{
	clock_offset_ms = offset_ms;
}

void log_text(enum log_level level, struct slice text)
{
	if (level > level_shown)
		return;
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	char time_text[TEXT_TIME_BYTES];
	text_format_time_ms((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + clock_offset_ms,
			    time_text);
	char line[LOG_LINE_BYTES_MAX];
	int head = snprintf(line, sizeof(line), "%s %s ", time_text, log_level_words[level]);
	/* The last byte is for the line's end, in place of the NUL. */
	text_escape(text, line + head, sizeof(line) - (size_t)head - 1);
	size_t bytes = strlen(line);
	line[bytes++] = '\n';
	/* A log that can not be written has nobody to tell. */
	ssize_t written = write(STDERR_FILENO, line, bytes);
	(void)written;
}

void log_line(enum log_level level, const char *format, ...)
{
	if (level > level_shown)
		return;
	char text[LOG_LINE_BYTES_MAX];
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_text(level, slice_str(text));
}
