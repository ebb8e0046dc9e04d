/* What the judge says of votes: images only move on, a ballot has one value, what a majority has on disk is never undone,
 * and nothing is said that is not on disk. */
#include "tests/sim/checker_state.h"

#include <stdlib.h>
#include <string.h>

#include "agent/core/def_value.h"
#include "agent/core/start_record.h"
#include "proto/hash.h"
#include "proto/run_record.h"
#include "tests/sim/faults.h"

static uint64_t vote_hash(const struct register_key *key, const struct ballot *ballot)
{
	uint8_t memory[128];
	struct buf bytes;
	buf_init(&bytes, memory, sizeof(memory));
	buf_put_u8(&bytes, (uint8_t)key->kind);
	buf_put(&bytes, key->key.bytes, 16);
	buf_put_u64(&bytes, ballot->epoch.number);
	buf_put_u64(&bytes, ballot->epoch.bits);
	buf_put_u64(&bytes, ballot->round);
	buf_put_u64(&bytes, ballot->boot);
	buf_put(&bytes, ballot->node.bytes, 16);
	return hash_u64(buf_slice(&bytes)) | 1;
}

static const char *register_text(const struct world *world, const struct register_key *key)
{
	const struct operator_job *job = operator_job_find(world, key->key);
	static char text[JOB_NAME_BYTES_MAX + 8];
	const char *name = job == NULL ? "?" : job->name;
	size_t length = strlen(name);
	memcpy(text, key->kind == REGISTER_CUR ? "cur " : "def ", 4);
	memcpy(text + 4, name, length + 1);
	return text;
}

/* ---- decisions ---- */

static void on_def_decided(struct world *world, const struct register_image *image)
{
	struct job_entry *job = checker_job(world, image->key.key);
	struct def_value value;
	if (def_value_get(image->value, &value) != ERR_OK) {
		world_fail(world, "C3", "%s: a decided value can not be read", register_text(world, &image->key));
		return;
	}
	if (ballot_compare(&image->accepted, &job->def_ballot) <= 0)
		return; /* an older ballot, now on a majority's disks too */
	uint64_t hash = hash_u64(image->value);
	if (value.counter < job->def_counter || (value.counter == job->def_counter && hash != job->def_hash))
		world_fail(world, "C3", "%s: version %llu was decided over version %llu", register_text(world, &image->key),
			   (unsigned long long)value.counter, (unsigned long long)job->def_counter);
	job->def_ballot = image->accepted;
	job->def_counter = value.counter;
	job->def_hash = hash;
}

static void on_claim(struct world *world, const struct register_image *image, const struct cursor_open *open)
{
	struct run_key key = cursor_run_key(image->key.key, open);
	struct run_entry *run = checker_run(world, &key);
	int executor = world_host_by_id(world, open->executor);
	if (executor < 0) {
		world_fail(world, "C3", "%s was given to nobody", checker_run_text(world, &key));
		return;
	}
	if (run->is_decided && run->executor != (uint32_t)executor)
		world_fail(world, "C3", "%s was given to %s, and now to %s", checker_run_text(world, &key),
			   world->hosts[run->executor].name, world->hosts[executor].name);
	if (run->is_folded)
		world_fail(world, "C3", "%s was over and is open again", checker_run_text(world, &key));
	if (run->is_decided)
		return;
	world->checker->claim_count++;
	world_trace(world, "--  decided %s for %s", checker_run_text(world, &key), world->hosts[executor].name);
	run->is_decided = true;
	run->executor = (uint32_t)executor;
	run->def_counter = open->def_counter;
	run->decided_us = world->now_us;
	int64_t early_ms = open->t_ms - world_utc_ms(world) - LOOKAHEAD_MS - EARLY_SLACK_MS;
	if (id128_is_zero(open->manual) && early_ms > checker_early_ms(world))
		world_fail(world, "C6", "%s is decided %lld ms earlier than its voters may", checker_run_text(world, &key),
			   (long long)early_ms);
}

/* An open run that was not open before must have been free to claim. */
static void check_is_new(struct world *world, const struct job_entry *job, const struct cursor_open *open)
{
	const struct cursor *before = &job->cursor;
	struct run_key key = cursor_run_key(job->id, open);
	if (cursor_find_open(before, &key) >= 0)
		return;
	for (uint32_t i = 0; i < before->open_count; i++)
		if (before->open[i].t_ms == open->t_ms && id128_equal(before->open[i].manual, open->manual) &&
		    before->open[i].attempt < open->attempt)
			return;
	bool is_old = id128_is_zero(open->manual) ? open->t_ms <= before->through_ms
						  : cursor_has_manual(before, open->manual);
	if (is_old)
		world_fail(world, "C3", "%s is claimed although its fire was decided before", checker_run_text(world, &key));
}

