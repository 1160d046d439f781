/* SPDX-License-Identifier: BSD-2-Clause */
/* relay.c - from a local publisher's ring to the lane; see relay.h. */
#include "broker/relay.h"

#include <string.h>

#include "broker/keep_large.h"
#include "broker/keep_show.h"
#include "broker/log.h"
#include "broker/server_internal.h"

#include "base/clock.h"
#include "base/probe.h"
#include "protocol/fragment.h"
#include "protocol/frame.h"
#include "protocol/pack.h"

/* A header, a fragment's header or a message of 32 bytes behind it. */
#define HEADER_STRIDE 64u
/* Frames of one publisher in one turn: others want theirs, too. */
#define TURN_FRAMES 64u
#define EVENTS 64
#define READ_NS (60 * MSG_NS_PER_S)
/* What it has published is sent that long after it is gone. */
#define DRAIN_NS MSG_NS_PER_S
/* And for that long its frames may come back to us. */
#define ECHO_NS MSG_NS_PER_S
/* Between looks whether receivers of one that is gone have all. */
#define LOOK_NS (10 * MSG_NS_PER_MS)

static uint32_t in_flight(const struct publisher *p)
{
	return p->flight_head - p->flight_tail;
}

/* What is on its way out stays in hand; the rest is the publisher's again. */
static void settle(struct publisher *p)
{
	uint64_t low = p->reader.next - p->claimed;
	uint64_t late = stream_unheard(p->stream);

	if (p->keep)
		low = keep_low(p->keep, low);
	if (in_flight(p) > 0 &&
		p->flight[p->flight_tail & p->flight_mask] < low)
		low = p->flight[p->flight_tail & p->flight_mask];
	if (late < low)
		low = late;
	if (low != p->reader.low)
		msg_ring_settle(&p->reader, low);
}

static int poll_lane(struct publisher *p)
{
	struct msg_link_event events[EVENTS];
	int n = p->lane->ops->poll(p->lane, events, EVENTS);

	for (int i = 0; i < n; i++) {
		if (events[i].type == MSG_LINK_SEND_FAILED)
			p->failed++;
		/* This frame and all before it. */
		if (events[i].token - p->flight_tail < in_flight(p))
			p->flight_tail = events[i].token + 1;
	}
	return n;
}

/* ---- one frame --------------------------------------------------------- */

static uint8_t *header_place(const struct publisher *p)
{
	if (p->item.kind == MSG_RING_LARGE)
		return p->large_headers +
		       p->keep->large->shown % KEEP_LARGE_HEADERS *
			       KEEP_LARGE_HEADER;
	return p->headers.base +
	       (size_t)(p->flight_head & p->flight_mask) * HEADER_STRIDE;
}

static void write_header(
	struct publisher *p, enum msg_frame_type type, uint32_t body_bytes)
{
	struct msg_frame frame = {
		.type = (uint8_t)type,
		.bytes = MSG_FRAME_HEADER_BYTES + body_bytes,
		.tag = msg_name_tag(p->stream->topic),
		.publisher = p->source.text.publisher,
		.transmission = p->flight_head,
		.sequence = p->item.sequence,
	};

	if (p->keep) {
		frame.flags = MSG_FRAME_RELIABLE;
		frame.transmission = (uint32_t)p->keep->next;
	}

	msg_frame_write(header_place(p), &frame);
}

/* Post what header_place and `send` hold; publisher_turn flushes.  0, AGAIN,
 * FABRIC. */
static int post(struct publisher *p, struct msg_link_send *send)
{
	int result;

	send->iov[0].iov_base = header_place(p);
	send->group = p->group;
	send->token = p->flight_head;
	send->more = true;
	/* Some of a train; its last is reported anyway, by the flush. */
	send->signal = ++p->unsignalled > p->flight_mask / 4;
	result = p->lane->ops->send(p->lane, send);
	if (result < 0)
		return result;
	if (send->signal)
		p->unsignalled = 0;
	p->flight[p->flight_head & p->flight_mask] = p->reader.next - 1;
	p->flight_head++;
	p->frames++;
	MSG_PROBE2(frame_out, send->iov[0].iov_base, send->iov_count);
	return 0;
}

static uint8_t *payload(const struct publisher *p)
{
	return p->pool.base + (size_t)p->item.place * MSG_RING_PLACE_UNIT;
}

/* Post a frame of which `bytes` at `offset` in the payload stand in the publisher's
 * pool and the rest in its first piece, and remember it. */
