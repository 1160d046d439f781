/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * announcer.h - a node says, every now and then, what it publishes.
 *
 * One announcement a publisher and period (its own), on the topic's own group (loss
 * evidence for who listens there) and on the directory's (for patterns and
 * lists).  It has a link of its own, so the data path shares nothing with it
 * but one atomic deadline; a lock guards the rest, which only set-up calls and
 * the turn itself take.
 *
 * Who turns it: the node's progress thread when asked for; else the calls on
 * publishers, when the deadline has passed; or msg_node_progress.
 *
 * The thread serves the receivers of reliable publishers as well, and so does
 * msg_node_progress: it sleeps on their side links and, while they send, no
 * longer than a millisecond, for what is due behind the last frame of a burst.
 * Who sends after a pause wakes it, once.
 *
 * And whoever turns it answers who asks for the schema of a type (answer.h).
 * Test: tests/conformance (announced, goodbye, late joiner).
 */
#ifndef MSG_TOPIC_ANNOUNCER_H
#define MSG_TOPIC_ANNOUNCER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/counter.h"
#include "engine/repairer.h"
#include "link/link.h"
#include "pool/region.h"
#include "topic/announce.h"
#include "topic/answer.h"
#include "topic/groups.h"

/* One publisher, as announced. */
struct msg_announce_source {
	struct msg_announce_source *next;
	struct msg_announcement text; /* Fixed but for next_sequence. */
	const msg_counter_t *sent;
	uint32_t group; /* Index in the range. */
	struct msg_repairer *repairer; /* Of a reliable topic, or NULL. */
	uint64_t served; /* Frames it had sent when the thread looked last. */
	uint64_t next_ns; /* When it is announced next. */
	const uint8_t *schema; /* Of text.type; NULL: it has none. */
	uint32_t schema_bytes;
};

/* As often as makes up for one that is lost where the last messages were. */
#define MSG_ANNOUNCER_GOODBYES 3

struct msg_announcer {
	struct msg_link *link; /* Opened with the first source. */
	const struct msg_groups *groups;
	struct msg_region region;
	uint32_t *handles; /* Of groups joined to send, + 1; 0: not yet. */
	uint32_t transmission;
	uint32_t token;
	uint64_t answer_ns; /* Without a thread: how often the calls look for
	                       questions; 0: somebody else does. */
	struct msg_answerer answerer;
	struct msg_announce_source *sources;
	pthread_mutex_t lock;
	int wake_fd;      /* An eventfd, of the thread. */
	pthread_t thread;
	bool threaded;
	bool stop;
	_Atomic uint64_t due; /* Coarse clock; UINT64_MAX: nobody to announce,
	                         or the thread does it. */
};

int msg_announcer_open(struct msg_announcer *announcer,
	const struct msg_groups *groups, bool threaded);
void msg_announcer_close(struct msg_announcer *announcer);

/* Announce `source` now and from now on. */
int msg_announcer_add(struct msg_announcer *announcer,
	struct msg_link_domain *domain, struct msg_announce_source *source);
/* Say goodbye for it, `goodbyes` times, with some ms between them. */
void msg_announcer_remove(struct msg_announcer *announcer,
	struct msg_announce_source *source, int goodbyes);

/* Serve the receivers of reliable publishers, unless somebody does. */
void msg_announcer_serve(struct msg_announcer *announcer);

/* Announce what is due, and answer. */
void msg_announcer_turn(struct msg_announcer *announcer);

/* The steady path's share: one load, and a clock read that is no system call.
 * Relaxed: the deadline guards nothing but itself. */
static inline void msg_announcer_tick(struct msg_announcer *announcer)
{
	uint64_t due =
		atomic_load_explicit(&announcer->due, memory_order_relaxed);

	if (due != UINT64_MAX && msg_clock_coarse_ns() >= due)
		msg_announcer_turn(announcer);
}

#endif
