/* Records of the journal as msgpack arrays: [type, boot id or run, fields...]. */
#include "agent/runner/journal_record.h"

#include <assert.h>

#include "proto/limits.h"
#include "proto/wire.h"

static_assert(RESULT_BYTES_MAX + 256u < JOURNAL_RECORD_BYTES_MAX, "an end fits a record");
static_assert(RUN_NAME_BYTES_MAX + 256u < JOURNAL_RECORD_BYTES_MAX, "a run name fits a record");

/* Items after type and run (or boot id). */
static uint32_t fields_of(enum journal_type type)
{
	switch (type) {
	case JOURNAL_PREPARED:
		return 8;
	case JOURNAL_STARTED:
		return 3;
	case JOURNAL_ENDED:
		return 1;
	case JOURNAL_BOOT:
	case JOURNAL_FENCE:
	case JOURNAL_FORGET:
		return 0;
	}
	return 0;
}

void journal_record_put(struct buf *out, const struct journal_record *record)
{
	wire_put_array(out, 2 + fields_of(record->type));
	wire_put_u64(out, (uint64_t)record->type);
	if (record->type == JOURNAL_BOOT)
		wire_put_id(out, record->host_boot);
	else
		wire_put_run_key(out, &record->run);
	if (record->type == JOURNAL_PREPARED) {
		wire_put_str(out, record->run_name.data, record->run_name.bytes);
		wire_put_i64(out, record->pid);
		wire_put_u64(out, record->start_ticks);
		wire_put_i64(out, record->start_mono_us);
		wire_put_i64(out, record->timeout_ms);
		wire_put_i64(out, record->kill_grace_ms);
		wire_put_u64(out, record->pipe_inodes[0]);
		wire_put_u64(out, record->pipe_inodes[1]);
	} else if (record->type == JOURNAL_STARTED) {
		wire_put_i64(out, record->started_utc_ms);
		wire_put_i64(out, record->started_mono_us);
		wire_put_i64(out, record->lateness_us);
	} else if (record->type == JOURNAL_ENDED) {
		wire_put_bin(out, record->report.data, record->report.bytes);
	}
}

enum err journal_record_get(struct slice body, struct journal_record *ret_record)
{
	struct wire_reader reader;
	wire_reader_init(&reader, body);
	uint32_t count = wire_get_array_min(&reader, 2);
	uint64_t type = wire_get_u64_max(&reader, JOURNAL_FORGET);
	struct journal_record record = {.type = (enum journal_type)type};
	if (record.type == JOURNAL_BOOT)
		record.host_boot = wire_get_id(&reader);
	else
		record.run = wire_get_run_key(&reader);
	if (record.type == JOURNAL_PREPARED) {
		record.run_name = wire_get_str(&reader, RUN_NAME_BYTES_MAX);
		record.pid = wire_get_i64(&reader);
		record.start_ticks = wire_get_u64(&reader);
		record.start_mono_us = wire_get_i64(&reader);
		record.timeout_ms = wire_get_i64(&reader);
		record.kill_grace_ms = wire_get_i64(&reader);
		record.pipe_inodes[0] = wire_get_u64(&reader);
		record.pipe_inodes[1] = wire_get_u64(&reader);
	} else if (record.type == JOURNAL_STARTED) {
		record.started_utc_ms = wire_get_i64(&reader);
		record.started_mono_us = wire_get_i64(&reader);
		record.lateness_us = wire_get_i64(&reader);
	} else if (record.type == JOURNAL_ENDED) {
		record.report = wire_get_bin(&reader, JOURNAL_RECORD_BYTES_MAX);
	}
	/* Items of a later version stand at the end. */
	uint32_t known = 2 + fields_of(record.type);
	wire_skip_items(&reader, count > known ? count - known : 0);
	enum err err = wire_reader_end(&reader);
	if (err != ERR_OK || count < known || type < JOURNAL_BOOT)
		return ERR_CORRUPT;
	*ret_record = record;
	return ERR_OK;
}
