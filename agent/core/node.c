/* One step of the agent: dispatches an event to its module, then does whatever is due, then sends. */
#include "agent/core/node.h"

#include <assert.h>
#include <string.h>

#include "agent/core/state.h"
#include "proto/hash.h"
#include "proto/text.h"

#define DUE_PER_STEP 512u       /* jobs and runs looked at before `more` is said */
#define WALL_STEP_MS 50         /* a jump of the wall clock against the boot-time clock */
#define ALIGNMENT 64u

/* ---- memory ---- */

/* Hands out parts of the node's one block; with memory NULL it only counts. */
struct carve {
	uint8_t *memory;
	size_t bytes;
};

static void *carve_take(struct carve *carve, size_t count, size_t item_bytes)
{
	size_t offset = (carve->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	carve->bytes = offset + count * item_bytes;
	return carve->memory == NULL ? NULL : carve->memory + offset;
}

static uint32_t node_jobs_max(const struct node_config *config)
{
	return config->jobs_max == 0 ? NODE_JOBS_DEFAULT : config->jobs_max;
}

static void carve_heap(struct carve *carve, struct heap *heap, uint32_t item_max)
{
	uint32_t *items = carve_take(carve, item_max, sizeof(*items));
	int64_t *keys = carve_take(carve, item_max, sizeof(*keys));
	uint32_t *positions = carve_take(carve, item_max, sizeof(*positions));
	heap_init(heap, items, keys, positions, item_max);
}

static struct node *node_carve(struct carve *carve, const struct node_config *config, void **ret_swim, void **ret_query)
{
	struct node counted;
	struct node *placed = carve_take(carve, 1, sizeof(*placed));
	struct node *node = placed == NULL ? &counted : placed;
	uint32_t jobs_max = node_jobs_max(config);
	node->jobs.capacity = jobs_max;
	node->jobs.bucket_count = jobs_max;
	node->jobs.jobs = carve_take(carve, jobs_max, sizeof(*node->jobs.jobs));
	node->jobs.buckets = carve_take(carve, jobs_max, sizeof(*node->jobs.buckets));
	carve_heap(carve, &node->jobs.heap, jobs_max);
	node->runs.runs = carve_take(carve, RUNS_LIVE_MAX, sizeof(*node->runs.runs));
	node->runs.buckets = carve_take(carve, RUNS_LIVE_MAX, sizeof(*node->runs.buckets));
	carve_heap(carve, &node->runs.heap, RUNS_LIVE_MAX);
	node->proposals = carve_take(carve, PROPOSALS_MAX, sizeof(*node->proposals));
	carve_heap(carve, &node->proposal_heap, PROPOSALS_MAX);
	node->wides = carve_take(carve, WIDE_MAX, WIDE_BYTES);
	node->manuals = carve_take(carve, MANUALS_MAX, sizeof(*node->manuals));
	node->changes = carve_take(carve, CHANGES_MAX, sizeof(*node->changes));
	node->change_definitions = carve_take(carve, CHANGES_MAX, DEFINITION_BYTES_MAX);
	node->outbox.items = carve_take(carve, OUTBOX_ITEMS_MAX, sizeof(*node->outbox.items));
	uint8_t *outbox_bytes = carve_take(carve, OUTBOX_BYTES, 1);
	node->outbox.frame = carve_take(carve, FRAME_BYTES_MAX, 1);
	node->sums = carve_take(carve, ARC_COUNT, sizeof(*node->sums));
	node->scratch_value = carve_take(carve, WIDE_BYTES, 1);
	node->scratch_def = carve_take(carve, WIDE_BYTES, 1);
	node->scratch_out = carve_take(carve, FRAME_BYTES_MAX, 1);
	node->scratch_new = carve_take(carve, WIDE_BYTES, 1);
	*ret_swim = carve_take(carve, 1, swim_bytes());
	*ret_query = carve_take(carve, 1, query_bytes());
	if (placed != NULL)
		buf_init(&placed->outbox.bytes, outbox_bytes, OUTBOX_BYTES);
	return placed;
}

size_t node_bytes(const struct node_config *config)
{
	struct carve carve = { 0 };
	void *swim, *query;
	(void)node_carve(&carve, config, &swim, &query);
	return carve.bytes + ALIGNMENT;
}

struct node *node_init(void *memory, const struct node_config *config, const struct store_view *store,
                       const struct zone_source *zones)
{
	struct carve carve = { .memory = memory };
	void *swim, *query;
	struct node *node = node_carve(&carve, config, &swim, &query);
	node->config = *config;
	node->store = store;
	node->zones = zones;
	node->may_vote = true;
	node->is_host_same = true;
	prng_init(&node->prng, config->prng_seed);
	node->swim = swim_init(swim, config, store);
	query_init(node, query);
	return node;
}

/* ---- who is who ---- */

struct id128 node_self(const struct node *node)
{
	return node->config.id;
}

const struct member *node_member(const struct node *node, struct id128 id)
{
	return swim_member_find(node->swim, id);
}

bool node_member_is_usable(const struct node *node, struct id128 id)
{
	const struct member *member = node_member(node, id);
	return member != NULL && member->rank == MEMBER_ALIVE &&
	       (member->meta.flags & (MEMBER_FLAG_FENCED | MEMBER_FLAG_CLOCK_SUSPECT)) == 0;
}

const char *node_name_of(const struct node *node, struct id128 id)
{
	const struct member *member = node_member(node, id);
	return member == NULL ? "?" : member->name;
}

const struct arc_set *node_set(const struct node *node, uint16_t arc)
{
	(void)arc; /* the set of every arc is the one that was decided at birth */
	return node->has_birth ? &node->birth : NULL;
}

bool node_votes(const struct node *node, uint16_t arc)
{
	const struct arc_set *set = node_set(node, arc);
	return set != NULL && arc_set_find(set, node->config.id) >= 0;
}

int node_rank(const struct node *node, const struct job *job, struct id128 member)
{
	const struct arc_set *set = node_set(node, job->arc);
	if (set == NULL || arc_set_find(set, member) < 0)
		return -1;
	int rank = 0;
	for (uint32_t i = 0; i < set->member_count; i++)
		rank += !id128_equal(set->members[i], member) && place_before(job->id, set->members[i], member);
	return rank;
}

struct id128 node_proposer(const struct node *node, const struct job *job)
{
	const struct arc_set *set = node_set(node, job->arc);
	struct id128 best = { { 0 } };
	for (uint32_t i = 0; set != NULL && i < set->member_count; i++) {
		struct id128 id = set->members[i];
		if (node_member_is_usable(node, id) && (id128_is_zero(best) || place_before(job->id, id, best)))
			best = id;
	}
	return best;
}

bool node_is_proposer(const struct node *node, const struct job *job)
{
	return id128_equal(node_proposer(node, job), node->config.id);
}

int64_t node_mono_of(const struct node *node, int64_t cluster_ms)
{
	return node->now.mono_us + (cluster_ms - node->cluster_ms) * 1000;
}

static uint32_t node_wide_take_from(struct node *node, uint32_t first)
{
	for (uint32_t i = first; i < WIDE_MAX; i++) {
		if (node->wide_is_used[i])
			continue;
		node->wide_is_used[i] = true;
		return i + 1;
	}
	return 0;
}

uint32_t node_wide_take(struct node *node)
{
	return node_wide_take_from(node, 0);
}

uint32_t node_wide_take_to_keep(struct node *node)
{
	return node_wide_take_from(node, WIDE_STEP_MAX);
}

uint8_t *node_wide(struct node *node, uint32_t wide)
{
	return node->wides + (size_t)(wide - 1) * WIDE_BYTES;
}

void node_wide_free(struct node *node, uint32_t wide)
{
	if (wide != 0)
		node->wide_is_used[wide - 1] = false;
}

struct id128 node_cluster(const struct node *node)
{
	return swim_cluster(node->swim);
}

uint64_t node_boot_known(const struct node *node, uint64_t sender_short)
{
	const struct member *member = swim_member_find_short(node->swim, sender_short);
	return member == NULL ? 0 : member->boot;
}

void node_update_meta(struct node *node)
{
	struct member_meta meta = swim_member_at(node->swim, 0)->meta;
	uint32_t own = MEMBER_FLAG_RUNNER_DOWN | MEMBER_FLAG_CLOCK_SUSPECT | MEMBER_FLAG_FENCED;
	meta.flags &= ~own;
	meta.flags |= node->runner_is_up ? 0 : MEMBER_FLAG_RUNNER_DOWN;
	meta.flags |= node->is_clock_suspect ? MEMBER_FLAG_CLOCK_SUSPECT : 0;
	meta.flags |= node->may_vote ? 0 : MEMBER_FLAG_FENCED;
	swim_set_meta(node->swim, node->now, &meta);
	live_members_changed(node);
}

/* ---- birth ---- */

static const char birth_key[] = "birth";
static const char cluster_key[] = "cluster";

/* The set of epoch 1: [epoch, [ids]]. */
static void birth_put(struct buf *out, const struct arc_set *set)
{
	wire_put_array(out, 2);
	wire_put_epoch(out, set->epoch);
	wire_put_array(out, set->member_count);
	for (uint32_t i = 0; i < set->member_count; i++)
		wire_put_id(out, set->members[i]);
}

static bool birth_get(struct slice bytes, struct arc_set *ret_set)
{
	struct arc_set set = { 0 };
	struct wire_reader reader;
	wire_reader_init(&reader, bytes);
	uint32_t count = wire_get_array_min(&reader, 2);
	set.epoch = wire_get_epoch(&reader);
	set.member_count = wire_get_array(&reader, SET_MEMBERS_MAX);
	for (uint32_t i = 0; i < set.member_count; i++)
		set.members[i] = wire_get_id(&reader);
	if (reader.err == ERR_OK)
		wire_skip_items(&reader, count - 2);
	if (wire_reader_end(&reader) != ERR_OK || set.member_count == 0 || set.epoch.number == 0)
		return false;
	*ret_set = set;
	return true;
}

static void node_set_birth(struct node *node, const struct arc_set *set, bool is_to_be_kept)
{
	node->birth = *set;
	node->has_birth = true;
	uint8_t memory[SWIM_BIRTH_BYTES_MAX];
	struct buf bytes;
	buf_init(&bytes, memory, sizeof(memory));
	birth_put(&bytes, set);
	assert(!bytes.has_overflowed);
	swim_set_birth(node->swim, buf_slice(&bytes));
	if (is_to_be_kept)
		node->store->put(node->store->context, TABLE_SELF, slice_str(birth_key), buf_slice(&bytes));
}

static void node_load_birth(struct node *node)
{
	uint8_t memory[SWIM_BIRTH_BYTES_MAX];
	struct buf value;
	buf_init(&value, memory, sizeof(memory));
	struct arc_set set = { 0 };
	if (node->store->get(node->store->context, TABLE_SELF, slice_str(birth_key), &value) == ERR_OK &&
	    birth_get(buf_slice(&value), &set)) {
		node_set_birth(node, &set, false);
		return;
	}
	if (node->config.birth_count == 0)
		return;
	set.epoch.number = 1;
	set.member_count = node->config.birth_count;
	memcpy(set.members, node->config.birth_set, sizeof(set.members));
	node_set_birth(node, &set, true);
	node->store->put(node->store->context, TABLE_SELF, slice_str(cluster_key),
	                 slice_of(node->config.cluster.bytes, sizeof(node->config.cluster.bytes)));
}

static void node_on_started(struct node *node)
{
	node->started_us = node->now.mono_us;
	node->is_started = true;
	node_load_birth(node);
	catalog_on_start(node);
	acceptor_on_start(node);
	executor_on_start(node);
	ledger_on_start(node);
	planner_replan_all(node);
	swim_start(node->swim, node->now, node->effects);
	node_update_meta(node);
	sync_on_start(node);
}

/* ---- membership's news ---- */

static void node_on_joined(struct node *node)
{
	struct id128 cluster = swim_cluster(node->swim);
	node->store->put(node->store->context, TABLE_SELF, slice_str(cluster_key),
	                 slice_of(cluster.bytes, sizeof(cluster.bytes)));
	struct arc_set set;
	if (!node->has_birth && birth_get(swim_birth(node->swim), &set))
		node_set_birth(node, &set, true);
	planner_replan_all(node);
	sync_on_start(node);
}

static void node_drain_swim(struct node *node)
{
	struct swim_change change;
	while (swim_next_change(node->swim, &change)) {
		switch (change.type) {
		case SWIM_CHANGE_MEMBER:
			planner_on_members_changed(node, change.id);
			sync_on_members_changed(node);
			live_members_changed(node);
			break;
		case SWIM_CHANGE_JOINED:
			node_on_joined(node);
			break;
		case SWIM_CHANGE_REFUSED:
			effects_exit(node->effects, 1, change.text);
			break;
		case SWIM_CHANGE_ROLLED_BACK:
			node->may_vote = false;
			effects_trace(node->effects, TRACE_ERROR,
			              "this store is older than its peers remember: it does not vote");
			node_update_meta(node);
			break;
		}
	}
}

/* ---- clocks ---- */

static void node_read_clocks(struct node *node, const struct event *event)
{
	node->now = event->now;
	int64_t offset_ms = swim_clock_offset_ms(node->swim);
	int64_t size_ms = offset_ms < 0 ? -offset_ms : offset_ms;
	node->cluster_ms = node->now.utc_ms + (size_ms > CLOCK_CORRECT_MS ? offset_ms : 0);
	bool is_suspect = size_ms > CLOCK_SUSPECT_MS;
	int64_t wall_minus_mono_ms = node->cluster_ms - node->now.mono_us / 1000;
	int64_t jump_ms = wall_minus_mono_ms - node->wall_minus_mono_ms;
	if (!node->is_started) {
		node->wall_minus_mono_ms = wall_minus_mono_ms;
		return;
	}
	if (jump_ms > WALL_STEP_MS || jump_ms < -WALL_STEP_MS) {
		/* A step forward re-plans; a step back makes no new fire, since `through` never goes down. */
		node->wall_minus_mono_ms = wall_minus_mono_ms;
		planner_replan_all(node);
	}
	if (is_suspect != node->is_clock_suspect) {
		node->is_clock_suspect = is_suspect;
		effects_trace(node->effects, is_suspect ? TRACE_ERROR : TRACE_INFO, "clock %s offset_ms=%lld",
		              is_suspect ? "suspect: this agent neither proposes nor starts runs" : "trusted again",
		              (long long)offset_ms);
		node_update_meta(node);
	}
}

/* ---- frames ---- */

static void node_on_frame(struct node *node, const struct event *event)
{
	if (swim_on_stream(node->swim, event, node->effects))
		return;
	enum message_type type;
	uint32_t item_count;
	struct wire_reader reader;
	struct id128 from = event->stream.node;
	const struct member *member = node_member(node, from);
	/* Only members speak, and only in their newest life. */
	if (member == NULL || id128_equal(from, node->config.id) || event->stream.boot < member->boot)
		return;
	if (message_open(event->bytes, &type, &item_count, &reader) != ERR_OK) {
		effects_trace(node->effects, TRACE_WARN, "frame refused peer=%s", node_name_of(node, from));
		return;
	}
	switch (type) {
	case MESSAGE_VOTE:
		acceptor_on_frame(node, from, item_count, &reader);
		break;
	case MESSAGE_VOTED:
		proposer_on_frame(node, from, item_count, &reader);
		break;
	case MESSAGE_OFFER:
		executor_on_offer(node, from, item_count, &reader);
		break;
	case MESSAGE_OFFERED:
		planner_on_offered(node, from, item_count, &reader);
		break;
	case MESSAGE_ARM:
		executor_on_arm(node, from, item_count, &reader);
		break;
	case MESSAGE_RUN:
		ledger_on_run_frame(node, from, item_count, &reader);
		break;
	case MESSAGE_RUN_ACK:
		executor_on_run_ack(node, from, item_count, &reader);
		break;
	case MESSAGE_REVOKE:
		executor_on_revoke(node, from, item_count, &reader);
		break;
	case MESSAGE_COPY:
		catalog_on_copy(node, from, item_count, &reader);
		break;
	case MESSAGE_DIGEST:
	case MESSAGE_KEYS:
	case MESSAGE_WANT:
		sync_on_frame(node, from, type, item_count, &reader);
		break;
	case MESSAGE_REQUEST:
		relay_on_request(node, from, item_count, &reader);
		break;
	case MESSAGE_ANSWER:
		relay_on_answer(node, from, item_count, &reader);
		break;
	case MESSAGE_WATCH:
		live_on_watch(node, from, item_count, &reader);
		break;
	case MESSAGE_NEWS:
		live_on_news(node, from, item_count, &reader);
		break;
	}
	if (reader.err != ERR_OK)
		effects_trace(node->effects, TRACE_WARN, "frame cut short peer=%s type=%d", node_name_of(node, from),
		              (int)type);
}

/* ---- the step ---- */

/* Whatever is due now, but no more than fits this step. */
static void node_do_due(struct node *node)
{
	uint32_t slot;
	for (uint32_t i = 0; i < DUE_PER_STEP; i++) {
		/* What waits in the outbox will need room in the effects too. */
		bool is_outbox_full = node->outbox.bytes.bytes > EFFECTS_ARENA_RESERVE / 2;
		if (is_outbox_full || !effects_has_room(node->effects)) {
			node->effects->more = true;
			return;
		}
		if (heap_pop(&node->runs.heap, node->now.mono_us, &slot)) {
			struct run *run = &node->runs.runs[slot];
			if (run->mine != RUN_MINE_NOT)
				executor_on_run_deadline(node, slot);
			else
				planner_on_run_deadline(node, slot);
		} else if (heap_pop(&node->proposal_heap, node->now.mono_us, &slot)) {
			proposer_on_deadline(node, slot);
		} else if (heap_pop(&node->jobs.heap, node->now.mono_us, &slot)) {
			planner_visit(node, slot);
		} else {
			return;
		}
	}
	node->effects->more = true;
}

static void node_dispatch(struct node *node, const struct event *event)
{
	switch (event->type) {
	case EVENT_STARTED:
		node_on_started(node);
		break;
	case EVENT_DEADLINE:
	case EVENT_CONTINUE:
		break;
	case EVENT_DATAGRAM:
		swim_on_datagram(node->swim, event, node->effects);
		break;
	case EVENT_STREAM:
		node_on_frame(node, event);
		break;
	case EVENT_STREAM_DOWN:
		swim_on_stream_down(node->swim, event, node->effects);
		if (!id128_is_zero(event->stream.node)) {
			swim_hint(node->swim, node->now, event->stream.node, node->effects);
			relay_on_peer_down(node, event->stream.node);
		}
		break;
	case EVENT_RUNNER:
		executor_on_runner(node, &event->runner);
		break;
	case EVENT_RUNNER_DOWN:
		executor_on_runner_down(node);
		break;
	case EVENT_REQUEST:
		query_on_request(node, event);
		break;
	case EVENT_CLIENT_GONE:
		query_on_client_gone(node, event->request.client);
		break;
	case EVENT_OUTPUT:
		query_on_output(node, event);
		break;
	case EVENT_SAMPLE:
		node->load_milli = event->sample.load_milli;
		node->cpu_count = event->sample.cpu_count;
		node->memory_bytes = event->sample.memory_bytes;
		node->memory_free_bytes = event->sample.memory_free_bytes;
		break;
	case EVENT_LEAVE:
		swim_leave(node->swim, node->now, event->leave.is_restart, node->effects);
		break;
	}
}

void node_step(struct node *node, const struct event *event, struct effects *effects)
{
	effects_clear(effects);
	node->effects = effects;
	node_read_clocks(node, event);
	node_dispatch(node, event);
	if (node->is_started) {
		if (swim_next_deadline_us(node->swim) <= node->now.mono_us)
			swim_on_deadline(node->swim, node->now, effects);
		node_drain_swim(node);
		if (node->sync_due_us <= node->now.mono_us)
			sync_on_deadline(node);
		if (change_next_deadline_us(node) <= node->now.mono_us)
			change_on_deadline(node);
		if (query_next_deadline_us(node) <= node->now.mono_us)
			query_on_deadline(node);
		node_do_due(node);
		node_drain_swim(node);
	}
	outbox_flush(node);
	node->effects = NULL;
}

int64_t node_next_deadline_us(const struct node *node)
{
	if (!node->is_started)
		return NODE_DEADLINE_NONE;
	int64_t deadlines[] = {
		heap_first_key(&node->jobs.heap), heap_first_key(&node->runs.heap), heap_first_key(&node->proposal_heap),
		swim_next_deadline_us(node->swim), change_next_deadline_us(node), query_next_deadline_us(node),
		node->sync_due_us,
	};
	int64_t first_us = NODE_DEADLINE_NONE;
	for (size_t i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++)
		if (deadlines[i] < first_us)
			first_us = deadlines[i];
	return first_us;
}
