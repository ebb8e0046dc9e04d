/* Membership's messages: what is written comes back, and whatever is cut, altered or too big is refused without a byte
 * read past its end (inputs are blocks of exactly their size, so that a sanitizer sees it). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/gossip.h"
#include "proto/wire.h"

static struct id128 id_of(uint8_t first)
{
	struct id128 id = {{first}};
	for (int i = 1; i < 16; i++)
		id.bytes[i] = (uint8_t)(first * 7 + i * 13);
	return id;
}

static struct gossip_record record_of(uint8_t number)
{
	return (struct gossip_record){
		.id = id_of(number),
		.boot = UINT64_C(1700000000000) + number,
		.incarnation = number,
		.rank = 0,
		.age_s = 12,
		.name = "alpha-1",
		.address = {.family = 4, .ip = {10, 0, 0, number}, .port = 7420},
		.flags = 3,
		.slots = 16,
		.cpu_count = 4,
		.version = "0.1.0",
		.zone_version = "2025b",
	};
}

static bool record_equal(const struct gossip_record *a, const struct gossip_record *b)
{
	return id128_equal(a->id, b->id) && a->boot == b->boot && a->incarnation == b->incarnation &&
	       a->rank == b->rank && a->is_restart == b->is_restart && a->age_s == b->age_s &&
	       strcmp(a->name, b->name) == 0 && address_equal(&a->address, &b->address) &&
	       a->flags == b->flags && a->slots == b->slots && a->cpu_count == b->cpu_count &&
	       strcmp(a->version, b->version) == 0 && strcmp(a->zone_version, b->zone_version) == 0;
}

/* Two records, encoded one after the other. */
static uint8_t records_bytes[2 * GOSSIP_RECORD_BYTES_MAX];

static struct slice two_records(void)
{
	struct buf buf;
	buf_init(&buf, records_bytes, sizeof(records_bytes));
	for (uint8_t i = 1; i <= 2; i++) {
		struct gossip_record record = record_of(i);
		gossip_record_put(&buf, &record);
	}
	assert_false(buf.has_overflowed);
	return buf_slice(&buf);
}

#define DATAGRAM_CASES 12u

static struct gossip_message datagram_case(uint32_t number)
{
	struct gossip_message m = {.type = GOSSIP_PING};
	switch (number) {
	case 0:
		m.ping.seq = 7;
		m.ping.target = UINT64_MAX;
		m.ping.boot = 5;
		m.ping.incarnation = 6;
		m.ping.table_hash = 0x123456789abcdef0u;
		break;
	case 1:
		m.type = GOSSIP_ACK;
		m.ack.seq = UINT32_MAX;
		m.ack.utc_ms = 1700000000123;
		m.ack.lag_ms = UINT16_MAX;
		m.ack.table_hash = 9;
		break;
	case 2:
		m.type = GOSSIP_PING_REQ;
		m.ping_req.seq = 1;
		m.ping_req.target = 2;
		m.ping_req.address = (struct address){.family = 6, .ip = {0x20, 1}, .port = 9};
		m.ping_req.budget_ms = 650;
		break;
	case 3:
		m.type = GOSSIP_NACK;
		m.nack.seq = 3;
		m.nack.reason = GOSSIP_NACK_REFUSED;
		break;
	case 4:
		m.type = GOSSIP_WRONG_ID;
		m.wrong_id.seq = 4;
		m.wrong_id.id = id_of(9);
		m.wrong_id.boot = 77;
		break;
	case 5:
		m.type = GOSSIP_ALIVE;
		m.alive = record_of(3);
		break;
	case 6:
	case 7:
	case 8:
	case 9:
		m.type = (enum gossip_type)(GOSSIP_SUSPECT + (number - 6));
		m.claim.id = id_of(4);
		m.claim.boot = 99;
		m.claim.incarnation = 3;
		m.claim.from = number <= 7 ? 12345 : 0;
		m.claim.evidence = number == 6 ? GOSSIP_EVIDENCE_REFUSED : GOSSIP_EVIDENCE_TIMEOUT;
		m.claim.is_restart = number == 8;
		m.claim.counter = number == 9 ? 4 : 0;
		break;
	case 10:
		m.type = GOSSIP_SYNC_BUCKETS;
		m.sync_buckets.is_reply = true;
		for (uint32_t i = 0; i < GOSSIP_BUCKETS; i++)
			m.sync_buckets.buckets[i] = i * 0x01010101u;
		break;
	default:
		m.type = GOSSIP_SYNC_RECORDS;
		m.sync_records.record_count = 2;
		m.sync_records.records = two_records();
		break;
	}
	return m;
}

