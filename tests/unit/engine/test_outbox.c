/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_outbox.c - a publisher that writes a ring, and readers of it, each with
 * an oracle.
 *
 * What a reader takes, plus the ranges that lost_before names, must be exactly
 * what was published: in order, nothing twice, no byte another.  Views are held
 * for a while and compared again before they go back: a slot that was used too
 * early shows there.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "check_main.h"
#include "engine/inbox.h"
#include "engine/outbox.h"
#include "pool/ring_wait.h"
#include "trial.h"

#define READERS 3
#define HELD_MAX 24
#define LOANS_MAX 6
#define MESSAGES_MAX 4000
#define PUBLISHER 77u
#define LARGE_MAX 130000u

struct reader {
	struct msg_ring_ledger *ledger;
	struct msg_inbox inbox;
	msg_counter_t counters[MSG_COUNTER_COUNT];
	struct msg_view held[HELD_MAX];
	uint32_t held_count;
	uint64_t expected;
	uint64_t lost;
	unsigned pace; /* Per mille of the turns it takes in. */
	bool begun;
	bool evicted; /* What it holds may be used again. */
};

/* Of the next trial: its readers are awaited so long; 0: they are not. */
static uint64_t patience_ns;

struct trial {
	uint64_t seed;
	struct random_stream random;
	struct msg_outbox_options options;
	struct msg_outbox outbox;
	struct reader readers[READERS];
	enum msg_ring_slow slow;
	struct {
		struct msg_loan loan;
		uint32_t bytes;
	} out[LOANS_MAX];
	uint32_t out_count;
	uint32_t lengths[MESSAGES_MAX];
	_Atomic uint32_t news;
	msg_counter_t counters[MSG_COUNTER_COUNT];
	uint32_t looks;
	uint32_t wakes;
	bool relents; /* Reader 0 gives all back when it is about to be evicted. */
};

static void fill(uint8_t *data, size_t bytes, uint64_t sequence)
{
	random_fill(data, bytes, sequence * 31 + 7);
}

/* ---- reading ----------------------------------------------------------- */

static void check_view(struct trial *t, const struct msg_view *view)
{
	static uint8_t wanted[1 << 17];

	MUST(t, view->segment_count == 1);
	MUST(t, view->bytes == t->lengths[view->sequence]);
	fill(wanted, (uint32_t)view->bytes, view->sequence);
	MUST(t, memcmp(wanted, view->data, view->bytes) == 0);
}

static void give_back(struct trial *t, struct reader *r, uint32_t which)
{
	r->evicted = msg_inbox_evicted(&r->inbox);
	if (!r->evicted)
		check_view(t, &r->held[which]);
	msg_inbox_release(&r->inbox, &r->held[which], 1);
	r->held[which] = r->held[--r->held_count];
}

static int take(struct trial *t, struct reader *r)
{
	struct msg_view views[8];
	int count = 1 + (int)random_below(&t->random, 8);
	int n;

	while (r->held_count + (uint32_t)count > HELD_MAX)
		give_back(t, r,
			(uint32_t)random_below(&t->random, r->held_count));
	n = msg_inbox_take(&r->inbox, views, count);
	if (msg_inbox_evicted(&r->inbox)) {
		msg_inbox_release(&r->inbox, views, n);
		return n;
	}
	for (int i = 0; i < n; i++) {
		MUST(t, views[i].publisher == PUBLISHER);
		/* Before the first only entries can be counted. */
		if (!r->begun) {
			MUST(t, views[i].lost_before <= views[i].sequence);
			MUST(t, (views[i].lost_before > 0) ==
					(views[i].sequence > 0));
			r->expected = views[i].sequence - views[i].lost_before;
		}
		r->begun = true;
		MUST(t, views[i].sequence ==
				r->expected + views[i].lost_before);
		r->expected = views[i].sequence + 1;
		r->lost += views[i].lost_before;
		check_view(t, &views[i]);
		r->held[r->held_count++] = views[i];
	}
	return n;
}

