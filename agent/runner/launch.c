/* Both ends of the launch step; the picture is in the header file. */
#include "agent/runner/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* Descriptors of the launcher; 0, 1 and 2 are the job's. */
#define LAUNCH_CONTROL 3
#define LAUNCH_COMMAND 4
#define LAUNCH_DESCRIPTOR_COUNT 5

#define LAUNCH_EXIT_LOST \
	125 /* the runner is gone or its input is no command: nothing was executed */
#define LAUNCH_EXIT_REFUSED 126

/* ---- The runner's end ---- */

static void close_if_open(int *descriptor)
{
	if (*descriptor >= 0)
		(void)close(*descriptor);
	*descriptor = -1;
}

/* A file in memory that holds `bytes`, read from its start. */
static int memory_file(const char *name, struct slice bytes)
{
	int descriptor = memfd_create(name, MFD_CLOEXEC);
	if (descriptor < 0)
		return -1;
	size_t done = 0;
	while (done < bytes.bytes) {
		ssize_t written = pwrite(descriptor, bytes.data + done, bytes.bytes - done, (off_t)done);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			(void)close(descriptor);
			return -1;
		}
		done += (size_t)written;
	}
	return descriptor;
}

/* A pipe whose write end can be read as well. So the job holds a reader itself: while the runner is restarted its
 * writes wait instead of killing it with SIGPIPE, and the next runner finds what the pipe holds. */
static int output_pipe(int *ret_read, int *ret_write, uint64_t *ret_inode)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	struct stat status;
	if (fstat(ends[0], &status) != 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
		(void)close(ends[0]);
		(void)close(ends[1]);
		return -1;
	}
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[1]);
	int both = open(path, O_RDWR | O_CLOEXEC);
	if (both >= 0) {
		(void)close(ends[1]);
		ends[1] = both;
	}
	*ret_read = ends[0];
	*ret_write = ends[1];
	*ret_inode = status.st_ino;
	return 0;
}

/* The descriptors that the child gets, by its numbers. */
struct child_ends {
	int of[LAUNCH_DESCRIPTOR_COUNT];
};

