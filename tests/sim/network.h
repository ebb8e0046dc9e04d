/* What lies between agents: datagrams that get lost, late, twice and out of order; streams, in order or not at all. */
#ifndef TESTS_SIM_NETWORK_H
#define TESTS_SIM_NETWORK_H

#include "agent/core/effect.h"
#include "tests/sim/world.h"

void network_open(struct world *world);
void network_close(struct world *world);
void network_datagram(struct world *world, struct host *from, const struct address *to, struct slice bytes);
void network_stream(struct world *world, struct host *from, const struct effect *effect);
/* Its connections are closed; the kernel of its host, if that is up, refuses new ones. */
void network_on_agent_gone(struct world *world, struct host *host);
/* Until then nothing gets from one to the other (one way). */
void network_cut(struct world *world, uint32_t from, uint32_t to, int64_t until_us);
/* All cuts are over. */
void network_heal(struct world *world);
/* Breaks the stream from one to the other: what is on its way is lost, both ends hear of it. */
void network_break(struct world *world, uint32_t from, uint32_t to);

#endif
