/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * delivery.h - how hard a topic shall try, as the command line says it.
 */
#ifndef TOOL_DELIVERY_H
#define TOOL_DELIVERY_H

#include <msg/msg.h>

/* "best-effort", "reliable" or "rc"; enum msg_reliability. */
uint32_t delivery_reliability(const char *text);

/* "none", "min", "tagged", or "2" for the two fastest. */
void delivery_flow(const char *text, struct msg_publisher_options *options);

/* A count, or "all". */
uint32_t delivery_history(const char *text);

/* "joined", …; "event" for one this program does not know. */
const char *delivery_event(uint32_t event);
/* "network", …; "unknown". */
const char *delivery_loss(uint32_t reason);

#endif
