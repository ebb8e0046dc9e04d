/* The outbox: history changes that are durable in the voting environment and not yet in the history
 * one.
 *
 * On disk an entry holds changes one after the other:
 *
 *     table u8 | is_remove u8 | key bytes u16 | value bytes u32 | key | value        (numbers
 * big-endian)
 *
 * In memory the same changes are a map, which reads of the history tables go through, and a queue
 * of parcels: what one commit brought. Draining a parcel twice does no harm, as later ones always
 * follow it. */
#ifndef AGENT_STORE_OUTBOX_H
#define AGENT_STORE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/record.h"
#include "agent/store/store.h"
#include "proto/buf.h"
#include "proto/err.h"

#define OUTBOX_CHANGE_HEADER_BYTES 8u
/* Entries are cut between changes, so one of them may hold a single large change. */
#define OUTBOX_ENTRY_BYTES_MAX \
	(OUTBOX_CHANGE_HEADER_BYTES + STORE_KEY_BYTES_MAX + STORE_VALUE_BYTES_MAX)

/* ---- bytes ---- */
size_t outbox_record_bytes(const struct store_record *record);
void outbox_record_put(struct buf *out, const struct store_record *record);
/* Takes the next change off *rest; it borrows from there. ERR_NOT_FOUND: none left; ERR_TRUNCATED,
 * ERR_RANGE, ERR_INVALID: not an entry of ours (only tables of the history environment may occur).
 */
MUST_CHECK enum err outbox_change_get(struct slice *rest, struct store_change *ret_change);

/* ---- memory ---- */
struct outbox_parcel {
	struct outbox_parcel *following;
	uint64_t sequence_last; /* of the entries on disk that hold it */
	size_t bytes;           /* in these */
	size_t record_count;
	size_t record_count_max;
	struct store_record *records[];
};

struct outbox {
	struct record_map map;
	struct outbox_parcel *first;
	struct outbox_parcel *last;
	size_t bytes;
};

void outbox_init(struct outbox *outbox);
void outbox_clear(struct outbox *outbox);
/* Is the table in the history environment? */
bool outbox_has_table(enum store_table table);

/* An empty parcel with room for so many records; NULL: out of memory. */
struct outbox_parcel *outbox_parcel_new(size_t record_count_max);
/* Accepts NULL. */
void outbox_parcel_free(struct outbox_parcel *parcel);
/* The changes of an entry. ERR_CORRUPT: not an entry of ours; ERR_NO_MEMORY. */
MUST_CHECK enum err outbox_parcel_decode(struct slice entry, struct outbox_parcel **ret_parcel);
/* Takes a reference of its own. Requires: room. */
void outbox_parcel_add(struct outbox_parcel *parcel, struct store_record *record);
/* Reads see it from here on. ERR_NO_MEMORY: reads may miss some of it, so the store must not go on.
 */
MUST_CHECK enum err outbox_append(struct outbox *outbox, struct outbox_parcel *take_parcel);
/* The first parcel is in the history environment: drops it. */
void outbox_drop_first(struct outbox *outbox);

#endif
