/* The small value types that everything shares: ids, clocks, addresses, epochs, ballots, run names. */
#ifndef PROTO_TYPES_H
#define PROTO_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 128 bits: node id, cluster id (random), job id (BLAKE2b-128 of "group/name"), request id. */
struct id128 {
	uint8_t bytes[16];
};

/* Both clocks, read once per event by the edge and handed to the pure code. */
struct clocks {
	int64_t utc_ms;  /* wall clock: calendars only */
	int64_t mono_us; /* boot-time clock, suspend counts: every wait */
};

/* Where an agent listens; IPv4 is held in the first 4 bytes. */
struct address {
	uint8_t family; /* 0 none, 4, 6 */
	uint8_t ip[16];
	uint16_t port; /* host byte order */
};

/* Borrowed bytes; not NUL-terminated. */
struct slice {
	const uint8_t *data;
	size_t bytes;
};

/* A number, and bits that are 0 unless `recover` made the epoch. */
struct epoch {
	uint64_t number;
	uint64_t bits;
};

/* Compared in this order. `boot` is raised and synced at every start, so none is used twice. */
struct ballot {
	struct epoch epoch;
	uint64_t round;
	uint64_t boot;
	struct id128 node;
};

/* A run is started at most once, ever: (job, t, m, s, k). */
struct run_key {
	struct id128 job;
	int64_t t_ms;       /* the fire: scheduled instant, ms UTC */
	struct id128 manual; /* zero for a scheduled fire, else the id of the request */
	uint16_t shard;
	uint16_t attempt; /* from 1; 0 is an unconfirmed run */
};

bool id128_is_zero(struct id128 id);
bool id128_equal(struct id128 a, struct id128 b);
int id128_compare(struct id128 a, struct id128 b); /* as big-endian numbers: <0, 0, >0 */
uint64_t id128_short(struct id128 id);             /* the first 64 bits, big-endian */

bool address_equal(const struct address *a, const struct address *b);

bool epoch_equal(struct epoch a, struct epoch b);
int epoch_compare(struct epoch a, struct epoch b);
int ballot_compare(const struct ballot *a, const struct ballot *b);
bool ballot_is_zero(const struct ballot *ballot); /* round 0: none */

bool run_key_equal(const struct run_key *a, const struct run_key *b);
/* Orders by job, t, manual, shard, attempt: the order of the `runs` table. */
int run_key_compare(const struct run_key *a, const struct run_key *b);

#endif
