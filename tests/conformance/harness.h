/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * harness.h - what the cases of the conformance suite share.
 *
 * The suite knows a lane by the public API only.  Which lane it runs on is
 * said on the command line; each test process has a port and groups of its own,
 * so that runs side by side do not hear each other.  Through a broker they share
 * what is the broker's, and tests run one after the other.
 */
#ifndef TESTS_CONFORMANCE_HARNESS_H
#define TESTS_CONFORMANCE_HARNESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "check_main.h"

#define MS 1000000ll
#define S 1000000000ll

struct lane {
	const char *device;
	const char *interface;
	const char *broker; /* Its name: all goes through it. */
	bool reliable; /* Publishers are, unless a test says what they are. */
	bool rc;       /* The same, by connections. */
	bool quick; /* Small counts: an emulated machine is slow. */
	double patience; /* Factor on time limits. */
};

extern struct lane lane;

/* `full`, or `quick` where time is dear. */
int lane_count(int full, int quick);
int64_t now_ns(void);
void sleep_ns(int64_t ns);

/* Options of this run: lane, port, groups; announcing every 20 ms. */
struct msg_node_options node_options(void);
struct msg_node *open_node_as(const struct msg_node_options *options);
struct msg_node *open_node(void);
struct msg_publisher *open_publisher(
	struct msg_node *node, const char *topic, uint32_t message_bytes_max);
struct msg_publisher *open_publisher_as(
	struct msg_node *node, const struct msg_publisher_options *options);
struct msg_subscriber *open_subscriber(struct msg_node *node,
	const char *topic);
struct msg_subscriber *open_subscriber_as(
	struct msg_node *node, const struct msg_subscriber_options *options);
/* By connections, who comes late waits until it is connected to so many; else
 * that is done when it is open. */
void meet_publishers(struct msg_subscriber *subscriber, uint64_t count);
void close_all(struct msg_node *node, struct msg_publisher *publisher,
	struct msg_subscriber *subscriber);
/* Payload bytes of one frame of several messages, and of one. */
uint32_t body_bytes(const struct msg_node *node);
uint32_t lone_bytes(const struct msg_node *node);
/* Of one datagram, whatever topics are had by. */
uint32_t datagram_bytes(const struct msg_node *node);
bool on_verbs(const struct msg_node *node);
/* A broker may have none. */
bool on_network(const struct msg_node *node);

/* The bytes of message `sequence` of stream `key`, whatever its length. */
void fill_payload(void *data, size_t bytes, uint64_t key, uint64_t sequence);
/* Whether a view (of any number of segments) holds exactly these. */
void check_payload(const struct msg_subscriber *subscriber,
	const struct msg_view *view, size_t bytes, uint64_t key);

/* Loan, fill, send (or queue); the loan may have to wait for a while. */
void publish_filled(struct msg_publisher *publisher, size_t bytes,
	uint64_t key, uint64_t sequence, bool queue);

/* Wait for one message; fails the test after `limit` ns. */
struct msg_view take_one(struct msg_subscriber *subscriber, int64_t limit);
/* Whether nothing comes within `limit` ns. */
bool stays_silent(struct msg_subscriber *subscriber, int64_t limit);
uint64_t counted(const struct msg_subscriber *subscriber, int index);

/* A process of its own; `run` returns its exit status. */
struct peer {
	pid_t pid;
	int to;   /* We write, it reads. */
	int from; /* It writes, we read. */
};

struct peer peer_start(int (*run)(int in, int out, void *argument),
	void *argument);
void peer_end(struct peer *peer); /* Checks that it ended with 0. */
void say(int fd, uint64_t word);
uint64_t hear(int fd); /* Fails the test when the other side is gone. */

void add_basic(Suite *suite);
void add_loans(Suite *suite);
void add_views(Suite *suite);
void add_loss(Suite *suite);
void add_reliable(Suite *suite);
void add_large(Suite *suite);
void add_kept(Suite *suite);
void add_streams(Suite *suite);
void add_topics(Suite *suite);
void add_types(Suite *suite);
void add_wake(Suite *suite);
void add_life(Suite *suite);
void add_errors(Suite *suite);
void add_zero_copy(Suite *suite);

#endif
