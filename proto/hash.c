/* BLAKE2b by libsodium, XXH3 by xxHash. Neither needs sodium_init: no random numbers are drawn. */
#include "proto/hash.h"

#include <sodium.h>
#include <string.h>
/* The whole of it is compiled in: a shared library of its own costs each process 76 KiB. */
#define XXH_INLINE_ALL
#include <xxhash.h>

struct id128 hash_id(struct slice text)
{
	struct id128 id;
	(void)crypto_generichash(id.bytes, sizeof(id.bytes), text.data, text.bytes, NULL, 0);
	return id;
}

uint64_t hash_u64(struct slice bytes)
{
	return XXH3_64bits(bytes.data, bytes.bytes);
}

uint64_t hash_pair(struct id128 key, struct id128 member)
{
	uint8_t both[sizeof(key.bytes) + sizeof(member.bytes)];
	memcpy(both, key.bytes, sizeof(key.bytes));
	memcpy(both + sizeof(key.bytes), member.bytes, sizeof(member.bytes));
	return XXH3_64bits(both, sizeof(both));
}

void hash_digest(struct id128 key, uint64_t counter, uint64_t ret_sum[2])
{
	uint8_t both[sizeof(key.bytes) + sizeof(counter)];
	memcpy(both, key.bytes, sizeof(key.bytes));
	store_u64(both + sizeof(key.bytes), counter);
	XXH128_hash_t sum = XXH3_128bits(both, sizeof(both));
	ret_sum[0] = sum.low64;
	ret_sum[1] = sum.high64;
}
