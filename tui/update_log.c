/* The log: its source, following, holding, searching. */
#include <stdio.h>
#include <string.h>

#include "tui/show.h"
#include "tui/update.h"

static void open_source(struct state *state, bool is_run, const char *source, const char *shown)
{
	struct log_view *log = &state->log;
	(void)snprintf(log->source, sizeof(log->source), "%s", source);
	(void)snprintf(log->shown, sizeof(log->shown), "%s", shown);
	log->is_run = is_run;
	log->generation++;
	log->is_following = true;
	log->has_ended = false;
	log->top = 0;
	log->cursor = SIZE_MAX;
	log->held_count = 0;
	log->column = 0;
	model_lines_clear(&state->model);
}

void update_log_open(struct state *state, int64_t now_mono_ms)
{
	const struct run_row *run = update_selected_run(state);
	const struct job_row *job = update_selected_job(state);
	if (state->view == PLACE_LOGS && state->page_count == 0)
		return;
	/* A job's page shows the log of the job; the run under its cursor has a page of its own. */
	if (run != NULL && state_place(state) != PLACE_JOB) {
		char shown[KEY_BYTES_MAX];
		(void)snprintf(shown, sizeof(shown), "%.128s > %s", run->job,
			       run->short_id[0] != '\0' ? run->short_id : "this fire");
		open_source(state, true, run->name, shown);
	} else if (job != NULL) {
		char shown[KEY_BYTES_MAX];
		(void)snprintf(shown, sizeof(shown), "%.128s > all runs", job->name);
		open_source(state, false, job->row.key, shown);
	}
	update_go(state, PLACE_LOGS, now_mono_ms);
}

/* The first line shown while following. */
static size_t last_top(const struct state *state)
{
	size_t height = (size_t)state_list_rows(state);
	size_t count = state->model.line_count;
	return count > height ? count - height : 0;
}

static void hold(struct state *state)
{
	if (state->log.is_following)
		state->log.top = last_top(state);
	state->log.is_following = false;
}

static void follow(struct state *state)
{
	state->log.is_following = true;
	state->log.held_count = 0;
	state->log.cursor = SIZE_MAX;
}

static void scroll_by(struct state *state, long step)
{
	struct log_view *log = &state->log;
	if (step > 0 && log->is_following)
		return;
	hold(state);
	if (step < 0 && log->top < (size_t)-step)
		log->top = 0;
	else
		log->top = (size_t)((long)log->top + step);
	if (log->top > last_top(state))
		log->top = last_top(state);
}

static bool line_matches(const struct line_row *line, const char *needle)
{
	char text[ROW_TEXT_BYTES_MAX + 1];
	size_t bytes = line->text.bytes < ROW_TEXT_BYTES_MAX ? line->text.bytes : ROW_TEXT_BYTES_MAX;
	if (bytes > 0)
		memcpy(text, line->text.data, bytes);
	text[bytes] = '\0';
	/* A NUL in the output would end the text: it is searched as a blank. */
	for (size_t i = 0; i < bytes; i++) {
		if (text[i] == '\0')
			text[i] = ' ';
	}
	return show_find(text, needle) != NULL || show_find(line->node, needle) != NULL ||
	       show_find(line->short_id, needle) != NULL;
}

size_t update_log_find(const struct state *state, size_t from, bool is_down)
{
	size_t count = state->model.line_count;
	for (size_t i = 0; i < count; i++) {
		size_t at = is_down ? (from + i) % count : (from + 2 * count - i) % count;
		if (line_matches(model_line_at(&state->model, at), state->search))
			return at;
	}
	return SIZE_MAX;
}

static void show_line(struct state *state, size_t at)
{
	struct log_view *log = &state->log;
	hold(state);
	log->cursor = at;
	size_t height = (size_t)state_list_rows(state);
	if (at < log->top || at >= log->top + height)
		log->top = at > height / 2 ? at - height / 2 : 0;
	if (log->top > last_top(state))
		log->top = last_top(state);
}

