/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slow_disk.c - LD_PRELOAD: a disk that takes SLOW_MS for each fdatasync.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int fdatasync(int fd)
{
	const char *text = getenv("SLOW_MS");
	long ms = text ? atol(text) : 0;
	struct timespec pause = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&pause, NULL);
	return (int)syscall(SYS_fdatasync, fd);
}
