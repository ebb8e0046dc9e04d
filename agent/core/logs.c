/* Output of runs, for people who read it.
 *
 *   of a run   read at the edge of its executor: rows of lines, a line of ours with the verdict, the end
 *   of a job   at home: the newest run's lines as an inner request of this agent to itself or to the executor; followed, it
 *              waits for the next run to start, and so on
 *   of all     at home: an inner request for each run that starts from now on */
#include <assert.h>
#include <string.h>

#include "agent/core/query.h"
#include "proto/hash.h"

#define RETRY_US 300000
#define TAIL_LINES_MAX 100000
#define LINES_MAX 65536u /* in one event */

/* ---- entries ---- */

static struct logs *logs_take(struct node *node, const struct asker *asker)
{
	struct query_state *query = node->query;
	for (uint32_t i = 0; i < LOGS_MAX; i++) {
		if (query->logs[i].phase != LOGS_FREE)
			continue;
		if (i >= query->logs_used)
			query->logs_used = i + 1;
		query->logs[i] = (struct logs){
			.ticket = ++query->last_id, .asker = *asker, .retry_us = INT64_MAX};
		return &query->logs[i];
	}
	struct problem problem;
	problem_set(&problem, ERR_FULL, "logs: %u readers at this agent already", LOGS_MAX);
	problem_hint(&problem, "end one of them, or ask another agent");
	answer_error(node, asker, &problem);
	return NULL;
}

static void logs_free(struct node *node, struct logs *logs)
{
	struct query_state *query = node->query;
	logs->phase = LOGS_FREE;
	while (query->logs_used > 0 && query->logs[query->logs_used - 1].phase == LOGS_FREE)
		query->logs_used--;
}

static struct logs *logs_find(struct node *node, uint64_t ticket)
{
	struct query_state *query = node->query;
	for (uint32_t i = 0; i < query->logs_used; i++)
		if (query->logs[i].phase != LOGS_FREE && query->logs[i].ticket == ticket)
			return &query->logs[i];
	return NULL;
}

/* Who asks for the lines of one run on behalf of a reader of a job: this agent itself. */
static struct asker inner_asker(const struct node *node, const struct logs *logs)
{
	struct asker asker = {.node = node->config.id, .relay = logs->ticket};
	memcpy(asker.user, logs->asker.user, sizeof(asker.user));
	return asker;
}

/* ---- lines ---- */

static void put_line(struct node *node, const struct logs *logs, int64_t t_ms, const char *stream,
		     struct slice text)
{
	const char *full = row_job_name(node, logs->run.job);
	char name[RUN_NAME_BYTES_MAX + 1];
	char run_short[RUN_SHORT_BYTES + 1];
	text_format_run(full, &logs->run, name, sizeof(name));
	text_format_run_short(&logs->run, run_short);
	struct buf row;
	buf_init(&row, node->query->row, sizeof(node->query->row));
	struct wire_map map = wire_map_begin(&row);
	wire_map_text(&map, &row, "run", name);
	wire_map_text(&map, &row, "short", run_short);
	wire_map_text(&map, &row, "job", text_job_display(full));
	wire_map_text(&map, &row, "node", node->config.name);
	wire_map_i64(&map, &row, "t_at", t_ms);
	wire_map_text(&map, &row, "stream", stream);
	wire_map_key(&map, &row, "text");
	wire_put_bin(&row, text.data, text.bytes);
	wire_map_end(&map, &row);
	if (!row.has_overflowed)
		answer_row(node, &logs->asker, buf_slice(&row));
}

static void put_verdict(struct node *node, const struct logs *logs, const struct run_record *record)
{
	char text[RESULT_BYTES_MAX + 64];
	char joined[RESULT_BYTES_MAX + 64];
	text_copy(text, sizeof(text), verdict_word(record->verdict));
	if (record->reason[0] != '\0') {
		text_join(joined, sizeof(joined), text, slice_str("("));
		text_join(text, sizeof(text), joined, slice_str(record->reason));
		text_join(joined, sizeof(joined), text, slice_str(")"));
		text_copy(text, sizeof(text), joined);
	}
	if (record->started_ms != 0) {
		char span[TEXT_DURATION_BYTES];
		text_format_span(record->duration_us / 1000, span);
		text_join(joined, sizeof(joined), text, slice_str(" after "));
		text_join(text, sizeof(text), joined, slice_str(span));
	}
	put_line(node, logs, record->ended_ms, "!", slice_str(text));
}

