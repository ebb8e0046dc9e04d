/* The network between agents. */
#include "tests/sim/network.h"

#include <stdlib.h>

#include "tests/sim/checker.h"
#include "tests/sim/faults.h"

#define STREAM_SILENT_US (3 * SIM_SECOND_US)  /* a dial that nobody answers */
#define STREAM_WAITS_US (15 * SIM_SECOND_US)  /* a shorter cut only delays what a stream holds */

/* The stream from one agent to another: dialled at need, in order, until it breaks. */
struct stream {
	uint64_t generation; /* raised when it breaks: what is on its way is lost */
	int64_t last_us;     /* of the newest frame's arrival */
	bool is_open;
	uint64_t dialled_life; /* of who dialled, and of who was */
	uint64_t accepted_life;
};

struct network {
	struct prng prng;
	struct stream streams[SIM_HOSTS_MAX][SIM_HOSTS_MAX];
	int64_t cut_until_us[SIM_HOSTS_MAX][SIM_HOSTS_MAX];
	uint64_t connection; /* of dials without a node: joins */
};

void network_open(struct world *world)
{
	world->network = calloc(1, sizeof(*world->network));
	if (world->network == NULL)
		abort();
	prng_init(&world->network->prng, world->options.seed * 31 + 2);
}

void network_close(struct world *world)
{
	free(world->network);
}

static bool is_cut(const struct world *world, uint32_t from, uint32_t to)
{
	return world->network->cut_until_us[from][to] > world->now_us;
}

void network_cut(struct world *world, uint32_t from, uint32_t to, int64_t until_us)
{
	if (until_us > world->network->cut_until_us[from][to])
		world->network->cut_until_us[from][to] = until_us;
}

void network_heal(struct world *world)
{
	for (uint32_t i = 0; i < SIM_HOSTS_MAX; i++)
		for (uint32_t j = 0; j < SIM_HOSTS_MAX; j++)
			world->network->cut_until_us[i][j] = 0;
}

/* ---- datagrams ---- */

static void on_datagram(struct world *world, struct sim_event *event)
{
	struct host *host = &world->hosts[event->host];
	if (!host->is_up)
		return;
	/* As the seal's edge does: a sender's older life is not heard any more. */
	if (!event->event.datagram.is_refused &&
	    event->event.datagram.boot < node_boot_known(host->node, event->event.datagram.sender_short))
		return;
	if (host->paused_until_us > world->now_us) {
		struct sim_event *later = world_push(world, host->paused_until_us, on_datagram, event->host, 0,
						     slice_of(event->bytes, event->byte_count));
		later->event = event->event;
		return;
	}
	world_deliver(world, event);
}

void network_datagram(struct world *world, struct host *from, const struct address *address, struct slice bytes)
{
	struct network *network = world->network;
	const struct weather *weather = faults_weather(world);
	int index = world_host_by_address(world, address);
	if (index < 0 || is_cut(world, from->index, (uint32_t)index) || draw_chance(&network->prng, weather->loss_per_mille))
		return;
	struct host *to = &world->hosts[index];
	if (!to->is_host_up)
		return;
	int64_t delay_us = faults_delay_us(world, &network->prng);
	if (!to->is_up) {
		struct sim_event *event = world_push(world, world->now_us + delay_us, on_datagram, from->index,
						     from->life, slice_of(NULL, 0));
		event->event.type = EVENT_DATAGRAM;
		event->event.datagram.from = *address;
		event->event.datagram.is_refused = true;
		return;
	}
	uint32_t copies = draw_chance(&network->prng, weather->dup_per_mille) ? 2 : 1;
	for (uint32_t i = 0; i < copies; i++) {
		struct sim_event *event = world_push(world, world->now_us + delay_us, on_datagram, to->index, 0, bytes);
		event->event.type = EVENT_DATAGRAM;
		event->event.datagram.sender_short = id128_short(from->id);
		event->event.datagram.boot = from->boot;
		event->event.datagram.from = from->address;
		delay_us += faults_delay_us(world, &network->prng);
	}
}

/* ---- streams ---- */

static void on_frame(struct world *world, struct sim_event *event)
{
	uint32_t from = (uint32_t)event->argument[0];
	const struct stream *stream = &world->network->streams[from][event->host];
	if (stream->generation != event->argument[1])
		return;
	struct host *host = &world->hosts[event->host];
	if (event->event.stream.boot < node_boot_known(host->node, id128_short(event->event.stream.node)))
		return;
	world_deliver(world, event);
}

