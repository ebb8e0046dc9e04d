/* A small deterministic world of up to 30 nodes: lossy datagrams, streams, kills with and without a refusing kernel,
 * pauses and partitions, on a virtual clock and from a seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/core/prng.h"
#include "agent/core/swim.h"
#include "agent/core/swim_internal.h"
#include "proto/gossip.h"

#define NODES_MAX 32u
#define PACKETS_MAX 8192u
#define STORE_ROWS_MAX 64u
#define SECOND INT64_C(1000000)
#define UTC_START_MS INT64_C(1700000000000)

struct store_row {
	uint8_t key[16];
	uint8_t value[512];
	size_t bytes; /* 0: free */
};

struct store {
	struct store_row rows[STORE_ROWS_MAX];
	uint32_t put_count;
};

enum life { LIFE_NONE, LIFE_UP, LIFE_REFUSING, LIFE_SILENT };

struct host {
	enum life life;
	struct node_config config;
	struct store store;
	struct store_view view;
	struct swim *swim;
	int64_t paused_until_us;
	int64_t clock_offset_ms;
	uint32_t refused_by; /* host + 1: a firewall between the two answers with a refusal */
	uint32_t side;       /* hosts of different sides do not hear each other */
	bool has_exited;
	bool is_joined;
	bool is_rolled_back;
	char refused[512];
	uint32_t ever_failed_count; /* verdicts seen at this host */
	uint64_t sent_count;
	uint64_t sent_bytes;
	uint64_t step_count;
};

struct packet {
	int64_t at_us;
	uint64_t number; /* order among equals */
	uint32_t to;
	struct event event;
	uint8_t *bytes;
};

struct world {
	struct host hosts[NODES_MAX];
	struct packet packets[PACKETS_MAX];
	uint32_t packet_count;
	uint64_t number;
	int64_t now_us;
	struct prng prng;
	uint32_t loss_percent;
	struct effects effects;
};

static struct world *world;

/* ---- store ---- */

static enum err store_next(void *context, enum store_table table, struct slice key,
			   struct buf *ret_key, struct buf *ret_value)
{
	struct store *store = context;
	(void)table;
	uint8_t after[16];
	size_t after_bytes = key.bytes;
	if (after_bytes > 0)
		memcpy(after, key.data, 16);
	const struct store_row *best = NULL;
	for (uint32_t i = 0; i < STORE_ROWS_MAX; i++) {
		const struct store_row *row = &store->rows[i];
		if (row->bytes == 0 || (after_bytes > 0 && memcmp(row->key, after, 16) <= 0))
			continue;
		if (best == NULL || memcmp(row->key, best->key, 16) < 0)
			best = row;
	}
	buf_clear(ret_key);
	buf_clear(ret_value);
	if (best == NULL)
		return ERR_NOT_FOUND;
	buf_put(ret_key, best->key, 16);
	buf_put(ret_value, best->value, best->bytes);
	return ERR_OK;
}

static void store_put(void *context, enum store_table table, struct slice key, struct slice value)
{
	struct store *store = context;
	assert_int_equal(table, TABLE_MEMBERS);
	assert_int_equal(key.bytes, 16);
	assert_true(value.bytes <= sizeof(store->rows[0].value));
	struct store_row *place = NULL;
	for (uint32_t i = 0; i < STORE_ROWS_MAX; i++) {
		if (store->rows[i].bytes > 0 && memcmp(store->rows[i].key, key.data, 16) == 0) {
			place = &store->rows[i];
			break;
		}
		if (store->rows[i].bytes == 0 && place == NULL)
			place = &store->rows[i];
	}
	assert_non_null(place);
	memcpy(place->key, key.data, 16);
	memcpy(place->value, value.data, value.bytes);
	place->bytes = value.bytes;
	store->put_count++;
}

static void store_remove(void *context, enum store_table table, struct slice key)
{
	struct store *store = context;
	(void)table;
	for (uint32_t i = 0; i < STORE_ROWS_MAX; i++)
		if (store->rows[i].bytes > 0 && memcmp(store->rows[i].key, key.data, 16) == 0)
			store->rows[i].bytes = 0;
}

/* ---- the world ---- */

static struct clocks clocks_of(const struct host *host)
{
	return (struct clocks){.utc_ms = UTC_START_MS + world->now_us / 1000 + host->clock_offset_ms,
			       .mono_us = world->now_us};
}

static int host_at(const struct address *address)
{
	for (uint32_t i = 0; i < NODES_MAX; i++)
		if (world->hosts[i].life != LIFE_NONE &&
		    address_equal(&world->hosts[i].config.address, address))
			return (int)i;
	return -1;
}

static void send_event(uint32_t to, int64_t delay_us, const struct event *event, struct slice bytes)
{
	assert_true(world->packet_count < PACKETS_MAX);
	struct packet *packet = &world->packets[world->packet_count++];
	*packet = (struct packet){
		.at_us = world->now_us + delay_us, .number = world->number++, .to = to, .event = *event};
	packet->bytes = malloc(bytes.bytes + 1);
	memcpy(packet->bytes, bytes.bytes > 0 ? bytes.data : (const uint8_t *)"", bytes.bytes);
	packet->event.bytes = slice_of(packet->bytes, bytes.bytes);
}

static int64_t delay(void)
{
	return 200 + (int64_t)prng_below(&world->prng, 300);
}

static void route_datagram(uint32_t from, const struct effect *effect)
{
	struct host *sender = &world->hosts[from];
	sender->sent_count++;
	sender->sent_bytes += effect->bytes.bytes;
	int to = host_at(&effect->datagram.to);
	if (to < 0 || world->hosts[to].side != sender->side || world->hosts[to].life == LIFE_SILENT)
		return;
	if (prng_below(&world->prng, 100) < world->loss_percent)
		return;
	struct event event = {.type = EVENT_DATAGRAM};
	if (world->hosts[to].life == LIFE_REFUSING || sender->refused_by == (uint32_t)to + 1) {
		event.datagram.from = effect->datagram.to;
		event.datagram.is_refused = true;
		send_event(from, delay(), &event, slice_of(NULL, 0));
		return;
	}
	event.datagram.sender_short = id128_short(sender->config.id);
	event.datagram.boot = sender->config.boot;
	event.datagram.from = sender->config.address;
	send_event((uint32_t)to, delay(), &event, effect->bytes);
}

/* A connection's number tells who dialled whom. */
static void route_stream(uint32_t from, const struct effect *effect)
{
	struct host *sender = &world->hosts[from];
	struct event event = {.type = EVENT_STREAM};
	int to;
	if (effect->stream.connection != 0) {
		uint64_t other = effect->stream.connection / 1000 == from + 1
					 ? effect->stream.connection % 1000
					 : effect->stream.connection / 1000;
		to = other <= NODES_MAX && world->hosts[other - 1].life != LIFE_NONE ? (int)other - 1
										     : -1;
		event.stream.connection = effect->stream.connection;
	} else {
		to = host_at(&effect->stream.address);
		event.stream.connection = (from + 1) * 1000 + (uint64_t)(to + 1);
	}
	if (to < 0 || world->hosts[to].side != sender->side || world->hosts[to].life == LIFE_SILENT)
		return;
	if (world->hosts[to].life == LIFE_REFUSING) {
		event.type = EVENT_STREAM_DOWN;
		event.stream.node = effect->stream.node;
		event.stream.from = world->hosts[to].config.address;
		event.stream.is_refused = true;
		send_event(from, delay(), &event, slice_of(NULL, 0));
		return;
	}
	event.stream.node = sender->config.id;
	event.stream.boot = sender->config.boot;
	event.stream.from = sender->config.address;
	send_event((uint32_t)to, delay(), &event, effect->bytes);
}

