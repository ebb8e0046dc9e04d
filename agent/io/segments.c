/* Reads the output files of runs. Header, records, header again: what the writer overwrote meanwhile lies before the
 * second header's tail_start and is thrown away. */
#include "agent/io/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/wire.h"

#define SEGMENTS_BLOCK_BYTES (4u * (OUTPUT_LINE_BYTES_MAX + OUTPUT_RECORD_HEADER_BYTES))
/* Both slots torn: the writer came by twice during the read, or the disk is damaged. */
#define SEGMENTS_HEADER_TRIES 100u
#define SEGMENTS_LINE_OVERHEAD 32u /* msgpack around a line's bytes */

/* One reading: the file, its header as last seen, and a block of record bytes. */
struct reading {
	int descriptor;
	struct output_header header;
	struct output_layout layout;
	struct problem *problem;
	uint8_t block[SEGMENTS_BLOCK_BYTES];
};

enum err segments_init(struct segments *segments, const char *agent_directory, struct problem *problem)
{
	int length = snprintf(segments->directory, sizeof(segments->directory), "%s/output",
			      agent_directory);
	if (length < 0 || (size_t)length >= sizeof(segments->directory))
		return problem_set(problem, ERR_RANGE, "output: the directory's path is too long");
	return ERR_OK;
}

void segments_path(const struct segments *segments, const struct run_key *run,
		   char ret_path[SEGMENTS_PATH_BYTES])
{
	char name[OUTPUT_NAME_BYTES];
	output_name(run, name);
	(void)snprintf(ret_path, SEGMENTS_PATH_BYTES, "%s/%s", segments->directory, name);
}

