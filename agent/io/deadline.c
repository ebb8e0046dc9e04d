/* Clocks, and the one timer for the node's one deadline.
 *
 * A timerfd on the boot-time clock and not a timer of libuv, whose clock stands still in a suspend, is read once a
 * turn and counts milliseconds. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "agent/io/loop_state.h"
#include "agent/log.h"

/* ---- clocks ---- */

struct clocks loop_clocks(void *context)
{
	struct loop *loop = context;
	struct timespec mono, wall;
	(void)clock_gettime(CLOCK_BOOTTIME, &mono);
	(void)clock_gettime(CLOCK_REALTIME, &wall);
	return (struct clocks){
		.mono_us = (int64_t)mono.tv_sec * 1000000 + mono.tv_nsec / 1000,
		.utc_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000 +
			  loop->options->config->test_clock_offset_ms,
	};
}

static int64_t mono_us(struct loop *loop)
{
	return loop_clocks(loop).mono_us;
}

/* ---- the timer ---- */

void deadline_arm(struct loop *loop)
{
	int64_t deadline_us = node_next_deadline_us(loop->node);
	if (deadline_us == loop->armed_mono_us)
		return;
	loop->armed_mono_us = deadline_us;
	struct itimerspec setting = {0};
	if (deadline_us != NODE_DEADLINE_NONE) {
		/* All zeros would disarm it: a deadline that is long past is one of a nanosecond after boot. */
		int64_t at_us = deadline_us > 0 ? deadline_us : 0;
		setting.it_value.tv_sec = at_us / 1000000;
		setting.it_value.tv_nsec = at_us % 1000000 * 1000 + (at_us == 0 ? 1 : 0);
	}
	int code = timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &setting, NULL);
	assert(code == 0);
}

static void on_deadline(uv_poll_t *poll, int code, int events)
{
	struct loop *loop = poll->data;
	uint64_t expired;
	(void)code;
	(void)events;
	if (read(loop->timer_fd, &expired, sizeof(expired)) < 0)
		return;
	int64_t late_us = mono_us(loop) - loop->armed_mono_us;
	loop->armed_mono_us = NODE_DEADLINE_NONE;
	/* Woken late, by a stop, a suspend or a slow turn: answers may lie in the socket that the deadline is about. */
	if (late_us > (int64_t)LOOP_LAG_MS * 1000 && loop->udp != NULL)
		udp_drain(loop->udp);
	struct event event = {.type = EVENT_DEADLINE};
	loop_step(loop, &event);
	loop_sample(loop, LOOP_SAMPLE_MS);
}

/* A timer far ahead on the wall clock, which the kernel cancels when that clock is set: the node's plan hangs on it. */
static void arm_wall(struct loop *loop)
{
	struct itimerspec setting = {.it_value = {.tv_sec = INT32_MAX}};
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	setting.it_value.tv_sec = now.tv_sec + 365ll * 24 * 3600;
	(void)timerfd_settime(loop->wall_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &setting,
			      NULL);
}

static void on_wall(uv_poll_t *poll, int code, int events)
{
	struct loop *loop = poll->data;
	uint64_t expired;
	(void)code;
	(void)events;
	ssize_t got = read(loop->wall_fd, &expired, sizeof(expired));
	if (got < 0 && errno != ECANCELED)
		return;
	arm_wall(loop);
	log_line(LOG_LEVEL_INFO, "clock: the wall clock was set");
	struct event event = {.type = EVENT_DEADLINE};
	loop_step(loop, &event);
}

enum err deadline_open(struct loop *loop, struct problem *problem)
{
	loop->armed_mono_us = NODE_DEADLINE_NONE;
	loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	loop->wall_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->timer_fd >= 0 && loop->wall_fd >= 0 &&
	    uv_poll_init(&loop->uv, &loop->timer_poll, loop->timer_fd) == 0) {
		loop->timer_poll.data = loop;
		if (uv_poll_init(&loop->uv, &loop->wall_poll, loop->wall_fd) == 0) {
			loop->wall_poll.data = loop;
			loop->has_timers = true;
			(void)uv_poll_start(&loop->timer_poll, UV_READABLE, on_deadline);
			(void)uv_poll_start(&loop->wall_poll, UV_READABLE, on_wall);
			arm_wall(loop);
			return ERR_OK;
		}
		uv_close((uv_handle_t *)&loop->timer_poll, NULL);
	}
	int code = errno;
	(void)close(loop->timer_fd);
	(void)close(loop->wall_fd);
	return problem_set(problem, ERR_IO, "timer: %s", strerror(code));
}

static void on_timer_closed(uv_handle_t *handle)
{
	(void)close(((struct loop *)handle->data)->timer_fd);
}

static void on_wall_closed(uv_handle_t *handle)
{
	(void)close(((struct loop *)handle->data)->wall_fd);
}

void deadline_close(struct loop *loop)
{
	if (!loop->has_timers)
		return;
	loop->has_timers = false;
	uv_close((uv_handle_t *)&loop->timer_poll, on_timer_closed);
	uv_close((uv_handle_t *)&loop->wall_poll, on_wall_closed);
}
