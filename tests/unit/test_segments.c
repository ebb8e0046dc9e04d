/* The writer and the reader of output files against each other, over real files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/io/segments.h"
#include "agent/runner/spool.h"
#include "proto/wire.h"

#define CASE(function, sentence)                                             \
	{                                                                    \
		sentence, function, set_up_directory, remove_directory, NULL \
	}

#define TEXT_BYTES_MAX (8u << 20)
#define READ_BYTES 16384u

struct fixture {
	char path[64]; /* the agent's DIR */
	int output;    /* DIR/output */
	struct segments segments;
	struct run_key run;
};

static int set_up_directory(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	if (fixture == NULL)
		return -1;
	(void)snprintf(fixture->path, sizeof(fixture->path), "/tmp/peersched-segments-XXXXXX");
	if (mkdtemp(fixture->path) == NULL)
		return -1;
	char output[80];
	(void)snprintf(output, sizeof(output), "%s/output", fixture->path);
	if (mkdir(output, 0700) != 0)
		return -1;
	fixture->output = open(output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fixture->run = (struct run_key){.t_ms = 1743301800000, .attempt = 1};
	struct problem problem;
	if (segments_init(&fixture->segments, fixture->path, &problem) != ERR_OK)
		return -1;
	*state = fixture;
	return 0;
}

static int remove_directory(void **state)
{
	struct fixture *fixture = *state;
	struct problem problem;
	if (segments_drop(&fixture->segments, &fixture->run, &problem) != ERR_OK)
		return -1;
	(void)unlinkat(fixture->output, "../output", AT_REMOVEDIR);
	(void)close(fixture->output);
	char output[80];
	(void)snprintf(output, sizeof(output), "%s/output", fixture->path);
	(void)rmdir(output);
	int result = rmdir(fixture->path);
	free(fixture);
	return result;
}

/* What a reader got: the run's own words in one piece, and the marks. */
struct text {
	char *bytes;
	size_t count;
	size_t line_count;
	char marks[256];
	size_t mark_at; /* bytes in front of the last mark */
};

static struct text text_new(void)
{
	struct text text = {.bytes = malloc(TEXT_BYTES_MAX)};
	assert_non_null(text.bytes);
	return text;
}

static void take_lines(struct slice lines, struct text *text)
{
	struct wire_reader reader;
	wire_reader_init(&reader, lines);
	uint32_t count = wire_get_array(&reader, 1u << 16);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(wire_get_array(&reader, 3), 3);
		assert_true(wire_get_i64(&reader) > 0);
		struct slice stream = wire_get_str(&reader, 1);
		struct slice bytes = wire_get_bin(&reader, OUTPUT_LINE_BYTES_MAX);
		assert_int_equal(reader.err, ERR_OK);
		if (slice_equal(stream, slice_str("!"))) {
			assert_true(strlen(text->marks) + bytes.bytes < sizeof(text->marks));
			(void)strncat(text->marks, (const char *)bytes.data, bytes.bytes);
			text->mark_at = text->count;
			continue;
		}
		assert_true(text->count + bytes.bytes <= TEXT_BYTES_MAX);
		memcpy(text->bytes + text->count, bytes.data, bytes.bytes);
		text->count += bytes.bytes;
		text->line_count++;
	}
	assert_int_equal(wire_reader_end(&reader), ERR_OK);
}

/* One call of the reader; from `*offset` on. */
static struct segments_read read_once(const struct fixture *fixture, uint64_t *offset, bool is_tail,
				      struct text *text)
{
	static uint8_t memory[READ_BYTES];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	struct segments_read result;
	struct problem problem = {0};
	assert_int_equal(segments_read(&fixture->segments, &fixture->run, *offset, is_tail, &out,
				       &result, &problem),
			 ERR_OK);
	assert_false(out.has_overflowed);
	take_lines(buf_slice(&out), text);
	assert_true(is_tail || result.offset >= *offset);
	*offset = result.offset;
	return result;
}

