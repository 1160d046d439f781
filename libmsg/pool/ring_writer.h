/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring_writer.h - publishing into a ring, and getting back what was published.
 *
 *     room ─> put … advance ─> flush (tell sleepers)      one by one, or many
 *     reclaim ─> free(token) for each entry that nobody needs any more
 *
 * Every entry has a token of its caller: what stands behind it in the pool.
 * Reclaiming is lazy: it costs nothing until somebody wants a place back.  It
 * comes in two kinds.  The usual one takes the entries that all readers have
 * left behind.  The other revokes: readers that lag behind a mark lose what
 * they have not taken (they learn how much), unless they are of the kind that
 * may block, and entries that are still held by somebody move to a side list.
 *
 * One thread.  Costs no read-modify-write and no look at any reader but when
 * something is reclaimed, or (flush) one load a reader.
 * Test: tests/unit/pool/test_ring*.c, tests/explore.
 */
#ifndef MSG_POOL_RING_WRITER_H
#define MSG_POOL_RING_WRITER_H

#include <stdbool.h>

#include "pool/ring.h"

#define MSG_RING_NO_TOKEN UINT32_MAX

/* What becomes of a reader that the writer would have to wait for. */
enum msg_ring_slow {
	MSG_RING_LAP = 0,   /* It loses entries, counted. */
	MSG_RING_EVICT = 1, /* It loses the ring. */
	MSG_RING_BLOCK = 2, /* The writer waits. */
};

typedef void msg_ring_free_fn(void *context, uint32_t token);
/* The same of several; returns how many, without those that are
 * MSG_RING_NO_TOKEN. */
typedef uint32_t msg_ring_free_all_fn(
	void *context, const uint32_t *tokens, uint64_t count);
/* Wake a reader that sleeps on a descriptor. */
typedef void msg_ring_wake_fn(void *context, uint32_t reader);

struct msg_ring_writer_reader {
	const struct msg_ring_ledger *ledger; /* NULL: this place is free. */
	uint64_t start; /* Entries before are not its. */
	uint64_t floor; /* As stored in the header. */
	uint32_t held_max; /* More in hand than this is a fault of its. */
	uint32_t slow;     /* enum msg_ring_slow */
	uint32_t woken;    /* The sleep that was ended last. */
	uint32_t keeps;    /* In hand by agreement, and held against nobody. */
	bool awaited;      /* ring_wait.h: it is, … */
	bool cut;          /* … but was waited for too long. */
	uint64_t next;     /* The most it has taken, … */
	uint64_t returned; /* … and given back, when we looked. */
	uint64_t waited_ns; /* So long, since either moved. */
};

/* An entry that somebody held when the tail went by. */
struct msg_ring_pin {
	uint64_t index;
	uint32_t token;
	uint32_t needed; /* While reclaiming: by somebody. */
};

struct msg_ring_writer {
	struct msg_ring_header *header;
	struct msg_ring_entry *entries;
	uint64_t mask;
	uint64_t head;
	uint64_t tail;    /* Entries below are free, or pins. */
	uint32_t *tokens; /* By index & mask; ours alone. */
	struct msg_ring_pin *pins; /* By index, rising. */
	uint32_t pin_count;
	uint32_t pin_max;
	uint32_t reader_top; /* Places beyond were never used. */
	bool shared;         /* Readers may sleep. */
	uint32_t retain;     /* Newest entries that stay though nobody needs
	                        them, for who comes late, until there is need;
	                        or, if it is `strict`, whatever is needed: who
	                        comes from elsewhere may begin there, without
	                        our knowing.  At most a quarter of the ring. */
	bool strict;
	uint64_t kept;       /* As in the header: what is before is not retained. */
	uint64_t needed;     /* What is before, nobody needs, but pins; as seen
	                        by the last reclaim. */
	bool waits;          /* For readers that are awaited (ring_wait.h). */
	uint64_t looked_ns;  /* When we looked at those; 0: we do not wait. */
	uint64_t changes;    /* As in the header. */
	uint64_t revoked;    /* Revocations, for statistics. */
	uint64_t evicted;
	msg_ring_free_fn *free;
	msg_ring_free_all_fn *free_all; /* Or NULL: one by one. */
	msg_ring_wake_fn *wake;
	void *context;      /* Of free. */
	void *wake_context; /* The same, unless set. */
	/* Where readers say that they sleep, without gaps. */
	size_t watched_count;
	const _Atomic uint32_t *watched[MSG_RING_READERS_MAX];
	struct msg_ring_writer_reader readers[MSG_RING_READERS_MAX];
};

