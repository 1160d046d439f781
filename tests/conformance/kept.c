/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kept.c - who comes late where the publisher itself keeps what was: a broker
 * without a network.  Large messages stay as far as there is memory for them, and
 * nobody reads one that is gone.
 */
#include <poll.h>

#include "harness.h"

#define KEY 12
#define LARGE_BYTES ((size_t)64 << 10)
#define SMALL_BYTES 100u
#define PAGE 4096u
#define NOBODY_ELSE_KEEPS()                                                    \
	do {                                                                   \
		if (!nobody_else_keeps())                                      \
			CHECK_SKIP("here others keep what was");               \
	} while (0)

static bool nobody_else_keeps(void)
{
	struct msg_node *node;
	bool alone;

	if (!lane.broker)
		return false;
	node = open_node();
	alone = !on_network(node);
	ck_assert_int_eq(msg_node_close(node), 0);
	return alone;
}

/* With memory for so many large ones. */
static struct msg_publisher *open_keeping(struct msg_node *node, size_t larges)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;

	o.topic = "kept";
	o.reliability =
		lane.rc ? MSG_RELIABILITY_RC : MSG_RELIABILITY_RELIABLE;
	o.large_bytes_max = LARGE_BYTES;
	o.large_memory_bytes = larges * (LARGE_BYTES + PAGE);
	return open_publisher_as(node, &o);
}

static struct msg_subscriber *open_late(struct msg_node *node, uint32_t history)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;

	o.topic = "kept";
	o.large_bytes_max = LARGE_BYTES;
	o.history_count = history;
	return open_subscriber_as(node, &o);
}

static size_t bytes_of(uint64_t sequence)
{
	return sequence % 2 ? LARGE_BYTES : SMALL_BYTES;
}

static void check_view(
	const struct msg_subscriber *s, const struct msg_view *view)
{
	check_payload(s, view, bytes_of(view->sequence), KEY);
}

static void expect(struct msg_subscriber *s, uint64_t sequence)
{
	struct msg_view view = take_one(s, 30 * S);

	ck_assert_uint_eq(view.sequence, sequence);
	ck_assert_uint_eq(view.lost_before, 0);
	check_view(s, &view);
	msg_subscriber_release(s, &view, 1);
}

START_TEST(large_messages_are_kept_as_far_as_there_is_memory)
{
	struct msg_node *theirs, *node;
	struct msg_publisher *p;
	struct msg_subscriber *s;

	NOBODY_ELSE_KEEPS();
	theirs = open_node();
	node = open_node();
	p = open_keeping(theirs, 3);
	for (uint64_t i = 0; i < 12; i++)
		publish_filled(p, bytes_of(i), KEY, i, false);
	s = open_late(node, UINT32_MAX);
	for (uint64_t i = 6; i < 12; i++)
		expect(s, i);
	publish_filled(p, bytes_of(12), KEY, 12, false);
	expect(s, 12);
	ck_assert_int_eq(msg_subscriber_close(s), 0);
	s = open_late(node, 2);
	expect(s, 11);
	expect(s, 12);
	close_all(node, NULL, s);
	close_all(theirs, p, NULL);
}
END_TEST

/* ---- all at once --------------------------------------------------------- */

static bool is_told(int in)
{
	struct pollfd word = {.fd = in, .events = POLLIN};

	return poll(&word, 1, 0) != 0;
}

/* As fast as it goes, until it is told to stop. */
static int run_publisher(int in, int out, void *argument)
{
	struct msg_node *node = open_node();
	struct msg_publisher *p = open_keeping(node, 4);

	(void)argument;
	for (uint64_t i = 0; !is_told(in); i++) {
		publish_filled(p, bytes_of(i), KEY, i, false);
		if (i == 8)
			say(out, 1);
	}
	close_all(node, p, NULL);
	return 0;
}

/* Some views stay in hand while others come. */
static void read_some(struct msg_subscriber *s, unsigned count)
{
	struct msg_view held[3];
	uint64_t next = 0;

	for (unsigned i = 0; i < count; i++) {
		struct msg_view *view = &held[i % 3];

		if (i >= 3) {
			check_view(s, view);
			msg_subscriber_release(s, view, 1);
		}
		*view = take_one(s, 30 * S);
		check_view(s, view);
		if (i > 0)
			ck_assert_uint_eq(
				view->sequence, next + view->lost_before);
		next = view->sequence + 1;
	}
	for (unsigned i = 0; i < 3; i++) {
		check_view(s, &held[i]);
		msg_subscriber_release(s, &held[i], 1);
	}
}

START_TEST(who_comes_late_reads_nothing_that_is_gone)
{
	struct msg_node *node;
	struct peer peer;

	NOBODY_ELSE_KEEPS();
	node = open_node();
	peer = peer_start(run_publisher, NULL);
	hear(peer.from);
	for (unsigned i = 0; i < 50; i++) {
		struct msg_subscriber *s =
			open_late(node, i % 2 ? 3 : UINT32_MAX);

		read_some(s, 12);
		ck_assert_int_eq(msg_subscriber_close(s), 0);
	}
	say(peer.to, 1);
	peer_end(&peer);
	close_all(node, NULL, NULL);
}
END_TEST

void add_kept(Suite *suite)
{
	TCase *kept = check_case(suite, "kept", 120);

	tcase_add_test(kept, large_messages_are_kept_as_far_as_there_is_memory);
	tcase_add_test(kept, who_comes_late_reads_nothing_that_is_gone);
}
