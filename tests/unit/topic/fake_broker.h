/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake_broker.h - a broker that says what a test wants it to say.
 *
 * It listens in a folder of its own.  fake_serve, in a thread, answers one
 * client's Hello and what it asks for; from then on the connection is the
 * test's, to speak on and to cut.  Rings for subscribers are written by the
 * library's own outbox.
 */
#ifndef TESTS_UNIT_TOPIC_FAKE_BROKER_H
#define TESTS_UNIT_TOPIC_FAKE_BROKER_H

#include <pthread.h>
#include <stdbool.h>

#include "engine/outbox.h"
#include "link/shm/control.h"
#include "link/shm/segment.h"
#include "link/shm/session.h"
#include "link/shm/socket.h"

#define FAKE_ENTRIES 64u
#define FAKE_SLOTS 32u
#define FAKE_PAYLOAD 4096u
#define FAKE_PID 4242u

/* One client, as the broker sees it. */
struct fake_client {
	struct msg_socket *socket;
	struct msg_shm_segment page;
	struct msg_control asked; /* Subscribe, Publish or Watch. */
	int bell[2];              /* Ours, and the subscriber's. */
	struct msg_shm_segment ring, pool; /* Of a publisher. */
	const char *refuse;       /* Say this instead of an answer. */
	bool welcomes;            /* Say Welcome, and no more. */
	pthread_t thread;
};

/* A ring that a subscriber is told of. */
struct fake_ring {
	struct msg_shm_segment ring, pool, ledger;
	struct msg_outbox outbox;
	msg_counter_t counters[MSG_COUNTER_COUNT];
	_Atomic uint32_t no_news;
	struct fake_client *client; /* Whose doorbell is rung. */
};

/* Listen; where is fake_path. */
void fake_open(void);
void fake_close(void);
extern char fake_path[108];

/* Serve the next client from a thread, until it has its answer. */
void fake_serve(struct fake_client *client, const char *refuse);
/* The same of one that will not ask for anything, of this broker. */
void fake_welcome(struct fake_client *client);
void fake_served(struct fake_client *client); /* Waits for that. */
void fake_hang_up(struct fake_client *client); /* Or it is gone already. */
void fake_say(struct fake_client *client, const struct msg_control *message,
	const int *fds, unsigned fd_count);

/* Make a ring whose sequences begin there, and tell the subscriber of it. */
void fake_ring_open(struct fake_ring *ring, struct fake_client *client,
	uint32_t number, const char *topic, uint32_t publisher,
	uint64_t sequence);
void fake_ring_tell(struct fake_ring *ring, struct fake_client *client,
	uint32_t number, const char *topic);
void fake_ring_gone(struct fake_client *client, uint32_t number);
void fake_ring_close(struct fake_ring *ring);
/* A message that says its sequence, of at least 8 bytes. */
void fake_publish(struct fake_ring *ring, size_t bytes);

#endif
