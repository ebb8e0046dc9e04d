/* What stands in clear on the network, and the key ring's record: small fixed forms. What is accepted is written
 * again, and the same bytes come out. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/io/keyring.h"
#include "agent/io/stream_hello.h"
#include "proto/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

static void check_hello(struct slice bytes)
{
	struct stream_hello hello;
	uint8_t memory[STREAM_HELLO_BYTES];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	if (stream_hello_get(bytes, &hello) != ERR_OK)
		return;
	stream_hello_put(&out, &hello);
	/* The byte of flags is for later versions. */
	memory[5] = bytes.data[5];
	if (!slice_equal(buf_slice(&out), bytes))
		abort();
}

static void check_header(struct slice bytes)
{
	struct seal_header header, again;
	uint8_t memory[DATAGRAM_HEADER_BYTES];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	if (seal_header_get(bytes, &header) != ERR_OK)
		return;
	seal_header_put(&out, &header);
	if (seal_header_get(buf_slice(&out), &again) != ERR_OK || again.counter != header.counter ||
	    again.sender_short != header.sender_short || again.cluster != header.cluster ||
	    again.key_id != header.key_id || again.flags != header.flags)
		abort();
}

static void check_keyring(struct slice bytes)
{
	struct keyring keyring, again;
	uint8_t memory[256];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	if (keyring_get(bytes, &keyring) != ERR_OK)
		return;
	if (keyring.count == 0 || keyring.count > KEYRING_KEYS_MAX)
		abort();
	keyring_put(&out, &keyring);
	if (out.has_overflowed || keyring_get(buf_slice(&out), &again) != ERR_OK ||
	    again.count != keyring.count || memcmp(again.keys, keyring.keys, sizeof(again.keys[0])) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
	/* In memory of exactly their size, so that a read behind them is seen. */
	uint8_t *copy = malloc(bytes_count + 1);
	if (copy == NULL)
		abort();
	memcpy(copy + 1, bytes, bytes_count);
	struct slice input = slice_of(copy + 1, bytes_count);
	check_hello(input);
	check_header(input);
	check_keyring(input);
	free(copy);
	return 0;
}
