/* Rows: what people are shown of jobs, runs and nodes. A field named *_at is ms UTC; nil is "not known". */
#include <stdio.h>
#include <string.h>

#include "agent/core/candidate.h"
#include "agent/core/query.h"

#define COPY_KEY_BYTES 19u
#define NEXT_NODE_MEMBERS_MAX \
	64u /* with more members the next executor is not worked out for a list */
#define COMMAND_SHOWN_BYTES 1024u
#define ID_SHORT_DIGITS 8u

/* ---- names ---- */

static enum err read_definition(struct node *node, struct id128 job, uint8_t *memory,
				struct def_value *ret_value)
{
	uint8_t key[COPY_KEY_BYTES];
	store_u16(key, place_arc(job));
	key[2] = REGISTER_DEF;
	memcpy(key + 3, job.bytes, sizeof(job.bytes));
	struct buf value;
	buf_init(&value, memory, WIDE_BYTES);
	enum err err = node->store->get(node->store->context, TABLE_COPIES,
					slice_of(key, sizeof(key)), &value);
	if (err != ERR_OK)
		return err;
	if (value.bytes < 8)
		return ERR_CORRUPT;
	return def_value_get(slice_of(value.data + 8, value.bytes - 8), ret_value);
}

enum err query_read_definition(struct node *node, struct id128 job, struct def_value *ret_value)
{
	return read_definition(node, job, node->query->definition, ret_value);
}

const char *row_job_name(struct node *node, struct id128 job)
{
	struct query_state *query = node->query;
	struct job_name *oldest = &query->names[0];
	for (uint32_t i = 0; i < JOB_NAMES_KEPT; i++) {
		struct job_name *entry = &query->names[i];
		if (entry->used != 0 && id128_equal(entry->job, job)) {
			entry->used = ++query->name_clock;
			return entry->name;
		}
		if (entry->used < oldest->used)
			oldest = entry;
	}
	struct def_value value;
	if (read_definition(node, job, query->name_definition, &value) != ERR_OK)
		return "?";
	oldest->job = job;
	oldest->used = ++query->name_clock;
	text_copy_slice(oldest->name, sizeof(oldest->name), value.name);
	return oldest->name;
}

/* ---- fields ---- */

void row_time(struct wire_map *map, struct buf *out, const char *key, int64_t utc_ms)
{
	if (utc_ms == 0)
		wire_map_nil(map, out, key);
	else
		wire_map_i64(map, out, key, utc_ms);
}

static void row_text(struct wire_map *map, struct buf *out, const char *key, const char *text)
{
	if (text == NULL || text[0] == '\0')
		wire_map_nil(map, out, key);
	else
		wire_map_text(map, out, key, text);
}

static void row_number(struct wire_map *map, struct buf *out, const char *key, int64_t value,
		       bool is_known)
{
	if (is_known)
		wire_map_i64(map, out, key, value);
	else
		wire_map_nil(map, out, key);
}

void row_node_name(struct node *node, struct wire_map *map, struct buf *out, const char *key,
		   struct id128 id)
{
	if (id128_is_zero(id)) {
		wire_map_nil(map, out, key);
		return;
	}
	const struct member *member = node_member(node, id);
	if (member != NULL) {
		wire_map_text(map, out, key, member->name);
		return;
	}
	char digits[TEXT_ID_BYTES];
	text_format_id(id, digits);
	digits[ID_SHORT_DIGITS] = '\0';
	wire_map_text(map, out, key, digits);
}

static void row_id(struct wire_map *map, struct buf *out, const char *key, struct id128 id)
{
	char digits[TEXT_ID_BYTES];
	text_format_id(id, digits);
	wire_map_text(map, out, key, digits);
}

/* ---- jobs ---- */

/* A run of the job that this node knows to be under way; RUN_NONE. */
static uint32_t row_running(const struct node *node, const struct job *job)
{
	for (uint32_t link = job->run_first; link != 0; link = node->runs.runs[link - 1].job_next)
		if (node->runs.runs[link - 1].record.state == RUN_STARTED)
			return link - 1;
	return RUN_NONE;
}

const char *row_job_state(const struct node *node, uint32_t slot, const struct definition *definition)
{
	const struct job *job = &node->jobs.jobs[slot];
	bool is_manual = definition != NULL && (definition->is_manual ||
						slice_equal(definition->cron, slice_str("@manual")));
	if ((job->flags & JOB_FLAG_PAUSED) != 0)
		return "paused";
	if ((job->flags & JOB_FLAG_ENABLED) == 0)
		return "disabled";
	if (row_running(node, job) != RUN_NONE)
		return "running";
	/* Who does not vote does not know how far the fires are decided. */
	bool is_due = job->next_ms < node->cluster_ms && node_votes(node, job->arc);
	if ((job->flags & JOB_FLAG_BROKEN) != 0 || job->plan == JOB_PLAN_NO_NODE || is_due)
		return "waiting";
	return job->next_ms == SCHEDULE_NEVER && !is_manual ? "exhausted" : "idle";
}

