/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * asker.h - a schema, asked for part by part of the publisher that has it.
 *
 * A few questions are under way at a time; what is not answered is asked again,
 * ever more rarely.  Answers are believed that have our token: only who saw the
 * question knows it.  What the parts come to is for the caller to check, by the
 * hash.
 *
 *     open(announcement) ─> turn, turn … ─> 1: data, bytes
 *                           sleep on link->fd until deadline between them
 *
 * Neighbours: called by api/type_fetch.c and the broker; calls protocol/ and a
 * link.  Test: tests/unit/topic/test_asker.c.
 */
#ifndef MSG_TOPIC_ASKER_H
#define MSG_TOPIC_ASKER_H

#include <stdint.h>

#include "link/link.h"
#include "pool/region.h"
#include "protocol/question.h"
#include "topic/announce.h"

#define MSG_ASKER_WINDOW 8u
/* Parts of the largest schema, at the smallest size. */
#define MSG_ASKER_PARTS_MAX 304u

struct msg_asker {
	struct msg_link *link; /* NULL: not open. */
	struct msg_region region;
	uint32_t receive_bytes;
	uint32_t stride;
	uint32_t head, tail; /* Of questions under way in the link. */
	uint32_t handle;
	struct msg_question question;
	uint32_t part;     /* Bytes of all parts but the last. */
	uint32_t bytes;    /* Of the schema; 0: not known yet. */
	uint32_t missing;  /* Parts. */
	uint32_t waiting;  /* Of these, asked for since the last time. */
	uint64_t again_ns; /* When to ask again, */
	uint64_t pause_ns; /* and how long after that. */
	uint8_t *data;
	uint8_t has[MSG_ASKER_PARTS_MAX];
};

/* Open a link and ask.  `said` names a type and where to ask.
 * 0; MEMORY, FABRIC, … with the trail, and nothing to close. */
int msg_asker_open(struct msg_asker *asker, struct msg_link_domain *domain,
	const struct msg_announcement *said);
/* Safe on what is all zero. */
void msg_asker_close(struct msg_asker *asker);

/* Take what was answered, and ask for more.  1: all is there; 0: not yet;
 * FABRIC, MEMORY. */
int msg_asker_turn(struct msg_asker *asker, uint64_t now);

#endif