#define FRAME_CASES 5u

static struct gossip_message frame_case(uint32_t number)
{
	struct gossip_message m = {.type = GOSSIP_SYNC_RECORDS};
	switch (number) {
	case 0:
		m.sync_records.record_count = 2;
		m.sync_records.records = two_records();
		break;
	case 1:
		m.type = GOSSIP_JOIN;
		m.join.boot_before = 4;
		m.join.utc_ms = 1700000000000;
		m.join.record = record_of(5);
		break;
	case 2:
		m.type = GOSSIP_JOIN_OK;
		m.join_ok.cluster = id_of(8);
		m.join_ok.boot_known = 3;
		m.join_ok.birth = slice_of("birth", 5);
		m.join_ok.record_count = 2;
		m.join_ok.records = two_records();
		break;
	case 3:
		m.type = GOSSIP_REFUSED;
		m.refused.reason = GOSSIP_REFUSAL_NAME;
		memcpy(m.refused.text, "held by beta", 13);
		break;
	default:
		m.type = GOSSIP_BUSY;
		m.busy.retry_ms = 1000;
		m.busy.address_count = 2;
		m.busy.addresses[0] = (struct address){.family = 4, .ip = {127, 0, 0, 1}, .port = 1};
		m.busy.addresses[1] = (struct address){.family = 4, .ip = {127, 0, 0, 2}, .port = 2};
		break;
	}
	return m;
}

static uint8_t encoded_bytes[4096];

static struct slice encoded(const struct gossip_message *message, bool is_frame)
{
	struct buf buf;
	buf_init(&buf, encoded_bytes, sizeof(encoded_bytes));
	if (is_frame)
		gossip_frame_put(&buf, message);
	else
		gossip_message_put(&buf, message);
	assert_false(buf.has_overflowed);
	return buf_slice(&buf);
}

static enum err decode(struct slice bytes, bool is_frame, struct gossip_message *ret_message)
{
	if (is_frame)
		return gossip_frame_get(bytes, ret_message);
	enum err err = gossip_message_get(&bytes, ret_message);
	if (err == ERR_OK)
		assert_int_equal(bytes.bytes, 0);
	return err;
}

static struct gossip_message a_case(uint32_t number, bool *ret_is_frame)
{
	*ret_is_frame = number >= DATAGRAM_CASES;
	return *ret_is_frame ? frame_case(number - DATAGRAM_CASES) : datagram_case(number);
}

/* ---- cases ---- */

static void test_what_is_written_comes_back(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < DATAGRAM_CASES + FRAME_CASES; i++) {
		bool is_frame;
		struct gossip_message message = a_case(i, &is_frame);
		struct slice bytes = encoded(&message, is_frame);
		uint8_t first[4096];
		size_t count = bytes.bytes;
		memcpy(first, bytes.data, count);
		struct gossip_message read;
		assert_int_equal(decode(slice_of(first, count), is_frame, &read), ERR_OK);
		assert_int_equal(read.type, message.type);
		/* encode(decode(b)) = b. */
		bytes = encoded(&read, is_frame);
		assert_int_equal(bytes.bytes, count);
		assert_memory_equal(bytes.data, first, count);
	}
}

static void test_fields_keep_their_places(void **state)
{
	(void)state;
	bool is_frame;
	struct gossip_message read;
	struct gossip_message message = a_case(6, &is_frame);
	assert_int_equal(decode(encoded(&message, false), false, &read), ERR_OK);
	assert_int_equal(read.claim.incarnation, 3);
	assert_int_equal(read.claim.from, 12345);
	assert_int_equal(read.claim.evidence, GOSSIP_EVIDENCE_REFUSED);
	message = a_case(5, &is_frame);
	assert_int_equal(decode(encoded(&message, false), false, &read), ERR_OK);
	assert_true(record_equal(&read.alive, &message.alive));
	message = a_case(DATAGRAM_CASES + 2, &is_frame);
	assert_int_equal(decode(encoded(&message, true), true, &read), ERR_OK);
	assert_true(slice_equal(read.join_ok.birth, slice_str("birth")));
	assert_int_equal(read.join_ok.record_count, 2);
	struct slice records = read.join_ok.records;
	struct gossip_record record;
	for (uint8_t i = 1; i <= 2; i++) {
		struct gossip_record expected = record_of(i);
		assert_int_equal(gossip_record_get(&records, &record), ERR_OK);
		assert_true(record_equal(&record, &expected));
	}
	assert_int_equal(records.bytes, 0);
}

