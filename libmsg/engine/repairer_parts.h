/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repairer_parts.h - what repairer.c (reports, repairs, probes) and
 * repairer_calls.c (who is connected) say to each other.
 */
#ifndef MSG_ENGINE_REPAIRER_PARTS_H
#define MSG_ENGINE_REPAIRER_PARTS_H

#include "engine/repairer.h"

/* repairer.c: a probe to one or all; `asked`: the report that it answers, or
 * NULL.  False: there is no place for one now. */
bool repairer_send_probe(struct msg_repairer *r, uint32_t handle,
	const struct msg_repair_action *action, const struct msg_report *asked);

/* repairer.c: who lacks much is told where it is read, if it can be. */
void repairer_send_shelf(struct msg_repairer *r, uint32_t handle);

/* repairer_calls.c: somebody asks for a connection, has one, or has it no more. */
void repairer_called(
	struct msg_repairer *r, const struct msg_link_event *event);

/* repairer_calls.c: whether the connection may speak for this receiver. */
bool repairer_is_his(
	struct msg_repairer *r, uint32_t handle, uint64_t receiver);

#endif
