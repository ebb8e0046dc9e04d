/* Hashes that are wire format and on disk: they never change, and golden vectors in the tests hold them.
 * Numbers go into them big-endian. */
#ifndef PROTO_HASH_H
#define PROTO_HASH_H

#include "proto/buf.h"
#include "proto/types.h"

struct id128 hash_id(struct slice text); /* BLAKE2b-128: job id of "group/name" */
uint64_t hash_u64(struct slice bytes);   /* XXH3-64 */
uint64_t hash_pair(struct id128 key, struct id128 member); /* XXH3-64 over the 32 bytes: rendezvous */
/* XXH3-128 of (key, counter), its low half first: one term of anti-entropy's sums. */
void hash_digest(struct id128 key, uint64_t counter, uint64_t ret_sum[2]);

#endif
