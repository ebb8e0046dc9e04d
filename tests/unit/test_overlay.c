/* The overlay: what was put is seen at once, what is durable leaves it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/store/batch.h"
#include "agent/store/store.h"
#include "agent/store/store_mem.h"
#include "proto/limits.h"

struct fixture {
	struct store_backend *backend;
	struct store_overlay *overlay;
	const struct store_view *view;
};

static int setup(void **state)
{
	static struct fixture fixture;
	fixture.backend = store_mem_new();
	fixture.overlay = store_overlay_new(fixture.backend);
	fixture.view = store_overlay_view(fixture.overlay);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	store_overlay_free(fixture->overlay);
	store_mem_free(fixture->backend);
	return 0;
}

static void put(struct fixture *fixture, const char *key, const char *value)
{
	fixture->view->put(fixture->view->context, TABLE_ARCS, slice_str(key), slice_str(value));
}

static void drop(struct fixture *fixture, const char *key)
{
	fixture->view->remove(fixture->view->context, TABLE_ARCS, slice_str(key));
}

/* "-": none. */
static void expect(struct fixture *fixture, const char *key, const char *value)
{
	uint8_t memory[64];
	struct buf got;
	buf_init(&got, memory, sizeof(memory));
	enum err err = fixture->view->get(fixture->view->context, TABLE_ARCS, slice_str(key), &got);
	if (strcmp(value, "-") == 0) {
		assert_int_equal(err, ERR_NOT_FOUND);
		return;
	}
	assert_int_equal(err, ERR_OK);
	assert_true(slice_equal(buf_slice(&got), slice_str(value)));
}

/* All records of TABLE_ARCS as "key=value " one after the other; the key buf is fed back as the
 * place to go on from. */
static void expect_list(const struct store_view *view, const char *wanted)
{
	uint8_t key_memory[STORE_KEY_BYTES_MAX];
	uint8_t value_memory[64];
	char text[1024] = "";
	struct buf key;
	struct buf value;
	buf_init(&key, key_memory, sizeof(key_memory));
	buf_init(&value, value_memory, sizeof(value_memory));
	size_t length = 0;
	while (view->next(view->context, TABLE_ARCS, buf_slice(&key), &key, &value) == ERR_OK)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%.*s=%.*s ",
					   (int)key.bytes, (const char *)key.data, (int)value.bytes,
					   (const char *)value.data);
	assert_string_equal(text, wanted);
}

static void commit_all(struct fixture *fixture)
{
	struct store_batch *batch = store_overlay_take(fixture->overlay);
	if (batch == NULL)
		return;
	struct store_backend *backend = fixture->backend;
	assert_int_equal(backend->commit(backend->context, batch, NULL), ERR_OK);
	store_overlay_committed(fixture->overlay, batch);
	store_batch_free(batch);
}

static void test_a_put_is_seen_by_the_next_read(void **state)
{
	struct fixture *fixture = *state;
	expect(fixture, "a", "-");
	put(fixture, "a", "1");
	expect(fixture, "a", "1");
	assert_int_equal(store_mem_record_count(fixture->backend), 0);
	commit_all(fixture);
	expect(fixture, "a", "1");
	assert_int_equal(store_mem_record_count(fixture->backend), 1);
}

static void test_a_removal_hides_a_durable_record(void **state)
{
	struct fixture *fixture = *state;
	put(fixture, "a", "1");
	put(fixture, "b", "2");
	put(fixture, "c", "3");
	commit_all(fixture);
	drop(fixture, "b");
	expect(fixture, "b", "-");
	expect_list(fixture->view, "a=1 c=3 ");
	drop(fixture, "c");
	expect_list(fixture->view, "a=1 ");
	commit_all(fixture);
	expect_list(fixture->view, "a=1 ");
	assert_int_equal(store_mem_record_count(fixture->backend), 1);
}

static void test_next_merges_both_in_the_order_of_memcmp(void **state)
{
	struct fixture *fixture = *state;
	put(fixture, "b", "2");
	put(fixture, "ba", "3");
	put(fixture, "d", "5");
	commit_all(fixture);
	put(fixture, "a", "1");
	put(fixture, "c", "4");
	put(fixture, "d", "6");
	put(fixture, "\xff", "7");
	expect_list(fixture->view, "a=1 b=2 ba=3 c=4 d=6 \xff=7 ");
}

