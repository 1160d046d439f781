/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hold.c - publishers of connected topics are held back by who reads them.
 *
 *     report: room ─> limit told ─ used up ─> stalled: look again and again
 *        ^                                      │ room      │ none
 *        └──────────────── hasten ──────────────┘           v
 *                                        wait for readers (pool/ring_wait.h), but
 *                                        not as long as publishers wait for us
 *
 * In direct mode the buffers are the credits: what the application has in hand is
 * not posted.  A broker's buffers are of all topics, and nobody is to take those of
 * others: each connected topic has an allowance for what its readers have yet to
 * return, and what is left of that is its window.  All allowances together leave
 * as many buffers as the largest message in parts takes, and some to receive with.
 *
 * Where publishers keep to what they were told, no topic is ever beyond its part.
 * One may be for a while, when another comes; or of a publisher that waits for
 * nobody.  When buffers are short then, the excess is taken from its readers:
 * others are not to stand still for that (hold_excess).
 */
#include "engine/receive_internal.h"

#include "base/clock.h"
#include "pool/ring_wait.h"

/* Between looks at a stream that stands still; and how long a little more room is
 * no news. */
#define LOOK_NS (200 * MSG_NS_PER_US)
#define LITTLE_NS MSG_NS_PER_MS
/* Of publishers that do not say how long they wait; and of that time, the part
 * after which our slow readers must be gone, or all of us would be cut off. */
#define GIVE_UP_NS MSG_NS_PER_S
#define PART_NUMERATOR 3u
#define PART_DENOMINATOR 4u
/* Who says nothing for so long is not about to end his message. */
#define HEARD_NS (100 * MSG_NS_PER_MS)

static struct msg_receive_hold *hold_of(
	struct msg_receiver *r, const struct msg_stream *s)
{
	return r->ring ? NULL : &r->holds[s->topic];
}

/* ---- who is called ------------------------------------------------------ */

void hold_offered(
	struct msg_receiver *r, struct msg_stream *s, uint64_t give_up_ns)
{
	struct msg_receive_hold *h = hold_of(r, s);

	if (!h)
		return;
	if (s->holds)
		return;
	s->holds = true;
	/* As it was said first: what is said of it later may be another's word. */
	s->gives_up_ns = give_up_ns > 0 ? give_up_ns : GIVE_UP_NS;
	if (h->offered++ == 0)
		h->give_up_ns = GIVE_UP_NS;
	if (r->rings[s->topic])
		r->rings[s->topic]->waits = true;
}

/* The least patient of those that are connected. */
static void find_patience(struct msg_receiver *r, uint32_t topic)
{
	uint64_t least = UINT64_MAX;

	for (uint32_t i = 0; i < r->streams.count; i++) {
		const struct msg_stream *s = &r->streams.streams[i];

		if (s->used && s->takes_part && s->topic == topic &&
			s->gives_up_ns < least)
			least = s->gives_up_ns;
	}
	if (least < UINT64_MAX)
		r->holds[topic].give_up_ns = least;
}

/* Only now it has a part, and a say: anybody may announce. */
void hold_opened(struct msg_receiver *r, struct msg_stream *s)
{
	struct msg_receive_hold *h = hold_of(r, s);

	if (!h || !s->holds || s->takes_part)
		return;
	s->takes_part = true;
	h->streams++;
	r->holding++;
	find_patience(r, s->topic);
}

static void set_stalled(
	struct msg_receiver *r, struct msg_stream *s, bool stalled)
{
	r->stalled += (uint32_t)stalled - (uint32_t)s->stalled;
	s->stalled = stalled;
}

void hold_closed(struct msg_receiver *r, struct msg_stream *s)
{
	struct msg_receive_hold *h = hold_of(r, s);

	set_stalled(r, s, false);
	s->told_window = 0;
	if (!s->takes_part)
		return;
	s->takes_part = false;
	h->streams--;
	r->holding--;
	find_patience(r, s->topic);
}

