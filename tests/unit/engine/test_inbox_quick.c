/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_inbox_quick.c - the short way of a take and the usual one say the same; see
 * libmsg/engine/inbox_quick.h.
 *
 * Two inboxes read one ring, and are asked the same.  One goes its way; of the
 * other the short way is closed before each take.  What they bring, count and
 * say in their ledgers must be equal, whatever is in the ring.
 */
#include "engine/inbox_quick.h"
#include "inbox_fixture.h"

#define STEPS 20000u
#define IN_HAND 8u
#define LEDGER_BYTES                                                           \
	(sizeof(struct msg_ring_ledger) + RECORDS * sizeof(uint64_t))

struct reader {
	struct msg_inbox *inbox;
	struct msg_view views[IN_HAND];
	int count;
};

static struct msg_inbox usual;
static msg_counter_t usual_counters[MSG_COUNTER_COUNT];
static struct msg_ring_ledger *usual_ledger;
static struct reader readers[2] = {{.inbox = &inbox}, {.inbox = &usual}};
static uint64_t next_sequence;
static uint64_t went_quick;

static void open_both(enum msg_ring_slow slow, bool fixed)
{
	struct source *s = &sources[0];
	struct msg_inbox_options options = {
		.record_count = IN_HAND,
		.ring_max = 1,
		.publisher_count_max = 8,
		.counts_losses = true,
		.counters = usual_counters,
	};
	struct msg_inbox_ring_options ring = {.entry_count = 16,
		.pool_bytes = SLOTS * SLOT_BYTES,
		.topic = fixed ? 3 : MSG_INBOX_NONE,
		.publisher = fixed ? 7 : 0,
		.number = 1,
		.held_max = IN_HAND};
	struct msg_inbox_ring *opened;

	open_inbox(IN_HAND);
	open_source(s, 16, IN_HAND, slow);
	s->ring->topic = ring.topic;
	s->ring->publisher = ring.publisher;
	memset(usual_counters, 0, sizeof usual_counters);
	usual_ledger = aligned_alloc(64, (LEDGER_BYTES + 63) & ~63ul);
	memset(usual_ledger, 0, LEDGER_BYTES);
	ck_assert_int_eq(msg_inbox_open(&usual, &options), 0);
	msg_ring_writer_add(&s->writer, 1, usual_ledger, IN_HAND, slow);
	ring.header = s->header;
	ring.ledger = usual_ledger;
	ring.pool = s->pool;
	ck_assert_int_eq(msg_inbox_add(&usual, &ring, &opened), 0);
	/* So small that messages come which are too large for it. */
	inbox.message_bytes_max = usual.message_bytes_max = 64;
	readers[0].count = readers[1].count = 0;
	next_sequence = 0;
}

static void close_both(void)
{
	msg_inbox_close(&usual);
	free(usual_ledger);
	close_all();
}

/* A message that is whole in its entry, and not always what it should be. */
static void publish_odd(struct random_stream *random)
{
	struct source *s = &sources[0];
	uint32_t slot = get_slot(s);
	struct msg_ring_item item = item_at(slot,
		random_chance(random, 300) ? MSG_RING_INLINE : MSG_RING_SINGLE,
		next_sequence++, 9 + (uint32_t)random_below(random, 30));

	memset(item.data, (int)slot, sizeof item.data);
	memset(s->pool + slot * SLOT_BYTES, (int)slot, 80);
	switch (random_below(random, 12)) {
	case 0:
		item.publisher = 8;
		break;
	case 1:
		item.topic = 4;
		break;
	case 2:
		item.bytes = 65 + (uint32_t)random_below(random, 10);
		break;
	case 3: /* Beyond the pool. */
		item.place = SLOTS * SLOT_BYTES / MSG_RING_PLACE_UNIT - 1;
		break;
	case 4:
		item.sequence = next_sequence += random_below(random, 5);
		next_sequence++;
		break;
	default:
		break;
	}
	put(s, &item, slot);
}

static void publish_any(struct random_stream *random)
{
	struct source *s = &sources[0];

	switch (random_below(random, 20)) {
	case 0:
		publish_packed(s, next_sequence, 3);
		next_sequence += 3;
		return;
	case 1:
		publish_parts(s, next_sequence++, 2);
		return;
	case 2:
	case 3:
	case 4:
	case 5:
		publish_odd(random);
		return;
	default:
		publish(s, next_sequence++);
	}
}

static void compare_views(const struct msg_view *a, const struct msg_view *b)
{
	MUST(a->bytes == b->bytes && a->publisher == b->publisher &&
			a->sequence == b->sequence && a->topic == b->topic &&
			a->lost_before == b->lost_before &&
			a->segment_count == b->segment_count &&
			a->event == b->event && a->reason == b->reason,
		"views of %llu and %llu are not equal",
		(unsigned long long)a->sequence,
		(unsigned long long)b->sequence);
	if (a->segment_count == 1)
		MUST(memcmp(a->data, b->data, a->bytes) == 0,
			"%llu is not the same message",
			(unsigned long long)a->sequence);
}

