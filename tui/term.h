/* The terminal: the only file that knows curses. One at a time; it is process-wide by nature. */
#ifndef TUI_TERM_H
#define TUI_TERM_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/err.h"
#include "tui/cells.h"

#define TERM_KEY_NONE 0u
#define TERM_KEY_RESIZE 0x11ffffu

/* Call setlocale before. Takes over the terminal until term_close, which also runs when the process ends by a signal
 * that can be caught: the screen, the cursor and the line's modes are then as before. ERR_UNSUPPORTED: this terminal
 * can not be painted; ERR_IO: stdin or stdout is none. A line for the person about a terminal type that was replaced
 * is in `ret_note`, or "". */
MUST_CHECK enum err term_open(bool wants_color, char ret_note[256], struct problem *problem);
void term_close(void); /* does nothing when it is not open */
void term_size(int *ret_rows, int *ret_columns);
/* The next key that has come, as a code of keys.h; TERM_KEY_RESIZE after a change of size; TERM_KEY_NONE. Never waits. */
uint32_t term_key(void);
/* Shows the cells: only what differs from the last call is sent. `grid` has the size of term_size. */
void term_paint(const struct cells *cells);
/* Paints everything anew at the next term_paint. */
void term_redraw(void);
/* Gives the terminal back, stops the process group, and takes it again when it is continued. */
void term_suspend(void);

#endif
