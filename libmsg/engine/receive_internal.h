/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * receive_internal.h - what receive.c (arrival) and deliver.c (order, assembly)
 * say to each other.
 */
#ifndef MSG_ENGINE_RECEIVE_INTERNAL_H
#define MSG_ENGINE_RECEIVE_INTERNAL_H

#include "base/clock.h"
#include "engine/receive.h"

static inline void count(
	struct msg_receiver *r, enum msg_counter_index index, uint64_t n)
{
	msg_counter_add(&r->counters[index], n);
}

/* The precise clock, read at most once a turn. */
static inline uint64_t turn_now(struct msg_receiver *r)
{
	if (r->now == 0)
		r->now = msg_clock_ns();
	return r->now;
}

/* deliver.c: a checked frame of `span` in `slot`; takes the slot over. */
void msg_receiver_arrived(struct msg_receiver *r, struct msg_stream *stream,
	const struct msg_frame *frame, const struct msg_span *span,
	uint32_t slot);

/* deliver.c: hand on whatever the stream's window can by now. */
void msg_receiver_drain(struct msg_receiver *r, struct msg_stream *stream);

/* deliver.c: hand on what waited long enough in any stream. */
void msg_receiver_expire(struct msg_receiver *r);

/* deliver.c: before a stream loses its place. */
void msg_receiver_evict(void *receiver, struct msg_stream *stream);

#endif
