/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inbox.h - from rings to views in the application's hands, and back.
 *
 *     ring ──claim──> record ──deliver──> views, a bit each
 *       ^                                   │ release, any thread
 *       └──── settle: low, held[] <─────────┘ seen with the next take
 *
 * A subscriber reads one ring (direct mode: the engine behind the same call
 * fills it) or many (through a broker: one of each topic from the network, one
 * of each local publisher).  A record stands for one ring entry that is in
 * hand: a copy of what the entry said, and one bit a view, 32 to a word, each
 * word tagged with the record's generation.  So giving a view back is one
 * compare-and-swap that takes its bit, or finds that it is not out (a double
 * release, a stale or invented handle) and is refused.
 *
 * Records of a ring queue in its order; the ring's window ends where the
 * oldest is still out.  One that is kept while many go by moves to the ring's
 * held[] (see pool/ring.h), so it holds back nobody.
 *
 * Losses.  The sequences of a publisher say how many messages are missing
 * before one, whoever lost them: the network, or this reader by being slow.
 * Before the first of a publisher only its ring can say so: entries lost there
 * count as a message each, at least as many as that are missing.
 *
 * History.  Who comes late may begin with the last messages that a ring still
 * holds of each of its publishers (inbox_history.c).
 *
 * What a ring says is hostile until checked: kind, place, bytes, publisher,
 * segments are copied once and compared with the pool's size.
 * One thread but for release, find, segments and copy.
 * Test: tests/unit/engine/test_inbox*.c, tests/conformance, tests/contract.
 */
#ifndef MSG_ENGINE_INBOX_H
#define MSG_ENGINE_INBOX_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "base/counter.h"
#include "engine/large.h"
#include "pool/ring_reader.h"
#include "protocol/pack.h"

/* handle: generation 32 | view 12 | record 20 */
#define MSG_INBOX_RECORD_BITS 20u
#define MSG_INBOX_VIEW_BITS 12u
#define MSG_INBOX_NONE UINT32_MAX
#define MSG_INBOX_WORD_BITS 32u
#define MSG_INBOX_WORDS 32u /* 1024 views an entry: MSG_PACK_COUNT_MAX. */
/* Twice the publishers that a subscriber follows by default. */
#define MSG_INBOX_OTHERS_MAX 512u

struct msg_inbox_record {
	/* On a cache line, as what stands in a pool is. */
	alignas(64) uint64_t inline_data[MSG_RING_INLINE_BYTES / 8];
	const uint8_t *data;
	uint64_t index; /* Of its ring's entry. */
	uint64_t sequence;
	uint32_t publisher;
	uint32_t topic;
	uint32_t bytes;
	uint32_t lost;
	uint32_t segments;
	uint32_t total;      /* Of the message; in the first of a chain. */
	uint32_t next;       /* In the chain of its message. */
	uint32_t younger;    /* In its ring's queue, or in the kept list. */
	uint32_t place;      /* First of its places in held[]; NONE: in none. */
	uint32_t generation;
	uint16_t words;      /* Of bits that were set. */
	uint8_t kind;
	uint8_t event;       /* enum msg_event, of kind EVENT. */
};

