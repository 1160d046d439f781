/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.h - what this machine is, from /proc and /sys; never fails, a thing
 * that cannot be read is "unknown".
 */
#ifndef TOOL_MACHINE_H
#define TOOL_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

struct machine {
	char cpu[128];
	char kernel[128];
	char clock[64];
	int cores;
};

void machine_read(struct machine *machine);

/* The first line of a file, without its line end; false when unreadable. */
bool file_line(const char *path, char *line, size_t capacity);

/* A whole number from a file; false when there is none. */
bool file_number(const char *path, long *value);

#endif
