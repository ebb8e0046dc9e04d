/* What a change came to, as the asker is told. */
#include "agent/core/change.h"
#include "proto/text.h"

#define NEXT_SHOWN 5u
#define MAY_START_SHOWN 16u

static void answer_next(struct node *node, const struct change *change, struct wire_map *map, struct buf *body)
{
	struct def_value value;
	struct definition definition;
	struct schedule schedule;
	const struct zone *zone;
	if (catalog_read(node, node->jobs.jobs[change->job].id, &value) != ERR_OK ||
	    planner_schedule(node, &value, &definition, &schedule, &zone, NULL) != ERR_OK)
		return;
	char words[SCHEDULE_WORDS_BYTES_MAX];
	if (schedule_describe(&schedule, words, sizeof(words)) == ERR_OK)
		wire_map_text(map, body, "words", words);
	bool is_planned = value.is_enabled && !value.is_paused && !value.is_deleted;
	int64_t t_ms = value.from_ms > node->cluster_ms ? value.from_ms : node->cluster_ms;
	wire_map_key(map, body, "next");
	struct wire_map array = wire_array_begin(body);
	for (uint32_t i = 0; i < NEXT_SHOWN && is_planned; i++) {
		t_ms = schedule_next(&schedule, zone, t_ms);
		if (t_ms == SCHEDULE_NEVER)
			break;
		wire_put_i64(body, t_ms);
		wire_array_item(&array);
	}
	wire_array_end(&array, body);
}

/* Runs that were claimed before and whose executors did not answer: they may still start. */
static void answer_may_start(struct node *node, const struct change *change, struct wire_map *map, struct buf *body)
{
	wire_map_key(map, body, "may_start");
	struct wire_map array = wire_array_begin(body);
	uint32_t shown = 0;
	uint32_t link = change->phase == CHANGE_REVOKE ? node->jobs.jobs[change->job].run_first : 0;
	for (; link != 0 && shown < MAY_START_SHOWN; link = node->runs.runs[link - 1].job_next) {
		const struct run *run = &node->runs.runs[link - 1];
		if (!run->is_open || !run->is_revoking || run->record.state >= RUN_STARTED)
			continue;
		char name[RUN_NAME_BYTES_MAX + 1];
		text_format_run(text_job_display(change->name), &run->record.key, name, sizeof(name));
		wire_put_text(body, name);
		wire_array_item(&array);
		shown++;
	}
	wire_array_end(&array, body);
}

void change_answer(struct node *node, const struct change *change, bool is_changed)
{
	uint8_t memory[8192];
	struct buf body;
	buf_init(&body, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&body);
	wire_map_text(&map, &body, "name", text_job_display(change->name));
	wire_map_i64(&map, &body, "version", (int64_t)change->counter);
	wire_map_bool(&map, &body, "changed", is_changed);
	wire_map_i64(&map, &body, "nodes", swim_alive_count(node->swim));
	answer_next(node, change, &map, &body);
	answer_may_start(node, change, &map, &body);
	wire_map_end(&map, &body);
	if (!body.has_overflowed)
		answer_end(node, &change->asker, buf_slice(&body));
}
