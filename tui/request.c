/* Requests as frames: [1, seq, verb, {args}]. The connection only moves bytes; what a reply is for is remembered
 * here. */
#include <string.h>

#include "proto/wire.h"
#include "tui/state.h"

#define REQUEST_BYTES_MAX 1024u
#define LOG_TAIL_LINES \
	1000 /* lines that a log opens with: more than any screen, less than a second of link */
#define PAST_RUNS 50 /* runs of a job that its detail lists */
#define VERSION_TEXT "schedtop " PEERSCHED_VERSION

struct request {
	uint8_t memory[REQUEST_BYTES_MAX];
	struct buf buf;
	struct wire_map args;
	uint32_t seq;
};

static void request_begin(struct state *state, struct request *request, const char *verb)
{
	buf_init(&request->buf, request->memory, sizeof(request->memory));
	buf_put_u32(&request->buf, 0);
	request->seq = ++state->seq;
	wire_put_array(&request->buf, 4);
	wire_put_u64(&request->buf, 1);
	wire_put_u64(&request->buf, request->seq);
	wire_put_text(&request->buf, verb);
	request->args = wire_map_begin(&request->buf);
}

static struct pending *find_free(struct state *state)
{
	for (int i = 0; i < PENDING_MAX; i++) {
		if (state->pending[i].purpose == PURPOSE_NONE)
			return &state->pending[i];
	}
	return NULL;
}

static bool request_end(struct state *state, struct request *request, int64_t now_mono_ms,
			enum purpose purpose, const char *target)
{
	wire_map_end(&request->args, &request->buf);
	struct outbox *outbox = purpose == PURPOSE_LOGS ? &state->log_out : &state->out;
	struct pending *pending = find_free(state);
	if (request->buf.has_overflowed || pending == NULL ||
	    request->buf.bytes > sizeof(outbox->bytes) - outbox->count) {
		state_say(state, now_mono_ms, ROLE_WARN,
			  "too much is under way already: the agent has not answered %d requests",
			  PENDING_MAX);
		return false;
	}
	store_u32(request->memory, (uint32_t)(request->buf.bytes - 4));
	memcpy(outbox->bytes + outbox->count, request->memory, request->buf.bytes);
	outbox->count += request->buf.bytes;
	*pending = (struct pending){.seq = request->seq, .purpose = purpose};
	size_t length = strnlen(target, sizeof(pending->target) - 1);
	memcpy(pending->target, target, length);
	return true;
}

bool request_hello(struct state *state, int64_t now_mono_ms)
{
	struct request request;
	request_begin(state, &request, "hello");
	wire_map_text(&request.args, &request.buf, "version", VERSION_TEXT);
	return request_end(state, &request, now_mono_ms, PURPOSE_HELLO, "");
}

bool request_watch(struct state *state, int64_t now_mono_ms)
{
	struct request request;
	request_begin(state, &request, "watch");
	wire_map_key(&request.args, &request.buf, "views");
	wire_put_array(&request.buf, 4);
	wire_put_text(&request.buf, "jobs");
	wire_put_text(&request.buf, "nodes");
	wire_put_text(&request.buf, "runs");
	wire_put_text(&request.buf, "status");
	return request_end(state, &request, now_mono_ms, PURPOSE_WATCH, "");
}

bool request_status(struct state *state, int64_t now_mono_ms)
{
	struct request request;
	request_begin(state, &request, "status");
	return request_end(state, &request, now_mono_ms, PURPOSE_STATUS, "");
}

bool request_show(struct state *state, int64_t now_mono_ms, const char *job)
{
	struct request request;
	request_begin(state, &request, "job.show");
	wire_map_text(&request.args, &request.buf, "name", job);
	return request_end(state, &request, now_mono_ms, PURPOSE_SHOW, job);
}

bool request_past(struct state *state, int64_t now_mono_ms, const char *job)
{
	struct request request;
	request_begin(state, &request, "runs");
	wire_map_text(&request.args, &request.buf, "job", job);
	wire_map_i64(&request.args, &request.buf, "limit", PAST_RUNS);
	return request_end(state, &request, now_mono_ms, PURPOSE_PAST, job);
}

bool request_act(struct state *state, int64_t now_mono_ms, enum purpose purpose, const char *target)
{
	const char *verb = "run";
	const char *argument = "name";
	if (purpose == PURPOSE_PAUSE)
		verb = "job.pause";
	if (purpose == PURPOSE_RESUME)
		verb = "job.resume";
	if (purpose == PURPOSE_KILL)
		verb = "kill";
	if (purpose == PURPOSE_CANCEL)
		verb = "cancel";
	if (purpose == PURPOSE_KILL || purpose == PURPOSE_CANCEL)
		argument = "run";
	struct request request;
	request_begin(state, &request, verb);
	wire_map_text(&request.args, &request.buf, argument, target);
	return request_end(state, &request, now_mono_ms, purpose, target);
}

bool request_logs(struct state *state, int64_t now_mono_ms)
{
	struct request request;
	request_begin(state, &request, "logs");
	wire_map_text(&request.args, &request.buf, state->log.is_run ? "run" : "job", state->log.source);
	wire_map_bool(&request.args, &request.buf, "follow", true);
	wire_map_i64(&request.args, &request.buf, "tail", LOG_TAIL_LINES);
	return request_end(state, &request, now_mono_ms, PURPOSE_LOGS, state->log.source);
}

struct pending *request_find(struct state *state, uint32_t seq)
{
	for (int i = 0; i < PENDING_MAX; i++) {
		if (state->pending[i].purpose != PURPOSE_NONE && state->pending[i].seq == seq)
			return &state->pending[i];
	}
	return NULL;
}

void request_forget_all(struct state *state, bool is_log)
{
	for (int i = 0; i < PENDING_MAX; i++) {
		if ((state->pending[i].purpose == PURPOSE_LOGS) == is_log)
			state->pending[i].purpose = PURPOSE_NONE;
	}
	if (is_log)
		state->log_out.count = 0;
	else
		state->out.count = 0;
}
