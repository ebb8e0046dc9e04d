/* job.show: everything about one job. */
#include <assert.h>
#include <string.h>

#include "agent/core/query.h"
#include "proto/hash.h"

#define NEXT_SHOWN 3u
#define LAST_SHOWN 5u
#define OPEN_SHOWN 32u

static void show_open(struct node *node, struct wire_map *map, struct buf *out,
		      const struct job *job, const char *full)
{
	wire_map_key(map, out, "open");
	struct wire_map array = wire_array_begin(out);
	uint32_t count = 0;
	for (uint32_t link = job->run_first; link != 0 && count < OPEN_SHOWN;
	     link = node->runs.runs[link - 1].job_next) {
		const struct run *run = &node->runs.runs[link - 1];
		char name[RUN_NAME_BYTES_MAX + 1];
		if (!run->is_open)
			continue;
		text_format_run(full, &run->record.key, name, sizeof(name));
		wire_put_text(out, name);
		wire_array_item(&array);
		count++;
	}
	wire_array_end(&array, out);
}

static void show_set(struct node *node, struct wire_map *map, struct buf *out, const struct job *job)
{
	const struct arc_set *set = node_set(node, job->arc);
	wire_map_i64(map, out, "arc", job->arc);
	char epoch[TEXT_NUMBER_BYTES];
	text_format_i64(set == NULL ? 0 : (int64_t)set->epoch.number, epoch);
	wire_map_text(map, out, "epoch", epoch);
	wire_map_key(map, out, "set");
	struct wire_map array = wire_array_begin(out);
	for (uint32_t i = 0; set != NULL && i < set->member_count; i++) {
		wire_put_text(out, node_name_of(node, set->members[i]));
		wire_array_item(&array);
	}
	wire_array_end(&array, out);
	row_node_name(node, map, out, "proposer", node_proposer(node, job));
}

static void show_next(struct node *node, struct wire_map *map, struct buf *out,
		      const struct def_value *value)
{
	struct definition definition;
	struct schedule schedule;
	const struct zone *zone;
	wire_map_key(map, out, "next");
	struct wire_map array = wire_array_begin(out);
	bool is_planned = value->is_enabled && !value->is_paused && !value->is_deleted &&
			  planner_schedule(node, value, &definition, &schedule, &zone, NULL) == ERR_OK;
	int64_t t_ms = value->from_ms > node->cluster_ms ? value->from_ms : node->cluster_ms;
	for (uint32_t i = 0; i < NEXT_SHOWN && is_planned; i++) {
		t_ms = schedule_next(&schedule, zone, t_ms);
		if (t_ms == SCHEDULE_NEVER)
			break;
		wire_put_i64(out, t_ms);
		wire_array_item(&array);
	}
	wire_array_end(&array, out);
}

static void show_last(struct node *node, struct wire_map *map, struct buf *out, struct id128 job)
{
	wire_map_key(map, out, "last");
	struct wire_map array = wire_array_begin(out);
	uint8_t memory[64];
	struct buf place;
	struct run_key key;
	uint32_t count = 0;
	buf_init(&place, memory, sizeof(memory));
	for (uint32_t looked = 0;
	     looked < LOOK_KEYS_MAX && count < LAST_SHOWN && runs_next_stored(node, &place, &key);
	     looked++) {
		struct run_record record;
		if (!id128_equal(key.job, job) || runs_read(node, &key, &record) != ERR_OK ||
		    record.verdict == VERDICT_NONE)
			continue;
		struct wire_map row = wire_map_begin(out);
		row_run_fields(node, &row, out, &record);
		char fire[RUN_NAME_BYTES_MAX + 1];
		text_format_run(row_job_name(node, job), &key, fire, sizeof(fire));
		char *slash = strrchr(fire, '/');
		if (slash != NULL)
			*slash = '\0';
		wire_map_text(&row, out, "fire", fire);
		wire_map_end(&row, out);
		wire_array_item(&array);
		count++;
	}
	wire_array_end(&array, out);
}

static void answer_show(struct node *node, const struct asker *asker, const struct def_value *value,
			struct id128 id, uint32_t slot, bool is_complete)
{
	struct buf row;
	buf_init(&row, node->query->row, sizeof(node->query->row));
	struct wire_map map = wire_map_begin(&row);
	row_job_fields(node, &map, &row, value, slot);
	wire_map_key(&map, &row, "definition");
	wire_put_bin(&row, value->definition.data, value->definition.bytes);
	wire_map_str(&map, &row, "by", value->by);
	wire_map_str(&map, &row, "change_reason", value->reason);
	row_time(&map, &row, "changed_at", value->changed_ms);
	row_time(&map, &row, "created_at", value->created_ms);
	row_time(&map, &row, "from_at", value->from_ms);
	const struct job *job = &node->jobs.jobs[slot];
	char full[JOB_NAME_BYTES_MAX + 1];
	text_copy_slice(full, sizeof(full), value->name);
	row_time(&map, &row, "through_at", job->through_ms < 0 ? 0 : job->through_ms);
	show_open(node, &map, &row, job, full);
	show_set(node, &map, &row, job);
	show_next(node, &map, &row, value);
	show_last(node, &map, &row, id);
	wire_map_i64(&map, &row, "as_of_at", node->cluster_ms);
	query_put_missing(node, &map, &row, is_complete);
	wire_map_end(&map, &row);
	assert(!row.has_overflowed);
	answer_end(node, asker, buf_slice(&row));
}

void query_job_show(struct node *node, const struct asker *asker, struct slice arguments)
{
	char full[JOB_NAME_BYTES_MAX + 1];
	if (!argument_job(node, asker, arguments, "name", full))
		return;
	struct id128 id = hash_id(slice_str(full));
	struct id128 proposer = query_proposer(node, id);
	bool is_complete = node_votes(node, place_arc(id));
	/* Without a proposer in reach it is answered from the copy that every agent has, and says so. */
	if (!is_complete && !(id128_is_zero(proposer) && asker_is_local(asker)) &&
	    !query_is_here(node, asker, proposer, "job.show", arguments, REQUEST_TIMEOUT_US))
		return;
	struct def_value value;
	uint32_t slot = job_find(&node->jobs, id);
	if (slot != JOB_NONE && query_read_definition(node, id, &value) == ERR_OK && !value.is_deleted) {
		answer_show(node, asker, &value, id, slot, is_complete);
		return;
	}
	struct problem problem;
	problem_set(&problem, ERR_NOT_FOUND, "job %s: there is no such job", text_job_display(full));
	problem_hint(&problem, "schedctl job ls");
	answer_error(node, asker, &problem);
}
