/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * types.h - what the broker knows of types: it tells, and looks into none.
 *
 *     a publisher of this host ── Schema ──> kept with it ──┐
 *     one of the network ── asked (topic/asker) ─> a table ─┴─> Describe
 *
 * Schemas are bytes here: who asked for one checks it.  Those from the network
 * stand in a table of fixed size, under the publisher they came from: what one
 * of them tells under another's hash harms nobody else.  One that cannot be had
 * is not asked for again for a while.
 *
 * Subscribers that expect a type are told of publishers of another, up to a
 * number of them.  Test: tests/conformance (types.c),
 * examples/typed_test.sh.
 */
#ifndef BROKER_TYPES_H
#define BROKER_TYPES_H

#include <stdint.h>

#include "link/shm/control.h"
#include "topic/announce.h"

struct client;
struct server;
struct types;

/* 0, or MEMORY with the trail. */
int types_open(struct types **types);
/* NULL is allowed. */
void types_close(struct types *types);

/* Answer an onlooker, as far as it may see. */
void types_describe(
	struct client *client, const struct msg_control_describe *asked);

/* Tell a subscriber of a publisher, if it is of another type than expected. */
void types_tell(struct client *client, const struct msg_announcement *text);
/* The same of one that was heard on the network. */
void types_tell_heard(struct client *client, const struct msg_announcement *said);
/* Of all that it has to do with. */
void types_tell_all(struct client *client);

/* Take what was answered, ask for more; how much there was. */
int types_turn(struct server *server);
/* 0: safe to sleep on the descriptors; AGAIN: take a turn. */
int types_arm(struct server *server);
/* When a turn is due, by msg_clock_ns; UINT64_MAX: never. */
uint64_t types_due(const struct server *server);
/* Be woken by questions for the schemas of local publishers. */
int types_watch(struct server *server);

#endif
