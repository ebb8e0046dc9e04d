/* Crontabs: any bytes, in both forms. Every entry has a command, and its name is a job's name. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/cli/crontab.h"
#include "proto/buf.h"
#include "proto/limits.h"
#include "proto/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void on_entry(void *context, const struct crontab_entry *entry)
{
	char name[NAME_PART_BYTES_MAX + 1], full[JOB_NAME_BYTES_MAX + 1];
	(void)context;
	assert(entry->command.bytes > 0 && entry->schedule.bytes > 0);
	assert(entry->column >= 1 && entry->column <= entry->whole.bytes);
	crontab_name_of(entry->command, name, sizeof(name));
	assert(text_parse_job_name(slice_str(name), full, NULL) == ERR_OK);
	(void)crontab_is_legend(entry->comment);
}

static void on_bad_line(void *context, uint32_t line, uint32_t column, struct slice whole,
			const char *reason)
{
	(void)context;
	(void)reason;
	assert(line >= 1 && column >= 1 && column <= whole.bytes + 1);
}

static bool is_known(const char *name)
{
	return name[0] == 'r';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct crontab_reader reader = {.on_entry = on_entry, .on_bad_line = on_bad_line};
	struct slice text = slice_of(data, bytes);
	struct problem problem;
	reader.form = CRONTAB_USER;
	(void)!crontab_read(text, &reader, &problem);
	reader.form = CRONTAB_SYSTEM;
	(void)!crontab_read(text, &reader, &problem);
	(void)crontab_guess_form(text, is_known, is_known);
	return 0;
}
