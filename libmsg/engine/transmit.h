/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * transmit.h - a publisher's turn: loan -> frame -> link.
 *
 *     lend   a message's place (lender.h)
 *     queue  the message joins the frame being filled
 *     flush  the frame leaves
 *
 * Frames are numbered as they are posted; completions come in that order, so
 * only some ask to be reported, and one report frees all frames up to its own.
 *
 * A reliable one keeps what it sent (history.h), with slots of its own for that
 * beside those lent out, and repairs it (repairer.h).  A frame is remembered
 * before it is posted, or behind that with nobody let in between, so that no
 * report can be about one unknown; if posting fails, its receivers ask for it.
 * Slots come back by forgetting the oldest frames, when slots are short or frames
 * too old.
 * Neighbours: called by api/; calls protocol/, pool/ and a link.
 * Test: tests/unit/engine/test_transmit.c, tests/conformance.
 */
#ifndef MSG_ENGINE_TRANSMIT_H
#define MSG_ENGINE_TRANSMIT_H

#include <stdbool.h>
#include <stdint.h>

#include <msg/msg.h>

#include "engine/history.h"
#include "engine/lender.h"
#include "engine/repairer.h"
#include "link/link.h"

struct msg_transmit_options {
	uint32_t frame_bytes;
	uint32_t lone_bytes; /* Of a frame of one message, or of a part of one, where
	                        that may be more; 0: frame_bytes. */
	uint32_t message_bytes_max;
	uint32_t loan_count_max;
	uint32_t tag;
	uint32_t publisher;
	uint64_t first_sequence; /* 0 but in tests of the wrap. */
	/* Of a reliable topic; 0: best effort, and what follows is not used. */
	size_t history_bytes;
	uint64_t history_ns;    /* Keep nothing that is older; 0: no limit. */
	uint64_t incarnation;
	uint32_t receive_bytes; /* Of the lane's receive buffers. */
	uint32_t heartbeat_ms;
	uint64_t rtt_ns;        /* Of the lane, to begin with. */
	enum msg_flow_policy flow;
	uint32_t flow_count;
	uint64_t give_up_ns;
	bool connected;         /* Over a session: it waits for who is slow. */
};

struct msg_transmitter {
	struct msg_lender lender; /* First: lender.h. */
	msg_counter_t sent; /* Messages whose send is over: for announcing. */
	struct msg_link *link;
	uint32_t group; /* The link's handle. */
	struct msg_transmit_options options;

	uint32_t lone_max;     /* Bytes of a message alone in a frame, */
	uint32_t part_max;     /* and of one in a fragment. */
	uint32_t flight_mask;
	uint32_t flight_head;  /* Number of the next frame. */
	uint32_t flight_tail;  /* Oldest frame not known to be done. */
	uint32_t signal_every;
	uint32_t unsignalled;
	uint32_t unflushed;    /* Frames posted with `more` since a flush. */
	uint32_t *flight;      /* Slot of each frame in flight. */
	struct msg_repairer *repairer; /* NULL: best effort. */
	struct msg_history history;
	uint64_t now;          /* When a frame was remembered, of late. */
	uint32_t parts_most;   /* Frames of the largest message. */
	uint32_t blind;        /* Frames more until the clock is read. */
	uint32_t blind_most;
	uint64_t roomy; /* So many frames leave room in the history for all
	                          that may be lent out. */
	msg_counter_t counters[MSG_COUNTER_COUNT];
};

/* The link is opened by the caller over transmitter->lender.pool.region, between open
 * and start; `depth` below is what to ask it for. */
int msg_transmitter_open(struct msg_transmitter *transmitter,
	const struct msg_transmit_options *options);
uint32_t msg_transmitter_depth(const struct msg_transmitter *transmitter);
int msg_transmitter_start(struct msg_transmitter *transmitter,
	struct msg_link *link, uint32_t group);
void msg_transmitter_close(struct msg_transmitter *transmitter);

int msg_transmitter_lend(struct msg_transmitter *transmitter, size_t bytes,
	struct msg_loan *loan);
int msg_transmitter_queue(struct msg_transmitter *transmitter,
	struct msg_loan *loan, size_t bytes);
int msg_transmitter_send(struct msg_transmitter *transmitter,
	struct msg_loan *loan, size_t bytes);
int msg_transmitter_flush(struct msg_transmitter *transmitter);
void msg_transmitter_abandon(
	struct msg_transmitter *transmitter, struct msg_loan *loan);

/* Wait until all is on the wire, `limit_ns` at most. */
void msg_transmitter_linger(
	struct msg_transmitter *transmitter, uint64_t limit_ns);

#endif
