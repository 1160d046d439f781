/* SPDX-License-Identifier: BSD-2-Clause */
/* fetch.c - much of a history at once; see fetch.h. */
#include "engine/receive_internal.h"

#include <string.h>

#include "base/trail.h"

#define EVENTS 32
#define STAGING_BYTES                                                          \
	(MSG_SHELF_HEAD_BYTES + MSG_FETCH_FRAMES * MSG_SHELF_PLACE_BYTES)
#define CHUNKS_AT ((size_t)MSG_FETCH_ITEMS * STAGING_BYTES)
#define FLOOR_BYTES 8u
/* A connection that is not used for so long goes; and one that came to nothing
 * is not tried again for as long. */
#define IDLE_NS MSG_NS_PER_S
/* How often slots that were short are looked for. */
#define SHORT_NS (200 * MSG_NS_PER_US)
/* Of the time to give up, when nothing comes by a connection: questions have
 * the rest. */
#define STUCK_PART 4u

int msg_fetch_open(struct msg_fetch *f, const struct msg_fetch_options *o)
{
	int result;

	memset(f, 0, sizeof *f);
	f->channels = o->channels;
	f->give_up_ns = o->give_up_ns;
	f->deadline = UINT64_MAX;
	f->chunks = UINT32_MAX >> (32 - MSG_FETCH_CHUNKS);
	result = msg_region_open(&f->staging,
		CHUNKS_AT + MSG_FETCH_CHUNKS * MSG_FETCH_CHUNK_BYTES);
	if (result < 0)
		return result;
	result = f->channels->ops->share(f->channels, f->staging.base,
		f->staging.bytes, MSG_CHANNEL_LOCAL, &f->region);
	if (result < 0) {
		msg_fetch_close(f);
		return msg_fail(-result,
			"memory to catch up with cannot be registered");
	}
	return 0;
}

void msg_fetch_close(struct msg_fetch *f)
{
	for (uint32_t i = 0; i < MSG_FETCH_ITEMS; i++)
		if (f->items[i].line == MSG_FETCH_ASKING ||
			f->items[i].line == MSG_FETCH_CONNECTED)
			f->channels->ops->hang_up(
				f->channels, f->items[i].handle);
	if (f->region.registration)
		f->channels->ops->unshare(f->channels, &f->region);
	msg_region_close(&f->staging);
}

/* ---- items -------------------------------------------------------------- */

static uint32_t number_of(
	const struct msg_fetch *f, const struct msg_fetch_item *it)
{
	return (uint32_t)(it - f->items);
}

/* Where its floor is read to; its places behind that. */
static uint8_t *staging(const struct msg_fetch *f, const struct msg_fetch_item *it)
{
	return f->staging.base + (size_t)number_of(f, it) * STAGING_BYTES;
}

static uint8_t *chunk_at(const struct msg_fetch *f, uint32_t at)
{
	return f->staging.base + CHUNKS_AT + at;
}

static void hang_up(struct msg_fetch *f, struct msg_fetch_item *it)
{
	if (it->line != MSG_FETCH_ASKING && it->line != MSG_FETCH_CONNECTED)
		return;
	f->channels->ops->hang_up(f->channels, it->handle);
	it->line = MSG_FETCH_ENDING;
}

/* It may have something to ask. */
static void note_due(struct msg_receiver *r, const struct msg_stream *s)
{
	if (msg_recover_deadline(&s->recover) < r->deadline)
		r->deadline = msg_recover_deadline(&s->recover);
}

/* What was to be read is asked for. */
static void leave_to_questions(
	struct msg_receiver *r, struct msg_fetch_item *it, uint64_t now)
{
	struct msg_stream *s = it->stream;

	if (!s)
		return;
	s->fetch_ns = now + IDLE_NS;
	msg_recover_fetches(&s->recover, false, now);
	note_due(r, s);
	it->stream = NULL;
}

/* It comes to nothing, or is no more needed. */
static void end(struct msg_receiver *r, struct msg_fetch_item *it, uint64_t now)
{
	leave_to_questions(r, it, now);
	hang_up(r->fetch, it);
}

