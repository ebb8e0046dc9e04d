/* Records and the ordered map of them.
 *
 *   heads[2] -> ............ [c] -> NULL        each node holds a record and as many links as its
 *   heads[1] -> [a] -> ..... [c] -> NULL        height; the lowest level has all of them in order
 *   heads[0] -> [a] -> [b] -> [c] -> NULL
 */
#include "agent/store/record.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct record_node {
	struct store_record *record;
	uint32_t height;
	struct record_node *links[];
};

/* For each level the link that leads to the place that was looked for. */
struct record_path {
	struct record_node **links[RECORD_MAP_LEVELS_MAX];
};

struct store_record *store_record_new(enum store_table table, struct slice key, struct slice value,
				      bool is_remove)
{
	assert(table >= TABLE_SELF);
	assert(table < TABLE_END);
	assert(key.bytes > 0);
	assert(key.bytes <= STORE_KEY_BYTES_MAX);
	assert(value.bytes <= STORE_VALUE_BYTES_MAX);

	struct store_record *record = malloc(sizeof(*record) + key.bytes + value.bytes);
	if (record == NULL)
		return NULL;
	*record = (struct store_record){
		.value_bytes = (uint32_t)value.bytes,
		.key_bytes = (uint16_t)key.bytes,
		.table = (uint8_t)table,
		.is_remove = is_remove,
	};
	atomic_init(&record->reference_count, 1);
	memcpy(record->bytes, key.data, key.bytes);
	if (value.bytes > 0)
		memcpy(record->bytes + key.bytes, value.data, value.bytes);
	return record;
}

struct store_record *store_record_ref(struct store_record *record)
{
	(void)atomic_fetch_add_explicit(&record->reference_count, 1, memory_order_relaxed);
	return record;
}

void store_record_unref(struct store_record *record)
{
	if (record == NULL)
		return;
	unsigned before = atomic_fetch_sub_explicit(&record->reference_count, 1, memory_order_acq_rel);
	assert(before > 0);
	if (before == 1)
		free(record);
}

struct slice store_record_key(const struct store_record *record)
{
	return (struct slice){.data = record->bytes, .bytes = record->key_bytes};
}

struct slice store_record_value(const struct store_record *record)
{
	return (struct slice){.data = record->bytes + record->key_bytes, .bytes = record->value_bytes};
}

size_t store_record_cost(const struct store_record *record)
{
	return sizeof(*record) + sizeof(struct record_node) + sizeof(struct record_node *) +
	       record->key_bytes + record->value_bytes;
}

int store_key_compare(struct slice a, struct slice b)
{
	size_t shared_bytes = a.bytes < b.bytes ? a.bytes : b.bytes;
	int order = shared_bytes > 0 ? memcmp(a.data, b.data, shared_bytes) : 0;
	if (order != 0)
		return order;
	return (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static int record_compare(const struct store_record *record, enum store_table table, struct slice key)
{
	if (record->table != (uint8_t)table)
		return record->table < (uint8_t)table ? -1 : 1;
	return store_key_compare(store_record_key(record), key);
}

void record_map_init(struct record_map *map)
{
	*map = (struct record_map){.level_count = 1, .seed = 0x9e3779b9u};
}

void record_map_clear(struct record_map *map)
{
	struct record_node *node = map->heads[0];
	while (node != NULL) {
		struct record_node *following = node->links[0];
		store_record_unref(node->record);
		free(node);
		node = following;
	}
	record_map_init(map);
}

/* The first node not below the place; with `is_after`, the first one above it. */
static struct record_node *map_seek(const struct record_map *map, enum store_table table,
				    struct slice key, bool is_after)
{
	struct record_node *const *links = map->heads;
	for (uint32_t level = map->level_count; level-- > 0;) {
		while (links[level] != NULL) {
			int order = record_compare(links[level]->record, table, key);
			if (is_after ? order > 0 : order >= 0)
				break;
			links = links[level]->links;
		}
	}
	return links[0];
}

/* As map_seek, noting the links that an insertion or a removal has to change. */
static struct record_node *map_seek_path(struct record_map *map, enum store_table table,
					 struct slice key, struct record_path *ret_path)
{
	struct record_node **links = map->heads;
	for (uint32_t level = map->level_count; level-- > 0;) {
		while (links[level] != NULL && record_compare(links[level]->record, table, key) < 0)
			links = links[level]->links;
		ret_path->links[level] = &links[level];
	}
	return links[0];
}

struct store_record *record_map_find(const struct record_map *map, enum store_table table,
				     struct slice key)
{
	struct record_node *node = map_seek(map, table, key, false);
	if (node == NULL || record_compare(node->record, table, key) != 0)
		return NULL;
	return node->record;
}

struct store_record *record_map_after(const struct record_map *map, enum store_table table,
				      struct slice key)
{
	/* No record has an empty key, so after the empty key means from the table's first one. */
	struct record_node *node = map_seek(map, table, key, true);
	if (node == NULL || node->record->table != (uint8_t)table)
		return NULL;
	return node->record;
}

struct store_record *record_map_walk(const struct record_map *map, const struct store_record *record)
{
	struct record_node *node = map->heads[0];
	if (record != NULL)
		node = map_seek(map, record->table, store_record_key(record), true);
	return node != NULL ? node->record : NULL;
}

/* xorshift32: two zero bits in a row, one in four, lift a node by a level. */
static uint32_t map_draw_height(struct record_map *map)
{
	uint32_t draw = map->seed;
	draw ^= draw << 13;
	draw ^= draw >> 17;
	draw ^= draw << 5;
	map->seed = draw;
	uint32_t height = 1;
	while (height < RECORD_MAP_LEVELS_MAX && (draw & 3u) == 0) {
		height++;
		draw >>= 2;
	}
	return height;
}

enum err record_map_set(struct record_map *map, struct store_record *record)
{
	struct record_path path;
	struct slice key = store_record_key(record);
	struct record_node *node = map_seek_path(map, record->table, key, &path);
	if (node != NULL && record_compare(node->record, record->table, key) == 0) {
		map->cost_bytes += store_record_cost(record);
		map->cost_bytes -= store_record_cost(node->record);
		/* The new reference first: it may be the same record. */
		struct store_record *replaced = node->record;
		node->record = store_record_ref(record);
		store_record_unref(replaced);
		return ERR_OK;
	}

	uint32_t height = map_draw_height(map);
	node = malloc(sizeof(*node) + height * sizeof(struct record_node *));
	if (node == NULL)
		return ERR_NO_MEMORY;
	node->record = store_record_ref(record);
	node->height = height;
	while (map->level_count < height) {
		path.links[map->level_count] = &map->heads[map->level_count];
		map->level_count++;
	}
	for (uint32_t level = 0; level < height; level++) {
		node->links[level] = *path.links[level];
		*path.links[level] = node;
	}
	map->count++;
	map->cost_bytes += store_record_cost(record);
	return ERR_OK;
}

bool record_map_erase(struct record_map *map, enum store_table table, struct slice key)
{
	struct record_path path;
	struct record_node *node = map_seek_path(map, table, key, &path);
	if (node == NULL || record_compare(node->record, table, key) != 0)
		return false;
	for (uint32_t level = 0; level < node->height; level++)
		*path.links[level] = node->links[level];
	while (map->level_count > 1 && map->heads[map->level_count - 1] == NULL)
		map->level_count--;
	map->count--;
	map->cost_bytes -= store_record_cost(node->record);
	store_record_unref(node->record);
	free(node);
	return true;
}
