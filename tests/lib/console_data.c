/* The cluster of the console's drawings, as an agent would tell of it. */
#include "tests/lib/console_data.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"
#include "tui/update.h"

#define DAY_MS (24LL * 3600 * 1000)
#define BYTES_MAX 16384

void *data_resize(void *memory, size_t bytes)
{
	if (bytes == 0) {
		free(memory);
		return NULL;
	}
	return realloc(memory, bytes);
}

int64_t data_at(const char *clock, int days)
{
	int hour = (clock[0] - '0') * 10 + clock[1] - '0';
	int minute = (clock[3] - '0') * 10 + clock[4] - '0';
	int second = (clock[6] - '0') * 10 + clock[7] - '0';
	int64_t midnight_ms = DATA_UTC_MS - DATA_UTC_MS % DAY_MS;
	int64_t ms = clock[8] == '.' ? (clock[9] - '0') * 100 + (clock[10] - '0') * 10 + clock[11] - '0'
				     : 0;
	return midnight_ms + days * DAY_MS + (hour * 3600 + minute * 60 + second) * 1000LL + ms;
}

uint32_t data_seq(const struct state *state, enum purpose purpose)
{
	uint32_t seq = 0;
	for (int i = 0; i < PENDING_MAX; i++) {
		if (state->pending[i].purpose == purpose && state->pending[i].seq > seq)
			seq = state->pending[i].seq;
	}
	return seq;
}

void data_send(struct state *state, uint32_t seq, uint64_t kind, struct slice value)
{
	uint8_t memory[BYTES_MAX];
	struct buf buf;
	buf_init(&buf, memory, sizeof(memory));
	wire_put_array(&buf, 4);
	wire_put_u64(&buf, 1);
	wire_put_u64(&buf, seq);
	wire_put_u64(&buf, kind);
	wire_put_raw(&buf, value);
	assert(!buf.has_overflowed);
	bool is_log = seq != 0 && seq == data_seq(state, PURPOSE_LOGS);
	update_frame(state, buf_slice(&buf), is_log, DATA_MONO_MS);
}

struct row_writer {
	uint8_t memory[BYTES_MAX];
	struct buf buf;
	struct wire_map outer;
	struct wire_map map;
};

static void row_begin(struct row_writer *writer, const char *view, const char *key)
{
	buf_init(&writer->buf, writer->memory, sizeof(writer->memory));
	writer->outer = wire_map_begin(&writer->buf);
	wire_map_text(&writer->outer, &writer->buf, "view", view);
	wire_map_text(&writer->outer, &writer->buf, "key", key);
	wire_map_key(&writer->outer, &writer->buf, "row");
	writer->map = wire_map_begin(&writer->buf);
}

static void put_text(struct row_writer *writer, const char *key, const char *value)
{
	if (value == NULL)
		wire_map_nil(&writer->map, &writer->buf, key);
	else
		wire_map_text(&writer->map, &writer->buf, key, value);
}

static void put_number(struct row_writer *writer, const char *key, int64_t value)
{
	if (value == ROW_NONE)
		wire_map_nil(&writer->map, &writer->buf, key);
	else
		wire_map_i64(&writer->map, &writer->buf, key, value);
}

static void row_send(struct row_writer *writer, struct state *state)
{
	wire_map_end(&writer->map, &writer->buf);
	wire_map_end(&writer->outer, &writer->buf);
	data_send(state, data_seq(state, PURPOSE_WATCH), 0, buf_slice(&writer->buf));
}

static const char *running_run_of(const char *job)
{
	if (strcmp(job, "billing/rollup-hourly") == 0)
		return "8f21c1f0";
	if (strcmp(job, "etl/orders-001") == 0)
		return "8f21c4fe";
	return strcmp(job, "etl/orders-004") == 0 ? "8f21bfa0" : NULL;
}