static int post_kept(struct publisher *p, enum msg_frame_type type,
	uint32_t offset, uint32_t bytes, struct msg_link_send *send)
{
	const struct msg_ring_item *item = &p->item;
	uint64_t place = (uint64_t)item->place * MSG_RING_PLACE_UNIT;
	const uint8_t *front = header_place(p) + MSG_FRAME_HEADER_BYTES;
	bool ends = type != MSG_FRAME_FRAGMENT || offset + bytes == item->bytes;
	struct keep_frame frame = {
		.sequence = item->sequence,
		.index = p->reader.next - 1,
		.place = place + offset,
		.bytes = bytes,
		.slot = item->kind == MSG_RING_INLINE ||
					item->kind == MSG_RING_LARGE
				? KEEP_NO_SLOT
				: (uint32_t)(place / p->keep->slot_bytes),
		.type = (uint8_t)type,
		.begins = offset == 0,
		.messages = (uint16_t)(ends ? p->messages : 0),
		.front_bytes = (uint8_t)(send->iov[0].iov_len -
					 MSG_FRAME_HEADER_BYTES),
	};
	int result;

	if (item->kind != MSG_RING_LARGE)
		memcpy(frame.front, front, frame.front_bytes);
	/* Before anybody hears of it. */
	keep_show_add(p->keep, &frame, front);
	result = post(p, send);
	if (result == 0)
		keep_sent(p->keep, &frame);
	return result;
}

static int post_frame(struct publisher *p, enum msg_frame_type type,
	uint32_t offset, uint32_t bytes, struct msg_link_send *send)
{
	return p->keep ? post_kept(p, type, offset, bytes, send)
		       : post(p, send);
}

/* The next fragment of the claimed message. */
static int send_part(struct publisher *p)
{
	struct msg_link_send send = {.iov_count = 2};
	struct msg_fragment part = {
		.total = p->item.bytes,
		.offset = p->part_offset,
	};
	int result;

	part.bytes = part.total - part.offset;
	if (part.bytes > p->part_max)
		part.bytes = p->part_max;
	write_header(p, MSG_FRAME_FRAGMENT,
		MSG_FRAGMENT_HEADER_BYTES + part.bytes);
	msg_fragment_write(header_place(p) + MSG_FRAME_HEADER_BYTES, &part);
	send.iov[0].iov_len =
		MSG_FRAME_HEADER_BYTES + MSG_FRAGMENT_HEADER_BYTES;
	send.iov[1].iov_base = payload(p) + part.offset;
	send.iov[1].iov_len = part.bytes;
	result = post_frame(
		p, MSG_FRAME_FRAGMENT, part.offset, part.bytes, &send);
	if (result == 0)
		p->part_offset += part.bytes;
	p->claimed = p->part_offset < part.total;
	return result;
}

static int send_whole(struct publisher *p)
{
	struct msg_link_send send = {.iov_count = 2};
	enum msg_frame_type type = p->item.kind == MSG_RING_PACKED
					   ? MSG_FRAME_PACKED
					   : MSG_FRAME_SINGLE;
	int result;

	write_header(p, type, p->item.bytes);
	send.iov[0].iov_len = MSG_FRAME_HEADER_BYTES;
	if (p->item.kind == MSG_RING_INLINE) {
		memcpy(header_place(p) + MSG_FRAME_HEADER_BYTES, p->item.data,
			p->item.bytes);
		send.iov[0].iov_len += p->item.bytes;
		send.iov_count = 1;
	} else {
		send.iov[1].iov_base = payload(p);
		send.iov[1].iov_len = p->item.bytes;
		if (p->item.bytes == 0)
			send.iov_count = 1;
	}
	result = post_frame(
		p, type, 0, send.iov_count == 2 ? p->item.bytes : 0, &send);
	p->claimed = result < 0;
	return result;
}

/* Where it stands, for receivers to read it there. */
static int send_large(struct publisher *p)
{
	struct msg_link_send send = {.iov_count = 1};
	const uint8_t *body = keep_large_show(p->keep->large, &p->item);
	int result;

	if (!body) {
		/* Receivers learn of it with the next. */
		log_say(LOG_LARGE_REFUSED,
			"%u bytes of '%s' cannot be shown to other hosts: no "
			"memory for that",
			p->item.total, p->stream->topic);
		p->failed++;
		p->claimed = false;
		return 0;
	}
	write_header(p, MSG_FRAME_LARGE, MSG_LARGE_BYTES);
	memcpy(header_place(p) + MSG_FRAME_HEADER_BYTES, body, MSG_LARGE_BYTES);
	send.iov[0].iov_len = MSG_FRAME_HEADER_BYTES + MSG_LARGE_BYTES;
	result = post_kept(p, MSG_FRAME_LARGE, 0, 0, &send);
	p->claimed = result < 0;
	return result;
}

/* ---- what will never be sent -------------------------------------------- */

/* Whether messages from the next one up to `end` can be missing.  It is a stranger's
 * word: an end behind what was sent is none, nor is one that numbers of frames cannot
 * tell. */
