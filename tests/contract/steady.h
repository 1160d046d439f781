/* SPDX-License-Identifier: BSD-2-Clause */
/* steady.h - the steady path's cases, for whatever lane the node stands on. */
#ifndef TESTS_CONTRACT_STEADY_H
#define TESTS_CONTRACT_STEADY_H

#include <stdbool.h>

#include <msg/msg.h>

#include "calls.h"

enum steady_path {
	STEADY_SEND,      /* loan, send, take, release: one by one. */
	STEADY_QUEUE,     /* Batches. */
	STEADY_COPY,      /* msg_publish and msg_subscriber_copy. */
	STEADY_FRAGMENTS, /* Messages of several frames. */
	STEADY_ABANDON,   /* Loans that go unsent, several at once. */
	STEADY_EMPTY,     /* Takes that find nothing. */
	STEADY_REFUSE,    /* Calls that fail. */
	STEADY_PATHS,
};

extern const char *const steady_names[STEADY_PATHS];

/* Twice as many cases: behind the best-effort ones, those of reliable topics. */
#define STEADY_CASES (2 * STEADY_PATHS)

/* Walk a path often enough and count; the path was walked once before, as a
 * lane may finish opening then. */
void steady_run(struct msg_node *node, enum steady_path path, bool reliable,
	struct calls *calls);

#endif