static void drain(uint32_t index)
{
	struct host *host = &world->hosts[index];
	for (uint32_t i = 0; i < world->effects.count; i++) {
		const struct effect *effect = &world->effects.items[i];
		if (effect->type == EFFECT_DATAGRAM)
			route_datagram(index, effect);
		else if (effect->type == EFFECT_STREAM)
			route_stream(index, effect);
		else if (effect->type == EFFECT_EXIT)
			host->has_exited = true;
		else if (effect->type == EFFECT_TRACE && getenv("SWIM_TRACE") != NULL)
			fprintf(stderr, "%8.3f %s %.*s\n", (double)world->now_us / 1e6,
				host->config.name, (int)effect->bytes.bytes,
				(const char *)effect->bytes.data);
	}
	struct swim_change change;
	while (swim_next_change(host->swim, &change)) {
		if (change.type == SWIM_CHANGE_JOINED)
			host->is_joined = true;
		if (change.type == SWIM_CHANGE_ROLLED_BACK)
			host->is_rolled_back = true;
		if (change.type == SWIM_CHANGE_REFUSED)
			(void)snprintf(host->refused, sizeof(host->refused), "%s", change.text);
		if (change.type == SWIM_CHANGE_MEMBER &&
		    swim_member_find(host->swim, change.id)->rank == MEMBER_DEAD)
			host->ever_failed_count++;
	}
	if (host->has_exited)
		host->life = LIFE_REFUSING;
}

static void deliver(struct packet *packet)
{
	struct host *host = &world->hosts[packet->to];
	if (host->life != LIFE_UP)
		return;
	packet->event.now = clocks_of(host);
	effects_clear(&world->effects);
	host->step_count++;
	if (packet->event.type == EVENT_DATAGRAM)
		swim_on_datagram(host->swim, &packet->event, &world->effects);
	else if (packet->event.type == EVENT_STREAM)
		assert_true(swim_on_stream(host->swim, &packet->event, &world->effects));
	else
		swim_on_stream_down(host->swim, &packet->event, &world->effects);
	/* As node_step does: what is due is done with whatever event comes. */
	if (swim_next_deadline_us(host->swim) <= world->now_us)
		swim_on_deadline(host->swim, clocks_of(host), &world->effects);
	drain(packet->to);
}

/* A paused host's packets wait in its socket; its deadline comes after them. */
static int64_t deadline_of(const struct host *host)
{
	int64_t due_us = swim_next_deadline_us(host->swim);
	if (due_us == NODE_DEADLINE_NONE)
		return due_us;
	return due_us < host->paused_until_us ? host->paused_until_us + 1 : due_us;
}

static bool step(int64_t end_us)
{
	int64_t best_us = INT64_MAX;
	uint32_t best_packet = UINT32_MAX;
	uint32_t best_host = UINT32_MAX;
	for (uint32_t i = 0; i < world->packet_count; i++) {
		struct packet *packet = &world->packets[i];
		int64_t until_us = world->hosts[packet->to].paused_until_us;
		if (packet->at_us < until_us)
			packet->at_us = until_us;
		if (packet->at_us < best_us || (packet->at_us == best_us && best_packet != UINT32_MAX &&
						packet->number < world->packets[best_packet].number)) {
			best_us = packet->at_us;
			best_packet = i;
		}
	}
	for (uint32_t i = 0; i < NODES_MAX; i++) {
		if (world->hosts[i].life == LIFE_UP && deadline_of(&world->hosts[i]) < best_us) {
			best_us = deadline_of(&world->hosts[i]);
			best_host = i;
		}
	}
	if (best_us > end_us)
		return false;
	if (best_us > world->now_us)
		world->now_us = best_us;
	if (best_host != UINT32_MAX) {
		struct host *host = &world->hosts[best_host];
		effects_clear(&world->effects);
		host->step_count++;
		swim_on_deadline(host->swim, clocks_of(host), &world->effects);
		drain(best_host);
		return true;
	}
	struct packet packet = world->packets[best_packet];
	world->packets[best_packet] = world->packets[--world->packet_count];
	deliver(&packet);
	free(packet.bytes);
	return true;
}

static void run_until(int64_t end_us)
{
	while (step(end_us)) {
	}
	world->now_us = end_us;
}

static void run_for(double seconds)
{
	run_until(world->now_us + (int64_t)(seconds * 1e6));
}

static struct address address_of(uint32_t index)
{
	return (struct address){.family = 4, .ip = {127, 0, 0, (uint8_t)(index + 1)}, .port = 7000};
}

static struct id128 id_of(uint32_t number)
{
	struct prng prng;
	struct id128 id;
	prng_init(&prng, 1000 + number);
	for (int i = 0; i < 16; i++)
		id.bytes[i] = (uint8_t)prng_next(&prng);
	return id;
}

static struct host *host_prepare(uint32_t index, uint32_t seed_index)
{
	struct host *host = &world->hosts[index];
	host->config = (struct node_config){
		.id = id_of(index),
		.boot = (uint64_t)UTC_START_MS,
		.address = address_of(index),
		.prng_seed = 77 + index + prng_below(&world->prng, 1000000) * 100,
		.version = "0.1.0",
		.zone_version = "2025b",
	};
	(void)snprintf(host->config.name, sizeof(host->config.name), "n%u", index);
	if (index == seed_index) {
		host->config.cluster = id_of(999);
	} else {
		host->config.seeds[0] = address_of(seed_index);
		host->config.seed_count = 1;
	}
	host->view = (struct store_view){
		.context = &host->store, .next = store_next, .put = store_put, .remove = store_remove};
	return host;
}

static void host_start(uint32_t index)
{
	struct host *host = &world->hosts[index];
	free(host->swim);
	host->swim = swim_init(calloc(1, swim_bytes()), &host->config, &host->view);
	host->life = LIFE_UP;
	host->has_exited = false;
	host->is_joined = false;
	host->refused[0] = '\0';
	effects_clear(&world->effects);
	swim_start(host->swim, clocks_of(host), &world->effects);
	drain(index);
}

static void host_restart(uint32_t index)
{
	struct host *host = &world->hosts[index];
	host->config.boot_before = host->config.boot;
	host->config.boot++;
	if (!id128_is_zero(swim_cluster(host->swim)))
		host->config.cluster = swim_cluster(host->swim);
	host_start(index);
}

static void hosts_start(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		(void)host_prepare(i, 0);
		host_start(i);
	}
}

static enum member_rank rank_at(uint32_t observer, uint32_t subject)
{
	const struct member *member = swim_member_find(world->hosts[observer].swim, id_of(subject));
	assert_non_null(member);
	return member->rank;
}

