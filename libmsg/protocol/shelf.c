/* SPDX-License-Identifier: BSD-2-Clause */
/* shelf.c - bytes of a history that others read; see shelf.h. */
#include "protocol/shelf.h"

#include "protocol/bytes.h"
#include "protocol/fragment.h"

#define VERSION 1u
/* Of a place's last word, beside the type, and the high half of its bytes. */
#define INSIDE (1u << 8)
#define LOW 0xffffu

_Static_assert(MSG_SHELF_FRONT_BYTES_MAX >=
		       MSG_FRAME_HEADER_BYTES + MSG_FRAGMENT_HEADER_BYTES,
	"both headers have room");

void msg_shelf_say(uint8_t *data, const struct msg_reach *reach, uint32_t tag,
	uint32_t publisher)
{
	const struct msg_frame frame = {
		.type = MSG_FRAME_SHELF,
		.bytes = MSG_SHELF_FRAME_BYTES,
		.tag = tag,
		.publisher = publisher,
	};

	msg_frame_write(data, &frame);
	data += MSG_FRAME_HEADER_BYTES;
	msg_store64(data, reach->bytes);
	msg_reach_write(data + 8, reach);
}

bool msg_shelf_hear(struct msg_reach *reach, const struct msg_frame *frame,
	const uint8_t *body)
{
	uint64_t bytes;

	if (frame->bytes != MSG_SHELF_FRAME_BYTES ||
		frame->transmission != 0 || frame->sequence != 0)
		return false;
	bytes = msg_load64(body);
	if (bytes == 0 || bytes > MSG_REACH_BYTES_MAX ||
		!msg_reach_is_sound(body + 8, (uint32_t)bytes))
		return false;
	msg_reach_read(reach, body + 8, (uint8_t)bytes);
	return true;
}

void msg_shelf_greet(uint8_t *greeting, uint32_t tag, uint32_t publisher)
{
	msg_store32(greeting, tag);
	msg_store32(greeting + 4, publisher);
	msg_store32(greeting + 8, MSG_SHELF_WORD);
}

void msg_shelf_write(uint8_t *answer, const struct msg_shelf *shelf)
{
	msg_store32(answer, VERSION);
	msg_store32(answer + 4, shelf->places);
	msg_store64(answer + 8, shelf->catalogue);
	msg_store64(answer + 16, shelf->catalogue_key);
	msg_store64(answer + 24, shelf->slots);
	msg_store64(answer + 32, shelf->slots_key);
}

bool msg_shelf_read(
	struct msg_shelf *shelf, const uint8_t *answer, uint32_t bytes)
{
	uint32_t places;

	if (bytes != MSG_SHELF_ANSWER_BYTES || msg_load32(answer) != VERSION)
		return false;
	places = msg_load32(answer + 4);
	if (places == 0 || places > MSG_SHELF_PLACES_MAX ||
		(places & (places - 1)) != 0)
		return false;
	*shelf = (struct msg_shelf){
		.places = places,
		.catalogue = msg_load64(answer + 8),
		.catalogue_key = msg_load64(answer + 16),
		.slots = msg_load64(answer + 24),
		.slots_key = msg_load64(answer + 32),
	};
	return true;
}

void msg_shelf_place_write(uint8_t *data, const struct msg_shelf_place *place)
{
	msg_store64(data, place->sequence);
	msg_store64(data + 8, place->begin);
	msg_store32(data + 16, place->number);
	msg_store32(data + 20, place->table_begin);
	msg_store32(data + 24, place->total);
	msg_store32(data + 28, place->offset);
	msg_store16(data + 32, (uint16_t)(place->bytes & LOW));
	msg_store16(data + 34, place->table);
	msg_store32(data + 36, place->type | (place->inside ? INSIDE : 0) |
				       (place->bytes & ~LOW));
}

/* As msg_fragment_read demands it of the whole. */
static bool is_part(const struct msg_shelf_place *place)
{
	return place->total <= MSG_FRAGMENT_TOTAL_MAX && place->bytes > 0 &&
	       place->bytes < place->total &&
	       place->offset <= place->total - place->bytes;
}

bool msg_shelf_place_read(struct msg_shelf_place *place, const uint8_t *data,
	uint32_t number, uint32_t room)
{
	uint32_t last = msg_load32(data + 36);
	uint32_t type = last & LOW & ~INSIDE;
	struct msg_shelf_place found;

	if (msg_load32(data + 16) != number ||
		(type != MSG_FRAME_SINGLE && type != MSG_FRAME_PACKED &&
			type != MSG_FRAME_FRAGMENT && type != MSG_FRAME_LARGE))
		return false;
	found = (struct msg_shelf_place){
		.sequence = msg_load64(data),
		.begin = msg_load64(data + 8),
		.number = number,
		.table_begin = msg_load32(data + 20),
		.total = msg_load32(data + 24),
		.offset = msg_load32(data + 28),
		.bytes = msg_load16(data + 32) | (last & ~LOW),
		.table = msg_load16(data + 34),
		.type = (uint8_t)type,
		.inside = (last & INSIDE) != 0,
	};
	/* First alone: the sum of all of it may be small. */
	if (found.bytes > room || msg_shelf_frame_bytes(&found) > room ||
		(type == MSG_FRAME_FRAGMENT && !is_part(&found)))
		return false;
	*place = found;
	return true;
}

uint32_t msg_shelf_front_bytes(uint8_t type)
{
	return MSG_FRAME_HEADER_BYTES +
	       (type == MSG_FRAME_FRAGMENT ? MSG_FRAGMENT_HEADER_BYTES : 0);
}

uint32_t msg_shelf_front(uint8_t *data, const struct msg_shelf_place *place,
	uint32_t tag, uint32_t publisher, uint32_t serial)
{
	const struct msg_frame header = {
		.type = place->type,
		.flags = MSG_FRAME_RELIABLE | MSG_FRAME_REPAIR,
		.bytes = msg_shelf_frame_bytes(place),
		.tag = tag,
		.publisher = publisher,
		.transmission = place->number,
		.sequence = (uint64_t)serial << 32 | (uint32_t)place->sequence,
	};

	msg_frame_write(data, &header);
	if (place->type == MSG_FRAME_FRAGMENT) {
		const struct msg_fragment part = {
			.total = place->total,
			.offset = place->offset,
			.bytes = place->bytes,
		};

		msg_fragment_write(data + MSG_FRAME_HEADER_BYTES, &part);
	}
	return msg_shelf_front_bytes(place->type);
}
