/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * subscription.h - a topic or pattern received through the broker of the host.
 *
 *     broker's ring of each topic ───┐
 *                                    ├─> inbox ─> views
 *     ring of each local publisher ──┘
 *
 * Rings come and go as the broker says, each with its pool and a ledger of our
 * own.  When the broker goes away, its rings are read to their end, and those
 * of local publishers read on; when it is back, we ask for the same again, and
 * each new ring takes its turn behind the old one of the same publisher.  A ring
 * is unmapped when it is drained and no view of it is out.
 *
 * Sleeping: on the bells of all rings and on the session's news, at once
 * (futex_waitv); or on a descriptor, for which publishers ring a doorbell.
 *
 * Neighbours: called by api/subscriber; calls engine/inbox and client.  Take,
 * arm, busy and wait are inside the gate of `attended`.
 * Test: tests/unit/topic/test_subscription.c.
 */
#ifndef MSG_TOPIC_SUBSCRIPTION_H
#define MSG_TOPIC_SUBSCRIPTION_H

#include "engine/inbox.h"
#include "engine/inbox_quick.h"
#include "topic/attendant.h"
#include "topic/client.h"
#include "topic/name.h"

#define MSG_SUBSCRIPTION_RINGS_MAX 256u
/* Of each session that a ring is left of, and of this one. */
#define MSG_SUBSCRIPTION_DOORBELLS_MAX (MSG_SUBSCRIPTION_RINGS_MAX + 1)
/* As many topics as a pattern follows without a broker. */
#define MSG_SUBSCRIPTION_TOPICS_MAX 1024u
/* Local publishers that went and are remembered, in case they come back. */
#define MSG_SUBSCRIPTION_GONE 64u

struct msg_subscription_options {
	const char *path; /* Of the broker's socket. */
	const char *pattern;
	uint32_t slow;     /* enum msg_slow, but DEFAULT. */
	uint32_t hold_max; /* Entries in hand, in all. */
	uint32_t message_bytes_max;
	uint32_t publisher_count_max;
	uint32_t spin_us; /* As in msg_subscriber_options. */
	bool events;
	uint64_t type_hash; /* Of the type expected; 0: any. */
	/* Or NULL: a publisher is of another; whether that is news. */
	bool (*typed)(void *context, const struct msg_control_typed *said);
	void *typed_context;
	/* As msg_control_subscribe. */
	uint32_t history_count;
	bool tagged;
	bool best_effort;
	uint32_t give_up_ms;
	uint32_t large_bytes_max;
};

/* What entries of rings point into.  All topics of a class of rights have one at the
 * broker, and it is mapped once: to map all its pages takes milliseconds. */
struct msg_source_pool {
	struct msg_shm_segment segment;
	uint64_t device, inode;
	uint32_t session;
	uint32_t origin; /* A local publisher's is not shared. */
	uint32_t users;  /* 0: this place is free. */
};

/* A ring we read, and what belongs to it. */
struct msg_source {
	struct msg_inbox_ring *ring; /* NULL: this place is free. */
	struct msg_shm_segment entries;
	struct msg_source_pool *pool;
	struct msg_shm_segment ledger;
	struct msg_shm_segment area; /* Of large messages, if any are to come. */
	uint32_t number;  /* The broker's name for it, in its session. */
	uint32_t session; /* Which of ours; another: an orphan. */
	uint32_t origin;  /* enum msg_control_origin */
	uint32_t publisher;
	uint32_t topic;
	bool ended;       /* Nothing more is written to it. */
	bool gone;        /* LOCAL: its publisher is, and it was said, … */
	bool followed;    /* … or that it is one that came back. */
	uint64_t key;     /* LOCAL: of topic and program. */
	uint64_t give_up; /* Of an orphan, coarse clock; 0: not yet said. */
};

/* What publishers ring; one that nobody holds any more tells them that its
 * reader is dead, so it is held as long as a ring of its session is read. */
struct msg_doorbell {
	int fd; /* -1: its last publisher is gone. */
	uint32_t session;
};