/* Fills `bytes` bytes; fewer mean that the file ends early. */
static enum err read_at(const struct reading *reading, void *memory, size_t bytes, uint64_t place)
{
	size_t done = 0;
	while (done < bytes) {
		ssize_t got = pread(reading->descriptor, (uint8_t *)memory + done, bytes - done,
				    (off_t)(place + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return problem_set(reading->problem, ERR_IO, "output: %s", strerror(errno));
		if (got == 0)
			return problem_set(reading->problem, ERR_CORRUPT,
					   "output: the file ends too early");
		done += (size_t)got;
	}
	return ERR_OK;
}

static enum err read_header(struct reading *reading)
{
	enum err err = ERR_CORRUPT;
	for (size_t i = 0; i < SEGMENTS_HEADER_TRIES && err == ERR_CORRUPT; i++) {
		uint8_t bytes[OUTPUT_HEADER_BYTES];
		err = read_at(reading, bytes, sizeof(bytes), 0);
		if (err != ERR_OK)
			return err;
		err = output_header_get(slice_of(bytes, sizeof(bytes)), &reading->header);
	}
	if (err != ERR_OK)
		return problem_set(reading->problem, err, "output: header: %s", err_text(err));
	output_layout_of(reading->header.bytes_max, &reading->layout);
	return ERR_OK;
}

/* Reads record bytes from `offset` up to the block's size; in the head never past its end. */
static enum err read_block(struct reading *reading, uint64_t offset, size_t *ret_bytes)
{
	const struct output_header *header = &reading->header;
	uint64_t end = offset < header->head_end ? header->head_end : header->tail_end;
	size_t wanted = end - offset < sizeof(reading->block) ? (size_t)(end - offset)
							      : sizeof(reading->block);
	size_t done = 0;
	while (done < wanted) {
		uint64_t contiguous = 0;
		uint64_t place = output_place(header, &reading->layout, offset + done, &contiguous);
		size_t bytes = wanted - done < contiguous ? wanted - done : (size_t)contiguous;
		enum err err = read_at(reading, reading->block + done, bytes, place);
		if (err != ERR_OK)
			return err;
		done += bytes;
	}
	*ret_bytes = wanted;
	return ERR_OK;
}

static bool has_room(const struct buf *out, size_t bytes)
{
	return buf_left(out) >= bytes + SEGMENTS_LINE_OVERHEAD;
}

static void put_line(struct wire_map *array, struct buf *out, const struct output_record *record)
{
	char stream = (char)record->stream;
	wire_array_item(array);
	wire_put_array(out, 3);
	wire_put_i64(out, record->t_ms);
	wire_put_str(out, &stream, 1);
	wire_put_bin(out, record->bytes.data, record->bytes.bytes);
}

static void put_left_out(struct wire_map *array, struct buf *out,
			 const struct output_header *header, uint64_t offset, int64_t t_ms)
{
	char text[OUTPUT_MARK_BYTES];
	/* From the head's end the number is exact. A reader that was overtaken in the ring knows only how many record
	 * bytes it missed. */
	if (offset <= header->head_end)
		output_mark_left_out(header->left_out_bytes, false, text);
	else
		output_mark_left_out(header->tail_start - offset, true, text);
	put_line(array, out,
		 &(struct output_record){.t_ms = t_ms, .stream = OUTPUT_MARK, .bytes = slice_str(text)});
}

/* Puts the records of the block that is at `*offset`; moves *offset past those that were put. */
static enum err put_block(struct reading *reading, size_t block_bytes, uint64_t *offset,
			  bool mark_left_out, uint64_t mark_offset, struct wire_map *array,
			  struct buf *out, bool *ret_is_full)
{
	size_t at = 0;
	*ret_is_full = false;
	while (at < block_bytes) {
		struct output_record record;
		size_t bytes = 0;
		enum err err = output_record_get(slice_of(reading->block + at, block_bytes - at),
						 &record, &bytes);
		if (err == ERR_TRUNCATED && at > 0)
			break;
		if (err != ERR_OK)
			return problem_set(reading->problem, ERR_CORRUPT,
					   "output: no record at %llu: %s",
					   (unsigned long long)(*offset), err_text(err));
		size_t room = record.bytes.bytes +
			      (mark_left_out ? OUTPUT_MARK_BYTES + SEGMENTS_LINE_OVERHEAD : 0);
		if (!has_room(out, room)) {
			*ret_is_full = true;
			break;
		}
		if (mark_left_out)
			put_left_out(array, out, &reading->header, mark_offset, record.t_ms);
		mark_left_out = false;
		put_line(array, out, &record);
		at += bytes;
		*offset += bytes;
	}
	return ERR_OK;
}

static enum err read_lines(struct reading *reading, uint64_t *offset, struct wire_map *array,
			   struct buf *out, bool *ret_is_end)
{
	bool is_full = false;
	while (!is_full) {
		const struct output_header *header = &reading->header;
		*ret_is_end = *offset >= header->tail_end;
		if (*ret_is_end)
			return ERR_OK;
		uint64_t mark_offset = *offset;
		bool left_out = *offset >= header->head_end && *offset < header->tail_start;
		uint64_t from = left_out ? header->tail_start : *offset;

		size_t block_bytes = 0;
		enum err err = read_block(reading, from, &block_bytes);
		if (err != ERR_OK)
			return err;
		/* Has the writer come round meanwhile? Then these bytes prove nothing: begin again where it is now. */
		err = read_header(reading);
		if (err != ERR_OK)
			return err;
		if (from >= header->head_end && from < header->tail_start)
			continue;
		err = put_block(reading, block_bytes, &from, left_out, mark_offset, array, out,
				&is_full);
		if (err != ERR_OK)
			return err;
		if (from != header->tail_start || !left_out)
			*offset = from;
	}
	return ERR_OK;
}

enum err segments_read(const struct segments *segments, const struct run_key *run, uint64_t offset,
		       bool is_tail, struct buf *out, struct segments_read *ret_read,
		       struct problem *problem)
{
	char path[SEGMENTS_PATH_BYTES];
	segments_path(segments, run, path);
	struct reading reading = {.problem = problem};
	reading.descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (reading.descriptor < 0 && errno == ENOENT)
		return problem_set(problem, ERR_NOT_FOUND,
				   "output: none of this run is kept on this node");
	if (reading.descriptor < 0)
		return problem_set(problem, ERR_IO, "output: %s: %s", path, strerror(errno));

	bool is_end = false;
	struct wire_map array;
	struct stat status;
	enum err err = ERR_OK;
	/* Made, but nothing is in it yet: the header comes with the first write. */
	if (fstat(reading.descriptor, &status) == 0 && status.st_size == 0)
		err = problem_set(problem, ERR_NOT_FOUND,
				  "output: none of this run is kept on this node");
	if (err == ERR_OK)
		err = read_header(&reading);
	if (err != ERR_OK)
		goto out;
	if (!run_key_equal(&reading.header.run, run)) {
		err = problem_set(problem, ERR_CORRUPT, "output: %s holds another run's output", path);
		goto out;
	}
	if (is_tail)
		offset = output_tail_offset(&reading.header, SEGMENTS_TAIL_BYTES);
	if (offset > reading.header.tail_end) {
		err = problem_set(problem, ERR_RANGE, "output: there is no offset %llu",
				  (unsigned long long)offset);
		goto out;
	}
	array = wire_array_begin(out);
	err = read_lines(&reading, &offset, &array, out, &is_end);
	if (err != ERR_OK)
		goto out;
	wire_array_end(&array, out);
	*ret_read = (struct segments_read){
		.offset = offset, .is_end = is_end, .is_final = is_end && reading.header.is_complete};
out:
	(void)close(reading.descriptor);
	return err;
}

enum err segments_drop(const struct segments *segments, const struct run_key *run, struct problem *problem)
{
	char path[SEGMENTS_PATH_BYTES];
	segments_path(segments, run, path);
	if (unlink(path) != 0 && errno != ENOENT)
		return problem_set(problem, ERR_IO, "output: remove %s: %s", path, strerror(errno));
	return ERR_OK;
}
