/* Frames from the agent, links that come and go, and time. */
#include <stdio.h>
#include <string.h>

#include "proto/text.h"
#include "proto/wire.h"
#include "tui/show.h"
#include "tui/update.h"

#define KIND_ROW 0u
#define KIND_END 1u
#define KIND_ERROR 2u
#define KIND_PROGRESS 3u

static void copy_slice(char *ret_text, size_t text_bytes, struct slice text)
{
	size_t bytes = text.bytes < text_bytes - 1 ? text.bytes : text_bytes - 1;
	if (bytes > 0)
		memcpy(ret_text, text.data, bytes);
	ret_text[bytes] = '\0';
}

static void set_clock(struct state *state, int64_t agent_utc_ms, int64_t now_mono_ms)
{
	if (agent_utc_ms != ROW_NONE)
		state->utc_offset_ms = agent_utc_ms - now_mono_ms;
}

static void take_status(struct state *state, int64_t now_mono_ms)
{
	if (state->model.status != NULL)
		set_clock(state, state->model.status->now_at, now_mono_ms);
	state->is_changed = true;
}

static void take_watch(struct state *state, struct slice body, int64_t now_mono_ms)
{
	bool was_synced = state->model.is_synced;
	bool had_status = state->model.status != NULL;
	switch (model_watch_row(&state->model, body)) {
	case MODEL_STATUS:
		take_status(state, now_mono_ms);
		state->is_urgent = state->is_urgent || !had_status;
		return;
	case MODEL_SYNC:
		state->is_urgent = state->is_urgent || !was_synced;
		return;
	case MODEL_ROWS:
	case MODEL_NOTHING:
		return;
	}
}

static void take_row(struct state *state, const struct pending *pending, struct slice body,
		     int64_t now_mono_ms)
{
	switch (pending->purpose) {
	case PURPOSE_WATCH:
		state->order.is_stale = true;
		state->is_changed = true;
		take_watch(state, body, now_mono_ms);
		return;
	case PURPOSE_PAST:
		state->order.is_stale = true;
		state->is_changed = true;
		model_past_row(&state->model, body);
		return;
	case PURPOSE_LOGS: {
		uint64_t dropped = state->model.line_dropped;
		state->is_urgent = state->is_urgent || state->model.line_count == 0;
		model_line(&state->model, body);
		state->is_changed = true;
		struct log_view *log = &state->log;
		if (log->is_following)
			return;
		/* The oldest line went: what is held moves up by one, so that the same lines stay in sight. */
		log->held_count++;
		dropped = state->model.line_dropped - dropped;
		log->top -= log->top < dropped ? log->top : dropped;
		if (log->cursor != SIZE_MAX)
			log->cursor -= log->cursor < dropped ? log->cursor : dropped;
		return;
	}
	case PURPOSE_NONE:
	case PURPOSE_HELLO:
	case PURPOSE_STATUS:
	case PURPOSE_SHOW:
	case PURPOSE_RUN:
	case PURPOSE_PAUSE:
	case PURPOSE_RESUME:
	case PURPOSE_KILL:
	case PURPOSE_CANCEL:
		return;
	}
}

static void keep_show(struct state *state, const struct pending *pending, struct slice body)
{
	if (body.bytes > SHOW_BODY_BYTES_MAX)
		return;
	if (state->show_body == NULL)
		state->show_body = state->model.resize(NULL, SHOW_BODY_BYTES_MAX);
	if (state->show_body == NULL)
		return;
	memcpy(state->show_body, body.data, body.bytes);
	state->show_bytes = body.bytes;
	(void)snprintf(state->show_key, sizeof(state->show_key), "%s", pending->target);
}

static const char *shown_target(const struct state *state, const struct pending *pending)
{
	const struct job_row *job = model_job(&state->model, pending->target);
	if (job != NULL)
		return job->name;
	const struct run_row *run = model_run(&state->model, pending->target);
	return run != NULL && run->short_id[0] != '\0' ? run->short_id : pending->target;
}

static void end_pause(struct state *state, const struct pending *pending, struct slice body,
		      int64_t now_mono_ms)
{
	bool is_pause = pending->purpose == PURPOSE_PAUSE;
	state->undo_purpose = is_pause ? PURPOSE_RESUME : PURPOSE_PAUSE;
	(void)snprintf(state->undo_target, sizeof(state->undo_target), "%s", pending->target);
	const char *word = is_pause ? "paused" : "resumed";
	if (!wire_map_find_bool(body, "changed", true))
		state_say(state, now_mono_ms, ROLE_NORMAL, "%s was %s already",
			  shown_target(state, pending), word);
	else
		state_say(state, now_mono_ms, is_pause ? ROLE_ASIDE : ROLE_OK,
			  "%s %s (version %lld) - u to undo", word, shown_target(state, pending),
			  (long long)wire_map_find_i64(body, "version", 0));
}

