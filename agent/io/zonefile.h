/* The zones of this host: files of the system's zone directory, read once each and kept.
 *
 * Called when a job is submitted or taken over, not on a hot path: plain blocking reads of small
 * files. UTC (and its names Etc/UTC, UCT, Zulu) works without any file. One thread. */
#ifndef AGENT_IO_ZONEFILE_H
#define AGENT_IO_ZONEFILE_H

#include "agent/core/zone.h"
#include "proto/err.h"
#include "proto/types.h"

#define ZONEFILE_DIRECTORY_DEFAULT "/usr/share/zoneinfo"
#define ZONEFILE_VERSION_BYTES 32u

struct zonefile;

/* `directory` NULL: the default. It need not exist. NULL: out of memory, or too long a name. */
struct zonefile *zonefile_new(const char *directory);
void zonefile_free(struct zonefile *zonefile);

/* The zone by its IANA name, exactly written; ret_zone stays valid until zonefile_free.
 * Errors: ERR_INVALID not the form of a name (so "..", a leading slash, or odd characters);
 * ERR_NOT_FOUND no such zone (the hint has near matches); ERR_FULL more than ZONES_MAX in use; ERR_IO;
 * those of zone_parse for a bad file. */
MUST_CHECK enum err zonefile_load(struct zonefile *zonefile, struct slice name,
				  const struct zone **ret_zone, struct problem *problem);

/* The same as a source for the core; any failure is NULL. */
struct zone_source zonefile_source(struct zonefile *zonefile);

/* Near matches for an unknown name, best first, as "Europe/Paris, Europe/Malta"; empty if there is none. */
void zonefile_suggest(struct zonefile *zonefile, struct slice name, char *ret_text, size_t text_bytes);

/* "2025b", or "unknown". From tzdata.zi's first line, or +VERSION. Never NULL. */
const char *zonefile_version(const struct zonefile *zonefile);

#endif
