/* YAML documents as msgpack maps. libyaml composes each document into nodes; a walk then checks what this program takes,
 * writes the msgpack, and keeps where each key and value stands. */
#include "agent/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "proto/limits.h"
#include "proto/text.h"
#include "proto/wire.h"

#define READ_CHUNK_BYTES 65536u
#define NODE_NONE UINT32_MAX

/* In the order in which the walk meets them, so that a parent stands before its children. */
struct yaml_node {
	uint32_t parent;  /* NODE_NONE: the document */
	uint32_t index;   /* of a list's item */
	struct slice key; /* of a map's value, lies in the msgpack; empty data: an item */
	struct yaml_position key_at;
	struct yaml_position value_at;
};

struct yaml_walk {
	yaml_document_t *tree;
	const char *file;
	struct buf out;
	struct yaml_node *nodes; /* YAML_DOCUMENT_NODES_MAX */
	uint32_t node_count;
	const yaml_node_t *open[WIRE_DEPTH_MAX]; /* the maps and lists that we are in */
	struct problem *problem;
};

static struct yaml_position position_of(const yaml_mark_t *mark)
{
	return (struct yaml_position){
		.line = (uint32_t)mark->line + 1,
		.column = (uint32_t)mark->column + 1,
	};
}

PRINTF_LIKE(4, 5)
static enum err fail(const struct yaml_walk *walk, const yaml_mark_t *mark, enum err code,
		     const char *format, ...)
{
	char text[PROBLEM_TEXT_BYTES_MAX];
	struct yaml_position at = position_of(mark);
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return problem_set(walk->problem, code, "%s:%u:%u: %s", walk->file, at.line, at.column, text);
}

/* ---- the walk ---- */

static enum err walk_value(struct yaml_walk *walk, const yaml_node_t *node, unsigned depth,
			   uint32_t parent);

static bool is_plain_nil(const yaml_node_t *node)
{
	if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	struct slice text = slice_of(node->data.scalar.value, node->data.scalar.length);
	return text.bytes == 0 || slice_equal(text, slice_str("~")) ||
	       slice_equal(text, slice_str("null"));
}

static enum err check_tag(const struct yaml_walk *walk, const yaml_node_t *node)
{
	static const char *const known[] = {
		[YAML_SCALAR_NODE] = YAML_STR_TAG,
		[YAML_SEQUENCE_NODE] = YAML_SEQ_TAG,
		[YAML_MAPPING_NODE] = YAML_MAP_TAG,
	};
	const char *tag = (const char *)node->tag;
	if (tag == NULL || strcmp(tag, known[node->type]) == 0)
		return ERR_OK;
	char shown[64];
	text_escape(slice_str(tag), shown, sizeof(shown));
	return fail(walk, &node->start_mark, ERR_INVALID,
		    "the type %s is not known here: leave it out", shown);
}

static enum err check_text(const struct yaml_walk *walk, const yaml_node_t *node)
{
	struct slice text = slice_of(node->data.scalar.value, node->data.scalar.length);
	if (text_is_utf8(text))
		return ERR_OK;
	return fail(walk, &node->start_mark, ERR_INVALID,
		    "the text is not valid UTF-8, or has a NUL in it");
}

/* The record for a value; its place in the list is how children name it. */
static enum err walk_add(struct yaml_walk *walk, const yaml_node_t *value, uint32_t parent,
			 uint32_t *ret_index)
{
	if (walk->node_count == YAML_DOCUMENT_NODES_MAX)
		return fail(walk, &value->start_mark, ERR_RANGE,
			    "the document has more than %u values", YAML_DOCUMENT_NODES_MAX);
	*ret_index = walk->node_count++;
	walk->nodes[*ret_index] = (struct yaml_node){
		.parent = parent,
		.value_at = position_of(&value->start_mark),
	};
	walk->nodes[*ret_index].key_at = walk->nodes[*ret_index].value_at;
	return ERR_OK;
}

