/* node.ls and status: figures of nodes and of the cluster. */
#include <assert.h>
#include <string.h>

#include "agent/core/query.h"

#define COUNT_EVERY_US INT64_C(1000000) /* counting walks all jobs */
#define UNDECIDED_AFTER_MS 1000

/* ---- counts ---- */

static void count_runs(const struct node *node, struct query_counts *counts)
{
	for (uint32_t slot = run_next_slot(&node->runs, RUN_NONE); slot != RUN_NONE;
	     slot = run_next_slot(&node->runs, slot)) {
		enum run_state state = node->runs.runs[slot].record.state;
		counts->running += state == RUN_STARTED;
		counts->claimed += state == RUN_CLAIMED || state == RUN_ARMED;
	}
}

static void count_job(const struct node *node, const struct arc_set *set, const struct job *job,
		      struct query_counts *counts)
{
	if (job->def_counter == 0 || (job->flags & JOB_FLAG_DELETED) != 0)
		return;
	counts->jobs++;
	bool is_paused = (job->flags & JOB_FLAG_PAUSED) != 0;
	counts->paused += is_paused;
	bool is_planned = !is_paused && (job->flags & JOB_FLAG_ENABLED) != 0 &&
			  (job->flags & JOB_FLAG_BROKEN) == 0;
	counts->undecided += is_planned && job->next_ms < node->cluster_ms - UNDECIDED_AFTER_MS;
	int index = set == NULL ? -1 : arc_set_find(set, node_proposer(node, job));
	if (index >= 0)
		counts->proposes[index]++;
}

const struct query_counts *query_counts(struct node *node)
{
	struct query_counts *counts = &node->query->counts;
	if (counts->counted_us != 0 && node->now.mono_us - counts->counted_us < COUNT_EVERY_US)
		return counts;
	*counts = (struct query_counts){.counted_us = node->now.mono_us};
	for (uint32_t slot = job_next_slot(&node->jobs, JOB_NONE); slot != JOB_NONE;
	     slot = job_next_slot(&node->jobs, slot))
		count_job(node, node_set(node, node->jobs.jobs[slot].arc), &node->jobs.jobs[slot],
			  counts);
	count_runs(node, counts);
	return counts;
}

/* ---- node.ls ---- */

static void answer_nodes(struct node *node, const struct asker *asker, const struct gather_page *page)
{
	uint32_t first = page->first;
	uint32_t member_count = swim_member_count(node->swim);
	uint32_t count = 0;
	for (; first < member_count && count < page->limit && answer_has_room(node); first++, count++) {
		const struct member *member = swim_member_at(node->swim, first);
		struct node_figures own;
		const struct node_figures *figures = live_figures_of(node, member->id);
		if (id128_equal(member->id, node->config.id)) {
			row_own_figures(node, &own);
			figures = &own;
		}
		struct buf row;
		buf_init(&row, node->query->row, sizeof(node->query->row));
		row_node(node, &row, member, figures, true);
		answer_row(node, asker, buf_slice(&row));
	}
	uint8_t memory[4];
	store_u32(memory, first);
	query_end_page(node, asker, count, member_count,
		       first < member_count ? slice_of(memory, 4) : slice_of(NULL, 0), true);
}

void query_node_ls(struct node *node, const struct asker *asker, struct slice arguments)
{
	int64_t limit;
	uint8_t memory[8];
	struct buf after;
	buf_init(&after, memory, sizeof(memory));
	if (!argument_token(node, asker, arguments, &after) ||
	    !argument_number(node, asker, arguments, "limit", 1, ROWS_MAX, ROWS_MAX, &limit))
		return;
	struct gather_page page = {.first = after.bytes == 4 ? load_u32(memory) : 0,
				   .limit = (uint32_t)limit};
	gather_begin(node, asker, &page, answer_nodes);
}

/* ---- status ---- */

void status_measure(struct node *node, struct status_figures *ret_figures)
{
	struct query_counts counts = *query_counts(node);
	/* Runs come and go faster than jobs. */
	counts.running = 0;
	counts.claimed = 0;
	count_runs(node, &counts);
	struct figures_minute minute = figures_of_minute(&node->query->figures, node->now.mono_us);
	*ret_figures = (struct status_figures){
		.jobs = counts.jobs,
		.jobs_paused = counts.paused,
		.runs_running = counts.running,
		.runs_claimed = counts.claimed,
		.fires_per_s_milli = (int64_t)minute.started * 1000 / FIGURE_SECONDS,
		.failed_per_min = minute.failed,
		.missed_per_min = minute.missed,
		.lag_p50_us = minute.lag_p50_us,
		.lag_p99_us = minute.lag_p99_us,
		.undecided = counts.undecided,
	};
}

