/* Verbs about one run: which run is meant, wait for its end, kill, cancel. */
#include <assert.h>
#include <string.h>

#include "agent/core/query.h"
#include "proto/hash.h"

#define WAIT_TIMEOUT_MS_MAX (366LL * 86400 * 1000)
#define CANCEL_TIMEOUT_US (5 * INT64_C(1000000))

/* ---- which run ---- */

/* What a name says: "job@2025-03-30T02:30:00Z+c7f2a1/0#1", the parts behind the time being optional. */
struct run_name {
	struct id128 job;
	int64_t t_ms;
	bool has_manual;
	uint8_t manual[3];
	bool has_attempt;
	uint16_t shard;
	uint16_t attempt;
};

static bool parse_number(struct slice text, uint16_t *ret_value)
{
	int64_t value;
	if (text_parse_i64(text, 0, UINT16_MAX, &value, NULL) != ERR_OK)
		return false;
	*ret_value = (uint16_t)value;
	return true;
}

static size_t find_byte(struct slice text, size_t from, uint8_t byte)
{
	while (from < text.bytes && text.data[from] != byte)
		from++;
	return from;
}

static bool parse_manual(struct slice text, uint8_t ret_manual[3])
{
	uint8_t padded[TEXT_ID_BYTES - 1];
	struct id128 id;
	if (text.bytes != 6)
		return false;
	memset(padded, '0', sizeof(padded));
	memcpy(padded, text.data, text.bytes);
	if (text_parse_id(slice_of(padded, sizeof(padded)), &id, NULL) != ERR_OK)
		return false;
	memcpy(ret_manual, id.bytes, 3);
	return true;
}

/* Behind the time. */
static bool parse_run_tail(struct slice text, size_t at, struct run_name *name)
{
	if (at < text.bytes && text.data[at] == '+') {
		size_t end = find_byte(text, at, '/');
		name->has_manual = true;
		if (!parse_manual(slice_of(text.data + at + 1, end - at - 1), name->manual))
			return false;
		at = end;
	}
	if (at == text.bytes)
		return true;
	size_t hash = find_byte(text, at, '#');
	if (text.data[at] != '/' || hash == text.bytes)
		return false;
	name->has_attempt = true;
	return parse_number(slice_of(text.data + at + 1, hash - at - 1), &name->shard) &&
	       parse_number(slice_of(text.data + hash + 1, text.bytes - hash - 1), &name->attempt);
}

static bool parse_run_name(struct slice text, struct run_name *ret_name)
{
	char full[JOB_NAME_BYTES_MAX + 1];
	size_t at = find_byte(text, 0, '@');
	size_t zone = find_byte(text, at, 'Z');
	*ret_name = (struct run_name){0};
	if (zone == text.bytes || text_parse_job_name(slice_of(text.data, at), full, NULL) != ERR_OK ||
	    text_parse_rfc3339(slice_of(text.data + at + 1, zone - at), &ret_name->t_ms, NULL) != ERR_OK)
		return false;
	ret_name->job = hash_id(slice_str(full));
	return parse_run_tail(text, zone + 1, ret_name);
}

static bool name_matches(const struct run_name *name, const struct run_key *key)
{
	if (!id128_equal(name->job, key->job) || name->t_ms != key->t_ms)
		return false;
	if (name->has_manual && memcmp(name->manual, key->manual.bytes, sizeof(name->manual)) != 0)
		return false;
	return !name->has_attempt || (name->shard == key->shard && name->attempt == key->attempt);
}

