/* What watchers see: the whole state once, then only what changed, at most five batches a second.
 *
 *   changes --> jobs[], runs[], are_nodes_dirty --(200 ms)--> every sink: a client, or an agent that watches
 *
 * Without a sink nothing is noted, no timer runs, and no memory is touched. */
#include "agent/core/live.h"

#include <assert.h>
#include <string.h>

#include "proto/hash.h"

size_t live_bytes(void)
{
	return sizeof(struct live_state);
}

void live_init(struct node *node, void *memory)
{
	node->live = memory;
	node->live->flush_due_us = INT64_MAX;
	node->live->renew_due_us = INT64_MAX;
}

/* ---- sinks ---- */

bool sink_has_own_rows(const struct node *node, const struct sink *sink)
{
	bool wants_rows = (sink->views & (LIVE_VIEW_JOBS | LIVE_VIEW_RUNS)) != 0;
	return wants_rows && (sink_is_peer(sink) || id128_equal(node->live->source, node->config.id));
}

void sink_restart(struct sink *sink)
{
	sink->phase = SINK_JOBS;
	sink->next_slot = JOB_NONE;
}

struct sink *sink_add(struct node *node, const struct asker *asker, unsigned views)
{
	struct live_state *live = node->live;
	for (uint32_t i = 0; i < LIVE_SINKS_MAX; i++) {
		struct sink *sink = &live->sinks[i];
		if (sink->is_used)
			continue;
		*sink = (struct sink){.is_used = true,
				      .asker = *asker,
				      .views = views,
				      .until_us = INT64_MAX,
				      .needs_nodes = true};
		sink_restart(sink);
		if (i >= live->sink_used)
			live->sink_used = i + 1;
		live->client_count += asker_is_local(asker);
		return sink;
	}
	return NULL;
}

void sink_remove(struct node *node, struct sink *sink)
{
	struct live_state *live = node->live;
	sink->is_used = false;
	live->client_count -= !sink_is_peer(sink);
	while (live->sink_used > 0 && !live->sinks[live->sink_used - 1].is_used)
		live->sink_used--;
	if (!sink_is_peer(sink) && live->client_count == 0)
		live_end_watch(node);
	if (live->sink_used > 0)
		return;
	live->flush_due_us = INT64_MAX;
	for (uint32_t i = 0; i < live->job_count; i++)
		node->jobs.jobs[live->jobs[i]].flags &= (uint8_t)~JOB_FLAG_DIRTY;
	live->job_count = 0;
	live->run_count = 0;
	live->is_overflown = false;
}

void sink_tell(struct node *node, const struct sink *sink, const char *view, struct slice key,
	       struct slice row)
{
	struct live_state *live = node->live;
	struct buf item;
	buf_init(&item, live->item, sizeof(live->item));
	if (sink_is_peer(sink)) {
		wire_put_array(&item, 3);
		wire_put_text(&item, view);
		wire_put_str(&item, key.data, key.bytes);
		if (row.bytes > 0) {
			wire_put_raw(&item, row);
		} else {
			wire_put_map(&item, 1);
			wire_put_text(&item, "gone");
			wire_put_bool(&item, true);
		}
		if (!item.has_overflowed)
			outbox_put(node, sink->asker.node, MESSAGE_NEWS, buf_slice(&item));
		return;
	}
	struct wire_map map = wire_map_begin(&item);
	wire_map_text(&map, &item, "view", view);
	wire_map_str(&map, &item, "key", key);
	if (row.bytes > 0) {
		wire_map_key(&map, &item, "row");
		wire_put_raw(&item, row);
	} else {
		wire_map_bool(&map, &item, "gone", true);
	}
	wire_map_end(&map, &item);
	if (!item.has_overflowed)
		answer_row(node, &sink->asker, buf_slice(&item));
}

/* ---- what changed ---- */

void live_wake(struct node *node)
{
	struct live_state *live = node->live;
	int64_t due_us = live->flushed_us + LIVE_BATCH_US;
	if (due_us < node->now.mono_us)
		due_us = node->now.mono_us;
	if (due_us < live->flush_due_us)
		live->flush_due_us = due_us;
}

void live_job_changed(struct node *node, uint32_t slot)
{
	struct live_state *live = node->live;
	struct job *job = &node->jobs.jobs[slot];
	if (live->sink_used == 0 || (job->flags & JOB_FLAG_DIRTY) != 0)
		return;
	if (live->job_count == LIVE_JOBS_CHANGED_MAX) {
		live->is_overflown = true;
	} else {
		job->flags |= JOB_FLAG_DIRTY;
		live->jobs[live->job_count++] = slot;
	}
	live_wake(node);
}

