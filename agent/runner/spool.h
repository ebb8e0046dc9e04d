/* Writes a run's output file (proto/output.h): splits what comes from the pipes into lines and keeps the head and the
 * tail. Never blocks on the run's behalf and never fails it: what cannot be written is counted and marked. */
#ifndef AGENT_RUNNER_SPOOL_H
#define AGENT_RUNNER_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "proto/output.h"

#define SPOOL_BATCH_BYTES_MAX 32768u /* records gathered before they are written */

enum spool_pipe { SPOOL_STDOUT = 0, SPOOL_STDERR = 1, SPOOL_PIPE_COUNT = 2 };

struct spool_partial {
	uint8_t *bytes; /* the begin of a line whose newline has not come; NULL: none */
	size_t count;
};

struct spool {
	int descriptor; /* -1: nothing is kept (the file could not be made), only counted */
	struct output_header header;
	struct output_layout layout;
	uint64_t head_content;
	uint64_t tail_content;
	uint64_t lost_unmarked; /* lost and not said in the file yet */
	struct spool_partial partials[SPOOL_PIPE_COUNT];
};

/* Makes the file in `directory` (a descriptor of DIR/output), mode 0600. ERR_EXISTS: this run had output before, so it
 * was started before. Any other failure, as a full disk, gives a spool that keeps nothing. */
MUST_CHECK enum err spool_create(struct spool *spool, int directory, const struct run_key *run,
				 uint64_t bytes_max);

/* Goes on with the file of an earlier runner; if there is none, a spool that keeps nothing. */
void spool_reopen(struct spool *spool, int directory, const struct run_key *run);

/* Takes what came from a pipe at t_ms. */
void spool_feed(struct spool *spool, enum spool_pipe pipe, int64_t t_ms, const uint8_t *bytes,
		size_t count);

/* Writes what has no newline yet, says that the output is complete, and closes. Accepts zeroed and closed ones. */
void spool_finish(struct spool *spool, int64_t t_ms);
/* Closes without saying so: the run goes on without this runner. */
void spool_close(struct spool *spool);
/* Closes and removes the file: the run never started. */
void spool_remove(struct spool *spool, int directory);

#endif
