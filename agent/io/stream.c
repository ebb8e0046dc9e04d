/* Streams between agents. */
#include "agent/io/stream.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/io/address_os.h"
#include "agent/io/channel.h"
#include "agent/io/frame_queue.h"
#include "agent/io/stream_hello.h"
#include "agent/io/turnaway.h"
#include "agent/log.h"
#include "agent/mem.h"
#include "proto/buf.h"
#include "proto/seal.h"
#include "proto/text.h"

#define LISTEN_BACKLOG 256
#define HELLOS_BYTES ((size_t)STREAM_HELLO_BYTES * 2)
#define LOG_EVERY_MS (60 * 1000) /* the same failure of a dial */

enum stream_state { STREAM_CONNECTING, STREAM_HELLO, STREAM_OPEN, STREAM_CLOSING };

struct stream {
	struct channel channel;
	struct streams *streams;
	struct stream *next, *before;
	enum stream_state state;
	bool is_dialled;
	bool is_quiet;     /* its end is no news */
	bool is_refused;   /* RST answered the dial */
	bool is_heard;     /* a frame opened: the peer is who its hello says */
	struct id128 node; /* wanted, or heard; zero: not known */
	uint64_t boot;
	uint64_t number; /* in events and effects */
	struct address peer;
	int64_t used_mono_us; /* made, or when open: last sent or heard */
	struct seal_subkey send_key, receive_key;
	uint64_t send_counter, receive_counter;
	uint8_t hellos[HELLOS_BYTES]; /* dialler's, acceptor's */
	struct frame_queue waiting;   /* for the handshake */
	uv_connect_t connect;
	char why[160]; /* why it ended */
};

struct streams {
	struct host *host;
	struct stream_options options;
	uv_tcp_t listener;
	struct turnaway turnaway;
	uv_timer_t timer;      /* runs only while there are streams */
	unsigned handles_open; /* listener and timer */
	bool is_closing;
	uint64_t last_number;
	struct stream *first;
	uint32_t inbound_count, outbound_count;
	int64_t log_mono_us[2]; /* not before then again: of accepted and of dialled ones */
};

static int64_t now_us(const struct streams *streams)
{
	return streams->host->now(streams->host->context).mono_us;
}

static struct event event_of(const struct stream *stream, enum event_type type)
{
	struct event event = {.type = type};
	event.stream.node = stream->node;
	event.stream.boot = stream->boot;
	event.stream.connection = stream->number;
	event.stream.from = stream->peer;
	event.stream.is_refused = stream->is_refused;
	return event;
}

/* ---- ends ---- */

static void watch_time(struct streams *streams);

static void streams_maybe_free(struct streams *streams)
{
	if (streams->is_closing && streams->handles_open == 0 && streams->first == NULL &&
	    !streams->turnaway.is_closing)
		mem_free(streams);
}

static void on_closed(struct channel *channel)
{
	struct stream *stream = channel->owner;
	struct streams *streams = stream->streams;
	if (stream->next != NULL)
		stream->next->before = stream->before;
	if (stream->before != NULL)
		stream->before->next = stream->next;
	else
		streams->first = stream->next;
	if (stream->is_dialled)
		streams->outbound_count--;
	else
		streams->inbound_count--;
	char why[sizeof(stream->why)];
	memcpy(why, stream->why, sizeof(why));
	struct event event = event_of(stream, EVENT_STREAM_DOWN);
	event.stream.text = why;
	/* An accepted stream that never proved who it is means nothing to the node. */
	bool is_told = !stream->is_quiet && !streams->is_closing &&
		       (stream->is_dialled || stream->is_heard);
	frame_queue_clear(&stream->waiting);
	mem_free(stream);
	if (is_told)
		streams->host->step(streams->host->context, &event);
	streams_maybe_free(streams);
}

static void stream_end(struct stream *stream, const char *why)
{
	if (stream->state == STREAM_CLOSING)
		return;
	stream->state = STREAM_CLOSING;
	(void)snprintf(stream->why, sizeof(stream->why), "%s", why);
	channel_close(&stream->channel);
}

