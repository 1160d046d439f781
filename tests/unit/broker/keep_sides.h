/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keep_sides.h - a reliable publisher of this host, the broker's relay, a wire
 * that loses by seed, and a receiver: for the tests of keep.h.
 *
 * The broker lives in this process, over a wire in memory; its client writes its
 * ring by hand.  Message i has bytes that follow from i, and a length that says
 * whether it stands in its entry, in a slot, or in several frames.
 */
#ifndef TESTS_UNIT_BROKER_KEEP_SIDES_H
#define TESTS_UNIT_BROKER_KEEP_SIDES_H

#include "broker/server_internal.h"

#include "broker_peer.h"
#include "check_main.h"
#include "engine/direct.h"
#include "engine/fetch.h"
#include "memory_channel.h"
#include "memory_link.h"

#define TOPIC "kept"
#define ID 7u
#define LOANS 16u
#define BYTES_MAX 3000u
#define SLOTS_MAX 4096u
#define LIMIT_NS (20 * MSG_NS_PER_S)

/* The publisher. */
struct keep_source {
	struct broker_peer peer;
	struct msg_shm_segment ring, pool, ledger;
	struct msg_ring_writer writer;
	uint32_t free[SLOTS_MAX];
	uint32_t free_count;
	uint32_t slot_bytes;
	uint64_t sequence; /* Of the next message. */
};
extern struct keep_source source;

/* The receiver. */
struct keep_sink {
	struct msg_link_domain *domain;
	struct msg_direct direct;
	struct msg_link *link, *side;
	struct msg_session *session; /* Of a connected topic. */
	struct msg_channels *channels; /* To read by, and … */
	struct msg_fetch fetch;        /* … what is read, where lanes are so. */
	uint64_t next, lost;
	uint64_t taken;
	bool late; /* It begins with what there is. */
};
extern struct keep_sink sink;

void keep_setup(void);
/* On a lane on which history is read. */
void keep_setup_reads(void);
/* That, and the topic is had by connections. */
void keep_setup_calls(void);
void keep_teardown(void);
/* Another receiver, that comes late and wants all of it. */
void come_late(void);

/* What a publisher asks for, unless a test wants another. */
struct msg_control wish(void);
void publish_as(const struct msg_control *m);
void leave(void);
/* One message more; false: there is no room. */
bool put(void);
/* Take what has come, and check it. */
void take(void);
/* Publish up to message `count` and take until all is here. */
void flow(uint64_t count);

/* The relay, and the bounds that keep.h names. */
struct publisher *relay(void);
void check_bounds(void);

/* keep_hostile.c, keep_late.c, keep_shelf.c */
void add_hostile(Suite *suite);
void add_late(Suite *suite);
void add_shelf(Suite *suite);

#endif
