/* Any bytes as a stored definition and as a document: what the decoder accepts can be shown, taken apart and built
 * again to the same bytes; what is built from a document is accepted by the decoder.
 *
 * The first byte of the input chooses: even, the rest is a definition; odd, it is a document. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/definition_build.h"
#include "proto/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

static uint8_t memory[DEFINITION_BUILD_BYTES];
static uint8_t text_memory[8 * DEFINITION_BUILD_BYTES];

static void check_fields(const struct definition *definition)
{
	char schedule[DEFINITION_SCHEDULE_BYTES];
	definition_format_schedule(definition, schedule);
	assert(strlen(schedule) > 0);
	assert(definition->job.bytes > 0 && definition->job.bytes <= JOB_NAME_BYTES_MAX);
	assert((definition->command.bytes > 0) != (definition->shell.bytes > 0));
	assert(definition->umask <= 0777);
	assert(definition->start_deadline_ms > 0 && definition->timeout_ms >= 0 &&
	       definition->kill_grace_ms >= 0);
	int ok_count = 0;
	for (int code = -1; code <= 256; code++)
		ok_count += definition_exit_is_ok(definition, code);
	assert(ok_count > 0);
}

/* Sets all keys that are set in `bytes`, the last one first. */
static struct buf build_again(struct slice bytes)
{
	struct buf again;
	buf_init(&again, memory, sizeof(memory));
	definition_begin(&again);
	for (unsigned i = DEFINITION_KEY_COUNT; i-- > 0;) {
		struct slice value;
		enum definition_key_id id = (enum definition_key_id)i;
		if (!definition_find(bytes, id, &value))
			continue;
		enum err err = definition_set_value(&again, id, value, NULL);
		assert(err == ERR_OK);
	}
	return again;
}

static void check_accepted(struct slice bytes, const struct definition *definition)
{
	check_fields(definition);
	struct buf text;
	buf_init(&text, text_memory, sizeof(text_memory));
	definition_put_yaml(&text, bytes);
	assert(!text.has_overflowed && text_is_utf8(buf_slice(&text)));
	struct buf again = build_again(bytes);
	struct definition decoded;
	enum err err = definition_decode(buf_slice(&again), &decoded, NULL);
	/* In a wider form than is written, it may have been just small enough. */
	assert(err == ERR_OK || again.bytes > DEFINITION_BYTES_MAX);
	if (again.bytes == bytes.bytes)
		assert(memcmp(again.data + 3, bytes.data + 3, bytes.bytes - 3) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
	if (bytes_count < 1)
		return 0;
	struct slice input = slice_of(bytes + 1, bytes_count - 1);
	struct definition definition;
	struct problem problem = {.code = ERR_OK};
	if (bytes[0] % 2 == 0) {
		enum err err = definition_decode(input, &definition, &problem);
		assert(err == problem.code && (err == ERR_OK || strlen(problem.text) > 0));
		if (err == ERR_OK)
			check_accepted(input, &definition);
		return 0;
	}
	static uint8_t document_memory[DEFINITION_BUILD_BYTES];
	struct buf built;
	buf_init(&built, document_memory, sizeof(document_memory));
	char path[DEFINITION_KEY_PATH_BYTES];
	enum err err = definition_from_document(input, &built, path, &problem);
	assert(err == problem.code && (err == ERR_OK || strlen(problem.text) > 0));
	if (err != ERR_OK)
		return 0;
	err = definition_decode(buf_slice(&built), &definition, &problem);
	assert(err == ERR_OK);
	check_accepted(buf_slice(&built), &definition);
	return 0;
}