static int open_ends(const struct definition *definition, struct slice command,
		     struct child_ends *ends, struct launch *launch)
{
	int sockets[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
		return -1;
	launch->control = sockets[0];
	ends->of[LAUNCH_CONTROL] = sockets[1];
	if (fcntl(launch->control, F_SETFL, O_NONBLOCK) != 0)
		return -1;
	if (output_pipe(&launch->output[0], &ends->of[1], &launch->pipe_inodes[0]) != 0 ||
	    output_pipe(&launch->output[1], &ends->of[2], &launch->pipe_inodes[1]) != 0)
		return -1;
	ends->of[LAUNCH_COMMAND] = memory_file("command", command);
	ends->of[0] = definition->stdin_text.bytes > 0 ? memory_file("stdin", definition->stdin_text)
						       : open("/dev/null", O_RDONLY | O_CLOEXEC);
	return ends->of[LAUNCH_COMMAND] < 0 || ends->of[0] < 0 ? -1 : 0;
}

static int spawn(uv_loop_t *loop, uv_process_t *process, uv_exit_cb on_exit, int program,
		 const struct child_ends *ends)
{
	uv_stdio_container_t stdio[LAUNCH_DESCRIPTOR_COUNT];
	for (size_t i = 0; i < LAUNCH_DESCRIPTOR_COUNT; i++) {
		stdio[i].flags = UV_INHERIT_FD;
		stdio[i].data.fd = ends->of[i];
	}
	char file[64];
	(void)snprintf(file, sizeof(file), "/proc/self/fd/%d", program);
	char name[] = "schedd-runner";
	char option[] = LAUNCH_OPTION;
	char *arguments[] = {name, option, NULL};
	/* The job's variables are not the launcher's: LD_PRELOAD among them is for the job alone. */
	char *environment[] = {NULL};
	uv_process_options_t options = {
		.exit_cb = on_exit,
		.file = file,
		.args = arguments,
		.env = environment,
		.stdio_count = LAUNCH_DESCRIPTOR_COUNT,
		.stdio = stdio,
	};
	return uv_spawn(loop, process, &options);
}

int launch_start(uv_loop_t *loop, uv_process_t *process, uv_exit_cb on_exit, int program,
		 const struct definition *definition, struct slice command,
		 struct launch *ret_launch, bool *ret_must_close)
{
	struct child_ends ends;
	for (size_t i = 0; i < LAUNCH_DESCRIPTOR_COUNT; i++)
		ends.of[i] = -1;
	struct launch launch = {.control = -1, .output = {-1, -1}};
	*ret_must_close = false;
	int result = 0;
	if (open_ends(definition, command, &ends, &launch) != 0) {
		result = uv_translate_sys_error(errno);
		goto out;
	}
	*ret_must_close = true;
	result = spawn(loop, process, on_exit, program, &ends);
	if (result == 0)
		*ret_launch = launch;
out:
	for (size_t i = 0; i < LAUNCH_DESCRIPTOR_COUNT; i++)
		close_if_open(&ends.of[i]);
	if (result != 0) {
		close_if_open(&launch.control);
		close_if_open(&launch.output[0]);
		close_if_open(&launch.output[1]);
	}
	return result;
}

/* ---- The launcher ---- */

struct launcher {
	const struct command_head *head;
	const char *directory;
	char *words[COMMAND_WORDS_MAX + 1];
	char *variables[COMMAND_VARIABLES_MAX + 1];
	int cwd_error;
	int timer;
};

static void tell(enum launch_news news, int error)
{
	struct timespec mono;
	struct timespec utc;
	(void)clock_gettime(CLOCK_BOOTTIME, &mono);
	(void)clock_gettime(CLOCK_REALTIME, &utc);
	struct launch_status status = {
		.news = (int32_t)news,
		.error = error,
		.mono_us = (int64_t)mono.tv_sec * 1000000 + mono.tv_nsec / 1000,
		.utc_ms = (int64_t)utc.tv_sec * 1000 + utc.tv_nsec / 1000000,
	};
	(void)send(LAUNCH_CONTROL, &status, sizeof(status), MSG_NOSIGNAL);
}

/* Points into the mapped file; the next string, or NULL at the end. */
static char *next_string(char **at, const char *end)
{
	char *text = *at;
	char *terminator = text < end ? memchr(text, '\0', (size_t)(end - text)) : NULL;
	if (terminator == NULL)
		return NULL;
	*at = terminator + 1;
	return text;
}

static bool read_command(struct launcher *launcher)
{
	struct stat status;
	if (fstat(LAUNCH_COMMAND, &status) != 0 || status.st_size < (off_t)sizeof(struct command_head))
		return false;
	size_t bytes = (size_t)status.st_size;
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, LAUNCH_COMMAND, 0);
	if (memory == MAP_FAILED)
		return false;
	launcher->head = (const struct command_head *)memory;
	if (launcher->head->bytes != bytes - sizeof(struct command_head) ||
	    launcher->head->word_count > COMMAND_WORDS_MAX ||
	    launcher->head->variable_count > COMMAND_VARIABLES_MAX)
		return false;

	char *at = memory + sizeof(struct command_head);
	const char *end = memory + bytes;
	launcher->directory = next_string(&at, end);
	bool complete = launcher->directory != NULL;
	for (uint32_t i = 0; i < launcher->head->word_count; i++) {
		launcher->words[i] = next_string(&at, end);
		complete = complete && launcher->words[i] != NULL;
	}
	for (uint32_t i = 0; i < launcher->head->variable_count; i++) {
		launcher->variables[i] = next_string(&at, end);
		complete = complete && launcher->variables[i] != NULL;
	}
	return complete;
}

