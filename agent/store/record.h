/* A record of the store in memory, shared by counting references, and an ordered map of such
 * records.
 *
 * The overlay, the in-memory backend and the undrained outbox are all such maps. A record is never
 * changed after it was made, so the writer thread reads those of a batch while the loop goes on. */
#ifndef AGENT_STORE_RECORD_H
#define AGENT_STORE_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "proto/store_view.h"
#include "proto/types.h"

struct store_record {
	atomic_uint reference_count; /* the loop and the writer thread both hold some */
	uint32_t value_bytes;
	uint32_t batch_index; /* place in the batch that carries it; the overlay's own */
	uint16_t key_bytes;
	uint8_t table;
	bool is_remove;
	bool is_corrupt; /* set by tests of bit flips only */
	uint8_t bytes[]; /* key, then value */
};

/* With one reference, the caller's. Requires: a table of enum store_table, a key of 1 to
 * STORE_KEY_BYTES_MAX, a value up to STORE_VALUE_BYTES_MAX. NULL: out of memory. */
struct store_record *store_record_new(enum store_table table, struct slice key, struct slice value,
				      bool is_remove);
struct store_record *store_record_ref(struct store_record *record);
/* Accepts NULL. The last reference frees. */
void store_record_unref(struct store_record *record);
struct slice store_record_key(const struct store_record *record);
struct slice store_record_value(const struct store_record *record);
/* Memory that the record stands for: key, value and a fixed overhead. */
size_t store_record_cost(const struct store_record *record);

/* memcmp order, a prefix before what it is a prefix of: the order of LMDB. <0, 0, >0. */
int store_key_compare(struct slice a, struct slice b);

/* Ordered by table, then key. A skip list: short, and its shape depends only on the calls made. */
#define RECORD_MAP_LEVELS_MAX 12u /* one in four goes a level up: good for 4^12 records */

struct record_node;

struct record_map {
	struct record_node *heads[RECORD_MAP_LEVELS_MAX];
	uint32_t level_count;
	uint32_t seed; /* of the levels; not secret */
	size_t count;
	size_t cost_bytes; /* sum of store_record_cost */
};

void record_map_init(struct record_map *map);
/* Drops all records; the map is empty and usable. */
void record_map_clear(struct record_map *map);
/* Borrowed; NULL: none. */
struct store_record *record_map_find(const struct record_map *map, enum store_table table,
				     struct slice key);
/* The first record of the table whose key is greater than `key` (empty: the first of the table).
 * Borrowed; NULL: none. */
struct store_record *record_map_after(const struct record_map *map, enum store_table table,
				      struct slice key);
/* The same over all tables: the first record greater than `record` (NULL: the first). */
struct store_record *record_map_walk(const struct record_map *map, const struct store_record *record);
/* Puts the record in, in place of one with the same table and key; takes a reference of its own.
 * ERR_NO_MEMORY: the map is unchanged. */
MUST_CHECK enum err record_map_set(struct record_map *map, struct store_record *record);
/* False: there was none. */
bool record_map_erase(struct record_map *map, enum store_table table, struct slice key);

#endif