/* A failure that people should see, at most a line a minute. */
static void stream_fail(struct stream *stream, const char *why)
{
	int64_t now = now_us(stream->streams);
	if (stream->state != STREAM_CLOSING && now >= stream->streams->log_mono_us[stream->is_dialled]) {
		stream->streams->log_mono_us[stream->is_dialled] = now + (int64_t)LOG_EVERY_MS * 1000;
		char where[TEXT_ADDRESS_BYTES];
		text_format_address(&stream->peer, where);
		log_line(LOG_LEVEL_WARN, "stream peer=%s dialled=%d: %s", where, stream->is_dialled,
			 why);
	}
	stream_end(stream, why);
}

static void on_end(struct channel *channel, int code, const char *why)
{
	struct stream *stream = channel->owner;
	if (code == UV_EOF || code == UV_ECONNRESET)
		stream_end(stream, why);
	else
		stream_fail(stream, why);
}

/* ---- sealing ---- */

static void send_sealed(struct stream *stream, struct slice bytes)
{
	struct channel_block *block = channel_block_new(bytes.bytes + SEAL_TAG_BYTES);
	if (block == NULL) {
		stream_fail(stream, "out of memory");
		return;
	}
	struct buf out;
	buf_init(&out, block->data, block->bytes);
	seal_close(&stream->send_key, stream->send_counter++,
		   slice_of(stream->hellos, HELLOS_BYTES), bytes, &out);
	assert(!out.has_overflowed && out.bytes == block->bytes);
	enum err err = channel_send_block(&stream->channel, block);
	if (err == ERR_FULL)
		stream_fail(stream, "dropped: the peer reads too slowly");
	else if (err != ERR_OK)
		stream_end(stream, "closed");
}

/* In the memory of the frame, since nobody else needs it. */
static void receive_sealed(struct stream *stream, struct slice frame)
{
	if (frame.bytes < SEAL_TAG_BYTES) {
		stream_fail(stream, "a frame is too short");
		return;
	}
	size_t bytes = frame.bytes - SEAL_TAG_BYTES;
	uint8_t small[1024];
	uint8_t *memory = bytes <= sizeof(small) ? small : mem_resize(NULL, bytes);
	if (memory == NULL) {
		stream_fail(stream, "out of memory");
		return;
	}
	struct buf plain;
	buf_init(&plain, memory, bytes);
	enum err err = seal_open(&stream->receive_key, stream->receive_counter,
				 slice_of(stream->hellos, HELLOS_BYTES), frame, &plain);
	if (err != ERR_OK) {
		stream_fail(stream, "a frame does not open: altered, or sealed with another key");
	} else if (bytes == 0) {
		stream->is_quiet = true;
		stream_end(stream, "ended in order");
	} else {
		stream->receive_counter++;
		stream->is_heard = true;
		stream->used_mono_us = now_us(stream->streams);
		struct host *host = stream->streams->host;
		struct event event = event_of(stream, EVENT_STREAM);
		event.bytes = buf_slice(&plain);
		host->step(host->context, &event);
	}
	if (memory != small)
		mem_free(memory);
}

/* ---- handshake ---- */

static void send_hello(struct stream *stream)
{
	struct streams *streams = stream->streams;
	struct stream_hello hello = {
		.key_id = streams->options.keyring->keys[0].key_id,
		.cluster = streams->host->cluster_hash(streams->host->context),
		.node = streams->options.node,
		.boot = streams->options.boot,
		.connection = stream->number,
	};
	uint8_t *mine = stream->hellos + (stream->is_dialled ? 0 : STREAM_HELLO_BYTES);
	struct buf out;
	buf_init(&out, mine, STREAM_HELLO_BYTES);
	stream_hello_put(&out, &hello);
	assert(out.bytes == STREAM_HELLO_BYTES);
	if (channel_send(&stream->channel, buf_slice(&out)) != ERR_OK)
		stream_end(stream, "closed");
}

