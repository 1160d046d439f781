/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * large_sides.h - a host with a broker and another host, for test_large.c,
 * large_local.c and large_deaths.c: publishers of large messages, and subscribers
 * that know what comes.
 *
 * The other host is this process, straight on the lane, with a thread that serves
 * whoever reads from it.
 */
#ifndef TESTS_SURVIVE_LARGE_SIDES_H
#define TESTS_SURVIVE_LARGE_SIDES_H

#include <msg/msg.h>
#include <msg/stats.h>

#include "actor.h"
#include "lane.h"

#define TOPIC "large.test"
#define MIB ((size_t)1 << 20)
#define BYTES large_bytes
#define S_NS 1000000000ll

extern struct lane lane;
extern struct host host;
extern struct msg_node *node;  /* On the broker. */
extern struct msg_node *other; /* Another host. */
extern const char *device;     /* Or NULL: kernel UDP on loopback. */
extern size_t large_bytes;        /* Of a message; two find room … */
extern const char *large_memory;  /* … in so much of a broker's. */
extern const uint32_t deliveries[2]; /* Of a loop test. */

/* `config`: see host_open. */
void setup_with(const char *config);
void setup(void);
void teardown(void);

struct msg_publisher *publish_with(struct msg_node *on, uint32_t reliability,
	size_t memory, uint32_t give_up_ms);
struct msg_publisher *publish_on(
	struct msg_node *on, uint32_t reliability, size_t memory);
struct msg_subscriber *subscribe_with(
	struct msg_node *on, size_t bytes, bool events, uint32_t give_up_ms);
/* With more patience than a busy machine asks for. */
struct msg_subscriber *subscribe_on(
	struct msg_node *on, size_t bytes, bool events);
/* On `node`; `slow`: enum msg_slow. */
struct msg_subscriber *subscribe_slowly(uint32_t slow);

/* Message `number` of its publisher; false: not now. */
bool try_put(struct msg_publisher *p, uint64_t number, size_t bytes);
void put(struct msg_publisher *p, uint64_t number, size_t bytes);

/* The next view that is a message, or LOST; the caller's to release. */
bool take(struct msg_subscriber *s, struct msg_view *view, int64_t ns);
/* It is a message, and none was lost before it. */
void check_event(const struct msg_view *view);
struct msg_view expect(
	struct msg_subscriber *s, uint64_t number, size_t bytes);
void expect_back(struct msg_subscriber *s, uint64_t number, size_t bytes);
void expect_loss(
	struct msg_subscriber *s, uint64_t next, enum msg_loss reason);
/* It knows the publisher, and misses nothing from here on. */
void meet(struct msg_subscriber *s);

/* Further tests of the program, in files of their own. */
void add_local_tests(TCase *large); /* large_local.c */
void add_death_tests(Suite *suite); /* large_deaths.c */

#endif