static bool all_see(uint32_t count, uint32_t subject, enum member_rank rank)
{
	for (uint32_t i = 0; i < count; i++) {
		if (i == subject || world->hosts[i].life != LIFE_UP)
			continue;
		const struct member *member = swim_member_find(world->hosts[i].swim, id_of(subject));
		if (member == NULL || member->rank != rank)
			return false;
	}
	return true;
}

static bool all_see_all(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (!all_see(count, i, MEMBER_ALIVE))
			return false;
	return true;
}

/* Seconds until the last observer sees the rank; fails the test after `limit`. */
static double seconds_until(uint32_t count, uint32_t subject, enum member_rank rank, double limit)
{
	int64_t start_us = world->now_us;
	while (!all_see(count, subject, rank)) {
		run_for(0.02);
		if ((double)(world->now_us - start_us) / 1e6 > limit)
			fail_msg("not seen as rank %d within %.1f s", (int)rank, limit);
	}
	return (double)(world->now_us - start_us) / 1e6;
}

static uint32_t verdict_count(uint32_t count)
{
	uint32_t sum = 0;
	for (uint32_t i = 0; i < count; i++)
		sum += world->hosts[i].ever_failed_count;
	return sum;
}

static void world_reset(uint64_t seed)
{
	for (uint32_t i = 0; i < NODES_MAX; i++)
		free(world->hosts[i].swim);
	for (uint32_t i = 0; i < world->packet_count; i++)
		free(world->packets[i].bytes);
	struct effects effects = world->effects;
	memset(world, 0, sizeof(*world));
	world->effects = effects;
	world->now_us = 5 * SECOND;
	prng_init(&world->prng, seed);
}

static int setup(void **state)
{
	(void)state;
	world_reset(1);
	return 0;
}

/* ---- cases ---- */

static void test_two_nodes_see_each_other(void **state)
{
	(void)state;
	hosts_start(2);
	run_for(0.5);
	assert_true(all_see_all(2));
	assert_true(world->hosts[1].is_joined);
	assert_true(id128_equal(swim_cluster(world->hosts[1].swim), id_of(999)));
	assert_int_equal(swim_alive_count(world->hosts[0].swim), 2);
}

static void test_one_alone_waits_for_nothing(void **state)
{
	(void)state;
	hosts_start(1);
	assert_true(swim_next_deadline_us(world->hosts[0].swim) == NODE_DEADLINE_NONE);
	assert_int_equal(world->hosts[0].sent_count, 0);
}

static void test_thirty_nodes_all_see_all(void **state)
{
	(void)state;
	hosts_start(30);
	run_for(2);
	assert_true(all_see_all(30));
	run_for(20);
	assert_int_equal(verdict_count(30), 0);
}

static void test_three_nodes_idle_within_budget(void **state)
{
	(void)state;
	hosts_start(3);
	run_for(20);
	for (uint32_t i = 0; i < 3; i++) {
		world->hosts[i].sent_count = 0;
		world->hosts[i].sent_bytes = 0;
		world->hosts[i].step_count = 0;
	}
	run_for(60);
	for (uint32_t i = 0; i < 3; i++) {
		const struct host *host = &world->hosts[i];
		print_message("idle: %.2f packets/s %.0f payload bytes/s %.2f wake-ups/s\n",
			      (double)host->sent_count / 60, (double)host->sent_bytes / 60,
			      (double)host->step_count / 60);
		assert_true(host->sent_count <= 150);
		assert_true(host->step_count <= 240);
	}
}

static void kill_many(enum life life, uint32_t count, uint32_t loss_percent, double limit_seconds,
		      double *ret_worst, double *ret_mean)
{
	*ret_worst = 0;
	double sum = 0;
	const uint32_t trials = 20;
	for (uint32_t trial = 0; trial < trials; trial++) {
		world_reset(100 + trial);
		hosts_start(count);
		run_for(10 + (double)trial / 7);
		assert_true(all_see_all(count));
		world->loss_percent = loss_percent;
		world->hosts[1].life = life;
		double seconds = seconds_until(count, 1, MEMBER_DEAD, limit_seconds);
		sum += seconds;
		if (seconds > *ret_worst)
			*ret_worst = seconds;
		assert_int_equal(verdict_count(count), count - 1);
	}
	*ret_mean = sum / trials;
}

static void test_killed_agent_on_a_live_host_is_seen_soon(void **state)
{
	(void)state;
	double worst;
	double mean;
	kill_many(LIFE_REFUSING, 3, 0, 4, &worst, &mean);
	print_message("kill -9, n=3: mean %.2f s, worst %.2f s\n", mean, worst);
	assert_true(mean <= 2.3);
	assert_true(worst <= 3.2);
}

static void test_silent_host_is_seen_after_suspicion(void **state)
{
	(void)state;
	double worst;
	double mean;
	kill_many(LIFE_SILENT, 5, 0, 12, &worst, &mean);
	print_message("silent death, n=5: mean %.2f s, worst %.2f s\n", mean, worst);
	assert_true(mean >= 4);
	assert_true(worst <= 12);
}

static void test_restart_comes_back_with_its_new_boot(void **state)
{
	(void)state;
	hosts_start(3);
	run_for(15);
	world->hosts[1].life = LIFE_REFUSING;
	(void)seconds_until(3, 1, MEMBER_DEAD, 4);
	run_for(3);
	host_restart(1);
	double seconds = seconds_until(3, 1, MEMBER_ALIVE, 1);
	print_message("return: last observer after %.2f s\n", seconds);
	run_for(1);
	assert_true(all_see_all(3));
	assert_true(world->hosts[1].is_joined);
	assert_false(world->hosts[1].is_rolled_back);
	assert_true(swim_member_find(world->hosts[0].swim, id_of(1))->boot ==
		    world->hosts[1].config.boot);
}

static void test_leave_is_told_to_all(void **state)
{
	(void)state;
	hosts_start(5);
	run_for(5);
	struct host *host = &world->hosts[2];
	effects_clear(&world->effects);
	swim_leave(host->swim, clocks_of(host), false, &world->effects);
	drain(2);
	run_for(0.2);
	assert_true(host->has_exited);
	(void)seconds_until(5, 2, MEMBER_LEFT, 1);
	run_for(10);
	assert_int_equal(rank_at(0, 2), MEMBER_LEFT);
	assert_int_equal(verdict_count(5), 0);
}

/* ---- pauses, partitions, loss ---- */

static void test_pause_of_five_seconds_is_no_failure(void **state)
{
	(void)state;
	static const uint32_t counts[] = {2, 3, 4, 5, 10};
	for (uint32_t trial = 0; trial < 25; trial++) {
		world_reset(300 + trial);
		uint32_t count = counts[trial % 5];
		hosts_start(count);
		run_for(6 + (double)trial * 0.13);
		world->hosts[1].paused_until_us = world->now_us + 5 * SECOND;
		run_for(20);
		assert_int_equal(verdict_count(count), 0);
		assert_true(all_see_all(count));
	}
}

static void test_long_pause_is_a_failure_that_ends_with_it(void **state)
{
	(void)state;
	hosts_start(4);
	run_for(6);
	world->hosts[1].paused_until_us = world->now_us + 40 * SECOND;
	run_for(39);
	assert_true(all_see(4, 1, MEMBER_DEAD));
	/* It was the one that slept: the others did not fail. */
	assert_int_equal(world->hosts[1].ever_failed_count, 0);
	run_for(4);
	assert_true(all_see_all(4));
	assert_int_equal(world->hosts[1].ever_failed_count, 0);
}

