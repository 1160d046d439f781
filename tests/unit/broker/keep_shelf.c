/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keep_shelf.c - who comes late on another host reads what the relay keeps, where
 * it stands: broker/keep_show.h.
 *
 * Messages stand in entries, slots, and several frames of a slot; take() checks
 * the bytes of each.
 */
#include <unistd.h>

#include "broker/keep_show.h"

#include "keep_sides.h"

#define MESSAGES 3000u

static uint64_t fetched(void)
{
	return sink.direct.receiver.counters[MSG_COUNTER_FETCHED];
}

static void teardown(void)
{
	memory_channel_options = (struct memory_channel_options){.seed = 1};
	keep_teardown();
	ck_assert_uint_eq(memory_channel_counts.sets, 0);
	ck_assert_uint_eq(memory_channel_counts.regions, 0);
	ck_assert_uint_eq(memory_channel_counts.strays, 0);
	memory_reads = false;
}

START_TEST(what_is_kept_is_read_where_it_stands_and_then_live)
{
	struct msg_control m = wish();

	publish_as(&m);
	flow(MESSAGES);
	ck_assert_uint_eq(fetched(), 0);
	come_late();
	memory_channel_options.later = _i == 1 ? 500 : 0;
	memory_channel_options.cut = _i == 2 ? 5 : 0;
	flow(MESSAGES + 500);
	ck_assert_uint_eq(sink.lost, 0);
	ck_assert_uint_eq(sink.taken, MESSAGES + 500);
	/* Where the connection ends it is asked for. */
	if (_i < 2)
		ck_assert_uint_gt(fetched(), MESSAGES / 2);
	ck_assert_uint_eq(
		sink.direct.receiver.counters[MSG_COUNTER_MALFORMED], 0);
	leave();
}
END_TEST

/* Slots and places go to others meanwhile: what is gone is told. */
START_TEST(what_moves_on_while_it_is_read_is_lost_and_never_wrong)
{
	struct msg_control m = wish();
	uint64_t limit = msg_clock_ns() + LIMIT_NS;

	m.publish.history_bytes = 2u << 20;
	publish_as(&m);
	flow(MESSAGES);
	come_late();
	while (fetched() == 0) {
		server_turn(broker_server);
		take();
		ck_assert_uint_lt(msg_clock_ns(), limit);
	}
	memory_channel_options.later = 950;
	while (source.sequence < 3 * MESSAGES) {
		for (int i = 0; i < 64 && put(); i++)
			;
		server_turn(broker_server);
		take();
		check_bounds();
		ck_assert_uint_lt(msg_clock_ns(), limit);
	}
	memory_channel_options.later = 0;
	flow(3 * MESSAGES);
	ck_assert_uint_gt(sink.lost, 0);
	ck_assert_uint_gt(fetched(), 100);
	leave();
}
END_TEST

/* What was never sent has no place, and is told of in words. */
START_TEST(numbers_without_frames_are_not_read)
{
	struct msg_control m = wish();

	publish_as(&m);
	flow(500);
	source.sequence += 5000;
	flow(5500 + MESSAGES);
	come_late();
	flow(5600 + MESSAGES);
	ck_assert_uint_eq(sink.lost, 0);
	/* Of before nothing can be had. */
	ck_assert_uint_eq(sink.taken, 100 + MESSAGES);
	ck_assert_uint_gt(fetched(), MESSAGES / 2);
	leave();
}
END_TEST

/* Whoever has a key may read: so those whose rights are asked have none. */
START_TEST(of_a_topic_that_not_all_may_read_nothing_is_shown)
{
	struct acl *acl = &broker_config.acl;
	struct msg_control m = wish();

	acl_init(acl);
	acl_list_add(&acl->other.lists[ACL_SUBSCRIBE], ACL_USER, getuid());
	acl_list_add(&acl->other.lists[ACL_PUBLISH], ACL_ANYBODY, 0);
	acl->has_default = true;
	acl_finish(acl);
	publish_as(&m);
	ck_assert(!keep_show_may(relay()));
	ck_assert_ptr_null(relay()->keep->show);
	flow(MESSAGES);
	come_late();
	flow(MESSAGES + 500);
	ck_assert_uint_eq(sink.lost, 0);
	ck_assert_uint_eq(sink.taken, MESSAGES + 500);
	ck_assert_uint_eq(fetched(), 0);
	leave();
}
END_TEST

/* The catalogue is somebody's: whoever has too little left is refused. */
START_TEST(the_catalogue_is_charged_to_who_publishes)
{
	struct msg_control m = wish();
	uint64_t all, held;

	all = account_left(broker_server->accounts, getuid(), ACCOUNT_BYTES);
	publish_as(&m);
	held = all - account_left(broker_server->accounts, getuid(),
			     ACCOUNT_BYTES);
	ck_assert(relay()->keep->show->shelved);
	ck_assert_uint_ge(held,
		relay()->pool.bytes +
			relay()->keep->show->shelf.catalogue.bytes);
	leave();
	while (relay())
		publisher_close(relay());
	ck_assert_uint_eq(account_left(broker_server->accounts, getuid(),
				  ACCOUNT_BYTES),
		all);
}
END_TEST

/* The same by connections: as bad as they may be, nothing is lost. */
START_TEST(of_a_connected_topic_it_is_read_and_then_sent)
{
	static const struct memory_channel_options lines[] = {
		{.later = 0},
		{.later = 500, .slow = 500},
		{.cut = 5},
		{.sever = 2},
	};
	struct msg_control m = wish();

	/* Frames may be larger, and so is each slot. */
	m.publish.history_bytes = 56u << 20;
	publish_as(&m);
	ck_assert(relay()->connected);
	flow(MESSAGES);
	ck_assert_uint_eq(fetched(), 0);
	come_late();
	memory_channel_options = lines[_i];
	memory_channel_options.seed = check_seed();
	flow(MESSAGES + 500);
	ck_assert_uint_eq(sink.lost, 0);
	ck_assert_uint_eq(sink.taken, MESSAGES + 500);
	if (_i < 2)
		ck_assert_uint_gt(fetched(), MESSAGES / 2);
	ck_assert_uint_eq(
		sink.direct.receiver.counters[MSG_COUNTER_MALFORMED], 0);
	ck_assert_uint_eq(
		sink.direct.receiver.counters[MSG_COUNTER_UNBELIEVED], 0);
	leave();
}
END_TEST

void add_shelf(Suite *suite)
{
	TCase *tcase = check_case(suite, "shelf", 60);
	TCase *connected = check_case(suite, "connected shelf", 60);

	tcase_add_checked_fixture(tcase, keep_setup_reads, teardown);
	tcase_add_loop_test(tcase,
		what_is_kept_is_read_where_it_stands_and_then_live, 0, 3);
	tcase_add_test(tcase,
		what_moves_on_while_it_is_read_is_lost_and_never_wrong);
	tcase_add_test(tcase, numbers_without_frames_are_not_read);
	tcase_add_test(
		tcase, of_a_topic_that_not_all_may_read_nothing_is_shown);
	tcase_add_test(tcase, the_catalogue_is_charged_to_who_publishes);
	tcase_add_checked_fixture(connected, keep_setup_calls, teardown);
	tcase_add_loop_test(connected,
		of_a_connected_topic_it_is_read_and_then_sent, 0, 4);
}
