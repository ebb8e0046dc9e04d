/* The first frame of each side on a stream between agents. */
#include "agent/io/stream_hello.h"

#include <string.h>

void stream_hello_put(struct buf *out, const struct stream_hello *hello)
{
	buf_put_u32(out, STREAM_MAGIC);
	buf_put_u8(out, STREAM_VERSION);
	buf_put_u8(out, 0);
	buf_put_u16(out, hello->key_id);
	buf_put_u32(out, hello->cluster);
	buf_put(out, hello->node.bytes, sizeof(hello->node.bytes));
	buf_put_u64(out, hello->boot);
	buf_put_u64(out, hello->connection);
}

enum err stream_hello_get(struct slice bytes, struct stream_hello *ret_hello)
{
	if (bytes.bytes < 5 || load_u32(bytes.data) != STREAM_MAGIC)
		return ERR_INVALID;
	if (bytes.data[4] != STREAM_VERSION)
		return ERR_UNSUPPORTED;
	if (bytes.bytes != STREAM_HELLO_BYTES)
		return ERR_INVALID;
	struct stream_hello hello = {
		.key_id = load_u16(bytes.data + 6),
		.cluster = load_u32(bytes.data + 8),
		.boot = load_u64(bytes.data + 28),
		.connection = load_u64(bytes.data + 36),
	};
	memcpy(hello.node.bytes, bytes.data + 12, sizeof(hello.node.bytes));
	if (id128_is_zero(hello.node) || hello.boot == 0 || hello.connection == 0)
		return ERR_INVALID;
	*ret_hello = hello;
	return ERR_OK;
}
