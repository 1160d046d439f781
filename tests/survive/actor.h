/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * actor.h - the processes of a test: publishers, subscribers, and others.
 *
 * Each is a fork of the test with a page shared with it, where it says how far
 * it is and what went wrong, and is told what to do.  One that fails ends with
 * a sentence there; actors_check, which AWAIT calls all the time, fails the test
 * with it.  One that does not do its part in time fails the test by the AWAIT
 * that waits for it.
 *
 * The oracle: a message carries publisher, sequence and a checksum of all its
 * bytes.  Of each publisher a subscriber keeps a book, from the message it
 * joined at: delivered and lost_before together must be every sequence, in
 * order, none twice.  book_is_level says that it has heard of all there is.
 */
#ifndef TESTS_SURVIVE_ACTOR_H
#define TESTS_SURVIVE_ACTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "host.h"

#include "check_main.h"

#define ACTOR_BOOKS 1100
/* Buckets of a latency: 16 to each doubling, up to 2^40 ns. */
#define ACTOR_BUCKETS (40 * 16)
#define ACTOR_WINDOWS 3 /* 0 is not evaluated. */

enum actor_mode {
	ACTOR_NORMAL,
	ACTOR_CRAWL, /* Takes one message a second. */
	ACTOR_KEEP,  /* Takes, and gives nothing back. */
	ACTOR_IDLE,  /* Takes nothing, publishes nothing. */
	ACTOR_ASLEEP, /* Makes no calls at all. */
};

/* What a subscriber knows of a publisher. */
struct book {
	_Atomic uint64_t publisher;
	_Atomic uint64_t first; /* The sequence it joined at. */
	_Atomic uint64_t next;
	_Atomic uint64_t delivered;
	_Atomic uint64_t lost;
};

struct actor {
	pid_t pid; /* 0: this place is free. */
	char name[32];
	/* To it. */
	_Atomic bool stop;
	_Atomic uint32_t mode;
	_Atomic uint32_t window; /* Which histogram latencies go to. */
	/* From it. */
	_Atomic bool ready;
	_Atomic bool evicted;
	_Atomic uint64_t publisher; /* Its id. */
	_Atomic uint64_t published; /* Messages; the next sequence. */
	_Atomic uint64_t refused;   /* Loans that said AGAIN. */
	_Atomic uint64_t reattached;
	_Atomic uint64_t in_hand;   /* Views or loans kept at present. */
	_Atomic uint64_t kept;      /* Looked at again, and unchanged. */
	_Atomic uint64_t turns;     /* It lives. */
	_Atomic uint32_t book_count;
	struct book books[ACTOR_BOOKS];
	_Atomic uint32_t latency[ACTOR_WINDOWS][ACTOR_BUCKETS];
	char failure[256];
};

/* Room for the actors of a test; forgets those before. */
void actors_open(void);
/* Fail the test if one of them failed. */
void actors_check(void);

/* Start one that does `role`, which returns for a good end; `context` is copied
 * by the fork. */
struct actor *actor_start(const char *name,
	void (*role)(struct actor *me, const void *context),
	const void *context);

/* In the actor: end with this sentence. */
void actor_fail(struct actor *me, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));
/* The same if `result`, of a call of msg.h, is negative. */
void actor_must(struct actor *me, int result, const char *what);

/* Ask it to stop, and wait until it has. */
void actor_stop(struct actor *actor);
/* SIGKILL, and reap. */
void actor_kill(struct actor *actor);

/* Poll until `condition`, or fail the test after `seconds`, as many times as long as
 * the machine is slow just then. */
#define AWAIT(seconds, condition)                                              \
	do {                                                                   \
		uint64_t await_begin = now_ns();                               \
		uint64_t await_limit = await_begin + (seconds) * 1000000000ull;\
                                                                               \
		while (!(condition)) {                                         \
			actors_check();                                        \
			if (now_ns() > await_limit &&                          \
				now_ns() - await_begin >                       \
					(uint64_t)((seconds) * 1e9 *           \
						   check_slowness()))          \
				ck_abort_msg("waited %d s in vain for: %s",    \
					(int)(seconds), #condition);           \
			sleep_us(200);                                         \
		}                                                              \
	} while (0)

/* ---- publisher ------------------------------------------------------------ */

struct publisher_plan {
	const struct host *host;
	const char *topic;
	uint32_t bytes_min, bytes_max; /* 40 or more. */
	uint32_t message_bytes_max;    /* 0: bytes_max. */
	uint32_t loan_count;           /* 0: the library's. */
	uint32_t burst;                /* Queued together; 1 or more. */
	uint32_t pause_us;             /* From burst to burst; 0: none. */
	uint64_t count;                /* 0: until stopped. */
	uint32_t keep_ms;              /* Hold two loans that long, again and
	                                  again. */
	uint64_t seed;
};
struct actor *publisher_start(const struct publisher_plan *plan);

/* ---- subscriber ------------------------------------------------------------ */

struct subscriber_plan {
	const struct host *host;
	const char *topic;
	uint32_t slow;       /* enum msg_slow */
	uint32_t keep;       /* Views kept for a while, at random; up to 64. */
	uint32_t buffers;    /* 0: the library's. */
	uint32_t bytes_max;  /* 0: the library's. */
	bool descriptor;     /* Arm and poll, not msg_subscriber_wait. */
	bool may_be_refused; /* An open that fails ends it, and is no failure. */
	uint64_t seed;
};
struct actor *subscriber_start(const struct subscriber_plan *plan);

/* Its book of a publisher; NULL: it never heard of it. */
struct book *subscriber_book(struct actor *subscriber, uint64_t publisher);
/* It has heard of every message of `publisher`. */
bool book_is_level(struct actor *subscriber, struct actor *publisher);
/* In all books. */
uint64_t subscriber_delivered(struct actor *subscriber);
uint64_t subscriber_lost(struct actor *subscriber);
/* The latency below which `share` (0 to 1) of a window's messages stay; ns. */
double latency_quantile(
	struct actor *const *actors, int count, uint32_t window, double share);

/* ---- messages -------------------------------------------------------------- */

#define MESSAGE_BYTES_MIN 40u

/* Fill a message; `bytes` is MESSAGE_BYTES_MIN or more. */
void message_fill(void *data, size_t bytes, uint64_t publisher,
	uint64_t sequence, uint64_t sent_ns);
/* Whether it is that very message, whole. */
bool message_is(const void *data, size_t bytes, uint64_t publisher,
	uint64_t sequence);
uint64_t message_sent_ns(const void *data);

#endif
