/* The loop: its beginning, its signals and its end. What happens in between is in turn.c and deadline.c. */
#include "agent/io/loop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/io/loop_state.h"
#include "agent/io/sysinfo.h"
#include "agent/log.h"
#include "agent/mem.h"
#include "proto/text.h"

#define SLOTS_PER_CPU 4u
#define SLOTS_MIN 4u

/* ---- what the node is told about itself ---- */

/* Birth, first entry, or what the store knows. */
static enum err fill_cluster(const struct loop_options *options, struct node_config *config,
			     struct problem *problem)
{
	const struct config *given = options->config;
	const struct identity *identity = options->identity;
	if (identity->has_cluster) {
		if (!id128_is_zero(given->test_cluster) &&
		    !id128_equal(given->test_cluster, identity->cluster))
			return problem_set(problem, ERR_STALE,
					   "--test-cluster: the store belongs to another cluster");
		config->cluster = identity->cluster;
	} else if (given->test_birth_count > 0 && !id128_is_zero(given->test_cluster)) {
		config->cluster = given->test_cluster;
	} else if (given->is_init) {
		config->cluster = given->test_cluster;
		if (id128_is_zero(config->cluster))
			randombytes_buf(config->cluster.bytes, sizeof(config->cluster.bytes));
	} else if (given->seed_count == 0) {
		(void)problem_set(problem, ERR_INVALID,
				  "the store in %s is new: it belongs to no cluster yet",
				  given->directory);
		problem_hint(problem, "--init makes a new cluster, --join ADDR:PORT enters one");
		return ERR_INVALID;
	}
	memcpy(config->seeds, given->seeds, sizeof(config->seeds));
	config->seed_count = given->seed_count;
	/* What the store knows is read from the store. */
	if (identity->has_cluster || id128_is_zero(config->cluster))
		return ERR_OK;
	config->birth_set[0] = identity->node;
	config->birth_count = 1;
	if (given->test_birth_count > 0) {
		memcpy(config->birth_set, given->test_birth, sizeof(config->birth_set));
		config->birth_count = given->test_birth_count;
	}
	return ERR_OK;
}

static enum err fill_config(const struct loop_options *options, struct node_config *ret_config,
			    struct problem *problem)
{
	const struct config *given = options->config;
	struct node_config config = {
		.id = options->identity->node,
		.boot = options->identity->boot,
		.boot_before = options->identity->boot_before,
		.slots = given->slots,
		.version = PEERSCHED_VERSION,
		.zone_version = options->zone_version,
	};
	memcpy(config.name, given->name, sizeof(config.name));
	memcpy(config.cluster_name, given->cluster_name, sizeof(config.cluster_name));
	if (config.slots == 0) {
		config.slots = SLOTS_PER_CPU * sysinfo_cpu_count();
		config.slots = config.slots < SLOTS_MIN ? SLOTS_MIN : config.slots;
	}
	randombytes_buf(&config.prng_seed, sizeof(config.prng_seed));
	if (options->keyring->count > 0) {
		if (given->bind.family == 0)
			return problem_set(
				problem, ERR_INVALID,
				"--bind ADDR:PORT is missing: this node's store has a key, so it opens a port");
		config.address = given->advertise;
	} else if (given->bind.family != 0) {
		log_line(LOG_LEVEL_WARN,
			 "no key: no port is opened, this agent speaks on its local socket only");
	}
	enum err err = fill_cluster(options, &config, problem);
	if (err == ERR_OK)
		*ret_config = config;
	return err;
}

/* ---- signals and turns ---- */

static void on_leave_timer(uv_timer_t *timer)
{
	log_line(LOG_LEVEL_WARN, "exit: peers did not confirm the leave in %d ms, going without",
		 LOOP_LEAVE_MS_MAX);
	loop_begin_exit(timer->data, 0);
}

static void on_end_signal(uv_signal_t *handle, int number)
{
	struct loop *loop = handle->data;
	if (loop->is_leaving) {
		log_line(LOG_LEVEL_WARN, "signal %d again: going at once", number);
		loop_begin_exit(loop, 0);
		return;
	}
	loop->is_leaving = true;
	log_line(LOG_LEVEL_INFO, "signal %d: leaving for a restart", number);
	(void)uv_timer_start(&loop->leave_timer, on_leave_timer, LOOP_LEAVE_MS_MAX, 0);
	struct event event = {.type = EVENT_LEAVE, .leave = {.is_restart = true}};
	loop_step(loop, &event);
}

