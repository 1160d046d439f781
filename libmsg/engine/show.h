/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * show.h - a publisher's large messages, for receivers to read.
 *
 *     lend ─> buffer, and a slot for its LARGE frame ─> sent: sealed, in the history
 *     receiver ─ connects ─> reads ─> reports as it gets on, then moves on
 *     wanted by nobody any more, or memory is short and patience over ─> idle
 *
 * A large message belongs to the slot that its frame stands in: while slot and
 * loan, or slot and frame, belong together, the message stands.  When the history
 * has forgotten the frame, the message stays as long as somebody who is known
 * reads it or may begin to (msg_repairer_wants), and then until its memory is
 * wanted.  Before that goes to another the seal is voided.
 *
 * Remote access is reading, of these buffers alone; their keys are in LARGE frames
 * and nowhere else.  A buffer keeps its key when it is used again: who has it may
 * see what is written there for the next message.
 *
 * Who connects says whose messages he wants, and is refused if they are not ours;
 * he cannot send anything, and holds nothing but one of the connections.
 *
 * Inside the repairer's gate, which guards all of it.  Neighbours: transmit_large.c
 * lends and sends, repairer.c polls.  Test: tests/unit/engine/test_pull.c,
 * tests/conformance.
 */
#ifndef MSG_ENGINE_SHOW_H
#define MSG_ENGINE_SHOW_H

#include "engine/large.h"
#include "engine/shelf.h"
#include "protocol/large.h"

#define MSG_SHOW_CONNECTIONS_MAX 256u
/* What the set is opened with beside: nothing is ever received or sent. */
#define MSG_SHOW_MEMORY_BYTES 4096u

struct msg_show_message {
	uint32_t slot;
	uint32_t generation; /* Of the loan. */
	bool sent;
	uint64_t frame;      /* Once it is. */
	uint64_t sent_ns;
};

struct msg_show {
	struct msg_channels *channels; /* The caller's; outlives us. */
	struct msg_large_pool pool;
	size_t bytes_max;    /* Of a message. */
	uint64_t serial;     /* Of the next one. */
	uint64_t short_ns;   /* Since when memory is short; 0: it is not. */
	uint64_t young_ns;   /* So long after sending, all may want it. */
	struct msg_reach reach;
	const struct msg_history_shelf *shelf; /* Read by the same, or NULL. */
	uint64_t look_ns; /* Who connects is looked for not before. */
	uint8_t greeting[MSG_LARGE_GREETING_BYTES];
	struct msg_show_message messages[MSG_LARGE_BUFFERS_MAX];
};

struct msg_show_options {
	struct msg_channels *channels;
	size_t bytes_max;
	size_t memory_bytes;
	uint64_t young_ns;
	uint64_t first_serial; /* Random. */
	uint32_t tag;
	uint32_t publisher;
};

/* 0, or FABRIC with the trail. */
int msg_show_open(struct msg_show *show, const struct msg_show_options *options);
void msg_show_close(struct msg_show *show);

/* See who connects and goes, and on TCP serve who reads; how many events, or
 * FABRIC. */
int msg_show_turn(struct msg_show *show);

/* ---- one message -------------------------------------------------------- */

/* Give it its serial, and seal it: what its LARGE frame says. */
void msg_show_seal(struct msg_show *show, uint32_t buffer, size_t bytes,
	struct msg_large *large);
/* It stands no more. */
void msg_show_void(struct msg_show *show, uint32_t buffer);

/* The same of one at `data` in memory that others lend out, MSG_LARGE_FRONT behind
 * its beginning. */
void msg_show_seal_at(struct msg_show *show, uint8_t *data,
	const struct msg_channel_region *region, size_t bytes,
	struct msg_large *large);
void msg_show_void_at(uint8_t *data);

#endif
