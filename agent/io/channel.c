/* A connection that carries frames. */
#include "agent/io/channel.h"

#include <assert.h>
#include <string.h>

#include "agent/mem.h"
#include "proto/buf.h"

static_assert(offsetof(struct channel_block, data) ==
		      offsetof(struct channel_block, header) + FRAME_HEADER_BYTES,
	      "header and data are written as one piece");

static void end(struct channel *channel, int code, const char *why)
{
	if (channel->is_closing || channel->has_ended)
		return;
	channel->has_ended = true;
	(void)uv_read_stop(&channel->stream);
	channel->on_end(channel, code, why);
}

static void on_alloc(uv_handle_t *handle, size_t suggested_bytes, uv_buf_t *ret_buf)
{
	struct channel *channel = handle->data;
	(void)suggested_bytes;
	*ret_buf = uv_buf_init((char *)channel->host->read_buffer, sizeof(channel->host->read_buffer));
}

static void on_read(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *buf)
{
	struct channel *channel = stream->data;
	if (channel->is_closing || bytes == 0)
		return;
	if (bytes < 0) {
		end(channel, (int)bytes,
		    bytes == UV_EOF ? "closed by the other end" : uv_strerror((int)bytes));
		return;
	}
	enum err err = frame_reader_feed(&channel->reader, (const uint8_t *)buf->base, (size_t)bytes);
	struct slice body;
	/* Frames that were whole before a bad one are still good. */
	while (!channel->is_closing && !channel->has_ended && frame_reader_next(&channel->reader, &body))
		channel->on_frame(channel, body);
	if (err == ERR_NO_MEMORY)
		end(channel, UV_ENOMEM, "out of memory");
	else if (err != ERR_OK)
		end(channel, UV_EPROTO, "a frame is too long");
}

static void init(struct channel *channel, size_t frame_bytes_max)
{
	channel->handle.data = channel;
	channel->is_closing = false;
	channel->has_ended = false;
	frame_reader_init(&channel->reader, frame_bytes_max, mem_resize);
}

void channel_init_pipe(struct channel *channel, size_t frame_bytes_max)
{
	/* These two only fill the struct; they fail for bad flags alone. */
	int code = uv_pipe_init(channel->host->uv, &channel->pipe, 0);
	assert(code == 0);
	init(channel, frame_bytes_max);
}

void channel_init_tcp(struct channel *channel, size_t frame_bytes_max)
{
	int code = uv_tcp_init(channel->host->uv, &channel->tcp);
	assert(code == 0);
	init(channel, frame_bytes_max);
}

int channel_start(struct channel *channel)
{
	return uv_read_start(&channel->stream, on_alloc, on_read);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct channel *channel = handle->data;
	frame_reader_close(&channel->reader);
	channel->on_closed(channel);
}

void channel_close(struct channel *channel)
{
	if (channel->is_closing)
		return;
	channel->is_closing = true;
	uv_close(&channel->handle, on_handle_closed);
}

struct channel_block *channel_block_new(size_t bytes)
{
	struct channel_block *block = mem_resize(NULL, sizeof(*block) + bytes);
	if (block == NULL)
		return NULL;
	block->bytes = bytes;
	store_u32(block->header, (uint32_t)bytes);
	return block;
}

static void on_written(uv_write_t *request, int code)
{
	struct channel_block *block = request->data;
	struct channel *channel = block->channel;
	mem_free(block);
	if (code != 0 && code != UV_ECANCELED)
		end(channel, code, uv_strerror(code));
}

enum err channel_send_block(struct channel *channel, struct channel_block *take_block)
{
	enum err err = ERR_OK;
	if (channel->is_closing || channel->has_ended)
		err = ERR_CLOSED;
	else if (uv_stream_get_write_queue_size(&channel->stream) + take_block->bytes >
		 channel->queue_bytes_max)
		err = ERR_FULL;
	if (err != ERR_OK) {
		mem_free(take_block);
		return err;
	}
	take_block->channel = channel;
	take_block->request.data = take_block;
	uv_buf_t piece = uv_buf_init((char *)take_block->header,
				     (unsigned)(FRAME_HEADER_BYTES + take_block->bytes));
	if (uv_write(&take_block->request, &channel->stream, &piece, 1, on_written) != 0) {
		mem_free(take_block);
		return ERR_CLOSED;
	}
	return ERR_OK;
}

enum err channel_send(struct channel *channel, struct slice body)
{
	struct channel_block *block = channel_block_new(body.bytes);
	if (block == NULL)
		return ERR_NO_MEMORY;
	if (body.bytes > 0)
		memcpy(block->data, body.data, body.bytes);
	return channel_send_block(channel, block);
}
