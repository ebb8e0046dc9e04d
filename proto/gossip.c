/* Membership's messages: one function per direction and shape. Everything that is read is bounded here, so that
 * agent/core/swim sees only well-formed values. */
#include "proto/gossip.h"

#include <assert.h>
#include <string.h>

#include "proto/text.h"
#include "proto/wire.h"

#define GOSSIP_HEADER_BYTES 3u
#define GOSSIP_RANK_MAX 4u
#define GOSSIP_RECORD_FIELDS 13u

static_assert(GOSSIP_RECORD_BYTES_MAX + GOSSIP_HEADER_BYTES < 300u,
	      "a member whose record does not fit beside a ping would be dead to all");
static_assert(GOSSIP_BUCKETS * 4u + 16u < DATAGRAM_PAYLOAD_BYTES_MAX, "the digest fits one datagram");

const char *gossip_refusal_text(enum gossip_refusal reason)
{
	switch (reason) {
	case GOSSIP_REFUSAL_CLUSTER:
		return "another cluster";
	case GOSSIP_REFUSAL_VERSION:
		return "another version of the protocol";
	case GOSSIP_REFUSAL_NAME:
		return "name taken";
	case GOSSIP_REFUSAL_EVICTED:
		return "evicted";
	case GOSSIP_REFUSAL_CLOCK:
		return "clock is off";
	case GOSSIP_REFUSAL_DUPLICATE:
		return "duplicate node id";
	case GOSSIP_REFUSAL_FULL:
		return "the cluster is full";
	case GOSSIP_REFUSAL_SELF:
		return "dialled itself";
	case GOSSIP_REFUSAL_COUNT:
		break;
	}
	return "refused";
}

/* ---- records ---- */

void gossip_record_put(struct buf *out, const struct gossip_record *record)
{
	wire_put_array(out, GOSSIP_RECORD_FIELDS);
	wire_put_id(out, record->id);
	wire_put_u64(out, record->boot);
	wire_put_u64(out, record->incarnation);
	wire_put_u64(out, record->rank);
	wire_put_bool(out, record->is_restart);
	wire_put_u64(out, record->age_s);
	wire_put_text(out, record->name);
	wire_put_address(out, &record->address);
	wire_put_u64(out, record->flags);
	wire_put_u64(out, record->slots);
	wire_put_u64(out, record->cpu_count);
	wire_put_text(out, record->version);
	wire_put_text(out, record->zone_version);
}

/* A name is either empty or one that may be printed; a member with a name can be reached. */
static bool record_is_sound(const struct gossip_record *record)
{
	if (record->name[0] == '\0')
		return record->rank > 1;
	if (text_check_node_name(slice_str(record->name), NULL) != ERR_OK)
		return false;
	return record->address.family != 0 && record->address.port != 0;
}

static void read_record(struct wire_reader *reader, struct gossip_record *ret_record)
{
	*ret_record = (struct gossip_record){0};
	uint32_t count = wire_get_array_min(reader, GOSSIP_RECORD_FIELDS);
	ret_record->id = wire_get_id(reader);
	ret_record->boot = wire_get_u64(reader);
	ret_record->incarnation = (uint32_t)wire_get_u64_max(reader, UINT32_MAX);
	ret_record->rank = (uint8_t)wire_get_u64_max(reader, GOSSIP_RANK_MAX);
	ret_record->is_restart = wire_get_bool(reader);
	ret_record->age_s = (uint32_t)wire_get_u64_max(reader, UINT32_MAX);
	wire_get_text(reader, ret_record->name, sizeof(ret_record->name));
	ret_record->address = wire_get_address(reader);
	ret_record->flags = (uint32_t)wire_get_u64_max(reader, UINT32_MAX);
	ret_record->slots = (uint32_t)wire_get_u64_max(reader, UINT32_MAX);
	ret_record->cpu_count = (uint32_t)wire_get_u64_max(reader, UINT32_MAX);
	wire_get_text(reader, ret_record->version, sizeof(ret_record->version));
	wire_get_text(reader, ret_record->zone_version, sizeof(ret_record->zone_version));
	if (reader->err != ERR_OK)
		return;
	wire_skip_items(reader, count - GOSSIP_RECORD_FIELDS);
	if (reader->err == ERR_OK && !record_is_sound(ret_record))
		reader->err = ERR_INVALID;
}

