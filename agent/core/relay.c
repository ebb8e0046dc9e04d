/* Answers, and requests passed on.
 *
 *   client --> this agent  --REQUEST(id)-->  another agent
 *   client <-- this agent  <--ANSWER(id)---  rows, progress, then one end or error
 *
 * The asking agent keeps the request until its end, its deadline, or the peer is gone. One that is not wanted any more is
 * called off with the verb "stop"; so is one whose answers nobody knows. */
#include <assert.h>
#include <string.h>

#include "agent/core/query.h"

static const char stop_verb[] = "stop";

/* ---- answers ---- */

bool answer_has_room(const struct node *node)
{
	return effects_has_room(node->effects) && node->outbox.bytes.bytes < OUTBOX_BYTES / 2 &&
	       node->outbox.count < OUTBOX_ITEMS_MAX / 2;
}

static void answer(struct node *node, const struct asker *asker, enum answer_kind kind, struct slice body)
{
	struct buf frame;
	if (id128_equal(asker->node, node->config.id)) {
		logs_on_inner(node, asker->relay, kind, body);
		return;
	}
	buf_init(&frame, node->query->frame, sizeof(node->query->frame));
	if (asker->client != 0) {
		wire_put_array(&frame, 4);
		wire_put_u64(&frame, 1);
		wire_put_u64(&frame, asker->sequence);
		wire_put_u64(&frame, kind);
		wire_put_raw(&frame, body);
		if (!frame.has_overflowed)
			effects_reply(node->effects, asker->client, buf_slice(&frame));
	} else if (!id128_is_zero(asker->node)) {
		struct answer item = {.id = asker->relay, .kind = kind, .body = body};
		answer_put(&frame, &item);
		if (!frame.has_overflowed)
			outbox_put(node, asker->node, MESSAGE_ANSWER, buf_slice(&frame));
	}
}

void answer_row(struct node *node, const struct asker *asker, struct slice map)
{
	answer(node, asker, ANSWER_ROW, map);
}

void answer_progress(struct node *node, const struct asker *asker, struct slice map)
{
	answer(node, asker, ANSWER_PROGRESS, map);
}

void answer_end(struct node *node, const struct asker *asker, struct slice map)
{
	answer(node, asker, ANSWER_END, map);
}

void answer_error(struct node *node, const struct asker *asker, const struct problem *problem)
{
	uint8_t memory[PROBLEM_TEXT_BYTES_MAX + PROBLEM_HINT_BYTES_MAX + 128];
	struct buf body;
	buf_init(&body, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&body);
	wire_map_text(&map, &body, "code", err_word(problem->code));
	wire_map_i64(&map, &body, "exit", err_exit_code(problem->code));
	wire_map_text(&map, &body, "message", problem->text);
	wire_map_text(&map, &body, "hint", problem->hint);
	wire_map_end(&map, &body);
	assert(!body.has_overflowed);
	answer(node, asker, ANSWER_ERROR, buf_slice(&body));
}

/* ---- requests passed on ---- */

static void relay_free(struct node *node, struct relay *relay)
{
	struct query_state *query = node->query;
	relay->id = 0;
	while (query->relay_used > 0 && query->relays[query->relay_used - 1].id == 0)
		query->relay_used--;
}

static struct relay *relay_take(struct node *node)
{
	struct query_state *query = node->query;
	for (uint32_t i = 0; i < RELAYS_MAX; i++) {
		if (query->relays[i].id != 0)
			continue;
		if (i >= query->relay_used)
			query->relay_used = i + 1;
		query->relays[i] = (struct relay){.id = ++query->last_id};
		return &query->relays[i];
	}
	return NULL;
}

static void send_request(struct node *node, struct id128 to, const struct request *request)
{
	struct buf item;
	buf_init(&item, node->query->frame, sizeof(node->query->frame));
	request_put(&item, request);
	if (!item.has_overflowed)
		outbox_put(node, to, MESSAGE_REQUEST, buf_slice(&item));
}

static void send_stop(struct node *node, struct id128 to, uint64_t id)
{
	const uint8_t empty_map = 0x80;
	struct request request = {
		.id = id, .verb = slice_str(stop_verb), .arguments = slice_of(&empty_map, 1)};
	send_request(node, to, &request);
}

