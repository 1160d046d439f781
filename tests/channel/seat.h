/* SPDX-License-Identifier: BSD-2-Clause */
/* seat.h - a session with its memory, for the tests of sessions. */
#ifndef TESTS_CHANNEL_SEAT_H
#define TESTS_CHANNEL_SEAT_H

#include "link/session.h"

#define SEAT_SLOT 4096u
#define SEAT_SLOTS 512u
#define SEAT_SENDS 64u
#define SEAT_TALES 4096u

/* A session with its memory, and what its side was told but SENT. */
struct seat {
	struct msg_link_domain *domain;
	struct msg_session *session;
	struct msg_link *stream, *side;
	uint8_t *memory; /* Slots, the first half to post. */
	uint32_t sent;   /* Newest of `side`, + 1. */
	uint32_t streamed;
	uint32_t side_next;
	struct msg_link_event *told;
	uint32_t first, count;
};

uint8_t *seat_slot(struct seat *seat, uint32_t i);
void seat_open(struct seat *seat, bool listen, uint32_t connections,
	uint64_t stuck_ms);
void seat_close(struct seat *seat);
/* Post the first so many slots. */
void seat_post(struct seat *seat, uint32_t count);
void seat_turn(struct seat *seat);
/* The next that `seat` is told, which is of this type, while others are polled,
 * too. */
struct msg_link_event seat_await(
	struct seat **seats, int count, struct seat *seat, uint32_t type);
/* The first bytes of a slot. */
int seat_send(struct msg_link *link, struct seat *seat, uint32_t group,
	uint32_t i, uint32_t bytes, uint32_t token);

#endif
