/* SPDX-License-Identifier: BSD-2-Clause */
/* bare.c - what two processes of this machine can do at best; see ipc.h. */
#include "ipc.h"
#include "sum.h"

#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAUSE_NS 50000 /* The sleeper must be asleep when it is woken. */
#define RECORD 8u      /* Length in front of each message of the byte ring. */

static void spin_until(const _Atomic uint64_t *word, uint64_t value)
{
	while (atomic_load_explicit(word, memory_order_acquire) != value)
		__builtin_ia32_pause();
}

void ipc_meet(struct ipc_page *page, uint32_t sides, uint32_t turn)
{
	atomic_fetch_add(&page->arrived, 1);
	while (atomic_load(&page->arrived) < sides * turn)
		usleep(100);
}

void ipc_go(struct ipc_page *page, uint32_t sides, uint32_t turn)
{
	struct sched_param priority = {.sched_priority = 1};

	ipc_meet(page, sides, turn);
	if (page->fifo && sched_setscheduler(0, SCHED_FIFO, &priority) != 0)
		perror("perf_ipc: warning: --fifo");
}

uint64_t ipc_sum(const void *data, size_t bytes)
{
	return sum_of(data, bytes);
}

/* ---- a cache line there and back --------------------------------------- */

void bare_line_near(struct ipc_page *page, const struct ipc_job *job)
{
	ipc_go(page, 2, 1);
	for (uint32_t i = 1; i <= job->count; i++) {
		uint64_t begin = now_ns();

		atomic_store_explicit(&page->ping, i, memory_order_release);
		spin_until(&page->pong, i);
		page->samples[(i - 1) % IPC_SAMPLES] =
			(uint32_t)(now_ns() - begin);
	}
	page->sample_count =
		job->count < IPC_SAMPLES ? job->count : IPC_SAMPLES;
}

void bare_line_far(struct ipc_page *page, const struct ipc_job *job)
{
	ipc_go(page, 2, 1);
	for (uint32_t i = 1; i <= job->count; i++) {
		spin_until(&page->ping, i);
		atomic_store_explicit(&page->pong, i, memory_order_release);
	}
}

/* ---- a wake ------------------------------------------------------------ */

void bare_futex_waker(struct ipc_page *page, const struct ipc_job *job)
{
	struct timespec pause = {.tv_nsec = PAUSE_NS};

	ipc_go(page, 2, 1);
	for (uint32_t i = 1; i <= job->count; i++) {
		nanosleep(&pause, NULL);
		atomic_store(&page->stamp, now_ns());
		atomic_store(&page->word, i);
		syscall(SYS_futex, &page->word, FUTEX_WAKE, 1, NULL, NULL, 0);
		spin_until(&page->pong, i);
	}
}

void bare_futex_sleeper(struct ipc_page *page, const struct ipc_job *job)
{
	ipc_go(page, 2, 1);
	for (uint32_t i = 1; i <= job->count; i++) {
		while (atomic_load(&page->word) < i)
			syscall(SYS_futex, &page->word, FUTEX_WAIT, i - 1,
				NULL, NULL, 0);
		page->samples[(i - 1) % IPC_SAMPLES] =
			(uint32_t)(now_ns() - atomic_load(&page->stamp));
		atomic_store(&page->pong, i);
	}
	page->sample_count =
		job->count < IPC_SAMPLES ? job->count : IPC_SAMPLES;
}

/* ---- a byte ring ------------------------------------------------------- */

static uint32_t record_bytes(const struct ipc_job *job)
{
	return RECORD + ((job->bytes + 7) & ~7u);
}

void bare_ring_writer(struct ipc_page *page, const struct ipc_job *job)
{
	const uint64_t size = sizeof page->ring;
	const uint64_t record = record_bytes(job);
	const uint64_t lap = size / record * record;
	uint64_t head = 0;
	uint64_t tail = 0;

	ipc_go(page, 2, 1);
	for (uint32_t i = 0; i < job->count; i++) {
		uint8_t *at = page->ring + head % lap;

		while (head + record - tail > lap)
			tail = atomic_load_explicit(
				&page->tail, memory_order_acquire);
		memcpy(at, &job->bytes, sizeof job->bytes);
		memset(at + RECORD, (int)i, job->bytes);
		head += record;
		if (i % IPC_BATCH == IPC_BATCH - 1)
			atomic_store_explicit(
				&page->head, head, memory_order_release);
	}
	atomic_store_explicit(&page->head, head, memory_order_release);
}

void bare_ring_reader(struct ipc_page *page, const struct ipc_job *job)
{
	const uint64_t size = sizeof page->ring;
	const uint64_t record = record_bytes(job);
	const uint64_t lap = size / record * record;
	uint64_t tail = 0;
	uint64_t sum = 0;
	uint64_t begin;

	ipc_go(page, 2, 1);
	begin = now_ns();
	while (tail < job->count * record) {
		uint64_t head = atomic_load_explicit(
			&page->head, memory_order_acquire);

		for (; tail < head; tail += record) {
			const uint8_t *at = page->ring + tail % lap;
			uint32_t bytes;

			memcpy(&bytes, at, sizeof bytes);
			sum += ipc_sum(at + RECORD, bytes);
		}
		atomic_store_explicit(
			&page->tail, tail, memory_order_release);
	}
	page->result = job->count * 1e9 / (double)(now_ns() - begin);
	page->sum = sum;
}
