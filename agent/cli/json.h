/* Rows of the local API as JSON text. The only file that knows jansson.
 *
 * Conventions of the fields: `x_at` (ms UTC) becomes `x` in RFC 3339 UTC with milliseconds; numbers keep
 * their unit in the name (dur_ms); nil is null; ids are text; `definition` (bytes) becomes an object, and
 * an array `next` becomes `next_fires`, a list of times.
 * Bytes that are not UTF-8 are shown as U+FFFD. */
#ifndef AGENT_CLI_JSON_H
#define AGENT_CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/cli/growing.h"
#include "proto/types.h"

/* Appends one row (a msgpack map) as one object on one line, newline included. A value that is not
 * msgpack is null. */
void json_put_row(struct growing *out, struct slice row);

/* An error as it goes to stderr. `hint` and `request_id` may be NULL or empty: then null. */
void json_put_error(struct growing *out, const char *code, int exit_code, const char *message,
		    const char *hint, const char *request_id);

/* What a document says about its items (--json=doc). */
struct json_document {
	const char *kind;     /* "JobList" */
	const char *via;      /* the agent that answered; NULL: none was asked */
	int64_t as_of_ms;     /* 0: not known */
	bool is_complete;     /* all agents answered */
	struct slice missing; /* msgpack array of node names, or empty */
	struct slice next;    /* token of the next page, or empty */
};

/* One document around items, which are the lines that json_put_row made. */
void json_put_document(struct growing *out, const struct json_document *document, struct slice lines);

#endif
