/* SPDX-License-Identifier: BSD-2-Clause */
/* subscription_side.c - see subscription_side.h. */
#include "subscription_side.h"

#include <poll.h>
#include <string.h>

#include "base/trail.h"

struct msg_subscription s;
struct fake_client broker, again;
struct fake_ring first, second;

struct msg_subscription_options side_options(void)
{
	return (struct msg_subscription_options){
		.path = fake_path,
		.pattern = "a.>",
		.slow = MSG_SLOW_LAP,
		.hold_max = 64,
		.message_bytes_max = 2000,
		.publisher_count_max = 4,
	};
}

void side_open(void)
{
	struct msg_subscription_options o = side_options();

	fake_open();
	fake_serve(&broker, NULL);
	ck_assert_msg(msg_subscription_open(&s, &o) == 0, "%s",
		msg_trail_text());
	fake_served(&broker);
}

void side_close(void)
{
	msg_subscription_close(&s);
	fake_hang_up(&broker);
	if (again.thread)
		fake_hang_up(&again);
	fake_close();
}

uint64_t deadline(uint64_t ms)
{
	return msg_clock_ns() + ms * MSG_NS_PER_MS;
}

void expect(uint64_t sequence, uint64_t lost, const char *topic)
{
	uint64_t end = deadline(5000);
	struct msg_view view;
	uint64_t said;
	int n;

	while ((n = msg_subscription_take(&s, &view, 1)) == 0 &&
		msg_clock_ns() < end)
		(void)msg_subscription_wait(&s, end);
	ck_assert_int_eq(n, 1);
	ck_assert_uint_eq(view.sequence, sequence);
	ck_assert_uint_eq(view.lost_before, lost);
	memcpy(&said, view.data, sizeof said);
	ck_assert_uint_eq(said, sequence);
	ck_assert_str_eq(msg_subscription_topic(&s, view.topic), topic);
	msg_inbox_release(&s.inbox, &view, 1);
}

void expect_nothing(void)
{
	struct msg_view view;

	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(msg_subscription_take(&s, &view, 1), 0);
}

uint32_t side_rings(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < s.source_count; i++)
		count += s.sources[i].ring != NULL;
	return count;
}

int polled(int ms)
{
	struct pollfd wake = {.fd = s.epoll_fd, .events = POLLIN};

	return poll(&wake, 1, ms);
}