/* Why we do not talk to who said this hello; false: we do. */
static bool is_unwanted(struct stream *stream, const struct stream_hello *hello, char *ret_why,
			size_t why_bytes)
{
	struct streams *streams = stream->streams;
	struct host *host = streams->host;
	uint32_t cluster = host->cluster_hash(host->context);
	char where[TEXT_ADDRESS_BYTES];
	text_format_address(&stream->peer, where);
	uint16_t own_key = streams->options.keyring->keys[0].key_id;
	if (keyring_find(streams->options.keyring, hello->key_id) == NULL) {
		(void)snprintf(ret_why, why_bytes,
			       "this agent's key has id %04x, the agent at %s uses %04x", own_key,
			       where, hello->key_id);
		return true;
	}
	if (hello->cluster != 0 && cluster != 0 && hello->cluster != cluster) {
		(void)snprintf(ret_why, why_bytes, "the agent at %s is of another cluster", where);
		return true;
	}
	if (id128_equal(hello->node, streams->options.node)) {
		(void)snprintf(ret_why, why_bytes, "the agent at %s has this agent's own node id",
			       where);
		return true;
	}
	if (stream->is_dialled && !id128_is_zero(stream->node) &&
	    !id128_equal(hello->node, stream->node)) {
		(void)snprintf(ret_why, why_bytes, "another node answers at %s", where);
		return true;
	}
	if (hello->boot < host->boot_known(host->context, id128_short(hello->node))) {
		(void)snprintf(ret_why, why_bytes,
			       "the agent at %s speaks with a boot from before its last start", where);
		return true;
	}
	return false;
}

static void derive_keys(struct stream *stream, const struct stream_hello *hello)
{
	const struct stream_options *options = &stream->streams->options;
	/* Each seals with its own first key; the other has found that one in its ring. */
	seal_subkey_derive(&options->keyring->keys[0], id128_short(options->node), options->boot,
			   SEAL_STREAM, stream->number, &stream->send_key);
	seal_subkey_derive(keyring_find(options->keyring, hello->key_id), id128_short(hello->node),
			   hello->boot, SEAL_STREAM, hello->connection, &stream->receive_key);
}

static void receive_hello(struct stream *stream, struct slice frame)
{
	struct stream_hello hello;
	enum err err = stream_hello_get(frame, &hello);
	if (err != ERR_OK) {
		stream_fail(stream, err == ERR_UNSUPPORTED ? "the agent there has another protocol version"
							   : "who is there speaks another protocol");
		return;
	}
	memcpy(stream->hellos + (stream->is_dialled ? STREAM_HELLO_BYTES : 0), frame.data,
	       STREAM_HELLO_BYTES);
	char why[sizeof(stream->why)];
	bool is_bad = is_unwanted(stream, &hello, why, sizeof(why));
	/* An acceptor answers even who it does not want: the dialler then knows why it was cut off. */
	if (!stream->is_dialled)
		send_hello(stream);
	if (is_bad)
		stream_fail(stream, why);
	if (stream->state == STREAM_CLOSING)
		return;
	derive_keys(stream, &hello);
	stream->node = hello.node;
	stream->boot = hello.boot;
	stream->used_mono_us = now_us(stream->streams);
	stream->state = STREAM_OPEN;
	stream->channel.reader.frame_max = FRAME_BYTES_MAX + SEAL_TAG_BYTES;
	for (struct slice held = frame_queue_first(&stream->waiting);
	     held.data != NULL && stream->state == STREAM_OPEN;
	     held = frame_queue_first(&stream->waiting)) {
		send_sealed(stream, held);
		frame_queue_pop(&stream->waiting);
	}
}

static void on_frame(struct channel *channel, struct slice body)
{
	struct stream *stream = channel->owner;
	switch (stream->state) {
	case STREAM_HELLO:
		receive_hello(stream, body);
		break;
	case STREAM_OPEN:
		receive_sealed(stream, body);
		break;
	case STREAM_CONNECTING:
	case STREAM_CLOSING:
		break;
	}
}

/* ---- making them ---- */

static struct stream *stream_new(struct streams *streams, bool is_dialled)
{
	struct stream *stream = mem_new(1, sizeof(*stream));
	if (stream == NULL)
		return NULL;
	stream->streams = streams;
	stream->is_dialled = is_dialled;
	stream->state = is_dialled ? STREAM_CONNECTING : STREAM_HELLO;
	stream->number = ++streams->last_number;
	stream->used_mono_us = now_us(streams);
	stream->channel = (struct channel){
		.host = streams->host,
		.queue_bytes_max = STREAM_QUEUE_BYTES_MAX,
		.owner = stream,
		.on_frame = on_frame,
		.on_end = on_end,
		.on_closed = on_closed,
	};
	/* Until the hello is there nobody may make us hold more than one. */
	channel_init_tcp(&stream->channel, STREAM_HELLO_BYTES);
	stream->next = streams->first;
	if (streams->first != NULL)
		streams->first->before = stream;
	streams->first = stream;
	if (is_dialled)
		streams->outbound_count++;
	else
		streams->inbound_count++;
	watch_time(streams);
	return stream;
}

