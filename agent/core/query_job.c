/* Verbs that list jobs and change them. */
#include <assert.h>
#include <string.h>

#include "agent/core/query.h"
#include "proto/hash.h"

#define COPY_KEY_BYTES 19u
#define CHECK_NEXT_SHOWN 5u

/* ---- job.ls ---- */

struct job_filter {
	struct slice name;
	struct slice group;
	struct slice state;
};

static bool job_is_wanted(const struct node *node, const struct job_filter *filter,
			  const struct def_value *value, uint32_t slot)
{
	char full[JOB_NAME_BYTES_MAX + 1];
	text_copy_slice(full, sizeof(full), value->name);
	const char *slash = strchr(full, '/');
	if (value->is_deleted || slash == NULL)
		return false;
	if (filter->group.bytes > 0 &&
	    !slice_equal(filter->group, slice_of(full, (size_t)(slash - full))))
		return false;
	if (filter->name.bytes > 0 && !glob_matches(filter->name, full) &&
	    !glob_matches(filter->name, text_job_display(full)))
		return false;
	if (filter->state.bytes == 0)
		return true;
	struct definition definition;
	bool is_readable = definition_decode(value->definition, &definition, NULL) == ERR_OK;
	return words_have(filter->state, row_job_state(node, slot, is_readable ? &definition : NULL));
}

static void put_token(struct wire_map *map, struct buf *body, struct slice key)
{
	static const char digits[] = "0123456789abcdef";
	char token[2 * 64 + 1];
	assert(key.bytes <= 64);
	for (size_t i = 0; i < key.bytes; i++) {
		token[2 * i] = digits[key.data[i] >> 4];
		token[2 * i + 1] = digits[key.data[i] & 15];
	}
	wire_map_str(map, body, "next", slice_of(token, 2 * key.bytes));
}

void query_end_page(struct node *node, const struct asker *asker, uint32_t count, int64_t total,
		    struct slice next, bool is_complete)
{
	uint8_t memory[1024];
	struct buf body;
	buf_init(&body, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&body);
	wire_map_i64(&map, &body, "count", count);
	if (total >= 0)
		wire_map_i64(&map, &body, "total", total);
	if (next.bytes > 0)
		put_token(&map, &body, next);
	else
		wire_map_nil(&map, &body, "next");
	wire_map_i64(&map, &body, "as_of_at", node->cluster_ms);
	query_put_missing(node, &map, &body, is_complete);
	wire_map_end(&map, &body);
	assert(!body.has_overflowed);
	answer_end(node, asker, buf_slice(&body));
}

void query_put_missing(struct node *node, struct wire_map *map, struct buf *body, bool is_complete)
{
	const struct arc_set *set = node_set(node, 0);
	wire_map_bool(map, body, "complete", is_complete);
	wire_map_key(map, body, "missing");
	struct wire_map array = wire_array_begin(body);
	for (uint32_t i = 0; set != NULL && i < set->member_count && !is_complete; i++) {
		const struct member *member = node_member(node, set->members[i]);
		if (member != NULL && member->rank == MEMBER_ALIVE)
			continue;
		wire_put_text(body, member == NULL ? "?" : member->name);
		wire_array_item(&array);
	}
	wire_array_end(&array, body);
}

bool query_is_read_here(struct node *node, const struct asker *asker, const char *verb,
			struct slice arguments, bool *ret_is_complete)
{
	struct id128 home = query_home(node);
	*ret_is_complete = id128_equal(home, node->config.id);
	/* Cut off, an agent goes on to answer reads from what it has, and says so. */
	if (id128_is_zero(home) && asker_is_local(asker))
		return true;
	return query_is_here(node, asker, home, verb, arguments, REQUEST_TIMEOUT_US);
}

