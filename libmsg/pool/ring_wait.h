/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring_wait.h - readers for whom a writer waits, and for how long.
 *
 *     msg_ring_await   nothing is taken from this reader, though it may be lapped
 *                      or evicted, while the writer `waits`
 *     no room ─> wait ─> somebody's time is over: he is cut off
 *         ^        └──> revoke (takes from who is not awaited, or is cut off)
 *         └─ over: there is room
 *
 * Of a connected topic nothing is to be lost, so its writer stands still for who
 * has yet to read.  But nobody can make it stand still for ever: who is in the way
 * for so long, and neither takes nor gives back anything, is cut off, and as any
 * slow reader then, until he moves again.  Then his time begins anew.
 *
 * In the way is who has at least half as much as whoever has most: who keeps one
 * view while another has all the rest is not to pay for that.  And nobody is, if all
 * of them together have less than the caller says would be missed: what is short is
 * not theirs, but what a relay keeps by agreement, which counts for nothing.  Time
 * counts while the writer waits and looks: a writer that does not run blames nobody.
 *
 * A ledger is hostile.  To move is to have taken, or to have returned, more than
 * ever before; neither can go beyond the head, so a liar moves no more often than
 * one who reads an entry at a time, and holds up as much as he.
 *
 * Neighbours: engine/hold.c (the broker, for publishers elsewhere), engine/outbox.c
 * (a publisher of this host).  Test: tests/unit/pool/test_ring_wait.c.
 */
#ifndef MSG_POOL_RING_WAIT_H
#define MSG_POOL_RING_WAIT_H

#include "pool/ring_writer.h"

/* Wait for this reader, if writer->waits. */
void msg_ring_await(struct msg_ring_writer *writer, uint32_t reader);

/* There is no room.  Look who is in the way, at this time, and cut off whose time
 * is over.  True: somebody's is.  Take from readers behind it. */
bool msg_ring_wait(struct msg_ring_writer *writer, uint64_t now,
	uint64_t patience_ns, uint64_t least);

/* There is room. */
static inline void msg_ring_wait_over(struct msg_ring_writer *writer)
{
	writer->looked_ns = 0;
}

/* What was taken from them was not enough: of those whose time is over, whoever
 * has most in hand.  MSG_RING_READERS_MAX: none has anything. */
uint32_t msg_ring_wait_hoarder(
	struct msg_ring_writer *writer, uint64_t patience_ns);

#endif
