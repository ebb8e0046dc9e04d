/* Errors: the codes that functions return, and the words that people see.
 *
 * A function that can fail in more than one way returns `enum err`; 0 is success. Where the reason
 * has to reach a person, it also fills a `struct problem`: context is added by who knows it,
 * outermost first ("load job 42: decode: 3 fields, expected 5"). */
#ifndef PROTO_ERR_H
#define PROTO_ERR_H

#include <stdbool.h>
#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first) __attribute__((format(printf, format_index, first)))

enum err {
	ERR_OK = 0,
	ERR_INVALID,     /* the input is not of the form it must have */
	ERR_RANGE,       /* a number, size or time is outside its named limit */
	ERR_NOT_FOUND,   /* no such thing */
	ERR_EXISTS,      /* the name or id is taken */
	ERR_STALE,       /* older than what is known (normal for rumours), or a version that moved on */
	ERR_FULL,        /* a named limit is reached; nothing was changed */
	ERR_DENIED,      /* not allowed: key, credentials, file mode, policy */
	ERR_NO_MAJORITY, /* not decided: too few members of the set answered */
	ERR_TIMEOUT,     /* no answer in time */
	ERR_CORRUPT,     /* stored or sealed bytes do not check */
	ERR_TRUNCATED,   /* the bytes end before the value does */
	ERR_UNSUPPORTED, /* known, but this version does not build it */
	ERR_IO,          /* the system refused; see the problem's text */
	ERR_NO_MEMORY,
	ERR_CLOSED,      /* the other end is gone */
	ERR_COUNT        /* not an error: how many there are */
};

#define PROBLEM_TEXT_BYTES_MAX 512u
#define PROBLEM_HINT_BYTES_MAX 256u

/* What a person is told: what was wrong and where, and what to do next. */
struct problem {
	enum err code;
	char text[PROBLEM_TEXT_BYTES_MAX]; /* "cron: field 2 (hour), column 3: 24 is above 23" */
	char hint[PROBLEM_HINT_BYTES_MAX]; /* a command to type or a thing to do; may be empty */
};

/* Short lower-case words for a code: "not found". Never NULL. */
const char *err_text(enum err code);

/* The word used in JSON errors: "not_found". Never NULL. */
const char *err_word(enum err code);

/* The exit code of schedctl for it: 0 done, 1 done but the answer is no, 2 bad input, 3 not found,
 * 4 not allowed, 5 conflict, 6 no majority, 7 no answer in time. */
int err_exit_code(enum err code);

/* Sets code and text, clears the hint; returns `code`, so that a function can end with it.
 * `problem` may be NULL. A text that is too long is cut at a character boundary. */
enum err problem_set(struct problem *problem, enum err code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "context: " in front of the text. */
void problem_context(struct problem *problem, const char *format, ...) PRINTF_LIKE(2, 3);

/* Sets the hint. */
void problem_hint(struct problem *problem, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
