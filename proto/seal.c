/* Keys, sealing and opening, the clear header of datagrams, and the window against replay. */
#include "proto/seal.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define KEY_FILE_WORD "peersched-key-1 "
#define KEY_FILE_WORD_BYTES (sizeof(KEY_FILE_WORD) - 1)
#define KEY_HEX_BYTES (2u * SEAL_KEY_BYTES)
#define WINDOW_BITS 128u

static_assert(SEAL_KEY_BYTES == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "the cipher's key");
static_assert(SEAL_TAG_BYTES == crypto_aead_chacha20poly1305_ietf_ABYTES, "the cipher's tag");
static_assert(crypto_aead_chacha20poly1305_ietf_NPUBBYTES == 12,
	      "a counter of 8 bytes after 4 zeros");

/* ---- keys ---- */

enum err seal_master_parse(struct slice text, struct seal_master *ret_master,
			   struct problem *problem)
{
	if (text.bytes > 0 && text.data[text.bytes - 1] == '\n')
		text.bytes--;
	uint8_t key[SEAL_KEY_BYTES];
	size_t key_bytes = 0;
	bool is_good = text.bytes == KEY_FILE_WORD_BYTES + KEY_HEX_BYTES &&
		       memcmp(text.data, KEY_FILE_WORD, KEY_FILE_WORD_BYTES) == 0;
	if (is_good)
		is_good = sodium_hex2bin(key, sizeof(key),
					 (const char *)text.data + KEY_FILE_WORD_BYTES,
					 KEY_HEX_BYTES, NULL, &key_bytes, NULL) == 0;
	if (!is_good || key_bytes != sizeof(key)) {
		sodium_memzero(key, sizeof(key));
		/* The text is not repeated: it may be a key with a slip in it. */
		(void)problem_set(
			problem, ERR_INVALID,
			"a key is one line: \"peersched-key-1\", a space and 64 hex digits");
		problem_hint(problem, "schedctl key new makes one");
		return ERR_INVALID;
	}
	seal_master_from_bytes(key, ret_master);
	sodium_memzero(key, sizeof(key));
	return ERR_OK;
}

void seal_master_format(const struct seal_master *master, char ret_text[96])
{
	char hex[KEY_HEX_BYTES + 1];
	(void)sodium_bin2hex(hex, sizeof(hex), master->key, sizeof(master->key));
	(void)snprintf(ret_text, 96, "%s%s\n", KEY_FILE_WORD, hex);
	sodium_memzero(hex, sizeof(hex));
}

void seal_master_from_bytes(const uint8_t key[SEAL_KEY_BYTES], struct seal_master *ret_master)
{
	uint8_t digest[crypto_generichash_BYTES];
	(void)crypto_generichash(digest, sizeof(digest), key, SEAL_KEY_BYTES, NULL, 0);
	memcpy(ret_master->key, key, SEAL_KEY_BYTES);
	ret_master->key_id = load_u16(digest);
}

void seal_subkey_derive(const struct seal_master *master, uint64_t sender_short, uint64_t boot,
			enum seal_kind kind, uint64_t connection, struct seal_subkey *ret_subkey)
{
	uint8_t what[8 + 8 + 1 + 8];
	store_u64(what, sender_short);
	store_u64(what + 8, boot);
	what[16] = (uint8_t)kind;
	store_u64(what + 17, connection);
	(void)crypto_generichash(ret_subkey->key, sizeof(ret_subkey->key), what, sizeof(what),
				 master->key, sizeof(master->key));
}

/* ---- sealing ---- */

