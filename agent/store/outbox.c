/* The outbox, as bytes and in memory. */
#include "agent/store/outbox.h"

#include <assert.h>
#include <stdlib.h>

static_assert(OUTBOX_ENTRY_BYTES <= OUTBOX_ENTRY_BYTES_MAX, "an entry fits the reader's memory");

size_t outbox_record_bytes(const struct store_record *record)
{
	return OUTBOX_CHANGE_HEADER_BYTES + record->key_bytes + record->value_bytes;
}

void outbox_record_put(struct buf *out, const struct store_record *record)
{
	buf_put_u8(out, record->table);
	buf_put_u8(out, record->is_remove ? 1 : 0);
	buf_put_u16(out, record->key_bytes);
	buf_put_u32(out, record->value_bytes);
	/* Key and value lie one after the other in the record, too. */
	buf_put(out, record->bytes, record->key_bytes + record->value_bytes);
}

bool outbox_has_table(enum store_table table)
{
	return table >= TABLE_COPIES && table < TABLE_END;
}

enum err outbox_change_get(struct slice *rest, struct store_change *ret_change)
{
	if (rest->bytes == 0)
		return ERR_NOT_FOUND;
	if (rest->bytes < OUTBOX_CHANGE_HEADER_BYTES)
		return ERR_TRUNCATED;
	const uint8_t *header = rest->data;
	size_t key_bytes = load_u16(header + 2);
	size_t value_bytes = load_u32(header + 4);
	if (!outbox_has_table(header[0]) || header[1] > 1)
		return ERR_INVALID;
	if (header[1] == 1 && value_bytes != 0)
		return ERR_INVALID;
	if (key_bytes == 0 || key_bytes > STORE_KEY_BYTES_MAX || value_bytes > STORE_VALUE_BYTES_MAX)
		return ERR_RANGE;
	size_t change_bytes = OUTBOX_CHANGE_HEADER_BYTES + key_bytes + value_bytes;
	if (rest->bytes < change_bytes)
		return ERR_TRUNCATED;

	const uint8_t *key = header + OUTBOX_CHANGE_HEADER_BYTES;
	*ret_change = (struct store_change){
		.table = header[0],
		.key = slice_of(key, key_bytes),
		.value = slice_of(key + key_bytes, value_bytes),
		.is_remove = header[1] == 1,
	};
	*rest = slice_of(rest->data + change_bytes, rest->bytes - change_bytes);
	return ERR_OK;
}

void outbox_init(struct outbox *outbox)
{
	*outbox = (struct outbox){0};
	record_map_init(&outbox->map);
}

void outbox_clear(struct outbox *outbox)
{
	while (outbox->first != NULL)
		outbox_drop_first(outbox);
	record_map_clear(&outbox->map);
}

struct outbox_parcel *outbox_parcel_new(size_t record_count_max)
{
	struct outbox_parcel *parcel = malloc(sizeof(*parcel) +
					      record_count_max * sizeof(parcel->records[0]));
	if (parcel == NULL)
		return NULL;
	*parcel = (struct outbox_parcel){.record_count_max = record_count_max};
	return parcel;
}

void outbox_parcel_free(struct outbox_parcel *parcel)
{
	if (parcel == NULL)
		return;
	for (size_t i = 0; i < parcel->record_count; i++)
		store_record_unref(parcel->records[i]);
	free(parcel);
}

void outbox_parcel_add(struct outbox_parcel *parcel, struct store_record *record)
{
	assert(parcel->record_count < parcel->record_count_max);
	parcel->records[parcel->record_count++] = store_record_ref(record);
	parcel->bytes += outbox_record_bytes(record);
}

enum err outbox_parcel_decode(struct slice entry, struct outbox_parcel **ret_parcel)
{
	size_t count = 0;
	struct slice rest = entry;
	struct store_change change;
	enum err err;
	while ((err = outbox_change_get(&rest, &change)) == ERR_OK)
		count++;
	if (err != ERR_NOT_FOUND)
		return ERR_CORRUPT;

	struct outbox_parcel *parcel = outbox_parcel_new(count);
	if (parcel == NULL)
		return ERR_NO_MEMORY;
	rest = entry;
	while (outbox_change_get(&rest, &change) == ERR_OK) {
		struct store_record *record = store_record_new(change.table, change.key,
							       change.value, change.is_remove);
		if (record == NULL) {
			outbox_parcel_free(parcel);
			return ERR_NO_MEMORY;
		}
		outbox_parcel_add(parcel, record);
		store_record_unref(record);
	}
	*ret_parcel = parcel;
	return ERR_OK;
}

enum err outbox_append(struct outbox *outbox, struct outbox_parcel *take_parcel)
{
	struct outbox_parcel *parcel = take_parcel;
	if (outbox->last != NULL)
		outbox->last->following = parcel;
	else
		outbox->first = parcel;
	outbox->last = parcel;
	outbox->bytes += parcel->bytes;
	for (size_t i = 0; i < parcel->record_count; i++) {
		enum err err = record_map_set(&outbox->map, parcel->records[i]);
		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}

void outbox_drop_first(struct outbox *outbox)
{
	struct outbox_parcel *parcel = outbox->first;
	assert(parcel != NULL);
	for (size_t i = 0; i < parcel->record_count; i++) {
		const struct store_record *record = parcel->records[i];
		struct slice key = store_record_key(record);
		/* A later parcel may have brought a newer one. */
		if (record_map_find(&outbox->map, record->table, key) == record)
			(void)record_map_erase(&outbox->map, record->table, key);
	}
	outbox->first = parcel->following;
	if (outbox->first == NULL)
		outbox->last = NULL;
	outbox->bytes -= parcel->bytes;
	outbox_parcel_free(parcel);
}
