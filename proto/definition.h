/* The definition of a job: its keys, their types, defaults and bounds, in one table for files, flags, the agent's
 * check and `job show`.
 *
 * A definition travels and is stored as a msgpack map of the keys that were set, in the order of the table:
 *
 *   names, texts, words      str                    "job" "cron" "overlap"
 *   durations, instants      integer, ms            "every" "at"
 *   sizes, the umask         integer                "output.max" "umask"
 *   yes or no                bool                   "enabled"
 *   command, ok_exit         array of str, of integers in ascending order
 *   env                      map str -> str, names in ascending order
 *
 * so that the same definition has the same bytes whoever wrote it. definition_build.h makes such maps from text. */
#ifndef PROTO_DEFINITION_H
#define PROTO_DEFINITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/types.h"

enum definition_overlap { DEFINITION_OVERLAP_FORBID, DEFINITION_OVERLAP_ALLOW };

enum definition_misfire {
	DEFINITION_MISFIRE_ONCE,
	DEFINITION_MISFIRE_SKIP,
	DEFINITION_MISFIRE_ALL,
};

/* Decoded, defaults filled in. Slices borrow the encoded bytes and are empty where nothing is set. */
struct definition {
	struct slice job; /* "group/name", always with its group */
	struct slice description;
	struct slice owner;
	/* The schedule: exactly one of cron, every_ms > 0, has_at and is_manual. The text of cron and the zone's name
	 * are not looked into here; agent/core/schedule.h does that. cron may be "@manual" too. */
	struct slice cron;
	int64_t every_ms; /* 0: none */
	int64_t anchor_ms;
	bool has_anchor;
	int64_t at_ms;
	bool has_at;
	bool is_manual;
	struct slice tz; /* empty: UTC */
	/* What is run: one of command and shell. */
	struct slice command; /* msgpack array of str */
	struct slice shell;
	struct slice stdin_text;
	struct slice environment; /* msgpack map */
	struct slice cwd;         /* empty: the user's home */
	uint16_t umask;
	bool is_enabled;
	bool is_often; /* more than FIRES_PER_DAY_MAX fires a day are meant */
	enum definition_overlap overlap;
	enum definition_misfire misfire;
	int64_t start_deadline_ms;
	int64_t timeout_ms; /* 0: none */
	int64_t kill_grace_ms;
	uint64_t output_bytes_max;
	uint8_t ok_exit_bits[32]; /* bit (code % 8) of byte code / 8 */
};

/* Decodes and checks every key and what they demand of each other: the one gate for files, flags, packets and disk.
 *
 * Errors, each with "key: why" in `problem`: ERR_INVALID (form, unknown key, keys that exclude each other or are
 * missing), ERR_RANGE (outside a bound), ERR_UNSUPPORTED (known, but not built in this version), ERR_TRUNCATED. */
MUST_CHECK enum err definition_decode(struct slice bytes, struct definition *ret_definition,
				      struct problem *problem);

/* True if a run that exited so has done what it should: `ok_exit`, 0 by default. */
bool definition_exit_is_ok(const struct definition *definition, int exit_code);

#define DEFINITION_SCHEDULE_BYTES (CRON_TEXT_BYTES_MAX + 1u)
/* The schedule in short, for tables: the cron text, "@every 90s", "@at 2026-01-01T00:00:00Z", "@manual". */
void definition_format_schedule(const struct definition *definition,
				char ret_text[DEFINITION_SCHEDULE_BYTES]);

/* ---- the table ---- */

enum definition_type {
	DEFINITION_NAME,  /* of the job */
	DEFINITION_TEXT,  /* one line */
	DEFINITION_LINES, /* any characters but NUL */
	DEFINITION_CRON,  /* as TEXT; tabs too */
	DEFINITION_ZONE,
	DEFINITION_PATH, /* absolute */
	DEFINITION_WORD, /* one of `words` */
	DEFINITION_BOOL,
	DEFINITION_DURATION,
	DEFINITION_TIME,
	DEFINITION_SIZE,
	DEFINITION_OCTAL,
	DEFINITION_COMMAND,   /* list of words */
	DEFINITION_CODES,     /* list of exit codes */
	DEFINITION_VARIABLES, /* map of names to texts */
	DEFINITION_SHORTHAND, /* sets other keys, is never stored itself */
};

/* In the order of stored definitions: keys may be added anywhere, but never change places. */
enum definition_key_id {
	DEFINITION_KEY_JOB,
	DEFINITION_KEY_DESCRIPTION,
	DEFINITION_KEY_OWNER,
	DEFINITION_KEY_CRON,
	DEFINITION_KEY_EVERY,
	DEFINITION_KEY_ANCHOR,
	DEFINITION_KEY_AT,
	DEFINITION_KEY_MANUAL,
	DEFINITION_KEY_TZ,
	DEFINITION_KEY_COMMAND,
	DEFINITION_KEY_SHELL,
	DEFINITION_KEY_STDIN,
	DEFINITION_KEY_ENV,
	DEFINITION_KEY_CWD,
	DEFINITION_KEY_UMASK,
	DEFINITION_KEY_ENABLED,
	DEFINITION_KEY_OFTEN,
	DEFINITION_KEY_OVERLAP,
	DEFINITION_KEY_MISFIRE,
	DEFINITION_KEY_START_DEADLINE,
	DEFINITION_KEY_ON_LOST,
	DEFINITION_KEY_ON_SPLIT,
	DEFINITION_KEY_TIMEOUT,
	DEFINITION_KEY_KILL_GRACE,
	DEFINITION_KEY_OUTPUT_MAX,
	DEFINITION_KEY_OK_EXIT,
	DEFINITION_KEY_NEVER_TWICE,
	DEFINITION_KEY_COUNT /* no key */
};

struct definition_key {
	const char *name; /* with a dot: a key inside a map, `output: {max: 1M}` */
	enum definition_type type;
	int64_t min; /* of numbers; of texts, lists and maps in bytes or items */
	int64_t max;
	const char *const *words;       /* WORD: those that are built, ended by NULL */
	const char *const *later_words; /* WORD: those that are not yet; may be NULL */
	const char *placeholder;        /* "DURATION", for help */
	const char *fallback;           /* the default as text; NULL: none */
	const char *help;
};

const struct definition_key *definition_key_at(enum definition_key_id id);
/* Looks `name` up; dashes and dots count as underscores. DEFINITION_KEY_COUNT: there is none. */
enum definition_key_id definition_key_find(struct slice name);
/* Why `name`, which is no key, is refused: ERR_UNSUPPORTED with the reason for keys of later versions, otherwise
 * ERR_INVALID with the nearest name as hint. */
MUST_CHECK enum err definition_key_refuse(struct slice name, struct problem *problem);
/* Checks one encoded value of a key, without what other keys demand. */
MUST_CHECK enum err definition_value_check(enum definition_key_id id, struct slice value,
					   struct problem *problem);

#endif