static void open_reader(struct trial *t, uint32_t k)
{
	struct reader *r = &t->readers[k];
	struct msg_inbox_options inbox = {
		.record_count = 2 * HELD_MAX,
		.ring_max = 1,
		.publisher_count_max = 4,
		.counts_losses = true,
		.counters = r->counters,
	};
	struct msg_inbox_ring_options ring = {
		.header = t->options.ring,
		.entry_count = t->options.entry_count,
		.number = k,
		.pool = t->options.pool,
		.pool_bytes =
			(uint64_t)t->options.slot_count * t->options.slot_bytes,
		.area = t->options.area,
		.area_bytes =
			msg_large_area_bytes(t->options.large_memory_bytes),
		.publisher = PUBLISHER,
		.topic = k,
		.held_max = 2 * HELD_MAX,
	};
	size_t bytes = (msg_ring_ledger_bytes(2 * HELD_MAX) + 63) & ~63ul;
	struct msg_inbox_ring *opened;

	r->ledger = aligned_alloc(64, bytes);
	memset(r->ledger, 0, bytes);
	ring.ledger = r->ledger;
	msg_ring_writer_add(
		&t->outbox.ring, k, r->ledger, 2 * HELD_MAX, t->slow);
	if (patience_ns > 0)
		msg_ring_await(&t->outbox.ring, k);
	ck_assert_int_eq(msg_inbox_open(&r->inbox, &inbox), 0);
	ck_assert_int_eq(msg_inbox_add(&r->inbox, &ring, &opened), 0);
	r->pace = 50 + (unsigned)random_below(&t->random, 900);
}

/* ---- publishing -------------------------------------------------------- */

static uint32_t draw_bytes(struct trial *t)
{
	uint32_t most = t->options.message_bytes_max;
	uint32_t bytes;

	if (t->options.area && random_chance(&t->random, 100))
		return most + 1 +
		       (uint32_t)random_below(&t->random, LARGE_MAX - most);
	switch (random_below(&t->random, 8)) {
	case 0:
		bytes = t->options.frame_body_max - 2 +
			(uint32_t)random_below(&t->random, 5);
		break;
	case 1:
		bytes = (uint32_t)random_below(&t->random, most + 1);
		break;
	case 2:
		bytes = 30 + (uint32_t)random_below(&t->random, 5);
		break;
	default:
		bytes = (uint32_t)random_below(&t->random, 80);
	}
	return bytes < most ? bytes : most;
}

/* Loans and messages that went the short ways, of all trials. */
static uint64_t lent_quick;
static uint64_t sent_quick;
static uint64_t lent_alone;
static uint64_t sent_alone;

static int lend(struct trial *t, uint32_t bytes, struct msg_loan *loan)
{
	if (random_chance(&t->random, 500) &&
		msg_outbox_lend_quick(&t->outbox, bytes, loan)) {
		lent_quick++;
		return 0;
	}
	if (random_chance(&t->random, 500) &&
		msg_outbox_lend_alone(&t->outbox, bytes, loan)) {
		lent_alone++;
		return 0;
	}
	return msg_outbox_lend(&t->outbox, bytes, loan);
}

/* On one of the short ways. */
static bool give_alone(struct trial *t, struct msg_loan *loan, uint32_t bytes)
{
	bool quick = random_chance(&t->random, 500) &&
		     msg_outbox_send_quick(&t->outbox, loan, bytes);
	bool alone = !quick && random_chance(&t->random, 500) &&
		     msg_outbox_send_alone(&t->outbox, loan, bytes);

	sent_quick += quick;
	sent_alone += alone;
	return quick || alone;
}

static int give(struct trial *t, struct msg_loan *loan, uint32_t bytes)
{
	if (give_alone(t, loan, bytes)) {
		if (!msg_outbox_is_quiet(&t->outbox))
			msg_outbox_tell(&t->outbox);
		return 0;
	}
	return random_chance(&t->random, 300)
		       ? msg_outbox_send(&t->outbox, loan, bytes)
		       : msg_outbox_queue(&t->outbox, loan, bytes);
}

static bool borrow(struct trial *t)
{
	uint32_t bytes = draw_bytes(t);
	struct msg_loan *loan = &t->out[t->out_count].loan;
	int result = lend(t, bytes, loan);

	if (result == -MSG_ERROR_AGAIN)
		return false;
	MUST(t, result == 0);
	MUST(t, loan->capacity >= bytes && (uintptr_t)loan->data % 8 == 0);
	memset(loan->data, 0xa5, loan->capacity);
	t->out[t->out_count++].bytes = bytes;
	return true;
}

