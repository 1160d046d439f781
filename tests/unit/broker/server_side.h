/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server_side.h - clients of a broker in this process: one that subscribes, and a
 * source, which publishes by a ring of the broker's and hears of its readers.
 * Neighbours: test_server.c, server_directory.c, which are one program.
 */
#ifndef TESTS_UNIT_BROKER_SERVER_SIDE_H
#define TESTS_UNIT_BROKER_SERVER_SIDE_H

#include "broker/client.h"
#include "broker/server_internal.h"

#include "broker_peer.h"
#include "check_main.h"

#define SIDE_READERS 64u

struct side_source {
	struct broker_peer peer;
	struct msg_shm_segment ring, pool, ledgers[SIDE_READERS];
	struct msg_ring_writer writer;
	uint32_t freed;
	bool started;
};

/* A broker without a network; a fixture. */
void side_open(void);
void side_close(void);

void side_subscribe(struct broker_peer *peer, const char *pattern);
/* With so many messages of those that were before. */
void side_subscribe_late(
	struct broker_peer *peer, const char *pattern, uint32_t history);

/* As publisher `id` of a topic: ask, and hear what is said; or get it, too.  With
 * `history_bytes` it is reliable, keeps so much, and has large messages. */
void side_ask_to_publish(struct side_source *s, const char *topic, uint32_t id,
	uint64_t history_bytes);
void side_publish(struct side_source *s, const char *topic, uint32_t id);
void side_publish_keeping(struct side_source *s, const char *topic, uint32_t id,
	uint64_t history_bytes);
void side_leave(struct side_source *s);

/* How many readers more the broker tells of. */
unsigned side_hear_readers(struct side_source *s);

void add_directory_tests(Suite *suite);

#endif
