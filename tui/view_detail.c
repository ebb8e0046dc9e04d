/* The pages under the views: a job, a node, a run. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/wire.h"
#include "tui/view.h"

#define LABEL_CELLS 10
#define WIDE_COLUMNS 100

void view_fact(struct facts *facts, const char *label, enum role role, const char *format, ...)
{
	if (facts->count == FACTS_MAX)
		return;
	struct fact *fact = &facts->list[facts->count++];
	fact->label = label;
	fact->role = role;
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(fact->text, sizeof(fact->text), format, arguments);
	va_end(arguments);
}

static void put_fact(struct cells *cells, int row, int column, int width, const struct fact *fact)
{
	cells_text(cells, row, column, LABEL_CELLS - 1, fact->label, ROLE_NORMAL, CELL_BOLD);
	cells_fit(cells, row, column + LABEL_CELLS, width - LABEL_CELLS, fact->text, fact->role, 0);
}

void view_facts(struct cells *cells, const struct facts *facts, int row, int rows)
{
	int per_row = cells->columns >= WIDE_COLUMNS ? 2 : 1;
	int width = (cells->columns - 2) / per_row;
	for (int i = 0; i < facts->count && i / per_row < rows; i++)
		put_fact(cells, row + i / per_row, 1 + i % per_row * width, width - 1, &facts->list[i]);
}

/* "12:06:00 (in 1m29s)  12:09:00  12:12:00" of the reply of job.show; the row's own next before it comes. */
static void next_fires(const struct state *state, const struct job_row *job, int64_t now_utc_ms,
		       char ret_text[VIEW_TEXT_BYTES])
{
	show_text clock;
	show_text wait;
	show_next(job->next_at, now_utc_ms, clock);
	show_span(job->next_at == ROW_NONE ? ROW_NONE : job->next_at - now_utc_ms, wait);
	if (job->next_at == ROW_NONE || job->next_at < now_utc_ms)
		(void)snprintf(ret_text, VIEW_TEXT_BYTES, "%s", clock);
	else
		(void)snprintf(ret_text, VIEW_TEXT_BYTES, "%s (in %s)", clock, wait);
	struct wire_reader reader;
	if (state->show_bytes == 0 || strcmp(state->show_key, job->row.key) != 0 ||
	    !wire_map_find(slice_of(state->show_body, state->show_bytes), "next", &reader) ||
	    wire_peek(&reader) != WIRE_ARRAY)
		return;
	uint32_t count = wire_get_array(&reader, 16);
	for (uint32_t i = 0; i < count && i < 3; i++) {
		if (wire_peek(&reader) != WIRE_INT)
			return;
		int64_t at_ms = row_number(wire_get_i64(&reader));
		size_t length = strlen(ret_text);
		show_next(at_ms, now_utc_ms, clock);
		/* The answer may be older than the row: what lies before the next fire has been. */
		if (job->next_at != ROW_NONE && at_ms > job->next_at)
			(void)snprintf(ret_text + length, VIEW_TEXT_BYTES - length, "  %s", clock);
	}
}

static void copy_slice(struct slice text, char *ret_text, size_t text_bytes)
{
	size_t bytes = text.bytes < text_bytes - 1 ? text.bytes : text_bytes - 1;
	if (bytes > 0)
		memcpy(ret_text, text.data, bytes);
	ret_text[bytes] = '\0';
}

/* What only job.show tells: owner, last change, place. */
static void shown_facts(const struct state *state, const struct job_row *job, struct facts *facts,
			int64_t now_utc_ms)
{
	if (state->show_bytes == 0 || strcmp(state->show_key, job->row.key) != 0) {
		view_fact(facts, "Place", ROLE_UNKNOWN, "not known yet");
		view_fact(facts, "Version", ROLE_NORMAL, "%lld", (long long)job->version);
		return;
	}
	struct slice body = slice_of(state->show_body, state->show_bytes);
	char owner[64];
	char by[64];
	char proposer[64];
	char epoch[64];
	show_text age;
	copy_slice(wire_map_find_str(body, "owner"), owner, sizeof(owner));
	copy_slice(wire_map_find_str(body, "by"), by, sizeof(by));
	copy_slice(wire_map_find_str(body, "proposer"), proposer, sizeof(proposer));
	copy_slice(wire_map_find_str(body, "epoch"), epoch, sizeof(epoch));
	char set[VIEW_TEXT_BYTES / 2] = "";
	struct wire_reader reader;
	if (wire_map_find(body, "set", &reader) && wire_peek(&reader) == WIRE_ARRAY) {
		uint32_t count = wire_get_array(&reader, SET_MEMBERS_MAX);
		for (uint32_t i = 0; i < count && wire_peek(&reader) == WIRE_STR; i++) {
			char name[NODE_NAME_BYTES_MAX + 1];
			copy_slice(wire_get_str(&reader, NODE_NAME_BYTES_MAX), name, sizeof(name));
			size_t length = strlen(set);
			(void)snprintf(set + length, sizeof(set) - length, "%s%s", i > 0 ? "," : "",
				       name);
		}
	}
	view_fact(facts, "Place", ROLE_NORMAL, "arc %03llx  set %s",
		  (unsigned long long)wire_map_find_i64(body, "arc", 0), set);
	view_fact(facts, "Proposer", ROLE_NORMAL, "%s, epoch %s", proposer, epoch);
	int64_t changed_at = row_number(wire_map_find_i64(body, "changed_at", ROW_NONE));
	show_span(changed_at == ROW_NONE ? ROW_NONE : now_utc_ms - changed_at, age);
	view_fact(facts, "Version", ROLE_NORMAL, "%lld by %s %s ago%s%s", (long long)job->version,
		  by, age, owner[0] != '\0' ? ", owner " : "", owner);
}

