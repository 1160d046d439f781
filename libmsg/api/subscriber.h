/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * subscriber.h - a subscriber, for the two files that make it up: subscriber.c, the
 * front door, and subscriber_lane.c, what one straight on a lane stands on.
 */
#ifndef MSG_API_SUBSCRIBER_H
#define MSG_API_SUBSCRIBER_H

#include "api/node.h"
#include "api/type_policy.h"
#include "api/wake.h"
#include "engine/direct.h"
#include "topic/follow.h"
#include "topic/subscription.h"

#define SUBSCRIBER_BUFFERS_MIN 16u

struct msg_subscriber {
	struct msg_inbox *inbox;
	struct msg_subscription *subscription; /* NULL: straight from the lane. */
	uint32_t spin_us;
	bool connects; /* Its session is opened at once. */
	struct msg_node *node;
	struct msg_link *link;
	struct msg_link *side; /* For reliable topics, or NULL. */
	struct msg_session *session; /* For connected ones, or NULL. */
	struct msg_channels *channels; /* For large messages, or NULL. */
	struct msg_region channel_memory;
	struct msg_pull *pull;
	struct msg_channels *fetch_channels; /* To catch up, or NULL. */
	struct msg_fetch *fetch;
	struct msg_wake wake;
	struct msg_direct direct;
	struct msg_follow follow;
	struct msg_type_expected expected;
};

/* subscriber_lane.c: 0, or what links, channels and memory say; then nothing is
 * left behind.  `ask_us`: how long a gap may wait before it is asked for. */
int subscriber_open_lane(struct msg_subscriber *s,
	const struct msg_subscriber_options *o, uint32_t ask_us);
void subscriber_close_lane(struct msg_subscriber *s);

#endif
