/* job show: every key with where it came from, the cursor, next fires and last verdicts. */
#include <stdio.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "agent/cli/job.h"
#include "agent/cli/run.h"
#include "agent/cli/table.h"
#include "proto/definition.h"
#include "proto/definition_build.h"
#include "proto/text.h"

#define VALUE_BYTES_MAX (DEFINITION_BYTES_MAX * 4u) /* quoted and escaped */

static struct slice definition_of(struct slice job)
{
	struct wire_reader value;
	if (!wire_map_find(job, "definition", &value))
		return (struct slice){0};
	return wire_get_bin(&value, DEFINITION_BYTES_MAX);
}

/* Calls back with each key, its value as text, and whether it was set; keys without value and default are left out. */
static void each_key(struct slice definition,
		     void (*on_key)(void *context, const char *name, struct slice text, bool is_set),
		     void *context)
{
	uint8_t *memory = growing_resize(NULL, VALUE_BYTES_MAX);
	for (int i = 0; i < DEFINITION_KEY_COUNT; i++) {
		enum definition_key_id id = (enum definition_key_id)i;
		const struct definition_key *key = definition_key_at(id);
		struct slice value;
		if (key->type == DEFINITION_SHORTHAND)
			continue;
		if (definition_find(definition, id, &value)) {
			struct buf text;
			buf_init(&text, memory, VALUE_BYTES_MAX);
			definition_put_value_text(&text, id, value);
			/* A text is shown as it is, without the quotes that YAML needs. */
			struct wire_reader reader;
			wire_reader_init(&reader, value);
			bool is_text = wire_peek(&reader) == WIRE_STR && key->type != DEFINITION_NAME;
			on_key(context, key->name,
			       is_text ? wire_get_str(&reader, DEFINITION_BYTES_MAX) : buf_slice(&text),
			       true);
		} else if (key->fallback != NULL) {
			on_key(context, key->name, slice_str(key->fallback), false);
		}
	}
	(void)growing_resize(memory, 0);
}

static void put_table_key(void *context, const char *name, struct slice text, bool is_set)
{
	struct table *table = context;
	table_cell(table, slice_str(name));
	table_cell(table, slice_str(is_set ? "set" : "default"));
	table_cell(table, text);
}

static void put_keys(struct slice definition, struct growing *out)
{
	struct table table;
	table_init(&table, 3);
	table_column(&table, 0, "key", false);
	table_column(&table, 1, "from", false);
	table_column(&table, 2, "value", false);
	each_key(definition, put_table_key, &table);
	table_write(&table, out);
	table_close(&table);
}

/* ---- as text ---- */

static void put_field(struct slice job, const char *label, const char *key, struct growing *out)
{
	struct slice text = wire_map_find_str(job, key);
	growing_format(out, "%-10s ", label);
	growing_escaped(out, text.bytes > 0 ? text : slice_str("-"));
	growing_put(out, "\n", 1);
}

static void put_time_field(struct slice job, const char *label, const char *key, struct growing *out)
{
	struct wire_reader value;
	char text[TEXT_TIME_BYTES] = "-";
	if (wire_map_find(job, key, &value) && wire_peek(&value) == WIRE_INT)
		text_format_time(wire_get_i64(&value), text);
	growing_format(out, "%-10s %s\n", label, text);
}

static void put_last(struct slice job, struct growing *out)
{
	struct wire_reader rows;
	if (!wire_map_find(job, "last", &rows))
		return;
	uint32_t count = wire_get_array(&rows, WIRE_ITEMS_MAX);
	for (uint32_t i = 0; i < count && rows.err == ERR_OK; i++) {
		struct slice row = wire_get_raw(&rows);
		struct growing verdict = {0};
		char node[NODE_NAME_BYTES_MAX + 1];
		run_put_verdict(row, &verdict);
		cli_field(row, "node", "", node, sizeof(node));
		growing_format(out, "%-10s ", i == 0 ? "last" : "");
		growing_escaped(out, wire_map_find_str(row, "fire"));
		growing_put(out, "  ", 2);
		growing_escaped(out, growing_slice(&verdict));
		growing_format(out, "%s", node[0] == '\0' ? "" : " on ");
		growing_escaped(out, slice_str(node));
		growing_put(out, "\n", 1);
		growing_close(&verdict);
	}
}

