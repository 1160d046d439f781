/* SPDX-License-Identifier: BSD-2-Clause */
/* frames.h - messages into frames, and a frame once more as its repair. */
#ifndef SIM_FRAMES_H
#define SIM_FRAMES_H

#include "publisher.h"

/* Put the next messages that are wanted, or the next part of one, into
 * publisher->pending. */
void frame_build(struct publisher *publisher);

/* The same frame as its repair `serial`. */
struct packet *frame_again(
	const struct packet *packet, uint64_t sequence, uint32_t serial);

#endif