static void hand_in(struct trial *t)
{
	uint32_t which = (uint32_t)random_below(&t->random, t->out_count);
	uint64_t sequence = msg_lender_next(&t->outbox.lender);
	struct msg_loan loan = t->out[which].loan;
	uint32_t bytes = t->out[which].bytes;
	int result;

	t->out[which] = t->out[--t->out_count];
	if (sequence == MESSAGES_MAX || random_chance(&t->random, 60)) {
		msg_outbox_abandon(&t->outbox, &loan);
		return;
	}
	t->lengths[sequence] = bytes;
	fill(loan.data, bytes, sequence);
	result = give(t, &loan, bytes);
	MUST(t, result == 0 && loan.data == NULL);
	MUST(t, msg_lender_next(&t->outbox.lender) == sequence + 1);
}

static void look(void *context)
{
	struct trial *t = context;

	t->looks++;
	t->outbox.news_seen = msg_load(&t->news, relaxed);
	if (!t->relents)
		return;
	t->outbox.news_seen--; /* To be called each time. */
	if (t->outbox.starved_ns != 0)
		return;
	while (t->readers[0].held_count > 0)
		give_back(t, &t->readers[0], 0);
	msg_inbox_settle(&t->readers[0].inbox);
}

static void wake(void *outbox, uint32_t reader)
{
	(void)outbox;
	(void)reader;
}

/* ---- trials ------------------------------------------------------------ */

static void open_trial(struct trial *t, uint64_t seed, enum msg_ring_slow slow)
{
	struct msg_outbox_options *o = &t->options;
	size_t ring_bytes;

	memset(t, 0, sizeof *t);
	t->seed = seed;
	t->random.state = seed;
	t->slow = slow;
	o->entry_count = 8u << random_below(&t->random, 5);
	o->slot_count = LOANS_MAX + 2 + (uint32_t)random_below(&t->random, 60);
	o->message_bytes_max = random_chance(&t->random, 300) ? 70000 : 1200;
	o->payload_bytes = (o->message_bytes_max + 7) & ~7u;
	o->slot_bytes = (o->payload_bytes + 63) & ~63u;
	o->frame_body_max = 200 + (uint32_t)random_below(&t->random, 1000);
	o->publisher = PUBLISHER;
	o->counters = t->counters;
	o->news = &t->news;
	o->look = look;
	o->wake = wake;
	o->context = t;
	if (random_chance(&t->random, 500)) {
		o->large_bytes_max = LARGE_MAX;
		o->large_memory_bytes = 4096 * (32 + random_below(&t->random, 64));
		o->area = aligned_alloc(MSG_LARGE_PAGE,
			msg_large_area_bytes(o->large_memory_bytes));
	}
	ring_bytes = msg_ring_bytes(o->entry_count);
	o->ring = aligned_alloc(64, ring_bytes);
	o->pool = aligned_alloc(64, (size_t)o->slot_count * o->slot_bytes);
	memset(o->ring, 0, ring_bytes);
	memset(o->pool, 0, (size_t)o->slot_count * o->slot_bytes);
	o->patience_ns = patience_ns;
	ck_assert_int_eq(msg_outbox_open(&t->outbox, o), 0);
	for (uint32_t k = 0; k < READERS; k++)
		open_reader(t, k);
}

static void close_trial(struct trial *t)
{
	for (uint32_t k = 0; k < READERS; k++) {
		msg_inbox_close(&t->readers[k].inbox);
		free(t->readers[k].ledger);
	}
	msg_outbox_close(&t->outbox);
	free(t->options.ring);
	free(t->options.pool);
	free(t->options.area);
}

/* And so is all memory for large messages. */
static void lend_largest(struct trial *t)
{
	struct msg_loan loan;

	if (!t->options.area)
		return;
	MUST(t, msg_outbox_lend(&t->outbox, LARGE_MAX, &loan) == 0);
	MUST(t, loan.capacity == LARGE_MAX);
	MUST(t, (uintptr_t)loan.data % MSG_LARGE_PAGE == 0);
	msg_outbox_abandon(&t->outbox, &loan);
	MUST(t, msg_outbox_lend(&t->outbox, LARGE_MAX + 1, &loan) ==
			-MSG_ERROR_TOO_LARGE);
}

