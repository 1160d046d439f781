/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attendant.h - looks after a node's publishers and subscribers on the broker
 * while the application makes no calls on them.
 *
 * Each of them watches its connection by itself, with the calls that are made
 * on it: a broker that died is noticed, one that is back is found.  Where no
 * call comes for a while, the attendant does that instead: the node's progress
 * thread when asked for, or msg_node_progress.  Who works is left alone: it is
 * looked at only what is overdue, and its gate (base/gate.h) is tried.
 *
 * Neighbours: called by api/node; publication, subscription.
 * Test: tests/survive/test_restart.c, tests/unit/topic/test_publication.c.
 */
#ifndef MSG_TOPIC_ATTENDANT_H
#define MSG_TOPIC_ATTENDANT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/gate.h"

/* One that is looked after. */
struct msg_attended {
	struct msg_attended *next;
	struct msg_gate gate; /* The owner's calls are inside. */
	const _Atomic uint64_t *due; /* Of its next turn, coarse clock. */
	void (*turn)(void *context); /* Called inside the gate. */
	void *context;
	uint64_t left; /* `due`, as the attendant's last turn left it. */
};

struct msg_attendant {
	struct msg_attended *list;
	pthread_mutex_t lock; /* Of the list and of turns. */
	pthread_cond_t wake;
	pthread_t thread;
	bool threaded;
	bool stop;
};

/* 0; MEMORY with the trail (no thread).  Then nothing is open. */
int msg_attendant_open(struct msg_attendant *attendant, bool threaded);
void msg_attendant_close(struct msg_attendant *attendant);

/* From now on; until removed it stays where it is. */
void msg_attendant_add(
	struct msg_attendant *attendant, struct msg_attended *attended);
void msg_attendant_remove(
	struct msg_attendant *attendant, struct msg_attended *attended);

/* Look after who is overdue. */
void msg_attendant_turn(struct msg_attendant *attendant);

#endif
