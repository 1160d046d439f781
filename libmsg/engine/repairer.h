/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repairer.h - a reliable publisher's side link: reports in, repairs and probes
 * out.
 *
 *     side link ─ REPORT ─> msg_repair ─> frame n again ─> to its sender, or all
 *                       └─> msg_flow  ─> limit: frames below may be sent
 *     time ──────────────> msg_repair ─> PROBE, or the last frame again ─> all
 *
 * What the frames are made of is the source's: a transmitter's history, or a
 * relay's.  A repair is the source's payload behind a header of our own.
 *
 * Who turns it: the source's own calls, now and then (look_ns says when), and
 * for idle publishers the node's progress thread or msg_node_progress.  The gate
 * keeps them apart: whoever sends enters it for each frame, uncontended, and
 * others only try.  What it guards: all of this struct, and what the source's
 * calls look at.  It is not base/gate.h's: there a try runs a fence on all
 * processors, some times a second, and here it comes behind each repair.
 *
 * Hostile input.  Reports are checked (protocol/report.h) and believed as far as
 * msg_repair and msg_flow do.  Receivers' addresses are kept in a table of fixed
 * size, 4 places for each name's hash, the longest silent gives way.  An address
 * that the link does not take is answered by multicast, which the token bucket
 * of msg_repair bounds as it does the rest.
 *
 * Connected topics.  Over a session (link/session.h) in place of a side link the
 * same goes by connections, and "all" are those that are attached: who asks is
 * checked, welcomed, told where he begins, and counts for flow control from then
 * on (repairer_calls.c).  A report counts only for the name that its connection
 * greeted with.
 *
 * In files: repairer.c (in, and turns), repairer_send.c (out), repairer_peers.c
 * (who reported), repairer_calls.c (who is connected), repairer_linger.c (the end).
 * Neighbours: called by transmit.c, topic/announcer and the broker's relay;
 * calls protocol/ and a link.  Test: tests/unit/engine/test_repairer.c.
 */
#ifndef MSG_ENGINE_REPAIRER_H
#define MSG_ENGINE_REPAIRER_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <msg/stats.h>

#include "base/counter.h"
#include "engine/show.h"
#include "link/session.h"
#include "pool/region.h"
#include "protocol/flow.h"
#include "protocol/fragment.h"
#include "protocol/repair.h"

#define MSG_REPAIRER_PEERS 1024u  /* Addresses remembered. */
#define MSG_REPAIRER_PLACES 256u  /* Sends under way. */
#define MSG_REPAIRER_HEADER 128u  /* Bytes of each one's first piece. */
#define MSG_REPAIRER_BUFFERS 256u /* For reports. */
#define MSG_REPAIRER_FRONT 72u    /* Of a fragment its header, or all of a small
                                     message, or of a LARGE frame. */

/* A frame to be sent again: what stands behind its header. */
struct msg_repairer_frame {
	uint64_t sequence;
	uint8_t type;        /* enum msg_frame_type */
	uint8_t front_bytes; /* Copied: */
	uint8_t front[MSG_REPAIRER_FRONT];
	uint32_t iov_count;
	struct iovec iov[MSG_LINK_IOV_MAX - 1]; /* In the link's memory. */
};

struct msg_repairer_source {
	/* False: it is no more. */
	bool (*frame)(void *context, uint64_t number,
		struct msg_repairer_frame *frame);
	/* Of the first message in a frame that is there, or of the one after the
	 * last: messages sent. */
	uint64_t (*sequence)(void *context, uint64_t number);
	/* Where to begin for `messages`, as repair.h says. */
	uint64_t (*back)(void *context, uint64_t messages);
	void *context;
};

struct msg_repairer_options {
	struct msg_repairer_source source;
	uint64_t incarnation;
	uint32_t tag;
	uint32_t publisher;
	uint32_t frame_bytes;   /* The lane's, … */
	uint32_t receive_bytes; /* … and of its receive buffers. */
	uint32_t history;       /* Frames at most, a power of two. */
	/* Where numbers go on for receivers that know the stream: frames and
	 * repairs of before have smaller ones. */
	uint64_t first_frame;
	uint32_t first_serial;
	uint32_t heartbeat_ms;  /* 10 to 60000 */
	uint64_t rtt_ns;        /* To begin with. */
	enum msg_flow_policy flow;
	uint32_t flow_count;
	uint64_t give_up_ns;
	msg_counter_t *counters; /* MSG_COUNTER_COUNT, of the publisher. */
	void *memory; /* Or NULL: its own.  For buffers and headers,
	                 msg_repairer_bytes of it. */
};

