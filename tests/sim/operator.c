/* People at random agents. */
#include "tests/sim/operator.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/definition_build.h"
#include "proto/hash.h"
#include "proto/wire.h"
#include "tests/sim/checker.h"

#define JOBS_MAX 96u
#define ASKED_MAX 256u
#define FIRST_US (2 * SIM_SECOND_US)
#define PUTS_OVER_US (18 * SIM_SECOND_US)
#define REPEAT_US (12 * SIM_SECOND_US) /* without an answer: the same request, with the same id, at another agent */

struct asked {
	bool is_used;
	uint64_t client;
	uint32_t host;
	enum operator_verb verb;
	uint32_t job;
	uint64_t request; /* its id */
	uint32_t repeat_count;
	int64_t at_us;
};

struct operator {
	struct prng prng;
	struct operator_job jobs[JOBS_MAX];
	uint32_t job_count;
	struct asked asked[ASKED_MAX];
	uint64_t client;
	uint64_t request;
	int64_t pace_us;
};

static const char *const verb_words[] = {
	[OPERATOR_PUT] = "job.put",       [OPERATOR_EDIT] = "job.put",  [OPERATOR_PAUSE] = "job.pause",
	[OPERATOR_RESUME] = "job.resume", [OPERATOR_REMOVE] = "job.rm", [OPERATOR_RUN] = "run",
};

uint32_t operator_job_count(const struct world *world)
{
	return world->operator->job_count;
}

const struct operator_job *operator_job_at(const struct world *world, uint32_t index)
{
	return &world->operator->jobs[index];
}

const struct operator_job *operator_job_find(const struct world *world, struct id128 id)
{
	for (uint32_t i = 0; i < world->operator->job_count; i++)
		if (id128_equal(world->operator->jobs[i].id, id))
			return &world->operator->jobs[i];
	return NULL;
}

/* ---- definitions ---- */

static void set_text(struct buf *definition, enum definition_key_id id, const char *text)
{
	struct problem problem;
	if (definition_set_text(definition, id, slice_str(text), &problem) != ERR_OK) {
		fprintf(stderr, "schedsim: %s\n", problem.text);
		abort();
	}
}

/* `version` 0: as first put; others differ in their description, some in their schedule. */
static void make_definition(struct operator *operator, struct operator_job *job, uint32_t version, struct buf *out)
{
	char text[64];
	struct prng drawn;
	prng_init(&drawn, load_u64(job->id.bytes));
	definition_begin(out);
	set_text(out, DEFINITION_KEY_JOB, job->name);
	(void)snprintf(text, sizeof(text), "version %u", version);
	set_text(out, DEFINITION_KEY_DESCRIPTION, text);
	uint64_t kind = prng_below(&drawn, 10);
	if (operator->job_count > 30) {
		(void)snprintf(text, sizeof(text), "%ds", 5 + (int)prng_below(&drawn, 20));
		set_text(out, DEFINITION_KEY_EVERY, text);
	} else if (kind < 5) {
		(void)snprintf(text, sizeof(text), "%ds", 1 + (int)prng_below(&drawn, 5) + (int)version % 2);
		set_text(out, DEFINITION_KEY_EVERY, text);
	} else if (kind < 7) {
		set_text(out, DEFINITION_KEY_CRON, "*/2 * * * * *");
		set_text(out, DEFINITION_KEY_OFTEN, "true");
	} else if (kind < 9) {
		set_text(out, DEFINITION_KEY_CRON, "* * * * *");
	} else {
		set_text(out, DEFINITION_KEY_CRON, "@manual");
	}
	struct slice words[] = {slice_str("true")};
	struct problem problem;
	if (definition_set_list(out, DEFINITION_KEY_COMMAND, 1, words, &problem) != ERR_OK)
		abort();
	static const char *const misfires[] = {"once", "skip", "all"};
	set_text(out, DEFINITION_KEY_MISFIRE, misfires[prng_below(&drawn, 3)]);
	job->allows_overlap = prng_below(&drawn, 4) == 0;
	set_text(out, DEFINITION_KEY_OVERLAP, job->allows_overlap ? "allow" : "forbid");
	if (prng_below(&drawn, 2) == 0) {
		(void)snprintf(text, sizeof(text), "%ds", 5 + (int)prng_below(&drawn, 50));
		set_text(out, DEFINITION_KEY_START_DEADLINE, text);
	}
	assert(!out->has_overflowed);
}