static void compare_all(void)
{
	const struct msg_ring_ledger *a = sources[0].ledger;
	const struct msg_ring_ledger *b = usual_ledger;

	for (unsigned i = 0; i < MSG_COUNTER_COUNT; i++)
		MUST(msg_counter_get(&counters[i]) ==
				msg_counter_get(&usual_counters[i]),
			"counter %u is %llu, not %llu", i,
			(unsigned long long)msg_counter_get(&counters[i]),
			(unsigned long long)msg_counter_get(
				&usual_counters[i]));
	/* How far each claims ahead, and how soon it says what is back, is its
	 * own affair. */
	MUST(atomic_load(&a->taken) == atomic_load(&b->taken) &&
			atomic_load(&a->lost) == atomic_load(&b->lost) &&
			atomic_load(&a->lapped) == atomic_load(&b->lapped),
		"the ledgers differ at entry %llu",
		(unsigned long long)atomic_load(&a->next));
}

static void take_both(int count)
{
	bool open = inbox.quick.ring != NULL;
	int n[2];

	for (int k = 0; k < 2; k++) {
		struct reader *r = &readers[k];
		int room = (int)IN_HAND - r->count;

		if (k == 1)
			msg_inbox_close_quick(&usual);
		n[k] = room == 0 ? 0
				 : msg_inbox_take(r->inbox, r->views + r->count,
					   count < room ? count : room);
		r->count += n[k];
	}
	MUST(n[0] == n[1], "takes %d, not %d", n[0], n[1]);
	for (int i = readers[0].count - n[0]; i < readers[0].count; i++)
		compare_views(&readers[0].views[i], &readers[1].views[i]);
	went_quick += open && n[0] == 1 && inbox.quick.ring != NULL;
}

static void release_both(struct random_stream *random)
{
	int count = readers[0].count;
	int at = count ? (int)random_below(random, (uint64_t)count) : 0;

	if (count == 0)
		return;
	for (int k = 0; k < 2; k++) {
		struct reader *r = &readers[k];
		const struct msg_view *view = &r->views[at];

		/* As long as it is held it stays. */
		MUST(view->bytes != 8 || sequence_in(view) == view->sequence,
			"%llu was written over",
			(unsigned long long)view->sequence);
		msg_inbox_release(r->inbox, view, 1);
		r->views[at] = r->views[--r->count];
	}
}

/* Whether nothing need be revoked for it: what of several is lost depends on how
 * far each has claimed. */
static bool may_publish(void)
{
	const struct source *s = &sources[0];

	return msg_ring_backlog(&s->writer) + 2 <= s->writer.mask &&
	       s->out_count + 2 <= SLOTS;
}

/* What nobody has claimed, if it is one entry. */
static void revoke(void)
{
	uint64_t head = sources[0].writer.head;
	bool one = atomic_load(&sources[0].ledger->next) + 1 == head &&
		   atomic_load(&usual_ledger->next) + 1 == head;

	msg_ring_reclaim(&sources[0].writer, one ? head : 0);
}

/* As who takes one by one. */
static void cycle(struct random_stream *random)
{
	for (uint64_t n = random_below(random, 6); n > 0; n--) {
		if (may_publish())
			publish(&sources[0], next_sequence++);
		if (random_chance(random, 100))
			revoke();
		take_both(1);
		compare_all();
		while (readers[0].count > 0)
			release_both(random);
	}
}

static void step(struct random_stream *random)
{
	static const int counts[] = {1, 1, 1, 2, 8};
	uint64_t dice = random_below(random, 105);

	if (dice >= 100)
		cycle(random);
	else if (dice < 35 && may_publish())
		publish_any(random);
	else if (dice < 70)
		take_both(counts[random_below(random, 5)]);
	else if (dice < 96)
		release_both(random);
	else if (dice < 98)
		for (int k = 0; k < 2; k++)
			msg_inbox_settle(readers[k].inbox);
	else
		revoke();
	compare_all();
}

/* In the end all is back. */
static void drain_both(struct random_stream *random)
{
	do {
		while (readers[0].count > 0)
			release_both(random);
		take_both(1);
	} while (readers[0].count > 0 || msg_inbox_ready(&inbox));
	for (int k = 0; k < 2; k++)
		ck_assert(!msg_inbox_busy(readers[k].inbox));
	msg_ring_reclaim(&sources[0].writer, 0);
	ck_assert_uint_eq(sources[0].out_count, 0);
}

START_TEST(both_ways_say_the_same)
{
	struct random_stream random = {check_seed() + (uint64_t)_i};

	went_quick = 0;
	open_both(_i % 2 ? MSG_RING_LAP : MSG_RING_BLOCK, _i / 2 % 2);
	for (unsigned i = 0; i < STEPS; i++)
		step(&random);
	drain_both(&random);
	/* Else this would compare the usual way with itself. */
	ck_assert_uint_gt(went_quick, STEPS / 200);
	close_both();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("inbox_quick");
	TCase *trials = check_case(suite, "trials", 60);

	tcase_add_loop_test(trials, both_ways_say_the_same, 0, 8);
	return check_main(suite, NULL);
}
