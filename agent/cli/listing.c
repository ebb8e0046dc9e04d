/* Lists: rows of the local API as a table, as JSON lines or as one JSON document. */
#include "agent/cli/listing.h"

#include <string.h>
#include <time.h>

#include "agent/cli/json.h"
#include "proto/hash.h"
#include "proto/text.h"

#define PAGE_ROWS 1000
#define WATCH_EVERY_MS 1000
#define LIST_ITEMS_MAX 64u

/* ---- columns ---- */

static int unknown_column(struct cli *cli, const struct listing *listing, const char *name)
{
	const char *names[TABLE_COLUMNS_MAX];
	struct growing hint = {0};
	growing_text(&hint, "columns: ");
	for (size_t i = 0; i < listing->column_count; i++) {
		names[i] = listing->columns[i].name;
		growing_format(&hint, "%s%s", i == 0 ? "" : ",", names[i]);
	}
	char near[128];
	suggest_words(name, names, listing->column_count, near, sizeof(near));
	int exit_code = cli_refuse(cli, ERR_INVALID, growing_string(&hint),
				   "--columns: no column \"%s\"%s%s", name,
				   near[0] == '\0' ? "" : "; near: ", near);
	growing_close(&hint);
	return exit_code;
}

static int choose_columns(struct listing *listing, const char *text)
{
	for (const char *at = text;; at++) {
		size_t bytes = strcspn(at, ",");
		char name[64] = "";
		if (bytes < sizeof(name))
			memcpy(name, at, bytes);
		size_t i = 0;
		while (i < listing->column_count && strcmp(listing->columns[i].name, name) != 0)
			i++;
		if (i == listing->column_count)
			return unknown_column(listing->cli, listing, name);
		if (listing->chosen_count == TABLE_COLUMNS_MAX)
			return cli_refuse(listing->cli, ERR_FULL, NULL, "--columns: more than %u",
					  TABLE_COLUMNS_MAX);
		listing->chosen[listing->chosen_count++] = i;
		at += bytes;
		if (*at == '\0')
			return 0;
	}
}

static void table_begin(struct listing *listing)
{
	table_init(&listing->table, listing->chosen_count);
	for (size_t i = 0; i < listing->chosen_count; i++) {
		const struct column *column = &listing->columns[listing->chosen[i]];
		bool is_right = column->kind == COLUMN_NUMBER || column->kind == COLUMN_SPAN ||
				column->kind == COLUMN_SPAN_US || column->kind == COLUMN_BYTES ||
				column->kind == COLUMN_MILLI;
		table_column(&listing->table, i, column->name, is_right);
	}
}

int listing_init(struct listing *listing, struct cli *cli, const char *kind,
		 const struct column *columns, size_t column_count)
{
	*listing = (struct listing){
		.cli = cli, .kind = kind, .columns = columns, .column_count = column_count};
	const char *chosen = arguments_text(&cli->arguments, "columns");
	listing->count_max = (uint64_t)arguments_number(&cli->arguments, "limit", 0);
	if (chosen != NULL) {
		int failed = choose_columns(listing, chosen);
		if (failed != 0)
			return failed;
	}
	for (size_t i = 0; chosen == NULL && i < column_count; i++) {
		if (columns[i].is_default)
			listing->chosen[listing->chosen_count++] = i;
	}
	table_begin(listing);
	return 0;
}

void listing_close(struct listing *listing)
{
	if (listing == NULL)
		return;
	row_sort_close(&listing->sort);
	table_close(&listing->table);
	growing_close(&listing->lines);
	listing->seen = growing_resize(listing->seen, 0);
	listing->now = growing_resize(listing->now, 0);
}

/* ---- cells ---- */

static void put_number(enum column_kind kind, int64_t value, struct growing *out)
{
	char text[TEXT_TIME_BYTES];
	switch (kind) {
	case COLUMN_TIME:
	case COLUMN_NEXT:
		text_format_time(value, text);
		growing_text(out, text);
		return;
	case COLUMN_SPAN:
		text_format_span(value, text);
		growing_text(out, text);
		return;
	case COLUMN_SPAN_US:
		growing_format(out, "%.2fms", (double)value / 1000);
		return;
	case COLUMN_MILLI:
		growing_format(out, "%.2f", (double)value / 1000);
		return;
	case COLUMN_BYTES:
		if (value >= 1 << 30)
			growing_format(out, "%.1fG", (double)value / (1 << 30));
		else if (value >= 1 << 20)
			growing_format(out, "%.1fM", (double)value / (1 << 20));
		else if (value >= 1 << 10)
			growing_format(out, "%.1fK", (double)value / (1 << 10));
		else
			growing_format(out, "%lld", (long long)value);
		return;
	case COLUMN_TEXT:
	case COLUMN_NUMBER:
	case COLUMN_VERDICT:
	case COLUMN_BOOL:
	case COLUMN_LIST:
		growing_format(out, "%lld", (long long)value);
		return;
	}
}