/* Reads to the end that is there now. */
static struct segments_read read_all(const struct fixture *fixture, uint64_t *offset, bool is_tail,
				     struct text *text)
{
	struct segments_read result = read_once(fixture, offset, is_tail, text);
	while (!result.is_end)
		result = read_once(fixture, offset, false, text);
	return result;
}

/* xorshift64: the same lines in each run. */
static uint64_t next_number(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Appends a random line, numbered, so that no two are the same. */
static void add_line(struct text *text, uint64_t *state, size_t bytes_max)
{
	size_t bytes = next_number(state) % bytes_max;
	char head[32];
	int head_bytes = snprintf(head, sizeof(head), "%zu:", text->line_count++);
	assert_true(text->count + bytes + 40 < TEXT_BYTES_MAX);
	memcpy(text->bytes + text->count, head, (size_t)head_bytes);
	text->count += (size_t)head_bytes;
	memset(text->bytes + text->count, 'a' + (int)(text->line_count % 26), bytes);
	text->count += bytes;
	text->bytes[text->count++] = '\n';
}

/* Feeds `text` in pieces of random size, as a pipe gives them. */
static void feed_all(struct spool *spool, const struct text *text, size_t from, uint64_t *state)
{
	while (from < text->count) {
		size_t piece = 1 + next_number(state) % 20000;
		if (piece > text->count - from)
			piece = text->count - from;
		spool_feed(spool, SPOOL_STDOUT, 1743301800000, (uint8_t *)text->bytes + from, piece);
		from += piece;
	}
}

static void short_output_comes_back_whole(void **state)
{
	struct fixture *fixture = *state;
	struct spool spool;
	assert_int_equal(spool_create(&spool, fixture->output, &fixture->run, OUTPUT_BYTES_DEFAULT),
			 ERR_OK);
	struct text got = text_new();
	uint64_t offset = 0;
	struct segments_read result = read_all(fixture, &offset, false, &got);
	assert_true(result.is_end && !result.is_final);

	spool_feed(&spool, SPOOL_STDOUT, 1743301800000, (const uint8_t *)"one\ntw", 6);
	result = read_all(fixture, &offset, false, &got);
	assert_int_equal(got.count, 4);
	spool_feed(&spool, SPOOL_STDOUT, 1743301800000, (const uint8_t *)"o\nthree", 7);
	spool_finish(&spool, 1743301800000);
	result = read_all(fixture, &offset, false, &got);
	assert_true(result.is_end && result.is_final);
	assert_int_equal(got.count, 13);
	assert_memory_equal(got.bytes, "one\ntwo\nthree", 13);
	assert_int_equal(got.line_count, 3);
	assert_string_equal(got.marks, "");
	free(got.bytes);
}

/* Writes far more than is kept, and looks at what is: a prefix, one exact mark, a suffix. */
static void check_cap(struct fixture *fixture, uint64_t bytes_max, size_t line_bytes_max, size_t written)
{
	struct spool spool;
	assert_int_equal(spool_create(&spool, fixture->output, &fixture->run, bytes_max), ERR_OK);
	uint64_t random = 88172645463325252u;
	struct text wrote = text_new();
	while (wrote.count < written)
		add_line(&wrote, &random, line_bytes_max);
	feed_all(&spool, &wrote, 0, &random);
	spool_finish(&spool, 1743301800000);

	struct text got = text_new();
	uint64_t offset = 0;
	assert_true(read_all(fixture, &offset, false, &got).is_final);
	size_t tail = got.count - got.mark_at;
	assert_true(got.mark_at > 0 && tail > 0);
	assert_memory_equal(got.bytes, wrote.bytes, got.mark_at);
	assert_memory_equal(got.bytes + got.mark_at, wrote.bytes + wrote.count - tail, tail);
	char mark[OUTPUT_MARK_BYTES];
	output_mark_left_out(wrote.count - got.count, false, mark);
	assert_string_equal(got.marks, mark);
	assert_true(got.mark_at <= bytes_max / 4 && tail <= bytes_max - bytes_max / 4);
	/* Of very short lines less is kept: their headers count on the disk. */
	assert_true(line_bytes_max < 60 || got.mark_at + line_bytes_max + 32 > bytes_max / 4);

	struct problem problem;
	assert_int_equal(segments_drop(&fixture->segments, &fixture->run, &problem), ERR_OK);
	free(wrote.bytes);
	free(got.bytes);
}

static void the_middle_of_long_output_is_left_out(void **state)
{
	check_cap(*state, OUTPUT_BYTES_MIN, 60, 100000);
	check_cap(*state, 65536, 200, 1000000);
	check_cap(*state, OUTPUT_BYTES_DEFAULT, 300, 5000000);
	check_cap(*state, 100000, 2, 600000);
}

static void a_follower_that_keeps_up_misses_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct spool spool;
	assert_int_equal(spool_create(&spool, fixture->output, &fixture->run, 65536), ERR_OK);
	uint64_t random = 7;
	struct text wrote = text_new();
	struct text got = text_new();
	uint64_t offset = 0;
	for (size_t i = 0; i < 2000; i++) {
		size_t from = wrote.count;
		for (size_t k = 0; k < 5; k++)
			add_line(&wrote, &random, 150);
		feed_all(&spool, &wrote, from, &random);
		struct segments_read result = read_all(fixture, &offset, false, &got);
		assert_false(result.is_final);
	}
	assert_int_equal(got.count, wrote.count);
	assert_memory_equal(got.bytes, wrote.bytes, wrote.count);
	assert_string_equal(got.marks, "");
	spool_finish(&spool, 1743301800000);
	assert_true(read_all(fixture, &offset, false, &got).is_final);
	free(wrote.bytes);
	free(got.bytes);
}

