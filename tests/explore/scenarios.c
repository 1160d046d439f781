/* SPDX-License-Identifier: BSD-2-Clause */
/* scenarios.c - what is walked through; README.md has the list. */
#include "world.h"

#include <string.h>

/* ---- publish, copy ----------------------------------------------------- */

/* Take what is there, some times; give it back at once. */
static void reader_of_some(void *argument)
{
	struct world_reader *r = argument;

	for (unsigned i = 0; i < 2; i++) {
		uint32_t slot;

		explore_checkpoint(i);
		if (world_take(r, &slot) && world.kind != MSG_RING_INLINE)
			explore_payload_read(slot, r->ring.next - 1);
		msg_ring_settle(&r->ring, r->ring.next);
	}
	explore_checkpoint(100);
	world_drain(r);
}

static void run_writer_and(unsigned readers, void (*reader)(void *))
{
	static const char *const names[] = {"reader 0", "reader 1"};

	world_writer_state(explore_thread("writer", world_writer, NULL));
	for (unsigned k = 0; k < readers; k++)
		world_reader_state(
			explore_thread(names[k], reader, &world.readers[k]), k);
}

static void setup_publish(void)
{
	world_open(&(struct world_options){.entry_count = 2,
		.slot_count = 2,
		.to_publish = 3,
		.reader_count = 1});
	run_writer_and(1, reader_of_some);
}

static void setup_inline(void)
{
	world_open(&(struct world_options){.entry_count = 2,
		.slot_count = 1,
		.to_publish = 3,
		.kind = MSG_RING_INLINE,
		.reader_count = 1});
	run_writer_and(1, reader_of_some);
}

/* ---- hold and revoke --------------------------------------------------- */

/* Two slots for all: each entry takes the slot of another. */
static void setup_hold(void)
{
	world_open(&(struct world_options){.entry_count = 4,
		.slot_count = 2,
		.to_publish = 4,
		.reader_count = 1});
	run_writer_and(1, reader_of_some);
}

static void reader_of_one(void *argument)
{
	struct world_reader *r = argument;
	uint32_t slot;

	explore_checkpoint(0);
	if (world_take(r, &slot))
		explore_payload_read(slot, r->ring.next - 1);
	world_drain(r);
}

static void setup_hold_two(void)
{
	world_open(&(struct world_options){.entry_count = 4,
		.slot_count = 1,
		.to_publish = 2,
		.reader_count = 2});
	run_writer_and(2, reader_of_one);
}

static void setup_block(void)
{
	world_open(&(struct world_options){.entry_count = 2,
		.slot_count = 2,
		.to_publish = 4,
		.slow = MSG_RING_BLOCK,
		.reader_count = 1});
	run_writer_and(1, reader_of_some);
}

static void end_block(void)
{
	world_end();
	explore_check(world.readers[0].lapped == 0, "is lapped");
}

/* ---- held[] ------------------------------------------------------------ */

static void hold_top(struct world_reader *r, uint32_t top)
{
	msg_store(&r->ring.ledger->held_top, top, release);
}

/* Two in the window; each is kept in turn in the one place of held[]. */
static void reader_that_keeps(void *argument)
{
	struct world_reader *r = argument;

	for (unsigned i = 0; i < 2 && r->count < 2; i++) {
		uint32_t slot;

		explore_checkpoint(i);
		if (!world_take(r, &slot)) {
			/* Only what follows each other is kept. */
			if (r->count > 0)
				break;
			msg_ring_settle(&r->ring, r->ring.next);
			continue;
		}
		r->slots[r->count] = slot;
		r->at[r->count++] = r->ring.next - 1;
	}
	explore_checkpoint(200);
	if (r->count == 2) {
		msg_ring_keep(&r->ring, 0, r->at[0]);
		hold_top(r, 1);
		msg_ring_settle(&r->ring, r->at[1]);
		explore_payload_read(r->slots[0], r->at[0]);
		msg_ring_unhold(&r->ring, 0);
		msg_ring_keep(&r->ring, 0, r->at[1]);
		msg_ring_settle(&r->ring, r->at[1] + 1);
		explore_payload_read(r->slots[1], r->at[1]);
		msg_ring_unhold(&r->ring, 0);
		hold_top(r, 0);
	}
	explore_checkpoint(300);
	world_drain(r);
}