static enum err check_key(const struct yaml_walk *walk, const yaml_node_t *map,
			  const yaml_node_pair_t *pair)
{
	const yaml_node_t *key = yaml_document_get_node(walk->tree, pair->key);
	if (key->type != YAML_SCALAR_NODE)
		return fail(walk, &key->start_mark, ERR_INVALID, "a key must be text");
	enum err err = check_tag(walk, key);
	if (err != ERR_OK)
		return err;
	err = check_text(walk, key);
	if (err != ERR_OK)
		return err;
	struct slice text = slice_of(key->data.scalar.value, key->data.scalar.length);
	if (text.bytes == 0)
		return fail(walk, &key->start_mark, ERR_INVALID, "a key is empty");
	if (slice_equal(text, slice_str("<<")))
		return fail(walk, &key->start_mark, ERR_INVALID,
			    "merge keys (<<) are not taken: write the keys out");
	for (const yaml_node_pair_t *before = map->data.mapping.pairs.start; before < pair; before++) {
		const yaml_node_t *other = yaml_document_get_node(walk->tree, before->key);
		if (!slice_equal(text, slice_of(other->data.scalar.value, other->data.scalar.length)))
			continue;
		char shown[96];
		text_escape(text, shown, sizeof(shown));
		return fail(walk, &key->start_mark, ERR_INVALID,
			    "key \"%s\" is there twice, first in line %u", shown,
			    position_of(&other->start_mark).line);
	}
	return ERR_OK;
}

