/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover_story.h - a reliable stream by hand, and what it came to, in words.
 *
 * The reader is support/follower.c, which aborts when the books do not balance.
 * A story is what was delivered, with the losses before it, and asked() is what
 * is told the publisher at a moment:
 *
 *     "5 6 !2 9 4@10 "     5, 6, two lost, 9, the part of 4 that begins at 10
 *     "?3 ?5 | join"       3 and 5 are missing; and then a JOIN
 */
#ifndef TESTS_UNIT_PROTOCOL_RECOVER_STORY_H
#define TESTS_UNIT_PROTOCOL_RECOVER_STORY_H

#include "check_main.h"
#include "follower.h"

#define WINDOW 16u
#define REORDER 100u
#define GIVE_UP UINT64_C(1000000000)
#define HEARTBEAT UINT64_C(100000000)
#define RTT ((uint64_t)MSG_RECOVER_RTT_NS)

extern struct follower reader;
extern char story[4096];
extern struct msg_report last_report;

/* Begin anew; the first is a fixture. */
void story_begin(void);
void story_begin_with(struct msg_recover_options options);
struct msg_recover_options story_options(void);

/* Frame n is message n, unless said otherwise. */
enum msg_recover_verdict frame(
	uint32_t n, uint64_t sequence, uint32_t count, uint64_t now);
enum msg_recover_verdict one(uint32_t n, uint64_t now);
enum msg_recover_verdict repair(uint32_t n, uint32_t serial, uint64_t now);
enum msg_recover_verdict send_repair_of(
	uint32_t n, uint64_t sequence, uint32_t serial, uint64_t now);
/* A part of a message of three parts of 10 bytes. */
enum msg_recover_verdict part(
	uint32_t n, uint64_t sequence, uint32_t offset, uint64_t now);

/* A probe: message n in frame n, and everything can be had. */
struct msg_probe probe_of(uint32_t next);
bool probe(uint32_t next, uint64_t now);

static inline void keep_from(struct msg_probe *probe, uint32_t first)
{
	probe->first = first;
	probe->first_sequence = first;
}

bool probe_with(struct msg_probe probe, uint64_t now);

void tick(uint64_t now);

/* All that is told at this moment. */
const char *asked(uint64_t now);

#define EXPECT(text) ck_assert_str_eq(story, text)
#define EXPECT_ASKED(text, now) ck_assert_str_eq(asked(now), text)
#define EXPECT_LOST(n) ck_assert_uint_eq(reader.recover.lost_total, n)
#define EXPECT_COUNT(what, n) ck_assert_uint_eq(reader.recover.counts.what, n)
#define EXPECT_DEADLINE(t)                                                     \
	ck_assert_uint_eq(msg_recover_deadline(&reader.recover), t)

#endif
