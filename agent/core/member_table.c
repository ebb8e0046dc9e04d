/* The rows of the members. */
#include "agent/core/member_table.h"

#include <assert.h>
#include <string.h>

#include "proto/hash.h"

#define SLOT_BITS 13u
#define SLOT_COUNT (1u << SLOT_BITS)
static_assert(MEMBERS_MAX * 4u < SLOT_COUNT * 3u, "open addressing stays short below three quarters");
static_assert(MEMBERS_MAX < UINT16_MAX, "a slot holds a row number + 1");

#define ALIGN_BYTES 16u

static size_t align(size_t bytes)
{
	return (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
}

int member_claim_compare(const struct member_claim *a, const struct member_claim *b)
{
	bool a_is_evicted = a->rank == MEMBER_EVICTED;
	bool b_is_evicted = b->rank == MEMBER_EVICTED;
	if (a_is_evicted != b_is_evicted)
		return a_is_evicted ? 1 : -1;
	if (a->boot != b->boot)
		return a->boot < b->boot ? -1 : 1;
	if (a->incarnation != b->incarnation)
		return a->incarnation < b->incarnation ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return 0;
}

size_t member_table_bytes(void)
{
	return align(sizeof(struct member_row) * MEMBERS_MAX) +
	       align(sizeof(uint16_t) * SLOT_COUNT) + align(sizeof(uint32_t) * MEMBERS_MAX);
}

void member_table_init(struct member_table *table, void *memory)
{
	uint8_t *bytes = memory;
	*table = (struct member_table){.rows = memory};
	bytes += align(sizeof(*table->rows) * MEMBERS_MAX);
	table->slots = (uint16_t *)(void *)bytes;
	bytes += align(sizeof(*table->slots) * SLOT_COUNT);
	table->name_hashes = (uint32_t *)(void *)bytes;
}

/* Ids are random, so their first bits are as good as a hash. */
static uint32_t slot_home(uint64_t id_short)
{
	return (uint32_t)(id_short >> (64u - SLOT_BITS));
}

static uint32_t slot_find(const struct member_table *table, uint64_t id_short)
{
	uint32_t slot = slot_home(id_short);
	while (table->slots[slot] != 0 &&
	       id128_short(table->rows[table->slots[slot] - 1].member.id) != id_short)
		slot = (slot + 1) % SLOT_COUNT;
	return slot;
}

struct member_row *member_table_find_short(const struct member_table *table, uint64_t id_short)
{
	uint16_t number = table->slots[slot_find(table, id_short)];
	return number == 0 ? NULL : &table->rows[number - 1];
}

struct member_row *member_table_find(const struct member_table *table, struct id128 id)
{
	struct member_row *row = member_table_find_short(table, id128_short(id));
	return row != NULL && id128_equal(row->member.id, id) ? row : NULL;
}

struct member_row *member_table_find_address(const struct member_table *table,
					     const struct address *address,
					     enum member_rank rank_max, const struct member_row *skip)
{
	for (uint32_t i = 0; i < table->count; i++) {
		struct member_row *row = &table->rows[i];
		if (row != skip && row->claim.rank <= rank_max &&
		    address_equal(&row->member.address, address))
			return row;
	}
	return NULL;
}

static uint32_t name_hash(struct slice name)
{
	return (uint32_t)hash_u64(name);
}

struct member_row *member_table_find_name(const struct member_table *table, struct slice name,
					  enum member_rank rank_max, const struct member_row *skip)
{
	uint32_t hash = name_hash(name);
	for (uint32_t i = 0; i < table->count; i++) {
		struct member_row *row = &table->rows[i];
		if (table->name_hashes[i] == hash && row != skip && row->claim.rank <= rank_max &&
		    slice_equal(slice_str(row->member.name), name))
			return row;
	}
	return NULL;
}

uint32_t member_table_index(const struct member_table *table, const struct member_row *row)
{
	assert(row >= table->rows);
	assert(row < table->rows + table->count);
	return (uint32_t)(row - table->rows);
}

/* ---- digest ---- */

static uint64_t row_hash(const struct member_row *row)
{
	uint8_t bytes[29];
	memcpy(bytes, row->member.id.bytes, 16);
	store_u64(bytes + 16, row->claim.boot);
	store_u32(bytes + 24, row->claim.incarnation);
	bytes[28] = (uint8_t)row->claim.rank;
	return hash_u64(slice_of(bytes, sizeof(bytes)));
}

/* XOR both takes a row in and takes it out. */
static void digest_flip(struct member_table *table, const struct member_row *row)
{
	uint64_t hash = row_hash(row);
	table->hash ^= hash;
	table->buckets[row->member.id.bytes[15]] ^= hash;
}

void member_table_set_hashed(struct member_table *table, struct member_row *row, bool is_hashed)
{
	if (row->is_hashed != is_hashed)
		digest_flip(table, row);
	row->is_hashed = is_hashed;
}

/* ---- rows come, change and go ---- */

enum err member_table_add(struct member_table *table, struct id128 id, struct member_row **ret_row)
{
	uint32_t slot = slot_find(table, id128_short(id));
	if (table->slots[slot] != 0)
		return ERR_EXISTS;
	if (table->count == MEMBERS_MAX)
		return ERR_FULL;
	struct member_row *row = &table->rows[table->count];
	*row = (struct member_row){.member.id = id, .suspicion.due_us = INT64_MAX};
	table->name_hashes[table->count] = 0;
	table->count++;
	table->slots[slot] = (uint16_t)table->count;
	table->rank_counts[MEMBER_ALIVE]++;
	*ret_row = row;
	return ERR_OK;
}

static void slots_rebuild(struct member_table *table)
{
	memset(table->slots, 0, sizeof(*table->slots) * SLOT_COUNT);
	for (uint32_t i = 0; i < table->count; i++)
		table->slots[slot_find(table, id128_short(table->rows[i].member.id))] = (uint16_t)(i + 1);
}

void member_table_remove(struct member_table *table, struct member_row *row)
{
	uint32_t index = member_table_index(table, row);
	assert(index != 0);
	member_table_set_hashed(table, row, false);
	table->rank_counts[row->claim.rank]--;
	table->changed_count -= row->is_changed;
	table->unsaved_count -= row->is_unsaved;
	table->count--;
	if (index != table->count) {
		*row = table->rows[table->count];
		table->name_hashes[index] = table->name_hashes[table->count];
	}
	/* Rare (tombstones of days ago), so simple: holes in open addressing are not worth their code. */
	slots_rebuild(table);
}

void member_table_touch(struct member_table *table, struct member_row *row)
{
	table->version++;
	/* The first row is this node itself, which needs no record of itself. */
	if (!row->is_unsaved && row != table->rows) {
		table->unsaved_count++;
		row->is_unsaved = true;
	}
	if (row->is_changed)
		return;
	row->is_changed = true;
	row->rank_before = row->member.rank;
	row->boot_before = row->member.boot;
	table->changed_count++;
}

static void show_rank(struct member_row *row)
{
	bool is_unconfirmed = row->is_stored && row->claim.rank == MEMBER_ALIVE;
	row->member.rank = is_unconfirmed ? MEMBER_SUSPECT : row->claim.rank;
}

void member_table_set_claim(struct member_table *table, struct member_row *row,
			    const struct member_claim *claim, int64_t since_us)
{
	member_table_touch(table, row);
	member_table_set_hashed(table, row, false);
	table->rank_counts[row->claim.rank]--;
	table->rank_counts[claim->rank]++;
	if (claim->boot > row->claim.boot)
		row->boot_previous = row->claim.boot;
	row->claim = *claim;
	row->member.boot = claim->boot;
	row->member.incarnation = claim->incarnation;
	enum member_rank rank_before = row->member.rank;
	show_rank(row);
	if (row->member.rank != rank_before || row->member.rank_since_us == 0)
		row->member.rank_since_us = since_us;
	member_table_set_hashed(table, row, true);
}

void member_table_set_name(struct member_table *table, struct member_row *row, const char *name)
{
	size_t bytes = strlen(name);
	assert(bytes <= NODE_NAME_BYTES_MAX);
	memcpy(row->member.name, name, bytes + 1);
	table->name_hashes[member_table_index(table, row)] = bytes == 0
								     ? 0
								     : name_hash(slice_of(name, bytes));
}

void member_table_set_stored(struct member_table *table, struct member_row *row, bool is_stored)
{
	if (row->is_stored == is_stored)
		return;
	member_table_touch(table, row);
	row->is_stored = is_stored;
	show_rank(row);
}

struct member_row *member_table_next_changed(struct member_table *table)
{
	if (table->changed_count == 0)
		return NULL;
	for (uint32_t i = 0; i < table->count; i++) {
		struct member_row *row = &table->rows[i];
		if (row->is_changed) {
			row->is_changed = false;
			table->changed_count--;
			return row;
		}
	}
	assert(!"a change is counted that no row has");
	return NULL;
}
