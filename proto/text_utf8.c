/* UTF-8: what is valid, which code points are in it, and what of it a terminal may be shown. */
#include "proto/text.h"

#include <stdio.h>
#include <string.h>

#include "proto/text_width.h"

#define REPLACEMENT 0xfffdu
#define CODE_POINT_MAX 0x10ffffu

/* The bytes of the character that starts at `data` and its code point; 0: not valid UTF-8. No overlong
 * forms, no surrogates, nothing above U+10FFFF (RFC 3629). */
static size_t decode_character(const uint8_t *data, size_t bytes, uint32_t *ret_code_point)
{
	uint8_t first = data[0];
	if (first < 0x80u) {
		*ret_code_point = first;
		return 1;
	}
	size_t wanted = first >= 0xf0u ? 4 : first >= 0xe0u ? 3 : 2;
	if (first < 0xc2u || first > 0xf4u || wanted > bytes)
		return 0;
	uint32_t code_point = first & (0x7fu >> wanted);
	for (size_t i = 1; i < wanted; i++) {
		if ((data[i] & 0xc0u) != 0x80u)
			return 0;
		code_point = code_point << 6 | (data[i] & 0x3fu);
	}
	static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
	if (code_point < smallest[wanted] || code_point > CODE_POINT_MAX)
		return 0;
	if (code_point >= 0xd800u && code_point <= 0xdfffu)
		return 0;
	*ret_code_point = code_point;
	return wanted;
}

bool text_is_utf8(struct slice text)
{
	for (size_t at = 0; at < text.bytes;) {
		uint32_t code_point;
		size_t step = decode_character(text.data + at, text.bytes - at, &code_point);
		if (step == 0 || code_point == 0)
			return false;
		at += step;
	}
	return true;
}

uint32_t text_next_code_point(struct slice *rest)
{
	if (rest->bytes == 0)
		return 0;
	uint32_t code_point;
	size_t step = decode_character(rest->data, rest->bytes, &code_point);
	if (step == 0) {
		step = 1;
		code_point = REPLACEMENT;
	}
	rest->data += step;
	rest->bytes -= step;
	/* 0 means the end, so a NUL inside is one more thing that can not be shown. */
	return code_point != 0 ? code_point : REPLACEMENT;
}

static bool is_in(uint32_t code_point, const struct text_range *ranges, size_t count)
{
	size_t low = 0;
	size_t high = count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (code_point > ranges[middle].last)
			low = middle + 1;
		else if (code_point < ranges[middle].first)
			high = middle;
		else
			return true;
	}
	return false;
}

int text_cells_of(uint32_t code_point)
{
	if (code_point < 0x20u || (code_point >= 0x7fu && code_point < 0xa0u))
		return -1;
	/* Below U+0300 nothing is wide, and the soft hyphen is shown. */
	if (code_point < 0x300u)
		return 1;
	if (is_in(code_point, text_zero_ranges, text_zero_range_count))
		return 0;
	return is_in(code_point, text_wide_ranges, text_wide_range_count) ? 2 : 1;
}

bool text_is_reordering(uint32_t code_point)
{
	return code_point == 0x061cu || code_point == 0x200eu || code_point == 0x200fu ||
	       (code_point >= 0x2028u && code_point <= 0x202eu) ||
	       (code_point >= 0x2066u && code_point <= 0x2069u);
}

/* How text_escape writes a code point, not terminated: its bytes. */
static size_t escape_character(uint32_t code_point, char ret_text[4])
{
	if (code_point < 0x20u || code_point == 0x7fu) {
		ret_text[0] = '^';
		ret_text[1] = (char)(code_point ^ 0x40u);
		return 2;
	}
	if (code_point < 0x7fu) {
		ret_text[0] = (char)code_point;
		return 1;
	}
	if (code_point < 0xa0u || text_is_reordering(code_point))
		code_point = REPLACEMENT;
	if (code_point < 0x800u) {
		ret_text[0] = (char)(0xc0u | code_point >> 6);
		ret_text[1] = (char)(0x80u | (code_point & 0x3fu));
		return 2;
	}
	if (code_point < 0x10000u) {
		ret_text[0] = (char)(0xe0u | code_point >> 12);
		ret_text[1] = (char)(0x80u | (code_point >> 6 & 0x3fu));
		ret_text[2] = (char)(0x80u | (code_point & 0x3fu));
		return 3;
	}
	ret_text[0] = (char)(0xf0u | code_point >> 18);
	ret_text[1] = (char)(0x80u | (code_point >> 12 & 0x3fu));
	ret_text[2] = (char)(0x80u | (code_point >> 6 & 0x3fu));
	ret_text[3] = (char)(0x80u | (code_point & 0x3fu));
	return 4;
}

size_t text_cells(struct slice text)
{
	size_t cells = 0;
	while (text.bytes > 0) {
		uint32_t code_point = text_next_code_point(&text);
		int width = text_cells_of(code_point);
		if (text_is_reordering(code_point))
			width = 1;
		else if (width < 0) /* ^X, or U+FFFD for C1 */
			width = code_point < 0x80u ? 2 : 1;
		cells += (size_t)width;
	}
	return cells;
}

void text_escape(struct slice text, char *ret_text, size_t text_bytes)
{
	if (text_bytes == 0)
		return;
	size_t used = 0;
	while (text.bytes > 0) {
		char made[4];
		size_t bytes = escape_character(text_next_code_point(&text), made);
		if (bytes > text_bytes - 1 - used)
			break;
		memcpy(ret_text + used, made, bytes);
		used += bytes;
	}
	ret_text[used] = '\0';
}

const char *text_quote(struct slice text, char ret_text[TEXT_QUOTE_BYTES])
{
	/* Room for both quotes and the dots. */
	char shown[TEXT_QUOTE_BYTES - 5];
	size_t used = 0;
	while (text.bytes > 0) {
		char made[4];
		struct slice rest = text;
		size_t bytes = escape_character(text_next_code_point(&rest), made);
		if (bytes > sizeof(shown) - 1 - used)
			break;
		memcpy(shown + used, made, bytes);
		used += bytes;
		text = rest;
	}
	shown[used] = '\0';
	(void)snprintf(ret_text, TEXT_QUOTE_BYTES, "\"%s%s\"", shown, text.bytes > 0 ? "..." : "");
	return ret_text;
}
