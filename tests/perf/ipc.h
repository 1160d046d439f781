/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ipc.h - two processes of one host, measured: what the machine can do bare
 * (bare.c), and what libmsg does through a broker (ipc_sides.c).
 *
 * Each measurement is two functions, one a process, on a processor each, that
 * share a page of results.  The bare ones are as small as they can be: they are
 * the limit that the others are ratios of, taken in the same round.
 */
#ifndef PERF_IPC_H
#define PERF_IPC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "now.h"

#define IPC_SAMPLES 20000u

/* What both sides share. */
struct ipc_page {
	_Alignas(64) _Atomic uint32_t arrived; /* At the barrier. */
	_Alignas(64) _Atomic uint64_t ping;
	_Alignas(64) _Atomic uint64_t pong;
	_Alignas(64) _Atomic uint64_t stamp;
	_Alignas(64) _Atomic uint32_t word; /* A futex. */
	_Alignas(64) _Atomic uint64_t head; /* Of the byte ring, in bytes. */
	_Alignas(64) _Atomic uint64_t tail;
	_Alignas(64) _Atomic uint32_t failed;
	bool fifo; /* Real-time priority while the clock runs. */
	uint64_t sum; /* Of what was read: nothing is optimised away. */
	double result; /* Messages a second, or ns a message. */
	uint32_t sample_count;
	uint32_t samples[IPC_SAMPLES]; /* ns */
	_Alignas(4096) uint8_t ring[1u << 20];
};

struct ipc_job {
	const char *name;
	uint32_t bytes;   /* Of a message. */
	uint32_t count;   /* Messages, or subscribers. */
	const char *broker; /* libmsg's: its name. */
	uint32_t fewer;     /* Messages are divided by this: a trial of it. */
	bool fifo;
};

typedef void ipc_side(struct ipc_page *page, const struct ipc_job *job);

/* Wait for `sides` processes to come here; for the n-th time if `turn` is n. */
void ipc_meet(struct ipc_page *page, uint32_t sides, uint32_t turn);

/* The same, once all is open, and then ask to be left alone.  Not before: who
 * spins with such a priority keeps the other from ever getting here. */
void ipc_go(struct ipc_page *page, uint32_t sides, uint32_t turn);

/* Read every byte. */
uint64_t ipc_sum(const void *data, size_t bytes);

/* A cache line there and back; a futex there; a byte ring of one writer and
 * one reader, published once a batch. */
ipc_side bare_line_near, bare_line_far;
ipc_side bare_futex_waker, bare_futex_sleeper;
ipc_side bare_ring_writer, bare_ring_reader;

/* The same through libmsg: there and back, spinning; one that sleeps before
 * each message; as fast as both can; and what a message costs its publisher,
 * by how many readers (`count`) are attached. */
ipc_side msg_round_near, msg_round_far;
ipc_side msg_block_sender, msg_block_receiver;
ipc_side msg_rate_sender, msg_rate_receiver;
ipc_side msg_cost_sender, msg_cost_readers;

#define IPC_BATCH 32u

#endif