static bool is_run_noted(const struct live_state *live, const struct run_key *key)
{
	const uint32_t look_back = 32; /* a run's states follow one another closely */
	for (uint32_t i = live->run_count; i > 0 && live->run_count - i < look_back; i--)
		if (run_key_equal(&live->runs[i - 1], key))
			return true;
	return false;
}

void live_run_changed(struct node *node, const struct run_record *record)
{
	struct live_state *live = node->live;
	if (record->key.attempt == UINT16_MAX) {
		figures_count_end(&node->query->figures, node->now.mono_us, record->verdict);
	} else if (record->state >= RUN_STARTED) {
		waits_on_run(node, record);
		logs_on_run(node, record);
	}
	if (live->sink_used == 0 || is_run_noted(live, &record->key))
		return;
	if (live->run_count == LIVE_RUNS_CHANGED_MAX)
		live->is_overflown = true;
	else
		live->runs[live->run_count++] = record->key;
	uint32_t job = job_find(&node->jobs, record->key.job);
	if (job != JOB_NONE)
		live_job_changed(node, job);
	live_wake(node);
}

void live_members_changed(struct node *node)
{
	relay_on_members_changed(node);
	if (node->live->sink_used == 0)
		return;
	node->live->are_nodes_dirty = true;
	if (node->live->client_count > 0)
		live_update_source(node);
	live_wake(node);
}

void live_figures_changed(struct node *node)
{
	if (node->live->sink_used == 0)
		return;
	node->live->are_nodes_dirty = true;
	live_wake(node);
}

/* ---- a batch: jobs and runs ---- */

static void tell_job(struct node *node, const struct sink *sink, uint32_t slot)
{
	if ((sink->views & LIVE_VIEW_JOBS) == 0)
		return;
	struct def_value value;
	if (query_read_definition(node, node->jobs.jobs[slot].id, &value) != ERR_OK)
		return;
	struct buf row;
	buf_init(&row, node->query->row, sizeof(node->query->row));
	if (!value.is_deleted)
		row_job(node, &row, &value, slot);
	sink_tell(node, sink, "jobs", value.name, buf_slice(&row));
}

static void tell_run(struct node *node, const struct sink *sink, const struct run_key *key)
{
	struct run_record record;
	if ((sink->views & LIVE_VIEW_RUNS) == 0 || runs_read(node, key, &record) != ERR_OK)
		return;
	struct buf row;
	buf_init(&row, node->query->row, sizeof(node->query->row));
	row_run(node, &row, &record);
	char name[RUN_NAME_BYTES_MAX + 1];
	text_copy_slice(name, sizeof(name), wire_map_find_str(buf_slice(&row), "run"));
	sink_tell(node, sink, "runs", slice_str(name), buf_slice(&row));
}

static void walk_jobs(struct node *node, struct sink *sink)
{
	for (uint32_t count = 0; count < LIVE_WALK_ROWS && answer_has_room(node); count++) {
		uint32_t slot = job_next_slot(&node->jobs, sink->next_slot);
		if (slot == JOB_NONE) {
			sink->phase = SINK_RUNS;
			return;
		}
		sink->next_slot = slot;
		if ((node->jobs.jobs[slot].flags & JOB_FLAG_DELETED) == 0)
			tell_job(node, sink, slot);
	}
}

static void walk_runs(struct node *node, struct sink *sink)
{
	uint32_t count = 0;
	for (uint32_t slot = run_next_slot(&node->runs, RUN_NONE);
	     slot != RUN_NONE && count < LIVE_WALK_ROWS && answer_has_room(node);
	     slot = run_next_slot(&node->runs, slot)) {
		struct run_key key = node->runs.runs[slot].record.key;
		tell_run(node, sink, &key);
		count++;
	}
	uint8_t memory[64];
	struct buf place;
	struct run_key key;
	buf_init(&place, memory, sizeof(memory));
	for (count = 0;
	     count < LIVE_PAST_RUNS && answer_has_room(node) && runs_next_stored(node, &place, &key);
	     count++)
		if (run_find(&node->runs, &key) == RUN_NONE)
			tell_run(node, sink, &key);
	sink->phase = SINK_DONE;
}

