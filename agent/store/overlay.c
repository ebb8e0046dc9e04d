/* What the core has put and no commit has made durable yet, over a backend.
 *
 *          put, remove                 take                committed
 *   core --------------> pending batch ------> in flight --------------> the backend has it
 *                |
 *                +-----> map: the newest record of each key, until that very record is durable
 *
 * Several batches may be in flight, in order: a record leaves the map only if no newer one took its
 * place. All of this is the loop thread's; the writer thread only reads the records of the batch it
 * commits. */
#include <assert.h>
#include <stdlib.h>

#include "agent/store/batch.h"
#include "agent/store/merge.h"
#include "agent/store/record.h"
#include "agent/store/store.h"

#define RECORD_NOT_PENDING UINT32_MAX

struct store_overlay {
	struct store_view view;
	struct store_backend *backend;
	struct merge_source below;
	struct record_map map;
	struct store_batch *pending; /* NULL: nothing put since the last take */
	struct store_batch broken;   /* taken once memory has run out */
};

static enum err overlay_get(void *context, enum store_table table, struct slice key, struct buf *ret_value)
{
	struct store_overlay *overlay = context;
	return merge_get(&overlay->map, &overlay->below, table, key, ret_value);
}

static enum err overlay_next(void *context, enum store_table table, struct slice key,
			     struct buf *ret_key, struct buf *ret_value)
{
	struct store_overlay *overlay = context;
	return merge_next(&overlay->map, &overlay->below, table, key, ret_key, ret_value);
}

static unsigned overlay_usage_permille(void *context)
{
	struct store_overlay *overlay = context;
	return overlay->backend->usage_permille(overlay->backend->context);
}

static enum err pending_add(struct store_overlay *overlay, struct store_record *record)
{
	const struct store_record *known = record_map_find(&overlay->map, record->table,
							   store_record_key(record));
	/* Of one transaction only the last value of a key is ever seen. */
	if (known != NULL && known->batch_index != RECORD_NOT_PENDING) {
		size_t index = known->batch_index;
		enum err err = record_map_set(&overlay->map, record);
		if (err == ERR_OK)
			store_batch_replace(overlay->pending, index, record);
		return err;
	}
	if (overlay->pending == NULL)
		overlay->pending = calloc(1, sizeof(*overlay->pending));
	if (overlay->pending == NULL)
		return ERR_NO_MEMORY;
	enum err err = store_batch_add(overlay->pending, record);
	if (err != ERR_OK)
		return err;
	return record_map_set(&overlay->map, record);
}

static void overlay_change(struct store_overlay *overlay, enum store_table table, struct slice key,
			   struct slice value, bool is_remove)
{
	struct store_record *record = store_record_new(table, key, value, is_remove);
	/* The core can not go on without this change, and it can not be told: the next commit fails
	 * instead, which ends the process before anything of this step is said. */
	if (record == NULL || pending_add(overlay, record) != ERR_OK)
		overlay->broken.is_broken = true;
	store_record_unref(record);
}

static void overlay_put(void *context, enum store_table table, struct slice key, struct slice value)
{
	overlay_change(context, table, key, value, false);
}

static void overlay_remove(void *context, enum store_table table, struct slice key)
{
	overlay_change(context, table, key, (struct slice){0}, true);
}

struct store_overlay *store_overlay_new(struct store_backend *backend)
{
	struct store_overlay *overlay = calloc(1, sizeof(*overlay));
	if (overlay == NULL)
		return NULL;
	overlay->backend = backend;
	overlay->below = (struct merge_source){
		.context = backend->context, .get = backend->get, .next = backend->next};
	overlay->view = (struct store_view){
		.context = overlay,
		.get = overlay_get,
		.next = overlay_next,
		.put = overlay_put,
		.remove = overlay_remove,
		.usage_permille = overlay_usage_permille,
	};
	overlay->broken.is_embedded = true;
	record_map_init(&overlay->map);
	return overlay;
}

void store_overlay_free(struct store_overlay *overlay)
{
	if (overlay == NULL)
		return;
	store_batch_free(overlay->pending);
	record_map_clear(&overlay->map);
	free(overlay);
}

const struct store_view *store_overlay_view(struct store_overlay *overlay)
{
	return &overlay->view;
}

struct store_batch *store_overlay_take(struct store_overlay *overlay)
{
	if (overlay->broken.is_broken)
		return &overlay->broken;
	struct store_batch *batch = overlay->pending;
	overlay->pending = NULL;
	if (batch == NULL)
		return NULL;
	for (size_t i = 0; i < batch->count; i++)
		batch->records[i]->batch_index = RECORD_NOT_PENDING;
	return batch;
}

void store_overlay_committed(struct store_overlay *overlay, const struct store_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		const struct store_record *record = batch->records[i];
		enum store_table table = record->table;
		struct slice key = store_record_key(record);
		if (record_map_find(&overlay->map, table, key) == record)
			(void)record_map_erase(&overlay->map, table, key);
	}
}
