/* Effects that wait for a commit.
 *
 * An effect's slices point into the arena of the list that it came in, which the next step writes over; so the part of
 * the arena that was used is copied behind the effects, and each slice is moved by the same distance. */
#include "agent/io/hold.h"

#include <assert.h>
#include <string.h>

#include "agent/mem.h"

struct move {
	const uint8_t *from;
	size_t bytes;
	uint8_t *to;
};

static void move_slice(struct slice *slice, const struct move *move)
{
	if (slice->bytes == 0) {
		slice->data = NULL;
		return;
	}
	assert(slice->data >= move->from);
	size_t offset = (size_t)(slice->data - move->from);
	assert(offset + slice->bytes <= move->bytes);
	slice->data = move->to + offset;
}

enum err hold_push(struct hold *hold, const struct effects *effects, bool has_puts)
{
	if (effects->count == 0 && !has_puts)
		return ERR_OK;
	size_t head = sizeof(struct held_step) + effects->count * sizeof(struct effect);
	struct held_step *step = mem_resize(NULL, head + effects->arena.bytes);
	if (step == NULL)
		return ERR_NO_MEMORY;
	step->next = NULL;
	step->bytes = head + effects->arena.bytes;
	step->has_puts = has_puts;
	step->count = effects->count;
	struct move move = {effects->arena.data, effects->arena.bytes, (uint8_t *)step + head};
	if (effects->count > 0)
		memcpy(step->effects, effects->items, effects->count * sizeof(struct effect));
	if (move.bytes > 0)
		memcpy(move.to, move.from, move.bytes);
	for (uint32_t i = 0; i < step->count; i++) {
		struct effect *effect = &step->effects[i];
		move_slice(&effect->bytes, &move);
		if (effect->type != EFFECT_RUNNER)
			continue;
		move_slice(&effect->runner.run_name, &move);
		move_slice(&effect->runner.definition, &move);
		move_slice(&effect->runner.environment, &move);
		move_slice(&effect->runner.by, &move);
	}
	if (hold->last == NULL)
		hold->first = step;
	else
		hold->last->next = step;
	hold->last = step;
	hold->bytes += step->bytes;
	return ERR_OK;
}

struct held_step *hold_pop(struct hold *hold, bool is_free_only)
{
	struct held_step *step = hold->first;
	if (step == NULL || (is_free_only && step->has_puts))
		return NULL;
	hold->first = step->next;
	if (hold->first == NULL)
		hold->last = NULL;
	hold->bytes -= step->bytes;
	step->next = NULL;
	return step;
}

void held_step_free(struct held_step *take_step)
{
	mem_free(take_step);
}

void hold_move(struct hold *to, struct hold *from)
{
	if (from->first == NULL)
		return;
	if (to->last == NULL)
		to->first = from->first;
	else
		to->last->next = from->first;
	to->last = from->last;
	to->bytes += from->bytes;
	*from = (struct hold){0};
}

void hold_clear(struct hold *hold)
{
	for (struct held_step *step = hold_pop(hold, false); step != NULL; step = hold_pop(hold, false))
		held_step_free(step);
}
