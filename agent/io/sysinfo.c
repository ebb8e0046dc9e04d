/* This host's figures. */
#include "agent/io/sysinfo.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

uint32_t sysinfo_cpu_count(void)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);
	return count > 0 ? (uint32_t)count : 1;
}

/* MemAvailable counts what the page cache would give back, which sysinfo(2) does not. 0: not told. */
static uint64_t available_bytes(void)
{
	char text[256];
	int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t bytes = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (bytes <= 0)
		return 0;
	text[bytes] = '\0';
	const char *line = strstr(text, "MemAvailable:");
	uint64_t kib = 0;
	if (line == NULL || sscanf(line, "MemAvailable: %" SCNu64 " kB", &kib) != 1)
		return 0;
	return kib << 10;
}

void sysinfo_sample(const char *directory, struct event *ret_event)
{
	*ret_event = (struct event){.type = EVENT_SAMPLE};
	ret_event->sample.cpu_count = sysinfo_cpu_count();
	struct sysinfo info;
	if (sysinfo(&info) == 0) {
		ret_event->sample.load_milli = (uint32_t)((uint64_t)info.loads[0] * 1000 >>
							  SI_LOAD_SHIFT);
		ret_event->sample.memory_bytes = (uint64_t)info.totalram * info.mem_unit;
		ret_event->sample.memory_free_bytes = (uint64_t)info.freeram * info.mem_unit;
	}
	uint64_t available = available_bytes();
	if (available > 0)
		ret_event->sample.memory_free_bytes = available;
	struct statvfs disk;
	if (statvfs(directory, &disk) == 0)
		ret_event->sample.disk_free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
}
