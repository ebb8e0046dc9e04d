/* Errors of files, told all at once. */
#include "agent/cli/file_error.h"

#include <string.h>

#include "proto/text.h"

#define LINE_BYTES_MAX 160u /* of a long line only the beginning is shown */

static struct slice line_of(struct slice source, uint32_t line)
{
	size_t start = 0;
	for (uint32_t i = 1; i < line && start < source.bytes; i++) {
		const uint8_t *end = memchr(source.data + start, '\n', source.bytes - start);
		start = end == NULL ? source.bytes : (size_t)(end - source.data) + 1;
	}
	size_t bytes = 0;
	while (start + bytes < source.bytes && source.data[start + bytes] != '\n')
		bytes++;
	return slice_of(source.data + start, bytes);
}

/* The line, and a caret under the character at `column`; tabs are single blanks in both. */
static void put_line(struct growing *out, struct slice line, uint32_t column)
{
	struct growing shown = {0};
	size_t caret = 0;
	uint32_t at = 1;
	struct slice rest = line;
	while (rest.bytes > 0 && shown.bytes < LINE_BYTES_MAX) {
		struct slice before = rest;
		(void)text_next_code_point(&rest);
		size_t used = before.bytes - rest.bytes;
		if (used == 0)
			break;
		if (at == column)
			caret = text_cells(growing_slice(&shown));
		if (used == 1 && before.data[0] == '\t')
			growing_put(&shown, " ", 1);
		else
			growing_escaped(&shown, slice_of(before.data, used));
		at++;
	}
	if (at <= column)
		caret = text_cells(growing_slice(&shown));
	growing_format(out, "\n  %s\n  ", growing_string(&shown));
	growing_repeat(out, ' ', caret);
	growing_put(out, "^", 1);
	growing_close(&shown);
}

void file_errors_add(struct file_errors *errors, const char *message, const char *hint,
		     struct slice source, uint32_t line, uint32_t column)
{
	errors->count++;
	if (errors->count > FILE_ERRORS_MAX)
		return;
	if (errors->count > 1)
		growing_put(&errors->text, "\n", 1);
	growing_escaped(&errors->text, slice_str(message));
	if (hint != NULL && hint[0] != '\0')
		growing_format(&errors->text, " (%s)", hint);
	if (line > 0 && source.bytes > 0)
		put_line(&errors->text, line_of(source, line), column);
}

int file_errors_tell(struct cli *cli, const struct file_errors *errors, const char *code, int exit_code)
{
	struct growing text = {0};
	growing_put(&text, growing_string(&errors->text), errors->text.bytes);
	if (errors->count > FILE_ERRORS_MAX)
		growing_format(&text, "\nand %llu more errors",
			       (unsigned long long)(errors->count - FILE_ERRORS_MAX));
	(void)cli_error(cli, code, exit_code, growing_string(&text), NULL);
	growing_close(&text);
	return exit_code;
}

void file_errors_close(struct file_errors *errors)
{
	if (errors == NULL)
		return;
	growing_close(&errors->text);
}
