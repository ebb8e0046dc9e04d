/* YAML documents as msgpack maps: what is taken, what is refused and where it stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/yaml.h"
#include "proto/wire.h"

struct seen {
	uint32_t count;
	char first_key[32];
	char first_value[64];
	struct yaml_position position, found, found_key;
	const char *path; /* looked up in each document */
	const char *raw;  /* compared with the whole map, if not NULL */
	size_t raw_bytes;
	enum err answer;
};

static enum err on_document(void *context, const struct yaml_document *document,
			    struct problem *problem)
{
	struct seen *seen = context;
	assert_int_equal(document->index, seen->count);
	seen->count++;
	(void)snprintf(seen->first_key, sizeof(seen->first_key), "%.*s",
		       (int)document->first_key.bytes, (const char *)document->first_key.data);
	struct slice value = wire_map_find_str(document->map, seen->first_key);
	(void)snprintf(seen->first_value, sizeof(seen->first_value), "%.*s", (int)value.bytes,
		       value.data == NULL ? "" : (const char *)value.data);
	seen->position = document->position;
	if (seen->path != NULL)
		seen->found = yaml_document_find(document, seen->path, &seen->found_key);
	if (seen->raw != NULL) {
		assert_int_equal(document->map.bytes, seen->raw_bytes);
		assert_memory_equal(document->map.data, seen->raw, seen->raw_bytes);
	}
	if (seen->answer != ERR_OK) {
		(void)problem_set(problem, seen->answer, "no such thing");
		yaml_document_locate(document, seen->path, problem);
	}
	return seen->answer;
}

static void expect_fault(const char *text, enum err code, const char *message)
{
	struct seen seen = {0};
	struct problem problem = {0};
	enum err err = yaml_parse(slice_str(text), "f.yaml", on_document, &seen, &problem);
	assert_string_equal(problem.text, message);
	assert_int_equal(err, code);
	assert_int_equal(problem.code, code);
}

static void test_map(void **state)
{
	(void)state;
	static const char raw[] = "\x84\xa3job\xa3g/n\xa5tries\xa2"
				  "07\xa4list\x93\xa1"
				  "a\xc0\xa0\xa3"
				  "env\x81\xa1K\xa2no";
	struct seen seen = {.raw = raw, .raw_bytes = sizeof(raw) - 1};
	assert_int_equal(
		yaml_parse(slice_str("job: g/n\ntries: 07\nlist: [a, ~, \"\"]\nenv:\n  K: no\n"),
			   "f", on_document, &seen, NULL),
		ERR_OK);
	assert_int_equal(seen.count, 1);
}

static void test_empty(void **state)
{
	(void)state;
	struct seen seen = {0};
	const struct slice nothing = {0};
	assert_int_equal(yaml_parse(nothing, "f", on_document, &seen, NULL), ERR_OK);
	assert_int_equal(seen.count, 0);
}

static void test_documents(void **state)
{
	(void)state;
	struct seen seen = {0};
	assert_int_equal(
		yaml_parse(slice_str("# c\n---\n---\njob: a\n...\n---\ncalendar: b\n---\n"), "f",
			   on_document, &seen, NULL),
		ERR_OK);
	assert_int_equal(seen.count, 2);
	assert_string_equal(seen.first_key, "calendar");
	assert_string_equal(seen.first_value, "b");
	assert_int_equal(seen.position.line, 7);
	assert_int_equal(yaml_parse(slice_str(""), "f", on_document, &seen, NULL), ERR_OK);
	assert_int_equal(seen.count, 2);
}

static void test_nil_and_text(void **state)
{
	(void)state;
	static const char raw[] = "\x85\xa1"
				  "a\xc0\xa1"
				  "b\xc0\xa1"
				  "c\xc0\xa1"
				  "d\xa4null\xa1"
				  "e\xa5"
				  "x\ny\n\n";
	struct seen seen = {.raw = raw, .raw_bytes = sizeof(raw) - 1};
	assert_int_equal(yaml_parse(slice_str("a:\nb: ~\nc: null\nd: 'null'\ne: |+\n  x\n  y\n\n"),
				    "f", on_document, &seen, NULL),
			 ERR_OK);
}

static void test_positions(void **state)
{
	(void)state;
	struct {
		const char *path;
		unsigned line, column, key_line, key_column;
	} cases[] = {
		{"job", 2, 6, 2, 1},
		{"output.max", 4, 8, 4, 3},
		{"command[1]", 5, 18, 5, 18},
		{"env.A.B", 7, 6, 7, 3},
		{"none", 2, 1, 2, 1},
		{"output.min", 4, 3, 3, 1},
		{"steps[1].b", 10, 8, 10, 5},
		{"command[9]", 5, 10, 5, 1},
		{"", 2, 1, 2, 1},
	};
	const char *text =
		"# first line\njob: g/n\noutput:\n  max: 1M\ncommand: [sleep, 5]\nenv:\n  A: é\n"
		"steps:\n  - a: 1\n  - b: 2\n";
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seen seen = {.path = cases[i].path};
		assert_int_equal(yaml_parse(slice_str(text), "f", on_document, &seen, NULL),
				 ERR_OK);
		assert_int_equal(seen.found.line, cases[i].line);
		assert_int_equal(seen.found.column, cases[i].column);
		assert_int_equal(seen.found_key.line, cases[i].key_line);
		assert_int_equal(seen.found_key.column, cases[i].key_column);
	}
}

