/* A turn of the loop: events become steps, their puts one commit, their effects calls of the edges.
 *
 * Edges call loop_step from libuv's callbacks; what a step wants is only copied then. The turn's end (a prepare and a
 * check handle) lets effects out, so that all events of one turn share one commit, and no edge is called back in
 * the middle of its own work. */
#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/io/loop_state.h"
#include "agent/io/sysinfo.h"
#include "agent/log.h"
#include "proto/buf.h"
#include "proto/hash.h"

#define GIVE_BACK_BYTES 65536u /* a step that used more of the buffers has their pages given back */

/* ---- effects ---- */

static void put_trace(const struct effect *effect)
{
	static const enum log_level levels[] = {
		[TRACE_ERROR] = LOG_LEVEL_ERROR,
		[TRACE_WARN] = LOG_LEVEL_WARN,
		[TRACE_INFO] = LOG_LEVEL_INFO,
		[TRACE_DEBUG] = LOG_LEVEL_DEBUG,
	};
	log_text(levels[effect->trace.level], effect->bytes);
}

void loop_begin_exit(struct loop *loop, int code)
{
	if (loop->is_exiting)
		return;
	loop->is_exiting = true;
	loop->exit_code = code;
	uv_stop(&loop->uv);
}

static void put_effect(struct loop *loop, const struct effect *effect)
{
	switch (effect->type) {
	case EFFECT_DATAGRAM:
		if (loop->udp != NULL)
			udp_send(loop->udp, &effect->datagram.to, effect->bytes);
		break;
	case EFFECT_STREAM:
		if (loop->streams == NULL)
			break;
		if (effect->stream.connection != 0)
			streams_answer(loop->streams, effect->stream.connection, effect->bytes);
		else
			streams_send(loop->streams, effect->stream.node, &effect->stream.address,
				     effect->bytes);
		break;
	case EFFECT_RUNNER:
		runner_link_send(&loop->runner, &effect->runner);
		break;
	case EFFECT_REPLY:
		control_reply(&loop->control, effect->reply.client, effect->bytes);
		break;
	case EFFECT_CLIENT_CLOSE:
		control_close_client(&loop->control, effect->reply.client);
		break;
	case EFFECT_OUTPUT_READ:
		output_read(&loop->output, effect->output.ticket, &effect->output.run,
			    effect->output.offset, effect->output.is_tail, effect->output.follow);
		break;
	case EFFECT_OUTPUT_STOP:
		output_stop(&loop->output, effect->output.ticket);
		break;
	case EFFECT_OUTPUT_DROP:
		output_drop(&loop->output, &effect->output.run);
		break;
	case EFFECT_TRACE:
		put_trace(effect);
		break;
	case EFFECT_EXIT:
		log_line(effect->exit.code == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
			 "exit code=%d: %.*s", effect->exit.code, (int)effect->bytes.bytes,
			 (const char *)effect->bytes.data);
		loop_begin_exit(loop, effect->exit.code);
		break;
	}
}

/* All of `hold`, or of its beginning what has nothing to wait for. */
static void release(struct loop *loop, struct hold *hold, bool is_free_only)
{
	for (struct held_step *step = hold_pop(hold, is_free_only); step != NULL;
	     step = hold_pop(hold, is_free_only)) {
		for (uint32_t i = 0; i < step->count; i++)
			put_effect(loop, &step->effects[i]);
		held_step_free(step);
	}
}

/* ---- commit, then speak ---- */

static void start_commit(struct loop *loop)
{
	loop->batch = store_overlay_take(loop->overlay);
	if (loop->batch == NULL) {
		/* What was put was taken back in the same turn: nothing to wait for. */
		release(loop, &loop->gathering, false);
		return;
	}
	hold_move(&loop->in_flight, &loop->gathering);
	writer_commit(&loop->writer, loop->batch);
}