struct msg_ring_writer_options {
	struct msg_ring_header *header; /* msg_ring_bytes, zeroed. */
	uint32_t entry_count;           /* A power of two. */
	uint32_t pin_max;               /* Entries held beyond the ring. */
	uint64_t epoch;
	uint64_t first; /* Index to begin with: 0 but in tests. */
	bool shared;
	msg_ring_free_fn *free;
	msg_ring_free_all_fn *free_all; /* Or NULL. */
	msg_ring_wake_fn *wake; /* Or NULL: none sleeps on a descriptor. */
	void *context;
};

/* 0, or -MSG_ERROR_MEMORY with the reason on the trail. */
int msg_ring_writer_open(struct msg_ring_writer *writer,
	const struct msg_ring_writer_options *options);
/* Frees nothing that was published: the pool goes with it. */
void msg_ring_writer_close(struct msg_ring_writer *writer);

/* Give reader number `reader` a part in the ring, from where its ledger says on,
 * but nothing that was taken back before; until it says so it may begin
 * anywhere.  Its place must be free, its ledger zeroed but for low and next,
 * which are set by whoever opens the reader. */
void msg_ring_writer_add(struct msg_ring_writer *writer, uint32_t reader,
	const struct msg_ring_ledger *ledger, uint32_t held_max,
	enum msg_ring_slow slow);
/* It is gone, with all that it held; or we are, and it may read on: what it was
 * lapped by, it still finds. */
void msg_ring_writer_remove(struct msg_ring_writer *writer, uint32_t reader);
/* One that was removed is gone for good: whoever is the next in its place is not
 * to find that. */
void msg_ring_vacate(struct msg_ring_writer *writer, uint32_t reader);

/* Take the ring from a reader, with all that it has in hand. */
void msg_ring_evict(struct msg_ring_writer *writer, uint32_t reader);

/* The reader with most in hand.  MSG_RING_READERS_MAX: none has anything, or the
 * writer waits for one that has most, or has yet to take; or all that it does not
 * wait for have fewer than `least` together, so what is short is not theirs. */
uint32_t msg_ring_hoarder(struct msg_ring_writer *writer, uint64_t least);

/* The same, by what `weight` says of each token in hand; what a reader has yet to
 * take is in nobody's. */
typedef uint64_t msg_ring_weight_fn(void *context, uint32_t token);
uint32_t msg_ring_heaviest(
	struct msg_ring_writer *writer, msg_ring_weight_fn *weight);

/* Whether the reader's place is taken, and not by one that was evicted. */
bool msg_ring_writer_has(const struct msg_ring_writer *writer, uint32_t reader);

/* Free what nobody needs and need not be retained; with `revoke` > 0 also what only
 * laggards need, below that index.  How many tokens came back. */
uint32_t msg_ring_reclaim(struct msg_ring_writer *writer, uint64_t revoke);

/* Free what nobody needs, retained or not; or half of what is retained.  How many
 * tokens came back. */
uint32_t msg_ring_forget(struct msg_ring_writer *writer);
uint32_t msg_ring_thin(struct msg_ring_writer *writer);

/* Of a strict writer: what is below `index` is retained no longer.  Before it is
 * reclaimed, its caller looks behind a full fence for readers that were announced,
 * and adds them. */
void msg_ring_yield(struct msg_ring_writer *writer, uint64_t index);

/* Whether an entry that is there would not come back with msg_ring_reclaim, though
 * it were not retained: some reader has it in hand, or is waited for and has yet to
 * take it. */
bool msg_ring_is_needed(struct msg_ring_writer *writer, uint64_t index);

/* The same as msg_ring_reclaim with `revoke`, from those that are awaited, too. */
uint32_t msg_ring_press(struct msg_ring_writer *writer, uint64_t revoke);

/* Where a reader is that is there. */
struct msg_ring_claim {
	uint64_t taken; /* All before this it has taken, … */
	uint64_t next;  /* … or lost. */
	uint64_t in_hand;
};
/* As its ledger says.  False: it claims nothing. */
bool msg_ring_claim(struct msg_ring_writer *writer, uint32_t reader,
	struct msg_ring_claim *claim);

/* The slow half of msg_ring_room. */
bool msg_ring_make_room(struct msg_ring_writer *writer, uint32_t count);

/* Whether `count` entries may be put; laps who stands in the way, if it may, also
 * those that are awaited.  At most half the ring. */