static void answer_lines_end(struct node *node, const struct asker *asker, const char *missing)
{
	uint8_t memory[256];
	struct buf body;
	buf_init(&body, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&body);
	wire_map_bool(&map, &body, "complete", missing == NULL);
	wire_map_key(&map, &body, "missing");
	wire_put_array(&body, missing == NULL ? 0 : 1);
	if (missing != NULL)
		wire_put_text(&body, missing);
	wire_map_end(&map, &body);
	assert(!body.has_overflowed);
	answer_end(node, asker, buf_slice(&body));
}

void logs_answer_missing(struct node *node, const struct asker *asker, struct id128 executor)
{
	answer_lines_end(node, asker, node_name_of(node, executor));
}

static void logs_finish(struct node *node, struct logs *logs, const char *missing)
{
	struct asker asker = logs->asker;
	logs_free(node, logs);
	answer_lines_end(node, &asker, missing);
}

/* All lines were told: what is left is the verdict. */
static void logs_read_out(struct node *node, struct logs *logs)
{
	struct run_record record;
	bool is_known = ledger_read(node, &logs->run, &record) == ERR_OK;
	if (is_known && run_state_is_final(record.state)) {
		if (record.verdict != VERDICT_NONE)
			put_verdict(node, logs, &record);
		logs_finish(node, logs, NULL);
	} else if (is_known && logs->is_follow) {
		logs->is_read_out = true;
		logs->phase = LOGS_RETRY;
		logs->retry_us = node->now.mono_us + RETRY_US;
	} else {
		logs_finish(node, logs, NULL);
	}
}

static void logs_read(struct node *node, struct logs *logs, uint64_t offset)
{
	bool is_tail = logs->tail_lines > 0 && offset == 0;
	logs->phase = LOGS_READ;
	logs->retry_us = INT64_MAX;
	effects_output_read(node->effects, logs->ticket, &logs->run, offset, is_tail, logs->is_follow);
}

static bool get_line(struct wire_reader *reader, int64_t *ret_t_ms, char ret_stream[2],
		     struct slice *ret_text)
{
	uint32_t count = wire_get_array_min(reader, 3);
	*ret_t_ms = wire_get_i64(reader);
	wire_get_text(reader, ret_stream, 2);
	*ret_text = wire_get_bin(reader, OUTPUT_LINE_BYTES_MAX);
	if (reader->err == ERR_OK)
		wire_skip_items(reader, count - 3);
	return reader->err == ERR_OK;
}

/* Tells lines while there is room; what is left is kept for the next step of this commit. */
static void put_lines(struct node *node, struct logs *logs, struct wire_reader *reader,
		      uint32_t count, const struct event *event)
{
	struct output_rest *rest = &node->query->rest;
	for (; count > 0; count--) {
		int64_t t_ms;
		char stream[2];
		struct slice text;
		if (!answer_has_room(node))
			break;
		if (!get_line(reader, &t_ms, stream, &text))
			return;
		put_line(node, logs, t_ms, stream, text);
	}
	size_t bytes = (size_t)(reader->end - reader->next);
	if (count == 0 || bytes > sizeof(rest->lines))
		return;
	memmove(rest->lines, reader->next, bytes);
	rest->bytes = bytes;
	rest->line_count = count;
	rest->event = *event;
	node->effects->more = true;
}

/* The lines of an event were told: reads on, or ends. */
static void output_told(struct node *node, struct logs *logs, const struct event *event)
{
	bool is_last = logs->is_follow ? event->output.end.is_final : event->output.end.is_end;
	if (is_last)
		logs_read_out(node, logs);
	else if (!logs->is_follow)
		logs_read(node, logs, event->output.offset);
}

static void output_go_on(struct node *node)
{
	struct output_rest *rest = &node->query->rest;
	struct event event = rest->event;
	struct wire_reader reader;
	if (!answer_has_room(node)) {
		node->effects->more = true;
		return;
	}
	wire_reader_init(&reader, slice_of(rest->lines, rest->bytes));
	uint32_t count = rest->line_count;
	rest->line_count = 0;
	struct logs *logs = logs_find(node, event.output.ticket);
	if (logs == NULL || logs->phase != LOGS_READ)
		return;
	put_lines(node, logs, &reader, count, &event);
	if (rest->line_count == 0)
		output_told(node, logs, &event);
}

