/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slow_find.c - LD_PRELOAD: libfabric's fi_getinfo makes FIND_GATE.asked and waits
 * until there is a file FIND_GATE.  So it takes as long as a test wants, whatever else
 * the machine has to do.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fi_info;
typedef int getinfo_fn(uint32_t version, const char *node, const char *service,
	uint64_t flags, const struct fi_info *hints, struct fi_info **info);
getinfo_fn fi_getinfo;

static void wait_for(const char *gate)
{
	char asked[4096];
	int fd;

	snprintf(asked, sizeof asked, "%s.asked", gate);
	fd = open(asked, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	while (access(gate, F_OK) != 0)
		poll(NULL, 0, 10);
}

/* The library's own: it is not among those that are looked through next. */
static getinfo_fn *real(void)
{
	void *library = dlopen("libfabric.so.1", RTLD_NOW | RTLD_NOLOAD);
	void *found = library ? dlsym(library, "fi_getinfo") : NULL;
	getinfo_fn *function = NULL;

	if (!found)
		abort();
	*(void **)&function = found;
	return function;
}

int fi_getinfo(uint32_t version, const char *node, const char *service,
	uint64_t flags, const struct fi_info *hints, struct fi_info **info)
{
	const char *gate = getenv("FIND_GATE");

	if (gate)
		wait_for(gate);
	return real()(version, node, service, flags, hints, info);
}