static bool can_miss(const struct publisher *p, uint64_t end)
{
	return end - p->sequence - 1 <
	       (uint64_t)KEEP_SKIP_MAX * MSG_PACK_COUNT_MAX;
}

/* They are: the next probe or announcement says so.  False: not now. */
static bool miss(struct publisher *p, uint64_t end)
{
	if (p->keep && !keep_skip(p->keep, end))
		return false;
	p->claimed = false;
	p->sequence = end;
	/* As behind what was flushed: it counts what will not come. */
	atomic_store_explicit(&p->sent, end, memory_order_release);
	return true;
}

/* It moved here, and what the ring before this one had we never saw.  An entry of
 * this one says as much; it may be long in coming. */
static void look_at_begin(struct publisher *p)
{
	const struct msg_ring_header *header =
		(const struct msg_ring_header *)p->stream->ring.base;
	uint64_t begin = msg_load(&header->begin, acquire);

	if (begin > 0 && can_miss(p, begin))
		miss(p, begin);
}

/* ---- entries ----------------------------------------------------------- */

/* What the publisher was given: its memory ends behind that, on a page. */
static uint64_t slots_end(const struct publisher *p)
{
	return (uint64_t)p->shape.slot_count * p->shape.slot_bytes;
}

/* Messages of the item, if it is what it can be; 0: it is not. */
static uint32_t believe(const struct publisher *p)
{
	const struct msg_ring_item *item = &p->item;
	uint64_t end = (uint64_t)item->place * MSG_RING_PLACE_UNIT +
		       item->bytes;
	struct msg_pack_reader reader;
	int n;

	if (item->publisher != p->source.text.publisher ||
		item->sequence < p->sequence)
		return 0;
	switch (item->kind) {
	case MSG_RING_INLINE:
		return item->bytes <= MSG_RING_INLINE_BYTES;
	case MSG_RING_SINGLE:
		return item->bytes <= MSG_MESSAGE_BYTES_MAX &&
		       end <= slots_end(p);
	case MSG_RING_PACKED:
		if (item->bytes > p->body_max || end > slots_end(p))
			return 0;
		n = msg_pack_open(&reader, payload(p), item->bytes);
		return n > 0 ? (uint32_t)n : 0;
	case MSG_RING_LARGE:
		return p->keep && keep_large_believe(p->keep->large, item);
	default:
		return 0;
	}
}

/* Whether there is something to send. */
static bool has_more(const struct publisher *p)
{
	return !p->ended && (p->claimed || msg_ring_ready(&p->reader));
}

/* Claim the next entry and keep a copy of what it says.  Whether there was
 * one to send. */
static bool claim(struct publisher *p)
{
	uint64_t index = p->reader.next;

	if (p->ended || (p->keep && !keep_has_room(p)))
		return false;
	switch (msg_ring_peek(&p->reader, index, &p->item)) {
	case MSG_RING_EMPTY:
		return false;
	case MSG_RING_GONE:
		/* Only a writer that breaks the rules laps who may block. */
		p->malformed++;
		return msg_ring_lap(&p->reader) && false;
	default:
		break;
	}
	p->messages = believe(p);
	if (p->keep && p->messages > 0 &&
		!keep_skip(p->keep, p->item.sequence))
		return false;
	msg_ring_hold(&p->reader, index + 1, true);
	p->part_offset = 0;
	p->claimed = p->messages > 0;
	p->malformed += !p->claimed;
	return p->claimed;
}

/* Send the claimed entry, or a part of it.  0, AGAIN, FABRIC. */
static int send_entry(struct publisher *p)
{
	int result;

	if (p->item.kind == MSG_RING_LARGE)
		result = send_large(p);
	else
		result = p->item.bytes > p->lone_max ? send_part(p)
						     : send_whole(p);
	if (result == 0 && !p->claimed)
		p->sequence = p->item.sequence + p->messages;
	return result;
}

int publisher_turn(struct publisher *p)
{
	bool flushed = true;
	int result = 0;
	int n = 0;

	if (p->reader_index < 0)
		return 0;
	if (p->keep)
		p->keep->now = msg_clock_ns();
	if (in_flight(p) > 0 && (result = poll_lane(p)) < 0)
		return result;
	if (p->reader.next == 0 && !msg_ring_ready(&p->reader))
		look_at_begin(p);
	for (result = 0; n < (int)TURN_FRAMES && result == 0 &&
			 in_flight(p) <= p->flight_mask;
		n += result == 0) {
		if (!p->claimed && !claim(p))
			break;
		if (p->keep && !keep_may(p->keep))
			break;
		result = send_entry(p);
	}
	p->clogged = p->session && (result == -MSG_ERROR_AGAIN ||
					   in_flight(p) > p->flight_mask);
	if (n > 0 || p->unflushed)
		flushed = p->lane->ops->flush(p->lane) == 0;
	p->unflushed = !flushed;
	if (n > 0 && flushed)
		/* Release; partner: announce: what it counts has left. */
		atomic_store_explicit(
			&p->sent, p->sequence, memory_order_release);
	if (p->keep)
		n += keep_turn(p->keep, flushed);
	settle(p);
	return result < 0 && result != -MSG_ERROR_AGAIN ? result : n;
}

