/* This host's figures: load, processors, memory, and the disk that the agent's directory is on. */
#ifndef AGENT_IO_SYSINFO_H
#define AGENT_IO_SYSINFO_H

#include "agent/core/event.h"

/* Fills an EVENT_SAMPLE. What can not be told is 0. */
void sysinfo_sample(const char *directory, struct event *ret_event);

uint32_t sysinfo_cpu_count(void);

#endif