static enum err walk_map(struct yaml_walk *walk, const yaml_node_t *node, unsigned depth, uint32_t parent)
{
	const yaml_node_pair_t *first = node->data.mapping.pairs.start;
	const yaml_node_pair_t *end = node->data.mapping.pairs.top;
	/* Before the keys are held against one another, which takes the square of their count. */
	if ((size_t)(end - first) > YAML_DOCUMENT_NODES_MAX)
		return fail(walk, &node->start_mark, ERR_RANGE,
			    "the document has more than %u values", YAML_DOCUMENT_NODES_MAX);
	wire_put_map(&walk->out, (uint32_t)(end - first));
	for (const yaml_node_pair_t *pair = first; pair < end; pair++) {
		enum err err = check_key(walk, node, pair);
		if (err != ERR_OK)
			return err;
		const yaml_node_t *key = yaml_document_get_node(walk->tree, pair->key);
		const yaml_node_t *value = yaml_document_get_node(walk->tree, pair->value);
		uint32_t index;
		err = walk_add(walk, value, parent, &index);
		if (err != ERR_OK)
			return err;
		wire_put_str(&walk->out, key->data.scalar.value, key->data.scalar.length);
		walk->nodes[index].key_at = position_of(&key->start_mark);
		walk->nodes[index].key = slice_of(walk->out.data + walk->out.bytes -
							  key->data.scalar.length,
						  key->data.scalar.length);
		err = walk_value(walk, value, depth, index);
		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}

static enum err walk_list(struct yaml_walk *walk, const yaml_node_t *node, unsigned depth, uint32_t parent)
{
	const yaml_node_item_t *first = node->data.sequence.items.start;
	const yaml_node_item_t *end = node->data.sequence.items.top;
	wire_put_array(&walk->out, (uint32_t)(end - first));
	for (const yaml_node_item_t *item = first; item < end; item++) {
		const yaml_node_t *value = yaml_document_get_node(walk->tree, *item);
		uint32_t index;
		enum err err = walk_add(walk, value, parent, &index);
		if (err != ERR_OK)
			return err;
		walk->nodes[index].index = (uint32_t)(item - first);
		err = walk_value(walk, value, depth, index);
		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}

static enum err walk_nested(struct yaml_walk *walk, const yaml_node_t *node, unsigned depth,
			    uint32_t parent)
{
	for (unsigned i = 0; i < depth; i++) {
		if (walk->open[i] == node)
			return fail(walk, &node->start_mark, ERR_INVALID,
				    "an alias stands inside its own anchor");
	}
	if (depth == WIRE_DEPTH_MAX)
		return fail(walk, &node->start_mark, ERR_RANGE,
			    "more than %u maps or lists inside one another", WIRE_DEPTH_MAX);
	walk->open[depth] = node;
	if (node->type == YAML_MAPPING_NODE)
		return walk_map(walk, node, depth + 1, parent);
	return walk_list(walk, node, depth + 1, parent);
}

/* Recursion is bounded by WIRE_DEPTH_MAX. */
static enum err walk_value(struct yaml_walk *walk, const yaml_node_t *node, unsigned depth,
			   uint32_t parent)
{
	enum err err = check_tag(walk, node);
	if (err != ERR_OK)
		return err;
	if (node->type != YAML_SCALAR_NODE)
		return walk_nested(walk, node, depth, parent);
	err = check_text(walk, node);
	if (err != ERR_OK)
		return err;
	if (is_plain_nil(node))
		wire_put_nil(&walk->out);
	else
		wire_put_str(&walk->out, node->data.scalar.value, node->data.scalar.length);
	if (walk->out.has_overflowed)
		return fail(walk, &node->start_mark, ERR_RANGE,
			    "the document is longer than %u KiB", YAML_DOCUMENT_BYTES_MAX >> 10);
	return ERR_OK;
}

static enum err walk_document(struct yaml_walk *walk, uint32_t document_index,
			      yaml_on_document on_document, void *context)
{
	const yaml_node_t *root = yaml_document_get_root_node(walk->tree);
	if (root->type != YAML_MAPPING_NODE)
		return fail(walk, &root->start_mark, ERR_INVALID,
			    "a document must be a map: `key: value` lines");
	buf_clear(&walk->out);
	walk->node_count = 0;
	enum err err = walk_value(walk, root, 0, NODE_NONE);
	if (err != ERR_OK)
		return err;
	struct yaml_document document = {
		.file = walk->file,
		.index = document_index,
		.map = buf_slice(&walk->out),
		.position = position_of(&root->start_mark),
		.nodes = walk->nodes,
		.node_count = walk->node_count,
	};
	if (walk->node_count > 0) {
		document.first_key = walk->nodes[0].key;
		document.position = walk->nodes[0].key_at;
	}
	return on_document(context, &document, walk->problem);
}

/* ---- syntax ---- */

/* libyaml tells where bad bytes are by an offset only. */
static yaml_mark_t mark_of_offset(struct slice text, size_t offset)
{
	yaml_mark_t mark = {.index = offset};
	for (size_t i = 0; i < offset && i < text.bytes; i++) {
		if (text.data[i] == '\n') {
			mark.line++;
			mark.column = 0;
		} else if ((text.data[i] & 0xC0u) != 0x80u) {
			mark.column++;
		}
	}
	return mark;
}

static enum err fail_syntax(const struct yaml_walk *walk, const yaml_parser_t *parser, struct slice text)
{
	const char *why = parser->problem != NULL ? parser->problem : "bad syntax";
	yaml_mark_t mark = parser->problem_mark;
	if (parser->error == YAML_MEMORY_ERROR)
		return problem_set(walk->problem, ERR_NO_MEMORY, "%s: out of memory", walk->file);
	if (parser->error == YAML_READER_ERROR)
		mark = mark_of_offset(text, parser->problem_offset);
	if (parser->context != NULL)
		return fail(walk, &mark, ERR_INVALID, "%s (%s that began in line %zu)", why,
			    parser->context, parser->context_mark.line + 1);
	return fail(walk, &mark, ERR_INVALID, "%s", why);
}

static bool is_empty_document(yaml_document_t *tree)
{
	const yaml_node_t *root = yaml_document_get_root_node(tree);
	return is_plain_nil(root) && root->data.scalar.length == 0;
}

static enum err parse_documents(struct yaml_walk *walk, yaml_parser_t *parser, struct slice text,
				yaml_on_document on_document, void *context)
{
	for (uint32_t index = 0;;) {
		yaml_document_t tree;
		if (!yaml_parser_load(parser, &tree))
			return fail_syntax(walk, parser, text);
		walk->tree = &tree;
		enum err err = ERR_OK;
		bool is_end = yaml_document_get_root_node(&tree) == NULL;
		if (!is_end && !is_empty_document(&tree))
			err = walk_document(walk, index++, on_document, context);
		yaml_document_delete(&tree);
		if (is_end || err != ERR_OK)
			return err;
	}
}

enum err yaml_parse(struct slice text, const char *file, yaml_on_document on_document,
		    void *context, struct problem *problem)
{
	if (text.bytes > YAML_FILE_BYTES_MAX)
		return problem_set(problem, ERR_RANGE, "%s: longer than %u MiB", file,
				   YAML_FILE_BYTES_MAX >> 20);
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser))
		return problem_set(problem, ERR_NO_MEMORY, "%s: out of memory", file);
	/* An empty file is a slice without memory, which libyaml takes for a bug of ours. */
	static const uint8_t nothing[1];
	yaml_parser_set_input_string(&parser, text.bytes > 0 ? text.data : nothing, text.bytes);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	struct yaml_walk walk = {.file = file, .problem = problem};
	void *memory = malloc(YAML_DOCUMENT_BYTES_MAX);
	walk.nodes = calloc(YAML_DOCUMENT_NODES_MAX, sizeof(*walk.nodes));
	enum err err = ERR_NO_MEMORY;
	if (memory == NULL || walk.nodes == NULL) {
		(void)problem_set(problem, err, "%s: out of memory", file);
	} else {
		buf_init(&walk.out, memory, YAML_DOCUMENT_BYTES_MAX);
		err = parse_documents(&walk, &parser, text, on_document, context);
	}
	free(walk.nodes);
	free(memory);
	yaml_parser_delete(&parser);
	return err;
}

