#include "agent/runner/runner_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "proto/text.h"

#define RUNNER_LOG_LINE_BYTES_MAX 1024

static const char *level_word(enum runner_log_level level)
{
	switch (level) {
	case RUNNER_LOG_ERROR:
		return "error";
	case RUNNER_LOG_WARN:
		return "warn";
	case RUNNER_LOG_INFO:
		return "info";
	}
	return "info";
}

void runner_log(enum runner_log_level level, const char *format, ...)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	char time_text[TEXT_TIME_BYTES];
	text_format_time_ms((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, time_text);

	char line[RUNNER_LOG_LINE_BYTES_MAX];
	int head = snprintf(line, sizeof(line) - 1, "%s %s ", time_text, level_word(level));
	va_list arguments;
	va_start(arguments, format);
	int body = vsnprintf(line + head, sizeof(line) - 1 - (size_t)head, format, arguments);
	va_end(arguments);
	size_t bytes = (size_t)head + (body > 0 ? (size_t)body : 0);
	if (bytes > sizeof(line) - 2)
		bytes = sizeof(line) - 2;
	line[bytes++] = '\n';
	/* One write is one line, also where several programs share the terminal. A log that cannot be written is no
	 * reason to stop. */
	ssize_t written = write(STDERR_FILENO, line, bytes);
	(void)written;
}
