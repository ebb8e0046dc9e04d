/* How long a member stays suspect. */
#include "agent/core/suspicion.h"

#define SUSPICION_MIN_PERIODS 4
#define SUSPICION_MAX_FACTOR 6
#define SUSPICION_CONFIRMATIONS 3u /* K */
#define SMALL_CLUSTER 3u           /* up to here one observer is all there can be */
#define Q16 65536
#define LOG2_OF_10_Q16 217706 /* 3.321928 */

/* log2 of value >= 1 as a fixed-point number of 16 binary places: the integer part, then one bit per squaring. */
static int64_t log2_q16(uint64_t value)
{
	int64_t result = 0;
	uint64_t mantissa = value << 32; /* values are far below 2^31 */
	while (mantissa >= (uint64_t)2 << 32) {
		mantissa >>= 1;
		result += Q16;
	}
	for (int64_t bit = Q16 / 2; bit > 0; bit /= 2) {
		/* In [1, 2) with 30 places, so that the square fits. */
		uint64_t short_mantissa = mantissa >> 2;
		mantissa = (short_mantissa * short_mantissa) >> 28;
		if (mantissa >= (uint64_t)2 << 32) {
			mantissa >>= 1;
			result += bit;
		}
	}
	return result;
}

int64_t suspicion_min_us(uint32_t member_count, int64_t period_us)
{
	int64_t log10_q16 = log2_q16(member_count > 10 ? member_count : 10) * Q16 / LOG2_OF_10_Q16;
	int64_t periods_q16 = SUSPICION_MIN_PERIODS * Q16 + (log10_q16 - Q16);
	if (periods_q16 < SUSPICION_MIN_PERIODS * Q16)
		periods_q16 = SUSPICION_MIN_PERIODS * Q16;
	return period_us * periods_q16 / Q16;
}

int64_t suspicion_span_us(uint32_t member_count, int64_t period_us, uint32_t confirmation_count)
{
	int64_t min_us = suspicion_min_us(member_count, period_us);
	if (member_count <= SMALL_CLUSTER)
		return min_us;
	uint32_t k = member_count - 2 < SUSPICION_CONFIRMATIONS ? member_count - 2
								: SUSPICION_CONFIRMATIONS;
	if (confirmation_count >= k)
		return min_us;
	int64_t max_us = SUSPICION_MAX_FACTOR * min_us;
	return max_us - (max_us - min_us) * log2_q16(confirmation_count + 1) / log2_q16(k + 1);
}

void suspicion_start(struct suspicion *suspicion, int64_t now_us)
{
	*suspicion = (struct suspicion){.start_us = now_us, .due_us = INT64_MAX};
}

void suspicion_clear(struct suspicion *suspicion)
{
	suspicion_start(suspicion, 0);
}

bool suspicion_add(struct suspicion *suspicion, uint64_t observer, bool is_refused)
{
	for (uint32_t i = 0; i < suspicion->observer_count; i++) {
		uint8_t bit = (uint8_t)(1u << i);
		if (suspicion->observers[i] != observer)
			continue;
		if (!is_refused || (suspicion->refused_bits & bit) != 0)
			return false;
		suspicion->refused_bits |= bit;
		return true;
	}
	if (suspicion->observer_count == SUSPICION_OBSERVERS_MAX)
		return false;
	uint32_t place = suspicion->observer_count++;
	suspicion->observers[place] = observer;
	if (is_refused)
		suspicion->refused_bits |= (uint8_t)(1u << place);
	return true;
}

bool suspicion_is_refused(const struct suspicion *suspicion, uint32_t member_count)
{
	uint32_t refused_count = 0;
	for (uint8_t bits = suspicion->refused_bits; bits != 0; bits &= (uint8_t)(bits - 1))
		refused_count++;
	return refused_count >= (member_count <= SMALL_CLUSTER ? 1u : 2u);
}

void suspicion_update(struct suspicion *suspicion, uint32_t member_count, int64_t period_us)
{
	uint32_t confirmations = suspicion->observer_count > 0 ? suspicion->observer_count - 1u : 0;
	int64_t span_us = suspicion_is_refused(suspicion, member_count)
				  ? period_us
				  : suspicion_span_us(member_count, period_us, confirmations);
	suspicion->due_us = suspicion->start_us + span_us;
}
