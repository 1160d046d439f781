/* SPDX-License-Identifier: BSD-2-Clause */
/* deaf_side.c - the publisher and the subscribers; see deaf.h. */
#include "deaf.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <msg/msg.h>

#define TOPIC "deaf.ear"
#define VIEWS 64
#define WAIT_NS 50000000

/* At the head of each message; its number fills the rest. */
struct stamp {
	uint64_t number;
	uint64_t sent_ns;
};

static int fail(const char *what)
{
	fprintf(stderr, "deaf: %s: %s\n", what, msg_error_text());
	return 1;
}

/* ---- the publisher ----------------------------------------------------- */

static int send_one(const struct deaf_plan *plan,
	struct msg_publisher *publisher, uint64_t number)
{
	struct stamp stamp = {.number = number};
	struct msg_loan loan;
	int result;

	while ((result = msg_publisher_loan(publisher, plan->bytes, &loan)) ==
		-MSG_ERROR_AGAIN)
		usleep(50);
	if (result < 0)
		return result;
	memset(loan.data, (int)(number & 0xff), plan->bytes);
	stamp.sent_ns = now_ns();
	memcpy(loan.data, &stamp, sizeof stamp);
	return msg_publisher_send(publisher, &loan, plan->bytes);
}

int deaf_publish(const struct deaf_plan *plan, struct deaf_page *page)
{
	struct msg_node_options node_options = MSG_NODE_OPTIONS;
	struct msg_publisher_options options = MSG_PUBLISHER_OPTIONS;
	struct msg_publisher *publisher;
	struct msg_node *node;
	uint64_t start;

	node_options.broker = MSG_BROKER_NEVER;
	options.topic = TOPIC;
	if (msg_node_open(&node_options, &node) < 0)
		return fail("the publisher's node");
	if (msg_publisher_open(node, &options, &publisher) < 0)
		return fail("publisher");
	start = now_ns();
	for (uint64_t i = 0; !atomic_load(&page->enough); i++) {
		uint64_t due = start + i * 1000000000u / plan->rate;
		struct timespec at = {
			.tv_sec = (time_t)(due / 1000000000u),
			.tv_nsec = (long)(due % 1000000000u),
		};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		if (send_one(plan, publisher, i) < 0)
			return fail("send");
		atomic_store(&page->published, i + 1);
		atomic_store(&page->publishing, true);
	}
	atomic_store(&page->over, true);
	msg_publisher_close(publisher);
	msg_node_close(node);
	return 0;
}

/* ---- a subscriber ------------------------------------------------------ */

/* Its head and each byte of its body are what was sent. */
static bool is_whole(const struct deaf_plan *plan, const struct msg_view *view,
	struct stamp *stamp)
{
	const uint8_t *body = view->data;
	unsigned int differ = 0;

	if (view->bytes != plan->bytes)
		return false;
	memcpy(stamp, body, sizeof *stamp);
	for (size_t i = sizeof *stamp; i < view->bytes; i++)
		differ |= body[i] ^ (stamp->number & 0xff);
	return differ == 0 && stamp->number == view->sequence;
}

static void enter(const struct deaf_plan *plan, struct deaf_book *book,
	const struct msg_view *view, uint64_t now)
{
	uint64_t delivered = atomic_load(&book->delivered);
	uint64_t lost = atomic_load(&book->lost);
	struct stamp stamp = {0};

	if (delivered == 0)
		book->first = view->sequence - view->lost_before;
	if (!is_whole(plan, view, &stamp) ||
		view->sequence !=
			book->first + delivered + lost + view->lost_before)
		book->wrong++;
	if (book->count < DEAF_ARRIVALS_MAX)
		book->arrivals[book->count++] = (struct deaf_arrival){
			.at_ns = now,
			.late_ns = now - stamp.sent_ns,
		};
	atomic_store(&book->lost, lost + view->lost_before);
	atomic_store(&book->delivered, delivered + 1);
}

/* Whether it answers for all that was published. */
static bool is_complete(
	const struct deaf_page *page, const struct deaf_book *book)
{
	uint64_t delivered = atomic_load(&book->delivered);

	return delivered > 0 && atomic_load(&page->over) &&
	       book->first + delivered + atomic_load(&book->lost) >=
		       atomic_load(&page->published);
}

int deaf_subscribe(const struct deaf_plan *plan, struct deaf_page *page,
	struct deaf_book *book)
{
	struct msg_node_options node_options = MSG_NODE_OPTIONS;
	struct msg_subscriber_options options = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *subscriber;
	struct msg_view views[VIEWS];
	struct msg_node *node;

	node_options.broker = MSG_BROKER_REQUIRE;
	node_options.broker_name = plan->broker;
	options.topic = TOPIC;
	if (msg_node_open(&node_options, &node) < 0)
		return fail("a subscriber's node");
	if (msg_subscriber_open(node, &options, &subscriber) < 0)
		return fail("subscriber");
	atomic_store(&book->ready, true);
	while (!is_complete(page, book)) {
		int n = msg_subscriber_take(subscriber, views, VIEWS);
		uint64_t now = now_ns();

		if (n < 0)
			return fail(msg_error_name(n));
		for (int i = 0; i < n; i++)
			enter(plan, book, &views[i], now);
		msg_subscriber_release(subscriber, views, n);
		if (n == 0)
			(void)!msg_subscriber_wait(subscriber, WAIT_NS);
	}
	msg_subscriber_close(subscriber);
	msg_node_close(node);
	return 0;
}
