/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shelf.h - a publisher's history where it stands, for receivers to read.
 *
 * Who lacks many frames need not ask for each: he connects, is told where the
 * history stands, and reads it by RDMA READ.  The publisher does nothing for
 * that but to write down what it sends.
 *
 * SHELF, a frame behind the answer to who JOINs (report.h), and of a connected
 * topic behind the first PROBE of each connection: whither to connect.
 *
 *      0 bytes of the reach      1 zero, 56 bits      8 reach, 32
 *
 * GREETING, from the receiver, 12 bytes, little-endian: tag, publisher, and the
 * word MSG_SHELF_WORD, by which this layout is meant.
 *
 * ANSWER, from the publisher, 40 bytes:
 *
 *      0 version, 1   1 zero, 24 bits   4 places, a power of two
 *      8 address of the catalogue      16 its key
 *     24 address of the slots          32 their key
 *
 * The catalogue is a head of 64 bytes and then a place of 40 for each frame, by
 * its number modulo the places:
 *
 *     head   0 floor: frames below are no more; the rest is zero
 *     place  0 sequence of its first message
 *            8 where its bytes begin, from the slots' address on
 *           16 number      20 where its table begins, from there on
 *           24 total      28 offset, of a FRAGMENT (fragment.h)
 *           32 bytes, the low half      34 bytes of the table: 0, or they
 *                            follow the others
 *           36 type       37 1: they stand in the catalogue, and begin from its
 *                            address on; else 0       38 bytes, the high half:
 *                            only frames of connections have so many
 *
 * The rule.  The publisher raises the floor above a frame before its slot or its
 * place goes to another.  So who has read a frame's place and bytes, and then
 * reads a floor that is not above it, has read that frame; else whatever he has
 * read is nothing.  The floor is asked for when all of them are here: reads of
 * one connection are answered in their order, but not each as a whole.
 *
 * Numbers are the low halves, as in headers; the floor's, too.
 *
 * Pure: bytes in, fields or "malformed" out.  What is read of a frame is checked
 * like one that came by any other way; here is made sure that it finds room.
 * Test: tests/unit/protocol/test_shelf.c, fuzz: tests/fuzz/fuzz_report.c.
 */
#ifndef MSG_PROTOCOL_SHELF_H
#define MSG_PROTOCOL_SHELF_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/frame.h"
#include "protocol/reach.h"

#define MSG_SHELF_WORD 0x31666873u /* "shf1" */
#define MSG_SHELF_GREETING_BYTES 12u
#define MSG_SHELF_ANSWER_BYTES 40u
#define MSG_SHELF_HEAD_BYTES 64u
#define MSG_SHELF_PLACE_BYTES 40u
#define MSG_SHELF_PLACES_MAX (1u << 20)
/* In front of a frame's bytes: a header and what a fragment has. */
#define MSG_SHELF_FRONT_BYTES_MAX 32u

struct msg_shelf {
	uint32_t places;
	uint64_t catalogue; /* Address. */
	uint64_t catalogue_key;
	uint64_t slots;
	uint64_t slots_key;
};

/* One frame. */
struct msg_shelf_place {
	uint64_t sequence;
	uint64_t begin;
	uint32_t number;
	uint32_t table_begin;
	uint32_t total;
	uint32_t offset;
	uint32_t bytes;
	uint16_t table;
	uint8_t type; /* enum msg_frame_type */
	bool inside;  /* The catalogue, not the slots. */
};

/* Write a SHELF frame, MSG_SHELF_FRAME_BYTES of it, header included. */
#define MSG_SHELF_BODY_BYTES 40u
#define MSG_SHELF_FRAME_BYTES (MSG_FRAME_HEADER_BYTES + MSG_SHELF_BODY_BYTES)
void msg_shelf_say(uint8_t *data, const struct msg_reach *reach, uint32_t tag,
	uint32_t publisher);
/* Read the body behind a header that msg_frame_read found good.  False:
 * malformed, and then nothing was written. */
bool msg_shelf_hear(struct msg_reach *reach, const struct msg_frame *frame,
	const uint8_t *body);

/* So many bytes of room as their names say. */
void msg_shelf_greet(uint8_t *greeting, uint32_t tag, uint32_t publisher);
void msg_shelf_write(uint8_t *answer, const struct msg_shelf *shelf);
void msg_shelf_place_write(
	uint8_t *data, const struct msg_shelf_place *place);

/* False: malformed, and then nothing was written. */
bool msg_shelf_read(
	struct msg_shelf *shelf, const uint8_t *answer, uint32_t bytes);
/* The place of frame `number`, which has `room` bytes at most, header and all;
 * room: no more than a frame may have. */
bool msg_shelf_place_read(struct msg_shelf_place *place, const uint8_t *data,
	uint32_t number, uint32_t room);

/* Where the place of a frame stands in the catalogue. */
static inline uint64_t msg_shelf_place_at(
	const struct msg_shelf *shelf, uint32_t number)
{
	return MSG_SHELF_HEAD_BYTES + (uint64_t)(number & (shelf->places - 1)) *
					      MSG_SHELF_PLACE_BYTES;
}

/* Whether a frame is still there, or was when the floor was read. */
static inline bool msg_shelf_has(uint32_t floor, uint32_t number)
{
	return (int32_t)(number - floor) >= 0;
}

/* What stands in front of the bytes of a frame, as of a repair with this serial;
 * MSG_SHELF_FRONT_BYTES_MAX of room.  How much it is; all of the frame has
 * msg_shelf_frame_bytes. */
uint32_t msg_shelf_front(uint8_t *data, const struct msg_shelf_place *place,
	uint32_t tag, uint32_t publisher, uint32_t serial);
uint32_t msg_shelf_front_bytes(uint8_t type);

static inline uint32_t msg_shelf_frame_bytes(
	const struct msg_shelf_place *place)
{
	return msg_shelf_front_bytes(place->type) + place->bytes + place->table;
}

#endif
