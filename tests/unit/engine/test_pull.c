/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_pull.c - large messages through the public API, over a wire and connections
 * in memory that are bad by seed; see engine/pull.h and engine/show.h.
 *
 * What was published is known by number, and so are its size and bytes.  Every
 * reader sees each message, or is told of its loss, in order; and what each of them
 * must lose is known, too.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "memory_channel.h"
#include "protocol/frame.h"
#include "protocol/large.h"
#include "random.h"

#define READERS_MAX 3
#define HELD_MAX 4
#define MESSAGES_MAX 256
#define SMALL_MAX 900u
#define LARGE_MAX 60000u

struct reader {
	struct msg_subscriber *subscriber;
	size_t large_max;
	uint64_t expected;
	uint64_t taken, lost;
	uint64_t told[MSG_LOSS_TOO_LARGE + 1];
	struct msg_view held[HELD_MAX];
	uint32_t held_count;
};

struct trial {
	uint64_t seed;
	struct random_stream random;
	struct msg_node *node;
	struct msg_publisher *publisher;
	uint64_t sent;
	size_t bytes[MESSAGES_MAX]; /* Of each that was sent. */
	struct reader readers[READERS_MAX];
	uint32_t reader_count;
	uint8_t *scratch;
};

#include "stream_trial.h"

/* ---- payloads ---------------------------------------------------------- */

static size_t draw(struct trial *t, bool large)
{
	if (!large)
		return random_below(&t->random, SMALL_MAX);
	return SMALL_MAX + 1 + random_below(&t->random, LARGE_MAX - SMALL_MAX);
}

static void check_bytes(struct trial *t, const struct msg_view *view)
{
	size_t bytes = t->bytes[view->sequence];

	MUST(t, view->bytes == bytes);
	MUST(t, view->segment_count == 1);
	fill(t->scratch, bytes, view->sequence);
	MUST(t, memcmp(view->data, t->scratch, bytes) == 0);
}

/* ---- one trial ---------------------------------------------------------- */

/* Views that are kept for a while are whole to the end. */
static void give_back(struct trial *t, struct reader *r, uint32_t place)
{
	check_bytes(t, &r->held[place]);
	msg_subscriber_release(r->subscriber, &r->held[place], 1);
	r->held[place] = r->held[--r->held_count];
}

static void look(struct trial *t, struct reader *r, const struct msg_view *view)
{
	r->lost += view->lost_before;
	if (view->event == MSG_EVENT_LOST) {
		MUST(t, view->sequence == r->expected + view->lost_before);
		MUST(t, view->reason <= MSG_LOSS_TOO_LARGE);
		r->told[view->reason] += view->lost_before;
		r->expected = view->sequence;
	}
	if (view->event != MSG_EVENT_MESSAGE) {
		msg_subscriber_release(r->subscriber, view, 1);
		return;
	}
	MUST(t, view->sequence == r->expected + view->lost_before);
	check_bytes(t, view);
	r->expected = view->sequence + 1;
	r->taken++;
	if (r->held_count == HELD_MAX || random_chance(&t->random, 800))
		msg_subscriber_release(r->subscriber, view, 1);
	else
		r->held[r->held_count++] = *view;
}

static void take_some(struct trial *t, struct reader *r)
{
	struct msg_view views[4];
	int n = msg_subscriber_take(r->subscriber, views, 4);

	MUST(t, n >= 0);
	for (int i = 0; i < n; i++)
		look(t, r, &views[i]);
	if (r->held_count > 0 && random_chance(&t->random, 200))
		give_back(t, r,
			(uint32_t)random_below(&t->random, r->held_count));
}

void take_all(struct trial *t)
{
	for (uint32_t i = 0; i < t->reader_count; i++)
		take_some(t, &t->readers[i]);
	msg_node_progress(t->node);
}

/* One message of `bytes`; or at times none. */
static void publish(struct trial *t, size_t bytes)
{
	struct msg_loan loan;

	lend(t, bytes, &loan);
	t->bytes[t->sent] = bytes;
	if (random_chance(&t->random, 100))
		msg_publisher_abandon(t->publisher, &loan);
	else
		queue_or_send(t, &loan, bytes, 500);
}

