/* Which code points take no cell or two cells on a terminal: sorted ranges, Unicode 15. For text_utf8.c. */
#ifndef PROTO_TEXT_WIDTH_H
#define PROTO_TEXT_WIDTH_H

#include <stddef.h>
#include <stdint.h>

struct text_range {
	uint32_t first;
	uint32_t last;
};

/* Combining marks (Mn, Me), format characters (Cf), Hangul vowels and finals. */
extern const struct text_range text_zero_ranges[];
extern const size_t text_zero_range_count;
/* East Asian Width W and F; all emoji that are shown as pictures are among them. */
extern const struct text_range text_wide_ranges[];
extern const size_t text_wide_range_count;

#endif