static const char *row_waiting_reason(const struct node *node, const struct job *job)
{
	if ((job->flags & JOB_FLAG_BROKEN) != 0)
		return "its definition or zone can not be read here";
	switch ((enum offer_answer)job->offer_answer) {
	case OFFER_SATURATED:
		return "saturated";
	case OFFER_DRAINING:
		return "node draining";
	case OFFER_USER:
		return "user";
	case OFFER_CLOCK:
		return "clock";
	case OFFER_RUNNER:
		return "runner down";
	case OFFER_TAKE:
	case OFFER_ANSWER_COUNT:
		break;
	}
	if (job->plan == JOB_PLAN_NO_NODE)
		return "no node";
	return id128_is_zero(node_proposer(node, job)) ? "no majority" : "overlap";
}

static char row_history_mark(uint8_t entry)
{
	bool is_late = (entry & 0x80u) != 0;
	switch ((enum verdict)(entry & 0x7fu)) {
	case VERDICT_RAN_OK:
		return is_late ? 'o' : '.';
	case VERDICT_FAILED:
	case VERDICT_TIMEOUT:
	case VERDICT_KILLED:
		return 'x';
	case VERDICT_LOST:
		return 'l';
	case VERDICT_SKIPPED:
		return '-';
	case VERDICT_MISSED:
		return 'm';
	case VERDICT_NONE:
	case VERDICT_COUNT:
		break;
	}
	return '?';
}

static void row_history(const struct node *node, struct wire_map *map, struct buf *out,
			const struct job *job)
{
	char marks[JOB_HISTORY + 2] = "";
	size_t count = 0;
	bool is_running = row_running(node, job) != RUN_NONE;
	/* With one under way the oldest gives up its place. */
	for (uint32_t i = is_running ? 1 : 0; i < JOB_HISTORY; i++)
		if (job->history[i] != VERDICT_NONE)
			marks[count++] = row_history_mark(job->history[i]);
	if (is_running)
		marks[count++] = 'r';
	marks[count] = '\0';
	wire_map_text(map, out, "hist", marks);
}

/* The words of a command with blanks between, those with blanks in quotes. */
static void row_command(struct wire_map *map, struct buf *out, const struct definition *definition)
{
	char text[COMMAND_SHOWN_BYTES];
	if (definition->shell.bytes > 0) {
		text_copy_slice(text, sizeof(text), definition->shell);
		wire_map_text(map, out, "command", text);
		return;
	}
	struct wire_reader reader;
	wire_reader_init(&reader, definition->command);
	uint32_t count = wire_get_array(&reader, COMMAND_ARGS_MAX);
	text[0] = '\0';
	for (uint32_t i = 0; i < count && reader.err == ERR_OK; i++) {
		struct slice word = wire_get_str(&reader, DEFINITION_BYTES_MAX);
		bool is_quoted = word.bytes == 0 || memchr(word.data, ' ', word.bytes) != NULL;
		char joined[COMMAND_SHOWN_BYTES];
		text_join(joined, sizeof(joined), text,
			  slice_str(is_quoted ? (i == 0 ? "'" : " '") : (i == 0 ? "" : " ")));
		text_join(text, sizeof(text), joined, word);
		if (is_quoted) {
			text_join(joined, sizeof(joined), text, slice_str("'"));
			text_copy(text, sizeof(text), joined);
		}
	}
	wire_map_text(map, out, "command", text);
}

static void row_next(struct node *node, struct wire_map *map, struct buf *out, const struct job *job)
{
	const uint8_t against = JOB_FLAG_PAUSED | JOB_FLAG_DELETED | JOB_FLAG_BROKEN;
	bool is_planned = (job->flags & JOB_FLAG_ENABLED) != 0 && (job->flags & against) == 0 &&
			  job->next_ms != SCHEDULE_NEVER &&
			  (job->next_ms >= node->cluster_ms || node_votes(node, job->arc));
	row_time(map, out, "next_at", is_planned ? job->next_ms : 0);
	struct id128 executor = {{0}};
	if (is_planned && (job->plan == JOB_PLAN_OFFERED || job->plan == JOB_PLAN_TAKEN))
		executor = job->executor;
	else if (is_planned && swim_member_count(node->swim) <= NEXT_NODE_MEMBERS_MAX)
		executor = candidate_at(node, job, 0, executor);
	row_node_name(node, map, out, "next_node", executor);
}

