/* Names, ids and addresses as text. */
#include "proto/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/hash.h"
#include "proto/limits.h"

#define DEFAULT_GROUP "default/"

static bool is_alphanumeric(uint8_t byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= 'a' && byte <= 'z');
}

/* [A-Za-z0-9][A-Za-z0-9._-]*, at most bytes_max. `what` is for the message. */
static enum err check_part(struct slice part, size_t bytes_max, const char *what,
			   struct problem *problem)
{
	char quoted[TEXT_QUOTE_BYTES];
	if (part.bytes == 0)
		return problem_set(problem, ERR_INVALID, "the %s is empty", what);
	if (part.bytes > bytes_max)
		return problem_set(problem, ERR_RANGE, "the %s %s is longer than %zu characters",
				   what, text_quote(part, quoted), bytes_max);
	for (size_t i = 0; i < part.bytes; i++) {
		uint8_t byte = part.data[i];
		bool is_inner = i > 0 && (byte == '.' || byte == '_' || byte == '-');
		if (is_alphanumeric(byte) || is_inner)
			continue;
		(void)problem_set(problem, ERR_INVALID,
				  "the %s %s has at character %zu what no name has", what,
				  text_quote(part, quoted), i + 1);
		problem_hint(problem, "a letter or digit, then letters, digits, '.', '_' and '-'");
		return ERR_INVALID;
	}
	return ERR_OK;
}

enum err text_parse_job_name(struct slice text, char *ret_full, struct problem *problem)
{
	const uint8_t *slash = text.bytes > 0 ? memchr(text.data, '/', text.bytes) : NULL;
	struct slice group = slice_of(DEFAULT_GROUP, sizeof(DEFAULT_GROUP) - 2);
	struct slice name = text;
	if (slash != NULL) {
		group = slice_of(text.data, (size_t)(slash - text.data));
		name = slice_of(slash + 1, text.bytes - group.bytes - 1);
		if (name.bytes > 0 && memchr(name.data, '/', name.bytes) != NULL)
			return problem_set(problem, ERR_INVALID,
					   "a job name has one slash at most: group/name");
	}
	enum err err = check_part(group, NAME_PART_BYTES_MAX, "group", problem);
	if (err != ERR_OK)
		return err;
	err = check_part(name, NAME_PART_BYTES_MAX, "job name", problem);
	if (err != ERR_OK)
		return err;
	memcpy(ret_full, group.data, group.bytes);
	ret_full[group.bytes] = '/';
	memcpy(ret_full + group.bytes + 1, name.data, name.bytes);
	ret_full[group.bytes + 1 + name.bytes] = '\0';
	return ERR_OK;
}

const char *text_job_display(const char *full)
{
	size_t bytes = sizeof(DEFAULT_GROUP) - 1;
	return strncmp(full, DEFAULT_GROUP, bytes) == 0 ? full + bytes : full;
}

enum err text_check_node_name(struct slice text, struct problem *problem)
{
	return check_part(text, NODE_NAME_BYTES_MAX, "node name", problem);
}

/* ---- ids ---- */

void text_format_id(struct id128 id, char ret_text[TEXT_ID_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < sizeof(id.bytes); i++) {
		ret_text[2 * i] = digits[id.bytes[i] >> 4];
		ret_text[2 * i + 1] = digits[id.bytes[i] & 0x0f];
	}
	ret_text[2 * sizeof(id.bytes)] = '\0';
}

static int hex_value(uint8_t digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

enum err text_parse_id(struct slice text, struct id128 *ret_id, struct problem *problem)
{
	char quoted[TEXT_QUOTE_BYTES];
	struct id128 id;
	bool is_good = text.bytes == 2 * sizeof(id.bytes);
	for (size_t i = 0; is_good && i < sizeof(id.bytes); i++) {
		int high = hex_value(text.data[2 * i]);
		int low = hex_value(text.data[2 * i + 1]);
		is_good = high >= 0 && low >= 0;
		if (is_good)
			id.bytes[i] = (uint8_t)(high << 4 | low);
	}
	if (!is_good)
		return problem_set(problem, ERR_INVALID, "%s is not an id of 32 hex digits",
				   text_quote(text, quoted));
	*ret_id = id;
	return ERR_OK;
}

/* ---- addresses ---- */

void text_format_address(const struct address *address, char ret_text[TEXT_ADDRESS_BYTES])
{
	char ip[INET6_ADDRSTRLEN] = "";
	if (address->family == 4)
		(void)inet_ntop(AF_INET, address->ip, ip, sizeof(ip));
	else if (address->family == 6)
		(void)inet_ntop(AF_INET6, address->ip, ip, sizeof(ip));
	if (ip[0] == '\0')
		(void)snprintf(ret_text, TEXT_ADDRESS_BYTES, "-");
	else
		(void)snprintf(ret_text, TEXT_ADDRESS_BYTES,
			       address->family == 6 ? "[%s]:%u" : "%s:%u", ip,
			       (unsigned)address->port);
}

/* Cuts "ip", "ip:port", "[ip6]", "[ip6]:port" or "ip6" in two; port is empty if there is none. False: none
 * of these forms. */
static bool split_address(struct slice text, struct slice *ret_ip, struct slice *ret_port)
{
	*ret_ip = text;
	*ret_port = slice_of(NULL, 0);
	if (text.bytes == 0)
		return false;
	const uint8_t *end = text.data + text.bytes;
	const uint8_t *colon = memchr(text.data, ':', text.bytes);
	if (text.data[0] == '[') {
		const uint8_t *bracket = memchr(text.data, ']', text.bytes);
		if (bracket == NULL)
			return false;
		*ret_ip = slice_of(text.data + 1, (size_t)(bracket - text.data) - 1);
		if (bracket + 1 == end)
			return true;
		colon = bracket + 1;
		if (*colon != ':')
			return false;
	} else if (colon == NULL || memchr(colon + 1, ':', (size_t)(end - colon) - 1) != NULL) {
		return true;
	} else {
		*ret_ip = slice_of(text.data, (size_t)(colon - text.data));
	}
	*ret_port = slice_of(colon + 1, (size_t)(end - colon) - 1);
	return ret_port->bytes > 0;
}

static bool parse_ip(struct slice text, struct address *address)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char ip[INET6_ADDRSTRLEN];
	if (text.bytes == 0 || text.bytes >= sizeof(ip) ||
	    memchr(text.data, '\0', text.bytes) != NULL)
		return false;
	memcpy(ip, text.data, text.bytes);
	ip[text.bytes] = '\0';
	memset(address->ip, 0, sizeof(address->ip));
	if (inet_pton(AF_INET, ip, address->ip) == 1) {
		address->family = 4;
		return true;
	}
	if (inet_pton(AF_INET6, ip, address->ip) != 1)
		return false;
	address->family = 6;
	if (memcmp(address->ip, mapped, sizeof(mapped)) == 0) {
		address->family = 4;
		memmove(address->ip, address->ip + sizeof(mapped), 4);
		memset(address->ip + 4, 0, sizeof(address->ip) - 4);
	}
	return true;
}

