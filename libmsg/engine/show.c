/* SPDX-License-Identifier: BSD-2-Clause */
/* show.c - large messages for receivers to read; see show.h. */
#include "engine/show.h"

#include <endian.h>
#include <string.h>

#include "base/atomic.h"
#include "base/trail.h"

#define EVENTS 32

int msg_show_open(struct msg_show *show, const struct msg_show_options *options)
{
	struct msg_channels *channels = options->channels;
	int bytes;

	memset(show, 0, sizeof *show);
	bytes = channels->ops->name(channels, show->reach.data);
	if (bytes <= 0)
		return msg_fail(MSG_ERROR_FABRIC,
			"the connections for large messages have no address");
	show->reach.bytes = (uint8_t)bytes;
	show->channels = channels;
	show->bytes_max = options->bytes_max;
	show->serial = options->first_serial;
	show->young_ns = options->young_ns;
	msg_large_greet(show->greeting, options->tag, options->publisher);
	msg_large_open(&show->pool, channels, MSG_CHANNEL_SHARED,
		options->memory_bytes);
	return 0;
}

void msg_show_close(struct msg_show *show)
{
	msg_large_close(&show->pool);
}

/* ---- who reads ---------------------------------------------------------- */

static void answer(struct msg_show *show, const struct msg_channel_event *e)
{
	struct msg_channels *channels = show->channels;
	const struct msg_history_shelf *shelf = show->shelf;

	if (e->bytes == MSG_LARGE_GREETING_BYTES && show->bytes_max > 0 &&
		memcmp(e->greeting, show->greeting, e->bytes) == 0)
		channels->ops->accept(channels, e->handle, NULL, 0);
	else if (e->bytes == MSG_SHELF_GREETING_BYTES && shelf &&
		 memcmp(e->greeting, shelf->greeting, e->bytes) == 0)
		channels->ops->accept(channels, e->handle, shelf->answer,
			MSG_SHELF_ANSWER_BYTES);
	else
		channels->ops->hang_up(channels, e->handle);
}

int msg_show_turn(struct msg_show *show)
{
	struct msg_channel_event events[EVENTS];
	int n = show->channels->ops->poll(show->channels, events, EVENTS);

	for (int i = 0; i < n; i++)
		if (events[i].type == MSG_CHANNEL_ASKED)
			answer(show, &events[i]);
	return n;
}

/* ---- one message -------------------------------------------------------- */

static _Atomic uint64_t *seal_of(uint8_t *data)
{
	return (_Atomic uint64_t *)(void *)(data - MSG_LARGE_SEAL_AT);
}

void msg_show_seal_at(struct msg_show *show, uint8_t *data,
	const struct msg_channel_region *region, size_t bytes,
	struct msg_large *large)
{
	if (show->serial == 0)
		show->serial = 1;
	*large = (struct msg_large){
		.total = bytes,
		.address = region->address + MSG_LARGE_FRONT,
		.key = region->key,
		.serial = show->serial++,
		.reach = show->reach,
	};
	/* Release: whoever finds it there finds the message, too.  Partner: the
	 * device, or the thread that serves readers. */
	atomic_store_explicit(
		seal_of(data), htole64(large->serial), memory_order_release);
}

void msg_show_void_at(uint8_t *data)
{
	atomic_store_explicit(seal_of(data), 0, memory_order_relaxed);
	/* Before anything that is written there from now on. */
	msg_fence(seq_cst);
}

void msg_show_seal(struct msg_show *show, uint32_t buffer, size_t bytes,
	struct msg_large *large)
{
	msg_show_seal_at(show, msg_large_data(&show->pool, buffer),
		&show->pool.buffers[buffer].region, bytes, large);
}

void msg_show_void(struct msg_show *show, uint32_t buffer)
{
	msg_show_void_at(msg_large_data(&show->pool, buffer));
}
