/* The core's own randomness: xoshiro256** 1.0, seeded through splitmix64 (Blackman and Vigna, public domain). The same
 * seed gives the same sequence on every machine. Not for keys. */
#ifndef AGENT_CORE_PRNG_H
#define AGENT_CORE_PRNG_H

#include <stdint.h>

struct prng {
	uint64_t state[4];
};

void prng_init(struct prng *prng, uint64_t seed);
uint64_t prng_next(struct prng *prng);
/* Uniform in [0, bound); bound > 0. */
uint64_t prng_below(struct prng *prng, uint64_t bound);

#endif
