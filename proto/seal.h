/* Sealing: every datagram and every stream frame between agents is encrypted and authenticated
 * (libsodium, ChaCha20-Poly1305-IETF, tag 16 B).
 *
 * subkey = keyed BLAKE2b(master; sender's short node id, boot, kind, connection id). Every subkey has a
 * counter of its own from 0, which is the nonce; as boot never repeats for a node id, no pair of key and
 * nonce does. A receiver takes each counter once: a window of 128 for datagrams, strict order on streams.
 * The nonce is 4 zero bytes and the counter, big-endian. Nothing here needs sodium_init (no random numbers are
 * drawn), but the programs call it at start so that the fastest code for the processor is chosen. */
#ifndef PROTO_SEAL_H
#define PROTO_SEAL_H

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/types.h"

#define SEAL_KEY_BYTES 32u

struct seal_master {
	uint8_t key[SEAL_KEY_BYTES];
	uint16_t key_id; /* the first 2 bytes of the key's BLAKE2b */
};

enum seal_kind { SEAL_DATAGRAM = 1, SEAL_STREAM = 2 };

struct seal_subkey {
	uint8_t key[SEAL_KEY_BYTES];
};

/* Key file text: "peersched-key-1 HEX64\n"; the line end may be missing. */
MUST_CHECK enum err seal_master_parse(struct slice text, struct seal_master *ret_master,
				      struct problem *problem);
void seal_master_format(const struct seal_master *master, char ret_text[96]);
void seal_master_from_bytes(const uint8_t key[SEAL_KEY_BYTES], struct seal_master *ret_master);

void seal_subkey_derive(const struct seal_master *master, uint64_t sender_short, uint64_t boot,
			enum seal_kind kind, uint64_t connection, struct seal_subkey *ret_subkey);

/* Appends the sealed text of `plain` (plain.bytes + SEAL_TAG_BYTES) to `out`; `plain` must not lie in out's memory. */
void seal_close(const struct seal_subkey *subkey, uint64_t counter, struct slice header,
		struct slice plain, struct buf *out);
/* Opens and appends to `out`, nothing on error. ERR_CORRUPT: wrong key, altered, or another header or counter;
 * ERR_TRUNCATED: shorter than a tag; ERR_FULL: it does not fit into `out`. */
MUST_CHECK enum err seal_open(const struct seal_subkey *subkey, uint64_t counter,
			      struct slice header, struct slice sealed, struct buf *out);

/* The clear header of a datagram, DATAGRAM_HEADER_BYTES (magic u16, version u8, flags u8, cluster u32, key id u16,
 * reserved u16, sender u64, counter u64), all of it authenticated. With SEAL_FLAG_NEWBOOT the
 * sender's boot (u64) follows the header, in clear and authenticated. */
#define SEAL_MAGIC 0x5053u /* "PS" */
#define SEAL_VERSION 1u
#define SEAL_FLAG_NEWBOOT 0x01u
struct seal_header {
	uint8_t flags;
	uint32_t cluster; /* hash of the cluster id; 0 from a fresh joiner */
	uint16_t key_id;
	uint64_t sender_short;
	uint64_t counter;
};
void seal_header_put(struct buf *out, const struct seal_header *header);
/* ERR_TRUNCATED, ERR_INVALID (magic), ERR_UNSUPPORTED (version). */
MUST_CHECK enum err seal_header_get(struct slice datagram, struct seal_header *ret_header);

/* Replay window: which of the last 128 counters were taken. */
struct seal_window {
	uint64_t highest; /* counter + 1; 0: none yet */
	uint64_t bits[2];
};
/* True and recorded if `counter` is new; call only after seal_open succeeded. */
bool seal_window_take(struct seal_window *window, uint64_t counter);

#endif
