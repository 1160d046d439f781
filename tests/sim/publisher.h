/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * publisher.h - one incarnation of a publisher: the shipped protocol, and
 * around it the little that an engine adds.
 *
 *     traffic ─> want ─> frame ─(flow, transport)─> history ─> net
 *     report  ─> msg_flow, msg_repair ─> repairs, probes ─> net
 *
 * History holds the packets that were sent, named by frame number, bounded by
 * frames, bytes and age.  What the transport refuses waits: the frame that is
 * next blocks the traffic, repairs and probes stand in a short line.
 */
#ifndef SIM_PUBLISHER_H
#define SIM_PUBLISHER_H

#include "mutant.h"
#include "net.h"
#include "oracle.h"
#include "protocol/flow.h"
#include "protocol/pack.h"
#include "protocol/repair.h"

#define PUBLISHER_SIDE_MAX 64u
#define PUBLISHER_ANSWERS_MAX 64u

/* When messages come, and how large they are. */
struct traffic {
	uint64_t messages;
	uint32_t burst_min, burst_max;
	uint64_t gap_min_ns, gap_max_ns;
	uint32_t silence;      /* Gaps that are long, in a million, … */
	uint64_t silence_ns;   /* … up to this. */
	uint32_t bytes_min, bytes_max;
	uint32_t large;        /* Messages of fragments, in a million, … */
	uint32_t large_bytes;  /* … of up to this. */
	bool alone;            /* Nothing is packed. */
};

struct publisher_options {
	uint32_t node;
	uint32_t tag;
	uint32_t word;         /* In headers: low half of the incarnation. */
	uint64_t incarnation;
	uint64_t first_frame;
	uint64_t first_sequence;
	uint32_t frame_bytes;  /* Of the largest frame. */
	uint32_t history;      /* Frames; a power of two. */
	uint64_t history_bytes;
	uint64_t history_ns;   /* 0: any age. */
	uint64_t heartbeat_ns;
	uint64_t repair_frames; /* A second, and at once, if they are as large */
	uint32_t repair_burst;  /* as frames can be. */
	enum msg_flow_policy policy;
	uint32_t k;
	uint64_t give_up_ns;
	uint32_t flow_receivers;
	struct traffic traffic;
	enum mutant mutant;
};

struct sent_frame {
	struct packet *packet;
	uint64_t sequence;
	uint32_t offset; /* In its message. */
};

struct side_packet {
	struct packet *packet;
	uint32_t to;
};

/* Where a receiver was told to begin. */
struct join_answer {
	uint32_t to;
	uint64_t sequence;
};

struct publisher {
	struct world *world;
	struct net *net;
	struct publisher_options options;
	struct truth truth;
	struct msg_repair repair;
	uint64_t repaired_bytes;
	struct msg_repair_record *records;
	struct msg_flow flow;
	struct msg_flow_receiver *flow_receivers;
	struct sent_frame *history;
	uint64_t oldest;        /* Frame still in `history`. */
	uint64_t history_bytes; /* Held now. */
	bool dead;

	uint64_t wanted;        /* Messages that the application gave so far. */
	uint64_t framed;        /* And those that are in frames. */
	uint64_t want_since;
	uint32_t next_bytes;    /* Size of the next message; 0: not drawn. */
	uint32_t fragment_offset;
	struct sent_frame pending; /* Built, and refused. */
	uint32_t pending_messages;
	uint64_t again;         /* When the transport may take more; 0: now. */
	bool blocked;           /* By flow control. */

	struct side_packet side[PUBLISHER_SIDE_MAX];
	uint32_t side_first, side_count;

	struct join_answer answers[PUBLISHER_ANSWERS_MAX]; /* The last ones. */
	uint64_t answer_count;

	uint64_t timer_at;
	uint64_t timer_number;
	uint64_t started_ns;
	/* Counted: */
	uint64_t finished_ns;   /* The last frame went out. */
	uint64_t blocked_since, blocked_ns;
	uint64_t history_bytes_high;
	uint64_t side_dropped;
	uint64_t joins;         /* Frames that joiners were pointed back. */
};

void publisher_start(struct publisher *publisher, struct world *world,
	struct net *net, const struct publisher_options *options);

/* It is no more, from one moment to the next. */
void publisher_kill(struct publisher *publisher);
void publisher_end(struct publisher *publisher);

/* A packet came for it. */
void publisher_arrive(void *publisher, struct packet *packet);

/* Whether this node was told to begin there or later, as far as is remembered:
 * who hears the stream before the answer comes begins with what it heard, if
 * that is earlier. */
bool publisher_answered(
	const struct publisher *publisher, uint32_t to, uint64_t sequence);

/* All that it wanted to say has been sent once. */
static inline bool publisher_finished(const struct publisher *publisher)
{
	return publisher->framed == publisher->options.traffic.messages &&
	       !publisher->pending.packet && publisher->fragment_offset == 0;
}

#endif