static void a_follower_that_is_overtaken_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct spool spool;
	assert_int_equal(spool_create(&spool, fixture->output, &fixture->run, 65536), ERR_OK);
	uint64_t random = 9;
	struct text wrote = text_new();
	while (wrote.count < 100000)
		add_line(&wrote, &random, 100);
	feed_all(&spool, &wrote, 0, &random);
	struct text got = text_new();
	uint64_t offset = 0;
	(void)read_all(fixture, &offset, false, &got);

	size_t from = wrote.count;
	while (wrote.count < 400000)
		add_line(&wrote, &random, 100);
	feed_all(&spool, &wrote, from, &random);
	got.count = 0;
	got.marks[0] = '\0';
	(void)read_all(fixture, &offset, false, &got);
	assert_int_equal(strncmp(got.marks, "[... up to ", 11), 0);
	assert_int_equal(got.mark_at, 0);
	assert_memory_equal(got.bytes, wrote.bytes + wrote.count - got.count, got.count);
	spool_finish(&spool, 1743301800000);
	free(wrote.bytes);
	free(got.bytes);
}

static void the_tail_is_about_64_kib(void **state)
{
	struct fixture *fixture = *state;
	struct spool spool;
	assert_int_equal(spool_create(&spool, fixture->output, &fixture->run, OUTPUT_BYTES_DEFAULT),
			 ERR_OK);
	uint64_t random = 11;
	struct text wrote = text_new();
	for (size_t target = 1000; target < 4000000; target = target * 3 / 2) {
		size_t from = wrote.count;
		while (wrote.count < target)
			add_line(&wrote, &random, 100);
		feed_all(&spool, &wrote, from, &random);
		struct text got = text_new();
		uint64_t offset = 0;
		(void)read_all(fixture, &offset, true, &got);
		assert_memory_equal(got.bytes, wrote.bytes + wrote.count - got.count, got.count);
		assert_true(got.count <= SEGMENTS_TAIL_BYTES);
		assert_true(got.count >= (wrote.count < 30000 ? wrote.count : 25000));
		free(got.bytes);
	}
	spool_finish(&spool, 1743301800000);
	free(wrote.bytes);
}

