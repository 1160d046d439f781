/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * receiver.h - a receiver of a topic: the shipped protocol for each stream of
 * it, and around it the little that an engine adds.
 *
 *     net ─> inbox ─> msg_recover ─> parts together ─> book
 *                        └─ reports ─> net
 *
 * The inbox is the buffers that it has posted: a reader who is slow, or stands
 * still, finds there what came meanwhile, and what found no buffer is lost.
 */
#ifndef SIM_RECEIVER_H
#define SIM_RECEIVER_H

#include "mutant.h"
#include "net.h"
#include "oracle.h"
#include "protocol/recover.h"

#define RECEIVER_STREAMS_MAX 40u

struct receiver;

struct receiver_options {
	uint32_t node;
	uint32_t tag;
	uint32_t window;      /* Frames. */
	uint32_t posted;      /* Buffers in all, held ones included. */
	uint32_t ask_max;     /* Frames asked for at a time; 0: any. */
	uint32_t ask_bytes;   /* And bytes, of frames that have … */
	uint32_t frame_bytes; /* … so many at most. */
	uint64_t id;          /* Of its reports. */
	uint64_t reorder_ns;
	uint64_t give_up_ns;
	uint32_t history;     /* Messages wished for. */
	bool tagged;
	bool lossless;
	uint64_t service_ns;  /* The application's time for a frame. */
	enum mutant mutant;
	/* The truth about a publisher; NULL: nobody's. */
	const struct truth *(*truth_of)(void *context, uint32_t publisher);
	/* A message is there; may be NULL. */
	void (*delivered)(void *context, const struct receiver *receiver,
		const struct packet *packet, bool repaired);
	/* In place of the network and the timer, for cohorts; NULL mostly. */
	void (*send)(void *context, struct receiver *receiver,
		struct packet *packet, const struct msg_reach *to);
	void (*plan)(void *context, struct receiver *receiver, uint64_t at);
	void *context;
};

/* A message of fragments, so far. */
struct assembly {
	uint8_t *data;
	uint32_t bytes;
	uint32_t total; /* 0: none. */
};

struct stream {
	uint32_t publisher;
	struct msg_recover recover;
	struct msg_recover_place *places;
	struct packet **held; /* By token. */
	uint32_t held_count;
	struct assembly assembly;
	struct book book;
	uint64_t gone;        /* Of recover.counts, when last looked at. */
	uint64_t first_heard_ns;
};

struct receiver {
	struct world *world;
	struct net *net;
	struct receiver_options options;
	struct stream **streams;
	uint32_t stream_count;
	bool dead;
	struct packet **inbox;
	uint32_t inbox_first, inbox_count;
	uint64_t busy_until;
	uint32_t handed;   /* Frames handed over in this turn. */
	uint64_t timer_at;
	uint64_t timer_number;
	uint64_t overflow; /* Packets that found no buffer, data only. */
	uint64_t reports, naks, asked, refused;
};

void receiver_start(struct receiver *receiver, struct world *world,
	struct net *net, const struct receiver_options *options);
void receiver_kill(struct receiver *receiver);
void receiver_end(struct receiver *receiver);
void receiver_arrive(void *receiver, struct packet *packet);

/* Its time has come. */
void receiver_turn(struct receiver *receiver);

/* It does nothing until then. */
void receiver_stall(struct receiver *receiver, uint64_t until);

/* The stream of a publisher; NULL: never heard of. */
const struct stream *receiver_stream(
	const struct receiver *receiver, uint32_t publisher);

/* A copy that shares nothing but the packets, without a timer and with an empty
 * inbox; for cohorts. */
void receiver_copy(struct receiver *to, const struct receiver *from);

#endif
