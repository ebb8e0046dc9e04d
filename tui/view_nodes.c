/* The nodes view. */
#include <stdio.h>
#include <string.h>

#include "tui/view.h"

enum {
	NODE_NAME,
	NODE_STATE,
	NODE_ADDRESS,
	NODE_RUN,
	NODE_CPU,
	NODE_MEMORY,
	NODE_JOBS,
	NODE_EXECUTED,
	NODE_OFFSET,
	NODE_RTT,
	NODE_GOSSIP,
	NODE_VERSION,
	NODE_UP,
	NODE_COLUMNS,
};

static const struct column columns[NODE_COLUMNS] = {
	[NODE_NAME] = {"NODE", 6, 24, 1, 3, false},
	[NODE_STATE] = {"STATE", 8, 10, 2, 2, false},
	[NODE_ADDRESS] = {"ADDRESS", 16, 21, 9, 1, false},
	[NODE_RUN] = {"RUN", 6, 7, 3, 4, true},
	[NODE_CPU] = {"CPU", 4, 4, 5, 0, true},
	[NODE_MEMORY] = {"MEM", 4, 4, 6, 0, true},
	[NODE_JOBS] = {"JOBS", 6, 7, 7, 5, true},
	[NODE_EXECUTED] = {"RAN", 6, 9, 8, 6, true},
	[NODE_OFFSET] = {"CLOCK", 6, 6, 11, 0, true},
	[NODE_RTT] = {"RTT", 6, 6, 10, 0, true},
	[NODE_GOSSIP] = {"GOSSIP", 6, 6, 4, 0, true},
	[NODE_VERSION] = {"VERSION", 8, 10, 13, 7, false},
	[NODE_UP] = {"UP", 5, 5, 12, 0, true},
};

static void put_percent(int64_t part, int64_t whole, struct cell_text *cell)
{
	if (part == ROW_NONE || whole == ROW_NONE || whole <= 0 || part < 0) {
		(void)snprintf(cell->text, sizeof(cell->text), "-");
		return;
	}
	long long percent = (long long)((double)part * 100.0 / (double)whole + 0.5);
	(void)snprintf(cell->text, sizeof(cell->text), "%lld%%", percent);
	if (percent >= 90)
		cell->role = ROLE_WARN;
}

static void put_number(int64_t number, struct cell_text *cell)
{
	show_text text;
	show_count(number, text);
	(void)snprintf(cell->text, sizeof(cell->text), "%s", text);
}

static void put_rtt(const struct node_row *node, struct cell_text *cell)
{
	if (node->is_self)
		(void)snprintf(cell->text, sizeof(cell->text), "self");
	else if (node->rtt_us == ROW_NONE)
		(void)snprintf(cell->text, sizeof(cell->text), "-");
	else
		(void)snprintf(cell->text, sizeof(cell->text), "%lld.%lldms",
			       (long long)(node->rtt_us / 1000),
			       (long long)(node->rtt_us % 1000 / 100));
}

static void put_state(const struct node_row *node, struct cell_text *cell)
{
	/* A mark says more than `alive`: draining, full, clock-suspect. */
	bool is_marked = strcmp(node->state, "alive") == 0 && node->marks[0] != '\0';
	(void)snprintf(cell->text, sizeof(cell->text), "%s", is_marked ? node->marks : node->state);
	cell->role = show_role(is_marked ? "draining" : node->state);
	if (strcmp(node->state, "failed") == 0)
		cell->role = ROLE_BAD;
}

static void live_cell(const struct node_row *node, int column, struct cell_text *cell)
{
	if (column == NODE_RUN) {
		show_text running;
		show_count(node->running, running);
		(void)snprintf(cell->text, sizeof(cell->text), "%.12s/%lld", running,
			       (long long)(node->slots == ROW_NONE ? 0 : node->slots));
		if (node->running != ROW_NONE && node->running >= node->slots)
			cell->role = ROLE_WARN;
	} else if (column == NODE_CPU) {
		put_percent(node->load_milli, node->cpus == ROW_NONE ? ROW_NONE : node->cpus * 1000,
			    cell);
	} else if (column == NODE_MEMORY) {
		bool is_known = node->memory_bytes != ROW_NONE && node->memory_free_bytes != ROW_NONE;
		put_percent(is_known ? node->memory_bytes - node->memory_free_bytes : ROW_NONE,
			    node->memory_bytes, cell);
	}
}

