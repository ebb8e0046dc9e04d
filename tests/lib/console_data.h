/* A console's state filled by frames of fixed data at a fixed clock: for tests of the console. */
#ifndef TESTS_LIB_CONSOLE_DATA_H
#define TESTS_LIB_CONSOLE_DATA_H

#include "proto/wire.h"
#include "tui/state.h"

#define DATA_MONO_MS 1000000
#define DATA_UTC_MS 1795176271000 /* 2026-11-20T12:04:31Z */

void *data_resize(void *memory, size_t bytes);
/* The clock on the day of DATA_UTC_MS, "12:04:30"; days are added. */
int64_t data_at(const char *clock, int days);

/* A connected state with the whole cluster in it. Free with data_free. */
struct state *data_state(int rows, int columns);
/* A connected one to which nothing has been told. */
struct state *data_empty_state(int rows, int columns);
void data_free(struct state *state);

struct data_job {
	const char *name, *state, *node, *last, *verdict, *reason;
	int64_t dur_ms;
	int64_t next_at;
	const char *schedule, *hist;
};
void data_send_job(struct state *state, const struct data_job *job);
struct data_run {
	const char *short_id, *job, *node, *state, *verdict, *reason;
	const char *started; /* clock */
	int64_t dur_ms;
	int64_t late_ms;
};
void data_send_run(struct state *state, const struct data_run *run);
void data_send_node(struct state *state, const char *name, const char *node_state,
		    const char *marks, int64_t age_ms, bool is_self);
void data_send_line(struct state *state, const char *clock, const char *node, const char *short_id,
		    const char *stream, const char *text);
void data_send_gone(struct state *state, const char *view, const char *key);

/* The seq of the newest request with this purpose; 0: none. */
uint32_t data_seq(const struct state *state, enum purpose purpose);
/* Sends [1, seq, kind, value] as the agent would. */
void data_send(struct state *state, uint32_t seq, uint64_t kind, struct slice value);
/* Takes the frames out of the outbox and writes their verbs and first argument: "kill run=...\n". */
void data_take_requests(struct outbox *outbox, char *ret_text, size_t text_bytes);

#endif
