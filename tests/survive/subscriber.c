/* SPDX-License-Identifier: BSD-2-Clause */
/* subscriber.c - an actor that subscribes and keeps books; see actor.h. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "actor.h"

#define BATCH 32
#define KEEP_MAX 8192
#define WAIT_NS 20000000
#define CRAWL_NS 1000000000ull

struct state {
	struct actor *me;
	const struct subscriber_plan *plan;
	struct msg_subscriber *subscriber;
	struct random_stream random;
	uint64_t crawl_due;
	uint32_t kept_count;
	struct msg_view kept[KEEP_MAX];
};

static void open_subscriber(struct state *s)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_node *node;
	int result = host_node(s->plan->host, &node);

	o.topic = s->plan->topic;
	o.slow = s->plan->slow;
	o.buffer_count = s->plan->buffers;
	o.message_bytes_max = s->plan->bytes_max;
	if (result == 0)
		result = msg_subscriber_open(node, &o, &s->subscriber);
	if (result < 0 && s->plan->may_be_refused)
		_exit(0);
	actor_must(s->me, result, "subscriber");
	s->random.state = s->plan->seed;
	s->me->ready = true;
}

/* ---- books ------------------------------------------------------------------ */

static struct book *find_book(struct actor *me, const struct msg_view *v)
{
	struct book *book = subscriber_book(me, v->publisher);

	if (book)
		return book;
	if (me->book_count == ACTOR_BOOKS)
		actor_fail(me, "more than %d publishers", ACTOR_BOOKS);
	book = &me->books[me->book_count];
	book->publisher = v->publisher;
	book->first = v->sequence - v->lost_before;
	book->next = book->first;
	me->book_count++;
	return book;
}

static bool is_whole(const struct msg_view *v)
{
	return v->segment_count == 1 &&
	       message_is(v->data, v->bytes, v->publisher, v->sequence);
}

static void note_latency(struct actor *me, const struct msg_view *v)
{
	uint64_t ns = now_ns() - message_sent_ns(v->data) + 1;
	unsigned top = 63u - (unsigned)__builtin_clzll(ns);
	unsigned part = top >= 4 ? (unsigned)(ns >> (top - 4)) & 15u : 0;

	if (top < 40)
		me->latency[me->window][top * 16 + part]++;
}

/* It may have been while it was stopped with that view in hand. */
static bool is_evicted(struct state *s)
{
	struct msg_view next;

	s->me->evicted = msg_subscriber_take(s->subscriber, &next, 1) ==
			 -MSG_ERROR_EVICTED;
	return s->me->evicted;
}

/* False: it is evicted, and what it holds is its no more. */
static bool enter(struct state *s, const struct msg_view *v)
{
	struct book *book = find_book(s->me, v);

	if (!is_whole(v) && is_evicted(s))
		return false;
	if (!is_whole(v))
		actor_fail(s->me,
			"message %llu of %llx: its %zu bytes are not it",
			(unsigned long long)v->sequence,
			(unsigned long long)v->publisher, v->bytes);
	if (v->sequence != book->next + v->lost_before)
		actor_fail(s->me,
			"message %llu of %llx behind %llu, and %llu lost",
			(unsigned long long)v->sequence,
			(unsigned long long)v->publisher,
			(unsigned long long)book->next,
			(unsigned long long)v->lost_before);
	book->lost += v->lost_before;
	book->delivered++;
	book->next = v->sequence + 1;
	if (s->me->window > 0)
		note_latency(s->me, v);
	return true;
}

/* ---- views that are kept ------------------------------------------------------ */

static void give_back(struct state *s, uint32_t i)
{
	struct msg_view *v = &s->kept[i];

	/* Of one that was thrown out, what it holds is its no more. */
	if (!s->me->evicted && !is_whole(v))
		actor_fail(s->me, "view %llu of %llx changed while it was kept",
			(unsigned long long)v->sequence,
			(unsigned long long)v->publisher);
	msg_subscriber_release(s->subscriber, v, 1);
	s->kept[i] = s->kept[--s->kept_count];
	s->me->kept++;
	s->me->in_hand = s->kept_count;
}

static void give_all_back(struct state *s)
{
	while (s->kept_count > 0)
		give_back(s, s->kept_count - 1);
}

static void keep_or_release(struct state *s, const struct msg_view *v)
{
	bool all = s->me->mode == ACTOR_KEEP;

	if (all || (s->plan->keep > 0 && random_chance(&s->random, 100))) {
		if (s->kept_count == (all ? KEEP_MAX : s->plan->keep))
			give_back(s, (uint32_t)random_below(
					     &s->random, s->kept_count));
		s->kept[s->kept_count++] = *v;
		s->me->in_hand = s->kept_count;
		return;
	}
	msg_subscriber_release(s->subscriber, v, 1);
}

/* ---- the role ------------------------------------------------------------------ */

static void rest(struct state *s)
{
	struct pollfd wake = {.events = POLLIN};
	int result;

	if (!s->plan->descriptor) {
		result = msg_subscriber_wait(s->subscriber, WAIT_NS);
	} else {
		wake.fd = msg_subscriber_fd(s->subscriber);
		result = msg_subscriber_arm(s->subscriber);
		if (result == 0)
			poll(&wake, 1, WAIT_NS / 1000000);
		else if (s->kept_count > 0)
			sleep_us(500);
	}
	if (result < 0 && result != -MSG_ERROR_TIMEOUT &&
		result != -MSG_ERROR_AGAIN && result != -MSG_ERROR_EVICTED)
		actor_must(s->me, result, "wait");
}

/* How many to take now; 0: none. */
static int appetite(struct state *s)
{
	uint64_t now = now_ns();

	if (s->me->mode == ACTOR_IDLE || s->me->mode == ACTOR_ASLEEP)
		return 0;
	if (s->me->mode != ACTOR_CRAWL)
		return BATCH;
	if (now < s->crawl_due)
		return 0;
	s->crawl_due = now + CRAWL_NS;
	return 1;
}

static void turn(struct state *s)
{
	struct msg_view views[BATCH];
	int want = appetite(s);
	int n;

	s->me->turns++;
	s->me->reattached = msg_subscriber_counter(
		s->subscriber, MSG_COUNTER_REATTACHED);
	if (s->me->mode == ACTOR_NORMAL && s->kept_count > s->plan->keep)
		give_all_back(s);
	if (want == 0) {
		sleep_us(1000);
		return;
	}
	n = msg_subscriber_take(s->subscriber, views, want);
	if (n == -MSG_ERROR_EVICTED) {
		s->me->evicted = true;
		return;
	}
	actor_must(s->me, n, "take");
	for (int i = 0; i < n; i++) {
		if (!enter(s, &views[i])) {
			msg_subscriber_release(
				s->subscriber, &views[i], n - i);
			return;
		}
		keep_or_release(s, &views[i]);
	}
	if (n > 0 || s->me->mode == ACTOR_CRAWL)
		return;
	if (s->me->mode == ACTOR_KEEP)
		sleep_us(500);
	else
		rest(s);
}

static void subscribe(struct actor *me, const void *context)
{
	static struct state s;

	s.me = me;
	s.plan = context;
	open_subscriber(&s);
	while (!me->stop && !me->evicted)
		turn(&s);
	give_all_back(&s);
	while (!me->stop)
		sleep_us(1000);
	actor_must(me, msg_subscriber_close(s.subscriber), "close");
}

struct actor *subscriber_start(const struct subscriber_plan *plan)
{
	struct actor *a = actor_start("subscriber", subscribe, plan);

	if (!plan->may_be_refused)
		AWAIT(20, a->ready);
	return a;
}
