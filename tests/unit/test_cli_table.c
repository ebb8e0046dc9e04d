#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/cli/growing.h"
#include "agent/cli/json.h"
#include "agent/cli/table.h"
#include "proto/buf.h"
#include "proto/wire.h"

#define CASE(function, sentence)                     \
	{                                            \
		sentence, function, NULL, NULL, NULL \
	}

static void cell(struct table *table, const char *text)
{
	table_cell(table, slice_str(text));
}

static void widths_are_cells(void **state)
{
	(void)state;
	struct table table;
	struct growing out = {0};
	table_init(&table, 2);
	table_column(&table, 0, "name", false);
	table_column(&table, 1, "n", true);
	cell(&table, "東京");
	cell(&table, "7");
	cell(&table, "e\xcc\x81");
	cell(&table, "123");
	table_write(&table, &out);
	assert_string_equal(growing_string(&out), "NAME    N\n"
						  "東京    7\n"
						  "e\xcc\x81     123\n");
	table_close(&table);
	growing_close(&out);
}

static void the_last_column_has_no_blanks_behind(void **state)
{
	(void)state;
	struct table table;
	struct growing out = {0};
	table_init(&table, 1);
	table_column(&table, 0, "long-name", false);
	cell(&table, "a");
	cell(&table, "");
	table_write(&table, &out);
	assert_string_equal(growing_string(&out), "LONG-NAME\na\n-\n");
	table_close(&table);
	growing_close(&out);
}

static void controls_do_not_pass(void **state)
{
	(void)state;
	struct table table;
	struct growing out = {0};
	table_init(&table, 1);
	table_column(&table, 0, "x", false);
	cell(&table, "a\x1b[2J\nb\tc");
	table_cell(&table, slice_of("\xff\xc2\x9b", 3));
	table_write(&table, &out);
	assert_string_equal(growing_string(&out), "X\na^[[2J^Jb^Ic\n\xef\xbf\xbd\xef\xbf\xbd\n");
	table_close(&table);
	growing_close(&out);
}

static void blocks_of_a_long_list_stay_in_line(void **state)
{
	(void)state;
	struct table table;
	struct growing out = {0};
	table_init(&table, 2);
	table_column(&table, 0, "a", false);
	table_column(&table, 1, "b", false);
	cell(&table, "wide-cell");
	cell(&table, "1");
	table_write(&table, &out);
	cell(&table, "x");
	cell(&table, "2");
	table_write(&table, &out);
	assert_string_equal(growing_string(&out), "A          B\nwide-cell  1\nx          2\n");
	table_close(&table);
	growing_close(&out);
}

/* ---- JSON ---- */

static const char *json_of(struct buf *row, struct growing *out)
{
	growing_clear(out);
	json_put_row(out, buf_slice(row));
	return growing_string(out);
}

static void fields_keep_their_order_and_times_lose_their_at(void **state)
{
	(void)state;
	uint8_t memory[512];
	struct buf row;
	struct growing out = {0};
	buf_init(&row, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&row);
	wire_map_text(&map, &row, "z", "a\"b\n\x1b");
	wire_map_i64(&map, &row, "due_at", 1743300000123);
	wire_map_nil(&map, &row, "next_at");
	wire_map_i64(&map, &row, "dur_ms", -5);
	wire_map_bool(&map, &row, "self", true);
	wire_map_end(&map, &row);
	assert_string_equal(json_of(&row, &out),
			    "{\"z\":\"a\\\"b\\n\\u001B\",\"due\":\"2025-03-30T02:00:00.123Z\","
			    "\"next\":null,\"dur_ms\":-5,\"self\":true}\n");
	growing_close(&out);
}

static void lists_of_times_and_inner_maps_follow_the_same_rule(void **state)
{
	(void)state;
	uint8_t memory[512];
	struct buf row;
	struct growing out = {0};
	buf_init(&row, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&row);
	wire_map_key(&map, &row, "next");
	wire_put_array(&row, 2);
	wire_put_i64(&row, 0);
	wire_put_nil(&row);
	wire_map_key(&map, &row, "last");
	wire_put_array(&row, 1);
	wire_put_map(&row, 1);
	wire_put_text(&row, "due_at");
	wire_put_i64(&row, 1000);
	wire_map_end(&map, &row);
	assert_string_equal(json_of(&row, &out),
			    "{\"next_fires\":[\"1970-01-01T00:00:00.000Z\",null],"
			    "\"last\":[{\"due\":\"1970-01-01T00:00:01.000Z\"}]}\n");
	growing_close(&out);
}