static void test_faults(void **state)
{
	(void)state;
	expect_fault(
		"job: a\nx: [1,\n", ERR_INVALID,
		"f.yaml:3:1: did not find expected node content (while parsing a flow node that began in line 3)");
	expect_fault("job: a\nb: 1\njob: c\n", ERR_INVALID,
		     "f.yaml:3:1: key \"job\" is there twice, first in line 1");
	expect_fault("job: &x\n  a: *x\n", ERR_INVALID,
		     "f.yaml:1:6: an alias stands inside its own anchor");
	expect_fault("job: *y\n", ERR_INVALID, "f.yaml:1:6: found undefined alias");
	expect_fault("a: 1\nb: !!int 5\n", ERR_INVALID,
		     "f.yaml:2:4: the type tag:yaml.org,2002:int is not known here: leave it out");
	expect_fault("a: &d {x: 1}\nb:\n  <<: *d\n", ERR_INVALID,
		     "f.yaml:3:3: merge keys (<<) are not taken: write the keys out");
	expect_fault("- a\n", ERR_INVALID,
		     "f.yaml:1:1: a document must be a map: `key: value` lines");
	expect_fault("just text\n", ERR_INVALID,
		     "f.yaml:1:1: a document must be a map: `key: value` lines");
	expect_fault("? [a]\n: b\n", ERR_INVALID, "f.yaml:1:3: a key must be text");
	expect_fault("'': b\n", ERR_INVALID, "f.yaml:1:1: a key is empty");
	expect_fault("a: 1\nb: \"x\\0y\"\n", ERR_INVALID,
		     "f.yaml:2:4: the text is not valid UTF-8, or has a NUL in it");
	expect_fault("a: 1\nb: é\xff\n", ERR_INVALID, "f.yaml:2:5: invalid leading UTF-8 octet");
	expect_fault("a: {b: {c: {d: {e: {f: {g: {h: {i: 1}}}}}}}}\n", ERR_RANGE,
		     "f.yaml:1:32: more than 8 maps or lists inside one another");
	expect_fault(
		"a: 1\n\tb: 2\n", ERR_INVALID,
		"f.yaml:2:1: found a tab character that violates indentation (while scanning a plain scalar that "
		"began in line 1)");
}

static void test_expansion(void **state)
{
	(void)state;
	/* Aliases of aliases: 10^6 values in a few lines. */
	expect_fault(
		"a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
		"c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
		"e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n",
		ERR_RANGE, "f.yaml:1:10: the document has more than 8192 values");
	char *text = malloc(1u << 20);
	assert_non_null(text);
	size_t used = (size_t)snprintf(text, 64, "a: &a '");
	memset(text + used, 'x', 300000);
	used += 300000;
	(void)snprintf(text + used, 64, "'\nb: *a\n");
	expect_fault(text, ERR_RANGE, "f.yaml:1:4: the document is longer than 512 KiB");
	used = 0;
	for (unsigned i = 0; i < 9000; i++)
		used += (size_t)snprintf(text + used, 64, "k%u: v\n", i);
	expect_fault(text, ERR_RANGE, "f.yaml:1:1: the document has more than 8192 values");
	free(text);
}

static void test_alias(void **state)
{
	(void)state;
	static const char raw[] = "\x82\xa1"
				  "a\x81\xa1x\xa1"
				  "1\xa1"
				  "b\x81\xa1x\xa1"
				  "1";
	struct seen seen = {.raw = raw, .raw_bytes = sizeof(raw) - 1};
	assert_int_equal(
		yaml_parse(slice_str("a: &d {x: 1}\nb: *d\n"), "f", on_document, &seen, NULL),
		ERR_OK);
}

static void test_callback_error(void **state)
{
	(void)state;
	struct seen seen = {.answer = ERR_NOT_FOUND, .path = "zz.y"};
	struct problem problem;
	assert_int_equal(yaml_parse(slice_str("a: 1\nzz: 2\n---\nb: 1\n"), "f", on_document, &seen,
				    &problem),
			 ERR_NOT_FOUND);
	assert_int_equal(seen.count, 1);
	assert_string_equal(problem.text, "f:2:5: no such thing");
}

static void test_files(void **state)
{
	(void)state;
	struct seen seen = {0};
	struct problem problem;
	assert_int_equal(yaml_read_file("/nonexistent/x.yaml", on_document, &seen, &problem),
			 ERR_NOT_FOUND);
	assert_string_equal(problem.text, "/nonexistent/x.yaml: No such file or directory");
	assert_int_equal(yaml_read_file("/", on_document, &seen, &problem), ERR_IO);
	assert_string_equal(problem.text, "/: Is a directory");
	char path[] = "/tmp/peersched-yaml-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "job: a\n", 7), 7);
	(void)close(fd);
	assert_int_equal(yaml_read_file(path, on_document, &seen, &problem), ERR_OK);
	assert_int_equal(seen.count, 1);
	(void)unlink(path);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"maps, lists and scalars become msgpack in their order", test_map, NULL, NULL,
		 NULL},
		{"a file without a byte has no document", test_empty, NULL, NULL, NULL},
		{"several documents come one by one, empty ones do not", test_documents, NULL, NULL,
		 NULL},
		{"only plain empty values, ~ and null are nil", test_nil_and_text, NULL, NULL,
		 NULL},
		{"each key and value is found by its path with line and column", test_positions,
		 NULL, NULL, NULL},
		{"each fault names file, line and column", test_faults, NULL, NULL, NULL},
		{"a document that grows through aliases is refused at its limit", test_expansion,
		 NULL, NULL, NULL},
		{"an alias stands for what its anchor holds", test_alias, NULL, NULL, NULL},
		{"an error of the callback ends the reading and is returned", test_callback_error,
		 NULL, NULL, NULL},
		{"files are read whole, missing ones and folders are errors", test_files, NULL,
		 NULL, NULL},
	};
	return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
