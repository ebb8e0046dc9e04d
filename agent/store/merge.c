/* Reads through a map of newer records onto what lies below it. */
#include "agent/store/merge.h"

#include <assert.h>
#include <string.h>

static enum err copy_slice(struct slice from, struct buf *ret_to)
{
	if (ret_to == NULL)
		return ERR_OK;
	buf_clear(ret_to);
	if (from.bytes > ret_to->bytes_max)
		return ERR_FULL;
	buf_put(ret_to, from.data, from.bytes);
	return ERR_OK;
}

enum err merge_copy(struct slice key, struct slice value, struct buf *ret_key, struct buf *ret_value)
{
	enum err key_err = copy_slice(key, ret_key);
	enum err value_err = copy_slice(value, ret_value);
	return key_err != ERR_OK ? key_err : value_err;
}

static enum err copy_record(const struct store_record *record, struct buf *ret_key, struct buf *ret_value)
{
	return merge_copy(store_record_key(record), store_record_value(record), ret_key, ret_value);
}

enum err merge_get(const struct record_map *map, const struct merge_source *below,
		   enum store_table table, struct slice key, struct buf *ret_value)
{
	const struct store_record *record = record_map_find(map, table, key);
	if (record == NULL)
		return below->get(below->context, table, key, ret_value);
	if (record->is_remove) {
		buf_clear(ret_value);
		return ERR_NOT_FOUND;
	}
	return copy_record(record, NULL, ret_value);
}

/* The record below at exactly `key`, which was just found there. */
static enum err copy_below(const struct merge_source *below, enum store_table table,
			   struct slice key, struct buf *ret_key, struct buf *ret_value)
{
	enum err err = merge_copy(key, (struct slice){0}, ret_key, NULL);
	if (err != ERR_OK || ret_value == NULL)
		return err;
	return below->get(below->context, table, key, ret_value);
}

enum err merge_next(const struct record_map *map, const struct merge_source *below,
		    enum store_table table, struct slice key, struct buf *ret_key, struct buf *ret_value)
{
	assert(key.bytes <= STORE_KEY_BYTES_MAX);
	/* Of our own, because `key` may lie in ret_key's memory. */
	uint8_t after_bytes[STORE_KEY_BYTES_MAX];
	if (key.bytes > 0)
		memcpy(after_bytes, key.data, key.bytes);
	struct slice after = {.data = after_bytes, .bytes = key.bytes};

	for (;;) {
		const struct store_record *record = record_map_after(map, table, after);
		if (record == NULL)
			return below->next(below->context, table, after, ret_key, ret_value);

		/* Only the key: a record that is hidden by a newer one may be larger than
		 * ret_value. */
		uint8_t below_bytes[STORE_KEY_BYTES_MAX];
		struct buf below_key;
		buf_init(&below_key, below_bytes, sizeof(below_bytes));
		enum err err = below->next(below->context, table, after, &below_key, NULL);
		if (err != ERR_OK && err != ERR_NOT_FOUND)
			return err;
		if (err == ERR_OK &&
		    store_key_compare(buf_slice(&below_key), store_record_key(record)) < 0)
			return copy_below(below, table, buf_slice(&below_key), ret_key, ret_value);
		if (!record->is_remove)
			return copy_record(record, ret_key, ret_value);
		after = store_record_key(record);
	}
}
