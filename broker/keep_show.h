/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keep_show.h - what other hosts may read of a reliable local publisher.
 *
 *     frame leaves ─> its place in the catalogue      forgotten ─> the floor rises
 *     receiver ─ connects ─> reads places, then bytes where the publisher wrote them
 *
 * Its pool, which the relay keeps in hand what it has sent of (keep.h), and a
 * catalogue of ours: protocol/shelf.h.  So who comes late to it has what is kept as
 * from a publisher without a broker.  A message that stands in its entry, and the
 * body of a LARGE frame, are copied behind the catalogue.
 *
 * Only on a lane where the device serves who reads, and of a topic that all may
 * subscribe to: a key can be guessed, and rights are asked of nobody who has it.
 * Elsewhere frames are asked for.  Large messages (keep_large.h) use the same
 * connections.
 *
 * The catalogue is the broker's memory, charged to the publisher's user.  What a
 * publisher writes into its own pool while that is read is its own affair, as when
 * it is sent: whoever reads checks it.
 *
 * Callers: keep.c, relay.c.  Test: tests/unit/broker/keep_shelf.c.
 */
#ifndef BROKER_KEEP_SHOW_H
#define BROKER_KEEP_SHOW_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/shelf.h"
#include "engine/show.h"
#include "link/shm/control.h"
#include "pool/region.h"

struct keep;
struct keep_frame;
struct publisher;

struct keep_show {
	struct msg_show show;
	struct msg_channels *channels;
	struct msg_region memory; /* Theirs. */
	struct msg_history_shelf shelf;
	bool shelved;
};

/* Whether its history can be read. */
bool keep_show_may(const struct publisher *publisher);

/* Of the catalogue, for so many frames. */
size_t keep_show_bytes(uint32_t frames, bool large);

/* Of a publisher whose keep and its repairer are open, if it has large messages or
 * keep_show_may.  0, also where its history cannot be read after all; or an error
 * with the trail. */
int keep_show_open(
	struct publisher *publisher, const struct msg_control_publish *wish);
/* Behind the repairer and what is large; NULL is allowed. */
void keep_show_close(struct keep_show *show);

/* Frame keep->next is about to be posted; `front`: all of it that is not in the
 * pool, of a frame that is not there. */
void keep_show_add(struct keep *keep, const struct keep_frame *frame,
	const uint8_t *front);

/* Frames below keep->first are no more. */
void keep_show_raise(struct keep *keep);

#endif
