/* The agent's local socket. */
#include "agent/io/control.h"

#include <assert.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/io/channel.h"
#include "agent/log.h"
#include "agent/mem.h"
#include "proto/buf.h"
#include "proto/wire.h"

#define LISTEN_BACKLOG 128
#define PASSWD_BYTES 1024u /* one line of a user data base; a longer one is shown by its number */

struct control_client {
	struct channel channel;
	struct control *control;
	uint64_t number;
	uint32_t uid;
	char user[USER_NAME_BYTES_MAX + 1]; /* its number if it has no name */
	bool is_refused;                    /* over CLIENTS_MAX: only told so */
	bool is_leaving;                    /* closes as soon as all is written */
	uv_shutdown_t shutdown;
};

/* ---- who ---- */

/* Copied, as a client may outlive what is remembered of its name. */
static void name_user(struct control *control, struct control_client *client)
{
	for (uint32_t i = 0; i < control->user_count; i++) {
		if (control->users[i].uid != client->uid)
			continue;
		memcpy(client->user, control->users[i].name, sizeof(client->user));
		return;
	}
	(void)snprintf(client->user, sizeof(client->user), "%u", client->uid);
	char line[PASSWD_BYTES];
	struct passwd entry, *found = NULL;
	int code = getpwuid_r(client->uid, &entry, line, sizeof(line), &found);
	if (code != 0 || found == NULL || strlen(found->pw_name) > USER_NAME_BYTES_MAX)
		return;
	(void)snprintf(client->user, sizeof(client->user), "%s", found->pw_name);
	if (control->user_count == CONTROL_USERS_MAX)
		control->user_count = 0;
	struct control_user *user = &control->users[control->user_count++];
	user->uid = client->uid;
	memcpy(user->name, client->user, sizeof(user->name));
}

static bool read_credentials(struct control_client *client)
{
	uv_os_fd_t fd;
	struct ucred credentials;
	socklen_t bytes = sizeof(credentials);
	if (uv_fileno(&client->channel.handle, &fd) != 0)
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) != 0)
		return false;
	client->uid = credentials.uid;
	name_user(client->control, client);
	return true;
}

/* ---- clients ---- */

static struct control_client *find_client(struct control *control, uint64_t number)
{
	for (uint32_t i = 0; i < control->client_count; i++) {
		if (control->clients[i]->number == number)
			return control->clients[i];
	}
	return NULL;
}

static void on_closed(struct channel *channel)
{
	struct control_client *client = channel->owner;
	struct control *control = client->control;
	for (uint32_t i = 0; i < control->client_count; i++) {
		if (control->clients[i] == client)
			control->clients[i] = control->clients[--control->client_count];
	}
	bool is_told = !client->is_refused && !control->is_closing;
	struct event event = {.type = EVENT_CLIENT_GONE, .request = {.client = client->number}};
	mem_free(client);
	if (is_told)
		control->host->step(control->host->context, &event);
	/* Answers of any size may have waited; an agent that nobody asks is small again. */
	if (control->client_count == 0)
		mem_give_back();
}

static void put_error(struct buf *out, uint64_t sequence, enum err code, const char *message,
		      const char *hint)
{
	wire_put_array(out, 4);
	wire_put_u64(out, 1);
	wire_put_u64(out, sequence);
	wire_put_u64(out, 2);
	struct wire_map map = wire_map_begin(out);
	wire_map_text(&map, out, "code", err_word(code));
	wire_map_i64(&map, out, "exit", err_exit_code(code));
	wire_map_text(&map, out, "message", message);
	wire_map_text(&map, out, "hint", hint);
	wire_map_end(&map, out);
}

static void on_shutdown(uv_shutdown_t *request, int code)
{
	struct control_client *client = request->data;
	(void)code;
	channel_close(&client->channel);
}

/* Closes when what is queued has been written. */
static void leave(struct control_client *client)
{
	if (client->is_leaving || client->channel.is_closing)
		return;
	client->is_leaving = true;
	client->shutdown.data = client;
	if (uv_shutdown(&client->shutdown, &client->channel.stream, on_shutdown) != 0)
		channel_close(&client->channel);
}

static void send_error(struct control_client *client, enum err code, const char *message,
		       const char *hint)
{
	uint8_t memory[512];
	struct buf out;
	buf_init(&out, memory, sizeof(memory));
	put_error(&out, 0, code, message, hint);
	if (channel_send(&client->channel, buf_slice(&out)) != ERR_OK)
		channel_close(&client->channel);
}

static void on_frame(struct channel *channel, struct slice body)
{
	struct control_client *client = channel->owner;
	if (client->is_refused || client->is_leaving)
		return;
	struct event event = {
		.type = EVENT_REQUEST,
		.bytes = body,
		.request = {.client = client->number, .uid = client->uid, .user = client->user},
	};
	client->control->host->step(client->control->host->context, &event);
}

static void on_end(struct channel *channel, int code, const char *why)
{
	struct control_client *client = channel->owner;
	if (code == UV_EPROTO) {
		log_line(LOG_LEVEL_WARN, "control client=%llu uid=%u closed: %s",
			 (unsigned long long)client->number, client->uid, why);
	}
	channel_close(channel);
}

