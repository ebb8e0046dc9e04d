/* Making definitions from text: flags, files, edits; and showing them as text again.
 *
 * A definition under construction is a buf that holds an encoded definition at any time: begin, set keys in any order,
 * and let definition_decode judge the whole. A setter checks its value as definition_decode does; on error the
 * definition is as it was and `problem` begins with the key. A buf of DEFINITION_BYTES_MAX + 4096 bytes is never too
 * small for a definition that is not too large. */
#ifndef PROTO_DEFINITION_BUILD_H
#define PROTO_DEFINITION_BUILD_H

#include "proto/definition.h"

#define DEFINITION_BUILD_BYTES (DEFINITION_BYTES_MAX + 4096u)

/* Empties the buf and makes it a definition without keys. */
void definition_begin(struct buf *definition);

/* Sets a key to what `text` says: a flag's value or a scalar of a file. For `env` the text is NAME=VALUE and adds
 * or replaces one variable; for `ok_exit` it is a list with commas, "0,3"; `job` gets its group; `never_twice`
 * sets on_lost and on_split. A command is no single text (definition_set_list). */
MUST_CHECK enum err definition_set_text(struct buf *definition, enum definition_key_id id,
					struct slice text, struct problem *problem);
/* Sets `command` or `ok_exit` to a list of texts. */
MUST_CHECK enum err definition_set_list(struct buf *definition, enum definition_key_id id, size_t count,
					const struct slice *texts, struct problem *problem);
/* Adds or replaces one variable of `env`. */
MUST_CHECK enum err definition_set_variable(struct buf *definition, struct slice name,
					    struct slice value, struct problem *problem);
/* Sets a key whose values are numbers to one that is known already, in the key's unit: `anchor`, `at`, `every`... */
MUST_CHECK enum err definition_set_number(struct buf *definition, enum definition_key_id id,
					  int64_t value, struct problem *problem);
/* Sets a key to an encoded value, for example of another definition; the value must not lie in the same buf. */
MUST_CHECK enum err definition_set_value(struct buf *definition, enum definition_key_id id,
					 struct slice value, struct problem *problem);
/* Takes a key away, so that its default holds. */
void definition_unset(struct buf *definition, enum definition_key_id id);

#define DEFINITION_KEY_PATH_BYTES 256u
/* Makes a definition of a document: a msgpack map as agent/yaml.h hands out, all of whose scalars are text. Begins
 * the definition, sets its keys, and has the whole decoded. On error ret_path names the place as
 * yaml_document_find takes it: "cron", "env.PATH", "command[2]", or "" for the whole. */
MUST_CHECK enum err definition_from_document(struct slice document, struct buf *ret_definition,
					     char ret_path[DEFINITION_KEY_PATH_BYTES],
					     struct problem *problem);

/* The encoded value of a key; false: it is not set. Borrowed from the definition. */
bool definition_find(struct slice definition, enum definition_key_id id, struct slice *ret_value);
/* Appends a key's encoded value as text that is also YAML on one line: 90s, "0 3 * * *", ["a", "b"],
 * {PATH: "/bin"}. What could harm a terminal is escaped in the YAML way. */
void definition_put_value_text(struct buf *out, enum definition_key_id id, struct slice value);
/* Appends the whole definition as a YAML document without its "---" line: reading it again gives the same bytes. */
void definition_put_yaml(struct buf *out, struct slice definition);

#endif
