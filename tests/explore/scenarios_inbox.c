/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scenarios_inbox.c - the inbox over a ring: a straggler is kept, the writer laps,
 * messages of several entries.  What it takes is checked as it is taken, and all at
 * the end: what was delivered and what was lapped is what was published.
 */
#include "scenarios_internal.h"
#include "world.h"

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

void scenario_inbox(void)
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

void scenario_lap(void)
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

void scenario_again(void)
{
	world_open(&(struct world_options){.entry_count = 2,
		.slot_count = 2,
		.to_publish = 3,
		.reader_count = 1});
	open_inbox(4);
	run_inbox(inbox_one_by_one);
}

void scenario_parts(void)
{
	world_open(&(struct world_options){.entry_count = 4,
		.slot_count = 4,
		.to_publish = 3,
		.kind = MSG_RING_PART,
		.reader_count = 1});
	open_inbox(4);
	run_inbox(inbox_that_laps);
}
