/* Splitting a byte stream into frames.
 *
 *   data   | used up | length | body ... | length | body, in part
 *                    ^ begin                                     ^ bytes     ^ bytes_max
 */
#include "proto/frame.h"

#include <assert.h>
#include <string.h>

#define FIRST_BYTES_MAX 256u /* most frames on a quiet connection are smaller */

void frame_reader_init(struct frame_reader *reader, size_t frame_max,
		       void *(*resize)(void *, size_t))
{
	*reader = (struct frame_reader){.frame_max = frame_max, .resize = resize};
}

static void give_back(struct frame_reader *reader)
{
	if (reader->data != NULL)
		(void)reader->resize(reader->data, 0);
	reader->data = NULL;
	reader->begin = 0;
	reader->bytes = 0;
	reader->bytes_max = 0;
}

void frame_reader_close(struct frame_reader *reader)
{
	if (reader != NULL)
		give_back(reader);
}

/* Makes room for `bytes` more behind what is held. */
static enum err make_room(struct frame_reader *reader, size_t bytes)
{
	size_t held = reader->bytes - reader->begin;
	if (reader->begin > 0) {
		memmove(reader->data, reader->data + reader->begin, held);
		reader->begin = 0;
		reader->bytes = held;
	}
	if (bytes <= reader->bytes_max - held)
		return ERR_OK;
	if (bytes > SIZE_MAX / 2 - held)
		return ERR_NO_MEMORY;
	/* Twice as much each time, so that a long frame in small pieces is not copied for each piece. What a header
	 * announces is not allocated: a peer pays for memory with bytes. */
	size_t wanted = 2 * reader->bytes_max;
	if (wanted < FIRST_BYTES_MAX)
		wanted = FIRST_BYTES_MAX;
	if (wanted > reader->frame_max + FRAME_HEADER_BYTES)
		wanted = reader->frame_max + FRAME_HEADER_BYTES;
	if (wanted < held + bytes)
		wanted = held + bytes;
	void *data = reader->resize(reader->data, wanted);
	if (data == NULL)
		return ERR_NO_MEMORY;
	reader->data = data;
	reader->bytes_max = wanted;
	return ERR_OK;
}

/* Every length that is held must be one that we take, also behind whole frames. */
static enum err check_lengths(const struct frame_reader *reader)
{
	size_t at = reader->begin;
	while (reader->bytes - at >= FRAME_HEADER_BYTES) {
		size_t length = load_u32(reader->data + at);
		if (length > reader->frame_max)
			return ERR_RANGE;
		if (length > reader->bytes - at - FRAME_HEADER_BYTES)
			break;
		at += FRAME_HEADER_BYTES + length;
	}
	return ERR_OK;
}

enum err frame_reader_feed(struct frame_reader *reader, const uint8_t *data, size_t bytes)
{
	assert(reader->resize != NULL);
	if (reader->err != ERR_OK || bytes == 0)
		return reader->err;
#if defined(PLANTED_OVERFLOW) && PLANTED_OVERFLOW == 3
	/* tests/fuzz/check-planted must find this. */
	if (reader->data == NULL)
#endif
		reader->err = make_room(reader, bytes);
	if (reader->err == ERR_OK) {
		memcpy(reader->data + reader->bytes, data, bytes);
		reader->bytes += bytes;
		reader->err = check_lengths(reader);
	}
	if (reader->err != ERR_OK)
		give_back(reader);
	return reader->err;
}

bool frame_reader_next(struct frame_reader *reader, struct slice *ret_body)
{
	size_t held = reader->bytes - reader->begin;
	if (reader->err != ERR_OK || held < FRAME_HEADER_BYTES) {
		if (held == 0)
			give_back(reader);
		return false;
	}
	const uint8_t *frame = reader->data + reader->begin;
	size_t length = load_u32(frame);
	if (length > held - FRAME_HEADER_BYTES)
		return false;
	*ret_body = slice_of(frame + FRAME_HEADER_BYTES, length);
	reader->begin += FRAME_HEADER_BYTES + length;
	return true;
}
