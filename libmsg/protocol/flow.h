/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow.h - how far a publisher may go: a policy of its own over what receivers
 * report.
 *
 * A receiver reports a position and a window: the frames it has buffers posted
 * for.  Credit is that, never bytes.  The policy makes one limit of all of them:
 *
 *     NONE      no limit: who is slow asks for repair, or loses, counted
 *     MIN       the slowest receiver's position + window
 *     TAGGED    the slowest of those that say they are tagged
 *     K_OF_N    the k-th fastest; nothing may leave before there are k
 *
 * Who does not move on for give_up_ns while the limit is his is cut off: he
 * limits nobody any more (and is counted) until he moves again.  Who is silent for
 * that long is forgotten.  The table is fixed; when it is full, the newcomer
 * limits nobody, counted.
 *
 * Pure.  Test: tests/unit/protocol/test_flow.c, tests/sim.
 */
#ifndef MSG_PROTOCOL_FLOW_H
#define MSG_PROTOCOL_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/report.h"

#define MSG_FLOW_RECEIVERS_MAX 1024u

enum msg_flow_policy {
	MSG_FLOW_POLICY_NONE = 0,
	MSG_FLOW_POLICY_MIN = 1,
	MSG_FLOW_POLICY_TAGGED = 2,
	MSG_FLOW_POLICY_K_OF_N = 3,
};

struct msg_flow_receiver {
	uint64_t id;
	uint64_t position; /* 64 bits. */
	uint64_t limit;    /* position + window */
	uint64_t heard_ns;
	uint64_t moved_ns; /* When its position rose last. */
	bool tagged;
	bool cut;          /* Limits nobody. */
};

struct msg_flow {
	enum msg_flow_policy policy;
	uint32_t k;
	uint64_t give_up_ns;
	uint32_t count;
	uint32_t count_max;
	struct msg_flow_receiver *receivers;
	uint64_t limit;    /* Frames below may be sent. */
	uint64_t cut_total;
	uint64_t refused_total;
};

/* `receivers` stay the caller's, `count_max` of them. */
void msg_flow_start(struct msg_flow *flow, enum msg_flow_policy policy,
	uint32_t k, uint64_t give_up_ns, struct msg_flow_receiver *receivers,
	uint32_t count_max);

/* A report came; `next`: frames sent so far (nobody can have more).  Moves
 * flow->limit. */
void msg_flow_report(struct msg_flow *flow, const struct msg_report *report,
	uint64_t next, uint64_t now);

/* The limit holds the publisher up at `next`: cut off who is over his time.
 * When to call again; UINT64_MAX: never. */
uint64_t msg_flow_expire(struct msg_flow *flow, uint64_t next, uint64_t now);

/* Lowest position of those that count, for who keeps history for them; `next`
 * when there are none. */
uint64_t msg_flow_position(const struct msg_flow *flow, uint64_t next);

static inline bool msg_flow_may(const struct msg_flow *flow, uint64_t frame)
{
	return frame < flow->limit;
}

#endif