static void on_cursor_decided(struct world *world, const struct host *host, const struct register_image *image)
{
	struct job_entry *job = checker_job(world, image->key.key);
	struct cursor *cursor = &world->checker->decoded;
	if (cursor_get(image->value, cursor) != ERR_OK) {
		world_fail(world, "C3", "%s: a decided value can not be read", register_text(world, &image->key));
		return;
	}
	if (job->has_cursor && ballot_compare(&image->accepted, &job->cursor_ballot) <= 0)
		return;
	if (cursor->through_ms < job->cursor.through_ms || cursor->highest_ms < job->cursor.highest_ms ||
	    cursor->manual_floor_ms < job->cursor.manual_floor_ms)
		world_fail(world, "C3", "%s goes back", register_text(world, &image->key));
	for (uint32_t i = 0; i < job->cursor.open_count; i++) {
		struct run_key key = cursor_run_key(job->id, &job->cursor.open[i]);
		if (cursor_find_open(cursor, &key) < 0)
			checker_run(world, &key)->is_folded = true;
	}
	for (uint32_t i = 0; i < cursor->open_count; i++) {
		check_is_new(world, job, &cursor->open[i]);
		on_claim(world, image, &cursor->open[i]);
	}
	const struct operator_job *asked = operator_job_find(world, job->id);
	if (asked != NULL && !asked->allows_overlap && cursor->open_count > 1)
		world_fail(world, "C7", "%s has %u open runs, and forbids two", asked->name, cursor->open_count);
	if (cursor->through_ms != job->cursor.through_ms)
		world_trace(world, "--  %s is decided through %lld, round %llu", register_text(world, &image->key),
			    (long long)(cursor->through_ms - SIM_UTC_START_MS), (unsigned long long)image->accepted.round);
	job->cursor = *cursor;
	job->cursor_ballot = image->accepted;
	job->has_cursor = true;
	(void)host;
}

static void on_vote(struct world *world, const struct host *host, const struct register_image *image)
{
	struct checker *checker = world->checker;
	if (host->index >= world->voter_count) {
		world_fail(world, "C3", "%s votes and is in no set", host->name);
		return;
	}
	uint64_t hash = vote_hash(&image->key, &image->accepted);
	uint32_t at = index_find(&checker->ballot_index, hash);
	uint64_t value_hash = hash_u64(image->value);
	if (at == UINT32_MAX) {
		if (checker->ballot_count == checker->ballot_max) {
			checker->ballot_max = checker->ballot_max == 0 ? 256 : checker->ballot_max * 2;
			checker->ballots = realloc(checker->ballots, checker->ballot_max * sizeof(*checker->ballots));
			if (checker->ballots == NULL)
				abort();
		}
		at = checker->ballot_count++;
		checker->ballots[at] = (struct ballot_entry){.value_hash = value_hash};
		index_add(&checker->ballot_index, hash, at);
	}
	struct ballot_entry *ballot = &checker->ballots[at];
	if (ballot->value_hash != value_hash)
		world_fail(world, "C3", "%s: two values at one ballot", register_text(world, &image->key));
	ballot->mask |= 1u << host->index;
	if (ballot->is_decided || (uint32_t)__builtin_popcount(ballot->mask) < checker_majority(world))
		return;
	ballot->is_decided = true;
	if (image->key.kind == REGISTER_DEF)
		on_def_decided(world, image);
	else
		on_cursor_decided(world, host, image);
}

/* ---- commits ---- */

static void check_register_moves_on(struct world *world, const struct host *host, const struct store_change *change)
{
	struct register_image news, held;
	struct buf memory;
	buf_init(&memory, world->checker->record, RECORD_BYTES);
	if (change->is_remove || !register_image_get(change->key, change->value, &news)) {
		world_fail(world, "C3", "%s writes a register that can not be read", host->name);
		return;
	}
	if (ballot_compare(&news.promised, &news.accepted) < 0)
		world_fail(world, "C3", "%s accepts %s above its promise", host->name, register_text(world, &news.key));
	if (!register_image_read(host, &news.key, &memory, &held))
		return;
	if (ballot_compare(&news.promised, &held.promised) < 0)
		world_fail(world, "C3", "%s takes back a promise for %s", host->name, register_text(world, &news.key));
	if (ballot_compare(&news.accepted, &held.accepted) < 0)
		world_fail(world, "C3", "%s goes back to an older vote for %s", host->name, register_text(world, &news.key));
}