/* The last attempt that the name may mean. */
static bool find_by_name(struct node *node, const struct run_name *name, struct run_key *ret_key)
{
	bool is_found = false;
	uint32_t slot = job_find(&node->jobs, name->job);
	uint32_t link = slot == JOB_NONE ? 0 : node->jobs.jobs[slot].run_first;
	for (; link != 0; link = node->runs.runs[link - 1].job_next) {
		const struct run_key *key = &node->runs.runs[link - 1].record.key;
		if (!name_matches(name, key) || (is_found && key->attempt <= ret_key->attempt))
			continue;
		*ret_key = *key;
		is_found = true;
	}
	struct run_key from = {.job = name->job, .t_ms = name->t_ms};
	uint8_t memory[64];
	struct buf place;
	buf_init(&place, memory, sizeof(memory));
	uint8_t bytes[RUN_KEY_BYTES];
	run_key_store(&from, bytes);
	buf_put(&place, bytes, sizeof(bytes));
	for (uint32_t looked = 0; looked < LOOK_MAX; looked++) {
		struct run_key key;
		if (node->store->next(node->store->context, TABLE_RUNS, buf_slice(&place), &place,
				      NULL) != ERR_OK ||
		    run_key_load(buf_slice(&place), &key) != ERR_OK ||
		    !id128_equal(key.job, name->job) || key.t_ms != name->t_ms)
			break;
		if (!name_matches(name, &key) || (is_found && key.attempt <= ret_key->attempt))
			continue;
		*ret_key = key;
		is_found = true;
	}
	return is_found;
}

static enum err ambiguous(struct node *node, struct slice text, const struct run_key *a,
			  const struct run_key *b, struct problem *problem)
{
	char first[RUN_NAME_BYTES_MAX + 1], second[RUN_NAME_BYTES_MAX + 1];
	char quoted[TEXT_QUOTE_BYTES];
	text_format_run(row_job_name(node, a->job), a, first, sizeof(first));
	text_format_run(row_job_name(node, b->job), b, second, sizeof(second));
	(void)problem_set(problem, ERR_INVALID, "run: %s may be %s or %s", text_quote(text, quoted),
			  first, second);
	problem_hint(problem, "use the full name");
	return ERR_INVALID;
}

static bool short_matches(struct slice text, const struct run_key *key)
{
	char run_short[RUN_SHORT_BYTES + 1];
	text_format_run_short(key, run_short);
	return slice_equal(text, slice_str(run_short));
}

/* Live runs, then the newest of the store. */
static enum err find_by_short(struct node *node, struct slice text, struct run_key *ret_key,
			      struct problem *problem)
{
	bool is_found = false;
	for (uint32_t slot = run_next_slot(&node->runs, RUN_NONE); slot != RUN_NONE;
	     slot = run_next_slot(&node->runs, slot)) {
		const struct run_key *key = &node->runs.runs[slot].record.key;
		if (!short_matches(text, key))
			continue;
		if (is_found)
			return ambiguous(node, text, ret_key, key, problem);
		*ret_key = *key;
		is_found = true;
	}
	uint8_t memory[64];
	struct buf place;
	struct run_key key;
	buf_init(&place, memory, sizeof(memory));
	for (uint32_t looked = 0; looked < LOOK_KEYS_MAX && runs_next_stored(node, &place, &key);
	     looked++) {
		if (!short_matches(text, &key) || (is_found && run_key_equal(&key, ret_key)))
			continue;
		if (is_found)
			return ambiguous(node, text, ret_key, &key, problem);
		*ret_key = key;
		is_found = true;
	}
	return is_found ? ERR_OK : ERR_NOT_FOUND;
}

enum err query_find_run(struct node *node, struct slice text, struct run_key *ret_key,
			struct problem *problem)
{
	char quoted[TEXT_QUOTE_BYTES];
	struct run_name name;
	enum err err = ERR_NOT_FOUND;
	if (find_byte(text, 0, '@') < text.bytes) {
		if (!parse_run_name(text, &name))
			return problem_set(problem, ERR_INVALID,
					   "run: %s is not of the form JOB@TIME/SHARD#ATTEMPT",
					   text_quote(text, quoted));
		err = find_by_name(node, &name, ret_key) ? ERR_OK : ERR_NOT_FOUND;
	} else if (text.bytes == RUN_SHORT_BYTES) {
		err = find_by_short(node, text, ret_key, problem);
	} else {
		(void)problem_set(problem, ERR_INVALID, "run: %s is neither a run's name nor a short id",
				  text_quote(text, quoted));
		problem_hint(problem,
			     "schedctl runs lists them, schedctl runs --job JOB those of a job");
		return ERR_INVALID;
	}
	if (err != ERR_NOT_FOUND)
		return err;
	(void)problem_set(problem, ERR_NOT_FOUND, "run: no run is known as %s",
			  text_quote(text, quoted));
	problem_hint(problem, "schedctl runs lists them; of old ones use the full name");
	return ERR_NOT_FOUND;
}