/* The runner's own limit is above what old programs, that loop over all descriptors, can stand. */
static void restore_files_limit(uint64_t files_soft)
{
	struct rlimit files;
	if (files_soft == 0 || getrlimit(RLIMIT_NOFILE, &files) != 0 || files_soft > files.rlim_max)
		return;
	files.rlim_cur = files_soft;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

static bool set_up(struct launcher *launcher)
{
	(void)prctl(PR_SET_NAME, "schedd-launch");
	(void)setsid();
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL);
	(void)close_range(LAUNCH_DESCRIPTOR_COUNT, ~0u, 0);
	if (fcntl(LAUNCH_CONTROL, F_SETFD, FD_CLOEXEC) != 0 ||
	    fcntl(LAUNCH_COMMAND, F_SETFD, FD_CLOEXEC) != 0)
		return false;
	(void)umask((mode_t)launcher->head->umask);
	restore_files_limit(launcher->head->files_soft);
	launcher->cwd_error = chdir(launcher->directory) == 0 ? 0 : errno;

	int64_t start_us = launcher->head->start_mono_us;
	/* 0 would disarm the timer; the past fires at once. */
	if (start_us < 1)
		start_us = 1;
	struct itimerspec moment = {
		.it_value = {.tv_sec = start_us / 1000000, .tv_nsec = start_us % 1000000 * 1000}};
	launcher->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
	return launcher->timer >= 0 &&
	       timerfd_settime(launcher->timer, TFD_TIMER_ABSTIME, &moment, NULL) == 0;
}

/* Waits until the moment has come and the runner has said that its journal holds the run. False: not to be
 * started. What the runner said is looked at first, so a revocation that came in time wins. */
static bool wait_for_moment(const struct launcher *launcher)
{
	bool may_go = false;
	bool is_due = false;
	while (!may_go || !is_due) {
		struct pollfd waits[] = {{.fd = LAUNCH_CONTROL, .events = POLLIN},
					 {.fd = is_due ? -1 : launcher->timer, .events = POLLIN}};
		if (poll(waits, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return false;
		}
		if (waits[0].revents != 0) {
			char order = 0;
			if (recv(LAUNCH_CONTROL, &order, 1, 0) <= 0)
				return false;
			if (order == LAUNCH_REVOKE) {
				tell(LAUNCH_REVOKED, 0);
				return false;
			}
			may_go = true;
		}
		is_due = is_due || waits[1].revents != 0;
	}
	return true;
}

static const char *path_of(const struct launcher *launcher)
{
	for (size_t i = 0; launcher->variables[i] != NULL; i++) {
		if (strncmp(launcher->variables[i], "PATH=", 5) == 0)
			return launcher->variables[i] + 5;
	}
	return "";
}

/* execvpe would hand a file that is no program to a shell; a command is executed without one. Returns only on
 * failure, with the errno that says most: a file that is there but may not be executed outweighs one that is not. */
static int execute(struct launcher *launcher)
{
	const char *name = launcher->words[0];
	if (strchr(name, '/') != NULL || name[0] == '\0') {
		(void)execve(name, launcher->words, launcher->variables);
		return errno;
	}
	int error = ENOENT;
	for (const char *folder = path_of(launcher); folder[0] != '\0';) {
		size_t bytes = strcspn(folder, ":");
		char file[PATH_MAX];
		int length = bytes > 0 ? snprintf(file, sizeof(file), "%.*s/%s", (int)bytes, folder, name)
				       : 0;
		if (length > 0 && (size_t)length < sizeof(file)) {
			(void)execve(file, launcher->words, launcher->variables);
			if (errno != ENOENT && errno != ENOTDIR)
				error = errno;
		}
		folder += bytes;
		folder += folder[0] == ':';
	}
	return error;
}

int launch_main(void)
{
	struct launcher launcher = {0};
	if (!read_command(&launcher) || !set_up(&launcher))
		return LAUNCH_EXIT_LOST;
	if (!wait_for_moment(&launcher))
		return LAUNCH_EXIT_LOST;
	/* The directory may have come since. */
	if (launcher.cwd_error != 0 && chdir(launcher.directory) != 0) {
		tell(LAUNCH_NO_CWD, errno);
		return LAUNCH_EXIT_REFUSED;
	}
	tell(LAUNCH_STAMP, 0);
	tell(LAUNCH_NO_EXEC, execute(&launcher));
	return LAUNCH_EXIT_REFUSED;
}
