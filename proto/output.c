/* Layout, header and records of a run's output file, as bytes. The picture is in the header file. */
#include "proto/output.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/hash.h"

#define OUTPUT_MAGIC 0x50534f31u /* "PSO1" */
#define OUTPUT_VERSION 1u
#define OUTPUT_RECORD_MAGIC 0xa5u
#define OUTPUT_CHECKSUM_AT (OUTPUT_SLOT_BYTES - 8u)
#define OUTPUT_FLAG_HEAD_CLOSED 1u
#define OUTPUT_FLAG_COMPLETE 2u

static_assert(OUTPUT_LINE_BYTES_MAX <= UINT16_MAX, "a record's length has 16 bits");
static_assert(OUTPUT_BYTES_MIN / 4 > OUTPUT_RECORD_HEADER_BYTES, "the smallest head holds a record");

void output_layout_of(uint64_t bytes_max, struct output_layout *ret_layout)
{
	if (bytes_max < OUTPUT_BYTES_MIN)
		bytes_max = OUTPUT_BYTES_MIN;
	if (bytes_max > OUTPUT_BYTES_MAX)
		bytes_max = OUTPUT_BYTES_MAX;
	uint64_t head = bytes_max / 4;
	uint64_t tail = bytes_max - head;
	*ret_layout = (struct output_layout){
		.head_content_max = head,
		.head_stored_max = head + head / 2,
		.tail_content_max = tail,
		.tail_stored_max = tail + tail / 2,
		.record_content_max = head < OUTPUT_LINE_BYTES_MAX ? (uint32_t)head
								   : OUTPUT_LINE_BYTES_MAX,
	};
}

uint64_t output_place(const struct output_header *header, const struct output_layout *layout,
		      uint64_t offset, uint64_t *ret_contiguous_bytes)
{
	if (offset < header->head_end) {
		*ret_contiguous_bytes = header->head_end - offset;
		return OUTPUT_HEADER_BYTES + offset;
	}
	if (!header->is_head_closed) {
		*ret_contiguous_bytes = layout->head_stored_max - offset;
		return OUTPUT_HEADER_BYTES + offset;
	}
	uint64_t turn = (offset - header->head_end) % layout->tail_stored_max;
	*ret_contiguous_bytes = layout->tail_stored_max - turn;
	return OUTPUT_HEADER_BYTES + layout->head_stored_max + turn;
}

static void put_hex(char *text, size_t *at, const uint8_t *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < count; i++) {
		text[(*at)++] = digits[bytes[i] >> 4];
		text[(*at)++] = digits[bytes[i] & 15];
	}
}

void output_name(const struct run_key *run, char ret_name[OUTPUT_NAME_BYTES])
{
	uint8_t t[8];
	uint8_t last[4];
	store_u64(t, (uint64_t)run->t_ms);
	store_u16(last, run->shard);
	store_u16(last + 2, run->attempt);

	size_t at = 0;
	put_hex(ret_name, &at, run->job.bytes, sizeof(run->job.bytes));
	ret_name[at++] = '-';
	put_hex(ret_name, &at, t, sizeof(t));
	ret_name[at++] = '-';
	if (!id128_is_zero(run->manual))
		put_hex(ret_name, &at, run->manual.bytes, sizeof(run->manual.bytes));
	ret_name[at++] = '-';
	put_hex(ret_name, &at, last, sizeof(last));
	ret_name[at] = '\0';
	assert(at < OUTPUT_NAME_BYTES);
}

uint64_t output_slot_place(const struct output_header *header)
{
	return header->sequence % 2 * OUTPUT_SLOT_BYTES;
}