struct slice arguments_with_run(struct node *node, struct slice arguments, const struct run_key *run)
{
	struct buf out;
	buf_init(&out, node->query->arguments, sizeof(node->query->arguments));
	char name[RUN_NAME_BYTES_MAX + 1];
	text_format_run(row_job_name(node, run->job), run, name, sizeof(name));
	struct wire_map map = wire_map_begin(&out);
	wire_map_text(&map, &out, "run", name);
	wire_map_key(&map, &out, "key");
	wire_put_run_key(&out, run);
	struct wire_reader reader;
	wire_reader_init(&reader, arguments);
	uint32_t count = wire_get_map(&reader, UINT16_MAX);
	for (uint32_t i = 0; i < count && reader.err == ERR_OK; i++) {
		char key[64];
		bool is_text = wire_peek(&reader) == WIRE_STR;
		struct slice key_text = wire_get_str(&reader, sizeof(key) - 1);
		struct slice value = wire_get_raw(&reader);
		if (!is_text || reader.err != ERR_OK || slice_equal(key_text, slice_str("run")) ||
		    slice_equal(key_text, slice_str("key")) || slice_equal(key_text, slice_str("job")))
			continue;
		text_copy_slice(key, sizeof(key), key_text);
		wire_map_key(&map, &out, key);
		wire_put_raw(&out, value);
	}
	wire_map_end(&map, &out);
	assert(!out.has_overflowed);
	return buf_slice(&out);
}

/* ---- where it is done ---- */

static void refuse_out_of_reach(struct node *node, const struct asker *asker, const char *verb,
				struct id128 executor)
{
	struct problem problem;
	problem_set(&problem, ERR_TIMEOUT, "%s: the run's node %s is not in reach", verb,
		    node_name_of(node, executor));
	problem_hint(&problem, "schedctl node ls");
	answer_error(node, asker, &problem);
}

bool query_route_run(struct node *node, const struct asker *asker, const char *verb,
		     const char *at_verb, struct slice arguments, struct run_record *ret_record)
{
	struct slice text;
	struct problem problem = {0};
	struct run_key key;
	if (!argument_text(node, asker, arguments, "run", RUN_NAME_BYTES_MAX, &text))
		return false;
	if (text.bytes == 0) {
		problem_set(&problem, ERR_INVALID, "run: missing: which run?");
		answer_error(node, asker, &problem);
		return false;
	}
	enum err err = query_find_run(node, text, &key, &problem);
	bool is_known = err == ERR_OK && runs_read(node, &key, ret_record) == ERR_OK;
	/* On the run's own node no other agent is needed. */
	if (is_known && id128_equal(ret_record->executor, node->config.id))
		return true;
	struct id128 home = query_home(node);
	bool is_home = id128_equal(home, node->config.id);
	if (!is_home && (err == ERR_OK || err == ERR_NOT_FOUND)) {
		(void)query_is_here(node, asker, home, verb, arguments, 0);
		return false;
	}
	if (!is_known) {
		answer_error(node, asker, &problem);
		return false;
	}
	if (id128_is_zero(ret_record->executor))
		return true;
	const struct member *member = node_member(node, ret_record->executor);
	bool is_away = member == NULL || member->rank > MEMBER_SUSPECT;
	if (is_away && strcmp(verb, "logs") == 0)
		logs_answer_missing(node, asker, ret_record->executor);
	else if (is_away)
		refuse_out_of_reach(node, asker, verb, ret_record->executor);
	else
		relay_pass(node, asker, member->id, at_verb,
			   arguments_with_run(node, arguments, &key), 0, RELAY_PASS);
	return false;
}

