/* Messages between agents: what is put is got back, every truncation is refused, later fields are skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/message.h"
#include "proto/run_record.h"

static const struct run_key run = { .job = { { 1, 2 } }, .t_ms = 1795184726108, .manual = { { 9 } }, .shard = 3,
	                            .attempt = 2 };

static struct vote vote_example(void)
{
	struct vote vote = { .is_accept = true, .number = 77,
		             .key = { .arc = 4095, .kind = REGISTER_CUR, .key = { { 5 } } },
		             .ballot = { .epoch = { 1, 2 }, .round = 3, .boot = 4, .node = { { 6 } } },
		             .value = slice_str("value"), .next_round = 4, .add_count = 2 };
	vote.adds[0] = (struct vote_add){ .t_ms = 1000, .def_counter = 2 };
	vote.adds[1] = (struct vote_add){ .is_pass = true, .is_retry = true, .has_word = true, .t_ms = 2000,
		                          .def_counter = 3 };
	return vote;
}

static void a_vote_survives_the_wire(void **state)
{
	(void)state;
	struct vote vote = vote_example(), got;
	uint8_t memory[1024];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	message_begin(&out, MESSAGE_VOTE, 1);
	vote_put(&out, &vote);
	enum message_type type;
	uint32_t count;
	struct wire_reader reader;
	assert_int_equal(message_open(buf_slice(&out), &type, &count, &reader), ERR_OK);
	assert_int_equal(type, MESSAGE_VOTE);
	assert_int_equal(count, 1);
	vote_get(&reader, &got);
	assert_int_equal(wire_reader_end(&reader), ERR_OK);
	assert_true(got.is_accept);
	assert_int_equal(got.number, 77);
	assert_int_equal(got.key.arc, 4095);
	assert_int_equal(ballot_compare(&got.ballot, &vote.ballot), 0);
	assert_true(slice_equal(got.value, vote.value));
	assert_int_equal(got.next_round, 4);
	assert_int_equal(got.add_count, 2);
	assert_true(got.adds[1].is_pass && got.adds[1].is_retry && got.adds[1].has_word);
	assert_int_equal(got.adds[1].t_ms, 2000);
}

static void every_truncation_of_a_vote_is_refused(void **state)
{
	(void)state;
	struct vote vote = vote_example(), got;
	uint8_t memory[1024];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	message_begin(&out, MESSAGE_VOTE, 1);
	vote_put(&out, &vote);
	for (size_t bytes = 0; bytes < out.bytes; bytes++) {
		enum message_type type;
		uint32_t count;
		struct wire_reader reader;
		uint8_t *copy = test_malloc(bytes + 1);
		memcpy(copy, memory, bytes);
		enum err err = message_open(slice_of(copy, bytes), &type, &count, &reader);
		if (err == ERR_OK) {
			vote_get(&reader, &got);
			err = wire_reader_end(&reader);
		}
		assert_int_not_equal(err, ERR_OK);
		test_free(copy);
	}
}

static void another_version_and_an_unknown_type_are_refused(void **state)
{
	(void)state;
	enum message_type type;
	uint32_t count;
	struct wire_reader reader;
	const uint8_t version_two[] = { MESSAGE_ARM, 0x92, 0x02, 0x90 };
	const uint8_t unknown_type[] = { 99, 0x92, 0x01, 0x90 };
	const uint8_t membership[] = { 15, 0x92, 0x01, 0x90 };
	assert_int_equal(message_open(slice_of(version_two, 4), &type, &count, &reader), ERR_UNSUPPORTED);
	assert_int_equal(message_open(slice_of(unknown_type, 4), &type, &count, &reader), ERR_UNSUPPORTED);
	assert_int_equal(message_open(slice_of(membership, 4), &type, &count, &reader), ERR_UNSUPPORTED);
}

static void a_register_of_no_known_kind_is_refused(void **state)
{
	(void)state;
	struct copy copy = { .kind = REGISTER_DEF, .key = { { 1 } }, .counter = 2, .value = slice_str("x") }, got;
	uint8_t memory[128];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	copy_put(&out, &copy);
	memory[1] = 0; /* the kind */
	struct wire_reader reader;
	wire_reader_init(&reader, buf_slice(&out));
	copy_get(&reader, &got);
	assert_int_equal(wire_reader_end(&reader), ERR_RANGE);
}

static void fields_of_later_versions_are_skipped(void **state)
{
	(void)state;
	uint8_t memory[128];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	wire_put_array(&out, 5);
	wire_put_run_key(&out, &run);
	wire_put_u64(&out, RUN_STARTED);
	wire_put_bool(&out, true);
	wire_put_i64(&out, 7);
	wire_put_text(&out, "of the future");
	struct wire_reader reader;
	wire_reader_init(&reader, buf_slice(&out));
	struct run_ack ack;
	run_ack_get(&reader, &ack);
	assert_int_equal(wire_reader_end(&reader), ERR_OK);
	assert_true(run_key_equal(&ack.run, &run));
	assert_true(ack.is_gone);
	assert_int_equal(ack.armed_ms, 7);
}