static void test_a_put_during_a_commit_wins_over_the_value_in_flight(void **state)
{
	struct fixture *fixture = *state;
	put(fixture, "a", "old");
	put(fixture, "b", "kept");
	struct store_batch *first = store_overlay_take(fixture->overlay);
	put(fixture, "a", "new");
	expect(fixture, "a", "new");
	struct store_backend *backend = fixture->backend;
	assert_int_equal(backend->commit(backend->context, first, NULL), ERR_OK);
	store_overlay_committed(fixture->overlay, first);
	store_batch_free(first);
	expect(fixture, "a", "new");
	expect(fixture, "b", "kept");
	commit_all(fixture);
	expect(fixture, "a", "new");
	assert_null(store_overlay_take(fixture->overlay));
}

static void test_several_batches_may_be_in_flight_in_order(void **state)
{
	struct fixture *fixture = *state;
	struct store_backend *backend = fixture->backend;
	struct store_batch *batches[3];
	put(fixture, "a", "1");
	batches[0] = store_overlay_take(fixture->overlay);
	drop(fixture, "a");
	batches[1] = store_overlay_take(fixture->overlay);
	put(fixture, "a", "3");
	batches[2] = store_overlay_take(fixture->overlay);
	for (int i = 0; i < 3; i++) {
		expect(fixture, "a", "3");
		assert_int_equal(backend->commit(backend->context, batches[i], NULL), ERR_OK);
		store_overlay_committed(fixture->overlay, batches[i]);
		store_batch_free(batches[i]);
	}
	expect(fixture, "a", "3");
}

static void test_a_key_occurs_once_in_a_batch_with_its_last_value(void **state)
{
	struct fixture *fixture = *state;
	put(fixture, "a", "1");
	put(fixture, "b", "2");
	put(fixture, "a", "3");
	drop(fixture, "b");
	struct store_batch *batch = store_overlay_take(fixture->overlay);
	assert_int_equal(store_batch_count(batch), 2);
	struct store_change change = store_batch_at(batch, 0);
	assert_true(slice_equal(change.key, slice_str("a")));
	assert_true(slice_equal(change.value, slice_str("3")));
	assert_false(change.is_remove);
	assert_int_equal(change.table, TABLE_ARCS);
	assert_true(store_batch_at(batch, 1).is_remove);
	store_batch_free(batch);
}

static void test_take_without_changes_gives_nothing(void **state)
{
	struct fixture *fixture = *state;
	assert_null(store_overlay_take(fixture->overlay));
	put(fixture, "a", "1");
	commit_all(fixture);
	assert_null(store_overlay_take(fixture->overlay));
}

static void test_tables_do_not_see_each_other(void **state)
{
	struct fixture *fixture = *state;
	const struct store_view *view = fixture->view;
	view->put(view->context, TABLE_REGISTERS, slice_str("z"), slice_str("1"));
	view->put(view->context, TABLE_SELF, slice_str("a"), slice_str("1"));
	expect_list(view, "");
	commit_all(fixture);
	expect_list(view, "");
}

static void test_a_buffer_that_is_too_small_is_refused(void **state)
{
	struct fixture *fixture = *state;
	put(fixture, "key", "a value");
	for (int round = 0; round < 2; round++) {
		uint8_t memory[8];
		struct buf small;
		struct buf key;
		buf_init(&small, memory, 6);
		buf_init(&key, memory, 2);
		void *context = fixture->view->context;
		enum err err = fixture->view->get(context, TABLE_ARCS, slice_str("key"), &small);
		assert_int_equal(err, ERR_FULL);
		assert_int_equal(small.bytes, 0);
		err = fixture->view->next(context, TABLE_ARCS, slice_str(""), &key, NULL);
		assert_int_equal(err, ERR_FULL);
		commit_all(fixture);
	}
}

static void test_a_hidden_record_need_not_fit_the_buffer(void **state)
{
	struct fixture *fixture = *state;
	put(fixture, "a", "a very long value that is overwritten soon");
	put(fixture, "b", "2");
	commit_all(fixture);
	drop(fixture, "a");
	uint8_t key_memory[8];
	uint8_t memory[2];
	struct buf key;
	struct buf value;
	buf_init(&key, key_memory, sizeof(key_memory));
	buf_init(&value, memory, sizeof(memory));
	enum err err = fixture->view->next(fixture->view->context, TABLE_ARCS, slice_str(""), &key,
					   &value);
	assert_int_equal(err, ERR_OK);
	assert_true(slice_equal(buf_slice(&key), slice_str("b")));
}

static void test_a_batch_that_lacks_a_change_is_never_committed(void **state)
{
	struct fixture *fixture = *state;
	struct store_batch broken = {.is_broken = true, .is_embedded = true};
	struct problem problem = {0};
	struct store_backend *backend = fixture->backend;
	enum err err = backend->commit(backend->context, &broken, &problem);
	assert_int_equal(err, ERR_NO_MEMORY);
	assert_non_null(strstr(problem.text, "out of memory"));
	store_batch_free(&broken);
}

