/* Frames on byte streams: u32 big-endian length, then that many bytes. The same on TCP (the body sealed),
 * on the agent's socket and on the runner's socket. */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include "proto/buf.h"
#include "proto/err.h"

#define FRAME_HEADER_BYTES 4u

/* Splits a byte stream into frames. Owns one growing allocation through the callbacks below, so that an idle
 * connection costs next to nothing: memory is taken when a frame begins and given back after it. */
struct frame_reader {
	uint8_t *data;
	size_t bytes;      /* held */
	size_t bytes_max;  /* allocated */
	size_t frame_max;  /* longest body taken */
	void *(*resize)(void *memory, size_t bytes); /* realloc-like: bytes 0 frees and returns NULL */
};

void frame_reader_init(struct frame_reader *reader, size_t frame_max, void *(*resize)(void *, size_t));
void frame_reader_close(struct frame_reader *reader);
/* Appends received bytes. ERR_RANGE: a length above frame_max (nothing more may be read from this peer);
 * ERR_NO_MEMORY. */
MUST_CHECK enum err frame_reader_feed(struct frame_reader *reader, const uint8_t *data, size_t bytes);
/* The next whole body, borrowed until the next call on the reader; false: none yet. */
bool frame_reader_next(struct frame_reader *reader, struct slice *ret_body);

#endif
