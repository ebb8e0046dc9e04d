#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/output.h"

#define CASE(function, sentence)                     \
	{                                            \
		sentence, function, NULL, NULL, NULL \
	}

static struct output_header header_of_megabyte(void)
{
	struct output_header header = {
		.run = {.t_ms = 1743301800000, .shard = 1, .attempt = 2},
		.bytes_max = 1u << 20,
		.total_bytes = 9u << 20,
		.left_out_bytes = 8u << 20,
		.lost_bytes = 7,
		.head_end = 262000,
		.tail_start = 8000000,
		.tail_end = 8700000,
		.is_head_closed = true,
		.is_complete = true,
		.waypoints = {8600000, 8620000, 8640000, 8660000, 8680000, 8540000, 8560000, 8580000},
	};
	memset(header.run.job.bytes, 0xab, sizeof(header.run.job.bytes));
	return header;
}

/* A header of which only one slot was written yet. */
static void put_header(uint8_t memory[OUTPUT_HEADER_BYTES], const struct output_header *header)
{
	memset(memory, 0, OUTPUT_HEADER_BYTES);
	struct buf out;
	buf_init(&out, memory + output_slot_place(header), OUTPUT_SLOT_BYTES);
	output_slot_put(&out, header);
	assert_int_equal(out.bytes, OUTPUT_SLOT_BYTES);
}

static void the_later_whole_slot_counts(void **state)
{
	(void)state;
	struct output_header header = header_of_megabyte();
	uint8_t memory[OUTPUT_HEADER_BYTES];
	put_header(memory, &header);
	for (uint64_t sequence = 1; sequence < 6; sequence++) {
		header.sequence = sequence;
		header.tail_end++;
		struct buf out;
		buf_init(&out, memory + output_slot_place(&header), OUTPUT_SLOT_BYTES);
		output_slot_put(&out, &header);
		struct output_header back;
		assert_int_equal(output_header_get(slice_of(memory, sizeof(memory)), &back), ERR_OK);
		assert_int_equal(back.sequence, sequence);
		assert_int_equal(back.tail_end, header.tail_end);
		/* Torn while it is being written: the one before is still there. */
		memory[output_slot_place(&header) + 100] ^= 1;
		assert_int_equal(output_header_get(slice_of(memory, sizeof(memory)), &back), ERR_OK);
		assert_int_equal(back.sequence, sequence - 1);
		memory[output_slot_place(&header) + 100] ^= 1;
	}
	/* In the other one's place neither is taken. */
	uint8_t swapped[OUTPUT_HEADER_BYTES];
	memcpy(swapped, memory + OUTPUT_SLOT_BYTES, OUTPUT_SLOT_BYTES);
	memcpy(swapped + OUTPUT_SLOT_BYTES, memory, OUTPUT_SLOT_BYTES);
	struct output_header back;
	assert_int_equal(output_header_get(slice_of(swapped, sizeof(swapped)), &back), ERR_CORRUPT);
}

static void a_header_comes_back_as_it_was_written(void **state)
{
	(void)state;
	struct output_header header = header_of_megabyte();
	uint8_t memory[OUTPUT_HEADER_BYTES];
	put_header(memory, &header);

	struct output_header back;
	memset(&back, 0, sizeof(back));
	assert_int_equal(output_header_get(slice_of(memory, sizeof(memory)), &back), ERR_OK);
	assert_true(run_key_equal(&back.run, &header.run));
	assert_int_equal(back.total_bytes, header.total_bytes);
	assert_int_equal(back.left_out_bytes, header.left_out_bytes);
	assert_int_equal(back.lost_bytes, header.lost_bytes);
	assert_int_equal(back.head_end, header.head_end);
	assert_int_equal(back.tail_start, header.tail_start);
	assert_int_equal(back.tail_end, header.tail_end);
	assert_true(back.is_head_closed && back.is_complete);
	assert_memory_equal(back.waypoints, header.waypoints, sizeof(header.waypoints));
}

static void any_flipped_byte_of_a_header_is_seen(void **state)
{
	(void)state;
	struct output_header header = header_of_megabyte();
	uint8_t memory[OUTPUT_HEADER_BYTES];
	put_header(memory, &header);
	for (size_t i = 0; i < OUTPUT_SLOT_BYTES; i++) {
		memory[i] ^= 0x40;
		struct output_header back;
		assert_int_not_equal(output_header_get(slice_of(memory, sizeof(memory)), &back), ERR_OK);
		memory[i] ^= 0x40;
	}
	assert_int_equal(output_header_get(slice_of(memory, sizeof(memory) - 1), &header),
			 ERR_TRUNCATED);
}

static void headers_with_impossible_offsets_are_refused(void **state)
{
	(void)state;
	struct output_header cases[6];
	for (size_t i = 0; i < 6; i++)
		cases[i] = header_of_megabyte();
	cases[0].bytes_max = OUTPUT_BYTES_MAX + 1u;
	cases[1].head_end = 1u << 20;
	cases[2].tail_start = cases[2].tail_end + 1;
	cases[3].tail_start = 0;
	cases[4].waypoints[3] = cases[4].tail_end + 1;
	cases[5].tail_start = cases[5].head_end; /* the ring cannot hold so much */
	for (size_t i = 0; i < 6; i++) {
		uint8_t memory[OUTPUT_HEADER_BYTES];
		put_header(memory, &cases[i]);
		struct output_header back;
		assert_int_equal(output_header_get(slice_of(memory, sizeof(memory)), &back), ERR_RANGE);
	}
}

