/* next: the fires to come, of all jobs or of some, in the order of time.
 *
 *   chosen  | t1 | t2 | t3 | ... |     the soonest so far, sorted; a later one falls out at the end
 *
 * A job whose first fire is not sooner than the last of a full list has none in it, so most jobs cost one look. */
#include <assert.h>
#include <string.h>

#include "agent/core/candidate.h"
#include "agent/core/query.h"
#include "proto/hash.h"

#define FIRES_DEFAULT 10
#define JOBS_LOOKED_MAX 20000u /* definitions read by one request */

static int64_t fires_limit_ms(const struct fire_list *list)
{
	bool is_full = list->count == list->count_max;
	return is_full && list->fires[list->count - 1].t_ms < list->to_ms
		       ? list->fires[list->count - 1].t_ms - 1
		       : list->to_ms;
}

static void fires_insert(struct fire_list *list, int64_t t_ms, uint32_t job)
{
	if (list->count < list->count_max)
		list->count++;
	uint32_t place = list->count - 1;
	for (; place > 0 && list->fires[place - 1].t_ms > t_ms; place--)
		list->fires[place] = list->fires[place - 1];
	list->fires[place] = (struct fire){.t_ms = t_ms, .job = job};
}

static void fires_of_job(struct node *node, struct fire_list *list, uint32_t slot)
{
	const struct job *job = &node->jobs.jobs[slot];
	const uint8_t against = JOB_FLAG_PAUSED | JOB_FLAG_DELETED | JOB_FLAG_BROKEN;
	struct def_value value;
	struct definition definition;
	struct schedule schedule;
	const struct zone *zone;
	if ((job->flags & JOB_FLAG_ENABLED) == 0 || (job->flags & against) != 0)
		return;
	if (query_read_definition(node, job->id, &value) != ERR_OK ||
	    planner_schedule(node, &value, &definition, &schedule, &zone, NULL) != ERR_OK)
		return;
	int64_t t_ms = list->from_ms > value.from_ms ? list->from_ms : value.from_ms;
	for (uint32_t i = 0; i < list->count_max; i++) {
		t_ms = schedule_next(&schedule, zone, t_ms);
		if (t_ms > fires_limit_ms(list))
			return;
		fires_insert(list, t_ms, slot);
	}
}

static void fires_of_all(struct node *node, struct fire_list *list)
{
	uint32_t looked = 0;
	for (uint32_t slot = job_next_slot(&node->jobs, JOB_NONE); slot != JOB_NONE;
	     slot = job_next_slot(&node->jobs, slot)) {
		const struct job *job = &node->jobs.jobs[slot];
		/* next_ms is the first fire that is not decided: nothing before it is to come. */
		if (job->next_ms == SCHEDULE_NEVER || job->next_ms > fires_limit_ms(list))
			continue;
		list->is_cut = looked == JOBS_LOOKED_MAX;
		if (list->is_cut)
			return;
		looked++;
		fires_of_job(node, list, slot);
	}
}

/* The jobs that are named; false: the asker was told what is wrong. */
static bool fires_of_named(struct node *node, const struct asker *asker, struct fire_list *list,
			   struct wire_reader *names)
{
	uint32_t count = wire_get_array(names, 1024);
	struct problem problem = {0};
	for (uint32_t i = 0; i < count; i++) {
		char full[JOB_NAME_BYTES_MAX + 1];
		struct slice text = wire_get_str(names, JOB_NAME_BYTES_MAX);
		if (names->err != ERR_OK)
			break;
		if (text_parse_job_name(text, full, &problem) != ERR_OK) {
			answer_error(node, asker, &problem);
			return false;
		}
		uint32_t slot = job_find(&node->jobs, hash_id(slice_str(full)));
		if (slot == JOB_NONE || (node->jobs.jobs[slot].flags & JOB_FLAG_DELETED) != 0) {
			problem_set(&problem, ERR_NOT_FOUND, "job %s: there is no such job",
				    text_job_display(full));
			problem_hint(&problem, "schedctl job ls");
			answer_error(node, asker, &problem);
			return false;
		}
		fires_of_job(node, list, slot);
	}
	if (names->err == ERR_OK)
		return true;
	problem_set(&problem, ERR_INVALID, "jobs: a list of at most 1024 job names is expected");
	answer_error(node, asker, &problem);
	return false;
}

static void answer_fire(struct node *node, const struct asker *asker, const struct fire *fire)
{
	const struct job *job = &node->jobs.jobs[fire->job];
	const char *full = row_job_name(node, job->id);
	char time[TEXT_TIME_BYTES];
	char head[JOB_NAME_BYTES_MAX + 2];
	char name[RUN_NAME_BYTES_MAX + 1];
	text_format_time(fire->t_ms, time);
	text_join(head, sizeof(head), text_job_display(full), slice_str("@"));
	text_join(name, sizeof(name), head, slice_str(time));
	struct def_value value;
	struct definition definition;
	struct slice tz = slice_str("UTC");
	if (query_read_definition(node, job->id, &value) == ERR_OK &&
	    definition_decode(value.definition, &definition, NULL) == ERR_OK && definition.tz.bytes > 0)
		tz = definition.tz;
	uint8_t memory[1024];
	struct buf row;
	buf_init(&row, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&row);
	wire_map_text(&map, &row, "fire", name);
	wire_map_text(&map, &row, "job", text_job_display(full));
	wire_map_i64(&map, &row, "t_at", fire->t_ms);
	struct id128 nobody = {{0}};
	const uint32_t members_max = 64; /* beyond, working out who is first for each fire takes too long */
	row_node_name(node, &map, &row, "node",
		      swim_member_count(node->swim) <= members_max ? candidate_at(node, job, 0, nobody)
								   : nobody);
	wire_map_str(&map, &row, "tz", tz);
	wire_map_end(&map, &row);
	assert(!row.has_overflowed);
	answer_row(node, asker, buf_slice(&row));
}

void query_next(struct node *node, const struct asker *asker, struct slice arguments)
{
	struct fire_list *list = &node->query->fires;
	struct wire_reader names;
	int64_t count, limit, from_ms, to_ms;
	bool is_complete;
	if (!argument_number(node, asker, arguments, "count", 1, FIRES_MAX, FIRES_DEFAULT, &count) ||
	    !argument_number(node, asker, arguments, "limit", 1, FIRES_MAX, count, &limit) ||
	    !argument_number(node, asker, arguments, "from_at", 0, INT64_MAX, node->cluster_ms, &from_ms) ||
	    !argument_number(node, asker, arguments, "to_at", 0, INT64_MAX, INT64_MAX - 1, &to_ms) ||
	    !query_is_read_here(node, asker, "next", arguments, &is_complete))
		return;
	list->count = 0;
	list->count_max = (uint32_t)(limit > count ? limit : count);
	list->from_ms = from_ms;
	list->to_ms = to_ms;
	list->is_cut = false;
	if (wire_map_find(arguments, "jobs", &names) && wire_peek(&names) != WIRE_NIL) {
		if (!fires_of_named(node, asker, list, &names))
			return;
	} else {
		fires_of_all(node, list);
	}
	for (uint32_t i = 0; i < list->count; i++)
		answer_fire(node, asker, &list->fires[i]);
	query_end_page(node, asker, list->count, -1, slice_of(NULL, 0), is_complete && !list->is_cut);
}
