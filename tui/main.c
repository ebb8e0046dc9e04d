/* schedtop: options, and one loop over the terminal, the agent's socket and time. */
#include <errno.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tui/client.h"
#include "tui/term.h"
#include "tui/update.h"
#include "tui/view.h"

#define SOCKET_DEFAULT "/var/lib/peersched/schedd.sock"
#define FRAME_MS 500 /* floor between paints that no key asked for */
#define BACKOFF_MS_MIN 250
#define BACKOFF_MS_MAX 5000
#define LOG_RETRY_MS 1000
#define KEYS_MAX 256 /* per turn: pasted text does not keep the rest from running */

#define EXIT_USAGE 2
#define EXIT_NO_AGENT 7

struct options {
	const char *socket_path;
	bool has_color;
	bool is_ascii;
	bool is_read_only;
};

struct program {
	struct options options;
	struct state *state;
	struct client client;
	struct client log_client;
	uint32_t log_generation; /* the source that log_client is for */
	int64_t log_retry_mono_ms;
	int64_t retry_mono_ms;
	int64_t backoff_ms;
	int try_count;
	int64_t painted_mono_ms;
	bool is_urgent; /* a key came: paint at once */
	bool is_lost;   /* the terminal is gone */
	struct cells cells;
	void *cells_memory;
	size_t cells_memory_bytes;
};

