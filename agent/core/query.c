/* Requests of clients: decoded, checked, and given to whoever can do them. */
#include "agent/core/query.h"

#include <assert.h>
#include <string.h>

#include "agent/core/place.h"
#include "proto/hash.h"

/* ---- who asks ---- */

bool asker_is_local(const struct asker *asker)
{
	return asker->client != 0;
}

bool asker_equal(const struct asker *a, const struct asker *b)
{
	return a->client == b->client && a->sequence == b->sequence &&
	       id128_equal(a->node, b->node) && a->relay == b->relay;
}

/* ---- who does it ---- */

struct id128 query_home(const struct node *node)
{
	const struct arc_set *set = node_set(node, 0);
	struct id128 home = {{0}};
	if (set == NULL)
		return home;
	if (arc_set_find(set, node->config.id) >= 0)
		return node->config.id;
	for (uint32_t i = 0; i < set->member_count; i++) {
		const struct member *member = node_member(node, set->members[i]);
		if (member == NULL || member->rank > MEMBER_SUSPECT)
			continue;
		/* A suspect one is better than none. */
		if (member->rank == MEMBER_ALIVE)
			return member->id;
		home = member->id;
	}
	return home;
}

static void refuse_no_majority(struct node *node, const struct asker *asker, const char *verb)
{
	struct problem problem;
	problem_set(&problem, ERR_NO_MAJORITY,
		    "%s: no member of the set that votes on it is in reach", verb);
	problem_hint(&problem, "schedctl node ls shows who is away; nothing was changed");
	answer_error(node, asker, &problem);
}

bool query_is_here(struct node *node, const struct asker *asker, struct id128 to, const char *verb,
		   struct slice arguments, int64_t timeout_us)
{
	if (id128_equal(to, node->config.id))
		return true;
	/* What was passed on is not passed on again: two that take each other for the right one would go on for ever. */
	if (id128_is_zero(to) || !asker_is_local(asker)) {
		refuse_no_majority(node, asker, verb);
		return false;
	}
	relay_pass(node, asker, to, verb, arguments, timeout_us, RELAY_PASS);
	return false;
}

/* ---- verbs ---- */

static void query_hello(struct node *node, const struct asker *asker, struct slice arguments)
{
	struct slice version;
	if (!argument_text(node, asker, arguments, "version", 128, &version))
		return;
	char node_id[TEXT_ID_BYTES];
	char cluster_id[TEXT_ID_BYTES];
	struct id128 cluster = node_cluster(node);
	text_format_id(node->config.id, node_id);
	text_format_id(cluster, cluster_id);
	uint8_t memory[1024];
	struct buf body;
	buf_init(&body, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&body);
	wire_map_text(&map, &body, "node", node->config.name);
	wire_map_text(&map, &body, "node_id", node_id);
	wire_map_str(&map, &body, "cluster",
		     node->config.cluster_name[0] != '\0' ? slice_str(node->config.cluster_name)
							  : slice_of(cluster_id, 8));
	wire_map_text(&map, &body, "cluster_id", cluster_id);
	wire_map_text(&map, &body, "version", node->config.version == NULL ? "" : node->config.version);
	wire_map_text(&map, &body, "user", asker->user);
	wire_map_text(&map, &body, "role", "admin");
	wire_map_i64(&map, &body, "now_at", node->cluster_ms);
	wire_map_end(&map, &body);
	assert(!body.has_overflowed);
	answer_end(node, asker, buf_slice(&body));
}

static const struct verb {
	const char *name;
	query_handler *handler;
	bool is_public; /* clients may ask for it */
} verbs[] = {
	{"hello", query_hello, true},
	{"job.put", query_job_put, true},
	{"job.ls", query_job_ls, true},
	{"job.show", query_job_show, true},
	{"job.rm", query_job_remove, true},
	{"job.pause", query_job_pause, true},
	{"job.resume", query_job_resume, true},
	{"job.enable", query_job_enable, true},
	{"job.disable", query_job_disable, true},
	{"run", query_run, true},
	{"wait", query_wait_verb, true},
	{"runs", query_runs, true},
	{"kill", query_kill, true},
	{"cancel", query_cancel, true},
	{"logs", query_logs, true},
	{"node.ls", query_node_ls, true},
	{"status", query_status, true},
	{"next", query_next, true},
	{"watch", query_watch, true},
	{"at.kill", query_at_kill, false},
	{"at.cancel", query_at_cancel, false},
	{"at.logs", query_at_logs, false},
	{"at.status", query_at_status, false},
	{"at.figures", query_at_figures, false},
};
#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

static void refuse_verb(struct node *node, const struct asker *asker, struct slice verb)
{
	const char *names[VERB_COUNT];
	size_t count = 0;
	for (size_t i = 0; i < VERB_COUNT; i++)
		if (verbs[i].is_public)
			names[count++] = verbs[i].name;
	char text[VERB_BYTES_MAX + 1];
	char quoted[TEXT_QUOTE_BYTES];
	text_copy_slice(text, sizeof(text), verb);
	const char *near = text_nearest(text, names, count);
	struct problem problem;
	problem_set(&problem, ERR_UNSUPPORTED, "verb %s: not known to this agent",
		    text_quote(verb, quoted));
	if (near != NULL)
		problem_hint(&problem, "did you mean %s?", near);
	else
		problem_hint(&problem, "it may belong to a later version of the agent");
	answer_error(node, asker, &problem);
}

