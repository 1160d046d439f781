/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repair_story.h - what a publisher does, as a line of text.
 *
 *     u3#1  frame 3 again to who asked, serial 1     m3#1  to all
 *     a     a probe to who asked                     p     to all
 *
 * A probe's flags stand behind it: A ask, J join, C crowd.
 */
#ifndef TESTS_UNIT_PROTOCOL_REPAIR_STORY_H
#define TESTS_UNIT_PROTOCOL_REPAIR_STORY_H

#include "base/clock.h"
#include "check_main.h"
#include "protocol/repair.h"
#include "random.h"

#define HISTORY 64u
#define HEARTBEAT (100 * MSG_NS_PER_MS)
#define RTT (20 * MSG_NS_PER_US)

enum {
	A = 0xa,
	B = 0xb,
	C = 0xc,
	D = 0xd
};

extern struct msg_repair repair;
extern struct msg_repair_record records[HISTORY];
extern char story[65536];
extern uint64_t story_now;

/* The story since the last EXPECT. */
#define EXPECT(text)                                                           \
	do {                                                                   \
		ck_assert_str_eq(story, text);                                 \
		story[0] = '\0';                                               \
	} while (0)

/* A publisher whose first frame is `first`, without a limit on repairs; and
 * with one. */
void begin(uint64_t first);
void begin_paced(uint64_t first, uint64_t rate, uint32_t burst);
void begin_with(const struct msg_repair_options *options);

/* `count` frames of 100 bytes. */
void sent(uint32_t count);

/* A report: what is missing as numbers, those from -9 up counted from 2^32 on
 * if the stream has come that far. */
struct msg_report report_of(uint64_t receiver, uint64_t heard, uint32_t serial,
	const char *missing);

/* It comes, is believed, and all it brings about is told. */
void told(const struct msg_report *report);
void ask(uint64_t receiver, uint64_t heard, uint32_t serial,
	const char *missing);

/* What msg_repair_next still has. */
void drain(void);

/* What is due by `now`, once. */
void due(uint64_t now);

void add_storm_tests(Suite *suite);
void add_probe_tests(Suite *suite);
void add_oracle_tests(Suite *suite);

#endif
