/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * finder.h - libfabric's providers of connections, found while the loop goes on.
 *
 * The first rc topic, or the first that has large messages, wants connections, and
 * to find what makes them takes 0.1 s of a processor, once a process: seconds, where
 * many others want one.  In the loop that would be a time in which nothing is
 * received, nothing sent and nobody answered.  So a thread does it that does
 * nothing else, not before somebody wants it; and who wants it waits:
 *
 *     a client      its request is put aside, it is told that it is UnderWay, and
 *                   nothing else is read of it (client_ask.c)
 *     a feed        calls with one of the publisher's next announcements
 *
 *     NONE ── finder_ask ──> FINDING ── the bell rings ──> FOUND
 *
 * It says nothing of whether there are any: who opens some hears that at once.
 *
 * Neighbours: client_ask.c and feed.c ask; calls link/module.h.
 * Test: tests/unit/broker/test_finder.c.
 */
#ifndef BROKER_FINDER_H
#define BROKER_FINDER_H

#include <pthread.h>
#include <stdbool.h>

#include "link/channel.h"

struct finder {
	struct msg_link_domain *domain; /* NULL: no network, nothing to find. */
	int bell; /* A byte goes in when all is found. */
	const struct msg_channel_module *module; /* NULL: ours. */
	pthread_t thread;
	bool started;
	_Atomic bool found; /* Release, when the thread does nothing more. */
};

/* Whether connections can be opened without a wait; if not they are being found from
 * here on. */
bool finder_ask(struct finder *finder);

/* Waits until the thread is done.  Safe on what is all zero. */
void finder_close(struct finder *finder);

#endif