static void publish_surely(struct trial *t, size_t bytes)
{
	uint64_t before = t->sent;

	while (t->sent == before)
		publish(t, bytes);
}

static struct reader *add_reader(
	struct trial *t, const struct msg_subscriber_options *options)
{
	struct msg_subscriber_options o = *options;
	struct reader *r;

	o.topic = "pull";
	o.message_bytes_max = SMALL_MAX;
	o.events = 1;
	r = subscribe(t, &o);
	r->large_max = o.large_bytes_max;
	return r;
}

static void open_trial(struct trial *t, uint64_t seed,
	const struct msg_publisher_options *options)
{
	struct msg_publisher_options o = *options;

	open_node(t, seed, 20);
	t->scratch = malloc(LARGE_MAX + 8);
	o.topic = "pull";
	o.message_bytes_max = SMALL_MAX;
	o.large_bytes_max = LARGE_MAX;
	o.reliability = MSG_RELIABILITY_RELIABLE;
	open_publisher(t, &o);
}

/* All that was borrowed of the system is back. */
static void close_trial(struct trial *t)
{
	for (uint32_t i = 0; i < t->reader_count; i++)
		while (t->readers[i].held_count > 0)
			give_back(t, &t->readers[i], 0);
	close_stream(t);
	MUST(t, memory_channel_counts.sets == 0);
	MUST(t, memory_channel_counts.regions == 0);
	free(t->scratch);
}

static void reset(void)
{
	memory_wire_reset(NULL);
	memory_channel_reset(&(struct memory_channel_options){.seed = 1});
}

/* Until the publisher has heard of every reader. */
static void meet(struct trial *t)
{
	int64_t limit = now_ns() + 30 * S;
	uint32_t spoke = 0;

	settle(t);
	while (spoke < t->reader_count) {
		take_all(t);
		spoke = 0;
		for (uint32_t i = 0; i < t->reader_count; i++)
			spoke += msg_subscriber_counter(
					 t->readers[i].subscriber,
					 MSG_COUNTER_REPORTS) > 0;
		MUST(t, now_ns() < limit);
	}
	take_all(t);
}

/* ---- nothing is lost ----------------------------------------------------- */

static const struct memory_wire_options wires[] = {
	{.lose = 0},
	{.lose = 50},
	{.lose = 200},
	{.lose = 50, .repeat = 50, .reorder = 50, .again = 50, .lag = true},
};

static const struct memory_channel_options lines[] = {
	{.refuse = 0},
	{.later = 500},
	{.cut = 50},
	{.refuse = 500, .cut = 20, .later = 700, .message_bytes_max = 4096},
};

#define WAYS ((int)(sizeof wires / sizeof *wires * 4))

/* Large ones that a reader does not take are what it loses. */
static uint64_t too_large(const struct trial *t, const struct reader *r)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < t->sent; i++)
		count += t->bytes[i] > SMALL_MAX && t->bytes[i] > r->large_max;
	return count;
}

static void run_lossless(uint64_t seed, int way, int messages)
{
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;
	struct memory_wire_options wire = wires[way % 4];
	struct memory_channel_options line = lines[way / 4];
	struct trial t;

	reset();
	p.flow = seed % 2 ? MSG_FLOW_MIN : MSG_FLOW_NONE;
	p.history_bytes = 4u << 20;
	p.give_up_ms = s.give_up_ms = 30000;
	if (seed % 3 == 0)
		p.large_memory_bytes = LARGE_MAX;
	open_trial(&t, seed, &p);
	for (uint32_t i = 0; i < 1 + seed % READERS_MAX; i++) {
		s.large_bytes_max = i == 0 ? LARGE_MAX : (i - 1) * 20000;
		add_reader(&t, &s);
	}
	publish_surely(&t, 0);
	meet(&t);
	wire.seed = line.seed = seed;
	memory_wire_options = wire;
	memory_channel_options = line;
	for (int i = 0; i < messages; i++) {
		publish(&t, draw(&t, random_chance(&t.random, 300)));
		if (random_chance(&t.random, 300))
			take_all(&t);
	}
	settle(&t);
	for (uint32_t i = 0; i < t.reader_count; i++) {
		const struct reader *r = &t.readers[i];

		MUST(&t, r->lost == too_large(&t, r));
		MUST(&t, r->told[MSG_LOSS_TOO_LARGE] == r->lost);
		MUST(&t, r->taken + r->lost == t.sent);
	}
	close_trial(&t);
}

