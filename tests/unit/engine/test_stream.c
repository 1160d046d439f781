/* SPDX-License-Identifier: BSD-2-Clause */
/* test_stream.c - see libmsg/engine/stream.h. */
#include <string.h>

#include "check_main.h"
#include "engine/stream.h"

#define SECOND 1000000000ull

static struct msg_stream_table table;
static uint32_t evicted[4096];
static int evicted_count;

static void on_evict(void *context, struct msg_stream *stream)
{
	ck_assert_ptr_eq(context, &table);
	evicted[evicted_count++ % 4096] = stream->publisher;
}

static struct msg_stream *add(uint32_t publisher, uint32_t tag, uint64_t now)
{
	return msg_stream_add(&table, publisher, tag, now, on_evict, &table);
}

START_TEST(a_stream_is_its_publisher_and_tag)
{
	struct msg_stream *a, *b;

	ck_assert_int_eq(msg_stream_table_open(&table, 4, 0), 0);
	ck_assert_ptr_null(msg_stream_find(&table, 0, 0));
	a = add(1, 10, 0);
	b = add(1, 11, 0);
	ck_assert_ptr_ne(a, b);
	ck_assert_ptr_eq(msg_stream_find(&table, 1, 10), a);
	ck_assert_ptr_eq(msg_stream_find(&table, 1, 11), b);
	ck_assert_ptr_null(msg_stream_find(&table, 2, 10));
	ck_assert_ptr_null(msg_stream_find(&table, 10, 1));
	msg_stream_table_close(&table);
}
END_TEST

START_TEST(a_full_table_refuses_until_somebody_was_silent_for_long)
{
	ck_assert_int_eq(msg_stream_table_open(&table, 2, 16), 0);
	add(1, 1, 10 * SECOND);
	add(2, 1, 11 * SECOND);
	ck_assert_ptr_null(add(3, 1, 10 * SECOND + MSG_STREAM_SILENT_NS - 1));
	ck_assert_int_eq(evicted_count, 0);
	ck_assert_ptr_nonnull(add(3, 1, 10 * SECOND + MSG_STREAM_SILENT_NS));
	ck_assert_int_eq(evicted_count, 1);
	ck_assert_uint_eq(evicted[0], 1);
	ck_assert_ptr_null(msg_stream_find(&table, 1, 1));
	ck_assert_ptr_nonnull(msg_stream_find(&table, 2, 1));
	ck_assert_ptr_nonnull(msg_stream_find(&table, 3, 1));
	ck_assert_uint_eq(table.count, 2);
	msg_stream_table_close(&table);
}
END_TEST

/* Against a list of who must be there: many come and go, ids collide. */
START_TEST(the_index_tells_the_same_as_the_table)
{
	struct random_stream random = {check_seed()};
	uint64_t heard[64] = {0};
	bool there[64] = {false};
	uint64_t now = 100 * SECOND;

	ck_assert_int_eq(msg_stream_table_open(&table, 16, 0), 0);
	for (int i = 0; i < 20000; i++) {
		uint32_t who = (uint32_t)random_below(&random, 64);
		struct msg_stream *s = msg_stream_find(&table, who, 7);
		int before = evicted_count;

		now += random_below(&random, SECOND);
		ck_assert_int_eq(s != NULL, there[who]);
		if (!s) {
			s = add(who, 7, now);
			if (!s)
				continue;
			if (evicted_count > before) {
				uint32_t gone = evicted[before % 4096];

				ck_assert(there[gone]);
				for (int k = 0; k < 64; k++)
					ck_assert(!there[k] ||
						heard[k] >= heard[gone]);
				there[gone] = false;
			}
			there[who] = true;
		}
		ck_assert_uint_eq(s->publisher, who);
		s->heard_ns = heard[who] = now;
	}
	ck_assert_int_gt(evicted_count, 100);
	msg_stream_table_close(&table);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stream");
	TCase *streams = check_case(suite, "streams", 20);

	tcase_add_test(streams, a_stream_is_its_publisher_and_tag);
	tcase_add_test(streams,
		a_full_table_refuses_until_somebody_was_silent_for_long);
	tcase_add_test(streams, the_index_tells_the_same_as_the_table);
	return check_main(suite, NULL);
}
