/* SPDX-License-Identifier: BSD-2-Clause */
/* large_sides.c - see large_sides.h. */
#include "large_sides.h"

struct lane lane;
struct host host;
struct msg_node *node, *other;
const char *device;
size_t large_bytes = 8 * MIB + 5;
const char *large_memory = "20Mi";
const uint32_t deliveries[2] = {MSG_RELIABILITY_RELIABLE, MSG_RELIABILITY_RC};

/* ---- the hosts ------------------------------------------------------------ */

void setup_with(const char *config)
{
	const char *more[] = {"--large-bytes", large_memory, NULL};

	lane_choose(&lane, device, more);
	actors_open();
	host_open(&host, config);
	host.arguments = lane.arguments;
	host_start(&host);
	ck_assert_msg(host_node(&host, &node) == 0, "%s", msg_error_text());
	other = lane_open_other(&lane);
}

void setup(void)
{
	setup_with(NULL);
}

void teardown(void)
{
	ck_assert_int_eq(msg_node_close(node), 0);
	ck_assert_int_eq(msg_node_close(other), 0);
	ck_assert(host_is_alive(&host));
	host_close(&host);
}

/* ---- publishers and subscribers ----------------------------------------------- */

struct msg_publisher *publish_with(struct msg_node *on,
	uint32_t reliability, size_t memory, uint32_t give_up_ms)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;
	struct msg_publisher *p;

	o.topic = TOPIC;
	o.reliability = reliability;
	o.flow = MSG_FLOW_MIN;
	o.large_bytes_max = BYTES;
	o.large_memory_bytes = memory;
	o.give_up_ms = give_up_ms;
	ck_assert_msg(msg_publisher_open(on, &o, &p) == 0, "%s",
		msg_error_text());
	return p;
}

struct msg_publisher *publish_on(
	struct msg_node *on, uint32_t reliability, size_t memory)
{
	return publish_with(on, reliability, memory, 20000);
}

struct msg_subscriber *subscribe_with(
	struct msg_node *on, size_t bytes, bool events, uint32_t give_up_ms)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *s;

	o.topic = TOPIC;
	o.large_bytes_max = bytes;
	o.give_up_ms = give_up_ms;
	o.events = events;
	ck_assert_msg(msg_subscriber_open(on, &o, &s) == 0, "%s",
		msg_error_text());
	return s;
}

/* With more patience than a busy machine asks for. */
struct msg_subscriber *subscribe_on(
	struct msg_node *on, size_t bytes, bool events)
{
	return subscribe_with(on, bytes, events, 20000);
}

/* Message `number` of its publisher; false: not now. */
bool try_put(struct msg_publisher *p, uint64_t number, size_t bytes)
{
	struct msg_loan loan;
	int result = msg_publisher_loan(p, bytes, &loan);

	ck_assert(result == 0 || result == -MSG_ERROR_AGAIN);
	if (result < 0)
		return false;
	message_fill(loan.data, bytes, msg_publisher_id(p), number, 0);
	ck_assert_int_eq(msg_publisher_send(p, &loan, bytes), 0);
	return true;
}

void put(struct msg_publisher *p, uint64_t number, size_t bytes)
{
	AWAIT(30, try_put(p, number, bytes));
}

/* The next view that is a message, or LOST; the caller's to release. */
bool take(struct msg_subscriber *s, struct msg_view *view, int64_t ns)
{
	uint64_t end = now_ns() + (uint64_t)ns;

	for (;;) {
		int n = msg_subscriber_take(s, view, 1);

		ck_assert_int_ge(n, 0);
		if (n == 1 && (view->event == MSG_EVENT_MESSAGE ||
				      view->event == MSG_EVENT_LOST))
			return true;
		if (n == 1)
			msg_subscriber_release(s, view, 1);
		else if (now_ns() >= end)
			return false;
		else
			ck_assert_int_ne(msg_subscriber_wait(s, S_NS / 100),
				-MSG_ERROR_FABRIC);
	}
}

void check_event(const struct msg_view *view)
{
	ck_assert_msg(view->event == MSG_EVENT_MESSAGE && view->lost_before == 0,
		"%d were lost before message %d, for reason %d",
		(int)view->lost_before, (int)view->sequence,
		(int)view->reason);
}

struct msg_view expect(
	struct msg_subscriber *s, uint64_t number, size_t bytes)
{
	struct msg_view view;

	ck_assert(take(s, &view, 30 * S_NS));
	check_event(&view);
	ck_assert_uint_eq(view.sequence, number);
	ck_assert_uint_eq(view.segment_count, 1);
	ck_assert_uint_eq(view.bytes, bytes);
	ck_assert(message_is(view.data, bytes, view.publisher, number));
	return view;
}

void expect_back(struct msg_subscriber *s, uint64_t number, size_t bytes)
{
	struct msg_view view = expect(s, number, bytes);

	msg_subscriber_release(s, &view, 1);
}

void expect_loss(
	struct msg_subscriber *s, uint64_t next, enum msg_loss reason)
{
	struct msg_view view;

	ck_assert(take(s, &view, 30 * S_NS));
	ck_assert_uint_eq(view.event, MSG_EVENT_LOST);
	ck_assert_uint_eq(view.sequence, next);
	ck_assert_uint_eq(view.lost_before, 1);
	ck_assert_uint_eq(view.reason, reason);
	msg_subscriber_release(s, &view, 1);
}

/* It knows the publisher, and misses nothing from here on. */
void meet(struct msg_subscriber *s)
{
	struct msg_view view = {.event = MSG_EVENT_MESSAGE};
	uint64_t end = now_ns() + 60 * (uint64_t)S_NS;

	while (view.event != MSG_EVENT_JOINED) {
		int n = msg_subscriber_take(s, &view, 1);

		ck_assert_int_ge(n, 0);
		ck_assert_uint_lt(now_ns(), end);
		if (n == 1)
			msg_subscriber_release(s, &view, 1);
		else
			ck_assert_int_ne(msg_subscriber_wait(s, S_NS / 100),
				-MSG_ERROR_FABRIC);
	}
}

struct msg_subscriber *subscribe_slowly(uint32_t slow)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *s;

	o.topic = TOPIC;
	o.large_bytes_max = BYTES;
	o.slow = slow;
	ck_assert_msg(msg_subscriber_open(node, &o, &s) == 0, "%s",
		msg_error_text());
	return s;
}