static void a_later_runner_goes_on_with_the_file(void **state)
{
	struct fixture *fixture = *state;
	struct spool spool;
	assert_int_equal(spool_create(&spool, fixture->output, &fixture->run, 65536), ERR_OK);
	uint64_t random = 13;
	struct text wrote = text_new();
	for (size_t i = 0; i < 300; i++) {
		size_t from = wrote.count;
		for (size_t k = 0; k < 20; k++)
			add_line(&wrote, &random, 100);
		feed_all(&spool, &wrote, from, &random);
		spool_close(&spool);
		spool_reopen(&spool, fixture->output, &fixture->run);
		assert_true(spool.descriptor >= 0);
	}
	spool_finish(&spool, 1743301800000);
	struct text got = text_new();
	uint64_t offset = 0;
	assert_true(read_all(fixture, &offset, false, &got).is_final);
	size_t tail = got.count - got.mark_at;
	assert_memory_equal(got.bytes, wrote.bytes, got.mark_at);
	assert_memory_equal(got.bytes + got.mark_at, wrote.bytes + wrote.count - tail, tail);
	char mark[OUTPUT_MARK_BYTES];
	output_mark_left_out(wrote.count - got.count, false, mark);
	assert_string_equal(got.marks, mark);
	free(wrote.bytes);
	free(got.bytes);
}

static void a_line_longer_than_a_record_is_several(void **state)
{
	struct fixture *fixture = *state;
	struct spool spool;
	assert_int_equal(spool_create(&spool, fixture->output, &fixture->run, OUTPUT_BYTES_DEFAULT),
			 ERR_OK);
	uint8_t piece[1000];
	memset(piece, 'x', sizeof(piece));
	for (size_t i = 0; i < 20; i++)
		spool_feed(&spool, SPOOL_STDERR, 1743301800000, piece, sizeof(piece));
	spool_feed(&spool, SPOOL_STDERR, 1743301800000, (const uint8_t *)"\n", 1);
	spool_finish(&spool, 1743301800000);
	struct text got = text_new();
	uint64_t offset = 0;
	(void)read_all(fixture, &offset, false, &got);
	assert_int_equal(got.count, 20001);
	assert_int_equal(got.line_count, 3);
	free(got.bytes);
}

static void a_run_is_spooled_once(void **state)
{
	struct fixture *fixture = *state;
	struct spool spool;
	assert_int_equal(spool_create(&spool, fixture->output, &fixture->run, 65536), ERR_OK);
	struct spool again;
	assert_int_equal(spool_create(&again, fixture->output, &fixture->run, 65536), ERR_EXISTS);
	spool_remove(&spool, fixture->output);
	assert_int_equal(spool_create(&again, fixture->output, &fixture->run, 65536), ERR_OK);
	spool_close(&again);
}

static void a_missing_a_strange_and_a_cut_file_are_errors(void **state)
{
	struct fixture *fixture = *state;
	uint8_t memory[READ_BYTES];
	struct buf out;
	struct segments_read result;
	struct problem problem;
	buf_init(&out, memory, sizeof(memory));
	assert_int_equal(
		segments_read(&fixture->segments, &fixture->run, 0, false, &out, &result, &problem),
		ERR_NOT_FOUND);

	struct spool spool;
	assert_int_equal(spool_create(&spool, fixture->output, &fixture->run, 65536), ERR_OK);
	spool_feed(&spool, SPOOL_STDOUT, 1743301800000, (const uint8_t *)"one\n", 4);
	spool_finish(&spool, 1743301800000);
	buf_clear(&out);
	assert_int_equal(segments_read(&fixture->segments, &fixture->run, 1000, false, &out,
				       &result, &problem),
			 ERR_RANGE);
	buf_clear(&out);
	assert_int_equal(
		segments_read(&fixture->segments, &fixture->run, 3, false, &out, &result, &problem),
		ERR_CORRUPT);

	char path[SEGMENTS_PATH_BYTES];
	segments_path(&fixture->segments, &fixture->run, path);
	assert_int_equal(truncate(path, OUTPUT_HEADER_BYTES + 3), 0);
	buf_clear(&out);
	assert_int_equal(
		segments_read(&fixture->segments, &fixture->run, 0, false, &out, &result, &problem),
		ERR_CORRUPT);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(
		segments_read(&fixture->segments, &fixture->run, 0, false, &out, &result, &problem),
		ERR_NOT_FOUND);
}

