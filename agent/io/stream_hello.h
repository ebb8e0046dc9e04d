/* The first frame of each side on a stream between agents: in clear, 44 bytes, authenticated by every sealed frame after it.
 *
 *   magic u32 | version u8 | flags u8 | key id u16 | cluster hash u32 | node id 16 | boot u64 | connection u64 */
#ifndef AGENT_IO_STREAM_HELLO_H
#define AGENT_IO_STREAM_HELLO_H

#include <stdint.h>

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/types.h"

#define STREAM_HELLO_BYTES 44u
#define STREAM_MAGIC 0x50535354u /* "PSST" */
#define STREAM_VERSION 1u

struct stream_hello {
	uint16_t key_id;
	uint32_t cluster; /* hash; 0 from a fresh joiner */
	struct id128 node;
	uint64_t boot;
	uint64_t connection; /* the sender's number for it, from 1 in each boot */
};
void stream_hello_put(struct buf *out, const struct stream_hello *hello);
/* ERR_INVALID: no hello; ERR_UNSUPPORTED: another version. */
MUST_CHECK enum err stream_hello_get(struct slice bytes, struct stream_hello *ret_hello);

#endif
