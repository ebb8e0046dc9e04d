/* Values as the console writes them: short, of bounded width, the same words as schedctl. All formatters
 * NUL-terminate and write `-` for ROW_NONE. */
#ifndef TUI_SHOW_H
#define TUI_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tui/cells.h"
#include "tui/row.h"

#define SHOW_BYTES 40u
#define SHOW_VERDICT_BYTES 160u

typedef char show_text[SHOW_BYTES];

void show_count(int64_t count, show_text ret_text);      /* "100,412" */
void show_clock(int64_t utc_ms, show_text ret_text);     /* "12:04:31" */
void show_clock_ms(int64_t utc_ms, show_text ret_text);  /* "12:04:31.002" */
void show_span(int64_t ms, show_text ret_text);          /* "4m31s" */
void show_size(int64_t bytes, show_text ret_text);       /* "512M" */
void show_lag(int64_t us, show_text ret_text);           /* "0.2" "21" (ms) */
void show_rate(int64_t per_s_milli, show_text ret_text); /* "0.8/s" "812/s" */
/* "12:00:00" on the same day or within 12 h, "Mon 06h" within a week, else "20 Nov"; at most 8 cells. */
void show_past(int64_t utc_ms, int64_t now_utc_ms, show_text ret_text);
/* "13:00:00" today or within the hour, "1d 03:00", "12 Mar"; at most 9 cells. What is over is "+34s late". */
void show_next(int64_t utc_ms, int64_t now_utc_ms, show_text ret_text);
/* "failed(oom)", or "failed" where `width` is too small for all of it. */
void show_verdict(const char *verdict, const char *reason, int width, char ret_text[SHOW_VERDICT_BYTES]);

/* What a word of a state or verdict means; NORMAL for words that are not known. */
enum role show_role(const char *word);
bool show_is_bad(const char *verdict); /* failed, timeout, killed, lost, missed */

/* Case-insensitive over ASCII; an empty needle is in everything. Returns its place, or NULL. */
const char *show_find(const char *text, const char *needle);

#endif