static void test_every_truncation_is_refused(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < DATAGRAM_CASES + FRAME_CASES; i++) {
		bool is_frame;
		struct gossip_message message = a_case(i, &is_frame);
		struct slice bytes = encoded(&message, is_frame);
		for (size_t count = 0; count < bytes.bytes; count++) {
			uint8_t *cut = malloc(count > 0 ? count : 1);
			memcpy(cut, bytes.data, count);
			struct gossip_message read;
			assert_int_not_equal(decode(slice_of(cut, count), is_frame, &read), ERR_OK);
			/* The same with a length that agrees: the array itself is cut. */
			if (!is_frame && count >= 3) {
				store_u16(cut + 1, (uint16_t)(count - 3));
				assert_int_not_equal(decode(slice_of(cut, count), false, &read), ERR_OK);
			}
			free(cut);
		}
	}
}

static void test_altered_bytes_never_crash_and_never_lie(void **state)
{
	(void)state;
	uint64_t seed = 1;
	for (uint32_t round = 0; round < 40; round++) {
		for (uint32_t i = 0; i < DATAGRAM_CASES + FRAME_CASES; i++) {
			bool is_frame;
			struct gossip_message message = a_case(i, &is_frame);
			struct slice bytes = encoded(&message, is_frame);
			uint8_t *altered = malloc(bytes.bytes);
			memcpy(altered, bytes.data, bytes.bytes);
			for (int j = 0; j < 3; j++) {
				seed = seed * 6364136223846793005u + 1442695040888963407u;
				altered[(seed >> 33) % bytes.bytes] = (uint8_t)(seed >> 24);
			}
			struct gossip_message read;
			if (decode(slice_of(altered, bytes.bytes), is_frame, &read) == ERR_OK &&
			    read.type == GOSSIP_ALIVE)
				assert_true(memchr(read.alive.name, 0, sizeof(read.alive.name)) != NULL);
			free(altered);
		}
	}
}

static void test_unknown_types_are_skipped(void **state)
{
	(void)state;
	uint8_t bytes[128] = {200, 0, 2, 0x91, 0x01, 11, 0, 0};
	struct buf buf = {.data = bytes, .bytes = 8, .bytes_max = sizeof(bytes)};
	struct gossip_message nack = datagram_case(3);
	gossip_message_put(&buf, &nack);
	struct slice rest = buf_slice(&buf);
	struct gossip_message read;
	assert_int_equal(gossip_message_get(&rest, &read), ERR_UNSUPPORTED);
	assert_int_equal(gossip_message_get(&rest, &read), ERR_UNSUPPORTED);
	assert_int_equal(gossip_message_get(&rest, &read), ERR_OK);
	assert_int_equal(read.type, GOSSIP_NACK);
	assert_int_equal(rest.bytes, 0);
}

/* Appends `item` to the array of a message that was encoded with a fixarray head. */
static struct slice with_extra_item(struct slice bytes, size_t array_at, uint8_t item)
{
	assert_int_equal(bytes.data[array_at] & 0xf0u, 0x90);
	encoded_bytes[array_at]++;
	encoded_bytes[bytes.bytes] = item;
	return slice_of(encoded_bytes, bytes.bytes + 1);
}

static void test_items_of_later_versions_are_skipped(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < DATAGRAM_CASES + FRAME_CASES; i++) {
		bool is_frame;
		struct gossip_message message = a_case(i, &is_frame);
		struct slice bytes = encoded(&message, is_frame);
		bytes = with_extra_item(bytes, is_frame ? 1 : 3, 0xc0);
		if (!is_frame)
			store_u16(encoded_bytes + 1, (uint16_t)(bytes.bytes - 3));
		struct gossip_message read;
		assert_int_equal(decode(bytes, is_frame, &read), ERR_OK);
		assert_int_equal(read.type, message.type);
	}
}