void hold_stop(struct msg_receiver *r, struct msg_stream *s)
{
	struct msg_receive_hold *h = hold_of(r, s);

	hold_closed(r, s);
	if (!s->holds)
		return;
	s->holds = false;
	if (--h->offered == 0 && r->rings[s->topic])
		r->rings[s->topic]->waits = false;
}

/* ---- room --------------------------------------------------------------- */

/* Of one stream: three eighths for all of them, and for one no more than half. */
static uint32_t share(const struct msg_receiver *r)
{
	uint32_t count = r->holding < 2 ? 2 : r->holding;
	uint32_t part = r->pool.wide_count * 3 / 8 / count;

	return part > 0 ? part : 1;
}

/* How many share what a topic may have: who is about to connect, at least. */
static uint32_t sharers(const struct msg_receive_hold *h)
{
	return h->streams > 0 ? h->streams : 1;
}

static uint32_t allowance(
	const struct msg_receiver *r, const struct msg_receive_hold *h)
{
	return share(r) * sharers(h);
}

/* What readers have returned is seen when somebody looks. */
static uint64_t settle(struct msg_ring_writer *ring, uint32_t most)
{
	if (msg_ring_used(ring) > most / 2)
		msg_ring_reclaim(ring, 0);
	if (msg_ring_used(ring) > most / 2 && ring->retain > 0)
		msg_ring_forget(ring);
	return msg_ring_used(ring);
}

/* What readers leave to each stream of a topic. */
static uint32_t left_of(struct msg_receiver *r, const struct msg_stream *s)
{
	const struct msg_receive_hold *h = &r->holds[s->topic];
	uint32_t most = allowance(r, h);
	uint64_t taken = settle(r->rings[s->topic], most);

	return taken < most ? (most - (uint32_t)taken) / sharers(h) : 0;
}

/* Whether it is about to end its message. */
static bool ends(struct msg_receiver *r, const struct msg_stream *s)
{
	return s->used && s->holds && s->open && s->assembly.slot_count > 0 &&
	       r->rings[s->topic] && left_of(r, s) > 0 &&
	       msg_clock_coarse_ns() - s->heard_ns < HEARD_NS;
}

/* Messages in parts take what they need beside all that; when several are too many,
 * they end one after another, or none would. */
static bool gives_way(struct msg_receiver *r, const struct msg_stream *s)
{
	const struct msg_stream *first = s;

	if (s->assembly.slot_count == 0 ||
		r->assembly_slots[true] <= r->pool.wide_count / 8)
		return false;
	for (uint32_t i = 0; i < r->streams.count; i++) {
		const struct msg_stream *other = &r->streams.streams[i];

		if (other->assembly.slot_count > first->assembly.slot_count &&
			ends(r, other))
			first = other;
	}
	return first != s;
}

uint32_t hold_room(struct msg_receiver *r, const struct msg_stream *s)
{
	uint32_t room = r->calls.posted + r->pool.wide_free_count;
	uint32_t left;

	if (r->ring || !s->holds || !r->rings[s->topic])
		return room;
	if (gives_way(r, s))
		return 0;
	left = left_of(r, s);
	return left < room ? left : room;
}

/* ---- what it was told --------------------------------------------------- */

static uint64_t position(const struct msg_stream *s)
{
	return s->recover.next - s->recover.paused;
}

static void hasten(struct msg_receiver *r, struct msg_stream *s)
{
	msg_recover_hasten(&s->recover);
	if (msg_recover_deadline(&s->recover) < r->deadline)
		r->deadline = msg_recover_deadline(&s->recover);
}

void hold_told(struct msg_receiver *r, struct msg_stream *s, uint32_t window)
{
	s->limited = true;
	s->told_window = window;
	s->told_limit = position(s) + window;
	s->told_half = s->told_limit - window / 2;
	s->told_ns = turn_now(r);
	set_stalled(r, s, window == 0);
}

void hold_arrived(struct msg_receiver *r, struct msg_stream *s)
{
	if (s->limited && s->told_window > 0 && position(s) >= s->told_half)
		hasten(r, s);
}

