/* Text that people read and write: names, durations, sizes, times, and what may be shown on a terminal.
 * Parsers take borrowed bytes and name the field's problem; formatters always NUL-terminate. */
#ifndef PROTO_TEXT_H
#define PROTO_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "proto/types.h"

/* Parses "group/name" or "name" (group `default`): parts [A-Za-z0-9][A-Za-z0-9._-]{0,63}.
 * ret_full is always "group/name"; JOB_NAME_BYTES_MAX + 1 bytes. */
MUST_CHECK enum err text_parse_job_name(struct slice text, char *ret_full, struct problem *problem);
/* What users see: without "default/". Points into `full`. */
const char *text_job_display(const char *full);
/* Node names: [A-Za-z0-9][A-Za-z0-9._-]{0,62}. */
MUST_CHECK enum err text_check_node_name(struct slice text, struct problem *problem);

/* "90s" "5m" "1h" "2d" "1h30m" "250ms"; a bare number is refused. ret in ms. */
MUST_CHECK enum err text_parse_duration(struct slice text, int64_t *ret_ms, struct problem *problem);
/* "1M" "64K" "2G" "1T" "123" (powers of 1024). */
MUST_CHECK enum err text_parse_size(struct slice text, uint64_t *ret_bytes, struct problem *problem);
/* RFC 3339 with zone: "2025-03-30T02:30:00Z", "...+01:00", fraction up to ms; years 1970 to 2199. */
MUST_CHECK enum err text_parse_rfc3339(struct slice text, int64_t *ret_utc_ms, struct problem *problem);
MUST_CHECK enum err text_parse_i64(struct slice text, int64_t min, int64_t max, int64_t *ret_value, struct problem *problem);

#define TEXT_TIME_BYTES 32u
/* "2025-03-30T02:30:00Z"; ".mmm" only if the ms are not 0. */
void text_format_time(int64_t utc_ms, char ret_text[TEXT_TIME_BYTES]);
/* Always with ms: "2025-03-30T02:30:00.000Z" (JSON). */
void text_format_time_ms(int64_t utc_ms, char ret_text[TEXT_TIME_BYTES]);
/* "12:04:31" UTC. */
void text_format_clock(int64_t utc_ms, char ret_text[TEXT_TIME_BYTES]);
#define TEXT_DURATION_BYTES 32u
/* Exact, as a key takes it: "1h30m", "250ms", "0s"; a minus in front of what is negative. */
void text_format_duration(int64_t ms, char ret_text[TEXT_DURATION_BYTES]);
/* Short, for tables, never more than it is: "0.05s" "1.2s" "41.2s" "4m31s" "1h02m" "12d". */
void text_format_span(int64_t ms, char ret_text[TEXT_DURATION_BYTES]);

#define TEXT_ID_BYTES 33u
void text_format_id(struct id128 id, char ret_text[TEXT_ID_BYTES]); /* 32 hex digits */
MUST_CHECK enum err text_parse_id(struct slice text, struct id128 *ret_id, struct problem *problem);

#define TEXT_ADDRESS_BYTES 56u
void text_format_address(const struct address *address, char ret_text[TEXT_ADDRESS_BYTES]); /* "127.0.0.1:7420" "[::1]:7420" */
/* Numeric only, port 1 to 65535; a missing port is port_default. An IPv4 address in IPv6 form becomes IPv4. */
MUST_CHECK enum err text_parse_address(struct slice text, uint16_t port_default, struct address *ret_address, struct problem *problem);

/* "backup@2025-03-30T02:30:00Z/0#1", manual "...Z+c7f2a1/0#1"; RUN_NAME_BYTES_MAX + 1 bytes. `job_full` is "group/name". */
void text_format_run(const char *job_full, const struct run_key *key, char *ret_text, size_t text_bytes);
/* The first 8 hex digits of XXH3-64 over the run's key; RUN_SHORT_BYTES + 1 bytes. */
void text_format_run_short(const struct run_key *key, char ret_text[9]);

/* UTF-8. */
bool text_is_utf8(struct slice text);                    /* valid, no NUL, no overlong, no surrogates */
uint32_t text_next_code_point(struct slice *rest);       /* U+FFFD for a bad byte; advances; 0 at the end */
/* Cells of a code point on a terminal: 0 combining, 1, 2 wide; -1 control. A table of our own (no locale). */
int text_cells_of(uint32_t code_point);
/* Characters that change the direction or the lines of what surrounds them: with them a name can be made to read as
 * another one. */
bool text_is_reordering(uint32_t code_point);
/* Cells of the text as text_escape writes it. */
size_t text_cells(struct slice text);
/* Makes text from outside safe for a terminal or a log: controls as ^X, C1, bad bytes and what changes the
 * direction of writing as U+FFFD. Cut at a character boundary. */
void text_escape(struct slice text, char *ret_text, size_t text_bytes);
#define TEXT_QUOTE_BYTES 80u
/* The text in double quotes, escaped, a long one cut with "..."; for messages. Returns ret_text. */
const char *text_quote(struct slice text, char ret_text[TEXT_QUOTE_BYTES]);

/* Copies, cut at a character boundary; always NUL-terminated. */
void text_copy(char *ret_text, size_t text_bytes, const char *text);
void text_copy_slice(char *ret_text, size_t text_bytes, struct slice text);
/* `first` and then `second`, cut likewise. */
void text_join(char *ret_text, size_t text_bytes, const char *first, struct slice second);
#define TEXT_NUMBER_BYTES 24u
void text_format_i64(int64_t value, char ret_text[TEXT_NUMBER_BYTES]);
/* "TERM", "KILL"; "35" where there is no name. */
void text_format_signal(int signal, char ret_text[TEXT_NUMBER_BYTES]);

/* The nearest of `words` to `text`, edit distance <= 2, or NULL. */
const char *text_nearest(const char *text, const char *const *words, size_t word_count);

#endif