static void on_hup(uv_signal_t *handle, int number)
{
	(void)handle;
	(void)number;
	log_line(LOG_LEVEL_INFO, "signal HUP: nothing is read again, a restart takes new options");
}

static void on_prepare(uv_prepare_t *prepare)
{
	loop_flush(prepare->data);
}

static void on_check(uv_check_t *check)
{
	loop_flush(check->data);
}

static void open_signals(struct loop *loop)
{
	/* These only fill structs and add them to the loop. */
	(void)uv_signal_init(&loop->uv, &loop->signal_term);
	(void)uv_signal_init(&loop->uv, &loop->signal_int);
	(void)uv_signal_init(&loop->uv, &loop->signal_hup);
	(void)uv_timer_init(&loop->uv, &loop->leave_timer);
	(void)uv_prepare_init(&loop->uv, &loop->prepare);
	(void)uv_check_init(&loop->uv, &loop->check);
	loop->signal_term.data = loop;
	loop->signal_int.data = loop;
	loop->leave_timer.data = loop;
	loop->prepare.data = loop;
	loop->check.data = loop;
	loop->has_signals = true;
	(void)uv_signal_start(&loop->signal_term, on_end_signal, SIGTERM);
	(void)uv_signal_start(&loop->signal_int, on_end_signal, SIGINT);
	(void)uv_signal_start(&loop->signal_hup, on_hup, SIGHUP);
	(void)uv_prepare_start(&loop->prepare, on_prepare);
	(void)uv_check_start(&loop->check, on_check);
}

static void close_signals(struct loop *loop)
{
	if (!loop->has_signals)
		return;
	loop->has_signals = false;
	uv_close((uv_handle_t *)&loop->signal_term, NULL);
	uv_close((uv_handle_t *)&loop->signal_int, NULL);
	uv_close((uv_handle_t *)&loop->signal_hup, NULL);
	uv_close((uv_handle_t *)&loop->leave_timer, NULL);
	uv_close((uv_handle_t *)&loop->prepare, NULL);
	uv_close((uv_handle_t *)&loop->check, NULL);
}

/* ---- what the edges are given ---- */

static void host_step(void *context, struct event *event)
{
	loop_step(context, event);
}

static uint32_t host_cluster_hash(void *context)
{
	return ((struct loop *)context)->cluster_hash;
}

static uint64_t host_boot_known(void *context, uint64_t sender_short)
{
	return node_boot_known(((struct loop *)context)->node, sender_short);
}

/* ---- memory ---- */