static void test_partition_heals(void **state)
{
	(void)state;
	hosts_start(7);
	run_for(15);
	for (uint32_t i = 4; i < 7; i++)
		world->hosts[i].side = 1;
	run_for(40);
	for (uint32_t i = 0; i < 7; i++)
		assert_int_equal(swim_alive_count(world->hosts[i].swim), i < 4 ? 4 : 3);
	for (uint32_t i = 4; i < 7; i++)
		world->hosts[i].side = 0;
	int64_t start_us = world->now_us;
	while (!all_see_all(7) && world->now_us < start_us + 30 * SECOND)
		run_for(0.1);
	print_message("partition of 7 healed after %.1f s\n", (double)(world->now_us - start_us) / 1e6);
	assert_true(all_see_all(7));
}

static void test_one_alone_among_silence_gives_no_verdict(void **state)
{
	(void)state;
	hosts_start(5);
	run_for(6);
	world->hosts[0].side = 1;
	run_for(60);
	assert_true(swim_is_isolated(world->hosts[0].swim));
	assert_int_equal(world->hosts[0].ever_failed_count, 0);
	assert_true(all_see(5, 0, MEMBER_DEAD));
	world->hosts[0].side = 0;
	run_for(20);
	assert_true(all_see_all(5));
	assert_false(swim_is_isolated(world->hosts[0].swim));
}

static void test_loss_gives_no_false_verdict(void **state)
{
	(void)state;
	world->loss_percent = 10;
	hosts_start(12);
	run_for(120);
	assert_int_equal(verdict_count(12), 0);
	assert_true(all_see_all(12));
	world->loss_percent = 30;
	run_for(120);
	assert_int_equal(verdict_count(12), 0);
}

static void test_kill_under_loss_is_seen_soon(void **state)
{
	(void)state;
	double worst;
	double mean;
	kill_many(LIFE_REFUSING, 10, 10, 6, &worst, &mean);
	print_message("kill -9, n=10, 10 %% loss: mean %.2f s, worst %.2f s\n", mean, worst);
	assert_true(mean <= 2.5);
}

static void test_firewall_to_one_observer_kills_nobody(void **state)
{
	(void)state;
	hosts_start(5);
	run_for(6);
	world->hosts[0].refused_by = 1 + 1;
	run_for(60);
	assert_int_equal(verdict_count(5), 0);
	assert_true(all_see(5, 1, MEMBER_ALIVE));
}

/* ---- restarts ---- */

static void test_mass_restart_finds_together(void **state)
{
	(void)state;
	hosts_start(6);
	run_for(25);
	/* All but the first, in another order, the last one late; the restarted know each other from their stores. */
	for (uint32_t i = 1; i < 6; i++)
		world->hosts[i].life = LIFE_REFUSING;
	run_for(8);
	static const uint32_t order[] = {4, 2, 5, 1, 3};
	for (uint32_t i = 0; i < 5; i++) {
		world->hosts[order[i]].config.seed_count = 0;
		host_restart(order[i]);
		run_for(0.7);
	}
	run_for(5);
	assert_true(all_see_all(6));
	/* And all of them at once, the founder too. */
	for (uint32_t i = 0; i < 6; i++)
		world->hosts[i].life = LIFE_REFUSING;
	run_for(5);
	for (uint32_t i = 0; i < 6; i++)
		host_restart(i);
	run_for(5);
	assert_true(all_see_all(6));
}

static void test_snapshot_is_not_believed_before_it_is_confirmed(void **state)
{
	(void)state;
	hosts_start(3);
	run_for(25);
	assert_true(world->hosts[1].store.put_count > 0);
	for (uint32_t i = 0; i < 3; i++)
		world->hosts[i].life = LIFE_REFUSING;
	run_for(1);
	world->hosts[1].config.seed_count = 0;
	host_restart(1);
	assert_int_equal(swim_alive_count(world->hosts[1].swim), 1);
	assert_int_equal(rank_at(1, 0), MEMBER_SUSPECT);
	assert_int_equal(rank_at(1, 2), MEMBER_SUSPECT);
	run_for(6);
	assert_int_equal(rank_at(1, 0), MEMBER_DEAD);
	assert_int_equal(rank_at(1, 2), MEMBER_DEAD);
	/* The failed ones are kept over another restart. */
	run_for(20);
	world->hosts[1].life = LIFE_REFUSING;
	host_restart(1);
	assert_int_equal(rank_at(1, 0), MEMBER_DEAD);
	/* And are found when they return, whoever knocks first. */
	world->hosts[0].config.seed_count = 0;
	host_restart(0);
	run_for(5);
	assert_int_equal(rank_at(1, 0), MEMBER_ALIVE);
	assert_int_equal(rank_at(0, 1), MEMBER_ALIVE);
}

static void test_leave_for_a_restart_keeps_the_place(void **state)
{
	(void)state;
	hosts_start(4);
	run_for(6);
	struct host *host = &world->hosts[1];
	effects_clear(&world->effects);
	swim_leave(host->swim, clocks_of(host), true, &world->effects);
	drain(1);
	run_for(0.5);
	assert_true(host->has_exited);
	run_for(20);
	assert_true(all_see(4, 1, MEMBER_SUSPECT));
	host_restart(1);
	run_for(1);
	assert_true(all_see_all(4));
	assert_int_equal(verdict_count(4), 0);

	effects_clear(&world->effects);
	swim_leave(host->swim, clocks_of(host), true, &world->effects);
	drain(1);
	run_for(35);
	assert_true(all_see(4, 1, MEMBER_DEAD));
}

static void test_leave_ends_in_time_though_nobody_answers(void **state)
{
	(void)state;
	hosts_start(3);
	run_for(6);
	struct host *host = &world->hosts[1];
	host->side = 1;
	effects_clear(&world->effects);
	swim_leave(host->swim, clocks_of(host), false, &world->effects);
	drain(1);
	run_for(1.4);
	assert_false(host->has_exited);
	run_for(0.2);
	assert_true(host->has_exited);
}

static void test_rolled_back_store_is_told(void **state)
{
	(void)state;
	hosts_start(3);
	run_for(3);
	world->hosts[1].life = LIFE_REFUSING;
	run_for(5);
	/* Its disk remembers a boot before the last one. */
	world->hosts[1].config.boot += 5;
	world->hosts[1].config.boot_before = (uint64_t)UTC_START_MS - 7;
	host_start(1);
	run_for(1);
	assert_true(world->hosts[1].is_rolled_back);
	assert_true(all_see(3, 1, MEMBER_ALIVE));
}

/* ---- who may come in ---- */

static void test_taken_name_refuses_the_newcomer_only(void **state)
{
	(void)state;
	hosts_start(3);
	run_for(3);
	struct host *newcomer = host_prepare(3, 0);
	(void)snprintf(newcomer->config.name, sizeof(newcomer->config.name), "n1");
	host_start(3);
	run_for(2);
	assert_non_null(strstr(newcomer->refused, "name taken"));
	assert_non_null(strstr(newcomer->refused, "127.0.0.2:7000"));
	assert_true(all_see_all(3));
	assert_int_equal(swim_member_count(world->hosts[0].swim), 3);
	/* The founder's own name. */
	newcomer = host_prepare(4, 0);
	(void)snprintf(newcomer->config.name, sizeof(newcomer->config.name), "n0");
	host_start(4);
	run_for(1);
	assert_non_null(strstr(newcomer->refused, "name taken"));
}