static void put_head(struct slice job, struct growing *out)
{
	char by[USER_NAME_BYTES_MAX + 1], changed[TEXT_TIME_BYTES], epoch[64];
	put_field(job, "job", "name", out);
	put_field(job, "id", "id", out);
	put_field(job, "state", "state", out);
	cli_field(job, "by", "-", by, sizeof(by));
	text_format_time(wire_map_find_i64(job, "changed_at", 0), changed);
	growing_format(out, "%-10s %lld, by ", "version",
		       (long long)wire_map_find_i64(job, "version", 0));
	growing_escaped(out, slice_str(by));
	growing_format(out, " at %s\n", changed);
	put_field(job, "schedule", "schedule", out);
	growing_format(out, "%-10s ", "next");
	size_t start = out->bytes;
	job_put_times(job, "next", out);
	growing_text(out, out->bytes == start ? "-\n" : "\n");
	put_time_field(job, "through", "through_at", out);
	growing_format(out, "%-10s ", "open");
	start = out->bytes;
	job_put_texts(job, "open", " ", out);
	growing_text(out, out->bytes == start ? "-\n" : "\n");
	growing_format(out, "%-10s %lld, epoch ", "arc", (long long)wire_map_find_i64(job, "arc", 0));
	cli_field(job, "epoch", "-", epoch, sizeof(epoch));
	growing_escaped(out, slice_str(epoch));
	growing_text(out, ", set: ");
	job_put_texts(job, "set", " ", out);
	growing_text(out, ", proposer: ");
	struct slice proposer = wire_map_find_str(job, "proposer");
	growing_escaped(out, proposer.bytes > 0 ? proposer : slice_str("-"));
	growing_put(out, "\n", 1);
	put_last(job, out);
}

/* ---- as JSON ---- */

struct key_rows {
	struct wire_map *array;
	struct buf *row;
};

static void put_json_key(void *context, const char *name, struct slice text, bool is_set)
{
	struct key_rows *rows = context;
	wire_array_item(rows->array);
	struct wire_map map = wire_map_begin(rows->row);
	wire_map_text(&map, rows->row, "key", name);
	wire_map_str(&map, rows->row, "value", text);
	wire_map_text(&map, rows->row, "from", is_set ? "set" : "default");
	wire_map_end(&map, rows->row);
}

/* The agent's fields, and `keys` behind them. */
static void write_json(struct cli *cli, struct slice job)
{
	size_t bytes_max = job.bytes + VALUE_BYTES_MAX;
	uint8_t *memory = growing_resize(NULL, bytes_max);
	struct buf row;
	buf_init(&row, memory, bytes_max);
	struct wire_map map = wire_map_begin(&row);
	struct wire_reader fields;
	wire_reader_init(&fields, job);
	uint32_t count = wire_get_map(&fields, WIRE_ITEMS_MAX);
	for (uint32_t i = 0; i < count && fields.err == ERR_OK; i++) {
		char key[64];
		wire_get_text(&fields, key, sizeof(key));
		wire_map_key(&map, &row, key);
		wire_put_raw(&row, wire_get_raw(&fields));
	}
	wire_map_key(&map, &row, "keys");
	struct wire_map array = wire_array_begin(&row);
	struct key_rows rows = {&array, &row};
	each_key(definition_of(job), put_json_key, &rows);
	wire_array_end(&array, &row);
	wire_map_end(&map, &row);
	cli_write_object(cli, "Job", row.has_overflowed ? job : buf_slice(&row));
	(void)growing_resize(memory, 0);
}

static void write_yaml(struct cli *cli, struct slice definition)
{
	uint8_t *memory = growing_resize(NULL, VALUE_BYTES_MAX);
	struct buf text;
	buf_init(&text, memory, VALUE_BYTES_MAX);
	definition_put_yaml(&text, definition);
	cli_write(cli, buf_slice(&text));
	(void)growing_resize(memory, 0);
}

int command_job_show(struct cli *cli)
{
	bool is_yaml = arguments_has(&cli->arguments, "yaml");
	if (is_yaml && cli->form != OUTPUT_TEXT)
		return cli_refuse(cli, ERR_INVALID, NULL, "--yaml and --json do not go together");
	cli_args_begin(cli);
	cli_args_text(cli, "name", cli->arguments.operands[0]);
	struct cli_call call = {.verb = "job.show"};
	struct slice job;
	int failed = cli_call(cli, &call, &job);
	if (failed != 0)
		return failed;
	if (cli->form != OUTPUT_TEXT) {
		write_json(cli, job);
		return EXIT_DONE;
	}
	struct slice definition = definition_of(job);
	struct definition decoded;
	struct problem problem;
	enum err err = definition_decode(definition, &decoded, &problem);
	if (is_yaml && err != ERR_OK)
		return cli_problem(cli, &problem);
	if (is_yaml) {
		write_yaml(cli, definition);
		return EXIT_DONE;
	}
	struct growing out = {0};
	put_head(job, &out);
	growing_put(&out, "\n", 1);
	put_keys(definition, &out);
	cli_write(cli, growing_slice(&out));
	growing_close(&out);
	return EXIT_DONE;
}
