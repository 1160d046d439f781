/* SPDX-License-Identifier: BSD-2-Clause */
/* topics.c - patterns, shared groups, the directory, IPv6. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

/* Publish numbered messages until the subscriber, which has to hear the
 * announcement first, gets one; returns it. */
static struct msg_view publish_until_heard(struct msg_publisher *p,
	struct msg_subscriber *s, uint64_t *sequence)
{
	int64_t limit = now_ns() + (int64_t)(5e9 * lane.patience);
	struct msg_view view;

	for (;;) {
		int n;

		publish_filled(p, 20, 1, (*sequence)++, false);
		sleep_ns(5 * MS);
		do {
			n = msg_subscriber_take(s, &view, 1);
			ck_assert_int_ge(n, 0);
			if (n == 1 && view.publisher == msg_publisher_id(p))
				return view;
			if (n == 1)
				msg_subscriber_release(s, &view, 1);
		} while (n > 0);
		ck_assert_msg(now_ns() < limit, "the topic was not found");
	}
}

static const char *const late_topics[6] = {"md.acme.bid", "md.acme.ask",
	"md.bolt.bid", "md.acme", "md.acme.bid.deep", "other.acme.bid"};
static const struct {
	const char *pattern;
	unsigned matches; /* Bit i: late_topics[i]. */
} late_patterns[5] = {{"md.*.bid", 0x05}, {"md.>", 0x1f}, {"md.acme.*", 0x03},
	{">", 0x3f}, {"*.acme.bid", 0x21}};

/* Take all that is there; nobody gets what does not match.  Which were heard. */
static unsigned take_matching(
	struct msg_subscriber *s, unsigned matches, struct msg_publisher **p)
{
	unsigned heard = 0;
	struct msg_view view;

	while (msg_subscriber_take(s, &view, 1) > 0) {
		int k = 0;

		while (k < 6 && (!p[k] || view.publisher != msg_publisher_id(p[k])))
			k++;
		ck_assert_int_lt(k, 6);
		ck_assert(matches >> k & 1);
		ck_assert_str_eq(
			msg_subscriber_topic(s, &view), late_topics[k]);
		check_payload(s, &view, 20, 1);
		msg_subscriber_release(s, &view, 1);
		heard |= 1u << k;
	}
	return heard;
}

/* All of them take all the time: one that does not is waited for by whoever has it
 * by a connection, and cut off. */
START_TEST(patterns_follow_topics_that_start_later)
{
	struct msg_node *node = open_node();
	struct msg_publisher *p[6] = {NULL};
	struct msg_subscriber *s[5];
	unsigned heard[5] = {0};

	for (int i = 0; i < 5; i++)
		s[i] = open_subscriber(node, late_patterns[i].pattern);
	for (int k = 0; k < 6; k++) {
		int64_t limit = now_ns() + (int64_t)(15e9 * lane.patience);
		unsigned missing = 1;

		p[k] = open_publisher(node, late_topics[k], 0);
		for (uint64_t sequence = 0; missing > 0; sequence++) {
			publish_filled(p[k], 20, 1, sequence, false);
			sleep_ns(5 * MS);
			missing = 0;
			for (int i = 0; i < 5; i++) {
				unsigned matches = late_patterns[i].matches;

				heard[i] |= take_matching(s[i], matches, p);
				missing |= (matches & ~heard[i]) >> k & 1;
			}
			ck_assert_msg(now_ns() < limit, "'%s' was not found",
				late_topics[k]);
		}
	}
	for (int i = 0; i < 5; i++) {
		take_matching(s[i], late_patterns[i].matches, p);
		ck_assert_uint_eq(counted(s[i], MSG_COUNTER_LOST), 0);
		ck_assert_uint_eq(counted(s[i], MSG_COUNTER_MALFORMED), 0);
		ck_assert_int_eq(msg_subscriber_close(s[i]), 0);
	}
	for (int k = 1; k < 6; k++)
		ck_assert_int_eq(msg_publisher_close(p[k]), 0);
	close_all(node, p[0], NULL);
}
END_TEST