struct msg_inbox_ring {
	struct msg_ring_reader reader;
	const uint8_t *pool;
	uint64_t pool_bytes;
	const struct msg_large_pool *large; /* Or NULL. */
	const uint8_t *area; /* Or NULL: an area of large.h. */
	uint64_t area_bytes;
	uint32_t publisher; /* Its only one; 0: many. */
	uint32_t topic;     /* Of all entries; NONE: as each says. */
	uint32_t held_max;
	uint32_t in_hand;   /* Entries, in the window or kept. */
	uint32_t oldest;    /* The queue, … */
	uint32_t deliver;   /* … its first record without views yet, … */
	uint32_t newest;
	uint32_t kept;      /* … and who left it still out. */
	uint32_t held_top;
	uint32_t held_free; /* Places below held_top that are free … */
	uint32_t delivered; /* Views taken of `deliver`, when packed. */
	uint64_t lapped_told; /* Of reader.lapped: counted. */
	uint64_t lost;        /* Entries, to be told with the next message. */
	uint64_t taken;       /* Messages, as its ledger says, … */
	uint64_t missed;      /* … and those lost. */
	struct msg_inbox_ring *previous; /* Its turn comes before ours. */
	bool finished; /* A successor has begun: nothing follows. */
	bool stopped;  /* Nothing more is taken of it. */
	bool apart;    /* Stopped, owed something, or next < late_end: not the
	                  usual way. */
	uint64_t late_end; /* Entries below were there before we came. */
	bool packs;    /* Its last entry was no whole message: the next will be
	                  none, most likely. */
	bool owes;     /* An event for `lost` that found no room. */
	uint32_t owed; /* Others that the application is to be told. */
	struct msg_pack_reader pack;
	uint32_t *held;     /* … and which. */
};

/* Of another type than expected, and yet to be told. */
struct msg_inbox_other {
	uint32_t publisher;
	uint32_t topic;
};

/* What comes next of a publisher. */
struct msg_inbox_stream {
	uint64_t expected;
	uint64_t begin; /* While a ring's history is looked through: its first. */
	uint64_t counted; /* Lost, and counted, but not told yet. */
	uint32_t publisher;
	uint32_t topic;
	bool used;
	bool late;  /* `begin` is set. */
	bool joins; /* Say JOINED before its first message, … */
	bool told;  /* … as was done. */
};

/* What the short way of a take needs, as long as it is open (inbox_quick.h). */
struct msg_inbox_quick {
	struct msg_inbox_ring *ring; /* The only one; NULL: closed. */
	struct msg_inbox_record *record; /* The only one in its queue, … */
	_Atomic uint64_t *word;          /* … and its bits. */
	struct msg_inbox_stream *stream; /* Of the message before. */
	uint64_t from;      /* Whose the next must be, as entries say it, … */
	uint64_t from_mask; /* … as far as this goes. */
	uint32_t topic;
};

struct msg_inbox {
	struct msg_inbox_quick quick;
	struct msg_inbox_record *records;
	_Atomic uint64_t *bits; /* MSG_INBOX_WORDS a record. */
	uint32_t *free;
	uint32_t free_count;
	uint32_t record_count;
	struct msg_inbox_ring **rings;
	uint32_t ring_count;
	uint32_t ring_max;
	uint32_t turn; /* The ring to begin with. */
	struct msg_inbox_stream *streams;
	struct msg_inbox_stream *latest;
	uint32_t stream_mask;
	uint32_t stream_count;
	uint32_t stream_max;
	uint32_t message_bytes_max;
	uint32_t large_bytes_max; /* Of LARGE. */
	uint64_t lost_told; /* Of the counter: what ledgers say. */
	uint64_t events;    /* Views of this take that are no messages. */
	struct msg_inbox_other *others; /* MSG_INBOX_OTHERS_MAX, for events. */
	uint32_t other_count;
	uint32_t other_told;
	bool counts_losses; /* Else the engine behind it does. */
	bool tells_events;  /* Else they are skipped. */
	msg_counter_t *counters; /* MSG_COUNTER_COUNT, of the subscriber. */
	_Atomic uint64_t refused;
};

struct msg_inbox_options {
	uint32_t record_count;
	uint32_t ring_max;
	uint32_t publisher_count_max;
	uint32_t message_bytes_max; /* Larger ones are lost; 0: any size. */
	uint32_t large_bytes_max;   /* The same of large ones; 0: any size. */
	bool counts_losses;
	bool events; /* Views of events, too; rings may be written for others
	                that want them. */
	msg_counter_t *counters;
};

int msg_inbox_open(
	struct msg_inbox *inbox, const struct msg_inbox_options *options);