void query_on_output(struct node *node, const struct event *event)
{
	struct logs *logs = logs_find(node, event->output.ticket);
	if (logs == NULL || logs->phase != LOGS_READ) {
		effects_output_stop(node->effects, event->output.ticket);
		return;
	}
	struct run_record record;
	bool is_over = ledger_read(node, &logs->run, &record) != ERR_OK ||
		       run_state_is_final(record.state);
	if (event->output.err != ERR_OK) {
		/* Not begun yet: there will be output, unless it is over. */
		if (!is_over && logs->is_follow) {
			logs->phase = LOGS_RETRY;
			logs->retry_us = node->now.mono_us + RETRY_US;
		} else {
			logs_read_out(node, logs);
		}
		return;
	}
	struct wire_reader reader;
	wire_reader_init(&reader, event->bytes);
	uint32_t count = wire_get_array(&reader, LINES_MAX);
	for (; logs->tail_lines > 0 && count > logs->tail_lines; count--)
		wire_skip(&reader);
	logs->tail_lines = 0;
	put_lines(node, logs, &reader, count, event);
	if (node->query->rest.line_count == 0)
		output_told(node, logs, event);
}

/* ---- of a job ---- */

/* Asks for the lines of one run on the reader's behalf. */
static void inner_ask(struct node *node, struct logs *logs, const struct run_key *key)
{
	struct run_record record;
	struct asker asker = inner_asker(node, logs);
	uint8_t memory[128];
	struct buf arguments;
	buf_init(&arguments, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&arguments);
	wire_map_bool(&map, &arguments, "follow", logs->is_follow);
	if (logs->tail_lines > 0)
		wire_map_i64(&map, &arguments, "tail", logs->tail_lines);
	wire_map_end(&map, &arguments);
	logs->tail_lines = 0;
	const struct member *member = NULL;
	if (runs_read(node, key, &record) == ERR_OK && !id128_is_zero(record.executor))
		member = node_member(node, record.executor);
	struct slice with_run = arguments_with_run(node, buf_slice(&arguments), key);
	if (member != NULL && id128_equal(member->id, node->config.id))
		query_at_logs(node, &asker, with_run);
	else if (member != NULL && member->rank <= MEMBER_SUSPECT)
		relay_pass(node, &asker, member->id, "at.logs", with_run, 0, RELAY_PASS);
	else
		answer_lines_end(node, &asker, member == NULL ? NULL : member->name);
}

static void inner_begin(struct node *node, struct logs *logs, const struct run_key *key)
{
	logs->run = *key;
	logs->has_run = true;
	logs->phase = LOGS_INNER;
	logs->retry_us = INT64_MAX;
	inner_ask(node, logs, key);
}

/* Of all jobs: begins to read those that have started since it looked last. */
static void begin_started(struct node *node, struct logs *logs)
{
	const struct query_state *query = node->query;
	if (query->start_count - logs->start_seen > STARTS_KEPT)
		logs->start_seen = query->start_count - STARTS_KEPT;
	while (logs->start_seen < query->start_count && logs->child_count < LOGS_CHILDREN_MAX) {
		struct run_key key = query->starts[logs->start_seen++ % STARTS_KEPT];
		logs->child_count++;
		inner_ask(node, logs, &key);
	}
}

void logs_on_inner(struct node *node, uint64_t ticket, enum answer_kind kind, struct slice body)
{
	struct logs *logs = logs_find(node, ticket);
	if (logs == NULL || (logs->phase != LOGS_INNER && !logs->is_all))
		return;
	struct asker asker = logs->asker;
	if (kind == ANSWER_ROW || kind == ANSWER_PROGRESS) {
		answer_row(node, &asker, body);
		return;
	}
	if (logs->is_all) {
		logs->child_count--;
		logs->retry_us = node->now.mono_us;
		return;
	}
	if (logs->is_follow) {
		/* Looks for the next in a turn of its own: this one may have ended at once. */
		logs->phase = LOGS_IDLE;
		logs->retry_us = node->now.mono_us + RETRY_US;
		return;
	}
	logs_free(node, logs);
	if (kind == ANSWER_END) {
		answer_end(node, &asker, body);
		return;
	}
	struct problem problem;
	problem_set(&problem, ERR_CLOSED, "logs: the run's node could not read its output");
	text_copy_slice(problem.text, sizeof(problem.text), wire_map_find_str(body, "message"));
	answer_error(node, &asker, &problem);
}