static void setup_keep(void)
{
	world_open(&(struct world_options){.entry_count = 8,
		.slot_count = 2,
		.to_publish = 4,
		.reader_count = 1});
	run_writer_and(1, reader_that_keeps);
}

/* As tight as it may be: never more in hand than allowed, so never evicted. */
static void setup_tight(void)
{
	world_open(&(struct world_options){.entry_count = 2,
		.slot_count = 3,
		.to_publish = 4,
		.held_max = 1,
		.reader_count = 1});
	run_writer_and(1, reader_of_some);
}

/* ---- the inbox --------------------------------------------------------- */

static void open_inbox(uint32_t held_max)
{
	struct msg_inbox_options options = {
		.record_count = 4,
		.ring_max = 1,
		.publisher_count_max = 2,
		.counts_losses = true,
		.counters = world.counters,
	};
	struct msg_inbox_ring_options ring = {
		.header = world.header,
		.entry_count = world.entry_count,
		.ledger = world.ledgers[0],
		.pool = world_pool,
		.pool_bytes = sizeof world_pool,
		.publisher = WORLD_PUBLISHER,
		.topic = MSG_INBOX_NONE,
		.held_max = held_max,
	};

	world.lost_words = false;
	world.inbox_heap = explore_heap();
	explore_check(msg_inbox_open(&world.inbox, &options) == 0 &&
			      msg_inbox_add(&world.inbox, &ring,
				      &world.inbox_ring) == 0,
		"no memory");
	world.inbox_heap_bytes = (size_t)(explore_heap() - world.inbox_heap);
}

static uint32_t slot_of(const void *data)
{
	return (uint32_t)((const uint8_t *)data - world_pool) /
	       WORLD_SLOT_BYTES;
}

static void look_at(const struct msg_view *view)
{
	struct msg_segment segments[2];
	uint32_t count = view->segment_count;
	uint64_t at = count * view->sequence;

	explore_check(msg_inbox_segments(&world.inbox, view, segments, 2) ==
			      (int)count,
		"has lost a part");
	for (uint32_t i = 0; i < count; i++)
		explore_payload_read(slot_of(segments[i].data), at + i);
}

static int inbox_take(struct msg_view *views, int count)
{
	int n = msg_inbox_take(&world.inbox, views, count);

	for (int i = 0; i < n; i++) {
		explore_note("takes %llu", (unsigned long long)views[i].sequence);
		/* Before the first, nobody can know what is missing. */
		if (world.inbox_delivered == 0)
			world.inbox_lost = views[i].sequence;
		else
			world.inbox_lost += views[i].lost_before;
		explore_check(views[i].sequence ==
				world.inbox_lost + world.inbox_delivered,
			"%llu comes after %llu and a loss of %llu",
			(unsigned long long)views[i].sequence,
			(unsigned long long)world.inbox_next,
			(unsigned long long)views[i].lost_before);
		world.inbox_next = views[i].sequence + 1;
		world.inbox_delivered++;
		look_at(&views[i]);
	}
	return n;
}

static void inbox_release(struct msg_view *view)
{
	look_at(view);
	msg_inbox_release(&world.inbox, view, 1);
	explore_note("releases %llu", (unsigned long long)view->sequence);
}