/* All is taken and back: every slot is free then. */
static void drain(struct trial *t)
{
	while (t->out_count > 0)
		hand_in(t);
	msg_outbox_flush(&t->outbox);
	for (uint32_t k = 0; k < READERS; k++) {
		struct reader *r = &t->readers[k];

		while (take(t, r) > 0 || (msg_inbox_ready(&r->inbox) &&
						 !msg_inbox_evicted(&r->inbox)))
			;
		while (r->held_count > 0)
			give_back(t, r, 0);
		msg_inbox_settle(&r->inbox);
		MUST(t, r->expected <= msg_lender_next(&t->outbox.lender));
		if (t->slow == MSG_RING_BLOCK || patience_ns > 0) {
			MUST(t, r->lost == 0);
			MUST(t, r->expected == msg_lender_next(&t->outbox.lender));
		}
		if (msg_inbox_evicted(&r->inbox))
			continue;
		MUST(t, msg_counter_get(&r->counters[MSG_COUNTER_MALFORMED]) ==
				0);
		MUST(t, msg_counter_get(&r->counters[MSG_COUNTER_LOST]) ==
				r->lost);
	}
	msg_ring_reclaim(&t->outbox.ring, 0);
	/* All but one that may be waiting for the next batch. */
	MUST(t, t->outbox.lender.pool.free_count +
				(t->outbox.lender.open != MSG_TRANSMIT_NONE) ==
			t->options.slot_count);
	MUST(t, t->outbox.ring.pin_count == 0);
}

static void run_trial(uint64_t seed, enum msg_ring_slow slow)
{
	static struct trial trial;
	struct trial *t = &trial;

	open_trial(t, seed, slow);
	for (int turn = 0; turn < 3000; turn++) {
		if (t->out_count > 0 && (t->out_count == LOANS_MAX ||
						random_chance(&t->random, 550)))
			hand_in(t);
		else if (!borrow(t) && t->out_count > 0)
			hand_in(t);
		if (random_chance(&t->random, 5))
			atomic_fetch_add(&t->news, 1);
		for (uint32_t k = 0; k < READERS; k++)
			if (random_chance(&t->random, t->readers[k].pace))
				take(t, &t->readers[k]);
	}
	drain(t);
	lend_largest(t);
	close_trial(t);
}

static void run_trials(enum msg_ring_slow slow)
{
	for (unsigned i = 0; i < 120 / MSG_TEST_FEWER; i++)
		run_trial(check_seed() + i, slow);
	ck_assert(lent_alone > 0 && sent_alone > 0);
	ck_assert(lent_quick > 0 && sent_quick > 0);
}

START_TEST(readers_that_may_be_lapped_know_what_they_lost)
{
	run_trials(MSG_RING_LAP);
}
END_TEST

START_TEST(readers_that_may_not_be_lapped_lose_nothing)
{
	run_trials(MSG_RING_BLOCK);
}
END_TEST

START_TEST(readers_that_are_awaited_lose_nothing)
{
	patience_ns = 3600 * MSG_NS_PER_S;
	run_trials(MSG_RING_LAP);
	run_trials(MSG_RING_EVICT);
	patience_ns = 0;
}
END_TEST

START_TEST(readers_that_lag_are_evicted_and_others_go_on)
{
	run_trials(MSG_RING_EVICT);
}
END_TEST

static struct trial lone;

static struct msg_loan lend_one(size_t bytes)
{
	struct msg_loan loan;

	ck_assert_int_eq(msg_outbox_lend(&lone.outbox, bytes, &loan), 0);
	return loan;
}

START_TEST(a_short_message_leaves_its_slot_free)
{
	uint32_t free_slots;
	struct msg_ring_item item;
	struct msg_loan loan;

	open_trial(&lone, 1, MSG_RING_BLOCK);
	free_slots = lone.outbox.lender.pool.free_count;
	for (uint32_t bytes = 0; bytes <= MSG_RING_INLINE_BYTES; bytes++) {
		struct msg_ring_reader *r =
			&lone.readers[0].inbox.rings[0]->reader;
		struct msg_view view;

		loan = lend_one(bytes);
		lone.lengths[bytes] = bytes;
		fill(loan.data, bytes, bytes);
		msg_outbox_send(&lone.outbox, &loan, bytes);
		ck_assert_uint_eq(
			lone.outbox.lender.pool.free_count, free_slots);
		ck_assert_int_eq(
			msg_ring_peek(r, r->next, &item), MSG_RING_ENTRY);
		ck_assert_uint_eq(item.kind, MSG_RING_INLINE);
		for (uint32_t k = 0; k < READERS; k++) {
			ck_assert_int_eq(msg_inbox_take(&lone.readers[k].inbox,
						 &view, 1),
				1);
			check_view(&lone, &view);
			msg_inbox_release(&lone.readers[k].inbox, &view, 1);
		}
	}
	close_trial(&lone);
}
END_TEST

