/* Decoding of rows, by one table of fields per kind.
 *
 * Two passes over the same map: the first counts the bytes of the texts, the second fills a block of exactly that
 * size. */
#include "tui/row.h"

#include <assert.h>
#include <string.h>

#include "proto/limits.h"
#include "proto/wire.h"

enum field_type {
	FIELD_TEXT,  /* str; a list of str is joined with blanks */
	FIELD_BYTES, /* bin or str, as a slice */
	FIELD_I64,
	FIELD_BOOL,
};

struct field {
	const char *name;
	enum field_type type;
	size_t offset;
};

#define TEXT(kind, name, member)                                \
	{                                                       \
		name, FIELD_TEXT, offsetof(struct kind, member) \
	}
#define NUMBER(kind, member)                                      \
	{                                                         \
#member, FIELD_I64, offsetof(struct kind, member) \
	}
#define FLAG(kind, name, member)                                \
	{                                                       \
		name, FIELD_BOOL, offsetof(struct kind, member) \
	}

static const struct field job_fields[] = {
	TEXT(job_row, "name", name),
	TEXT(job_row, "state", state),
	TEXT(job_row, "schedule", schedule),
	TEXT(job_row, "tz", tz),
	TEXT(job_row, "next_node", next_node),
	TEXT(job_row, "last_verdict", last_verdict),
	TEXT(job_row, "last_reason", last_reason),
	TEXT(job_row, "last_node", last_node),
	TEXT(job_row, "last_run", last_run),
	TEXT(job_row, "hist", hist),
	TEXT(job_row, "overlap", overlap),
	TEXT(job_row, "misfire", misfire),
	TEXT(job_row, "description", description),
	TEXT(job_row, "command", command),
	TEXT(job_row, "running_run", running_run),
	TEXT(job_row, "waiting_reason", waiting_reason),
	NUMBER(job_row, version),
	NUMBER(job_row, next_at),
	NUMBER(job_row, last_due_at),
	NUMBER(job_row, last_start_at),
	NUMBER(job_row, last_dur_ms),
	NUMBER(job_row, runs_ok),
	NUMBER(job_row, runs_failed),
	FLAG(job_row, "paused", is_paused),
	FLAG(job_row, "enabled", is_enabled),
};

static const struct field run_fields[] = {
	TEXT(run_row, "run", name),
	TEXT(run_row, "short", short_id),
	TEXT(run_row, "job", job),
	TEXT(run_row, "node", node),
	TEXT(run_row, "state", state),
	TEXT(run_row, "verdict", verdict),
	TEXT(run_row, "reason", reason),
	TEXT(run_row, "note", note),
	NUMBER(run_row, due_at),
	NUMBER(run_row, attempt),
	NUMBER(run_row, exit),
	NUMBER(run_row, signal),
	NUMBER(run_row, claimed_at),
	NUMBER(run_row, armed_at),
	NUMBER(run_row, started_at),
	NUMBER(run_row, ended_at),
	NUMBER(run_row, dur_ms),
	NUMBER(run_row, late_us),
	NUMBER(run_row, version),
	NUMBER(run_row, pid),
	NUMBER(run_row, user_us),
	NUMBER(run_row, system_us),
	NUMBER(run_row, rss_bytes),
	NUMBER(run_row, output_bytes),
	FLAG(run_row, "manual", is_manual),
};

static const struct field node_fields[] = {
	TEXT(node_row, "name", name),
	TEXT(node_row, "id", id),
	TEXT(node_row, "state", state),
	TEXT(node_row, "addr", address),
	TEXT(node_row, "version", version),
	TEXT(node_row, "marks", marks),
	NUMBER(node_row, boot),
	NUMBER(node_row, incarnation),
	NUMBER(node_row, age_ms),
	NUMBER(node_row, offset_ms),
	NUMBER(node_row, rtt_us),
	NUMBER(node_row, slots),
	NUMBER(node_row, running),
	NUMBER(node_row, executed),
	NUMBER(node_row, votes),
	NUMBER(node_row, proposes),
	NUMBER(node_row, load_milli),
	NUMBER(node_row, cpus),
	NUMBER(node_row, memory_bytes),
	NUMBER(node_row, memory_free_bytes),
	NUMBER(node_row, up_ms),
	FLAG(node_row, "self", is_self),
	FLAG(node_row, "runner", has_runner),
};

