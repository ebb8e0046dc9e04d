/* The table MEMBERS: what was known, so that a restart finds its way back without seeds, and tombstones outlive it.
 *
 * Key: node id. Value: [1, wall clock ms of the rank's begin, record]. */
#include "agent/core/swim_internal.h"
#include "proto/wire.h"

#define SNAPSHOT_VERSION 1u
#define SNAPSHOT_FIELDS 3u
#define SNAPSHOT_VALUE_BYTES_MAX 512u

static enum err snapshot_get(struct slice key, struct slice value, struct gossip_record *ret_record,
			     int64_t *ret_since_ms)
{
	struct wire_reader reader;
	wire_reader_init(&reader, value);
	uint32_t count = wire_get_array_min(&reader, SNAPSHOT_FIELDS);
	uint64_t version = wire_get_u64(&reader);
	*ret_since_ms = wire_get_i64(&reader);
	struct slice record = wire_get_raw(&reader);
	if (reader.err != ERR_OK)
		return reader.err;
	if (version != SNAPSHOT_VERSION)
		return ERR_UNSUPPORTED;
	wire_skip_items(&reader, count - SNAPSHOT_FIELDS);
	enum err err = wire_reader_end(&reader);
	if (err != ERR_OK)
		return err;
	err = gossip_record_get(&record, ret_record);
	if (err != ERR_OK)
		return err;
	return slice_equal(key, slice_of(ret_record->id.bytes, sizeof(ret_record->id.bytes)))
		       ? ERR_OK
		       : ERR_CORRUPT;
}

static void load_record(struct swim *swim, struct gossip_record *record, int64_t since_ms,
			struct effects *effects)
{
	if (id128_equal(record->id, swim->id))
		return;
	bool was_present = record->rank <= MEMBER_SUSPECT;
	if (was_present) {
		record->rank = MEMBER_ALIVE;
		record->is_restart = false;
	}
	int64_t age_ms = swim->now.utc_ms - since_ms;
	record->age_s = age_ms > 0 && age_ms / 1000 < UINT32_MAX ? (uint32_t)(age_ms / 1000) : 0;
	swim_merge_record(swim, record, 0, ORIGIN_TOLD, effects);
	struct member_row *row = member_table_find(&swim->table, record->id);
	if (row == NULL)
		return;
	/* Nobody has said yet that it is still there. */
	if (was_present)
		member_table_set_stored(&swim->table, row, true);
	if (row->is_unsaved)
		swim->table.unsaved_count--;
	row->is_unsaved = false;
}

void swim_snapshot_load(struct swim *swim, struct effects *effects)
{
	uint8_t key_bytes[STORE_KEY_BYTES_MAX];
	uint8_t value_bytes[SNAPSHOT_VALUE_BYTES_MAX];
	struct buf key;
	struct buf value;
	buf_init(&key, key_bytes, sizeof(key_bytes));
	buf_init(&value, value_bytes, sizeof(value_bytes));
	uint32_t bad_count = 0;
	for (uint32_t i = 0; i < 2 * MEMBERS_MAX; i++) {
		enum err err = swim->store->next(swim->store->context, TABLE_MEMBERS,
						 buf_slice(&key), &key, &value);
		if (err == ERR_NOT_FOUND)
			break;
		struct gossip_record record;
		int64_t since_ms;
		if (err == ERR_OK)
			err = snapshot_get(buf_slice(&key), buf_slice(&value), &record, &since_ms);
		if (err == ERR_OK)
			load_record(swim, &record, since_ms, effects);
		else
			bad_count++;
		/* A record that cannot be read is set aside, never fatal; without its key the walk cannot go on. */
		if (key.bytes == 0)
			break;
	}
	if (bad_count > 0)
		effects_trace(effects, TRACE_WARN, "swim snapshot: %u records were not readable",
			      bad_count);
}

void swim_snapshot_save(struct swim *swim)
{
	swim->snapshot_due_us = swim->now.mono_us + SWIM_SNAPSHOT_US;
	for (uint32_t i = 0; i < swim->table.count && swim->table.unsaved_count > 0; i++) {
		struct member_row *row = &swim->table.rows[i];
		if (!row->is_unsaved)
			continue;
		row->is_unsaved = false;
		swim->table.unsaved_count--;
		if (row == swim_self(swim))
			continue;
		struct gossip_record record;
		swim_row_to_record(swim, row, &record);
		/* The age changes while nothing happens; the begin does not. */
		int64_t since_ms = swim->now.utc_ms - (int64_t)record.age_s * 1000;
		record.age_s = 0;
		uint8_t bytes[SNAPSHOT_VALUE_BYTES_MAX];
		struct buf value;
		buf_init(&value, bytes, sizeof(bytes));
		wire_put_array(&value, SNAPSHOT_FIELDS);
		wire_put_u64(&value, SNAPSHOT_VERSION);
		wire_put_i64(&value, since_ms);
		gossip_record_put(&value, &record);
		swim->store->put(swim->store->context, TABLE_MEMBERS,
				 slice_of(row->member.id.bytes, 16), buf_slice(&value));
	}
}

void swim_snapshot_remove(struct swim *swim, struct id128 id)
{
	swim->store->remove(swim->store->context, TABLE_MEMBERS, slice_of(id.bytes, 16));
}
