/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_flow.c - publishers, a wire good or bad by seed, a subscriber, and an
 * oracle over them.
 *
 * Every trial draws its sizes and faults from its seed.  The oracle keeps the
 * list of what was published; per publisher, what was taken plus the ranges
 * that lost_before names must be exactly that list: nothing twice, nothing out
 * of order, nothing torn, no byte another.  Views are held for a while and
 * compared again before they are given back.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "check_main.h"
#include "engine/direct.h"
#include "engine/transmit.h"
#include "memory_link.h"
#include "trial.h"

#define PUBLISHERS 3
#define MESSAGES_MAX 3000
#define LOANS_MAX 6
#define HELD_MAX 64
#define TAG 0x77u
#define GROUP 1u

struct loan_out {
	struct msg_loan loan;
	uint32_t bytes;
};

struct source {
	struct msg_transmitter transmitter;
	struct msg_link *link;
	uint64_t first;
	uint32_t lengths[MESSAGES_MAX];
	struct loan_out out[LOANS_MAX];
	uint32_t out_count;
	uint64_t expected; /* Sequence of the next view, if nothing is lost. */
	uint64_t taken;
	uint64_t lost; /* As the views said. */
};

struct trial {
	uint64_t seed;
	struct random_stream random;
	uint32_t frame_bytes;
	uint32_t message_bytes_max;
	struct source sources[PUBLISHERS];
	struct msg_direct direct;
	struct msg_link *link;
	struct msg_view held[HELD_MAX];
	uint32_t held_count;
	uint8_t *scratch;
};

/* What a trial may meet. */
struct profile {
	struct memory_wire_options wire;
	uint64_t reorder_ns;
	uint32_t buffers;
	bool lossless;   /* Then nothing may be lost. */
	bool small_view; /* The subscriber takes only small messages. */
	uint64_t first_sequence;
};

/* ---- payloads ---------------------------------------------------------- */

static void fill(uint8_t *data, uint32_t bytes, uint64_t sequence,
	uint32_t publisher)
{
	random_fill(data, bytes, sequence * 31 + publisher);
}

static uint32_t length_of(struct trial *t, const struct msg_view *view)
{
	struct source *s = &t->sources[view->publisher - 1];

	return s->lengths[view->sequence - s->first];
}

static void check_bytes(struct trial *t, const struct msg_view *view)
{
	static uint8_t wanted[1 << 20], found[1 << 20];
	struct msg_segment segments[4096];
	uint32_t bytes = length_of(t, view);
	size_t at = 0;
	int n;

	MUST(t, view->bytes == bytes);
	fill(wanted, bytes, view->sequence, (uint32_t)view->publisher);
	n = msg_inbox_segments(&t->direct.inbox, view, segments, 4096);
	MUST(t, n == (int)view->segment_count);
	MUST(t, segments[0].data == view->data);
	for (int i = 0; i < n; i++) {
		MUST(t, (uintptr_t)segments[i].data % 8 == 0);
		MUST(t, at + segments[i].bytes <= bytes);
		MUST(t, memcmp(wanted + at, segments[i].data,
				segments[i].bytes) == 0);
		at += segments[i].bytes;
	}
	MUST(t, at == bytes);
	MUST(t, msg_inbox_copy(&t->direct.inbox, view, found, bytes) == 0);
	MUST(t, memcmp(wanted, found, bytes) == 0);
	if (bytes > 0)
		MUST(t, msg_inbox_copy(&t->direct.inbox, view, found,
				bytes - 1) == -MSG_ERROR_TOO_LARGE);
}

/* ---- taking ------------------------------------------------------------ */

static void give_back(struct trial *t, uint32_t which)
{
	check_bytes(t, &t->held[which]);
	msg_inbox_release(&t->direct.inbox, &t->held[which], 1);
	t->held[which] = t->held[--t->held_count];
}