static void row_last(struct node *node, struct wire_map *map, struct buf *out,
		     const struct job *job, const char *full)
{
	bool has_last = job->last_due_ms != 0;
	row_time(map, out, "last_due_at", job->last_due_ms);
	row_time(map, out, "last_start_at", job->last_start_ms);
	row_text(map, out, "last_verdict",
		 has_last ? verdict_word((enum verdict)job->last_verdict) : "");
	row_text(map, out, "last_reason", has_last ? job->last_reason : "");
	/* Where it runs now, else where it ran last. */
	uint32_t running = row_running(node, job);
	uint64_t executor_short = running == RUN_NONE
					  ? job->last_executor_short
					  : id128_short(node->runs.runs[running].record.executor);
	const struct member *member =
		executor_short == 0 ? NULL : swim_member_find_short(node->swim, executor_short);
	row_text(map, out, "last_node", member == NULL ? "" : member->name);
	row_number(map, out, "last_dur_ms", job->last_duration_ms, job->last_start_ms != 0);
	char name[RUN_NAME_BYTES_MAX + 1] = "";
	if (has_last) {
		char time[TEXT_TIME_BYTES];
		char head[JOB_NAME_BYTES_MAX + 2];
		text_format_time(job->last_due_ms, time);
		text_join(head, sizeof(head), text_job_display(full), slice_str("@"));
		text_join(name, sizeof(name), head, slice_str(time));
	}
	row_text(map, out, "last_run", name);
}

static void row_job_live(struct node *node, struct wire_map *map, struct buf *out, uint32_t slot,
			 const char *full, const struct definition *definition)
{
	const struct job *job = &node->jobs.jobs[slot];
	const char *state = row_job_state(node, slot, definition);
	wire_map_text(map, out, "state", state);
	row_next(node, map, out, job);
	row_last(node, map, out, job, full);
	row_history(node, map, out, job);
	uint32_t running = row_running(node, job);
	char name[RUN_NAME_BYTES_MAX + 1] = "";
	if (running != RUN_NONE)
		text_format_run(full, &node->runs.runs[running].record.key, name, sizeof(name));
	row_text(map, out, "running_run", name);
	wire_map_i64(map, out, "runs_ok", job->ok_count);
	wire_map_i64(map, out, "runs_failed", job->bad_count);
	row_text(map, out, "waiting_reason",
		 strcmp(state, "waiting") == 0 ? row_waiting_reason(node, job) : "");
}

static const char *row_misfire_word(enum definition_misfire misfire)
{
	switch (misfire) {
	case DEFINITION_MISFIRE_ONCE:
		return "once";
	case DEFINITION_MISFIRE_SKIP:
		return "skip";
	case DEFINITION_MISFIRE_ALL:
		return "all";
	}
	return "";
}

static void row_definition(struct wire_map *map, struct buf *out, const struct definition *definition)
{
	char schedule[DEFINITION_SCHEDULE_BYTES];
	definition_format_schedule(definition, schedule);
	wire_map_text(map, out, "schedule", schedule);
	wire_map_str(map, out, "tz", definition->tz.bytes > 0 ? definition->tz : slice_str("UTC"));
	wire_map_text(map, out, "overlap",
		      definition->overlap == DEFINITION_OVERLAP_ALLOW ? "allow" : "forbid");
	wire_map_text(map, out, "misfire", row_misfire_word(definition->misfire));
	wire_map_str(map, out, "description", definition->description);
	wire_map_str(map, out, "owner", definition->owner);
	row_command(map, out, definition);
}

void row_job_fields(struct node *node, struct wire_map *map, struct buf *out,
		    const struct def_value *value, uint32_t slot)
{
	char full[JOB_NAME_BYTES_MAX + 1];
	text_copy_slice(full, sizeof(full), value->name);
	const char *slash = strchr(full, '/');
	wire_map_text(map, out, "name", text_job_display(full));
	wire_map_text(map, out, "full", full);
	wire_map_str(map, out, "group", slice_of(full, slash == NULL ? 0 : (size_t)(slash - full)));
	if (slot != JOB_NONE)
		row_id(map, out, "id", node->jobs.jobs[slot].id);
	wire_map_i64(map, out, "version", (int64_t)value->counter);
	wire_map_bool(map, out, "enabled", value->is_enabled);
	wire_map_bool(map, out, "paused", value->is_paused);
	struct definition definition;
	bool is_readable = definition_decode(value->definition, &definition, NULL) == ERR_OK;
	if (is_readable)
		row_definition(map, out, &definition);
	if (slot != JOB_NONE)
		row_job_live(node, map, out, slot, full, is_readable ? &definition : NULL);
}