static void a_record_comes_back_as_it_was_written(void **state)
{
	(void)state;
	struct output_record record = {.t_ms = 1743301800123,
				       .stream = OUTPUT_STDERR,
				       .bytes = slice_str("no space left\n")};
	uint8_t memory[64];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	output_record_put(&out, &record);

	struct output_record back;
	size_t bytes = 0;
	assert_int_equal(output_record_get(buf_slice(&out), &back, &bytes), ERR_OK);
	assert_int_equal(bytes, OUTPUT_RECORD_HEADER_BYTES + record.bytes.bytes);
	assert_int_equal(back.t_ms, record.t_ms);
	assert_int_equal(back.stream, record.stream);
	assert_true(slice_equal(back.bytes, record.bytes));
	for (size_t cut = 0; cut < bytes; cut++)
		assert_int_equal(output_record_get(slice_of(memory, cut), &back, &bytes), ERR_TRUNCATED);
	memory[1] = 'x';
	assert_int_equal(output_record_get(buf_slice(&out), &back, &bytes), ERR_CORRUPT);
}

static void the_head_is_a_quarter_and_the_ring_three(void **state)
{
	(void)state;
	struct output_layout layout;
	output_layout_of(1u << 20, &layout);
	assert_int_equal(layout.head_content_max, 1u << 18);
	assert_int_equal(layout.tail_content_max, 3u << 18);
	assert_int_equal(layout.record_content_max, OUTPUT_LINE_BYTES_MAX);
	/* The smallest and what is below it: a record still fits the head. */
	output_layout_of(1, &layout);
	assert_int_equal(layout.head_content_max, 256);
	assert_int_equal(layout.record_content_max, 256);
	assert_true(layout.record_content_max + OUTPUT_RECORD_HEADER_BYTES <= layout.head_stored_max);
	output_layout_of(UINT64_MAX, &layout);
	assert_int_equal(layout.head_content_max + layout.tail_content_max, OUTPUT_BYTES_MAX);
}

static void offsets_find_their_place_where_the_ring_turns(void **state)
{
	(void)state;
	struct output_layout layout;
	output_layout_of(1024, &layout);
	struct output_header header = {.bytes_max = 1024,
				       .head_end = 300,
				       .tail_start = 300,
				       .tail_end = 300,
				       .is_head_closed = true};
	uint64_t contiguous = 0;
	assert_int_equal(output_place(&header, &layout, 0, &contiguous), OUTPUT_HEADER_BYTES);
	assert_int_equal(contiguous, 300);
	uint64_t ring = OUTPUT_HEADER_BYTES + layout.head_stored_max;
	assert_int_equal(output_place(&header, &layout, 300, &contiguous), ring);
	assert_int_equal(contiguous, layout.tail_stored_max);
	assert_int_equal(output_place(&header, &layout, 300 + layout.tail_stored_max - 1, &contiguous),
			 ring + layout.tail_stored_max - 1);
	assert_int_equal(contiguous, 1);
	assert_int_equal(output_place(&header, &layout, 300 + layout.tail_stored_max, &contiguous),
			 ring);
}

static void the_tail_begins_at_a_waypoint_that_is_still_there(void **state)
{
	(void)state;
	struct output_header header = header_of_megabyte();
	assert_int_equal(output_tail_offset(&header, 65536), 8640000);
	assert_int_equal(output_tail_offset(&header, 1), 8680000);
	assert_int_equal(output_tail_offset(&header, 9000000), 0);
	header.tail_start = 8690000;
	assert_int_equal(output_tail_offset(&header, 65536), 8690000);
	struct output_header small = {.tail_end = 900, .tail_start = 900, .head_end = 900};
	assert_int_equal(output_tail_offset(&small, 65536), 0);
}

static void the_name_comes_from_the_key_alone(void **state)
{
	(void)state;
	struct run_key key = {.t_ms = 0x18, .shard = 2, .attempt = 3};
	key.job.bytes[0] = 0xf0;
	char name[OUTPUT_NAME_BYTES];
	output_name(&key, name);
	assert_string_equal(name, "f0000000000000000000000000000000-0000000000000018--00020003");
	key.manual.bytes[15] = 1;
	output_name(&key, name);
	assert_string_equal(name, "f0000000000000000000000000000000-0000000000000018-"
				  "00000000000000000000000000000001-00020003");
}

static void marks_group_their_digits(void **state)
{
	(void)state;
	char text[OUTPUT_MARK_BYTES];
	output_mark_left_out(8421990, false, text);
	assert_string_equal(text, "[... 8 421 990 bytes left out ...]");
	output_mark_left_out(990, true, text);
	assert_string_equal(text, "[... up to 990 bytes left out ...]");
	output_mark_left_out(UINT64_MAX, true, text);
	assert_string_equal(text, "[... up to 18 446 744 073 709 551 615 bytes left out ...]");
	output_mark_lost(4096, text);
	assert_string_equal(text, "[... 4 096 bytes lost: disk full ...]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_header_comes_back_as_it_was_written, "a header comes back as it was written"),
		CASE(the_later_whole_slot_counts, "the later whole slot counts, a torn one does not"),
		CASE(any_flipped_byte_of_a_header_is_seen, "any flipped byte of a header is seen"),
		CASE(headers_with_impossible_offsets_are_refused, "impossible offsets are refused"),
		CASE(a_record_comes_back_as_it_was_written, "a record comes back as it was written"),
		CASE(the_head_is_a_quarter_and_the_ring_three, "the head is a quarter, the ring three"),
		CASE(offsets_find_their_place_where_the_ring_turns,
		     "offsets find their place in the ring"),
		CASE(the_tail_begins_at_a_waypoint_that_is_still_there,
		     "the tail begins at a waypoint that is still there"),
		CASE(the_name_comes_from_the_key_alone, "the file's name comes from the key alone"),
		CASE(marks_group_their_digits, "marks group their digits"),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