static int64_t mono_ms(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t utc_ms(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void *resize_memory(void *memory, size_t bytes)
{
	if (bytes == 0) {
		free(memory);
		return NULL;
	}
	return realloc(memory, bytes);
}

/* ---- options ---- */

static void print_help(void)
{
	puts("Usage: schedtop [--socket PATH] [options]\n"
	     "\n"
	     "  schedtop                       the agent of this host\n"
	     "  schedtop --socket n1/schedd.sock\n"
	     "  schedtop -r                    looks only\n"
	     "\n"
	     "  --socket PATH       the agent's socket (SCHED_SOCKET; " SOCKET_DEFAULT ")\n"
	     "  -r, --read-only     no key changes anything\n"
	     "  --color=WHEN        auto or never (NO_COLOR turns colours off too)\n"
	     "  --ascii             no character beyond ASCII\n"
	     "  -h, --help          this text\n"
	     "  --version           the version\n"
	     "\n"
	     "Keys: ? in the console lists them. q leaves.\n"
	     "Exit codes: 0 left by a key, 2 bad usage or terminal, 7 no agent.");
}

static int refuse(const char *what, const char *hint)
{
	(void)fprintf(stderr, "schedtop: %s\n", what);
	if (hint[0] != '\0')
		(void)fprintf(stderr, "hint: %s\n", hint);
	return EXIT_USAGE;
}

enum { OPTION_SOCKET = 256, OPTION_COLOR, OPTION_ASCII, OPTION_VERSION, OPTION_PLAIN };

/* -1: go on; else the exit code. */
static int read_options(int count, char **words, struct options *options)
{
	static const struct option list[] = {
		{"socket", required_argument, NULL, OPTION_SOCKET},
		{"color", required_argument, NULL, OPTION_COLOR},
		{"ascii", no_argument, NULL, OPTION_ASCII},
		{"read-only", no_argument, NULL, 'r'},
		{"plain", no_argument, NULL, OPTION_PLAIN},
		{"host", required_argument, NULL, 'H'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, OPTION_VERSION},
		{NULL, 0, NULL, 0},
	};
	int option;
	while ((option = getopt_long(count, words, "hrH:", list, NULL)) != -1) {
		switch (option) {
		case OPTION_SOCKET:
			options->socket_path = optarg;
			break;
		case OPTION_COLOR:
			if (strcmp(optarg, "never") != 0 && strcmp(optarg, "auto") != 0)
				return refuse("--color: auto or never", "");
			options->has_color = options->has_color && strcmp(optarg, "never") != 0;
			break;
		case OPTION_ASCII:
			options->is_ascii = true;
			break;
		case 'r':
			options->is_read_only = true;
			break;
		case OPTION_PLAIN:
			return refuse("--plain: not in this version", "schedctl job ls, schedctl runs");
		case 'H':
			return refuse("-H: not in this version", "ssh -t HOST schedtop");
		case 'h':
			print_help();
			return 0;
		case OPTION_VERSION:
			puts("schedtop " PEERSCHED_VERSION);
			return 0;
		default:
			(void)fputs("hint: schedtop --help\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < count)
		return refuse("no arguments are taken, only options", "schedtop --help");
	return -1;
}

static void default_options(struct options *options)
{
	const char *socket_path = getenv("SCHED_SOCKET");
	const char *no_color = getenv("NO_COLOR");
	(void)setlocale(LC_CTYPE, "");
	*options = (struct options){
		.socket_path = socket_path != NULL && socket_path[0] != '\0' ? socket_path
									     : SOCKET_DEFAULT,
		.has_color = no_color == NULL || no_color[0] == '\0',
		.is_ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0,
	};
}

/* ---- links ---- */

static void lose_link(struct program *program, int64_t now)
{
	client_close(&program->client);
	/* Jitter by the clock's low bits: consoles that lost the same agent do not come back in step. */
	struct timespec fine;
	(void)clock_gettime(CLOCK_MONOTONIC, &fine);
	int64_t jitter_ms = program->backoff_ms * (fine.tv_nsec / 1000 % 40 - 20) / 100;
	program->retry_mono_ms = now + program->backoff_ms + jitter_ms;
	program->backoff_ms = program->backoff_ms * 2 < BACKOFF_MS_MAX ? program->backoff_ms * 2
								       : BACKOFF_MS_MAX;
	program->try_count++;
	update_link_lost(program->state, now, program->retry_mono_ms, program->try_count);
}

static void try_link(struct program *program, int64_t now)
{
	if (program->client.fd >= 0 || now < program->retry_mono_ms)
		return;
	if (client_open(&program->client, program->options.socket_path, NULL) != ERR_OK) {
		lose_link(program, now);
		return;
	}
	update_link_up(program->state, now);
}

static void read_frames(struct program *program, struct client *client, bool is_log, int64_t now)
{
	enum err err = client_read(client);
	struct slice body;
	while (client_next(client, &body)) {
		update_frame(program->state, body, is_log, now);
		if (!is_log) {
			program->backoff_ms = BACKOFF_MS_MIN;
			program->try_count = 0;
		}
	}
	if (err == ERR_OK)
		return;
	if (is_log) {
		client_close(client);
		program->log_retry_mono_ms = now + LOG_RETRY_MS;
		update_log_link_lost(program->state, now);
	} else {
		lose_link(program, now);
	}
}

/* The log has a connection of its own: a flood of output does not delay what the views need, and closing it is how
 * following ends. */
static void keep_log_link(struct program *program, int64_t now)
{
	const struct log_view *log = &program->state->log;
	bool is_wanted = log->is_wanted && log->generation > 0 && program->client.fd >= 0;
	if (program->log_client.fd >= 0 && (!is_wanted || program->log_generation != log->generation)) {
		client_close(&program->log_client);
		program->log_retry_mono_ms = now;
		update_log_link_lost(program->state, now);
	}
	if (!is_wanted || program->log_client.fd >= 0 || now < program->log_retry_mono_ms)
		return;
	program->log_generation = log->generation;
	if (client_open(&program->log_client, program->options.socket_path, NULL) != ERR_OK) {
		program->log_retry_mono_ms = now + LOG_RETRY_MS;
		return;
	}
	update_log_link_up(program->state, now);
}

static void write_frames(struct program *program, int64_t now)
{
	if (program->client.fd >= 0 && client_write(&program->client, &program->state->out) != ERR_OK)
		lose_link(program, now);
	if (program->log_client.fd >= 0 &&
	    client_write(&program->log_client, &program->state->log_out) != ERR_OK) {
		client_close(&program->log_client);
		program->log_retry_mono_ms = now + LOG_RETRY_MS;
		update_log_link_lost(program->state, now);
	}
}

/* ---- screen ---- */

static bool fit_cells(struct program *program)
{
	int rows;
	int columns;
	term_size(&rows, &columns);
	update_resize(program->state, rows, columns);
	rows = program->state->rows;
	columns = program->state->columns;
	if (program->cells.grid != NULL && program->cells.rows == rows && program->cells.columns == columns)
		return true;
	size_t bytes = cells_bytes(rows, columns);
	if (bytes > program->cells_memory_bytes) {
		void *memory = realloc(program->cells_memory, bytes);
		if (memory == NULL)
			return false;
		program->cells_memory = memory;
		program->cells_memory_bytes = bytes;
	}
	cells_init(&program->cells, program->cells_memory, rows, columns, program->state->is_ascii);
	return true;
}

static void paint(struct program *program, int64_t now)
{
	program->state->is_changed = false;
	program->state->is_urgent = false;
	program->is_urgent = false;
	program->painted_mono_ms = now;
	view_paint(program->state, &program->cells, now);
	term_paint(&program->cells);
}

static void take_keys(struct program *program, int64_t now)
{
	struct state *state = program->state;
	for (int i = 0; i < KEYS_MAX && !state->is_quitting; i++) {
		uint32_t key = term_key();
		if (key == TERM_KEY_NONE)
			return;
		program->is_urgent = true;
		if (key == TERM_KEY_RESIZE)
			(void)fit_cells(program);
		else
			update_key(state, key, now);
		if (state->wants_redraw)
			term_redraw();
		state->wants_redraw = false;
		if (state->wants_suspend) {
			state->wants_suspend = false;
			term_suspend();
			(void)fit_cells(program);
			state->is_changed = true;
		}
	}
}

static int64_t next_wake(const struct program *program, int64_t now)
{
	const struct state *state = program->state;
	int64_t wake = update_wake(state, now);
	if (program->client.fd < 0 && program->retry_mono_ms < wake)
		wake = program->retry_mono_ms;
	if (state->log.is_wanted && state->log.generation > 0 && program->log_client.fd < 0 &&
	    program->client.fd >= 0 && program->log_retry_mono_ms < wake)
		wake = program->log_retry_mono_ms;
	if (state->is_changed && program->painted_mono_ms + FRAME_MS < wake)
		wake = program->painted_mono_ms + FRAME_MS;
	return wake;
}

static short events_of(const struct client *client, const struct outbox *outbox)
{
	return (short)(POLLIN | (client->fd >= 0 && outbox->count > 0 ? POLLOUT : 0));
}

static void wait_for_news(struct program *program, const sigset_t *mask, int64_t now)
{
	struct pollfd polled[3] = {
		{.fd = STDIN_FILENO, .events = POLLIN},
		{.fd = program->client.fd, .events = events_of(&program->client, &program->state->out)},
		{.fd = program->log_client.fd,
		 .events = events_of(&program->log_client, &program->state->log_out)},
	};
	int64_t wait_ms = next_wake(program, now) - now;
	if (wait_ms < 0)
		wait_ms = 0;
	struct timespec timeout = {.tv_sec = (time_t)(wait_ms / 1000),
				   .tv_nsec = (long)(wait_ms % 1000) * 1000000};
	int count = ppoll(polled, 3, &timeout, mask);
	if (count < 0)
		return; /* a signal: the size changed, or we go on after a stop; both show as keys */
	if ((polled[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
		program->is_lost = true;
	now = mono_ms();
	if (polled[1].revents != 0 && program->client.fd >= 0)
		read_frames(program, &program->client, false, now);
	if (polled[2].revents != 0 && program->log_client.fd >= 0)
		read_frames(program, &program->log_client, true, now);
}

static void run_loop(struct program *program)
{
	struct state *state = program->state;
	/* A change of size is only let in while we wait, so that none falls between looking and waiting. */
	sigset_t blocked;
	sigset_t before;
	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGWINCH);
	(void)sigaddset(&blocked, SIGCONT);
	(void)sigprocmask(SIG_BLOCK, &blocked, &before);
	while (!state->is_quitting && !program->is_lost) {
		int64_t now = mono_ms();
		take_keys(program, now);
		try_link(program, now);
		if (!update_tick(state, now) && program->client.fd >= 0)
			lose_link(program, now);
		keep_log_link(program, now);
		write_frames(program, now);
		if (program->is_urgent || state->is_urgent ||
		    (state->is_changed && now >= program->painted_mono_ms + FRAME_MS))
			paint(program, now);
		if (!state->is_quitting)
			wait_for_news(program, &before, now);
	}
}

static int run(struct program *program)
{
	struct problem problem = {0};
	char note[256];
	int64_t now = mono_ms();
	if (client_open(&program->client, program->options.socket_path, &problem) != ERR_OK) {
		(void)fprintf(stderr,
			      "schedtop: no agent: %s\nhint: is schedd running? --socket PATH or SCHED_SOCKET name another socket\n",
			      problem.text);
		return EXIT_NO_AGENT;
	}
	if (term_open(program->options.has_color, note, &problem) != ERR_OK) {
		(void)fprintf(stderr, "schedtop: %s\n", problem.text);
		return EXIT_USAGE;
	}
	program->state->is_ascii = program->options.is_ascii;
	program->state->is_read_only = program->options.is_read_only;
	if (!fit_cells(program)) {
		term_close();
		return refuse("no memory for the screen", "");
	}
	if (note[0] != '\0')
		state_say(program->state, now, ROLE_WARN, "%s", note);
	update_link_up(program->state, now);
	program->is_urgent = true;
	run_loop(program);
	term_close();
	return program->is_lost ? 1 : 0;
}

int main(int count, char **words)
{
	struct program program = {.backoff_ms = BACKOFF_MS_MIN};
	default_options(&program.options);
	int code = read_options(count, words, &program.options);
	if (code >= 0)
		return code;
	program.state = calloc(1, sizeof(*program.state));
	if (program.state == NULL)
		return refuse("no memory", "");
	state_init(program.state, resize_memory, mono_ms(), utc_ms());
	client_init(&program.client, resize_memory);
	client_init(&program.log_client, resize_memory);
	code = run(&program);
	client_close(&program.client);
	client_close(&program.log_client);
	state_close(program.state);
	free(program.state);
	free(program.cells_memory);
	return code;
}