static void test_bytes_after_the_array_are_refused(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < DATAGRAM_CASES + FRAME_CASES; i++) {
		bool is_frame;
		struct gossip_message message = a_case(i, &is_frame);
		struct slice bytes = encoded(&message, is_frame);
		encoded_bytes[bytes.bytes] = 0xc0;
		if (!is_frame)
			store_u16(encoded_bytes + 1, (uint16_t)(bytes.bytes + 1 - 3));
		struct gossip_message read;
		assert_int_not_equal(
			decode(slice_of(encoded_bytes, bytes.bytes + 1), is_frame, &read), ERR_OK);
	}
}

static enum err decode_alive(const struct gossip_record *record)
{
	struct gossip_message message = {.type = GOSSIP_ALIVE, .alive = *record};
	struct gossip_message read;
	return decode(encoded(&message, false), false, &read);
}

static void test_records_out_of_bounds_are_refused(void **state)
{
	(void)state;
	struct gossip_record record = record_of(1);
	assert_int_equal(decode_alive(&record), ERR_OK);
	record.rank = 5;
	assert_int_equal(decode_alive(&record), ERR_RANGE);
	record = record_of(1);
	record.name[0] = '\0';
	assert_int_not_equal(decode_alive(&record), ERR_OK);
	record = record_of(1);
	record.name[3] = '\x1b';
	assert_int_not_equal(decode_alive(&record), ERR_OK);
	record = record_of(1);
	record.name[0] = '-';
	assert_int_not_equal(decode_alive(&record), ERR_OK);
	record = record_of(1);
	record.address.port = 0;
	assert_int_not_equal(decode_alive(&record), ERR_OK);
	record.address = (struct address){.family = 0};
	assert_int_not_equal(decode_alive(&record), ERR_OK);

	/* A tombstone of a member never met has no name and no address. */
	uint8_t bytes[GOSSIP_RECORD_BYTES_MAX];
	for (uint8_t rank = 0; rank <= 4; rank++) {
		struct buf buf;
		buf_init(&buf, bytes, sizeof(bytes));
		struct gossip_record tombstone = {.id = id_of(1), .rank = rank};
		gossip_record_put(&buf, &tombstone);
		struct slice rest = buf_slice(&buf);
		assert_int_equal(gossip_record_get(&rest, &record), rank > 1 ? ERR_OK : ERR_INVALID);
	}
}

static void test_longest_record_has_its_size(void **state)
{
	(void)state;
	struct gossip_record record = record_of(255);
	record.boot = UINT64_MAX;
	record.incarnation = record.age_s = record.flags = record.slots = record.cpu_count = UINT32_MAX;
	record.rank = 4;
	memset(record.name, 'a', NODE_NAME_BYTES_MAX);
	memset(record.version, 'v', GOSSIP_VERSION_TEXT_BYTES - 1);
	memset(record.zone_version, 'z', GOSSIP_VERSION_TEXT_BYTES - 1);
	record.address.family = 6;
	memset(record.address.ip, 255, 16);
	record.address.port = UINT16_MAX;
	uint8_t bytes[GOSSIP_RECORD_BYTES_MAX];
	struct buf buf;
	buf_init(&buf, bytes, sizeof(bytes));
	gossip_record_put(&buf, &record);
	assert_false(buf.has_overflowed);
	struct slice rest = buf_slice(&buf);
	struct gossip_record read;
	assert_int_equal(gossip_record_get(&rest, &read), ERR_OK);
	assert_true(record_equal(&read, &record));
}