static void put_list(struct wire_reader *reader, struct growing *out)
{
	uint32_t count = wire_get_array(reader, WIRE_ITEMS_MAX);
	for (uint32_t i = 0; i < count && reader->err == ERR_OK; i++) {
		if (i > 0)
			growing_put(out, ",", 1);
		if (i == LIST_ITEMS_MAX) {
			growing_text(out, "...");
			return;
		}
		struct slice text = wire_get_str(reader, FRAME_BYTES_MAX);
		growing_put(out, text.data, text.bytes);
	}
}

void listing_cell(struct slice row, const struct column *column, struct growing *ret_text)
{
	struct wire_reader value;
	if (!wire_map_find(row, column->field, &value)) {
		if (column->kind != COLUMN_NEXT)
			return;
		wire_reader_init(&value, (struct slice){0});
	}
	switch (wire_peek(&value)) {
	case WIRE_INT:
		put_number(column->kind, wire_get_i64(&value), ret_text);
		break;
	case WIRE_BOOL:
		growing_text(ret_text, wire_get_bool(&value) ? "yes" : "no");
		break;
	case WIRE_STR: {
		struct slice text = wire_get_str(&value, FRAME_BYTES_MAX);
		growing_put(ret_text, text.data, text.bytes);
		break;
	}
	case WIRE_ARRAY:
		put_list(&value, ret_text);
		break;
	case WIRE_NIL:
	case WIRE_FLOAT:
	case WIRE_BIN:
	case WIRE_MAP:
	case WIRE_NONE:
		/* What has no next time says why. */
		if (column->kind == COLUMN_NEXT) {
			struct slice state = wire_map_find_str(row, column->field_more);
			growing_put(ret_text, state.data, state.bytes);
		}
		return;
	}
	if (column->kind == COLUMN_VERDICT) {
		struct slice reason = wire_map_find_str(row, column->field_more);
		if (reason.bytes > 0)
			growing_format(ret_text, "(%.*s)", (int)reason.bytes, (const char *)reason.data);
	}
}

/* ---- rows ---- */

static void remember(uint64_t **hashes, size_t *count, size_t *count_max, uint64_t hash)
{
	if (*count == *count_max) {
		*count_max = *count_max == 0 ? 64 : *count_max * 2;
		*hashes = growing_resize(*hashes, *count_max * sizeof(**hashes));
	}
	(*hashes)[(*count)++] = hash;
}

/* With --watch only lines that the last round did not have are written. */
static bool is_news(struct listing *listing, struct slice line)
{
	uint64_t hash = hash_u64(line);
	remember(&listing->now, &listing->now_count, &listing->now_max, hash);
	for (size_t i = 0; i < listing->seen_count; i++) {
		if (listing->seen[i] == hash)
			return false;
	}
	return true;
}

static void put_row(void *context, struct slice row)
{
	struct listing *listing = context;
	struct cli *cli = listing->cli;
	if (cli->form != OUTPUT_TEXT) {
		size_t start = listing->lines.bytes;
		json_put_row(&listing->lines, row);
		struct slice line = slice_of(listing->lines.data + start, listing->lines.bytes - start);
		if (cli->form == OUTPUT_JSON && arguments_has(&cli->arguments, "watch") &&
		    !is_news(listing, line))
			listing->lines.bytes = start;
		return;
	}
	struct growing cell = {0};
	for (size_t i = 0; i < listing->chosen_count; i++) {
		growing_clear(&cell);
		listing_cell(row, &listing->columns[listing->chosen[i]], &cell);
		table_cell(&listing->table, growing_slice(&cell));
	}
	growing_close(&cell);
}

void listing_row(void *context, struct slice row)
{
	struct listing *listing = context;
	listing->row_count++;
	if (listing->is_count)
		return;
	if (listing->sort_field != NULL)
		row_sort_add(&listing->sort, row);
	else
		put_row(listing, row);
}

