/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * start.c - a program that links libmsg starts as if it did not.
 *
 *   abi_start BARE    runs itself and BARE (this file without the library) in
 *                     turn, and compares; looks at what is mapped
 *
 * Debian's libfabric alone costs some 200 ms before main, which is why libmsg
 * loads it when a lane is opened and not before.  The structural check is the
 * one that counts: no library of the fabric is mapped after msg_version(), and
 * one is after msg_node_open(), so that the check is seen to work.  The time is
 * the fastest of many starts, against the fastest start of the bare program.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include <msg/msg.h>

#ifdef BARE

int main(void)
{
	return 0;
}

#else

enum { STARTS = 40 };
static const double ms_max = 10;

extern char **environ;

static int mapped(const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[4096];
	int found = 0;

	if (!maps)
		return -1;
	while (!found && fgets(line, sizeof line, maps))
		found = strstr(line, name) != NULL;
	fclose(maps);
	return found;
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* How long `path` takes from its start to its end; negative when it fails. */
static double start_ms(char *path, char *argument)
{
	char *arguments[] = { path, argument, NULL };
	double begin = now_ms();
	int status;
	pid_t pid;

	if (posix_spawn(&pid, path, NULL, NULL, arguments, environ) != 0 ||
		waitpid(pid, &status, 0) != pid || status != 0)
		return -1;
	return now_ms() - begin;
}

static int fabric_is_lazy(void)
{
	struct msg_node_options options = MSG_NODE_OPTIONS;
	struct msg_node *node;

	if (mapped("libfabric") != 0 || mapped("libmsg-fabric") != 0 ||
		mapped("libibverbs") != 0) {
		printf("FAIL: the fabric is loaded before it is asked for\n");
		return 0;
	}
	options.interface = "lo";
	options.lane = MSG_LANE_UDP;
	if (msg_node_open(&options, &node) < 0) {
		printf("FAIL: no node: %s\n", msg_error_text());
		return 0;
	}
	if (mapped("libfabric") != 1) {
		printf("FAIL: libfabric is not seen even when it is there\n");
		return 0;
	}
	return msg_node_close(node) == 0;
}

int main(int argc, char **argv)
{
	double best = 1e9, bare = 1e9;

	if (argc == 2 && strcmp(argv[1], "--start") == 0)
		return *msg_version() ? 0 : 1;
	if (argc != 2) {
		fprintf(stderr, "usage: %s BARE\n", argv[0]);
		return 2;
	}
	if (!fabric_is_lazy())
		return 1;
	for (int i = 0; i < STARTS; i++) {
		double with = start_ms(argv[0], "--start");
		double without = start_ms(argv[1], NULL);

		if (with < 0 || without < 0) {
			printf("FAIL: a start failed\n");
			return 1;
		}
		best = with < best ? with : best;
		bare = without < bare ? without : bare;
	}
	printf("fastest of %d starts: %.2f ms, without libmsg %.2f ms\n", STARTS,
		best, bare);
	if (best < ms_max)
		return 0;
	if (bare >= ms_max / 2) {
		printf("SKIP start: a program without libmsg takes %.1f ms here\n",
			bare);
		return 77;
	}
	printf("FAIL: above %.0f ms\n", ms_max);
	return 1;
}

#endif
