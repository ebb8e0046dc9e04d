/* Watching among agents: while somebody watches here, and only then, this agent watches its peers.
 *
 *   home        WATCH, with rows   -->  NEWS of jobs, runs, status, its own figures
 *   all others  WATCH, figures     -->  NEWS of their own figures
 *
 * A watch lasts 12 s and is renewed every 5 s, so that an agent that is gone is not told for long. */
#include <assert.h>
#include <string.h>

#include "agent/core/live.h"
#include "proto/hash.h"

/* ---- figures heard ---- */

struct heard *live_heard(struct node *node, struct id128 id, bool is_added)
{
	struct live_state *live = node->live;
	uint32_t bucket = (uint32_t)(id128_short(id) % LIVE_HEARD_BUCKETS);
	for (uint32_t i = 0; i < LIVE_HEARD_BUCKETS; i++) {
		struct heard *heard = &live->heard[(bucket + i) % LIVE_HEARD_BUCKETS];
		if (id128_equal(heard->id, id))
			return heard;
		if (!id128_is_zero(heard->id))
			continue;
		if (!is_added)
			return NULL;
		heard->id = id;
		return heard;
	}
	return NULL;
}

const struct node_figures *live_figures_of(const struct node *node, struct id128 id)
{
	const struct live_state *live = node->live;
	uint32_t bucket = (uint32_t)(id128_short(id) % LIVE_HEARD_BUCKETS);
	for (uint32_t i = 0; i < LIVE_HEARD_BUCKETS; i++) {
		const struct heard *heard = &live->heard[(bucket + i) % LIVE_HEARD_BUCKETS];
		if (id128_is_zero(heard->id))
			return NULL;
		if (!id128_equal(heard->id, id))
			continue;
		bool is_fresh = heard->figures.is_known &&
				node->now.mono_us - heard->figures.heard_us < LIVE_FIGURES_LAST_US;
		return is_fresh ? &heard->figures : NULL;
	}
	return NULL;
}

static const struct figure_field {
	const char *name;
	size_t offset;
} figure_fields[] = {
	{"running", offsetof(struct node_figures, running)},
	{"executed", offsetof(struct node_figures, executed)},
	{"load_milli", offsetof(struct node_figures, load_milli)},
	{"cpus", offsetof(struct node_figures, cpus)},
	{"memory_bytes", offsetof(struct node_figures, memory_bytes)},
	{"memory_free_bytes", offsetof(struct node_figures, memory_free_bytes)},
	{"up_ms", offsetof(struct node_figures, up_ms)},
	{"view", offsetof(struct node_figures, view)},
};
#define FIGURE_FIELD_COUNT (sizeof(figure_fields) / sizeof(figure_fields[0]))

static void figures_put(struct buf *out, const struct node_figures *figures)
{
	struct wire_map map = wire_map_begin(out);
	for (size_t i = 0; i < FIGURE_FIELD_COUNT; i++) {
		int64_t value;
		memcpy(&value, (const uint8_t *)figures + figure_fields[i].offset, sizeof(value));
		wire_map_i64(&map, out, figure_fields[i].name, value);
	}
	wire_map_end(&map, out);
}

static void figures_get(struct slice map, struct node_figures *ret_figures)
{
	for (size_t i = 0; i < FIGURE_FIELD_COUNT; i++) {
		int64_t value = wire_map_find_i64(map, figure_fields[i].name, 0);
		memcpy((uint8_t *)ret_figures + figure_fields[i].offset, &value, sizeof(value));
	}
}

void live_figures_heard(struct node *node, struct id128 from, struct slice map)
{
	struct heard *heard = live_heard(node, from, true);
	if (heard == NULL)
		return;
	figures_get(map, &heard->figures);
	heard->figures.is_known = true;
	heard->figures.heard_us = node->now.mono_us;
}

void query_at_figures(struct node *node, const struct asker *asker, struct slice arguments)
{
	(void)arguments;
	uint8_t memory[1024];
	struct buf body;
	struct node_figures own;
	buf_init(&body, memory, sizeof(memory));
	row_own_figures(node, &own);
	figures_put(&body, &own);
	assert(!body.has_overflowed);
	answer_end(node, asker, buf_slice(&body));
}

