/* SPDX-License-Identifier: BSD-2-Clause */
/* stop.c - end well; see stop.h. */
#include "stop.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pace.h"

/* Signals so close together are one request. */
#define ONE_REQUEST_NS 250000000u

static volatile sig_atomic_t asked;
static uint64_t asked_ns; /* Of the handler, which blocks both signals. */
static int wake[2] = {-1, -1};

static void on_signal(int number)
{
	if (!asked)
		asked_ns = clock_ns();
	else if (clock_ns() - asked_ns > ONE_REQUEST_NS) {
		signal(number, SIG_DFL);
		raise(number); /* When the handler returns. */
		return;
	}
	asked = 1;
	if (wake[1] >= 0) {
		ssize_t written = write(wake[1], "", 1);

		(void)written; /* Full is as good: it is readable. */
	}
}

void stop_catch(void)
{
	struct sigaction action;

	if (wake[0] < 0 && pipe2(wake, O_CLOEXEC | O_NONBLOCK) < 0)
		wake[0] = wake[1] = -1;
	memset(&action, 0, sizeof action);
	action.sa_handler = on_signal;
	sigaddset(&action.sa_mask, SIGINT);
	sigaddset(&action.sa_mask, SIGTERM);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool stop_asked(void)
{
	return asked != 0;
}

bool stop_output_closed(void)
{
	return ferror(stdout) || stop_reader_gone();
}

bool stop_reader_gone(void)
{
	struct pollfd output = {.fd = STDOUT_FILENO};

	return poll(&output, 1, 0) > 0 &&
	       (output.revents & (POLLERR | POLLNVAL));
}

struct pollfd stop_output_watch(void)
{
	return (struct pollfd){.fd = STDOUT_FILENO};
}

void stop_poll(struct pollfd *fds, int count, uint64_t until_ns)
{
	struct timespec left;
	uint64_t now = clock_ns();

	if (until_ns != 0) {
		if (now >= until_ns)
			return;
		left.tv_sec = (time_t)((until_ns - now) / 1000000000u);
		left.tv_nsec = (long)((until_ns - now) % 1000000000u);
	}
	fds[count] = (struct pollfd){.fd = wake[0], .events = POLLIN};
	ppoll(fds, (nfds_t)count + 1, until_ns != 0 ? &left : NULL, NULL);
}

void stop_sleep(uint64_t until_ns)
{
	struct pollfd fd = {.fd = wake[0], .events = POLLIN};

	while (!stop_asked()) {
		uint64_t now = clock_ns();
		struct timespec left;

		if (now >= until_ns)
			return;
		left.tv_sec = (time_t)((until_ns - now) / 1000000000u);
		left.tv_nsec = (long)((until_ns - now) % 1000000000u);
		ppoll(&fd, 1, &left, NULL);
	}
}