static void inbox_drain(void)
{
	uint64_t lapped;

	explore_checkpoint(1000);
	explore_await(WORLD_PUBLISHED);
	for (;;) {
		struct msg_view *views = world.views;
		int n = inbox_take(views, 4);

		for (int i = 0; i < n; i++)
			inbox_release(&views[i]);
		if (n == 0 && !msg_inbox_ready(&world.inbox))
			break;
	}
	msg_inbox_settle(&world.inbox);
	lapped = world.inbox_ring->reader.lapped;
	/* Of a message of several entries it may see some gone and some not. */
	explore_check(world.kind == MSG_RING_PART ||
			      world.inbox_delivered + lapped ==
				      world.writer.head,
		"%llu delivered and %llu lapped are not %llu",
		(unsigned long long)world.inbox_delivered,
		(unsigned long long)lapped,
		(unsigned long long)world.writer.head);
	explore_check(msg_counter_get(&world.counters[MSG_COUNTER_MALFORMED]) ==
			      0,
		"calls an honest writer's entries malformed");
	explore_check(!msg_inbox_busy(&world.inbox), "is busy");
	explore_check(world.inbox_ring->in_hand == 0 &&
			      world.inbox.free_count == 4,
		"%u entries in hand, %u records free",
		world.inbox_ring->in_hand, world.inbox.free_count);
}

/* The older is kept while younger ones go by. */
static void inbox_with_a_straggler(void *unused)
{
	struct msg_view *views = world.views;
	int n = 0;

	(void)unused;
	for (unsigned i = 0; i < 2 && n < 2; i++) {
		explore_checkpoint(10 * i + (unsigned)n);
		n += inbox_take(views + n, 2 - n);
	}
	explore_checkpoint(100 + (unsigned)n);
	if (n == 2) {
		inbox_release(&views[1]);
		n = 1;
		msg_inbox_settle(&world.inbox);
		n += inbox_take(views + 1, 1);
		look_at(&views[0]);
		/* The place of the first may become another's. */
		inbox_release(&views[0]);
		msg_inbox_settle(&world.inbox);
	} else if (n == 1) {
		inbox_release(&views[0]);
	}
	if (n == 2)
		inbox_release(&views[1]);
	inbox_drain();
}

static void run_inbox(void (*body)(void *))
{
	int t;

	world_writer_state(explore_thread("writer", world_writer, NULL));
	t = explore_thread("inbox", body, NULL);
	explore_state(t, &world.inbox, sizeof world - offsetof(struct world,
					       inbox));
	explore_state(t, world.inbox_heap, world.inbox_heap_bytes);
}

static void setup_inbox(void)
{
	world_open(&(struct world_options){.entry_count = 8,
		.slot_count = 2,
		.to_publish = 4,
		.reader_count = 1});
	open_inbox(4);
	run_inbox(inbox_with_a_straggler);
}

/* One in hand while the writer goes round the ring. */
static void inbox_that_laps(void *unused)
{
	struct msg_view *views = world.views;
	int n;

	(void)unused;
	n = inbox_take(views, 1);
	explore_checkpoint((unsigned)n);
	n += inbox_take(views + n, 1);
	explore_checkpoint(100 + (unsigned)n);
	if (n > 0) {
		look_at(&views[0]);
		for (int i = 0; i < n; i++)
			inbox_release(&views[i]);
	}
	inbox_drain();
}

static void setup_lap(void)
{
	world_open(&(struct world_options){.entry_count = 2,
		.slot_count = 3,
		.to_publish = 3,
		.reader_count = 1});
	open_inbox(4);
	run_inbox(inbox_that_laps);
}

/* One by one, each back before the next: on the short way, unless that closes. */
static void inbox_one_by_one(void *unused)
{
	struct msg_view *view = world.views;

	(void)unused;
	for (unsigned i = 0; i < 3; i++) {
		int n = inbox_take(view, 1);

		explore_checkpoint(2 * i + (unsigned)n);
		if (n > 0)
			inbox_release(view);
	}
	inbox_drain();
}

static void setup_again(void)
{
	world_open(&(struct world_options){.entry_count = 2,
		.slot_count = 2,
		.to_publish = 3,
		.reader_count = 1});
	open_inbox(4);
	run_inbox(inbox_one_by_one);
}

static void setup_parts(void)
{
	world_open(&(struct world_options){.entry_count = 4,
		.slot_count = 4,
		.to_publish = 3,
		.kind = MSG_RING_PART,
		.reader_count = 1});
	open_inbox(4);
	run_inbox(inbox_that_laps);
}

/* ---- a reader that comes ----------------------------------------------- */

static struct {
	_Atomic uint64_t *news;
	bool added;
} broker;