enum err gossip_record_get(struct slice *records, struct gossip_record *ret_record)
{
	struct wire_reader reader;
	wire_reader_init(&reader, *records);
	read_record(&reader, ret_record);
	if (reader.err != ERR_OK)
		return reader.err;
	*records = slice_of(reader.next, (size_t)(reader.end - reader.next));
	return ERR_OK;
}

/* An array of records: each is checked here, so that walking them later cannot fail. */
static void read_records(struct wire_reader *reader, uint32_t *ret_count, struct slice *ret_records)
{
	uint32_t count = wire_get_array(reader, MEMBERS_MAX);
	const uint8_t *first = reader->next;
	for (uint32_t i = 0; i < count && reader->err == ERR_OK; i++) {
		struct gossip_record record;
		read_record(reader, &record);
	}
	*ret_count = count;
	*ret_records = slice_of(first, (size_t)(reader->next - first));
}

static void put_records(struct buf *out, uint32_t count, struct slice records)
{
	wire_put_array(out, count);
	if (count > 0)
		wire_put_raw(out, records);
}

/* ---- datagrams: bodies ---- */

static void put_probe_body(struct buf *out, const struct gossip_message *message)
{
	if (message->type == GOSSIP_PING) {
		wire_put_array(out, 5);
		wire_put_u64(out, message->ping.seq);
		wire_put_u64(out, message->ping.target);
		wire_put_u64(out, message->ping.boot);
		wire_put_u64(out, message->ping.incarnation);
		wire_put_u64(out, message->ping.table_hash);
	} else if (message->type == GOSSIP_ACK) {
		wire_put_array(out, 6);
		wire_put_u64(out, message->ack.seq);
		wire_put_u64(out, message->ack.boot);
		wire_put_u64(out, message->ack.incarnation);
		wire_put_u64(out, message->ack.table_hash);
		wire_put_i64(out, message->ack.utc_ms);
		wire_put_u64(out, message->ack.lag_ms);
	} else if (message->type == GOSSIP_PING_REQ) {
		wire_put_array(out, 4);
		wire_put_u64(out, message->ping_req.seq);
		wire_put_u64(out, message->ping_req.target);
		wire_put_address(out, &message->ping_req.address);
		wire_put_u64(out, message->ping_req.budget_ms);
	} else if (message->type == GOSSIP_NACK) {
		wire_put_array(out, 2);
		wire_put_u64(out, message->nack.seq);
		wire_put_u64(out, message->nack.reason);
	} else {
		assert(message->type == GOSSIP_WRONG_ID);
		wire_put_array(out, 3);
		wire_put_u64(out, message->wrong_id.seq);
		wire_put_id(out, message->wrong_id.id);
		wire_put_u64(out, message->wrong_id.boot);
	}
}

static void put_claim_body(struct buf *out, const struct gossip_message *message)
{
	wire_put_array(out, message->type == GOSSIP_SUSPECT ? 5 : 4);
	wire_put_id(out, message->claim.id);
	wire_put_u64(out, message->claim.boot);
	wire_put_u64(out, message->claim.incarnation);
	if (message->type == GOSSIP_LEFT) {
		wire_put_bool(out, message->claim.is_restart);
	} else if (message->type == GOSSIP_EVICT) {
		wire_put_u64(out, message->claim.counter);
	} else {
		wire_put_u64(out, message->claim.from);
		if (message->type == GOSSIP_SUSPECT)
			wire_put_u64(out, message->claim.evidence);
	}
}

static void put_buckets(struct buf *out, const struct gossip_message *message)
{
	uint8_t bytes[GOSSIP_BUCKETS * 4];
	for (uint32_t i = 0; i < GOSSIP_BUCKETS; i++)
		store_u32(bytes + (size_t)i * 4, message->sync_buckets.buckets[i]);
	wire_put_array(out, 2);
	wire_put_bool(out, message->sync_buckets.is_reply);
	wire_put_bin(out, bytes, sizeof(bytes));
}

