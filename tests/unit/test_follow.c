/* Output for those who ask the node: reads, and following while a run goes on. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/io/output.h"
#include "agent/io/watch.h"
#include "agent/mem.h"
#include "agent/runner/spool.h"
#include "proto/buf.h"
#include "tests/lib/fake_host.h"

#define TICKET 7u

static struct fake_host fake;
static struct watch watch;
static struct output output;
static struct spool spool;
static char path[64];
static int output_fd;
static const struct run_key run = {.t_ms = 1743301800000, .attempt = 1};

static int setup(void **state)
{
	(void)state;
	(void)snprintf(path, sizeof(path), "/tmp/peersched-follow-XXXXXX");
	if (mkdtemp(path) == NULL)
		return -1;
	char folder[80];
	(void)snprintf(folder, sizeof(folder), "%s/output", path);
	if (mkdir(folder, 0700) != 0)
		return -1;
	output_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fake_host_open(&fake);
	if (watch_open(&watch, &fake.host, NULL) != ERR_OK)
		return -1;
	return output_open(&output, &fake.host, &watch, path, NULL) != ERR_OK;
}

static int teardown(void **state)
{
	(void)state;
	output_drop(&output, &run);
	output_close(&output);
	watch_close(&watch);
	fake_host_close(&fake);
	(void)close(output_fd);
	char folder[80];
	(void)snprintf(folder, sizeof(folder), "%s/output", path);
	(void)rmdir(folder);
	return rmdir(path);
}

static void begin_run(void)
{
	assert_int_equal(spool_create(&spool, output_fd, &run, OUTPUT_BYTES_DEFAULT), ERR_OK);
}

static void say(const char *text)
{
	spool_feed(&spool, SPOOL_STDOUT, 1743301800001, (const uint8_t *)text, strlen(text));
}

static void end_run(void)
{
	spool_finish(&spool, 1743301800009);
	spool_close(&spool);
}

/* The header of the list is all that is needed of it. */
static uint32_t line_count(const struct fake_event *kept)
{
	if (kept->first[0] == 0xdc)
		return load_u16(kept->first + 1);
	return kept->first[0] & 0x0fu;
}

static void test_read(void **state)
{
	(void)state;
	begin_run();
	say("one\ntwo\n");
	end_run();
	output_read(&output, TICKET, &run, 0, false, false);
	/* Nothing comes from within an effect. */
	assert_int_equal(fake.event_count, 0);
	const struct fake_event *last = fake_host_await(&fake, EVENT_OUTPUT, 1);
	assert_int_equal(last->event.output.ticket, TICKET);
	assert_int_equal(last->event.output.err, ERR_OK);
	assert_true(last->event.output.end.is_end);
	assert_true(last->event.output.end.is_final);
	assert_int_equal(line_count(last), 2);
	/* Reading on from there gives nothing more. */
	output_read(&output, TICKET, &run, last->event.output.offset, false, false);
	last = fake_host_await(&fake, EVENT_OUTPUT, 2);
	assert_int_equal(line_count(last), 0);
	fake_host_turn(&fake, 10);
	assert_int_equal(fake.event_count, 2);
}

static void test_nothing_there(void **state)
{
	(void)state;
	output_read(&output, TICKET, &run, 0, false, true);
	const struct fake_event *last = fake_host_await(&fake, EVENT_OUTPUT, 1);
	assert_int_equal(last->event.output.err, ERR_NOT_FOUND);
	assert_true(last->event.output.end.is_final);
	assert_int_equal(output.follow_count, 0);
}

static void test_follow(void **state)
{
	(void)state;
	begin_run();
	say("first\n");
	output_read(&output, TICKET, &run, 0, false, true);
	const struct fake_event *last = fake_host_await(&fake, EVENT_OUTPUT, 1);
	assert_false(last->event.output.end.is_final);
	uint64_t offset = last->event.output.offset;
	fake_host_turn(&fake, 20);
	assert_int_equal(fake.event_count, 1);
	say("second\n");
	last = fake_host_await(&fake, EVENT_OUTPUT, 2);
	assert_true(last->event.output.offset > offset);
	assert_false(last->event.output.end.is_final);
	end_run();
	while (!last->event.output.end.is_final)
		last = fake_host_await(&fake, EVENT_OUTPUT, fake_host_count(&fake, EVENT_OUTPUT) + 1);
	assert_int_equal(output.follow_count, 0);
}