/* The roster is the message; `news` says to look into the socket. */
static void broker_adds(void *unused)
{
	(void)unused;
	explore_signal(WORLD_TOLD_PUBLISHER);
	msg_store(broker.news, 1, release);
	explore_signal(WORLD_TOLD_READER);
}

static void add_if_news(void)
{
	msg_fence(seq_cst);
	if (broker.added || msg_load(broker.news, acquire) == 0)
		return;
	explore_await(WORLD_TOLD_PUBLISHER);
	broker.added = true;
	explore_note("adds the reader");
	msg_ring_writer_add(
		&world.writer, 0, world.ledgers[0], 4, MSG_RING_LAP);
}

static void publisher_with_news(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < world.to_publish; i++) {
		explore_checkpoint(i);
		if (world.free_slots == 0 ||
			msg_ring_backlog(&world.writer) == world.entry_count)
			add_if_news();
		if (!world_publish())
			world.refused++;
	}
	/* Whoever came meanwhile is to find the rest. */
	explore_await(WORLD_TOLD_PUBLISHER);
	explore_await(WORLD_TOLD_READER);
	add_if_news();
	explore_signal(WORLD_PUBLISHED);
}

static void reader_that_comes(void *argument)
{
	struct world_reader *r = argument;

	explore_await(WORLD_TOLD_READER);
	msg_ring_reader_open(&r->ring, world.header, world.entry_count,
		world.ledgers[0], 0, MSG_RING_HEAD);
	r->start = r->ring.next;
	explore_note("begins at %llu", (unsigned long long)r->start);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t slot;

		explore_checkpoint(i);
		if (world_take(r, &slot))
			explore_payload_read(slot, r->ring.next - 1);
		msg_ring_settle(&r->ring, r->ring.next);
	}
	world_drain(r);
}

static void setup_add(void)
{
	int t;

	world_open(&(struct world_options){.entry_count = 4,
		.slot_count = 1,
		.to_publish = 2});
	broker.news = explore_shared(sizeof *broker.news);
	broker.added = false;
	t = explore_thread("publisher", publisher_with_news, NULL);
	world_writer_state(t);
	explore_state(t, &broker.added, sizeof broker.added);
	explore_thread("broker", broker_adds, NULL);
	world_reader_state(
		explore_thread("reader", reader_that_comes, &world.readers[0]),
		0);
}

/* ---- a reader that comes late ------------------------------------------ */

#define RETAINED (1u + explore_more)

/* As its broker does: it tells the publisher, and only then looks what is kept. */
static void broker_offers_history(void *unused)
{
	struct world_reader *r = &world.readers[0];
	uint64_t head;

	(void)unused;
	explore_signal(WORLD_TOLD_PUBLISHER);
	msg_store(broker.news, 1, release);
	msg_fence(seq_cst);
	head = msg_load(&world.header->head, acquire);
	r->start = msg_ring_oldest(world.header, head, RETAINED);
	/* Of what is beyond, the writer cannot but see the reader first. */
	if (r->start > head)
		r->start = head;
	explore_note("offers %llu of %llu", (unsigned long long)r->start,
		(unsigned long long)head);
	explore_signal(WORLD_TOLD_READER);
}

/* As an outbox does that is short of memory. */
static void publisher_that_yields(void *unused)
{
	struct msg_ring_writer *w = &world.writer;

	(void)unused;
	for (unsigned i = 0; i < world.to_publish; i++) {
		explore_checkpoint(i);
		while (world.free_slots == 0 && w->tail < w->head) {
			uint64_t oldest = w->tail;

			msg_ring_yield(w, oldest + 1);
			add_if_news();
			msg_ring_reclaim(w, oldest + 1);
		}
		if (!world_publish())
			world.refused++;
	}
	explore_await(WORLD_TOLD_PUBLISHER);
	explore_await(WORLD_TOLD_READER);
	add_if_news();
	explore_signal(WORLD_PUBLISHED);
}

