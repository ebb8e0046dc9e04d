/* The history of runs and what goes on, newest first: live runs of the table and ended ones of the store, merged. */
#include <assert.h>
#include <string.h>

#include "agent/core/query.h"
#include "proto/hash.h"

bool runs_next_stored(struct node *node, struct buf *place, struct run_key *ret_key)
{
	while (node->store->next(node->store->context, TABLE_RUNS_BY_TIME, buf_slice(place), place,
				 NULL) == ERR_OK)
		if (place->bytes == RUN_BY_TIME_KEY_BYTES &&
		    run_key_load(slice_of(place->data + 8, RUN_KEY_BYTES), ret_key) == ERR_OK)
			return true;
	return false;
}

enum err runs_read(struct node *node, const struct run_key *key, struct run_record *ret_record)
{
	if (key->attempt != UINT16_MAX)
		return ledger_read(node, key, ret_record);
	/* A fire that had a run is shown as that run. */
	struct run_key first = *key;
	first.attempt = 1;
	if (ledger_read(node, &first, ret_record) == ERR_OK)
		return ERR_NOT_FOUND;
	struct verdict_record verdict;
	enum err err = ledger_read_verdict(node, key->job, key->t_ms, key->manual, &verdict);
	if (err != ERR_OK)
		return err;
	*ret_record = (struct run_record){.key = *key,
					  .state = RUN_RELEASED,
					  .verdict = verdict.verdict,
					  .exit_code = -1,
					  .rss_bytes_max = -1,
					  .ended_ms = verdict.decided_ms};
	memcpy(ret_record->reason, verdict.reason, sizeof(ret_record->reason));
	return ERR_OK;
}

enum err runs_newest_of_job(struct node *node, struct id128 job, struct run_key *ret_key)
{
	uint32_t slot = job_find(&node->jobs, job);
	if (slot == JOB_NONE)
		return ERR_NOT_FOUND;
	bool is_found = false;
	bool is_started = false;
	for (uint32_t link = node->jobs.jobs[slot].run_first; link != 0;
	     link = node->runs.runs[link - 1].job_next) {
		const struct run_record *record = &node->runs.runs[link - 1].record;
		bool has_started = record->state >= RUN_STARTED;
		if (is_started && !has_started)
			continue;
		if (!is_found || is_started != has_started || run_key_compare(&record->key, ret_key) > 0)
			*ret_key = record->key;
		is_found = true;
		is_started = has_started;
	}
	struct run_key from = {.job = job, .t_ms = node->jobs.jobs[slot].last_due_ms};
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
		    run_key_load(buf_slice(&place), &key) != ERR_OK || !id128_equal(key.job, job))
			break;
		if (!is_started || run_key_compare(&key, ret_key) > 0)
			*ret_key = key;
		is_found = true;
		is_started = true;
	}
	/* Of a job that fires often the next run is claimed already and nothing else is open: the one before it. */
	buf_clear(&place);
	struct run_key key;
	for (uint32_t looked = 0;
	     !is_started && looked < LOOK_MAX && runs_next_stored(node, &place, &key); looked++) {
		is_started = id128_equal(key.job, job);
		if (is_started)
			*ret_key = key;
	}
	return is_found || is_started ? ERR_OK : ERR_NOT_FOUND;
}

/* ---- what is wanted ---- */

struct runs_filter {
	bool has_job, has_node;
	struct id128 job, executor;
	struct slice state, verdict;
	int64_t since_ms, until_ms;
};

static bool read_node_argument(struct node *node, const struct asker *asker, struct slice name,
			       struct runs_filter *filter)
{
	const struct member *member = swim_member_find_name(node->swim, name);
	filter->has_node = true;
	if (member != NULL) {
		filter->executor = member->id;
		return true;
	}
	if (text_parse_id(name, &filter->executor, NULL) == ERR_OK)
		return true;
	char quoted[TEXT_QUOTE_BYTES];
	struct problem problem;
	problem_set(&problem, ERR_NOT_FOUND, "node: no node is called %s", text_quote(name, quoted));
	problem_hint(&problem, "schedctl node ls");
	answer_error(node, asker, &problem);
	return false;
}

