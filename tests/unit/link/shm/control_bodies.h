/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control_bodies.h - a good message of each kind, and bodies written by hand, for
 * the tests of control.h.
 */
#ifndef TESTS_UNIT_LINK_SHM_CONTROL_BODIES_H
#define TESTS_UNIT_LINK_SHM_CONTROL_BODIES_H

#include "check_main.h"
#include "link/shm/control.h"

/* ---- one good message of each kind ------------------------------------- */

struct example {
	unsigned kind;
	const char *name;
	size_t size; /* Of its part of the union. */
	unsigned fds;
};
#define EXAMPLES 23u

extern const struct example examples[EXAMPLES];
/* As fill made it. */
extern struct msg_control example;

void fill(const struct example *about);
void fill_topic(struct msg_control_topic *topic, unsigned number);
const struct example *about_kind(unsigned kind);

/* ---- bodies by hand ---------------------------------------------------- */

struct body {
	size_t bytes;
	uint8_t data[1 << 17];
};

extern struct body body;
extern unsigned fd_count; /* That come with it. */

enum wire {
	VARINT = 0,
	FIXED64 = 1,
	BYTES = 2,
	GROUP = 3,
	FIXED32 = 5,
};

/* The good message, packed. */
void pack_example(const struct example *about);
/* Append. */
void put(uint8_t byte);
void put_varint(uint64_t value);
void put_tag(unsigned field, enum wire wire);
void put_number(unsigned field, enum wire wire, uint64_t value);
void put_bytes(unsigned field, const void *data, size_t bytes);

/* ---- and what comes of them -------------------------------------------- */

extern struct msg_control found;

int unpack_from(enum msg_control_side side, unsigned kind);
int unpack(unsigned kind);
/* Refused, nothing written, and one printable line names why. */
void refused_from(enum msg_control_side side, unsigned kind, const char *why);
void refused(unsigned kind, const char *why);

/* control_fields.c */
void add_fields(Suite *suite);

#endif
