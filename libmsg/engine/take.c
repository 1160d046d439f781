/* SPDX-License-Identifier: BSD-2-Clause */
/* take.c - ready frames become views in the application's hands. */
#include "engine/receive_internal.h"

#include <assert.h>
#include <string.h>

/* Turns without a message (foreign frames, announcements) in one take: a
 * flood of those must not keep the caller. */
#define IDLE_TURNS_MAX 16

static uint8_t *slot_body(const struct msg_receiver *r, uint32_t slot)
{
	return msg_receive_data(&r->pool, slot) +
	       r->pool.slots[slot].data_offset;
}

static void fill(struct msg_receiver *r, const struct msg_ready *ready,
	uint32_t index, const void *data, uint32_t bytes,
	struct msg_view *view)
{
	view->data = data;
	view->bytes = bytes;
	view->publisher = ready->publisher;
	view->sequence = ready->sequence + index;
	view->lost_before = index == 0 ? ready->lost : 0;
	view->opaque = msg_receive_handle(&r->pool, ready->slot, index);
	view->segment_count = ready->segments;
	view->topic = ready->topic;
	view->reserved = 0;
}

/* Views of the packed frame in front; returns how many. */
static int take_packed(struct msg_receiver *r, const struct msg_ready *ready,
	struct msg_view *views, int count_max)
{
	const uint8_t *data;
	uint32_t bytes;
	int n = 0;

	if (r->reader_index == 0)
		msg_pack_open(
			&r->reader, slot_body(r, ready->slot), ready->bytes);
	while (n < count_max && msg_pack_next(&r->reader, &data, &bytes)) {
		fill(r, ready, r->reader_index++, data, bytes, &views[n]);
		count(r, MSG_COUNTER_BYTES, bytes);
		n++;
	}
	if (r->reader_index == ready->views) {
		r->reader_index = 0;
		r->ready_head++;
	}
	return n;
}

static int take_ready(
	struct msg_receiver *r, struct msg_view *views, int count_max)
{
	int n = 0;

	while (n < count_max && r->ready_head != r->ready_tail) {
		const struct msg_ready *ready =
			&r->ready[r->ready_head & r->ready_mask];

		if (ready->views > 1) {
			n += take_packed(r, ready, views + n, count_max - n);
			continue;
		}
		fill(r, ready, 0, slot_body(r, ready->slot), ready->bytes,
			&views[n++]);
		count(r, MSG_COUNTER_BYTES, ready->bytes);
		r->ready_head++;
	}
	if (n > 0)
		count(r, MSG_COUNTER_MESSAGES, (uint64_t)n);
	return n;
}

int msg_receiver_take(
	struct msg_receiver *r, struct msg_view *views, int count_max)
{
	for (int i = 0; i < IDLE_TURNS_MAX; i++) {
		int n = take_ready(r, views, count_max);

		/* What is ready is returned without another look at the link:
		 * on a kernel lane that would be a system call more between a
		 * message and its reader. */
		if (n > 0)
			return n;
		n = msg_receiver_turn(r);
		if (n < 0)
			return n;
		if (n == 0)
			break;
	}
	return take_ready(r, views, count_max);
}

int msg_receiver_segments(const struct msg_receiver *r,
	const struct msg_view *view, struct msg_segment *segments,
	int count_max)
{
	uint32_t slot = msg_receive_find(&r->pool, view->opaque);
	int n = 0;

	if (slot == MSG_RECEIVE_NONE || count_max < 1)
		return -MSG_ERROR_ARGUMENT;
	if (view->segment_count == 1) {
		segments[0].data = view->data;
		segments[0].bytes = view->bytes;
		return 1;
	}
	for (; slot != MSG_RECEIVE_NONE && n < count_max; n++) {
		segments[n].data = slot_body(r, slot);
		segments[n].bytes = r->pool.slots[slot].data_bytes;
		slot = r->pool.slots[slot].next;
	}
	return n;
}

int msg_receiver_copy(const struct msg_receiver *r,
	const struct msg_view *view, void *data, size_t capacity)
{
	uint32_t slot = msg_receive_find(&r->pool, view->opaque);
	uint8_t *at = data;

	if (slot == MSG_RECEIVE_NONE)
		return -MSG_ERROR_ARGUMENT;
	if (capacity < (view->segment_count == 1
				       ? view->bytes
				       : r->pool.slots[slot].total_bytes))
		return -MSG_ERROR_TOO_LARGE;
	if (view->segment_count == 1) {
		/* Of nothing, `data` may be NULL. */
		if (view->bytes > 0)
			memcpy(data, view->data, view->bytes);
		return 0;
	}
	for (; slot != MSG_RECEIVE_NONE; slot = r->pool.slots[slot].next) {
		memcpy(at, slot_body(r, slot), r->pool.slots[slot].data_bytes);
		at += r->pool.slots[slot].data_bytes;
	}
	return 0;
}

/* Whether any view of the frame in front that was taken is still out. */
static bool front_is_out(const struct msg_receiver *r)
{
	const struct msg_ready *ready =
		&r->ready[r->ready_head & r->ready_mask];

	for (uint32_t i = 0; i < r->reader_index; i++)
		if (msg_receive_find(&r->pool,
			    msg_receive_handle(&r->pool, ready->slot, i)) !=
			MSG_RECEIVE_NONE)
			return true;
	return false;
}

bool msg_receiver_busy(struct msg_receiver *r)
{
	uint32_t ours = r->posted + r->held_slots;

	msg_receive_reclaim(&r->pool);
	for (uint32_t i = r->ready_head; i != r->ready_tail; i++)
		ours += r->ready[i & r->ready_mask].segments;
	assert(ours + r->pool.free_count <= r->pool.count);
	if (r->reader_index > 0 && front_is_out(r))
		return true;
	return ours + r->pool.free_count < r->pool.count;
}
