/* Bytes that grow as they are appended to. */
#include "agent/cli/growing.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/text.h"

#define GROWING_BYTES_FIRST 256u
#define ESCAPE_BYTES_MAX 3u /* a bad byte becomes U+FFFD */

void *growing_resize(void *memory, size_t bytes)
{
	if (bytes == 0) {
		free(memory);
		return NULL;
	}
	void *resized = realloc(memory, bytes);
	if (resized == NULL) {
		(void)fputs("schedctl: out of memory\n", stderr);
		exit(7);
	}
	return resized;
}

void growing_close(struct growing *text)
{
	if (text == NULL)
		return;
	free(text->data);
	*text = (struct growing){0};
}

void growing_clear(struct growing *text)
{
	text->bytes = 0;
	if (text->data != NULL)
		text->data[0] = '\0';
}

/* Room for `bytes` more and the NUL. */
static void growing_reserve(struct growing *text, size_t bytes)
{
	size_t wanted = text->bytes + bytes + 1;
	if (wanted <= text->bytes_max)
		return;
	size_t bytes_max = text->bytes_max == 0 ? GROWING_BYTES_FIRST : text->bytes_max;
	while (bytes_max < wanted)
		bytes_max *= 2;
	text->data = growing_resize(text->data, bytes_max);
	text->bytes_max = bytes_max;
}

void growing_put(struct growing *text, const void *data, size_t bytes)
{
	growing_reserve(text, bytes);
	if (bytes > 0)
		memcpy(text->data + text->bytes, data, bytes);
	text->bytes += bytes;
	text->data[text->bytes] = '\0';
}

void growing_text(struct growing *text, const char *words)
{
	growing_put(text, words, strlen(words));
}

void growing_format(struct growing *text, const char *format, ...)
{
	va_list arguments, again;
	va_start(arguments, format);
	va_copy(again, arguments);
	int bytes = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (bytes > 0) {
		growing_reserve(text, (size_t)bytes);
		(void)vsnprintf(text->data + text->bytes, (size_t)bytes + 1, format, again);
		text->bytes += (size_t)bytes;
	}
	va_end(again);
}

void growing_repeat(struct growing *text, char character, size_t count)
{
	growing_reserve(text, count);
	memset(text->data + text->bytes, character, count);
	text->bytes += count;
	text->data[text->bytes] = '\0';
}

void growing_escaped(struct growing *text, struct slice bytes)
{
	size_t bytes_max = bytes.bytes * ESCAPE_BYTES_MAX + 1;
	growing_reserve(text, bytes_max);
	text_escape(bytes, text->data + text->bytes, bytes_max);
	text->bytes += strlen(text->data + text->bytes);
}

const char *growing_string(const struct growing *text)
{
	return text->data == NULL ? "" : text->data;
}

struct slice growing_slice(const struct growing *text)
{
	return slice_of(text->data, text->bytes);
}

enum err growing_read(struct growing *text, FILE *file, size_t bytes_max)
{
	char chunk[16384];
	for (;;) {
		size_t bytes = fread(chunk, 1, sizeof(chunk), file);
		if (bytes == 0)
			return ferror(file) ? ERR_IO : ERR_OK;
		if (bytes > bytes_max - text->bytes)
			return ERR_FULL;
		growing_put(text, chunk, bytes);
	}
}
