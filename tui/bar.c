/* The bar, the overview header, and the one line of a tiny terminal. */
#include <stdio.h>
#include <string.h>

#include "tui/view.h"

#define FULL_COLUMNS 100
#define SHORT_COLUMNS 60
#define METER_COLUMNS 25
#define OLD_NEWS_MS 5000 /* from here on the age is marked */
#define LATE_MS 30000

static const char *cluster_of(const struct state *state)
{
	return state->model.status != NULL ? state->model.status->cluster : "...";
}

static const char *node_of(const struct state *state)
{
	return state->model.status != NULL ? state->model.status->node : "...";
}

static enum role bar_role(const struct state *state)
{
	if (state->link.state == LINK_LOST)
		return ROLE_BAR_LOST;
	if (state_is_production(state))
		return ROLE_BAR_PROD;
	return show_find(cluster_of(state), "stag") != NULL ? ROLE_BAR_STAGING : ROLE_BAR_DEV;
}

void view_sides(struct cells *cells, int row, const char *left, const char *right, enum role role,
		unsigned flags)
{
	cells_fill(cells, row, 0, cells->columns, ' ', role, flags);
	int right_width = cells_width(slice_str(right), cells->is_ascii);
	int left_width = cells_width(slice_str(left), cells->is_ascii);
	if (right_width > 0 && left_width + 1 + right_width <= cells->columns) {
		cells_text(cells, row, cells->columns - right_width, right_width, right, role, flags);
		cells_text(cells, row, 0, cells->columns - right_width - 1, left, role, flags);
		return;
	}
	cells_text(cells, row, 0, cells->columns, left, role, flags);
}

static void bar_lost(const struct state *state, struct cells *cells, int64_t now_mono_ms)
{
	char left[VIEW_TEXT_BYTES];
	char right[VIEW_TEXT_BYTES];
	const struct link *link = &state->link;
	long long lost_s = (now_mono_ms - link->lost_mono_ms) / 1000;
	int64_t wait_ms = link->retry_mono_ms - now_mono_ms;
	long long wait_s = wait_ms > 0 ? (wait_ms + 999) / 1000 : 0;
	show_text clock;
	show_clock(state_utc(state, link->heard_mono_ms), clock);
	long long age_s = (now_mono_ms - link->heard_mono_ms) / 1000;
	if (cells->columns >= SHORT_COLUMNS) {
		(void)snprintf(left, sizeof(left),
			       " schedtop  %s  LINK LOST %s %lld s  socket again in %lld s (try %d)",
			       cluster_of(state), node_of(state), lost_s, wait_s, link->try_count);
		(void)snprintf(right, sizeof(right), "data %sZ, %lld s old ", clock, age_s);
	} else {
		(void)snprintf(left, sizeof(left), "LINK LOST %s %lld s, try %d", node_of(state),
			       lost_s, link->try_count);
		right[0] = '\0';
	}
	view_sides(cells, 0, left, right, ROLE_BAR_LOST, CELL_REVERSE);
}

void view_bar(const struct state *state, struct cells *cells, int64_t now_mono_ms)
{
	if (state->link.state == LINK_LOST) {
		bar_lost(state, cells, now_mono_ms);
		return;
	}
	char left[VIEW_TEXT_BYTES];
	char right[VIEW_TEXT_BYTES];
	show_text clock;
	show_clock(state_utc(state, now_mono_ms), clock);
	int64_t age_ms = now_mono_ms - state->link.heard_mono_ms;
	long long age_s = age_ms / 1000;
	int age_tenth = (int)(age_ms % 1000 / 100);
	const struct status_row *status = state->model.status;
	long long alive = status != NULL && status->nodes_alive != ROW_NONE ? status->nodes_alive : 0;
	long long total = status != NULL && status->nodes_total != ROW_NONE ? status->nodes_total : 0;
	long long alerts = status != NULL && status->alerts != ROW_NONE ? status->alerts : 0;
	const char *mode = state->is_read_only ? "ro" : "rw";
	const char *marks = "";
	if (status != NULL && status->is_isolated)
		marks = "  CUT OFF";
	else if (status != NULL && status->is_paused)
		marks = "  PAUSED";
	if (cells->columns >= FULL_COLUMNS) {
		(void)snprintf(left, sizeof(left), " schedtop  %s  via %s (age %lld.%ds)  %s%s",
			       cluster_of(state), node_of(state), age_s, age_tenth, mode, marks);
		(void)snprintf(right, sizeof(right), "%lld/%lld nodes  %lld alerts  %sZ", alive,
			       total, alerts, clock);
	} else if (cells->columns >= SHORT_COLUMNS) {
		(void)snprintf(left, sizeof(left), " schedtop %s via %s %lld.%ds %s%s",
			       cluster_of(state), node_of(state), age_s, age_tenth, mode, marks);
		(void)snprintf(right, sizeof(right), "%lld/%lld n  %lld alrt %sZ", alive, total,
			       alerts, clock);
	} else {
		(void)snprintf(left, sizeof(left), "%s %s %lld.%ds%s", cluster_of(state),
			       node_of(state), age_s, age_tenth, marks);
		(void)snprintf(right, sizeof(right), "%lld/%lld %.5sZ", alive, total, clock);
	}
	view_sides(cells, 0, left, right, bar_role(state), CELL_REVERSE);
	if (age_ms >= OLD_NEWS_MS) {
		/* Old news: bold, for where the age is there may be no yellow. */
		cells_flag(cells, 0, 0, cells_width(slice_str(left), cells->is_ascii), CELL_BOLD);
	}
}

