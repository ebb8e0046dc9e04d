/* What can happen to a node. All that the core knows comes in through these; each carries both clocks. */
#ifndef AGENT_CORE_EVENT_H
#define AGENT_CORE_EVENT_H

#include "proto/runner.h"
#include "proto/types.h"

enum event_type {
	EVENT_STARTED,      /* the first one: the store is open, id and boot are on disk */
	EVENT_DEADLINE,     /* node_next_deadline() has come; also sent when late */
	EVENT_CONTINUE,     /* the last step said `more`: same commit, go on */
	EVENT_DATAGRAM,     /* one opened datagram */
	EVENT_STREAM,       /* one opened frame of a stream between agents */
	EVENT_STREAM_DOWN,  /* a stream with a peer ended, or could not be opened */
	EVENT_RUNNER,       /* a report of the runner */
	EVENT_RUNNER_DOWN,  /* its socket is closed */
	EVENT_REQUEST,      /* one frame from a local client */
	EVENT_CLIENT_GONE,  /* that client's connection is closed */
	EVENT_OUTPUT,       /* lines of a run's output, asked for by EFFECT_OUTPUT_READ */
	EVENT_SAMPLE,       /* this host's figures */
	EVENT_LEAVE         /* the operator ends the agent for good or for a restart */
};

struct event_output_end {
	bool is_end;        /* nothing more now */
	bool is_final;      /* nothing more ever: the run ended and all was read */
};

struct event {
	enum event_type type;
	struct clocks now;
	/* DATAGRAM: messages of one packet. STREAM, REQUEST: one frame's body. OUTPUT: a msgpack array of lines
	 * [t_ms, stream ("o" or "e"), bytes]. Borrowed for the step. */
	struct slice bytes;
	union {
		struct {
			uint64_t sender_short;
			uint64_t boot;
			struct address from;
			bool is_refused; /* no packet: the kernel reported port unreachable for `from` */
		} datagram;
		struct {
			struct id128 node;   /* of the peer; zero if it is not known (a failed dial by address) */
			uint64_t boot;
			uint64_t connection; /* names it in EFFECT_STREAM */
			struct address from;
			bool is_refused;     /* STREAM_DOWN: the dial was answered by RST */
			const char *text;    /* STREAM_DOWN: why, for a person; borrowed; NULL if nothing is known */
		} stream;
		struct runner_report runner;
		struct {
			uint64_t client; /* never used again */
			uint32_t uid;
			const char *user; /* the login name, or the number as text */
		} request;
		struct {
			uint64_t ticket; /* as in the effect */
			uint64_t offset; /* where to go on */
			struct event_output_end end;
			enum err err;    /* ERR_NOT_FOUND: no output is kept here */
		} output;
		struct {
			uint32_t load_milli; /* 1 min load * 1000 */
			uint32_t cpu_count;
			uint64_t memory_bytes;
			uint64_t memory_free_bytes;
			uint64_t disk_free_bytes;
		} sample;
		struct {
			bool is_restart; /* leave for a restart: peers hold the place */
		} leave;
	};
};

#endif
