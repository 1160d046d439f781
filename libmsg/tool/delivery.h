/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * delivery.h - how hard a topic shall try, as the command line says it.
 */
#ifndef TOOL_DELIVERY_H
#define TOOL_DELIVERY_H

#include <msg/msg.h>

/* "best-effort", "reliable" or "rc"; enum msg_reliability. */
uint32_t delivery_reliability(const char *text);

/* The other way round; "-" where it is not known. */
const char *delivery_name(uint32_t reliability);

/* "none", "min", "tagged", or "2" for the two fastest. */
void delivery_flow(const char *text, struct msg_publisher_options *options);

/* A count, or "all". */
uint32_t delivery_history(const char *text);

/* Refuse, by the names of options, what such a topic or subscriber cannot have. */
void delivery_publishing(const struct msg_publisher_options *options);
void delivery_subscribing(const struct msg_subscriber_options *options);

/* "joined", …; "event" for one this program does not know. */
const char *delivery_event(uint32_t event);
/* "network", …; "unknown". */
const char *delivery_loss(uint32_t reason);

/* Why what a view says is lost is so.  A loss that comes with a message has no
 * reason; but through a broker our own slowness is counted: *lapped is that
 * count as it was the last time, 0 at first. */
enum msg_loss delivery_reason(const struct msg_subscriber *subscriber,
	const struct msg_view *view, uint64_t *lapped);

#endif