void relay_pass(struct node *node, const struct asker *asker, struct id128 to, const char *verb,
		struct slice arguments, int64_t timeout_us, enum relay_use use)
{
	struct problem problem;
	struct relay *relay = relay_take(node);
	if (relay == NULL) {
		problem_set(&problem, ERR_FULL,
			    "%s: this agent waits for %u answers of others already", verb, RELAYS_MAX);
		problem_hint(&problem, "try again in a second");
		answer_error(node, asker, &problem);
		return;
	}
	relay->asker = *asker;
	relay->target = to;
	relay->timeout_us = timeout_us;
	relay->deadline_us = timeout_us == 0 ? INT64_MAX : node->now.mono_us + timeout_us;
	relay->use = use;
	text_copy(relay->verb, sizeof(relay->verb), verb);
	struct request request = {.id = relay->id,
				  .verb = slice_str(relay->verb),
				  .user = slice_str(asker->user),
				  .arguments = arguments};
	send_request(node, to, &request);
}

/* ---- frames ---- */

/* True if there is no room for more of a frame in this step: what is left of it is kept. A frame of a peer may have more
 * items than a step has effects, and only the next step's are empty again. */
static bool relay_is_full(struct node *node, enum message_type type, struct id128 from,
			  uint32_t item_count, const struct wire_reader *reader)
{
	struct frame_rest *rest = &node->query->frame_rest;
	if (answer_has_room(node))
		return false;
	size_t bytes = (size_t)(reader->end - reader->next);
	assert(bytes <= sizeof(rest->data));
	memmove(rest->data, reader->next, bytes);
	rest->type = type;
	rest->from = from;
	rest->item_count = item_count;
	rest->bytes = bytes;
	node->effects->more = true;
	return true;
}

static void relay_go_on(struct node *node)
{
	struct frame_rest *rest = &node->query->frame_rest;
	enum message_type type = rest->type;
	struct wire_reader reader;
	if (!answer_has_room(node)) {
		node->effects->more = true;
		return;
	}
	wire_reader_init(&reader, slice_of(rest->data, rest->bytes));
	rest->type = 0;
	if (type == MESSAGE_ANSWER)
		relay_on_answer(node, rest->from, rest->item_count, &reader);
	else
		relay_on_request(node, rest->from, rest->item_count, &reader);
}

void relay_on_request(struct node *node, struct id128 from, uint32_t item_count,
		      struct wire_reader *reader)
{
	for (uint32_t i = 0; i < item_count; i++) {
		struct request request;
		if (relay_is_full(node, MESSAGE_REQUEST, from, item_count - i, reader))
			return;
		request_get(reader, &request);
		if (reader->err != ERR_OK)
			return;
		struct asker asker = {.node = from, .relay = request.id};
		text_copy_slice(asker.user, sizeof(asker.user), request.user);
		if (slice_equal(request.verb, slice_str(stop_verb)))
			query_forget(node, &asker);
		else
			query_do(node, &asker, request.verb, request.arguments);
	}
}

static struct relay *relay_find(struct node *node, uint64_t id, struct id128 target)
{
	struct query_state *query = node->query;
	for (uint32_t i = 0; i < query->relay_used; i++) {
		struct relay *relay = &query->relays[i];
		if (relay->id == id && id != 0 && id128_equal(relay->target, target))
			return relay;
	}
	return NULL;
}

static void relay_answer(struct node *node, struct relay *relay, const struct answer *news)
{
	struct asker asker = relay->asker;
	enum relay_use use = relay->use;
	struct id128 from = relay->target;
	bool is_last = news->kind == ANSWER_END || news->kind == ANSWER_ERROR;
	if (is_last)
		relay_free(node, relay);
	else if (relay->timeout_us != 0)
		relay->deadline_us = node->now.mono_us + relay->timeout_us;
	if (use == RELAY_STATUS && news->kind == ANSWER_END)
		query_status_answered(node, &asker, news->body);
	else if (use == RELAY_FIGURES && news->kind == ANSWER_END)
		gather_answered(node, asker.relay, from, news->body);
	else
		answer(node, &asker, news->kind, news->body);
}

