/* The connection to the agent. */
#include "tui/client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/limits.h"

#define READ_BYTES 65536u
#define READS_MAX 8 /* per turn of the loop: a flood from the agent leaves room for the keyboard */

void client_init(struct client *client, row_resize *resize)
{
	client->fd = -1;
	frame_reader_init(&client->reader, FRAME_BYTES_MAX, resize);
}

void client_close(struct client *client)
{
	if (client->fd >= 0)
		(void)close(client->fd);
	client->fd = -1;
	row_resize *resize = client->reader.resize;
	frame_reader_close(&client->reader);
	frame_reader_init(&client->reader, FRAME_BYTES_MAX, resize);
}

enum err client_open(struct client *client, const char *path, struct problem *problem)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address.sun_path))
		return problem_set(problem, ERR_RANGE, "the path of the socket is longer than %zu bytes",
				   sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return problem_set(problem, ERR_IO, "no socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		enum err err = problem_set(problem, ERR_IO, "%s: %s", path, strerror(errno));
		(void)close(fd);
		return err;
	}
	client->fd = fd;
	return ERR_OK;
}

enum err client_write(struct client *client, struct outbox *outbox)
{
	while (client->fd >= 0 && outbox->count > 0) {
		ssize_t sent = send(client->fd, outbox->bytes, outbox->count, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return ERR_OK;
		if (sent <= 0)
			return ERR_CLOSED;
		outbox->count -= (size_t)sent;
		memmove(outbox->bytes, outbox->bytes + sent, outbox->count);
	}
	return ERR_OK;
}

enum err client_read(struct client *client)
{
	uint8_t bytes[READ_BYTES];
	for (int i = 0; i < READS_MAX && client->fd >= 0; i++) {
		ssize_t got = recv(client->fd, bytes, sizeof(bytes), 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return ERR_OK;
		if (got <= 0)
			return ERR_CLOSED;
		enum err err = frame_reader_feed(&client->reader, bytes, (size_t)got);
		if (err != ERR_OK)
			return err;
		if ((size_t)got < sizeof(bytes))
			return ERR_OK;
	}
	return ERR_OK;
}

bool client_next(struct client *client, struct slice *ret_body)
{
	return frame_reader_next(&client->reader, ret_body);
}