static const struct status_field {
	const char *name;
	size_t offset;
} status_fields[] = {
	{"jobs", offsetof(struct status_figures, jobs)},
	{"jobs_paused", offsetof(struct status_figures, jobs_paused)},
	{"runs_running", offsetof(struct status_figures, runs_running)},
	{"runs_claimed", offsetof(struct status_figures, runs_claimed)},
	{"fires_per_s_milli", offsetof(struct status_figures, fires_per_s_milli)},
	{"failed_per_min", offsetof(struct status_figures, failed_per_min)},
	{"missed_per_min", offsetof(struct status_figures, missed_per_min)},
	{"lag_p50_us", offsetof(struct status_figures, lag_p50_us)},
	{"lag_p99_us", offsetof(struct status_figures, lag_p99_us)},
	{"undecided", offsetof(struct status_figures, undecided)},
};
#define STATUS_FIELD_COUNT (sizeof(status_fields) / sizeof(status_fields[0]))

static void status_fields_put(struct wire_map *map, struct buf *out, const struct status_figures *figures)
{
	for (size_t i = 0; i < STATUS_FIELD_COUNT; i++) {
		int64_t value;
		memcpy(&value, (const uint8_t *)figures + status_fields[i].offset, sizeof(value));
		if (value < 0)
			wire_map_nil(map, out, status_fields[i].name);
		else
			wire_map_i64(map, out, status_fields[i].name, value);
	}
}

void status_figures_put(struct buf *out, const struct status_figures *figures)
{
	struct wire_map map = wire_map_begin(out);
	status_fields_put(&map, out, figures);
	wire_map_end(&map, out);
}

void status_figures_get(struct slice map, struct status_figures *ret_figures)
{
	for (size_t i = 0; i < STATUS_FIELD_COUNT; i++) {
		int64_t value = wire_map_find_i64(map, status_fields[i].name, -1);
		memcpy((uint8_t *)ret_figures + status_fields[i].offset, &value, sizeof(value));
	}
}

static uint32_t set_away_count(const struct node *node)
{
	const struct arc_set *set = node_set(node, 0);
	uint32_t count = 0;
	for (uint32_t i = 0; set != NULL && i < set->member_count; i++) {
		const struct member *member = node_member(node, set->members[i]);
		count += member == NULL || member->rank > MEMBER_SUSPECT;
	}
	return count;
}

static void status_warnings(struct node *node, struct wire_map *map, struct buf *out, bool has_home)
{
	const struct arc_set *set = node_set(node, 0);
	uint32_t away = set_away_count(node);
	const char *warnings[6];
	uint32_t count = 0;
	if (node->config.address.family == 0)
		warnings[count++] = "no key: this agent is alone and hears only its local socket";
	if (!node->runner_is_up)
		warnings[count++] = "runner down: this node starts nothing";
	if (node->is_clock_suspect)
		warnings[count++] = "clock suspect: this node neither proposes nor starts runs";
	if (!node->may_vote)
		warnings[count++] = "this store is older than its peers remember: it does not vote";
	if (set != NULL && set->member_count - away < arc_set_majority(set))
		warnings[count++] = "no majority: nothing can be claimed or changed";
	if (!has_home)
		warnings[count++] = "no voter in reach: jobs and runs are shown as this agent last knew them";
	wire_map_key(map, out, "warnings");
	struct wire_map array = wire_array_begin(out);
	for (uint32_t i = 0; i < count; i++) {
		wire_put_text(out, warnings[i]);
		wire_array_item(&array);
	}
	wire_array_end(&array, out);
}

