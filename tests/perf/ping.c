/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ping.c - what a round trip takes on a link, by two sockets and nothing else.
 *
 *     perf_ping NETNS ADDRESS NETNS ADDRESS COUNT RATE BYTES
 *
 * One process asks, the other one answers, each in its network namespace ("-":
 * where we are) and asleep in recv while it waits: a link whose two ends sleep,
 * as those of a topic do.  Prints how many answers came and, in ns, the shortest
 * round trip, p50, p90, p99 and the mean.  What is lost is left out.
 * Neighbours: reliable.sh.  Test: perf.smoke.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "now.h"

#define PORT 7479
#define BYTES_MAX 1400u
#define LOST_MS 100
#define COUNT_MAX 1000000u

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "perf_ping: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void enter(const char *netns)
{
	char path[256];
	int fd;

	if (strcmp(netns, "-") == 0)
		return;
	snprintf(path, sizeof path, "/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd, path);
	must(setns(fd, CLONE_NEWNET), path);
	close(fd);
}

static struct sockaddr_in address_of(const char *text, int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	if (inet_pton(AF_INET, text, &address.sin_addr) != 1) {
		fprintf(stderr, "perf_ping: %s is no address\n", text);
		exit(2);
	}
	return address;
}

static int open_at(const char *text, int port)
{
	struct sockaddr_in address = address_of(text, port);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	must(fd, "socket");
	must(bind(fd, (struct sockaddr *)&address, sizeof address), text);
	return fd;
}

/* Until it is killed. */
static void answer(int fd)
{
	uint8_t data[BYTES_MAX];

	for (;;) {
		struct sockaddr_in from;
		socklen_t length = sizeof from;
		ssize_t n = recvfrom(fd, data, sizeof data, 0,
			(struct sockaddr *)&from, &length);

		must((int)n, "recvfrom");
		/* Lost on the way: the other side notices. */
		(void)sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&from,
			length);
	}
}

/* One round trip in ns; 0: lost. */
static uint64_t ask(int fd, const struct sockaddr_in *to, uint64_t number,
	size_t bytes)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	uint64_t begin = now_ns(), got = UINT64_MAX;
	uint8_t data[BYTES_MAX] = {0};

	memcpy(data, &number, sizeof number);
	must((int)sendto(fd, data, bytes, 0, (const struct sockaddr *)to,
		     sizeof *to),
		"sendto");
	while (got != number) {
		if (poll(&wait, 1, LOST_MS) == 0)
			return 0;
		must((int)recv(fd, data, sizeof data, 0), "recv");
		memcpy(&got, data, sizeof got);
	}
	return now_ns() - begin;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int report(uint64_t *times, uint64_t count)
{
	double sum = 0;

	if (count == 0) {
		fprintf(stderr, "perf_ping: no answer came\n");
		return 1;
	}
	qsort(times, count, sizeof *times, compare);
	for (uint64_t i = 0; i < count; i++)
		sum += (double)times[i];
	printf("%llu\t%llu\t%llu\t%llu\t%llu\t%.0f\n",
		(unsigned long long)count, (unsigned long long)times[0],
		(unsigned long long)times[count / 2],
		(unsigned long long)times[count * 9 / 10],
		(unsigned long long)times[count * 99 / 100],
		sum / (double)count);
	return 0;
}

static int run(char **argv, uint64_t count, uint64_t pause_ns, size_t bytes)
{
	struct sockaddr_in to = address_of(argv[4], PORT);
	uint64_t *times = calloc(count, sizeof *times);
	uint64_t came = 0, next;
	int fd, result;

	if (!times)
		return 1;
	enter(argv[1]);
	fd = open_at(argv[2], 0);
	prctl(PR_SET_TIMERSLACK, 1ul);
	next = now_ns();
	/* The first are to find the other side, and who it is. */
	for (uint64_t i = 0; i < count + count / 10; i++) {
		struct timespec at = {(time_t)(next / 1000000000u),
			(long)(next % 1000000000u)};
		uint64_t ns;

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		ns = ask(fd, &to, i, bytes);
		if (ns > 0 && i >= count / 10)
			times[came++] = ns;
		next = now_ns() + pause_ns;
	}
	result = report(times, came);
	free(times);
	return result;
}

int main(int argc, char **argv)
{
	uint64_t count = argc == 8 ? strtoull(argv[5], NULL, 0) : 0;
	uint64_t rate = argc == 8 ? strtoull(argv[6], NULL, 0) : 0;
	size_t bytes = argc == 8 ? strtoul(argv[7], NULL, 0) : 0;
	pid_t child;
	int result;

	if (count < 1 || count > COUNT_MAX || rate < 1 || bytes < 8 ||
		bytes > BYTES_MAX) {
		fprintf(stderr, "see the head of ping.c\n");
		return 2;
	}
	child = fork();
	must(child, "fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		enter(argv[3]);
		answer(open_at(argv[4], PORT));
	}
	result = run(argv, count, 1000000000u / rate, bytes);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return result;
}
