/* A grid of terminal cells, apart from any terminal: views write into it, term.c paints the difference of two of
 * them, and tests compare it as text. Pure: memory is given, nothing else is touched.
 *
 * Text from outside goes through cells_put, which is the place where it becomes harmless: controls turn into ^X,
 * what changes the direction of writing and bad bytes into U+FFFD, joiners and selectors disappear. */
#ifndef TUI_CELLS_H
#define TUI_CELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/types.h"

#define CELLS_ROWS_MAX 300 /* a larger terminal is used up to here */
#define CELLS_COLUMNS_MAX 600
#define CELL_MARKS_MAX \
	2 /* combining marks kept per cell; the languages that are written use one or two */

/* What a cell means; the terminal's colour for it is term.c's. */
enum role {
	ROLE_NORMAL,
	ROLE_OK,
	ROLE_RUNNING,
	ROLE_WARN,  /* late, waiting, suspect, near a limit */
	ROLE_BAD,   /* ended badly */
	ROLE_ASIDE, /* paused, skipped, disabled, draining, left */
	ROLE_UNKNOWN,
	ROLE_HIT, /* found by the search */
	ROLE_BAR_PROD,
	ROLE_BAR_STAGING,
	ROLE_BAR_DEV,
	ROLE_BAR_LOST,
	ROLE_COUNT /* not a role: how many there are */
};

#define CELL_REVERSE 1u
#define CELL_BOLD 2u
#define CELL_DIM 4u

struct cell {
	uint32_t character; /* 0: the right half of a wide one */
	uint32_t marks[CELL_MARKS_MAX];
	uint8_t width; /* 1 or 2; 0 for the right half */
	uint8_t role;
	uint8_t flags;
	uint8_t unused;
};

struct cells {
	struct cell *grid; /* rows x columns, borrowed */
	int rows;
	int columns;
	bool is_ascii; /* what is not ASCII becomes one '?' per character */
};

size_t cells_bytes(int rows, int columns);
/* `memory` has cells_bytes() bytes and outlives the grid. Requires 1 <= rows, columns and the maxima. */
void cells_init(struct cells *cells, void *memory, int rows, int columns, bool is_ascii);
void cells_clear(struct cells *cells);
struct cell *cells_at(const struct cells *cells, int row, int column);

/* Writes at most `width` cells from (row, column) and returns how many were used. What lies outside the grid is cut; a wide
 * character that would be cut in half is not written. Accepts any row, column and width, also negative ones. */
int cells_put(struct cells *cells, int row, int column, int width, struct slice text,
	      enum role role, unsigned flags);
int cells_text(struct cells *cells, int row, int column, int width, const char *text,
	       enum role role, unsigned flags);
/* As cells_text, but a text that does not fit ends in `~`. Always fills `width` cells. */
void cells_fit(struct cells *cells, int row, int column, int width, const char *text,
	       enum role role, unsigned flags);
/* Right-aligned in `width`; what does not fit is cut on the right. */
void cells_right(struct cells *cells, int row, int column, int width, const char *text,
		 enum role role, unsigned flags);
/* `width` times the same ASCII character. */
void cells_fill(struct cells *cells, int row, int column, int width, char character, enum role role,
		unsigned flags);
/* Adds flags to what stands there. */
void cells_flag(struct cells *cells, int row, int column, int width, unsigned flags);
/* Cells that cells_put would need. */
int cells_width(struct slice text, bool is_ascii);

bool cell_equal(const struct cell *a, const struct cell *b);
/* The rows as UTF-8 lines without trailing blanks; for tests and for what is saved to a file. */
void cells_print(const struct cells *cells, struct buf *ret_text);

#endif
