/* Rows that an agent sends, decoded: jobs, runs, nodes, the status and lines of output.
 *
 * A row is one block of memory: the struct, and behind it the bytes of its texts, so that it is taken and given back at
 * once. What is absent, nil or of another type is ROW_NONE, "" or false; unknown fields are skipped, for agents that
 * are newer. Texts are valid UTF-8 (the wire reader checks), but may hold controls: cells_put makes them
 * harmless. */
#ifndef TUI_ROW_H
#define TUI_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "proto/types.h"

#define ROW_NONE INT64_MIN
#define ROW_NUMBER_MAX (INT64_C(1) << 52) /* beyond, a number is no time, size or count: ROW_NONE */
#define ROW_TEXT_BYTES_MAX 8192u          /* a text is cut here: one line of output is no longer */
#define ROW_FIELDS_MAX 256u               /* of a map: ours have below 50, later agents may add */

enum row_kind {
	ROW_JOB,
	ROW_RUN,
	ROW_NODE,
	ROW_STATUS,
	ROW_LINE,
};

struct row {
	const char *key;
	uint32_t generation; /* of the watch that sent it last */
	uint32_t bytes;      /* of the whole block */
};

struct job_row {
	struct row row; /* key: the name as shown, without the group `default` */
	const char *name, *state, *schedule, *tz, *next_node, *last_verdict, *last_reason, *last_node;
	const char *last_run, *hist, *overlap, *misfire, *description, *command, *running_run;
	const char *waiting_reason;
	int64_t version, next_at, last_due_at, last_start_at, last_dur_ms, runs_ok, runs_failed;
	bool is_paused, is_enabled;
};

struct run_row {
	struct row row; /* key: run name */
	const char *name, *short_id, *job, *node, *state, *verdict, *reason, *note;
	int64_t due_at, attempt, exit, signal, claimed_at, armed_at, started_at, ended_at, dur_ms,
		late_us;
	int64_t version, pid, user_us, system_us, rss_bytes, output_bytes;
	bool is_manual;
};

struct node_row {
	struct row row; /* key: node id */
	const char *name, *id, *state, *address, *version, *marks;
	int64_t boot, incarnation, age_ms, offset_ms, rtt_us, slots, running, executed, votes, proposes;
	int64_t load_milli, cpus, memory_bytes, memory_free_bytes, up_ms;
	bool is_self, has_runner;
};

struct status_row {
	struct row row; /* key: "" */
	const char *cluster, *node, *warnings;
	int64_t now_at, nodes_alive, nodes_total, jobs, jobs_paused, runs_running, runs_claimed, slots;
	int64_t fires_per_s_milli, failed_per_min, missed_per_min, lag_p50_us, lag_p99_us, arcs_moving;
	int64_t arcs_short, views_agree, views_total, alerts, clock_skew_ms, undecided;
	bool is_isolated, is_paused;
};

struct line_row {
	struct row row; /* key: "" */
	const char *name, *short_id, *job, *node, *stream;
	struct slice text; /* any bytes, without the end of the line */
	int64_t t_at;
};

typedef void *row_resize(void *memory, size_t bytes); /* realloc-like: bytes 0 frees and returns NULL */

/* Decodes the map `value`. The row is given back with row_free. ERR_INVALID: not a map, or broken;
 * ERR_NO_MEMORY. */
MUST_CHECK enum err row_decode(enum row_kind kind, struct slice key, struct slice value,
			       row_resize *resize, struct row **ret_row);
/* The number, or ROW_NONE if it is so large that reckoning with it could overflow. */
int64_t row_number(int64_t number);
void row_free(struct row *row, row_resize *resize); /* accepts NULL */

#endif
