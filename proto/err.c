/* The words and exit codes of errors, and the problem that carries a reason to a person. */
#include "proto/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct err_entry {
	const char *word;
	const char *text;
	int exit_code;
};

static const struct err_entry entries[ERR_COUNT] = {
	[ERR_OK] = {"ok", "no error", 0},
	[ERR_INVALID] = {"invalid", "not of the right form", 2},
	[ERR_RANGE] = {"range", "outside its limit", 2},
	[ERR_NOT_FOUND] = {"not_found", "not found", 3},
	[ERR_EXISTS] = {"exists", "exists already", 5},
	[ERR_STALE] = {"stale", "older than what is known", 5},
	[ERR_FULL] = {"full", "a limit is reached", 5},
	[ERR_DENIED] = {"denied", "not allowed", 4},
	[ERR_NO_MAJORITY] = {"no_majority", "not decided: no majority answered", 6},
	[ERR_TIMEOUT] = {"timeout", "no answer in time", 7},
	[ERR_CORRUPT] = {"corrupt", "the bytes do not check", 2},
	[ERR_TRUNCATED] = {"truncated", "cut short", 2},
	[ERR_UNSUPPORTED] = {"unsupported", "not built in this version", 2},
	[ERR_IO] = {"io", "the system refused", 2},
	[ERR_NO_MEMORY] = {"no_memory", "out of memory", 2},
	[ERR_CLOSED] = {"closed", "the other end is gone", 7},
};

static const struct err_entry unknown_entry = {"unknown", "unknown error", 2};

static const struct err_entry *entry_of(enum err code)
{
	if ((unsigned)code >= ERR_COUNT)
		return &unknown_entry;
	return &entries[code];
}

const char *err_text(enum err code)
{
	return entry_of(code)->text;
}

const char *err_word(enum err code)
{
	return entry_of(code)->word;
}

int err_exit_code(enum err code)
{
	return entry_of(code)->exit_code;
}

/* Copies `text` and cuts it where a character ends: the last one may be there in part, because whoever
 * wrote `text` had to stop at a byte. */
static void copy_whole_characters(char *ret_text, size_t ret_bytes, const char *text, bool is_cut)
{
	size_t bytes = strnlen(text, ret_bytes);
	if (bytes == ret_bytes) {
		bytes = ret_bytes - 1;
		is_cut = true;
	}
	if (is_cut) {
		/* Goes back over continuation bytes to a lead byte, and keeps that character if it is whole. */
		size_t lead = bytes;
		while (lead > 0 && ((unsigned char)text[lead - 1] & 0xc0u) == 0x80u)
			lead--;
		if (lead > 0) {
			unsigned char first = (unsigned char)text[lead - 1];
			size_t wanted = first >= 0xf0u   ? 4
					: first >= 0xe0u ? 3
					: first >= 0xc0u ? 2
							 : 1;
			if (bytes - (lead - 1) < wanted)
				bytes = lead - 1;
		}
	}
	memmove(ret_text, text, bytes);
	ret_text[bytes] = '\0';
}

/* The arguments may point into the problem that is written, so the text is made aside first. */
static void __attribute__((format(printf, 3, 0)))
format_into(char *ret_text, size_t ret_bytes, const char *format, va_list arguments)
{
	char made[PROBLEM_TEXT_BYTES_MAX];
	int length = vsnprintf(made, sizeof(made), format, arguments);
	if (length < 0)
		made[0] = '\0';
	copy_whole_characters(ret_text, ret_bytes, made, length >= (int)sizeof(made));
}

enum err problem_set(struct problem *problem, enum err code, const char *format, ...)
{
	if (problem == NULL)
		return code;
	va_list arguments;
	va_start(arguments, format);
	format_into(problem->text, sizeof(problem->text), format, arguments);
	va_end(arguments);
	problem->code = code;
	problem->hint[0] = '\0';
	return code;
}

void problem_context(struct problem *problem, const char *format, ...)
{
	if (problem == NULL)
		return;
	char context[PROBLEM_TEXT_BYTES_MAX];
	va_list arguments;
	va_start(arguments, format);
	format_into(context, sizeof(context), format, arguments);
	va_end(arguments);
	char both[2 * PROBLEM_TEXT_BYTES_MAX + 2];
	(void)snprintf(both, sizeof(both), "%s: %s", context, problem->text);
	copy_whole_characters(problem->text, sizeof(problem->text), both, false);
}

void problem_hint(struct problem *problem, const char *format, ...)
{
	if (problem == NULL)
		return;
	va_list arguments;
	va_start(arguments, format);
	format_into(problem->hint, sizeof(problem->hint), format, arguments);
	va_end(arguments);
}
