/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * harness.h - one sender process and one receiver process, measured.
 *
 * The programs of this folder differ in how a message travels and in nothing
 * else: who pins which process where, who paces, who reads the clock and who
 * counts is here, once, so that two of them can be compared.
 *
 *     parent ─ fork ─> sender    waits until the receiver listens, sends
 *                      receiver  polls or sleeps, stamps what arrives
 *     parent: percentiles, rate, loss; one line of tab-separated columns
 *
 *   latency  a message at a time, paced; the sender's clock is the payload
 *   rate     as fast as the window lets, counted where they arrive
 *
 * The clock is CLOCK_MONOTONIC, which all processes of a machine share.
 * Neighbours: raw_udp.c, raw_verbs.c, perf_msg.c.  Test: perf.smoke.
 */
#ifndef PERF_HARNESS_H
#define PERF_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "now.h"

#define PERF_RECEIVE_MAX 64 /* Messages a call of `receive` may hand over. */

/* What a frame or datagram may hold back for us while we are away: the same
 * for all programs (link/fabric asks for as much). */
#define PERF_SOCKET_BYTES (16 << 20)

struct perf_side {
	const char *interface; /* "lo" */
	const char *netns;     /* Of `ip netns`, or NULL: where we are. */
	int cpu;               /* -1: where it likes. */
};

struct perf_plan {
	bool latency;    /* Else rate. */
	bool block;      /* The receiver sleeps; else it spins. */
	bool fifo;       /* Real-time priority while measuring. */
	bool idle;       /* The sender sleeps until a message is due. */
	uint32_t bytes;  /* Of a message, 8 or more. */
	uint32_t batch;  /* Messages given to one `send`. */
	uint32_t window; /* Most messages under way; 0: no limit. */
	uint64_t count;  /* Latency: messages. */
	double rate;     /* Latency: messages a second. */
	double seconds;  /* Rate: how long. */
	struct perf_side sender;
	struct perf_side receiver;
	const char *device; /* RDMA device, or NULL. */
	const char *group;  /* Address of the group. */
	uint32_t port;
	uint32_t frame_bytes;  /* libmsg: largest frame; 0: its default. */
	uint32_t buffer_count; /* libmsg: receive buffers; 0: its default. */
	uint32_t history_bytes; /* libmsg, reliable: 0: its default. */
	const char *style;     /* How; NULL: the program's default. */
	const char *samples;   /* File for sorted latencies, or NULL. */
	const char *trace;     /* File for latencies as they come, or NULL. */
};

/* How messages travel.  Every failing call has said why on stderr. */
struct perf_lane {
	const char *name;
	int (*sender_open)(const struct perf_plan *plan, void **sender);
	int (*receiver_open)(const struct perf_plan *plan, void **receiver);
	/* Send `count` messages that begin with `stamp`; all are on their way
	 * when it returns.  How many were sent; -1: failed. */
	int (*send)(void *sender, uint64_t stamp, uint32_t count);
	/* One look: the stamps of what has arrived, PERF_RECEIVE_MAX at most.
	 * How many; -1: failed. */
	int (*receive)(void *receiver, uint64_t *stamps);
	/* Give back what that was, once it has been used; may be NULL. */
	void (*release)(void *receiver);
	/* Sleep until something may have arrived, 20 ms at most. */
	int (*wait)(void *receiver);
	void (*sender_close)(void *sender);
	void (*receiver_close)(void *receiver);
};

/* plan.c.  0: measure; 1: the arguments are wrong, which stderr says; 2: they
 * asked for something else, which is done. */
int perf_plan_read(int argc, char **argv, struct perf_plan *plan);

/* The names of the columns of a result. */
void perf_print_columns(void);

/* Read the arguments, run, print; the exit status of main. */
int perf_main(int argc, char **argv, const struct perf_lane *lane);

#endif