void row_job(struct node *node, struct buf *out, const struct def_value *value, uint32_t slot)
{
	struct wire_map map = wire_map_begin(out);
	row_job_fields(node, &map, out, value, slot);
	wire_map_end(&map, out);
}

/* ---- runs ---- */

const char *row_run_state(const struct node *node, const struct run_record *record)
{
	if (record->key.attempt == UINT16_MAX)
		return "none";
	if (record->state == RUN_LOST)
		return "ended";
	uint32_t slot = record->state == RUN_STARTED ? run_find(&node->runs, &record->key) : RUN_NONE;
	if (slot != RUN_NONE && node->runs.runs[slot].is_kill_asked)
		return "killing";
	return run_state_word(record->state);
}

static void row_run_name(struct node *node, struct wire_map *map, struct buf *out,
			 const struct run_key *key)
{
	const char *full = row_job_name(node, key->job);
	char name[RUN_NAME_BYTES_MAX + 1];
	char run_short[RUN_SHORT_BYTES + 1];
	text_format_run(full, key, name, sizeof(name));
	/* A fire that never had a run is named without shard and attempt. */
	char *slash = strrchr(name, '/');
	if (key->attempt == UINT16_MAX && slash != NULL)
		*slash = '\0';
	text_format_run_short(key, run_short);
	wire_map_text(map, out, "run", name);
	wire_map_text(map, out, "short", run_short);
	wire_map_text(map, out, "job", text_job_display(full));
}

/* A stretch of fires with one verdict is one record and one row, which says how many they are. */
static void row_note(struct node *node, struct wire_map *map, struct buf *out,
		     const struct run_record *record)
{
	struct verdict_record verdict;
	char note[96] = "";
	char from[TEXT_TIME_BYTES];
	if (record->is_late_result) {
		text_copy(note, sizeof(note), "its end came after it was given up as lost");
	} else if (record->key.attempt == UINT16_MAX &&
		   ledger_read_verdict(node, record->key.job, record->key.t_ms, record->key.manual,
				       &verdict) == ERR_OK &&
		   verdict.fire_count > 1) {
		text_format_time(verdict.from_ms, from);
		(void)snprintf(note, sizeof(note), "%llu fires, the first at %s",
			       (unsigned long long)verdict.fire_count, from);
	}
	row_text(map, out, "note", note);
}

static void row_run_times(struct wire_map *map, struct buf *out, const struct run_record *record)
{
	bool has_started = record->started_ms != 0;
	row_time(map, out, "claimed_at", record->claimed_ms);
	row_time(map, out, "armed_at", record->armed_ms);
	row_time(map, out, "started_at", record->started_ms);
	row_time(map, out, "ended_at", record->ended_ms);
	row_number(map, out, "dur_ms", record->duration_us / 1000, has_started && record->ended_ms != 0);
	row_number(map, out, "late_us", record->lateness_us, has_started);
}

void row_run_fields(struct node *node, struct wire_map *map, struct buf *out,
		    const struct run_record *record)
{
	const struct run_key *key = &record->key;
	bool has_run = key->attempt != UINT16_MAX;
	bool is_over = has_run && record->state == RUN_ENDED && record->started_ms != 0;
	row_run_name(node, map, out, key);
	wire_map_i64(map, out, "due_at", key->t_ms);
	wire_map_bool(map, out, "manual", !id128_is_zero(key->manual));
	wire_map_i64(map, out, "shard", key->shard);
	row_number(map, out, "attempt", key->attempt, has_run);
	row_node_name(node, map, out, "node", record->executor);
	if (!id128_is_zero(record->executor))
		row_id(map, out, "node_id", record->executor);
	wire_map_text(map, out, "state", row_run_state(node, record));
	row_text(map, out, "verdict", verdict_word(record->verdict));
	row_text(map, out, "reason", record->reason);
	row_number(map, out, "exit", record->exit_code, is_over && record->exit_code >= 0);
	row_number(map, out, "signal", record->signal, is_over && record->signal != 0);
	row_run_times(map, out, record);
	row_number(map, out, "version", (int64_t)record->def_counter, has_run);
	row_number(map, out, "pid", record->pid, record->pid > 0);
	row_number(map, out, "user_us", record->user_us, is_over);
	row_number(map, out, "system_us", record->system_us, is_over);
	row_number(map, out, "rss_bytes", record->rss_bytes_max, is_over && record->rss_bytes_max >= 0);
	row_number(map, out, "output_bytes", (int64_t)record->output_bytes, is_over);
	row_note(node, map, out, record);
	wire_map_i64(map, out, "as_of_at", node->cluster_ms);
}

void row_run(struct node *node, struct buf *out, const struct run_record *record)
{
	struct wire_map map = wire_map_begin(out);
	row_run_fields(node, &map, out, record);
	wire_map_end(&map, out);
}
