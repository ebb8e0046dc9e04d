/* The runner's journal: which runs it holds, how they ended, and which it must never spawn. DIR/journal is one file,
 * filled with zeros in advance and written from its start, so that a sync writes data only; a full one is
 * rewritten with what still matters.
 *
 *   record = length u32, checksum u32, body (msgpack); length 0: the end
 *
 * Whoever appends decides when to sync: before a launcher may exec (PREPARED), before an end is reported (ENDED), before
 * a fence is said (FENCE). Records in one turn of the loop share a sync. */
#ifndef AGENT_RUNNER_JOURNAL_H
#define AGENT_RUNNER_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/runner/journal_record.h"
#include "proto/err.h"

#define JOURNAL_BYTES_START (1u << 20) /* some 2,500 runs between two rewritings */
#define JOURNAL_BYTES_MAX (16u << 20)  /* RUNNER_RUNS_MAX and RUNNER_FENCES_MAX records fit */

struct journal {
	int directory; /* borrowed */
	int descriptor;
	uint64_t bytes;
	uint64_t bytes_max;
	bool is_dirty; /* something is not synced yet */
	/* The file in force while the new one is being written; -1: none is. */
	int old_descriptor;
	uint64_t old_bytes;
	uint64_t old_bytes_max;
	bool was_dirty;
};

typedef void journal_on_record(void *context, const struct journal_record *record);

/* Opens or makes the journal and replays it: on_record is called per record, whose slices are borrowed for the
 * call. A torn end is logged and left out; *ret_is_torn then asks for a rewriting before the next append. */
MUST_CHECK enum err journal_open(struct journal *journal, int directory, journal_on_record *on_record,
				 void *context, bool *ret_is_torn, struct problem *problem);
void journal_close(struct journal *journal);

/* ERR_FULL: rewrite it first. ERR_IO: nothing was appended. */
MUST_CHECK enum err journal_put(struct journal *journal, const struct journal_record *record);
MUST_CHECK enum err journal_sync(struct journal *journal);

/* Rewriting: start, put what still matters, finish; the old file stays in force until finish has synced the new
 * one. `bytes_needed` is an upper bound of what will be put. */
MUST_CHECK enum err journal_rewrite_start(struct journal *journal, uint64_t bytes_needed);
MUST_CHECK enum err journal_rewrite_finish(struct journal *journal);
/* After a failure between the two: the old file is the journal again. */
void journal_rewrite_cancel(struct journal *journal);

#endif
