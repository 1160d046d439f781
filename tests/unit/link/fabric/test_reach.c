/* SPDX-License-Identifier: BSD-2-Clause */
/* test_reach.c - unicast between two links on loopback, and what is refused;
 * see libmsg/link/fabric/reach.c. */
#include <poll.h>
#include <string.h>

#include <msg/msg.h>

#include "base/clock.h"
#include "check_main.h"
#include "link/fabric/fabric.h"

#define FRAME 256u
#define BUFFERS 8u

struct end {
	struct msg_link *link;
	uint8_t reach[MSG_LINK_REACH_BYTES_MAX];
	uint32_t reach_bytes;
	uint8_t memory[BUFFERS * FRAME];
};

static struct msg_link_domain *domain;

static void open_end(struct end *end)
{
	struct msg_link_options options = {
		.memory = end->memory,
		.memory_bytes = sizeof end->memory,
		.receive_count = BUFFERS / 2,
		.send_count = 4,
	};
	char text[MSG_LINK_TEXT_BYTES] = "";
	int n;

	ck_assert_msg(domain->ops->link_open(
			      domain, &options, &end->link, text) == 0,
		"%s", text);
	ck_assert_int_ge(end->link->fd, 0);
	n = end->link->ops->name(end->link, end->reach);
	ck_assert_int_gt(n, 0);
	end->reach_bytes = (uint32_t)n;
	for (uint32_t i = 0; i < BUFFERS / 2; i++)
		ck_assert_int_eq(end->link->ops->post(end->link,
					 end->memory + i * FRAME, FRAME, i,
					 false),
			0);
}

static void open_domain(void)
{
	struct msg_link_domain_options options = {
		.lane = MSG_LANE_UDP,
		.interface = "lo",
		.ttl = 1,
		.family = AF_INET,
	};
	char text[MSG_LINK_TEXT_BYTES] = "";

	ck_assert_msg(
		msg_link_module.open(&options, &domain, text) == 0, "%s", text);
}

static void close_domain(void)
{
	domain->ops->close(domain);
}

static void send_text(struct end *from, uint32_t handle, const char *text)
{
	uint8_t *place = from->memory + (BUFFERS - 1) * FRAME;
	struct msg_link_send send = {
		.iov[0] = {place, strlen(text)},
		.iov_count = 1,
		.group = handle,
		.token = 77,
		.signal = true,
	};

	memcpy(place, text, strlen(text));
	ck_assert_int_eq(from->link->ops->send(from->link, &send), 0);
}

/* The next event of a type; fails after two seconds. */
static struct msg_link_event await(struct end *end, uint32_t type)
{
	uint64_t deadline = msg_clock_ns() + 2 * MSG_NS_PER_S;
	struct msg_link_event event;

	while (msg_clock_ns() < deadline) {
		int n = end->link->ops->poll(end->link, &event, 1);

		ck_assert_int_ge(n, 0);
		if (n == 1 && event.type == type)
			return event;
	}
	ck_abort_msg("no event of type %u", type);
	return event;
}

static void expect_text(struct end *end, const char *text)
{
	struct msg_link_event event = await(end, MSG_LINK_RECEIVED);

	ck_assert_uint_eq(event.bytes, strlen(text));
	ck_assert_mem_eq(
		end->memory + event.token * FRAME, text, strlen(text));
}

START_TEST(a_link_is_reached_by_its_name_and_answers)
{
	struct end a, b, other;
	uint32_t to_b, to_a;

	open_end(&a);
	open_end(&b);
	open_end(&other);
	ck_assert(a.reach_bytes == b.reach_bytes);
	ck_assert_mem_ne(a.reach, b.reach, a.reach_bytes);
	ck_assert_int_eq(a.link->ops->reach(
				 a.link, b.reach, b.reach_bytes, &to_b),
		0);
	ck_assert_int_eq(b.link->ops->reach(
				 b.link, a.reach, a.reach_bytes, &to_a),
		0);
	send_text(&a, to_b, "there");
	expect_text(&b, "there");
	await(&a, MSG_LINK_SENT);
	send_text(&b, to_a, "and back");
	expect_text(&a, "and back");
	/* Nobody else heard it. */
	ck_assert_int_eq(other.link->ops->poll(other.link,
				 &(struct msg_link_event){0}, 1),
		0);
	a.link->ops->leave(a.link, to_b);
	a.link->ops->close(a.link);
	b.link->ops->close(b.link);
	other.link->ops->close(other.link);
}
END_TEST

