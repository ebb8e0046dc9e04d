/* Any bytes as what an agent tells the console: rows of the watch, lines of a log, the answer about a job, whole
 * frames; keys between them. Nothing may break, every screen can be drawn, and no cell holds a control.
 *
 * The input is a list of pieces: a byte for the kind, two for the length, the bytes. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "proto/buf.h"
#include "proto/wire.h"
#include "tui/update.h"
#include "tui/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

#define ROWS 30
#define COLUMNS 145 /* wide enough for the pane beside the list */
#define MONO_MS 1000000
#define PIECE_BYTES_MAX 65536u
#define UTC_MS 1795176271000 /* 2026-11-20T12:04:31Z */

static void *resize(void *memory, size_t bytes)
{
	if (bytes == 0) {
		free(memory);
		return NULL;
	}
	return realloc(memory, bytes);
}

static uint32_t seq_of(const struct state *state, enum purpose purpose)
{
	for (int i = 0; i < PENDING_MAX; i++) {
		if (state->pending[i].purpose == purpose)
			return state->pending[i].seq;
	}
	return 0;
}

/* [1, seq, kind, value], where the value is what the fuzzer made. */
static void send_value(struct state *state, enum purpose purpose, uint64_t kind, struct slice value)
{
	static uint8_t memory[PIECE_BYTES_MAX + 64];
	struct buf buf;
	buf_init(&buf, memory, sizeof(memory));
	wire_put_array(&buf, 4);
	wire_put_u64(&buf, 1);
	wire_put_u64(&buf, seq_of(state, purpose));
	wire_put_u64(&buf, kind);
	wire_put_raw(&buf, value);
	update_frame(state, buf_slice(&buf), purpose == PURPOSE_LOGS, MONO_MS);
}

static void take_piece(struct state *state, uint8_t kind, struct slice piece)
{
	switch (kind % 8) {
	case 0:
		update_frame(state, piece, false, MONO_MS);
		return;
	case 1:
	case 2:
		send_value(state, PURPOSE_WATCH, 0, piece);
		return;
	case 3:
		if (!state->log.is_wanted) {
			update_key(state, 'l', MONO_MS);
			update_log_link_up(state, MONO_MS);
		}
		send_value(state, PURPOSE_LOGS, 0, piece);
		return;
	case 4:
		update_key(state, '1', MONO_MS);
		update_key(state, KEY_CODE_ENTER, MONO_MS);
		send_value(state, PURPOSE_SHOW, 1, piece);
		return;
	case 5:
		send_value(state, PURPOSE_PAST, 0, piece);
		return;
	case 6:
		send_value(state, PURPOSE_HELLO, 1, piece);
		return;
	case 7:
		for (size_t i = 0; i < piece.bytes; i++)
			update_key(state, piece.data[i], MONO_MS);
		return;
	}
}

static void paint(struct state *state, struct cells *cells)
{
	view_paint(state, cells, MONO_MS);
	for (int i = 0; i < ROWS * COLUMNS; i++)
		assert(cells->grid[i].character == 0 || cells->grid[i].character >= 0x20);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count)
{
	static struct cell memory[ROWS * COLUMNS];
	struct cells cells;
	struct state *state = malloc(sizeof(*state));
	assert(state != NULL);
	state_init(state, resize, MONO_MS, UTC_MS);
	update_resize(state, ROWS, COLUMNS);
	update_link_up(state, MONO_MS);
	cells_init(&cells, memory, ROWS, COLUMNS, false);
	while (bytes_count >= 3) {
		size_t length = load_u16(bytes + 1);
		length = length < bytes_count - 3 ? length : bytes_count - 3;
		take_piece(state, bytes[0], slice_of(bytes + 3, length));
		state->out.count = 0;
		state->log_out.count = 0;
		bytes += 3 + length;
		bytes_count -= 3 + length;
	}
	for (const char *key = "\x1b\x1b\x1b"
			       "123";
	     *key != '\0'; key++) {
		update_key(state, (unsigned char)*key, MONO_MS);
		paint(state, &cells);
	}
	(void)update_tick(state, MONO_MS + 1);
	paint(state, &cells);
	state_close(state);
	free(state);
	return 0;
}