static void bytes_that_are_no_text_become_replacement_characters(void **state)
{
	(void)state;
	uint8_t memory[64];
	struct buf row;
	struct growing out = {0};
	buf_init(&row, memory, sizeof(memory));
	wire_put_map(&row, 1);
	wire_put_text(&row, "text");
	wire_put_bin(&row, "a\xff\x00z", 4);
	const char *text = json_of(&row, &out);
	assert_non_null(strstr(text, "{\"text\":\"a\xef\xbf\xbd"));
	assert_non_null(strstr(text, "z\"}\n"));
	growing_close(&out);
}

static void a_definition_is_an_object(void **state)
{
	(void)state;
	uint8_t memory[128], inner_memory[64];
	struct buf row, inner;
	struct growing out = {0};
	buf_init(&inner, inner_memory, sizeof(inner_memory));
	wire_put_map(&inner, 1);
	wire_put_text(&inner, "job");
	wire_put_text(&inner, "a/b");
	buf_init(&row, memory, sizeof(memory));
	wire_put_map(&row, 1);
	wire_put_text(&row, "definition");
	wire_put_bin(&row, inner.data, inner.bytes);
	assert_string_equal(json_of(&row, &out), "{\"definition\":{\"job\":\"a/b\"}}\n");
	growing_close(&out);
}

static void what_is_not_msgpack_is_null_and_ends(void **state)
{
	(void)state;
	static const uint8_t broken[][6] = {
		{0xc1},
		{0xdf, 0xff, 0xff, 0xff, 0xff},
		{0x81, 0xa1, 'a', 0xdd, 0xff, 0xff},
		{0x91, 0x91, 0x91, 0x91, 0x91, 0x91},
	};
	struct growing out = {0};
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		growing_clear(&out);
		json_put_row(&out, slice_of(broken[i], sizeof(broken[i])));
		assert_int_equal(out.data[out.bytes - 1], '\n');
	}
	growing_close(&out);
}

static void a_document_wraps_its_lines(void **state)
{
	(void)state;
	struct growing out = {0};
	struct json_document document = {.kind = "JobList", .is_complete = true};
	json_put_document(&out, &document, slice_str("{\"a\":1}\n{\"a\":2}\n"));
	assert_string_equal(growing_string(&out),
			    "{\"api\":\"peersched/v1\",\"kind\":\"JobList\",\"via\":null,\"as_of\":null,"
			    "\"complete\":true,\"next\":null,\"items\":[{\"a\":1},{\"a\":2}]}\n");
	growing_clear(&out);
	document.next = slice_str("token");
	json_put_document(&out, &document, slice_str(""));
	assert_non_null(strstr(growing_string(&out), "\"next\":\"token\",\"items\":[]}\n"));
	growing_close(&out);
}

static void sorted_rows_go_by_their_first_cell(void **state)
{
	(void)state;
	struct table table;
	struct growing out = {0};
	table_init(&table, 2);
	table_column(&table, 0, "name", false);
	table_column(&table, 1, "n", false);
	table_sort(&table);
	const char *const cells[] = {"b", "1", "c", "2", "a", "3", "b", "4"};
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		table_cell(&table, slice_str(cells[i]));
	table_sort(&table);
	table_write(&table, &out);
	assert_string_equal(growing_string(&out), "NAME  N\na     3\nb     1\nb     4\nc     2\n");
	growing_close(&out);
	table_close(&table);
}

static void an_error_is_one_object(void **state)
{
	(void)state;
	struct growing out = {0};
	json_put_error(&out, "not_found", 3, "no job \"x\"", "", NULL);
	assert_string_equal(growing_string(&out),
			    "{\"error\":{\"code\":\"not_found\",\"exit\":3,\"message\":\"no job \\\"x\\\"\","
			    "\"hint\":null,\"request_id\":null}}\n");
	growing_close(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(widths_are_cells, "column widths count cells, not bytes or characters"),
		CASE(the_last_column_has_no_blanks_behind,
		     "the last column has no blanks behind it, an empty cell is a dash"),
		CASE(controls_do_not_pass, "control characters and bad bytes do not pass a table"),
		CASE(sorted_rows_go_by_their_first_cell,
		     "sorted rows go by their first cell, equal ones as they came"),
		CASE(blocks_of_a_long_list_stay_in_line, "the blocks of a long list stay in line"),
		CASE(fields_keep_their_order_and_times_lose_their_at,
		     "JSON fields keep their order, and times lose their _at"),
		CASE(lists_of_times_and_inner_maps_follow_the_same_rule,
		     "lists of times and inner maps follow the same rule"),
		CASE(bytes_that_are_no_text_become_replacement_characters,
		     "bytes that are no text become replacement characters"),
		CASE(a_definition_is_an_object, "a definition is an object, not bytes"),
		CASE(what_is_not_msgpack_is_null_and_ends,
		     "what is not msgpack gives a line all the same"),
		CASE(a_document_wraps_its_lines, "a document wraps its lines"),
		CASE(an_error_is_one_object, "an error is one object"),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