static void write_document(struct listing *listing, struct slice end)
{
	struct growing document = {0};
	int64_t as_of_ms = wire_map_find_i64(end, "as_of_at", 0);
	struct json_document head = {
		.kind = listing->kind,
		.via = listing->cli->node,
		.as_of_ms = as_of_ms != 0 ? as_of_ms : client_utc_ms(),
		.is_complete = wire_map_find_bool(end, "complete", true),
		.next = wire_map_find_str(end, "next"),
	};
	struct wire_reader missing;
	if (!head.is_complete && wire_map_find(end, "missing", &missing))
		head.missing = wire_get_raw(&missing);
	json_put_document(&document, &head, growing_slice(&listing->lines));
	cli_write(listing->cli, growing_slice(&document));
	growing_close(&document);
}

int listing_end(struct listing *listing, struct slice end)
{
	struct cli *cli = listing->cli;
	if (listing->is_count)
		return cli_note_missing(cli, end);
	if (listing->sort_field != NULL)
		row_sort_flush(&listing->sort, listing->sort_field, put_row, listing);
	switch (cli->form) {
	case OUTPUT_TEXT:
		if (listing->is_sorted && !listing->table.has_header)
			table_sort(&listing->table);
		table_write(&listing->table, &listing->lines);
		cli_write(cli, growing_slice(&listing->lines));
		break;
	case OUTPUT_JSON:
		cli_write(cli, growing_slice(&listing->lines));
		break;
	case OUTPUT_JSON_DOCUMENT:
		write_document(listing, end);
		break;
	}
	growing_clear(&listing->lines);
	struct slice next = wire_map_find_str(end, "next");
	if (next.bytes > 0 && cli->form != OUTPUT_JSON_DOCUMENT)
		cli_note(cli, "there is more: --after %.*s", (int)next.bytes, (const char *)next.data);
	return cli_note_missing(cli, end);
}

/* ---- pages and rounds ---- */

static int run_pages(struct listing *listing, const char *verb,
		     void (*put_args)(struct cli *cli, void *context), void *context)
{
	struct cli *cli = listing->cli;
	struct growing token = {0};
	growing_text(&token, arguments_text(&cli->arguments, "after") != NULL
				     ? arguments_text(&cli->arguments, "after")
				     : "");
	struct slice end = {0};
	int exit_code;
	for (;;) {
		uint64_t left = PAGE_ROWS;
		if (listing->count_max != 0 && listing->count_max - listing->row_count < left)
			left = listing->count_max - listing->row_count;
		cli_args_begin(cli);
		put_args(cli, context);
		wire_map_i64(&cli->args_map, &cli->args, "limit", (int64_t)left);
		if (token.bytes > 0)
			cli_args_text(cli, "after", growing_string(&token));
		struct cli_call call = {.verb = verb, .on_row = listing_row, .context = listing};
		exit_code = cli_call(cli, &call, &end);
		if (exit_code != 0)
			break;
		struct slice next = wire_map_find_str(end, "next");
		bool is_full = listing->count_max != 0 && listing->row_count >= listing->count_max;
		/* An empty page with a token would ask for ever. */
		bool is_last = next.bytes == 0 || is_full || slice_equal(next, growing_slice(&token));
		if (is_last) {
			exit_code = listing_end(listing, end);
			break;
		}
		growing_clear(&token);
		growing_put(&token, next.data, next.bytes);
		/* A long table is written in blocks. */
		if (cli->form == OUTPUT_TEXT && !listing->is_count)
			table_write(&listing->table, &listing->lines);
	}
	growing_close(&token);
	return exit_code;
}

static void next_round(struct listing *listing)
{
	uint64_t *seen = listing->seen;
	size_t seen_max = listing->seen_max;
	listing->seen = listing->now;
	listing->seen_count = listing->now_count;
	listing->seen_max = listing->now_max;
	listing->now = seen;
	listing->now_max = seen_max;
	listing->now_count = 0;
	listing->row_count = 0;
	table_close(&listing->table);
	table_begin(listing);
	struct timespec pause = {.tv_sec = WATCH_EVERY_MS / 1000};
	(void)nanosleep(&pause, NULL);
	/* On a terminal each round is drawn over the last one. */
	if (listing->cli->is_terminal && listing->cli->form == OUTPUT_TEXT)
		cli_write(listing->cli, slice_str("\x1b[H\x1b[J"));
}

int listing_run(struct listing *listing, const char *verb,
		void (*put_args)(struct cli *cli, void *context), void *context)
{
	bool is_watching = arguments_has(&listing->cli->arguments, "watch");
	if (is_watching && listing->cli->is_terminal && listing->cli->form == OUTPUT_TEXT)
		cli_write(listing->cli, slice_str("\x1b[H\x1b[J"));
	for (;;) {
		int exit_code = run_pages(listing, verb, put_args, context);
		if (!is_watching || listing->cli->has_failed)
			return exit_code;
		next_round(listing);
	}
}
