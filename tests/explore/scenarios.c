/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scenarios.c - what is walked through, as a table at the end; README.md has the
 * list.  Here a ring's readers, awake and asleep; in scenarios_inbox.c the inbox
 * above one, in scenarios_change.c readers that come and go.
 */
#include "scenarios_internal.h"
#include "world.h"

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
	{"inbox", "the inbox keeps a straggler and goes on", scenario_inbox,
		world_end, 2},
	{"parts", "a message of two entries is whole or lost", scenario_parts,
		world_end, -1},
	{"lap", "the inbox is lapped with something in hand", scenario_lap,
		world_end, -1},
	{"again", "the inbox takes and gives back one by one", scenario_again,
		world_end, 2},
	{"add", "a reader comes while a local publisher publishes", scenario_add,
		world_end, -1},
	{"late", "a reader begins late while what is kept gives way",
		scenario_late, end_scenario_late, -1},
	{"remove", "a reader dies, another comes under its number",
		scenario_remove, world_end, -1},
	{"sleep", "no wake is lost", setup_sleep, world_end, -1},
	{"sleep_two", "the same with two sleepers", setup_sleep_two, world_end,
		-1},
	{"evict", "an evicted reader can tell", setup_evict, end_evict, -1},
};
const unsigned explore_scenario_count =
	sizeof explore_scenarios / sizeof *explore_scenarios;