static void tell_synced(struct node *node, struct sink *sink)
{
	const uint8_t empty_map = 0x80;
	if (sink->is_synced)
		return;
	sink->is_synced = true;
	sink_tell(node, sink, "sync", slice_of(NULL, 0), slice_of(&empty_map, 1));
}

/* False: there was no room for all. */
static bool tell_changes(struct node *node, const struct sink *sink)
{
	const struct live_state *live = node->live;
	for (uint32_t i = 0; i < live->job_count; i++) {
		if (!answer_has_room(node))
			return false;
		tell_job(node, sink, live->jobs[i]);
	}
	for (uint32_t i = 0; i < live->run_count; i++) {
		if (!answer_has_room(node))
			return false;
		tell_run(node, sink, &live->runs[i]);
	}
	return true;
}

static void tell_rows(struct node *node, struct sink *sink)
{
	if (node->live->is_overflown)
		sink_restart(sink);
	else if (!tell_changes(node, sink))
		sink_restart(sink);
	if (sink->phase == SINK_JOBS)
		walk_jobs(node, sink);
	if (sink->phase == SINK_RUNS && answer_has_room(node))
		walk_runs(node, sink);
	if (sink->phase == SINK_DONE)
		tell_synced(node, sink);
}

/* ---- a batch: nodes and status ---- */

static void tell_node(struct node *node, const struct member *member)
{
	struct live_state *live = node->live;
	struct heard *heard = live_heard(node, member->id, true);
	struct node_figures own;
	const struct node_figures *figures = live_figures_of(node, member->id);
	if (id128_equal(member->id, node->config.id)) {
		row_own_figures(node, &own);
		figures = &own;
	}
	struct buf row;
	buf_init(&row, node->query->row, sizeof(node->query->row));
	row_node(node, &row, member, figures, false);
	uint64_t hash = hash_u64(buf_slice(&row));
	bool is_news = heard == NULL || heard->row_hash != hash;
	if (heard != NULL)
		heard->row_hash = hash;
	buf_clear(&row);
	row_node(node, &row, member, figures, true);
	char id[TEXT_ID_BYTES];
	text_format_id(member->id, id);
	for (uint32_t i = 0; i < live->sink_used; i++) {
		const struct sink *sink = &live->sinks[i];
		bool is_told = sink->is_used && !sink_is_peer(sink) &&
			       (sink->views & LIVE_VIEW_NODES) != 0 && (is_news || sink->needs_nodes);
		if (is_told && answer_has_room(node))
			sink_tell(node, sink, "nodes", slice_str(id), buf_slice(&row));
	}
}

static void tell_nodes(struct node *node)
{
	struct live_state *live = node->live;
	bool is_needed = live->are_nodes_dirty;
	for (uint32_t i = 0; i < live->sink_used; i++)
		is_needed = is_needed || (live->sinks[i].is_used && live->sinks[i].needs_nodes);
	if (!is_needed || live->client_count == 0)
		return;
	for (uint32_t i = 0; i < swim_member_count(node->swim); i++)
		tell_node(node, swim_member_at(node->swim, i));
	for (uint32_t i = 0; i < live->sink_used; i++)
		live->sinks[i].needs_nodes = false;
}

static void tell_status(struct node *node, struct sink *sink)
{
	struct live_state *live = node->live;
	if ((sink->views & LIVE_VIEW_STATUS) == 0)
		return;
	bool is_own = id128_equal(live->source, node->config.id);
	bool has_home = is_own ? !id128_is_zero(query_home(node)) : live->has_source_status;
	struct status_figures figures;
	if (!has_home)
		status_guess(node, &figures);
	else if (is_own)
		status_measure(node, &figures);
	else
		figures = live->source_status;
	struct buf row;
	buf_init(&row, node->query->row, sizeof(node->query->row));
	status_put(node, &row, &figures, has_home, false);
	uint64_t hash = hash_u64(buf_slice(&row));
	if (hash == sink->status_hash)
		return;
	sink->status_hash = hash;
	buf_clear(&row);
	status_put(node, &row, &figures, has_home, true);
	sink_tell(node, sink, "status", slice_of(NULL, 0), buf_slice(&row));
}

/* ---- time ---- */