START_TEST(a_message_wakes_who_sleeps_on_the_descriptor)
{
	struct end a, b;
	struct pollfd wake;
	uint32_t to_b;

	open_end(&a);
	open_end(&b);
	ck_assert_int_eq(a.link->ops->reach(
				 a.link, b.reach, b.reach_bytes, &to_b),
		0);
	ck_assert_int_eq(b.link->ops->arm(b.link), 0);
	wake = (struct pollfd){.fd = b.link->fd, .events = POLLIN};
	ck_assert_int_eq(poll(&wake, 1, 0), 0);
	send_text(&a, to_b, "wake");
	ck_assert_int_eq(poll(&wake, 1, 2000), 1);
	expect_text(&b, "wake");
	a.link->ops->close(a.link);
	b.link->ops->close(b.link);
}
END_TEST

START_TEST(handles_that_are_given_back_are_used_again)
{
	struct end a, b;
	uint32_t first, again;

	open_end(&a);
	open_end(&b);
	ck_assert_int_eq(a.link->ops->reach(
				 a.link, b.reach, b.reach_bytes, &first),
		0);
	for (int i = 0; i < 3000; i++) {
		a.link->ops->leave(a.link, first);
		ck_assert_int_eq(a.link->ops->reach(a.link, b.reach,
					 b.reach_bytes, &again),
			0);
		ck_assert_uint_eq(again, first);
	}
	send_text(&a, again, "still");
	expect_text(&b, "still");
	a.link->ops->close(a.link);
	b.link->ops->close(b.link);
}
END_TEST

static void refused(struct end *a, const uint8_t *reach, uint32_t bytes)
{
	uint32_t handle = 12345;

	ck_assert_int_eq(a->link->ops->reach(a->link, reach, bytes, &handle),
		-MSG_ERROR_ARGUMENT);
	ck_assert_uint_eq(handle, 12345);
}

START_TEST(addresses_that_lead_elsewhere_are_refused)
{
	/* Groups, broadcast, this host, a network of others, port 0. */
	static const uint8_t bad[][7] = {
		{4, 239, 255, 77, 0, 0x1c, 0xe8},
		{4, 224, 0, 0, 1, 0x1c, 0xe8},
		{4, 255, 255, 255, 255, 0x1c, 0xe8},
		{4, 0, 0, 0, 0, 0x1c, 0xe8},
		{4, 10, 0, 0, 1, 0x1c, 0xe8},
		{4, 127, 0, 0, 1, 0, 0},
		{6, 127, 0, 0, 1, 0x1c, 0xe8},
		{1, 127, 0, 0, 1, 0x1c, 0xe8},
		{0, 127, 0, 0, 1, 0x1c, 0xe8},
	};
	struct end a;
	uint8_t v6[19] = {6};

	open_end(&a);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		refused(&a, bad[i], sizeof bad[i]);
	for (uint32_t bytes = 0; bytes <= MSG_LINK_REACH_BYTES_MAX; bytes++)
		if (bytes != a.reach_bytes)
			refused(&a, a.reach, bytes);
	v6[16] = 1;
	v6[17] = 1;
	refused(&a, v6, sizeof v6);
	a.link->ops->close(a.link);
}
END_TEST

#define MS MSG_NS_PER_MS

/* Of all time a twentieth, whatever strangers say. */
START_TEST(addresses_that_nobody_has_keep_us_seldom)
{
	struct fabric_domain *d = (struct fabric_domain *)domain;
	uint64_t now = 1000 * MS, waited = 0;
	struct end a, b;
	uint32_t handle;

	open_end(&a);
	open_end(&b);
	for (int i = 0; i < 100000; i++, now += MS) {
		if (!fabric_reach_may(d, now))
			continue;
		fabric_reach_took(d, now, now + 1020 * MS);
		now += 1020 * MS;
		waited += 1020 * MS;
	}
	ck_assert_uint_ge(waited, 1020 * MS);
	ck_assert_uint_le(20 * waited, now + 20 * 1020 * MS);
	/* Those that answer are waited for by nobody. */
	d->reach_ns = 0;
	fabric_reach_took(d, now, now + 100 * MS);
	ck_assert(fabric_reach_may(d, now + 100 * MS));
	/* A link asks first. */
	ck_assert_int_eq(a.link->ops->reach(a.link, b.reach, b.reach_bytes,
				 &handle),
		0);
	d->reach_ns = UINT64_MAX;
	ck_assert_int_eq(a.link->ops->reach(a.link, b.reach, b.reach_bytes,
				 &handle),
		-MSG_ERROR_AGAIN);
	b.link->ops->close(b.link);
	a.link->ops->close(a.link);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reach");
	TCase *reach = check_case(suite, "reach", 30);

	tcase_add_checked_fixture(reach, open_domain, close_domain);
	tcase_add_test(reach, a_link_is_reached_by_its_name_and_answers);
	tcase_add_test(reach, a_message_wakes_who_sleeps_on_the_descriptor);
	tcase_add_test(reach, handles_that_are_given_back_are_used_again);
	tcase_add_test(reach, addresses_that_lead_elsewhere_are_refused);
	tcase_add_test(reach, addresses_that_nobody_has_keep_us_seldom);
	return check_main(suite, NULL);
}
