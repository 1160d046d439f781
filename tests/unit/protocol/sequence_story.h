/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sequence_story.h - frames by hand, and what they came to, in words.
 *
 * The reader is support/receiver.c, which aborts when the books do not balance.
 * A story is what was delivered, with the losses before it:
 *
 *     "5 6 !2 9 4@10 "     5, 6, two lost, 9, the part of 4 that begins at 10
 */
#ifndef TESTS_UNIT_PROTOCOL_SEQUENCE_STORY_H
#define TESTS_UNIT_PROTOCOL_SEQUENCE_STORY_H

#include "protocol/sequence.h"

#include "check_main.h"
#include "receiver.h"

#define ALLOWANCE 100u

extern struct receiver receiver;
extern char story[4096];

/* Begin anew; a fixture. */
void story_begin(void);
/* What receiver_start needs for another allowance. */
void story_tell(void *context, const struct msg_span *span, uint64_t lost);

static inline void raw(struct msg_span span, uint64_t now)
{
	receiver_frame(&receiver, &span, now);
}

static inline void several(uint64_t sequence, uint32_t count, uint64_t now)
{
	raw(msg_span_messages(sequence, count), now);
}

static inline void one(uint64_t sequence, uint64_t now)
{
	several(sequence, 1, now);
}

/* A part of a message of three parts of 10 bytes. */
static inline void part(uint64_t sequence, uint32_t offset, uint64_t now)
{
	const struct msg_fragment fragment = {30, offset, 10};

	raw(msg_span_fragment(sequence, &fragment), now);
}

static inline void told(uint64_t next, uint64_t now)
{
	receiver_told(&receiver, next, now);
}

static inline void tick(uint64_t now)
{
	receiver_tick(&receiver, now);
}

#define EXPECT(text) ck_assert_str_eq(story, text)
#define EXPECT_LOST(n) ck_assert_uint_eq(receiver.sequence.lost_total, n)
#define EXPECT_LATE(n) ck_assert_uint_eq(receiver.sequence.late_total, n)
#define EXPECT_DEADLINE(t)                                                     \
	ck_assert_uint_eq(msg_sequence_deadline(&receiver.sequence), t)

#endif