static void check_order(struct trial *t, const struct msg_view *view)
{
	struct source *s;

	MUST(t, view->publisher >= 1 && view->publisher <= PUBLISHERS);
	s = &t->sources[view->publisher - 1];
	MUST(t, view->sequence == s->expected + view->lost_before);
	MUST(t, view->sequence - s->first <
			msg_lender_next(&s->transmitter.lender) - s->first);
	MUST(t, view->topic == 5);
	s->expected = view->sequence + 1;
	s->lost += view->lost_before;
	s->taken++;
}

/* Returns how many were taken. */
static int take(struct trial *t, uint32_t hold_max)
{
	struct msg_view views[16];
	int count = 1 + (int)random_below(&t->random, 16);
	int n;

	while (t->held_count + (uint32_t)count > hold_max)
		give_back(t, (uint32_t)random_below(
				     &t->random, t->held_count));
	n = msg_direct_take(&t->direct, views, count);
	MUST(t, n >= 0 && n <= count);
	for (int i = 0; i < n; i++) {
		check_order(t, &views[i]);
		check_bytes(t, &views[i]);
		t->held[t->held_count++] = views[i];
	}
	return n;
}

static void take_all(struct trial *t)
{
	while (take(t, 17) > 0 ||
		msg_direct_arm(&t->direct) == -MSG_ERROR_AGAIN)
		;
	while (t->held_count > 0)
		give_back(t, 0);
}

/* ---- publishing -------------------------------------------------------- */

static uint32_t draw_bytes(struct trial *t)
{
	uint32_t body = t->frame_bytes - 24;
	uint32_t most = t->message_bytes_max;
	uint32_t bytes;

	switch (random_below(&t->random, 8)) {
	case 0:
		bytes = body - 2 + (uint32_t)random_below(&t->random, 5);
		break;
	case 1:
		bytes = (uint32_t)random_below(&t->random, most + 1);
		break;
	case 2:
		bytes = (uint32_t)random_below(&t->random, body + 1);
		break;
	default:
		bytes = (uint32_t)random_below(&t->random, 80);
	}
	return bytes < most ? bytes : most;
}

static void borrow(struct trial *t, struct source *s)
{
	struct loan_out *out = &s->out[s->out_count];
	int result;

	out->bytes = draw_bytes(t);
	result = msg_transmitter_lend(
		&s->transmitter, out->bytes, &out->loan);
	if (result == -MSG_ERROR_AGAIN ||
		(memory_wire_options.refuse && result == -MSG_ERROR_FABRIC))
		return;
	MUST(t, result == 0);
	MUST(t, out->loan.capacity >= out->bytes);
	MUST(t, (uintptr_t)out->loan.data % 8 == 0);
	/* The whole loan may be written, and at any time. */
	memset(out->loan.data, 0xa5, out->loan.capacity);
	s->out_count++;
}

static void hand_in(struct trial *t, struct source *s)
{
	uint32_t which = (uint32_t)random_below(&t->random, s->out_count);
	struct loan_out out = s->out[which];
	struct msg_transmitter *x = &s->transmitter;
	uint64_t index = msg_lender_next(&x->lender) - s->first;
	int result;

	s->out[which] = s->out[--s->out_count];
	if (index == MESSAGES_MAX || random_chance(&t->random, 60)) {
		msg_transmitter_abandon(x, &out.loan);
		MUST(t, out.loan.data == NULL);
		return;
	}
	s->lengths[index] = out.bytes;
	fill(out.loan.data, out.bytes, msg_lender_next(&x->lender), x->options.publisher);
	result = random_chance(&t->random, 300)
			 ? msg_transmitter_send(x, &out.loan, out.bytes)
			 : msg_transmitter_queue(x, &out.loan, out.bytes);
	MUST(t, result == 0 ||
		(memory_wire_options.refuse && result == -MSG_ERROR_FABRIC));
	MUST(t, out.loan.data == NULL && out.loan.opaque == 0);
	MUST(t, msg_lender_next(&x->lender) - s->first == index + 1);
}

