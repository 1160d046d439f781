/* SPDX-License-Identifier: BSD-2-Clause */
/* frames.c - messages into frames: single, packed, in parts; see frames.h. */
#include "frames.h"

#include "message.h"
#include "protocol/fragment.h"

static uint32_t body_max(const struct publisher *p)
{
	return p->options.frame_bytes - MSG_FRAME_HEADER_BYTES;
}

static void draw(struct publisher *p)
{
	const struct traffic *t = &p->options.traffic;
	struct world *world = p->world;

	if (p->next_bytes != 0)
		return;
	p->next_bytes = (uint32_t)world_between(
		world, DICE_TRAFFIC, t->bytes_min, t->bytes_max);
	if (world_chance(world, DICE_TRAFFIC, t->large))
		p->next_bytes = (uint32_t)world_between(
			world, DICE_TRAFFIC, body_max(p), t->large_bytes);
}

/* A packet with its header; the body begins behind. */
static uint8_t *begin(struct publisher *p, uint64_t sequence, uint32_t offset)
{
	struct packet *packet = packet_new(p->options.frame_bytes);

	packet->data_frame = true;
	packet->born = p->want_since;
	p->pending = (struct sent_frame){packet, sequence, offset};
	return packet->data + MSG_FRAME_HEADER_BYTES;
}

static void finish(struct publisher *p, uint8_t type, uint32_t body)
{
	struct packet *packet = p->pending.packet;
	struct msg_frame frame = {
		.type = type,
		.flags = MSG_FRAME_RELIABLE,
		.bytes = (uint16_t)(MSG_FRAME_HEADER_BYTES + body),
		.tag = p->options.tag,
		.publisher = p->options.word,
		.transmission = (uint32_t)p->repair.next,
		.sequence = p->pending.sequence,
	};

	packet->bytes = frame.bytes;
	msg_frame_write(packet->data, &frame);
}

static void take(struct publisher *p)
{
	p->framed++;
	p->next_bytes = 0;
}

static void build_part(struct publisher *p)
{
	/* The parts are whole words long, as message.h likes them. */
	uint32_t room = (body_max(p) - MSG_FRAGMENT_HEADER_BYTES) & ~7u;
	uint32_t total = p->next_bytes, offset = p->fragment_offset;
	uint32_t part = total - offset < room ? total - offset : room;
	struct msg_fragment fragment = {total, offset, part};
	uint64_t sequence;
	uint8_t *body;

	if (offset == 0)
		truth_publish(&p->truth, total);
	sequence = p->truth.next_sequence - 1;
	body = begin(p, sequence, offset);
	msg_fragment_write(body, &fragment);
	message_write(body + MSG_FRAGMENT_HEADER_BYTES, p->options.word,
		sequence, total, offset, part);
	finish(p, MSG_FRAME_FRAGMENT, MSG_FRAGMENT_HEADER_BYTES + part);
	p->fragment_offset = offset + part;
	if (p->fragment_offset == total) {
		p->fragment_offset = 0;
		take(p);
	}
}

static void build_whole(struct publisher *p)
{
	uint64_t first = p->truth.next_sequence;
	uint8_t *body = begin(p, first, 0);
	struct msg_pack pack;
	uint32_t bytes;

	msg_pack_start(&pack, body_max(p));
	while (p->framed < p->wanted) {
		draw(p);
		if (!msg_pack_fits(&pack, p->next_bytes) ||
			(pack.count > 0 && p->options.traffic.alone))
			break;
		message_write(body + pack.used, p->options.word,
			p->truth.next_sequence, p->next_bytes, 0,
			p->next_bytes);
		truth_publish(&p->truth, p->next_bytes);
		msg_pack_add(&pack, p->next_bytes);
		take(p);
	}
	bytes = msg_pack_finish(&pack, body);
	finish(p, pack.count > 1 ? MSG_FRAME_PACKED : MSG_FRAME_SINGLE, bytes);
}

void frame_build(struct publisher *p)
{
	draw(p);
	if (p->next_bytes > body_max(p))
		build_part(p);
	else
		build_whole(p);
}

struct packet *frame_again(
	const struct packet *packet, uint64_t sequence, uint32_t serial)
{
	struct packet *again = packet_new(packet->bytes);
	struct msg_frame frame;

	memcpy(again->data, packet->data, packet->bytes);
	if (msg_frame_read(again->data, again->bytes, &frame) == MSG_FRAME_OK) {
		frame.flags |= MSG_FRAME_REPAIR;
		frame.sequence = (uint64_t)serial << 32 | (uint32_t)sequence;
		msg_frame_write(again->data, &frame);
	}
	again->data_frame = true;
	again->born = packet->born;
	return again;
}
