/* Entries of the outbox, as they are read from the voting file at start. What is accepted is
 * written again, and the same bytes come out. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/outbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
	struct outbox_parcel *parcel;
	if (outbox_parcel_decode(slice_of(bytes, bytes_count), &parcel) != ERR_OK)
		return 0;

	uint8_t *memory = malloc(bytes_count + 1);
	if (memory == NULL)
		abort();
	struct buf out;
	buf_init(&out, memory, bytes_count);
	for (size_t i = 0; i < parcel->record_count; i++)
		outbox_record_put(&out, parcel->records[i]);
	if (out.has_overflowed || out.bytes != bytes_count || parcel->bytes != bytes_count ||
	    (bytes_count > 0 && memcmp(memory, bytes, bytes_count) != 0))
		abort();
	free(memory);

	struct outbox outbox;
	outbox_init(&outbox);
	if (outbox_append(&outbox, parcel) != ERR_OK)
		abort();
	outbox_drop_first(&outbox);
	if (outbox.bytes != 0 || outbox.map.count != 0)
		abort();
	outbox_clear(&outbox);
	return 0;
}
