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
	uint32_t side; /* hosts of different sides do not hear each other */
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
	if (world->hosts[to].life == LIFE_REFUSING) {
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
		to = (int)other - 1;
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

int main(void)
{
	world = calloc(1, sizeof(*world));
	world->effects.items = calloc(EFFECTS_MAX, sizeof(struct effect));
	buf_init(&world->effects.arena, malloc(EFFECTS_ARENA_BYTES), EFFECTS_ARENA_BYTES);
	const struct CMUnitTest tests[] = {
		{"two nodes see each other", test_two_nodes_see_each_other, setup, NULL, NULL},
		{"one alone waits for nothing and sends nothing", test_one_alone_waits_for_nothing,
		 setup, NULL, NULL},
		{"thirty nodes all see all, and keep doing so", test_thirty_nodes_all_see_all,
		 setup, NULL, NULL},
		{"three nodes are idle within the budget", test_three_nodes_idle_within_budget,
		 setup, NULL, NULL},
		{"a killed agent on a live host is seen soon",
		 test_killed_agent_on_a_live_host_is_seen_soon, setup, NULL, NULL},
		{"a silent host is seen after its suspicion",
		 test_silent_host_is_seen_after_suspicion, setup, NULL, NULL},
		{"a restarted member is back with its new boot",
		 test_restart_comes_back_with_its_new_boot, setup, NULL, NULL},
		{"a leave is told to all and is no failure", test_leave_is_told_to_all, setup, NULL, NULL},
	};
	int failed = cmocka_run_group_tests_name("swim", tests, NULL, NULL);
	world_reset(0);
	free(world->effects.items);
	free(world->effects.arena.data);
	free(world);
	return failed;
}