static void put_datagram_body(struct buf *out, const struct gossip_message *message)
{
	switch (message->type) {
	case GOSSIP_PING:
	case GOSSIP_ACK:
	case GOSSIP_PING_REQ:
	case GOSSIP_NACK:
	case GOSSIP_WRONG_ID:
		put_probe_body(out, message);
		return;
	case GOSSIP_ALIVE:
		gossip_record_put(out, &message->alive);
		return;
	case GOSSIP_SUSPECT:
	case GOSSIP_DEAD:
	case GOSSIP_LEFT:
	case GOSSIP_EVICT:
		put_claim_body(out, message);
		return;
	case GOSSIP_SYNC_BUCKETS:
		put_buckets(out, message);
		return;
	case GOSSIP_SYNC_RECORDS:
		wire_put_array(out, 1);
		put_records(out, message->sync_records.record_count, message->sync_records.records);
		return;
	case GOSSIP_JOIN:
	case GOSSIP_JOIN_OK:
	case GOSSIP_REFUSED:
	case GOSSIP_BUSY:
		break;
	}
	assert(!"a stream's message in a datagram");
}

void gossip_message_put(struct buf *out, const struct gossip_message *message)
{
	size_t start = out->bytes;
	buf_put_u8(out, (uint8_t)message->type);
	buf_put_u16(out, 0);
	put_datagram_body(out, message);
	if (out->has_overflowed)
		return;
	size_t body_bytes = out->bytes - start - GOSSIP_HEADER_BYTES;
	assert(body_bytes <= UINT16_MAX);
	store_u16(out->data + start + 1, (uint16_t)body_bytes);
}

static uint32_t read_probe_body(struct wire_reader *reader, struct gossip_message *message)
{
	uint32_t known;
	uint32_t count;
	if (message->type == GOSSIP_PING) {
		count = wire_get_array_min(reader, known = 5);
		message->ping.seq = (uint32_t)wire_get_u64_max(reader, UINT32_MAX);
		message->ping.target = wire_get_u64(reader);
		message->ping.boot = wire_get_u64(reader);
		message->ping.incarnation = (uint32_t)wire_get_u64_max(reader, UINT32_MAX);
		message->ping.table_hash = wire_get_u64(reader);
	} else if (message->type == GOSSIP_ACK) {
		count = wire_get_array_min(reader, known = 6);
		message->ack.seq = (uint32_t)wire_get_u64_max(reader, UINT32_MAX);
		message->ack.boot = wire_get_u64(reader);
		message->ack.incarnation = (uint32_t)wire_get_u64_max(reader, UINT32_MAX);
		message->ack.table_hash = wire_get_u64(reader);
		message->ack.utc_ms = (int64_t)wire_get_u64_max(reader, INT64_MAX / 4);
		message->ack.lag_ms = (uint16_t)wire_get_u64_max(reader, UINT16_MAX);
	} else if (message->type == GOSSIP_PING_REQ) {
		count = wire_get_array_min(reader, known = 4);
		message->ping_req.seq = (uint32_t)wire_get_u64_max(reader, UINT32_MAX);
		message->ping_req.target = wire_get_u64(reader);
		message->ping_req.address = wire_get_address(reader);
		message->ping_req.budget_ms = (uint16_t)wire_get_u64_max(reader, UINT16_MAX);
	} else if (message->type == GOSSIP_NACK) {
		count = wire_get_array_min(reader, known = 2);
		message->nack.seq = (uint32_t)wire_get_u64_max(reader, UINT32_MAX);
		message->nack.reason = (enum gossip_nack)wire_get_u64_max(reader, GOSSIP_NACK_BUSY);
	} else {
		count = wire_get_array_min(reader, known = 3);
		message->wrong_id.seq = (uint32_t)wire_get_u64_max(reader, UINT32_MAX);
		message->wrong_id.id = wire_get_id(reader);
		message->wrong_id.boot = wire_get_u64(reader);
	}
	return reader->err == ERR_OK ? count - known : 0;
}

static uint32_t read_claim_body(struct wire_reader *reader, struct gossip_message *message)
{
	uint32_t known = message->type == GOSSIP_SUSPECT ? 5 : 4;
	uint32_t count = wire_get_array_min(reader, known);
	message->claim.id = wire_get_id(reader);
	message->claim.boot = wire_get_u64(reader);
	message->claim.incarnation = (uint32_t)wire_get_u64_max(reader, UINT32_MAX);
	if (message->type == GOSSIP_LEFT) {
		message->claim.is_restart = wire_get_bool(reader);
	} else if (message->type == GOSSIP_EVICT) {
		message->claim.counter = wire_get_u64(reader);
	} else {
		message->claim.from = wire_get_u64(reader);
		if (message->type == GOSSIP_SUSPECT)
			message->claim.evidence = (enum gossip_evidence)wire_get_u64_max(
				reader, GOSSIP_EVIDENCE_REFUSED);
	}
	return reader->err == ERR_OK ? count - known : 0;
}

