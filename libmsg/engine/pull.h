/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pull.h - large messages, read from their publishers.
 *
 *     LARGE's turn ─> the stream pauses ─> memory ─> connection ─> seal, pieces,
 *     seal again ─> an entry of the ring: one view, in one piece ─> the stream goes on
 *
 * A stream reads one message at a time, and what it brings later waits behind it,
 * held by msg_recover as far as has room; other streams do not.  Several pieces
 * are under way at once.  A connection that breaks is made again, and reading goes
 * on where it was.  The publisher is told how far we are by the stream's reports.
 *
 * In a broker, whose readers are others, messages are read into an area that they
 * map, up to what any of the topic's readers wants.  Memory that they have is
 * waited for as briefly as can be: soon who has yet to take loses that, and after
 * give_up_ns the message is lost, so that no reader holds up the stream.
 *
 * Lost is, and told in line: a message larger than we take; one whose seal is void,
 * for its publisher had it no more; one of which nothing more came for give_up_ns.
 * But in a broker that time does not run while memory is short because the
 * application holds views, nor while it makes no calls: then nothing is read.
 *
 * Hostile input.  A publisher decides what we connect to, on this lane's interface,
 * and what we read; how much is checked before anything is asked for, and memory
 * and connections are bounded here.  Nobody reads from us, and nobody can send us
 * anything: no buffer is posted.
 *
 * Of the receiver's thread.  Neighbours: deliver.c begins, receive.c turns it.
 * Test: tests/unit/engine/test_pull.c, tests/conformance.
 */
#ifndef MSG_ENGINE_PULL_H
#define MSG_ENGINE_PULL_H

#include "engine/large.h"
#include "engine/stream.h"
#include "protocol/large.h"

#define MSG_PULL_ITEMS 64u /* Publishers read from at the same time. */
#define MSG_PULL_READS 16u /* Under way, of a message. */
/* What the set is opened with beside: where seals are read into. */
#define MSG_PULL_MEMORY_BYTES (MSG_PULL_ITEMS * 64u)

enum msg_pull_line {
	MSG_PULL_UNCONNECTED,
	MSG_PULL_ASKING,
	MSG_PULL_CONNECTED,
	MSG_PULL_ENDING, /* Hung up. */
};

/* A message being read, or what is left of one: its connection. */
struct msg_pull_item {
	struct msg_stream *stream; /* NULL: nobody's. */
	bool reading;
	uint8_t line;        /* enum msg_pull_line */
	uint32_t handle;     /* The connection's, … */
	struct msg_reach reach; /* … and where it leads. */
	struct msg_large large;
	uint64_t sequence;
	uint32_t buffer;     /* Or MSG_LARGE_NONE. */
	size_t piece;        /* Bytes of a read. */
	uint64_t asked;      /* Bytes below are under way, or … */
	uint64_t have;       /* … here: all of these. */
	uint32_t here;       /* Bits: pieces from there on. */
	uint32_t out;        /* Reads under way, seals included. */
	uint32_t seals;      /* Asked for: 1 before, 2 behind the message. */
	uint32_t failed;     /* enum msg_loss + 1: lost, once nothing is out. */
	uint32_t tries;      /* Connections that came to nothing. */
	uint64_t moved_ns;   /* When something came last. */
	uint64_t told_ns;    /* When the publisher was told. */
	uint64_t again_ns;   /* Connect, or hang up, not before. */
};

struct msg_pull {
	struct msg_channels *channels; /* The caller's; outlives us. */
	struct msg_large_pool pool;
	size_t bytes_max;    /* Of a message. */
	uint64_t give_up_ns;
	size_t piece_max;
	uint8_t *seals;      /* The set's memory: 64 bytes an item. */
	uint32_t reading;    /* Items that are. */
	bool waits;          /* For memory that readers have. */
	bool look;           /* Something may have come though none is. */
	uint64_t deadline;   /* When something is to be done without that. */
	uint64_t turned_ns;  /* When we were here last. */
	struct msg_pull_item items[MSG_PULL_ITEMS];
};

struct msg_pull_options {
	struct msg_channels *channels;
	size_t bytes_max;
	size_t memory_bytes;
	uint64_t give_up_ns;
	void *memory; /* The set was opened with it: MSG_PULL_MEMORY_BYTES. */
	struct msg_large_area area; /* Where to read into; base NULL: anywhere. */
};

void msg_pull_open(
	struct msg_pull *pull, const struct msg_pull_options *options);
void msg_pull_close(struct msg_pull *pull);

#endif