static void check_start_moves_on(struct world *world, const struct host *host, const struct store_change *change)
{
	struct run_key key;
	enum start_state state;
	if (!start_record_load(change->key, change->value, &key, &state))
		return; /* a floor */
	uint8_t held = start_image_read(host, &key);
	uint8_t news = change->is_remove ? 0 : change->value.data[0];
	bool is_wrong = (held == START_STARTED && news == START_RELEASED) ||
			((held == START_RELEASED || held == START_ENDED) && news == START_STARTED);
	if (is_wrong)
		world_fail(world, "C2", "%s: the start record of %s goes from %c to %c", host->name,
			   checker_run_text(world, &key), held, news == 0 ? '-' : news);
}

void checker_before_commit(struct world *world, struct host *host, const struct store_batch *batch)
{
	for (size_t i = 0; i < store_batch_count(batch); i++) {
		struct store_change change = store_batch_at(batch, i);
		if (change.table == TABLE_REGISTERS)
			check_register_moves_on(world, host, &change);
		else if (change.table == TABLE_STARTS)
			check_start_moves_on(world, host, &change);
	}
}

void checker_on_commit(struct world *world, struct host *host, const struct store_batch *batch)
{
	for (size_t i = 0; i < store_batch_count(batch); i++) {
		struct store_change change = store_batch_at(batch, i);
		struct register_image image;
		struct run_key key;
		enum start_state state;
		if (change.is_remove)
			continue;
		if (change.table == TABLE_REGISTERS && register_image_get(change.key, change.value, &image) &&
		    !ballot_is_zero(&image.accepted))
			on_vote(world, host, &image);
		if (change.table == TABLE_STARTS && start_record_load(change.key, change.value, &key, &state) &&
		    state == START_STARTED && checker_run(world, &key)->record_synced_us == 0)
			checker_run(world, &key)->record_synced_us = world->now_us;
	}
}

/* What an agent finds of its own runs when it starts. */
static void trace_starts(struct world *world, const struct host *host)
{
	uint8_t key_memory[64], value_memory[16];
	struct buf key, value;
	buf_init(&key, key_memory, sizeof(key_memory));
	buf_init(&value, value_memory, sizeof(value_memory));
	while (host->disk->next(host->disk->context, TABLE_STARTS, buf_slice(&key), &key, &value) == ERR_OK) {
		struct run_key run;
		enum start_state state;
		if (start_record_load(buf_slice(&key), buf_slice(&value), &run, &state))
			world_trace(world, "%s  has the start record %c of %s", host->name, (char)state,
				    checker_run_text(world, &run));
	}
}

void checker_on_agent_start(struct world *world, struct host *host)
{
	trace_starts(world, host);
	uint64_t *boot = &world->checker->boots[host->index];
	if (host->boot <= *boot)
		world_fail(world, "C3", "%s starts with boot %llu after %llu", host->name,
			   (unsigned long long)host->boot, (unsigned long long)*boot);
	*boot = host->boot;
}

/* ---- frames ---- */

static void check_voted(struct world *world, const struct host *from, const struct voted *voted)
{
	if (voted->answer != VOTE_ACK && voted->answer != VOTE_PROMISE)
		return;
	struct buf memory;
	buf_init(&memory, world->checker->record, RECORD_BYTES);
	struct register_image image;
	bool is_there = register_image_read(from, &voted->key, &memory, &image);
	if (!is_there || ballot_compare(&image.promised, &voted->ballot) < 0)
		world_fail(world, "C12", "%s promises %s, and its disk does not", from->name,
			   register_text(world, &voted->key));
	else if (voted->answer == VOTE_ACK && ballot_compare(&image.accepted, &voted->ballot) < 0)
		world_fail(world, "C12", "%s acknowledges a value of %s, and its disk does not have it", from->name,
			   register_text(world, &voted->key));
}

static void trace_vote(struct world *world, const struct host *from, uint32_t to, const struct vote *vote)
{
	world_trace(world, "%s  %s %s round=%llu to %s, adds %u", from->name, vote->is_accept ? "ACCEPT" : "PREPARE",
		    register_text(world, &vote->key), (unsigned long long)vote->ballot.round, world->hosts[to].name,
		    vote->add_count);
}

