/* Keys: moving, places, searching, help. Acts are in update_act.c, the log in update_log.c. */
#include "tui/update.h"

#include <stdio.h>
#include <string.h>

#include "tui/show.h"

static void copy_text(char *ret_text, size_t text_bytes, const char *text)
{
	size_t length = strnlen(text, text_bytes - 1);
	memcpy(ret_text, text, length);
	ret_text[length] = '\0';
}

static size_t row_count(struct state *state)
{
	return state_place(state) == PLACE_JOBS ? state->model.jobs.sorted_count : state->order.count;
}

static void move_to(struct state *state, size_t index, int64_t now_mono_ms)
{
	struct cursor *cursor = state_cursor(state);
	size_t count = row_count(state);
	if (count == 0)
		return;
	cursor->index = index < count ? index : count - 1;
	copy_text(cursor->key, sizeof(cursor->key), order_row(state, cursor->index)->key);
	order_refresh(state, now_mono_ms);
}

static void move_by(struct state *state, long step, int64_t now_mono_ms)
{
	size_t index = state_cursor(state)->index;
	if (step < 0 && index < (size_t)-step)
		move_to(state, 0, now_mono_ms);
	else
		move_to(state, (size_t)((long)index + step), now_mono_ms);
}

static void move_to_problem(struct state *state, bool is_down, int64_t now_mono_ms)
{
	size_t count = row_count(state);
	size_t index = state_cursor(state)->index;
	for (size_t i = 1; i <= count; i++) {
		size_t at = is_down ? (index + i) % count : (index + count - i) % count;
		if (order_is_problem(state_place(state), order_row(state, at))) {
			move_to(state, at, now_mono_ms);
			return;
		}
	}
	state_say(state, now_mono_ms, ROLE_NORMAL, "no problem in this list");
}

void update_search(struct state *state, bool is_down, bool from_here, int64_t now_mono_ms)
{
	if (state->search[0] == '\0') {
		state_say(state, now_mono_ms, ROLE_NORMAL, "nothing searched yet: / begins");
		return;
	}
	size_t count = row_count(state);
	size_t index = state_cursor(state)->index;
	for (size_t i = from_here ? 0 : 1; i <= count && count > 0; i++) {
		size_t at = is_down ? (index + i) % count : (index + 2 * count - i) % count;
		if (!order_matches(state_place(state), order_row(state, at), state->search))
			continue;
		move_to(state, at, now_mono_ms);
		size_t hits = 0;
		size_t hit = 0;
		for (size_t j = 0; j < count; j++) {
			if (!order_matches(state_place(state), order_row(state, j), state->search))
				continue;
			hits++;
			if (j == at)
				hit = hits;
		}
		state_say(state, now_mono_ms, ROLE_NORMAL, "/%s: hit %zu of %zu", state->search,
			  hit, hits);
		return;
	}
	state_say(state, now_mono_ms, ROLE_WARN, "/%s: no hit", state->search);
}

void update_go(struct state *state, enum place view, int64_t now_mono_ms)
{
	if (view != state->view)
		state->view_before = state->view;
	state->page_count = 0;
	state->is_log_over = false;
	state->view = view;
	state->order.is_stale = true;
	state->log.is_wanted = view == PLACE_LOGS && state->log.source[0] != '\0';
	order_refresh(state, now_mono_ms);
}

static void push_page(struct state *state, enum place place, const char *key, int64_t now_mono_ms)
{
	if (state->page_count == PAGES_MAX) {
		state_say(state, now_mono_ms, ROLE_NORMAL, "no deeper: Esc goes back");
		return;
	}
	struct page *page = &state->pages[state->page_count];
	memset(page, 0, sizeof(*page));
	page->place = place;
	copy_text(page->key, sizeof(page->key), key);
	state->page_count++;
	state->order.is_stale = true;
}

static void open_job(struct state *state, const char *full, int64_t now_mono_ms)
{
	push_page(state, PLACE_JOB, full, now_mono_ms);
	row_table_clear(&state->model.past);
	state->show_bytes = 0;
	if (state->link.state != LINK_UP)
		return;
	(void)request_show(state, now_mono_ms, full);
	(void)request_past(state, now_mono_ms, full);
}

