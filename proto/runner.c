/* The messages of the runner's socket as msgpack arrays: [version, type, run, fields...]. Items that a later
 * version adds stand at the end and are skipped. */
#include "proto/runner.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "proto/wire.h"

#define RUNNER_MESSAGE_VERSION 1u
#define RUNNER_SIGNAL_MAX 64u
#define RUNNER_VERSION_BYTES_MAX 64u

/* Items of an order's array, by type. */
static uint32_t order_items(enum runner_order_type type)
{
	switch (type) {
	case RUNNER_PREPARE:
		return 7;
	case RUNNER_KILL:
		return 6;
	case RUNNER_ASK:
	case RUNNER_FORGET:
	case RUNNER_REVOKE:
		return 3;
	}
	return 0;
}

void runner_order_put(struct buf *out, const struct runner_order *order)
{
	wire_put_array(out, order_items(order->type));
	wire_put_u64(out, RUNNER_MESSAGE_VERSION);
	wire_put_u64(out, (uint64_t)order->type);
	wire_put_run_key(out, &order->run);
	switch (order->type) {
	case RUNNER_PREPARE:
		wire_put_str(out, order->run_name.data, order->run_name.bytes);
		wire_put_i64(out, order->start_mono_us);
		wire_put_bin(out, order->definition.data, order->definition.bytes);
		wire_put_bin(out, order->environment.data, order->environment.bytes);
		break;
	case RUNNER_KILL:
		wire_put_u64(out, (uint64_t)order->signal);
		wire_put_i64(out, order->grace_ms);
		wire_put_str(out, order->by.data, order->by.bytes);
		break;
	case RUNNER_ASK:
	case RUNNER_FORGET:
	case RUNNER_REVOKE:
		break;
	}
}

/* Reads the head that orders and reports share; the count of items that follow it. */
static uint32_t get_head(struct wire_reader *reader, uint64_t *ret_type)
{
	uint32_t count = wire_get_array_min(reader, 2);
	uint64_t version = wire_get_u64(reader);
	if (reader->err == ERR_OK && version != RUNNER_MESSAGE_VERSION)
		reader->err = ERR_UNSUPPORTED;
	*ret_type = wire_get_u64(reader);
	return reader->err == ERR_OK ? count - 2 : 0;
}

static void get_order_fields(struct wire_reader *reader, struct runner_order *order)
{
	order->run = wire_get_run_key(reader);
	if (order->type == RUNNER_PREPARE) {
		order->run_name = wire_get_str(reader, RUN_NAME_BYTES_MAX);
		order->start_mono_us = wire_get_i64(reader);
		order->definition = wire_get_bin(reader, DEFINITION_BYTES_MAX);
		order->environment = wire_get_bin(reader, RUNNER_ENVIRONMENT_BYTES_MAX);
	} else if (order->type == RUNNER_KILL) {
		order->signal = (int)wire_get_u64_max(reader, RUNNER_SIGNAL_MAX);
		order->grace_ms = wire_get_i64(reader);
		order->by = wire_get_str(reader, RESULT_BYTES_MAX);
	}
}

enum err runner_order_get(struct slice frame, struct runner_order *ret_order)
{
	struct wire_reader reader;
	wire_reader_init(&reader, frame);
	uint64_t type = 0;
	uint32_t rest = get_head(&reader, &type);
	if (reader.err != ERR_OK)
		return reader.err;
	if (type < RUNNER_PREPARE || type > RUNNER_REVOKE)
		return ERR_UNSUPPORTED;

	struct runner_order order = {.type = (enum runner_order_type)type};
	uint32_t wanted = order_items(order.type) - 2;
	if (rest < wanted)
		return ERR_INVALID;
	get_order_fields(&reader, &order);
	wire_skip_items(&reader, rest - wanted);
	enum err err = wire_reader_end(&reader);
	if (err != ERR_OK)
		return err;
	if (order.grace_ms > KILL_GRACE_MS_MAX)
		return ERR_RANGE;
	if (order.type == RUNNER_PREPARE && order.run_name.bytes == 0)
		return ERR_INVALID;
	*ret_order = order;
	return ERR_OK;
}

