/* SPDX-License-Identifier: BSD-2-Clause */
/* fds.c - the descriptors of this process; see fds.h. */
#include "fds.h"

#include <fcntl.h>
#include <sys/stat.h>

#define FDS_MAX 1024

unsigned fds_open(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < FDS_MAX; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

bool fds_are_same(int one, int other)
{
	struct stat a, b;

	return fstat(one, &a) == 0 && fstat(other, &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}