static void live_flush(struct node *node)
{
	struct live_state *live = node->live;
	bool is_more = false;
	for (uint32_t i = 0; i < live->sink_used; i++) {
		struct sink *sink = &live->sinks[i];
		if (!sink->is_used)
			continue;
		if (sink_has_own_rows(node, sink))
			tell_rows(node, sink);
		else if (!sink_is_peer(sink) && (sink->views & (LIVE_VIEW_JOBS | LIVE_VIEW_RUNS)) == 0)
			tell_synced(node, sink);
		is_more = is_more || (sink_has_own_rows(node, sink) && sink->phase != SINK_DONE);
	}
	tell_nodes(node);
	for (uint32_t i = 0; i < live->sink_used; i++) {
		if (!live->sinks[i].is_used)
			continue;
		if (sink_is_peer(&live->sinks[i]))
			live_tell_peer(node, &live->sinks[i]);
		else
			tell_status(node, &live->sinks[i]);
	}
	for (uint32_t i = 0; i < live->job_count; i++)
		node->jobs.jobs[live->jobs[i]].flags &= (uint8_t)~JOB_FLAG_DIRTY;
	live->job_count = 0;
	live->run_count = 0;
	live->is_overflown = false;
	live->are_nodes_dirty = false;
	live->flushed_us = node->now.mono_us;
	live->flush_due_us = node->now.mono_us + (is_more ? LIVE_BATCH_US : LIVE_TICK_US);
}

void live_on_deadline(struct node *node)
{
	struct live_state *live = node->live;
	for (uint32_t i = 0; i < live->sink_used; i++)
		if (live->sinks[i].is_used && live->sinks[i].until_us <= node->now.mono_us)
			sink_remove(node, &live->sinks[i]);
	if (live->renew_due_us <= node->now.mono_us)
		live_renew(node);
	if (live->flush_due_us <= node->now.mono_us && live->sink_used > 0)
		live_flush(node);
}

int64_t live_next_deadline_us(const struct node *node)
{
	const struct live_state *live = node->live;
	return live->flush_due_us < live->renew_due_us ? live->flush_due_us : live->renew_due_us;
}

/* ---- clients ---- */

void live_start(struct node *node, const struct asker *asker, unsigned views)
{
	struct sink *sink = sink_add(node, asker, views);
	if (sink == NULL) {
		struct problem problem;
		problem_set(&problem, ERR_FULL, "watch: this agent has %u watchers already",
			    LIVE_SINKS_MAX);
		problem_hint(&problem, "close a console, or ask another agent");
		answer_error(node, asker, &problem);
		return;
	}
	if (node->live->client_count == 1)
		node->live->source = (struct id128){{0}};
	live_update_source(node);
	live_wake(node);
}

void live_forget(struct node *node, const struct asker *asker)
{
	struct live_state *live = node->live;
	for (uint32_t i = 0; i < live->sink_used; i++) {
		struct sink *sink = &live->sinks[i];
		if (sink->is_used && !sink_is_peer(sink) && sink->asker.client == asker->client)
			sink_remove(node, sink);
	}
}

void query_watch(struct node *node, const struct asker *asker, struct slice arguments)
{
	static const struct {
		const char *word;
		unsigned view;
	} views[] = {{"jobs", LIVE_VIEW_JOBS},
		     {"nodes", LIVE_VIEW_NODES},
		     {"runs", LIVE_VIEW_RUNS},
		     {"status", LIVE_VIEW_STATUS}};
	struct problem problem;
	struct wire_reader reader;
	unsigned wanted = 0;
	bool is_good = asker_is_local(asker);
	if (wire_map_find(arguments, "views", &reader) && wire_peek(&reader) != WIRE_NIL) {
		uint32_t count = wire_get_array(&reader, 16);
		for (uint32_t i = 0; i < count && is_good; i++) {
			struct slice word = wire_get_str(&reader, 16);
			unsigned view = 0;
			for (size_t v = 0; v < sizeof(views) / sizeof(views[0]); v++)
				view |= slice_equal(word, slice_str(views[v].word)) ? views[v].view : 0;
			is_good = reader.err == ERR_OK && view != 0;
			wanted |= view;
		}
		is_good = is_good && reader.err == ERR_OK;
	} else {
		wanted = LIVE_VIEW_JOBS | LIVE_VIEW_NODES | LIVE_VIEW_RUNS | LIVE_VIEW_STATUS;
	}
	if (is_good && wanted != 0) {
		live_start(node, asker, wanted);
		return;
	}
	problem_set(&problem, ERR_INVALID, "views: a list of jobs, nodes, runs, status is expected");
	answer_error(node, asker, &problem);
}