static bool read_runs_filter(struct node *node, const struct asker *asker, struct slice arguments,
			     struct runs_filter *ret_filter)
{
	struct slice job, name;
	*ret_filter = (struct runs_filter){0};
	if (!argument_text(node, asker, arguments, "job", JOB_NAME_BYTES_MAX, &job) ||
	    !argument_text(node, asker, arguments, "node", NODE_NAME_BYTES_MAX, &name) ||
	    !argument_text(node, asker, arguments, "state", 256, &ret_filter->state) ||
	    !argument_text(node, asker, arguments, "verdict", 256, &ret_filter->verdict) ||
	    !argument_number(node, asker, arguments, "since_at", 0, INT64_MAX, 0, &ret_filter->since_ms) ||
	    !argument_number(node, asker, arguments, "until_at", 0, INT64_MAX, INT64_MAX,
			     &ret_filter->until_ms))
		return false;
	if (job.bytes > 0) {
		char full[JOB_NAME_BYTES_MAX + 1];
		if (!argument_job(node, asker, arguments, "job", full))
			return false;
		ret_filter->has_job = true;
		ret_filter->job = hash_id(slice_str(full));
		struct def_value value;
		/* A job that was deleted still has its history. */
		if (query_read_definition(node, ret_filter->job, &value) != ERR_OK) {
			struct problem problem;
			problem_set(&problem, ERR_NOT_FOUND, "job %s: there is no such job",
				    text_job_display(full));
			problem_hint(&problem, "schedctl job ls");
			answer_error(node, asker, &problem);
			return false;
		}
	}
	return name.bytes == 0 || read_node_argument(node, asker, name, ret_filter);
}

static bool key_is_wanted(const struct runs_filter *filter, const struct run_key *key)
{
	return (!filter->has_job || id128_equal(key->job, filter->job)) &&
	       key->t_ms >= filter->since_ms && key->t_ms <= filter->until_ms;
}

static bool record_is_wanted(const struct node *node, const struct runs_filter *filter,
			     const struct run_record *record)
{
	if (filter->has_node && !id128_equal(record->executor, filter->executor))
		return false;
	if (filter->verdict.bytes > 0 && (record->verdict == VERDICT_NONE ||
					  !words_have(filter->verdict, verdict_word(record->verdict))))
		return false;
	return words_have(filter->state, row_run_state(node, record));
}

/* ---- live runs in order ---- */

static int slot_compare(const struct node *node, uint32_t a, uint32_t b)
{
	uint8_t left[RUN_BY_TIME_KEY_BYTES], right[RUN_BY_TIME_KEY_BYTES];
	run_by_time_key_store(&node->runs.runs[a].record.key, left);
	run_by_time_key_store(&node->runs.runs[b].record.key, right);
	return memcmp(left, right, sizeof(left));
}

/* Shell's sort, with Ciura's gaps: in place, and quick enough for a full table. */
static void slots_sort(struct node *node, uint32_t count)
{
	static const uint32_t gaps[] = {7906, 3514, 1562, 701, 301, 132, 57, 23, 10, 4, 1};
	uint32_t *slots = node->query->slots;
	for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
		for (uint32_t i = gaps[g]; i < count; i++) {
			uint32_t slot = slots[i];
			uint32_t place = i;
			for (; place >= gaps[g] && slot_compare(node, slots[place - gaps[g]], slot) > 0;
			     place -= gaps[g])
				slots[place] = slots[place - gaps[g]];
			slots[place] = slot;
		}
	}
}