static uint32_t take_slot(struct msg_receiver *r, bool wide)
{
	uint32_t slot;

	if (wide)
		return msg_receive_get_apart(&r->pool);
	slot = msg_receive_get(&r->pool);
	r->fetch->held += slot != MSG_RECEIVE_NONE;
	return slot;
}

static void give_up_slot(struct msg_receiver *r, struct msg_fetch_frame *frame)
{
	r->fetch->held -= frame->slot < r->pool.narrow;
	frame->slot = MSG_RECEIVE_NONE;
}

void fetch_put_slot(struct msg_receiver *r, struct msg_fetch_frame *frame)
{
	if (frame->slot == MSG_RECEIVE_NONE)
		return;
	msg_receive_put(&r->pool, frame->slot);
	give_up_slot(r, frame);
}

/* Nothing is under way: its slots and chunks are ours again. */
static void put_slots(struct msg_receiver *r, struct msg_fetch_item *it)
{
	for (uint32_t i = 0; i < it->count; i++)
		fetch_put_slot(r, &it->frames[i]);
	fetch_forget_plan(r->fetch, it);
	it->count = 0;
	it->step = MSG_FETCH_REST;
}

/* ---- reading ------------------------------------------------------------- */

static bool read_from(struct msg_fetch *f, struct msg_fetch_item *it,
	struct msg_channel_read *read)
{
	read->handle = it->handle;
	read->token = number_of(f, it);
	if (f->channels->ops->read(f->channels, read) < 0)
		return false;
	it->out++;
	return true;
}

/* Behind the last place comes the first: two reads at most. */
static void read_places(struct msg_fetch *f, struct msg_fetch_item *it)
{
	while (it->next < it->count) {
		uint32_t at = (uint32_t)it->from + it->next;
		uint32_t count = it->count - it->next;
		uint32_t round =
			it->shelf.places - (at & (it->shelf.places - 1));
		struct msg_channel_read read = {
			.into = staging(f, it) + MSG_SHELF_HEAD_BYTES +
				(size_t)it->next * MSG_SHELF_PLACE_BYTES,
			.address = it->shelf.catalogue +
				   msg_shelf_place_at(&it->shelf, at),
			.key = it->shelf.catalogue_key,
			.region = &f->region,
		};

		if (count > round)
			count = round;
		read.bytes = (size_t)count * MSG_SHELF_PLACE_BYTES;
		if (!read_from(f, it, &read))
			return;
		it->next += count;
	}
}

/* Slots that may be taken: the side link's are not. */
static uint32_t slots_free(const struct msg_receiver *r)
{
	uint32_t leave = r->side.link->receive_count - r->side.posted;

	return r->pool.free_count > leave ? r->pool.free_count - leave : 0;
}

/* The same of a connected topic. */
static uint32_t wide_wanted(struct msg_receiver *r, struct msg_stream *s)
{
	uint32_t most = (r->pool.apart_count + 1) / 2;
	uint32_t room;

	receive_spare_apart(r, most);
	/* What readers leave to the publisher, and was not asked of him. */
	msg_recover_room(&s->recover, hold_room(r, s));
	room = msg_recover_room_left(&s->recover);
	if (room > r->pool.apart_free_count)
		room = r->pool.apart_free_count;
	return room < most ? room : most;
}

static uint32_t slots_wanted(struct msg_receiver *r, struct msg_stream *s)
{
	uint32_t most = MSG_FETCH_SLOTS / 2;

	if (s->calls)
		return wide_wanted(r, s);
	receive_spare(r, r->side.link->receive_count - r->side.posted + most);
	if (slots_free(r) < most)
		most = slots_free(r);
	return most < MSG_FETCH_FRAMES ? most : MSG_FETCH_FRAMES;
}

/* The next frames, if there are some. */
static void begin(
	struct msg_receiver *r, struct msg_fetch_item *it, uint64_t now)
{
	uint32_t most = slots_wanted(r, it->stream);

