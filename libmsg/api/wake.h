/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wake.h - the one descriptor of a subscriber straight on the lane.
 *
 * Where there is but one link, its descriptor.  Where there is a side link, or
 * something to do at a time though nothing arrives, an epoll over both links and
 * a timer, which arm sets, if it has to be another than before.
 *
 * Test: tests/conformance (wake, reliable).
 */
#ifndef MSG_API_WAKE_H
#define MSG_API_WAKE_H

#include <stdint.h>

#include "engine/direct.h"

struct msg_wake {
	int fd;    /* To be polled. */
	int epoll; /* The same, if it is ours, or -1. */
	int timer;
	uint64_t set_ns; /* What the timer is set to; UINT64_MAX: nothing. */
};

#define MSG_WAKE_CLOSED ((struct msg_wake){-1, -1, -1, UINT64_MAX})

/* The receiver's links are there.  0, or FABRIC with the trail. */
int msg_wake_open(struct msg_wake *wake, const struct msg_receiver *receiver);
/* One descriptor more, of a subscriber that has a side link. */
int msg_wake_add(struct msg_wake *wake, int fd);
void msg_wake_close(struct msg_wake *wake);

/* As msg_subscriber_arm. */
int msg_wake_arm(struct msg_wake *wake, struct msg_direct *direct);

#endif
