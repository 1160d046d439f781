/* SPDX-License-Identifier: BSD-2-Clause */
/* connect.c - how connections come about, or do not. */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "cases.h"
#include "check_main.h"
#include "end.h"

static void expect_closed(struct end *end, uint32_t handle, int error)
{
	struct told told = expect(end, MSG_CHANNEL_CLOSED);

	ck_assert_uint_eq(told.event.handle, handle);
	ck_assert_int_eq(told.event.error, error);
}

START_TEST(both_greet_and_are_connected)
{
	struct end a, b;
	uint32_t at_a, at_b;

	end_open(&a, (struct end_options){.deaf = true});
	end_open(&b, (struct end_options){0});
	join(&a, &b, &at_a, &at_b);
	end_close(&a);
	expect_closed(&b, at_b, ECONNRESET);
	end_close(&b);
}
END_TEST

START_TEST(the_longest_greetings_arrive)
{
	uint8_t text[MSG_CHANNEL_GREETING_BYTES_MAX + 1];
	struct end a, b;
	struct told told;
	uint32_t handle;

	memset(text, 0xa5, sizeof text);
	end_open(&a, (struct end_options){.deaf = true});
	end_open(&b, (struct end_options){0});
	ck_assert_int_eq(a.set->ops->connect(a.set, b.reach, b.reach_bytes,
				 text, sizeof text, &handle),
		-MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(a.set->ops->connect(a.set, b.reach, b.reach_bytes,
				 text, sizeof text - 1, &handle), 0);
	told = expect(&b, MSG_CHANNEL_ASKED);
	ck_assert_uint_eq(told.event.bytes, sizeof text - 1);
	ck_assert_mem_eq(told.greeting, text, sizeof text - 1);
	ck_assert_int_eq(b.set->ops->accept(b.set, told.event.handle, text,
				 sizeof text), -MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(b.set->ops->accept(b.set, told.event.handle, text,
				 sizeof text - 1), 0);
	told = expect(&a, MSG_CHANNEL_CONNECTED);
	ck_assert_uint_eq(told.event.bytes, sizeof text - 1);
	ck_assert_mem_eq(told.greeting, text, sizeof text - 1);
	end_close(&a);
	end_close(&b);
}
END_TEST

START_TEST(greetings_may_be_empty)
{
	struct end a, b;
	struct told told;
	uint32_t handle;

	end_open(&a, (struct end_options){.deaf = true});
	end_open(&b, (struct end_options){0});
	ck_assert_int_eq(a.set->ops->connect(a.set, b.reach, b.reach_bytes,
				 NULL, 0, &handle), 0);
	told = expect(&b, MSG_CHANNEL_ASKED);
	ck_assert_uint_eq(told.event.bytes, 0);
	ck_assert_int_eq(
		b.set->ops->accept(b.set, told.event.handle, NULL, 0), 0);
	ck_assert_uint_eq(expect(&a, MSG_CHANNEL_CONNECTED).event.bytes, 0);
	end_close(&a);
	end_close(&b);
}
END_TEST

START_TEST(who_asks_may_be_refused)
{
	struct end a, b;
	uint32_t at_a, at_b;

	end_open(&a, (struct end_options){.deaf = true});
	end_open(&b, (struct end_options){0});
	at_a = ask(&a, &b);
	at_b = expect(&b, MSG_CHANNEL_ASKED).event.handle;
	b.set->ops->hang_up(b.set, at_b);
	expect_closed(&b, at_b, 0);
	expect_closed(&a, at_a, ECONNREFUSED);
	/* The handle is void, for whatever it is used. */
	ck_assert_int_eq(b.set->ops->accept(b.set, at_b, "", 0),
		-MSG_ERROR_ARGUMENT);
	b.set->ops->hang_up(b.set, at_b);
	ck_assert_int_eq(send_buffer(&b, at_b, 0, 1, true),
		-MSG_ERROR_ARGUMENT);
	expect_quiet(&b, 50);
	/* And both can do better. */
	join(&a, &b, &at_a, &at_b);
	end_close(&a);
	end_close(&b);
}
END_TEST

START_TEST(where_nobody_listens_it_is_refused)
{
	struct end a, b;
	struct told told;
	uint32_t handle;

	end_open(&a, (struct end_options){.deaf = true});
	end_open(&b, (struct end_options){0});
	end_close(&b);
	handle = ask(&a, &b);
	told = expect(&a, MSG_CHANNEL_CLOSED);
	ck_assert_uint_eq(told.event.handle, handle);
	ck_assert_int_eq(told.event.error, ECONNREFUSED);
	end_close(&a);
}
END_TEST

/* Long enough to be asked in. */
static uint32_t short_limit_ms(void)
{
	return on_tcp() ? 300 : 3000;
}

START_TEST(who_is_not_answered_is_not_held)
{
	struct end a, b;
	uint32_t at_a, at_b;

	end_open(&a, (struct end_options){.deaf = true, .limit_ms = 60000});
	end_open(&b, (struct end_options){.limit_ms = short_limit_ms()});
	at_a = ask(&a, &b);
	at_b = expect(&b, MSG_CHANNEL_ASKED).event.handle;
	expect_closed(&b, at_b, ETIMEDOUT);
	expect_closed(&a, at_a, ECONNREFUSED);
	end_close(&a);
	end_close(&b);
}
END_TEST

START_TEST(who_asks_does_not_wait_for_ever)
{
	struct end a, b;
	uint32_t at_a;

	end_open(&a, (struct end_options){
		.deaf = true, .limit_ms = short_limit_ms()});
	end_open(&b, (struct end_options){.limit_ms = 60000});
	at_a = ask(&a, &b);
	expect(&b, MSG_CHANNEL_ASKED);
	expect_closed(&a, at_a, ETIMEDOUT);
	end_close(&a);
	end_close(&b);
}
END_TEST

START_TEST(closing_refuses_who_asks)
{
	struct end a, b;
	struct told told;
	uint32_t at_a;

	end_open(&a, (struct end_options){.deaf = true});
	end_open(&b, (struct end_options){0});
	at_a = ask(&a, &b);
	expect(&b, MSG_CHANNEL_ASKED);
	end_close(&b);
	told = expect(&a, MSG_CHANNEL_CLOSED);
	ck_assert_uint_eq(told.event.handle, at_a);
	ck_assert_int_eq(told.event.error, ECONNREFUSED);
	end_close(&a);
}
END_TEST

START_TEST(a_full_set_refuses_and_has_room_again)
{
	struct end a, b;
	uint32_t at_a[4], at_b[2];

	end_open(&a, (struct end_options){.deaf = true, .connection_max = 3});
	end_open(&b, (struct end_options){.connection_max = 2});
	for (int i = 0; i < 2; i++)
		join(&a, &b, &at_a[i], &at_b[i]);
	at_a[2] = ask(&a, &b);
	/* A set that is full itself says so at once. */
	ck_assert_int_eq(a.set->ops->connect(a.set, b.reach, b.reach_bytes,
				 NULL, 0, &at_a[3]), -MSG_ERROR_AGAIN);
	expect_closed(&a, at_a[2], ECONNREFUSED);
	expect_quiet(&b, 50);
	a.set->ops->hang_up(a.set, at_a[0]);
	expect_closed(&a, at_a[0], 0);
	expect_closed(&b, at_b[0], ECONNRESET);
	join(&a, &b, &at_a[0], &at_b[0]);
	end_close(&a);
	end_close(&b);
}
END_TEST

START_TEST(two_that_ask_each_other_have_two)
{
	struct end a, b;
	uint32_t a_asked, b_asked, at_a, at_b;

	end_open(&a, (struct end_options){0});
	end_open(&b, (struct end_options){0});
	a_asked = ask(&a, &b);
	b_asked = ask(&b, &a);
	at_b = expect(&b, MSG_CHANNEL_ASKED).event.handle;
	at_a = expect(&a, MSG_CHANNEL_ASKED).event.handle;
	ck_assert_uint_ne(at_a, a_asked);
	ck_assert_uint_ne(at_b, b_asked);
	ck_assert_int_eq(b.set->ops->accept(b.set, at_b, "", 0), 0);
	ck_assert_int_eq(a.set->ops->accept(a.set, at_a, "", 0), 0);
	for (int i = 0; i < 2; i++) {
		expect(&a, MSG_CHANNEL_CONNECTED);
		expect(&b, MSG_CHANNEL_CONNECTED);
	}
	end_close(&a);
	end_close(&b);
}
END_TEST

/* `reach` with one byte changed, or of another length. */
static void expect_no_address(struct end *end, const uint8_t *reach,
	uint32_t bytes)
{
	uint32_t handle = 0;

	ck_assert_int_eq(end->set->ops->connect(end->set, reach, bytes, "", 0,
				 &handle), -MSG_ERROR_ARGUMENT);
}

START_TEST(what_is_no_address_of_the_lane_is_not_asked)
{
	static const uint8_t v4[][7] = {
		{4, 0, 0, 127, 0, 0, 1},         /* No port. */
		{4, 1, 1, 0, 0, 0, 0},           /* Anybody. */
		{4, 1, 1, 224, 0, 0, 1},         /* A group. */
		{4, 1, 1, 255, 255, 255, 255},   /* Everybody. */
		{6, 1, 1, 127, 0, 0, 1},
		{0, 1, 1, 127, 0, 0, 1},
	};
	static const uint8_t v6[][19] = {
		{6, 1, 1},                       /* Anybody. */
		{6, 1, 1, 0xff, 2, [18] = 1},    /* A group. */
		{6, 0, 0, [18] = 1},             /* No port. */
		{6, 1, 1, [13] = 0xff, [14] = 0xff, 127, 0, 0, 1},
		{4, 1, 1, [18] = 1},
	};
	uint8_t longer[MSG_CHANNEL_REACH_BYTES_MAX] = {0};
	struct end a;

	end_open(&a, (struct end_options){0});
	for (size_t i = 0; i < sizeof v4 / sizeof v4[0]; i++)
		expect_no_address(&a, v4[i], sizeof v4[i]);
	for (size_t i = 0; i < sizeof v6 / sizeof v6[0]; i++)
		expect_no_address(&a, v6[i], sizeof v6[i]);
	memcpy(longer, a.reach, a.reach_bytes);
	for (uint32_t bytes = 0; bytes <= sizeof longer; bytes++)
		if (bytes != a.reach_bytes)
			expect_no_address(&a, longer, bytes);
	/* The documentation's network: no interface of loopback leads there. */
	if (on_tcp() && strcmp(end_interface, "lo") == 0)
		expect_no_address(&a,
			(const uint8_t[7]){4, 1, 1, 192, 0, 2, 77}, 7);
	end_close(&a);
}
END_TEST

START_TEST(a_set_that_does_not_listen_has_no_name)
{
	uint8_t reach[MSG_CHANNEL_REACH_BYTES_MAX];
	struct end a;

	end_open(&a, (struct end_options){.deaf = true});
	ck_assert_int_eq(a.set->ops->name(a.set, reach), -MSG_ERROR_ARGUMENT);
	end_close(&a);
}
END_TEST

START_TEST(a_port_may_be_chosen_once)
{
	char text[MSG_LINK_TEXT_BYTES] = "";
	struct end a, b;
	uint16_t port;

	end_open(&a, (struct end_options){0});
	port = (uint16_t)(a.reach[1] << 8 | a.reach[2]);
	ck_assert_int_eq(try_open(&b, (struct end_options){.port = port}, text),
		-MSG_ERROR_FABRIC);
	ck_assert_msg(strstr(text, "port"), "it says: %s", text);
	end_close(&a);
	end_open(&b, (struct end_options){.port = port});
	ck_assert_mem_eq(a.reach, b.reach, a.reach_bytes);
	end_close(&b);
}
END_TEST

START_TEST(many_come_and_go)
{
	struct end a, b;
	uint32_t at_a, at_b;
	int files = 0;

	end_open(&a, (struct end_options){.deaf = true});
	end_open(&b, (struct end_options){0});
	for (int i = 0; i < (on_tcp() ? 200 : 10); i++) {
		join(&a, &b, &at_a, &at_b);
		if (i % 2) {
			a.set->ops->hang_up(a.set, at_a);
			expect_closed(&a, at_a, 0);
			expect_closed(&b, at_b, ECONNRESET);
		} else {
			b.set->ops->hang_up(b.set, at_b);
			expect_closed(&b, at_b, 0);
			expect_closed(&a, at_a, ECONNRESET);
		}
		if (i == 1)
			files = open_files();
	}
	ck_assert_int_eq(open_files(), files);
	end_close(&a);
	end_close(&b);
}
END_TEST

/* With room for one descriptor more each time, until it works. */
START_TEST(opening_fails_as_a_whole)
{
	char text[MSG_LINK_TEXT_BYTES];
	struct rlimit limit, tight;
	struct end end;
	int files, result = -1;

	end_open(&end, (struct end_options){0}); /* Libraries open theirs. */
	end_close(&end);
	files = open_files();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int more = 0; more < 60 && result != 0; more++) {
		tight = limit;
		tight.rlim_cur = (rlim_t)(files - 3 + more);
		*text = '\0';
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
		result = try_open(&end, (struct end_options){0}, text);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		ck_assert_msg(result == 0 || *text, "failed without a word");
		if (result != 0)
			ck_assert_int_eq(open_files(), files);
	}
	ck_assert_int_eq(result, 0);
	end.told = NULL;
	end.set->ops->close(end.set);
	domain_close(end.domain);
	ck_assert_int_eq(open_files(), files);
}
END_TEST

void add_connect(Suite *suite)
{
	TCase *c = check_case(suite, "connect", 90);

	tcase_add_test(c, both_greet_and_are_connected);
	tcase_add_test(c, the_longest_greetings_arrive);
	tcase_add_test(c, greetings_may_be_empty);
	tcase_add_test(c, who_asks_may_be_refused);
	tcase_add_test(c, where_nobody_listens_it_is_refused);
	tcase_add_test(c, who_is_not_answered_is_not_held);
	tcase_add_test(c, who_asks_does_not_wait_for_ever);
	tcase_add_test(c, closing_refuses_who_asks);
	tcase_add_test(c, a_full_set_refuses_and_has_room_again);
	tcase_add_test(c, two_that_ask_each_other_have_two);
	tcase_add_test(c, what_is_no_address_of_the_lane_is_not_asked);
	tcase_add_test(c, a_set_that_does_not_listen_has_no_name);
	tcase_add_test(c, a_port_may_be_chosen_once);
	tcase_add_test(c, many_come_and_go);
	tcase_add_test(c, opening_fails_as_a_whole);
}