/* Those behind `after`, newest first, in query->slots. */
static uint32_t slots_gather(struct node *node, const struct runs_filter *filter, struct slice after)
{
	uint32_t count = 0;
	for (uint32_t slot = run_next_slot(&node->runs, RUN_NONE); slot != RUN_NONE;
	     slot = run_next_slot(&node->runs, slot)) {
		uint8_t key[RUN_BY_TIME_KEY_BYTES];
		if (!key_is_wanted(filter, &node->runs.runs[slot].record.key))
			continue;
		run_by_time_key_store(&node->runs.runs[slot].record.key, key);
		if (slice_compare(slice_of(key, sizeof(key)), after) > 0)
			node->query->slots[count++] = slot;
	}
	slots_sort(node, count);
	return count;
}

/* ---- the page ---- */

struct runs_page {
	struct buf place; /* the key that was looked at last */
	uint8_t memory[64];
	uint32_t live_count;
	uint32_t live_next;
};

/* The next newest run of either source. */
static bool page_next(struct node *node, struct runs_page *page, struct run_key *ret_key)
{
	uint8_t memory[64];
	struct buf stored;
	buf_init(&stored, memory, sizeof(memory));
	buf_put(&stored, page->place.data, page->place.bytes);
	struct run_key stored_key;
	/* A live run's record is in the table: what the store has of it is older. */
	bool has_stored;
	do
		has_stored = runs_next_stored(node, &stored, &stored_key);
	while (has_stored && run_find(&node->runs, &stored_key) != RUN_NONE);

	uint8_t live[RUN_BY_TIME_KEY_BYTES];
	bool has_live = page->live_next < page->live_count;
	if (has_live) {
		*ret_key = node->runs.runs[node->query->slots[page->live_next]].record.key;
		run_by_time_key_store(ret_key, live);
		if (has_stored && slice_compare(slice_of(live, sizeof(live)), buf_slice(&stored)) > 0)
			has_live = false;
	}
	buf_clear(&page->place);
	if (has_live) {
		page->live_next++;
		buf_put(&page->place, live, sizeof(live));
		return true;
	}
	buf_put(&page->place, stored.data, stored.bytes);
	*ret_key = stored_key;
	return has_stored;
}

static void page_begin(struct node *node, struct runs_page *page, const struct runs_filter *filter)
{
	/* Straight to the newest that may be wanted. */
	if (page->place.bytes == 0 && filter->until_ms != INT64_MAX) {
		uint8_t until[8];
		store_u64(until, ~(uint64_t)filter->until_ms);
		buf_put(&page->place, until, sizeof(until));
	}
	page->live_count = slots_gather(node, filter, buf_slice(&page->place));
	page->live_next = 0;
}

void query_runs(struct node *node, const struct asker *asker, struct slice arguments)
{
	struct runs_filter filter;
	struct runs_page page;
	int64_t limit;
	bool is_complete;
	buf_init(&page.place, page.memory, sizeof(page.memory));
	if (!read_runs_filter(node, asker, arguments, &filter) ||
	    !argument_token(node, asker, arguments, &page.place) ||
	    !argument_number(node, asker, arguments, "limit", 1, ROWS_MAX, ROWS_DEFAULT, &limit) ||
	    !query_is_read_here(node, asker, "runs", arguments, &is_complete))
		return;

	page_begin(node, &page, &filter);
	uint32_t count = 0;
	uint32_t read_count = 0;
	bool has_more = false;
	for (uint32_t looked = 0;; looked++) {
		struct run_key key;
		struct run_record record;
		has_more = looked == LOOK_KEYS_MAX || read_count == LOOK_MAX || count == limit ||
			   !answer_has_room(node);
		if (has_more || !page_next(node, &page, &key))
			break;
		if (key.t_ms < filter.since_ms)
			break;
		if (!key_is_wanted(&filter, &key))
			continue;
		read_count++;
		if (runs_read(node, &key, &record) != ERR_OK ||
		    !record_is_wanted(node, &filter, &record))
			continue;
		struct buf row;
		buf_init(&row, node->query->row, sizeof(node->query->row));
		row_run(node, &row, &record);
		answer_row(node, asker, buf_slice(&row));
		count++;
	}
	query_end_page(node, asker, count, -1,
		       has_more ? buf_slice(&page.place) : slice_of(NULL, 0), is_complete);
}
