/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring_reader.h - reading a ring, and saying what is in hand.
 *
 *     peek(at) ─> ENTRY: copied, checked for tearing     nothing claimed yet
 *              ├> EMPTY
 *              └> GONE: lapped, or evicted
 *     hold(upto) ─> claimed: places of [low, upto) stay as they are, but for
 *                   those below the index returned: they were revoked before
 *     settle(low)      entries below are returned
 *     keep / unhold    an entry stays in hand while the window goes on
 *
 * The reader trusts what it mapped as little as the writer trusts the ledger:
 * an item is a copy, and whoever uses it checks it against the pool first.
 * One thread, but for what the inbox above says.  Reads nothing of the ledger
 * back.  Test: tests/unit/pool/test_ring*.c, tests/explore.
 */
#ifndef MSG_POOL_RING_READER_H
#define MSG_POOL_RING_READER_H

#include <stdbool.h>

#include "pool/ring.h"

#define MSG_RING_HEAD UINT64_MAX

enum msg_ring_peek {
	MSG_RING_EMPTY,
	MSG_RING_ENTRY,
	MSG_RING_GONE,
};

struct msg_ring_reader {
	const struct msg_ring_header *header;
	const struct msg_ring_entry *entries;
	struct msg_ring_ledger *ledger;
	const _Atomic uint64_t *floor; /* Ours, in the header. */
	uint64_t mask;
	uint64_t next; /* The first entry not yet claimed. */
	uint64_t low;  /* As last settled. */
	uint32_t number;
	uint32_t sleeps; /* Of the ledger's `sleeping`. */
	bool alone; /* The writer is of our thread: nothing to fence. */
	uint64_t lapped; /* Entries lost to the writer's pace. */
};

/* Begin at entry `start`: where the ring's head was when its writer, or who
 * told its writer, knew of this reader, or later; MSG_RING_HEAD: where it is by
 * now.  The ledger is zeroed. */
static inline void msg_ring_reader_open(struct msg_ring_reader *reader,
	const struct msg_ring_header *header, uint32_t entry_count,
	struct msg_ring_ledger *ledger, uint32_t number, uint64_t start)
{
	*reader = (struct msg_ring_reader){
		.header = header,
		.entries = (const struct msg_ring_entry *)(header + 1),
		.ledger = ledger,
		.floor = &header->floor[number],
		.mask = entry_count - 1,
		.number = number,
	};
	/* A writer that learns of us from somebody else (a local publisher,
	 * from the broker) looks for that behind a fence before it takes a
	 * place back.  Either it sees us then, or we see the head as it was at
	 * that fence, and nothing from there on had been taken back. */
	msg_fence(seq_cst);
	/* Acquire; partner: msg_ring_advance_to. */
	reader->next = start == MSG_RING_HEAD ? msg_load(&header->head, acquire)
					      : start;
	reader->low = reader->next;
	/* low first: read_claim reads next first. */
	msg_store(&ledger->low, reader->low, release);
	msg_store(&ledger->next, reader->next, release);
}

/* The first entry that one may begin with who comes late to a `strict` writer
 * (ring_writer.h), when the head is there.  For who announced the reader to that
 * writer, behind a full fence.  Hostile as all that the writer says: it may be
 * beyond the head. */
static inline uint64_t msg_ring_oldest(
	const struct msg_ring_header *header, uint64_t head, uint32_t retain)
{
	/* "late"; partner: msg_ring_yield. */
	uint64_t kept = msg_load(&header->kept, relaxed);
	uint64_t oldest = head > retain ? head - retain : 0;

	return kept > oldest ? kept : oldest;
}

static inline const struct msg_ring_entry *msg_ring_entry_at(
	const struct msg_ring_reader *reader, uint64_t at)
{
	return &reader->entries[at & reader->mask];
}

/* The entry of index `at` is there if this says at + 1: not yet below, gone
 * above. */
static inline __attribute__((always_inline)) uint64_t msg_ring_turn(
	const struct msg_ring_entry *e)
{
	/* "publish"; partner: msg_ring_put_at. */
	return msg_load(&e->turn, acquire);
}

/* Behind a copy of the entry of index `at`: whether it is not torn. */
static inline __attribute__((always_inline)) bool msg_ring_is_whole(
	const struct msg_ring_entry *e, uint64_t at)
{
	/* "copy"; partner: the release fence in msg_ring_put_at.  A torn copy is
	 * nothing yet: the floor that goes with it may not be visible to us
	 * before the entry that comes there is. */
	msg_fence(acquire);
	return msg_load(&e->turn, relaxed) == at + 1;
}

/* Copy the entry of index `at`, whose turn msg_ring_turn said is at + 1.  What
 * it holds of a message goes to `data`, so that the rest of an item may live in
 * registers.  False: torn. */
static inline __attribute__((always_inline)) bool msg_ring_copy(
	const struct msg_ring_entry *e, uint64_t at,
	struct msg_ring_item *item, uint64_t *data)
{
	uint64_t what;

