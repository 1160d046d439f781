/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer.h - one publisher process, N subscriber processes, one way to talk.
 *
 * Each file of this folder that is named after a way to talk (msg.c, zmq.c …)
 * is a table of what this header asks for, and a program by itself; who starts
 * which process, who paces, who reads the clock and who counts is in harness.c,
 * once, so that two of them can be compared.
 *
 *   rate   as fast as no message is lost: who can holds its publisher back by
 *          itself, for who cannot the harness does (`window`)
 *   spin   paced; publisher and subscribers look all the time
 *   block  paced; all of them sleep, and the processor time is counted
 *
 * Every byte of a message is written by the publisher and read by each
 * subscriber, in place where the way to talk allows that.
 */
#ifndef PERF_PEER_H
#define PERF_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define PEER_SUBSCRIBERS_MAX 16
#define PEER_BATCH 32u /* Messages of a rate run that are sent together. */
#define PEER_WAIT_MS 20

enum peer_mode {
	PEER_RATE,
	PEER_SPIN,
	PEER_BLOCK,
};

struct peer_plan {
	enum peer_mode mode;
	uint32_t subscribers;
	uint32_t bytes;    /* Of a message, 16 or more. */
	double rate;       /* Paced: messages a second. */
	double seconds;    /* How long. */
	uint32_t window;   /* Rate: most under way; 0: the peer sees to it. */
	const char *place; /* A folder for sockets, or a broker's socket. */
	const char *style; /* A variant of this way; NULL: its first. */
	long daemon_pid;   /* Its processor time counts, too; 0: none. */
};

struct peer_reader; /* Who reads messages, in harness.c. */

struct peer {
	const char *name;
	bool holds_back; /* Loses nothing by itself in a rate run. */
	uint32_t window; /* If it does not: most under way. */
	/* Each failing call has said why on stderr. */
	int (*publisher_open)(const struct peer_plan *plan, void **publisher);
	int (*subscriber_open)(const struct peer_plan *plan, uint32_t index,
		void **subscriber);
	/* One message, filled by peer_fill.  It may wait for the next if `more`
	 * follow.  0, or -1. */
	int (*send)(void *publisher, uint64_t number, bool more);
	/* One look: hand what is there to peer_read, at most 64 messages.  How
	 * many; -1: failed. */
	int (*take)(void *subscriber, struct peer_reader *reader);
	/* Sleep until something may be there, PEER_WAIT_MS at most. */
	int (*wait)(void *subscriber);
	void (*publisher_close)(void *publisher);
	void (*subscriber_close)(void *subscriber);
};

static inline uint64_t peer_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Write a message: its number, then the time, last; each other byte too. */
void peer_fill(void *to, size_t bytes, uint64_t number);

/* Read a message, or its first piece; then its other pieces. */
void peer_read(struct peer_reader *reader, const void *data, size_t bytes);
void peer_read_more(struct peer_reader *reader, const void *data, size_t bytes);

/* Arguments, processes, one line of tab-separated columns; main's status. */
int peer_main(int argc, char **argv, const struct peer *peer);

#endif
