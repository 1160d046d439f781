/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fetch.h - much of a history at once, read from where its publisher keeps it.
 *
 *     much is missing ─> connection ─> places of the next frames ─> their bytes, many
 *     frames a read ─> the floor ─> each into its slot, as if they were repairs
 *
 * Who comes late, or was away for long, lacks more frames than a few questions
 * cover.  Where the publisher said by which connection its history is read
 * (protocol/shelf.h), they are read, and lie where any frame lies.  Until the
 * connection is there they are asked for like others; what is left then is
 * fetched; what comes meanwhile is held by msg_recover: no seam.
 *
 * Of a connected topic (caller.c) it is the same, but that frames are larger, and
 * come into wide slots apart from those of connections: what a publisher was told
 * that he may send has its buffers, whatever is read meanwhile, and what is read
 * never waits for one of them.  No more is read than he would be allowed to send
 * (hold.c); and where his connection ends, so does reading, until he is connected to
 * again.
 *
 * What does not come that way is asked for after all: a frame that the publisher
 * has no more (the answer will be that it is gone), all of them when the
 * connection breaks, cannot be made, or brings nothing for a while.
 *
 * Hostile input.  A publisher decides what we connect to, on this lane's
 * interface, and what we read: how much is checked before it is asked for, and
 * what came is checked like any frame, when nobody can change it any more.
 * Connections and slots are bounded here.  Nobody reads from us, and nobody can
 * send us anything: no buffer is posted.
 *
 * Of the receiver's thread.  Neighbours: recovery.c wishes, receive.c turns it.
 * Test: tests/unit/engine/test_fetch.c, tests/conformance.
 */
#ifndef MSG_ENGINE_FETCH_H
#define MSG_ENGINE_FETCH_H

#include "engine/stream.h"
#include "link/channel.h"
#include "pool/region.h"
#include "protocol/shelf.h"

#define MSG_FETCH_ITEMS 8u    /* Publishers read from at the same time. */
#define MSG_FETCH_FRAMES 128u /* At a time, of each. */
#define MSG_FETCH_READS 128u  /* Under way, of each. */
#define MSG_FETCH_SLOTS 256u /* Buffers for all of them, beside the others. */
#define MSG_FETCH_WIDE 128u /* The same of connected topics, at most. */
/* What is read lies here first; one publisher has half of them at most.  A chunk
 * has room for the largest frame of connections by a device. */
#define MSG_FETCH_CHUNKS 16u
#define MSG_FETCH_CHUNK_BYTES (65536u + 64u)
/* So many frames are worth a connection. */
#define MSG_FETCH_WORTH 256u

enum msg_fetch_line {
	MSG_FETCH_UNCONNECTED,
	MSG_FETCH_ASKING,
	MSG_FETCH_CONNECTED,
	MSG_FETCH_ENDING, /* Hung up. */
};

enum msg_fetch_step {
	MSG_FETCH_REST,
	MSG_FETCH_PLACES,
	MSG_FETCH_BYTES,
	MSG_FETCH_FLOOR,
};

struct msg_fetch_frame {
	struct msg_shelf_place place;
	uint32_t slot;  /* Or MSG_RECEIVE_NONE. */
	uint32_t at[2]; /* Its bytes, its table: where in the chunks. */
};

/* One read. */
struct msg_fetch_range {
	uint64_t begin; /* As that of a place. */
	uint32_t bytes;
	uint32_t at; /* In the chunks. */
	bool inside; /* As that of a place. */
};

struct msg_fetch_item {
	struct msg_stream *stream; /* NULL: nobody's. */
	uint8_t line;      /* enum msg_fetch_line */
	uint8_t step;      /* enum msg_fetch_step */
	uint32_t handle;
	struct msg_shelf shelf;
	uint64_t from;     /* These frames, … */
	uint32_t count;    /* … so many. */
	uint32_t next;     /* Asked for: places, or ranges. */
	uint32_t out;      /* Reads under way. */
	uint64_t moved_ns; /* When something came last. */
	uint64_t again_ns; /* Look, or hang up, not before. */
	bool lacks;        /* Slots, to begin anew. */
	uint32_t chunks;   /* Its bits. */
	uint32_t range_count;
	struct msg_fetch_frame frames[MSG_FETCH_FRAMES];
	struct msg_fetch_range ranges[2 * MSG_FETCH_FRAMES];
};

struct msg_fetch {
	struct msg_channels *channels; /* The caller's; outlives us. */
	struct msg_region staging;     /* Places and floors of each item, and
	                                  chunks. */
	struct msg_channel_region region;
	uint64_t give_up_ns;
	uint32_t busy; /* Items that read, or want to. */
	uint32_t held; /* Slots that are not wide, in frames. */
	uint32_t chunks; /* That are free, a bit each. */
	bool look;     /* Something may have come though none does. */
	uint64_t deadline;
	struct msg_fetch_item items[MSG_FETCH_ITEMS];
};

struct msg_fetch_options {
	/* Opened with the slots' memory. */
	struct msg_channels *channels;
	uint64_t give_up_ns;
};

/* 0; MEMORY or FABRIC with the trail, and then it is closed. */
int msg_fetch_open(
	struct msg_fetch *fetch, const struct msg_fetch_options *options);
void msg_fetch_close(struct msg_fetch *fetch);

#endif
