/* The directory of a store. */
#include "agent/store/directory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define LOCK_NAME "schedd.lock"
#define PID_TEXT_BYTES 24u
#define MODE_OF_OTHERS 077u
#define FILE_NAME_BYTES_MAX 32u /* the names in a store are short words of our own */

/* From linux/magic.h and the kernel's sources: file systems on which neither locks nor maps are
 * dependable. */
#define MAGIC_NFS 0x6969u
#define MAGIC_CIFS 0xff534d42u
#define MAGIC_SMB2 0xfe534d42u

void store_directory_init(struct store_directory *directory)
{
	directory->path[0] = 0;
	directory->directory_fd = -1;
	directory->lock_fd = -1;
}

void store_directory_close(struct store_directory *directory)
{
	if (directory->lock_fd >= 0)
		(void)close(directory->lock_fd);
	if (directory->directory_fd >= 0)
		(void)close(directory->directory_fd);
	store_directory_init(directory);
}

void store_directory_file_path(const struct store_directory *directory, const char *name,
			       char ret_path[STORE_PATH_BYTES_MAX])
{
	int length = snprintf(ret_path, STORE_PATH_BYTES_MAX, "%s/%s", directory->path, name);
	assert(length > 0 && (size_t)length < STORE_PATH_BYTES_MAX);
}

static enum err io_problem(struct problem *problem, const char *doing, const char *path)
{
	return problem_set(problem, ERR_IO, "store: %s %s: %s", doing, path, strerror(errno));
}

static enum err directory_check(const struct store_directory *directory, struct problem *problem)
{
	const char *path = directory->path;
	struct stat status;
	struct statfs file_system;
	if (fstat(directory->directory_fd, &status) != 0 ||
	    fstatfs(directory->directory_fd, &file_system) != 0)
		return io_problem(problem, "look at", path);
	if ((status.st_mode & MODE_OF_OTHERS) != 0) {
		(void)problem_set(problem, ERR_DENIED, "store: %s has mode %04o, which lets others in",
				  path, (unsigned)(status.st_mode & 07777u));
		problem_hint(problem, "chmod 700 %s", path);
		return ERR_DENIED;
	}
	if (status.st_uid != geteuid() && geteuid() != 0)
		return problem_set(problem, ERR_DENIED, "store: %s belongs to uid %ld, not to %ld",
				   path, (long)status.st_uid, (long)geteuid());
	uint32_t magic = (uint32_t)file_system.f_type;
	if (magic == MAGIC_NFS || magic == MAGIC_CIFS || magic == MAGIC_SMB2) {
		(void)problem_set(problem, ERR_UNSUPPORTED, "store: %s is on a network file system",
				  path);
		problem_hint(problem, "give --dir a directory on a local disk");
		return ERR_UNSUPPORTED;
	}
	return ERR_OK;
}

/* Who holds it is only text for people, so nothing of it is trusted but digits. */
static enum err held_problem(const struct store_directory *directory, struct problem *problem)
{
	char text[PID_TEXT_BYTES] = "";
	ssize_t got = pread(directory->lock_fd, text, sizeof(text) - 1, 0);
	text[got > 0 ? got : 0] = 0;
	text[strspn(text, "0123456789")] = 0;
	(void)problem_set(problem, ERR_EXISTS, "store: %s is in use by the process %s",
			  directory->path, text[0] != 0 ? text : "that is just starting");
	problem_hint(problem, "stop that agent first, or give this one another --dir");
	return ERR_EXISTS;
}

static enum err directory_lock(struct store_directory *directory, struct problem *problem)
{
	directory->lock_fd = openat(directory->directory_fd, LOCK_NAME,
				    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (directory->lock_fd < 0)
		return io_problem(problem, "open the lock of", directory->path);
	if (flock(directory->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EWOULDBLOCK)
			return held_problem(directory, problem);
		return io_problem(problem, "lock", directory->path);
	}
	char text[PID_TEXT_BYTES];
	int length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(directory->lock_fd, 0) != 0 ||
	    pwrite(directory->lock_fd, text, (size_t)length, 0) != length)
		return io_problem(problem, "write the lock of", directory->path);
	return ERR_OK;
}

enum err store_directory_open(const char *path, struct store_directory *ret_directory,
			      struct problem *problem)
{
	struct store_directory *directory = ret_directory;
	store_directory_init(directory);
	size_t path_bytes = strlen(path);
	if (path_bytes == 0 || path_bytes + FILE_NAME_BYTES_MAX >= sizeof(directory->path))
		return problem_set(problem, ERR_RANGE,
				   "store: the directory's path has %zu bytes; 1 to %zu are allowed",
				   path_bytes, sizeof(directory->path) - FILE_NAME_BYTES_MAX - 1);
	memcpy(directory->path, path, path_bytes + 1);

	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return io_problem(problem, "make", path);
	directory->directory_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory->directory_fd < 0)
		return io_problem(problem, "open", path);
	enum err err = directory_check(directory, problem);
	if (err == ERR_OK)
		err = directory_lock(directory, problem);
	if (err != ERR_OK)
		store_directory_close(directory);
	return err;
}

enum err store_directory_file_bytes(const struct store_directory *directory, const char *name,
				    uint64_t *ret_bytes, struct problem *problem)
{
	char path[STORE_PATH_BYTES_MAX];
	store_directory_file_path(directory, name, path);
	struct stat status;
	if (fstatat(directory->directory_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno == ENOENT)
			return ERR_NOT_FOUND;
		return io_problem(problem, "look at", path);
	}
	if (!S_ISREG(status.st_mode))
		return problem_set(problem, ERR_DENIED, "store: %s is not a plain file", path);
	if ((status.st_mode & MODE_OF_OTHERS) != 0) {
		(void)problem_set(problem, ERR_DENIED, "store: %s has mode %04o, which lets others in",
				  path, (unsigned)(status.st_mode & 07777u));
		problem_hint(problem, "chmod 600 %s", path);
		return ERR_DENIED;
	}
	*ret_bytes = (uint64_t)status.st_size;
	return ERR_OK;
}

enum err store_directory_reserve(const struct store_directory *directory, const char *name,
				 uint64_t bytes, struct problem *problem)
{
	char path[STORE_PATH_BYTES_MAX];
	store_directory_file_path(directory, name, path);
	int fd = openat(directory->directory_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return io_problem(problem, "open", path);
	/* Keeps what is written; the size and the blocks are metadata, so they are synced here
	 * once. */
	int error = posix_fallocate(fd, 0, (off_t)bytes);
	if (error == 0 && fsync(fd) != 0)
		error = errno;
	(void)close(fd);
	if (error == 0)
		return ERR_OK;
	return problem_set(problem, error == ENOSPC ? ERR_FULL : ERR_IO,
			   "store: reserve %llu bytes for %s: %s", (unsigned long long)bytes, path,
			   strerror(error));
}

enum err store_directory_sync(const struct store_directory *directory, struct problem *problem)
{
	if (fsync(directory->directory_fd) != 0)
		return io_problem(problem, "sync", directory->path);
	return ERR_OK;
}