/* Until somebody looks at the news, and then before anything is taken back. */
START_TEST(news_is_looked_at_before_slots_are_taken_back)
{
	struct msg_loan loan;

	open_trial(&lone, 2, MSG_RING_LAP);
	atomic_fetch_add(&lone.news, 1);
	loan = lend_one(100);
	msg_outbox_queue(&lone.outbox, &loan, 40);
	ck_assert_uint_eq(lone.looks, 0);
	msg_outbox_flush(&lone.outbox);
	ck_assert_uint_eq(lone.looks, 1);
	atomic_fetch_add(&lone.news, 1);
	for (uint32_t i = 0; i <= lone.options.entry_count; i++) {
		loan = lend_one(100);
		lone.outbox.lender.body_max = 0; /* Each alone. */
		msg_outbox_queue(&lone.outbox, &loan, 40);
	}
	ck_assert_uint_eq(lone.looks, 2);
	close_trial(&lone);
}
END_TEST

/* Publish until no slot is left, all of it in the hands of the only reader. */
static void hand_out_all(void)
{
	struct reader *r = &lone.readers[0];
	struct msg_loan loan;

	for (uint32_t k = 1; k < READERS; k++)
		msg_ring_writer_remove(&lone.outbox.ring, k);
	/* No more were there. */
	lone.outbox.lender.pool.free_count = lone.outbox.loan_max = 4;
	while (msg_outbox_lend(&lone.outbox, 40, &loan) == 0) {
		uint64_t sequence = msg_lender_next(&lone.outbox.lender);

		lone.lengths[sequence] = 40;
		fill(loan.data, 40, sequence);
		msg_outbox_send(&lone.outbox, &loan, 40);
		ck_assert_int_eq(msg_inbox_take(&r->inbox,
					 &r->held[r->held_count++], 1),
			1);
	}
}

/* Slots are short for a tenth of a second, and come back while it is being
 * found out who is to pay for that: nobody is. */
START_TEST(who_gives_back_at_the_last_moment_is_not_evicted)
{
	struct msg_loan loan;

	open_trial(&lone, 3, MSG_RING_LAP);
	hand_out_all();
	usleep(150000);
	lone.relents = true;
	lone.outbox.news_seen--;
	ck_assert_int_eq(msg_outbox_lend(&lone.outbox, 40, &loan), 0);
	ck_assert_uint_eq(lone.readers[0].held_count, 0);
	ck_assert(!msg_inbox_evicted(&lone.readers[0].inbox));
	msg_outbox_abandon(&lone.outbox, &loan);
	close_trial(&lone);
}
END_TEST

START_TEST(who_holds_all_for_too_long_is_evicted)
{
	struct msg_loan loan;
	uint64_t begin;
	int result;

	open_trial(&lone, 3, MSG_RING_LAP);
	begin = msg_clock_ns();
	hand_out_all();
	result = msg_outbox_lend(&lone.outbox, 40, &loan);
	if (result != 0) {
		ck_assert_int_eq(result, -MSG_ERROR_AGAIN);
		usleep(150000);
		result = msg_outbox_lend(&lone.outbox, 40, &loan);
	}
	/* On a busy machine the tenth of a second may have been over by then. */
	ck_assert_uint_ge(msg_clock_ns() - begin, 100 * MSG_NS_PER_MS);
	ck_assert_int_eq(result, 0);
	ck_assert(msg_inbox_evicted(&lone.readers[0].inbox));
	msg_outbox_abandon(&lone.outbox, &loan);
	close_trial(&lone);
}
END_TEST

/* Published until no slot is left: the relay has all of it on its way, and keeps more
 * entries than that by agreement; a reader has one view. */
