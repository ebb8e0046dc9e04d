/* What the journal holds: one record each for what happened to a run, as bytes. Pure. */
#ifndef AGENT_RUNNER_JOURNAL_RECORD_H
#define AGENT_RUNNER_JOURNAL_RECORD_H

#include <stdint.h>

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/types.h"

#define JOURNAL_RECORD_BYTES_MAX 1024u /* the longest is PREPARED with its run name */

enum journal_type {
	JOURNAL_BOOT = 1,     /* the first record: of which boot of the host the others are */
	JOURNAL_PREPARED = 2, /* a launcher waits; from here on the run may have started */
	JOURNAL_STARTED = 3,
	JOURNAL_ENDED = 4,
	JOURNAL_FENCE = 5, /* never spawn it */
	JOURNAL_FORGET = 6 /* the agent has its end, or its fence, on record */
};

struct journal_record {
	enum journal_type type;
	struct id128 host_boot; /* BOOT */
	struct run_key run;     /* all others */
	/* PREPARED */
	struct slice run_name;
	int64_t pid;
	uint64_t start_ticks;
	int64_t start_mono_us;
	int64_t timeout_ms;
	int64_t kill_grace_ms;
	uint64_t pipe_inodes[2]; /* of stdout and stderr: proves them after a restart */
	/* STARTED */
	int64_t started_utc_ms;
	int64_t started_mono_us;
	int64_t lateness_us;
	/* ENDED: the report as it is sent */
	struct slice report;
};

void journal_record_put(struct buf *out, const struct journal_record *record);
/* Slices borrow `body`. ERR_CORRUPT: these bytes are no record. */
MUST_CHECK enum err journal_record_get(struct slice body, struct journal_record *ret_record);

#endif
