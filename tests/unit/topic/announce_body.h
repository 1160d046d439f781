/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * announce_body.h - bodies of announcements by hand, field by field, so that they
 * can say what the packer never would.
 */
#ifndef TESTS_UNIT_TOPIC_ANNOUNCE_BODY_H
#define TESTS_UNIT_TOPIC_ANNOUNCE_BODY_H

#include "topic/announce.h"

#include <stdbool.h>
#include <stdint.h>

#include "check_main.h"

struct body {
	size_t bytes;
	uint8_t data[70000];
};

extern struct body body; /* The one that is made, … */
extern struct msg_announcement found; /* … and what was unpacked of it. */

enum field { /* Numbers of control.proto. */
	TOPIC = 1,
	INCARNATION,
	NEXT_SEQUENCE,
	MESSAGE_BYTES_MAX,
	FRAME_BYTES,
	PERIOD_MS,
	HOST,
	PROGRAM,
	PID,
	UID,
	CLOSING,
	RELIABLE,
	CONNECT,
	REACH,
	GIVE_UP_MS,
	UNKNOWN,
	LATER = 24, /* From here on all are. */
};

enum wire {
	VARINT = 0,
	FIXED64 = 1,
	BYTES = 2
};

/* The next byte, varint or field. */
void put(uint8_t byte);
void put_varint(uint64_t value);
void put_number(enum field field, uint64_t value);
void put_fixed(enum field field, uint64_t value);
void put_bytes(enum field field, const void *data, size_t bytes);
void put_text(enum field field, const char *text);
/* All that is required, but for one field, which is left for the test. */
void put_all_but(enum field left_out);

bool unpack(void);
/* It is, and `found` as it was. */
void refused(void);

/* One that says everything, and the packer's body of one. */
struct msg_announcement example(void);
void pack_body(const struct msg_announcement *announcement);

/* Further cases of the program, in a file of their own. */
void add_hostile_tests(Suite *suite); /* announce_hostile.c */

#endif