/* At the end of each turn, and before the loop sleeps. */
void loop_flush(struct loop *loop)
{
	if (!writer_is_busy(&loop->writer)) {
		release(loop, &loop->gathering, true);
		if (loop->gathering.first != NULL)
			start_commit(loop);
	}
	if (!loop->is_announced && !writer_is_busy(&loop->writer)) {
		loop->is_announced = true;
		loop_announce(loop);
	}
	if (loop->udp != NULL)
		udp_flush(loop->udp);
	if (!loop->is_exiting)
		deadline_arm(loop);
}

void loop_on_committed(void *context, enum err err, const struct problem *problem)
{
	struct loop *loop = context;
	if (err != ERR_OK) {
		/* Nothing may be undone or said any more: not even closing the store. */
		log_line(LOG_LEVEL_ERROR, "store: a commit failed, the agent ends: %s (%s)",
			 problem->text, err_text(err));
		_exit(LOOP_EXIT_COMMIT_FAILED);
	}
	store_overlay_committed(loop->overlay, loop->batch);
	store_batch_free(loop->batch);
	loop->batch = NULL;
	release(loop, &loop->in_flight, false);
	if (loop->udp != NULL)
		udp_flush(loop->udp);
	writer_drain(&loop->writer);
}

/* ---- steps ---- */

static void keep_effects(struct loop *loop, bool has_puts)
{
	struct effects *effects = &loop->effects;
	enum err err = hold_push(&loop->gathering, effects, has_puts);
	bool is_stuck = writer_is_busy(&loop->writer) && loop->gathering.bytes > LOOP_HELD_BYTES_MAX;
	if (err != ERR_OK || is_stuck) {
		log_line(LOG_LEVEL_ERROR, "loop: %s",
			 err != ERR_OK
				 ? "out of memory for effects"
				 : "a commit does not end and too much waits behind it: is the disk dead?");
		_exit(LOOP_EXIT_COMMIT_FAILED);
	}
	if (effects->arena.bytes > GIVE_BACK_BYTES)
		(void)madvise(effects->arena.data, EFFECTS_ARENA_BYTES, MADV_DONTNEED);
	if (effects->count * sizeof(*effects->items) > GIVE_BACK_BYTES)
		(void)madvise(effects->items, EFFECT_ITEMS_BYTES, MADV_DONTNEED);
}

static void learn_cluster(struct loop *loop)
{
	if (loop->cluster_hash != 0)
		return;
	struct id128 cluster = node_cluster(loop->node);
	if (id128_is_zero(cluster))
		return;
	uint32_t hash = (uint32_t)hash_u64(slice_of(cluster.bytes, sizeof(cluster.bytes)));
	loop->cluster_hash = hash != 0 ? hash : 1;
}

static void step_one(struct loop *loop, struct event *event)
{
	assert(!loop->is_stepping);
	loop->is_stepping = true;
	event->now = loop_clocks(loop);
	uint64_t put_count = loop->view.put_count;
	node_step(loop->node, event, &loop->effects);
	while (loop->effects.more) {
		keep_effects(loop, loop->view.put_count != put_count);
		struct event more = {.type = EVENT_CONTINUE, .now = event->now};
		node_step(loop->node, &more, &loop->effects);
	}
	keep_effects(loop, loop->view.put_count != put_count);
	loop->is_stepping = false;
	learn_cluster(loop);
}

void loop_sample(struct loop *loop, int64_t age_ms_max)
{
	int64_t now_us = loop_clocks(loop).mono_us;
	if (loop->sampled_mono_us != 0 && now_us - loop->sampled_mono_us < age_ms_max * 1000)
		return;
	loop->sampled_mono_us = now_us;
	struct event sample;
	sysinfo_sample(loop->options->config->directory, &sample);
	step_one(loop, &sample);
}

void loop_step(struct loop *loop, struct event *event)
{
	if (loop->is_exiting)
		return;
	if (event->type == EVENT_REQUEST)
		loop_sample(loop, LOOP_SAMPLE_ASKED_MS);
	step_one(loop, event);
}
