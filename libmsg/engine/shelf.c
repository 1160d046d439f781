/* SPDX-License-Identifier: BSD-2-Clause */
/* shelf.c - a history for receivers to read; see shelf.h. */
#include "engine/shelf.h"

#include <endian.h>
#include <string.h>

#include <msg/msg.h>

#include "base/atomic.h"
#include "base/trail.h"

static int show(struct msg_history_shelf *shelf, void *memory, size_t bytes,
	struct msg_channel_region *region)
{
	int result = shelf->channels->ops->share(
		shelf->channels, memory, bytes, MSG_CHANNEL_SHARED, region);

	return result < 0 ? msg_fail(-result,
				    "%zu bytes of history cannot be shown to "
				    "receivers; ask for less (history_bytes)",
				    bytes)
			  : 0;
}

static void write_answer(struct msg_history_shelf *shelf)
{
	const struct msg_shelf said = {
		.places = shelf->mask + 1,
		.catalogue = shelf->shown_catalogue.address,
		.catalogue_key = shelf->shown_catalogue.key,
		.slots = shelf->shown_slots.address,
		.slots_key = shelf->shown_slots.key,
	};

	msg_shelf_write(shelf->answer, &said);
}

size_t msg_shelf_bytes(uint32_t places, uint32_t beside_bytes)
{
	return MSG_SHELF_HEAD_BYTES +
	       (size_t)places * (MSG_SHELF_PLACE_BYTES + beside_bytes);
}

int msg_shelf_open(struct msg_history_shelf *shelf,
	const struct msg_history_shelf_options *options)
{
	size_t bytes = msg_shelf_bytes(options->places, options->beside_bytes);
	int result;

	memset(shelf, 0, sizeof *shelf);
	shelf->channels = options->channels;
	shelf->mask = options->places - 1;
	shelf->beside_bytes = options->beside_bytes;
	result = msg_region_reserve(&shelf->catalogue, bytes, 0);
	if (result < 0)
		return result;
	/* Of places never written nobody believes that they are his. */
	msg_shelf_raise(shelf, options->floor);
	result = show(shelf, shelf->catalogue.base, bytes,
		&shelf->shown_catalogue);
	if (result == 0)
		result = show(shelf, options->slots, options->slots_bytes,
			&shelf->shown_slots);
	if (result < 0) {
		msg_shelf_close(shelf);
		return result;
	}
	msg_shelf_greet(shelf->greeting, options->tag, options->publisher);
	write_answer(shelf);
	return 0;
}

void msg_shelf_close(struct msg_history_shelf *shelf)
{
	struct msg_channels *channels = shelf->channels;

	if (shelf->shown_slots.registration)
		channels->ops->unshare(channels, &shelf->shown_slots);
	if (shelf->shown_catalogue.registration)
		channels->ops->unshare(channels, &shelf->shown_catalogue);
	msg_region_close(&shelf->catalogue);
}

void msg_shelf_add_copy(struct msg_history_shelf *shelf,
	const struct msg_shelf_place *place, const void *bytes)
{
	struct msg_shelf_place copied = *place;

	copied.inside = true;
	copied.begin = msg_shelf_bytes(shelf->mask + 1, 0) +
		       (uint64_t)(place->number & shelf->mask) *
			       shelf->beside_bytes;
	memcpy(shelf->catalogue.base + copied.begin, bytes, place->bytes);
	msg_shelf_add(shelf, &copied);
}

void msg_shelf_raise(struct msg_history_shelf *shelf, uint64_t floor)
{
	_Atomic uint64_t *at =
		(_Atomic uint64_t *)(void *)shelf->catalogue.base;

	atomic_store_explicit(at, htole64(floor), memory_order_relaxed);
	/* Before anything that is written to slots or places from now on.
	 * Partner: the device, or the thread that serves readers. */
	msg_fence(release);
}