static void share_groups(int count)
{
	struct msg_node_options o = node_options();
	char groups[64];
	struct msg_node *node;
	struct msg_subscriber *s;
	struct msg_publisher *mine, *other;

	snprintf(groups, sizeof groups, "%.*s+%d",
		(int)strcspn(o.groups, "+"), o.groups, count);
	o.groups = groups;
	node = open_node_as(&o);
	s = open_subscriber(node, "mine");
	other = open_publisher(node, "other", 0);
	mine = open_publisher(node, "mine", 0);
	for (uint64_t i = 0; i < 100; i++) {
		struct msg_view view;

		publish_filled(other, 40, 2, i, false);
		publish_filled(mine, 40, 1, i, false);
		view = take_one(s, 5 * S);
		ck_assert_uint_eq(view.publisher, msg_publisher_id(mine));
		ck_assert_uint_eq(view.sequence, i);
		check_payload(s, &view, 40, 1);
		msg_subscriber_release(s, &view, 1);
	}
	/* By connections, no frame of others comes at all. */
	ck_assert_uint_eq(
		counted(s, MSG_COUNTER_FOREIGN), lane.rc ? 0 : 100);
	ck_assert_uint_eq(counted(s, MSG_COUNTER_LOST), 0);
	ck_assert_uint_eq(counted(s, MSG_COUNTER_MALFORMED), 0);
	ck_assert_int_eq(msg_publisher_close(other), 0);
	close_all(node, mine, s);
}

START_TEST(foreign_topics_of_a_group_are_filtered_and_counted)
{
	if (lane.broker)
		CHECK_SKIP("groups are the broker's, which filters");
	share_groups(2);
}
END_TEST

START_TEST(one_group_serves_for_everything)
{
	if (lane.broker)
		CHECK_SKIP("groups are the broker's");
	share_groups(1);
}
END_TEST

/* ---- the directory ------------------------------------------------------- */

static int find(const struct msg_topic_info *infos, int n, const char *topic)
{
	for (int i = 0; i < n; i++)
		if (strcmp(infos[i].topic, topic) == 0)
			return i;
	return -1;
}

/* Read until `count` publishers are known. */
static int read_until(struct msg_node *node, struct msg_directory *d,
	struct msg_topic_info *infos, int room, int count)
{
	int64_t limit = now_ns() + (int64_t)(5e9 * lane.patience);
	int n;

	do {
		if (node)
			msg_node_progress(node);
		n = msg_directory_read(d, 20 * MS, infos, room);
		ck_assert_int_ge(n, 0);
		ck_assert_msg(now_ns() < limit, "%d known, %d wanted", n, count);
	} while (n != count);
	return n;
}

START_TEST(the_directory_lists_and_forgets)
{
	struct msg_node *node = open_node();
	struct msg_topic_info infos[8];
	struct msg_directory *d, *only;
	struct msg_publisher *b, *a, *c;
	char host[256] = "";

	ck_assert_int_eq(msg_directory_open(node, NULL, &d), 0);
	ck_assert_int_eq(msg_directory_open(node, "dir.*", &only), 0);
	/* Who went a moment ago may still be hung up on. */
	read_until(node, d, infos, 8, 0);
	b = open_publisher(node, "dir.b", 5000);
	a = open_publisher(node, "dir.a", 0);
	c = open_publisher(node, "else.c", 0);
	for (uint64_t i = 0; i < 10; i++)
		publish_filled(b, 10, 1, i, false);
	read_until(node, d, infos, 8, 3);
	ck_assert_int_eq(find(infos, 3, "dir.a"), 0);
	ck_assert_int_eq(find(infos, 3, "dir.b"), 1);
	ck_assert_int_eq(find(infos, 3, "else.c"), 2);
	ck_assert_uint_eq(infos[1].publisher, msg_publisher_id(b));
	ck_assert_uint_eq(infos[1].pid, (uint32_t)getpid());
	ck_assert_uint_eq(infos[1].uid, (uint32_t)getuid());
	ck_assert_uint_eq(infos[1].message_bytes_max, 5000);
	ck_assert_uint_eq(infos[1].frame_bytes, body_bytes(node) + 24);
	ck_assert_str_eq(infos[1].program, "test_conformance");
	gethostname(host, sizeof host - 1);
	ck_assert_int_eq(strncmp(infos[1].host, host, 63), 0);
	for (int i = 0; infos[1].message_count != 10; i++) {
		ck_assert_int_lt(i, 100);
		read_until(node, d, infos, 8, 3);
	}
	/* More are known than there is room for. */
	ck_assert_int_eq(msg_directory_read(d, 0, infos, 1), 3);
	read_until(node, only, infos, 8, 2);
	ck_assert_int_eq(find(infos, 2, "else.c"), -1);
	/* A goodbye is heard at once. */
	ck_assert_int_eq(msg_publisher_close(a), 0);
	read_until(node, d, infos, 8, 2);
	ck_assert_int_eq(find(infos, 2, "dir.a"), -1);
	ck_assert_int_eq(msg_publisher_close(c), 0);
	ck_assert_int_eq(msg_directory_close(d), 0);
	ck_assert_int_eq(msg_directory_close(only), 0);
	close_all(node, b, NULL);
}
END_TEST

