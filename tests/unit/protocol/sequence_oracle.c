/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sequence_oracle.c - thousands of random streams over random networks.
 *
 * A trial publishes messages of all kinds, lets a network lose, double, delay
 * and reorder their frames and the announcements, and hands what is left to
 * the reader of support/receiver.c.  The oracle knows what was published and
 * what the network did, and says:
 *
 *   always     each message from where the stream began to where it stands was
 *              either delivered, once, whole and in order, or counted lost;
 *   in gentle  (nothing that came was overtaken by more frames than the window
 *   weather    holds, or came later than the allowance after news of it)
 *              lost are exactly the messages of which the network dropped a
 *              frame, and the position reaches everything that was heard of.
 *
 * A trial is its seed: MSG_TEST_SEED replays it as the first.
 */
#include "sequence_oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "receiver.h"

#define TRIALS 20000u
#define FRAMES_MAX 400u
#define MESSAGES_MAX 6000u
#define EVENTS_MAX (3 * FRAMES_MAX)

/* What the trial's network and publisher are like. */
struct weather {
	unsigned loss, duplicate, announce; /* Per mille, of each frame. */
	uint64_t interval;                  /* Between frames, at most. */
	uint64_t delay;                     /* Of a frame, at most. */
	uint64_t announce_delay;
	uint64_t allowance;
};

struct frame {
	struct msg_span span;
	bool came;          /* At least one copy arrived. */
	uint64_t came_at;   /* The first of them. */
	unsigned overtaken; /* By how many later frames before that. */
	uint64_t deadline;  /* When somebody may give it up. */
};

enum event_kind {
	EVENT_FRAME,
	EVENT_TOLD,
	EVENT_TICK
};

struct event {
	uint64_t at;
	unsigned order; /* Ties keep the order of making. */
	enum event_kind kind;
	uint32_t frame; /* Which came, or how many were sent when told. */
};

struct trial {
	struct random_stream random;
	struct weather weather;
	uint64_t first; /* Sequence of message 0. */
	uint32_t frame_count;
	uint32_t event_count;
	struct frame frames[FRAMES_MAX];
	struct event events[EVENTS_MAX];
	bool torn[MESSAGES_MAX];      /* The network dropped a part. */
	bool delivered[MESSAGES_MAX]; /* Whole. */
	uint64_t message_count;
	struct receiver receiver;
};

static struct trial trial;

static uint64_t up_to(struct trial *t, uint64_t most)
{
	return random_below(&t->random, most + 1);
}

static void choose_weather(struct trial *t)
{
	struct weather *w = &t->weather;

	w->loss = up_to(t, 2) ? (unsigned)up_to(t, 300) : 0;
	w->duplicate = up_to(t, 1) ? (unsigned)up_to(t, 300) : 0;
	w->announce = up_to(t, 1) ? (unsigned)up_to(t, 200) : 0;
	w->interval = up_to(t, 20);
	w->delay = up_to(t, 2) ? up_to(t, 8 * (w->interval + 1)) : 0;
	w->announce_delay = up_to(t, 1) ? up_to(t, 200) : 0;
	/* None, roughly the delay, or plenty. */
	switch (up_to(t, 3)) {
	case 0:
		w->allowance = 0;
		break;
	case 1:
		w->allowance = up_to(t, 2 * w->delay);
		break;
	default:
		w->allowance = w->delay + 200 + up_to(t, 1000);
		break;
	}
}

/* Anywhere, or so that the stream straddles 2^32, 2^63 or 2^64. */
static uint64_t choose_first(struct trial *t)
{
	static const uint64_t wraps[] = {
		0, UINT64_C(1) << 32, UINT64_C(1) << 63};
	uint64_t which = up_to(t, 4);

	if (which < 3)
		return wraps[which] - up_to(t, 300);
	return which == 3 ? 0 : random_next(&t->random);
}

static void add_frame(struct trial *t, struct msg_span span)
{
	t->frames[t->frame_count++] =
		(struct frame){.span = span, .deadline = UINT64_MAX};
}

static void add_fragments(struct trial *t, uint64_t sequence)
{
	uint32_t part = 1 + (uint32_t)up_to(t, 50);
	uint32_t parts = 2 + (uint32_t)up_to(t, up_to(t, 9) ? 5 : 60);
	uint32_t total = part * (parts - 1) + 1 + (uint32_t)up_to(t, part - 1);

	for (uint32_t offset = 0; offset < total; offset += part) {
		uint32_t left = total - offset;
		const struct msg_fragment fragment = {
			total, offset, left < part ? left : part};

		add_frame(t, msg_span_fragment(sequence, &fragment));
	}
}

