/* SPDX-License-Identifier: BSD-2-Clause */
/* cost.h - what the loops in C and in C++ share. */
#ifndef TESTS_BINDINGS_CXX_COST_H
#define TESTS_BINDINGS_CXX_COST_H

#include <stdint.h>

#include <msg/msg.h>

#define COST_BYTES 64
#define COST_BATCH_MAX 64

/* Kept apart by the compiler, since callgrind looks for them by name. */
#ifdef __clang__
#define COST_APART __attribute__((noinline))
#else
#define COST_APART __attribute__((noinline, noclone))
#endif

#ifdef __cplusplus
extern "C" {
#endif

__attribute__((noreturn)) void cost_broken(const char *what);
void cost_warm(struct msg_publisher *publisher,
	struct msg_subscriber *subscriber, int batch);
void cost_c_publish(struct msg_publisher *publisher, int batch);
void cost_c_receive(struct msg_subscriber *subscriber, int batch);

/* What the messages of a batch add up to. */
static inline uint64_t cost_sum(int batch)
{
	return (uint64_t)batch * ((uint64_t)batch + 1) / 2;
}

#ifdef __cplusplus
}
#endif
#endif