static bool read_job_filter(struct node *node, const struct asker *asker, struct slice arguments,
			    struct job_filter *ret_filter)
{
	return argument_text(node, asker, arguments, "name", JOB_NAME_BYTES_MAX, &ret_filter->name) &&
	       argument_text(node, asker, arguments, "group", NAME_PART_BYTES_MAX, &ret_filter->group) &&
	       argument_text(node, asker, arguments, "state", 128, &ret_filter->state);
}

void query_job_ls(struct node *node, const struct asker *asker, struct slice arguments)
{
	struct query_state *query = node->query;
	struct job_filter filter;
	int64_t limit;
	bool is_complete;
	uint8_t key_memory[64];
	struct buf key;
	buf_init(&key, key_memory, sizeof(key_memory));
	if (!read_job_filter(node, asker, arguments, &filter) ||
	    !argument_token(node, asker, arguments, &key) ||
	    !argument_number(node, asker, arguments, "limit", 1, ROWS_MAX, ROWS_MAX, &limit) ||
	    !query_is_read_here(node, asker, "job.ls", arguments, &is_complete))
		return;

	struct buf record;
	buf_init(&record, query->definition, sizeof(query->definition));
	uint32_t count = 0;
	bool has_more = false;
	for (uint32_t looked = 0;; looked++) {
		has_more = looked == LOOK_MAX || count == limit || !answer_has_room(node);
		if (has_more || node->store->next(node->store->context, TABLE_COPIES,
						  buf_slice(&key), &key, &record) != ERR_OK)
			break;
		struct def_value value;
		if (key.bytes != COPY_KEY_BYTES || key_memory[2] != REGISTER_DEF || record.bytes < 8 ||
		    def_value_get(slice_of(record.data + 8, record.bytes - 8), &value) != ERR_OK)
			continue;
		struct id128 id;
		memcpy(id.bytes, key_memory + 3, sizeof(id.bytes));
		uint32_t slot = job_find(&node->jobs, id);
		if (slot == JOB_NONE || !job_is_wanted(node, &filter, &value, slot))
			continue;
		struct buf row;
		buf_init(&row, query->row, sizeof(query->row));
		row_job(node, &row, &value, slot);
		answer_row(node, asker, buf_slice(&row));
		count++;
	}
	struct slice next = has_more ? buf_slice(&key) : slice_of(NULL, 0);
	query_end_page(node, asker, count, query_counts(node)->jobs, next, is_complete);
}

/* ---- changes ---- */

struct id128 query_proposer(const struct node *node, struct id128 job)
{
	struct job probe = {.id = job, .arc = place_arc(job)};
	return node_proposer(node, &probe);
}

/* True: this node is to change the job. A voter that another agent took for the proposer does it: any voter may. */
static bool is_change_here(struct node *node, const struct asker *asker, const char *full,
			   const char *verb, struct slice arguments, int64_t timeout_us)
{
	struct id128 job = hash_id(slice_str(full));
	if (!asker_is_local(asker) && node_votes(node, place_arc(job)))
		return true;
	return query_is_here(node, asker, query_proposer(node, job), verb, arguments, timeout_us);
}

static void change_simple(struct node *node, const struct asker *asker, struct slice arguments,
			  const char *verb, enum change_kind kind)
{
	char full[JOB_NAME_BYTES_MAX + 1];
	struct change_request request = {.kind = kind};
	if (!argument_job(node, asker, arguments, "name", full) ||
	    !argument_id(node, asker, arguments, &request.id) ||
	    !argument_text(node, asker, arguments, "reason", REASON_BYTES_MAX, &request.reason) ||
	    !argument_flag(node, asker, arguments, "let_finish", &request.let_finish) ||
	    !argument_flag(node, asker, arguments, "catch_up", &request.is_catch_up) ||
	    !is_change_here(node, asker, full, verb, arguments, REQUEST_TIMEOUT_US))
		return;
	request.name = slice_str(full);
	change_start(node, asker, &request);
}