static void a_digest_has_as_many_sums_as_its_level_says(void **state)
{
	(void)state;
	uint8_t memory[2048];
	struct buf out;
	struct digest digest = { .level = 1, .sum_count = 64, .wants_answer = true }, got;
	for (uint64_t i = 0; i < 64; i++)
		digest.sums[i][1] = i;
	buf_init(&out, memory, sizeof(memory));
	digest_put(&out, &digest);
	struct wire_reader reader;
	wire_reader_init(&reader, buf_slice(&out));
	digest_get(&reader, &got);
	assert_int_equal(wire_reader_end(&reader), ERR_OK);
	assert_memory_equal(got.sums, digest.sums, sizeof(got.sums));
	digest.sum_count = 3;
	buf_clear(&out);
	digest_put(&out, &digest);
	wire_reader_init(&reader, buf_slice(&out));
	digest_get(&reader, &got);
	assert_int_equal(wire_reader_end(&reader), ERR_RANGE);
}

static void run_records_only_move_on(void **state)
{
	(void)state;
	struct run_record held = { .key = run, .state = RUN_STARTED, .claimed_ms = 5, .started_ms = 10, .pid = 3 };
	struct run_record older = held, lost = held, ended = held;
	older.state = RUN_ARMED;
	lost.state = RUN_LOST;
	lost.verdict = VERDICT_LOST;
	ended = (struct run_record){ .key = run, .state = RUN_ENDED, .verdict = VERDICT_RAN_OK };
	assert_false(run_record_merge(&held, &older));
	assert_int_equal(held.state, RUN_STARTED);
	assert_true(run_record_merge(&held, &lost));
	assert_false(run_record_merge(&held, &lost));
	assert_true(run_record_merge(&held, &ended)); /* the executor's own last word outranks the proposer's */
	assert_true(held.is_late_result);
	assert_int_equal(held.verdict, VERDICT_RAN_OK);
	assert_int_equal(held.started_ms, 10);
	assert_int_equal(held.pid, 3);
	assert_false(run_record_merge(&held, &lost));
}

static void a_run_record_survives_the_wire_within_its_bound(void **state)
{
	(void)state;
	struct run_record record = { .key = run, .state = RUN_ENDED, .executor = { { 4 } }, .def_counter = UINT64_MAX,
		                     .claimed_ms = INT64_MAX, .armed_ms = INT64_MIN, .started_ms = INT64_MAX,
		                     .ended_ms = INT64_MAX, .duration_us = INT64_MAX, .lateness_us = INT64_MIN,
		                     .verdict = VERDICT_FAILED, .exit_code = INT32_MIN, .signal = INT32_MAX,
		                     .pid = INT64_MAX, .user_us = INT64_MAX, .system_us = INT64_MAX,
		                     .rss_bytes_max = INT64_MAX, .output_bytes = UINT64_MAX, .is_late_result = true };
	struct run_record got;
	memset(record.reason, 'x', RESULT_BYTES_MAX);
	uint8_t memory[RUN_RECORD_BYTES_MAX];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	run_record_put(&out, &record);
	assert_false(out.has_overflowed);
	struct wire_reader reader;
	wire_reader_init(&reader, buf_slice(&out));
	run_record_get(&reader, &got);
	assert_int_equal(wire_reader_end(&reader), ERR_OK);
	assert_string_equal(got.reason, record.reason);
	assert_true(got.lateness_us == INT64_MIN && got.exit_code == INT32_MIN && got.is_late_result);
}

static void keys_in_the_store_order_runs_by_job_then_time(void **state)
{
	(void)state;
	uint8_t early[RUN_KEY_BYTES], late[RUN_KEY_BYTES], negative[RUN_KEY_BYTES];
	struct run_key key = run, got;
	run_key_store(&key, early);
	assert_int_equal(run_key_load(slice_of(early, sizeof(early)), &got), ERR_OK);
	assert_true(run_key_equal(&key, &got));
	key.t_ms++;
	run_key_store(&key, late);
	key.t_ms = -1;
	run_key_store(&key, negative);
	assert_true(memcmp(early, late, RUN_KEY_BYTES) < 0);
	assert_true(memcmp(negative, early, RUN_KEY_BYTES) < 0);
	assert_int_equal(run_key_load(slice_of(early, 5), &got), ERR_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vote_survives_the_wire),
		cmocka_unit_test(every_truncation_of_a_vote_is_refused),
		cmocka_unit_test(another_version_and_an_unknown_type_are_refused),
		cmocka_unit_test(a_register_of_no_known_kind_is_refused),
		cmocka_unit_test(fields_of_later_versions_are_skipped),
		cmocka_unit_test(a_digest_has_as_many_sums_as_its_level_says),
		cmocka_unit_test(run_records_only_move_on),
		cmocka_unit_test(a_run_record_survives_the_wire_within_its_bound),
		cmocka_unit_test(keys_in_the_store_order_runs_by_job_then_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