START_TEST(nobody_pays_for_frames_that_the_device_still_has)
{
	struct reader *r = &lone.readers[0];
	struct msg_loan loan;

	open_trial(&lone, 3, MSG_RING_BLOCK);
	lone.outbox.ring.readers[0].slow = MSG_RING_LAP;
	msg_ring_writer_remove(&lone.outbox.ring, 2);
	lone.outbox.ring.readers[1].keeps = lone.options.entry_count;
	lone.outbox.lender.pool.free_count = lone.outbox.loan_max = 4;
	while (msg_outbox_lend(&lone.outbox, 40, &loan) == 0) {
		struct msg_view views[READERS];
		uint64_t sequence = msg_lender_next(&lone.outbox.lender);

		lone.lengths[sequence] = 40;
		fill(loan.data, 40, sequence);
		msg_outbox_send(&lone.outbox, &loan, 40);
		ck_assert_int_eq(
			msg_inbox_take(&lone.readers[1].inbox, views, 1), 1);
		ck_assert_int_eq(msg_inbox_take(&r->inbox, &views[1], 1), 1);
		if (sequence == 3)
			r->held[r->held_count++] = views[1];
		else
			msg_inbox_release(&r->inbox, &views[1], 1);
	}
	ck_assert_uint_eq(r->held_count, 1);
	usleep(150000);
	ck_assert_int_eq(
		msg_outbox_lend(&lone.outbox, 40, &loan), -MSG_ERROR_AGAIN);
	ck_assert(!msg_inbox_evicted(&r->inbox));
	close_trial(&lone);
}
END_TEST

/* Lends until it cannot, for so long; whether it could again. */
static bool lend_for(unsigned ms)
{
	uint64_t end = msg_clock_ns() + ms * MSG_NS_PER_MS;
	struct msg_loan loan;

	while (msg_clock_ns() < end) {
		if (msg_outbox_lend(&lone.outbox, 40, &loan) == 0) {
			msg_outbox_abandon(&lone.outbox, &loan);
			return true;
		}
		usleep(5000);
	}
	return false;
}

START_TEST(who_is_awaited_may_hold_all_for_longer)
{
	patience_ns = 1000 * MSG_NS_PER_MS;
	open_trial(&lone, 3, MSG_RING_LAP);
	patience_ns = 0;
	hand_out_all();
	ck_assert(!lend_for(300));
	ck_assert(!msg_inbox_evicted(&lone.readers[0].inbox));
	ck_assert(lend_for(10000));
	ck_assert(msg_inbox_evicted(&lone.readers[0].inbox));
	close_trial(&lone);
}
END_TEST

static void publish_until_refused(void)
{
	struct msg_loan loan;

	while (msg_outbox_lend(&lone.outbox, 40, &loan) == 0) {
		uint64_t sequence = msg_lender_next(&lone.outbox.lender);

		lone.lengths[sequence] = 40;
		fill(loan.data, 40, sequence);
		ck_assert_int_eq(msg_outbox_send(&lone.outbox, &loan, 40), 0);
	}
}

/* The relay has all slots on its way, within what it keeps by agreement, and for
 * longer than anybody is waited for; a reader has one view.  When they come back he
 * is waited for as ever. */
START_TEST(who_is_awaited_does_not_pay_for_the_device)
{
	struct msg_inbox *relay = &lone.readers[1].inbox;
	struct msg_inbox *idle = &lone.readers[0].inbox;
	struct msg_view views[8], kept;

	patience_ns = 100 * MSG_NS_PER_MS;
	open_trial(&lone, 3, MSG_RING_BLOCK);
	patience_ns = 0;
	lone.outbox.ring.readers[0].slow = MSG_RING_LAP;
	msg_ring_writer_remove(&lone.outbox.ring, 2);
	lone.outbox.ring.readers[1].keeps = lone.options.entry_count;
	lone.outbox.lender.pool.free_count = lone.outbox.loan_max = 4;
	publish_until_refused();
	ck_assert_int_eq(msg_inbox_take(relay, views, 8), 4);
	ck_assert_int_eq(msg_inbox_take(idle, views + 4, 4), 4);
	kept = views[7];
	msg_inbox_release(idle, views + 4, 3);
	ck_assert_int_eq(msg_inbox_take(idle, views + 4, 4), 0);
	ck_assert(!lend_for(300));
	ck_assert(!lone.outbox.ring.readers[0].cut);
	msg_inbox_release(relay, views, 4);
	ck_assert_int_eq(msg_inbox_take(relay, views, 8), 0);
	publish_until_refused();
	ck_assert_uint_eq(lone.outbox.ring.revoked, 0);
	msg_inbox_release(idle, &kept, 1);
	ck_assert_int_eq(msg_inbox_take(idle, views, 8), 3);
	ck_assert_uint_eq(views[0].lost_before, 0);
	msg_inbox_release(idle, views, 3);
	close_trial(&lone);
}
END_TEST