struct nonce {
	uint8_t bytes[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
};

static struct nonce nonce_of(uint64_t counter)
{
	struct nonce nonce = {.bytes = {0}};
	store_u64(nonce.bytes + 4, counter);
	return nonce;
}

void seal_close(const struct seal_subkey *subkey, uint64_t counter, struct slice header,
		struct slice plain, struct buf *out)
{
	if (plain.bytes > SIZE_MAX - SEAL_TAG_BYTES ||
	    plain.bytes + SEAL_TAG_BYTES > buf_left(out)) {
		out->has_overflowed = true;
		return;
	}
	struct nonce nonce = nonce_of(counter);
	unsigned long long sealed_bytes = 0;
	(void)crypto_aead_chacha20poly1305_ietf_encrypt(
		out->data + out->bytes, &sealed_bytes, plain.data, plain.bytes, header.data,
		header.bytes, NULL, nonce.bytes, subkey->key);
	assert(sealed_bytes == plain.bytes + SEAL_TAG_BYTES);
	out->bytes += (size_t)sealed_bytes;
}

enum err seal_open(const struct seal_subkey *subkey, uint64_t counter, struct slice header,
		   struct slice sealed, struct buf *out)
{
	if (sealed.bytes < SEAL_TAG_BYTES)
		return ERR_TRUNCATED;
	if (sealed.bytes - SEAL_TAG_BYTES > buf_left(out))
		return ERR_FULL;
	struct nonce nonce = nonce_of(counter);
	unsigned long long plain_bytes = 0;
	if (crypto_aead_chacha20poly1305_ietf_decrypt(out->data + out->bytes, &plain_bytes, NULL,
						      sealed.data, sealed.bytes, header.data,
						      header.bytes, nonce.bytes, subkey->key) != 0)
		return ERR_CORRUPT;
	out->bytes += (size_t)plain_bytes;
	return ERR_OK;
}

/* ---- the header of datagrams ---- */

void seal_header_put(struct buf *out, const struct seal_header *header)
{
	buf_put_u16(out, SEAL_MAGIC);
	buf_put_u8(out, SEAL_VERSION);
	buf_put_u8(out, header->flags);
	buf_put_u32(out, header->cluster);
	buf_put_u16(out, header->key_id);
	buf_put_u16(out, 0);
	buf_put_u64(out, header->sender_short);
	buf_put_u64(out, header->counter);
}

enum err seal_header_get(struct slice datagram, struct seal_header *ret_header)
{
	if (datagram.bytes < DATAGRAM_HEADER_BYTES)
		return ERR_TRUNCATED;
	const uint8_t *bytes = datagram.data;
	if (load_u16(bytes) != SEAL_MAGIC)
		return ERR_INVALID;
	if (bytes[2] != SEAL_VERSION)
		return ERR_UNSUPPORTED;
	/* The two reserved bytes and unknown flags are for later versions: they are authenticated and not looked at. */
	*ret_header = (struct seal_header){
		.flags = bytes[3],
		.cluster = load_u32(bytes + 4),
		.key_id = load_u16(bytes + 8),
		.sender_short = load_u64(bytes + 12),
		.counter = load_u64(bytes + 20),
	};
	return ERR_OK;
}

/* ---- replay ---- */

/* Bit i of the window, from the least one of bits[0], stands for the counter highest - 1 - i. */
static void window_shift(struct seal_window *window, uint64_t by)
{
	if (by >= WINDOW_BITS) {
		window->bits[0] = 0;
		window->bits[1] = 0;
	} else if (by >= 64) {
		window->bits[1] = window->bits[0] << (by - 64);
		window->bits[0] = 0;
	} else if (by > 0) {
		window->bits[1] = window->bits[1] << by | window->bits[0] >> (64 - by);
		window->bits[0] <<= by;
	}
}

bool seal_window_take(struct seal_window *window, uint64_t counter)
{
	/* The last counter of all has no successor to be held as `highest`; no subkey lives that long. */
	if (counter == UINT64_MAX)
		return false;
	if (counter >= window->highest) {
		window_shift(window, counter + 1 - window->highest);
		window->highest = counter + 1;
		window->bits[0] |= 1;
		return true;
	}
	uint64_t age = window->highest - 1 - counter;
	if (age >= WINDOW_BITS)
		return false;
	uint64_t bit = (uint64_t)1 << (age % 64);
	if ((window->bits[age / 64] & bit) != 0)
		return false;
	window->bits[age / 64] |= bit;
	return true;
}
