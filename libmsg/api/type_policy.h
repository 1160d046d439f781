/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * type_policy.h - a subscriber that expects a type, and publishers of others.
 *
 * Who they are comes with announcements, or from the broker; each is said to the
 * log once, and by an event to who asked for those (msg_inbox_owe_other).  Where
 * they are refused, their messages are given back as they are taken: steady calls
 * look at one number while there is nobody to refuse.
 * Test: tests/conformance (types.c).
 */
#ifndef MSG_API_TYPE_POLICY_H
#define MSG_API_TYPE_POLICY_H

#include <msg/msg.h>

#include "base/atomic.h"
#include "base/log.h"
#include "engine/inbox.h"

/* More of them than a subscriber follows publishers, by default, and than a
 * broker tells; those beyond are let pass. */
#define MSG_TYPE_POLICY_MAX MSG_INBOX_OTHERS_MAX

struct msg_type_expected {
	const struct msg_type *type; /* NULL: anything. */
	uint32_t policy;             /* enum msg_type_policy, but DEFAULT. */
	const struct msg_log *log;
	_Atomic uint32_t count;
	uint64_t publishers[MSG_TYPE_POLICY_MAX];
};

/* 0, or ARGUMENT with the trail. */
int msg_type_expected_open(struct msg_type_expected *expected,
	const struct msg_subscriber_options *options,
	const struct msg_log *log);
void msg_type_expected_close(struct msg_type_expected *expected);

/* The hash to expect; 0: any. */
uint64_t msg_type_expected_hash(const struct msg_type_expected *expected);

/* A publisher of `topic` is of type `name`, "" if it names none; whether that is
 * news, which events tell.  On a broker that is heard by whoever turns the
 * subscription, one at a time. */
bool msg_type_expected_note(struct msg_type_expected *expected,
	const char *topic, uint64_t publisher, const char *name);

/* Give back those of refused publishers; how many views are left. */
int msg_type_expected_sift(struct msg_type_expected *expected,
	struct msg_inbox *inbox, struct msg_view *views, int count);

#endif