static void open_detail(struct state *state, int64_t now_mono_ms)
{
	const struct row *row = order_selected(state);
	if (state_place(state) == PLACE_RUN) {
		const struct job_row *job = update_selected_job(state);
		if (job != NULL)
			open_job(state, job->row.key, now_mono_ms);
	} else if (row == NULL) {
		state_say(state, now_mono_ms, ROLE_NORMAL, "no row is selected");
	} else if (state_place(state) == PLACE_JOBS) {
		open_job(state, row->key, now_mono_ms);
	} else if (state_place(state) == PLACE_NODES) {
		push_page(state, PLACE_NODE, row->key, now_mono_ms);
	} else {
		push_page(state, PLACE_RUN, row->key, now_mono_ms);
		const struct job_row *job = update_selected_job(state);
		/* The past of its job holds the run after the snapshot has forgotten it. */
		if (job != NULL && state->link.state == LINK_UP)
			(void)request_past(state, now_mono_ms, job->row.key);
	}
	order_refresh(state, now_mono_ms);
}

const struct run_row *update_selected_run(struct state *state)
{
	enum place place = state_place(state);
	if (place == PLACE_RUN)
		return model_run(&state->model, state_page_key(state));
	if (place == PLACE_SNAPSHOT || place == PLACE_JOB || place == PLACE_NODE)
		return (const struct run_row *)order_selected(state);
	return NULL;
}

const struct job_row *update_selected_job(struct state *state)
{
	if (state_place(state) == PLACE_JOBS)
		return (const struct job_row *)order_selected(state);
	if (state_place(state) == PLACE_JOB)
		return model_job(&state->model, state_page_key(state));
	const struct run_row *run = update_selected_run(state);
	if (run == NULL)
		return NULL;
	return model_job(&state->model, run->job);
}

/* The log of a row is left like its detail: back to the row, and no key quits from there. */
static void open_log_over(struct state *state, int64_t now_mono_ms)
{
	if (state_place(state) == PLACE_LOGS)
		return;
	state->under_log = state->view;
	state->page_count_under_log = state->page_count;
	update_log_open(state, now_mono_ms);
	state->is_log_over = true;
}

static void go_back(struct state *state, bool may_quit, int64_t now_mono_ms)
{
	if (state->page_count > 0) {
		state->page_count--;
		state->order.is_stale = true;
		order_refresh(state, now_mono_ms);
	} else if (state->is_log_over) {
		int page_count = state->page_count_under_log;
		update_go(state, state->under_log, now_mono_ms);
		state->page_count = page_count;
		state->order.is_stale = true;
		order_refresh(state, now_mono_ms);
	} else if (may_quit) {
		state->is_quitting = true;
	} else if (state->search[0] != '\0') {
		state->search[0] = '\0';
	}
}

static void scroll_sideways(struct state *state, int step, int64_t now_mono_ms)
{
	struct cursor *cursor = state_cursor(state);
	if (state_place(state) == PLACE_SNAPSHOT) {
		state->is_claimed_open = step > 0;
		state->order.is_stale = true;
		order_refresh(state, now_mono_ms);
		return;
	}
	cursor->skipped_columns += step;
	if (cursor->skipped_columns < 0)
		cursor->skipped_columns = 0;
}

static void begin_search(struct state *state)
{
	state->prompt = PROMPT_SEARCH;
	state->input[0] = '\0';
	state->cursor_before = *state_cursor(state);
}

/* Takes one character into a text; false: not a character, or no room. */
static bool input_add(char *text, size_t text_bytes, uint32_t code)
{
	size_t length = strlen(text);
	if (code == KEY_CODE_BACKSPACE || code == KEY_CODE_CTRL('H') || code == 127) {
		while (length > 0 && ((unsigned char)text[length - 1] & 0xc0u) == 0x80u)
			length--;
		text[length > 0 ? length - 1 : 0] = '\0';
		return true;
	}
	if (code == KEY_CODE_CTRL('U')) {
		text[0] = '\0';
		return true;
	}
	if (code < 0x20u || code >= KEY_CODE_UP || length + 5 > text_bytes)
		return false;
	size_t at = length;
	if (code < 0x80u) {
		text[at++] = (char)code;
	} else if (code < 0x800u) {
		text[at++] = (char)(0xc0u | code >> 6);
		text[at++] = (char)(0x80u | (code & 0x3fu));
	} else if (code < 0x10000u) {
		text[at++] = (char)(0xe0u | code >> 12);
		text[at++] = (char)(0x80u | (code >> 6 & 0x3fu));
		text[at++] = (char)(0x80u | (code & 0x3fu));
	} else {
		text[at++] = (char)(0xf0u | code >> 18);
		text[at++] = (char)(0x80u | (code >> 12 & 0x3fu));
		text[at++] = (char)(0x80u | (code >> 6 & 0x3fu));
		text[at++] = (char)(0x80u | (code & 0x3fu));
	}
	text[at] = '\0';
	return true;
}