static void test_wiped_store_takes_its_place_again(void **state)
{
	(void)state;
	hosts_start(3);
	run_for(3);
	struct host *host = &world->hosts[1];
	host->life = LIFE_REFUSING;
	memset(&host->store, 0, sizeof(host->store));
	host->config.id = id_of(40);
	host->config.boot++;
	host_start(1);
	run_for(2);
	assert_string_equal(host->refused, "");
	const struct member *member = swim_member_find(world->hosts[2].swim, id_of(40));
	assert_non_null(member);
	assert_int_equal(member->rank, MEMBER_ALIVE);
	assert_string_equal(member->name, "n1");
	assert_int_equal(rank_at(2, 1), MEMBER_DEAD);
	assert_ptr_equal(swim_member_find_name(world->hosts[2].swim, slice_str("n1")), member);
}

static void test_copied_directory_refuses_the_newcomer(void **state)
{
	(void)state;
	hosts_start(3);
	run_for(3);
	struct host *copy = host_prepare(3, 0);
	copy->config.id = id_of(1);
	copy->config.boot += 10;
	(void)snprintf(copy->config.name, sizeof(copy->config.name), "n1");
	host_start(3);
	run_for(2);
	assert_non_null(strstr(copy->refused, "duplicate node id"));
	assert_true(address_equal(&swim_member_find(world->hosts[0].swim, id_of(1))->address,
				  &world->hosts[1].config.address));
	assert_true(all_see_all(3));
}

static void test_member_that_moved_is_taken_at_its_new_address(void **state)
{
	(void)state;
	hosts_start(3);
	run_for(3);
	/* Its old place is silent, so only time tells that nobody answers there. */
	world->hosts[1].life = LIFE_SILENT;
	struct host *moved = host_prepare(3, 0);
	moved->config.id = id_of(1);
	moved->config.boot_before = moved->config.boot;
	moved->config.boot += 10;
	(void)snprintf(moved->config.name, sizeof(moved->config.name), "n1");
	host_start(3);
	run_for(2);
	assert_string_equal(moved->refused, "");
	for (uint32_t i = 0; i < 3; i += 2) {
		const struct member *member = swim_member_find(world->hosts[i].swim, id_of(1));
		assert_int_equal(member->rank, MEMBER_ALIVE);
		assert_true(address_equal(&member->address, &moved->config.address));
	}
}

static void test_other_cluster_and_wrong_clock_are_refused(void **state)
{
	(void)state;
	hosts_start(2);
	run_for(2);
	struct host *stranger = host_prepare(2, 0);
	stranger->config.cluster = id_of(500);
	host_start(2);
	struct host *late = host_prepare(3, 0);
	late->clock_offset_ms = -61000;
	host_start(3);
	struct host *fine = host_prepare(4, 0);
	fine->clock_offset_ms = 59000;
	host_start(4);
	run_for(2);
	assert_non_null(strstr(stranger->refused, "another cluster"));
	assert_non_null(strstr(late->refused, "61 s behind"));
	assert_string_equal(fine->refused, "");
	assert_int_equal(swim_alive_count(world->hosts[0].swim), 3);
}

static void test_seed_that_starts_late_is_found(void **state)
{
	(void)state;
	(void)host_prepare(0, 0);
	world->hosts[0].life = LIFE_REFUSING;
	(void)host_prepare(1, 0);
	host_start(1);
	run_for(200);
	assert_false(world->hosts[1].is_joined);
	host_start(0);
	run_for(45);
	assert_true(all_see_all(2));
}

static void test_dialling_oneself_is_no_fault(void **state)
{
	(void)state;
	hosts_start(1);
	struct host *host = host_prepare(1, 0);
	host->config.seeds[1] = host->config.address;
	host->config.seed_count = 2;
	host_start(1);
	run_for(3);
	assert_true(all_see_all(2));
	assert_string_equal(host->refused, "");
}

/* ---- what others claim ---- */

static void inject(uint32_t to, uint32_t from, const struct gossip_message *message)
{
	uint8_t bytes[DATAGRAM_PAYLOAD_BYTES_MAX];
	struct buf buf;
	buf_init(&buf, bytes, sizeof(bytes));
	gossip_message_put(&buf, message);
	assert_false(buf.has_overflowed);
	struct event event = {.type = EVENT_DATAGRAM};
	event.datagram.sender_short = id128_short(world->hosts[from].config.id);
	event.datagram.boot = world->hosts[from].config.boot;
	event.datagram.from = world->hosts[from].config.address;
	send_event(to, 1, &event, buf_slice(&buf));
}

static struct gossip_message claim_message(enum gossip_type type, uint32_t subject, uint64_t boot,
					   uint32_t incarnation)
{
	return (struct gossip_message){.type = type,
				       .claim = {.id = id_of(subject),
						 .boot = boot,
						 .incarnation = incarnation,
						 .from = id128_short(id_of(2))}};
}

static struct gossip_message alive_message(uint32_t subject, uint64_t boot, uint32_t incarnation)
{
	struct gossip_message message = {.type = GOSSIP_ALIVE};
	message.alive.id = id_of(subject);
	message.alive.boot = boot;
	message.alive.incarnation = incarnation;
	message.alive.address = address_of(subject);
	(void)snprintf(message.alive.name, sizeof(message.alive.name), "n%u", subject);
	return message;
}

static void test_late_alive_never_revives(void **state)
{
	(void)state;
	hosts_start(4);
	run_for(5);
	uint64_t boot = world->hosts[1].config.boot;
	world->hosts[1].life = LIFE_REFUSING;
	(void)seconds_until(4, 1, MEMBER_DEAD, 5);
	for (uint32_t i = 0; i < 3; i++) {
		struct gossip_message late = alive_message(1, boot - i, i == 0 ? 0 : 1000);
		inject(0, 2, &late);
	}
	run_for(5);
	assert_true(all_see(4, 1, MEMBER_DEAD));

	/* A member that was never met leaves a tombstone, too. */
	struct gossip_message dead = claim_message(GOSSIP_DEAD, 20, boot, 3);
	struct gossip_message late = alive_message(20, boot, 3);
	inject(0, 2, &dead);
	run_for(0.1);
	inject(0, 2, &late);
	run_for(2);
	assert_int_equal(rank_at(0, 20), MEMBER_DEAD);
	assert_int_equal(rank_at(3, 20), MEMBER_DEAD);
}

static void test_false_claims_are_refuted(void **state)
{
	(void)state;
	hosts_start(4);
	run_for(5);
	uint64_t boot = world->hosts[1].config.boot;
	struct gossip_message suspect = claim_message(GOSSIP_SUSPECT, 1, boot, 0);
	inject(0, 2, &suspect);
	run_for(1.5);
	assert_true(all_see_all(4));
	assert_int_equal(swim_member_find(world->hosts[3].swim, id_of(1))->incarnation, 1);
	struct gossip_message dead = claim_message(GOSSIP_DEAD, 1, boot, 7);
	inject(0, 2, &dead);
	run_for(12);
	assert_true(all_see_all(4));
	assert_int_equal(swim_member_find(world->hosts[3].swim, id_of(1))->incarnation, 8);
	/* A claim about an earlier boot needs no answer. */
	dead = claim_message(GOSSIP_DEAD, 1, boot - 1, 100);
	inject(1, 2, &dead);
	run_for(1);
	assert_int_equal(swim_member_find(world->hosts[1].swim, id_of(1))->incarnation, 8);
}