/* Somebody who reported. */
struct msg_repairer_peer {
	uint64_t receiver;
	uint64_t position; /* Frames below it needs no more. */
	uint64_t heard_ns;
	uint64_t moved_ns; /* When that grew last, or … */
	uint32_t pages;    /* … what it has read of the frame there. */
	uint32_t handle;   /* The link's. */
	bool used;
	struct msg_reach reach;
};

struct msg_repairer {
	_Atomic uint32_t gate; /* 1: somebody is inside. */
	/* Set by a thread that sleeps long: whoever sends wakes it, once. */
	_Atomic uint32_t asleep;
	_Atomic uint64_t limit; /* Of flow, for who is outside. */
	_Atomic uint64_t look_ns; /* When the source should turn it again. */
	int wake_fd;      /* An eventfd, or -1. */
	bool threaded;    /* A thread turns it: the source need not. */
	bool held;        /* Frames wait for a flush: nobody is to ask yet. */
	/* The last frame is counted and not sent yet: who has heard nothing so
	 * far would begin behind it.  Set inside, by the source; its partner is
	 * due of a thread that turns the repairer meanwhile. */
	_Atomic bool posting;
	uint64_t again_ns; /* That thread's next look, then. */
	bool waiting;     /* Frame repair.next waits for receivers. */
	uint64_t forget_to; /* Memory of frames below is short, and somebody
	                       lacks them: he is waited for; 0: not so. */
	bool closing;
	uint64_t flow_ns; /* When msg_flow_expire has work. */
	uint64_t ask_ns;  /* Not asked for what is short before. */
	uint64_t rest_ns; /* When the rest of an answer is tried again, … */
	uint32_t rest_handle; /* … and to whom it goes; UINT64_MAX: none is left. */
	uint64_t reading_ns; /* When somebody said that he reads. */
	struct msg_show *show; /* Large messages, or NULL. */
	struct msg_repair repair;
	struct msg_flow flow;
	struct msg_repairer_options options;
	struct msg_link *link;
	struct msg_session *session; /* Whose side `link` is, or NULL. */
	uint32_t group;   /* The topic's, on the side link. */
	uint32_t no_tail; /* All bits set: no frame is sent again unasked. */
	struct msg_reach reach; /* Ours. */
	struct msg_region region; /* Buffers, then headers. */
	uint32_t buffer_stride;
	uint32_t posted;
	uint32_t sent_head, sent_tail; /* Places of headers under way. */
	bool unflushed;
	uint64_t flying[MSG_REPAIRER_PLACES]; /* Frame, or UINT64_MAX. */
	struct msg_repairer_peer *peers;
	struct msg_flow_receiver *receivers;
	struct msg_repair_record *records;
	/* What of their counts is in the counters. */
	struct msg_repair_counts told;
	uint64_t told_cut, told_refused, told_unbelieved;
	struct msg_session_counts told_session;
};

size_t msg_repairer_bytes(uint32_t receive_bytes);

/* 0, or -MSG_ERROR_MEMORY with the reason on the trail. */
int msg_repairer_open(struct msg_repairer *repairer,
	const struct msg_repairer_options *options);
void msg_repairer_close(struct msg_repairer *repairer);

/* What the side link is to be opened with, but for `memory`: that is what the
 * source's frames stand in. */
void msg_repairer_link_options(
	const struct msg_repairer *repairer, struct msg_link_options *options);
/* `group`: the topic's, joined to send.  0, or FABRIC with the trail. */
int msg_repairer_start(struct msg_repairer *repairer, struct msg_link *link,
	uint32_t group);

/* The same for a connected topic.  What its session is to be opened with, but for
 * `memory` and what the stream needs; and its use. */
void msg_repairer_session_options(const struct msg_repairer *repairer,
	struct msg_session_options *options);
int msg_repairer_start_session(
	struct msg_repairer *repairer, struct msg_session *session);

/* ---- the gate ---------------------------------------------------------- */