uint64_t publisher_oldest(const struct publisher *p, uint64_t head)
{
	if (!p || (!p->keep && p->shape.retain == 0))
		return UINT64_MAX;
	if (p->keep)
		return p->reader.low;
	return msg_ring_oldest(
		(const struct msg_ring_header *)p->stream->ring.base, head,
		p->shape.retain);
}

void publisher_sleep(struct publisher *p)
{
	if (p->reader_index >= 0)
		msg_ring_sleep(&p->reader, MSG_RING_SLEEP_DESCRIPTOR);
}

void publisher_awake(struct publisher *p)
{
	if (p->reader_index < 0)
		return;
	msg_ring_awake(&p->reader);
	/* It may have been a report that woke us. */
	if (p->keep)
		atomic_store_explicit(&p->keep->repairer.look_ns, 0,
			memory_order_relaxed);
}

bool publisher_ready(struct publisher *p)
{
	if (p->reader_index < 0)
		return false;
	/* What is on connections says by itself when it is done. */
	if ((in_flight(p) > 0 && !p->session) || p->unflushed)
		return true;
	if (!p->keep)
		return has_more(p);
	if (msg_repairer_arm(&p->keep->repairer) != 0)
		return true;
	/* Else whatever lets it go on wakes us, or is due. */
	return p->keep->repairer.forget_to == 0 &&
	       !p->keep->repairer.waiting &&
	       !p->clogged && has_more(p);
}

uint64_t publisher_due(const struct publisher *p)
{
	uint64_t due = p->client ? UINT64_MAX : p->free_ns;
	uint64_t keep = p->keep ? keep_due(p->keep) : UINT64_MAX;

	return keep < due ? keep : due;
}

/* Who reads a large message is waited for a minute longer, while he gets on. */
static bool is_read(const struct publisher *p, uint64_t now)
{
	return now < p->gone_ns + p->keep->linger_ns + READ_NS &&
	       msg_repairer_is_read(&p->keep->repairer, msg_clock_ns());
}

/* All is sent.  Receivers of a reliable topic have a while to ask for what they
 * miss. */
static bool is_finished(struct publisher *p, uint64_t now)
{
	bool sent = p->reader_index < 0 || !has_more(p);
	bool late = now >= p->gone_ns + DRAIN_NS;

	if (!p->keep)
		return late || (sent && in_flight(p) == 0);
	if (late && now >= p->gone_ns + p->keep->linger_ns && !is_read(p, now))
		return true;
	return sent && now >= p->back_ns &&
	       !msg_repairer_is_awaited(&p->keep->repairer, msg_clock_ns());
}

/* What its Bye says that it published, and we never had or could not send: it is
 * lost, and a probe says so, or else the goodbye.  Whether receivers are to hear that
 * first. */
static bool tell_end(struct publisher *p, uint64_t now)
{
	if (p->ended || p->reader_index < 0 || !can_miss(p, p->end))
		return false;
	if (!miss(p, p->end))
		/* A repair is on its way out. */
		return now < p->gone_ns + p->keep->linger_ns + 2 * DRAIN_NS;
	p->ended = true;
	return p->keep;
}

bool publisher_is_over(struct publisher *p, uint64_t now)
{
	if (p->client || now < p->free_ns)
		return false;
	if (p->parting)
		return true;
	if (!is_finished(p, now) || tell_end(p, now)) {
		p->free_ns = now + LOOK_NS;
		return false;
	}
	if (!p->announced)
		return true;
	publisher_say_goodbye(p);
	p->free_ns = now + ECHO_NS;
	p->parting = true;
	return false;
}

uint64_t publisher_sequence(const struct publisher *p)
{
	const struct msg_ring_header *header =
		(const struct msg_ring_header *)p->stream->ring.base;
	uint64_t head = msg_load(&header->head, acquire);
	struct msg_ring_reader reader = {
		.header = header,
		.entries = (const struct msg_ring_entry *)(header + 1),
		.mask = p->stream->entry_count - 1,
	};
	struct msg_ring_item item;

	if (head == 0 || msg_ring_peek(&reader, head - 1, &item) !=
				 MSG_RING_ENTRY)
		return p->sequence;
	/* Of a packed entry the first one: close enough for people. */
	return item.sequence + 1;
}
