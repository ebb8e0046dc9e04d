/* Figures of all live members, asked for when somebody wants a list of nodes or the status and nobody watches.
 *
 *   node.ls --> at.figures to each live member --> answers, or half a second --> the rows
 *
 * Figures that were heard a moment ago are used as they are. */
#include "agent/core/query.h"

#define GATHER_TIMEOUT_US 500000
#define GATHER_FRESH_US 1000000
#define GATHER_MEMBERS_MAX 64u /* in a larger cluster figures are for those who watch */

static struct gather *gather_find(struct node *node, uint64_t id)
{
	for (uint32_t i = 0; i < GATHERS_MAX; i++)
		if (node->query->gathers[i].id == id && id != 0)
			return &node->query->gathers[i];
	return NULL;
}

static void gather_finish(struct node *node, struct gather *gather)
{
	struct gather done = *gather;
	gather->id = 0;
	done.then(node, &done.asker, &done.page);
}

void gather_begin(struct node *node, const struct asker *asker, const struct gather_page *page,
		  gather_then *then)
{
	uint32_t place = 0;
	while (place < GATHERS_MAX && node->query->gathers[place].id != 0)
		place++;
	if (place == GATHERS_MAX || swim_alive_count(node->swim) > GATHER_MEMBERS_MAX) {
		then(node, asker, page);
		return;
	}
	struct gather *gather = &node->query->gathers[place];
	*gather = (struct gather){
		.id = ++node->query->last_id, .asker = *asker, .page = *page, .then = then};
	gather->deadline_us = node->now.mono_us + GATHER_TIMEOUT_US;
	struct asker inner = {.node = node->config.id, .relay = gather->id};
	const uint8_t empty_map = 0x80;
	for (uint32_t i = 0; i < swim_member_count(node->swim); i++) {
		const struct member *member = swim_member_at(node->swim, i);
		const struct node_figures *known = live_figures_of(node, member->id);
		bool is_fresh = known != NULL && node->now.mono_us - known->heard_us < GATHER_FRESH_US;
		if (is_fresh || member->rank != MEMBER_ALIVE || id128_equal(member->id, node->config.id))
			continue;
		gather->pending_count++;
		relay_pass(node, &inner, member->id, "at.figures", slice_of(&empty_map, 1),
			   GATHER_TIMEOUT_US, RELAY_FIGURES);
	}
	if (gather->pending_count == 0)
		gather_finish(node, gather);
}

void gather_answered(struct node *node, uint64_t id, struct id128 from, struct slice body)
{
	live_figures_heard(node, from, body);
	struct gather *gather = gather_find(node, id);
	if (gather != NULL && --gather->pending_count == 0)
		gather_finish(node, gather);
}

void gather_forget(struct node *node, const struct asker *asker)
{
	for (uint32_t i = 0; i < GATHERS_MAX; i++)
		if (node->query->gathers[i].id != 0 && asker_equal(&node->query->gathers[i].asker, asker))
			node->query->gathers[i].id = 0;
}

/* Who has not answered by now is shown without figures. */
void gather_on_deadline(struct node *node)
{
	for (uint32_t i = 0; i < GATHERS_MAX; i++) {
		struct gather *gather = &node->query->gathers[i];
		if (gather->id != 0 && gather->deadline_us <= node->now.mono_us)
			gather_finish(node, gather);
	}
}

int64_t gather_next_deadline_us(const struct node *node)
{
	int64_t next_us = INT64_MAX;
	for (uint32_t i = 0; i < GATHERS_MAX; i++) {
		const struct gather *gather = &node->query->gathers[i];
		if (gather->id != 0 && gather->deadline_us < next_us)
			next_us = gather->deadline_us;
	}
	return next_us;
}