/* "[|||||      812/s]" in METER_COLUMNS cells between the brackets. */
static void put_meter(struct cells *cells, int row, int column, const char *label, int64_t part,
		      int64_t whole, const char *text, enum role role)
{
	cells_text(cells, row, column, 6, label, ROLE_NORMAL, 0);
	cells_text(cells, row, column + 5, 1, "[", ROLE_NORMAL, CELL_BOLD);
	int room = METER_COLUMNS - cells_width(slice_str(text), cells->is_ascii) - 1;
	int filled = whole > 0 && part > 0 ? (int)(part >= whole ? room : part * room / whole) : 0;
	if (part > 0 && filled == 0)
		filled = 1;
	cells_fill(cells, row, column + 6, filled, '|', role, 0);
	cells_right(cells, row, column + 6 + filled, METER_COLUMNS - filled, text, ROLE_NORMAL, 0);
	cells_text(cells, row, column + 6 + METER_COLUMNS, 1, "]", ROLE_NORMAL, CELL_BOLD);
}

static size_t late_jobs(const struct state *state, int64_t now_utc_ms)
{
	size_t count = 0;
	for (size_t i = 0; i < state->model.jobs.sorted_count; i++) {
		const struct job_row *job = (const struct job_row *)state->model.jobs.rows[i];
		if (job->next_at != ROW_NONE && !job->is_paused && job->next_at < now_utc_ms - LATE_MS)
			count++;
	}
	return count;
}

static long long number(int64_t value)
{
	return value == ROW_NONE ? 0 : (long long)value;
}

static void header_first(const struct state *state, struct cells *cells, int row)
{
	const struct status_row *status = state->model.status;
	char text[VIEW_TEXT_BYTES];
	show_text rate;
	show_text count;
	show_text p50;
	show_text p99;
	show_rate(status->fires_per_s_milli, rate);
	put_meter(cells, row, 2, "Fire", status->fires_per_s_milli, state->model.fire_peak_milli,
		  rate, ROLE_OK);
	show_lag(status->lag_p50_us, p50);
	show_lag(status->lag_p99_us, p99);
	(void)snprintf(text, sizeof(text), "Lag p50/p99 %s/%s ms", p50, p99);
	cells_text(cells, row, 36, 22, text, ROLE_NORMAL, 0);
	show_count(status->jobs, count);
	(void)snprintf(text, sizeof(text), "Jobs %s (%lld paused)", count, number(status->jobs_paused));
	cells_text(cells, row, 59, 27, text, ROLE_NORMAL, 0);
	long long agree = number(status->views_agree);
	long long total = number(status->views_total);
	(void)snprintf(text, sizeof(text), "Conv %lld/%lld %s", agree, total,
		       agree == total ? "ok" : "!");
	cells_text(cells, row, 87, cells->columns - 87, text,
		   agree == total ? ROLE_NORMAL : ROLE_WARN, 0);
}

