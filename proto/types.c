/* Comparing the small value types. */
#include "proto/types.h"

#include <string.h>

#include "proto/buf.h"

static int compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_i64(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

bool id128_is_zero(struct id128 id)
{
	static const struct id128 zero;
	return id128_equal(id, zero);
}

bool id128_equal(struct id128 a, struct id128 b)
{
	return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

int id128_compare(struct id128 a, struct id128 b)
{
	int order = memcmp(a.bytes, b.bytes, sizeof(a.bytes));
	return order < 0 ? -1 : order > 0;
}

uint64_t id128_short(struct id128 id)
{
	return load_u64(id.bytes);
}

bool address_equal(const struct address *a, const struct address *b)
{
	if (a->family != b->family)
		return false;
	if (a->family == 0)
		return true;
	size_t ip_bytes = a->family == 4 ? 4 : sizeof(a->ip);
	return a->port == b->port && memcmp(a->ip, b->ip, ip_bytes) == 0;
}

bool epoch_equal(struct epoch a, struct epoch b)
{
	return a.number == b.number && a.bits == b.bits;
}

int epoch_compare(struct epoch a, struct epoch b)
{
	int order = compare_u64(a.number, b.number);
	return order != 0 ? order : compare_u64(a.bits, b.bits);
}

int ballot_compare(const struct ballot *a, const struct ballot *b)
{
	int order = epoch_compare(a->epoch, b->epoch);
	if (order == 0)
		order = compare_u64(a->round, b->round);
	if (order == 0)
		order = compare_u64(a->boot, b->boot);
	return order != 0 ? order : id128_compare(a->node, b->node);
}

bool ballot_is_zero(const struct ballot *ballot)
{
	return ballot->round == 0;
}

bool run_key_equal(const struct run_key *a, const struct run_key *b)
{
	return run_key_compare(a, b) == 0;
}

int run_key_compare(const struct run_key *a, const struct run_key *b)
{
	int order = id128_compare(a->job, b->job);
	if (order == 0)
		order = compare_i64(a->t_ms, b->t_ms);
	if (order == 0)
		order = id128_compare(a->manual, b->manual);
	if (order == 0)
		order = (a->shard > b->shard) - (a->shard < b->shard);
	return order != 0 ? order : (a->attempt > b->attempt) - (a->attempt < b->attempt);
}
