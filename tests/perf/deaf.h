/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * deaf.h - one publisher, two subscribers behind a broker, one of them deaf.
 *
 *     publisher ── multicast on loopback ──> broker ─┬─> the healthy one
 *      (direct)                                      └─> the other: absent,
 *                                                        stopped or killed
 *
 * Where one process receives for a whole host, a subscriber that has stopped
 * reading must cost its neighbours nothing.  Each scenario is a run of its own:
 *
 *   alone    the healthy one by itself: what the others are compared with
 *   stopped  SIGSTOP for as long as the deafness lasts, then SIGCONT
 *   killed   SIGKILL, and another one started when the deafness is over
 *
 * Every message carries its number and when it was sent; each subscriber keeps
 * a book of what came, when, and what it was told it lost (deaf_side.c).  The
 * books must add up exactly: that is judged always.  Times are judged by ratio
 * (deaf.c), and drawn (deaf.sh).  Test: perf.smoke.
 */
#ifndef PERF_DEAF_H
#define PERF_DEAF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "now.h"

#define DEAF_ARRIVALS_MAX (1u << 19)

enum deaf_scenario {
	DEAF_ALONE,
	DEAF_STOPPED,
	DEAF_KILLED,
	DEAF_SCENARIOS,
};

struct deaf_plan {
	const char *broker; /* Name or socket. */
	uint32_t bytes;     /* Of a message. */
	uint32_t rate;      /* Messages a second. */
	uint32_t lead_ms;   /* Both are healthy. */
	uint32_t deaf_ms;   /* One is not. */
	uint32_t tail_ms;   /* It is again. */
	bool fifo;          /* Real-time priority, beside others' builds. */
};

struct deaf_arrival {
	uint64_t at_ns; /* CLOCK_MONOTONIC. */
	uint64_t late_ns;
};

/* A subscriber's book; it alone writes it. */
struct deaf_book {
	_Atomic bool ready;
	_Atomic uint64_t delivered;
	_Atomic uint64_t lost; /* As the views said. */
	uint64_t first;        /* Number of the first message it answers for. */
	uint64_t wrong; /* Messages out of order, or not what was sent. */
	uint32_t count;
	struct deaf_arrival arrivals[DEAF_ARRIVALS_MAX];
};

/* What all processes of a run share. */
struct deaf_page {
	_Atomic bool publishing;
	_Atomic bool enough; /* The parent: stop publishing. */
	_Atomic bool over;   /* The publisher: `published` stands. */
	_Atomic uint64_t published;
	uint64_t begin_ns;         /* Of the timeline. */
	uint64_t deaf_ns;          /* Deafness: from here … */
	uint64_t cured_ns;         /* … to here. */
	struct deaf_book books[3]; /* The healthy one, the other, its heir. */
};

/* Bodies of processes; they end with the exit status returned. */
int deaf_publish(const struct deaf_plan *plan, struct deaf_page *page);
int deaf_subscribe(const struct deaf_plan *plan, struct deaf_page *page,
	struct deaf_book *book);

#endif
