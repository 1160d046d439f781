/* SPDX-License-Identifier: BSD-2-Clause */
/* message.c - messages arrive complete, in order, and from whom they are. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "check_main.h"
#include "end.h"

static void fill(uint8_t *at, uint32_t bytes, uint64_t seed)
{
	struct random_stream random = {seed};

	for (uint32_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)random_next(&random);
}

static bool filled(const uint8_t *at, uint32_t bytes, uint64_t seed)
{
	struct random_stream random = {seed};

	for (uint32_t i = 0; i < bytes; i++)
		if (at[i] != (uint8_t)random_next(&random))
			return false;
	return true;
}

static void exchange(struct end *from, uint32_t handle, struct end *to,
	uint32_t to_handle, uint32_t bytes)
{
	uint64_t seed = check_seed() + bytes;
	struct told told;

	fill(buffer(from, 300), bytes, seed);
	ck_assert_int_eq(send_buffer(from, handle, 300, bytes, true), 0);
	told = expect(to, MSG_CHANNEL_RECEIVED);
	ck_assert_uint_eq(told.event.handle, to_handle);
	ck_assert_uint_eq(told.event.bytes, bytes);
	ck_assert_msg(filled(buffer(to, told.event.token), bytes, seed),
		"other bytes, seed 0x%llx", (unsigned long long)seed);
	ck_assert_int_eq(to->set->ops->post(to->set,
				 buffer(to, told.event.token), BUFFER_BYTES,
				 told.event.token), 0);
	told = expect(from, MSG_CHANNEL_SENT);
	ck_assert_uint_eq(told.event.token, 300);
	ck_assert_uint_eq(told.event.handle, handle);
}

START_TEST(they_go_both_ways)
{
	static const uint32_t sizes[] = {0, 1, 8, 64, 127, 128, 129, 255, 256,
		257, 1023, 1024, 1025, BUFFER_BYTES - 1, BUFFER_BYTES};
	struct end a, b;
	uint32_t at_a, at_b;

	end_open(&a, (struct end_options){.deaf = true});
	end_open(&b, (struct end_options){0});
	join(&a, &b, &at_a, &at_b);
	post_all(&a, 8);
	post_all(&b, 8);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		exchange(&a, at_a, &b, at_b, sizes[i]);
		exchange(&b, at_b, &a, at_a, sizes[i]);
	}
	end_close(&a);
	end_close(&b);
}
END_TEST

START_TEST(pieces_become_one_message)
{
	struct end a, b;
	struct msg_channel_send send;
	struct told told;
	uint32_t at_a, at_b;

	end_open(&a, (struct end_options){.deaf = true, .headers = true});
	end_open(&b, (struct end_options){0});
	join(&a, &b, &at_a, &at_b);
	post_all(&b, 4);
	memcpy(a.headers, "head", 4);
	memcpy(buffer(&a, 1), "middle", 6);
	memcpy(buffer(&a, 2), "end", 3);
	send = (struct msg_channel_send){
		.iov = {{a.headers, 4}, {buffer(&a, 1), 6}, {buffer(&a, 2), 3}},
		.iov_count = 3,
		.handle = at_a,
		.token = 7,
	};
	ck_assert_int_eq(a.set->ops->send(a.set, &send), 0);
	told = expect(&b, MSG_CHANNEL_RECEIVED);
	ck_assert_uint_eq(told.event.bytes, 13);
	ck_assert_mem_eq(buffer(&b, told.event.token), "headmiddleend", 13);
	/* The first may lie with the others. */
	memcpy(buffer(&a, 0), "HEAD", 4);
	send.iov[0].iov_base = buffer(&a, 0);
	ck_assert_int_eq(a.set->ops->send(a.set, &send), 0);
	told = expect(&b, MSG_CHANNEL_RECEIVED);
	ck_assert_mem_eq(buffer(&b, told.event.token), "HEADmiddleend", 13);
	/* Memory that is not ours is not sent. */
	send.iov[0].iov_base = b.memory;
	ck_assert_int_eq(a.set->ops->send(a.set, &send), -MSG_ERROR_ARGUMENT);
	send.iov[0].iov_base = a.headers;
	send.iov[2].iov_base = a.headers;
	ck_assert_int_eq(a.set->ops->send(a.set, &send), -MSG_ERROR_ARGUMENT);
	send.iov[2] = (struct iovec){buffer(&a, BUFFERS - 1), BUFFER_BYTES + 1};
	ck_assert_int_eq(a.set->ops->send(a.set, &send), -MSG_ERROR_ARGUMENT);
	send.iov[2] = (struct iovec){buffer(&a, 1), SIZE_MAX};
	ck_assert_int_eq(a.set->ops->send(a.set, &send), -MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(b.set->ops->post(b.set, a.memory, 1, 0),
		-MSG_ERROR_ARGUMENT);
	end_close(&a);
	end_close(&b);
}
END_TEST