/* One end hears that the stream is gone. */
static void push_down(struct world *world, uint32_t to, uint32_t other, bool is_refused, int64_t delay_us)
{
	struct host *host = &world->hosts[to];
	if (!host->is_up)
		return;
	struct sim_event *event = world_push(world, world->now_us + delay_us, world_deliver, to, host->life,
					     slice_of(NULL, 0));
	event->event.type = EVENT_STREAM_DOWN;
	event->event.stream.node = world->hosts[other].id;
	event->event.stream.boot = world->hosts[other].boot;
	event->event.stream.from = world->hosts[other].address;
	event->event.stream.is_refused = is_refused;
}

void network_break(struct world *world, uint32_t from, uint32_t to)
{
	struct network *network = world->network;
	struct stream *stream = &network->streams[from][to];
	if (!stream->is_open)
		return;
	stream->generation++;
	stream->is_open = false;
	push_down(world, from, to, false, faults_delay_us(world, &network->prng));
	push_down(world, to, from, false, faults_delay_us(world, &network->prng));
}

void network_on_agent_gone(struct world *world, struct host *host)
{
	for (uint32_t i = 0; i < world->host_count; i++) {
		if (i == host->index)
			continue;
		network_break(world, host->index, i);
		network_break(world, i, host->index);
	}
}

/* When a frame that is sent now arrives; INT64_MAX: it does not, the stream is broken. */
static int64_t stream_arrival_us(struct world *world, uint32_t from, uint32_t to)
{
	struct network *network = world->network;
	struct stream *stream = &network->streams[from][to];
	const struct weather *weather = faults_weather(world);
	int64_t at_us = world->now_us + faults_delay_us(world, &network->prng);
	if (draw_chance(&network->prng, weather->loss_per_mille))
		at_us += 200000; /* sent again by the kernel */
	int64_t cut_us = network->cut_until_us[from][to];
	if (network->cut_until_us[to][from] > cut_us)
		cut_us = network->cut_until_us[to][from]; /* TCP needs both ways */
	if (cut_us > world->now_us) {
		if (cut_us - world->now_us > STREAM_WAITS_US || draw_chance(&network->prng, 300))
			return INT64_MAX;
		at_us += cut_us - world->now_us + draw_between(&network->prng, 0, SIM_SECOND_US);
	}
	if (draw_chance(&network->prng, weather->break_per_mille))
		return INT64_MAX;
	if (at_us <= stream->last_us)
		at_us = stream->last_us + 1;
	return at_us;
}

static void send_frame(struct world *world, struct host *from, struct host *to, uint64_t connection,
		       struct slice bytes)
{
	struct stream *stream = &world->network->streams[from->index][to->index];
	if (stream->is_open && (stream->dialled_life != from->life || stream->accepted_life != to->life)) {
		stream->generation++;
		stream->is_open = false;
	}
	if (!to->is_host_up || !to->is_up) {
		bool is_refused = to->is_host_up;
		int64_t delay_us = is_refused ? faults_delay_us(world, &world->network->prng) : STREAM_SILENT_US;
		push_down(world, from->index, to->index, is_refused, delay_us);
		return;
	}
	if (!stream->is_open) {
		stream->is_open = true;
		stream->dialled_life = from->life;
		stream->accepted_life = to->life;
	}
	int64_t at_us = stream_arrival_us(world, from->index, to->index);
	if (at_us == INT64_MAX) {
		network_break(world, from->index, to->index);
		return;
	}
	stream->last_us = at_us;
	struct sim_event *event = world_push(world, at_us, on_frame, to->index, to->life, bytes);
	event->event.type = EVENT_STREAM;
	event->event.stream.node = from->id;
	event->event.stream.boot = from->boot;
	event->event.stream.connection = connection;
	event->event.stream.from = from->address;
	event->argument[0] = from->index;
	event->argument[1] = stream->generation;
}

void network_stream(struct world *world, struct host *from, const struct effect *effect)
{
	/* A connection's number names its two ends: (number, who dialled, who was dialled). */
	uint64_t connection = effect->stream.connection;
	int to;
	if (connection != 0) {
		uint32_t dialler = (uint32_t)(connection >> 4 & 15);
		uint32_t dialled = (uint32_t)(connection & 15);
		to = (int)(dialler == from->index ? dialled : dialler);
	} else {
		to = id128_is_zero(effect->stream.node) ? world_host_by_address(world, &effect->stream.address)
							: world_host_by_id(world, effect->stream.node);
		if (to < 0)
			return;
		connection = ++world->network->connection << 8 | (uint64_t)from->index << 4 | (uint64_t)to;
	}
	checker_on_frame(world, from, (uint32_t)to, effect->bytes);
	send_frame(world, from, &world->hosts[to], connection, effect->bytes);
}