static void test_evicted_stays_out_whatever_its_boot(void **state)
{
	(void)state;
	hosts_start(4);
	run_for(5);
	struct gossip_message evict = claim_message(GOSSIP_EVICT, 1, world->hosts[1].config.boot, 0);
	inject(0, 2, &evict);
	run_for(3);
	assert_true(all_see(4, 1, MEMBER_EVICTED));
	assert_non_null(strstr(world->hosts[1].refused, "evicted"));
	world->hosts[1].life = LIFE_REFUSING;
	host_restart(1);
	run_for(5);
	assert_non_null(strstr(world->hosts[1].refused, "evicted"));
	assert_true(all_see(4, 1, MEMBER_EVICTED));
}

static void test_boot_from_the_far_future_is_refused(void **state)
{
	(void)state;
	hosts_start(3);
	run_for(3);
	struct gossip_message dead = claim_message(GOSSIP_DEAD, 1, UINT64_MAX, 0);
	inject(0, 2, &dead);
	struct gossip_message alive = alive_message(21, (uint64_t)UTC_START_MS + 2 * 86400000u, 0);
	inject(0, 2, &alive);
	run_for(2);
	assert_true(all_see_all(3));
	assert_null(swim_member_find(world->hosts[0].swim, id_of(21)));
}

static void test_last_incarnation_ends_the_member_not_the_order(void **state)
{
	(void)state;
	hosts_start(3);
	run_for(3);
	struct gossip_message suspect = claim_message(GOSSIP_SUSPECT, 1,
						      world->hosts[1].config.boot, UINT32_MAX);
	inject(1, 2, &suspect);
	run_for(0.1);
	assert_non_null(strstr(world->hosts[1].refused, "restart"));
}

static void test_other_agent_at_the_address_means_gone(void **state)
{
	(void)state;
	hosts_start(4);
	run_for(5);
	/* Another one now lives where n1 was, and nobody has told. */
	struct host *other = &world->hosts[1];
	other->config.id = id_of(41);
	other->config.seed_count = 0;
	other->config.cluster = (struct id128){{0}};
	memset(&other->store, 0, sizeof(other->store));
	host_start(1);
	(void)seconds_until(1, 1, MEMBER_DEAD, 4);
}

static void test_same_name_after_a_merge_is_a_conflict_of_the_younger(void **state)
{
	(void)state;
	hosts_start(3);
	run_for(3);
	struct gossip_message younger = alive_message(22, world->hosts[1].config.boot + 5, 0);
	(void)snprintf(younger.alive.name, sizeof(younger.alive.name), "n1");
	inject(0, 2, &younger);
	run_for(0.1);
	const struct swim *swim = world->hosts[0].swim;
	assert_true((swim_member_find(swim, id_of(22))->local_flags & MEMBER_FLAG_CONFLICT) != 0);
	assert_true((swim_member_find(swim, id_of(1))->local_flags & MEMBER_FLAG_CONFLICT) == 0);
}

static void test_meta_of_the_owner_reaches_all(void **state)
{
	(void)state;
	hosts_start(5);
	run_for(3);
	struct host *host = &world->hosts[2];
	struct member_meta meta = swim_member_at(host->swim, 0)->meta;
	meta.flags = MEMBER_FLAG_RUNNER_DOWN;
	meta.slots = 12;
	swim_set_meta(host->swim, clocks_of(host), &meta);
	swim_set_meta(host->swim, clocks_of(host), &meta);
	run_for(1.5);
	for (uint32_t i = 0; i < 5; i++) {
		const struct member *member = swim_member_find(world->hosts[i].swim, id_of(2));
		assert_int_equal(member->meta.flags, MEMBER_FLAG_RUNNER_DOWN);
		assert_int_equal(member->meta.slots, 12);
		assert_int_equal(member->incarnation, 1);
	}
}

static void test_clock_is_the_median(void **state)
{
	(void)state;
	static const int64_t offsets_ms[] = {0, 5000, 40, -20, 30};
	for (uint32_t i = 0; i < 5; i++) {
		(void)host_prepare(i, 0);
		world->hosts[i].clock_offset_ms = offsets_ms[i];
		host_start(i);
	}
	run_for(30);
	/* Sorted: -20 0 30 40 5000. */
	assert_in_range(swim_clock_offset_ms(world->hosts[0].swim) + 100, 128, 132);
	assert_in_range(swim_clock_offset_ms(world->hosts[1].swim) + 10000, 10000 - 4972, 10000 - 4968);
}

static void test_hint_finds_the_killed_at_once(void **state)
{
	(void)state;
	hosts_start(3);
	run_for(5.3);
	world->hosts[1].life = LIFE_REFUSING;
	struct event event = {.type = EVENT_STREAM_DOWN, .now = clocks_of(&world->hosts[0])};
	event.stream.node = id_of(1);
	event.stream.boot = world->hosts[1].config.boot;
	effects_clear(&world->effects);
	swim_on_stream_down(world->hosts[0].swim, &event, &world->effects);
	drain(0);
	double seconds = seconds_until(3, 1, MEMBER_DEAD, 1.3);
	print_message("with a hint: %.2f s\n", seconds);
}

static void test_garbage_changes_nothing(void **state)
{
	(void)state;
	hosts_start(2);
	run_for(2);
	struct prng prng;
	prng_init(&prng, 5);
	for (uint32_t i = 0; i < 2000; i++) {
		uint8_t bytes[64];
		size_t count = prng_below(&prng, sizeof(bytes));
		for (size_t j = 0; j < count; j++)
			bytes[j] = (uint8_t)prng_next(&prng);
		if (count > 3) {
			bytes[0] = (uint8_t)(1 + prng_below(&prng, 20));
			bytes[1] = 0;
			bytes[2] = (uint8_t)(count - 3);
		}
		struct event event = {.type = i % 2 ? EVENT_DATAGRAM : EVENT_STREAM,
				      .now = clocks_of(&world->hosts[0])};
		if (event.type == EVENT_DATAGRAM) {
			event.datagram.sender_short = 7;
		} else {
			event.stream.connection = 2001;
			bytes[0] = (uint8_t)(14 + i % 5);
		}
		event.bytes = slice_of(bytes, count);
		effects_clear(&world->effects);
		if (event.type == EVENT_DATAGRAM)
			swim_on_datagram(world->hosts[0].swim, &event, &world->effects);
		else if (count > 0)
			assert_true(swim_on_stream(world->hosts[0].swim, &event, &world->effects));
	}
	assert_int_equal(swim_member_count(world->hosts[0].swim), 2);
	run_for(2);
	assert_true(all_see_all(2));
}

