/* Reads the output files that the runner writes (proto/output.h), also while a run goes on. Plain blocking reads
 * of files in the page cache: a call reads at most what its buffer takes. Waiting for more is the caller's: watch the
 * file at segments_path, and read again when it changes. */
#ifndef AGENT_IO_SEGMENTS_H
#define AGENT_IO_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/output.h"
#include "proto/types.h"

#define SEGMENTS_TAIL_BYTES 65536u /* is_tail begins about so many bytes before the end */
#define SEGMENTS_PATH_BYTES 4096u

struct segments {
	char directory[SEGMENTS_PATH_BYTES - OUTPUT_NAME_BYTES]; /* DIR/output */
};

struct segments_read {
	uint64_t offset; /* where to go on */
	bool is_end;     /* nothing more now */
	bool is_final;   /* nothing more ever: the run ended, and all was read */
};

/* `agent_directory` is the agent's DIR. ERR_RANGE: the path is too long. */
MUST_CHECK enum err segments_init(struct segments *segments, const char *agent_directory,
				  struct problem *problem);

/* The file of a run; it need not be there. */
void segments_path(const struct segments *segments, const struct run_key *run,
		   char ret_path[SEGMENTS_PATH_BYTES]);

/* Appends to `out` one msgpack array of lines [t_ms, stream, bytes], oldest first, from `offset` on; with is_tail
 * `offset` is ignored. `stream` is "o", "e", or "!" for a mark of ours where something was left out. `bytes` are the
 * very bytes with their newline; a piece without one goes on in the next piece of the same stream. `out` must have
 * room for a piece (OUTPUT_LINE_BYTES_MAX + 64); what does not fit waits for the next call.
 *
 * Errors: ERR_NOT_FOUND, no output of this run is here; ERR_RANGE, the offset is no place to go on from;
 * ERR_CORRUPT, ERR_IO: the file cannot be read; *problem says why. */
MUST_CHECK enum err segments_read(const struct segments *segments, const struct run_key *run,
				  uint64_t offset, bool is_tail, struct buf *out,
				  struct segments_read *ret_read, struct problem *problem);

/* Removes the run's output; that there is none is no error. */
MUST_CHECK enum err segments_drop(const struct segments *segments, const struct run_key *run,
				  struct problem *problem);

#endif
