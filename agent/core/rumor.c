/* What is yet to be told. */
#include "agent/core/rumor.h"

#include <assert.h>

#define RUMOR_SENDS_FACTOR 4u

static_assert(MEMBERS_MAX < UINT16_MAX, "a subject and a place + 1 fit 16 bits");

size_t rumor_queue_bytes(void)
{
	return (sizeof(struct rumor) + sizeof(uint16_t)) * MEMBERS_MAX;
}

void rumor_queue_init(struct rumor_queue *queue, void *memory)
{
	struct rumor *rumors = memory;
	*queue = (struct rumor_queue){.rumors = rumors,
				      .places = (uint16_t *)(void *)(rumors + MEMBERS_MAX)};
}

static struct rumor *rumor_find(const struct rumor_queue *queue, uint32_t subject)
{
	assert(subject < MEMBERS_MAX);
	uint16_t place = queue->places[subject];
	return place == 0 ? NULL : &queue->rumors[place - 1];
}

void rumor_add(struct rumor_queue *queue, uint32_t subject, enum rumor_class class)
{
	struct rumor *rumor = rumor_find(queue, subject);
	if (rumor == NULL) {
		assert(queue->count < MEMBERS_MAX);
		rumor = &queue->rumors[queue->count++];
		queue->places[subject] = (uint16_t)queue->count;
	}
	*rumor = (struct rumor){.subject = (uint16_t)subject, .class = (uint8_t) class};
}

void rumor_drop(struct rumor_queue *queue, uint32_t subject)
{
	struct rumor *rumor = rumor_find(queue, subject);
	if (rumor == NULL)
		return;
	struct rumor *last = &queue->rumors[queue->count - 1];
	queue->places[last->subject] = queue->places[subject];
	queue->places[subject] = 0;
	*rumor = *last;
	queue->count--;
}

static void drop_if_done(struct rumor_queue *queue, const struct rumor *rumor, uint32_t sends_max)
{
	uint32_t sends_min = sends_max < RUMOR_SENDS_MIN ? sends_max : RUMOR_SENDS_MIN;
	if (rumor->sent >= sends_min && (uint32_t)rumor->sent + rumor->heard >= sends_max)
		rumor_drop(queue, rumor->subject);
}

void rumor_heard(struct rumor_queue *queue, uint32_t subject, uint32_t sends_max)
{
	struct rumor *rumor = rumor_find(queue, subject);
	if (rumor == NULL)
		return;
	if (rumor->heard < UINT8_MAX)
		rumor->heard++;
	drop_if_done(queue, rumor, sends_max);
}

void rumor_sent(struct rumor_queue *queue, uint32_t subject, uint32_t sends_max)
{
	struct rumor *rumor = rumor_find(queue, subject);
	if (rumor == NULL)
		return;
	if (rumor->sent < UINT8_MAX)
		rumor->sent++;
	drop_if_done(queue, rumor, sends_max);
}

void rumor_renumber(struct rumor_queue *queue, uint32_t from, uint32_t to)
{
	struct rumor *rumor = rumor_find(queue, from);
	assert(rumor_find(queue, to) == NULL);
	if (rumor == NULL)
		return;
	rumor->subject = (uint16_t)to;
	queue->places[to] = queue->places[from];
	queue->places[from] = 0;
}

/* Class first, then sends: among equals the place in the queue decides, which is stable. */
static uint32_t urgency(const struct rumor *rumor)
{
	return ((uint32_t)rumor->class << 16) + rumor->sent;
}

uint32_t rumor_pick(const struct rumor_queue *queue, bool is_urgent,
		    uint16_t ret_subjects[RUMOR_PICK_MAX])
{
	uint32_t keys[RUMOR_PICK_MAX];
	uint32_t count = 0;
	for (uint32_t i = 0; i < queue->count; i++) {
		const struct rumor *rumor = &queue->rumors[i];
		uint32_t key = urgency(rumor);
		if ((rumor->class <= RUMOR_URGENT_LAST) != is_urgent)
			continue;
		if (count == RUMOR_PICK_MAX && key >= keys[count - 1])
			continue;
		/* Insertion into a short sorted list; the last one falls off when it is full. */
		uint32_t place = count < RUMOR_PICK_MAX ? count++ : count - 1;
		for (; place > 0 && keys[place - 1] > key; place--) {
			keys[place] = keys[place - 1];
			ret_subjects[place] = ret_subjects[place - 1];
		}
		keys[place] = key;
		ret_subjects[place] = rumor->subject;
	}
	return count;
}

uint32_t rumor_sends_max(uint32_t member_count)
{
	uint32_t digits = 1;
	for (uint64_t power = 10; power < (uint64_t)member_count + 1; power *= 10)
		digits++;
	return RUMOR_SENDS_FACTOR * digits;
}
