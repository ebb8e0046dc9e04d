/* The terminal, through ncursesw.
 *
 * What is shown is kept as a copy of the last cells; painting hands only different ones to curses, which does its own
 * comparison of the terminal's lines. The strings that restore the terminal are fetched at start, so that a signal
 * handler needs nothing but write() and tcsetattr(). */
#define _XOPEN_SOURCE_EXTENDED 1
#define NCURSES_WIDECHAR 1
#include "tui/term.h"

#include <curses.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "tui/keys.h"

/* term.h makes macros of words like `columns`, so it comes last and they go again. */
#include <term.h>
#undef columns
#undef key_find

#define ESCAPE_DELAY_MS \
	25 /* longer than any terminal takes within one sequence, shorter than a person notices */
#define RESTORE_BYTES_MAX 256u

static SCREEN *screen;
static struct cell *shown; /* what the terminal shows, LINES x COLS */
static int shown_rows;
static int shown_columns;
static bool has_color;
static struct termios modes_before;
static char restore_text[RESTORE_BYTES_MAX];
static size_t restore_bytes;
static volatile sig_atomic_t is_open;

/* ---- restoring ---- */

static int put_restore(int c)
{
	if (restore_bytes < sizeof(restore_text))
		restore_text[restore_bytes++] = (char)c;
	return c;
}

static void keep_restore(const char *capability)
{
	char *text = tigetstr(capability);
	if (text != NULL && text != (char *)-1)
		(void)tputs(text, 1, put_restore);
}

/* Async-signal-safe. */
static void restore_now(void)
{
	if (!is_open)
		return;
	is_open = 0;
	size_t at = 0;
	while (at < restore_bytes) {
		ssize_t sent = write(STDOUT_FILENO, restore_text + at, restore_bytes - at);
		if (sent <= 0)
			break;
		at += (size_t)sent;
	}
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &modes_before);
}

static void on_fatal_signal(int number)
{
	restore_now();
	/* SA_RESETHAND put the default back: the process ends by the signal, as its parent expects. */
	(void)raise(number);
}

static void on_continue(int number)
{
	(void)number; /* wakes the loop, which repaints */
}

static void catch_signals(void)
{
	static const int fatal[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGSEGV, SIGABRT,
				    SIGBUS,  SIGFPE, SIGILL, SIGPIPE, SIGXCPU};
	struct sigaction action = {.sa_handler = on_fatal_signal, .sa_flags = (int)SA_RESETHAND};
	(void)sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		(void)sigaction(fatal[i], &action, NULL);
	struct sigaction goes_on = {.sa_handler = on_continue};
	(void)sigemptyset(&goes_on.sa_mask);
	(void)sigaction(SIGCONT, &goes_on, NULL);
}

/* ---- opening ---- */

static bool can_paint(const char *type)
{
	int status = 0;
	if (setupterm(type, STDOUT_FILENO, &status) != OK)
		return false;
	char *address = tigetstr("cup");
	bool can = address != NULL && address != (char *)-1;
	(void)del_curterm(cur_term);
	return can;
}

static bool is_known(const char *type)
{
	int status = 0;
	if (setupterm(type, STDOUT_FILENO, &status) != OK)
		return false;
	(void)del_curterm(cur_term);
	return true;
}

/* The type to use for $TERM; NULL: none can be painted. */
static const char *choose_type(char ret_note[256])
{
	static const char *const others[] = {"xterm", "vt100"};
	const char *type = getenv("TERM");
	ret_note[0] = '\0';
	if (type == NULL || type[0] == '\0')
		return NULL;
	if (is_known(type))
		return can_paint(type) ? type : NULL;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (can_paint(others[i])) {
			(void)snprintf(ret_note, 256,
				       "this host does not know the terminal %.64s: using %s", type,
				       others[i]);
			return others[i];
		}
	}
	return NULL;
}

