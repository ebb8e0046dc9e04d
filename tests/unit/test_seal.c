#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/hash.h"
#include "proto/seal.h"

#define CASE(function, sentence)                     \
	{                                            \
		sentence, function, NULL, NULL, NULL \
	}

/* Hex to bytes; returns their count. */
static size_t bytes_of(const char *hex, uint8_t *ret_bytes)
{
	size_t count = 0;
	for (; hex[2 * count] != '\0'; count++) {
		unsigned value = 0;
		for (size_t i = 0; i < 2; i++) {
			char digit = hex[2 * count + i];
			value = value << 4 | (unsigned)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
		}
		ret_bytes[count] = (uint8_t)value;
	}
	return count;
}

static struct seal_master master_of_counting_bytes(void)
{
	uint8_t key[SEAL_KEY_BYTES];
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	struct seal_master master;
	seal_master_from_bytes(key, &master);
	return master;
}

/* RFC 8439, A.5. */
static const char rfc_sealed_hex[] =
	"64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0"
	"bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855"
	"9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e9"
	"9040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a"
	"0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130"
	"305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709beead9d67890cbb22392336fea1851f38";
static const char rfc_plain[] =
	"Internet-Drafts are draft documents valid for a maximum of six months and may be updated, replaced, "
	"or obsoleted by other documents at any time. It is inappropriate to use Internet-Drafts as reference "
	"material or to cite them other than as /\xe2\x80\x9cwork in progress./\xe2\x80\x9d";
#define RFC_COUNTER 0x0102030405060708u

static void sealing_is_that_of_rfc_8439(void **state)
{
	(void)state;
	struct seal_subkey subkey;
	uint8_t header[12];
	uint8_t sealed[512];
	(void)bytes_of("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0", subkey.key);
	struct slice header_slice = slice_of(header, bytes_of("f33388860000000000004e91", header));
	struct slice wanted = slice_of(sealed, bytes_of(rfc_sealed_hex, sealed));

	uint8_t memory[512];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	seal_close(&subkey, RFC_COUNTER, header_slice, slice_str(rfc_plain), &out);
	assert_false(out.has_overflowed);
	assert_true(slice_equal(buf_slice(&out), wanted));

	uint8_t opened_memory[512];
	struct buf opened;
	buf_init(&opened, opened_memory, sizeof(opened_memory));
	assert_int_equal(seal_open(&subkey, RFC_COUNTER, header_slice, wanted, &opened), ERR_OK);
	assert_true(slice_equal(buf_slice(&opened), slice_str(rfc_plain)));
}