enum err text_parse_address(struct slice text, uint16_t port_default, struct address *ret_address,
			    struct problem *problem)
{
	char quoted[TEXT_QUOTE_BYTES];
	struct slice ip;
	struct slice port_text;
	struct address address = {.family = 0};
	bool is_bracketed = text.bytes > 0 && text.data[0] == '[';
	bool is_good = split_address(text, &ip, &port_text) && parse_ip(ip, &address);
	if (!is_good || (is_bracketed && memchr(ip.data, ':', ip.bytes) == NULL)) {
		(void)problem_set(problem, ERR_INVALID, "%s is not an address",
				  text_quote(text, quoted));
		problem_hint(problem, "write it in numbers, like 10.0.3.7:7420 or [fd00::7]:7420");
		return ERR_INVALID;
	}
	int64_t port = port_default;
	if (port_text.bytes > 0) {
		enum err err = text_parse_i64(port_text, 1, UINT16_MAX, &port, problem);
		if (err != ERR_OK) {
			problem_context(problem, "port of %s", text_quote(text, quoted));
			return err;
		}
	}
	address.port = (uint16_t)port;
	*ret_address = address;
	return ERR_OK;
}

/* ---- runs ---- */

void text_format_run(const char *job_full, const struct run_key *key, char *ret_text,
		     size_t text_bytes)
{
	char time[TEXT_TIME_BYTES];
	text_format_time(key->t_ms, time);
	char manual[8] = "";
	if (!id128_is_zero(key->manual))
		(void)snprintf(manual, sizeof(manual), "+%02x%02x%02x", key->manual.bytes[0],
			       key->manual.bytes[1], key->manual.bytes[2]);
	(void)snprintf(ret_text, text_bytes, "%s@%s%s/%u#%u", text_job_display(job_full), time,
		       manual, (unsigned)key->shard, (unsigned)key->attempt);
}

void text_format_run_short(const struct run_key *key, char ret_text[9])
{
	uint8_t bytes[16 + 8 + 16 + 2 + 2];
	memcpy(bytes, key->job.bytes, 16);
	store_u64(bytes + 16, (uint64_t)key->t_ms);
	memcpy(bytes + 24, key->manual.bytes, 16);
	store_u16(bytes + 40, key->shard);
	store_u16(bytes + 42, key->attempt);
	uint64_t hash = hash_u64(slice_of(bytes, sizeof(bytes)));
	(void)snprintf(ret_text, RUN_SHORT_BYTES + 1, "%08x", (unsigned)(hash >> 32));
}

/* ---- near words ---- */

#define NEAR_BYTES_MAX 64u /* longer words are not mistyped ones */
#define NEAR_DISTANCE_MAX 2u

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Edit distance where two letters changed about count as one edit (optimal string alignment). */
static unsigned edit_distance(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
	unsigned rows[3][NEAR_BYTES_MAX + 1];
	for (size_t j = 0; j <= b_bytes; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= a_bytes; i++) {
		unsigned *row = rows[i % 3];
		const unsigned *before = rows[(i + 2) % 3];
		const unsigned *before_that = rows[(i + 1) % 3];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_bytes; j++) {
			unsigned best = before[j - 1] + (a[i - 1] != b[j - 1]);
			best = smaller(best, smaller(before[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = smaller(best, before_that[j - 2] + 1);
			row[j] = best;
		}
	}
	return rows[a_bytes % 3][b_bytes];
}

const char *text_nearest(const char *text, const char *const *words, size_t word_count)
{
	size_t bytes = strnlen(text, NEAR_BYTES_MAX + 1);
	if (bytes > NEAR_BYTES_MAX)
		return NULL;
	const char *nearest = NULL;
	unsigned distance_below = NEAR_DISTANCE_MAX + 1;
	for (size_t i = 0; i < word_count; i++) {
		size_t word_bytes = strnlen(words[i], NEAR_BYTES_MAX + 1);
		if (word_bytes > NEAR_BYTES_MAX)
			continue;
		unsigned distance = edit_distance(text, bytes, words[i], word_bytes);
		/* Of a word of two letters nothing would be left. */
		if (distance < distance_below && distance < bytes) {
			nearest = words[i];
			distance_below = distance;
		}
	}
	return nearest;
}
