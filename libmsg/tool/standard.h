/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * standard.h - a program's descriptors 0, 1 and 2 are its own.
 *
 * Who is started with one of them closed would get it for the next thing that it
 * opens, and then write its words for people into a socket, a lock file or a
 * recording.  /dev/null stands there instead, opened the wrong way round: a read
 * of such an input and a write to such an output fail, and are told like any
 * other failure.  What goes to such a standard error is lost, as it must be.
 */
#ifndef TOOL_STANDARD_H
#define TOOL_STANDARD_H

#include <fcntl.h>

static inline void standard_open(void)
{
	static const int ways[] = {O_WRONLY, O_RDONLY, O_WRONLY};

	/* The lowest free one is what open() gives. */
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", ways[fd]);
}

#endif