static void end_kill(struct state *state, const struct pending *pending, struct slice body,
		     int64_t now_mono_ms)
{
	char verdict[64];
	char reason[64];
	char both[SHOW_VERDICT_BYTES];
	show_text waited;
	copy_slice(verdict, sizeof(verdict), wire_map_find_str(body, "verdict"));
	copy_slice(reason, sizeof(reason), wire_map_find_str(body, "reason"));
	show_verdict(verdict[0] != '\0' ? verdict : "no end yet", reason, 80, both);
	show_span(row_number(wire_map_find_i64(body, "waited_ms", 0)), waited);
	int64_t left = wire_map_find_i64(body, "processes_left", 0);
	if (pending->purpose == PURPOSE_CANCEL)
		state_say(state, now_mono_ms, ROLE_ASIDE, "%s: %s", shown_target(state, pending), both);
	else
		state_say(state, now_mono_ms, left > 0 ? ROLE_BAD : ROLE_ASIDE,
			  "%s: %s after %s, %lld processes left", shown_target(state, pending),
			  both, waited, (long long)left);
}

static void take_end(struct state *state, const struct pending *pending, struct slice body,
		     int64_t now_mono_ms)
{
	char text[64];
	switch (pending->purpose) {
	case PURPOSE_HELLO:
		copy_slice(state->user, sizeof(state->user), wire_map_find_str(body, "user"));
		copy_slice(state->role, sizeof(state->role), wire_map_find_str(body, "role"));
		set_clock(state, row_number(wire_map_find_i64(body, "now_at", ROW_NONE)), now_mono_ms);
		return;
	case PURPOSE_STATUS:
		model_status(&state->model, body);
		take_status(state, now_mono_ms);
		return;
	case PURPOSE_SHOW:
		keep_show(state, pending, body);
		return;
	case PURPOSE_RUN:
		copy_slice(text, sizeof(text), wire_map_find_str(body, "short"));
		state_say(state, now_mono_ms, ROLE_RUNNING, "%s runs now: %s. 3 shows it, l its log",
			  shown_target(state, pending), text);
		return;
	case PURPOSE_PAUSE:
	case PURPOSE_RESUME:
		end_pause(state, pending, body, now_mono_ms);
		return;
	case PURPOSE_KILL:
	case PURPOSE_CANCEL:
		end_kill(state, pending, body, now_mono_ms);
		return;
	case PURPOSE_LOGS:
		state->log.has_ended = true;
		if (!wire_map_find_bool(body, "complete", true))
			state_say(state, now_mono_ms, ROLE_WARN,
				  "not all nodes answered: this log has gaps");
		return;
	case PURPOSE_NONE:
	case PURPOSE_WATCH:
	case PURPOSE_PAST:
		return;
	}
}

static void take_error(struct state *state, const struct pending *pending, struct slice body,
		       int64_t now_mono_ms)
{
	char message[MESSAGE_BYTES_MAX / 2];
	char hint[MESSAGE_BYTES_MAX / 4];
	copy_slice(message, sizeof(message), wire_map_find_str(body, "message"));
	copy_slice(hint, sizeof(hint), wire_map_find_str(body, "hint"));
	if (pending->purpose == PURPOSE_LOGS)
		state->log.has_ended = true;
	/* The runs of a job are an addition to its page, and job.show says the same. */
	if (pending->purpose == PURPOSE_PAST)
		return;
	state_say(state, now_mono_ms, ROLE_BAD, "%s%s%s",
		  message[0] != '\0' ? message : "refused by the agent",
		  hint[0] != '\0' ? ". " : "", hint);
}

void update_frame(struct state *state, struct slice body, bool is_log, int64_t now_mono_ms)
{
	struct wire_reader reader;
	wire_reader_init(&reader, body);
	uint32_t count = wire_get_array_min(&reader, 4);
	uint64_t version = wire_get_u64(&reader);
	uint64_t seq = wire_get_u64_max(&reader, UINT32_MAX);
	uint64_t kind = wire_get_u64(&reader);
	struct slice value = wire_get_raw(&reader);
	wire_skip_items(&reader, count - 4);
	if (wire_reader_end(&reader) != ERR_OK || version != 1) {
		state->model.bad_count++;
		return;
	}
	if (!is_log) {
		state->link.heard_mono_ms = now_mono_ms;
		state->link.is_probing = false;
	}
	struct pending *pending = request_find(state, (uint32_t)seq);
	if (pending == NULL || (pending->purpose == PURPOSE_LOGS) != is_log)
		return;
	if (kind == KIND_ROW) {
		take_row(state, pending, value, now_mono_ms);
		return;
	}
	if (kind != KIND_END && kind != KIND_ERROR)
		return;
	struct pending done = *pending;
	pending->purpose = PURPOSE_NONE;
	state->is_changed = true;
	state->is_urgent = state->is_urgent || done.purpose != PURPOSE_HELLO;
	if (kind == KIND_END)
		take_end(state, &done, value, now_mono_ms);
	else
		take_error(state, &done, value, now_mono_ms);
}