START_TEST(who_is_awaited_and_stops_is_lapped_in_the_end)
{
	struct msg_loan loan;

	patience_ns = 1000 * MSG_NS_PER_MS;
	open_trial(&lone, 3, MSG_RING_LAP);
	patience_ns = 0;
	while (msg_outbox_lend(&lone.outbox, 40, &loan) == 0) {
		memset(loan.data, 0, 40);
		ck_assert_int_eq(msg_outbox_send(&lone.outbox, &loan, 40), 0);
	}
	ck_assert(!lend_for(300));
	ck_assert_uint_eq(lone.outbox.ring.revoked, 0);
	ck_assert(lend_for(10000));
	ck_assert_uint_gt(lone.outbox.ring.revoked, 0);
	ck_assert(!msg_inbox_evicted(&lone.readers[0].inbox));
	close_trial(&lone);
}
END_TEST

static uint64_t refused(void)
{
	return msg_counter_get(&lone.outbox.lender
					.counters[MSG_COUNTER_RELEASE_REFUSED]);
}

static void must_be_refused(struct msg_loan loan, size_t bytes)
{
	uint64_t head = lone.outbox.ring.head;

	ck_assert(!msg_outbox_send_quick(&lone.outbox, &loan, bytes));
	ck_assert(!msg_outbox_send_alone(&lone.outbox, &loan, bytes));
	ck_assert_int_eq(msg_outbox_send(&lone.outbox, &loan, bytes),
		-MSG_ERROR_ARGUMENT);
	ck_assert_uint_eq(lone.outbox.ring.head, head);
}

/* Which of the short ways the next two go. */
static bool quick;

/* After one that took a look, the quick way is open. */
static struct msg_loan lend_short(void)
{
	struct msg_loan loan;

	ck_assert(msg_outbox_lend_alone(&lone.outbox, 40, &loan));
	if (!quick)
		return loan;
	ck_assert(!msg_outbox_send_quick(&lone.outbox, &loan, 40));
	msg_outbox_abandon(&lone.outbox, &loan);
	ck_assert(!msg_outbox_lend_quick(&lone.outbox, 40, &loan));
	ck_assert(msg_outbox_lend_alone(&lone.outbox, 40, &loan));
	lone.lengths[msg_lender_next(&lone.outbox.lender)] = 40;
	fill(loan.data, 40, msg_lender_next(&lone.outbox.lender));
	ck_assert(msg_outbox_send_alone(&lone.outbox, &loan, 40));
	ck_assert(msg_outbox_lend_quick(&lone.outbox, 40, &loan));
	return loan;
}

static bool send_short(struct msg_loan *loan, size_t bytes)
{
	return quick ? msg_outbox_send_quick(&lone.outbox, loan, bytes)
		     : msg_outbox_send_alone(&lone.outbox, loan, bytes);
}

START_TEST(the_short_way_takes_a_loan_once_and_no_other)
{
	struct msg_loan loan;
	struct msg_loan other;
	uint64_t before;

	quick = _i;
	open_trial(&lone, 4, MSG_RING_BLOCK);
	before = refused();
	loan = lend_short();
	ck_assert_uint_eq(msg_lender_loans(&lone.outbox.lender), 1);
	other = loan;
	other.opaque += 1ull << 32; /* Not lent yet. */
	ck_assert(!send_short(&other, 40));
	other = loan;
	other.opaque |= UINT32_MAX; /* No slot. */
	ck_assert(!send_short(&other, 40));
	other = loan;
	lone.lengths[msg_lender_next(&lone.outbox.lender)] = 40;
	fill(loan.data, 40, msg_lender_next(&lone.outbox.lender));
	ck_assert(send_short(&loan, 40));
	ck_assert_ptr_null(loan.data);
	must_be_refused(loan, 40);
	must_be_refused(other, 40);
	ck_assert_uint_eq(refused() - before, 2);
	/* Longer than it is: the loan is spent, and nothing published. */
	loan = lend_short();
	must_be_refused(loan, loan.capacity + 1);
	ck_assert_uint_eq(msg_lender_loans(&lone.outbox.lender), 0);
	ck_assert(!msg_outbox_lend_quick(&lone.outbox,
		lone.options.message_bytes_max + 1u, &loan));
	ck_assert(!msg_outbox_lend_alone(&lone.outbox,
		lone.options.message_bytes_max + 1u, &loan));
	/* Not past what stands in a frame. */
	loan = lend_one(40);
	other = lend_short();
	msg_outbox_queue(&lone.outbox, &loan, 40);
	ck_assert(!send_short(&other, 40));
	ck_assert(!msg_outbox_lend_quick(&lone.outbox, 40, &loan));
	ck_assert(!msg_outbox_lend_alone(&lone.outbox, 40, &loan));
	msg_outbox_abandon(&lone.outbox, &other);
	close_trial(&lone);
}
END_TEST