static void job_facts(const struct state *state, const struct job_row *job, struct facts *facts,
		      int64_t now_utc_ms)
{
	char text[VIEW_TEXT_BYTES];
	char verdict[SHOW_VERDICT_BYTES];
	show_text last;
	show_text span;
	show_text ok;
	show_text failed;
	view_fact(facts, "Command", ROLE_NORMAL, "%.300s", job->command);
	view_fact(facts, "Schedule", ROLE_NORMAL, "%.200s   TZ %.64s", job->schedule, job->tz);
	view_fact(facts, "State", show_role(job->state), "%s%s%.200s", job->state,
		  job->waiting_reason[0] != '\0' ? ": " : "", job->waiting_reason);
	next_fires(state, job, now_utc_ms, text);
	view_fact(facts, "Next", ROLE_NORMAL, "%s", text);
	show_verdict(job->last_verdict, job->last_reason, 60, verdict);
	show_past(job->last_start_at != ROW_NONE ? job->last_start_at : job->last_due_at,
		  now_utc_ms, last);
	show_span(job->last_dur_ms, span);
	view_fact(facts, "Last", show_role(job->last_verdict), "%s  %s  %s  on %s", last, verdict,
		  span, job->last_node[0] != '\0' ? job->last_node : "-");
	show_count(job->runs_ok, ok);
	show_count(job->runs_failed, failed);
	view_fact(facts, "Runs", ROLE_NORMAL, "%s ran-ok, %s not   %.8s", ok, failed, job->hist);
	shown_facts(state, job, facts, now_utc_ms);
	view_fact(facts, "Overlap", ROLE_NORMAL, "%s   misfire %s", job->overlap, job->misfire);
	if (job->description[0] != '\0')
		view_fact(facts, "About", ROLE_NORMAL, "%.300s", job->description);
}

void view_job_pane(const struct state *state, struct cells *cells, const struct job_row *job,
		   int row, int rows, int column, int64_t now_utc_ms)
{
	struct facts facts = {.count = 0};
	job_facts(state, job, &facts, now_utc_ms);
	int width = cells->columns - column;
	cells_fill(cells, row, column, width, ' ', ROLE_NORMAL, 0);
	cells_fit(cells, row, column, width, job->name, ROLE_NORMAL, CELL_BOLD);
	for (int i = 0; i < facts.count && i + 2 < rows; i++)
		put_fact(cells, row + 2 + i, column, width, &facts.list[i]);
	for (int i = 0; i < rows; i++)
		cells_text(cells, row + i, column - 2, 1, "|", ROLE_UNKNOWN, 0);
}

static void paint_gone(struct state *state, struct cells *cells, const char *what)
{
	char text[VIEW_TEXT_BYTES];
	(void)snprintf(text, sizeof(text), " %s > %s", what, state_page_key(state));
	view_sides(cells, state_body_row(state) - 1, text, "", ROLE_NORMAL, CELL_BOLD);
	cells_text(cells, state_body_row(state) + 1, 1, cells->columns,
		   "not known to this agent any more. Esc goes back", ROLE_UNKNOWN, 0);
}

/* Facts above, the list of runs below; where each begins is what state_list_rows counts with. */
static void paint_page(struct state *state, struct cells *cells, const struct facts *facts,
		       const char *tabs, int64_t now_utc_ms, bool is_of_node)
{
	int body = state_body_row(state);
	int rows = state_body_rows(state);
	int above = rows - state_list_rows(state);
	int begin = body;
	if (above >= 8) {
		cells_text(cells, body, 1, cells->columns, tabs, ROLE_NORMAL, 0);
		begin += 2;
	}
	int titles = body + above - 1;
	if (titles < begin)
		titles = begin;
	int fact_rows = titles - begin - (above >= 8 ? 1 : 0);
	view_facts(cells, facts, begin, fact_rows);
	if (titles < body + rows)
		view_run_table(state, cells, titles, now_utc_ms, is_of_node);
}