static void whatever_is_altered_does_not_open(void **state)
{
	(void)state;
	struct seal_master master = master_of_counting_bytes();
	struct seal_subkey subkey;
	seal_subkey_derive(&master, 1, 2, SEAL_STREAM, 3, &subkey);
	uint8_t memory[64];
	struct buf sealed;
	buf_init(&sealed, memory, sizeof(memory));
	seal_close(&subkey, 7, slice_str("head"), slice_str("plain"), &sealed);

	uint8_t opened_memory[64];
	struct buf opened;
	buf_init(&opened, opened_memory, sizeof(opened_memory));
	for (size_t bit = 0; bit < 8 * sealed.bytes; bit++) {
		memory[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_int_equal(seal_open(&subkey, 7, slice_str("head"), buf_slice(&sealed), &opened),
				 ERR_CORRUPT);
		memory[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	assert_int_equal(seal_open(&subkey, 8, slice_str("head"), buf_slice(&sealed), &opened),
			 ERR_CORRUPT);
	assert_int_equal(seal_open(&subkey, 7, slice_str("heap"), buf_slice(&sealed), &opened),
			 ERR_CORRUPT);
	struct seal_subkey other;
	seal_subkey_derive(&master, 1, 2, SEAL_STREAM, 4, &other);
	assert_int_equal(seal_open(&other, 7, slice_str("head"), buf_slice(&sealed), &opened),
			 ERR_CORRUPT);
	for (size_t bytes = 0; bytes < sealed.bytes; bytes++) {
		enum err wanted = bytes < SEAL_TAG_BYTES ? ERR_TRUNCATED : ERR_CORRUPT;
		assert_int_equal(
			seal_open(&subkey, 7, slice_str("head"), slice_of(memory, bytes), &opened),
			wanted);
	}
	assert_int_equal(opened.bytes, 0);
	assert_int_equal(seal_open(&subkey, 7, slice_str("head"), buf_slice(&sealed), &opened), ERR_OK);
	assert_true(slice_equal(buf_slice(&opened), slice_str("plain")));
}

static void what_does_not_fit_is_neither_sealed_nor_opened(void **state)
{
	(void)state;
	struct seal_subkey subkey = {.key = {1}};
	uint8_t memory[32];
	struct buf sealed;
	buf_init(&sealed, memory, 20);
	memset(memory, 0xee, sizeof(memory));
	seal_close(&subkey, 0, slice_str(""), slice_str("12345"), &sealed);
	assert_true(sealed.has_overflowed);
	assert_int_equal(sealed.bytes, 0);
	assert_int_equal(memory[20], 0xee);
	buf_clear(&sealed);
	seal_close(&subkey, 0, slice_str(""), slice_str("1234"), &sealed);
	assert_false(sealed.has_overflowed);

	uint8_t opened_memory[8];
	struct buf opened;
	buf_init(&opened, opened_memory, 3);
	assert_int_equal(seal_open(&subkey, 0, slice_str(""), buf_slice(&sealed), &opened), ERR_FULL);
	buf_init(&opened, opened_memory, 4);
	assert_int_equal(seal_open(&subkey, 0, slice_str(""), buf_slice(&sealed), &opened), ERR_OK);
	/* An empty text is a tag alone. */
	buf_clear(&sealed);
	buf_clear(&opened);
	seal_close(&subkey, 0, slice_str(""), slice_str(""), &sealed);
	assert_int_equal(sealed.bytes, SEAL_TAG_BYTES);
	assert_int_equal(seal_open(&subkey, 0, slice_str(""), buf_slice(&sealed), &opened), ERR_OK);
	assert_int_equal(opened.bytes, 0);
}

static void every_part_of_the_name_changes_the_subkey(void **state)
{
	(void)state;
	struct seal_master master = master_of_counting_bytes();
	struct seal_subkey subkeys[6];
	seal_subkey_derive(&master, 0x0102030405060708u, 7, SEAL_STREAM, 9, &subkeys[0]);
	seal_subkey_derive(&master, 0x0102030405060709u, 7, SEAL_STREAM, 9, &subkeys[1]);
	seal_subkey_derive(&master, 0x0102030405060708u, 8, SEAL_STREAM, 9, &subkeys[2]);
	seal_subkey_derive(&master, 0x0102030405060708u, 7, SEAL_DATAGRAM, 9, &subkeys[3]);
	seal_subkey_derive(&master, 0x0102030405060708u, 7, SEAL_STREAM, 10, &subkeys[4]);
	master.key[0] ^= 1;
	seal_subkey_derive(&master, 0x0102030405060708u, 7, SEAL_STREAM, 9, &subkeys[5]);
	for (size_t i = 0; i < 6; i++) {
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(subkeys[i].key, subkeys[j].key, SEAL_KEY_BYTES);
	}
	/* Wire format: keyed BLAKE2b-256 of u64, u64, u8, u64. */
	uint8_t wanted[SEAL_KEY_BYTES];
	(void)bytes_of("00c4325b6166979b3a2fcc208cc8fa6cc1a90f1a5d0c21e6d7c7de39d4fbe283", wanted);
	assert_memory_equal(subkeys[0].key, wanted, SEAL_KEY_BYTES);
}

static void a_key_file_is_read_as_it_was_written(void **state)
{
	(void)state;
	struct seal_master master = master_of_counting_bytes();
	assert_int_equal(master.key_id, 0xcb2f);
	char text[96];
	seal_master_format(&master, text);
	assert_string_equal(text, "peersched-key-1 000102030405060708090a0b0c0d0e0f"
				  "101112131415161718191a1b1c1d1e1f\n");
	struct seal_master back;
	struct problem problem;
	assert_int_equal(seal_master_parse(slice_str(text), &back, &problem), ERR_OK);
	assert_memory_equal(back.key, master.key, SEAL_KEY_BYTES);
	assert_int_equal(back.key_id, master.key_id);
	assert_int_equal(seal_master_parse(slice_of(text, strlen(text) - 1), &back, NULL), ERR_OK);
}

static void a_key_file_of_another_form_is_refused_and_not_repeated(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"\n",
		"peersched-key-1 \n",
		"peersched-key-2 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n",
		"peersched-key-1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1\n",
		"peersched-key-1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00\n",
		"peersched-key-1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1g\n",
		"peersched-key-1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n\n",
		"peersched-key-1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\r\n",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct seal_master master = {.key_id = 77};
		struct problem problem;
		assert_int_equal(seal_master_parse(slice_str(bad[i]), &master, &problem), ERR_INVALID);
		assert_int_equal(master.key_id, 77);
		assert_null(strstr(problem.text, "0001"));
	}
}

static void a_header_comes_back(void **state)
{
	(void)state;
	struct seal_header header = {
		.flags = SEAL_FLAG_NEWBOOT,
		.cluster = 0x01020304u,
		.key_id = 0x0506,
		.sender_short = 0x0708090a0b0c0d0eu,
		.counter = UINT64_MAX,
	};
	uint8_t memory[64];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	seal_header_put(&out, &header);
	assert_int_equal(out.bytes, DATAGRAM_HEADER_BYTES);
	uint8_t wanted[64];
	assert_int_equal(bytes_of("505301010102030405060000"
				  "0708090a0b0c0d0e"
				  "ffffffffffffffff",
				  wanted),
			 out.bytes);
	assert_memory_equal(memory, wanted, out.bytes);
	struct seal_header back;
	assert_int_equal(seal_header_get(buf_slice(&out), &back), ERR_OK);
	assert_int_equal(back.flags, header.flags);
	assert_int_equal(back.cluster, header.cluster);
	assert_int_equal(back.key_id, header.key_id);
	assert_true(back.sender_short == header.sender_short);
	assert_true(back.counter == header.counter);
}

static void a_header_of_something_else_is_refused(void **state)
{
	(void)state;
	uint8_t memory[DATAGRAM_HEADER_BYTES] = {0x50, 0x53, 1};
	struct seal_header header;
	for (size_t bytes = 0; bytes < sizeof(memory); bytes++)
		assert_int_equal(seal_header_get(slice_of(memory, bytes), &header), ERR_TRUNCATED);
	assert_int_equal(seal_header_get(slice_of(memory, sizeof(memory)), &header), ERR_OK);
	memory[2] = 2;
	assert_int_equal(seal_header_get(slice_of(memory, sizeof(memory)), &header), ERR_UNSUPPORTED);
	memory[1] = 0;
	assert_int_equal(seal_header_get(slice_of(memory, sizeof(memory)), &header), ERR_INVALID);
}

static void a_counter_is_taken_once(void **state)
{
	(void)state;
	struct seal_window window = {.highest = 0};
	for (uint64_t i = 0; i < 200; i++) {
		assert_true(seal_window_take(&window, i));
		assert_false(seal_window_take(&window, i));
	}
	/* 199 is the highest: 72 is the oldest that the window still knows. */
	for (uint64_t i = 0; i < 200; i++)
		assert_false(seal_window_take(&window, i));
	assert_true(seal_window_take(&window, 300));
	assert_true(seal_window_take(&window, 200));
	assert_false(seal_window_take(&window, 200));
	assert_false(seal_window_take(&window, 300 - 128));
	assert_false(seal_window_take(&window, 300 - 127));
	assert_true(seal_window_take(&window, 299));
	assert_true(seal_window_take(&window, 1u << 20));
	assert_false(seal_window_take(&window, 300));
	assert_true(seal_window_take(&window, UINT64_MAX - 1));
	assert_false(seal_window_take(&window, UINT64_MAX - 1));
	assert_false(seal_window_take(&window, UINT64_MAX));
}

/* The window against a plain memory of all counters, in an order that jumps about. */
static void counters_in_any_order_are_taken_once_within_the_window(void **state)
{
	(void)state;
	static bool is_taken[4096];
	struct seal_window window = {.highest = 0};
	uint64_t random = 1;
	uint64_t highest = 0;
	for (size_t i = 0; i < 20000; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		uint64_t counter = (i / 8 + (random >> 33) % 300) % 4096;
		bool is_in_window = highest == 0 || counter + 128 >= highest;
		bool is_new = is_in_window && !is_taken[counter];
		assert_int_equal(seal_window_take(&window, counter), is_new);
		if (!is_new)
			continue;
		is_taken[counter] = true;
		highest = counter + 1 > highest ? counter + 1 : highest;
	}
}

static void ids_are_blake2b_of_the_name(void **state)
{
	(void)state;
	struct id128 wanted;
	(void)bytes_of("cae66941d9efbd404e4d88758ea67670", wanted.bytes);
	assert_true(id128_equal(hash_id(slice_str("")), wanted));
	(void)bytes_of("cf4ab791c62b8d2b2109c90275287816", wanted.bytes);
	assert_true(id128_equal(hash_id(slice_str("abc")), wanted));
	(void)bytes_of("48178a38c5a25dbdfa6b8e844dfd4e2a", wanted.bytes);
	assert_true(id128_equal(hash_id(slice_str("default/backup")), wanted));
}

/* From the sanity test of xxHash itself: length and XXH3-64 of the first bytes of its test sequence. */
static void placement_hashes_are_xxh3(void **state)
{
	(void)state;
	static const struct {
		size_t bytes;
		uint64_t hash;
	} cases[] = {
		{0, 0x2d06800538d394c2u},  {1, 0xc44bdff4074eecdbu},  {6, 0x27b56a84cd2d7325u},
		{12, 0xa713daf0dfbb77e7u}, {24, 0xa3fe70bf9d3510ebu}, {48, 0x397da259ecba1f11u},
	};
	uint8_t sequence[64];
	uint64_t generator = 2654435761u;
	for (size_t i = 0; i < sizeof(sequence); i++) {
		sequence[i] = (uint8_t)(generator >> 56);
		generator *= 11400714785074694797u;
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_true(hash_u64(slice_of(sequence, cases[i].bytes)) == cases[i].hash);

	/* Our own uses, held by golden values. */
	struct id128 a = {.bytes = {1, 2, 3}};
	struct id128 b = {.bytes = {9, 8, 7}};
	assert_true(hash_pair(a, b) == 0xfcda22678f21f278u);
	assert_true(hash_pair(b, a) != hash_pair(a, b));
	uint64_t sum[2];
	hash_digest(a, 5, sum);
	assert_true(sum[0] == 0x47ab6edda0bff0b0u && sum[1] == 0x52c62c5cce8d89deu);
	hash_digest(a, 6, sum);
	assert_true(sum[0] != 0x47ab6edda0bff0b0u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(sealing_is_that_of_rfc_8439, "sealing is that of RFC 8439, A.5"),
		CASE(whatever_is_altered_does_not_open, "whatever is altered does not open"),
		CASE(what_does_not_fit_is_neither_sealed_nor_opened,
		     "what does not fit is neither sealed nor opened"),
		CASE(every_part_of_the_name_changes_the_subkey,
		     "every part of a subkey's name changes it"),
		CASE(a_key_file_is_read_as_it_was_written, "a key file is read as it was written"),
		CASE(a_key_file_of_another_form_is_refused_and_not_repeated,
		     "a key file of another form is refused and not repeated"),
		CASE(a_header_comes_back, "a header comes back"),
		CASE(a_header_of_something_else_is_refused, "a header of something else is refused"),
		CASE(a_counter_is_taken_once, "a counter is taken once"),
		CASE(counters_in_any_order_are_taken_once_within_the_window,
		     "counters in any order are taken once within the window"),
		CASE(ids_are_blake2b_of_the_name, "ids are the BLAKE2b-128 of the name"),
		CASE(placement_hashes_are_xxh3, "placement hashes are XXH3"),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
