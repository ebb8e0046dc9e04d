/* YAML documents as msgpack maps: configuration files and job files.
 *
 * This is the only file that knows a YAML library. It stands on libyaml and not on libcyaml, because libcyaml fills
 * structs by a schema: it has no free-form maps (a job's `env`), and does not tell the line and column of a value,
 * which every error about a key has to name.
 *
 * What is taken is a plain subset: maps with text keys, lists and scalars, anchors and aliases. Every scalar is text, as
 * written (`umask: 022` stays "022", `no` stays "no"): the reader of a key knows its type, so nothing is guessed. A plain
 * empty value, `~` or `null` is nil. Refused, with file:line:column: bad syntax, two equal keys in a map, an alias
 * inside its own anchor, merge keys (`<<`), tags (`!!int`, `!mine`) but `!!str`, text that is not UTF-8 or has a NUL,
 * and what exceeds the limits below. */
#ifndef AGENT_YAML_H
#define AGENT_YAML_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/err.h"
#include "proto/types.h"

#define YAML_FILE_BYTES_MAX (16u << 20) /* 10,000 jobs of the longest usual form fit */
#define YAML_DOCUMENT_BYTES_MAX \
	(512u << 10) /* as msgpack, aliases expanded; a definition has at most 64 KiB */
#define YAML_DOCUMENT_NODES_MAX 8192u /* keys, values and items, aliases expanded */
#define YAML_PATH_BYTES_MAX 256u

/* Both from 1; the column counts characters. 0, 0: not known. */
struct yaml_position {
	uint32_t line;
	uint32_t column;
};

struct yaml_node;

/* One document, borrowed during the callback. */
struct yaml_document {
	const char *file;              /* as given */
	uint32_t index;                /* from 0; empty documents are not counted */
	struct slice map;              /* msgpack map: str, nil, array, map */
	struct slice first_key;        /* what names the document: `job`; empty in an empty map */
	struct yaml_position position; /* where its first key stands */
	const struct yaml_node *nodes; /* for yaml_document_find */
	uint32_t node_count;
};

/* Called for each document in order. Anything but ERR_OK ends the reading, and is returned. */
typedef enum err (*yaml_on_document)(void *context, const struct yaml_document *document,
				     struct problem *problem);

/* `file` is the name that errors begin with.
 *
 * Errors: ERR_INVALID, ERR_RANGE (a limit), ERR_NO_MEMORY, or what the callback returned. Documents before a syntax
 * error have been handed out by then: a caller that must do all or nothing gathers first. */
MUST_CHECK enum err yaml_parse(struct slice text, const char *file, yaml_on_document on_document,
			       void *context, struct problem *problem);

/* The same for a file; path "-" is the standard input. Further errors: ERR_NOT_FOUND, ERR_IO. */
MUST_CHECK enum err yaml_read_file(const char *path, yaml_on_document on_document, void *context,
				   struct problem *problem);

/* Where the value of `path` stands, written as in "output.max" or "command[2]". What is not there has the position
 * of the deepest part of the path that is: of the document for an unknown key. ret_key may be NULL: where
 * the key stands (for a list's item, the item itself). */
struct yaml_position yaml_document_find(const struct yaml_document *document, const char *path,
					struct yaml_position *ret_key);

/* Puts "file:line:column: " of `path` in front of the problem's text. */
void yaml_document_locate(const struct yaml_document *document, const char *path,
			  struct problem *problem);

#endif
