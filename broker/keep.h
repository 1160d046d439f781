/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keep.h - what the relay keeps of a reliable local publisher, and repairs.
 *
 *     publisher's ring:   … low ┄┄┄ kept ┄┄┄ next ┄┄ not yet taken ┄┄ head
 *                            └ frames, by number ┘
 *     side link ─ REPORT ─> msg_repairer ─> frame n again, from the same slot
 *
 * The relay is a reader of the publisher's ring that may block, so what it keeps
 * it just does not give back: the entries from `low` on stay in hand, and with
 * them the slots in the publisher's pool, also for who comes late to read them there
 * (stream.h).  A message that stands in its entry is copied here, and holds that
 * alone.  What is kept is bounded thrice: in slots (the memory that the publisher
 * asked for, beyond its loans), in entries of the ring, and in frames of the
 * table.
 *
 * Flow control.  When receivers' positions allow no frame more, or the history
 * is full of what they still need, the relay stops taking.  Then the ring fills,
 * and the publisher's loans say AGAIN.
 *
 * A frame's number is used once: what was published but not sent (the broker was
 * away, or an entry was malformed) takes numbers that are gone from the
 * beginning, so that receivers learn how much is lost.
 *
 * Everything in the publisher's memory is hostile: a frame in the table is what
 * its entry said when it was claimed and checked.
 * Test: tests/unit/broker/test_keep.c, tests/local/broker_reliable.sh.
 */
#ifndef BROKER_KEEP_H
#define BROKER_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/repairer.h"
#include "link/shm/control.h"
#include "pool/ring.h"

struct publisher;
struct keep_large;
struct keep_show;

#define KEEP_NO_SLOT UINT32_MAX
/* Numbers for messages that were not sent, at most. */
#define KEEP_SKIP_MAX (1u << 16)
#define KEEP_FRONT 32u /* A fragment's header, or a message. */

struct keep_frame {
	uint64_t sequence; /* Of its (first) message. */
	uint64_t index;    /* Of its entry. */
	uint64_t sent_ns;
	uint64_t place;    /* Of its payload in the pool. */
	uint32_t bytes;    /* There; 0 of a message in `front`. */
	uint32_t slot;
	uint16_t messages; /* That end in it. */
	uint8_t type;      /* enum msg_frame_type */
	uint8_t begins;    /* Whether a message does. */
	uint8_t front_bytes;
	uint8_t front[KEEP_FRONT]; /* But of a LARGE one, which keep_large has. */
};

/* How much is kept, by what was asked for. */
struct keep_limits {
	uint32_t slots;
	uint32_t entries;
	uint32_t frames; /* A power of two. */
};

struct keep {
	struct msg_repairer repairer;
	struct msg_link *side;
	struct keep_limits limits;
	struct keep_show *show;   /* NULL: nothing is read. */
	struct keep_large *large; /* NULL: no large messages. */
	struct keep_frame *frames; /* By number & mask. */
	uint64_t mask;
	uint64_t first, next;
	uint64_t next_sequence; /* Messages sent. */
	uint32_t *refs;         /* Kept frames of each slot. */
	uint32_t slot_bytes;
	uint32_t slot_count;
	uint32_t slots;         /* With some. */
	uint64_t history_ns;    /* 0: no limit. */
	uint64_t give_up_ns;
	uint64_t linger_ns;
	uint64_t now;           /* Of this turn. */
	msg_counter_t counters[MSG_COUNTER_COUNT];
};

/* What the shape of a publisher's memory allows: loans aside, `history_bytes` in
 * slots of `slot_bytes`, of messages of `parts` frames at most. */
struct keep_limits keep_limits(uint64_t history_bytes, uint32_t slot_bytes,
	uint32_t loan_count, uint32_t parts);

/* Memory of the broker's own that this takes, with receive buffers of
 * `receive_bytes` for reports. */
uint64_t keep_bytes(const struct keep_limits *limits, uint32_t receive_bytes);

/* The publisher's memory and lane are open.  0, or an error with the trail. */
int keep_open(
	struct publisher *publisher, const struct msg_control_publish *wish);
void keep_close(struct publisher *publisher);

/* Whether one more entry may be taken into hand; forgets what it can for it. */
bool keep_has_room(struct publisher *publisher);

/* Messages up to `sequence` will never be sent: take a number for them.  False:
 * not now. */
bool keep_skip(struct keep *keep, uint64_t sequence);

/* Whether one more frame may leave. */
bool keep_may(struct keep *keep);

/* It was posted; keep_show_add came before. */
void keep_sent(struct keep *keep, const struct keep_frame *frame);

/* The first entry that is kept; `otherwise` if none is. */
uint64_t keep_low(struct keep *keep, uint64_t otherwise);

/* Serve receivers; `flushed`: all that was posted has left.  How many events. */
int keep_turn(struct keep *keep, bool flushed);

/* When it wants a turn though nothing arrives; UINT64_MAX: never. */
uint64_t keep_due(const struct keep *keep);

#endif
