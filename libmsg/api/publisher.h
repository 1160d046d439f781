/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * publisher.h - a publisher, for the two files that make it up: publisher.c, the
 * front door, and publisher_lane.c, what one straight on a lane stands on.
 */
#ifndef MSG_API_PUBLISHER_H
#define MSG_API_PUBLISHER_H

#include "api/node.h"
#include "engine/transmit.h"
#include "schema/type.h"
#include "topic/publication.h"

/* So long close waits at least for what is on its way. */
#define PUBLISHER_LINGER_NS MSG_NS_PER_S

struct msg_publisher {
	struct msg_publication *publication; /* NULL: straight to the lane. */
	struct msg_transmitter transmitter;
	struct msg_node *node;
	struct msg_link *link;
	struct msg_link *side; /* Of a reliable topic, or NULL. */
	struct msg_session *session; /* Of a connected one, in place of both. */
	struct msg_channels *channels; /* For large messages, or NULL. */
	struct msg_region channel_memory;
	struct msg_show *show;
	struct msg_history_shelf shelf;
	bool shelved;          /* Its history is there. */
	uint64_t repair_ns;    /* How long close waits for its receivers. */
	struct msg_announce_source source;
	uint64_t id;
	const struct msg_type *type; /* Kept; or NULL. */
};

/* publisher.c: a new incarnation: 64 random bits, the low half of which is in each
 * frame.  0, or FABRIC with the trail. */
int publisher_draw(uint64_t *incarnation);

/* publisher_lane.c: 0, or what links, channels and memory say; then nothing is left
 * behind. */
int publisher_open_lane(struct msg_publisher *p,
	const struct msg_publisher_options *o, uint64_t incarnation);
void publisher_close_lane(struct msg_publisher *p);

#endif
