/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scenarios_change.c - a reader comes while a publisher publishes, or begins late with what
 * is kept, and one dies and another gets its number: as the broker tells both sides.
 */
#include "scenarios_internal.h"
#include "world.h"

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

/* Whoever came meanwhile is to find the rest. */
static void end_publishing(void)
{
	explore_await(WORLD_TOLD_PUBLISHER);
	explore_await(WORLD_TOLD_READER);
	add_if_news();
	explore_signal(WORLD_PUBLISHED);
}

static void read_and_drain(struct world_reader *r)
{
	for (unsigned i = 0; i < 2; i++) {
		uint32_t slot;

		explore_checkpoint(i);
		if (world_take(r, &slot))
			explore_payload_read(slot, r->ring.next - 1);
		msg_ring_settle(&r->ring, r->ring.next);
	}
	world_drain(r);
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
	end_publishing();
}

/* Under number 0, with the ledger of its own. */
static void reader_that_comes(void *argument)
{
	struct world_reader *r = argument;

	explore_await(WORLD_TOLD_READER);
	msg_ring_reader_open(&r->ring, world.header, world.entry_count,
		world.ledgers[r - world.readers], 0, MSG_RING_HEAD);
	r->start = r->ring.next;
	explore_note("begins at %llu", (unsigned long long)r->start);
	read_and_drain(r);
}

void scenario_add(void)
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
	end_publishing();
}

static void reader_of_history(void *argument)
{
	struct world_reader *r = argument;

	explore_await(WORLD_TOLD_READER);
	msg_ring_reader_open(&r->ring, world.header, world.entry_count,
		world.ledgers[0], 0, r->start);
	read_and_drain(r);
}

void scenario_late(void)
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

void end_scenario_late(void)
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

void scenario_remove(void)
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
	world_reader_state(explore_thread("reader 1", reader_that_comes,
				   &world.readers[1]),
		1);
}