/* ---- waits ---- */

static bool wait_add(struct node *node, const struct asker *asker, enum wait_kind kind,
		     const struct run_key *run, int64_t timeout_us)
{
	struct query_state *query = node->query;
	for (uint32_t i = 0; i < WAITS_MAX; i++) {
		if (query->waits[i].kind != WAIT_FREE)
			continue;
		if (i >= query->wait_used)
			query->wait_used = i + 1;
		query->waits[i] = (struct wait){
			.kind = kind, .asker = *asker, .run = *run, .begun_us = node->now.mono_us};
		query->waits[i].deadline_us = timeout_us == 0 ? INT64_MAX
							      : node->now.mono_us + timeout_us;
		return true;
	}
	struct problem problem;
	problem_set(&problem, ERR_FULL, "wait: %u wait at this agent already", WAITS_MAX);
	answer_error(node, asker, &problem);
	return false;
}

static void wait_free(struct node *node, struct wait *wait)
{
	struct query_state *query = node->query;
	wait->kind = WAIT_FREE;
	while (query->wait_used > 0 && query->waits[query->wait_used - 1].kind == WAIT_FREE)
		query->wait_used--;
}

static void answer_run(struct node *node, const struct asker *asker,
		       const struct run_record *record, int64_t waited_us)
{
	uint8_t memory[4096];
	struct buf row;
	buf_init(&row, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&row);
	row_run_fields(node, &map, &row, record);
	uint32_t slot = waited_us < 0 ? RUN_NONE : run_find(&node->runs, &record->key);
	if (waited_us >= 0)
		wire_map_i64(&map, &row, "waited_ms", waited_us / 1000);
	if (slot != RUN_NONE && node->runs.runs[slot].mine == RUN_MINE_OVER && record->started_ms != 0)
		wire_map_i64(&map, &row, "processes_left", node->runs.runs[slot].processes_left);
	wire_map_end(&map, &row);
	assert(!row.has_overflowed);
	answer_end(node, asker, buf_slice(&row));
}

/* The run is over, and so is its fire: a released attempt without a verdict is followed by another one. */
static bool record_is_final(const struct run_record *record)
{
	return run_state_is_final(record->state) && record->verdict != VERDICT_NONE;
}

static void refuse_started(struct node *node, const struct asker *asker, const struct run_record *record)
{
	char started[TEXT_TIME_BYTES];
	struct problem problem;
	text_format_time(record->started_ms != 0 ? record->started_ms : node->cluster_ms, started);
	problem_set(&problem, ERR_STALE, "cancel: too late: running since %s", started);
	problem_hint(&problem, "schedctl kill ends a run that has started");
	answer_error(node, asker, &problem);
}

static void refuse_over(struct node *node, const struct asker *asker, const char *verb,
			const struct run_record *record)
{
	struct problem problem;
	problem_set(&problem, ERR_STALE, "%s: the run is over: %s%s%s%s", verb,
		    verdict_word(record->verdict), record->reason[0] == '\0' ? "" : "(",
		    record->reason, record->reason[0] == '\0' ? "" : ")");
	answer_error(node, asker, &problem);
}

static void wait_on_run(struct node *node, struct wait *wait, const struct run_record *record)
{
	struct asker asker = wait->asker;
	enum wait_kind kind = wait->kind;
	int64_t waited_us = node->now.mono_us - wait->begun_us;
	bool is_over = run_state_is_final(record->state);
	if (kind == WAIT_CANCEL && record->state == RUN_STARTED) {
		wait_free(node, wait);
		refuse_started(node, &asker, record);
		return;
	}
	if (!is_over)
		return;
	if (kind == WAIT_END && !record_is_final(record)) {
		wait->run.attempt++;
		return;
	}
	wait_free(node, wait);
	if (kind == WAIT_CANCEL && record->state != RUN_RELEASED)
		refuse_over(node, &asker, "cancel", record);
	else
		answer_run(node, &asker, record, kind == WAIT_KILL ? waited_us : -1);
}

