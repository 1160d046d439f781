/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_flood.c - anybody announces more topics than a subscription can have: nobody
 * loses what he has, whoever follows all of them is told how many he goes without,
 * and the broker holds no more for them.
 *
 * The announcements are made by hand.  The other host is this process.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "actor.h"
#include "lane.h"

#define TOPICS 300u /* More than a subscription has rings. */
#define RINGS 256u
#define S_NS 1000000000ll

static struct lane lane;
static struct host host;
static struct msg_node *node;  /* On the broker. */
static struct msg_node *other; /* Another host. */

static void setup(void)
{
	actors_open();
	lane_choose(&lane, NULL, NULL);
	lane_open_sender(&lane);
	host_open(&host, NULL);
	host.arguments = lane.arguments;
	host_start(&host);
	ck_assert_msg(host_node(&host, &node) == 0, "%s", msg_error_text());
	other = lane_open_other(&lane);
}

static void teardown(void)
{
	ck_assert_int_eq(msg_node_close(node), 0);
	ck_assert_int_eq(msg_node_close(other), 0);
	lane_close_sender(&lane);
	host_close(&host);
}

static struct msg_subscriber *subscribe(const char *topic)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *s;

	o.topic = topic;
	ck_assert_msg(msg_subscriber_open(node, &o, &s) == 0, "%s",
		msg_error_text());
	return s;
}

static struct msg_publisher *publish(struct msg_node *on, const char *topic)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;
	struct msg_publisher *p;

	o.topic = topic;
	ck_assert_msg(msg_publisher_open(on, &o, &p) == 0, "%s",
		msg_error_text());
	return p;
}

static void put(struct msg_publisher *p)
{
	struct msg_loan loan;

	AWAIT(10, msg_publisher_loan(p, 8, &loan) == 0);
	memset(loan.data, 0, 8);
	ck_assert_int_eq(msg_publisher_send(p, &loan, 8), 0);
}

/* Of what is published from now on; what a pattern has not heard of yet is missed. */
static bool gets(struct msg_subscriber *s, struct msg_publisher *p)
{
	struct msg_view view;
	bool found = false;
	int n;

	put(p);
	n = msg_subscriber_wait(s, S_NS / 20);
	ck_assert_msg(n == 0 || n == -MSG_ERROR_TIMEOUT, "%s", msg_error_text());
	while ((n = msg_subscriber_take(s, &view, 1)) > 0) {
		found |= view.publisher == msg_publisher_id(p);
		msg_subscriber_release(s, &view, 1);
	}
	ck_assert_msg(n == 0, "%s", msg_error_text());
	return found;
}

static void flood(const char *stem)
{
	char topic[64];

	for (uint32_t i = 0; i < TOPICS; i++) {
		snprintf(topic, sizeof topic, "%s.%u", stem, i);
		lane_announce(&lane, topic, 0x100u + i);
		if (i % 50 == 0)
			sleep_us(5000);
	}
}

static uint64_t refused(struct msg_subscriber *s)
{
	struct msg_view view;

	while (msg_subscriber_take(s, &view, 1) > 0)
		msg_subscriber_release(s, &view, 1);
	return msg_subscriber_counter(s, MSG_COUNTER_TOPICS_REFUSED);
}

START_TEST(no_flood_of_topics_ends_a_subscription)
{
	struct msg_subscriber *all = subscribe(">");
	struct msg_publisher *far = publish(other, "honest.far");
	struct msg_publisher *near = publish(node, "honest.near");
	struct msg_subscriber *late, *plain;
	struct msg_publisher *last;
	unsigned before;

	AWAIT(10, gets(all, far));
	AWAIT(10, gets(all, near));
	flood("forged");
	AWAIT(20, refused(all) >= TOPICS + 2 - RINGS);
	ck_assert_uint_ge(host_log_count(&host, "stream-left-out"), 1);
	/* All those topics are of one class of rights. */
	ck_assert_uint_eq(process_maps(getpid(), "memfd:msg-pool"), 1);

	/* What it has it keeps; and they may be announced again for nothing. */
	before = process_descriptors(host.broker);
	for (int i = 0; i < 5; i++)
		flood("forged");
	AWAIT(20, refused(all) >= 4 * (TOPICS + 2 - RINGS));
	ck_assert_uint_le(process_descriptors(host.broker), before + 2);
	AWAIT(10, gets(all, far));
	AWAIT(10, gets(all, near));

	/* Others come in spite of it, to all there is and to a topic of their own;
	 * what appears now is the full one's loss. */
	late = subscribe("*.*");
	plain = subscribe("honest.late");
	last = publish(node, "honest.late");
	AWAIT(10, gets(plain, last));
	ck_assert(!gets(all, last));
	AWAIT(10, refused(late) > 0);

	ck_assert_int_eq(msg_subscriber_close(plain), 0);
	ck_assert_int_eq(msg_subscriber_close(late), 0);
	ck_assert_int_eq(msg_subscriber_close(all), 0);
	ck_assert_int_eq(msg_publisher_close(last), 0);
	ck_assert_int_eq(msg_publisher_close(near), 0);
	ck_assert_int_eq(msg_publisher_close(far), 0);
	ck_assert(host_is_alive(&host));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flood");
	TCase *tcase = check_case(suite, "flood", 120);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, no_flood_of_topics_ends_a_subscription);
	return check_main(suite, NULL);
}