/* A model of 64 keys beside the store: random puts, removals, takes and commits, compared by get
 * and by next. */
#define MODEL_KEYS 64u

static uint32_t draw(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % below;
}

static void model_key(uint32_t index, char ret_key[8])
{
	/* Of different lengths, some a prefix of others. */
	(void)snprintf(ret_key, 8, "%.*s", (int)(1 + index % 3),
		       (const char[]){(char)('a' + index / 8), (char)('a' + index % 8), 'x', 0});
}

static void model_compare(struct fixture *fixture, char model[MODEL_KEYS][16])
{
	const struct store_view *view = fixture->view;
	uint8_t key_memory[16];
	uint8_t value_memory[16];
	struct buf key;
	struct buf value;
	buf_init(&key, key_memory, sizeof(key_memory));
	buf_init(&value, value_memory, sizeof(value_memory));
	uint32_t seen = 0;
	uint32_t live = 0;
	uint8_t before[16];
	size_t before_bytes = 0;
	while (view->next(view->context, TABLE_ARCS, buf_slice(&key), &key, &value) == ERR_OK) {
		size_t shared = before_bytes < key.bytes ? before_bytes : key.bytes;
		int order = memcmp(before, key.data, shared);
		assert_true(order < 0 || (order == 0 && before_bytes < key.bytes));
		memcpy(before, key.data, key.bytes);
		before_bytes = key.bytes;
		seen++;
	}
	for (uint32_t i = 0; i < MODEL_KEYS; i++) {
		char name[8];
		model_key(i, name);
		/* Several indexes may give one key: only the last writer's model entry counts. */
		if (model[i][0] != 0) {
			expect(fixture, name, model[i]);
			live++;
		}
	}
	assert_int_equal(seen, live);
}

static void model_set(char model[MODEL_KEYS][16], uint32_t index, const char *value)
{
	char name[8];
	model_key(index, name);
	for (uint32_t i = 0; i < MODEL_KEYS; i++) {
		char other[8];
		model_key(i, other);
		if (strcmp(name, other) == 0)
			model[i][0] = 0;
	}
	(void)snprintf(model[index], 16, "%s", value);
}

static void test_random_changes_agree_with_a_model(void **state)
{
	struct fixture *fixture = *state;
	static char model[MODEL_KEYS][16];
	memset(model, 0, sizeof(model));
	uint32_t seed = 7;
	struct store_batch *flying[4];
	uint32_t flying_count = 0;
	for (uint32_t round = 0; round < 6000; round++) {
		char name[8];
		char value[16];
		uint32_t index = draw(&seed, MODEL_KEYS);
		model_key(index, name);
		(void)snprintf(value, sizeof(value), "%u", round);
		uint32_t action = draw(&seed, 100);
		if (action < 50) {
			put(fixture, name, value);
			model_set(model, index, value);
		} else if (action < 85) {
			drop(fixture, name);
			model_set(model, index, "");
		} else if (action < 93 && flying_count < 4) {
			flying[flying_count] = store_overlay_take(fixture->overlay);
			flying_count += flying[flying_count] != NULL;
		} else if (flying_count > 0) {
			struct store_backend *backend = fixture->backend;
			assert_int_equal(backend->commit(backend->context, flying[0], NULL), 0);
			store_overlay_committed(fixture->overlay, flying[0]);
			store_batch_free(flying[0]);
			flying_count--;
			memmove(flying, flying + 1, flying_count * sizeof(flying[0]));
		}
		if (round % 16 == 0)
			model_compare(fixture, model);
	}
	while (flying_count > 0)
		store_batch_free(flying[--flying_count]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(test_a_put_is_seen_by_the_next_read),
		CASE(test_a_removal_hides_a_durable_record),
		CASE(test_next_merges_both_in_the_order_of_memcmp),
		CASE(test_a_put_during_a_commit_wins_over_the_value_in_flight),
		CASE(test_several_batches_may_be_in_flight_in_order),
		CASE(test_a_key_occurs_once_in_a_batch_with_its_last_value),
		CASE(test_take_without_changes_gives_nothing),
		CASE(test_tables_do_not_see_each_other),
		CASE(test_a_buffer_that_is_too_small_is_refused),
		CASE(test_a_hidden_record_need_not_fit_the_buffer),
		CASE(test_a_batch_that_lacks_a_change_is_never_committed),
		CASE(test_random_changes_agree_with_a_model),
	};
	return cmocka_run_group_tests_name("overlay", tests, NULL, NULL);
}