START_TEST(all_arrives_over_bad_wires_and_bad_connections)
{
	uint64_t seed = check_seed();

	for (int way = 0; way < WAYS; way++)
		for (uint64_t i = 0; i < 6; i++)
			run_lossless(seed + i, way, 60);
}
END_TEST

/* ---- what is lost -------------------------------------------------------- */

static void publish_kind(struct trial *t, bool large)
{
	publish_surely(t, draw(t, large));
}

static void open_with(struct trial *t, uint32_t give_up_ms, size_t memory)
{
	struct msg_publisher_options p = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;

	reset();
	p.give_up_ms = give_up_ms;
	p.large_memory_bytes = memory;
	s.give_up_ms = give_up_ms;
	s.large_bytes_max = LARGE_MAX;
	open_trial(t, check_seed(), &p);
	add_reader(t, &s);
}

/* A loan that is sent whatever was drawn, with the bytes of its number. */
static void send_bytes(struct trial *t, size_t bytes)
{
	struct msg_loan loan;
	int64_t limit = now_ns() + 30 * S;
	int result;

	while ((result = msg_publisher_loan(t->publisher, bytes, &loan)) ==
		-MSG_ERROR_AGAIN)
		MUST(t, now_ns() < limit);
	MUST(t, result == 0);
	memset(loan.data, 1, bytes);
	MUST(t, msg_publisher_send(t->publisher, &loan, bytes) == 0);
	t->sent++;
}

/* Nobody answers: after give_up_ms the stream goes on without it. */
START_TEST(what_cannot_be_read_is_given_up)
{
	struct trial t;
	int64_t began;

	open_with(&t, 100, 0);
	publish_kind(&t, false);
	meet(&t);
	memory_channel_options.refuse = 1000;
	began = now_ns();
	publish_kind(&t, true);
	publish_kind(&t, false);
	settle(&t);
	ck_assert_uint_eq(t.readers[0].told[MSG_LOSS_GAVE_UP], 1);
	ck_assert_uint_eq(t.readers[0].lost, 1);
	ck_assert_int_ge(now_ns() - began, 100 * MS);
	ck_assert_uint_gt(memory_channel_counts.refused, 1);
	memory_channel_options.refuse = 0;
	memory_channel_options.deaf = true;
	publish_kind(&t, true);
	settle(&t);
	ck_assert_uint_eq(t.readers[0].told[MSG_LOSS_GAVE_UP], 2);
	memory_channel_options.deaf = false;
	close_trial(&t);
}
END_TEST

/* A reader that seldom looks loses nothing for that: time in which it makes no
 * call does not count. */
START_TEST(who_looks_seldom_is_not_given_up)
{
	const struct timespec pause = {.tv_nsec = 300 * MS};
	struct trial t;

	open_with(&t, 200, 0);
	publish_kind(&t, false);
	meet(&t);
	memory_channel_options.later = 980;
	publish_surely(&t, LARGE_MAX);
	for (int i = 0; i < 2; i++) {
		nanosleep(&pause, NULL);
		take_all(&t);
	}
	memory_channel_options.later = 0;
	settle(&t);
	ck_assert_uint_eq(t.readers[0].lost, 0);
	ck_assert_uint_eq(t.readers[0].taken, 2);
	close_trial(&t);
}
END_TEST

/* A reader that does not look for long finds the memory another's: whatever it
 * reads there, it takes none of it. */