/* The first run behind the one shown that has started. */
static bool find_next_run(struct node *node, const struct logs *logs, struct run_key *ret_key)
{
	bool is_found = false;
	uint32_t slot = job_find(&node->jobs, logs->run.job);
	uint32_t link = slot == JOB_NONE ? 0 : node->jobs.jobs[slot].run_first;
	for (; link != 0; link = node->runs.runs[link - 1].job_next) {
		const struct run_record *record = &node->runs.runs[link - 1].record;
		if (record->state < RUN_STARTED ||
		    (logs->has_run && run_key_compare(&record->key, &logs->run) <= 0))
			continue;
		if (!is_found || run_key_compare(&record->key, ret_key) < 0)
			*ret_key = record->key;
		is_found = true;
	}
	uint8_t bytes[RUN_KEY_BYTES];
	uint8_t memory[64];
	struct buf place;
	struct run_key key;
	run_key_store(&logs->run, bytes);
	buf_init(&place, memory, sizeof(memory));
	buf_put(&place, bytes, sizeof(bytes));
	if (node->store->next(node->store->context, TABLE_RUNS, buf_slice(&place), &place, NULL) == ERR_OK &&
	    run_key_load(buf_slice(&place), &key) == ERR_OK &&
	    id128_equal(key.job, logs->run.job) && run_find(&node->runs, &key) == RUN_NONE &&
	    (!is_found || run_key_compare(&key, ret_key) < 0)) {
		*ret_key = key;
		is_found = true;
	}
	return is_found;
}

/* ---- news and time ---- */

/* Notes a start for those who read all; a run's start is told of more than once. */
static void note_start(struct node *node, const struct run_key *run)
{
	struct query_state *query = node->query;
	uint64_t kept = query->start_count < STARTS_KEPT ? query->start_count : STARTS_KEPT;
	for (uint64_t i = 1; i <= kept; i++)
		if (run_key_equal(&query->starts[(query->start_count - i) % STARTS_KEPT], run))
			return;
	query->starts[query->start_count++ % STARTS_KEPT] = *run;
}

void logs_on_run(struct node *node, const struct run_record *record)
{
	struct query_state *query = node->query;
	bool is_any_all = false;
	for (uint32_t i = 0; i < query->logs_used; i++)
		is_any_all = is_any_all || (query->logs[i].phase != LOGS_FREE && query->logs[i].is_all);
	if (is_any_all && record->state == RUN_STARTED)
		note_start(node, &record->key);
	for (uint32_t i = 0; i < query->logs_used; i++) {
		struct logs *logs = &query->logs[i];
		bool is_next = logs->phase == LOGS_IDLE &&
			       (logs->is_all || id128_equal(logs->run.job, record->key.job));
		bool is_ours = logs->phase == LOGS_RETRY && run_key_equal(&logs->run, &record->key);
		if ((is_next || is_ours) && record->state >= RUN_STARTED)
			logs->retry_us = node->now.mono_us;
	}
}

static void logs_look_again(struct node *node, struct logs *logs)
{
	struct run_key key;
	logs->retry_us = INT64_MAX;
	if (logs->is_all) {
		begin_started(node, logs);
		return;
	}
	if (logs->phase == LOGS_IDLE) {
		if (find_next_run(node, logs, &key))
			inner_begin(node, logs, &key);
		return;
	}
	if (logs->is_read_out)
		logs_read_out(node, logs);
	else
		logs_read(node, logs, 0);
}

void logs_on_deadline(struct node *node)
{
	struct query_state *query = node->query;
	if (query->rest.line_count > 0)
		output_go_on(node);
	for (uint32_t i = 0; i < query->logs_used; i++)
		if (query->logs[i].phase != LOGS_FREE && query->logs[i].retry_us <= node->now.mono_us)
			logs_look_again(node, &query->logs[i]);
}

int64_t logs_next_deadline_us(const struct node *node)
{
	const struct query_state *query = node->query;
	int64_t next_us = INT64_MAX;
	if (query->logs_used > 0 && query->rest.line_count > 0)
		return node->now.mono_us;
	for (uint32_t i = 0; i < query->logs_used; i++)
		if (query->logs[i].phase != LOGS_FREE && query->logs[i].retry_us < next_us)
			next_us = query->logs[i].retry_us;
	return next_us;
}

void logs_forget(struct node *node, const struct asker *asker)
{
	struct query_state *query = node->query;
	for (uint32_t i = 0; i < query->logs_used; i++) {
		struct logs *logs = &query->logs[i];
		if (logs->phase == LOGS_FREE || !asker_equal(&logs->asker, asker))
			continue;
		enum logs_phase phase = logs->phase;
		bool is_all = logs->is_all;
		struct asker inner = inner_asker(node, logs);
		if (phase == LOGS_READ)
			effects_output_stop(node->effects, logs->ticket);
		logs_free(node, logs);
		if (phase == LOGS_INNER || is_all)
			query_forget(node, &inner);
	}
}

void logs_on_peer_down(struct node *node, struct id128 peer)
{
	struct query_state *query = node->query;
	for (uint32_t i = 0; i < query->logs_used; i++) {
		if (query->logs[i].phase == LOGS_FREE || !id128_equal(query->logs[i].asker.node, peer))
			continue;
		struct asker asker = query->logs[i].asker;
		logs_forget(node, &asker);
	}
}