static void publish(struct trial *t)
{
	uint32_t goal = 1 + (uint32_t)up_to(t, FRAMES_MAX - 100);
	unsigned packed = (unsigned)up_to(t, 500);
	unsigned fragmented = (unsigned)up_to(t, 300);

	t->frame_count = 0;
	t->message_count = 0;
	while (t->frame_count < goal) {
		uint64_t sequence = t->first + t->message_count;
		uint32_t count = 1;

		if (random_chance(&t->random, fragmented)) {
			add_fragments(t, sequence);
		} else {
			if (random_chance(&t->random, packed))
				count = 2 + (uint32_t)up_to(t, 13);
			add_frame(t, msg_span_messages(sequence, count));
		}
		t->message_count += count;
	}
	MUST(t->frame_count <= FRAMES_MAX);
	MUST(t->message_count <= MESSAGES_MAX);
}

static void add_event(
	struct trial *t, enum event_kind kind, uint64_t at, uint32_t frame)
{
	if (t->event_count == EVENTS_MAX)
		return;
	t->events[t->event_count] = (struct event){.at = at,
		.order = t->event_count,
		.kind = kind,
		.frame = frame};
	t->event_count++;
}

static int by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static void transmit(struct trial *t)
{
	const struct weather *w = &t->weather;
	uint64_t now = up_to(t, 1) ? up_to(t, 1000) : 0;

	t->event_count = 0;
	for (uint32_t i = 0; i < t->frame_count; i++) {
		if (random_chance(&t->random, w->announce))
			add_event(t, EVENT_TOLD,
				now + up_to(t, w->announce_delay), i);
		if (!random_chance(&t->random, w->loss))
			add_event(t, EVENT_FRAME, now + up_to(t, w->delay), i);
		if (random_chance(&t->random, w->duplicate))
			add_event(t, EVENT_FRAME,
				now + up_to(t, 2 * w->delay + 50), i);
		if (random_chance(&t->random, 100))
			add_event(t, EVENT_TICK, now + up_to(t, w->delay), i);
		now += up_to(t, w->interval);
	}
	if (w->announce)
		add_event(
			t, EVENT_TOLD, now + w->announce_delay, t->frame_count);
	qsort(t->events, t->event_count, sizeof t->events[0], by_time);
}

/* The first message of which frame i carries something. */
static uint64_t message_of(const struct trial *t, uint32_t i)
{
	return i == t->frame_count ? t->message_count
				   : t->frames[i].span.sequence - t->first;
}

/* Which frames came, when, past how many others, and from when on somebody who
 * heard of them may have given them up: in the world's terms, not in those of
 * the code under test. */
static void observe(struct trial *t)
{
	memset(t->torn, 0, sizeof t->torn);
	for (uint32_t e = 0; e < t->event_count; e++) {
		const struct event *event = &t->events[e];
		struct frame *f = &t->frames[event->frame];

		if (event->kind == EVENT_TICK ||
			(event->kind == EVENT_FRAME && f->came))
			continue;
		if (event->kind == EVENT_FRAME) {
			f->came = true;
			f->came_at = event->at;
		}
		for (uint32_t i = 0; i < event->frame; i++) {
			struct frame *before = &t->frames[i];

			if (before->came)
				continue;
			before->overtaken += event->kind == EVENT_FRAME;
			if (event->at + t->weather.allowance < before->deadline)
				before->deadline =
					event->at + t->weather.allowance;
		}
	}
	for (uint32_t i = 0; i < t->frame_count; i++) {
		const struct msg_span *span = &t->frames[i].span;
		uint64_t end = span->end_sequence + (span->end_offset > 0);

		for (uint64_t s = span->sequence; s != end; s++)
			t->torn[s - t->first] |= !t->frames[i].came;
	}
}

/* Whether all that came, came within the window and the allowance. */
static bool was_gentle(const struct trial *t)
{
	for (uint32_t i = 0; i < t->frame_count; i++) {
		const struct frame *f = &t->frames[i];

		if (f->came && (f->overtaken > MSG_SEQUENCE_WINDOW ||
				       f->came_at >= f->deadline))
			return false;
	}
	return true;
}

/* The receiver has checked order and wholeness: each frame begins where the
 * one before ended, or at a message behind a loss. */
static void record(void *context, const struct msg_span *span, uint64_t lost)
{
	struct trial *t = context;

	(void)lost;
	for (uint64_t s = span->sequence; s != span->end_sequence; s++) {
		MUST(s - t->first < t->message_count);
		MUST(!t->delivered[s - t->first]);
		t->delivered[s - t->first] = true;
	}
}

