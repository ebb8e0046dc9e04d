/* Frames on byte streams: u32 big-endian length, then that many bytes. The same on TCP (the body sealed),
 * on the agent's socket and on the runner's socket. */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include "proto/buf.h"
#include "proto/err.h"

#define FRAME_HEADER_BYTES 4u

/* Splits a byte stream into frames. Owns one growing allocation through the callback below, so that an idle
 * connection costs next to nothing: memory is taken when bytes of a frame come, never more than twice what has
 * come, and given back when the last whole frame has been used. */
struct frame_reader {
	uint8_t *data;
	size_t begin;     /* of the first byte that is not used up */
	size_t bytes;     /* held, with the used ones in front */
	size_t bytes_max; /* allocated */
	size_t frame_max; /* longest body taken */
	enum err err;     /* sticky: the stream can not be followed any more */
	void *(*resize)(void *memory,
			size_t bytes); /* realloc-like: bytes 0 frees and returns NULL */
};

void frame_reader_init(struct frame_reader *reader, size_t frame_max,
		       void *(*resize)(void *, size_t));
/* Accepts NULL, zeroed and closed ones; afterwards nothing is allocated. */
void frame_reader_close(struct frame_reader *reader);
/* Appends received bytes. ERR_RANGE: a length above frame_max (nothing more may be read from this peer);
 * ERR_NO_MEMORY. Either is final: later calls return it again and no frame comes any more. */
MUST_CHECK enum err frame_reader_feed(struct frame_reader *reader, const uint8_t *data,
				      size_t bytes);
/* The next whole body, borrowed until the next call on the reader; false: none yet. Call until it is false: only
 * then memory is given back. */
bool frame_reader_next(struct frame_reader *reader, struct slice *ret_body);

#endif