static const struct field status_fields[] = {
	TEXT(status_row, "cluster", cluster),
	TEXT(status_row, "node", node),
	TEXT(status_row, "warnings", warnings),
	NUMBER(status_row, now_at),
	NUMBER(status_row, nodes_alive),
	NUMBER(status_row, nodes_total),
	NUMBER(status_row, jobs),
	NUMBER(status_row, jobs_paused),
	NUMBER(status_row, runs_running),
	NUMBER(status_row, runs_claimed),
	NUMBER(status_row, slots),
	NUMBER(status_row, fires_per_s_milli),
	NUMBER(status_row, failed_per_min),
	NUMBER(status_row, missed_per_min),
	NUMBER(status_row, lag_p50_us),
	NUMBER(status_row, lag_p99_us),
	NUMBER(status_row, arcs_moving),
	NUMBER(status_row, arcs_short),
	NUMBER(status_row, views_agree),
	NUMBER(status_row, views_total),
	NUMBER(status_row, alerts),
	NUMBER(status_row, clock_skew_ms),
	NUMBER(status_row, undecided),
	FLAG(status_row, "isolated", is_isolated),
	FLAG(status_row, "paused", is_paused),
};

static const struct field line_fields[] = {
	TEXT(line_row, "run", name),      TEXT(line_row, "short", short_id),
	TEXT(line_row, "job", job),       TEXT(line_row, "node", node),
	TEXT(line_row, "stream", stream), {"text", FIELD_BYTES, offsetof(struct line_row, text)},
	NUMBER(line_row, t_at),
};

static const struct kind {
	const struct field *fields;
	size_t field_count;
	size_t struct_bytes;
} kinds[] = {
	[ROW_JOB] = {job_fields, sizeof(job_fields) / sizeof(job_fields[0]), sizeof(struct job_row)},
	[ROW_RUN] = {run_fields, sizeof(run_fields) / sizeof(run_fields[0]), sizeof(struct run_row)},
	[ROW_NODE] = {node_fields, sizeof(node_fields) / sizeof(node_fields[0]), sizeof(struct node_row)},
	[ROW_STATUS] = {status_fields, sizeof(status_fields) / sizeof(status_fields[0]),
			sizeof(struct status_row)},
	[ROW_LINE] = {line_fields, sizeof(line_fields) / sizeof(line_fields[0]), sizeof(struct line_row)},
};

static const struct field *field_of(const struct kind *kind, struct slice name)
{
	for (size_t i = 0; i < kind->field_count; i++) {
		if (slice_equal(name, slice_str(kind->fields[i].name)))
			return &kind->fields[i];
	}
	return NULL;
}

/* Where texts go: NULL in the first pass, which only counts. */
struct texts {
	char *next;
	size_t bytes;
};

static const char *texts_add(struct texts *texts, struct slice text)
{
	char *begin = texts->next;
	size_t bytes = text.bytes < ROW_TEXT_BYTES_MAX ? text.bytes : ROW_TEXT_BYTES_MAX;
	texts->bytes += bytes + 1;
	if (begin == NULL)
		return NULL;
	if (bytes > 0)
		memcpy(begin, text.data, bytes);
	begin[bytes] = '\0';
	texts->next += bytes + 1;
	return begin;
}

/* A list of texts becomes one, with blanks between; other items are left out. */
static const char *read_list(struct wire_reader *reader, struct texts *texts)
{
	const char *begin = texts->next;
	uint32_t count = wire_get_array(reader, ROW_FIELDS_MAX);
	bool is_first = true;
	for (uint32_t i = 0; i < count && reader->err == ERR_OK; i++) {
		if (wire_peek(reader) != WIRE_STR) {
			wire_skip(reader);
			continue;
		}
		struct slice item = wire_get_str(reader, ROW_TEXT_BYTES_MAX);
		/* The terminator of the text before becomes the blank between. */
		if (!is_first && texts->next != NULL)
			texts->next[-1] = ' ';
		(void)texts_add(texts, item);
		is_first = false;
	}
	if (is_first)
		(void)texts_add(texts, slice_of(NULL, 0));
	return begin;
}

static void read_text(struct wire_reader *reader, struct texts *texts, const char **ret_text)
{
	switch (wire_peek(reader)) {
	case WIRE_STR:
		*ret_text = texts_add(texts, wire_get_str(reader, FRAME_BYTES_MAX));
		return;
	case WIRE_ARRAY:
		*ret_text = read_list(reader, texts);
		return;
	case WIRE_NIL:
	case WIRE_BOOL:
	case WIRE_INT:
	case WIRE_FLOAT:
	case WIRE_BIN:
	case WIRE_MAP:
	case WIRE_NONE:
		wire_skip(reader);
		return;
	}
}