static void receive(struct trial *t)
{
	memset(t->delivered, 0, sizeof t->delivered);
	receiver_start(&t->receiver, t->weather.allowance, record, t);
	for (uint32_t e = 0; e < t->event_count; e++) {
		const struct event *event = &t->events[e];

		switch (event->kind) {
		case EVENT_FRAME:
			receiver_frame(&t->receiver,
				&t->frames[event->frame].span, event->at);
			break;
		case EVENT_TOLD:
			receiver_told(&t->receiver,
				t->first + message_of(t, event->frame),
				event->at);
			break;
		case EVENT_TICK:
			receiver_tick(&t->receiver, event->at);
			break;
		}
	}
	receiver_tick(&t->receiver, UINT64_MAX);
}

/* Every message from the start to the position was delivered or counted. */
static void check_books(const struct trial *t)
{
	const struct receiver *r = &t->receiver;
	uint64_t from = r->first - t->first;
	uint64_t to = r->sequence.sequence - t->first;
	uint64_t missing = 0;

	if (!r->begun)
		return;
	MUST(from <= to);
	MUST(to <= t->message_count);
	for (uint64_t m = 0; m < t->message_count; m++) {
		if (m < from || m >= to)
			MUST(!t->delivered[m]);
		else
			missing += !t->delivered[m];
	}
	MUST(missing == r->sequence.lost_total);
}

/* In gentle weather exactly what the network dropped is lost, and the position
 * reaches all that was heard of. */
static void check_no_invented_loss(const struct trial *t)
{
	const struct receiver *r = &t->receiver;
	uint64_t from = r->first - t->first;
	uint64_t to = r->sequence.sequence - t->first;

	if (!r->begun)
		return;
	for (uint64_t m = from; m < to; m++)
		MUST(t->delivered[m] == !t->torn[m]);
	for (uint32_t e = 0; e < t->event_count; e++)
		if (t->events[e].kind == EVENT_TOLD)
			MUST(message_of(t, t->events[e].frame) <= to);
	for (uint32_t i = 0; i < t->frame_count; i++)
		if (t->frames[i].came)
			MUST(message_of(t, i) <= to);
}

static bool run_trial(uint64_t seed)
{
	struct trial *t = &trial;
	bool gentle;

	t->random.state = seed;
	choose_weather(t);
	t->first = choose_first(t);
	publish(t);
	transmit(t);
	observe(t);
	receive(t);
	check_books(t);
	gentle = was_gentle(t);
	if (gentle)
		check_no_invented_loss(t);
	return gentle;
}

START_TEST(random_streams_over_random_networks_satisfy_the_oracle)
{
	unsigned gentle = 0, lossy = 0, wrapped = 0;

	for (unsigned i = 0; i < TRIALS; i++) {
		must_seed = check_seed() + i;
		gentle += run_trial(must_seed);
		lossy += trial.receiver.sequence.lost_total > 0;
		wrapped +=
			trial.receiver.begun &&
			trial.receiver.sequence.sequence < trial.receiver.first;
	}
	printf("%u trials: %u gentle, %u with loss, %u wrapped\n", TRIALS,
		gentle, lossy, wrapped);
	/* The weather must not drift to where nothing is tested. */
	ck_assert_uint_gt(gentle, TRIALS / 10);
	ck_assert_uint_gt(TRIALS - gentle, TRIALS / 10);
	ck_assert_uint_gt(lossy, TRIALS / 4);
	ck_assert_uint_gt(wrapped, TRIALS / 50);
}
END_TEST

static void ignore(void *context, const struct msg_span *span, uint64_t lost)
{
	(void)context;
	(void)span;
	(void)lost;
}

/* Frames nobody would send, over a few places, so that they collide a lot. */
START_TEST(hostile_spans_never_upset_the_books)
{
	struct random_stream random = {check_seed()};
	struct receiver *r = &trial.receiver;

	must_seed = check_seed();

	for (unsigned i = 0; i < TRIALS; i++) {
		uint64_t base = random_next(&random), now = 0;

		receiver_start(r, random_below(&random, 50), ignore, NULL);
		for (unsigned j = 0; j < 60; j++) {
			uint64_t a = base + random_below(&random, 40);
			struct msg_span span = {a, a + random_below(&random, 4),
				(uint32_t)random_below(&random, 4),
				(uint32_t)random_below(&random, 4)};

			if (random_chance(&random, 100))
				span.sequence = random_next(&random);
			if (random_chance(&random, 500))
				span.offset = span.end_offset = 0;
			if (random_chance(&random, 50))
				receiver_told(r, a, now);
			else
				receiver_frame(r, &span, now);
			now += random_below(&random, 10);
			if (random_chance(&random, 300))
				receiver_tick(r, now);
		}
		receiver_tick(r, UINT64_MAX);
	}
}
END_TEST

void add_oracle_tests(Suite *suite)
{
	TCase *oracle = check_case(suite, "oracle", 280);

	tcase_add_test(
		oracle, random_streams_over_random_networks_satisfy_the_oracle);
	tcase_add_test(oracle, hostile_spans_never_upset_the_books);
}
