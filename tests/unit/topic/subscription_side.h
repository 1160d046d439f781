/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * subscription_side.h - a subscription to "a.>" at a broker that says what a test
 * wants it to say, and what is expected of it.
 * Neighbours: test_subscription.c, subscription_broker.c, which are one program.
 */
#ifndef TESTS_UNIT_TOPIC_SUBSCRIPTION_SIDE_H
#define TESTS_UNIT_TOPIC_SUBSCRIPTION_SIDE_H

#include "check_main.h"
#include "fake_broker.h"
#include "topic/subscription.h"

extern struct msg_subscription s;
extern struct fake_client broker, again; /* `again`: when it has come back. */
extern struct fake_ring first, second;

struct msg_subscription_options side_options(void);
void side_open(void);
void side_close(void);

/* So many milliseconds from now. */
uint64_t deadline(uint64_t ms);

/* The next message, whole and with its losses as they should be. */
void expect(uint64_t sequence, uint64_t lost, const char *topic);
void expect_nothing(void);

/* How many it reads. */
uint32_t side_rings(void);

/* 1: its descriptor wakes within `ms`; 0: it does not. */
int polled(int ms);

void add_broker_tests(Suite *suite);

#endif