void waits_on_run(struct node *node, const struct run_record *record)
{
	struct query_state *query = node->query;
	for (uint32_t i = 0; i < query->wait_used; i++) {
		struct wait *wait = &query->waits[i];
		if (wait->kind != WAIT_FREE && run_key_equal(&wait->run, &record->key))
			wait_on_run(node, wait, record);
	}
}

void waits_on_deadline(struct node *node)
{
	struct query_state *query = node->query;
	for (uint32_t i = 0; i < query->wait_used; i++) {
		struct wait *wait = &query->waits[i];
		if (wait->kind == WAIT_FREE || wait->deadline_us > node->now.mono_us)
			continue;
		struct asker asker = wait->asker;
		struct run_record record;
		bool is_kill = wait->kind == WAIT_KILL;
		int64_t waited_us = node->now.mono_us - wait->begun_us;
		bool is_known = ledger_read(node, &wait->run, &record) == ERR_OK;
		wait_free(node, wait);
		if (is_kill && is_known) {
			answer_run(node, &asker, &record, waited_us);
			continue;
		}
		struct problem problem;
		problem_set(&problem, ERR_TIMEOUT, "wait: the run is not over after %lld s",
			    (long long)(waited_us / 1000000));
		problem_hint(&problem, "it goes on; schedctl runs shows its state");
		answer_error(node, &asker, &problem);
	}
}

static void wait_begin(struct node *node, const struct asker *asker, const struct run_key *run,
		       int64_t timeout_us)
{
	struct run_key key = *run;
	struct run_record record = {0};
	bool is_known = ledger_read(node, &key, &record) == ERR_OK;
	/* Goes on to the attempt that is not over. */
	while (is_known && run_state_is_final(record.state) && !record_is_final(&record)) {
		key.attempt++;
		is_known = ledger_read(node, &key, &record) == ERR_OK;
	}
	if (is_known && record_is_final(&record))
		answer_run(node, asker, &record, -1);
	else if (wait_add(node, asker, WAIT_END, &key, timeout_us) && is_known) {
		uint8_t memory[4096];
		struct buf row;
		buf_init(&row, memory, sizeof(memory));
		row_run(node, &row, &record);
		assert(!row.has_overflowed);
		answer_progress(node, asker, buf_slice(&row));
	}
}

void query_wait(struct node *node, const struct asker *asker, const struct run_key *run)
{
	wait_begin(node, asker, run, 0);
}

void query_on_run_final(struct node *node, const struct run_record *record)
{
	struct query_state *query = node->query;
	if (record->started_ms != 0)
		figures_count_start(&query->figures, node->now.mono_us, record->lateness_us);
	figures_count_end(&query->figures, node->now.mono_us, record->verdict);
	waits_on_run(node, record);
}

/* ---- verbs ---- */

void query_wait_verb(struct node *node, const struct asker *asker, struct slice arguments)
{
	struct slice text;
	int64_t timeout_ms;
	struct problem problem = {0};
	struct run_key key;
	if (!argument_text(node, asker, arguments, "run", RUN_NAME_BYTES_MAX, &text) ||
	    !argument_number(node, asker, arguments, "timeout_ms", 0, WAIT_TIMEOUT_MS_MAX, 0,
			     &timeout_ms) ||
	    !query_is_here(node, asker, query_home(node), "wait", arguments, 0))
		return;
	if (query_find_run(node, text, &key, &problem) != ERR_OK) {
		answer_error(node, asker, &problem);
		return;
	}
	wait_begin(node, asker, &key, timeout_ms * 1000);
}

