/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ack.c - TCP: what is received is acknowledged when nobody waits, and not between a
 * message and its reader.  What is not acknowledged yet is known of the socket that sent
 * it (SIOCOUTQ).
 */
#include <check.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "cases.h"
#include "check_main.h"
#include "end.h"

#define MESSAGES 200
#define FILES 1024

static int unacknowledged(int fd)
{
	int bytes = 0;

	ck_assert_int_eq(ioctl(fd, SIOCOUTQ, &bytes), 0);
	return bytes;
}

/* The other end of a connection within this process. */
static int other_end(int fd)
{
	struct sockaddr_storage peer, self;
	socklen_t peer_bytes = sizeof peer;

	ck_assert_int_eq(getpeername(fd, (void *)&peer, &peer_bytes), 0);
	for (int other = 0; other < FILES; other++) {
		socklen_t bytes = sizeof self;

		if (getsockname(other, (void *)&self, &bytes) == 0 &&
			bytes == peer_bytes && memcmp(&self, &peer, bytes) == 0)
			return other;
	}
	ck_abort_msg("no socket is the other end of %d", fd);
}

/* One look; how many events. */
static int look(struct end *end, struct msg_channel_event *event)
{
	int n = end->set->ops->poll(end->set, event, 1);

	ck_assert_int_ge(n, 0);
	return n;
}

/* Take the next message, without a look behind it. */
static void receive(struct end *end)
{
	uint64_t limit = now_ms() + (uint64_t)patience_ms();
	struct msg_channel_event event;

	while (look(end, &event) == 0)
		ck_assert_msg(now_ms() < limit, "no message");
	ck_assert_uint_eq(event.type, MSG_CHANNEL_RECEIVED);
	ck_assert_int_eq(end->set->ops->post(end->set, buffer(end, event.token),
				 BUFFER_BYTES, event.token), 0);
}

static void send_one(struct end *end, uint32_t handle)
{
	struct msg_channel_event event;

	ck_assert_int_eq(send_buffer(end, handle, 300, 64, true), 0);
	while (look(end, &event) == 0)
		;
	ck_assert_uint_eq(event.type, MSG_CHANNEL_SENT);
}

static void meet(struct end *a, struct end *b, uint32_t *at_a, uint32_t *at_b)
{
	end_open(a, (struct end_options){.deaf = true});
	end_open(b, (struct end_options){0});
	join(a, b, at_a, at_b);
	post_all(b, 8);
}

static int socket_of(struct end *end, uint32_t handle)
{
	return inside(end)->table[channel_index(handle)].socket;
}

START_TEST(acknowledged_when_nobody_waits)
{
	int put_off = 0, at_once = 0;
	struct msg_channel_event event;
	struct end a, b;
	uint32_t at_a, at_b;
	int fd;

	meet(&a, &b, &at_a, &at_b);
	fd = other_end(socket_of(&b, at_b));
	for (int i = 0; i < MESSAGES; i++) {
		uint64_t limit = now_ms() + (uint64_t)patience_ms();

		send_one(&a, at_a);
		receive(&b);
		put_off += unacknowledged(fd) > 0;
		ck_assert_int_eq(look(&b, &event), 0);
		at_once += unacknowledged(fd) == 0;
		while (unacknowledged(fd) > 0)
			ck_assert_msg(now_ms() < limit, "no acknowledgement");
	}
	/* The kernel may come first, or late, where there is no processor. */
	ck_assert_msg(put_off > 0, "each was acknowledged before its reader had it");
	ck_assert_msg(at_once > 0, "each waited for the kernel's own time");
	end_close(&a);
	end_close(&b);
}
END_TEST

START_TEST(an_answer_acknowledges)
{
	struct msg_channel_event event;
	struct end a, b;
	uint32_t at_a, at_b;

	meet(&a, &b, &at_a, &at_b);
	post_all(&a, 8);
	send_one(&a, at_a);
	receive(&b);
	ck_assert_uint_eq(inside(&b)->ack_count, 1);
	send_one(&b, at_b);
	while (look(&b, &event) > 0)
		;
	ck_assert_uint_eq(inside(&b)->ack_count, 0);
	end_close(&a);
	end_close(&b);
}
END_TEST

/* A large message is the kernel's affair. */
START_TEST(large_ones_are_not_due)
{
	struct end a, b;
	uint32_t at_a, at_b;

	meet(&a, &b, &at_a, &at_b);
	ck_assert_int_eq(send_buffer(&a, at_a, 300, BUFFER_BYTES, false), 0);
	receive(&b);
	ck_assert_uint_eq(inside(&b)->ack_count, 0);
	end_close(&a);
	end_close(&b);
}
END_TEST

/* Of a connection that has ended nothing is due, and its place may have another. */
START_TEST(due_no_more_when_it_ends)
{
	struct end a, b;
	uint32_t at_a, at_b;

	end_open(&a, (struct end_options){.deaf = true});
	end_open(&b, (struct end_options){0});
	post_all(&b, 8);
	for (int i = 0; i < 20; i++) {
		join(&a, &b, &at_a, &at_b);
		ck_assert_int_eq(send_buffer(&a, at_a, 300, 64, false), 0);
		receive(&b);
		ck_assert_uint_eq(inside(&b)->ack_count, 1);
		b.set->ops->hang_up(b.set, at_b);
		expect(&b, MSG_CHANNEL_CLOSED);
		expect(&a, MSG_CHANNEL_CLOSED);
		ck_assert_uint_eq(inside(&b)->ack_count, 0);
	}
	end_close(&a);
	end_close(&b);
}
END_TEST

void add_ack(Suite *suite)
{
	TCase *c = check_case(suite, "ack", 60);

	/* RC acknowledges by itself. */
	if (!on_tcp())
		return;
	tcase_add_test(c, acknowledged_when_nobody_waits);
	tcase_add_test(c, an_answer_acknowledges);
	tcase_add_test(c, large_ones_are_not_due);
	tcase_add_test(c, due_no_more_when_it_ends);
}