static uint32_t report_items(enum runner_report_type type)
{
	switch (type) {
	case RUNNER_HELLO:
		return 4;
	case RUNNER_STARTED:
		return 7;
	case RUNNER_ENDED:
		return 18;
	case RUNNER_UNKNOWN:
	case RUNNER_PREPARED:
		return 3;
	}
	return 0;
}

static void put_ended(struct buf *out, const struct runner_report *report)
{
	wire_put_i64(out, report->ended_utc_ms);
	wire_put_i64(out, report->duration_us);
	wire_put_i64(out, report->exit_code);
	wire_put_i64(out, report->signal);
	wire_put_u64(out, (uint64_t)report->cause);
	wire_put_str(out, report->cause_text.data, report->cause_text.bytes);
	wire_put_i64(out, report->usage.user_us);
	wire_put_i64(out, report->usage.system_us);
	wire_put_i64(out, report->usage.rss_bytes_max);
	wire_put_u64(out, report->output_bytes);
	wire_put_i64(out, report->processes_left);
}

void runner_report_put(struct buf *out, const struct runner_report *report)
{
	wire_put_array(out, report_items(report->type));
	wire_put_u64(out, RUNNER_MESSAGE_VERSION);
	wire_put_u64(out, (uint64_t)report->type);
	if (report->type == RUNNER_HELLO) {
		wire_put_id(out, report->host_boot);
		wire_put_str(out, report->version.data, report->version.bytes);
		return;
	}
	wire_put_run_key(out, &report->run);
	if (report->type != RUNNER_STARTED && report->type != RUNNER_ENDED)
		return;
	wire_put_i64(out, report->pid);
	wire_put_i64(out, report->started_utc_ms);
	wire_put_i64(out, report->started_mono_us);
	wire_put_i64(out, report->lateness_us);
	if (report->type == RUNNER_ENDED)
		put_ended(out, report);
}

/* A number that must fit an int and be at least `min`. */
static int get_int(struct wire_reader *reader, int min)
{
	int64_t value = wire_get_i64(reader);
	if (value < min || value > INT_MAX) {
		if (reader->err == ERR_OK)
			reader->err = ERR_RANGE;
		return 0;
	}
	return (int)value;
}

static void get_report_fields(struct wire_reader *reader, struct runner_report *report)
{
	if (report->type == RUNNER_HELLO) {
		report->host_boot = wire_get_id(reader);
		report->version = wire_get_str(reader, RUNNER_VERSION_BYTES_MAX);
		return;
	}
	report->run = wire_get_run_key(reader);
	if (report->type != RUNNER_STARTED && report->type != RUNNER_ENDED)
		return;
	report->pid = wire_get_i64(reader);
	report->started_utc_ms = wire_get_i64(reader);
	report->started_mono_us = wire_get_i64(reader);
	report->lateness_us = wire_get_i64(reader);
	if (report->type != RUNNER_ENDED)
		return;
	report->ended_utc_ms = wire_get_i64(reader);
	report->duration_us = wire_get_i64(reader);
	report->exit_code = get_int(reader, -1);
	report->signal = get_int(reader, 0);
	report->cause = (enum runner_cause)wire_get_u64_max(reader, RUNNER_CAUSE_LOST);
	report->cause_text = wire_get_str(reader, RESULT_BYTES_MAX);
	report->usage.user_us = wire_get_i64(reader);
	report->usage.system_us = wire_get_i64(reader);
	report->usage.rss_bytes_max = wire_get_i64(reader);
	report->output_bytes = wire_get_u64(reader);
	report->processes_left = wire_get_i64(reader);
}

enum err runner_report_get(struct slice frame, struct runner_report *ret_report)
{
	struct wire_reader reader;
	wire_reader_init(&reader, frame);
	uint64_t type = 0;
	uint32_t rest = get_head(&reader, &type);
	if (reader.err != ERR_OK)
		return reader.err;
	if (type < RUNNER_HELLO || type > RUNNER_PREPARED)
		return ERR_UNSUPPORTED;

	struct runner_report report = {.type = (enum runner_report_type)type};
	uint32_t wanted = report_items(report.type) - 2;
	if (rest < wanted)
		return ERR_INVALID;
	get_report_fields(&reader, &report);
	wire_skip_items(&reader, rest - wanted);
	enum err err = wire_reader_end(&reader);
	if (err != ERR_OK)
		return err;
	*ret_report = report;
	return ERR_OK;
}
