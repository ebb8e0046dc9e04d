/* The writer of output files. Records are gathered in a batch on the stack and written with one or two pwrites; a
 * batch belongs to the head or to the ring, never to both. */
#include "agent/runner/spool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SPOOL_EVICT_BYTES 4096u /* read at once to find the ends of old records */

static_assert(SPOOL_BATCH_BYTES_MAX >= 2 * (OUTPUT_LINE_BYTES_MAX + OUTPUT_RECORD_HEADER_BYTES),
	      "a batch takes the longest record");

struct batch {
	struct buf records;
	uint64_t content_bytes;
	uint8_t memory[SPOOL_BATCH_BYTES_MAX];
};

static bool write_at(int descriptor, const uint8_t *bytes, size_t count, uint64_t place)
{
	while (count > 0) {
		ssize_t written = pwrite(descriptor, bytes, count, (off_t)place);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		bytes += written;
		count -= (size_t)written;
		place += (uint64_t)written;
	}
	return true;
}

/* The header's block is there since the file was made, so a full disk does not refuse it. */
static bool write_header(struct spool *spool)
{
	uint8_t memory[OUTPUT_SLOT_BYTES];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	spool->header.sequence++;
	output_slot_put(&out, &spool->header);
	return write_at(spool->descriptor, memory, sizeof(memory), output_slot_place(&spool->header));
}

/* Both slots, so that the file has its whole header from the first moment on. */
static bool write_first_header(struct spool *spool)
{
	uint8_t memory[OUTPUT_HEADER_BYTES] = {0};
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	output_slot_put(&out, &spool->header);
	return write_at(spool->descriptor, memory, sizeof(memory), 0);
}

enum err spool_create(struct spool *spool, int directory, const struct run_key *run, uint64_t bytes_max)
{
	*spool = (struct spool){.descriptor = -1};
	if (bytes_max < OUTPUT_BYTES_MIN)
		bytes_max = OUTPUT_BYTES_MIN;
	if (bytes_max > OUTPUT_BYTES_MAX)
		bytes_max = OUTPUT_BYTES_MAX;
	spool->header.run = *run;
	spool->header.bytes_max = bytes_max;
	output_layout_of(bytes_max, &spool->layout);

	char name[OUTPUT_NAME_BYTES];
	output_name(run, name);
	int descriptor = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
				0600);
	if (descriptor < 0)
		return errno == EEXIST ? ERR_EXISTS : ERR_IO;
	spool->descriptor = descriptor;
	if (!write_first_header(spool)) {
		spool_remove(spool, directory);
		return ERR_IO;
	}
	return ERR_OK;
}

/* Bytes of the run's own words between two offsets, as an earlier runner wrote them. */
static bool count_content(const struct spool *spool, uint64_t from, uint64_t to, uint64_t *ret_content);