static void status_members(struct node *node, struct wire_map *map, struct buf *out)
{
	int64_t slots = 0;
	struct node_figures own;
	uint32_t known = 1;
	uint32_t agreeing = 1;
	row_own_figures(node, &own);
	for (uint32_t i = 0; i < swim_member_count(node->swim); i++) {
		const struct member *member = swim_member_at(node->swim, i);
		const struct node_figures *figures = live_figures_of(node, member->id);
		if (member->rank != MEMBER_ALIVE)
			continue;
		slots += member->meta.slots;
		known += figures != NULL;
		agreeing += figures != NULL && figures->view == own.view;
	}
	wire_map_i64(map, out, "nodes_alive", swim_alive_count(node->swim));
	wire_map_i64(map, out, "nodes_total", swim_member_count(node->swim));
	wire_map_i64(map, out, "slots", slots);
	wire_map_i64(map, out, "arcs_moving", 0);
	wire_map_i64(map, out, "arcs_short", set_away_count(node) == 0 ? 0 : ARC_COUNT);
	/* Of those that have said lately whom they take for alive. */
	wire_map_i64(map, out, "views_agree", agreeing);
	wire_map_i64(map, out, "views_total", known);
}

void status_put(struct node *node, struct buf *out, const struct status_figures *figures,
		bool has_home, bool with_clock)
{
	char cluster_id[TEXT_ID_BYTES];
	text_format_id(node_cluster(node), cluster_id);
	struct wire_map map = wire_map_begin(out);
	wire_map_str(&map, out, "cluster",
		     node->config.cluster_name[0] != '\0' ? slice_str(node->config.cluster_name)
							  : slice_of(cluster_id, 8));
	wire_map_text(&map, out, "cluster_id", cluster_id);
	wire_map_text(&map, out, "node", node->config.name);
	status_fields_put(&map, out, figures);
	status_members(node, &map, out);
	wire_map_i64(&map, out, "alerts", 0);
	wire_map_bool(&map, out, "isolated", swim_is_isolated(node->swim));
	wire_map_bool(&map, out, "paused", false);
	status_warnings(node, &map, out, has_home);
	if (with_clock) {
		int64_t skew_ms = swim_clock_offset_ms(node->swim);
		wire_map_i64(&map, out, "clock_skew_ms", skew_ms < 0 ? -skew_ms : skew_ms);
		wire_map_i64(&map, out, "now_at", node->cluster_ms);
	}
	wire_map_end(&map, out);
}

void status_guess(struct node *node, struct status_figures *ret_figures)
{
	const struct query_counts *counts = query_counts(node);
	*ret_figures = (struct status_figures){.jobs = counts->jobs,
					       .jobs_paused = counts->paused,
					       .runs_running = -1,
					       .runs_claimed = -1,
					       .fires_per_s_milli = -1,
					       .failed_per_min = -1,
					       .missed_per_min = -1,
					       .lag_p50_us = -1,
					       .lag_p99_us = -1,
					       .undecided = -1};
}

static void answer_status(struct node *node, const struct asker *asker,
			  const struct status_figures *figures, bool has_home)
{
	struct buf body;
	buf_init(&body, node->query->row, sizeof(node->query->row));
	status_put(node, &body, figures, has_home, true);
	assert(!body.has_overflowed);
	answer_end(node, asker, buf_slice(&body));
}

static void status_with_figures(struct node *node, const struct asker *asker,
				const struct gather_page *page)
{
	(void)page;
	struct id128 home = query_home(node);
	struct status_figures figures;
	if (id128_equal(home, node->config.id)) {
		status_measure(node, &figures);
		answer_status(node, asker, &figures, true);
	} else if (id128_is_zero(home) || !asker_is_local(asker)) {
		query_status_unanswered(node, asker);
	} else {
		const uint8_t empty_map = 0x80;
		relay_pass(node, asker, home, "at.status", slice_of(&empty_map, 1),
			   REQUEST_TIMEOUT_US, RELAY_STATUS);
	}
}

void query_status(struct node *node, const struct asker *asker, struct slice arguments)
{
	(void)arguments;
	const struct gather_page page = {0};
	gather_begin(node, asker, &page, status_with_figures);
}

void query_at_status(struct node *node, const struct asker *asker, struct slice arguments)
{
	(void)arguments;
	uint8_t memory[1024];
	struct buf body;
	struct status_figures figures;
	buf_init(&body, memory, sizeof(memory));
	status_measure(node, &figures);
	status_figures_put(&body, &figures);
	assert(!body.has_overflowed);
	answer_end(node, asker, buf_slice(&body));
}

void query_status_answered(struct node *node, const struct asker *asker, struct slice body)
{
	struct status_figures figures;
	status_figures_get(body, &figures);
	answer_status(node, asker, &figures, true);
}

void query_status_unanswered(struct node *node, const struct asker *asker)
{
	struct status_figures figures;
	status_guess(node, &figures);
	answer_status(node, asker, &figures, false);
}