/* ---- asking ---- */

static void put_arguments(struct world *world, const struct asked *asked, struct buf *body)
{
	struct operator *operator = world->operator;
	struct operator_job *job = &operator->jobs[asked->job];
	char id[32];
	(void)snprintf(id, sizeof(id), "op-%llu", (unsigned long long)asked->request);
	struct wire_map map = wire_map_begin(body);
	if (asked->verb == OPERATOR_PUT || asked->verb == OPERATOR_EDIT) {
		uint8_t memory[DEFINITION_BUILD_BYTES];
		struct buf definition;
		buf_init(&definition, memory, sizeof(memory));
		make_definition(operator, job, asked->verb == OPERATOR_PUT ? 0 : (uint32_t)asked->request, &definition);
		wire_map_key(&map, body, "definition");
		wire_put_bin(body, definition.data, definition.bytes);
		wire_map_text(&map, body, "mode", asked->verb == OPERATOR_PUT ? "create" : "replace");
	} else {
		wire_map_text(&map, body, "name", job->name);
	}
	if (asked->verb == OPERATOR_REMOVE)
		wire_map_bool(&map, body, "let_finish", true);
	wire_map_text(&map, body, "id", id);
	wire_map_end(&map, body);
}

static void ask(struct world *world, struct asked *asked)
{
	struct operator *operator = world->operator;
	uint32_t host = (uint32_t)prng_below(&operator->prng, world->host_count);
	asked->host = host;
	asked->client = ++operator->client;
	asked->at_us = world->now_us;
	if (!world->hosts[host].is_up)
		return; /* nobody answers the socket: tried again later */
	uint8_t memory[DEFINITION_BUILD_BYTES];
	struct buf frame;
	buf_init(&frame, memory, sizeof(memory));
	wire_put_array(&frame, 4);
	wire_put_u64(&frame, 1);
	wire_put_u64(&frame, asked->request);
	wire_put_text(&frame, verb_words[asked->verb]);
	put_arguments(world, asked, &frame);
	assert(!frame.has_overflowed);
	world_trace(world, "%s  asked %s %s op-%llu", world->hosts[host].name, verb_words[asked->verb],
		    operator->jobs[asked->job].name, (unsigned long long)asked->request);
	struct sim_event *event = world_push(world, world->now_us + 200, world_deliver, host, world->hosts[host].life,
					     buf_slice(&frame));
	event->event.type = EVENT_REQUEST;
	event->event.request.client = asked->client;
	event->event.request.uid = 1000;
	event->event.request.user = "ops";
}

static void begin(struct world *world, enum operator_verb verb, uint32_t job)
{
	struct operator *operator = world->operator;
	for (uint32_t i = 0; i < ASKED_MAX; i++) {
		struct asked *asked = &operator->asked[i];
		if (asked->is_used)
			continue;
		*asked = (struct asked){.is_used = true, .verb = verb, .job = job, .request = ++operator->request};
		ask(world, asked);
		return;
	}
}

/* ---- answers ---- */

static struct asked *find_asked(struct operator *operator, uint64_t client)
{
	for (uint32_t i = 0; i < ASKED_MAX; i++)
		if (operator->asked[i].is_used && operator->asked[i].client == client)
			return &operator->asked[i];
	return NULL;
}

void operator_on_reply(struct world *world, struct host *host, uint64_t client, struct slice bytes)
{
	struct asked *asked = find_asked(world->operator, client);
	struct wire_reader reader;
	wire_reader_init(&reader, bytes);
	(void)wire_get_array_min(&reader, 4);
	uint64_t version = wire_get_u64(&reader);
	(void)wire_get_u64(&reader);
	uint64_t kind = wire_get_u64(&reader);
	struct slice body = wire_get_raw(&reader);
	if (reader.err != ERR_OK || version != 1) {
		world_fail(world, "API", "%s: an answer that can not be read", host->name);
		return;
	}
	if (asked == NULL || kind == 0 || kind == 3)
		return;
	const struct operator_job *job = &world->operator->jobs[asked->job];
	struct slice message = wire_map_find_str(body, "message");
	world_trace(world, "%s  answered %s %s op-%llu: %s %.*s", host->name, verb_words[asked->verb], job->name,
		    (unsigned long long)asked->request, kind == 1 ? "done" : "error", (int)message.bytes,
		    (const char *)message.data);
	if (kind == 1) {
		checker_on_answer(world, host, asked->verb, job, body);
		asked->is_used = false;
		return;
	}
	struct slice code = wire_map_find_str(body, "code");
	bool may_be_undecided = slice_equal(code, slice_str("no_majority")) || slice_equal(code, slice_str("timeout")) ||
				slice_equal(code, slice_str("closed"));
	bool is_lost = asked->verb == OPERATOR_PUT || may_be_undecided;
	if (slice_equal(code, slice_str("exists")) || !is_lost)
		asked->is_used = false;
}

