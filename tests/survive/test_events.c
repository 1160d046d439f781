/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_events.c - what is lost at the end of a stream, with nothing behind it
 * that could tell of it: who asked for events hears of it at once, through the
 * broker as without one, and for the others nothing is different.
 *
 * The publisher is a socket of the test's, which sends frames as another host
 * would, and so can leave some out.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "actor.h"

#include "protocol/frame.h"
#include "topic/announce.h"
#include "topic/groups.h"
#include "topic/name.h"

#define TOPIC "events.test"
#define PUBLISHER 0x1234567u
#define SOON_NS 1000000000ull

static char port[16], group_text[32];
static const char *arguments[] = {
	"--interface", "lo", "--port", port, "--groups", group_text, NULL};

static struct host host;
static struct msg_groups groups;
static struct msg_node *node;
static int sender;

/* Who asked, and who did not. */
static struct msg_subscriber *asked, *other;

static void send_frame(enum msg_frame_type type, uint64_t sequence,
	const void *body, size_t bytes)
{
	uint8_t data[1500];
	struct sockaddr_storage to;
	struct msg_frame frame = {
		.type = (uint8_t)type,
		.bytes = (uint16_t)(MSG_FRAME_HEADER_BYTES + bytes),
		.tag = msg_name_tag(TOPIC),
		.publisher = PUBLISHER,
		.sequence = sequence,
	};

	msg_frame_write(data, &frame);
	memcpy(data + MSG_FRAME_HEADER_BYTES, body, bytes);
	msg_groups_address(
		&groups, msg_name_group(TOPIC, groups.count), &to);
	ck_assert_int_eq(sendto(sender, data, frame.bytes, 0,
				 (struct sockaddr *)&to,
				 sizeof(struct sockaddr_in)),
		frame.bytes);
}

static void send_message(uint64_t sequence)
{
	send_frame(MSG_FRAME_SINGLE, sequence, &sequence, sizeof sequence);
}

static void announce(uint64_t next_sequence, bool closing)
{
	uint8_t body[MSG_ANNOUNCE_BYTES_MAX];
	struct msg_announcement said = {
		.topic = TOPIC,
		.host = "elsewhere",
		.program = "test",
		.incarnation = 0xabcull << 32 | PUBLISHER,
		.publisher = PUBLISHER,
		.next_sequence = next_sequence,
		.pid = 1,
		.message_bytes_max = 8,
		.frame_bytes = 1024,
		.period_ms = 60000,
		.closing = closing,
	};

	send_frame(MSG_FRAME_ANNOUNCE, 0, body, msg_announce_pack(&said, body));
}

static struct msg_subscriber *subscribe(bool events)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *s;

	o.topic = TOPIC;
	o.events = events;
	ck_assert_msg(msg_subscriber_open(node, &o, &s) == 0, "%s",
		msg_error_text());
	return s;
}

static void setup(void)
{
	const struct in_addr loopback = {htonl(INADDR_LOOPBACK)};

	snprintf(port, sizeof port, "%d", 20000 + getpid() % 20000);
	snprintf(group_text, sizeof group_text, "239.252.%d.0+16",
		getpid() % 251);
	ck_assert_int_eq(msg_groups_parse(&groups, group_text,
				 (uint16_t)(20000 + getpid() % 20000)),
		0);
	host_open(&host, NULL);
	host.arguments = arguments;
	host_start(&host);
	ck_assert_msg(host_node(&host, &node) == 0, "%s", msg_error_text());
	sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(setsockopt(sender, IPPROTO_IP, IP_MULTICAST_IF,
				 &loopback, sizeof loopback),
		0);
	asked = subscribe(true);
	other = subscribe(false);
}

static void teardown(void)
{
	ck_assert_int_eq(msg_subscriber_close(asked), 0);
	ck_assert_int_eq(msg_subscriber_close(other), 0);
	ck_assert_int_eq(msg_node_close(node), 0);
	close(sender);
	host_close(&host);
}

/* Within `ns`; false: nothing came. */
static bool take(struct msg_subscriber *s, struct msg_view *view, uint64_t ns)
{
	uint64_t end = now_ns() + ns;
	int n;

	while ((n = msg_subscriber_take(s, view, 1)) == 0 && now_ns() < end)
		ck_assert_int_ne(msg_subscriber_wait(s, SOON_NS / 50),
			-MSG_ERROR_FABRIC);
	ck_assert_int_ge(n, 0);
	if (n == 1)
		msg_subscriber_release(s, view, 1);
	return n == 1;
}

static void expect(struct msg_subscriber *s, enum msg_event event,
	uint64_t sequence, uint64_t lost)
{
	struct msg_view view;

	ck_assert(take(s, &view, 5 * SOON_NS));
	ck_assert_uint_eq(view.event, event);
	ck_assert_uint_eq(view.publisher, PUBLISHER);
	ck_assert_uint_eq(view.lost_before, lost);
	if (event == MSG_EVENT_MESSAGE)
		ck_assert_uint_eq(view.sequence, sequence);
	if (event == MSG_EVENT_LOST)
		ck_assert_uint_eq(view.reason, MSG_LOSS_NETWORK);
}

START_TEST(the_end_of_a_stream_is_told)
{
	struct msg_view view;
	uint64_t begin;

	send_message(0);
	expect(asked, MSG_EVENT_JOINED, 0, 0);
	for (uint64_t i = 0; i < 10; i++) {
		if (i > 0)
			send_message(i);
		expect(asked, MSG_EVENT_MESSAGE, i, 0);
		expect(other, MSG_EVENT_MESSAGE, i, 0);
	}
	/* Five more were sent, it says, and nothing follows them. */
	begin = now_ns();
	announce(15, false);
	expect(asked, MSG_EVENT_LOST, 0, 5);
	printf("told after %.1f ms\n", (double)(now_ns() - begin) / 1e6);
	ck_assert_uint_lt(now_ns() - begin, SOON_NS);
	ck_assert_uint_eq(msg_subscriber_counter(asked, MSG_COUNTER_LOST), 5);
	ck_assert(!take(other, &view, SOON_NS / 5));
	ck_assert_uint_eq(msg_subscriber_counter(other, MSG_COUNTER_LOST), 0);
	/* Not again with the next message; but for who did not ask. */
	send_message(15);
	expect(asked, MSG_EVENT_MESSAGE, 15, 0);
	expect(other, MSG_EVENT_MESSAGE, 15, 5);
	/* The same by a gap in between: once, before what follows. */
	send_message(18);
	expect(asked, MSG_EVENT_LOST, 0, 2);
	expect(asked, MSG_EVENT_MESSAGE, 18, 0);
	expect(other, MSG_EVENT_MESSAGE, 18, 2);
	announce(20, true);
	expect(asked, MSG_EVENT_LOST, 0, 1);
	expect(asked, MSG_EVENT_LEFT, 0, 0);
	ck_assert(!take(other, &view, SOON_NS / 5));
	ck_assert_uint_eq(msg_subscriber_counter(asked, MSG_COUNTER_LOST), 8);
	ck_assert_uint_eq(
		msg_subscriber_counter(asked, MSG_COUNTER_MESSAGES), 12);
	ck_assert_uint_eq(
		msg_subscriber_counter(other, MSG_COUNTER_MALFORMED), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("events");
	TCase *tcase = check_case(suite, "events", 60);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, the_end_of_a_stream_is_told);
	return check_main(suite, NULL);
}
