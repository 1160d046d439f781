/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover_oracle.c - thousands of random reliable streams over bad networks.
 *
 * A trial is a publisher and a network, bad by seed and cut for a while
 * (recover_publisher.c), and the reader of support/follower.c.  The oracle knows
 * what was published, and says:
 *
 *   always         what was delivered is what was published, in order, once,
 *                  and each message from the begin to the position was
 *                  delivered or counted lost;
 *   history holds  nothing is lost, and the position gets to the end of the
 *   and time does  stream, whatever the network did meanwhile;
 *   without        no more is repaired than was lost or had no room, and if
 *   reordering     nothing was lost, nothing is asked for.
 *
 * A trial is its seed: MSG_TEST_SEED replays it as the first.
 */
#include "recover_oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recover_trial.h"

#define TRIALS 4000u
#define SECOND UINT64_C(1000000000)
#define END (20 * SECOND) /* Of a trial at the latest. */

static struct trial trial;

/* ---- reading ----------------------------------------------------------- */

/* Some of what is missing, if the connection is there just now. */
static void fetch(struct trial *t)
{
	struct msg_recover *r = &t->follower.recover;
	struct event *event;
	uint64_t from;
	uint32_t count;

	if (!t->shelf)
		return;
	if (random_chance(&t->random, 20))
		msg_recover_fetches(r, up_to(t, 1), t->now);
	count = msg_recover_fetch(r, 1 + (uint32_t)up_to(t, 100), &from);
	if (count == 0)
		return;
	event = trial_add(t, EVENT_FETCHED, trial_arrival(t));
	event->fetched = (uint32_t)from - (uint32_t)t->first_frame;
	event->count = count;
}

/* They are here, but those that are gone; or the connection broke. */
static void fetched(struct trial *t, const struct event *event)
{
	struct msg_recover *r = &t->follower.recover;

	if (random_chance(&t->random, 100)) {
		msg_recover_fetches(r, false, t->now);
		return;
	}
	for (uint32_t i = 0; i < event->count; i++) {
		uint32_t at = event->fetched + i;
		struct msg_frame frame = {
			.type = MSG_FRAME_SINGLE,
			.flags = MSG_FRAME_RELIABLE | MSG_FRAME_REPAIR,
			.transmission = (uint32_t)t->first_frame + at,
		};

		MUST(at < t->sent_count);
		if (at < trial_oldest(t))
			continue;
		frame.sequence = (uint64_t)r->serial << 32 |
				 (uint32_t)t->frames[at].sequence;
		follower_frame(&t->follower, &frame, &t->frames[at].body,
			t->now);
		t->read++;
	}
	msg_recover_unfetch(r, t->now);
}

/* ---- the trial --------------------------------------------------------- */

static void choose_weather(struct trial *t)
{
	struct weather *w = &t->weather;

	w->loss = up_to(t, 2) ? (unsigned)up_to(t, 300) : 0;
	w->back_loss = up_to(t, 2) ? (unsigned)up_to(t, 300) : 0;
	w->duplicate = up_to(t, 1) ? (unsigned)up_to(t, 300) : 0;
	w->interval = up_to(t, 1) ? up_to(t, 2000) : up_to(t, 200000);
	w->delay = up_to(t, 3) ? up_to(t, 100000) : up_to(t, 20000000);
	w->jitter = up_to(t, 2) ? up_to(t, 8 * (w->interval + 1)) : 0;
	w->cut = up_to(t, 20000000);
	w->cut_ns = up_to(t, 3) ? 0 : up_to(t, 2 * SECOND);
}

static void choose_options(struct trial *t)
{
	t->options = (struct msg_recover_options){
		.window = 16u << up_to(t, 4),
		.receiver = random_next(&t->random),
		.reorder_ns = up_to(t, 1) ? 0 : up_to(t, 50000),
		.give_up_ns = up_to(t, 3) ? 2 * SECOND : up_to(t, 20000000),
		.history = up_to(t, 1) ? 0 : (uint32_t)up_to(t, 500),
		.tagged = up_to(t, 1),
		.seed = random_next(&t->random),
		.reach = {.bytes = 1},
	};
}

static void compose(struct trial *t)
{
	unsigned packed = (unsigned)up_to(t, 500);
	unsigned fragmented = (unsigned)up_to(t, 300);
	uint64_t sequence = t->first_sequence;
	uint32_t i = 0;

	t->frame_count = 20 + (uint32_t)up_to(t, TRIAL_FRAMES_MAX - 60);
	while (i < t->frame_count) {
		uint32_t parts = 1, count = 1;

		if (random_chance(&t->random, packed))
			count = 2 + (uint32_t)up_to(t, 20);
		if (random_chance(&t->random, fragmented))
			parts = 2 + (uint32_t)up_to(t, 30);
		for (uint32_t p = 0; p < parts; p++) {
			struct sent *sent = &t->frames[i++];

			memset(sent, 0, sizeof *sent);
			sent->sequence = sequence;
			sent->body.count = parts == 1 ? count : 0;
			sent->body.fragment =
				(struct msg_fragment){8 * parts, 8 * p, 8};
		}
		sequence += parts == 1 ? count : 1;
	}
	t->frame_count = i;
}