void operator_on_agent_gone(struct world *world, struct host *host)
{
	(void)world;
	(void)host; /* what was asked there is asked again when it has had no answer for long */
}

/* ---- what people do ---- */

static void repeat_unanswered(struct world *world)
{
	struct operator *operator = world->operator;
	for (uint32_t i = 0; i < ASKED_MAX; i++) {
		struct asked *asked = &operator->asked[i];
		if (!asked->is_used || world->now_us - asked->at_us < REPEAT_US)
			continue;
		if (asked->verb != OPERATOR_PUT && ++asked->repeat_count > 2)
			asked->is_used = false;
		else
			ask(world, asked);
	}
}

static void change_something(struct world *world)
{
	struct operator *operator = world->operator;
	uint32_t job = (uint32_t)prng_below(&operator->prng, operator->job_count);
	if (!operator->jobs[job].is_asked)
		return;
	uint64_t what = prng_below(&operator->prng, 10);
	if (what < 3 || operator->jobs[job].is_stable)
		begin(world, OPERATOR_RUN, job);
	else if (what < 5)
		begin(world, OPERATOR_PAUSE, job);
	else if (what < 7)
		begin(world, OPERATOR_RESUME, job);
	else if (what < 9)
		begin(world, OPERATOR_EDIT, job);
	else
		begin(world, OPERATOR_REMOVE, job);
}

static void on_tick(struct world *world, struct sim_event *event)
{
	(void)event;
	struct operator *operator = world->operator;
	repeat_unanswered(world);
	if (world->now_us < world->operators_end_us) {
		change_something(world);
	}
	(void)world_push(world, world->now_us + draw_between(&operator->prng, 50000, operator->pace_us), on_tick, 0, 0,
			 slice_of(NULL, 0));
}

static void on_put(struct world *world, struct sim_event *event)
{
	uint32_t job = (uint32_t)event->argument[0];
	world->operator->jobs[job].is_asked = true;
	begin(world, OPERATOR_PUT, job);
}

void operator_open(struct world *world)
{
	struct operator *operator = calloc(1, sizeof(*operator));
	if (operator == NULL)
		abort();
	world->operator = operator;
	prng_init(&operator->prng, world->options.seed * 7 + 4);
	uint64_t size = prng_below(&operator->prng, 100);
	if (size < 75)
		operator->job_count = 2 + (uint32_t)prng_below(&operator->prng, 6);
	else if (size < 93)
		operator->job_count = 8 + (uint32_t)prng_below(&operator->prng, 10);
	else
		operator->job_count = 60 + (uint32_t)prng_below(&operator->prng, 30);
	operator->pace_us = draw_between(&operator->prng, 1, 10) * SIM_SECOND_US;
	for (uint32_t i = 0; i < operator->job_count; i++) {
		struct operator_job *job = &operator->jobs[i];
		(void)snprintf(job->name, sizeof(job->name), "sim/j%llu-%u", (unsigned long long)world->options.seed, i);
		job->id = hash_id(slice_str(job->name));
		job->is_stable = draw_chance(&operator->prng, 500);
		struct buf definition;
		uint8_t memory[DEFINITION_BUILD_BYTES];
		buf_init(&definition, memory, sizeof(memory));
		make_definition(operator, job, 0, &definition);
		assert(definition.bytes <= sizeof(job->definition));
		memcpy(job->definition, definition.data, definition.bytes);
		job->definition_bytes = definition.bytes;
		struct sim_event *event = world_push(world, draw_between(&operator->prng, FIRST_US, PUTS_OVER_US), on_put,
						     0, 0, slice_of(NULL, 0));
		event->argument[0] = i;
	}
	(void)world_push(world, PUTS_OVER_US, on_tick, 0, 0, slice_of(NULL, 0));
}

void operator_close(struct world *world)
{
	free(world->operator);
}
