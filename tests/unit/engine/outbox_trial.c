/* SPDX-License-Identifier: BSD-2-Clause */
/* outbox_trial.c - see outbox_trial.h. */
#include "outbox_trial.h"

#include <stdlib.h>
#include <string.h>

#include "pool/ring_wait.h"

uint64_t patience_ns;
bool may_retain;

void fill(uint8_t *data, size_t bytes, uint64_t sequence)
{
	random_fill(data, bytes, sequence * 31 + 7);
}

/* ---- reading ----------------------------------------------------------- */

void check_view(struct trial *t, const struct msg_view *view)
{
	static uint8_t wanted[1 << 17];

	MUST(t, view->segment_count == 1);
	MUST(t, view->bytes == t->lengths[view->sequence]);
	fill(wanted, (uint32_t)view->bytes, view->sequence);
	MUST(t, memcmp(wanted, view->data, view->bytes) == 0);
}

void give_back(struct trial *t, struct reader *r, uint32_t which)
{
	r->evicted = msg_inbox_evicted(&r->inbox);
	if (!r->evicted)
		check_view(t, &r->held[which]);
	msg_inbox_release(&r->inbox, &r->held[which], 1);
	r->held[which] = r->held[--r->held_count];
}

int take(struct trial *t, struct reader *r)
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
		/* Before the first only entries can be counted; of who came
		 * late not even they. */
		if (!r->begun) {
			MUST(t, views[i].lost_before <= views[i].sequence);
			MUST(t, r->late || (views[i].lost_before > 0) ==
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

static void open_reader(struct trial *t, uint32_t k, uint32_t wanted)
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

	r->late = wanted > 0;
	if (r->late) {
		uint64_t head = t->outbox.ring.head;

		ring.start = msg_ring_oldest(
			t->options.ring, head, t->options.retain);
		ring.history = (uint32_t)(head - ring.start);
		ring.history_count = wanted;
	}
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

void come_late(struct trial *t, uint32_t k, uint32_t wanted)
{
	struct reader *r = &t->readers[k];

	while (r->held_count > 0)
		give_back(t, r, 0);
	msg_inbox_close(&r->inbox);
	msg_ring_writer_remove(&t->outbox.ring, k);
	msg_ring_vacate(&t->outbox.ring, k);
	free(r->ledger);
	memset(r, 0, sizeof *r);
	open_reader(t, k, wanted);
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

uint64_t lent_quick;
uint64_t sent_quick;
uint64_t lent_alone;
uint64_t sent_alone;

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

bool borrow(struct trial *t)
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

void hand_in(struct trial *t)
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
	if (t->on_look)
		t->on_look(t);
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

void set_up(struct trial *t, const struct msg_outbox_options *sizes)
{
	struct msg_outbox_options *o = &t->options;
	size_t ring_bytes = msg_ring_bytes(sizes->entry_count);

	*o = *sizes;
	o->payload_bytes = (o->message_bytes_max + 7) & ~7u;
	o->slot_bytes = (o->payload_bytes + 63) & ~63u;
	o->publisher = PUBLISHER;
	o->counters = t->counters;
	o->news = &t->news;
	o->look = look;
	o->wake = wake;
	o->context = t;
	if (o->large_bytes_max > 0)
		o->area = aligned_alloc(MSG_LARGE_PAGE,
			msg_large_area_bytes(o->large_memory_bytes));
	o->ring = aligned_alloc(64, ring_bytes);
	o->pool = aligned_alloc(64, (size_t)o->slot_count * o->slot_bytes);
	memset(o->ring, 0, ring_bytes);
	memset(o->pool, 0, (size_t)o->slot_count * o->slot_bytes);
	o->patience_ns = patience_ns;
	ck_assert_int_eq(msg_outbox_open(&t->outbox, o), 0);
	for (uint32_t k = 0; k < READERS; k++)
		open_reader(t, k, 0);
}

void open_trial(struct trial *t, uint64_t seed, enum msg_ring_slow slow)
{
	struct msg_outbox_options o = {.slot_count = 0};

	memset(t, 0, sizeof *t);
	t->seed = seed;
	t->random.state = seed;
	t->slow = slow;
	o.entry_count = 8u << random_below(&t->random, 5);
	o.slot_count = LOANS_MAX + 2 + (uint32_t)random_below(&t->random, 60);
	o.message_bytes_max = random_chance(&t->random, 300) ? 70000 : 1200;
	o.frame_body_max = 200 + (uint32_t)random_below(&t->random, 1000);
	if (random_chance(&t->random, 500)) {
		o.large_bytes_max = LARGE_MAX;
		o.large_memory_bytes = 4096 * (32 + random_below(&t->random, 64));
	}
	if (may_retain && random_chance(&t->random, 300)) {
		o.retain = (uint32_t)random_below(
			&t->random, o.entry_count / 4 + 1);
		o.loan_max = o.slot_count;
		o.slot_count += o.retain + 1;
	}
	set_up(t, &o);
}

void close_trial(struct trial *t)
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

/* ---- one by one ---------------------------------------------------------- */

struct trial lone;

struct msg_loan lend_one(size_t bytes)
{
	struct msg_loan loan;

	ck_assert_int_eq(msg_outbox_lend(&lone.outbox, bytes, &loan), 0);
	return loan;
}
