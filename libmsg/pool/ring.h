/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring.h - the ledger ring: one writer, many readers that write nothing shared.
 *
 *     header   head, bell, one floor a reader      the writer writes
 *     entries  64 bytes each, R of them            the writer writes
 *     ledger   one a reader: low, next, held[]     that reader writes
 *
 * The writer never waits for a reader it may lap, and no reader can hurt
 * another: each writes its own ledger only, which the writer reads as hostile.
 * In a broker, header and entries are sealed memory that others map read-only,
 * and each ledger is a page of its own; in direct mode all of it is private
 * memory of one process, and the code is the same.
 *
 *     index    0 … tail ……… low … next ……… head … tail + R
 *              free │ pinned │ in  │ not    │ not
 *                   │ ones   │ hand│ taken  │ written
 *
 * An entry names a place in the pool (or carries up to 32 bytes itself).  The
 * place may be used again when no reader needs it: everyone's `next` is past
 * it, and it is in nobody's window [low, next) and in no held[].  A reader
 * that keeps views while going on moves them from the window to held[].
 *
 * The proofs each side owes the other, by name (see libmsg/pool/README.md):
 *
 *   publish  the entry's words, then turn = index + 1 with release; a reader
 *            loads turn with acquire, so it sees the words and the payload.
 *   copy     a reader copies the words, then looks at turn again behind an
 *            acquire fence; the writer voids turn before it overwrites, behind
 *            a release fence: a torn copy is noticed.
 *   hold     a reader stores next, then a full fence, then reads its floor; the
 *            writer stores the floor, then a full fence, then reads next: one
 *            of them sees the other, so no place is read after it was reused.
 *   return   a reader stores low or clears held[] with release after its last
 *            read of the payload; the writer loads them with acquire.
 *   sleep    a reader stores sleeping, a full fence, looks for an entry; the
 *            writer publishes, a full fence, looks for sleepers.
 *   join     a reader that a third party announces to the writer opens behind
 *            a full fence; the writer looks for announcements behind a full
 *            fence, then reclaims: it sees the reader, or the reader its head.
 *   late     one that begins before that head needs another reader that holds
 *            those entries until `changes` says that the writer knows it; or a
 *            writer that does not take the newest back: who looked before it was
 *            announced took nothing that is as near to a head which was no
 *            higher then.  If it must, it raises `kept` above what it takes
 *            before it looks for announcements: it sees the reader, or whoever
 *            announced that one, behind the same fence, sees `kept`.
 *
 * Neighbours: ring_writer.h (engine, broker, publishers), ring_reader.h (the
 * inbox).  Tests: tests/unit/pool/test_ring*.c, tests/explore, tests/model.
 */
#ifndef MSG_POOL_RING_H
#define MSG_POOL_RING_H

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"

#define MSG_RING_MAGIC 0x676e69722d67736dull /* "msg-ring", little-endian */
#define MSG_RING_VERSION 1u

#ifdef MSG_EXPLORE
/* Small enough for every interleaving to be walked. */
#define MSG_RING_READERS_MAX 2u
#else
#define MSG_RING_READERS_MAX 128u
#endif

/* Of a ring, a power of two; how many at most, link/shm/control.h says. */
#define MSG_RING_ENTRIES_MIN 8u

/* What an entry holds. */
enum msg_ring_kind {
	MSG_RING_SINGLE = 1, /* One message at a place in the pool. */
	MSG_RING_INLINE = 2, /* One message, in the entry. */
	MSG_RING_PACKED = 3, /* Several, in a body as protocol/pack.h says. */
	MSG_RING_PART = 4,   /* A piece of one message of several entries: all
	                        of them are published before the first of them
	                        can be seen, and follow each other. */
	MSG_RING_EVENT = 5,  /* No message and no bytes: what happened to the
	                        stream, in `place` (enum msg_event), `lost` and
	                        `total` (enum msg_loss); if none are lost, how
	                        far it is.  Of others `lost` is 0, or the one
	                        reader it is for + 1. */
	MSG_RING_LARGE = 6,  /* One message of `total` bytes in a buffer of its
	                        own, number `place`; where others map those, at
	                        page `place` of their area (engine/large.h). */
};

#define MSG_RING_INLINE_BYTES 32u
#define MSG_RING_BYTES_MAX ((1u << 29) - 1) /* Of one entry's payload. */
#define MSG_RING_PLACE_UNIT 8u              /* Of `place`: 32 GiB of pool. */