/* ---- being watched ---- */

void live_tell_peer(struct node *node, struct sink *sink)
{
	uint8_t memory[1024];
	struct buf item;
	struct node_figures own;
	buf_init(&item, memory, sizeof(memory));
	row_own_figures(node, &own);
	figures_put(&item, &own);
	sink_tell(node, sink, "figures", slice_of(NULL, 0), buf_slice(&item));
	if ((sink->views & LIVE_VIEW_STATUS) == 0)
		return;
	struct status_figures figures;
	status_measure(node, &figures);
	buf_clear(&item);
	status_figures_put(&item, &figures);
	uint64_t hash = hash_u64(buf_slice(&item));
	if (hash == sink->status_hash)
		return;
	sink->status_hash = hash;
	sink_tell(node, sink, "status", slice_of(NULL, 0), buf_slice(&item));
}

static struct sink *find_peer(struct node *node, struct id128 peer)
{
	struct live_state *live = node->live;
	for (uint32_t i = 0; i < live->sink_used; i++) {
		struct sink *sink = &live->sinks[i];
		if (sink->is_used && sink_is_peer(sink) && id128_equal(sink->asker.node, peer))
			return sink;
	}
	return NULL;
}

static void on_watch(struct node *node, struct id128 from, const struct watch *watch)
{
	struct sink *sink = find_peer(node, from);
	if (watch->last_ms <= 0) {
		if (sink != NULL)
			sink_remove(node, sink);
		return;
	}
	struct asker asker = {.node = from};
	unsigned views = watch->wants_rows ? LIVE_VIEW_JOBS | LIVE_VIEW_RUNS | LIVE_VIEW_STATUS : 0;
	if (sink == NULL)
		sink = sink_add(node, &asker, views);
	if (sink == NULL)
		return; /* the asking agent asks again */
	bool is_more = (views & ~sink->views) != 0;
	int64_t last_ms = watch->last_ms < 2 * LIVE_LASTS_MS ? watch->last_ms : 2 * LIVE_LASTS_MS;
	sink->views = views;
	sink->until_us = node->now.mono_us + last_ms * 1000;
	if (watch->wants_all || is_more) {
		sink_restart(sink);
		sink->is_synced = false;
		sink->status_hash = 0;
	}
	live_wake(node);
}

void live_on_watch(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader)
{
	for (uint32_t i = 0; i < item_count; i++) {
		struct watch watch;
		watch_get(reader, &watch);
		if (reader->err != ERR_OK)
			return;
		on_watch(node, from, &watch);
	}
}

void live_on_peer_down(struct node *node, struct id128 peer)
{
	struct sink *sink = find_peer(node, peer);
	if (sink != NULL)
		sink_remove(node, sink);
	/* What it had told until now may have gaps: everything is asked for again. */
	if (node->live->client_count > 0 && id128_equal(node->live->source, peer)) {
		node->live->source = (struct id128){{0}};
		node->live->renew_due_us = node->now.mono_us + LIVE_BATCH_US;
	}
}

/* ---- watching ---- */

static void send_watch(struct node *node, struct id128 to, int64_t last_ms, bool wants_rows,
		       bool wants_all)
{
	struct watch watch = {.last_ms = last_ms, .wants_rows = wants_rows, .wants_all = wants_all};
	uint8_t memory[64];
	struct buf item;
	buf_init(&item, memory, sizeof(memory));
	watch_put(&item, &watch);
	outbox_put(node, to, MESSAGE_WATCH, buf_slice(&item));
}

static void send_watch_to_all(struct node *node, int64_t last_ms)
{
	for (uint32_t i = 0; i < swim_member_count(node->swim); i++) {
		const struct member *member = swim_member_at(node->swim, i);
		if (member->rank > MEMBER_SUSPECT || id128_equal(member->id, node->config.id))
			continue;
		send_watch(node, member->id, last_ms, id128_equal(member->id, node->live->source),
			   false);
	}
}

