/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * roster.h - the publishers that announce themselves, for directories.
 *
 * It is read at once, sorted, or one after the other in the order of arrival,
 * by who cannot say all of it now: what comes and goes meanwhile makes nobody be
 * told twice.
 *
 * A fixed table: strangers cannot make it grow.  Full, it lets the entry go
 * that has been silent longest, if that is past its time; else the newcomer
 * is left out.  Rates come from the counts in two announcements and our own
 * clock between them.  Test: tests/unit/topic/test_roster.c.
 */
#ifndef MSG_TOPIC_ROSTER_H
#define MSG_TOPIC_ROSTER_H

#include <stdbool.h>
#include <stdint.h>

#include <msg/msg.h>

#include "topic/announce.h"

#define MSG_ROSTER_MAX 4096u
/* Periods of silence after which a publisher counts as gone. */
#define MSG_ROSTER_PERIODS 5u

struct msg_roster_entry {
	struct msg_announcement said;
	uint64_t heard_ns;
	uint64_t number; /* From 1 on, in the order of arrival. */
	double rate;
};

struct msg_roster {
	uint32_t count;
	uint32_t capacity;
	uint64_t number; /* Of the latest entry. */
	uint64_t room_ns; /* Nobody was to be gone before, by the last look. */
	struct msg_roster_entry *entries; /* In the order of arrival. */
	const struct msg_roster_entry **sorted; /* For msg_roster_read. */
};

int msg_roster_open(struct msg_roster *roster);
void msg_roster_close(struct msg_roster *roster);

/* Note an announcement; whether the list is another now. */
bool msg_roster_note(struct msg_roster *roster,
	const struct msg_announcement *said, uint64_t now);

/* Forget who is gone; sort the rest by topic and publisher; describe up to
 * `count`.  Returns how many there are. */
int msg_roster_read(struct msg_roster *roster, uint64_t now,
	struct msg_topic_info *infos, int count);

/* Describe the first that is there and came behind number `*after`, which
 * becomes its own; 0: from the beginning.  False: there is none. */
bool msg_roster_next(const struct msg_roster *roster, uint64_t now,
	uint64_t *after, struct msg_topic_info *info);

#endif
