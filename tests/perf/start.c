/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * start.c - from exec to the first message of a subscriber behind a broker.
 *
 *     perf_start --broker NAME [--rounds N] [--most-ms N]
 *
 * A publisher of this process sends without pause; each round starts this
 * program again as a subscriber and takes the time from before the fork until
 * the child has a message in hand, beside that of a program that starts and does
 * nothing: /bin/true.  What the child says of itself: its maps hold no
 * libfabric, and the kernel counts no locked memory of it.
 *
 * Exit status: 0 when both hold and the median is within --most-ms, if that was
 * given.  start.sh runs it; perf.smoke does, too, without a word about times.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <msg/msg.h>

#include "now.h"

#define TOPIC "perf.start"
#define ROUNDS_MAX 101
#define PAUSE_US 200
#define WAIT_NS 1000000000
#define CHILD "first-message" /* As first argument: be the subscriber. */

static int fail(const char *what)
{
	fprintf(stderr, "perf_start: %s: %s\n", what, msg_error_text());
	return 1;
}

static int open_node(const char *broker, struct msg_node **node)
{
	struct msg_node_options options = MSG_NODE_OPTIONS;

	options.broker = MSG_BROKER_REQUIRE;
	options.broker_name = broker;
	return msg_node_open(&options, node);
}

/* ---- the child --------------------------------------------------------- */

/* A line of `path` that holds `text`; NULL: there is none. */
static const char *find(const char *path, const char *text)
{
	static char line[512];
	FILE *file = fopen(path, "r");
	const char *found = NULL;

	while (file && !found && fgets(line, sizeof line, file))
		found = strstr(line, text);
	if (file)
		fclose(file);
	return found;
}

static bool is_none(const char *name)
{
	const char *found = find("/proc/self/status", name);

	return found && strtol(found + strlen(name), NULL, 10) == 0;
}

static int first_message(const char *broker, int report)
{
	struct msg_subscriber_options options = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *subscriber;
	struct msg_node *node;
	struct msg_view view;
	uint64_t at;
	int n;

	options.topic = TOPIC;
	if (open_node(broker, &node) < 0)
		return fail("node");
	if (msg_subscriber_open(node, &options, &subscriber) < 0)
		return fail("subscriber");
	while ((n = msg_subscriber_take(subscriber, &view, 1)) == 0)
		if (msg_subscriber_wait(subscriber, WAIT_NS) < 0)
			return fail("no message");
	if (n < 0)
		return fail("take");
	at = now_ns();
	if (write(report, &at, sizeof at) != sizeof at)
		return 1;
	if (find("/proc/self/maps", "fabric.so")) { /* Or our module for it. */
		fputs("perf_start: libfabric is loaded\n", stderr);
		return 1;
	}
	if (!is_none("VmLck:") || !is_none("VmPin:")) {
		fputs("perf_start: memory is locked\n", stderr);
		return 1;
	}
	msg_subscriber_release(subscriber, &view, 1);
	msg_subscriber_close(subscriber);
	msg_node_close(node);
	return 0;
}

/* ---- the parent -------------------------------------------------------- */

static void publish(struct msg_publisher *publisher)
{
	(void)!msg_publish(publisher, "start", 5);
	usleep(PAUSE_US);
}

/* Start a program and publish until it ends; its exit status. */
static int run(char *const argv[], struct msg_publisher *publisher)
{
	pid_t pid = vfork();
	int status;

	if (pid == 0) {
		execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, WNOHANG) == 0)
		publish(publisher);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ms until the first message; < 0: failed. */
static double first(char *broker, struct msg_publisher *publisher)
{
	char number[16];
	char *argv[] = {"/proc/self/exe", CHILD, broker, number, NULL};
	uint64_t begin, at = 0;
	bool good;
	int fds[2];

	if (pipe(fds) != 0)
		return -1;
	snprintf(number, sizeof number, "%d", fds[1]);
	begin = now_ns();
	good = run(argv, publisher) == 0;
	close(fds[1]);
	good &= read(fds[0], &at, sizeof at) == sizeof at;
	close(fds[0]);
	return good ? (double)(at - begin) / 1e6 : -1;
}

static double nothing(struct msg_publisher *publisher)
{
	char *argv[] = {"/bin/true", NULL};
	uint64_t begin = now_ns();

	return run(argv, publisher) == 0 ? (double)(now_ns() - begin) / 1e6
					 : -1;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int measure(char *broker, int rounds, double most_ms)
{
	struct msg_publisher_options options = MSG_PUBLISHER_OPTIONS;
	double ms[ROUNDS_MAX], bare[ROUNDS_MAX];
	struct msg_publisher *publisher;
	struct msg_node *node;

	options.topic = TOPIC;
	if (open_node(broker, &node) < 0)
		return fail("node");
	if (msg_publisher_open(node, &options, &publisher) < 0)
		return fail("publisher");
	for (int i = 0; i < rounds; i++) {
		ms[i] = first(broker, publisher);
		bare[i] = nothing(publisher);
		if (ms[i] < 0 || bare[i] < 0)
			return 1;
	}
	qsort(ms, (size_t)rounds, sizeof *ms, by_value);
	qsort(bare, (size_t)rounds, sizeof *bare, by_value);
	printf("exec to first message: %.2f ms (%.2f-%.2f of %d), a program "
	       "that does nothing: %.2f ms; no libfabric, no locked memory\n",
		ms[rounds / 2], ms[0], ms[rounds - 1], rounds,
		bare[rounds / 2]);
	msg_publisher_close(publisher);
	msg_node_close(node);
	return most_ms > 0 && ms[rounds / 2] > most_ms;
}

int main(int argc, char **argv)
{
	char *broker = NULL;
	double most_ms = 0;
	int rounds = 21;

	if (argc == 4 && strcmp(argv[1], CHILD) == 0)
		return first_message(argv[2], atoi(argv[3]));
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--broker") == 0)
			broker = argv[i + 1];
		else if (strcmp(argv[i], "--rounds") == 0)
			rounds = atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--most-ms") == 0)
			most_ms = atof(argv[i + 1]);
		else
			return 2;
	}
	if (!broker || rounds < 1 || rounds > ROUNDS_MAX) {
		fputs("usage: perf_start --broker NAME [--rounds 1-101] "
		      "[--most-ms N]\n",
			stderr);
		return 2;
	}
	return measure(broker, rounds, most_ms);
}
