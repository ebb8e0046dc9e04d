/* Everything that the console remembers between two keys: what it knows (model), where it looks (place, cursors),
 * what is being asked, and the frames that wait to be sent. One struct, changed only by update_*, drawn by view_*,
 * so that a test is: state, keys and frames in; state, cells and frames out. */
#ifndef TUI_STATE_H
#define TUI_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "tui/cells.h"
#include "tui/model.h"

enum place {
	PLACE_JOBS,
	PLACE_NODES,
	PLACE_SNAPSHOT,
	PLACE_LOGS,
	PLACE_JOB,  /* detail of a job */
	PLACE_NODE, /* detail of a node */
	PLACE_RUN,  /* trace of a run */
	PLACE_COUNT
};
#define PLACE_VIEW_COUNT 4 /* the first ones are views; the rest are pages over them */

#define KEY_BYTES_MAX (RUN_NAME_BYTES_MAX + 1u)
#define PAGES_MAX 4          /* job > run, node > run: depth under a view */
#define INPUT_BYTES_MAX 128u /* what is typed at the search prompt */
#define MESSAGE_BYTES_MAX 512u
#define MESSAGE_MS 10000 /* how long the message of an action stands; `u` is named so long */
#define PENDING_MAX 32   /* requests under way; more are refused with a message */
#define REQUESTS_BYTES_MAX 16384u
#define SHOW_BODY_BYTES_MAX \
	(128u << 10) /* the reply of job.show: a definition of 64 KiB and its rest */
#define ORDER_MAX MODEL_RUNS_MAX

/* A cursor stays on its row by the row's key, wherever the row moves; when the row goes, by its index. */
struct cursor {
	char key[KEY_BYTES_MAX];
	size_t index;
	size_t top; /* first line shown */
	int skipped_columns;
};

struct page {
	enum place place; /* PLACE_JOB, PLACE_NODE or PLACE_RUN */
	char key[KEY_BYTES_MAX];
	struct cursor cursor;
};

/* The rows of the place in the order in which they are shown. */
struct order {
	const struct row **rows; /* ORDER_MAX at most; borrowed from the model */
	size_t rows_max;         /* allocated */
	size_t count;
	size_t open_count;    /* snapshot: claimed and waiting ones in front, 0 while folded */
	size_t running_count; /* snapshot: then the running ones; the finished are the rest */
	struct {
		size_t claimed, armed, running, finished, ran_ok, late, failed, skipped, lost, other;
	} tally;
	bool is_stale;
};

enum link_state {
	LINK_CONNECTING, /* at start, nothing heard yet */
	LINK_UP,
	LINK_LOST,
};

struct link {
	enum link_state state;
	int64_t heard_mono_ms;
	int64_t lost_mono_ms;
	int64_t retry_mono_ms;
	int try_count;
	int64_t probe_mono_ms;
	bool is_probing; /* a status request is out to see whether anybody is there */
};

enum purpose {
	PURPOSE_NONE,
	PURPOSE_HELLO,
	PURPOSE_WATCH,
	PURPOSE_STATUS,
	PURPOSE_SHOW,
	PURPOSE_PAST,
	PURPOSE_RUN,
	PURPOSE_PAUSE,
	PURPOSE_RESUME,
	PURPOSE_KILL,
	PURPOSE_CANCEL,
	PURPOSE_LOGS,
};

struct pending {
	uint32_t seq;
	enum purpose purpose; /* PURPOSE_NONE: free */
	char target[KEY_BYTES_MAX];
};

/* Frames that wait for a connection's socket. */
struct outbox {
	uint8_t bytes[REQUESTS_BYTES_MAX];
	size_t count;
};

enum prompt {
	PROMPT_NONE,
	PROMPT_SEARCH,
	PROMPT_QUESTION,
};

struct question {
	enum purpose purpose;
	char target[KEY_BYTES_MAX]; /* what the request names */
	char shown[KEY_BYTES_MAX];  /* what the person sees */
	char text[MESSAGE_BYTES_MAX];
};

struct log_view {
	bool is_wanted;      /* a connection for it should be there */
	uint32_t generation; /* raised when the source changes: the connection is opened anew */
	bool is_run;         /* else a job; an empty source: none was chosen yet */
	char source[KEY_BYTES_MAX];
	char shown[KEY_BYTES_MAX];
	bool is_following;
	bool is_wrapped;
	bool has_ended;      /* the agent said that nothing more comes */
	size_t top;          /* first line shown, when not following */
	size_t cursor;       /* line of the last search hit; SIZE_MAX: none */
	uint64_t held_count; /* lines that came since following stopped */
	int column;          /* sideways */
};