void msg_inbox_close(struct msg_inbox *inbox);

struct msg_inbox_ring_options {
	const struct msg_ring_header *header;
	uint32_t entry_count;
	struct msg_ring_ledger *ledger;
	uint32_t number; /* Of this reader in the ring. */
	bool alone;      /* Whoever takes writes the ring, too. */
	uint64_t start;  /* The first entry to read, or MSG_RING_HEAD. */
	const uint8_t *pool;
	uint64_t pool_bytes;
	const struct msg_large_pool *large; /* Where LARGE stands; NULL: none, */
	const uint8_t *area; /* … or in this, that others write, by pages; NULL:
	                        LARGE is too large for us. */
	uint64_t area_bytes;
	uint32_t publisher;
	uint32_t topic;
	uint32_t held_max; /* Entries in hand at once; at most its held[]. */
	/* Entries from `start` on that were published before we came, at most as
	 * many as it has; of them we want so many messages of each publisher, the
	 * last ones. */
	uint32_t history;
	uint32_t history_count;
	/* The same publishers wrote that one before, and write it no more once
	 * they have begun with this: its entries come first.  NULL: none. */
	struct msg_inbox_ring *previous;
};

/* Read one ring more, from its head on. */
int msg_inbox_add(struct msg_inbox *inbox,
	const struct msg_inbox_ring_options *options,
	struct msg_inbox_ring **ring);

/* Read it no more.  False: entries of it are in hand; then it stays, and takes
 * bring what is left in it. */
bool msg_inbox_remove(struct msg_inbox *inbox, struct msg_inbox_ring *ring);

/* Whether all that was found in the ring is delivered.  Nothing more comes if
 * it is `finished`, or its writer is gone. */
bool msg_inbox_drained(const struct msg_inbox_ring *ring);

/* Take no more of it: its writer does not know us any longer. */
void msg_inbox_stop(struct msg_inbox *inbox, struct msg_inbox_ring *ring);

/* Tell, if events are told: JOINED and RESTARTED before the next message of the
 * ring, LEFT and SILENT behind its last. */
void msg_inbox_owe(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	enum msg_event event);

/* Tell, if events are told, before anything else that is taken: this publisher is
 * of another type.  Of MSG_INBOX_OTHERS_MAX in a lifetime. */
void msg_inbox_owe_other(
	struct msg_inbox *inbox, uint32_t publisher, uint32_t topic);

/* A view of EVICTED, if events are told and there is room. */
bool msg_inbox_tell_evicted(struct msg_inbox *inbox, struct msg_view *view);

/* Up to `count` views; 0: nothing waits, or nothing more may be in hand. */
int msg_inbox_take(struct msg_inbox *inbox, struct msg_view *views, int count);

/* Give views back, from any thread; what is not out is refused, counted. */
void msg_inbox_release(
	struct msg_inbox *inbox, const struct msg_view *views, int count);

/* See what was given back: the rings' ledgers say so from here on. */
void msg_inbox_settle(struct msg_inbox *inbox);

/* The same, and what was given back behind a view that is still out is returned,
 * too: so that no large buffer waits for a small one. */
void msg_inbox_part(struct msg_inbox *inbox);

/* Whether take would find something. */
bool msg_inbox_ready(const struct msg_inbox *inbox);

/* Whether the application holds views. */
bool msg_inbox_busy(struct msg_inbox *inbox);

/* Whether a ring was taken away from us. */
bool msg_inbox_evicted(const struct msg_inbox *inbox);

/* The record of a view in hand, else NULL. */
const struct msg_inbox_record *msg_inbox_find(
	const struct msg_inbox *inbox, uint64_t handle);

int msg_inbox_segments(const struct msg_inbox *inbox,
	const struct msg_view *view, struct msg_segment *segments, int count);
int msg_inbox_copy(const struct msg_inbox *inbox, const struct msg_view *view,
	void *data, size_t capacity);

#endif