void query_do(struct node *node, const struct asker *asker, struct slice verb, struct slice arguments)
{
	for (size_t i = 0; i < VERB_COUNT; i++) {
		if (!slice_equal(verb, slice_str(verbs[i].name)))
			continue;
		if (asker_is_local(asker) && !verbs[i].is_public)
			break;
		verbs[i].handler(node, asker, arguments);
		return;
	}
	refuse_verb(node, asker, verb);
}

void query_on_request(struct node *node, const struct event *event)
{
	struct asker asker = {.client = event->request.client};
	text_copy(asker.user, sizeof(asker.user),
		  event->request.user == NULL ? "" : event->request.user);
	struct wire_reader reader;
	wire_reader_init(&reader, event->bytes);
	uint32_t count = wire_get_array_min(&reader, 4);
	uint64_t version = wire_get_u64(&reader);
	asker.sequence = wire_get_u64(&reader);
	struct slice verb = wire_get_str(&reader, VERB_BYTES_MAX);
	bool has_map = wire_peek(&reader) == WIRE_MAP;
	struct slice arguments = wire_get_raw(&reader);
	if (reader.err == ERR_OK)
		wire_skip_items(&reader, count - 4);
	struct problem problem;
	if (wire_reader_end(&reader) != ERR_OK || !has_map) {
		problem_set(&problem, ERR_INVALID,
			    "request: not of the form [1, number, verb, {arguments}]");
		answer_error(node, &asker, &problem);
		return;
	}
	if (version != 1) {
		problem_set(&problem, ERR_UNSUPPORTED,
			    "request: version %llu, this agent speaks version 1",
			    (unsigned long long)version);
		problem_hint(&problem, "use the schedctl of the same release as the agent");
		answer_error(node, &asker, &problem);
		return;
	}
	query_do(node, &asker, verb, arguments);
}

/* ---- ends ---- */

void query_forget(struct node *node, const struct asker *asker)
{
	struct query_state *query = node->query;
	for (uint32_t i = 0; i < query->wait_used; i++)
		if (query->waits[i].kind != WAIT_FREE && asker_equal(&query->waits[i].asker, asker))
			query->waits[i].kind = WAIT_FREE;
	relay_forget(node, asker);
	gather_forget(node, asker);
	logs_forget(node, asker);
}

void query_on_client_gone(struct node *node, uint64_t client)
{
	struct query_state *query = node->query;
	for (uint32_t i = 0; i < query->wait_used; i++)
		if (query->waits[i].kind != WAIT_FREE && query->waits[i].asker.client == client)
			query->waits[i].kind = WAIT_FREE;
	for (uint32_t i = 0; i < query->relay_used; i++) {
		if (query->relays[i].id == 0 || query->relays[i].asker.client != client)
			continue;
		struct asker asker = query->relays[i].asker;
		relay_forget(node, &asker);
	}
	for (uint32_t i = 0; i < query->logs_used; i++) {
		if (query->logs[i].phase == LOGS_FREE || query->logs[i].asker.client != client)
			continue;
		struct asker asker = query->logs[i].asker;
		logs_forget(node, &asker);
	}
	for (uint32_t i = 0; i < GATHERS_MAX; i++)
		if (query->gathers[i].asker.client == client)
			query->gathers[i].id = 0;
	struct asker gone = {.client = client};
	live_forget(node, &gone);
}

/* ---- time and memory ---- */

static int64_t waits_next_deadline_us(const struct node *node)
{
	const struct query_state *query = node->query;
	int64_t next_us = INT64_MAX;
	for (uint32_t i = 0; i < query->wait_used; i++)
		if (query->waits[i].kind != WAIT_FREE && query->waits[i].deadline_us < next_us)
			next_us = query->waits[i].deadline_us;
	return next_us;
}

int64_t query_next_deadline_us(const struct node *node)
{
	int64_t deadlines[] = {waits_next_deadline_us(node), relay_next_deadline_us(node),
			       logs_next_deadline_us(node), live_next_deadline_us(node),
			       gather_next_deadline_us(node)};
	int64_t next_us = INT64_MAX;
	for (size_t i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++)
		if (deadlines[i] < next_us)
			next_us = deadlines[i];
	return next_us;
}

void query_on_deadline(struct node *node)
{
	waits_on_deadline(node);
	relay_on_deadline(node);
	logs_on_deadline(node);
	gather_on_deadline(node);
	if (live_next_deadline_us(node) <= node->now.mono_us)
		live_on_deadline(node);
}

#define ALIGNMENT 64u

static size_t query_state_bytes(void)
{
	return (sizeof(struct query_state) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

size_t query_bytes(void)
{
	return query_state_bytes() + live_bytes();
}

void query_init(struct node *node, void *memory)
{
	node->query = memory;
	/* Answers to what an earlier life of this agent asked may still come: its numbers are not used again. */
	node->query->last_id = node->config.boot << 20;
	live_init(node, (uint8_t *)memory + query_state_bytes());
}
