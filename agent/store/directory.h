/* The directory of a store: who may read it, who holds it, how large its files are. */
#ifndef AGENT_STORE_DIRECTORY_H
#define AGENT_STORE_DIRECTORY_H

#include <stdint.h>

#include "proto/err.h"
#include "proto/limits.h"

struct store_directory {
	char path[STORE_PATH_BYTES_MAX];
	int directory_fd; /* -1: not open */
	int lock_fd;
};

/* Makes the directory with 0700 if it is missing (its parent must be there), and holds it:
 * DIR/schedd.lock is locked for the life of the process that has it open, and names its pid.
 *
 * Errors: ERR_DENIED, mode or owner; ERR_EXISTS, held by a running process, whose pid the problem
 * names; ERR_UNSUPPORTED, a network file system, on which LMDB is not safe; ERR_RANGE, the path is
 * too long; ERR_IO. */
MUST_CHECK enum err store_directory_open(const char *path, struct store_directory *ret_directory,
					 struct problem *problem);
/* Lets go of it. Accepts one that was zeroed by store_directory_init or half opened. */
void store_directory_close(struct store_directory *directory);
void store_directory_init(struct store_directory *directory);

/* The size of a file of it. ERR_NOT_FOUND: not there; ERR_DENIED: its mode lets others in, or it is
 * no plain file. */
MUST_CHECK enum err store_directory_file_bytes(const struct store_directory *directory, const char *name,
					       uint64_t *ret_bytes, struct problem *problem);
/* Makes the file at least this long, with its blocks on the disk, so that writing into it can not
 * run out of space. ERR_FULL: there is no room. */
MUST_CHECK enum err store_directory_reserve(const struct store_directory *directory, const char *name,
					    uint64_t bytes, struct problem *problem);
/* The names of new files are on the disk after this. */
MUST_CHECK enum err store_directory_sync(const struct store_directory *directory,
					 struct problem *problem);
/* "DIR/name"; store_directory_open has checked that the names used here fit. */
void store_directory_file_path(const struct store_directory *directory, const char *name,
			       char ret_path[STORE_PATH_BYTES_MAX]);

#endif
