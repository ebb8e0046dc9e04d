/* What happens: keys, frames, links and time change the state. Nothing here does I/O; requests are left in the
 * state's outboxes, wishes (quit, redraw, suspend, a connection for the log) in its flags. */
#ifndef TUI_UPDATE_H
#define TUI_UPDATE_H

#include "tui/keys.h"
#include "tui/state.h"

#define UPDATE_CLOCK_MS \
	10000 /* an agent that was silent for this long is asked its status, which paints the clock */
#define UPDATE_SILENT_MS 1500 /* and has so long to answer, before the link counts as lost */

void update_key(struct state *state, uint32_t code, int64_t now_mono_ms);
void update_resize(struct state *state, int rows, int columns);

/* One frame's body from the main connection, or from the log's. */
void update_frame(struct state *state, struct slice body, bool is_log, int64_t now_mono_ms);
void update_link_up(struct state *state, int64_t now_mono_ms);
/* retry_mono_ms: when the connection is tried again, for the bar. */
void update_link_lost(struct state *state, int64_t now_mono_ms, int64_t retry_mono_ms, int try_count);
void update_log_link_up(struct state *state, int64_t now_mono_ms);
void update_log_link_lost(struct state *state, int64_t now_mono_ms);

/* Called when update_wake said so, or at any time. Returns false if the link should be given up: the agent is
 * connected, but silent. */
bool update_tick(struct state *state, int64_t now_mono_ms);
/* The next instant at which update_tick has something to do. */
int64_t update_wake(const struct state *state, int64_t now_mono_ms);

/* ---- between the update_*.c files ---- */
void update_act(struct state *state, enum action action, int64_t now_mono_ms);
void update_answer(struct state *state, uint32_t code, int64_t now_mono_ms); /* to the open question */
void update_log_key(struct state *state, enum action action, int64_t now_mono_ms);
/* Opens the log of what is selected. */
void update_log_open(struct state *state, int64_t now_mono_ms);
/* From `from` (inclusive) downwards or upwards, wrapping; SIZE_MAX: none. */
size_t update_log_find(const struct state *state, size_t from, bool is_down);
void update_go(struct state *state, enum place view, int64_t now_mono_ms);
void update_search(struct state *state, bool is_down, bool from_here, int64_t now_mono_ms);
/* The run that is selected, also on its own page; NULL: none. */
const struct run_row *update_selected_run(struct state *state);
/* The job that is selected, or of the page; NULL: none. */
const struct job_row *update_selected_job(struct state *state);

#endif