void view_job(struct state *state, struct cells *cells, int64_t now_mono_ms)
{
	const struct job_row *job = model_job(&state->model, state_page_key(state));
	if (job == NULL) {
		paint_gone(state, cells, "Jobs");
		return;
	}
	int64_t now_utc_ms = state_utc(state, now_mono_ms);
	char left[VIEW_TEXT_BYTES];
	char right[VIEW_TEXT_BYTES];
	char verdict[SHOW_VERDICT_BYTES];
	show_verdict(job->last_verdict, job->last_reason, 30, verdict);
	(void)snprintf(left, sizeof(left), " Jobs > %s", job->name);
	(void)snprintf(right, sizeof(right), "version %lld   %s   %s ", (long long)job->version,
		       job->state, verdict);
	view_sides(cells, state_body_row(state) - 1, left, right, ROLE_NORMAL, CELL_BOLD);
	struct facts facts = {.count = 0};
	job_facts(state, job, &facts, now_utc_ms);
	paint_page(state, cells, &facts,
		   "[Summary]  l log   r run now   p pause   Enter on a run: its steps", now_utc_ms,
		   false);
}

static void node_facts(const struct node_row *node, struct facts *facts)
{
	show_text age;
	show_text up;
	show_text total;
	show_text unused;
	show_text executed;
	show_text rtt;
	show_span(node->age_ms, age);
	show_span(node->up_ms, up);
	show_size(node->memory_bytes, total);
	show_size(node->memory_free_bytes, unused);
	show_count(node->executed, executed);
	show_lag(node->rtt_us, rtt);
	bool is_alive = strcmp(node->state, "alive") == 0;
	view_fact(facts, "Runs", ROLE_NORMAL, "%lld of %lld slots, %s executed since it came up",
		  (long long)node->running, (long long)node->slots, executed);
	view_fact(facts, "Gossip", is_alive ? ROLE_NORMAL : ROLE_WARN,
		  "heard %s ago   rtt %s ms   incarnation %lld", age, node->is_self ? "-" : rtt,
		  (long long)node->incarnation);
	view_fact(facts, "Load", ROLE_NORMAL, "%lld.%02lld on %lld cpus",
		  (long long)(node->load_milli == ROW_NONE ? 0 : node->load_milli / 1000),
		  (long long)(node->load_milli == ROW_NONE ? 0 : node->load_milli % 1000 / 10),
		  (long long)(node->cpus == ROW_NONE ? 0 : node->cpus));
	view_fact(facts, "Memory", ROLE_NORMAL, "%s free of %s", unused, total);
	view_fact(facts, "Arcs", ROLE_NORMAL, "votes on %lld jobs, proposes %lld",
		  (long long)node->votes, (long long)node->proposes);
	view_fact(facts, "Clock", ROLE_NORMAL, "offset %+lld ms",
		  (long long)(node->offset_ms == ROW_NONE ? 0 : node->offset_ms));
	view_fact(facts, "Runner", node->has_runner ? ROLE_OK : ROLE_BAD, "%s",
		  node->has_runner ? "there" : "away: nothing is started on this node");
	view_fact(facts, "Up", ROLE_NORMAL, "%s, boot %lld", up, (long long)node->boot);
	view_fact(facts, "Node id", ROLE_NORMAL, "%s", node->id);
	if (node->marks[0] != '\0')
		view_fact(facts, "Marks", ROLE_ASIDE, "%s", node->marks);
}

void view_node(struct state *state, struct cells *cells, int64_t now_mono_ms)
{
	const struct node_row *node = (const struct node_row *)row_table_find(&state->model.nodes,
									      state_page_key(state));
	if (node == NULL) {
		paint_gone(state, cells, "Nodes");
		return;
	}
	char left[VIEW_TEXT_BYTES];
	char right[VIEW_TEXT_BYTES];
	(void)snprintf(left, sizeof(left), " Nodes > %s", node->name);
	(void)snprintf(right, sizeof(right), "%s   v%s   %s ", node->state, node->version,
		       node->address);
	view_sides(cells, state_body_row(state) - 1, left, right, ROLE_NORMAL, CELL_BOLD);
	struct facts facts = {.count = 0};
	node_facts(node, &facts);
	paint_page(state, cells, &facts, "[Summary]  Enter on a run: its steps   l its log   x kill it",
		   state_utc(state, now_mono_ms), true);
}

