/* SPDX-License-Identifier: BSD-2-Clause */
/* direct.c - the engine and the inbox in one process; see direct.h. */
#include "engine/direct.h"

#include <stdlib.h>
#include <string.h>

#include "base/trail.h"
#include "engine/inbox_quick.h"

/* Turns without a message (foreign frames, announcements) in one take: a
 * flood of those must not keep the caller. */
#define IDLE_TURNS_MAX 16

/* What may be in the ring, or in the application's hands, beside events. */
static uint32_t holdable(const struct msg_direct *d)
{
	return msg_receive_slots(&d->receiver.pool) +
	       d->receiver.options.large_count;
}

static int open_ring(struct msg_direct *d)
{
	uint32_t buffer_count = holdable(d);
	struct msg_ring_writer_options options = {
		.entry_count = MSG_RING_ENTRIES_MIN,
		.pin_max = buffer_count,
		.free = msg_receiver_free,
		.free_all = msg_receiver_free_all,
		.context = &d->receiver,
	};
	size_t ledger = msg_ring_ledger_bytes(buffer_count);
	int result;

	/* As many entries as slots: it is never full. */
	while (options.entry_count < buffer_count)
		options.entry_count *= 2;
	/* But events take entries, too. */
	if (d->receiver.options.events)
		options.entry_count *= 2;
	ledger = (ledger + 63) & ~(size_t)63;
	d->header = aligned_alloc(64, msg_ring_bytes(options.entry_count));
	d->ledger = aligned_alloc(64, ledger);
	if (!d->header || !d->ledger)
		return msg_fail(MSG_ERROR_MEMORY,
			"no memory for a ring of %u frames",
			options.entry_count);
	memset(d->header, 0, msg_ring_bytes(options.entry_count));
	memset(d->ledger, 0, ledger);
	options.header = d->header;
	result = msg_ring_writer_open(&d->ring, &options);
	if (result == 0)
		msg_ring_writer_add(
			&d->ring, 0, d->ledger, buffer_count, MSG_RING_BLOCK);
	d->receiver.ring = &d->ring;
	return result;
}

static int open_inbox(
	struct msg_direct *d, const struct msg_receive_options *o)
{
	struct msg_inbox_options options = {
		.record_count = holdable(d),
		.ring_max = 1,
		.publisher_count_max = o->publisher_count_max,
		.events = o->events,
		.counters = d->receiver.counters,
	};
	struct msg_inbox_ring_options ring = {
		.header = d->header,
		.entry_count = d->header->entry_count,
		.ledger = d->ledger,
		.alone = true,
		.pool = d->receiver.pool.region.base,
		.pool_bytes = d->receiver.pool.region.bytes,
		.topic = MSG_INBOX_NONE,
		.held_max = holdable(d),
	};
	struct msg_inbox_ring *opened;
	int result = msg_inbox_open(&d->inbox, &options);

	return result < 0 ? result
			  : msg_inbox_add(&d->inbox, &ring, &opened);
}

int msg_direct_open(
	struct msg_direct *d, const struct msg_receive_options *options)
{
	int result;

	memset(d, 0, sizeof *d);
	result = msg_receiver_open(&d->receiver, options);
	if (result < 0)
		return result;
	result = open_ring(d);
	if (result == 0)
		result = open_inbox(d, options);
	if (result < 0)
		msg_direct_close(d);
	return result;
}

void msg_direct_close(struct msg_direct *d)
{
	msg_inbox_close(&d->inbox);
	msg_ring_writer_close(&d->ring);
	msg_receiver_close(&d->receiver);
	free(d->header);
	free(d->ledger);
	d->header = NULL;
	d->ledger = NULL;
}

void msg_direct_pull(struct msg_direct *d, struct msg_pull *pull)
{
	d->receiver.pull = pull;
	d->inbox.rings[0]->large = &pull->pool;
}

/* See what came back, as far as somebody waits for it. */
static void settle(struct msg_direct *d)
{
	if (d->receiver.pull && d->receiver.pull->waits)
		msg_inbox_part(&d->inbox);
	else
		msg_inbox_settle(&d->inbox);
}

/* As msg_inbox_take, in line for the usual message. */
static inline int take_ready(
	struct msg_direct *d, struct msg_view *views, int count)
{
	int n = msg_inbox_take_quick(&d->inbox, views, count);

	return n != MSG_INBOX_DECLINED
		       ? n
		       : msg_inbox_take(&d->inbox, views, count);
}

int msg_direct_take(struct msg_direct *d, struct msg_view *views, int count)
{
	for (int i = 0; i < IDLE_TURNS_MAX; i++) {
		int n = 0;

		if (!msg_inbox_is_empty(&d->inbox))
			n = take_ready(d, views, count);
		/* What is ready is returned without another look at the link:
		 * on a kernel lane that would be a system call more between a
		 * message and its reader. */
		if (n > 0)
			return n;
		if (d->receiver.pull && d->receiver.pull->waits)
			settle(d);
		n = msg_receiver_turn(&d->receiver);
		if (n < 0)
			return n;
		if (n == 0)
			break;
	}
	if (msg_inbox_seems_empty(&d->inbox))
		return 0;
	return msg_inbox_take(&d->inbox, views, count);
}

int msg_direct_progress(struct msg_direct *d)
{
	settle(d);
	for (int i = 0; i < IDLE_TURNS_MAX; i++) {
		int n = msg_receiver_turn(&d->receiver);

		if (n < 0)
			return n;
		if (msg_inbox_ready(&d->inbox))
			return 1;
		if (n == 0)
			break;
	}
	return 0;
}

int msg_direct_arm_link(struct msg_direct *d)
{
	if (msg_inbox_ready(&d->inbox))
		return -MSG_ERROR_AGAIN;
	settle(d);
	return msg_receiver_arm(&d->receiver);
}

int msg_direct_arm(struct msg_direct *d)
{
	uint64_t until;
	int result = msg_direct_arm_until(d, &until);

	return result == 0 && until != UINT64_MAX ? -MSG_ERROR_AGAIN : result;
}

int msg_direct_arm_until(struct msg_direct *d, uint64_t *until)
{
	int result;

	*until = UINT64_MAX;
	if (msg_receiver_deadline(&d->receiver) != UINT64_MAX)
		*until = msg_receiver_look_ahead(&d->receiver);
	result = msg_direct_arm_link(d);
	/* Whoever slept now might sleep for good. */
	return result == 0 && msg_receiver_starved(&d->receiver)
		       ? -MSG_ERROR_AGAIN
		       : result;
}