void spool_reopen(struct spool *spool, int directory, const struct run_key *run)
{
	*spool = (struct spool){.descriptor = -1};
	spool->header.run = *run;
	spool->header.bytes_max = OUTPUT_BYTES_DEFAULT;
	output_layout_of(OUTPUT_BYTES_DEFAULT, &spool->layout);

	char name[OUTPUT_NAME_BYTES];
	output_name(run, name);
	int descriptor = openat(directory, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (descriptor < 0)
		return;
	uint8_t memory[OUTPUT_HEADER_BYTES];
	struct output_header header;
	if (pread(descriptor, memory, sizeof(memory), 0) != (ssize_t)sizeof(memory) ||
	    output_header_get(slice_of(memory, sizeof(memory)), &header) != ERR_OK ||
	    !run_key_equal(&header.run, run)) {
		(void)close(descriptor);
		return;
	}
	spool->descriptor = descriptor;
	spool->header = header;
	output_layout_of(header.bytes_max, &spool->layout);
	if (!count_content(spool, 0, header.head_end, &spool->head_content) ||
	    !count_content(spool, header.tail_start, header.tail_end, &spool->tail_content)) {
		(void)close(descriptor);
		spool->descriptor = -1;
	}
}

static size_t read_place(const struct spool *spool, uint64_t offset, uint64_t end, uint8_t *memory,
			 size_t bytes_max)
{
	size_t wanted = end - offset < bytes_max ? (size_t)(end - offset) : bytes_max;
	size_t done = 0;
	while (done < wanted) {
		uint64_t contiguous = 0;
		uint64_t place = output_place(&spool->header, &spool->layout, offset + done,
					      &contiguous);
		size_t bytes = wanted - done < contiguous ? wanted - done : (size_t)contiguous;
		ssize_t got = pread(spool->descriptor, memory + done, bytes, (off_t)place);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return 0;
		done += (size_t)got;
	}
	return wanted;
}

/* Walks over whole records from `*offset`, at most to `end`, until `stop` says enough; adds the run's own bytes to
 * *content. False: the file does not hold what we wrote. */
static bool walk(const struct spool *spool, uint64_t *offset, uint64_t end, uint64_t bytes_wanted,
		 uint64_t content_wanted, uint64_t *content)
{
	uint64_t start = *offset;
	uint8_t memory[SPOOL_EVICT_BYTES];
	while (*offset < end && (*offset - start < bytes_wanted || *content < content_wanted)) {
		/* Only headers matter here, so a record may be longer than what is read. */
		size_t bytes = read_place(spool, *offset, end, memory, sizeof(memory));
		if (bytes < OUTPUT_RECORD_HEADER_BYTES)
			return false;
		size_t at = 0;
		while (bytes - at >= OUTPUT_RECORD_HEADER_BYTES && *offset < end &&
		       (*offset - start < bytes_wanted || *content < content_wanted)) {
			uint16_t record_content = load_u16(memory + at + 2);
			if (memory[at + 1] != (uint8_t)OUTPUT_MARK)
				*content += record_content;
			*offset += OUTPUT_RECORD_HEADER_BYTES + (uint64_t)record_content;
			at += OUTPUT_RECORD_HEADER_BYTES + (size_t)record_content;
			if (at > bytes)
				break;
		}
	}
	return *offset <= end;
}

static bool count_content(const struct spool *spool, uint64_t from, uint64_t to, uint64_t *ret_content)
{
	*ret_content = 0;
	return walk(spool, &from, to, UINT64_MAX, 0, ret_content);
}

/* Makes room in the ring for a batch: the oldest records go, and readers are told before they are written over. */
static bool evict(struct spool *spool, uint64_t bytes, uint64_t content_bytes)
{
	struct output_header *header = &spool->header;
	uint64_t stored = header->tail_end - header->tail_start + bytes;
	uint64_t content = spool->tail_content + content_bytes;
	uint64_t stored_above = stored > spool->layout.tail_stored_max
					? stored - spool->layout.tail_stored_max
					: 0;
	uint64_t content_above = content > spool->layout.tail_content_max
					 ? content - spool->layout.tail_content_max
					 : 0;
	if (stored_above == 0 && content_above == 0)
		return true;

	uint64_t evicted = 0;
	if (!walk(spool, &header->tail_start, header->tail_end, stored_above, content_above, &evicted))
		return false;
	spool->tail_content -= evicted;
	header->left_out_bytes += evicted;
	(void)write_header(spool);
	return true;
}

static void add_waypoint(struct output_header *header, uint64_t offset)
{
	size_t oldest = 0;
	uint64_t newest = 0;
	for (size_t i = 0; i < OUTPUT_WAYPOINT_COUNT; i++) {
		if (header->waypoints[i] < header->waypoints[oldest])
			oldest = i;
		if (header->waypoints[i] > newest)
			newest = header->waypoints[i];
	}
	if (offset >= newest + OUTPUT_WAYPOINT_BYTES)
		header->waypoints[oldest] = offset;
}

/* Writes record bytes at the end of the output; the header in memory then includes them. */
static bool append(struct spool *spool, struct slice records, uint64_t content_bytes)
{
	struct output_header *header = &spool->header;
	if (header->is_head_closed && !evict(spool, records.bytes, content_bytes))
		return false;
	size_t done = 0;
	while (done < records.bytes) {
		uint64_t contiguous = 0;
		uint64_t place = output_place(header, &spool->layout, header->tail_end + done,
					      &contiguous);
		size_t bytes = records.bytes - done < contiguous ? records.bytes - done
								 : (size_t)contiguous;
		if (!write_at(spool->descriptor, records.data + done, bytes, place))
			return false;
		done += bytes;
	}
	add_waypoint(header, header->tail_end);
	header->tail_end += records.bytes;
	if (header->is_head_closed) {
		spool->tail_content += content_bytes;
	} else {
		header->head_end = header->tail_end;
		header->tail_start = header->tail_end;
		spool->head_content += content_bytes;
	}
	return true;
}

/* Says in the output that something before this place is missing. */
static bool append_lost_mark(struct spool *spool, int64_t t_ms)
{
	char text[OUTPUT_MARK_BYTES];
	output_mark_lost(spool->lost_unmarked, text);
	uint8_t memory[OUTPUT_MARK_BYTES + OUTPUT_RECORD_HEADER_BYTES];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	output_record_put(&out, &(struct output_record){
					.t_ms = t_ms, .stream = OUTPUT_MARK, .bytes = slice_str(text)});
	struct output_header *header = &spool->header;
	if (!header->is_head_closed && header->head_end + out.bytes > spool->layout.head_stored_max)
		header->is_head_closed = true;
	return append(spool, buf_slice(&out), 0);
}

/* Takes a mark back of which what should follow it did not fit: one mark is to stand for all that is lost. */
static void take_back(struct spool *spool, uint64_t end)
{
	struct output_header *header = &spool->header;
	if (!header->is_head_closed) {
		header->head_end = end;
		header->tail_start = end;
	} else if (header->tail_start > end) {
		end = header->tail_start;
	}
	header->tail_end = end;
}

static bool append_batch(struct spool *spool, const struct batch *batch, int64_t t_ms)
{
	if (spool->descriptor < 0)
		return false;
	if (spool->lost_unmarked == 0)
		return append(spool, buf_slice(&batch->records), batch->content_bytes);
	uint64_t end = spool->header.tail_end;
	/* The mark may close the head; a batch that was cut for the head's rest fits the ring as well. */
	if (!append_lost_mark(spool, t_ms))
		return false;
	if (!append(spool, buf_slice(&batch->records), batch->content_bytes)) {
		take_back(spool, end);
		return false;
	}
	spool->lost_unmarked = 0;
	return true;
}

static void batch_flush(struct spool *spool, struct batch *batch, int64_t t_ms)
{
	if (batch->records.bytes == 0)
		return;
	if (!append_batch(spool, batch, t_ms)) {
		spool->header.lost_bytes += batch->content_bytes;
		spool->lost_unmarked += batch->content_bytes;
	}
	buf_clear(&batch->records);
	batch->content_bytes = 0;
}

static bool batch_fits(const struct spool *spool, const struct batch *batch, size_t content_bytes)
{
	uint64_t stored = batch->records.bytes + OUTPUT_RECORD_HEADER_BYTES + content_bytes;
	uint64_t content = batch->content_bytes + content_bytes;
	if (!spool->header.is_head_closed)
		return spool->header.head_end + stored <= spool->layout.head_stored_max &&
		       spool->head_content + content <= spool->layout.head_content_max &&
		       stored <= SPOOL_BATCH_BYTES_MAX;
	/* At most half the ring at once, so that the smallest ring is not written over by one batch. */
	return stored <= SPOOL_BATCH_BYTES_MAX && stored <= spool->layout.tail_stored_max / 2;
}

static void batch_add(struct spool *spool, struct batch *batch, const struct output_record *record)
{
	if (!batch_fits(spool, batch, record->bytes.bytes)) {
		batch_flush(spool, batch, record->t_ms);
		if (!spool->header.is_head_closed && !batch_fits(spool, batch, record->bytes.bytes))
			spool->header.is_head_closed = true;
	}
	output_record_put(&batch->records, record);
	assert(!batch->records.has_overflowed);
	batch->content_bytes += record->bytes.bytes;
}

static enum output_stream stream_of(enum spool_pipe pipe)
{
	return pipe == SPOOL_STDOUT ? OUTPUT_STDOUT : OUTPUT_STDERR;
}

/* Keeps the begin of a line until the rest comes; without memory it becomes a record of its own. */
static bool partial_keep(struct spool_partial *partial, const uint8_t *bytes, size_t count)
{
	if (count == 0)
		return true;
	uint8_t *grown = realloc(partial->bytes, partial->count + count);
	if (grown == NULL)
		return false;
	memcpy(grown + partial->count, bytes, count);
	partial->bytes = grown;
	partial->count += count;
	return true;
}

static void partial_clear(struct spool_partial *partial)
{
	free(partial->bytes);
	*partial = (struct spool_partial){0};
}

/* Bytes up to and with the next newline, or up to the longest piece; 0: neither is there yet. */
static size_t piece_bytes(const uint8_t *bytes, size_t count, size_t piece_max)
{
	size_t look = count < piece_max ? count : piece_max;
	const uint8_t *newline = memchr(bytes, '\n', look);
	if (newline != NULL)
		return (size_t)(newline - bytes) + 1;
	return count >= piece_max ? piece_max : 0;
}

/* Ends the line that an earlier feed began, if this one has enough; returns how many bytes it took. */
static size_t partial_complete(struct spool *spool, struct batch *batch, enum spool_pipe pipe,
			       int64_t t_ms, const uint8_t *bytes, size_t count)
{
	struct spool_partial *partial = &spool->partials[pipe];
	if (partial->count == 0)
		return 0;
	size_t room = spool->layout.record_content_max - partial->count;
	size_t piece = piece_bytes(bytes, count, room);
	size_t taken = piece > 0 ? piece : count;
	if (!partial_keep(partial, bytes, taken)) {
		taken = 0;
		piece = 1; /* what is held goes out as it is */
	}
	if (piece > 0) {
		batch_add(spool, batch,
			  &(struct output_record){.t_ms = t_ms,
						  .stream = stream_of(pipe),
						  .bytes = slice_of(partial->bytes, partial->count)});
		partial_clear(partial);
	}
	return taken;
}

void spool_feed(struct spool *spool, enum spool_pipe pipe, int64_t t_ms, const uint8_t *bytes,
		size_t count)
{
	struct batch batch;
	buf_init(&batch.records, batch.memory, sizeof(batch.memory));
	batch.content_bytes = 0;
	spool->header.total_bytes += count;

	size_t at = partial_complete(spool, &batch, pipe, t_ms, bytes, count);
	while (at < count) {
		size_t piece = piece_bytes(bytes + at, count - at, spool->layout.record_content_max);
		if (piece == 0 && partial_keep(&spool->partials[pipe], bytes + at, count - at))
			break;
		if (piece == 0)
			piece = count - at;
		batch_add(spool, &batch,
			  &(struct output_record){.t_ms = t_ms,
						  .stream = stream_of(pipe),
						  .bytes = slice_of(bytes + at, piece)});
		at += piece;
	}
	batch_flush(spool, &batch, t_ms);
	if (spool->descriptor >= 0)
		(void)write_header(spool);
}

void spool_finish(struct spool *spool, int64_t t_ms)
{
	struct batch batch;
	buf_init(&batch.records, batch.memory, sizeof(batch.memory));
	batch.content_bytes = 0;
	for (enum spool_pipe pipe = SPOOL_STDOUT; pipe < SPOOL_PIPE_COUNT; pipe++) {
		struct spool_partial *partial = &spool->partials[pipe];
		if (partial->count == 0)
			continue;
		batch_add(spool, &batch,
			  &(struct output_record){.t_ms = t_ms,
						  .stream = stream_of(pipe),
						  .bytes = slice_of(partial->bytes, partial->count)});
		partial_clear(partial);
	}
	batch_flush(spool, &batch, t_ms);
	if (spool->descriptor < 0)
		return;
	if (spool->lost_unmarked > 0)
		(void)append_lost_mark(spool, t_ms);
	spool->header.is_complete = true;
	(void)write_header(spool);
	spool_close(spool);
}

void spool_close(struct spool *spool)
{
	for (size_t i = 0; i < SPOOL_PIPE_COUNT; i++)
		partial_clear(&spool->partials[i]);
	if (spool->descriptor >= 0)
		(void)close(spool->descriptor);
	spool->descriptor = -1;
}

void spool_remove(struct spool *spool, int directory)
{
	if (spool->descriptor < 0)
		return;
	char name[OUTPUT_NAME_BYTES];
	output_name(&spool->header.run, name);
	(void)unlinkat(directory, name, 0);
	spool_close(spool);
}