void data_send_job(struct state *state, const struct data_job *job)
{
	struct row_writer writer;
	char full[KEY_BYTES_MAX];
	(void)snprintf(full, sizeof(full), "%s%s", strchr(job->name, '/') == NULL ? "default/" : "",
		       job->name);
	row_begin(&writer, "jobs", full);
	put_text(&writer, "name", job->name);
	put_text(&writer, "full", full);
	put_text(&writer, "state", job->state);
	put_text(&writer, "schedule", job->schedule);
	put_text(&writer, "tz", "UTC");
	put_text(&writer, "next_node", job->node);
	put_text(&writer, "last_node", job->node);
	put_text(&writer, "last_verdict", job->verdict);
	put_text(&writer, "last_reason", job->reason);
	put_text(&writer, "hist", job->hist);
	put_text(&writer, "overlap", "forbid");
	put_text(&writer, "misfire", "once");
	put_text(&writer, "command", "/opt/job --batch 500");
	put_text(&writer, "running_run", running_run_of(job->name));
	put_text(&writer, "waiting_reason", strcmp(job->state, "waiting") == 0 ? "saturated" : NULL);
	put_number(&writer, "version", 14);
	put_number(&writer, "next_at", job->next_at);
	put_number(&writer, "last_due_at", job->last == NULL ? ROW_NONE : data_at(job->last, 0));
	put_number(&writer, "last_start_at", job->last == NULL ? ROW_NONE : data_at(job->last, 0));
	put_number(&writer, "last_dur_ms", job->dur_ms);
	put_number(&writer, "runs_ok", 466);
	put_number(&writer, "runs_failed", 14);
	wire_map_bool(&writer.map, &writer.buf, "paused", strcmp(job->state, "paused") == 0);
	wire_map_bool(&writer.map, &writer.buf, "enabled", true);
	row_send(&writer, state);
}

static void run_name(const struct data_run *run, char ret_name[KEY_BYTES_MAX])
{
	/* The clock makes a name of its own; its form does not matter here. */
	(void)snprintf(ret_name, KEY_BYTES_MAX, "%s@2026-11-20T%.8sZ/0#1", run->job, run->started);
}

void data_send_run(struct state *state, const struct data_run *run)
{
	struct row_writer writer;
	char name[KEY_BYTES_MAX];
	run_name(run, name);
	int64_t started_at = data_at(run->started, 0);
	bool is_armed = run->node != NULL && strcmp(run->state, "claimed") != 0;
	bool has_started = is_armed && strcmp(run->state, "armed") != 0;
	row_begin(&writer, "runs", name);
	put_text(&writer, "run", name);
	put_text(&writer, "short", run->short_id);
	put_text(&writer, "job", run->job);
	put_text(&writer, "node", run->node);
	put_text(&writer, "state", run->state);
	put_text(&writer, "verdict", run->verdict);
	put_text(&writer, "reason", run->reason);
	put_number(&writer, "due_at", started_at / 1000 * 1000);
	put_number(&writer, "attempt", run->node != NULL ? 1 : 0);
	put_number(&writer, "claimed_at", started_at / 1000 * 1000 - 1000);
	put_number(&writer, "armed_at", has_started ? started_at / 1000 * 1000 - 20 : ROW_NONE);
	put_number(&writer, "started_at", has_started ? started_at : ROW_NONE);
	put_number(&writer, "ended_at",
		   run->verdict == NULL ? ROW_NONE
					: started_at + (run->dur_ms == ROW_NONE ? 0 : run->dur_ms));
	put_number(&writer, "dur_ms", run->dur_ms);
	put_number(&writer, "late_us", run->late_ms * 1000);
	put_number(&writer, "version", 14);
	row_send(&writer, state);
}

void data_send_node(struct state *state, const char *name, const char *node_state,
		    const char *marks, int64_t age_ms, bool is_self)
{
	struct row_writer writer;
	char id[33];
	(void)snprintf(id, sizeof(id), "%032d", name[1] * 10 + name[2]);
	row_begin(&writer, "nodes", id);
	put_text(&writer, "name", name);
	put_text(&writer, "id", id);
	put_text(&writer, "state", node_state);
	wire_map_key(&writer.map, &writer.buf, "marks");
	wire_put_array(&writer.buf, marks == NULL ? 0 : 1);
	if (marks != NULL)
		wire_put_text(&writer.buf, marks);
	put_text(&writer, "addr", "10.0.3.3:7420");
	put_text(&writer, "version", "0.1.0");
	put_number(&writer, "boot", 3);
	put_number(&writer, "incarnation", 7);
	put_number(&writer, "age_ms", age_ms);
	put_number(&writer, "offset_ms", is_self ? 0 : -3);
	put_number(&writer, "rtt_us", is_self ? ROW_NONE : 1100);
	put_number(&writer, "slots", 40);
	put_number(&writer, "running", 9);
	put_number(&writer, "executed", 12040);
	put_number(&writer, "votes", 8065);
	put_number(&writer, "proposes", 2601);
	put_number(&writer, "load_milli", 2480);
	put_number(&writer, "cpus", 8);
	put_number(&writer, "memory_bytes", 16LL << 30);
	put_number(&writer, "memory_free_bytes", 9LL << 30);
	put_number(&writer, "up_ms", 31 * DAY_MS);
	wire_map_bool(&writer.map, &writer.buf, "self", is_self);
	wire_map_bool(&writer.map, &writer.buf, "runner", true);
	row_send(&writer, state);
}

