/* The clock that most agree on: the median of what peers' clocks are ahead of ours. */
#include "agent/core/swim_internal.h"

static void sift_down(int64_t *values, uint32_t root, uint32_t count)
{
	for (uint32_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
		if (child + 1 < count && values[child + 1] > values[child])
			child++;
		if (values[root] >= values[child])
			return;
		int64_t value = values[root];
		values[root] = values[child];
		values[child] = value;
		root = child;
	}
}

/* Heapsort: no recursion, no memory, no bad case. */
static void sort_offsets(int64_t *values, uint32_t count)
{
	for (uint32_t i = count / 2; i-- > 0;)
		sift_down(values, i, count);
	for (uint32_t end = count; end-- > 1;) {
		int64_t value = values[0];
		values[0] = values[end];
		values[end] = value;
		sift_down(values, 0, end);
	}
}

void swim_clock_update(struct swim *swim)
{
	if (!swim->is_clock_stale)
		return;
	swim->is_clock_stale = false;
	uint32_t count = 0;
	swim->offsets[count++] = 0; /* ourselves */
	for (uint32_t i = 1; i < swim->table.count; i++) {
		const struct member_row *row = &swim->table.rows[i];
		if (row->claim.rank <= MEMBER_SUSPECT && row->member.has_clock_offset)
			swim->offsets[count++] = row->member.clock_offset_ms;
	}
	sort_offsets(swim->offsets, count);
	int64_t high = swim->offsets[count / 2];
	int64_t low = swim->offsets[(count - 1) / 2];
	int64_t high_distance = high < 0 ? -high : high;
	int64_t low_distance = low < 0 ? -low : low;
	swim->clock_offset_ms = low_distance <= high_distance ? low : high;
}

int64_t swim_clock_offset_ms(const struct swim *swim)
{
	return swim->clock_offset_ms;
}
