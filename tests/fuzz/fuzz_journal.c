/* Records of the runner's journal, as they are read from the disk at its start. What is accepted is written again, and
 * read again as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/runner/journal_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
	struct journal_record record;
	if (journal_record_get(slice_of(bytes, bytes_count), &record) != ERR_OK)
		return 0;

	uint8_t memory[2][2 * JOURNAL_RECORD_BYTES_MAX];
	struct buf out[2];
	for (size_t i = 0; i < 2; i++) {
		buf_init(&out[i], memory[i], sizeof(memory[i]));
		journal_record_put(&out[i], &record);
		if (out[i].has_overflowed || journal_record_get(buf_slice(&out[i]), &record) != ERR_OK)
			abort();
	}
	if (!slice_equal(buf_slice(&out[0]), buf_slice(&out[1])))
		abort();
	return 0;
}
