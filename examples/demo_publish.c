/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * demo_publish.c - publish what this machine is doing, N times a second.
 *
 *   demo_publish TOPIC RATE SECONDS
 *
 * The counters of /proc/stat, /proc/meminfo and /proc/net/dev are read every
 * 10 ms, which is how often the kernel moves the first; each message has the
 * latest, its own time stamp and a checksum.  The n-th message is due at
 * start + n / RATE: one that is late does not move the others, and those that
 * are due together share a frame.  SIGINT and SIGTERM end the run early; how
 * many were sent is said in the end, three times, since one might be lost.
 *
 * Prints a line for demo.sh to read: how many frames left, for those are what
 * the other side receives.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "demo.h"

#define REFRESH_NS 10000000u

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static void sleep_until(uint64_t when_ns)
{
	struct timespec when;

	when.tv_sec = (time_t)(when_ns / 1000000000u);
	when.tv_nsec = (long)(when_ns % 1000000000u);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL);
}

/* ---- the machine ------------------------------------------------------- */

/* The text of a file of /proc; "" when there is none. */
static const char *read_text(const char *path)
{
	static char text[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t got = 0;

	while (fd >= 0 && have < sizeof text - 1 &&
		(got = read(fd, text + have, sizeof text - 1 - have)) > 0)
		have += (size_t)got;
	if (fd >= 0)
		close(fd);
	text[have] = '\0';
	return text;
}

/* "cpu  user nice system idle iowait irq softirq steal ..." */
static void read_cpu(struct demo_sample *sample)
{
	unsigned long long t[8] = { 0 };

	sscanf(read_text("/proc/stat"),
		"cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1],
		&t[2], &t[3], &t[4], &t[5], &t[6], &t[7]);
	sample->cpu_busy = t[0] + t[1] + t[2] + t[5] + t[6] + t[7];
	sample->cpu_all = sample->cpu_busy + t[3] + t[4];
}

static uint64_t kilobytes(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	return line ? strtoull(line + strlen(name), NULL, 10) * 1024 : 0;
}

static void read_memory(struct demo_sample *sample)
{
	const char *text = read_text("/proc/meminfo");

	sample->memory_all = kilobytes(text, "MemTotal:");
	sample->memory_used =
		sample->memory_all - kilobytes(text, "MemAvailable:");
}

/* "  eth0: bytes packets errs drop fifo frame compressed multicast bytes ..." */
static void read_network(struct demo_sample *sample)
{
	const char *line = read_text("/proc/net/dev");
	unsigned long long in, out;

	sample->net_bytes = 0;
	while ((line = strchr(line, ':'))) {
		if (sscanf(++line, "%llu %*u %*u %*u %*u %*u %*u %*u %llu", &in,
			    &out) == 2)
			sample->net_bytes += in + out;
	}
}

static void refresh(struct demo_sample *sample, uint64_t now)
{
	static uint64_t next;

	if (now < next)
		return;
	next = now + REFRESH_NS;
	read_cpu(sample);
	read_memory(sample);
	read_network(sample);
}

/* ---- sending ----------------------------------------------------------- */

/* Returns 1 when the message went out, 0 when it has to be tried again, -1 on
 * failure. */
static int send_sample(struct msg_publisher *publisher,
	struct demo_sample *sample, int more_are_due)
{
	struct msg_loan loan;
	int result;

	result = msg_publisher_loan(publisher, sizeof *sample, &loan);
	if (result == -MSG_ERROR_AGAIN) {
		/* Back-pressure shows here and nowhere else. */
		(void)msg_publisher_flush(publisher);
		sleep_until(demo_now_ns() + 50000);
		return 0;
	}
	if (result < 0)
		return -1;
	sample->time_ns = demo_now_ns();
	sample->checksum = demo_checksum(sample);
	memcpy(loan.data, sample, sizeof *sample);
	if (more_are_due)
		result = msg_publisher_queue(publisher, &loan, sizeof *sample);
	else
		result = msg_publisher_send(publisher, &loan, sizeof *sample);
	return result < 0 ? -1 : 1;
}

/* Returns 0, or -1 when the lane failed. */
static int publish(struct msg_publisher *publisher, double rate, double seconds)
{
	struct demo_sample sample = { 0 };
	uint64_t total = (uint64_t)(rate * seconds + 0.5);
	uint64_t start = demo_now_ns();

	while (sample.index < total && !stopped) {
		double next = (double)(sample.index + 1) * 1e9 / rate;
		uint64_t due = start +
			(uint64_t)((double)sample.index * 1e9 / rate);
		uint64_t now = demo_now_ns();
		int sent;

		if (now < due) {
			sleep_until(due);
			continue;
		}
		refresh(&sample, now);
		sent = send_sample(publisher, &sample,
			sample.index + 1 < total &&
				now >= start + (uint64_t)next);
		if (sent < 0)
			return -1;
		sample.index += (uint64_t)sent;
	}
	for (sample.end = DEMO_ENDS; sample.end > 0;) {
		int sent = send_sample(publisher, &sample, 0);

		if (sent < 0)
			return -1;
		sample.end -= (uint32_t)sent;
		sleep_until(demo_now_ns() + 20000000);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct msg_publisher_options options = MSG_PUBLISHER_OPTIONS;
	struct sigaction action = { .sa_handler = stop };
	struct msg_publisher *publisher;
	struct msg_node *node;
	double rate = argc == 4 ? atof(argv[2]) : 0;
	double seconds = argc == 4 ? atof(argv[3]) : 0;

	if (rate <= 0 || seconds <= 0) {
		fprintf(stderr, "usage: demo_publish TOPIC RATE SECONDS\n");
		return 2;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	options.topic = argv[1];
	if (msg_node_open(NULL, &node) < 0 ||
		msg_publisher_open(node, &options, &publisher) < 0) {
		fprintf(stderr, "demo_publish: %s\n", msg_error_text());
		return 1;
	}
	if (publish(publisher, rate, seconds) < 0) {
		fprintf(stderr, "demo_publish: the lane failed\n");
		return 1;
	}
	printf("frames %llu\n",
		(unsigned long long)msg_publisher_counter(
			publisher, MSG_COUNTER_FRAMES));
	while (msg_publisher_close(publisher) == -MSG_ERROR_BUSY)
		sleep_until(demo_now_ns() + 1000000);
	msg_node_close(node);
	return 0;
}