static void header_rest(const struct state *state, struct cells *cells, int row, int64_t now_utc_ms)
{
	const struct status_row *status = state->model.status;
	char text[VIEW_TEXT_BYTES];
	(void)snprintf(text, sizeof(text), "%lld/%lld", number(status->runs_running),
		       number(status->slots));
	put_meter(cells, row, 2, "Run", status->runs_running, status->slots, text, ROLE_RUNNING);
	long long failed = number(status->failed_per_min);
	(void)snprintf(text, sizeof(text), "Failed %lld/min", failed);
	cells_text(cells, row, 36, 22, text, failed > 0 ? ROLE_BAD : ROLE_NORMAL, 0);
	long long undecided = number(status->undecided);
	(void)snprintf(text, sizeof(text), "Claims %lld open, %lld undecided",
		       number(status->runs_claimed), undecided);
	cells_text(cells, row, 59, 27, text, undecided > 0 ? ROLE_WARN : ROLE_NORMAL, 0);
	(void)snprintf(text, sizeof(text), "Arcs moving %lld", number(status->arcs_moving));
	cells_text(cells, row, 87, cells->columns - 87, text, ROLE_NORMAL, 0);

	long long missed = number(status->missed_per_min);
	(void)snprintf(text, sizeof(text), "%lld/min", missed);
	put_meter(cells, row + 1, 2, "Miss", missed, missed > 10 ? missed : 10, text, ROLE_BAD);
	size_t late = late_jobs(state, now_utc_ms);
	(void)snprintf(text, sizeof(text), "Late %zu jobs >30 s", late);
	cells_text(cells, row + 1, 36, 22, text, late > 0 ? ROLE_WARN : ROLE_NORMAL, 0);
	(void)snprintf(text, sizeof(text), "Clock max skew %lld ms", number(status->clock_skew_ms));
	cells_text(cells, row + 1, 59, 27, text, ROLE_NORMAL, 0);
	long long brief = number(status->arcs_short);
	(void)snprintf(text, sizeof(text), "Arcs short  %lld", brief);
	cells_text(cells, row + 1, 87, cells->columns - 87, text,
		   brief > 0 ? ROLE_WARN : ROLE_NORMAL, 0);
}

static void header_short(const struct state *state, struct cells *cells, int row)
{
	const struct status_row *status = state->model.status;
	char text[VIEW_TEXT_BYTES];
	show_text rate;
	show_text lag;
	show_rate(status->fires_per_s_milli, rate);
	show_lag(status->lag_p99_us, lag);
	if (cells->columns >= SHORT_COLUMNS)
		(void)snprintf(
			text, sizeof(text),
			"  Fire %s  lag p99 %sms  miss %lld   Run %lld/%lld   Failed %lld/min  Conv %lld/%lld",
			rate, lag, number(status->missed_per_min), number(status->runs_running),
			number(status->slots), number(status->failed_per_min),
			number(status->views_agree), number(status->views_total));
	else
		(void)snprintf(text, sizeof(text), " %s lag %sms fail %lld/m miss %lld run %lld",
			       rate, lag, number(status->failed_per_min),
			       number(status->missed_per_min), number(status->runs_running));
	cells_text(cells, row, 0, cells->columns, text, ROLE_NORMAL, 0);
}

void view_header(const struct state *state, struct cells *cells, int row)
{
	int rows = state_header_rows(state);
	if (rows == 0)
		return;
	if (state->model.status == NULL) {
		cells_text(cells, row, 2, cells->columns, "waiting for the agent's first rows",
			   ROLE_UNKNOWN, 0);
		return;
	}
	if (rows == 1) {
		header_short(state, cells, row);
		return;
	}
	header_first(state, cells, row);
	header_rest(state, cells, row + 1,
		    state->model.status->now_at == ROW_NONE ? 0 : state->model.status->now_at);
}

void view_tiny(struct state *state, struct cells *cells, int64_t now_mono_ms)
{
	char text[VIEW_TEXT_BYTES];
	const struct status_row *status = state->model.status;
	(void)now_mono_ms;
	if (state->link.state == LINK_LOST)
		(void)snprintf(text, sizeof(text), "LINK LOST %s", cluster_of(state));
	else if (status == NULL)
		(void)snprintf(text, sizeof(text), "schedtop ...");
	else {
		show_text rate;
		show_rate(status->fires_per_s_milli, rate);
		(void)snprintf(text, sizeof(text), "%s %s F%lld L%lld %lld/%lld", status->cluster,
			       rate, number(status->failed_per_min), number(status->missed_per_min),
			       number(status->nodes_alive), number(status->nodes_total));
	}
	cells_fill(cells, 0, 0, cells->columns, ' ', bar_role(state), CELL_REVERSE);
	cells_text(cells, 0, 0, cells->columns, text, bar_role(state), CELL_REVERSE);
	if (state->prompt == PROMPT_QUESTION) {
		view_question(state, cells, cells->rows - 1);
		return;
	}
	if (cells->rows < 2)
		return;
	const struct row *row = order_selected(state);
	if (state_place(state) == PLACE_JOBS && row != NULL) {
		const struct job_row *job = (const struct job_row *)row;
		(void)snprintf(text, sizeof(text), "%s %s", job->name, job->state);
	} else {
		view_describe_run(NULL, text);
	}
	cells_text(cells, 1, 0, cells->columns, text, ROLE_NORMAL, 0);
}