static void read_bytes(struct wire_reader *reader, struct texts *texts, struct slice *ret_bytes)
{
	enum wire_type type = wire_peek(reader);
	if (type != WIRE_STR && type != WIRE_BIN) {
		wire_skip(reader);
		return;
	}
	struct slice bytes = type == WIRE_STR ? wire_get_str(reader, FRAME_BYTES_MAX)
					      : wire_get_bin(reader, FRAME_BYTES_MAX);
	if (bytes.bytes > ROW_TEXT_BYTES_MAX)
		bytes.bytes = ROW_TEXT_BYTES_MAX;
	/* The end of a line is no part of what is shown. */
	if (bytes.bytes > 0 && bytes.data[bytes.bytes - 1] == '\n')
		bytes.bytes--;
	if (bytes.bytes > 0 && bytes.data[bytes.bytes - 1] == '\r')
		bytes.bytes--;
	*ret_bytes = slice_of(texts_add(texts, bytes), bytes.bytes);
}

int64_t row_number(int64_t number)
{
	return number > ROW_NUMBER_MAX || number < -ROW_NUMBER_MAX ? ROW_NONE : number;
}

static void read_field(const struct field *field, struct wire_reader *reader, uint8_t *row,
		       struct texts *texts)
{
	switch (field->type) {
	case FIELD_TEXT: {
		const char *text = NULL;
		read_text(reader, texts, &text);
		if (row != NULL && text != NULL)
			memcpy(row + field->offset, &text, sizeof(text));
		return;
	}
	case FIELD_BYTES: {
		struct slice bytes = {0};
		read_bytes(reader, texts, &bytes);
		if (row != NULL)
			memcpy(row + field->offset, &bytes, sizeof(bytes));
		return;
	}
	case FIELD_I64: {
		int64_t number = ROW_NONE;
		if (wire_peek(reader) == WIRE_INT)
			number = row_number(wire_get_i64(reader));
		else
			wire_skip(reader);
		if (row != NULL)
			memcpy(row + field->offset, &number, sizeof(number));
		return;
	}
	case FIELD_BOOL: {
		bool flag = false;
		if (wire_peek(reader) == WIRE_BOOL)
			flag = wire_get_bool(reader);
		else
			wire_skip(reader);
		if (row != NULL)
			memcpy(row + field->offset, &flag, sizeof(flag));
		return;
	}
	}
}

static enum err read_map(const struct kind *kind, struct slice value, uint8_t *row, struct texts *texts)
{
	struct wire_reader reader;
	wire_reader_init(&reader, value);
	uint32_t count = wire_get_map(&reader, ROW_FIELDS_MAX);
	for (uint32_t i = 0; i < count && reader.err == ERR_OK; i++) {
		const struct field *field = field_of(kind, wire_get_str(&reader, ROW_TEXT_BYTES_MAX));
		if (field == NULL)
			wire_skip(&reader);
		else
			read_field(field, &reader, row, texts);
	}
	return wire_reader_end(&reader) == ERR_OK ? ERR_OK : ERR_INVALID;
}

static void set_absent(const struct kind *kind, uint8_t *row)
{
	static const char *const empty = "";
	static const int64_t none = ROW_NONE;
	for (size_t i = 0; i < kind->field_count; i++) {
		const struct field *field = &kind->fields[i];
		if (field->type == FIELD_TEXT)
			memcpy(row + field->offset, &empty, sizeof(empty));
		if (field->type == FIELD_I64)
			memcpy(row + field->offset, &none, sizeof(none));
	}
}

enum err row_decode(enum row_kind row_kind, struct slice key, struct slice value,
		    row_resize *resize, struct row **ret_row)
{
	const struct kind *kind = &kinds[row_kind];
	struct texts counted = {0};
	(void)texts_add(&counted, key);
	enum err err = read_map(kind, value, NULL, &counted);
	if (err != ERR_OK)
		return err;
	size_t bytes = kind->struct_bytes + counted.bytes;
	struct row *row = resize(NULL, bytes);
	if (row == NULL)
		return ERR_NO_MEMORY;
	memset(row, 0, kind->struct_bytes);
	set_absent(kind, (uint8_t *)row);
	struct texts texts = {.next = (char *)row + kind->struct_bytes};
	row->key = texts_add(&texts, key);
	row->bytes = (uint32_t)bytes;
	err = read_map(kind, value, (uint8_t *)row, &texts);
	assert(err == ERR_OK && texts.bytes == counted.bytes);
	*ret_row = row;
	return ERR_OK;
}

void row_free(struct row *row, row_resize *resize)
{
	if (row != NULL)
		(void)resize(row, 0);
}
