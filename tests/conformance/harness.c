/* SPDX-License-Identifier: BSD-2-Clause */
/* harness.c - see harness.h. */
#include "harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct lane lane = {.patience = 1};

int lane_count(int full, int quick)
{
	return lane.quick ? quick : full;
}

int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * S + now.tv_nsec;
}

void sleep_ns(int64_t ns)
{
	struct timespec time = {ns / S, ns % S};

	while (nanosleep(&time, &time) != 0 && errno == EINTR)
		;
}

/* ---- nodes ------------------------------------------------------------- */

/* One range a process that Check forked; its own children share it. */
static unsigned range_of_run(void)
{
	static unsigned range;

	if (range == 0)
		range = (unsigned)getpid();
	return range;
}

struct msg_node_options node_options(void)
{
	static char groups[64];
	struct msg_node_options o = MSG_NODE_OPTIONS;
	unsigned range = range_of_run();

	o.announce_ms = 20;
	/* Somebody must answer who connects while this thread waits. */
	if (lane.rc)
		o.flags = MSG_NODE_PROGRESS_THREAD;
	if (lane.broker) {
		/* The lane is the broker's. */
		o.broker = MSG_BROKER_REQUIRE;
		return o;
	}
	o.broker = MSG_BROKER_NEVER;
	snprintf(groups, sizeof groups, "239.255.%u.0+32",
		100 + range / 20000 % 100);
	o.device = lane.device;
	o.interface = lane.interface;
	o.groups = groups;
	o.port = 20000 + range % 20000;
	return o;
}

struct msg_node *open_node_as(const struct msg_node_options *options)
{
	struct msg_node *node;
	int result = msg_node_open(options, &node);

	ck_assert_msg(result == 0, "node: %s: %s", msg_error_name(result),
		msg_error_text());
	return node;
}

struct msg_node *open_node(void)
{
	struct msg_node_options o = node_options();

	return open_node_as(&o);
}

struct msg_publisher *open_publisher_as(
	struct msg_node *node, const struct msg_publisher_options *options)
{
	struct msg_publisher_options o = *options;
	struct msg_publisher *publisher;
	int result;

	if ((lane.reliable || lane.rc) &&
		o.reliability == MSG_RELIABILITY_DEFAULT) {
		o.reliability = lane.rc ? MSG_RELIABILITY_RC
					: MSG_RELIABILITY_RELIABLE;
		/* Nobody takes while this thread closes. */
		o.linger_ms = 20;
	}
	result = msg_publisher_open(node, &o, &publisher);

	ck_assert_msg(result == 0, "publisher: %s: %s", msg_error_name(result),
		msg_error_text());
	return publisher;
}

struct msg_publisher *open_publisher(
	struct msg_node *node, const char *topic, uint32_t message_bytes_max)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;

	o.topic = topic;
	o.message_bytes_max = message_bytes_max;
	return open_publisher_as(node, &o);
}

struct msg_subscriber *open_subscriber_as(
	struct msg_node *node, const struct msg_subscriber_options *options)
{
	struct msg_subscriber *subscriber;
	int result = msg_subscriber_open(node, options, &subscriber);

	ck_assert_msg(result == 0, "subscriber: %s: %s",
		msg_error_name(result), msg_error_text());
	return subscriber;
}

struct msg_subscriber *open_subscriber(
	struct msg_node *node, const char *topic)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;

	o.topic = topic;
	return open_subscriber_as(node, &o);
}

void meet_publishers(struct msg_subscriber *subscriber, uint64_t count)
{
	int64_t limit = now_ns() + (int64_t)(5e9 * lane.patience);
	struct msg_view view;

	while (lane.rc && !lane.broker &&
		counted(subscriber, MSG_COUNTER_PROBES) < count) {
		ck_assert_int_eq(msg_subscriber_take(subscriber, &view, 1), 0);
		ck_assert_msg(now_ns() < limit, "nobody answers");
	}
}

void close_all(struct msg_node *node, struct msg_publisher *publisher,
	struct msg_subscriber *subscriber)
{
	ck_assert_int_eq(msg_publisher_close(publisher), 0);
	ck_assert_int_eq(msg_subscriber_close(subscriber), 0);
	ck_assert_int_eq(msg_node_close(node), 0);
}

uint32_t datagram_bytes(const struct msg_node *node)
{
	struct msg_node_info info;

	msg_node_describe(node, &info);
	return info.frame_bytes - 24;
}

uint32_t body_bytes(const struct msg_node *node)
{
	/* No path bounds those of connections. */
	return lane.rc ? 16384 - 24 : datagram_bytes(node);
}

bool on_verbs(const struct msg_node *node)
{
	struct msg_node_info info;

	msg_node_describe(node, &info);
	return info.lane == MSG_LANE_VERBS;
}

bool on_network(const struct msg_node *node)
{
	struct msg_node_info info;

	msg_node_describe(node, &info);
	return info.lane != MSG_LANE_DEFAULT;
}

uint32_t lone_bytes(const struct msg_node *node)
{
	if (!lane.rc)
		return datagram_bytes(node);
	return on_verbs(node) ? 65600 - 24 : 130942 - 24;
}

/* ---- payloads ---------------------------------------------------------- */

static uint64_t word_at(uint64_t key, uint64_t sequence, size_t at)
{
	struct random_stream random = {
		key * 0x9e3779b97f4a7c15ull + sequence * 0x100000001b3ull + at};

	return random_next(&random);
}

