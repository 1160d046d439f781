/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * delivery.h - how hard a topic shall try: what of it was asked for, checked and
 * completed.  What cannot be had is refused in words, and never replaced by
 * less.
 *
 * Test: tests/unit/api/test_delivery.c.
 */
#ifndef MSG_API_DELIVERY_H
#define MSG_API_DELIVERY_H

#include <msg/msg.h>

/* What the node stands on. */
enum msg_delivery_way {
	MSG_DELIVERY_LANE,
	MSG_DELIVERY_BROKER,
	MSG_DELIVERY_NO_RC,       /* A broker that knows of no rc topics, … */
	MSG_DELIVERY_BEST_EFFORT, /* … or of no reliable ones either. */
};

/* Complete the options from `reliability` on.  0, or -MSG_ERROR_ARGUMENT with
 * the reason on the trail. */
int msg_delivery_publisher(
	struct msg_publisher_options *options, enum msg_delivery_way way);
int msg_delivery_subscriber(
	struct msg_subscriber_options *options, enum msg_delivery_way way);

#endif
