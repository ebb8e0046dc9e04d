/* Gathers what one step has for each peer, so that a tick of fires travels as one frame per peer and type. */
#include <assert.h>
#include <string.h>

#include "agent/core/state.h"

static void outbox_send(struct node *node, bool keeps_room);

void outbox_put(struct node *node, struct id128 to, enum message_type type, struct slice item)
{
	struct outbox *outbox = &node->outbox;
	assert(item.bytes > 0);
	assert(!id128_equal(to, node->config.id));
	if (outbox->count == OUTBOX_ITEMS_MAX || buf_left(&outbox->bytes) < item.bytes)
		outbox_send(node, true);

	outbox->items[outbox->count++] = (struct outbox_item){ .to = to,
		                                               .type = type,
		                                               .offset = (uint32_t)outbox->bytes.bytes,
		                                               .bytes = (uint32_t)item.bytes };
	buf_put(&outbox->bytes, item.data, item.bytes);
	assert(!outbox->bytes.has_overflowed);
}

/* Sends the items [first, ...) that go the way of items[first], until the frame is full; marks them as gone. */
static void outbox_send_from(struct node *node, uint32_t first, bool keeps_room)
{
	struct outbox *outbox = &node->outbox;
	struct id128 to = outbox->items[first].to;
	enum message_type type = outbox->items[first].type;
	size_t frame_bytes = 16;
	uint32_t item_count = 0;
	for (uint32_t i = first; i < outbox->count; i++) {
		struct outbox_item *item = &outbox->items[i];
		if (item->bytes == 0 || item->type != type || !id128_equal(item->to, to))
			continue;
		if (item_count > 0 && frame_bytes + item->bytes > FRAME_BYTES_MAX / 2)
			break;
		frame_bytes += item->bytes;
		item_count++;
	}

	struct buf frame;
	buf_init(&frame, outbox->frame, FRAME_BYTES_MAX);
	message_begin(&frame, type, item_count);
	for (uint32_t i = first; i < outbox->count && item_count > 0; i++) {
		struct outbox_item *item = &outbox->items[i];
		if (item->bytes == 0 || item->type != type || !id128_equal(item->to, to))
			continue;
		buf_put(&frame, outbox->bytes.data + item->offset, item->bytes);
		item->bytes = 0;
		item_count--;
	}
	assert(!frame.has_overflowed);
	/* A frame of small questions may ask for more than one step can answer. Streams do not promise delivery: who waits for
	 * the rest asks again, and for less. */
	if (!effects_fits_stream(node->effects, frame.bytes, keeps_room))
		return;
	/* Just started, a node may know the name of a peer but not yet where it is: what waits for an answer is sent again. */
	const struct member *member = node_member(node, to);
	if (member != NULL && member->address.family != 0)
		effects_stream(node->effects, to, &member->address, buf_slice(&frame));
}

static void outbox_send(struct node *node, bool keeps_room)
{
	struct outbox *outbox = &node->outbox;
	for (uint32_t i = 0; i < outbox->count; i++)
		if (outbox->items[i].bytes != 0)
			outbox_send_from(node, i, keeps_room);
	outbox->count = 0;
	buf_clear(&outbox->bytes);
}

void outbox_flush(struct node *node)
{
	outbox_send(node, false);
}