/* One entry, in the reader's or the writer's own memory. */
struct msg_ring_item {
	uint64_t sequence;  /* Of its (first) message, from its publisher. */
	union {
		uint64_t from; /* Both, as a word of an entry. */
		struct {
			uint32_t topic; /* The writer's number for it. */
			uint32_t publisher;
		};
	};
	uint32_t bytes;     /* Payload of this entry. */
	uint32_t kind;      /* enum msg_ring_kind */
	uint32_t lost;      /* Messages the writer knows lost before this one. */
	uint32_t place;     /* In the pool, in MSG_RING_PLACE_UNIT. */
	uint32_t segments;  /* PART: entries from here to its message's end. */
	uint32_t total;     /* PART: bytes of the message.  PACKED: messages at
	                       its beginning that are not to be taken. */
	uint64_t data[MSG_RING_INLINE_BYTES / 8]; /* INLINE */
};

/* A cache line.  Words, each atomic: a reader may look while they change. */
struct msg_ring_entry {
	alignas(64) _Atomic uint64_t turn; /* index + 1; 0: being written. */
	_Atomic uint64_t sequence;
	_Atomic uint64_t from; /* As in an item. */
	_Atomic uint64_t what; /* kind << 61 | bytes << 32 | place, or lost */
	_Atomic uint64_t more[MSG_RING_INLINE_BYTES / 8];
};

struct msg_ring_header {
	uint64_t magic; /* These four never change. */
	uint32_t version;
	uint32_t entry_count;
	uint64_t epoch;
	/* Entries published, for those who come new and for onlookers: a
	 * reader follows the turns.  Release; partner: msg_ring_reader_open. */
	alignas(64) _Atomic uint64_t head;
	_Atomic uint64_t tail; /* For onlookers. */
	/* Readers added and removed by the writer so far: who told it of one
	 * sees here that it knows.  Release; partner: who tells. */
	_Atomic uint64_t changes;
	/* Of a publisher that moved here from another ring: messages below were
	 * published there, if not here.  Release; partner: relay.c. */
	_Atomic uint64_t begin;
	/* Of a publisher that retains its newest entries until their memory is
	 * wanted: below, any may have been taken back.  Relaxed, behind fences
	 * ("late"); partner: msg_ring_oldest. */
	_Atomic uint64_t kept;
	/* A futex: changes when the writer saw a sleeper. */
	alignas(64) _Atomic uint32_t bell;
	/* By reader: entries below are not his any more.  MSG_RING_EVICTED:
	 * none are. */
	alignas(64) _Atomic uint64_t floor[MSG_RING_READERS_MAX];
};

#define MSG_RING_EVICTED UINT64_MAX

/* How a reader sleeps, in the low bits of `sleeping`; above, a number that
 * changes with each sleep, so that the writer wakes each sleep once. */
enum msg_ring_sleep {
	MSG_RING_AWAKE = 0,
	MSG_RING_SLEEP_FUTEX = 1,
	MSG_RING_SLEEP_DESCRIPTOR = 2,
};
#define MSG_RING_SLEEP_STEP 4u

/* What a reader says of itself.  It reads none of this back. */
struct msg_ring_ledger {
	alignas(64) _Atomic uint64_t low; /* In hand: [low, next), less some. */
	_Atomic uint64_t next;
	_Atomic uint32_t held_top; /* held[] beyond were never used. */
	_Atomic uint64_t taken;    /* Messages; for onlookers, as what follows. */
	_Atomic uint64_t lost;
	_Atomic uint64_t lapped;   /* Entries. */
	/* On a line of its own: the writer looks here at every flush, and the
	 * line above is written at every take.  On one line each would wait
	 * for the other's processor, and with it what it publishes next. */
	alignas(64) _Atomic uint32_t sleeping;
	alignas(64) _Atomic uint64_t held[]; /* index + 1; 0: none. */
};

static inline size_t msg_ring_bytes(uint32_t entry_count)
{
	return sizeof(struct msg_ring_header) +
	       (size_t)entry_count * sizeof(struct msg_ring_entry);
}

static inline struct msg_ring_entry *msg_ring_entries(
	struct msg_ring_header *header)
{
	return (struct msg_ring_entry *)(header + 1);
}

/* Of a ledger whose reader may have that many entries in hand. */
static inline size_t msg_ring_ledger_bytes(uint32_t held_max)
{
	return sizeof(struct msg_ring_ledger) + held_max * sizeof(uint64_t);
}

/* The part of an entry that says what it is. */
static inline uint64_t msg_ring_what(
	uint32_t kind, uint32_t bytes, uint32_t place)
{
	return (uint64_t)kind << 61 | (uint64_t)bytes << 32 | place;
}

#endif
