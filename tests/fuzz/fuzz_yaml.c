/* YAML of configuration and job files. What is accepted is sound msgpack within the limits, and every key and value
 * of it is found again where it stands. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/yaml.h"
#include "proto/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

static enum err on_document(void *context, const struct yaml_document *document, struct problem *problem)
{
	struct wire_reader reader;
	wire_reader_init(&reader, document->map);
	(void)context;
	if (wire_peek(&reader) != WIRE_MAP || document->map.bytes > YAML_DOCUMENT_BYTES_MAX)
		abort();
	wire_skip(&reader);
	if (wire_reader_end(&reader) != ERR_OK)
		abort();
	static const char *const paths[] = {"",    "a",  "a.b", "a[0]", "a[1].b",
					    "[0]", "a[", "a.",  "job",  "env.K"};
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct yaml_position key_at;
		struct yaml_position at = yaml_document_find(document, paths[i], &key_at);
		if (at.line == 0 || at.column == 0 || key_at.line == 0)
			abort();
		(void)problem_set(problem, ERR_INVALID, "x");
		yaml_document_locate(document, paths[i], problem);
	}
	return ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
	struct problem problem = {0};
	enum err err = yaml_parse(slice_of(bytes, bytes_count), "f", on_document, NULL, &problem);
	if (err != ERR_OK && problem.text[0] == '\0')
		abort();
	return 0;
}
