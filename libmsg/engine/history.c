/* SPDX-License-Identifier: BSD-2-Clause */
/* history.c - what a publisher sent last; see history.h. */
#include "engine/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/trail.h"
#include "protocol/frame.h"

int msg_history_open(struct msg_history *h, struct msg_transmit_pool *pool,
	uint32_t count, uint64_t first_sequence)
{
	memset(h, 0, sizeof *h);
	h->pool = pool;
	h->mask = count - 1;
	h->next_sequence = first_sequence;
	h->bytes = 0;
	h->frames = calloc(count, sizeof *h->frames);
	if (!h->frames)
		return msg_fail(MSG_ERROR_MEMORY,
			"no memory for a history of %u frames; ask for less "
			"(history_bytes)",
			count);
	return 0;
}

void msg_history_close(struct msg_history *h)
{
	free(h->frames);
	h->frames = NULL;
}

void msg_history_show(struct msg_history *h, struct msg_history_shelf *shelf)
{
	h->shelf = shelf;
	if (!shelf)
		return;
	msg_shelf_raise(shelf, h->first);
	for (uint64_t n = h->first; n < h->next; n++)
		msg_history_tell(h, n);
}

void msg_history_tell(struct msg_history *h, uint64_t number)
{
	const struct msg_history_frame *f = &h->frames[number & h->mask];
	const struct msg_transmit_pool *pool = h->pool;
	const uint8_t *begin = msg_transmit_payload(pool, f->slot) + f->offset;
	struct msg_shelf_place place = {
		.sequence = f->sequence,
		.begin = (uint64_t)(begin - pool->region.base),
		.number = (uint32_t)number,
		.bytes = f->bytes,
		.table = f->table,
		.type = f->type,
	};

	if (f->table > 0)
		place.table_begin = (uint32_t)(
			msg_transmit_scratch(pool, f->slot) - begin);
	if (f->type == MSG_FRAME_FRAGMENT) {
		place.total = f->total;
		place.offset = f->offset;
	}
	msg_shelf_add(h->shelf, &place);
}

/* The newest frame whose first message is `sequence` or earlier; first - 1:
 * none.  Sequences of frames rise, those of fragments stay the same. */
static uint64_t newest_from(const struct msg_history *h, uint64_t sequence)
{
	uint64_t low = h->first, high = h->next;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		uint64_t at = h->frames[middle & h->mask].sequence;

		if ((int64_t)(at - sequence) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}

/* The oldest frame that a message begins with.  A message may be ten thousands of
 * frames, and anybody may ask for this: they are not looked at one by one. */
static uint64_t oldest_begin(const struct msg_history *h)
{
	if (h->first == h->next || msg_history_begins(h, h->first))
		return h->first;
	return newest_from(h, msg_history_sequence(h, h->first)) + 1;
}

/* Where the message begins that comes next, which may be under way. */
static uint64_t next_begin(const struct msg_history *h)
{
	uint64_t frame = newest_from(h, h->next_sequence - 1) + 1;

	return frame < h->next && msg_history_begins(h, frame) ? frame : h->next;
}

uint64_t msg_history_back(const struct msg_history *h, uint64_t messages)
{
	uint64_t oldest = oldest_begin(h);
	uint64_t frame;

	if (oldest == h->next)
		return h->next;
	if (messages == 0)
		return next_begin(h);
	if (messages >= h->next_sequence - msg_history_sequence(h, oldest))
		return oldest;
	frame = newest_from(h, h->next_sequence - messages);
	return msg_history_begins(h, frame)
		       ? frame
		       : newest_from(h, msg_history_sequence(h, frame) - 1) + 1;
}
