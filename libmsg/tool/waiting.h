/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * waiting.h - messages that wait until the type of theirs is known, in order.
 *
 * A publisher that was there before us announces itself only after a while; what
 * it sends meanwhile waits here, copied, and what comes behind it, too.  Both
 * time and memory are bounded: then it is shown as it is.
 */
#ifndef TOOL_WAITING_H
#define TOOL_WAITING_H

#include <stdbool.h>
#include <stdint.h>

#include <msg/msg.h>

/* Something to show: a message or an event. */
struct shown {
	struct msg_view view; /* Its data, or a copy; not to be given back. */
	char topic[256];
	uint64_t since_ns; /* When it came. */
	struct shown *next;
};

struct waiting {
	struct shown *first;
	struct shown **last;
	uint64_t count; /* Messages. */
	size_t bytes;
};

/* Copy it to the end; false: no memory. */
bool waiting_add(struct waiting *waiting, const struct shown *shown);
/* Take the first one away, for free(); NULL: there is none. */
struct shown *waiting_take(struct waiting *waiting);

/* Whether no more should wait. */
bool waiting_is_full(const struct waiting *waiting);

#endif
