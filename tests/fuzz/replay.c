/* The main of a fuzz target outside the fuzzer: runs inputs through it once, in a fixed order, so that every
 * build replays what fuzzing has found.
 *
 *   fuzz_cron                 the files of tests/fuzz/corpus/cron
 *   fuzz_cron PATH...         these files, and the files of these folders
 *
 * Prints one line, `ok - ...` or `not ok - ...`. An input that the target cannot stand ends the program by
 * a signal or by the sanitizer, after its name was noted on stderr if REPLAY_VERBOSE is set. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define REPLAY_PATH_BYTES_MAX 4096
#define REPLAY_INPUT_BYTES_MAX (4l << 20)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

static int replay_file(const char *path)
{
	if (getenv("REPLAY_VERBOSE") != NULL)
		(void)fprintf(stderr, "replay %s\n", path);
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		return -1;

	int result = -1;
	uint8_t *bytes = NULL;
	if (fseek(file, 0, SEEK_END) != 0)
		goto out;
	long size = ftell(file);
	if (size < 0 || size > REPLAY_INPUT_BYTES_MAX || fseek(file, 0, SEEK_SET) != 0)
		goto out;
	/* A block of exactly the input's size, so that a sanitizer sees the first byte read past it. */
	bytes = malloc(size > 0 ? (size_t)size : 1);
	if (bytes == NULL || fread(bytes, 1, (size_t)size, file) != (size_t)size)
		goto out;
	(void)LLVMFuzzerTestOneInput(bytes, (size_t)size);
	result = 0;
out:
	free(bytes);
	(void)fclose(file);
	return result;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Adds the inputs that were run to *count; -1: something could not be read. */
static int replay_path(const char *path, size_t *count)
{
	struct stat status;
	if (stat(path, &status) != 0)
		return -1;
	if (!S_ISDIR(status.st_mode)) {
		(*count)++;
		return replay_file(path);
	}

	struct dirent **entries = NULL;
	int entry_count = scandir(path, &entries, is_visible, alphasort);
	if (entry_count < 0)
		return -1;
	int result = 0;
	for (int i = 0; i < entry_count; i++) {
		char file_path[REPLAY_PATH_BYTES_MAX];
		int length = snprintf(file_path, sizeof(file_path), "%s/%s", path, entries[i]->d_name);
		free(entries[i]);
		(*count)++;
		if (length < 0 || (size_t)length >= sizeof(file_path) || replay_file(file_path) != 0)
			result = -1;
	}
	free(entries);
	return result;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash != NULL ? slash + 1 : argv[0];
	const char *target = strncmp(name, "fuzz_", 5) == 0 ? name + 5 : name;
	char corpus[REPLAY_PATH_BYTES_MAX];
	(void)snprintf(corpus, sizeof(corpus), "tests/fuzz/corpus/%s", target);

	size_t count = 0;
	int result = 0;
	for (int i = 1; i < argc && result == 0; i++)
		result = replay_path(argv[i], &count);
	if (argc < 2)
		result = replay_path(corpus, &count);

	if (result != 0) {
		printf("not ok - replay %s: an input could not be read: %s\n", target, strerror(errno));
		return 1;
	}
	if (count == 0) {
		printf("not ok - replay %s: there is no input in %s\n", target, corpus);
		return 1;
	}
	printf("ok - replay %s: %zu inputs\n", target, count);
	return 0;
}