START_TEST(what_the_publisher_needs_again_is_gone)
{
	struct trial t;

	open_with(&t, 20, LARGE_MAX);
	publish_kind(&t, false);
	meet(&t);
	for (int i = 0; i < 4; i++)
		send_bytes(&t, LARGE_MAX);
	/* The first three had to go; the last one is not of its number. */
	while (t.readers[0].lost < 3) {
		struct msg_view view;
		int n = msg_subscriber_take(t.readers[0].subscriber, &view, 1);

		MUST(&t, n >= 0);
		msg_node_progress(t.node);
		if (n == 0)
			continue;
		MUST(&t, view.event == MSG_EVENT_LOST);
		MUST(&t, view.reason == MSG_LOSS_HISTORY);
		t.readers[0].lost += view.lost_before;
		msg_subscriber_release(t.readers[0].subscriber, &view, 1);
	}
	ck_assert_uint_eq(t.readers[0].lost, 3);
	close_trial(&t);
}
END_TEST

/* Closing in the middle of a read gives all back. */
START_TEST(a_reader_may_close_while_it_reads)
{
	for (int turns = 0; turns < 12; turns++) {
		struct trial t;
		struct msg_view view;

		open_with(&t, 1000, 0);
		publish_kind(&t, false);
		meet(&t);
		memory_channel_options.later = 900;
		memory_channel_options.message_bytes_max = 4096;
		publish_kind(&t, true);
		for (int i = 0; i < turns; i++) {
			int n = msg_subscriber_take(
				t.readers[0].subscriber, &view, 1);

			MUST(&t, n >= 0);
			msg_subscriber_release(
				t.readers[0].subscriber, &view, n);
			msg_node_progress(t.node);
		}
		close_trial(&t);
	}
}
END_TEST

/* ---- who lies ------------------------------------------------------------ */

/* The wire shows LARGE frames to this, before they arrive. */
static int lie;

static void spoil(void *context, const uint8_t *frame, uint32_t bytes)
{
	uint8_t *body = (uint8_t *)(uintptr_t)frame + MSG_FRAME_HEADER_BYTES;

	(void)context;
	if (bytes < MSG_FRAME_HEADER_BYTES || frame[0] >> 4 != MSG_FRAME_LARGE)
		return;
	switch (lie) {
	case 0: /* Another key. */
		body[16] ^= 1;
		break;
	case 1: /* Somewhere else. */
		body[10] ^= 1;
		break;
	case 2: /* Of somebody who is not there. */
		body[40] ^= 8;
		break;
	case 3: /* More than there is. */
		memset(body, 0, 8);
		msg_store32(body, LARGE_MAX);
		break;
	case 4: /* More than we take. */
		memset(body, 0, 8);
		msg_store32(body, LARGE_MAX + 1);
		break;
	case 5: /* Another message's serial. */
		body[24] ^= 1;
		break;
	default: /* No serial: malformed, and never there. */
		memset(body + 24, 0, 8);
		break;
	}
}

START_TEST(lies_cost_the_message_and_nothing_else)
{
	for (lie = 0; lie <= 6; lie++) {
		struct trial t;

		/* So that it shows what is not there to be read. */
		open_with(&t, 50, 0);
		publish_kind(&t, false);
		meet(&t);
		memory_wire_options.tap = spoil;
		publish_surely(&t, LARGE_MAX / 2);
		publish_kind(&t, false);
		settle(&t);
		ck_assert_msg(t.readers[0].lost >= 1, "lie %d", lie);
		memory_wire_options.tap = NULL;
		publish_kind(&t, false);
		publish_kind(&t, true);
		publish_kind(&t, false);
		settle(&t);
		ck_assert_uint_ge(t.readers[0].taken, 3);
		close_trial(&t);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pull");
	TCase *pull = check_case(suite, "pull", 120);

	tcase_add_test(pull, all_arrives_over_bad_wires_and_bad_connections);
	tcase_add_test(pull, what_cannot_be_read_is_given_up);
	tcase_add_test(pull, who_looks_seldom_is_not_given_up);
	tcase_add_test(pull, what_the_publisher_needs_again_is_gone);
	tcase_add_test(pull, a_reader_may_close_while_it_reads);
	tcase_add_test(pull, lies_cost_the_message_and_nothing_else);
	return check_main(suite, NULL);
}