static void search(struct state *state, bool is_down, bool from_here, int64_t now_mono_ms)
{
	size_t count = state->model.line_count;
	if (state->search[0] == '\0' || count == 0) {
		state_say(state, now_mono_ms, ROLE_NORMAL, "nothing to search: / begins");
		return;
	}
	struct log_view *log = &state->log;
	/* The first search in a log goes back from its end: the newest is what one looks for. */
	size_t from = log->cursor != SIZE_MAX ? log->cursor : count - 1;
	if (log->cursor == SIZE_MAX)
		is_down = false;
	else if (!from_here)
		from = is_down ? (from + 1) % count : (from + count - 1) % count;
	size_t at = update_log_find(state, from, is_down);
	if (at == SIZE_MAX) {
		state_say(state, now_mono_ms, ROLE_WARN, "/%s: no hit in %zu lines", state->search,
			  count);
		return;
	}
	show_line(state, at);
	size_t hits = 0;
	size_t hit = 0;
	for (size_t i = 0; i < count; i++) {
		if (!line_matches(model_line_at(&state->model, i), state->search))
			continue;
		hits++;
		if (i == at)
			hit = hits;
	}
	state_say(state, now_mono_ms, ROLE_NORMAL, "/%s: hit %zu of %zu", state->search, hit, hits);
}

static void move_to_error(struct state *state, bool is_down, int64_t now_mono_ms)
{
	size_t count = state->model.line_count;
	size_t from = state->log.cursor != SIZE_MAX ? state->log.cursor : count;
	for (size_t i = 1; i <= count; i++) {
		size_t at = is_down ? (from + i) % count : (from + 2 * count - i) % count;
		if (strcmp(model_line_at(&state->model, at)->stream, "e") == 0) {
			show_line(state, at);
			return;
		}
	}
	state_say(state, now_mono_ms, ROLE_NORMAL, "no error line among %zu", count);
}

static void scroll_sideways(struct state *state, int step)
{
	struct log_view *log = &state->log;
	log->column += step * (state->columns / 2);
	if (log->column < 0)
		log->column = 0;
	if (log->column > (int)ROW_TEXT_BYTES_MAX)
		log->column = (int)ROW_TEXT_BYTES_MAX;
}

void update_log_key(struct state *state, enum action action, int64_t now_mono_ms)
{
	long page = state_list_rows(state);
	long half = page / 2 > 0 ? page / 2 : 1;
	if (action == ACTION_DOWN)
		scroll_by(state, 1);
	else if (action == ACTION_UP)
		scroll_by(state, -1);
	else if (action == ACTION_PAGE_DOWN)
		scroll_by(state, page);
	else if (action == ACTION_PAGE_UP)
		scroll_by(state, -page);
	else if (action == ACTION_HALF_DOWN)
		scroll_by(state, half);
	else if (action == ACTION_HALF_UP)
		scroll_by(state, -half);
	else if (action == ACTION_FIRST)
		scroll_by(state, -(long)MODEL_LINES_MAX);
	else if (action == ACTION_LAST || action == ACTION_FOLLOW)
		follow(state);
	else if (action == ACTION_WRAP)
		state->log.is_wrapped = !state->log.is_wrapped;
	else if (action == ACTION_LEFT || action == ACTION_RIGHT)
		scroll_sideways(state, action == ACTION_RIGHT ? 1 : -1);
	else if (action == ACTION_PROBLEM_NEXT || action == ACTION_PROBLEM_PREVIOUS)
		move_to_error(state, action == ACTION_PROBLEM_NEXT, now_mono_ms);
	else if (action == ACTION_SEARCH && state->prompt == PROMPT_NONE) {
		state->prompt = PROMPT_SEARCH;
		state->input[0] = '\0';
		state->cursor_before = *state_cursor(state);
	} else if (action == ACTION_SEARCH)
		search(state, false, true, now_mono_ms);
	else if (action == ACTION_SEARCH_NEXT || action == ACTION_SEARCH_PREVIOUS)
		search(state, action == ACTION_SEARCH_NEXT, false, now_mono_ms);
	else if (action == ACTION_DETAIL)
		state_say(state, now_mono_ms, ROLE_NORMAL, "a line has no detail");
}