static void test_lists_above_their_limits_are_refused(void **state)
{
	(void)state;
	struct gossip_message read;
	/* A count of 0xff000000 records, none there. */
	static const uint8_t many[] = {14, 0x92, 1, 0xdd, 0xff, 0, 0, 0};
	assert_int_not_equal(gossip_frame_get(slice_of(many, sizeof(many)), &read), ERR_OK);
	/* Nine referrals. */
	uint8_t bytes[256];
	struct buf buf;
	buf_init(&buf, bytes, sizeof(bytes));
	buf_put_u8(&buf, GOSSIP_BUSY);
	wire_put_array(&buf, 3);
	wire_put_u64(&buf, GOSSIP_VERSION);
	wire_put_u64(&buf, 1);
	wire_put_array(&buf, GOSSIP_REFERRALS_MAX + 1);
	for (uint32_t i = 0; i <= GOSSIP_REFERRALS_MAX; i++)
		wire_put_address(&buf, &(struct address){.family = 4, .port = 1});
	assert_int_equal(gossip_frame_get(buf_slice(&buf), &read), ERR_RANGE);
	/* A birth of one byte too many. */
	uint8_t birth[GOSSIP_BIRTH_BYTES_MAX + 1] = {0};
	struct gossip_message ok = frame_case(2);
	ok.join_ok.birth = slice_of(birth, sizeof(birth));
	assert_int_equal(gossip_frame_get(encoded(&ok, true), &read), ERR_RANGE);
	/* Buckets of another count. */
	buf_clear(&buf);
	buf_put_u8(&buf, GOSSIP_SYNC_BUCKETS);
	buf_put_u16(&buf, 8);
	wire_put_array(&buf, 2);
	wire_put_bool(&buf, false);
	wire_put_bin(&buf, "1234", 4);
	struct slice rest = buf_slice(&buf);
	assert_int_equal(gossip_message_get(&rest, &read), ERR_INVALID);
}

static void test_frames_of_others_and_other_versions(void **state)
{
	(void)state;
	struct gossip_message read;
	assert_int_equal(gossip_frame_get(slice_of("", 0), &read), ERR_TRUNCATED);
	assert_int_equal(gossip_frame_get(slice_of("\x01\x92\x01\xc0", 4), &read), ERR_UNSUPPORTED);
	assert_int_equal(gossip_frame_get(slice_of("\x20\x92\x01\xc0", 4), &read), ERR_UNSUPPORTED);
	read.type = GOSSIP_PING;
	assert_int_equal(gossip_frame_get(slice_of("\x0f\x92\x02\xc0", 4), &read), ERR_UNSUPPORTED);
	assert_int_equal(read.type, GOSSIP_JOIN);
	/* Fewer items than the message has. */
	assert_int_not_equal(gossip_frame_get(slice_of("\x12\x92\x01\x05", 4), &read), ERR_OK);
	/* A JOIN_OK of no cluster. */
	struct gossip_message ok = frame_case(2);
	ok.join_ok.cluster = (struct id128){{0}};
	assert_int_equal(gossip_frame_get(encoded(&ok, true), &read), ERR_INVALID);
}

static void test_every_refusal_has_its_words(void **state)
{
	(void)state;
	for (int i = 0; i < GOSSIP_REFUSAL_COUNT; i++)
		assert_string_not_equal(gossip_refusal_text((enum gossip_refusal)i), "refused");
	assert_string_equal(gossip_refusal_text(GOSSIP_REFUSAL_COUNT), "refused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"what is written comes back, byte for byte", test_what_is_written_comes_back, NULL,
		 NULL, NULL},
		{"fields keep their places", test_fields_keep_their_places, NULL, NULL, NULL},
		{"every truncation of every message is refused", test_every_truncation_is_refused,
		 NULL, NULL, NULL},
		{"altered bytes never crash the decoder",
		 test_altered_bytes_never_crash_and_never_lie, NULL, NULL, NULL},
		{"messages of unknown types are skipped", test_unknown_types_are_skipped, NULL,
		 NULL, NULL},
		{"items of later versions are skipped", test_items_of_later_versions_are_skipped,
		 NULL, NULL, NULL},
		{"bytes after the array are refused", test_bytes_after_the_array_are_refused, NULL,
		 NULL, NULL},
		{"records out of bounds are refused", test_records_out_of_bounds_are_refused, NULL,
		 NULL, NULL},
		{"the longest record fits its size", test_longest_record_has_its_size, NULL, NULL, NULL},
		{"lists above their limits are refused", test_lists_above_their_limits_are_refused,
		 NULL, NULL, NULL},
		{"frames of others and of other versions are told apart",
		 test_frames_of_others_and_other_versions, NULL, NULL, NULL},
		{"every refusal has its words", test_every_refusal_has_its_words, NULL, NULL, NULL},
	};
	return cmocka_run_group_tests_name("gossip", tests, NULL, NULL);
}