static void publish(struct trial *t)
{
	struct source *s = &t->sources[random_below(&t->random, PUBLISHERS)];

	if (s->out_count > 0 &&
		(s->out_count == LOANS_MAX || random_chance(&t->random, 600)))
		hand_in(t, s);
	else if (s->out_count < LOANS_MAX)
		borrow(t, s);
	if (random_chance(&t->random, 30))
		msg_transmitter_flush(&s->transmitter);
}

/* ---- a trial ----------------------------------------------------------- */

static void open_sources(struct trial *t, struct msg_link_domain *domain,
	const struct profile *profile)
{
	for (uint32_t i = 0; i < PUBLISHERS; i++) {
		struct source *s = &t->sources[i];
		struct msg_transmit_options options = {
			.frame_bytes = t->frame_bytes,
			.message_bytes_max = t->message_bytes_max,
			.loan_count_max = 2 + (uint32_t)random_below(
						      &t->random, 30),
			.tag = TAG,
			.publisher = i + 1,
			.first_sequence = profile->first_sequence,
		};

		s->first = s->expected = options.first_sequence;
		MUST(t, msg_transmitter_open(&s->transmitter, &options) == 0);
		s->link = memory_link_open(domain,
			s->transmitter.lender.pool.region.base,
			s->transmitter.lender.pool.region.bytes, 0,
			msg_transmitter_depth(&s->transmitter));
		MUST(t, msg_transmitter_start(&s->transmitter, s->link,
				memory_link_join(s->link, GROUP,
					MSG_LINK_JOIN_SEND)) == 0);
	}
}

static void open_receiver(struct trial *t, struct msg_link_domain *domain,
	const struct profile *profile)
{
	struct msg_receive_options options = {
		.frame_bytes = t->frame_bytes,
		.buffer_count = profile->buffers,
		.message_bytes_max = profile->small_view
					     ? t->frame_bytes
					     : t->message_bytes_max,
		.publisher_count_max = PUBLISHERS,
		.topic_count_max = 1,
		.reorder_ns = profile->reorder_ns,
	};

	MUST(t, msg_direct_open(&t->direct, &options) == 0);
	t->link = memory_link_open(domain, t->direct.receiver.pool.region.base,
		t->direct.receiver.pool.region.bytes, profile->buffers, 0);
	MUST(t, msg_receiver_accept(&t->direct.receiver, TAG, 5));
	MUST(t, msg_receiver_start(&t->direct.receiver, t->link) == 0);
	memory_link_join(t->link, GROUP, MSG_LINK_JOIN_RECEIVE);
}

static void tell(struct trial *t, const struct source *s)
{
	struct msg_frame frame = {
		.tag = TAG, .publisher = s->transmitter.options.publisher};

	msg_receiver_evidence(&t->direct.receiver, &frame, 1,
		msg_counter_get(&s->transmitter.sent), true, false);
}

static uint64_t counter(struct trial *t, int index)
{
	return msg_counter_get(&t->direct.receiver.counters[index]);
}

static void settle(struct trial *t)
{
	for (int i = 0; i < PUBLISHERS; i++) {
		struct source *s = &t->sources[i];

		while (s->out_count > 0)
			hand_in(t, s);
	}
	/* From here on the wire is good and every frame arrives. */
	memory_wire_options.again = 0;
	memory_wire_options.refuse = 0;
	for (int i = 0; i < PUBLISHERS; i++) {
		msg_transmitter_linger(
			&t->sources[i].transmitter, MSG_NS_PER_S);
		MUST(t, t->sources[i].transmitter.flight_head ==
				t->sources[i].transmitter.flight_tail);
		MUST(t, t->sources[i].transmitter.lender.pool.free_count ==
				t->sources[i].transmitter.lender.pool.count);
	}
	take_all(t);
	for (int i = 0; i < PUBLISHERS; i++)
		tell(t, &t->sources[i]);
	take_all(t);
}

