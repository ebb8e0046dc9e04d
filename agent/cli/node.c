/* node ls. */
#include "agent/cli/cli.h"
#include "agent/cli/listing.h"

static const struct column columns[] = {
	{"name", "name", COLUMN_TEXT, true, NULL},
	{"state", "state", COLUMN_TEXT, true, NULL},
	{"marks", "marks", COLUMN_LIST, true, NULL},
	{"addr", "addr", COLUMN_TEXT, true, NULL},
	{"age", "age_ms", COLUMN_SPAN, true, NULL},
	{"offset", "offset_ms", COLUMN_SPAN, false, NULL},
	{"rtt", "rtt_us", COLUMN_SPAN_US, false, NULL},
	{"slots", "slots", COLUMN_NUMBER, true, NULL},
	{"running", "running", COLUMN_NUMBER, true, NULL},
	{"executed", "executed", COLUMN_NUMBER, true, NULL},
	{"votes", "votes", COLUMN_NUMBER, true, NULL},
	{"proposes", "proposes", COLUMN_NUMBER, false, NULL},
	{"load", "load_milli", COLUMN_MILLI, true, NULL},
	{"cpus", "cpus", COLUMN_NUMBER, false, NULL},
	{"memory", "memory_bytes", COLUMN_BYTES, false, NULL},
	{"free", "memory_free_bytes", COLUMN_BYTES, false, NULL},
	{"up", "up_ms", COLUMN_SPAN, true, NULL},
	{"version", "version", COLUMN_TEXT, true, NULL},
	{"boot", "boot", COLUMN_NUMBER, false, NULL},
	{"incarnation", "incarnation", COLUMN_NUMBER, false, NULL},
	{"runner", "runner", COLUMN_BOOL, false, NULL},
	{"self", "self", COLUMN_BOOL, false, NULL},
	{"id", "id", COLUMN_TEXT, false, NULL},
};

static void put_args(struct cli *cli, void *context)
{
	(void)cli;
	(void)context;
}

int command_node_ls(struct cli *cli)
{
	struct listing listing;
	int exit_code = listing_init(&listing, cli, "NodeList", columns,
				     sizeof(columns) / sizeof(columns[0]));
	if (exit_code != 0)
		return exit_code;
	listing.is_sorted = true;
	exit_code = listing_run(&listing, "node.ls", put_args, NULL);
	listing_close(&listing);
	return exit_code;
}