static int announce_forever(int in, int out, void *argument)
{
	struct msg_node_options o = node_options();
	struct msg_node *node;

	(void)argument;
	o.flags = MSG_NODE_PROGRESS_THREAD;
	node = open_node_as(&o);
	open_publisher(node, "dies", 0);
	say(out, 1);
	hear(in);
	return 0;
}

START_TEST(who_dies_without_goodbye_is_forgotten)
{
	struct peer peer = peer_start(announce_forever, NULL);
	struct msg_topic_info infos[2];
	struct msg_directory *d;
	struct msg_node *node;
	int64_t end;
	int status;

	node = open_node();
	ck_assert_int_eq(msg_directory_open(node, NULL, &d), 0);
	hear(peer.from);
	/* Its thread announces it, for as long as it lives.  (On a busy machine it
	 * may not run for five of its periods, and is back then.) */
	for (end = now_ns() + 300 * MS; now_ns() < end;)
		ck_assert_int_ge(
			msg_directory_read(d, 50 * MS, infos, 2), 0);
	read_until(NULL, d, infos, 2, 1);
	ck_assert_uint_eq(infos[0].pid, (uint32_t)peer.pid);
	kill(peer.pid, SIGKILL);
	waitpid(peer.pid, &status, 0);
	read_until(NULL, d, infos, 2, 0);
	ck_assert_int_eq(msg_directory_close(d), 0);
	ck_assert_int_eq(msg_node_close(node), 0);
}
END_TEST

/* Without the thread, calls on publishers announce; without those, nobody. */
START_TEST(publishers_announce_by_being_called)
{
	struct msg_node_options o = node_options();
	struct msg_topic_info info;
	struct msg_directory *d;
	struct msg_publisher *p;
	struct msg_node *node;
	int64_t end;

	if (lane.broker)
		CHECK_SKIP("the broker announces");

	/* Forgotten after half a second: a busy machine may pause for less. */
	o.announce_ms = 100;
	o.flags = 0;
	node = open_node_as(&o);
	p = open_publisher(node, "called", 0);
	ck_assert_int_eq(msg_directory_open(node, "called", &d), 0);
	for (end = now_ns() + 800 * MS; now_ns() < end;) {
		ck_assert_int_eq(msg_publish(p, "x", 1), 0);
		ck_assert_int_ge(msg_directory_read(d, 10 * MS, &info, 1), 0);
	}
	ck_assert_int_eq(msg_directory_read(d, 0, &info, 1), 1);
	for (end = now_ns() + 800 * MS; now_ns() < end;)
		ck_assert_int_ge(msg_directory_read(d, 10 * MS, &info, 1), 0);
	ck_assert_int_eq(msg_directory_read(d, 0, &info, 1), 0);
	for (end = now_ns() + 300 * MS; now_ns() < end;) {
		msg_node_progress(node);
		ck_assert_int_ge(msg_directory_read(d, 10 * MS, &info, 1), 0);
	}
	ck_assert_int_eq(msg_directory_read(d, 0, &info, 1), 1);
	ck_assert_int_eq(msg_directory_close(d), 0);
	close_all(node, p, NULL);
}
END_TEST

