/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * answer.h - a node's publishers, asked for their schemas, answer.
 *
 * One link for all of them, opened with the first that names a type; its address
 * is in their announcements.  A question names the publisher and a place in the
 * schema; the answer is a part of it, never longer than the question.  Answers
 * have a rate: what goes beyond it is not answered, and is asked again.
 *
 * Whoever announces turns it, under that lock: the progress thread, which sleeps
 * on its descriptor; else calls on publishers, now and then.
 *
 * Neighbours: called by announcer; calls protocol/ and a link.
 * Test: tests/unit/topic/test_asker.c.
 */
#ifndef MSG_TOPIC_ANSWER_H
#define MSG_TOPIC_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "link/link.h"
#include "pool/region.h"
#include "protocol/question.h"

#define MSG_ANSWER_RECEIVES 32u
#define MSG_ANSWER_SENDS 32u
#define MSG_ANSWER_PEERS 8u /* Addresses remembered. */
/* Answers a second: 64 KiB in all of the largest schema are 65 of them. */
#define MSG_ANSWER_RATE 2000u
#define MSG_ANSWER_BURST 128u

/* The schema of `hash` that `publisher` has; false: not ours. */
typedef bool msg_answer_find_fn(void *context, uint32_t publisher,
	uint64_t hash, const uint8_t **schema, uint32_t *bytes);

struct msg_answerer {
	struct msg_link *link; /* NULL: nobody names a type. */
	struct msg_region region; /* Buffers, then answers under way. */
	uint32_t receive_bytes;
	uint32_t stride;
	uint32_t head, tail; /* Of answers under way. */
	uint32_t peer_next;
	struct {
		struct msg_reach reach; /* No bytes: free. */
		uint32_t handle;
	} peers[MSG_ANSWER_PEERS];
	uint32_t credits;
	uint64_t credit_ns;
	struct msg_reach reach; /* Ours. */
	msg_answer_find_fn *find;
	void *context;
};

/* Open the link, unless it is.  0, or MEMORY, FABRIC, … with the trail. */
int msg_answerer_open(struct msg_answerer *answerer,
	struct msg_link_domain *domain, msg_answer_find_fn *find,
	void *context);
/* Safe on what is all zero. */
void msg_answerer_close(struct msg_answerer *answerer);

/* Answer what was asked. */
void msg_answerer_turn(struct msg_answerer *answerer, uint64_t now);

#endif