static enum err read_all(FILE *stream, const char *name, uint8_t **ret_data, size_t *ret_bytes,
			 struct problem *problem)
{
	uint8_t *data = NULL;
	size_t bytes = 0;
	while (bytes <= YAML_FILE_BYTES_MAX) {
		uint8_t *grown = realloc(data, bytes + READ_CHUNK_BYTES);
		if (grown == NULL) {
			free(data);
			return problem_set(problem, ERR_NO_MEMORY, "%s: out of memory", name);
		}
		data = grown;
		size_t got = fread(data + bytes, 1, READ_CHUNK_BYTES, stream);
		bytes += got;
		if (got < READ_CHUNK_BYTES)
			break;
	}
	if (ferror(stream)) {
		int code = errno;
		free(data);
		return problem_set(problem, ERR_IO, "%s: %s", name, strerror(code));
	}
	*ret_data = data;
	*ret_bytes = bytes;
	return ERR_OK;
}

enum err yaml_read_file(const char *path, yaml_on_document on_document, void *context,
			struct problem *problem)
{
	bool is_stdin = strcmp(path, "-") == 0;
	const char *name = is_stdin ? "stdin" : path;
	FILE *stream = is_stdin ? stdin : fopen(path, "re");
	if (stream == NULL)
		return problem_set(problem, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: %s",
				   name, strerror(errno));
	uint8_t *data = NULL;
	size_t bytes = 0;
	errno = 0;
	enum err err = read_all(stream, name, &data, &bytes, problem);
	if (!is_stdin)
		(void)fclose(stream);
	if (err != ERR_OK)
		return err;
	err = yaml_parse(slice_of(data, bytes), name, on_document, context, problem);
	free(data);
	return err;
}

/* ---- positions ---- */

/* Takes one step of a path: ".name", "name" or "[3]"; false at the end or for what is no path. */
static bool path_step(const char **path, struct slice *ret_key, uint32_t *ret_index)
{
	const char *at = *path;
	*ret_key = slice_of(NULL, 0);
	if (*at == '[') {
		char *end;
		unsigned long index = strtoul(at + 1, &end, 10);
		if (*end != ']')
			return false;
		*ret_index = index > UINT32_MAX ? UINT32_MAX : (uint32_t)index;
		*path = end + 1;
		return true;
	}
	if (*at == '.')
		at++;
	size_t bytes = strcspn(at, ".[");
	if (bytes == 0)
		return false;
	*ret_key = slice_of(at, bytes);
	*path = at + bytes;
	return true;
}

struct yaml_position yaml_document_find(const struct yaml_document *document, const char *path,
					struct yaml_position *ret_key)
{
	struct yaml_position value_at = document->position;
	struct yaml_position key_at = document->position;
	uint32_t parent = NODE_NONE;
	struct slice key;
	uint32_t index = 0;
	while (path_step(&path, &key, &index)) {
		uint32_t i = parent == NODE_NONE ? 0 : parent + 1;
		for (; i < document->node_count; i++) {
			const struct yaml_node *node = &document->nodes[i];
			if (node->parent != parent)
				continue;
			if (key.data != NULL ? slice_equal(node->key, key)
					     : node->key.data == NULL && node->index == index)
				break;
		}
		if (i >= document->node_count)
			break;
		parent = i;
		value_at = document->nodes[i].value_at;
		key_at = document->nodes[i].key_at;
	}
	if (ret_key != NULL)
		*ret_key = key_at;
	return value_at;
}

void yaml_document_locate(const struct yaml_document *document, const char *path, struct problem *problem)
{
	struct yaml_position at = yaml_document_find(document, path, NULL);
	problem_context(problem, "%s:%u:%u", document->file, at.line, at.column);
}
