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
 * Who does not move on for give_up_ns while he holds the publisher up is cut
 * off: he limits nobody any more (and is counted) until he moves again.  He
 * holds it up whose limit is reached, and, when its history is full, he who
 * still lacks what is to be forgotten, however much room he has.  To move
 * is to have more, or room for more, than ever before, or to have read more of a
 * LARGE message that he stands before.  Who was silent for all
 * that time is forgotten.  Both times begin when the publisher waits for him, so
 * nobody is cut off for being still while the publisher is.
 *
 * Hostile input.  A position beyond what was sent is not believed.  One behind
 * the known is an old report, and changes nothing but the time it was heard; so
 * a position only rises.  The table is fixed: when it is full, the newcomer
 * takes the place of one long silent, or else limits nobody, counted.  What a
 * liar can do is what the policy is for: hold the publisher up, for
 * give_up_ns under each name, and all names that lie at the same time lie for
 * the same give_up_ns.
 *
 * The table is in order of names: found in 10 steps, and no names can be
 * invented that make that slower.  Frame numbers are 64 bits and do not wrap.
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
	uint64_t reached;  /* Highest limit he ever said. */
	uint32_t read;     /* Pages of the frame at `position`. */
	uint64_t heard_ns;
	uint64_t held_ns;  /* Since when he holds the publisher up, if … */
	bool holds;        /* … he does. */
	bool tagged;
	bool cut;          /* Limits nobody. */
};

struct msg_flow {
	enum msg_flow_policy policy;
	uint32_t k;
	uint64_t give_up_ns;
	uint32_t count;
	uint32_t count_max;
	struct msg_flow_receiver *receivers; /* By id. */
	uint64_t limit;    /* Frames below may be sent. */
	uint64_t forget_to; /* Who lacks a frame below holds the publisher up. */
	uint64_t room_ns;  /* A full table has no room before. */
	uint64_t cut_total;
	uint64_t refused_total;    /* Reports of newcomers without a place. */
	uint64_t unbelieved_total; /* Reports of frames never sent. */
};

/* `receivers` stay the caller's, `count_max` of them.  `k` is K_OF_N's, 1 or
 * more. */
void msg_flow_start(struct msg_flow *flow, enum msg_flow_policy policy,
	uint32_t k, uint64_t give_up_ns, struct msg_flow_receiver *receivers,
	uint32_t count_max);

/* A report came; `next`: frames sent so far (nobody can have more).  Moves
 * flow->limit, mostly up, but down for who has less room than he said.  Who
 * asks to JOIN has no position yet, and is not counted before he has. */
void msg_flow_report(struct msg_flow *flow, const struct msg_report *report,
	uint64_t next, uint64_t now);

/* The publisher waits: for a limit of `want` (a frame is to be sent for which
 * msg_flow_may is false, and this is the one behind it), or until all have the
 * frames below `forget_to` (their memory is to be used again), or both; 0: not for
 * that.  Cut off who is over his time.  Call it when that happens, again at the
 * time it returns if it still waits, and once with zeros when it does not.
 * UINT64_MAX: nobody is to wait for, nothing but a report can help. */
uint64_t msg_flow_expire(struct msg_flow *flow, uint64_t want,
	uint64_t forget_to, uint64_t now);

/* Lowest position of those that count, for who keeps history for them; `next`
 * when there are none.  With K_OF_N all count that are not cut off. */
uint64_t msg_flow_position(const struct msg_flow *flow, uint64_t next);

static inline bool msg_flow_may(const struct msg_flow *flow, uint64_t frame)
{
	return frame < flow->limit;
}

#endif