void query_job_pause(struct node *node, const struct asker *asker, struct slice arguments)
{
	change_simple(node, asker, arguments, "job.pause", CHANGE_PAUSE);
}

void query_job_resume(struct node *node, const struct asker *asker, struct slice arguments)
{
	change_simple(node, asker, arguments, "job.resume", CHANGE_RESUME);
}

void query_job_enable(struct node *node, const struct asker *asker, struct slice arguments)
{
	change_simple(node, asker, arguments, "job.enable", CHANGE_ENABLE);
}

void query_job_disable(struct node *node, const struct asker *asker, struct slice arguments)
{
	change_simple(node, asker, arguments, "job.disable", CHANGE_DISABLE);
}

/* Kills what the job has open, without waiting for the answers: the removal says what may still be there. */
static void kill_open(struct node *node, const struct asker *asker, uint32_t slot)
{
	const struct asker nobody = {0};
	struct asker killer = nobody;
	memcpy(killer.user, asker->user, sizeof(killer.user));
	uint32_t link = slot == JOB_NONE ? 0 : node->jobs.jobs[slot].run_first;
	while (link != 0) {
		const struct run *run = &node->runs.runs[link - 1];
		struct run_key key = run->record.key;
		struct id128 executor = run->record.executor;
		bool is_open = run->is_open && !run_state_is_final(run->record.state);
		link = run->job_next;
		if (!is_open)
			continue;
		if (id128_equal(executor, node->config.id)) {
			/* One that has ended meanwhile needs no killing. */
			enum err err = executor_kill(node, &key, 0, -1, asker->user);
			(void)err;
		} else if (!id128_is_zero(executor)) {
			const uint8_t empty_map = 0x80;
			relay_pass(node, &killer, executor, "at.kill",
				   arguments_with_run(node, slice_of(&empty_map, 1), &key),
				   KILL_TIMEOUT_US, RELAY_PASS);
		}
	}
}

void query_job_remove(struct node *node, const struct asker *asker, struct slice arguments)
{
	char full[JOB_NAME_BYTES_MAX + 1];
	struct change_request request = {.kind = CHANGE_REMOVE};
	bool is_kill;
	if (!argument_job(node, asker, arguments, "name", full) ||
	    !argument_id(node, asker, arguments, &request.id) ||
	    !argument_text(node, asker, arguments, "reason", REASON_BYTES_MAX, &request.reason) ||
	    !argument_flag(node, asker, arguments, "let_finish", &request.let_finish) ||
	    !argument_flag(node, asker, arguments, "kill", &is_kill) ||
	    !is_change_here(node, asker, full, "job.rm", arguments, REQUEST_TIMEOUT_US))
		return;
	request.name = slice_str(full);
	if (is_kill) {
		request.let_finish = true;
		kill_open(node, asker, job_find(&node->jobs, hash_id(request.name)));
	}
	change_start(node, asker, &request);
}

/* ---- job.put ---- */

static void answer_check(struct node *node, const struct asker *asker, struct slice bytes, bool is_late)
{
	struct definition definition;
	struct schedule schedule;
	const struct zone *zone;
	struct problem problem = {0};
	if (change_check(node, bytes, is_late, &definition, &schedule, &zone, &problem) != ERR_OK) {
		answer_error(node, asker, &problem);
		return;
	}
	uint8_t memory[2048];
	struct buf body;
	buf_init(&body, memory, sizeof(memory));
	char full[JOB_NAME_BYTES_MAX + 1];
	char words[SCHEDULE_WORDS_BYTES_MAX];
	text_copy_slice(full, sizeof(full), definition.job);
	struct wire_map map = wire_map_begin(&body);
	wire_map_text(&map, &body, "name", text_job_display(full));
	wire_map_bool(&map, &body, "changed", false);
	if (schedule_describe(&schedule, words, sizeof(words)) == ERR_OK)
		wire_map_text(&map, &body, "words", words);
	wire_map_key(&map, &body, "next");
	struct wire_map array = wire_array_begin(&body);
	int64_t t_ms = node->cluster_ms;
	for (uint32_t i = 0; i < CHECK_NEXT_SHOWN; i++) {
		t_ms = schedule_next(&schedule, zone, t_ms);
		if (t_ms == SCHEDULE_NEVER)
			break;
		wire_put_i64(&body, t_ms);
		wire_array_item(&array);
	}
	wire_array_end(&array, &body);
	wire_map_i64(&map, &body, "nodes", swim_alive_count(node->swim));
	wire_map_end(&map, &body);
	assert(!body.has_overflowed);
	answer_end(node, asker, buf_slice(&body));
}