START_TEST(a_region_is_sent_from)
{
	static uint8_t other[100000];
	struct end a, b;
	struct msg_channel_region region;
	struct msg_channel_send send;
	struct told told;
	uint32_t at_a, at_b;

	end_open(&a, (struct end_options){.deaf = true});
	end_open(&b, (struct end_options){0});
	join(&a, &b, &at_a, &at_b);
	ck_assert_int_eq(b.set->ops->post(b.set, buffer(&b, 0), sizeof other,
				 0), 0);
	ck_assert_int_eq(a.set->ops->share(a.set, other, sizeof other,
				 MSG_CHANNEL_LOCAL, &region), 0);
	fill(other, sizeof other, check_seed());
	send = (struct msg_channel_send){
		.iov = {{other, sizeof other}},
		.iov_count = 1,
		.handle = at_a,
		.signal = true,
		.region = &region,
	};
	ck_assert_int_eq(a.set->ops->send(a.set, &send), 0);
	told = expect(&b, MSG_CHANNEL_RECEIVED);
	ck_assert_uint_eq(told.event.bytes, sizeof other);
	ck_assert(filled(buffer(&b, 0), sizeof other, check_seed()));
	expect(&a, MSG_CHANNEL_SENT);
	a.set->ops->unshare(a.set, &region);
	end_close(&a);
	end_close(&b);
}
END_TEST

/* ---- many -------------------------------------------------------------- */

struct stamped {
	uint32_t who;
	uint32_t number;
};

/* Send the next of a sender, if there is room. */
static void send_next(struct end *end, uint32_t handle, uint32_t who,
	uint32_t *number, uint32_t limit)
{
	uint32_t slot = *number % 512;
	struct stamped *stamped = (void *)buffer(end, 400 + slot);
	int result;

	if (*number == limit)
		return;
	*stamped = (struct stamped){who, *number};
	/* Not every one is reported: places have to come back all the same. */
	result = send_buffer(end, handle, 400 + slot,
		8 + *number % 200, *number % 50 == 0);
	ck_assert(result == 0 || result == -MSG_ERROR_AGAIN);
	*number += result == 0;
}

static void receive_one(struct end *to, const uint32_t *handles,
	uint32_t *next)
{
	struct told told = next_told(to);
	const struct stamped *got = (void *)buffer(to, told.event.token);

	ck_assert_uint_eq(told.event.type, MSG_CHANNEL_RECEIVED);
	ck_assert_uint_lt(got->who, 2);
	ck_assert_uint_eq(told.event.handle, handles[got->who]);
	ck_assert_uint_eq(got->number, next[got->who]);
	ck_assert_uint_eq(told.event.bytes, 8 + got->number % 200);
	next[got->who]++;
	ck_assert_int_eq(to->set->ops->post(to->set,
				 buffer(to, told.event.token), BUFFER_BYTES,
				 told.event.token), 0);
}

static void drop_sent(struct end *end)
{
	while (has_told(end))
		expect(end, MSG_CHANNEL_SENT);
}

START_TEST(many_share_the_buffers)
{
	uint32_t limit = (on_tcp() ? 100000u : 4000u) / MSG_TEST_FEWER;
	uint32_t at_from[2], at_to[2], sent[2] = {0}, got[2] = {0};
	struct end from[2], to;

	end_open(&to, (struct end_options){.receive_count = 32});
	post_all(&to, 32);
	for (uint32_t i = 0; i < 2; i++) {
		end_open(&from[i], (struct end_options){.deaf = true});
		join(&from[i], &to, &at_from[i], &at_to[i]);
	}
	while (got[0] + got[1] < 2 * limit) {
		for (uint32_t i = 0; i < 2; i++) {
			send_next(&from[i], at_from[i], i, &sent[i], limit);
			drop_sent(&from[i]);
		}
		if (sent[0] + sent[1] > got[0] + got[1])
			receive_one(&to, at_to, got);
	}
	expect_quiet(&to, 20);
	for (int i = 0; i < 2; i++)
		end_close(&from[i]);
	end_close(&to);
}
END_TEST