	item->sequence = msg_load(&e->sequence, relaxed);
	item->from = msg_load(&e->from, relaxed);
	what = msg_load(&e->what, relaxed);
	item->kind = (uint32_t)(what >> 61);
	item->bytes = (uint32_t)(what >> 32) & MSG_RING_BYTES_MAX;
	item->segments = 1;
	item->total = 0;
	if (item->kind == MSG_RING_INLINE) {
		item->place = 0;
		item->lost = (uint32_t)what;
		for (unsigned i = 0; i < MSG_RING_INLINE_BYTES / 8; i++)
			data[i] = msg_load(&e->more[i], relaxed);
	} else {
		item->place = (uint32_t)what;
		item->lost = (uint32_t)msg_load(&e->more[0], relaxed);
	}
	if (item->kind > MSG_RING_INLINE) {
		uint64_t message = msg_load(&e->more[1], relaxed);

		if (item->kind == MSG_RING_PART)
			item->segments = (uint32_t)message;
		item->total = (uint32_t)(message >> 32);
	}
	return msg_ring_is_whole(e, at);
}

/* Look at the entry of index `at`, next or later. */
static inline enum msg_ring_peek msg_ring_peek(
	const struct msg_ring_reader *reader, uint64_t at,
	struct msg_ring_item *item)
{
	const struct msg_ring_entry *e = msg_ring_entry_at(reader, at);
	uint64_t turn = msg_ring_turn(e);

	if (turn != at + 1)
		return turn > at + 1 ? MSG_RING_GONE : MSG_RING_EMPTY;
	return msg_ring_copy(e, at, item, item->data) ? MSG_RING_ENTRY
						      : MSG_RING_EMPTY;
}

/* Whether the next entry is there, without a copy of it. */
static inline __attribute__((always_inline)) bool msg_ring_ready(
	const struct msg_ring_reader *reader)
{
	const struct msg_ring_entry *e =
		&reader->entries[reader->next & reader->mask];

	return msg_load(&e->turn, acquire) > reader->next;
}

/* Claim all below `upto`, which was peeked.  `pinned`: some of it stands in the
 * pool.  Returns where the claim begins: what was peeked below that is void.
 * The rest is claimed, so `next` never goes back. */
static inline __attribute__((always_inline)) uint64_t msg_ring_hold(
	struct msg_ring_reader *reader, uint64_t upto, bool pinned)
{
	uint64_t from = reader->next;

	msg_store(&reader->ledger->next, upto, release);
	if (pinned && !reader->alone) {
		uint64_t floor;

		/* "hold"; partner: the fence in msg_ring_reclaim. */
		msg_fence(seq_cst);
		floor = msg_load(reader->floor, relaxed);
		if (floor > from) {
			from = floor < upto ? floor : upto;
			reader->lapped += from - reader->next;
		}
	}
	reader->next = upto;
	return from;
}

/* All entries below `low` are returned, or kept. */
static inline __attribute__((always_inline)) void msg_ring_settle(
	struct msg_ring_reader *reader, uint64_t low)
{
	reader->low = low;
	/* "return"; partner: read_claim. */
	msg_store(&reader->ledger->low, low, release);
}

/* Go on at `to` without what is before it; nothing may be in the window: keep
 * it first.  Low first: a window never looks larger than it is. */
static inline void msg_ring_skip(struct msg_ring_reader *reader, uint64_t to)
{
	reader->next = to;
	msg_ring_settle(reader, to);
	msg_store(&reader->ledger->next, to, release);
}

/* Give up what was lost and stand where it goes on; nothing may be in the
 * window: keep it first.  False: evicted, or the writer lies and there is
 * nowhere to go on. */
bool msg_ring_lap(struct msg_ring_reader *reader);

static inline bool msg_ring_evicted(const struct msg_ring_reader *reader)
{
	return msg_load(reader->floor, relaxed) == MSG_RING_EVICTED;
}

/* Entry `index` stays in hand, in place `place` of held[]: before it is
 * settled. */
static inline void msg_ring_keep(
	struct msg_ring_reader *reader, uint32_t place, uint64_t index)
{
	/* Release, as the place was another entry's before: "return". */
	msg_store(&reader->ledger->held[place], index + 1, release);
}

static inline void msg_ring_unhold(
	struct msg_ring_reader *reader, uint32_t place)
{
	/* "return"; partner: mark_claims. */
	msg_store(&reader->ledger->held[place], 0, release);
}

/* Going to sleep: then look once more, and only then sleep.  Returns the
 * bell's value to sleep on. */
static inline uint32_t msg_ring_sleep(
	struct msg_ring_reader *reader, enum msg_ring_sleep how)
{
	uint32_t bell = msg_load(&reader->header->bell, acquire);

	reader->sleeps += MSG_RING_SLEEP_STEP;
	msg_store(&reader->ledger->sleeping, reader->sleeps | how, relaxed);
	/* "sleep"; partner: msg_ring_wake.  One fence may serve many rings:
	 * the caller puts it, and then looks into each. */
	return bell;
}

static inline void msg_ring_awake(struct msg_ring_reader *reader)
{
	msg_store(&reader->ledger->sleeping, reader->sleeps, relaxed);
}

#endif