	it->again_ns = now + SHORT_NS;
	it->lacks = most == 0;
	if (it->lacks)
		return;
	it->count = msg_recover_fetch(&it->stream->recover, most, &it->from);
	it->again_ns = now + IDLE_NS;
	if (it->count == 0)
		return;
	for (uint32_t i = 0; i < it->count; i++)
		it->frames[i].slot = MSG_RECEIVE_NONE;
	it->moved_ns = now;
	it->next = 0;
	it->step = MSG_FETCH_PLACES;
	read_places(r->fetch, it);
}

/* What they say; a frame of which nothing can be had has no slot. */
static void look_at_places(struct msg_receiver *r, struct msg_fetch_item *it)
{
	const uint8_t *data =
		staging(r->fetch, it) + MSG_SHELF_HEAD_BYTES;
	bool wide = it->stream->calls;
	uint32_t room =
		wide ? r->options.connected_bytes : r->options.frame_bytes;

	for (uint32_t i = 0; i < it->count; i++) {
		struct msg_fetch_frame *frame = &it->frames[i];

		if (msg_shelf_place_read(&frame->place,
			    data + (size_t)i * MSG_SHELF_PLACE_BYTES,
			    (uint32_t)it->from + i, room))
			frame->slot = take_slot(r, wide);
	}
	fetch_plan(r, it);
	it->next = 0;
	it->step = MSG_FETCH_BYTES;
}

static bool read_range(struct msg_fetch *f, struct msg_fetch_item *it,
	const struct msg_fetch_range *range)
{
	const struct msg_shelf *shelf = &it->shelf;
	struct msg_channel_read read = {
		.into = chunk_at(f, range->at),
		.bytes = range->bytes,
		.address = range->begin +
			   (range->inside ? shelf->catalogue : shelf->slots),
		.key = range->inside ? shelf->catalogue_key : shelf->slots_key,
		.region = &f->region,
	};

	return read_from(f, it, &read);
}

static void read_ranges(struct msg_fetch *f, struct msg_fetch_item *it)
{
	while (it->next < it->range_count && it->out < MSG_FETCH_READS &&
		read_range(f, it, &it->ranges[it->next]))
		it->next++;
}

static bool read_floor(struct msg_fetch *f, struct msg_fetch_item *it)
{
	struct msg_channel_read read = {
		.into = staging(f, it),
		.bytes = FLOOR_BYTES,
		.address = it->shelf.catalogue,
		.key = it->shelf.catalogue_key,
		.region = &f->region,
	};

	return read_from(f, it, &read);
}

/* ---- what came ------------------------------------------------------------ */

static void hand_on(struct msg_receiver *r, const struct msg_stream *s,
	const struct msg_fetch_frame *frame)
{
	const struct msg_shelf_place *place = &frame->place;
	uint8_t *data = receive_frame(r, frame->slot);

	data += msg_shelf_front(
		data, place, s->tag, s->publisher, s->recover.serial);
	memcpy(data, chunk_at(r->fetch, frame->at[0]), place->bytes);
	memcpy(data + place->bytes, chunk_at(r->fetch, frame->at[1]),
		place->table);
	if (!receive_aside(r, frame->slot, msg_shelf_frame_bytes(&frame->place),
		    s->calls ? s->handle : RECEIVE_NO_CALL))
		msg_receive_put(&r->pool, frame->slot);
}

/* The publisher of a connected topic is told at once how far it has come: he may
 * stand still until then. */
static void tell(struct msg_receiver *r, struct msg_stream *s)
{
	if (!s->calls)
		return;
	msg_recover_hasten(&s->recover);
	hold_arrived(r, s);
}

/* All is here: what was there when it was read is handed on. */
static void look_at_floor(
	struct msg_receiver *r, struct msg_fetch_item *it, uint64_t now)
{
	uint32_t floor = msg_load32(staging(r->fetch, it));
	struct msg_stream *s = it->stream;
	uint32_t had = 0;