/* The writer's process: numbered lines, as fast as it goes. */
static void write_numbers(const struct fixture *fixture, size_t line_count)
{
	struct spool spool;
	if (spool_create(&spool, fixture->output, &fixture->run, OUTPUT_BYTES_MIN * 4) != ERR_OK)
		_exit(1);
	for (size_t i = 1; i <= line_count; i++) {
		char line[64];
		int bytes = snprintf(line, sizeof(line), "%zu %.*s\n", i, (int)(i % 40),
				     "----------------------------------------");
		spool_feed(&spool, SPOOL_STDOUT, 1743301800000, (const uint8_t *)line, (size_t)bytes);
	}
	spool_finish(&spool, 1743301800000);
	_exit(0);
}

/* The last number among `count` bytes of lines; every line must be whole and its number above the one before. */
static size_t check_numbers(const char *bytes, size_t count, size_t last)
{
	for (size_t at = 0; at < count;) {
		char *end = NULL;
		size_t number = strtoul(bytes + at, &end, 10);
		const char *newline = memchr(bytes + at, '\n', count - at);
		assert_non_null(newline);
		assert_true(number > last);
		assert_int_equal(newline - end - 1, number % 40);
		last = number;
		at = (size_t)(newline - bytes) + 1;
	}
	return last;
}

static void a_reader_beside_a_fast_writer_sees_whole_lines_in_order(void **state)
{
	struct fixture *fixture = *state;
	const size_t line_count = 100000;
	pid_t writer = fork();
	assert_true(writer >= 0);
	if (writer == 0)
		write_numbers(fixture, line_count);
	static uint8_t memory[READ_BYTES];
	struct text got = text_new();
	uint64_t offset = 0;
	size_t last = 0;
	struct segments_read result = {.is_final = false};
	while (!result.is_final) {
		struct buf out;
		buf_init(&out, memory, sizeof(memory));
		struct problem problem = {0};
		enum err err = segments_read(&fixture->segments, &fixture->run, offset, false, &out,
					     &result, &problem);
		if (err == ERR_NOT_FOUND)
			continue; /* it is being made */
		assert_string_equal(problem.text, "");
		assert_int_equal(err, ERR_OK);
		got.count = 0;
		got.marks[0] = '\0';
		take_lines(buf_slice(&out), &got);
		last = check_numbers(got.bytes, got.count, last);
		offset = result.offset;
	}
	assert_int_equal(last, line_count);
	int status = -1;
	assert_int_equal(waitpid(writer, &status, 0), writer);
	assert_int_equal(status, 0);
	free(got.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(short_output_comes_back_whole, "short output comes back whole, also in pieces"),
		CASE(the_middle_of_long_output_is_left_out,
		     "of long output a prefix, one exact mark and a suffix come back"),
		CASE(a_follower_that_keeps_up_misses_nothing, "a follower that keeps up misses nothing"),
		CASE(a_follower_that_is_overtaken_is_told, "a follower that is overtaken is told so"),
		CASE(the_tail_is_about_64_kib, "the tail is about 64 KiB and begins with a whole line"),
		CASE(a_later_runner_goes_on_with_the_file, "a later runner goes on with the file"),
		CASE(a_line_longer_than_a_record_is_several, "a line longer than a record is several"),
		CASE(a_reader_beside_a_fast_writer_sees_whole_lines_in_order,
		     "a reader beside a fast writer sees whole lines in order"),
		CASE(a_run_is_spooled_once, "a run is spooled once"),
		CASE(a_missing_a_strange_and_a_cut_file_are_errors,
		     "a missing, a strange and a cut file are errors"),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