static struct control_client *client_new(struct control *control)
{
	struct control_client *client = mem_new(1, sizeof(*client));
	if (client == NULL)
		return NULL;
	client->control = control;
	client->channel = (struct channel){
		.host = control->host,
		.queue_bytes_max = CONTROL_QUEUE_BYTES_MAX,
		.owner = client,
		.on_frame = on_frame,
		.on_end = on_end,
		.on_closed = on_closed,
	};
	channel_init_pipe(&client->channel, FRAME_BYTES_MAX);
	return client;
}

static void on_connection(uv_stream_t *listener, int code)
{
	struct control *control = listener->data;
	if (code != 0 || control->is_closing)
		return;
	struct control_client *client = client_new(control);
	if (client == NULL) {
		log_line(LOG_LEVEL_ERROR, "control: out of memory");
		turnaway_take(&control->turnaway, listener);
		return;
	}
	client->is_refused = true;
	if (uv_accept(listener, &client->channel.stream) != 0 || !read_credentials(client)) {
		channel_close(&client->channel);
		return;
	}
	if (control->client_count == CLIENTS_MAX) {
		if (control->refused_count++ == 0)
			log_line(LOG_LEVEL_WARN, "control: more than %u clients, refusing", CLIENTS_MAX);
		send_error(client, ERR_FULL, "the agent has as many clients as it takes (64)",
			   "close a console, or wait for a command to end");
		leave(client);
		return;
	}
	client->is_refused = false;
	client->number = ++control->last_client;
	control->clients[control->client_count++] = client;
	if (channel_start(&client->channel) != 0)
		channel_close(&client->channel);
}

/* ---- effects ---- */

/* False: all clients together wait for too much, and this one has its part in that. */
static bool has_room(const struct control *control, const struct control_client *client)
{
	if (uv_stream_get_write_queue_size(&client->channel.stream) <= CONTROL_QUEUE_BYTES_SHARE)
		return true;
	size_t bytes = 0;
	for (uint32_t i = 0; i < control->client_count; i++)
		bytes += uv_stream_get_write_queue_size(&control->clients[i]->channel.stream);
	return bytes <= CONTROL_QUEUES_BYTES_MAX;
}

void control_reply(struct control *control, uint64_t number, struct slice bytes)
{
	struct control_client *client = find_client(control, number);
	if (client == NULL || client->is_leaving)
		return;
	enum err err = has_room(control, client) ? channel_send(&client->channel, bytes) : ERR_FULL;
	if (err == ERR_OK || err == ERR_CLOSED)
		return;
	log_line(LOG_LEVEL_WARN, "control client=%llu user=%s dropped: %s", (unsigned long long)number,
		 client->user, err == ERR_FULL ? "it reads too slowly" : err_text(err));
	channel_close(&client->channel);
}

void control_close_client(struct control *control, uint64_t number)
{
	struct control_client *client = find_client(control, number);
	if (client != NULL)
		leave(client);
}

/* ---- the socket ---- */

/* A socket file without a listener is what a killed agent leaves. */
static enum err remove_stale(const char *path, struct problem *problem)
{
	struct stat status;
	if (lstat(path, &status) != 0)
		return ERR_OK;
	if (!S_ISSOCK(status.st_mode))
		return problem_set(problem, ERR_EXISTS, "%s: is there and is no socket", path);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address.sun_path))
		return problem_set(problem, ERR_RANGE,
				   "%s: longer than a socket's path may be (107 bytes)", path);
	memcpy(address.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return problem_set(problem, ERR_IO, "socket: %s", strerror(errno));
	struct ucred credentials = {0};
	socklen_t bytes = sizeof(credentials);
	int code = connect(fd, (struct sockaddr *)&address, sizeof(address));
	if (code == 0)
		(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes);
	(void)close(fd);
	if (code == 0) {
		(void)problem_set(problem, ERR_EXISTS, "%s: an agent is listening there (pid %d)",
				  path, (int)credentials.pid);
		problem_hint(problem, "end it, or give this one a --dir of its own");
		return ERR_EXISTS;
	}
	if (unlink(path) != 0)
		return problem_set(problem, ERR_IO, "%s: %s", path, strerror(errno));
	return ERR_OK;
}

enum err control_open(struct control *control, struct host *host, const char *path,
		      struct problem *problem)
{
	*control = (struct control){.host = host};
	enum err err = remove_stale(path, problem);
	if (err != ERR_OK)
		return err;
	int code = uv_pipe_init(host->uv, &control->listener, 0);
	assert(code == 0);
	control->listener.data = control;
	control->is_open = true;
	code = uv_pipe_bind(&control->listener, path);
	if (code == 0 && chmod(path, 0600) != 0)
		code = -errno;
	if (code == 0)
		code = uv_listen((uv_stream_t *)&control->listener, LISTEN_BACKLOG, on_connection);
	if (code == 0)
		return ERR_OK;
	control_close(control);
	return problem_set(problem, ERR_IO, "%s: %s", path, uv_strerror(code));
}

void control_close(struct control *control)
{
	if (!control->is_open || control->is_closing)
		return;
	control->is_closing = true;
	for (uint32_t i = 0; i < control->client_count; i++)
		channel_close(&control->clients[i]->channel);
	/* This also removes the socket's file. */
	uv_close((uv_handle_t *)&control->listener, NULL);
}