static void init_colors(bool wants_color)
{
	static const struct {
		short foreground;
		short background;
	} colors[ROLE_COUNT] = {
		[ROLE_NORMAL] = {-1, -1},
		[ROLE_OK] = {COLOR_GREEN, -1},
		[ROLE_RUNNING] = {COLOR_CYAN, -1},
		[ROLE_WARN] = {COLOR_YELLOW, -1},
		[ROLE_BAD] = {COLOR_RED, -1},
		[ROLE_ASIDE] = {COLOR_BLUE, -1},
		[ROLE_UNKNOWN] = {-1, -1},
		[ROLE_HIT] = {COLOR_BLACK, COLOR_YELLOW},
		[ROLE_BAR_PROD] = {COLOR_WHITE, COLOR_RED},
		[ROLE_BAR_STAGING] = {COLOR_BLACK, COLOR_YELLOW},
		[ROLE_BAR_DEV] = {COLOR_BLACK, COLOR_GREEN},
		[ROLE_BAR_LOST] = {COLOR_RED, -1},
	};
	has_color = wants_color && has_colors() && start_color() == OK && COLORS >= 8 &&
		    use_default_colors() == OK;
	for (short role = 1; has_color && role < ROLE_COUNT; role++)
		(void)init_pair(role, colors[role].foreground, colors[role].background);
}

enum err term_open(bool wants_color, char ret_note[256], struct problem *problem)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
	    tcgetattr(STDIN_FILENO, &modes_before) != 0)
		return problem_set(problem, ERR_IO, "stdin and stdout must be a terminal");
	const char *type = choose_type(ret_note);
	if (type == NULL)
		return problem_set(
			problem, ERR_UNSUPPORTED,
			"this terminal cannot be painted; use `schedctl job ls --watch` or `schedctl runs --watch`");
	screen = newterm(type, stdout, stdin);
	if (screen == NULL)
		return problem_set(problem, ERR_UNSUPPORTED, "curses cannot open the terminal %s", type);
	restore_bytes = 0;
	keep_restore("rmkx");
	keep_restore("sgr0");
	keep_restore("cnorm");
	keep_restore("rmcup");
	is_open = 1;
	(void)raw();
	(void)noecho();
	(void)nonl();
	(void)keypad(stdscr, TRUE);
	(void)nodelay(stdscr, TRUE);
	(void)set_escdelay(ESCAPE_DELAY_MS);
	(void)curs_set(0);
	init_colors(wants_color);
	catch_signals();
	return ERR_OK;
}

void term_close(void)
{
	if (!is_open)
		return;
	(void)endwin();
	is_open = 0;
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &modes_before);
	delscreen(screen);
	screen = NULL;
	free(shown);
	shown = NULL;
	shown_rows = shown_columns = 0;
}

void term_size(int *ret_rows, int *ret_columns)
{
	*ret_rows = LINES;
	*ret_columns = COLS;
}

/* ---- keys ---- */

static uint32_t key_of_curses(wint_t code)
{
	switch (code) {
	case KEY_RESIZE:
		return TERM_KEY_RESIZE;
	case KEY_UP:
		return KEY_CODE_UP;
	case KEY_DOWN:
		return KEY_CODE_DOWN;
	case KEY_LEFT:
		return KEY_CODE_LEFT;
	case KEY_RIGHT:
		return KEY_CODE_RIGHT;
	case KEY_HOME:
	case KEY_FIND:
		return KEY_CODE_HOME;
	case KEY_END:
	case KEY_SELECT:
		return KEY_CODE_END;
	case KEY_PPAGE:
		return KEY_CODE_PAGE_UP;
	case KEY_NPAGE:
		return KEY_CODE_PAGE_DOWN;
	case KEY_BACKSPACE:
		return KEY_CODE_BACKSPACE;
	case KEY_DC:
		return KEY_CODE_DELETE;
	case KEY_BTAB:
		return KEY_CODE_BACK_TAB;
	case KEY_ENTER:
		return KEY_CODE_ENTER;
	case KEY_F(1):
		return KEY_CODE_F1;
	case KEY_F(2):
		return KEY_CODE_F2;
	case KEY_F(3):
		return KEY_CODE_F3;
	case KEY_F(4):
		return KEY_CODE_F4;
	case KEY_F(6):
		return KEY_CODE_F6;
	case KEY_F(10):
		return KEY_CODE_F10;
	default:
		return KEY_CODE_OTHER;
	}
}

