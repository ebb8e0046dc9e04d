/* What the console remembers, and what follows from it: places, and the sizes of the areas. */
#include "tui/state.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tui/show.h"

#define TINY_ROWS 6
#define TINY_COLUMNS 30
#define NARROW_COLUMNS 60
#define WIDE_COLUMNS 100
#define WIDE_ROWS 16 /* below, three rows of header would take the place of the list */

void state_init(struct state *state, row_resize *resize, int64_t now_mono_ms, int64_t now_utc_ms)
{
	memset(state, 0, sizeof(*state));
	model_init(&state->model, resize);
	state->rows = 24;
	state->columns = 80;
	state->utc_offset_ms = now_utc_ms - now_mono_ms;
	state->link.state = LINK_CONNECTING;
	state->link.heard_mono_ms = now_mono_ms;
	state->order.is_stale = true;
	state->log.is_following = true;
	state->log.cursor = SIZE_MAX;
	state->is_changed = true;
}

void state_close(struct state *state)
{
	row_resize *resize = state->model.resize;
	if (resize == NULL)
		return;
	if (state->order.rows != NULL)
		(void)resize((void *)state->order.rows, 0);
	if (state->show_body != NULL)
		(void)resize(state->show_body, 0);
	state->order.rows = NULL;
	state->show_body = NULL;
	model_close(&state->model);
}

int64_t state_utc(const struct state *state, int64_t now_mono_ms)
{
	return now_mono_ms + state->utc_offset_ms;
}

enum place state_place(const struct state *state)
{
	return state->page_count > 0 ? state->pages[state->page_count - 1].place : state->view;
}

struct cursor *state_cursor(struct state *state)
{
	if (state->page_count > 0)
		return &state->pages[state->page_count - 1].cursor;
	return &state->cursors[state->view];
}

const char *state_page_key(const struct state *state)
{
	return state->page_count > 0 ? state->pages[state->page_count - 1].key : "";
}

bool state_is_production(const struct state *state)
{
	return state->model.status != NULL && show_find(state->model.status->cluster, "prod") != NULL;
}

bool state_is_tiny(const struct state *state)
{
	return state->rows < TINY_ROWS || state->columns < TINY_COLUMNS;
}

int state_header_rows(const struct state *state)
{
	if (state->is_header_hidden || state->page_count > 0 || state->view == PLACE_LOGS)
		return 0;
	return state->columns >= WIDE_COLUMNS && state->rows >= WIDE_ROWS ? 3 : 1;
}

int state_body_row(const struct state *state)
{
	/* Bar, header, path. */
	return 1 + state_header_rows(state) + 1;
}

int state_body_rows(const struct state *state)
{
	/* Message and keys are below. */
	int rows = state->rows - state_body_row(state) - 2;
	return rows > 0 ? rows : 0;
}

/* Rows of the area that are not the list: titles of the columns, facts above the runs of a detail. */
static int rows_above_list(const struct state *state)
{
	switch (state_place(state)) {
	case PLACE_JOBS:
	case PLACE_NODES:
	case PLACE_SNAPSHOT:
		return state->columns >= NARROW_COLUMNS ? 1 : 0;
	case PLACE_LOGS:
		return state->columns >= NARROW_COLUMNS ? 1 : 0;
	case PLACE_JOB:
		return state->rows >= 20 ? 12 : 5;
	case PLACE_NODE:
		return state->rows >= 20 ? 9 : 5;
	case PLACE_RUN:
	case PLACE_COUNT:
		break;
	}
	return 0;
}

int state_list_rows(const struct state *state)
{
	int rows = state_body_rows(state) - rows_above_list(state);
	return rows > 0 ? rows : 1;
}

void state_say(struct state *state, int64_t now_mono_ms, enum role role, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(state->message, sizeof(state->message), format, arguments);
	va_end(arguments);
	state->message_role = role;
	state->message_until_mono_ms = now_mono_ms + MESSAGE_MS;
	state->is_changed = true;
}