/* ---- standing still ----------------------------------------------------- */

/* Take from readers that are not, or no longer, waited for. */
static void take_back(struct msg_receiver *r, const struct msg_stream *s)
{
	struct msg_ring_writer *ring = r->rings[s->topic];
	uint64_t tail;

	do {
		tail = ring->tail;
		msg_ring_reclaim(
			ring, tail + (msg_ring_backlog(ring) + 1) / 2);
	} while (ring->tail != tail && hold_room(r, s) == 0);
}

uint64_t hold_patience(const struct msg_receiver *r, uint32_t topic)
{
	return r->holds[topic].give_up_ns / PART_DENOMINATOR * PART_NUMERATOR;
}

/* Its readers have all that it may have there. */
static void wait_for_readers(
	struct msg_receiver *r, struct msg_stream *s, uint64_t now)
{
	struct msg_ring_writer *ring = r->rings[s->topic];
	uint64_t patience = hold_patience(r, s->topic);
	bool over = msg_ring_wait(ring, now, patience, 0);
	uint32_t hoarder;

	r->holds[s->topic].waiting = true;
	take_back(r, s);
	if (!over || hold_room(r, s) > 0)
		return;
	hoarder = msg_ring_wait_hoarder(ring, patience);
	if (hoarder == MSG_RING_READERS_MAX)
		return;
	if (r->options.hoarded)
		r->options.hoarded(
			r->options.hoarded_context, s->topic, hoarder);
	msg_ring_evict(ring, hoarder);
	take_back(r, s);
}

static void wait_over(struct msg_receiver *r, const struct msg_stream *s)
{
	struct msg_receive_hold *h = hold_of(r, s);

	if (!h || !h->waiting)
		return;
	h->waiting = false;
	if (r->rings[s->topic])
		msg_ring_wait_over(r->rings[s->topic]);
}

/* By what its readers have, and not only because buffers are short. */
static bool is_full(const struct msg_receiver *r, const struct msg_stream *s)
{
	return s->holds && r->rings[s->topic] &&
	       msg_ring_used(r->rings[s->topic]) >=
		       allowance(r, &r->holds[s->topic]) / 2;
}

static void look(struct msg_receiver *r, struct msg_stream *s, uint64_t now)
{
	uint32_t room = hold_room(r, s), news;

	if (room == 0 && is_full(r, s)) {
		wait_for_readers(r, s, now);
		room = hold_room(r, s);
	}
	if (room == 0)
		return;
	wait_over(r, s);
	news = (r->ring ? r->pool.wide_count : share(r)) / 4;
	if (room >= news || now - s->told_ns >= LITTLE_NS)
		hasten(r, s);
}

void hold_turn(struct msg_receiver *r)
{
	uint64_t now;

	if (r->stalled == 0)
		return;
	now = turn_now(r);
	if (now < r->hold_ns)
		return;
	r->hold_ns = now + LOOK_NS;
	for (uint32_t i = 0; i < r->streams.count; i++) {
		struct msg_stream *s = &r->streams.streams[i];

		if (s->used && s->stalled)
			look(r, s, now);
	}
}

/* ---- when buffers are short --------------------------------------------- */

/* Entries of a ring that stand in wide slots, or in others. */
static uint64_t count_slots(
	const struct msg_receiver *r, const struct msg_ring_writer *ring, bool wide)
{
	uint64_t n = 0;

	for (uint64_t at = ring->tail; at < ring->head; at++) {
		uint32_t token = ring->tokens[at & ring->mask];

		n += token < r->pool.count &&
		     (token >= r->pool.narrow) == wide;
	}
	return n;
}

uint64_t hold_excess(
	const struct msg_receiver *r, uint32_t topic, bool wide)
{
	const struct msg_receive_hold *h = &r->holds[topic];
	uint64_t there = count_slots(r, r->rings[topic], wide);
	uint32_t may = wide && h->offered > 0 ? allowance(r, h) : 0;

	return there > may ? there - may : 0;
}