static void search_key(struct state *state, uint32_t code, int64_t now_mono_ms)
{
	bool is_log = state_place(state) == PLACE_LOGS;
	if (code == KEY_CODE_ESCAPE || code == KEY_CODE_CTRL('C')) {
		state->prompt = PROMPT_NONE;
		*state_cursor(state) = state->cursor_before;
		state->search[0] = '\0';
		order_refresh(state, now_mono_ms);
		return;
	}
	if (code == KEY_CODE_ENTER || code == '\n') {
		state->prompt = PROMPT_NONE;
		if (state->input[0] == '\0')
			state->search[0] = '\0';
		return;
	}
	if (!input_add(state->input, sizeof(state->input), code))
		return;
	/* Incremental: each character searches again from where it began. */
	copy_text(state->search, sizeof(state->search), state->input);
	*state_cursor(state) = state->cursor_before;
	order_refresh(state, now_mono_ms);
	if (state->search[0] == '\0')
		return;
	if (is_log)
		update_log_key(state, ACTION_SEARCH, now_mono_ms);
	else
		update_search(state, true, true, now_mono_ms);
}

static void help_key(struct state *state, uint32_t code)
{
	if (code == KEY_CODE_ESCAPE || code == KEY_CODE_CTRL('C') || code == KEY_CODE_F1 ||
	    (code == 'q' && state->help_filter[0] == '\0') ||
	    (code == '?' && state->help_filter[0] == '\0')) {
		state->is_help_open = false;
		return;
	}
	if (code == KEY_CODE_DOWN || code == KEY_CODE_PAGE_DOWN)
		state->help_top += code == KEY_CODE_DOWN ? 1 : (size_t)state->rows / 2;
	else if (code == KEY_CODE_UP || code == KEY_CODE_PAGE_UP)
		state->help_top -= code == KEY_CODE_UP || state->help_top < (size_t)state->rows / 2
					   ? (state->help_top > 0 ? 1 : 0)
					   : (size_t)state->rows / 2;
	else if (input_add(state->help_filter, sizeof(state->help_filter), code))
		state->help_top = 0;
}

static void move_key(struct state *state, enum action action, int64_t now_mono_ms)
{
	long page = state_list_rows(state);
	long half = page / 2 > 0 ? page / 2 : 1;
	if (action == ACTION_DOWN)
		move_by(state, 1, now_mono_ms);
	else if (action == ACTION_UP)
		move_by(state, -1, now_mono_ms);
	else if (action == ACTION_FIRST)
		move_to(state, 0, now_mono_ms);
	else if (action == ACTION_LAST)
		move_to(state, SIZE_MAX, now_mono_ms);
	else if (action == ACTION_PAGE_DOWN)
		move_by(state, page, now_mono_ms);
	else if (action == ACTION_PAGE_UP)
		move_by(state, -page, now_mono_ms);
	else if (action == ACTION_HALF_DOWN)
		move_by(state, half, now_mono_ms);
	else if (action == ACTION_HALF_UP)
		move_by(state, -half, now_mono_ms);
}

static void view_key(struct state *state, enum action action, const struct key_entry *entry,
		     int64_t now_mono_ms)
{
	enum place before = state->view_before;
	if (action == ACTION_VIEW_JOBS)
		update_go(state, PLACE_JOBS, now_mono_ms);
	else if (action == ACTION_VIEW_NODES)
		update_go(state, PLACE_NODES, now_mono_ms);
	else if (action == ACTION_VIEW_SNAPSHOT)
		update_go(state, PLACE_SNAPSHOT, now_mono_ms);
	else if (action == ACTION_VIEW_LOGS && state->view != PLACE_LOGS)
		update_log_open(state, now_mono_ms);
	else if (action == ACTION_VIEW_NEXT && state->view == PLACE_SNAPSHOT)
		update_log_open(state, now_mono_ms);
	else if (action == ACTION_VIEW_NEXT)
		update_go(state, (enum place)((state->view + 1) % PLACE_VIEW_COUNT), now_mono_ms);
	else if (action == ACTION_VIEW_PREVIOUS && state->view == PLACE_JOBS)
		update_log_open(state, now_mono_ms);
	else if (action == ACTION_VIEW_PREVIOUS)
		update_go(state, (enum place)(state->view - 1), now_mono_ms);
	else if (action == ACTION_VIEW_LAST && before == PLACE_LOGS)
		update_log_open(state, now_mono_ms);
	else if (action == ACTION_VIEW_LAST)
		update_go(state, before, now_mono_ms);
	else if (action == ACTION_VIEW_LATER)
		state_say(state, now_mono_ms, ROLE_NORMAL,
			  "the view %s (%s) is not in this version", entry->help, entry->shown);
}

static void cancel_key(struct state *state, int64_t now_mono_ms)
{
	if (state->is_cancel_pressed)
		state->is_quitting = true;
	state->is_cancel_pressed = true;
	state_say(state, now_mono_ms, ROLE_NORMAL, "^C again quits");
}

