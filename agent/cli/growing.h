/* Bytes that grow as they are appended to: text for the screen, documents, requests.
 *
 * Running out of memory ends the program: a command line tool has nothing better to do. */
#ifndef AGENT_CLI_GROWING_H
#define AGENT_CLI_GROWING_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/err.h"
#include "proto/types.h"

struct growing {
	char *data; /* NUL-terminated, or NULL while nothing was appended */
	size_t bytes;
	size_t bytes_max; /* allocated */
};

/* A zeroed struct is empty and usable; takes NULL. */
void growing_close(struct growing *text);
void growing_clear(struct growing *text);
void growing_put(struct growing *text, const void *data, size_t bytes);
void growing_text(struct growing *text, const char *words);
void growing_format(struct growing *text, const char *format, ...) PRINTF_LIKE(2, 3);
void growing_repeat(struct growing *text, char character, size_t count);
/* Text from outside, made safe for a terminal (proto/text.h, text_escape). */
void growing_escaped(struct growing *text, struct slice bytes);
/* Never NULL. */
const char *growing_string(const struct growing *text);
struct slice growing_slice(const struct growing *text);
/* Reads to the end of the file. ERR_FULL: more than bytes_max; ERR_IO. */
MUST_CHECK enum err growing_read(struct growing *text, FILE *file, size_t bytes_max);

/* realloc that ends the program instead of failing; bytes 0 frees and returns NULL. */
void *growing_resize(void *memory, size_t bytes);

#endif