	for (uint32_t i = 0; i < it->count; i++) {
		struct msg_fetch_frame *frame = &it->frames[i];
		bool good = frame->slot != MSG_RECEIVE_NONE &&
			    msg_shelf_has(floor, frame->place.number);

		if (!good)
			continue;
		hand_on(r, s, frame);
		give_up_slot(r, frame);
		had++;
	}
	count(r, MSG_COUNTER_FETCHED, had);
	/* Also of those handed on some may have found no room. */
	msg_recover_unfetch(&s->recover, now);
	put_slots(r, it);
	if (had > 0)
		tell(r, s);
	/* Gone, or nonsense: questions are answered in words. */
	if (had == 0)
		end(r, it, now);
	else
		begin(r, it, now);
	note_due(r, s);
}

static void connected(struct msg_receiver *r, struct msg_fetch_item *it,
	const struct msg_channel_event *e, uint64_t now)
{
	if (it->line != MSG_FETCH_ASKING)
		return;
	if (!msg_shelf_read(&it->shelf, e->greeting, e->bytes)) {
		count(r, MSG_COUNTER_UNBELIEVED, 1);
		end(r, it, now);
		return;
	}
	it->line = MSG_FETCH_CONNECTED;
	msg_recover_fetches(&it->stream->recover, true, now);
	begin(r, it, now);
}

static void event(struct msg_receiver *r, const struct msg_channel_event *e,
	uint64_t now)
{
	struct msg_fetch *f = r->fetch;
	struct msg_fetch_item *it = f->items;

	while (it < f->items + MSG_FETCH_ITEMS &&
		(it->line == MSG_FETCH_UNCONNECTED || it->handle != e->handle))
		it++;
	if (it == f->items + MSG_FETCH_ITEMS)
		return;
	switch (e->type) {
	case MSG_CHANNEL_CONNECTED:
		connected(r, it, e, now);
		break;
	case MSG_CHANNEL_READ_DONE:
		it->moved_ns = now;
		it->out--;
		break;
	case MSG_CHANNEL_READ_FAILED:
		it->out--;
		end(r, it, now);
		break;
	case MSG_CHANNEL_CLOSED:
		leave_to_questions(r, it, now);
		put_slots(r, it);
		it->out = 0;
		it->line = MSG_FETCH_UNCONNECTED;
		break;
	default:
		break;
	}
}

/* ---- turns -------------------------------------------------------------- */

/* What follows when all that was under way is here; when it is due again. */
static uint64_t step(
	struct msg_receiver *r, struct msg_fetch_item *it, uint64_t now)
{
	uint64_t stuck = r->fetch->give_up_ns / STUCK_PART;

	if (it->line == MSG_FETCH_ASKING && now - it->moved_ns >= stuck)
		end(r, it, now);
	if (it->line != MSG_FETCH_CONNECTED)
		return it->line == MSG_FETCH_ASKING ? it->moved_ns + stuck
						    : UINT64_MAX;
	if (it->step == MSG_FETCH_PLACES) {
		read_places(r->fetch, it);
		if (it->out == 0 && it->next == it->count)
			look_at_places(r, it);
	}
	if (it->step == MSG_FETCH_BYTES)
		read_ranges(r->fetch, it);
	if (it->out == 0 && it->step == MSG_FETCH_FLOOR)
		look_at_floor(r, it, now);
	else if (it->out == 0 && it->step == MSG_FETCH_BYTES &&
		 it->next == it->range_count && read_floor(r->fetch, it))
		it->step = MSG_FETCH_FLOOR;
	if (it->line != MSG_FETCH_CONNECTED)
		return UINT64_MAX;
	if (it->step != MSG_FETCH_REST) {
		if (now - it->moved_ns >= stuck)
			end(r, it, now);
		return it->moved_ns + stuck;
	}
	return it->again_ns;
}

/* How long nothing need be read.  Where there is no room for it, another stream may
 * have that; buffers of the connection are its own. */
static uint64_t idle_ns(const struct msg_fetch_item *it)
{
	const struct msg_stream *s = it->stream;

	return s->calls && it->lacks ? s->recover.options.give_up_ns / STUCK_PART
				     : IDLE_NS;
}