uint32_t term_key(void)
{
	wint_t code = 0;
	int kind = wget_wch(stdscr, &code);
	if (kind == ERR)
		return TERM_KEY_NONE;
	if (kind == KEY_CODE_YES)
		return key_of_curses(code);
	/* ^@ means nothing here, and 0 means no key. */
	return code == 0 || code > 0x10ffff ? KEY_CODE_OTHER : (uint32_t)code;
}

/* ---- painting ---- */

static attr_t attributes_of(const struct cell *cell, short *ret_pair)
{
	attr_t attributes = A_NORMAL;
	enum role role = (enum role)cell->role;
	bool is_bar = role >= ROLE_BAR_PROD && role <= ROLE_BAR_DEV;
	*ret_pair = has_color ? (short)role : 0;
	if (role == ROLE_UNKNOWN) {
		attributes |= A_DIM;
		*ret_pair = 0;
	}
	if (role == ROLE_BAD)
		attributes |= A_BOLD;
	if (!has_color && role == ROLE_WARN)
		attributes |= A_BOLD;
	/* On the reverse row of the cursor a hit would not be seen by its reverse alone. */
	if (!has_color && role == ROLE_HIT)
		attributes |= A_REVERSE | A_UNDERLINE;
	if ((cell->flags & CELL_REVERSE) != 0 && !(has_color && is_bar))
		attributes |= A_REVERSE;
	if ((cell->flags & CELL_BOLD) != 0)
		attributes |= A_BOLD;
	if ((cell->flags & CELL_DIM) != 0)
		attributes |= A_DIM;
	return attributes;
}

static void paint_cell(int row, int column, const struct cell *cell)
{
	wchar_t text[2 + CELL_MARKS_MAX] = {(wchar_t)cell->character};
	short pair;
	attr_t attributes = attributes_of(cell, &pair);
	int count = 1;
	/* Where the C library takes another width than we do, the terminal may too: a sign of our width instead. */
	if (wcwidth(text[0]) != cell->width)
		text[0] = L'?';
	for (int i = 0; i < CELL_MARKS_MAX && cell->marks[i] != 0 && text[0] != L'?'; i++) {
		if (wcwidth((wchar_t)cell->marks[i]) == 0)
			text[count++] = (wchar_t)cell->marks[i];
	}
	cchar_t shown_cell;
	if (setcchar(&shown_cell, text, attributes, pair, NULL) != OK)
		return;
	(void)mvadd_wch(row, column, &shown_cell);
	if (cell->width == 2 && text[0] == L'?') {
		text[0] = L' ';
		if (setcchar(&shown_cell, text, attributes, pair, NULL) == OK)
			(void)mvadd_wch(row, column + 1, &shown_cell);
	}
}

static bool prepare_shown(const struct cells *cells)
{
	if (shown != NULL && shown_rows == cells->rows && shown_columns == cells->columns)
		return true;
	free(shown);
	shown = calloc((size_t)cells->rows * (size_t)cells->columns, sizeof(*shown));
	shown_rows = cells->rows;
	shown_columns = cells->columns;
	(void)erase();
	return shown != NULL;
}

void term_paint(const struct cells *cells)
{
	if (!prepare_shown(cells))
		return;
	for (int row = 0; row < cells->rows; row++) {
		for (int column = 0; column < cells->columns; column++) {
			const struct cell *cell = cells_at(cells, row, column);
			struct cell *before = &shown[(size_t)row * (size_t)cells->columns + (size_t)column];
			if (cell_equal(cell, before))
				continue;
			*before = *cell;
			if (cell->width > 0)
				paint_cell(row, column, cell);
		}
	}
	(void)refresh();
}

void term_redraw(void)
{
	free(shown);
	shown = NULL;
	(void)clearok(stdscr, TRUE);
}

void term_suspend(void)
{
	(void)endwin();
	/* The whole group, as a terminal does it: a script that started us stops too. */
	(void)kill(0, SIGSTOP);
	term_redraw();
	(void)refresh();
}