void output_slot_put(struct buf *out, const struct output_header *header)
{
	uint8_t bytes[OUTPUT_SLOT_BYTES] = {0};
	struct buf fields;
	buf_init(&fields, bytes, OUTPUT_CHECKSUM_AT);
	buf_put_u32(&fields, OUTPUT_MAGIC);
	buf_put_u16(&fields, OUTPUT_VERSION);
	buf_put_u16(&fields, (uint16_t)((header->is_head_closed ? OUTPUT_FLAG_HEAD_CLOSED : 0u) |
					(header->is_complete ? OUTPUT_FLAG_COMPLETE : 0u)));
	buf_put_u64(&fields, header->sequence);
	buf_put(&fields, header->run.job.bytes, sizeof(header->run.job.bytes));
	buf_put_u64(&fields, (uint64_t)header->run.t_ms);
	buf_put(&fields, header->run.manual.bytes, sizeof(header->run.manual.bytes));
	buf_put_u16(&fields, header->run.shard);
	buf_put_u16(&fields, header->run.attempt);
	buf_put_u64(&fields, header->bytes_max);
	buf_put_u64(&fields, header->total_bytes);
	buf_put_u64(&fields, header->left_out_bytes);
	buf_put_u64(&fields, header->lost_bytes);
	buf_put_u64(&fields, header->head_end);
	buf_put_u64(&fields, header->tail_start);
	buf_put_u64(&fields, header->tail_end);
	for (size_t i = 0; i < OUTPUT_WAYPOINT_COUNT; i++)
		buf_put_u64(&fields, header->waypoints[i]);
	assert(!fields.has_overflowed);
	store_u64(bytes + OUTPUT_CHECKSUM_AT, hash_u64(slice_of(bytes, OUTPUT_CHECKSUM_AT)));
	buf_put(out, bytes, sizeof(bytes));
}

static uint64_t take_u64(const uint8_t **at)
{
	uint64_t value = load_u64(*at);
	*at += 8;
	return value;
}

static enum err header_check(const struct output_header *header)
{
	if (header->bytes_max < OUTPUT_BYTES_MIN || header->bytes_max > OUTPUT_BYTES_MAX)
		return ERR_RANGE;
	struct output_layout layout;
	output_layout_of(header->bytes_max, &layout);
	if (header->head_end > layout.head_stored_max || header->tail_start < header->head_end ||
	    header->tail_end < header->tail_start)
		return ERR_RANGE;
	if (header->tail_end - header->tail_start > layout.tail_stored_max)
		return ERR_RANGE;
	if (!header->is_head_closed && header->tail_end != header->head_end)
		return ERR_RANGE;
	for (size_t i = 0; i < OUTPUT_WAYPOINT_COUNT; i++) {
		if (header->waypoints[i] > header->tail_end)
			return ERR_RANGE;
	}
	return ERR_OK;
}

static enum err slot_get(const uint8_t *at, struct output_header *ret_header)
{
	if (load_u32(at) != OUTPUT_MAGIC)
		return ERR_INVALID;
	if (load_u16(at + 4) != OUTPUT_VERSION)
		return ERR_UNSUPPORTED;
	if (load_u64(at + OUTPUT_CHECKSUM_AT) != hash_u64(slice_of(at, OUTPUT_CHECKSUM_AT)))
		return ERR_CORRUPT;

	uint16_t flags = load_u16(at + 6);
	struct output_header header = {
		.is_head_closed = (flags & OUTPUT_FLAG_HEAD_CLOSED) != 0,
		.is_complete = (flags & OUTPUT_FLAG_COMPLETE) != 0,
	};
	at += 8;
	header.sequence = take_u64(&at);
	memcpy(header.run.job.bytes, at, sizeof(header.run.job.bytes));
	at += sizeof(header.run.job.bytes);
	header.run.t_ms = (int64_t)take_u64(&at);
	memcpy(header.run.manual.bytes, at, sizeof(header.run.manual.bytes));
	at += sizeof(header.run.manual.bytes);
	header.run.shard = load_u16(at);
	header.run.attempt = load_u16(at + 2);
	at += 4;
	header.bytes_max = take_u64(&at);
	header.total_bytes = take_u64(&at);
	header.left_out_bytes = take_u64(&at);
	header.lost_bytes = take_u64(&at);
	header.head_end = take_u64(&at);
	header.tail_start = take_u64(&at);
	header.tail_end = take_u64(&at);
	for (size_t i = 0; i < OUTPUT_WAYPOINT_COUNT; i++)
		header.waypoints[i] = take_u64(&at);

	enum err err = header_check(&header);
	if (err != ERR_OK)
		return err;
	*ret_header = header;
	return ERR_OK;
}

enum err output_header_get(struct slice bytes, struct output_header *ret_header)
{
	if (bytes.bytes < OUTPUT_HEADER_BYTES)
		return ERR_TRUNCATED;
	struct output_header slots[2];
	enum err errs[2];
	for (size_t i = 0; i < 2; i++) {
		errs[i] = slot_get(bytes.data + i * OUTPUT_SLOT_BYTES, &slots[i]);
		/* A slot in the other one's place was not put there by us. */
		if (errs[i] == ERR_OK && output_slot_place(&slots[i]) != i * OUTPUT_SLOT_BYTES)
			errs[i] = ERR_CORRUPT;
	}
	if (errs[0] != ERR_OK && errs[1] != ERR_OK)
		return errs[0] == ERR_INVALID ? errs[1] : errs[0]; /* the second slot may be unused yet */
	size_t best = errs[0] == ERR_OK ? 0 : 1;
	if (errs[0] == ERR_OK && errs[1] == ERR_OK && slots[1].sequence > slots[0].sequence)
		best = 1;
	*ret_header = slots[best];
	return ERR_OK;
}