static void check_books(struct trial *t, const struct profile *profile)
{
	uint64_t published = 0, taken = 0, told = 0, tail = 0;

	for (int i = 0; i < PUBLISHERS; i++) {
		struct source *s = &t->sources[i];
		const struct msg_stream *stream = msg_stream_find(
			&t->direct.receiver.streams, (uint32_t)i + 1, TAG);

		MUST(t, stream != NULL);
		published += msg_lender_next(&s->transmitter.lender) - s->first;
		taken += s->taken;
		told += s->lost;
		tail += stream->lost;
		MUST(t, s->expected + stream->lost == msg_lender_next(&s->transmitter.lender));
	}
	MUST(t, taken + told + tail == published);
	MUST(t, counter(t, MSG_COUNTER_LOST) == told + tail);
	MUST(t, counter(t, MSG_COUNTER_MESSAGES) == taken);
	if (profile->lossless)
		MUST(t, told + tail == 0);
	if (profile->wire.reorder == 0 && profile->wire.repeat == 0 &&
		profile->lossless)
		MUST(t, counter(t, MSG_COUNTER_LATE) == 0);
	if (profile->wire.reorder == 0)
		MUST(t, counter(t, MSG_COUNTER_REORDERED) == 0);
	/* Every buffer came home. */
	MUST(t, t->direct.receiver.held_slots == 0);
	MUST(t, t->direct.receiver.assembly_slots[false] == 0);
	MUST(t, !msg_inbox_busy(&t->direct.inbox));
	MUST(t, atomic_load(&t->direct.inbox.refused) == 0);
}

static void run_trial(uint64_t seed, const struct profile *profile)
{
	static const uint32_t frames[] = {256, 257, 300, 1000, 1024, 4096};
	static struct trial trial;
	struct memory_wire_options wire = profile->wire;
	struct msg_link_domain *domain;
	struct trial *t = &trial;

	memset(t, 0, sizeof *t);
	t->seed = seed;
	t->random.state = seed;
	wire.seed = seed + 1;
	memory_wire_reset(&wire);
	t->frame_bytes = frames[random_below(&t->random, 6)];
	/* What is held and what is assembled must fit where all must arrive. */
	t->message_bytes_max =
		1 + (uint32_t)random_below(&t->random,
			    (profile->buffers / (profile->lossless ? 32 : 4)) *
				    (t->frame_bytes - 96));
	domain = memory_domain_open(t->frame_bytes);
	open_receiver(t, domain, profile);
	open_sources(t, domain, profile);
	for (int i = 0; i < PUBLISHERS; i++)
		tell(t, &t->sources[i]);
	for (int i = 0; i < 1500; i++) {
		publish(t);
		if (random_chance(&t->random, 400))
			take(t, 17);
		if (random_chance(&t->random, 3))
			tell(t, &t->sources[i % PUBLISHERS]);
		if (profile->lossless)
			while (take(t, 17) > 0)
				;
	}
	settle(t);
	check_books(t, profile);
	for (int i = 0; i < PUBLISHERS; i++) {
		t->sources[i].link->ops->close(t->sources[i].link);
		msg_transmitter_close(&t->sources[i].transmitter);
	}
	t->link->ops->close(t->link);
	msg_direct_close(&t->direct);
	domain->ops->close(domain);
}

static void run_trials(int count, const struct profile *profile)
{
	count = (count + MSG_TEST_FEWER - 1) / MSG_TEST_FEWER;
	for (int i = 0; i < count; i++)
		run_trial(check_seed() + (uint64_t)i, profile);
}

/* ---- the profiles ------------------------------------------------------ */

START_TEST(a_good_wire_loses_nothing)
{
	run_trials(40, &(struct profile){.lossless = true,
			       .buffers = 256,
			       .reorder_ns = 1000,
			       .wire = {.queue_frames = 4096}});
}
END_TEST