static void trace_voted(struct world *world, const struct host *from, uint32_t to, const struct voted *voted)
{
	static const char *const words[] = {"PROMISE", "ACK",    "LOWER",    "NOT_SERVING", "OLD_DEF",
					    "EARLY",   "LEASED", "NEED_DEF", "BUSY"};
	world_trace(world, "%s  %s %s round=%llu to %s", from->name, words[voted->answer],
		    register_text(world, &voted->key), (unsigned long long)voted->ballot.round, world->hosts[to].name);
}

static void check_vote(struct world *world, const struct host *from, const struct vote *vote)
{
	if (!vote->is_accept)
		return;
	struct checker *checker = world->checker;
	uint64_t hash = vote_hash(&vote->key, &vote->ballot);
	uint64_t value_hash = hash_u64(vote->value);
	uint32_t at = index_find(&checker->sent_index, hash);
	if (at != UINT32_MAX) {
		if (checker->sent_hashes[at] != value_hash)
			world_fail(world, "C3", "%s proposes two values for %s at one ballot", from->name,
				   register_text(world, &vote->key));
		return;
	}
	if (checker->sent_count == checker->sent_max) {
		checker->sent_max = checker->sent_max == 0 ? 256 : checker->sent_max * 2;
		checker->sent_hashes = realloc(checker->sent_hashes, checker->sent_max * sizeof(*checker->sent_hashes));
		if (checker->sent_hashes == NULL)
			abort();
	}
	checker->sent_hashes[checker->sent_count] = value_hash;
	index_add(&checker->sent_index, hash, checker->sent_count++);
}

/* True if the run's record in the history says so: the start record is dropped when the set needs it no more. */
static bool is_in_history(const struct host *host, const struct run_key *key, enum run_state state)
{
	uint8_t bytes[RUN_KEY_BYTES], memory[RUN_RECORD_BYTES_MAX];
	struct buf value;
	buf_init(&value, memory, sizeof(memory));
	run_key_store(key, bytes);
	if (host->disk->get(host->disk->context, TABLE_RUNS, slice_of(bytes, sizeof(bytes)), &value) != ERR_OK)
		return false;
	struct wire_reader reader;
	struct run_record record;
	wire_reader_init(&reader, buf_slice(&value));
	run_record_get(&reader, &record);
	return wire_reader_end(&reader) == ERR_OK && record.state == state;
}

/* The executor's own last word needs its record on disk; so does `started`. */
static void check_run(struct world *world, const struct host *from, const struct run_record *record)
{
	if (!id128_equal(record->executor, from->id))
		return;
	uint8_t letter = start_image_read(from, &record->key);
	bool is_covered = true;
	if (record->state == RUN_RELEASED)
		is_covered = letter == START_RELEASED || (letter == 0 && is_in_history(from, &record->key, RUN_RELEASED));
	else if (record->state == RUN_STARTED)
		is_covered = letter == START_STARTED || letter == START_ENDED;
	else if (record->state == RUN_ENDED)
		is_covered = letter == START_ENDED || letter == 0; /* 0: dropped, or below the floor */
	if (!is_covered)
		world_fail(world, "C12", "%s says that %s is %s, and its disk does not", from->name,
			   checker_run_text(world, &record->key), run_state_word(record->state));
}

void checker_on_frame(struct world *world, struct host *from, uint32_t to, struct slice bytes)
{
	if (bytes.bytes == 0 || bytes.data[0] < MESSAGE_VOTE)
		return;
	enum message_type type;
	uint32_t item_count;
	struct wire_reader reader;
	if (message_open(bytes, &type, &item_count, &reader) != ERR_OK) {
		world_fail(world, "C12", "%s sends a frame that can not be read", from->name);
		return;
	}
	for (uint32_t i = 0; i < item_count && reader.err == ERR_OK; i++) {
		struct vote vote;
		struct voted voted;
		struct run_record record;
		if (type == MESSAGE_VOTE) {
			vote_get(&reader, &vote);
			trace_vote(world, from, to, &vote);
			check_vote(world, from, &vote);
		} else if (type == MESSAGE_VOTED) {
			voted_get(&reader, &voted);
			trace_voted(world, from, to, &voted);
			check_voted(world, from, &voted);
		} else if (type == MESSAGE_RUN) {
			run_record_get(&reader, &record);
			world_trace(world, "%s  RUN %s is %s to %s", from->name, checker_run_text(world, &record.key),
				    run_state_word(record.state), world->hosts[to].name);
			check_run(world, from, &record);
		} else {
			return;
		}
	}
	if (reader.err != ERR_OK)
		world_fail(world, "C12", "%s sends a frame that is cut short, type %d", from->name, (int)type);
}