/* What another loan does to the one that is out on the quick way. */
START_TEST(the_quick_way_is_for_one_loan_at_a_time)
{
	struct msg_loan first;
	struct msg_loan second;

	quick = true;
	open_trial(&lone, 5, MSG_RING_BLOCK);
	first = lend_short();
	ck_assert(!msg_outbox_lend_quick(&lone.outbox, 40, &second));
	second = lend_one(40);
	ck_assert_uint_eq(msg_lender_loans(&lone.outbox.lender), 2);
	ck_assert(!msg_outbox_send_quick(&lone.outbox, &first, 40));
	msg_outbox_abandon(&lone.outbox, &second);
	ck_assert_uint_eq(msg_lender_loans(&lone.outbox.lender), 1);
	msg_outbox_abandon(&lone.outbox, &first);
	ck_assert_uint_eq(msg_lender_loans(&lone.outbox.lender), 0);
	ck_assert_uint_eq(refused(), 0);
	close_trial(&lone);
}
END_TEST

/* It promises no more than there is. */
START_TEST(the_quick_way_ends_with_slots_places_and_leave)
{
	enum { LEAST = 4 };
	struct msg_outbox *o = &lone.outbox;
	struct msg_loan loan;
	uint32_t n = 1;

	open_trial(&lone, 6, MSG_RING_BLOCK);
	if (_i == 0)
		o->lender.pool.free_count = LEAST;
	else if (_i == 1)
		o->loan_max = LEAST;
	ck_assert(msg_outbox_lend_alone(o, 40, &loan));
	for (;; n++) {
		uint64_t next = msg_lender_next(&o->lender);

		lone.lengths[next] = 40;
		fill(loan.data, 40, next);
		ck_assert(n == 1 ? msg_outbox_send_alone(o, &loan, 40)
				 : msg_outbox_send_quick(o, &loan, 40));
		if (!msg_outbox_lend_quick(o, 40, &loan))
			break;
	}
	if (_i < 2)
		ck_assert_uint_eq(n, LEAST);
	ck_assert_uint_le(n, o->ring.mask + 1);
	ck_assert_uint_le(msg_ring_backlog(&o->ring), o->ring.mask + 1);
	close_trial(&lone);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("outbox");
	TCase *entries = check_case(suite, "entries", 20);
	TCase *trials = check_case(suite, "trials", 240);

	tcase_add_test(entries, a_short_message_leaves_its_slot_free);
	tcase_add_test(entries, news_is_looked_at_before_slots_are_taken_back);
	tcase_add_test(
		entries, who_gives_back_at_the_last_moment_is_not_evicted);
	tcase_add_test(entries, who_holds_all_for_too_long_is_evicted);
	tcase_add_test(
		entries, nobody_pays_for_frames_that_the_device_still_has);
	tcase_add_test(entries, who_is_awaited_may_hold_all_for_longer);
	tcase_add_test(entries, who_is_awaited_does_not_pay_for_the_device);
	tcase_add_test(
		entries, who_is_awaited_and_stops_is_lapped_in_the_end);
	tcase_add_loop_test(
		entries, the_short_way_takes_a_loan_once_and_no_other, 0, 2);
	tcase_add_test(entries, the_quick_way_is_for_one_loan_at_a_time);
	tcase_add_loop_test(entries,
		the_quick_way_ends_with_slots_places_and_leave, 0, 3);
	tcase_add_test(trials, readers_that_may_be_lapped_know_what_they_lost);
	tcase_add_test(trials, readers_that_may_not_be_lapped_lose_nothing);
	tcase_add_test(trials, readers_that_are_awaited_lose_nothing);
	tcase_add_test(trials, readers_that_lag_are_evicted_and_others_go_on);
	return check_main(suite, NULL);
}