static void delivered(void *context, const struct msg_frame *frame,
	const struct msg_span *span, uint64_t lost)
{
	struct trial *t = context;
	uint32_t i = frame->transmission - (uint32_t)t->first_frame;
	const struct sent *sent = &t->frames[i];

	(void)lost;
	MUST(i < t->sent_count);
	MUST(span->sequence == sent->sequence);
	if (sent->body.count > 0)
		MUST(span->end_sequence == sent->sequence + sent->body.count);
	else
		MUST(span->offset == sent->body.fragment.offset);
}

static void happen(struct trial *t, const struct event *event)
{
	struct follower *f = &t->follower;

	switch (event->kind) {
	case EVENT_PUBLISH:
		trial_publish(t);
		break;
	case EVENT_PROBE_DUE:
		trial_probe_due(t, event);
		break;
	case EVENT_REPORT:
		trial_reported(t, &event->report);
		break;
	case EVENT_FRAME:
		follower_frame(f, &event->frame, &event->body, t->now);
		break;
	case EVENT_PROBE:
		MUST(follower_probe(f, &event->probe, t->now));
		break;
	case EVENT_FETCHED:
		fetched(t, event);
		break;
	}
}

/* What the reader has to say now, or at its deadline. */
static void listen(struct trial *t)
{
	struct msg_report report;

	while (follower_report(&t->follower, t->now, &report)) {
		for (unsigned n = trial_copies(t, t->weather.back_loss); n > 0; n--)
			trial_add(t, EVENT_REPORT, trial_arrival(t))->report =
				report;
	}
}

static bool is_done(const struct trial *t)
{
	const struct msg_recover *r = &t->follower.recover;

	return t->sent_count == t->frame_count && r->started &&
	       (uint32_t)r->next == (uint32_t)(t->first_frame + t->frame_count);
}

/* Whichever comes first: an event, or the reader's deadline.  Probes go on for
 * ever, so there always is an event. */
static void run(struct trial *t)
{
	while (!is_done(t) && t->now < END) {
		uint64_t due = msg_recover_deadline(&t->follower.recover);
		uint32_t first = trial_earliest(t);
		struct event event = t->events[first];

		if (due < event.at) {
			t->now = due > t->now ? due : t->now;
		} else {
			t->now = event.at;
			t->events[first] = t->events[--t->event_count];
			happen(t, &event);
		}
		fetch(t);
		listen(t);
	}
}

/* Anywhere, or so that the numbers straddle a wrap. */
static uint64_t choose_first(struct trial *t, unsigned bits)
{
	if (up_to(t, 1))
		return random_next(&t->random);
	return (bits < 64 ? UINT64_C(1) << bits : 0) - up_to(t, 300);
}

static void run_trial(struct trial *t, uint64_t seed)
{
	t->random.state = seed;
	choose_weather(t);
	choose_options(t);
	t->first_frame = choose_first(t, 32);
	t->first_sequence = choose_first(t, up_to(t, 1) ? 32 : 64);
	compose(t);
	t->kept_count = up_to(t, 3) ? TRIAL_FRAMES_MAX
				    : 20 + (uint32_t)up_to(t, 200);
	t->flow = up_to(t, 1);
	t->crowd = up_to(t, 3) == 0;
	t->shelf = up_to(t, 1);
	t->serial = up_to(t, 1) ? 0 : UINT32_MAX - 5;
	t->now = 1000 + up_to(t, 1000);
	t->sent_count = t->event_count = 0;
	t->repairs = t->asked_to_join = t->dropped = t->read = 0;
	t->probe_ns = 20000;
	follower_start(&t->follower, &t->options, delivered, t);
	trial_send_probe(t, 0, 0);
	trial_schedule_probe(t);
	trial_add(t, EVENT_PUBLISH, t->now + up_to(t, 40000));
	run(t);
}

static bool should_be_complete(const struct trial *t)
{
	return t->kept_count == TRIAL_FRAMES_MAX &&
	       t->options.give_up_ns == 2 * SECOND;
}

/* On a network that keeps the order a repair answers a loss, one for one. */
static void check_economy(const struct trial *t)
{
	const struct weather *w = &t->weather;
	const struct msg_recover_counts *counts = &t->follower.recover.counts;

	if (w->jitter > 0 || t->options.history > 0)
		return;
	MUST(t->repairs <= t->dropped + counts->beyond);
	if (w->loss == 0 && w->cut_ns == 0)
		MUST(counts->naks == 0);
}