static uint32_t read_buckets(struct wire_reader *reader, struct gossip_message *message)
{
	uint32_t count = wire_get_array_min(reader, 2);
	message->sync_buckets.is_reply = wire_get_bool(reader);
	struct slice bytes = wire_get_bin(reader, GOSSIP_BUCKETS * 4);
	if (reader->err == ERR_OK && bytes.bytes != GOSSIP_BUCKETS * 4)
		reader->err = ERR_INVALID;
	if (reader->err != ERR_OK)
		return 0;
	for (uint32_t i = 0; i < GOSSIP_BUCKETS; i++)
		message->sync_buckets.buckets[i] = load_u32(bytes.data + (size_t)i * 4);
	return count - 2;
}

static enum err read_datagram_body(struct slice body, struct gossip_message *message)
{
	struct wire_reader reader;
	wire_reader_init(&reader, body);
	uint32_t extra = 0;
	switch (message->type) {
	case GOSSIP_PING:
	case GOSSIP_ACK:
	case GOSSIP_PING_REQ:
	case GOSSIP_NACK:
	case GOSSIP_WRONG_ID:
		extra = read_probe_body(&reader, message);
		break;
	case GOSSIP_ALIVE:
		read_record(&reader, &message->alive);
		if (reader.err == ERR_OK && message->alive.name[0] == '\0')
			reader.err = ERR_INVALID;
		break;
	case GOSSIP_SUSPECT:
	case GOSSIP_DEAD:
	case GOSSIP_LEFT:
	case GOSSIP_EVICT:
		extra = read_claim_body(&reader, message);
		break;
	case GOSSIP_SYNC_BUCKETS:
		extra = read_buckets(&reader, message);
		break;
	case GOSSIP_SYNC_RECORDS:
		extra = wire_get_array_min(&reader, 1);
		read_records(&reader, &message->sync_records.record_count,
			     &message->sync_records.records);
		extra = reader.err == ERR_OK ? extra - 1 : 0;
		break;
	case GOSSIP_JOIN:
	case GOSSIP_JOIN_OK:
	case GOSSIP_REFUSED:
	case GOSSIP_BUSY:
		return ERR_UNSUPPORTED;
	}
	wire_skip_items(&reader, extra);
	return wire_reader_end(&reader);
}

static bool type_is_datagram(uint8_t type)
{
	return (type >= GOSSIP_PING && type <= GOSSIP_EVICT) || type == GOSSIP_SYNC_BUCKETS ||
	       type == GOSSIP_SYNC_RECORDS;
}

enum err gossip_message_get(struct slice *rest, struct gossip_message *ret_message)
{
	if (rest->bytes < GOSSIP_HEADER_BYTES)
		return ERR_TRUNCATED;
	uint8_t type = rest->data[0];
	size_t body_bytes = load_u16(rest->data + 1);
	if (body_bytes > rest->bytes - GOSSIP_HEADER_BYTES)
		return ERR_TRUNCATED;
	struct slice body = slice_of(rest->data + GOSSIP_HEADER_BYTES, body_bytes);
	*rest = slice_of(body.data + body.bytes, rest->bytes - GOSSIP_HEADER_BYTES - body_bytes);
	if (!type_is_datagram(type))
		return ERR_UNSUPPORTED;
	ret_message->type = (enum gossip_type)type;
	enum err err = read_datagram_body(body, ret_message);
	/* Unsupported is kept for what may be skipped: a type of a later version. */
	return err == ERR_UNSUPPORTED ? ERR_INVALID : err;
}

/* ---- streams ---- */