static void reader_of_history(void *argument)
{
	struct world_reader *r = argument;

	explore_await(WORLD_TOLD_READER);
	msg_ring_reader_open(&r->ring, world.header, world.entry_count,
		world.ledgers[0], 0, r->start);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t slot;

		explore_checkpoint(i);
		if (world_take(r, &slot))
			explore_payload_read(slot, r->ring.next - 1);
		msg_ring_settle(&r->ring, r->ring.next);
	}
	world_drain(r);
}

static void setup_late(void)
{
	int t;

	world_open(&(struct world_options){.entry_count = 8,
		.slot_count = 1 + explore_more,
		.to_publish = 2});
	world.writer.retain = RETAINED;
	world.writer.strict = true;
	broker.news = explore_shared(sizeof *broker.news);
	broker.added = false;
	t = explore_thread("publisher", publisher_that_yields, NULL);
	world_writer_state(t);
	explore_state(t, &broker.added, sizeof broker.added);
	explore_thread("broker", broker_offers_history, NULL);
	world_reader_state(
		explore_thread("reader", reader_of_history, &world.readers[0]),
		0);
}

static void end_late(void)
{
	msg_ring_yield(&world.writer, world.writer.head);
	world_end();
}

/* ---- a reader that goes, and another under its number ------------------ */

static void reader_that_goes(void *argument)
{
	struct world_reader *r = argument;
	uint32_t slot;

	if (world_take(r, &slot))
		explore_payload_read(slot, r->ring.next - 1);
	/* With all that it holds: it is dead. */
	explore_signal(WORLD_FIRST_GONE);
}

static void writer_that_removes(void *unused)
{
	bool removed = false;

	(void)unused;
	for (unsigned i = 0; i < world.to_publish; i++) {
		if (i == 2) {
			explore_await(WORLD_FIRST_GONE);
			msg_ring_writer_remove(&world.writer, 0);
			msg_ring_writer_add(&world.writer, 0, world.ledgers[1],
				4, MSG_RING_LAP);
			removed = true;
			explore_signal(WORLD_TOLD_READER);
		}
		explore_checkpoint(i + 50 * removed);
		if (!world_publish())
			world.refused++;
	}
	explore_signal(WORLD_PUBLISHED);
}

static void reader_that_follows(void *argument)
{
	struct world_reader *r = argument;

	explore_await(WORLD_TOLD_READER);
	msg_ring_reader_open(&r->ring, world.header, world.entry_count,
		world.ledgers[1], 0, MSG_RING_HEAD);
	r->start = r->ring.next;
	for (unsigned i = 0; i < 2; i++) {
		uint32_t slot;

		explore_checkpoint(i);
		if (world_take(r, &slot))
			explore_payload_read(slot, r->ring.next - 1);
		msg_ring_settle(&r->ring, r->ring.next);
	}
	world_drain(r);
}

static void setup_remove(void)
{
	world_open(&(struct world_options){.entry_count = 4,
		.slot_count = 2,
		.to_publish = 4,
		.reader_count = 1});
	world_writer_state(
		explore_thread("writer", writer_that_removes, NULL));
	world_reader_state(explore_thread("reader 0", reader_that_goes,
				   &world.readers[0]),
		0);
	world_reader_state(explore_thread("reader 1", reader_that_follows,
				   &world.readers[1]),
		1);
}

/* ---- sleep and wake ---------------------------------------------------- */

static void reader_that_sleeps(void *argument)
{
	struct world_reader *r = argument;

	for (unsigned i = 0; r->ring.next < world.to_publish; i++) {
		uint32_t slot;
		uint32_t bell;

		/* What it reads may be stale for ever; that is not to be
		 * followed for ever. */
		if (i == 7 + 3 * explore_more)
			explore_give_up();
		explore_checkpoint(i);
		if (world_take(r, &slot)) {
			msg_ring_settle(&r->ring, r->ring.next);
			continue;
		}
		bell = msg_ring_sleep(&r->ring, MSG_RING_SLEEP_FUTEX);
		msg_fence(seq_cst);
		if (!msg_ring_ready(&r->ring))
			explore_futex_wait(&r->ring.header->bell, bell);
		msg_ring_awake(&r->ring);
	}
	world_drain(r);
}

