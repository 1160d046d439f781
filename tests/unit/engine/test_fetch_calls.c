/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_fetch_calls.c - who comes late to a connected topic reads what was sent
 * before, and is sent what follows; see engine/fetch.h and engine/caller.c.
 *
 * Connections are bad in every way: asked for and refused, of data or of reads cut
 * in the middle, slow.  Nothing may be lost then, nothing come twice, and what
 * cannot be read is sent.
 */
#include <stdlib.h>
#include <unistd.h>

#include "engine/fetch.h"
#include "fetch_trial.h"
#include "memory_channel.h"
#include "memory_link.h"

#define S 1000000000ll
/* Slots of CONNECTED_MAX: what is not used is not there. */
#define HISTORY ((size_t)192 << 20)
#define MESSAGES 2400u

static const struct memory_channel_options lines[] = {
	{.refuse = 0},
	{.later = 500, .slow = 500},
	{.cut = 5},
	{.sever = 2},
	{.refuse = 300, .cut = 10, .later = 700, .sever = 2, .slow = 300},
};

#define LINES (sizeof lines / sizeof *lines)

static void open_and_publish(
	struct trial *t, uint64_t seed, enum trial_topic topic)
{
	open_trial(t, seed, topic, HISTORY);
	publish(t, MESSAGES);
}

static uint64_t sent_again(const struct trial *t)
{
	return msg_publisher_counter(t->publisher, MSG_COUNTER_REPAIRS);
}

static void run_late(uint64_t seed, uint32_t line, uint32_t buffers)
{
	enum trial_topic topic = seed % 2 ? TOPIC_CALLS : TOPIC_CALLS_FREE;
	struct trial t;
	struct reader *r;
	uint32_t wanted;

	open_and_publish(&t, seed, topic);
	/* On a good line all of it: some hundreds are asked for before the other
	 * connection is there, and most are to be read. */
	wanted = line == 0 ? MESSAGES : 1200;
	wanted += (uint32_t)random_below(&t.random, 2 * MESSAGES);
	r = add_reader(&t, wanted, buffers);
	memory_channel_options = lines[line];
	memory_channel_options.seed = seed;
	catch_up(&t, r, wanted);
	if (line == 0 && buffers == 0) {
		MUST(&t, counted(r, MSG_COUNTER_FETCHED) > MSG_FETCH_WORTH);
		MUST(&t, counted(r, MSG_COUNTER_FETCHED) > sent_again(&t));
	}
	close_trial(&t);
}

START_TEST(who_comes_late_reads_and_is_sent_what_follows)
{
	uint64_t seed = check_seed(), rounds = getenv("MSG_TEST_LONG") ? 10 : 1;

	for (uint32_t line = 0; line < LINES; line++)
		for (uint64_t i = 0; i < rounds; i++)
			run_late(seed + i + line, line, 0);
}
END_TEST

/* With few buffers of its own a reader has few to read into, too. */
START_TEST(buffers_may_be_few)
{
	uint64_t seed = check_seed();

	for (uint32_t line = 0; line < LINES; line += 2)
		run_late(seed + line / 2, line, 96);
}
END_TEST

/* Where nobody can read, all of it is sent. */
START_TEST(what_cannot_be_read_is_sent)
{
	struct trial t;
	struct reader *r;

	open_and_publish(&t, check_seed(), TOPIC_CALLS);
	r = add_reader(&t, UINT32_MAX, 0);
	memory_channel_options.refuse_bytes = MSG_SHELF_GREETING_BYTES;
	settle(&t);
	MUST(&t, r->begin == 0 && r->lost == 0);
	MUST(&t, counted(r, MSG_COUNTER_FETCHED) == 0);
	MUST(&t, memory_channel_counts.refused > 0);
	close_trial(&t);
}
END_TEST

/* Whose connection ended for a while has what was sent meanwhile. */
START_TEST(who_comes_back_reads_what_it_missed)
{
	struct trial t;
	struct reader *r;
	uint64_t before;

	open_and_publish(&t, check_seed(), TOPIC_CALLS_FREE);
	r = add_reader(&t, UINT32_MAX, 0);
	settle(&t);
	before = counted(r, MSG_COUNTER_FETCHED);
	memory_channel_options.sever = 1000;
	publish(&t, 10);
	while (counted(r, MSG_COUNTER_BROKEN) == 0)
		take_all(&t);
	memory_channel_options = (struct memory_channel_options){
		.refuse = 1000};
	publish(&t, MESSAGES);
	memory_channel_options.refuse = 0;
	settle(&t);
	MUST(&t, r->lost == 0 && r->begin == 0);
	MUST(&t, counted(r, MSG_COUNTER_FETCHED) > before + 100);
	close_trial(&t);
}
END_TEST