START_TEST(without_a_buffer_they_wait)
{
	struct end a, b;
	struct told told;
	uint32_t at_a, at_b, sent = 0;
	int result;

	end_open(&a, (struct end_options){.deaf = true, .send_count = 32});
	end_open(&b, (struct end_options){0});
	join(&a, &b, &at_a, &at_b);
	for (uint32_t i = 0; i < 2000; i++) {
		result = send_buffer(&a, at_a, sent % 256, BUFFER_BYTES, true);
		ck_assert(result == 0 || result == -MSG_ERROR_AGAIN);
		sent += result == 0;
		ends_poll();
	}
	ck_assert(!has_told(&b));
	ck_assert_uint_ge(sent, a.set->send_count);
	post_all(&b, 256);
	for (uint32_t i = 0; i < sent; i++) {
		told = next_told(&b);
		ck_assert_uint_eq(told.event.type, MSG_CHANNEL_RECEIVED);
		ck_assert_uint_eq(told.event.token, i % 256);
		ck_assert_int_eq(b.set->ops->post(b.set,
					 buffer(&b, told.event.token),
					 BUFFER_BYTES, told.event.token), 0);
	}
	end_close(&a);
	end_close(&b);
}
END_TEST

START_TEST(buffers_and_sends_are_counted)
{
	struct end a, b;
	uint32_t at_a, at_b, sent = 0;
	int result;

	end_open(&a, (struct end_options){.deaf = true, .send_count = 20});
	end_open(&b, (struct end_options){.receive_count = 4});
	ck_assert_uint_eq(a.set->send_count, 16);
	join(&a, &b, &at_a, &at_b);
	post_all(&b, 4);
	ck_assert_int_eq(b.set->ops->post(b.set, buffer(&b, 5), BUFFER_BYTES,
				 5), -MSG_ERROR_AGAIN);
	while ((result = send_buffer(&a, at_a, sent, 8, true)) == 0)
		sent++;
	ck_assert_int_eq(result, -MSG_ERROR_AGAIN);
	ck_assert_uint_eq(sent, 16);
	for (uint32_t i = 0; i < 4; i++)
		ck_assert_uint_eq(
			expect(&b, MSG_CHANNEL_RECEIVED).event.token, i);
	ck_assert_int_eq(b.set->ops->post(b.set, buffer(&b, 0), BUFFER_BYTES,
				 0), 0);
	end_close(&a);
	end_close(&b);
}
END_TEST

START_TEST(one_too_large_breaks_its_connection_alone)
{
	struct end a, b, c;
	uint32_t at_a, at_b, at_c, c_at_b;
	struct told told;
	bool closed = false;

	end_open(&a, (struct end_options){.deaf = true});
	end_open(&b, (struct end_options){0});
	end_open(&c, (struct end_options){.deaf = true});
	join(&a, &b, &at_a, &at_b);
	join(&c, &b, &at_c, &c_at_b);
	for (uint32_t i = 0; i < 4; i++)
		ck_assert_int_eq(b.set->ops->post(b.set, buffer(&b, i), 100,
					 i), 0);
	ck_assert_int_eq(send_buffer(&a, at_a, 0, 101, true), 0);
	while (!closed) {
		told = next_told(&b);
		ck_assert_uint_ne(told.event.type, MSG_CHANNEL_RECEIVED);
		closed = told.event.type == MSG_CHANNEL_CLOSED;
	}
	ck_assert_uint_eq(told.event.handle, at_b);
	ck_assert_int_ne(told.event.error, 0);
	ck_assert_int_eq(send_buffer(&c, at_c, 0, 100, true), 0);
	told = expect(&b, MSG_CHANNEL_RECEIVED);
	ck_assert_uint_eq(told.event.handle, c_at_b);
	end_close(&a);
	end_close(&b);
	end_close(&c);
}
END_TEST

void add_message(Suite *suite)
{
	TCase *c = check_case(suite, "message", 120);

	tcase_add_test(c, they_go_both_ways);
	tcase_add_test(c, pieces_become_one_message);
	tcase_add_test(c, a_region_is_sent_from);
	tcase_add_test(c, many_share_the_buffers);
	tcase_add_test(c, without_a_buffer_they_wait);
	tcase_add_test(c, buffers_and_sends_are_counted);
	tcase_add_test(c, one_too_large_breaks_its_connection_alone);
}