static void put_step(struct cells *cells, int row, const char *step, int64_t at_ms, int64_t due_ms,
		     const char *node, const char *note, enum role role)
{
	char text[VIEW_TEXT_BYTES];
	show_text clock;
	char since[48] = "";
	show_clock_ms(at_ms, clock);
	if (at_ms != ROW_NONE && due_ms != ROW_NONE)
		(void)snprintf(since, sizeof(since), "%+lld ms", (long long)(at_ms - due_ms));
	(void)snprintf(text, sizeof(text), "%-9s %12s %12s  %-12s %s", step, clock, since, node, note);
	cells_text(cells, row, 1, cells->columns - 1, text, at_ms == ROW_NONE ? ROLE_UNKNOWN : role, 0);
}

static void run_facts(const struct run_row *run, struct facts *facts)
{
	show_text user;
	show_text system;
	show_text memory;
	show_text output;
	show_text span;
	show_span(run->user_us == ROW_NONE ? ROW_NONE : run->user_us / 1000, user);
	show_span(run->system_us == ROW_NONE ? ROW_NONE : run->system_us / 1000, system);
	show_size(run->rss_bytes, memory);
	show_size(run->output_bytes, output);
	show_span(run->dur_ms, span);
	view_fact(facts, "Run", ROLE_NORMAL, "%s", run->name);
	view_fact(facts, "Took", ROLE_NORMAL, "%s   cpu %s user, %s system   memory %s   output %s",
		  span, user, system, memory, output);
	if (run->exit != ROW_NONE)
		view_fact(facts, "Exit", run->exit == 0 ? ROLE_OK : ROLE_BAD, "code %lld",
			  (long long)run->exit);
	if (run->signal != ROW_NONE && run->signal != 0)
		view_fact(facts, "Signal", ROLE_BAD, "%lld", (long long)run->signal);
	if (run->pid != ROW_NONE)
		view_fact(facts, "Process", ROLE_NORMAL, "%lld", (long long)run->pid);
	if (run->version != ROW_NONE)
		view_fact(facts, "Version", ROLE_NORMAL, "%lld of the job%s",
			  (long long)run->version, run->is_manual ? ", started by hand" : "");
	if (run->note[0] != '\0')
		view_fact(facts, "Note", ROLE_WARN, "%.300s", run->note);
}

void view_run(struct state *state, struct cells *cells, int64_t now_mono_ms)
{
	(void)now_mono_ms;
	const struct run_row *run = model_run(&state->model, state_page_key(state));
	if (run == NULL) {
		paint_gone(state, cells, "Runs");
		return;
	}
	char left[VIEW_TEXT_BYTES];
	char right[VIEW_TEXT_BYTES];
	char verdict[SHOW_VERDICT_BYTES];
	show_text lag;
	show_verdict(run->verdict[0] != '\0' ? run->verdict : run->state, run->reason, 40, verdict);
	(void)snprintf(left, sizeof(left), " %s > %s", run->job,
		       run->short_id[0] != '\0' ? run->short_id : "fire without a run");
	(void)snprintf(right, sizeof(right), "attempt %lld   %s ",
		       (long long)(run->attempt > 0 ? run->attempt : 0), verdict);
	int row = state_body_row(state);
	view_sides(cells, row - 1, left, right, ROLE_NORMAL, CELL_BOLD);
	cells_text(cells, row + 1, 1, cells->columns,
		   "STEP              TIME    SINCE DUE  NODE         NOTE", ROLE_NORMAL, CELL_BOLD);
	char note[VIEW_TEXT_BYTES] = "";
	if (run->late_us != ROW_NONE) {
		show_lag(run->late_us, lag);
		(void)snprintf(note, sizeof(note), "%s ms after the moment", lag);
	}
	put_step(cells, row + 2, "due", run->due_at, run->due_at, "",
		 run->is_manual ? "asked for by hand" : "", ROLE_NORMAL);
	put_step(cells, row + 3, "claimed", run->claimed_at, run->due_at, run->node, "", ROLE_NORMAL);
	put_step(cells, row + 4, "armed", run->armed_at, run->due_at, run->node, "", ROLE_NORMAL);
	put_step(cells, row + 5, "started", run->started_at, run->due_at, run->node, note, ROLE_RUNNING);
	put_step(cells, row + 6, "ended", run->ended_at, run->due_at, run->node, verdict,
		 show_role(run->verdict));
	struct facts facts = {.count = 0};
	run_facts(run, &facts);
	view_facts(cells, &facts, row + 8, state_body_rows(state) - 8);
}