START_TEST(a_slow_wire_loses_nothing)
{
	run_trials(40, &(struct profile){.lossless = true,
			       .buffers = 256,
			       .reorder_ns = MSG_NS_PER_S,
			       .wire = {.lag = true, .queue_frames = 4096}});
}
END_TEST

START_TEST(a_wire_that_is_often_full_loses_nothing)
{
	run_trials(40, &(struct profile){.lossless = true,
			       .buffers = 256,
			       .reorder_ns = MSG_NS_PER_S,
			       .wire = {.lag = true,
				       .again = 500,
				       .send_limit = 8,
				       .queue_frames = 4096}});
}
END_TEST

START_TEST(reordering_within_the_allowance_loses_nothing)
{
	run_trials(40, &(struct profile){.lossless = true,
			       .buffers = 256,
			       .reorder_ns = 60 * MSG_NS_PER_S,
			       .wire = {.reorder = 300,
				       .repeat = 100,
				       .queue_frames = 4096}});
}
END_TEST

START_TEST(every_loss_is_told_exactly)
{
	static const unsigned rates[] = {1, 10, 100, 500, 900};

	for (int i = 0; i < 5; i++)
		run_trials(12, &(struct profile){.buffers = 256,
				       .reorder_ns = 1000,
				       .wire = {.lose = rates[i],
					       .repeat = 50,
					       .reorder = 100,
					       .cut = 20,
					       .lag = i % 2,
					       .again = 100}});
}
END_TEST

START_TEST(loss_alone_is_not_reordering)
{
	run_trials(20, &(struct profile){.buffers = 256,
			       .reorder_ns = 1000,
			       .wire = {.lose = 100}});
}
END_TEST

START_TEST(frames_that_fail_to_leave_are_lost_and_told)
{
	run_trials(30, &(struct profile){.buffers = 256,
			       .reorder_ns = 1000,
			       .wire = {.fail = 100,
				       .refuse = 50,
				       .lag = true}});
}
END_TEST

START_TEST(too_few_buffers_cost_whole_messages)
{
	run_trials(40, &(struct profile){.buffers = 40,
			       .reorder_ns = 1000,
			       .wire = {.queue_frames = 64}});
}
END_TEST

START_TEST(messages_too_large_are_lost_once)
{
	run_trials(30, &(struct profile){.buffers = 256,
			       .small_view = true,
			       .reorder_ns = 1000,
			       .wire = {.lose = 30}});
}
END_TEST

START_TEST(sequences_wrap)
{
	static const uint64_t ends[] = {
		UINT64_C(1) << 32, UINT64_C(1) << 63, 0};

	for (int i = 0; i < 3; i++) {
		uint64_t first = ends[i] - 1 - check_seed() % 100;

		run_trials(8, &(struct profile){.buffers = 256,
				      .reorder_ns = 60 * MSG_NS_PER_S,
				      .lossless = true,
				      .first_sequence = first,
				      .wire = {.reorder = 100,
					      .queue_frames = 4096}});
		run_trials(8, &(struct profile){.buffers = 256,
				      .reorder_ns = 1000,
				      .first_sequence = first,
				      .wire = {.lose = 100,
					      .reorder = 100}});
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flow");
	TCase *good = check_case(suite, "good", 60);
	TCase *bad = check_case(suite, "bad", 60);

	tcase_add_test(good, a_good_wire_loses_nothing);
	tcase_add_test(good, a_slow_wire_loses_nothing);
	tcase_add_test(good, a_wire_that_is_often_full_loses_nothing);
	tcase_add_test(good, reordering_within_the_allowance_loses_nothing);
	tcase_add_test(bad, every_loss_is_told_exactly);
	tcase_add_test(bad, loss_alone_is_not_reordering);
	tcase_add_test(bad, frames_that_fail_to_leave_are_lost_and_told);
	tcase_add_test(bad, too_few_buffers_cost_whole_messages);
	tcase_add_test(bad, messages_too_large_are_lost_once);
	tcase_add_test(bad, sequences_wrap);
	return check_main(suite, NULL);
}
