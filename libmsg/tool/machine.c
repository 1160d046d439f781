/* SPDX-License-Identifier: BSD-2-Clause */
/* machine.c - what this machine is; see machine.h. */
#include "machine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

bool file_line(const char *path, char *line, size_t capacity)
{
	FILE *file = fopen(path, "re");
	bool read;

	line[0] = '\0';
	if (!file)
		return false;
	read = fgets(line, (int)capacity, file) != NULL;
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	return read;
}

bool file_number(const char *path, long *value)
{
	char line[64], *end;

	if (!file_line(path, line, sizeof line))
		return false;
	*value = strtol(line, &end, 0);
	return end != line;
}

static void read_cpu(char *cpu, size_t capacity)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[256];

	snprintf(cpu, capacity, "unknown processor");
	if (!file)
		return;
	while (fgets(line, sizeof line, file)) {
		char *value = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || !value)
			continue;
		value += 1 + strspn(value + 1, " \t");
		value[strcspn(value, "\n")] = '\0';
		snprintf(cpu, capacity, "%.*s", (int)capacity - 1, value);
		break;
	}
	fclose(file);
}

static int usable_cores(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) == 0)
		return CPU_COUNT(&set);
	return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

void machine_read(struct machine *machine)
{
	struct utsname name;

	read_cpu(machine->cpu, sizeof machine->cpu);
	if (uname(&name) == 0)
		snprintf(machine->kernel, sizeof machine->kernel, "%.60s %.60s",
			name.sysname, name.release);
	else
		snprintf(machine->kernel, sizeof machine->kernel, "unknown");
	if (!file_line("/sys/devices/system/clocksource/clocksource0/"
		       "current_clocksource",
		    machine->clock, sizeof machine->clock))
		snprintf(machine->clock, sizeof machine->clock, "unknown");
	machine->cores = usable_cores();
}