static void set_options(struct stream *stream)
{
	(void)uv_tcp_nodelay(&stream->channel.tcp, 1);
	uv_os_fd_t fd;
	unsigned timeout_ms = STREAM_UNACKED_MS;
	if (uv_fileno(&stream->channel.handle, &fd) == 0)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

static void on_connected(uv_connect_t *connect, int code)
{
	struct stream *stream = connect->data;
	if (stream->state != STREAM_CONNECTING)
		return;
	if (code == UV_ECONNREFUSED) {
		stream->is_refused = true;
		stream_end(stream, "refused");
		return;
	}
	if (code != 0) {
		stream_fail(stream, uv_strerror(code));
		return;
	}
	set_options(stream);
	stream->state = STREAM_HELLO;
	send_hello(stream);
	if (stream->state == STREAM_HELLO && channel_start(&stream->channel) != 0)
		stream_end(stream, "closed");
}

static void on_connection(uv_stream_t *listener, int code)
{
	struct streams *streams = listener->data;
	if (code != 0 || streams->is_closing)
		return;
	struct stream *stream = stream_new(streams, false);
	if (stream == NULL) {
		log_line(LOG_LEVEL_ERROR, "stream: out of memory");
		turnaway_take(&streams->turnaway, listener);
		return;
	}
	struct sockaddr_storage os;
	int os_bytes = sizeof(os);
	if (uv_accept(listener, &stream->channel.stream) != 0 ||
	    uv_tcp_getpeername(&stream->channel.tcp, (struct sockaddr *)&os, &os_bytes) != 0 ||
	    !address_from_os(&os, &stream->peer)) {
		stream_end(stream, "gone");
		return;
	}
	if (streams->inbound_count > STREAM_INBOUND_MAX) {
		stream_fail(stream, "refused: there are more streams than members could need");
		return;
	}
	set_options(stream);
	if (channel_start(&stream->channel) != 0)
		stream_end(stream, "closed");
}

static struct stream *dial(struct streams *streams, struct id128 node, const struct address *address)
{
	if (address->family == 0 || streams->outbound_count >= STREAM_OUTBOUND_MAX)
		return NULL;
	struct stream *stream = stream_new(streams, true);
	if (stream == NULL)
		return NULL;
	stream->node = node;
	stream->peer = *address;
	stream->connect.data = stream;
	struct sockaddr_storage os;
	(void)address_to_os(address, &os);
	int code = uv_tcp_connect(&stream->connect, &stream->channel.tcp,
				  (const struct sockaddr *)&os, on_connected);
	if (code != 0) {
		stream->is_refused = code == UV_ECONNREFUSED;
		stream_fail(stream, uv_strerror(code));
	}
	return stream;
}

/* ---- effects ---- */

static void stream_send(struct stream *stream, struct slice bytes)
{
	switch (stream->state) {
	case STREAM_CONNECTING:
	case STREAM_HELLO:
		if (frame_queue_push(&stream->waiting, bytes, STREAM_QUEUE_BYTES_MAX) != ERR_OK)
			stream_fail(stream, "dropped: too much waits for the handshake");
		break;
	case STREAM_OPEN:
		stream->used_mono_us = now_us(stream->streams);
		send_sealed(stream, bytes);
		break;
	case STREAM_CLOSING:
		break;
	}
}

void streams_send(struct streams *streams, struct id128 node, const struct address *address,
		  struct slice bytes)
{
	assert(bytes.bytes > 0 && bytes.bytes <= FRAME_BYTES_MAX);
	struct stream *stream = NULL;
	if (!id128_is_zero(node))
		stream = streams->first;
	for (; stream != NULL; stream = stream->next) {
		if (!stream->is_dialled || stream->state == STREAM_CLOSING ||
		    !id128_equal(stream->node, node))
			continue;
		if (address_equal(&stream->peer, address))
			break;
		/* The node has moved. */
		stream->is_quiet = true;
		stream_end(stream, "the node has another address now");
	}
	if (stream == NULL)
		stream = dial(streams, node, address);
	if (stream != NULL)
		stream_send(stream, bytes);
	else
		log_line(LOG_LEVEL_ERROR, "stream: a frame is dropped: no address or memory, or full");
}

void streams_answer(struct streams *streams, uint64_t connection, struct slice bytes)
{
	assert(bytes.bytes > 0 && bytes.bytes <= FRAME_BYTES_MAX);
	for (struct stream *stream = streams->first; stream != NULL; stream = stream->next) {
		if (stream->number != connection)
			continue;
		stream_send(stream, bytes);
		return;
	}
}

/* ---- time ---- */

/* When this stream is to be ended if nothing more happens on it. */
static int64_t ends_mono_us(const struct stream *stream)
{
	int64_t limit_ms = STREAM_HANDSHAKE_MS;
	if (stream->state == STREAM_OPEN && (stream->is_dialled || stream->is_heard))
		limit_ms = stream->is_dialled ? STREAM_IDLE_MS : STREAM_IDLE_ACCEPTED_MS;
	return stream->used_mono_us + limit_ms * 1000;
}

static void on_timer(uv_timer_t *timer)
{
	struct streams *streams = timer->data;
	int64_t now = now_us(streams);
	for (struct stream *stream = streams->first; stream != NULL; stream = stream->next) {
		if (stream->state == STREAM_CLOSING || now < ends_mono_us(stream))
			continue;
		if (stream->state != STREAM_OPEN) {
			stream_fail(stream, "no answer to the handshake");
			continue;
		}
		stream->is_quiet = true;
		if (stream->is_dialled)
			send_sealed(stream, slice_of(NULL, 0));
		stream_end(stream, "idle");
	}
	watch_time(streams);
}

/* Sets the timer to the first end that could come; used streams move theirs, so it may be too early, never too late. */
static void watch_time(struct streams *streams)
{
	int64_t first = INT64_MAX;
	for (const struct stream *stream = streams->first; stream != NULL; stream = stream->next) {
		int64_t ends = ends_mono_us(stream);
		if (stream->state != STREAM_CLOSING && ends < first)
			first = ends;
	}
	if (streams->is_closing)
		return;
	if (first == INT64_MAX) {
		(void)uv_timer_stop(&streams->timer);
		return;
	}
	int64_t wait_us = first - now_us(streams);
	(void)uv_timer_start(&streams->timer, on_timer,
			     wait_us > 0 ? (uint64_t)wait_us / 1000 + 1 : 1, 0);
}

/* ---- all of them ---- */

static void on_turned_away(void *context)
{
	streams_maybe_free(context);
}

static void on_part_closed(uv_handle_t *handle)
{
	struct streams *streams = handle->data;
	streams->handles_open--;
	streams_maybe_free(streams);
}

enum err streams_open(struct host *host, const struct stream_options *options,
		      struct streams **ret_streams, struct problem *problem)
{
	struct streams *streams = mem_new(1, sizeof(*streams));
	if (streams == NULL)
		return problem_set(problem, ERR_NO_MEMORY, "streams: out of memory");
	streams->host = host;
	streams->options = *options;
	/* These only fill the structs. */
	(void)uv_tcp_init(host->uv, &streams->listener);
	(void)uv_timer_init(host->uv, &streams->timer);
	streams->listener.data = streams;
	streams->timer.data = streams;
	streams->turnaway.on_free = on_turned_away;
	streams->turnaway.context = streams;
	streams->handles_open = 2;
	struct sockaddr_storage os;
	(void)address_to_os(&options->bind, &os);
	unsigned flags = options->bind.family == 6 ? UV_TCP_IPV6ONLY : 0;
	int code = uv_tcp_bind(&streams->listener, (const struct sockaddr *)&os, flags);
	if (code == 0)
		code = uv_listen((uv_stream_t *)&streams->listener, LISTEN_BACKLOG, on_connection);
	if (code == 0) {
		*ret_streams = streams;
		return ERR_OK;
	}
	streams_close(streams);
	char where[TEXT_ADDRESS_BYTES];
	text_format_address(&options->bind, where);
	return problem_set(problem, ERR_IO, "--bind: TCP %s: %s", where, uv_strerror(code));
}

void streams_close(struct streams *streams)
{
	if (streams == NULL || streams->is_closing)
		return;
	streams->is_closing = true;
	for (struct stream *stream = streams->first; stream != NULL; stream = stream->next)
		stream_end(stream, "the agent ends");
	uv_close((uv_handle_t *)&streams->listener, on_part_closed);
	uv_close((uv_handle_t *)&streams->timer, on_part_closed);
}