void gossip_frame_put(struct buf *out, const struct gossip_message *message)
{
	buf_put_u8(out, (uint8_t)message->type);
	if (message->type == GOSSIP_SYNC_RECORDS) {
		wire_put_array(out, 2);
		wire_put_u64(out, GOSSIP_VERSION);
		put_records(out, message->sync_records.record_count, message->sync_records.records);
	} else if (message->type == GOSSIP_JOIN) {
		wire_put_array(out, 5);
		wire_put_u64(out, GOSSIP_VERSION);
		wire_put_id(out, message->join.cluster);
		wire_put_u64(out, message->join.boot_before);
		wire_put_i64(out, message->join.utc_ms);
		gossip_record_put(out, &message->join.record);
	} else if (message->type == GOSSIP_JOIN_OK) {
		wire_put_array(out, 5);
		wire_put_u64(out, GOSSIP_VERSION);
		wire_put_id(out, message->join_ok.cluster);
		wire_put_u64(out, message->join_ok.boot_known);
		wire_put_bin(out, message->join_ok.birth.data, message->join_ok.birth.bytes);
		put_records(out, message->join_ok.record_count, message->join_ok.records);
	} else if (message->type == GOSSIP_REFUSED) {
		wire_put_array(out, 3);
		wire_put_u64(out, GOSSIP_VERSION);
		wire_put_u64(out, message->refused.reason);
		wire_put_text(out, message->refused.text);
	} else {
		assert(message->type == GOSSIP_BUSY);
		wire_put_array(out, 3);
		wire_put_u64(out, GOSSIP_VERSION);
		wire_put_u64(out, message->busy.retry_ms);
		wire_put_array(out, message->busy.address_count);
		for (uint32_t i = 0; i < message->busy.address_count; i++)
			wire_put_address(out, &message->busy.addresses[i]);
	}
}

static uint32_t read_join(struct wire_reader *reader, struct gossip_message *message)
{
	message->join.cluster = wire_get_id(reader);
	message->join.boot_before = wire_get_u64(reader);
	message->join.utc_ms = (int64_t)wire_get_u64_max(reader, INT64_MAX / 4);
	read_record(reader, &message->join.record);
	if (reader->err == ERR_OK && message->join.record.name[0] == '\0')
		reader->err = ERR_INVALID;
	return 5;
}

static uint32_t read_join_ok(struct wire_reader *reader, struct gossip_message *message)
{
	message->join_ok.cluster = wire_get_id(reader);
	message->join_ok.boot_known = wire_get_u64(reader);
	message->join_ok.birth = wire_get_bin(reader, GOSSIP_BIRTH_BYTES_MAX);
	read_records(reader, &message->join_ok.record_count, &message->join_ok.records);
	if (reader->err == ERR_OK && id128_is_zero(message->join_ok.cluster))
		reader->err = ERR_INVALID;
	return 5;
}

static uint32_t read_refused(struct wire_reader *reader, struct gossip_message *message)
{
	message->refused.reason = (enum gossip_refusal)wire_get_u64_max(reader,
									GOSSIP_REFUSAL_COUNT - 1);
	wire_get_text(reader, message->refused.text, sizeof(message->refused.text));
	return 3;
}

static uint32_t read_busy(struct wire_reader *reader, struct gossip_message *message)
{
	message->busy.retry_ms = (uint32_t)wire_get_u64_max(reader, UINT32_MAX);
	message->busy.address_count = wire_get_array(reader, GOSSIP_REFERRALS_MAX);
	for (uint32_t i = 0; i < message->busy.address_count; i++)
		message->busy.addresses[i] = wire_get_address(reader);
	return 3;
}

enum err gossip_frame_get(struct slice frame, struct gossip_message *ret_message)
{
	if (frame.bytes < 1)
		return ERR_TRUNCATED;
	uint8_t type = frame.data[0];
	if (type < GOSSIP_SYNC_RECORDS || type > GOSSIP_BUSY)
		return ERR_UNSUPPORTED;
	ret_message->type = (enum gossip_type)type;

	struct wire_reader reader;
	wire_reader_init(&reader, slice_of(frame.data + 1, frame.bytes - 1));
	uint32_t count = wire_get_array_min(&reader, 2);
	uint64_t version = wire_get_u64(&reader);
	if (reader.err != ERR_OK)
		return reader.err;
	if (version != GOSSIP_VERSION)
		return ERR_UNSUPPORTED;

	uint32_t known = 2;
	if (type == GOSSIP_JOIN)
		known = read_join(&reader, ret_message);
	else if (type == GOSSIP_JOIN_OK)
		known = read_join_ok(&reader, ret_message);
	else if (type == GOSSIP_REFUSED)
		known = read_refused(&reader, ret_message);
	else if (type == GOSSIP_BUSY)
		known = read_busy(&reader, ret_message);
	else
		read_records(&reader, &ret_message->sync_records.record_count,
			     &ret_message->sync_records.records);
	if (reader.err != ERR_OK)
		return reader.err;
	/* Fewer items than the message has: a reader past the array would have found nothing. */
	if (count < known)
		return ERR_INVALID;
	wire_skip_items(&reader, count - known);
	enum err err = wire_reader_end(&reader);
	return err == ERR_UNSUPPORTED ? ERR_INVALID : err;
}