START_TEST(small_frames_do_not_hide_long_topics)
{
	struct msg_node_options o = node_options();
	struct msg_topic_info info;
	struct msg_directory *d;
	struct msg_subscriber *s;
	struct msg_publisher *p;
	struct msg_node *node;
	struct msg_view view;
	char topic[256];
	uint64_t sequence = 0;

	memset(topic, 't', 255);
	topic[255] = '\0';
	o.frame_bytes = 256;
	node = open_node_as(&o);
	ck_assert_int_eq(msg_directory_open(node, NULL, &d), 0);
	s = open_subscriber(node, ">");
	p = open_publisher(node, topic, 0);
	read_until(node, d, &info, 1, 1);
	ck_assert_str_eq(info.topic, topic);
	view = publish_until_heard(p, s, &sequence);
	ck_assert_str_eq(msg_subscriber_topic(s, &view), topic);
	msg_subscriber_release(s, &view, 1);
	ck_assert_int_eq(msg_directory_close(d), 0);
	close_all(node, p, s);
}
END_TEST

/* Hosts commonly lack that route.  In a network namespace of this process the
 * host's stay as they are. */
static bool route_ipv6_over_loopback(void)
{
	return unshare(CLONE_NEWNET) == 0 &&
	       system("PATH=$PATH:/usr/sbin:/sbin; ip link set lo up && "
		      "ip -6 route add local ff00::/8 dev lo table local") == 0;
}

START_TEST(groups_may_be_of_ipv6)
{
	struct msg_node_options o = node_options();
	struct msg_node *node;
	struct msg_subscriber *s, *all;
	struct msg_publisher *p;
	struct msg_view view;
	uint64_t sequence = 0;
	char groups[64];

	if (lane.broker)
		CHECK_SKIP("groups are the broker's");
	snprintf(groups, sizeof groups, "ff15::%x:4d00+16",
		(unsigned)(o.port & 0xffff));
	o.groups = groups;
	if (!lane.device && !lane.interface && !route_ipv6_over_loopback())
		CHECK_SKIP("no network of its own for a route to ff00::/8");
	if (lane.device && msg_node_open(&o, &node) < 0)
		CHECK_SKIP("%s", msg_error_text());
	if (!lane.device)
		node = open_node_as(&o);
	if (lane.device) { /* Its interface may have no IPv6 address. */
		struct msg_subscriber_options six = MSG_SUBSCRIBER_OPTIONS;

		six.topic = "six.*";
		if (msg_subscriber_open(node, &six, &all) < 0) {
			msg_node_close(node);
			CHECK_SKIP("%s", msg_error_text());
		}
	} else {
		all = open_subscriber(node, "six.*");
	}
	s = open_subscriber(node, "six.a");
	p = open_publisher(node, "six.a", 200000);
	publish_filled(p, 150000, 1, sequence++, false);
	view = take_one(s, 5 * S);
	check_payload(s, &view, 150000, 1);
	msg_subscriber_release(s, &view, 1);
	view = publish_until_heard(p, all, &sequence);
	msg_subscriber_release(all, &view, 1);
	ck_assert_int_eq(msg_subscriber_close(all), 0);
	close_all(node, p, s);
}
END_TEST

void add_topics(Suite *suite)
{
	TCase *topics = check_case(suite, "topics", 60);

	tcase_add_test(topics, patterns_follow_topics_that_start_later);
	tcase_add_test(
		topics, foreign_topics_of_a_group_are_filtered_and_counted);
	tcase_add_test(topics, one_group_serves_for_everything);
	tcase_add_test(topics, the_directory_lists_and_forgets);
	tcase_add_test(topics, who_dies_without_goodbye_is_forgotten);
	tcase_add_test(topics, publishers_announce_by_being_called);
	tcase_add_test(topics, small_frames_do_not_hide_long_topics);
	tcase_add_test(topics, groups_may_be_of_ipv6);
}