struct msg_subscription {
	struct msg_attended attended;
	struct msg_inbox inbox;
	struct msg_client client;
	uint32_t unlooked; /* Takes until one looks what the broker says. */
	bool armed;     /* Rings may have been told that we sleep; then the next
	                   take looks. */
	bool rung;      /* By subscription_ring. */
	bool evictable;
	bool evicted;
	uint32_t session;      /* Attachments so far. */
	uint32_t left_out;     /* Of the broker's count of that, what is in ours. */
	uint32_t source_count; /* Places that were ever used. */
	_Atomic uint32_t topic_count;
	uint32_t publisher_count_max;
	uint32_t spin_us;
	uint64_t spin_ns; /* What a wait spins at present. */
	int epoll_fd;
	int timer_fd; /* Looks for a broker that is away. */
	struct msg_doorbell *doorbells; /* MSG_SUBSCRIPTION_DOORBELLS_MAX */
	uint32_t doorbell_count;
	struct msg_control_subscribe said;
	bool (*typed)(void *context, const struct msg_control_typed *said);
	void *typed_context;
	uint64_t gone[MSG_SUBSCRIPTION_GONE]; /* Keys; 0: none. */
	uint32_t gone_next;
	bool eviction_told;
	msg_counter_t counters[MSG_COUNTER_COUNT];
	struct msg_source *sources; /* MSG_SUBSCRIPTION_RINGS_MAX, … */
	struct msg_source_pool *pools; /* … and no more of these. */
	char (*topics)[MSG_TOPIC_BYTES_MAX + 1]; /* By number. */
};

/* Returns 0; the broker's refusal, FABRIC, MEMORY, or what
 * msg_place_connect returns, with the reason on the trail. */
int msg_subscription_open(struct msg_subscription *subscription,
	const struct msg_subscription_options *options);
void msg_subscription_close(struct msg_subscription *subscription);

/* As the calls of msg.h of these names. */
int msg_subscription_take(struct msg_subscription *subscription,
	struct msg_view *views, int count);
int msg_subscription_arm(struct msg_subscription *subscription);
/* As msg_inbox_busy. */
bool msg_subscription_busy(struct msg_subscription *subscription);

/* Behind msg_subscription_take_quick that found nothing. */
int msg_subscription_take_none(
	struct msg_subscription *subscription, struct msg_view *views);

/* One message, and what is behind it, on the inbox's short way: how many; or
 * MSG_INBOX_DECLINED: take does it.  At 0 msg_subscription_take_none is due. */
MSG_INBOX_INLINE int msg_subscription_take_quick(
	struct msg_subscription *s, struct msg_view *views, int count)
{
	int n;

	if (!msg_gate_slip_in(&s->attended.gate) || s->evictable ||
		s->unlooked == 0 || msg_client_has_news(&s->client))
		return MSG_INBOX_DECLINED;
	n = msg_inbox_take_quick(&s->inbox, views, count);
	if (n < 0)
		return MSG_INBOX_DECLINED;
	s->unlooked--;
	if (n > 0)
		msg_gate_leave(&s->attended.gate);
	return n;
}

/* Sleep until messages wait, or `deadline` of msg_clock_ns; UINT64_MAX: none. */
int msg_subscription_wait(
	struct msg_subscription *subscription, uint64_t deadline);

/* The name of a topic number; "" for one that was never given. */
const char *msg_subscription_topic(
	const struct msg_subscription *subscription, uint32_t topic);

/* subscription.c to subscription_wait.c: a turn; whether there is something to
 * take, or to tell. */
void subscription_turn(struct msg_subscription *subscription);
bool subscription_is_ready(const struct msg_subscription *subscription);
/* Nothing more may be in hand: only a release helps. */
static inline bool subscription_is_starved(
	const struct msg_subscription *subscription)
{
	return subscription->inbox.free_count == 0;
}

/* subscription_map.c: what a ring was told with.  0, or an error with the trail;
 * unmapping is safe whatever it was. */
int subscription_map(struct msg_subscription *subscription,
	struct msg_source *source, const struct msg_control_ring *said,
	const int *fds);
void subscription_unmap(struct msg_source *source);

/* subscription_events.c: a source was added; its publisher is gone, with a goodbye
 * or without. */
void subscription_came(struct msg_subscription *subscription,
	struct msg_source *source, const char *program);
void subscription_went(struct msg_subscription *subscription,
	struct msg_source *source, bool left);

/* subscription_wait.c: descriptors. */
int subscription_open_descriptors(struct msg_subscription *subscription);
void subscription_close_descriptors(struct msg_subscription *subscription);
/* Watch the socket of a session that begins, and its doorbell, which is kept. */
int subscription_watch_socket(struct msg_subscription *subscription);
int subscription_watch_doorbell(struct msg_subscription *subscription, int fd);
/* That session is over, or a ring of it no longer read: the doorbell is let go
 * if nothing of it is left. */
void subscription_left(struct msg_subscription *subscription, uint32_t session);
/* Be woken to look for the broker, or no more. */
void subscription_set_timer(struct msg_subscription *subscription);
/* Whether the descriptor is readable; make it so, until it is armed again, by
 * what is there now and by what comes in any ring. */
bool subscription_is_rung(const struct msg_subscription *subscription);
void subscription_ring(struct msg_subscription *subscription);

#endif