/* Address space that costs memory only where it is written. */
static void *map_zeros(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

static enum err open_node(struct loop *loop, struct problem *problem)
{
	const struct loop_options *options = loop->options;
	struct node_config config;
	enum err err = fill_config(options, &config, problem);
	if (err != ERR_OK)
		return err;
	loop->overlay = store_overlay_new(options->backend);
	loop->node_memory_bytes = node_bytes(&config);
	loop->node_memory = map_zeros(loop->node_memory_bytes);
	loop->effects.items = map_zeros(EFFECT_ITEMS_BYTES);
	uint8_t *arena = map_zeros(EFFECTS_ARENA_BYTES);
	buf_init(&loop->effects.arena, arena, EFFECTS_ARENA_BYTES);
	if (loop->overlay == NULL || loop->node_memory == NULL || loop->effects.items == NULL ||
	    arena == NULL)
		return problem_set(problem, ERR_NO_MEMORY, "out of memory at start");
	counting_view_init(&loop->view, store_overlay_view(loop->overlay));
	loop->node = node_init(loop->node_memory, &config, &loop->view.outer, &options->zones);
	return ERR_OK;
}

static void close_node(struct loop *loop)
{
	hold_clear(&loop->in_flight);
	hold_clear(&loop->gathering);
	if (loop->batch != NULL)
		store_batch_free(loop->batch);
	if (loop->overlay != NULL)
		store_overlay_free(loop->overlay);
	if (loop->node_memory != NULL)
		(void)munmap(loop->node_memory, loop->node_memory_bytes);
	if (loop->effects.items != NULL)
		(void)munmap(loop->effects.items, EFFECT_ITEMS_BYTES);
	if (loop->effects.arena.data != NULL)
		(void)munmap(loop->effects.arena.data, EFFECTS_ARENA_BYTES);
}

/* ---- beginning and end ---- */

static enum err open_network(struct loop *loop, struct problem *problem)
{
	const struct loop_options *options = loop->options;
	if (options->keyring->count == 0)
		return ERR_OK;
	struct udp_options udp = {
		.bind = options->config->bind,
		.node = options->identity->node,
		.boot = options->identity->boot,
		.keyring = options->keyring,
	};
	enum err err = udp_open(&loop->host, &udp, &loop->udp, problem);
	if (err != ERR_OK)
		return err;
	struct stream_options streams = {
		.bind = udp.bind,
		.node = udp.node,
		.boot = udp.boot,
		.keyring = udp.keyring,
	};
	return streams_open(&loop->host, &streams, &loop->streams, problem);
}

static enum err open_edges(struct loop *loop, struct problem *problem)
{
	const struct config *config = loop->options->config;
	struct writer_options writer = {
		.backend = loop->options->backend,
		.drain = loop->options->drain,
		.on_done = loop_on_committed,
		.context = loop,
	};
	enum err err = writer_open(&loop->writer, &loop->uv, &writer, problem);
	if (err == ERR_OK)
		err = open_network(loop, problem);
	if (err == ERR_OK)
		err = deadline_open(loop, problem);
	if (err == ERR_OK)
		err = watch_open(&loop->watch, &loop->host, problem);
	if (err == ERR_OK)
		err = output_open(&loop->output, &loop->host, &loop->watch, config->directory, problem);
	if (err == ERR_OK)
		err = control_open(&loop->control, &loop->host, config->socket_path, problem);
	if (err == ERR_OK)
		err = runner_link_open(&loop->runner, &loop->host, &loop->watch, config->directory,
				       config->runner_path, problem);
	if (err == ERR_OK)
		open_signals(loop);
	return err;
}

/* Accepts what is not open. */
static void close_edges(struct loop *loop)
{
	close_signals(loop);
	runner_link_close(&loop->runner);
	control_close(&loop->control);
	output_close(&loop->output);
	streams_close(loop->streams);
	udp_close(loop->udp);
	deadline_close(loop);
	watch_close(&loop->watch);
	writer_close(&loop->writer);
	loop->udp = NULL;
	loop->streams = NULL;
}

void loop_announce(struct loop *loop)
{
	const struct loop_options *options = loop->options;
	char node[TEXT_ID_BYTES];
	char where[TEXT_ADDRESS_BYTES] = "-";
	text_format_id(options->identity->node, node);
	if (options->keyring->count > 0)
		text_format_address(&options->config->bind, where);
	log_line(LOG_LEVEL_INFO, "ready socket=%s name=%s node=%s boot=%llu address=%s",
		 options->config->socket_path, options->config->name, node,
		 (unsigned long long)options->identity->boot, where);
}

static void run(struct loop *loop)
{
	struct event started = {.type = EVENT_STARTED};
	loop_step(loop, &started);
	loop_sample(loop, 0);
	(void)uv_run(&loop->uv, UV_RUN_DEFAULT);
}

enum err loop_run(const struct loop_options *options, int *ret_code, struct problem *problem)
{
	struct loop *loop = mem_new(1, sizeof(*loop));
	if (loop == NULL)
		return problem_set(problem, ERR_NO_MEMORY, "out of memory at start");
	loop->options = options;
	loop->host.uv = &loop->uv;
	loop->host.context = loop;
	loop->host.step = host_step;
	loop->host.now = loop_clocks;
	loop->host.cluster_hash = host_cluster_hash;
	loop->host.boot_known = host_boot_known;
	int code = uv_loop_init(&loop->uv);
	if (code != 0) {
		mem_free(loop);
		return problem_set(problem, ERR_IO, "event loop: %s", uv_strerror(code));
	}
	enum err err = open_node(loop, problem);
	if (err == ERR_OK)
		err = open_edges(loop, problem);
	if (err == ERR_OK)
		run(loop);
	loop->is_exiting = true;
	close_edges(loop);
	(void)uv_run(&loop->uv, UV_RUN_DEFAULT);
	code = uv_loop_close(&loop->uv);
	assert(code == 0);
	close_node(loop);
	*ret_code = loop->exit_code;
	mem_free(loop);
	return err;
}