static void send_status(struct state *state)
{
	struct row_writer writer;
	row_begin(&writer, "status", "");
	put_text(&writer, "cluster", "PROD-EU");
	put_text(&writer, "node", "n07");
	wire_map_key(&writer.map, &writer.buf, "warnings");
	wire_put_array(&writer.buf, 0);
	static const struct {
		const char *key;
		int64_t value;
	} numbers[] = {
		{"now_at", DATA_UTC_MS}, {"nodes_alive", 38},   {"nodes_total", 40},
		{"jobs", 100412},        {"jobs_paused", 6},    {"runs_running", 347},
		{"runs_claimed", 41},    {"slots", 1520},       {"fires_per_s_milli", 812000},
		{"failed_per_min", 3},   {"missed_per_min", 0}, {"lag_p50_us", 4000},
		{"lag_p99_us", 21000},   {"arcs_moving", 0},    {"arcs_short", 0},
		{"views_agree", 38},     {"views_total", 38},   {"alerts", 2},
		{"clock_skew_ms", 11},   {"undecided", 0},
	};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		put_number(&writer, numbers[i].key, numbers[i].value);
	wire_map_bool(&writer.map, &writer.buf, "isolated", false);
	wire_map_bool(&writer.map, &writer.buf, "paused", false);
	row_send(&writer, state);
}

void data_send_gone(struct state *state, const char *view, const char *key)
{
	uint8_t memory[BYTES_MAX];
	struct buf buf;
	buf_init(&buf, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&buf);
	wire_map_text(&map, &buf, "view", view);
	wire_map_text(&map, &buf, "key", key);
	wire_map_bool(&map, &buf, "gone", true);
	wire_map_end(&map, &buf);
	data_send(state, data_seq(state, PURPOSE_WATCH), 0, buf_slice(&buf));
}

void data_send_line(struct state *state, const char *clock, const char *node, const char *short_id,
		    const char *stream, const char *text)
{
	uint8_t memory[BYTES_MAX];
	struct buf buf;
	buf_init(&buf, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&buf);
	wire_map_text(&map, &buf, "run", "billing/invoice-pdf@2026-11-20T12:03:00Z/0#1");
	wire_map_text(&map, &buf, "short", short_id);
	wire_map_text(&map, &buf, "job", "billing/invoice-pdf");
	wire_map_text(&map, &buf, "node", node);
	wire_map_text(&map, &buf, "stream", stream);
	wire_map_i64(&map, &buf, "t_at", data_at(clock, 0));
	wire_map_key(&map, &buf, "text");
	wire_put_bin(&buf, text, strlen(text));
	wire_map_end(&map, &buf);
	data_send(state, data_seq(state, PURPOSE_LOGS), 0, buf_slice(&buf));
}

struct state *data_empty_state(int rows, int columns)
{
	struct state *state = malloc(sizeof(*state));
	assert(state != NULL);
	state_init(state, data_resize, DATA_MONO_MS, DATA_UTC_MS);
	update_resize(state, rows, columns);
	update_link_up(state, DATA_MONO_MS);
	state->out.count = 0;
	return state;
}