static bool read_definition_argument(struct node *node, const struct asker *asker,
				     struct slice arguments, struct slice *ret_bytes)
{
	struct wire_reader reader;
	struct problem problem;
	if (!wire_map_find(arguments, "definition", &reader) || wire_peek(&reader) != WIRE_BIN) {
		problem_set(&problem, ERR_INVALID, "definition: missing, or not binary");
		answer_error(node, asker, &problem);
		return false;
	}
	*ret_bytes = wire_get_bin(&reader, DEFINITION_BYTES_MAX);
	if (reader.err == ERR_OK)
		return true;
	problem_set(&problem, ERR_RANGE, "definition: longer than %u bytes", DEFINITION_BYTES_MAX);
	answer_error(node, asker, &problem);
	return false;
}

void query_job_put(struct node *node, const struct asker *asker, struct slice arguments)
{
	struct change_request request = {.kind = CHANGE_PUT};
	struct slice mode;
	if (!read_definition_argument(node, asker, arguments, &request.definition) ||
	    !argument_text(node, asker, arguments, "mode", 16, &mode) ||
	    !argument_id(node, asker, arguments, &request.id) ||
	    !argument_text(node, asker, arguments, "reason", REASON_BYTES_MAX, &request.reason) ||
	    !argument_flag(node, asker, arguments, "late", &request.is_late))
		return;
	if (slice_equal(mode, slice_str("check"))) {
		answer_check(node, asker, request.definition, request.is_late);
		return;
	}
	request.is_replace = slice_equal(mode, slice_str("replace"));
	struct problem problem = {0};
	struct definition definition;
	if (mode.bytes > 0 && !request.is_replace && !slice_equal(mode, slice_str("create"))) {
		problem_set(&problem, ERR_INVALID, "mode: create, replace or check is expected");
		answer_error(node, asker, &problem);
		return;
	}
	if (definition_decode(request.definition, &definition, &problem) != ERR_OK) {
		answer_error(node, asker, &problem);
		return;
	}
	char full[JOB_NAME_BYTES_MAX + 1];
	text_copy_slice(full, sizeof(full), definition.job);
	if (!is_change_here(node, asker, full, "job.put", arguments, REQUEST_TIMEOUT_US))
		return;
	request.name = definition.job;
	change_start(node, asker, &request);
}

/* ---- run ---- */

void query_run(struct node *node, const struct asker *asker, struct slice arguments)
{
	char full[JOB_NAME_BYTES_MAX + 1];
	struct id128 id;
	bool is_waited;
	bool is_forced;
	if (!argument_job(node, asker, arguments, "name", full) ||
	    !argument_id(node, asker, arguments, &id) ||
	    !argument_flag(node, asker, arguments, "wait", &is_waited) ||
	    !argument_flag(node, asker, arguments, "force", &is_forced) ||
	    !is_change_here(node, asker, full, "run", arguments, is_waited ? 0 : REQUEST_TIMEOUT_US))
		return;
	if (id128_is_zero(id)) {
		store_u64(id.bytes, prng_next(&node->prng));
		store_u64(id.bytes + 8, prng_next(&node->prng));
	}
	manual_start(node, asker, full, id, is_waited, is_forced);
}