void relay_on_answer(struct node *node, struct id128 from, uint32_t item_count, struct wire_reader *reader)
{
	for (uint32_t i = 0; i < item_count; i++) {
		struct answer news;
		if (relay_is_full(node, MESSAGE_ANSWER, from, item_count - i, reader))
			return;
		answer_get(reader, &news);
		if (reader->err != ERR_OK)
			return;
		struct relay *relay = relay_find(node, news.id, from);
		if (relay != NULL)
			relay_answer(node, relay, &news);
		else if (news.kind == ANSWER_ROW)
			send_stop(node, from, news.id);
	}
}

/* ---- ends without an answer ---- */

void relay_forget(struct node *node, const struct asker *asker)
{
	struct query_state *query = node->query;
	for (uint32_t i = 0; i < query->relay_used; i++) {
		struct relay *relay = &query->relays[i];
		if (relay->id == 0 || !asker_equal(&relay->asker, asker))
			continue;
		send_stop(node, relay->target, relay->id);
		relay_free(node, relay);
	}
}

/* What only reads can simply be asked again. */
static void relay_hint(const struct relay *relay, struct problem *problem)
{
	static const char *const reads[] = {"job.ls", "job.show", "runs",   "next",
					    "logs",   "wait",     "at.logs"};
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		if (strcmp(relay->verb, reads[i]) != 0)
			continue;
		problem_hint(problem,
			     "try again: another member may take over; schedctl node ls shows who is away");
		return;
	}
	problem_hint(problem, "it may be done or not: look, or try again with the same --id");
}

static void relay_fail(struct node *node, struct relay *relay, const struct problem *problem)
{
	struct asker asker = relay->asker;
	enum relay_use use = relay->use;
	relay_free(node, relay);
	if (use == RELAY_STATUS)
		query_status_unanswered(node, &asker);
	else
		answer_error(node, &asker, problem);
}

void relay_on_peer_down(struct node *node, struct id128 peer)
{
	struct query_state *query = node->query;
	for (uint32_t i = 0; i < query->relay_used; i++) {
		struct relay *relay = &query->relays[i];
		if (relay->id == 0 || !id128_equal(relay->target, peer))
			continue;
		struct problem problem;
		problem_set(&problem, ERR_CLOSED,
			    "%s: the connection to node %s broke before its answer", relay->verb,
			    node_name_of(node, peer));
		relay_hint(relay, &problem);
		relay_fail(node, relay, &problem);
	}
	for (uint32_t i = 0; i < query->wait_used; i++)
		if (query->waits[i].kind != WAIT_FREE && id128_equal(query->waits[i].asker.node, peer))
			query->waits[i].kind = WAIT_FREE;
	logs_on_peer_down(node, peer);
	live_on_peer_down(node, peer);
}

void relay_on_members_changed(struct node *node)
{
	struct query_state *query = node->query;
	for (uint32_t i = 0; i < query->relay_used; i++) {
		const struct member *member = query->relays[i].id == 0
						      ? NULL
						      : node_member(node, query->relays[i].target);
		if (member != NULL && member->rank > MEMBER_SUSPECT)
			relay_on_peer_down(node, member->id);
	}
}

void relay_on_deadline(struct node *node)
{
	struct query_state *query = node->query;
	if (query->frame_rest.type != 0)
		relay_go_on(node);
	for (uint32_t i = 0; i < query->relay_used; i++) {
		struct relay *relay = &query->relays[i];
		if (relay->id == 0 || relay->deadline_us > node->now.mono_us)
			continue;
		struct problem problem;
		problem_set(&problem, ERR_TIMEOUT, "%s: no answer from node %s in %lld s",
			    relay->verb, node_name_of(node, relay->target),
			    (long long)(relay->timeout_us / 1000000));
		relay_hint(relay, &problem);
		send_stop(node, relay->target, relay->id);
		relay_fail(node, relay, &problem);
	}
}

int64_t relay_next_deadline_us(const struct node *node)
{
	const struct query_state *query = node->query;
	int64_t next_us = query->frame_rest.type != 0 ? node->now.mono_us : INT64_MAX;
	for (uint32_t i = 0; i < query->relay_used; i++)
		if (query->relays[i].id != 0 && query->relays[i].deadline_us < next_us)
			next_us = query->relays[i].deadline_us;
	return next_us;
}