/* Nothing is being read: is there something more? */
static uint64_t rest(
	struct msg_receiver *r, struct msg_fetch_item *it, uint64_t now)
{
	begin(r, it, now);
	if (it->step == MSG_FETCH_REST &&
		now - it->moved_ns >= idle_ns(it))
		end(r, it, now);
	return it->again_ns;
}

static bool is_busy(const struct msg_fetch_item *it)
{
	return it->line == MSG_FETCH_ASKING || it->line == MSG_FETCH_ENDING ||
	       it->step != MSG_FETCH_REST;
}

int fetch_turn(struct msg_receiver *r)
{
	struct msg_channel_event events[EVENTS];
	struct msg_fetch *f = r->fetch;
	uint64_t now;
	int n;

	if (f->busy == 0 && !f->look &&
		(f->deadline == UINT64_MAX || turn_now(r) < f->deadline))
		return 0;
	now = turn_now(r);
	f->look = false;
	n = f->channels->ops->poll(f->channels, events, EVENTS);
	for (int i = 0; i < n; i++)
		event(r, &events[i], now);
	f->deadline = UINT64_MAX;
	f->busy = 0;
	for (uint32_t i = 0; i < MSG_FETCH_ITEMS; i++) {
		struct msg_fetch_item *it = &f->items[i];
		uint64_t at = step(r, it, now);

		if (at <= now && it->line == MSG_FETCH_CONNECTED &&
			it->step == MSG_FETCH_REST)
			at = rest(r, it, now);
		if (at < f->deadline)
			f->deadline = at;
		f->busy += is_busy(it);
	}
	return n;
}

/* ---- beginning and stopping --------------------------------------------- */

static void call(struct msg_receiver *r, struct msg_fetch_item *it,
	struct msg_stream *s, uint64_t now)
{
	struct msg_fetch *f = r->fetch;
	uint8_t greeting[MSG_SHELF_GREETING_BYTES];

	msg_shelf_greet(greeting, s->tag, s->publisher);
	s->fetch_ns = now + IDLE_NS;
	if (f->channels->ops->connect(f->channels, s->shelf.data,
		    s->shelf.bytes, greeting, sizeof greeting,
		    &it->handle) < 0)
		return;
	it->line = MSG_FETCH_ASKING;
	it->stream = s;
	it->moved_ns = now;
	f->busy++;
	r->calls_left = 0;
	if (now < r->deadline)
		r->deadline = now;
}

void fetch_wish(struct msg_receiver *r, struct msg_stream *s)
{
	struct msg_fetch *f = r->fetch;
	struct msg_fetch_item *found = NULL;
	uint64_t now = turn_now(r);

	for (uint32_t i = 0; i < MSG_FETCH_ITEMS; i++) {
		struct msg_fetch_item *it = &f->items[i];

		if (it->stream == s) {
			f->look |= it->step == MSG_FETCH_REST;
			it->again_ns = now;
			return;
		}
		if (it->line == MSG_FETCH_UNCONNECTED)
			found = it;
	}
	if (found && now >= s->fetch_ns && (s->open || !s->calls))
		call(r, found, s, now);
}

void fetch_closed(struct msg_receiver *r, struct msg_stream *s)
{
	for (uint32_t i = 0; r->fetch && i < MSG_FETCH_ITEMS; i++)
		if (r->fetch->items[i].stream == s) {
			end(r, &r->fetch->items[i], turn_now(r));
			r->fetch->look = true;
		}
	/* It may be had by a connection of today. */
	s->fetch_ns = 0;
}

void fetch_stop(struct msg_receiver *r, struct msg_stream *s)
{
	for (uint32_t i = 0; r->fetch && i < MSG_FETCH_ITEMS; i++)
		if (r->fetch->items[i].stream == s) {
			r->fetch->items[i].stream = NULL;
			r->fetch->look = true;
			hang_up(r->fetch, &r->fetch->items[i]);
		}
}
