/* Any bytes on the runner's socket and in output files: whatever is accepted is encoded, decoded and encoded again to
 * the same bytes.
 *
 * The first byte of the input chooses: an order, a report, records of an output file, or its header. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/output.h"
#include "proto/runner.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

#define FUZZ_BYTES_MAX 65536u

static uint8_t memory[FUZZ_BYTES_MAX];
static uint8_t again_memory[FUZZ_BYTES_MAX];

static void check_order(struct slice frame)
{
	struct runner_order order;
	struct buf out;
	struct buf again;
	buf_init(&out, memory, sizeof(memory));
	buf_init(&again, again_memory, sizeof(again_memory));
	if (runner_order_get(frame, &order) != ERR_OK)
		return;
	runner_order_put(&out, &order);
	if (out.has_overflowed)
		return;
	enum err err = runner_order_get(buf_slice(&out), &order);
	assert(err == ERR_OK);
	runner_order_put(&again, &order);
	assert(slice_equal(buf_slice(&out), buf_slice(&again)));
}

static void check_report(struct slice frame)
{
	struct runner_report report;
	struct buf out;
	struct buf again;
	buf_init(&out, memory, sizeof(memory));
	buf_init(&again, again_memory, sizeof(again_memory));
	if (runner_report_get(frame, &report) != ERR_OK)
		return;
	assert(report.cause_text.bytes <= RESULT_BYTES_MAX);
	runner_report_put(&out, &report);
	if (out.has_overflowed)
		return;
	enum err err = runner_report_get(buf_slice(&out), &report);
	assert(err == ERR_OK);
	runner_report_put(&again, &report);
	assert(slice_equal(buf_slice(&out), buf_slice(&again)));
}

static void check_records(struct slice bytes)
{
	while (bytes.bytes > 0) {
		struct output_record record;
		size_t record_bytes = 0;
		if (output_record_get(bytes, &record, &record_bytes) != ERR_OK)
			return;
		assert(record_bytes >= OUTPUT_RECORD_HEADER_BYTES && record_bytes <= bytes.bytes);
		assert(record.bytes.bytes <= record_bytes - OUTPUT_RECORD_HEADER_BYTES);
		assert(record.stream == OUTPUT_STDOUT || record.stream == OUTPUT_STDERR ||
		       record.stream == OUTPUT_MARK);
		struct buf out;
		buf_init(&out, memory, sizeof(memory));
		output_record_put(&out, &record);
		assert(out.has_overflowed ||
		       slice_equal(buf_slice(&out), slice_of(bytes.data, record_bytes)));
		bytes = slice_of(bytes.data + record_bytes, bytes.bytes - record_bytes);
	}
}

static void check_header(struct slice bytes)
{
	struct output_header header;
	if (output_header_get(bytes, &header) != ERR_OK)
		return;
	struct output_layout layout;
	output_layout_of(header.bytes_max, &layout);
	uint64_t contiguous = 0;
	(void)output_place(&header, &layout, header.tail_start, &contiguous);
	for (unsigned shift = 0; shift < 40; shift += 3) {
		uint64_t offset = output_tail_offset(&header, (uint64_t)1 << shift);
		assert(offset <= header.tail_end);
	}
	struct buf out;
	memset(memory, 0, OUTPUT_HEADER_BYTES);
	buf_init(&out, memory + output_slot_place(&header), OUTPUT_SLOT_BYTES);
	output_slot_put(&out, &header);
	assert(out.bytes == OUTPUT_SLOT_BYTES);
	struct output_header again;
	enum err err = output_header_get(slice_of(memory, OUTPUT_HEADER_BYTES), &again);
	assert(err == ERR_OK && again.tail_end == header.tail_end);
	char name[OUTPUT_NAME_BYTES];
	output_name(&header.run, name);
	char mark[OUTPUT_MARK_BYTES];
	output_mark_left_out(header.left_out_bytes, false, mark);
	output_mark_lost(header.lost_bytes, mark);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
	if (bytes_count < 1)
		return 0;
	struct slice input = slice_of(bytes + 1, bytes_count - 1);
	switch (bytes[0] % 4) {
	case 0:
		check_order(input);
		break;
	case 1:
		check_report(input);
		break;
	case 2:
		check_records(input);
		break;
	default:
		check_header(input);
		break;
	}
	return 0;
}