static inline bool msg_ring_room(struct msg_ring_writer *writer, uint32_t count)
{
	return writer->head + count - writer->tail <= writer->mask + 1 ||
	       msg_ring_make_room(writer, count);
}

/* Whether there is room for one that costs no reader anything. */
static inline bool msg_ring_spare(struct msg_ring_writer *writer)
{
	if (writer->head - writer->tail > writer->mask)
		msg_ring_reclaim(writer, 0);
	return writer->head - writer->tail <= writer->mask;
}

static inline __attribute__((always_inline)) void msg_ring_put_at(
	struct msg_ring_writer *writer, uint64_t index,
	const struct msg_ring_item *item, uint32_t token)
{
	struct msg_ring_entry *e = &writer->entries[index & writer->mask];

	/* "copy": void first.  Relaxed, ordered by the fence behind it. */
	msg_store(&e->turn, 0, relaxed);
	msg_fence(release);
	msg_store(&e->sequence, item->sequence, relaxed);
	msg_store(&e->from, item->from, relaxed);
	if (item->kind == MSG_RING_INLINE) {
		msg_store(&e->what,
			msg_ring_what(item->kind, item->bytes, item->lost),
			relaxed);
		for (unsigned i = 0; i < MSG_RING_INLINE_BYTES / 8; i++)
			msg_store(&e->more[i], item->data[i], relaxed);
	} else {
		msg_store(&e->what,
			msg_ring_what(item->kind, item->bytes, item->place),
			relaxed);
		msg_store(&e->more[0], item->lost, relaxed);
		if (item->kind != MSG_RING_SINGLE)
			msg_store(&e->more[1],
				(uint64_t)item->total << 32 | item->segments,
				relaxed);
	}
	/* "publish"; partner: msg_ring_peek. */
	msg_store(&e->turn, index + 1, release);
	writer->tokens[index & writer->mask] = token;
}

/* Write the entry `ahead` places beyond the head.  Of several, the first must
 * be put last: a reader that sees it may rely on all. */
static inline void msg_ring_put(struct msg_ring_writer *writer, uint32_t ahead,
	const struct msg_ring_item *item, uint32_t token)
{
	msg_ring_put_at(writer, writer->head + ahead, item, token);
}

static inline __attribute__((always_inline)) void msg_ring_advance_to(
	struct msg_ring_writer *writer, uint64_t head)
{
	writer->head = head;
	/* Release; partner: msg_ring_reader_open. */
	msg_store(&writer->header->head, head, release);
}

static inline void msg_ring_advance(
	struct msg_ring_writer *writer, uint32_t count)
{
	msg_ring_advance_to(writer, writer->head + count);
}

/* Both, of one entry. */
static inline __attribute__((always_inline)) void msg_ring_append(
	struct msg_ring_writer *writer, const struct msg_ring_item *item,
	uint32_t token)
{
	uint64_t index = writer->head;

	msg_ring_put_at(writer, index, item, token);
	msg_ring_advance_to(writer, index + 1);
}

/* Whether anybody sleeps, or was woken and has yet to say so: most look here and
 * find nobody.  Behind the fence that msg_ring_wake_behind wants, too. */
static inline __attribute__((always_inline)) bool msg_ring_has_sleeper(
	const struct msg_ring_writer *writer)
{
	size_t i = writer->watched_count;

	while (i != 0)
		if (msg_load(writer->watched[--i], relaxed) %
				MSG_RING_SLEEP_STEP !=
			MSG_RING_AWAKE)
			return true;
	return false;
}

/* Wake who sleeps, once a sleep; behind the caller's own seq_cst fence, which is
 * behind what was published ("sleep"). */
void msg_ring_wake_behind(struct msg_ring_writer *writer);
/* With the fence. */
void msg_ring_wake(struct msg_ring_writer *writer);

/* After the last of a batch. */
static inline void msg_ring_flush(struct msg_ring_writer *writer)
{
	if (writer->shared)
		msg_ring_wake(writer);
}

/* Entries that some reader has yet to take, or has in hand, or had when somebody
 * looked last. */
static inline uint64_t msg_ring_used(const struct msg_ring_writer *writer)
{
	uint64_t from = writer->needed > writer->tail ? writer->needed
						      : writer->tail;

	return writer->head - from + writer->pin_count;
}

/* Entries not yet free, without the pins. */
static inline uint64_t msg_ring_backlog(const struct msg_ring_writer *writer)
{
	return writer->head - writer->tail;
}

#endif
