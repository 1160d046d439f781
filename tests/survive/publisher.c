/* SPDX-License-Identifier: BSD-2-Clause */
/* publisher.c - an actor that publishes; see actor.h. */
#include <string.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "actor.h"

#define KEPT 2
#define KEPT_BYTES 64u

struct state {
	struct actor *me;
	const struct publisher_plan *plan;
	struct msg_publisher *publisher;
	struct random_stream random;
	struct msg_loan loans[KEPT]; /* Kept for a while. */
	uint64_t kept_since;
	uint64_t due;
};

static void open_publisher(struct state *s)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;
	struct msg_node *node;

	actor_must(s->me, host_node(s->plan->host, &node), "node");
	o.topic = s->plan->topic;
	o.message_bytes_max = s->plan->message_bytes_max
				      ? s->plan->message_bytes_max
				      : s->plan->bytes_max;
	o.loan_count_max = s->plan->loan_count;
	actor_must(s->me, msg_publisher_open(node, &o, &s->publisher),
		"publisher");
	s->me->publisher = msg_publisher_id(s->publisher);
	s->random.state = s->plan->seed;
	s->me->ready = true;
}

static void look_around(struct state *s)
{
	s->me->turns++;
	s->me->reattached = msg_publisher_counter(
		s->publisher, MSG_COUNTER_REATTACHED);
}

/* False: asked to stop first. */
static bool lend(struct state *s, size_t bytes, struct msg_loan *loan)
{
	int result;

	while ((result = msg_publisher_loan(s->publisher, bytes, loan)) ==
		-MSG_ERROR_AGAIN) {
		s->me->refused++;
		look_around(s);
		if (s->me->stop)
			return false;
		(void)msg_publisher_flush(s->publisher);
		sleep_us(50);
	}
	actor_must(s->me, result, "loan");
	return true;
}

static void hand_in(
	struct state *s, struct msg_loan *loan, size_t bytes, bool more)
{
	message_fill(loan->data, bytes, s->me->publisher, s->me->published,
		now_ns());
	actor_must(s->me,
		(more ? msg_publisher_queue : msg_publisher_send)(
			s->publisher, loan, bytes),
		"send");
	s->me->published++;
}

static void burst(struct state *s)
{
	const struct publisher_plan *plan = s->plan;

	for (uint32_t i = 0; i < plan->burst; i++) {
		size_t bytes = plan->bytes_min +
			       random_below(&s->random, plan->bytes_max -
								plan->bytes_min + 1);
		struct msg_loan loan;

		if (plan->count > 0 && s->me->published == plan->count)
			break;
		if (!lend(s, bytes, &loan))
			return;
		hand_in(s, &loan, bytes, i + 1 < plan->burst);
	}
	(void)msg_publisher_flush(s->publisher);
}

/* ---- loans that are kept ---------------------------------------------------- */

static void keep(struct state *s)
{
	for (int i = 0; i < KEPT; i++) {
		if (!lend(s, KEPT_BYTES, &s->loans[i]))
			return;
		memset(s->loans[i].data, 0xa0 + i, KEPT_BYTES);
		s->me->in_hand++;
	}
	s->kept_since = now_ns();
}

/* Whatever happened meanwhile, what was written there is there. */
static void send_kept(struct state *s)
{
	for (int i = 0; i < KEPT; i++) {
		const uint8_t *data = s->loans[i].data;

		if (!data)
			continue;
		for (uint32_t k = 0; k < KEPT_BYTES; k++)
			if (data[k] != 0xa0 + i)
				actor_fail(s->me, "a kept loan has changed");
		hand_in(s, &s->loans[i], KEPT_BYTES, false);
		s->loans[i].data = NULL;
		s->me->in_hand--;
		s->me->kept++;
	}
}

static void turn_kept(struct state *s)
{
	uint64_t age = now_ns() - s->kept_since;

	if (s->me->in_hand == 0)
		keep(s);
	else if (age > s->plan->keep_ms * 1000000ull)
		send_kept(s);
}

/* ---- the role ---------------------------------------------------------------- */

static bool is_over(const struct state *s)
{
	return s->me->stop ||
	       (s->plan->count > 0 && s->me->published == s->plan->count);
}

static void pace(struct state *s)
{
	uint64_t period = s->plan->pause_us * 1000ull;
	uint64_t now = now_ns();

	s->due += period;
	if (s->due > now)
		sleep_us((s->due - now) / 1000);
	else
		s->due = now;
}

static void publish(struct actor *me, const void *context)
{
	struct state s = {.me = me, .plan = context};

	open_publisher(&s);
	s.due = now_ns();
	while (!is_over(&s)) {
		look_around(&s);
		if (me->mode == ACTOR_ASLEEP) {
			sleep_us(1000);
			continue;
		}
		if (me->mode == ACTOR_IDLE) {
			send_kept(&s);
			(void)msg_publisher_flush(s.publisher);
			sleep_us(1000);
			continue;
		}
		if (s.plan->keep_ms > 0)
			turn_kept(&s);
		burst(&s);
		if (s.plan->pause_us > 0)
			pace(&s);
	}
	send_kept(&s);
	/* Until told to go: who reads is to get the rest. */
	while (!me->stop) {
		look_around(&s);
		(void)msg_publisher_flush(s.publisher);
		sleep_us(1000);
	}
	actor_must(me, msg_publisher_close(s.publisher), "close");
}

struct actor *publisher_start(const struct publisher_plan *plan)
{
	struct actor *a = actor_start("publisher", publish, plan);

	AWAIT(20, a->ready);
	return a;
}