struct state *data_state(int rows, int columns)
{
	struct state *state = data_empty_state(rows, columns);
	const struct data_job jobs[] = {
		{"billing/rollup-hourly", "running", "n12", "12:00:00", "ran-ok", NULL, 271000,
		 data_at("13:00:00", 0), "0 * * * *", ".......r"},
		{"billing/invoice-pdf", "idle", "n03", "12:03:00", "failed", "oom", 1000,
		 data_at("12:06:00", 0), "*/3 * * * *", ".x.xxxxx"},
		{"billing/dunning", "idle", "n29", "12:01:00", "failed", "1", 2000,
		 data_at("12:11:00", 0), "1-59/10 * * * *", "......xx"},
		{"crm/sync-accounts", "waiting", "n08", "12:02:27", "ran-ok", NULL, 1100,
		 data_at("12:03:57", 0), "@every 90s", ".....o.o"},
		{"crm/dedupe", "paused", "n09", "10:30:00", "ran-ok", NULL, 724000, ROW_NONE,
		 "30 */2 * * *", "........"},
		{"etl/orders-001", "running", "n22", "12:04:30", "ran-ok", NULL, 1200,
		 data_at("12:04:40", 0), "@every 10s", ".......r"},
		{"etl/orders-004", "running", "n17", "12:03:55", "skipped", NULL, 36000,
		 data_at("12:04:35", 0), "@every 10s", "....?---"},
		{"etl/sales-by-hour", "idle", "n05", "12:00:12", "ran-ok", NULL, 12400,
		 data_at("13:00:12", 0), "12 0 * * * *", "........"},
		{"ops/db-backup", "idle", "n01", "03:00:00", "ran-ok", NULL, 1337000,
		 data_at("03:00:00", 1), "0 3 * * *", "...x...."},
		{"ops/log-rotate", "idle", "n38", "00:00:00", "ran-ok", NULL, 400,
		 data_at("00:00:00", 1), "@daily", "........"},
		{"ops/tmp-clean", "disabled", NULL, NULL, NULL, NULL, ROW_NONE, ROW_NONE,
		 "*/30 * * * *", ""},
		{"ops/\xe6\x97\xa5\xe6\xac\xa1-\xe5\xa0\xb1\xe5\x91\x8a", "idle", "n27", "11:00:00",
		 "killed", "KILL by kim", 61000, data_at("06:00:00", 4), "0 6 * * 1", "...l-m.?"},
		{"tick", "idle", "n33", "12:04:30", "ran-ok", NULL, 50, data_at("12:04:35", 0),
		 "@every 5s", "........"},
	};
	const struct data_run runs[] = {
		{"8f21c520", "tick", "n33", "claimed", NULL, NULL, "12:04:32.000", ROW_NONE, 0},
		{"8f21c521", "etl/orders-001", "n22", "armed", NULL, NULL, "12:04:40.000", ROW_NONE, 0},
		{"8f21c4fe", "etl/orders-001", "n22", "started", NULL, NULL, "12:04:30.410", ROW_NONE, 0},
		{"8f21c1f0", "billing/rollup-hourly", "n12", "started", NULL, NULL, "12:00:00.003",
		 ROW_NONE, 0},
		{"8f21bfa0", "etl/orders-004", "n17", "started", NULL, NULL, "12:03:55.001", ROW_NONE, 0},
		{"8f21c49f", "tick", "n02", "ended", "ran-ok", NULL, "12:04:29.003", 100, 0},
		{"", "etl/orders-004", NULL, "none", "skipped", "overlap 8f21bfa0", "12:04:25.000",
		 ROW_NONE, 0},
		{"8f21c39a", "etl/sales-by-hour", "n05", "ended", "lost", "crashed", "12:03:58.120",
		 13100, 0},
		{"8f21c2b7", "crm/sync-accounts", "n08", "ended", "ran-ok", NULL, "12:03:36.000",
		 1100, 34000},
		{"8f21c07e", "billing/invoice-pdf", "n03", "ended", "failed", "oom", "12:03:00.011",
		 41200, 0},
		{"8f21a000", "ops/db-backup", "n01", "ended", "ran-ok", NULL, "03:00:00.002", 1337000, 0},
	};
	for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++)
		data_send_job(state, &jobs[i]);
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		data_send_run(state, &runs[i]);
	data_send_node(state, "n07", "alive", NULL, 0, true);
	data_send_node(state, "n01", "alive", NULL, 200, false);
	data_send_node(state, "n03", "alive", "draining", 100, false);
	data_send_node(state, "n12", "alive", NULL, 300, false);
	data_send_node(state, "n17", "suspect", NULL, 36000, false);
	data_send_node(state, "n40", "left", NULL, 240000, false);
	struct row_writer writer;
	row_begin(&writer, "sync", "");
	row_send(&writer, state);
	send_status(state);
	state->is_changed = false;
	return state;
}

void data_free(struct state *state)
{
	state_close(state);
	free(state);
}

void data_take_requests(struct outbox *outbox, char *ret_text, size_t text_bytes)
{
	struct frame_reader frames;
	struct slice body;
	size_t at = 0;
	ret_text[0] = '\0';
	frame_reader_init(&frames, FRAME_BYTES_MAX, data_resize);
	enum err err = frame_reader_feed(&frames, outbox->bytes, outbox->count);
	assert(err == ERR_OK);
	while (frame_reader_next(&frames, &body)) {
		struct wire_reader reader;
		wire_reader_init(&reader, body);
		uint32_t count = wire_get_array(&reader, 4);
		assert(count == 4);
		wire_skip(&reader);
		wire_skip(&reader);
		struct slice verb = wire_get_str(&reader, 64);
		struct slice map = wire_get_raw(&reader);
		assert(wire_reader_end(&reader) == ERR_OK);
		const char *keys[] = {"name", "run", "job"};
		struct slice value = {0};
		for (int i = 0; i < 3 && value.bytes == 0; i++)
			value = wire_map_find_str(map, keys[i]);
		int length = snprintf(ret_text + at, text_bytes - at, "%.*s%s%.*s\n", (int)verb.bytes,
				      (const char *)verb.data, value.bytes > 0 ? " " : "",
				      (int)value.bytes, (const char *)value.data);
		at += (size_t)length;
		assert(at < text_bytes);
	}
	frame_reader_close(&frames);
	outbox->count = 0;
}
