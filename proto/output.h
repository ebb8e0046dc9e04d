/* The file in which the runner keeps a run's output, and from which the agent reads it, also while the run goes on.
 * This is the pure part: layout, header and records as bytes. agent/runner/spool.c writes, agent/io/segments.c reads.
 *
 *   header            head                        ring
 *   | 2 * 256 bytes   | the first quarter         | the last three quarters, written round and round |
 *
 * A run's output is one stream of records: a line of stdout or stderr (its newline included; a line longer than
 * OUTPUT_LINE_BYTES_MAX is several records, of which only the last ends in a newline), or a mark of ours. A record's
 * offset is logical: it counts record bytes from the start of the output and never runs backwards. Offsets below
 * head_end are in the head, the others in the ring, at (offset - head_end) modulo the ring's size.
 *
 * One writer, many readers, no lock: the writer moves tail_start in the header before it overwrites old records, and
 * tail_end after it has written new ones. A reader reads header, records, header again, and throws away what lies
 * before the second tail_start. The header has two slots, written in turn, each with a sequence number and a
 * checksum: while one is being written, for however long, the other one is whole, and is the truth as far as the
 * records are concerned. */
#ifndef PROTO_OUTPUT_H
#define PROTO_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/types.h"

#define OUTPUT_SLOT_BYTES 256u
#define OUTPUT_HEADER_BYTES (2u * OUTPUT_SLOT_BYTES)
#define OUTPUT_RECORD_HEADER_BYTES 10u
#define OUTPUT_WAYPOINT_COUNT 8u
#define OUTPUT_WAYPOINT_BYTES 16384u /* between two waypoints at least */
#define OUTPUT_NAME_BYTES 96u        /* a file name, NUL included */
#define OUTPUT_MARK_BYTES 96u        /* a mark's text, NUL included */

enum output_stream {
	OUTPUT_STDOUT = 'o',
	OUTPUT_STDERR = 'e',
	OUTPUT_MARK = '!' /* not the run's own words: something was left out or lost here */
};

struct output_record {
	int64_t t_ms; /* wall clock, when the runner read it */
	enum output_stream stream;
	struct slice bytes;
};

/* Sizes that follow from `output.max` alone. Stored sizes are half above the content's, for record headers: with
 * lines below 20 bytes on the average less than the content's size is kept. */
struct output_layout {
	uint64_t head_content_max;
	uint64_t head_stored_max;
	uint64_t tail_content_max;
	uint64_t tail_stored_max;
	uint32_t record_content_max; /* longest piece of a line: a record always fits the head and the ring */
};

struct output_header {
	uint64_t sequence; /* one more with each writing; the greater one of the two slots counts */
	struct run_key run;
	uint64_t bytes_max;      /* output.max of the definition */
	uint64_t total_bytes;    /* true total of both streams, kept or not */
	uint64_t left_out_bytes; /* written over in the ring */
	uint64_t lost_bytes;     /* could not be written: the disk was full */
	uint64_t head_end;       /* record bytes in the head */
	uint64_t tail_start;     /* oldest record of the ring; >= head_end */
	uint64_t tail_end;       /* end of the output */
	bool is_head_closed;     /* the head is full: new records go to the ring */
	bool is_complete;        /* the run ended and all was written */
	/* Offsets of records, rising, OUTPUT_WAYPOINT_BYTES or more apart; 0: none. For "from 64 KiB before the end". */
	uint64_t waypoints[OUTPUT_WAYPOINT_COUNT];
};

/* `bytes_max` is brought into OUTPUT_BYTES_MIN .. OUTPUT_BYTES_MAX. */
void output_layout_of(uint64_t bytes_max, struct output_layout *ret_layout);

/* Where a logical offset lies in the file, and how many bytes are contiguous from there (to the head's end, or to
 * where the ring turns). */
uint64_t output_place(const struct output_header *header, const struct output_layout *layout,
		      uint64_t offset, uint64_t *ret_contiguous_bytes);

/* Name of a run's file in DIR/output: the key in hex, so that it is known from the key alone. */
void output_name(const struct run_key *run, char ret_name[OUTPUT_NAME_BYTES]);

/* Writes one slot, OUTPUT_SLOT_BYTES; it belongs at output_slot_place in the file. */
void output_slot_put(struct buf *out, const struct output_header *header);
uint64_t output_slot_place(const struct output_header *header);
/* The later of the whole slots. ERR_TRUNCATED (fewer than OUTPUT_HEADER_BYTES), ERR_INVALID (not such a file),
 * ERR_UNSUPPORTED (a later version), ERR_CORRUPT (checksum: torn or damaged; read again), ERR_RANGE (offsets that
 * cannot be). */
MUST_CHECK enum err output_header_get(struct slice bytes, struct output_header *ret_header);

/* Appends a record; its bytes are at most OUTPUT_LINE_BYTES_MAX. */
void output_record_put(struct buf *out, const struct output_record *record);
/* The record at the start of `bytes`, borrowed from them, and its whole size. ERR_TRUNCATED: more bytes are needed;
 * ERR_CORRUPT: no record begins here. */
MUST_CHECK enum err output_record_get(struct slice bytes, struct output_record *ret_record,
				      size_t *ret_bytes);

/* Where to begin so that about `bytes` come before the end: an offset at which a record begins. */
uint64_t output_tail_offset(const struct output_header *header, uint64_t bytes);

/* "[... 8 421 990 bytes left out ...]"; `is_at_most`: the exact number is not known to this reader. */
void output_mark_left_out(uint64_t bytes, bool is_at_most, char ret_text[OUTPUT_MARK_BYTES]);
/* "[... 4 096 bytes lost: disk full ...]" */
void output_mark_lost(uint64_t bytes, char ret_text[OUTPUT_MARK_BYTES]);

#endif
