/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * feed.h - what the network brings, for the topics of one access class.
 *
 *     NIC ── DMA ──> pool ─ receiver ─> the ring of each topic
 *                       └── reports ──> publishers of reliable topics
 *
 * One endpoint, one pool, one group membership and one receive a datagram for
 * all topics of the class and all their subscribers.  Topics of different
 * classes share nothing: whoever may read one topic of a class may read all, so
 * that mapping the pool shows nobody what is not his.
 *
 * Slots are what is scarce.  When readers that lag hold too many, what they have
 * not taken is taken from them; when all is in somebody's hands, whoever holds
 * most loses his ring.  The receive path waits for nobody; but publishers of topics
 * by connections are told to, as long as those who read them leave no room for more
 * (engine/hold.c).
 *
 * Topics that are had by connections come by one to each publisher, into wide
 * slots of the same pool; what that takes is opened with the first of them.
 *
 * To publishers of reliable topics the feed is one receiver, however many
 * subscribers it has: it asks once for what is missing, on a link of its own,
 * and repairs come into slots of the same pool.  The position it reports is its
 * own, the window the buffers it has for it: a subscriber that is slow holds up
 * no publisher of another host.
 *
 * Large messages are read from their publishers (engine/pull.h) into an area beside
 * the pool, once a subscriber wants some; it is mapped by those who do.  It is
 * sparse: its pages are made as messages come, and stay until nobody has wanted any
 * topic of the class for ten seconds.
 *
 * What its subscribers want of a reliable topic becomes one wish.  The most
 * patient one counts (what is given up is lost to all of them, and who waits
 * longer than he would has lost nothing); one that is tagged is enough; and of a
 * publisher that is new to us so much history is asked for as any of them wants.
 * On a lane where that costs them nothing, much of it is read from where the
 * publishers keep it (engine/fetch.h), into slots of the same pool.
 * Who comes later begins with what the ring of the topic still has: so many
 * entries are retained there as slots can be spared.
 */
#ifndef BROKER_FEED_H
#define BROKER_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "engine/pull.h"
#include "engine/receive.h"
#include "link/shm/control.h"
#include "link/shm/segment.h"
#include "topic/follow.h"

#define FEED_TOPICS_MAX 1024u

struct network;
struct server;
struct stream;

struct feed {
	struct network *network;
	struct msg_shm_segment pool;
	struct msg_shm_segment area; /* For large messages, once wanted. */
	struct msg_channels *channels; /* They are read by; or NULL. */
	struct msg_region channel_memory;
	struct msg_pull *pull;
	bool large_tried; /* It is not tried again. */
	struct msg_link *link;
	struct msg_link *side; /* For reliable topics. */
	struct msg_session *session; /* For connected ones, once one was heard. */
	struct msg_channels *fetched_by; /* To read history, or NULL. */
	struct msg_fetch *fetch;
	struct server *server; /* It watches what the feed opens. */
	struct msg_receiver receiver;
	struct msg_follow follow;
	struct msg_log log;
	struct stream *streams[FEED_TOPICS_MAX]; /* By topic number. */
	uint32_t slots;
	uint64_t messages, bytes; /* Published, whoever reads them. */
	uint64_t evicted;
	uint64_t idle_ns;  /* Since when nobody wants any topic; 0: somebody does. */
	uint64_t look_ns;  /* When hoarders are looked for next … */
	uint64_t short_ns; /* … and since when slots were short; 0: they were not. */
	bool history; /* Somebody has asked for some. */
	bool unmarked; /* Some stream is, and wants a turn. */
};

int feed_open(struct feed **feed, struct server *server, uint32_t slots);
void feed_close(struct feed *feed);

/* Receive a topic into a stream that was just opened, as `wish` says until it has
 * readers; its writer is opened.
 * 0, or an error with the trail. */
int feed_add(struct feed *feed, struct stream *stream, uint64_t epoch,
	const struct msg_control_subscribe *wish);
/* Its readers are others than before: what they want, all together. */
void feed_wish(struct feed *feed, struct stream *stream);
void feed_remove(struct feed *feed, struct stream *stream);

/* feed_large.c: somebody wants large messages: be ready to read them, once.  Where
 * that cannot be they are lost, as told, and the log says why. */
void feed_open_large(struct feed *feed);
void feed_close_large(struct feed *feed);
/* The same when nobody has wanted any topic for a while: what was read for them is
 * their own affair, who may have it mapped yet. */
void feed_rest_large(struct feed *feed, uint64_t now);
/* When that is due; UINT64_MAX: it is not. */
uint64_t feed_due(const struct feed *feed);

/* One turn, and wake whoever it brought something.  How many completions, or a
 * negated error. */
int feed_turn(struct feed *feed);

#endif
