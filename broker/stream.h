/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stream.h - a ring and who reads it: the unit that subscribers attach to.
 *
 *     network stream   one of each topic that somebody wants; the broker writes
 *                      it from what its feed receives (feed.h)
 *     local stream     one of each publisher of this host, who writes it; the
 *                      broker reads it too, to send it on (relay.h)
 *
 * A reader costs a ledger, a page or more that the subscriber may write.  What
 * the writer of a local stream must know of its readers it is told by message,
 * and only as fast as it reads: there is never more than a socket full of
 * news for a publisher that sleeps, and a reader that came and went meanwhile
 * was never there.
 *
 * One that wants history begins with what is still there: of a network stream all
 * that its writer has not taken back, of a local one what the relay keeps
 * (keep.h).  It cuts itself down to what it wants.
 * Test: tests/local/broker_*.sh, tests/conformance over a broker.
 */
#ifndef BROKER_STREAM_H
#define BROKER_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "link/shm/control.h"
#include "link/shm/segment.h"
#include "pool/ring_writer.h"
#include "topic/name.h"

struct client;

struct stream_reader {
	struct client *client; /* NULL: the relay, or nobody. */
	struct msg_shm_segment ledger;
	uint32_t hold_max;
	uint32_t policy; /* enum msg_control_policy */
	uint32_t number; /* The client's for this ring. */
	uint64_t start;  /* The first entry that it may read; of which … */
	uint32_t history; /* … so many were published before it came. */
	uint64_t change; /* Local: its coming, among what the writer was told. */
	bool used;
	bool begun; /* Local: `start` is known. */
	bool writer_knows;
	bool client_knows;
};

struct stream {
	struct stream *next, **link;
	uint64_t id; /* For onlookers; 0: none yet. */
	char topic[MSG_TOPIC_BYTES_MAX + 1];
	uint32_t acl_class;
	bool local;
	uint32_t publisher;   /* Local: whose. */
	struct client *owner; /* Local: his connection; NULL when he is gone. */
	struct msg_shm_segment ring;
	struct msg_shm_segment *pool; /* The feed's, or the publisher's. */
	struct msg_shm_segment *area; /* The same of large messages, or NULL. */
	struct feed *feed;            /* Network: whose. */
	uint64_t changes;   /* Local: readers that came and went, told so far. */
	bool unheard;       /* … and perhaps not heard yet. */
	bool left;          /* Local: its publisher said goodbye. */
	bool unmarked;      /* Network: readers were lapped, and not told yet … */
	uint64_t revoked;   /* … how far its streams are, when that was so. */
	uint32_t entry_count;
	uint64_t epoch;
	struct msg_ring_writer writer; /* Network. */
	uint64_t flushed;              /* Its head when readers were woken. */
	uint64_t tallied;              /* Entries that its feed has counted. */
	uint32_t number;               /* Network: in its feed. */
	uint32_t reader_top;
	uint32_t reader_count;
	bool stale; /* Its writer has news to hear yet. */
	struct stream_reader readers[MSG_RING_READERS_MAX];
};

/* A ring of `entry_count` for a topic, in a list.  0, MEMORY with the trail. */
int stream_open(struct stream **stream, struct stream **list,
	const char *topic, uint32_t entry_count);
/* Nobody reads it any more. */
void stream_close(struct stream *stream);

/* A place among its readers, with a ledger.  `client` NULL: the relay.  The
 * reader's index; BUSY (all places are taken), MEMORY; with the trail. */
int stream_add_reader(struct stream *stream, struct client *client,
	uint32_t hold_max, enum msg_control_policy policy, uint32_t number);
void stream_remove_reader(struct stream *stream, uint32_t reader);

/* Tell the writer, then the readers, what they do not know yet, as far as their
 * sockets take it. */
void stream_tell(struct stream *stream);

/* Local: the first entry of those that came late and of whom its writer has not
 * heard; UINT64_MAX: it knows all.  The relay holds what lies behind for them. */
uint64_t stream_unheard(struct stream *stream);

/* Wake who sleeps, if something was published. */
void stream_flush(struct stream *stream);

/* The writer's wake: rings the doorbell of a reader that sleeps on it. */
void stream_wake(void *stream, uint32_t reader);

/* Entries that a reader has in hand, by what it says. */
uint64_t stream_in_hand(const struct stream *stream, uint32_t reader);

#endif
