/* status: the numbers of the console's header, as a few lines. */
#include "agent/cli/cli.h"
#include "proto/text.h"

static long long number(struct slice row, const char *key)
{
	return (long long)wire_map_find_i64(row, key, 0);
}

static void put_warnings(struct slice row, struct growing *out)
{
	if (wire_map_find_bool(row, "isolated", false))
		growing_text(out, "warning  this agent is cut off: no majority in reach\n");
	if (wire_map_find_bool(row, "paused", false))
		growing_text(out, "warning  the cluster is paused\n");
	struct wire_reader warnings;
	if (!wire_map_find(row, "warnings", &warnings))
		return;
	uint32_t count = wire_get_array(&warnings, WIRE_ITEMS_MAX);
	for (uint32_t i = 0; i < count && warnings.err == ERR_OK; i++) {
		growing_text(out, "warning  ");
		growing_escaped(out, wire_get_str(&warnings, FRAME_BYTES_MAX));
		growing_put(out, "\n", 1);
	}
}

static void put_status(struct slice row, struct growing *out)
{
	char cluster[128], node[NODE_NAME_BYTES_MAX + 1], now[TEXT_TIME_BYTES];
	cli_field(row, "cluster", "-", cluster, sizeof(cluster));
	cli_field(row, "node", "-", node, sizeof(node));
	text_format_time(wire_map_find_i64(row, "now_at", 0), now);
	growing_text(out, "cluster  ");
	growing_escaped(out, slice_str(cluster));
	growing_text(out, ", seen by ");
	growing_escaped(out, slice_str(node));
	growing_format(out, " at %s\n", now);
	growing_format(
		out, "nodes    %lld of %lld alive; %lld of %lld views agree; clock skew %lld ms\n",
		number(row, "nodes_alive"), number(row, "nodes_total"), number(row, "views_agree"),
		number(row, "views_total"), number(row, "clock_skew_ms"));
	growing_format(out, "jobs     %lld, %lld paused\n", number(row, "jobs"),
		       number(row, "jobs_paused"));
	growing_format(out, "runs     %lld running, %lld claimed, of %lld slots\n",
		       number(row, "runs_running"), number(row, "runs_claimed"), number(row, "slots"));
	growing_format(out, "fires    %.3f/s; %lld failed and %lld missed a minute; %lld undecided\n",
		       (double)number(row, "fires_per_s_milli") / 1000, number(row, "failed_per_min"),
		       number(row, "missed_per_min"), number(row, "undecided"));
	growing_format(out, "lag      p50 %.2f ms, p99 %.2f ms\n",
		       (double)number(row, "lag_p50_us") / 1000,
		       (double)number(row, "lag_p99_us") / 1000);
	growing_format(out, "arcs     %lld moving, %lld short of a member\n",
		       number(row, "arcs_moving"), number(row, "arcs_short"));
	growing_format(out, "alerts   %lld\n", number(row, "alerts"));
	put_warnings(row, out);
}

int command_status(struct cli *cli)
{
	cli_args_begin(cli);
	struct cli_call call = {.verb = "status"};
	struct slice end;
	int failed = cli_call(cli, &call, &end);
	if (failed != 0)
		return failed;
	if (cli->form != OUTPUT_TEXT) {
		cli_write_object(cli, "Status", end);
		return EXIT_DONE;
	}
	struct growing out = {0};
	put_status(end, &out);
	cli_write(cli, growing_slice(&out));
	growing_close(&out);
	return EXIT_DONE;
}
