/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.h - the session page: "there is news on your socket".
 *
 *     byte 0   magic   "msg-sess", so that a wrong segment is noticed
 *          8   version
 *         12   broker's process id
 *         16   epoch   of the broker: another one after a restart
 *         64   news    steps by one after each message that wants attention
 *         68   left_out  rings that a subscriber could not be given, counted
 *                      each time one was to be had
 *
 * One page per connection; the broker writes, the client reads, through a
 * segment sealed READ_ONLY.  A client that spins looks at the one cache line of
 * `news`, one that sleeps waits on it as a futex (FUTEX_WAIT works on a
 * read-only map; not FUTEX_PRIVATE_FLAG: it is shared).  News is a hint: the
 * socket holds the truth, and a change seen before the message it is about
 * cannot happen, for the broker sends first.  What is left out is counted and not
 * said: somebody else decides how often.
 *
 * Test: tests/unit/link/shm/test_session.c.
 */
#ifndef MSG_LINK_SHM_SESSION_H
#define MSG_LINK_SHM_SESSION_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MSG_SESSION_BYTES 4096u
#define MSG_SESSION_MAGIC 0x737365732d67736dull /* "msg-sess" */
#define MSG_SESSION_VERSION 1u

struct msg_session {
	uint64_t magic;
	uint32_t version;
	uint32_t pid;
	uint64_t epoch;
	alignas(64) _Atomic uint32_t news;
	_Atomic uint32_t left_out; /* 0 of a broker that does not know it. */
	uint8_t reserved[MSG_SESSION_BYTES - 72];
};

_Static_assert(sizeof(struct msg_session) == MSG_SESSION_BYTES &&
		offsetof(struct msg_session, reserved) == 72,
	"the session page is one page");

/* Broker: fill a zeroed page, before anybody else has it. */
static inline void msg_session_start(
	struct msg_session *session, uint64_t epoch, uint32_t pid)
{
	session->magic = MSG_SESSION_MAGIC;
	session->version = MSG_SESSION_VERSION;
	session->pid = pid;
	session->epoch = epoch;
}

/* Client: whether this is the session page of the broker that said `epoch` in
 * its Welcome. */
static inline bool msg_session_is_good(
	const struct msg_session *session, uint64_t epoch)
{
	return session->magic == MSG_SESSION_MAGIC &&
	       session->version == MSG_SESSION_VERSION &&
	       session->epoch == epoch;
}

/* Broker, one thread: a message was sent.  Release: pairs with the acquire of
 * msg_session_news, whose caller then finds the message on its socket, and
 * whatever was written to shared memory before it.  Waking a sleeper and the
 * fence that some callers need are theirs. */
static inline void msg_session_step(struct msg_session *session)
{
	uint32_t news =
		atomic_load_explicit(&session->news, memory_order_relaxed);

	atomic_store_explicit(&session->news, news + 1, memory_order_release);
}

/* Client: compare with the value read before the socket was last found empty.
 * Acquire: pairs with the release of msg_session_step. */
static inline uint32_t msg_session_news(const struct msg_session *session)
{
	return atomic_load_explicit(&session->news, memory_order_acquire);
}

/* Broker, one thread.  Relaxed, as the load of msg_session_left_out: it is a number
 * that goes up, and leads to nothing else. */
static inline void msg_session_leave_out(struct msg_session *session)
{
	uint32_t left_out =
		atomic_load_explicit(&session->left_out, memory_order_relaxed);

	atomic_store_explicit(
		&session->left_out, left_out + 1, memory_order_relaxed);
}

static inline uint32_t msg_session_left_out(const struct msg_session *session)
{
	return atomic_load_explicit(&session->left_out, memory_order_relaxed);
}

#endif
