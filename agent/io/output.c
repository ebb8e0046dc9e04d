/* Output of runs for those who ask the node for it. */
#include "agent/io/output.h"

#include <assert.h>
#include <string.h>
#include <sys/inotify.h>

#include "agent/log.h"
#include "agent/mem.h"
#include "proto/buf.h"
#include "proto/wire.h"

static void on_timer(uv_timer_t *timer);

static void wake(struct output *output, uint64_t wait_ms)
{
	if (!uv_is_active((uv_handle_t *)&output->timer) || wait_ms == 0)
		(void)uv_timer_start(&output->timer, on_timer, wait_ms, 0);
}

static void on_change(void *context)
{
	struct output_follower *follower = context;
	follower->is_due = true;
	wake(follower->output, OUTPUT_FOLLOW_PAUSE_MS);
}

static void forget(struct output_follower *follower)
{
	struct output *output = follower->output;
	if (follower->is_watched)
		watch_remove(output->watch, on_change, follower);
	if (follower->is_follow)
		output->follow_count--;
	*follower = (struct output_follower){0};
}

/* Before the first read, so that nothing that is written in between goes unseen. */
static void watch_file(struct output_follower *follower)
{
	char path[SEGMENTS_PATH_BYTES];
	segments_path(&follower->output->segments, &follower->run, path);
	enum err err = watch_add(follower->output->watch, path, IN_MODIFY, on_change, follower);
	follower->is_watched = err == ERR_OK;
}

static bool has_lines(struct slice lines)
{
	struct wire_reader reader;
	wire_reader_init(&reader, lines);
	return wire_get_array(&reader, OUTPUT_EVENT_BYTES) > 0;
}

static void read_one(struct output_follower *follower)
{
	struct output *output = follower->output;
	struct problem problem;
	if (follower->is_follow && !follower->is_watched)
		watch_file(follower);
	uint8_t *memory = mem_resize(NULL, OUTPUT_EVENT_BYTES);
	struct segments_read read = {.offset = follower->offset, .is_end = true};
	struct buf lines;
	buf_init(&lines, memory, memory == NULL ? 0 : OUTPUT_EVENT_BYTES);
	enum err err = ERR_NO_MEMORY;
	if (memory != NULL)
		err = segments_read(&output->segments, &follower->run, follower->offset,
				    follower->is_tail, &lines, &read, &problem);
	if (err != ERR_OK) {
		buf_clear(&lines);
		wire_put_array(&lines, 0);
		read = (struct segments_read){
			.offset = follower->offset, .is_end = true, .is_final = true};
		if (err != ERR_NOT_FOUND && err != ERR_NO_MEMORY)
			log_line(LOG_LEVEL_WARN, "output: %s", problem.text);
	}
	struct event event = {
		.type = EVENT_OUTPUT,
		.bytes = buf_slice(&lines),
		.output =
			{
				.ticket = follower->ticket,
				.offset = read.offset,
				.end = {.is_end = read.is_end, .is_final = read.is_final},
				.err = err,
			},
	};
	follower->offset = read.offset;
	follower->is_tail = false;
	/* Nothing would wake one whose file could not be watched: it is looked at again, until it can. */
	follower->is_due = !read.is_end || (follower->is_follow && !follower->is_watched);
	bool is_last = !follower->is_follow || read.is_final;
	/* A follower without a line to tell, and more to come: no news. */
	bool is_news = is_last || has_lines(buf_slice(&lines));
	if (is_last)
		forget(follower);
	if (is_news)
		output->host->step(output->host->context, &event);
	mem_free(memory);
}

static void tell_refused(struct output *output)
{
	uint32_t count = output->refused_count;
	uint64_t tickets[OUTPUT_PENDING_MAX];
	memcpy(tickets, output->refused, count * sizeof(tickets[0]));
	output->refused_count = 0;
	static const uint8_t no_lines = 0x90;
	for (uint32_t i = 0; i < count; i++) {
		struct event event = {.type = EVENT_OUTPUT, .bytes = slice_of(&no_lines, 1)};
		event.output.ticket = tickets[i];
		event.output.end.is_end = true;
		event.output.end.is_final = true;
		event.output.err = ERR_FULL;
		output->host->step(output->host->context, &event);
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct output *output = timer->data;
	tell_refused(output);
	bool is_any_due = false;
	for (uint32_t i = 0; i < OUTPUT_PENDING_MAX; i++) {
		struct output_follower *follower = &output->followers[i];
		if (follower->is_used && follower->is_due)
			read_one(follower);
		is_any_due = is_any_due || (follower->is_used && follower->is_due);
	}
	if (is_any_due)
		wake(output, OUTPUT_FOLLOW_PAUSE_MS);
}

enum err output_open(struct output *output, struct host *host, struct watch *watch,
		     const char *directory, struct problem *problem)
{
	*output = (struct output){.host = host, .watch = watch};
	enum err err = segments_init(&output->segments, directory, problem);
	if (err != ERR_OK)
		return err;
	int code = uv_timer_init(host->uv, &output->timer);
	assert(code == 0);
	output->timer.data = output;
	output->is_open = true;
	return ERR_OK;
}

void output_read(struct output *output, uint64_t ticket, const struct run_key *run, uint64_t offset,
		 bool is_tail, bool is_follow)
{
	struct output_follower *free_place = NULL;
	for (uint32_t i = 0; i < OUTPUT_PENDING_MAX; i++) {
		struct output_follower *follower = &output->followers[i];
		/* Reading on with the same ticket. */
		if (follower->is_used && follower->ticket == ticket)
			forget(follower);
		if (!follower->is_used && free_place == NULL)
			free_place = follower;
	}
	if (free_place == NULL) {
		if (output->refused_count < OUTPUT_PENDING_MAX)
			output->refused[output->refused_count++] = ticket;
		else
			log_line(LOG_LEVEL_WARN, "output: too many reads at a time, one is dropped");
		wake(output, 0);
		return;
	}
	/* Over its limit a follower still gets what is there, and asks again. */
	bool may_follow = is_follow && output->follow_count < OUTPUT_FOLLOWERS_MAX;
	*free_place = (struct output_follower){
		.is_used = true,
		.is_follow = may_follow,
		.is_due = true,
		.is_tail = is_tail,
		.output = output,
		.ticket = ticket,
		.offset = offset,
		.run = *run,
	};
	if (may_follow)
		output->follow_count++;
	wake(output, 0);
}

void output_stop(struct output *output, uint64_t ticket)
{
	for (uint32_t i = 0; i < OUTPUT_PENDING_MAX; i++) {
		if (output->followers[i].is_used && output->followers[i].ticket == ticket)
			forget(&output->followers[i]);
	}
}

void output_drop(struct output *output, const struct run_key *run)
{
	struct problem problem;
	if (segments_drop(&output->segments, run, &problem) != ERR_OK)
		log_line(LOG_LEVEL_WARN, "output: %s", problem.text);
}

void output_close(struct output *output)
{
	if (!output->is_open)
		return;
	output->is_open = false;
	for (uint32_t i = 0; i < OUTPUT_PENDING_MAX; i++) {
		if (output->followers[i].is_used)
			forget(&output->followers[i]);
	}
	uv_close((uv_handle_t *)&output->timer, NULL);
}