START_TEST(random_reliable_streams_satisfy_the_oracle)
{
	struct trial *t = &trial;
	unsigned complete = 0, lossy = 0, gone = 0, joined = 0;
	uint64_t repairs = 0, asked = 0, read = 0;

	for (unsigned i = 0; i < TRIALS; i++) {
		const struct msg_recover *r = &t->follower.recover;

		must_seed = check_seed() + i;
		run_trial(t, must_seed);
		if (should_be_complete(t)) {
			complete++;
			MUST(is_done(t));
			MUST(r->lost_total == 0);
			MUST(r->sequence == trial_message_of(t, t->frame_count));
		}
		check_economy(t);
		lossy += r->lost_total > 0;
		gone += r->counts.gone > 0;
		joined += t->asked_to_join > 0;
		repairs += t->repairs;
		asked += r->counts.asked;
		read += t->read;
		follower_tick(&t->follower, UINT64_MAX);
		MUST(msg_recover_deadline(r) == UINT64_MAX ||
			r->reach.bytes > 0);
	}
	printf("%u trials: %u complete, %u with loss, %u with gone, "
	       "%u joined, %llu asked, %llu repairs, %llu read\n",
		TRIALS, complete, lossy, gone, joined,
		(unsigned long long)asked, (unsigned long long)repairs,
		(unsigned long long)read);
	ck_assert_uint_gt(read, TRIALS);
	ck_assert_uint_gt(complete, TRIALS / 4);
	ck_assert_uint_gt(lossy, TRIALS / 50);
	ck_assert_uint_gt(gone, TRIALS / 100);
	ck_assert_uint_gt(joined, TRIALS / 4);
}
END_TEST

static void ignore(void *context, const struct msg_frame *frame,
	const struct msg_span *span, uint64_t lost)
{
	(void)context;
	(void)frame;
	(void)span;
	(void)lost;
}

static void hostile_frame(struct trial *t, uint64_t base)
{
	uint64_t near = base + up_to(t, 40);
	struct msg_frame frame = {.type = MSG_FRAME_SINGLE,
		.flags = (uint8_t[]){0, 1, 1, 1, 3}[up_to(t, 4)],
		.transmission = (uint32_t)near,
		.sequence = near + up_to(t, 3)};
	struct follower_body body = {
		(uint32_t)up_to(t, 3), {24, 8 * (uint32_t)up_to(t, 2), 8}};

	if (random_chance(&t->random, 50))
		frame.transmission = (uint32_t)random_next(&t->random);
	if (random_chance(&t->random, 50))
		frame.sequence = random_next(&t->random);
	follower_frame(&t->follower, &frame, &body, t->now);
}

static void hostile_probe(struct trial *t, uint64_t base)
{
	uint64_t next = base + up_to(t, 60), first = up_to(t, 60);
	struct msg_probe p = {
		.incarnation = up_to(t, 9) > 0,
		.stamp = t->now + up_to(t, 100),
		.next = (uint32_t)next,
		.next_sequence = next + up_to(t, 40),
		.first = (uint32_t)(next - first),
		.first_sequence = next - first + up_to(t, 40),
		.serial = (uint32_t)up_to(t, 10),
		.period_ms = 10,
		.flags = (uint8_t)random_next(&t->random) & MSG_PROBE_FLAGS,
		.reach.bytes = (uint8_t)up_to(t, 1),
	};

	if (random_chance(&t->random, 50)) {
		p.next = (uint32_t)random_next(&t->random);
		p.first = p.next - (uint32_t)up_to(t, INT32_MAX);
	}
	follower_probe(&t->follower, &p, t->now);
}

/* What nobody would send, over a few places, so that it collides a lot. */
START_TEST(hostile_frames_and_probes_never_upset_the_books)
{
	struct trial *t = &trial;

	for (unsigned i = 0; i < TRIALS; i++) {
		uint64_t base;

		must_seed = check_seed() + i;
		t->random.state = must_seed;
		base = random_next(&t->random);
		choose_options(t);
		t->options.window = 16;
		t->now = up_to(t, 1000);
		follower_start(&t->follower, &t->options, ignore, t);
		for (unsigned j = 0; j < 80; j++) {
			struct msg_report report;

			if (random_chance(&t->random, 800))
				hostile_frame(t, base);
			else
				hostile_probe(t, base);
			t->now += up_to(t, 1) ? up_to(t, 20) : up_to(t, SECOND);
			base += up_to(t, 2);
			while (up_to(t, 1) &&
				follower_report(&t->follower, t->now, &report))
				;
		}
		follower_tick(&t->follower, UINT64_MAX);
	}
}
END_TEST

void add_oracle_tests(Suite *suite)
{
	TCase *oracle = check_case(suite, "oracle", 280);

	tcase_add_test(oracle, random_reliable_streams_satisfy_the_oracle);
	tcase_add_test(oracle, hostile_frames_and_probes_never_upset_the_books);
}
