/* Copies into fixed arrays, and numbers as text. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/text.h"

/* The longest prefix of at most bytes_max bytes that does not cut a character. */
static size_t text_cut(struct slice text, size_t bytes_max)
{
	if (text.bytes <= bytes_max)
		return text.bytes;
	size_t bytes = bytes_max;
	while (bytes > 0 && (text.data[bytes] & 0xC0u) == 0x80u)
		bytes--;
	return bytes;
}

void text_copy_slice(char *ret_text, size_t text_bytes, struct slice text)
{
	size_t bytes = text_cut(text, text_bytes - 1);
	if (bytes > 0)
		memcpy(ret_text, text.data, bytes);
	ret_text[bytes] = '\0';
}

void text_copy(char *ret_text, size_t text_bytes, const char *text)
{
	text_copy_slice(ret_text, text_bytes, slice_str(text));
}

void text_join(char *ret_text, size_t text_bytes, const char *first, struct slice second)
{
	text_copy(ret_text, text_bytes, first);
	size_t used = strlen(ret_text);
	text_copy_slice(ret_text + used, text_bytes - used, second);
}

void text_format_i64(int64_t value, char ret_text[TEXT_NUMBER_BYTES])
{
	(void)snprintf(ret_text, TEXT_NUMBER_BYTES, "%" PRId64, value);
}

void text_format_signal(int signal, char ret_text[TEXT_NUMBER_BYTES])
{
	static const struct {
		int number;
		const char *name;
	} names[] = {
		{ SIGHUP, "HUP" },   { SIGINT, "INT" },   { SIGQUIT, "QUIT" }, { SIGILL, "ILL" },   { SIGTRAP, "TRAP" },
		{ SIGABRT, "ABRT" }, { SIGBUS, "BUS" },   { SIGFPE, "FPE" },   { SIGKILL, "KILL" }, { SIGUSR1, "USR1" },
		{ SIGSEGV, "SEGV" }, { SIGUSR2, "USR2" }, { SIGPIPE, "PIPE" }, { SIGALRM, "ALRM" }, { SIGTERM, "TERM" },
		{ SIGXCPU, "XCPU" }, { SIGXFSZ, "XFSZ" }, { SIGSYS, "SYS" },
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].number == signal) {
			text_copy(ret_text, TEXT_NUMBER_BYTES, names[i].name);
			return;
		}
	}
	text_format_i64(signal, ret_text);
}