static inline bool msg_repairer_try(struct msg_repairer *repairer)
{
	return atomic_exchange_explicit(
		       &repairer->gate, 1, memory_order_acquire) == 0;
}

/* Whoever is inside makes some system calls of a lane, and comes out. */
static inline void msg_repairer_enter(struct msg_repairer *repairer)
{
	while (!msg_repairer_try(repairer))
		sched_yield();
}

static inline void msg_repairer_leave(struct msg_repairer *repairer)
{
	atomic_store_explicit(&repairer->gate, 0, memory_order_release);
}

/* ---- inside ------------------------------------------------------------ */

/* Frame repair.next, `bytes` of it in all, is about to be posted. */
static inline void msg_repairer_sent(struct msg_repairer *r, uint32_t bytes)
{
	msg_repair_sent(&r->repair, bytes | r->no_tail);
}

/* Frames below `first` are no more.  Not while msg_repairer_flies(it). */
static inline void msg_repairer_forget(struct msg_repairer *r, uint64_t first)
{
	msg_repair_forget(&r->repair, first);
}

/* The same where repairs are under way at all. */
bool msg_repairer_flies_here(struct msg_repairer *repairer, uint64_t frame);
/* Whether a repair of the frame is under way: its memory is still read. */
static inline bool msg_repairer_flies(struct msg_repairer *r, uint64_t frame)
{
	return r->sent_head != r->sent_tail &&
	       msg_repairer_flies_here(r, frame);
}

/* Frames from here on may still be asked for by somebody who is waited for;
 * UINT64_MAX: nobody is. */
uint64_t msg_repairer_needed(const struct msg_repairer *repairer);

/* Whether somebody who reported lately may want the LARGE message of `frame`: he
 * stands at it or before it, and has moved on since give_up_ns ago, or `since` is
 * no longer ago. */
bool msg_repairer_wants(const struct msg_repairer *repairer, uint64_t frame,
	uint64_t since, uint64_t now);

/* Whether somebody reads a large message, and gets on. */
bool msg_repairer_is_read(const struct msg_repairer *repairer, uint64_t now);

/* Before a sleep on the descriptors of its link and its connections.  0: safe. */
int msg_repairer_arm(struct msg_repairer *repairer);

/* One turn; how many events, or FABRIC. */
int msg_repairer_turn(struct msg_repairer *repairer, uint64_t now);

/* When it has work though nothing arrives; UINT64_MAX: never. */
uint64_t msg_repairer_deadline(const struct msg_repairer *repairer);

/* ---- outside ----------------------------------------------------------- */

/* Whether frame `frame` may be sent, as far as receivers have said. */
static inline bool msg_repairer_may(
	const struct msg_repairer *repairer, uint64_t frame)
{
	return frame < atomic_load_explicit(
			       &repairer->limit, memory_order_relaxed);
}

/* A thread that sleeps for long did not expect a frame. */
void msg_repairer_wake_slowly(struct msg_repairer *repairer);
static inline void msg_repairer_wake(struct msg_repairer *repairer)
{
	if (atomic_load_explicit(&repairer->asleep, memory_order_relaxed))
		msg_repairer_wake_slowly(repairer);
}

/* Whether it is all by connections, and nobody reads what this process must serve. */
static inline bool msg_repairer_is_calm(const struct msg_repairer *repairer)
{
	return repairer->session &&
	       (!repairer->show || repairer->show->bytes_max == 0);
}

/* Whether the source should turn it again. */
static inline bool msg_repairer_is_due(
	const struct msg_repairer *repairer, uint64_t now)
{
	return !repairer->threaded &&
	       now >= atomic_load_explicit(
			      &repairer->look_ns, memory_order_relaxed);
}

/* What is kept is short, and receivers may need less of it than they have said:
 * ask all of them, once in a while.  Inside the gate. */
void msg_repairer_ask(struct msg_repairer *repairer, uint64_t now);

/* One turn if nobody else is inside; how many events. */
int msg_repairer_progress(struct msg_repairer *repairer, uint64_t now);

/* Whether somebody who reported lately lacks something. */
bool msg_repairer_is_awaited(
	const struct msg_repairer *repairer, uint64_t now);

/* Nothing follows: tell, and wait until all who report have all, `limit_ns` at
 * most. */
void msg_repairer_linger(struct msg_repairer *repairer, uint64_t limit_ns);

#endif
