/* A store's view that counts what is put. */
#include "agent/io/counting_view.h"

static enum err view_get(void *context, enum store_table table, struct slice key, struct buf *ret_value)
{
	const struct store_view *inner = ((struct counting_view *)context)->inner;
	return inner->get(inner->context, table, key, ret_value);
}

static enum err view_next(void *context, enum store_table table, struct slice key,
			  struct buf *ret_key, struct buf *ret_value)
{
	const struct store_view *inner = ((struct counting_view *)context)->inner;
	return inner->next(inner->context, table, key, ret_key, ret_value);
}

static void view_put(void *context, enum store_table table, struct slice key, struct slice value)
{
	struct counting_view *view = context;
	view->put_count++;
	view->inner->put(view->inner->context, table, key, value);
}

static void view_remove(void *context, enum store_table table, struct slice key)
{
	struct counting_view *view = context;
	view->put_count++;
	view->inner->remove(view->inner->context, table, key);
}

static unsigned view_usage(void *context)
{
	const struct store_view *inner = ((struct counting_view *)context)->inner;
	return inner->usage_permille(inner->context);
}

void counting_view_init(struct counting_view *view, const struct store_view *inner)
{
	*view = (struct counting_view){
		.inner = inner,
		.outer =
			{
				.context = view,
				.get = view_get,
				.next = view_next,
				.put = view_put,
				.remove = view_remove,
				.usage_permille = view_usage,
			},
	};
}