static void test_stop(void **state)
{
	(void)state;
	begin_run();
	say("first\n");
	output_read(&output, TICKET, &run, 0, false, true);
	output_read(&output, TICKET + 1, &run, 0, false, true);
	(void)fake_host_await(&fake, EVENT_OUTPUT, 2);
	output_stop(&output, TICKET);
	say("second\n");
	const struct fake_event *last = fake_host_await(&fake, EVENT_OUTPUT, 3);
	assert_int_equal(last->event.output.ticket, TICKET + 1);
	fake_host_turn(&fake, 150);
	assert_int_equal(fake.event_count, 3);
	output_stop(&output, TICKET + 1);
	assert_int_equal(output.follow_count, 0);
	end_run();
}

static void test_much(void **state)
{
	(void)state;
	begin_run();
	char line[1001];
	memset(line, 'x', 999);
	line[999] = '\n';
	line[1000] = '\0';
	for (unsigned i = 0; i < 200; i++)
		say(line);
	end_run();
	output_read(&output, TICKET, &run, 0, false, true);
	const struct fake_event *last = fake_host_await(&fake, EVENT_OUTPUT, 1);
	while (!last->event.output.end.is_final)
		last = fake_host_await(&fake, EVENT_OUTPUT, fake.event_count + 1);
	assert_true(fake.event_count >= 4);
	for (unsigned i = 0; i < fake.event_count; i++)
		assert_true(fake.events[i].bytes <= OUTPUT_EVENT_BYTES);
}

static void test_limits(void **state)
{
	(void)state;
	begin_run();
	say("x\n");
	for (unsigned i = 0; i < OUTPUT_PENDING_MAX + 3; i++)
		output_read(&output, i + 1, &run, 0, false, true);
	assert_int_equal(output.follow_count, OUTPUT_FOLLOWERS_MAX);
	(void)fake_host_await(&fake, EVENT_OUTPUT, OUTPUT_PENDING_MAX + 3);
	fake_host_turn(&fake, 5);
	assert_int_equal(fake.event_count, OUTPUT_PENDING_MAX + 3);
	for (unsigned i = 0; i < fake.event_count; i++) {
		enum err expected = fake.events[i].event.output.ticket > OUTPUT_PENDING_MAX ? ERR_FULL
											    : ERR_OK;
		assert_int_equal(fake.events[i].event.output.err, expected);
	}
	/* Those over the limit got what there was; the others go on. */
	fake.event_count = 0;
	say("y\n");
	(void)fake_host_await(&fake, EVENT_OUTPUT, OUTPUT_FOLLOWERS_MAX);
	end_run();
}

static void test_memory(void **state)
{
	(void)state;
	begin_run();
	say("x\n");
	output_read(&output, TICKET, &run, 0, false, true);
	mem_fail_after(0);
	const struct fake_event *last = fake_host_await(&fake, EVENT_OUTPUT, 1);
	mem_fail_after(UINT64_MAX);
	assert_int_equal(last->event.output.err, ERR_NO_MEMORY);
	assert_true(last->event.output.end.is_final);
	end_run();
}

static void nobody(void *context)
{
	(void)context;
}

static void test_unwatched(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < WATCHES_MAX; i++)
		watch.entries[i] = (struct watch_entry){1 << 20, nobody, NULL};
	begin_run();
	say("a\n");
	output_read(&output, TICKET, &run, 0, false, true);
	(void)fake_host_await(&fake, EVENT_OUTPUT, 1);
	say("b\n");
	(void)fake_host_await(&fake, EVENT_OUTPUT, 2);
	end_run();
	assert_true(fake_host_await(&fake, EVENT_OUTPUT, 3)->event.output.end.is_final);
	memset(watch.entries, 0, sizeof(watch.entries));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"a read is answered once, and says where to go on", test_read, setup, teardown, NULL},
		{"output that is not here is said to be so", test_nothing_there, setup, teardown, NULL},
		{"a run that goes on is followed to its end", test_follow, setup, teardown, NULL},
		{"a follower that is stopped hears no more, another of the same run does",
		 test_stop, setup, teardown, NULL},
		{"much output comes in pieces", test_much, setup, teardown, NULL},
		{"more followers than there may be get what is there", test_limits, setup, teardown, NULL},
		{"a run whose file can not be watched is followed all the same", test_unwatched,
		 setup, teardown, NULL},
		{"without memory a read is answered with an error", test_memory, setup, teardown, NULL},
	};
	return cmocka_run_group_tests_name("follow", tests, NULL, NULL);
}