/* Views that are held keep what is read from going on, and no longer. */
START_TEST(who_holds_views_is_waited_for)
{
	enum { HELD = 600 };
	static struct msg_view views[HELD];
	struct trial t;
	struct reader *r;
	int held = 0, n;
	int64_t end;

	open_and_publish(&t, check_seed(), TOPIC_CALLS);
	r = add_reader(&t, UINT32_MAX, 96);
	/* Some time longer than there are buffers. */
	end = now_ns() + S / 2;
	while (now_ns() < end) {
		n = msg_subscriber_take(
			r->subscriber, views + held, HELD - held);
		MUST(&t, n >= 0);
		for (int i = held; i < held + n; i++)
			look(&t, r, &views[i]);
		held += n;
		MUST(&t, held < HELD);
		msg_node_progress(t.node);
	}
	MUST(&t, held > 32);
	msg_subscriber_release(r->subscriber, views, held);
	publish(&t, 1);
	settle(&t);
	MUST(&t, r->lost == 0 && r->begin == 0);
	MUST(&t, counted(r, MSG_COUNTER_FETCHED) > 0);
	close_trial(&t);
}
END_TEST

/* One view at a time, and all of it takes longer than a gap may wait. */
START_TEST(a_slow_reader_loses_nothing)
{
	int64_t begin = now_ns();
	struct msg_view view;
	struct trial t;
	struct reader *r;

	open_and_publish(&t, check_seed(), TOPIC_CALLS);
	t.give_up_ms = 400;
	r = add_reader(&t, 1200, 512);
	while (r->expected != t.sent && now_ns() - begin < 60 * S) {
		int n = msg_subscriber_take(r->subscriber, &view, 1);

		MUST(&t, n >= 0);
		if (n == 1) {
			look(&t, r, &view);
			msg_subscriber_release(r->subscriber, &view, 1);
			usleep(1000);
		}
		msg_node_progress(t.node);
	}
	MUST(&t, r->expected == t.sent);
	MUST(&t, r->lost == 0 && r->begin == MESSAGES - 1200);
	MUST(&t, counted(r, MSG_COUNTER_FETCHED) > 0);
	close_trial(&t);
}
END_TEST

START_TEST(several_read_at_the_same_time)
{
	struct trial t;

	open_and_publish(&t, check_seed(), TOPIC_CALLS);
	read_by_several(&t);
}
END_TEST

/* The publisher writes over what is being read, for it waits for nobody: nobody
 * takes one for the other, and what is lost is told. */
START_TEST(what_moves_on_while_it_is_read_is_never_wrong)
{
	uint64_t fetched = 0;

	for (uint64_t i = 0; i < 5; i++) {
		struct trial t;

		open_trial(&t, check_seed() + i, TOPIC_CALLS_FREE,
			(size_t)64 << 20);
		publish(&t, MESSAGES);
		await_fetched(&t, add_reader(&t, UINT32_MAX, 0));
		memory_channel_options.later =
			(unsigned)random_below(&t.random, 950);
		while (t.sent < 2 * MESSAGES) {
			publish(&t, (uint32_t)random_below(&t.random, 100));
			take_all(&t);
		}
		memory_channel_options.later = 0;
		settle(&t);
		fetched += counted(&t.readers[0], MSG_COUNTER_FETCHED);
		close_trial(&t);
	}
	ck_assert_uint_gt(fetched, 100);
}
END_TEST

/* Closing in the middle of it gives all back. */
START_TEST(a_reader_may_close_while_it_reads)
{
	for (int turns = 0; turns < 60; turns += 12) {
		struct trial t;

		open_trial(&t, check_seed(), TOPIC_CALLS, HISTORY);
		publish(&t, 1200);
		close_while_it_reads(&t, turns);
	}
}
END_TEST

START_TEST(a_publisher_may_go_while_it_is_read)
{
	struct trial t;

	open_and_publish(&t, check_seed(), TOPIC_CALLS);
	go_while_it_is_read(&t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fetch_calls");
	TCase *whole = check_case(suite, "whole", 240);
	TCase *gone = check_case(suite, "gone", 120);

	tcase_add_test(whole, who_comes_late_reads_and_is_sent_what_follows);
	tcase_add_test(whole, buffers_may_be_few);
	tcase_add_test(whole, what_cannot_be_read_is_sent);
	tcase_add_test(whole, who_comes_back_reads_what_it_missed);
	tcase_add_test(whole, who_holds_views_is_waited_for);
	if (getenv("MSG_TEST_LONG"))
		tcase_add_test(whole, a_slow_reader_loses_nothing);
	tcase_add_test(whole, several_read_at_the_same_time);
	tcase_add_test(gone, what_moves_on_while_it_is_read_is_never_wrong);
	tcase_add_test(gone, a_reader_may_close_while_it_reads);
	tcase_add_test(gone, a_publisher_may_go_while_it_is_read);
	return check_main(suite, NULL);
}