/* Well-formed messages with random contents, from members and strangers. */
static struct gossip_record random_record(struct prng *prng)
{
	uint32_t subject = (uint32_t)prng_below(prng, 8);
	struct gossip_record record = {
		.id = id_of(subject),
		.boot = (uint64_t)UTC_START_MS + prng_below(prng, 3),
		.incarnation = (uint32_t)prng_below(prng, 4),
		.rank = (uint8_t)prng_below(prng, prng_below(prng, 8) == 0 ? 5 : 4),
		.is_restart = prng_below(prng, 4) == 0,
		.age_s = prng_below(prng, 3) == 0 ? UINT32_MAX : (uint32_t)prng_below(prng, 400000),
		.address = address_of((uint32_t)prng_below(prng, 8)),
	};
	(void)snprintf(record.name, sizeof(record.name), "n%u", (unsigned)prng_below(prng, 8));
	return record;
}

static struct gossip_message random_message(struct prng *prng, bool is_frame, uint8_t *records,
					    size_t records_max)
{
	static const enum gossip_type datagrams[] = {
		GOSSIP_PING,     GOSSIP_ACK,          GOSSIP_PING_REQ,    GOSSIP_NACK,
		GOSSIP_WRONG_ID, GOSSIP_ALIVE,        GOSSIP_DEAD,        GOSSIP_LEFT,
		GOSSIP_SUSPECT,  GOSSIP_SYNC_BUCKETS, GOSSIP_SYNC_RECORDS};
	static const enum gossip_type frames[] = {GOSSIP_SYNC_RECORDS, GOSSIP_JOIN, GOSSIP_JOIN_OK,
						  GOSSIP_REFUSED, GOSSIP_BUSY};
	struct gossip_message m = {.type = is_frame ? frames[prng_below(prng, 5)]
						    : datagrams[prng_below(prng, 11)]};
	struct buf buf;
	buf_init(&buf, records, records_max);
	uint32_t count = (uint32_t)prng_below(prng, 4);
	for (uint32_t i = 0; i < count; i++) {
		struct gossip_record record = random_record(prng);
		gossip_record_put(&buf, &record);
	}
	uint64_t target = id128_short(id_of((uint32_t)prng_below(prng, 8)));
	if (m.type == GOSSIP_PING) {
		m.ping.target = target;
	} else if (m.type == GOSSIP_PING_REQ) {
		m.ping_req.target = target;
		m.ping_req.address = address_of((uint32_t)prng_below(prng, 8));
		m.ping_req.budget_ms = (uint16_t)prng_next(prng);
	} else if (m.type == GOSSIP_NACK) {
		m.nack.reason = (enum gossip_nack)prng_below(prng, 3);
	} else if (m.type == GOSSIP_ALIVE) {
		m.alive = random_record(prng);
		m.alive.rank = 0;
	} else if (m.type >= GOSSIP_SUSPECT && m.type <= GOSSIP_LEFT) {
		struct gossip_record record = random_record(prng);
		m.claim.id = record.id;
		m.claim.boot = record.boot;
		m.claim.incarnation = record.incarnation;
		m.claim.from = target;
		m.claim.evidence = (enum gossip_evidence)prng_below(prng, 2);
		m.claim.is_restart = record.is_restart;
	} else if (m.type == GOSSIP_SYNC_RECORDS) {
		m.sync_records.record_count = count;
		m.sync_records.records = buf_slice(&buf);
	} else if (m.type == GOSSIP_JOIN) {
		m.join.record = random_record(prng);
		m.join.utc_ms = UTC_START_MS + world->now_us / 1000;
	} else if (m.type == GOSSIP_JOIN_OK) {
		m.join_ok.cluster = id_of(999);
		m.join_ok.record_count = count;
		m.join_ok.records = buf_slice(&buf);
	} else if (m.type == GOSSIP_REFUSED) {
		m.refused.reason = (enum gossip_refusal)prng_below(prng, GOSSIP_REFUSAL_COUNT);
	} else if (m.type == GOSSIP_BUSY) {
		m.busy.address_count = 1;
		m.busy.addresses[0] = address_of((uint32_t)prng_below(prng, 8));
	}
	return m;
}

static void test_no_message_breaks_the_books(void **state)
{
	(void)state;
	struct prng prng;
	prng_init(&prng, 17);
	for (uint32_t round = 0; round < 20; round++) {
		world_reset(round);
		hosts_start(3);
		run_for(2);
		uint32_t incarnation = 0;
		for (uint32_t i = 0; i < 300; i++) {
			uint8_t records[1024];
			uint8_t bytes[2048];
			struct buf buf;
			buf_init(&buf, bytes, sizeof(bytes));
			bool is_frame = prng_below(&prng, 3) == 0;
			struct gossip_message message = random_message(&prng, is_frame, records,
								       sizeof(records));
			uint32_t from = (uint32_t)prng_below(&prng, 8);
			struct event event = {.type = EVENT_DATAGRAM};
			if (is_frame) {
				gossip_frame_put(&buf, &message);
				event.type = prng_below(&prng, 8) == 0 ? EVENT_STREAM_DOWN
								       : EVENT_STREAM;
				event.stream.node = id_of(from);
				event.stream.boot = (uint64_t)UTC_START_MS;
				event.stream.connection = 1000 * (from + 1) + 1;
				event.stream.from = address_of(from);
			} else {
				gossip_message_put(&buf, &message);
				event.datagram.sender_short = id128_short(id_of(from));
				event.datagram.boot = (uint64_t)UTC_START_MS;
				event.datagram.from = address_of(from);
				event.datagram.is_refused = prng_below(&prng, 10) == 0;
			}
			assert_false(buf.has_overflowed);
			send_event(0, 1, &event, buf_slice(&buf));
			run_for(prng_below(&prng, 10) == 0 ? 1.3 : 0.01);
			const struct member *self = swim_member_at(world->hosts[0].swim, 0);
			assert_true(id128_equal(self->id, id_of(0)));
			assert_true(self->boot == (uint64_t)UTC_START_MS);
			assert_true(self->incarnation >= incarnation);
			incarnation = self->incarnation;
			assert_true(swim_member_count(world->hosts[0].swim) <= 8);
		}
	}
}

static void test_tables_converge_and_fall_silent(void **state)
{
	(void)state;
	world->loss_percent = 20;
	hosts_start(9);
	run_for(10);
	world->hosts[1].life = LIFE_REFUSING;
	world->hosts[2].life = LIFE_SILENT;
	effects_clear(&world->effects);
	swim_leave(world->hosts[3].swim, clocks_of(&world->hosts[3]), false, &world->effects);
	drain(3);
	world->hosts[4].side = 1;
	world->hosts[5].side = 1;
	run_for(30);
	host_restart(1);
	world->hosts[4].side = 0;
	world->hosts[5].side = 0;
	run_for(60);
	world->loss_percent = 0;
	run_for(20);
	for (uint32_t i = 0; i < 9; i++) {
		if (world->hosts[i].life == LIFE_UP)
			assert_true(world->hosts[i].swim->table.hash == world->hosts[0].swim->table.hash);
		world->hosts[i].sent_bytes = 0;
		world->hosts[i].sent_count = 0;
	}
	assert_true(all_see(9, 1, MEMBER_ALIVE));
	assert_true(all_see(9, 2, MEMBER_DEAD));
	assert_true(all_see(9, 3, MEMBER_LEFT));
	/* Hours later, tombstones aged, still no more than pings. */
	for (uint32_t hour = 0; hour < 60; hour++) {
		run_for(30);
		world->now_us += hour < 50 ? 3570 * SECOND : 0;
	}
	for (uint32_t i = 0; i < 9; i++)
		world->hosts[i].sent_bytes = 0;
	run_for(60);
	for (uint32_t i = 0; i < 9; i++)
		assert_true(world->hosts[i].sent_bytes < 60 * 120);
	assert_null(swim_member_find(world->hosts[0].swim, id_of(3)));
	assert_int_equal(rank_at(0, 2), MEMBER_DEAD);
}

