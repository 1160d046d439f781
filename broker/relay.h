/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relay.h - a local publisher as the broker sees it, and what it publishes on
 * its way to other hosts.
 *
 *     publisher's ring ─ peek, check ─> header of ours + his payload ─> lane
 *
 * The broker is one more reader of the ring, one that may block: what it has
 * not sent stays.  It sends headers from its own memory and payloads from the
 * publisher's (gather), so nothing is copied but messages that stand in an entry
 * (32 bytes at most), and nobody can send in another's name.  Its own frames
 * that come back are dropped by the feed: local subscribers have them already.
 *
 * A publisher that goes leaves what it has published; that is sent, for a second
 * at most, then its topic says goodbye, and how many messages there were: those
 * that another ring had while there was no broker, too, so that they are lost, and
 * not unknown.  What a reliable one has sent is kept
 * and repaired (keep.h), also when it is gone: until receivers that report have
 * all, for as long as it wished.  Receivers that were connected to the last broker
 * have so long, from the start of this one on, to call.
 */
#ifndef BROKER_RELAY_H
#define BROKER_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/keep.h"

#include "link/session.h"
#include "link/shm/control.h"
#include "link/shm/segment.h"
#include "pool/region.h"
#include "pool/ring_reader.h"
#include "topic/announcer.h"

struct server;
struct client;
struct stream;

struct publisher {
	struct publisher *next, **link;
	uint64_t number; /* In the order of opening; the list begins with the
	                    latest. */
	struct server *server;
	struct client *client; /* NULL: gone. */
	struct stream *stream;
	struct msg_shm_segment pool;
	struct msg_shm_segment area; /* Of large messages, if there are any. */
	struct msg_control_publishing shape; /* Of its memory. */
	struct keep_limits limits; /* Of what is kept in it; 0 slots: nothing. */
	struct keep *keep; /* Of a reliable topic on the network, or NULL. */
	uint32_t history_slots; /* Not for loans. */
	uint64_t bytes_charged;
	uint32_t uid; /* To whom. */
	uint64_t gone_ns;  /* When it went; 0: it is there. */
	uint64_t free_ns;  /* When whether it is over is looked at (again). */
	uint64_t back_ns;  /* Until then receivers that were connected to the last
	                      broker may not be back; coarse, 0: there was none. */
	bool comes_back;   /* Another broker served it before. */
	bool parting;      /* It has said goodbye. */
	uint64_t end;      /* By its Bye, what it published ends here. */
	bool ended;        /* And the network was told so: nothing is sent. */
	/* To the network, unless there is none. */
	struct msg_link *lane;
	struct msg_session *session; /* Of a connected topic: what `lane` and
	                                keep->side belong to. */
	bool connected;
	bool rc;       /* By connections, were there a network; … */
	uint32_t flow; /* … and whom it waits for. */
	uint8_t *aside; /* Of `headers`, the part of what is kept, … */
	uint8_t *large_headers; /* … and that of large messages. */
	bool clogged; /* Connections took no more: they wake us. */
	uint32_t group;
	uint32_t body_max;
	uint32_t lone_max;
	uint32_t part_max;
	struct msg_region headers;
	struct msg_announce_source source;
	uint8_t *schema; /* Of source.text.type, or NULL. */
	bool announced;
	int reader_index; /* Ours, in its ring; -1: none. */
	struct msg_ring_reader reader;
	uint64_t *flight; /* Ring index of each frame in flight. */
	uint32_t flight_mask;
	uint32_t flight_head;
	uint32_t flight_tail;
	uint32_t unsignalled;
	bool unflushed; /* The lane did not take all. */
	/* The entry being sent, as it was when it was claimed. */
	struct msg_ring_item item;
	uint32_t messages;    /* In it. */
	uint32_t part_offset; /* Of what is sent in fragments. */
	bool claimed;         /* And not all of it handed to the lane. */
	uint64_t sequence;    /* Next that it may use. */
	msg_counter_t sent;   /* For its announcements. */
	uint64_t frames, failed, malformed;
};

/* Memory for a publisher that asked, and a stream for its topic.  0, or a
 * negated error with the trail. */
int publisher_open(struct client *client,
	const struct msg_control_publish *wish, struct publisher **publisher);

/* Slots that are not for what is kept. */
static inline uint32_t publisher_loans(const struct publisher *publisher)
{
	return publisher->shape.slot_count - publisher->history_slots;
}

/* It has mapped its memory and may begin: seal, announce, offer the stream. */
int publisher_start(struct publisher *publisher);

/* It says Bye: messages below `end` were published.  What it has not given us of
 * them when all else is done is told as lost, if it can be true. */
void publisher_bye(struct publisher *publisher, uint64_t end);

/* Its connection has ended. */
void publisher_gone(struct publisher *publisher);

void publisher_close(struct publisher *publisher);

/* Send what is there, some of it; how many frames, or a negated error. */
int publisher_turn(struct publisher *publisher);

/* Messages published, by its ring, where we do not read that ourselves. */
uint64_t publisher_sequence(const struct publisher *publisher);

/* The first entry of its ring that is kept: in our hand, or, where there is no
 * network, by its own, which has come to `head`; UINT64_MAX: nothing is. */
uint64_t publisher_oldest(const struct publisher *publisher, uint64_t head);

/* Get ready to sleep: then a fence, then publisher_ready. */
void publisher_sleep(struct publisher *publisher);
void publisher_awake(struct publisher *publisher);
bool publisher_ready(struct publisher *publisher);

/* When it wants a turn though nothing comes; UINT64_MAX: never. */
uint64_t publisher_due(const struct publisher *publisher);

/* It is gone, nothing of it is left to do, and what it sent, its goodbye the last of
 * it, can no longer come back to us.  Says that goodbye when it is time. */
bool publisher_is_over(struct publisher *publisher, uint64_t now);
void publisher_say_goodbye(struct publisher *publisher);

#endif
