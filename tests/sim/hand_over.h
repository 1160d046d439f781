/* SPDX-License-Identifier: BSD-2-Clause */
/* hand_over.h - from frames in order to messages, and into the book. */
#ifndef SIM_HAND_OVER_H
#define SIM_HAND_OVER_H

#include "receiver.h"

/* The frame whose turn it is. */
void hand_over(struct receiver *receiver, struct stream *stream,
	struct packet *packet);

/* What was lost and no later message tells of. */
void hand_over_loss(struct receiver *receiver, struct stream *stream);

#endif
