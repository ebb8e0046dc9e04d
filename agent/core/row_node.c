/* The row of a member: what membership knows of it, and what it says of itself while somebody watches. */
#include <string.h>

#include "agent/core/query.h"
#include "proto/hash.h"

static const char *member_state_word(enum member_rank rank)
{
	switch (rank) {
	case MEMBER_ALIVE:
		return "alive";
	case MEMBER_SUSPECT:
		return "suspect";
	case MEMBER_DEAD:
		return "failed";
	case MEMBER_LEFT:
		return "left";
	case MEMBER_EVICTED:
		return "evicted";
	}
	return "?";
}

static void row_marks(struct wire_map *map, struct buf *out, const struct member *member)
{
	static const struct {
		uint32_t flag;
		const char *word;
	} marks[] = {
		{MEMBER_FLAG_DRAINING, "draining"},     {MEMBER_FLAG_FENCED, "fenced"},
		{MEMBER_FLAG_CLOCK_SUSPECT, "clock"},   {MEMBER_FLAG_RUNNER_DOWN, "runner-down"},
		{MEMBER_FLAG_UNVERIFIED, "unverified"}, {MEMBER_FLAG_CONFLICT, "name-conflict"},
	};
	uint32_t flags = member->meta.flags | member->local_flags;
	wire_map_key(map, out, "marks");
	struct wire_map array = wire_array_begin(out);
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if ((flags & marks[i].flag) == 0)
			continue;
		wire_put_text(out, marks[i].word);
		wire_array_item(&array);
	}
	wire_array_end(&array, out);
}

/* The same for all that take the same members, in the same lives, for alive. */
static int64_t own_view(const struct node *node)
{
	uint64_t view = 0;
	for (uint32_t i = 0; i < swim_member_count(node->swim); i++) {
		const struct member *member = swim_member_at(node->swim, i);
		uint8_t bytes[sizeof(member->id.bytes) + 8];
		if (member->rank > MEMBER_SUSPECT)
			continue;
		memcpy(bytes, member->id.bytes, sizeof(member->id.bytes));
		store_u64(bytes + sizeof(member->id.bytes), member->boot);
		view ^= hash_u64(slice_of(bytes, sizeof(bytes)));
	}
	return (int64_t)(view >> 1);
}

void row_own_figures(const struct node *node, struct node_figures *ret_figures)
{
	*ret_figures = (struct node_figures){
		.is_known = true,
		.heard_us = node->now.mono_us,
		.running = node->running_count,
		.executed = (int64_t)node->figures.executed_total,
		.load_milli = node->load_milli,
		.cpus = node->cpu_count,
		.memory_bytes = (int64_t)node->memory_bytes,
		.memory_free_bytes = (int64_t)node->memory_free_bytes,
		.up_ms = (node->now.mono_us - node->started_us) / 1000,
		.view = own_view(node),
	};
}

static void put_or_nil(struct wire_map *map, struct buf *out, const char *key, int64_t value,
		       bool is_known)
{
	if (is_known)
		wire_map_i64(map, out, key, value);
	else
		wire_map_nil(map, out, key);
}

static void row_figures(struct wire_map *map, struct buf *out, const struct node_figures *figures)
{
	bool is_known = figures != NULL && figures->is_known;
	static const struct node_figures unknown;
	const struct node_figures *shown = is_known ? figures : &unknown;
	put_or_nil(map, out, "running", shown->running, is_known);
	put_or_nil(map, out, "executed", shown->executed, is_known);
	put_or_nil(map, out, "load_milli", shown->load_milli, is_known);
	put_or_nil(map, out, "cpus", shown->cpus, is_known && shown->cpus > 0);
	put_or_nil(map, out, "memory_bytes", shown->memory_bytes, is_known && shown->memory_bytes > 0);
	put_or_nil(map, out, "memory_free_bytes", shown->memory_free_bytes,
		   is_known && shown->memory_bytes > 0);
}

/* How many jobs it votes on, and how many of them it proposes. */
static void row_votes(struct node *node, struct wire_map *map, struct buf *out,
		      const struct member *member)
{
	const struct query_counts *counts = query_counts(node);
	const struct arc_set *set = node_set(node, 0);
	int index = set == NULL ? -1 : arc_set_find(set, member->id);
	wire_map_i64(map, out, "votes", index < 0 ? 0 : counts->jobs);
	wire_map_i64(map, out, "proposes", index < 0 ? 0 : counts->proposes[index]);
}

/* What moves with the clock alone. */
static void row_node_clock(struct node *node, struct wire_map *map, struct buf *out,
			   const struct member *member, const struct node_figures *figures)
{
	bool is_self = id128_equal(member->id, node->config.id);
	int64_t age_ms = is_self ? 0 : (node->now.mono_us - member->heard_us) / 1000;
	put_or_nil(map, out, "age_ms", age_ms, is_self || member->heard_us != 0);
	put_or_nil(map, out, "rtt_us", member->round_trip_us, !is_self && member->round_trip_us != 0);
	bool has_figures = figures != NULL && figures->is_known;
	int64_t up_ms = has_figures ? figures->up_ms + (node->now.mono_us - figures->heard_us) / 1000
				    : 0;
	put_or_nil(map, out, "up_ms", up_ms, has_figures);
}

void row_node(struct node *node, struct buf *out, const struct member *member,
	      const struct node_figures *figures, bool with_clock)
{
	char id[TEXT_ID_BYTES];
	char address[TEXT_ADDRESS_BYTES] = "";
	text_format_id(member->id, id);
	if (member->address.family != 0)
		text_format_address(&member->address, address);
	bool is_self = id128_equal(member->id, node->config.id);
	struct wire_map map = wire_map_begin(out);
	wire_map_text(&map, out, "name", member->name);
	wire_map_text(&map, out, "id", id);
	wire_map_text(&map, out, "state", member_state_word(member->rank));
	row_marks(&map, out, member);
	wire_map_text(&map, out, "addr", address);
	wire_map_text(&map, out, "version", member->meta.version);
	wire_map_i64(&map, out, "boot", (int64_t)member->boot);
	wire_map_i64(&map, out, "incarnation", member->incarnation);
	put_or_nil(&map, out, "offset_ms", member->clock_offset_ms, is_self || member->has_clock_offset);
	wire_map_i64(&map, out, "slots", member->meta.slots);
	row_figures(&map, out, figures);
	row_votes(node, &map, out, member);
	wire_map_bool(&map, out, "self", is_self);
	wire_map_bool(&map, out, "runner", (member->meta.flags & MEMBER_FLAG_RUNNER_DOWN) == 0);
	if (with_clock)
		row_node_clock(node, &map, out, member, figures);
	wire_map_end(&map, out);
}