void fill_payload(void *data, size_t bytes, uint64_t key, uint64_t sequence)
{
	for (size_t at = 0; at < bytes; at += 8) {
		uint64_t word = word_at(key, sequence, at);

		memcpy((char *)data + at, &word,
			bytes - at < 8 ? bytes - at : 8);
	}
}

/* The bytes [at, at + bytes) of a message; `at` is a multiple of 8, for parts
 * are whole cache lines. */
static bool part_is_right(const void *data, size_t bytes, size_t at,
	uint64_t key, uint64_t sequence)
{
	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t word = word_at(key, sequence, at + i);

		if (memcmp((const char *)data + i, &word,
			    bytes - i < 8 ? bytes - i : 8) != 0)
			return false;
	}
	return true;
}

void check_payload(const struct msg_subscriber *subscriber,
	const struct msg_view *view, size_t bytes, uint64_t key)
{
	struct msg_segment *segments =
		calloc(view->segment_count, sizeof *segments);
	size_t at = 0;
	int n;

	ck_assert_ptr_nonnull(segments);
	ck_assert_uint_eq(view->bytes, bytes);
	ck_assert_uint_eq(view->event, MSG_EVENT_MESSAGE);
	ck_assert_uint_eq(view->reason, MSG_LOSS_UNKNOWN);
	n = msg_subscriber_segments(
		subscriber, view, segments, (int)view->segment_count);
	ck_assert_int_eq(n, (int)view->segment_count);
	ck_assert_ptr_eq(segments[0].data, view->data);
	for (int i = 0; i < n; i++) {
		ck_assert_uint_eq((uintptr_t)segments[i].data % 8, 0);
		ck_assert_msg(part_is_right(segments[i].data,
				      segments[i].bytes, at, key,
				      view->sequence),
			"message %llu of %zu bytes is torn in segment %d",
			(unsigned long long)view->sequence, bytes, i);
		at += segments[i].bytes;
	}
	ck_assert_uint_eq(at, bytes);
	free(segments);
}

void publish_filled(struct msg_publisher *publisher, size_t bytes,
	uint64_t key, uint64_t sequence, bool queue)
{
	int64_t limit = now_ns() + 10 * S;
	struct msg_loan loan;
	int result;

	while ((result = msg_publisher_loan(publisher, bytes, &loan)) ==
		-MSG_ERROR_AGAIN)
		ck_assert_msg(now_ns() < limit, "no loan for 10 s");
	ck_assert_int_eq(result, 0);
	ck_assert_uint_ge(loan.capacity, bytes);
	ck_assert_uint_eq((uintptr_t)loan.data % 8, 0);
	fill_payload(loan.data, bytes, key, sequence);
	result = queue ? msg_publisher_queue(publisher, &loan, bytes)
		       : msg_publisher_send(publisher, &loan, bytes);
	ck_assert_int_eq(result, 0);
	ck_assert_ptr_null(loan.data);
}

/* Never negative: that would be no limit. */
static int64_t left_until(int64_t deadline)
{
	int64_t left = deadline - now_ns();

	return left > 0 ? left : 0;
}

struct msg_view take_one(struct msg_subscriber *subscriber, int64_t limit)
{
	int64_t deadline = now_ns() + (int64_t)((double)limit * lane.patience);
	struct msg_view view;

	for (;;) {
		int n = msg_subscriber_take(subscriber, &view, 1);

		ck_assert_int_ge(n, 0);
		if (n == 1)
			return view;
		ck_assert_msg(now_ns() < deadline, "nothing came");
		n = msg_subscriber_wait(subscriber, left_until(deadline));
		ck_assert(n == 0 || n == -MSG_ERROR_TIMEOUT);
	}
}

bool stays_silent(struct msg_subscriber *subscriber, int64_t limit)
{
	int64_t deadline = now_ns() + limit;
	struct msg_view view;

	while (now_ns() < deadline) {
		int n = msg_subscriber_take(subscriber, &view, 1);

		ck_assert_int_ge(n, 0);
		if (n > 0)
			return false;
		n = msg_subscriber_wait(subscriber, left_until(deadline));
		ck_assert(n == 0 || n == -MSG_ERROR_TIMEOUT);
	}
	return true;
}

uint64_t counted(const struct msg_subscriber *subscriber, int index)
{
	return msg_subscriber_counter(subscriber, index);
}

/* ---- other processes --------------------------------------------------- */

struct peer peer_start(
	int (*run)(int in, int out, void *argument), void *argument)
{
	struct peer peer;
	int to[2], from[2];

	range_of_run();
	ck_assert_int_eq(pipe(to), 0);
	ck_assert_int_eq(pipe(from), 0);
	peer.pid = fork();
	ck_assert_int_ge(peer.pid, 0);
	if (peer.pid == 0) {
		close(to[1]);
		close(from[0]);
		_exit(run(to[0], from[1], argument));
	}
	close(to[0]);
	close(from[1]);
	peer.to = to[1];
	peer.from = from[0];
	return peer;
}

void peer_end(struct peer *peer)
{
	int status;

	close(peer->to);
	close(peer->from);
	ck_assert_int_eq(waitpid(peer->pid, &status, 0), peer->pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		"the other process ended with status 0x%x", (unsigned)status);
}

void say(int fd, uint64_t word)
{
	ck_assert_int_eq(write(fd, &word, sizeof word), sizeof word);
}

uint64_t hear(int fd)
{
	uint64_t word;
	ssize_t n = read(fd, &word, sizeof word);

	ck_assert_msg(n == (ssize_t)sizeof word, "the other process is gone");
	return word;
}
