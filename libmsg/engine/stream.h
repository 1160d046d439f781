/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stream.h - what a subscriber remembers of each publisher it follows.
 *
 * A fixed table with a hash index over it, filled at most to its size: a peer
 * cannot make it grow.  When it is full, the stream that has been silent
 * longest makes room, if that is at least some seconds; else the newcomer is
 * refused (and counted by the caller).  A reliable one has places for frames
 * that wait, in memory that is asked for once and touched only when used.
 * Test: tests/unit/engine/test_stream.c.
 */
#ifndef MSG_ENGINE_STREAM_H
#define MSG_ENGINE_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "link/link.h"
#include "protocol/recover.h"
#include "protocol/sequence.h"

/* A stream silent for this long may lose its place to a newcomer. */
#define MSG_STREAM_SILENT_NS 5000000000ull

/* A message that is being put together from fragments. */
struct msg_assembly {
	uint32_t first; /* Slots, chained; MSG_RECEIVE_NONE: none. */
	uint32_t last;
	uint32_t slot_count;
	uint32_t total;
	bool skipping; /* Too large: its parts are dropped. */
};

enum msg_stream_kind {
	MSG_STREAM_UNKNOWN,     /* Announced, and nothing came yet. */
	MSG_STREAM_BEST_EFFORT, /* Ordered by `sequence`. */
	MSG_STREAM_RELIABLE,    /* By `recover`. */
};

struct msg_stream {
	uint32_t publisher;
	uint32_t tag;
	uint32_t topic;       /* Index the subscriber gave to the tag. */
	bool used;
	bool foreign;         /* Its tag is ours, its topic is another. */
	bool ignored;         /* Its messages reach us another way. */
	uint64_t heard_ns;    /* Coarse clock. */
	uint64_t lost;        /* To be reported with the next message. */
	uint64_t incarnation; /* From an announcement; 0: none heard. */
	uint32_t kind;        /* enum msg_stream_kind */
	uint32_t reason;      /* enum msg_loss, of what is lost. */
	/* What is said of it in events. */
	uint64_t identity;    /* Of its program; 0: not known. */
	uint64_t end;         /* Messages sent when it said goodbye. */
	uint32_t period_ms;   /* How often it says something. */
	uint32_t unsaid;      /* Bits of enum msg_event that found no room. */
	bool leaving;         /* It said goodbye, … */
	bool left;            /* … and we said so. */
	bool silent;
	bool followed;        /* It was said that it was started again. */
	/* Of a reliable one. */
	bool expects;         /* Something may come on the side link. */
	bool reachable;       /* `handle` is that of `reach`. */
	uint32_t handle;
	struct msg_reach reach;
	struct msg_reach said; /* By its announcement, before any probe. */
	struct msg_reach shelf; /* Where its history is read, if it can be. */
	uint64_t fetch_ns;     /* That is not tried before. */
	/* Of a connected one. */
	bool calls;           /* It is one, */
	bool open;            /* `handle` is connected, */
	bool calling;         /* or shall be. */
	uint32_t backoff_ms;
	uint64_t call_ns;     /* Not called before. */
	bool ending;          /* It said goodbye at `end`. */
	uint64_t wanted;      /* The message it shall begin with, … */
	uint64_t due;         /* … and from which on losses count. */
	uint64_t begin;       /* Messages before are not wanted … */
	bool begins;          /* … until one that is has come. */
	uint32_t untold;      /* Bytes, since a report was hastened. */
	bool holds;           /* It is one of its topic's (hold.c), … */
	uint64_t gives_up_ns; /* … waits for us so long, … */
	bool takes_part;      /* … and has a part of the slots. */
	bool limited;         /* It was told how far it may go: … */
	uint32_t told_window; /* … frames, then, … */
	uint64_t told_limit;  /* … to this one. */
	uint64_t told_half;   /* It is told again from this frame on. */
	uint64_t told_ns;
	bool stalled;         /* It may send nothing. */
	struct msg_recover_counts told;
	struct msg_assembly assembly;
	struct msg_sequence sequence;
	struct msg_recover recover;
};

struct msg_stream_table {
	uint32_t count_max;
	uint32_t count;
	uint32_t index_mask;
	uint32_t *index; /* Place of a stream + 1; 0: empty. */
	struct msg_stream *streams;
	struct msg_stream *latest; /* Most frames come from the same one. */
	struct msg_recover_place *places; /* `window` each. */
	uint32_t window;
};

/* `window`: places of a reliable stream; 0: there are none. */
int msg_stream_table_open(
	struct msg_stream_table *table, uint32_t count_max, uint32_t window);
void msg_stream_table_close(struct msg_stream_table *table);

static inline struct msg_recover_place *msg_stream_places(
	const struct msg_stream_table *table, const struct msg_stream *stream)
{
	return table->places + (size_t)(stream - table->streams) * table->window;
}

/* NULL when it is not there. */
struct msg_stream *msg_stream_find(
	struct msg_stream_table *table, uint32_t publisher, uint32_t tag);

/* Make a place for a stream that is not there.  NULL when the table is full
 * and nobody has been silent for long.  Where a silent stream has to go,
 * `evict` is called with it first, to give back what it holds. */
struct msg_stream *msg_stream_add(struct msg_stream_table *table,
	uint32_t publisher, uint32_t tag, uint64_t now,
	void (*evict)(void *context, struct msg_stream *stream), void *context);

/* Nothing is known of it but whose it is: what it held was given back. */
void msg_stream_renew(struct msg_stream *stream);

/* Forget all streams of a tag, each after `evict` was called with it. */
void msg_stream_remove_tag(struct msg_stream_table *table, uint32_t tag,
	void (*evict)(void *context, struct msg_stream *stream), void *context);

#endif