void live_update_source(struct node *node)
{
	struct live_state *live = node->live;
	struct id128 source = query_home(node);
	if (id128_is_zero(source))
		source = node->config.id; /* cut off: what this agent has is all there is to show */
	bool is_new = !id128_equal(source, live->source);
	bool is_own = id128_equal(source, node->config.id);
	live->source = source;
	bool is_unsynced = false;
	for (uint32_t i = 0; i < live->sink_used; i++) {
		struct sink *sink = &live->sinks[i];
		if (!sink->is_used || sink_is_peer(sink))
			continue;
		if (is_new && is_own)
			sink_restart(sink);
		is_unsynced = is_unsynced || !sink->is_synced;
	}
	if (is_new) {
		live->has_source_status = false;
		send_watch_to_all(node, LIVE_LASTS_MS);
		live->renew_due_us = node->now.mono_us + LIVE_RENEW_US;
	}
	/* A new client begins with the whole state, which comes from there. */
	if (!is_own && (is_new || is_unsynced))
		send_watch(node, source, LIVE_LASTS_MS, true, true);
}

void live_renew(struct node *node)
{
	node->live->renew_due_us = node->now.mono_us + LIVE_RENEW_US;
	send_watch_to_all(node, LIVE_LASTS_MS);
	live_update_source(node);
}

void live_end_watch(struct node *node)
{
	send_watch_to_all(node, 0);
	node->live->renew_due_us = INT64_MAX;
	node->live->source = (struct id128){{0}};
}

/* ---- news ---- */

static void pass_on(struct node *node, unsigned view_bit, const char *view, struct slice key,
		    struct slice map)
{
	struct live_state *live = node->live;
	bool is_gone = wire_map_find_bool(map, "gone", false);
	for (uint32_t i = 0; i < live->sink_used; i++) {
		struct sink *sink = &live->sinks[i];
		if (!sink->is_used || sink_is_peer(sink) || (sink->views & view_bit) == 0)
			continue;
		if (answer_has_room(node)) {
			sink_tell(node, sink, view, key, is_gone ? slice_of(NULL, 0) : map);
		} else {
			/* Too much at once: this client gets everything again. */
			sink->is_synced = false;
			live->renew_due_us = node->now.mono_us + LIVE_BATCH_US;
		}
	}
}

static void pass_synced(struct node *node)
{
	struct live_state *live = node->live;
	const uint8_t empty_map = 0x80;
	for (uint32_t i = 0; i < live->sink_used; i++) {
		struct sink *sink = &live->sinks[i];
		if (!sink->is_used || sink_is_peer(sink) || sink->is_synced)
			continue;
		sink->is_synced = true;
		sink_tell(node, sink, "sync", slice_of(NULL, 0), slice_of(&empty_map, 1));
	}
}

static void on_news(struct node *node, struct id128 from, struct slice view, struct slice key,
		    struct slice map)
{
	struct live_state *live = node->live;
	if (slice_equal(view, slice_str("figures"))) {
		live_figures_heard(node, from, map);
		live->are_nodes_dirty = true;
	} else if (!id128_equal(from, live->source)) {
		return;
	} else if (slice_equal(view, slice_str("status"))) {
		status_figures_get(map, &live->source_status);
		live->has_source_status = true;
	} else if (slice_equal(view, slice_str("jobs"))) {
		pass_on(node, LIVE_VIEW_JOBS, "jobs", key, map);
	} else if (slice_equal(view, slice_str("runs"))) {
		pass_on(node, LIVE_VIEW_RUNS, "runs", key, map);
	} else if (slice_equal(view, slice_str("sync"))) {
		pass_synced(node);
	}
	live_wake(node);
}

void live_on_news(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader)
{
	if (node->live->client_count == 0) {
		/* Nobody watches here any more. */
		send_watch(node, from, 0, false, false);
		wire_skip_items(reader, item_count);
		return;
	}
	for (uint32_t i = 0; i < item_count; i++) {
		uint32_t count = wire_get_array_min(reader, 3);
		struct slice view = wire_get_str(reader, 16);
		struct slice key = wire_get_str(reader, RUN_NAME_BYTES_MAX);
		bool is_map = wire_peek(reader) == WIRE_MAP;
		struct slice map = wire_get_raw(reader);
		if (reader->err == ERR_OK)
			wire_skip_items(reader, count - 3);
		if (reader->err != ERR_OK)
			return;
		if (is_map)
			on_news(node, from, view, key, map);
	}
}
