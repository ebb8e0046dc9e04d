/* What this agent has heard of each sender of datagrams. */
#include "agent/io/senders.h"

#include <assert.h>
#include <string.h>

#include "agent/mem.h"

#define PLACES_MIN 16u

static_assert((PLACES_MIN & (PLACES_MIN - 1)) == 0, "places are found with a mask");

/* Node ids are random, so their bits are a hash already. */
static uint32_t place_of(const struct senders *senders, uint64_t sender_short)
{
	uint32_t mask = senders->place_count - 1;
	uint32_t place = (uint32_t)sender_short & mask;
	while (senders->places[place].boot != 0 && senders->places[place].sender_short != sender_short)
		place = (place + 1) & mask;
	return place;
}

static struct sender *find(const struct senders *senders, uint64_t sender_short)
{
	if (senders->place_count == 0)
		return NULL;
	struct sender *sender = &senders->places[place_of(senders, sender_short)];
	return sender->boot != 0 ? sender : NULL;
}

void senders_close(struct senders *senders)
{
	mem_free(senders->places);
	*senders = (struct senders){0};
}

const struct seal_subkey *senders_subkey(const struct senders *senders,
					 const struct seal_master *master, uint64_t sender_short,
					 uint64_t boot, struct seal_subkey *scratch)
{
	const struct sender *sender = find(senders, sender_short);
	if (sender != NULL && sender->boot == boot && sender->key_id == master->key_id)
		return &sender->subkey;
	seal_subkey_derive(master, sender_short, boot, SEAL_DATAGRAM, 0, scratch);
	return scratch;
}

bool senders_is_old(const struct senders *senders, uint64_t sender_short, uint64_t boot)
{
	const struct sender *sender = find(senders, sender_short);
	return sender != NULL && boot < sender->boot;
}

/* Moves all entries into `place_count` new places, but `except`. */
static bool rebuild(struct senders *senders, uint32_t place_count, const struct sender *except)
{
	struct senders grown = {.place_count = place_count, .used_last = senders->used_last};
	grown.places = mem_new(place_count, sizeof(*grown.places));
	if (grown.places == NULL)
		return false;
	for (uint32_t i = 0; i < senders->place_count; i++) {
		const struct sender *sender = &senders->places[i];
		if (sender->boot == 0 || sender == except)
			continue;
		grown.places[place_of(&grown, sender->sender_short)] = *sender;
		grown.count++;
	}
	mem_free(senders->places);
	*senders = grown;
	return true;
}

static bool make_room(struct senders *senders)
{
	if (senders->count < SENDERS_MAX) {
		/* At most three quarters are taken, so that searches stay short. */
		if (senders->count < senders->place_count / 4 * 3)
			return true;
		return rebuild(senders,
			       senders->place_count == 0 ? PLACES_MIN : senders->place_count * 2, NULL);
	}
	const struct sender *oldest = NULL;
	for (uint32_t i = 0; i < senders->place_count; i++) {
		const struct sender *sender = &senders->places[i];
		if (sender->boot != 0 && (oldest == NULL || sender->used < oldest->used))
			oldest = sender;
	}
	return rebuild(senders, senders->place_count, oldest);
}

enum senders_verdict senders_take(struct senders *senders, const struct seal_subkey *subkey,
				  uint16_t key_id, uint64_t sender_short, uint64_t boot,
				  uint64_t counter)
{
	assert(boot != 0);
	struct sender *sender = find(senders, sender_short);
	if (sender == NULL) {
		if (!make_room(senders))
			return SENDERS_NO_MEMORY;
		sender = &senders->places[place_of(senders, sender_short)];
		senders->count++;
	} else if (boot < sender->boot) {
		return SENDERS_OLD_BOOT;
	}
	if (sender->boot != boot) {
		*sender = (struct sender){
			.sender_short = sender_short,
			.boot = boot,
			.subkey = *subkey,
			.key_id = key_id,
		};
	} else if (sender->key_id != key_id) {
		/* Another key of the ring, same counters: one window serves both. */
		sender->subkey = *subkey;
		sender->key_id = key_id;
	}
	if (!seal_window_take(&sender->window, counter))
		return SENDERS_REPLAYED;
	sender->used = ++senders->used_last;
	return SENDERS_FRESH;
}