/* ---- verbs ---- */

static bool read_logs_arguments(struct node *node, const struct asker *asker,
				struct slice arguments, struct logs *ret_logs)
{
	int64_t tail;
	bool is_raw; /* lines travel as they are anyway: escaping is the client's */
	if (!argument_flag(node, asker, arguments, "follow", &ret_logs->is_follow) ||
	    !argument_flag(node, asker, arguments, "raw", &is_raw) ||
	    !argument_number(node, asker, arguments, "tail", 0, TAIL_LINES_MAX, 0, &tail))
		return false;
	ret_logs->tail_lines = (uint32_t)tail;
	return true;
}

static void logs_here(struct node *node, const struct asker *asker, struct slice arguments,
		      const struct run_key *run)
{
	struct logs wanted = {0};
	if (!read_logs_arguments(node, asker, arguments, &wanted))
		return;
	struct logs *logs = logs_take(node, asker);
	if (logs == NULL)
		return;
	logs->run = *run;
	logs->has_run = true;
	logs->is_follow = wanted.is_follow;
	logs->tail_lines = wanted.tail_lines;
	logs_read(node, logs, 0);
}

static void logs_of_job(struct node *node, const struct asker *asker, struct slice arguments)
{
	char full[JOB_NAME_BYTES_MAX + 1];
	struct logs wanted = {0};
	if (!argument_job(node, asker, arguments, "job", full) ||
	    !read_logs_arguments(node, asker, arguments, &wanted) ||
	    !query_is_here(node, asker, query_home(node), "logs", arguments, 0))
		return;
	struct id128 job = hash_id(slice_str(full));
	struct problem problem;
	struct run_key key;
	struct def_value value;
	/* A name that was only asked about has a slot too; a job that was deleted still has its logs. */
	if (job_find(&node->jobs, job) == JOB_NONE ||
	    query_read_definition(node, job, &value) != ERR_OK) {
		problem_set(&problem, ERR_NOT_FOUND, "job %s: there is no such job",
			    text_job_display(full));
		problem_hint(&problem, "schedctl job ls");
		answer_error(node, asker, &problem);
		return;
	}
	struct logs *logs = logs_take(node, asker);
	if (logs == NULL)
		return;
	logs->run.job = job;
	logs->is_follow = wanted.is_follow;
	logs->tail_lines = wanted.tail_lines;
	if (runs_newest_of_job(node, job, &key) == ERR_OK) {
		inner_begin(node, logs, &key);
	} else if (logs->is_follow) {
		logs->phase = LOGS_IDLE;
	} else {
		logs->phase = LOGS_IDLE;
		logs_finish(node, logs, NULL);
	}
}

static void logs_of_all(struct node *node, const struct asker *asker, struct slice arguments)
{
	struct logs wanted = {0};
	struct problem problem;
	if (!read_logs_arguments(node, asker, arguments, &wanted))
		return;
	if (!wanted.is_follow) {
		problem_set(&problem, ERR_INVALID, "logs: of which run, or of which job?");
		problem_hint(&problem,
			     "schedctl logs RUN, or schedctl logs JOB; all jobs can only be followed");
		answer_error(node, asker, &problem);
		return;
	}
	if (!query_is_here(node, asker, query_home(node), "logs", arguments, 0))
		return;
	struct logs *logs = logs_take(node, asker);
	if (logs == NULL)
		return;
	logs->phase = LOGS_IDLE;
	logs->is_all = true;
	logs->is_follow = true;
	logs->start_seen = node->query->start_count;
}

void query_logs(struct node *node, const struct asker *asker, struct slice arguments)
{
	struct wire_reader reader;
	struct problem problem;
	struct run_record record;
	bool has_run = wire_map_find(arguments, "run", &reader) && wire_peek(&reader) != WIRE_NIL;
	bool has_job = wire_map_find(arguments, "job", &reader) && wire_peek(&reader) != WIRE_NIL;
	if (has_run && has_job) {
		problem_set(&problem, ERR_INVALID, "logs: run and job: give one of them");
		answer_error(node, asker, &problem);
		return;
	}
	if (!has_run && !has_job)
		logs_of_all(node, asker, arguments);
	else if (has_job)
		logs_of_job(node, asker, arguments);
	else if (query_route_run(node, asker, "logs", "at.logs", arguments, &record))
		logs_here(node, asker, arguments, &record.key);
}

void query_at_logs(struct node *node, const struct asker *asker, struct slice arguments)
{
	struct run_key key;
	if (argument_run_key(node, asker, arguments, &key))
		logs_here(node, asker, arguments, &key);
}