void output_record_put(struct buf *out, const struct output_record *record)
{
	assert(record->bytes.bytes <= OUTPUT_LINE_BYTES_MAX);
	uint64_t t_ms = record->t_ms < 0 ? 0 : (uint64_t)record->t_ms;
	buf_put_u8(out, OUTPUT_RECORD_MAGIC);
	buf_put_u8(out, (uint8_t)record->stream);
	buf_put_u16(out, (uint16_t)record->bytes.bytes);
	buf_put_u16(out, (uint16_t)(t_ms >> 32)); /* 48 bits last until the year 10889 */
	buf_put_u32(out, (uint32_t)t_ms);
	buf_put(out, record->bytes.data, record->bytes.bytes);
}

enum err output_record_get(struct slice bytes, struct output_record *ret_record, size_t *ret_bytes)
{
	if (bytes.bytes < OUTPUT_RECORD_HEADER_BYTES)
		return ERR_TRUNCATED;
	const uint8_t *at = bytes.data;
	uint8_t stream = at[1];
	uint16_t content_bytes = load_u16(at + 2);
	if (at[0] != OUTPUT_RECORD_MAGIC || content_bytes > OUTPUT_LINE_BYTES_MAX)
		return ERR_CORRUPT;
	if (stream != OUTPUT_STDOUT && stream != OUTPUT_STDERR && stream != OUTPUT_MARK)
		return ERR_CORRUPT;
	if (bytes.bytes - OUTPUT_RECORD_HEADER_BYTES < content_bytes)
		return ERR_TRUNCATED;
	*ret_record = (struct output_record){
		.t_ms = (int64_t)(((uint64_t)load_u16(at + 4) << 32) | load_u32(at + 6)),
		.stream = (enum output_stream)stream,
		.bytes = slice_of(at + OUTPUT_RECORD_HEADER_BYTES, content_bytes),
	};
	*ret_bytes = OUTPUT_RECORD_HEADER_BYTES + (size_t)content_bytes;
	return ERR_OK;
}

uint64_t output_tail_offset(const struct output_header *header, uint64_t bytes)
{
	uint64_t wanted = header->tail_end > bytes ? header->tail_end - bytes : 0;
	if (wanted == 0)
		return 0;
	uint64_t best = 0;
	uint64_t newest = 0;
	for (size_t i = 0; i < OUTPUT_WAYPOINT_COUNT; i++) {
		uint64_t waypoint = header->waypoints[i];
		if (waypoint >= wanted && (best == 0 || waypoint < best))
			best = waypoint;
		if (waypoint > newest)
			newest = waypoint;
	}
	if (best == 0)
		best = newest;
	/* A waypoint that the ring has written over is no place to begin. */
	if (best > header->head_end && best < header->tail_start)
		return header->tail_start;
	return best;
}

/* Digits in groups of three, as in 8 421 990. */
static void format_grouped(uint64_t value, char ret_text[32])
{
	char digits[24];
	int count = snprintf(digits, sizeof(digits), "%" PRIu64, value);
	size_t at = 0;
	for (int i = 0; i < count; i++) {
		if (i > 0 && (count - i) % 3 == 0)
			ret_text[at++] = ' ';
		ret_text[at++] = digits[i];
	}
	ret_text[at] = '\0';
}

void output_mark_left_out(uint64_t bytes, bool is_at_most, char ret_text[OUTPUT_MARK_BYTES])
{
	char number[32];
	format_grouped(bytes, number);
	(void)snprintf(ret_text, OUTPUT_MARK_BYTES, "[... %s%s bytes left out ...]",
		       is_at_most ? "up to " : "", number);
}

void output_mark_lost(uint64_t bytes, char ret_text[OUTPUT_MARK_BYTES])
{
	char number[32];
	format_grouped(bytes, number);
	(void)snprintf(ret_text, OUTPUT_MARK_BYTES, "[... %s bytes lost: disk full ...]", number);
}