static void test_other_frames_are_left_to_others(void **state)
{
	(void)state;
	hosts_start(1);
	struct event event = {.type = EVENT_STREAM,
			      .now = clocks_of(&world->hosts[0]),
			      .bytes = slice_of("\x20\x90", 2)};
	effects_clear(&world->effects);
	assert_false(swim_on_stream(world->hosts[0].swim, &event, &world->effects));
}

static void test_joiner_of_another_version_is_told(void **state)
{
	(void)state;
	hosts_start(1);
	struct event event = {.type = EVENT_STREAM,
			      .now = clocks_of(&world->hosts[0]),
			      .bytes = slice_of("\x0f\x92\x02\xc0", 4)};
	event.stream.connection = 9;
	effects_clear(&world->effects);
	assert_true(swim_on_stream(world->hosts[0].swim, &event, &world->effects));
	struct gossip_message answer;
	assert_int_equal(world->effects.items[0].type, EFFECT_STREAM);
	assert_int_equal(gossip_frame_get(world->effects.items[0].bytes, &answer), ERR_OK);
	assert_int_equal(answer.type, GOSSIP_REFUSED);
	assert_int_equal(answer.refused.reason, GOSSIP_REFUSAL_VERSION);
}

static void test_without_an_address_nothing_is_sent(void **state)
{
	(void)state;
	struct host *host = host_prepare(0, 0);
	host->config.address = (struct address){.family = 0};
	host_start(0);
	assert_true(swim_next_deadline_us(host->swim) == NODE_DEADLINE_NONE);
	effects_clear(&world->effects);
	swim_leave(host->swim, clocks_of(host), true, &world->effects);
	drain(0);
	assert_true(host->has_exited);
	assert_int_equal(host->sent_count, 0);
}

#define CASE(function, sentence)                      \
	{                                             \
		sentence, function, setup, NULL, NULL \
	}

int main(void)
{
	world = calloc(1, sizeof(*world));
	world->effects.items = calloc(EFFECTS_MAX, sizeof(struct effect));
	buf_init(&world->effects.arena, malloc(EFFECTS_ARENA_BYTES), EFFECTS_ARENA_BYTES);
	const struct CMUnitTest tests[] = {
		CASE(test_two_nodes_see_each_other, "two nodes see each other"),
		CASE(test_one_alone_waits_for_nothing, "one alone waits for nothing and sends nothing"),
		CASE(test_thirty_nodes_all_see_all, "thirty nodes all see all, and keep doing so"),
		CASE(test_three_nodes_idle_within_budget, "three nodes are idle within the budget"),
		CASE(test_killed_agent_on_a_live_host_is_seen_soon,
		     "a killed agent on a live host is seen soon"),
		CASE(test_silent_host_is_seen_after_suspicion,
		     "a silent host is seen after its suspicion"),
		CASE(test_restart_comes_back_with_its_new_boot,
		     "a restarted member is back with its new boot"),
		CASE(test_leave_is_told_to_all, "a leave is told to all and is no failure"),
		CASE(test_pause_of_five_seconds_is_no_failure, "a pause of five seconds is no failure"),
		CASE(test_long_pause_is_a_failure_that_ends_with_it,
		     "a long pause is a failure that ends with it"),
		CASE(test_partition_heals, "a partition heals"),
		CASE(test_one_alone_among_silence_gives_no_verdict, "who hears nobody gives no verdict"),
		CASE(test_loss_gives_no_false_verdict, "loss of a third gives no false verdict"),
		CASE(test_kill_under_loss_is_seen_soon, "a kill under loss is seen soon"),
		CASE(test_firewall_to_one_observer_kills_nobody,
		     "a firewall in front of one observer kills nobody"),
		CASE(test_mass_restart_finds_together, "a mass restart finds together without seeds"),
		CASE(test_snapshot_is_not_believed_before_it_is_confirmed,
		     "a snapshot is not believed before it is confirmed"),
		CASE(test_leave_for_a_restart_keeps_the_place,
		     "a leave for a restart keeps the place for a while"),
		CASE(test_leave_ends_in_time_though_nobody_answers,
		     "a leave ends in time though nobody answers"),
		CASE(test_rolled_back_store_is_told, "a store that was rolled back is told so"),
		CASE(test_taken_name_refuses_the_newcomer_only, "a taken name refuses the newcomer only"),
		CASE(test_wiped_store_takes_its_place_again,
		     "a wiped store takes its place under a new id"),
		CASE(test_copied_directory_refuses_the_newcomer,
		     "a copied directory refuses the newcomer"),
		CASE(test_member_that_moved_is_taken_at_its_new_address,
		     "a member that moved is taken at its new address"),
		CASE(test_other_cluster_and_wrong_clock_are_refused,
		     "another cluster and a wrong clock are refused"),
		CASE(test_seed_that_starts_late_is_found, "a seed that starts minutes late is found"),
		CASE(test_dialling_oneself_is_no_fault, "dialling oneself is no fault"),
		CASE(test_late_alive_never_revives, "a late ALIVE never revives the dead"),
		CASE(test_false_claims_are_refuted, "false claims are refuted by their subject"),
		CASE(test_evicted_stays_out_whatever_its_boot,
		     "who was evicted stays out, whatever its boot"),
		CASE(test_boot_from_the_far_future_is_refused, "a boot from the far future is refused"),
		CASE(test_last_incarnation_ends_the_member_not_the_order,
		     "a claim of the last incarnation asks for a restart"),
		CASE(test_other_agent_at_the_address_means_gone,
		     "another agent at the address means that the old one is gone"),
		CASE(test_same_name_after_a_merge_is_a_conflict_of_the_younger,
		     "the same name after a merge is the younger one's conflict"),
		CASE(test_meta_of_the_owner_reaches_all, "the owner's facts reach all, once per change"),
		CASE(test_clock_is_the_median, "the cluster's clock is the median"),
		CASE(test_hint_finds_the_killed_at_once, "a hint finds the killed at once"),
		CASE(test_garbage_changes_nothing, "garbage changes nothing"),
		CASE(test_tables_converge_and_fall_silent,
		     "tables converge, fall silent, and forget in time"),
		CASE(test_no_message_breaks_the_books, "no message of a member breaks the books"),
		CASE(test_other_frames_are_left_to_others, "frames of other types are left to others"),
		CASE(test_joiner_of_another_version_is_told, "a joiner of another version is told so"),
		CASE(test_without_an_address_nothing_is_sent, "without an address nothing is sent"),
	};
	int failed = cmocka_run_group_tests_name("swim", tests, NULL, NULL);
	world_reset(0);
	free(world->effects.items);
	free(world->effects.arena.data);
	free(world);
	return failed;
}