static void setup_sleep(void)
{
	world_open(&(struct world_options){.entry_count = 4,
		.slot_count = 3 + explore_more,
		.to_publish = 2,
		.reader_count = 1,
		.shared = true});
	run_writer_and(1, reader_that_sleeps);
}

static void setup_sleep_two(void)
{
	world_open(&(struct world_options){.entry_count = 2,
		.slot_count = 2 + explore_more,
		.to_publish = 1,
		.reader_count = 2,
		.shared = true});
	run_writer_and(2, reader_that_sleeps);
}

/* ---- evicted ----------------------------------------------------------- */

/* What an evicted reader had in hand may be used again under it: it is told,
 * and looks at that behind what it read. */
static void reader_that_may_be_evicted(void *argument)
{
	struct world_reader *r = argument;

	for (unsigned i = 0; i < 2; i++) {
		uint64_t at = r->ring.next;
		struct msg_ring_item item = {0};
		uint64_t value;
		uint32_t slot;

		explore_checkpoint(i);
		if (msg_ring_peek(&r->ring, at, &item) != MSG_RING_ENTRY ||
			msg_ring_hold(&r->ring, at + 1, true) > at)
			break;
		slot = item.place / (WORLD_SLOT_BYTES / MSG_RING_PLACE_UNIT);
		value = msg_load(&world.glance[slot], relaxed);
		msg_fence(acquire);
		if (msg_ring_evicted(&r->ring))
			break;
		explore_check(value == at, "reads %llu of entry %llu",
			(unsigned long long)value, (unsigned long long)at);
		msg_ring_settle(&r->ring, at + 1);
	}
	explore_await(WORLD_PUBLISHED);
	explore_check(msg_ring_evicted(&r->ring) == (world.writer.evicted > 0),
		"does not know whether it is evicted");
	if (!msg_ring_evicted(&r->ring))
		msg_ring_settle(&r->ring, r->ring.next);
}

static void setup_evict(void)
{
	world_open(&(struct world_options){.entry_count = 4,
		.slot_count = 2,
		.to_publish = 4,
		.slow = MSG_RING_EVICT,
		.reader_count = 1});
	run_writer_and(1, reader_that_may_be_evicted);
}

static void end_evict(void)
{
	/* One that was not evicted has not taken the last. */
	if (world.writer.evicted == 0)
		msg_ring_writer_remove(&world.writer, 0);
	world.writer.evicted = 0;
	world_end();
}

const struct explore_scenario explore_scenarios[] = {
	{"publish", "an entry is seen whole, or not at all; a lap is counted",
		setup_publish, world_end, -1},
	{"inline", "the same of what stands in the entry itself", setup_inline,
		world_end, -1},
	{"hold", "a slot that is read is not used again", setup_hold,
		world_end, -1},
	{"hold_two", "the same with two readers", setup_hold_two, world_end,
		-1},
	{"block", "one that may block is never lapped", setup_block, end_block,
		-1},
	{"keep", "what is kept in held[] is not used again", setup_keep,
		world_end, -1},
	{"tight", "a window never looks larger than it is", setup_tight,
		world_end, -1},
	{"inbox", "the inbox keeps a straggler and goes on", setup_inbox,
		world_end, 2},
	{"parts", "a message of two entries is whole or lost", setup_parts,
		world_end, -1},
	{"lap", "the inbox is lapped with something in hand", setup_lap,
		world_end, -1},
	{"again", "the inbox takes and gives back one by one", setup_again,
		world_end, 2},
	{"add", "a reader comes while a local publisher publishes", setup_add,
		world_end, -1},
	{"late", "a reader begins late while what is kept gives way",
		setup_late, end_late, -1},
	{"remove", "a reader dies, another comes under its number",
		setup_remove, world_end, -1},
	{"sleep", "no wake is lost", setup_sleep, world_end, -1},
	{"sleep_two", "the same with two sleepers", setup_sleep_two, world_end,
		-1},
	{"evict", "an evicted reader can tell", setup_evict, end_evict, -1},
};
const unsigned explore_scenario_count =
	sizeof explore_scenarios / sizeof *explore_scenarios;
