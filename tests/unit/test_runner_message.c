#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/runner.h"
#include "proto/wire.h"

#define CASE(function, sentence)                     \
	{                                            \
		sentence, function, NULL, NULL, NULL \
	}

static struct run_key key_of(uint8_t seed)
{
	struct run_key key = {.t_ms = 1743301800000 + seed, .shard = seed, .attempt = 1};
	memset(key.job.bytes, seed, sizeof(key.job.bytes));
	return key;
}

static void check_order(const struct runner_order *order)
{
	uint8_t memory[4096];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	runner_order_put(&out, order);
	assert_false(out.has_overflowed);

	struct runner_order back;
	assert_int_equal(runner_order_get(buf_slice(&out), &back), ERR_OK);
	assert_int_equal(back.type, order->type);
	assert_true(run_key_equal(&back.run, &order->run));
	assert_true(slice_equal(back.run_name, order->run_name));
	assert_true(slice_equal(back.definition, order->definition));
	assert_true(slice_equal(back.environment, order->environment));
	assert_true(slice_equal(back.by, order->by));
	assert_int_equal(back.start_mono_us, order->start_mono_us);
	assert_int_equal(back.signal, order->signal);
	assert_int_equal(back.grace_ms, order->grace_ms);

	/* No shorter input is a message, and each part of it is refused without reading on. */
	for (size_t bytes = 0; bytes < out.bytes; bytes++)
		assert_int_not_equal(runner_order_get(slice_of(memory, bytes), &back), ERR_OK);
}

static void orders_come_back_as_they_were_sent(void **state)
{
	(void)state;
	check_order(&(struct runner_order){.type = RUNNER_PREPARE,
					   .run = key_of(1),
					   .run_name = slice_str("backup@2025-03-30T02:30:00Z/0#1"),
					   .start_mono_us = 123456789,
					   .definition = slice_str("\x80"),
					   .environment = slice_str("\x80")});
	check_order(&(struct runner_order){.type = RUNNER_KILL,
					   .run = key_of(2),
					   .signal = 15,
					   .grace_ms = -1,
					   .by = slice_str("root")});
	check_order(&(struct runner_order){.type = RUNNER_ASK, .run = key_of(3)});
	check_order(&(struct runner_order){.type = RUNNER_FORGET, .run = key_of(4)});
	check_order(&(struct runner_order){.type = RUNNER_REVOKE, .run = key_of(5)});
}

static void check_report(const struct runner_report *report)
{
	uint8_t memory[1024];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	runner_report_put(&out, report);
	assert_false(out.has_overflowed);

	struct runner_report back;
	assert_int_equal(runner_report_get(buf_slice(&out), &back), ERR_OK);
	uint8_t again_memory[1024];
	struct buf again;
	buf_init(&again, again_memory, sizeof(again_memory));
	runner_report_put(&again, &back);
	assert_true(slice_equal(buf_slice(&again), buf_slice(&out)));
	for (size_t bytes = 0; bytes < out.bytes; bytes++)
		assert_int_not_equal(runner_report_get(slice_of(memory, bytes), &back), ERR_OK);
}

static void reports_come_back_as_they_were_sent(void **state)
{
	(void)state;
	check_report(&(struct runner_report){.type = RUNNER_HELLO, .version = slice_str("0.1.0")});
	check_report(&(struct runner_report){.type = RUNNER_STARTED,
					     .run = key_of(1),
					     .pid = 4711,
					     .started_utc_ms = 1743301800000,
					     .started_mono_us = 99,
					     .lateness_us = 61});
	struct runner_report ended = {
		.type = RUNNER_ENDED,
		.run = key_of(2),
		.pid = 4711,
		.started_utc_ms = 1743301800000,
		.started_mono_us = 99,
		.lateness_us = -1,
		.ended_utc_ms = 1743301801000,
		.duration_us = 1000001,
		.exit_code = -1,
		.signal = 9,
		.cause = RUNNER_CAUSE_KILLED,
		.cause_text = slice_str("ann"),
		.usage = {.user_us = 1, .system_us = 2, .rss_bytes_max = -1},
		.output_bytes = UINT64_MAX,
		.processes_left = -1,
	};
	check_report(&ended);
	check_report(&(struct runner_report){.type = RUNNER_UNKNOWN, .run = key_of(3)});
	check_report(&(struct runner_report){.type = RUNNER_PREPARED, .run = key_of(4)});
}

static void items_of_a_later_version_are_skipped(void **state)
{
	(void)state;
	uint8_t memory[256];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	struct run_key key = key_of(7);
	wire_put_array(&out, 5);
	wire_put_u64(&out, 1);
	wire_put_u64(&out, RUNNER_ASK);
	wire_put_run_key(&out, &key);
	wire_put_text(&out, "later");
	wire_put_map(&out, 0);
	struct runner_order order;
	assert_int_equal(runner_order_get(buf_slice(&out), &order), ERR_OK);
	assert_true(run_key_equal(&order.run, &key));
}

static void wrong_orders_are_refused_by_name(void **state)
{
	(void)state;
	static const struct {
		uint64_t version;
		uint64_t type;
		uint64_t signal;
		int64_t grace_ms;
		enum err err;
	} cases[] = {
		{2, RUNNER_KILL, 15, 0, ERR_UNSUPPORTED},
		{1, 6, 15, 0, ERR_UNSUPPORTED},
		{1, 0, 15, 0, ERR_UNSUPPORTED},
		{1, RUNNER_KILL, 65, 0, ERR_RANGE},
		{1, RUNNER_KILL, 15, KILL_GRACE_MS_MAX + 1, ERR_RANGE},
		{1, RUNNER_KILL, 64, KILL_GRACE_MS_MAX, ERR_OK},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t memory[256];
		struct buf out;
		buf_init(&out, memory, sizeof(memory));
		struct run_key key = key_of(7);
		wire_put_array(&out, 6);
		wire_put_u64(&out, cases[i].version);
		wire_put_u64(&out, cases[i].type);
		wire_put_run_key(&out, &key);
		wire_put_u64(&out, cases[i].signal);
		wire_put_i64(&out, cases[i].grace_ms);
		wire_put_text(&out, "ann");
		struct runner_order order;
		assert_int_equal(runner_order_get(buf_slice(&out), &order), cases[i].err);
	}
}

static void a_prepare_without_a_name_is_refused(void **state)
{
	(void)state;
	uint8_t memory[256];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	struct runner_order order = {.type = RUNNER_PREPARE, .run = key_of(1)};
	runner_order_put(&out, &order);
	assert_int_equal(runner_order_get(buf_slice(&out), &order), ERR_INVALID);
}

static void bytes_after_a_message_are_refused(void **state)
{
	(void)state;
	uint8_t memory[256];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	struct runner_order order = {.type = RUNNER_ASK, .run = key_of(1)};
	runner_order_put(&out, &order);
	buf_put_u8(&out, 0xc0);
	assert_int_not_equal(runner_order_get(buf_slice(&out), &order), ERR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(orders_come_back_as_they_were_sent,
		     "orders come back as they were sent, none is cut"),
		CASE(reports_come_back_as_they_were_sent,
		     "reports come back as they were sent, none is cut"),
		CASE(items_of_a_later_version_are_skipped, "items of a later version are skipped"),
		CASE(wrong_orders_are_refused_by_name, "version, type, signal and grace have bounds"),
		CASE(a_prepare_without_a_name_is_refused, "PREPARE without a run name is refused"),
		CASE(bytes_after_a_message_are_refused, "bytes after a message are refused"),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
