/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * direct.h - a subscriber with an endpoint of its own: the engine writes a ring
 * in private memory, and the inbox reads it behind the same call.
 *
 *     take ─> inbox ─ nothing there? ─> turn: link -> protocol -> ring ─> inbox
 *
 * Neighbours: called by api/; calls engine/receive and engine/inbox.
 * Test: tests/unit/engine/test_receive.c, test_flow.c, tests/conformance.
 */
#ifndef MSG_ENGINE_DIRECT_H
#define MSG_ENGINE_DIRECT_H

#include "engine/inbox.h"
#include "engine/receive.h"

struct msg_direct {
	struct msg_receiver receiver;
	struct msg_inbox inbox;
	struct msg_ring_writer ring;
	struct msg_ring_header *header;
	struct msg_ring_ledger *ledger;
};

/* The link is opened by the caller over receiver.pool.region, between open and
 * msg_receiver_start. */
int msg_direct_open(struct msg_direct *direct,
	const struct msg_receive_options *options);
void msg_direct_close(struct msg_direct *direct);

int msg_direct_take(
	struct msg_direct *direct, struct msg_view *views, int count);

/* Large messages are read by `pull`, which is the caller's, from now on. */
void msg_direct_pull(struct msg_direct *direct, struct msg_pull *pull);

/* Whether messages are ready, after one turn; or a negated error. */
int msg_direct_progress(struct msg_direct *direct);

/* 0: safe to sleep on the link's descriptor.  AGAIN: messages wait, or will in
 * some µs, or every buffer is out, so that nothing would wake the caller. */
int msg_direct_arm(struct msg_direct *direct);

/* As arm, but who gets 0 must come back by *until (UINT64_MAX: need not), though
 * nothing arrives. */
int msg_direct_arm_until(struct msg_direct *direct, uint64_t *until);

/* As arm, but gaps and a lack of buffers are the caller's care. */
int msg_direct_arm_link(struct msg_direct *direct);

#endif