static void node_cell(const struct table_view *table, const struct row *row, int column, int width,
		      struct cell_text *cell)
{
	(void)table;
	(void)width;
	const struct node_row *node = (const struct node_row *)row;
	bool is_alive = strcmp(node->state, "alive") == 0;
	show_text text;
	switch (column) {
	case NODE_NAME:
		(void)snprintf(cell->text, sizeof(cell->text), "%s", node->name);
		break;
	case NODE_STATE:
		put_state(node, cell);
		return;
	case NODE_ADDRESS:
		(void)snprintf(cell->text, sizeof(cell->text), "%s", node->address);
		break;
	case NODE_RUN:
	case NODE_CPU:
	case NODE_MEMORY:
		/* Nobody knows what a node that does not answer is doing. */
		if (is_alive)
			live_cell(node, column, cell);
		else
			(void)snprintf(cell->text, sizeof(cell->text), "?");
		break;
	case NODE_JOBS:
		put_number(node->proposes, cell);
		break;
	case NODE_EXECUTED:
		put_number(node->executed, cell);
		break;
	case NODE_OFFSET:
		if (node->offset_ms != ROW_NONE)
			(void)snprintf(cell->text, sizeof(cell->text), "%+lldms",
				       (long long)node->offset_ms);
		break;
	case NODE_RTT:
		put_rtt(node, cell);
		break;
	case NODE_GOSSIP:
		show_span(node->age_ms, text);
		(void)snprintf(cell->text, sizeof(cell->text), "%s", text);
		if (node->age_ms != ROW_NONE && node->age_ms > 5000)
			cell->role = ROLE_WARN;
		break;
	case NODE_VERSION:
		(void)snprintf(cell->text, sizeof(cell->text), "%s", node->version);
		break;
	case NODE_UP:
		show_span(is_alive ? node->up_ms : ROW_NONE, text);
		(void)snprintf(cell->text, sizeof(cell->text), "%s", text);
		break;
	}
	if (!is_alive && cell->role == ROLE_NORMAL)
		cell->role = ROLE_UNKNOWN;
}

static void paint_path(struct state *state, struct cells *cells, int row)
{
	size_t alive = 0, draining = 0, suspect = 0, failed = 0, left = 0;
	for (size_t i = 0; i < state->model.nodes.count; i++) {
		const struct node_row *node = (const struct node_row *)state->model.nodes.rows[i];
		bool is_alive = strcmp(node->state, "alive") == 0;
		alive += is_alive ? 1 : 0;
		draining += is_alive && strstr(node->marks, "draining") != NULL ? 1 : 0;
		suspect += strcmp(node->state, "suspect") == 0 ? 1 : 0;
		failed += strcmp(node->state, "failed") == 0 ? 1 : 0;
		left += strcmp(node->state, "left") == 0 || strcmp(node->state, "evicted") == 0 ? 1 : 0;
	}
	char text[VIEW_TEXT_BYTES];
	char path[VIEW_TEXT_BYTES];
	const char *sort = cells->columns >= 100 ? "   sort NAME^" : "  NAME^";
	(void)snprintf(path, sizeof(path), cells->columns >= 80 ? " Nodes > filter: none" : " Nodes");
	if (cells->columns < 60) {
		(void)snprintf(text, sizeof(text), "%zu/%zu NAME^", alive, state->model.nodes.count);
		(void)snprintf(path, sizeof(path), "Nodes");
	} else {
		(void)snprintf(text, sizeof(text),
			       "%zu alive (%zu draining)  %zu suspect  %zu failed  %zu left%s",
			       alive, draining, suspect, failed, left, sort);
	}
	view_sides(cells, row, path, text, ROLE_NORMAL, CELL_BOLD);
}

void view_nodes(struct state *state, struct cells *cells, int64_t now_mono_ms)
{
	struct table_view table = {.state = state,
				   .columns = columns,
				   .column_count = NODE_COLUMNS,
				   .now_utc_ms = state_utc(state, now_mono_ms),
				   .cell = node_cell};
	int body = state_body_row(state);
	paint_path(state, cells, body - 1);
	view_table(state, cells, &table, body, state_body_rows(state), cells->columns);
	const struct status_row *status = state->model.status;
	int foot = body + state_body_rows(state) - 2;
	/* Facts about all nodes stand below the list where it leaves room. */
	if (status == NULL || cells->columns < 100 ||
	    (int)state->order.count + 3 > state_body_rows(state))
		return;
	char text[VIEW_TEXT_BYTES];
	(void)snprintf(
		text, sizeof(text),
		" Arcs  4096, %lld moving, %lld short   JOBS = proposed now   RTT and GOSSIP are as seen from %s",
		(long long)(status->arcs_moving == ROW_NONE ? 0 : status->arcs_moving),
		(long long)(status->arcs_short == ROW_NONE ? 0 : status->arcs_short), status->node);
	cells_text(cells, foot, 0, cells->columns, text, ROLE_NORMAL, 0);
	(void)snprintf(text, sizeof(text), " Views agree: %lld of %lld agents have the same list",
		       (long long)(status->views_agree == ROW_NONE ? 0 : status->views_agree),
		       (long long)(status->views_total == ROW_NONE ? 0 : status->views_total));
	cells_text(cells, foot + 1, 0, cells->columns, text, ROLE_NORMAL, 0);
}

void view_describe_node(const struct node_row *node, char ret_text[VIEW_TEXT_BYTES])
{
	show_text age;
	show_span(node->age_ms, age);
	if (strcmp(node->state, "alive") != 0)
		(void)snprintf(ret_text, VIEW_TEXT_BYTES, "%s %s: last heard of %s ago. Enter detail",
			       node->name, node->state, age);
	else if (!node->has_runner)
		(void)snprintf(ret_text, VIEW_TEXT_BYTES, "%s has no runner: it starts nothing",
			       node->name);
	else
		(void)snprintf(ret_text, VIEW_TEXT_BYTES, "%s %s%s%s, %s, version %s", node->name,
			       node->state, node->marks[0] != '\0' ? " " : "", node->marks,
			       node->address, node->version);
}