/* At the executor. */
static void kill_here(struct node *node, const struct asker *asker, struct slice arguments,
		      const struct run_record *record)
{
	int64_t number, grace_ms;
	if (!argument_number(node, asker, arguments, "signal", 0, 64, 0, &number) ||
	    !argument_number(node, asker, arguments, "grace_ms", -1, KILL_GRACE_MS_MAX, -1, &grace_ms))
		return;
	if (run_state_is_final(record->state)) {
		refuse_over(node, asker, "kill", record);
		return;
	}
	int64_t timeout_us = KILL_TIMEOUT_US + (grace_ms > 0 ? grace_ms * 1000 : 0);
	if (!wait_add(node, asker, WAIT_KILL, &record->key, timeout_us))
		return;
	/* A run that has not started is released at once, which answers the wait. */
	enum err err = executor_kill(node, &record->key, (int)number, grace_ms, asker->user);
	if (err == ERR_OK)
		return;
	query_forget(node, asker);
	struct problem problem;
	problem_set(&problem, err, "kill: the run is %s",
		    err == ERR_STALE ? "over already" : "not here");
	answer_error(node, asker, &problem);
}

static void cancel_here(struct node *node, const struct asker *asker, const struct run_record *record)
{
	if (run_state_is_final(record->state)) {
		refuse_over(node, asker, "cancel", record);
		return;
	}
	uint32_t slot = run_find(&node->runs, &record->key);
	bool has_started = record->state == RUN_STARTED ||
			   (slot != RUN_NONE && node->runs.runs[slot].mine == RUN_MINE_PREPARED);
	if (has_started) {
		refuse_started(node, asker, record);
		return;
	}
	if (!wait_add(node, asker, WAIT_CANCEL, &record->key, CANCEL_TIMEOUT_US))
		return;
	struct revoke revoke = {.run = record->key, .kind = REVOKE_CANCEL, .by = slice_str(asker->user)};
	executor_revoke(node, node->config.id, &revoke);
}

void query_kill(struct node *node, const struct asker *asker, struct slice arguments)
{
	struct run_record record;
	if (query_route_run(node, asker, "kill", "at.kill", arguments, &record))
		kill_here(node, asker, arguments, &record);
}

void query_cancel(struct node *node, const struct asker *asker, struct slice arguments)
{
	struct run_record record;
	if (query_route_run(node, asker, "cancel", "at.cancel", arguments, &record))
		cancel_here(node, asker, &record);
}

bool argument_run_key(struct node *node, const struct asker *asker, struct slice arguments,
		      struct run_key *ret_key)
{
	struct wire_reader reader;
	if (wire_map_find(arguments, "key", &reader)) {
		*ret_key = wire_get_run_key(&reader);
		if (reader.err == ERR_OK)
			return true;
	}
	struct problem problem;
	problem_set(&problem, ERR_INVALID, "key: missing, or not a run's");
	answer_error(node, asker, &problem);
	return false;
}

/* The run that another agent says is ours. One that was not armed yet can be revoked all the same. */
static bool find_own(struct node *node, const struct asker *asker, struct slice arguments,
		     struct run_record *ret_record)
{
	struct run_key key;
	if (!argument_run_key(node, asker, arguments, &key))
		return false;
	if (ledger_read(node, &key, ret_record) == ERR_OK)
		return true;
	/* Only a voter knows of a run before its executor does. */
	const struct arc_set *set = node_set(node, place_arc(key.job));
	if (set == NULL || arc_set_find(set, asker->node) < 0) {
		struct problem problem;
		problem_set(&problem, ERR_NOT_FOUND, "run: not known on its node %s", node->config.name);
		answer_error(node, asker, &problem);
		return false;
	}
	*ret_record = (struct run_record){.key = key,
					  .state = RUN_CLAIMED,
					  .executor = node->config.id,
					  .exit_code = -1,
					  .rss_bytes_max = -1};
	return true;
}

void query_at_kill(struct node *node, const struct asker *asker, struct slice arguments)
{
	struct run_record record;
	if (find_own(node, asker, arguments, &record))
		kill_here(node, asker, arguments, &record);
}

void query_at_cancel(struct node *node, const struct asker *asker, struct slice arguments)
{
	struct run_record record;
	if (find_own(node, asker, arguments, &record))
		cancel_here(node, asker, &record);
}
