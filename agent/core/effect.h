/* What a node can ask for. Effects leave only after the commit of all that the step has put into the store.
 *
 * The list has a fixed capacity. A step that has more to say sets `more`; the shell then calls node_step again with
 * EVENT_CONTINUE within the same commit. */
#ifndef AGENT_CORE_EFFECT_H
#define AGENT_CORE_EFFECT_H

#include "proto/buf.h"
#include "proto/runner.h"
#include "proto/types.h"

enum effect_type {
	EFFECT_DATAGRAM,        /* send bytes (whole messages, <= DATAGRAM_PAYLOAD_BYTES_MAX) to an address */
	EFFECT_STREAM,          /* send bytes as one frame; order per peer is kept, delivery is not promised */
	EFFECT_RUNNER,
	EFFECT_REPLY,           /* one frame to a local client; with is_last nothing more follows to this request */
	EFFECT_CLIENT_CLOSE,
	EFFECT_OUTPUT_READ,     /* EVENT_OUTPUT answers; with follow, again whenever there is more, until stopped */
	EFFECT_OUTPUT_STOP,
	EFFECT_OUTPUT_DROP,     /* retention: remove the run's output */
	EFFECT_TRACE,           /* a line for the log */
	EFFECT_EXIT             /* end the process; bytes say why; code 0: left in order */
};

enum trace_level { TRACE_ERROR, TRACE_WARN, TRACE_INFO, TRACE_DEBUG };

struct effect {
	enum effect_type type;
	struct slice bytes; /* in the list's arena */
	union {
		struct {
			struct address to;
		} datagram;
		struct {
			uint64_t connection;    /* not 0: answer on this one, drop if it is gone */
			struct id128 node;      /* else the stream to this node, dialled at need ... */
			struct address address; /* ... at this address; with a zero node a dial of its own (join) */
		} stream;
		struct runner_order runner; /* slices in the arena */
		struct {
			uint64_t client;
		} reply;
		struct {
			uint64_t ticket;
			struct run_key run;
			uint64_t offset;
			bool follow;
			bool is_tail; /* begin so that about the last 64 KiB come */
		} output;
		struct {
			enum trace_level level;
		} trace;
		struct {
			int code;
		} exit;
	};
};

#define EFFECTS_MAX 4096u                  /* per step: a tick of 1,000 fires and its frames */
#define EFFECTS_ARENA_BYTES (3u << 20)     /* per step: two whole frames and many small ones */
#define EFFECTS_ARENA_RESERVE (1u << 20)   /* a step that has less than this left says `more` */

struct effects {
	struct effect *items; /* EFFECTS_MAX, caller's memory */
	uint32_t count;
	struct buf arena;     /* EFFECTS_ARENA_BYTES, caller's memory */
	bool more;
};

void effects_clear(struct effects *effects);
/* True while another step's part may be added without setting `more`. */
bool effects_has_room(const struct effects *effects);

/* True if a stream frame of so many bytes still fits, and the room that one part of a step is promised beside it if `keeps_room`. */
bool effects_fits_stream(const struct effects *effects, size_t bytes, bool keeps_room);

/* Each copies its bytes into the arena. A list that is full is our own bug (assert): ask effects_has_room first. */
void effects_datagram(struct effects *effects, const struct address *to, struct slice bytes);
void effects_stream(struct effects *effects, struct id128 node, const struct address *address, struct slice bytes);
void effects_stream_answer(struct effects *effects, uint64_t connection, struct slice bytes);
void effects_runner(struct effects *effects, const struct runner_order *order);
void effects_reply(struct effects *effects, uint64_t client, struct slice bytes);
void effects_client_close(struct effects *effects, uint64_t client);
void effects_output_read(struct effects *effects, uint64_t ticket, const struct run_key *run, uint64_t offset, bool is_tail, bool follow);
void effects_output_stop(struct effects *effects, uint64_t ticket);
void effects_exit(struct effects *effects, int code, const char *why);
void effects_trace(struct effects *effects, enum trace_level level, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