void update_link_up(struct state *state, int64_t now_mono_ms)
{
	struct link *link = &state->link;
	request_forget_all(state, false);
	if (link->state == LINK_LOST) {
		show_text away;
		show_span(now_mono_ms - link->lost_mono_ms, away);
		state_say(state, now_mono_ms, ROLE_OK,
			  "the agent is back after %s; what changed meanwhile is shown now", away);
	}
	*link = (struct link){.state = LINK_UP, .heard_mono_ms = now_mono_ms};
	model_watch_begin(&state->model);
	state->order.is_stale = true;
	(void)request_hello(state, now_mono_ms);
	(void)request_watch(state, now_mono_ms);
	if (state_place(state) == PLACE_JOB) {
		(void)request_show(state, now_mono_ms, state_page_key(state));
		(void)request_past(state, now_mono_ms, state_page_key(state));
	}
	state->is_changed = true;
}

void update_link_lost(struct state *state, int64_t now_mono_ms, int64_t retry_mono_ms, int try_count)
{
	struct link *link = &state->link;
	if (link->state != LINK_LOST) {
		link->lost_mono_ms = now_mono_ms;
		for (int i = 0; i < PENDING_MAX; i++) {
			enum purpose purpose = state->pending[i].purpose;
			if (purpose >= PURPOSE_RUN && purpose <= PURPOSE_CANCEL)
				state_say(state, now_mono_ms, ROLE_WARN,
					  "the link went before the answer came: look whether it was done");
		}
	}
	link->state = LINK_LOST;
	link->retry_mono_ms = retry_mono_ms;
	link->try_count = try_count;
	link->is_probing = false;
	request_forget_all(state, false);
	state->is_changed = true;
}

void update_log_link_up(struct state *state, int64_t now_mono_ms)
{
	request_forget_all(state, true);
	model_lines_clear(&state->model);
	state->log.has_ended = false;
	state->log.cursor = SIZE_MAX;
	(void)request_logs(state, now_mono_ms);
	state->is_changed = true;
}

void update_log_link_lost(struct state *state, int64_t now_mono_ms)
{
	(void)now_mono_ms;
	request_forget_all(state, true);
	state->is_changed = true;
}

bool update_tick(struct state *state, int64_t now_mono_ms)
{
	struct link *link = &state->link;
	if (state->message[0] != '\0' && now_mono_ms >= state->message_until_mono_ms) {
		state->message[0] = '\0';
		state->is_changed = true;
	}
	size_t runs = state->model.runs.count;
	model_prune(&state->model, state_utc(state, now_mono_ms));
	if (runs != state->model.runs.count) {
		state->order.is_stale = true;
		state->is_changed = true;
	}
	if (link->state == LINK_LOST) {
		state->is_changed = true;
		return true;
	}
	if (link->is_probing && now_mono_ms >= link->probe_mono_ms + UPDATE_SILENT_MS)
		return false;
	/* The answer paints, and with it the clock of an idle screen. */
	if (!link->is_probing && now_mono_ms >= link->heard_mono_ms + UPDATE_CLOCK_MS) {
		link->is_probing = true;
		link->probe_mono_ms = now_mono_ms;
		(void)request_status(state, now_mono_ms);
	}
	return true;
}

int64_t update_wake(const struct state *state, int64_t now_mono_ms)
{
	const struct link *link = &state->link;
	int64_t wake = now_mono_ms + UPDATE_CLOCK_MS;
	if (state->message[0] != '\0' && state->message_until_mono_ms < wake)
		wake = state->message_until_mono_ms;
	int64_t probe = link->is_probing ? link->probe_mono_ms + UPDATE_SILENT_MS
					 : link->heard_mono_ms + UPDATE_CLOCK_MS;
	if (link->state != LINK_LOST && probe < wake)
		wake = probe;
	/* The bar counts the seconds of a loss. */
	if (link->state == LINK_LOST && now_mono_ms + 1000 < wake)
		wake = now_mono_ms + 1000;
	return wake > now_mono_ms ? wake : now_mono_ms;
}
