/* key new: the file that makes agents members of one cluster. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/cli/cli.h"
#include "proto/seal.h"

#define KEY_TEXT_BYTES 96u

static int write_key(struct cli *cli, const char *path, int file, const char *text)
{
	size_t bytes = strlen(text);
	/* fchmod, because the process may have an odd umask, and a looser or stricter file is refused later. */
	bool is_written = fchmod(file, 0600) == 0 && write(file, text, bytes) == (ssize_t)bytes &&
			  fsync(file) == 0;
	if (is_written)
		return EXIT_DONE;
	int code = errno;
	(void)unlink(path);
	return cli_refuse(cli, ERR_IO, NULL, "%s: %s", path, strerror(code));
}

static void tell(struct cli *cli, const char *path, const struct seal_master *master)
{
	char id[8];
	(void)snprintf(id, sizeof(id), "%04x", master->key_id);
	if (cli->form == OUTPUT_TEXT) {
		struct growing line = {0};
		growing_text(&line, "made key ");
		growing_escaped(&line, slice_str(path));
		growing_format(&line, " (id %s); start agents with: schedd --key ", id);
		growing_escaped(&line, slice_str(path));
		growing_put(&line, "\n", 1);
		cli_write(cli, growing_slice(&line));
		growing_close(&line);
		return;
	}
	uint8_t memory[8192];
	struct buf row;
	buf_init(&row, memory, sizeof(memory));
	struct wire_map map = wire_map_begin(&row);
	wire_map_text(&map, &row, "file", path);
	wire_map_text(&map, &row, "key_id", id);
	wire_map_end(&map, &row);
	cli_write_object(cli, "Key", buf_slice(&row));
}

int command_key_new(struct cli *cli)
{
	const char *path = cli->arguments.operands[0];
	uint8_t key[SEAL_KEY_BYTES];
	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return cli_refuse(cli, ERR_IO, NULL, "no random bytes from the system");
	struct seal_master master;
	seal_master_from_bytes(key, &master);
	explicit_bzero(key, sizeof(key));
	char text[KEY_TEXT_BYTES];
	seal_master_format(&master, text);
	int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int code = errno;
	int exit_code;
	if (file >= 0)
		exit_code = write_key(cli, path, file, text);
	else if (code == EEXIST)
		exit_code = cli_refuse(cli, ERR_EXISTS, "name another file, or remove this one first",
				       "%s exists; a key is never overwritten", path);
	else
		exit_code = cli_refuse(cli, code == EACCES ? ERR_DENIED : ERR_INVALID, NULL,
				       "%s: %s", path, strerror(code));
	if (file >= 0)
		(void)close(file);
	if (exit_code == EXIT_DONE)
		tell(cli, path, &master);
	explicit_bzero(text, sizeof(text));
	explicit_bzero(&master, sizeof(master));
	return exit_code;
}