struct state {
	struct model model;
	int rows;
	int columns;
	bool is_ascii;
	bool is_read_only;
	bool is_header_hidden;
	bool is_help_open;
	char help_filter[INPUT_BYTES_MAX];
	size_t help_top;
	bool is_quitting;
	bool wants_redraw;
	bool wants_suspend;

	enum place view; /* one of the four */
	enum place view_before;
	bool is_log_over;     /* the log was opened from a row by `l`: leaving it goes back there */
	enum place under_log; /* that view */
	int page_count_under_log;
	struct cursor cursors[PLACE_VIEW_COUNT];
	struct page pages[PAGES_MAX];
	int page_count;
	bool is_claimed_open; /* snapshot: the first pane is unfolded */
	struct order order;
	struct log_view log;

	enum prompt prompt;
	char input[INPUT_BYTES_MAX];
	struct cursor cursor_before; /* of the search: Esc goes back there */
	char search[INPUT_BYTES_MAX];
	struct question question;
	bool is_cancel_pressed; /* ^C once */

	char message[MESSAGE_BYTES_MAX];
	enum role message_role;
	int64_t message_until_mono_ms;
	enum purpose undo_purpose; /* PURPOSE_NONE: nothing to undo */
	char undo_target[KEY_BYTES_MAX];

	struct link link;
	char user[USER_NAME_BYTES_MAX + 1];
	char role[USER_NAME_BYTES_MAX + 1];
	int64_t utc_offset_ms; /* utc = mono + this: the agent's clock */
	uint32_t seq;
	struct pending pending[PENDING_MAX];
	struct outbox out;     /* main connection */
	struct outbox log_out; /* connection of the log */
	uint8_t *show_body; /* reply of job.show for the page on top, SHOW_BODY_BYTES_MAX allocated at need */
	size_t show_bytes;
	char show_key[KEY_BYTES_MAX];
	bool is_changed; /* something that is drawn has changed since it was cleared */
	bool is_urgent;  /* and somebody waits for it: the answer to a key, the first rows */
};

/* The memory of a state is the caller's; it is large (about 80 KiB) and belongs on the heap. */
void state_init(struct state *state, row_resize *resize, int64_t now_mono_ms, int64_t now_utc_ms);
void state_close(struct state *state);

int64_t state_utc(const struct state *state, int64_t now_mono_ms);
enum place state_place(const struct state *state);     /* the page on top, or the view */
struct cursor *state_cursor(struct state *state);      /* of that place */
const char *state_page_key(const struct state *state); /* of the page on top; "" on a view */
bool state_is_production(const struct state *state);   /* by the cluster's name */
bool state_is_tiny(const struct state *state);         /* too small for a table */
int state_header_rows(const struct state *state);      /* 0, 1 or 3 */
int state_body_row(const struct state *state);         /* first row of the place's own area */
int state_body_rows(const struct state *state);        /* its height: titles and list; at least 0 */
int state_list_rows(const struct state *state);        /* lines of the list alone; at least 1 */
void state_say(struct state *state, int64_t now_mono_ms, enum role role, const char *format, ...)
	PRINTF_LIKE(4, 5);

/* ---- order: order.c ---- */
/* Makes the order of the place anew where it is stale, and puts the cursor on its row. Call before it is used. */
void order_refresh(struct state *state, int64_t now_mono_ms);
const struct row *order_row(const struct state *state, size_t index); /* NULL beyond the end */
const struct row *order_selected(struct state *state);                /* NULL: the list is empty */
/* Lines of the snapshot are rows and two separators: row <-> line. */
size_t order_line_of(const struct state *state, size_t index);
size_t order_line_count(const struct state *state);
/* SIZE_MAX: a separator. */
size_t order_index_of_line(const struct state *state, size_t line);
bool order_is_problem(enum place place, const struct row *row);
bool order_matches(enum place place, const struct row *row, const char *needle);

/* ---- requests: request.c ---- */
/* Each appends one frame to the outbox and remembers what its reply is for; false (and a message): no room. */
bool request_hello(struct state *state, int64_t now_mono_ms);
bool request_watch(struct state *state, int64_t now_mono_ms);
bool request_status(struct state *state, int64_t now_mono_ms);
bool request_show(struct state *state, int64_t now_mono_ms, const char *job);
bool request_past(struct state *state, int64_t now_mono_ms, const char *job);
bool request_act(struct state *state, int64_t now_mono_ms, enum purpose purpose, const char *target);
bool request_logs(struct state *state, int64_t now_mono_ms);
struct pending *request_find(struct state *state, uint32_t seq); /* NULL: nobody waits for it */
void request_forget_all(struct state *state, bool is_log);

#endif