/* Keys that mean the same everywhere; false: the key is the place's own. */
static bool screen_key(struct state *state, enum action action, const struct key_entry *entry,
		       int64_t now_mono_ms)
{
	switch (action) {
	case ACTION_LATER:
		state_say(state, now_mono_ms, ROLE_NORMAL, "%s (%s) is not in this version",
			  entry->shown, entry->help);
		return true;
	case ACTION_HELP:
		state->is_help_open = true;
		state->help_filter[0] = '\0';
		state->help_top = 0;
		return true;
	case ACTION_REDRAW:
		state->wants_redraw = true;
		return true;
	case ACTION_SUSPEND:
		state->wants_suspend = true;
		return true;
	case ACTION_CANCEL:
		cancel_key(state, now_mono_ms);
		return true;
	case ACTION_QUIT:
		state->is_quitting = true;
		return true;
	case ACTION_BACK:
	case ACTION_BACK_OR_QUIT:
		go_back(state, action == ACTION_BACK_OR_QUIT, now_mono_ms);
		return true;
	case ACTION_HEADER:
		state->is_header_hidden = !state->is_header_hidden;
		order_refresh(state, now_mono_ms);
		return true;
	case ACTION_RUN:
	case ACTION_PAUSE:
	case ACTION_STOP:
	case ACTION_UNDO:
		update_act(state, action, now_mono_ms);
		return true;
	case ACTION_LOG:
		open_log_over(state, now_mono_ms);
		return true;
	default:
		return false;
	}
}

static void list_key(struct state *state, enum action action, int64_t now_mono_ms)
{
	if (action == ACTION_DETAIL)
		open_detail(state, now_mono_ms);
	else if (action == ACTION_SEARCH)
		begin_search(state);
	else if (action == ACTION_SEARCH_NEXT || action == ACTION_SEARCH_PREVIOUS)
		update_search(state, action == ACTION_SEARCH_NEXT, false, now_mono_ms);
	else if (action == ACTION_PROBLEM_NEXT || action == ACTION_PROBLEM_PREVIOUS)
		move_to_problem(state, action == ACTION_PROBLEM_NEXT, now_mono_ms);
	else if (action == ACTION_LEFT || action == ACTION_RIGHT)
		scroll_sideways(state, action == ACTION_RIGHT ? 1 : -1, now_mono_ms);
	else if (action == ACTION_FOLLOW || action == ACTION_WRAP)
		state_say(state, now_mono_ms, ROLE_NORMAL,
			  "only logs are followed and wrapped: l opens one");
	else
		move_key(state, action, now_mono_ms);
}

void update_key(struct state *state, uint32_t code, int64_t now_mono_ms)
{
	state->is_changed = true;
	if (code != KEY_CODE_CTRL('C'))
		state->is_cancel_pressed = false;
	order_refresh(state, now_mono_ms);
	if (state->prompt == PROMPT_QUESTION) {
		update_answer(state, code, now_mono_ms);
		return;
	}
	if (state->prompt == PROMPT_SEARCH) {
		search_key(state, code, now_mono_ms);
		return;
	}
	if (state->is_help_open) {
		help_key(state, code);
		return;
	}
	const struct key_entry *entry = key_find(code);
	if (entry == NULL) {
		if (code < KEY_CODE_UP && code >= 0x20u)
			state_say(state, now_mono_ms, ROLE_NORMAL,
				  "this key has no meaning here: ? lists the keys");
		return;
	}
	/* A message stands for as long as it is not in the way: the next move takes it. */
	if (entry->section == KEY_SECTION_MOVE && state->undo_purpose == PURPOSE_NONE)
		state->message_until_mono_ms = now_mono_ms;
	if (screen_key(state, entry->action, entry, now_mono_ms))
		return;
	if (entry->section == KEY_SECTION_LATER ||
	    (entry->action >= ACTION_VIEW_JOBS && entry->action <= ACTION_VIEW_LAST))
		view_key(state, entry->action, entry, now_mono_ms);
	else if (state_place(state) == PLACE_LOGS)
		update_log_key(state, entry->action, now_mono_ms);
	else
		list_key(state, entry->action, now_mono_ms);
}

void update_resize(struct state *state, int rows, int columns)
{
	state->rows = rows < 1 ? 1 : rows > CELLS_ROWS_MAX ? CELLS_ROWS_MAX : rows;
	state->columns = columns < 1                   ? 1
			 : columns > CELLS_COLUMNS_MAX ? CELLS_COLUMNS_MAX
						       : columns;
	state->is_changed = true;
}
