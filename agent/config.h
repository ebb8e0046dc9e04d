/* What an agent is started with: one YAML file, flags and environment, in rising order.
 *
 * Every option has one name in three forms: `--log-level`, SCHEDD_LOG_LEVEL, and `log_level:` in the file (`store:`
 * holds `voting_bytes:` and `history_bytes:`). An unknown one, or a value that is not of its form or outside its bounds,
 * is an error that names the place (file:line:column, the flag, or the variable) and stops the start. */
#ifndef AGENT_CONFIG_H
#define AGENT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "agent/log.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/types.h"

#define CONFIG_PORT_DEFAULT 7420u
#define CONFIG_DIRECTORY_DEFAULT "/var/lib/peersched"
#define CONFIG_PATH_BYTES 256u
/* sun_path less its NUL: the kernel takes no longer socket path. */
#define CONFIG_SOCKET_BYTES_MAX 107u
#define CONFIG_SLOTS_MAX 10000u /* runs at a time on one host; its pids end first */
#define CONFIG_VOTING_BYTES_MIN VOTING_BYTES_MIN
#define CONFIG_VOTING_BYTES_MAX VOTING_BYTES_MAX
#define CONFIG_HISTORY_BYTES_MIN (8u << 20)
#define CONFIG_HISTORY_BYTES_MAX HISTORY_BYTES_MAX

struct config {
	char directory[CONFIG_PATH_BYTES];
	char socket_path[CONFIG_SOCKET_BYTES_MAX + 1]; /* directory/schedd.sock */
	char runner_path[CONFIG_SOCKET_BYTES_MAX + 1]; /* directory/runner.sock */
	char key_path[CONFIG_PATH_BYTES];              /* empty: no key, so no port */
	char name[NODE_NAME_BYTES_MAX + 1]; /* default: the host's name up to its first dot */
	char cluster_name[NODE_NAME_BYTES_MAX + 1]; /* may be empty */
	struct address bind;                        /* family 0: not given */
	struct address advertise; /* where peers reach it, if that is not `bind` */
	struct address seeds[SEEDS_MAX];
	uint32_t seed_count;
	bool is_init;
	enum log_level log_level;
	uint32_t slots;                       /* 0: by the count of processors */
	uint64_t voting_bytes, history_bytes; /* 0: the store's defaults */
	/* Hidden, for tests. */
	struct id128 test_node_id;
	struct id128 test_cluster;
	struct id128 test_birth[SET_MEMBERS_MAX];
	uint32_t test_birth_count;
	int64_t test_clock_offset_ms;
};

enum config_action { CONFIG_RUN, CONFIG_HELP, CONFIG_VERSION };

/* `environment`: "NAME=value" strings and a NULL, as environ. ret_config is complete and checked when the action is
 * CONFIG_RUN. Errors: what is wrong with an option (exit code 2), or the file's. */
MUST_CHECK enum err config_read(int argument_count, char *const *arguments,
				char *const *environment, struct config *ret_config,
				enum config_action *ret_action, struct problem *problem);

void config_help(FILE *out);

#endif
